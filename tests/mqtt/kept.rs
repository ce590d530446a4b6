//! Every row once, though the daemon, the broker and the receiver are killed at random moments.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::data::{self, SplitMix64};
use crate::support::mosquitto::Mosquitto;
use crate::support::process::wait_until;
use crate::support::subscriber::Subscriber;
use crate::{TABLE, TOPICS, WITHIN, add_rows, assert_arrived, once, sending};

fn wait_for_a_moment(random: &mut SplitMix64, ms_max: u64) {
    let moment = Instant::now() + Duration::from_millis(random.below(ms_max));
    wait_until("a random moment", WITHIN, || (Instant::now() >= moment).then_some(()));
}

fn often(usual: u32) -> u32 {
    std::env::var("LIVECOSMOS_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(usual)
}

/// Kills the daemon, and now and then the broker or the receiver, while rows keep coming.
fn survive_kills(kills: u32, version: &'static str, lines: &str) {
    let seed = data::seed();
    println!("seed {seed}");
    let mut random = SplitMix64::new(seed);
    let mut broker = Mosquitto::start();
    let mut receiver = Subscriber::start(broker.address(), version, TOPICS);
    let workdir = sending(&broker.url(), &format!("version = \"{version}\"\n{lines}"));
    let daemon = workdir.livecosmos().table(TABLE);
    let (mut rows, mut brokers, mut receivers) = (0, 0, 0);
    for _ in 0..kills {
        let more = 30 + u32::try_from(random.below(120)).expect("few");
        add_rows(&workdir, rows, more);
        rows += more;
        let mut running = daemon.spawn();
        wait_for_a_moment(&mut random, 300);
        match random.below(6) {
            0 | 1 => {
                brokers += 1;
                // It acknowledges before it writes its sessions to the disk, which no publisher can mend: so it is
                // killed when it has written them, with whatever is on its way at the daemon.
                running.signal(Signal::STOP);
                broker.wait_settled();
                let seen = receiver.subscriptions();
                broker.kill();
                broker.start_again();
                receiver.wait_subscribed(seen);
                running.signal(Signal::CONT);
                wait_for_a_moment(&mut random, 300);
            }
            2 => {
                receivers += 1;
                receiver.kill();
                receiver.start_again();
            }
            _ => {}
        }
        drop(running.kill());
    }
    let _ = once(&workdir).run().expect_code(0);
    let _ = once(&workdir).run().expect_code(0);
    assert_arrived(&receiver, rows);
    println!(
        "{kills} kills of the daemon, {brokers} of the broker, {receivers} of the receiver: {rows} rows, each once"
    );
}

#[test]
fn every_row_arrives_once_though_daemon_broker_and_receiver_are_killed() {
    survive_kills(10, "5", "");
}

#[test]
fn every_row_arrives_once_over_the_older_version_though_all_are_killed() {
    survive_kills(10, "3.1.1", "facts = \"line\"");
}

#[test]
#[ignore = "minutes; part of make torture"]
fn every_row_arrives_once_though_daemon_broker_and_receiver_are_killed_many_times() {
    survive_kills(often(300), "5", "");
}

#[test]
fn an_outage_ends_with_all_rows_there_once() {
    let mut broker = Mosquitto::start();
    let mut receiver = Subscriber::start(broker.address(), "5", TOPICS);
    let workdir = sending(&broker.url(), "");
    let mut daemon = workdir.livecosmos().table(TABLE).env("LIVECOSMOS_LOG", "debug").spawn();
    add_rows(&workdir, 0, 60);
    wait_until("the first rows", WITHIN, || (receiver.rows() >= 60).then_some(()));
    let seen = receiver.subscriptions();
    broker.kill();
    add_rows(&workdir, 60, 300);
    daemon.wait_for_stderr("does not answer", WITHIN);
    broker.start_again();
    receiver.wait_subscribed(seen);
    add_rows(&workdir, 360, 30);
    assert_arrived(&receiver, 390);
    daemon.terminate();
    let _ = daemon.wait().expect_code(0);
}

#[test]
fn a_broker_that_stands_still_is_left_and_found_again() {
    let mut broker = Mosquitto::start();
    let receiver = Subscriber::start(broker.address(), "5", TOPICS);
    let workdir = sending(&broker.url(), "request_timeout = \"1s\"\nconnect_timeout = \"1s\"");
    let mut daemon = workdir.livecosmos().table(TABLE).env("LIVECOSMOS_LOG", "debug").spawn();
    add_rows(&workdir, 0, 60);
    wait_until("the first rows", WITHIN, || (receiver.rows() >= 60).then_some(()));
    broker.signal(Signal::STOP);
    add_rows(&workdir, 60, 90);
    daemon.wait_for_stderr("did not acknowledge", WITHIN);
    daemon.wait_for_stderr("does not welcome us", WITHIN);
    broker.signal(Signal::CONT);
    assert_arrived(&receiver, 150);
    drop(daemon);
}

#[test]
fn a_broker_that_answers_no_ping_is_left_before_there_is_anything_to_send() {
    let mut broker = Mosquitto::start();
    let workdir =
        sending(&broker.url(), "keep_alive = \"5s\"\nstatus_topic = \"status\"\nconnect_timeout = \"1s\"");
    let heard = broker.listen("status", &[]);
    let daemon = workdir.livecosmos().table(TABLE).spawn();
    let online = |times: usize| {
        wait_until("the daemon", WITHIN, || {
            (heard.heard().iter().filter(|said| *said == "online").count() >= times).then_some(())
        });
    };
    online(1);
    broker.signal(Signal::STOP);
    let left = Instant::now() + Duration::from_secs(7);
    wait_until("two pings", WITHIN, || (Instant::now() >= left).then_some(()));
    broker.signal(Signal::CONT);
    online(2);
    drop(daemon);
}

#[test]
fn rows_wait_with_the_broker_for_a_receiver_that_is_away() {
    let broker = Mosquitto::start();
    let mut receiver = Subscriber::start(broker.address(), "5", TOPICS);
    receiver.kill();
    let workdir = sending(&broker.url(), "");
    add_rows(&workdir, 0, 90);
    let said = once(&workdir).run().expect_code(0).stderr;
    assert!(!said.contains("nobody subscribes"), "{said}");
    receiver.start_again();
    assert_arrived(&receiver, 90);
}

#[test]
fn a_state_that_was_restored_sends_nothing_that_the_receiver_counts_twice() {
    let broker = Mosquitto::start();
    let receiver = Subscriber::start(broker.address(), "5", TOPICS);
    let workdir = sending(&broker.url(), "");
    add_rows(&workdir, 0, 120);
    let _ = once(&workdir).run().expect_code(0);
    std::fs::create_dir(workdir.path("old")).expect("a folder");
    for name in ["MET.state", "MET.state.backup"] {
        std::fs::copy(workdir.state_dir().join(name), workdir.path("old").join(name)).expect("a copy");
    }
    add_rows(&workdir, 120, 50);
    let _ = once(&workdir).run().expect_code(0);
    for name in ["MET.state", "MET.state.backup"] {
        std::fs::copy(workdir.path("old").join(name), workdir.state_dir().join(name)).expect("a copy");
    }
    // The old state cuts its next batches otherwise.
    add_rows(&workdir, 170, 60);
    let _ = once(&workdir).run().expect_code(0);
    assert_arrived(&receiver, 230);
}

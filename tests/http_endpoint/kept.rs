//! Every row once, though the daemon, the receiver, requests and replies are lost at random moments.

use std::io::BufRead as _;
use std::time::{Duration, Instant};

use crate::data::{self, SplitMix64};
use crate::support::daemon::Livecosmos;
use crate::support::front::{Fault, Front};
use crate::support::process::wait_until;
use crate::support::receiver::Receiver;
use crate::{TABLE, add_rows, assert_once, once, sending};

const WITHIN: Duration = Duration::from_mins(2);

pub(crate) fn wait_for_a_moment(random: &mut SplitMix64, ms_max: u64) {
    let moment = Instant::now() + Duration::from_millis(random.below(ms_max));
    wait_until("a random moment", WITHIN, || (Instant::now() >= moment).then_some(()));
}

pub(crate) fn seeded() -> SplitMix64 {
    let seed = data::seed();
    println!("seed {seed}");
    SplitMix64::new(seed)
}

fn often(usual: u32) -> u32 {
    std::env::var("LIVECOSMOS_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(usual)
}

/// Kills the daemon, and now and then the receiver, while rows keep coming.
fn survive_kills(kills: u32) {
    let mut random = seeded();
    let mut receiver = Receiver::start();
    let workdir = sending(&receiver.url(), "");
    let daemon = workdir.livecosmos().table(TABLE);
    let mut rows = 0;
    for _ in 0..kills {
        let more = 30 + u32::try_from(random.below(120)).expect("few");
        add_rows(&workdir, rows, more);
        rows += more;
        let running = daemon.spawn();
        wait_for_a_moment(&mut random, 300);
        if random.below(4) == 0 {
            receiver.stop();
            receiver.start_again();
        }
        drop(running.kill());
    }
    let _ = once(&workdir).run().expect_code(0);
    let _ = once(&workdir).run().expect_code(0);
    assert_once(&receiver.batches(), rows);
    println!("{kills} kills: {rows} rows, each once");
}

#[test]
fn every_row_arrives_once_though_daemon_and_receiver_are_killed() {
    survive_kills(12);
}

#[test]
#[ignore = "minutes; part of make torture"]
fn every_row_arrives_once_though_daemon_and_receiver_are_killed_many_times() {
    survive_kills(often(300));
}

/// A server that fails at random: it loses requests and replies, and says that it failed whether it stored or not.
fn fail_at_random(random: &mut SplitMix64, message_is_head: bool) -> Fault {
    if message_is_head {
        return Fault::None;
    }
    match random.below(12) {
        0 => Fault::LoseRequest,
        1 => Fault::LoseReply,
        2 => Fault::CutReply,
        3 => Fault::Answer(503),
        4 => Fault::AnswerAfter(500),
        5 => Fault::AnswerAfter(400),
        6 => Fault::CutRequest,
        _ => Fault::None,
    }
}

#[test]
fn a_server_that_fails_at_random_gets_every_row_once_and_none_is_put_aside_for_good() {
    let mut random = seeded();
    let receiver = Receiver::start();
    let front = Front::before(receiver.address());
    let mut dice = SplitMix64::new(random.below(u64::MAX));
    front.set_rule(move |request| fail_at_random(&mut dice, request.method() == "HEAD"));
    let workdir = sending(&format!("{}/rows", front.endpoint()), "request_timeout = \"5s\"");
    let mut rows = 0;
    for _ in 0..10 {
        let more = 30 + u32::try_from(random.below(120)).expect("few");
        add_rows(&workdir, rows, more);
        rows += more;
        let _ = once(&workdir).run();
    }
    front.set_rule(|_| Fault::None);
    let _ = once(&workdir).run().expect_code(0);
    // What it refused when it was one row is sent once more by hand, as an operator does.
    let requeue = Livecosmos::new(workdir.folder())
        .arg("quarantine")
        .arg("requeue")
        .arg(workdir.config())
        .arg(TABLE)
        .arg("--yes");
    let _ = requeue.run();
    let _ = once(&workdir).run().expect_code(0);
    assert_once(&receiver.batches(), rows);
    println!("{rows} rows, each once, in {} requests", front.exchanges().len());
}

#[test]
fn an_outage_ends_with_all_rows_there_once() {
    let mut receiver = Receiver::start();
    let workdir = sending(&receiver.url(), "");
    let mut daemon = workdir.livecosmos().table(TABLE).spawn();
    add_rows(&workdir, 0, 60);
    wait_until("the first rows", WITHIN, || (receiver.batches().len() >= 3).then_some(()));
    receiver.stop();
    add_rows(&workdir, 60, 300);
    daemon.wait_for_stderr("does not answer", WITHIN);
    receiver.start_again();
    add_rows(&workdir, 360, 30);
    let rows = || receiver.batches().values().map(|batch| batch.lines().count()).sum::<usize>();
    wait_until("all rows", WITHIN, || (rows() >= 390).then_some(()));
    daemon.terminate();
    let _ = daemon.wait().expect_code(0);
    assert_once(&receiver.batches(), 390);
}

//! Rows that are sent, and rows that are not, counted at any time.

use std::io::BufRead as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::data::SplitMix64;
use crate::kept::{seeded, wait_for_a_moment};
use crate::support::daemon::{Livecosmos, Workdir, workdir};
use crate::support::front::{Fault, Front};
use crate::support::process::wait_until;
use crate::support::receiver::Receiver;
use crate::support::scripted::{Scripted, answer};
use crate::{TABLE, add_rows, assert_once, once, sending};

const WITHIN: Duration = Duration::from_mins(2);

/// What `livecosmos status` says of the table.
struct Counts {
    sent: u64,
    waiting: u64,
    in_flight: u64,
    quarantined: u64,
}

fn counts(workdir: &Workdir) -> Counts {
    let command = Livecosmos::new(workdir.folder()).arg("status").arg(workdir.config()).arg(TABLE);
    let command = command.arg("--state-dir").arg(workdir.state_dir()).arg("--output").arg("json");
    let status: Value = serde_json::from_str(&command.run().expect_code(0).stdout).expect("JSON");
    let table = &status["tables"][0];
    let number = |name: &str| table[name].as_u64().unwrap_or_else(|| panic!("{name} in {status}"));
    for name in ["sent", "waiting", "in_flight", "quarantined"] {
        let sites = table["sites"].as_object().expect("sites").values();
        assert_eq!(
            sites.map(|site| site[name].as_u64().expect("a number")).sum::<u64>(),
            number(name),
            "{status}"
        );
    }
    assert_eq!((number("late"), number("resent"), number("unsendable")), (0, 0, 0), "{status}");
    Counts {
        sent: number("sent"),
        waiting: number("waiting"),
        in_flight: number("in_flight"),
        quarantined: number("quarantined"),
    }
}

fn rows_in(receiver: &Receiver) -> u64 {
    receiver.batches().values().map(|batch| batch.lines().count() as u64).sum()
}

/// A server that fails at random, before and after it stored; a refusal it means.
fn fail_at_random(random: &mut SplitMix64) -> Fault {
    match random.below(10) {
        0 => Fault::LoseRequest,
        1 => Fault::LoseReply,
        2 => Fault::CutReply,
        3 => Fault::Answer(503),
        4 => Fault::AnswerAfter(500),
        5 => Fault::Answer(422),
        6 => Fault::CutRequest,
        _ => Fault::None,
    }
}

#[test]
fn rows_sent_and_buffered_are_countable_while_a_server_fails_at_random_and_the_daemon_is_killed() {
    let mut random = seeded();
    let receiver = Receiver::start();
    let front = Front::before(receiver.address());
    let mut dice = SplitMix64::new(random.below(u64::MAX));
    front.set_rule(move |_| fail_at_random(&mut dice));
    let workdir = sending(&format!("{}/rows", front.endpoint()), "request_timeout = \"5s\"");
    let daemon = workdir.livecosmos().table(TABLE);
    let mut running = daemon.spawn();
    let (mut rows, mut buffered_moments, mut moments) = (0, 0, 0);
    for round in 0..14 {
        let more = 30 + u32::try_from(random.below(120)).expect("few");
        add_rows(&workdir, rows, more);
        rows += more;
        for _ in 0..3 {
            wait_for_a_moment(&mut random, 250);
            let Counts { sent, waiting, in_flight, quarantined } = counts(&workdir);
            assert_eq!(sent + waiting + quarantined, u64::from(rows), "{sent} {waiting} {quarantined}");
            assert!(in_flight <= waiting, "what is in flight is not known to be stored: {in_flight}");
            assert!(rows_in(&receiver) >= sent, "what is counted as sent is there");
            moments += 1;
            buffered_moments += u32::from(waiting > 0 && sent > 0);
        }
        if round % 4 == 3 {
            drop(running.kill());
            let Counts { sent, waiting, quarantined, .. } = counts(&workdir);
            assert_eq!(sent + waiting + quarantined, u64::from(rows), "after a kill");
            running = daemon.spawn();
        }
    }
    assert!(buffered_moments > 0, "of {moments} moments one has rows of either kind");
    front.set_rule(|_| Fault::None);
    wait_until("an empty buffer", WITHIN, || (counts(&workdir).waiting == 0).then_some(()));
    running.terminate();
    let _ = running.wait().expect_code(0);
    let requeue = Livecosmos::new(workdir.folder()).arg("quarantine").arg("requeue").arg(workdir.config());
    let requeue = requeue.arg(TABLE).arg("--all").arg("--yes").arg("--state-dir").arg(workdir.state_dir());
    if counts(&workdir).quarantined > 0 {
        let _ = requeue.run().expect_code(0);
    }
    let Counts { sent, waiting, in_flight, quarantined } = counts(&workdir);
    assert_eq!((sent, waiting, in_flight, quarantined), (rows.into(), 0, 0, 0));
    assert_once(&receiver.batches(), rows);
    println!(
        "{rows} rows, counted at {moments} moments, {buffered_moments} of them with rows of either kind"
    );
}

#[test]
fn rows_are_counted_while_the_server_is_away() {
    let mut receiver = Receiver::start();
    let workdir = sending(&receiver.url(), "");
    add_rows(&workdir, 0, 90);
    let _ = once(&workdir).run().expect_code(0);
    receiver.stop();
    add_rows(&workdir, 90, 210);
    let mut daemon = workdir.livecosmos().table(TABLE).spawn();
    daemon.wait_for_stderr("does not answer", WITHIN);
    let Counts { sent, waiting, quarantined, .. } = counts(&workdir);
    assert_eq!((sent, waiting, quarantined), (90, 210, 0));
    receiver.start_again();
    wait_until("an empty buffer", WITHIN, || (counts(&workdir).waiting == 0).then_some(()));
    daemon.terminate();
    let _ = daemon.wait().expect_code(0);
    assert_eq!(counts(&workdir).sent, 300);
}

/// Hourly rows of a table, up to an hour ago.
const HOURS: &str = "CREATE TABLE MET (SITE TEXT, TIME TEXT, V INTEGER); CREATE INDEX MET_BY_SITE ON MET (SITE, TIME);
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 299)
    INSERT INTO MET SELECT 'A', strftime('%Y-%m-%dT%H:%M:%S', 'now', printf('-%d hours', 300 - i)), i FROM n;";

#[test]
fn a_backlog_that_waits_for_its_catch_up_is_counted_as_waiting() {
    let is_open = Arc::new(AtomicBool::new(false));
    let door = Arc::clone(&is_open);
    let server = Scripted::start(move |request| {
        let chain = request.header("livecosmos-chain").unwrap_or_default();
        let is_shut = chain.starts_with("catchup") && !door.load(Ordering::SeqCst);
        if is_shut { answer(409, &[], "not now") } else { answer(200, &[], "") }
    });
    let workdir = workdir(&format!(
        "[source]\nkind = \"sqlite\"\npath = \"met.sqlite\"\n[sink]\nurl = \"{}/rows\"\n[upload]\n\
         format = \"json\"\nbatch_rows_max = 40\n[poll]\nfallback = \"all\"\n\
         [tables.{TABLE}]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\n",
        server.url()
    ));
    let database = rusqlite::Connection::open(workdir.path("met.sqlite")).expect("a database");
    database.execute_batch(HOURS).expect("a table");
    let Counts { sent, waiting, .. } = counts(&workdir);
    assert_eq!((sent, waiting), (0, 300));
    let held_up = once(&workdir).run();
    assert_ne!(held_up.code, Some(0), "{}", held_up.stderr);
    let Counts { sent, waiting, in_flight, .. } = counts(&workdir);
    assert_eq!(sent + waiting, 300);
    assert!(in_flight <= waiting, "{in_flight} of {waiting}");
    assert!((60..70).contains(&sent), "the first object and the newest day are stored: {sent}");
    is_open.store(true, Ordering::SeqCst);
    let _ = once(&workdir).run().expect_code(0);
    let Counts { sent, waiting, in_flight, .. } = counts(&workdir);
    assert_eq!((sent, waiting, in_flight), (300, 0, 0));
}

//! Payloads that the sink refuses: the one row that it does not take goes into quarantine.

use std::time::Duration;

use rusqlite::Connection;

use super::scene::{HEADER, bucket, csv_config, follow, in_bucket, listed, quarantine};
use super::support::daemon::{Workdir, workdir};
use super::support::front::{Fault, Front};
use super::support::process::wait_until;
use super::support::s3s;

const SOON: Duration = Duration::from_mins(1);
const ROWS: u32 = 200;
const POISON: [u32; 4] = [0, 77, 78, ROWS - 1];

/// Answers 400 to every object that holds a poisonous row.
fn refuse_poison(front: &Front) {
    front.set_rule(|request| {
        let is_refused = request.method() == "PUT" && request.text().contains("poison");
        if is_refused { Fault::Answer(400) } else { Fault::None }
    });
}

fn name(n: u32) -> String {
    if POISON.contains(&n) { format!("poison{n}") } else { n.to_string() }
}

fn rows(site: &str) -> String {
    let row = |n| format!("{site},2025-01-{:02} {:02}:00:00,{}\n", n / 24 + 1, n % 24, name(n));
    (0..ROWS).map(row).collect::<Vec<_>>().concat()
}

fn wholesome() -> Vec<String> {
    let mut names: Vec<String> = (0..ROWS).filter(|n| !POISON.contains(n)).map(name).collect();
    names.sort_unstable();
    names
}

fn config(server: &s3s::S3s, front: &Front) -> String {
    csv_config(&bucket(server, front), "", "").replace("[upload]", "[upload]\nbatch_rows_max = 50")
}

fn assert_only_poison_is_kept(workdir: &Workdir) {
    let kept = listed(workdir);
    let values: Vec<&str> = kept.iter().map(|row| row["values"][2].as_str().expect("N")).collect();
    assert_eq!(values, POISON.map(name));
    let is_told = |row: &serde_json::Value| row["reason"].as_str().is_some_and(|it| it.contains("400"));
    assert!(kept.iter().all(is_told), "{kept:?}");
}

#[test]
fn a_row_that_the_sink_refuses_is_kept_with_its_words_and_all_others_are_stored_once() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let workdir = workdir(&config(&server, &front));
    workdir.write("T.csv", format!("{HEADER}{}", rows("A")));
    refuse_poison(&front);
    let run = follow(&workdir).credentials(&server).arg("--once");
    let _ = run.run().expect_code(0);
    assert_eq!(in_bucket(&server), wholesome());
    assert_only_poison_is_kept(&workdir);

    // Nothing comes back: neither now, nor behind a state that is lost.
    let puts = front.exchanges().len();
    let _ = run.run().expect_code(0);
    assert!(front.exchanges()[puts..].iter().all(|it| !it.target.contains("/T/")), "a row was read again");
    std::fs::remove_file(workdir.path("state/T.state")).expect("a state");
    std::fs::remove_file(workdir.path("state/T.state.backup")).expect("its backup");
    let _ = run.run().expect_code(0);
    assert_eq!(in_bucket(&server), wholesome());
    assert_only_poison_is_kept(&workdir);

    workdir.append("T.csv", "A,2025-02-01 00:00:00,fresh\n");
    let _ = run.run().expect_code(0);
    front.set_rule(|_| Fault::None);
    for _ in 0..2 {
        let command = quarantine(&workdir, "requeue", &["--all", "--yes"]).credentials(&server);
        let _ = command.run().expect_code(0);
    }
    let mut all: Vec<String> = (0..ROWS).map(name).chain(["fresh".to_owned()]).collect();
    all.sort_unstable();
    assert_eq!(in_bucket(&server), all);
    assert_eq!(listed(&workdir), [] as [serde_json::Value; 0]);
}

/// Injected: a kill after each of the first refusals.
#[test]
fn a_process_that_is_killed_while_it_looks_for_the_refused_row_loses_and_doubles_nothing() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let workdir = workdir(&config(&server, &front));
    workdir.write("T.csv", format!("{HEADER}{}", rows("A")));
    refuse_poison(&front);
    let run = follow(&workdir).credentials(&server).arg("--once");
    let refused = || front.exchanges().iter().filter(|it| it.fault == Fault::Answer(400)).count();
    for kill in 1..12 {
        let (before, mut running) = (refused(), run.spawn());
        wait_until("some refusals", SOON, || {
            (refused() >= before + kill || !running.is_running()).then_some(())
        });
        let _ = running.kill();
    }
    let _ = run.run().expect_code(0);
    assert_eq!(in_bucket(&server), wholesome());
    assert_only_poison_is_kept(&workdir);
}

#[test]
fn a_sink_that_refuses_every_row_of_a_site_stops_that_site_and_sweeps_nothing_away() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let workdir = workdir(&config(&server, &front));
    workdir.write("T.csv", format!("{HEADER}{}B,2025-01-01 00:00:00,b\n", rows("A")));
    front.set_rule(|request| {
        let is_refused = request.method() == "PUT" && request.target().contains("/A/");
        if is_refused { Fault::Answer(400) } else { Fault::None }
    });
    let run = follow(&workdir).credentials(&server).arg("--once");
    let stopped = run.run().expect_code(3);
    assert!(stopped.stderr.contains("no more are put into quarantine"), "{}", stopped.stderr);
    assert_eq!(listed(&workdir).len(), 8);
    assert_eq!(in_bucket(&server), ["b"]);

    front.set_rule(|_| Fault::None);
    let _ = run.run().expect_code(0);
    let command = quarantine(&workdir, "requeue", &["--all", "--yes"]).credentials(&server);
    let _ = command.run().expect_code(0);
    let mut all: Vec<String> = (0..ROWS).map(name).chain(["b".to_owned()]).collect();
    all.sort_unstable();
    assert_eq!(in_bucket(&server), all);
}

/// Rows of one time cannot be parted without a tie column: they are refused, kept and sent together. The
/// lookback window, which is read again in each pass, does not bring them back.
#[test]
fn rows_that_cannot_be_parted_are_refused_together_and_do_not_come_back_as_late() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let workdir = workdir(&format!(
        "[source]\nkind = \"sqlite\"\npath = \"rows.sqlite\"\n{}\n[upload]\nformat = \"ndjson\"\n[poll]\n\
         fallback = \"all\"\nlookback = \"1d\"\n[tables.T]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\n",
        bucket(&server, &front)
    ));
    let database = Connection::open(workdir.path("rows.sqlite")).expect("a database");
    database
        .execute_batch(
            "CREATE TABLE T (SITE TEXT, TIME INTEGER, N TEXT); CREATE INDEX I ON T (SITE, TIME);
             WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 19)
             INSERT INTO T SELECT 'A', 1735600000 + n / 4, iif(n = 9, 'poison9', n) FROM n;",
        )
        .expect("a table");
    refuse_poison(&front);
    let run = follow(&workdir).credentials(&server).arg("--once");
    for is_again in [false, true] {
        let seen = front.exchanges().len();
        let _ = run.run().expect_code(0);
        assert_eq!(in_bucket(&server).len(), 16);
        assert_eq!(listed(&workdir).len(), 4, "{:?}", listed(&workdir));
        let refused = front.exchanges()[seen..].iter().filter(|it| it.fault == Fault::Answer(400)).count();
        assert!((refused == 0) == is_again, "{refused} puts were refused");
    }
    front.set_rule(|_| Fault::None);
    let command = quarantine(&workdir, "requeue", &["--all", "--yes"]).credentials(&server);
    let _ = command.run().expect_code(0);
    let _ = run.run().expect_code(0);
    let stored = in_bucket(&server);
    assert_eq!((stored.len(), listed(&workdir).len()), (20, 0), "{stored:?}");
}

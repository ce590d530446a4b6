//! Rows that are not at the front: late ones, older ones, and a backlog while fresh ones arrive.
#![allow(clippy::print_stdout, reason = "says what was measured")]

mod support;

use std::time::{Duration, Instant};

use rusqlite::Connection;
use support::daemon::{Livecosmos, Workdir, workdir};
use support::objects;
use support::process::wait_until;

const SOON: Duration = Duration::from_mins(2);

/// A table of a database, stored in a folder.
fn table_config(poll: &str) -> String {
    format!(
        "[source]\nkind = \"sqlite\"\npath = \"rows.sqlite\"\n[sink]\nurl = \"file://./stored\"\n\
         [upload]\nformat = \"ndjson\"\nbatch_rows_max = 4000\n[poll]\ninterval = \"1s\"\nfallback = \"all\"\n{poll}\n\
         [tables.T]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\ntie_column = \"ID\"\n"
    )
}

fn database(workdir: &Workdir) -> Connection {
    let database = Connection::open(workdir.path("rows.sqlite")).expect("a database");
    database
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE IF NOT EXISTS T (ID INTEGER PRIMARY KEY, SITE TEXT, TIME INTEGER, N INTEGER);
             CREATE INDEX IF NOT EXISTS T_BY_SITE ON T (SITE, TIME);",
        )
        .expect("a table");
    database
}

/// Adds rows `numbers` of `site`, one a second, the last `age_s` before now.
fn add(database: &Connection, site: &str, numbers: std::ops::Range<u32>, age_s: i64) {
    database
        .execute(
            "WITH RECURSIVE n(n) AS (SELECT ?2 UNION ALL SELECT n + 1 FROM n WHERE n < ?3 - 1)
             INSERT INTO T (SITE, TIME, N) SELECT ?1, unixepoch() - ?4 - (?3 - 1 - n), n FROM n",
            (site, numbers.start, numbers.end, age_s),
        )
        .expect("rows are added");
}

fn stored(workdir: &Workdir) -> Vec<u32> {
    let rows = objects::rows(&objects::in_folder(&workdir.path("stored")));
    let mut numbers: Vec<u32> = rows.iter().map(|row| row.text("N").parse().expect("a number")).collect();
    numbers.sort_unstable();
    numbers
}

fn follow(workdir: &Workdir) -> Livecosmos {
    workdir.livecosmos().table("T")
}

fn command(workdir: &Workdir, words: &[&str]) -> Livecosmos {
    let start = Livecosmos::new(workdir.folder()).arg(words[0]).arg(workdir.config()).arg("T");
    words[1..].iter().fold(start, Livecosmos::arg).arg("--state-dir").arg(workdir.state_dir())
}

#[test]
fn a_row_inserted_while_a_million_rows_of_backlog_wait_is_stored_before_them() {
    const BACKLOG: u32 = 1_000_000;
    let workdir = workdir(&table_config("catch_up_after = \"1h\""));
    let database = database(&workdir);
    add(&database, "A", 0..BACKLOG, 7_200);
    let mut daemon = follow(&workdir).spawn();
    let fill = workdir.path("stored/A/T");
    let filled = || std::fs::read_dir(&fill).map_or(0, Iterator::count);
    wait_until("the backlog to be worked off", SOON, || (filled() > 10).then_some(()));

    add(&database, "A", BACKLOG..BACKLOG + 1, 0);
    let inserted = Instant::now();
    // Object 0 jumped to just before the newest row of the backlog, which is object 1.
    let live = fill.join("00000000000000000002.ndjson");
    wait_until("the fresh row", SOON, || live.exists().then_some(()));
    let (waited, objects_filled) = (inserted.elapsed(), filled());
    println!(
        "the fresh row was stored after {waited:?}, beside {objects_filled} of 250 objects of the backlog"
    );
    assert!(objects_filled < 250, "the backlog was done before: it proves nothing");

    wait_until("the backlog to be done", SOON, || (filled() >= 252).then_some(()));
    daemon.terminate();
    let _ = daemon.wait().expect_code(0);
    assert_eq!(stored(&workdir), (0..=BACKLOG).collect::<Vec<_>>());
}

#[test]
fn a_late_row_and_a_changed_one_are_sent_once() {
    let workdir = workdir(&table_config("lookback = \"1d\""));
    let database = database(&workdir);
    add(&database, "A", 0..100, 10);
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    add(&database, "A", 100..110, 3_600);
    database.execute("UPDATE T SET N = 1000 WHERE N = 50", []).expect("a change");
    for _ in 0..3 {
        let _ = follow(&workdir).arg("--once").run().expect_code(0);
    }
    assert_eq!(stored(&workdir), (0..110).chain([1000]).collect::<Vec<_>>());
}

#[test]
fn a_setting_that_spells_rows_otherwise_is_told_with_what_finds_rows_that_came_late() {
    let workdir = workdir(&table_config("lookback = \"1d\""));
    let database = database(&workdir);
    add(&database, "A", 0..100, 10);
    for _ in 0..2 {
        let quiet = follow(&workdir).arg("--once").run().expect_code(0);
        assert!(!quiet.stderr.contains("reconcile"), "{}", quiet.stderr);
    }
    let otherwise = format!("{}timezone = \"Europe/London\"\n", table_config("lookback = \"1d\""));
    workdir.write("livecosmos.toml", otherwise);
    let told = follow(&workdir).arg("--once").run().expect_code(0);
    assert!(told.stderr.contains("'livecosmos reconcile' finds them"), "{}", told.stderr);
    let quiet = follow(&workdir).arg("--once").run().expect_code(0);
    assert!(!quiet.stderr.contains("reconcile"), "{}", quiet.stderr);
    assert_eq!(stored(&workdir), (0..100).collect::<Vec<_>>());
}

#[test]
fn rows_that_have_not_settled_are_held_back_and_come_in_their_order() {
    let workdir = workdir(&table_config("settle = \"1h\""));
    let database = database(&workdir);
    add(&database, "A", 0..10, 4_000);
    add(&database, "A", 10..20, 60);
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    assert_eq!(stored(&workdir), (0..10).collect::<Vec<_>>());
    // A transaction that commits later, with earlier times, is not overtaken.
    add(&database, "A", 20..25, 120);
    database.execute("UPDATE T SET TIME = TIME - 3600 WHERE N >= 10", []).expect("time goes by");
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    assert_eq!(stored(&workdir), (0..25).collect::<Vec<_>>());
}

/// Runs a program at a terminal of its own, and presses keys when it asks.
const AT_A_TERMINAL: &str = "
import os, pty, sys
keys, program = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(program[0], program)
seen = b''
try:
    while b'[y/N]' not in seen:
        seen += os.read(terminal, 1024)
    os.write(terminal, keys.encode())
    while True:
        seen += os.read(terminal, 1024)
except OSError:
    pass
print(seen.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))";

#[test]
fn a_question_is_answered_by_no_and_by_ctrl_c_and_nothing_is_changed() {
    let workdir = workdir(&table_config("").replace("\"all\"", "\"1h\""));
    let database = database(&workdir);
    add(&database, "A", 0..100, 4_000);
    add(&database, "A", 100..110, 60);
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    let state = std::fs::read(workdir.state_dir().join("T.state")).expect("a state");
    for (keys, code) in [("n\n", 0), ("\u{3}", 130)] {
        let asked = command(&workdir, &["backfill"]).under(["python3", "-c", AT_A_TERMINAL, keys]);
        let ended = asked.spawn().wait_within(SOON).unwrap_or_else(|it| panic!("it hangs: {}", it.stdout));
        assert!(ended.expect_code(code).stdout.contains("[y/N]"));
    }
    assert_eq!(stored(&workdir), (100..110).collect::<Vec<_>>());
    assert_eq!(std::fs::read(workdir.state_dir().join("T.state")).expect("a state"), state);
    let agreed = command(&workdir, &["backfill"]).under(["python3", "-c", AT_A_TERMINAL, "y\n"]);
    let _ = agreed.run().expect_code(0);
    assert_eq!(stored(&workdir), (0..110).collect::<Vec<_>>());
}

#[test]
fn backfill_sends_the_older_rows_of_a_table_once_and_only_what_is_missing() {
    let workdir = workdir(&table_config("").replace("\"all\"", "\"1h\""));
    let database = database(&workdir);
    add(&database, "A", 0..2000, 4_000);
    add(&database, "A", 2000..2010, 60);
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    assert_eq!(stored(&workdir), (2000..2010).collect::<Vec<_>>());
    let refused = command(&workdir, &["backfill"]).run().expect_code(2);
    assert!(refused.stderr.contains("--yes"), "{}", refused.stderr);
    let sent = command(&workdir, &["backfill", "--site", "A", "--yes"]).run().expect_code(0);
    assert!(sent.stderr.contains("2000 rows were missing"), "{}", sent.stderr);
    assert_eq!(stored(&workdir), (0..2010).collect::<Vec<_>>());

    // Another one finds what was inserted since, and nothing else.
    add(&database, "A", 2010..2020, 5_000);
    let sent = command(&workdir, &["backfill", "--yes", "--output", "json"]).run().expect_code(0);
    assert!(sent.stdout.contains("\"rows\":10,"), "{}", sent.stdout);
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    assert_eq!(stored(&workdir), (0..2020).collect::<Vec<_>>());
}

#[test]
fn backfill_sends_the_older_rows_of_files_within_its_span_alone() {
    let config = "[source]\nkind = \"csv\"\npath = \"rows-*.csv\"\n[sink]\nurl = \"file://./stored\"\n\
         [upload]\nformat = \"ndjson\"\nbatch_rows_max = 7\n[poll]\nfallback = \"2025-01-03\"\n\
         [tables.T]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\n";
    let workdir = workdir(config);
    for (file, numbers) in [("rows-1.csv", 0..60_u32), ("rows-2.csv", 60..120)] {
        let row = |n: u32| {
            format!("{},2025-01-{:02} {:02}:00:00,{n}\n", ["A", "B"][n as usize % 2], n / 24 + 1, n % 24)
        };
        workdir.write(file, format!("SITE,TIME,N\n{}", numbers.map(row).collect::<String>()));
    }
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    assert_eq!(stored(&workdir), (48..120).collect::<Vec<_>>());
    for _ in 0..2 {
        let _ = command(&workdir, &["backfill", "--from", "2025-01-02", "--to", "2025-01-04", "--yes"])
            .run()
            .expect_code(0);
        assert_eq!(stored(&workdir), (24..120).collect::<Vec<_>>());
    }
    let _ = command(&workdir, &["backfill", "--site", "B", "--yes"]).run().expect_code(0);
    assert_eq!(stored(&workdir), (0..120).filter(|n| *n >= 24 || n % 2 == 1).collect::<Vec<_>>());
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    assert_eq!(stored(&workdir).len(), 108);
}

#[test]
fn backfill_refuses_a_span_that_ends_before_it_begins() {
    let workdir = workdir(&table_config("").replace("\"all\"", "\"1h\""));
    let database = database(&workdir);
    add(&database, "A", 0..10, 60);
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    for words in [&["backfill", "--yes"][..], &["reconcile"][..]] {
        let span = ["--from", "2025-01-03", "--to", "2025-01-02"];
        let refused = command(&workdir, &[words, &span[..]].concat()).run().expect_code(2);
        assert!(refused.stderr.contains("is not after --from"), "{}", refused.stderr);
    }
}

#[test]
fn a_backfill_that_is_stopped_says_that_it_is_not_done_and_the_next_one_is() {
    let slow = table_config("").replace("\"all\"", "\"1h\"").replace("4000", "10");
    let workdir = workdir(&slow);
    let database = database(&workdir);
    add(&database, "A", 0..5_000, 4_000);
    add(&database, "A", 5_000..5_010, 60);
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    let mut backfill = command(&workdir, &["backfill", "--yes", "--output", "json"]).spawn();
    let filled = || std::fs::read_dir(workdir.path("stored/A/T")).map_or(0, Iterator::count);
    wait_until("the backfill to begin", SOON, || (filled() > 10).then_some(()));
    backfill.terminate();
    let stopped = backfill.wait().expect_code(3);
    assert!(stopped.stdout.contains("\"open\":1,"), "{}", stopped.stdout);
    assert!(stored(&workdir).len() < 5_010, "it was done before: it proves nothing");
    let rest = command(&workdir, &["backfill", "--yes", "--output", "json"]).run().expect_code(0);
    assert!(rest.stdout.contains("\"open\":0,"), "{}", rest.stdout);
    assert_eq!(stored(&workdir), (0..5_010).collect::<Vec<_>>());
}

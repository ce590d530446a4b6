//! A clock that is set by hours while the daemon runs.

use std::path::Path;

use rusqlite::Connection;

use crate::scene::SOON;
use crate::support::clock::Clock;
use crate::support::daemon::{Livecosmos, Running, Workdir, workdir};
use crate::support::objects;
use crate::support::process::wait_until;

/// Where a clock is set to, from the true time. Further back than `-1h`, rows of now lie in the future.
const STEPS: [&str; 8] = ["+5h", "-7h", "+0", "-30d", "+400d", "-90m", "+2h", "+0"];
const ROWS_PER_STEP: u32 = 10;

fn config(source: &str, more: &str) -> String {
    format!(
        "[source]\n{source}\n[sink]\nurl = \"file://./stored\"\n\
         [upload]\nformat = \"ndjson\"\nbatch_rows_max = 4\n[poll]\ninterval = \"100ms\"\nfallback = \"all\"\n\
         [tables.T]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\n{more}"
    )
}

/// A table whose rows have the true time.
struct Table(Connection);

impl Table {
    fn at(path: &Path) -> Self {
        let database = Connection::open(path).expect("a database");
        database
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 60000;
                 CREATE TABLE T (ID INTEGER PRIMARY KEY, SITE TEXT, TIME TEXT, N INTEGER);",
            )
            .expect("a table");
        Self(database)
    }

    /// Adds rows of now.
    fn add(&self, numbers: std::ops::Range<u32>) {
        let mut row = self
            .0
            .prepare(
                "INSERT INTO T (SITE, TIME, N) VALUES ('S' || ?1 % 3, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ?1)",
            )
            .expect("the table is there");
        for number in numbers {
            let _ = row.execute([number]).expect("a row");
        }
    }

    /// The same rows as lines of a CSV file.
    fn lines(&self, numbers: std::ops::Range<u32>) -> String {
        let mut rows =
            self.0.prepare("SELECT SITE || ',' || TIME || ',' || N FROM T WHERE N >= ?1 AND N < ?2");
        let rows = rows.as_mut().expect("the table is there");
        let lines = rows.query_map([numbers.start, numbers.end], |row| row.get::<_, String>(0));
        lines.expect("rows").map(|line| line.expect("a row") + "\n").collect()
    }
}

fn stored(workdir: &Workdir) -> Vec<objects::StoredRow> {
    let folder = workdir.path("stored");
    if folder.exists() { objects::rows(&objects::in_folder(&folder)) } else { Vec::new() }
}

/// Ends the daemon, runs it once more, and counts.
fn end(workdir: &Workdir, mut running: Running, run: &Livecosmos, due: impl IntoIterator<Item = u32>) {
    running.terminate();
    let _ = running.wait().expect_code(0);
    let _ = run.clone().arg("--once").run().expect_code(0);
    assert_all_once(workdir, due);
}

fn assert_all_once(workdir: &Workdir, due: impl IntoIterator<Item = u32>) {
    let due: Vec<String> = due.into_iter().map(|n| n.to_string()).collect();
    let count = due.len();
    objects::assert_exactly_once(due, &stored(workdir), |row| row.text("N"));
    println!("clock set {} times, rows due {count}, lost 0, doubled 0, hangs 0, panics 0", STEPS.len());
}

#[test]
fn rows_that_a_wrong_clock_takes_for_the_future_are_held_back_and_sent_when_it_is_right() {
    let workdir = workdir(&config("kind = \"sqlite\"\npath = \"rows.sqlite\"", "tie_column = \"ID\"\n"));
    let Some(clock) = Clock::right() else { return };
    let table = Table::at(&workdir.path("rows.sqlite"));
    let run = clock.over(workdir.livecosmos().table("T"));
    let mut running = run.spawn();
    let mut count = 0;
    for step in STEPS {
        clock.set(step);
        let before = running.stderr().len();
        table.add(count..count + ROWS_PER_STEP);
        count += ROWS_PER_STEP;
        let is_future = ["-7h", "-30d", "-90m"].contains(&step);
        wait_until(&format!("the rows after {step}"), SOON, || {
            assert!(running.is_running(), "{}", running.stderr());
            let held_back = is_future && running.stderr()[before..].contains("rows lie in the future");
            (held_back || stored(&workdir).len() >= count as usize).then_some(())
        });
        assert_eq!(is_future, stored(&workdir).len() < count as usize, "after {step}");
    }
    end(&workdir, running, &run, 0..count);
}

#[test]
fn rows_of_a_file_that_a_wrong_clock_takes_for_the_future_are_kept_and_can_be_sent_when_it_is_right() {
    let workdir = workdir(&config("kind = \"csv\"\npath = \"rows.csv\"", ""));
    let Some(clock) = Clock::right() else { return };
    workdir.write("rows.csv", "SITE,TIME,N\n");
    let table = Table::at(&workdir.path("rows.sqlite"));
    let run = clock.over(workdir.livecosmos().table("T"));
    let running = run.spawn();
    let kept = || {
        let text = std::fs::read_to_string(workdir.path("state/T.quarantine.ndjson")).unwrap_or_default();
        let number = |line: &str| {
            let entry: serde_json::Value = serde_json::from_str(line).expect("a whole line of JSON");
            let row = entry["row"].as_str().expect("an entry has its row").trim().to_owned();
            row.rsplit(',').next().expect("a row has cells").parse::<u32>().expect("a number")
        };
        // The last line may be half-way to the file.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(number).collect::<Vec<u32>>()
    };
    let mut count = 0;
    for step in STEPS {
        clock.set(step);
        table.add(count..count + ROWS_PER_STEP);
        workdir.append("rows.csv", table.lines(count..count + ROWS_PER_STEP));
        count += ROWS_PER_STEP;
        wait_until(&format!("the rows after {step}"), SOON, || {
            (stored(&workdir).len() + kept().len() >= count as usize).then_some(())
        });
    }
    let kept = kept();
    assert_eq!(kept.len(), 3 * ROWS_PER_STEP as usize, "the rows of three wrong clocks: {kept:?}");
    end(&workdir, running, &run, (0..count).filter(|n| !kept.contains(n)));

    let requeue = Livecosmos::new(workdir.folder()).arg("quarantine").arg("requeue").arg(workdir.config());
    let requeue = requeue.arg("T").arg("--all").arg("--yes").arg("--state-dir").arg(workdir.state_dir());
    for _ in 0..2 {
        let _ = requeue.run().expect_code(0);
        assert_all_once(&workdir, 0..count);
    }
}

#[test]
fn a_site_that_failed_is_tried_again_soon_though_the_clock_is_set_back_by_hours() {
    let workdir = workdir(&config("kind = \"csv\"\npath = \"rows.csv\"", ""));
    let Some(clock) = Clock::right() else { return };
    // Nobody knows whose object this is, so the site waits.
    let foreign = "stored/S1/T/00000000000000000000.ndjson";
    workdir.write(foreign, "{\"N\":\"of somebody else\"}\n");
    let row = |n: u32| format!("S{},2025-01-01 00:0{n}:00,{n}\n", n % 3);
    let rows: Vec<String> = (0..9).map(row).collect();
    workdir.write("rows.csv", format!("SITE,TIME,N\n{}", rows.concat()));
    let run = clock.over(workdir.livecosmos().table("T"));
    let mut running = run.spawn();
    running.wait_for_stderr("site failed; it is tried again later", SOON);
    clock.set("-5h");
    std::fs::remove_file(workdir.path(foreign)).expect("the test's own file");
    wait_until("the rows of all sites", SOON, || (stored(&workdir).len() >= 9).then_some(()));
    end(&workdir, running, &run, 0..9);
}

//! `livecosmos reconcile`, run as an operator runs it: source against sink, and the repair of what is
//! missing.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;
use support::daemon::{Livecosmos, Output, Workdir, workdir};
use support::objects;

const SOON: Duration = Duration::from_mins(1);

fn config(source: &str, fallback: &str) -> String {
    format!(
        "[source]\n{source}\n[sink]\nurl = \"file://./stored\"\n\
         [upload]\nformat = \"ndjson\"\nbatch_rows_max = 10\n[poll]\ninterval = \"1s\"\nfallback = \"{fallback}\"\n\
         [tables.T]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\n"
    )
}

const SQLITE: &str = "kind = \"sqlite\"\npath = \"rows.sqlite\"";
const CSV: &str = "kind = \"csv\"\npath = \"*.csv\"";

/// A table with rows `0..rows` of sites A and B, six hours apart from 2025-01-01 on.
fn table(rows: u32) -> (Workdir, Connection) {
    let work = workdir(&config(SQLITE, "all"));
    let database = Connection::open(work.path("rows.sqlite")).expect("a database");
    let create = "CREATE TABLE T (SITE TEXT, TIME TEXT, N INTEGER); CREATE INDEX I ON T (SITE, TIME)";
    database.execute_batch(create).expect("a table");
    for site in ["A", "B"] {
        (0..rows).for_each(|number| insert(&database, site, &time(number), number));
    }
    (work, database)
}

fn insert(database: &Connection, site: &str, time: &str, number: u32) {
    database.execute("INSERT INTO T VALUES (?1, ?2, ?3)", (site, time, number)).expect("a row");
}

fn time(number: u32) -> String {
    format!("2025-01-{:02}T{:02}:00:00", 1 + number / 4, number % 4 * 6)
}

fn once(work: &Workdir) {
    let _ = work.livecosmos().table("T").arg("--once").run().expect_code(0);
}

fn command(work: &Workdir, words: &[&str]) -> Livecosmos {
    let start = Livecosmos::new(work.folder()).arg(words[0]).arg(work.config()).table("T");
    words[1..].iter().fold(start, Livecosmos::arg).arg("--state-dir").arg(work.state_dir())
}

fn reconcile(work: &Workdir, words: &[&str], code: i32) -> Output {
    command(work, &[&["reconcile"], words].concat()).run().expect_code(code)
}

/// The table that was printed, without its header, a space between two columns.
fn lines(output: &Output) -> Vec<String> {
    let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    output.stdout.lines().skip(1).map(squeezed).collect()
}

fn stored(work: &Workdir) -> BTreeMap<String, Vec<u8>> {
    objects::in_folder(&work.path("stored"))
}

/// How often each row of the table is stored.
fn numbers(work: &Workdir) -> Vec<(String, u32)> {
    let rows = objects::rows(&stored(work));
    let mut numbers: Vec<_> =
        rows.iter().map(|row| (row.text("SITE"), row.text("N").parse().expect("a number"))).collect();
    numbers.sort_unstable();
    numbers
}

fn all_once(rows: u32) -> Vec<(String, u32)> {
    ["A", "B"].iter().flat_map(|site| (0..rows).map(move |number| ((*site).to_owned(), number))).collect()
}

#[test]
fn what_is_stored_does_not_differ_and_is_shown_on_request() {
    let (work, database) = table(14);
    // No batch is full, so that the live chain leaves nothing to a fill.
    work.write("livecosmos.toml", config(SQLITE, "all").replace("batch_rows_max = 10", ""));
    once(&work);
    // Not there yet when the table was last read: the live chain's to send, and no difference.
    insert(&database, "A", &time(14), 14);
    let output = reconcile(&work, &[], 0);
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("", "note: source and sink do not differ\n")
    );
    let shown = lines(&reconcile(&work, &["--all", "--site", "A"], 0));
    assert_eq!(
        shown,
        ["A 2025-01-01 4 4 same", "A 2025-01-02 4 4 same", "A 2025-01-03 4 4 same", "A 2025-01-04 2 2 same",]
    );
    let shown =
        lines(&reconcile(&work, &["--all", "--from", "2025-01-02T12:00:00", "--to", "2025-01-04"], 0));
    assert_eq!(
        shown,
        ["A 2025-01-02 4 4 same", "A 2025-01-03 4 4 same", "B 2025-01-02 4 4 same", "B 2025-01-03 4 4 same",]
    );
}

#[test]
fn a_row_that_came_late_is_found_and_the_repair_sends_it_and_no_other() {
    let (work, database) = table(10);
    database.execute("DELETE FROM T WHERE SITE = 'A' AND N IN (2, 3)", ()).expect("rows go");
    once(&work);
    insert(&database, "A", &time(2), 2);
    insert(&database, "A", &time(3), 3);
    let before = stored(&work);

    assert_eq!(lines(&reconcile(&work, &[], 3)), ["A 2025-01-01 4 2 2 missing"]);
    let refused = reconcile(&work, &["--repair"], 2);
    assert!(refused.stderr.contains("give --yes"), "{}", refused.stderr);
    assert_eq!(stored(&work), before, "nothing is sent before somebody agrees");

    let repaired = reconcile(&work, &["--repair", "--yes"], 0);
    assert!(
        repaired.stderr.contains("2 rows were missing and are stored now, in 1 objects"),
        "{}",
        repaired.stderr
    );
    assert_eq!(numbers(&work), all_once(10));
    let after = stored(&work);
    let new: Vec<_> = after.keys().filter(|key| !before.contains_key(*key)).collect();
    assert!(new.len() == 1 && new[0].starts_with("A/T/repair-2"), "{new:?}");

    let _ = reconcile(&work, &[], 0);
    let _ = reconcile(&work, &["--repair", "--yes"], 0);
    assert_eq!(stored(&work), after, "nothing is sent twice");
    let _ = command(&work, &["verify"]).run().expect_code(0);
}

#[test]
fn an_object_that_was_lost_is_sent_again_row_by_row() {
    let (work, _database) = table(35);
    once(&work);
    let lost = "stored/A/T/catchup-00000000000000000000.00000000000000000000.ndjson";
    std::fs::remove_file(work.path(lost)).expect("an object");
    let found = lines(&reconcile(&work, &[], 3));
    assert_eq!(
        found,
        ["A 2025-01-03 4 2 2 missing", "A 2025-01-04 4 0 4 missing", "A 2025-01-05 4 0 4 missing"]
    );
    let _ = reconcile(&work, &["--repair", "--yes"], 0);
    assert_eq!(numbers(&work), all_once(35));
    let _ = reconcile(&work, &[], 0);
}

#[test]
fn rows_of_files_are_compared_file_by_file() {
    let work = workdir(&config(CSV, "all"));
    let row = |site: &str, number: u32| format!("{site},{},{number}\n", time(number));
    let rows = |numbers: std::ops::Range<u32>| {
        let rows = numbers.flat_map(|number| ["A", "B"].map(|site| row(site, number)));
        rows.fold("SITE,TIME,N\n".to_owned(), |all, row| all + &row)
    };
    work.write("1.csv", rows(0..12));
    work.write("2.csv", rows(12..24));
    once(&work);
    // What was appended since is the live chain's to send.
    work.append("2.csv", row("A", 3));
    assert_eq!(
        lines(&reconcile(&work, &["--all", "--site", "B", "--to", "2025-01-02"], 0)),
        ["B 2025-01-01 4 4 same"]
    );
    let _ = reconcile(&work, &[], 0);

    for key in ["A/T/00000000000000000001.ndjson", "B/T/00000000000000000002.ndjson"] {
        std::fs::remove_file(work.path("stored").join(key)).expect("an object");
    }
    let found = reconcile(&work, &["--output", "json"], 3);
    let found: Value = serde_json::from_str(&found.stdout).expect("one document");
    assert_eq!(found["missing_rows"], 12, "{found}");
    let _ = reconcile(&work, &["--repair", "--yes"], 0);
    assert_eq!(numbers(&work), all_once(24));
    let _ = reconcile(&work, &[], 0);
}

#[test]
fn a_daemon_may_run_beside_a_comparison_but_not_beside_a_repair() {
    let (work, database) = table(10);
    let mut daemon = work.livecosmos().table("T").spawn();
    daemon.wait_for_stderr("rows=20", SOON);
    insert(&database, "A", "2025-01-01T01:00:00", 99);
    assert_eq!(lines(&reconcile(&work, &[], 3)), ["A 2025-01-01 5 4 1 missing"]);
    let refused = reconcile(&work, &["--repair", "--yes"], 75);
    assert!(refused.stderr.contains("is held by process"), "{}", refused.stderr);
    assert!(daemon.is_running());
}

#[test]
fn history_that_was_never_due_is_no_difference() {
    let (work, _database) = table(10);
    work.write("livecosmos.toml", config(SQLITE, "2025-01-02T06:00:00"));
    once(&work);
    let output = reconcile(&work, &[], 0);
    assert_eq!(output.stdout, "");
    let shown = lines(&reconcile(&work, &["--all", "--site", "A"], 0));
    assert_eq!(
        shown,
        [
            "A 2025-01-01 4 0 4 not due, expired, or on their way",
            "A 2025-01-02 4 3 1 not due, expired, or on their way",
            "A 2025-01-03 2 2 same",
        ]
    );
}

#[test]
fn history_that_a_lost_state_forgot_is_no_difference() {
    let (work, _database) = table(10);
    work.write("livecosmos.toml", config(SQLITE, "2025-01-02T06:00:00"));
    once(&work);
    std::fs::remove_dir_all(work.state_dir()).expect("the state goes");
    once(&work);
    let _ = reconcile(&work, &[], 0);
    assert_eq!(numbers(&work).len(), 10, "nothing is sent again");
}

/// Rows `numbers` of sites A and B as a file, a site's after the other's.
fn csv(numbers: std::ops::Range<u32>) -> String {
    let rows =
        numbers.flat_map(|number| ["A", "B"].map(|site| format!("{site},{},{number}\n", time(number))));
    rows.fold(String::new(), |all, row| all + &row)
}

#[test]
fn what_expired_in_the_sink_is_no_difference() {
    let work = workdir(&config(CSV, "all"));
    work.write("1.csv", "SITE,TIME,N\n".to_owned() + &csv(0..24));
    once(&work);
    std::fs::remove_file(work.path("stored/A/T/00000000000000000000.ndjson")).expect("the oldest object");
    let _ = reconcile(&work, &[], 0);
    let shown = lines(&reconcile(&work, &["--all", "--site", "A", "--to", "2025-01-04"], 0));
    assert_eq!(
        shown,
        [
            "A 2025-01-01 4 0 4 not due, expired, or on their way",
            "A 2025-01-02 4 0 4 not due, expired, or on their way",
            "A 2025-01-03 4 2 2 not due, expired, or on their way",
        ]
    );
}

#[test]
fn a_lost_first_object_hides_no_other_and_is_told() {
    let (work, _database) = table(35);
    once(&work);
    for lost in ["00000000000000000000", "catchup-00000000000000000000.00000000000000000001"] {
        std::fs::remove_file(work.path(&format!("stored/A/T/{lost}.ndjson"))).expect("an object");
    }
    let found = reconcile(&work, &[], 3);
    assert_eq!(
        lines(&found),
        ["A 2025-01-06 4 0 4 missing", "A 2025-01-07 4 0 4 missing", "A 2025-01-08 4 2 2 missing"]
    );
    assert!(found.stderr.contains("not compared: A before 2025-01-03T12:00:00"), "{}", found.stderr);
    let _ = reconcile(&work, &["--repair", "--yes"], 0);
    let shown: Value =
        serde_json::from_str(&reconcile(&work, &["--output", "json"], 0).stdout).expect("JSON");
    assert_eq!(shown["sites"][0]["not_compared_before"], "2025-01-03T12:00:00Z");
    let _ = command(&work, &["backfill", "--yes", "--site", "A", "--to", "2025-01-03T12:00:00"])
        .run()
        .expect_code(0);
    assert_eq!(numbers(&work), all_once(35));
}

#[test]
fn an_old_state_is_compared_with_what_it_knows() {
    let work = workdir(&config(CSV, "all"));
    work.write("1.csv", "SITE,TIME,N\n".to_owned() + &csv(0..12));
    once(&work);
    let old = work.path("old");
    std::fs::create_dir(&old).expect("a folder");
    for name in ["T.state", "T.state.backup"] {
        std::fs::copy(work.state_dir().join(name), old.join(name)).expect("a copy");
    }
    work.append("1.csv", csv(12..24));
    once(&work);
    for name in ["T.state", "T.state.backup"] {
        std::fs::copy(old.join(name), work.state_dir().join(name)).expect("the old state is back");
    }
    let shown = lines(&reconcile(&work, &["--all", "--site", "A"], 0));
    assert_eq!(shown, ["A 2025-01-01 4 4 same", "A 2025-01-02 4 4 same", "A 2025-01-03 4 4 same"]);
}

#[test]
fn what_an_open_fill_is_still_to_send_is_no_difference() {
    let (work, _database) = table(14);
    let blocked = work.path("stored/A/T/catchup-00000000000000000000.00000000000000000000.ndjson");
    std::fs::create_dir_all(&blocked).expect("a folder where the fill's object should be");
    let _ = work.livecosmos().table("T").arg("--once").run().expect_code(3);
    let shown = lines(&reconcile(&work, &["--all", "--site", "A"], 0));
    assert_eq!(
        shown,
        [
            "A 2025-01-01 4 4 same",
            "A 2025-01-02 4 4 same",
            "A 2025-01-03 4 2 2 not due, expired, or on their way",
            "A 2025-01-04 2 1 1 not due, expired, or on their way",
        ]
    );
    std::fs::remove_dir(&blocked).expect("an empty folder");
    once(&work);
    assert_eq!(numbers(&work), all_once(14));
    let _ = reconcile(&work, &[], 0);
}

#[test]
fn what_the_source_lost_is_told_from_what_it_changed() {
    let (work, database) = table(16);
    once(&work);
    database.execute("DELETE FROM T WHERE SITE = 'A' AND N < 5", ()).expect("old rows go");
    database.execute("DELETE FROM T WHERE SITE = 'B' AND N = 5", ()).expect("a row goes");
    let _ = reconcile(&work, &[], 0);
    let shown = lines(&reconcile(&work, &["--all", "--to", "2025-01-03"], 0));
    assert_eq!(
        shown,
        [
            "A 2025-01-01 0 4 4 gone from the source",
            "A 2025-01-02 3 4 1 gone from the source",
            "B 2025-01-01 4 4 same",
            "B 2025-01-02 3 4 1 gone from the source",
        ]
    );
}

#[test]
fn a_missing_row_does_not_hide_behind_another_in_two_versions() {
    let (work, database) = table(16);
    let late = "fallback = \"all\"\nlookback = \"30d\"\nupdates = \"send\"";
    let today = config(SQLITE, "all").replace("batch_rows_max = 10", "");
    work.write("livecosmos.toml", today.replace("fallback = \"all\"", late));
    once(&work);
    database.execute("UPDATE T SET N = 105 WHERE SITE = 'A' AND N = 5", ()).expect("a row is changed");
    once(&work);
    work.write("livecosmos.toml", &today);
    insert(&database, "A", "2025-01-02T01:00:00", 99);
    let found = lines(&reconcile(&work, &[], 3));
    assert_eq!(found, ["A 2025-01-02 5 5 1 missing, 1 in older versions too"]);
    let _ = reconcile(&work, &["--repair", "--yes"], 0);
    let stored = numbers(&work);
    assert_eq!(
        stored.iter().filter(|(site, number)| site == "A" && [5, 99, 105].contains(number)).count(),
        3
    );
    assert_eq!(stored.len(), 34);
    let shown = lines(&reconcile(&work, &["--all", "--site", "A", "--to", "2025-01-03"], 0));
    assert_eq!(shown, ["A 2025-01-01 4 4 same", "A 2025-01-02 5 6 1 in older versions too"]);
}

#[test]
fn a_changed_row_is_told_from_a_missing_one_and_a_repair_sends_both() {
    let (work, database) = table(8);
    work.write("livecosmos.toml", config(SQLITE, "all").replace("batch_rows_max = 10", ""));
    once(&work);
    database.execute("UPDATE T SET N = 105 WHERE SITE = 'A' AND N = 5", ()).expect("a row is changed");
    insert(&database, "A", "2025-01-02T01:00:00", 99);
    assert_eq!(lines(&reconcile(&work, &[], 3)), ["A 2025-01-02 5 4 1 missing, 1 changed in the source"]);
    let repaired = reconcile(&work, &["--repair", "--yes", "--output", "json"], 0);
    let repaired: Value = serde_json::from_str(&repaired.stdout).expect("one document");
    assert_eq!(repaired["repaired"], serde_json::json!({"fills": 1, "objects": 1, "rows": 2}));
    let _ = reconcile(&work, &[], 0);
}

#[test]
fn objects_that_do_not_say_their_days_are_read() {
    let (work, _database) = table(10);
    once(&work);
    let claims = work.path("stored/.livecosmos/A/T");
    for entry in std::fs::read_dir(claims).expect("claims") {
        let path = entry.expect("an entry").path();
        let mut claim: Value = serde_json::from_slice(&std::fs::read(&path).expect("a claim")).expect("JSON");
        let metadata = claim["metadata"].as_object_mut().expect("metadata");
        assert!(metadata.remove("livecosmos-days").is_some());
        assert!(metadata.remove("livecosmos-first-data").is_some());
        assert!(metadata.remove("livecosmos-time-column").is_some());
        overwrite(&path, claim.to_string().as_bytes());
    }
    let shown = lines(&reconcile(&work, &["--all", "--site", "A"], 0));
    assert_eq!(shown, ["A 2025-01-01 4 4 same", "A 2025-01-02 4 4 same", "A 2025-01-03 2 2 same"]);
    let _ = command(&work, &["verify"]).run().expect_code(0);
}

#[expect(clippy::disallowed_methods, reason = "a claim as an older release wrote it")]
fn overwrite(path: &std::path::Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("a file");
}

#[test]
fn an_object_that_says_nothing_is_named_and_not_counted() {
    let (work, _database) = table(4);
    once(&work);
    work.append("stored/A/T/00000000000000000000.ndjson", "x");
    let output = reconcile(&work, &["--output", "json"], 3);
    assert!(output.stderr.contains("is not counted, see 'livecosmos verify'"), "{}", output.stderr);
    let found: Value = serde_json::from_str(&output.stdout).expect("one document");
    assert_eq!(found["schema"], 1);
    assert_eq!(found["unknown_objects"][0]["key"], "A/T/00000000000000000000.ndjson");
    let day = serde_json::json!({
        "day": "2025-01-01", "source_rows": 4, "open_rows": 0, "sink_rows": 0, "missing_rows": 4, "changed_rows": 0,
        "doubled_rows": 0, "version_rows": 0, "gone_rows": 0, "surplus_rows": 0, "exact": true, "verdict": "missing"
    });
    assert_eq!(found["sites"][0]["days"][0], day);
    assert_eq!(found["sites"][0]["last_data"], "2025-01-01T18:00:00Z");
    let elsewhere = reconcile(&work, &["--from", "2025-02-01"], 3);
    assert!(!elsewhere.stderr.contains("do not differ"), "{}", elsewhere.stderr);
}

#[test]
fn an_unknown_site_and_a_state_that_is_not_there_are_told() {
    let (work, _database) = table(4);
    for words in [&[][..], &["--site", "NOBODY"], &["--repair", "--yes"]] {
        let output = reconcile(&work, words, 78);
        assert!(output.stderr.contains("table T has no state yet\nhint: run it once"), "{}", output.stderr);
        assert!(!work.path("stored").exists() && !work.state_dir().exists(), "nothing is created");
    }
    once(&work);
    let output = reconcile(&work, &["--site", "NOBODY"], 78);
    assert!(output.stderr.contains("nothing is remembered of site NOBODY"), "{}", output.stderr);
}

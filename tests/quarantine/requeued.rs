//! Rows that are sent after all.

use std::time::Duration;

use rusqlite::Connection;

use super::scene::{FOLDER, HEADER, bucket, csv_config, follow, in_bucket, in_folder, listed, quarantine};
use super::support::daemon::workdir;
use super::support::front::{Fault, Front};
use super::support::process::wait_until;
use super::support::s3s;

const SOON: Duration = Duration::from_mins(1);
const ROWS: &str = "A,2025-01-01 00:00:00,1\nA,02.01.2025 03:00,0.20\nA,03.01.2025 03:00,3\nA,2025-01-01 00:10:00,4\n\
                    A,never,5\n";
const GERMAN: &str = "time_format = \"%d.%m.%Y %H:%M\"";

#[test]
fn rows_whose_times_are_read_today_are_sent_once_and_the_others_stay_with_todays_reason() {
    let workdir = workdir(&csv_config(FOLDER, "", ""));
    workdir.write("T.csv", format!("{HEADER}{ROWS}"));
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    assert_eq!(in_folder(&workdir.path("stored")), ["1", "4"]);
    let stay = quarantine(&workdir, "requeue", &["--all", "--yes"]).run().expect_code(0);
    assert!(stay.stderr.contains("0 are stored now") && stay.stderr.contains("3 stay"), "{}", stay.stderr);

    workdir.write("livecosmos.toml", csv_config(FOLDER, "", GERMAN));
    let asked = quarantine(&workdir, "requeue", &["--all"]).run().expect_code(2);
    assert!(asked.stderr.contains("--yes"), "{}", asked.stderr);
    for _ in 0..3 {
        let _ = quarantine(&workdir, "requeue", &["--all", "--yes"]).run().expect_code(0);
        let _ = follow(&workdir).arg("--once").run().expect_code(0);
        assert_eq!(in_folder(&workdir.path("stored")), ["0.20", "1", "3", "4"]);
    }
    let rows = listed(&workdir);
    assert_eq!(rows.len(), 1);
    assert!(rows[0]["reason"].as_str().is_some_and(|reason| reason.contains("never")), "{rows:?}");
    assert!(workdir.path("stored/A/T/requeue.00000000000000000000.ndjson").exists());
}

/// Injected: the sink stores the object, the reply is lost, and the process is killed.
#[test]
fn a_row_that_was_stored_when_the_process_died_is_not_sent_again() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let config = |table: &str| csv_config(&bucket(&server, &front), "", table);
    let workdir = workdir(&config(""));
    workdir.write("T.csv", format!("{HEADER}{ROWS}"));
    let _ = follow(&workdir).credentials(&server).arg("--once").run().expect_code(0);
    workdir.write("livecosmos.toml", config(GERMAN));
    for fault in [Fault::LoseRequest, Fault::Stall] {
        front.set_rule(move |request| match request.method() {
            "PUT" if request.target().contains("requeue") => fault,
            _ => Fault::None,
        });
        let command = quarantine(&workdir, "requeue", &["--all", "--yes"]).credentials(&server);
        let requeue = command.spawn();
        wait_until("the put", SOON, || front.exchanges().iter().any(|it| it.fault == fault).then_some(()));
        let _ = requeue.kill();
        assert_eq!(listed(&workdir).len(), 3, "no row leaves before the sink has answered");
    }
    front.set_rule(|_| Fault::None);
    let command = quarantine(&workdir, "requeue", &["--all", "--yes"]).credentials(&server);
    let again = command.run().expect_code(0);
    assert!(again.stderr.contains("2 were stored before"), "{}", again.stderr);
    assert_eq!(in_bucket(&server), ["0.20", "1", "3", "4"]);
    assert_eq!(listed(&workdir).len(), 1);
}

/// Injected: the sink is away, so that the file is not covered, and the time format is mended meanwhile.
#[test]
fn a_row_that_is_read_again_under_another_configuration_is_sent_by_one_chain_alone() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let config = |table: &str| csv_config(&bucket(&server, &front), "", table);
    let workdir = workdir(&config(""));
    workdir.write("T.csv", format!("{HEADER}{}", "A,02.01.2025 03:00,1\nB,2025-01-01 00:00:00,2\n"));
    front.set_rule(|request| match request.method() {
        "PUT" if request.target().contains("/B/") => Fault::Answer(503),
        _ => Fault::None,
    });
    let _ = follow(&workdir).credentials(&server).arg("--once").run();
    assert_eq!(listed(&workdir).len(), 1);
    front.set_rule(|_| Fault::None);
    workdir.write("livecosmos.toml", config(GERMAN));
    let _ = follow(&workdir).credentials(&server).arg("--once").run().expect_code(0);
    let command = quarantine(&workdir, "requeue", &["--all", "--yes"]).credentials(&server);
    let _ = command.run().expect_code(0);
    assert_eq!(in_bucket(&server), ["1"], "of B, the time cannot be read any more");
    assert_eq!(listed(&workdir).len(), 1);
}

#[test]
fn a_row_of_a_table_that_the_live_chain_will_read_is_left_to_it() {
    let config = |unit: &str| {
        format!(
            "[source]\nkind = \"sqlite\"\npath = \"rows.sqlite\"\ntime_unit = \"{unit}\"\n{FOLDER}\n[upload]\n\
             format = \"ndjson\"\n[poll]\nfallback = \"all\"\n[tables.T]\nsite_column = \"SITE\"\n\
             time_column = \"TIME\"\n"
        )
    };
    let workdir = workdir(&config("s"));
    let database = Connection::open(workdir.path("rows.sqlite")).expect("a database");
    database
        .execute_batch(
            "CREATE TABLE T (SITE TEXT, TIME INTEGER, N NUMERIC); CREATE INDEX I ON T (SITE, TIME);
             INSERT INTO T VALUES ('A', 1735000000, 1), ('A', 1735600000000, 2.5);",
        )
        .expect("a table");
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    assert_eq!(in_folder(&workdir.path("stored")), ["1"]);
    assert_eq!(listed(&workdir)[0]["kinds"], "tnn");
    workdir.write("livecosmos.toml", config("ms"));
    let left = quarantine(&workdir, "requeue", &["--all", "--yes"]).run().expect_code(0);
    assert!(left.stderr.contains("1 will be read by the daemon itself"), "{}", left.stderr);
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    assert_eq!(in_folder(&workdir.path("stored")), ["1", "2.5"]);
    let gone = quarantine(&workdir, "requeue", &["--all", "--yes"]).run().expect_code(0);
    assert!(gone.stderr.contains("1 were stored before"), "{}", gone.stderr);
    assert_eq!(in_folder(&workdir.path("stored")), ["1", "2.5"]);
    assert_eq!(listed(&workdir), [] as [serde_json::Value; 0]);
}

/// No row of the table could be placed: its live chain has not begun.
#[test]
fn rows_of_a_table_of_which_nothing_is_stored_yet_are_left_to_the_live_chain() {
    let config = |tie: &str| {
        format!(
            "[source]\nkind = \"sqlite\"\npath = \"rows.sqlite\"\ntime_unit = \"s\"\n{FOLDER}\n[upload]\n\
             format = \"ndjson\"\n[poll]\nfallback = \"all\"\n[tables.T]\nsite_column = \"SITE\"\n\
             time_column = \"TIME\"\ntie_column = \"{tie}\"\n"
        )
    };
    let workdir = workdir(&config("HALF"));
    let database = Connection::open(workdir.path("rows.sqlite")).expect("a database");
    database
        .execute_batch(
            "CREATE TABLE T (ID INTEGER PRIMARY KEY, SITE TEXT, TIME INTEGER, N INTEGER, HALF REAL);
             CREATE INDEX I ON T (SITE, TIME);
             INSERT INTO T VALUES (1, 'A', 1735000000, 1, 0.5), (2, 'A', 1735000060, 2, 1.5);",
        )
        .expect("a table");
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    assert_eq!(listed(&workdir).len(), 2);
    workdir.write("livecosmos.toml", config("ID"));
    let left = quarantine(&workdir, "requeue", &["--all", "--yes"]).run().expect_code(0);
    assert!(left.stderr.contains("2 will be read by the daemon itself"), "{}", left.stderr);
    for _ in 0..2 {
        let _ = follow(&workdir).arg("--once").run().expect_code(0);
        assert_eq!(in_folder(&workdir.path("stored")), ["1", "2"]);
    }
    let _ = quarantine(&workdir, "requeue", &["--all", "--yes"]).run().expect_code(0);
    assert_eq!(in_folder(&workdir.path("stored")), ["1", "2"]);
    assert_eq!(listed(&workdir), [] as [serde_json::Value; 0]);
}

#[test]
fn a_row_kept_by_an_older_version_stays_and_says_what_to_do() {
    let workdir = workdir(&csv_config(FOLDER, "", ""));
    workdir.write("T.csv", format!("{HEADER}A,2025-01-01 00:00:00,1\n"));
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    workdir.write(
        "state/T.quarantine.ndjson",
        "{\"site\":\"A\",\"position\":\"T.csv, line 9\",\"identity\":\"x:1\",\"reason\":\"old\",\
         \"first_seen\":\"2025-01-01T00:00:00Z\",\"row\":\"A,never,1\"}\n{\"torn",
    );
    let _ = quarantine(&workdir, "requeue", &["--all", "--yes"]).run().expect_code(0);
    let rows = listed(&workdir);
    assert_eq!(rows.len(), 1);
    let reason = rows[0]["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("old (its values are not kept"), "{reason}");
}

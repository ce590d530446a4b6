//! Looking at rows in quarantine, and dropping them.

use std::time::Duration;

use super::scene::{FOLDER, HEADER, csv_config, follow, in_folder, listed, quarantine};
use super::support::daemon::{Livecosmos, workdir};
use super::support::process::wait_until;

const SOON: Duration = Duration::from_mins(1);

const ROWS: &str = "A,2025-01-01 00:00:00,1\nA,never,2\nB,2025-01-01 00:00:00,3\nB,sometimes,4\n,2025-01-01 00:00:00,5\n\
                    A,2025-01-01 00:10:00,6,7\n";

#[test]
fn rows_are_listed_beside_a_running_daemon_and_dropped_only_without_one() {
    let workdir = workdir(&csv_config(FOLDER, "", ""));
    workdir.write("T.csv", format!("{HEADER}{ROWS}"));
    let mut daemon = follow(&workdir).spawn();
    let stored = || in_folder(&workdir.path("stored")) == ["1", "3"];
    wait_until("what can be sent", SOON, || stored().then_some(()));
    let rows = listed(&workdir);
    assert_eq!(rows.len(), 4, "{rows:?}");
    assert_eq!(rows[0]["values"], serde_json::json!(["A", "never", "2"]));
    assert_eq!(rows[0]["columns"], serde_json::json!(["SITE", "TIME", "N"]));
    assert_eq!((&rows[0]["site"], &rows[2]["site"]), (&"A".into(), &serde_json::Value::Null));
    for verb in ["drop", "requeue"] {
        let refused = quarantine(&workdir, verb, &["--all", "--yes"]).run().expect_code(75);
        assert!(refused.stderr.contains("hint"), "{}", refused.stderr);
    }
    assert_eq!(listed(&workdir), rows, "nothing was changed");
    daemon.terminate();
    let _ = daemon.wait().expect_code(0);

    let _ = quarantine(&workdir, "drop", &[]).run().expect_code(2);
    let asked = quarantine(&workdir, "drop", &["--site", "A"]).run().expect_code(2);
    assert!(asked.stderr.contains("--yes"), "{}", asked.stderr);
    assert_eq!(listed(&workdir), rows, "nobody was asked, and something was changed");
    let id = rows[2]["id"].as_str().expect("an id");
    let _ = quarantine(&workdir, "drop", &["--site", "A", "--id", id, "--yes"]).run().expect_code(0);
    assert_eq!(listed(&workdir), [rows[1].clone(), rows[3].clone()]);
    let few = quarantine(&workdir, "list", &["--reason-contains", "fields"]).run().expect_code(0);
    assert_eq!(few.stdout.lines().count(), 2, "{}", few.stdout);
    let _ = quarantine(&workdir, "drop", &["--all", "--yes"]).run().expect_code(0);
    assert_eq!(listed(&workdir), [] as [serde_json::Value; 0]);
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    assert_eq!(listed(&workdir), [] as [serde_json::Value; 0], "a row that was dropped does not come back");
    assert_eq!(in_folder(&workdir.path("stored")), ["1", "3"]);
}

#[test]
fn a_full_quarantine_holds_up_its_sites_and_says_so_until_there_is_room() {
    let workdir = workdir(&csv_config(FOLDER, "quarantine_max = \"64 KiB\"", ""));
    let bad = |numbers: std::ops::Range<u32>| -> String {
        let row = |n| format!("A,never {n} {},bad{n}\n", "x".repeat(60));
        numbers.map(row).collect::<Vec<_>>().concat()
    };
    workdir.write("T.csv", format!("{HEADER}{}", bad(0..100)));
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    workdir.append("T.csv", format!("{}A,2025-01-01 00:00:00,1\nB,2025-01-01 00:00:00,2\n", bad(100..200)));
    let full = follow(&workdir).arg("--once").run().expect_code(3);
    assert!(full.stderr.contains("has reached its 65536 bytes"), "{}", full.stderr);
    assert_eq!(in_folder(&workdir.path("stored")), ["2"], "a row was passed over, or another site held up");
    let _ = quarantine(&workdir, "drop", &["--all", "--yes"]).run().expect_code(0);
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    assert_eq!(in_folder(&workdir.path("stored")), ["1", "2"]);
    assert!(listed(&workdir).len() <= 100, "those that had been passed were dropped");
}

/// Far more of them than there is room for, with a row that can be sent now and then.
#[test]
fn a_full_quarantine_that_is_emptied_lets_the_rows_behind_it_pass() {
    let workdir = workdir(&csv_config(FOLDER, "quarantine_max = \"64 KiB\"", ""));
    let row = |n: u32| {
        if n % 50 == 49 {
            format!("B,2025-01-01 00:00:00,{n}\n")
        } else {
            format!("A,never {n} {},{n}\n", "x".repeat(400))
        }
    };
    workdir.write("T.csv", format!("{HEADER}{}", (0..1000).map(row).collect::<Vec<_>>().concat()));
    let mut emptied = 0;
    while follow(&workdir).arg("--once").run().code != Some(0) {
        let rows = listed(&workdir).len();
        assert!(rows > 20, "{rows} rows fill it");
        let _ = quarantine(&workdir, "drop", &["--all", "--yes"]).run().expect_code(0);
        emptied += 1;
        assert!(emptied <= 980 / 20, "the rows that were dropped come back");
    }
    assert!(emptied > 2, "it was never full");
    let mut good: Vec<String> = (0..1000).filter(|n| n % 50 == 49).map(|n| n.to_string()).collect();
    good.sort();
    assert_eq!(in_folder(&workdir.path("stored")), good);
}

/// A is held up. B has a row that came late, and C a backlog with a fresh row before it.
#[test]
fn a_full_quarantine_holds_up_neither_late_rows_nor_backlogs_of_other_sites() {
    let workdir = workdir(&format!(
        "[source]\nkind = \"sqlite\"\npath = \"rows.sqlite\"\ntime_unit = \"s\"\n{FOLDER}\n[upload]\n\
         format = \"ndjson\"\nbatch_rows_max = 4\n[poll]\nfallback = \"all\"\nlookback = \"1d\"\nquarantine_max = \"64 KiB\"\n\
         [tables.T]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\n"
    ));
    let database = rusqlite::Connection::open(workdir.path("rows.sqlite")).expect("a database");
    let sql = |sql: &str| database.execute_batch(sql).expect("a statement");
    let numbers =
        "WITH RECURSIVE N (N) AS (SELECT 0 UNION ALL SELECT N + 1 FROM N WHERE N < 399) INSERT INTO T";
    sql("CREATE TABLE T (SITE TEXT, TIME INTEGER, N INTEGER); CREATE INDEX I ON T (SITE, TIME);
         INSERT INTO T VALUES ('B', 1735000000, 1)");
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    sql("INSERT INTO T VALUES ('B', 1735000600, 3)");
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    sql("INSERT INTO T VALUES ('B', 1735000300, 2)");
    // No time in seconds is that far away.
    sql(&format!("{numbers} SELECT 'A', 1735600000000 + N, 10000 + N FROM N"));
    let full = follow(&workdir).arg("--once").run().expect_code(3);
    assert!(full.stderr.contains("has reached its 65536 bytes"), "{}", full.stderr);
    assert_eq!(in_folder(&workdir.path("stored")), ["1", "2", "3"]);
    sql(&format!("{numbers} SELECT 'C', 1735000000 + N * 6000, 1000 + N FROM N"));
    let _ = follow(&workdir).arg("--once").run().expect_code(3);
    let mut all: Vec<String> = [1, 2, 3].into_iter().chain(1000..1400).map(|n: u32| n.to_string()).collect();
    all.sort_unstable();
    assert_eq!(in_folder(&workdir.path("stored")), all);
}

/// In the file: too long a line of somebody else's, a document of another kind, no text at all, half a line.
#[test]
fn lines_that_are_no_rows_are_counted_and_dropping_all_moves_them_out_of_the_way() {
    let workdir = workdir(&csv_config(FOLDER, "quarantine_max = \"64 KiB\"", ""));
    let mut foreign = "x".repeat(70_000).into_bytes();
    foreign.extend(b"\n{\"foreign\":1}\n\xff\xfe\n{\"torn");
    workdir.write("T.csv", format!("{HEADER}A,never,1\n"));
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    let _ = quarantine(&workdir, "drop", &["--all", "--yes"]).run().expect_code(0);
    let kept = workdir.path("state/T.quarantine.ndjson");
    let damaged = workdir.path("state/T.quarantine.ndjson.damaged");
    let bytes = |path: &std::path::Path| std::fs::read(path).expect("a file");
    workdir.write("state/T.quarantine.ndjson", &foreign);
    workdir.append("T.csv", "A,sometimes,2\nA,2025-01-01 00:00:00,3\n");
    let full = follow(&workdir).arg("--once").run().expect_code(3);
    assert!(full.stderr.contains("has reached its 65536 bytes"), "{}", full.stderr);

    let shown = quarantine(&workdir, "list", &[]).run().expect_code(0);
    for part in ["4 lines of", "T.quarantine.ndjson ", "drop --all"] {
        assert!(shown.stderr.contains(part), "{part}: {}", shown.stderr);
    }
    let json = quarantine(&workdir, "list", &["--output", "json"]).run().expect_code(0);
    assert!(json.stdout.contains("\"unreadable_lines\":4"), "{}", json.stdout);
    // They have no site and no id: only all of them can be meant.
    let _ = quarantine(&workdir, "drop", &["--site", "A", "--yes"]).run().expect_code(0);
    let asked = quarantine(&workdir, "drop", &["--all"]).run().expect_code(2);
    assert!(asked.stderr.contains("4 lines of"), "{}", asked.stderr);
    assert_eq!(bytes(&kept), foreign);
    assert!(!damaged.exists());

    let json = quarantine(&workdir, "drop", &["--all", "--yes", "--output", "json"]).run().expect_code(0);
    assert!(json.stdout.contains("\"unreadable_lines\":4"), "{}", json.stdout);
    foreign.push(b'\n');
    assert_eq!((bytes(&kept), bytes(&damaged)), (Vec::new(), foreign.clone()));
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    assert_eq!(in_folder(&workdir.path("stored")), ["3"]);
    assert_eq!(listed(&workdir).len(), 1);

    workdir.append("state/T.quarantine.ndjson", "more\n");
    let _ = quarantine(&workdir, "drop", &["--all", "--yes"]).run().expect_code(0);
    assert_eq!((bytes(&kept), bytes(&damaged)), (Vec::new(), [&foreign[..], b"more\n"].concat()));
}

#[test]
fn a_row_of_a_file_is_sent_when_its_reason_is_followed() {
    let workdir = workdir(&csv_config(FOLDER, "", ""));
    let bad: &[u8] = b"A,,1\n,2025-01-01 00:00:00,2\nA/B,2025-01-01 00:00:00,3\nA,2025-01-01 00:00:00,4,5\n\
                       A,2025-01-01 00:00:00,\xb0\n";
    workdir.write("T.csv", [HEADER.as_bytes(), bad].concat());
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    let rows = listed(&workdir);
    assert_eq!(rows.len(), 5);
    for row in rows {
        let reason = row["reason"].as_str().expect("a reason");
        assert!(reason.contains("write the row anew at the end of its source, and drop this"), "{reason}");
    }
    workdir.append("T.csv", "A,2025-01-01 00:00:00,1\n");
    let _ = quarantine(&workdir, "drop", &["--all", "--yes"]).run().expect_code(0);
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    assert_eq!(in_folder(&workdir.path("stored")), ["1"]);
    assert_eq!(listed(&workdir), [] as [serde_json::Value; 0]);
}

#[test]
fn a_link_in_the_place_of_the_quarantine_is_refused_and_not_followed() {
    let workdir = workdir(&csv_config(FOLDER, "", ""));
    workdir.write("T.csv", format!("{HEADER}A,2025-01-01 00:00:00,1\n"));
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    workdir.write("elsewhere", "mine");
    let link = workdir.path("state/T.quarantine.ndjson");
    std::os::unix::fs::symlink(workdir.path("elsewhere"), &link).expect("a link");
    workdir.append("T.csv", "A,never,2\n");
    let runs = [
        follow(&workdir).arg("--once"),
        quarantine(&workdir, "list", &[]),
        quarantine(&workdir, "drop", &["--all", "--yes"]),
        quarantine(&workdir, "requeue", &["--all", "--yes"]),
    ];
    for run in runs {
        let refused = run.run().expect_code(78);
        let part = format!("{} is no regular file but a link", link.display());
        assert!(refused.stderr.contains(&part), "{}", refused.stderr);
    }
    assert_eq!(std::fs::read(workdir.path("elsewhere")).expect("a file"), b"mine");
    std::fs::remove_file(&link).expect("the link");
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    assert_eq!(listed(&workdir).len(), 1);
}

#[test]
fn what_cannot_be_read_is_not_said_to_be_written() {
    let workdir = workdir(&csv_config(FOLDER, "", ""));
    let list = Livecosmos::new(workdir.folder()).arg("quarantine").arg("list").arg(workdir.config());
    // No directory at all.
    let failed = list.arg("--state-dir").arg(workdir.config()).run().expect_code(74);
    assert!(failed.stderr.contains("cannot read the quarantine"), "{}", failed.stderr);
}

#[test]
fn a_program_is_told_too_that_no_row_is_meant() {
    let workdir = workdir(&csv_config(FOLDER, "", ""));
    let words = ["--all", "--yes", "--output", "json"];
    let none = quarantine(&workdir, "drop", &words).run().expect_code(0);
    let document: serde_json::Value = serde_json::from_str(&none.stdout).expect("JSON");
    assert_eq!((&document["chosen"], &document["dropped"]), (&0.into(), &0.into()));
}

//! Looking at rows in quarantine, and dropping them.

use std::time::Duration;

use super::scene::{FOLDER, HEADER, csv_config, follow, in_folder, listed, quarantine};
use super::support::daemon::workdir;
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
    let full = follow(&workdir).arg("--once").run().expect_code(74);
    assert!(full.stderr.contains("has reached its 65536 bytes"), "{}", full.stderr);
    assert_eq!(in_folder(&workdir.path("stored")), ["2"], "a row was passed over, or another site held up");
    let _ = quarantine(&workdir, "drop", &["--all", "--yes"]).run().expect_code(0);
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    assert_eq!(in_folder(&workdir.path("stored")), ["1", "2"]);
    assert_eq!(
        listed(&workdir).len(),
        100,
        "those that had been passed were dropped, the others are met again"
    );
}

//! Rows that are sent, and rows that are not.

use super::*;

/// The columns of `livecosmos status`, without the lag: that grows.
fn status(work: &Workdir, words: &[&str]) -> String {
    let run = command(work, &[&["status", "livecosmos.toml"], words].concat()).run().expect_code(0);
    let column = run.stdout.find("LAG").expect("a column");
    let end = run.stdout.find("SENT").expect("another");
    let without = |line: &str| format!("{}{}", &line[..column], &line[end..]);
    tidy(work, &run.stdout.lines().map(without).collect::<Vec<_>>().join("\n"))
}

fn json(work: &Workdir) -> serde_json::Value {
    let run = command(work, &["status", "livecosmos.toml", "--output", "json"]).run().expect_code(0);
    let mut status: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    status["tables"][0].take()
}

#[test]
fn rows_are_counted_before_the_first_run_and_after_each() {
    let work = workdir();
    let before = files(work.folder());
    insta::assert_snapshot!(status(&work, &[]), @r"
    TABLE  SITE  LAST DATA  SENT  LATE  RESENT  WAITING  IN FLIGHT  QUARANTINED
    X  ALIC1  -  0  0  0  2  0  0
    X  BUNNY  -  0  0  0  1  0  0
    X  all  -  0  0  0  3  0  0
    ");
    assert_eq!(files(work.folder()), before, "looking changes nothing");
    let _ = work.livecosmos().table("X").arg("--once").run().expect_code(0);
    work.append("X.csv", "ALIC1,2025-01-01T01:00:00,1\nALIC1,never,1\n,2025-01-01T01:00:00,1\n");
    insta::assert_snapshot!(status(&work, &[]), @r"
    TABLE  SITE  LAST DATA  SENT  LATE  RESENT  WAITING  IN FLIGHT  QUARANTINED
    X  ALIC1  2025-01-01T00:30:00Z  2  0  0  1  0  0
    X  BUNNY  2025-01-01T00:00:00Z  1  0  0  0  0  0
    X  all  2025-01-01T00:30:00Z  3  0  0  1  0  0
    ");
    assert_eq!(json(&work)["unsendable"], 2, "they are in no quarantine yet");
    let _ = work.livecosmos().table("X").arg("--once").run().expect_code(0);
    insta::assert_snapshot!(status(&work, &[]), @r"
    TABLE  SITE  LAST DATA  SENT  LATE  RESENT  WAITING  IN FLIGHT  QUARANTINED
    X  -  -  0  0  0  0  0  1
    X  ALIC1  2025-01-01T01:00:00Z  3  0  0  0  0  1
    X  BUNNY  2025-01-01T00:00:00Z  1  0  0  0  0  0
    X  all  2025-01-01T01:00:00Z  4  0  0  0  0  2
    ");
    insta::assert_snapshot!(status(&work, &["X", "--site", "BUNNY"]), @r"
    TABLE  SITE  LAST DATA  SENT  LATE  RESENT  WAITING  IN FLIGHT  QUARANTINED
    X  BUNNY  2025-01-01T00:00:00Z  1  0  0  0  0  0
    ");
    assert_eq!(json(&work)["unsendable"], 0);
}

#[test]
fn rows_that_are_sent_again_are_counted_apart() {
    let work = workdir();
    let _ = work.livecosmos().table("X").arg("--once").run().expect_code(0);
    let rewind =
        ["state", "rewind", "livecosmos.toml", "X", "--site", "ALIC1", "--to", "2024-12-01", "--yes"];
    let _ = command(&work, &rewind).run().expect_code(0);
    let counted = json(&work);
    let site = &counted["sites"]["ALIC1"];
    assert_eq!((&site["waiting"], &site["sent"]), (&0.into(), &2.into()), "{site}");
    assert_eq!(
        (&site["fills"][0]["kind"], &site["fills"][0]["rows_max"]),
        (&"resend".into(), &2.into()),
        "{site}"
    );
    let _ = work.livecosmos().table("X").arg("--once").run().expect_code(0);
    let counted = json(&work);
    let site = &counted["sites"]["ALIC1"];
    assert_eq!(
        (&site["sent"], &site["resent"], &site["fills"]),
        (&2.into(), &2.into(), &serde_json::json!([]))
    );
}

#[test]
fn a_source_that_cannot_be_read_leaves_the_counts_of_the_state() {
    let work = workdir();
    let _ = work.livecosmos().table("X").arg("--once").run().expect_code(0);
    std::fs::remove_file(work.path("X.csv")).expect("a file of ours");
    let run = command(&work, &["status", "livecosmos.toml", "--output", "json"]).run().expect_code(69);
    let counted: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    let counted = &counted["tables"][0];
    assert_eq!((&counted["sent"], &counted["waiting"]), (&3.into(), &serde_json::Value::Null), "{counted}");
    assert!(run.stderr.contains("X.csv"), "{}", run.stderr);
}

//! What all commands have in common that change a state: shown, asked, kept, and locked out by a daemon.

use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use crate::scene::{csv, loaded, once, site_id, state, stored, tidy};
use crate::support::daemon::Workdir;
use crate::support::process::{command, wait_until};

/// Two rows stored, their state exported as `one.json`; then a third, of another site.
fn scene() -> Workdir {
    let work = csv();
    work.append("X.csv", "ALIC1,2025-01-01T00:00:00,1\nALIC1,2025-01-01T00:30:00,2\n");
    once(&work);
    let exported = state(&work, "export", &[]).run().expect_code(0).stdout;
    work.write("one.json", exported);
    work.append("X.csv", "BUNNY,2025-01-01T00:30:00,3\n");
    once(&work);
    work
}

fn sites(work: &Workdir) -> usize {
    loaded(&work.state_dir()).sites.len()
}

/// Without what differs from run to run.
fn steady(work: &Workdir, text: &str) -> String {
    let lines = tidy(work, text)
        .lines()
        .map(|line| if line.contains("last run") { "-  last run  …" } else { line }.to_owned())
        .collect::<Vec<_>>();
    lines.join("\n")
}

#[test]
fn a_change_is_shown_and_off_a_terminal_not_made_without_yes() {
    let work = scene();
    let run = state(&work, "import", &["one.json"]).run().expect_code(2);
    insta::assert_snapshot!(steady(&work, &run.stdout), @r"
SITE  WHAT  OLD  NEW
-  last run  …
-  file 54076a0025510000  [DIR]/X.csv to 105, floor to 77  [DIR]/X.csv to 77, floor to 77
BUNNY  site  known  -
BUNNY  watermark  2025-01-01T00:30:00Z  -
BUNNY  live  1 at file:54076a0025510000:105  0 at start
BUNNY  sent  1 rows, 0 late, 0 resent  0 rows, 0 late, 0 resent
");
    insta::assert_snapshot!(tidy(&work, &run.stderr), @r"
error: nothing was changed: nobody can be asked off a terminal
hint: give --yes where the change is right
");
    assert_eq!(sites(&work), 2);
    let json = state(&work, "import", &["one.json", "--output", "json"]).run().expect_code(2);
    assert_eq!(json.stdout, "");
}

#[test]
fn a_change_is_told_to_programs_in_one_document() {
    let work = scene();
    let run = state(&work, "import", &["one.json", "--yes", "--output", "json"]).run().expect_code(0);
    let document: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&document["schema"], &document["command"]), (&1.into(), &"import".into()));
    assert_eq!((&document["table"], &document["done"]), (&"X".into(), &true.into()));
    let watermark =
        document["changes"].as_array().unwrap().iter().find(|change| change["what"] == "watermark");
    let expected =
        serde_json::json!({"site": "BUNNY", "what": "watermark", "old": "2025-01-01T00:30:00Z", "new": "-"});
    assert_eq!(watermark, Some(&expected));
}

#[test]
fn undo_goes_back_undone_twice_it_goes_forth_and_no_row_is_lost_or_doubled() {
    let work = scene();
    let newest = loaded(&work.state_dir());
    let _ = state(&work, "import", &["one.json", "--yes"]).run().expect_code(0);
    let imported = loaded(&work.state_dir());
    assert!(!imported.sites.contains_key(&site_id("BUNNY")));
    let _ = state(&work, "undo", &["--yes"]).run().expect_code(0);
    assert_eq!(loaded(&work.state_dir()), newest);
    let _ = state(&work, "undo", &["--yes"]).run().expect_code(0);
    assert_eq!(loaded(&work.state_dir()), imported);
    // With the older state a daemon stores more; then that state is undone as well.
    work.append("X.csv", "BUNNY,2025-01-01T01:00:00,4\n");
    once(&work);
    assert_eq!(stored(&work), ["1", "2", "3", "4"]);
    let undone = state(&work, "undo", &["--yes"]).run().expect_code(0);
    assert!(undone.stderr.contains("is found again in the sink"), "{}", undone.stderr);
    assert_eq!(loaded(&work.state_dir()), newest);
    work.append("X.csv", "ALIC1,2025-01-01T01:00:00,5\n");
    once(&work);
    assert_eq!(stored(&work), ["1", "2", "3", "4", "5"]);
}

#[test]
fn what_was_never_changed_cannot_be_undone() {
    let work = scene();
    let run = state(&work, "undo", &["--yes"]).run().expect_code(78);
    insta::assert_snapshot!(tidy(&work, &run.stderr), @r"
error: there is nothing to undo for table X
hint: only 'state import', 'state rewind' and 'state rebuild' keep the state that they change
");
}

#[test]
fn a_kept_state_that_rotted_is_refused_and_the_state_stays() {
    let work = scene();
    let _ = state(&work, "import", &["one.json", "--yes"]).run().expect_code(0);
    let before = loaded(&work.state_dir());
    let mut kept = std::fs::read(work.state_dir().join("X.state.undo")).unwrap();
    *kept.last_mut().unwrap() ^= 1;
    work.write("state/X.state.undo", kept);
    let run = state(&work, "undo", &["--yes"]).run().expect_code(65);
    insta::assert_snapshot!(tidy(&work, &run.stderr), @r"
error: the kept state [DIR]/state/X.state.undo is unusable (its payload fails its checksum)
hint: the state itself is as it was, so restore [DIR]/state/X.state.undo from a copy
");
    assert_eq!(loaded(&work.state_dir()), before);
}

#[test]
fn no_state_is_changed_while_a_daemon_follows_the_table() {
    let work = scene();
    let _ = state(&work, "import", &["one.json", "--yes"]).run().expect_code(0);
    let before = sites(&work);
    let mut running = work.livecosmos().table("X").spawn();
    wait_until("the daemon's lock", Duration::from_mins(1), || (sites(&work) > before).then_some(()));
    let commands: &[(&str, &[&str])] = &[
        ("import", &["one.json", "--yes"]),
        ("undo", &["--yes"]),
        ("rebuild", &["--yes"]),
        ("rewind", &["--site", "ALIC1", "--to", "2025-01-01", "--yes"]),
    ];
    for (word, words) in commands {
        let run = state(&work, word, words).run().expect_code(75);
        assert!(run.stderr.contains(&format!("held by process {}", running.pid())), "{word}: {}", run.stderr);
        assert!(
            !run.stderr.contains("another state"),
            "{word} on another state is no remedy: {}",
            run.stderr
        );
    }
    running.terminate();
    let _ = running.wait().expect_code(0);
}

/// Runs `state undo` with a terminal of its own, on which `answer` is typed.
fn undo_at_a_terminal(work: &Workdir, answer: &str) -> String {
    let line = format!("{} state undo livecosmos.toml X --state-dir state", env!("CARGO_BIN_EXE_livecosmos"));
    let mut at_terminal: Command = command(std::path::Path::new("/usr/bin/script"));
    at_terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]).current_dir(work.folder());
    at_terminal.env("HOME", work.folder()).stdin(std::process::Stdio::piped());
    let mut child = at_terminal.stdout(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn at_a_terminal_whoever_sits_there_is_asked() {
    let work = scene();
    let _ = state(&work, "import", &["one.json", "--yes"]).run().expect_code(0);
    let refused = undo_at_a_terminal(&work, "n\n");
    assert!(refused.contains("Change the state of table X? [y/N]"), "{refused}");
    assert!(refused.contains("nothing was changed"), "{refused}");
    assert_eq!(sites(&work), 1);
    let agreed = undo_at_a_terminal(&work, "y\n");
    assert!(agreed.contains("takes it back"), "{agreed}");
    assert_eq!(sites(&work), 2);
}

#[test]
fn undoing_to_the_state_there_is_does_not_speak_of_what_came_since() {
    let work = scene();
    let _ = state(&work, "import", &["one.json", "--yes"]).run().expect_code(0);
    let _ = state(&work, "undo", &["--yes"]).run().expect_code(0);
    let kept = std::fs::read(work.state_dir().join("X.state.undo")).unwrap();
    let _ = state(&work, "undo", &["--yes"]).run().expect_code(0);
    // As after a command that died before its commit: what is kept is what is there.
    work.write("state/X.state.undo", kept);
    let same = state(&work, "undo", &["--yes"]).run().expect_code(0);
    assert_eq!(same.stderr, "note: this is the state of table X already\n");
}

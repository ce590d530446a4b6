//! The command line, driven from outside: what it prints, what it changes, how it ends.

#[path = "cli/bad_input.rs"]
mod bad_input;
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::daemon::{self, Livecosmos, Output, Workdir};
use support::process::wait_until;
use support::s3s;

/// A file of two sites, stored in a folder.
const CONFIG: &str = r#"
[source]
kind = "csv"
path = "{table}.csv"
[sink]
url = "file://./out"
[upload]
format = "ndjson"
[poll]
fallback = "all"
interval = "100ms"
[tables.X]
site_column = "SITE_ID"
time_column = "DATE_TIME"
"#;

const ROWS: &str = "\
SITE_ID,DATE_TIME,TA
ALIC1,2025-01-01T00:00:00,4.25
BUNNY,2025-01-01T00:00:00,NA
ALIC1,2025-01-01T00:30:00,0.10
";

fn workdir() -> Workdir {
    let work = daemon::workdir(CONFIG);
    work.write("X.csv", ROWS);
    work
}

/// A run of a command that has a name, with this folder's state.
fn command(work: &Workdir, words: &[&str]) -> Livecosmos {
    line(work, words).arg("--state-dir").arg(work.state_dir())
}

/// A command line of these words alone.
fn line(work: &Workdir, words: &[&str]) -> Livecosmos {
    words.iter().fold(Livecosmos::new(work.folder()), Livecosmos::arg)
}

/// What was printed, with the folder and the time of the run made the same everywhere.
fn tidy(work: &Workdir, text: &str) -> String {
    let text = text.replace(&work.folder().display().to_string(), "[DIR]");
    let lines = text.lines().map(narrow).map(|line| match line.split_once("\"last_run\":\"") {
        Some((before, after)) => {
            format!("{before}\"last_run\":\"[NOW]\"{}", after.split_once('"').map_or("", |(_, rest)| rest))
        }
        None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Two columns are parted by two spaces, however long the folder's name makes them.
fn narrow(line: &str) -> String {
    line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim_start).collect::<Vec<_>>().join("  ")
}

/// Every file below `folder` with its contents.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder that is there") {
            let path = entry.expect("an entry that can be read").path();
            if path.is_dir() {
                found.insert(format!("{}/", path.display()), Vec::new());
                folders.push(path);
            } else {
                found.insert(
                    path.display().to_string(),
                    std::fs::read(&path).expect("a file that can be read"),
                );
            }
        }
    }
    found
}

fn stderr_of(work: &Workdir, run: &Output) -> String {
    tidy(work, &run.stderr)
}

#[test]
fn a_dry_run_shows_what_would_be_stored_and_changes_nothing() {
    let work = workdir();
    let before = files(work.folder());
    let run = work.livecosmos().table("X").arg("--dry-run").run().expect_code(0);
    insta::assert_snapshot!(tidy(&work, &run.stdout), @r"
TABLE  SITE  WATERMARK  ROWS  FIRST  LAST  BYTES  OBJECTS  KEYS
X  ALIC1  -  2  2025-01-01T00:00:00Z  2025-01-01T00:30:00Z  130 B  1  ALIC1/X/00000000000000000000.ndjson
X  BUNNY  -  1  2025-01-01T00:00:00Z  2025-01-01T00:00:00Z  65 B  1  BUNNY/X/00000000000000000000.ndjson
");
    assert_eq!(run.stderr, "");
    let json = work.livecosmos().table("X").arg("--dry-run").arg("--output").arg("json").run().expect_code(0);
    insta::assert_snapshot!(tidy(&work, &json.stdout), @r#"{"schema":1,"tables":[{"table":"X","rejected_rows":0,"future_rows":0,"sites":{"ALIC1":{"site_id":"ALIC1","last_data":null,"seq":0,"objects":1,"rows":2,"bytes":130,"first":"2025-01-01T00:00:00Z","last":"2025-01-01T00:30:00Z","keys":["ALIC1/X/00000000000000000000.ndjson"]},"BUNNY":{"site_id":"BUNNY","last_data":null,"seq":0,"objects":1,"rows":1,"bytes":65,"first":"2025-01-01T00:00:00Z","last":"2025-01-01T00:00:00Z","keys":["BUNNY/X/00000000000000000000.ndjson"]}}}]}"#);
    assert_eq!(files(work.folder()), before);
}

#[test]
fn a_dry_run_shows_what_a_run_then_does() {
    let work = workdir();
    let planned =
        work.livecosmos().table("X").arg("--dry-run").arg("--output").arg("json").run().expect_code(0);
    let planned: serde_json::Value = serde_json::from_str(&planned.stdout).unwrap();
    let _ = work.livecosmos().table("X").arg("--once").run().expect_code(0);
    for (_, site) in planned["tables"][0]["sites"].as_object().unwrap() {
        for key in site["keys"].as_array().unwrap() {
            let stored =
                std::fs::read(work.path("out").join(key.as_str().unwrap())).expect("the key was stored");
            assert_eq!(stored.len() as u64, site["bytes"].as_u64().unwrap(), "{key}");
        }
    }
}

#[test]
fn a_dry_run_with_nothing_to_send_says_so_and_ends_well() {
    let work = workdir();
    let _ = work.livecosmos().table("X").arg("--once").run().expect_code(0);
    let before = files(work.folder());
    let run = work.livecosmos().table("all").arg("--dry-run").run().expect_code(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "note: there is nothing to send\n"));
    assert_eq!(files(work.folder()), before);
}

#[test]
fn the_state_is_shown_for_people_and_for_programs() {
    let work = workdir();
    let _ = work.livecosmos().table("X").arg("--once").run().expect_code(0);
    let show = command(&work, &["state", "show"]).run().expect_code(0);
    let lines: Vec<Vec<&str>> = show.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["TABLE", "SITE", "WATERMARK", "LAG", "SEQ", "PENDING", "FILLS"]);
    assert_eq!(lines[1][..3], ["X", "ALIC1", "2025-01-01T00:30:00Z"]);
    assert_eq!(lines[2][..3], ["X", "BUNNY", "2025-01-01T00:00:00Z"]);
    assert_eq!(lines[1][lines[1].len() - 3..], ["1", "-", "-"]);
    let json = command(&work, &["state", "show", "--output", "json"]).run().expect_code(0);
    let generation: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let generation = format!("\"generation\":{}", generation["tables"][0]["generation"]);
    insta::assert_snapshot!(tidy(&work, &json.stdout).replace(&generation, "\"generation\":[N]"), @r#"{"schema":1,"tables":[{"table":"X","generation":[N],"last_run":"[NOW]","sites":{"ALIC1":{"site_id":"ALIC1","last_data":"2025-01-01T00:30:00Z","seq":1,"pending":null,"fills":[]},"BUNNY":{"site_id":"BUNNY","last_data":"2025-01-01T00:00:00Z","seq":1,"pending":null,"fills":[]}}}]}"#);
}

#[test]
fn the_states_of_a_configuration_or_of_named_tables_are_shown() {
    let work = workdir();
    let _ = work.livecosmos().table("X").arg("--once").run().expect_code(0);
    for words in [
        &["state", "show", "livecosmos.toml"][..],
        &["state", "show", "livecosmos.toml", "X"],
        &["state", "show", "X"],
    ] {
        let show = command(&work, words).run().expect_code(0);
        assert_eq!(show.stdout.lines().count(), 3, "{words:?}: {}", show.stdout);
    }
    let run = command(&work, &["state", "show", "Y"]).run().expect_code(78);
    insta::assert_snapshot!(stderr_of(&work, &run), @r"
error: 'Y' is neither a file nor a table with a state in [DIR]/state
hint: 'livecosmos state show' lists those that have one
");
    let run = command(&work, &["state", "show", "livecosmos.toml", "Y"]).run().expect_code(78);
    insta::assert_snapshot!(stderr_of(&work, &run), @r"
error: livecosmos.toml: unknown table 'Y'
hint: known here are X
");
}

#[test]
fn no_state_yet_is_said_and_is_no_error() {
    let work = workdir();
    let run = command(&work, &["state", "show"]).run().expect_code(0);
    insta::assert_snapshot!(stderr_of(&work, &run), @"note: there is no state in [DIR]/state");
    let run = command(&work, &["state", "verify", "livecosmos.toml"]).run().expect_code(0);
    insta::assert_snapshot!(stderr_of(&work, &run), @"note: table X has no state yet");
}

#[test]
fn verify_tells_a_state_that_would_be_rescued_from_one_that_is_lost() {
    let work = workdir();
    let _ = work.livecosmos().table("X").arg("--once").run().expect_code(0);
    let verify = || command(&work, &["state", "verify", "--output", "json"]).run();
    let load = |run: &Output| {
        let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        json["tables"][0]["load"].as_str().unwrap().to_owned()
    };
    assert_eq!(load(&verify().expect_code(0)), "primary");

    work.write("state/X.state", "");
    let rescued = verify().expect_code(0);
    assert_eq!(load(&rescued), "backup");
    insta::assert_snapshot!(stderr_of(&work, &rescued), @r"
warning: [DIR]/state/X.state cannot be used
hint: the next run takes its backup and writes it anew
");

    work.write("state/X.state.backup", "rubbish");
    let (before, stored) = (files(work.folder()), files(&work.path("out")));
    let lost = verify().expect_code(65);
    assert_eq!(load(&lost), "nothing");
    insta::assert_snapshot!(stderr_of(&work, &lost), @r"
error: state file [DIR]/state/X.state is unusable (it is empty) and so is its backup [DIR]/state/X.state.backup (it ends after 7 bytes, within its header)
hint: restore one of them from a copy, or make a new state from the sink with 'livecosmos state rebuild'
");
    let table = command(&work, &["state", "verify"]).run().expect_code(65);
    insta::assert_snapshot!(tidy(&work, &table.stdout), @r"
TABLE  FILE  CONDITION  DETAIL
X  [DIR]/state/X.state  corrupt  it is empty
X  [DIR]/state/X.state.backup  corrupt  it ends after 7 bytes, within its header
");
    assert_eq!(files(work.folder()), before, "verify changed something");

    let _ = command(&work, &["state", "show"]).run().expect_code(65);
    let _ = work.livecosmos().table("X").arg("--once").run().expect_code(65);
    let _ = work.livecosmos().table("X").arg("--dry-run").run().expect_code(65);
    assert_eq!(files(&work.path("out")), stored, "a run went on without its state");
}

#[test]
fn check_says_what_works_and_which_promise_holds() {
    let work = workdir();
    // One site: which of several is met first is the source's affair.
    work.write("X.csv", "SITE_ID,DATE_TIME,TA\nBUNNY,2025-01-01T00:00:00,NA\n");
    let run = command(&work, &["check", "livecosmos.toml"]).run().expect_code(0);
    insta::assert_snapshot!(tidy(&work, &run.stdout), @r"
TABLE  PART  FINDING
X  source  csv [DIR]/X.csv: 3 columns, a row of BUNNY at 2025-01-01T00:00:00Z
X  sink  file://[DIR]/out
X  promise  every row once; of two writers at once, the sink lets one through
X  state  [DIR]/state/X.state: none yet
");
    assert_eq!(run.stderr.lines().filter(|line| line.starts_with("error")).count(), 0, "{}", run.stderr);
    assert!(!work.state_dir().exists(), "check made a state");
}

#[test]
fn check_offline_touches_neither_source_nor_sink() {
    let work = workdir();
    let before = files(work.folder());
    let run =
        command(&work, &["check", "livecosmos.toml", "--offline", "--output", "json"]).run().expect_code(0);
    insta::assert_snapshot!(tidy(&work, &run.stdout), @r#"{"schema":1,"tables":[{"table":"X","findings":[{"part":"source","ok":true,"text":"csv [DIR]/X.csv; not looked at"},{"part":"sink","ok":true,"text":"file://[DIR]/out; not looked at"},{"part":"state","ok":true,"text":"[DIR]/state/X.state: none yet"}]}]}"#);
    assert_eq!(files(work.folder()), before);
}

#[test]
fn check_ends_with_the_code_of_what_must_be_mended() {
    let work = workdir();
    work.write("X.csv", ROWS.replace("SITE_ID", "SITE"));
    let run = command(&work, &["check", "livecosmos.toml"]).run().expect_code(78);
    insta::assert_snapshot!(stderr_of(&work, &run), @r"
error: [DIR]/X.csv has no column 'SITE_ID', which site_column names
hint: did you mean 'SITE'?; its columns are: SITE, DATE_TIME, TA
");
    std::fs::remove_file(work.path("X.csv")).unwrap();
    let run = command(&work, &["check", "livecosmos.toml"]).run().expect_code(69);
    insta::assert_snapshot!(stderr_of(&work, &run), @r"
error: [DIR]/X.csv does not exist, or no file matches it
hint: create it, or mend path under [source]
");
}

#[test]
fn a_server_that_refuses_or_lacks_what_is_asked_of_it_has_its_own_code() {
    let mut server = s3s::start();
    let s3 = |bucket: &str| {
        let url = format!("url = \"s3://{bucket}\"\n[sink.s3]\nendpoint = \"{}\"", server.endpoint());
        CONFIG.replace("url = \"file://./out\"", &url)
    };
    let work = workdir();
    work.write("livecosmos.toml", s3(server.bucket()));
    work.write("nowhere.toml", s3("there-is-no-such-bucket"));
    let check = |config: &str| command(&work, &["check", config]);
    let _ = check("livecosmos.toml").credentials(&server).run().expect_code(0);
    let missing = check("nowhere.toml").credentials(&server).run().expect_code(78);
    assert!(missing.stderr.contains("there-is-no-such-bucket"), "{}", missing.stderr);
    let refused = check("livecosmos.toml").credentials(&server).env("AWS_SECRET_ACCESS_KEY", "wrong").run();
    let refused = refused.expect_code(77);
    assert!(!refused.stderr.contains("wrong"), "{}", refused.stderr);
    let _ = check("livecosmos.toml").run().expect_code(77);
    server.stop();
    let _ = check("livecosmos.toml").credentials(&server).run().expect_code(69);
    let once = work.livecosmos().table("X").arg("--once").credentials(&server).run();
    let _ = once.expect_code(69);
}

#[test]
fn bad_rows_are_kept_with_their_reasons_and_stop_no_other_row() {
    let work = workdir();
    let bad: &[u8] = b"ALIC1,yesterday,1\n,2025-01-01T01:00:00,2\n../ALIC1,2025-01-01T01:00:00,3\n\
        ALIC1,2025-01-01T01:00:00\nALIC1,2025-01-01T01:00:00,\xff\nALIC1,2025-01-01T01:30:00,6\n";
    work.append("X.csv", bad);
    let planned = work.livecosmos().table("X").arg("--dry-run").run().expect_code(0);
    insta::assert_snapshot!(stderr_of(&work, &planned), @r"
warning: X: 5 rows cannot be sent
hint: a run would put them into quarantine, each with its reason
");
    let _ = work.livecosmos().table("X").arg("--once").run().expect_code(0);
    let kept = std::fs::read_to_string(work.state_dir().join("X.quarantine.ndjson")).unwrap();
    let reasons: Vec<String> = kept
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["reason"].as_str().unwrap().to_owned()
        })
        .collect();
    insta::assert_snapshot!(reasons.join("\n"), @r#"
its time, column 'DATE_TIME': 'yesterday' is no time; expected a date and time such as 2025-01-02T03:04:05Z, or set `time_format`
its site is empty; write the row anew at the end of its source, and drop this
site id "../ALIC1" is not allowed; use 1 to 64 of A-Z a-z 0-9 _ -, or write the row anew at the end of its source, and drop this
it has 2 fields and the header has 3; check delimiter and quotes, or write the row anew at the end of its source, and drop this
it is not UTF-8; write the row anew at the end of its source, and drop this
"#);
    let shown = command(&work, &["state", "show"]).run().expect_code(0).stdout;
    assert!(shown.contains("2025-01-01T01:30:00Z"), "{shown}");
}

#[test]
fn a_configuration_that_does_not_fit_ends_with_78() {
    let work = workdir();
    let missing = Livecosmos::new(work.folder()).arg("nope.toml").table("X").run().expect_code(78);
    insta::assert_snapshot!(stderr_of(&work, &missing), @r"
error: nope.toml: there is no such file
hint: name a configuration file; config.example.toml shows every key
");
    let unknown = work.livecosmos().table("Y").run().expect_code(78);
    insta::assert_snapshot!(stderr_of(&work, &unknown), @r"
error: [DIR]/livecosmos.toml: unknown table 'Y'
hint: known here are X
");
    work.write("X.csv", ROWS.replace("DATE_TIME", "WHEN"));
    for mode in ["--dry-run", "--once"] {
        let column = work.livecosmos().table("X").arg(mode).run().expect_code(78);
        assert!(column.stderr.contains("DATE_TIME") && column.stderr.contains("WHEN"), "{}", column.stderr);
    }
    work.write("livecosmos.toml", "dsn='oracle.example/COSMOS'\nuser='reader'\npass='hunter2'\n");
    let predecessor = work.livecosmos().table("X").run().expect_code(78);
    insta::assert_snapshot!(stderr_of(&work, &predecessor), @r"
error: [DIR]/livecosmos.toml: this is a configuration of the former livecosmos, whose Oracle source comes later
hint: write a TOML configuration with a csv or sqlite source; config.example.toml shows every key
");
}

#[test]
fn a_source_that_cannot_be_read_ends_a_one_shot_run_with_69() {
    let work = workdir();
    std::fs::remove_file(work.path("X.csv")).unwrap();
    let run = work.livecosmos().table("X").arg("--once").run().expect_code(69);
    assert!(run.stderr.contains("X.csv"), "{}", run.stderr);
}

#[test]
fn a_state_directory_that_cannot_be_written_ends_with_74() {
    let work = workdir();
    work.write("file", "");
    let below_a_file = work.path("file/state");
    let below = |words: &[&str]| line(&work, words).arg("--state-dir").arg(&below_a_file);
    let run = below(&["livecosmos.toml", "X", "--once"]).run().expect_code(74);
    assert!(run.stderr.contains("[DIR]/file") || run.stderr.contains("file/state"), "{}", run.stderr);
    assert!(!work.path("out").exists(), "something was stored without a state");
    let check = below(&["check", "livecosmos.toml", "--offline"]).run().expect_code(74);
    insta::assert_snapshot!(stderr_of(&work, &check), @r"
error: state file [DIR]/file/state/X.state cannot be read (Not a directory (os error 20))
hint: choose a --state-dir that is a directory
");
}

#[test]
fn a_second_daemon_for_a_table_ends_with_75() {
    let work = workdir();
    let mut first = work.livecosmos().table("X").spawn();
    first.wait_for_stderr("stored", Duration::from_secs(30));
    let second = work.livecosmos().table("X").arg("--once").run().expect_code(75);
    assert!(second.stderr.contains(&first.pid().to_string()), "{}", second.stderr);
    let _ = work.livecosmos().table("X").arg("--dry-run").run().expect_code(0);
    first.terminate();
    let _ = first.wait().expect_code(0);
}

#[test]
fn a_command_line_that_cannot_be_understood_ends_with_2() {
    let work = workdir();
    let run = |words: &[&str]| line(&work, words).run();
    for words in [
        &[][..],
        &["livecosmos.toml"],
        &["livecosmos.toml", "X", "--sites", "ALIC1"],
        &["livecosmos.toml", "X", "--output", "yaml"],
        &["state"],
        &["check"],
        &["completions", "tcsh"],
    ] {
        assert_eq!(run(words).code, Some(2), "{words:?}");
    }
    insta::assert_snapshot!(run(&["livecosmos.toml", "X", "--site", "../X"]).expect_code(2).stderr, @r#"
error: invalid value '../X' for '--site <SITE>': site id "../X" is not allowed; use 1 to 64 of A-Z a-z 0-9 _ -

For more information, try '--help'.
"#);
    insta::assert_snapshot!(run(&["livecosmos.toml", "X", "--fallback", "soon"]).expect_code(2).stderr, @r#"
error: invalid value 'soon' for '--fallback <WHEN>': 'soon' is no fallback; use a duration such as "3h", a date such as "2025-01-01" or "2025-01-01T12:00:00Z", or "all"

For more information, try '--help'.
"#);
    insta::assert_snapshot!(run(&["-v", "state", "show"]).expect_code(2).stderr, @r"
error: 'state' is a command, and options were given before it
hint: write them after it: livecosmos state …
");
}

#[test]
fn a_site_that_no_table_may_have_is_refused() {
    let work = workdir();
    work.write("livecosmos.toml", format!("{CONFIG}sites = [\"ALIC1\"]\n"));
    let _ = work.livecosmos().table("X").arg("--dry-run").arg("--site").arg("ALIC1").run().expect_code(0);
    let run = work.livecosmos().table("X").arg("--dry-run").arg("--site").arg("BUNNY").run().expect_code(78);
    insta::assert_snapshot!(stderr_of(&work, &run), @r"
error: site BUNNY is not among the `sites` of these tables
hint: add it there, or leave --site out
");
}

#[test]
fn only_the_sites_asked_for_are_stored() {
    let work = workdir();
    let _ = work.livecosmos().table("X").arg("--once").arg("--site").arg("BUNNY").run().expect_code(0);
    let stored = |site: &str| work.path("out").join(site).exists();
    assert_eq!((stored("ALIC1"), stored("BUNNY")), (false, true));
    let _ = work.livecosmos().table("X").arg("--once").run().expect_code(0);
    assert_eq!((stored("ALIC1"), stored("BUNNY")), (true, true));
}

#[test]
fn a_fallback_on_the_command_line_wins_over_the_configured_one() {
    let work = workdir();
    let run = work.livecosmos().table("X").arg("--dry-run").arg("--fallback").arg("3h").run().expect_code(0);
    assert_eq!(run.stdout, "", "rows of 2025 are older than three hours");
    let since = work.livecosmos().table("X").arg("--dry-run").arg("--fallback").arg("2025-01-01T00:30:00Z");
    let run = since.run().expect_code(0);
    assert_eq!(run.stdout.lines().count(), 2, "{}", run.stdout);
}

#[test]
fn a_file_with_the_name_of_a_command_is_reached_by_its_folder() {
    let work = workdir();
    work.write("check", CONFIG);
    let line = Livecosmos::new(work.folder()).arg("./check").table("X").arg("--dry-run");
    let _ = line.arg("--state-dir").arg(work.state_dir()).run().expect_code(0);
}

#[test]
fn help_and_version_are_data_and_end_well() {
    let work = workdir();
    let run = |words: &[&str]| line(&work, words).run();
    for words in
        [&["--help"][..], &["-h"], &["state", "--help"], &["state", "show", "--help"], &["check", "-h"]]
    {
        let help = run(words).expect_code(0);
        assert!(help.stdout.contains("Usage: livecosmos") && help.stderr.is_empty(), "{words:?}");
        assert!(help.stdout.lines().all(|line| line.chars().count() <= 100), "{words:?}: {}", help.stdout);
    }
    let version = run(&["--version"]).expect_code(0).stdout;
    assert_eq!(version, format!("livecosmos {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_are_scripts_that_their_shell_understands() {
    let work = workdir();
    for shell in ["bash", "zsh", "fish"] {
        let line = Livecosmos::new(work.folder()).arg("completions").arg(shell);
        let script = line.run().expect_code(0).stdout;
        assert!(script.contains("state") && script.contains("dry-run"), "{shell}: {script}");
        work.write("completions.sh", &script);
    }
    let script = Livecosmos::new(work.folder()).arg("completions").arg("bash").run().expect_code(0).stdout;
    work.write("completions.sh", script);
    let parsed = Command::new("bash").arg("-n").arg(work.path("completions.sh")).status().unwrap();
    assert!(parsed.success());
}

#[test]
fn messages_are_as_loud_as_asked() {
    let said = |words: &[&str], variable: &str| {
        let work = workdir();
        let line = words.iter().fold(work.livecosmos().table("X").arg("--once"), Livecosmos::arg);
        let run = line.env("LIVECOSMOS_LOG", variable).run().expect_code(0);
        assert!(!run.stderr.contains('\x1b'), "colours in a file: {}", run.stderr);
        run.stderr
    };
    assert!(said(&[], "").contains(" INFO "));
    assert_eq!(said(&["-q"], ""), "");
    assert!(said(&["-vv"], "").contains(" TRACE "));
    assert_eq!(said(&["-vv"], "off"), "");
    let misread = said(&[], "livecosmos=loud");
    assert!(misread.contains("LIVECOSMOS_LOG") && misread.contains(" INFO "), "{misread}");
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let Some(analyze) = ["/usr/bin/systemd-analyze", "/bin/systemd-analyze"]
        .into_iter()
        .find(|path| Path::new(path).exists())
    else {
        panic!("systemd-analyze is missing; install the package systemd, as .ci/run does");
    };
    let work = workdir();
    let unit = include_str!("../systemd/livecosmos@.service");
    assert!(unit.contains("\nTimeoutStartSec=infinity\n"), "a sink that is away at boot must be waited for");
    assert!(unit.contains("ExecStart=/usr/bin/livecosmos /etc/livecosmos/config.toml %I"));
    work.write("livecosmos@.service", unit.replace("/usr/bin/livecosmos", env!("CARGO_BIN_EXE_livecosmos")));
    let verify = Command::new(analyze)
        .args(["verify", "--man=no"])
        .arg(work.path("livecosmos@X.service"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verify.stderr);
    assert!(verify.status.success() && said.trim().is_empty(), "{said}");
}

#[test]
fn the_journal_is_spoken_to_in_its_own_way_and_its_absence_is_no_loss() {
    let work = workdir();
    // Device and inode of another file: standard error is not the journal, and is written to.
    let run = work.livecosmos().table("X").arg("--once").env("JOURNAL_STREAM", "1:1").run().expect_code(0);
    assert!(run.stderr.contains("stored"), "{}", run.stderr);
    wait_until("the objects", Duration::from_secs(1), || work.path("out/ALIC1").exists().then_some(()));
}

#[test]
fn a_table_that_is_not_configured_is_named_also_beside_all() {
    let work = workdir();
    let refused = work.livecosmos().table("all").table("NOPE").arg("--once").run().expect_code(78);
    assert!(refused.stderr.contains("NOPE"), "{}", refused.stderr);
}

#[test]
fn a_site_that_is_nowhere_is_warned_of() {
    let work = workdir();
    let once = |site: &str| work.livecosmos().table("X").arg("--once").arg("--site").arg(site).run();
    let warned = once("NOPE").expect_code(0);
    assert!(warned.stderr.contains("no row of site NOPE was seen"), "{}", warned.stderr);
    for _ in 0..2 {
        let silent = once("ALIC1").expect_code(0);
        assert!(!silent.stderr.contains("was seen"), "{}", silent.stderr);
    }
}

#[test]
fn help_says_what_the_codes_mean_and_how_a_time_without_an_offset_is_taken() {
    let work = workdir();
    let help = |words: &[&str]| line(&work, &[words, &["--help"]].concat()).run().expect_code(0).stdout;
    let codes = help(&[]);
    assert!(codes.contains("   3 some sites failed or are not done"), "{codes}");
    assert!(!codes.contains("(--once)"), "{codes}");
    for command in [&["backfill"][..], &["reconcile"], &["state", "rewind"]] {
        let help = help(command).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains("is UTC, whatever the table's `timezone`"), "{command:?}: {help}");
    }
}

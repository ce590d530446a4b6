//! What is shown without changing anything: dry runs, states, checks.

use super::*;

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
X  key  {site}/{live_table}/{seq}{ext} (chain): every row once, also after a lost or an older state and with two daemons: the chain decides each key
X  state  [DIR]/state/X.state: none yet
");
    assert_eq!(run.stderr.lines().filter(|line| line.starts_with("error")).count(), 0, "{}", run.stderr);
    assert!(!work.state_dir().exists(), "check made a state");
}

#[test]
fn check_says_which_promise_a_key_keeps_and_which_token_decides_it() {
    let work = workdir();
    let key_of = |key: &str| {
        work.write("keys.toml", CONFIG.replace("[poll]", &format!("key = \"{key}\"\n[poll]")));
        let run = command(&work, &["check", "keys.toml", "--offline"]).run().expect_code(0);
        run.stdout.lines().find(|line| line.contains("  key  ")).map(str::to_owned).unwrap_or_default()
    };
    insta::assert_snapshot!(key_of("hive"), @"X      key     dataset={live_table}/site={site}/date={date}/{seq}{ext} (hive): every row once, also after a lost or an older state; {date} follows from the rows, so two daemons at work at the same time are not kept apart; dates and hours are UTC");
    insta::assert_snapshot!(key_of("iot-swarm"), @"X      key     {site}/LIVE_{live_table}/{to_ms}-{md5} (iot-swarm): every row once after crashes, at least once after a lost or an older state: keys have {to_ms} and no {seq}");
    insta::assert_snapshot!(key_of("a/{site}/{from}/{seq}"), @"X      key     a/{site}/{from}/{seq}: every row once, also after a lost or an older state and with two daemons: the chain decides each key");
}

#[test]
fn check_offline_touches_neither_source_nor_sink() {
    let work = workdir();
    let before = files(work.folder());
    let run =
        command(&work, &["check", "livecosmos.toml", "--offline", "--output", "json"]).run().expect_code(0);
    insta::assert_snapshot!(tidy(&work, &run.stdout), @r#"{"schema":1,"tables":[{"table":"X","findings":[{"part":"source","ok":true,"text":"csv [DIR]/X.csv; not looked at"},{"part":"sink","ok":true,"text":"file://[DIR]/out; not looked at"},{"part":"key","ok":true,"text":"{site}/{live_table}/{seq}{ext} (chain): every row once, also after a lost or an older state and with two daemons: the chain decides each key"},{"part":"state","ok":true,"text":"[DIR]/state/X.state: none yet"}]}]}"#);
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

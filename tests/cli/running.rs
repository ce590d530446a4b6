//! Runs, and the codes with which they end.

use super::*;

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
    insta::assert_snapshot!(stderr_of(&work, &predecessor), @r#"
error: [DIR]/livecosmos.toml: table COSMOS_STATUS_1HOUR has no sink.url
hint: set url under [sink], such as "file://./out" or "s3://bucket/prefix"
"#);
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

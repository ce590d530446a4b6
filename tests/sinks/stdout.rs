//! Rows to a pipe.

use std::process::Command;

use crate::support::daemon::{Workdir, workdir};

fn piping() -> Workdir {
    let workdir = workdir(
        "[source]\nkind = \"csv\"\npath = \"met.csv\"\n[sink]\nurl = \"-\"\n[upload]\nformat = \"ndjson\"\n\
         batch_rows_max = 10\n[poll]\nfallback = \"all\"\n[tables.MET]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\n",
    );
    workdir.write("met.csv", "SITE,TIME,V\n");
    workdir
}

fn add_rows(workdir: &Workdir, first: u32, count: u32) {
    let row = |at: u32| {
        format!("{},2026-01-01 00:{:02}:{:02},{at}\n", ["A", "B"][at as usize % 2], at / 60, at % 60)
    };
    workdir.append("met.csv", (first..first + count).map(row).collect::<String>());
}

#[test]
fn rows_leave_by_stdout_line_by_line_and_only_once() {
    let workdir = piping();
    add_rows(&workdir, 0, 50);
    let once = workdir.livecosmos().table("MET").arg("--once");
    let output = once.run().expect_code(0);
    let mut values: Vec<u64> = output
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("whole lines of JSON"))
        .map(|row| row["V"].as_u64().expect("a number"))
        .collect();
    values.sort_unstable();
    assert_eq!(values, (0..50).collect::<Vec<u64>>());
    add_rows(&workdir, 50, 1);
    assert_eq!(once.run().expect_code(0).stdout.lines().count(), 1);
    assert_eq!(once.run().expect_code(0).stdout, "");
}

#[test]
fn a_reader_that_goes_away_is_told_of_and_its_rows_come_again() {
    let workdir = piping();
    add_rows(&workdir, 0, 50);
    let program = env!("CARGO_BIN_EXE_livecosmos");
    let (config, state) = (workdir.config(), workdir.state_dir());
    let line = format!(
        "{{ {program} {} MET --once --state-dir {}; echo \"code $?\" >&2; }} | true",
        config.display(),
        state.display()
    );
    // The shell waits for `true` alone: stderr stays open until the binary has ended.
    let output =
        Command::new("bash").args(["-c", &line]).env("HOME", workdir.folder()).output().expect("bash runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("code 78") && said.contains("let whatever reads it live longer"), "{said}");
    let output = workdir.livecosmos().table("MET").arg("--once").run().expect_code(0);
    assert_eq!(output.stdout.lines().count(), 50, "{}", output.stdout);
}

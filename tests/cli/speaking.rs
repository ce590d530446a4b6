//! What is said of itself: help, completions, messages, the unit, the journal.

use super::*;

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
    let unit = include_str!("../../systemd/livecosmos@.service");
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

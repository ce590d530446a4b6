//! What is wrong around the daemon is named, and ends it with the code that tells what to mend.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::daemon::{Output, Workdir};
use crate::support::process::wait_until;
use crate::support::s3s;
use crate::{CONFIG, ROWS, stderr_of, tidy, workdir};

const SOON: Duration = Duration::from_secs(30);

/// Runs a command line in this folder as somebody whom rights apply to: not as root.
fn run_without_privilege(work: &Workdir, words: &[&str]) -> Output {
    let built = Path::new(env!("CARGO_BIN_EXE_livecosmos"));
    let mut command = if rustix::process::geteuid().is_root() {
        // The build folder may be out of that user's reach. Copied by a process of its own: a file that this one had
        // open for writing could not be run while a child that another test has just begun still holds it.
        let binary = work.path("livecosmos");
        let copied = Command::new("cp").arg(built).arg(&binary).status().expect("cp runs");
        assert!(copied.success(), "the binary is not copied");
        set_mode(work.folder(), 0o777);
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]).arg(binary);
        command
    } else {
        Command::new(built)
    };
    command.args(words).current_dir(work.folder()).env_clear().env("HOME", work.folder());
    let ended = command.output().expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Output { code: ended.status.code(), stdout: text(&ended.stdout), stderr: text(&ended.stderr) }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("our own file");
}

/// The lines that tell of trouble, without their times.
fn trouble(work: &Workdir, run: &Output) -> String {
    let told = tidy(work, &run.stderr);
    let lines = told.lines().filter_map(|line| Some(&line[line.find("ERROR").or(line.find("WARN"))?..]));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_one_that_was_meant() {
    let work = workdir();
    work.write("livecosmos.toml", CONFIG.replace("interval", "intervall"));
    let run = work.livecosmos().table("X").run().expect_code(78);
    insta::assert_snapshot!(stderr_of(&work, &run), @r"
error: [DIR]/livecosmos.toml:11:1: unknown key 'intervall'
hint: did you mean 'interval'?
");
}

#[test]
fn a_file_that_this_user_may_not_read_is_named() {
    let work = workdir();
    set_mode(&work.path("X.csv"), 0);
    let run = run_without_privilege(&work, &["livecosmos.toml", "X", "--once", "--state-dir", "state"]);
    insta::assert_snapshot!(trouble(&work, &run.expect_code(77)), @"ERROR [DIR]/X.csv cannot be read: Permission denied (os error 13); give this user the right to read it table=X");
    assert!(!work.path("out/ALIC1").exists());
}

#[test]
fn a_state_directory_that_this_user_may_not_write_is_named_and_nothing_is_stored() {
    let work = workdir();
    std::fs::create_dir(work.state_dir()).unwrap();
    set_mode(&work.state_dir(), 0o555);
    let run = run_without_privilege(&work, &["livecosmos.toml", "X", "--once", "--state-dir", "state"]);
    insta::assert_snapshot!(trouble(&work, &run.expect_code(74)), @"ERROR state path [DIR]/state/X.state.lock cannot be written (Permission denied (os error 13)); give the daemon's user access to it, or choose another --state-dir table=X");
    assert!(!work.path("out").exists(), "something was stored without a state");
}

#[test]
fn a_header_that_changes_between_polls_is_noticed_and_its_rows_are_read_by_it() {
    let work = workdir();
    let mut daemon = work.livecosmos().table("X").spawn();
    daemon.wait_for_stderr("stored", SOON);
    let changed = ROWS.replace(",TA", ",TA,RH").replace('\n', ",\n").replacen(",\n", "\n", 1);
    work.write("X.csv", format!("{changed}ALIC1,2025-01-01T01:00:00,5.5,81\n"));
    let stored = || {
        let second = work.path("out/ALIC1/X/00000000000000000001.ndjson");
        std::fs::read_to_string(second).ok().filter(|text| text.ends_with('\n'))
    };
    let stored = wait_until("the row under the new header", SOON, stored);
    assert_eq!(
        stored, "{\"SITE_ID\":\"ALIC1\",\"DATE_TIME\":\"2025-01-01T01:00:00Z\",\"TA\":5.5,\"RH\":81}\n",
        "rows stored before must not come again"
    );
    // Now without the column that the configuration names: said, and waited for.
    work.write("X.csv", ROWS.replace("SITE_ID", "STATION"));
    daemon.wait_for_stderr("has no column 'SITE_ID'", SOON);
    work.write("X.csv", format!("{ROWS}BUNNY,2025-01-01T02:00:00,7\n"));
    wait_until("the row after the file was mended", SOON, || {
        work.path("out/BUNNY/X/00000000000000000001.ndjson").exists().then_some(())
    });
    daemon.terminate();
    let _ = daemon.wait().expect_code(0);
}

#[test]
fn a_run_against_a_server_that_says_no_ends_with_what_must_be_mended() {
    let server = s3s::start();
    let s3 = |bucket: &str| {
        let url = format!("url = \"s3://{bucket}\"\n[sink.s3]\nendpoint = \"{}\"", server.endpoint());
        CONFIG.replace("url = \"file://./out\"", &url)
    };
    let work = workdir();
    let once = || work.livecosmos().table("X").arg("--once").credentials(&server);
    work.write("livecosmos.toml", s3("there-is-no-such-bucket"));
    let missing = once().run().expect_code(78);
    assert!(
        missing.stderr.contains("bucket 'there-is-no-such-bucket' does not exist; create it"),
        "{}",
        missing.stderr
    );
    work.write("livecosmos.toml", s3(server.bucket()));
    let refused = once().env("AWS_SECRET_ACCESS_KEY", "hunter2").run().expect_code(77);
    assert!(
        refused.stderr.contains("correct the secret key") && !refused.stderr.contains("hunter2"),
        "{}",
        refused.stderr
    );
    let _ = once().run().expect_code(0);
}

#[test]
fn one_broken_table_does_not_keep_systemd_from_hearing_that_the_others_are_ready() {
    let work = workdir();
    // `site_column` names what Y.csv does not have, and X waits for its first rows.
    let second = CONFIG.split_once("[tables.X]").expect("a table").1;
    work.write("livecosmos.toml", format!("{CONFIG}[tables.Y]{second}"));
    work.write("Y.csv", ROWS.replace("SITE_ID", "STATION"));
    let path = work.path("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(SOON)).expect("a deadline");
    let daemon = work.livecosmos().table("Y").table("X").env("NOTIFY_SOCKET", &path);
    let mut daemon = daemon.env("WATCHDOG_USEC", "900000").spawn();
    daemon.wait_for_stderr("has no column 'SITE_ID'", SOON);
    for expected in ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"] {
        let mut buffer = [0; 4096];
        loop {
            let length =
                socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{expected} was not heard: {error}"));
            if String::from_utf8_lossy(&buffer[..length]).contains(expected) {
                break;
            }
        }
    }
    daemon.terminate();
    let _ = daemon.wait().expect_code(78);
}

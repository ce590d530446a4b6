//! Two processes and one lock. The second process is this test binary again.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use livecosmos_state::*;
use support::sample::open;

const DIR_VARIABLE: &str = "STATE_TEST_DIR";

/// Starts a process that opens the state in `dir` and keeps it until killed.
fn holder(dir: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["hold_the_lock_until_killed", "--exact", "--ignored", "--nocapture"])
        .env(DIR_VARIABLE, dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.map_while(Result::ok).any(|line| line.contains("holding"));
    assert!(ready, "the other process could not take the lock");
    child
}

#[test]
#[ignore = "it is the other process of the tests here"]
fn hold_the_lock_until_killed() {
    let dir = std::env::var(DIR_VARIABLE).unwrap();
    let mut store = open(Path::new(&dir)).unwrap().store;
    store.commit(|state| state.source = "other".to_owned()).unwrap();
    println!("holding");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

#[test]
fn a_second_process_is_refused_and_told_who_holds_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = holder(dir.path());
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { pid: Some(pid), .. } if pid == child.id()), "{error:?}");
    let message = error.to_string().replace(dir.path().to_str().unwrap(), "DIR");
    assert_eq!(
        message,
        format!(
            "state lock DIR/LEVEL1_SOILMET_30MIN.state.lock is held by process {}; stop that livecosmos first",
            child.id()
        )
    );
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(open(dir.path()).unwrap().store.state().source, "other", "the lock outlived its process");
}

#[test]
fn two_tables_of_one_directory_have_two_locks() {
    let dir = tempfile::tempdir().unwrap();
    let _one = open(dir.path()).unwrap();
    let other = TableName::parse("OTHER").unwrap();
    Store::open(&Options::default(), dir.path(), &other).unwrap();
}

#[test]
fn one_process_cannot_open_a_table_twice() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()).unwrap_err(), OpenError::Locked { .. }));
    drop(first);
    // A process that another test just started has copies of all files that are open here until it runs its
    // own program, and with them the lock.
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = open(dir.path()) {
        assert!(matches!(error, OpenError::Locked { .. }) && Instant::now() < deadline, "{error}");
        std::thread::yield_now();
    }
}

//! The order of the calls that make a state durable, seen through strace: a disk that obeys an fsync is
//! assumed, and what file systems do beyond what they promise does not help here.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::Path;
use std::process::Command;

use support::sample::open;

const DIR_VARIABLE: &str = "STATE_TEST_DIR";

#[test]
#[ignore = "it is the other process of the tests here"]
fn open_and_commit() {
    let dir = std::env::var(DIR_VARIABLE).unwrap();
    let mut store = open(Path::new(&dir)).unwrap().store;
    store.commit(|state| state.source = "traced".to_owned()).unwrap();
}

/// What a process that opens the state in `dir` and commits once does to it: `fsync` or `rename`, and the
/// names of the files.
fn calls(dir: &Path) -> Vec<String> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut strace = Command::new("strace");
    strace.args(["--follow-forks", "--decode-fds=path", "--trace=fsync,/^rename", "--output"]);
    let test = std::env::current_exe().unwrap();
    strace.arg(log.path()).arg(test).args(["open_and_commit", "--exact", "--ignored"]);
    let output = strace.env(DIR_VARIABLE, dir).output();
    let output = output.expect("strace runs; install it, as by 'apt-get install strace'");
    assert!(output.status.success(), "{output:?}");
    let root = dir.to_str().unwrap();
    let log = std::fs::read_to_string(log.path()).unwrap();
    let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let sync = |line: &str| {
        let (_, file) = line.split_once("fsync(")?.1.split_once('<')?;
        let file = file.split_once('>')?.0.strip_prefix(root)?;
        Some(format!("fsync {}", base(file)).trim_end().to_owned())
    };
    let rename = |line: &str| {
        let names: Vec<_> = line.split('"').skip(1).step_by(2).map(base).collect();
        (line.contains("rename") && line.contains(root)).then(|| format!("rename {}", names.join(" ")))
    };
    log.lines().filter_map(|line| sync(line).or_else(|| rename(line))).collect()
}

const COMMIT: [&str; 6] = [
    "fsync LEVEL1_SOILMET_30MIN.state.tmp",
    "rename LEVEL1_SOILMET_30MIN.state.tmp LEVEL1_SOILMET_30MIN.state.backup",
    "fsync",
    "fsync LEVEL1_SOILMET_30MIN.state.tmp",
    "rename LEVEL1_SOILMET_30MIN.state.tmp LEVEL1_SOILMET_30MIN.state",
    "fsync",
];

#[test]
fn each_file_is_durable_before_it_has_its_name_and_the_backup_before_the_primary_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(calls(dir.path()), COMMIT);
}

#[test]
fn what_is_found_is_durable_before_it_is_acted_upon() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).unwrap().store.commit(|state| state.source = "first".to_owned()).unwrap();
    let found =
        ["fsync LEVEL1_SOILMET_30MIN.state", "fsync", "fsync LEVEL1_SOILMET_30MIN.state.backup", "fsync"];
    assert_eq!(calls(dir.path()), [&found[..], &COMMIT].concat());
}

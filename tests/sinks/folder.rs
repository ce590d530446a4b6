//! What is particular to folders: what a crash leaves behind, faults of the disk, and the words for them.
#![expect(clippy::case_sensitive_file_extension_comparisons, reason = "the files' names are the sink's own")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use livecosmos::sink::local::LocalSink;
use livecosmos::sink::{PutOutcome, Sink, SinkError};

use crate::objects::{facts, key, kind, object};

/// Set for a child process: the folder it shall store one object in.
const FOLDER: &str = "LIVECOSMOS_TEST_FOLDER";
/// The test that plays that child as well.
const CHILD: &str = "folder::a_put_killed_before_any_of_its_steps_is_whole_or_absent";
const BYTES: &str = "stored by a child\n";

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime")
        .block_on(work)
}

/// This test binary as a process that probes `folder` and stores one object, under `strace`.
fn child(folder: &Path, strace: &[&str]) -> Command {
    let mut command = Command::new("strace");
    command.args(["--follow-forks", "--quiet=all"]).args(strace).arg("--");
    command.arg(std::env::current_exe().expect("this binary")).args(["--exact", CHILD, "--nocapture"]);
    command.env(FOLDER, folder);
    command
}

fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("strace runs; install it, as by 'apt-get install strace'");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[expect(clippy::print_stdout, reason = "the parent process reads it")]
fn store_as_child(folder: &Path) {
    let sink = LocalSink::new(folder.to_owned());
    let outcome = block_on(async {
        sink.probe().await?;
        sink.put(&key(0), &object(0, BYTES)).await
    });
    match outcome {
        Ok(outcome) => println!("outcome: {outcome:?}"),
        Err(error) => println!("outcome: {}: {error}", kind(&error)),
    }
}

/// Injected: SIGKILL on entering the n-th call of each kind that changes a file system, for all n.
/// Asserted: the object is whole with its facts, or is not there; another put and probe leave one
/// object, one claim, and no temporary file.
#[test]
fn a_put_killed_before_any_of_its_steps_is_whole_or_absent() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        store_as_child(Path::new(&folder));
        return;
    }
    let mut kills = 0;
    for call in ["mkdir", "write", "fsync", "linkat", "unlink"] {
        for nth in 1.. {
            let root = tempfile::tempdir().expect("a temporary folder");
            let folder = root.path().join("objects");
            let inject = format!("inject={call}:signal=KILL:when={nth}");
            if run(&mut child(&folder, &["--output=/dev/null", "-e", &inject])).0 {
                break;
            }
            kills += 1;
            // The same bytes again, as after a restart, and others, as of another writer.
            for bytes in [BYTES, "other bytes"] {
                let copy = root.path().join(bytes.trim_end());
                copy_folder(&folder, &copy);
                check_after_a_crash(&copy, bytes, &format!("{call} {nth}"));
            }
        }
    }
    assert!(kills > 25, "only {kills} steps were seen");
}

fn check_after_a_crash(folder: &Path, bytes: &str, step: &str) {
    let sink = LocalSink::new(folder.to_owned());
    let found = block_on(sink.head(&key(0))).unwrap_or_else(|error| panic!("killed before {step}: {error}"));
    let object_file = folder.join(key(0));
    assert_eq!(found, object_file.exists().then(|| facts(0)), "killed before {step}");
    if found.is_some() {
        assert_eq!(fs::read_to_string(&object_file).expect("the object"), BYTES, "killed before {step}");
    }
    block_on(sink.probe()).unwrap_or_else(|error| panic!("killed before {step}: {error}"));
    let outcome = block_on(sink.put(&key(0), &object(1, bytes.to_owned()))).expect("stored");
    let (expected, seq) = if found.is_some() { (PutOutcome::Exists, 0) } else { (PutOutcome::Stored, 1) };
    assert_eq!(outcome, expected, "killed before {step}");
    assert_eq!(block_on(sink.head(&key(0))).expect("looked at"), Some(facts(seq)), "killed before {step}");
    assert_tidy(folder, step);
}

/// One claim for each object, and no temporary file.
fn assert_tidy(folder: &Path, step: &str) {
    let files = files_in(folder);
    let own = |file: &&String| file.starts_with(".livecosmos/");
    let claims: Vec<_> = files.iter().filter(own).filter(|file| file.ends_with(".json")).collect();
    let objects: Vec<_> = files.iter().filter(|file| !own(file)).collect();
    assert_eq!(claims.len(), objects.len(), "killed before {step}: {files:?}");
    for file in files.iter().filter(|file| file.starts_with(".livecosmos/writing/")) {
        assert!(file.ends_with(".lock"), "killed before {step}: {file} is left");
    }
}

/// Seen through strace: the order of the calls. Not shown: that the disk obeys an fsync.
#[test]
fn a_claim_is_durable_before_its_object_and_both_before_the_answer() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = root.path().join("objects");
    let log = root.path().join("calls");
    let output = format!("--output={}", log.display());
    // The first run makes the folders, so that the second shows a put alone; a third finds the key taken.
    assert!(run(&mut child(&folder, &[&output, "--decode-fds=path", "-e", "trace=/^mkdir,fsync,linkat"])).0);
    let first = calls(&log, &folder);
    let made: Vec<_> = first.iter().filter_map(|call| call.strip_prefix("mkdir /")).collect();
    assert!(made.contains(&"ALIC1/SOILMET$#1") && made.contains(&".livecosmos/ALIC1/SOILMET$#1"), "{made:?}");
    for path in made {
        let parent = path.rsplit_once('/').map_or(String::new(), |(parent, _)| format!("/{parent}"));
        let after = first.iter().skip_while(|call| **call != format!("mkdir /{path}")).nth(1);
        assert_eq!(after, Some(&format!("fsync {parent}")), "{path} must be durable at once");
    }
    let links: Vec<_> = first.iter().filter(|call| call.starts_with("link ")).collect();
    let (claim, object) = (links[links.len() - 2], links[links.len() - 1]);
    assert!(claim.ends_with(".json") && claim.contains(".claim /.livecosmos/ALIC1/"), "{links:?}");
    assert!(object.contains(".object /ALIC1/"), "{links:?}");
    let steps: Vec<_> = first.iter().skip_while(|call| !call.ends_with(".claim")).collect();
    let place = |what: &dyn Fn(&str) -> bool| {
        steps.iter().position(|call| what(call)).unwrap_or_else(|| panic!("a step is missing in {steps:?}"))
    };
    let order = [
        place(&|call| call.starts_with("fsync ") && call.ends_with(".claim")),
        place(&|call| call == claim),
        place(&|call| call == "fsync /.livecosmos/ALIC1/SOILMET$#1"),
        place(&|call| call.starts_with("fsync ") && call.ends_with(".object")),
        place(&|call| call == object),
        place(&|call| call == "fsync /ALIC1/SOILMET$#1"),
    ];
    assert!(order.is_sorted(), "{steps:?}");
    fs::remove_file(&log).expect("the log");
    assert!(run(&mut child(&folder, &[&output, "--decode-fds=path", "-e", "trace=/^mkdir,fsync,linkat"])).0);
    let taken = calls(&log, &folder);
    assert_eq!(
        taken.last().map(String::as_str),
        Some("fsync /ALIC1/SOILMET$#1"),
        "a taken key is made durable"
    );
}

/// The calls in a strace log as `name path…`, paths below `folder` only.
fn calls(log: &Path, folder: &Path) -> Vec<String> {
    let root = folder.to_str().expect("a plain path");
    let text = fs::read_to_string(log).expect("a log of strace");
    let calls = text.lines().filter(|line| !line.contains("EEXIST")).filter_map(|line| {
        let (name, arguments) = line.split_once(' ')?.1.trim_start().split_once('(')?;
        let paths = arguments.split(['"', '<', '>', ',']).filter_map(|part| part.strip_prefix(root));
        let paths: Vec<_> = paths.map(|path| format!(" {path}")).collect();
        // Which of two calls a library makes does not matter: mkdir, or mkdirat of where it stands.
        let name = name.strip_suffix("at").unwrap_or(name);
        (!paths.is_empty()).then(|| format!("{name}{}", paths.concat()))
    });
    calls.collect()
}

/// Injected: one error of the disk. Asserted: what follows from it, the words, and nothing left behind.
#[test]
fn errors_of_the_disk_say_what_to_do() {
    let cases = [
        ("fsync:error=ENOSPC:when=12+", "retry", "make room"),
        ("fsync:error=EDQUOT:when=12+", "retry", "make room"),
        ("fsync:error=EIO:when=12+", "fatal", "the disk fails"),
        ("linkat:error=EPERM", "fatal", "hard links and file locks"),
        ("flock:error=EOPNOTSUPP", "fatal", "hard links and file locks"),
        ("/^mkdir:error=EACCES", "denied", "let the user that runs livecosmos write"),
        ("/^mkdir:error=EROFS", "fatal", "mount it writable"),
        ("linkat:error=ENAMETOOLONG:when=3+", "refused", "shorten the key template"),
    ];
    for (fault, expected, remedy) in cases {
        let root = tempfile::tempdir().expect("a temporary folder");
        let folder = root.path().join("objects");
        let (_, said) = run(&mut child(&folder, &["--output=/dev/null", "-e", &format!("inject={fault}")]));
        assert!(said.contains(&format!("outcome: {expected}: cannot ")), "{fault}: {said}");
        assert!(
            said.contains(remedy) && said.contains(folder.to_str().expect("a plain path")),
            "{fault}: {said}"
        );
        assert!(!folder.join(key(0)).exists() || fault.starts_with("fsync"), "{fault}");
    }
}

#[test]
fn a_full_disk_is_not_filled_with_half_written_files() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = root.path().join("objects");
    block_on(LocalSink::new(folder.clone()).probe()).expect("probed");
    // In a folder that is there, the first fsyncs of a process: 2 of the folders, 1 of the probe's file, 2 of its name.
    let (_, said) =
        run(&mut child(&folder, &["--output=/dev/null", "-e", "inject=fsync:error=ENOSPC:when=7+"]));
    assert!(said.contains("outcome: retry"), "{said}");
    assert_tidy(&folder, "an fsync on the full disk");
}

#[tokio::test]
async fn without_a_claim_there_is_no_object() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let sink = LocalSink::new(root.path().to_owned());
    sink.probe().await.expect("probed");
    File::create(root.path().join(".livecosmos/ALIC1")).expect("a file where a folder should be");
    let error = sink.put(&key(0), &object(0, "x")).await.expect_err("the claim has no place");
    assert_eq!(kind(&error), "fatal", "{error}");
    assert!(!root.path().join(key(0)).exists());
}

#[tokio::test]
async fn leftovers_of_a_slot_at_work_are_left_alone() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let sink = LocalSink::new(root.path().to_owned());
    sink.probe().await.expect("probed");
    let writing = root.path().join(".livecosmos/writing");
    for file in ["aa.object", "aa.claim", "bb.object", "bb.claim"] {
        File::create(writing.join(file)).expect("a leftover");
    }
    let at_work = File::create(writing.join("aa.lock")).expect("a lock file");
    at_work.lock().expect("a lock");
    sink.probe().await.expect("probed");
    assert!(writing.join("aa.object").exists() && writing.join("aa.claim").exists());
    assert!(!writing.join("bb.object").exists() && !writing.join("bb.claim").exists());
    drop(at_work);
    sink.probe().await.expect("probed");
    assert!(!writing.join("aa.object").exists() && !writing.join("aa.claim").exists());
}

#[tokio::test]
async fn an_object_that_was_changed_has_no_facts() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let sink = LocalSink::new(root.path().to_owned());
    sink.probe().await.expect("probed");
    sink.put("A/1", &object(0, "x")).await.expect("stored");
    #[expect(clippy::disallowed_methods, reason = "it plays a hand that changes the object")]
    fs::write(root.path().join("A/1"), "y").expect("changed");
    let error = sink.head("A/1").await.expect_err("it is not what was stored");
    let shown = root.path().to_str().expect("a plain path");
    assert_eq!(kind(&error), "refused");
    assert_eq!(
        error.to_string().replace(shown, "/ROOT"),
        "object /ROOT/A/1 has no claim /ROOT/.livecosmos/A/1.a1fce4363854ff88.json: it was changed, copied \
         without .livecosmos, or not stored by livecosmos; restore both or move the object away"
    );
}

/// As after a power cut that kept the claim and lost its object.
#[tokio::test]
async fn a_claim_without_its_object_makes_way_for_the_next() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let sink = LocalSink::new(root.path().to_owned());
    sink.probe().await.expect("probed");
    sink.put("A/1", &object(0, "x")).await.expect("stored");
    fs::remove_file(root.path().join("A/1")).expect("the object");
    assert_eq!(sink.head("A/1").await.expect("looked at"), None);
    assert_eq!(sink.put("A/1", &object(5, "x")).await.expect("stored"), PutOutcome::Stored);
    assert_eq!(sink.head("A/1").await.expect("looked at"), Some(facts(5)));
}

#[tokio::test]
async fn a_copy_of_the_folder_is_as_good_as_the_folder() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let (folder, copy) = (root.path().join("objects"), root.path().join("copy"));
    let sink = LocalSink::new(folder.clone());
    sink.probe().await.expect("probed");
    sink.put(&key(0), &object(0, "x")).await.expect("stored");
    copy_folder(&folder, &copy);
    let sink = LocalSink::new(copy);
    assert_eq!(sink.head(&key(0)).await.expect("looked at"), Some(facts(0)));
    assert_eq!(sink.put(&key(0), &object(1, "y")).await.expect("answered"), PutOutcome::Exists);
}

#[tokio::test]
async fn a_folder_is_created_but_not_its_parent() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = root.path().join("mount/objects");
    let sink = LocalSink::new(folder.clone());
    assert_eq!(sink.list("", "", 9).await.expect("listed"), Vec::<String>::new());
    assert_eq!(sink.head("A/1").await.expect("looked at"), None);
    assert!(!root.path().join("mount").exists(), "looking creates nothing");
    let error = sink.probe().await.expect_err("the parent is missing");
    assert_eq!(kind(&error), "fatal");
    let shown = root.path().to_str().expect("a plain path");
    assert_eq!(
        error.to_string().replace(shown, "/ROOT"),
        "folder /ROOT/mount/objects cannot be created, because /ROOT/mount does not exist; create that or \
         correct the sink's url"
    );
    fs::create_dir(root.path().join("mount")).expect("the parent");
    sink.probe().await.expect("probed");
    assert!(folder.is_dir());
}

#[tokio::test]
async fn nothing_is_stored_in_the_empty_mount_point_of_an_unmounted_disk() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let (folder, away) = (root.path().join("objects"), root.path().join("away"));
    let sink = LocalSink::new(folder.clone());
    sink.probe().await.expect("probed");
    sink.put("A/1", &object(0, "x")).await.expect("stored");
    #[expect(clippy::disallowed_methods, reason = "it plays the unmounting of a disk")]
    fs::rename(&folder, &away).expect("unmounted");
    fs::create_dir(&folder).expect("the mount point");
    let error = sink.put("A/2", &object(0, "x")).await.expect_err("the disk is away");
    assert!(
        matches!(&error, SinkError::Away(message) if message.contains("mount its disk again")),
        "{error}"
    );
    assert_eq!(files_in(&folder), BTreeSet::new());
}

#[tokio::test]
async fn a_folder_moved_to_another_disk_by_a_link_is_listed() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let (folder, other) = (root.path().join("objects"), root.path().join("other"));
    fs::create_dir(&other).expect("another disk");
    let sink = LocalSink::new(folder.clone());
    sink.probe().await.expect("probed");
    std::os::unix::fs::symlink(&other, folder.join("A")).expect("a link");
    sink.put("A/1", &object(0, "x")).await.expect("stored");
    assert_eq!(sink.list("A/", "", 9).await.expect("listed"), ["A/1"]);
    assert!(other.join("1").exists());
}

fn files_in(folder: &Path) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let path = path.strip_prefix(folder).expect("a path below").to_str().expect("a plain path");
                files.insert(path.to_owned());
            }
        }
    }
    files
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a new folder");
    if !from.exists() {
        return;
    }
    for file in files_in(from) {
        let target = to.join(&file);
        fs::create_dir_all(target.parent().expect("a parent")).expect("a folder");
        fs::copy(from.join(&file), target).expect("a copy");
    }
}

//! Which state an opening takes, what it mends, and what it says when it takes none.

#![expect(clippy::disallowed_methods, reason = "what a test puts on disk need not outlive it")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use livecosmos_state::*;
use support::frames::{Header, frame};
use support::sample::{self, file, open};

/// A directory with the files of a store that committed twice: the backup, then both.
struct Saved {
    dir: tempfile::TempDir,
    first: Vec<u8>,
    second: Vec<u8>,
}

fn saved() -> Saved {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).unwrap().store;
    store.commit(|state| state.source.push_str("first")).unwrap();
    let first = fs::read(file(dir.path(), ".state")).unwrap();
    store.commit(|state| "second".clone_into(&mut state.source)).unwrap();
    let second = fs::read(file(dir.path(), ".state")).unwrap();
    assert_eq!(second, fs::read(file(dir.path(), ".state.backup")).unwrap());
    Saved { dir, first, second }
}

impl Saved {
    /// Puts these bytes where the state file and its backup were; nothing means no file.
    fn with(self, primary: Option<&[u8]>, backup: Option<&[u8]>) -> Self {
        for (suffix, bytes) in [(".state", primary), (".state.backup", backup)] {
            let path = file(self.dir.path(), suffix);
            fs::remove_file(&path).unwrap();
            if let Some(bytes) = bytes {
                fs::write(path, bytes).unwrap();
            }
        }
        self
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn assert_both_hold(&self, bytes: &[u8]) {
        assert_eq!(fs::read(file(self.path(), ".state")).unwrap(), bytes);
        assert_eq!(fs::read(file(self.path(), ".state.backup")).unwrap(), bytes);
    }

    /// Why nothing was opened, with the directory's name taken out; nothing was changed by it.
    fn refusal(&self) -> (OpenError, String) {
        let read = |suffix| fs::read(file(self.path(), suffix)).ok();
        let before = (read(".state"), read(".state.backup"));
        let error = open(self.path()).unwrap_err();
        assert_eq!(before, (read(".state"), read(".state.backup")));
        let inspected = inspect(self.path(), &sample::table()).load.unwrap_err();
        assert_eq!(inspected.to_string(), error.to_string());
        let message = error.to_string().replace(self.path().to_str().unwrap(), "DIR");
        (error, message)
    }
}

#[test]
fn a_table_without_files_is_new_and_writes_nothing_before_its_first_commit() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path()).unwrap();
    assert_eq!(opened.origin, Origin::New);
    assert_eq!(opened.store.generation(), 0);
    assert_eq!(*opened.store.state(), State::new(sample::table(), ""));
    assert!(!file(dir.path(), ".state").exists() && !file(dir.path(), ".state.backup").exists());
    assert!(tables(dir.path()).unwrap().is_empty());
}

#[test]
fn a_commit_is_there_after_reopening_with_its_generation_and_instance() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = sample::state_of(50);
    let mut store = open(dir.path()).unwrap().store;
    assert_eq!(store.commit(|state| state.clone_from(&wanted)).unwrap(), 1);
    let instance = store.instance();
    assert_eq!((instance[6] >> 4, instance[8] >> 6), (4, 2), "not a random UUID");
    drop(store);
    let opened = open(dir.path()).unwrap();
    assert_eq!(opened.origin, Origin::Primary);
    assert_eq!((opened.store.generation(), opened.store.instance()), (1, instance));
    assert_eq!(*opened.store.state(), wanted);
    assert_eq!(tables(dir.path()).unwrap(), [sample::table()]);
}

#[test]
fn two_new_states_are_two_instances() {
    let (one, two) = (saved(), saved());
    let instance = |saved: &Saved| open(saved.path()).unwrap().store.instance();
    assert_ne!(instance(&one), instance(&two));
}

#[test]
fn a_torn_primary_is_rescued_from_the_backup_and_written_anew() {
    let saved = saved();
    let (torn, whole) = (saved.second[..80].to_vec(), saved.second.clone());
    let saved = saved.with(Some(&torn), Some(&whole));
    let opened = open(saved.path()).unwrap();
    assert!(matches!(opened.origin, Origin::Backup { why: Damage::Corrupt(_) }));
    assert_eq!(opened.store.state().source, "second");
    saved.assert_both_hold(&whole);
}

#[test]
fn a_missing_primary_is_rescued_from_the_backup_and_written_anew() {
    let saved = saved();
    let whole = saved.second.clone();
    let saved = saved.with(None, Some(&whole));
    assert_eq!(open(saved.path()).unwrap().origin, Origin::Backup { why: Damage::Missing });
    saved.assert_both_hold(&whole);
}

#[test]
fn a_primary_older_than_the_backup_gives_way_to_it() {
    let saved = saved();
    let (first, second) = (saved.first.clone(), saved.second.clone());
    let saved = saved.with(Some(&first), Some(&second));
    let opened = open(saved.path()).unwrap();
    assert_eq!(opened.origin, Origin::Backup { why: Damage::Older { generation: 1, than: 2 } });
    assert_eq!(opened.store.state().source, "second");
    saved.assert_both_hold(&second);
}

#[test]
fn a_bad_missing_or_older_backup_is_written_anew() {
    let base = saved();
    let (first, second) = (base.first.clone(), base.second.clone());
    let cases = [
        (None, Damage::Missing),
        (Some(Vec::new()), Damage::Corrupt("it is empty".to_owned())),
        (Some(first), Damage::Older { generation: 1, than: 2 }),
    ];
    for (backup, why) in cases {
        let saved = saved().with(Some(&second), backup.as_deref());
        let opened = open(saved.path()).unwrap();
        assert_eq!(opened.origin, Origin::BackupRewritten { why });
        assert_eq!(opened.store.state().source, "second");
        saved.assert_both_hold(&second);
    }
}

#[test]
fn of_two_states_with_one_generation_the_primary_wins() {
    let (ours, theirs) = (saved(), saved());
    let (primary, backup) = (ours.second.clone(), theirs.second.clone());
    let saved = ours.with(Some(&primary), Some(&backup));
    assert_eq!(open(saved.path()).unwrap().origin, Origin::BackupRewritten { why: Damage::Differs });
    saved.assert_both_hold(&primary);
}

#[test]
fn two_bad_files_are_corrupt_and_never_a_first_run() {
    let saved = saved();
    let torn = saved.second[..100].to_vec();
    let (error, message) = saved.with(Some(&torn), Some(b"")).refusal();
    assert!(matches!(error, OpenError::Corrupt { .. }));
    let payload = torn.len() - 72;
    assert!(
        message.starts_with(&format!(
            "state file DIR/LEVEL1_SOILMET_30MIN.state is unusable (its payload is {payload} bytes long, not "
        )),
        "{message}"
    );
    assert!(
        message.ends_with(
            " and so is its backup DIR/LEVEL1_SOILMET_30MIN.state.backup (it is empty); restore one of them from a \
             copy, or make a new state from the sink with 'livecosmos state rebuild'"
        ),
        "{message}"
    );
}

#[test]
fn a_bad_file_beside_a_missing_one_is_corrupt() {
    for (primary, backup) in [(Some(b"".as_slice()), None), (None, Some(b"".as_slice()))] {
        let (error, message) = saved().with(primary, backup).refusal();
        assert!(matches!(error, OpenError::Corrupt { .. }));
        assert!(message.contains("(it is empty)") && message.contains("(it is missing)"), "{message}");
    }
}

#[test]
fn a_newer_format_in_either_file_stops_and_never_falls_back() {
    let saved_once = saved();
    let whole = saved_once.second.clone();
    let newer = frame(&Header { major: 4, extra: vec![1; 12], ..Header::default() }, b"anything");
    for (primary, backup, suffix) in
        [(&newer, &whole, ""), (&whole, &newer, ".backup"), (&newer, &Vec::new(), "")]
    {
        let (error, message) = saved().with(Some(primary), Some(backup)).refusal();
        assert!(matches!(error, OpenError::Newer { major: 4, .. }));
        assert_eq!(
            message,
            format!(
                "state file DIR/LEVEL1_SOILMET_30MIN.state{suffix} has format 4, and this release reads formats up \
                 to 3; start the release that wrote it, or a newer one"
            )
        );
    }
}

#[test]
fn an_unknown_codec_or_flag_is_a_newer_format_too() {
    for header in [Header { codec: 2, ..Header::default() }, Header { flags: 1, ..Header::default() }] {
        let (error, _) = saved().with(Some(&frame(&header, b"")), None).refusal();
        assert!(matches!(error, OpenError::Newer { major: 3, .. }));
    }
}

#[test]
fn a_higher_minor_version_is_read() {
    let saved = saved();
    let payload = saved.second[72..].to_vec();
    let minor = frame(&Header { minor: 3, ..Header::default() }, &payload);
    let saved = saved.with(Some(&minor), Some(&minor));
    let opened = open(saved.path()).unwrap();
    assert_eq!((opened.origin, opened.store.generation()), (Origin::Primary, 7));
}

#[test]
fn the_state_of_another_table_is_refused() {
    let saved = saved();
    let other = TableName::parse("OTHER").unwrap();
    fs::copy(file(saved.path(), ".state"), saved.path().join("OTHER.state")).unwrap();
    let error = Store::open(&Options::default(), saved.path(), &other).unwrap_err();
    assert_eq!(
        error.to_string().replace(saved.path().to_str().unwrap(), "DIR"),
        "state file DIR/OTHER.state is not the state of table OTHER but of LEVEL1_SOILMET_30MIN; move it away or \
         put the right one there"
    );
}

#[test]
fn a_symbolic_link_in_the_place_of_a_file_is_refused() {
    for suffix in [".state", ".state.backup"] {
        let saved = saved();
        let path = file(saved.path(), suffix);
        fs::copy(&path, saved.path().join("elsewhere")).unwrap();
        fs::remove_file(&path).unwrap();
        symlink("elsewhere", &path).unwrap();
        let error = open(saved.path()).unwrap_err();
        assert!(matches!(error, OpenError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("put the file itself there"), "{error}");
    }
}

#[test]
fn a_symbolic_link_in_the_place_of_the_lock_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    symlink("/dev/null", file(dir.path(), ".state.lock")).unwrap();
    assert!(matches!(open(dir.path()).unwrap_err(), OpenError::Refused { .. }));
}

#[test]
fn a_pipe_or_directory_in_the_place_of_a_file_is_refused_without_waiting() {
    let saved = saved();
    fs::remove_file(file(saved.path(), ".state")).unwrap();
    fs::create_dir(file(saved.path(), ".state")).unwrap();
    assert!(matches!(open(saved.path()).unwrap_err(), OpenError::Refused { .. }));
    fs::remove_dir(file(saved.path(), ".state")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(file(saved.path(), ".state")).status().unwrap();
    assert!(made.success());
    assert!(matches!(open(saved.path()).unwrap_err(), OpenError::Refused { .. }));
}

#[test]
fn a_leftover_of_a_crash_is_removed_at_opening() {
    let saved = saved();
    let leftover = file(saved.path(), ".state.tmp");
    fs::write(&leftover, b"half").unwrap();
    drop(open(saved.path()).unwrap());
    assert!(!leftover.exists());
}

#[test]
fn a_directory_and_its_files_are_for_their_owner_only() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("a/b");
    open(&dir).unwrap().store.commit(|_| ()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&above.path().join("a")), mode(&dir)), (0o700, 0o700));
    for suffix in [".state", ".state.backup", ".state.lock"] {
        assert_eq!(mode(&file(&dir, suffix)), 0o600, "{suffix}");
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 3, "something else was left");
}

#[test]
fn a_file_in_the_place_of_the_directory_is_named() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("file");
    fs::write(&dir, b"").unwrap();
    let message = open(&dir).unwrap_err().to_string();
    assert!(message.ends_with("; choose a --state-dir that is a directory"), "{message}");
}

#[test]
fn a_directory_that_forgets_at_reboot_is_told() {
    if !Path::new("/dev/shm").is_dir() {
        return;
    }
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    assert!(open(dir.path()).unwrap().volatile);
}

#[test]
fn looking_at_a_state_changes_nothing_and_works_beside_a_daemon() {
    let saved = saved();
    let (torn, whole) = (saved.second[..80].to_vec(), saved.second.clone());
    let daemon = open(saved.path()).unwrap();
    let saved = saved.with(Some(&torn), Some(&whole));
    let inspection = inspect(saved.path(), &sample::table());
    assert!(matches!(inspection.primary, Found::Corrupt { .. }));
    assert!(matches!(inspection.load, Ok(Origin::Backup { .. })));
    assert_eq!(inspection.whole().unwrap().state.source, "second");
    assert_eq!(fs::read(file(saved.path(), ".state")).unwrap(), torn);
    drop(daemon);
    let missing = inspect(&saved.path().join("none"), &sample::table());
    assert!(matches!(missing.load, Ok(Origin::New)) && missing.whole().is_none());
    assert!(!saved.path().join("none").exists());
}

#[test]
fn the_tables_of_a_directory_are_those_with_a_state_or_a_backup() {
    let dir = tempfile::tempdir().unwrap();
    for name in
        ["B.state", "A.T.state.backup", "C.state.lock", "D.state.tmp", "1.state", "E.txt", "B.state.backup"]
    {
        fs::write(dir.path().join(name), b"").unwrap();
    }
    let names: Vec<String> = tables(dir.path()).unwrap().into_iter().map(String::from).collect();
    assert_eq!(names, ["A.T", "B"]);
}

//! What disks do wrong, and what follows from it.

#![expect(clippy::disallowed_methods, reason = "what a test puts on disk need not outlive it")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use livecosmos_state::*;
use support::faulty::{EACCES, EDQUOT, EIO, ENOSPC, EROFS, FaultyDisk, Op};
use support::sample::{self, file, files_of, open, open_on};

const PATIENCE: Duration = Duration::from_secs(30);

/// A store with one commit, on a disk that can be made to fail.
fn committed() -> (tempfile::TempDir, FaultyDisk, Store) {
    let (dir, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::default());
    let mut store = open_on(Arc::new(disk.clone()), dir.path()).unwrap().store;
    store.commit(|state| state.source.push('1')).unwrap();
    (dir, disk, store)
}

fn source_after_reopening(dir: &tempfile::TempDir) -> String {
    open(dir.path()).unwrap().store.state().source.clone()
}

fn message(error: &impl ToString, dir: &tempfile::TempDir) -> String {
    error.to_string().replace(dir.path().to_str().unwrap(), "DIR")
}

#[test]
fn a_full_disk_leaves_the_files_whole_and_the_edits_for_the_next_commit() {
    for errno in [ENOSPC, EDQUOT] {
        for op in [Op::Create, Op::Write, Op::SyncFile, Op::Replace] {
            let (dir, disk, mut store) = committed();
            let before = fs::read(file(dir.path(), ".state")).unwrap();
            disk.fail(op, errno, 1);
            let error = store.commit(|state| state.source.push('2')).unwrap_err();
            assert!(matches!(error, CommitError::Full { .. }), "{op:?}: {error}");
            assert_eq!(fs::read(file(dir.path(), ".state")).unwrap(), before);
            assert_eq!(fs::read(file(dir.path(), ".state.backup")).unwrap(), before);
            assert!(!file(dir.path(), ".state.tmp").exists(), "{op:?}: a half file keeps the room");
            assert_eq!(store.generation(), 1);
            // 2 was tried: no two contents share a number.
            assert_eq!(store.commit(|state| state.source.push('3')).unwrap(), 3);
            drop(store);
            assert_eq!(source_after_reopening(&dir), "123");
        }
    }
}

#[test]
fn an_edit_cannot_make_it_the_state_of_another_table() {
    let (dir, _disk, mut store) = committed();
    store.commit(|state| state.table = TableName::parse("OTHER").unwrap()).unwrap();
    assert_eq!(store.state().table, sample::table());
    drop(store);
    open(dir.path()).expect("it is still the state of its table");
}

#[test]
fn a_record_longer_than_the_format_allows_is_refused_before_it_is_written() {
    let (dir, _disk, mut store) = committed();
    let error = store.commit(|state| state.source = "x".repeat(PAYLOAD_BYTES_MAX)).unwrap_err();
    assert!(matches!(error, CommitError::TooLarge { .. }), "{error}");
    assert!(message(&error, &dir).ends_with(
        "more than the 134217728 its format allows; follow fewer sites per table, or look back less far"
    ));
    drop(store);
    assert_eq!(source_after_reopening(&dir), "1");
}

#[test]
fn the_message_of_a_full_disk_names_the_file_and_the_remedy() {
    let (dir, disk, mut store) = committed();
    disk.fail(Op::Write, ENOSPC, 1);
    let error = store.commit(|_| ()).unwrap_err();
    assert_eq!(
        message(&error, &dir),
        "state file DIR/LEVEL1_SOILMET_30MIN.state.backup cannot be written (No space left on device (os error \
         28)); free some room on its file system"
    );
}

#[test]
fn a_sync_that_fails_is_tried_with_a_new_file_three_times_and_then_never_again() {
    let (dir, disk, mut store) = committed();
    let (created, synced) = (disk.calls(Op::Create), disk.calls(Op::SyncFile));
    disk.fail_always(Some((Op::SyncFile, EIO)));
    let error = store.commit(|state| state.source.push('2')).unwrap_err();
    assert!(matches!(error, CommitError::Unwritable { attempts: 3, .. }), "{error}");
    assert_eq!(disk.calls(Op::Create) - created, 3, "a file was synced twice");
    assert_eq!(disk.calls(Op::SyncFile) - synced, 3);
    disk.fail_always(None);
    let again = store.commit(|state| state.source.push('3')).unwrap_err();
    assert_eq!(again.to_string(), error.to_string());
    assert_eq!(disk.calls(Op::Create) - created, 3, "it went on after a final error");
    assert_eq!(
        message(&error, &dir),
        "state file DIR/LEVEL1_SOILMET_30MIN.state.backup cannot be written (Input/output error (os error 5), \
         attempt 3); look for disk errors in the system's log, then start again"
    );
    drop(store);
    assert_eq!(source_after_reopening(&dir), "1");
}

#[test]
fn a_sync_that_fails_twice_and_then_works_is_a_commit() {
    for op in [Op::SyncFile, Op::Replace, Op::Write] {
        let (dir, disk, mut store) = committed();
        disk.fail(op, EIO, 2);
        store.commit(|state| state.source.push('2')).unwrap();
        drop(store);
        assert_eq!(source_after_reopening(&dir), "12", "{op:?}");
    }
}

#[test]
fn a_read_only_or_forbidden_disk_is_not_tried_again() {
    for (errno, remedy) in
        [(EROFS, "mount its file system read-write"), (EACCES, "give the daemon's user access")]
    {
        let (_dir, disk, mut store) = committed();
        let created = disk.calls(Op::Create);
        disk.fail(Op::Create, errno, 1);
        let error = store.commit(|_| ()).unwrap_err();
        assert!(matches!(error, CommitError::Unwritable { attempts: 1, .. }), "{error}");
        assert!(error.to_string().contains(remedy), "{error}");
        assert_eq!(disk.calls(Op::Create) - created, 1);
        store.commit(|_| ()).unwrap_err();
        assert_eq!(disk.calls(Op::Create) - created, 1);
    }
}

#[test]
fn a_file_that_may_not_be_read_is_not_missing() {
    // Beside a whole backup, and beside none.
    for backup in [true, false] {
        let (dir, disk, store) = committed();
        drop(store);
        if !backup {
            fs::remove_file(file(dir.path(), ".state.backup")).unwrap();
        }
        disk.fail(Op::Read, EACCES, 1);
        let error = open_on(Arc::new(disk), dir.path()).unwrap_err();
        assert!(matches!(error, OpenError::Unreadable { .. }), "{error}");
        assert_eq!(
            message(&error, &dir),
            "state file DIR/LEVEL1_SOILMET_30MIN.state cannot be read (Permission denied (os error 13)); give the \
             daemon's user access to it, or choose another --state-dir"
        );
    }
}

#[test]
fn a_sector_that_cannot_be_read_is_rescued_from_the_other_file() {
    let (dir, disk, store) = committed();
    drop(store);
    disk.fail(Op::Read, EIO, 1);
    let opened = open_on(Arc::new(disk.clone()), dir.path()).unwrap();
    assert!(matches!(opened.origin, Origin::Backup { why: Damage::Corrupt(_) }));
    assert_eq!(opened.store.state().source, "1");
    drop(opened);
    disk.fail_always(Some((Op::Read, EIO)));
    let error = open_on(Arc::new(disk), dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
}

#[test]
fn a_rescue_that_cannot_be_written_is_an_error_and_leaves_the_good_file() {
    let (dir, disk, store) = committed();
    drop(store);
    let good = fs::read(file(dir.path(), ".state.backup")).unwrap();
    fs::write(file(dir.path(), ".state"), b"").unwrap();
    disk.fail_always(Some((Op::Write, ENOSPC)));
    let error = open_on(Arc::new(disk), dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::Unwritable { .. }), "{error}");
    assert!(error.to_string().ends_with("; free some room on its file system"), "{error}");
    assert_eq!(fs::read(file(dir.path(), ".state.backup")).unwrap(), good);
    assert_eq!(source_after_reopening(&dir), "1");
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::default());
    disk.fail_always(Some((Op::MakeDir, EROFS)));
    let error = open_on(Arc::new(disk), &dir.path().join("new")).unwrap_err();
    assert!(matches!(error, OpenError::Unwritable { .. }), "{error}");
    assert!(error.to_string().contains("mount its file system read-write"), "{error}");
}

#[test]
fn a_file_put_back_by_hand_is_made_durable_and_private_modes_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(file(dir.path(), ".state.backup"), files_of(&sample::state_of(3))).unwrap();
    let mut store = open(dir.path()).unwrap().store;
    store.commit(|_| ()).unwrap();
    let mode = fs::metadata(file(dir.path(), ".state.backup")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// What the writer told.
#[derive(Debug, PartialEq)]
enum Told {
    Committed { edits: usize },
    Stalled { attempt: u32 },
    Resumed,
    Failed,
}

struct Listener(Mutex<Sender<Told>>);

impl Listener {
    fn new() -> (Arc<Self>, Receiver<Told>) {
        let (sender, told) = channel();
        (Arc::new(Self(Mutex::new(sender))), told)
    }

    fn tell(&self, told: Told) {
        // A test that has seen enough listens no more.
        let _ = self.0.lock().unwrap().send(told);
    }
}

impl Observer for Listener {
    fn committed(&self, commit: &Commit) {
        assert!(commit.generation > 0 && commit.file_bytes > 72);
        self.tell(Told::Committed { edits: commit.edits });
    }

    fn stalled(&self, error: &CommitError, attempt: u32) {
        assert!(matches!(error, CommitError::Full { .. }));
        self.tell(Told::Stalled { attempt });
    }

    fn resumed(&self) {
        self.tell(Told::Resumed);
    }

    fn failed(&self, error: &CommitError) {
        assert!(!matches!(error, CommitError::Full { .. }));
        self.tell(Told::Failed);
    }
}

type Answer = Result<u64, CommitError>;

struct Running {
    dir: tempfile::TempDir,
    disk: FaultyDisk,
    writer: Writer,
    told: Receiver<Told>,
    answers: Receiver<(u32, Answer)>,
    answer: Sender<(u32, Answer)>,
}

/// A writer on an empty state that waits `wait` when the disk is full.
fn running(wait: Duration) -> Running {
    let (dir, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::default());
    let options = Options {
        disk: Arc::new(disk.clone()),
        full_wait_min: wait,
        full_wait_max: wait * 2,
        ..Options::default()
    };
    let store = Store::open(&options, dir.path(), &sample::table()).unwrap().store;
    let (listener, told) = Listener::new();
    let (answer, answers) = channel();
    Running { dir, disk, writer: Writer::start(store, listener), told, answers, answer }
}

impl Running {
    /// Submits an edit that appends `number`.
    fn submit(&self, number: u32) {
        let answer = self.answer.clone();
        let edit = move |state: &mut State| state.source.extend([" ", &number.to_string()]);
        self.writer.submit(edit, move |done| answer.send((number, done)).unwrap());
    }

    fn next_answer(&self) -> (u32, Answer) {
        self.answers.recv_timeout(PATIENCE).unwrap()
    }

    fn next_told(&self) -> Told {
        self.told.recv_timeout(PATIENCE).unwrap()
    }
}

/// Stops a writer that must not wait for its disk.
fn stop_at_once(writer: Writer) -> Answer {
    let (stopped, outcome) = channel();
    std::thread::spawn(move || stopped.send(writer.stop()));
    outcome.recv_timeout(PATIENCE).expect("it waited for room")
}

#[test]
fn edits_that_wait_share_one_commit_and_are_answered_in_order() {
    let running = running(PATIENCE);
    let (open_gate, gate) = channel::<()>();
    let (at_gate, arrived) = channel();
    running.writer.submit(
        move |_| {
            at_gate.send(()).unwrap();
            gate.recv_timeout(PATIENCE).unwrap();
        },
        |done| assert_eq!(done.unwrap(), 1),
    );
    arrived.recv_timeout(PATIENCE).unwrap();
    (0..1_000).for_each(|number| running.submit(number));
    open_gate.send(()).unwrap();
    for number in 0..1_000 {
        let (answered, generation) = running.next_answer();
        assert_eq!((answered, generation.unwrap()), (number, 2));
    }
    assert_eq!(running.next_told(), Told::Committed { edits: 1 });
    assert_eq!(running.next_told(), Told::Committed { edits: 1_000 });
    assert_eq!(running.writer.stop().unwrap(), 2);
}

#[test]
fn an_answer_comes_only_when_the_edit_is_on_disk() {
    let running = running(PATIENCE);
    let dir = running.dir.path().to_owned();
    for number in 0..20 {
        running.submit(number);
        let (_, generation) = running.next_answer();
        let inspection = inspect(&dir, &sample::table());
        let whole = inspection.whole().unwrap();
        assert_eq!(whole.generation, generation.unwrap());
        assert!(whole.state.source.ends_with(&format!(" {number}")));
        assert!(matches!(inspection.load, Ok(Origin::Primary)));
    }
}

#[test]
fn on_a_full_disk_edits_wait_and_go_on_when_there_is_room() {
    let running = running(Duration::from_millis(1));
    running.disk.fail_always(Some((Op::Write, ENOSPC)));
    running.submit(1);
    assert_eq!(running.next_told(), Told::Stalled { attempt: 1 });
    running.submit(2);
    assert_eq!(running.next_told(), Told::Stalled { attempt: 2 });
    assert!(running.answers.try_recv().is_err(), "an edit was answered that is not durable");
    running.disk.fail_always(None);
    assert!(running.next_answer().1.is_ok() && running.next_answer().1.is_ok());
    let rest: Vec<Told> =
        running.told.try_iter().filter(|told| !matches!(told, Told::Stalled { .. })).collect();
    assert!(rest.contains(&Told::Resumed), "{rest:?}");
    running.writer.stop().unwrap();
    assert_eq!(source_after_reopening(&running.dir), " 1 2");
}

#[test]
fn stopping_on_a_full_disk_does_not_wait_and_answers_everyone() {
    let running = running(Duration::from_hours(1));
    running.disk.fail_always(Some((Op::Write, ENOSPC)));
    running.submit(1);
    assert_eq!(running.next_told(), Told::Stalled { attempt: 1 });
    running.submit(2);
    let stopped = stop_at_once(running.writer);
    assert!(matches!(stopped, Err(CommitError::Full { .. })));
    for number in [1, 2] {
        let (answered, answer) = running.answers.recv_timeout(PATIENCE).unwrap();
        assert_eq!(answered, number);
        assert!(matches!(answer, Err(CommitError::Full { .. })));
    }
    open(running.dir.path()).expect("the lock was released");
}

#[test]
fn stopping_when_there_is_room_again_commits_what_waited() {
    let running = running(Duration::from_hours(1));
    running.disk.fail_always(Some((Op::Write, ENOSPC)));
    running.submit(1);
    assert_eq!(running.next_told(), Told::Stalled { attempt: 1 });
    running.disk.fail_always(None);
    stop_at_once(running.writer).unwrap();
    assert!(running.answers.recv_timeout(PATIENCE).unwrap().1.is_ok());
    assert_eq!(source_after_reopening(&running.dir), " 1");
}

#[test]
fn after_a_final_error_every_edit_is_refused_with_it() {
    let running = running(PATIENCE);
    running.disk.fail_always(Some((Op::SyncFile, EIO)));
    running.submit(1);
    let (_, first) = running.next_answer();
    running.disk.fail_always(None);
    running.submit(2);
    let (_, second) = running.next_answer();
    assert_eq!(first.unwrap_err().to_string(), second.unwrap_err().to_string());
    assert_eq!(running.next_told(), Told::Failed);
    assert!(running.writer.stop().is_err());
    assert!(running.told.try_recv().is_err(), "it was told twice");
    assert_eq!(source_after_reopening(&running.dir), "");
}

#[test]
fn stopping_commits_what_is_queued_and_releases_the_lock() {
    let running = running(PATIENCE);
    (0..100).for_each(|number| running.submit(number));
    running.writer.stop().unwrap();
    let source = source_after_reopening(&running.dir);
    assert_eq!(source.split_whitespace().count(), 100);
    assert_eq!(running.answers.try_iter().filter(|(_, answer)| answer.is_ok()).count(), 100);
}

#[test]
fn dropping_the_writer_commits_what_is_queued() {
    let running = running(PATIENCE);
    (0..100).for_each(|number| running.submit(number));
    drop(running.writer);
    assert_eq!(source_after_reopening(&running.dir).split_whitespace().count(), 100);
}

#[test]
fn a_writer_dropped_by_its_own_answer_ends_and_releases_the_lock() {
    let Running { dir, writer, answer, answers, .. } = running(PATIENCE);
    let writer = Arc::new(writer);
    let (hand_over, handed) = channel();
    writer.submit(
        |_| (),
        move |done| {
            let owned: Arc<Writer> = handed.recv_timeout(PATIENCE).unwrap();
            drop(owned);
            answer.send((1, done)).unwrap();
        },
    );
    hand_over.send(writer).unwrap();
    assert!(answers.recv_timeout(PATIENCE).unwrap().1.is_ok());
    let began = Instant::now();
    while open(dir.path()).is_err() {
        assert!(began.elapsed() < PATIENCE, "the lock was not released");
        std::thread::yield_now();
    }
}

#[test]
fn an_edit_that_panics_leaves_nobody_waiting() {
    let running = running(PATIENCE);
    running.writer.submit(|_| panic!("as the test wants it"), |_| ());
    running.submit(1);
    assert!(matches!(running.next_answer().1, Err(CommitError::Stopped)));
    assert!(matches!(running.writer.stop(), Err(CommitError::Stopped)));
}

#[test]
fn a_queue_that_is_full_refuses_at_once() {
    let running = running(Duration::from_hours(1));
    running.disk.fail_always(Some((Op::Write, ENOSPC)));
    running.submit(0);
    assert_eq!(running.next_told(), Told::Stalled { attempt: 1 });
    for _ in 0..EDITS_QUEUED_MAX {
        running.writer.submit(|_| (), |_| ());
    }
    running.submit(1);
    let (number, answer) = running.next_answer();
    assert!(number == 1 && matches!(answer, Err(CommitError::QueueFull { .. })));
    assert!(matches!(stop_at_once(running.writer), Err(CommitError::Full { .. })));
}

#[test]
fn a_file_that_is_in_the_way_of_a_new_one_has_no_part_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let (temp, aside) = (dir.path().join("temp"), dir.path().join("aside"));
    fs::write(&temp, "failed").unwrap();
    fs::hard_link(&temp, &aside).unwrap();
    let mut file = RealDisk.create(&temp).unwrap();
    file.write_all(b"new").unwrap();
    file.sync().unwrap();
    assert_eq!((fs::read(&temp).unwrap(), fs::read(&aside).unwrap()), (b"new".into(), b"failed".into()));
}

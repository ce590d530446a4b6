//! Replacing a state as a whole: what a crash at any moment leaves of it and of the one before.

#![expect(clippy::disallowed_methods, reason = "what a test puts on disk need not outlive it")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use livecosmos_state::*;
use support::faulty::{ENOSPC, FaultyDisk, Op};
use support::sample::{self, file, open};
use support::sim::{Image, SimDisk};

fn state(source: &str) -> State {
    State::new(sample::table(), source)
}

/// The sources of the state and of the one that is kept, if there is one.
fn sources(store: &Store) -> (String, Option<String>) {
    let kept = match store.kept() {
        Found::Missing => None,
        Found::Whole(whole) => Some(whole.state.source),
        other => panic!("{other:?}"),
    };
    (store.state().source.clone(), kept)
}

fn both(state: &str, kept: &str) -> (String, Option<String>) {
    (state.to_owned(), Some(kept.to_owned()))
}

fn undo(store: &mut Store) {
    let kept = store.kept().whole().unwrap().state.clone();
    store.replace(kept).unwrap();
}

#[test]
fn a_state_that_is_replaced_is_kept_and_undoing_twice_does_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).unwrap().store;
    assert_eq!(sources(&store), (String::new(), None));
    store.commit(|state| state.source = "first".to_owned()).unwrap();
    assert_eq!(sources(&store), ("first".to_owned(), None));
    assert_eq!(store.replace(state("second")).unwrap(), 2);
    assert_eq!(sources(&store), both("second", "first"));
    undo(&mut store);
    assert_eq!(sources(&store), both("first", "second"));
    undo(&mut store);
    store.commit(|state| state.source = "third".to_owned()).unwrap();
    assert_eq!(sources(&store), both("third", "first"), "a commit does not touch what is kept");
    drop(store);
    assert_eq!(sources(&open(dir.path()).unwrap().store), both("third", "first"));
    assert!(!file(dir.path(), ".state.undo.next").exists());
}

#[test]
fn undoing_the_first_state_of_a_table_leaves_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).unwrap().store;
    store.replace(sample::state_of(3)).unwrap();
    undo(&mut store);
    assert_eq!(*store.state(), state(""));
    undo(&mut store);
    assert_eq!(*store.state(), sample::state_of(3));
}

#[test]
fn a_kept_state_is_as_well_guarded_as_the_state_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).unwrap().store;
    store.replace(sample::state_of(3)).unwrap();
    let path = file(dir.path(), ".state.undo");
    assert_eq!(store.kept_path(), path);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(matches!(store.kept(), Found::Corrupt { .. }));
}

#[test]
fn a_full_disk_changes_neither_the_state_nor_what_is_kept() {
    let disk = FaultyDisk::default();
    let dir = tempfile::tempdir().unwrap();
    let open = || sample::open_on(Arc::new(disk.clone()), dir.path()).unwrap().store;
    let mut store = open();
    store.replace(state("first")).unwrap();
    store.replace(state("second")).unwrap();
    drop(store);
    let mut store = open();
    disk.fail(Op::Write, ENOSPC, 1);
    assert!(store.replace(state("third")).is_err());
    assert_eq!(sources(&store), both("second", "first"), "no room for what is to be kept");
    disk.fail_after(Op::Write, 1, ENOSPC);
    assert!(store.replace(state("third")).is_err());
    drop(store);
    assert_eq!(sources(&open()), both("second", "first"), "no room for the new state");
}

/// What is done to a store, and its name.
type Step = (&'static str, fn(&mut Store));

/// What a daemon adds to a state that it finds.
const DAEMON: char = '!';

/// What may be found after a crash: all as it was, or all as it was to be.
struct Change {
    before: (String, Option<String>),
    after: (String, Option<String>),
}

/// Opens `image`, looks at it and commits as a daemon does; where that is cut off, the same again.
fn look(image: Image, dir: &Path, change: &Change, acknowledged: bool, crashes_left: usize) -> usize {
    let sim = SimDisk::new(image);
    let mut store = sample::open_on(Arc::new(sim.clone()), dir).expect("it opens after every crash").store;
    let (state, kept) = sources(&store);
    let found = (state.trim_end_matches(DAEMON).to_owned(), kept);
    let is_allowed = found == change.after || (found == change.before && !acknowledged);
    assert!(is_allowed, "{found:?} is neither {:?} nor {:?}", change.before, change.after);
    assert!(sim.image().read("LEVEL1_SOILMET_30MIN.state.undo.next").is_none());
    if crashes_left == 0 {
        return 1;
    }
    store.commit(|state| state.source.push(DAEMON)).unwrap();
    drop(store);
    let worlds = worlds(&sim).map(|image| look(image, dir, change, acknowledged, crashes_left - 1));
    1 + worlds.sum::<usize>()
}

/// Every disk that a kill or a power cut may leave since the last call.
fn worlds(sim: &SimDisk) -> impl Iterator<Item = Image> + use<> {
    let moments = sim.take_history().into_iter();
    moments.flat_map(|moment| moment.after_power_cut().into_iter().chain([moment]))
}

#[test]
fn after_a_crash_at_any_moment_state_and_kept_state_are_both_old_or_both_new() {
    let dir = sample::state_dir();
    let dir = dir.path().join("state");
    let sim = SimDisk::new(Image::empty_dir());
    let open = || sample::open_on(Arc::new(sim.clone()), &dir).unwrap().store;
    let mut store = open();
    store.replace(state("a")).unwrap();
    store.replace(state("b")).unwrap();
    drop(store);
    let (mut looked_at, mut current) = (0, both("b", "a"));
    // A change, its undoing, a commit of the daemon, and an undoing again.
    let steps: [Step; 4] = [
        ("replace", |store| assert_eq!(store.replace(state("c")).unwrap(), 3)),
        ("undo", undo),
        ("commit", |store| assert_eq!(store.commit(|state| state.source.push('+')).unwrap(), 5)),
        ("undo", undo),
    ];
    for (what, step) in steps {
        let mut store = open();
        sim.take_history();
        step(&mut store);
        let change = Change { before: current, after: sources(&store) };
        drop(store);
        looked_at += worlds(&sim).map(|image| look(image, &dir, &change, false, 1)).sum::<usize>();
        looked_at += look(sim.image(), &dir, &change, true, 1);
        assert_ne!(change.before, change.after, "{what}");
        current = change.after;
    }
    assert!(looked_at > 1_000, "only {looked_at} worlds were looked at");
}

#[test]
fn only_files_that_stop_a_load_are_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).unwrap().store;
    store.commit(|state| state.source = "first".to_owned()).unwrap();
    assert!(matches!(set_aside(dir.path(), &sample::table()), Err(OpenError::Locked { .. })));
    drop(store);
    assert_eq!(set_aside(dir.path(), &sample::table()).unwrap(), [] as [PathBuf; 0]);
    fs::write(file(dir.path(), ".state"), b"rubbish").unwrap();
    assert_eq!(set_aside(dir.path(), &sample::table()).unwrap(), [] as [PathBuf; 0], "its backup is whole");
    fs::write(file(dir.path(), ".state.backup"), b"").unwrap();
    let kept = set_aside(dir.path(), &sample::table()).unwrap();
    assert_eq!(kept, [".state.backup.damaged", ".state.damaged"].map(|suffix| file(dir.path(), suffix)));
    assert_eq!(fs::read(&kept[1]).unwrap(), b"rubbish");
    assert_eq!(open(dir.path()).unwrap().origin, Origin::New);
}

//! Every state in which a crash can leave the disk, over the real commit and load code.
//!
//! From a world (a disk, and what was acknowledged on it) a process opens the store and commits; at
//! each of its file-system operations it is killed, or the power fails. Each disk that results is a
//! new world, until there are no new ones. A file may rot wherever the last opening or commit left
//! both whole. What an opening returns counts as acknowledged too: the daemon acts upon it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use livecosmos_state::*;
use support::sample;
use support::sim::{Image, SimDisk};

/// Commits tried in all, over all restarts.
const COMMITS_MAX: u64 = 4;
/// The same where a wrong protocol is to be caught: a wrong one has far more worlds.
const COMMITS_MAX_WRONG: u64 = 2;
/// Changes of names that may pile up: each doubles the states after a power cut.
const NAMES_UNSYNCED_MAX: usize = 10;
const LOADED: &str = "what was acknowledged is gone, or what was never written is there: loaded";
const FILES: [&str; 2] = ["LEVEL1_SOILMET_30MIN.state", "LEVEL1_SOILMET_30MIN.state.backup"];

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    disk: Image,
    /// The last commit that was acknowledged or loaded.
    acknowledged: u64,
    /// The last commit that was tried.
    tried: u64,
    /// A file rotted and no opening or commit has succeeded since.
    rotten: bool,
}

/// When a file rots in the course of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RotAt {
    Never,
    BeforeOpen,
    AfterOpen,
    AfterCommit,
}

/// What is explored.
#[derive(Clone, Copy)]
struct Scope {
    commits_max: u64,
    /// A first commit that was not acknowledged may leave what cannot be opened.
    forgiving: bool,
}

/// Makes the protocol under test out of a disk.
type Protocol<'a> = &'a dyn Fn(SimDisk) -> Arc<dyn Disk>;

struct Explorer<'a> {
    protocol: Protocol<'a>,
    scope: Scope,
    dir: tempfile::TempDir,
    known: HashSet<World>,
    waiting: VecDeque<World>,
    /// Places at which a process stopped.
    stops: usize,
}

/// Explores all worlds from an empty disk; the first promise that is broken, if any.
fn explore(protocol: Protocol<'_>, scope: Scope) -> Result<(usize, usize), String> {
    let dir = sample::state_dir();
    let mut explorer =
        Explorer { protocol, scope, dir, known: HashSet::new(), waiting: VecDeque::new(), stops: 0 };
    for disk in [Image::default(), Image::empty_dir()] {
        explorer.add(World { disk, acknowledged: 0, tried: 0, rotten: false });
    }
    while let Some(world) = explorer.waiting.pop_front() {
        explorer.run(&world, RotAt::Never, FILES[0])?;
        for at in [RotAt::BeforeOpen, RotAt::AfterOpen, RotAt::AfterCommit] {
            for file in FILES {
                explorer.run(&world, at, file)?;
            }
        }
    }
    Ok((explorer.known.len(), explorer.stops))
}

impl Explorer<'_> {
    /// Adds a world, and returns whether it is new.
    fn add(&mut self, mut world: World) -> bool {
        world.disk = world.disk.canonical();
        let new = self.known.insert(world.clone());
        if new {
            self.waiting.push_back(world);
        }
        new
    }

    /// One process: opens, commits twice, and may be stopped anywhere.
    fn run(&mut self, start: &World, rot_at: RotAt, file: &str) -> Result<(), String> {
        if start.disk.names_unsynced() > NAMES_UNSYNCED_MAX {
            return Err(format!("the directory is not synced, run after run\nfrom {start:#?}"));
        }
        let sim = SimDisk::new(start.disk.clone());
        let mut world = start.clone();
        if !self.rot(&sim, &mut world, rot_at == RotAt::BeforeOpen, file) {
            return Ok(());
        }
        let opened = sample::open_on((self.protocol)(sim.clone()), &self.state_dir());
        self.stop_anywhere(&sim, &world);
        let mut store = match opened {
            Ok(opened) => opened.store,
            // Nothing was acknowledged: to refuse what a bad disk left of a first commit is right.
            Err(OpenError::Corrupt { .. })
                if world.acknowledged == 0 && (world.rotten || self.scope.forgiving) =>
            {
                return Ok(());
            }
            Err(error) => return Err(format!("{rot_at:?} {file}: {error}\nfrom {start:#?}")),
        };
        let loaded = number_of(store.state());
        if loaded < world.acknowledged || loaded > world.tried {
            return Err(format!("{rot_at:?} {file}: {LOADED} {loaded}\nfrom {start:#?}"));
        }
        world.acknowledged = loaded;
        world.rotten = false;
        self.stop_anywhere(&sim, &world);
        for at in [RotAt::AfterOpen, RotAt::AfterCommit] {
            if world.tried == self.scope.commits_max || !self.rot(&sim, &mut world, rot_at == at, file) {
                return Ok(());
            }
            world.tried += 1;
            let committed = store.commit(|state| state.source = world.tried.to_string());
            self.stop_anywhere(&sim, &world);
            committed.map_err(|error| format!("commit: {error}"))?;
            world.acknowledged = world.tried;
            world.rotten = false;
            self.stop_anywhere(&sim, &world);
        }
        Ok(())
    }

    /// Rots `file` now if it is `due`. Returns whether the run makes sense.
    fn rot(&mut self, sim: &SimDisk, world: &mut World, due: bool, file: &str) -> bool {
        if !due {
            return true;
        }
        if world.rotten || sim.image().read(file).is_none() {
            return false;
        }
        sim.alter(|image| image.rot(file));
        world.rotten = true;
        self.stop_anywhere(sim, world);
        true
    }

    /// Adds the worlds in which the process was killed, or the power failed, at one of the moments
    /// since the last call. `world` says what was acknowledged at them.
    fn stop_anywhere(&mut self, sim: &SimDisk, world: &World) {
        for disk in sim.take_history() {
            self.stops += 1;
            if self.add(World { disk: disk.clone(), ..world.clone() }) {
                for disk in disk.after_power_cut() {
                    self.add(World { disk, ..world.clone() });
                }
            }
        }
    }

    fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }
}

/// The number of the commit that a state came from.
fn number_of(state: &State) -> u64 {
    if state.source.is_empty() { 0 } else { state.source.parse().unwrap() }
}

#[test]
fn no_crash_and_no_rot_of_one_file_loses_an_acknowledged_commit() {
    let scope = Scope { commits_max: COMMITS_MAX, forgiving: false };
    let (worlds, stops) = explore(&|sim| Arc::new(sim), scope).unwrap_or_else(|broken| panic!("{broken}"));
    println!("{worlds} worlds, {stops} places to stop");
    assert!(worlds > 1_000, "only {worlds} worlds were explored");
}

/// What a wrong protocol does differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// Files are not synced before they get their name.
    NoFileSync,
    /// The state directory is not synced after a rename.
    NoDirSync,
    /// The directory above is not synced after the state directory was made.
    NewDirUnsynced,
    /// The state file is written and acknowledged, and the backup follows later.
    PrimaryFirst,
    /// The backup is not synced before it gets its name.
    BackupUnsynced,
    /// The bytes of a file are written over the old ones.
    InPlace,
    /// What was found at opening is not synced before it is acted upon.
    FoundUnsynced,
}

#[derive(Debug)]
struct Mutant {
    wrong: Wrong,
    sim: SimDisk,
    /// The bytes of a backup still to be written.
    held: std::sync::Mutex<Option<(PathBuf, Vec<u8>)>>,
}

impl Mutant {
    fn protocol(wrong: Wrong, sim: SimDisk) -> Arc<dyn Disk> {
        Arc::new(Self { wrong, sim, held: std::sync::Mutex::default() })
    }

    fn write_held_backup(&self) -> std::io::Result<()> {
        let Some((backup, bytes)) = self.held.lock().unwrap().take() else { return Ok(()) };
        let temp = backup.with_extension("tmp");
        let mut file = self.sim.create(&temp)?;
        file.write_all(&bytes)?;
        file.sync()?;
        self.sim.replace(&temp, &backup)
    }

    fn replace_in_place(&self, temp: &Path, target: &Path) -> std::io::Result<()> {
        let bytes = self.sim.read(temp, u64::MAX)?;
        self.sim.overwrite(target, &bytes)?;
        self.sim.sync(target)?;
        self.sim.remove(temp)?;
        self.sim.sync_dir(target.parent().unwrap())
    }
}

fn is_backup(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "backup")
}

impl Disk for Mutant {
    fn make_dir(&self, dir: &Path) -> std::io::Result<()> {
        self.sim.make_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> std::io::Result<()> {
        match self.wrong {
            Wrong::NoDirSync | Wrong::FoundUnsynced if dir.ends_with("state") => Ok(()),
            Wrong::NewDirUnsynced if !dir.ends_with("state") => Ok(()),
            _ => self.sim.sync_dir(dir),
        }
    }

    fn read(&self, path: &Path, bytes_max: u64) -> std::io::Result<Vec<u8>> {
        self.sim.read(path, bytes_max)
    }

    fn create(&self, path: &Path) -> std::io::Result<Box<dyn NewFile>> {
        if self.wrong == Wrong::PrimaryFirst {
            self.write_held_backup()?;
        }
        let file = self.sim.create(path)?;
        match self.wrong {
            Wrong::NoFileSync | Wrong::BackupUnsynced => Ok(Box::new(Unsynced(file))),
            _ => Ok(file),
        }
    }

    fn replace(&self, temp: &Path, target: &Path) -> std::io::Result<()> {
        match self.wrong {
            Wrong::NoDirSync => return self.sim.rename(temp, target),
            Wrong::InPlace => return self.replace_in_place(temp, target),
            Wrong::BackupUnsynced if !is_backup(target) => self.sim.sync(temp)?,
            Wrong::PrimaryFirst if is_backup(target) => {
                let held = (target.to_owned(), self.sim.read(temp, u64::MAX)?);
                *self.held.lock().unwrap() = Some(held);
                return self.sim.remove(temp);
            }
            _ => {}
        }
        self.sim.replace(temp, target)
    }

    fn remove(&self, path: &Path) -> std::io::Result<()> {
        self.sim.remove(path)
    }

    fn sync(&self, path: &Path) -> std::io::Result<()> {
        match self.wrong {
            Wrong::NoFileSync | Wrong::FoundUnsynced => Ok(()),
            _ => self.sim.sync(path),
        }
    }
}

struct Unsynced(Box<dyn NewFile>);

impl NewFile for Unsynced {
    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(self: Box<Self>) -> std::io::Result<()> {
        Ok(())
    }
}

/// Explores with `wrong` in the protocol, and wants an acknowledged commit to be lost by it.
fn assert_caught(wrong: Wrong) {
    let scope = Scope { commits_max: COMMITS_MAX_WRONG, forgiving: true };
    let broken = explore(&|sim| Mutant::protocol(wrong, sim), scope).unwrap_err();
    assert!(broken.contains(LOADED) || broken.contains("is unusable"), "{broken}");
}

#[test]
fn a_commit_without_file_sync_is_caught() {
    assert_caught(Wrong::NoFileSync);
}

#[test]
fn a_commit_without_directory_sync_is_caught() {
    assert_caught(Wrong::NoDirSync);
}

#[test]
fn a_new_directory_that_is_not_synced_is_caught() {
    assert_caught(Wrong::NewDirUnsynced);
}

#[test]
fn a_state_file_acknowledged_before_its_backup_is_caught() {
    assert_caught(Wrong::PrimaryFirst);
}

#[test]
fn a_backup_that_is_not_synced_is_caught() {
    assert_caught(Wrong::BackupUnsynced);
}

#[test]
fn a_file_rewritten_in_place_is_caught() {
    assert_caught(Wrong::InPlace);
}

#[test]
fn an_opening_that_trusts_what_is_only_in_memory_is_caught() {
    assert_caught(Wrong::FoundUnsynced);
}

//! One table's state on disk: opened once, committed many times.
//!
//! A commit writes **backup, then state file, then acknowledges**, each by a durable replace. So at
//! every moment one of the two holds all that was acknowledged, whole, whatever is lost of the other.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::PAYLOAD_BYTES_MAX;
use crate::disk::{self, Disk, RealDisk};
use crate::error::{CommitError, OpenError};
use crate::frame;
use crate::load::{self, Found, Origin};
use crate::name::TableName;
use crate::place::{self, Lock, Medium, Paths};
use crate::record::State;
use crate::undo;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Takes the word of a network file system for its syncs and locks. Default: no.
    pub allow_network_fs: bool,
    /// Identity of the source that a new state begins with. A state that exists keeps its own.
    pub source: String,
    /// UUID that a new state gets. Default: a random one.
    pub instance: Option<[u8; 16]>,
    /// First wait after the disk was found full; each further wait is twice as long. Default: 1 s.
    pub full_wait_min: Duration,
    /// Longest such wait. Default: 30 s.
    pub full_wait_max: Duration,
    /// The file system. Default: [`RealDisk`].
    pub disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            allow_network_fs: false,
            source: String::new(),
            instance: None,
            full_wait_min: Duration::from_secs(1),
            full_wait_max: Duration::from_secs(30),
            disk: Arc::new(RealDisk),
        }
    }
}

/// A store just opened, and what there is to say about it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Where its state came from.
    pub origin: Origin,
    /// The state directory is empty after a reboot: worth a warning.
    pub volatile: bool,
}

/// One table's state, locked against every other process until dropped.
#[derive(Debug)]
pub struct Store {
    pub(crate) options: Options,
    pub(crate) paths: Paths,
    table: TableName,
    state: State,
    /// Of the last commit that is durable.
    generation: u64,
    /// Of the last one that was tried: no two writes of different content share a number.
    generation_tried: u64,
    instance: [u8; 16],
    /// The file as it is written, kept for its capacity.
    pub(crate) buffer: Vec<u8>,
    /// Why no more commits are taken.
    failed: Option<CommitError>,
    _lock: Lock,
}

impl Store {
    /// Locks and loads the state of `table` in `dir`, and mends what a crash or a bad disk left.
    ///
    /// Makes `dir` where it is missing; a table without a state gets its files with the first commit.
    /// When it returns, what it loaded is durable.
    pub fn open(options: &Options, dir: &Path, table: &TableName) -> Result<Opened, OpenError> {
        let (paths, disk) = (Paths::new(dir, table), options.disk.as_ref());
        place::make_dirs(disk, dir)?;
        let medium = place::medium(dir)?;
        if let (Medium::Network(kind), false) = (medium, options.allow_network_fs) {
            return Err(place::network(dir, kind));
        }
        let lock = Lock::acquire(&paths.lock)?;
        let (primary, backup) = (load::read(disk, &paths.primary), load::read(disk, &paths.backup));
        let origin = load::judge(&paths, table, &primary, &backup)?;
        remove_leftover(disk, &paths.temp)?;
        let mut store = Self {
            options: options.clone(),
            state: State::new(table.clone(), options.source.clone()),
            table: table.clone(),
            generation: 0,
            generation_tried: 0,
            instance: [0; 16],
            buffer: Vec::new(),
            failed: None,
            paths,
            _lock: lock,
        };
        store.take(&origin, primary, backup)?;
        undo::finish(disk, &store.paths, store.generation)?;
        Ok(Opened { store, origin, volatile: medium == Medium::Volatile })
    }

    /// The state, with every edit applied, durable or not.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Number of the last commit that is durable; 0 before the first.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// UUID made when this table's state was first made here.
    #[must_use]
    pub fn instance(&self) -> [u8; 16] {
        self.instance
    }

    /// Bytes of the file that was written last; 0 before the first commit.
    #[must_use]
    pub fn file_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Applies `edit` and makes the state durable. Returns the generation that holds it.
    ///
    /// # Errors
    /// The edit stays applied in memory and is part of the next commit that succeeds. After any error
    /// but [`CommitError::Full`] there is none: the same error is returned for ever, and `edit` is not
    /// called. On disk the last durable state stands, or the one that failed, whole.
    pub fn commit(&mut self, edit: impl FnOnce(&mut State)) -> Result<u64, CommitError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        edit(&mut self.state);
        self.state.table.clone_from(&self.table);
        self.write_both().inspect_err(|error| {
            if !error.is_full() {
                self.failed = Some(error.clone());
            }
        })
    }

    fn write_both(&mut self) -> Result<u64, CommitError> {
        // The last one is only met in a file that was made by hand.
        let generation = self.generation_tried.saturating_add(1);
        self.generation_tried = generation;
        self.encode(generation)?;
        for target in [&self.paths.backup, &self.paths.primary] {
            disk::replace_durably(&*self.options.disk, &self.paths.temp, target, &self.buffer)
                .map_err(|failure| CommitError::of(failure, target.clone()))?;
        }
        self.generation = generation;
        Ok(generation)
    }

    pub(crate) fn encode(&mut self, generation: u64) -> Result<(), CommitError> {
        frame::encode(&self.state, generation, self.instance, &mut self.buffer).map_err(|bytes| {
            CommitError::TooLarge { path: self.paths.primary.clone(), bytes, bytes_max: PAYLOAD_BYTES_MAX }
        })
    }

    /// Takes over what was found, writes the other file anew where `origin` says so, and makes both
    /// durable: they may have been seen in memory only, after a crash within a commit or a restore by
    /// hand, and what is acted upon must not be undone by a power cut.
    fn take(&mut self, origin: &Origin, primary: Found, backup: Found) -> Result<(), OpenError> {
        let (primary_path, backup_path) = (self.paths.primary.clone(), self.paths.backup.clone());
        let (taken, taken_path, mended_path) = match origin {
            Origin::New => {
                self.instance = self.options.instance.map_or_else(|| new_instance(&self.paths), Ok)?;
                return Ok(());
            }
            Origin::Primary => (primary, &primary_path, None),
            Origin::BackupRewritten { .. } => (primary, &primary_path, Some(&backup_path)),
            Origin::Backup { .. } => (backup, &backup_path, Some(&primary_path)),
        };
        let Found::Whole(whole) = taken else { return Ok(()) };
        self.state = whole.state;
        self.generation = whole.generation;
        self.generation_tried = whole.generation;
        self.instance = whole.instance;
        self.settle(taken_path)?;
        match mended_path {
            Some(path) => self.mend(path),
            None => self.settle(&backup_path),
        }
    }

    fn settle(&self, path: &Path) -> Result<(), OpenError> {
        let disk = &self.options.disk;
        disk.sync(path)
            .and_then(|()| disk.sync_dir(&self.paths.dir))
            .map_err(|error| OpenError::unwritable(path, error))
    }

    fn mend(&mut self, path: &Path) -> Result<(), OpenError> {
        self.encode(self.generation)
            .map_err(|error| OpenError::unwritable(path, std::io::Error::other(error)))?;
        disk::replace_durably(&*self.options.disk, &self.paths.temp, path, &self.buffer)
            .map_err(|failure| OpenError::unwritable(path, failure.into()))
    }
}

/// Removes what a crash left half written; it was never part of the state.
fn remove_leftover(disk: &dyn Disk, temp: &Path) -> Result<(), OpenError> {
    match disk.remove(temp) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(OpenError::unwritable(temp, error)),
        _ => Ok(()),
    }
}

/// A random UUID, RFC 9562, version 4.
fn new_instance(paths: &Paths) -> Result<[u8; 16], OpenError> {
    let mut uuid = [0; 16];
    getrandom::fill(&mut uuid).map_err(|error| OpenError::unwritable(&paths.primary, error.into()))?;
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    Ok(uuid)
}

//! Gives files their names: once, durably, and with a claim that stood there before.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::Mode;

use super::claim::{self, Claim};
use super::error::{explain, explain_lock_or_link, not_prepared};
use super::object_path;
use crate::sink::key::OWN_FOLDER;
use crate::sink::{PutOutcome, SinkError};

/// Of a new folder.
const ALL_THAT_UMASK_LEAVES: Mode = Mode::from_raw_mode(0o777);
/// Folders remembered as durable; beyond this many all are forgotten, which costs some fsyncs.
const FOLDERS_KNOWN_MAX: usize = 16_384;

/// A folder in which files appear whole, once, and durably.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    /// Folders whose own names are known to be durable.
    known: Mutex<HashSet<PathBuf>>,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, known: Mutex::default() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Stores `bytes` under `key` with its `claim`, unless the key is taken. Durable on return, also
    /// where the key was taken: whoever took it may have been killed before he synced its name.
    pub(super) fn create(&self, key: &str, claim: &Claim, bytes: &[u8]) -> Result<PutOutcome, SinkError> {
        let slot = Slot::lock(self, key)?;
        self.clear(&slot)?;
        let outcome = self.create_in(&slot, claim, bytes);
        let cleared = match outcome {
            Ok(PutOutcome::Stored) => remove(&slot.object).and_then(|()| remove(&slot.claim)),
            // A full disk must not stay full of our own half-written file.
            _ => self.clear(&slot),
        };
        outcome.and_then(|outcome| cleared.map(|()| outcome))
    }

    fn create_in(&self, slot: &Slot, claim: &Claim, bytes: &[u8]) -> Result<PutOutcome, SinkError> {
        let object = object_path(&self.root, &claim.key);
        if exists(&object)? {
            sync_name(&object)?;
            return Ok(PutOutcome::Exists);
        }
        let claim_path = claim.path(&self.root);
        stage(&slot.claim, &claim.to_bytes())?;
        // Without its object it is what a crashed attempt with the same bytes left, maybe with other facts.
        remove(&claim_path)?;
        self.publish(&slot.claim, &claim_path)?;
        stage(&slot.object, bytes)?;
        if self.publish(&slot.object, &object)? { Ok(PutOutcome::Stored) } else { Ok(PutOutcome::Exists) }
    }

    /// Gives a staged file its name; false where the name is taken. The name is durable either way.
    fn publish(&self, staged: &Path, target: &Path) -> Result<bool, SinkError> {
        self.make_parents(target)?;
        let created = match uninterrupted(|| rustix::fs::link(staged, target)) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            Err(error) => {
                // A folder may have been removed behind our back.
                self.forget_folders();
                return Err(explain_lock_or_link("create", target, &error));
            }
        };
        sync_name(target)?;
        Ok(created)
    }

    /// Removes what an earlier put left in `slot`: its temporary files, and the claim it had published
    /// unless the object came to be. Whoever holds the slot's lock is the only one at work in it.
    fn clear(&self, slot: &Slot) -> Result<(), SinkError> {
        remove(&slot.object)?;
        let Some(claim) = read(&slot.claim)? else { return Ok(()) };
        if let Some(claim) = Claim::from_bytes(&claim) {
            let stored = sha256_of(&object_path(&self.root, &claim.key))?;
            if stored.is_none_or(|sha256| sha256 != claim.sha256) {
                remove(&claim.path(&self.root))?;
            }
        }
        // Last, because it is the only trace of an orphaned claim.
        remove(&slot.claim)
    }

    /// The claim of the object under `key`; `None` where there is no object.
    pub(super) fn claim_of(&self, key: &str) -> Result<Option<Claim>, SinkError> {
        let object = object_path(&self.root, key);
        let Some(sha256) = sha256_of(&object)? else { return Ok(None) };
        sync_name(&object)?;
        self.claim_of_bytes(key, &sha256).map(Some)
    }

    /// The object under `key` with its claim; `None` where there is none. It is digested before it is
    /// held in memory: a foreign file may be of any size.
    pub(super) fn object(&self, key: &str) -> Result<Option<(Claim, Vec<u8>)>, SinkError> {
        let object = object_path(&self.root, key);
        let Some(sha256) = sha256_of(&object)? else { return Ok(None) };
        let claim = self.claim_of_bytes(key, &sha256)?;
        let Some(bytes) = read(&object)? else { return Ok(None) };
        if claim::sha256(&bytes) != sha256 {
            return Err(SinkError::Retry(format!("{} changed while it was read", object.display())));
        }
        Ok(Some((claim, bytes)))
    }

    /// The claim of what stands under `key` and has this digest.
    fn claim_of_bytes(&self, key: &str, sha256: &str) -> Result<Claim, SinkError> {
        let object = object_path(&self.root, key);
        let path = claim::path(&self.root, key, sha256);
        let claim = read(&path)?.ok_or_else(|| {
            SinkError::Refused(format!(
                "object {} has no claim {}: it was changed, copied without .livecosmos, or not stored by \
                 livecosmos; restore both or move the object away",
                object.display(),
                path.display()
            ))
        })?;
        Claim::from_bytes(&claim).filter(|claim| claim.key == key).ok_or_else(|| {
            SinkError::Refused(format!(
                "claim {} cannot be read; restore it, or move it and its object away",
                path.display()
            ))
        })
    }

    /// Creates the folder, but not its parent, and the sink's own folders in it.
    pub(super) fn prepare(&self) -> Result<(), SinkError> {
        match uninterrupted(|| rustix::fs::mkdir(&self.root, ALL_THAT_UMASK_LEAVES)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let parent = self.root.parent().unwrap_or(&self.root);
                return Err(SinkError::Fatal(format!(
                    "folder {} cannot be created, because {} does not exist; create that or correct the sink's url",
                    self.root.display(),
                    parent.display()
                )));
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            created => {
                created.map_err(|error| explain("create", &self.root, &error))?;
                tracing::info!("created the folder {}", self.root.display());
            }
        }
        sync_name(&self.root)?;
        self.make_parents(&self.writing().join("any"))
    }

    /// Creates a file twice: the second must fail.
    pub(super) fn probe_links(&self) -> Result<(), SinkError> {
        let slot = Slot::lock(self, "")?;
        self.clear(&slot)?;
        stage(&slot.object, b"livecosmos tries here whether a file is created only where there is none\n")?;
        let probe = self.root.join(OWN_FOLDER).join("probe");
        let again = self.publish(&slot.object, &probe).and_then(|_| self.publish(&slot.object, &probe));
        self.clear(&slot)?;
        if again? {
            return Err(SinkError::Fatal(format!(
                "{} was created over itself; choose a folder on a file system with hard links",
                probe.display()
            )));
        }
        Ok(())
    }

    /// Clears every slot in which something was left and nobody is at work.
    pub(super) fn clear_leftovers(&self) -> Result<(), SinkError> {
        let writing = self.writing();
        let entries = fs::read_dir(&writing).map_err(|error| explain("read", &writing, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| explain("read", &writing, &error))?.path();
            if path.extension().is_none_or(|extension| extension == "lock") {
                continue;
            }
            if let Some(slot) = Slot::try_lock(&path.with_extension("lock"))? {
                self.clear(&slot)?;
            }
        }
        Ok(())
    }

    /// Creates the folders between the root and `path`, and makes their names durable. Another process
    /// may have created one and been killed before it synced it, so what exists is synced once as well.
    fn make_parents(&self, path: &Path) -> Result<(), SinkError> {
        let below = path.parent().and_then(|parent| parent.strip_prefix(&self.root).ok());
        let mut folder = self.root.clone();
        for part in below.into_iter().flat_map(Path::components) {
            folder.push(part);
            if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&folder) {
                continue;
            }
            match uninterrupted(|| rustix::fs::mkdir(&folder, ALL_THAT_UMASK_LEAVES)) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Err(not_prepared(&self.root)),
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(explain("create", &folder, &error));
                }
                _ => sync_name(&folder)?,
            }
            self.remember(folder.clone());
        }
        Ok(())
    }

    fn remember(&self, folder: PathBuf) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= FOLDERS_KNOWN_MAX {
            known.clear();
        }
        known.insert(folder);
    }

    fn forget_folders(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn writing(&self) -> PathBuf {
        self.root.join(OWN_FOLDER).join("writing")
    }
}

/// One of 256 places in which a put is prepared; holding it is the right to work in it.
struct Slot {
    claim: PathBuf,
    object: PathBuf,
    /// Open as long as the slot is held; the kernel releases it however the process ends.
    _lock: File,
}

impl Slot {
    /// Waits for the slot of `key`.
    fn lock(folder: &Folder, key: &str) -> Result<Self, SinkError> {
        let name = &claim::sha256(key.as_bytes())[..2];
        let path = folder.writing().join(format!("{name}.lock"));
        let file = open_lock(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => not_prepared(&folder.root),
            _ => explain("open", &path, &error),
        })?;
        file.lock().map_err(|error| explain_lock_or_link("lock", &path, &error))?;
        Ok(Self::held(&path, file))
    }

    /// Takes the slot of a lock file unless it is held.
    fn try_lock(path: &Path) -> Result<Option<Self>, SinkError> {
        let file = open_lock(path).map_err(|error| explain("open", path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self::held(path, file))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(explain_lock_or_link("lock", path, &error)),
        }
    }

    fn held(path: &Path, lock: File) -> Self {
        Self { claim: path.with_extension("claim"), object: path.with_extension("object"), _lock: lock }
    }
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).open(path)
}

/// Writes a temporary file and makes its content durable.
fn stage(path: &Path, bytes: &[u8]) -> Result<(), SinkError> {
    let written = OpenOptions::new().create_new(true).write(true).open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|error| explain("write", path, &error))
}

/// Makes the name of `path` durable, by syncing the folder it is in.
fn sync_name(path: &Path) -> Result<(), SinkError> {
    let parent = path.parent().unwrap_or(path);
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(|error| explain("sync", parent, &error))
}

/// Digest of a file of any size; `None` where there is none.
fn sha256_of(path: &Path) -> Result<Option<String>, SinkError> {
    match File::open(path).and_then(claim::sha256_of_reader) {
        Ok(sha256) => Ok(Some(sha256)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(explain("read", path, &error)),
    }
}

/// The bytes of a claim; `None` where there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, SinkError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(explain("read", path, &error)),
    }
}

fn exists(path: &Path) -> Result<bool, SinkError> {
    path.try_exists().map_err(|error| explain("look at", path, &error))
}

/// A signal that cuts a call off says nothing of the disk; the standard library repeats only some calls itself.
fn uninterrupted<T>(call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    Ok(rustix::io::retry_on_intr(call)?)
}

fn remove(path: &Path) -> Result<(), SinkError> {
    match uninterrupted(|| rustix::fs::unlink(path)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(explain("remove", path, &error)),
        _ => Ok(()),
    }
}

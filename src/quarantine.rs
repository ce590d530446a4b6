//! Rows that cannot be sent, kept readable with the reason: one JSON object a line.

mod entry;
mod rewrite;

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use livecosmos_state::{TableName, Time};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::source::Reject;

pub use entry::Entry;
pub(crate) use entry::REFUSED;

/// The file of a table grows to this at most, unless the configuration says otherwise.
pub const BYTES_MAX_DEFAULT: u64 = 64 << 20;

/// A table's rejected rows. A row that is read again, after a crash or for a site that failed, is
/// kept once.
///
/// After a disk failed to make them durable, what it holds is not known: nothing more is kept, and
/// [`Quarantine::sync`] fails, until the quarantine is opened again. The file is cut back to what was
/// durable before, so that the rows behind it are kept anew then.
#[derive(Debug)]
pub struct Quarantine {
    path: PathBuf,
    file: Option<File>,
    known: HashSet<Box<str>>,
    bytes: u64,
    bytes_max: u64,
    /// What it held at the last checkpoint.
    bytes_at_checkpoint: u64,
    /// What is left of the file when a sync fails.
    bytes_synced: u64,
    unsynced: bool,
    /// A sync failed.
    is_broken: bool,
    /// Writes to a file, and makes it durable; tests put a disk here that fails or is full.
    write_file: fn(&mut File, &[u8]) -> std::io::Result<()>,
    sync_file: fn(&File) -> std::io::Result<()>,
}

/// Why a row could not be put into quarantine.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// What is there cannot be read.
    #[error("cannot read the quarantine {path}: {error}; give this user access to it, or name the right --state-dir", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A link, which may lead to a file of somebody else, or no file at all.
    #[error(
        "the quarantine {path} is no regular file but a link or something else; put the file itself there, or move \
         it away",
        path = path.display()
    )]
    NoFile {
        /// What is in its place.
        path: PathBuf,
    },
    /// The file system says no.
    #[error("cannot write the quarantine {path}: {error}; rows that cannot be sent are kept there", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The quota is reached.
    #[error(
        "the quarantine {path} has reached its {bytes_max} bytes; see why so many rows cannot be sent and mend \
         that, requeue or drop older ones with 'livecosmos quarantine', or raise quarantine_max",
        path = path.display()
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// Its quota.
        bytes_max: u64,
    },
    /// An earlier sync failed.
    #[error(
        "the quarantine {path} could not be made durable and is not written any more; check its disk, and start \
         again",
        path = path.display()
    )]
    Broken {
        /// The file.
        path: PathBuf,
    },
}

impl Quarantine {
    /// The quarantine of `table` in `dir`; its file is made with the first row.
    ///
    /// # Errors
    /// [`QuarantineError::Unreadable`] when there is a file that cannot be read, and
    /// [`QuarantineError::NoFile`] when it is none.
    pub fn open(dir: &Path, table: &TableName) -> Result<Self, QuarantineError> {
        let mut quarantine = Self {
            path: path_of(dir, table),
            file: None,
            known: HashSet::new(),
            bytes: 0,
            bytes_max: BYTES_MAX_DEFAULT,
            bytes_at_checkpoint: 0,
            bytes_synced: 0,
            unsynced: false,
            is_broken: false,
            write_file: File::write_all,
            sync_file: File::sync_all,
        };
        match open_regular(&quarantine.path, OpenOptions::new().read(true)) {
            Ok(file) => quarantine.recall(file).map_err(|error| unreadable(&quarantine.path, error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(&quarantine.path, error)),
        }
        Ok(quarantine)
    }

    /// The same, with another quota.
    #[must_use]
    pub fn with_bytes_max(self, bytes_max: u64) -> Self {
        Self { bytes_max, ..self }
    }

    /// Keeps a rejected row; durable after the next [`Quarantine::sync`].
    ///
    /// # Errors
    /// [`QuarantineError`]; the row is then not done and its source must not be covered.
    pub fn keep(&mut self, reject: &Reject, now: Time) -> Result<(), QuarantineError> {
        if self.is_broken {
            return Err(self.broken());
        }
        if self.known.contains(reject.identity.as_str()) {
            return Ok(());
        }
        let mut line = Entry::of(reject, now).to_line().map_err(|error| self.failed(error))?;
        line.push(b'\n');
        if self.bytes + line.len() as u64 > self.bytes_max {
            return Err(QuarantineError::Full { path: self.path.clone(), bytes_max: self.bytes_max });
        }
        tracing::warn!(position = %reject.position, reason = %reject.reason, quarantine = %self.path.display(),
            "row put into quarantine");
        self.append(&line).map_err(|error| self.failed(error))?;
        self.known.insert(reject.identity.as_str().into());
        Ok(())
    }

    /// The identities of all rows in it.
    pub fn identities(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(AsRef::as_ref)
    }

    /// Makes durable what was kept.
    ///
    /// # Errors
    /// [`QuarantineError::Io`] the first time, and [`QuarantineError::Broken`] from then on.
    pub fn sync(&mut self) -> Result<(), QuarantineError> {
        if self.is_broken {
            return Err(self.broken());
        }
        if !self.unsynced {
            return Ok(());
        }
        let synced = match &self.file {
            Some(file) => (self.sync_file)(file),
            None => open_regular(&self.path, OpenOptions::new().read(true))
                .and_then(|file| (self.sync_file)(&file)),
        };
        if let Err(error) = synced.and_then(|()| sync_parent(&self.path)) {
            self.give_up();
            return Err(self.failed(error));
        }
        self.bytes_synced = self.bytes;
        self.unsynced = false;
        Ok(())
    }

    /// Whether what was kept since the last checkpoint takes as much as there is left. A quarantine that
    /// becomes full has then next to nothing in it that its source does not count as done: once an operator
    /// has emptied it, what it held does not come back to fill it again.
    #[must_use]
    pub fn is_checkpoint_due(&self) -> bool {
        let kept = self.bytes.saturating_sub(self.bytes_at_checkpoint);
        kept > 0 && kept >= self.bytes_max.saturating_sub(self.bytes)
    }

    /// There was a checkpoint: whether it could cover anything or not, the next one waits for more.
    pub fn note_checkpoint(&mut self) {
        self.bytes_at_checkpoint = self.bytes;
    }

    /// Whether all rows that were kept are durable.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        !self.unsynced && !self.is_broken
    }

    /// After a failed sync the system may drop what it could not write and still show it: a second sync
    /// would succeed, and a later look find rows that a power cut takes away. So they are cut off.
    fn give_up(&mut self) {
        self.is_broken = true;
        self.file = None;
        let cut = open_regular(&self.path, OpenOptions::new().write(true));
        if let Err(error) = cut.and_then(|file| file.set_len(self.bytes_synced)) {
            tracing::error!(quarantine = %self.path.display(), %error, bytes = self.bytes_synced,
                "cannot cut the quarantine back to what is durable");
        }
    }

    fn recall(&mut self, file: File) -> std::io::Result<()> {
        self.bytes = file.metadata()?.len();
        (self.bytes_synced, self.bytes_at_checkpoint) = (self.bytes, self.bytes);
        // Rows that a killed process kept may not be on the disk yet, and count as kept from here on.
        self.unsynced = self.bytes > 0;
        for line in BufReader::new(file).split(b'\n') {
            // A line torn by a crash is no entry: its row is kept again.
            if let Some(entry) = Entry::from_line(&line?) {
                self.known.insert(entry.identity.into());
            }
        }
        Ok(())
    }

    fn append(&mut self, line: &[u8]) -> std::io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.open_for_append()?,
        };
        self.unsynced = true;
        if let Err(error) = (self.write_file)(&mut file, line) {
            // A full disk takes half a line. Where it cannot be cut off, the next entry begins behind it.
            let _ = file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes += line.len() as u64;
        self.file = Some(file);
        Ok(())
    }

    fn open_for_append(&mut self) -> std::io::Result<File> {
        let file = open_for_append(&self.path)?;
        self.bytes = file.metadata()?.len();
        Ok(file)
    }

    fn broken(&self) -> QuarantineError {
        QuarantineError::Broken { path: self.path.clone() }
    }

    fn failed(&self, error: std::io::Error) -> QuarantineError {
        unwritable(&self.path, error)
    }
}

/// Where lines that are no entries are put out of the way.
#[must_use]
pub fn damaged_path_of(path: &Path) -> PathBuf {
    path.with_extension("ndjson.damaged")
}

/// Where the quarantine of `table` lies.
#[must_use]
pub fn path_of(dir: &Path, table: &TableName) -> PathBuf {
    dir.join(format!("{table}.quarantine.ndjson"))
}

/// Opens `path` if it is a regular file itself: what a link leads to is somebody else's.
fn open_regular(path: &Path, options: &mut OpenOptions) -> std::io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = options.custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(Errno::LOOP.into()) }
}

/// Ends a torn last line, so that the next one is a line of its own.
fn open_for_append(path: &Path) -> std::io::Result<File> {
    let mut file = open_regular(path, OpenOptions::new().create(true).read(true).append(true).mode(0o600))?;
    if ends_torn(&file, file.metadata()?.len())? {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

fn unreadable(path: &Path, error: std::io::Error) -> QuarantineError {
    let path = path.to_owned();
    if is_no_file(&error) {
        QuarantineError::NoFile { path }
    } else {
        QuarantineError::Unreadable { path, error }
    }
}

fn unwritable(path: &Path, error: std::io::Error) -> QuarantineError {
    let path = path.to_owned();
    if is_no_file(&error) { QuarantineError::NoFile { path } } else { QuarantineError::Io { path, error } }
}

/// As [`open_regular`] says it, and the system of a link.
fn is_no_file(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

fn ends_torn(file: &File, bytes: u64) -> std::io::Result<bool> {
    let Some(last) = bytes.checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}

fn sync_parent(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests;

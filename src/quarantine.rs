//! Rows that cannot be sent, kept readable with the reason: one JSON object a line.

mod entry;
mod rewrite;

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use livecosmos_state::{TableName, Time};

use crate::source::Reject;

pub use entry::Entry;

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
    /// [`QuarantineError::Io`] when there is a file that cannot be read.
    pub fn open(dir: &Path, table: &TableName) -> Result<Self, QuarantineError> {
        let mut quarantine = Self {
            path: path_of(dir, table),
            file: None,
            known: HashSet::new(),
            bytes: 0,
            bytes_max: BYTES_MAX_DEFAULT,
            bytes_synced: 0,
            unsynced: false,
            is_broken: false,
            write_file: File::write_all,
            sync_file: File::sync_all,
        };
        match File::open(&quarantine.path) {
            Ok(file) => quarantine.recall(file).map_err(|error| quarantine.failed(error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(quarantine.failed(error)),
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
            None => File::open(&self.path).and_then(|file| (self.sync_file)(&file)),
        };
        if let Err(error) = synced.and_then(|()| sync_parent(&self.path)) {
            self.give_up();
            return Err(self.failed(error));
        }
        self.bytes_synced = self.bytes;
        self.unsynced = false;
        Ok(())
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
        let cut = OpenOptions::new().write(true).open(&self.path);
        if let Err(error) = cut.and_then(|file| file.set_len(self.bytes_synced)) {
            tracing::error!(quarantine = %self.path.display(), %error, bytes = self.bytes_synced,
                "cannot cut the quarantine back to what is durable");
        }
    }

    fn recall(&mut self, file: File) -> std::io::Result<()> {
        self.bytes = file.metadata()?.len();
        self.bytes_synced = self.bytes;
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

    /// Ends a torn last line, so that the next entry begins on one of its own.
    fn open_for_append(&mut self) -> std::io::Result<File> {
        let mut file =
            OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&self.path)?;
        self.bytes = file.metadata()?.len();
        if ends_torn(&file, self.bytes)? {
            file.write_all(b"\n")?;
            self.bytes += 1;
        }
        Ok(file)
    }

    fn broken(&self) -> QuarantineError {
        QuarantineError::Broken { path: self.path.clone() }
    }

    fn failed(&self, error: std::io::Error) -> QuarantineError {
        QuarantineError::Io { path: self.path.clone(), error }
    }
}

/// Where the quarantine of `table` lies.
#[must_use]
pub fn path_of(dir: &Path, table: &TableName) -> PathBuf {
    dir.join(format!("{table}.quarantine.ndjson"))
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

//! Rows that cannot be sent, kept readable with the reason: one JSON object a line.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use livecosmos_state::{TableName, Time};
use serde::{Deserialize, Serialize};

use crate::source::Reject;

/// The file of a table grows to this at most.
const QUARANTINE_BYTES_MAX: u64 = 64 << 20;
/// Of a row, this much is kept.
const ROW_BYTES_MAX: usize = 64 << 10;

/// A table's rejected rows. A row that is read again, after a crash or for a site that failed, is
/// kept once.
#[derive(Debug)]
pub struct Quarantine {
    path: PathBuf,
    file: Option<File>,
    known: HashSet<Box<str>>,
    bytes: u64,
    unsynced: bool,
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
        "the quarantine {path} has reached its {QUARANTINE_BYTES_MAX} bytes; look at why so many rows cannot be \
         sent, mend it or move the file away, and start again",
        path = path.display()
    )]
    Full {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Serialize)]
struct Entry<'a> {
    site: Option<&'a str>,
    position: &'a str,
    identity: &'a str,
    reason: &'a str,
    first_seen: String,
    row: &'a str,
}

#[derive(Deserialize)]
struct Known {
    identity: Box<str>,
}

impl Quarantine {
    /// The quarantine of `table` in `dir`; its file is made with the first row.
    ///
    /// # Errors
    /// [`QuarantineError::Io`] when there is a file that cannot be read.
    pub fn open(dir: &Path, table: &TableName) -> Result<Self, QuarantineError> {
        let path = dir.join(format!("{table}.quarantine.ndjson"));
        let mut quarantine = Self { path, file: None, known: HashSet::new(), bytes: 0, unsynced: false };
        match File::open(&quarantine.path) {
            Ok(file) => quarantine.recall(file).map_err(|error| quarantine.failed(error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(quarantine.failed(error)),
        }
        Ok(quarantine)
    }

    /// Keeps a rejected row; durable after the next [`Quarantine::sync`].
    ///
    /// # Errors
    /// [`QuarantineError`]; the row is then not done and its source must not be covered.
    pub fn keep(&mut self, reject: &Reject, now: Time) -> Result<(), QuarantineError> {
        if self.known.contains(reject.identity.as_str()) {
            return Ok(());
        }
        let mut line = serde_json::to_vec(&entry(reject, now)).map_err(|error| self.failed(error.into()))?;
        line.push(b'\n');
        if self.bytes + line.len() as u64 > QUARANTINE_BYTES_MAX {
            return Err(QuarantineError::Full { path: self.path.clone() });
        }
        tracing::warn!(position = %reject.position, reason = %reject.reason, quarantine = %self.path.display(),
            "row put into quarantine");
        self.append(&line).map_err(|error| self.failed(error))?;
        self.bytes += line.len() as u64;
        self.known.insert(reject.identity.as_str().into());
        Ok(())
    }

    /// Makes durable what was kept.
    ///
    /// # Errors
    /// [`QuarantineError::Io`].
    pub fn sync(&mut self) -> Result<(), QuarantineError> {
        if !std::mem::take(&mut self.unsynced) {
            return Ok(());
        }
        let synced = self.file.as_ref().map_or(Ok(()), File::sync_all);
        synced.and_then(|()| sync_parent(&self.path)).map_err(|error| self.failed(error))
    }

    fn recall(&mut self, file: File) -> std::io::Result<()> {
        self.bytes = file.metadata()?.len();
        for line in BufReader::new(file).split(b'\n') {
            // A line torn by a crash is no entry: its row is kept again.
            if let Ok(Known { identity }) = serde_json::from_slice(&line?) {
                self.known.insert(identity);
            }
        }
        Ok(())
    }

    fn append(&mut self, line: &[u8]) -> std::io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.open_for_append()?,
        };
        file.write_all(line)?;
        self.file = Some(file);
        self.unsynced = true;
        Ok(())
    }

    /// Ends a torn last line, so that the next entry begins on one of its own.
    fn open_for_append(&self) -> std::io::Result<File> {
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
        if self.bytes > 0 {
            file.write_all(b"\n")?;
        }
        Ok(file)
    }

    fn failed(&self, error: std::io::Error) -> QuarantineError {
        QuarantineError::Io { path: self.path.clone(), error }
    }
}

fn entry(reject: &Reject, now: Time) -> Entry<'_> {
    let mut end = reject.row.len().min(ROW_BYTES_MAX);
    while !reject.row.is_char_boundary(end) {
        end -= 1;
    }
    Entry {
        site: reject.site.as_deref(),
        position: &reject.position,
        identity: &reject.identity,
        reason: &reject.reason,
        first_seen: now.to_string(),
        row: &reject.row[..end],
    }
}

fn sync_parent(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

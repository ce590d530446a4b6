//! What can go wrong, by what the operator must do about it.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use crate::disk::WriteFailure;
use crate::frame::MAJOR;

/// Why a table's state could not be opened. Nothing was changed, unless it says so.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Neither file can be used. Exit code 65.
    #[error(
        "state file {} is unusable ({primary_why}) and so is its backup {} ({backup_why}); restore one of \
         them from a copy, or make a new state from the sink with 'livecosmos state rebuild'",
        primary.display(), backup.display()
    )]
    Corrupt {
        /// The state file.
        primary: PathBuf,
        /// What is wrong with it, in a few words.
        primary_why: String,
        /// Its backup.
        backup: PathBuf,
        /// What is wrong with that.
        backup_why: String,
    },
    /// A newer release wrote it. Exit code 78.
    #[error(
        "state file {} has format {major}, and this release reads formats up to {}; start the release that \
         wrote it, or a newer one",
        path.display(), MAJOR
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its major version.
        major: u16,
    },
    /// It is the state of another table. Exit code 78.
    #[error(
        "state file {} is not the state of table {asked} but of {found}; move it away or put the right one there",
        path.display()
    )]
    WrongTable {
        /// The file.
        path: PathBuf,
        /// The table it belongs to.
        found: String,
        /// The table that was to be opened.
        asked: String,
    },
    /// The files or their directory are not of a kind on which the promise can be kept. Exit code 78.
    #[error("{} is {what}; {remedy}", path.display())]
    Refused {
        /// The file or directory.
        path: PathBuf,
        /// What it is.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Another process follows this table. Exit code 75.
    #[error(
        "state lock {} is held by {}; stop that livecosmos first",
        path.display(), holder(*pid)
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, where it said so.
        pid: Option<u32>,
    },
    /// A file is there and cannot be read, which is not the same as missing. Exit code 74.
    #[error("state file {} cannot be read ({error}); {}", path.display(), remedy(error))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// The directory, the lock or a file that had to be mended cannot be written. Exit code 74.
    #[error("state path {} cannot be written ({error}); {}", path.display(), remedy(error))]
    Unwritable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        error: Arc<io::Error>,
    },
}

/// Why a commit is not durable.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// There is no room. The files are whole as they were; the edits stay, and the next commit
    /// that succeeds holds them. Exit code 74 if the daemon stops so.
    #[error("state file {} cannot be written ({error}); {}", path.display(), remedy(error))]
    Full {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// It cannot be written, and the store refuses all further commits. Exit code 74.
    #[error("state file {} cannot be written ({error}, attempt {attempts}); {}", path.display(), remedy(error))]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// How often it was tried.
        attempts: u32,
        /// What the system said of the last attempt.
        error: Arc<io::Error>,
    },
    /// The record outgrew the format, and the store refuses all further commits. Exit code 74.
    #[error(
        "state file {} would hold {bytes} bytes, more than the {bytes_max} its format allows; follow fewer \
         sites per table, or look back less far",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes of the payload.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// So many edits wait for the disk that no more are taken; this one was not applied.
    #[error("{queued_max} edits of the state wait for the disk already; try again when some are written")]
    QueueFull {
        /// The limit.
        queued_max: usize,
    },
    /// The writer has ended; this edit was not applied, or is not known to be durable.
    #[error("the state's writer has ended; start the daemon again")]
    Stopped,
}

impl CommitError {
    pub(crate) fn of(failure: WriteFailure, path: PathBuf) -> Self {
        match failure {
            WriteFailure::Full(error) => Self::Full { path, error: Arc::new(error) },
            WriteFailure::Final { attempts, source } => {
                Self::Unwritable { path, attempts, error: Arc::new(source) }
            }
        }
    }

    /// True where the same commit may succeed later.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }
}

impl OpenError {
    pub(crate) fn unwritable(path: impl Into<PathBuf>, error: io::Error) -> Self {
        Self::Unwritable { path: path.into(), error: Arc::new(error) }
    }
}

impl From<WriteFailure> for io::Error {
    fn from(failure: WriteFailure) -> Self {
        match failure {
            WriteFailure::Full(source) | WriteFailure::Final { source, .. } => source,
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull => "free some room on its file system",
        ErrorKind::QuotaExceeded => "free some room or raise the quota of the daemon's user",
        ErrorKind::ReadOnlyFilesystem => "mount its file system read-write, or choose another --state-dir",
        ErrorKind::PermissionDenied => "give the daemon's user access to it, or choose another --state-dir",
        ErrorKind::NotADirectory | ErrorKind::NotFound => "choose a --state-dir that is a directory",
        _ => "look for disk errors in the system's log, then start again",
    }
}

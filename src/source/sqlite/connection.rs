//! The connection to the database: read-only, with the functions and tables a pass needs.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use livecosmos_state::SiteId;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::catalogue::Table;
use super::instant::InstantReader;
use super::reading::Reading;
use super::sql;
use crate::source::{Pass, SourceError, Start, Stopped, TableShape};

/// How long a statement waits for a lock before the database counts as locked.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Why reading came to an end before its time.
#[derive(Debug)]
pub(super) enum Halt {
    /// `SQLite` failed; [`Link`] makes a message of it that names the file.
    Sql(rusqlite::Error),
    /// Anything that is worded already.
    Source(SourceError),
}

impl From<rusqlite::Error> for Halt {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<SourceError> for Halt {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<Stopped> for Halt {
    fn from(stopped: Stopped) -> Self {
        Self::Source(stopped.into())
    }
}

/// An open database.
#[derive(Debug)]
pub(super) struct Link {
    connection: Connection,
    path: PathBuf,
    /// Device and inode: `SQLite` would go on reading a file that was replaced.
    file: (u64, u64),
    complete: Option<Complete>,
}

/// The last pass, where it left nothing behind.
#[derive(Debug, PartialEq, Eq)]
struct Complete {
    /// `SQLite`'s counter of what other connections commit.
    data_version: i64,
    only: Option<BTreeSet<SiteId>>,
}

impl Link {
    /// Opens the database at `path` for reading.
    pub(super) fn open(path: &Path, instants: &InstantReader) -> Result<Self, SourceError> {
        let file = identity(path).map_err(|error| unreadable(path, &error))?;
        std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .and_then(|connection| prepare(&connection, instants).map(|()| connection))
            .map_err(|error| failed(path, &error))?;
        Ok(Self { connection, path: path.to_owned(), file, complete: None })
    }

    /// Whether the file at the path is still the one that is open.
    pub(super) fn is_current(&self) -> bool {
        identity(&self.path).is_ok_and(|file| file == self.file)
    }

    /// Confirms table and columns.
    pub(super) fn confirm(&self, shape: &TableShape) -> Result<(), SourceError> {
        Table::find(&self.connection, shape).map(drop).map_err(|halt| self.worded(halt))
    }

    /// Makes one pass, in one read transaction.
    pub(super) fn read(&mut self, reading: Reading<'_>) -> Result<Pass, SourceError> {
        self.read_snapshot(reading).map_err(|halt| self.worded(halt))
    }

    fn read_snapshot(&mut self, reading: Reading<'_>) -> Result<Pass, Halt> {
        let snapshot = self.connection.unchecked_transaction()?;
        let data_version = snapshot.query_row("PRAGMA main.data_version", [], |row| row.get(0))?;
        let start: &Start = reading.start();
        let now_at = Complete { data_version, only: start.only.clone() };
        if !start.behind && self.complete.as_ref() == Some(&now_at) {
            return Ok(Pass::default());
        }
        let (pass, left_something) = reading.run(&snapshot)?;
        drop(snapshot);
        self.complete = (!left_something).then_some(now_at);
        Ok(pass)
    }

    fn worded(&self, halt: Halt) -> SourceError {
        match halt {
            Halt::Source(SourceError::Config(message)) => {
                SourceError::Config(format!("{}: {message}", self.path.display()))
            }
            Halt::Source(SourceError::Unavailable(message)) => {
                SourceError::Unavailable(format!("{}: {message}", self.path.display()))
            }
            Halt::Source(error) => error,
            Halt::Sql(error) => failed(&self.path, &error),
        }
    }
}

/// The database is opened read-only; `query_only` would bar the temporary tables of positions too.
fn prepare(connection: &Connection, instants: &InstantReader) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Views and generated columns of a database of others call no function that could do harm.
    connection.pragma_update(None, "trusted_schema", false)?;
    let instants = instants.clone();
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function(sql::SORT_KEY_FUNCTION, 1, flags, move |context| {
        Ok(instants.sort_key(context.get_raw(0)))
    })?;
    connection.execute_batch(sql::TEMPORARY_TABLES)
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn unreadable(path: &Path, error: &std::io::Error) -> SourceError {
    let path = path.display();
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        return SourceError::Denied(format!("database {path} may not be read by this user; let it be read"));
    }
    SourceError::Unavailable(format!("database {path} cannot be read: {error}; put it back"))
}

/// Says what happened to the database, by what the operator must do.
fn failed(path: &Path, error: &rusqlite::Error) -> SourceError {
    let path = path.display();
    let message = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!(
                "database {path} is locked by another process; it is tried again, or use journal_mode = WAL there"
            )
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => format!(
            "database {path} is damaged or no SQLite database ({error}); restore it, or run 'PRAGMA integrity_check' on it"
        ),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => format!(
            "database {path} cannot be opened for reading ({error}); in WAL mode its folder must be writable, or its \
             -shm file must exist"
        ),
        Some(ErrorCode::OutOfMemory | ErrorCode::DiskFull) => {
            format!("database {path}: no room to sort rows ({error}); make room in SQLITE_TMPDIR or /var/tmp")
        }
        _ => format!("database {path} cannot be read ({error}); it is tried again"),
    };
    SourceError::Unavailable(message)
}

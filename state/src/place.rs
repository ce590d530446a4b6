//! Where a table's state lives: its paths, its directory and its lock.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::OFlags;

use crate::disk::{self, Disk};
use crate::error::OpenError;
use crate::name::TableName;

const PRIMARY_SUFFIX: &str = ".state";
const BACKUP_SUFFIX: &str = ".state.backup";
const TEMP_SUFFIX: &str = ".state.tmp";
const LOCK_SUFFIX: &str = ".state.lock";
const UNDO_SUFFIX: &str = ".state.undo";
const UNDO_NEXT_SUFFIX: &str = ".state.undo.next";
/// No process id is longer. The lock file always has this length: it is overwritten and never cut, so
/// that taking the lock waits for no disk.
const PID_BYTES: usize = 20;

/// The files of one table.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    pub(crate) dir: PathBuf,
    pub(crate) primary: PathBuf,
    pub(crate) backup: PathBuf,
    pub(crate) temp: PathBuf,
    pub(crate) lock: PathBuf,
    /// The state before it was last replaced as a whole.
    pub(crate) undo: PathBuf,
    /// The state that is being replaced: becomes `undo` if that succeeds.
    pub(crate) undo_next: PathBuf,
}

impl Paths {
    pub(crate) fn new(dir: &Path, table: &TableName) -> Self {
        let file = |suffix: &str| dir.join(format!("{table}{suffix}"));
        Self {
            dir: dir.to_owned(),
            primary: file(PRIMARY_SUFFIX),
            backup: file(BACKUP_SUFFIX),
            temp: file(TEMP_SUFFIX),
            lock: file(LOCK_SUFFIX),
            undo: file(UNDO_SUFFIX),
            undo_next: file(UNDO_NEXT_SUFFIX),
        }
    }
}

/// The tables that have a state file or a backup in `dir`, in order.
///
/// # Errors
/// Those of reading the directory, [`ErrorKind::NotFound`] when it is missing.
pub fn tables(dir: &Path) -> io::Result<Vec<TableName>> {
    let mut tables = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        let stem = name.strip_suffix(BACKUP_SUFFIX).or_else(|| name.strip_suffix(PRIMARY_SUFFIX));
        tables.extend(stem.and_then(|stem| TableName::parse(stem).ok()));
    }
    tables.sort();
    tables.dedup();
    Ok(tables)
}

/// Makes `dir` and those above it where they are missing, durably.
pub(crate) fn make_dirs(disk: &dyn Disk, dir: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::unwritable(dir, error);
    let above = match dir.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    match disk.make_dir(dir) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // It may have been made just before a crash. Where the directory above may not be read,
            // it was not this daemon that made it.
            return match disk.sync_dir(above) {
                Err(error) if error.kind() != ErrorKind::PermissionDenied => Err(failed(error)),
                _ => Ok(()),
            };
        }
        Err(error) if error.kind() == ErrorKind::NotFound && above != dir => {
            make_dirs(disk, above)?;
            disk.make_dir(dir).map_err(failed)?;
        }
        made => made.map_err(failed)?,
    }
    disk.sync_dir(above).map_err(failed)
}

/// What a directory's file system means for a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// Keeps what it is given.
    Durable,
    /// Is empty after a reboot.
    Volatile,
    /// Its syncs and locks are another machine's word.
    Network(&'static str),
}

/// Asks the system on what `dir` lies.
pub(crate) fn medium(dir: &Path) -> Result<Medium, OpenError> {
    let stat = disk::uninterrupted(|| Ok(rustix::fs::statfs(dir)?))
        .map_err(|error| OpenError::unwritable(dir, error))?;
    // The numbers are 32 bits wide; the field's width and sign differ between machines.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
    let magic = stat.f_type as u32;
    Ok(medium_of(magic))
}

/// Magic numbers of Linux, `statfs(2)` and `linux/magic.h`.
fn medium_of(magic: u32) -> Medium {
    match magic {
        0x0102_1994 | 0x8584_58f6 => Medium::Volatile,
        0x0000_6969 => Medium::Network("NFS"),
        0x0000_517b | 0xff53_4d42 | 0xfe53_4d42 => Medium::Network("SMB"),
        0x6573_5546 => Medium::Network("FUSE"),
        0x0102_1997 => Medium::Network("9P"),
        0x00c3_6400 => Medium::Network("Ceph"),
        0x5346_414f | 0x6b41_4653 => Medium::Network("AFS"),
        0x7375_7245 => Medium::Network("Coda"),
        0x4750_4653 => Medium::Network("GPFS"),
        0x0bd0_0bd0 => Medium::Network("Lustre"),
        _ => Medium::Durable,
    }
}

/// The right to write one table's state, until dropped or until the process ends, however it ends.
///
/// Its file is never renamed, replaced or removed: two processes would then lock two files.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    pub(crate) fn acquire(path: &Path) -> Result<Self, OpenError> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let mut opening = OpenOptions::new();
        opening.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
        let mut file = opening.open(path).map_err(|error| refused_or_unwritable(path, error))?;
        let is_free = disk::uninterrupted(|| match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        });
        if !is_free.map_err(|error| OpenError::unwritable(path, error))? {
            return Err(OpenError::Locked { path: path.to_owned(), pid: read_pid(&file) });
        }
        // The lock holds without it: the process id only serves the message of the one that is refused.
        let _ = file.write_all(format!("{:<PID_BYTES$}", process::id()).as_bytes());
        Ok(Self { _file: file })
    }
}

fn read_pid(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES as u64).read_to_string(&mut text).ok()?;
    text.trim_end().parse().ok()
}

fn refused_or_unwritable(path: &Path, error: io::Error) -> OpenError {
    if disk::is_no_regular_file(&error) { no_regular_file(path) } else { OpenError::unwritable(path, error) }
}

pub(crate) fn no_regular_file(path: &Path) -> OpenError {
    OpenError::Refused {
        path: path.to_owned(),
        what: "no regular file but a link or something else".to_owned(),
        remedy: "put the file itself there, or choose another --state-dir",
    }
}

pub(crate) fn network(dir: &Path, kind: &str) -> OpenError {
    OpenError::Refused {
        path: dir.to_owned(),
        what: format!("on a network file system ({kind}), which may acknowledge what it then loses"),
        remedy: "choose a --state-dir on a local disk, or allow network file systems for it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_from_local_ones() {
        assert_eq!(medium_of(0x6969), Medium::Network("NFS"));
        assert_eq!(medium_of(0xff53_4d42), Medium::Network("SMB"));
        assert_eq!(medium_of(0xef53), Medium::Durable);
        assert_eq!(medium_of(0x0102_1994), Medium::Volatile);
    }

    #[test]
    fn a_refused_network_file_system_is_named_with_the_way_out() {
        let message = network(Path::new("/mnt/x"), "NFS").to_string();
        assert_eq!(
            message,
            "/mnt/x is on a network file system (NFS), which may acknowledge what it then loses; choose a \
             --state-dir on a local disk, or allow network file systems for it"
        );
    }

    #[test]
    fn a_shared_memory_directory_is_volatile() {
        let shm = Path::new("/dev/shm");
        if shm.exists() {
            assert_eq!(medium(shm).unwrap(), Medium::Volatile);
        }
    }
}

//! The file system as the store uses it, and the one spelling of a durable replace.

use std::fmt::Debug;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// A write that failed with an I/O error is tried this often, each time with a new file.
pub(crate) const WRITE_TRIES_MAX: u32 = 3;
/// Only the daemon's user reads the state: object keys tell where the stations are.
const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// The file system as the store uses it: the seam at which tests inject faults.
///
/// Nothing is durable before it was synced: the bytes of a file by [`NewFile::sync`] or
/// [`Disk::sync`], its name by [`Disk::replace`] or [`Disk::sync_dir`].
pub trait Disk: Debug + Send + Sync {
    /// Makes one directory that only its owner may enter.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] when something has that name, [`ErrorKind::NotFound`] when the
    /// directory above is missing.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes durable which names `dir` holds.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// The first `bytes_max` bytes of a regular file.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] only when nothing has that name. A symbolic link is not followed, a
    /// pipe or device not waited for: both are errors.
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>>;

    /// Makes a new, empty file that only its owner may read, in place of what had its name.
    ///
    /// It is a new file also where an old one is in the way: what was written to that one, or failed
    /// to be, has no part in it.
    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>>;

    /// Gives the file `temp` the name `target`, in place of what had it, and syncs the directory of
    /// both.
    fn replace(&self, temp: &Path, target: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes durable the bytes of a file that is there.
    fn sync(&self, path: &Path) -> io::Result<()>;
}

/// A file that is being written.
pub trait NewFile {
    /// Appends `bytes`.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes all that was written durable, and closes the file.
    ///
    /// It takes the file, because after a sync that failed the kernel may drop the bytes and report
    /// a second sync of the same descriptor as a success.
    fn sync(self: Box<Self>) -> io::Result<()>;
}

/// The operating system's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        uninterrupted(|| DirBuilder::new().mode(DIR_MODE).create(dir))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        open_regular(path)?.take(bytes_max).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        // O_EXCL never follows a link and never opens a file that was there.
        let create_new = || OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path);
        let file = match create_new() {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.remove(path)?;
                create_new()
            }
            made => made,
        };
        Ok(Box::new(RealFile(file?)))
    }

    fn replace(&self, temp: &Path, target: &Path) -> io::Result<()> {
        atomicwrites::replace_atomic(temp, target)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        uninterrupted(|| std::fs::remove_file(path))
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        open_regular(path)?.sync_all()
    }
}

struct RealFile(File);

impl NewFile for RealFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(self: Box<Self>) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// Repeats `call` while a signal cuts it off, which says nothing of the disk. The standard library does so
/// itself where a file is opened, read, written or synced, and nowhere else.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            settled => return settled,
        }
    }
}

/// Opens `path` for reading if it is a regular file itself.
fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if uninterrupted(|| file.metadata())?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"))
}

/// True where `error` says that the path itself is no regular file: a link, a pipe, a directory.
pub(crate) fn is_no_regular_file(error: &io::Error) -> bool {
    error.kind() == ErrorKind::InvalidInput || error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// True where `error` is the medium's: the sector that holds the bytes is gone.
pub(crate) fn is_medium_error(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

/// Why a file could not be replaced, by what follows from it.
#[derive(Debug)]
pub(crate) enum WriteFailure {
    /// There is no room now; there may be later.
    Full(io::Error),
    /// Trying again is of no use.
    Final { attempts: u32, source: io::Error },
}

/// Replaces the file `target` by one that holds `bytes`, durably.
///
/// A crash at any point leaves the old file or the new one, whole, and perhaps a file `temp` in the
/// same directory. After a failure `target` is the old one or, where only the last sync failed, the
/// new one.
pub(crate) fn replace_durably(
    disk: &dyn Disk,
    temp: &Path,
    target: &Path,
    bytes: &[u8],
) -> Result<(), WriteFailure> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let Err(source) = try_replace(disk, temp, target, bytes) else {
            return Ok(());
        };
        // It may hold the last free blocks. If this fails too, the next write or open removes it.
        let _ = disk.remove(temp);
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => return Err(WriteFailure::Full(source)),
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
                return Err(WriteFailure::Final { attempts, source });
            }
            _ if attempts == WRITE_TRIES_MAX => return Err(WriteFailure::Final { attempts, source }),
            _ => {}
        }
    }
}

fn try_replace(disk: &dyn Disk, temp: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = disk.create(temp)?;
    file.write_all(bytes)?;
    file.sync()?;
    disk.replace(temp, target)
}

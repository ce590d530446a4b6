//! Looking at a quarantine, and taking rows out of it: the file is replaced by one without them.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::path::Path;

use livecosmos_state::{Disk as _, NewFile, RealDisk};

use super::entry::Entry;
use super::{
    Quarantine, QuarantineError, damaged_path_of, open_for_append, open_regular, sync_parent, unreadable,
    unwritable,
};

/// Lines are written in pieces of about this size.
const PIECE_BYTES: usize = 1 << 20;

impl Quarantine {
    /// Calls `look` with each entry of the file at `path`, in their order. Takes no lock: what a daemon
    /// keeps meanwhile is seen or not. A file that does not exist holds nothing. Returns how many lines are
    /// no entries: torn by a crash, or somebody else's.
    ///
    /// # Errors
    /// [`QuarantineError::Unreadable`], and [`QuarantineError::NoFile`].
    pub fn look_at(path: &Path, mut look: impl FnMut(Entry)) -> Result<u64, QuarantineError> {
        let failed = |error| unreadable(path, error);
        let file = match open_to_read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            opened => opened.map_err(failed)?,
        };
        let mut unreadable_lines = 0;
        for line in BufReader::new(file).split(b'\n') {
            match Entry::from_line(&line.map_err(failed)?) {
                Some(entry) => look(entry),
                None => unreadable_lines += 1,
            }
        }
        Ok(unreadable_lines)
    }

    /// Its entries, in the order in which they were kept.
    ///
    /// # Errors
    /// [`QuarantineError::Unreadable`], and [`QuarantineError::NoFile`].
    pub fn entries(&self) -> Result<Vec<Entry>, QuarantineError> {
        let mut entries = Vec::new();
        Self::look_at(&self.path, |entry| entries.push(entry))?;
        Ok(entries)
    }

    /// Replaces the file by what `edit` makes of each entry, durably; `None` takes it out. What is no
    /// entry stays as it is. Returns how many were taken out.
    ///
    /// After a crash the file is the old one or the new one, whole.
    ///
    /// # Errors
    /// [`QuarantineError::Io`]; the file is then as it was.
    pub fn edit(&mut self, edit: impl FnMut(Entry) -> Option<Entry>) -> Result<usize, QuarantineError> {
        self.edit_file(edit, false)
    }

    /// The same, but what is no entry is taken out as well. Such lines are appended to the file at
    /// [`damaged_path_of`] first, durably; where that is cut short, they stand in both, and then there twice.
    ///
    /// # Errors
    /// [`QuarantineError::Io`]; the file is then as it was.
    pub fn edit_and_set_aside(
        &mut self,
        edit: impl FnMut(Entry) -> Option<Entry>,
    ) -> Result<usize, QuarantineError> {
        self.edit_file(edit, true)
    }

    fn edit_file(
        &mut self,
        edit: impl FnMut(Entry) -> Option<Entry>,
        sets_aside: bool,
    ) -> Result<usize, QuarantineError> {
        if self.is_broken {
            return Err(self.broken());
        }
        let old = match open_to_read(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            opened => opened.map_err(|error| unreadable(&self.path, error))?,
        };
        self.file = None;
        let replaced = self.replace(old, edit, sets_aside);
        // Of the file that is there now, nothing is taken for granted.
        self.known.clear();
        let recalled = open_to_read(&self.path).and_then(|file| self.recall(file));
        let taken = replaced?;
        recalled.map_err(|error| unreadable(&self.path, error))?;
        self.unsynced = false;
        Ok(taken)
    }

    fn replace(
        &self,
        old: File,
        mut edit: impl FnMut(Entry) -> Option<Entry>,
        sets_aside: bool,
    ) -> Result<usize, QuarantineError> {
        let failed = |error| self.failed(error);
        let temp = self.path.with_extension("ndjson.temp");
        let mut new = RealDisk.create(&temp).map_err(failed)?;
        let mut aside = Aside { path: &damaged_path_of(&self.path), file: None };
        let mut taken = 0;
        let mut piece = Vec::new();
        for line in BufReader::new(old).split(b'\n') {
            let line = line.map_err(failed)?;
            let edited = match Entry::from_line(&line) {
                Some(entry) => {
                    let edited = edit(entry).map(|entry| entry.to_line()).transpose().map_err(failed)?;
                    taken += usize::from(edited.is_none());
                    edited
                }
                None if sets_aside => {
                    aside.take(line)?;
                    None
                }
                None => Some(line),
            };
            if let Some(line) = edited {
                piece.extend([&line[..], b"\n"].concat());
            }
            flush(&mut *new, &mut piece, PIECE_BYTES).map_err(failed)?;
        }
        flush(&mut *new, &mut piece, 1).map_err(failed)?;
        new.sync().map_err(failed)?;
        aside.sync()?;
        RealDisk.replace(&temp, &self.path).map_err(failed)?;
        Ok(taken)
    }
}

/// Where lines go that are no entries; its file is made with the first.
struct Aside<'a> {
    path: &'a Path,
    file: Option<File>,
}

impl Aside<'_> {
    fn take(&mut self, mut line: Vec<u8>) -> Result<(), QuarantineError> {
        line.push(b'\n');
        let opened = self.file.take().map_or_else(|| open_for_append(self.path), Ok);
        let written = opened.and_then(|mut file| file.write_all(&line).map(|()| file));
        self.file = Some(written.map_err(|error| unwritable(self.path, error))?);
        Ok(())
    }

    fn sync(self) -> Result<(), QuarantineError> {
        let Some(file) = self.file else { return Ok(()) };
        let synced = file.sync_all().and_then(|()| sync_parent(self.path));
        synced.map_err(|error| unwritable(self.path, error))
    }
}

fn open_to_read(path: &Path) -> io::Result<File> {
    open_regular(path, OpenOptions::new().read(true))
}

/// Writes `piece` once it has `bytes_min`.
fn flush(file: &mut dyn NewFile, piece: &mut Vec<u8>, bytes_min: usize) -> io::Result<()> {
    if piece.len() >= bytes_min {
        file.write_all(piece)?;
        piece.clear();
    }
    Ok(())
}

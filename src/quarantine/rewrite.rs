//! Looking at a quarantine, and taking rows out of it: the file is replaced by one without them.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, ErrorKind};
use std::path::Path;

use livecosmos_state::{Disk as _, NewFile, RealDisk};

use super::entry::Entry;
use super::{Quarantine, QuarantineError};

/// Lines are written in pieces of about this size.
const PIECE_BYTES: usize = 1 << 20;

impl Quarantine {
    /// Calls `look` with each entry of the file at `path`, in their order. Takes no lock: what a daemon
    /// keeps meanwhile is seen or not. A file that does not exist holds nothing.
    ///
    /// # Errors
    /// [`QuarantineError::Io`] when it cannot be read.
    pub fn look_at(path: &Path, mut look: impl FnMut(Entry)) -> Result<(), QuarantineError> {
        let failed = |error| QuarantineError::Io { path: path.to_owned(), error };
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(failed)?,
        };
        for line in BufReader::new(file).split(b'\n') {
            if let Some(entry) = Entry::from_line(&line.map_err(failed)?) {
                look(entry);
            }
        }
        Ok(())
    }

    /// Its entries, in the order in which they were kept.
    ///
    /// # Errors
    /// [`QuarantineError::Io`] when it cannot be read.
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
        if self.is_broken {
            return Err(self.broken());
        }
        if !self.path.exists() {
            return Ok(0);
        }
        self.file = None;
        let replaced = self.replace(edit);
        // Of the file that is there now, nothing is taken for granted.
        self.known.clear();
        let recalled = File::open(&self.path).and_then(|file| self.recall(file));
        let taken = replaced.map_err(|error| self.failed(error))?;
        recalled.map_err(|error| self.failed(error))?;
        self.unsynced = false;
        Ok(taken)
    }

    fn replace(&self, mut edit: impl FnMut(Entry) -> Option<Entry>) -> io::Result<usize> {
        let temp = self.path.with_extension("ndjson.temp");
        let mut new = RealDisk.create(&temp)?;
        let mut taken = 0;
        let mut piece = Vec::new();
        for line in BufReader::new(File::open(&self.path)?).split(b'\n') {
            let line = line?;
            let edited = match Entry::from_line(&line) {
                Some(entry) => edit(entry).map(|entry| entry.to_line()).transpose()?,
                None => Some(line),
            };
            match edited {
                Some(line) => piece.extend([&line[..], b"\n"].concat()),
                None => taken += 1,
            }
            flush(&mut *new, &mut piece, PIECE_BYTES)?;
        }
        flush(&mut *new, &mut piece, 1)?;
        new.sync()?;
        RealDisk.replace(&temp, &self.path)?;
        Ok(taken)
    }
}

/// Writes `piece` once it has `bytes_min`.
fn flush(file: &mut dyn NewFile, piece: &mut Vec<u8>, bytes_min: usize) -> io::Result<()> {
    if piece.len() >= bytes_min {
        file.write_all(piece)?;
        piece.clear();
    }
    Ok(())
}

//! Replacing a state as a whole, as an operator asks for, with the one before kept.
//!
//! The state that is replaced is written to `<table>.state.undo.next`, then the new one is committed,
//! then `.undo.next` becomes `.undo`. A crash between any two of these is finished when the store is
//! opened next, before anything else is committed: a generation above the one that was kept says that
//! the new state is durable. So at every moment either nothing has changed, the kept state included,
//! or all has.

use std::path::{Path, PathBuf};

use crate::disk::{self, Disk, RealDisk};
use crate::error::{CommitError, OpenError};
use crate::load::{self, Found};
use crate::name::TableName;
use crate::place::{Lock, Paths};
use crate::record::State;
use crate::store::Store;

impl Store {
    /// Makes `state` the table's state, durably, and keeps the one before for [`Store::kept`].
    ///
    /// Returns the generation that holds it. After a crash both are as they were, or both are new.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn replace(&mut self, state: State) -> Result<u64, CommitError> {
        self.keep()?;
        let generation = self.commit(|current| *current = state)?;
        // If this fails, the next opening does it.
        let _ = self.options.disk.replace(&self.paths.undo_next, &self.paths.undo);
        Ok(generation)
    }

    /// The state before the last [`Store::replace`]: replacing by it undoes that, and undoing twice
    /// does it again. [`Found::Missing`] where no state was ever replaced.
    #[must_use]
    pub fn kept(&self) -> Found {
        load::read(&*self.options.disk, &self.paths.undo)
    }

    /// Where [`Store::kept`] lies.
    #[must_use]
    pub fn kept_path(&self) -> &Path {
        &self.paths.undo
    }

    fn keep(&mut self) -> Result<(), CommitError> {
        self.encode(self.generation())?;
        disk::replace_durably(&*self.options.disk, &self.paths.temp, &self.paths.undo_next, &self.buffer)
            .map_err(|failure| CommitError::of(failure, self.paths.undo_next.clone()))
    }
}

/// Keeps the files of a table's state under other names where both are damaged, so that a new state can
/// be begun. Returns those names; none where there is nothing damaged that stops a load.
///
/// # Errors
/// [`OpenError::Locked`] while a daemon follows the table.
pub fn set_aside(dir: &Path, table: &TableName) -> Result<Vec<PathBuf>, OpenError> {
    let paths = Paths::new(dir, table);
    let _lock = Lock::acquire(&paths.lock)?;
    let found = [&paths.backup, &paths.primary].map(|path| (path, load::read(&RealDisk, path)));
    let [(_, backup), (_, primary)] = &found;
    if !matches!(load::judge(&paths, table, primary, backup), Err(OpenError::Corrupt { .. })) {
        return Ok(Vec::new());
    }
    let mut kept = Vec::new();
    for (path, _) in found.iter().filter(|(_, found)| !matches!(found, Found::Missing)) {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".damaged");
        let aside = PathBuf::from(aside);
        RealDisk.replace(path, &aside).map_err(|error| OpenError::unwritable(&aside, error))?;
        kept.push(aside);
    }
    Ok(kept)
}

/// Finishes what a crash left of a [`Store::replace`], where the state has `generation`.
pub(crate) fn finish(disk: &dyn Disk, paths: &Paths, generation: u64) -> Result<(), OpenError> {
    // What is no whole state was damaged after it was written: it is of use to nobody.
    let replaced = match load::read(disk, &paths.undo_next) {
        Found::Missing => return Ok(()),
        Found::Whole(kept) => kept.generation < generation,
        _ => false,
    };
    if replaced {
        return disk
            .replace(&paths.undo_next, &paths.undo)
            .map_err(|error| OpenError::unwritable(&paths.undo, error));
    }
    // Seen again after a power cut, and after another commit, it would look like a replaced state.
    disk.remove(&paths.undo_next)
        .and_then(|()| disk.sync_dir(&paths.dir))
        .map_err(|error| OpenError::unwritable(&paths.undo_next, error))
}

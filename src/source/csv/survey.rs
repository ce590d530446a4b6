//! The beginning of a pass: what lies where, and which file of the state it is.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use livecosmos_state::{FileId, SourceFile};

use super::assign::{Known, New, Place, claim, identify, siblings, sight_all};
use super::columns::Columns;
use super::fault::Fault;
use super::records::{Position, Records, never};
use super::sights::Stamp;
use super::{CsvSource, GONE_FILES_MAX};
use crate::source::{FileOrigin, Intake, SourceError, Start, Stopped};

/// Follows the path of a file that is gone, where another has taken its place.
const DELETED: &str = " (deleted)";

/// The files of a pass, known ones first, in the order in which they were met.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) files: Vec<Tracked>,
    pub(super) faults: Vec<(PathBuf, Fault)>,
    pub(super) notices: Vec<String>,
    /// It is for files that got wrong identities in this pass: of others, what was read in it is not
    /// certain to be stored, so that nothing may replace them.
    is_again: bool,
    /// Paths that exist and match.
    present: BTreeSet<PathBuf>,
}

/// A file in a pass.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) record: SourceFile,
    /// `None` if it is nowhere.
    pub(super) place: Option<Place>,
    /// How it came to be seen, if this is the first time.
    origin: Option<FileOrigin>,
}

impl CsvSource {
    /// Finds out which file is where. Reads heads and what stands before known places, no rows.
    pub(super) fn survey(&mut self, start: &Start, is_stopped: &dyn Fn() -> bool) -> Survey {
        self.sights.begin_pass();
        let listed: BTreeSet<PathBuf> = self.listing.list();
        let mut known: Vec<Known> = start.files.iter().map(|record| self.known(record)).collect();
        let ids: HashSet<FileId> = start.files.iter().map(|record| record.file).collect();
        self.progress.retain(|file, _| ids.contains(file));

        let (live, faults) = self.sight(&listed);
        let present = listed.iter().filter(|path| path.exists()).cloned().collect();
        let left = claim(&mut known, live, &mut self.sights);
        if known.iter().any(|known| known.place.is_none()) {
            let (beside, _) = self.sight(&siblings(&known, &listed).into_iter().collect());
            claim(&mut known, beside, &mut self.sights);
            self.look_at_held_files(&mut known);
        }
        let new = identify(&known, left, &mut self.sights);
        let mut survey = Survey {
            files: Vec::new(),
            faults,
            notices: Vec::new(),
            is_again: !self.disowned.is_empty(),
            present,
        };
        self.track(start, known, new, &mut survey, is_stopped);
        survey
    }

    fn sight(&mut self, paths: &BTreeSet<PathBuf>) -> (Vec<super::sights::Sighting>, Vec<(PathBuf, Fault)>) {
        sight_all(paths, |path| self.sights.look(path, &self.shape, self.settings.delimiter))
    }

    fn known(&self, record: &SourceFile) -> Known {
        let covered = Position { offset: record.covered, check: record.check };
        let read = self.progress.get(&record.file).map(|progress| progress.read);
        let mark = read.filter(|read| read.offset > covered.offset).unwrap_or(covered);
        let is_disowned = self.disowned.contains(&record.file);
        Known { record: record.clone(), mark, place: None, is_disowned }
    }

    /// Files that are at no path any more, but held open: they are read to their end, as long as
    /// something may still be written to them.
    fn look_at_held_files(&mut self, known: &mut [Known]) {
        for index in 0..known.len() {
            let Known { record, mark, place: None, is_disowned: false } = &known[index] else { continue };
            let Some(progress) = self.progress.get_mut(&record.file) else { continue };
            let Some(held) = progress.held.take() else { continue };
            let is_succeeded = known[index + 1..].iter().any(|later| later.record.path == record.path);
            let Ok(metadata) = held.metadata() else { continue };
            let is_deleted = metadata.nlink() == 0;
            let is_unchanged = progress.done == Some(Stamp::of(&metadata));
            // What is unread is read before what follows; what failed is read again beside it.
            let is_done = self.disowned.is_empty() && is_unchanged && record.covered >= progress.read.offset;
            if (is_deleted || is_succeeded) && is_done {
                progress.is_followed_to_its_end = true;
                continue;
            }
            let file = if is_unchanged { held.try_clone().ok() } else { still_holds(&held, *mark) };
            if let Some(file) = file {
                progress.held = Some(held);
                known[index].place = Some(Place::Held { file, is_deleted, is_read: is_unchanged });
            }
        }
    }

    fn track(
        &mut self,
        start: &Start,
        mut known: Vec<Known>,
        new: Vec<New>,
        survey: &mut Survey,
        is_stopped: &dyn Fn() -> bool,
    ) {
        let (mut dropped, mut kept_open) = (BTreeSet::new(), BTreeSet::new());
        let mut appended = Vec::new();
        for new in new {
            if survey.is_again && !new.replaces.is_some_and(|index| known[index].is_disowned) {
                continue;
            }
            match new.replaces.map(|index| (index, &known[index].place)) {
                // The file before it is deleted but still held: it is read to its end first.
                Some((_, Some(Place::Held { is_read: false, .. }))) => continue,
                // Some site could not store all of it yet: it is kept beside the new one.
                Some((index, Some(_))) => drop(kept_open.insert(index)),
                Some((index, None)) => drop(dropped.insert(index)),
                None => {}
            }
            match self.first_sight(start, &known, &new, survey, is_stopped) {
                Ok(tracked) => appended.push(tracked),
                Err(error) => survey.faults.push((new.sighting.path.clone(), Fault::from(error))),
            }
        }
        for index in &kept_open {
            // Registering what has its path now would make the state forget it.
            known[*index].record.path.push_str(DELETED);
        }
        let kept = known.into_iter().enumerate().filter(|(index, _)| !dropped.contains(index));
        survey.files.extend(kept.map(|(index, known)| Tracked {
            record: SourceFile { path: known.path(), ..known.record },
            place: known.place,
            origin: kept_open.contains(&index).then_some(FileOrigin::Appeared),
        }));
        survey.files.append(&mut appended);
    }

    fn first_sight(
        &mut self,
        start: &Start,
        known: &[Known],
        new: &New,
        survey: &mut Survey,
        is_stopped: &dyn Fn() -> bool,
    ) -> std::io::Result<Tracked> {
        let path = new.sighting.path.to_string_lossy().into_owned();
        let replaced = new.replaces.map(|index| &known[index]);
        let (origin, floor_until) = match replaced {
            Some(replaced) => {
                survey.notices.push(self.replaced_notice(&path, replaced, new));
                // A file that is being written anew may be seen half-way: what repeats the old rows
                // reaches at least as far as they did.
                let len = self.sights.len(&new.sighting, is_stopped)?;
                (FileOrigin::Replaced, len.max(replaced.record.covered))
            }
            None if start.first_run => (FileOrigin::FirstRun, self.sights.len(&new.sighting, is_stopped)?),
            None => (FileOrigin::Appeared, 0),
        };
        if let Some(before) = new.succeeds.and_then(|index| self.progress.get(&known[index].record.file)) {
            survey.notices.extend(changed_columns(&path, &before.columns, &new.sighting.columns));
        }
        let Position { offset: covered, check } = new.sighting.data;
        let record = SourceFile { path, file: new.file, covered, check, floor_until };
        Ok(Tracked { record, place: Some(Place::Path(new.sighting.clone())), origin: Some(origin) })
    }

    fn replaced_notice(&self, path: &str, replaced: &Known, new: &New) -> String {
        let offset = replaced.mark.offset;
        let is_rewritten = super::head::Base::of(replaced.record.file) == new.sighting.base;
        let is_followed =
            self.progress.get(&replaced.record.file).is_some_and(|progress| progress.is_followed_to_its_end);
        if replaced.is_disowned {
            format!(
                "{path} begins as a file does whose rows are stored, and goes on otherwise: it was rewritten; rows up to each \
                 site's watermark are passed over in it"
            )
        } else if replaced.place.is_some() {
            format!(
                "{path} was replaced; the old file was read to its end and is kept open until all of its rows are stored, which a \
                 restart before that would end; rows up to each site's watermark are passed over in the new one"
            )
        } else if is_followed {
            format!(
                "{path} was replaced; the old file was read to its end, rows up to each site's watermark are passed over in the new one"
            )
        } else if is_rewritten {
            format!("{path} was rewritten in place; rows up to each site's watermark are passed over in it")
        } else {
            format!(
                "{path} was replaced while not watched; rows after byte {offset} of the old file could not be followed, \
                 rows up to each site's watermark are passed over in the new one"
            )
        }
    }
}

impl Survey {
    /// Raises the floors in the file that replaced the one at `index`, after more of that was given: what
    /// is stored now may be repeated there. Returns whether there is such a file.
    pub(super) fn register_successor(&self, index: usize, intake: &mut dyn Intake) -> Result<bool, Stopped> {
        let Some(path) = self.files[index].record.path.strip_suffix(DELETED).filter(|_| !self.is_again)
        else {
            return Ok(false);
        };
        match self.files[index..].iter().rev().find(|tracked| tracked.record.path == path) {
            Some(successor) => intake.register(successor.record.clone(), FileOrigin::Replaced).map(|()| true),
            None => Ok(false),
        }
    }

    /// Makes the files seen for the first time part of the state, before any row is read: a crash
    /// during a first run must not make late-comers of them.
    pub(super) fn register(&mut self, intake: &mut dyn Intake) -> Result<(), SourceError> {
        for tracked in &mut self.files {
            if let Some(origin) = tracked.origin.take() {
                intake.register(tracked.record.clone(), origin)?;
            }
        }
        Ok(())
    }

    /// Whether the pass was worth anything: an error if no file could be read. Returns what is wrong
    /// with single files.
    pub(super) fn check(&mut self, configured: &Path) -> Result<Vec<String>, SourceError> {
        let is_placed = self.files.iter().any(|tracked| tracked.place.is_some());
        if self.present.is_empty() && !is_placed && self.faults.is_empty() {
            return Err(SourceError::Unavailable(format!(
                "{} does not exist, or no file matches it; create it, or mend path under [source]",
                configured.display()
            )));
        }
        let is_readable = |path: &PathBuf| !self.faults.iter().any(|(faulty, _)| faulty == path);
        let mut faults = Vec::new();
        let is_any_readable = self.present.iter().any(is_readable);
        for (path, fault) in std::mem::take(&mut self.faults) {
            if !is_any_readable {
                return Err(fault.into_error(&path));
            }
            faults.push(fault.message(&path));
        }
        self.notices.extend(faults.iter().cloned());
        Ok(faults)
    }

    /// The files for the state. Of those that vanished, the newest stay.
    pub(super) fn into_files(self) -> Vec<SourceFile> {
        let gone = self.files.iter().filter(|tracked| tracked.place.is_none()).count();
        let mut to_forget = gone.saturating_sub(GONE_FILES_MAX);
        let mut files = Vec::with_capacity(self.files.len());
        for tracked in self.files {
            if tracked.place.is_none() && to_forget > 0 {
                to_forget -= 1;
                continue;
            }
            files.push(tracked.record);
        }
        files
    }
}

impl Known {
    fn path(&self) -> String {
        match &self.place {
            Some(Place::Path(sighting)) => sighting.path.to_string_lossy().into_owned(),
            Some(Place::Held { .. }) | None => self.record.path.clone(),
        }
    }
}

/// Another handle of `held`, if its content is still what was read.
fn still_holds(held: &File, mark: Position) -> Option<File> {
    let (records, _) = Records::resume(held.try_clone().ok()?, mark, b',', &never).ok()?;
    records.map(Records::into_file)
}

fn changed_columns(path: &str, before: &Arc<Columns>, now: &Arc<Columns>) -> Option<String> {
    let (before, now) = (&before.schema.columns, &now.schema.columns);
    if before == now {
        return None;
    }
    let missing_in = |others: &[Box<str>], names: &[Box<str>]| {
        let names: Vec<&str> =
            names.iter().filter(|name| !others.contains(name)).map(|name| &**name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let (came, went) = (missing_in(before, now), missing_in(now, before));
    Some(format!("the columns of {path} changed; new: {came}; gone: {went}"))
}

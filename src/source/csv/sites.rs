//! Where each site of the file being read stands, found by the text of its cell.

use std::collections::HashMap;

use livecosmos_state::{Cursor, FileId, SiteId, Time, Window};

use crate::source::{Batcher, Intake, Resume, Slot, Start, Stopped, TableShape};

/// The sites met in a pass.
#[derive(Debug, Default)]
pub(super) struct Sites {
    index: HashMap<Box<str>, usize>,
    entries: Vec<Entry>,
    /// Index of the site of the last row.
    last: usize,
    /// The file being read, how far it is covered for all sites, and where reading began.
    file: Option<(FileId, u64, u64)>,
}

/// One site.
#[derive(Debug)]
pub(super) struct Entry {
    text: Box<str>,
    /// `None` for a site that is not wanted.
    pub(super) slot: Option<Slot>,
    pub(super) is_paused: bool,
    /// Rows at or before it are not due where a floor applies.
    pub(super) floor: Option<Time>,
    /// Rows that begin before it are not due in `file`.
    pub(super) due_from: u64,
    /// Rows that begin at or behind it are not due in `file`.
    pub(super) due_until: u64,
    /// Only rows of these times are due.
    pub(super) window: Window,
    /// Rows that this pass reads and passes over are stored: the one that ends at `due_from` was met.
    /// What the sink says of a file may be about content that was there before.
    pub(super) is_proven: bool,
    /// The newest time stored.
    pub(super) last_data: Option<Time>,
    file: Option<FileId>,
    /// Index of the site that followed this one the last time: tables are often written in turns.
    next: usize,
}

impl Sites {
    /// Turns to `file`, of which every row before `covered` is done, and which is read from `began` on.
    pub(super) fn begin_file(&mut self, file: FileId, covered: u64, began: u64) {
        self.file = Some((file, covered, began));
    }

    /// The site found last has stored the rows of this file that are passed over.
    pub(super) fn prove(&mut self) {
        self.entries[self.last].is_proven = true;
    }

    /// Whether each site of this file was met at the place up to which it is said to be stored, or that
    /// place lies where nothing was read yet, between `read_until` and `len`.
    pub(super) fn may_be_stored(&self, read_until: u64, len: u64) -> bool {
        let file = self.file.map(|(file, ..)| file);
        let is_to_come = |due_from| read_until < due_from && due_from <= len;
        self.entries.iter().all(|entry| entry.is_proven || entry.file != file || is_to_come(entry.due_from))
    }

    /// Whether all that is wanted of this file lies before `offset`: a file that is shorter than a fill
    /// expects is not what it was.
    pub(super) fn end_by(&self, offset: u64) -> bool {
        let file = self.file.map(|(file, ..)| file);
        let is_bounded = |entry: &&Entry| entry.file == file && entry.due_until != u64::MAX;
        self.entries.iter().filter(is_bounded).all(|entry| entry.due_until <= offset)
    }

    /// Finds the site whose cell is `text`, if it was met before.
    #[inline]
    pub(super) fn find(&mut self, text: &str, batcher: &Batcher) -> Option<&Entry> {
        let likely = self.entries.get(self.last).map_or(0, |entry| entry.next);
        let index = match self.entries.get(likely) {
            Some(entry) if *entry.text == *text => likely,
            _ => {
                let index = *self.index.get(text)?;
                self.entries[self.last].next = index;
                index
            }
        };
        self.last = index;
        if self.entries[index].file != self.file.map(|(file, ..)| file) {
            self.turn(index, batcher);
        }
        Some(&self.entries[index])
    }

    /// Makes an entry for a site that is met for the first time in the pass.
    pub(super) fn admit(
        &mut self,
        text: &str,
        site: &SiteId,
        shape: &TableShape,
        start: &Start,
        batcher: &mut Batcher,
        intake: &mut dyn Intake,
    ) -> Result<(), Stopped> {
        let is_wanted = [&shape.sites, &start.only].into_iter().flatten().all(|sites| sites.contains(site));
        let slot = if is_wanted { Some(batcher.slot(site, intake)?) } else { None };
        let resume = slot.map(|slot| batcher.resume(slot));
        let index = self.entries.len();
        self.entries.push(Entry {
            text: text.into(),
            slot,
            is_paused: resume.is_some_and(|resume| resume.paused),
            floor: resume.and_then(|resume| resume.floor),
            due_from: 0,
            due_until: u64::MAX,
            window: resume.and_then(|resume| resume.bounds.as_ref()).map(|it| it.window).unwrap_or_default(),
            is_proven: true,
            last_data: resume.and_then(|resume| resume.last_data),
            file: None,
            next: index,
        });
        self.index.insert(text.into(), index);
        Ok(())
    }

    /// Looks up where the site stands in the file being read.
    #[cold]
    fn turn(&mut self, index: usize, batcher: &Batcher) {
        let Some((file, covered, began)) = self.file else { return };
        let entry = &mut self.entries[index];
        let ahead = entry.slot.map_or(0, |slot| ahead(batcher.resume(slot), file));
        entry.due_from = covered.max(ahead);
        entry.due_until = entry.slot.map_or(u64::MAX, |slot| until(batcher.resume(slot), file));
        entry.is_proven = entry.due_from <= covered.max(began);
        entry.file = Some(file);
    }
}

/// Where the rows of the site that are wanted end in `file`.
fn until(resume: &Resume, file: FileId) -> u64 {
    match resume.bounds.as_ref().map(|bounds| &bounds.until) {
        None => u64::MAX,
        Some(Cursor::File { file: wanted, offset }) if *wanted == file => *offset,
        Some(_) => 0,
    }
}

/// How far the site is stored in `file`.
fn ahead(resume: &Resume, file: FileId) -> u64 {
    resume.ahead.iter().filter(|ahead| ahead.file == file).map(|ahead| ahead.offset).max().unwrap_or(0)
}

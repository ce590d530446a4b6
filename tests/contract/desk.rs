//! The uploader's side: it keeps what a state keeps, and stores in memory.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use livecosmos::rows::Batch;
use livecosmos::source::{
    Bounds, FileOrigin, Intake, Pass, Reject, Resume, Source, SourceError, Start, Stopped,
};
use livecosmos_state::{Cursor, FilePosition, SiteId, SourceFile, Time};

use crate::bed::{FIRST_S, NOW_S, Row};

/// Where a site stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    cursor: Option<Cursor>,
    ahead: Vec<FilePosition>,
    last_data: Option<Time>,
}

/// An uploader with its state and its sink.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) files: Vec<SourceFile>,
    pub(crate) sites: BTreeMap<SiteId, Standing>,
    pub(crate) has_run: bool,
    /// Rows that were stored, in order.
    pub(crate) stored: Vec<Row>,
    /// Rows of each batch, and its site.
    pub(crate) batches: Vec<(SiteId, usize)>,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) paused: BTreeSet<SiteId>,
    pub(crate) only: Option<BTreeSet<SiteId>>,
    pub(crate) floor: Option<Time>,
    pub(crate) bounds: Option<Bounds>,
    /// Where sites begin that are not known yet, in a pass with bounds.
    pub(crate) after: Option<Cursor>,
    /// After so many batches the next is refused, and the state is what it was then.
    pub(crate) batches_until_cut: Option<usize>,
    /// After so many questions whether to stop the answer is yes.
    pub(crate) stops_after: Option<u64>,
    pub(crate) questions: Cell<u64>,
    pub(crate) now_s: Option<i64>,
    pub(crate) behind: bool,
}

impl Desk {
    /// One pass, and what the daemon does after it.
    pub(crate) fn try_pass(&mut self, source: &mut dyn Source) -> Result<Pass, SourceError> {
        let start = Start {
            now: Time::new(self.now_s.unwrap_or(NOW_S), 0).unwrap(),
            files: self.files.clone(),
            known: self.sites.keys().cloned().collect(),
            only: self.only.clone(),
            first_run: !self.has_run,
            behind: self.behind,
            is_bounded: self.bounds.is_some(),
        };
        let pass = source.pass(&start, self);
        self.behind = pass.is_err() || !self.paused.is_empty();
        if let (false, Ok(pass)) = (self.behind, &pass) {
            self.cover(&pass.files);
        }
        pass
    }

    /// A pass, and the rows it stored.
    pub(crate) fn follow(&mut self, source: &mut dyn Source) -> Vec<Row> {
        let before = self.stored.len();
        self.try_pass(source).expect("the pass succeeds");
        self.stored[before..].to_vec()
    }

    fn cover(&mut self, files: &[SourceFile]) {
        self.has_run = true;
        self.files = files.to_vec();
        for standing in self.sites.values_mut() {
            standing.ahead.retain(|ahead| {
                files.iter().any(|file| file.file == ahead.file && file.covered < ahead.offset)
            });
        }
    }
}

impl Intake for Desk {
    fn resume(&mut self, site: &SiteId) -> Result<Resume, Stopped> {
        let standing = self.sites.entry(site.clone()).or_default();
        let cursor = standing.cursor.clone().or_else(|| self.after.clone());
        Ok(Resume {
            cursor: cursor.unwrap_or(Cursor::Start),
            ahead: standing.ahead.clone(),
            floor: self.floor,
            last_data: standing.last_data,
            paused: self.paused.contains(site),
            bounds: self.bounds.clone(),
            rows_max: None,
            bytes_max: None,
            cut_at: None,
        })
    }

    fn register(&mut self, file: SourceFile, _: FileOrigin) -> Result<(), Stopped> {
        self.files.retain(|known| known.file != file.file);
        self.files.push(file);
        Ok(())
    }

    fn batch(&mut self, batch: Batch) -> Result<(), Stopped> {
        if let Some(left) = &mut self.batches_until_cut {
            *left = left.checked_sub(1).ok_or(Stopped)?;
        }
        let standing = self.sites.get_mut(&batch.site).expect("a site is asked for before its batch");
        standing.last_data = standing.last_data.max(batch.time_range().map(|(_, last)| last));
        if let Cursor::File { file, offset } = batch.to {
            standing.ahead.retain(|ahead| ahead.file != file);
            standing.ahead.push(FilePosition { file, offset });
        }
        standing.cursor = Some(batch.to.clone());
        self.batches.push((batch.site.clone(), batch.rows.len()));
        self.stored.extend(rows(&batch));
        Ok(())
    }

    fn checkpoint(&mut self, files: &[SourceFile]) -> Result<(), Stopped> {
        if self.paused.is_empty() {
            self.cover(files);
        }
        Ok(())
    }

    fn reject(&mut self, reject: Reject) -> Result<(), Stopped> {
        // As the quarantine does: a row that is met again is the same row.
        if self.rejects.iter().all(|known| known.identity != reject.identity) {
            self.rejects.push(reject);
        }
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.questions.set(self.questions.get() + 1);
        self.stops_after.is_some_and(|questions| self.questions.get() > questions)
    }
}

fn rows(batch: &Batch) -> Vec<Row> {
    let columns = &batch.rows.schema().columns;
    let at = |name: &str| columns.iter().position(|column| column.eq_ignore_ascii_case(name)).unwrap();
    let (id, value, site) = (at("ID"), at("V"), at("SITE"));
    (0..batch.rows.len())
        .map(|row| Row {
            site: Some(batch.rows.value(row, site).text.to_owned()),
            second: Some(batch.rows.times()[row].time.seconds - FIRST_S),
            id: batch.rows.value(row, id).text.parse().expect("a whole number"),
            value: batch.rows.value(row, value).text.to_owned(),
        })
        .collect()
}

//! What a table has in its source, by site and day: a pass of the real source that stores nothing.

use std::collections::{BTreeMap, BTreeSet};

use livecosmos_state::{Cursor, FileId, SiteId, SourceFile, State, Time, Window};

use crate::rows::{Batch, Rows};
use crate::sink::Day;
use crate::source::{Bounds, FileOrigin, Intake, Reject, Resume, Source, SourceError, Start, Stopped};
use crate::stop::Stop;

/// Rows of one site in the source.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SiteCount {
    /// Rows that must be in the sink.
    pub due: BTreeMap<Day, u64>,
    /// Rows that may be there or not.
    pub open: BTreeMap<Day, u64>,
}

/// Which rows of a site are counted, and which of them must be in the sink.
#[derive(Debug, Clone, Default)]
pub struct SitePlan {
    /// The parts of the source that the site's chains have passed: behind the first cursor, up to the
    /// second.
    pub parts: Vec<(Cursor, Cursor)>,
    /// Only rows of such times.
    pub window: Window,
    /// Rows at or before it were never due.
    pub floor: Option<Time>,
    /// Rows of these spans, ends included, are left to fills that are not done.
    pub on_their_way: Vec<(Time, Time)>,
}

/// What came of reading a source.
#[derive(Debug, Default)]
pub struct SourceRead {
    /// Rows that cannot be sent, and are in quarantine or belong there.
    pub rejected_rows: u64,
    /// What the source has to say.
    pub notices: Vec<String>,
}

/// Reads the rows that `plans` tell of, with sources from `open`: one pass over a table, one for each
/// file. `take` is given them piece by piece.
///
/// # Errors
/// As a pass of the source.
pub fn read_source(
    state: &State,
    plans: &BTreeMap<SiteId, SitePlan>,
    now: Time,
    stop: &Stop,
    open: impl Fn() -> Result<Box<dyn Source>, SourceError>,
    take: &mut dyn FnMut(&SiteId, &SitePlan, &Rows),
) -> Result<SourceRead, SourceError> {
    let mut read = SourceRead::default();
    let parts = plans.values().flat_map(|plan| &plan.parts);
    let files: BTreeSet<Option<FileId>> = parts.map(|(_, until)| file_of(until)).collect();
    for file in files {
        let mut reader = Reader { plans, file, take: &mut *take, rejected_rows: 0, stop };
        let pass = open()?.pass(&start(state, plans, file, now), &mut reader)?;
        read.rejected_rows += reader.rejected_rows;
        read.notices.extend(pass.faults.into_iter().chain(pass.notices));
    }
    Ok(read)
}

impl SiteCount {
    /// Counts more rows.
    pub fn add(&mut self, plan: &SitePlan, rows: &Rows) {
        for row in rows.times() {
            let by_day = if plan.is_due(row.time) { &mut self.due } else { &mut self.open };
            *by_day.entry(Day::of(row.time)).or_default() += 1;
        }
    }
}

/// A pass that reads `file` from its beginning, or a table.
fn start(state: &State, plans: &BTreeMap<SiteId, SitePlan>, file: Option<FileId>, now: Time) -> Start {
    let from_its_beginning = |known: &SourceFile| match file {
        Some(wanted) if wanted == known.file => SourceFile { covered: 0, check: 0, ..known.clone() },
        _ => known.clone(),
    };
    let sites: BTreeSet<SiteId> = plans.keys().cloned().collect();
    Start {
        now,
        files: state.files.iter().map(from_its_beginning).collect(),
        known: sites.clone(),
        only: Some(sites),
        first_run: false,
        behind: true,
        is_bounded: true,
    }
}

fn file_of(until: &Cursor) -> Option<FileId> {
    match until {
        Cursor::File { file, .. } => Some(*file),
        Cursor::Start | Cursor::Row { .. } => None,
    }
}

/// Takes batches and lets them go.
struct Reader<'a> {
    plans: &'a BTreeMap<SiteId, SitePlan>,
    file: Option<FileId>,
    take: &'a mut dyn FnMut(&SiteId, &SitePlan, &Rows),
    rejected_rows: u64,
    stop: &'a Stop,
}

impl Intake for Reader<'_> {
    fn resume(&mut self, site: &SiteId) -> Result<Resume, Stopped> {
        let plan = self.plans.get(site);
        let part = plan.and_then(|plan| plan.parts.iter().find(|(_, until)| file_of(until) == self.file));
        let Some((plan, (after, until))) = plan.zip(part) else {
            return Ok(Resume { paused: true, ..Resume::from_the_start() });
        };
        let bounds = Some(Bounds { until: until.clone(), window: plan.window });
        Ok(Resume { cursor: after.clone(), bounds, ..Resume::from_the_start() })
    }

    fn register(&mut self, _file: SourceFile, _origin: FileOrigin) -> Result<(), Stopped> {
        Ok(())
    }

    fn batch(&mut self, batch: Batch) -> Result<(), Stopped> {
        if let Some(plan) = self.plans.get(&batch.site) {
            (self.take)(&batch.site, plan, &batch.rows);
        }
        Ok(())
    }

    fn checkpoint(&mut self, _files: &[SourceFile]) -> Result<(), Stopped> {
        Ok(())
    }

    fn reject(&mut self, _reject: Reject) -> Result<(), Stopped> {
        self.rejected_rows += 1;
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.stop.is_requested()
    }
}

impl SitePlan {
    pub(super) fn is_due(&self, time: Time) -> bool {
        let is_on_its_way = self.on_their_way.iter().any(|(first, last)| (*first..=*last).contains(&time));
        self.floor.is_none_or(|floor| time > floor) && !is_on_its_way
    }
}

//! Reads a source just far enough to see that it can be read.

use std::fmt;

use livecosmos_state::{SiteId, SourceFile, Time};

use crate::config::TableConfig;
use crate::rows::Batch;
use crate::source::{FileOrigin, Intake, Limits, Reject, Resume, SourceError, Start, Stopped};

/// So many rows that cannot be sent, before the first that can, are a finding of their own.
const REJECTS_MAX: u64 = 100;

/// What the first rows of a source show.
#[derive(Debug, Default)]
pub(super) struct Seen {
    first: Option<(SiteId, Time, usize)>,
    rejected_rows: u64,
    reason: Option<String>,
}

/// Reads until the first row that could be sent.
///
/// # Errors
/// As a pass of the source.
pub(super) fn first_rows(table: &TableConfig, now: Time) -> Result<Seen, SourceError> {
    let mut shape = table.shape.clone();
    shape.limits = Limits { batch_rows_max: 1, ..shape.limits };
    let mut source = table.source.open(shape)?;
    let start = Start {
        now,
        files: Vec::new(),
        known: [].into(),
        only: None,
        first_run: false,
        behind: false,
        is_bounded: false,
    };
    let mut seen = Seen::default();
    match source.pass(&start, &mut seen) {
        Ok(_) | Err(SourceError::Stopped(_)) => Ok(seen),
        Err(error) => Err(error),
    }
}

impl Intake for Seen {
    fn resume(&mut self, _site: &SiteId) -> Result<Resume, Stopped> {
        Ok(Resume::from_the_start())
    }

    fn register(&mut self, _file: SourceFile, _origin: FileOrigin) -> Result<(), Stopped> {
        Ok(())
    }

    fn batch(&mut self, batch: Batch) -> Result<(), Stopped> {
        let first = batch.time_range().map(|(first, _)| first);
        self.first = first.map(|first| (batch.site.clone(), first, batch.rows.schema().columns.len()));
        Err(Stopped)
    }

    fn checkpoint(&mut self, _files: &[SourceFile]) -> Result<(), Stopped> {
        Ok(())
    }

    fn reject(&mut self, reject: Reject) -> Result<(), Stopped> {
        self.rejected_rows += 1;
        self.reason.get_or_insert(format!("{}: {}", reject.position, reject.reason));
        if self.rejected_rows < REJECTS_MAX { Ok(()) } else { Err(Stopped) }
    }

    fn stopped(&self) -> bool {
        false
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.first {
            Some((site, time, columns)) => write!(f, "{columns} columns, a row of {site} at {time}")?,
            None => write!(f, "no row that could be sent")?,
        }
        match &self.reason {
            Some(reason) => write!(f, " after {} that cannot, such as {reason}", self.rejected_rows),
            None => Ok(()),
        }
    }
}

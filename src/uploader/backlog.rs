//! What a source holds that is not known to be stored, counted by reading it: as a pass would, from where the
//! state says that each site stands. Nothing is asked of the sink, nothing is changed.
//!
//! livecosmos buffers no row that its source does not hold, so these are all rows that are buffered, whatever
//! of them is in a daemon's memory or on its way.

use std::collections::{BTreeMap, BTreeSet};

use livecosmos_state::{ChainName, SiteId, SourceFile, State, Time};

use super::Fallback;
use super::change::{Change, Position};
use crate::rows::Batch;
use crate::source::{FileOrigin, Intake, Reject, Resume, Source, SourceError, Start, Stopped};

/// Rows behind the live chains of a table.
#[derive(Debug, Default)]
pub struct Backlog {
    /// Rows that are due, by site; also the sites that have none.
    pub waiting: BTreeMap<SiteId, u64>,
    /// Rows that cannot be sent, and that no pass has put into quarantine yet.
    pub unsendable: u64,
    /// Rows held back because their time lies in the future.
    pub future: u64,
}

/// Counts the rows behind the live chains that `state` knows of. `quarantined` are the identities of rows that are
/// kept already. Blocks.
///
/// Of a site that has left a backlog to a catch-up, the rows of that are not counted: see [`super::foresee()`].
///
/// # Errors
/// As [`Source::pass`].
pub fn backlog(
    source: &mut dyn Source,
    state: State,
    fallback: Fallback,
    quarantined: &BTreeSet<String>,
    only: Option<&BTreeSet<SiteId>>,
    now: Time,
) -> Result<Backlog, SourceError> {
    let mut count = Count { state, fallback, quarantined, now, found: Backlog::default() };
    if count.state.started.is_none() {
        let begun = Change::Begun { source: String::new(), now, floor: fallback.floor(now) };
        begun.apply(&mut count.state);
    }
    let start = Start {
        now,
        files: count.state.files.clone(),
        known: count.state.sites.keys().cloned().collect(),
        only: only.cloned(),
        first_run: count.state.last_run.is_none(),
        behind: true,
        is_bounded: false,
    };
    let pass = source.pass(&start, &mut count)?;
    Ok(Backlog { future: pass.future_rows, ..count.found })
}

struct Count<'a> {
    state: State,
    fallback: Fallback,
    quarantined: &'a BTreeSet<String>,
    now: Time,
    found: Backlog,
}

impl Intake for Count<'_> {
    fn resume(&mut self, site: &SiteId) -> Result<Resume, Stopped> {
        self.found.waiting.entry(site.clone()).or_default();
        if !self.state.sites.contains_key(site) {
            let position = Position::start(self.fallback.first_floor(&self.state, self.now));
            Change::Admitted { site: site.clone(), position }.apply(&mut self.state);
        }
        let known = self.state.sites.get(site).and_then(|site| Position::of(site, &ChainName::LIVE));
        Ok(known.unwrap_or_else(|| Position::start(None)).resume(false))
    }

    fn register(&mut self, file: SourceFile, origin: FileOrigin) -> Result<(), Stopped> {
        Change::Registered { file, origin }.apply(&mut self.state);
        Ok(())
    }

    fn batch(&mut self, batch: Batch) -> Result<(), Stopped> {
        *self.found.waiting.entry(batch.site).or_default() += batch.rows.len() as u64;
        Ok(())
    }

    fn checkpoint(&mut self, _files: &[SourceFile]) -> Result<(), Stopped> {
        Ok(())
    }

    fn reject(&mut self, reject: Reject) -> Result<(), Stopped> {
        self.found.unsendable += u64::from(!self.quarantined.contains(&reject.identity));
        Ok(())
    }

    fn stopped(&self) -> bool {
        false
    }
}

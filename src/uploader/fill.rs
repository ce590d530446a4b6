//! Fills: bounded chains beside the live one, worked off site by site in turns, so that none waits for
//! another's backlog.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use livecosmos_state::{ChainName, CommitError, Cursor, FileId, Fill, SiteId, SourceFile, State, Time};

use super::change::Change;
use super::errand::{Errand, is_whole};
use super::intake::Lanes;
use super::memory::Loan;
use super::pass::{Outcomes, PassError, PassReport};
use super::{LiveUploader, Parcel, Step};
use crate::rows::{Batch, Rows, Schema};
use crate::source::{Pass, Source, SourceError, Start};

/// Batches of one site's fill before it is the next site's turn.
pub(super) const TURN_BATCHES_MAX: u64 = 16;

impl LiveUploader {
    /// A site with a fill that is due, the next in order behind `last`; and none of those in `busy`.
    #[must_use]
    pub fn next_fill(&self, last: Option<&SiteId>, busy: &BTreeSet<SiteId>) -> Option<SiteId> {
        let now = self.now();
        let pauses = self.pauses_beside();
        self.journal.read(|state| {
            let due = |site: &&SiteId| !busy.contains(*site) && !pauses.is_paused(site, now);
            let filling = state.sites.iter().filter(|(_, site)| !site.fills.is_empty()).map(|(id, _)| id);
            let due: Vec<&SiteId> = filling.filter(due).collect();
            let behind = due.iter().find(|site| last.is_none_or(|last| *site > &last));
            behind.or(due.first()).map(|site| (*site).clone())
        })
    }

    /// Begins a fill, durably: from now on a daemon works it off whatever becomes of this process.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn begin_fill(&self, site: SiteId, chain: ChainName, fill: Fill) -> Result<(), CommitError> {
        self.journal.commit(Change::Opened { site, chain, fill: Box::new(fill) }).await.map(drop)
    }

    /// What is remembered of the table now.
    #[must_use]
    pub fn state(&self) -> State {
        self.journal.read(State::clone)
    }

    fn fill_of(&self, site: &SiteId, chain: &ChainName) -> Option<Fill> {
        self.journal.read(|state| state.sites.get(site)?.fills.get(chain).cloned())
    }

    /// Whether any fill is not done.
    #[must_use]
    pub fn has_fills(&self) -> bool {
        self.journal.read(|state| state.sites.values().any(|site| !site.fills.is_empty()))
    }

    /// Takes a turn at the oldest fill of `site` with `source`, and gives it back.
    pub async fn fill(
        self: &Arc<Self>,
        mut source: Box<dyn Source>,
        site: &SiteId,
    ) -> (Option<Box<dyn Source>>, PassReport) {
        let outcomes = Arc::new(Outcomes::default());
        let oldest = self.journal.read(|state| {
            let fills = &state.sites.get(site)?.fills;
            fills.iter().min_by_key(|(_, fill)| fill.since).map(|(name, fill)| (name.clone(), fill.clone()))
        });
        let Some((chain, fill)) = oldest else { return (Some(source), outcomes.report(Pass::default())) };
        let now = self.now();
        let files = self.journal.read(|state| state.files.clone());
        let start = start_of_fill(files, site, &fill, now.time);
        let errand = Errand::Fill(chain.clone());
        let mut lanes = Lanes::new(Arc::clone(self), Arc::clone(&outcomes), errand, now);
        let reader = tokio::task::spawn_blocking(move || {
            let read = source.pass(&start, &mut lanes);
            (source, read)
        });
        let (source, read) = match reader.await {
            Ok((source, read)) => (Some(source), read),
            Err(error) => (None, Err(SourceError::Unavailable(error.to_string()))),
        };
        outcomes.settled().await;
        (source, self.conclude_fill(read, &outcomes, site, &chain, &fill).await)
    }

    /// Notes that a fill of `site` could not be begun.
    pub fn put_off_fill(&self, site: &SiteId, error: PassError) -> PassReport {
        self.pauses_beside().fail(site, self.now());
        PassReport { error: Some(error), ..PassReport::default() }
    }

    async fn conclude_fill(
        &self,
        read: Result<Pass, SourceError>,
        outcomes: &Outcomes,
        site: &SiteId,
        chain: &ChainName,
        fill: &Fill,
    ) -> PassReport {
        let now = self.now();
        let read = read.map_err(|error| outcomes.abort(error.into())).ok();
        let is_whole = self.fill_of(site, chain).as_ref().is_some_and(is_whole);
        let was_read = read.as_ref().is_some_and(|pass| is_whole || is_read_to_its_end(pass, fill));
        let is_unread = outcomes.is_clean() && read.is_some() && !was_read;
        if outcomes.has_failed(site) || outcomes.is_aborted() || is_unread {
            self.pauses_beside().note(site, outcomes.wait_of(site), now);
        } else if outcomes.is_clean() {
            self.pauses_beside().is_well(site);
        }
        if was_read && outcomes.is_clean() && self.has_ended(site, chain, fill, outcomes).await {
            tracing::info!(table = %self.settings.table, %site, %chain, "fill is done");
            // Its part of the lookback window is looked at from now on.
            self.is_late_behind.store(true, Ordering::Relaxed);
            self.journal.defer(Change::Filled { site: site.clone(), chain: chain.clone() });
        }
        if let Err(error) = self.journal.flush().await {
            outcomes.abort(error.into());
        }
        outcomes.report(read.unwrap_or_default())
    }
}

impl LiveUploader {
    /// Sees to it that the sink knows the end of a fill that sends all of its range: where no row was
    /// left to carry it, an object without rows does.
    async fn has_ended(&self, site: &SiteId, chain: &ChainName, fill: &Fill, outcomes: &Outcomes) -> bool {
        let position = self.position(site, chain);
        if fill.kind.compares() || position.cursor == fill.until {
            return true;
        }
        let time_column = self.settings.time_column.as_str().into();
        let schema = Arc::new(Schema::untyped([time_column].into(), 0, None));
        let batch = Batch {
            site: site.clone(),
            rows: Rows::new(schema),
            to: position.cursor,
            is_cut: false,
            is_at_border: false,
            newest: None,
        };
        let parcel = Parcel { chain: chain.clone(), batch, next: Some(fill.until.clone()) };
        match self.store(parcel, &mut Loan::none()).await {
            Ok(Step::Stored { .. }) => true,
            Ok(Step::Jumped { .. } | Step::Refused { .. } | Step::Moved) => false,
            Err(error) => {
                let wait = error.wait();
                outcomes.failed(site, error);
                self.pauses_beside().note(site, wait, self.now());
                false
            }
        }
    }
}

/// A pass for `fill` alone.
pub(super) fn start_of_fill(files: Vec<SourceFile>, site: &SiteId, fill: &Fill, now: Time) -> Start {
    Start {
        now,
        files: files.into_iter().map(|file| from_its_beginning(file, fill)).collect(),
        known: [site.clone()].into(),
        only: Some([site.clone()].into()),
        first_run: false,
        behind: true,
        is_bounded: true,
    }
}

/// A fill in a file is read from the beginning of the file: that its site is stored there as far as the
/// chain says can be seen only on the way.
fn from_its_beginning(known: SourceFile, fill: &Fill) -> SourceFile {
    match file_of(fill) {
        Some((wanted, _)) if wanted == known.file => SourceFile { covered: 0, check: 0, ..known },
        _ => known,
    }
}

fn is_read_to_its_end(pass: &Pass, fill: &Fill) -> bool {
    file_of(fill).is_none_or(|(wanted, until)| {
        pass.files.iter().any(|file| file.file == wanted && file.covered >= until)
    })
}

fn file_of(fill: &Fill) -> Option<(FileId, u64)> {
    match fill.until {
        Cursor::File { file, offset } => Some((file, offset)),
        Cursor::Start | Cursor::Row { .. } => None,
    }
}

//! One pass over a table: the source on a thread of its own, a lane per site, and what came of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use livecosmos_state::{CommitError, SiteId, SourceFile, Time};
use tokio::sync::watch;

use super::change::Change;
use super::errand::Errand;
use super::intake::Lanes;
use super::pause::Pauses;
use super::{LiveUploader, SiteError};
use crate::clock::Moment;
use crate::quarantine::{Quarantine, QuarantineError};
use crate::sink::SinkError;
use crate::source::{Pass, Source, SourceError, Start};

/// What came of a pass.
#[derive(Debug, Default)]
pub struct PassReport {
    /// What was stored.
    pub totals: Totals,
    /// Sites that could not go on, and why.
    pub failures: BTreeMap<SiteId, SiteError>,
    /// What ended the pass for all sites.
    pub error: Option<PassError>,
    /// Rows wait that could be read at once.
    pub again: bool,
    /// What the source says it did.
    pub source: Pass,
}

impl PassReport {
    /// Whether what went wrong holds up the table. A row that cannot be kept holds up its own site.
    #[must_use]
    pub fn concerns_all(&self) -> bool {
        match &self.error {
            Some(PassError::Quarantine(error)) => matches!(error, QuarantineError::Broken { .. }),
            error => error.is_some(),
        }
    }
}

/// Counts of a pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Objects the sink acknowledged.
    pub objects: u64,
    /// Rows in them.
    pub rows: u64,
    /// Their bytes, as stored.
    pub stored_bytes: u64,
    /// Rows put into quarantine.
    pub rejected_rows: u64,
}

/// What ends a pass for all sites.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The sink takes nothing from us.
    #[error(transparent)]
    Sink(SinkError),
    /// The state cannot be written.
    #[error(transparent)]
    State(#[from] CommitError),
    /// The quarantine cannot be written.
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    /// The source's thread died.
    #[error("the reader of the source ended unexpectedly: {0}")]
    Reader(String),
}

impl LiveUploader {
    /// Makes one pass with `source`, and gives it back.
    ///
    /// Returns once everything that was begun is stored or given up, and the state says so.
    pub async fn pass(
        self: &Arc<Self>,
        mut source: Box<dyn Source>,
        only: Option<&std::collections::BTreeSet<SiteId>>,
    ) -> (Option<Box<dyn Source>>, PassReport) {
        let now = self.now();
        let outcomes = Arc::new(Outcomes::default());
        let start = match self.begin(now, only).await {
            Ok(start) => start,
            Err(error) => {
                outcomes.abort(error.into());
                return (Some(source), outcomes.report(Pass::default()));
            }
        };
        let mut lanes = Lanes::new(Arc::clone(self), Arc::clone(&outcomes), Errand::Live, now);
        let reader = tokio::task::spawn_blocking(move || {
            let read = source.pass(&start, &mut lanes);
            (source, read)
        });
        let (source, read) = match reader.await {
            Ok((source, read)) => (Some(source), read.map_err(PassError::from)),
            Err(error) => (None, Err(PassError::Reader(error.to_string()))),
        };
        outcomes.settled().await;
        (source, self.conclude(read, &outcomes, now).await)
    }

    pub(super) async fn begin(
        &self,
        now: Moment,
        only: Option<&std::collections::BTreeSet<SiteId>>,
    ) -> Result<Start, CommitError> {
        let ledger_config =
            if self.looks_back() { self.settings.config_digest.clone() } else { String::new() };
        if self.journal.read(|state| state.ledger_config != ledger_config) {
            if self.looks_back() && self.journal.read(|state| !state.ledger_config.is_empty()) {
                tracing::warn!(table = %self.settings.table,
                    "settings that decide how rows are spelled have changed: rows that came late before now and \
                     were not sent yet are not looked for; 'livecosmos reconcile' finds them");
            }
            // What is stored under other settings, or while no ledger is kept, would be taken for late.
            self.journal.commit(Change::Relisted { config: ledger_config }).await?;
        }
        if self.journal.read(|state| state.started.is_none()) {
            // The floor of a first run is decided once, whatever happens during that run.
            let floor = self.settings.fallback.floor(now.time);
            let source = self.settings.source_id.clone();
            self.journal.commit(Change::Begun { source, now: now.time, floor }).await?;
        }
        self.forget();
        let behind = self.pauses(&Errand::Live).begin(now);
        Ok(self.journal.read(|state| Start {
            now: now.time,
            files: state.files.clone(),
            known: state.sites.keys().cloned().collect(),
            only: only.cloned(),
            first_run: state.last_run.is_none(),
            behind,
            is_bounded: false,
        }))
    }

    async fn conclude(&self, read: Result<Pass, PassError>, outcomes: &Outcomes, now: Moment) -> PassReport {
        for (site, wait) in outcomes.failed_sites() {
            self.pauses(&Errand::Live).note(&site, wait, self.now());
        }
        let read = read.unwrap_or_else(|error| {
            outcomes.cut_short.store(true, Ordering::Relaxed);
            outcomes.given_up();
            outcomes.abort(error);
            Pass::default()
        });
        // Whatever was given up must be read again, and a site that was due has not shown that it is well.
        if outcomes.gave_up() {
            self.pauses(&Errand::Live).fall_behind();
        } else {
            self.pauses(&Errand::Live).recover(now);
        }
        if let Err(error) = self.remember(&read, outcomes, now.time).await {
            outcomes.abort(error);
        }
        outcomes.report(read)
    }

    /// Makes durable how far the pass came.
    async fn remember(&self, read: &Pass, outcomes: &Outcomes, now: Time) -> Result<(), PassError> {
        if !outcomes.is_aborted() {
            self.cover(&read.files, outcomes).await?;
            let is_first_run = self.journal.read(|state| state.last_run.is_none());
            let has_stored = outcomes.lock().totals.objects > 0;
            if !outcomes.was_cut_short() && (is_first_run || has_stored) {
                self.journal.defer(Change::Ran { now });
            }
        }
        Ok(self.journal.flush().await?)
    }

    /// Remembers what is covered, if nothing before it was given up.
    pub(super) async fn cover(&self, files: &[SourceFile], outcomes: &Outcomes) -> Result<(), PassError> {
        self.quarantine().note_checkpoint();
        if !outcomes.is_clean() || !self.pauses(&Errand::Live).is_clean() {
            return Ok(());
        }
        tokio::task::block_in_place(|| self.quarantine().sync())?;
        if self.journal.read(|state| state.files != files) {
            self.journal.commit(Change::Covered { files: files.to_vec() }).await?;
        }
        Ok(())
    }

    pub(super) fn now(&self) -> Moment {
        Moment::of(&*self.clock)
    }

    /// Whether live rows are held up that were read already.
    #[must_use]
    pub fn is_held_up(&self) -> bool {
        !self.pauses(&Errand::Live).is_clean()
    }

    /// The sites that wait for their next try at such an errand.
    pub(super) fn pauses(&self, errand: &Errand) -> MutexGuard<'_, Pauses> {
        match errand {
            Errand::Live => self.pauses.lock().unwrap_or_else(PoisonError::into_inner),
            Errand::Late | Errand::Fill(_) => self.pauses_beside(),
        }
    }

    /// The sites whose chains beside the live one wait for their next try.
    pub(super) fn pauses_beside(&self) -> MutexGuard<'_, Pauses> {
        self.pauses_beside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn quarantine(&self) -> MutexGuard<'_, Quarantine> {
        self.quarantine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes of a pass while it runs; shared by its lanes and the source's thread.
#[derive(Default)]
pub(super) struct Outcomes {
    under_way: watch::Sender<usize>,
    inner: Mutex<Inner>,
    given_up: AtomicU64,
    cut_short: AtomicBool,
}

#[derive(Default)]
struct Inner {
    totals: Totals,
    failures: BTreeMap<SiteId, SiteError>,
    moved: bool,
    error: Option<PassError>,
    /// Why the first row that had to be kept was not.
    blocked: Option<QuarantineError>,
}

impl Outcomes {
    /// A batch is under way.
    pub(super) fn begin(&self) {
        self.under_way.send_modify(|count| *count += 1);
    }

    /// It is no more.
    pub(super) fn end(&self) {
        self.under_way.send_modify(|count| *count -= 1);
    }

    /// Returns once no batch is under way.
    pub(super) async fn settled(&self) {
        // The sender lives in `self`, so waiting ends with the last batch.
        let _ = self.under_way.subscribe().wait_for(|count| *count == 0).await;
    }

    pub(super) fn stored(&self, rows: u64, stored_bytes: u64) {
        let totals = &mut self.lock().totals;
        totals.objects += 1;
        totals.rows += rows;
        totals.stored_bytes += stored_bytes;
    }

    pub(super) fn rejected(&self) {
        self.lock().totals.rejected_rows += 1;
    }

    /// A site was moved to where the sink says it stands.
    pub(super) fn moved(&self) {
        self.lock().moved = true;
    }

    /// A batch was not tried any more.
    pub(super) fn given_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }

    /// A site failed. What concerns the sink as a whole, or the state, ends the pass.
    pub(super) fn failed(&self, site: &SiteId, error: SiteError) {
        match error {
            SiteError::Stopped(_) => self.given_up(),
            SiteError::State(error) => {
                self.given_up();
                self.abort(error.into());
            }
            SiteError::Sink(error @ (SinkError::Denied(_) | SinkError::Fatal(_))) => {
                self.given_up();
                self.abort(PassError::Sink(error));
            }
            error => {
                // That the sink is away is told once for all.
                if let Some(wait) = error.wait() {
                    tracing::debug!(%site, %error, wait_s = wait.as_secs(), "site waits for the sink");
                } else {
                    tracing::warn!(%site, %error, "site failed; it is tried again later");
                }
                self.lock().failures.insert(site.clone(), error);
            }
        }
    }

    /// How long the sink is away for all, where that is why the site failed.
    pub(super) fn wait_of(&self, site: &SiteId) -> Option<Duration> {
        self.lock().failures.get(site)?.wait()
    }

    /// Whether a site failed in this pass.
    pub(super) fn has_failed(&self, site: &SiteId) -> bool {
        self.lock().failures.contains_key(site)
    }

    /// The sites that failed in this pass, and how long the sink is away for all.
    pub(super) fn failed_sites(&self) -> Vec<(SiteId, Option<Duration>)> {
        self.lock().failures.iter().map(|(site, error)| (site.clone(), error.wait())).collect()
    }

    /// A row could be neither sent nor kept: it must be met again, before anything behind it counts.
    pub(super) fn blocked(&self, site: Option<&SiteId>, error: QuarantineError) {
        self.given_up();
        let mut inner = self.lock();
        if let Some(site) = site {
            inner.failures.entry(site.clone()).or_insert_with(|| SiteError::Quarantine(error.to_string()));
        }
        inner.blocked.get_or_insert(error);
    }

    /// Ends the pass; the first reason counts.
    pub(super) fn abort(&self, error: PassError) {
        let mut inner = self.lock();
        if !matches!(error, PassError::Source(SourceError::Stopped(_))) {
            inner.error.get_or_insert(error);
        }
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.lock().error.is_some()
    }

    fn gave_up(&self) -> bool {
        self.lock().moved || self.given_up.load(Ordering::Relaxed) > 0
    }

    /// Whether the source was not read to its end.
    fn was_cut_short(&self) -> bool {
        self.lock().error.is_some() || self.cut_short.load(Ordering::Relaxed)
    }

    pub(super) fn is_clean(&self) -> bool {
        let inner = self.lock();
        let whole = inner.failures.is_empty() && inner.error.is_none() && !inner.moved;
        whole && self.given_up.load(Ordering::Relaxed) == 0
    }

    pub(super) fn report(&self, source: Pass) -> PassReport {
        let mut guard = self.lock();
        let inner = &mut *guard;
        PassReport {
            totals: inner.totals,
            failures: std::mem::take(&mut inner.failures),
            error: inner.error.take().or_else(|| inner.blocked.take().map(PassError::Quarantine)),
            again: inner.moved,
            source,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

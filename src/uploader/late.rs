//! Late rows: the window behind each site's watermark is read again, and what the ledger does not hold
//! is sent on the late chain.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use livecosmos_state::{ChainName, Cursor, Fill, FillKind, Site, SiteId, Tie, Time, Window};

use super::change::{Change, Position, Sent};
use super::errand::Errand;
use super::intake::Lanes;
use super::ledger::{Hole, Sieve};
use super::pass::{Outcomes, PassReport};
use super::{LiveUploader, Lookback, SiteError};
use crate::clock::{just_after, just_before};
use crate::source::{Bounds, Pass, Resume, Source, SourceError, Start};

/// Rows of a site are forgotten this many seconds at once.
const FORGET_S: i64 = 3_600;

impl LiveUploader {
    /// Whether rows that come late are looked for.
    #[must_use]
    pub fn looks_back(&self) -> bool {
        self.settings.lookback.is_some()
    }

    /// Looks for late rows of all sites with `source`, and gives it back. To be called after a live
    /// pass: what that left behind its cursors counts as late.
    pub async fn late(
        self: &Arc<Self>,
        mut source: Box<dyn Source>,
        only: Option<&BTreeSet<SiteId>>,
    ) -> (Option<Box<dyn Source>>, PassReport) {
        let now = self.now();
        let outcomes = Arc::new(Outcomes::default());
        let start = self.journal.read(|state| Start {
            now: now.time,
            files: Vec::new(),
            known: state.sites.keys().cloned().collect(),
            only: only.cloned(),
            first_run: false,
            behind: self.is_late_behind.swap(false, Ordering::Relaxed),
            is_bounded: true,
        });
        let mut lanes = Lanes::new(Arc::clone(self), Arc::clone(&outcomes), Errand::Late, now);
        let reader = tokio::task::spawn_blocking(move || {
            let read = source.pass(&start, &mut lanes);
            (source, read)
        });
        let (source, read) = match reader.await {
            Ok((source, read)) => (Some(source), read),
            Err(error) => (None, Err(SourceError::Unavailable(error.to_string()))),
        };
        outcomes.settled().await;
        (source, self.conclude_late(read, &outcomes).await)
    }

    async fn conclude_late(&self, read: Result<Pass, SourceError>, outcomes: &Outcomes) -> PassReport {
        for (site, wait) in outcomes.failed_sites() {
            self.pauses_beside().note(&site, wait, self.now());
        }
        let read = read.map_err(|error| outcomes.abort(error.into())).ok();
        if read.is_none() || !outcomes.is_clean() {
            self.is_late_behind.store(true, Ordering::Relaxed);
        }
        if let Err(error) = self.journal.flush().await {
            outcomes.abort(error.into());
        }
        outcomes.report(read.unwrap_or_default())
    }

    /// The window behind the site's watermark, and the sieve for its rows.
    ///
    /// The sink was asked before where both chains end: what it holds is in the ledger.
    pub(super) async fn resume_late(&self, site: &SiteId) -> Result<(Resume, Option<Sieve>), SiteError> {
        let nothing = || (Resume { paused: true, ..Resume::from_the_start() }, None);
        let Some(lookback) = self.settings.lookback else { return Ok(nothing()) };
        if self.journal.read(|state| !state.sites.contains_key(site)) {
            return Ok(nothing());
        }
        self.confirm(site, &ChainName::LIVE).await?;
        self.confirm(site, &ChainName::LATE).await?;
        if self.position(site, &ChainName::REQUEUE) != Position::start(None) {
            // What was requeued lies in the window too.
            self.confirm(site, &ChainName::REQUEUE).await?;
        }
        self.tidy(site, lookback);
        self.look_beside(site, lookback).await?;
        let known = self.journal.read(|state| {
            let site = state.sites.get(site)?;
            Some((site.resume_late(lookback)?, site.ledger.clone(), holes(site)))
        });
        let Some((resume, ledger, holes)) = known else { return Ok(nothing()) };
        let sieve = Sieve::new(ledger, self.settings.tie_column.clone(), lookback.sends_updates);
        Ok((resume, Some(sieve.holding_back(holes))))
    }

    /// Forgets, in the state that a pass begins with, what a window made shorter has left behind: a state
    /// that has grown too large to be committed comes back within its bounds.
    pub(super) fn forget(&self) {
        let Some(lookback) = self.settings.lookback else { return };
        let changes: Vec<Change> = self.journal.read(|state| {
            state.sites.iter().filter_map(|(id, site)| forgotten(id, site, lookback)).collect()
        });
        for change in changes {
            self.journal.defer(change);
        }
    }

    /// Makes the state what a receiver says, which does not say what the rows are: what comes late behind them
    /// could not be told from them, and is not looked for.
    pub(super) fn take_over_unread(&self, site: &SiteId, chain: &ChainName, position: Position) {
        let (id, chain) = (site.clone(), chain.clone());
        self.journal.defer(Change::Adopted { site: id, chain, position, rows: Sent::default() });
        if !self.looks_back() {
            return;
        }
        if let Some(front) = self.journal.read(|state| front(state.sites.get(site)?)) {
            tracing::warn!(table = %self.settings.table, %site, %front,
                "the receiver held rows that the state did not know, and gives none back: rows that come late before \
                 this time are not looked for");
            let (site, from) = (site.clone(), just_after(front));
            self.journal.defer(Change::Watched { site, from, rows: Sent::default() });
        }
    }

    /// Begins the ledger of a site, or forgets what its window has left behind.
    fn tidy(&self, id: &SiteId, lookback: Lookback) {
        let change = self.journal.read(|state| {
            let site = state.sites.get(id)?;
            if site.ledger_from.is_some() {
                return forgotten(id, site, lookback);
            }
            // Nothing is known of the rows before the front: what it jumped over is a fill's.
            let from = just_after(front(site)?);
            Some(Change::Watched { site: id.clone(), from, rows: Sent::default() })
        });
        if let Some(change) = change {
            self.journal.defer(change);
        }
    }
}

/// That what the window of a site has left behind is no longer in its ledger, if that is worth it.
fn forgotten(id: &SiteId, site: &Site, lookback: Lookback) -> Option<Change> {
    let first = lookback.first(front(site)?);
    let is_old = first.seconds.saturating_sub(site.ledger_from?.seconds) >= FORGET_S;
    is_old.then(|| Change::Forgotten { site: id.clone(), before: first })
}

/// The latest time that the live chain covers: behind a jump it is later than any row that is stored.
pub(super) fn front(site: &Site) -> Option<Time> {
    let reached = match site.live.cursor {
        Cursor::Row { time, .. } => Some(time),
        Cursor::Start | Cursor::File { .. } => None,
    };
    site.last_data.max(reached)
}

/// What fills still send. A row that comes late behind where one has come to is not among it: by the time the
/// fill is done the window may have left that row behind.
fn holes(site: &Site) -> Vec<Hole> {
    let fills = site.fills.values().filter(|fill| fill.kind != FillKind::Resend);
    let hole = |fill: &Fill| {
        let Cursor::Row { time: until, .. } = fill.until else { return None };
        // What compares sends differences from all of its part, in each of its turns.
        let reached = match &fill.chain.cursor {
            cursor @ Cursor::Row { .. } if !fill.kind.compares() => cursor,
            _ => &fill.after,
        };
        let (after, has_tie) = match reached {
            Cursor::Row { time, tie } => (Some(*time), *tie != Tie::None),
            Cursor::Start | Cursor::File { .. } => (None, false),
        };
        Some(Hole { after, has_tie, until })
    };
    fills.filter_map(hole).collect()
}

/// What a source reads of the window; `None` where there is none yet.
trait Late {
    fn resume_late(&self, lookback: Lookback) -> Option<Resume>;
}

impl Late for Site {
    /// What a first run left out is no part of it.
    fn resume_late(&self, lookback: Lookback) -> Option<Resume> {
        let live = Position::of(self, &ChainName::LIVE)?;
        let window_begins = just_before(lookback.first(front(self)?).max(self.ledger_from?));
        let after = self.floor.map_or(window_begins, |floor| floor.max(window_begins));
        let bounds = Bounds { until: live.passed.unwrap_or(live.cursor), window: Window::default() };
        let cursor = Cursor::Row { time: after, tie: Tie::None };
        Some(Resume { cursor, bounds: Some(bounds), ..Resume::from_the_start() })
    }
}

//! The uploader's side of a pass: hands a source's batches to one lane per site.

use std::collections::HashMap;
use std::sync::Arc;

use livecosmos_state::{ChainName, SiteId, SourceFile, State, Time};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::change::{Change, Position};
use super::errand::Errand;
use super::fill::TURN_BATCHES_MAX;
use super::ledger::Sieve;
use super::memory::Loan;
use super::pass::{Outcomes, PassError};
use super::{Fallback, LiveUploader, Parcel, SiteError, Step};
use crate::clock::{Moment, just_before, shift};
use crate::rows::Batch;
use crate::source::{FileOrigin, Intake, Reject, Resume, Stopped};

/// A batch waiting in its site's lane, with the memory it holds.
struct Waiting {
    parcel: Parcel,
    memory: Loan,
}

/// Lives on the source's thread for one pass.
pub(super) struct Lanes {
    uploader: Arc<LiveUploader>,
    outcomes: Arc<Outcomes>,
    runtime: Handle,
    errand: Errand,
    /// When the pass began.
    now: Moment,
    by_site: HashMap<SiteId, mpsc::UnboundedSender<Waiting>>,
    /// What lets through only rows that are not stored, for the sites that have one; and how many of them
    /// the next object takes, where the sink refused more.
    sieves: HashMap<SiteId, (Sieve, Option<usize>)>,
    /// Batches taken so far.
    batches: u64,
}

impl Lanes {
    pub(super) fn new(
        uploader: Arc<LiveUploader>,
        outcomes: Arc<Outcomes>,
        errand: Errand,
        now: Moment,
    ) -> Self {
        Self {
            uploader,
            outcomes,
            runtime: Handle::current(),
            errand,
            now,
            by_site: HashMap::new(),
            sieves: HashMap::new(),
            batches: 0,
        }
    }

    fn resume_live(&self, site: &SiteId) -> Result<Resume, SiteError> {
        let known =
            self.uploader.journal.read(|state| Position::of(state.sites.get(site)?, &ChainName::LIVE));
        let position = known.map_or_else(|| self.admit(site), Ok)?;
        Ok(position.resume(false))
    }

    fn admit(&self, site: &SiteId) -> Result<Position, SiteError> {
        // Of a site that failed since it was first seen, that first look counts.
        let first_look = self.uploader.pauses(&Errand::Live).failing_since(site).unwrap_or(self.now.time);
        self.runtime.block_on(self.uploader.admit(site, first_look))
    }

    /// Keeps the sieve for the rows that follow. After a refusal the source cuts its batches smaller, where
    /// all of their rows are sent; what a sieve lets through is parted behind it. So it is with a batch whose
    /// fate is not known and cannot be looked up: the same is sent again.
    fn sift(&mut self, site: &SiteId, (resume, sieve): (Resume, Option<Sieve>)) -> Resume {
        let chain = self.errand.chain();
        let unsettled = self.uploader.rows_of_unsettled(site, &chain);
        let rows_max = self.uploader.rows_max(site, &chain).into_iter().chain(unsettled).min();
        let pending = self.uploader.unanswered(site, &chain);
        let resume = Resume { bytes_max: self.uploader.rows_bytes_max(), ..resume };
        match sieve {
            Some(sieve) => {
                let sent = pending.and_then(|intent| usize::try_from(intent.rows).ok());
                self.sieves.insert(site.clone(), (sieve, rows_max.or(sent)));
                resume
            }
            None => Resume { rows_max, cut_at: pending.map(|intent| intent.to), ..resume },
        }
    }

    /// What a sieve lets through of a batch, in parts that the sink may take.
    fn sifted(&mut self, mut batch: Batch) -> Vec<Batch> {
        let Some((sieve, rows_max)) = self.sieves.get_mut(&batch.site) else { return vec![batch] };
        sieve.sift(&mut batch);
        let mut parts = Vec::new();
        while let Some(most) = rows_max.filter(|most| *most < batch.rows.len()) {
            parts.push(batch.split_to(most));
            *rows_max = most.checked_mul(2);
        }
        parts.push(batch);
        parts.retain(|part| !part.rows.is_empty());
        parts
    }

    /// Hands a batch to its site's lane.
    fn send(&mut self, batch: Batch) -> Result<(), Stopped> {
        if self.stopped() {
            return Err(Stopped);
        }
        let site = batch.site.clone();
        if self.outcomes.has_failed(&site) {
            self.outcomes.given_up();
            return Ok(());
        }
        // Rows before this batch that cannot be sent must be as durable as its chain's cursor.
        if let Err(error) = self.uploader.quarantine().sync() {
            self.outcomes.abort(PassError::Quarantine(error));
            return Err(Stopped);
        }
        if matches!(self.errand, Errand::Fill(_)) && self.batches == TURN_BATCHES_MAX {
            return Err(Stopped);
        }
        self.batches += 1;
        let memory = self.runtime.block_on(self.uploader.borrow(&batch.rows))?;
        let next = match &self.errand {
            Errand::Live => self.uploader.jump(&batch, self.now.time),
            Errand::Late => None,
            Errand::Fill(chain) => self.uploader.end_of_fill(&batch, chain),
        };
        self.outcomes.begin();
        let parcel = Parcel { chain: self.errand.chain(), batch, next };
        // A lane ends only after its sender is dropped.
        self.lane(&site).send(Waiting { parcel, memory }).map_err(|_| Stopped)
    }

    fn lane(&mut self, site: &SiteId) -> &mpsc::UnboundedSender<Waiting> {
        self.by_site.entry(site.clone()).or_insert_with(|| {
            let (sender, waiting) = mpsc::unbounded_channel();
            let lane = run_lane(Arc::clone(&self.uploader), Arc::clone(&self.outcomes), waiting);
            self.runtime.spawn(lane);
            sender
        })
    }
}

impl Intake for Lanes {
    fn resume(&mut self, site: &SiteId) -> Result<Resume, Stopped> {
        self.uploader.shared.progress.step();
        let paused = Resume { paused: true, ..Resume::from_the_start() };
        if self.uploader.pauses(&self.errand).is_paused(site, self.now) {
            return Ok(paused);
        }
        let resume = match &self.errand {
            Errand::Live => self.resume_live(site).map(|resume| self.sift(site, (resume, None))),
            Errand::Late => {
                self.runtime.block_on(self.uploader.resume_late(site)).map(|it| self.sift(site, it))
            }
            Errand::Fill(chain) => {
                self.runtime.block_on(self.uploader.resume_fill(site, chain)).map(|it| self.sift(site, it))
            }
        };
        resume.or_else(|error| {
            self.outcomes.failed(site, error);
            if self.stopped() { Err(Stopped) } else { Ok(paused) }
        })
    }

    fn register(&mut self, file: SourceFile, origin: FileOrigin) -> Result<(), Stopped> {
        // A file belongs to the state once the live chain meets it.
        if self.errand != Errand::Live {
            return Ok(());
        }
        // The floors of a replaced file follow from what is stored: wait for what is under way.
        self.runtime.block_on(self.outcomes.settled());
        let commit = self.uploader.journal.commit(Change::Registered { file, origin });
        self.runtime.block_on(commit).map(drop).map_err(|error| {
            self.outcomes.abort(PassError::State(error));
            Stopped
        })
    }

    fn batch(&mut self, batch: Batch) -> Result<(), Stopped> {
        self.sifted(batch).into_iter().try_for_each(|batch| self.send(batch))
    }

    fn checkpoint(&mut self, files: &[SourceFile]) -> Result<(), Stopped> {
        if self.errand != Errand::Live {
            return Ok(());
        }
        self.runtime.block_on(self.outcomes.settled());
        if self.stopped() {
            return Err(Stopped);
        }
        self.runtime.block_on(self.uploader.cover(files, &self.outcomes)).map_err(|error| {
            self.outcomes.abort(error);
            Stopped
        })
    }

    /// A row that cannot be kept either holds up its own site, and what is covered, but nobody else.
    fn reject(&mut self, reject: Reject) -> Result<(), Stopped> {
        self.outcomes.rejected();
        let kept = self.uploader.quarantine().keep(&reject, self.now.time);
        if let Err(error) = kept {
            let site = reject.site.as_deref().and_then(|site| SiteId::parse(site).ok());
            self.outcomes.blocked(site.as_ref(), error);
        }
        Ok(())
    }

    fn is_checkpoint_due(&self) -> bool {
        self.errand == Errand::Live && self.uploader.quarantine().is_checkpoint_due()
    }

    fn stopped(&self) -> bool {
        self.uploader.shared.progress.step();
        self.uploader.stop.is_requested() || self.outcomes.is_aborted()
    }
}

/// Stores one site's batches, strictly in order; after a failure or a move the rest is given up.
async fn run_lane(
    uploader: Arc<LiveUploader>,
    outcomes: Arc<Outcomes>,
    mut waiting: mpsc::UnboundedReceiver<Waiting>,
) {
    let mut ended = false;
    while let Some(Waiting { parcel, mut memory }) = waiting.recv().await {
        if !ended && !uploader.stop.is_requested() && !outcomes.is_aborted() {
            let (site, rows) = (parcel.batch.site.clone(), parcel.batch.rows.len() as u64);
            match uploader.store(parcel, &mut memory).await {
                Ok(Step::Stored { stored_bytes }) => outcomes.stored(rows, stored_bytes),
                Ok(Step::Jumped { stored_bytes }) => {
                    ended = true;
                    outcomes.stored(rows, stored_bytes);
                    outcomes.moved();
                }
                Ok(Step::Refused { rows }) => (0..rows).for_each(|_| outcomes.rejected()),
                Ok(Step::Moved) => {
                    ended = true;
                    outcomes.moved();
                }
                Err(error) => {
                    ended = true;
                    outcomes.failed(&site, error);
                }
            }
            uploader.shared.progress.step();
        } else {
            outcomes.given_up();
        }
        drop(memory);
        outcomes.end();
    }
}

impl Fallback {
    /// Where a site begins that the state does not know. Files have one floor, that of the first run, and
    /// only for what they held then; in a table, a site begins at the fallback before its first look.
    pub(super) fn first_floor(self, state: &State, first_look: Time) -> Option<Time> {
        if state.last_run.is_none() || !state.files.is_empty() { state.floor } else { self.floor(first_look) }
    }

    /// Rows at or before this time are not due for a site first seen at `now`.
    pub(super) fn floor(self, now: Time) -> Option<Time> {
        match self {
            Self::Before { seconds } => Some(shift(now, -seconds)),
            Self::At(time) => Some(just_before(time)),
            Self::All => None,
        }
    }
}

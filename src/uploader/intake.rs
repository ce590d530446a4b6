//! The uploader's side of a pass: hands a source's batches to one lane per site.

use std::collections::HashMap;
use std::sync::Arc;

use livecosmos_state::{SiteId, SourceFile, State, Time};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::change::{Change, Position};
use super::limits::Loan;
use super::pass::{Outcomes, PassError};
use super::{Fallback, LiveUploader, SiteError, Step};
use crate::clock::{just_before, shift};
use crate::rows::Batch;
use crate::source::{FileOrigin, Intake, Reject, Resume, Stopped};

/// A batch waiting in its site's lane, with the memory it holds.
struct Waiting {
    batch: Batch,
    memory: Loan,
}

/// Lives on the source's thread for one pass.
pub(super) struct Lanes {
    uploader: Arc<LiveUploader>,
    outcomes: Arc<Outcomes>,
    runtime: Handle,
    now: Time,
    by_site: HashMap<SiteId, mpsc::UnboundedSender<Waiting>>,
}

impl Lanes {
    pub(super) fn new(uploader: Arc<LiveUploader>, outcomes: Arc<Outcomes>, now: Time) -> Self {
        Self { uploader, outcomes, runtime: Handle::current(), now, by_site: HashMap::new() }
    }

    /// A site the state does not know: where it stands is for the sink to say (I4: a lost state is
    /// no first run), and only a site without any object begins at the fallback.
    fn admit(&self, site: &SiteId) -> Result<Position, SiteError> {
        let uploader = &self.uploader;
        let found = self.runtime.block_on(uploader.chain(site).catch_up(Position::start(None)))?;
        let position = if found.seq > 0 { found } else { Position::start(self.first_floor(site)) };
        uploader.confirmed().insert(site.clone());
        uploader.journal.defer(Change::Admitted { site: site.clone(), position });
        // As the state has it now: with the floor that follows from a file that was lost.
        Ok(uploader.position(site))
    }

    /// Of a site that failed since it was first seen, that first look counts.
    fn first_floor(&self, site: &SiteId) -> Option<Time> {
        let first_look = self.uploader.pauses().failing_since(site).unwrap_or(self.now);
        let fallback = self.uploader.settings.fallback;
        self.uploader.journal.read(|state| fallback.first_floor(state, first_look))
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
        if self.uploader.pauses().is_paused(site, self.now) {
            return Ok(Position::start(None).resume(true));
        }
        let known = self.uploader.journal.read(|state| state.sites.get(site).map(Position::of));
        let position = match known {
            Some(position) => position,
            None => match self.admit(site) {
                Ok(position) => position,
                Err(error) => {
                    self.outcomes.failed(site, error);
                    return if self.stopped() {
                        Err(Stopped)
                    } else {
                        Ok(Position::start(None).resume(true))
                    };
                }
            },
        };
        Ok(position.resume(false))
    }

    fn register(&mut self, file: SourceFile, origin: FileOrigin) -> Result<(), Stopped> {
        // The floors of a replaced file follow from what is stored: wait for what is under way.
        self.runtime.block_on(self.outcomes.settled());
        let commit = self.uploader.journal.commit(Change::Registered { file, origin });
        self.runtime.block_on(commit).map(drop).map_err(|error| {
            self.outcomes.abort(PassError::State(error));
            Stopped
        })
    }

    fn batch(&mut self, batch: Batch) -> Result<(), Stopped> {
        if self.stopped() {
            return Err(Stopped);
        }
        let site = batch.site.clone();
        if self.outcomes.has_failed(&site) {
            self.outcomes.given_up();
            return Ok(());
        }
        // Rows before this batch that cannot be sent must be as durable as its site's cursor.
        if let Err(error) = self.uploader.quarantine().sync() {
            self.outcomes.abort(PassError::Quarantine(error));
            return Err(Stopped);
        }
        let memory = self.runtime.block_on(self.uploader.shared.borrow(&batch.rows))?;
        self.outcomes.begin();
        // A lane ends only after its sender is dropped.
        self.lane(&site).send(Waiting { batch, memory }).map_err(|_| Stopped)
    }

    fn checkpoint(&mut self, files: &[SourceFile]) -> Result<(), Stopped> {
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
        let kept = self.uploader.quarantine().keep(&reject, self.now);
        if let Err(error) = kept {
            let site = reject.site.as_deref().and_then(|site| SiteId::parse(site).ok());
            self.outcomes.blocked(site.as_ref(), error);
        }
        Ok(())
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
    while let Some(Waiting { batch, mut memory }) = waiting.recv().await {
        if !ended && !uploader.stop.is_requested() && !outcomes.is_aborted() {
            let (site, rows) = (batch.site.clone(), batch.rows.len() as u64);
            match uploader.store(batch, &mut memory).await {
                Ok(Step::Stored { stored_bytes }) => outcomes.stored(rows, stored_bytes),
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

impl Position {
    /// The same for a source.
    pub(super) fn resume(self, paused: bool) -> Resume {
        Resume {
            cursor: self.cursor,
            ahead: self.ahead,
            floor: self.floor,
            last_data: self.last_data,
            paused,
        }
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

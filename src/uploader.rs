//! The promise: every new row, once, in the sink. This file is all of it; the rest is mechanics.
//!
//! One site's batches go through `LiveUploader::store` strictly in order, sites in parallel:
//!
//! 1. **encode** the batch: same rows, same bytes;
//! 2. **remember** the intent, durably, before anything can reach the sink (I2);
//! 3. **put** the object under the key that (table, site, chain, seq) decide, if that key is free (I3);
//! 4. **stored**: only the sink's acknowledgement moves the watermark (I1), in the same commit as the
//!    next intent;
//! 5. **the key is taken**, or a reply was lost: the sink is the judge (I5). What it holds is read back
//!    and adopted, and the site is read again from there; nothing is overwritten, nothing skipped.
//!
//! A crash between any two steps leaves a state that is behind the sink at most. The first thing done
//! for a chain after a start is therefore to look at the sink behind the state's `seq`.
//!
//! A site has several chains, and the promise is the same for each: `live` follows the source's front,
//! `late` takes the rows that came behind it, and fills take what lies in a hole: a backlog that the
//! live chain jumped over, or what an operator asked for.

mod adopt;
mod backlog;
mod beside;
mod change;
mod errand;
mod error;
mod fill;
mod fit;
mod foresee;
mod intake;
mod journal;
mod late;
mod ledger;
mod limits;
mod memory;
mod pack;
mod pass;
mod pause;
mod rebuild;
mod refuse;
mod rehearse;
mod requeue;
mod retry;
mod scattered;
mod settings;
mod stored;

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use livecosmos_state::{ChainName, CommitError, Cursor, FillKind, Intent, Observer, SiteId, Store};

pub use backlog::{Backlog, backlog};
pub use error::SiteError;
pub use foresee::{Foreseen, foresee};
pub use limits::{Encoders, Shared};
pub use memory::Memory;
pub use pass::{PassError, PassReport, Totals};
pub use rehearse::{Plan, Rehearsal, SitePlan};
pub use requeue::{Requeued, Waiting};
pub use retry::{RetryPolicy, until_settled as settle};
pub use settings::{Fallback, Lookback, Settings};

use crate::clock::Clock;
use crate::quarantine::Quarantine;
use crate::rows::Batch;
use crate::sink::{self, Object, PutOutcome, Sink, SinkError};
use crate::stop::Stop;
use adopt::{Chain, Found};
use change::{Change, Position, Sent};
use fit::Fit;
use journal::Journal;
use memory::Loan;
use pack::Packed;
use pause::Pauses;
use refuse::Refusals;

/// Follows one table: takes batches from its source, stores them, remembers.
///
/// The only caller of commit.
pub struct LiveUploader {
    settings: Settings,
    sink: Arc<dyn Sink>,
    journal: Journal,
    clock: Arc<dyn Clock>,
    stop: Stop,
    shared: Shared,
    quarantine: Mutex<Quarantine>,
    /// Sites whose live chain failed, and sites whose late chain or fills did.
    pauses: Mutex<Pauses>,
    pauses_beside: Mutex<Pauses>,
    /// The lookback windows must be read again though the source has not changed.
    is_late_behind: AtomicBool,
    /// How many bytes rows come to.
    fit: Fit,
    /// Chains that are getting over an object that was refused.
    refusals: Mutex<Refusals>,
    /// Chains that were looked at in the sink since the start, or since a put with unknown fate.
    confirmed: Mutex<HashSet<(SiteId, ChainName)>>,
    /// Sites whose other chains were looked at.
    looked_beside: Mutex<HashSet<SiteId>>,
}

/// A batch on its way to be the next object of a chain.
struct Parcel {
    chain: ChainName,
    batch: Batch,
    /// Where the chain goes on behind it, if it leaves a hole to a fill.
    next: Option<Cursor>,
}

/// How a batch ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It is stored.
    Stored {
        /// Bytes as stored.
        stored_bytes: u64,
    },
    /// It is stored, and its chain goes on behind a hole: its rows must be read again from there.
    Jumped {
        /// Bytes as stored.
        stored_bytes: u64,
    },
    /// The sink does not take it: it was one row, or rows that cannot be parted, and is in quarantine.
    Refused {
        /// Rows put there.
        rows: u64,
    },
    /// The sink held more than the state knew: the site was moved, its rows must be read again.
    Moved,
}

/// What a look into the sink showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Confirmed {
    /// The chain ends where the state says.
    AsKnown,
    /// It goes on behind that; the site was moved to its end.
    Moved,
}

impl LiveUploader {
    /// Takes over an opened state and follows on from it.
    #[expect(clippy::too_many_arguments, reason = "the uploader's whole world, handed in once")]
    #[must_use]
    pub fn new(
        settings: Settings,
        sink: Arc<dyn Sink>,
        store: Store,
        observer: Arc<dyn Observer>,
        quarantine: Quarantine,
        clock: Arc<dyn Clock>,
        stop: Stop,
        shared: Shared,
    ) -> Self {
        let journal = Journal::new(store, observer, stop.clone(), settings.commit_patience);
        let quarantine = Mutex::new(quarantine);
        Self {
            settings,
            sink,
            journal,
            clock,
            stop,
            shared,
            quarantine,
            pauses: Mutex::default(),
            pauses_beside: Mutex::default(),
            is_late_behind: AtomicBool::new(true),
            fit: Fit::default(),
            refusals: Mutex::default(),
            confirmed: Mutex::default(),
            looked_beside: Mutex::default(),
        }
    }

    /// Commits what waits, ends the writer and releases the state's lock.
    ///
    /// # Errors
    /// When the last commit failed.
    pub fn close(&self) -> Result<(), CommitError> {
        self.journal.stop()
    }

    /// Identity of the state.
    #[must_use]
    pub fn instance(&self) -> &str {
        self.journal.instance()
    }

    /// How many bytes of rows an object may have, where the sink takes no more.
    fn rows_bytes_max(&self) -> Option<usize> {
        self.sink.object_bytes_max().map(|most| self.fit.rows_bytes_max(most))
    }

    /// Takes leave of the sink: nothing is put after it.
    pub async fn take_leave(&self) {
        self.sink.close().await;
    }

    /// Refuses a sink that gives nothing back, for `what` must read it.
    ///
    /// # Errors
    /// [`SinkError::Fatal`], which says so.
    pub fn check_readable(&self, what: &str) -> Result<(), SinkError> {
        sink::check_readable(&*self.sink, what)
    }

    /// Whether the object under the intent's key is the one that was intended.
    async fn is_stored(&self, intent: &Intent) -> Result<bool, SiteError> {
        let look = || self.sink.head(&intent.key);
        let facts = retry::until_settled(&self.settings.retry, &self.stop, look).await?;
        Ok(facts.is_some_and(|facts| facts.digest == intent.digest))
    }

    /// Stores one batch, as the head of this file says. `memory` is given back as it is freed.
    async fn store(&self, parcel: Parcel, memory: &mut Loan) -> Result<Step, SiteError> {
        let (site, chain) = (parcel.batch.site.clone(), parcel.chain.clone());
        if self.confirm(&site, &chain).await? == Confirmed::Moved || self.has_moved(&site, &chain).await? {
            return Ok(Step::Moved);
        }
        let (parcel, packed) = self.pack(parcel).await?;
        let Packed { encoded, rows } = packed;
        memory.shrink_to(encoded.bytes.len());
        let intent = self.intend(&parcel, &encoded).await?;
        if let Some(pending) = self.unsettled(&site, &chain, &intent) {
            return self.settle_unsettled(&site, &chain, pending).await;
        }

        let change =
            Change::Intended { site: site.clone(), chain: chain.clone(), intent: Box::new(intent.clone()) };
        let generation = self.journal.commit(change).await?;

        let stored_bytes = encoded.bytes.len() as u64;
        let object = self.object(&parcel, &intent, generation, encoded);
        let outcome = match self.put(&site, &chain, &intent.key, &object).await {
            Err(SiteError::NotTaken(words)) => {
                return self.get_over(&chain, &parcel.batch, rows, words).await;
            }
            outcome => outcome?,
        };
        match outcome {
            PutOutcome::Stored => {
                self.is_taken(&site, &chain);
                let has_jumped = chain == ChainName::LIVE && intent.next.is_some();
                self.journal.defer(Change::Stored { site, chain, intent: Box::new(intent), rows });
                Ok(if has_jumped { Step::Jumped { stored_bytes } } else { Step::Stored { stored_bytes } })
            }
            PutOutcome::Exists => self.adopt(&site, &chain, intent, rows).await,
        }
    }

    /// Looks once per chain and start at what the sink holds behind the state's `seq`.
    async fn confirm(&self, site: &SiteId, chain: &ChainName) -> Result<Confirmed, SiteError> {
        if self.confirmed().contains(&(site.clone(), chain.clone())) {
            return Ok(Confirmed::AsKnown);
        }
        let known = self.position(site, chain);
        let found = self.chain(site, chain).catch_up(known.clone(), self.recent(site)).await?;
        let is_as_known = found.position == known;
        if !is_as_known {
            tracing::info!(table = %self.settings.table, %site, %chain, from_seq = known.seq,
                to_seq = found.position.seq, "the sink holds more than the state knew; adopted");
            self.take_over(site, chain, found).await?;
        }
        self.confirmed().insert((site.clone(), chain.clone()));
        Ok(if is_as_known { Confirmed::AsKnown } else { Confirmed::Moved })
    }

    /// The key is taken: by this very object, whose reply was lost, or by another writer's.
    async fn adopt(
        &self,
        site: &SiteId,
        chain: &ChainName,
        intent: Intent,
        rows: Sent,
    ) -> Result<Step, SiteError> {
        let known = self.position(site, chain);
        let found = self.chain(site, chain).catch_up(known.clone(), self.recent(site)).await?;
        let mut ours = known.clone();
        ours.advance(&intent);
        if found.position == ours && self.is_stored(&intent).await? {
            // Our own put, whose reply was lost.
            let has_jumped = *chain == ChainName::LIVE && intent.next.is_some();
            let (site, chain, intent) = (site.clone(), chain.clone(), Box::new(intent));
            self.journal.defer(Change::Stored { site, chain, intent, rows });
            return Ok(if has_jumped { Step::Moved } else { Step::Stored { stored_bytes: 0 } });
        }
        if found.position == known {
            return Err(self.is_taken_by_other(site, &intent.key));
        }
        tracing::info!(table = %self.settings.table, %site, %chain, seq = intent.seq,
            to_seq = found.position.seq, "another writer stored this part of the chain; adopted");
        self.take_over(site, chain, found).await?;
        Ok(Step::Moved)
    }

    /// The key is taken, and yet no object of this chain is there: not ours to overwrite.
    fn is_taken_by_other(&self, site: &SiteId, key: &str) -> SiteError {
        SiteError::Inconsistent(format!(
            "{}: {key} is taken by something that is not the next object of site {site}; move it away or choose another key template",
            self.sink.describe(),
        ))
    }

    /// Makes the state what the sink says, and notes the rows of recent objects in the ledger.
    async fn take_over(&self, site: &SiteId, chain: &ChainName, found: Found) -> Result<(), SiteError> {
        let Found { position, recent } = found;
        if !self.sink.can_be_read() {
            self.take_over_unread(site, chain, position);
            return Ok(());
        }
        let rows = self.rows_of(&recent).await?;
        let (site, chain) = (site.clone(), chain.clone());
        self.journal.defer(Change::Adopted { site, chain, position, rows });
        Ok(())
    }

    /// Puts until the sink has answered for good, or the retry policy is at its end.
    async fn put(
        &self,
        site: &SiteId,
        chain: &ChainName,
        key: &str,
        object: &Object,
    ) -> Result<PutOutcome, SiteError> {
        let attempt = || self.sink.put(key, object);
        let outcome = retry::until_settled(&self.settings.retry, &self.stop, attempt).await;
        if outcome.is_err() {
            // Its fate may be unknown: the sink is asked before anything else is put.
            self.confirmed().remove(&(site.clone(), chain.clone()));
        }
        match outcome {
            Err(SiteError::Sink(SinkError::Refused(words))) => Err(SiteError::NotTaken(words)),
            outcome => outcome,
        }
    }

    /// Where the chain stands as far as is known.
    fn position(&self, site: &SiteId, chain: &ChainName) -> Position {
        self.journal
            .read(|state| Position::of(state.sites.get(site)?, chain))
            .unwrap_or_else(|| Position::start(None))
    }

    fn kind_of(&self, site: &SiteId, chain: &ChainName) -> Option<FillKind> {
        self.journal.read(|state| state.sites.get(site)?.fills.get(chain).map(|fill| fill.kind))
    }

    fn chain<'a>(&'a self, site: &'a SiteId, name: &'a ChainName) -> Chain<'a> {
        Chain {
            name,
            sink: &*self.sink,
            key: &self.settings.key,
            table: &self.settings.table,
            site,
            retry: &self.settings.retry,
            stop: &self.stop,
            pending: self.pending(site, name).map(|intent| intent.key),
        }
    }

    fn looked_beside(&self) -> std::sync::MutexGuard<'_, HashSet<SiteId>> {
        self.looked_beside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn confirmed(&self) -> std::sync::MutexGuard<'_, HashSet<(SiteId, ChainName)>> {
        self.confirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

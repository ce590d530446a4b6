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
//! for a site after a start is therefore to look at the sink behind the state's `seq`.

mod adopt;
mod change;
mod intake;
mod journal;
mod limits;
mod pass;
mod pause;
mod rehearse;
mod retry;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use livecosmos_state::{ChainName, CommitError, Intent, Observer, SiteId, Store};

pub use limits::Shared;
pub use pass::{PassError, PassReport, Totals};
pub use rehearse::{Plan, Rehearsal, SitePlan};
pub use retry::{RetryPolicy, until_settled as settle};

use crate::clock::Clock;
use crate::key::KeyTemplate;
use crate::payload::{Compression, Encoded, Format};
use crate::quarantine::Quarantine;
use crate::rows::Batch;
use crate::sink::{Contents, Facts, Object, PutOutcome, Sink, SinkError};
use crate::stop::Stop;
use adopt::Chain;
use change::{Change, Position};
use journal::Journal;
use limits::Loan;
use pause::Pauses;

/// The chain that follows the source's front.
const LIVE: &ChainName = &ChainName::LIVE;

/// What shapes a table's objects and their upload.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The table.
    pub table: livecosmos_state::TableName,
    /// Identity of its source.
    pub source_id: String,
    /// How keys are made.
    pub key: KeyTemplate,
    /// How rows are spelled.
    pub format: Format,
    /// How payloads are compressed.
    pub compression: Compression,
    /// Short digest of the settings that shape a payload.
    pub config_digest: String,
    /// Where a site begins that was never seen: this many seconds before now, or at a time.
    pub fallback: Fallback,
    /// How long a commit may wait for room on the disk; for ever without it.
    pub commit_patience: Option<Duration>,
    /// How long a failed put is tried again within a pass.
    pub retry: RetryPolicy,
}

/// Where a site begins that was never seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// This many seconds before the first look.
    Before {
        /// Seconds.
        seconds: i64,
    },
    /// With the first row at or after this time.
    At(livecosmos_state::Time),
    /// At the beginning.
    All,
}

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
    pauses: Mutex<Pauses>,
    /// Sites whose chain in the sink was looked at since the start, or since a put with unknown fate.
    confirmed: Mutex<HashSet<SiteId>>,
}

/// How a batch ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It is stored.
    Stored {
        /// Bytes as stored.
        stored_bytes: u64,
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

/// Why a site could not go on in this pass.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SiteError {
    /// The sink did not take the object.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// What the sink holds contradicts itself.
    #[error("{0}")]
    Inconsistent(String),
    /// The batch could not be spelled.
    #[error("cannot encode a batch of site {site}: {reason}")]
    Encode {
        /// Whose batch.
        site: SiteId,
        /// The library's words.
        reason: String,
    },
    /// A row of the site can be neither sent nor kept.
    #[error("{0}")]
    Quarantine(String),
    /// The state cannot be written.
    #[error(transparent)]
    State(#[from] CommitError),
    /// The daemon is stopping.
    #[error(transparent)]
    Stopped(#[from] crate::source::Stopped),
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
        let (pauses, confirmed) = (Mutex::default(), Mutex::default());
        Self { settings, sink, journal, clock, stop, shared, quarantine, pauses, confirmed }
    }

    /// Commits what waits, ends the writer and releases the state's lock.
    ///
    /// # Errors
    /// When the last commit failed.
    pub fn close(&self) -> Result<(), CommitError> {
        self.journal.stop()
    }

    /// Stores one batch, as the head of this file says. `memory` is given back as it is freed.
    async fn store(&self, batch: Batch, memory: &mut Loan) -> Result<Step, SiteError> {
        let site = batch.site.clone();
        if self.confirm(&site).await? == Confirmed::Moved {
            return Ok(Step::Moved);
        }
        let (batch, encoded) = self.encode(batch).await?;
        memory.shrink_to(encoded.bytes.len());
        let intent = self.intend(&batch, &encoded);

        let change = Change::Intended { site: site.clone(), intent: intent.clone() };
        let generation = self.journal.commit(change).await?;

        let stored_bytes = encoded.bytes.len() as u64;
        let object = self.object(&batch, &intent, generation, encoded);
        match self.put(&site, &intent.key, &object).await? {
            PutOutcome::Stored => {
                self.journal.defer(Change::Stored { site, intent });
                Ok(Step::Stored { stored_bytes })
            }
            PutOutcome::Exists => self.adopt(&site, &intent).await,
        }
    }

    /// Looks once per site and start at what the sink holds behind the state's `seq`.
    async fn confirm(&self, site: &SiteId) -> Result<Confirmed, SiteError> {
        if self.confirmed().contains(site) {
            return Ok(Confirmed::AsKnown);
        }
        let known = self.position(site);
        let found = self.chain(site).catch_up(known.clone()).await?;
        self.confirmed().insert(site.clone());
        if found == known {
            return Ok(Confirmed::AsKnown);
        }
        tracing::info!(table = %self.settings.table, %site, from_seq = known.seq, to_seq = found.seq,
            "the sink holds more than the state knew; adopted");
        self.journal.defer(Change::Adopted { site: site.clone(), position: found });
        Ok(Confirmed::Moved)
    }

    /// The key is taken: by this very object, whose reply was lost, or by another writer's.
    async fn adopt(&self, site: &SiteId, intent: &Intent) -> Result<Step, SiteError> {
        let known = self.position(site);
        let found = self.chain(site).catch_up(known.clone()).await?;
        let mut ours = known.clone();
        ours.advance(&intent.to, intent.last_data);
        if found == ours {
            // Our own put, whose reply was lost.
            self.journal.defer(Change::Stored { site: site.clone(), intent: intent.clone() });
            return Ok(Step::Stored { stored_bytes: 0 });
        }
        if found == known {
            // The key is taken, and yet no object of this chain is there: not ours to overwrite.
            return Err(SiteError::Inconsistent(format!(
                "{}: {} is taken by something that is not the next object of site {site}; move it away or choose another key template",
                self.sink.describe(),
                intent.key
            )));
        }
        tracing::info!(table = %self.settings.table, %site, seq = intent.seq, to_seq = found.seq,
            "another writer stored this part of the chain; adopted");
        self.journal.defer(Change::Adopted { site: site.clone(), position: found });
        Ok(Step::Moved)
    }

    /// Puts until the sink has answered for good, or the retry policy is at its end.
    async fn put(&self, site: &SiteId, key: &str, object: &Object) -> Result<PutOutcome, SiteError> {
        let attempt = || async {
            let _permit = self.shared.in_flight.acquire().await;
            self.shared.progress.step();
            self.sink.put(key, object).await
        };
        let outcome = retry::until_settled(&self.settings.retry, &self.stop, attempt).await;
        if outcome.is_err() {
            // Its fate may be unknown: the sink is asked before anything else is put.
            self.confirmed().remove(site);
        }
        outcome
    }

    /// Spells the batch on a thread for computing; gives it back for its facts.
    async fn encode(&self, mut batch: Batch) -> Result<(Batch, Encoded), SiteError> {
        let _permit = self.shared.encoders.acquire().await;
        let (format, compression) = (self.settings.format.clone(), self.settings.compression);
        let site = batch.site.clone();
        let failed = |reason: String| SiteError::Encode { site: site.clone(), reason };
        let task = tokio::task::spawn_blocking(move || {
            let encoded = format.encode(&batch, compression);
            batch.rows.release_values();
            (batch, encoded)
        });
        let (batch, encoded) = task.await.map_err(|error| failed(error.to_string()))?;
        Ok((batch, encoded.map_err(|error| failed(error.to_string()))?))
    }

    /// The intent that makes `batch` the next object of its site's chain (I3).
    fn intend(&self, batch: &Batch, encoded: &Encoded) -> Intent {
        let Position { seq, cursor: from, .. } = self.position(&batch.site);
        Intent {
            seq,
            from,
            to: batch.to.clone(),
            next: None,
            key: self.settings.key.key(&batch.site, &self.settings.table, LIVE, seq, &self.extension()),
            rows: batch.rows.len() as u64,
            last_data: batch.time_range().1,
            digest: encoded.digest,
            since: self.clock.now(),
        }
    }

    fn object(&self, batch: &Batch, intent: &Intent, generation: u64, encoded: Encoded) -> Object {
        let facts = Facts {
            table: self.settings.table.clone(),
            site: batch.site.clone(),
            chain: LIVE.clone(),
            seq: intent.seq,
            from: intent.from.clone(),
            to: intent.to.clone(),
            next: intent.next.clone(),
            is_resend: false,
            rows: intent.rows,
            last_data: intent.last_data,
            digest: intent.digest,
            config: self.settings.config_digest.clone(),
            instance: self.journal.instance().to_owned(),
            generation,
            contents: Contents::of(&batch.rows),
        };
        Object {
            bytes: encoded.bytes,
            content_type: self.settings.format.content_type(),
            content_encoding: self.settings.compression.content_encoding(),
            facts: Arc::new(facts),
        }
    }

    /// Where the site stands as far as is known.
    fn position(&self, site: &SiteId) -> Position {
        self.journal
            .read(|state| state.sites.get(site).map(Position::of))
            .unwrap_or_else(|| Position::start(None))
    }

    fn chain<'a>(&'a self, site: &'a SiteId) -> Chain<'a> {
        Chain {
            sink: &*self.sink,
            key: &self.settings.key,
            table: &self.settings.table,
            site,
            retry: &self.settings.retry,
            stop: &self.stop,
            in_flight: &self.shared.in_flight,
        }
    }

    fn extension(&self) -> String {
        format!("{}{}", self.settings.format.extension(), self.settings.compression.extension())
    }

    fn confirmed(&self) -> std::sync::MutexGuard<'_, HashSet<SiteId>> {
        self.confirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

//! What the tables of a process share: the ways to their sinks, processors, and, with those that go to the same
//! sink, memory (I7).

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::progress::Progress;
use crate::rows::Rows;
use crate::sink::Flows;
use crate::source::Stopped;

const KIB: usize = 1024;

/// Limits over all tables of the process that go to one sink.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The way to each sink.
    flows: Flows,
    /// Batches being encoded at the same time.
    pub(super) encoders: Arc<Semaphore>,
    /// Memory of rows and payloads under way, in KiB.
    memory: Arc<Semaphore>,
    memory_kib_max: u32,
    /// Signs of life for the watchdog.
    pub(super) progress: Progress,
}

impl Shared {
    /// The ways by `flows`, one encoder a processor, `memory_bytes_max` bytes under way.
    #[must_use]
    pub fn new(flows: Flows, memory_bytes_max: usize, progress: Progress) -> Self {
        let encoders = std::thread::available_parallelism().map_or(1, usize::from);
        let memory_kib_max = u32::try_from(memory_bytes_max / KIB).unwrap_or(u32::MAX).max(1);
        Self {
            flows,
            encoders: Arc::new(Semaphore::new(encoders)),
            memory: Arc::new(Semaphore::new(memory_kib_max as usize)),
            memory_kib_max,
            progress,
        }
    }

    /// The limits of another sink; processors are shared with this one.
    #[must_use]
    pub fn for_sink(&self, memory_bytes_max: usize) -> Self {
        let other = Self::new(self.flows.clone(), memory_bytes_max, self.progress.clone());
        Self { encoders: Arc::clone(&self.encoders), ..other }
    }

    /// The same limits, with one table's own signs of life.
    #[must_use]
    pub fn for_table(&self, progress: Progress) -> Self {
        Self { progress, ..self.clone() }
    }

    /// The way to each sink.
    #[must_use]
    pub fn flows(&self) -> &Flows {
        &self.flows
    }

    /// Signs of life of the table.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Borrows the memory that `rows` and their payload need; waits until there is as much.
    ///
    /// What is larger than all memory there is goes alone.
    pub(super) async fn borrow(&self, rows: &Rows) -> Result<Loan, Stopped> {
        let bytes = rows.held_bytes() + rows.payload_bytes_expected();
        let kib = kib(bytes).min(self.memory_kib_max);
        let permit = Arc::clone(&self.memory).acquire_many_owned(kib).await.map_err(|_| Stopped)?;
        Ok(Loan(Some(permit)))
    }
}

/// Memory borrowed from the budget; given back when dropped.
#[derive(Debug)]
pub(super) struct Loan(Option<OwnedSemaphorePermit>);

impl Loan {
    /// For what needs next to nothing.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Gives back all but `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let Some(permit) = &mut self.0 else { return };
        let surplus = permit.num_permits().saturating_sub(kib(bytes) as usize);
        drop(permit.split(surplus));
    }
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX).max(1)
}

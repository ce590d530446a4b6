//! What a table shares with others: the way to its sink, processors, and, with those that go to the same sink,
//! memory (I7).

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::memory::Memory;
use crate::progress::Progress;
use crate::sink::Flow;

/// What is shared, as one table sees it.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The way to the table's sink.
    flow: Arc<Flow>,
    /// Memory of rows and payloads under way.
    pub(super) memory: Arc<Memory>,
    pub(super) encoders: Encoders,
    /// Signs of life for the watchdog.
    pub(super) progress: Progress,
}

/// Processors, for batches that are encoded at the same time.
#[derive(Debug, Clone)]
pub struct Encoders(Arc<Semaphore>);

impl Shared {
    /// The limits of a table that goes by `flow`.
    #[must_use]
    pub fn new(flow: Arc<Flow>, memory: Arc<Memory>, encoders: Encoders, progress: Progress) -> Self {
        Self { flow, memory, encoders, progress }
    }

    /// The same limits, with other signs of life.
    #[must_use]
    pub fn with_signs(&self, progress: Progress) -> Self {
        Self { progress, ..self.clone() }
    }

    /// The way to the table's sink.
    #[must_use]
    pub fn flow(&self) -> &Arc<Flow> {
        &self.flow
    }

    /// Signs of life of the table.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }
}

impl Default for Encoders {
    /// One a processor.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(processors)))
    }
}

impl Encoders {
    /// Waits for a processor; it is given back when what is returned is dropped.
    pub(super) async fn one(&self) -> Option<SemaphorePermit<'_>> {
        self.0.acquire().await.ok()
    }
}

//! Signs of life: the watchdog is fed by work that moves on, not by a timer that always fires.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts steps of work, over all tables of the process.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// A step was made.
    pub fn step(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Steps so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

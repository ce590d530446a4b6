//! What systemd hears: ready, status, stopping, and a watchdog that only work feeds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use livecosmos_state::TableName;
use sd_notify::NotifyState;
use tokio::task::JoinHandle;

use crate::progress::Progress;
use crate::stop::Stop;

/// Pings per watchdog interval: one may be late.
const PINGS_PER_INTERVAL: u32 = 3;

/// Watches the tables of a process.
#[derive(Debug, Default)]
pub(super) struct Supervisor {
    tables: Vec<(TableName, Progress)>,
    status: Status,
}

/// The status line, shared by all tables.
#[derive(Debug, Clone, Default)]
pub(super) struct Status(Arc<Mutex<StatusInner>>);

#[derive(Debug, Default)]
struct StatusInner {
    tables: usize,
    ready: usize,
}

impl Supervisor {
    /// Watches one more table: its steps of work.
    pub(super) fn watch(&mut self, table: &TableName) -> Progress {
        let progress = Progress::default();
        self.tables.push((table.clone(), progress.clone()));
        self.status.lock().tables += 1;
        progress
    }

    /// The status line of these tables.
    pub(super) fn status(&self) -> Status {
        self.status.clone()
    }

    /// Pings the watchdog, where systemd set one, as long as every table moves on.
    pub(super) fn start(self, stop: Stop) -> JoinHandle<()> {
        tokio::spawn(async move {
            let Some(interval) = sd_notify::watchdog_enabled() else { return };
            let mut seen: Vec<u64> = Vec::new();
            while !stop.is_requested() {
                tokio::time::sleep(interval / PINGS_PER_INTERVAL).await;
                let steps: Vec<u64> = self.tables.iter().map(|(_, progress)| progress.steps()).collect();
                match self.tables.iter().zip(&steps).zip(&seen).find(|((_, now), before)| now == before) {
                    Some((((table, _), _), _)) => tracing::warn!(%table, "no progress since the last look"),
                    None => notify(&[NotifyState::Watchdog]),
                }
                seen = steps;
            }
        })
    }
}

impl Status {
    /// A table is open and follows its source.
    pub(super) fn ready(&self) {
        let mut inner = self.lock();
        inner.ready += 1;
        if inner.ready == inner.tables {
            notify(&[NotifyState::Ready]);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, StatusInner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells systemd; elsewhere there is nobody to tell.
pub(super) fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}

/// Sleeps for `wait`, showing signs of life, or until the stop.
pub(super) async fn idle(wait: Duration, progress: &Progress, stop: &Stop) {
    const TICK: Duration = Duration::from_secs(1);
    let until = tokio::time::Instant::now() + wait;
    while !stop.is_requested() && tokio::time::Instant::now() < until {
        progress.step();
        tokio::select! {
            () = tokio::time::sleep_until(until.min(tokio::time::Instant::now() + TICK)) => {}
            () = stop.requested() => {}
        }
    }
}

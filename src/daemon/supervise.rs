//! What systemd hears: ready, status, stopping, and a watchdog that only work feeds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use livecosmos_state::TableName;
use sd_notify::NotifyState;
use tokio::task::JoinHandle;

use crate::progress::Progress;
use crate::stop::Stop;

/// Pings per watchdog interval: one may be late.
const PINGS_PER_INTERVAL: u32 = 3;

/// Watches the tables of a process: one that has ended holds up none of the others (I8).
#[derive(Debug, Default)]
pub(super) struct Supervisor {
    tables: Shared,
}

/// Holds a table under watch; when dropped, the table has ended.
#[derive(Debug)]
pub(super) struct Watch {
    number: u64,
    progress: Progress,
    tables: Shared,
}

/// The tables, for the supervisor and their watches.
#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<Tables>>);

/// The tables that have not ended.
#[derive(Debug, Default)]
struct Tables {
    living: Vec<Living>,
    /// Tables so far: each has a number of its own.
    count: u64,
    /// All tables of the process have been named: before, those that are ready are not all.
    is_complete: bool,
    was_ready: bool,
}

#[derive(Debug)]
struct Living {
    number: u64,
    table: TableName,
    progress: Progress,
    is_ready: bool,
    /// Steps at the last look of the watchdog.
    steps_seen: Option<u64>,
}

impl Supervisor {
    /// Watches one more table until the guard is dropped.
    pub(super) fn watch(&mut self, table: &TableName) -> Watch {
        let progress = Progress::default();
        let number = self.tables.lock().add(table.clone(), progress.clone());
        Watch { number, progress, tables: self.tables.clone() }
    }

    /// Begins to tell systemd: that those watched by now are ready, and, where it set a watchdog, that
    /// every one of them moves on.
    pub(super) fn start(self, stop: Stop) -> JoinHandle<()> {
        self.tables.change(|tables| tables.is_complete = true);
        tokio::spawn(async move {
            let Some(interval) = sd_notify::watchdog_enabled() else { return };
            while !stop.is_requested() {
                tokio::time::sleep(interval / PINGS_PER_INTERVAL).await;
                let hanging = self.tables.lock().hanging();
                match hanging {
                    Some(table) => tracing::warn!(%table, "no progress since the last look"),
                    None => notify(&[NotifyState::Watchdog]),
                }
            }
        })
    }
}

impl Watch {
    /// The table's steps of work.
    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The table is open and follows its source.
    pub(super) fn ready(&self) {
        self.tables.change(|tables| tables.ready(self.number));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tables.change(|tables| tables.remove(self.number));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Tables)) {
        let mut tables = self.lock();
        change(&mut tables);
        if tables.becomes_ready() {
            notify(&[NotifyState::Ready]);
        }
    }
}

impl Tables {
    fn add(&mut self, table: TableName, progress: Progress) -> u64 {
        self.count += 1;
        let number = self.count;
        self.living.push(Living { number, table, progress, is_ready: false, steps_seen: None });
        number
    }

    fn ready(&mut self, number: u64) {
        self.living.iter_mut().filter(|living| living.number == number).for_each(|it| it.is_ready = true);
    }

    fn remove(&mut self, number: u64) {
        self.living.retain(|living| living.number != number);
    }

    /// True once: when at least one table lives and all that do are ready.
    fn becomes_ready(&mut self) -> bool {
        let is_ready = !self.living.is_empty() && self.living.iter().all(|living| living.is_ready);
        let becomes = self.is_complete && is_ready && !self.was_ready;
        self.was_ready |= becomes;
        becomes
    }

    /// A table that made no step since the last look.
    fn hanging(&mut self) -> Option<TableName> {
        let mut hanging = None;
        for living in &mut self.living {
            let steps = living.progress.steps();
            if living.steps_seen.replace(steps) == Some(steps) {
                hanging = Some(living.table.clone());
            }
        }
        hanging
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

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> TableName {
        TableName::parse(name).unwrap()
    }

    /// Whether systemd was told by now that the process is ready.
    fn is_told(supervisor: &Supervisor) -> bool {
        supervisor.tables.lock().was_ready
    }

    fn complete(supervisor: &Supervisor) {
        supervisor.tables.change(|tables| tables.is_complete = true);
    }

    #[test]
    fn it_is_ready_when_every_table_is_and_all_are_known() {
        let mut supervisor = Supervisor::default();
        let first = supervisor.watch(&name("A"));
        first.ready();
        assert!(!is_told(&supervisor), "another table may follow");
        let second = supervisor.watch(&name("B"));
        complete(&supervisor);
        first.ready();
        assert!(!is_told(&supervisor));
        second.ready();
        assert!(is_told(&supervisor));
    }

    #[test]
    fn a_table_that_ends_does_not_keep_the_others_from_being_ready() {
        for ends_first in [true, false] {
            let mut supervisor = Supervisor::default();
            let (broken, well) = (supervisor.watch(&name("A")), supervisor.watch(&name("B")));
            complete(&supervisor);
            if ends_first {
                drop(broken);
                assert!(!is_told(&supervisor));
                well.ready();
            } else {
                well.ready();
                assert!(!is_told(&supervisor));
                drop(broken);
            }
            assert!(is_told(&supervisor));
        }
    }

    #[test]
    fn with_no_table_left_it_is_never_ready() {
        let mut supervisor = Supervisor::default();
        let broken = supervisor.watch(&name("A"));
        complete(&supervisor);
        drop(broken);
        assert!(!is_told(&supervisor));
    }

    #[test]
    fn only_tables_that_live_have_to_move_on() {
        let mut supervisor = Supervisor::default();
        let (still, moving) = (supervisor.watch(&name("A")), supervisor.watch(&name("B")));
        let look = || supervisor.tables.lock().hanging();
        assert_eq!(look(), None, "nothing was seen before the first look");
        moving.progress().step();
        assert_eq!(look(), Some(name("A")));
        drop(still);
        moving.progress().step();
        assert_eq!(look(), None);
        assert_eq!(look(), Some(name("B")));
    }
}

//! Works off fills beside the live passes: a few workers, each with a source of its own, that take
//! turns at the sites.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use livecosmos_state::SiteId;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::table::log;
use crate::config::TableConfig;
use crate::sink::Flow;
use crate::source::Source;
use crate::stop::Stop;
use crate::uploader::{LiveUploader, PassError, PassReport, SiteError};

/// Of the memory for batches being filled, the fills of a table have a quarter.
const MEMORY_PART: usize = 4;

/// The fills of one table.
pub(super) struct Fills {
    config: TableConfig,
    uploader: Arc<LiveUploader>,
    flow: Arc<Flow>,
    stop: Stop,
    turns: Mutex<Turns>,
    wake: Notify,
}

/// Whose turn it is.
#[derive(Debug, Default)]
struct Turns {
    busy: BTreeSet<SiteId>,
    last: Option<SiteId>,
    outcome: Outcome,
}

/// What came of fills.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Objects stored.
    pub objects: u64,
    /// Rows in them.
    pub rows: u64,
    /// Of the fills that were begun for a command, those that are not done.
    pub open: usize,
    /// Sites whose fill failed, with the last reason.
    pub failures: BTreeMap<SiteId, SiteError>,
    /// What concerned more than a site, the first.
    pub error: Option<PassError>,
}

impl Fills {
    pub(super) fn new(
        mut config: TableConfig,
        uploader: Arc<LiveUploader>,
        flow: Arc<Flow>,
        stop: Stop,
    ) -> Arc<Self> {
        config.shape.limits.group_bytes_max /= (MEMORY_PART - 1) * config.upload.fills_max;
        Arc::new(Self { config, uploader, flow, stop, turns: Mutex::default(), wake: Notify::new() })
    }

    /// Leaves the fills' part of `group_bytes_max` to them.
    pub(super) fn live_part(group_bytes_max: usize) -> usize {
        group_bytes_max / MEMORY_PART * (MEMORY_PART - 1)
    }

    /// Starts the workers of a daemon; they end when it stops.
    pub(super) fn start(self: &Arc<Self>) -> JoinSet<()> {
        self.spawn(|fills| async move {
            while !fills.stop.is_requested() {
                let woken = fills.wake.notified();
                fills.work().await;
                tokio::select! {
                    () = woken => {}
                    () = fills.stop.requested() => {}
                }
            }
        })
    }

    /// Works until no fill is due; returns what came of it.
    pub(super) async fn drain(self: &Arc<Self>) -> Outcome {
        let mut workers = self.spawn(|fills| async move { fills.work().await });
        while workers.join_next().await.is_some() {}
        std::mem::take(&mut self.turns().outcome)
    }

    /// There may be something to do.
    pub(super) fn look(&self) {
        if self.uploader.has_fills() {
            self.wake.notify_waiters();
        }
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(
        self: &Arc<Self>,
        work: impl Fn(Arc<Self>) -> F,
    ) -> JoinSet<()> {
        let mut workers = JoinSet::new();
        for _ in 0..self.config.upload.fills_max {
            workers.spawn(work(Arc::clone(self)));
        }
        workers
    }

    /// Takes turns until no site is due that is not another worker's.
    async fn work(&self) {
        let mut source = None;
        while let Some(site) = self.take_turn() {
            let opened = source.take().map_or_else(|| self.config.source.open(self.config.shape.clone()), Ok);
            let report = match opened {
                Ok(opened) => {
                    let report;
                    (source, report) = self.uploader.fill(opened, &site).await;
                    report
                }
                Err(error) => self.uploader.put_off_fill(&site, error.into()),
            };
            self.end_turn(&site, report);
        }
        drop::<Option<Box<dyn Source>>>(source);
    }

    fn take_turn(&self) -> Option<SiteId> {
        if self.stop.is_requested() {
            return None;
        }
        let mut turns = self.turns();
        let site = self.uploader.next_fill(turns.last.as_ref(), &turns.busy)?;
        turns.busy.insert(site.clone());
        turns.last = Some(site.clone());
        Some(site)
    }

    fn end_turn(&self, site: &SiteId, report: PassReport) {
        log(&self.config.table, &report, None, &self.flow);
        let mut turns = self.turns();
        turns.busy.remove(site);
        let outcome = &mut turns.outcome;
        outcome.objects += report.totals.objects;
        outcome.rows += report.totals.rows;
        outcome.failures.extend(report.failures);
        outcome.error = outcome.error.take().or(report.error);
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

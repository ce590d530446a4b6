//! One table's life: opened, polled, reported, closed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use livecosmos_state::{Commit, CommitError, Observer, Opened, Origin, Store, TableName};
use sd_notify::NotifyState;
use tokio::task::JoinSet;

use super::failure::Failure;
use super::fills::Fills;
use super::run::Run;
use super::supervise::{Watch, idle, notify};
use super::{Options, RETRY_FOREVER, RETRY_ONCE, spread};
use crate::config::TableConfig;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::quarantine::Quarantine;
use crate::sink::{self, Figures, Flow, Guard, Passage, Sink, SinkError, Waiter};
use crate::source::{Pass, Source};
use crate::stop::Stop;
use crate::uploader::{LiveUploader, PassReport, Shared, SiteError, settle};

/// Late rows are looked for again after so many times what the last look took: reading a window over and
/// over costs a database at most a twentieth of its time.
const LATE_REST_TIMES: u32 = 20;
/// And at least this often, however long it takes.
const LATE_REST_MAX: Duration = Duration::from_mins(10);

/// While the sink is away, or requests fail too often to be repeated, nobody comes back sooner than this.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// A table that is being followed.
pub(super) struct Table {
    config: TableConfig,
    options: Options,
    uploader: Arc<LiveUploader>,
    source: Option<Box<dyn Source>>,
    /// Another reader of it, for late rows: each knows by itself what it has seen.
    late_source: Option<Box<dyn Source>>,
    /// When late rows are looked for again.
    late_again: Option<Instant>,
    fills: Arc<Fills>,
    flow: Arc<Flow>,
    progress: Progress,
    stop: Stop,
}

impl Table {
    /// Opens the state, then the sink, then the source: nothing is touched by a second daemon.
    pub(super) async fn open(
        config: TableConfig,
        options: &Options,
        shared: Shared,
        stop: Stop,
        watch: &Watch,
    ) -> Result<Self, Failure> {
        let store = open_store(&config, options)?;
        let quarantine = Quarantine::open(&options.state_dir, &config.table)
            .map_err(|error| Failure::new(Exit::from(&error), error))?
            .with_bytes_max(config.poll.quarantine_bytes_max);
        let source = config.source.open(config.shape.clone())?;
        let progress = shared.progress().clone();
        let flow = Arc::clone(shared.flow());
        let waiter = Waiter { stop: stop.clone(), progress: progress.clone() };
        let sink = open_sink(&config, options, &flow, &waiter).await?;
        let observer = Arc::new(CommitLog { table: config.table.to_string(), progress: progress.clone() });
        let settings = super::settings(&config, options);
        let uploader = LiveUploader::new(
            settings,
            sink,
            store,
            observer,
            quarantine,
            super::clock(),
            stop.clone(),
            shared,
        );
        watch.ready();
        // Rows that are read again under today's configuration may be sent this time.
        uploader.give_back_unread().map_err(|error| Failure::new(Exit::from(&error), error))?;
        let uploader = Arc::new(uploader);
        let fills = Fills::new(config.clone(), Arc::clone(&uploader), Arc::clone(&flow), stop.clone());
        Ok(Self {
            config,
            options: options.clone(),
            uploader,
            source: Some(source),
            late_source: None,
            late_again: None,
            fills,
            flow,
            progress,
            stop,
        })
    }

    pub(super) fn uploader(&self) -> &Arc<LiveUploader> {
        &self.uploader
    }

    pub(super) fn config(&self) -> &TableConfig {
        &self.config
    }

    pub(super) fn fills(&self) -> &Arc<Fills> {
        &self.fills
    }

    /// Commits what waits and releases the lock.
    pub(super) fn close(&self) -> Result<(), CommitError> {
        tokio::task::block_in_place(|| self.uploader.close())
    }

    /// Polls until the stop, or once; returns how the process should end.
    pub(super) async fn follow(mut self, once: bool) -> Exit {
        let mut run = Run::begin(once);
        let mut workers = if once { JoinSet::new() } else { self.fills.start() };
        if !once {
            self.wait_for_first_look().await;
        }
        let exit = loop {
            let begun = Instant::now();
            let Some(report) = self.pass().await else { break Exit::Unexpected };
            log(&self.config.table, &report, Some(begun.elapsed()), &self.flow);
            self.fills.look();
            run.add(&report);
            self.late(&mut run, !report.concerns_all() && !report.again).await;
            if self.stop.is_requested() {
                break Exit::Done;
            }
            if let Some(exit) = run.ends(&report) {
                if once && !report.concerns_all() {
                    let is_whole = report.error.is_none() && report.source.faults.is_empty();
                    break run.ends_with(self.fills.drain().await, (!is_whole).then_some(exit));
                }
                break exit;
            }
            if !report.again {
                idle(self.rest(begun.elapsed()), &self.progress, &self.stop).await;
            }
            if self.stop.is_requested() {
                break Exit::Done;
            }
        };
        // Their last commits belong to the state; where nothing more can be committed they are cut off.
        if !self.stop.is_requested() {
            workers.abort_all();
        }
        while workers.join_next().await.is_some() {}
        self.uploader.take_leave().await;
        match self.close() {
            Err(error) => {
                tracing::error!(table = %self.config.table, "the last commit failed: {error}");
                Exit::StateUnwritable
            }
            Ok(()) => exit,
        }
    }

    async fn wait_for_first_look(&mut self) {
        let wait = spread::first_look(self.uploader.instance(), &self.config.table, self.config.poll.jitter);
        if wait > Duration::from_secs(1) {
            tracing::info!(table = %self.config.table, wait_s = wait.as_secs(), "first look; jitter spreads a fleet");
        }
        idle(wait, &self.progress, &self.stop).await;
    }

    /// From the end of a pass that took so long to the next: no longer than until the sink may be asked
    /// again, where rows wait for that.
    fn rest(&self, took: Duration) -> Duration {
        let rest = self.config.poll.interval.saturating_sub(took);
        match self.flow.closed_for() {
            Some(closed) if self.uploader.is_held_up() => rest.min(closed.max(AGAIN_AFTER)),
            _ => rest,
        }
    }

    /// Looks for late rows, unless live ones are to be read at once.
    async fn late(&mut self, run: &mut Run, is_due: bool) {
        let is_resting = self.late_again.is_some_and(|again| Instant::now() < again);
        if !is_due || is_resting || !self.uploader.looks_back() || self.stop.is_requested() {
            return;
        }
        let begun = Instant::now();
        loop {
            let opened = self.late_source.take();
            let opened = opened.map_or_else(|| self.config.source.open(self.config.shape.clone()), Ok);
            let (source, report) = match opened {
                Ok(source) => self.uploader.late(source, self.options.only.as_ref()).await,
                Err(error) => (None, PassReport { error: Some(error.into()), ..PassReport::default() }),
            };
            self.late_source = source;
            log(&self.config.table, &report, None, &self.flow);
            run.add(&report);
            if !report.again {
                let is_well = report.error.is_none() && report.failures.is_empty();
                let rest = begun.elapsed().saturating_mul(LATE_REST_TIMES).min(LATE_REST_MAX);
                self.late_again = is_well.then(|| Instant::now() + rest);
                return run.end_late(report);
            }
        }
    }

    async fn pass(&mut self) -> Option<PassReport> {
        let source = match self.source.take() {
            Some(source) => source,
            None => self.config.source.open(self.config.shape.clone()).ok()?,
        };
        let (source, report) = self.uploader.pass(source, self.options.only.as_ref()).await;
        self.source = source;
        Some(report)
    }
}

/// Says what came of a pass, or of a turn at a fill, which took no time that anybody waits for.
pub(super) fn log(table: &TableName, report: &PassReport, took: Option<Duration>, flow: &Flow) {
    for notice in &report.source.notices {
        tracing::warn!(%table, "{notice}");
    }
    let totals = report.totals;
    let took_ms = took.map(|took| took.as_millis());
    let Pass { statements, rows_read, bytes_read, .. } = report.source;
    let statements = (statements > 0).then_some(statements);
    tracing::debug!(%table, statements, rows_read, bytes_read, took_ms, "looked");
    let Figures { requests, failures, unrepeated, outages, waited, in_flight } = flow.figures();
    let (waited_ms, is_away) = (waited.as_millis(), flow.closed_for().is_some());
    tracing::debug!(%table, requests, failures, unrepeated, outages, waited_ms, in_flight, is_away, "sink");
    let status = |text: &str| {
        // Of a sink that is away, systemd knows already, and that is why the rest is as it is.
        if !is_away {
            notify(&[NotifyState::Status(text)]);
        }
    };
    if let Some(error) = &report.error {
        tracing::error!(%table, "{error}");
        status(&format!("{table}: {error}"));
    } else if totals.objects > 0 || !report.failures.is_empty() {
        let failed_sites = report.failures.len();
        tracing::info!(%table, objects = totals.objects, rows = totals.rows, bytes = totals.stored_bytes,
            failed_sites, statements, took_ms, in_flight, "stored");
        status(&format!(
            "{table}: {} rows in {} objects, {failed_sites} sites failed",
            totals.rows, totals.objects
        ));
    }
    if report.source.future_rows > 0 {
        tracing::warn!(%table, rows = report.source.future_rows,
            "rows lie in the future; they do not move the watermark");
    }
}

fn open_store(config: &TableConfig, options: &Options) -> Result<Store, Failure> {
    let Opened { store, origin, .. } =
        Store::open(&livecosmos_state::Options::default(), &options.state_dir, &config.table)?;
    if let Origin::Backup { .. } = &origin {
        tracing::warn!(table = %config.table, ?origin, "the state was rescued from its backup");
    }
    super::check_source(store.state(), config).map_err(|message| Failure::new(Exit::Config, message))?;
    Ok(store)
}

/// A daemon waits for a sink that is away; a one-shot run gives up soon.
async fn open_sink(
    config: &TableConfig,
    options: &Options,
    flow: &Arc<Flow>,
    waiter: &Waiter,
) -> Result<Arc<dyn Sink>, Failure> {
    let sink = Passage::to(sink::open(&config.sink).await?, Arc::clone(flow), waiter.clone());
    let policy = if options.once { RETRY_ONCE } else { RETRY_FOREVER };
    let probed = loop {
        match settle(&policy, &waiter.stop, || sink.probe()).await {
            Ok(probed) => break probed,
            // That it is away was told when it was noticed.
            Err(SiteError::Sink(SinkError::Later { wait: Some(wait), .. })) if !options.once => {
                idle(wait, &waiter.progress, &waiter.stop).await;
            }
            Err(SiteError::Sink(error)) if error.is_passing() && !options.once => {
                tracing::error!(table = %config.table, "{error}");
                idle(AGAIN_AFTER, &waiter.progress, &waiter.stop).await;
            }
            Err(SiteError::Sink(error)) => return Err(error.into()),
            Err(error) => return Err(Failure::new(Exit::Done, error)),
        }
    };
    for notice in &probed.notices {
        tracing::warn!(table = %config.table, sink = sink.describe(), "{notice}");
    }
    if probed.guard == Guard::LookFirst {
        tracing::warn!(table = %config.table, sink = sink.describe(),
            "this server ignores create-if-absent: it is asked before each put, but two simultaneous writers are not excluded");
    }
    Ok(sink)
}

/// Says what the state's writer meets; a full disk that is waited for is a sign of life.
struct CommitLog {
    table: String,
    progress: Progress,
}

impl Observer for CommitLog {
    fn committed(&self, commit: &Commit) {
        self.progress.step();
        tracing::trace!(
            table = self.table,
            generation = commit.generation,
            edits = commit.edits,
            "committed"
        );
    }

    fn stalled(&self, error: &CommitError, attempt: u32) {
        self.progress.step();
        tracing::error!(table = self.table, attempt, "{error}; no upload begins until there is room");
    }

    fn resumed(&self) {
        tracing::info!(table = self.table, "the state can be written again");
    }

    fn failed(&self, error: &CommitError) {
        tracing::error!(table = self.table, "{error}");
    }
}

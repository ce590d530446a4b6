//! What the commands share that look at sources and sinks: the table in its sink, and a bar on a terminal.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use livecosmos_state::SiteId;
use tokio::runtime::Runtime;

use super::args::InspectArgs;
use super::follow;
use super::print::Failure;
use crate::audit::Subject;
use crate::config::{Config, TableConfig};
use crate::daemon::{PATIENCE_ONCE, RETRY_ONCE};
use crate::exit::Exit;
use crate::sink::{self, Flow, Passage, Waiter};
use crate::stop::Stop;
use crate::uploader::SiteError;

/// How often a bar moves by itself, so that a sink that is slow is not taken for a program that hangs.
const BAR_TICK: Duration = Duration::from_millis(200);

/// The configuration and the tables of it that are to be looked at.
pub(super) fn selected(args: &InspectArgs) -> Result<(Config, Vec<TableConfig>), Failure> {
    let config = Config::load(&args.config)?;
    let tables = follow::select(&config, &args.tables)?;
    follow::check_sites(&args.sites, &tables)?;
    Ok((config, tables))
}

/// Threads for reading.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(Exit::Unexpected, format!("cannot start threads: {error}")))
}

/// The table in its sink.
pub(super) async fn subject(
    config: &Config,
    table: &TableConfig,
    sites: &[SiteId],
) -> Result<Subject, Failure> {
    let sink = sink::open(&table.sink).await.map_err(|error| Failure::new(Exit::from(&error), error))?;
    let flow = Arc::new(Flow::new(table.flow_limits(PATIENCE_ONCE)));
    let sink = Passage::to(sink, flow, Waiter::default());
    sink::check_readable(&*sink, "this command").map_err(|error| Failure::new(Exit::from(&error), error))?;
    let others = config.tables().filter(|other| other.table != table.table && other.sink == table.sink);
    Ok(Subject {
        table: table.table.clone(),
        key: table.upload.key.clone(),
        sink,
        time_column: table.shape.time_column.clone(),
        only: (!sites.is_empty()).then(|| sites.iter().cloned().collect()),
        neighbours: others.map(|other| (other.table.clone(), other.upload.key.clone())).collect(),
        retry: RETRY_ONCE,
        stop: Stop::default(),
    })
}

/// A look into a sink or a source that failed.
pub(super) fn failure(error: &SiteError) -> Failure {
    let exit = match error {
        SiteError::Sink(error) => Exit::from(error),
        _ => Exit::Unexpected,
    };
    Failure::new(exit, error)
}

/// Whether anybody sees a bar.
pub(super) fn has_bar() -> bool {
    std::io::stderr().is_terminal()
}

/// A sign of life on a terminal, with a number of rows; elsewhere it shows nothing.
pub(super) fn spinner(what: &str) -> ProgressBar {
    if !has_bar() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message(what.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}: {pos} rows") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(BAR_TICK);
    spinner
}

/// A bar of `total` objects on a terminal; elsewhere it shows nothing.
pub(super) fn bar(what: &str, total: u64) -> ProgressBar {
    if !has_bar() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total).with_message(what.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} objects, {eta} left") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(BAR_TICK);
    bar
}

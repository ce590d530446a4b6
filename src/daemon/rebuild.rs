//! A state made from the sink, in a place of its own: whoever asked for it decides what becomes of it.

use std::collections::BTreeMap;

use livecosmos_state::{SiteId, State};

use super::Options;
use super::budgets::Budgets;
use super::failure::Failure;
use super::supervise::Supervisor;
use super::table::Table;
use crate::config::TableConfig;
use crate::exit::Exit;
use crate::stop::Stop;
use crate::uploader::SiteError;

/// What the sink says.
#[derive(Debug)]
pub struct Rebuilt {
    /// The state that follows from it.
    pub state: State,
    /// Sites that are not in it: their objects contradict themselves.
    pub failures: BTreeMap<SiteId, SiteError>,
}

/// Makes a state of `config` from what is in its sink. Works in `options.state_dir`, which must hold no
/// state of the table; stores nothing in the sink but the probe.
///
/// # Errors
/// The exit code and a message.
pub fn rebuild(config: TableConfig, options: &Options) -> Result<Rebuilt, (Exit, String)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| (Exit::Unexpected, format!("cannot start threads: {error}")))?;
    let stop = Stop::default();
    let mut rebuilt = Err((Exit::Done, "stopped; nothing was changed".to_owned()));
    let drain = config.poll.drain;
    runtime.block_on(async {
        let working = async {
            rebuilt = Box::pin(work(config, options, &stop)).await;
            Exit::Done
        };
        super::signals::until_done(working, &stop, drain).await
    });
    runtime.shutdown_background();
    rebuilt
}

async fn work(mut config: TableConfig, options: &Options, stop: &Stop) -> Result<Rebuilt, (Exit, String)> {
    let failed = |failure: Failure| (failure.exit, failure.message);
    let shared = Budgets::alone(&mut config);
    let open = || config.source.open(config.shape.clone());
    let files = config.source.is_csv().then(open).transpose();
    let files = files.map_err(|error| (Exit::from(&error), error.to_string()))?;
    let mut supervisor = Supervisor::default();
    let watch = supervisor.watch(&config.table);
    let options = Options { once: true, ..options.clone() };
    let table = Table::open(config, &options, shared, stop.clone(), &watch).await.map_err(failed)?;
    let readable = table.uploader().check_readable("state rebuild");
    readable.map_err(|error| (Exit::from(&error), error.to_string()))?;
    let found = table.uploader().rebuild(files).await;
    let state = table.uploader().state();
    let closed = table.close().map_err(|error| (Exit::StateUnwritable, error.to_string()));
    let failures = found.map_err(|error| (Exit::from(&error), error.to_string()))?;
    closed.map(|()| Rebuilt { state, failures })
}

//! Fills that an operator asks for: begun under the table's lock, and worked off at once.

use livecosmos_state::{ChainName, Fill, SiteId, State};

use super::Options;
use super::budgets::Budgets;
use super::failure::Failure;
use super::fills::Outcome;
use super::supervise::Supervisor;
use super::table::Table;
use crate::config::TableConfig;
use crate::exit::Exit;
use crate::stop::Stop;

/// A fill to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFill {
    /// Whose rows.
    pub site: SiteId,
    /// The name of its chain, which no other chain of the site ever had.
    pub chain: ChainName,
    /// What it is to send.
    pub fill: Fill,
}

/// Opens the table, asks `plan` for fills on the ground of its state, begins them and works them off.
/// Fills that are open already are worked off first: what they send is then no longer missing.
///
/// Whatever ends this early, the fills stand in the state, and the next run or daemon goes on with them.
///
/// # Errors
/// The exit code and a message; also those of `plan`.
pub fn fill(
    config: TableConfig,
    options: &Options,
    plan: impl FnOnce(&State) -> Result<Vec<NewFill>, (Exit, String)>,
) -> Result<Outcome, (Exit, String)> {
    with_table(config, options, async |table| fill_table(table, plan).await)
}

/// Opens the table, under its lock, for a command, and closes it behind `work`.
pub(super) fn with_table<T>(
    config: TableConfig,
    options: &Options,
    work: impl AsyncFnOnce(&Table) -> Result<T, (Exit, String)>,
) -> Result<T, (Exit, String)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| (Exit::Unexpected, format!("cannot start threads: {error}")))?;
    let stop = Stop::default();
    let mut worked = Err((Exit::Done, "stopped; the next run goes on where this one was".to_owned()));
    let drain = config.poll.drain;
    runtime.block_on(async {
        let working = async {
            worked = work_on(config, options, &stop, work).await;
            Exit::Done
        };
        super::signals::until_done(working, &stop, drain).await
    });
    runtime.shutdown_background();
    worked
}

async fn work_on<T>(
    mut config: TableConfig,
    options: &Options,
    stop: &Stop,
    work: impl AsyncFnOnce(&Table) -> Result<T, (Exit, String)>,
) -> Result<T, (Exit, String)> {
    let failed = |failure: Failure| (failure.exit, failure.message);
    let shared = Budgets::alone(&mut config);
    let mut supervisor = Supervisor::default();
    let watch = supervisor.watch(&config.table);
    let options = Options { once: true, ..options.clone() };
    let table = Table::open(config, &options, shared, stop.clone(), &watch).await.map_err(failed)?;
    let worked = work(&table).await;
    let closed = table.close().map_err(|error| (Exit::StateUnwritable, error.to_string()));
    worked.and_then(|outcome| closed.map(|()| outcome))
}

async fn fill_table(
    table: &Table,
    plan: impl FnOnce(&State) -> Result<Vec<NewFill>, (Exit, String)>,
) -> Result<Outcome, (Exit, String)> {
    let uploader = table.uploader();
    let readable = uploader.check_readable("a fill that sends only what is missing");
    readable.map_err(|error| (Exit::from(&error), error.to_string()))?;
    drain_fills(table).await?;
    let new = super::signals::asking(|| plan(&uploader.state()))?;
    let begun: Vec<_> = new.iter().map(|fill| (fill.site.clone(), fill.chain.clone())).collect();
    for NewFill { site, chain, fill } in new {
        let begun = uploader.begin_fill(site, chain, fill).await;
        begun.map_err(|error| (Exit::StateUnwritable, error.to_string()))?;
    }
    let mut outcome = table.fills().drain().await;
    let state = uploader.state();
    let is_open = |(site, chain): &&(SiteId, ChainName)| {
        state.sites.get(site).is_some_and(|site| site.fills.contains_key(chain))
    };
    outcome.open = begun.iter().filter(is_open).count();
    Ok(outcome)
}

/// Works off the fills that are open: what they send is then no longer missing.
pub(super) async fn drain_fills(table: &Table) -> Result<(), (Exit, String)> {
    match table.fills().drain().await.error {
        Some(error) => Err((Exit::from(&error), error.to_string())),
        None => Ok(()),
    }
}

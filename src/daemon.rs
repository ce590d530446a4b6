//! Follows tables for ever, or once: opens what each needs, polls, drains, tells systemd.

mod budgets;
mod command;
mod failure;
mod fills;
mod outages;
mod rebuild;
mod requeue;
mod run;
mod signals;
mod spread;
mod supervise;
mod table;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use livecosmos_state::{SiteId, State, TableName};
use tokio::task::JoinSet;

use crate::clock::{Clock as _, SystemClock};
use crate::config::TableConfig;
use crate::exit::Exit;
use crate::sink::{self, Flow, FlowLimits, Passage, Waiter};
use crate::stop::Stop;
use crate::uploader::{Fallback, Plan, Rehearsal, RetryPolicy, Settings};
use budgets::Budgets;
use failure::Failure;
use supervise::Supervisor;
use table::Table;

pub use command::{NewFill, fill};
pub use fills::Outcome;
pub use rebuild::{Rebuilt, rebuild};
pub use requeue::{RequeueOutcome, requeue};

/// How a command line wants its tables followed.
#[derive(Debug, Clone)]
pub struct Options {
    /// End after one pass.
    pub once: bool,
    /// Only these sites.
    pub only: Option<BTreeSet<SiteId>>,
    /// Overrides the configured fallback.
    pub fallback: Option<Fallback>,
    /// Where states are kept.
    pub state_dir: PathBuf,
}

/// Retries of a run that is to end by itself.
pub(crate) const RETRY_ONCE: RetryPolicy = RetryPolicy {
    wait_min: Duration::from_millis(200),
    wait_max: Duration::from_secs(3),
    wait_total_max: Duration::from_secs(10),
    begun_within: Duration::from_secs(15),
};

/// Retries of a daemon within one pass; after it the site waits for a later one.
const RETRY_FOREVER: RetryPolicy = RetryPolicy {
    wait_min: Duration::from_millis(250),
    wait_max: Duration::from_secs(20),
    wait_total_max: Duration::from_mins(1),
    begun_within: Duration::from_mins(2),
};

/// How long requests of a run that is to end by itself wait for the end of an outage of the sink.
pub(crate) const PATIENCE_ONCE: Duration = Duration::from_secs(10);

/// The same of a daemon; behind it the site waits for a later pass, and the source is looked at meanwhile.
const PATIENCE_FOREVER: Duration = Duration::from_mins(1);

/// How long a run that is to end by itself waits for room on a full disk.
const COMMIT_PATIENCE_ONCE: Duration = Duration::from_mins(1);

/// Follows `tables` until a signal comes, or once; returns how the process should end.
///
/// # Errors
/// When the threads of the runtime cannot be started.
pub fn follow(tables: Vec<TableConfig>, options: &Options) -> std::io::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let drain = tables.iter().map(|table| table.poll.drain).max().unwrap_or_default();
    let exit = runtime.block_on(async {
        let stop = Stop::default();
        let following = follow_all(tables, options, &stop);
        signals::until_done(following, &stop, drain).await
    });
    // A reader that hangs in the kernel must not keep the process from ending.
    runtime.shutdown_background();
    Ok(exit)
}

async fn follow_all(mut tables: Vec<TableConfig>, options: &Options, stop: &Stop) -> Exit {
    let budgets = Budgets::divide(&mut tables, options.once);
    let telling = outages::tell(budgets.flows());
    let mut supervisor = Supervisor::default();
    let mut followed = JoinSet::new();
    for config in tables {
        let watch = supervisor.watch(&config.table);
        let shared = budgets.of(&config.table, watch.progress().clone());
        let (options, stop) = (options.clone(), stop.clone());
        followed.spawn(async move {
            let name = config.table.clone();
            match Table::open(config, &options, shared, stop, &watch).await {
                Ok(table) => table.follow(options.once).await,
                Err(Failure { exit: Exit::Done, .. }) => Exit::Done,
                Err(Failure { exit, message }) => {
                    tracing::error!(table = %name, "{message}");
                    exit
                }
            }
        });
    }
    let watching = supervisor.start(stop.clone());
    let mut exits = Vec::new();
    while let Some(ended) = followed.join_next().await {
        exits.push(ended.unwrap_or(Exit::Unexpected));
    }
    watching.abort();
    drop(telling);
    worst(&exits)
}

/// What a run would do, per table; nothing is changed or created anywhere.
///
/// # Errors
/// The first table that could not be planned: its exit code and a message.
pub fn rehearse(
    tables: Vec<TableConfig>,
    options: &Options,
) -> Result<Vec<(TableName, Plan)>, (Exit, String)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| (Exit::Unexpected, format!("cannot start threads: {error}")))?;
    let plans = runtime.block_on(async {
        let mut plans = Vec::new();
        for config in tables {
            let table = config.table.clone();
            plans.push((table, rehearse_table(config, options).await?));
        }
        Ok(plans)
    });
    runtime.shutdown_background();
    plans.map_err(|Failure { exit, message }| (exit, message))
}

async fn rehearse_table(config: TableConfig, options: &Options) -> Result<Plan, Failure> {
    let state = state_as_it_is(&options.state_dir, &config)?;
    let flow = Arc::new(Flow::new(config.flow_limits(PATIENCE_ONCE)));
    let sink = Passage::to(sink::open(&config.sink).await?, flow, Waiter::default());
    let mut source = config.source.open(config.shape.clone())?;
    let settings = settings(&config, &Options { once: true, ..options.clone() });
    let rehearsal = Rehearsal::new(settings, sink, Stop::default(), state, SystemClock.now());
    let only = options.only.clone();
    let planned = tokio::task::spawn_blocking(move || rehearsal.run(&mut *source, only.as_ref())).await;
    planned.map_err(|error| Failure::new(Exit::Unexpected, error))?.map_err(Failure::from)
}

/// What is remembered of a table, without its lock: a daemon may be at work.
///
/// # Errors
/// The exit code and a message.
pub fn look_at_state(dir: &Path, config: &TableConfig) -> Result<State, (Exit, String)> {
    state_as_it_is(dir, config).map_err(|Failure { exit, message }| (exit, message))
}

/// The state without its lock: a dry run may look while a daemon works.
fn state_as_it_is(dir: &Path, config: &TableConfig) -> Result<State, Failure> {
    let inspection = livecosmos_state::inspect(dir, &config.table);
    if let Err(error) = &inspection.load {
        return Err(error.clone().into());
    }
    let new = || State::new(config.table.clone(), config.source_id.clone());
    let state = inspection.whole().map_or_else(new, |whole| whole.state.clone());
    check_source(&state, config).map_err(|message| Failure::new(Exit::Config, message))?;
    Ok(state)
}

/// A state says what was sent from one source; of another source it says nothing.
pub(crate) fn check_source(state: &State, config: &TableConfig) -> Result<(), String> {
    if state.source.is_empty() || state.source == config.source_id {
        return Ok(());
    }
    Err(format!(
        "the state of table {} belongs to source '{}', and the configuration names '{}'; if it is the same \
         source under another name, set `id = \"{}\"` under [source], else choose another --state-dir",
        config.table, state.source, config.source_id, state.source
    ))
}

fn settings(config: &TableConfig, options: &Options) -> Settings {
    Settings {
        table: config.table.clone(),
        source_id: config.source_id.clone(),
        key: config.upload.key.clone(),
        format: config.upload.format.clone(),
        compression: config.upload.compression,
        config_digest: config.digest.clone(),
        fallback: options.fallback.unwrap_or(config.poll.fallback),
        time_column: config.shape.time_column.clone(),
        tie_column: config.shape.tie_column.clone(),
        lookback: config.poll.lookback,
        catch_up_after_s: config.poll.catch_up_after_s,
        commit_patience: options.once.then_some(COMMIT_PATIENCE_ONCE),
        retry: prolonged(
            if options.once { RETRY_ONCE } else { RETRY_FOREVER },
            config.upload.memory_bytes_max as u64,
            config.flow_limits(PATIENCE_ONCE),
        ),
    }
}

/// The policy, with the time that a request may wait for our own limits while `bytes_max` are on their way:
/// that is not the sink's fault.
fn prolonged(policy: RetryPolicy, bytes_max: u64, limits: FlowLimits) -> RetryPolicy {
    let by_bytes = limits.bytes_per_second_max.map_or(0, |limit| bytes_max / limit);
    let by_requests = limits.requests_per_second_max.map_or(0, |limit| limits.in_flight_max as u64 / limit);
    let waits = Duration::from_secs(by_bytes + by_requests);
    RetryPolicy { begun_within: policy.begun_within + waits, ..policy }
}

/// The code that says most: a state that is in danger before a sink that is away.
fn worst(exits: &[Exit]) -> Exit {
    const ORDER: [Exit; 9] = [
        Exit::StateCorrupt,
        Exit::StateUnwritable,
        Exit::Locked,
        Exit::Config,
        Exit::Denied,
        Exit::Unreachable,
        Exit::SitesFailed,
        Exit::Unexpected,
        Exit::Usage,
    ];
    ORDER.into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::Done)
}

/// The shared clock of the process.
fn clock() -> Arc<dyn crate::clock::Clock> {
    Arc::new(SystemClock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_waited_for_our_own_limit_is_tried_again_as_any_other() {
        let limits = FlowLimits {
            in_flight_max: 16,
            bytes_per_second_max: None,
            requests_per_second_max: None,
            patience: PATIENCE_ONCE,
        };
        assert_eq!(prolonged(RETRY_ONCE, 48 << 20, limits), RETRY_ONCE);
        let limits =
            FlowLimits { bytes_per_second_max: Some(1 << 20), requests_per_second_max: Some(2), ..limits };
        let waits = Duration::from_secs(48 + 8);
        let expected = RetryPolicy { begun_within: RETRY_ONCE.begun_within + waits, ..RETRY_ONCE };
        assert_eq!(prolonged(RETRY_ONCE, 48 << 20, limits), expected);
    }
}

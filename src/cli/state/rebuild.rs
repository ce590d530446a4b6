//! `livecosmos state rebuild`: a state from the sink alone.

use livecosmos_state::{OpenError, State, set_aside};

use super::args::TableArgs;
use super::change::{Workplace, configured};
use crate::cli::args::CommonArgs;
use crate::cli::print::{self, Failure};
use crate::cli::{confirm, state_dir};
use crate::config::TableConfig;
use crate::daemon::{self, Rebuilt};
use crate::exit::Exit;
use crate::logging;

/// Reads the chains of all sites in the sink, shows the state that follows, asks, and makes it the table's.
pub(super) fn run(args: &TableArgs, yes: bool, common: &CommonArgs) -> Result<Exit, Failure> {
    logging::start(common.level());
    let config = configured(args)?;
    // Locked before the sink is read: what a daemon stores meanwhile would be missed.
    let workplace = match Workplace::open("rebuild", args, common) {
        Err(failure) if failure.exit == Exit::StateCorrupt => {
            failure.show();
            None
        }
        opened => Some(opened?),
    };
    let Rebuilt { state, failures } = from_sink(config.clone())?;
    for (site, error) in &failures {
        print::warn(format_args!("site {site} is left out: {error}"));
    }
    if state.sites.is_empty() {
        let message = format!(
            "no object of a site of table {} is in its sink, and nothing was changed; check [sink] and the key \
             template of the configuration",
            config.table
        );
        return Err(Failure::new(Exit::Config, message));
    }
    let changed = match workplace {
        Some(workplace) => workplace.replace_by(state, yes)?,
        None => in_place_of_damaged(&config, state, args, yes, common)?,
    };
    Ok(if failures.is_empty() { changed } else { Exit::SitesFailed })
}

fn from_sink(config: TableConfig) -> Result<Rebuilt, Failure> {
    let scratch = tempfile::tempdir().map_err(|error| {
        let message = format!("cannot make a folder to work in ({error}); free some room, or set TMPDIR");
        Failure::new(Exit::Unexpected, message)
    })?;
    let options =
        daemon::Options { once: true, only: None, fallback: None, state_dir: scratch.path().to_owned() };
    daemon::rebuild(config, &options).map_err(|(exit, message)| Failure::new(exit, message))
}

/// Both files of the state are damaged: they are kept under other names, and a new state is begun.
fn in_place_of_damaged(
    config: &TableConfig,
    state: State,
    args: &TableArgs,
    yes: bool,
    common: &CommonArgs,
) -> Result<Exit, Failure> {
    let question = format!(
        "Keep the damaged files of table {} under other names, and begin a new state with {} sites from the sink?",
        config.table,
        state.sites.len()
    );
    if !confirm::ask(&question, yes)? {
        print::note("nothing was changed");
        return Ok(Exit::Done);
    }
    let dir = state_dir::resolve(common.state_dir.as_deref())?;
    let failed = |error: OpenError| Failure::new((&error).into(), error);
    for path in set_aside(&dir, &config.table).map_err(failed)? {
        print::note(format_args!("what was damaged is kept as {}", path.display()));
    }
    Workplace::open("rebuild", args, common)?.replace_by(state, true)
}

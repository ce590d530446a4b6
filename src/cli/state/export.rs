//! `livecosmos state export`: a state as JSON. Takes no lock: a daemon may be running.

use livecosmos_state::inspect;

use super::args::TableArgs;
use super::change::configured;
use super::document::Document;
use crate::cli::args::CommonArgs;
use crate::cli::print::{self, Failure};
use crate::cli::state_dir;
use crate::exit::Exit;

/// Prints the state that a start of the daemon would load now.
pub(super) fn run(args: &TableArgs, common: &CommonArgs) -> Result<Exit, Failure> {
    let table = configured(args)?.table;
    let dir = state_dir::resolve(common.state_dir.as_deref())?;
    let inspection = inspect(&dir, &table);
    if let Err(error) = &inspection.load {
        return Err(Failure::new(error.into(), error));
    }
    let whole = inspection.whole().ok_or_else(|| {
        let message =
            format!("table {table} has no state in {}; give the --state-dir in which it is", dir.display());
        Failure::new(Exit::Config, message)
    })?;
    print::json(&Document::of(whole))
}

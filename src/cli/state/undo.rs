//! `livecosmos state undo`: back to the state before the last command that changed it.

use livecosmos_state::Found;

use super::args::TableArgs;
use super::change::{Workplace, check_source};
use super::difference::differences;
use crate::cli::args::CommonArgs;
use crate::cli::print::{self, Failure};
use crate::exit::Exit;

/// Puts the kept state in the place of the one there is, which is kept in turn: undone twice is redone.
pub(super) fn run(args: &TableArgs, yes: bool, common: &CommonArgs) -> Result<Exit, Failure> {
    let workplace = Workplace::open("undo", args, common)?;
    let path = workplace.store.kept_path().display().to_string();
    let table = &workplace.config.table;
    let failure = |message| Err(Failure::new(Exit::Config, message));
    let kept = match workplace.store.kept() {
        Found::Whole(kept) if kept.state.table == *table => kept,
        Found::Whole(kept) => {
            return failure(format!(
                "{path} is not a state of table {table} but of {}; move it away",
                kept.state.table
            ));
        }
        Found::Missing => {
            return failure(format!(
                "there is nothing to undo for table {table}; only 'state import', 'state rewind' and 'state rebuild' keep the state that they change"
            ));
        }
        Found::Corrupt { why } => {
            return Err(Failure::new(
                Exit::StateCorrupt,
                format!(
                    "the kept state {path} is unusable ({why}); the state itself is as it was, so restore {path} from a copy"
                ),
            ));
        }
        Found::Newer { major } => {
            return failure(format!(
                "the kept state {path} has format {major}; undo it with the release that wrote it"
            ));
        }
        Found::Unreadable { error } => {
            return Err(Failure::new(
                Exit::StateUnwritable,
                format!("the kept state {path} cannot be read ({error}); give this user access to it"),
            ));
        }
        _ => return failure(format!("the kept state {path} is of no known kind; move it away")),
    };
    check_source(&kept.state, &workplace.config)?;
    let since = workplace.store.generation().saturating_sub(kept.generation.saturating_add(1));
    if since > 0 && !differences(workplace.store.state(), &kept.state).is_empty() {
        print::note(format_args!(
            "table {table} was committed {since} times since; what was stored meanwhile is found again in the sink"
        ));
    }
    workplace.replace_by(kept.state, yes)
}

//! `livecosmos state …`: looking at what is remembered of each site, and changing it.

pub(super) mod args;
mod change;
mod difference;
mod document;
mod export;
mod import;
mod look;
mod pickle;
mod rebuild;
mod rewind;
mod show;
mod undo;
mod verify;

use super::args::CommonArgs;
use super::print::Failure;
use crate::exit::Exit;
use args::StateCommand;

pub(super) use difference::fill_kind;
pub(super) use show::lag;

/// Runs the command.
pub(super) fn run(command: &StateCommand, common: &CommonArgs) -> Result<Exit, Failure> {
    match command {
        StateCommand::Show(names) => show::run(names, common),
        StateCommand::Verify(names) => verify::run(names, common),
        StateCommand::Export(table) => export::run(table, common),
        StateCommand::Import { table, file, change } => import::run(table, file, change.yes, common),
        StateCommand::Rewind { table, site, to, dry_run: true, .. } => {
            rewind::rehearse(table, site, *to, common)
        }
        StateCommand::Rewind { table, site, to, change, .. } => {
            rewind::run(table, site, *to, change.yes, common)
        }
        StateCommand::Rebuild { table, change } => rebuild::run(table, change.yes, common),
        StateCommand::Undo { table, change } => undo::run(table, change.yes, common),
    }
}

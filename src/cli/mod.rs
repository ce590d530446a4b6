//! The command line: arguments in, an exit code out; data on standard output, messages on standard error.

mod args;
mod backfill;
mod check;
mod confirm;
mod follow;
mod inspect;
mod print;
mod quarantine;
mod reconcile;
mod state;
mod state_dir;
mod status;
mod verify;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser as _};

use crate::exit::Exit;
use args::{Command, CommandLine};
use print::Failure;

/// What `livecosmos` is called with on a command line.
const PROGRAM: &str = "livecosmos";

/// Runs one command line, program name first, and returns how the process should end.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let line = match CommandLine::try_parse_from(args) {
        Ok(line) => line,
        Err(error) => {
            // Nothing can be said to a reader that is gone.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    match dispatch(line) {
        Ok(exit) => exit,
        Err(failure) => {
            failure.show();
            failure.exit
        }
    }
}

fn dispatch(line: CommandLine) -> Result<Exit, Failure> {
    let CommandLine { command, follow, common } = line;
    match command {
        None => follow::run(&follow, &common),
        Some(Command::State(command)) => state::run(&command, &common),
        Some(Command::Check { config, offline }) => check::run(&config, offline, &common),
        Some(Command::Backfill(args)) => backfill::run(&args, &common),
        Some(Command::Reconcile(args)) => reconcile::run(&args, &common),
        Some(Command::Status(args)) => status::run(&args, &common),
        Some(Command::Verify(args)) => verify::run(&args, &common),
        Some(Command::Quarantine(command)) => quarantine::run(&command, &common),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut CommandLine::command(), PROGRAM, &mut script);
            print::data(&script)
        }
    }
}

//! How every command changes a state: under its lock, shown old and new, asked for, and kept for undo.

use livecosmos_state::{CommitError, Opened, Options, Origin, State, Store};
use serde::Serialize;

use super::args::TableArgs;
use super::difference::{Difference, differences};
use crate::cli::args::{CommonArgs, Output};
use crate::cli::print::{self, Failure};
use crate::cli::{confirm, state_dir};
use crate::config::{Config, TableConfig};
use crate::daemon;
use crate::exit::Exit;

/// Version of the JSON below.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Changed<'a> {
    schema: u32,
    table: &'a str,
    command: &'static str,
    /// Whether they were made.
    done: bool,
    generation: u64,
    changes: &'a [Difference],
}

/// A table whose state is to be changed: no daemon follows it meanwhile.
pub(super) struct Workplace<'a> {
    pub(super) config: TableConfig,
    pub(super) store: Store,
    command: &'static str,
    args: &'a TableArgs,
    common: &'a CommonArgs,
}

/// The configuration of the table that is named.
pub(super) fn configured(args: &TableArgs) -> Result<TableConfig, Failure> {
    Ok(Config::load(&args.config)?.table(&args.table)?.clone())
}

impl<'a> Workplace<'a> {
    /// Locks and loads the state of the table that is named, for `command`.
    ///
    /// # Errors
    /// Code 75 while a daemon follows the table.
    pub(super) fn open(
        command: &'static str,
        args: &'a TableArgs,
        common: &'a CommonArgs,
    ) -> Result<Self, Failure> {
        let config = configured(args)?;
        let dir = state_dir::resolve(common.state_dir.as_deref())?;
        let options = Options { source: config.source_id.clone(), ..Options::default() };
        let Opened { store, origin, .. } = Store::open(&options, &dir, &config.table)
            .map_err(|error| Failure::new((&error).into(), error))?;
        if let Origin::Backup { why } = origin {
            print::warn(format_args!(
                "the state of table {} was rescued from its backup: {why}",
                config.table
            ));
        }
        check_source(store.state(), &config)?;
        Ok(Self { config, store, command, args, common })
    }

    /// The state as it is, if there is one.
    ///
    /// # Errors
    /// For a table of which nothing is known yet.
    pub(super) fn state(&self) -> Result<&State, Failure> {
        if self.store.generation() > 0 {
            return Ok(self.store.state());
        }
        let message = format!(
            "table {} has no state yet; run it once, or give the --state-dir in which it is",
            self.config.table
        );
        Err(Failure::new(Exit::Config, message))
    }

    /// Shows what `new` changes, asks, and makes it durable. The state before is kept for `state undo`.
    ///
    /// # Errors
    /// Code 2 where nobody can be asked, 74 where it cannot be written; the state is then as it was.
    pub(super) fn replace_by(mut self, new: State, yes: bool) -> Result<Exit, Failure> {
        let changes = differences(self.store.state(), &new);
        let is_table = self.common.output == Output::Table;
        if changes.is_empty() {
            print::note(format_args!("this is the state of table {} already", self.config.table));
            return if is_table { Ok(Exit::Done) } else { self.report(&changes, false) };
        }
        if is_table {
            print::table(["SITE", "WHAT", "OLD", "NEW"], changes.iter().map(Difference::row))?;
        }
        let question = format!("Change the state of table {}?", self.config.table);
        if !confirm::ask(&question, yes)? {
            print::note("nothing was changed");
            return if is_table { Ok(Exit::Done) } else { self.report(&changes, false) };
        }
        let generation = self.store.replace(new).map_err(|error| unwritable(&error))?;
        print::note(format_args!(
            "the state of table {} is changed, generation {generation}; 'livecosmos state undo {} {}' takes it back",
            self.config.table,
            self.args.config.display(),
            self.config.table
        ));
        if is_table { Ok(Exit::Done) } else { self.report(&changes, true) }
    }

    fn report(&self, changes: &[Difference], done: bool) -> Result<Exit, Failure> {
        let (table, generation) = (self.config.table.as_str(), self.store.generation());
        print::json(&Changed { schema: SCHEMA, table, command: self.command, done, generation, changes })
    }
}

/// A state says what was sent from one source; of another source it says nothing.
pub(super) fn check_source(state: &State, config: &TableConfig) -> Result<(), Failure> {
    daemon::check_source(state, config).map_err(|message| Failure::new(Exit::Config, message))
}

fn unwritable(error: &CommitError) -> Failure {
    Failure::new(Exit::StateUnwritable, error)
}

//! What may be written behind `livecosmos state`, and what `--help` says of it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use livecosmos_state::{SiteId, Time};

use crate::config::parse_time;

/// Commands on states.
///
/// `show`, `verify` and `export` take no lock: a daemon may be running. The others change a state: they
/// end with 75 while a daemon follows the table, show old and new, ask, and keep the old state.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum StateCommand {
    /// Show how far each site is stored
    Show(StateArgs),

    /// Check every state file; ends with 65 if a state could not be loaded
    Verify(StateArgs),

    /// Print a state as one JSON document
    Export(TableArgs),

    /// Make a state of an exported one, or of the predecessor's pickle
    ///
    /// A pickle is read without running any of it. Its times are taken in the table's time zone; of each
    /// site only rows behind its last time are then due. Sites that are known already stay as they are.
    Import {
        #[command(flatten)]
        table: TableArgs,
        /// A file that `state export` wrote, or a pickle.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        change: ChangeArgs,
    },

    /// Send the rows of a site again that lie behind a time
    ///
    /// They go to a chain of their own, and their objects say that they are a resend; the live chain goes
    /// on where it is.
    Rewind {
        #[command(flatten)]
        table: TableArgs,
        /// The site.
        #[arg(long, value_name = "SITE", value_parser = SiteId::parse)]
        site: SiteId,
        /// Rows after this time are sent again: a date, or a date with its time.
        ///
        /// Examples: 2025-01-01, 2025-01-01T12:00:00Z.
        /// A time without an offset is UTC, whatever the table's `timezone`.
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        to: Time,
        /// Count the rows that would be sent again, and change nothing.
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
        #[command(flatten)]
        change: ChangeArgs,
    },

    /// Make a state from what is in the sink, for one that is lost, damaged or wrong
    ///
    /// Every site that has objects in the sink stands where its last object ends. A daemon does the same
    /// site by site when its state is lost; here it is done for all, and shown first.
    Rebuild {
        #[command(flatten)]
        table: TableArgs,
        #[command(flatten)]
        change: ChangeArgs,
    },

    /// Go back to the state before the last command that changed it; twice: forth again
    Undo {
        #[command(flatten)]
        table: TableArgs,
        #[command(flatten)]
        change: ChangeArgs,
    },
}

/// The table whose state is meant.
#[derive(Debug, Args)]
pub(in crate::cli) struct TableArgs {
    /// The configuration, a TOML file.
    #[arg(value_name = "CONFIG")]
    pub(in crate::cli) config: PathBuf,

    /// A table of the configuration; in a further sink, TABLE@SINK.
    #[arg(value_name = "TABLE")]
    pub(in crate::cli) table: String,
}

/// What every command takes that changes a state.
#[derive(Debug, Args)]
pub(in crate::cli) struct ChangeArgs {
    /// Change it without asking.
    #[arg(short, long)]
    pub(in crate::cli) yes: bool,
}

/// Which states are looked at.
#[derive(Debug, Args)]
pub(in crate::cli) struct StateArgs {
    /// A configuration, to look at its tables; and tables, to look at those alone.
    ///
    /// The first is a configuration if it is an existing file. Without any, every table that has a state
    /// is shown.
    #[arg(value_name = "CONFIG|TABLE")]
    pub(in crate::cli) names: Vec<String>,
}

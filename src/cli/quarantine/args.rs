//! What may be asked of the quarantine.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::state::args::{ChangeArgs, TableArgs};

/// Commands on the quarantine: the rows that could not be sent, each with its reason.
///
/// `list` takes no lock: a daemon may be running. The others end with 75 while one follows the table.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum QuarantineCommand {
    /// Show the rows that could not be sent, and why
    List {
        /// The configuration, a TOML file.
        #[arg(value_name = "CONFIG")]
        config: PathBuf,
        /// A table of the configuration. Without it, all of them.
        #[arg(value_name = "TABLE")]
        table: Option<String>,
        /// Only rows of this site; may be given again.
        #[arg(long = "site", value_name = "SITE")]
        sites: Vec<String>,
        /// Only rows whose reason holds this text.
        #[arg(long, value_name = "TEXT")]
        reason_contains: Option<String>,
    },

    /// Send rows after all, if today's configuration allows it
    ///
    /// A row is looked at as if it were read now. Where it can be sent, it goes on the site's chain
    /// `requeue`, once, whenever this is cut short, and leaves the quarantine when the sink has stored it.
    /// Where it cannot, it stays, with the reason of today. A row of which the sink holds an equal one
    /// already leaves without being sent.
    Requeue(ChosenRows),

    /// Take rows out without sending them
    ///
    /// With --all, lines of the file that are no rows are moved out of the way, into a file beside it.
    Drop(ChosenRows),
}

/// Rows in quarantine.
#[derive(Debug, Args)]
#[group(id = "chosen", required = true, multiple = true)]
pub(in crate::cli) struct Chosen {
    /// The row with this id, which `list` shows; may be given again.
    #[arg(long = "id", value_name = "ID", group = "chosen")]
    pub(in crate::cli) ids: Vec<String>,

    /// Every row of this site; may be given again.
    #[arg(long = "site", value_name = "SITE", group = "chosen")]
    pub(in crate::cli) sites: Vec<String>,

    /// Every row.
    #[arg(long, group = "chosen", conflicts_with_all = ["ids", "sites"])]
    pub(in crate::cli) all: bool,
}

/// Rows in the quarantine of a table.
#[derive(Debug, Args)]
pub(in crate::cli) struct ChosenRows {
    #[command(flatten)]
    pub(in crate::cli) table: TableArgs,

    #[command(flatten)]
    pub(in crate::cli) rows: Chosen,

    #[command(flatten)]
    pub(in crate::cli) change: ChangeArgs,
}

//! The command line: what may be written, and what `--help` says of it.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use livecosmos_state::{SiteId, Time};
use tracing::level_filters::LevelFilter;

use super::quarantine::args::QuarantineCommand;
use super::state::args::StateCommand;
use crate::config::{parse_fallback, parse_time};
use crate::uploader::Fallback;

const ABOUT: &str = "Every new row, once, in the cloud";

const LONG_ABOUT: &str = "\
Every new row, once, in the cloud.

livecosmos follows tables or CSV files of measuring stations and stores each new row exactly once in a \
folder, in S3, Google Cloud Storage or Azure, or at an HTTP endpoint or an MQTT broker: through kill -9, power cuts, full disks, lost networks, restored backups and a \
second livecosmos started by mistake.";

const EXAMPLES: &str = "\
Examples:
  livecosmos config.toml LEVEL1_SOILMET_30MIN            follow one table until told to stop
  livecosmos config.toml all --once                      store what is new in every table, then end
  livecosmos config.toml all --dry-run                   show what would be stored, change nothing
  livecosmos config.toml X --once --fallback all         begin a new table with its first row
  livecosmos check config.toml                           try source, sink and state first
  livecosmos state show                                  how far each site is stored
  livecosmos status config.toml                          how many rows are sent, and how many wait

Exit codes:
   0 done                                  69 source or sink unreachable
   1 unexpected                            74 state cannot be written
   2 usage                                 75 another livecosmos follows the table
   3 some sites failed or are not done     77 access refused
  65 state corrupt                         78 configuration

Messages go to standard error, data to standard output. LIVECOSMOS_LOG=debug says more than -v can, \
NO_COLOR=1 takes the colours away.";

/// The command line as a whole.
#[derive(Debug, Parser)]
#[command(
    name = "livecosmos",
    version,
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    pub(super) command: Option<Command>,

    #[command(flatten)]
    pub(super) follow: FollowArgs,

    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// What every command understands.
#[derive(Debug, Args)]
pub(super) struct CommonArgs {
    /// Keep states in DIR.
    ///
    /// Without it: `$STATE_DIRECTORY` (set by systemd), else `$XDG_STATE_HOME/livecosmos`, else
    /// `~/.local/state/livecosmos`.
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) state_dir: Option<PathBuf>,

    /// Spell data for people or for programs.
    #[arg(long, value_enum, default_value_t, value_name = "FORM", global = true)]
    pub(super) output: Output,

    /// Say more; twice, say everything.
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "quiet", global = true)]
    verbose: u8,

    /// Say less: warnings and errors; twice, errors alone.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    quiet: u8,
}

/// Following tables: the command without a name.
#[derive(Debug, Args)]
pub(super) struct FollowArgs {
    /// The configuration, a TOML file.
    ///
    /// A file that has the name of a command is written with its folder: ./state
    #[arg(required = true, value_name = "CONFIG")]
    pub(super) config: Option<PathBuf>,

    /// Tables of the configuration, or `all`.
    ///
    /// A table with further sinks is meant in all of them; as TABLE@SINK, in that one alone.
    #[arg(required = true, value_name = "TABLE")]
    pub(super) tables: Vec<String>,

    /// Store what is there, then end.
    #[arg(long)]
    pub(super) once: bool,

    /// Show what would be stored, per site. Changes nothing and creates nothing.
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Follow only this site; may be given again.
    #[arg(long = "site", value_name = "SITE", value_parser = SiteId::parse)]
    pub(super) sites: Vec<SiteId>,

    /// Where a site begins that was never seen: a duration ago, a date, or `all`.
    ///
    /// Examples: 3h, 2025-01-01, 2025-01-01T12:00:00Z, all. Overrides `fallback` under [poll].
    #[arg(long, value_name = "WHEN", value_parser = parse_fallback)]
    pub(super) fallback: Option<Fallback>,
}

/// The commands that have a name.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Look at what is remembered of each site, and change it
    #[command(subcommand)]
    State(StateCommand),

    /// Try a configuration: source, sink and state of each table
    ///
    /// Reads a few rows, asks the sink whether it keeps two writers apart (which leaves one small probe
    /// object there), looks at the state, and says which promise holds. Changes no state.
    Check {
        /// The configuration, a TOML file.
        #[arg(value_name = "CONFIG")]
        config: PathBuf,
        /// Look at the configuration and the state only: no source, no sink.
        #[arg(long)]
        offline: bool,
    },

    /// Send older rows: those of a span of time that the sink does not hold
    ///
    /// What is stored already, by whatever chain, is not sent again. The rows go on a chain of their own;
    /// the live chain is not touched. If this is cut short, the next run or daemon goes on with it.
    Backfill(BackfillArgs),

    /// Read every object again and check it, and that no chain has a gap or an overlap
    ///
    /// Compares each object's bytes, rows and times with what it says of itself, and where it begins with
    /// where the one before it ends. Changes nothing; a daemon may be running. Ends with 3 if anything is
    /// wrong; an object that is gone is no finding any more once a repair or backfill holds rows of its span.
    Verify(InspectArgs),

    /// Count rows by site and day in source and sink, and show where they differ
    ///
    /// The source is read as far as the daemon has passed it; of the sink's objects only what they say of
    /// themselves. Changes nothing without --repair; a daemon may be running then. Ends with 3 if there is a
    /// difference.
    Reconcile(ReconcileArgs),

    /// Count the rows of each site: sent, waiting, in flight, in quarantine
    ///
    /// What is sent is told by the state, what waits by the source, which is read from there on: livecosmos
    /// buffers nothing that its source does not hold. The sink is not asked, and may be away. Takes no lock and
    /// changes nothing; a daemon may be running, and may get further meanwhile.
    Status(StatusArgs),

    /// Look at rows that could not be sent, send them after all, or drop them
    #[command(subcommand)]
    Quarantine(QuarantineCommand),

    /// Print a script that completes commands in a shell
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// What is looked at in sinks.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// The configuration, a TOML file.
    #[arg(value_name = "CONFIG")]
    pub(super) config: PathBuf,

    /// Tables of the configuration, or `all`.
    ///
    /// A table with further sinks is meant in all of them; as TABLE@SINK, in that one alone.
    #[arg(required = true, value_name = "TABLE")]
    pub(super) tables: Vec<String>,

    /// Look at this site only; may be given again.
    #[arg(long = "site", value_name = "SITE", value_parser = SiteId::parse)]
    pub(super) sites: Vec<SiteId>,
}

/// What is counted.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// The configuration, a TOML file.
    #[arg(value_name = "CONFIG")]
    pub(super) config: PathBuf,

    /// Tables of the configuration; without any, all.
    ///
    /// A table with further sinks is meant in all of them; as TABLE@SINK, in that one alone.
    #[arg(value_name = "TABLE")]
    pub(super) tables: Vec<String>,

    /// Count the rows of this site only; may be given again.
    #[arg(long = "site", value_name = "SITE", value_parser = SiteId::parse)]
    pub(super) sites: Vec<SiteId>,
}

/// What is compared.
#[derive(Debug, Args)]
pub(super) struct ReconcileArgs {
    /// The configuration, a TOML file.
    #[arg(value_name = "CONFIG")]
    pub(super) config: PathBuf,

    /// A table of the configuration; in a further sink, TABLE@SINK.
    #[arg(value_name = "TABLE")]
    pub(super) table: String,

    /// Compare this site only; may be given again.
    #[arg(long = "site", value_name = "SITE", value_parser = SiteId::parse)]
    pub(super) sites: Vec<SiteId>,

    /// Compare from the day on that holds this time: a date, or a date with its time.
    ///
    /// Days are those of UTC. A time without an offset is UTC, whatever the table's `timezone`.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(super) from: Option<Time>,

    /// Compare the days before this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(super) to: Option<Time>,

    /// Show every day, also where nothing differs.
    #[arg(long)]
    pub(super) all: bool,

    /// Send the rows that are missing in the sink, and no others.
    ///
    /// Needs the table's lock: stop its daemon first.
    #[arg(long)]
    pub(super) repair: bool,

    /// Do not ask.
    #[arg(long, requires = "repair")]
    pub(super) yes: bool,
}

/// What older rows to send.
#[derive(Debug, Args)]
pub(super) struct BackfillArgs {
    /// The configuration, a TOML file.
    #[arg(value_name = "CONFIG")]
    pub(super) config: PathBuf,

    /// A table of the configuration; in a further sink, TABLE@SINK.
    #[arg(value_name = "TABLE")]
    pub(super) table: String,

    /// Only this site; may be given again. Without it, every site that is known.
    #[arg(long = "site", value_name = "SITE", value_parser = SiteId::parse)]
    pub(super) sites: Vec<SiteId>,

    /// Rows at or after this time: a date, or a date with its time.
    ///
    /// Examples: 2025-01-01, 2025-01-01T12:00:00Z. Without it, from the first row on.
    /// A time without an offset is UTC, whatever the table's `timezone`.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(super) from: Option<Time>,

    /// Rows before this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(super) to: Option<Time>,

    /// Do not ask.
    #[arg(long)]
    pub(super) yes: bool,
}

/// How data is spelled on standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Columns for people.
    #[default]
    Table,
    /// One JSON document with a `schema` number.
    Json,
}

impl CommonArgs {
    /// The level of messages that `-v` and `-q` ask for.
    pub(super) fn level(&self) -> LevelFilter {
        match (self.verbose, self.quiet) {
            (2.., _) => LevelFilter::TRACE,
            (1, _) => LevelFilter::DEBUG,
            (0, 0) => LevelFilter::INFO,
            (0, 1) => LevelFilter::WARN,
            (0, 2..) => LevelFilter::ERROR,
        }
    }
}

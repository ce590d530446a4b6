//! The configuration: a TOML file, checked whole before anything is touched.
//!
//! `raw` is what may be written, `document` knows where it stands, `validate` turns one into the other
//! types of this module, which are trusted from then on. Every error says file, line and column, what
//! is wrong, and what to do.

mod column;
mod digest;
mod document;
mod path;
mod predecessor;
mod raw;
mod sinks;
mod units;
mod validate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use livecosmos_state::TableName;

pub use document::{ConfigError, most_like};
pub use units::{parse_duration, parse_size, show_duration, show_size};
pub use validate::{parse_fallback, parse_time};

use crate::key::KeyTemplate;
use crate::payload::{Compression, Format};
use crate::sink;
use crate::source::{Recheck, Source, SourceError, TableShape, csv, mysql, oracle, postgres, sqlite};
use crate::uploader::{Fallback, Lookback};

/// A configuration in which everything fits together.
#[derive(Debug, Clone)]
pub struct Config {
    path: PathBuf,
    tables: BTreeMap<TableName, TableConfig>,
}

/// All that is configured for one table.
#[derive(Debug, Clone)]
pub struct TableConfig {
    /// Its name, with that of the sink where it is not the first.
    pub table: TableName,
    /// Identity of its source: a state made with another one is not continued.
    pub source_id: String,
    /// Which source, and how it is reached.
    pub source: SourceSettings,
    /// How its rows are read.
    pub shape: TableShape,
    /// Which sink, and how it is reached.
    pub sink: sink::Settings,
    /// How fast objects go there.
    pub pace: SinkPace,
    /// What objects look like.
    pub upload: Upload,
    /// When rows are looked for.
    pub poll: Poll,
    /// Short digest of what shapes a payload, for the metadata of objects.
    pub digest: String,
}

/// Which source, and how it is reached.
#[derive(Debug, Clone)]
pub enum SourceSettings {
    /// CSV files.
    Csv(csv::Settings),
    /// A table of an `SQLite` database.
    Sqlite(sqlite::Settings),
    /// A table of a `PostgreSQL` database.
    Postgres(Box<postgres::Settings>),
    /// A table of a `MySQL` or `MariaDB` database.
    Mysql(Box<mysql::Settings>),
    /// A table of an Oracle database.
    Oracle(Box<oracle::Settings>),
}

/// What objects look like, and how many are on their way at once.
#[derive(Debug, Clone)]
pub struct Upload {
    /// How rows are spelled.
    pub format: Format,
    /// How payloads are compressed.
    pub compression: Compression,
    /// How keys are made.
    pub key: KeyTemplate,
    /// Puts at the same time.
    pub in_flight_max: usize,
    /// Memory of all rows and payloads of the process.
    pub memory_bytes_max: usize,
    /// Fills that store at the same time: a share of the puts.
    pub fills_max: usize,
}

/// How fast objects go to a sink, from all tables of a process that store there; `None` for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SinkPace {
    /// Bytes of objects a second, both ways.
    pub bytes_per_second_max: Option<u64>,
    /// Requests a second.
    pub requests_per_second_max: Option<u64>,
}

/// When rows are looked for, and from when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    /// From the start of one pass to the start of the next.
    pub interval: Duration,
    /// The first pass comes within this time: when, the state's identity and the table decide.
    pub jitter: Duration,
    /// Where a site begins that was never seen.
    pub fallback: Fallback,
    /// How long what is in flight may take to end after a signal.
    pub drain: Duration,
    /// How rows that come late are found.
    pub lookback: Option<Lookback>,
    /// The quarantine grows to this at most.
    pub quarantine_bytes_max: u64,
    /// A site with rows older than this, in seconds, and more of them than one batch, is split.
    pub catch_up_after_s: Option<i64>,
}

impl Config {
    /// Reads and checks the file at `path`. Relative paths in it start at its folder.
    ///
    /// # Errors
    /// [`ConfigError`] names the first thing that is wrong, with its place in the file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let document = document::Document::read(path)?;
        let tables = validate::tables(&document)?;
        Ok(Self { path: path.to_owned(), tables })
    }

    /// The file, as it was named.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every table, by name.
    pub fn tables(&self) -> impl Iterator<Item = &TableConfig> {
        self.tables.values()
    }

    /// The configuration of `table`, and of it in its further sinks.
    ///
    /// # Errors
    /// As [`Config::table`].
    pub fn table_in_sinks(&self, table: &str) -> Result<Vec<&TableConfig>, ConfigError> {
        let named = self.table(table)?;
        let is_in_another = |other: &&TableConfig| other.table.without_sink() == named.table;
        Ok(if named.table.sink().is_some() {
            vec![named]
        } else {
            self.tables().filter(is_in_another).collect()
        })
    }

    /// The configuration of `table`: in its first sink, or, as `TABLE@SINK`, in a further one.
    ///
    /// # Errors
    /// [`ConfigError`] names the tables there are.
    pub fn table(&self, table: &str) -> Result<&TableConfig, ConfigError> {
        let found = self.tables.iter().find(|(name, _)| name.as_str() == table);
        found.map(|(_, config)| config).ok_or_else(|| {
            let known: Vec<&str> = self.tables.keys().map(TableName::as_str).collect();
            let (what, remedy) = document::unknown("table", table, &known);
            ConfigError { place: self.path.display().to_string(), what, remedy }
        })
    }
}

impl TableConfig {
    /// What its sink is given, where requests wait so long for the end of an outage.
    #[must_use]
    pub fn flow_limits(&self, patience: Duration) -> sink::FlowLimits {
        sink::FlowLimits {
            in_flight_max: self.upload.in_flight_max,
            bytes_per_second_max: self.pace.bytes_per_second_max,
            requests_per_second_max: self.pace.requests_per_second_max,
            patience,
        }
    }
}

impl SourceSettings {
    /// Opens the source for a table of this shape.
    ///
    /// # Errors
    /// As [`Source::pass`].
    pub fn open(&self, shape: TableShape) -> Result<Box<dyn Source>, SourceError> {
        Ok(match self {
            Self::Csv(settings) => Box::new(csv::CsvSource::open(settings.clone(), shape)?),
            Self::Sqlite(settings) => Box::new(sqlite::SqliteSource::open(settings.clone(), shape)?),
            Self::Postgres(settings) => settings.as_ref().clone().open(shape),
            Self::Mysql(settings) => settings.as_ref().clone().open(shape),
            Self::Oracle(settings) => settings.as_ref().clone().open(shape),
        })
    }

    /// Tells what would become today of rows that could not be sent.
    ///
    /// # Errors
    /// As [`SourceSettings::open`].
    pub fn recheck<'a>(&self, shape: &'a TableShape) -> Result<Recheck<'a>, SourceError> {
        let unit = match self {
            Self::Csv(_) => None,
            Self::Sqlite(settings) => Some(settings.time_unit),
            Self::Postgres(settings) => Some(settings.access.time_unit),
            Self::Mysql(settings) => Some(settings.access.time_unit),
            Self::Oracle(settings) => Some(settings.access.time_unit),
        };
        let stored = unit.map(|unit| sqlite::StoredTimes::new(shape.time.clone(), unit)).transpose()?;
        Ok(Recheck::new(shape, stored))
    }

    /// For messages: kind and place, never a secret.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Csv(settings) => format!("csv {}", settings.path.display()),
            Self::Sqlite(settings) => format!("sqlite {}", settings.path.display()),
            Self::Postgres(settings) => settings.describe(),
            Self::Mysql(settings) => settings.describe(),
            Self::Oracle(settings) => settings.describe(),
        }
    }

    /// Whether rows are in files, where a cursor is a place in one.
    #[must_use]
    pub fn is_csv(&self) -> bool {
        matches!(self, Self::Csv(_))
    }
}

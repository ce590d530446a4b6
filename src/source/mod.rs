//! Where rows come from: the contract every source keeps.
//!
//! A source is a blocking reader on a thread of its own. The uploader hands it an [`Intake`] for
//! each pass; the source asks it where a site stands, and gives it batches.

mod batcher;
mod cells;
pub mod csv;
pub mod mysql;
mod names;
mod number;
pub mod oracle;
mod position;
pub mod postgres;
mod server;
pub mod sqlite;
mod time;

use std::collections::{BTreeMap, BTreeSet};

use livecosmos_state::{Cursor, FilePosition, SiteId, SourceFile, Time, Window};

pub use batcher::{Batcher, Slot};
pub use cells::{Cells, Recheck, Sendable, WRITE_ANEW};
pub use number::is_json_number;
pub use server::Access;
pub use time::{Fold, TimeError, TimeReader};

use crate::column_type::ColumnType;
use crate::key::Partition;
use crate::rows::{Batch, Schema};

/// Yields, in one streaming pass over a table, the rows after each site's cursor.
pub trait Source: Send {
    /// Makes one pass: every row that is due for every site, in the source's order, grouped into
    /// batches of one site each, given to `intake` as they fill.
    ///
    /// Holds at most the memory its limits name, however long the backlog. Reads nothing when
    /// nothing was added since the last pass. Returns early with [`SourceError::Stopped`] when the
    /// intake says so. A row that cannot be sent goes to [`Intake::reject`] and stops nothing.
    ///
    /// # Errors
    /// [`SourceError`], by what the operator must do; batches given before it stay valid.
    fn pass(&mut self, start: &Start, intake: &mut dyn Intake) -> Result<Pass, SourceError>;

    /// How new rows are found, where an operator can do something about it; `None` for files.
    ///
    /// # Errors
    /// As [`Source::pass`].
    fn explain(&mut self) -> Result<Option<Plan>, SourceError> {
        Ok(None)
    }
}

/// What holds for a whole pass, decided before it begins.
#[derive(Debug, Clone)]
pub struct Start {
    /// The clock at the start of the pass.
    pub now: Time,
    /// Files known to the state, with how far they are covered for every site.
    pub files: Vec<SourceFile>,
    /// Sites known to the state.
    pub known: BTreeSet<SiteId>,
    /// Only these sites are read (`--site`); `None` means all.
    pub only: Option<BTreeSet<SiteId>>,
    /// No state existed before: files present now begin under the first run's floor.
    pub first_run: bool,
    /// A site stands before what earlier passes have read: read again from what is covered.
    pub behind: bool,
    /// Every site that is not paused has [`Bounds`]: a pass for fills.
    pub is_bounded: bool,
}

/// Where a site stands, asked once per site and pass.
#[derive(Debug, Clone)]
pub struct Resume {
    /// The site's cursor.
    pub cursor: Cursor,
    /// Files in which the site is stored beyond what is covered for all.
    pub ahead: Vec<FilePosition>,
    /// Rows at or before this time are not due where a floor applies.
    pub floor: Option<Time>,
    /// The newest time stored for the site.
    pub last_data: Option<Time>,
    /// Rows of this site are passed over in this pass: it failed and waits for its next try.
    pub paused: bool,
    /// Where this pass ends for the site; `None` where its rows end.
    pub bounds: Option<Bounds>,
    /// The first batch of the pass has so many rows at most, the next twice as many, and so on: the sink
    /// refused a larger one.
    pub rows_max: Option<usize>,
    /// No batch is to come to more bytes than these, as [`crate::rows::Rows::payload_bytes_expected`] reckons: the
    /// sink takes no more. Of a batch that is sent again, only `cut_at` counts.
    pub bytes_max: Option<usize>,
    /// The first batch ends here, if it comes so far: so did one whose fate cannot be looked up, and the same
    /// batch is sent again.
    pub cut_at: Option<Cursor>,
}

/// The rows of a site that a fill is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// The last of them lies at this cursor or before. A place in a file bounds them to that file.
    pub until: Cursor,
    /// They have such times.
    pub window: Window,
}

impl Resume {
    /// Nothing of the site is stored, and all its rows are due.
    #[must_use]
    pub fn from_the_start() -> Self {
        Self {
            cursor: Cursor::Start,
            ahead: Vec::new(),
            floor: None,
            last_data: None,
            paused: false,
            bounds: None,
            rows_max: None,
            bytes_max: None,
            cut_at: None,
        }
    }
}

/// How a file came to be seen for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileOrigin {
    /// Present at the first run: the floor of the first run applies to what it holds now.
    FirstRun,
    /// In the place of a file that is gone: rows up to each site's watermark are not due.
    Replaced,
    /// New beside the others: every row is due.
    Appeared,
}

/// The uploader's side of a pass. Its calls block while memory or the sink is at its limit.
pub trait Intake {
    /// Where `site` stands. A site never seen before is looked up in the sink and registered.
    fn resume(&mut self, site: &SiteId) -> Result<Resume, Stopped>;

    /// Makes a file part of the state, durably, before its first row is given. A file may be registered
    /// again: as [`FileOrigin::Replaced`] that raises the floors anew. Floors that follow
    /// from `origin` are in every [`Resume`] asked for afterwards.
    fn register(&mut self, file: SourceFile, origin: FileOrigin) -> Result<(), Stopped>;

    /// Takes a batch. Batches of one site arrive in its order.
    fn batch(&mut self, batch: Batch) -> Result<(), Stopped>;

    /// Makes it durable that every row of every site before these positions is done. Everything
    /// given so far must lie before them, and nothing else: no batch is open. Waits until all of it is stored;
    /// where something failed the positions stay as they were, and that is no error.
    ///
    /// A long pass calls this now and then, so that a restart does not read it all again.
    fn checkpoint(&mut self, files: &[SourceFile]) -> Result<(), Stopped>;

    /// Takes a row that cannot be sent.
    fn reject(&mut self, reject: Reject) -> Result<(), Stopped>;

    /// Whether rows that were rejected take up so much that a pass should come to a checkpoint. Asked after
    /// each of them.
    fn is_checkpoint_due(&self) -> bool {
        false
    }

    /// Whether the pass should end; long stretches without a batch ask this now and then.
    fn stopped(&self) -> bool;
}

/// The daemon is stopping, or the pass was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the pass was stopped")]
pub struct Stopped;

/// A row that cannot be sent, as read, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Its site, where it is known.
    pub site: Option<String>,
    /// Where it stands: `file path, line 12, byte 3456` or `table T, rowid 7`.
    pub position: String,
    /// A key that is the same when the same row is read again.
    pub identity: String,
    /// Why it cannot be sent, and what would mend it.
    pub reason: String,
    /// The row as read; bytes that are not UTF-8 are replaced.
    pub row: String,
    /// Its values, where they could be told apart: from them it can be sent later.
    pub cells: Option<Cells>,
    /// Where it lies in the source's order: a row whose place the live chain has not reached is read
    /// again.
    pub place: Option<Cursor>,
}

/// How the rows of a table are found that are new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// By this index, or these.
    Index(String),
    /// In a way that costs more than it must: what it is, and what mends it.
    Costly(String),
}

/// What a pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pass {
    /// The files with their new `covered`, true once every batch of the pass is stored.
    pub files: Vec<SourceFile>,
    /// Rows looked at.
    pub rows_read: u64,
    /// Bytes read from the source.
    pub bytes_read: u64,
    /// Statements by which a database server was asked for sites or rows; its catalogue is looked at beside
    /// them where something is due.
    pub statements: u64,
    /// Rows held back because their time lies in the future; they come by themselves when it is past.
    pub future_rows: u64,
    /// What is wrong with single files, each with its remedy, in every pass that meets it: the rows of
    /// the others were read all the same.
    pub faults: Vec<String>,
    /// Things the operator should know, each said once by the source: an unfinished last line, a
    /// file that was replaced, a header that changed.
    pub notices: Vec<String>,
}

/// Why a pass failed, by what the operator must do. Each message names the thing and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The configuration does not fit the source: no such file, table or column. Exit 78.
    #[error("{0}")]
    Config(String),
    /// The source cannot be reached or read now; worth another try. Exit 69 in a one-shot run.
    #[error("{0}")]
    Unavailable(String),
    /// The source refuses us. Exit 77.
    #[error("{0}")]
    Denied(String),
    /// The pass was stopped from outside.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// The part of a table's configuration that every source needs.
#[derive(Debug, Clone)]
pub struct TableShape {
    /// The table's name as configured.
    pub table: livecosmos_state::TableName,
    /// How a row's site is found.
    pub site: SiteRule,
    /// Name of the time column.
    pub time_column: String,
    /// Name of the unique tie-break column, where the table has one.
    pub tie_column: Option<String>,
    /// Reads the time column's text.
    pub time: TimeReader,
    /// Texts that mean "no value", quoted or not.
    pub null_values: Vec<String>,
    /// Columns whose values are always text.
    pub text_columns: BTreeSet<String>,
    /// Types of columns that the configuration declares, whatever the source says.
    pub column_types: BTreeMap<String, ColumnType>,
    /// Only these sites exist for this table; `None` means whatever the data holds.
    pub sites: Option<BTreeSet<SiteId>>,
    /// How far ahead of the clock a row's time may lie, in seconds.
    pub future_tolerance_s: i64,
    /// How old a row must be before it is due, in seconds: transactions that commit out of order are
    /// then not overtaken. Where rows are read in the order of their times.
    pub settle_s: i64,
    /// Where batches are cut.
    pub limits: Limits,
}

impl TableShape {
    /// The schema of columns that the source knows by these types; what the configuration declares wins.
    #[must_use]
    pub fn schema<'a>(
        &self,
        columns: impl IntoIterator<Item = (&'a str, ColumnType)>,
        time: usize,
        site: Option<usize>,
    ) -> Schema {
        let typed = |(at, (name, known)): (usize, (&'a str, ColumnType))| {
            let kind = self.column_types.get(name).copied().unwrap_or(known);
            (Box::from(name), if at == time { kind.of_time() } else { kind })
        };
        let (columns, types): (Vec<Box<str>>, Vec<ColumnType>) =
            columns.into_iter().enumerate().map(typed).unzip();
        Schema { columns: columns.into(), types: types.into(), time, site }
    }
}

/// How a row's site is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteRule {
    /// In a column.
    Column(String),
    /// The whole source is one site's.
    Fixed(SiteId),
    /// The file names it: a template of `{station}` (TOA5's header) and `{file_stem}`.
    Template(String),
}

/// Where batches are cut, and how much may wait in groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows in a batch.
    pub batch_rows_max: usize,
    /// Bytes of a batch's values, as the source wrote them.
    pub batch_bytes_max: usize,
    /// Memory of all batches being filled at once; past it the largest is closed.
    pub group_bytes_max: usize,
    /// Parts of time over whose borders no batch reaches, where keys name them.
    pub partition: Option<Partition>,
}

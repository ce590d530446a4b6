//! What is remembered of a table. Plain data: it knows no clock, no disk and no network.

use std::collections::BTreeMap;

use crate::cursor::{Cursor, FileId};
use crate::ledger::Ledger;
use crate::name::{ChainName, SiteId, TableName};
use crate::time::Time;

/// A batch whose upload may have begun. Committed before the upload is tried (I2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Number of the object in its chain.
    pub seq: u64,
    /// Where the batch begins: the chain's cursor.
    pub from: Cursor,
    /// The cursor of the batch's last row.
    pub to: Cursor,
    /// Where the next object will begin, if not at `to`: what lies between is left to a fill.
    pub next: Option<Cursor>,
    /// Key under which the object is created.
    pub key: String,
    /// Rows in the batch.
    pub rows: u64,
    /// The newest time in the batch.
    pub last_data: Time,
    /// SHA-256 of the uncompressed payload.
    pub digest: [u8; 32],
    /// When the intent was made.
    pub since: Time,
}

/// A sequence of objects of one site: object n begins exactly where object n-1 says (I3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Number of the next object.
    pub seq: u64,
    /// Where the next object begins.
    pub cursor: Cursor,
    /// Rows up to here, behind `cursor`, were refused by the sink and are in quarantine: reading goes
    /// on from here, though no object says so.
    pub passed: Option<Cursor>,
    /// The object that may be on its way.
    pub pending: Option<Intent>,
}

impl Chain {
    /// A chain of which nothing is stored yet.
    #[must_use]
    pub fn new() -> Self {
        Self { seq: 0, cursor: Cursor::Start, passed: None, pending: None }
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

/// A second, bounded chain of a site: rows that the live chain does not send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Why it is there.
    pub kind: FillKind,
    /// When it was begun.
    pub since: Time,
    /// Its rows lie behind this cursor,
    pub after: Cursor,
    /// up to and including this one, and, where that is a place in a file, in that file.
    pub until: Cursor,
    /// Of these, the rows with such a time.
    pub window: Window,
    /// Its objects.
    pub chain: Chain,
}

/// Why a fill is there, which decides what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FillKind {
    /// The live chain jumped over a backlog: all of it is sent.
    CatchUp,
    /// An operator asked for older rows: those of them that are not in the sink are sent.
    Backfill,
    /// Rows of the source are missing in the sink: those are sent.
    Repair,
    /// An operator asked for rows to be sent again: all of them are sent, marked as a resend.
    Resend,
}

impl FillKind {
    /// Whether it compares what it reads with the sink, and sends what is missing there. The others send all
    /// rows of their part, in their order.
    #[must_use]
    pub fn compares(self) -> bool {
        matches!(self, Self::Backfill | Self::Repair)
    }
}

/// A span of times, each end open where it is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The first time within.
    pub first: Option<Time>,
    /// The first time behind.
    pub end: Option<Time>,
}

impl Window {
    /// Whether `time` lies within.
    #[must_use]
    pub fn holds(&self, time: Time) -> bool {
        self.first.is_none_or(|first| first <= time) && self.end.is_none_or(|end| time < end)
    }
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePosition {
    /// The file.
    pub file: FileId,
    /// Bytes of its uncompressed stream before the place.
    pub offset: u64,
}

/// What is remembered of one site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// The watermark: the newest time stored (I1).
    pub last_data: Option<Time>,
    /// Rows at or before it are not due in those parts of a source where a floor applies: the first
    /// run, and a file that was replaced.
    pub floor: Option<Time>,
    /// The chain of the rows that follow as they come.
    pub live: Chain,
    /// How far this site is stored beyond [`SourceFile::covered`], file by file.
    pub ahead: Vec<FilePosition>,
    /// The chain of the rows that came late: behind the live chain, which had passed their place.
    pub late: Chain,
    /// The chain of the rows that an operator took back from quarantine.
    pub requeue: Chain,
    /// The rows of the lookback window that are stored: a row that is not among them came late.
    pub ledger: Ledger,
    /// Every stored row of this time or later is in the ledger; `None` where nothing is known of any.
    pub ledger_from: Option<Time>,
    /// Fills that are not done, by the names of their chains.
    pub fills: BTreeMap<ChainName, Fill>,
    /// How many rows the sink has acknowledged.
    pub sent: Tally,
}

/// Rows of a site that the sink has acknowledged, counted with the commit that remembers them: since the state
/// began, or since it is of a format that counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// In their first version and in order: the live chain, the fills, and what was taken back from quarantine.
    pub rows: u64,
    /// Rows that came late, or were changed after they were sent.
    pub late: u64,
    /// Rows that an operator had sent again.
    pub resent: u64,
}

/// A file that is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it was last seen.
    pub path: String,
    /// Which file it is, wherever it is.
    pub file: FileId,
    /// Every row of every site before this offset is stored or quarantined.
    pub covered: u64,
    /// Hash of the bytes just before `covered`: tells a file that grew from one that was replaced.
    pub check: u64,
    /// Floors apply to rows that begin before this offset.
    pub floor_until: u64,
}

/// All that is remembered of one table: what one commit makes durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The table. It belongs to the file: a commit puts it back if an edit changed it.
    pub table: TableName,
    /// Identity of the source, free of secrets.
    pub source: String,
    /// When the first run began.
    pub started: Option<Time>,
    /// When the last run ended.
    pub last_run: Option<Time>,
    /// [`Site::floor`] of sites not seen yet, decided at the first run.
    pub floor: Option<Time>,
    /// Under which settings the ledgers are kept: they decide a row's fingerprint. Empty for none.
    pub ledger_config: String,
    /// Every site seen so far.
    pub sites: BTreeMap<SiteId, Site>,
    /// Every file followed.
    pub files: Vec<SourceFile>,
}

impl State {
    /// The state of a table of which nothing is known.
    #[must_use]
    pub fn new(table: TableName, source: impl Into<String>) -> Self {
        Self {
            table,
            source: source.into(),
            started: None,
            last_run: None,
            floor: None,
            ledger_config: String::new(),
            sites: BTreeMap::new(),
            files: Vec::new(),
        }
    }
}

//! What an uploader is told of its table.

use std::time::Duration;

use livecosmos_state::{TableName, Time};

use super::RetryPolicy;
use crate::key::KeyTemplate;
use crate::payload::{Compression, Format};

/// What shapes a table's objects and their upload.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The table.
    pub table: TableName,
    /// Identity of its source.
    pub source_id: String,
    /// How keys are made.
    pub key: KeyTemplate,
    /// How rows are spelled.
    pub format: Format,
    /// How payloads are compressed.
    pub compression: Compression,
    /// Short digest of the settings that shape a payload.
    pub config_digest: String,
    /// Where a site begins that was never seen: this many seconds before now, or at a time.
    pub fallback: Fallback,
    /// Name of the time column.
    pub time_column: String,
    /// Name of the tie column, where there is one.
    pub tie_column: Option<String>,
    /// How rows that come late are found.
    pub lookback: Option<Lookback>,
    /// A site with a full batch of rows that are all older than this, in seconds, is split: the live
    /// chain goes on from there, and a fill sends what lies between.
    pub catch_up_after_s: Option<i64>,
    /// How long a commit may wait for room on the disk; for ever without it.
    pub commit_patience: Option<Duration>,
    /// How long a failed put is tried again within a pass.
    pub retry: RetryPolicy,
}

/// Where a site begins that was never seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// This many seconds before the first look.
    Before {
        /// Seconds.
        seconds: i64,
    },
    /// With the first row at or after this time.
    At(Time),
    /// At the beginning.
    All,
}

/// How rows that come late are found: by reading a window behind the watermark again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookback {
    /// Length of the window.
    pub seconds: i64,
    /// A row that was changed after it was sent is sent again, as a new version.
    pub sends_updates: bool,
}

//! Looks at what a table has in its sink, from end to end. Changes nothing and needs no lock.

mod chain;
mod compare;
mod count;
mod exact;
mod listing;
mod object;
mod report;
mod tally;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use livecosmos_state::{SiteId, TableName};

pub use compare::{DayCompared, Difference, Verdict, compare};
pub use count::{SiteCount, SitePlan, SourceRead, read_source};
pub use exact::RowByRow;
pub use report::{ChainSummary, Finding, HoleSummary, Report, Trouble};

pub use tally::{First, SiteTally, Tally};

use crate::key::KeyTemplate;
use crate::sink::Sink;
use crate::stop::Stop;
use crate::uploader::{RetryPolicy, SiteError};

/// Objects read at the same time: each is held as it is stored, and unpacked piece by piece.
const READS_AT_ONCE: usize = 8;

/// A table in its sink.
pub struct Subject {
    /// The table.
    pub table: TableName,
    /// How its keys are made.
    pub key: KeyTemplate,
    /// Where its objects are.
    pub sink: Arc<dyn Sink>,
    /// What holds the time in objects that do not say it.
    pub time_column: String,
    /// Only these sites.
    pub only: Option<BTreeSet<SiteId>>,
    /// Other tables that have their objects in the same sink.
    pub neighbours: Vec<(TableName, KeyTemplate)>,
    /// How long a failed look is tried again.
    pub retry: RetryPolicy,
    /// Ends it early.
    pub stop: Stop,
}

impl Subject {
    /// Reads every object and compares it with what it says of itself, and each chain with itself.
    /// `step` is told the bytes of each object, as stored.
    ///
    /// # Errors
    /// When the sink cannot be read. What is wrong with objects is in the report.
    pub async fn verify(&self, step: impl Fn(u64)) -> Result<Report, SiteError> {
        let mut report = Report::default();
        let listed = self.listed();
        let mut looked =
            std::pin::pin!(listed.map_ok(|listed| self.look(listed)).try_buffered(READS_AT_ONCE));
        while let Some(looked) = looked.try_next().await? {
            step(looked.stored_bytes);
            report.add(looked);
        }
        report.conclude();
        Ok(report)
    }

    /// How many keys there are to look at.
    ///
    /// # Errors
    /// When the sink cannot be read.
    pub async fn count(&self) -> Result<u64, SiteError> {
        self.listed().try_fold(0, |count, _| std::future::ready(Ok(count + 1))).await
    }
}

#[cfg(test)]
mod tests;

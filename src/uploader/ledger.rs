//! The ledger: which rows of the lookback window are stored. A cache of what the sink can prove, and
//! the sieve that lets through what it does not hold.

use std::collections::HashMap;
use std::sync::Arc;

use livecosmos_state::{ChainName, FillKind, Fingerprint, Ledger, SiteId, Time};

use super::adopt::Recent;
use super::change::{Noting, Sent};
use super::{LiveUploader, Lookback, SiteError, retry};
use crate::clock::shift;
use crate::fingerprint;
use crate::payload::PayloadReader;
use crate::rows::{Batch, Rows};

/// Notes the rows of a batch for the ledger.
pub(super) struct Clerk {
    tie_column: Option<String>,
    /// Rows before it are too old; `None` where no ledger is kept.
    first: Option<Time>,
}

impl Clerk {
    /// The rows of `batch` for the ledger.
    pub(super) fn rows(&self, batch: &Batch) -> Sent {
        let Some(first) = self.first else { return Sent::default() };
        let prints = fingerprint::of_rows(&batch.rows, self.tie_column.as_deref());
        let rows = batch.rows.times().iter().map(|row| row.time).zip(prints);
        let noting = if self.tie_column.is_some() { Noting::Current } else { Noting::Counted };
        Sent { rows: rows.filter(|(time, _)| *time >= first).collect(), noting }
    }
}

impl LiveUploader {
    /// What the ledger is to know of a batch of `chain`.
    pub(super) fn clerk(&self, batch: &Batch, chain: &ChainName) -> Clerk {
        let recent = self.recent(&batch.site);
        // What is sent again is known already.
        let is_resend = self.kind_of(&batch.site, chain) == Some(FillKind::Resend);
        let newest = batch.time_range().map(|(_, newest)| newest);
        let first = recent.filter(|_| !is_resend).and_then(|Recent { seconds, watermark }| {
            watermark.max(newest).map(|watermark| shift(watermark, -seconds))
        });
        Clerk { tie_column: self.settings.tie_column.clone(), first }
    }

    /// Which objects hold rows of the site's lookback window; `None` where no ledger is kept.
    pub(super) fn recent(&self, site: &SiteId) -> Option<Recent> {
        let seconds = self.settings.lookback?.seconds;
        let watermark = self.journal.read(|state| state.sites.get(site).and_then(|site| site.last_data));
        Some(Recent { seconds, watermark })
    }

    /// The rows of the objects under `keys`, read back for the ledger.
    pub(super) async fn rows_of(&self, keys: &[String]) -> Result<Sent, SiteError> {
        let mut rows = Vec::new();
        for key in keys {
            rows.extend(self.prints_of(key).await?);
        }
        let noting = if self.settings.tie_column.is_some() { Noting::Found } else { Noting::Counted };
        Ok(Sent { rows: Arc::from(rows), noting })
    }

    /// Time and fingerprint of each row of the object under `key`.
    pub(super) async fn prints_of(&self, key: &str) -> Result<Vec<(Time, Fingerprint)>, SiteError> {
        let get = || self.sink.get(key);
        let unreadable = |what: &dyn std::fmt::Display| {
            SiteError::Inconsistent(format!(
                "{}: {key}: {what}; put back the object as it was, or move it away with all that follow it",
                self.sink.describe()
            ))
        };
        let (facts, bytes) = retry::until_settled(&self.settings.retry, &self.stop, get)
            .await?
            .ok_or_else(|| unreadable(&"it vanished while it was looked at"))?;
        let time_column =
            facts.contents.time_column.unwrap_or_else(|| self.settings.time_column.as_str().into());
        // Half of an object may be whole rows: what is missing would count as late, and be sent again.
        let sum = PayloadReader::new(&bytes, &time_column).and_then(PayloadReader::finish);
        if sum.map_err(|error| unreadable(&error))?.digest != facts.digest {
            return Err(unreadable(&"the SHA-256 of its payload is not the one it says"));
        }
        fingerprint::of_payload(&bytes, &time_column, self.settings.tie_column.as_deref())
            .map_err(|error| unreadable(&error))
    }
}

/// Lets through the rows of one site that are not in a ledger.
pub(super) struct Sieve {
    ledger: Ledger,
    tie_column: Option<String>,
    sends_updates: bool,
    /// How often each row was met: rows that are alike count.
    met: HashMap<Fingerprint, usize>,
    /// What others send.
    holes: Vec<Hole>,
}

/// A stretch whose rows a fill still sends.
pub(super) struct Hole {
    /// It lies behind this time; `None` where it has no beginning.
    pub(super) after: Option<Time>,
    /// Of the rows of that time only a tie tells which are stored.
    pub(super) has_tie: bool,
    /// Its last time.
    pub(super) until: Time,
}

impl Hole {
    fn holds(&self, time: Time) -> bool {
        let is_behind = |after: Time| time > after || (self.has_tie && time == after);
        time <= self.until && self.after.is_none_or(is_behind)
    }
}

impl Sieve {
    /// A row that is in `ledger` with other values passes if `sends_updates`.
    pub(super) fn new(ledger: Ledger, tie_column: Option<String>, sends_updates: bool) -> Self {
        Self { ledger, tie_column, sends_updates, met: HashMap::new(), holes: Vec::new() }
    }

    /// Lets no row of `holes` through.
    pub(super) fn holding_back(self, holes: Vec<Hole>) -> Self {
        Self { holes, ..self }
    }

    /// Leaves in `batch` the rows that are not in the ledger.
    pub(super) fn sift(&mut self, batch: &mut Batch) {
        let passes = self.missing(&batch.rows);
        batch.rows.retain(|row| passes[row]);
    }

    /// Of each row, whether the ledger lacks it.
    pub(super) fn missing(&mut self, rows: &Rows) -> Vec<bool> {
        let prints = fingerprint::of_rows(rows, self.tie_column.as_deref());
        let times = rows.times().iter().map(|row| row.time);
        times.zip(prints).map(|(time, print)| self.passes(time, print)).collect()
    }

    fn passes(&mut self, time: Time, print: Fingerprint) -> bool {
        if self.holes.iter().any(|hole| hole.holds(time)) {
            return false;
        }
        let met = self.met.entry(print).or_insert(0);
        *met += 1;
        if *met <= self.ledger.count(time, print) {
            return false;
        }
        self.sends_updates || !self.ledger.has_row(time, print.row)
    }
}

impl Lookback {
    /// The first time of the window behind `watermark`.
    pub(super) fn first(self, watermark: Time) -> Time {
        shift(watermark, -self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_rows_that_are_alike_as_many_pass_as_the_ledger_lacks() {
        let (time, print) = (Time::new(100, 0).unwrap(), Fingerprint { row: 7, version: 1 });
        let mut ledger = Ledger::default();
        ledger.insert(time, print);
        ledger.insert(time, print);
        let mut sieve = Sieve::new(ledger, None, true);
        let passes: Vec<bool> = (0..4).map(|_| sieve.passes(time, print)).collect();
        assert_eq!(passes, [false, false, true, true]);
    }
}

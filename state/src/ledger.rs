//! What is stored of a site's lookback window: a fingerprint for each row, dropped hour by hour.

use std::collections::BTreeMap;

use crate::time::Time;

const SECONDS_PER_HOUR: i64 = 3_600;

/// Which row it is, and in which version.
///
/// Both are hashes; two rows of one hour are taken for one only if both are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint {
    /// Of what names the row: its time and its tie.
    pub row: u64,
    /// Of its values.
    pub version: u32,
}

/// The rows that are stored, as a multiset: rows that are alike count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// By hours since 1970; each list is sorted.
    hours: BTreeMap<i64, Vec<Fingerprint>>,
}

impl Ledger {
    /// Notes that a row of this time is stored.
    pub fn insert(&mut self, time: Time, fingerprint: Fingerprint) {
        let rows = self.hours.entry(hour(time)).or_default();
        let at = rows.partition_point(|row| *row <= fingerprint);
        rows.insert(at, fingerprint);
    }

    /// How many such rows are stored.
    #[must_use]
    pub fn count(&self, time: Time, fingerprint: Fingerprint) -> usize {
        let Some(rows) = self.hours.get(&hour(time)) else { return 0 };
        let first = rows.partition_point(|row| *row < fingerprint);
        rows[first..].partition_point(|row| *row == fingerprint)
    }

    /// Whether the row is stored in any version.
    #[must_use]
    pub fn has_row(&self, time: Time, row: u64) -> bool {
        let Some(rows) = self.hours.get(&hour(time)) else { return false };
        let first = rows.partition_point(|known| known.row < row);
        rows.get(first).is_some_and(|known| known.row == row)
    }

    /// Drops the hours that end before `time`.
    pub fn forget_before(&mut self, time: Time) {
        self.hours = self.hours.split_off(&hour(time));
    }

    /// Rows noted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hours.values().map(Vec::len).sum()
    }

    /// Whether no row is noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hours.is_empty()
    }

    /// Hours since 1970 with their rows, in order.
    pub(crate) fn hours(&self) -> impl ExactSizeIterator<Item = (i64, &[Fingerprint])> {
        self.hours.iter().map(|(hour, rows)| (*hour, rows.as_slice()))
    }
}

fn hour(time: Time) -> i64 {
    time.seconds.div_euclid(SECONDS_PER_HOUR)
}

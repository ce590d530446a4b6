//! What is stored of a site's lookback window: a fingerprint for each row, dropped hour by hour.
//!
//! It lies in memory as it is written, 12 bytes a row, so that a commit copies each hour once.

use std::collections::BTreeMap;

use crate::time::{InvalidTime, Time};

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

/// Bytes of a packed fingerprint.
const PACKED_BYTES: usize = 12;

/// A fingerprint big-endian, `row` before `version`: its bytes are in the order of fingerprints.
type Packed = [u8; PACKED_BYTES];

impl Fingerprint {
    fn packed(self) -> Packed {
        let mut packed = [0; PACKED_BYTES];
        packed[..8].copy_from_slice(&self.row.to_be_bytes());
        packed[8..].copy_from_slice(&self.version.to_be_bytes());
        packed
    }

    fn unpacked(packed: Packed) -> Self {
        let (mut row, mut version) = ([0; 8], [0; 4]);
        row.copy_from_slice(&packed[..8]);
        version.copy_from_slice(&packed[8..]);
        Self { row: u64::from_be_bytes(row), version: u32::from_be_bytes(version) }
    }
}

/// The rows that are stored, as a multiset: rows that are alike count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// By hours since 1970; each list is sorted, and none is empty.
    hours: BTreeMap<i64, Vec<Packed>>,
}

impl Ledger {
    /// Notes that a row of this time is stored.
    pub fn insert(&mut self, time: Time, fingerprint: Fingerprint) {
        let rows = self.hours.entry(hour(time)).or_default();
        let packed = fingerprint.packed();
        let at = rows.partition_point(|row| *row <= packed);
        rows.insert(at, packed);
    }

    /// How many such rows are stored.
    #[must_use]
    pub fn count(&self, time: Time, fingerprint: Fingerprint) -> usize {
        let Some(rows) = self.hours.get(&hour(time)) else { return 0 };
        let packed = fingerprint.packed();
        let first = rows.partition_point(|row| *row < packed);
        rows[first..].partition_point(|row| *row == packed)
    }

    /// Whether the row is stored in any version.
    #[must_use]
    pub fn has_row(&self, time: Time, row: u64) -> bool {
        let Some(rows) = self.hours.get(&hour(time)) else { return false };
        let first = rows.partition_point(|known| Fingerprint::unpacked(*known).row < row);
        rows.get(first).is_some_and(|known| Fingerprint::unpacked(*known).row == row)
    }

    /// Drops the row in whatever versions it is stored.
    pub fn forget_row(&mut self, time: Time, row: u64) {
        if let Some(rows) = self.hours.get_mut(&hour(time)) {
            rows.retain(|known| Fingerprint::unpacked(*known).row != row);
            if rows.is_empty() {
                self.hours.remove(&hour(time));
            }
        }
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

    /// The rows hour by hour, in order: when the hour begins, and the fingerprints of its rows.
    ///
    /// [`Ledger::insert`] of each fingerprint at the beginning of its hour makes the same ledger.
    #[must_use]
    pub fn hours(&self) -> impl ExactSizeIterator<Item = (Time, impl Iterator<Item = Fingerprint>)> {
        self.hours.iter().map(|(hour, rows)| {
            let begins = Time { seconds: hour * SECONDS_PER_HOUR, nanos: 0 };
            (begins, rows.iter().copied().map(Fingerprint::unpacked))
        })
    }

    /// The rows as they are written: hours since 1970, in order, each with its packed fingerprints.
    pub(crate) fn packed(&self) -> impl Iterator<Item = (i64, &[u8])> {
        self.hours.iter().map(|(hour, rows)| (*hour, rows.as_flattened()))
    }

    /// Adds an hour as it was written, behind those that are there.
    ///
    /// # Errors
    /// Says in a few words why [`Ledger::packed`] never gives such an hour.
    pub(crate) fn append_packed(&mut self, hour: i64, rows: &[u8]) -> Result<(), String> {
        check_hour(hour).map_err(|error| error.to_string())?;
        if self.hours.last_key_value().is_some_and(|(last, _)| *last >= hour) {
            return Err(format!("hour {hour} of a ledger out of order"));
        }
        let (rows, rest) = rows.as_chunks::<PACKED_BYTES>();
        if rows.is_empty() || !rest.is_empty() {
            return Err(format!(
                "{} bytes in hour {hour} of a ledger",
                rows.len() * PACKED_BYTES + rest.len()
            ));
        }
        if !rows.is_sorted() {
            return Err(format!("rows of hour {hour} of a ledger out of order"));
        }
        self.hours.insert(hour, rows.to_vec());
        Ok(())
    }
}

fn check_hour(hour: i64) -> Result<Time, InvalidTime> {
    Time::new(hour.saturating_mul(SECONDS_PER_HOUR), 0)
}

fn hour(time: Time) -> i64 {
    time.seconds.div_euclid(SECONDS_PER_HOUR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::new(seconds, 0).unwrap()
    }

    fn print(row: u64, version: u32) -> Fingerprint {
        Fingerprint { row, version }
    }

    fn ledger(rows: &[(i64, Fingerprint)]) -> Ledger {
        let mut ledger = Ledger::default();
        for (seconds, row) in rows {
            ledger.insert(at(*seconds), *row);
        }
        ledger
    }

    #[test]
    fn rows_that_are_alike_are_counted_and_others_told_apart() {
        let ledger = ledger(&[(10, print(7, 1)), (20, print(7, 1)), (30, print(7, 2)), (40, print(256, 0))]);
        assert_eq!(ledger.count(at(0), print(7, 1)), 2);
        assert_eq!(ledger.count(at(0), print(7, 2)), 1);
        assert_eq!(ledger.count(at(0), print(7, 3)), 0);
        assert_eq!(ledger.count(at(3_600), print(7, 1)), 0, "another hour");
        assert!(ledger.has_row(at(0), 7) && ledger.has_row(at(0), 256));
        assert!(!ledger.has_row(at(0), 8) && !ledger.has_row(at(0), 257) && !ledger.has_row(at(-1), 7));
        assert_eq!((ledger.len(), ledger.is_empty()), (4, false));
    }

    #[test]
    fn hours_that_end_before_a_time_are_forgotten_and_no_other() {
        let mut ledger =
            ledger(&[(-1, print(1, 1)), (0, print(2, 1)), (3_599, print(3, 1)), (3_600, print(4, 1))]);
        ledger.forget_before(at(3_599));
        assert_eq!(ledger.len(), 3);
        ledger.forget_before(at(3_600));
        assert!(ledger.has_row(at(3_600), 4) && ledger.len() == 1);
        ledger.forget_before(at(7_200));
        assert_eq!(ledger, Ledger::default());
    }

    #[test]
    fn a_ledger_is_made_again_from_its_hours() {
        let original =
            ledger(&[(-1, print(u64::MAX, 0)), (5, print(1, u32::MAX)), (6, print(1, 3)), (7, print(1, 3))]);
        let mut again = Ledger::default();
        for (begins, rows) in original.hours() {
            rows.for_each(|row| again.insert(begins, row));
        }
        assert_eq!(again, original);
    }

    #[test]
    fn a_packed_hour_that_was_never_written_is_refused() {
        let (one, two) = (print(1, 0).packed(), print(2, 0).packed());
        let mut ledger = Ledger::default();
        ledger.append_packed(5, &[one, one, two].concat()).unwrap();
        let refusals = [
            ledger.append_packed(5, &one),
            ledger.append_packed(4, &one),
            ledger.append_packed(6, &[]),
            ledger.append_packed(6, &one[..11]),
            ledger.append_packed(6, &[&one[..], &two[..1]].concat()),
            ledger.append_packed(6, &[two, one].concat()),
            ledger.append_packed(i64::MAX, &one),
        ];
        for (n, refusal) in refusals.iter().enumerate() {
            assert!(refusal.is_err(), "case {n} was taken");
        }
        assert_eq!(ledger.len(), 3);
    }
}

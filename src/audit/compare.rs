//! Compares source and sink, day by day. Pure.

use std::collections::BTreeSet;

use super::count::SiteCount;
use super::tally::SiteTally;
use crate::sink::Day;

/// One day of one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayCompared {
    /// The day, UTC.
    pub day: Day,
    /// Rows in the source, as far as the site's chains have passed them.
    pub source_rows: u64,
    /// Of these, rows that were never due or are still on their way: they may be in the sink or not.
    pub open_rows: u64,
    /// Rows in the sink.
    pub sink_rows: u64,
    /// In how many rows they differ.
    pub difference: Difference,
    /// What follows.
    pub verdict: Verdict,
    /// Whether rows were compared, and not only counted.
    pub is_exact: bool,
}

/// In how many rows source and sink differ on a day, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Difference {
    /// In the source, and not in the sink.
    pub missing: u64,
    /// In the sink in another version than in the source.
    pub changed: u64,
    /// More often in the sink than in the source.
    pub doubled: u64,
    /// In the sink in older versions beside the source's.
    pub versions: u64,
    /// In the sink, and not in the source any more.
    pub gone: u64,
    /// In the sink beyond what the source has; of which kind was not looked at.
    pub surplus: u64,
}

/// What the comparison of a day says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All that must be in the sink is there, and nothing that should not.
    Same,
    /// Rows of the source are not in the sink.
    Missing,
    /// Rows of the source are in the sink as they were before they were changed.
    Changed,
    /// The sink has more rows than the source, and not because of older versions or of rows that are gone
    /// from the source, as far as that is known.
    Surplus,
    /// The sink has rows that are gone from the source.
    Gone,
    /// Only rows that were never due, or are still on their way, are not in the sink.
    Open,
}

impl Verdict {
    /// Whether somebody should look at it.
    #[must_use]
    pub fn is_difference(self) -> bool {
        matches!(self, Self::Missing | Self::Changed | Self::Surplus)
    }

    /// Whether a fill that sends what the sink does not hold would send anything.
    #[must_use]
    pub fn is_reparable(self) -> bool {
        matches!(self, Self::Missing | Self::Changed)
    }
}

impl DayCompared {
    /// The same, once its rows were compared.
    #[must_use]
    pub fn with(self, difference: Difference) -> Self {
        let Difference { missing, changed, doubled, gone, .. } = difference;
        let verdict = match [missing, doubled, changed, gone].map(|rows| rows > 0) {
            [true, ..] => Verdict::Missing,
            [_, true, ..] => Verdict::Surplus,
            [_, _, true, _] => Verdict::Changed,
            [.., true] => Verdict::Gone,
            _ if self.sink_rows < self.source_rows => Verdict::Open,
            _ => Verdict::Same,
        };
        Self { difference, verdict, is_exact: true, ..self }
    }
}

/// Every day on which source or sink have rows, in order; days with rows in both count once.
#[must_use]
pub fn compare(source: &SiteCount, sink: &SiteTally) -> Vec<DayCompared> {
    let in_source: BTreeSet<Day> = source.due.keys().chain(source.open.keys()).copied().collect();
    let oldest = in_source.first().copied();
    let all: BTreeSet<Day> = in_source.iter().chain(sink.days.keys()).copied().collect();
    let compared = all.into_iter().map(|day| {
        let due = source.due.get(&day).copied().unwrap_or_default();
        let open = source.open.get(&day).copied().unwrap_or_default();
        let stored = sink.days.get(&day).copied().unwrap_or_default();
        let (missing, left_over) = (due.saturating_sub(stored), stored.saturating_sub(due + open));
        // The oldest day may have lost its morning.
        let is_gone = oldest.is_none_or(|oldest| day <= oldest);
        let (gone, surplus) = if is_gone { (left_over, 0) } else { (0, left_over) };
        let verdict = match [missing, surplus, gone].map(|rows| rows > 0) {
            [true, ..] => Verdict::Missing,
            [_, true, _] => Verdict::Surplus,
            [.., true] => Verdict::Gone,
            _ if stored < due + open => Verdict::Open,
            _ => Verdict::Same,
        };
        DayCompared {
            day,
            source_rows: due + open,
            open_rows: open,
            sink_rows: stored,
            difference: Difference { missing, gone, surplus, ..Difference::default() },
            verdict,
            is_exact: false,
        }
    });
    compared.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn day(number: u32) -> Day {
        Day::parse(&format!("2025-01-{number:02}")).unwrap()
    }

    fn days(counts: &[(u32, u64)]) -> BTreeMap<Day, u64> {
        counts.iter().map(|(number, rows)| (day(*number), *rows)).collect()
    }

    fn verdicts(due: &[(u32, u64)], open: &[(u32, u64)], stored: &[(u32, u64)]) -> Vec<Verdict> {
        let source = SiteCount { due: days(due), open: days(open) };
        let sink = SiteTally { days: days(stored), ..SiteTally::default() };
        compare(&source, &sink).into_iter().map(|compared| compared.verdict).collect()
    }

    #[test]
    fn a_day_is_missing_rows_only_if_they_had_to_be_there() {
        let found =
            verdicts(&[(1, 5), (2, 5), (3, 5), (4, 5)], &[(3, 2), (4, 2)], &[(1, 5), (2, 4), (3, 5), (4, 4)]);
        assert_eq!(found, [Verdict::Same, Verdict::Missing, Verdict::Open, Verdict::Missing]);
    }

    #[test]
    fn what_only_the_sink_has_is_a_surplus_unless_the_source_begins_later() {
        let found = verdicts(&[(3, 5), (5, 5)], &[], &[(1, 5), (3, 6), (4, 1), (5, 6), (6, 1)]);
        assert_eq!(
            found,
            [Verdict::Gone, Verdict::Gone, Verdict::Surplus, Verdict::Surplus, Verdict::Surplus]
        );
        assert_eq!(verdicts(&[], &[], &[(1, 5)]), [Verdict::Gone]);
    }
}

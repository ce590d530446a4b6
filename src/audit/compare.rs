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
    /// What follows.
    pub verdict: Verdict,
}

/// What the comparison of a day says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All that must be in the sink is there, and no more than the source has.
    Same,
    /// Rows of the source are not in the sink.
    Missing,
    /// The sink has more rows than the source: rows that were changed or deleted there since, or that
    /// were sent twice.
    Surplus,
    /// The source holds nothing before this day, or no more than a part of it: older rows are gone there.
    Gone,
    /// Only rows that were never due, or are still on their way, are not in the sink.
    Open,
}

impl Verdict {
    /// Whether somebody should look at it.
    #[must_use]
    pub fn is_difference(self) -> bool {
        matches!(self, Self::Missing | Self::Surplus)
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
        let verdict = if stored < due {
            Verdict::Missing
        } else if stored > due + open {
            // The oldest day may have lost its morning.
            if oldest.is_none_or(|oldest| day <= oldest) { Verdict::Gone } else { Verdict::Surplus }
        } else if stored < due + open {
            Verdict::Open
        } else {
            Verdict::Same
        };
        DayCompared { day, source_rows: due + open, open_rows: open, sink_rows: stored, verdict }
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
        let sink = SiteTally { days: days(stored), first_live: None };
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

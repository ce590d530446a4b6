//! Compares source and sink row by row, on the days on which counts do not say enough: where they
//! differ, and where the sink may hold a row in more than one version. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use livecosmos_state::{Fingerprint, SiteId, Time};

use super::compare::Difference;
use super::count::SitePlan;
use crate::fingerprint;
use crate::rows::Rows;
use crate::sink::Day;

/// The rows of some days, as fingerprints, in source and sink.
#[derive(Debug, Default)]
pub struct RowByRow {
    sites: BTreeMap<SiteId, BTreeMap<Day, Seen>>,
    tie_column: Option<String>,
}

type Seen = HashMap<Fingerprint, Times>;

/// How often a row was seen.
#[derive(Debug, Clone, Copy, Default)]
struct Times {
    /// In the source, and it must be in the sink.
    due: u64,
    /// In the source, and it may be in the sink or not.
    open: u64,
    in_sink: u64,
}

/// What is lacking and left over of the rows that have one name.
#[derive(Debug, Clone, Copy, Default)]
struct Named {
    lacking: u64,
    doubled: u64,
    others: u64,
    is_in_source: bool,
}

impl RowByRow {
    /// Prepares to look at `days`, in rows with this tie column.
    #[must_use]
    pub fn new(days: &BTreeMap<SiteId, BTreeSet<Day>>, tie_column: Option<String>) -> Self {
        let empty = |days: &BTreeSet<Day>| days.iter().map(|day| (*day, Seen::default())).collect();
        let sites = days.iter().map(|(site, days)| (site.clone(), empty(days)));
        Self { sites: sites.collect(), tie_column }
    }

    /// The first and the last day of a site that are looked at.
    #[must_use]
    pub fn span(&self, site: &SiteId) -> Option<(Day, Day)> {
        let days = self.sites.get(site)?;
        Some((*days.first_key_value()?.0, *days.last_key_value()?.0))
    }

    /// Takes rows of the source.
    pub fn in_source(&mut self, site: &SiteId, rows: &Rows, plan: &SitePlan) {
        let Some(days) = self.sites.get_mut(site) else { return };
        let prints = fingerprint::of_rows(rows, self.tie_column.as_deref());
        for (row, print) in rows.times().iter().zip(prints) {
            let Some(seen) = days.get_mut(&Day::of(row.time)) else { continue };
            let times = seen.entry(print).or_default();
            if plan.is_due(row.time) { times.due += 1 } else { times.open += 1 }
        }
    }

    /// Takes a row of the sink.
    pub fn in_sink(&mut self, site: &SiteId, time: Time, print: Fingerprint) {
        let seen = self.sites.get_mut(site).and_then(|days| days.get_mut(&Day::of(time)));
        if let Some(seen) = seen {
            seen.entry(print).or_default().in_sink += 1;
        }
    }

    /// What differs, by site and day.
    #[must_use]
    pub fn conclude(self) -> BTreeMap<(SiteId, Day), Difference> {
        let days = self.sites.into_iter().flat_map(|(site, days)| {
            days.into_iter().map(move |(day, seen)| ((site.clone(), day), difference(&seen)))
        });
        days.collect()
    }
}

fn difference(seen: &Seen) -> Difference {
    let mut by_name: HashMap<u64, Named> = HashMap::new();
    for (print, times) in seen {
        let named = by_name.entry(print.row).or_default();
        let in_source = times.due + times.open;
        let left_over = times.in_sink.saturating_sub(in_source);
        named.lacking += times.due.saturating_sub(times.in_sink);
        named.is_in_source |= in_source > 0;
        if in_source > 0 { named.doubled += left_over } else { named.others += left_over }
    }
    let mut difference = Difference::default();
    for Named { lacking, doubled, others, is_in_source } in by_name.into_values() {
        // A version that is only in the source and one that is only in the sink: the row was changed.
        let changed = lacking.min(others);
        difference.changed += changed;
        difference.missing += lacking - changed;
        difference.doubled += doubled;
        let rest = others - changed;
        if is_in_source { difference.versions += rest } else { difference.gone += rest }
    }
    difference
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row by its name and its version.
    fn print(row: u64, version: u32) -> Fingerprint {
        Fingerprint { row, version }
    }

    fn found(source: &[Fingerprint], sink: &[Fingerprint]) -> Difference {
        let mut seen = Seen::default();
        for print in source {
            seen.entry(*print).or_default().due += 1;
        }
        for print in sink {
            seen.entry(*print).or_default().in_sink += 1;
        }
        difference(&seen)
    }

    #[test]
    fn a_missing_row_is_seen_beside_another_in_two_versions() {
        let source = [print(1, 1), print(2, 2)];
        let sink = [print(2, 1), print(2, 2)];
        let expected = Difference { missing: 1, versions: 1, ..Difference::default() };
        assert_eq!(found(&source, &sink), expected);
    }

    #[test]
    fn a_changed_row_is_not_a_missing_one() {
        let expected = Difference { changed: 1, ..Difference::default() };
        assert_eq!(found(&[print(1, 2)], &[print(1, 1)]), expected);
        let more = Difference { changed: 1, missing: 1, ..Difference::default() };
        assert_eq!(
            found(&[print(1, 2), print(1, 3)], &[print(1, 1)]),
            more,
            "of rows with one name, each counts"
        );
    }

    #[test]
    fn rows_that_are_alike_count() {
        let alike = [print(1, 1), print(1, 1)];
        assert_eq!(found(&alike, &alike), Difference::default());
        assert_eq!(found(&alike, &alike[..1]), Difference { missing: 1, ..Difference::default() });
        assert_eq!(found(&alike[..1], &alike), Difference { doubled: 1, ..Difference::default() });
        assert_eq!(found(&[], &alike), Difference { gone: 2, ..Difference::default() });
    }

    #[test]
    fn an_open_row_may_be_in_the_sink_or_not() {
        let open = Times { open: 1, ..Times::default() };
        assert_eq!(difference(&[(print(1, 1), open)].into()), Difference::default());
        let stored = Times { in_sink: 1, ..open };
        assert_eq!(difference(&[(print(1, 1), stored)].into()), Difference::default());
    }
}

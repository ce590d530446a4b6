//! Compares rows where counting them does not say enough.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use livecosmos_state::{ChainName, SiteId, State, Window};

use super::{Compared, Work, is_known};
use crate::audit::{RowByRow, SitePlan, SiteTally, Subject};
use crate::cli::inspect;
use crate::cli::print::Failure;
use crate::sink::Day;

/// Rows of source and sink together that are held in memory, as fingerprints, to be compared: up to some
/// 200 MB.
const ROWS_MAX: u64 = 4_000_000;

/// The days on which rows are to be compared: where counts differ, and where a row that is missing may
/// hide behind another that is stored in two versions. Those first, then the newest first.
pub(super) fn days(
    compared: &mut Compared,
    tally: &BTreeMap<SiteId, SiteTally>,
) -> BTreeMap<SiteId, BTreeSet<Day>> {
    let mut wanted = Vec::new();
    for (id, site) in &compared.sites {
        let mixed = tally.get(id).map(|tally| &tally.mixed);
        for day in &site.days {
            let differs = day.verdict.is_difference();
            if differs || mixed.is_some_and(|mixed| mixed.contains(&day.day)) {
                wanted.push((Reverse(differs), Reverse(day.day), id, day.source_rows + day.sink_rows));
            }
        }
    }
    wanted.sort_unstable();
    let mut rows_left = ROWS_MAX;
    let mut days: BTreeMap<SiteId, BTreeSet<Day>> = BTreeMap::new();
    let mut only_counted = 0;
    for (_, Reverse(day), id, rows) in wanted {
        match rows_left.checked_sub(rows) {
            Some(left) => {
                rows_left = left;
                days.entry(id.clone()).or_default().insert(day);
            }
            None => only_counted += 1,
        }
    }
    compared.only_counted = only_counted;
    days
}

impl Work<'_> {
    /// Compares the rows of `days`, and corrects what was concluded from counts.
    pub(super) async fn compare_rows(
        &self,
        subject: &Subject,
        state: &State,
        plans: &BTreeMap<SiteId, SitePlan>,
        days: &BTreeMap<SiteId, BTreeSet<Day>>,
        compared: &mut Compared,
    ) -> Result<(), Failure> {
        let tie = self.table.shape.tie_column.clone();
        let mut rows = RowByRow::new(days, tie.clone());
        let plans = plans.iter().filter_map(|(id, plan)| {
            let (first, last) = rows.span(id)?;
            let window = Window { first: first.start(), end: last.next().start() };
            Some((id.clone(), SitePlan { window, ..plan.clone() }))
        });
        let plans: BTreeMap<SiteId, SitePlan> = plans.collect();
        tokio::task::block_in_place(|| {
            self.read_source(state, &plans, &mut |site, plan, read| rows.in_source(site, read, plan))
        })?;
        let is_wanted = |site: &SiteId, chain: &ChainName, seq: u64| is_known(state, site, chain, seq);
        let looked = subject
            .look_at_rows(is_wanted, days, tie.as_deref(), |site, time, print| {
                rows.in_sink(site, time, print);
            })
            .await;
        looked.map_err(|error| inspect::failure(&error))?;
        let differences = rows.conclude();
        for (id, site) in &mut compared.sites {
            for day in &mut site.days {
                if let Some(difference) = differences.get(&(id.clone(), day.day)) {
                    *day = day.with(*difference);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{DayCompared, Difference, Verdict};
    use crate::cli::reconcile::SiteCompared;

    fn day(number: i64) -> Day {
        Day::parse(&format!("2025-01-{number:02}")).unwrap()
    }

    fn compared(day: Day, source_rows: u64, verdict: Verdict) -> DayCompared {
        let difference = Difference::default();
        DayCompared { day, source_rows, open_rows: 0, sink_rows: 0, difference, verdict, is_exact: false }
    }

    #[test]
    fn days_that_differ_come_before_those_that_may_and_memory_is_bounded() {
        let site = SiteId::parse("A").unwrap();
        let days_of_site = vec![
            compared(day(1), ROWS_MAX - 2, Verdict::Missing),
            compared(day(2), 1, Verdict::Same),
            compared(day(3), 2, Verdict::Same),
            compared(day(4), 1, Verdict::Same),
            compared(day(5), 1, Verdict::Open),
        ];
        let mixed = [day(2), day(3), day(4)].into();
        let tally = BTreeMap::from([(site.clone(), SiteTally { mixed, ..SiteTally::default() })]);
        let of_site = SiteCompared { last_data: None, cut_before: None, days: days_of_site };
        let mut compared = Compared {
            sites: BTreeMap::from([(site.clone(), of_site)]),
            rejected_rows: 0,
            notices: Vec::new(),
            unknown: Vec::new(),
            only_counted: 0,
        };
        let found = days(&mut compared, &tally);
        assert_eq!(found, BTreeMap::from([(site, BTreeSet::from([day(1), day(2), day(4)]))]));
        assert_eq!(compared.only_counted, 1);
    }
}

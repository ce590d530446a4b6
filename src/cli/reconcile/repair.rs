//! Sends the rows that are missing in the sink: a fill for each part of the source and each stretch of days.

use std::path::PathBuf;

use livecosmos_state::{Chain, Fill, FillKind, Site, SiteId, State, Time, Window};
use tokio::runtime::Handle;

use super::show::{self, Repaired};
use super::{Compared, SiteCompared, Work};
use crate::audit::Verdict;
use crate::cli::args::{CommonArgs, Output};
use crate::cli::print::{self, Failure};
use crate::cli::{backfill, confirm};
use crate::clock::{Clock as _, SystemClock};
use crate::daemon::{self, NewFill};
use crate::exit::Exit;
use crate::sink::Day;

/// Stretches of days that a site is repaired in; with more, all between the first and the last is
/// looked at, which sends no more rows and reads more of them.
const STRETCHES_MAX: usize = 16;

/// Compares under the table's lock, asks, and sends.
pub(super) fn run(work: &Work<'_>, state_dir: PathBuf, common: &CommonArgs) -> Result<Exit, Failure> {
    let options = daemon::Options { once: true, only: None, fallback: None, state_dir };
    let mut found = None;
    let mut begun = 0;
    let outcome = daemon::fill(work.table.clone(), &options, |state| {
        let compared = Handle::current().block_on(work.compare(state)).map_err(Failure::into_parts)?;
        let fills = fills(state, &compared, SystemClock.now());
        let compared = found.insert(compared);
        let agreed = agree(work, compared, &fills, common).map_err(Failure::into_parts)?;
        let fills = if agreed { fills } else { Vec::new() };
        begun = fills.len();
        Ok(fills)
    });
    let outcome = outcome.map_err(|(exit, message)| Failure::new(exit, message))?;
    let Some(compared) = found else { return Ok(Exit::Unexpected) };
    if let Some(error) = &outcome.error {
        return Err(Failure::new(Exit::from(error), error));
    }
    for (site, error) in &outcome.failures {
        print::warn(format_args!("site {site}: {error}"));
    }
    let repaired = Repaired { fills: begun, objects: outcome.objects, rows: outcome.rows };
    if common.output == Output::Json {
        show::whole(work, &compared, Some(repaired), common.output)?;
    } else if begun > 0 {
        print::note(format_args!(
            "{} rows were missing and are stored now, in {} objects",
            repaired.rows, repaired.objects
        ));
    }
    let is_whole = outcome.failures.is_empty() && (begun > 0 || !has(&compared, Verdict::is_reparable));
    let is_surplus = |verdict| verdict == Verdict::Surplus;
    Ok(if is_whole && !has(&compared, is_surplus) && compared.unknown.is_empty() {
        Exit::Done
    } else {
        Exit::SitesFailed
    })
}

fn has(compared: &Compared, is_it: impl Fn(Verdict) -> bool) -> bool {
    compared.sites.values().flat_map(|site| &site.days).any(|day| is_it(day.verdict))
}

fn agree(
    work: &Work<'_>,
    compared: &Compared,
    fills: &[NewFill],
    common: &CommonArgs,
) -> Result<bool, Failure> {
    if common.output == Output::Table {
        show::days(work, compared)?;
    }
    if fills.is_empty() {
        return Ok(false);
    }
    confirm::ask("Send the rows of these days that the sink does not hold?", work.args.yes)
}

/// The fills that send what is missing.
fn fills(state: &State, compared: &Compared, now: Time) -> Vec<NewFill> {
    let known = compared.sites.iter().filter_map(|(id, of)| Some((id, state.sites.get(id)?, of)));
    known.flat_map(|(id, site, of)| fills_of(state, id, site, of, now)).collect()
}

fn fills_of(state: &State, id: &SiteId, site: &Site, of: &SiteCompared, now: Time) -> Vec<NewFill> {
    let windows = stretches(of)
        .into_iter()
        .map(|(first, last)| Window { first: first.start(), end: last.next().start() });
    let parts = windows.flat_map(|window| {
        backfill::parts(state, site, window).into_iter().map(move |(after, until)| (window, after, until))
    });
    let fill = |(number, (window, after, until)): (usize, (Window, _, _))| {
        let chain = Chain { cursor: livecosmos_state::Cursor::clone(&after), ..Chain::new() };
        let fill = Fill { kind: FillKind::Repair, since: now, after, until, window, chain };
        NewFill { site: id.clone(), chain: backfill::name("repair", now, number), fill }
    };
    parts.enumerate().map(fill).collect()
}

/// Days with rows to send that follow each other: the first and the last of each stretch.
fn stretches(of: &SiteCompared) -> Vec<(Day, Day)> {
    let mut stretches: Vec<(Day, Day)> = Vec::new();
    for day in of.days.iter().filter(|day| day.verdict.is_reparable()).map(|day| day.day) {
        match stretches.last_mut() {
            Some((_, last)) if last.next() == day => *last = day,
            _ => stretches.push((day, day)),
        }
    }
    match (stretches.first(), stretches.last()) {
        (Some((first, _)), Some((_, last))) if stretches.len() > STRETCHES_MAX => vec![(*first, *last)],
        _ => stretches,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{DayCompared, Difference};

    fn site(missing: &[i64]) -> SiteCompared {
        let day = |number: &i64| {
            let day = Day::of(Time::new(number * 86_400, 0).unwrap());
            DayCompared {
                day,
                source_rows: 2,
                open_rows: 0,
                sink_rows: 1,
                difference: Difference { missing: 1, ..Difference::default() },
                verdict: Verdict::Missing,
                is_exact: true,
            }
        };
        SiteCompared { last_data: None, cut_before: None, days: missing.iter().map(day).collect() }
    }

    fn shown(missing: &[i64]) -> Vec<String> {
        stretches(&site(missing)).iter().map(|(first, last)| format!("{first}..{last}")).collect()
    }

    #[test]
    fn days_that_follow_each_other_are_repaired_together() {
        assert_eq!(shown(&[]), [""; 0]);
        assert_eq!(shown(&[0, 1, 2, 4]), ["1970-01-01..1970-01-03", "1970-01-05..1970-01-05"]);
    }

    #[test]
    fn many_scattered_days_are_one_stretch() {
        let scattered: Vec<i64> = (0..20).map(|number| number * 2).collect();
        assert_eq!(shown(&scattered), ["1970-01-01..1970-02-08"]);
    }
}

//! What `reconcile` prints.

use serde::Serialize;

use super::{Compared, SiteCompared, Work};
use crate::audit::{DayCompared, Difference, Verdict};
use crate::cli::args::Output;
use crate::cli::print::{self, Failure};
use crate::exit::Exit;

/// Version of the JSON below.
const SCHEMA: u32 = 1;
/// Sites that are named in a note.
const NAMED_MAX: usize = 5;

#[derive(Serialize)]
struct Reconciled<'a> {
    schema: u32,
    table: &'a str,
    sites: Vec<ReconciledSite<'a>>,
    missing_rows: u64,
    changed_rows: u64,
    doubled_rows: u64,
    surplus_rows: u64,
    rejected_rows: u64,
    /// Days on which rows were counted where they should have been compared: too many at once.
    only_counted_days: usize,
    unknown_objects: Vec<UnknownObject<'a>>,
    repaired: Option<Repaired>,
}

#[derive(Serialize)]
struct ReconciledSite<'a> {
    site_id: &'a str,
    last_data: Option<String>,
    /// Rows before it are not compared: the objects that may have held them are not in the sink any more.
    not_compared_before: Option<String>,
    days: Vec<ReconciledDay>,
}

#[derive(Serialize)]
struct ReconciledDay {
    day: String,
    source_rows: u64,
    /// Of these, rows that may be in the sink or not.
    open_rows: u64,
    sink_rows: u64,
    missing_rows: u64,
    changed_rows: u64,
    doubled_rows: u64,
    version_rows: u64,
    gone_rows: u64,
    surplus_rows: u64,
    /// Whether rows were compared, and not only counted.
    exact: bool,
    verdict: &'static str,
}

#[derive(Serialize)]
struct UnknownObject<'a> {
    key: &'a str,
    why: &'a str,
}

/// What a repair sent.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Repaired {
    pub(super) fills: usize,
    pub(super) objects: u64,
    pub(super) rows: u64,
}

/// Prints all there is to say.
pub(super) fn whole(
    work: &Work<'_>,
    compared: &Compared,
    repaired: Option<Repaired>,
    output: Output,
) -> Result<Exit, Failure> {
    if output == Output::Table {
        return days(work, compared);
    }
    remark(compared);
    let sites = compared.sites.iter().map(|(id, site)| ReconciledSite {
        site_id: id.as_str(),
        last_data: site.last_data.map(|time| time.to_string()),
        not_compared_before: site.cut_before.map(|time| time.to_string()),
        days: shown(work, site).map(spell_day).collect(),
    });
    print::json(&Reconciled {
        schema: SCHEMA,
        table: work.table.table.as_str(),
        sites: sites.collect(),
        missing_rows: sum(compared, |rows| rows.missing),
        changed_rows: sum(compared, |rows| rows.changed),
        doubled_rows: sum(compared, |rows| rows.doubled),
        surplus_rows: sum(compared, |rows| rows.surplus),
        rejected_rows: compared.rejected_rows,
        only_counted_days: compared.only_counted,
        unknown_objects: compared.unknown.iter().map(|(key, why)| UnknownObject { key, why }).collect(),
        repaired,
    })
}

/// Prints the days that differ, for people.
pub(super) fn days(work: &Work<'_>, compared: &Compared) -> Result<Exit, Failure> {
    remark(compared);
    let rows: Vec<[String; 5]> = compared
        .sites
        .iter()
        .flat_map(|(id, site)| {
            shown(work, site).map(|day| {
                let counts = [day.source_rows, day.sink_rows].map(|rows| rows.to_string());
                let [source, sink] = counts;
                [id.to_string(), day.day.to_string(), source, sink, words(day)]
            })
        })
        .collect();
    if rows.is_empty() && !compared.sites.is_empty() && compared.unknown.is_empty() {
        print::note("source and sink do not differ");
    }
    print::table(["SITE", "DAY", "SOURCE", "SINK", "FINDING"], rows)
}

fn shown<'a>(work: &'a Work<'_>, site: &'a SiteCompared) -> impl Iterator<Item = &'a DayCompared> {
    site.days.iter().filter(|day| work.args.all || day.verdict.is_difference())
}

fn sum(compared: &Compared, rows: impl Fn(&Difference) -> u64) -> u64 {
    compared.sites.values().flat_map(|site| &site.days).map(|day| rows(&day.difference)).sum()
}

fn words(day: &DayCompared) -> String {
    let Difference { missing, changed, doubled, versions, gone, surplus } = day.difference;
    let kinds = [
        (missing, "missing"),
        (changed, "changed in the source"),
        (doubled, "doubled"),
        (surplus, "more than the source has"),
        (versions, "in older versions too"),
        (gone, "gone from the source"),
    ];
    let found = kinds.iter().filter(|(rows, _)| *rows > 0).map(|(rows, kind)| format!("{rows} {kind}"));
    let found = found.collect::<Vec<_>>().join(", ");
    match day.verdict {
        _ if !found.is_empty() => found,
        Verdict::Open => format!("{} not due, expired, or on their way", day.source_rows - day.sink_rows),
        _ => "same".to_owned(),
    }
}

fn spell_day(day: &DayCompared) -> ReconciledDay {
    let verdict = match day.verdict {
        Verdict::Same => "same",
        Verdict::Missing => "missing",
        Verdict::Changed => "changed",
        Verdict::Surplus => "surplus",
        Verdict::Gone => "gone",
        Verdict::Open => "open",
    };
    ReconciledDay {
        day: day.day.to_string(),
        source_rows: day.source_rows,
        open_rows: day.open_rows,
        sink_rows: day.sink_rows,
        missing_rows: day.difference.missing,
        changed_rows: day.difference.changed,
        doubled_rows: day.difference.doubled,
        version_rows: day.difference.versions,
        gone_rows: day.difference.gone,
        surplus_rows: day.difference.surplus,
        exact: day.is_exact,
        verdict,
    }
}

/// Says that the first objects of some chains are gone: whether they expired or were removed by mistake is for
/// people to know.
fn remark_cut(compared: &Compared) {
    let cut =
        compared.sites.iter().filter_map(|(id, site)| Some(format!("{id} before {}", site.cut_before?)));
    let cut: Vec<String> = cut.collect();
    if cut.is_empty() {
        return;
    }
    let named = cut.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = cut.len().saturating_sub(NAMED_MAX);
    let others = if more == 0 { String::new() } else { format!(" and {more} more") };
    print::note(format_args!(
        "the first objects of these live chains are not in the sink any more, and rows from before are not compared: \
         {named}{others}; unless they expired there, 'livecosmos backfill' with --site and --to sends them again"
    ));
}

/// Says what is no count and yet worth knowing.
fn remark(compared: &Compared) {
    remark_cut(compared);
    compared.notices.iter().for_each(print::note);
    for (key, why) in &compared.unknown {
        let message = format!("{why}; {key} is not counted, see 'livecosmos verify'");
        Failure::new(Exit::SitesFailed, message).show();
    }
    if compared.rejected_rows > 0 {
        print::note(format_args!(
            "{} rows cannot be sent and are not counted; see 'livecosmos quarantine list'",
            compared.rejected_rows
        ));
    }
    if compared.only_counted > 0 {
        print::note(format_args!(
            "on {} days rows were counted and not compared, which would take too much memory; take a part with --site, --from and --to",
            compared.only_counted
        ));
    }
    if compared.sites.is_empty() {
        print::note("nothing is remembered of any site; run the table once, or name the right --state-dir");
    }
}

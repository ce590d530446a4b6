//! What `reconcile` prints.

use serde::Serialize;

use super::{Compared, SiteCompared, Work};
use crate::audit::{DayCompared, Verdict};
use crate::cli::args::Output;
use crate::cli::print::{self, Failure};
use crate::exit::Exit;

/// Version of the JSON below.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Reconciled<'a> {
    schema: u32,
    table: &'a str,
    sites: Vec<ReconciledSite<'a>>,
    missing_rows: u64,
    surplus_rows: u64,
    rejected_rows: u64,
    unknown_objects: Vec<UnknownObject<'a>>,
    repaired: Option<Repaired>,
}

#[derive(Serialize)]
struct ReconciledSite<'a> {
    site_id: &'a str,
    last_data: Option<String>,
    days: Vec<ReconciledDay>,
}

#[derive(Serialize)]
struct ReconciledDay {
    day: String,
    source_rows: u64,
    /// Of these, rows that may be in the sink or not.
    open_rows: u64,
    sink_rows: u64,
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
        days: shown(work, site).map(spell_day).collect(),
    });
    print::json(&Reconciled {
        schema: SCHEMA,
        table: work.table.table.as_str(),
        sites: sites.collect(),
        missing_rows: rows_of(compared, Verdict::Missing),
        surplus_rows: rows_of(compared, Verdict::Surplus),
        rejected_rows: compared.rejected_rows,
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
    if rows.is_empty() && !compared.sites.is_empty() {
        print::note("source and sink do not differ");
    }
    print::table(["SITE", "DAY", "SOURCE", "SINK", "FINDING"], rows)
}

fn shown<'a>(work: &'a Work<'_>, site: &'a SiteCompared) -> impl Iterator<Item = &'a DayCompared> {
    site.days.iter().filter(|day| work.args.all || day.verdict.is_difference())
}

/// How many rows a day lacks or has too many.
fn difference(day: &DayCompared) -> u64 {
    match day.verdict {
        Verdict::Missing => day.source_rows - day.open_rows - day.sink_rows,
        Verdict::Surplus | Verdict::Gone => day.sink_rows - day.source_rows,
        Verdict::Same => 0,
        Verdict::Open => day.source_rows - day.sink_rows,
    }
}

fn rows_of(compared: &Compared, verdict: Verdict) -> u64 {
    let days = compared.sites.values().flat_map(|site| &site.days);
    days.filter(|day| day.verdict == verdict).map(difference).sum()
}

fn words(day: &DayCompared) -> String {
    let rows = difference(day);
    match day.verdict {
        Verdict::Same => "same".to_owned(),
        Verdict::Missing => format!("{rows} missing"),
        Verdict::Surplus => format!("{rows} more than the source has now"),
        Verdict::Gone => format!("{rows} gone from the source"),
        Verdict::Open => format!("{rows} not due, or on their way"),
    }
}

fn spell_day(day: &DayCompared) -> ReconciledDay {
    let verdict = match day.verdict {
        Verdict::Same => "same",
        Verdict::Missing => "missing",
        Verdict::Surplus => "surplus",
        Verdict::Gone => "gone",
        Verdict::Open => "open",
    };
    ReconciledDay {
        day: day.day.to_string(),
        source_rows: day.source_rows,
        open_rows: day.open_rows,
        sink_rows: day.sink_rows,
        verdict,
    }
}

/// Says what is no count and yet worth knowing.
fn remark(compared: &Compared) {
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
    if compared.sites.is_empty() {
        print::note("nothing is remembered of any site; run the table once, or name the right --state-dir");
    }
}

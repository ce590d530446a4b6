//! `livecosmos verify`: reads every object again. It takes no lock and changes nothing.

use livecosmos_state::State;
use serde::Serialize;

use super::args::{CommonArgs, InspectArgs, Output};
use super::print::{self, Failure};
use super::{inspect, state_dir};
use crate::audit::{ChainSummary, Finding, HoleSummary, Report, Subject, Trouble};
use crate::daemon;
use crate::exit::Exit;
use crate::logging;

/// Version of the JSON below.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Verified {
    schema: u32,
    tables: Vec<VerifiedTable>,
}

#[derive(Serialize)]
struct VerifiedTable {
    table: String,
    sink: String,
    objects: u64,
    rows: u64,
    bytes: u64,
    chains: Vec<VerifiedChain>,
    holes: Vec<VerifiedHole>,
    findings: Vec<VerifiedFinding>,
    /// More than there are in the list, where that is cut.
    findings_total: u64,
    /// Gaps of whose span a repair or backfill holds rows.
    mended: Vec<VerifiedFinding>,
}

#[derive(Serialize)]
struct VerifiedChain {
    site_id: String,
    chain: String,
    first_seq: u64,
    last_seq: u64,
    objects: u64,
    rows: u64,
    bytes: u64,
    first_data: Option<String>,
    last_data: Option<String>,
    resend: bool,
}

#[derive(Serialize)]
struct VerifiedHole {
    site_id: String,
    chain: String,
    after: String,
    until: String,
    filled_to: Option<String>,
    /// Objects reach its end.
    filled: bool,
    /// Nothing of it is left to send, as far as objects or the state tell.
    done: bool,
}

#[derive(Serialize)]
struct VerifiedFinding {
    kind: &'static str,
    site_id: String,
    chain: Option<String>,
    key: String,
    what: String,
}

/// Verifies the tables one after the other.
pub(super) fn run(args: &InspectArgs, common: &CommonArgs) -> Result<Exit, Failure> {
    logging::start(common.level());
    let (config, tables) = inspect::selected(args)?;
    let runtime = inspect::runtime()?;
    let mut verified = Vec::new();
    for table in &tables {
        let of_table = runtime.block_on(async {
            let subject = inspect::subject(&config, table, &args.sites).await?;
            let report = verify(&subject).await?;
            // Where a state is at hand it knows which fills are done; verifying goes without one.
            let dir = state_dir::resolve(common.state_dir.as_deref()).ok();
            let state = dir.and_then(|dir| daemon::look_at_state(&dir, table).ok());
            Ok::<_, Failure>(spell(&subject, &report, state.as_ref()))
        })?;
        verified.push(of_table);
    }
    let is_clean = verified.iter().all(|table| table.findings_total == 0);
    show(verified, common.output)?;
    Ok(if is_clean { Exit::Done } else { Exit::SitesFailed })
}

async fn verify(subject: &Subject) -> Result<Report, Failure> {
    let failed = |error| inspect::failure(&error);
    // Only a bar needs to know beforehand.
    let total = if inspect::has_bar() { subject.count().await.map_err(failed)? } else { 0 };
    let bar = inspect::bar(subject.table.as_str(), total);
    let report = subject.verify(|_| bar.inc(1)).await;
    bar.finish_and_clear();
    report.map_err(failed)
}

fn spell(subject: &Subject, report: &Report, state: Option<&State>) -> VerifiedTable {
    let chains: Vec<ChainSummary> = report.chains().collect();
    VerifiedTable {
        table: subject.table.to_string(),
        sink: subject.sink.describe().to_owned(),
        objects: chains.iter().map(|chain| chain.objects).sum(),
        rows: chains.iter().map(|chain| chain.rows).sum(),
        bytes: chains.iter().map(|chain| chain.stored_bytes).sum(),
        chains: chains.iter().map(spell_chain).collect(),
        holes: report.holes().map(|hole| spell_hole(&hole, state)).collect(),
        findings: report.findings.iter().map(spell_finding).collect(),
        findings_total: report.findings_total,
        mended: report.mended.iter().map(spell_finding).collect(),
    }
}

fn spell_chain(chain: &ChainSummary) -> VerifiedChain {
    VerifiedChain {
        site_id: chain.site.to_string(),
        chain: chain.chain.to_string(),
        first_seq: chain.first_seq,
        last_seq: chain.last_seq,
        objects: chain.objects,
        rows: chain.rows,
        bytes: chain.stored_bytes,
        first_data: chain.first_data.map(|time| time.to_string()),
        last_data: chain.last_data.map(|time| time.to_string()),
        resend: chain.is_resend,
    }
}

fn spell_hole(hole: &HoleSummary, state: Option<&State>) -> VerifiedHole {
    // The sink cannot tell a fill that is under way from one that found no more rows.
    let is_done_by = |state: &State| {
        let site = state.sites.get(&hole.site).filter(|site| site.live.seq > hole.seq);
        site.is_some_and(|site| !site.fills.contains_key(&hole.chain))
    };
    VerifiedHole {
        site_id: hole.site.to_string(),
        chain: hole.chain.to_string(),
        after: hole.after.to_string(),
        until: hole.until.to_string(),
        filled_to: hole.filled_to.as_ref().map(ToString::to_string),
        filled: hole.is_filled(),
        done: hole.is_filled() || hole.is_empty() || state.is_some_and(is_done_by),
    }
}

fn spell_finding(finding: &Finding) -> VerifiedFinding {
    VerifiedFinding {
        kind: kind(finding.trouble),
        site_id: finding.site.to_string(),
        chain: finding.chain.as_ref().map(ToString::to_string),
        key: finding.key.clone(),
        what: finding.what.clone(),
    }
}

/// A word for programs.
fn kind(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Foreign => "foreign",
        Trouble::Misplaced => "misplaced",
        Trouble::Damaged => "damaged",
        Trouble::Unreadable => "unreadable",
        Trouble::Rows => "rows",
        Trouble::Times => "times",
        Trouble::Missing => "missing",
        Trouble::Doubled => "doubled",
        Trouble::Gap => "gap",
        Trouble::Overlap => "overlap",
    }
}

/// What to do about it.
fn remedy(kind: &str) -> &'static str {
    match kind {
        "foreign" => "move it away, it is in the way of the next objects",
        "missing" | "gap" => {
            "restore the object, or send its rows again with 'livecosmos reconcile --repair'"
        }
        "doubled" => "compare the two and remove one",
        "overlap" => "look which rows are stored twice before you remove anything",
        _ => "restore it from a copy, or send its rows again with 'livecosmos state rewind'",
    }
}

fn show(tables: Vec<VerifiedTable>, output: Output) -> Result<Exit, Failure> {
    for table in &tables {
        for finding in &table.findings {
            let message =
                format!("{}: {}: {}; {}", table.sink, finding.key, finding.what, remedy(finding.kind));
            Failure::new(Exit::SitesFailed, message).show();
        }
        remark(table);
    }
    if output == Output::Json {
        return print::json(&Verified { schema: SCHEMA, tables });
    }
    let rows = tables.into_iter().flat_map(|table| {
        let findings = table.findings;
        let name = table.table;
        table.chains.into_iter().map(move |chain| {
            let is_of_chain = |finding: &&VerifiedFinding| {
                finding.site_id == chain.site_id && finding.chain.as_ref().is_none_or(|of| *of == chain.chain)
            };
            let found = findings.iter().filter(is_of_chain).count();
            chain_row(&name, chain, found)
        })
    });
    print::table(["TABLE", "SITE", "CHAIN", "OBJECTS", "ROWS", "BYTES", "FIRST", "LAST", "FINDINGS"], rows)
}

/// Says what is no finding and yet worth knowing.
fn remark(table: &VerifiedTable) {
    let name = &table.table;
    if table.objects == 0 && table.findings_total == 0 {
        print::note(format_args!("table {name} has no objects in {}", table.sink));
    }
    for chain in table.chains.iter().filter(|chain| chain.first_seq > 0) {
        print::note(format_args!(
            "{name}: chain {} of site {} begins with object {}; what was before it has expired or was removed",
            chain.chain, chain.site_id, chain.first_seq
        ));
    }
    for gap in &table.mended {
        print::note(format_args!(
            "{}: {}: {}; a repair holds rows of that span",
            table.sink, gap.key, gap.what
        ));
    }
    for hole in table.holes.iter().filter(|hole| !hole.done) {
        print::note(format_args!(
            "{name}: site {} left what lies behind {} up to {} to chain {}, which {}; it may be under way, or there are no more rows",
            hole.site_id,
            hole.after,
            hole.until,
            hole.chain,
            hole.filled_to.as_ref().map_or_else(|| "has no object".to_owned(), |to| format!("reaches {to}")),
        ));
    }
    let unlisted = table.findings_total - table.findings.len() as u64;
    if unlisted > 0 {
        print::note(format_args!("{name}: {unlisted} more findings are not listed"));
    }
}

fn chain_row(table: &str, chain: VerifiedChain, findings: usize) -> [String; 9] {
    let none = || "-".to_owned();
    [
        table.to_owned(),
        chain.site_id,
        chain.chain,
        chain.objects.to_string(),
        chain.rows.to_string(),
        print::size(chain.bytes),
        chain.first_data.unwrap_or_else(none),
        chain.last_data.unwrap_or_else(none),
        findings.to_string(),
    ]
}

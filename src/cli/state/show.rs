//! `livecosmos state show`: how far each site is stored. Takes no lock.

use std::collections::BTreeMap;
use std::time::Duration;

use livecosmos_state::{ChainName, Fill, Intent, Site, TableName, Time, Whole};
use serde::Serialize;

use super::args::StateArgs;
use super::difference::fill_kind;
use super::look::{inspected, report};
use crate::cli::args::{CommonArgs, Output};
use crate::cli::print::{self, Failure};
use crate::clock::{Clock as _, SystemClock};
use crate::config::show_duration;
use crate::exit::Exit;

/// Version of the JSON below.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Shown {
    schema: u32,
    tables: Vec<ShownTable>,
}

#[derive(Serialize)]
struct ShownTable {
    table: String,
    generation: u64,
    last_run: Option<String>,
    sites: BTreeMap<String, ShownSite>,
}

#[derive(Serialize)]
struct ShownSite {
    site_id: String,
    last_data: Option<String>,
    seq: u64,
    pending: Option<ShownIntent>,
    fills: Vec<ShownFill>,
}

/// What is still to be sent on a chain beside the live one.
#[derive(Serialize)]
struct ShownFill {
    chain: String,
    kind: &'static str,
    from: String,
    until: String,
    seq: u64,
}

#[derive(Serialize)]
struct ShownIntent {
    seq: u64,
    from: String,
    to: String,
    key: String,
    rows: u64,
    last_data: String,
    sha256: String,
    since: String,
}

/// Shows each site's watermark, lag, seq and pending object.
pub(super) fn run(args: &StateArgs, common: &CommonArgs) -> Result<Exit, Failure> {
    let inspected = inspected(args, common)?;
    let exit = report(&inspected);
    let wholes: Vec<&Whole> = inspected.iter().filter_map(|(_, inspection)| inspection.whole()).collect();
    if common.output == Output::Json {
        print::json(&Shown { schema: SCHEMA, tables: wholes.into_iter().map(shown).collect() })?;
        return Ok(exit);
    }
    let now = SystemClock.now();
    let rows = wholes.iter().flat_map(|whole| {
        whole.state.sites.iter().map(|(id, site)| site_row(&whole.state.table, id.as_str(), site, now))
    });
    print::table(["TABLE", "SITE", "WATERMARK", "LAG", "SEQ", "PENDING", "FILLS"], rows)?;
    Ok(exit)
}

fn shown(whole: &Whole) -> ShownTable {
    let site = |id: &str, site: &Site| ShownSite {
        site_id: id.to_owned(),
        last_data: site.last_data.map(|time| time.to_string()),
        seq: site.live.seq,
        pending: site.live.pending.as_ref().map(shown_intent),
        fills: site.fills.iter().map(|(chain, fill)| shown_fill(chain, fill)).collect(),
    };
    ShownTable {
        table: whole.state.table.to_string(),
        generation: whole.generation,
        last_run: whole.state.last_run.map(|time| time.to_string()),
        sites: whole.state.sites.iter().map(|(id, of)| (id.to_string(), site(id.as_str(), of))).collect(),
    }
}

fn shown_intent(intent: &Intent) -> ShownIntent {
    ShownIntent {
        seq: intent.seq,
        from: intent.from.to_string(),
        to: intent.to.to_string(),
        key: intent.key.clone(),
        rows: intent.rows,
        last_data: intent.last_data.to_string(),
        sha256: intent.digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")),
        since: intent.since.to_string(),
    }
}

fn shown_fill(chain: &ChainName, fill: &Fill) -> ShownFill {
    ShownFill {
        chain: chain.to_string(),
        kind: fill_kind(fill.kind),
        from: fill.after.to_string(),
        until: fill.until.to_string(),
        seq: fill.chain.seq,
    }
}

fn site_row(table: &TableName, id: &str, site: &Site, now: Time) -> [String; 7] {
    let none = || "-".to_owned();
    [
        table.to_string(),
        id.to_owned(),
        site.last_data.map_or_else(none, |time| time.to_string()),
        site.last_data.map_or_else(none, |time| lag(time, now)),
        site.live.seq.to_string(),
        site.live
            .pending
            .as_ref()
            .map_or_else(none, |intent| format!("{} rows in {}", intent.rows, intent.key)),
        Some(site.fills.len()).filter(|fills| *fills > 0).map_or_else(none, |fills| fills.to_string()),
    ]
}

/// The age of a watermark, in its two largest units.
pub(in crate::cli) fn lag(watermark: Time, now: Time) -> String {
    let Ok(age_s) = u64::try_from(now.seconds - watermark.seconds) else { return "in the future".to_owned() };
    let shown = show_duration(Duration::from_secs(age_s));
    shown.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_told_in_its_two_largest_units() {
        let at = |seconds| Time::new(seconds, 0).unwrap();
        assert_eq!(lag(at(0), at(3 * 86_400 + 2 * 3_600 + 61)), "3d 2h");
        assert_eq!(lag(at(0), at(61)), "1m 1s");
        assert_eq!(lag(at(5), at(5)), "0s");
        assert_eq!(lag(at(10), at(5)), "in the future");
    }
}

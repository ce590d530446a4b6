//! What `livecosmos status` prints.

use std::collections::BTreeMap;

use livecosmos_state::{ChainName, Intent, Tally, Time};
use serde::Serialize;

use super::{Counted, FillCount, NO_SITE, SiteCount};
use crate::cli::args::Output;
use crate::cli::print::{self, Failure};
use crate::cli::state::{fill_kind, lag};

/// Version of the JSON below.
const SCHEMA: u32 = 1;
/// What stands for a number that is not known, and for a time that there is not.
const NONE: &str = "-";

#[derive(Serialize)]
struct Status<'a> {
    schema: u32,
    tables: Vec<StatusTable<'a>>,
}

#[derive(Serialize)]
struct StatusTable<'a> {
    table: &'a str,
    #[serde(flatten)]
    total: Numbers,
    unsendable: Option<u64>,
    future: Option<u64>,
    sites: BTreeMap<&'a str, StatusSite<'a>>,
}

/// `sent` are rows that the sink acknowledged, late ones and those that were sent again apart; `in_flight` are
/// among those waiting, but for late and requeued ones.
#[derive(Clone, Copy, Serialize)]
struct Numbers {
    sent: u64,
    late: u64,
    resent: u64,
    waiting: Option<u64>,
    in_flight: u64,
    quarantined: u64,
}

#[derive(Serialize)]
struct StatusSite<'a> {
    last_data: Option<String>,
    lag_s: Option<i64>,
    #[serde(flatten)]
    numbers: Numbers,
    objects_in_flight: Vec<StatusObject<'a>>,
    fills: Vec<StatusFill>,
}

#[derive(Serialize)]
struct StatusObject<'a> {
    chain: String,
    seq: u64,
    from: String,
    to: String,
    rows: u64,
    key: &'a str,
    since: String,
}

#[derive(Serialize)]
struct StatusFill {
    chain: String,
    kind: &'static str,
    rows_max: u64,
}

/// Prints the counts of all tables.
pub(super) fn show(counted: &[Counted], now: Time, output: Output) -> Result<(), Failure> {
    if output == Output::Json {
        let tables = counted.iter().map(|table| StatusTable::of(table, now)).collect();
        return print::json(&Status { schema: SCHEMA, tables }).map(drop);
    }
    for Counted { table, unsendable, future, sites, .. } in counted {
        if let Some(rows) = unsendable.filter(|rows| *rows > 0) {
            print::note(format_args!(
                "table {table}: {rows} rows cannot be sent, and will go into quarantine"
            ));
        }
        if let Some(rows) = future.filter(|rows| *rows > 0) {
            print::note(format_args!("table {table}: {rows} rows lie in the future, and are held back"));
        }
        for (site, SiteCount { fills, .. }) in sites {
            for FillCount { chain, kind, rows_max } in fills {
                let kind = fill_kind(*kind);
                print::note(format_args!(
                    "table {table}, site {site}: {kind} {chain} reads {rows_max} rows more"
                ));
            }
        }
    }
    let rows = counted.iter().flat_map(|table| {
        let sites = table.sites.iter().map(|(id, site)| {
            let id = if id == NO_SITE { NONE } else { id };
            row(&table.table, id, site.last_data, Numbers::of(site), now)
        });
        // A sum of one says nothing.
        let has_sum = table.sites.len() > 1;
        let last = table.sites.values().filter_map(|site| site.last_data).max();
        let sum = has_sum.then(|| row(&table.table, "all", last, Numbers::sum(table), now));
        sites.chain(sum)
    });
    let header = [
        "TABLE",
        "SITE",
        "LAST DATA",
        "LAG",
        "SENT",
        "LATE",
        "RESENT",
        "WAITING",
        "IN FLIGHT",
        "QUARANTINED",
    ];
    print::table(header, rows).map(drop)
}

fn row(table: &str, site: &str, last_data: Option<Time>, numbers: Numbers, now: Time) -> [String; 10] {
    let none = || NONE.to_owned();
    let Numbers { sent, late, resent, waiting, in_flight, quarantined } = numbers;
    [
        table.to_owned(),
        site.to_owned(),
        last_data.map_or_else(none, |time| time.to_string()),
        last_data.map_or_else(none, |time| lag(time, now)),
        sent.to_string(),
        late.to_string(),
        resent.to_string(),
        waiting.map_or_else(none, |rows| rows.to_string()),
        in_flight.to_string(),
        quarantined.to_string(),
    ]
}

impl Numbers {
    fn of(site: &SiteCount) -> Self {
        let Tally { rows: sent, late, resent } = site.sent;
        let (waiting, in_flight, quarantined) = (site.waiting, site.in_flight_rows(), site.quarantined);
        Self { sent, late, resent, waiting, in_flight, quarantined }
    }

    fn sum(table: &Counted) -> Self {
        let waiting = table.error.is_none().then_some(0);
        let nothing = Self { sent: 0, late: 0, resent: 0, waiting, in_flight: 0, quarantined: 0 };
        table.sites.values().map(Self::of).fold(nothing, |sum, site| Self {
            sent: sum.sent + site.sent,
            late: sum.late + site.late,
            resent: sum.resent + site.resent,
            waiting: sum.waiting.zip(site.waiting).map(|(sum, rows)| sum + rows),
            in_flight: sum.in_flight + site.in_flight,
            quarantined: sum.quarantined + site.quarantined,
        })
    }
}

impl<'a> StatusTable<'a> {
    fn of(counted: &'a Counted, now: Time) -> Self {
        let Counted { table, unsendable, future, sites, .. } = counted;
        Self {
            table,
            total: Numbers::sum(counted),
            unsendable: *unsendable,
            future: *future,
            sites: sites.iter().map(|(id, site)| (id.as_str(), StatusSite::of(site, now))).collect(),
        }
    }
}

impl<'a> StatusSite<'a> {
    fn of(site: &'a SiteCount, now: Time) -> Self {
        let object = |(chain, intent): &'a (ChainName, Intent)| StatusObject {
            chain: chain.to_string(),
            seq: intent.seq,
            from: intent.from.to_string(),
            to: intent.to.to_string(),
            rows: intent.rows,
            key: &intent.key,
            since: intent.since.to_string(),
        };
        let fill = |FillCount { chain, kind, rows_max }: &FillCount| StatusFill {
            chain: chain.to_string(),
            kind: fill_kind(*kind),
            rows_max: *rows_max,
        };
        Self {
            last_data: site.last_data.map(|time| time.to_string()),
            lag_s: site.last_data.map(|time| now.seconds - time.seconds),
            numbers: Numbers::of(site),
            objects_in_flight: site.in_flight.iter().map(object).collect(),
            fills: site.fills.iter().map(fill).collect(),
        }
    }
}

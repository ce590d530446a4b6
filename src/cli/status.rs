//! `livecosmos status`: how many rows of each site are sent, and how many are not. Takes no lock, asks no sink.
//!
//! The state is read first, then the quarantine, then the source: whatever a daemon gets done meanwhile is
//! counted as the state says it, once.

mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use livecosmos_state::{Chain, ChainName, FillKind, Intent, Site, SiteId, State, Tally, Time};

use super::args::{CommonArgs, StatusArgs};
use super::print::{self, Failure};
use super::{follow, state_dir};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, TableConfig};
use crate::daemon;
use crate::exit::Exit;
use crate::quarantine::{Entry, Quarantine, path_of};
use crate::source::SourceError;
use crate::uploader::{Backlog, backlog, foresee};

/// Where a row in quarantine is counted that names no site.
const NO_SITE: &str = "";

/// The counts of one table.
struct Counted {
    table: String,
    /// Rows that no pass has looked at yet, and that will go into quarantine.
    unsendable: Option<u64>,
    future: Option<u64>,
    sites: BTreeMap<String, SiteCount>,
    /// Why the source could not be read.
    error: Option<SourceError>,
}

/// The counts of one site.
#[derive(Default)]
struct SiteCount {
    last_data: Option<Time>,
    sent: Tally,
    /// Rows that are not known to be stored; those in flight among them. Nothing where the source cannot be read.
    waiting: Option<u64>,
    /// Objects whose fate is not known, by their chains.
    in_flight: Vec<(ChainName, Intent)>,
    quarantined: u64,
    /// What fills other than catch-ups may still send.
    fills: Vec<FillCount>,
}

struct FillCount {
    chain: ChainName,
    kind: FillKind,
    rows_max: u64,
}

/// Counts and shows.
pub(super) fn run(args: &StatusArgs, common: &CommonArgs) -> Result<Exit, Failure> {
    let config = Config::load(&args.config)?;
    let all = ["all".to_owned()];
    let tables = follow::select(&config, if args.tables.is_empty() { &all } else { &args.tables })?;
    follow::check_sites(&args.sites, &tables)?;
    let dir = state_dir::resolve(common.state_dir.as_deref())?;
    let only = (!args.sites.is_empty()).then(|| args.sites.iter().cloned().collect());
    let now = SystemClock.now();
    let mut exit = Exit::Done;
    let mut counted = Vec::new();
    for table in &tables {
        let counts = count(table, &dir, only.as_ref(), now)?;
        if let Some(error) = &counts.error {
            print::warn(format_args!("table {}: {error}", table.table));
            exit = error.into();
        }
        counted.push(counts);
    }
    show::show(&counted, now, common.output)?;
    Ok(exit)
}

fn count(
    table: &TableConfig,
    dir: &Path,
    only: Option<&BTreeSet<SiteId>>,
    now: Time,
) -> Result<Counted, Failure> {
    let failed = |(exit, message)| Failure::new(exit, message);
    let state = daemon::look_at_state(dir, table).map_err(failed)?;
    let is_wanted = |id: &SiteId| only.is_none_or(|only| only.contains(id));
    let known = state.sites.iter().filter(|(id, _)| is_wanted(id));
    let mut sites: BTreeMap<String, SiteCount> =
        known.map(|(id, site)| (id.to_string(), SiteCount::of(site))).collect();
    let mut quarantined = BTreeSet::new();
    let look = |entry: Entry| {
        let site = entry.site.as_deref().unwrap_or(NO_SITE);
        // What the live chain stands before is read again, and counted as waiting.
        let waits = entry.is_refused_by_sink() && entry.lies_ahead(&state);
        if !waits && only.is_none_or(|only| only.iter().any(|wanted| wanted.as_str() == site)) {
            sites.entry(site.to_owned()).or_default().quarantined += 1;
        }
        quarantined.insert(entry.identity);
    };
    Quarantine::look_at(&path_of(dir, &table.table), look)
        .map_err(|error| Failure::new(Exit::from(&error), error))?;
    let mut counted =
        Counted { table: table.table.to_string(), unsendable: None, future: None, sites, error: None };
    if let Err(error) = counted.add_waiting(table, &state, &quarantined, only, now) {
        counted.error = Some(error);
    }
    Ok(counted)
}

impl Counted {
    /// Reads the source behind what is stored.
    fn add_waiting(
        &mut self,
        table: &TableConfig,
        state: &State,
        quarantined: &BTreeSet<String>,
        only: Option<&BTreeSet<SiteId>>,
        now: Time,
    ) -> Result<(), SourceError> {
        let open = || table.source.open(table.shape.clone());
        let Backlog { waiting, unsendable, future } =
            backlog(&mut *open()?, state.clone(), table.poll.fallback, quarantined, only, now)?;
        let mut in_fills = Vec::new();
        for (id, site) in state.sites.iter().filter(|(id, _)| only.is_none_or(|only| only.contains(id))) {
            for (chain, fill) in &site.fills {
                let rows = foresee(&mut *open()?, state, id, chain, now)?.rows;
                in_fills.push((id, FillCount { chain: chain.clone(), kind: fill.kind, rows_max: rows }));
            }
        }
        // Only now: a half of the counts would look like the whole.
        (self.unsendable, self.future) = (Some(unsendable), Some(future));
        for site in self.sites.values_mut() {
            site.waiting = Some(0);
        }
        for (id, rows) in waiting {
            self.sites.entry(id.to_string()).or_default().waiting = Some(rows);
        }
        for (id, fill) in in_fills {
            let site = self.sites.entry(id.to_string()).or_default();
            if fill.kind == FillKind::CatchUp {
                site.waiting = Some(site.waiting.unwrap_or(0) + fill.rows_max);
            } else {
                site.fills.push(fill);
            }
        }
        Ok(())
    }
}

impl SiteCount {
    fn of(site: &Site) -> Self {
        let named = [
            (ChainName::LIVE, &site.live),
            (ChainName::LATE, &site.late),
            (ChainName::REQUEUE, &site.requeue),
        ];
        let fills = site.fills.iter().map(|(name, fill)| (name.clone(), &fill.chain));
        let pending = |(name, chain): (ChainName, &Chain)| Some((name, chain.pending.clone()?));
        Self {
            last_data: site.last_data,
            sent: site.sent,
            in_flight: named.into_iter().chain(fills).filter_map(pending).collect(),
            ..Self::default()
        }
    }

    fn in_flight_rows(&self) -> u64 {
        self.in_flight.iter().map(|(_, intent)| intent.rows).sum()
    }
}

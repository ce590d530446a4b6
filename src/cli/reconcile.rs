//! `livecosmos reconcile`: rows by site and day in the source against those in the sink, and the way to
//! send exactly those that are missing.

mod exact;
mod repair;
mod show;

use std::collections::BTreeMap;

use livecosmos_state::{ChainName, Cursor, FillKind, Site, SiteId, State, Time, Window};

use super::args::{CommonArgs, ReconcileArgs};
use super::print::Failure;
use super::{backfill, inspect, state_dir};
use crate::audit::{self, DayCompared, SiteCount, SitePlan, SiteTally, SourceRead, Subject, Tally};
use crate::clock::{Clock as _, SystemClock, just_before};
use crate::config::{Config, TableConfig};
use crate::daemon;
use crate::exit::Exit;
use crate::logging;
use crate::rows::Rows;
use crate::sink::Day;
use crate::stop::Stop;
use crate::uploader::Fallback;

/// Compares, and sends what is missing if that is asked for.
pub(super) fn run(args: &ReconcileArgs, common: &CommonArgs) -> Result<Exit, Failure> {
    backfill::check_span(args.from, args.to)?;
    let config = Config::load(&args.config)?;
    let table = config.table(&args.table)?.clone();
    logging::start(common.level());
    let state_dir = state_dir::resolve(common.state_dir.as_deref())?;
    let inspection = livecosmos_state::inspect(&state_dir, &table.table);
    if inspection.load.is_ok() && inspection.whole().is_none() {
        let message = format!(
            "table {} has no state yet; run it once, or give the --state-dir in which it is",
            table.table
        );
        return Err(Failure::new(Exit::Config, message));
    }
    let work = Work { config, table, args };
    if args.repair {
        return repair::run(&work, state_dir, common);
    }
    let state = daemon::look_at_state(&state_dir, &work.table)
        .map_err(|(exit, message)| Failure::new(exit, message))?;
    let compared = inspect::runtime()?.block_on(work.compare(&state))?;
    show::whole(&work, &compared, None, common.output)?;
    Ok(compared.exit())
}

/// What is to be done, and with what.
struct Work<'a> {
    config: Config,
    table: TableConfig,
    args: &'a ReconcileArgs,
}

/// What the comparison found.
struct Compared {
    sites: BTreeMap<SiteId, SiteCompared>,
    rejected_rows: u64,
    notices: Vec<String>,
    /// Objects that do not say what they hold, with the reason.
    unknown: Vec<(String, String)>,
    /// Days on which rows were only counted, though they should have been compared.
    only_counted: usize,
}

struct SiteCompared {
    last_data: Option<Time>,
    /// Rows before it are not compared, since the sink has lost the objects that may have held them.
    cut_before: Option<Time>,
    days: Vec<DayCompared>,
}

impl Compared {
    fn exit(&self) -> Exit {
        let differs = self.sites.values().flat_map(|site| &site.days).any(|day| day.verdict.is_difference());
        if differs || !self.unknown.is_empty() { Exit::SitesFailed } else { Exit::Done }
    }
}

impl Work<'_> {
    /// Counts in the sink, then in the source: as far as `state` says that the live chains have come.
    /// Then compares the rows of those days on which counts do not say enough.
    async fn compare(&self, state: &State) -> Result<Compared, Failure> {
        let sites = self.sites(state)?;
        let subject = inspect::subject(&self.config, &self.table, &self.args.sites).await?;
        let tally = tally(&subject, state).await?;
        let plans: BTreeMap<SiteId, SitePlan> = sites
            .iter()
            .map(|(id, site)| ((*id).clone(), self.plan(state, site, tally.sites.get(*id))))
            .collect();
        let mut counts: BTreeMap<SiteId, SiteCount> = BTreeMap::new();
        let read = tokio::task::block_in_place(|| {
            self.read_source(state, &plans, &mut |site, plan, rows| {
                counts.entry(site.clone()).or_default().add(plan, rows);
            })
        })?;
        let mut compared = self.conclude(&sites, tally.unknown, &tally.sites, &counts);
        (compared.rejected_rows, compared.notices) = (read.rejected_rows, read.notices);
        let days = exact::days(&mut compared, &tally.sites);
        if !days.is_empty() {
            self.compare_rows(&subject, state, &plans, &days, &mut compared).await?;
        }
        Ok(compared)
    }

    fn sites<'s>(&self, state: &'s State) -> Result<BTreeMap<&'s SiteId, &'s Site>, Failure> {
        let asked = &self.args.sites;
        if let Some(unknown) = asked.iter().find(|site| !state.sites.contains_key(site)) {
            let message =
                format!("nothing is remembered of site {unknown}; run the table once, or correct --site");
            return Err(Failure::new(Exit::Config, message));
        }
        Ok(state.sites.iter().filter(|(site, _)| asked.is_empty() || asked.contains(site)).collect())
    }

    /// The days that are compared: those that --from and --to leave, whole.
    fn window(&self) -> Window {
        let first = self.args.from.and_then(|from| Day::of(from).start());
        let end = self.args.to.and_then(|to| Day::of(just_before(to)).next().start());
        Window { first, end }
    }

    fn plan(&self, state: &State, site: &Site, tally: Option<&SiteTally>) -> SitePlan {
        SitePlan {
            parts: backfill::parts(state, site, self.window()),
            floor: floor(state, site, tally, self.table.poll.fallback),
            window: self.window(),
            on_their_way: on_their_way(site),
        }
    }

    fn read_source(
        &self,
        state: &State,
        plans: &BTreeMap<SiteId, SitePlan>,
        take: &mut dyn FnMut(&SiteId, &SitePlan, &Rows),
    ) -> Result<SourceRead, Failure> {
        let spinner = inspect::spinner("reading the source");
        let mut count_and_take = |site: &SiteId, plan: &SitePlan, rows: &Rows| {
            spinner.inc(rows.len() as u64);
            take(site, plan, rows);
        };
        let open = || self.table.source.open(self.table.shape.clone());
        let (now, stop) = (SystemClock.now(), Stop::default());
        let read = audit::read_source(state, plans, now, &stop, open, &mut count_and_take);
        spinner.finish_and_clear();
        read.map_err(|error| Failure::new(Exit::from(&error), error))
    }

    fn conclude(
        &self,
        sites: &BTreeMap<&SiteId, &Site>,
        unknown: Vec<(String, String)>,
        tally: &BTreeMap<SiteId, SiteTally>,
        counts: &BTreeMap<SiteId, SiteCount>,
    ) -> Compared {
        let window = self.window();
        let is_asked_for = |day: &Day| day.start().is_some_and(|start| window.holds(start));
        let (no_count, no_tally) = (SiteCount::default(), SiteTally::default());
        let compare = |(id, site): (&&SiteId, &&Site)| {
            let count = counts.get(*id).unwrap_or(&no_count);
            let tally = tally.get(*id).unwrap_or(&no_tally);
            let mut days = audit::compare(count, tally);
            days.retain(|compared| is_asked_for(&compared.day));
            let cut_before = tally.first_data().filter(|_| tally.is_cut());
            ((*id).clone(), SiteCompared { last_data: site.last_data, cut_before, days })
        };
        let sites = sites.iter().map(compare).collect();
        Compared { sites, rejected_rows: 0, notices: Vec::new(), unknown, only_counted: 0 }
    }
}

/// Counts what the objects hold; of live chains, those that the state knows, for the source is read as
/// far as it knows.
async fn tally(subject: &Subject, state: &State) -> Result<Tally, Failure> {
    let failed = |error| inspect::failure(&error);
    let total = if inspect::has_bar() { subject.count().await.map_err(failed)? } else { 0 };
    let bar = inspect::bar(subject.table.as_str(), total);
    let is_wanted = |site: &SiteId, chain: &ChainName, seq: u64| is_known(state, site, chain, seq);
    let tally = subject.tally(is_wanted, || bar.inc(1)).await;
    bar.finish_and_clear();
    tally.map_err(failed)
}

fn is_known(state: &State, site: &SiteId, chain: &ChainName, seq: u64) -> bool {
    let known = state.sites.get(site);
    known.is_some_and(|site| *chain != ChainName::LIVE || seq < site.live.seq)
}

/// Rows at or before it were never due: by the state, or, where that is not known any more or older
/// objects have expired, by the first object that is there.
fn floor(state: &State, site: &Site, tally: Option<&SiteTally>, fallback: Fallback) -> Option<Time> {
    // In files, a site's own floor may be that of a file that was replaced: what is older was due once.
    let of_state = if state.files.is_empty() { site.floor } else { state.floor };
    let is_lost = of_state.is_none() && fallback != Fallback::All;
    let of_sink = tally.filter(|tally| tally.is_cut() || is_lost).and_then(SiteTally::first_data);
    of_state.max(of_sink.map(just_before))
}

/// What open fills of holes in the live chain are still to send.
fn on_their_way(site: &Site) -> Vec<(Time, Time)> {
    let holes = site.fills.values().filter(|fill| fill.kind == FillKind::CatchUp);
    let span = |fill: &livecosmos_state::Fill| match (&fill.chain.cursor, &fill.until) {
        (Cursor::Row { time: first, .. }, Cursor::Row { time: last, .. }) => (*first, *last),
        (_, Cursor::Row { time: last, .. }) => (Time::MIN, *last),
        _ => (Time::MIN, Time::MAX),
    };
    holes.map(span).collect()
}

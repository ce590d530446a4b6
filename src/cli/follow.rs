//! `livecosmos CONFIG TABLE…`: following tables, and the dry run that shows what that would store.

use std::collections::BTreeMap;
use std::path::Path;

use clap::CommandFactory as _;
use livecosmos_state::{SiteId, State, TableName, Time};
use serde::Serialize;

use super::args::{CommandLine, CommonArgs, FollowArgs, Output};
use super::print::{self, Failure};
use super::state_dir;
use crate::config::{Config, ConfigError, TableConfig};
use crate::daemon;
use crate::exit::Exit;
use crate::logging;
use crate::uploader::{Plan, SitePlan};

/// The name that stands for every table of a configuration.
const ALL: &str = "all";

/// Version of the JSON below.
const SCHEMA: u32 = 1;

/// Follows the tables until a signal comes, or once, or only shows what would be stored.
pub(super) fn run(args: &FollowArgs, common: &CommonArgs) -> Result<Exit, Failure> {
    // clap has seen to it that a configuration is named.
    let path = args.config.clone().unwrap_or_default();
    refuse_command(&path)?;
    let config = Config::load(&path)?;
    let tables = select(&config, &args.tables)?;
    check_sites(&args.sites, &tables)?;
    let options = daemon::Options {
        once: args.once,
        only: (!args.sites.is_empty()).then(|| args.sites.iter().cloned().collect()),
        fallback: args.fallback,
        state_dir: state_dir::resolve(common.state_dir.as_deref())?,
    };
    logging::start(common.level());
    if args.dry_run {
        let plans =
            daemon::rehearse(tables, &options).map_err(|(exit, message)| Failure::new(exit, message))?;
        return show(&plans, common.output);
    }
    let exit = daemon::follow(tables.clone(), &options)
        .map_err(|error| Failure::new(Exit::Unexpected, format!("cannot start threads: {error}")))?;
    if args.once && exit == Exit::Done {
        warn_of_unseen(&args.sites, &tables, &options.state_dir);
    }
    Ok(exit)
}

/// A site that was met stands in the state from then on, whether it had rows to send or not.
fn warn_of_unseen(sites: &[SiteId], tables: &[TableConfig], state_dir: &Path) {
    let states: Result<Vec<State>, _> =
        tables.iter().map(|table| daemon::look_at_state(state_dir, table)).collect();
    let Ok(states) = states else { return };
    for site in sites.iter().filter(|site| !states.iter().any(|state| state.sites.contains_key(site))) {
        print::warn(format_args!(
            "no row of site {site} was seen, and nothing is remembered of it; correct --site if it is misspelt"
        ));
    }
}

/// An option before a command makes the command a file's name: that is said, not that no such file exists.
fn refuse_command(path: &Path) -> Result<(), Failure> {
    let is_command =
        CommandLine::command().get_subcommands().any(|command| Path::new(command.get_name()) == path);
    if !is_command || path.is_file() {
        return Ok(());
    }
    let name = path.display();
    let message = format!(
        "'{name}' is a command, and options were given before it; write them after it: livecosmos {name} …"
    );
    Err(Failure::new(Exit::Usage, message))
}

/// The tables named, each once and in all its sinks, in the order of their names; all of them for `all`.
pub(super) fn select(config: &Config, names: &[String]) -> Result<Vec<TableConfig>, ConfigError> {
    let mut chosen: BTreeMap<&TableName, &TableConfig> = BTreeMap::new();
    for name in names.iter().filter(|name| *name != ALL) {
        chosen.extend(config.table_in_sinks(name)?.into_iter().map(|table| (&table.table, table)));
    }
    if names.iter().any(|name| name == ALL) {
        return Ok(config.tables().cloned().collect());
    }
    Ok(chosen.into_values().cloned().collect())
}

/// A site that no table may have would be waited for in vain.
pub(super) fn check_sites(sites: &[SiteId], tables: &[TableConfig]) -> Result<(), Failure> {
    let may_have =
        |site| tables.iter().any(|table| table.shape.sites.as_ref().is_none_or(|sites| sites.contains(site)));
    match sites.iter().find(|site| !may_have(site)) {
        None => Ok(()),
        Some(site) => {
            let message = format!(
                "site {site} is not among the `sites` of these tables; add it there, or leave --site out"
            );
            Err(Failure::new(Exit::Config, message))
        }
    }
}

#[derive(Serialize)]
struct Rehearsed<'a> {
    schema: u32,
    tables: Vec<RehearsedTable<'a>>,
}

#[derive(Serialize)]
struct RehearsedTable<'a> {
    table: &'a str,
    rejected_rows: u64,
    future_rows: u64,
    sites: BTreeMap<&'a str, RehearsedSite<'a>>,
}

#[derive(Serialize)]
struct RehearsedSite<'a> {
    site_id: &'a str,
    last_data: Option<String>,
    seq: u64,
    objects: u64,
    rows: u64,
    bytes: u64,
    first: Option<String>,
    last: Option<String>,
    keys: &'a [String],
}

fn show(plans: &[(TableName, Plan)], output: Output) -> Result<Exit, Failure> {
    for (table, plan) in plans {
        plan.notices.iter().for_each(|notice| print::note(format_args!("{table}: {notice}")));
        if plan.rejected_rows > 0 {
            print::warn(format_args!(
                "{table}: {} rows cannot be sent; a run would put them into quarantine, each with its reason",
                plan.rejected_rows
            ));
        }
        if plan.future_rows > 0 {
            print::warn(format_args!(
                "{table}: {} rows lie in the future; a run would hold them back",
                plan.future_rows
            ));
        }
    }
    if output == Output::Json {
        let tables = plans.iter().map(|(table, plan)| rehearsed(table, plan)).collect();
        return print::json(&Rehearsed { schema: SCHEMA, tables });
    }
    let due: Vec<[String; 9]> = plans.iter().flat_map(|(table, plan)| due_rows(table, plan)).collect();
    if due.is_empty() {
        print::note("there is nothing to send");
    }
    print::table(["TABLE", "SITE", "WATERMARK", "ROWS", "FIRST", "LAST", "BYTES", "OBJECTS", "KEYS"], due)
}

fn rehearsed<'a>(table: &'a TableName, plan: &'a Plan) -> RehearsedTable<'a> {
    let site = |site_id: &'a str, plan: &'a SitePlan| RehearsedSite {
        site_id,
        last_data: plan.watermark.map(|time| time.to_string()),
        seq: plan.seq,
        objects: plan.objects,
        rows: plan.rows,
        bytes: plan.stored_bytes,
        first: plan.first.map(|time| time.to_string()),
        last: plan.last.map(|time| time.to_string()),
        keys: &plan.keys,
    };
    RehearsedTable {
        table: table.as_str(),
        rejected_rows: plan.rejected_rows,
        future_rows: plan.future_rows,
        sites: plan.sites.iter().map(|(id, plan)| (id.as_str(), site(id.as_str(), plan))).collect(),
    }
}

/// One line per site that has something to send.
fn due_rows<'a>(table: &'a TableName, plan: &'a Plan) -> impl Iterator<Item = [String; 9]> + 'a {
    let time = |time: Option<Time>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    plan.sites.iter().filter(|(_, plan)| plan.rows > 0).map(move |(site, plan)| {
        [
            table.to_string(),
            site.to_string(),
            time(plan.watermark),
            plan.rows.to_string(),
            time(plan.first),
            time(plan.last),
            print::size(plan.stored_bytes),
            plan.objects.to_string(),
            keys(plan),
        ]
    })
}

/// The first key, and the last where there are more.
fn keys(plan: &SitePlan) -> String {
    match plan.keys.as_slice() {
        [] => "-".to_owned(),
        [only] if plan.objects == 1 => only.clone(),
        [first, ..] => format!("{first} and {} more", plan.objects - 1),
    }
}

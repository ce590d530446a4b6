//! `livecosmos state show` and `state verify`. Neither takes a lock or changes anything.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use livecosmos_state::{Found, Inspection, Intent, Origin, Site, TableName, Time, Whole, inspect};
use serde::Serialize;

use super::args::{CommonArgs, Output, StateArgs};
use super::print::{self, Failure};
use super::{follow, state_dir};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, show_duration};
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

#[derive(Serialize)]
struct Verified {
    schema: u32,
    tables: Vec<VerifiedTable>,
}

#[derive(Serialize)]
struct VerifiedTable {
    table: String,
    /// What a load would take: `new`, `primary`, `backup` or, where it would fail, `nothing`.
    load: &'static str,
    files: Vec<VerifiedFile>,
}

#[derive(Serialize)]
struct VerifiedFile {
    path: String,
    condition: &'static str,
    detail: String,
    generation: Option<u64>,
}

/// Shows each site's watermark, lag, seq and pending object.
pub(super) fn show(args: &StateArgs, common: &CommonArgs) -> Result<Exit, Failure> {
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
    print::table(["TABLE", "SITE", "WATERMARK", "LAG", "SEQ", "PENDING"], rows)?;
    Ok(exit)
}

/// Shows each file's condition, and what a load would make of them.
pub(super) fn verify(args: &StateArgs, common: &CommonArgs) -> Result<Exit, Failure> {
    let inspected = inspected(args, common)?;
    let tables: Vec<VerifiedTable> =
        inspected.iter().map(|(table, inspection)| verified(table, inspection)).collect();
    if common.output == Output::Json {
        print::json(&Verified { schema: SCHEMA, tables })?;
    } else {
        let rows = tables.iter().flat_map(|table| {
            table.files.iter().map(|file| {
                [table.table.clone(), file.path.clone(), file.condition.to_owned(), file.detail.clone()]
            })
        });
        print::table(["TABLE", "FILE", "CONDITION", "DETAIL"], rows)?;
    }
    Ok(report(&inspected))
}

/// Looks at the states that `args` name.
fn inspected(args: &StateArgs, common: &CommonArgs) -> Result<Vec<(TableName, Inspection)>, Failure> {
    let dir = state_dir::resolve(common.state_dir.as_deref())?;
    let tables = tables(args, &dir)?;
    if tables.is_empty() {
        print::note(format_args!("there is no state in {}", dir.display()));
    }
    Ok(tables.into_iter().map(|table| (table.clone(), inspect(&dir, &table))).collect())
}

fn tables(args: &StateArgs, dir: &Path) -> Result<Vec<TableName>, Failure> {
    match args.names.split_first() {
        None => match livecosmos_state::tables(dir) {
            Ok(tables) => Ok(tables),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => {
                let message = format!(
                    "state directory {} cannot be read ({error}); give this user access to it",
                    dir.display()
                );
                Err(Failure::new(Exit::StateUnwritable, message))
            }
        },
        Some((config, tables)) if Path::new(config).is_file() => {
            let config = Config::load(Path::new(config))?;
            let all = ["all".to_owned()];
            let selected = follow::select(&config, if tables.is_empty() { &all } else { tables })?;
            Ok(selected.into_iter().map(|table| table.table).collect())
        }
        Some(_) => args.names.iter().map(|name| table_with_state(name, dir)).collect(),
    }
}

fn table_with_state(name: &str, dir: &Path) -> Result<TableName, Failure> {
    let unknown = || {
        let message = format!(
            "'{name}' is neither a file nor a table with a state in {}; 'livecosmos state show' lists those that have one",
            dir.display()
        );
        Failure::new(Exit::Config, message)
    };
    let table = TableName::parse(name).map_err(|_| unknown())?;
    if matches!(inspect(dir, &table).load, Ok(Origin::New)) { Err(unknown()) } else { Ok(table) }
}

/// Says what is wrong with states, or would be mended, and returns the code of the worst.
fn report(inspected: &[(TableName, Inspection)]) -> Exit {
    let mut worst = Exit::Done;
    for (table, inspection) in inspected {
        match &inspection.load {
            Ok(Origin::New) => print::note(format_args!("table {table} has no state yet")),
            Ok(Origin::Backup { .. }) => print::warn(format_args!(
                "{} cannot be used; the next run takes its backup and writes it anew",
                inspection.primary_path.display()
            )),
            Ok(_) => {}
            Err(error) => {
                let failure = Failure::new(error.into(), error);
                failure.show();
                // Corrupt before anything else: it is what needs a copy from elsewhere.
                worst = if worst == Exit::StateCorrupt { worst } else { failure.exit };
            }
        }
    }
    worst
}

fn shown(whole: &Whole) -> ShownTable {
    let site = |id: &str, site: &Site| ShownSite {
        site_id: id.to_owned(),
        last_data: site.last_data.map(|time| time.to_string()),
        seq: site.live.seq,
        pending: site.live.pending.as_ref().map(shown_intent),
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

fn site_row(table: &TableName, id: &str, site: &Site, now: Time) -> [String; 6] {
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
    ]
}

/// The age of a watermark, in its two largest units.
fn lag(watermark: Time, now: Time) -> String {
    let Ok(age_s) = u64::try_from(now.seconds - watermark.seconds) else { return "in the future".to_owned() };
    let shown = show_duration(Duration::from_secs(age_s));
    shown.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn verified(table: &TableName, inspection: &Inspection) -> VerifiedTable {
    let load = match &inspection.load {
        Ok(Origin::New) => "new",
        Ok(Origin::Backup { .. }) => "backup",
        Ok(_) => "primary",
        Err(_) => "nothing",
    };
    let files =
        [(&inspection.primary_path, &inspection.primary), (&inspection.backup_path, &inspection.backup)];
    VerifiedTable {
        table: table.to_string(),
        load,
        files: files.into_iter().map(|(path, found)| verified_file(path, found)).collect(),
    }
}

fn verified_file(path: &Path, found: &Found) -> VerifiedFile {
    let (condition, detail, generation) = match found {
        Found::Missing => ("missing", String::new(), None),
        Found::Whole(whole) => {
            let detail = format!("generation {}, {} sites", whole.generation, whole.state.sites.len());
            ("whole", detail, Some(whole.generation))
        }
        Found::Corrupt { why } => ("corrupt", why.clone(), None),
        Found::Newer { major } => ("newer", format!("format {major}, of a newer release"), None),
        Found::Unreadable { error } => ("unreadable", error.to_string(), None),
        _ => ("unknown", String::new(), None),
    };
    VerifiedFile { path: path.display().to_string(), condition, detail, generation }
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

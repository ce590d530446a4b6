//! `livecosmos quarantine`: rows that could not be sent are shown, sent after all, or dropped.

pub(super) mod args;

use std::path::Path;

use livecosmos_state::{Options, Store, TableName};
use serde::Serialize;

use super::args::{CommonArgs, Output};
use super::print::{self, Failure};
use super::{confirm, state_dir};
use crate::config::Config;
use crate::daemon::{self, RequeueOutcome};
use crate::exit::Exit;
use crate::logging;
use crate::quarantine::{Entry, Quarantine, QuarantineError, damaged_path_of, path_of};
use args::{ChosenRows, QuarantineCommand};

/// Version of the JSON below.
const SCHEMA: u32 = 1;
/// Characters of a reason that are shown in columns.
const REASON_CHARS_MAX: usize = 100;
/// Rows that are shown before somebody is asked whether to go on with all.
const ROWS_SHOWN_MAX: usize = 20;

#[derive(Serialize)]
struct Listed<'a> {
    schema: u32,
    tables: Vec<ListedTable<'a>>,
}

#[derive(Serialize)]
struct ListedTable<'a> {
    table: &'a str,
    file: String,
    /// Lines of the file that are no rows: torn by a crash, or somebody else's.
    unreadable_lines: u64,
    rows: Vec<ListedRow<'a>>,
}

#[derive(Serialize)]
struct ListedRow<'a> {
    id: String,
    #[serde(flatten)]
    entry: &'a Entry,
}

#[derive(Serialize)]
struct Changed<'a> {
    schema: u32,
    table: &'a str,
    chosen: usize,
    dropped: usize,
    /// Lines that were no rows, moved into the file beside.
    unreadable_lines: u64,
    sent: u64,
    objects: u64,
    stored_before: u64,
    left_to_the_daemon: u64,
    stay: u64,
    failed: Vec<String>,
}

/// Does what the command says.
pub(super) fn run(command: &QuarantineCommand, common: &CommonArgs) -> Result<Exit, Failure> {
    match command {
        QuarantineCommand::List { config, table, sites, reason_contains } => {
            let config = Config::load(config)?;
            let tables: Vec<TableName> = match table {
                Some(table) => vec![config.table(table)?.table.clone()],
                None => config.tables().map(|table| table.table.clone()).collect(),
            };
            let is_wanted = |entry: &Entry| {
                let is_of_site =
                    sites.is_empty() || sites.iter().any(|site| Some(site) == entry.site.as_ref());
                is_of_site && reason_contains.as_ref().is_none_or(|text| entry.reason.contains(text))
            };
            list(&tables, is_wanted, common)
        }
        QuarantineCommand::Requeue(args) => requeue(args, common),
        QuarantineCommand::Drop(args) => drop_rows(args, common),
    }
}

fn list(
    tables: &[TableName],
    is_wanted: impl Fn(&Entry) -> bool,
    common: &CommonArgs,
) -> Result<Exit, Failure> {
    let dir = state_dir::resolve(common.state_dir.as_deref())?;
    let mut listed: Vec<(&TableName, Vec<Entry>, u64)> = Vec::new();
    for table in tables {
        let mut entries = Vec::new();
        let look = |entry| {
            if is_wanted(&entry) {
                entries.push(entry);
            }
        };
        let path = path_of(&dir, table);
        let unreadable_lines = Quarantine::look_at(&path, look).map_err(|error| unreadable(&error))?;
        if unreadable_lines > 0 {
            print::warn(format_args!(
                "{}, and count towards quarantine_max; 'livecosmos quarantine drop --all' moves them into {}",
                no_rows(unreadable_lines, &path),
                damaged_path_of(&path).display()
            ));
        }
        listed.push((table, entries, unreadable_lines));
    }
    if common.output == Output::Json {
        let tables = listed.iter().map(|(table, entries, unreadable_lines)| ListedTable {
            table: table.as_str(),
            file: path_of(&dir, table).display().to_string(),
            unreadable_lines: *unreadable_lines,
            rows: entries.iter().map(|entry| ListedRow { id: entry.id(), entry }).collect(),
        });
        return print::json(&Listed { schema: SCHEMA, tables: tables.collect() });
    }
    if listed.iter().all(|(_, entries, _)| entries.is_empty()) {
        print::note("no row is in quarantine");
        return Ok(Exit::Done);
    }
    let rows = listed.iter().flat_map(|(table, entries, _)| {
        entries.iter().map(|entry| {
            let [id, site, first_seen, position, reason] = row(entry);
            [table.to_string(), id, site, first_seen, position, reason]
        })
    });
    print::table(["TABLE", "ID", "SITE", "FIRST SEEN", "POSITION", "REASON"], rows)
}

fn row(entry: &Entry) -> [String; 5] {
    let mut reason: String = entry.reason.chars().take(REASON_CHARS_MAX).collect();
    if reason.len() < entry.reason.len() {
        reason.push('…');
    }
    let site = entry.site.clone().unwrap_or_else(|| "-".to_owned());
    [entry.id(), site, entry.first_seen.clone(), entry.position.clone(), reason]
}

fn is_chosen(args: &ChosenRows) -> impl Fn(&Entry) -> bool {
    let rows = &args.rows;
    |entry| {
        rows.all
            || rows.ids.contains(&entry.id())
            || entry.site.as_ref().is_some_and(|site| rows.sites.contains(site))
    }
}

fn drop_rows(args: &ChosenRows, common: &CommonArgs) -> Result<Exit, Failure> {
    let config = Config::load(&args.table.config)?.table(&args.table.table)?.clone();
    let dir = state_dir::resolve(common.state_dir.as_deref())?;
    // The quarantine belongs to whoever holds the state's lock.
    let _opened = Store::open(&Options::default(), &dir, &config.table)
        .map_err(|error| Failure::new((&error).into(), error))?;
    let mut quarantine = Quarantine::open(&dir, &config.table).map_err(|error| unreadable(&error))?;
    let is_chosen = is_chosen(args);
    let mut chosen = Vec::new();
    let path = path_of(&dir, &config.table);
    let look = |entry| chosen.extend(Some(entry).filter(&is_chosen));
    let unreadable_lines = Quarantine::look_at(&path, look).map_err(|error| unreadable(&error))?;
    // They have neither site nor id.
    let unreadable_lines = if args.rows.all { unreadable_lines } else { 0 };
    let damaged = damaged_path_of(&path);
    if unreadable_lines > 0 {
        print::note(format_args!(
            "{}; they are moved into {}",
            no_rows(unreadable_lines, &path),
            damaged.display()
        ));
    }
    let unchanged = Changed::new(config.table.as_str(), chosen.len());
    let is_anything = !chosen.is_empty() || unreadable_lines > 0;
    let question = "Drop these rows? They are not sent, and not kept any more";
    if !agree(&chosen, is_anything, question, args, common)? {
        return if common.output == Output::Json { print::json(&unchanged) } else { Ok(Exit::Done) };
    }
    let keep = |entry| (!is_chosen(&entry)).then_some(entry);
    let edited = if args.rows.all { quarantine.edit_and_set_aside(keep) } else { quarantine.edit(keep) };
    let dropped = edited.map_err(|error| unreadable(&error))?;
    let changed = Changed { dropped, unreadable_lines, ..unchanged };
    if unreadable_lines > 0 {
        let moved = format_args!(
            "{dropped} rows were dropped, and {unreadable_lines} lines moved into {}",
            damaged.display()
        );
        return report(&changed, moved, common);
    }
    report(&changed, format_args!("{dropped} rows were dropped"), common)
}

/// Lines of the file that are no rows, in words.
fn no_rows(lines: u64, path: &Path) -> String {
    format!("{lines} lines of {} cannot be read as rows", path.display())
}

fn requeue(args: &ChosenRows, common: &CommonArgs) -> Result<Exit, Failure> {
    let config = Config::load(&args.table.config)?.table(&args.table.table)?.clone();
    let options = daemon::Options {
        once: true,
        only: None,
        fallback: None,
        state_dir: state_dir::resolve(common.state_dir.as_deref())?,
    };
    logging::start(common.level());
    let table = config.table.clone();
    let mut count = 0;
    let outcome = daemon::requeue(config, &options, is_chosen(args), |chosen| {
        count = chosen.len();
        let question = "Send these rows, where today's configuration allows it?";
        agree(chosen, !chosen.is_empty(), question, args, common).map_err(Failure::into_parts)
    });
    let RequeueOutcome { sent, stay, failures } =
        outcome.map_err(|(exit, message)| Failure::new(exit, message))?;
    for (site, error) in &failures {
        print::warn(format_args!("site {site}: {error}"));
    }
    let changed = Changed {
        sent: sent.rows,
        objects: sent.objects,
        stored_before: sent.stored_before,
        left_to_the_daemon: sent.left,
        stay,
        failed: failures.keys().map(ToString::to_string).collect(),
        ..Changed::new(table.as_str(), count)
    };
    let said = format_args!(
        "of {count} rows, {} are stored now, {} were stored before, {} will be read by the daemon itself, and {stay} \
         stay in quarantine, with the reason of today",
        sent.rows, sent.stored_before, sent.left
    );
    report(&changed, said, common)?;
    Ok(if failures.is_empty() { Exit::Done } else { Exit::SitesFailed })
}

impl<'a> Changed<'a> {
    fn new(table: &'a str, chosen: usize) -> Self {
        let (dropped, unreadable_lines, failed) = (0, 0, Vec::new());
        let (sent, objects, stored_before, left_to_the_daemon, stay) = (0, 0, 0, 0, 0);
        Self {
            schema: SCHEMA,
            table,
            chosen,
            dropped,
            unreadable_lines,
            sent,
            objects,
            stored_before,
            left_to_the_daemon,
            stay,
            failed,
        }
    }
}

/// Shows the rows and asks, if there is anything to do.
fn agree(
    chosen: &[Entry],
    is_anything: bool,
    question: &str,
    args: &ChosenRows,
    common: &CommonArgs,
) -> Result<bool, Failure> {
    if !is_anything {
        print::note(
            "no row in quarantine is meant by this; 'livecosmos quarantine list' shows them with their ids",
        );
        return Ok(false);
    }
    if common.output == Output::Table {
        let header = ["ID", "SITE", "FIRST SEEN", "POSITION", "REASON"];
        print::table(header, chosen.iter().take(ROWS_SHOWN_MAX).map(row))?;
        if let Some(more) = chosen.len().checked_sub(ROWS_SHOWN_MAX).filter(|more| *more > 0) {
            print::note(format_args!("and {more} more"));
        }
    }
    let agreed = confirm::ask(question, args.change.yes)?;
    if !agreed {
        print::note("nothing was changed");
    }
    Ok(agreed)
}

fn report(
    changed: &Changed<'_>,
    said: std::fmt::Arguments<'_>,
    common: &CommonArgs,
) -> Result<Exit, Failure> {
    if common.output == Output::Json {
        return print::json(changed);
    }
    print::note(said);
    Ok(Exit::Done)
}

fn unreadable(error: &QuarantineError) -> Failure {
    Failure::new(Exit::from(error), error)
}

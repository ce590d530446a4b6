//! `livecosmos backfill`: older rows that the sink does not hold.

use livecosmos_state::{
    Chain, ChainName, Cursor, Fill, FillKind, Site, SiteId, SourceFile, State, Tie, Time, Window,
};
use serde::Serialize;

use super::args::{BackfillArgs, CommonArgs, Output};
use super::print::{self, Failure};
use super::{confirm, state_dir};
use crate::clock::{Clock as _, SystemClock, just_before};
use crate::config::Config;
use crate::daemon::{self, NewFill, Outcome};
use crate::exit::Exit;
use crate::logging;

/// Version of the JSON below.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Filled<'a> {
    schema: u32,
    table: &'a str,
    fills: usize,
    objects: u64,
    rows: u64,
    /// Fills that are not done; the next run or daemon goes on with them.
    open: usize,
    failed: Vec<String>,
}

/// Sends what is missing, and says how much that was.
pub(super) fn run(args: &BackfillArgs, common: &CommonArgs) -> Result<Exit, Failure> {
    check_span(args.from, args.to)?;
    let config = Config::load(&args.config)?.table(&args.table)?.clone();
    let options = daemon::Options {
        once: true,
        only: None,
        fallback: None,
        state_dir: state_dir::resolve(common.state_dir.as_deref())?,
    };
    logging::start(common.level());
    let table = config.table.clone();
    let mut begun = 0;
    let outcome = daemon::fill(config, &options, |state| {
        let fills = plan(state, args)?;
        let agreed = agree(&fills, args, common).map_err(Failure::into_parts)?;
        let fills = if agreed { fills } else { Vec::new() };
        begun = fills.len();
        Ok(fills)
    });
    let outcome = outcome.map_err(|(exit, message)| Failure::new(exit, message))?;
    report(&outcome, table.as_str(), begun, common)
}

/// A span that ends before it begins is a slip of the pen, not a wish for nothing.
pub(super) fn check_span(from: Option<Time>, to: Option<Time>) -> Result<(), Failure> {
    match (from, to) {
        (Some(from), Some(to)) if to <= from => {
            let message =
                format!("--to {to} is not after --from {from}; nothing lies between them, correct one");
            Err(Failure::new(Exit::Usage, message))
        }
        _ => Ok(()),
    }
}

/// The fills that send what `args` ask for.
fn plan(state: &State, args: &BackfillArgs) -> Result<Vec<NewFill>, (Exit, String)> {
    if let Some(unknown) = args.sites.iter().find(|site| !state.sites.contains_key(site)) {
        let message =
            format!("site {unknown} is not known; run the table once, so that its live chain begins");
        return Err((Exit::Config, message));
    }
    let window = Window { first: args.from, end: args.to };
    let now = SystemClock.now();
    let wanted = |site: &&SiteId| args.sites.is_empty() || args.sites.contains(site);
    let mut fills = Vec::new();
    for (id, site) in state.sites.iter().filter(|(id, _)| wanted(id)) {
        for (number, (after, until)) in parts(state, site, window).into_iter().enumerate() {
            let chain = Chain { cursor: after.clone(), ..Chain::new() };
            let fill = Fill { kind: FillKind::Backfill, since: now, after, until, window, chain };
            fills.push(NewFill { site: id.clone(), chain: name("backfill", now, number), fill });
        }
    }
    Ok(fills)
}

/// The parts of the source behind which the live chain of `site` stands, as far as they may hold rows
/// of `window`: what lies ahead of it is the live chain's to send.
pub(super) fn parts(state: &State, site: &Site, window: Window) -> Vec<(Cursor, Cursor)> {
    let row = |time| Cursor::Row { time, tie: Tie::None };
    let reached = match site.live.passed.as_ref().unwrap_or(&site.live.cursor) {
        Cursor::File { .. } => return state.files.iter().filter_map(|file| in_file(file, site)).collect(),
        Cursor::Start if !state.files.is_empty() => {
            return state.files.iter().filter_map(|file| in_file(file, site)).collect();
        }
        Cursor::Start => site.floor.map(row),
        reached @ Cursor::Row { .. } => Some(reached.clone()),
    };
    let Some(reached) = reached else { return Vec::new() };
    let after = window.first.map_or(Cursor::Start, |first| row(just_before(first)));
    let until = match (&reached, window.end.map(just_before)) {
        (Cursor::Row { time, .. }, Some(end)) if end < *time => row(end),
        _ => reached,
    };
    vec![(after, until)]
}

fn in_file(file: &SourceFile, site: &Site) -> Option<(Cursor, Cursor)> {
    let ahead = site.ahead.iter().filter(|ahead| ahead.file == file.file).map(|ahead| ahead.offset).max();
    let offset = ahead.unwrap_or(0).max(file.covered);
    let at = |offset| Cursor::File { file: file.file, offset };
    (offset > 0).then(|| (at(0), at(offset)))
}

/// A name that no other chain has: that of the moment, and of the part.
pub(super) fn name(kind: &str, now: Time, number: usize) -> ChainName {
    let moment: String = now.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    let name = format!("{kind}-{}-{number}", moment.to_lowercase());
    ChainName::parse(&name).expect("a name of letters, digits and dashes")
}

fn agree(fills: &[NewFill], args: &BackfillArgs, common: &CommonArgs) -> Result<bool, Failure> {
    if fills.is_empty() {
        print::note("there is nothing behind the live chains that could be sent");
        return Ok(false);
    }
    if common.output == Output::Table {
        let shown = |time: Option<Time>, open: &str| time.map_or(open.to_owned(), |time| time.to_string());
        let row = |new: &NewFill| {
            let Window { first, end } = new.fill.window;
            [
                new.site.to_string(),
                shown(first, "the first row"),
                shown(end, "the live chain"),
                new.chain.to_string(),
            ]
        };
        print::table(["SITE", "FROM", "TO", "CHAIN"], fills.iter().map(row))?;
    }
    let agreed = confirm::ask("Send the rows of these spans that the sink does not hold?", args.yes)?;
    if !agreed {
        print::note("nothing was changed");
    }
    Ok(agreed)
}

fn report(outcome: &Outcome, table: &str, fills: usize, common: &CommonArgs) -> Result<Exit, Failure> {
    if let Some(error) = &outcome.error {
        return Err(Failure::new(Exit::from(error), error));
    }
    for (site, error) in &outcome.failures {
        print::warn(format_args!("site {site}: {error}"));
    }
    let Outcome { objects, rows, open, failures, .. } = outcome;
    if common.output == Output::Json {
        let failed = failures.keys().map(ToString::to_string).collect();
        print::json(&Filled {
            schema: SCHEMA,
            table,
            fills,
            objects: *objects,
            rows: *rows,
            open: *open,
            failed,
        })?;
    } else if *open > 0 {
        print::note(format_args!(
            "{rows} rows were missing and are stored now, in {objects} objects; {open} of {fills} fills are not done, \
             and the next run or daemon goes on with them"
        ));
    } else if fills > 0 {
        print::note(format_args!("{rows} rows were missing and are stored now, in {objects} objects"));
    }
    Ok(if failures.is_empty() && *open == 0 { Exit::Done } else { Exit::SitesFailed })
}

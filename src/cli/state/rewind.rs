//! `livecosmos state rewind`: sends rows again that were sent before, on chains of their own.

use std::collections::BTreeMap;
use std::path::Path;

use livecosmos_state::{
    Chain, ChainName, Cursor, Fill, FillKind, Site, SiteId, State, Tie, Time, Window, inspect,
};
use serde::Serialize;

use super::args::TableArgs;
use super::change::{Workplace, check_source, configured};
use crate::cli::args::{CommonArgs, Output};
use crate::cli::print::{self, Failure};
use crate::cli::state_dir;
use crate::clock::{Clock as _, SystemClock, just_after};
use crate::config::TableConfig;
use crate::exit::Exit;
use crate::sink::hex;
use crate::uploader::{Foreseen, foresee};

/// Version of the JSON below.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Rehearsed<'a> {
    schema: u32,
    table: &'a str,
    site: &'a str,
    fills: Vec<RehearsedFill>,
}

#[derive(Serialize)]
struct RehearsedFill {
    chain: String,
    after: String,
    until: String,
    rows: u64,
    first: Option<String>,
    last: Option<String>,
}

/// Adds the fills that send the rows behind `to` again.
pub(super) fn run(
    args: &TableArgs,
    site: &SiteId,
    to: Time,
    yes: bool,
    common: &CommonArgs,
) -> Result<Exit, Failure> {
    let workplace = Workplace::open("rewind", args, common)?;
    let plan = Plan {
        config: &workplace.config,
        state: workplace.state()?,
        instance: workplace.store.instance(),
        now: SystemClock.now(),
    };
    let new = plan.rewound(site, to)?.0;
    workplace.replace_by(new, yes)
}

/// Shows what that would send, by reading the source. Takes no lock.
pub(super) fn rehearse(
    args: &TableArgs,
    site: &SiteId,
    to: Time,
    common: &CommonArgs,
) -> Result<Exit, Failure> {
    let config = configured(args)?;
    let inspection = inspect(&state_dir::resolve(common.state_dir.as_deref())?, &config.table);
    if let Err(error) = &inspection.load {
        return Err(Failure::new(error.into(), error));
    }
    let whole = inspection.whole().ok_or_else(|| unknown_site(site, &config))?;
    check_source(&whole.state, &config)?;
    let now = SystemClock.now();
    let plan = Plan { config: &config, state: &whole.state, instance: whole.instance, now };
    let (rewound, names) = plan.rewound(site, to)?;
    let mut fills = Vec::new();
    for name in names {
        let failed = |error| Failure::new(Exit::from(&error), error);
        let mut source = config.source.open(config.shape.clone()).map_err(failed)?;
        let foreseen = foresee(&mut *source, &rewound, site, &name, now).map_err(failed)?;
        fills.extend(
            rewound.sites[site].fills.get(&name).map(|fill| RehearsedFill::of(&name, fill, foreseen)),
        );
    }
    if common.output == Output::Json {
        let (table, site) = (config.table.as_str(), site.as_str());
        return print::json(&Rehearsed { schema: SCHEMA, table, site, fills });
    }
    let rows = fills.into_iter().map(RehearsedFill::row);
    print::table(["CHAIN", "AFTER", "UNTIL", "ROWS", "FIRST", "LAST"], rows)
}

impl RehearsedFill {
    fn of(name: &ChainName, fill: &Fill, foreseen: Foreseen) -> Self {
        Self {
            chain: name.to_string(),
            after: fill.after.to_string(),
            until: fill.until.to_string(),
            rows: foreseen.rows,
            first: foreseen.first.map(|time| time.to_string()),
            last: foreseen.last.map(|time| time.to_string()),
        }
    }

    fn row(self) -> [String; 6] {
        let shown = |time: Option<String>| time.unwrap_or_else(|| "-".to_owned());
        [self.chain, self.after, self.until, self.rows.to_string(), shown(self.first), shown(self.last)]
    }
}

struct Plan<'a> {
    config: &'a TableConfig,
    state: &'a State,
    instance: [u8; 16],
    now: Time,
}

impl Plan<'_> {
    /// The state with the fills that send the site's rows behind `to` again, and their names.
    fn rewound(&self, id: &SiteId, to: Time) -> Result<(State, Vec<ChainName>), Failure> {
        let refused = |message| Failure::new(Exit::Config, message);
        let site = self.state.sites.get(id).ok_or_else(|| unknown_site(id, self.config))?;
        let Some(watermark) = site.last_data.filter(|watermark| *watermark > to) else {
            let watermark = site.last_data.map_or_else(|| "nothing".to_owned(), |time| time.to_string());
            return Err(refused(format!(
                "site {id} is stored up to {watermark}, and no row behind {to} was sent; give an earlier --to"
            )));
        };
        let ranges = self.ranges(site, to);
        if ranges.is_empty() {
            return Err(refused(format!(
                "no file of site {id} that was read is there any more; put one back under its name, and rewind then"
            )));
        }
        print::note(format_args!("rows of site {id} behind {to}, up to {watermark}, are to be sent again"));
        let fills = self.fills(site, ranges)?;
        let names = fills.keys().cloned().collect();
        let mut rewound = self.state.clone();
        rewound.sites.entry(id.clone()).or_default().fills.extend(fills);
        Ok((rewound, names))
    }

    /// Where rows lie that the site has sent: one stretch of a table, or each of its files.
    fn ranges(&self, site: &Site, to: Time) -> Vec<(Cursor, Cursor, Window)> {
        if !self.config.source.is_csv() {
            // What lies before the first run's floor was never sent.
            let after = Cursor::Row { time: site.floor.map_or(to, |floor| floor.max(to)), tie: Tie::None };
            return vec![(after, site.live.cursor.clone(), Window::default())];
        }
        let window = Window { first: Some(just_after(to)), end: None };
        let mut ranges = Vec::new();
        for known in &self.state.files {
            let ahead = site.ahead.iter().filter(|ahead| ahead.file == known.file).map(|ahead| ahead.offset);
            let until = ahead.max().unwrap_or(0).max(known.covered);
            if !Path::new(&known.path).exists() {
                print::warn(format_args!(
                    "{} is not there any more; what was read in it is not sent again",
                    known.path
                ));
            } else if until > 0 {
                let at = |offset| Cursor::File { file: known.file, offset };
                ranges.push((at(0), at(until), window));
            }
        }
        ranges
    }

    fn fills(
        &self,
        site: &Site,
        ranges: Vec<(Cursor, Cursor, Window)>,
    ) -> Result<BTreeMap<ChainName, Fill>, Failure> {
        let mut fills = BTreeMap::new();
        for (n, (after, until, window)) in ranges.into_iter().enumerate() {
            let name = self.name(n)?;
            if site.fills.contains_key(&name) {
                let message = format!("a fill of the name {name} is there already; try again in a second");
                return Err(Failure::new(Exit::Config, message));
            }
            let chain = Chain { cursor: after.clone(), ..Chain::new() };
            let kind = FillKind::Resend;
            fills.insert(name, Fill { kind, since: self.now, after, until, window, chain });
        }
        Ok(fills)
    }

    /// A name that no other chain has, also of a machine that was restored from a copy of this one at
    /// another time: `rewind-20261121t045634z-<8 digits of the instance>-<number>`.
    fn name(&self, n: usize) -> Result<ChainName, Failure> {
        let now = Time::new(self.now.seconds, 0).unwrap_or(self.now).to_string().to_lowercase();
        let compact: String = now.chars().filter(char::is_ascii_alphanumeric).collect();
        ChainName::parse(&format!("rewind-{compact}-{}-{n}", &hex(&self.instance)[..8]))
            .map_err(|error| Failure::new(Exit::Unexpected, error))
    }
}

fn unknown_site(site: &SiteId, config: &TableConfig) -> Failure {
    let message = format!(
        "nothing is known of site {site} in table {}; 'livecosmos state show' lists the sites there are",
        config.table
    );
    Failure::new(Exit::Config, message)
}

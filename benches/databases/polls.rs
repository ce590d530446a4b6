//! Statements of a poll, as the server logged them, and what a poll takes.

use std::path::PathBuf;
use std::time::Duration;

use crate::support::objects;
use crate::support::postgres::Postgres;
use crate::support::process::wait_until;
use crate::tables::source;
use crate::{COLUMNS, followed};

const WITHIN: Duration = Duration::from_mins(10);
/// Each statement with the time, in ms, and the session.
const LOGS: [&str; 3] = ["log_statement=all", "log_line_prefix=%a %n %p|", "autovacuum=off"];
/// With it a pass begins.
const LISTING: &str = "WITH RECURSIVE";

/// What the server saw of one poll.
#[derive(Debug, Default)]
struct Poll {
    /// Statements that read the table.
    reading: usize,
    /// Statements about the catalogue.
    catalogue: usize,
    /// All that was sent: these, and the begin, settings and end of transactions.
    all: usize,
    ms: f64,
}

/// Follows a table of so many sites; says what an idle poll costs, and one with a new row of each.
pub(crate) fn measure(sites: u32) {
    let server = Postgres::start_with(&LOGS);
    server.run(
        "CREATE TABLE met (site_id text NOT NULL, date_time timestamptz NOT NULL, id bigserial PRIMARY KEY, ta float8, \
         rh float8, ws float8); CREATE INDEX ON met (site_id, date_time, id)",
    );
    let grow = |minute: u32| {
        server.run(&format!(
            "INSERT INTO met ({COLUMNS}) SELECT 'SITE' || i, timestamptz '2025-01-01 00:00:00Z' + {minute} * interval '1 minute', \
             nextval('met_id_seq'), 1.5, 50, 3.25 FROM generate_series(1, {sites}) AS i"
        ));
    };
    grow(0);
    let workdir = followed(&source("postgres", &server.url()));
    let daemon = workdir.livecosmos().table("met").spawn();
    let log = Log(server.folder().join("server.log"));
    let wait_for = |objects: usize| {
        let what = format!("{objects} objects");
        wait_until(&what, WITHIN, || {
            std::thread::sleep(Duration::from_millis(200));
            (objects::in_folder(&workdir.path("stored")).len() >= objects).then_some(())
        });
    };
    wait_for(sites as usize);
    let idle = log.last_whole_poll_after(log.len());
    let begun = log.len();
    grow(1);
    wait_for(2 * sites as usize);
    let with_rows = log.first_whole_poll_with_rows(begun);
    say(sites, "idle", &idle);
    say(sites, "one row a site", &with_rows);
    let rows = objects::rows(&objects::in_folder(&workdir.path("stored")));
    assert_eq!(rows.len(), 2 * sites as usize);
    drop(daemon);
}

fn say(sites: u32, what: &str, poll: &Poll) {
    let Poll { reading, catalogue, all, ms } = poll;
    println!(
        "  {sites:6} sites, {what:<16} {reading} of the table, {catalogue} of the catalogue, {all} round trips in all; {ms:.0} ms"
    );
}

struct Log(PathBuf);

impl Log {
    fn len(&self) -> usize {
        self.text().len()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.0).expect("the server's log")).into_owned()
    }

    /// Waits for a poll that begins and ends behind `from`.
    fn last_whole_poll_after(&self, from: usize) -> Poll {
        wait_until("a whole poll", WITHIN, || self.polls(from).pop())
    }

    fn first_whole_poll_with_rows(&self, from: usize) -> Poll {
        wait_until("a poll with rows", WITHIN, || {
            // The first of them may have begun when rows were not there yet.
            self.polls(from).into_iter().find(|poll| poll.catalogue > 0)
        })
    }

    /// The polls from `from` on of which the next has begun: the session that lists first is that of the live pass.
    fn polls(&self, from: usize) -> Vec<Poll> {
        let text = self.text();
        let whole = text.get(from..).unwrap_or_default();
        let lines: Vec<Line> = whole.lines().filter_map(Line::read).collect();
        let live = text.lines().filter_map(Line::read).find(|line| line.statement.contains(LISTING));
        let Some(live) = live else { return Vec::new() };
        let is_start = |line: &Line| line.session == live.session && line.statement.contains(LISTING);
        let starts = lines.iter().enumerate().filter(|(_, line)| is_start(line));
        // A transaction begins and is prepared before it lists.
        let starts: Vec<usize> = starts.filter_map(|(at, _)| at.checked_sub(2)).collect();
        starts.windows(2).map(|pair| Poll::of(&lines[pair[0]..pair[1]])).collect()
    }
}

impl Poll {
    fn of(lines: &[Line]) -> Self {
        let count = |is: fn(&str) -> bool| lines.iter().filter(|line| is(line.statement)).count();
        let ms = match lines {
            [first, .., last] => last.at_ms - first.at_ms,
            _ => 0.0,
        };
        Self {
            reading: count(|statement| statement.contains("\"met\"")),
            catalogue: count(|statement| statement.contains("pg_catalog.")),
            all: lines.len(),
            ms,
        }
    }
}

/// A statement of the daemon.
struct Line<'t> {
    at_ms: f64,
    session: &'t str,
    statement: &'t str,
}

impl<'t> Line<'t> {
    fn read(line: &'t str) -> Option<Self> {
        let (who, said) = line.strip_prefix("livecosmos ")?.split_once('|')?;
        let (at, session) = who.split_once(' ')?;
        let said = said.strip_prefix("LOG:  ")?;
        let is_statement = said.starts_with("statement: ") || said.starts_with("execute ");
        let at_ms = at.parse::<f64>().ok()? * 1_000.0;
        is_statement.then_some(Self { at_ms, session, statement: said })
    }
}

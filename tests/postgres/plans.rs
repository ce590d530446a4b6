//! What the server does to find new rows, as it logged it itself: it follows the index, whether or not it
//! has statistics, sorts nothing that the index has in order, and reads nothing that is stored already.

use std::path::PathBuf;

use crate::support::daemon::{Workdir, workdir};
use crate::support::objects;
use crate::support::postgres::Postgres;

const SITES: i64 = 50;
const TABLE: &str =
    "CREATE TABLE met (id bigint NOT NULL, site_id text NOT NULL, date_time timestamptz NOT NULL, ta float8)";
/// The server tells each plan with what came of it, and who asked; statistics are made only when we say so.
const TELLS_PLANS: [&str; 8] = [
    "session_preload_libraries=auto_explain",
    "auto_explain.log_min_duration=0",
    "auto_explain.log_analyze=on",
    "auto_explain.log_timing=off",
    "log_line_prefix=%a|",
    "autovacuum=off",
    "log_timezone=UTC",
    "max_wal_size=4GB",
];

/// A table as a pass may meet it.
struct Case {
    rows: i64,
    /// What was done before the index was made, and after.
    before: &'static str,
    index: &'static str,
    after: &'static str,
    /// Where rows find their site.
    site: &'static str,
}

impl Case {
    fn by_site(rows: i64) -> Self {
        let index = "CREATE INDEX ON met (site_id, date_time, id)";
        Self { rows, before: "", index, after: "", site: "site_column = \"site_id\"" }
    }
}

/// A plan as the server logged it.
#[derive(Debug)]
struct Plan {
    text: String,
}

impl Plan {
    /// The names of its nodes.
    fn nodes(&self) -> impl Iterator<Item = &str> {
        let nodes = self.text.lines().filter(|line| line.contains("(cost="));
        nodes.map(|line| line.trim_start().trim_start_matches("->").trim_start())
    }

    /// Rows that were read of the table and thrown away.
    fn wasted(&self) -> i64 {
        let told = self.text.lines().filter_map(|line| line.trim().strip_prefix("Rows Removed by Filter: "));
        told.map(|number| number.parse::<i64>().expect("a number")).sum()
    }

    fn assert_follows_the_index(&self) {
        for node in self.nodes() {
            assert!(!node.starts_with("Seq Scan on met"), "all of the table is read: {}", self.text);
            assert!(!node.starts_with("Bitmap"), "rows come out of order: {}", self.text);
        }
        let nodes: Vec<&str> = self.nodes().collect();
        let sorted = nodes.windows(2).filter(|pair| pair[0].starts_with("Sort ")).map(|pair| pair[1]);
        for node in sorted {
            // The ties of one time are sorted: each site has one row of it here.
            let rows = node.split_once("actual rows=").and_then(|(_, rest)| rest.split(' ').next());
            let rows: Option<i64> = rows.and_then(|rows| rows.parse().ok());
            assert!(
                rows.is_some_and(|rows| rows <= SITES),
                "what the index has in order is sorted: {}",
                self.text
            );
        }
        assert!(self.nodes().any(|node| node.starts_with("Index")), "no index is used: {}", self.text);
    }
}

struct Scene {
    server: Postgres,
    workdir: Workdir,
    rows: i64,
}

impl Scene {
    fn of(case: &Case) -> Self {
        let server = Postgres::start_with(&TELLS_PLANS);
        let Case { rows, before, index, after, site } = case;
        server.run(TABLE);
        insert(&server, 0, *rows);
        server.run(&format!("{before}; {index}; {after}"));
        let workdir = following(&server, site);
        Self { server, workdir, rows: *rows }
    }

    /// Stores what there is, and gives the plans of the statements about the table.
    fn plans(&self) -> Vec<Plan> {
        let before = self.log().len();
        let _ = self.workdir.livecosmos().table("met").arg("--once").run().expect_code(0);
        let log = self.log().split_off(before);
        let told = log.split("livecosmos|LOG:  duration: ").skip(1);
        let plans = told.filter(|text| text.contains("\"met\"")).map(|text| Plan { text: text.to_owned() });
        let plans: Vec<Plan> = plans.collect();
        assert!(plans.len() >= 2, "a listing and a reading at least: {log}");
        plans
    }

    fn log(&self) -> String {
        let path: PathBuf = self.server.folder().join("server.log");
        String::from_utf8_lossy(&std::fs::read(path).expect("the server's log")).into_owned()
    }

    fn stored(&self) -> i64 {
        let stored = objects::rows(&objects::in_folder(&self.workdir.path("stored")));
        i64::try_from(stored.len()).expect("few")
    }

    /// Adds one row a site.
    fn grow(&mut self) {
        insert(&self.server, self.rows, self.rows + SITES);
        self.rows += SITES;
    }
}

/// A folder that follows the table of `server`, with a short window for late rows.
fn following(server: &Postgres, site: &str) -> Workdir {
    workdir(&format!(
        "[source]\nkind = \"postgres\"\nurl = \"{}\"\n[sink]\nurl = \"file://./stored\"\n[upload]\nformat = \"ndjson\"\n\
         [poll]\nfallback = \"all\"\nlookback = \"10s\"\ncatch_up_after = \"366d\"\n[tables.met]\n{site}\n\
         time_column = \"date_time\"\ntie_column = \"id\"\n",
        server.url()
    ))
}

/// Rows `first` up to before `last`, of all sites in turn, each site's a second apart.
fn insert(server: &Postgres, first: i64, last: i64) {
    server.run(&format!(
        "INSERT INTO met SELECT i, 'SITE' || i % {SITES}, timestamptz '2025-01-01 00:00:00Z' + i / {SITES} * interval '1 second', \
         i / 7.0 FROM generate_series({first}, {last} - 1) AS i"
    ));
}

/// A backlog and then what was added are read by the index, and of what is stored no more than the window
/// in which late rows are looked for.
fn assert_reads_what_is_new(case: &Case) {
    let mut scene = Scene::of(case);
    for plan in scene.plans() {
        plan.assert_follows_the_index();
    }
    assert_eq!(scene.stored(), scene.rows);
    scene.grow();
    for plan in scene.plans() {
        plan.assert_follows_the_index();
        assert!(plan.wasted() <= 20 * SITES, "rows are read for nothing: {}", plan.text);
    }
    assert_eq!(scene.stored(), scene.rows);
}

const FEW: i64 = 30_000;
const MANY: i64 = 1_000_000;

#[test]
fn without_statistics_the_index_is_followed() {
    assert_reads_what_is_new(&Case::by_site(FEW));
}

#[test]
fn with_statistics_the_index_is_followed() {
    assert_reads_what_is_new(&Case { after: "ANALYZE met", ..Case::by_site(FEW) });
}

#[test]
fn an_index_that_was_made_after_the_statistics_is_followed() {
    assert_reads_what_is_new(&Case { before: "ANALYZE met", ..Case::by_site(FEW) });
}

#[test]
fn without_the_tie_in_the_index_only_rows_of_one_time_are_sorted() {
    let index = "CREATE INDEX ON met (site_id, date_time)";
    assert_reads_what_is_new(&Case { index, ..Case::by_site(FEW) });
    assert_reads_what_is_new(&Case { index, after: "ANALYZE met", ..Case::by_site(FEW) });
}

#[test]
fn a_table_of_one_site_is_read_by_its_index_on_time() {
    let index = "CREATE INDEX ON met (date_time)";
    let case = Case { index, site: "site = \"ALL\"", ..Case::by_site(FEW) };
    assert_reads_what_is_new(&case);
    assert_reads_what_is_new(&Case { after: "ANALYZE met", ..case });
}

#[test]
#[ignore = "minutes; part of make torture"]
fn a_large_table_is_read_by_its_index_with_and_without_statistics() {
    assert_reads_what_is_new(&Case::by_site(MANY));
    assert_reads_what_is_new(&Case { after: "VACUUM ANALYZE met", ..Case::by_site(MANY) });
    assert_reads_what_is_new(&Case { before: "ANALYZE met", ..Case::by_site(MANY) });
}

#[test]
fn with_an_index_on_time_alone_reading_begins_where_the_sites_stand() {
    let index = "CREATE INDEX ON met (date_time)";
    let mut scene = Scene::of(&Case { index, ..Case::by_site(FEW) });
    let _ = scene.plans();
    scene.grow();
    let plans = scene.plans();
    let mut readings = plans.iter().filter(|plan| plan.text.contains("ORDINALITY"));
    assert!(
        readings.all(|plan| {
            let node = plan.text.lines().find(|line| line.contains("Index Scan using met_date_time_idx"));
            let read = node.and_then(|node| node.split_once("actual rows=")?.1.split_once(' '));
            // A window of 10 s for late rows, and what is new.
            read.is_some_and(|(rows, _)| rows.parse::<i64>().is_ok_and(|rows| rows <= 20 * SITES))
        }),
        "{plans:?}"
    );
    assert_eq!(scene.stored(), scene.rows);
}

/// A run that stores one new row of each site.
struct Run {
    /// What the server was sent.
    sent: Vec<String>,
    /// What livecosmos logged.
    said: String,
}

fn run_of(sites: u32) -> Run {
    let server = Postgres::start_with(&["log_statement=all", "log_line_prefix=%a|"]);
    server.run(TABLE);
    server.run("CREATE INDEX ON met (site_id, date_time, id)");
    let workdir = following(&server, "site_column = \"site_id\"");
    let log = server.folder().join("server.log");
    let (mut before, mut said) = (0, String::new());
    for minute in 0..2 {
        server.run(&format!(
            "INSERT INTO met SELECT {minute} * 1000 + i, 'SITE' || i, \
             timestamptz '2025-01-01 00:00:00Z' + {minute} * interval '1 minute', 0.5 FROM generate_series(1, {sites}) AS i"
        ));
        before = std::fs::read(&log).expect("the server's log").len();
        let run = workdir.livecosmos().table("met").arg("--once").env("LIVECOSMOS_LOG", "debug").run();
        said = run.expect_code(0).stderr;
    }
    let text = std::fs::read(&log).expect("the server's log").split_off(before);
    let lines = String::from_utf8_lossy(&text);
    let sent = lines.lines().filter_map(|line| line.strip_prefix("livecosmos|LOG:  "));
    let sent = sent.filter(|said| said.starts_with("statement:") || said.starts_with("execute"));
    Run { sent: sent.map(str::to_owned).collect(), said }
}

#[test]
fn a_run_sends_as_many_statements_for_many_sites_as_for_few() {
    let (few, many) = (run_of(3).sent, run_of(200).sent);
    assert!(few.iter().any(|statement| statement.contains("ORDINALITY")), "{few:?}");
    assert_eq!(few, many);
}

#[test]
fn the_statements_that_are_logged_are_those_that_the_server_was_sent() {
    let Run { sent, said } = run_of(10);
    let told = said.lines().filter(|line| line.contains(" looked "));
    let told = told.filter_map(|line| line.split_once(" statements=")?.1.split(' ').next());
    let told: usize = told.map(|number| number.parse::<usize>().expect("a number")).sum();
    assert_eq!(
        told,
        sent.iter().filter(|statement| statement.contains("\"met\"")).count(),
        "{said}\n{sent:?}"
    );
    // A listing and a reading, of what is live and of what may be late.
    assert_eq!(told, 4, "{said}");
}

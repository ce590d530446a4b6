//! What following a table of a database costs: rows/s of a backlog from each database to ndjson objects in
//! S3, beside what the server's own COPY does in the same run; and statements a poll, by the number of sites.
//!
//! The table is narrow: site, time, id and three floats; 1,000,000 rows of 50 sites
//! (`LIVECOSMOS_BENCH_ROWS` for another number).
#![expect(clippy::print_stdout, reason = "its table is for people")]

#[path = "../tests/support/mod.rs"]
mod support;

#[path = "databases/polls.rs"]
mod polls;
#[path = "databases/stages.rs"]
mod stages;
#[path = "databases/tables.rs"]
mod tables;

use std::io::BufRead as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use livecosmos::source::postgres::Settings;
use support::daemon::{Livecosmos, Workdir, workdir};
use support::postgres::{Postgres, program};
use support::s3s::{self, S3s};

const SITES: u32 = 50;
const COLUMNS: &str = "site_id, date_time, id, ta, rh, ws";
/// Of so many measurements the fastest counts: others use this machine too.
const TRIES: usize = 3;

fn main() {
    // `cargo test` runs benches too, to see that they start.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let rows =
        std::env::var("LIVECOSMOS_BENCH_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    println!("{rows} rows of {SITES} sites, 6 columns; the fastest of {TRIES} runs\n");
    let postgres = tables::postgres(rows);
    let limit = limits(&postgres, rows);
    println!("\nstages: the source alone, and with what encodes its rows on the same thread; PostgreSQL");
    stage("source", &postgres, rows, false, limit);
    stage("source, ndjson, SHA-256", &postgres, rows, true, limit);
    println!("\nend to end: livecosmos --once, a backlog to ndjson objects in S3 (s3s-fs)");
    backlog("PostgreSQL", &tables::source("postgres", &postgres.url()), rows, limit);
    drop(postgres);
    let mariadb = tables::mariadb(rows);
    backlog("MariaDB", &tables::source("mariadb", &mariadb.url()), rows, limit);
    drop(mariadb);
    let folder = tempfile::tempdir().expect("a temporary folder");
    backlog("SQLite", &tables::sqlite(&folder.path().join("met.db"), rows), rows, limit);
    println!("\nstatements and time of a poll, live and late rows together; PostgreSQL");
    for sites in [10, 1_000, 10_000] {
        polls::measure(sites);
    }
}

/// What the server can do at best: its own COPY, piped to nothing.
fn limits(server: &Postgres, rows: u32) -> Duration {
    println!("limits of this machine: psql -c \"COPY (SELECT …) TO STDOUT\"");
    let copy = |what: &str, order: &str| {
        let took = fastest(|| {
            let sql = format!("COPY (SELECT {COLUMNS} FROM met{order}) TO STDOUT");
            let mut psql = Command::new(program("psql"));
            psql.args(["-Xq", "-d", &server.url(), "-c", &sql]).stdin(Stdio::null()).stdout(Stdio::null());
            let begun = Instant::now();
            assert!(psql.status().is_ok_and(|status| status.success()), "psql copies");
            begun.elapsed()
        });
        println!(
            "  {what:<28} {:7.2} s {:9.0} rows/s",
            took.as_secs_f64(),
            f64::from(rows) / took.as_secs_f64()
        );
        took
    };
    let limit = copy("as the rows lie", "");
    copy("in order of site and time", " ORDER BY site_id, date_time, id");
    limit
}

fn stage(what: &str, server: &Postgres, rows: u32, encodes: bool, limit: Duration) {
    let open = |shape| Settings::from_url(&server.url(), None).expect("a URL").open(shape);
    let s = fastest(|| stages::read(open, rows, encodes)).as_secs_f64();
    let share = 100.0 * limit.as_secs_f64() / s;
    println!("  {what:<28} {s:7.2} s {:9.0} rows/s  {share:3.0} % of COPY", f64::from(rows) / s);
}

fn fastest(mut run: impl FnMut() -> Duration) -> Duration {
    (0..TRIES).map(|_| run()).min().expect("at least one")
}

/// Sends the whole table and says how long that took, and with how much memory.
fn backlog(name: &str, source: &str, rows: u32, limit: Duration) {
    let mut rss_mib = 0;
    let took = fastest(|| {
        let store = s3s::start();
        let workdir = workdir(&config(source, &in_s3(&store)));
        let run = workdir.livecosmos().table("met").arg("--once").credentials(&store);
        let (took, peak_mib) = run_to_its_end(&run);
        rss_mib = rss_mib.max(peak_mib);
        assert_eq!(stored_rows(&store), rows as usize, "all rows are stored");
        took
    });
    let s = took.as_secs_f64();
    println!(
        "  {name:<28} {s:7.2} s {:9.0} rows/s  {:3.0} % of COPY, peak RSS {rss_mib} MiB",
        f64::from(rows) / s,
        100.0 * limit.as_secs_f64() / s
    );
}

fn stored_rows(store: &S3s) -> usize {
    // What the start-up probe put is no row.
    let objects = store.objects().into_iter().filter(|(key, _)| key.starts_with("raw/SITE"));
    let lines = objects.map(|(_, path)| {
        let bytes = std::fs::read(path).expect("an object");
        bytes.lines().count()
    });
    lines.sum()
}

/// Rows of one backlog are one chain: nothing is put aside for a fill.
fn config(source: &str, sink: &str) -> String {
    format!(
        "[source]\n{source}\n[sink]\n{sink}[upload]\nformat = \"ndjson\"\ncompression = \"none\"\n[poll]\n\
         fallback = \"all\"\ncatch_up_after = \"366d\"\ninterval = \"3s\"\n[tables.met]\nsite_column = \"site_id\"\n\
         time_column = \"date_time\"\ntie_column = \"id\"\n"
    )
}

fn in_s3(store: &S3s) -> String {
    format!(
        "url = \"s3://{}/raw\"\n[sink.s3]\nendpoint = \"{}\"\nregion = \"us-east-1\"\npath_style = true\n",
        store.bucket(),
        store.endpoint()
    )
}

/// Runs the binary to its end; gives its time and the peak of its memory.
fn run_to_its_end(command: &Livecosmos) -> (Duration, u64) {
    let begun = Instant::now();
    let mut running = command.spawn();
    let mut peak_kib = 0;
    while running.is_running() {
        peak_kib = peak_kib.max(peak_rss_kib(running.pid()));
        std::thread::sleep(Duration::from_millis(5));
    }
    let took = begun.elapsed();
    let _ = running.wait().expect_code(0);
    (took, peak_kib / 1024)
}

fn peak_rss_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or(0)
}

/// A folder that follows `source`, and stores beside its configuration: a server that lists all its keys for
/// each new site would be what is measured.
fn followed(source: &str) -> Workdir {
    workdir(&config(source, "url = \"file://./stored\"\n"))
}

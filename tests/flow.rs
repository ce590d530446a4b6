//! What a sink is asked, and how fast: limits, storms of refusals, outages. Real servers, and the binary driven
//! from outside.
#![allow(clippy::print_stdout, reason = "says what was measured")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::daemon::{Livecosmos, Workdir, workdir};
use support::front::{Fault, Front};
use support::http::Message;
use support::process::wait_until;
use support::receiver::Receiver;
use support::scripted::{Scripted, answer};
use support::{objects, s3s};

const SOON: Duration = Duration::from_mins(2);
/// Far more than are asked at once.
const SITES: usize = 200;

/// A folder whose `T.csv` goes to `sink`, with `upload` and `poll` in these sections.
fn sending(sink: &str, upload: &str, poll: &str) -> Workdir {
    let workdir = workdir(&format!(
        "[source]\nkind = \"csv\"\npath = \"T.csv\"\n{sink}\n[upload]\nformat = \"ndjson\"\n{upload}\n\
         [poll]\nfallback = \"all\"\n{poll}\n[tables.T]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\n"
    ));
    workdir.write("T.csv", "SITE,TIME,N\n");
    workdir
}

/// One row of each site; `N` is another in each row.
fn add_rows(workdir: &Workdir, round: usize) {
    let row = |site| format!("S{site},2025-01-01 00:{round:02}:00,{}\n", round * SITES + site);
    workdir.append("T.csv", (0..SITES).map(row).collect::<String>());
}

fn follow(workdir: &Workdir) -> Livecosmos {
    workdir.livecosmos().table("T").env("LIVECOSMOS_LOG", "livecosmos=debug")
}

fn numbers(rows: &[objects::StoredRow]) -> Vec<usize> {
    let mut numbers: Vec<usize> = rows.iter().map(|row| row.text("N").parse().expect("a number")).collect();
    numbers.sort_unstable();
    numbers
}

/// Answers with 502 while `is_away`, and counts what it is asked meanwhile.
fn server_that_goes_away() -> (Scripted, Arc<AtomicBool>, Arc<AtomicUsize>) {
    let (is_away, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (away, counted) = (Arc::clone(&is_away), Arc::clone(&asked));
    let server = Scripted::start(move |_: &Message| {
        if !away.load(Ordering::SeqCst) {
            return answer(204, &[], "");
        }
        counted.fetch_add(1, Ordering::SeqCst);
        answer(502, &[], "the gateway has nobody behind it")
    });
    (server, is_away, asked)
}

/// Rows that `server` was sent, of each batch once.
fn sent(server: &Scripted) -> usize {
    let requests = server.requests();
    let by_key: BTreeMap<Option<&str>, usize> = requests
        .iter()
        .map(|request| (request.header("idempotency-key"), request.text().lines().count()))
        .collect();
    by_key.values().sum()
}

#[test]
fn an_outage_is_told_once_asks_little_and_loses_no_row() {
    let (server, is_away, asked) = server_that_goes_away();
    let sink = format!("[sink]\nurl = \"{}/rows\"", server.url());
    let workdir = sending(&sink, "", "interval = \"1s\"\njitter = \"0s\"");
    add_rows(&workdir, 0);
    let path = workdir.path("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(SOON)).expect("a deadline");
    let mut daemon = follow(&workdir).env("NOTIFY_SOCKET", &path).spawn();
    daemon.wait_for_stderr("probes=1", SOON);
    add_rows(&workdir, 1);
    daemon.wait_for_stderr("probes=3", SOON);
    let asked_meanwhile = asked.load(Ordering::SeqCst);
    is_away.store(false, Ordering::SeqCst);
    wait_until("all rows", SOON, || (sent(&server) >= 2 * SITES).then_some(()));
    let mut told = Vec::new();
    while !told.iter().any(|it: &String| it.contains("answers again")) {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).expect("systemd hears of the end");
        told.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    daemon.terminate();
    let said = daemon.wait().expect_code(0).stderr;

    println!("{SITES} sites: {asked_meanwhile} requests during the outage");
    // As many as were under way when it began, and three probes.
    assert!((8..=16 + 4).contains(&asked_meanwhile), "{asked_meanwhile}");
    assert_eq!(said.matches("nothing more is asked of it").count(), 1, "{said}");
    assert_eq!(said.matches("site failed").count(), 0, "{said}");
    let statuses: Vec<&String> = told.iter().filter(|it| it.contains("STATUS=")).collect();
    let of_outage = |it: &&&String| it.contains("STATUS=since 2") && it.contains("the gateway has nobody");
    assert_eq!(statuses.iter().filter(of_outage).count(), 1, "{statuses:?}");
    let before = server.requests().len();
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    assert_eq!(
        (sent(&server), server.requests().len()),
        (2 * SITES, before),
        "each row arrived, and none is left"
    );
}

#[test]
fn a_run_that_finds_the_sink_away_says_so_soon_and_asks_little() {
    let (server, _, asked) = server_that_goes_away();
    let workdir = sending(&format!("[sink]\nurl = \"{}/rows\"", server.url()), "", "");
    add_rows(&workdir, 0);
    let began = Instant::now();
    let said = follow(&workdir).arg("--once").run().expect_code(69).stderr;
    println!("{SITES} sites: {} requests, {:?}", asked.load(Ordering::SeqCst), began.elapsed());
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    assert!(asked.load(Ordering::SeqCst) <= 40, "{}", asked.load(Ordering::SeqCst));
    assert!(said.contains("the gateway has nobody behind it"), "{said}");
}

#[test]
fn a_storm_of_slow_down_is_ridden_out_with_fewer_requests_at_once() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let mut puts = 0;
    front.set_rule(move |request| {
        if request.method() != "PUT" || request.target().contains(".livecosmos") {
            return Fault::None;
        }
        puts += 1;
        // The first hundred and fifty: two of three.
        if puts <= 150 && puts % 3 != 0 { Fault::Answer(503) } else { Fault::None }
    });
    let sink = format!(
        "[sink]\nurl = \"s3://{}\"\n[sink.s3]\nendpoint = \"{}\"\npath_style = true\nallow_http = true",
        server.bucket(),
        front.endpoint()
    );
    let workdir = sending(&sink, "", "interval = \"1s\"");
    add_rows(&workdir, 0);
    let mut daemon = workdir.livecosmos().table("T").credentials(&server).spawn();
    let stored = || numbers(&objects::rows(&objects::in_bucket(server.client(), "S")));
    wait_until("all rows", SOON, || (stored().len() >= SITES).then_some(()));
    daemon.terminate();
    let said = daemon.wait().expect_code(0).stderr;
    assert_eq!(stored(), (0..SITES).collect::<Vec<_>>());
    assert_eq!(said.matches("fewer requests are made at once").count(), 1, "{said}");
}

/// Some 4 MiB, of one site.
fn add_much(workdir: &Workdir) -> usize {
    let text = "x".repeat(1000);
    let row = |n: usize| format!("A,2025-01-01 {:02}:{:02}:{:02},{n}{text}\n", n / 3600, n / 60 % 60, n % 60);
    let rows: String = (0..4000).map(row).collect();
    let bytes = rows.len();
    workdir.append("T.csv", rows);
    bytes
}

#[test]
fn a_limit_of_bytes_a_second_is_kept_and_the_bytes_are_the_same() {
    let limit = "bytes_per_second_max = \"1 MiB\"\n";
    let server = s3s::start();
    let receiver = Receiver::start();
    let over_s3 = format!(
        "[sink]\nurl = \"s3://{}\"\n{limit}[sink.s3]\nendpoint = \"{}\"\npath_style = true\nallow_http = true",
        server.bucket(),
        server.endpoint()
    );
    let over_http = format!("[sink]\nurl = \"{}\"\n{limit}", receiver.url());
    let over_folder = format!("[sink]\nurl = \"file://./stored\"\n{limit}");
    // One object where its body leaves at that pace, some where each leaves whole.
    let runs = [("S3", over_s3, 4000), ("HTTP", over_http, 4000), ("folder", over_folder, 1000)];
    let runs = runs.map(|(name, sink, batch_rows)| {
        let workdir = sending(&sink, &format!("batch_rows_max = {batch_rows}"), "");
        let bytes = add_much(&workdir);
        (name, bytes, Instant::now(), follow(&workdir).credentials(&server).arg("--once").spawn(), workdir)
    });
    for (name, bytes, began, run, workdir) in runs {
        let _ = run.wait().expect_code(0);
        let took = began.elapsed().as_secs_f64();
        println!("{name}: {bytes} bytes of values in {took:.2} s");
        let rows = match name {
            "S3" => objects::rows(&objects::in_bucket(server.client(), "A")),
            "HTTP" => objects::rows(&receiver.batches()),
            _ => objects::rows(&objects::in_folder(&workdir.path("stored"))),
        };
        let values: BTreeSet<String> = rows.iter().map(|row| row.text("N")).collect();
        assert_eq!((rows.len(), values.len()), (4000, 4000), "{name}");
        // 4 MiB and some: a second's worth at once, and of a folder the last object.
        let least = if name == "folder" { 1.9 } else { 2.9 };
        assert!((least..20.0).contains(&took), "{name}: {took} s");
    }
}

#[test]
fn a_limit_of_requests_a_second_holds_for_all_tables_of_a_sink() {
    let server = Scripted::start(|_| answer(204, &[], ""));
    let workdir = workdir(&format!(
        "[source]\nkind = \"csv\"\npath = \"T.csv\"\n[sink]\nurl = \"{}/{{table}}\"\n\
         requests_per_second_max = 50\n[upload]\nformat = \"ndjson\"\n[poll]\nfallback = \"all\"\n\
         [tables.T]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\n\
         [tables.U]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\n",
        server.url()
    ));
    workdir.write("T.csv", "SITE,TIME,N\n");
    add_rows(&workdir, 0);
    let began = Instant::now();
    let _ = workdir.livecosmos().arg("all").arg("--once").run().expect_code(0);
    let took = began.elapsed().as_secs_f64();
    assert_eq!(server.requests().len(), 2 * SITES);
    println!("{} requests in {took:.2} s", 2 * SITES);
    assert!(took >= 6.9, "400 at 50 a second, the first 50 at once: {took} s");
}

#[test]
fn who_waits_for_a_run_does_not_wait_for_the_jitter() {
    let poll = "interval = \"1h\"\njitter = \"1h\"";
    let workdir = sending("[sink]\nurl = \"file://./stored\"", "", poll);
    add_rows(&workdir, 0);
    let run = |option: &str| {
        let running = follow(&workdir).arg(option).spawn();
        running.wait_within(SOON).unwrap_or_else(|cut| panic!("{option} waits:\n{}", cut.stderr))
    };
    let _ = run("--dry-run").expect_code(0);
    let _ = run("--once").expect_code(0);
    add_rows(&workdir, 1);
    let mut daemon = follow(&workdir).spawn();
    daemon.wait_for_stderr("jitter spreads a fleet", SOON);
    daemon.terminate();
    let _ = daemon.wait().expect_code(0);
    let rows = objects::rows(&objects::in_folder(&workdir.path("stored")));
    assert_eq!(rows.len(), SITES, "a daemon waits for its turn");
}

//! The daemon as systemd runs it: it follows what is appended, drains when told to stop, waits out a
//! full disk, tells how it is; and what it holds in memory does not grow with the backlog.
#![allow(clippy::print_stdout, reason = "says what was measured and what was skipped")]

mod data;
mod support;

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use support::daemon::{Livecosmos, Workdir, workdir};
use support::process::wait_until;
use support::{objects, s3s};

const SOON: Duration = Duration::from_mins(2);

fn config(sink: &str) -> String {
    format!(
        "[source]\nkind = \"csv\"\npath = \"{{table}}.csv\"\n{sink}\n[upload]\nformat = \"ndjson\"\n\
         [poll]\ninterval = \"200ms\"\nfallback = \"all\"\n\
         [tables.T]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"\n"
    )
}

fn folder_config() -> String {
    config("[sink]\nurl = \"file://./stored\"")
}

fn row(number: u32) -> String {
    format!(
        "S{},2025-01-{:02} {:02}:{:02}:00,{number}\n",
        number % 3,
        number / 1440 % 28 + 1,
        number / 60 % 24,
        number % 60
    )
}

fn rows(numbers: std::ops::Range<u32>) -> String {
    numbers.map(row).collect()
}

const HEADER: &str = "SITE_ID,DATE_TIME,N\n";

/// The numbers of all stored rows, sorted.
fn stored(workdir: &Workdir) -> Vec<u32> {
    let folder = workdir.path("stored");
    if !folder.exists() {
        return Vec::new();
    }
    numbers(&objects::rows(&objects::in_folder(&folder)))
}

fn numbers(rows: &[objects::StoredRow]) -> Vec<u32> {
    let mut numbers: Vec<u32> = rows.iter().map(|row| row.text("N").parse().expect("a number")).collect();
    numbers.sort_unstable();
    numbers
}

fn follow(workdir: &Workdir) -> Livecosmos {
    workdir.livecosmos().table("T")
}

fn wait_for_rows(workdir: &Workdir, count: u32) {
    wait_until(&format!("{count} rows"), SOON, || (stored(workdir).len() >= count as usize).then_some(()));
}

#[test]
fn what_is_appended_is_stored_and_a_signal_ends_it_well() {
    let workdir = workdir(&folder_config());
    workdir.write("T.csv", format!("{HEADER}{}", rows(0..30)));
    let mut daemon = follow(&workdir).spawn();
    wait_for_rows(&workdir, 30);
    for step in 1..=5 {
        workdir.append("T.csv", rows(step * 30..(step + 1) * 30));
        wait_for_rows(&workdir, (step + 1) * 30);
    }
    daemon.terminate();
    let _ = daemon.wait().expect_code(0);
    assert_eq!(stored(&workdir), (0..180).collect::<Vec<_>>());

    workdir.append("T.csv", rows(180..200));
    let _ = follow(&workdir).arg("--once").run().expect_code(0);
    assert_eq!(stored(&workdir), (0..200).collect::<Vec<_>>());
}

#[test]
fn a_file_that_comes_later_is_waited_for() {
    let workdir = workdir(&folder_config());
    let mut daemon = follow(&workdir).spawn();
    daemon.wait_for_stderr("T.csv", SOON);
    workdir.write("T.csv", format!("{HEADER}{}", rows(0..9)));
    wait_for_rows(&workdir, 9);
    daemon.terminate();
    let _ = daemon.wait().expect_code(0);
}

#[test]
fn a_network_that_goes_away_costs_time_and_no_row() {
    let mut server = s3s::start();
    let section = format!(
        "[sink]\nurl = \"s3://{}\"\n[sink.s3]\nendpoint = \"{}\"\nregion = \"us-east-1\"\npath_style = true",
        server.bucket(),
        server.endpoint()
    );
    let workdir = workdir(&config(&section));
    workdir.write("T.csv", format!("{HEADER}{}", rows(0..30)));
    let mut daemon = follow(&workdir).credentials(&server).env("LIVECOSMOS_LOG", "livecosmos=debug").spawn();
    // Acknowledged, not only visible: this server, when it is killed, may leave an object half described.
    daemon.wait_for_stderr("rows=30", SOON);
    server.stop();
    workdir.append("T.csv", rows(30..60));
    // Only a try that failed makes this an outage.
    daemon.wait_for_stderr("trying again", SOON);
    workdir.append("T.csv", rows(60..90));
    server.start_again();
    let all = || numbers(&objects::rows(&objects::in_bucket(server.client(), "S")));
    wait_until("all rows", SOON, || (all().len() >= 90).then_some(()));
    daemon.terminate();
    let _ = daemon.wait().expect_code(0);
    assert_eq!(all(), (0..90).collect::<Vec<_>>());
}

#[test]
fn systemd_hears_that_it_is_ready_alive_and_stopping() {
    let workdir = workdir(&folder_config());
    workdir.write("T.csv", format!("{HEADER}{}", rows(0..3)));
    let path = workdir.path("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(SOON)).expect("a deadline");
    let mut daemon = follow(&workdir).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "900000").spawn();
    let hear = |what: &str| {
        let mut buffer = [0; 4096];
        loop {
            let length =
                socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{what} was not heard: {error}"));
            if String::from_utf8_lossy(&buffer[..length]).contains(what) {
                return;
            }
        }
    };
    hear("READY=1");
    hear("STATUS=");
    hear("WATCHDOG=1");
    daemon.terminate();
    hear("STOPPING=1");
    let _ = daemon.wait().expect_code(0);
}

#[test]
fn a_second_signal_ends_it_at_once_and_nothing_is_lost() {
    let server = s3s::start();
    let front = support::front::Front::before(server.address());
    let section = format!(
        "[sink]\nurl = \"s3://{}\"\n[sink.s3]\nendpoint = \"{}\"\nregion = \"us-east-1\"\npath_style = true",
        server.bucket(),
        front.endpoint()
    );
    let workdir = workdir(&config(&section));
    workdir.write("T.csv", format!("{HEADER}{}", rows(0..30)));
    let only_chain = |message: &support::http::Message| message.target().contains("/S");
    front.set_rule(move |message| {
        if message.method() == "PUT" && only_chain(message) {
            support::front::Fault::Stall
        } else {
            support::front::Fault::None
        }
    });
    let mut daemon = follow(&workdir).credentials(&server).spawn();
    wait_until("a put under way", SOON, || {
        (!server.objects().keys().all(|key| !key.starts_with('S'))).then_some(())
    });
    daemon.terminate();
    daemon.wait_for_stderr("stopping", SOON);
    daemon.signal(Signal::INT);
    let output = daemon.wait();
    assert_eq!(output.code, Some(130), "{}", output.stderr);

    front.set_rule(|_| support::front::Fault::None);
    let _ = follow(&workdir).credentials(&server).arg("--once").run().expect_code(0);
    let all = numbers(&objects::rows(&objects::in_bucket(server.client(), "S")));
    assert_eq!(all, (0..30).collect::<Vec<_>>());
}

/// Mounts a small file system in memory, in a mount namespace of this test's own.
fn as_root_with_small_disk(script: &str, workdir: &Workdir) -> Option<std::process::Output> {
    let may = Command::new("unshare").args(["-m", "true"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        println!("skipped: a mount namespace needs root");
        return None;
    }
    let output = Command::new("unshare")
        .args(["-m", "bash", "-euc", script])
        .env("BIN", env!("CARGO_BIN_EXE_livecosmos"))
        .env("DIR", workdir.folder())
        .output();
    Some(output.expect("unshare runs"))
}

#[test]
fn a_full_disk_under_the_state_is_waited_out() {
    let workdir = workdir(&folder_config());
    workdir.write("T.csv", format!("{HEADER}{}", rows(0..3000)));
    // The disk holds the first state; then it is filled, rows arrive, and it is freed while they wait.
    let script = r#"
        cd "$DIR"; mkdir -p small; mount -t tmpfs -o size=256k tmpfs small
        "$BIN" livecosmos.toml T --once --state-dir small 2>/dev/null
        head -c 300000 /dev/zero > small/filler 2>/dev/null || true
        before=$(sha256sum < small/T.state)
        for n in $(seq 3000 3029); do printf 'S%d,2025-02-01 00:00:%02d,%d\n' $((n % 3)) $((n % 60)) $n; done >> T.csv
        "$BIN" livecosmos.toml T --once --state-dir small 2> stderr & pid=$!
        for i in $(seq 600); do grep -q 'no upload begins' stderr && break; sleep 0.1; done
        grep -q 'no upload begins' stderr
        [ "$before" = "$(sha256sum < small/T.state)" ]
        find stored -name '*.ndjson' | wc -l > objects-while-full
        rm small/filler
        wait $pid
        "$BIN" state verify --state-dir small
    "#;
    let Some(output) = as_root_with_small_disk(script, &workdir) else { return };
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{}", read(&workdir.path("stderr")));
    assert_eq!(read(&workdir.path("objects-while-full")).trim(), "3", "no upload begins without its intent");
    assert_eq!(stored(&workdir), (0..3030).collect::<Vec<_>>());
}

#[test]
fn a_state_dir_on_a_disk_that_is_full_from_the_start_starts_no_upload() {
    let workdir = workdir(&folder_config());
    workdir.write("T.csv", format!("{HEADER}{}", rows(0..30)));
    let script = r#"
        cd "$DIR"; mkdir -p small; mount -t tmpfs -o size=64k tmpfs small
        head -c 100000 /dev/zero > small/filler 2>/dev/null || true
        "$BIN" livecosmos.toml T --state-dir small 2> stderr & pid=$!
        for i in $(seq 600); do grep -qE 'free some room' stderr && break; sleep 0.1; done
        grep -q 'free some room' stderr
        kill -TERM $pid; code=0; wait $pid || code=$?
        [ "$code" = 74 ]
    "#;
    let Some(output) = as_root_with_small_disk(script, &workdir) else { return };
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        read(&workdir.path("stderr"))
    );
    assert_eq!(stored(&workdir), Vec::<u32>::new());
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn a_server_that_ignores_create_if_absent_is_noticed_and_asked_before_each_put() {
    let server = support::garage::start();
    let section = format!(
        "[sink]\nurl = \"s3://{}/raw\"\n[sink.s3]\nendpoint = \"{}\"\nregion = \"{}\"\npath_style = true",
        server.bucket(),
        server.endpoint(),
        server.client().region
    );
    let workdir = workdir(&config(&section));
    workdir.write("T.csv", format!("{HEADER}{}", rows(0..90)));
    let run = follow(&workdir).arg("--once").credentials(&server).env("AWS_REGION", &server.client().region);
    let output = run.run().expect_code(0);
    assert!(output.stderr.contains("ignores create-if-absent"), "{}", output.stderr);
    // A lost state must not overwrite what is there.
    std::fs::remove_dir_all(workdir.state_dir()).expect("the state goes");
    workdir.append("T.csv", rows(90..120));
    let _ = run.run().expect_code(0);
    let all = numbers(&objects::rows(&objects::in_bucket(server.client(), "raw/S")));
    assert_eq!(all, (0..120).collect::<Vec<_>>());
}

#[test]
fn a_loggers_file_is_followed_while_it_is_written_though_its_clock_falls_back() {
    let config = folder_config()
        .replace("site_column = \"SITE_ID\"", "site = \"{station}\"")
        .replace("DATE_TIME", "TIMESTAMP");
    let workdir = workdir(&config);
    let mut logger = Vec::new();
    livecosmos::sample::Sample { sites: 1, rows_per_site: 2000, seed: 7 }
        .write_toa5(&mut logger)
        .expect("memory");
    let logger = String::from_utf8(logger).expect("UTF-8");
    let lines: Vec<&str> = logger.lines().collect();

    workdir.write("T.csv", "");
    let mut daemon = follow(&workdir).spawn();
    // Written in pieces that end anywhere, as a logger's software does.
    for piece in logger.as_bytes().chunks(logger.len() / 50 + 1) {
        let before = std::fs::metadata(workdir.path("T.csv")).expect("the file").len();
        workdir.append("T.csv", piece);
        let complete = logger.as_bytes()[..usize::try_from(before).expect("small") + piece.len()]
            .split(|byte| *byte == b'\n')
            .count()
            .saturating_sub(5);
        wait_until("the rows so far", SOON, || (stored_lines(&workdir) >= complete).then_some(()));
    }
    daemon.terminate();
    let _ = daemon.wait().expect_code(0);

    let records = objects::rows(&objects::in_folder(&workdir.path("stored")));
    let names: Vec<&str> = lines[1].split(',').map(|name| name.trim_matches('"')).collect();
    let place = names.iter().position(|name| *name == "RECORD").expect("a logger counts its records");
    let time_of =
        |line: &str| line.split(',').next().expect("a time").trim_matches('"').replace(' ', "T") + "Z";
    let record_of = |line: &str| line.split(',').nth(place).expect("a record").to_owned();
    let due = lines[4..].iter().map(|line| format!("{} {}", time_of(line), record_of(line)));
    objects::assert_exactly_once(due, &records, |row| {
        format!("{} {}", row.text("TIMESTAMP"), row.text("RECORD"))
    });
    assert!(records.iter().any(|row| row.line.contains(":null")), "NAN became null");
}

fn stored_lines(workdir: &Workdir) -> usize {
    let folder = workdir.path("stored");
    if folder.exists() { objects::rows(&objects::in_folder(&folder)).len() } else { 0 }
}

#[test]
fn memory_does_not_grow_with_the_backlog() {
    let peak = |factor: u32| {
        let workdir = workdir(&folder_config());
        workdir.write("T.csv", format!("{HEADER}{}", rows(0..150_000 * factor)));
        let mut daemon = follow(&workdir).arg("--once").spawn();
        let mut peak_kib = 0;
        while daemon.is_running() {
            peak_kib = peak_kib.max(peak_rss_kib(daemon.pid()));
            std::thread::yield_now();
        }
        let _ = daemon.wait().expect_code(0);
        peak_kib
    };
    let (small, large) = (peak(1), peak(10));
    println!("peak RSS {small} KiB for 150,000 rows, {large} KiB for 1,500,000");
    assert!(small < 100 << 10 && large < 100 << 10, "{small} KiB and {large} KiB");
}

fn peak_rss_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or(0)
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_the_exit_code_and_stops_no_other() {
    let workdir = workdir(&folder_config().replace("{table}.csv", "in/*.csv"));
    workdir.write("in/good.csv", format!("{HEADER}{}", rows(0..9)));
    workdir.write("in/misfit.csv", "SITE_ID,N\nS0,1\n");
    for _ in 0..2 {
        let output = follow(&workdir).arg("--once").run().expect_code(3);
        assert!(
            output.stderr.contains("misfit.csv") && output.stderr.contains("DATE_TIME"),
            "{}",
            output.stderr
        );
        assert_eq!(stored(&workdir), (0..9).collect::<Vec<_>>());
    }
}

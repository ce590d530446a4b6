//! A process that is stopped for longer than every timeout, a clock that is stepped by hours, a state
//! folder that becomes read-only: nothing is lost, nothing doubled, and nothing hangs.
#![allow(clippy::print_stdout, reason = "says what was played, or why not")]

mod data;
mod support;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use data::{SplitMix64, seed};
use rustix::process::Signal;
use support::daemon::{Workdir, workdir};
use support::front::Front;
use support::process::wait_until;
use support::{objects, s3s};

const SOON: Duration = Duration::from_mins(2);
/// Longer than the timeouts below, and than what the server waits for a request.
const STOPPED: Duration = Duration::from_secs(4);

fn config(sink: &str) -> String {
    format!(
        "[source]\nkind = \"csv\"\npath = \"rows.csv\"\n{sink}\n\
         [upload]\nformat = \"ndjson\"\nbatch_rows_max = 4\n[poll]\ninterval = \"100ms\"\nfallback = \"all\"\n\
         [tables.T]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\n"
    )
}

fn rows(numbers: std::ops::Range<u32>) -> String {
    let row = |n: u32| {
        format!("S{},2025-01-{:02} {:02}:{:02}:00,{n}\n", n % 5, n / 1440 % 28 + 1, n / 60 % 24, n % 60)
    };
    numbers.map(row).collect()
}

/// Appends rows now and then until `until`; returns how many there are then.
fn append_until(workdir: &Workdir, mut count: u32, until: Instant) -> u32 {
    wait_until("the moment", SOON, || {
        workdir.append("rows.csv", rows(count..count + 3));
        count += 3;
        (Instant::now() >= until).then_some(())
    });
    count
}

fn assert_all_once(stored: &std::collections::BTreeMap<String, Vec<u8>>, count: u32) {
    let rows = objects::rows(stored);
    objects::assert_exactly_once((0..count).map(|n| n.to_string()), &rows, |row| row.text("N"));
    println!("rows due {count}, lost 0, doubled 0, objects {}", stored.len());
}

/// Stops the daemon at random moments of its work, for longer than every timeout.
fn survive_stops(stops: u32) {
    let seed = seed();
    println!("seed {seed}");
    let mut random = SplitMix64::new(seed);
    let server = s3s::start();
    let front = Front::before(server.address());
    let workdir = workdir(&config(&format!(
        "[sink]\nurl = \"s3://{}/raw\"\n[sink.s3]\nendpoint = \"{}\"\nregion = \"us-east-1\"\npath_style = true\n\
         allow_http = true\nconnect_timeout = \"1s\"\nrequest_timeout = \"2s\"",
        server.bucket(),
        front.endpoint()
    )));
    workdir.write("rows.csv", "SITE,TIME,N\n");
    let follow = || workdir.livecosmos().table("T").credentials(&server);
    let mut daemon = follow().spawn();
    let mut count = 0;
    for _ in 0..stops {
        count = append_until(&workdir, count, Instant::now() + Duration::from_millis(random.below(300)));
        daemon.signal(Signal::STOP);
        count = append_until(&workdir, count, Instant::now() + STOPPED);
        daemon.signal(Signal::CONT);
    }
    let of_sites = || objects::in_bucket(server.client(), "raw/S");
    let due = usize::try_from(count).expect("few rows");
    wait_until("all rows", SOON, || (objects::rows(&of_sites()).len() >= due).then_some(()));
    daemon.terminate();
    let _ = daemon.wait().expect_code(0);
    let _ = follow().arg("--once").run().expect_code(0);
    println!("{stops} stops of {STOPPED:?}");
    assert_all_once(&of_sites(), count);
}

#[test]
fn a_process_that_is_stopped_for_longer_than_every_timeout_goes_on_as_if_nothing_was() {
    survive_stops(2);
}

#[test]
#[ignore = "minutes: make torture"]
fn a_process_that_is_stopped_forty_times_goes_on_as_if_nothing_was() {
    survive_stops(40);
}

/// The library of Debian's package `libfaketime` that shows a program another clock.
fn faketime() -> Option<String> {
    let found = Command::new("sh")
        .args([
            "-c",
            "ls /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/lib/faketime/libfaketimeMT.so.1 2>/dev/null",
        ])
        .output()
        .ok()?;
    String::from_utf8(found.stdout).ok()?.lines().next().map(str::to_owned)
}

#[test]
fn a_clock_that_is_stepped_back_and_forth_by_hours_costs_no_row() {
    let Some(library) = faketime() else {
        println!("skipped: there is no libfaketime to step a clock with (Debian: faketime)");
        return;
    };
    let workdir = workdir(&config("[sink]\nurl = \"file://./stored\""));
    workdir.write("rows.csv", "SITE,TIME,N\n");
    workdir.write("clock", "+0\n");
    let follow = || {
        workdir
            .livecosmos()
            .table("T")
            .env("LD_PRELOAD", &library)
            .env("FAKETIME_TIMESTAMP_FILE", workdir.path("clock"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    };
    let mut daemon = follow().spawn();
    let mut count = 0;
    let stored = || objects::rows(&objects::in_folder(&workdir.path("stored"))).len();
    for step in ["+5h", "-7h", "+0", "-30d", "+400d", "-1h", "+2h"] {
        workdir.write("clock", format!("{step}\n"));
        workdir.append("rows.csv", rows(count..count + 30));
        count += 30;
        wait_until(&format!("the rows after {step}"), SOON, || {
            (workdir.path("stored").exists() && stored() >= count as usize).then_some(())
        });
    }
    daemon.terminate();
    let _ = daemon.wait().expect_code(0);
    workdir.write("clock", "-10h\n");
    let _ = follow().arg("--once").run().expect_code(0);
    assert_all_once(&objects::in_folder(&workdir.path("stored")), count);
}

/// Runs `script` in a mount namespace of its own, if this machine lets us.
fn in_a_namespace(script: &str, workdir: &Workdir) -> Option<std::process::Output> {
    let may = Command::new("unshare").args(["--mount", "true"]).status().is_ok_and(|status| status.success());
    if !may {
        println!("skipped: no mount namespace can be made here");
        return None;
    }
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-euc", script])
        .env("DIR", workdir.folder())
        .env("BIN", env!("CARGO_BIN_EXE_livecosmos"))
        .output();
    Some(output.expect("unshare runs"))
}

#[test]
fn a_state_folder_that_becomes_read_only_ends_the_daemon_and_costs_no_row() {
    let workdir = workdir(&config("[sink]\nurl = \"file://./stored\""));
    workdir.write("rows.csv", format!("SITE,TIME,N\n{}", rows(0..30)));
    workdir.write("more.csv", rows(30..60));
    // ext4 turns read-only by itself when it meets an error, whatever is open; it can be told to meet one.
    let script = r#"
        cd "$DIR"; mkdir small; truncate -s 16M image; mkfs.ext4 -q -F image
        mount -o loop,errors=remount-ro image small
        trigger=/sys/fs/ext4/$(basename "$(findmnt -no SOURCE small)")/trigger_fs_error
        [ -w "$trigger" ] || { echo "skipped: $trigger cannot be written"; exit 0; }
        "$BIN" livecosmos.toml T --state-dir small/state 2> stderr & pid=$!
        trap 'kill -9 $pid 2>/dev/null || true' EXIT
        for i in $(seq 600); do [ "$(cat stored/*/T/* 2>/dev/null | wc -l)" = 30 ] && break; sleep 0.1; done
        echo test > "$trigger"
        cat more.csv >> rows.csv
        code=0; wait $pid || code=$?
        echo $code > code
        umount small; e2fsck -fy image > fsck 2>&1 || true; mount -o loop image small
        "$BIN" livecosmos.toml T --once --state-dir small/state 2>> stderr
    "#;
    let Some(output) = in_a_namespace(script, &workdir) else { return };
    let said = read(&workdir.path("stderr"));
    assert!(output.status.success(), "{}{said}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8_lossy(&output.stdout);
    if told.starts_with("skipped") {
        return println!("{told}");
    }
    assert_eq!(read(&workdir.path("code")).trim(), "74", "{said}");
    assert_all_once(&objects::in_folder(&workdir.path("stored")), 60);
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

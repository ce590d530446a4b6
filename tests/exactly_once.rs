//! The promise over real input: every row once, whoever is killed, restored or started twice.
//!
//! The data is that of twelve stations over four years, 420,768 rows (UCI data set 501), where it is at
//! hand; elsewhere a file of the same shape is made.
#![allow(clippy::print_stdout, reason = "says what was compared, and the seed")]

mod data;
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use data::{Stations, TABLE};
use support::daemon::{Livecosmos, Workdir, workdir};
use support::front::{Fault, Front};
use support::server::S3Server;
use support::{garage, moto, objects, s3s};

const ONCE_WITHIN: Duration = Duration::from_mins(5);

/// A configuration that reads `stations.csv` and stores in `url`.
fn config(url: &str, s3: &str) -> String {
    format!(
        r#"
[source]
kind = "csv"
path = "stations.csv"
[sink]
url = "{url}"
{s3}
[upload]
format = "ndjson"
compression = "none"
[poll]
interval = "1s"
fallback = "all"
[tables.{TABLE}]
site_column = "SITE_ID"
time_column = "DATE_TIME"
"#
    )
}

fn s3_config(endpoint: &str, bucket: &str) -> String {
    config(
        &format!("s3://{bucket}/raw"),
        &format!("[sink.s3]\nendpoint = \"{endpoint}\"\nregion = \"us-east-1\"\npath_style = true\n"),
    )
}

fn once(workdir: &Workdir) -> Livecosmos {
    workdir.livecosmos().table(TABLE).arg("--once")
}

/// Compares with a program that shares no code with the product; returns what it printed.
fn compare(sources: &[PathBuf], stored: &Path) -> String {
    let mut script = Command::new("python3");
    script.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/compare.py"));
    for source in sources {
        script.arg("--csv").arg(source);
    }
    let output = script.arg("--objects").arg(stored).output().expect("python3 runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{printed}{complained}");
    printed
}

fn keys(objects: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    objects.keys().filter(|key| !key.contains(".livecosmos")).cloned().collect()
}

#[test]
fn a_real_file_lands_once_in_a_folder_and_what_is_appended_is_the_next_objects() {
    let stations = Stations::open();
    let workdir = workdir(&config("file://./stored", ""));
    stations.copy_to(&workdir.path("stations.csv"));
    let stored = workdir.path("stored");

    let _ = once(&workdir).run().expect_code(0);
    println!("{}", compare(&[workdir.path("stations.csv")], &stored));
    let first = keys(&objects::in_folder(&stored));

    let _ = once(&workdir).run().expect_code(0);
    assert_eq!(keys(&objects::in_folder(&stored)), first, "a second run stores nothing");

    workdir.append("stations.csv", data::appended_rows(1000));
    let _ = once(&workdir).run().expect_code(0);
    println!("{}", compare(&[workdir.path("stations.csv")], &stored));
    let after = objects::in_folder(&stored);
    let new: BTreeMap<_, _> = after.into_iter().filter(|(key, _)| !first.contains(key)).collect();
    assert_eq!(objects::rows(&new).len(), 1000, "the appended rows are exactly the next objects");
    assert_eq!(new.len(), data::APPENDED_SITES, "one object for each site that has new rows");
    for key in new.keys() {
        let (chain, seq) = key.rsplit_once('/').expect("a key with folders");
        let before = first.iter().filter(|other| other.starts_with(&format!("{chain}/"))).count();
        assert!(seq.starts_with(&format!("{before:020}")), "{key} follows {before} objects");
    }
}

#[test]
fn a_real_file_lands_once_in_s3() {
    let stations = Stations::open();
    let server = s3s::start();
    let workdir = workdir(&s3_config(&server.endpoint(), server.bucket()));
    stations.copy_to(&workdir.path("stations.csv"));

    let run = once(&workdir).credentials(&server);
    let _ = run.run().expect_code(0);
    let stored = stored_in(&server);
    println!("{}", compare(&[workdir.path("stations.csv")], &stored));
    let first = server.objects().len();
    let _ = run.run().expect_code(0);
    assert_eq!(server.objects().len(), first, "a second run stores nothing");
}

fn stored_in(server: &s3s::S3s) -> PathBuf {
    server.folder().join("objects").join(server.bucket()).join("raw")
}

/// Fetches what a server holds into a folder; gives that.
fn fetched(server: &S3Server, workdir: &Workdir) -> PathBuf {
    for (key, bytes) in objects::in_bucket(server.client(), "raw/") {
        workdir.write(&format!("fetched/{key}"), bytes);
    }
    workdir.path("fetched/raw")
}

/// Kills the job over and over, at moments spread over its run, and then lets it finish.
fn survive_kills(server: &S3Server, kills: u32) {
    let seed = data::seed();
    println!("seed {seed}");
    let stations = Stations::open();
    let front = Front::before(server.address());
    let workdir = workdir(&s3_config(&front.endpoint(), server.bucket()).replace(
        "compression = \"none\"",
        // Small objects: many moments at which something is half done.
        "compression = \"none\"\nbatch_rows_max = 400",
    ));
    stations.copy_to(&workdir.path("stations.csv"));
    let run = once(&workdir).credentials(server);

    let mut random = data::SplitMix64::new(seed);
    let mut killed = 0;
    while killed < kills {
        let mut running = run.spawn();
        let moment = Instant::now() + Duration::from_millis(random.below(400));
        while Instant::now() < moment && running.is_running() {
            std::thread::yield_now();
        }
        if running.is_running() {
            killed += 1;
            drop(running.kill());
        } else {
            // It finished before its moment: give it more to do.
            let _ = running.wait().expect_code(0);
            workdir.append("stations.csv", data::appended_rows(2000));
        }
    }
    let _ = run.run().expect_code(0);
    println!("{kills} kills: {}", compare(&[workdir.path("stations.csv")], &fetched(server, &workdir)));
    assert_no_leftovers(&workdir);
}

fn assert_no_leftovers(workdir: &Workdir) {
    let state: Vec<_> = std::fs::read_dir(workdir.state_dir())
        .expect("a state folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| ![".state", ".state.backup", ".state.lock"].iter().any(|end| name.ends_with(end)))
        .collect();
    assert_eq!(state, Vec::<String>::new(), "no orphaned temporary files");
}

/// How often, in the long run of `make torture`.
fn often(usual: u32) -> u32 {
    std::env::var("LIVECOSMOS_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(usual)
}

#[test]
fn every_row_is_stored_once_though_the_daemon_is_killed_at_random_moments() {
    survive_kills(&s3s::start(), 20);
}

#[test]
#[ignore = "minutes; part of make torture"]
fn every_row_is_stored_once_though_the_daemon_is_killed_a_thousand_times() {
    survive_kills(&s3s::start(), often(1_000));
}

#[test]
#[ignore = "minutes; part of make torture"]
fn every_row_is_stored_once_in_other_servers_too_though_the_daemon_is_killed_many_times() {
    for server in [garage::start(), moto::start()] {
        survive_kills(&server, often(300));
    }
}

#[test]
fn a_restored_old_state_loses_and_doubles_nothing() {
    let stations = Stations::open();
    let server = s3s::start();
    let front = Front::before(server.address());
    let config = s3_config(&front.endpoint(), server.bucket())
        .replace("compression = \"none\"", "compression = \"none\"\nbatch_rows_max = 1500");
    let workdir = workdir(&config);
    stations.copy_to(&workdir.path("stations.csv"));
    let run = once(&workdir).credentials(&server);

    let running = run.spawn();
    support::process::wait_until("some objects", ONCE_WITHIN, || (server.objects().len() > 40).then_some(()));
    drop(running.kill());
    copy_folder(&workdir.state_dir(), &workdir.path("old-state"));
    let _ = run.run().expect_code(0);
    workdir.append("stations.csv", data::appended_rows(500));
    let _ = run.run().expect_code(0);

    std::fs::remove_dir_all(workdir.state_dir()).expect("the newer state goes");
    copy_folder(&workdir.path("old-state"), &workdir.state_dir());
    let _ = run.run().expect_code(0);
    println!("{}", compare(&[workdir.path("stations.csv")], &stored_in(&server)));
}

#[test]
fn a_lost_state_is_built_from_the_sink_and_is_no_first_run() {
    let server = s3s::start();
    let workdir = workdir(&s3_config(&server.endpoint(), server.bucket()));
    workdir.write("stations.csv", data::made_stations(200));
    let run = once(&workdir).credentials(&server);
    let _ = run.run().expect_code(0);
    let before = server.objects().len();
    std::fs::remove_dir_all(workdir.state_dir()).expect("the state goes");
    let _ = run.run().expect_code(0);
    assert_eq!(server.objects().len(), before, "nothing is sent again");
    workdir.append("stations.csv", data::appended_rows(60));
    std::fs::remove_dir_all(workdir.state_dir()).expect("the state goes");
    let _ = run.run().expect_code(0);
    println!("{}", compare(&[workdir.path("stations.csv")], &stored_in(&server)));
}

#[test]
fn two_daemons_with_states_of_their_own_share_a_bucket_without_a_row_lost_or_doubled() {
    let stations = Stations::open();
    let server = s3s::start();
    let front = Front::before(server.address());
    let config = s3_config(&front.endpoint(), server.bucket())
        .replace("compression = \"none\"", "compression = \"none\"\nbatch_rows_max = 3000");
    let workdir = workdir(&config);
    stations.copy_to(&workdir.path("stations.csv"));

    let second = Livecosmos::new(workdir.folder())
        .arg(workdir.config())
        .arg("--state-dir")
        .arg(workdir.path("state-of-the-second"))
        .table(TABLE)
        .arg("--once")
        .credentials(&server);
    let (one, two) = (once(&workdir).credentials(&server).spawn(), second.spawn());
    let _ = one.wait().expect_code(0);
    let _ = two.wait().expect_code(0);
    println!(
        "{} puts met a taken key: {}",
        front.count("PUT", 412),
        compare(&[workdir.path("stations.csv")], &stored_in(&server))
    );
}

#[test]
fn a_put_whose_reply_is_lost_is_not_stored_twice() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let workdir = workdir(&s3_config(&front.endpoint(), server.bucket()));
    workdir.write("stations.csv", data::made_stations(50));
    // The start-up probe puts too: let it pass.
    let probe = once(&workdir).credentials(&server).arg("--site").arg("NOBODY");
    let _ = probe.run().expect_code(0);
    front.fail_next(3, "PUT", Fault::LoseReply);
    let _ = once(&workdir).credentials(&server).run().expect_code(0);
    println!("{}", compare(&[workdir.path("stations.csv")], &stored_in(&server)));
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a new folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
    }
}

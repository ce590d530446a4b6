//! What each way of naming objects promises, with the binary, real servers and kills: `hive`, by dates, and
//! `iot-swarm`, by the newest time and a digest. `chain` is what all other tests use.
#![allow(clippy::print_stdout, reason = "says what was compared, and the seed")]

mod data;
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use data::TABLE;
use support::daemon::{Livecosmos, Workdir, workdir};
use support::front::{Fault, Front};
use support::{objects, s3s};

const HIVE: &str = "hive";
const IOT_SWARM: &str = "iot-swarm";
const PRESETS: [&str; 2] = [HIVE, IOT_SWARM];
/// Twenty days of twelve sites.
const HOURS: u32 = 480;

/// A table of `stations.csv` whose objects have keys of this kind.
fn scene(endpoint: &str, bucket: &str, key: &str) -> Workdir {
    let workdir = workdir(&format!(
        r#"
[source]
kind = "csv"
path = "stations.csv"
[sink]
url = "s3://{bucket}/raw"
[sink.s3]
endpoint = "{endpoint}"
region = "us-east-1"
path_style = true
[upload]
key = "{key}"
format = "ndjson"
compression = "none"
batch_rows_max = 40
[poll]
interval = "1s"
fallback = "all"
[tables.{TABLE}]
site_column = "SITE_ID"
time_column = "DATE_TIME"
"#
    ));
    workdir.write("stations.csv", data::made_stations(HOURS));
    workdir
}

fn once(workdir: &Workdir) -> Livecosmos {
    workdir.livecosmos().table(TABLE).arg("--once")
}

/// What a program that shares no code with the product says of the stored rows, and whether all is well.
fn compare(workdir: &Workdir, server: &s3s::S3s) -> (bool, String) {
    let stored = server.folder().join("objects").join(server.bucket()).join("raw");
    let output = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/compare.py"))
        .arg("--csv")
        .arg(workdir.path("stations.csv"))
        .arg("--objects")
        .arg(stored)
        .output()
        .expect("python3 runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{printed}");
    (output.status.success(), printed)
}

fn assert_each_row_once(workdir: &Workdir, server: &s3s::S3s) {
    let (is_well, printed) = compare(workdir, server);
    assert!(is_well, "{printed}");
}

/// Every object holds rows of the date in its key alone.
fn assert_dates(server: &s3s::S3s) {
    let objects = objects::in_bucket(server.client(), "raw/dataset=");
    let mut dates = BTreeMap::<String, usize>::new();
    for row in objects::rows(&objects) {
        let date = row.text("DATE_TIME")[..10].to_owned();
        assert!(row.object.contains(&format!("/date={date}/")), "{date} in {}", row.object);
        *dates.entry(date).or_default() += 1;
    }
    assert!(dates.len() > 10, "{dates:?}");
}

/// Kills the job over and over, at moments spread over its run, and then lets it finish.
fn survive_kills(key: &str, kills: u32, seed: u64) {
    println!("{key}, seed {seed}");
    let server = s3s::start();
    let front = Front::before(server.address());
    let workdir = scene(&front.endpoint(), server.bucket(), key);
    let run = once(&workdir).credentials(&server);
    let mut random = data::SplitMix64::new(seed);
    let (mut killed, mut rounds) = (0, 0);
    while killed < kills {
        rounds += 1;
        if rounds % 3 == 0 {
            front.fail_next(2, "PUT", Fault::LoseReply);
        }
        let mut running = run.spawn();
        let moment = Instant::now() + Duration::from_millis(random.below(300));
        while Instant::now() < moment && running.is_running() {
            std::thread::yield_now();
        }
        if running.is_running() {
            killed += 1;
            drop(running.kill());
        } else {
            let _ = running.wait().expect_code(0);
        }
        workdir.append("stations.csv", data::appended_rows(200));
    }
    let _ = run.run().expect_code(0);
    assert_each_row_once(&workdir, &server);
    if key == HIVE {
        assert_dates(&server);
    }
}

#[test]
fn each_row_is_stored_once_under_its_date_though_the_daemon_is_killed_and_replies_are_lost() {
    survive_kills(HIVE, 12, data::seed());
}

#[test]
fn each_row_is_stored_once_in_the_predecessors_form_though_the_daemon_is_killed_and_replies_are_lost() {
    survive_kills(IOT_SWARM, 12, data::seed());
}

#[test]
fn a_lost_state_is_found_again_in_the_sink_whatever_the_keys() {
    for key in PRESETS {
        for is_rebuilt in [false, true] {
            let server = s3s::start();
            let workdir = scene(&server.endpoint(), server.bucket(), key);
            let run = once(&workdir).credentials(&server);
            let _ = run.run().expect_code(0);
            let before = server.objects().len();
            std::fs::remove_dir_all(workdir.state_dir()).expect("the state goes");
            if is_rebuilt {
                let rebuild = Livecosmos::new(workdir.folder()).arg("state").arg("rebuild");
                let rebuild = rebuild.arg(workdir.config()).arg(TABLE).arg("--yes");
                let rebuild = rebuild.arg("--state-dir").arg(workdir.state_dir()).credentials(&server);
                let _ = rebuild.run().expect_code(0);
            }
            let _ = run.run().expect_code(0);
            assert_eq!(server.objects().len(), before, "{key}: something was sent again");
            workdir.append("stations.csv", data::appended_rows(60));
            std::fs::remove_dir_all(workdir.state_dir()).expect("the state goes");
            let _ = run.run().expect_code(0);
            assert_each_row_once(&workdir, &server);
        }
    }
}

#[test]
fn a_restored_old_state_loses_nothing_and_under_dates_doubles_nothing() {
    for key in PRESETS {
        let server = s3s::start();
        let workdir = scene(&server.endpoint(), server.bucket(), key);
        let run = once(&workdir).credentials(&server);
        let _ = run.run().expect_code(0);
        copy_folder(&workdir.state_dir(), &workdir.path("old-state"));
        workdir.append("stations.csv", data::appended_rows(500));
        let _ = run.run().expect_code(0);
        std::fs::remove_dir_all(workdir.state_dir()).expect("the newer state goes");
        copy_folder(&workdir.path("old-state"), &workdir.state_dir());
        workdir.append("stations.csv", data::appended_rows(700).split_off(data::appended_rows(500).len()));
        let _ = run.run().expect_code(0);
        let (is_well, printed) = compare(&workdir, &server);
        if key == HIVE {
            assert!(is_well, "{printed}");
        } else {
            // No place in a file can be read from such a key.
            assert!(printed.contains(" missing 0 ") && printed.contains(" foreign 0"), "{printed}");
        }
    }
}

#[test]
fn objects_beside_which_others_stand_are_found_and_those_are_left_alone() {
    let server = s3s::start();
    let workdir = scene(&server.endpoint(), server.bucket(), IOT_SWARM);
    // As the predecessor left it: the same form, and no metadata.
    let theirs = format!("raw/Dongsi/LIVE_{TABLE}/1735689600000-d41d8cd98f00b204e9800998ecf8427e");
    assert_eq!(server.client().put(&theirs, b"{}"), 200);
    let run = once(&workdir).credentials(&server);
    let _ = run.run().expect_code(0);
    std::fs::remove_dir_all(workdir.state_dir()).expect("the state goes");
    let before = server.objects().len();
    let _ = run.run().expect_code(0);
    assert_eq!(server.objects().len(), before, "something was sent again");
    let stored = server.client().get(&theirs).expect("it is still there");
    assert_eq!(stored.body, b"{}");
}

#[test]
fn two_daemons_with_states_of_their_own_share_dates_of_a_file_without_a_row_lost_or_doubled() {
    let server = s3s::start();
    let workdir = scene(&server.endpoint(), server.bucket(), HIVE);
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
    assert_each_row_once(&workdir, &server);
}

#[test]
fn verify_and_reconcile_read_objects_whatever_their_keys() {
    for key in PRESETS {
        let server = s3s::start();
        let workdir = scene(&server.endpoint(), server.bucket(), key);
        let _ = once(&workdir).credentials(&server).run().expect_code(0);
        let command = |name: &str| {
            let command = Livecosmos::new(workdir.folder()).arg(name).arg(workdir.config()).table(TABLE);
            command.arg("--state-dir").arg(workdir.state_dir()).credentials(&server).run()
        };
        let verified = command("verify").expect_code(0);
        println!("{}", verified.stdout);
        let _ = command("reconcile").expect_code(0);
        let gone = server.client().list("raw/").into_iter().filter(|key| key.contains("Dongsi")).nth(3);
        let gone = gone.expect("a few objects");
        server.client().delete(&gone);
        let verified = command("verify").expect_code(3);
        assert!(verified.stderr.contains("is not there"), "{}", verified.stderr);
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a new folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
    }
}

//! A table in several sinks: each has every row once, whatever becomes of the others.
#![allow(clippy::print_stdout, reason = "says what was compared, and the seed")]

mod data;
mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use support::daemon::{Livecosmos, Workdir, workdir};
use support::front::{Fault, Front};
use support::objects::{self, StoredRow};
use support::process::wait_until;
use support::s3s;

const WITHIN: Duration = Duration::from_mins(5);
const SITES: usize = 12;

/// A file of rows, each of which is known by its number.
struct Rows {
    written: usize,
    /// Bytes of each row.
    width: usize,
}

impl Rows {
    fn begin(workdir: &Workdir, width: usize) -> Self {
        workdir.write("met.csv", "SITE_ID,DATE_TIME,ID,NOTE\n");
        Self { written: 0, width }
    }

    /// Appends as many for every site.
    fn append(&mut self, workdir: &Workdir, each: usize) {
        let mut lines = String::new();
        for _ in 0..each {
            let second = self.written / SITES;
            for site in 0..SITES {
                let (minutes, seconds) = (second / 60, second % 60);
                let note = "x".repeat(self.width);
                let _ = writeln!(
                    lines,
                    "S{site},2025-01-02T03:{minutes:02}:{seconds:02}Z,{},{note}",
                    self.written
                );
                self.written += 1;
            }
        }
        workdir.append("met.csv", lines);
    }

    fn assert_stored_once(&self, stored: &[StoredRow]) {
        let expected = (0..self.written).map(|id| id.to_string());
        objects::assert_exactly_once(expected, stored, |row| row.text("ID"));
    }
}

/// What each of these configurations has.
const TABLE: &str = r#"
[source]
kind = "csv"
path = "met.csv"
[upload]
format = "ndjson"
[poll]
interval = "100ms"
fallback = "all"
[tables.MET]
site_column = "SITE_ID"
time_column = "DATE_TIME"
"#;

/// Folders `first` and, as sink `archive`, `second`.
fn two_folders(archive: &str, table: &str) -> Workdir {
    workdir(&format!(
        "[sink]\nurl = \"file://./first\"\n[sinks.archive]\nurl = \"file://./second\"\n{archive}\n{TABLE}{table}\n"
    ))
}

fn once(workdir: &Workdir, table: &str) -> Livecosmos {
    workdir.livecosmos().table(table).arg("--once")
}

fn stored(workdir: &Workdir, folder: &str) -> Vec<StoredRow> {
    let folder = workdir.path(folder);
    if folder.exists() { objects::rows(&objects::in_folder(&folder)) } else { Vec::new() }
}

fn ids(rows: &[StoredRow]) -> BTreeSet<String> {
    rows.iter().map(|row| row.text("ID")).collect()
}

#[test]
fn every_row_is_stored_once_in_each_sink_in_the_form_that_it_asks_for() {
    let workdir = two_folders(
        "[sinks.archive.upload]\ncompression = \"gzip\"\nkey = \"{site}/{table}/{seq}{ext}\"\nbatch_rows_max = 2",
        "",
    );
    let mut rows = Rows::begin(&workdir, 10);
    for _ in 0..3 {
        rows.append(&workdir, 5);
        let _ = once(&workdir, "MET").run().expect_code(0);
        rows.assert_stored_once(&stored(&workdir, "first"));
        rows.assert_stored_once(&stored(&workdir, "second"));
    }
    let keys = |folder: &str| objects::in_folder(&workdir.path(folder)).into_keys().collect::<Vec<_>>();
    assert!(keys("first").contains(&"S0/MET/00000000000000000001.ndjson".to_owned()), "{:?}", keys("first"));
    assert!(
        keys("second").contains(&"S0/MET/00000000000000000007.ndjson.gz".to_owned()),
        "{:?}",
        keys("second")
    );
    let shown = Livecosmos::new(workdir.folder()).arg("state").arg("show").arg("--state-dir");
    let shown = shown.arg(workdir.state_dir()).run().expect_code(0).stdout;
    for name in ["MET ", "MET@archive "] {
        assert_eq!(shown.lines().filter(|line| line.starts_with(name)).count(), SITES, "{shown}");
    }
    let verified = Livecosmos::new(workdir.folder()).arg("verify").arg(workdir.config()).table("MET");
    let verified = verified.run().expect_code(0);
    assert!(verified.stdout.contains("MET@archive"), "{}", verified.stdout);
}

/// A bucket that can be made to hang, as the lines of a sink's section.
struct Far {
    store: s3s::S3s,
    front: Front,
    lines: String,
}

impl Far {
    fn start() -> Self {
        let store = s3s::start();
        let front = Front::before(store.address());
        let lines = format!(
            "url = \"s3://{}/raw\"\ns3.endpoint = \"{}\"\ns3.region = \"us-east-1\"\ns3.path_style = true\n",
            store.bucket(),
            front.endpoint(),
        );
        Self { store, front, lines }
    }

    fn rows(&self) -> Vec<StoredRow> {
        objects::rows(&objects::in_bucket(self.store.client(), "raw/S"))
    }

    fn objects(&self) -> usize {
        self.store.client().list("raw/S").len()
    }
}

/// Far less than what waits for the sink that hangs.
const NARROW: &str =
    "in_flight_max = 2\nmemory_max = \"8 MiB\"\nbatch_bytes_max = \"1 MiB\"\nbatch_rows_max = 10\n[poll]";

/// Follows `tables`, of which one is stored in `near` and one in `far`, while `far` hangs, until both have all.
fn assert_near_is_not_held_back(far: &Far, workdir: &Workdir, tables: &[&str]) {
    let mut rows = Rows::begin(workdir, 4_000);
    rows.append(workdir, 1);
    let daemon = workdir.livecosmos().credentials(&far.store);
    let mut running = tables.iter().fold(daemon, |daemon, table| daemon.table(table)).spawn();
    wait_until("the first rows to be in the bucket", WITHIN, || {
        assert!(running.is_running(), "the daemon ended: {}", running.stderr());
        (far.objects() == SITES).then_some(())
    });
    far.front.set_rule(|message| if message.method() == "PUT" { Fault::StallBefore } else { Fault::None });
    for _ in 0..6 {
        rows.append(workdir, 60);
        wait_until("the rows to be near", WITHIN, || {
            assert!(running.is_running(), "the daemon ended: {}", running.stderr());
            (stored(workdir, "near").len() >= rows.written).then_some(())
        });
    }
    rows.assert_stored_once(&stored(workdir, "near"));
    assert_eq!(far.rows().len(), SITES, "it did not hang");
    far.front.set_rule(|_| Fault::None);
    far.front.cut();
    // Of each site one object, and six times sixty rows, ten to an object at most.
    let all = SITES * (1 + 6 * 6);
    wait_until("all rows to be in the bucket", WITHIN, || {
        (far.objects() >= all && far.rows().len() >= rows.written).then_some(())
    });
    running.terminate();
    let _ = running.wait().expect_code(0);
    rows.assert_stored_once(&far.rows());
    rows.assert_stored_once(&stored(workdir, "near"));
}

#[test]
fn a_sink_that_hangs_holds_back_no_other_and_gets_every_row_when_it_is_back() {
    let far = Far::start();
    let workdir = workdir(&format!(
        "[sink]\n{}[sinks.near]\nurl = \"file://./near\"\n{}",
        far.lines,
        TABLE.replace("[poll]", NARROW),
    ));
    assert_near_is_not_held_back(&far, &workdir, &["MET"]);
}

#[test]
fn a_sink_of_one_table_that_hangs_holds_back_no_other_table() {
    let far = Far::start();
    let workdir = workdir(&format!(
        "[sink]\nurl = \"file://./near\"\n{}\n[tables.FAR]\nsite_column = \"SITE_ID\"\n\
         time_column = \"DATE_TIME\"\n[tables.FAR.sink]\n{}",
        TABLE.replace("[poll]", NARROW),
        far.lines,
    ));
    assert_near_is_not_held_back(&far, &workdir, &["MET", "FAR"]);
}

#[test]
fn killed_at_any_moment_it_stores_every_row_once_in_each_sink() {
    const KILLS: usize = 12;
    let seed = data::seed();
    println!("seed {seed}");
    let mut random = data::SplitMix64::new(seed);
    let workdir = two_folders("[sinks.archive.upload]\nbatch_rows_max = 3", "");
    let mut rows = Rows::begin(&workdir, 10);
    for _ in 0..KILLS {
        rows.append(&workdir, 20);
        let running = workdir.livecosmos().table("MET").spawn();
        let moment = Instant::now() + Duration::from_millis(random.below(400));
        wait_until("a random moment", WITHIN, || (Instant::now() >= moment).then_some(()));
        drop(running.kill());
    }
    let _ = once(&workdir, "MET").run().expect_code(0);
    rows.assert_stored_once(&stored(&workdir, "first"));
    rows.assert_stored_once(&stored(&workdir, "second"));
    println!("{KILLS} kills: {} rows, in each of two sinks once", rows.written);
}

#[test]
fn a_state_that_is_lost_or_old_costs_its_own_sink_a_look_and_no_row() {
    let workdir = two_folders("", "");
    let mut rows = Rows::begin(&workdir, 10);
    rows.append(&workdir, 4);
    let _ = once(&workdir, "MET").run().expect_code(0);
    for name in ["MET@archive.state", "MET@archive.state.backup"] {
        std::fs::remove_file(workdir.state_dir().join(name)).expect("a state of its own");
    }
    rows.append(&workdir, 4);
    let _ = once(&workdir, "MET").run().expect_code(0);
    rows.assert_stored_once(&stored(&workdir, "first"));
    rows.assert_stored_once(&stored(&workdir, "second"));
}

#[test]
fn one_sink_of_a_table_can_be_followed_alone() {
    let workdir = two_folders("", "");
    let mut rows = Rows::begin(&workdir, 10);
    rows.append(&workdir, 3);
    let _ = once(&workdir, "MET@archive").run().expect_code(0);
    assert_eq!(ids(&stored(&workdir, "first")), BTreeSet::new());
    rows.assert_stored_once(&stored(&workdir, "second"));
    let planned = once(&workdir, "MET").arg("--dry-run").run().expect_code(0).stdout;
    assert_eq!(planned.lines().filter(|line| line.starts_with("MET ")).count(), SITES, "{planned}");
    assert!(!planned.contains("MET@archive"), "all of it is stored: {planned}");
}

#[test]
fn a_table_may_choose_its_sinks() {
    let workdir = two_folders(
        "",
        "sinks = []\n[tables.OTHER]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"\nsinks = [\"archive\"]",
    );
    let mut rows = Rows::begin(&workdir, 10);
    rows.append(&workdir, 2);
    let _ = once(&workdir, "all").run().expect_code(0);
    let second = objects::in_folder(&workdir.path("second"));
    assert!(second.keys().all(|key| key.contains("/OTHER/")), "{:?}", second.keys());
    rows.assert_stored_once(&objects::rows(&second));
}

/// The message for a configuration that is refused.
fn refusal(archive: &str, table: &str) -> String {
    let workdir = two_folders(archive, table);
    let said = once(&workdir, "MET").run().expect_code(78).stderr;
    said.replace(&workdir.folder().display().to_string(), "[DIR]")
}

#[test]
fn what_is_wrong_with_sinks_is_named_with_its_place_and_its_remedy() {
    insta::assert_snapshot!(refusal("", "sinks = [\"archiv\"]"), @r#"
    error: [DIR]/livecosmos.toml:18:10: unknown sink 'archiv'
    hint: did you mean 'archive'?
    "#);
    insta::assert_snapshot!(refusal("", "sinks = \"archive\""), @r#"
    error: [DIR]/livecosmos.toml:18:9: sinks is no list of names
    hint: write it as sinks = ["archive"]
    "#);
    insta::assert_snapshot!(refusal("", "[tables.\"MET@archive\"]"), @r#"
    error: [DIR]/livecosmos.toml:18:9: [tables."MET@archive"] names a sink
    hint: name the table alone, and its sinks in sinks = []
    "#);
    insta::assert_snapshot!(refusal("[sinks.Two]\nurl = \"file://./third\"", ""), @r#"
    error: [DIR]/livecosmos.toml:5:8: sink name "MET@Two" is not allowed
    hint: use TABLE@SINK, the sink 1 to 32 of a-z 0-9 -, a letter first
    "#);
    insta::assert_snapshot!(refusal("[sinks.two]\nurl = \"file://./first\"", ""), @r#"
    error: [DIR]/livecosmos.toml:5:8: tables MET and MET@two would store under the same keys
    hint: give one another url
    "#);
    insta::assert_snapshot!(refusal("[sinks.two]", ""), @r#"
    error: [DIR]/livecosmos.toml:15:9: table MET has no sinks.two.url
    hint: set url under [sinks.two], such as "file://./out" or "s3://bucket/prefix"
    "#);
    insta::assert_snapshot!(refusal("[sinks.two]\nurl = \"file://./third\"\ninterval = \"1s\"", ""), @r#"
    error: [DIR]/livecosmos.toml:7:1: unknown key 'interval'
    hint: it belongs under [poll]
    "#);
    let workdir = two_folders("", "");
    let said = once(&workdir, "MET@archiv").run().expect_code(78).stderr;
    assert!(said.ends_with("unknown table 'MET@archiv'\nhint: did you mean 'MET@archive'?\n"), "{said}");
}

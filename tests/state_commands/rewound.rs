//! Rows that are sent again: on a chain of their own, marked as a resend, beside a live chain that goes on.

use std::collections::BTreeMap;

use crate::scene::{csv, insert, loaded, once, sqlite, state, stored, tidy};
use crate::support::daemon::Workdir;
use crate::support::objects;

const TIMES: [&str; 4] =
    ["2025-01-01T00:00:00", "2025-01-01T00:30:00", "2025-01-01T01:00:00", "2025-01-01T01:30:00"];

/// Four rows each of two sites, stored from a database.
fn from_database() -> Workdir {
    let work = sqlite("");
    for (n, time) in TIMES.iter().enumerate() {
        insert(&work, &[("ALIC1", time, &format!("a{n}")), ("BUNNY", time, &format!("b{n}"))]);
    }
    once(&work);
    work
}

/// The same from two files.
fn from_files() -> Workdir {
    let work = csv();
    let config = std::fs::read_to_string(work.config()).unwrap().replace("{table}.csv", "{table}*.csv");
    work.write("livecosmos.toml", config);
    std::fs::remove_file(work.path("X.csv")).unwrap();
    for (file, columns, end, range) in [("X1.csv", "", "", 0..2), ("X2.csv", ",TB", ",0", 2..4)] {
        let rows = range.flat_map(|n| ["ALIC1,", "BUNNY,"].map(|site| (site, n)));
        let rows = rows.map(|(site, n)| {
            let value = site.chars().next().unwrap().to_ascii_lowercase();
            format!("{site}{},{value}{n}{end}\n", TIMES[n])
        });
        work.write(file, format!("SITE_ID,DATE_TIME,TA{columns}\n") + &rows.collect::<String>());
    }
    once(&work);
    work
}

fn rewind(work: &Workdir, words: &[&str]) -> crate::support::daemon::Output {
    state(work, "rewind", &[&["--site", "ALIC1", "--to"], words].concat()).run()
}

/// How often each value is stored.
fn counts(work: &Workdir) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for value in stored(work) {
        *counts.entry(value).or_default() += 1;
    }
    counts
}

fn expected(twice: &[&str], once: &[&str]) -> BTreeMap<String, usize> {
    let of = |values: &[&str], n| values.iter().map(|value| ((*value).to_owned(), n)).collect::<Vec<_>>();
    of(twice, 2).into_iter().chain(of(once, 1)).collect()
}

/// What the object `key` says of itself: the claim that stands beside it.
fn facts(work: &Workdir, key: &str) -> String {
    let claim = work.path(&format!("out/.livecosmos/{key}"));
    let name = claim.file_name().unwrap().to_str().unwrap();
    let entries = claim.parent().unwrap().read_dir().unwrap();
    let mut names = entries.map(|entry| entry.unwrap().path());
    let found = names.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name));
    std::fs::read_to_string(found.expect("a claim")).unwrap()
}

#[test]
fn rows_behind_the_time_are_sent_once_more_and_no_others() {
    for work in [from_database(), from_files()] {
        let _ = rewind(&work, &["2025-01-01T00:30:00Z", "--yes"]).expect_code(0);
        once(&work);
        assert_eq!(counts(&work), expected(&["a2", "a3"], &["a0", "a1", "b0", "b1", "b2", "b3"]));
        once(&work);
        assert_eq!(counts(&work), expected(&["a2", "a3"], &["a0", "a1", "b0", "b1", "b2", "b3"]));
        assert!(loaded(&work.state_dir()).sites.values().all(|site| site.fills.is_empty()), "it is not done");
    }
}

#[test]
fn rows_that_a_first_run_left_out_are_not_sent_again() {
    let work = sqlite("");
    let config = std::fs::read_to_string(work.config()).unwrap();
    work.write("livecosmos.toml", config.replace("\"all\"", "\"2025-01-01T00:45:00Z\""));
    for (n, time) in TIMES.iter().enumerate() {
        insert(&work, &[("ALIC1", time, &format!("a{n}"))]);
    }
    once(&work);
    let _ = rewind(&work, &["2024-12-01", "--yes"]).expect_code(0);
    once(&work);
    assert_eq!(counts(&work), expected(&["a2", "a3"], &[]));
}

#[test]
fn resent_objects_say_so_and_the_live_chain_goes_on() {
    let work = from_database();
    let before = loaded(&work.state_dir());
    let _ = rewind(&work, &["2025-01-01T00:30:00Z", "--yes"]).expect_code(0);
    let site = crate::scene::site_id("ALIC1");
    assert_eq!(loaded(&work.state_dir()).sites[&site].live, before.sites[&site].live);
    insert(&work, &[("ALIC1", "2025-01-01T02:00:00", "a4")]);
    once(&work);
    let mut resent = 0;
    for (key, _) in objects::in_folder(&work.path("out")) {
        let facts = facts(&work, &key);
        assert_eq!(
            key.contains("/rewind-"),
            facts.contains("\"livecosmos-resend\": \"true\""),
            "{key}: {facts}"
        );
        resent += usize::from(key.contains("/rewind-"));
    }
    assert_eq!(resent, 1);
    let values = expected(&["a2", "a3"], &["a0", "a1", "a4", "b0", "b1", "b2", "b3"]);
    assert_eq!(counts(&work), values);
    assert!(work.path("out/ALIC1/X/00000000000000000001.ndjson").exists());
}

#[test]
fn a_dry_run_counts_what_would_be_sent_and_changes_nothing() {
    for (fills, rows, work) in [(1, vec![2], from_database()), (2, vec![0, 2], from_files())] {
        let before = std::fs::read(work.state_dir().join("X.state")).unwrap();
        let run = rewind(&work, &["2025-01-01T00:30:00Z", "--dry-run", "--output", "json"]).expect_code(0);
        let document: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let found = document["fills"].as_array().unwrap();
        assert_eq!(found.len(), fills, "{document}");
        let mut counted: Vec<u64> = found.iter().map(|fill| fill["rows"].as_u64().unwrap()).collect();
        counted.sort_unstable();
        assert_eq!(counted, rows, "{document}");
        let last = found.iter().find(|fill| fill["rows"] == 2).unwrap();
        assert_eq!(
            (&last["first"], &last["last"]),
            (&"2025-01-01T01:00:00Z".into(), &"2025-01-01T01:30:00Z".into())
        );
        assert_eq!(std::fs::read(work.state_dir().join("X.state")).unwrap(), before);
        assert!(!work.state_dir().join("X.state.undo").exists());
        let asked = rewind(&work, &["2025-01-01T00:30:00Z"]).expect_code(2);
        assert!(!asked.stderr.contains("are sent again"), "{}", asked.stderr);
    }
}

#[test]
fn a_rewind_that_is_undone_in_time_sends_nothing() {
    let work = from_database();
    let _ = rewind(&work, &["2025-01-01T00:30:00Z", "--yes"]).expect_code(0);
    let _ = state(&work, "undo", &["--yes"]).run().expect_code(0);
    once(&work);
    assert!(counts(&work).values().all(|count| *count == 1));
}

#[test]
fn a_file_that_is_gone_is_named_and_left_out() {
    let work = from_files();
    std::fs::remove_file(work.path("X1.csv")).unwrap();
    let run = rewind(&work, &["2024-01-01", "--yes"]).expect_code(0);
    assert!(run.stderr.contains("X1.csv is not there any more"), "{}", run.stderr);
    once(&work);
    assert_eq!(counts(&work), expected(&["a2", "a3"], &["a0", "a1", "b0", "b1", "b2", "b3"]));
}

#[test]
fn what_was_never_sent_cannot_be_sent_again() {
    let work = from_database();
    let refused = |words: &[&str]| tidy(&work, &state(&work, "rewind", words).run().expect_code(78).stderr);
    let refusals = [
        refused(&["--site", "ALIC1", "--to", "2025-01-01T01:30:00Z", "--yes"]),
        refused(&["--site", "CHIMN", "--to", "2025-01-01", "--yes"]),
        refused(&["--site", "CHIMN", "--to", "2025-01-01", "--dry-run"]),
    ];
    insta::assert_snapshot!(refusals.join("\n"), @r"
error: site ALIC1 is stored up to 2025-01-01T01:30:00Z, and no row behind 2025-01-01T01:30:00Z was sent
hint: give an earlier --to
error: nothing is known of site CHIMN in table X
hint: 'livecosmos state show' lists the sites there are
error: nothing is known of site CHIMN in table X
hint: 'livecosmos state show' lists the sites there are
");
}

#[test]
fn what_is_still_to_be_sent_again_is_shown() {
    let work = from_database();
    let show = |words: &[&str]| {
        let line = crate::support::daemon::Livecosmos::new(work.folder()).arg("state").arg("show");
        let line = words.iter().fold(line, crate::support::daemon::Livecosmos::arg);
        line.arg("--state-dir").arg(work.state_dir()).run().expect_code(0).stdout
    };
    let fills = || {
        let shown = tidy(&work, &show(&[]));
        let last = |line: &str| line.rsplit("  ").next().unwrap().to_owned();
        shown.lines().map(last).collect::<Vec<_>>()
    };
    assert_eq!(fills(), ["FILLS", "-", "-"]);
    let _ = rewind(&work, &["2025-01-01T00:30:00Z", "--yes"]).expect_code(0);
    assert_eq!(fills(), ["FILLS", "1", "-"]);
    let document: serde_json::Value = serde_json::from_str(&show(&["--output", "json"])).unwrap();
    let sites = &document["tables"][0]["sites"];
    assert_eq!(sites["BUNNY"]["fills"], serde_json::json!([]));
    let fill = &sites["ALIC1"]["fills"][0];
    assert!(fill["chain"].as_str().unwrap().starts_with("rewind-"), "{fill}");
    assert_eq!((&fill["kind"], &fill["seq"]), (&"resend".into(), &0.into()));
    assert!(fill["from"].as_str().unwrap().contains("2025-01-01T00:30:00Z"), "{fill}");
    assert!(fill["until"].as_str().unwrap().contains("2025-01-01T01:30:00Z"), "{fill}");
    once(&work);
    assert_eq!(fills(), ["FILLS", "-", "-"]);
}

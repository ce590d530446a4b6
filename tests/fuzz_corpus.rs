//! Every input of `fuzz/corpus`, played through the check that its fuzzer makes: seeds, and what the
//! fuzzers found, which stays mended.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::panic;
use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "public for the fuzzers, which are another package")]
mod checks;

/// An input that the check cannot take is named before the test fails.
fn play(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut played = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let input = fs::read(&path).unwrap();
        let outcome = panic::catch_unwind(|| check(&input));
        assert!(outcome.is_ok(), "{} broke a promise; what it was is told above", path.display());
        played += 1;
    }
    assert!(played >= 10, "only {played} inputs in {}", folder.display());
}

#[test]
fn a_state_file_is_refused_or_says_the_same_when_it_is_written_again() {
    play("state", checks::state::check);
}

#[test]
fn a_configuration_is_refused_with_its_place_or_can_be_used() {
    play("config", checks::config::check);
}

#[test]
fn a_csv_file_gives_the_same_rows_at_one_go_as_it_grows_and_with_a_crash() {
    play("csv", checks::csv::check);
}

#[test]
fn a_payload_is_refused_or_read_as_json_says_it() {
    play("payload", checks::payload::check);
}

#[test]
fn the_facts_of_an_object_are_refused_or_say_the_same_when_they_are_written_again() {
    play("facts", checks::facts::check);
}

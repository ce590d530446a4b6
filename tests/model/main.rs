//! The promise against a model: the real uploader with a table, a sink and a clock that exist only here,
//! and histories drawn at random. Rows appear late, twice, tied, changed and in the future; requests are
//! lost, refused, or carried out with a lost reply; the process stops between any two of them, or behind any
//! commit; states are lost, rolled back to any earlier one, or belong to two daemons at once; operators ask for
//! older rows. In the end the rows over all objects are the rows that were due, each as often as it was.
//!
//! `LIVECOSMOS_SEED` repeats one history, `LIVECOSMOS_HISTORIES` says how many the long test plays.
#![allow(clippy::print_stdout, reason = "says what was played")]

mod history;
mod judge;
mod kind;
mod random;
mod receiver;
mod shelf;
mod table;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use history::{History, Tally};

/// Histories of the short test.
const FEW: u64 = 1_500;
/// Histories of the long one.
const MANY: u64 = 100_000;
/// What must have happened in as many histories, or the model proves less than it says.
const PLAYED: [&str; 16] = [
    "fresh rows",
    "late rows",
    "old rows",
    "rows from the future",
    "changed rows",
    "crashes",
    "lost states",
    "old states",
    "runs with faults",
    "runs of both at once",
    "turns of both",
    "puts on their way",
    "backfills",
    "clocks set",
    "runs to a receiver",
    "adoptions and jumps",
];
/// Failures that are told before the test gives up.
const TOLD_MAX: usize = 3;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays histories with the seeds from `first` on, on all processors.
fn play(first: u64, count: u64) {
    println!("seeds {first} to {}: LIVECOSMOS_SEED=… repeats one", first.wrapping_add(count - 1));
    let (begun, next) = (Instant::now(), AtomicU64::new(0));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let results: Vec<(Tally, Vec<String>)> = std::thread::scope(|scope| {
        let work = || scope.spawn(|| play_some(first, count, &next));
        let threads: Vec<_> = (0..workers).map(|_| work()).collect();
        threads.into_iter().map(|thread| thread.join().expect("no history panics")).collect()
    });
    let mut tally = Tally::default();
    for (other, _) in &results {
        tally.merge(other);
    }
    let seconds = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = count as f64 / seconds;
    println!("{count} histories in {seconds:.1} s, {rate:.0} a second: {:?}", tally.0);
    let unplayed: Vec<&str> =
        PLAYED.into_iter().filter(|what| count >= FEW && tally.0.get(what).is_none_or(|n| *n == 0)).collect();
    assert!(unplayed.is_empty(), "never played: {unplayed:?}");
    let failures: Vec<String> = results.into_iter().flat_map(|(_, failures)| failures).collect();
    assert!(
        failures.is_empty(),
        "{} histories failed; the shortest:\n{}",
        failures.len(),
        shortest(&failures)
    );
}

fn shortest(failures: &[String]) -> &str {
    failures.iter().min_by_key(|failure| failure.lines().count()).map_or("", |failure| failure)
}

fn play_some(first: u64, count: u64, next: &AtomicU64) -> (Tally, Vec<String>) {
    let folder = folder();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("threads can be started");
    let (mut tally, mut failures) = (Tally::default(), Vec::new());
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count || failures.len() >= TOLD_MAX {
            return (tally, failures);
        }
        let seed = first.wrapping_add(number);
        let mut history = History::new(seed, folder.path());
        let played = runtime.block_on(history.play());
        failures.extend(played.err().map(|told| format!("seed {seed}: {told}")));
        tally.merge(&history.tally);
    }
}

/// In memory, where the machine has such a folder: a sync there costs nothing.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}

fn seed() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::hash::RandomState::new().build_hasher().finish() >> 16
}

#[test]
fn each_row_is_stored_once_in_every_history() {
    match number("LIVECOSMOS_SEED") {
        Some(seed) => play(seed, 1),
        None => play(seed(), FEW),
    }
}

#[test]
#[ignore = "minutes; part of make torture"]
fn each_row_is_stored_once_in_a_hundred_thousand_histories() {
    play(seed(), number("LIVECOSMOS_HISTORIES").unwrap_or(MANY));
}

//! Every call that the job makes on its files and sockets fails once, and the job is killed before it.
//!
//! strace is told to fail the n-th call of one kind on one file, for each file, each kind and each n that
//! a recorded run made; on sockets the n-th call of one kind. After each faulty run a clean one follows,
//! and what is stored is compared with the rows that were due. The loader's and the runtime's own calls,
//! which name no file of the job, are left alone.
#![allow(clippy::print_stdout, reason = "says what was swept, and the seed")]

#[path = "../data/mod.rs"]
mod data;
mod job;
#[path = "../support/mod.rs"]
mod support;
mod sweep;
mod trace;

use std::process::Command;

use job::{Begin, Bucket, From, Variant};
use support::front::Front;
use support::s3s;
use sweep::{Case, Fault, Place};

/// Cases of the short sweep. `LIVECOSMOS_SWEEP_CASES` overrides it, and shortens the long one.
const SAMPLE: usize = 120;

/// Why strace cannot do this here, if it cannot.
fn why_not() -> Option<String> {
    let words = ["-f", "-qqq", "-o", "/dev/null", "-e", "inject=fsync:error=EIO:when=1", "true"];
    match Command::new("strace").args(words).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Some(format!("strace does not start: {error}")),
    }
}

/// The jobs that are swept.
fn variants(bucket: &Bucket) -> Vec<Variant<'_>> {
    let s3 = Some(bucket);
    [
        ("csv to folder, new", From::Csv, Begin::Nothing, None),
        ("csv to folder, state", From::Csv, Begin::State, None),
        ("csv to s3, new", From::Csv, Begin::Nothing, s3),
        ("csv to s3, state", From::Csv, Begin::State, s3),
        ("sqlite to folder, new", From::Sqlite, Begin::Nothing, None),
        ("sqlite to folder, state", From::Sqlite, Begin::State, None),
    ]
    .map(|(name, from, begin, bucket)| Variant { name, from, begin, bucket })
    .to_vec()
}

/// Gives all cases to `choose` and runs those that it leaves.
fn sweep_those(choose: impl FnOnce(&mut Vec<Case>)) {
    if let Some(why) = why_not() {
        println!("skipped: calls cannot be made to fail here: {why}");
        return;
    }
    let server = s3s::start();
    let front = Front::before(server.address());
    let bucket = Bucket::behind(&front, &server);
    let variants = variants(&bucket);
    let mut cases = sweep::cases(&variants, sweep::places);
    choose(&mut cases);
    sweep::sweep(&variants, &cases);
}

/// Leaves a random sample, of the size that the environment asks for or else `size`; all without one.
fn sample(cases: &mut Vec<Case>, size: Option<usize>) {
    let given = std::env::var("LIVECOSMOS_SWEEP_CASES").ok().and_then(|text| text.parse().ok());
    let Some(size) = given.or(size) else { return };
    let seed = data::seed();
    println!("seed {seed}: {size} of {} cases", cases.len());
    let mut random = data::SplitMix64::new(seed);
    // The first steps of a shuffle.
    for at in 0..size.min(cases.len()) {
        let left = u64::try_from(cases.len() - at).expect("a count");
        let other = at + usize::try_from(random.below(left)).expect("below a count");
        cases.swap(at, other);
    }
    cases.truncate(size);
}

#[test]
fn a_call_that_fails_or_is_cut_off_loses_and_doubles_no_row() {
    sweep_those(|cases| sample(cases, Some(SAMPLE)));
}

/// What a signal cuts off says nothing of the disk: a folder made, a file locked or removed.
#[test]
fn a_call_on_the_state_that_a_signal_interrupts_is_made_again() {
    sweep_those(|cases| {
        let is_rare = |call: &str| ["mkdir", "flock", "unlink", "statfs", "statx"].contains(&call);
        cases.retain(|Case { variant, point, fault }| {
            let is_state = Place::of(&point.target) == Place::State;
            *variant < 2 && is_state && *fault == Fault::Error("EINTR") && is_rare(&point.call)
        });
    });
}

/// What is missing is a mistake in the configuration, after which no service manager starts it again.
#[test]
fn a_database_that_cannot_be_looked_at_is_not_taken_for_a_missing_one() {
    sweep_those(|cases| {
        cases.retain(|Case { variant, point, fault }| {
            let is_look = point.call == "statx" && Place::of(&point.target) == Place::Source;
            *variant == 4 && is_look && matches!(fault, Fault::Error("EIO" | "EDQUOT"))
        });
    });
}

#[test]
#[ignore = "minutes; part of make torture"]
fn whatever_call_fails_or_is_cut_off_no_row_is_lost_or_doubled() {
    sweep_those(|cases| sample(cases, None));
}

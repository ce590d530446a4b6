//! Every fault of S3 and its network × every kind of request × the first and later ones: nothing is
//! lost, doubled or left hanging, and the exit code says what an operator must do.
#![allow(clippy::print_stdout, reason = "prints the table of what was tried")]

#[path = "../support/mod.rs"]
mod support;

mod case;
mod matrix;
mod table;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use case::{Outcome, Play, Scene};
use matrix::{Attempt, Case, Kind};
use support::front::Fault;

/// Cases at the same time: most of the time they wait.
const AT_ONCE: usize = 24;

/// Plays `cases` side by side before one server, prints the table, and fails with all that went wrong.
fn prove(cases: &[Case], play: Play) {
    let server = support::s3s::start();
    let client = server.client();
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(cases.len()) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(number) else { return };
                    let outcome = case::guarded(play, client, number, *case);
                    outcomes.lock().expect("no case panics").push((*case, outcome));
                }
            });
        }
    });
    let outcomes: Vec<(Case, Outcome)> = outcomes.into_inner().expect("no case panics");
    assert_eq!(outcomes.len(), cases.len(), "every case was played");
    println!("{}", table::of(&outcomes));
    let problems: Vec<String> = outcomes
        .iter()
        .flat_map(|(case, outcome)| {
            outcome.problems.iter().map(move |problem| format!("{case:?}: {problem}"))
        })
        .collect();
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn a_fault_of_s3_that_strikes_any_request_loses_and_doubles_no_row() {
    let quick = |case: &Case| !case.stalls() && case.attempt == Attempt::Only(1);
    prove(&Case::all().into_iter().filter(quick).collect::<Vec<_>>(), case::once);
}

#[test]
fn a_fault_of_s3_that_lasts_ends_a_run_with_the_code_that_says_so() {
    let quick = |case: &Case| case.is_of_its_own() && case.attempt == Attempt::From(1);
    prove(&Case::all().into_iter().filter(quick).collect::<Vec<_>>(), case::once);
}

/// The first object has lines of equal length: its first half is two whole rows.
#[test]
fn half_an_object_is_not_taken_for_the_whole_though_nothing_else_tells() {
    let server = support::s3s::start();
    let scene = Scene::new(server.client(), 0, "checksum = \"when-required\"");
    let fault = Fault::CutReplyWithoutLength;
    let _ = scene.strike(Case { name: "cut", fault, kind: Kind::Get, attempt: Attempt::Only(1) });
    let met = scene.once().run().expect_code(3);
    assert!(met.stderr.contains("SHA-256"), "{}", met.stderr);
    let _ = scene.once().run().expect_code(0);
    let mut outcome = Outcome::default();
    outcome.judge_rows(&scene.stored());
    assert_eq!(outcome.problems, Vec::<String>::new());
}

#[test]
#[ignore = "minutes; part of make torture"]
fn a_daemon_waits_out_every_fault_of_s3_and_then_stores_each_row_once() {
    prove(&Case::all_of_a_daemon(), case::daemon);
}

#[test]
#[ignore = "minutes; part of make torture"]
fn every_fault_of_s3_on_every_request_first_and_later_loses_and_doubles_no_row() {
    prove(&Case::all(), case::once);
}

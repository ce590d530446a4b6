//! The server's clock is another than ours, and rows are stamped by both.

use super::speech::Speech;
use super::table::{WITHIN, following, ids, stop, stored_ids, with};
use crate::support::clock::Clock;
use crate::support::daemon::Running;
use crate::support::database::Database;
use crate::support::process::wait_until;

/// The first second of 2025 since that of 1970.
const NEW_YEAR_S: u64 = 1_735_689_600;
/// Whether a row has the station's time, which is true, or the server's.
#[derive(Clone, Copy)]
enum By {
    Station,
    Server,
}

/// Inserts rows of now, of three sites in turn.
fn stamp<E: Speech>(server: &Database<E>, by: By, first: i64, last: i64) {
    let now = match by {
        By::Station => E::later(E::NEW_YEAR, &seconds_of_2025().to_string()),
        By::Server => E::NOW.to_owned(),
    };
    server.run(&format!(
        "INSERT INTO met (id, site_id, date_time, ta) SELECT i, CONCAT('SITE', i % 3), {now}, i / 7.0 FROM {}",
        E::numbers(first, last)
    ));
}

#[expect(clippy::disallowed_methods, reason = "a station has a clock of its own")]
fn seconds_of_2025() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("a clock of this century").as_secs() - NEW_YEAR_S
}

/// A server with an empty table, and the clock it goes by.
fn served<E: Speech>() -> Option<(Database<E>, Clock)> {
    let clock = Clock::right()?;
    let server = Database::start_in(&[], &clock.environment());
    server.run(E::TABLE);
    Some((server, clock))
}

/// So many rows are said to lie in the future.
fn are_held_back(running: &Running, rows: usize) -> bool {
    let said = running.stderr();
    said.lines().any(|line| line.contains("rows lie in the future") && line.contains(&format!("rows={rows}")))
}

pub(crate) fn rows_that_a_server_ahead_of_us_stamps_are_held_back_counted_and_stored_once_when_their_time_has_come<
    E: Speech,
>() {
    let Some((server, its_clock)) = served::<E>() else { return };
    let Some(our_clock) = Clock::right() else { return };
    its_clock.set("+5h");
    stamp(&server, By::Station, 1, 10);
    stamp(&server, By::Server, 11, 20);
    let workdir = following::<E>(&server.url(), "");
    let run = our_clock.over(workdir.livecosmos().table("MET"));
    let mut running = run.spawn();
    wait_until("the rows of the future to be counted", WITHIN, || {
        assert!(running.is_running(), "{}", running.stderr());
        are_held_back(&running, 10).then_some(())
    });
    // They do not move the watermark: what sites of theirs measure now is no late row.
    stamp(&server, By::Station, 21, 30);
    let due = |ids: &[std::ops::RangeInclusive<i64>]| -> Vec<String> {
        ids.iter().cloned().flatten().map(|id| id.to_string()).collect()
    };
    wait_until("the rows that are due", WITHIN, || (stored_ids(&workdir).len() >= 20).then_some(()));
    assert_eq!(stored_ids(&workdir), due(&[1..=10, 21..=30]));
    // The server's clock is set right while it runs; what it stamped before stays where it is.
    its_clock.set("+0");
    stamp(&server, By::Server, 31, 40);
    wait_until("the rows of a clock set right", WITHIN, || (stored_ids(&workdir).len() >= 30).then_some(()));
    assert_eq!(stored_ids(&workdir), due(&[1..=10, 21..=40]));
    our_clock.set("+5h");
    wait_until("the rows whose time has come", WITHIN, || (stored_ids(&workdir).len() >= 40).then_some(()));
    stop(running);
    let _ = run.arg("--once").run().expect_code(0);
    assert_eq!(stored_ids(&workdir), ids(1, 40));
    println!("server 5 h ahead: 40 rows due, 10 of them held back at first, 40 stored, each once");
}

pub(crate) fn rows_are_stored_once_whoever_stamps_them_within_what_tolerance_and_lookback_allow<E: Speech>() {
    // Ahead by less than `future_tolerance`, which is an hour; behind by less than `lookback`.
    const STEPS: [&str; 6] = ["+50m", "-5h", "+0", "-40m", "+30m", "-3h"];
    let Some((server, its_clock)) = served::<E>() else { return };
    let workdir = following::<E>(&server.url(), "");
    with(&workdir, "poll", "lookback = \"7h\"");
    let mut running = workdir.livecosmos().table("MET").spawn();
    let mut last = 0;
    for step in STEPS {
        its_clock.set(step);
        stamp(&server, By::Server, last + 1, last + 5);
        stamp(&server, By::Station, last + 6, last + 10);
        last += 10;
        wait_until(&format!("the rows of a server at {step}"), WITHIN, || {
            assert!(running.is_running(), "{}", running.stderr());
            (stored_ids(&workdir).len() >= usize::try_from(last).expect("small")).then_some(())
        });
        assert_eq!(stored_ids(&workdir), ids(1, last), "at {step}");
    }
    let said = stop(running);
    assert!(!said.contains("in the future"), "{said}");
    let _ = workdir.livecosmos().table("MET").arg("--once").run().expect_code(0);
    assert_eq!(stored_ids(&workdir), ids(1, last));
    println!("server's clock set {} times: {last} rows due, {last} stored, each once", STEPS.len());
}

macro_rules! play {
    ($engine:ty) => {
        crate::served::played!(clocks, $engine:
            rows_that_a_server_ahead_of_us_stamps_are_held_back_counted_and_stored_once_when_their_time_has_come
            rows_are_stored_once_whoever_stamps_them_within_what_tolerance_and_lookback_allow
        );
    };
}
pub(crate) use play;

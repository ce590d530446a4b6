//! While rows keep coming, the daemon, the server, its sessions and the network are killed at random moments.

use crate::served::killed::{Survivor, often, seeded, wait_for_a_moment};
use crate::served::writers::{make_table, while_writing};
use crate::support::postgres::{PostgreSql, Postgres};

crate::served::killed::play!(PostgreSql);

/// Calls `function` for the daemon's sessions, each time at a random moment at which one of them is at work.
fn strike_sessions(function: &str, strikes: u32) {
    let mut random = seeded();
    let server = Postgres::start();
    make_table(&server);
    let mut daemon = Survivor::start::<PostgreSql>(&server.url());
    while_writing::<PostgreSql, _>(&server.client(), || {
        for _ in 0..strikes {
            wait_for_a_moment(&mut random, 300);
            server.run(&format!(
                "DO $$ BEGIN LOOP PERFORM pg_stat_clear_snapshot(); PERFORM {function}(pid) FROM pg_stat_activity \
                 WHERE application_name = 'livecosmos' AND state IN ('active', 'idle in transaction'); \
                 EXIT WHEN FOUND; PERFORM pg_sleep(0.0005); END LOOP; END $$"
            ));
            daemon.must_live();
        }
    });
    let (count, said) = daemon.assert_all_stored(&server);
    let met = said.matches(" ERROR ").count();
    println!("{strikes} times {function}, met {met} times: {count} rows, each once");
    // A few may all fall between two statements.
    assert!(met > 0 || strikes < 50, "the daemon met none of them: {said}");
}

#[test]
fn rows_are_stored_once_though_sessions_are_ended_in_the_middle_of_a_statement() {
    strike_sessions("pg_terminate_backend", 10);
}

#[test]
fn rows_are_stored_once_though_statements_are_cancelled() {
    strike_sessions("pg_cancel_backend", 10);
}

#[test]
#[ignore = "minutes; part of make torture"]
fn rows_are_stored_once_though_sessions_are_ended_and_cancelled_many_times() {
    strike_sessions("pg_terminate_backend", often() / 2);
    strike_sessions("pg_cancel_backend", often() / 2);
}

//! A read that the server ends, for another session and it wait for each other's locks, is made again.

use std::time::Duration;

use crate::served::speech::Speech as _;
use crate::served::table::{following, ids, insert_into, stop, stored_ids, wait_for};
use crate::support::postgres::{PostgreSql, Postgres};
use crate::support::process::wait_until;

const ROUNDS: i64 = 5;
/// The two tables behind what is read, whose locks are taken in this order.
const VIEW: &str = "CREATE VIEW met AS SELECT * FROM met_a UNION ALL SELECT * FROM met_b";
/// Ends when somebody waits for `met_b`.
const WAIT_FOR_READER: &str = "DO $$ BEGIN FOR look IN 1..6000 LOOP EXIT WHEN EXISTS (SELECT FROM pg_locks \
     WHERE NOT granted AND relation = 'met_b'::regclass); PERFORM pg_sleep(0.005); END LOOP; END $$";

/// A view over two tables with rows 1 to 30, and an account that looks for a deadlock after a second of
/// waiting: only whoever looks is ended.
fn view_over_two_tables() -> Postgres {
    let server = Postgres::start_with(&["log_line_prefix=%a|"]);
    for name in ["met_a", "met_b"] {
        server.run(&PostgreSql::TABLE.replace("met", name));
    }
    insert_into(&server, "met_a", 1, 15);
    insert_into(&server, "met_b", 16, 30);
    server.run(VIEW);
    server.run(
        "CREATE ROLE reader LOGIN; GRANT SELECT ON met TO reader; ALTER ROLE reader SET deadlock_timeout = '1s'",
    );
    server
}

/// Adds ten rows behind `last` in a transaction that locks the second table, and the first once the reader
/// has that and waits for the second.
fn write_against_the_reader(server: &Postgres, last: i64) {
    let insert = |table: &str, first: i64| {
        format!(
            "INSERT INTO {table} SELECT i, 'SITE' || i % 3, {}, i / 7.0 FROM generate_series({first}, {}) AS i",
            PostgreSql::later(PostgreSql::NEW_YEAR, "i"),
            first + 4
        )
    };
    server.run(&format!(
        "SET deadlock_timeout = '10min'; BEGIN; LOCK TABLE met_b; {WAIT_FOR_READER}; LOCK TABLE met_a; {}; {}; COMMIT",
        insert("met_a", last + 1),
        insert("met_b", last + 6)
    ));
}

#[test]
fn a_read_that_the_server_ends_to_break_a_deadlock_is_tried_again_and_stores_each_row_once() {
    let server = view_over_two_tables();
    let victims = || {
        let log = std::fs::read_to_string(server.log()).expect("the server's log");
        log.matches("livecosmos|ERROR:  deadlock detected").count()
    };
    let workdir = following::<PostgreSql>(&server.url_of("reader"), "");
    let running = workdir.livecosmos().table("MET").spawn();
    wait_for(&workdir, 30);
    for round in 0..ROUNDS {
        let (before, last) = (victims(), 30 + round * 10);
        write_against_the_reader(&server, last);
        wait_until("the server to say whom it ended", Duration::from_secs(30), || {
            (victims() > before).then_some(())
        });
        wait_for(&workdir, last + 10);
    }
    let said = stop(running);
    let told = said.matches("deadlock detected (40P01); it is tried again").count();
    println!("{} deadlocks, {told} told: {} rows, each once", victims(), stored_ids(&workdir).len());
    assert_eq!(told, victims(), "{said}");
    assert_eq!(stored_ids(&workdir), ids(1, 30 + ROUNDS * 10));
}

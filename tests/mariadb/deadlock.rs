//! A read whose locks and another session's wait for each other is ended by the server, or given its locks
//! anew, and made again.

use crate::served::speech::Speech as _;
use crate::served::table::{WITHIN, following, ids, insert_into, served, stop, stored_ids, wait_for, with};
use crate::support::mariadb::{MariaDb, Mariadb, wait_for_statements};
use crate::support::process::wait_until;

const ROUNDS: i64 = 5;
/// The operator's query shares locks of its rows, which are taken in this order.
const SITES_QUERY: &str = "SELECT STRAIGHT_JOIN s.site FROM sites AS s JOIN stations AS t ON t.site = s.site \
     LOCK IN SHARE MODE";
/// Ends when somebody waits for a row. What is asked for within a tenth of a second of the last answer is that
/// answer again.
const WAIT_FOR_READER: &str = "DELIMITER //\nCREATE PROCEDURE wait_for_reader() BEGIN \
     DECLARE looks INT DEFAULT 0; REPEAT SET looks = looks + 1; DO SLEEP(0.15); UNTIL looks = 300 OR EXISTS \
     (SELECT 1 FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT') END REPEAT; END//\nDELIMITER ;";

#[test]
fn a_read_that_the_server_ends_to_break_a_deadlock_is_tried_again_and_stores_each_row_once() {
    let server = served::<MariaDb>(30);
    for name in ["sites", "stations"] {
        server.run(&format!(
            "CREATE TABLE {name} (site varchar(64) PRIMARY KEY, n int); \
             INSERT INTO {name} VALUES ('SITE0', 0), ('SITE1', 0), ('SITE2', 0)"
        ));
    }
    server.run(WAIT_FOR_READER);
    let victims = || -> usize {
        let status = server.run("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'");
        status[0].rsplit('\t').next().expect("a number").parse().expect("a number")
    };
    let workdir = following::<MariaDb>(&server.url(), "");
    with(&workdir, "source", &format!("sites_query = \"{SITES_QUERY}\""));
    let running = workdir.livecosmos().table("MET").spawn();
    wait_for(&workdir, 30);
    for round in 0..ROUNDS {
        let (before, last) = (victims(), 30 + round * 10);
        // Of the two the server ends the one that has done less: the other has rows to undo.
        server.run(&format!(
            "BEGIN; {}; UPDATE stations SET n = n + 1; CALL wait_for_reader(); UPDATE sites SET n = n + 1; COMMIT",
            rows(last + 1, last + 10)
        ));
        assert_eq!(victims(), before + 1, "a deadlock, which the reader lost");
        wait_for(&workdir, last + 10);
    }
    let said = stop(running);
    let told = said.matches("(1213); the server chose it to end a deadlock; it is tried again").count();
    println!("{} deadlocks, {told} told: {} rows, each once", victims(), stored_ids(&workdir).len());
    assert_eq!(told, victims(), "{said}");
    assert_eq!(stored_ids(&workdir), ids(1, 30 + ROUNDS * 10));
}

fn rows(first: i64, last: i64) -> String {
    format!(
        "INSERT INTO met SELECT i, CONCAT('SITE', i % 3), {}, i / 7 FROM {}",
        MariaDb::later(MariaDb::NEW_YEAR, "i"),
        MariaDb::numbers(first, last)
    )
}

/// A view over two tables with rows 1 to 30, whose definitions are locked in the order in which they stand
/// there: against the order of their names.
fn view_over_two_tables() -> Mariadb {
    let server = Mariadb::start_with(&["plugin-load-add=metadata_lock_info"]);
    for name in ["met_z", "met_a"] {
        server.run(&MariaDb::TABLE.replace("met", name));
    }
    insert_into(&server, "met_z", 1, 15);
    insert_into(&server, "met_a", 16, 30);
    server.run("CREATE VIEW met AS SELECT * FROM met_z UNION ALL SELECT * FROM met_a");
    server
}

/// Both tables get other names and these back, in one statement that locks `met_a` first.
const RENAME: &str = "RENAME TABLE met_a TO old_a, met_z TO old_z, old_a TO met_a, old_z TO met_z";

#[test]
fn a_read_whose_definitions_are_locked_crosswise_is_begun_anew_by_the_server_and_stores_each_row_once() {
    let server = view_over_two_tables();
    let workdir = following::<MariaDb>(&server.url(), "");
    let running = workdir.livecosmos().table("MET").spawn();
    wait_for(&workdir, 30);
    // Somebody holds up the reader between its two tables.
    let mut holder = server.spawn("LOCK TABLES met_a WRITE; SELECT SLEEP(600)");
    wait_for_statements(&server, "SLEEP", 1);
    wait_until("the reader to hold the first table", WITHIN, || {
        let held = "SELECT 1 FROM information_schema.METADATA_LOCK_INFO AS held \
             JOIN information_schema.PROCESSLIST AS reader ON reader.id = held.thread_id \
             WHERE held.table_name = 'met_z' AND reader.state = 'Waiting for table metadata lock'";
        (!server.run(held).is_empty()).then_some(())
    });
    let mut renames = server.spawn(RENAME);
    wait_for_statements(&server, "RENAME", 1);
    // Then the table goes to whoever renames it: the one waits for the reader's table, the reader for that.
    holder.kill();
    assert!(renames.wait(WITHIN).success(), "{}", renames.log());
    insert_into(&server, "met_z", 31, 35);
    insert_into(&server, "met_a", 36, 40);
    wait_for(&workdir, 40);
    let said = stop(running);
    assert!(!said.contains(" ERROR "), "the server sees to it by itself: {said}");
}

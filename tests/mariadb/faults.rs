//! What goes wrong at a server costs no row, and is told in words that name the remedy.

use std::time::Duration;

use crate::followed::{TABLE, following, ids, insert, stored_ids};
use crate::support::daemon::{Livecosmos, Running, Workdir};
use crate::support::mariadb::{ADMIN, Mariadb, wait_for_statements};
use crate::support::objects;
use crate::support::process::{free_address, wait_until};

const WITHIN: Duration = Duration::from_secs(90);

fn once(workdir: &Workdir) -> Livecosmos {
    workdir.livecosmos().table("MET").arg("--once")
}

/// A server with rows 1 to 30, a working folder, and the daemon that has stored them.
fn followed() -> (Mariadb, Workdir, Running) {
    let server = Mariadb::start();
    server.run(TABLE);
    insert(&server, 1, 30);
    let workdir = following(&server.url(), "");
    let running = workdir.livecosmos().table("MET").spawn();
    wait_for(&workdir, 30);
    (server, workdir, running)
}

/// Waits until so many rows are stored, each once.
fn wait_for(workdir: &Workdir, last: i64) {
    wait_until("the rows to be stored", WITHIN, || {
        (stored_ids(workdir).len() >= usize::try_from(last).expect("small")).then_some(())
    });
    assert_eq!(stored_ids(workdir), ids(1, last));
}

fn stop(mut running: Running) -> String {
    running.terminate();
    running.wait().expect_code(0).stderr
}

/// The same configuration with another line in its source.
fn with(workdir: &Workdir, line: &str) {
    let toml = std::fs::read_to_string(workdir.config()).expect("the configuration");
    workdir.write("livecosmos.toml", toml.replacen("[sink]", &format!("{line}\n[sink]"), 1));
}

#[test]
fn a_server_that_is_away_is_waited_for_and_ends_a_single_run() {
    let (mut server, workdir, mut running) = followed();
    server.stop();
    running.wait_for_stderr("it is", WITHIN);
    let run = once(&following(&server.url(), "")).run().expect_code(69);
    assert!(
        run.stderr.contains("cannot be reached") && run.stderr.contains("it is tried again"),
        "{}",
        run.stderr
    );
    server.start_again();
    insert(&server, 31, 60);
    wait_for(&workdir, 60);
    stop(running);
}

#[test]
fn a_server_that_is_killed_while_it_sends_rows_loses_and_doubles_none() {
    let mut server = Mariadb::start();
    server.run(TABLE);
    insert(&server, 1, 12_000);
    // Recent, so that all of them are the live chain's: a fill that fails rests for a while.
    server.run(
        "UPDATE met SET date_time = DATE_ADD(date_time, INTERVAL \
         TIMESTAMPDIFF(SECOND, '2025-01-01 03:20:00', UTC_TIMESTAMP()) - 3600 SECOND)",
    );
    let workdir = following(&server.url(), "");
    let toml = std::fs::read_to_string(workdir.config()).expect("the configuration");
    workdir.write("livecosmos.toml", toml.replacen("[upload]", "[upload]\nbatch_rows_max = 500", 1));
    let running = workdir.livecosmos().table("MET").spawn();
    for some in [1, 6, 12] {
        wait_until("some objects to be stored", WITHIN, || {
            let stored = workdir.path("stored");
            (stored.exists() && objects::in_folder(&stored).len() >= some).then_some(())
        });
        server.stop();
        server.start_again();
    }
    wait_until("all objects to be stored", WITHIN, || {
        (objects::in_folder(&workdir.path("stored")).len() >= 24).then_some(())
    });
    wait_for(&workdir, 12_000);
    stop(running);
}

#[test]
fn the_next_address_is_taken_where_one_is_dead() {
    let server = Mariadb::start();
    server.run(TABLE);
    insert(&server, 1, 9);
    let (dead, alive) = (free_address(), server.address());
    let workdir = following(&format!("mysql://{ADMIN}@{dead},{alive}/stations?ssl-mode=DISABLED"), "");
    let _ = once(&workdir).run().expect_code(0);
    assert_eq!(stored_ids(&workdir), ids(1, 9));
}

#[test]
fn sessions_that_are_killed_and_statements_that_are_ended_lose_nothing() {
    let (server, workdir, running) = followed();
    for round in 1..8 {
        let act = ["KILL", "KILL QUERY"][round % 2];
        let others =
            "SELECT id FROM information_schema.PROCESSLIST WHERE db = 'stations' AND id <> CONNECTION_ID()";
        let kills: Vec<String> = server.run(others).iter().map(|id| format!("{act} {id};")).collect();
        server.run(&kills.join(" "));
        let first = i64::try_from(round).expect("small") * 30;
        insert(&server, first + 1, first + 30);
        wait_for(&workdir, first + 30);
    }
    stop(running);
}

#[test]
fn a_table_that_is_renamed_and_comes_back_is_read_on() {
    let (server, workdir, mut running) = followed();
    server.run("RENAME TABLE met TO met_old");
    running.wait_for_stderr("there is no table MET", WITHIN);
    server.run("RENAME TABLE met_old TO met");
    insert(&server, 31, 40);
    wait_for(&workdir, 40);
    server.run(&format!("DROP TABLE met; CREATE TABLE other (a int); {TABLE}"));
    insert(&server, 41, 50);
    wait_for(&workdir, 50);
    stop(running);
}

#[test]
fn columns_that_come_go_or_change_their_type_begin_a_new_object_and_are_told() {
    let (server, workdir, mut running) = followed();
    server.run("ALTER TABLE met ADD COLUMN note text");
    insert_note(&server, 31, 33);
    wait_for(&workdir, 33);
    server.run("ALTER TABLE met MODIFY ta varchar(32)");
    insert_note(&server, 34, 36);
    wait_for(&workdir, 36);
    server.run("UPDATE met SET note = NULL; ALTER TABLE met DROP COLUMN note, MODIFY ta double, RENAME KEY by_site TO by_place");
    insert(&server, 37, 39);
    wait_until("all rows to be stored", WITHIN, || {
        let mut stored = stored_ids(&workdir);
        // A row whose values were changed in its place is stored as a new version too.
        stored.dedup();
        (stored == ids(1, 39)).then_some(())
    });
    running.wait_for_stderr("gone: note", WITHIN);
    let said = stop(running);
    for part in ["new: note", "ta is now varchar(32)"] {
        assert!(said.contains(part), "{part} is not told: {said}");
    }
    let rows = objects::rows(&objects::in_folder(&workdir.path("stored")));
    let row = |id: &str| rows.iter().find(|row| row.text("id") == id).expect("a row").fields();
    assert!(
        !row("30").contains_key("note") && row("32")["note"] == "\"n\"" && !row("38").contains_key("note")
    );
    assert_eq!(row("35")["ta"], "\"5\"", "a text is one");
}

fn insert_note(server: &Mariadb, first: i64, last: i64) {
    server.run(&format!(
        "INSERT INTO met (id, site_id, date_time, ta, note) SELECT seq, CONCAT('SITE', seq % 3), \
         TIMESTAMP'2025-01-01 00:00:00' + INTERVAL seq SECOND, seq DIV 7, 'n' FROM seq_{first}_to_{last}"
    ));
}

#[test]
fn a_lock_is_waited_for_as_long_as_a_statement_may_take_and_then_tried_again() {
    let (server, workdir, running) = followed();
    stop(running);
    with(&workdir, "statement_timeout = \"1s\"");
    let mut holder = server.spawn("LOCK TABLES met WRITE; SELECT SLEEP(600)");
    wait_for_statements(&server, "SLEEP", 1);
    let mut running = workdir.livecosmos().table("MET").spawn();
    running.wait_for_stderr("it is tried again", WITHIN);
    holder.kill();
    insert(&server, 31, 40);
    wait_for(&workdir, 40);
    stop(running);
}

#[test]
fn a_statement_that_takes_too_long_is_ended_at_the_server_and_the_remedy_is_named() {
    let server = Mariadb::start();
    server.run(&format!("{TABLE} CREATE VIEW slow AS SELECT *, SLEEP(5) AS s FROM met"));
    insert(&server, 1, 100);
    let workdir = following(&server.url(), "");
    with(&workdir, "statement_timeout = \"1s\"");
    let toml = std::fs::read_to_string(workdir.config()).expect("the configuration");
    workdir.write("livecosmos.toml", toml.replace("[tables.MET]", "[tables.SLOW]"));
    let run = workdir.livecosmos().table("SLOW").arg("--once").run().expect_code(69);
    assert!(run.stderr.contains("statement_timeout"), "{}", run.stderr);
    wait_until("the server to be at rest", WITHIN, || {
        server
            .run("SELECT id FROM information_schema.PROCESSLIST WHERE INFO LIKE '%slow%' AND id <> CONNECTION_ID()")
            .is_empty()
            .then_some(())
    });
}

#[test]
fn a_password_that_is_changed_is_read_anew() {
    let server = Mariadb::start();
    server.run(TABLE);
    insert(&server, 1, 9);
    server.run("CREATE USER reader@'%' IDENTIFIED BY 'one'; GRANT SELECT ON stations.met TO reader@'%'");
    let workdir = following(&server.url_of("reader"), "");
    workdir.write("password", "one\n");
    with(&workdir, "password_file = \"password\"");
    let mut running = workdir.livecosmos().table("MET").spawn();
    wait_for(&workdir, 9);
    server.run("SET PASSWORD FOR reader@'%' = PASSWORD('two')");
    for id in server.run("SELECT id FROM information_schema.PROCESSLIST WHERE user = 'reader'") {
        server.run(&format!("KILL {id}"));
    }
    running.wait_for_stderr("refuses reader", WITHIN);
    workdir.write("password", "two\n");
    insert(&server, 10, 20);
    wait_for(&workdir, 20);
    stop(running);
}

#[test]
fn a_grant_that_is_taken_away_is_told_with_the_statement_that_gives_it_back() {
    let server = Mariadb::start();
    server.run(TABLE);
    insert(&server, 1, 9);
    server.run(
        "CREATE USER reader@'%'; CREATE TABLE other (a int); GRANT SELECT ON stations.other TO reader@'%'",
    );
    let run = once(&following(&server.url_of("reader"), "")).run().expect_code(78);
    assert!(
        run.stderr.contains("there is no table MET") && run.stderr.contains("sees other"),
        "{}",
        run.stderr
    );
    server.run("GRANT SELECT (id, site_id) ON stations.met TO reader@'%'");
    let run = once(&following(&server.url_of("reader"), "")).run();
    assert!(run.code != Some(0) && run.stderr.contains("has no column 'DATE_TIME'"), "{}", run.stderr);
}

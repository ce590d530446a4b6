//! What goes wrong at a server costs no row, and is told in words that name the remedy.

use crate::served::table::{WITHIN, followed, following, insert, once, served, stop, wait_for, with};
use crate::support::mariadb::{MariaDb, wait_for_statements};
use crate::support::objects;
use crate::support::process::wait_until;

crate::served::faults::play!(MariaDb);

#[test]
fn a_server_that_is_killed_while_it_sends_rows_loses_and_doubles_none() {
    let mut server = served::<MariaDb>(12_000);
    // Recent, so that all of them are the live chain's: a fill that fails rests for a while.
    server.run(
        "UPDATE met SET date_time = DATE_ADD(date_time, INTERVAL \
         TIMESTAMPDIFF(SECOND, '2025-01-01 03:20:00', UTC_TIMESTAMP()) - 3600 SECOND)",
    );
    let workdir = following::<MariaDb>(&server.url(), "");
    with(&workdir, "upload", "batch_rows_max = 500");
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
fn a_lock_is_waited_for_as_long_as_a_statement_may_take_and_then_tried_again() {
    let (server, workdir, running) = followed::<MariaDb>();
    stop(running);
    with(&workdir, "source", "statement_timeout = \"1s\"");
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
    let server = served::<MariaDb>(100);
    server.run("CREATE VIEW slow AS SELECT *, SLEEP(5) AS s FROM met");
    let workdir = following::<MariaDb>(&server.url(), "");
    with(&workdir, "source", "statement_timeout = \"1s\"");
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
    let server = served::<MariaDb>(9);
    server.run("CREATE USER reader@'%' IDENTIFIED BY 'one'; GRANT SELECT ON stations.met TO reader@'%'");
    let workdir = following::<MariaDb>(&server.url_of("reader"), "");
    workdir.write("password", "one\n");
    with(&workdir, "source", "password_file = \"password\"");
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
    let server = served::<MariaDb>(9);
    server.run(
        "CREATE USER reader@'%'; CREATE TABLE other (a int); GRANT SELECT ON stations.other TO reader@'%'",
    );
    let run = once(&following::<MariaDb>(&server.url_of("reader"), "")).run().expect_code(78);
    assert!(
        run.stderr.contains("there is no table MET") && run.stderr.contains("sees other"),
        "{}",
        run.stderr
    );
    server.run("GRANT SELECT (id, site_id) ON stations.met TO reader@'%'");
    let run = once(&following::<MariaDb>(&server.url_of("reader"), "")).run();
    assert!(run.code != Some(0) && run.stderr.contains("has no column 'DATE_TIME'"), "{}", run.stderr);
}

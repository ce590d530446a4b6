//! What goes wrong at a server costs no row, and is told in words that name the remedy.

use crate::served::table::{WITHIN, following, ids, insert, once, served, stop, stored_ids, wait_for};
use crate::support::postgres::{PostgreSql, Postgres};

crate::served::faults::play!(PostgreSql);

#[test]
fn a_table_that_is_locked_holds_up_the_daemon_and_no_longer() {
    let server = served::<PostgreSql>(9);
    let workdir = following::<PostgreSql>(&server.url(), "[tables.MET.source]\nstatement_timeout = \"1s\"\n");
    let mut running = workdir.livecosmos().table("MET").spawn();
    wait_for(&workdir, 9);
    // The lock is held until the daemon has said that it waited in vain.
    std::thread::scope(|scope| {
        scope.spawn(|| server.run("BEGIN; LOCK TABLE met; SELECT pg_sleep(4); COMMIT"));
        running.wait_for_stderr("statement timeout", WITHIN);
    });
    insert(&server, 10, 12);
    wait_for(&workdir, 12);
    stop(running);
}

#[test]
fn a_role_that_may_only_select_is_enough_and_one_that_may_not_is_told_what_to_grant() {
    let server = served::<PostgreSql>(9);
    server.run("CREATE ROLE reader LOGIN; REVOKE ALL ON SCHEMA public FROM public; GRANT USAGE ON SCHEMA public TO reader; \
                REVOKE TEMP ON DATABASE stations FROM public");
    let workdir = following::<PostgreSql>(&server.url_of("reader"), "");
    let refused = once(&workdir).run().expect_code(77);
    assert!(refused.stderr.contains("GRANT SELECT ON"), "{}", refused.stderr);
    server.run("GRANT SELECT ON met TO reader");
    let _ = once(&workdir).run().expect_code(0);
    assert_eq!(stored_ids(&workdir), ids(1, 9));
}

#[test]
fn a_password_is_found_in_each_of_its_places_is_never_shown_and_may_be_rotated() {
    let server = served::<PostgreSql>(9);
    server.run(
        "SET password_encryption = 'scram-sha-256'; CREATE ROLE reader LOGIN PASSWORD 's3cret:one'; \
                GRANT SELECT ON met TO reader",
    );
    server.only_with_password("reader");
    let url = server.url_of("reader");
    let none = following::<PostgreSql>(&url, "");
    let refused = once(&none).run().expect_code(77);
    assert!(refused.stderr.contains("PGPASSWORD"), "{}", refused.stderr);
    let wrong = once(&none).env("PGPASSWORD", "wr0ng").run().expect_code(77);
    assert!(wrong.stderr.contains("refuses reader") && !wrong.stderr.contains("wr0ng"), "{}", wrong.stderr);
    let _ = once(&none).env("PGPASSWORD", "s3cret:one").run().expect_code(0);

    let place = server.address();
    let line = format!("{}:{}:*:reader:s3cret\\:one\n", place.ip(), place.port());
    let by_file = following::<PostgreSql>(&url, "");
    by_file.write("pgpass", line);
    let open = once(&by_file).env("PGPASSFILE", by_file.path("pgpass")).run().expect_code(78);
    assert!(open.stderr.contains("chmod 0600"), "{}", open.stderr);
    by_file.chmod("pgpass", 0o600);
    let _ = once(&by_file).env("PGPASSFILE", by_file.path("pgpass")).run().expect_code(0);

    let by_key = following::<PostgreSql>(&url, "[tables.MET.source]\npassword_file = \"secret\"\n");
    by_key.write("secret", "s3cret:one\n");
    let mut running = by_key.livecosmos().table("MET").spawn();
    wait_for(&by_key, 9);
    server.run("ALTER ROLE reader PASSWORD 's3cret:two'");
    server
        .run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'livecosmos'");
    running.wait_for_stderr("refuses reader", WITHIN);
    by_key.write("secret", "s3cret:two\n");
    insert(&server, 10, 19);
    wait_for(&by_key, 19);
    assert!(!stop(running).contains("s3cret"));

    let by_unit = following::<PostgreSql>(&url, "[tables.MET.source]\npassword_credential = \"database\"\n");
    by_unit.write("database", "s3cret:two");
    let _ = once(&by_unit).env("CREDENTIALS_DIRECTORY", by_unit.folder()).run().expect_code(0);
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let server = Postgres::start();
    server.run("CREATE TABLE mett (site_id text, date_tim timestamptz, id int); CREATE TABLE words (site_id text, date_time text, id int)");
    let workdir = following::<PostgreSql>(
        &server.url(),
        "[tables.METT]\nsite_column = \"site_id\"\ntime_column = \"date_time\"\n[tables.WORDS]\nsite_column = \"site_id\"\ntime_column = \"date_time\"\n",
    );
    let run = |table: &str| workdir.livecosmos().table(table).arg("--once").run().expect_code(78).stderr;
    let said = [run("MET"), run("METT"), run("WORDS")];
    assert!(said[0].contains("there is no table MET; did you mean mett?"), "{}", said[0]);
    assert!(said[1].contains("no column 'date_time' for time_column; did you mean date_tim?"), "{}", said[1]);
    assert!(said[2].contains("is text, by which times are not found in order"), "{}", said[2]);
    let nowhere = following::<PostgreSql>(&server.url().replace("/stations", "/nowhere"), "");
    let said = once(&nowhere).run().expect_code(78).stderr;
    assert!(said.contains("database \"nowhere\" does not exist"), "{said}");
}

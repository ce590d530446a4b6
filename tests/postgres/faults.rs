//! What goes wrong at a server costs no row, and is told in words that name the remedy.

use std::time::Duration;

use crate::followed::{TABLE, following, ids, insert, stored_ids};
use crate::support::daemon::{Livecosmos, Running, Workdir};
use crate::support::objects;
use crate::support::postgres::{Postgres, url_of};
use crate::support::process::{free_address, wait_until};

const WITHIN: Duration = Duration::from_mins(1);

fn once(workdir: &Workdir) -> Livecosmos {
    workdir.livecosmos().table("MET").arg("--once")
}

/// A server with rows 1 to 30, a working folder, and the daemon that has stored them.
fn followed() -> (Postgres, Workdir, Running) {
    let server = Postgres::start();
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
fn a_daemon_starts_before_its_server() {
    let mut server = Postgres::start();
    server.run(TABLE);
    insert(&server, 1, 9);
    server.stop();
    let workdir = following(&server.url(), "");
    let mut running = workdir.livecosmos().table("MET").spawn();
    running.wait_for_stderr("cannot be reached", WITHIN);
    server.start_again();
    wait_for(&workdir, 9);
    stop(running);
}

#[test]
fn the_next_address_is_taken_where_one_is_dead() {
    let server = Postgres::start();
    server.run(TABLE);
    insert(&server, 1, 9);
    let (dead, alive) = (free_address(), server.address());
    let url = format!("postgresql://postgres@{dead},{alive}/stations?sslmode=disable");
    let workdir = following(&url, "");
    let _ = once(&workdir).run().expect_code(0);
    assert_eq!(stored_ids(&workdir), ids(1, 9));
}

#[test]
fn sessions_that_are_ended_or_cancelled_lose_nothing() {
    let (server, workdir, running) = followed();
    for round in 1..10 {
        let act = ["pg_terminate_backend", "pg_cancel_backend"][round % 2];
        server.run(&format!("SELECT {act}(pid) FROM pg_stat_activity WHERE application_name = 'livecosmos'"));
        let first = i64::try_from(round).expect("small") * 30;
        insert(&server, first + 1, first + 30);
        wait_for(&workdir, first + 30);
    }
    stop(running);
}

#[test]
fn a_table_that_is_renamed_and_comes_back_is_read_on() {
    let (server, workdir, mut running) = followed();
    server.run("ALTER TABLE met RENAME TO met_old");
    running.wait_for_stderr("there is no table MET", WITHIN);
    server.run("ALTER TABLE met_old RENAME TO met");
    insert(&server, 31, 40);
    wait_for(&workdir, 40);
    server.run("DROP TABLE met; CREATE TABLE other (a int)");
    server.run(TABLE);
    insert(&server, 41, 50);
    wait_for(&workdir, 50);
    stop(running);
}

#[test]
fn columns_that_come_go_or_change_their_type_begin_a_new_object_and_are_told() {
    let (server, workdir, running) = followed();
    server.run("ALTER TABLE met ADD COLUMN note text");
    insert_note(&server, 31, 33);
    wait_for(&workdir, 33);
    server.run("ALTER TABLE met ALTER COLUMN ta TYPE text");
    insert_note(&server, 34, 36);
    wait_for(&workdir, 36);
    server.run("UPDATE met SET note = NULL");
    server.run("ALTER TABLE met DROP COLUMN note");
    server.run("ALTER TABLE met ALTER COLUMN ta TYPE double precision USING ta::float8");
    insert(&server, 37, 39);
    wait_until("all rows to be stored", WITHIN, || {
        let mut stored = stored_ids(&workdir);
        // A row whose values were changed in its place is stored as a new version too.
        stored.dedup();
        (stored == ids(1, 39)).then_some(())
    });
    let said = stop(running);
    for part in ["new: note", "ta is now text", "gone: note"] {
        assert!(said.contains(part), "{part} is not told: {said}");
    }
    let rows = objects::rows(&objects::in_folder(&workdir.path("stored")));
    let row = |id: &str| rows.iter().find(|row| row.text("id") == id).expect("a row").fields();
    assert!(
        !row("30").contains_key("note") && row("32")["note"] == "\"n\"" && !row("38").contains_key("note")
    );
    assert_eq!(row("35")["ta"], "\"5\"", "a text is one");
}

fn insert_note(server: &Postgres, first: i64, last: i64) {
    server.run(&format!(
        "INSERT INTO met (id, site_id, date_time, ta, note) SELECT i, 'SITE' || i % 3, timestamptz \
         '2025-01-01 00:00:00Z' + i * interval '1 second', i / 7, 'n' FROM generate_series({first}, {last}) AS i"
    ));
}

#[test]
fn a_table_that_is_locked_holds_up_the_daemon_and_no_longer() {
    let server = Postgres::start();
    server.run(TABLE);
    insert(&server, 1, 9);
    let workdir = following(&server.url(), "[tables.MET.source]\nstatement_timeout = \"1s\"\n");
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
    let server = Postgres::start();
    server.run(TABLE);
    insert(&server, 1, 9);
    server.run("CREATE ROLE reader LOGIN; REVOKE ALL ON SCHEMA public FROM public; GRANT USAGE ON SCHEMA public TO reader; \
                REVOKE TEMP ON DATABASE stations FROM public");
    let workdir = following(&url_of("reader", server.address()), "");
    let refused = once(&workdir).run().expect_code(77);
    assert!(refused.stderr.contains("GRANT SELECT ON"), "{}", refused.stderr);
    server.run("GRANT SELECT ON met TO reader");
    let _ = once(&workdir).run().expect_code(0);
    assert_eq!(stored_ids(&workdir), ids(1, 9));
}

#[test]
fn a_password_is_found_in_each_of_its_places_is_never_shown_and_may_be_rotated() {
    let server = Postgres::start();
    server.run(TABLE);
    insert(&server, 1, 9);
    server.run(
        "SET password_encryption = 'scram-sha-256'; CREATE ROLE reader LOGIN PASSWORD 's3cret:one'; \
                GRANT SELECT ON met TO reader",
    );
    server.only_with_password("reader");
    let url = url_of("reader", server.address());
    let none = following(&url, "");
    let refused = once(&none).run().expect_code(77);
    assert!(refused.stderr.contains("PGPASSWORD"), "{}", refused.stderr);
    let wrong = once(&none).env("PGPASSWORD", "wr0ng").run().expect_code(77);
    assert!(wrong.stderr.contains("refuses reader") && !wrong.stderr.contains("wr0ng"), "{}", wrong.stderr);
    let _ = once(&none).env("PGPASSWORD", "s3cret:one").run().expect_code(0);

    let place = server.address();
    let line = format!("{}:{}:*:reader:s3cret\\:one\n", place.ip(), place.port());
    let by_file = following(&url, "");
    by_file.write("pgpass", line);
    let open = once(&by_file).env("PGPASSFILE", by_file.path("pgpass")).run().expect_code(78);
    assert!(open.stderr.contains("chmod 0600"), "{}", open.stderr);
    by_file.chmod("pgpass", 0o600);
    let _ = once(&by_file).env("PGPASSFILE", by_file.path("pgpass")).run().expect_code(0);

    let by_key = following(&url, "[tables.MET.source]\npassword_file = \"secret\"\n");
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

    let by_unit = following(&url, "[tables.MET.source]\npassword_credential = \"database\"\n");
    by_unit.write("database", "s3cret:two");
    let _ = once(&by_unit).env("CREDENTIALS_DIRECTORY", by_unit.folder()).run().expect_code(0);
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let server = Postgres::start();
    server.run("CREATE TABLE mett (site_id text, date_tim timestamptz, id int); CREATE TABLE words (site_id text, date_time text, id int)");
    let workdir = following(
        &server.url(),
        "[tables.METT]\nsite_column = \"site_id\"\ntime_column = \"date_time\"\n[tables.WORDS]\nsite_column = \"site_id\"\ntime_column = \"date_time\"\n",
    );
    let run = |table: &str| workdir.livecosmos().table(table).arg("--once").run().expect_code(78).stderr;
    let said = [run("MET"), run("METT"), run("WORDS")];
    assert!(said[0].contains("there is no table MET; did you mean mett?"), "{}", said[0]);
    assert!(said[1].contains("no column 'date_time' for time_column; did you mean date_tim?"), "{}", said[1]);
    assert!(said[2].contains("is text, by which times are not found in order"), "{}", said[2]);
    let nowhere = following(&server.url().replace("/stations", "/nowhere"), "");
    let said = once(&nowhere).run().expect_code(78).stderr;
    assert!(said.contains("database \"nowhere\" does not exist"), "{said}");
}

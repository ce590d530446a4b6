//! What goes wrong at a server costs no row, and is told in words that name the remedy.

use super::speech::Speech;
use super::table::{
    WITHIN, followed, following, ids, insert, once, served, stop, stored, stored_ids, wait_for,
};
use crate::support::database::Database;
use crate::support::process::{free_address, wait_until};

pub(crate) fn a_server_that_is_away_is_waited_for_and_ends_a_single_run<E: Speech>() {
    let (mut server, workdir, mut running) = followed::<E>();
    server.stop();
    running.wait_for_stderr("it is", WITHIN);
    let run = once(&following::<E>(&server.url(), "")).run().expect_code(69);
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

pub(crate) fn a_daemon_starts_before_its_server<E: Speech>() {
    let mut server = served::<E>(9);
    server.stop();
    let workdir = following::<E>(&server.url(), "");
    let mut running = workdir.livecosmos().table("MET").spawn();
    running.wait_for_stderr("cannot be reached", WITHIN);
    server.start_again();
    wait_for(&workdir, 9);
    stop(running);
}

pub(crate) fn the_next_address_is_taken_where_one_is_dead<E: Speech>() {
    let server = served::<E>(9);
    let (dead, alive) = (free_address(), server.address().to_string());
    let workdir = following::<E>(&server.url().replace(&alive, &format!("{dead},{alive}")), "");
    let _ = once(&workdir).run().expect_code(0);
    assert_eq!(stored_ids(&workdir), ids(1, 9));
}

pub(crate) fn sessions_that_are_ended_and_statements_that_are_cancelled_lose_nothing<E: Speech>() {
    let (server, workdir, running) = followed::<E>();
    for round in 1..10 {
        E::strike(&server, round % 2 == 0);
        let first = round * 30;
        insert(&server, first + 1, first + 30);
        wait_for(&workdir, first + 30);
    }
    stop(running);
}

pub(crate) fn a_table_that_is_renamed_and_comes_back_is_read_on<E: Speech>() {
    let (server, workdir, mut running) = followed::<E>();
    server.run("ALTER TABLE met RENAME TO met_old");
    running.wait_for_stderr("there is no table MET", WITHIN);
    server.run("ALTER TABLE met_old RENAME TO met");
    insert(&server, 31, 40);
    wait_for(&workdir, 40);
    server.run(&format!("DROP TABLE met; CREATE TABLE other (a int); {}", E::TABLE));
    insert(&server, 41, 50);
    wait_for(&workdir, 50);
    stop(running);
}

pub(crate) fn columns_that_come_go_or_change_their_type_begin_a_new_object_and_are_told<E: Speech>() {
    let (server, workdir, mut running) = followed::<E>();
    let [becomes_text, text, is_number_again] = E::TEXT;
    server.run("ALTER TABLE met ADD COLUMN note text");
    insert_note(&server, 31, 33);
    wait_for(&workdir, 33);
    server.run(becomes_text);
    insert_note(&server, 34, 36);
    wait_for(&workdir, 36);
    server.run(&format!("UPDATE met SET note = NULL; {is_number_again}"));
    insert(&server, 37, 39);
    wait_until("all rows to be stored", WITHIN, || {
        let mut stored = stored_ids(&workdir);
        // A row whose values were changed in its place is stored as a new version too.
        stored.dedup();
        (stored == ids(1, 39)).then_some(())
    });
    running.wait_for_stderr("gone: note", WITHIN);
    let said = stop(running);
    for part in ["new: note", &format!("ta is now {text}")] {
        assert!(said.contains(part), "{part} is not told: {said}");
    }
    let rows = stored(&workdir);
    let row = |id: &str| rows.iter().find(|row| row.text("id") == id).expect("a row").fields();
    assert!(
        !row("30").contains_key("note") && row("32")["note"] == "\"n\"" && !row("38").contains_key("note")
    );
    assert_eq!(row("35")["ta"], "\"35\"", "a text is one");
}

fn insert_note<E: Speech>(server: &Database<E>, first: i64, last: i64) {
    server.run(&format!(
        "INSERT INTO met (id, site_id, date_time, ta, note) SELECT i, CONCAT('SITE', i % 3), {}, i, 'n' FROM {}",
        E::later(E::NEW_YEAR, "i"),
        E::numbers(first, last)
    ));
}

macro_rules! play {
    ($engine:ty) => {
        crate::served::played!(faults, $engine:
            a_server_that_is_away_is_waited_for_and_ends_a_single_run
            a_daemon_starts_before_its_server
            the_next_address_is_taken_where_one_is_dead
            sessions_that_are_ended_and_statements_that_are_cancelled_lose_nothing
            a_table_that_is_renamed_and_comes_back_is_read_on
            columns_that_come_go_or_change_their_type_begin_a_new_object_and_are_told
        );
    };
}
pub(crate) use play;

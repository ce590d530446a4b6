//! A table that grows, and a daemon that follows it.

use std::time::Duration;

use super::speech::Speech;
use crate::support::daemon::{Livecosmos, Running, Workdir, workdir};
use crate::support::database::Database;
use crate::support::objects::{self, StoredRow};
use crate::support::process::wait_until;

/// What takes longer does not come.
pub(crate) const WITHIN: Duration = Duration::from_mins(2);

/// A working folder that follows table `met` of the server at `url`; `more` stands behind the table.
pub(crate) fn following<E: Speech>(url: &str, more: &str) -> Workdir {
    workdir(&format!(
        "[source]\nkind = \"{}\"\nurl = \"{url}\"\n[sink]\nurl = \"file://./stored\"\n\
         [upload]\nformat = \"ndjson\"\n[poll]\ninterval = \"100ms\"\nfallback = \"all\"\n\
         [tables.MET]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"\ntie_column = \"ID\"\n{more}",
        E::KIND
    ))
}

/// The same configuration with another line in one of its sections.
pub(crate) fn with(workdir: &Workdir, section: &str, line: &str) {
    let toml = std::fs::read_to_string(workdir.config()).expect("the configuration");
    let begin = format!("[{section}]\n");
    assert!(toml.contains(&begin), "there is no {begin}");
    workdir.write("livecosmos.toml", toml.replacen(&begin, &format!("{begin}{line}\n"), 1));
}

pub(crate) fn once(workdir: &Workdir) -> Livecosmos {
    workdir.livecosmos().table("MET").arg("--once")
}

/// A server with rows 1 to `last`.
pub(crate) fn served<E: Speech>(last: i64) -> Database<E> {
    let server = Database::start();
    server.run(E::TABLE);
    insert(&server, 1, last);
    server
}

/// A server with rows 1 to 30, a working folder, and the daemon that has stored them.
pub(crate) fn followed<E: Speech>() -> (Database<E>, Workdir, Running) {
    let server = served::<E>(30);
    let workdir = following::<E>(&server.url(), "");
    let running = workdir.livecosmos().table("MET").spawn();
    wait_for(&workdir, 30);
    (server, workdir, running)
}

/// Inserts rows `first` to `last`, one each second, of three sites in turn.
pub(crate) fn insert<E: Speech>(server: &Database<E>, first: i64, last: i64) {
    insert_into(server, "met", first, last);
}

/// The same into another table.
pub(crate) fn insert_into<E: Speech>(server: &Database<E>, table: &str, first: i64, last: i64) {
    server.run(&format!(
        "INSERT INTO {table} (id, site_id, date_time, ta) SELECT i, CONCAT('SITE', i % 3), {}, i / 7.0 FROM {}",
        E::later(E::NEW_YEAR, "i"),
        E::numbers(first, last)
    ));
}

/// All rows that are stored.
pub(crate) fn stored(workdir: &Workdir) -> Vec<StoredRow> {
    let folder = workdir.path("stored");
    if folder.exists() { objects::rows(&objects::in_folder(&folder)) } else { Vec::new() }
}

/// The ids of all rows that are stored, which must differ.
pub(crate) fn stored_ids(workdir: &Workdir) -> Vec<String> {
    let mut ids: Vec<String> = stored(workdir).iter().map(|row| row.text("id")).collect();
    ids.sort_by_key(|id| id.parse::<i64>().expect("an id"));
    ids
}

pub(crate) fn ids(first: i64, last: i64) -> Vec<String> {
    (first..=last).map(|id| id.to_string()).collect()
}

/// Waits until rows 1 to `last` are stored, each once.
pub(crate) fn wait_for(workdir: &Workdir, last: i64) {
    wait_until("the rows to be stored", WITHIN, || {
        (stored_ids(workdir).len() >= usize::try_from(last).expect("small")).then_some(())
    });
    assert_eq!(stored_ids(workdir), ids(1, last));
}

/// Ends a daemon, and gives what it had to say.
pub(crate) fn stop(mut running: Running) -> String {
    running.terminate();
    running.wait().expect_code(0).stderr
}

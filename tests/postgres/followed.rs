//! A table that grows is followed, row by row.

use crate::support::daemon::{Workdir, workdir};
use crate::support::objects;
use crate::support::postgres::Postgres;

/// A table with the index it should have.
pub(crate) const TABLE: &str = "CREATE TABLE met (id bigint PRIMARY KEY, site_id text NOT NULL, \
     date_time timestamptz NOT NULL, ta double precision); CREATE INDEX ON met (site_id, date_time, id);";

/// A working folder that follows table `met` of the server at `url`.
pub(crate) fn following(url: &str, more: &str) -> Workdir {
    workdir(&format!(
        "[source]\nkind = \"postgres\"\nurl = \"{url}\"\n[sink]\nurl = \"file://./stored\"\n\
         [upload]\nformat = \"ndjson\"\n[poll]\ninterval = \"100ms\"\nfallback = \"all\"\n\
         [tables.MET]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"\ntie_column = \"ID\"\n{more}"
    ))
}

/// The ids of all rows that are stored, which must differ.
pub(crate) fn stored_ids(workdir: &Workdir) -> Vec<String> {
    if !workdir.path("stored").exists() {
        return Vec::new();
    }
    let rows = objects::rows(&objects::in_folder(&workdir.path("stored")));
    let mut ids: Vec<String> = rows.iter().map(|row| row.text("id")).collect();
    ids.sort_by_key(|id| id.parse::<i64>().expect("an id"));
    ids
}

/// Inserts rows `first` to `last`, one each second, of three sites in turn.
pub(crate) fn insert(server: &Postgres, first: i64, last: i64) {
    server.run(&format!(
        "INSERT INTO met SELECT i, 'SITE' || i % 3, timestamptz '2025-01-01 00:00:00Z' + i * interval '1 second', \
         i / 7.0 FROM generate_series({first}, {last}) AS i"
    ));
}

pub(crate) fn ids(first: i64, last: i64) -> Vec<String> {
    (first..=last).map(|id| id.to_string()).collect()
}

#[test]
fn rows_of_a_table_are_stored_once_and_then_those_that_were_added() {
    let server = Postgres::start();
    server.run(TABLE);
    insert(&server, 1, 300);
    let workdir = following(&server.url(), "");
    let run = workdir.livecosmos().table("MET").arg("--once");
    let _ = run.run().expect_code(0);
    assert_eq!(stored_ids(&workdir), ids(1, 300));
    let _ = run.run().expect_code(0);
    assert_eq!(stored_ids(&workdir), ids(1, 300));
    insert(&server, 301, 450);
    let _ = run.run().expect_code(0);
    assert_eq!(stored_ids(&workdir), ids(1, 450));
}

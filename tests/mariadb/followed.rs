//! A table that grows is followed, row by row.

use crate::support::daemon::{Workdir, workdir};
use crate::support::mariadb::Mariadb;
use crate::support::objects;

/// A table with the index it should have.
pub(crate) const TABLE: &str = "CREATE TABLE met (id bigint PRIMARY KEY, site_id varchar(64) NOT NULL, \
     date_time datetime(6) NOT NULL, ta double, KEY by_site (site_id, date_time));";

/// A working folder that follows table `met` of the server at `url`.
pub(crate) fn following(url: &str, more: &str) -> Workdir {
    workdir(&format!(
        "[source]\nkind = \"mysql\"\nurl = \"{url}\"\n[sink]\nurl = \"file://./stored\"\n\
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
pub(crate) fn insert(server: &Mariadb, first: i64, last: i64) {
    server.run(&format!(
        "INSERT INTO met (id, site_id, date_time, ta) SELECT seq, CONCAT('SITE', seq % 3), \
         TIMESTAMP'2025-01-01 00:00:00' + INTERVAL seq SECOND, seq / 7 FROM seq_{first}_to_{last}"
    ));
}

pub(crate) fn ids(first: i64, last: i64) -> Vec<String> {
    (first..=last).map(|id| id.to_string()).collect()
}

#[test]
fn rows_of_a_table_are_stored_once_and_then_those_that_were_added() {
    let server = Mariadb::start();
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

#[test]
fn an_account_that_may_only_select_suffices_and_its_password_is_never_shown() {
    let server = Mariadb::start();
    server.run(TABLE);
    insert(&server, 1, 9);
    server.run(
        "CREATE USER reader@'%' IDENTIFIED BY 'hush-hush'; GRANT SELECT ON stations.met TO reader@'%'; \
         CREATE USER nobody@'%' IDENTIFIED BY 'hush-hush'",
    );
    let url = server.url_of("reader");
    let workdir = following(&url, "");
    let run = workdir.livecosmos().table("MET").arg("--once").env("MYSQL_PWD", "hush-hush");
    let _ = run.run().expect_code(0);
    assert_eq!(stored_ids(&workdir), ids(1, 9));
    let once = |account: &str, password: &str| {
        let workdir = following(&server.url_of(account), "");
        workdir
            .livecosmos()
            .table("MET")
            .arg("--once")
            .env("MYSQL_PWD", password)
            .run()
            .expect_code(77)
            .stderr
    };
    let said = once("reader", "hush-wrong");
    assert!(said.contains("refuses reader") && !said.contains("hush"), "{said}");
    let said = once("nobody", "hush-hush");
    assert!(said.contains("grant SELECT"), "{said}");
}

#[test]
fn sites_may_be_named_by_a_query_and_be_numbers() {
    let server = Mariadb::start();
    server.run(
        "CREATE TABLE met (id bigint PRIMARY KEY, site_id int NOT NULL, date_time timestamp(3) NOT NULL, \
         KEY i (site_id, date_time)); CREATE TABLE sites (site int, active bool); \
         INSERT INTO sites VALUES (7, true), (8, false), (9, true); \
         INSERT INTO met SELECT seq, 6 + seq % 4, TIMESTAMP'2025-01-01 00:00:00' + INTERVAL seq SECOND \
         FROM seq_1_to_40",
    );
    let config = following(&server.url(), "");
    let toml = std::fs::read_to_string(config.config()).expect("the configuration");
    let toml = toml.replacen("[sink]", "sites_query = \"SELECT site FROM sites WHERE active\"\n[sink]", 1);
    config.write("livecosmos.toml", toml);
    let _ = config.livecosmos().table("MET").arg("--once").run().expect_code(0);
    let rows = objects::rows(&objects::in_folder(&config.path("stored")));
    assert_eq!(rows.len(), 20);
    assert!(rows.iter().all(|row| ["\"7\"", "\"9\""].contains(&row.fields()["site_id"].as_str())));
}

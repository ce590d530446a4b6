//! A table that grows is followed, row by row; and how `MariaDB` speaks of it.

use crate::served::speech::Speech;
use crate::served::table::{following, ids, once, served, stored, stored_ids, with};
use crate::support::mariadb::{MariaDb, Mariadb};

crate::served::followed::play!(MariaDb);

impl Speech for MariaDb {
    const KIND: &'static str = "mysql";
    const TABLE: &'static str = "CREATE TABLE met (id bigint PRIMARY KEY, site_id varchar(64) NOT NULL, \
         date_time datetime(6) NOT NULL, ta double, KEY by_site (site_id, date_time));";
    const WRITTEN_TABLE: &'static str = "CREATE TABLE met (id bigint AUTO_INCREMENT PRIMARY KEY, \
         site_id varchar(64) NOT NULL, date_time datetime NOT NULL, ta double, note text, \
         KEY by_site (site_id, date_time));";
    const NEW_YEAR: &'static str = "TIMESTAMP'2025-01-01 00:00:00'";
    const NOW: &'static str = "UTC_TIMESTAMP()";
    const TEXT: [&'static str; 3] = [
        "ALTER TABLE met MODIFY ta varchar(32)",
        "varchar(32)",
        "ALTER TABLE met DROP COLUMN note, MODIFY ta double, RENAME KEY by_site TO by_place",
    ];

    fn numbers(first: i64, last: i64) -> String {
        format!("(SELECT CAST(seq AS SIGNED) AS i FROM seq_{first}_to_{last}) AS numbers")
    }

    fn later(instant: &str, seconds: &str) -> String {
        format!("{instant} + INTERVAL {seconds} SECOND")
    }

    fn shown(instant: &str) -> String {
        format!("DATE_FORMAT({instant}, '%Y-%m-%dT%H:%i:%sZ')")
    }

    fn pause(ms: u64) -> String {
        format!("SELECT SLEEP({ms} / 1000.0)")
    }

    fn strike(server: &Mariadb, ends_sessions: bool) {
        let act = if ends_sessions { "KILL" } else { "KILL QUERY" };
        let others = server.run(
            "SELECT id FROM information_schema.PROCESSLIST WHERE db = 'stations' AND id <> CONNECTION_ID()",
        );
        let kills: Vec<String> = others.iter().map(|id| format!("{act} {id};")).collect();
        server.run(&kills.join(" "));
    }
}

#[test]
fn an_account_that_may_only_select_suffices_and_its_password_is_never_shown() {
    let server = served::<MariaDb>(9);
    server.run(
        "CREATE USER reader@'%' IDENTIFIED BY 'hush-hush'; GRANT SELECT ON stations.met TO reader@'%'; \
         CREATE USER nobody@'%' IDENTIFIED BY 'hush-hush'",
    );
    let url = server.url_of("reader");
    let workdir = following::<MariaDb>(&url, "");
    let run = workdir.livecosmos().table("MET").arg("--once").env("MYSQL_PWD", "hush-hush");
    let _ = run.run().expect_code(0);
    assert_eq!(stored_ids(&workdir), ids(1, 9));
    let once = |account: &str, password: &str| {
        let workdir = following::<MariaDb>(&server.url_of(account), "");
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
    let config = following::<MariaDb>(&server.url(), "");
    with(&config, "source", "sites_query = \"SELECT site FROM sites WHERE active\"");
    let _ = once(&config).run().expect_code(0);
    let rows = stored(&config);
    assert_eq!(rows.len(), 20);
    assert!(rows.iter().all(|row| ["\"7\"", "\"9\""].contains(&row.fields()["site_id"].as_str())));
}

//! Sites that a collation takes for equal: no row of them is lost, whichever of them the server lists.

use crate::served::table::{following, stored_ids};
use crate::support::daemon::{Livecosmos, Workdir};
use crate::support::mariadb::{MariaDb, Mariadb};

fn server(collation: &str) -> Mariadb {
    let server = Mariadb::start();
    server.run(&format!(
        "CREATE TABLE met (id bigint PRIMARY KEY, site_id varchar(64) COLLATE {collation} NOT NULL, \
         date_time datetime NOT NULL, KEY by_site (site_id, date_time))"
    ));
    server
}

/// Adds a row, a second after the one before it, and makes a pass.
fn add(server: &Mariadb, workdir: &Workdir, id: i64, site: &str) {
    server.run(&format!(
        "INSERT INTO met VALUES ({id}, '{site}', TIMESTAMP'2025-01-01 00:00:00' + INTERVAL {id} SECOND)"
    ));
    let _ = workdir.livecosmos().table("MET").arg("--once").run().expect_code(0);
}

fn put_aside(workdir: &Workdir) -> String {
    let list =
        Livecosmos::new(workdir.folder()).arg("quarantine").arg("list").arg(workdir.config()).arg("MET");
    list.arg("--state-dir").arg(workdir.state_dir()).run().expect_code(0).stdout
}

#[test]
fn a_site_is_followed_in_its_first_spelling_and_rows_in_another_are_put_aside() {
    let server = server("utf8mb4_general_ci");
    let workdir = following::<MariaDb>(&server.url(), "");
    let sites = ["alic1", "ALIC1", "alic1", "Alic1", "alic1", "ALIC1", "alic1"];
    for (id, site) in (1_i64..).zip(sites) {
        add(&server, &workdir, id, site);
    }
    assert_eq!(stored_ids(&workdir), ["1", "3", "5", "7"]);
    let aside = put_aside(&workdir);
    assert_eq!(aside.lines().filter(|line| line.contains("counts as equal")).count(), 3, "{aside}");
}

#[test]
fn a_text_that_is_no_site_hides_none() {
    let server = server("utf8mb4_general_ci");
    let workdir = following::<MariaDb>(&server.url(), "");
    let sites = ["alic1", "álic1", "alic1", "alic1 ", "ÁLIC1", "alic1"];
    for (id, site) in (1_i64..).zip(sites) {
        add(&server, &workdir, id, site);
    }
    assert_eq!(stored_ids(&workdir), ["1", "3", "6"]);
    let aside = put_aside(&workdir);
    for id in ["id 2", "id 4", "id 5"] {
        assert!(aside.contains(id), "{id}: {aside}");
    }
}

#[test]
fn a_site_that_is_first_hidden_by_a_text_that_is_none_is_not_silently_left_out() {
    let server = server("utf8mb4_general_ci");
    let workdir = following::<MariaDb>(&server.url(), "");
    server.run("INSERT INTO met VALUES (1, 'álic1', '2025-01-01'), (2, 'alic1', '2025-01-02')");
    let _ = workdir.livecosmos().table("MET").arg("--once").run().expect_code(0);
    let aside = put_aside(&workdir);
    let stored = stored_ids(&workdir);
    assert!(aside.contains("id 1"), "{aside}");
    assert!(stored == ["2"] || aside.contains("id 2"), "{stored:?} {aside}");
}

#[test]
fn where_case_counts_each_spelling_is_a_site() {
    let server = server("utf8mb4_bin");
    let workdir = following::<MariaDb>(&server.url(), "");
    for (id, site) in (1_i64..).zip(["alic1", "ALIC1", "alic1", "Alic1"]) {
        add(&server, &workdir, id, site);
    }
    assert_eq!(stored_ids(&workdir), ["1", "2", "3", "4"]);
}

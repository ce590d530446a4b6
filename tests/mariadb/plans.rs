//! What a poll costs the server: few statements however many sites there are, each by the index.

use crate::served::speech::Speech as _;
use crate::served::table::{following, ids, insert, stored_ids, with};
use crate::support::daemon::Workdir;
use crate::support::mariadb::{MariaDb, Mariadb};

fn logging() -> Mariadb {
    let server = Mariadb::start_with(&["general-log=1", "log-output=TABLE"]);
    server.run(MariaDb::TABLE);
    server
}

/// Follows the table, and looks for no rows that come late: that is a pass of its own.
fn without_lookback(server: &Mariadb) -> Workdir {
    let workdir = following::<MariaDb>(&server.url(), "");
    with(&workdir, "poll", "lookback = \"0s\"");
    workdir
}

fn once(workdir: &Workdir) {
    let _ = workdir.livecosmos().table("MET").arg("--once").run().expect_code(0);
}

/// The statements on the table that were run since the last call, as they were run.
fn statements(server: &Mariadb) -> Vec<String> {
    server.run(
        "SELECT argument FROM mysql.general_log WHERE command_type = 'Execute' AND argument LIKE '%`met`%'; \
         TRUNCATE mysql.general_log",
    )
}

#[test]
fn a_poll_of_a_thousand_sites_takes_two_statements_and_each_follows_the_index() {
    let server = logging();
    server.run(
        "INSERT INTO met SELECT seq, CONCAT('S', seq % 1000), TIMESTAMP'2025-01-01 00:00:00' + INTERVAL seq DIV 1000 MINUTE, 1 \
         FROM seq_1_to_60000; ANALYZE TABLE met",
    );
    let workdir = without_lookback(&server);
    once(&workdir);
    statements(&server);
    server.run(
        "INSERT INTO met SELECT seq, CONCAT('S', seq % 1000), TIMESTAMP'2025-01-01 00:00:00' + INTERVAL seq DIV 1000 MINUTE, 1 \
         FROM seq_60001_to_61000",
    );
    once(&workdir);
    let run = statements(&server);
    assert_eq!(run.len(), 2, "{run:#?}");
    let plans: Vec<String> = run
        .iter()
        .flat_map(|statement| {
            server.run(&format!("SET in_predicate_conversion_threshold = 0; EXPLAIN {statement}"))
        })
        .collect();
    assert!(plans.iter().any(|line| line.contains("Using index for group-by")), "{plans:#?}");
    assert!(plans.iter().any(|line| line.contains("\trange\t") && line.contains("by_site")), "{plans:#?}");
    assert!(plans.iter().all(|line| !line.contains("filesort") && !line.contains("\tindex\t")), "{plans:#?}");
    assert_eq!(stored_ids(&workdir), ids(1, 61_000));
}

#[test]
fn a_site_that_lags_has_a_statement_of_its_own() {
    let server = logging();
    insert(&server, 1, 30);
    let workdir = without_lookback(&server);
    once(&workdir);
    server.run(
        "INSERT INTO met VALUES (31, 'SITE0', '2025-03-01', 1), (32, 'SITE1', '2025-03-01', 1), \
         (33, 'SITE2', '2025-01-01 00:01:00', 1)",
    );
    once(&workdir);
    server.run(
        "INSERT INTO met VALUES (34, 'SITE0', '2025-03-02', 1), (35, 'SITE1', '2025-03-02', 1), \
         (36, 'SITE2', '2025-01-01 00:02:00', 1)",
    );
    statements(&server);
    once(&workdir);
    let run = statements(&server);
    assert_eq!(run.len(), 3, "a listing, the front, and the one behind: {run:#?}");
    assert_eq!(stored_ids(&workdir), ids(1, 36));
}

#[test]
fn check_names_the_index_or_says_which_is_missing() {
    let server = logging();
    insert(&server, 1, 30);
    let workdir = following::<MariaDb>(&server.url(), "");
    let check = || {
        let check =
            crate::support::daemon::Livecosmos::new(workdir.folder()).arg("check").arg(workdir.config());
        let output = check.run();
        format!("{}{}", output.stdout, output.stderr)
    };
    assert!(check().contains("by_site"), "{}", check());
    server.run("ALTER TABLE met DROP KEY by_site");
    let advice = "CREATE INDEX site_time ON `stations`.`met` (`site_id`, `date_time`)";
    assert!(check().contains(advice), "{}", check());
    server.run(&advice.replace("site_time", "by_site"));
    assert!(check().contains("by_site"), "the advice is a statement that can be run");
}

#[test]
fn a_table_that_is_locked_while_it_is_read_is_read_at_once() {
    let server = logging();
    server.run("ALTER TABLE met ENGINE = MyISAM");
    insert(&server, 1, 30);
    let workdir = without_lookback(&server);
    once(&workdir);
    let run = statements(&server);
    assert!(run.iter().any(|statement| statement.starts_with("SELECT SQL_BUFFER_RESULT")), "{run:#?}");
    assert_eq!(stored_ids(&workdir), ids(1, 30));
}

#[test]
fn ten_thousand_sites_take_as_many_statements_as_ten() {
    let server = logging();
    let rows = |first: u32, last: u32| {
        server.run(&format!(
            "INSERT INTO met SELECT seq, CONCAT('S', seq % 10000), \
             TIMESTAMP'2025-01-01 00:00:00' + INTERVAL seq DIV 10000 MINUTE, 1 FROM seq_{first}_to_{last}"
        ));
    };
    rows(10_000, 29_999);
    let sites = "SELECT DISTINCT site_id FROM met";
    assert_eq!(server.run(sites).len(), 10_000);
    let workdir = without_lookback(&server);
    let _ = workdir.livecosmos().table("MET").arg("--once").arg("--dry-run").run().expect_code(0);
    let run = statements(&server);
    assert_eq!(run.len(), 2, "{}", run.len());
    let plan = format!("SET in_predicate_conversion_threshold = 0; EXPLAIN {}", run[1]);
    let plan = server.run(&plan).join("\n");
    assert!(plan.contains("\trange\t") && plan.contains("by_site") && !plan.contains("filesort"), "{plan}");
}

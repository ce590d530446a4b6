//! The table that is followed, in each database. It begins a month ago, at most: what lies further back would
//! be put aside for a fill.

use std::path::Path;

use crate::SITES;
use crate::support::mariadb::Mariadb;
use crate::support::postgres::Postgres;

/// A server with the table, its index and its statistics.
pub(crate) fn postgres(rows: u32) -> Postgres {
    let server = Postgres::start_with(&["shared_buffers=512MB", "max_wal_size=8GB"]);
    server.run(&format!(
        "CREATE TABLE met (site_id text NOT NULL, date_time timestamptz NOT NULL, id bigint PRIMARY KEY, ta float8, \
         rh float8, ws float8); INSERT INTO met SELECT 'SITE' || i % {SITES}, \
         date_trunc('day', now()) - interval '30 days' + i / {SITES} * interval '1 minute', i, (i % 4000) / 100.0 - 10, \
         (i * 7 % 1000) / 10.0, i % 997 / 37.0 FROM generate_series(0, {rows} - 1) AS i; \
         CREATE INDEX ON met (site_id, date_time, id)"
    ));
    server.run("VACUUM ANALYZE met");
    server
}

/// The same table in another server.
pub(crate) fn mariadb(rows: u32) -> Mariadb {
    let server = Mariadb::start_with(&["innodb-buffer-pool-size=512M", "innodb-log-file-size=256M"]);
    server.run(&format!(
        "CREATE TABLE met (site_id varchar(16) NOT NULL, date_time datetime NOT NULL, id bigint PRIMARY KEY, ta double, \
         rh double, ws double); INSERT INTO met SELECT CONCAT('SITE', seq % {SITES}), \
         UTC_DATE() - INTERVAL 30 DAY + INTERVAL seq DIV {SITES} MINUTE, seq, (seq % 4000) / 100.0 - 10, \
         (seq * 7 % 1000) / 10.0, seq % 997 / 37.0 FROM seq_0_to_{}; \
         CREATE INDEX by_site ON met (site_id, date_time); ANALYZE TABLE met",
        rows - 1
    ));
    server
}

/// The same table in a file; gives the lines of `[source]`.
pub(crate) fn sqlite(path: &Path, rows: u32) -> String {
    let mut database = rusqlite::Connection::open(path).expect("a new file");
    let filled = (|| {
        database.execute_batch(
            "PRAGMA journal_mode = WAL; CREATE TABLE met (site_id TEXT NOT NULL, date_time TEXT NOT NULL, \
             id INTEGER PRIMARY KEY, ta REAL, rh REAL, ws REAL)",
        )?;
        let all = database.transaction()?;
        all.execute(
            &format!(
                "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 - 1) \
                 INSERT INTO met SELECT 'SITE' || (i % {SITES}), \
                 datetime('now', 'start of day', '-30 days', '+' || (i / {SITES}) || ' minutes'), i, \
                 (i % 4000) / 100.0 - 10, (i * 7 % 1000) / 10.0, i % 997 / 37.0 FROM n"
            ),
            [rows],
        )?;
        all.execute_batch("CREATE INDEX by_site ON met (site_id, date_time, id)")?;
        all.commit()
    })();
    filled.expect("room for the table");
    format!("kind = \"sqlite\"\npath = \"{}\"", path.display())
}

/// The lines of `[source]` for a server.
pub(crate) fn source(kind: &str, url: &str) -> String {
    format!("kind = \"{kind}\"\nurl = \"{url}\"")
}

//! A table that grows is followed, row by row; and how `PostgreSQL` speaks of it.

use crate::served::speech::Speech;
use crate::support::postgres::{PostgreSql, Postgres};

crate::served::followed::play!(PostgreSql);

impl Speech for PostgreSql {
    const KIND: &'static str = "postgres";
    const TABLE: &'static str = "CREATE TABLE met (id bigint PRIMARY KEY, site_id text NOT NULL, \
         date_time timestamptz NOT NULL, ta double precision); CREATE INDEX ON met (site_id, date_time, id);";
    const WRITTEN_TABLE: &'static str = "CREATE TABLE met (id bigserial PRIMARY KEY, site_id text NOT NULL, \
         date_time timestamptz NOT NULL, ta double precision, note text); \
         CREATE INDEX ON met (site_id, date_time, id);";
    const NEW_YEAR: &'static str = "timestamptz '2025-01-01 00:00:00Z'";
    const NOW: &'static str = "date_trunc('second', clock_timestamp())";
    const TEXT: [&'static str; 3] = [
        "ALTER TABLE met ALTER COLUMN ta TYPE text",
        "text",
        "ALTER TABLE met DROP COLUMN note; \
         ALTER TABLE met ALTER COLUMN ta TYPE double precision USING ta::float8",
    ];

    fn numbers(first: i64, last: i64) -> String {
        format!("generate_series({first}, {last}) AS i")
    }

    fn later(instant: &str, seconds: &str) -> String {
        format!("{instant} + {seconds} * interval '1 second'")
    }

    fn shown(instant: &str) -> String {
        format!("to_char({instant} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
    }

    fn pause(ms: u64) -> String {
        format!("SELECT pg_sleep({ms} / 1000.0)")
    }

    fn strike(server: &Postgres, ends_sessions: bool) {
        let act = if ends_sessions { "pg_terminate_backend" } else { "pg_cancel_backend" };
        server.run(&format!("SELECT {act}(pid) FROM pg_stat_activity WHERE application_name = 'livecosmos'"));
    }
}

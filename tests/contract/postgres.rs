//! A table in `PostgreSQL`, with each way in which rows can be found.

use livecosmos::source::postgres::Settings;
use livecosmos::source::{Source, TableShape};

use crate::bed::{Bed, Row};
use crate::support::postgres::Postgres;

/// A server of its own.
pub(crate) struct PostgresBed(Postgres);

impl PostgresBed {
    pub(crate) fn by_site() -> Self {
        Self::with("CREATE INDEX ON t (site, time)")
    }

    pub(crate) fn by_time() -> Self {
        Self::with("CREATE INDEX ON t (time)")
    }

    pub(crate) fn scanned() -> Self {
        Self::with("")
    }

    fn with(index: &str) -> Self {
        let server = Postgres::start();
        server.run(&format!("CREATE TABLE t (id bigint, site text, time timestamptz, v text); {index}"));
        Self(server)
    }
}

impl Bed for PostgresBed {
    fn insert(&mut self, rows: &[Row]) {
        let quoted = |text: &str| format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        let or_null = |text: Option<String>| text.map_or("NULL".to_owned(), |text| quoted(&text));
        let line = |row: &Row| {
            format!(
                "({}, {}, {}, {})",
                row.id,
                or_null(row.site.clone()),
                or_null(row.time()),
                quoted(&row.value)
            )
        };
        if !rows.is_empty() {
            let lines: Vec<String> = rows.iter().map(line).collect();
            self.0.run(&format!("INSERT INTO t VALUES {}", lines.join(", ")));
        }
    }

    fn open(&self, shape: TableShape) -> Box<dyn Source> {
        Settings::from_url(&self.0.url(), None).unwrap().open(shape)
    }
}

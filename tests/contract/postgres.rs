//! A table in `PostgreSQL`, with each way in which rows can be found.

use livecosmos::source::postgres::Settings;
use livecosmos::source::{Source, TableShape};

use crate::bed::{Bed, Cost, Row};
use crate::support::postgres::Postgres;

/// A server of its own.
pub(crate) struct PostgresBed {
    server: Postgres,
    idle_cost: Cost,
}

impl PostgresBed {
    pub(crate) fn by_site() -> Self {
        Self::with("CREATE INDEX ON t (site, time)", Cost::LISTING)
    }

    pub(crate) fn by_time() -> Self {
        Self::with("CREATE INDEX ON t (time)", Cost { rows: 0, ..Cost::LISTING_AND_TIES })
    }

    pub(crate) fn scanned() -> Self {
        Self::with("", Cost { rows: 0, ..Cost::LISTING_AND_TIES })
    }

    fn with(index: &str, idle_cost: Cost) -> Self {
        let server = Postgres::start();
        server.run(&format!("CREATE TABLE t (id bigint, site text, time timestamptz, v text); {index}"));
        Self { server, idle_cost }
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
            self.server.run(&format!("INSERT INTO t VALUES {}", lines.join(", ")));
        }
    }

    fn idle_cost(&self) -> Cost {
        self.idle_cost
    }

    fn open(&self, shape: TableShape) -> Box<dyn Source> {
        Settings::from_url(&self.server.url(), None).unwrap().open(shape)
    }
}

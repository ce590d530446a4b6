//! A table in `MariaDB`, with each way in which rows can be found.

use livecosmos::source::mysql::Settings;
use livecosmos::source::{Source, TableShape};

use crate::bed::{Bed, Cost, Row};
use crate::support::mariadb::Mariadb;

/// A server of its own.
pub(crate) struct MariadbBed {
    server: Mariadb,
    idle_cost: Cost,
}

impl MariadbBed {
    pub(crate) fn by_site() -> Self {
        Self::with(", KEY i (site, time)", Cost::LISTING)
    }

    pub(crate) fn by_time() -> Self {
        Self::with(", KEY i (time)", Cost::LISTING_AND_TIES)
    }

    pub(crate) fn scanned() -> Self {
        Self::with("", Cost::LISTING_AND_TIES)
    }

    fn with(index: &str, idle_cost: Cost) -> Self {
        let server = Mariadb::start();
        server.run(&format!("CREATE TABLE t (id bigint, site varchar(64), time datetime, v text{index})"));
        Self { server, idle_cost }
    }
}

impl Bed for MariadbBed {
    fn insert(&mut self, rows: &[Row]) {
        let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        let or_null = |text: Option<String>| text.map_or("NULL".to_owned(), |text| quoted(&text));
        let line = |row: &Row| {
            let time = row.time().map(|time| time.replace('T', " ").replace('Z', ""));
            format!("({}, {}, {}, {})", row.id, or_null(row.site.clone()), or_null(time), quoted(&row.value))
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
        Settings::from_url(&self.server.url(), None).expect("a URL").open(shape)
    }
}

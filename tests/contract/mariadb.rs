//! A table in `MariaDB`, with each way in which rows can be found.

use livecosmos::source::mysql::Settings;
use livecosmos::source::{Source, TableShape};

use crate::bed::{Bed, Row};
use crate::support::mariadb::Mariadb;

/// A server of its own.
pub(crate) struct MariadbBed(Mariadb);

impl MariadbBed {
    pub(crate) fn by_site() -> Self {
        Self::with(", KEY i (site, time)")
    }

    pub(crate) fn by_time() -> Self {
        Self::with(", KEY i (time)")
    }

    pub(crate) fn scanned() -> Self {
        Self::with("")
    }

    fn with(index: &str) -> Self {
        let server = Mariadb::start();
        server.run(&format!("CREATE TABLE t (id bigint, site varchar(64), time datetime, v text{index})"));
        Self(server)
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
            self.0.run(&format!("INSERT INTO t VALUES {}", lines.join(", ")));
        }
    }

    fn open(&self, shape: TableShape) -> Box<dyn Source> {
        Settings::from_url(&self.0.url(), None).expect("a URL").open(shape)
    }
}

//! A table in what plays Oracle, through each of the two drivers.
//!
//! Behind both stands the same database of tables: through the client library's stand-in, and through a
//! server that speaks the protocol of the driver in Rust.

use std::sync::Arc;

use livecosmos::secret::Secret;
use livecosmos::source::oracle::{Driver, Settings};
use livecosmos::source::{Access, Source, TableShape};

use crate::bed::{Bed, Cost, Row};
use crate::support::oci;
use crate::support::oracle::OracleServer;
use crate::support::oracle::tables::Tables;
use crate::support::tables_over_tns;
use crate::support::tns;

/// A database of its own behind one of the two doors.
pub(crate) struct OracleBed {
    tables: Arc<Tables>,
    settings: Settings,
    _door: Door,
}

/// Kept open as long as the bed is there.
#[expect(dead_code, reason = "held for its end")]
enum Door {
    Client(OracleServer),
    Protocol(tns::Server),
}

impl OracleBed {
    pub(crate) fn client_by_site() -> Self {
        Self::by_client(&["SITE", "TIME"])
    }

    pub(crate) fn client_scanned() -> Self {
        Self::by_client(&[])
    }

    pub(crate) fn thin_by_site() -> Self {
        Self::by_thin(&["SITE", "TIME"])
    }

    pub(crate) fn thin_by_time() -> Self {
        Self::by_thin(&["TIME"])
    }

    fn by_client(index: &[&str]) -> Self {
        let (tables, server) = (tables(index), OracleServer::start());
        tables.serve(&server);
        let settings = Settings {
            user: Some("scott".to_owned()),
            access: Access { password: Secret::Written("tiger".into()), ..Access::default() },
            driver: Driver::Oci,
            client: Some(oci::library_folder().to_owned()),
            ..Settings::new(&server.dsn())
        };
        Self { tables, settings, _door: Door::Client(server) }
    }

    fn by_thin(index: &[&str]) -> Self {
        let tables = tables(index);
        let server = tables_over_tns::serve(&tables);
        let settings = Settings {
            user: Some(tns::USER.to_owned()),
            access: Access { password: Secret::Written(tns::PASSWORD.into()), ..Access::default() },
            driver: Driver::Thin,
            ..Settings::new(&server.connect_string())
        };
        Self { tables, settings, _door: Door::Protocol(server) }
    }
}

fn tables(index: &[&str]) -> Arc<Tables> {
    let tables = Tables::new();
    tables.create("T", "ID NUMBER(18), SITE VARCHAR2(200), TIME TIMESTAMP(6), V VARCHAR2(400)");
    if !index.is_empty() {
        tables.create_index("T_INDEX", "T", index, false);
    }
    tables
}

impl Bed for OracleBed {
    fn insert(&mut self, rows: &[Row]) {
        let or_null = |text: Option<String>| text.unwrap_or_else(|| "NULL".to_owned());
        let cells = |row: &Row| {
            let time = row.time().map(|time| time.replace('T', " ").replace('Z', ""));
            [row.id.to_string(), or_null(row.site.clone()), or_null(time), row.value.clone()]
        };
        let cells: Vec<[String; 4]> = rows.iter().map(cells).collect();
        let texts: Vec<[&str; 4]> = cells.iter().map(|cells| cells.each_ref().map(String::as_str)).collect();
        self.tables.insert("T", &texts);
    }

    fn idle_cost(&self) -> Cost {
        Cost::LISTING_AND_TIES
    }

    fn open(&self, shape: TableShape) -> Box<dyn Source> {
        self.settings.clone().open(shape)
    }
}

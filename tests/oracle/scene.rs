//! A database of tables behind the two doors, and the daemon before them.

use std::sync::Arc;

use crate::support::daemon::{Livecosmos, Workdir, workdir};
use crate::support::objects;
use crate::support::oracle::OracleServer;
use crate::support::oracle::tables::Tables;
use crate::support::{oci, tables_over_tns, tns};

/// A table with the index it should have.
pub(crate) fn soilmet() -> Arc<Tables> {
    let tables = Tables::new();
    tables.create(
        "SOILMET",
        "SITE_ID VARCHAR2(5) NOT NULL, DATE_TIME DATE NOT NULL, ID NUMBER(18), TA NUMBER, NOTE CLOB",
    );
    tables.create_index("SOILMET_IX", "SOILMET", &["SITE_ID", "DATE_TIME"], false);
    tables
}

/// Adds rows `first` to `last` of three sites, each half an hour after the one before.
pub(crate) fn insert(tables: &Tables, first: i64, last: i64) {
    for id in first..=last {
        let (site, minute) = (["ALIC1", "BALRD", "CHIMN"][usize::try_from(id % 3).expect("small")], id * 30);
        let time = format!("2025-01-{:02} {:02}:{:02}:00", 1 + minute / 1440, minute / 60 % 24, minute % 60);
        tables.insert("SOILMET", &[[site, &time, &id.to_string(), "0.10", "NULL"]]);
    }
}

pub(crate) fn ids(first: i64, last: i64) -> Vec<String> {
    (first..=last).map(|id| id.to_string()).collect()
}

/// The ids of all rows that are stored.
pub(crate) fn stored_ids(workdir: &Workdir) -> Vec<String> {
    if !workdir.path("stored").exists() {
        return Vec::new();
    }
    let rows = objects::rows(&objects::in_folder(&workdir.path("stored")));
    let mut ids: Vec<String> = rows.iter().map(|row| row.text("ID")).collect();
    ids.sort_by_key(|id| id.parse::<i64>().expect("an id"));
    ids
}

/// The two ways to the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Oci,
    Thin,
}

/// A server of one of them.
pub(crate) enum Server {
    Oci(OracleServer),
    Thin(tns::Server),
}

impl Way {
    pub(crate) const BOTH: [Self; 2] = [Self::Oci, Self::Thin];

    pub(crate) fn serve(self, tables: &Arc<Tables>) -> Server {
        match self {
            Self::Oci => {
                let server = OracleServer::start();
                tables.serve(&server);
                Server::Oci(server)
            }
            Self::Thin => Server::Thin(tables_over_tns::serve(tables)),
        }
    }
}

impl Server {
    pub(crate) fn dsn(&self) -> String {
        match self {
            Self::Oci(server) => server.dsn().clone(),
            Self::Thin(server) => server.connect_string(),
        }
    }

    pub(crate) fn account(&self) -> (&'static str, &'static str) {
        match self {
            Self::Oci(_) => ("scott", "tiger"),
            Self::Thin(_) => (tns::USER, tns::PASSWORD),
        }
    }

    /// What goes under `[source]`.
    pub(crate) fn source(&self, driver: &str) -> String {
        let (user, password) = self.account();
        format!(
            "kind = \"oracle\"\ndsn = \"{}\"\nuser = \"{user}\"\npassword = \"{password}\"\ndriver = \"{driver}\"\n",
            self.dsn()
        )
    }

    /// A working folder that follows SOILMET with `driver`.
    pub(crate) fn following(&self, driver: &str) -> Workdir {
        workdir(&format!(
            "[source]\n{}[sink]\nurl = \"file://./stored\"\n[upload]\nformat = \"ndjson\"\n\
             [poll]\ninterval = \"100ms\"\nfallback = \"all\"\n\
             [tables.SOILMET]\nsite_column = \"site_id\"\ntime_column = \"date_time\"\ntie_column = \"id\"\n",
            self.source(driver)
        ))
    }

    pub(crate) fn driver(&self) -> &'static str {
        match self {
            Self::Oci(_) => "oci",
            Self::Thin(_) => "thin",
        }
    }
}

/// A run that finds the client library.
pub(crate) fn with_client(run: Livecosmos) -> Livecosmos {
    run.env("LD_LIBRARY_PATH", oci::library_folder())
}

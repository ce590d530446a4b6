//! Rows of a table in `PostgreSQL`.
//!
//! Values are cast to text by the server, which spells them exactly (numeric with all digits, floats in
//! their shortest form that reads back the same); only times of the time column and bytes travel in
//! binary. Where sites stand is bound as arrays, so that one statement reads them all.

mod catalogue;
mod connect;
mod fault;
mod link;
mod pass_file;
mod sql;
mod tls;
mod transaction;
mod value;

use std::path::PathBuf;

pub use connect::InvalidUrl;
use tokio_postgres::Config;

use super::server::{Access, Dialect, Fault, Link, ServerSource};
use super::{Source, TableShape};

/// Which server, and how it is reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Hosts, database and user, as the URL names them.
    config: Config,
    /// Whether and how the connection is encrypted.
    tls: Tls,
    /// How it is used.
    pub access: Access,
}

/// Whether and how the connection is encrypted: `sslmode` and its relatives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Tls {
    mode: TlsMode,
    /// Certificates that are trusted; `None` for those of the system.
    root_cert: Option<PathBuf>,
    /// Our own certificate and its key.
    client: Option<(PathBuf, PathBuf)>,
}

/// The modes of `sslmode`, as libpq understands them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum TlsMode {
    /// Never.
    Disable,
    /// Where the server can.
    #[default]
    Prefer,
    /// Always, whoever the server is.
    Require,
    /// And its certificate is signed by one that is trusted.
    VerifyCa,
    /// And it is the host's.
    VerifyFull,
}

impl Settings {
    /// Opens the source. It connects when its first pass begins.
    #[must_use]
    pub fn open(self, shape: TableShape) -> Box<dyn Source> {
        let sites_query = self.access.sites_query.clone();
        let dialect = Postgres { settings: self, shape: shape.clone() };
        Box::new(ServerSource::new(Box::new(dialect), shape, sites_query))
    }
}

struct Postgres {
    settings: Settings,
    shape: TableShape,
}

impl Dialect for Postgres {
    fn connect(&self) -> Result<Box<dyn Link>, Fault> {
        Ok(Box::new(link::PostgresLink::connect(&self.settings, &self.shape)?))
    }
}

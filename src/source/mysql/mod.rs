//! Rows of a table in `MySQL` or `MariaDB`.
//!
//! Statements are prepared, so that values arrive in the server's own types: floats whole, where its texts
//! have six digits of a `FLOAT`. Where sites stand is not joined to the table: the optimizer would
//! look at no more of the index than the site. Sites that stand near each other share a statement
//! with the lowest of their bounds, and what is not due of it is passed over here.

mod catalogue;
mod connect;
mod fault;
mod link;
mod number;
mod session;
mod sql;
mod talk;
mod tls;
mod url;
mod value;

use std::path::PathBuf;

pub use url::InvalidUrl;

use super::server::{Access, Dialect, Fault, Link, ServerSource};
use super::{Source, TableShape};

/// Which server, and how it is reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it may be, in the order in which these are tried.
    hosts: Vec<Host>,
    /// Who we are.
    user: Option<String>,
    /// Where the table is, unless its name says so.
    database: String,
    /// Whether and how the connection is encrypted.
    tls: Tls,
    /// How it is used.
    pub access: Access,
}

/// Where a server may be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// At an address.
    Tcp(String, u16),
    /// Behind a socket of this machine.
    Socket(String),
}

/// Whether and how the connection is encrypted: `ssl-mode` and its relatives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Tls {
    mode: TlsMode,
    /// Certificates that are trusted; `None` for those of the system.
    ca: Option<PathBuf>,
    /// Our own certificate and its key.
    client: Option<(PathBuf, PathBuf)>,
}

/// The modes of `ssl-mode`, as the clients of `MySQL` understand them, but for `VERIFY_CA`: the driver looks
/// at the name of every certificate that it looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum TlsMode {
    /// Never.
    Disabled,
    /// Where the server can.
    #[default]
    Preferred,
    /// Always, whoever the server is.
    Required,
    /// And its certificate is the host's, signed by one that is trusted.
    VerifyIdentity,
}

impl Settings {
    /// Opens the source. It connects when its first pass begins.
    #[must_use]
    pub fn open(self, shape: TableShape) -> Box<dyn Source> {
        let sites_query = self.access.sites_query.clone();
        let dialect = Mysql { settings: self, shape: shape.clone() };
        Box::new(ServerSource::new(Box::new(dialect), shape, sites_query))
    }
}

struct Mysql {
    settings: Settings,
    shape: TableShape,
}

impl Dialect for Mysql {
    fn connect(&self) -> Result<Box<dyn Link>, Fault> {
        Ok(Box::new(link::MysqlLink::connect(&self.settings, &self.shape)?))
    }
}

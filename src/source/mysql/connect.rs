//! A connection to a server.

use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, DriverError, Error, Opts, OptsBuilder, SslOpts};
use secrecy::ExposeSecret as _;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::session::Family;
use super::{Host, Settings, TlsMode, fault, tls};
use crate::source::server::Fault;

/// What the clients of `MySQL` read.
const PASSWORD_VARIABLES: [&str; 1] = ["MYSQL_PWD"];
const KEEPALIVE: Duration = Duration::from_mins(1);
/// Statements that the server remembers for us: those of every pass are the same.
const STATEMENTS_KEPT: usize = 8;
/// A row is as large as the protocol lets it be.
const ROW_BYTES_MAX: usize = 1 << 30;
const UNKNOWN_VARIABLE: u16 = 1193;

/// A connection, and how another to the same server is made.
pub(super) struct Connected {
    pub(super) conn: Conn,
    pub(super) family: Family,
    pub(super) opts: Opts,
}

impl Settings {
    /// Connects to the first host that answers.
    pub(super) fn connect(&self, runtime: &Runtime) -> Result<Connected, Fault> {
        let ssl = tls::options(&self.tls)?;
        let base = self.options()?;
        let mut failed = None;
        for host in &self.hosts {
            match runtime.block_on(self.connect_to(host, &base, ssl.as_ref())) {
                Ok(connected) => return Ok(connected),
                // Where one of them refuses us the others do.
                Err(Failure { fault, is_final: true }) => return Err(fault),
                Err(Failure { fault, .. }) => failed.get_or_insert(fault),
            };
        }
        Err(failed.unwrap_or_else(|| Fault::config("`url` names no host; name one")))
    }

    fn options(&self) -> Result<OptsBuilder, Fault> {
        let password = self.access.password.read("password", &PASSWORD_VARIABLES)?;
        Ok(OptsBuilder::default()
            .user(self.user.clone())
            .pass(password.map(|password| password.expose_secret().to_owned()))
            .db_name(Some(self.database.clone()))
            .prefer_socket(false)
            .tcp_keepalive(Some(KEEPALIVE))
            .max_allowed_packet(Some(ROW_BYTES_MAX))
            .stmt_cache_size(STATEMENTS_KEPT)
            .connect_attribute("program_name", "livecosmos"))
    }

    async fn connect_to(
        &self,
        host: &Host,
        base: &OptsBuilder,
        ssl: Option<&SslOpts>,
    ) -> Result<Connected, Failure> {
        let place = format!("mysql://{}/{}", host.describe(), self.database);
        let limit = self.access.connect_timeout;
        let connected = timeout(limit, self.greet(host, base.clone(), ssl)).await;
        let connected = connected.map_err(|_| Failure::passing(fault::silent(&place, limit)))?;
        connected.map_err(|error| {
            let user = self.user.as_deref().unwrap_or("an account without a name");
            let is_final = fault::is_denial(&error);
            Failure { fault: fault::connecting(&place, user, &error), is_final }
        })
    }

    async fn greet(&self, host: &Host, base: OptsBuilder, ssl: Option<&SslOpts>) -> Result<Connected, Error> {
        let opts = match host {
            Host::Tcp(name, port) => base.ip_or_hostname(name.clone()).tcp_port(*port),
            Host::Socket(path) => base.socket(Some(path.clone())),
        };
        // What does not leave the machine is not encrypted.
        let ssl = ssl.filter(|_| matches!(host, Host::Tcp(..)));
        let mut opts = Opts::from(opts.clone().ssl_opts(ssl.cloned()));
        let first = Conn::new(opts.clone()).await;
        let mut conn = match first {
            Err(Error::Driver(DriverError::NoClientSslFlagFromServer))
                if self.tls.mode == TlsMode::Preferred =>
            {
                opts = OptsBuilder::from_opts(opts).ssl_opts(None).into();
                Conn::new(opts.clone()).await?
            }
            first => first?,
        };
        let version: Option<String> = conn.query_first("SELECT VERSION()").await?;
        let family = Family::of(&version.unwrap_or_default());
        conn.query_drop(Family::prepare(self.access.statement_timeout)).await?;
        match conn.query_drop(family.widen()).await {
            Err(Error::Server(error)) if error.code == UNKNOWN_VARIABLE => {}
            widened => widened?,
        }
        Ok(Connected { conn, family, opts })
    }
}

/// Why a host gave no connection.
struct Failure {
    fault: Fault,
    /// Another host would give none either.
    is_final: bool,
}

impl Failure {
    fn passing(fault: Fault) -> Self {
        Self { fault, is_final: false }
    }
}

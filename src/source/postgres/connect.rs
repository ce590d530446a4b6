//! The URL of a server, and a connection to it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::runtime::Runtime;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config};

use super::{Settings, Tls, TlsMode, fault, pass_file, tls};
use crate::secret::Secret;
use crate::source::server::{Access, Fault};

/// What libpq's clients read.
const PASSWORD_VARIABLES: [&str; 1] = ["PGPASSWORD"];
const APPLICATION_NAME: &str = "livecosmos";
const KEEPALIVES_IDLE: Duration = Duration::from_mins(1);
pub(super) const PORT: u16 = 5432;

/// A URL that names no server; the message never repeats it, for it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUrl(String);

impl Settings {
    /// From `postgresql://user@host:port/database?sslmode=verify-full&sslrootcert=/path`.
    ///
    /// # Errors
    /// [`InvalidUrl`] says what is wrong, and how it is written.
    pub fn from_url(url: &str, user: Option<&str>) -> Result<Self, InvalidUrl> {
        let example = "write it as postgresql://user@host:5432/database?sslmode=verify-full";
        let invalid = |what: &str| InvalidUrl(format!("{what}; {example}"));
        if !url.starts_with("postgresql://") && !url.starts_with("postgres://") {
            return Err(invalid("url does not begin with postgresql://"));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (base, written) = without_password(base);
        let mut tls = Tls::default();
        let (mut cert, mut key) = (None, None);
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| invalid("a parameter has no value"))?;
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            match name {
                "sslmode" => tls.mode = TlsMode::parse(&value)?,
                "sslrootcert" if value == "system" => tls.root_cert = None,
                "sslrootcert" => tls.root_cert = Some(value.into()),
                "sslcert" => cert = Some(value.into()),
                "sslkey" => key = Some(value.into()),
                _ => rest.push(pair),
            }
        }
        tls.client = match (cert, key) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some((cert, key)),
            _ => return Err(invalid("sslcert and sslkey go together")),
        };
        // As libpq does: a certificate that is named is also looked at.
        if tls.root_cert.is_some() && tls.mode == TlsMode::Require {
            tls.mode = TlsMode::VerifyCa;
        }
        let mut config: Config = format!("{base}?{}", rest.join("&"))
            .parse()
            // The error may quote a part of a password with odd characters.
            .map_err(|_| {
                invalid("url cannot be read: a parameter is unknown, or a character must be written as %XX")
            })?;
        if let Some(user) = user {
            config.user(user);
        }
        if config.get_hosts().is_empty() || config.get_dbname().is_none() {
            return Err(invalid("url names no host or no database"));
        }
        let password = written.map_or(Secret::Usual, Secret::Written);
        config.ssl_mode(match tls.mode {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        });
        Ok(Self { config, tls, access: Access { password, ..Access::default() } })
    }

    /// Where the table is, for messages and as its identity: host, port and database, never an account.
    #[must_use]
    pub fn describe(&self) -> String {
        let database = self.config.get_dbname().unwrap_or_default();
        format!("postgresql://{}/{database}", self.hosts().join(","))
    }

    fn hosts(&self) -> Vec<String> {
        let ports = self.config.get_ports();
        let port = |at: usize| ports.get(at).or_else(|| ports.first()).copied().unwrap_or(PORT);
        let name = |host: &Host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        self.config
            .get_hosts()
            .iter()
            .enumerate()
            .map(|(at, host)| match port(at) {
                PORT => name(host),
                port => format!("{}:{port}", name(host)),
            })
            .collect()
    }

    /// Connects to the first host that answers.
    pub(super) fn connect(&self, runtime: &Runtime) -> Result<(Client, Ended), Fault> {
        let mut config = self.config.clone();
        config.connect_timeout(self.access.connect_timeout).keepalives_idle(KEEPALIVES_IDLE);
        // Silence of a dead peer ends with this, also where a statement may take longer.
        config.tcp_user_timeout(self.access.statement_timeout);
        if config.get_application_name().is_none() {
            config.application_name(APPLICATION_NAME);
        }
        if let Some(password) = self.password()? {
            config.password(password.expose_secret());
        }
        let connector = tls::Connector::new(&self.tls)?;
        let ended = Ended::default();
        let said = ended.clone();
        // Several hosts may each take the time of one.
        let deadline = self
            .access
            .connect_timeout
            .saturating_mul(2 + u32::try_from(config.get_hosts().len()).unwrap_or(1));
        let connected =
            runtime.block_on(async { tokio::time::timeout(deadline, config.connect(connector)).await });
        let (client, connection) = connected
            .map_err(|_| fault::silent(&self.describe(), deadline))?
            .map_err(|error| fault::connecting(&self.describe(), self.user(), &error))?;
        runtime.spawn(async move {
            if let Err(error) = connection.await {
                said.note(fault::chain(&error));
            }
        });
        Ok((client, ended))
    }

    fn user(&self) -> &str {
        self.config.get_user().unwrap_or("the user of this process")
    }

    fn password(&self) -> Result<Option<SecretString>, Fault> {
        let read = self.access.password.read("password", &PASSWORD_VARIABLES)?;
        if read.is_some() || !matches!(self.access.password, Secret::Usual) {
            return Ok(read);
        }
        pass_file::find(&self.config)
    }
}

/// The URL without the password between its user and its host, and that password.
fn without_password(url: &str) -> (String, Option<SecretString>) {
    let start = url.find("://").map_or(0, |at| at + "://".len());
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    let Some(at) = url[start..end].rfind('@').map(|at| start + at) else { return (url.to_owned(), None) };
    let Some(colon) = url[start..at].find(':').map(|at| start + at) else { return (url.to_owned(), None) };
    let password = percent_decode_str(&url[colon + 1..at]).decode_utf8_lossy().into_owned();
    (format!("{}{}", &url[..colon], &url[at..]), Some(SecretString::from(password)))
}

impl TlsMode {
    fn parse(text: &str) -> Result<Self, InvalidUrl> {
        Ok(match text {
            "disable" => Self::Disable,
            "allow" | "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => {
                return Err(InvalidUrl(format!(
                    "unknown sslmode '{text}'; use disable, prefer, require, verify-ca or verify-full"
                )));
            }
        })
    }
}

/// Why a connection ended, once it has.
#[derive(Debug, Clone, Default)]
pub(super) struct Ended(Arc<Mutex<Option<String>>>);

impl Ended {
    fn note(&self, reason: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    /// The reason, where one is known.
    pub(super) fn reason(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

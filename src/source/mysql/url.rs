//! The URL of a server.

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use super::{Host, Settings, Tls, TlsMode};
use crate::secret::Secret;
use crate::source::server::Access;

pub(super) const PORT: u16 = 3306;
const SCHEMES: [&str; 2] = ["mysql://", "mariadb://"];
const PARAMETERS: &str = "ssl-mode, ssl-ca, ssl-cert, ssl-key and socket";

/// A URL that names no server; the message never repeats it, for it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; write it as mysql://user@host:3306/database?ssl-mode=VERIFY_IDENTITY")]
pub struct InvalidUrl(String);

impl Settings {
    /// From `mysql://user@host:port,host:port/database?ssl-mode=VERIFY_IDENTITY&ssl-ca=/path`. A socket
    /// of this machine is `mysql://user@/database?socket=/path`.
    ///
    /// # Errors
    /// [`InvalidUrl`] says what is wrong, and how it is written.
    pub fn from_url(url: &str, user: Option<&str>) -> Result<Self, InvalidUrl> {
        let rest = SCHEMES.iter().find_map(|scheme| url.strip_prefix(scheme));
        let rest = rest.ok_or_else(|| invalid("url does not begin with mysql://"))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        // A password may hold anything but a slash.
        let (authority, database) = place.split_once('/').ok_or_else(|| invalid("url names no database"))?;
        let database = decoded(database);
        if database.is_empty() || database.contains(['/', '@']) {
            return Err(invalid("url names no database"));
        }
        let (account, hosts) = authority.rsplit_once('@').map_or((None, authority), |(a, h)| (Some(a), h));
        let (named, password) = match account.map(|account| account.split_once(':').unwrap_or((account, "")))
        {
            Some((name, password)) => (Some(decoded(name)), decoded(password)),
            None => (None, String::new()),
        };
        let (tls, socket) = parameters(query)?;
        let hosts = match socket {
            Some(socket) if hosts.is_empty() => vec![Host::Socket(socket)],
            Some(_) => return Err(invalid("url names both a host and a socket")),
            None => hosts.split(',').map(host).collect::<Result<_, _>>()?,
        };
        let password = Some(password).filter(|text| !text.is_empty());
        let password = password.map_or(Secret::Usual, |text| Secret::Written(SecretString::from(text)));
        let user = user.map(str::to_owned).or(named).filter(|name| !name.is_empty());
        let access = Access { password, ..Access::default() };
        Ok(Self { hosts, user, database, tls, access })
    }

    /// Where the table is, for messages and as its identity: host, port and database, never an account.
    #[must_use]
    pub fn describe(&self) -> String {
        let hosts: Vec<String> = self.hosts.iter().map(Host::describe).collect();
        format!("mysql://{}/{}", hosts.join(","), self.database)
    }
}

impl Host {
    /// For messages.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Tcp(name, PORT) => bracketed(name),
            Self::Tcp(name, port) => format!("{}:{port}", bracketed(name)),
            Self::Socket(path) => path.clone(),
        }
    }
}

impl TlsMode {
    fn parse(text: &str) -> Result<Self, InvalidUrl> {
        Ok(match text.to_ascii_uppercase().as_str() {
            "DISABLED" => Self::Disabled,
            "PREFERRED" => Self::Preferred,
            "REQUIRED" => Self::Required,
            "VERIFY_CA" => {
                return Err(invalid(
                    "ssl-mode VERIFY_CA is not offered: where a certificate is looked at, so is the name in it; use \
                     VERIFY_IDENTITY, or REQUIRED where nobody stands between",
                ));
            }
            "VERIFY_IDENTITY" => Self::VerifyIdentity,
            _ => {
                return Err(invalid(&format!(
                    "unknown ssl-mode '{text}'; use DISABLED, PREFERRED, REQUIRED or VERIFY_IDENTITY"
                )));
            }
        })
    }
}

fn parameters(query: &str) -> Result<(Tls, Option<String>), InvalidUrl> {
    let mut tls = Tls::default();
    let (mut mode, mut cert, mut key, mut socket) = (None, None, None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| invalid("a parameter has no value"))?;
        let value = decoded(value);
        match name {
            "ssl-mode" => mode = Some(TlsMode::parse(&value)?),
            "ssl-ca" => tls.ca = Some(value.into()),
            "ssl-cert" => cert = Some(value.into()),
            "ssl-key" => key = Some(value.into()),
            "socket" => socket = Some(value),
            // What looks like one may be half a password.
            _ => {
                return Err(invalid(&format!(
                    "url cannot be read: a parameter is none of {PARAMETERS}, or a character must be written as %XX"
                )));
            }
        }
    }
    tls.client = match (cert, key) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some((cert, key)),
        _ => return Err(invalid("ssl-cert and ssl-key go together")),
    };
    // As the clients of MySQL do: who names a certificate wants it looked at.
    let usual = if tls.ca.is_some() { TlsMode::VerifyIdentity } else { TlsMode::Preferred };
    tls.mode = mode.unwrap_or(usual);
    if tls.ca.is_some() && tls.mode != TlsMode::VerifyIdentity {
        return Err(invalid("ssl-ca is looked at in the mode VERIFY_IDENTITY alone"));
    }
    Ok((tls, socket))
}

/// `name`, `name:port` or `[address]:port`.
fn host(text: &str) -> Result<Host, InvalidUrl> {
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => (address, rest.strip_prefix(':')),
        None => text.rsplit_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    };
    let name = decoded(name);
    if name.is_empty() {
        return Err(invalid("url names no host"));
    }
    let port = port.map_or(Ok(PORT), str::parse).map_err(|_| invalid("a port is no number up to 65535"))?;
    Ok(Host::Tcp(name, port))
}

fn bracketed(name: &str) -> String {
    if name.contains(':') { format!("[{name}]") } else { name.to_owned() }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn invalid(what: &str) -> InvalidUrl {
    InvalidUrl(what.to_owned())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn parsed(url: &str) -> Settings {
        Settings::from_url(url, None).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn hosts_account_and_database_are_read_and_what_is_shown_has_no_account() {
        let settings = parsed("mysql://me%40x:p%40s%3As@db1,db2:3307,[::1]:3308/stations?ssl-mode=disabled");
        assert_eq!(settings.user.as_deref(), Some("me@x"));
        assert_eq!(settings.database, "stations");
        assert_eq!(settings.describe(), "mysql://db1,db2:3307,[::1]:3308/stations");
        let Secret::Written(password) = &settings.access.password else { panic!("no password") };
        assert_eq!(password.expose_secret(), "p@s:s");
        assert!(!format!("{settings:?}").contains("p@s:s"));
        assert_eq!(settings.tls.mode, TlsMode::Disabled);
    }

    #[test]
    fn a_socket_takes_the_place_of_a_host() {
        let settings = parsed("mysql://me@/stations?socket=/run/mysqld/mysqld.sock");
        assert_eq!(settings.hosts, [Host::Socket("/run/mysqld/mysqld.sock".to_owned())]);
        let both = Settings::from_url("mysql://me@host/stations?socket=/run/s", None);
        assert!(both.is_err_and(|error| error.to_string().contains("both a host and a socket")));
    }

    #[test]
    fn a_certificate_that_is_named_is_looked_at() {
        assert_eq!(parsed("mysql://h/d?ssl-ca=/ca.pem").tls.mode, TlsMode::VerifyIdentity);
        assert_eq!(parsed("mysql://h/d").tls.mode, TlsMode::Preferred);
        let ignored = Settings::from_url("mysql://h/d?ssl-mode=REQUIRED&ssl-ca=/ca.pem", None);
        assert!(ignored.is_err_and(|error| error.to_string().contains("VERIFY_IDENTITY")));
    }

    #[test]
    fn a_message_never_repeats_the_url() {
        for url in [
            "mysql://me:secret@host:99999/d",
            "mysql://me:secret@/d",
            "mysql://me:secret@host",
            "postgres://me:secret@host/d",
            "mysql://me:secret@host/d?ssl-mode=maybe",
            "mysql://me:secret@host/d?charset=latin1",
            "mysql://me:secret@host/d?ssl-key=/k",
            "mysql://me:12/secret@host",
            "mysql://me:a/b?secret=c@host/d",
        ] {
            let error = Settings::from_url(url, None).expect_err(url).to_string();
            assert!(!error.contains("secret") && error.contains("; write it as mysql://"), "{error}");
        }
    }
}

//! How an endpoint is reached.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use crate::secret::Secret;
use crate::sink::InvalidSettings;

/// How an endpoint is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// Where it is, without a slash at its end.
    pub url: String,
    /// How a batch is sent.
    pub method: Method,
    /// Headers that go with each request.
    pub headers: BTreeMap<String, String>,
    /// Who we are.
    pub login: Login,
    /// Files with a certificate and its key, by which the server knows us.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// File with the certificates that the server's is checked by; `None` for those of this machine.
    pub ca: Option<PathBuf>,
    /// Allows plain HTTP to another machine.
    pub allow_http: bool,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for an answer; a batch has a second more for each 64 KiB.
    pub request_timeout: Duration,
}

/// How a batch is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// `POST` to the URL.
    #[default]
    Post,
    /// `PUT` to the URL with the object's key behind it.
    Put,
}

/// Who we are, as far as headers say it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Login {
    /// Nobody.
    #[default]
    None,
    /// Whoever holds this token.
    Bearer(Secret),
    /// A user with a password.
    Basic {
        /// The user's name.
        user: String,
        /// The password.
        password: Secret,
    },
}

impl HttpSettings {
    /// For messages: without what may be a secret.
    #[must_use]
    pub fn describe(&self) -> String {
        let end = self.url.find('?').unwrap_or(self.url.len());
        self.url[..end].trim_end_matches('/').to_owned()
    }

    /// Scheme, host and port.
    pub(in crate::sink) fn origin(&self) -> Option<String> {
        Url::parse(&self.url).ok().map(|url| url.origin().ascii_serialization())
    }

    /// The settings of `url` with their defaults, for the caller to change.
    ///
    /// # Errors
    /// [`InvalidSettings`] where it is no address of a server.
    pub fn new(url: &str) -> Result<Self, InvalidSettings> {
        let parsed = Url::parse(url).ok().filter(Url::has_host);
        // Not quoted: it may hold a token.
        let Some(parsed) = parsed else {
            return Err(InvalidSettings::new(
                "the sink's url is no address; write it as https://host:port/path".to_owned(),
            ));
        };
        if parsed.fragment().is_some() {
            return Err(InvalidSettings::new(
                "the sink's url has a fragment, which no server is sent; remove '#' and what follows"
                    .to_owned(),
            ));
        }
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            method: Method::default(),
            headers: BTreeMap::new(),
            login: Login::default(),
            certificate: None,
            ca: None,
            allow_http: false,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_mins(1),
        })
    }
}

//! Rows of a table in Oracle, through one of two drivers.
//!
//! `oci` needs Oracle's Instant Client, which it finds at run time; `thin` needs nothing, and knows less.
//! Both give each value as exact text; statements, types and errors are the same for both.

#![cfg_attr(
    not(any(feature = "oci", feature = "thin")),
    allow(dead_code, reason = "without a driver nothing is read")
)]

#[cfg(feature = "oci")]
mod by_oci;
#[cfg(feature = "thin")]
mod by_thin;
mod catalogue;
mod driver;
mod link;
#[cfg(feature = "oci")]
pub mod oci;
mod sql;
#[cfg(feature = "thin")]
pub mod thin;
mod value;

use std::path::PathBuf;

use secrecy::SecretString;

use super::server::{Access, Dialect, Fault, Link, ServerSource};
use super::{Source, TableShape};
use driver::Session;

/// The variable in which a password may be.
const PASSWORD_VARIABLES: [&str; 1] = ["ORACLE_PASSWORD"];

/// Which database, and how it is reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The connect string: Easy Connect (`//host:1521/service`), a TNS alias or a full description.
    pub dsn: String,
    /// The account; without one the operating system or a wallet says who we are.
    pub user: Option<String>,
    /// Which driver is used.
    pub driver: Driver,
    /// The folder of Oracle's client library; `None` for the usual places.
    pub client: Option<PathBuf>,
    /// How it is used.
    pub access: Access,
}

/// Which driver is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Driver {
    /// `oci` where Oracle's client is found, else `thin`.
    #[default]
    Auto,
    /// Oracle's client library.
    Oci,
    /// Oracle's driver in Rust, which needs no client.
    Thin,
}

impl Settings {
    /// A database, with what is usual for everything else.
    #[must_use]
    pub fn new(dsn: &str) -> Self {
        Self {
            dsn: dsn.to_owned(),
            user: None,
            driver: Driver::Auto,
            client: None,
            access: Access::default(),
        }
    }

    /// Opens the source. It connects when its first pass begins.
    #[must_use]
    pub fn open(self, shape: TableShape) -> Box<dyn Source> {
        let sites_query = self.access.sites_query.clone();
        let dialect = Oracle { settings: self, shape: shape.clone() };
        Box::new(ServerSource::new(Box::new(dialect), shape, sites_query))
    }

    /// Where the table is, for messages and as its identity; what stands before an `@` is an account.
    #[must_use]
    pub fn describe(&self) -> String {
        let place = self.dsn.rsplit_once('@').map_or(self.dsn.as_str(), |(_, place)| place);
        format!("oracle:{}", place.trim_start_matches("//"))
    }

    fn password(&self) -> Result<Option<SecretString>, Fault> {
        Ok(self.access.password.read("password", &PASSWORD_VARIABLES)?)
    }

    /// Logs in with the driver that is set, or the one that can be.
    fn log_in(&self) -> Result<Box<dyn Session>, Fault> {
        match self.driver {
            Driver::Oci => log_in_oci(self),
            Driver::Thin => log_in_thin(self),
            Driver::Auto => match client_lacks(self) {
                None => {
                    say_once("driver oci: Oracle's client library was found");
                    log_in_oci(self)
                }
                Some(reason) => {
                    say_once(&format!("driver thin: {reason}"));
                    log_in_thin(self)
                }
            },
        }
    }
}

/// What `auto` came to is said at the first connection of the process.
fn say_once(choice: &str) {
    static SAID: std::sync::Once = std::sync::Once::new();
    SAID.call_once(|| tracing::info!("Oracle: {choice}"));
}

#[cfg(feature = "oci")]
fn client_lacks(settings: &Settings) -> Option<String> {
    by_oci::lacks(settings)
}

#[cfg(feature = "oci")]
fn log_in_oci(settings: &Settings) -> Result<Box<dyn Session>, Fault> {
    by_oci::log_in(settings, settings.password()?)
}

#[cfg(not(feature = "oci"))]
fn client_lacks(_: &Settings) -> Option<String> {
    Some("this build has no driver oci".to_owned())
}

#[cfg(not(feature = "oci"))]
fn log_in_oci(_: &Settings) -> Result<Box<dyn Session>, Fault> {
    Err(Fault::config("this build has no driver oci; set driver = \"thin\", or build with the feature oci"))
}

#[cfg(feature = "thin")]
fn log_in_thin(settings: &Settings) -> Result<Box<dyn Session>, Fault> {
    by_thin::log_in(settings, settings.password()?)
}

#[cfg(not(feature = "thin"))]
fn log_in_thin(_: &Settings) -> Result<Box<dyn Session>, Fault> {
    Err(Fault::config("this build has no driver thin; set driver = \"oci\", or build with the feature thin"))
}

/// An account without its password.
fn no_password(settings: &Settings, user: &str) -> Fault {
    Fault::denied(format!(
        "{} asks for the password of {user}, and none is set; set ORACLE_PASSWORD, password_file or \
         password_credential",
        settings.describe()
    ))
}

struct Oracle {
    settings: Settings,
    shape: TableShape,
}

impl Dialect for Oracle {
    fn connect(&self) -> Result<Box<dyn Link>, Fault> {
        Ok(Box::new(link::OracleLink::new(self.settings.log_in()?, &self.settings, &self.shape)?))
    }
}

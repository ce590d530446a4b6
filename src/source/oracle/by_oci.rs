//! A session by way of Oracle's client library.

use secrecy::SecretString;

use super::Settings;
use super::driver::{self, Give, Session, Values};
use super::oci::{Account, Bind, Cell, Failure, Link, Moment, Row};
use crate::source::server::{Fault, Halt};

/// Why the client library cannot be used, if so.
pub(super) fn lacks(settings: &Settings) -> Option<String> {
    super::oci::load(settings.client.as_deref()).err().map(|error| error.to_string())
}

/// Logs in; without an account the operating system or a wallet says who we are.
pub(super) fn log_in(settings: &Settings, password: Option<SecretString>) -> Result<Box<dyn Session>, Fault> {
    let account = match (&settings.user, password) {
        (None, _) => None,
        (Some(user), Some(password)) => Some(Account { user: user.clone(), password }),
        (Some(user), None) => return Err(super::no_password(settings, user)),
    };
    let link = Link::connect(&super::oci::Settings {
        dsn: settings.dsn.clone(),
        account,
        client: settings.client.clone(),
        connect_timeout: settings.access.connect_timeout,
        call_timeout: settings.access.statement_timeout,
    });
    Ok(Box::new(link?))
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        let message = failure.to_string();
        match failure {
            Failure::NoClient(_) => Self::config(message),
            // A table or a column that was there a moment ago.
            Failure::Config(_) => Self::stale(message),
            Failure::Denied(_) => Self::denied(message),
            Failure::Unavailable { is_session_lost: true, .. } => Self::lost(message),
            Failure::Unavailable { .. } => Self::failed(message),
        }
    }
}

impl Session for Link {
    fn execute(&mut self, sql: &str) -> Result<(), Fault> {
        Ok(Self::execute(self, sql)?)
    }

    fn end(&mut self) -> Result<(), Fault> {
        Ok(self.rollback()?)
    }

    fn query(
        &mut self,
        sql: &str,
        binds: &[(String, driver::Bind)],
        fetch_rows: u32,
        give: &mut Give<'_>,
    ) -> Result<(), Halt> {
        let binds: Vec<(&str, Bind)> = binds.iter().map(|(name, bind)| (name.as_str(), own(bind))).collect();
        let mut cursor = Self::query(self, sql, &binds, fetch_rows).map_err(Fault::from)?;
        while let Some(row) = cursor.next_row().map_err(Fault::from)? {
            if !give(row)? {
                break;
            }
        }
        Ok(())
    }
}

impl Values for Row {
    fn value(&self, at: usize) -> driver::Cell<'_> {
        if at >= self.len() {
            return driver::Cell::Null;
        }
        match self.cell(at) {
            Cell::Null => driver::Cell::Null,
            Cell::Number(text) => driver::Cell::Number(text),
            Cell::NotFinite(text) => driver::Cell::NotFinite(text),
            Cell::Text(text) => driver::Cell::Text(text),
            Cell::Damaged(text) => driver::Cell::Damaged(text),
            Cell::Time(text) => driver::Cell::Time(text),
            Cell::Bytes(bytes) => driver::Cell::Bytes(bytes),
        }
    }
}

fn own(bind: &driver::Bind) -> Bind {
    let moment = |moment: &driver::Moment| {
        let driver::Moment { year, month, day, hour, minute, second, nanosecond } = *moment;
        Moment { year, month, day, hour, minute, second, nanosecond }
    };
    match bind {
        driver::Bind::Text(text) => Bind::Text(text.clone()),
        driver::Bind::National(text) => Bind::National(text.clone()),
        driver::Bind::Padded(text) => Bind::Padded(text.clone()),
        driver::Bind::Number(text) => Bind::Number(text.clone()),
        driver::Bind::Date(at) => Bind::Date(moment(at)),
        driver::Bind::Timestamp(at) => Bind::Timestamp(moment(at)),
        driver::Bind::Zoned(at) => Bind::Zoned(moment(at)),
    }
}

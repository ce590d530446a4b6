//! A session by way of the driver in Rust.

use oracledb::{OracleNumber, OracleTimestamp};
use secrecy::SecretString;

use super::Settings;
use super::driver::{self, Give, Session, Values};
use super::thin::{Bind, Cell, Column, Connection, Kind, ThinError};
use crate::source::server::{Fault, Halt};

const MODULE: &str = "livecosmos";

/// Logs in, which this driver can with a password only.
pub(super) fn log_in(settings: &Settings, password: Option<SecretString>) -> Result<Box<dyn Session>, Fault> {
    let Some(user) = &settings.user else {
        return Err(Fault::config(format!(
            "{}: driver thin knows no external authentication; set user and a password, or driver = \"oci\" with \
             Oracle's Instant Client",
            settings.describe()
        )));
    };
    let Some(password) = password else { return Err(super::no_password(settings, user)) };
    let connection = Connection::connect(&super::thin::Settings {
        connect_string: settings.dsn.trim_start_matches("//").to_owned(),
        user: user.clone(),
        password,
        module: MODULE.to_owned(),
        connect_within: settings.access.connect_timeout,
        call_within: settings.access.statement_timeout,
    });
    Ok(Box::new(connection?))
}

impl From<ThinError> for Fault {
    fn from(error: ThinError) -> Self {
        let message = error.to_string();
        match error {
            // A table or a column that was there a moment ago.
            ThinError::Config(_) => Self::stale(message),
            ThinError::Denied(_) => Self::denied(message),
            ThinError::Unavailable { is_broken: true, .. } => Self::lost(message),
            ThinError::Unavailable { .. } => Self::failed(message),
        }
    }
}

impl Session for Connection {
    fn execute(&mut self, sql: &str) -> Result<(), Fault> {
        Ok(Self::execute(self, sql)?)
    }

    fn query(
        &mut self,
        sql: &str,
        binds: &[(String, driver::Bind)],
        fetch_rows: u32,
        give: &mut Give<'_>,
    ) -> Result<(), Halt> {
        let binds = binds.iter().map(|(name, bind)| own(bind).map(|bind| (name.as_str(), bind)));
        let binds: Vec<(&str, Bind)> = binds.collect::<Result<_, Fault>>()?;
        let mut cursor = Self::query(self, sql, &binds, fetch_rows).map_err(Fault::from)?;
        let columns = cursor.columns().to_vec();
        let mut cells = Vec::with_capacity(columns.len());
        while cursor.next(&mut cells).map_err(Fault::from)? {
            let cells = Cells {
                columns: &columns,
                texts: cells.iter().zip(&columns).map(iso).collect(),
                values: &cells,
            };
            if !give(&cells)? {
                break;
            }
        }
        Ok(())
    }

    /// The driver reads a page again from its beginning with each of its packets, so small pages are faster.
    fn fetch_rows_max(&self) -> u32 {
        250
    }

    /// The driver binds no DATE, and a TIMESTAMP would have the column converted, and its index not used.
    fn place(&self, name: &str, bind: &driver::Bind) -> String {
        match bind {
            driver::Bind::Date(_) => format!("CAST(:{name} AS DATE)"),
            _ => format!(":{name}"),
        }
    }
}

/// A row of the driver with what it lacks: times before Christ as ISO 8601 counts them.
struct Cells<'r> {
    columns: &'r [Column],
    texts: Vec<Option<String>>,
    values: &'r [Cell],
}

impl Values for Cells<'_> {
    fn value(&self, at: usize) -> driver::Cell<'_> {
        let (Some(cell), Some(column)) = (self.values.get(at), self.columns.get(at)) else {
            return driver::Cell::Null;
        };
        match (cell, column.kind) {
            (Cell::Null, _) => driver::Cell::Null,
            (Cell::NotFinite(text), _) => driver::Cell::NotFinite(text),
            (Cell::Invalid(text), _) => driver::Cell::Damaged(text),
            (Cell::Bytes(bytes), _) => driver::Cell::Bytes(bytes),
            (Cell::Text(text), Kind::Number | Kind::Float | Kind::Double) => driver::Cell::Number(text),
            (Cell::Text(text), Kind::Bool) => driver::Cell::Number(if text == "true" { "1" } else { "0" }),
            (Cell::Text(text), Kind::Date | Kind::Timestamp | Kind::TimestampTz | Kind::TimestampLtz) => {
                driver::Cell::Time(self.texts[at].as_deref().unwrap_or(text))
            }
            (Cell::Text(text), _) => driver::Cell::Text(text),
        }
    }
}

/// A time before Christ in ISO 8601, where there is a year 0; and one of the session's zone, which is UTC, as such.
fn iso((cell, column): (&Cell, &Column)) -> Option<String> {
    let Cell::Text(text) = cell else { return None };
    let zone = if column.kind == Kind::TimestampLtz && !text.ends_with('Z') { "Z" } else { "" };
    match column.kind {
        Kind::Date | Kind::Timestamp | Kind::TimestampTz | Kind::TimestampLtz => {}
        _ => return None,
    }
    let Some((year, rest)) = text.strip_prefix('-').and_then(|text| text.split_once('-')) else {
        return (!zone.is_empty()).then(|| format!("{text}{zone}"));
    };
    let year = year.parse::<i32>().ok()? - 1;
    Some(if year == 0 { format!("0000-{rest}{zone}") } else { format!("-{year:06}-{rest}{zone}") })
}

fn own(bind: &driver::Bind) -> Result<Bind, Fault> {
    let unusable =
        |what: &dyn std::fmt::Display| Fault::failed(format!("{what} cannot be bound; it is tried again"));
    Ok(match bind {
        driver::Bind::Text(text) | driver::Bind::National(text) | driver::Bind::Padded(text) => {
            Bind::Text(text.clone())
        }
        driver::Bind::Number(text) => Bind::Number(text.parse::<OracleNumber>().map_err(|_| unusable(text))?),
        driver::Bind::Date(at) | driver::Bind::Timestamp(at) | driver::Bind::Zoned(at) => {
            let year = at.year - i16::from(at.year <= 0);
            let is_date = matches!(bind, driver::Bind::Date(_));
            let nanosecond = if is_date { 0 } else { at.nanosecond };
            Bind::Timestamp(OracleTimestamp::new_timestamp(
                year, at.month, at.day, at.hour, at.minute, at.second, nanosecond,
            ))
        }
    })
}

//! Rows of an Oracle database through Oracle's client library (Instant Client), by way of ODPI-C.
//!
//! Blocking: one thread makes one call at a time. Every value is read as the database has it: a NUMBER
//! keeps all its digits, a timestamp all of its second.
//!
//! What is bound has exactly the type it is given, because Oracle converts the *column* where the types
//! differ, and then uses no index on it: a text that is bound as NVARCHAR2 to a VARCHAR2 column, or a
//! TIMESTAMP WITH TIME ZONE to a TIMESTAMP, costs a scan of the whole table.

mod client;
mod failure;
mod login;
mod row;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oracle::sql_type::{OracleType, Timestamp, ToSql};
use oracle::{Connection, ResultSet};
use secrecy::SecretString;

pub use client::{NoClient, load};
pub use failure::Failure;
pub use row::{Cell, Row};

/// How to reach a database.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The connect string: Easy Connect (`//host:1521/service`), a TNS alias or a full description.
    pub dsn: String,
    /// The account; without one the operating system or a wallet says who we are.
    pub account: Option<Account>,
    /// The folder of the client library; without one the usual places are searched.
    pub client: Option<PathBuf>,
    /// How long a login may take.
    pub connect_timeout: Duration,
    /// How long one call may take. To break it off may take as long once more; then the session is lost.
    pub call_timeout: Duration,
}

/// An account of the database.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: SecretString,
}

/// A moment as a column without or with a zone has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Year; -1 is the year 2 before Christ, as in ISO 8601.
    pub year: i16,
    /// Month, from 1.
    pub month: u8,
    /// Day, from 1.
    pub day: u8,
    /// Hour.
    pub hour: u8,
    /// Minute.
    pub minute: u8,
    /// Second.
    pub second: u8,
    /// Nanosecond.
    pub nanosecond: u32,
}

/// A value with the type of the column it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// For VARCHAR2.
    Text(String),
    /// For NVARCHAR2.
    National(String),
    /// For CHAR, which is compared without its trailing blanks.
    Padded(String),
    /// For NUMBER: all its digits.
    Number(String),
    /// For DATE: the fraction of the second is left out.
    Date(Moment),
    /// For TIMESTAMP.
    Timestamp(Moment),
    /// For TIMESTAMP WITH TIME ZONE: a moment in UTC.
    Zoned(Moment),
}

/// A session of the database.
pub struct Link {
    connection: Arc<Connection>,
    dsn: String,
    warning: Option<String>,
}

/// Breaks off the call that another thread makes.
#[derive(Clone)]
pub struct Breaker(Arc<Connection>);

impl Breaker {
    /// The call returns with ORA-01013, and the session can be used again.
    pub fn break_off(&self) {
        // Where this fails the session is gone, and the call returns for that reason.
        drop(self.0.break_execution());
    }
}

impl Link {
    /// Logs in.
    pub fn connect(settings: &Settings) -> Result<Self, Failure> {
        load(settings.client.as_deref())?;
        let connection = login::within(settings)?;
        // Asked for now: each later statement replaces it.
        let warning = connection.last_warning();
        let warning = warning.map(|warning| Failure::of(&warning, &settings.dsn).to_string());
        Ok(Self { connection: Arc::new(connection), dsn: settings.dsn.clone(), warning })
    }

    /// What the database said at the login that the operator should know: a password that expires soon.
    #[must_use]
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Breaks off calls of this session, from other threads.
    #[must_use]
    pub fn breaker(&self) -> Breaker {
        Breaker(Arc::clone(&self.connection))
    }

    /// Executes a statement that has no rows.
    pub fn execute(&self, sql: &str) -> Result<(), Failure> {
        self.connection.execute(sql, &[]).map(drop).map_err(|error| self.failed(&error))
    }

    /// Ends the transaction, so that the next statement sees the present.
    pub fn rollback(&self) -> Result<(), Failure> {
        self.connection.rollback().map_err(|error| self.failed(&error))
    }

    /// Whether the session still answers.
    pub fn ping(&self) -> Result<(), Failure> {
        self.connection.ping().map_err(|error| self.failed(&error))
    }

    /// Executes a query; `fetch_rows` of its rows come in each round trip, and lie in memory together.
    pub fn query(&self, sql: &str, binds: &[(&str, Bind)], fetch_rows: u32) -> Result<Cursor, Failure> {
        self.start(sql, binds, fetch_rows)
            .map(|rows| Cursor { rows, row: None, is_over: false, dsn: self.dsn.clone() })
            .map_err(|error| self.failed(&error))
    }

    fn start(
        &self,
        sql: &str,
        binds: &[(&str, Bind)],
        fetch_rows: u32,
    ) -> oracle::Result<ResultSet<'static, Row>> {
        let mut statement = self.connection.statement(sql);
        // Rows that are fetched ahead would be copied once more, out of a second buffer.
        let mut statement = statement.fetch_array_size(fetch_rows).prefetch_rows(0).build()?;
        for (name, bind) in binds {
            bind.bind_to(&mut statement, name)?;
        }
        statement.into_result_set_named(&[])
    }

    fn failed(&self, error: &oracle::Error) -> Failure {
        Failure::of(error, &self.dsn)
    }
}

impl Bind {
    fn bind_to(&self, statement: &mut oracle::Statement, name: &str) -> oracle::Result<()> {
        let mut put = |value: &dyn ToSql| statement.bind(name, value);
        match self {
            Self::Text(text) => put(&(text, &OracleType::Varchar2(length(text)))),
            Self::National(text) => put(&(text, &OracleType::NVarchar2(length(text)))),
            Self::Padded(text) => put(&(text, &OracleType::Char(length(text)))),
            Self::Number(text) => put(&(&parted(text), &OracleType::Number(0, 0))),
            Self::Date(moment) => put(&(&moment.stamp()?, &OracleType::Date)),
            Self::Timestamp(moment) => put(&(&moment.stamp()?, &OracleType::Timestamp(9))),
            Self::Zoned(moment) => {
                put(&(&moment.stamp()?.and_tz_hm_offset(0, 0)?, &OracleType::TimestampTZ(9)))
            }
        }
    }
}

/// Digits that the crate `oracle` reads in one go: it adds them up in 64 bits when it checks a number, and
/// panics where that overflows and overflows are checked.
const DIGITS_MAX: usize = 19;

/// The same number, its digits before and behind the point as few as can be.
fn parted(number: &str) -> String {
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_plain = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if whole.len().max(fraction.len()) <= DIGITS_MAX || !is_plain(whole) || !is_plain(fraction) {
        return format!("{sign}{number}");
    }
    let all = format!("{whole}{fraction}");
    let significant = all.trim_end_matches('0');
    let zeros = all.len() - significant.len();
    let digits = match significant.trim_start_matches('0') {
        "" => return "0".to_owned(),
        digits => digits,
    };
    let tail = digits.len().saturating_sub(DIGITS_MAX).min(DIGITS_MAX);
    let (head, tail) = digits.split_at(digits.len() - tail);
    let point = if tail.is_empty() { "" } else { "." };
    let lifted = (zeros + tail.len()).cast_signed() - fraction.len().cast_signed();
    format!("{sign}{head}{point}{tail}E{lifted}")
}

fn length(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

impl Moment {
    /// Oracle knows no year 0: the year before 1 is -1.
    fn stamp(&self) -> oracle::Result<Timestamp> {
        let year = i32::from(self.year) - i32::from(self.year <= 0);
        let [month, day, hour, minute, second] =
            [self.month, self.day, self.hour, self.minute, self.second].map(u32::from);
        Timestamp::new(year, month, day, hour, minute, second, self.nanosecond)
    }
}

/// A column of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, as the database spells it.
    pub name: String,
    /// Its type, as CREATE TABLE spells it.
    pub type_name: String,
    /// Whether it may be null.
    pub is_nullable: bool,
}

/// The rows of a query, in its order.
pub struct Cursor {
    rows: ResultSet<'static, Row>,
    row: Option<Row>,
    /// After a failure the client library would show the rows of the array before it again.
    is_over: bool,
    dsn: String,
}

impl Cursor {
    /// Its columns.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        let column = |info: &oracle::ColumnInfo| Column {
            name: info.name().to_owned(),
            type_name: info.oracle_type().to_string(),
            is_nullable: info.nullable(),
        };
        self.rows.column_info().iter().map(column).collect()
    }

    /// The next row. After a failure there is none.
    pub fn next_row(&mut self) -> Result<Option<&Row>, Failure> {
        self.row = None;
        if self.is_over {
            return Ok(None);
        }
        match self.rows.next() {
            Some(Ok(row)) => self.row = Some(row),
            Some(Err(error)) => {
                self.is_over = true;
                return Err(Failure::of(&error, &self.dsn));
            }
            None => self.is_over = true,
        }
        Ok(self.row.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_many_digits_is_parted_and_stays_the_same() {
        let many = "12345678901234567890123456789012345678";
        for (number, expected) in [
            ("17", "17"),
            ("-0.5", "-0.5"),
            (many, "1234567890123456789.0123456789012345678E19"),
            ("-1.2345678901234567890123456789012345678", "-1234567890123456789.0123456789012345678E-18"),
            ("12345678901234567891", "1234567890123456789.1E1"),
            ("12345678901234567890", "1234567890123456789E1"),
            ("100000000000000000000000000", "1E26"),
            ("0.00000000000000000000000017", "17E-26"),
            ("00000000000000000000000000", "0"),
        ] {
            assert_eq!(parted(number), expected);
        }
    }
}

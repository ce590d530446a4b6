//! What the two drivers have in common: a session, what is bound, what comes back.

use crate::source::server::{Fault, Halt};

/// A moment as a column without or with a zone has it, in the calendar of ISO 8601: there is a year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) year: i16,
    pub(super) month: u8,
    pub(super) day: u8,
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
    pub(super) nanosecond: u32,
}

/// A value with the type of the column it is compared with: where the types differ, Oracle converts the
/// column, and then uses no index on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bind {
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
    /// For TIMESTAMP WITH TIME ZONE, and WITH LOCAL TIME ZONE: a moment in UTC.
    Zoned(Moment),
}

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'a> {
    /// No value.
    Null,
    /// A number, with all its digits and no others.
    Number(&'a str),
    /// `NaN`, `Infinity` or `-Infinity`.
    NotFinite(&'a str),
    /// Text: of character columns, of large ones, of row addresses and intervals.
    Text(&'a str),
    /// What cannot be read, as far as it can be shown.
    Damaged(&'a str),
    /// A time in ISO 8601, with the digits of its column; with an offset where the column has a zone.
    Time(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// A row of a query.
pub(super) trait Values {
    /// The value of column `at`; null where there is no such column.
    fn value(&self, at: usize) -> Cell<'_>;
}

/// Takes rows; says whether it wants more.
pub(super) type Give<'g> = dyn FnMut(&dyn Values) -> Result<bool, Halt> + 'g;

/// A session of the database. Blocking.
pub(super) trait Session: Send {
    /// Executes a statement that has no rows.
    fn execute(&mut self, sql: &str) -> Result<(), Fault>;

    /// Ends the transaction, so that the next statement sees the present.
    fn end(&mut self) -> Result<(), Fault> {
        self.execute("ROLLBACK")
    }

    /// Executes a query; `fetch_rows` of its rows come in each round trip.
    fn query(
        &mut self,
        sql: &str,
        binds: &[(String, Bind)],
        fetch_rows: u32,
        give: &mut Give<'_>,
    ) -> Result<(), Halt>;

    /// Rows that may come in a round trip.
    fn fetch_rows_max(&self) -> u32 {
        1_000
    }

    /// How `bind` is written in a statement, called `name`.
    fn place(&self, name: &str, _: &Bind) -> String {
        format!(":{name}")
    }
}

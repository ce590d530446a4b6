//! Values as the driver gives them, as exact text.

use crate::panics;
use oracledb::{Metadata, OracleIntervalDS, OracleIntervalYM, OracleNumber, OracleTimestamp, Row};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// NUMBER, and FLOAT, which is one.
    Number,
    /// `BINARY_FLOAT`.
    Float,
    /// `BINARY_DOUBLE`.
    Double,
    /// VARCHAR2, CHAR, NVARCHAR2, NCHAR, LONG, CLOB, NCLOB, ROWID.
    Text,
    /// DATE.
    Date,
    /// TIMESTAMP.
    Timestamp,
    /// TIMESTAMP WITH TIME ZONE. The driver gives UTC and forgets the zone.
    TimestampTz,
    /// TIMESTAMP WITH LOCAL TIME ZONE, in the session's time zone.
    TimestampLtz,
    /// INTERVAL YEAR TO MONTH.
    YearMonth,
    /// INTERVAL DAY TO SECOND.
    DaySecond,
    /// RAW, LONG RAW, BLOB.
    Bytes,
    /// BOOLEAN.
    Bool,
    /// A type whose values this reader does not read.
    Other,
}

/// A column of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Its type as a `CREATE TABLE` spells it.
    pub type_name: String,
    /// Digits of a NUMBER; 0 where it has no precision.
    pub precision: u8,
    /// Digits behind the point, or of a second.
    pub scale: i8,
    /// Whether it may be null.
    pub is_nullable: bool,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// No value.
    Null,
    /// Text, number, time or interval, as exact text; the column's [`Kind`] says which.
    Text(String),
    /// A number that is none: `NaN`, `Infinity` or `-Infinity`.
    NotFinite(&'static str),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A stored value that is none of its type, as far as it can be shown.
    Invalid(String),
}

impl Column {
    pub(super) fn new(described: &Metadata) -> Self {
        Self {
            name: described.name().to_owned(),
            kind: kind(described),
            type_name: described.data_type(),
            precision: described.precision(),
            scale: described.scale(),
            is_nullable: described.nullable(),
        }
    }
}

fn kind(described: &Metadata) -> Kind {
    match described.db_type().name() {
        "DB_TYPE_NUMBER" | "DB_TYPE_BINARY_INTEGER" => Kind::Number,
        "DB_TYPE_BINARY_FLOAT" => Kind::Float,
        "DB_TYPE_BINARY_DOUBLE" => Kind::Double,
        "DB_TYPE_VARCHAR"
        | "DB_TYPE_CHAR"
        | "DB_TYPE_NVARCHAR"
        | "DB_TYPE_NCHAR"
        | "DB_TYPE_LONG"
        | "DB_TYPE_LONG_NVARCHAR"
        | "DB_TYPE_ROWID"
        | "DB_TYPE_UROWID" => Kind::Text,
        "DB_TYPE_DATE" => Kind::Date,
        "DB_TYPE_TIMESTAMP" => Kind::Timestamp,
        "DB_TYPE_TIMESTAMP_TZ" => Kind::TimestampTz,
        "DB_TYPE_TIMESTAMP_LTZ" => Kind::TimestampLtz,
        "DB_TYPE_INTERVAL_YM" => Kind::YearMonth,
        "DB_TYPE_INTERVAL_DS" => Kind::DaySecond,
        "DB_TYPE_RAW" | "DB_TYPE_LONG_RAW" => Kind::Bytes,
        "DB_TYPE_BOOLEAN" => Kind::Bool,
        _ => Kind::Other,
    }
}

/// Reads a row's value in the place `at`.
pub(super) fn read(row: &mut Row, at: usize, column: &Column) -> Result<Cell, oracledb::Error> {
    let digits = usize::try_from(column.scale).unwrap_or(0);
    let cell = match column.kind {
        Kind::Number => row.take::<Option<OracleNumber>>(at)?.map(|value| number(&value)),
        Kind::Float => row.take::<Option<f32>>(at)?.map(float),
        Kind::Double => row.take::<Option<f64>>(at)?.map(double),
        Kind::Text => row.take::<Option<String>>(at)?.map(Cell::Text),
        Kind::Date => row.take::<Option<OracleTimestamp>>(at)?.map(|value| time(&value, 0)),
        Kind::Timestamp | Kind::TimestampTz | Kind::TimestampLtz => {
            row.take::<Option<OracleTimestamp>>(at)?.map(|value| time(&value, digits))
        }
        Kind::YearMonth => row.take::<Option<OracleIntervalYM>>(at)?.map(year_month),
        Kind::DaySecond => row.take::<Option<OracleIntervalDS>>(at)?.map(|value| day_second(&value, digits)),
        Kind::Bool => row.take::<Option<bool>>(at)?.map(|value| Cell::Text(value.to_string())),
        Kind::Bytes => row.take::<Option<Vec<u8>>>(at)?.map(Cell::Bytes),
        Kind::Other => Some(Cell::Invalid(format!("values of {} are not read", column.type_name))),
    };
    Ok(cell.unwrap_or(Cell::Null))
}

fn number(value: &OracleNumber) -> Cell {
    // The driver panics over digits that are none, and shows minus infinity as many zeros. Infinity it
    // cannot tell from 1E125.
    match panics::catch(|| value.to_string()) {
        Ok(text) if text.starts_with("-0") && !text.contains(|char| ('1'..='9').contains(&char)) => {
            Cell::NotFinite("-Infinity")
        }
        Ok(text) => Cell::Text(text),
        Err(_) => Cell::Invalid("a NUMBER with digits that are none".to_owned()),
    }
}

/// Shortest text that gives the same number again, of the column's own width.
fn float(value: f32) -> Cell {
    not_finite(value.into()).unwrap_or_else(|| Cell::Text(format!("{value:?}")))
}

fn double(value: f64) -> Cell {
    not_finite(value).unwrap_or_else(|| Cell::Text(format!("{value:?}")))
}

fn not_finite(value: f64) -> Option<Cell> {
    let name = match value {
        _ if value.is_finite() => return None,
        _ if value.is_nan() => "NaN",
        _ if value > 0.0 => "Infinity",
        _ => "-Infinity",
    };
    Some(Cell::NotFinite(name))
}

/// `2026-11-20T08:30:00.123`, with as many digits of a second as the column has; a year before Christ is
/// negative, as Oracle counts: there is no year 0.
fn time(time: &OracleTimestamp, digits: usize) -> Cell {
    let (year, sign) = (time.year().unsigned_abs(), if time.year() < 0 { "-" } else { "" });
    let (month, day) = (time.month(), time.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let fraction = fraction_text(time.nanoseconds(), digits);
    let zone = if time.is_utc() { "Z" } else { "" };
    let text =
        format!("{sign}{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}");
    let is_date =
        year != 0 && year <= 9999 && (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
    let is_clock = hour < 24 && minute < 60 && second < 60 && time.nanoseconds() < 1_000_000_000;
    if is_date && is_clock { Cell::Text(text) } else { Cell::Invalid(text) }
}

/// Whether a year that is a multiple of four is a leap year; before the Gregorian reform each was.
fn is_leap_century(year: u16) -> bool {
    year < 1583 || !year.is_multiple_of(100) || year.is_multiple_of(400)
}

/// Days of a month.
fn days_of(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && is_leap_century(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn fraction_text(nanos: u32, digits: usize) -> String {
    if digits == 0 { String::new() } else { format!(".{:.digits$}", format!("{nanos:09}")) }
}

/// ISO 8601: `P1Y2M`, `-P1Y2M`.
fn year_month(span: OracleIntervalYM) -> Cell {
    let sign = if span.years() < 0 || span.months() < 0 { "-" } else { "" };
    Cell::Text(format!("{sign}P{}Y{}M", span.years().unsigned_abs(), span.months().unsigned_abs()))
}

/// ISO 8601: `P1DT2H3M4.500S`, `-P1DT0H0M0S`.
fn day_second(span: &OracleIntervalDS, digits: usize) -> Cell {
    let small = [span.hours(), span.minutes(), span.seconds()];
    let is_negative = span.days() < 0 || span.nanoseconds() < 0 || small.iter().any(|part| *part < 0);
    let [hours, minutes, seconds] = small.map(i8::unsigned_abs);
    Cell::Text(format!(
        "{}P{}DT{hours}H{minutes}M{seconds}{}S",
        if is_negative { "-" } else { "" },
        span.days().unsigned_abs(),
        fraction_text(span.nanoseconds().unsigned_abs(), digits),
    ))
}

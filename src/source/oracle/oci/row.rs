//! One row, each value as its exact text.

use std::fmt::Write as _;

use oracle::sql_type::{InnerValue, OracleType};
use oracle::{Error, ErrorKind, RowValue, SqlValue};

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// A number, with all its digits and no others; one by JSON's grammar.
    Number(&'a str),
    /// `NaN`, `Infinity` or `-Infinity`.
    NotFinite(&'a str),
    /// Text: of character columns, of large ones, of row addresses and intervals.
    Text(&'a str),
    /// Text that is not UTF-8, with replacements.
    Damaged(&'a str),
    /// A time in ISO 8601, with the digits of its column; with an offset where the column has a zone.
    Time(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Number,
    NotFinite,
    Text,
    Damaged,
    Time,
    Bytes,
}

/// A row. Its values lie in one arena, in the order of the columns.
#[derive(Debug)]
pub struct Row {
    text: String,
    bytes: Vec<u8>,
    /// For each value, where it ends; it begins where the one before it in the same arena ends.
    cells: Vec<(Kind, usize, usize)>,
}

impl Row {
    /// How many values it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The value of column `at`.
    ///
    /// # Panics
    /// Where there is no such column.
    #[must_use]
    pub fn cell(&self, at: usize) -> Cell<'_> {
        let (kind, start, end) = self.cells[at];
        match kind {
            Kind::Null => Cell::Null,
            Kind::Number => Cell::Number(&self.text[start..end]),
            Kind::NotFinite => Cell::NotFinite(&self.text[start..end]),
            Kind::Text => Cell::Text(&self.text[start..end]),
            Kind::Damaged => Cell::Damaged(&self.text[start..end]),
            Kind::Time => Cell::Time(&self.text[start..end]),
            Kind::Bytes => Cell::Bytes(&self.bytes[start..end]),
        }
    }

    fn push(&mut self, value: &SqlValue<'_>) -> oracle::Result<()> {
        let (text_start, bytes_start) = (self.text.len(), self.bytes.len());
        let kind = if value.is_null()? { Kind::Null } else { self.spell(value)? };
        self.cells.push(match kind {
            Kind::Bytes => (kind, bytes_start, self.bytes.len()),
            _ => (kind, text_start, self.text.len()),
        });
        Ok(())
    }

    fn spell(&mut self, value: &SqlValue<'_>) -> oracle::Result<Kind> {
        let text = &mut self.text;
        let column = value.oracle_type()?;
        match value.as_inner_value()? {
            InnerValue::Int64(number) => number_text(text, number),
            InnerValue::UInt64(number) => number_text(text, number),
            InnerValue::Float(number) => return Ok(float(text, f64::from(number), &format!("{number:?}"))),
            InnerValue::Double(number) => return Ok(float(text, number, &format!("{number:?}"))),
            InnerValue::Number(number) => return Ok(decimal(text, number)),
            InnerValue::Boolean(is_true) => text.push_str(if is_true { "1" } else { "0" }),
            InnerValue::Char(bytes) => {
                let read = String::from_utf8_lossy(bytes);
                text.push_str(&read);
                let is_whole = matches!(read, std::borrow::Cow::Borrowed(_));
                return Ok(if is_whole { Kind::Text } else { Kind::Damaged });
            }
            InnerValue::Raw(bytes) => {
                self.bytes.extend_from_slice(bytes);
                return Ok(Kind::Bytes);
            }
            InnerValue::Timestamp(stamp) => {
                push_date(text, stamp.year, [stamp.month, stamp.day, stamp.hour, stamp.minute, stamp.second]);
                push_fraction(text, stamp.fsecond, fraction_digits(column));
                if matches!(column, OracleType::TimestampTZ(_) | OracleType::TimestampLTZ(_)) {
                    push_offset(text, stamp.tzHourOffset, stamp.tzMinuteOffset);
                }
                return Ok(Kind::Time);
            }
            // What is left is asked for by its text: intervals and row addresses.
            InnerValue::IntervalDS(_) | InnerValue::IntervalYM(_) | InnerValue::Rowid(_) => {
                text.push_str(&value.get::<String>()?);
                return Ok(Kind::Text);
            }
            _ => {
                return Err(Error::new(
                    ErrorKind::InvalidTypeConversion,
                    format!(
                        "a value of type {column} cannot be read; leave its column out, or make text of it in a view"
                    ),
                ));
            }
        }
        Ok(Kind::Number)
    }
}

impl RowValue for Row {
    fn get(row: &oracle::Row) -> oracle::Result<Self> {
        let values = row.sql_values();
        let mut read =
            Self { text: String::new(), bytes: Vec::new(), cells: Vec::with_capacity(values.len()) };
        for value in values {
            read.push(value)?;
        }
        Ok(read)
    }
}

fn number_text(text: &mut String, number: impl std::fmt::Display) {
    write!(text, "{number}").expect("a String takes every write");
}

/// `shortest` is the shortest text that reads back as the same number.
fn float(text: &mut String, number: f64, shortest: &str) -> Kind {
    if number.is_finite() {
        text.push_str(shortest);
        return Kind::Number;
    }
    text.push_str(match number {
        _ if number.is_nan() => "NaN",
        _ if number > 0.0 => "Infinity",
        _ => "-Infinity",
    });
    Kind::NotFinite
}

/// The largest NUMBER has 126 digits before its point. The client library spells an infinity as 1 and 126
/// zeros, as which it sorts.
const INFINITE_DIGITS: usize = 127;

fn decimal(text: &mut String, number: &str) -> Kind {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    if digits.len() == INFINITE_DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit()) {
        text.push_str(sign);
        text.push_str("Infinity");
        return Kind::NotFinite;
    }
    text.push_str(number);
    Kind::Number
}

/// Oracle knows no year 0: its year -1 is ISO's year 0.
fn push_date(text: &mut String, year: i16, [month, day, hour, minute, second]: [u8; 5]) {
    let year = i32::from(year) + i32::from(year < 0);
    let written = if year < 0 { write!(text, "-{:06}", -year) } else { write!(text, "{year:04}") };
    written
        .and_then(|()| write!(text, "-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"))
        .expect("a String takes every write");
}

fn fraction_digits(column: &OracleType) -> u8 {
    match column {
        OracleType::Timestamp(digits)
        | OracleType::TimestampTZ(digits)
        | OracleType::TimestampLTZ(digits) => *digits,
        _ => 0,
    }
}

fn push_fraction(text: &mut String, nanosecond: u32, digits: u8) {
    if digits > 0 {
        let nanoseconds = format!(".{nanosecond:09}");
        text.push_str(&nanoseconds[..=usize::from(digits.min(9))]);
    }
}

fn push_offset(text: &mut String, hours: i8, minutes: i8) {
    let sign = if hours < 0 || minutes < 0 { '-' } else { '+' };
    write!(text, "{sign}{:02}:{:02}", hours.unsigned_abs(), minutes.unsigned_abs())
        .expect("a String takes every write");
}

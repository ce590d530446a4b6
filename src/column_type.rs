//! What the values of a column are, as far as a format with types must know.
//!
//! A type never changes how a value is read or spelled as text (I6); it says which values a typed column
//! may hold, and is known before the first row: the same columns give the same types in every object.

use std::fmt;
use std::str::FromStr;

/// Digits that a decimal of 128 bits holds.
pub const DECIMAL_DIGITS_MAX: u8 = 38;
/// Digits of which every number fits into 64 bits.
pub const INTEGER_DIGITS_MAX: u8 = 18;

/// The type of a column. Displays as it is written in metadata: `decimal(12,4)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// Whatever is no other type: UTF-8, as the source spells it.
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// A number of so many digits.
    Decimal {
        /// Digits in all, 1 to [`DECIMAL_DIGITS_MAX`].
        precision: u8,
        /// Digits behind the point, at most `precision`.
        scale: u8,
    },
    /// A binary number of 32 bits.
    Real,
    /// A binary number of 64 bits.
    Double,
    /// True or false.
    Boolean,
    /// A day.
    Date,
    /// A day and a time of the day.
    Timestamp {
        /// An instant; else what a clock shows, wherever it hangs.
        is_instant: bool,
        /// Counted in nanoseconds, else in microseconds.
        is_nanos: bool,
    },
    /// Bytes, which are spelled as base64.
    Bytes,
}

impl ColumnType {
    /// What the time of a row is, unless its source is finer.
    pub const TIME: Self = Self::Timestamp { is_instant: true, is_nanos: false };

    /// A decimal of this shape, or a text where it is none that fits; without a fraction and short enough, a
    /// whole number. A negative `scale` counts zeros before the point.
    #[must_use]
    pub fn decimal(precision: i64, scale: i64) -> Self {
        let digits = if scale < 0 { precision - scale } else { precision.max(scale) };
        match (u8::try_from(digits), u8::try_from(scale.max(0))) {
            (Ok(1..=INTEGER_DIGITS_MAX), Ok(0)) => Self::Integer,
            (Ok(precision @ 1..=DECIMAL_DIGITS_MAX), Ok(scale)) => Self::Decimal { precision, scale },
            _ => Self::Text,
        }
    }

    /// The type of a row's time in a column of this type.
    #[must_use]
    pub fn of_time(self) -> Self {
        let is_nanos = matches!(self, Self::Timestamp { is_nanos: true, .. });
        Self::Timestamp { is_instant: true, is_nanos }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decimal { precision, scale } => return write!(f, "decimal({precision},{scale})"),
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Double => "double",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Timestamp { is_instant: false, is_nanos: false } => "timestamp",
            Self::Timestamp { is_instant: true, is_nanos: false } => "timestamptz",
            Self::Timestamp { is_instant: false, is_nanos: true } => "timestamp_ns",
            Self::Timestamp { is_instant: true, is_nanos: true } => "timestamptz_ns",
            Self::Bytes => "bytes",
        })
    }
}

/// A text that names no type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no type of a column")]
pub struct NoType(String);

impl FromStr for ColumnType {
    type Err = NoType;

    fn from_str(text: &str) -> Result<Self, NoType> {
        let plain = [
            Self::Text,
            Self::Integer,
            Self::Real,
            Self::Double,
            Self::Boolean,
            Self::Date,
            Self::Timestamp { is_instant: false, is_nanos: false },
            Self::TIME,
            Self::Timestamp { is_instant: false, is_nanos: true },
            Self::Timestamp { is_instant: true, is_nanos: true },
            Self::Bytes,
        ];
        let known = plain.into_iter().find(|known| known.to_string() == text);
        known.or_else(|| parse_decimal(text)).ok_or_else(|| NoType(text.to_owned()))
    }
}

fn parse_decimal(text: &str) -> Option<ColumnType> {
    let (precision, scale) = text.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
    let (precision, scale) = (precision.parse().ok()?, scale.parse().ok()?);
    ((1..=DECIMAL_DIGITS_MAX).contains(&precision) && scale <= precision)
        .then_some(ColumnType::Decimal { precision, scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read_as_it_is_shown() {
        for text in [
            "text",
            "integer",
            "decimal(38,0)",
            "decimal(12,4)",
            "real",
            "double",
            "boolean",
            "date",
            "timestamp",
            "timestamptz",
            "timestamp_ns",
            "timestamptz_ns",
            "bytes",
        ] {
            assert_eq!(text.parse::<ColumnType>().map(|kind| kind.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "Text", "decimal", "decimal(39,1)", "decimal(0,0)", "decimal(2,3)", "decimal(2)"] {
            assert!(text.parse::<ColumnType>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_declared_decimal_is_the_smallest_type_that_holds_all_of_it() {
        for ((precision, scale), expected) in [
            ((10, 0), "integer"),
            ((18, 0), "integer"),
            ((19, 0), "decimal(19,0)"),
            ((12, 4), "decimal(12,4)"),
            ((38, 38), "decimal(38,38)"),
            ((2, 5), "decimal(5,5)"),
            ((5, -3), "integer"),
            ((30, -8), "decimal(38,0)"),
            ((38, -1), "text"),
            ((39, 2), "text"),
            ((0, 0), "text"),
        ] {
            assert_eq!(ColumnType::decimal(precision, scale).to_string(), expected, "{precision},{scale}");
        }
    }
}

//! The XML Schema type of a column: the highest rank that any of its values has.

use jiff::civil::{Date, DateTime};

use crate::rows::{Kind, Rows, Value};

/// Types in the order in which one gives way to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Nil,
    String,
    Boolean,
    DateTime,
    Short,
    Int,
    Long,
    Integer,
    Float,
    Double,
}

/// Magnitudes between which the format calls a number with a fraction a float.
const FLOAT_RANGE: std::ops::RangeInclusive<f64> = 1.18e-38..=3.40e38;

/// A number this short, without an exponent, is 0 or within `FLOAT_RANGE` by its length alone:
/// from 0. and 36 zeros to 37 digits.
const SURELY_FLOAT_BYTES: usize = 38;

impl Rank {
    /// Name of the type.
    pub(super) fn xsd(self) -> &'static str {
        match self {
            Self::Nil => "xsi:nil",
            Self::String => "xsd:string",
            Self::Boolean => "xsd:boolean",
            Self::DateTime => "xsd:dateTime",
            Self::Short => "xsd:short",
            Self::Int => "xsd:int",
            Self::Long => "xsd:long",
            Self::Integer => "xsd:integer",
            Self::Float => "xsd:float",
            Self::Double => "xsd:double",
        }
    }

    fn of(value: Value<'_>) -> Self {
        match value.kind {
            Kind::Null => Self::Nil,
            Kind::Bool => Self::Boolean,
            Kind::Text if is_iso_date(value.text) => Self::DateTime,
            Kind::Text => Self::String,
            Kind::Number => Self::of_number(value.text),
        }
    }

    fn of_number(text: &str) -> Self {
        let has_exponent = text.contains(['e', 'E']);
        if !has_exponent && !text.contains('.') {
            return Self::of_integer(text);
        }
        if !has_exponent && text.len() <= SURELY_FLOAT_BYTES {
            return Self::Float;
        }
        let magnitude = text.parse::<f64>().unwrap_or(f64::INFINITY).abs();
        if magnitude == 0.0 || FLOAT_RANGE.contains(&magnitude) { Self::Float } else { Self::Double }
    }

    /// 0 is an int, as the predecessor has it: its range of shorts leaves 0 out.
    fn of_integer(text: &str) -> Self {
        match text.parse::<i64>() {
            Ok(0) => Self::Int,
            Ok(number) if i16::try_from(number).is_ok() => Self::Short,
            Ok(number) if i32::try_from(number).is_ok() => Self::Int,
            Ok(_) => Self::Long,
            Err(_) => Self::Integer,
        }
    }
}

/// The rank of each column of `rows`, in order.
pub(super) fn of_columns(rows: &Rows) -> Vec<Rank> {
    let mut ranks = vec![Rank::Nil; rows.schema().columns.len()];
    for row in 0..rows.len() {
        for (rank, value) in ranks.iter_mut().zip(rows.values(row)) {
            // Most columns reach their rank in the first row, and texts are the slowest to look at.
            let at_its_top = *rank == Rank::Double || (*rank > Rank::DateTime && value.kind == Kind::Text);
            if !at_its_top {
                *rank = (*rank).max(Rank::of(value));
            }
        }
    }
    ranks
}

/// `YYYY-MM-DD`, alone or with a time of day.
fn is_iso_date(text: &str) -> bool {
    let shaped = matches!(text.as_bytes(), [_, _, _, _, b'-', _, _, b'-', _, _, ..]);
    let starts_with_year = text.bytes().take(4).all(|byte| byte.is_ascii_digit());
    shaped && starts_with_year && (text.parse::<DateTime>().is_ok() || text.parse::<Date>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Rank {
        Rank::of(Value { kind: Kind::Number, text })
    }

    fn text(text: &str) -> Rank {
        Rank::of(Value { kind: Kind::Text, text })
    }

    #[test]
    fn integers_rank_by_their_range_and_zero_is_an_int() {
        for short in ["1", "32767", "-1", "-32768"] {
            assert_eq!(number(short), Rank::Short, "{short}");
        }
        for int in ["0", "-0", "32768", "-32769", "2147483647", "-2147483648"] {
            assert_eq!(number(int), Rank::Int, "{int}");
        }
        for long in ["2147483648", "-2147483649", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(number(long), Rank::Long, "{long}");
        }
        for integer in ["9223372036854775808", "-9223372036854775809", "123456789012345678901234567890"] {
            assert_eq!(number(integer), Rank::Integer, "{integer}");
        }
    }

    #[test]
    fn a_fraction_or_an_exponent_makes_a_float_and_a_far_magnitude_a_double() {
        let long_float = format!("0.{}", "1".repeat(60));
        let floats =
            ["4.25", "-0.0", "0e999", "1e-400000", "1E5", "1.18e-38", "-3.40e38", "0.00001", &long_float];
        for float in floats {
            assert_eq!(number(float), Rank::Float, "{float}");
        }
        let tiny = format!("0.{}1", "0".repeat(40));
        let huge = format!("{}.5", "9".repeat(40));
        for double in ["1.17e-38", "-3.41e38", "1e39", "1e999", "-1e999", &tiny, &huge] {
            assert_eq!(number(double), Rank::Double, "{double}");
        }
    }

    #[test]
    fn a_text_that_is_an_iso_date_is_a_date_time_and_any_other_a_string() {
        for date in
            ["2025-01-02", "2025-01-02T03:04:05", "2025-01-02 03:04:05.25", "2025-01-02T03:04:05+01:00"]
        {
            assert_eq!(text(date), Rank::DateTime, "{date}");
        }
        for string in
            ["", "NNW", "007", "2025", "20250102", "2025-13-02", "2025-01-02x", "é025-01-02", "Infinity"]
        {
            assert_eq!(text(string), Rank::String, "{string}");
        }
    }

    #[test]
    fn the_ranks_stand_in_the_order_of_the_format() {
        let order = "xsi:nil xsd:string xsd:boolean xsd:dateTime xsd:short xsd:int xsd:long xsd:integer xsd:float xsd:double";
        let mut ranks = [
            Rank::Double,
            Rank::Float,
            Rank::Integer,
            Rank::Long,
            Rank::Int,
            Rank::Short,
            Rank::DateTime,
            Rank::Boolean,
            Rank::String,
            Rank::Nil,
        ];
        ranks.sort_unstable();
        assert_eq!(ranks.map(Rank::xsd).join(" "), order);
    }
}

//! Values as texts and under their types.

use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType,
    FloatType, Int32Type, Int64Type,
};

use super::number::{Decimal, is_plain_integer, is_plain_real, pad_fraction, trim_fraction};
use super::spelling::Style;
use super::time::{Clock, push_date, read_date};

/// How a text fits a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::payload) enum Fit<T> {
    /// It is this value.
    Whole(T),
    /// It is finer than the type: this value is the next before it.
    Cut(T),
    /// It is none.
    Not,
}

impl<T> From<Option<T>> for Fit<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Not, Self::Whole)
    }
}

/// Reads and spells the values of one type.
pub(in crate::payload) trait Codec {
    /// How a file holds them.
    type Data: DataType;

    /// The value of a text.
    fn read(&self, text: &str) -> Fit<<Self::Data as DataType>::T>;

    /// Appends the spelling that `style` gives a value; false where the value is none.
    fn spell(&self, value: &<Self::Data as DataType>::T, style: &Style, out: &mut String) -> bool;

    /// Whether `text`, which was read, is surely what [`Codec::spell`] makes of its value. Where this cannot
    /// tell, the value is spelled and compared.
    fn is_spelled(&self, text: &str, style: &Style) -> bool;
}

/// Whole numbers.
pub(in crate::payload) struct Integers;

impl Codec for Integers {
    type Data = Int64Type;

    fn read(&self, text: &str) -> Fit<i64> {
        text.parse().ok().into()
    }

    fn spell(&self, value: &i64, _: &Style, out: &mut String) -> bool {
        push(out, value)
    }

    fn is_spelled(&self, text: &str, _: &Style) -> bool {
        is_plain_integer(text)
    }
}

/// Decimals that 64 bits hold.
pub(in crate::payload) struct Decimals(pub(in crate::payload) Decimal);

impl Codec for Decimals {
    type Data = Int64Type;

    fn read(&self, text: &str) -> Fit<i64> {
        self.0.read(text).and_then(|number| i64::try_from(number).ok()).into()
    }

    fn spell(&self, value: &i64, style: &Style, out: &mut String) -> bool {
        self.0.spell((*value).into(), style.fraction, out);
        true
    }

    fn is_spelled(&self, text: &str, style: &Style) -> bool {
        // Zero has no sign, and may be spelled with one.
        !text.starts_with('-') && is_plain_real(text, usize::MAX, style.fraction)
    }
}

/// Decimals that take 128 bits.
pub(in crate::payload) struct LongDecimals(pub(in crate::payload) Decimal);

impl Codec for LongDecimals {
    type Data = FixedLenByteArrayType;

    fn read(&self, text: &str) -> Fit<FixedLenByteArray> {
        self.0.read(text).map(|number| FixedLenByteArray::from(number.to_be_bytes().to_vec())).into()
    }

    fn spell(&self, value: &FixedLenByteArray, style: &Style, out: &mut String) -> bool {
        let Ok(bytes) = value.data().try_into() else { return false };
        self.0.spell(i128::from_be_bytes(bytes), style.fraction, out);
        true
    }

    fn is_spelled(&self, text: &str, style: &Style) -> bool {
        !text.starts_with('-') && is_plain_real(text, usize::MAX, style.fraction)
    }
}

/// Binary numbers of 64 bits.
pub(in crate::payload) struct Doubles;

/// Decimal digits that every `f64` keeps.
const DOUBLE_DIGITS: usize = 15;

impl Codec for Doubles {
    type Data = DoubleType;

    fn read(&self, text: &str) -> Fit<f64> {
        text.parse::<f64>().ok().filter(|number| number.is_finite() || !has_digit(text)).into()
    }

    fn spell(&self, value: &f64, style: &Style, out: &mut String) -> bool {
        push_real(out, value, style)
    }

    fn is_spelled(&self, text: &str, style: &Style) -> bool {
        is_plain_real(text, DOUBLE_DIGITS, style.fraction)
    }
}

/// Binary numbers of 32 bits.
pub(in crate::payload) struct Reals;

/// Decimal digits that every `f32` keeps.
const REAL_DIGITS: usize = 6;

impl Codec for Reals {
    type Data = FloatType;

    fn read(&self, text: &str) -> Fit<f32> {
        text.parse::<f32>().ok().filter(|number| number.is_finite() || !has_digit(text)).into()
    }

    fn spell(&self, value: &f32, style: &Style, out: &mut String) -> bool {
        push_real(out, value, style)
    }

    fn is_spelled(&self, text: &str, style: &Style) -> bool {
        is_plain_real(text, REAL_DIGITS, style.fraction)
    }
}

/// True or false, as sources spell it.
pub(in crate::payload) struct Booleans;

impl Codec for Booleans {
    type Data = BoolType;

    fn read(&self, text: &str) -> Fit<bool> {
        let is = |word: &&str| text.eq_ignore_ascii_case(word);
        if ["true", "t", "yes", "y", "on", "1"].iter().any(is) {
            Fit::Whole(true)
        } else if ["false", "f", "no", "n", "off", "0"].iter().any(is) {
            Fit::Whole(false)
        } else {
            Fit::Not
        }
    }

    fn spell(&self, value: &bool, _: &Style, out: &mut String) -> bool {
        push(out, value)
    }

    fn is_spelled(&self, text: &str, _: &Style) -> bool {
        matches!(text, "true" | "false")
    }
}

/// Days since 1970.
pub(in crate::payload) struct Dates;

impl Codec for Dates {
    type Data = Int32Type;

    fn read(&self, text: &str) -> Fit<i32> {
        read_date(text).into()
    }

    fn spell(&self, value: &i32, _: &Style, out: &mut String) -> bool {
        push_date(out, (*value).into())
    }

    fn is_spelled(&self, _: &str, _: &Style) -> bool {
        // It is read in this one spelling.
        true
    }
}

impl Codec for Clock {
    type Data = Int64Type;

    fn read(&self, text: &str) -> Fit<i64> {
        Clock::read(*self, text)
    }

    fn spell(&self, value: &i64, style: &Style, out: &mut String) -> bool {
        Clock::spell(*self, *value, style, out)
    }

    fn is_spelled(&self, _: &str, _: &Style) -> bool {
        false
    }
}

/// Bytes, of which the text is base64.
pub(in crate::payload) struct Blobs;

impl Codec for Blobs {
    type Data = ByteArrayType;

    fn read(&self, text: &str) -> Fit<ByteArray> {
        crate::base64::read(text).map(ByteArray::from).into()
    }

    fn spell(&self, value: &ByteArray, _: &Style, out: &mut String) -> bool {
        crate::base64::push(out, value.data());
        true
    }

    fn is_spelled(&self, _: &str, _: &Style) -> bool {
        // It is read in this one spelling.
        true
    }
}

fn push(out: &mut String, value: &impl std::fmt::Display) -> bool {
    use std::fmt::Write as _;
    write!(out, "{value}").is_ok()
}

fn push_real(out: &mut String, value: &impl std::fmt::Display, style: &Style) -> bool {
    let from = out.len();
    push(out, value);
    // An infinity and what is no number have no fraction.
    if has_digit(&out[from..]) {
        pad_fraction(out, from, style.fraction);
    }
    true
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Cuts zeros that `fraction` does not ask for.
pub(super) fn fit_fraction(out: &mut String, from: usize, fraction: u8) {
    trim_fraction(out, from);
    pad_fraction(out, from, fraction);
}

//! Decimal numbers as texts.

use super::value::fit_fraction;

/// The longest text that is surely no subnormal binary number, which keeps fewer digits.
const PLAIN_BYTES_MAX: usize = 30;

/// A decimal of a declared shape.
#[derive(Debug, Clone, Copy)]
pub(in crate::payload) struct Decimal {
    /// Digits in all.
    pub(in crate::payload) precision: u8,
    /// Digits behind the point.
    pub(in crate::payload) scale: u8,
}

impl Decimal {
    /// The number without its point, where it fits.
    pub(super) fn read(self, text: &str) -> Option<i128> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let (kept, rest) = fraction.split_at_checked(self.scale.into()).unwrap_or((fraction, ""));
        if rest.bytes().any(|byte| byte != b'0') {
            return None;
        }
        let mut number = 0_i128;
        for byte in whole.bytes().chain(kept.bytes()) {
            let digit = byte.is_ascii_digit().then(|| i128::from(byte - b'0'))?;
            number = number.checked_mul(10)?.checked_add(digit)?;
        }
        let missing = u32::from(self.scale) - u32::try_from(kept.len()).ok()?;
        number = number.checked_mul(10_i128.pow(missing))?;
        let fits = number < 10_i128.checked_pow(self.precision.into())?;
        fits.then_some(if text.starts_with('-') { -number } else { number })
    }

    /// Appends a number with `fraction` digits behind its point at least.
    pub(super) fn spell(self, number: i128, fraction: u8, out: &mut String) {
        use std::fmt::Write as _;
        let from = out.len();
        if number < 0 {
            out.push('-');
        }
        let width = usize::from(self.scale) + 1;
        let _ = write!(out, "{:0width$}", number.unsigned_abs());
        if self.scale > 0 {
            out.insert(out.len() - usize::from(self.scale), '.');
        }
        fit_fraction(out, from, fraction);
    }
}

/// Whether `text` is a whole number without a sign or zeros that say nothing.
pub(super) fn is_plain_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !matches!(digits.as_bytes(), [b'0', _, ..] | [b'+', ..]) && text != "-0"
}

/// Whether `text` is a number as it is spelled without an exponent, with at most `digits_max` digits that say
/// something, and with as many digits behind its point as `fraction`, or more if the last is no zero.
pub(super) fn is_plain_real(text: &str, digits_max: usize, fraction: u8) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let point = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
    let (whole, behind) = (&digits[..point], digits.get(point + 1..).unwrap_or_default());
    let are_digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let ends_well = match behind.len().cmp(&fraction.into()) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => behind.is_empty() == (point == digits.len()),
        std::cmp::Ordering::Greater => behind.last() != Some(&b'0'),
    };
    let zeros = digits.iter().take_while(|byte| matches!(byte, b'0' | b'.')).count();
    ends_well
        && !matches!(whole, [] | [b'0', _, ..])
        && are_digits(whole)
        && are_digits(behind)
        && (digits_max == usize::MAX
            || (digits.len() - zeros <= digits_max && digits.len() <= PLAIN_BYTES_MAX))
}

/// Digits behind the point of a text.
pub(super) fn fraction_digits(text: &str) -> usize {
    let behind = text.split_once('.').map_or("", |(_, behind)| behind);
    behind.bytes().take_while(u8::is_ascii_digit).count()
}

/// Cuts zeros from the end of the fraction of the number that begins at `from`.
pub(super) fn trim_fraction(out: &mut String, from: usize) {
    if out[from..].contains('.') {
        let len = out[from..].trim_end_matches('0').trim_end_matches('.').len();
        out.truncate(from + len);
    }
}

/// Adds zeros to the fraction of the number that begins at `from` until it has so many digits.
pub(super) fn pad_fraction(out: &mut String, from: usize, digits: u8) {
    let has = fraction_digits(&out[from..]);
    if has < usize::from(digits) {
        if !out[from..].contains('.') {
            out.push('.');
        }
        (has..digits.into()).for_each(|_| out.push('0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_read_only_if_it_fits_to_the_last_digit() {
        let decimal = Decimal { precision: 5, scale: 2 };
        for (text, expected) in [
            ("0", Some(0)),
            ("-0.00", Some(0)),
            ("1.5", Some(150)),
            (".5", Some(50)),
            ("5.", Some(500)),
            ("-999.99", Some(-99_999)),
            ("1.500", Some(150)),
            ("1000", None),
            ("1.005", None),
            ("1e2", None),
            ("NaN", None),
            ("", None),
            ("-", None),
            (".", None),
            ("+1", None),
            ("1.2.3", None),
        ] {
            assert_eq!(decimal.read(text), expected, "{text}");
        }
        let long = Decimal { precision: 38, scale: 0 };
        assert_eq!(long.read(&"9".repeat(38)), Some(10_i128.pow(38) - 1));
        assert_eq!(long.read(&"9".repeat(39)), None);
        assert_eq!(long.read(&"9".repeat(60)), None);
    }

    #[test]
    fn a_decimal_is_spelled_with_the_digits_that_are_asked_for() {
        let spelled = |number: i128, scale: u8, fraction: u8| {
            let mut out = String::from("x");
            Decimal { precision: 38, scale }.spell(number, fraction, &mut out);
            out
        };
        for (number, scale, fraction, expected) in [
            (0, 2, 2, "x0.00"),
            (0, 2, 0, "x0"),
            (-5, 2, 0, "x-0.05"),
            (150, 2, 0, "x1.5"),
            (150, 2, 2, "x1.50"),
            (1200, 0, 0, "x1200"),
            (120_000, 2, 1, "x1200.0"),
        ] {
            assert_eq!(spelled(number, scale, fraction), expected);
        }
    }
}

//! Floats as the server spells them, but with all the digits that tell them apart.

use std::fmt::Write as _;

/// Where the point stands, counted from before the first digit, in what is spelled without an exponent: as is what
/// has digits behind it.
const POINT_FIRST: i32 = -14;
const POINT_LAST: i32 = 15;

/// Appends `value` as the server does: with as many decimals as the column has, else in the shortest form that
/// reads back the same.
pub(super) fn push_double(text: &mut String, value: f64, decimals: Option<usize>) {
    if let Some(decimals) = decimals {
        let _ = write!(text, "{value:.decimals$}");
        return;
    }
    let shortest = format!("{value:e}");
    let more = shortest.split_once('.').map_or(0, |(_, rest)| rest.find('e').unwrap_or(0));
    // Of two that are equally near, the server takes the even one.
    push_shortest(text, &format!("{value:.more$e}"));
}

/// The same of a `FLOAT`, of which the server's own texts have six digits.
pub(super) fn push_float(text: &mut String, value: f32, decimals: Option<usize>) {
    match decimals {
        Some(_) => push_double(text, f64::from(value), decimals),
        None => push_shortest(text, &format!("{value:e}")),
    }
}

/// From the shortest digits with an exponent, as in `-1.25e-7`.
fn push_shortest(text: &mut String, scientific: &str) {
    let (sign, unsigned) = scientific.strip_prefix('-').map_or(("", scientific), |rest| ("-", rest));
    let (mantissa, exponent) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let digits = mantissa.replace('.', "");
    let point = exponent + 1;
    text.push_str(sign);
    let is_whole = i32::try_from(digits.len()).is_ok_and(|count| count <= point);
    if point < POINT_FIRST || (point > POINT_LAST && is_whole) {
        let _ = write!(text, "{mantissa}e{exponent}");
        return;
    }
    match usize::try_from(point) {
        Ok(0) | Err(_) => {
            text.push_str("0.");
            text.extend(std::iter::repeat_n('0', point.unsigned_abs() as usize));
            text.push_str(&digits);
        }
        Ok(point) if point < digits.len() => {
            text.push_str(&digits[..point]);
            text.push('.');
            text.push_str(&digits[point..]);
        }
        Ok(point) => {
            text.push_str(&digits);
            text.extend(std::iter::repeat_n('0', point - digits.len()));
        }
    }
}

/// Appends an unsigned number that the server sends as the bits of a `BIT`.
pub(super) fn push_bits(text: &mut String, bits: &[u8]) {
    let number = bits.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let _ = write!(text, "{number}");
}

/// A decimal without the zeros that `ZEROFILL` puts before it.
pub(super) fn without_padding(decimal: &str) -> &str {
    let trimmed = decimal.trim_start_matches('0');
    let lost = decimal.len() - trimmed.len();
    let keeps_one = !trimmed.starts_with(|c: char| c.is_ascii_digit());
    &decimal[lost - usize::from(keeps_one && lost > 0)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(value: f64) -> String {
        let mut text = String::new();
        push_double(&mut text, value, None);
        text
    }

    #[expect(clippy::excessive_precision, reason = "a tie between two shortest texts must be written whole")]
    #[test]
    fn a_double_has_an_exponent_where_the_servers_text_has_one() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (-273.15, "-273.15"),
            (100.0, "100"),
            (1e14, "100000000000000"),
            (1e15, "1e15"),
            (123_456_789_012_345_678.0, "1.2345678901234568e17"),
            (136_853_558_604_469.125, "136853558604469.12"),
            (4_226_158_046_374_244.5, "4226158046374244.5"),
            (1e-15, "0.000000000000001"),
            (1e-16, "1e-16"),
            (1.5e-14, "0.000000000000015"),
            (f64::MAX, "1.7976931348623157e308"),
            (f64::from_bits(1), "5e-324"),
        ] {
            assert_eq!(double(value), expected);
        }
    }

    #[test]
    fn a_float_has_all_its_digits_and_no_more() {
        let mut text = String::new();
        push_float(&mut text, 16_777_217.0, None);
        text.push(' ');
        push_float(&mut text, 0.1, None);
        text.push(' ');
        push_float(&mut text, 0.1, Some(2));
        assert_eq!(text, "16777216 0.1 0.10");
    }

    #[test]
    fn padding_goes_and_the_last_zero_before_a_point_stays() {
        for (padded, expected) in
            [("00012.50", "12.50"), ("000.5", "0.5"), ("0000", "0"), ("-1.50", "-1.50"), ("7", "7"), ("", "")]
        {
            assert_eq!(without_padding(padded), expected);
        }
    }
}

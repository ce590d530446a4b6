//! NUMBER on the wire: an exponent to base 100 and up to twenty digits of it.
//!
//! The exponent is offset by 193, each digit by one. In a negative number the exponent is inverted, each
//! digit is taken from 101, and 102 ends it where there is room.

const MANTISSA_BYTES_MAX: usize = 20;
const ZERO: u8 = 0x80;
const EXPONENT_OF_ONE: i32 = 193;
const NEGATIVE_END: u8 = 102;

/// Encodes decimal text such as `-12.5` or `1E-130`.
///
/// # Panics
/// Panics where the text is no number, or has more digits than NUMBER holds.
pub fn encode(text: &str) -> Vec<u8> {
    let (is_negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (plain, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0').collect();
    assert!(digits.iter().all(|digit| *digit < 10), "{text} is not a number");
    let Some(first) = digits.iter().position(|digit| *digit != 0) else { return vec![ZERO] };
    let last = digits.iter().rposition(|digit| *digit != 0).expect("one is not zero");
    let exponent: i32 = exponent.parse().expect("an exponent is a whole number");
    let point = i32::try_from(whole.len()).expect("short") - i32::try_from(first).expect("short") + exponent;

    let mut even = if point.rem_euclid(2) == 1 { vec![0] } else { Vec::new() };
    even.extend_from_slice(&digits[first..=last]);
    if even.len() % 2 == 1 {
        even.push(0);
    }
    let pairs: Vec<u8> = even.chunks(2).map(|pair| pair[0] * 10 + pair[1]).collect();
    assert!(pairs.len() <= MANTISSA_BYTES_MAX, "{text} has more digits than NUMBER holds");
    let exponent =
        u8::try_from((point + 1).div_euclid(2) - 1 + EXPONENT_OF_ONE).expect("within NUMBER's range");
    sign(is_negative, exponent, &pairs)
}

fn sign(is_negative: bool, exponent: u8, pairs: &[u8]) -> Vec<u8> {
    let mut bytes = vec![if is_negative { !exponent } else { exponent }];
    bytes.extend(pairs.iter().map(|pair| if is_negative { 101 - pair } else { pair + 1 }));
    if is_negative && pairs.len() < MANTISSA_BYTES_MAX {
        bytes.push(NEGATIVE_END);
    }
    bytes
}

/// Decodes to plain decimal text, without an exponent.
pub fn decode(bytes: &[u8]) -> String {
    let [head, mantissa @ ..] = bytes else { return String::new() };
    if bytes == [ZERO] {
        return "0".to_owned();
    }
    let is_negative = head & 0x80 == 0;
    let exponent = i32::from(if is_negative { !head } else { *head }) - EXPONENT_OF_ONE;
    let mantissa = mantissa.strip_suffix(&[NEGATIVE_END]).filter(|_| is_negative).unwrap_or(mantissa);
    let mut digits = String::new();
    for byte in mantissa {
        let pair = if is_negative { 101 - byte } else { byte - 1 };
        digits.extend([char::from(b'0' + pair / 10), char::from(b'0' + pair % 10)]);
    }
    let point = (exponent + 1) * 2;
    let plain = if point <= 0 {
        format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize))
    } else {
        let width = point.unsigned_abs() as usize;
        let padded = format!("{digits:0<width$}");
        format!("{}.{}", &padded[..width], &padded[width..])
    };
    let trimmed = plain.trim_start_matches('0').trim_end_matches('0').trim_end_matches('.');
    let leading = if trimmed.starts_with('.') { "0" } else { "" };
    format!("{}{leading}{trimmed}", if is_negative { "-" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn known_numbers_have_the_bytes_that_the_format_gives_them() {
        assert_eq!(encode("0"), [0x80]);
        assert_eq!(encode("1"), [0xC1, 2]);
        assert_eq!(encode("-1"), [0x3E, 100, 102]);
        assert_eq!(encode("100"), [0xC2, 2]);
        assert_eq!(encode("0.1"), [0xC0, 11]);
        assert_eq!(encode("0.01"), [0xC0, 2]);
        assert_eq!(encode("123.45"), [0xC2, 2, 24, 46]);
    }

    #[test]
    fn numbers_come_back_as_they_were() {
        for text in [
            "0",
            "1",
            "-1",
            "10",
            "0.5",
            "-0.05",
            "123456789",
            "99999999999999999999999999999999999999",
            "-99999999999999999999999999999999999999",
            "0.00000000000000000000000000000000000001",
            "12345678901234567890.123456789012345678",
        ] {
            assert_eq!(decode(&encode(text)), text);
        }
        assert_eq!(decode(&encode("1E125")), format!("1{}", "0".repeat(125)));
        assert_eq!(decode(&encode("1E-130")), format!("0.{}1", "0".repeat(129)));
    }
}

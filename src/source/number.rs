//! Which texts are numbers by JSON's grammar (RFC 8259, section 6).

/// Whether `text` is a JSON number as it stands: `-0.7`, `1E5`; not `007`, `.5`, `+1`, `NaN`.
#[inline]
#[must_use]
pub fn is_json_number(text: &[u8]) -> bool {
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let integer = digits(rest);
    if integer == 0 || (integer > 1 && rest[0] == b'0') {
        return false;
    }
    let mut rest = &rest[integer..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let len = digits(fraction);
        if len == 0 {
            return false;
        }
        rest = &fraction[len..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let unsigned = match exponent {
            [b'+' | b'-', unsigned @ ..] => unsigned,
            unsigned => unsigned,
        };
        let len = digits(unsigned);
        return len > 0 && len == unsigned.len();
    }
    rest.is_empty()
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use super::is_json_number;

    #[test]
    fn numbers_are_what_json_calls_numbers() {
        for yes in ["0", "-0", "-0.7", "1E5", "1e-05", "12.50", "0.10", "-1.163385E-05", "123456789012345678901234567890"] {
            assert!(is_json_number(yes.as_bytes()), "{yes}");
        }
        for no in ["", "-", "007", ".5", "5.", "+1", "1e", "1e+", "NaN", "NNW", "0x1", "1 ", " 1", "1_0", "1.2.3", "Infinity", "--1"] {
            assert!(!is_json_number(no.as_bytes()), "{no}");
        }
    }
}

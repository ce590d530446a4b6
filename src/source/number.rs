//! Which texts are numbers by JSON's grammar (RFC 8259, section 6).

/// Whether `text` is a JSON number as it stands: `-0.7`, `1E5`; not `007`, `.5`, `+1`, `NaN`.
#[inline]
#[must_use]
pub fn is_json_number(text: &[u8]) -> bool {
    let rest = if let [b'-', rest @ ..] = text { rest } else { text };
    let rest = match rest {
        [b'0', rest @ ..] => rest,
        [b'1'..=b'9', rest @ ..] => after_digits(rest),
        _ => return false,
    };
    let rest = match rest {
        [] => return true,
        [b'.', b'0'..=b'9', rest @ ..] => after_digits(rest),
        rest => rest,
    };
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', b'0'..=b'9', rest @ ..] | [b'e' | b'E', b'0'..=b'9', rest @ ..] => {
            after_digits(rest).is_empty()
        }
        _ => false,
    }
}

#[inline]
fn after_digits(mut text: &[u8]) -> &[u8] {
    while let [b'0'..=b'9', rest @ ..] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::is_json_number;

    #[test]
    fn numbers_are_what_json_calls_numbers() {
        for yes in [
            "0",
            "-0",
            "-0.7",
            "1E5",
            "1e-05",
            "12.50",
            "0.10",
            "-1.163385E-05",
            "123456789012345678901234567890",
        ] {
            assert!(is_json_number(yes.as_bytes()), "{yes}");
        }
        for no in [
            "", "-", "007", ".5", "5.", "+1", "1e", "1e+", "NaN", "NNW", "0x1", "1 ", " 1", "1_0", "1.2.3",
            "Infinity", "--1",
        ] {
            assert!(!is_json_number(no.as_bytes()), "{no}");
        }
    }

    /// The grammar of RFC 8259 spelled another way, by splitting instead of matching.
    fn by_splitting(text: &str) -> bool {
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        is_digits(integer)
            && (integer == "0" || !integer.starts_with('0'))
            && is_digits(fraction)
            && is_digits(exponent)
    }

    #[test]
    fn every_short_text_is_judged_as_the_grammar_says() {
        let alphabet = ["-", "+", ".", "e", "E", "0", "7", "x"];
        let mut texts = vec![String::new()];
        for _ in 0..6 {
            texts = texts.iter().flat_map(|text| alphabet.map(|letter| format!("{text}{letter}"))).collect();
            for text in &texts {
                assert_eq!(is_json_number(text.as_bytes()), by_splitting(text), "{text}");
            }
        }
    }
}

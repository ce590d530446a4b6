//! Spells values as JSON (RFC 8259).

use crate::rows::{Kind, Value};

/// For each byte: 0 where it stands for itself, else the letter after the backslash; `u` where the
/// four digits follow. Only what RFC 8259, section 7, demands is escaped: the rest is lexical.
const ESCAPES: [u8; 256] = {
    let mut escapes = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escapes[byte] = b'u';
        byte += 1;
    }
    escapes[0x08] = b'b';
    escapes[0x09] = b't';
    escapes[0x0a] = b'n';
    escapes[0x0c] = b'f';
    escapes[0x0d] = b'r';
    escapes[b'"' as usize] = b'"';
    escapes[b'\\' as usize] = b'\\';
    escapes
};

/// Appends `value`: a number or a truth value as it was written (I6), a text quoted, a null `null`.
#[inline]
pub(super) fn push_value(out: &mut Vec<u8>, value: Value<'_>) {
    match value.kind {
        Kind::Number | Kind::Bool => out.extend_from_slice(value.text.as_bytes()),
        Kind::Null => out.extend_from_slice(b"null"),
        Kind::Text => push_string(out, value.text),
    }
}

/// Appends `text` in quotes.
pub(super) fn push_string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.push(b'"');
    let mut plain_from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape = ESCAPES[*byte as usize];
        if escape != 0 {
            out.extend_from_slice(&bytes[plain_from..at]);
            push_escape(out, *byte, escape);
            plain_from = at + 1;
        }
    }
    out.extend_from_slice(&bytes[plain_from..]);
    out.push(b'"');
}

#[cold]
fn push_escape(out: &mut Vec<u8>, byte: u8, escape: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(&[b'\\', escape]);
    if escape == b'u' {
        out.extend_from_slice(&[b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spelled(text: &str) -> String {
        let mut out = Vec::new();
        push_string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn control_characters_quotes_and_backslashes_are_escaped() {
        let all: String = (0..=0x20_u8).map(char::from).chain("\"\\/".chars()).collect();
        let expected = concat!(
            r#""\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f"#,
            r"\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f",
            r#" \"\\/""#
        );
        assert_eq!(spelled(&all), expected);
    }

    #[test]
    fn whatever_else_unicode_has_stays_as_it_is() {
        let text = "\u{7f}W/m²\u{2028}\u{2029}\u{feff}𝄞";
        assert_eq!(spelled(text), format!("\"{text}\""));
    }

    #[test]
    fn numbers_truth_values_and_nulls_are_verbatim() {
        let mut out = Vec::new();
        for (kind, text) in
            [(Kind::Number, "0.10"), (Kind::Bool, "true"), (Kind::Null, ""), (Kind::Text, "007")]
        {
            push_value(&mut out, Value { kind, text });
            out.push(b' ');
        }
        assert_eq!(out, b"0.10 true null \"007\" ");
    }

    proptest! {
        #[test]
        fn every_text_is_spelled_as_serde_json_spells_it(text in "(?s).{0,40}|[\\x00-\\x22\\\\]{0,20}") {
            prop_assert_eq!(spelled(&text), serde_json::to_string(&text).unwrap());
        }
    }
}

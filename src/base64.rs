//! Bytes as text: base64 (RFC 4648, section 4), with padding.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends `bytes` in base64 to `text`.
pub(crate) fn push(text: &mut String, bytes: &[u8]) {
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let sextet = bits >> (18 - 6 * at) & 0x3f;
            let letter = ALPHABET[sextet as usize];
            text.push(if at <= group.len() { char::from(letter) } else { '=' });
        }
    }
}

/// The bytes of a text, if it is what [`push`] makes of them.
pub(crate) fn read(text: &str) -> Option<Vec<u8>> {
    let groups = text.as_bytes().chunks(4);
    let last = groups.len().checked_sub(1);
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for (at, group) in groups.enumerate() {
        let padding = group.iter().rev().take_while(|letter| **letter == b'=').count();
        let mut bits = 0_u32;
        for letter in group {
            let sextet = ALPHABET.iter().position(|known| known == letter);
            let sextet = if *letter == b'=' { Some(0) } else { sextet };
            bits = bits << 6 | u32::try_from(sextet?).ok()?;
        }
        let kept = 3_usize.checked_sub(padding).filter(|kept| *kept > 0)?;
        let [_, group_bytes @ ..] = bits.to_be_bytes();
        let is_whole = group.len() == 4 && (padding == 0 || Some(at) == last);
        let has_rest = group_bytes[kept..].iter().any(|byte| *byte != 0);
        if !is_whole || has_rest || group[..4 - padding].contains(&b'=') {
            return None;
        }
        bytes.extend_from_slice(&group_bytes[..kept]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_vectors_of_rfc_4648_come_out() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, expected) in vectors {
            let mut text = String::new();
            super::push(&mut text, bytes.as_bytes());
            assert_eq!(text, expected);
            assert_eq!(super::read(expected).as_deref(), Some(bytes.as_bytes()));
        }
        for text in ["Zg", "Zg=", "Zh==", "Z===", "====", "Zg==Zg==", "Z=g=", "Zm9v ", "é==="] {
            assert_eq!(super::read(text), None, "{text}");
        }
        let mut text = String::new();
        super::push(&mut text, &[0xfb, 0xff, 0xbf]);
        assert_eq!(text, "+/+/");
    }
}

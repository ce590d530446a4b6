//! Spells bytes as text: base64 (RFC 4648, section 4), with padding.

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
        }
        let mut text = String::new();
        super::push(&mut text, &[0xfb, 0xff, 0xbf]);
        assert_eq!(text, "+/+/");
    }
}

//! A position in a site's rows, and its text form.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use crate::time::Time;

/// Fingerprint of a file's first lines: it stays with the file when the file is renamed.
///
/// Displays as 16 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u64);

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What tells apart two rows of a site with the same time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tie {
    /// The table has no tie column: rows of one time are never parted.
    None,
    /// A value of an integer tie column.
    Integer(i64),
    /// A value of any other tie column, as the source writes it.
    Text(String),
}

/// A position in a site's rows, of the kind its source has.
///
/// Displays as one word of printable ASCII, fit for object metadata, and parses back from exactly
/// that word: `start`, `row:TIME`, `row:TIME:i:INTEGER`, `row:TIME:t:TEXT` (every byte of the text
/// outside `A-Z a-z 0-9 _ . ~ -` as `%XX`), `file:16 HEX DIGITS:OFFSET`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cursor {
    /// Nothing stored yet.
    Start,
    /// A table: rows up to and including (time, tie).
    Row {
        /// Time of the last row covered.
        time: Time,
        /// Tie-break value of the last row covered.
        tie: Tie,
    },
    /// A file: bytes of the uncompressed stream of `file` before `offset`.
    File {
        /// The file the offset counts in.
        file: FileId,
        /// Bytes covered.
        offset: u64,
    },
}

/// A text that is no [`Cursor`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cursor {0:?} is not one of start, row:TIME[:i:INTEGER|:t:TEXT], file:HEX:OFFSET; copy it from 'state show' as it is"
)]
pub struct InvalidCursor(String);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Row { time, tie: Tie::None } => write!(f, "row:{time}"),
            Self::Row { time, tie: Tie::Integer(value) } => write!(f, "row:{time}:i:{value}"),
            Self::Row { time, tie: Tie::Text(text) } => write!(f, "row:{time}:t:{}", percent_encode(text)),
            Self::File { file, offset } => write!(f, "file:{file}:{offset}"),
        }
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let refused = || InvalidCursor(text.to_owned());
        let cursor = read(text).ok_or_else(refused)?;
        // One cursor has one spelling, so that comparing the words compares the cursors.
        if cursor.to_string() == text { Ok(cursor) } else { Err(refused()) }
    }
}

fn read(text: &str) -> Option<Cursor> {
    if text == "start" {
        return Some(Cursor::Start);
    }
    if let Some(rest) = text.strip_prefix("file:") {
        let (file, offset) = rest.split_once(':')?;
        let file = FileId(u64::from_str_radix(file, 16).ok()?);
        return Some(Cursor::File { file, offset: offset.parse().ok()? });
    }
    // A time holds colons, and ends at its only Z.
    let rest = text.strip_prefix("row:")?;
    let (instant, after) = rest.split_at(rest.find('Z')? + 1);
    let tie = if let Some(integer) = after.strip_prefix(":i:") {
        Tie::Integer(integer.parse().ok()?)
    } else if let Some(encoded) = after.strip_prefix(":t:") {
        Tie::Text(percent_decode(encoded)?)
    } else {
        Tie::None
    };
    Some(Cursor::Row { time: instant.parse().ok()?, tie })
}

/// RFC 3986, section 2.1: every byte that is not unreserved (section 2.3) becomes `%XX`.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes every write");
        }
    }
    encoded
}

fn percent_decode(encoded: &str) -> Option<String> {
    let mut pieces = encoded.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(piece.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(tie: Tie) -> Cursor {
        Cursor::Row { time: Time::new(1_735_689_600, 500_000_000).unwrap(), tie }
    }

    #[test]
    fn each_kind_of_cursor_has_one_word() {
        assert_eq!(Cursor::Start.to_string(), "start");
        assert_eq!(row(Tie::None).to_string(), "row:2025-01-01T00:00:00.500Z");
        assert_eq!(row(Tie::Integer(-42)).to_string(), "row:2025-01-01T00:00:00.500Z:i:-42");
        assert_eq!(
            row(Tie::Text("ab Z:%é".into())).to_string(),
            "row:2025-01-01T00:00:00.500Z:t:ab%20Z%3A%25%C3%A9"
        );
        let file = Cursor::File { file: FileId(0x0123_4567_89ab_cdef), offset: 12_345 };
        assert_eq!(file.to_string(), "file:0123456789abcdef:12345");
    }

    #[test]
    fn another_spelling_of_a_cursor_is_refused() {
        let words = [
            "",
            "Start",
            "row:",
            "row:2025-01-01T00:00:00.5Z",
            "row:2025-01-01T00:00:00Z:i:042",
            "row:2025-01-01T00:00:00Z:i:+42",
            "row:2025-01-01T00:00:00Z:x:1",
            "row:2025-01-01T00:00:00Z:",
            "row:2025-01-01T00:00:00",
            "row:2025-01-01T00:00:00Z:t:a b",
            "row:2025-01-01T00:00:00Z:t:%2a",
            "row:2025-01-01T00:00:00Z:t:%41",
            "row:2025-01-01T00:00:00Z:t:%4",
            "row:2025-01-01T00:00:00Z:t:%FF",
            "file:0123456789ABCDEF:1",
            "file:123:1",
            "file:0123456789abcdef",
            "file:0123456789abcdef:-1",
            "file:0123456789abcdef:18446744073709551616",
        ];
        for word in words {
            assert!(word.parse::<Cursor>().is_err(), "{word:?} was taken");
        }
    }

    fn any_cursor() -> impl Strategy<Value = Cursor> {
        let instant = (-300_000_000_000..250_000_000_000_i64, 0..1_000_000_000_u32);
        let tie = prop_oneof![
            Just(Tie::None),
            any::<i64>().prop_map(Tie::Integer),
            any::<String>().prop_map(Tie::Text)
        ];
        prop_oneof![
            Just(Cursor::Start),
            (instant, tie).prop_map(|((seconds, nanos), tie)| Cursor::Row {
                time: Time::new(seconds, nanos).expect("in range"),
                tie
            }),
            any::<(u64, u64)>().prop_map(|(file, offset)| Cursor::File { file: FileId(file), offset }),
        ]
    }

    proptest! {
        #[test]
        fn every_cursor_reads_back_from_its_printable_word(cursor in any_cursor()) {
            let word = cursor.to_string();
            prop_assert!(word.bytes().all(|byte| byte.is_ascii_graphic()), "{}", word);
            prop_assert_eq!(word.parse::<Cursor>().unwrap(), cursor);
        }
    }
}

//! Reads JSON (RFC 8259) token by token from a stream, with every value as it is spelled (I6).

mod field;

use std::io::{ErrorKind, Read};

pub(super) use field::FieldEnd;

use super::ReadError;
use crate::rows::Kind;

/// How much of the payload is looked at at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// The longest value: a batch is cut at 1 GiB.
const VALUE_BYTES_MAX: usize = 1 << 30;
/// How deep a value may be nested that is passed over.
const DEPTH_MAX: usize = 16;

/// Takes a stream apart. Spaces between tokens are passed over.
pub(super) struct Scanner<R> {
    from: R,
    buffer: Box<[u8]>,
    at: usize,
    end: usize,
    /// Bytes of the stream before the buffer.
    before: u64,
    /// The value read last.
    value: Vec<u8>,
}

impl<R: Read> Scanner<R> {
    pub(super) fn new(from: R) -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self { from, buffer, at: 0, end: 0, before: 0, value: Vec::new() }
    }

    /// Whether the stream, of which nothing was taken yet, begins with `start`.
    pub(super) fn starts_with(&mut self, start: &[u8]) -> Result<bool, ReadError> {
        while self.end < start.len() && self.fill()? {}
        Ok(self.buffer[..self.end].starts_with(start))
    }

    /// Bytes taken so far.
    pub(super) fn bytes_taken(&self) -> u64 {
        self.before + self.at as u64
    }

    pub(super) fn into_inner(self) -> R {
        self.from
    }

    /// Whether nothing but spaces is left.
    pub(super) fn is_at_end(&mut self) -> Result<bool, ReadError> {
        Ok(self.token()?.is_none())
    }

    /// Takes `byte`, which must come next.
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), ReadError> {
        if self.take_if(byte)? { Ok(()) } else { self.unexpected(&format!("'{}'", char::from(byte))) }
    }

    /// Takes `byte` if it comes next.
    pub(super) fn take_if(&mut self, byte: u8) -> Result<bool, ReadError> {
        let is_next = self.token()? == Some(byte);
        self.at += usize::from(is_next);
        Ok(is_next)
    }

    /// Takes the comma before the next item of a list, or its `end`: whether there is another item.
    pub(super) fn another(&mut self, is_first: bool, end: u8) -> Result<bool, ReadError> {
        if self.take_if(end)? {
            return Ok(false);
        }
        if !is_first {
            self.expect(b',')?;
        }
        Ok(true)
    }

    /// Takes the name of a member and its colon.
    pub(super) fn name(&mut self) -> Result<&str, ReadError> {
        self.read_string()?;
        self.expect(b':')?;
        self.text()
    }

    /// Takes a text.
    pub(super) fn string(&mut self) -> Result<&str, ReadError> {
        self.read_string()?;
        self.text()
    }

    /// Takes a value that is neither an object nor a list.
    pub(super) fn scalar(&mut self) -> Result<(Kind, &str), ReadError> {
        let kind = match self.token()? {
            Some(b'"') => {
                self.read_string()?;
                Kind::Text
            }
            Some(b'-' | b'0'..=b'9') => {
                self.read_number()?;
                Kind::Number
            }
            Some(b't') => self.literal(b"true", Kind::Bool)?,
            Some(b'f') => self.literal(b"false", Kind::Bool)?,
            Some(b'n') => {
                self.literal(b"null", Kind::Null)?;
                return Ok((Kind::Null, ""));
            }
            _ => return self.unexpected("a text, a number, true, false or null"),
        };
        Ok((kind, self.text()?))
    }

    /// Takes any value.
    pub(super) fn skip(&mut self) -> Result<(), ReadError> {
        self.skip_to_depth(DEPTH_MAX)
    }

    fn skip_to_depth(&mut self, depth: usize) -> Result<(), ReadError> {
        let (start, end) = match self.token()? {
            Some(b'{') => (b'{', b'}'),
            Some(b'[') => (b'[', b']'),
            _ => return self.scalar().map(drop),
        };
        let Some(depth) = depth.checked_sub(1) else { return self.unexpected("a value less deeply nested") };
        self.expect(start)?;
        let mut is_first = true;
        while self.another(is_first, end)? {
            is_first = false;
            if start == b'{' {
                self.name()?;
            }
            self.skip_to_depth(depth)?;
        }
        Ok(())
    }

    /// The next byte that is no space.
    fn token(&mut self) -> Result<Option<u8>, ReadError> {
        while let Some(byte) = self.peek()? {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Ok(Some(byte));
            }
            self.at += 1;
        }
        Ok(None)
    }

    #[inline]
    fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        if self.at == self.end && !self.fill()? {
            return Ok(None);
        }
        Ok(Some(self.buffer[self.at]))
    }

    /// Reads on, into what is left of the buffer; false at the end of the stream.
    fn fill(&mut self) -> Result<bool, ReadError> {
        if self.at == self.end {
            self.before += self.at as u64;
            (self.at, self.end) = (0, 0);
        }
        loop {
            match self.from.read(&mut self.buffer[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.fail(format!("it cannot be decompressed ({error})")),
            }
        }
    }

    fn read_string(&mut self) -> Result<(), ReadError> {
        self.value.clear();
        self.expect(b'"')?;
        loop {
            let Some(first) = self.peek()? else { return self.unexpected("the end of a text") };
            match first {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.read_escape()?,
                0..0x20 => return self.unexpected("a text without control characters"),
                _ => self.read_plain()?,
            }
        }
    }

    /// Takes what stands for itself, as far as it is at hand.
    fn read_plain(&mut self) -> Result<(), ReadError> {
        let ahead = &self.buffer[self.at..self.end];
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        let len = ahead.iter().position(is_special).unwrap_or(ahead.len());
        self.value.extend_from_slice(&ahead[..len]);
        self.at += len;
        self.check_length()
    }

    fn read_escape(&mut self) -> Result<(), ReadError> {
        self.at += 1;
        let letter = self.peek()?;
        self.at += usize::from(letter.is_some());
        let c = match letter {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => self.read_code_point()?,
            _ => return self.unexpected("an escape that JSON knows"),
        };
        self.value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        self.check_length()
    }

    /// The four digits behind `\u`, and those of the second half of a pair.
    fn read_code_point(&mut self) -> Result<char, ReadError> {
        let first = self.read_hex()?;
        let code = if (0xd800..0xdc00).contains(&first) {
            // No space may part the halves, as it may part tokens.
            for byte in *b"\\u" {
                if self.peek()? != Some(byte) {
                    return self.unexpected("the second half of a surrogate pair");
                }
                self.at += 1;
            }
            let second = self.read_hex()?;
            if !(0xdc00..0xe000).contains(&second) {
                return self.unexpected("the second half of a surrogate pair");
            }
            0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        char::from_u32(code).map_or_else(|| self.unexpected("a character"), Ok)
    }

    fn read_hex(&mut self) -> Result<u32, ReadError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek()?.and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else { return self.unexpected("four hex digits") };
            self.at += 1;
            code = code * 16 + digit;
        }
        Ok(code)
    }

    fn read_number(&mut self) -> Result<(), ReadError> {
        self.value.clear();
        while let Some(byte @ (b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) = self.peek()? {
            self.value.push(byte);
            self.at += 1;
            self.check_length()?;
        }
        let is_number = serde_json::from_slice::<serde::de::IgnoredAny>(&self.value).is_ok();
        if is_number { Ok(()) } else { self.unexpected("a number by JSON's grammar") }
    }

    fn literal(&mut self, word: &[u8], kind: Kind) -> Result<Kind, ReadError> {
        self.value.clear();
        for expected in word {
            if self.peek()? != Some(*expected) {
                return self.unexpected("true, false or null");
            }
            self.value.push(*expected);
            self.at += 1;
        }
        Ok(kind)
    }

    fn text(&self) -> Result<&str, ReadError> {
        std::str::from_utf8(&self.value).or_else(|_| self.unexpected("a text in UTF-8"))
    }

    fn check_length(&self) -> Result<(), ReadError> {
        if self.value.len() <= VALUE_BYTES_MAX { Ok(()) } else { self.unexpected("a value of at most 1 GiB") }
    }

    /// Says what should stand here.
    pub(super) fn unexpected<T>(&self, wanted: &str) -> Result<T, ReadError> {
        let found = match self.buffer[..self.end].get(self.at) {
            Some(byte) => format!("'{}'", byte.escape_ascii()),
            None => "its end".to_owned(),
        };
        self.fail(format!("it holds {found} where {wanted} should be"))
    }

    pub(super) fn fail<T>(&self, what: String) -> Result<T, ReadError> {
        Err(ReadError { at: self.bytes_taken(), what })
    }
}

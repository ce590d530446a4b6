//! Takes fields of CSV (RFC 4180) from a stream.

use std::io::Read;

use super::Scanner;
use crate::payload::read::ReadError;

/// What stands behind a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::payload::read) enum FieldEnd {
    /// Another field of the line.
    Comma,
    /// The end of the line.
    Line,
}

/// A field that was taken; its text is [`Scanner::field_text`].
#[derive(Debug, Clone, Copy)]
pub(in crate::payload::read) struct Field {
    pub(in crate::payload::read) is_quoted: bool,
    pub(in crate::payload::read) end: FieldEnd,
}

impl<R: Read> Scanner<R> {
    /// Whether nothing at all is left.
    pub(in crate::payload::read) fn has_ended(&mut self) -> Result<bool, ReadError> {
        Ok(self.peek()?.is_none())
    }

    /// Takes a field and what ends it.
    pub(in crate::payload::read) fn field(&mut self) -> Result<Field, ReadError> {
        self.value.clear();
        let is_quoted = self.peek()? == Some(b'"');
        if is_quoted {
            self.read_quoted()?;
        } else {
            self.read_until(|byte| matches!(byte, b',' | b'\r' | b'\n' | b'"'))?;
        }
        let end = match self.peek()? {
            Some(b',') => {
                self.at += 1;
                FieldEnd::Comma
            }
            Some(b'\r') => {
                self.at += 1;
                if self.peek()? != Some(b'\n') {
                    return self.unexpected("the end of a line");
                }
                self.at += 1;
                FieldEnd::Line
            }
            _ => return self.unexpected("a comma or the end of a line"),
        };
        Ok(Field { is_quoted, end })
    }

    /// The text of the field taken last.
    pub(in crate::payload::read) fn field_text(&self) -> Result<&str, ReadError> {
        self.text()
    }

    fn read_quoted(&mut self) -> Result<(), ReadError> {
        self.at += 1;
        loop {
            self.read_until(|byte| byte == b'"')?;
            if self.peek()?.is_none() {
                return self.unexpected("the end of a quoted field");
            }
            self.at += 1;
            if self.peek()? != Some(b'"') {
                return Ok(());
            }
            // Two quotes are one.
            self.value.push(b'"');
            self.at += 1;
        }
    }

    fn read_until(&mut self, is_end: impl Fn(u8) -> bool) -> Result<(), ReadError> {
        while self.peek()?.is_some() {
            let ahead = &self.buffer[self.at..self.end];
            let len = ahead.iter().position(|byte| is_end(*byte)).unwrap_or(ahead.len());
            self.value.extend_from_slice(&ahead[..len]);
            self.at += len;
            self.check_length()?;
            if self.at < self.end {
                return Ok(());
            }
        }
        Ok(())
    }
}

//! Rows as JSON objects of plain values: those of ndjson, and those of a JSON array.

use std::io::Read;

use super::ReadError;
use super::piece::RawRow;
use super::scan::Scanner;

/// Takes the next row of ndjson into `row`; false where there is none.
pub(super) fn next<R: Read>(scanner: &mut Scanner<R>, row: &mut RawRow) -> Result<bool, ReadError> {
    if scanner.is_at_end()? {
        return Ok(false);
    }
    object(scanner, row)?;
    Ok(true)
}

/// How far the rows of an array are read.
pub(super) enum Array {
    /// Not even its bracket is.
    Ahead,
    /// A row is.
    Within,
    /// All of it is.
    Done,
}

impl Array {
    /// Takes the next row into `row`; false where there is none, and then nothing else either.
    pub(super) fn next<R: Read>(
        &mut self,
        scanner: &mut Scanner<R>,
        row: &mut RawRow,
    ) -> Result<bool, ReadError> {
        let is_first = match self {
            Self::Ahead => true,
            Self::Within => false,
            Self::Done => return Ok(false),
        };
        if is_first {
            scanner.expect(b'[')?;
        }
        if !scanner.another(is_first, b']')? {
            *self = Self::Done;
            return if scanner.is_at_end()? { Ok(false) } else { scanner.unexpected("its end") };
        }
        *self = Self::Within;
        object(scanner, row)?;
        Ok(true)
    }
}

fn object<R: Read>(scanner: &mut Scanner<R>, row: &mut RawRow) -> Result<(), ReadError> {
    row.clear(scanner.bytes_taken());
    scanner.expect(b'{')?;
    let mut is_first = true;
    while scanner.another(is_first, b'}')? {
        is_first = false;
        row.push_name(scanner.name()?);
        let (kind, text) = scanner.scalar()?;
        row.push_value(kind, text);
    }
    Ok(())
}

//! A row of ndjson: one object of plain values.

use std::io::Read;

use super::ReadError;
use super::piece::RawRow;
use super::scan::Scanner;

/// Takes the next row into `row`; false where there is none.
pub(super) fn next<R: Read>(scanner: &mut Scanner<R>, row: &mut RawRow) -> Result<bool, ReadError> {
    if scanner.is_at_end()? {
        return Ok(false);
    }
    row.clear(scanner.bytes_taken());
    scanner.expect(b'{')?;
    let mut is_first = true;
    while scanner.another(is_first, b'}')? {
        is_first = false;
        row.push_name(scanner.name()?);
        let (kind, text) = scanner.scalar()?;
        row.push_value(kind, text);
    }
    Ok(true)
}

//! A JSON array (RFC 8259): the objects of ndjson with a comma behind each but the last, in brackets. Still one row
//! a line, so that what searches lines finds rows.

use super::compress::PayloadWriter;
use super::object::{self, Objects};
use crate::rows::Batch;

/// Writes `batch`.
pub(super) fn write(batch: &Batch, writer: &mut PayloadWriter) -> std::io::Result<()> {
    let mut objects = Objects::of(batch);
    writer.buffer().push(b'[');
    for row in 0..batch.rows.len() {
        let out = writer.buffer();
        if row > 0 {
            out.extend_from_slice(b",\n");
        }
        objects.push(out, row);
        writer.advance()?;
    }
    writer.buffer().push(b']');
    writer.advance()
}

/// About how long the payload of `batch` is.
pub(super) fn expected_bytes(batch: &Batch) -> usize {
    // Behind each object stand two bytes instead of one, and brackets around them all.
    object::expected_bytes(batch) + batch.rows.len() + "[]".len()
}

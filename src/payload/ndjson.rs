//! Newline-delimited JSON: one object a row, each on a line of its own.

use super::compress::PayloadWriter;
use super::object::{self, Objects};
use crate::rows::Batch;

/// Writes `batch`.
pub(super) fn write(batch: &Batch, writer: &mut PayloadWriter) -> std::io::Result<()> {
    let mut objects = Objects::of(batch);
    for row in 0..batch.rows.len() {
        let out = writer.buffer();
        objects.push(out, row);
        out.push(b'\n');
        writer.advance()?;
    }
    Ok(())
}

/// About how long the payload of `batch` is.
pub(super) fn expected_bytes(batch: &Batch) -> usize {
    object::expected_bytes(batch)
}

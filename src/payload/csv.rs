//! Comma-separated values (RFC 4180): a header line, then one line a row, each ended by CRLF.
//!
//! Values leave as the source wrote them (I6), the time as RFC 3339 in UTC. A null is an empty field, an
//! empty text a quoted one. So that kinds survive too, a text is quoted that would else read as a number or
//! a truth value: whatever stands without quotes and looks like one is one. The name of the first column is
//! quoted where a reader could take the beginning of the payload for another format.

use super::compress::PayloadWriter;
use super::time::{TIME_BYTES_MAX, TimeSpeller};
use crate::rows::{Batch, Kind, Value};
use crate::source::is_json_number;

/// Beginnings of other formats, JSON and Parquet's magic number, and the mark of byte order that readers drop.
const FOREIGN_STARTS: [&str; 4] = ["{", "[", "PAR1", "\u{feff}"];

/// Quotes and comma around a value.
const FIELD_BYTES: usize = 3;

/// Writes `batch`.
pub(super) fn write(batch: &Batch, writer: &mut PayloadWriter) -> std::io::Result<()> {
    let schema = batch.rows.schema();
    let out = writer.buffer();
    for (column, name) in schema.columns.iter().enumerate() {
        push_comma(out, column);
        let is_foreign = column == 0 && FOREIGN_STARTS.iter().any(|start| name.starts_with(start));
        if is_foreign { push_quoted(out, name) } else { push_text(out, name) }
    }
    out.extend_from_slice(b"\r\n");
    let mut speller = TimeSpeller::default();
    for (row, time) in batch.rows.times().iter().enumerate() {
        let out = writer.buffer();
        for (column, value) in batch.rows.values(row).enumerate() {
            push_comma(out, column);
            if column == schema.time {
                speller.push(out, time.time, time.digits);
                out.push(b'Z');
            } else {
                push_value(out, value);
            }
        }
        out.extend_from_slice(b"\r\n");
        writer.advance()?;
    }
    Ok(())
}

/// About how long the payload of `batch` is: exact but for quotes and the times' digits.
pub(super) fn expected_bytes(batch: &Batch) -> usize {
    let columns = &batch.rows.schema().columns;
    let header: usize = columns.iter().map(|name| name.len() + FIELD_BYTES).sum();
    header + batch.rows.value_bytes() + batch.rows.len() * (columns.len() + FIELD_BYTES + TIME_BYTES_MAX)
}

/// Whether a value that stands without quotes is read as what it is.
pub(super) fn kind_of_bare(text: &str) -> Kind {
    match text {
        "" => Kind::Null,
        "true" | "false" => Kind::Bool,
        _ if is_json_number(text.as_bytes()) => Kind::Number,
        _ => Kind::Text,
    }
}

fn push_comma(out: &mut Vec<u8>, column: usize) {
    if column > 0 {
        out.push(b',');
    }
}

#[inline]
fn push_value(out: &mut Vec<u8>, value: Value<'_>) {
    match value.kind {
        Kind::Null => {}
        Kind::Number | Kind::Bool => out.extend_from_slice(value.text.as_bytes()),
        Kind::Text => push_text(out, value.text),
    }
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    let is_special = |byte: &u8| matches!(byte, b',' | b'"' | b'\r' | b'\n');
    if kind_of_bare(text) == Kind::Text && !text.as_bytes().iter().any(is_special) {
        out.extend_from_slice(text.as_bytes());
    } else {
        push_quoted(out, text);
    }
}

fn push_quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for (part, piece) in text.split('"').enumerate() {
        if part > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(piece.as_bytes());
    }
    out.push(b'"');
}

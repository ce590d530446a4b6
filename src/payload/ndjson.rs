//! Newline-delimited JSON: one object a row, its members in the order of the columns.
//!
//! Values leave as the source wrote them (I6), a null as `null`, and the time column as RFC 3339 in
//! UTC with the digits the source wrote. Column names become member names; that no two are equal is
//! for the source to see to, which refuses a table or header where it is not so.

use super::compress::PayloadWriter;
use super::json;
use super::time::{TIME_BYTES_MAX, TimeSpeller, push_rfc3339};
use crate::rows::{Batch, Schema};

/// Writes `batch`.
pub(super) fn write(batch: &Batch, writer: &mut PayloadWriter) -> std::io::Result<()> {
    let schema = batch.rows.schema();
    let names = member_names(schema);
    let mut speller = TimeSpeller::default();
    for (row, time) in batch.rows.times().iter().enumerate() {
        let out = writer.buffer();
        for (column, (value, name)) in batch.rows.values(row).zip(&names).enumerate() {
            out.extend_from_slice(name);
            if column == schema.time {
                push_rfc3339(out, &mut speller, *time);
            } else {
                json::push_value(out, value);
            }
        }
        out.extend_from_slice(b"}\n");
        writer.advance()?;
    }
    Ok(())
}

/// About how long the payload of `batch` is: exact but for quotes, escapes and the times' digits.
pub(super) fn expected_bytes(batch: &Batch) -> usize {
    let schema = batch.rows.schema();
    let members: usize = schema.columns.iter().map(|name| name.len() + r#","":null"#.len()).sum();
    batch.rows.value_bytes() + batch.rows.len() * (members + TIME_BYTES_MAX)
}

/// What stands before each value: `{"FIRST":`, `,"SECOND":` and so on.
fn member_names(schema: &Schema) -> Vec<Box<[u8]>> {
    let spelled = schema.columns.iter().enumerate().map(|(column, name)| {
        let mut bytes = vec![if column == 0 { b'{' } else { b',' }];
        json::push_string(&mut bytes, name);
        bytes.push(b':');
        bytes.into_boxed_slice()
    });
    spelled.collect()
}

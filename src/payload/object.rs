//! A row as a JSON object, its members in the order of the columns: what ndjson has on each line, and a JSON array
//! as its items.
//!
//! Values leave as the source wrote them (I6), a null as `null`, and the time column as RFC 3339 in
//! UTC with the digits the source wrote. Column names become member names; that no two are equal is
//! for the source to see to, which refuses a table or header where it is not so.

use super::json;
use super::time::{TIME_BYTES_MAX, TimeSpeller, push_rfc3339};
use crate::rows::{Batch, Schema};

/// Spells the rows of one batch.
pub(super) struct Objects<'a> {
    batch: &'a Batch,
    /// What stands before each value: `{"FIRST":`, `,"SECOND":` and so on.
    names: Vec<Box<[u8]>>,
    speller: TimeSpeller,
}

impl<'a> Objects<'a> {
    pub(super) fn of(batch: &'a Batch) -> Self {
        Self { batch, names: member_names(batch.rows.schema()), speller: TimeSpeller::default() }
    }

    /// Appends the row.
    #[inline]
    pub(super) fn push(&mut self, out: &mut Vec<u8>, row: usize) {
        let rows = &self.batch.rows;
        let (time_column, time) = (rows.schema().time, rows.times()[row]);
        for (column, (value, name)) in rows.values(row).zip(&self.names).enumerate() {
            out.extend_from_slice(name);
            if column == time_column {
                push_rfc3339(out, &mut self.speller, time);
            } else {
                json::push_value(out, value);
            }
        }
        out.push(b'}');
    }
}

/// About how long the objects of `batch` are, each with a byte behind it: exact but for quotes, escapes and the
/// times' digits.
pub(super) fn expected_bytes(batch: &Batch) -> usize {
    let schema = batch.rows.schema();
    let members: usize = schema.columns.iter().map(|name| name.len() + r#","":null"#.len()).sum();
    batch.rows.value_bytes() + batch.rows.len() * (members + TIME_BYTES_MAX)
}

fn member_names(schema: &Schema) -> Vec<Box<[u8]>> {
    let spelled = schema.columns.iter().enumerate().map(|(column, name)| {
        let mut bytes = vec![if column == 0 { b'{' } else { b',' }];
        json::push_string(&mut bytes, name);
        bytes.push(b':');
        bytes.into_boxed_slice()
    });
    spelled.collect()
}

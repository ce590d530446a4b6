//! Fingerprints: how a row is known again, in the source and in the sink.
//!
//! Both halves are SHA-256, cut short. `row`, the first 8 bytes, is of what names the row: its instant
//! (seconds as `i64`, nanoseconds as `u32`) and, where there is a tie column and a value in it, that
//! value's text. `version`, the first 4 bytes, is of its values: for each column in the order of their
//! names, the length of the name (`u32`), the name, the length of the text (`u32`) and the text. All
//! numbers are little-endian.
//!
//! Left out is what a payload does not keep or what says nothing: nulls, the column of times, the
//! digits of a second that the source wrote, whether a value is a text or a number, and the order of
//! columns. So a row has the same fingerprint read from its source and from an object of any format
//! and compression; a column added to a table changes nothing for the rows in which it is null.

use aws_lc_rs::digest::{SHA256, digest};
use livecosmos_state::{Fingerprint, Time};

use crate::payload::{PayloadReader, ReadError};
use crate::rows::{Kind, RowTime, Rows, Schema};

/// The fingerprint of each row, in their order. `tie_column` in any case, as databases have it.
#[must_use]
pub fn of_rows(rows: &Rows, tie_column: Option<&str>) -> Vec<Fingerprint> {
    let mut printer = Printer::new(rows.schema(), tie_column);
    (0..rows.len()).map(|row| printer.print(rows, row)).collect()
}

/// Time and fingerprint of each row of a stored payload, in their order, with the tie column `tie`.
///
/// # Errors
/// [`ReadError`] as [`PayloadReader`].
pub fn of_payload(
    stored: &[u8],
    time_column: &str,
    tie: Option<&str>,
) -> Result<Vec<(Time, Fingerprint)>, ReadError> {
    let mut reader = PayloadReader::new(stored, time_column)?;
    let mut found = Vec::new();
    while let Some(rows) = reader.next_rows()? {
        let times = rows.times().iter().map(|row| row.time);
        found.extend(times.zip(of_rows(&rows, tie)));
    }
    Ok(found)
}

/// Prints rows of one schema.
struct Printer {
    /// Columns but that of the times, in the order of their names.
    columns: Vec<(usize, Box<[u8]>)>,
    tie: Option<usize>,
    bytes: Vec<u8>,
}

impl Printer {
    fn new(schema: &Schema, tie_column: Option<&str>) -> Self {
        let mut columns: Vec<usize> = (0..schema.columns.len()).filter(|at| *at != schema.time).collect();
        columns.sort_by_key(|at| &schema.columns[*at]);
        let columns = columns.into_iter().map(|at| {
            let name = schema.columns[at].as_bytes();
            (at, [&length(name), name].concat().into_boxed_slice())
        });
        let is_tie = |wanted: &str| schema.columns.iter().position(|name| name.eq_ignore_ascii_case(wanted));
        Self { columns: columns.collect(), tie: tie_column.and_then(is_tie), bytes: Vec::new() }
    }

    fn print(&mut self, rows: &Rows, row: usize) -> Fingerprint {
        self.bytes.clear();
        let RowTime { time, .. } = rows.times()[row];
        self.bytes.extend_from_slice(&time.seconds.to_le_bytes());
        self.bytes.extend_from_slice(&time.nanos.to_le_bytes());
        let tie = self.tie.map(|column| rows.value(row, column)).filter(|value| value.kind != Kind::Null);
        if let Some(value) = tie {
            self.bytes.extend_from_slice(value.text.as_bytes());
        }
        let named = u64::from_le_bytes(head(&self.bytes));

        self.bytes.clear();
        for (column, name) in &self.columns {
            let value = rows.value(row, *column);
            if value.kind != Kind::Null {
                let text = value.text.as_bytes();
                self.bytes.extend_from_slice(name);
                self.bytes.extend_from_slice(&length(text));
                self.bytes.extend_from_slice(text);
            }
        }
        Fingerprint { row: named, version: u32::from_le_bytes(head(&self.bytes)) }
    }
}

/// The first bytes of the SHA-256.
fn head<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut head = [0; N];
    head.copy_from_slice(&digest(&SHA256, bytes).as_ref()[..N]);
    head
}

/// A batch is cut far below 4 GiB, so no length is cut here.
fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests;

//! A row of CSV (RFC 4180), under the header of the payload.

use std::io::Read;

use super::ReadError;
use super::piece::RawRow;
use super::scan::{FieldEnd, Scanner};
use crate::payload::csv::kind_of_bare;
use crate::rows::Kind;

/// Rows under the names that the payload's first line gives them.
pub(super) struct Records {
    time_column: Box<str>,
    /// Empty until the first row is asked for: what a broken payload holds is summed up all the same.
    names: Vec<Box<str>>,
}

impl Records {
    pub(super) fn new(time_column: &str) -> Self {
        Self { time_column: time_column.into(), names: Vec::new() }
    }

    /// Takes the first line, which must name the column of times.
    fn begin<R: Read>(&mut self, scanner: &mut Scanner<R>) -> Result<(), ReadError> {
        loop {
            let field = scanner.field()?;
            self.names.push(scanner.field_text()?.into());
            if field.end == FieldEnd::Line {
                break;
            }
        }
        let has_time = self.names.iter().any(|name| name.eq_ignore_ascii_case(&self.time_column));
        if has_time { Ok(()) } else { scanner.fail(lacks(&self.time_column)) }
    }

    /// Takes the next row into `row`; false where there is none.
    pub(super) fn next<R: Read>(
        &mut self,
        scanner: &mut Scanner<R>,
        row: &mut RawRow,
    ) -> Result<bool, ReadError> {
        if self.names.is_empty() {
            self.begin(scanner)?;
        }
        if scanner.has_ended()? {
            return Ok(false);
        }
        row.clear(scanner.bytes_taken());
        for (column, name) in self.names.iter().enumerate() {
            let field = scanner.field()?;
            let text = scanner.field_text()?;
            let kind = if field.is_quoted { Kind::Text } else { kind_of_bare(text) };
            row.push_name(name);
            row.push_value(kind, text);
            let is_last = column + 1 == self.names.len();
            if is_last != (field.end == FieldEnd::Line) {
                return scanner.fail("a row has another number of fields than the header".to_owned());
            }
        }
        Ok(true)
    }
}

fn lacks(time_column: &str) -> String {
    format!("its first line is no header with '{time_column}', the column of times")
}

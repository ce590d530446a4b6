//! The JSON of a Campbell Scientific CR1000X logger, as the predecessor wrote it: one document a
//! batch, a head that describes the columns and then the rows.
//!
//! The column of times becomes each row's `time`; every other column is a field. Two passes over
//! the batch, the types first: no tree of values is built, and each value leaves as the source
//! wrote it (I6).

mod rank;

use std::collections::BTreeMap;

use super::compress::PayloadWriter;
use super::json::{push_string, push_value};
use super::time::TimeSpeller;
use crate::rows::{Batch, Schema};

use rank::Rank;

/// Digits of a second that the format always shows; a source that is finer keeps its own.
const FRACTION_DIGITS_MIN: u8 = 6;

/// Room for all of the head but the site, the program and the fields.
const HEAD_BYTES: usize = 400;
/// Between two values.
const COMMA_BYTES: usize = 1;
/// Brackets and names around a row.
const ROW_BYTES: usize = r#"{"time":"2025-01-02T00:00:00.000000000","vals":[]},"#.len();
/// Names and values that describe a field.
const FIELD_BYTES: usize = 100;

/// The logger program that a payload names in its head.
///
/// Its default is not this daemon's version: an upgrade must not change the bytes of a payload that
/// is being tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program's name.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// What is said of fields, by the names of their columns.
    pub fields: BTreeMap<String, Field>,
}

/// What a payload's head says of a field, where it is not what follows from its column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    /// Its name; else that of the column.
    pub name: Option<String>,
    /// The unit of its values; else none.
    pub units: Option<String>,
    /// How its values came about; else what the ending of the column's name says.
    pub process: Option<String>,
}

impl Default for Program {
    fn default() -> Self {
        Self { name: "livecosmos".to_owned(), version: "1".to_owned(), fields: BTreeMap::new() }
    }
}

/// Writes `batch`.
pub(super) fn write(batch: &Batch, program: &Program, writer: &mut PayloadWriter) -> std::io::Result<()> {
    let ranks = rank::of_columns(&batch.rows);
    write_head(writer.buffer(), batch, program, &ranks);
    write_rows(batch, writer)?;
    writer.buffer().extend_from_slice(b"]}");
    writer.advance()
}

/// About how long the payload of `batch` is: exact but for quotes and escapes.
pub(super) fn expected_bytes(batch: &Batch) -> usize {
    let schema = batch.rows.schema();
    let fields: usize = schema.columns.iter().map(|name| name.len() + FIELD_BYTES).sum();
    let row_bytes = schema.columns.len() * COMMA_BYTES + ROW_BYTES;
    batch.rows.value_bytes() + fields + batch.rows.len() * row_bytes + HEAD_BYTES
}

fn write_head(out: &mut Vec<u8>, batch: &Batch, program: &Program, ranks: &[Rank]) {
    let site = batch.site.as_str();
    let codes: Vec<String> = site.bytes().map(|code| code.to_string()).collect();
    out.extend_from_slice(br#"{"head":{"transaction":0,"signature":111111,"environment":{"station_name":"#);
    push_string(out, site);
    out.extend_from_slice(br#","table_name":"default","model":"CR1000X","serial_no":"#);
    push_string(out, &codes.join("-"));
    out.extend_from_slice(br#","os_version":"CR1000X.Std.07.02","prog_name":"#);
    push_string(out, &format!("CPU:{}-{}.CR1X", program.name, program.version));
    out.extend_from_slice(br#"},"fields":["#);
    write_fields(out, batch.rows.schema(), &program.fields, ranks);
    out.extend_from_slice(br#"]},"data":["#);
}

fn write_fields(out: &mut Vec<u8>, schema: &Schema, said: &BTreeMap<String, Field>, ranks: &[Rank]) {
    let fields = schema.columns.iter().zip(ranks).enumerate().filter(|(column, _)| *column != schema.time);
    let unsaid = Field::default();
    for (position, (_, (column, rank))) in fields.enumerate() {
        let field = said.get(&**column).unwrap_or(&unsaid);
        let name = field.name.as_deref().unwrap_or(column);
        out.extend_from_slice(if position == 0 { br#"{"name":"# } else { br#",{"name":"# });
        push_string(out, name);
        out.extend_from_slice(br#","type":""#);
        out.extend_from_slice(rank.xsd().as_bytes());
        out.extend_from_slice(br#"","units":"#);
        push_string(out, field.units.as_deref().unwrap_or_default());
        out.extend_from_slice(br#","process":"#);
        push_string(out, field.process.as_deref().unwrap_or_else(|| process(column)));
        out.extend_from_slice(br#","settable":false"#);
        if name != &**column {
            // By which the row is known again: under the name of its source.
            out.extend_from_slice(br#","column":"#);
            push_string(out, column);
        }
        out.push(b'}');
    }
}

fn write_rows(batch: &Batch, writer: &mut PayloadWriter) -> std::io::Result<()> {
    let time_column = batch.rows.schema().time;
    let mut speller = TimeSpeller::default();
    for (row, time) in batch.rows.times().iter().enumerate() {
        let out = writer.buffer();
        out.extend_from_slice(if row == 0 { br#"{"time":""# } else { br#",{"time":""# });
        speller.push(out, time.time, time.digits.max(FRACTION_DIGITS_MIN));
        out.extend_from_slice(br#"","vals":["#);
        let values = batch.rows.values(row).enumerate().filter(|(column, _)| *column != time_column);
        for (position, (_, value)) in values.enumerate() {
            if position > 0 {
                out.push(b',');
            }
            push_value(out, value);
        }
        out.extend_from_slice(b"]}");
        writer.advance()?;
    }
    Ok(())
}

/// How a logger says that a column came about: by the ending of its name, in any case.
fn process(column: &str) -> &'static str {
    let ending = column.rsplit_once('_').map_or("", |(_, ending)| ending);
    ["Std", "Avg", "Max", "Min", "Mom", "Tot", "Cov"]
        .into_iter()
        .find(|process| process.eq_ignore_ascii_case(ending))
        .unwrap_or("Smp")
}

#[cfg(test)]
mod tests;

//! Gathers rows with the same columns into pieces of bounded size.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::ReadError;
use super::time::TimeParser;
use crate::rows::{Kind, RowTime, Rows, Schema};

/// Rows in a piece.
const ROWS_MAX: usize = 4096;
/// Bytes of values in a piece, but for its last row's.
const VALUE_BYTES_MAX: usize = 256 * 1024;

/// How much is shown of what should be a time.
const TIME_CHARS_SHOWN: usize = 64;

/// One row as it stands in a payload.
#[derive(Default)]
pub(super) struct RawRow {
    /// Where in the payload it stands.
    at: u64,
    text: String,
    cells: Vec<RawCell>,
}

struct RawCell {
    name: Range<usize>,
    kind: Kind,
    value: Range<usize>,
}

impl RawRow {
    pub(super) fn clear(&mut self, at: u64) {
        self.at = at;
        self.text.clear();
        self.cells.clear();
    }

    pub(super) fn push_name(&mut self, name: &str) {
        let name = self.push(name);
        self.cells.push(RawCell { name, kind: Kind::Null, value: 0..0 });
    }

    /// The value of the name pushed last.
    pub(super) fn push_value(&mut self, kind: Kind, text: &str) {
        let value = self.push(text);
        if let Some(cell) = self.cells.last_mut() {
            (cell.kind, cell.value) = (kind, value);
        }
    }

    fn push(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.cells.iter().map(|cell| &self.text[cell.name.clone()])
    }

    fn fail<T>(&self, what: String) -> Result<T, ReadError> {
        Err(ReadError { at: self.at, what })
    }
}

/// The pieces of one payload.
pub(super) struct Pieces {
    time_column: Box<str>,
    times: TimeParser,
    schema: Option<Arc<Schema>>,
    row: RawRow,
    /// `row` was read and belongs to the next piece.
    is_waiting: bool,
}

impl Pieces {
    pub(super) fn new(time_column: &str) -> Self {
        Self {
            time_column: time_column.into(),
            times: TimeParser::default(),
            schema: None,
            row: RawRow::default(),
            is_waiting: false,
        }
    }

    /// The rows up to the next other column or the size of a piece, as `read` takes them in.
    pub(super) fn next(
        &mut self,
        mut read: impl FnMut(&mut RawRow) -> Result<bool, ReadError>,
    ) -> Result<Option<Rows>, ReadError> {
        if !self.is_waiting && !read(&mut self.row)? {
            return Ok(None);
        }
        self.is_waiting = false;
        let mut rows = Rows::new(self.schema_of_row()?);
        loop {
            let time = self.time_of_row(rows.schema())?;
            self.push_row(&mut rows, time);
            if rows.len() == ROWS_MAX || rows.value_bytes() >= VALUE_BYTES_MAX || !read(&mut self.row)? {
                return Ok(Some(rows));
            }
            if !self.fits(rows.schema()) {
                self.is_waiting = true;
                return Ok(Some(rows));
            }
        }
    }

    fn fits(&self, schema: &Schema) -> bool {
        self.row.names().eq(schema.columns.iter().map(|name| &**name))
    }

    fn schema_of_row(&mut self) -> Result<Arc<Schema>, ReadError> {
        if let Some(schema) = self.schema.clone().filter(|schema| self.fits(schema)) {
            return Ok(schema);
        }
        let mut known = HashSet::new();
        if let Some(twice) = self.row.names().find(|name| !known.insert(*name)) {
            return self.row.fail(format!("a row has '{twice}' twice"));
        }
        // Databases do not tell columns apart by case, and a configuration may spell them either way.
        let exact = self.row.names().position(|name| *name == *self.time_column);
        let time =
            exact.or_else(|| self.row.names().position(|name| name.eq_ignore_ascii_case(&self.time_column)));
        let Some(time) = time else {
            return self.row.fail(format!("a row has no time, which should stand in '{}'", self.time_column));
        };
        let columns = self.row.names().map(Box::from).collect();
        let schema = Arc::new(Schema::untyped(columns, time, None));
        self.schema = Some(Arc::clone(&schema));
        Ok(schema)
    }

    fn time_of_row(&mut self, schema: &Schema) -> Result<RowTime, ReadError> {
        let text = &self.row.text[self.row.cells[schema.time].value.clone()];
        if let Some(time) = self.times.parse(text) {
            return Ok(time);
        }
        let shown: String = text.chars().take(TIME_CHARS_SHOWN).collect();
        self.row.fail(format!("'{shown}' is no time as livecosmos writes it"))
    }

    fn push_row(&self, rows: &mut Rows, time: RowTime) {
        let time_column = rows.schema().time;
        for (column, cell) in self.row.cells.iter().enumerate() {
            if column == time_column {
                rows.push(Kind::Text, "");
            } else {
                rows.push(cell.kind, &self.row.text[cell.value.clone()]);
            }
        }
        rows.end_row(time);
    }
}

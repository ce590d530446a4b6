//! Rows on their way from a source to a payload: one arena of value bytes beside a shared schema.
//!
//! A row is never a tree of strings. Each value is copied once, from the source's buffer into the
//! arena, exactly as the source spelled it (I6); payloads read it from there.

use std::sync::Arc;

use livecosmos_state::{Cursor, SiteId, Time};

use crate::column_type::ColumnType;

/// What a value is, as far as a payload must know in order to spell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// No value. Its bytes are empty.
    Null,
    /// UTF-8 text.
    Text,
    /// A number whose spelling is one by JSON's grammar.
    Number,
    /// `true` or `false`.
    Bool,
}

/// One value as the source wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    /// How to read `text`.
    pub kind: Kind,
    /// The lexical form; empty for a null.
    pub text: &'a str,
}

/// The columns of a batch, in the source's order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Schema {
    /// Names, in order.
    pub columns: Box<[Box<str>]>,
    /// Types, one per column.
    pub types: Box<[ColumnType]>,
    /// Index of the time column.
    pub time: usize,
    /// Index of the site column; `None` where the file itself is one site's.
    pub site: Option<usize>,
}

impl Schema {
    /// Of columns whose types nobody knows: all but the time are texts.
    #[must_use]
    pub fn untyped(columns: Box<[Box<str>]>, time: usize, site: Option<usize>) -> Self {
        let kind = |at: usize| if at == time { ColumnType::TIME } else { ColumnType::Text };
        Self { types: (0..columns.len()).map(kind).collect(), columns, time, site }
    }
}

/// The time of a row, with the precision in which the source wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowTime {
    /// The instant, UTC.
    pub time: Time,
    /// Fractional digits the source wrote, 0 to 9.
    pub digits: u8,
}

/// How much a batch filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// Rows.
    pub rows: usize,
    /// Bytes of their values.
    pub value_bytes: usize,
}

/// Consecutive rows of one site in compact form.
///
/// The value of the time column is kept in `times` alone; its cell in the arena is an empty text.
#[derive(Debug, Clone)]
pub struct Rows {
    schema: Arc<Schema>,
    bytes: String,
    ends: Vec<u32>,
    kinds: Vec<Kind>,
    times: Vec<RowTime>,
}

impl Rows {
    /// Starts an empty arena for rows of `schema`.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        Self { schema, bytes: String::new(), ends: Vec::new(), kinds: Vec::new(), times: Vec::new() }
    }

    /// Starts an empty arena with `room`, unless that takes more than `bytes_max`: batches that follow
    /// each other are alike, and blocks of one size leave no holes in memory.
    #[must_use]
    pub fn with_room(schema: Arc<Schema>, room: Room, bytes_max: usize) -> Self {
        let row_bytes = size_of::<RowTime>() + schema.columns.len() * (size_of::<u32>() + size_of::<Kind>());
        let wanted_bytes = room.value_bytes + room.rows * row_bytes;
        if wanted_bytes > bytes_max {
            return Self::new(schema);
        }
        let cells = room.rows * schema.columns.len();
        Self {
            schema,
            bytes: String::with_capacity(room.value_bytes),
            ends: Vec::with_capacity(cells),
            kinds: Vec::with_capacity(cells),
            times: Vec::with_capacity(room.rows),
        }
    }

    /// How much these rows fill.
    #[must_use]
    pub fn room(&self) -> Room {
        Room { rows: self.len(), value_bytes: self.bytes.len() }
    }

    /// Appends the next value of the current row; the time column's is pushed as an empty text.
    #[inline]
    pub fn push(&mut self, kind: Kind, text: &str) {
        self.bytes.push_str(text);
        self.ends.push(arena_offset(self.bytes.len()));
        self.kinds.push(kind);
    }

    /// Closes the current row, which must have one value per column.
    ///
    /// # Panics
    /// When a source pushed another number of values than the schema has: a defect of that source.
    #[inline]
    pub fn end_row(&mut self, time: RowTime) {
        self.times.push(time);
        assert_eq!(self.ends.len(), self.times.len() * self.schema.columns.len(), "a row of another width");
    }

    /// Takes back the values of a row that was begun and not closed.
    pub fn abandon_row(&mut self) {
        let cells = self.times.len() * self.schema.columns.len();
        self.ends.truncate(cells);
        self.kinds.truncate(cells);
        self.bytes.truncate(self.ends.last().map_or(0, |end| *end as usize));
    }

    /// The columns.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Number of closed rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether no row was closed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The times, one per row.
    #[must_use]
    pub fn times(&self) -> &[RowTime] {
        &self.times
    }

    /// Bytes of all values, as the source wrote them.
    #[must_use]
    pub fn value_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that they come to as a payload, about: a row of JSON repeats the names, with two quotes, a colon and a
    /// comma around each.
    #[must_use]
    pub fn payload_bytes_expected(&self) -> usize {
        let names: usize = self.schema.columns.iter().map(|name| name.len() + 6).sum();
        self.value_bytes() + self.len() * names
    }

    /// The same with one more row, as long as these.
    #[must_use]
    pub fn payload_bytes_with_next(&self) -> usize {
        let bytes = self.payload_bytes_expected();
        bytes + bytes.checked_div(self.len()).unwrap_or(0)
    }

    /// Frees the values; the times stay.
    pub fn release_values(&mut self) {
        self.bytes = String::new();
        self.ends = Vec::new();
        self.kinds = Vec::new();
    }

    /// Drops the rows for which `keeps` says no.
    pub fn retain(&mut self, mut keeps: impl FnMut(usize) -> bool) {
        let kept: Vec<usize> = (0..self.len()).filter(|row| keeps(*row)).collect();
        if kept.len() == self.len() {
            return;
        }
        let mut rows = Self::new(Arc::clone(&self.schema));
        for row in kept {
            self.values(row).for_each(|value| rows.push(value.kind, value.text));
            rows.end_row(self.times[row]);
        }
        *self = rows;
    }

    /// Takes out the first `count` rows.
    #[must_use]
    pub fn split_to(&mut self, count: usize) -> Self {
        let mut first = self.clone();
        first.retain(|row| row < count);
        self.retain(|row| row >= count);
        first
    }

    /// Memory held, in bytes: what the budget counts.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.bytes.capacity()
            + self.ends.capacity() * size_of::<u32>()
            + self.kinds.capacity()
            + self.times.capacity() * size_of::<RowTime>()
    }

    /// Bytes of the values of row `row`.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn row_bytes(&self, row: usize) -> usize {
        let width = self.schema.columns.len();
        let end = |rows: usize| (rows * width).checked_sub(1).map_or(0, |last| self.ends[last] as usize);
        end(row + 1) - end(row)
    }

    /// The values of row `row`, in the order of the columns.
    ///
    /// # Panics
    /// When `row` is not below [`Rows::len`].
    #[inline]
    #[must_use]
    pub fn values(&self, row: usize) -> impl ExactSizeIterator<Item = Value<'_>> {
        let width = self.schema.columns.len();
        let first = row * width;
        let mut start = if first == 0 { 0 } else { self.ends[first - 1] as usize };
        self.ends[first..first + width].iter().zip(&self.kinds[first..first + width]).map(
            move |(end, kind)| {
                let text = &self.bytes[start..*end as usize];
                start = *end as usize;
                Value { kind: *kind, text }
            },
        )
    }

    /// The value in column `column` of row `row`.
    ///
    /// # Panics
    /// When there is no such row or column.
    #[inline]
    #[must_use]
    pub fn value(&self, row: usize, column: usize) -> Value<'_> {
        let cell = row * self.schema.columns.len() + column;
        let start = if cell == 0 { 0 } else { self.ends[cell - 1] as usize };
        Value { kind: self.kinds[cell], text: &self.bytes[start..self.ends[cell] as usize] }
    }
}

/// Batches are cut far below 4 GiB by `batch_bytes_max` (1 GiB at most) and the longest row allowed.
fn arena_offset(len: usize) -> u32 {
    u32::try_from(len).expect("a batch is cut before its arena reaches 4 GiB")
}

/// Consecutive rows of one site that become one object.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Whose rows.
    pub site: SiteId,
    /// The rows, in the source's order.
    pub rows: Rows,
    /// The cursor after the last row.
    pub to: Cursor,
    /// It ends because there was no more room: more rows of the site may follow. The last batch of a site
    /// in a pass is never cut.
    pub is_cut: bool,
    /// It ends where a partition of time does that keys name, and not for want of room.
    pub is_at_border: bool,
    /// The newest time of the site to which a pass may come now, where the source knows without reading on.
    pub newest: Option<Time>,
}

impl Batch {
    /// Takes out the first `count` rows, as a batch that ends in the same place: for chains that send what
    /// is missing, and whose objects' ends say only how far they looked.
    #[must_use]
    pub fn split_to(&mut self, count: usize) -> Self {
        let rows = self.rows.split_to(count);
        let (site, to) = (self.site.clone(), self.to.clone());
        Self { site, rows, to, is_cut: true, is_at_border: false, newest: self.newest }
    }

    /// The earliest and the latest time in the batch; `None` where it is empty, which no source yields.
    #[must_use]
    pub fn time_range(&self) -> Option<(Time, Time)> {
        let times = self.rows.times().iter().map(|row| row.time);
        times.clone().min().zip(times.max())
    }
}

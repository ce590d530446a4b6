//! Values of Oracle, both ways.

use std::collections::HashMap;

use jiff::civil::DateTime;
use livecosmos_state::{Tie, Time};

use super::driver::{self, Bind, Cell, Values};
use crate::clock;
use crate::rows::Kind;
use crate::source::server::catalogue::{Class, Column, TimeKind};
use crate::source::server::{Fault, Moment, Record, Table, Value, Wanted, wall};
use crate::source::sqlite::{StoredTimes, TimeUnit};
use crate::source::{SourceError, TableShape, TimeReader};

/// Reads the times of one table, and says what is bound for them.
pub(super) struct Times {
    kind: TimeKind,
    /// The type of the time column.
    declared: String,
    zone: TimeReader,
    counts: StoredTimes,
    unit: TimeUnit,
}

impl Times {
    pub(super) fn new(table: &Table, shape: &TableShape, unit: TimeUnit) -> Result<Self, Fault> {
        let counts = StoredTimes::new(shape.time.clone(), unit).map_err(|error| match error {
            SourceError::Config(message) => Fault::config(message),
            other => Fault::failed(other.to_string()),
        })?;
        let declared = table.columns[table.time].cast.clone();
        Ok(Self { kind: table.time_kind, declared, zone: shape.time.iso(), counts, unit })
    }

    /// The time of a cell; `text` gets it as the database spells it.
    fn read(&self, cell: Cell<'_>, text: &mut String) -> Moment {
        let spelled = match cell {
            Cell::Null => return Moment::Outside("the row has no time; give it one".to_owned()),
            Cell::Number(text)
            | Cell::NotFinite(text)
            | Cell::Text(text)
            | Cell::Damaged(text)
            | Cell::Time(text) => text,
            Cell::Bytes(_) => "bytes",
        };
        text.push_str(spelled);
        match (cell, self.kind) {
            (Cell::Number(number), TimeKind::Count) => {
                self.counts.read(Kind::Number, number).map_or_else(Moment::Unreadable, Moment::At)
            }
            (Cell::Time(time), _) => {
                self.zone.read(time).map_or_else(|error| Moment::Unreadable(error.to_string()), Moment::At)
            }
            _ => Moment::Outside(format!("its time, {spelled}, is none; give it a time")),
        }
    }

    /// The newest time of a site, from what a listing shows.
    pub(super) fn newest(&self, cell: Cell<'_>) -> Option<Time> {
        match (self.read(cell, &mut String::new()), cell) {
            (Moment::At(time), _) => Some(time.time),
            (Moment::Outside(_), _) | (Moment::Unreadable(_), Cell::Null) => None,
            // Whatever it is, rows up to it are looked at.
            (Moment::Unreadable(_), _) => Some(Time::MAX),
        }
    }

    /// What no time after `time` lies before.
    pub(super) fn lower(&self, time: Time) -> Bind {
        match self.kind {
            TimeKind::Local | TimeKind::Date => self.bind(wall::earliest_after(self.zone.zone(), time)),
            TimeKind::Instant | TimeKind::Count => self.bind(time),
        }
    }

    /// What no time up to `time` lies behind.
    pub(super) fn upper(&self, time: Time) -> Bind {
        // A DATE keeps no fraction, a count may keep less of one: the next whole one is not before it.
        let time = if time.nanos > 0 && matches!(self.declared.as_str(), "DATE" | "NUMBER") {
            clock::shift(time, 1)
        } else {
            time
        };
        match self.kind {
            TimeKind::Local | TimeKind::Date => self.bind(wall::latest_until(self.zone.zone(), time)),
            TimeKind::Instant | TimeKind::Count => self.bind(time),
        }
    }

    fn bind(&self, time: Time) -> Bind {
        match self.kind {
            TimeKind::Count => Bind::Number(self.count(time).to_string()),
            TimeKind::Instant => Bind::Zoned(moment_of(time)),
            TimeKind::Local | TimeKind::Date if self.declared == "DATE" => Bind::Date(moment_of(time)),
            TimeKind::Local | TimeKind::Date => Bind::Timestamp(moment_of(time)),
        }
    }

    fn count(&self, time: Time) -> i128 {
        let per_second: i128 = match self.unit {
            TimeUnit::Seconds => 1,
            TimeUnit::Milliseconds => 1_000,
            TimeUnit::Microseconds => 1_000_000,
        };
        i128::from(time.seconds) * per_second + i128::from(time.nanos) * per_second / 1_000_000_000
    }
}

/// The figures of a time, as a clock in UTC shows them; at the ends of Oracle's calendar held there.
fn moment_of(time: Time) -> driver::Moment {
    let end = if time.seconds < 0 { DateTime::constant(-4711, 1, 1, 0, 0, 0, 0) } else { DateTime::MAX };
    let shown = clock::to_timestamp(time).map_or(end, |at| jiff::tz::Offset::UTC.to_datetime(at));
    let shown = if shown.year() < end.year() && time.seconds < 0 { end } else { shown };
    let small = |part: i8| part.unsigned_abs();
    driver::Moment {
        year: shown.year(),
        month: small(shown.month()),
        day: small(shown.day()),
        hour: small(shown.hour()),
        minute: small(shown.minute()),
        second: small(shown.second()),
        nanosecond: shown.subsec_nanosecond().unsigned_abs(),
    }
}

/// A site as the column has it.
pub(super) fn site_bind(site: &str, column: &Column) -> Bind {
    let site = site.to_owned();
    match column.cast.as_str() {
        "NUMBER" | "FLOAT" => Bind::Number(site),
        "NVARCHAR2" | "NCHAR" => Bind::National(site),
        "CHAR" => Bind::Padded(site),
        _ => Bind::Text(site),
    }
}

/// A site as a listing shows it; a CHAR without its padding.
pub(super) fn site_text(cell: Cell<'_>, column: Option<&Column>) -> Option<String> {
    let is_padded = column.is_some_and(|column| matches!(column.cast.as_str(), "CHAR" | "NCHAR"));
    match cell {
        Cell::Text(text) if is_padded => Some(text.trim_end_matches(' ').to_owned()),
        Cell::Number(text)
        | Cell::NotFinite(text)
        | Cell::Text(text)
        | Cell::Damaged(text)
        | Cell::Time(text) => Some(text.to_owned()),
        Cell::Null | Cell::Bytes(_) => None,
    }
}

/// Reads the rows of a statement.
pub(super) struct Reader<'t> {
    table: &'t Table,
    times: &'t Times,
    places: HashMap<&'t str, usize>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(table: &'t Table, times: &'t Times, wanted: &'t [Wanted]) -> Self {
        let places = wanted.iter().enumerate().map(|(at, wanted)| (wanted.site.as_str(), at)).collect();
        Self { table, times, places }
    }

    /// Reads a row of the table's columns.
    pub(super) fn read(&self, row: &dyn Values, record: &mut Record) {
        record.begin(self.position(row));
        for (at, column) in self.table.columns.iter().enumerate() {
            let cell = row.value(at);
            if at == self.table.time {
                record.moment = self.times.read(cell, &mut record.time_text);
            }
            if Some(at) == self.table.tie {
                record.tie = tie(cell, column);
            }
            record.push(value(cell, column));
        }
    }

    fn position(&self, row: &dyn Values) -> Option<usize> {
        let Some(at) = self.table.site else { return Some(0) };
        let site = site_text(row.value(at), Some(&self.table.columns[at]))?;
        self.places.get(site.as_str()).copied()
    }
}

fn value<'a>(cell: Cell<'a>, column: &Column) -> Value<'a> {
    match cell {
        Cell::Null => Value::Null,
        Cell::Number(text) | Cell::NotFinite(text) => Value::Number(text),
        Cell::Text(text) if matches!(column.cast.as_str(), "CHAR" | "NCHAR") => {
            Value::Text(text.trim_end_matches(' '))
        }
        Cell::Text(text) | Cell::Time(text) => Value::Text(text),
        Cell::Damaged(_) => Value::Unreadable(
            "a value is none of its column's type; mend it, or leave the column out by a view",
        ),
        Cell::Bytes(bytes) => Value::Bytes(bytes),
    }
}

fn tie(cell: Cell<'_>, column: &Column) -> Result<Tie, String> {
    let name = &column.name;
    match cell {
        Cell::Number(text) => text
            .parse()
            .map(Tie::Integer)
            .map_err(|_| format!("the tie in {name}, {text}, is no whole number of 64 bits")),
        Cell::Text(text) if column.class == Class::Text => Ok(Tie::Text(text.to_owned())),
        Cell::Null => Err(format!("the tie in {name} is null; give the row one")),
        _ => Err(format!("the tie in {name} is neither a whole number nor a text; name another column")),
    }
}

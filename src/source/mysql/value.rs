//! Values on the wire: in the server's own types, both ways.

use std::collections::HashMap;
use std::fmt::Write as _;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use livecosmos_state::{Tie, Time};
use mysql_async::{Row, Value as Sent};

use super::number::{push_bits, push_double, push_float, without_padding};
use crate::source::server::catalogue::{Class, Column, TimeKind};
use crate::source::server::instant::Instants;
use crate::source::server::{Moment, Record, Table, Value, Wanted};

/// From where times are counted.
const EPOCH: DateTime = DateTime::constant(2000, 1, 1, 0, 0, 0, 0);
const MICROS_PER_DAY: i64 = 86_400_000_000;
/// The first and the last time there may be, in microseconds since then: 0000-01-01 and 9999-12-31.
const FIRST: i64 = -730_485 * MICROS_PER_DAY;
const LAST: i64 = 2_921_940 * MICROS_PER_DAY - 1;
/// The first second of a `TIMESTAMP`, and the last of those that end in 2038.
const TIMESTAMP_FIRST: i64 = -946_684_799_000_000;
const TIMESTAMP_LAST: i64 = 1_200_798_847_999_999;

/// How the values of a column are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As they are.
    Plain,
    /// With so many decimals, where the column has a number of them.
    Float(Option<usize>),
    /// Without the zeros before it.
    Decimal,
    /// As the number that the bits are.
    Bits,
    /// As base64.
    Bytes,
    /// Without a time of the day.
    Date,
    /// With so many digits behind the seconds.
    Time(usize),
}

impl Form {
    fn of(column: &Column) -> Self {
        let inside = || column.declared.split_once('(')?.1.split_once(')').map(|(inside, _)| inside);
        let digits = || inside().and_then(|digits| digits.parse().ok()).unwrap_or(0);
        match column.cast.as_str() {
            "float" | "double" => {
                Self::Float(inside().and_then(|inside| inside.split_once(',')?.1.trim().parse().ok()))
            }
            "decimal" => Self::Decimal,
            "bit" => Self::Bits,
            "date" => Self::Date,
            "datetime" | "timestamp" | "time" => Self::Time(digits()),
            _ if column.class == Class::Bytes => Self::Bytes,
            _ => Self::Plain,
        }
    }
}

/// Digits behind the seconds of the time column.
pub(super) fn time_digits(table: &Table) -> Option<u8> {
    match Form::of(&table.columns[table.time]) {
        Form::Time(digits) => u8::try_from(digits).ok(),
        Form::Date => Some(0),
        _ => None,
    }
}

/// Reads the rows of a statement.
pub(super) struct Reader<'t> {
    table: &'t Table,
    instants: &'t Instants,
    forms: Vec<Form>,
    /// Places of the sites that are asked for; of those that differ in case alone, too, where the server does
    /// not tell them apart.
    exact: HashMap<&'t str, usize>,
    folded: HashMap<String, usize>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(table: &'t Table, instants: &'t Instants, wanted: &'t [Wanted]) -> Self {
        let sites = || wanted.iter().map(|wanted| wanted.site.as_str()).enumerate();
        let folded = sites().rev().filter(|_| table.sites.is_loose());
        let folded = folded.map(|(at, site)| (table.sites.folded(site), at));
        Self {
            table,
            instants,
            forms: table.columns.iter().map(Form::of).collect(),
            exact: sites().map(|(at, site)| (site, at)).collect(),
            folded: folded.collect(),
        }
    }

    /// Reads a row of the table's columns.
    pub(super) fn read(&self, row: &Row, record: &mut Record) {
        let sent = |at: usize| row.as_ref(at).unwrap_or(&Sent::NULL);
        let mut scratch = String::new();
        record.begin(self.position(self.table.site.map(sent), &mut scratch));
        for (at, (column, form)) in self.table.columns.iter().zip(&self.forms).enumerate() {
            let sent = sent(at);
            if at == self.table.time {
                record.moment = self.moment(sent, *form, &mut record.time_text);
            }
            if Some(at) == self.table.tie {
                record.tie = tie(sent, column);
            }
            scratch.clear();
            record.push(value(sent, *form, &mut scratch));
        }
    }

    fn position(&self, site: Option<&Sent>, scratch: &mut String) -> Option<usize> {
        let Some((site, at)) = site.zip(self.table.site) else { return Some(0) };
        let site = text(value(site, self.forms[at], scratch))?;
        self.exact.get(site).or_else(|| self.folded.get(&self.table.sites.folded(site))).copied()
    }

    fn moment(&self, sent: &Sent, form: Form, text: &mut String) -> Moment {
        match (sent, stored(sent, self.instants.kind)) {
            (_, Some(stored)) => self.instants.read(stored, text),
            (Sent::NULL, None) => Moment::Outside("the row has no time; give it one".to_owned()),
            (Sent::Date(..), None) => {
                let _ = value(sent, form, text);
                let reason = format!("its time, {text}, is no day of the calendar; give it a time");
                if is_zero(sent) { Moment::Outside(reason) } else { Moment::Unreadable(reason) }
            }
            _ => Moment::Outside("its time is of a form that the server did not announce".to_owned()),
        }
    }
}

/// The text of a site, as a row of a listing has it; `None` for rows without one.
pub(super) fn site_text(sent: &Sent, table: &Table) -> Option<String> {
    let form = Form::of(&table.columns[table.site?]);
    text(value(sent, form, &mut String::new())).map(str::to_owned)
}

/// A site that a query of the operator's names.
pub(super) fn named_site(sent: &Sent) -> Option<String> {
    text(value(sent, Form::Plain, &mut String::new())).map(str::to_owned)
}

fn text(value: Value<'_>) -> Option<&str> {
    match value {
        Value::Text(text) | Value::Number(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Bytes(_) | Value::Unreadable(_) => None,
    }
}

/// A site as the column's own type.
pub(super) fn site_value(site: &str, table: &Table) -> Sent {
    let column = table.site.map(|at| &table.columns[at]);
    let is_number = column.is_some_and(|column| {
        column.class == Class::Integer || ["bit", "year"].contains(&column.cast.as_str())
    });
    let number = || site.parse().map(Sent::Int).or_else(|_| site.parse().map(Sent::UInt)).ok();
    is_number.then(number).flatten().unwrap_or_else(|| Sent::Bytes(site.into()))
}

/// The newest time of a site, and whether its first is a day of the calendar, from a row of a listing.
pub(super) fn newest(sent: &Sent, instants: &Instants) -> Option<Time> {
    stored(sent, instants.kind).and_then(|stored| instants.newest(stored))
}

/// Whether it is the date that stands for none.
pub(super) fn is_zero(sent: &Sent) -> bool {
    matches!(sent, Sent::Date(0, 0, ..) | Sent::Date(0, _, 0, ..))
}

/// A time as a whole number; `None` for what is none.
fn stored(sent: &Sent, kind: TimeKind) -> Option<i64> {
    match *sent {
        Sent::Int(count) => Some(count),
        Sent::UInt(count) => Some(i64::try_from(count).unwrap_or(i64::MAX)),
        Sent::Date(year, month, day, hour, minute, second, micros) => {
            let small = |number: u8| i8::try_from(number).ok();
            let year = i16::try_from(year).ok()?;
            let nanos = i32::try_from(micros).ok()?.checked_mul(1_000)?;
            let (month, day) = (small(month)?, small(day)?);
            let wall =
                DateTime::new(year, month, day, small(hour)?, small(minute)?, small(second)?, nanos).ok()?;
            let since = i64::try_from(wall.duration_since(EPOCH).as_micros()).ok()?;
            Some(if kind == TimeKind::Date { since.div_euclid(MICROS_PER_DAY) } else { since })
        }
        _ => None,
    }
}

/// A lower bound as the column's own type: of none, the first time there may be.
pub(super) fn lower(instants: &Instants, time: Option<Time>) -> Sent {
    let first = if instants.kind == TimeKind::Instant { TIMESTAMP_FIRST } else { FIRST };
    sent(instants.lower(time), instants.kind, first)
}

/// The first day that is one, where times are dates.
pub(super) fn first_day(instants: &Instants) -> Option<Sent> {
    (instants.kind != TimeKind::Count).then(|| lower(instants, None))
}

/// An upper bound as the column's own type; `None` where all that there may be lies before it.
pub(super) fn upper(instants: &Instants, time: Option<Time>) -> Option<Sent> {
    let last = if instants.kind == TimeKind::Instant { TIMESTAMP_LAST } else { LAST };
    let stored = instants.upper(Some(time?));
    let is_beyond = match instants.kind {
        TimeKind::Count => false,
        TimeKind::Date => stored >= LAST / MICROS_PER_DAY,
        TimeKind::Instant | TimeKind::Local => stored >= last,
    };
    (!is_beyond).then(|| sent(stored, instants.kind, FIRST))
}

fn sent(stored: i64, kind: TimeKind, first: i64) -> Sent {
    let micros = match kind {
        TimeKind::Count => return Sent::Int(stored),
        TimeKind::Date => stored.saturating_mul(MICROS_PER_DAY),
        TimeKind::Instant | TimeKind::Local => stored,
    };
    let wall = EPOCH.saturating_add(SignedDuration::from_micros(micros.clamp(first, LAST)));
    let small = |number: i8| number.unsigned_abs();
    Sent::Date(
        wall.year().unsigned_abs(),
        small(wall.month()),
        small(wall.day()),
        small(wall.hour()),
        small(wall.minute()),
        small(wall.second()),
        wall.subsec_nanosecond().unsigned_abs() / 1_000,
    )
}

/// The value of a cell; `scratch` gets its text where the server sent none.
fn value<'v>(sent: &'v Sent, form: Form, scratch: &'v mut String) -> Value<'v> {
    match sent {
        Sent::NULL => return Value::Null,
        Sent::Int(number) => drop(write!(scratch, "{number}")),
        Sent::UInt(number) => drop(write!(scratch, "{number}")),
        Sent::Float(number) => push_float(scratch, *number, form.decimals()),
        Sent::Double(number) => push_double(scratch, *number, form.decimals()),
        Sent::Bytes(bytes) => return of_bytes(bytes, form, scratch),
        Sent::Date(year, month, day, hour, minute, second, micros) => {
            let _ = write!(scratch, "{year:04}-{month:02}-{day:02}");
            if let Form::Time(digits) = form {
                let _ = write!(scratch, " {hour:02}:{minute:02}:{second:02}");
                push_fraction(scratch, *micros, digits);
            }
            return Value::Text(scratch);
        }
        Sent::Time(is_negative, days, hours, minutes, seconds, micros) => {
            let hours = u64::from(*days) * 24 + u64::from(*hours);
            let sign = if *is_negative { "-" } else { "" };
            let _ = write!(scratch, "{sign}{hours:02}:{minutes:02}:{seconds:02}");
            if let Form::Time(digits) = form {
                push_fraction(scratch, *micros, digits);
            }
            return Value::Text(scratch);
        }
    }
    Value::Number(scratch)
}

impl Form {
    fn decimals(self) -> Option<usize> {
        if let Self::Float(decimals) = self { decimals } else { None }
    }
}

fn of_bytes<'v>(bytes: &'v [u8], form: Form, scratch: &'v mut String) -> Value<'v> {
    match (form, std::str::from_utf8(bytes)) {
        (Form::Bytes, _) => Value::Bytes(bytes),
        (Form::Bits, _) => {
            push_bits(scratch, bytes);
            Value::Number(scratch)
        }
        (Form::Decimal, Ok(text)) => Value::Number(without_padding(text)),
        (_, Ok(text)) => Value::Text(text),
        (_, Err(_)) => Value::Unreadable("a text is not UTF-8; store it as utf8mb4 or as VARBINARY"),
    }
}

fn push_fraction(text: &mut String, micros: u32, digits: usize) {
    if digits > 0 {
        let fraction = format!("{micros:06}");
        text.push('.');
        text.push_str(&fraction[..digits.min(fraction.len())]);
    }
}

/// The tie of a row.
pub(super) fn tie(sent: &Sent, column: &Column) -> Result<Tie, String> {
    let name = &column.name;
    match sent {
        Sent::NULL => Err(format!("the tie in {name} is null; give the row one")),
        Sent::Int(number) => Ok(Tie::Integer(*number)),
        Sent::UInt(number) => i64::try_from(*number)
            .map(Tie::Integer)
            .map_err(|_| format!("the tie in {name}, {number}, is no whole number of 64 bits with a sign")),
        Sent::Bytes(bytes) => std::str::from_utf8(bytes)
            .map(|text| Tie::Text(text.to_owned()))
            .map_err(|_| format!("the tie in {name} is not UTF-8; store it as utf8mb4")),
        _ => Err(format!("the tie in {name} is of a form that the server did not announce")),
    }
}

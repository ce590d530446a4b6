//! Values on the wire: parameters in their native types, results as bytes.

use std::error::Error;

use bytes::{BufMut as _, BytesMut};
use livecosmos_state::Tie;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::source::server::catalogue::{Class, Column, TimeKind};
use crate::source::server::instant::Instants;
use crate::source::server::{Moment, Record, Table, Value};

/// A value of any type as it arrived.
pub(super) struct Raw<'a>(pub(super) &'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A time as the server stores it: microseconds or days since 2000, or a count since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored(pub(super) i64);

impl ToSql for Stored {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        if *ty == Type::DATE {
            let end = if self.0 < 0 { i32::MIN } else { i32::MAX };
            out.put_i32(i32::try_from(self.0).unwrap_or(end));
        } else {
            out.put_i64(self.0);
        }
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::TIMESTAMP | Type::TIMESTAMPTZ | Type::DATE | Type::INT8)
    }

    to_sql_checked!();
}

impl Stored {
    /// From its bytes: 8 of a timestamp or a count, 4 of a date.
    pub(super) fn read(raw: &[u8]) -> Option<i64> {
        match raw.len() {
            8 => raw.try_into().ok().map(i64::from_be_bytes),
            4 => raw.try_into().ok().map(|bytes| i64::from(i32::from_be_bytes(bytes))),
            _ => None,
        }
    }
}

/// The type of the time column, and of arrays of it.
pub(super) fn time_types(kind: TimeKind) -> (Type, Type) {
    match kind {
        TimeKind::Instant => (Type::TIMESTAMPTZ, Type::TIMESTAMPTZ_ARRAY),
        TimeKind::Local => (Type::TIMESTAMP, Type::TIMESTAMP_ARRAY),
        TimeKind::Date => (Type::DATE, Type::DATE_ARRAY),
        TimeKind::Count => (Type::INT8, Type::INT8_ARRAY),
    }
}

/// Reads a row whose first value is its position, and whose others are the table's columns.
pub(super) fn read(
    row: &Row,
    table: &Table,
    instants: &Instants,
    record: &mut Record,
) -> Result<(), tokio_postgres::Error> {
    let position: Option<Raw<'_>> = row.try_get(0)?;
    let position = position.and_then(|raw| raw.0.try_into().ok().map(i32::from_be_bytes));
    // Ordinals count from 1.
    record.begin(position.and_then(|at| usize::try_from(at).ok()?.checked_sub(1)));
    for (at, column) in table.columns.iter().enumerate() {
        let raw: Option<Raw<'_>> = row.try_get(at + 1)?;
        let raw = raw.map(|raw| raw.0);
        if at == table.time {
            record.moment = moment(raw, instants, &mut record.time_text);
        }
        if Some(at) == table.tie {
            record.tie = tie(raw, column);
        }
        record.push(value(raw, column.class));
    }
    Ok(())
}

fn moment(raw: Option<&[u8]>, instants: &Instants, text: &mut String) -> Moment {
    match raw.map(Stored::read) {
        Some(Some(stored)) => instants.read(stored, text),
        Some(None) => Moment::Outside("its time is of a form that the server did not announce".to_owned()),
        None => Moment::Outside("the row has no time; give it one".to_owned()),
    }
}

fn value(raw: Option<&[u8]>, class: Class) -> Value<'_> {
    let Some(raw) = raw else { return Value::Null };
    if class == Class::Bytes {
        return Value::Bytes(raw);
    }
    let Ok(text) = std::str::from_utf8(raw) else {
        return Value::Unreadable("a text is not UTF-8; store it as UTF-8 or as bytea");
    };
    match class {
        Class::Integer | Class::Number => Value::Number(text),
        Class::Bool => Value::Bool(text == "true"),
        Class::Bytes | Class::Time(_) | Class::Text | Class::Other => Value::Text(text),
    }
}

pub(super) fn tie(raw: Option<&[u8]>, column: &Column) -> Result<Tie, String> {
    let name = &column.name;
    let raw = raw.ok_or_else(|| format!("the tie in {name} is null; give the row one"))?;
    let text =
        std::str::from_utf8(raw).map_err(|_| format!("the tie in {name} is not UTF-8; store it as UTF-8"))?;
    if column.class != Class::Integer {
        return Ok(Tie::Text(text.to_owned()));
    }
    text.parse()
        .map(Tie::Integer)
        .map_err(|_| format!("the tie in {name}, {text}, is no whole number of 64 bits"))
}

/// A tie as the server reads it from a text; `None` where the cursor has none.
pub(super) fn tie_text(tie: &Tie) -> Option<String> {
    match tie {
        Tie::None => None,
        Tie::Integer(number) => Some(number.to_string()),
        Tie::Text(text) => Some(text.clone()),
    }
}

//! What Oracle's catalogue says of a table.

use super::driver::{Bind, Cell, Session, Values};
use super::sql::{self, quoted};
use crate::column_type::ColumnType;
use crate::source::TableShape;
use crate::source::names::{closest, listed};
use crate::source::server::catalogue::{Class, Column, Found, Leading, TimeKind};
use crate::source::server::{Fault, Halt, Table};

/// Rows of the catalogue in a round trip.
const FETCH_ROWS: u32 = 500;
/// Digits of a second beyond which a TIMESTAMP counts nanoseconds.
const MICROSECOND_DIGITS: u8 = 6;

/// Finds the table of `shape` and confirms its columns. `user` is who we are.
pub(super) fn find(
    session: &mut dyn Session,
    shape: &TableShape,
    server: &str,
    user: Option<&str>,
) -> Result<Table, Fault> {
    let (owner, name) = find_name(session, shape, server, user)?;
    let binds =
        [("owner".to_owned(), Bind::Text(owner.clone())), ("name".to_owned(), Bind::Text(name.clone()))];
    let columns: Vec<Column> =
        texts(session, sql::COLUMNS, &binds, 6)?.iter().map(|row| column(row)).collect();
    let mut indexes: Vec<(String, Leading)> = Vec::new();
    let mut key = None;
    for row in texts(session, sql::INDEXES, &binds, 3)? {
        let [index, uniqueness, of_column] = [0, 1, 2].map(|at| row[at].clone().unwrap_or_default());
        let place = columns.iter().position(|column| column.name == of_column);
        if uniqueness == "UNIQUE" && key.is_none() {
            key = Some(index.clone());
        }
        match indexes.last_mut() {
            Some((last, places)) if *last == index => places.push(place),
            _ => indexes.push((index, vec![place])),
        }
    }
    let unique = indexes.iter().find(|(index, _)| Some(index) == key.as_ref());
    let key = unique.map(|(_, places)| places.iter().flatten().copied().collect()).unwrap_or_default();
    let indexes = indexes.into_iter().map(|(_, places)| places).collect();
    let sql_name = format!("{}.{}", quoted(&owner), quoted(&name));
    Found { sql_name, name: format!("{owner}.{name}"), columns, key, indexes, quoted }.fit(shape)
}

/// The table that is meant: our own, one that a synonym of ours stands for, or the only one.
fn find_name(
    session: &mut dyn Session,
    shape: &TableShape,
    server: &str,
    user: Option<&str>,
) -> Result<(String, String), Fault> {
    let wanted = shape.table.table();
    let binds = [("name".to_owned(), Bind::Text(wanted.to_owned()))];
    let pair = |row: Vec<Option<String>>, at: usize| {
        (row[at].clone().unwrap_or_default(), row[at + 1].clone().unwrap_or_default())
    };
    let is_of = |owner: &str, whose: &str| owner.eq_ignore_ascii_case(whose);
    let mut found: Vec<(String, String)> =
        texts(session, sql::FIND_TABLE, &binds, 2)?.into_iter().map(|row| pair(row, 0)).collect();
    if let Some(schema) = shape.table.schema() {
        found.retain(|(owner, _)| is_of(owner, schema));
    } else if let Some(user) = user {
        if found.iter().any(|(owner, _)| is_of(owner, user)) {
            found.retain(|(owner, _)| is_of(owner, user));
        } else {
            let mut synonyms = texts(session, sql::FIND_SYNONYM, &binds, 3)?;
            let is_ours = |row: &Vec<Option<String>>| row[0].as_ref().is_some_and(|owner| is_of(owner, user));
            synonyms.sort_by_key(|row| !is_ours(row));
            let visible =
                synonyms.into_iter().find(|row| is_ours(row) || row[0].as_deref() == Some("PUBLIC"));
            if let Some(row) = visible {
                return Ok(pair(row, 1));
            }
        }
    }
    let exact = found.iter().position(|(_, name)| name == wanted);
    let upper = found.iter().position(|(_, name)| *name == wanted.to_uppercase());
    match (found.len(), exact.or(upper)) {
        (0, _) => Err(missing(session, shape, server, user)?),
        (1, _) => Ok(found.swap_remove(0)),
        (_, Some(at)) if found.iter().all(|(owner, _)| *owner == found[at].0) => Ok(found.swap_remove(at)),
        _ => {
            let names: Vec<String> = found.iter().map(|(owner, name)| format!("{owner}.{name}")).collect();
            Err(Fault::config(format!(
                "{server}: several tables are called {}: {}; name the table with its schema",
                shape.table,
                listed(&names)
            )))
        }
    }
}

fn missing(
    session: &mut dyn Session,
    shape: &TableShape,
    server: &str,
    user: Option<&str>,
) -> Result<Fault, Fault> {
    let owner = shape.table.schema().or(user).unwrap_or_default().to_uppercase();
    let names = texts(session, sql::LIST_TABLES, &[("owner".to_owned(), Bind::Text(owner.clone()))], 1)?;
    let names: Vec<String> = names.into_iter().filter_map(|mut row| row.remove(0)).collect();
    let meant = closest(shape.table.table(), names.iter().map(String::as_str));
    let wanted = &shape.table;
    Ok(Fault::config(format!(
        "{server}: there is no table {wanted} that this user may read{meant}; of {owner} it sees {}. Name it with its \
         schema, or GRANT SELECT on it",
        listed(&names)
    )))
}

/// The rows of a query of the catalogue, as texts.
fn texts(
    session: &mut dyn Session,
    statement: &str,
    binds: &[(String, Bind)],
    columns: usize,
) -> Result<Vec<Vec<Option<String>>>, Fault> {
    let mut rows = Vec::new();
    let named = |name: &str| statement.contains(&format!(":{name}"));
    let binds: Vec<(String, Bind)> = binds.iter().filter(|(name, _)| named(name)).cloned().collect();
    let read = session.query(statement, &binds, FETCH_ROWS, &mut |row: &dyn Values| {
        let text = |at: usize| match row.value(at) {
            Cell::Number(text) | Cell::Text(text) | Cell::Time(text) => Some(text.to_owned()),
            Cell::Null | Cell::NotFinite(_) | Cell::Damaged(_) | Cell::Bytes(_) => None,
        };
        rows.push((0..columns).map(text).collect());
        Ok(true)
    });
    match read {
        Ok(()) => Ok(rows),
        Err(Halt::Fault(fault)) => Err(fault),
        Err(Halt::Source(error)) => Err(Fault::failed(error.to_string())),
    }
}

fn column(row: &[Option<String>]) -> Column {
    let [name, kind, precision, scale, nullable, length] =
        [0, 1, 2, 3, 4, 5].map(|at| row[at].clone().unwrap_or_default());
    let declared = match (kind.as_str(), precision.as_str(), scale.as_str()) {
        ("NUMBER", "", _) | ("FLOAT", ..) => kind.clone(),
        ("NUMBER", precision, "0" | "") => format!("NUMBER({precision})"),
        ("NUMBER", precision, scale) => format!("NUMBER({precision},{scale})"),
        ("CHAR" | "VARCHAR2" | "NCHAR" | "NVARCHAR2", ..) => format!("{kind}({length})"),
        _ => kind.clone(),
    };
    let class = class(&kind, &precision, &scale);
    let of_format = column_type(&kind, &precision, &scale);
    Column { name, declared, cast: kind, class, kind: of_format, is_nullable: nullable != "N" }
}

/// The type of a column. A NUMBER without a precision may be anything; a FLOAT counts its digits in bits.
fn column_type(kind: &str, precision: &str, scale: &str) -> ColumnType {
    let digits_of_second =
        kind.split_once('(').and_then(|(_, rest)| rest.split_once(')')?.0.parse::<u8>().ok());
    let is_nanos = digits_of_second.is_some_and(|digits| digits > MICROSECOND_DIGITS);
    match (kind, precision.parse::<i64>(), scale.parse::<i64>()) {
        ("NUMBER", Ok(precision), scale) => ColumnType::decimal(precision, scale.unwrap_or(0)),
        ("NUMBER", Err(_), Ok(0)) => ColumnType::decimal(38, 0),
        ("BINARY_FLOAT", ..) => ColumnType::Real,
        ("BINARY_DOUBLE" | "FLOAT", ..) => ColumnType::Double,
        _ => match class(kind, precision, scale) {
            Class::Bytes => ColumnType::Bytes,
            Class::Time(time) => ColumnType::Timestamp { is_instant: time == TimeKind::Instant, is_nanos },
            Class::Integer | Class::Number | Class::Bool | Class::Text | Class::Other => ColumnType::Text,
        },
    }
}

fn class(kind: &str, precision: &str, scale: &str) -> Class {
    match kind {
        // Without a precision it may hold whole numbers as well as others: each value tells.
        "NUMBER" if scale == "0" || (scale.is_empty() && precision.is_empty()) => Class::Integer,
        "NUMBER" | "FLOAT" | "BINARY_FLOAT" | "BINARY_DOUBLE" => Class::Number,
        "CHAR" | "VARCHAR2" | "NCHAR" | "NVARCHAR2" => Class::Text,
        "DATE" => Class::Time(TimeKind::Local),
        "RAW" | "LONG RAW" | "BLOB" => Class::Bytes,
        _ if kind.starts_with("TIMESTAMP") && kind.contains("TIME ZONE") => Class::Time(TimeKind::Instant),
        _ if kind.starts_with("TIMESTAMP") => Class::Time(TimeKind::Local),
        _ => Class::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_column_has_the_type_that_holds_all_of_it() {
        for (kind, precision, scale, expected) in [
            ("NUMBER", "10", "0", "integer"),
            ("NUMBER", "38", "0", "decimal(38,0)"),
            ("NUMBER", "", "0", "decimal(38,0)"),
            ("NUMBER", "12", "4", "decimal(12,4)"),
            ("NUMBER", "5", "-2", "integer"),
            ("NUMBER", "", "", "text"),
            ("FLOAT", "126", "", "double"),
            ("BINARY_FLOAT", "", "", "real"),
            ("BINARY_DOUBLE", "", "", "double"),
            ("DATE", "", "", "timestamp"),
            ("TIMESTAMP(6)", "", "6", "timestamp"),
            ("TIMESTAMP(9)", "", "9", "timestamp_ns"),
            ("TIMESTAMP(6) WITH TIME ZONE", "", "6", "timestamptz"),
            ("TIMESTAMP(9) WITH LOCAL TIME ZONE", "", "9", "timestamptz_ns"),
            ("RAW", "", "", "bytes"),
            ("VARCHAR2", "", "", "text"),
        ] {
            assert_eq!(
                column_type(kind, precision, scale).to_string(),
                expected,
                "{kind}({precision},{scale})"
            );
        }
    }
}

//! What the catalogue of `PostgreSQL` says of a table.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

use super::sql::{self, quoted};
use crate::column_type::ColumnType;
use crate::source::TableShape;
use crate::source::names::{closest, listed};
use crate::source::server::catalogue::{Class, Column, Found, Leading, TimeKind};
use crate::source::server::{Fault, Table};

/// `indoption` of an index that sorts upwards with nulls last, or downwards with nulls first: the server
/// reads both from their ends.
const ORDERS_THAT_SERVE: [i16; 2] = [0b00, 0b11];

/// Why the table is not described.
pub(super) enum Lack {
    /// The server failed.
    Server(Error),
    /// It does not fit.
    Fault(Fault),
}

impl From<Error> for Lack {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

/// Finds the table of `shape` and confirms its columns.
pub(super) async fn find(client: &Client, shape: &TableShape, server: &str) -> Result<Table, Lack> {
    let found = client
        .query_typed(
            sql::FIND_TABLE,
            &[(&shape.table.table(), Type::TEXT), (&shape.table.schema(), Type::TEXT)],
        )
        .await?;
    let Some((oid, schema, name)) = choose(&found, shape)? else {
        return Err(Lack::Fault(missing(client, shape, server).await?));
    };
    let rows = client.query_typed(sql::COLUMNS, &[(&oid, Type::OID)]).await?;
    let numbers = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i16>, _>>()?;
    let columns = rows.iter().map(column).collect::<Result<_, _>>()?;
    let indexes = client.query_typed(sql::INDEXES, &[(&oid, Type::OID)]).await?;
    let place = |number: &i16| numbers.iter().position(|own| own == number);
    let (mut key, mut leading) = (Vec::new(), Vec::new());
    for index in &indexes {
        let (is_primary, numbers): (bool, Vec<i16>) = (index.try_get(0)?, index.try_get(1)?);
        if is_primary {
            key = numbers.iter().filter_map(place).collect();
        }
        leading.push(sorted_columns(&numbers, index, place)?);
    }
    let name = format!("{schema}.{name}");
    let sql_name = name.split_once('.').map(|(schema, name)| format!("{}.{}", quoted(schema), quoted(name)));
    let sql_name = sql_name.unwrap_or_default();
    Found { sql_name, name, columns, key, indexes: leading, quoted }.fit(shape).map_err(Lack::Fault)
}

/// The table that is meant: the one spelled exactly so, else the only one.
fn choose(found: &[Row], shape: &TableShape) -> Result<Option<(u32, String, String)>, Lack> {
    let read = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    let tables = found.iter().map(read).collect::<Result<Vec<(u32, String, String)>, Error>>()?;
    if let [only] = &tables[..] {
        return Ok(Some(only.clone()));
    }
    let is_exact = |(_, schema, name): &&(u32, String, String)| {
        name == shape.table.table() && shape.table.schema().is_none_or(|wanted| wanted == schema)
    };
    match tables.iter().find(is_exact) {
        Some(exact) => Ok(Some(exact.clone())),
        None if tables.is_empty() => Ok(None),
        None => {
            let names: Vec<String> =
                tables.iter().map(|(_, schema, name)| format!("{schema}.{name}")).collect();
            Err(Lack::Fault(Fault::config(format!(
                "several tables are called {} but for case: {}; name the table as one of them is spelled",
                shape.table,
                listed(&names)
            ))))
        }
    }
}

async fn missing(client: &Client, shape: &TableShape, server: &str) -> Result<Fault, Error> {
    let rows = client.query_typed(sql::LIST_TABLES, &[(&shape.table.schema(), Type::TEXT)]).await?;
    let names = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
    let meant = closest(shape.table.table(), names.iter().map(String::as_str));
    let wanted = &shape.table;
    Ok(Fault::config(format!(
        "{server}: there is no table {wanted}{meant}; this role sees {}",
        listed(&names)
    )))
}

fn column(row: &Row) -> Result<Column, Error> {
    let beneath: String = row.try_get(4)?;
    let is_not_null: bool = row.try_get(5)?;
    let declared: String = row.try_get(2)?;
    Ok(Column {
        name: row.try_get(1)?,
        cast: row.try_get(3)?,
        class: class(&beneath),
        kind: kind(&beneath, &declared),
        declared,
        is_nullable: !is_not_null,
    })
}

fn class(type_name: &str) -> Class {
    match type_name {
        "smallint" | "integer" | "bigint" | "oid" => Class::Integer,
        "numeric" | "real" | "double precision" => Class::Number,
        "boolean" => Class::Bool,
        "bytea" => Class::Bytes,
        "timestamp with time zone" => Class::Time(TimeKind::Instant),
        "timestamp without time zone" => Class::Time(TimeKind::Local),
        "date" => Class::Time(TimeKind::Date),
        "text" | "character varying" | "character" | "name" => Class::Text,
        _ => Class::Other,
    }
}

/// The type of a column; a domain is what is beneath it, a number without declared digits may have any.
fn kind(beneath: &str, declared: &str) -> ColumnType {
    match class(beneath) {
        Class::Integer => ColumnType::Integer,
        Class::Bool => ColumnType::Boolean,
        Class::Bytes => ColumnType::Bytes,
        Class::Time(TimeKind::Date) => ColumnType::Date,
        Class::Time(kind) => ColumnType::Timestamp { is_instant: kind == TimeKind::Instant, is_nanos: false },
        Class::Number => match beneath {
            "real" => ColumnType::Real,
            "double precision" => ColumnType::Double,
            _ => digits_of(declared)
                .map_or(ColumnType::Text, |(precision, scale)| ColumnType::decimal(precision, scale)),
        },
        Class::Text | Class::Other => ColumnType::Text,
    }
}

/// Precision and scale of `numeric(12,4)`.
fn digits_of(declared: &str) -> Option<(i64, i64)> {
    let (precision, scale) = declared.strip_prefix("numeric(")?.strip_suffix(')')?.split_once(',')?;
    Some((precision.parse().ok()?, scale.parse().ok()?))
}

/// The columns an index sorts by; `None` for an expression, and from where on its order is of no use.
fn sorted_columns(
    numbers: &[i16],
    index: &Row,
    place: impl Fn(&i16) -> Option<usize>,
) -> Result<Leading, Error> {
    let (options, own_collation): (Vec<i16>, Vec<bool>) = (index.try_get(2)?, index.try_get(3)?);
    let serves = |at: usize| {
        let is_in_order = options.get(at).is_some_and(|option| ORDERS_THAT_SERVE.contains(option));
        is_in_order && own_collation.get(at).copied().unwrap_or(false)
    };
    Ok(numbers.iter().enumerate().map(|(at, number)| place(number).filter(|_| serves(at))).collect())
}

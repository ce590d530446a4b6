//! What the catalogue of `MySQL` or `MariaDB` says of a table.

use mysql_async::prelude::{FromValue, Queryable as _};
use mysql_async::{Conn, Error, Row};

use super::sql::{self, quoted};
use crate::column_type::ColumnType;
use crate::source::names::{closest, listed};
use crate::source::server::catalogue::{Class, Column, Found, Lookup, TimeKind};
use crate::source::server::{Equality, Fault, Table};
use crate::source::{SiteRule, TableShape};

/// What is found of a table.
pub(super) struct Described {
    pub(super) table: Table,
    /// Whoever reads it locks those out who write, for as long as the server reads.
    pub(super) is_locked_by_reading: bool,
}

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

/// A table, as the server spells it.
struct Name {
    schema: String,
    table: String,
    engine: Option<String>,
}

/// Finds the table of `shape` and confirms its columns.
pub(super) async fn find(conn: &mut Conn, shape: &TableShape, server: &str) -> Result<Described, Lack> {
    let Name { schema, table, engine } = name(conn, shape, server).await?;
    let rows: Vec<Row> = conn.exec(sql::COLUMNS, (&schema, &table)).await?;
    let described = rows.iter().filter(|row| is_shown(row, shape)).filter_map(column);
    let (columns, collations): (Vec<Column>, Vec<String>) = described.unzip();
    let (key, indexes) = indexes(conn, &schema, &table, &columns).await?;
    let sql_name = format!("{}.{}", quoted(&schema), quoted(&table));
    let name = format!("{schema}.{table}");
    let sorted = indexes.iter().map(|index| index.columns.clone()).collect();
    let found = Found { sql_name, name, columns, key, indexes: sorted, quoted };
    let mut table = found.fit(shape).map_err(Lack::Fault)?;
    table.index_advice = sql::index_advice(&table);
    table.index = index_of(&table, &indexes);
    table.sites = table.site.map(|site| equality(&collations[site])).unwrap_or_default();
    table.has_sorted_ties = table
        .tie
        .is_some_and(|tie| table.columns[tie].class == Class::Integer || collations[tie].ends_with("_bin"));
    if let Some(site) = table.site.map(|at| &table.columns[at]).filter(|site| site.class == Class::Bytes) {
        return Err(Lack::Fault(Fault::config(format!(
            "column '{}' of table {} is {}, which is no text; name a text or a number as site_column",
            site.name, table.name, site.declared
        ))));
    }
    let is_locked_by_reading = engine.is_some_and(|engine| !engine.eq_ignore_ascii_case("InnoDB"));
    Ok(Described { table, is_locked_by_reading })
}

/// As for `SELECT *`, unless the configuration names it.
fn is_shown(row: &Row, shape: &TableShape) -> bool {
    let extra: String = get(row, "EXTRA").unwrap_or_default();
    let name: String = get(row, "COLUMN_NAME").unwrap_or_default();
    let is_named = |column: &str| column.eq_ignore_ascii_case(&name);
    let is_site = matches!(&shape.site, SiteRule::Column(column) if is_named(column));
    !extra.to_ascii_uppercase().contains("INVISIBLE")
        || is_site
        || is_named(&shape.time_column)
        || shape.tie_column.as_deref().is_some_and(is_named)
}

/// The table that is meant: the one spelled exactly so, else the only one.
async fn name(conn: &mut Conn, shape: &TableShape, server: &str) -> Result<Name, Lack> {
    let wanted = shape.table.table();
    let schema = match shape.table.schema() {
        Some(schema) => {
            let schemas: Vec<String> = conn.query(sql::LIST_SCHEMAS).await?;
            let spelled = one_of(&schemas, schema).map_err(Lack::Fault)?;
            spelled.unwrap_or_else(|| schema.to_owned())
        }
        None => {
            conn.query_first::<Option<String>, _>(sql::CURRENT_SCHEMA).await?.flatten().unwrap_or_default()
        }
    };
    if let Some(name) = exactly(conn, &schema, wanted).await? {
        return Ok(name);
    }
    let names: Vec<String> = conn.exec(sql::LIST_TABLES, (&schema,)).await?;
    if let Some(spelled) = one_of(&names, wanted).map_err(Lack::Fault)?
        && let Some(name) = exactly(conn, &schema, &spelled).await?
    {
        return Ok(name);
    }
    let meant = closest(wanted, names.iter().map(String::as_str));
    Err(Lack::Fault(Fault::config(format!(
        "{server}: there is no table {}{meant}; this account sees {}",
        shape.table,
        listed(&names)
    ))))
}

async fn exactly(conn: &mut Conn, schema: &str, table: &str) -> Result<Option<Name>, Error> {
    let found: Vec<(String, String, Option<String>)> = conn.exec(sql::FIND_TABLE, (schema, table)).await?;
    let mut found = found.into_iter().map(|(schema, table, engine)| Name { schema, table, engine });
    Ok(found.find(|name| name.table == table))
}

/// The name that is meant.
fn one_of(names: &[String], wanted: &str) -> Result<Option<String>, Fault> {
    if names.iter().any(|name| name == wanted) {
        return Ok(Some(wanted.to_owned()));
    }
    let same: Vec<String> = names.iter().filter(|name| name.eq_ignore_ascii_case(wanted)).cloned().collect();
    if same.len() > 1 {
        return Err(Fault::config(format!(
            "several are called {wanted} but for case: {}; name the table as one of them is spelled",
            listed(&same)
        )));
    }
    Ok(same.into_iter().next())
}

/// A column, and its collation where it has one.
fn column(row: &Row) -> Option<(Column, String)> {
    let declared: String = get(row, "COLUMN_TYPE")?;
    let kind: String = get::<String>(row, "DATA_TYPE")?.to_ascii_lowercase();
    let collation = get(row, "COLLATION_NAME").unwrap_or_default();
    let column = Column {
        name: get(row, "COLUMN_NAME")?,
        class: class(&kind),
        kind: column_type(&kind, &declared.to_ascii_lowercase()),
        declared: declared.to_ascii_lowercase(),
        cast: kind,
        is_nullable: get::<String>(row, "IS_NULLABLE")? == "YES",
    };
    Some((column, collation))
}

fn class(kind: &str) -> Class {
    match kind {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => Class::Integer,
        "decimal" | "float" | "double" | "bit" | "year" => Class::Number,
        "timestamp" => Class::Time(TimeKind::Instant),
        "datetime" => Class::Time(TimeKind::Local),
        "date" => Class::Time(TimeKind::Date),
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" | "json" => {
            Class::Text
        }
        "time" | "uuid" | "inet4" | "inet6" => Class::Other,
        // Strings of bytes, geometries, vectors, and what is still to come.
        _ => Class::Bytes,
    }
}

/// The type of a column of `kind`, declared like `decimal(12,4) unsigned`.
fn column_type(kind: &str, declared: &str) -> ColumnType {
    let inside = declared.split_once('(').and_then(|(_, rest)| Some(rest.split_once(')')?.0));
    let numbers: Vec<i64> =
        inside.unwrap_or_default().split(',').flat_map(|part| part.trim().parse()).collect();
    match (kind, &numbers[..]) {
        ("bigint", _) if declared.contains("unsigned") => ColumnType::decimal(20, 0),
        ("decimal", [precision, scale]) => ColumnType::decimal(*precision, *scale),
        ("decimal", _) => ColumnType::Text,
        ("bit", [64]) => ColumnType::decimal(20, 0),
        ("bit" | "year", _) => ColumnType::Integer,
        ("float", _) => ColumnType::Real,
        ("double", _) => ColumnType::Double,
        _ => match class(kind) {
            Class::Integer => ColumnType::Integer,
            Class::Bytes => ColumnType::Bytes,
            Class::Time(TimeKind::Date) => ColumnType::Date,
            Class::Time(time) => {
                ColumnType::Timestamp { is_instant: time == TimeKind::Instant, is_nanos: false }
            }
            Class::Number | Class::Bool | Class::Text | Class::Other => ColumnType::Text,
        },
    }
}

/// What the name of a collation tells: `utf8mb4_general_ci`, `utf8mb4_0900_as_cs`, `utf8mb4_nopad_bin`.
fn equality(collation: &str) -> Equality {
    let is_text = !matches!(collation, "" | "binary");
    Equality {
        // There i and I are two letters.
        ignores_case: is_text && collation.contains("_ci") && !collation.contains("turkish"),
        ignores_spaces: is_text && !collation.contains("nopad") && !collation.contains("_0900_"),
    }
}

/// An index, with the columns it sorts by first; `None` for one that rows are not found by.
struct Index {
    name: String,
    columns: Vec<Option<usize>>,
}

/// The index by which rows are found: of several, one that has the tie too.
fn index_of(table: &Table, indexes: &[Index]) -> Option<String> {
    let first = match table.lookup {
        Lookup::BySite => table.site,
        Lookup::ByTime => None,
        Lookup::Scan => return None,
    };
    let wanted: Vec<Option<usize>> = first.into_iter().chain([table.time]).map(Some).collect();
    let tied: Vec<Option<usize>> = wanted.iter().copied().chain(table.tie.map(Some)).collect();
    let found = |columns: &[Option<usize>]| indexes.iter().find(|index| index.columns.starts_with(columns));
    found(&tied).or_else(|| found(&wanted)).map(|index| index.name.clone())
}

/// The columns of the primary key, and all indexes by which rows are found.
async fn indexes(
    conn: &mut Conn,
    schema: &str,
    table: &str,
    columns: &[Column],
) -> Result<(Vec<usize>, Vec<Index>), Error> {
    let rows: Vec<Row> = conn.exec(sql::INDEXES, (schema, table)).await?;
    let place = |name: &str| columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
    let mut key = Vec::new();
    let mut found: Vec<(Index, Vec<String>)> = Vec::new();
    for row in &rows {
        let Some(name) = get::<String>(row, "INDEX_NAME") else { continue };
        let column: Option<String> = get(row, "COLUMN_NAME");
        let at = column.as_deref().and_then(place);
        if name == "PRIMARY" {
            key.extend(at);
        }
        let is_whole = get::<Option<u64>>(row, "SUB_PART").flatten().is_none();
        let is_tree = get::<String>(row, "INDEX_TYPE").is_some_and(|kind| kind == "BTREE");
        let is_unseen = get::<String>(row, "IS_VISIBLE").is_some_and(|visible| visible == "NO")
            || get::<String>(row, "IGNORED").is_some_and(|ignored| ignored == "YES");
        let serves = is_whole && is_tree && !is_unseen;
        if found.last().is_none_or(|(last, _)| last.name != name) {
            found.push((Index { name, columns: Vec::new() }, Vec::new()));
        }
        if let Some((index, orders)) = found.last_mut() {
            index.columns.push(at.filter(|_| serves));
            orders.push(get(row, "COLLATION").unwrap_or_default());
        }
    }
    let indexes = found.into_iter().map(|(mut index, orders)| {
        // An index is read from either end, but not from both.
        let readable = orders.iter().take_while(|order| !order.is_empty() && **order == orders[0]).count();
        index.columns.iter_mut().skip(readable).for_each(|column| *column = None);
        index
    });
    Ok((key, indexes.collect()))
}

/// The value of a column by its name, which servers spell in different cases; `None` also where it has no
/// such column.
pub(super) fn get<T: FromValue>(row: &Row, name: &str) -> Option<T> {
    let at = row.columns_ref().iter().position(|column| column.name_str().eq_ignore_ascii_case(name))?;
    row.get_opt(at)?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_column_has_the_type_that_holds_all_of_it() {
        for (kind, declared, expected) in [
            ("tinyint", "tinyint(1)", "integer"),
            ("bigint", "bigint(20)", "integer"),
            ("bigint", "bigint(20) unsigned", "decimal(20,0)"),
            ("decimal", "decimal(12,4)", "decimal(12,4)"),
            ("decimal", "decimal(10,0) unsigned", "integer"),
            ("decimal", "decimal(65,30)", "text"),
            ("float", "float(10,2)", "real"),
            ("double", "double", "double"),
            ("bit", "bit(8)", "integer"),
            ("bit", "bit(64)", "decimal(20,0)"),
            ("year", "year(4)", "integer"),
            ("date", "date", "date"),
            ("datetime", "datetime(3)", "timestamp"),
            ("timestamp", "timestamp", "timestamptz"),
            ("time", "time", "text"),
            ("varbinary", "varbinary(16)", "bytes"),
            ("enum", "enum('a','b')", "text"),
            ("json", "json", "text"),
        ] {
            assert_eq!(column_type(kind, declared).to_string(), expected, "{declared}");
        }
    }
}

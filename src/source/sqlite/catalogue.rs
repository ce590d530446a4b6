//! What the database says of the table: every name that becomes SQL comes from here.

use rusqlite::Connection;

use super::connection::Halt;
use super::sql::quoted;
use crate::column_type::ColumnType;
use crate::source::names::{closest, listed};
use crate::source::{SiteRule, SourceError, TableShape};

/// A table as it is in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// Its name, as the catalogue spells it.
    pub(super) name: String,
    /// Its columns, in order.
    pub(super) columns: Vec<String>,
    /// Their types: of a table that is not STRICT, any value may be in any column.
    pub(super) types: Vec<ColumnType>,
    /// Index of the time column.
    pub(super) time: usize,
    /// Index of the site column, where the shape has one.
    pub(super) site: Option<usize>,
    /// Index of the tie column, where the shape has one.
    pub(super) tie: Option<usize>,
    /// A name of the row's number that no column hides; `None` for a view and for a table without.
    pub(super) row_id: Option<&'static str>,
    /// Columns of the primary key.
    pub(super) key: Vec<usize>,
    /// How the rows of a site from a time on are found.
    pub(super) lookup: Lookup,
}

/// How the rows of a site from a time on are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lookup {
    /// In an index that begins with site and time; with time, where the table is one site's.
    Index(String),
    /// The time is the row's number, and the table is one site's.
    RowId,
    /// By looking at every row.
    Scan,
}

struct Column {
    name: String,
    declared: String,
    /// Place in the primary key, from 1; 0 outside of it.
    key: i64,
}

impl Table {
    /// Finds the table of `shape` and confirms its columns.
    pub(super) fn find(connection: &Connection, shape: &TableShape) -> Result<Self, Halt> {
        let name = find_name(connection, shape)?;
        let columns = columns(connection, &name)?;
        let find = |key: &str, wanted: &str| find_column(&name, &columns, key, wanted);
        let time = find("time_column", &shape.time_column)?;
        let site = match &shape.site {
            SiteRule::Column(column) => Some(find("site_column", column)?),
            SiteRule::Fixed(_) | SiteRule::Template(_) => None,
        };
        let tie_column = shape.tie_column.as_ref().map(|column| find("tie_column", column)).transpose()?;
        let row_id = row_id(connection, &name, &columns);
        let lookup = find_lookup(connection, &name, &columns, site, time, row_id.is_some())?;
        let mut key: Vec<usize> = (0..columns.len()).filter(|at| columns[*at].key > 0).collect();
        key.sort_by_key(|at| columns[*at].key);
        let is_strict = is_strict(connection, &name)?;
        let kind = |column: &Column| if is_strict { kind_of(&column.declared) } else { ColumnType::Text };
        let types = columns.iter().map(kind).collect();
        let columns = columns.into_iter().map(|column| column.name).collect();
        Ok(Self { name, columns, types, time, site, tie: tie_column, row_id, key, lookup })
    }

    /// Column `at` as SQL.
    pub(super) fn column(&self, at: usize) -> String {
        format!("r.{}", quoted(&self.columns[at]))
    }

    /// The statement that makes the index this table lacks.
    pub(super) fn index_advice(&self) -> String {
        let columns = self.site.into_iter().chain([self.time]).map(|at| quoted(&self.columns[at]));
        format!(
            "CREATE INDEX livecosmos ON {} ({})",
            quoted(&self.name),
            columns.collect::<Vec<_>>().join(", ")
        )
    }
}

fn find_name(connection: &Connection, shape: &TableShape) -> Result<String, Halt> {
    if let Some(schema) = shape.table.schema().filter(|schema| !schema.eq_ignore_ascii_case("main")) {
        return Err(config(format!(
            "table {}: an SQLite database has no schema {schema}; leave it out",
            shape.table
        )));
    }
    let wanted = shape.table.table();
    let mut statement = connection.prepare(
        "SELECT name FROM main.sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )?;
    let names = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    if let Some(name) = names.iter().find(|name| name.eq_ignore_ascii_case(wanted)) {
        return Ok(name.clone());
    }
    let meant = closest(wanted, names.iter().map(String::as_str));
    Err(config(format!("the database has no table {wanted}{meant}; it has {}", listed(&names))))
}

/// Generated columns belong to a table as others do, the hidden ones of a virtual table do not.
fn columns(connection: &Connection, table: &str) -> Result<Vec<Column>, Halt> {
    let mut statement = connection.prepare(
        "SELECT name, type, pk FROM pragma_table_xinfo(?1, 'main') WHERE hidden <> 1 ORDER BY cid",
    )?;
    let column =
        |row: &rusqlite::Row<'_>| Ok(Column { name: row.get(0)?, declared: row.get(1)?, key: row.get(2)? });
    Ok(statement.query_map([table], column)?.collect::<Result<_, _>>()?)
}

fn is_strict(connection: &Connection, table: &str) -> Result<bool, Halt> {
    let mut statement =
        connection.prepare("SELECT strict FROM pragma_table_list WHERE schema = 'main' AND name = ?1")?;
    let mut rows = statement.query([table])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?.unwrap_or(false))
}

/// What a column of a STRICT table holds.
fn kind_of(declared: &str) -> ColumnType {
    match declared.to_ascii_uppercase().as_str() {
        "INT" | "INTEGER" => ColumnType::Integer,
        "REAL" => ColumnType::Double,
        "BLOB" => ColumnType::Bytes,
        _ => ColumnType::Text,
    }
}

fn find_column(table: &str, columns: &[Column], key: &str, wanted: &str) -> Result<usize, Halt> {
    if let Some(at) = columns.iter().position(|column| column.name.eq_ignore_ascii_case(wanted)) {
        return Ok(at);
    }
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let meant = closest(wanted, names.iter().map(String::as_str));
    Err(config(format!("table {table} has no column '{wanted}' for {key}{meant}; it has {}", listed(&names))))
}

/// One of `SQLite`'s names for the row's number that is no column's name here. A view and a table
/// `WITHOUT ROWID` have none.
fn row_id(connection: &Connection, table: &str, columns: &[Column]) -> Option<&'static str> {
    let taken = |name: &str| columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    let free = ["rowid", "_rowid_", "oid"].into_iter().find(|name| !taken(name))?;
    let is_view = connection
        .query_row("SELECT type = 'view' FROM main.sqlite_schema WHERE name = ?1", [table], |row| row.get(0))
        .unwrap_or(true);
    let has_one = connection.prepare(&format!("SELECT r.{free} FROM main.{} AS r", quoted(table))).is_ok();
    (!is_view && has_one).then_some(free)
}

fn find_lookup(
    connection: &Connection,
    table: &str,
    columns: &[Column],
    site: Option<usize>,
    time: usize,
    has_row_id: bool,
) -> Result<Lookup, Halt> {
    let is_row_id =
        has_row_id && columns[time].key == 1 && columns[time].declared.eq_ignore_ascii_case("INTEGER");
    if site.is_none() && is_row_id && columns.iter().filter(|column| column.key > 0).count() == 1 {
        return Ok(Lookup::RowId);
    }
    let wanted: Vec<Option<&str>> =
        site.into_iter().chain([time]).map(|at| Some(columns[at].name.as_str())).collect();
    // A partial index lacks rows.
    let mut indexes = connection
        .prepare("SELECT name FROM pragma_index_list(?1, 'main') WHERE partial = 0 ORDER BY seq")?;
    for name in indexes.query_map([table], |row| row.get::<_, String>(0))? {
        let name = name?;
        let leading = leading_columns(connection, &name)?;
        if leading.iter().map(Option::as_deref).take(wanted.len()).eq(wanted.iter().copied()) {
            return Ok(Lookup::Index(name));
        }
    }
    Ok(Lookup::Scan)
}

/// The columns an index sorts by; `None` for an expression, and for a column it sorts by another
/// collation than `BINARY`, which takes different texts for equal.
fn leading_columns(connection: &Connection, index: &str) -> Result<Vec<Option<String>>, Halt> {
    let mut statement = connection.prepare(
        "SELECT CASE coll WHEN 'BINARY' THEN name END FROM pragma_index_xinfo(?1, 'main') WHERE key = 1 ORDER BY seqno",
    )?;
    Ok(statement.query_map([index], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn config(message: String) -> Halt {
    Halt::Source(SourceError::Config(message))
}

//! Tables that answer whatever a follower asks, by way of `SQLite`, with the types and the catalogue that
//! Oracle has.
//!
//! Times are compared as times, whole numbers as numbers; an empty text is null. What `SQLite` would
//! understand and Oracle would not is refused. Oracle's `LATERAL`, `ROWNUM`, `CAST` and `PL/SQL` are not
//! known here.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};

use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::{Answer, Bind, Cell, Fault, OracleServer, Statement, catalogue, columns, ora};

/// The schema in which tables are made; the account `scott` owns it.
pub const SCHEMA: &str = "SCOTT";

/// Keeps `SQLite` from changing values, and is no part of a type.
pub(super) const KEPT_AS_IT_IS: &str = " BLOB";

/// A database of tables.
pub struct Tables {
    connection: Mutex<Connection>,
    clock: Arc<Mutex<String>>,
}

impl Tables {
    /// Without any table but DUAL and those of the catalogue. The server's clock stands still.
    pub fn new() -> Arc<Self> {
        let connection = Connection::open_in_memory().expect("SQLite opens");
        let clock = Arc::new(Mutex::new("2025-01-02 03:04:05.000000000 +00:00".to_owned()));
        let shown = Arc::clone(&clock);
        let flags = FunctionFlags::SQLITE_UTF8;
        connection
            .create_scalar_function("SYSTIMESTAMP", 0, flags, move |_| {
                Ok(shown.lock().expect("unharmed").clone())
            })
            .expect("SQLite takes the function");
        connection.create_collation("ORA_TIME", by_time).expect("SQLite takes the collation");
        let tables = Self { connection: Mutex::new(connection), clock };
        tables.execute(&format!("ATTACH ':memory:' AS {SCHEMA}; ATTACH ':memory:' AS SYS"));
        for (table, declared) in catalogue::VIEWS {
            tables.make("SYS", table, declared);
        }
        tables.make("SYS", "DUAL", "DUMMY VARCHAR2(1)");
        tables.execute("INSERT INTO SYS.DUAL VALUES ('X')");
        Arc::new(tables)
    }

    /// Sets the server's clock, as `YYYY-MM-DD HH:MM:SS.fffffffff +HH:MM`.
    pub fn set_clock(&self, now: &str) {
        now.clone_into(&mut self.clock.lock().expect("unharmed"));
    }

    /// Makes a table with columns as in CREATE TABLE, and enters it into the catalogue.
    pub fn create(&self, table: &str, declared: &str) {
        self.make(SCHEMA, table, declared);
        for entry in catalogue::of_table(SCHEMA, table, declared) {
            self.execute(&entry);
        }
    }

    /// Makes an index, and enters it into the catalogue.
    pub fn create_index(&self, name: &str, table: &str, columns: &[&str], is_unique: bool) {
        let unique = if is_unique { "UNIQUE" } else { "" };
        let listed = columns.join(", ");
        self.execute(&format!("CREATE {unique} INDEX {SCHEMA}.{name} ON {table} ({listed})"));
        for entry in catalogue::of_index(SCHEMA, name, table, columns, is_unique) {
            self.execute(&entry);
        }
    }

    /// Removes a table, from the catalogue too.
    pub fn remove(&self, table: &str) {
        self.execute(&format!("DROP TABLE {SCHEMA}.{table}"));
        for (view, _) in catalogue::VIEWS {
            self.execute(&format!("DELETE FROM SYS.{view} WHERE TABLE_NAME = '{table}'"));
        }
    }

    fn make(&self, schema: &str, table: &str, declared: &str) {
        let columns: Vec<_> = columns::declarations(declared)
            .map(|(name, kind, _)| format!("{name} \"{kind}{KEPT_AS_IT_IS}\"{}", collation(&kind)))
            .collect();
        self.execute(&format!("CREATE TABLE {schema}.{table} ({})", columns.join(", ")));
    }

    /// Adds rows, each with a text for every column; `"NULL"` is null.
    pub fn insert<const N: usize>(&self, table: &str, rows: &[[&str; N]]) {
        let connection = self.lock();
        let all = connection.prepare(&format!("SELECT * FROM {SCHEMA}.{table}")).expect("the table is there");
        let kinds: Vec<String> =
            all.columns().map(|column| column.decl_type().unwrap_or_default().to_owned()).collect();
        let places = vec!["?"; N].join(", ");
        let mut insert =
            connection.prepare(&format!("INSERT INTO {SCHEMA}.{table} VALUES ({places})")).expect("it fits");
        for row in rows {
            let values = row.iter().zip(&kinds).map(|(text, kind)| stored(kind, text));
            insert.execute(params_from_iter(values)).expect("a row can be added");
        }
    }

    /// Executes statements of `SQLite`: rows that are changed or deleted.
    pub fn execute(&self, sql: &str) {
        self.lock().execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Lets `server` answer with these tables what no other rule answers.
    pub fn serve(self: &Arc<Self>, server: &OracleServer) {
        let tables = Arc::clone(self);
        server.rule(move |statement| {
            let is_query = super::plain(&statement.sql).starts_with(['S', 'W', '(']);
            let sets = super::plain(&statement.sql).starts_with("SET ");
            (is_query && !sets).then(|| tables.answer(statement))
        });
    }

    /// The answer to a query.
    pub fn answer(&self, statement: &Statement) -> Answer {
        match self.query(&statement.sql, &statement.binds) {
            Ok((declared, rows)) => Answer::rows(&declared, rows),
            Err(fault) => Answer::Fails(fault),
        }
    }

    /// The columns of a query, declared as in CREATE TABLE, and its rows, by texts as on this server's wire.
    pub fn query(&self, sql: &str, binds: &[Bind]) -> Result<(String, Vec<Vec<Cell>>), Fault> {
        let sql = catalogue::in_sqlite(sql)?;
        let connection = self.lock();
        let mut query = connection.prepare(&sql).map_err(|error| fault(&error))?;
        for at in 1..=query.parameter_count() {
            let name = query.parameter_name(at).expect("every placeholder has a name")[1..].to_owned();
            let bind = binds.iter().find(|bind| bind.name.eq_ignore_ascii_case(&name));
            let bind = bind.ok_or_else(|| ora(1008, "not all variables bound"))?;
            query.raw_bind_parameter(at, bound(bind)).expect("a value can be bound");
        }
        let names: Vec<String> = query.column_names().map(str::to_uppercase).collect();
        let kinds: Vec<Option<String>> =
            query.columns().map(|column| column.decl_type().map(kind_of)).collect();
        let (mut rows, mut values) = (query.raw_query(), Vec::new());
        while let Some(row) = rows.next().map_err(|error| fault(&error))? {
            let row: Result<Vec<Value>, _> = (0..names.len()).map(|at| row.get(at)).collect();
            values.push(row.expect("the row has its columns"));
        }
        let declared = (0..names.len()).map(|at| {
            let guessed = || values.iter().map(|row: &Vec<Value>| &row[at]).find_map(guess);
            let kind = kinds[at].clone().or_else(guessed).unwrap_or_else(|| "VARCHAR2(4000)".to_owned());
            // A column without an alias is named by its expression.
            let name: String = names[at].split_whitespace().collect();
            format!("{} {kind}", name.replace([',', '(', ')'], "_"))
        });
        let declared = declared.collect::<Vec<_>>().join(", ");
        Ok((declared, values.into_iter().map(|row| row.into_iter().map(cell).collect()).collect()))
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().expect("no query panics")
    }
}

/// Texts of times, shorter ones filled up with zeros. One with an offset is taken to be in UTC.
fn by_time(one: &str, other: &str) -> Ordering {
    let filled = |time: &str| {
        let local = time.split_once(" +").map_or(time, |(local, _)| local);
        let point = if local.contains('.') { "" } else { "." };
        format!("{:0<29}", format!("{local}{point}"))
    };
    filled(one).cmp(&filled(other))
}

fn collation(kind: &str) -> &'static str {
    if kind == "DATE" || kind.starts_with("TIMESTAMP") { " COLLATE ORA_TIME" } else { "" }
}

fn kind_of(declared: &str) -> String {
    declared.trim_matches('"').trim_end_matches(KEPT_AS_IT_IS).to_owned()
}

fn stored(declared: &str, text: &str) -> Value {
    let kind = kind_of(declared);
    match text {
        "NULL" => Value::Null,
        "" if kind.contains("CHAR") => Value::Null,
        _ if kind.starts_with("NUMBER") => number(text),
        _ if kind.starts_with("TIMESTAMP") => {
            let (local, zone) = text.split_once(" +").map_or((text, ""), |(local, zone)| (local, zone));
            let (second, fraction) = local.split_once('.').unwrap_or((local, ""));
            let offset = if zone.is_empty() { String::new() } else { format!(" +{zone}") };
            Value::Text(format!("{second}.{fraction:0<9}{offset}"))
        }
        _ => Value::Text(text.to_owned()),
    }
}

fn number(text: &str) -> Value {
    text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Integer)
}

fn bound(bind: &Bind) -> Value {
    match (&bind.value, bind.kind.as_str()) {
        (None, _) => Value::Null,
        (Some(text), _) if text.is_empty() => Value::Null,
        (Some(text), "NUMBER" | "INTEGER") => number(text),
        (Some(text), _) => Value::Text(text.clone()),
    }
}

fn cell(value: Value) -> Cell {
    match value {
        Value::Null => None,
        Value::Integer(number) => Some(number.to_string().into_bytes()),
        Value::Real(number) => Some(number.to_string().into_bytes()),
        Value::Text(text) => Some(text.into_bytes()),
        Value::Blob(bytes) => Some(bytes),
    }
}

/// The type of an expression, by one of its values.
fn guess(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::Integer(_) | Value::Real(_) => return Some("NUMBER".to_owned()),
        Value::Blob(_) => return Some("BLOB".to_owned()),
        Value::Text(text) => text.as_bytes(),
    };
    let is_time = text.len() >= 19 && text[4] == b'-' && text[10] == b' ' && text[13] == b':';
    Some(match text.len() {
        19 if is_time => "DATE".to_owned(),
        29 if is_time => "TIMESTAMP(9)".to_owned(),
        36 if is_time => "TIMESTAMP(9) WITH TIME ZONE".to_owned(),
        _ => "VARCHAR2(4000)".to_owned(),
    })
}

fn fault(error: &rusqlite::Error) -> Fault {
    let message = error.to_string();
    if message.contains("no such table") {
        return ora(942, "table or view does not exist");
    }
    match message.split_once("no such column: ") {
        Some((_, name)) => {
            let name = name.split(" in ").next().unwrap_or_default().to_uppercase();
            ora(904, &format!("\"{name}\": invalid identifier"))
        }
        None => ora(900, &format!("invalid SQL statement: {message}")),
    }
}

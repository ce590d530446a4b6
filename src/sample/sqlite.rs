//! The same table in an `SQLite` database.

use std::path::Path;

use rusqlite::{Connection, ToSql, params_from_iter};

use super::columns::shape_of;
use super::{COLUMNS, Sample};

/// The table's name.
const TABLE: &str = "LEVEL1_SOILMET_30MIN";

impl Sample {
    /// Writes the table, with an index on site and time, into a database at `path`, in WAL mode.
    ///
    /// # Errors
    /// Those of `SQLite`; the table must not exist.
    pub fn write_sqlite(&self, path: &Path) -> rusqlite::Result<()> {
        let mut database = Connection::open(path)?;
        database.pragma_update(None, "journal_mode", "wal")?;
        let transaction = database.transaction()?;
        let columns: Vec<String> = COLUMNS.iter().map(|name| format!("{name} {}", type_of(name))).collect();
        transaction.execute_batch(&format!(
            "CREATE TABLE {TABLE} ({});\nCREATE INDEX {TABLE}_SITE_TIME ON {TABLE} (SITE_ID, DATE_TIME);",
            columns.join(", ")
        ))?;
        {
            let marks = vec!["?"; COLUMNS.len()].join(",");
            let mut insert = transaction.prepare(&format!("INSERT INTO {TABLE} VALUES ({marks})"))?;
            self.lines(|line| {
                insert.execute(params_from_iter(line.trim_end().split(',').map(cell))).map(drop)
            })?;
        }
        transaction.commit()
    }
}

/// The declared type makes `SQLite` turn the text of a number into one: its column affinity.
fn type_of(column: &str) -> &'static str {
    match column {
        "SITE_ID" | "DATE_TIME" => "TEXT NOT NULL",
        "RECORD" => "INTEGER",
        _ if shape_of(column).decimals == 0 => "INTEGER",
        _ => "REAL",
    }
}

fn cell(text: &str) -> Option<impl ToSql> {
    (!matches!(text, "" | "NAN")).then_some(text)
}

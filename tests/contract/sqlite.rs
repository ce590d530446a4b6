//! A table in `SQLite`.

use livecosmos::source::sqlite::{Settings, SqliteSource, TimeUnit};
use livecosmos::source::{Source, TableShape};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::bed::{Bed, Row};

/// A database with the connection that writes to it.
pub(crate) struct SqliteBed {
    folder: TempDir,
    writer: Connection,
}

impl SqliteBed {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let writer = Connection::open(folder.path().join("data.db")).unwrap();
        writer.pragma_update(None, "journal_mode", "wal").unwrap();
        writer.pragma_update(None, "synchronous", "off").unwrap();
        writer
            .execute_batch(
                "CREATE TABLE T (ID INTEGER, SITE TEXT, TIME TEXT, V TEXT); CREATE INDEX I ON T (SITE, TIME)",
            )
            .unwrap();
        Self { folder, writer }
    }
}

impl Bed for SqliteBed {
    fn insert(&mut self, rows: &[Row]) {
        let transaction = self.writer.transaction().unwrap();
        for row in rows {
            let values = rusqlite::params![row.id, row.site, row.time(), row.value];
            transaction.execute("INSERT INTO T VALUES (?1, ?2, ?3, ?4)", values).unwrap();
        }
        transaction.commit().unwrap();
    }

    fn open(&self, shape: TableShape) -> Box<dyn Source> {
        let settings = Settings { path: self.folder.path().join("data.db"), time_unit: TimeUnit::Seconds };
        Box::new(SqliteSource::open(settings, shape).unwrap())
    }
}

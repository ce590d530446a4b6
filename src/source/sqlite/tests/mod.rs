//! The table is written by one connection and read by the source through another, as in the field.

mod faults;
mod once;
mod plans;
mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;

use livecosmos_state::{Cursor, SiteId, TableName, Time};
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::rows::{Batch, Kind};
use crate::source::{FileOrigin, Limits, Reject, Resume, Stopped, TimeReader};
use livecosmos_state::SourceFile;

/// 2026-01-01T00:00:00Z: what the clock says in these tests.
const NOW_S: i64 = 1_767_225_600;

/// A database in a folder of its own, with the connection that writes to it.
struct Database {
    folder: TempDir,
    writer: Connection,
}

impl Database {
    fn new(schema: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let writer = Connection::open(folder.path().join("data.db")).unwrap();
        writer.pragma_update(None, "journal_mode", "wal").unwrap();
        // No test cuts the power.
        writer.pragma_update(None, "synchronous", "off").unwrap();
        writer.execute_batch(schema).unwrap();
        Self { folder, writer }
    }

    /// A table of sites, texts as times and a value, with the index it should have.
    fn usual() -> Self {
        Self::new(
            "CREATE TABLE MET (ID INTEGER PRIMARY KEY, SITE_ID TEXT, DATE_TIME TEXT, TA REAL);
             CREATE INDEX MET_SITE_TIME ON MET (SITE_ID, DATE_TIME);",
        )
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("data.db")
    }

    fn run(&self, sql: &str) {
        self.writer.execute_batch(sql).unwrap();
    }

    fn insert(&self, site: &str, time: &str) {
        self.writer
            .execute("INSERT INTO MET (SITE_ID, DATE_TIME, TA) VALUES (?1, ?2, 1.5)", [site, time])
            .unwrap();
    }

    fn settings(&self) -> Settings {
        Settings { path: self.path(), time_unit: TimeUnit::Seconds }
    }

    fn open(&self, shape: TableShape) -> Result<SqliteSource, SourceError> {
        SqliteSource::open(self.settings(), shape)
    }
}

fn shape() -> TableShape {
    TableShape {
        table: TableName::parse("MET").unwrap(),
        site: SiteRule::Column("SITE_ID".to_owned()),
        time_column: "DATE_TIME".to_owned(),
        tie_column: None,
        time: TimeReader::utc(),
        null_values: vec![String::new(), "NAN".to_owned()],
        text_columns: BTreeSet::new(),
        column_types: BTreeMap::new(),
        sites: None,
        future_tolerance_s: 3_600,
        settle_s: 0,
        limits: Limits {
            batch_rows_max: 1_000,
            batch_bytes_max: 1 << 20,
            group_bytes_max: 1 << 22,
            partition: None,
        },
    }
}

fn start() -> Start {
    Start {
        now: Time::new(NOW_S, 0).unwrap(),
        files: Vec::new(),
        known: BTreeSet::new(),
        only: None,
        first_run: false,
        behind: false,
        is_bounded: false,
    }
}

/// Stands for the uploader: remembers where each site is and what came.
#[derive(Default)]
struct Recorder {
    cursors: BTreeMap<SiteId, Cursor>,
    floor: Option<Time>,
    paused: BTreeSet<SiteId>,
    batches: Vec<Batch>,
    rejects: Vec<Reject>,
    /// How many more batches it takes; `None` is no limit.
    batches_left: Option<usize>,
    /// Called when a site is asked for, for what happens to the database meanwhile.
    while_asked: Option<Box<dyn FnMut()>>,
    /// Called with each batch.
    while_sent: Option<Box<dyn FnMut()>>,
}

impl Intake for Recorder {
    fn resume(&mut self, site: &SiteId) -> Result<Resume, Stopped> {
        if let Some(while_asked) = &mut self.while_asked {
            while_asked();
        }
        let cursor = self.cursors.get(site).cloned().unwrap_or(Cursor::Start);
        Ok(Resume {
            bounds: None,
            rows_max: None,
            bytes_max: None,
            cut_at: None,
            cursor,
            ahead: Vec::new(),
            floor: self.floor,
            last_data: None,
            paused: self.paused.contains(site),
        })
    }

    fn register(&mut self, _: SourceFile, _: FileOrigin) -> Result<(), Stopped> {
        Err(Stopped)
    }

    fn batch(&mut self, batch: Batch) -> Result<(), Stopped> {
        if self.batches_left == Some(0) {
            return Err(Stopped);
        }
        self.batches_left = self.batches_left.map(|left| left - 1);
        if let Some(while_sent) = &mut self.while_sent {
            while_sent();
        }
        self.cursors.insert(batch.site.clone(), batch.to.clone());
        self.batches.push(batch);
        Ok(())
    }

    fn checkpoint(&mut self, _: &[SourceFile]) -> Result<(), Stopped> {
        Err(Stopped)
    }

    fn reject(&mut self, reject: Reject) -> Result<(), Stopped> {
        self.rejects.push(reject);
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.batches_left == Some(0)
    }
}

impl Recorder {
    /// What came since the last call: site and time of each row, in order.
    fn take(&mut self) -> Vec<String> {
        let shown = |batch: Batch| {
            let site = batch.site.clone();
            let times: Vec<Time> = batch.rows.times().iter().map(|row| row.time).collect();
            times.into_iter().map(move |time| format!("{site} {time}"))
        };
        std::mem::take(&mut self.batches).into_iter().flat_map(shown).collect()
    }

    /// The values of a column of every row that came, with their kinds.
    fn column(&self, name: &str) -> Vec<(Kind, String)> {
        let of_batch = |batch: &Batch| {
            let column = batch.rows.schema().columns.iter().position(|column| &**column == name).unwrap();
            let value = |row| batch.rows.value(row, column);
            (0..batch.rows.len()).map(|row| (value(row).kind, value(row).text.to_owned())).collect::<Vec<_>>()
        };
        self.batches.iter().flat_map(of_batch).collect()
    }
}

fn site(name: &str) -> SiteId {
    SiteId::parse(name).unwrap()
}

/// One pass of a fresh source.
fn read(database: &Database, shape: TableShape, recorder: &mut Recorder) -> Pass {
    database.open(shape).unwrap().pass(&start(), recorder).unwrap()
}

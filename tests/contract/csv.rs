//! A CSV file.

use std::io::Write as _;

use livecosmos::source::csv::{CsvSource, Settings};
use livecosmos::source::{Source, TableShape};
use tempfile::TempDir;

use crate::bed::{Bed, Row};

/// A file that grows.
pub(crate) struct CsvBed(TempDir);

impl CsvBed {
    pub(crate) fn new() -> Self {
        let bed = Self(tempfile::tempdir().unwrap());
        bed.append("SITE,TIME,ID,V\n");
        bed
    }

    fn append(&self, text: &str) {
        let mut file =
            std::fs::File::options().create(true).append(true).open(self.0.path().join("T.csv")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
}

impl Bed for CsvBed {
    fn insert(&mut self, rows: &[Row]) {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let line = |row: &Row| {
            let site = row.site.as_deref().map(quoted).unwrap_or_default();
            format!("{site},{},{},{}\n", row.time().unwrap_or_default(), row.id, quoted(&row.value))
        };
        self.append(&rows.iter().map(line).collect::<String>());
    }

    fn open(&self, shape: TableShape) -> Box<dyn Source> {
        let settings = Settings { path: self.0.path().join("T.csv"), delimiter: b',' };
        Box::new(CsvSource::open(settings, shape).unwrap())
    }

    fn is_table(&self) -> bool {
        false
    }
}

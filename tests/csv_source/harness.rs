//! A model of the uploader: it keeps what a state keeps, and stores in memory.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use livecosmos::rows::{Batch, Kind};
use livecosmos::source::csv::{CsvSource, Settings};
use livecosmos::source::{
    FileOrigin, Fold, Intake, Limits, Pass, Reject, Resume, SiteRule, Source, SourceError, Start, Stopped,
    TableShape, TimeReader,
};
use livecosmos_state::{Cursor, FileId, FilePosition, SiteId, SourceFile, TableName, Time};

/// 2026-01-01T00:00:00Z: what the clock shows in these tests.
pub(crate) const NOW_S: i64 = 1_767_225_600;

/// Where a site stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    pub(crate) ahead: Vec<FilePosition>,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) last_data: Option<Time>,
    pub(crate) floor: Option<Time>,
}

/// What survives a crash.
#[derive(Debug, Clone, Default)]
pub(crate) struct Durable {
    pub(crate) files: Vec<SourceFile>,
    pub(crate) sites: BTreeMap<SiteId, Standing>,
    /// The first run's floor.
    pub(crate) floor: Option<Time>,
    pub(crate) has_run: bool,
}

/// The uploader, its state and its sink.
pub(crate) struct Uploader {
    pub(crate) durable: Durable,
    /// Rows stored, in order: `site time cell|cell|…`.
    pub(crate) stored: Vec<String>,
    pub(crate) batch_rows: Vec<usize>,
    pub(crate) batch_files: Vec<FileId>,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) origins: Vec<FileOrigin>,
    pub(crate) checkpoints: usize,
    /// Sites that wait for their next try.
    pub(crate) paused: BTreeSet<SiteId>,
    pub(crate) only: Option<BTreeSet<SiteId>>,
    /// After so many batches the next call is refused: a crash.
    pub(crate) batches_until_crash: Option<usize>,
    /// Batches of this site fail.
    pub(crate) failing: Option<SiteId>,
    /// After so many questions whether to stop the answer is yes.
    pub(crate) stops_after: Option<usize>,
    /// Such questions so far.
    pub(crate) questions: Cell<usize>,
    /// The sites asked for in this pass.
    pub(crate) asked: Vec<SiteId>,
    gave_up: bool,
    pub(crate) behind: bool,
}

impl Default for Uploader {
    fn default() -> Self {
        Self {
            // Most tests are about files that follow on a first run long ago.
            durable: Durable { has_run: true, ..Durable::default() },
            stored: Vec::new(),
            batch_rows: Vec::new(),
            batch_files: Vec::new(),
            rejects: Vec::new(),
            origins: Vec::new(),
            checkpoints: 0,
            paused: BTreeSet::new(),
            only: None,
            batches_until_crash: None,
            failing: None,
            stops_after: None,
            questions: Cell::new(0),
            asked: Vec::new(),
            gave_up: false,
            behind: false,
        }
    }
}

impl Uploader {
    /// One pass, and what the daemon does after it.
    pub(crate) fn try_pass(&mut self, source: &mut CsvSource) -> Result<Pass, SourceError> {
        let start = Start {
            now: Time::new(NOW_S, 0).unwrap(),
            files: self.durable.files.clone(),
            known: self.durable.sites.keys().cloned().collect(),
            only: self.only.clone(),
            first_run: !self.durable.has_run,
            behind: self.behind,
            is_bounded: false,
        };
        self.gave_up = false;
        self.asked.clear();
        let pass = source.pass(&start, self);
        let is_clean = pass.is_ok() && !self.gave_up;
        self.behind = !is_clean || !self.paused.is_empty();
        if let (true, Ok(pass)) = (is_clean, &pass) {
            self.cover(&pass.files);
        }
        pass
    }

    pub(crate) fn pass(&mut self, source: &mut CsvSource) -> Pass {
        self.try_pass(source).expect("the pass succeeds")
    }

    /// The rows stored since the last call.
    pub(crate) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.stored)
    }

    /// A pass, and the rows it stored.
    pub(crate) fn follow(&mut self, source: &mut CsvSource) -> Vec<String> {
        self.pass(source);
        self.take()
    }

    pub(crate) fn reasons(&self) -> Vec<&str> {
        self.rejects.iter().map(|reject| reject.reason.as_str()).collect()
    }

    fn cover(&mut self, files: &[SourceFile]) {
        self.durable.has_run = true;
        self.durable.files = files.to_vec();
        for site in self.durable.sites.values_mut() {
            site.ahead.retain(|ahead| {
                files.iter().any(|file| file.file == ahead.file && file.covered < ahead.offset)
            });
        }
    }
}

impl Intake for Uploader {
    fn resume(&mut self, site: &SiteId) -> Result<Resume, Stopped> {
        self.asked.push(site.clone());
        let floor = self.durable.floor;
        let standing = self
            .durable
            .sites
            .entry(site.clone())
            .or_insert_with(|| Standing { floor, ..Standing::default() });
        Ok(Resume {
            bounds: None,
            rows_max: None,
            bytes_max: None,
            cut_at: None,
            cursor: standing.cursor.clone().unwrap_or(Cursor::Start),
            ahead: standing.ahead.clone(),
            floor: standing.floor,
            last_data: standing.last_data,
            paused: self.paused.contains(site),
        })
    }

    fn register(&mut self, file: SourceFile, origin: FileOrigin) -> Result<(), Stopped> {
        self.origins.push(origin);
        if origin == FileOrigin::Replaced {
            for site in self.durable.sites.values_mut() {
                site.floor = site.floor.max(site.last_data);
            }
        }
        self.durable.files.retain(|known| {
            known.file != file.file && (origin != FileOrigin::Replaced || known.path != file.path)
        });
        self.durable.files.push(file);
        Ok(())
    }

    fn batch(&mut self, batch: Batch) -> Result<(), Stopped> {
        if let Some(left) = &mut self.batches_until_crash {
            *left = left.checked_sub(1).ok_or(Stopped)?;
        }
        assert!(!batch.rows.is_empty(), "a batch has rows");
        if self.failing.as_ref() == Some(&batch.site) {
            self.gave_up = true;
            return Ok(());
        }
        let Cursor::File { file, offset } = batch.to else { panic!("a CSV has file cursors") };
        self.batch_rows.push(batch.rows.len());
        self.batch_files.push(file);
        self.stored.extend(lines(&batch));
        let standing = self.durable.sites.get_mut(&batch.site).expect("a site is asked for before its batch");
        standing.last_data = standing.last_data.max(batch.time_range().map(|(_, last)| last));
        standing.cursor = Some(batch.to.clone());
        match standing.ahead.iter_mut().find(|ahead| ahead.file == file) {
            Some(ahead) => {
                assert!(ahead.offset < offset, "a site's batches come in the order of its file");
                ahead.offset = offset;
            }
            None => standing.ahead.push(FilePosition { file, offset }),
        }
        Ok(())
    }

    fn checkpoint(&mut self, files: &[SourceFile]) -> Result<(), Stopped> {
        self.checkpoints += 1;
        if !self.gave_up && self.paused.is_empty() {
            self.cover(files);
        }
        Ok(())
    }

    fn reject(&mut self, reject: Reject) -> Result<(), Stopped> {
        self.rejects.push(reject);
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.questions.set(self.questions.get() + 1);
        self.stops_after.is_some_and(|questions| self.questions.get() > questions)
    }
}

/// The rows of a batch as text: kinds are shown by quotes around text and `null`.
pub(crate) fn lines(batch: &Batch) -> Vec<String> {
    let schema = batch.rows.schema();
    (0..batch.rows.len())
        .map(|row| {
            let cells: Vec<String> = batch
                .rows
                .values(row)
                .enumerate()
                .filter(|(column, _)| *column != schema.time && Some(*column) != schema.site)
                .map(|(_, value)| match value.kind {
                    Kind::Null => "null".to_owned(),
                    Kind::Text => format!("'{}'", value.text),
                    Kind::Number | Kind::Bool => value.text.to_owned(),
                })
                .collect();
            format!("{} {} {}", batch.site, batch.rows.times()[row].time, cells.join("|"))
        })
        .collect()
}

/// A folder with files, and how its table is configured.
pub(crate) struct Folder {
    root: tempfile::TempDir,
    pub(crate) shape: TableShape,
    pub(crate) delimiter: u8,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), shape: shape(), delimiter: b',' }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        File::create(self.path(name)).unwrap().write_all(content.as_ref()).unwrap();
    }

    pub(crate) fn append(&self, name: &str, content: impl AsRef<[u8]>) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(content.as_ref()).unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "a rotation by a stranger need not be durable")]
    pub(crate) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub(crate) fn copy(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// Compresses a file as `gzip` does: the original is gone afterwards.
    pub(crate) fn gzip(&self, name: &str) {
        let content = fs::read(self.path(name)).unwrap();
        self.write(&format!("{name}.gz"), gzipped(&content));
        self.remove(name);
    }

    /// A source as a new process would open it.
    pub(crate) fn open(&self, name: &str) -> CsvSource {
        CsvSource::open(self.settings(name), self.shape.clone()).unwrap()
    }

    pub(crate) fn settings(&self, name: &str) -> Settings {
        Settings { path: self.path(name), delimiter: self.delimiter }
    }
}

pub(crate) fn gzipped(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn site(text: &str) -> SiteId {
    SiteId::parse(text).unwrap()
}

/// `SITE,TIME,…`, times in UTC, `NA` for no value, and batches that are never full.
pub(crate) fn shape() -> TableShape {
    TableShape {
        table: TableName::parse("T").unwrap(),
        site: SiteRule::Column("SITE".to_owned()),
        time_column: "TIME".to_owned(),
        tie_column: None,
        time: TimeReader::new(TimeZone::UTC, Fold::Earlier, None),
        null_values: vec![String::new(), "NA".to_owned(), "NAN".to_owned()],
        text_columns: BTreeSet::new(),
        column_types: BTreeMap::new(),
        sites: None,
        future_tolerance_s: 3600,
        settle_s: 0,
        limits: Limits {
            batch_rows_max: 10_000,
            batch_bytes_max: 1 << 20,
            group_bytes_max: 16 << 20,
            partition: None,
        },
    }
}

/// Cells that show as they are.
pub(crate) fn row(site: &str, minute: u32, value: impl std::fmt::Display) -> String {
    format!("{site},2025-01-01T{:02}:{:02}:00Z,{value}\n", minute / 60, minute % 60)
}

/// How [`row`] is stored.
pub(crate) fn stored(site: &str, minute: u32, value: impl std::fmt::Display) -> String {
    format!("{site} 2025-01-01T{:02}:{:02}:00Z {value}", minute / 60, minute % 60)
}

/// How far a file is covered.
pub(crate) fn covered(file: &SourceFile) -> usize {
    usize::try_from(file.covered).unwrap()
}

pub(crate) const HEADER: &str = "SITE,TIME,V\n";

/// A file of rows of site `A` whose value is their number.
pub(crate) fn rows_of_a(minutes: std::ops::Range<u32>) -> String {
    minutes.map(|minute| row("A", minute, minute)).collect()
}

/// How [`rows_of_a`] is stored.
pub(crate) fn stored_of_a(minutes: std::ops::Range<u32>) -> Vec<String> {
    minutes.map(|minute| stored("A", minute, minute)).collect()
}

/// Reads a file of the repository or of a temporary folder.
pub(crate) fn content(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

/// A source that has read minutes 0 to 9 of `x.csv`.
pub(crate) fn begun(folder: &Folder) -> (CsvSource, Uploader) {
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(0..10)));
    let (mut source, mut uploader) = (folder.open("x.csv"), Uploader::default());
    assert_eq!(uploader.follow(&mut source), stored_of_a(0..10));
    (source, uploader)
}

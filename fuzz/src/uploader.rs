//! The uploader's side of a pass over CSV files: what is durable of it, and what was stored.

use std::collections::BTreeMap;

use livecosmos::rows::Batch;
use livecosmos::source::csv::CsvSource;
use livecosmos::source::{FileOrigin, Intake, Pass, Reject, Resume, Source, SourceError, Start, Stopped};
use livecosmos_state::{Cursor, FilePosition, SiteId, SourceFile, Time};

/// 2026-01-01.
const NOW_S: i64 = 1_767_225_600;

/// A row as it was given: its cells but for the time, nulls as `None`.
pub(crate) type Cells = Vec<Option<String>>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stored {
    pub(crate) time: Time,
    pub(crate) digits: u8,
    pub(crate) cells: Cells,
}

#[derive(Debug, Default)]
struct Standing {
    last_data: Option<Time>,
    cursor: Option<Cursor>,
    ahead: Vec<FilePosition>,
}

/// Stores everything at once. What it knows outlives the sources that read for it.
#[derive(Debug, Default)]
pub(crate) struct Uploader {
    files: Vec<SourceFile>,
    sites: BTreeMap<SiteId, Standing>,
    /// The rows of each site, in the order in which they came.
    pub(crate) stored: BTreeMap<SiteId, Vec<Stored>>,
    /// What was refused, by where it stands.
    pub(crate) rejects: BTreeMap<String, Reject>,
    /// After so many batches the process dies.
    pub(crate) batches_until_crash: Option<usize>,
    /// No batch may be larger.
    batch_rows_max: usize,
    /// A pass was given up: what it had read is to be read again.
    is_behind: bool,
}

impl Uploader {
    pub(crate) fn new(batch_rows_max: usize) -> Self {
        Self { batch_rows_max, ..Self::default() }
    }

    /// One pass, and what the daemon does after it.
    pub(crate) fn pass(&mut self, source: &mut CsvSource) -> Result<Pass, SourceError> {
        let start = Start {
            now: Time::new(NOW_S, 0).expect("a time of this century"),
            files: self.files.clone(),
            known: self.sites.keys().cloned().collect(),
            only: None,
            first_run: false,
            behind: self.is_behind,
            is_bounded: false,
        };
        let pass = source.pass(&start, self);
        self.is_behind = pass.is_err();
        if let Ok(pass) = &pass {
            self.cover(&pass.files);
        }
        pass
    }

    fn cover(&mut self, files: &[SourceFile]) {
        for file in files {
            let before = self.files.iter().find(|known| known.file == file.file);
            assert!(before.is_none_or(|before| before.covered <= file.covered), "{before:?} to {file:?}");
        }
        files.clone_into(&mut self.files);
        let is_beyond = |ahead: &FilePosition| {
            files.iter().any(|file| file.file == ahead.file && file.covered < ahead.offset)
        };
        self.sites.values_mut().for_each(|site| site.ahead.retain(is_beyond));
    }

    /// Where the bytes end up to which all files are covered.
    pub(crate) fn covered(&self) -> u64 {
        self.files.iter().map(|file| file.covered).max().unwrap_or(0)
    }
}

impl Intake for Uploader {
    fn resume(&mut self, site: &SiteId) -> Result<Resume, Stopped> {
        let standing = self.sites.entry(site.clone()).or_default();
        Ok(Resume {
            cursor: standing.cursor.clone().unwrap_or(Cursor::Start),
            ahead: standing.ahead.clone(),
            last_data: standing.last_data,
            ..Resume::from_the_start()
        })
    }

    fn register(&mut self, file: SourceFile, origin: FileOrigin) -> Result<(), Stopped> {
        assert_eq!(origin, FileOrigin::Appeared, "a file that only grew is the one it was");
        self.files.retain(|known| known.file != file.file);
        self.files.push(file);
        Ok(())
    }

    fn batch(&mut self, batch: Batch) -> Result<(), Stopped> {
        if let Some(left) = &mut self.batches_until_crash {
            *left = left.checked_sub(1).ok_or(Stopped)?;
        }
        assert!((1..=self.batch_rows_max).contains(&batch.rows.len()), "{} rows", batch.rows.len());
        let Cursor::File { file, offset } = batch.to else { panic!("a file has file cursors") };
        let standing = self.sites.get_mut(&batch.site).expect("a site is asked for before its batch");
        match standing.ahead.iter_mut().find(|ahead| ahead.file == file) {
            Some(ahead) => {
                assert!(ahead.offset < offset, "a site's batches come in the order of its file");
                ahead.offset = offset;
            }
            None => standing.ahead.push(FilePosition { file, offset }),
        }
        standing.cursor = Some(batch.to.clone());
        standing.last_data = standing.last_data.max(batch.time_range().map(|(_, last)| last));
        self.stored.entry(batch.site.clone()).or_default().extend(rows(&batch));
        Ok(())
    }

    fn checkpoint(&mut self, files: &[SourceFile]) -> Result<(), Stopped> {
        self.cover(files);
        Ok(())
    }

    fn reject(&mut self, reject: Reject) -> Result<(), Stopped> {
        self.rejects.insert(reject.identity.clone(), reject);
        Ok(())
    }

    fn stopped(&self) -> bool {
        false
    }
}

fn rows(batch: &Batch) -> impl Iterator<Item = Stored> {
    let time_column = batch.rows.schema().time;
    batch.rows.times().iter().enumerate().map(move |(row, time)| {
        let cells = batch.rows.values(row).enumerate().filter(|(column, _)| *column != time_column);
        let text = |value: livecosmos::rows::Value<'_>| {
            (value.kind != livecosmos::rows::Kind::Null).then(|| value.text.to_owned())
        };
        Stored { time: time.time, digits: time.digits, cells: cells.map(|(_, value)| text(value)).collect() }
    })
}

//! A CSV file of any bytes, plain or compressed: however it grows and whenever the process dies, the
//! same rows are given, each once, as if the file had been read at one go.
//!
//! The first four bytes of an input say how the file is read and written, as printable characters of
//! which the low six bits count; the rest is the file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use livecosmos::source::csv::{CsvSource, Settings};
use livecosmos::source::{Fold, Limits, Pass, SiteRule, SourceError, TableShape, TimeReader};
use livecosmos_state::{SiteId, TableName};

use super::folder;
use super::uploader::{Cells, Uploader};

const HEAD_BYTES: usize = 4;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const BATCH_ROWS: [usize; 2] = [2, 1_000];

/// How the file is read and written.
#[derive(Debug)]
struct Case<'a> {
    delimiter: u8,
    site: SiteRule,
    batch_rows_max: usize,
    is_compressed: bool,
    /// The source that met the beginning of the file is there when it has grown.
    is_one_process: bool,
    /// Part of the file that is written first, of 4096.
    cut: usize,
    /// The process dies after so many batches.
    batches_until_crash: usize,
    content: &'a [u8],
}

impl<'a> Case<'a> {
    fn of(input: &'a [u8]) -> Option<Self> {
        let (head, content) = input.split_at_checked(HEAD_BYTES)?;
        let [how, cut_1, cut_2, crash] = *head else { return None };
        let site = match how & 3 {
            0 | 1 => SiteRule::Column("SITE".to_owned()),
            2 => SiteRule::Fixed(SiteId::parse("S").ok()?),
            _ => SiteRule::Template("{station}".to_owned()),
        };
        Some(Self {
            delimiter: if how & 4 == 0 { b',' } else { b';' },
            site,
            batch_rows_max: BATCH_ROWS[usize::from(how >> 3 & 1)],
            is_compressed: how & 16 != 0,
            is_one_process: how & 32 != 0,
            cut: usize::from(cut_1 & 63) * 64 + usize::from(cut_2 & 63),
            batches_until_crash: usize::from(crash & 63),
            content,
        })
    }

    fn open(&self, path: PathBuf) -> CsvSource {
        let settings = Settings { path, delimiter: self.delimiter };
        CsvSource::open(settings, self.shape()).expect("the delimiter is one")
    }

    fn shape(&self) -> TableShape {
        let is_logger = matches!(self.site, SiteRule::Template(_));
        TableShape {
            table: TableName::parse("T").expect("a table's name"),
            site: self.site.clone(),
            time_column: if is_logger { "TIMESTAMP" } else { "TIME" }.to_owned(),
            tie_column: None,
            time: TimeReader::new(TimeZone::UTC, Fold::Earlier, None),
            null_values: [String::new(), "NAN".to_owned()].into(),
            text_columns: BTreeSet::new(),
            sites: None,
            future_tolerance_s: 3_600,
            settle_s: 0,
            limits: Limits {
                batch_rows_max: self.batch_rows_max,
                batch_bytes_max: 1 << 20,
                group_bytes_max: 4 << 20,
                partition: None,
            },
        }
    }

    /// The bytes as they lie on the disk.
    fn file(&self) -> Vec<u8> {
        if !self.is_compressed {
            return self.content.to_vec();
        }
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(self.content).expect("memory takes every write");
        encoder.finish().expect("memory takes every write")
    }
}

/// Reads the file at one go, grown in two steps, and with a crash, and compares.
pub fn check(input: &[u8]) {
    let Some(case) = Case::of(input) else { return };
    let file = case.file();
    let (whole, result) = read_whole(&case, &file);
    if !is_sound(result) {
        return;
    }
    assert!(case.is_compressed || file.starts_with(&GZIP_MAGIC) || whole.covered() <= file.len() as u64);
    if !file.starts_with(&GZIP_MAGIC) {
        assert_no_line_is_missed(&case, &whole);
    }
    assert_same(&whole, &read_with_a_crash(&case, &file), "with a crash");
    // A gzip file of several members may end, for a while, where one of them does, and with it its last
    // row: of such files, only what was compressed here, in one member, is cut.
    if case.is_compressed || !file.starts_with(&GZIP_MAGIC) {
        assert_same(&whole, &read_growing(&case, &file), "as it grew");
    }
}

/// Whether nothing is wrong with the file.
fn is_sound(result: Result<Pass, SourceError>) -> bool {
    match result {
        Ok(pass) => pass.faults.is_empty(),
        Err(SourceError::Config(message) | SourceError::Unavailable(message)) => {
            assert!(message.contains(';'), "no remedy: {message}");
            false
        }
        Err(error) => panic!("bytes alone cannot cause this: {error}"),
    }
}

fn read_whole(case: &Case<'_>, file: &[u8]) -> (Uploader, Result<Pass, SourceError>) {
    let path = folder::path("whole.csv");
    folder::put(&path, file);
    let (mut source, mut uploader) = (case.open(path), Uploader::new(case.batch_rows_max));
    let result = uploader.pass(&mut source);
    if matches!(&result, Ok(pass) if pass.faults.is_empty()) {
        let (rows, covered) = (count(&uploader), uploader.covered());
        let again = uploader.pass(&mut source).expect("a file that was read can be looked at");
        assert_eq!((again.rows_read, count(&uploader), uploader.covered()), (0, rows, covered), "read twice");
    }
    (uploader, result)
}

fn count(uploader: &Uploader) -> usize {
    uploader.stored.values().map(Vec::len).sum()
}

/// The process dies after some batches; another takes over.
fn read_with_a_crash(case: &Case<'_>, file: &[u8]) -> Uploader {
    let path = folder::path("crash.csv");
    folder::put(&path, file);
    let mut uploader = Uploader::new(case.batch_rows_max);
    uploader.batches_until_crash = Some(case.batches_until_crash);
    let first = uploader.pass(&mut case.open(path.clone()));
    assert!(matches!(first, Ok(_) | Err(SourceError::Stopped(_))), "{first:?}");
    uploader.batches_until_crash = None;
    let second = uploader.pass(&mut case.open(path)).expect("a file that can be read");
    assert!(second.faults.is_empty(), "{:?}", second.faults);
    uploader
}

/// A beginning of the file is read first, cut anywhere.
fn read_growing(case: &Case<'_>, file: &[u8]) -> Uploader {
    let path = folder::path("growing.csv");
    let (first, rest) = file.split_at(file.len() * case.cut / 4096);
    folder::put(&path, first);
    let (mut source, mut uploader) = (case.open(path.clone()), Uploader::new(case.batch_rows_max));
    let beginning = uploader.pass(&mut source);
    assert!(!matches!(beginning, Err(SourceError::Stopped(_) | SourceError::Denied(_))), "{beginning:?}");
    folder::append(&path, rest);
    if !case.is_one_process {
        source = case.open(path);
    }
    let end = uploader.pass(&mut source).expect("a file that can be read");
    assert!(end.faults.is_empty(), "{:?}", end.faults);
    uploader
}

fn assert_same(whole: &Uploader, other: &Uploader, how: &str) {
    assert_eq!(whole.stored, other.stored, "{how}");
    assert!(whole.rejects.keys().eq(other.rejects.keys()), "{how}: {:?}, {:?}", whole.rejects, other.rejects);
    assert_eq!(whole.covered(), other.covered(), "{how}");
}

/// Where no quote is in a file, its lines are its rows: each is given as it is, or refused.
fn assert_no_line_is_missed(case: &Case<'_>, read: &Uploader) {
    let content = case.content.strip_prefix(BYTE_ORDER_MARK).unwrap_or(case.content);
    if content.contains(&b'"') {
        return;
    }
    let mut lines: Vec<&[u8]> = content.split(|byte| *byte == b'\n').collect();
    if !case.is_compressed {
        // It has no end yet.
        lines.pop();
    }
    let lines = lines.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let lines: Vec<Vec<String>> =
        lines.filter(|line| !line.is_empty()).map(|line| cells(case, line)).collect();
    let is_logger = lines.first().is_some_and(|header| header[0].trim() == "TOA5");
    let (names, header_lines) = if is_logger { (1, 4) } else { (0, 1) };
    let Some(rows) = lines.get(header_lines..) else { return };
    assert_eq!(rows.len(), count(read) + read.rejects.len(), "lines and rows");

    let wanted = case.shape().time_column;
    let Some(time) = lines[names].iter().position(|name| name.trim() == wanted) else { return };
    let mut left: BTreeMap<Cells, usize> = BTreeMap::new();
    for mut row in rows.iter().filter(|row| row.len() > time).cloned() {
        row.remove(time);
        let value = |cell: String| (!matches!(&*cell, "" | "NAN")).then_some(cell);
        *left.entry(row.into_iter().map(value).collect()).or_default() += 1;
    }
    for row in read.stored.values().flatten() {
        let count = left.get_mut(&row.cells).filter(|count| **count > 0);
        *count.unwrap_or_else(|| panic!("no line has the cells of {row:?}")) -= 1;
    }
}

fn cells(case: &Case<'_>, line: &[u8]) -> Vec<String> {
    let cells = line.split(|byte| *byte == case.delimiter);
    cells.map(|cell| String::from_utf8_lossy(cell).into_owned()).collect()
}

//! Parquet files, as [`crate::payload::parquet`] writes them.

mod cursor;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::digest;
use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use super::time::TimeParser;
use super::{PayloadSum, ReadError};
use crate::column_type::ColumnType;
use crate::panics;
use crate::payload::parquet::MAGIC;
use crate::payload::parquet::layout::{About, Group, KEY};
use crate::payload::parquet::spelling::Spelled;
use crate::rows::{Kind, RowTime, Rows, Schema};

use cursor::{ColumnCursor, ColumnTexts, Texts};

/// Rows in a piece.
const ROWS_MAX: usize = 4096;
/// Bytes of values in a piece, about.
const VALUE_BYTES_MAX: u64 = 256 * 1024;
/// A magic number at either end, and before the last the length of the footer.
const FILE_BYTES_MIN: usize = 12;
/// The longest block of spellings: no longer than the values of a batch.
const SPELLINGS_BYTES_MAX: usize = 1 << 30;

/// What a whole file is.
pub(super) fn sum(stored: &[u8]) -> PayloadSum {
    let mut digest = [0; 32];
    digest.copy_from_slice(digest::digest(&digest::SHA256, stored).as_ref());
    PayloadSum { digest, payload_bytes: stored.len() as u64 }
}

/// Whether `stored` is a Parquet file.
pub(super) fn is_file(stored: &[u8]) -> bool {
    stored.starts_with(MAGIC)
}

/// A file that is read row group by row group.
pub(super) struct TypedFile {
    stored: Bytes,
    file: SerializedFileReader<Bytes>,
    about: About,
    schema: Arc<Schema>,
    times: TimeParser,
    /// The next row group.
    next: usize,
    open: Option<OpenGroup>,
}

/// A row group, as far as it is read.
struct OpenGroup {
    columns: Vec<(ColumnCursor, Option<Spelled>)>,
    rescued: Texts,
    /// Rows read, of `rows`.
    at: usize,
    rows: usize,
    piece_rows: usize,
}

impl TypedFile {
    pub(super) fn begin(stored: &Bytes) -> Result<Self, ReadError> {
        if stored.len() < FILE_BYTES_MIN || !stored.ends_with(MAGIC) {
            return fail("it is no whole Parquet file");
        }
        guarded(|| {
            let file = SerializedFileReader::new(stored.clone()).map_err(|error| unreadable(&error))?;
            let metadata = file.metadata().file_metadata();
            let entries = metadata.key_value_metadata().into_iter().flatten();
            let own = entries.filter(|entry| entry.key == KEY).find_map(|entry| entry.value.as_deref());
            let Some(own) = own else { return fail("it is a Parquet file that livecosmos did not write") };
            let about = About::parse(own).or_else(|error| fail(&format!("its entry '{KEY}': {error}")))?;
            let fields = metadata.schema_descr().columns();
            let names: Vec<Box<str>> = fields.iter().map(|field| field.name().into()).collect();
            let types: Result<Vec<ColumnType>, _> = about.types.iter().map(|kind| kind.parse()).collect();
            let types = types.or_else(|error| fail(&error.to_string()))?;
            let groups = file.num_row_groups();
            if names.len() != types.len() + 1 || about.time >= types.len() || about.groups.len() != groups {
                return fail("what it says of itself does not go with its columns and row groups");
            }
            let columns = names[..types.len()].into();
            let schema = Arc::new(Schema { columns, types: types.into(), time: about.time, site: None });
            let times = TimeParser::default();
            Ok(Self { stored: stored.clone(), file, about, schema, times, next: 0, open: None })
        })
    }

    /// As [`super::PayloadReader::next_rows`].
    pub(super) fn next_rows(&mut self) -> Result<Option<Rows>, ReadError> {
        loop {
            if let Some(group) = self.open.as_mut().filter(|group| group.at < group.rows) {
                let (schema, times) = (&self.schema, &mut self.times);
                return guarded(|| group.next_rows(schema, times)).map(Some);
            }
            if self.next == self.file.num_row_groups() {
                return Ok(None);
            }
            self.open = Some(guarded(|| self.open_group(self.next))?);
            self.next += 1;
        }
    }

    fn open_group(&self, number: usize) -> Result<OpenGroup, ReadError> {
        let group = self.file.get_row_group(number).map_err(|error| unreadable(&error))?;
        let about = self.about.groups[number];
        let block = self.spellings(about)?;
        let mut rest = &block[..];
        let mut columns = Vec::with_capacity(self.schema.columns.len());
        for (at, kind) in self.schema.types.iter().enumerate() {
            let reader = group.get_column_reader(at).map_err(|error| unreadable(&error))?;
            let Some(cursor) = ColumnCursor::new(reader, *kind) else {
                return fail(&format!("column '{}' is not stored as {kind}", self.schema.columns[at]));
            };
            let spelled = match kind {
                ColumnType::Text => None,
                _ => match Spelled::take(&mut rest) {
                    None => return fail("the spellings of its values are cut"),
                    spelled => spelled,
                },
            };
            columns.push((cursor, spelled));
        }
        let last = group.get_column_reader(columns.len()).map_err(|error| unreadable(&error))?;
        let Some(rescued) = Texts::new(last) else { return fail("its last column is no text") };
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        let in_piece = VALUE_BYTES_MAX.saturating_mul(rows as u64) / about.value_bytes.max(1);
        let piece_rows = usize::try_from(in_piece).unwrap_or(ROWS_MAX).clamp(1, ROWS_MAX);
        Ok(OpenGroup { columns, rescued, at: 0, rows, piece_rows })
    }

    fn spellings(&self, group: Group) -> Result<Vec<u8>, ReadError> {
        use std::io::Read as _;
        let at = usize::try_from(group.at).ok();
        let range = at.and_then(|at| Some(at..at.checked_add(usize::try_from(group.bytes).ok()?)?));
        let Some(block) = range.and_then(|range| self.stored.get(range)) else {
            return fail("the spellings of its values lie outside of it");
        };
        let mut spellings = Vec::new();
        let decoder = zstd::stream::read::Decoder::new(block);
        let read =
            decoder.and_then(|decoder| decoder.take(SPELLINGS_BYTES_MAX as u64).read_to_end(&mut spellings));
        read.or_else(|error| fail(&format!("the spellings of its values cannot be decompressed ({error})")))?;
        Ok(spellings)
    }
}

impl OpenGroup {
    fn next_rows(&mut self, schema: &Arc<Schema>, times: &mut TimeParser) -> Result<Rows, ReadError> {
        let count = self.piece_rows.min(self.rows - self.at);
        let rescued = self.rescued(count)?;
        let mut texts = Vec::with_capacity(self.columns.len());
        for ((cursor, spelled), name) in self.columns.iter_mut().zip(&schema.columns) {
            let rescued = |place: usize| rescued.get(&place)?.get(&**name).map(String::as_str);
            let read = cursor.read(self.at, count, spelled.as_mut(), &rescued);
            texts.push(read.or_else(|what| fail(&format!("column '{name}': {what}")))?);
        }
        self.at += count;
        let mut rows = Rows::new(Arc::clone(schema));
        for row in 0..count {
            let mut time = None;
            for (at, column) in texts.iter().enumerate() {
                let (kind, text) = column.get(row);
                if at == schema.time {
                    time = Some(read_time(times, text)?);
                    rows.push(Kind::Text, "");
                } else {
                    rows.push(kind, text);
                }
            }
            rows.end_row(time.ok_or(()).or_else(|()| fail("a row has no time"))?);
        }
        Ok(rows)
    }

    /// The values that do not fit, of the rows where there are any.
    fn rescued(&mut self, count: usize) -> Result<BTreeMap<usize, BTreeMap<String, String>>, ReadError> {
        let mut texts = ColumnTexts::default();
        self.rescued.read(count, &mut texts).or_else(|what| fail(&what))?;
        let mut found = BTreeMap::new();
        for row in 0..count {
            if let (Kind::Text, text) = texts.get(row) {
                let values = serde_json::from_str(text);
                let values = values.or_else(|error| fail(&format!("its last column: {error}")))?;
                found.insert(row, values);
            }
        }
        Ok(found)
    }
}

fn read_time(times: &mut TimeParser, text: &str) -> Result<RowTime, ReadError> {
    let shown = || text.chars().take(64).collect::<String>();
    times
        .parse(text)
        .ok_or(())
        .or_else(|()| fail(&format!("'{}' is no time as livecosmos writes it", shown())))
}

/// The library expects less of broken files than it says, and a file may be anything.
fn guarded<T>(call: impl FnOnce() -> Result<T, ReadError>) -> Result<T, ReadError> {
    panics::catch(call).unwrap_or_else(|panic| fail(&format!("it is damaged ({panic})")))
}

fn unreadable(error: &ParquetError) -> ReadError {
    ReadError { at: 0, what: error.to_string() }
}

fn fail<T>(what: &str) -> Result<T, ReadError> {
    Err(ReadError { at: 0, what: what.to_owned() })
}

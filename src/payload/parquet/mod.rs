//! Apache Parquet, with typed columns: <https://parquet.apache.org/docs/file-format/>.
//!
//! A file holds each column under its type, and beside the data two things of its own, so that nothing is
//! lost for the sake of a type (I6):
//!
//! - A value that does not fit its type is a null there, and one that is finer than its type is cut;
//!   either stands, as the source wrote it, in the last column, a JSON object a row. So one odd value
//!   stops no row, and whoever reads the file sees it.
//! - Where a value's spelling does not follow from its type (`0.10` as a double), the spelling stands in a
//!   block of bytes behind its row group. Readers of Parquet go by offsets and never see it; we read rows
//!   back from there as their source wrote them, which is how a row is known again.
//!
//! Rows are written group by group and column by column: beside the batch and the payload so far, one
//! column of one group is in memory.

mod column;
pub(super) mod layout;
pub(super) mod number;
pub(super) mod spelling;
pub(super) mod time;
pub(super) mod value;

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;

use super::compress::PayloadWriter;
use crate::rows::Batch;

use column::{Chunk, Misfits};
use layout::{About, Group, KEY};

/// The magic number at both ends of a file.
pub(super) const MAGIC: &[u8; 4] = b"PAR1";

/// Fixed: an upgrade must not change the bytes of a payload that is being tried again for its sake alone.
const CREATED_BY: &str = "livecosmos";

/// Rows in a group: as many as readers like to take in at once.
const GROUP_ROWS_MAX: usize = 122_880;
/// Bytes of values in a group, but for its last row's.
const GROUP_VALUE_BYTES_MAX: usize = 32 << 20;

/// As for other payloads: higher levels take far longer and save little.
const ZSTD_LEVEL: i32 = 1;

/// Writes `batch`; gives the number of values that do not fit their types.
pub(super) fn write(batch: &Batch, writer: &mut PayloadWriter) -> io::Result<u64> {
    write_file(batch, writer).map_err(|error| match error {
        ParquetError::External(error) => io::Error::other(error),
        error => io::Error::other(error),
    })
}

fn write_file(batch: &Batch, writer: &mut PayloadWriter) -> Result<u64, ParquetError> {
    let rows = &batch.rows;
    let mut about = About::of(rows.schema());
    let schema = layout::file_schema(rows.schema(), &about)?;
    let mut file = SerializedFileWriter::new(Payload(writer), schema, Arc::new(properties()?))?;
    let mut misfits_in_all = 0;
    let mut from = 0;
    while from < rows.len() {
        let range = next_group(batch, from);
        let mut misfits = Misfits::default();
        let mut spellings = Vec::new();
        let mut group = file.next_row_group()?;
        for at in 0..rows.schema().columns.len() {
            let writer = group.next_column()?.ok_or_else(|| lacks_column(at))?;
            Chunk { rows, range: range.clone(), at }.write(writer, &mut misfits, &mut spellings)?;
        }
        let writer = group.next_column()?.ok_or_else(|| lacks_column(rows.schema().columns.len()))?;
        misfits_in_all += misfits.len();
        misfits.write(writer, range.len(), rows.schema())?;
        group.close()?;
        let block = zstd::bulk::compress(&spellings, ZSTD_LEVEL).map_err(|error| external(&error))?;
        let at = file.bytes_written() as u64;
        file.write_all(&block).map_err(|error| external(&error))?;
        let value_bytes = range.clone().map(|row| rows.row_bytes(row) as u64).sum();
        about.groups.push(Group { at, bytes: block.len() as u64, value_bytes });
        from = range.end;
    }
    file.append_key_value_metadata(KeyValue::new(KEY.to_owned(), about.to_text()));
    file.close()?;
    Ok(misfits_in_all)
}

/// About how long the payload of `batch` is.
pub(super) fn expected_bytes(batch: &Batch) -> usize {
    batch.rows.value_bytes() / 2
}

fn properties() -> Result<WriterProperties, ParquetError> {
    Ok(WriterProperties::builder()
        // What every reader knows.
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .build())
}

/// The rows from `from` on that one group holds.
fn next_group(batch: &Batch, from: usize) -> Range<usize> {
    let (mut end, mut value_bytes) = (from, 0);
    while end < batch.rows.len() && end - from < GROUP_ROWS_MAX && value_bytes < GROUP_VALUE_BYTES_MAX {
        value_bytes += batch.rows.row_bytes(end);
        end += 1;
    }
    from..end
}

fn external(error: &io::Error) -> ParquetError {
    ParquetError::General(error.to_string())
}

fn lacks_column(at: usize) -> ParquetError {
    ParquetError::General(format!("the file has no column {at}"))
}

/// The payload as the library writes to it.
struct Payload<'a>(&'a mut PayloadWriter);

impl Write for Payload<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.buffer().extend_from_slice(bytes);
        self.0.advance()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

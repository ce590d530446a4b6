//! Rows to bytes. Pure: the same batch, settings and version give the same bytes.

mod array;
mod compress;
pub mod cr1000x;
mod csv;
mod json;
mod ndjson;
mod object;
mod parquet;
mod read;
mod time;

use bytes::Bytes;

pub use compress::Compression;
pub use read::{PayloadReader, PayloadSum, ReadError};

use crate::rows::Batch;

/// How rows are spelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a row, values as the source wrote them.
    Ndjson,
    /// One JSON array a batch, of the same objects.
    Json,
    /// A Campbell CR1000X logger's JSON, one document a batch.
    Cr1000x(cr1000x::Program),
    /// Comma-separated values with a header line, as the source wrote them.
    Csv,
    /// Parquet, columns by their types.
    Parquet,
}

/// A payload ready to be stored.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The bytes as stored: compressed, where that is set.
    pub bytes: Bytes,
    /// SHA-256 of the payload before compression.
    pub digest: [u8; 32],
    /// Length before compression, in bytes.
    pub payload_bytes: u64,
    /// Values that do not fit the types of their columns, and stand beside them.
    pub misfits: u64,
}

impl Format {
    /// Ending of a key, with its dot, before that of the compression.
    #[must_use]
    pub fn extension(&self) -> &'static str {
        match self {
            Self::Ndjson => ".ndjson",
            Self::Json | Self::Cr1000x(_) => ".json",
            Self::Csv => ".csv",
            Self::Parquet => ".parquet",
        }
    }

    /// Media type of the payload.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Json | Self::Cr1000x(_) => "application/json",
            // RFC 4180, section 3.
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// Spells `batch` and compresses it on the way: the uncompressed payload is never held whole
    /// when `compression` is set. A Parquet file compresses itself, and is stored as it is.
    ///
    /// # Errors
    /// Only what the compression library reports.
    pub fn encode(&self, batch: &Batch, compression: Compression) -> std::io::Result<Encoded> {
        let expected_bytes = match self {
            Self::Ndjson => ndjson::expected_bytes(batch),
            Self::Json => array::expected_bytes(batch),
            Self::Cr1000x(_) => cr1000x::expected_bytes(batch),
            Self::Csv => csv::expected_bytes(batch),
            Self::Parquet => parquet::expected_bytes(batch),
        };
        let compression = if *self == Self::Parquet { Compression::None } else { compression };
        let mut writer = compress::PayloadWriter::new(compression, expected_bytes)?;
        let mut misfits = 0;
        match self {
            Self::Ndjson => ndjson::write(batch, &mut writer)?,
            Self::Json => array::write(batch, &mut writer)?,
            Self::Cr1000x(program) => cr1000x::write(batch, program, &mut writer)?,
            Self::Csv => csv::write(batch, &mut writer)?,
            Self::Parquet => misfits = parquet::write(batch, &mut writer)?,
        }
        Ok(Encoded { misfits, ..writer.finish()? })
    }
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

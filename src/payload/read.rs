//! Bytes back to rows: what a payload holds, as [`super::Format`] and [`super::Compression`] spelled it.
//!
//! A payload says by itself how it is spelled, so that a change of the configuration makes no old
//! object unreadable: gzip, Zstandard and Parquet begin with their magic numbers, a CR1000X document with a
//! head that is an object, which no value of an ndjson row can be, an ndjson row with a brace, a JSON array with a
//! bracket, as no CSV does. Only the name of the time column must be known; it stands in the facts of the object.
//!
//! Memory is bounded by one row and one piece, of a Parquet file by a page of each column, however long the
//! payload is.

mod document;
mod object;
mod piece;
mod record;
mod scan;
mod time;
mod typed;
mod unpack;

use bytes::Bytes;

use crate::rows::Rows;

use document::Document;
use object::Array;
use piece::Pieces;
use record::Records;
use scan::Scanner;
use typed::TypedFile;
use unpack::Unpacker;

/// What a CR1000X document begins with, and no ndjson row: its values are never objects.
const DOCUMENT_START: &[u8] = br#"{"head":{"#;

/// What is wrong with a payload, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its payload cannot be read at byte {at}: {what}")]
pub struct ReadError {
    /// Bytes of the uncompressed payload before the place.
    pub at: u64,
    /// What stands there, and what should.
    pub what: String,
}

/// Reads the rows of one stored payload, piece by piece.
pub struct PayloadReader<'a>(Shape<'a>);

enum Shape<'a> {
    Stream(Box<Stream<'a>>),
    /// Opened with its first rows: what it holds is summed up even if it cannot be.
    File(Bytes, Option<Box<TypedFile>>),
}

struct Stream<'a> {
    scanner: Scanner<Unpacker<'a>>,
    form: Form,
    pieces: Pieces,
}

enum Form {
    Lines,
    Array(Array),
    Document(Document),
    Records(Records),
}

/// What the whole payload is, known once all of it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadSum {
    /// SHA-256 before compression.
    pub digest: [u8; 32],
    /// Length before compression, in bytes.
    pub payload_bytes: u64,
}

impl<'a> PayloadReader<'a> {
    /// Starts to read `stored`, the bytes of an object. `time_column` names the member or column
    /// that holds a row's time.
    ///
    /// # Errors
    /// [`ReadError`] when it begins like no payload.
    pub fn new(stored: &'a [u8], time_column: &str) -> Result<Self, ReadError> {
        if typed::is_file(stored) {
            return Ok(Self(Shape::File(Bytes::copy_from_slice(stored), None)));
        }
        let mut scanner =
            Scanner::new(Unpacker::new(stored).map_err(|error| ReadError {
                at: 0,
                what: format!("it cannot be decompressed ({error})"),
            })?);
        let form = if scanner.starts_with(DOCUMENT_START)? {
            Form::Document(Document::begin(&mut scanner, time_column)?)
        } else if scanner.starts_with(b"{")? || scanner.has_ended()? {
            Form::Lines
        } else if scanner.starts_with(b"[")? {
            Form::Array(Array::Ahead)
        } else {
            Form::Records(Records::new(time_column))
        };
        let pieces = Pieces::new(time_column);
        Ok(Self(Shape::Stream(Box::new(Stream { scanner, form, pieces }))))
    }

    /// The next rows, at least one, in the order of the payload; `None` at its end.
    ///
    /// The cell of the time column is an empty text, as in every [`Rows`]. Of a CR1000X payload the time
    /// comes first.
    ///
    /// # Errors
    /// [`ReadError`]; the rows given before it stand in the payload.
    pub fn next_rows(&mut self) -> Result<Option<Rows>, ReadError> {
        let Stream { scanner, form, pieces } = match &mut self.0 {
            Shape::Stream(stream) => &mut **stream,
            Shape::File(stored, file) => {
                let file = match file {
                    Some(file) => file,
                    None => file.insert(Box::new(TypedFile::begin(stored)?)),
                };
                return file.next_rows();
            }
        };
        pieces.next(|row| match form {
            Form::Lines => object::next(scanner, row),
            Form::Array(array) => array.next(scanner, row),
            Form::Document(document) => document.next(scanner, row),
            Form::Records(records) => records.next(scanner, row),
        })
    }

    /// The station that a CR1000X payload names.
    #[must_use]
    pub fn station(&self) -> Option<&str> {
        match &self.0 {
            Shape::Stream(stream) => match &stream.form {
                Form::Document(document) => document.station(),
                Form::Lines | Form::Array(_) | Form::Records(_) => None,
            },
            Shape::File(..) => None,
        }
    }

    /// Reads what is left without looking at it, and sums up the whole.
    ///
    /// # Errors
    /// [`ReadError`] where it cannot be decompressed.
    pub fn finish(self) -> Result<PayloadSum, ReadError> {
        let stream = match self.0 {
            Shape::Stream(stream) => stream,
            Shape::File(stored, _) => return Ok(typed::sum(&stored)),
        };
        let read = stream.scanner.bytes_taken();
        stream
            .scanner
            .into_inner()
            .finish()
            .map_err(|error| ReadError { at: read, what: format!("it cannot be decompressed ({error})") })
    }
}

#[cfg(test)]
mod tests;

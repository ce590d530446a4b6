//! Bytes back to rows: what a payload holds, as [`super::Format`] and [`super::Compression`] spelled it.
//!
//! A payload says by itself how it is spelled, so that a change of the configuration makes no old
//! object unreadable: gzip and Zstandard begin with their magic numbers, a CR1000X document with a head
//! that is an object, which no value of an ndjson row can be. Only the name of an ndjson row's time
//! column must be known; it stands in the facts of the object.
//!
//! Memory is bounded by one row and one piece, however long the payload is.

mod document;
mod line;
mod piece;
mod scan;
mod time;
mod unpack;

use crate::rows::Rows;

use document::Document;
use piece::Pieces;
use scan::Scanner;
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
pub struct PayloadReader<'a> {
    scanner: Scanner<Unpacker<'a>>,
    form: Form,
    pieces: Pieces,
}

enum Form {
    Lines,
    Document(Document),
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
    /// Starts to read `stored`, the bytes of an object. `time_column` names the member of an ndjson row
    /// that holds its time.
    ///
    /// # Errors
    /// [`ReadError`] when it begins like no payload.
    pub fn new(stored: &'a [u8], time_column: &str) -> Result<Self, ReadError> {
        let mut scanner =
            Scanner::new(Unpacker::new(stored).map_err(|error| ReadError {
                at: 0,
                what: format!("it cannot be decompressed ({error})"),
            })?);
        let form = if scanner.starts_with(DOCUMENT_START)? {
            Form::Document(Document::begin(&mut scanner, time_column)?)
        } else {
            Form::Lines
        };
        Ok(Self { scanner, form, pieces: Pieces::new(time_column) })
    }

    /// The next rows, at least one, in the order of the payload; `None` at its end.
    ///
    /// The cell of the time column is an empty text, as in every [`Rows`]. Of a CR1000X payload the time
    /// comes first.
    ///
    /// # Errors
    /// [`ReadError`]; the rows given before it stand in the payload.
    pub fn next_rows(&mut self) -> Result<Option<Rows>, ReadError> {
        let Self { scanner, form, pieces } = self;
        pieces.next(|row| match form {
            Form::Lines => line::next(scanner, row),
            Form::Document(document) => document.next(scanner, row),
        })
    }

    /// The station that a CR1000X payload names.
    #[must_use]
    pub fn station(&self) -> Option<&str> {
        match &self.form {
            Form::Lines => None,
            Form::Document(document) => document.station(),
        }
    }

    /// Reads what is left without looking at it, and sums up the whole.
    ///
    /// # Errors
    /// [`ReadError`] where it cannot be decompressed.
    pub fn finish(self) -> Result<PayloadSum, ReadError> {
        let read = self.scanner.bytes_taken();
        self.scanner
            .into_inner()
            .finish()
            .map_err(|error| ReadError { at: read, what: format!("it cannot be decompressed ({error})") })
    }
}

#[cfg(test)]
mod tests;

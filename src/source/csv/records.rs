//! Reads a stream record by record and knows where each begins and ends.
//!
//! A record is given only when all of it is in the buffer: an unfinished last line is held back
//! without any further rule.

use std::fs::File;
use std::io;

use super::split::{ROW_BYTES_MAX, Split, Splitter};
use super::stream::Stream;
use crate::source::Stopped;

/// The buffer's first size, in bytes; it grows with the longest row only.
const BUFFER_BYTES: usize = 256 << 10;
/// Bytes before a position whose hash recognises it.
pub(super) const CHECK_BYTES_MAX: usize = 64;
/// As much of a line too long to be a row is kept to show it.
const LONG_SAMPLE_BYTES: usize = 64 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// For a short reading that need not be stopped.
pub(super) fn never() -> bool {
    false
}

/// A place in a file and the hash of the bytes just before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) offset: u64,
    pub(super) check: u64,
}

impl Position {
    /// The beginning of any file.
    pub(super) const START: Self = Self { offset: 0, check: 0 };

    /// The place `offset`, before which `bytes` stand.
    pub(super) fn after(offset: u64, bytes: &[u8]) -> Self {
        let tail = &bytes[bytes.len().saturating_sub(CHECK_BYTES_MAX)..];
        let check = if tail.is_empty() { 0 } else { crc_fast::crc64_nvme(tail) };
        Self { offset, check }
    }
}

/// What [`Records::advance`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A record: see [`Records::record`] and [`Records::fields`].
    Record,
    /// A line that is no row: too long, or with a quote that is never closed.
    Broken,
    /// The end of what is complete. An unfinished line may stand behind [`Records::position`].
    End {
        /// Whether one does.
        is_held_back: bool,
    },
}

/// Records of one stream.
#[derive(Debug)]
pub(super) struct Records {
    stream: Stream,
    splitter: Splitter,
    buffer: Vec<u8>,
    /// The current record is `buffer[start..next]`; what is read ends at `filled`.
    start: usize,
    next: usize,
    filled: usize,
    /// Offset in the stream of `buffer[0]`.
    origin: u64,
    /// Where the current record begins and how, if it is too long for the buffer.
    long: Option<(u64, Vec<u8>)>,
    /// Lines before the current record, counted from where reading began.
    lines_before: u64,
    lines: u64,
    is_at_end: bool,
}

impl Records {
    /// Reads `stream`, which stands at `origin`.
    pub(super) fn new(stream: Stream, origin: u64, delimiter: u8) -> Self {
        Self::with_buffer(stream, origin, delimiter, BUFFER_BYTES)
    }

    /// As `new`, reading no more than `bytes` at first.
    pub(super) fn with_buffer(stream: Stream, origin: u64, delimiter: u8, bytes: usize) -> Self {
        Self {
            stream,
            splitter: Splitter::new(delimiter),
            buffer: vec![0; bytes],
            start: 0,
            next: 0,
            filled: 0,
            origin,
            long: None,
            lines_before: 0,
            lines: 0,
            is_at_end: false,
        }
    }

    /// Opens `file` to read on from `from`. `None` if the file is shorter, or other bytes stand before
    /// that place: it is not the file that was read before. Returns the bytes read, too. A compressed
    /// file is read from its beginning; `is_stopped` is asked now and then, and ends that with an error.
    pub(super) fn resume(
        file: File,
        from: Position,
        delimiter: u8,
        is_stopped: &dyn Fn() -> bool,
    ) -> io::Result<(Option<Self>, u64)> {
        let (records, bytes_read) = Self::open_at(file, from.offset, delimiter, is_stopped)?;
        Ok((records.filter(|records| records.position() == from), bytes_read))
    }

    /// What stands before `offset` in `file`; `None` if the file is shorter. Returns the bytes read, too.
    pub(super) fn check_at(file: File, offset: u64) -> io::Result<(Option<Position>, u64)> {
        let (records, bytes_read) = Self::open_at(file, offset, b',', &never)?;
        Ok((records.map(|records| records.position()), bytes_read))
    }

    fn open_at(
        file: File,
        offset: u64,
        delimiter: u8,
        is_stopped: &dyn Fn() -> bool,
    ) -> io::Result<(Option<Self>, u64)> {
        let mut stream = Stream::new(file)?;
        let origin = stream.seek(offset.saturating_sub(CHECK_BYTES_MAX as u64))?;
        let mut records = Self::new(stream, origin, delimiter);
        let is_there = records.skip_to(offset, is_stopped)?;
        let bytes_read = records.stream.bytes_read();
        Ok((is_there.then_some(records), bytes_read))
    }

    /// Moves on to `offset`; false if the stream ends before it.
    fn skip_to(&mut self, offset: u64, is_stopped: &dyn Fn() -> bool) -> io::Result<bool> {
        while self.offset() < offset {
            if is_stopped() {
                return Err(io::Error::other(Stopped));
            }
            if self.next == self.filled && !self.refill()? {
                return Ok(false);
            }
            let left = usize::try_from(offset - self.offset()).unwrap_or(usize::MAX);
            let step = left.min(self.filled - self.next);
            self.lines +=
                memchr::memchr_iter(b'\n', &self.buffer[self.next..self.next + step]).count() as u64;
            self.next += step;
            self.start = self.next;
        }
        let lines = std::mem::take(&mut self.lines);
        self.lines_before = if self.stream.is_gzip() { lines } else { 0 };
        Ok(true)
    }

    /// Moves to the next record.
    pub(super) fn advance(&mut self) -> io::Result<Step> {
        self.lines_before += std::mem::take(&mut self.lines);
        self.start = self.next;
        self.long = None;
        if self.offset() == 0 {
            self.skip_byte_order_mark()?;
        }
        loop {
            let is_all = self.is_at_end && self.stream.ends_for_good();
            let split = self.splitter.split(&self.buffer[self.start..self.filled], is_all);
            match split {
                Split::Record { len, lines } => return Ok(self.take(len, lines, Step::Record)),
                Split::Broken { len } => {
                    if len > ROW_BYTES_MAX {
                        self.long = Some((self.record_offset(), self.sample()));
                    }
                    return Ok(self.take(len, 1, Step::Broken));
                }
                Split::Blank { len } => {
                    self.take(len, 1, Step::Record);
                    self.lines_before += std::mem::take(&mut self.lines);
                    self.start = self.next;
                }
                Split::TooLong => return self.skip_line(),
                Split::More if self.is_at_end => {
                    return Ok(Step::End { is_held_back: self.filled > self.start });
                }
                Split::More => {
                    self.refill()?;
                }
            }
        }
    }

    /// Bytes of the current record, its line end included; of a line too long, its beginning.
    pub(super) fn record(&self) -> &[u8] {
        self.long.as_ref().map_or(&self.buffer[self.start..self.next], |(_, beginning)| beginning)
    }

    /// The text that the bounds of the current record's fields count in.
    pub(super) fn fields(&self) -> (&[u8], &[(u32, u32)]) {
        self.splitter.fields(self.record())
    }

    /// Where the current record begins.
    pub(super) fn record_offset(&self) -> u64 {
        self.long.as_ref().map_or(self.origin + self.start as u64, |(offset, _)| *offset)
    }

    /// Where the current record ends: the bytes before it are done with.
    pub(super) fn offset(&self) -> u64 {
        self.origin + self.next as u64
    }

    /// The end of the current record as a place to come back to.
    pub(super) fn position(&self) -> Position {
        Position::after(self.offset(), &self.buffer[..self.next])
    }

    /// The beginning of the current record as a place to come back to.
    pub(super) fn record_position(&self) -> Position {
        Position::after(self.record_offset(), &self.buffer[..self.start])
    }

    /// Lines before the current record, counted from where this reader was opened; from the
    /// beginning for a gzip file.
    pub(super) fn lines_before(&self) -> u64 {
        self.lines_before
    }

    /// Lines up to the end of the current record, counted alike.
    pub(super) fn lines_done(&self) -> u64 {
        self.lines_before + self.lines
    }

    /// Whether [`Records::record`] is but the beginning of a line too long to be a row.
    pub(super) fn record_is_cut(&self) -> bool {
        self.long.is_some()
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(super) fn into_file(self) -> File {
        self.stream.into_file()
    }

    fn take(&mut self, len: usize, lines: u64, step: Step) -> Step {
        self.next = self.start + len;
        self.lines = lines;
        step
    }

    fn skip_byte_order_mark(&mut self) -> io::Result<()> {
        while self.filled < BYTE_ORDER_MARK.len() && self.refill()? {}
        if self.buffer[..self.filled].starts_with(BYTE_ORDER_MARK) {
            self.next = BYTE_ORDER_MARK.len();
            self.start = self.next;
        }
        Ok(())
    }

    /// Passes over a line too long to be a row.
    fn skip_line(&mut self) -> io::Result<Step> {
        let before = self.start.saturating_sub(CHECK_BYTES_MAX)..self.start;
        let before = self.buffer[before].to_vec();
        let offset = self.record_offset();
        self.long = Some((offset, self.sample()));
        self.next = self.filled;
        loop {
            self.start = self.next;
            if self.next == self.filled && !self.refill()? {
                if self.stream.ends_for_good() {
                    return Ok(Step::Broken);
                }
                self.step_back(offset, &before);
                return Ok(Step::End { is_held_back: true });
            }
            if let Some(newline) = memchr::memchr(b'\n', &self.buffer[self.next..self.filled]) {
                self.next += newline + 1;
                self.lines = 1;
                return Ok(Step::Broken);
            }
            self.next = self.filled;
        }
    }

    /// The beginning of a line too long to be a row.
    fn sample(&self) -> Vec<u8> {
        self.buffer[self.start..self.start + LONG_SAMPLE_BYTES].to_vec()
    }

    /// Stands again at `offset`, before which `before` was read; what followed is forgotten.
    fn step_back(&mut self, offset: u64, before: &[u8]) {
        self.long = None;
        self.buffer[..before.len()].copy_from_slice(before);
        self.origin = offset - before.len() as u64;
        (self.start, self.next, self.filled) = (before.len(), before.len(), before.len());
    }

    /// Makes room and reads once; false at the end. Bytes before the current record are kept as far
    /// as a position needs them.
    fn refill(&mut self) -> io::Result<bool> {
        let keep_from = self.start.saturating_sub(CHECK_BYTES_MAX);
        if keep_from > 0 && (self.filled == self.buffer.len() || self.start == self.filled) {
            self.buffer.copy_within(keep_from..self.filled, 0);
            self.origin += keep_from as u64;
            self.start -= keep_from;
            self.next -= keep_from;
            self.filled -= keep_from;
        }
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let len = self.stream.read(&mut self.buffer[self.filled..])?;
        self.filled += len;
        self.is_at_end = len == 0;
        Ok(len > 0)
    }
}

//! Finds the next record in a piece of CSV and where its fields lie.
//!
//! Lines without doubled quotes, quoted newlines and the like are split in place; all others go to
//! `csv-core`, whose reading of RFC 4180 is the rule for both. A row ends with a newline, before
//! which a carriage return may stand.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use memchr::{memchr, memchr_iter};

const QUOTE: u8 = b'"';

/// Lines that one quoted row may span: a quote that is never closed would otherwise hold back all
/// that follows it.
pub(super) const ROW_LINES_MAX: usize = 64;
/// The longest row, in bytes.
pub(super) const ROW_BYTES_MAX: usize = 16 << 20;

/// What the beginning of a piece of CSV is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    /// A record of `len` bytes, its line end included.
    Record {
        /// Bytes to move on by.
        len: usize,
        /// Lines among them.
        lines: u64,
    },
    /// An empty line of `len` bytes.
    Blank {
        /// Bytes to move on by.
        len: usize,
    },
    /// A line of `len` bytes that is no row: too long, or with a quote not closed within the limits.
    Broken {
        /// Bytes to move on by.
        len: usize,
    },
    /// A line already too long to be a row, whose end is not among the data.
    TooLong,
    /// No record ends here yet.
    More,
}

/// Splits records and keeps the fields of the last one.
#[derive(Debug)]
pub(super) struct Splitter {
    delimiter: u8,
    core: Reader,
    /// Where each field of the record lies, in the line itself or in `unescaped`.
    bounds: Vec<(u32, u32)>,
    is_unescaped: bool,
    /// What `csv-core` wrote last: `unescaped_len` bytes and `ends_len` ends; the rest is room.
    unescaped: Vec<u8>,
    unescaped_len: usize,
    ends: Vec<usize>,
    ends_len: usize,
}

impl Splitter {
    pub(super) fn new(delimiter: u8) -> Self {
        let core = ReaderBuilder::new().delimiter(delimiter).terminator(Terminator::Any(b'\n')).build();
        Self {
            delimiter,
            core,
            bounds: Vec::new(),
            is_unescaped: false,
            unescaped: Vec::new(),
            unescaped_len: 0,
            ends: vec![0; 256],
            ends_len: 0,
        }
    }

    /// Looks at the beginning of `data`. With `is_all`, nothing follows `data`.
    pub(super) fn split(&mut self, data: &[u8], is_all: bool) -> Split {
        let (line, len) = match memchr(b'\n', data) {
            Some(newline) if newline >= ROW_BYTES_MAX => return Split::Broken { len: newline + 1 },
            Some(newline) => (&data[..newline], newline + 1),
            None if data.len() >= ROW_BYTES_MAX => return Split::TooLong,
            None if is_all => (data, data.len()),
            None => return Split::More,
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return if len == 0 { Split::More } else { Split::Blank { len } };
        }
        self.is_unescaped = false;
        if self.split_line(line) {
            return Split::Record { len, lines: 1 };
        }
        self.split_quoted(data, len, is_all)
    }

    /// The fields of the record that `split` found at the beginning of `data`.
    pub(super) fn fields<'a>(&'a self, record: &'a [u8]) -> (&'a [u8], &'a [(u32, u32)]) {
        let text = if self.is_unescaped { &self.unescaped[..self.unescaped_len] } else { record };
        (text, &self.bounds)
    }

    /// Splits a line whose quotes, if any, do no more than enclose whole fields.
    fn split_line(&mut self, line: &[u8]) -> bool {
        self.bounds.clear();
        if memchr(QUOTE, line).is_some() {
            return self.split_line_with_quotes(line);
        }
        let mut start = 0;
        for_each_place(self.delimiter, line, |end| {
            self.bounds.push((start, end));
            start = end + 1;
        });
        self.bounds.push((start, place(line.len())));
        true
    }

    fn split_line_with_quotes(&mut self, line: &[u8]) -> bool {
        let mut start = 0;
        loop {
            let rest = &line[start..];
            let (from, end, next) = if rest.first() == Some(&QUOTE) {
                let Some(close) = memchr(QUOTE, &rest[1..]) else { return false };
                match rest.get(close + 2) {
                    None => (start + 1, start + 1 + close, None),
                    Some(after) if *after == self.delimiter => {
                        (start + 1, start + 1 + close, Some(start + close + 3))
                    }
                    Some(_) => return false,
                }
            } else {
                match memchr(self.delimiter, rest) {
                    None => (start, line.len(), None),
                    Some(len) => (start, start + len, Some(start + len + 1)),
                }
            };
            self.bounds.push((place(from), place(end)));
            let Some(next) = next else { return true };
            start = next;
        }
    }

    /// Splits by `csv-core` within the limits of one row.
    fn split_quoted(&mut self, data: &[u8], first_line_len: usize, is_all: bool) -> Split {
        let lines_end = memchr_iter(b'\n', data).nth(ROW_LINES_MAX - 1).map_or(data.len(), |end| end + 1);
        let window = &data[..lines_end.min(ROW_BYTES_MAX)];
        let is_whole = is_all && window.len() == data.len();
        if let Some(len) = self.read_record(window, is_whole) {
            let ends_in_return = data[..len].ends_with(b"\r\n") || (is_whole && data[..len].ends_with(b"\r"));
            self.take_bounds(ends_in_return);
            return Split::Record { len, lines: memchr_iter(b'\n', &data[..len]).count().max(1) as u64 };
        }
        let may_go_on = !is_all && window.len() == data.len() && window.len() < ROW_BYTES_MAX;
        if may_go_on { Split::More } else { Split::Broken { len: first_line_len } }
    }

    /// Feeds `csv-core`; a newline stands in for the one missing where `window` is all there is.
    fn read_record(&mut self, window: &[u8], is_whole: bool) -> Option<usize> {
        self.core.reset();
        if self.unescaped.len() <= window.len() {
            self.unescaped.resize(window.len() + 1, 0);
        }
        let (mut taken, mut written, mut fields) = (0, 0, 0);
        loop {
            let is_at_end = taken == window.len();
            if is_at_end && !is_whole {
                return None;
            }
            let input = if is_at_end { &b"\n"[..] } else { &window[taken..] };
            let (result, read, out, ends) =
                self.core.read_record(input, &mut self.unescaped[written..], &mut self.ends[fields..]);
            taken += if is_at_end { 0 } else { read };
            written += out;
            fields += ends;
            match result {
                ReadRecordResult::Record => {
                    (self.unescaped_len, self.ends_len) = (written, fields);
                    return Some(taken);
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::InputEmpty if !is_at_end => {}
                _ => return None,
            }
        }
    }

    /// Turns the ends that `csv-core` gave into bounds. A carriage return before the line end is part
    /// of the line end, although `csv-core` was told to end rows at newlines alone.
    fn take_bounds(&mut self, ends_in_return: bool) {
        self.is_unescaped = true;
        self.bounds.clear();
        let mut start = 0;
        for end in &self.ends[..self.ends_len] {
            self.bounds.push((start, place(*end)));
            start = place(*end);
        }
        if ends_in_return && let Some(last) = self.bounds.last_mut() {
            last.1 -= 1;
        }
    }
}

/// Calls `found` with every place of `byte` in `line`.
///
/// Fields are a few bytes long: looking at eight at once beats a search that starts anew for each.
/// The byte-wise comparison is exact (Warren, "Hacker's Delight", 6-1: find a zero byte).
#[inline]
fn for_each_place(byte: u8, line: &[u8], mut found: impl FnMut(u32)) {
    const LOW_BITS: u64 = u64::from_ne_bytes([0x7f; 8]);
    let pattern = u64::from_ne_bytes([byte; 8]);
    let (words, rest) = line.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let differs = u64::from_le_bytes(*word) ^ pattern;
        let mut equal = !(((differs & LOW_BITS) + LOW_BITS) | differs | LOW_BITS);
        while equal != 0 {
            found(at + equal.trailing_zeros() / 8);
            equal &= equal - 1;
        }
        at += 8;
    }
    for other in rest {
        if *other == byte {
            found(at);
        }
        at += 1;
    }
}

/// Places in a row fit 32 bits: [`ROW_BYTES_MAX`] is far below.
fn place(at: usize) -> u32 {
    u32::try_from(at).expect("a row is shorter than 4 GiB")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All records of `text`, by our splitter.
    fn ours(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut splitter = Splitter::new(b',');
        let (mut at, mut records) = (0, Vec::new());
        loop {
            match splitter.split(&text[at..], true) {
                Split::Record { len, .. } => {
                    let (bytes, bounds) = splitter.fields(&text[at..at + len]);
                    records.push(
                        bounds
                            .iter()
                            .map(|(start, end)| bytes[*start as usize..*end as usize].to_vec())
                            .collect(),
                    );
                    at += len;
                }
                Split::Blank { len } => at += len,
                Split::More => return records,
                split @ (Split::Broken { .. } | Split::TooLong) => panic!("{split:?} at {at}"),
            }
        }
    }

    /// The same by the `csv` crate, told what ends a row here.
    fn theirs(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(text);
        reader.byte_records().map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect()).collect()
    }

    proptest! {
        #[test]
        fn records_are_those_of_the_csv_crate(
            rows in prop::collection::vec(
                prop::collection::vec("[a\"]{0,2}|\"[ab,\n]{0,9}\"|\"([ab,\n]|\"\"){0,9}\"|[a-z0-9é.]{0,20}|\"[a-z]{0,5}\"[a-z]", 1..6),
                0..8,
            ),
            is_ended in any::<bool>(),
        ) {
            let lines: Vec<String> = rows.iter().map(|cells| cells.join(",")).collect();
            let text = lines.join("\n") + if is_ended { "\n" } else { "" };
            // A quote that is never closed costs one line here and all that follows there.
            if let Some(records) = balanced(&text) {
                prop_assert_eq!(records, theirs(text.as_bytes()));
            }
        }

        #[test]
        fn a_line_end_of_return_and_newline_is_like_a_newline(
            rows in prop::collection::vec(prop::collection::vec("[a-z0-9.]{0,12}|\"[a-z,]{0,5}\"|\"[a-z]{0,5}\"\"\"", 2..6), 0..8),
        ) {
            let lines: Vec<String> = rows.iter().map(|cells| cells.join(",")).collect();
            prop_assert_eq!(ours(lines.join("\r\n").as_bytes()), ours(lines.join("\n").as_bytes()));
        }

        #[test]
        fn every_delimiter_is_found(line in prop::collection::vec(prop::sample::select(&b",-+\xac\x2d\xff\0a"[..]), 0..60)) {
            let mut found = Vec::new();
            for_each_place(b',', &line, |at| found.push(at as usize));
            prop_assert_eq!(found, memchr_iter(b',', &line).collect::<Vec<_>>());
        }
    }

    /// The records of `text`, unless a quote in it is never closed.
    fn balanced(text: &str) -> Option<Vec<Vec<Vec<u8>>>> {
        let mut splitter = Splitter::new(b',');
        let mut at = 0;
        loop {
            match splitter.split(&text.as_bytes()[at..], true) {
                Split::Record { len, .. } | Split::Blank { len } => at += len,
                Split::More => return Some(ours(text.as_bytes())),
                Split::Broken { .. } | Split::TooLong => return None,
            }
        }
    }

    #[test]
    fn a_record_whose_end_is_not_there_is_not_given() {
        let mut splitter = Splitter::new(b',');
        for part in ["", "a", "a,b", "a,b\r", "\"a", "\"a\nb", "\"a\"\"\n"] {
            assert_eq!(splitter.split(part.as_bytes(), false), Split::More, "{part:?}");
        }
        assert_eq!(splitter.split(b"a,b\nc", false), Split::Record { len: 4, lines: 1 });
        assert_eq!(splitter.split(b"\"a\nb\"\nc", false), Split::Record { len: 6, lines: 2 });
        assert_eq!(splitter.split(b"\r\nc", false), Split::Blank { len: 2 });
    }
}

//! What the first lines of a file say: which file it is, its columns, and a logger's own header.

use std::fs::File;
use std::io;

use livecosmos_state::{FileId, SiteId};

use super::fault::Fault;
use super::records::{Position, Records, Step};
use super::stream::Stream;
use crate::source::Stopped;

/// The low bits of a [`FileId`] count how often a file with these first lines was rewritten in place.
const ERA_BITS: u32 = 16;
const ERA_MASK: u64 = (1 << ERA_BITS) - 1;

/// Read at first in order to find the head, in bytes; most fit.
const HEAD_BYTES: usize = 8 << 10;

/// The header of a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Names of the columns, in order, without the blanks around them.
    pub columns: Vec<Box<str>>,
    /// What a TOA5 header adds.
    pub toa5: Option<Toa5>,
}

/// The part of a header that only Campbell Scientific's TOA5 files have (four lines; `LoggerNet`
/// manual, appendix B).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toa5 {
    /// The station's name: second cell of the first line.
    pub station: Box<str>,
    /// Units of the columns: third line.
    pub units: Vec<Box<str>>,
    /// How each value was made (`Avg`, `Smp`, …): fourth line.
    pub processing: Vec<Box<str>>,
}

/// The first lines of a file: its header and its first row.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) header: Header,
    /// Where the rows begin.
    pub(super) data: Position,
    /// Hash of these lines.
    digest: u64,
}

impl Head {
    /// The fingerprint under which all rewrites of a file with this head, and `site` as the one
    /// its name gives, are known. Files of two sites may begin alike; a copy of one does not change
    /// its site.
    pub(super) fn base(&self, site: Option<&SiteId>) -> Base {
        let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
        digest.update(&self.digest.to_le_bytes());
        digest.update(site.map_or("", SiteId::as_str).as_bytes());
        Base(digest.finalize() & !ERA_MASK)
    }
}

/// A file's fingerprint without the count of its rewrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Base(u64);

impl Base {
    /// The fingerprint that `file` was made of.
    pub(super) fn of(file: FileId) -> Self {
        Self(file.0 & !ERA_MASK)
    }

    /// A file never met before.
    pub(super) fn first(self) -> FileId {
        FileId(self.0)
    }

    /// The file rewritten once more than `last`.
    pub(super) fn after(last: FileId) -> FileId {
        FileId((last.0 & !ERA_MASK) | (last.0.wrapping_add(1) & ERA_MASK))
    }
}

/// Reads the head of `file`. `None` while the first row is not complete: such a file has no identity
/// yet. Returns the bytes read, too.
pub(super) fn read_head(file: File, delimiter: u8) -> Result<(Option<Head>, u64), Fault> {
    let stream = Stream::new(file)?;
    let mut records = Records::with_buffer(stream, 0, delimiter, HEAD_BYTES);
    let head = read(&mut records)?;
    Ok((head, records.stream().bytes_read()))
}

fn read(records: &mut Records) -> Result<Option<Head>, Fault> {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
    let Some(first) = header_line(records, &mut digest)? else { return Ok(None) };
    let header = if first.first().is_some_and(|cell| &**cell == "TOA5") {
        let lines = [(); 3].map(|()| header_line(records, &mut digest));
        let [Some(columns), Some(units), Some(processing)] = flatten(lines)? else { return Ok(None) };
        let station = first.get(1).cloned().unwrap_or_default();
        Header { columns, toa5: Some(Toa5 { station, units, processing }) }
    } else {
        Header { columns: first, toa5: None }
    };
    let data = records.position();
    if matches!(records.advance()?, Step::End { .. }) {
        return Ok(None);
    }
    digest.update(records.record());
    Ok(Some(Head { header: named(header), data, digest: digest.finalize() }))
}

type Cells = Vec<Box<str>>;

fn flatten(lines: [Result<Option<Cells>, Fault>; 3]) -> Result<[Option<Cells>; 3], Fault> {
    let [columns, units, processing] = lines;
    Ok([columns?, units?, processing?])
}

fn header_line(records: &mut Records, digest: &mut crc_fast::Digest) -> Result<Option<Cells>, Fault> {
    match records.advance()? {
        Step::End { .. } => return Ok(None),
        Step::Broken => {
            return Err(Fault::config("begins with a line that is no CSV header; is it a CSV file?"));
        }
        Step::Record => {}
    }
    if records.record().starts_with(b"\xff\xfe") || records.record().starts_with(b"\xfe\xff") {
        return Err(Fault::config("is UTF-16; convert it to UTF-8"));
    }
    digest.update(records.record());
    let (text, bounds) = records.fields();
    let cell = |(start, end): &(u32, u32)| {
        String::from_utf8_lossy(&text[*start as usize..*end as usize]).trim().into()
    };
    Ok(Some(bounds.iter().map(cell).collect()))
}

/// A column without a name gets its number for one: a comma at the end of every line is common.
fn named(mut header: Header) -> Header {
    for (index, name) in header.columns.iter_mut().enumerate().filter(|(_, name)| name.is_empty()) {
        *name = format!("column_{}", index + 1).into();
    }
    header
}

/// Counts the uncompressed bytes of `file`. Returns the bytes read for it, too. `is_stopped` is asked
/// now and then, and ends it with an error.
pub(super) fn measure(file: File, is_stopped: &dyn Fn() -> bool) -> io::Result<(u64, u64)> {
    let mut stream = Stream::new(file)?;
    let mut piece = vec![0; 256 << 10];
    let mut len = 0;
    loop {
        if is_stopped() {
            return Err(io::Error::other(Stopped));
        }
        match stream.read(&mut piece)? {
            0 => return Ok((len, stream.bytes_read())),
            read => len += read as u64,
        }
    }
}

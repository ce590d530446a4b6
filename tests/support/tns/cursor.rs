//! An open cursor: which rows are still to come, and how a page of them is written.

use std::collections::HashMap;

use super::answer::{Fault, ResultSet};
use super::binds::Declared;
use super::cell::{Cell, Type, encode, utf16};
use super::reply;
use super::wire::Writer;

const ROW_DATA: u8 = 7;
const REPEATS: u8 = 21;
const LONG: u8 = 8;
const LONG_RAW: u8 = 24;
const LOCATOR_BYTES: usize = 40;
/// Byte of a locator and the bit in it that says: characters have two bytes.
const WIDE_CHARS: (usize, u8) = (6, 0x80);
/// Error code beside a null that is fetched as LONG.
const NULL_VALUE: u64 = 1405;

/// A LOB that a locator leads to.
pub struct Lob {
    /// Its bytes; text is UTF-16.
    pub bytes: Vec<u8>,
    /// Bytes of one unit of its offsets and amounts.
    pub unit: usize,
}

/// The LOBs whose locators a session has given away.
pub type Lobs = HashMap<u64, Lob>;

/// An open cursor.
#[derive(Default)]
pub struct Cursor {
    /// The statement, to execute it again.
    pub sql: String,
    /// The declarations of its binds.
    pub declared: Vec<Declared>,
    /// How the client wants LOB columns; without this it gets no row of a query that has some.
    pub defines: Option<Vec<Declared>>,
    rows: ResultSet,
    next: usize,
    previous: Vec<Vec<u8>>,
}

/// How a page ended.
#[derive(Debug, PartialEq, Eq)]
pub enum PageEnd {
    /// There may be more rows.
    Full,
    /// There are no more rows.
    Exhausted,
    /// Something went wrong.
    Fault(Fault),
}

impl Cursor {
    /// Begins anew with other rows.
    pub fn restart(&mut self, rows: ResultSet) {
        (self.rows, self.next, self.previous) = (rows, 0, Vec::new());
    }

    /// Rows fetched so far.
    pub fn fetched(&self) -> u64 {
        self.next as u64
    }

    /// Whether rows can be sent: columns with LOBs need to be defined first.
    pub fn is_ready(&self) -> bool {
        self.defines.is_some() || !self.rows.columns.iter().any(|column| column.kind.is_lob())
    }

    /// Writes up to `count` rows.
    pub fn page(&mut self, out: &mut Writer, count: usize, lobs: &mut Lobs) -> PageEnd {
        reply::row_header(out, self.rows.columns.len(), count);
        let mut has_repeats = false;
        for _ in 0..count {
            if let Some((at, fault)) = &self.rows.fault
                && *at == self.next
            {
                return PageEnd::Fault(fault.clone());
            }
            if self.next == self.rows.rows.len() {
                return PageEnd::Exhausted;
            }
            has_repeats |= self.row(out, has_repeats, lobs);
            self.next += 1;
        }
        PageEnd::Full
    }

    /// Writes a row. What is the same as in the row before is left out, and a bit for each column says
    /// so; once a page has such bits, each further row of it has them.
    fn row(&mut self, out: &mut Writer, has_repeats: bool, lobs: &mut Lobs) -> bool {
        let Self { rows, next, previous, defines, .. } = self;
        let (columns, cells) = (&rows.columns, &rows.rows[*next]);
        let whole: Vec<Vec<u8>> =
            columns.iter().zip(cells).map(|(column, cell)| encode(column.kind, cell)).collect();
        let is_sent: Vec<bool> = columns
            .iter()
            .enumerate()
            .map(|(at, column)| column.kind.is_lob() || previous.get(at) != Some(&whole[at]))
            .collect();
        let has_repeats = has_repeats || is_sent.contains(&false);
        if has_repeats {
            out.u8(REPEATS);
            out.count(is_sent.iter().filter(|sent| **sent).count());
            let bits = is_sent.chunks(8);
            bits.for_each(|eight| out.u8(eight.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))));
        }
        out.u8(ROW_DATA);
        for (at, column) in columns.iter().enumerate().filter(|(at, _)| is_sent[*at]) {
            let defined = defines.as_ref().map(|defines| defines[at].code);
            match defined {
                Some(LONG | LONG_RAW) if column.kind.is_lob() => long(out, &whole[at]),
                _ if column.kind.is_lob() => locator(out, column.kind, &cells[at], lobs),
                _ => out.bytes(&whole[at]),
            }
        }
        *previous = whole;
        has_repeats
    }
}

/// A LOB that the client defined as LONG: all of it, in the row.
fn long(out: &mut Writer, bytes: &[u8]) {
    out.bytes(bytes);
    if bytes.is_empty() {
        out.raw(&[0x81, 1]); // minus one: a null
        out.uint(NULL_VALUE);
    } else {
        out.zeros(2);
    }
}

fn locator(out: &mut Writer, kind: Type, cell: &Cell, lobs: &mut Lobs) {
    let (bytes, unit) = match cell {
        Cell::Null => return out.uint(0),
        Cell::Text(text) => (utf16(text), 2),
        other => (encode(kind, other), 1),
    };
    let id = lobs.len() as u64 + 1;
    let mut locator = [0; LOCATOR_BYTES];
    locator[1] = 38;
    locator[3] = 4;
    if unit == 2 {
        locator[WIDE_CHARS.0] |= WIDE_CHARS.1;
    }
    locator[LOCATOR_BYTES - 8..].copy_from_slice(&id.to_be_bytes());
    out.count(LOCATOR_BYTES);
    out.count(bytes.len() / unit);
    out.uint(8060); // bytes of a chunk on disk
    out.bytes(&locator);
    lobs.insert(id, Lob { bytes, unit });
}

/// The LOB a locator leads to.
///
/// # Panics
/// Panics where this server never gave such a locator away.
pub fn find<'a>(lobs: &'a Lobs, locator: &[u8]) -> &'a Lob {
    let id = locator[LOCATOR_BYTES - 8..].try_into().expect("eight bytes");
    &lobs[&u64::from_be_bytes(id)]
}

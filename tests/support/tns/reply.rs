//! What the server says: the messages of TTC that make up an answer.

use super::answer::OraError;
use super::cell::Column;
use super::request::version;
use super::wire::Writer;

const ERROR: u8 = 4;
const ROW_HEADER: u8 = 6;
const PARAMETER: u8 = 8;
const STATUS: u8 = 9;
const DESCRIBE: u8 = 16;
const END_OF_RESPONSE: u8 = 29;

const CHARSET_UTF8: u64 = 873;
const CHARSET_UTF16: u64 = 2000;
/// Call status: a transaction is open.
const IN_TRANSACTION: u64 = 0x02;
/// Call status of every answer.
const CALL_DONE: u64 = 0x01;

/// What the error message that ends an answer says.
#[derive(Debug, Default, Clone, Copy)]
pub struct Ending<'a> {
    /// The error; `None` is success.
    pub error: Option<&'a OraError>,
    /// The cursor that stays open.
    pub cursor: u16,
    /// Rows fetched or changed.
    pub rows: u64,
}

/// What both sides agreed on.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// TTC field version.
    pub field_version: u8,
    /// An answer ends with a message of its own.
    pub ends_response: bool,
    /// The session has an open transaction.
    pub in_transaction: bool,
}

impl Dialect {
    fn call_status(self) -> u64 {
        CALL_DONE | if self.in_transaction { IN_TRANSACTION } else { 0 }
    }

    /// Ends an answer that says no more than that it was done.
    pub fn status(self, out: &mut Writer) {
        out.u8(STATUS);
        out.uint(self.call_status());
        out.uint(0);
        self.end(out);
    }

    /// Ends an answer with an error message; that there was none is one, too.
    pub fn ending(self, out: &mut Writer, ending: Ending<'_>) {
        let code = ending.error.map_or(0, |error| error.code);
        out.u8(ERROR);
        out.uint(self.call_status());
        out.zeros(1); // sequence number
        out.uint(ending.rows & 0xffff_ffff);
        out.uint(u64::from(code.min(0xffff)));
        out.zeros(2); // element of an array
        out.uint(ending.cursor.into());
        out.uint(ending.error.map_or(0, |error| error.position).into());
        out.raw(&[3, 0, 0, 0, 0, 0]); // type of statement, and flags
        out.zeros(5); // row id
        out.zeros(1); // error of the operating system
        out.raw(&[0, 1]); // statement and call
        out.zeros(2); // padding, successful iterations
        out.zeros(1); // logical row id
        out.zeros(3); // errors of a batch
        out.uint(code.into());
        out.uint(ending.rows);
        if self.field_version >= version::V20_1 {
            out.zeros(2); // type and checksum of the statement
        }
        if let Some(error) = ending.error {
            out.bytes(format!("{}\n", error.message).as_bytes());
        }
        self.end(out);
    }

    fn end(self, out: &mut Writer) {
        if self.ends_response {
            out.u8(END_OF_RESPONSE);
        }
    }

    /// Describes the columns of a query.
    pub fn describe(self, out: &mut Writer, columns: &[Column]) {
        out.u8(DESCRIBE);
        out.bytes(&[0; 23]);
        let row_bytes: u32 = columns.iter().map(|column| column.kind.form().buffer_bytes).sum();
        out.uint(row_bytes.into());
        out.count(columns.len());
        if !columns.is_empty() {
            out.u8(0);
        }
        for (at, column) in columns.iter().enumerate() {
            self.column(out, at + 1, column);
        }
        out.counted_bytes(&[120, 126, 11, 20, 9, 31, 1]); // the database's date
        out.zeros(4);
        out.counted_bytes(&[]);
    }

    fn column(self, out: &mut Writer, position: usize, column: &Column) {
        let form = column.kind.form();
        out.raw(&[form.code, 0x80, form.precision, form.scale.to_be_bytes()[0]]);
        out.uint(form.buffer_bytes.into());
        out.zeros(2); // elements of an array, flags
        out.zeros(2); // object type and its version
        out.uint(match form.charset {
            1 => CHARSET_UTF8,
            2 => CHARSET_UTF16,
            _ => 0,
        });
        out.u8(form.charset);
        out.uint(form.chars_max.into());
        if self.field_version >= version::V12_2 {
            out.zeros(1);
        }
        out.u8(column.is_nullable.into());
        out.u8(u8::try_from(column.name.len()).expect("names are short"));
        out.counted_bytes(column.name.as_bytes());
        out.zeros(2); // schema and name of an object type
        out.count(position);
        out.zeros(1);
        if self.field_version >= version::V23_1 {
            out.zeros(2); // domain
        }
        if self.field_version >= version::V23_1_ANNOTATIONS {
            out.zeros(1);
        }
        if self.field_version >= version::V23_4 {
            out.zeros(3); // of a vector
        }
    }
}

/// Begins the rows of an answer.
pub fn row_header(out: &mut Writer, columns: usize, rows: usize) {
    out.u8(ROW_HEADER);
    out.u8(2);
    out.count(columns);
    out.zeros(1);
    out.count(rows);
    out.zeros(3); // buffer length, columns that are sent, row id
}

/// The parameters that an executed statement returns; of no use to these clients.
pub fn execute_parameters(out: &mut Writer) {
    out.u8(PARAMETER);
    out.count(4);
    for value in [0, 0x1234, 0, 0] {
        out.uint(value);
    }
    out.zeros(3);
}

/// The parameters of a call on a LOB.
pub fn lob_parameters(out: &mut Writer, locator: &[u8], amount: Option<u64>) {
    out.u8(PARAMETER);
    out.raw(locator);
    if let Some(amount) = amount {
        out.uint(amount);
    }
}

/// The parameters of a logon: names, values, flags.
pub fn logon_parameters(out: &mut Writer, pairs: &[(&str, String, u64)]) {
    out.u8(PARAMETER);
    out.count(pairs.len());
    for (name, value, flags) in pairs {
        out.counted_bytes(name.as_bytes());
        out.counted_bytes(value.as_bytes());
        out.uint(*flags);
    }
}

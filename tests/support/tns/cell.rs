//! What a table is made of: types, columns, cells, and a cell's bytes in a row.

use super::number;
use super::time::{Time, day_second_bytes, year_month_bytes};

/// A column's type, with what the describe of a query says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// VARCHAR2 of so many bytes.
    Varchar2(u32),
    /// CHAR of so many bytes, padded with blanks.
    Char(u32),
    /// NVARCHAR2 of so many characters.
    Nvarchar2(u32),
    /// NUMBER(precision, scale).
    Number(u8, i8),
    /// NUMBER without a precision.
    AnyNumber,
    /// FLOAT(binary precision).
    Float(u8),
    /// `BINARY_FLOAT`.
    BinaryFloat,
    /// `BINARY_DOUBLE`.
    BinaryDouble,
    /// DATE.
    Date,
    /// TIMESTAMP(digits).
    Timestamp(i8),
    /// TIMESTAMP(digits) WITH TIME ZONE.
    TimestampTz(i8),
    /// TIMESTAMP(digits) WITH LOCAL TIME ZONE.
    TimestampLtz(i8),
    /// INTERVAL YEAR(digits) TO MONTH.
    IntervalYearMonth(u8),
    /// INTERVAL DAY(digits) TO SECOND(digits).
    IntervalDaySecond(u8, i8),
    /// RAW of so many bytes.
    Raw(u32),
    /// CLOB.
    Clob,
    /// NCLOB.
    Nclob,
    /// BLOB.
    Blob,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, as the describe spells it.
    pub name: String,
    /// Its type.
    pub kind: Type,
    /// Whether it may be null.
    pub is_nullable: bool,
}

impl Column {
    /// A column that may be null.
    pub fn new(name: &str, kind: Type) -> Self {
        Self { name: name.to_owned(), kind, is_nullable: true }
    }

    /// A column that is never null.
    pub fn not_null(name: &str, kind: Type) -> Self {
        Self { is_nullable: false, ..Self::new(name, kind) }
    }
}

/// A value in a row. It must fit its column's type; an empty text is a null, as everywhere in Oracle.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// No value.
    Null,
    /// Text, for the character types and CLOBs.
    Text(String),
    /// Decimal text, for NUMBER and FLOAT.
    Number(String),
    /// For `BINARY_FLOAT`.
    Float(f32),
    /// For `BINARY_DOUBLE`.
    Double(f64),
    /// For DATE and all TIMESTAMPs.
    Time(Time),
    /// Years and months.
    YearMonth(i32, i32),
    /// Days, hours, minutes, seconds, nanoseconds.
    DaySecond(i32, (i32, i32, i32), i32),
    /// For RAW and BLOB.
    Bytes(Vec<u8>),
    /// These bytes, whatever the type says: values that no encoder makes.
    Wire(Vec<u8>),
}

impl Cell {
    /// Text.
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// A number.
    pub fn number(number: impl std::fmt::Display) -> Self {
        Self::Number(format!("{number}"))
    }
}

/// What the describe of a query and a row's bytes depend on.
pub struct Form {
    /// The type's number.
    pub code: u8,
    /// Precision and scale as described.
    pub precision: u8,
    /// Scale, or digits of a second.
    pub scale: i8,
    /// Bytes a client sets aside.
    pub buffer_bytes: u32,
    /// Characters, for the character types.
    pub chars_max: u32,
    /// 1: database character set, 2: national one.
    pub charset: u8,
}

impl Type {
    /// The type's numbers.
    pub fn form(self) -> Form {
        let plain = |code, buffer_bytes| Form {
            code,
            precision: 0,
            scale: 0,
            buffer_bytes,
            chars_max: 0,
            charset: 0,
        };
        let text = |code, bytes, chars_max, charset| Form { chars_max, charset, ..plain(code, bytes) };
        let exact = |form, precision, scale| Form { precision, scale, ..form };
        match self {
            Self::Varchar2(size) => text(1, size, size, 1),
            Self::Nvarchar2(size) => text(1, size * 2, size, 2),
            Self::Char(size) => text(96, size, size, 1),
            Self::Number(precision, scale) => exact(plain(2, 22), precision, scale),
            Self::AnyNumber => exact(plain(2, 22), 0, -127),
            Self::Float(precision) => exact(plain(2, 22), precision, -127),
            Self::BinaryFloat => plain(100, 4),
            Self::BinaryDouble => plain(101, 8),
            Self::Date => plain(12, 7),
            Self::Timestamp(digits) => exact(plain(180, 11), 0, digits),
            Self::TimestampTz(digits) => exact(plain(181, 13), 0, digits),
            Self::TimestampLtz(digits) => exact(plain(231, 11), 0, digits),
            Self::IntervalYearMonth(digits) => exact(plain(182, 5), digits, 0),
            Self::IntervalDaySecond(days, seconds) => exact(plain(183, 11), days, seconds),
            Self::Raw(size) => plain(23, size),
            Self::Clob => text(112, 4000, 0, 1),
            Self::Nclob => text(112, 4000, 0, 2),
            Self::Blob => plain(113, 4000),
        }
    }

    /// Whether it is fetched by a locator, or by a define as LONG.
    pub fn is_lob(self) -> bool {
        matches!(self, Self::Clob | Self::Nclob | Self::Blob)
    }
}

/// A cell's bytes in a row, without their length; a null has none.
///
/// # Panics
/// Panics where the cell does not fit the type.
pub fn encode(kind: Type, cell: &Cell) -> Vec<u8> {
    match (kind, cell) {
        (_, Cell::Null) => Vec::new(),
        (_, Cell::Wire(bytes)) | (Type::Raw(_) | Type::Blob, Cell::Bytes(bytes)) => bytes.clone(),
        (Type::Varchar2(_) | Type::Clob, Cell::Text(text)) => text.clone().into_bytes(),
        (Type::Char(size), Cell::Text(text)) => {
            let mut bytes = text.clone().into_bytes();
            bytes.resize((size as usize).max(bytes.len()), b' ');
            bytes
        }
        (Type::Nvarchar2(_) | Type::Nclob, Cell::Text(text)) => utf16(text),
        (Type::Number(..) | Type::AnyNumber | Type::Float(_), Cell::Number(text)) => number::encode(text),
        (Type::BinaryFloat, Cell::Float(value)) => ordered(value.to_be_bytes().to_vec()),
        (Type::BinaryDouble, Cell::Double(value)) => ordered(value.to_be_bytes().to_vec()),
        (Type::Date, Cell::Time(time)) => time.date_bytes(),
        (Type::Timestamp(_) | Type::TimestampLtz(_), Cell::Time(time)) => time.timestamp_bytes(),
        (Type::TimestampTz(_), Cell::Time(time)) => time.zoned_bytes(),
        (Type::IntervalYearMonth(_), Cell::YearMonth(years, months)) => year_month_bytes(*years, *months),
        (Type::IntervalDaySecond(..), Cell::DaySecond(days, clock, nanos)) => {
            day_second_bytes(*days, *clock, *nanos)
        }
        (kind, cell) => panic!("{cell:?} is no value of {kind:?}"),
    }
}

/// Text as the national character set, and a locator's CLOB, have it.
pub fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// Binary floating-point numbers are sent so that their bytes sort as they do.
fn ordered(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes[0] & 0x80 == 0 {
        bytes[0] |= 0x80;
        return bytes;
    }
    inverted(&bytes)
}

/// A binary floating-point number that was bound.
pub fn unordered(bytes: &[u8]) -> Vec<u8> {
    if bytes[0] & 0x80 == 0 {
        return inverted(bytes);
    }
    let mut bytes = bytes.to_vec();
    bytes[0] &= 0x7f;
    bytes
}

fn inverted(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| !byte).collect()
}

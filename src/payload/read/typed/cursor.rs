//! Reads the values of one column of one row group, as their source spelled them.

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArrayType, DataType, Int64Type};

use crate::column_type::{ColumnType, INTEGER_DIGITS_MAX};
use crate::payload::parquet::number::Decimal;
use crate::payload::parquet::spelling::Spelled;
use crate::payload::parquet::time::Clock;
use crate::payload::parquet::value::{
    Blobs, Booleans, Codec, Dates, Decimals, Doubles, Integers, LongDecimals, Reals,
};
use crate::rows::Kind;
use crate::source::is_json_number;

/// The values of a column of a piece.
#[derive(Debug, Default)]
pub(super) struct ColumnTexts {
    text: String,
    cells: Vec<(Kind, usize)>,
}

impl ColumnTexts {
    /// The value in `row` of the piece.
    pub(super) fn get(&self, row: usize) -> (Kind, &str) {
        let start = row.checked_sub(1).map_or(0, |before| self.cells[before].1);
        let (kind, end) = self.cells[row];
        (kind, &self.text[start..end])
    }

    fn end_cell(&mut self, kind: Kind) {
        self.cells.push((kind, self.text.len()));
    }
}

/// A column by its type.
pub(super) enum ColumnCursor {
    Text(Texts),
    Integer(Typed<Integers>),
    Decimal(Typed<Decimals>),
    LongDecimal(Typed<LongDecimals>),
    Real(Typed<Reals>),
    Double(Typed<Doubles>),
    Boolean(Typed<Booleans>),
    Date(Typed<Dates>),
    Timestamp(Typed<Clock>),
    Bytes(Typed<Blobs>),
}

impl ColumnCursor {
    /// Reads `reader` as values of type `kind`; `None` where it holds no such values.
    pub(super) fn new(reader: ColumnReader, kind: ColumnType) -> Option<Self> {
        Some(match kind {
            ColumnType::Text => Self::Text(Texts::new(reader)?),
            ColumnType::Integer => Self::Integer(Typed { values: int64(reader)?, codec: Integers }),
            ColumnType::Decimal { precision, scale } => {
                let decimal = Decimal { precision, scale };
                if precision <= INTEGER_DIGITS_MAX {
                    Self::Decimal(Typed { values: int64(reader)?, codec: Decimals(decimal) })
                } else {
                    let ColumnReader::FixedLenByteArrayColumnReader(values) = reader else { return None };
                    Self::LongDecimal(Typed { values: Values::new(values), codec: LongDecimals(decimal) })
                }
            }
            ColumnType::Real => {
                let ColumnReader::FloatColumnReader(values) = reader else { return None };
                Self::Real(Typed { values: Values::new(values), codec: Reals })
            }
            ColumnType::Double => {
                let ColumnReader::DoubleColumnReader(values) = reader else { return None };
                Self::Double(Typed { values: Values::new(values), codec: Doubles })
            }
            ColumnType::Boolean => {
                let ColumnReader::BoolColumnReader(values) = reader else { return None };
                Self::Boolean(Typed { values: Values::new(values), codec: Booleans })
            }
            ColumnType::Date => {
                let ColumnReader::Int32ColumnReader(values) = reader else { return None };
                Self::Date(Typed { values: Values::new(values), codec: Dates })
            }
            ColumnType::Timestamp { is_instant, is_nanos } => {
                Self::Timestamp(Typed { values: int64(reader)?, codec: Clock { is_instant, is_nanos } })
            }
            ColumnType::Bytes => {
                let ColumnReader::ByteArrayColumnReader(values) = reader else { return None };
                Self::Bytes(Typed { values: Values::new(values), codec: Blobs })
            }
        })
    }

    /// Reads the next `count` values, the first of which stands in row `from` of the group. `rescued` is what
    /// stands elsewhere, by the place in the piece.
    pub(super) fn read<'r>(
        &mut self,
        from: usize,
        count: usize,
        spelled: Option<&mut Spelled>,
        rescued: &dyn Fn(usize) -> Option<&'r str>,
    ) -> Result<ColumnTexts, String> {
        let mut texts = ColumnTexts::default();
        let Some(spelled) = spelled else {
            let Self::Text(values) = self else { return Err("its spellings are missing".to_owned()) };
            values.read(count, &mut texts)?;
            return Ok(texts);
        };
        match self {
            Self::Text(values) => values.read(count, &mut texts)?,
            Self::Integer(typed) => typed.read(from, count, spelled, rescued, &mut texts)?,
            Self::Decimal(typed) => typed.read(from, count, spelled, rescued, &mut texts)?,
            Self::LongDecimal(typed) => typed.read(from, count, spelled, rescued, &mut texts)?,
            Self::Real(typed) => typed.read(from, count, spelled, rescued, &mut texts)?,
            Self::Double(typed) => typed.read(from, count, spelled, rescued, &mut texts)?,
            Self::Boolean(typed) => typed.read(from, count, spelled, rescued, &mut texts)?,
            Self::Date(typed) => typed.read(from, count, spelled, rescued, &mut texts)?,
            Self::Timestamp(typed) => typed.read(from, count, spelled, rescued, &mut texts)?,
            Self::Bytes(typed) => typed.read(from, count, spelled, rescued, &mut texts)?,
        }
        Ok(texts)
    }
}

fn int64(reader: ColumnReader) -> Option<Values<Int64Type>> {
    let ColumnReader::Int64ColumnReader(values) = reader else { return None };
    Some(Values::new(values))
}

/// Values of one physical type.
pub(super) struct Values<D: DataType> {
    reader: ColumnReaderImpl<D>,
    read: Vec<D::T>,
    /// 1 for each value, 0 for each null.
    levels: Vec<i16>,
}

impl<D: DataType> Values<D> {
    fn new(reader: ColumnReaderImpl<D>) -> Self {
        Self { reader, read: Vec::new(), levels: Vec::new() }
    }

    /// The next `count` values.
    fn next(&mut self, count: usize) -> Result<impl Iterator<Item = Option<&D::T>>, String> {
        self.read.clear();
        self.levels.clear();
        while self.levels.len() < count {
            let wanted = count - self.levels.len();
            let count_read = self.reader.read_records(wanted, Some(&mut self.levels), None, &mut self.read);
            if count_read.map_err(|error| error.to_string())?.0 == 0 {
                return Err("it ends before its row group".to_owned());
            }
        }
        if self.levels.iter().filter(|level| **level > 0).count() != self.read.len() {
            return Err("it holds another number of values than it says".to_owned());
        }
        let mut values = self.read.iter();
        Ok(self.levels.iter().map(move |level| if *level > 0 { values.next() } else { None }))
    }
}

/// A column of texts.
pub(super) struct Texts(Values<ByteArrayType>);

impl Texts {
    pub(super) fn new(reader: ColumnReader) -> Option<Self> {
        let ColumnReader::ByteArrayColumnReader(values) = reader else { return None };
        Some(Self(Values::new(values)))
    }

    pub(super) fn read(&mut self, count: usize, texts: &mut ColumnTexts) -> Result<(), String> {
        for value in self.0.next(count)? {
            let kind = match value {
                Some(value) => {
                    texts.text.push_str(value.as_utf8().map_err(|error| error.to_string())?);
                    Kind::Text
                }
                None => Kind::Null,
            };
            texts.end_cell(kind);
        }
        Ok(())
    }
}

/// A column with its type.
pub(super) struct Typed<C: Codec> {
    values: Values<C::Data>,
    codec: C,
}

impl<C: Codec> Typed<C> {
    fn read<'r>(
        &mut self,
        from: usize,
        count: usize,
        spelled: &mut Spelled,
        rescued: &dyn Fn(usize) -> Option<&'r str>,
        texts: &mut ColumnTexts,
    ) -> Result<(), String> {
        for (place, value) in self.values.next(count)?.enumerate() {
            let start = texts.text.len();
            if let Some(text) = rescued(place) {
                texts.text.push_str(text);
            } else if let Some(value) = value {
                if let Some(text) = spelled.text(from + place)? {
                    texts.text.push_str(text);
                } else if !self.codec.spell(value, &spelled.style, &mut texts.text) {
                    return Err("a value is none of its type".to_owned());
                }
            } else {
                texts.end_cell(Kind::Null);
                continue;
            }
            let kind = kind_of(&texts.text[start..]);
            texts.end_cell(kind);
        }
        Ok(())
    }
}

fn kind_of(text: &str) -> Kind {
    match text {
        "true" | "false" => Kind::Bool,
        _ if is_json_number(text.as_bytes()) => Kind::Number,
        _ => Kind::Text,
    }
}

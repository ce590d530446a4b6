//! Writes one column of one row group.

use std::ops::Range;

use bytes::Bytes;
use parquet::data_type::{ByteArray, ByteArrayType, DataType};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedColumnWriter;

use super::number::{Decimal, fraction_digits};
use super::spelling::{Spellings, Style};
use super::time::{Clock, style_of};
use super::value::{Blobs, Booleans, Codec, Dates, Decimals, Doubles, Fit, Integers, LongDecimals, Reals};
use crate::column_type::{ColumnType, INTEGER_DIGITS_MAX};
use crate::payload::json;
use crate::payload::time::TimeSpeller;
use crate::rows::{Kind, Rows, Schema};

/// Values that are handed to the library at once.
const PIECE_ROWS: usize = 2048;

/// Column `at` of the rows in `range`.
pub(super) struct Chunk<'a> {
    pub(super) rows: &'a Rows,
    pub(super) range: Range<usize>,
    pub(super) at: usize,
}

impl Chunk<'_> {
    /// Writes it, and appends to `spellings` what its type does not tell.
    pub(super) fn write(
        &self,
        writer: SerializedColumnWriter<'_>,
        misfits: &mut Misfits,
        spellings: &mut Vec<u8>,
    ) -> Result<(), ParquetError> {
        let schema = self.rows.schema();
        match schema.types[self.at] {
            ColumnType::Timestamp { is_instant, is_nanos } => {
                let clock = Clock { is_instant, is_nanos };
                if self.at == schema.time {
                    return self.write_times(clock, writer, misfits, spellings);
                }
                let style = self.texts().next().map(style_of).unwrap_or_default();
                let style = Style { fraction: self.least_fraction(), ..style };
                self.write_typed(&clock, &style, writer, misfits, spellings)
            }
            ColumnType::Text => self.write_texts(writer),
            ColumnType::Integer => self.write_plain(&Integers, writer, misfits, spellings),
            ColumnType::Boolean => self.write_plain(&Booleans, writer, misfits, spellings),
            ColumnType::Date => self.write_plain(&Dates, writer, misfits, spellings),
            ColumnType::Bytes => self.write_plain(&Blobs, writer, misfits, spellings),
            ColumnType::Real => self.write_numbers(&Reals, writer, misfits, spellings),
            ColumnType::Double => self.write_numbers(&Doubles, writer, misfits, spellings),
            ColumnType::Decimal { precision, scale } => {
                let decimal = Decimal { precision, scale };
                if precision <= INTEGER_DIGITS_MAX {
                    self.write_numbers(&Decimals(decimal), writer, misfits, spellings)
                } else {
                    self.write_numbers(&LongDecimals(decimal), writer, misfits, spellings)
                }
            }
        }
    }

    fn write_plain<C: Codec>(
        &self,
        codec: &C,
        writer: SerializedColumnWriter<'_>,
        misfits: &mut Misfits,
        spellings: &mut Vec<u8>,
    ) -> Result<(), ParquetError> {
        self.write_typed(codec, &Style::default(), writer, misfits, spellings)
    }

    fn write_numbers<C: Codec>(
        &self,
        codec: &C,
        writer: SerializedColumnWriter<'_>,
        misfits: &mut Misfits,
        spellings: &mut Vec<u8>,
    ) -> Result<(), ParquetError> {
        let style = Style { fraction: self.least_fraction(), ..Style::default() };
        self.write_typed(codec, &style, writer, misfits, spellings)
    }

    /// The texts of the values there are.
    fn texts(&self) -> impl Iterator<Item = &str> {
        let values = self.range.clone().map(|row| self.rows.value(row, self.at));
        values.filter(|value| value.kind != Kind::Null).map(|value| value.text)
    }

    fn least_fraction(&self) -> u8 {
        let mut least = usize::from(u8::MAX);
        for text in self.texts() {
            least = least.min(fraction_digits(text));
            if least == 0 {
                break;
            }
        }
        u8::try_from(least).unwrap_or(0)
    }

    fn write_typed<C: Codec>(
        &self,
        codec: &C,
        style: &Style,
        writer: SerializedColumnWriter<'_>,
        misfits: &mut Misfits,
        spellings: &mut Vec<u8>,
    ) -> Result<(), ParquetError> {
        let mut cells = Cells::<C::Data>::new(writer);
        let mut own = Spellings::default();
        let mut spelled = String::new();
        for (place, row) in self.range.clone().enumerate() {
            let value = self.rows.value(row, self.at);
            let fit = if value.kind == Kind::Null { None } else { Some(codec.read(value.text)) };
            match fit {
                None => cells.push(None)?,
                Some(Fit::Not) => {
                    misfits.push(place, self.at, value.text);
                    cells.push(None)?;
                }
                Some(Fit::Cut(cut)) => {
                    misfits.push(place, self.at, value.text);
                    cells.push(Some(cut))?;
                }
                Some(Fit::Whole(whole)) => {
                    if !codec.is_spelled(value.text, style) {
                        spelled.clear();
                        if !codec.spell(&whole, style, &mut spelled) || spelled != value.text {
                            own.push(place, value.text);
                        }
                    }
                    cells.push(Some(whole))?;
                }
            }
        }
        own.add_to(spellings, style);
        cells.close()
    }

    /// The rows' times, in the digits that the first one has.
    fn write_times(
        &self,
        clock: Clock,
        writer: SerializedColumnWriter<'_>,
        misfits: &mut Misfits,
        spellings: &mut Vec<u8>,
    ) -> Result<(), ParquetError> {
        let times = &self.rows.times()[self.range.clone()];
        let fraction = times.iter().map(|time| time.digits).min().unwrap_or(0);
        let style = Style { fraction, separator: b'T', zone: "Z" };
        let mut cells = Cells::<<Clock as Codec>::Data>::new(writer);
        let mut own = Spellings::default();
        let (mut speller, mut text, mut spelled) = (TimeSpeller::default(), Vec::new(), String::new());
        for (place, time) in times.iter().enumerate() {
            text.clear();
            speller.push(&mut text, time.time, time.digits);
            text.push(b'Z');
            let as_written = std::str::from_utf8(&text).unwrap_or_default();
            let count = match clock.count(time.time.seconds, time.time.nanos) {
                Fit::Whole(count) => {
                    spelled.clear();
                    if !clock.spell(count, &style, &mut spelled) || spelled != as_written {
                        own.push(place, as_written);
                    }
                    Some(count)
                }
                Fit::Cut(count) => {
                    misfits.push(place, self.at, as_written);
                    Some(count)
                }
                Fit::Not => {
                    misfits.push(place, self.at, as_written);
                    None
                }
            };
            cells.push(count)?;
        }
        own.add_to(spellings, &style);
        cells.close()
    }

    fn write_texts(&self, mut writer: SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let mut from = self.range.start;
        while from < self.range.end {
            let to = self.range.end.min(from + PIECE_ROWS);
            let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(PIECE_ROWS));
            let mut levels = Vec::with_capacity(PIECE_ROWS);
            for row in from..to {
                let value = self.rows.value(row, self.at);
                levels.push(i16::from(value.kind != Kind::Null));
                if value.kind != Kind::Null {
                    bytes.extend_from_slice(value.text.as_bytes());
                    ends.push(bytes.len());
                }
            }
            write_byte_arrays(&mut writer, bytes, &ends, &levels)?;
            from = to;
        }
        writer.close()
    }
}

/// Values on their way to the library.
struct Cells<'a, D: DataType> {
    writer: SerializedColumnWriter<'a>,
    values: Vec<D::T>,
    /// 1 for each value, 0 for each null.
    levels: Vec<i16>,
}

impl<'a, D: DataType> Cells<'a, D> {
    fn new(writer: SerializedColumnWriter<'a>) -> Self {
        Self { writer, values: Vec::with_capacity(PIECE_ROWS), levels: Vec::with_capacity(PIECE_ROWS) }
    }

    #[inline]
    fn push(&mut self, value: Option<D::T>) -> Result<(), ParquetError> {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
        if self.levels.len() < PIECE_ROWS { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        self.writer.typed::<D>().write_batch(&self.values, Some(&self.levels), None)?;
        self.values.clear();
        self.levels.clear();
        Ok(())
    }

    fn close(mut self) -> Result<(), ParquetError> {
        self.flush()?;
        self.writer.close()
    }
}

/// Writes texts that stand behind each other in `bytes`: one piece of memory for all of them.
fn write_byte_arrays(
    writer: &mut SerializedColumnWriter<'_>,
    bytes: Vec<u8>,
    ends: &[usize],
    levels: &[i16],
) -> Result<(), ParquetError> {
    let bytes = Bytes::from(bytes);
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let values: Vec<ByteArray> =
        starts.zip(ends).map(|(start, end)| ByteArray::from(bytes.slice(start..*end))).collect();
    writer.typed::<ByteArrayType>().write_batch(&values, Some(levels), None).map(drop)
}

/// The values of a row group that do not fit their types.
#[derive(Debug, Default)]
pub(super) struct Misfits(Vec<(usize, usize, Box<str>)>);

impl Misfits {
    fn push(&mut self, row: usize, column: usize, text: &str) {
        self.0.push((row, column, text.into()));
    }

    /// How many.
    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Writes them as a column of JSON objects, null where all of a row fits.
    pub(super) fn write(
        mut self,
        mut writer: SerializedColumnWriter<'_>,
        rows: usize,
        schema: &Schema,
    ) -> Result<(), ParquetError> {
        self.0.sort_by_key(|(row, column, _)| (*row, *column));
        let (mut bytes, mut ends, mut levels) = (Vec::new(), Vec::new(), vec![0_i16; rows]);
        for of_row in self.0.chunk_by(|one, other| one.0 == other.0) {
            for (place, (row, column, text)) in of_row.iter().enumerate() {
                levels[*row] = 1;
                bytes.push(if place == 0 { b'{' } else { b',' });
                json::push_string(&mut bytes, &schema.columns[*column]);
                bytes.push(b':');
                json::push_string(&mut bytes, text);
            }
            bytes.push(b'}');
            ends.push(bytes.len());
        }
        write_byte_arrays(&mut writer, bytes, &ends, &levels)?;
        writer.close()
    }
}

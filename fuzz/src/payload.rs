//! A payload of any bytes: what is read of it is what JSON says, and says the same when it is written
//! again. And rows of any values: what is written of them is read.

use std::sync::Arc;

use livecosmos::payload::{Compression, Format, PayloadReader, ReadError, cr1000x};
use livecosmos::rows::{Batch, Kind, RowTime, Rows, Schema};
use livecosmos_state::{Cursor, SiteId, Time};

mod json;

const TIME_COLUMN: &str = "T";
const COMPRESSIONS: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];
const PIECE_ROWS_MAX: usize = 4096;
/// Rows and columns that an input is made into at most.
const TABLE_MAX: usize = 12;

/// A row: its time, and its other cells by name.
type Row = (RowTime, Vec<(String, Kind, String)>);

/// Reads `input` as a payload, and writes and reads rows made of it.
pub fn check(input: &[u8]) {
    if let Ok(rows) = read(input) {
        if matches!(input.first(), Some(b'{' | b'[')) {
            json::assert_agrees(input, &rows, TIME_COLUMN);
        }
        rows.iter().for_each(assert_kept);
    }
    assert_kept(&made_of(input));
}

fn read(stored: &[u8]) -> Result<Vec<Rows>, ReadError> {
    let mut reader = PayloadReader::new(stored, TIME_COLUMN)?;
    let mut pieces = Vec::new();
    while let Some(rows) = reader.next_rows()? {
        assert!((1..=PIECE_ROWS_MAX).contains(&rows.len()), "a piece of {} rows", rows.len());
        pieces.push(rows);
    }
    reader.finish()?;
    Ok(pieces)
}

/// Rows are the same after they were written and read, whatever the format and the compression.
fn assert_kept(rows: &Rows) {
    let expected = plain(rows);
    let batch = Batch {
        site: SiteId::parse("S").expect("a site id"),
        rows: rows.clone(),
        to: Cursor::Start,
        is_cut: false,
        is_at_border: false,
        newest: None,
    };
    for format in [Format::Ndjson, Format::Json, Format::Csv, Format::Cr1000x(cr1000x::Program::default())] {
        for compression in COMPRESSIONS {
            let encoded = format.encode(&batch, compression).expect("memory takes every write");
            let time_column = &rows.schema().columns[rows.schema().time];
            let mut reader =
                PayloadReader::new(&encoded.bytes, time_column).expect("what was written is read");
            let mut found = Vec::new();
            while let Some(rows) = reader.next_rows().expect("what was written is read") {
                found.extend(plain(&rows));
            }
            let sum = reader.finish().expect("what was written is read");
            assert_eq!((sum.digest, sum.payload_bytes), (encoded.digest, encoded.payload_bytes));
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(
                    (found.0.time, &found.1),
                    (expected.0.time, &expected.1),
                    "{format:?} {compression:?}"
                );
                // A logger's format shows no fewer digits of a second than six.
                let keeps_digits = !matches!(format, Format::Cr1000x(_));
                assert!(found.0.digits == expected.0.digits || !keeps_digits, "{found:?}");
            }
        }
    }
}

pub(crate) fn plain(rows: &Rows) -> Vec<Row> {
    let schema = rows.schema();
    let cells = |row| {
        let cells = rows.values(row).zip(&schema.columns).enumerate();
        let others = cells.filter(|(column, _)| *column != schema.time);
        others.map(|(_, (value, name))| (name.to_string(), value.kind, value.text.to_owned())).collect()
    };
    rows.times().iter().enumerate().map(|(row, time)| (*time, cells(row))).collect()
}

/// Rows whose columns, values and times the bytes of `input` decide.
fn made_of(input: &[u8]) -> Rows {
    let mut pieces = input.split(|byte| *byte == b'\n').map(String::from_utf8_lossy);
    let names = pieces.next().unwrap_or_default();
    let mut columns: Vec<Box<str>> = vec![TIME_COLUMN.into()];
    for name in names.split(',').take(TABLE_MAX) {
        if !columns.iter().any(|column| column.eq_ignore_ascii_case(name)) {
            columns.push(name.into());
        }
    }
    let width = columns.len();
    let mut rows = Rows::new(Arc::new(Schema::untyped(columns.into(), 0, None)));
    for line in pieces.take(TABLE_MAX) {
        let mut cells = line.split(',');
        let time = cells.next().unwrap_or_default();
        rows.push(Kind::Text, "");
        for _ in 1..width {
            let text = cells.next().unwrap_or_default();
            let (kind, text) = kind_of(text);
            rows.push(kind, text);
        }
        rows.end_row(time_of(time));
    }
    rows
}

fn kind_of(text: &str) -> (Kind, &str) {
    match text {
        "" => (Kind::Null, ""),
        "true" | "false" => (Kind::Bool, text),
        _ if livecosmos::source::is_json_number(text.as_bytes()) => (Kind::Number, text),
        _ => (Kind::Text, text),
    }
}

/// Any instant that there is, of a precision that fits it.
fn time_of(text: &str) -> RowTime {
    let mut number = text.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(131).wrapping_add(byte.into()));
    let digits = u8::try_from(number % 10).unwrap_or(0);
    number /= 10;
    let step = 10_u32.pow(9 - u32::from(digits));
    let nanos = u32::try_from(number % 1_000_000_000).unwrap_or(0) / step * step;
    number /= 1_000_000_000;
    let range = Time::MAX.seconds - Time::MIN.seconds;
    let seconds =
        Time::MIN.seconds + i64::try_from(number).unwrap_or(0).wrapping_mul(1_000_003).rem_euclid(range);
    RowTime { time: Time::new(seconds, nanos).expect("between the first instant and the last"), digits }
}

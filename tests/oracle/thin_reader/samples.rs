//! A table for each type, with what two clients that know nothing of each other must read from it.

use crate::support::tns::{Cell, Column, Table, Time, Type};
use livecosmos::source::oracle::thin::Cell as Read;

/// One value: as the table holds it, as the thin reader gives it, as python-oracledb does.
pub(crate) struct Sample {
    pub cell: Cell,
    pub thin: Read,
    pub witness: String,
}

/// A type and its values.
pub(crate) struct Samples {
    pub name: &'static str,
    pub kind: Type,
    pub values: Vec<Sample>,
}

impl Samples {
    /// A table with these values, in two columns: each stands beside itself.
    pub(crate) fn table(&self) -> Table {
        Table {
            name: self.name.to_owned(),
            columns: vec![Column::new("V", self.kind), Column::new("V2", self.kind)],
            rows: self.values.iter().map(|value| vec![value.cell.clone(), value.cell.clone()]).collect(),
        }
    }
}

fn null() -> Sample {
    Sample { cell: Cell::Null, thin: Read::Null, witness: "null".to_owned() }
}

fn same(cell: Cell, text: &str) -> Sample {
    both(cell, text, text)
}

fn both(cell: Cell, thin: &str, witness: &str) -> Sample {
    Sample { cell, thin: Read::Text(thin.to_owned()), witness: witness.to_owned() }
}

fn samples(name: &'static str, kind: Type, mut values: Vec<Sample>) -> Samples {
    values.insert(1, null());
    values.push(null());
    Samples { name, kind, values }
}

/// Every type.
pub(crate) fn all() -> Vec<Samples> {
    [texts(), numbers(), floats(), times(), zoned_times(), spans(), lobs()].into_iter().flatten().collect()
}

fn texts() -> Vec<Samples> {
    let text = |text: &str| same(Cell::text(text), text);
    let long = "ä".repeat(1000);
    vec![
        samples(
            "varchar2",
            Type::Varchar2(4000),
            vec![
                text("x"),
                text("Grüße"),
                text("𝄞 λ"),
                text("line\nnew\u{1}"),
                text(&long),
                text(" blanks "),
            ],
        ),
        samples("char", Type::Char(6), vec![both(Cell::text("ab"), "ab    ", "ab    "), text("sixsix")]),
        samples("nvarchar2", Type::Nvarchar2(40), vec![text("x"), text("żółć"), text("𝄞 λ")]),
        samples("raw", Type::Raw(2000), vec![bytes(&[0]), bytes(&[0xff; 300]), bytes(b"\x1d\x1d")]),
    ]
}

fn bytes(bytes: &[u8]) -> Sample {
    let hex = bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    Sample { cell: Cell::Bytes(bytes.to_vec()), thin: Read::Bytes(bytes.to_vec()), witness: hex }
}

fn numbers() -> Vec<Samples> {
    let number = |text: &str| same(Cell::number(text), text);
    let nines = "9".repeat(38);
    let smallest = format!("0.{}1", "0".repeat(129));
    let largest = format!("{nines}{}", "0".repeat(88));
    vec![
        samples(
            "number",
            Type::AnyNumber,
            vec![
                number("0"),
                number("1"),
                number("-1"),
                number("100"),
                number("-0.05"),
                number("0.1"),
                number("12345678901234567890.123456789012345678"),
                number(&nines),
                number(&format!("-{nines}")),
                number(&smallest),
                number(&format!("-{smallest}")),
                number(&largest),
                number(&format!("-{largest}")),
                number("1000000000000000000000"),
                number("0.00000000000000000000000000000000000001"),
            ],
        ),
        samples(
            "number_10_2",
            Type::Number(10, 2),
            vec![both(Cell::number("0.10"), "0.1", "0.1"), number("-99999999.99"), number("7")],
        ),
        samples("number_38", Type::Number(38, 0), vec![number(&nines), number("-123456789012345678")]),
        samples("number_5_m2", Type::Number(5, -2), vec![number("9999900"), number("-100")]),
        samples(
            "float_126",
            Type::Float(126),
            vec![number("3.1415926535897932384626433832795028842"), number("1")],
        ),
    ]
}

fn floats() -> Vec<Samples> {
    let double = |value: f64, text: &str| same(Cell::Double(value), text);
    let float = |value: f32, text: &str| same(Cell::Float(value), text);
    let odd =
        |cell, name: &'static str| Sample { cell, thin: Read::NotFinite(name), witness: name.to_owned() };
    vec![
        samples(
            "binary_float",
            Type::BinaryFloat,
            vec![
                float(1.5, "1.5"),
                float(-0.1, "-0.1"),
                float(0.0, "0.0"),
                float(16_777_216.0, "16777216.0"),
                float(f32::MIN_POSITIVE, "1.1754944e-38"),
                odd(Cell::Float(f32::NAN), "NaN"),
                odd(Cell::Float(f32::INFINITY), "Infinity"),
                odd(Cell::Float(f32::NEG_INFINITY), "-Infinity"),
            ],
        ),
        samples(
            "binary_double",
            Type::BinaryDouble,
            vec![
                double(0.1, "0.1"),
                double(-0.0, "-0.0"),
                double(1e300, "1e300"),
                double(5e-324, "5e-324"),
                double(1.797_693_134_862_315_7e308, "1.7976931348623157e308"),
                double(123_456_789.125, "123456789.125"),
                odd(Cell::Double(f64::NAN), "NaN"),
                odd(Cell::Double(f64::INFINITY), "Infinity"),
                odd(Cell::Double(f64::NEG_INFINITY), "-Infinity"),
            ],
        ),
    ]
}

fn times() -> Vec<Samples> {
    let time = |date, clock, nanos| Cell::Time(Time::new(date, clock, nanos));
    let noon = (12, 0, 0);
    let last = (23, 59, 59);
    vec![
        samples(
            "date",
            Type::Date,
            vec![
                same(time((2026, 11, 20), (8, 30, 1), 0), "2026-11-20T08:30:01"),
                same(time((1, 1, 1), (0, 0, 0), 0), "0001-01-01T00:00:00"),
                same(time((9999, 12, 31), last, 0), "9999-12-31T23:59:59"),
            ],
        ),
        samples(
            "timestamp_0",
            Type::Timestamp(0),
            vec![stamp((2026, 2, 28), last, 0, "2026-02-28T23:59:59")],
        ),
        samples(
            "timestamp_3",
            Type::Timestamp(3),
            vec![
                stamp((2026, 2, 28), noon, 7_000_000, "2026-02-28T12:00:00.007"),
                stamp((2026, 2, 28), noon, 0, "2026-02-28T12:00:00.000"),
            ],
        ),
        samples(
            "timestamp_6",
            Type::Timestamp(6),
            vec![stamp((2026, 2, 28), noon, 1_000, "2026-02-28T12:00:00.000001")],
        ),
        samples(
            "timestamp_9",
            Type::Timestamp(9),
            vec![
                stamp((2026, 2, 28), noon, 123_456_789, "2026-02-28T12:00:00.123456789"),
                stamp((2026, 2, 28), noon, 1, "2026-02-28T12:00:00.000000001"),
                stamp((9999, 12, 31), last, 999_999_999, "9999-12-31T23:59:59.999999999"),
            ],
        ),
    ]
}

fn zoned_times() -> Vec<Samples> {
    vec![
        // The one client gives UTC, the other the time on the wall there.
        samples(
            "timestamp_tz",
            Type::TimestampTz(6),
            vec![
                both(
                    Cell::Time(Time::new((2026, 7, 1), (0, 30, 0), 250_000_000).at_offset(120)),
                    "2026-06-30T22:30:00.250000Z",
                    "2026-07-01T00:30:00.250000",
                ),
                both(
                    Cell::Time(Time::new((2026, 12, 31), (20, 0, 0), 0).at_offset(-330)),
                    "2027-01-01T01:30:00.000000Z",
                    "2026-12-31T20:00:00.000000",
                ),
            ],
        ),
        samples(
            "timestamp_ltz",
            Type::TimestampLtz(3),
            vec![stamp((2026, 7, 1), (12, 0, 0), 5_000_000, "2026-07-01T12:00:00.005")],
        ),
    ]
}

/// A timestamp; Python has microseconds, no less and no more.
fn stamp(date: (i32, u8, u8), clock: (u8, u8, u8), nanos: u32, thin: &str) -> Sample {
    let (whole, fraction) = thin.split_once('.').unwrap_or((thin, ""));
    let witness = format!("{whole}.{:.6}", format!("{fraction:0<6}"));
    both(Cell::Time(Time::new(date, clock, nanos)), thin, &witness)
}

fn spans() -> Vec<Samples> {
    vec![
        samples(
            "interval_ym",
            Type::IntervalYearMonth(4),
            vec![
                both(Cell::YearMonth(1, 2), "P1Y2M", "1 2"),
                both(Cell::YearMonth(-9999, -11), "-P9999Y11M", "-9999 -11"),
                both(Cell::YearMonth(0, -1), "-P0Y1M", "0 -1"),
            ],
        ),
        samples(
            "interval_ds",
            Type::IntervalDaySecond(9, 6),
            vec![
                both(Cell::DaySecond(1, (2, 3, 4), 5_000), "P1DT2H3M4.000005S", "93784.000005"),
                both(Cell::DaySecond(-1, (-2, -3, -4), -500_000_000), "-P1DT2H3M4.500000S", "-93784.500000"),
                both(Cell::DaySecond(0, (0, 0, 0), 0), "P0DT0H0M0.000000S", "0.000000"),
            ],
        ),
    ]
}

fn lobs() -> Vec<Samples> {
    let long = "Grüße 𝄞 ".repeat(9000);
    let text = |text: &str| same(Cell::text(text), text);
    vec![
        samples("clob", Type::Clob, vec![text("short"), text(&long), text("λ")]),
        samples("nclob", Type::Nclob, vec![text("short"), text(&long)]),
        samples("blob", Type::Blob, vec![bytes(b"short"), bytes(&[0x1d; 70_000])]),
    ]
}

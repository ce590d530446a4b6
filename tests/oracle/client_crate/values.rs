//! What comes out of columns and goes into binds.

use oracle::sql_type::{IntervalDS, IntervalYM, OracleType, Timestamp};

use super::connect;
use crate::support::oracle::{Answer, OracleServer, row};

/// The text of the one value of a column of type `kind` that holds `value`.
fn fetched(kind: &str, value: &'static str) -> String {
    let server = OracleServer::start();
    let declared = format!("V {kind}");
    server.on("SELECT v FROM t", move |_| Answer::rows(&declared, [row([value])]));
    let connection = connect(&server);
    connection.query_row_as("SELECT v FROM t", &[]).unwrap_or_else(|error| panic!("{kind} {value}: {error}"))
}

fn is_fetched_as_it_is(kind: &str, values: &[&'static str]) {
    for value in values {
        assert_eq!(fetched(kind, value), *value, "{kind}");
    }
}

#[test]
fn texts_come_as_they_are() {
    is_fetched_as_it_is("VARCHAR2(40)", &["", "ALIC1", "Zürich 雨 🌧", " blanks "]);
    is_fetched_as_it_is("CHAR(8)", &["ALIC1   "]);
    is_fetched_as_it_is("NVARCHAR2(40)", &["Zürich 雨"]);
    is_fetched_as_it_is("NCHAR(4)", &["雨   "]);
    is_fetched_as_it_is("ROWID", &["AAAR3sAAEAAAACXAAA"]);
    is_fetched_as_it_is("LONG", &["a long text"]);
    is_fetched_as_it_is("CLOB", &["", "a large text"]);
    is_fetched_as_it_is("NCLOB", &["雨"]);
}

#[test]
fn numbers_keep_all_their_digits() {
    let digits = "12345678901234567890123456789012345678";
    is_fetched_as_it_is("NUMBER", &["0", "1", "-1", "0.1", "-0.05", "100", "-12300", "3.14159", digits]);
    is_fetched_as_it_is("NUMBER(38)", &[digits, "-99999999999999999999999999999999999999"]);
    is_fetched_as_it_is("NUMBER(38, 37)", &["1.2345678901234567890123456789012345678"]);
    is_fetched_as_it_is("NUMBER(5)", &["0", "-99999", "7"]);
    is_fetched_as_it_is("NUMBER(18)", &["999999999999999999", "-999999999999999999"]);
    is_fetched_as_it_is("NUMBER(10, 2)", &["12345678.9", "-0.01"]);
    is_fetched_as_it_is("NUMBER(3, -2)", &["12300"]);
    is_fetched_as_it_is("FLOAT", &["1.7976931348623157", "0.000001"]);
    assert_eq!(fetched("NUMBER", "1E-130"), format!("0.{}1", "0".repeat(129)));
    assert_eq!(fetched("NUMBER", "9.9E125"), format!("99{}", "0".repeat(124)));
    assert_eq!(fetched("NUMBER", "1.50"), "1.5", "the database keeps no zeros behind the last digit");
}

#[test]
fn numbers_of_any_length_and_scale_survive_the_22_bytes() {
    let mut seed = 20_261_121_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut numbers = Vec::new();
    for _ in 0..2000 {
        let length = usize::try_from(1 + random(38)).expect("small");
        let mut digits: String =
            (0..length).map(|_| char::from(b'0' + u8::try_from(random(10)).expect("a digit"))).collect();
        digits.replace_range(..1, "4");
        digits.replace_range(length - 1.., "7");
        let point = usize::try_from(random(60)).expect("small");
        let sign = if random(2) == 0 { "" } else { "-" };
        numbers.push(match point {
            0 => format!("{sign}0.{digits}"),
            point if point < length => format!("{sign}{}.{}", &digits[..point], &digits[point..]),
            point if point < 45 => format!("{sign}{digits}{}", "0".repeat(point - length)),
            point => format!("{sign}0.{}{digits}", "0".repeat(point - 44)),
        });
    }
    let server = OracleServer::start();
    let rows: Vec<_> = numbers.iter().map(|number| row([number.as_str()])).collect();
    server.on("SELECT v FROM t", move |_| Answer::rows("V NUMBER", rows.clone()));
    let connection = connect(&server);
    let fetched = connection.query_as::<String>("SELECT v FROM t", &[]).expect("rows");
    assert_eq!(fetched.collect::<Result<Vec<_>, _>>().expect("all of them"), numbers);
}

#[test]
fn binary_numbers_come_with_infinities_and_nan() {
    let server = OracleServer::start();
    server.on("SELECT f, d FROM t", |_| {
        Answer::rows(
            "F BINARY_FLOAT, D BINARY_DOUBLE",
            [row(["0.1", "1.7976931348623157E308"]), row(["inf", "-inf"]), row(["nan", "nan"])],
        )
    });
    let connection = connect(&server);
    let rows = connection.query_as::<(f32, f64)>("SELECT f, d FROM t", &[]).expect("rows");
    let rows: Vec<(f32, f64)> = rows.collect::<Result<_, _>>().expect("all of them");
    assert_eq!(rows[..2], [(0.1_f32, f64::MAX), (f32::INFINITY, f64::NEG_INFINITY)]);
    assert!(rows[2].0.is_nan() && rows[2].1.is_nan());
}

#[test]
fn times_keep_their_precision_and_zone() {
    is_fetched_as_it_is("DATE", &["2025-01-02 03:04:05", "9999-12-31 23:59:59", "-44-03-15 12:00:00"]);
    is_fetched_as_it_is("TIMESTAMP(0)", &["2025-01-02 03:04:05"]);
    is_fetched_as_it_is("TIMESTAMP(6)", &["2025-01-02 03:04:05.123456", "2025-01-02 03:04:05.000000"]);
    is_fetched_as_it_is("TIMESTAMP(9)", &["2025-01-02 03:04:05.123456789"]);
    is_fetched_as_it_is(
        "TIMESTAMP(3) WITH TIME ZONE",
        &["2025-01-02 03:04:05.125 +05:30", "2025-01-02 03:04:05.125 -03:30"],
    );
    is_fetched_as_it_is("TIMESTAMP(6) WITH LOCAL TIME ZONE", &["2025-01-02 03:04:05.000001 +00:00"]);
    is_fetched_as_it_is("INTERVAL DAY(2) TO SECOND(6)", &["+01 02:03:04.500000", "-01 02:03:04.000001"]);
    is_fetched_as_it_is("INTERVAL YEAR(2) TO MONTH", &["+01-02", "-03-00"]);
}

#[test]
fn nulls_are_nulls_in_every_type() {
    let kinds = [
        "VARCHAR2(4)",
        "CHAR(4)",
        "NVARCHAR2(4)",
        "NUMBER",
        "NUMBER(5)",
        "FLOAT",
        "BINARY_FLOAT",
        "BINARY_DOUBLE",
        "DATE",
        "TIMESTAMP(6)",
        "TIMESTAMP(6) WITH TIME ZONE",
        "TIMESTAMP(6) WITH LOCAL TIME ZONE",
        "INTERVAL DAY(2) TO SECOND(6)",
        "INTERVAL YEAR(2) TO MONTH",
        "CLOB",
        "NCLOB",
        "RAW(8)",
        "BLOB",
        "ROWID",
        "LONG",
    ];
    let server = OracleServer::start();
    let connection = connect(&server);
    for kind in kinds {
        server.on("SELECT v FROM t", move |_| Answer::rows(&format!("V {kind}"), [row(["NULL"])]));
        let value: Option<String> = connection.query_row_as("SELECT v FROM t", &[]).expect(kind);
        assert_eq!(value, None, "{kind}");
    }
}

#[test]
fn bytes_come_as_they_are() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let server = OracleServer::start();
    let stored = every_byte.clone();
    server.on("SELECT r, b FROM t", move |_| {
        Answer::rows("R RAW(256), B BLOB", [vec![Some(stored.clone()), Some(stored.clone())]])
    });
    let connection = connect(&server);
    let read: (Vec<u8>, Vec<u8>) = connection.query_row_as("SELECT r, b FROM t", &[]).expect("a row");
    assert_eq!(read, (every_byte.clone(), every_byte));
}

#[test]
fn a_large_text_comes_with_its_row_or_by_its_locator() {
    let text = "Zürich 雨 ".repeat(30_000);
    let server = OracleServer::start();
    let stored = text.clone();
    server.on("SELECT c FROM t", move |_| Answer::rows("C CLOB", [vec![Some(stored.clone().into())]]));
    let connection = connect(&server);
    let with_row: String = connection.query_row_as("SELECT c FROM t", &[]).expect("a row");
    assert!(with_row == text);
    let mut statement = connection.statement("SELECT c FROM t").lob_locator().build().expect("a statement");
    let by_locator: String = statement.query_row_as(&[]).expect("a row");
    assert!(by_locator == text);
}

#[test]
fn what_is_bound_has_the_type_that_was_asked_for() {
    let server = OracleServer::start();
    server.on("SELECT 1 FROM t WHERE *", |_| Answer::rows("ONE NUMBER", [row(["1"])]));
    let connection = connect(&server);
    let time = Timestamp::new(2025, 1, 2, 3, 4, 5, 123_456_789).expect("a time");
    let (text, number) = ("ALIC1", "1234567890123456789.5");
    connection
        .query_row_named(
            "SELECT 1 FROM t WHERE a = :date_ AND b = :stamp AND c = :zoned AND d = :plain AND e = :text \
             AND f = :plain_text AND g = :number_ AND h = :date_ AND i = ':no' AND j = :ds AND k = :ym",
            &[
                ("date_", &(&time, &OracleType::Date)),
                ("stamp", &(&time, &OracleType::Timestamp(9))),
                (
                    "zoned",
                    &(&time.and_tz_hm_offset(-3, -30).expect("an offset"), &OracleType::TimestampTZ(9)),
                ),
                ("plain", &time),
                ("text", &(&text, &OracleType::Varchar2(5))),
                ("plain_text", &text),
                ("number_", &(&number, &OracleType::Number(0, 0))),
                ("ds", &IntervalDS::new(-1, -2, -3, -4, -5).expect("an interval")),
                ("ym", &IntervalYM::new(1, 2).expect("an interval")),
            ],
        )
        .expect("a row");
    let bound: Vec<_> = server.statements()[0]
        .binds
        .iter()
        .map(|bind| format!("{} {} {}", bind.name, bind.kind, bind.value.as_deref().unwrap_or("NULL")))
        .collect();
    assert_eq!(
        bound,
        [
            "date_ DATE 2025-01-02 03:04:05",
            "ds INTERVAL DAY TO SECOND -1 02:03:04.000000005",
            "number_ NUMBER 1234567890123456789.5",
            // What the crate chooses by itself would keep Oracle from using an index.
            "plain TIMESTAMP WITH TIME ZONE 2025-01-02 03:04:05.123456789 +00:00",
            "plain_text NVARCHAR2 ALIC1",
            "stamp TIMESTAMP 2025-01-02 03:04:05.123456789",
            "text VARCHAR2 ALIC1",
            "ym INTERVAL YEAR TO MONTH +1-2",
            "zoned TIMESTAMP WITH TIME ZONE 2025-01-02 03:04:05.123456789 -03:30",
        ]
    );
}

//! What is read, and what is bound.

use livecosmos::source::oracle::oci::{Bind, Cell, Moment};

use super::{connect, query, read, spelled};
use crate::support::oracle::{Answer, OracleServer, row};

#[test]
fn every_type_is_read_as_its_exact_text() {
    let server = OracleServer::start();
    let link = connect(&server);
    let largest = format!("number {}{}", "9".repeat(38), "0".repeat(88));
    for (kind, value, expected) in [
        ("VARCHAR2(20)", "Zürich 雨", "text Zürich 雨"),
        ("VARCHAR2(20)", "", "text "),
        ("CHAR(8)", "ALIC1   ", "text ALIC1   "),
        ("NVARCHAR2(20)", "雨", "text 雨"),
        ("NUMBER(5)", "-42", "number -42"),
        (
            "NUMBER(38)",
            "12345678901234567890123456789012345678",
            "number 12345678901234567890123456789012345678",
        ),
        ("NUMBER(10, 2)", "0.05", "number 0.05"),
        ("NUMBER(3, -2)", "12300", "number 12300"),
        ("NUMBER", "1E-7", "number 0.0000001"),
        ("NUMBER", "99999999999999999999999999999999999999E88", &largest),
        ("NUMBER", "inf", "not finite Infinity"),
        ("NUMBER", "-inf", "not finite -Infinity"),
        ("FLOAT(126)", "0.1", "number 0.1"),
        ("BINARY_FLOAT", "0.1", "number 0.1"),
        ("BINARY_FLOAT", "-inf", "not finite -Infinity"),
        ("BINARY_DOUBLE", "1E300", "number 1e300"),
        ("BINARY_DOUBLE", "0.30000000000000004", "number 0.30000000000000004"),
        ("BINARY_DOUBLE", "nan", "not finite NaN"),
        ("DATE", "2025-01-02 03:04:05", "time 2025-01-02T03:04:05"),
        ("DATE", "-44-03-15 12:00:00", "time -000043-03-15T12:00:00"),
        ("DATE", "-1-01-01 00:00:00", "time 0000-01-01T00:00:00"),
        ("TIMESTAMP(0)", "9999-12-31 23:59:59", "time 9999-12-31T23:59:59"),
        ("TIMESTAMP(3)", "2025-01-02 03:04:05.1", "time 2025-01-02T03:04:05.100"),
        ("TIMESTAMP(9)", "2025-01-02 03:04:05.123456789", "time 2025-01-02T03:04:05.123456789"),
        (
            "TIMESTAMP(6) WITH TIME ZONE",
            "2025-01-02 03:04:05.5 -03:30",
            "time 2025-01-02T03:04:05.500000-03:30",
        ),
        ("TIMESTAMP(6) WITH LOCAL TIME ZONE", "2025-01-02 03:04:05", "time 2025-01-02T03:04:05.000000+00:00"),
        ("INTERVAL DAY(2) TO SECOND(3)", "-1 02:03:04.5", "text -01 02:03:04.500"),
        ("INTERVAL YEAR(2) TO MONTH", "+1-2", "text +01-02"),
        ("RAW(4)", "\u{1}\u{0}", "bytes [1, 0]"),
        ("BLOB", "\u{0}", "bytes [0]"),
        ("CLOB", "large", "text large"),
        ("CLOB", "", "text "),
        ("LONG", "long", "text long"),
        ("ROWID", "AAAR3sAAEAAAACXAAA", "text AAAR3sAAEAAAACXAAA"),
        ("NUMBER", "NULL", "null"),
        ("CLOB", "NULL", "null"),
        ("TIMESTAMP(6)", "NULL", "null"),
    ] {
        server.on("SELECT v FROM t", move |_| Answer::rows(&format!("V {kind}"), [row([value])]));
        let read = query(&link, "SELECT v FROM t").unwrap_or_else(|failure| panic!("{kind}: {failure}"));
        assert_eq!(read, [expected], "{kind} {value}");
    }
}

#[test]
fn text_that_is_not_utf_8_is_told_apart() {
    let server = OracleServer::start();
    server.on("SELECT v FROM t", |_| Answer::rows("V VARCHAR2(8)", [vec![Some(b"a\xFFb".to_vec())]]));
    assert_eq!(query(&connect(&server), "SELECT v FROM t").expect("rows"), ["damaged a\u{FFFD}b"]);
}

#[test]
fn values_of_one_row_keep_apart() {
    let server = OracleServer::start();
    server.on("SELECT * FROM t", |_| {
        Answer::rows(
            "A VARCHAR2(4), B RAW(4), C NUMBER, D BLOB, E DATE",
            [row(["ab", "cd", "NULL", "ef", "2025-01-02 03:04:05"]), row(["", "NULL", "7", "", "NULL"])],
        )
    });
    let mut cursor = connect(&server).query("SELECT * FROM t", &[], 10).expect("rows");
    let columns = cursor.columns();
    let declared: Vec<_> =
        columns.iter().map(|column| format!("{} {}", column.name, column.type_name)).collect();
    assert_eq!(declared, ["A VARCHAR2(4)", "B RAW(4)", "C NUMBER", "D BLOB", "E DATE"]);
    let mut rows = Vec::new();
    while let Some(row) = cursor.next_row().expect("rows") {
        rows.push((0..row.len()).map(|at| spelled(row.cell(at))).collect::<Vec<_>>().join(", "));
    }
    assert_eq!(
        rows,
        [
            "text ab, bytes [99, 100], null, bytes [101, 102], time 2025-01-02T03:04:05",
            "text , null, number 7, bytes [], null"
        ]
    );
}

#[test]
fn large_values_come_whole_with_their_rows() {
    let server = OracleServer::start();
    server.on("SELECT * FROM t", |_| {
        let value = |letter: u8, length: usize| vec![Some(vec![letter; length]), Some(vec![letter; length])];
        let rows = [value(b'a', 200_000), value(b'b', 3), value(b'c', 65_536), value(b'd', 65_537)];
        Answer::rows("C CLOB, B BLOB", rows)
    });
    let mut cursor = connect(&server).query("SELECT * FROM t", &[], 3).expect("rows");
    let mut lengths = Vec::new();
    while let Some(row) = cursor.next_row().expect("rows") {
        let (Cell::Text(text), Cell::Bytes(bytes)) = (row.cell(0), row.cell(1)) else { panic!("{row:?}") };
        assert!(text.bytes().eq(bytes.iter().copied()));
        lengths.push(text.len());
    }
    assert_eq!(lengths, [200_000, 3, 65_536, 65_537]);
}

#[test]
fn rows_come_in_arrays_of_the_size_that_was_asked_for() {
    let server = OracleServer::start();
    server.on("SELECT n FROM t", |_| {
        Answer::rows("N NUMBER(9)", (0..2_500).map(|n: i32| row([n.to_string().as_str()])))
    });
    let mut cursor = connect(&server).query("SELECT n FROM t", &[], 1000).expect("rows");
    let expected: Vec<String> = (0..2_500).map(|n| format!("number {n}")).collect();
    assert!(read(&mut cursor).expect("rows") == expected);
    let statement = server.statements()[0].clone();
    assert_eq!(statement.fetches, [(1000, 1000), (1000, 1000), (1000, 500)]);
    assert_eq!(statement.prefetch_rows, 0);
    assert!(cursor.next_row().expect("over").is_none());
}

const MOMENT: Moment =
    Moment { year: 2025, month: 1, day: 2, hour: 3, minute: 4, second: 5, nanosecond: 123_456_789 };

#[test]
fn every_bind_has_the_type_of_its_column() {
    let server = OracleServer::start();
    server.on("SELECT 1 FROM t WHERE *", |_| Answer::rows("ONE NUMBER", [row(["1"])]));
    let before_christ = Moment { year: -43, month: 3, day: 15, nanosecond: 0, ..MOMENT };
    let binds = [
        ("a", Bind::Text("ALIC1".to_owned())),
        ("b", Bind::National("雨".to_owned())),
        ("c", Bind::Padded("ALIC1".to_owned())),
        ("d", Bind::Number("-12345678901234567890123456789012345678".to_owned())),
        ("e", Bind::Date(MOMENT)),
        ("f", Bind::Timestamp(MOMENT)),
        ("g", Bind::Zoned(MOMENT)),
        ("h", Bind::Date(before_christ)),
    ];
    let sql = "SELECT 1 FROM t WHERE a = :a AND b = :b AND c = :c AND d = :d AND e = :e AND f = :f AND g = :g \
               AND h = :h";
    let mut cursor = connect(&server).query(sql, &binds, 10).expect("rows");
    assert_eq!(read(&mut cursor).expect("rows"), ["number 1"]);
    let bound: Vec<_> = server.statements()[0]
        .binds
        .iter()
        .map(|bind| format!("{} {} {}", bind.name, bind.kind, bind.value.as_deref().unwrap_or("NULL")))
        .collect();
    assert_eq!(
        bound,
        [
            "a VARCHAR2 ALIC1",
            "b NVARCHAR2 雨",
            "c CHAR ALIC1",
            "d NUMBER -12345678901234567890123456789012345678",
            "e DATE 2025-01-02 03:04:05",
            "f TIMESTAMP 2025-01-02 03:04:05.123456789",
            "g TIMESTAMP WITH TIME ZONE 2025-01-02 03:04:05.123456789 +00:00",
            "h DATE -0044-03-15 03:04:05",
        ]
    );
}

//! A table of every type that `PostgreSQL` has: what others read of it is what the server says.

use crate::support::daemon::{Workdir, workdir};
use crate::support::postgres::Postgres;
use crate::witness::{Seen, duckdb, python};

/// A type, values of it as SQL, and its type in `DuckDB`.
const TYPES: [(&str, [&str; 3], &str); 24] = [
    ("smallint", ["-32768", "NULL", "0"], "BIGINT"),
    ("integer", ["2147483647", "-1", "0"], "BIGINT"),
    ("bigint", ["9223372036854775807", "-9223372036854775808", "NULL"], "BIGINT"),
    ("oid", ["4294967295", "0", "1"], "BIGINT"),
    ("numeric(12,4)", ["-12.5", "99999999.9999", "0"], "DECIMAL(12,4)"),
    ("numeric(38,10)", ["1234567890123456789012345678.0123456789", "-0.1", "NULL"], "DECIMAL(38,10)"),
    ("numeric(10)", ["1234567890", "-1", "0"], "BIGINT"),
    ("numeric", ["0.10", "12345678901234567890123456789012345678901", "1e-30"], "VARCHAR"),
    ("real", ["0.1", "1.25", "-3.5"], "FLOAT"),
    ("double precision", ["0.1::float8 + 0.2::float8", "-2.5", "1e300"], "DOUBLE"),
    ("boolean", ["true", "false", "NULL"], "BOOLEAN"),
    ("text", ["'it''s \"ö\" 🌧'", "''", "'007'"], "VARCHAR"),
    ("varchar(5)", ["'abc'", "NULL", "''"], "VARCHAR"),
    ("bytea", [r"'\xdeadbeef'", r"'\x'", "NULL"], "BLOB"),
    ("date", ["'2025-02-28'", "'1969-12-31'", "'0001-01-01'"], "DATE"),
    ("timestamp", ["'2025-01-02 03:04:05.000006'", "'1969-12-31 23:59:59.5'", "NULL"], "TIMESTAMP"),
    (
        "timestamptz",
        ["'2025-01-02 03:04:05.5+02'", "'1969-12-31 23:59:59.999999Z'", "'9999-12-31 23:59:59Z'"],
        "TIMESTAMP WITH TIME ZONE",
    ),
    ("time", ["'12:34:56.789'", "'00:00:00'", "NULL"], "VARCHAR"),
    ("jsonb", ["'{\"b\": 1.10, \"a\": null}'", "'[]'", "NULL"], "VARCHAR"),
    ("uuid", ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "NULL", "NULL"], "VARCHAR"),
    ("integer[]", ["'{1,NULL,3}'", "'{}'", "NULL"], "VARCHAR"),
    ("inet", ["'192.168.0.1/24'", "NULL", "'::1'"], "VARCHAR"),
    ("mood", ["'sad'", "'happy'", "NULL"], "VARCHAR"),
    ("share", ["0.5", "0.25", "NULL"], "DOUBLE"),
];

/// A server with a table of them all.
fn server() -> Postgres {
    let server = Postgres::start();
    let columns: Vec<String> = (0..).zip(&TYPES).map(|(at, (kind, ..))| format!("c{at} {kind}")).collect();
    let row = |row: usize| {
        let values: Vec<&str> = TYPES.iter().map(|(_, values, _)| values[row]).collect();
        format!(
            "('A', timestamptz '2025-01-01 00:00:00Z' + {row} * interval '0.25 s', {})",
            values.join(", ")
        )
    };
    server.run(&format!(
        "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN share AS float8 CHECK (VALUE <= 1); \
         CREATE TABLE met (site_id text, date_time timestamptz, {}); INSERT INTO met VALUES {}, {}, {}",
        columns.join(", "),
        row(0),
        row(1),
        row(2)
    ));
    server
}

/// A folder with that table's rows in objects.
fn stored(server: &Postgres, format: &str) -> Workdir {
    let work = workdir(&format!(
        "[source]\nkind = \"postgres\"\nurl = \"{}\"\n[sink]\nurl = \"file://./stored\"\n\
         [upload]\nformat = \"{format}\"\n[poll]\nfallback = \"all\"\n\
         [tables.MET]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"\nnull_values = []\n",
        server.url()
    ));
    let _ = work.livecosmos().table("MET").arg("--once").run().expect_code(0);
    work
}

/// What the server says of each type's column, a null as `-`.
fn assert_as_the_server_says(server: &Postgres, seen: &Seen) {
    for (at, (kind, ..)) in TYPES.iter().enumerate() {
        let name = format!("c{at}");
        let spelled =
            if *kind == "bytea" { format!("encode({name}, 'base64')") } else { format!("{name}::text") };
        let said = server.run(&format!("SELECT coalesce({spelled}, '-') FROM met ORDER BY date_time"));
        assert_eq!(seen.column(&name), said, "{kind}");
    }
}

#[test]
fn duckdb_reads_every_type_of_postgresql_as_the_server_says_it() {
    let server = server();
    let seen = duckdb(&stored(&server, "parquet"));
    assert_eq!(seen.columns[1].1, "TIMESTAMP WITH TIME ZONE");
    assert_eq!(
        seen.column("date_time"),
        ["2025-01-01 00:00:00+00", "2025-01-01 00:00:00.25+00", "2025-01-01 00:00:00.5+00"]
    );
    assert_eq!(seen.column("_rescued_data"), ["-"; 3]);
    for (at, (kind, _, expected)) in TYPES.iter().enumerate() {
        let name = format!("c{at}");
        let (_, found) = seen.columns.iter().find(|(own, _)| *own == name).expect("the column");
        assert_eq!(found, expected, "{kind}");
    }
    assert_as_the_server_says(&server, &seen);
}

#[test]
fn python_reads_every_type_of_postgresql_from_an_array_as_from_ndjson_to_the_last_digit() {
    let server = server();
    let (array, lines) = (stored(&server, "json"), stored(&server, "ndjson"));
    let seen = python(&array);
    assert_as_the_server_says(&server, &seen);
    assert_eq!(seen, python(&lines));
    assert_eq!(duckdb(&array), duckdb(&lines));
}

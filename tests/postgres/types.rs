//! Each type of value leaves exactly as the server spells it: the table in the documentation, row by row.

use crate::served::table::following;
use crate::support::daemon::Livecosmos;
use crate::support::objects;
use crate::support::postgres::{PostgreSql, Postgres};

/// A type, a value of it as SQL, and the JSON that is stored. `docs/postgresql.md` lists the same types.
const VALUES: [(&str, &str, &str); 62] = [
    ("smallint", "-32768", "-32768"),
    ("integer", "2147483647", "2147483647"),
    ("bigint", "9223372036854775807", "9223372036854775807"),
    ("oid", "4294967295", "4294967295"),
    ("numeric", "0.10", "0.10"),
    ("numeric(12,4)", "-12.5", "-12.5000"),
    ("numeric", "12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
    ("numeric", "1e-30", "0.000000000000000000000000000001"),
    ("numeric", "'NaN'", "null"),
    ("numeric", "'Infinity'", "null"),
    ("real", "0.1", "0.1"),
    ("real", "1e20", "1e+20"),
    ("double precision", "0.1", "0.1"),
    ("double precision", "0.1::float8 + 0.2::float8", "0.30000000000000004"),
    ("double precision", "1e300", "1e+300"),
    ("double precision", "'-0'", "-0"),
    ("double precision", "5e-324", "5e-324"),
    ("double precision", "'NaN'", "null"),
    ("double precision", "'-Infinity'", "null"),
    ("boolean", "true", "true"),
    ("boolean", "false", "false"),
    ("text", "'it''s \"ö\" 🌧'", r#""it's \"ö\" 🌧""#),
    ("text", "'007'", r#""007""#),
    ("text", "'NAN'", "null"),
    ("text", "E'two\\nlines\\t'", r#""two\nlines\t""#),
    ("varchar(5)", "'abc'", r#""abc""#),
    ("char(5)", "'abc'", r#""abc""#),
    ("name", "'abc'", r#""abc""#),
    ("bytea", r"'\xdeadbeef'", r#""3q2+7w==""#),
    ("bytea", r"'\x'", r#""""#),
    ("date", "'2025-02-28'", r#""2025-02-28""#),
    ("date", "'infinity'", r#""infinity""#),
    ("date", "'0044-03-15 BC'", r#""0044-03-15 BC""#),
    ("time", "'12:34:56.789'", r#""12:34:56.789""#),
    ("timetz", "'12:34:56+02'", r#""12:34:56+02""#),
    ("timestamp", "'2025-01-02 03:04:05.000006'", r#""2025-01-02 03:04:05.000006""#),
    ("timestamp(0)", "'2025-01-02 03:04:05'", r#""2025-01-02 03:04:05""#),
    ("timestamptz", "'2025-01-02 03:04:05.5+02'", r#""2025-01-02 01:04:05.5+00""#),
    ("timestamptz", "'-infinity'", r#""-infinity""#),
    ("timestamptz", "'294276-01-01 00:00:00Z'", r#""294276-01-01 00:00:00+00""#),
    ("interval", "'1 day 02:03:04.5'", r#""P1DT2H3M4.5S""#),
    ("json", "'{\"a\":  [1, 2.50]}'", r#""{\"a\":  [1, 2.50]}""#),
    ("jsonb", "'{\"b\": 1.10, \"a\": null}'", r#""{\"a\": null, \"b\": 1.10}""#),
    ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", r#""a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11""#),
    ("inet", "'192.168.0.1/24'", r#""192.168.0.1/24""#),
    ("macaddr", "'08:00:2b:01:02:03'", r#""08:00:2b:01:02:03""#),
    ("bit(4)", "B'1010'", r#""1010""#),
    ("point", "'(1.5,2)'", r#""(1.5,2)""#),
    ("integer[]", "'{1,NULL,3}'", r#""{1,NULL,3}""#),
    ("text[]", "'{a,\"b c\"}'", r#""{a,\"b c\"}""#),
    ("double precision[]", "'{0.1,NaN}'", r#""{0.1,NaN}""#),
    ("int4range", "'[1,5)'", r#""[1,5)""#),
    ("mood", "'happy'", r#""happy""#),
    ("pair", "ROW(1, 'a b')", r#""(1,\"a b\")""#),
    ("short_name", "'abc'", r#""abc""#),
    ("percentage", "12.50", "12.50"),
    ("xml", "'<a>1</a>'", r#""<a>1</a>""#),
    ("tsvector", "'a:1 b:2'", r#""'a':1 'b':2""#),
    ("pg_lsn", "'16/B374D848'", r#""16/B374D848""#),
    ("money", "12.34::numeric::money", r#""$12.34""#),
    ("text", "NULL", "null"),
    ("double precision", "NULL", "null"),
];

#[test]
fn every_type_leaves_as_the_server_spells_it() {
    let server = Postgres::start();
    server.run(
        "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE pair AS (n int, t text); \
         CREATE DOMAIN short_name AS varchar(8); CREATE DOMAIN percentage AS numeric CHECK (VALUE <= 100)",
    );
    let columns: Vec<String> =
        (0_u32..).zip(VALUES).map(|(at, (kind, ..))| format!("c{at} {kind}")).collect();
    let values: Vec<&str> = VALUES.iter().map(|(_, value, _)| *value).collect();
    server.run(&format!(
        "CREATE TABLE met (site_id text, date_time timestamptz, id int, {}); \
         INSERT INTO met VALUES ('A', '2025-01-01 00:00:00Z', 1, {})",
        columns.join(", "),
        values.join(", ")
    ));
    let workdir = following::<PostgreSql>(&server.url(), "null_values = [\"NAN\"]\n");
    let run = workdir.livecosmos().table("MET").arg("--once").run().expect_code(0);
    assert!(run.stderr.contains("NaN or infinite numbers"), "it is said: {}", run.stderr);
    let stored = objects::in_folder(&workdir.path("stored"));
    let fields = objects::rows(&stored).remove(0).fields();
    for (at, (kind, value, expected)) in VALUES.iter().enumerate() {
        assert_eq!(fields[&format!("c{at}")], *expected, "{kind} {value}");
    }
}

#[test]
fn a_column_declared_as_text_keeps_what_json_cannot_spell() {
    let server = Postgres::start();
    server.run(
        "CREATE TABLE met (site_id text, date_time timestamptz, id int, a float8, b numeric); \
         INSERT INTO met VALUES ('A', '2025-01-01', 1, 'NaN', 'Infinity'), ('A', '2025-01-02', 2, 1.5, 0.10)",
    );
    let workdir = following::<PostgreSql>(&server.url(), "columns = { a = \"text\", b = \"text\" }\n");
    let _ = workdir.livecosmos().table("MET").arg("--once").run().expect_code(0);
    let rows = objects::rows(&objects::in_folder(&workdir.path("stored")));
    let texts: Vec<_> = rows.iter().map(|row| (row.text("a"), row.text("b"))).collect();
    assert_eq!(texts, [("NaN".into(), "Infinity".into()), ("1.5".into(), "0.10".into())]);
}

/// A type of time column, values of it in order, and the times that are stored; the rest is put aside.
const TIMES: [(&str, &[&str], &[&str]); 5] = [
    (
        "timestamptz",
        &[
            "'-infinity'",
            "'0044-03-15 12:00:00 BC'",
            "'1969-12-31 23:59:59.999999Z'",
            "'2025-01-02 03:04:05+02'",
            "'2025-01-02 03:04:05.000001Z'",
            "'2025-01-02 03:04:05.5Z'",
            "NULL",
            "'infinity'",
        ],
        &[
            "-0043-03-15T12:00:00Z",
            "1969-12-31T23:59:59.999999Z",
            "2025-01-02T01:04:05Z",
            "2025-01-02T03:04:05.000001Z",
            "2025-01-02T03:04:05.5Z",
        ],
    ),
    (
        "timestamp",
        &["'2025-01-02 03:04:05'", "'2025-01-02 03:04:05.25'"],
        &["2025-01-02T03:04:05Z", "2025-01-02T03:04:05.25Z"],
    ),
    (
        "date",
        &["'2025-01-02'", "'2025-01-03'", "'infinity'"],
        &["2025-01-02T00:00:00Z", "2025-01-03T00:00:00Z"],
    ),
    ("integer", &["1735786999", "1735787045"], &["2025-01-02T03:03:19Z", "2025-01-02T03:04:05Z"]),
    ("bigint", &["-1", "1735787045"], &["1969-12-31T23:59:59Z", "2025-01-02T03:04:05Z"]),
];

#[test]
fn every_kind_of_time_is_read_to_its_last_digit_and_what_is_none_is_put_aside() {
    let server = Postgres::start();
    for (kind, values, expected) in TIMES {
        let rows: Vec<String> =
            values.iter().enumerate().map(|(id, value)| format!("('A', {value}, {id})")).collect();
        server.run(&format!(
            "DROP TABLE IF EXISTS met; CREATE TABLE met (site_id text, date_time {kind}, id int); \
             CREATE INDEX ON met (site_id, date_time); INSERT INTO met VALUES {}",
            rows.join(", ")
        ));
        let workdir = following::<PostgreSql>(&server.url(), "");
        let run = workdir.livecosmos().table("MET").arg("--once");
        let _ = run.run().expect_code(0);
        let _ = run.run().expect_code(0);
        let rows = objects::rows(&objects::in_folder(&workdir.path("stored")));
        let times: Vec<String> = rows.iter().map(|row| row.text("date_time")).collect();
        assert_eq!(times, expected, "{kind}");
        let list =
            Livecosmos::new(workdir.folder()).arg("quarantine").arg("list").arg(workdir.config()).arg("MET");
        let listed = list.arg("--state-dir").arg(workdir.state_dir()).run().expect_code(0);
        let aside = listed.stdout.lines().filter(|line| line.contains("give it")).count();
        assert_eq!(aside, values.len() - expected.len(), "{kind}: {}", listed.stdout);
    }
}

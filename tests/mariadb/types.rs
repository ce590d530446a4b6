//! Each type of value leaves exactly as the server holds it: the table in the documentation, row by row.

use crate::served::table::following;
use crate::support::daemon::{Livecosmos, Workdir};
use crate::support::mariadb::{MariaDb, Mariadb};
use crate::support::objects;

/// A type, a value of it as SQL, and the JSON that is stored. `docs/mysql.md` lists the same types.
const VALUES: [(&str, &str, &str); 68] = [
    ("tinyint", "-128", "-128"),
    ("tinyint unsigned", "255", "255"),
    ("bool", "true", "1"),
    ("bool", "false", "0"),
    ("smallint", "-32768", "-32768"),
    ("mediumint", "8388607", "8388607"),
    ("int", "2147483647", "2147483647"),
    ("int(5) zerofill", "42", "42"),
    ("bigint", "-9223372036854775808", "-9223372036854775808"),
    ("bigint unsigned", "18446744073709551615", "18446744073709551615"),
    ("decimal(10,2)", "0.10", "0.10"),
    ("decimal(12,4)", "-12.5", "-12.5000"),
    ("decimal(65,0)", "12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
    ("decimal(38,38)", "1e-30", "0.00000000000000000000000000000100000000"),
    ("decimal(8,2) zerofill", "12.5", "12.50"),
    ("float", "0.1", "0.1"),
    ("float", "3.14159274", "3.1415927"),
    ("float", "16777216", "16777216"),
    ("float", "1e20", "1e20"),
    ("float(7,2)", "0.1", "0.10"),
    ("double", "0.1", "0.1"),
    ("double", "0.1e0 + 0.2e0", "0.30000000000000004"),
    ("double", "1e15", "1e15"),
    ("double", "1e300", "1e300"),
    ("double", "2.2250738585072014e-308", "2.2250738585072014e-308"),
    ("double(10,3)", "2.5", "2.500"),
    ("bit(1)", "b'1'", "1"),
    ("bit(12)", "b'101000000001'", "2561"),
    ("bit(64)", "~0", "18446744073709551615"),
    ("year", "2025", "2025"),
    ("year", "0", "0"),
    ("char(5)", "'abc'", r#""abc""#),
    ("varchar(64)", "'it''s \"ö\" 🌧 '", r#""it's \"ö\" 🌧 ""#),
    ("varchar(64)", "'007'", r#""007""#),
    ("varchar(64)", "'NAN'", "null"),
    ("varchar(64)", r"'two\nlines\t'", r#""two\nlines\t""#),
    ("varchar(64) CHARACTER SET latin1", "'Zürich'", r#""Zürich""#),
    ("varchar(64) CHARACTER SET ucs2", "'日本'", r#""日本""#),
    ("tinytext", "'a'", r#""a""#),
    ("text", "'a\\\\b'", r#""a\\b""#),
    ("mediumtext", "''", r#""""#),
    ("longtext", "'x'", r#""x""#),
    ("enum('sad','happy')", "'happy'", r#""happy""#),
    ("set('a','b','c')", "'a,c'", r#""a,c""#),
    ("json", "'{\"a\":  [1, 2.50]}'", r#""{\"a\":  [1, 2.50]}""#),
    ("binary(4)", "X'DEADBEEF'", r#""3q2+7w==""#),
    ("binary(4)", "'ab'", r#""YWIAAA==""#),
    ("varbinary(16)", "X'00FF'", r#""AP8=""#),
    ("tinyblob", "''", r#""""#),
    ("blob", "'abc'", r#""YWJj""#),
    ("mediumblob", "'abc'", r#""YWJj""#),
    ("longblob", "'abc'", r#""YWJj""#),
    ("date", "'2025-02-28'", r#""2025-02-28""#),
    ("date", "'0000-00-00'", r#""0000-00-00""#),
    ("date", "'2025-00-10'", r#""2025-00-10""#),
    ("datetime", "'2025-01-02 03:04:05'", r#""2025-01-02 03:04:05""#),
    ("datetime", "'2025-01-02'", r#""2025-01-02 00:00:00""#),
    ("datetime(3)", "'2025-01-02 03:04:05.12'", r#""2025-01-02 03:04:05.120""#),
    ("datetime(6)", "'9999-12-31 23:59:59.999999'", r#""9999-12-31 23:59:59.999999""#),
    ("datetime(6)", "'0000-00-00'", r#""0000-00-00 00:00:00.000000""#),
    ("timestamp NULL", "'2025-01-02 03:04:05'", r#""2025-01-02 03:04:05""#),
    ("timestamp(6) NULL", "'2025-01-02 03:04:05.000006'", r#""2025-01-02 03:04:05.000006""#),
    ("time", "'-838:59:59'", r#""-838:59:59""#),
    ("time(3)", "'12:34:56.7'", r#""12:34:56.700""#),
    ("uuid", "'A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11'", r#""a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11""#),
    ("inet6", "'::ffff:192.0.2.1'", r#""::ffff:192.0.2.1""#),
    ("point", "ST_GeomFromText('POINT(1 2)')", r#""AAAAAAEBAAAAAAAAAAAA8D8AAAAAAAAAQA==""#),
    ("double", "NULL", "null"),
];

/// What a run of `MET` stored, as the fields of its only row.
fn once(workdir: &Workdir) {
    let _ = workdir.livecosmos().table("MET").arg("--once").run().expect_code(0);
}

#[test]
fn every_type_leaves_as_the_server_holds_it() {
    let server = Mariadb::start();
    let columns: Vec<String> =
        VALUES.iter().enumerate().map(|(at, (kind, ..))| format!("c{at} {kind}")).collect();
    let values: Vec<&str> = VALUES.iter().map(|(_, value, _)| *value).collect();
    server.run(&format!(
        "CREATE TABLE met (site_id varchar(64), date_time datetime, id int, {}); \
         INSERT INTO met VALUES ('A', '2025-01-01', 1, {})",
        columns.join(", "),
        values.join(", ")
    ));
    let workdir = following::<MariaDb>(&server.url(), "null_values = [\"NAN\"]\n");
    once(&workdir);
    let fields = objects::rows(&objects::in_folder(&workdir.path("stored"))).remove(0).fields();
    for (at, (kind, value, expected)) in VALUES.iter().enumerate() {
        assert_eq!(fields[&format!("c{at}")], *expected, "{kind} {value}");
    }
}

#[test]
fn a_double_is_spelled_as_the_server_spells_it_whatever_it_is() {
    let server = Mariadb::start();
    server.run(
        "CREATE TABLE met (id int PRIMARY KEY, site_id varchar(9), date_time datetime, v double, t text); \
         INSERT INTO met (id, site_id, date_time, v) SELECT seq, 'A', '2025-01-01' + INTERVAL seq SECOND, \
         (RAND(seq) - 0.5) * POW(10, FLOOR(RAND(seq * 7) * 600) - 300) FROM seq_1_to_4000; \
         UPDATE met SET v = ROUND(v, 3) WHERE id % 5 = 0; UPDATE met SET t = CAST(v AS CHAR)",
    );
    let workdir = following::<MariaDb>(&server.url(), "");
    once(&workdir);
    let rows = objects::rows(&objects::in_folder(&workdir.path("stored")));
    assert_eq!(rows.len(), 4_000);
    for row in rows {
        assert_eq!(row.fields()["v"], row.text("t"));
    }
}

/// A type of time column, values of it in order, and the times that are stored; the rest is put aside.
const TIMES: [(&str, &[&str], &[&str]); 7] = [
    (
        "datetime(6)",
        &["'0000-00-00'", "'2025-00-10'", "'2025-01-02 03:04:05.000001'", "'2025-01-02 03:04:05.5'", "NULL"],
        &["2025-01-02T03:04:05.000001Z", "2025-01-02T03:04:05.500000Z"],
    ),
    (
        "datetime",
        &["'1000-01-01 00:00:00'", "'1969-12-31 23:59:59'", "'2025-01-02 03:04:05'"],
        &["1000-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2025-01-02T03:04:05Z"],
    ),
    (
        "timestamp(3) NULL",
        &["'0000-00-00'", "'1970-01-01 00:00:01'", "'2025-01-02 03:04:05.25'", "NULL"],
        &["1970-01-01T00:00:01.000Z", "2025-01-02T03:04:05.250Z"],
    ),
    (
        "date",
        &["'0000-00-00'", "'2025-01-02'", "'2025-01-03'"],
        &["2025-01-02T00:00:00Z", "2025-01-03T00:00:00Z"],
    ),
    ("int", &["1735786999", "1735787045"], &["2025-01-02T03:03:19Z", "2025-01-02T03:04:05Z"]),
    ("bigint", &["-1", "1735787045", "NULL"], &["1969-12-31T23:59:59Z", "2025-01-02T03:04:05Z"]),
    ("bigint unsigned", &["1735787045"], &["2025-01-02T03:04:05Z"]),
];

#[test]
fn every_kind_of_time_is_read_to_its_last_digit_and_what_is_none_is_put_aside() {
    let server = Mariadb::start();
    for (kind, values, expected) in TIMES {
        for index in ["", ", KEY i (site_id, date_time)", ", KEY i (date_time)"] {
            let rows: Vec<String> =
                values.iter().enumerate().map(|(id, value)| format!("('A', {value}, {id})")).collect();
            server.run(&format!(
                "DROP TABLE IF EXISTS met; CREATE TABLE met (site_id varchar(9), date_time {kind}, id int{index}); \
                 INSERT INTO met VALUES {}",
                rows.join(", ")
            ));
            let workdir = following::<MariaDb>(&server.url(), "");
            once(&workdir);
            once(&workdir);
            let rows = objects::rows(&objects::in_folder(&workdir.path("stored")));
            let times: Vec<String> = rows.iter().map(|row| row.text("date_time")).collect();
            assert_eq!(times, expected, "{kind}{index}");
            let list = Livecosmos::new(workdir.folder())
                .arg("quarantine")
                .arg("list")
                .arg(workdir.config())
                .arg("MET");
            let listed = list.arg("--state-dir").arg(workdir.state_dir()).run().expect_code(0);
            let aside = listed.stdout.lines().filter(|line| line.contains("give it")).count();
            assert_eq!(aside, values.len() - expected.len(), "{kind}{index}: {}", listed.stdout);
        }
    }
}

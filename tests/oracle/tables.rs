//! The server's tables answer a follower's statements as Oracle would.

use std::sync::Arc;

use crate::support::oci;
use crate::support::oracle::OracleServer;
use crate::support::oracle::tables::Tables;
use oracle::{Connection, InitParams};

fn connect(server: &OracleServer) -> Connection {
    let mut parameters = InitParams::new();
    parameters.oracle_client_lib_dir(oci::library_folder()).expect("the path has no zero byte");
    parameters.init().expect("the stand-in is a client library");
    Connection::connect("scott", "tiger", server.dsn()).expect("the server lets scott in")
}

fn measures(server: &OracleServer) -> Arc<Tables> {
    let tables = Tables::new();
    tables.create(
        "MEASURES",
        "SITE VARCHAR2(10) NOT NULL, TIME TIMESTAMP(6), TIE NUMBER(18) NOT NULL, V NUMBER, D DATE, \
         Z TIMESTAMP(3) WITH TIME ZONE",
    );
    tables.create_index("MEASURES_SITE_TIME", "MEASURES", &["SITE", "TIME"], false);
    tables.insert(
        "MEASURES",
        &[
            [
                "B",
                "2025-01-02 03:04:05.5",
                "10",
                "1.10",
                "2025-01-02 03:04:05",
                "2025-01-02 03:04:05.125 +00:00",
            ],
            ["A", "2025-01-02 03:04:05", "9", "12345678901234567890123456789012345678", "NULL", "NULL"],
            ["A", "2025-01-02 03:04:05.000001", "100", "NULL", "2025-01-02 03:04:06", "NULL"],
            ["A", "NULL", "7", "NULL", "NULL", "NULL"],
        ],
    );
    tables.serve(server);
    tables
}

fn asked(connection: &Connection, sql: &str, binds: &[(&str, &dyn oracle::sql_type::ToSql)]) -> Vec<String> {
    let rows = connection.query_named(sql, binds).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let spelled = |row: oracle::Row| {
        let cells = row.sql_values().iter().map(|value| value.get::<Option<String>>().expect("a text"));
        cells.map(|cell| cell.unwrap_or_else(|| "NULL".to_owned())).collect::<Vec<_>>().join(" | ")
    };
    rows.map(|row| spelled(row.expect("a row"))).collect()
}

#[test]
fn rows_after_a_position_come_in_the_order_of_time_and_tie_with_their_types() {
    let server = OracleServer::start();
    let _tables = measures(&server);
    let connection = connect(&server);
    let low = oracle::sql_type::Timestamp::new(2025, 1, 2, 3, 4, 5, 0).expect("a time");
    let rows = asked(
        &connection,
        "SELECT r.\"SITE\", r.\"TIME\", r.\"TIE\", r.\"V\", r.\"D\", r.\"Z\" FROM \"SCOTT\".\"MEASURES\" r \
         WHERE r.\"SITE\" IN (:s0, :s1) AND r.\"TIME\" >= :low AND (r.\"TIME\" > :low OR r.\"TIE\" > :tie) \
         ORDER BY r.\"SITE\", r.\"TIME\", r.\"TIE\"",
        &[
            ("s0", &"A"),
            ("s1", &"B"),
            ("low", &(&low, &oracle::sql_type::OracleType::Timestamp(9))),
            ("tie", &8),
        ],
    );
    assert_eq!(
        rows,
        [
            "A | 2025-01-02 03:04:05.000000 | 9 | 12345678901234567890123456789012345678 | NULL | NULL",
            "A | 2025-01-02 03:04:05.000001 | 100 | NULL | 2025-01-02 03:04:06 | NULL",
            "B | 2025-01-02 03:04:05.500000 | 10 | 1.1 | 2025-01-02 03:04:05 | 2025-01-02 03:04:05.125 +00:00",
        ]
    );
}

#[test]
fn positions_of_many_sites_are_joined_in_one_statement() {
    let server = OracleServer::start();
    let _tables = measures(&server);
    let low = |nanosecond| oracle::sql_type::Timestamp::new(2025, 1, 2, 3, 4, 5, nanosecond).expect("a time");
    let stamp = oracle::sql_type::OracleType::Timestamp(9);
    let rows = asked(
        &connect(&server),
        "WITH d (place, site, low) AS (SELECT 0, :s0, :l0 FROM dual UNION ALL SELECT 1, :s1, :l1 FROM dual) \
         SELECT d.place, r.\"TIE\" FROM d JOIN MEASURES r ON r.\"SITE\" = d.site AND r.\"TIME\" > d.low \
         ORDER BY r.\"TIME\", r.\"TIE\" FETCH FIRST 5 ROWS ONLY",
        &[("s0", &"A"), ("l0", &(&low(0), &stamp)), ("s1", &"B"), ("l1", &(&low(499_999_999), &stamp))],
    );
    assert_eq!(rows, ["0 | 100", "1 | 10"]);
}

#[test]
fn the_newest_time_of_each_site_is_listed() {
    let server = OracleServer::start();
    let _tables = measures(&server);
    let rows = asked(
        &connect(&server),
        "SELECT SITE, MAX(TIME), COUNT(*) - COUNT(TIME) FROM MEASURES GROUP BY SITE ORDER BY SITE",
        &[],
    );
    assert_eq!(rows, ["A | 2025-01-02 03:04:05.000001000 | 1", "B | 2025-01-02 03:04:05.500000000 | 0"]);
}

#[test]
fn the_catalogue_knows_tables_columns_and_indexes() {
    let server = OracleServer::start();
    let _tables = measures(&server);
    let connection = connect(&server);
    let columns = asked(
        &connection,
        "SELECT column_name, data_type, data_precision, data_scale, nullable FROM all_tab_columns \
         WHERE owner = :owner AND table_name = :name ORDER BY column_id",
        &[("owner", &"SCOTT"), ("name", &"MEASURES")],
    );
    assert_eq!(
        columns,
        [
            "SITE | VARCHAR2 | NULL | NULL | N",
            "TIME | TIMESTAMP(6) | NULL | 6 | Y",
            "TIE | NUMBER | 18 | 0 | N",
            "V | NUMBER | NULL | NULL | Y",
            "D | DATE | NULL | NULL | Y",
            "Z | TIMESTAMP(3) WITH TIME ZONE | NULL | 3 | Y",
        ]
    );
    let indexed = asked(
        &connection,
        "SELECT i.index_name, i.uniqueness, c.column_name FROM all_indexes i JOIN all_ind_columns c \
         ON c.index_owner = i.owner AND c.index_name = i.index_name WHERE i.table_name = :name \
         ORDER BY i.index_name, c.column_position",
        &[("name", &"MEASURES")],
    );
    assert_eq!(indexed, ["MEASURES_SITE_TIME | NONUNIQUE | SITE", "MEASURES_SITE_TIME | NONUNIQUE | TIME"]);
}

#[test]
fn the_clock_is_the_servers_own() {
    let server = OracleServer::start();
    let tables = measures(&server);
    tables.set_clock("2031-05-06 07:08:09.000000010 +00:00");
    let rows = asked(&connect(&server), "SELECT SYSTIMESTAMP FROM dual", &[]);
    assert_eq!(rows, ["2031-05-06 07:08:09.000000010 +00:00"]);
}

#[test]
fn what_is_not_there_or_no_sql_of_oracle_is_an_error() {
    let server = OracleServer::start();
    let tables = measures(&server);
    let connection = connect(&server);
    let code = |sql| connection.query(sql, &[]).map(drop).expect_err(sql).oci_code();
    assert_eq!(code("SELECT * FROM NO_SUCH_TABLE"), Some(942));
    assert_eq!(code("SELECT NO_SUCH_COLUMN FROM MEASURES"), Some(904));
    assert_eq!(code("SELECT * FROM MEASURES AS r"), Some(933));
    assert_eq!(code("SELECT * FROM MEASURES LIMIT 1"), Some(933));
    assert_eq!(code("SELECT * FROM MEASURES;"), Some(933));
    tables.remove("MEASURES");
    assert_eq!(code("SELECT * FROM MEASURES"), Some(942));
}

//! What is bound, and with which type: on the type depends whether the database can use an index.

use std::process::Command;

use super::{connect, rows};
use crate::support::tns::{
    Answer, BindType, Cell, Column, OraError, Release, Server, Setup, Statement, Table, Time, Type,
};
use livecosmos::source::oracle::thin::{Bind, Cell as Read};
use oracledb::OracleTimestamp;

fn one_row(_: &Statement) -> Answer {
    Answer::rows(vec![Column::new("V", Type::AnyNumber)], vec![vec![Cell::number(1)]])
}

fn last(server: &Server) -> Statement {
    server.seen().statements.pop().expect("a statement")
}

#[test]
fn a_timestamp_is_bound_with_all_its_digits() {
    for release in [Release::V12, Release::V19, Release::V23] {
        let server = Setup::new(one_row).release(release).start();
        let time = OracleTimestamp::new_timestamp(2026, 11, 20, 8, 30, 0, 123_456_789);
        let binds = [("n", Bind::Timestamp(time))];
        rows(&mut connect(&server), "SELECT v FROM t WHERE at > :n OR (at = :n AND v > 1)", &binds, 10)
            .unwrap();
        let statement = last(&server);
        assert_eq!(statement.binds.len(), 2, "a name that stands twice is bound twice");
        for bind in &statement.binds {
            assert_eq!((bind.name.as_str(), bind.kind), ("n", BindType::Timestamp));
            assert_eq!(bind.value.as_deref(), Some("2026-11-20T08:30:00.123456789"));
        }
    }
}

#[test]
fn a_whole_second_is_bound_as_timestamp_in_the_form_of_a_date() {
    let server = Setup::new(one_row).start();
    let binds = [("n", Bind::Timestamp(OracleTimestamp::new_date(2026, 11, 20)))];
    rows(&mut connect(&server), "SELECT v FROM t WHERE at >= CAST(:n AS DATE)", &binds, 10).unwrap();
    let statement = last(&server);
    let bind = statement.bind("N").expect("a bind named n");
    assert_eq!(bind.kind, BindType::Timestamp);
    assert_eq!(bind.wire, [120, 126, 11, 20, 1, 1, 1]);
}

#[test]
fn dates_before_christ_are_bound_as_they_are() {
    let server = Setup::new(one_row).start();
    let binds = [("n", Bind::Timestamp(OracleTimestamp::new_date(-4712, 1, 1)))];
    rows(&mut connect(&server), "SELECT v FROM t WHERE at >= :n", &binds, 10).unwrap();
    assert_eq!(last(&server).binds[0].wire, [53, 88, 1, 1, 1, 1, 1]);
}

#[test]
fn oracles_own_client_binds_a_date_as_date_and_the_server_sees_it() {
    let server = Setup::new(one_row).start();
    let script = "import datetime, os, sys, oracledb\n\
        c = oracledb.connect(user='reader', password=os.environ['ORACLE_PASSWORD'], dsn=sys.argv[1])\n\
        k = c.cursor()\n\
        k.setinputsizes(d=oracledb.DB_TYPE_DATE, t=oracledb.DB_TYPE_TIMESTAMP, z=oracledb.DB_TYPE_TIMESTAMP_TZ)\n\
        t = datetime.datetime(2026, 11, 20, 8, 30, 0, 5)\n\
        k.execute('SELECT v FROM t WHERE a = :d AND b = :t AND c = :z AND d = :s AND e = :n AND f = :e AND g = :f',\n\
            d=t, t=t, z=t, s='Gr\u{fc}\u{df}e', n=-12.5, e=None, f=b'\\x01\\xff')\n\
        k.fetchall()\n";
    let mut command = Command::new(super::witness::python());
    command
        .args(["-c", script, &server.connect_string()])
        .env("ORACLE_PASSWORD", crate::support::tns::PASSWORD);
    assert!(command.status().unwrap().success());
    let statement = last(&server);
    let seen = |name: &str| statement.bind(name).map(|bind| (bind.kind, bind.value.clone())).unwrap();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(seen("d"), (BindType::Date, text("2026-11-20T08:30:00")));
    assert_eq!(seen("t"), (BindType::Timestamp, text("2026-11-20T08:30:00.000005000")));
    assert_eq!(seen("z"), (BindType::TimestampTz, text("2026-11-20T08:30:00.000005000")));
    assert_eq!(seen("s"), (BindType::Text, text("Grüße")));
    assert_eq!(seen("n"), (BindType::Number, text("-12.5")));
    assert_eq!(seen("e"), (BindType::Text, None));
    assert_eq!(seen("f"), (BindType::Raw, text("01FF")));
}

#[test]
fn a_thousand_sites_are_bound_in_one_statement() {
    let server = Setup::new(one_row).start();
    let names: Vec<String> = (0..1000).map(|at| format!("b{at}")).collect();
    let binds: Vec<(&str, Bind)> =
        names.iter().map(|name| (name.as_str(), Bind::Text(format!("site-{name}-'\":x")))).collect();
    let sql = format!("SELECT v FROM t WHERE site IN (:{})", names.join(", :"));
    rows(&mut connect(&server), &sql, &binds, 10).unwrap();
    let statement = last(&server);
    assert_eq!(statement.binds.len(), 1000);
    assert_eq!(statement.bind("b999").unwrap().value.as_deref(), Some("site-b999-'\":x"));
}

#[test]
fn numbers_are_bound_with_all_their_digits() {
    let server = Setup::new(one_row).start();
    let mut connection = connect(&server);
    for text in
        ["0", "-1", "99999999999999999999999999999999999999", "-0.00000000000000000000000000000000000001"]
    {
        let binds = [("n", Bind::Number(text.parse().unwrap()))];
        rows(&mut connection, "SELECT v FROM t WHERE v = :n", &binds, 10).unwrap();
        assert_eq!(last(&server).binds[0].value.as_deref(), Some(text));
    }
}

#[test]
fn a_cursor_that_is_dropped_early_is_closed_with_the_next_call() {
    let server = Setup::new(|_| {
        Answer::rows(
            vec![Column::new("V", Type::AnyNumber)],
            (0..100).map(|n| vec![Cell::number(n)]).collect(),
        )
    })
    .start();
    let mut connection = connect(&server);
    let mut cursor = connection.query("SELECT v FROM t", &[], 10).unwrap();
    assert_eq!(cursor.next(&mut Vec::new()), Ok(true));
    drop(cursor);
    assert_eq!(server.seen().closed_cursors, 0);
    connection.ping().unwrap();
    assert_eq!(server.seen().closed_cursors, 1);
}

#[test]
fn a_table_that_changes_between_two_polls_is_described_anew() {
    let columns =
        std::sync::Mutex::new(vec![vec![Type::AnyNumber], vec![Type::Clob, Type::Date]].into_iter());
    let server = Setup::new(move |_| {
        let kinds = columns.lock().unwrap().next().unwrap();
        Answer::rows(kinds.into_iter().map(|kind| Column::new("V", kind)).collect(), Vec::new())
    })
    .start();
    let mut connection = connect(&server);
    assert_eq!(connection.query("SELECT * FROM t", &[], 10).unwrap().columns().len(), 1);
    assert_eq!(connection.query("SELECT * FROM t", &[], 10).unwrap().columns().len(), 2);
}

/// What a follower asks: the catalogue, the newest row of each site, what lies behind.
fn station_database(statement: &Statement) -> Answer {
    let sql = statement.sql.as_str();
    let readings = Table {
        name: "READINGS".to_owned(),
        columns: vec![Column::not_null("SITE", Type::Varchar2(8)), Column::not_null("T", Type::Timestamp(6))],
        rows: ["A", "B"]
            .iter()
            .flat_map(|site| {
                (0..3).map(|n| vec![Cell::text(site), Cell::Time(Time::new((2026, 11, 20), (8, n, 0), 1000))])
            })
            .collect(),
    };
    if sql.starts_with("ALTER SESSION") || sql.starts_with("SET TRANSACTION READ ONLY") {
        return Answer::Done(0);
    }
    if sql.contains("all_tab_columns") {
        let text = |text: &str| Cell::text(text);
        return Answer::rows(
            vec![
                Column::new("COLUMN_NAME", Type::Varchar2(128)),
                Column::new("DATA_TYPE", Type::Varchar2(128)),
            ],
            vec![vec![text("SITE"), text("VARCHAR2")], vec![text("T"), text("TIMESTAMP(6)")]],
        );
    }
    if sql.contains("GROUP BY") {
        let rows = [&readings.rows[2], &readings.rows[5]].map(Clone::clone).to_vec();
        return Answer::rows(readings.columns, rows);
    }
    if sql.contains("WHERE site IN") {
        let (sites, from): (Vec<_>, Vec<_>) =
            statement.binds.iter().partition(|bind| bind.kind == BindType::Text);
        let is_due = |row: &Vec<Cell>| {
            let (Cell::Text(site), Cell::Time(time)) = (&row[0], &row[1]) else { return false };
            let time = Some(time.to_string());
            sites.iter().any(|bind| bind.value.as_ref() == Some(site)) && time >= from[0].value
        };
        return Answer::rows(readings.columns, readings.rows.into_iter().filter(is_due).collect());
    }
    Answer::error(OraError::no_such_table())
}

#[test]
fn a_test_can_play_the_database_that_a_follower_reads() {
    let server = Setup::new(station_database).start();
    let mut connection = connect(&server);
    connection.execute("ALTER SESSION SET TIME_ZONE = '+00:00'").unwrap();
    connection.execute("SET TRANSACTION READ ONLY").unwrap();
    let binds = [("o", Bind::Text("ME".into())), ("t", Bind::Text("READINGS".into()))];
    let catalogue = "SELECT column_name, data_type FROM all_tab_columns WHERE owner = :o AND table_name = :t";
    assert_eq!(rows(&mut connection, catalogue, &binds, 100).unwrap().len(), 2);
    let newest = rows(&mut connection, "SELECT site, MAX(t) FROM readings GROUP BY site", &[], 100).unwrap();
    assert_eq!(newest[1][1], Read::Text("2026-11-20T08:02:00.000001".into()));
    let binds = [
        ("b0", Bind::Text("B".into())),
        ("n", Bind::Timestamp(OracleTimestamp::new_timestamp(2026, 11, 20, 8, 1, 0, 1000))),
    ];
    let due = "SELECT site, t FROM readings WHERE site IN (:b0) AND t >= :n ORDER BY site, t";
    assert_eq!(rows(&mut connection, due, &binds, 100).unwrap().len(), 2);
    assert_eq!(server.seen().statements.len(), 5);
}

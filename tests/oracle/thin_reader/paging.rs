//! Result sets of many pages come whole, whatever the page and the packet.

use super::{connect, rows, witness};
use crate::support::tns::{Answer, Cell, Column, Release, Server, Setup, Table, Time, Type};
use livecosmos::source::oracle::thin::Cell as Read;

const ROWS: usize = 5000;

/// Rows in which values repeat, in every mixture, and some are null.
fn table() -> Table {
    let row = |n: usize| {
        let second = u8::try_from(n / 7 % 60).expect("a second");
        vec![
            Cell::text(["ALIC1", "BRIS2", "CAIR3"][n * 3 / ROWS]),
            Cell::Time(Time::new((2026, 11, 20), (8, 30, second), 0)),
            Cell::number(n),
            if n.is_multiple_of(5) { Cell::Null } else { Cell::number(format!("0.{}", n / 4 % 10 + 1)) },
            if n.is_multiple_of(11) { Cell::Null } else { Cell::text(&"x".repeat(n % 300)) },
            Cell::Null,
        ]
    };
    let columns = vec![
        Column::not_null("SITE", Type::Varchar2(10)),
        Column::not_null("T", Type::Date),
        Column::new("N", Type::AnyNumber),
        Column::new("X", Type::Number(10, 4)),
        Column::new("S", Type::Varchar2(400)),
        Column::new("EMPTY", Type::Char(3)),
    ];
    Table { name: "readings".to_owned(), columns, rows: (0..ROWS).map(row).collect() }
}

fn expected() -> Vec<Vec<Option<String>>> {
    let text = |cell: &Cell| match cell {
        Cell::Text(text) if text.is_empty() => None,
        Cell::Text(text) | Cell::Number(text) => Some(text.trim_end_matches('0').to_owned()),
        Cell::Time(time) => Some(time.to_string()),
        _ => None,
    };
    table().rows.iter().map(|row| row.iter().map(text).collect()).collect()
}

fn comparable(text: &str) -> String {
    if text.contains('T') && text.contains(':') {
        text.to_owned()
    } else {
        text.trim_end_matches('0').to_owned()
    }
}

fn serving(release: Release, sdu: u32) -> Server {
    let table = table();
    Setup::new(move |_| table.all()).release(release).sdu_max(sdu).start()
}

fn come_whole(release: Release, sdu: u32, fetch_rows: &[u32]) {
    let server = serving(release, sdu);
    let mut connection = connect(&server);
    for fetch_rows in fetch_rows {
        let read = rows(&mut connection, "SELECT * FROM readings", &[], *fetch_rows).expect("all rows");
        let text = |cell: &Read| match cell {
            Read::Null => None,
            Read::Text(text) => Some(comparable(text)),
            other => panic!("{other:?}"),
        };
        let read: Vec<Vec<_>> = read.iter().map(|row| row.iter().map(text).collect()).collect();
        assert!(read == expected(), "rows differ with {fetch_rows} a page and {sdu} bytes a packet");
    }
}

#[test]
fn all_rows_of_a_19c_server_come_in_pages_of_any_size() {
    come_whole(Release::V19, 8192, &[7, 100, 1000, 5001]);
}

#[test]
fn all_rows_of_a_23ai_server_come_in_pages_of_any_size() {
    come_whole(Release::V23, 8192, &[1, 100, 1000, 5000]);
}

#[test]
fn all_rows_come_in_packets_of_any_size() {
    for sdu in [512, 513, 514, 515, 2048] {
        come_whole(Release::V19, sdu, &[100]);
        come_whole(Release::V23, sdu, &[100]);
    }
}

#[test]
fn oracles_own_client_reads_the_same_rows() {
    for (release, fetch_rows) in [(Release::V12, 7), (Release::V19, 1000), (Release::V23, 100)] {
        let server = serving(release, 8192);
        let read = witness::read(&server, fetch_rows, "inline", &["readings"]).remove(0);
        let text = |text: &String| (text != "null").then(|| comparable(text));
        let read: Vec<Vec<_>> = read.iter().map(|row| row.iter().map(text).collect()).collect();
        assert!(read == expected(), "rows of {release:?} differ");
    }
}

#[test]
fn a_page_has_as_many_rows_as_were_asked_for() {
    let server = serving(Release::V19, 8192);
    rows(&mut connect(&server), "SELECT * FROM readings", &[], 1000).expect("all rows");
    assert_eq!(
        server.seen().fetches,
        [1000; 6],
        "no row comes with the execute; the last fetch finds that there are no more"
    );
}

#[test]
fn a_query_without_rows_has_columns() {
    let server = Setup::new(|_| Answer::rows(vec![Column::new("V", Type::Clob)], Vec::new())).start();
    let mut connection = connect(&server);
    let mut cursor = connection.query("SELECT v FROM nothing", &[], 10).expect("a cursor");
    assert_eq!(cursor.columns()[0].name, "V");
    assert_eq!(cursor.next(&mut Vec::new()), Ok(false));
}

#[test]
fn a_row_that_repeats_nothing_is_read_behind_one_that_does() {
    let row = |(n, text): (u32, &str)| vec![Cell::number(n), Cell::text(text)];
    let values = [(1, "a"), (1, "b"), (2, "c"), (3, "c"), (4, "d"), (4, "d"), (5, "e")];
    let columns = vec![Column::new("N", Type::AnyNumber), Column::new("S", Type::Varchar2(9))];
    for release in [Release::V12, Release::V19, Release::V23] {
        let answer = Answer::rows(columns.clone(), values.map(row).to_vec());
        let server = Setup::new(move |_| answer.clone()).release(release).start();
        for fetch_rows in [2, 3, 100] {
            let read = rows(&mut connect(&server), "SELECT * FROM pairs", &[], fetch_rows).expect("all rows");
            let expected = values.map(|(n, text)| vec![Read::Text(n.to_string()), Read::Text(text.into())]);
            assert_eq!(read, expected, "{fetch_rows} a page");
        }
        let expected = values.map(|(n, text)| vec![n.to_string(), text.to_owned()]);
        assert_eq!(witness::read(&server, 100, "inline", &["pairs"])[0], expected);
    }
}

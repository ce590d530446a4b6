//! The reader over Oracle's client library, against a server that plays the database.

mod faults;
mod values;

use std::time::Duration;

use crate::support::oci;
use crate::support::oracle::OracleServer;
use livecosmos::source::oracle::oci::{Account, Cell, Cursor, Failure, Link, Settings};

const LONG_ENOUGH: Duration = Duration::from_secs(20);

fn settings(server: &OracleServer) -> Settings {
    Settings {
        dsn: server.dsn(),
        account: Some(Account { user: "scott".to_owned(), password: "tiger".into() }),
        client: Some(oci::library_folder().to_owned()),
        connect_timeout: LONG_ENOUGH,
        call_timeout: LONG_ENOUGH,
    }
}

fn connect(server: &OracleServer) -> Link {
    Link::connect(&settings(server)).unwrap_or_else(|failure| panic!("{failure}"))
}

fn spelled(cell: Cell<'_>) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Number(text) => format!("number {text}"),
        Cell::NotFinite(text) => format!("not finite {text}"),
        Cell::Text(text) => format!("text {text}"),
        Cell::Damaged(text) => format!("damaged {text}"),
        Cell::Time(text) => format!("time {text}"),
        Cell::Bytes(bytes) => format!("bytes {bytes:?}"),
    }
}

/// The first value of every row.
fn read(cursor: &mut Cursor) -> Result<Vec<String>, Failure> {
    let mut values = Vec::new();
    while let Some(row) = cursor.next_row()? {
        values.push(spelled(row.cell(0)));
    }
    Ok(values)
}

fn query(link: &Link, sql: &str) -> Result<Vec<String>, Failure> {
    link.query(sql, &[], 100).and_then(|mut cursor| read(&mut cursor))
}

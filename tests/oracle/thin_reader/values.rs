//! Every type, read by the thin reader and by a client that shares no code with it.

use super::{connect, rows, samples, witness};
use crate::support::tns::{Answer, OraError, Release, Server, Setup, Table};

/// A server in which `SELECT * FROM <name>` reads a table whole.
fn serving(tables: Vec<Table>, release: Release) -> Server {
    Setup::new(move |statement| {
        let name = statement.sql.strip_prefix("SELECT * FROM ").unwrap_or_default();
        let table = tables.iter().find(|table| table.name == name);
        table.map_or_else(|| Answer::error(OraError::no_such_table()), Table::all)
    })
    .release(release)
    .start()
}

fn every_type_is_read_exactly(release: Release, fetch_rows: u32) {
    let all = samples::all();
    let server = serving(all.iter().map(samples::Samples::table).collect(), release);
    let mut connection = connect(&server);
    for samples in &all {
        let sql = format!("SELECT * FROM {}", samples.name);
        let read = rows(&mut connection, &sql, &[], fetch_rows).expect(samples.name);
        let expected: Vec<_> =
            samples.values.iter().map(|value| vec![value.thin.clone(), value.thin.clone()]).collect();
        assert_eq!(read, expected, "{}", samples.name);
    }
}

#[test]
fn every_type_of_a_12_2_server_is_read_exactly() {
    every_type_is_read_exactly(Release::V12, 100);
}

#[test]
fn every_type_of_a_19c_server_is_read_exactly() {
    every_type_is_read_exactly(Release::V19, 2);
}

#[test]
fn every_type_of_a_23ai_server_is_read_exactly() {
    every_type_is_read_exactly(Release::V23, 3);
}

#[test]
fn oracles_own_client_reads_the_same_values() {
    for (release, lobs) in [(Release::V12, "inline"), (Release::V19, "locator"), (Release::V23, "inline")] {
        let all = samples::all();
        let server = serving(all.iter().map(samples::Samples::table).collect(), release);
        let names: Vec<&str> = all.iter().map(|samples| samples.name).collect();
        let read = witness::read(&server, 3, lobs, &names);
        for (samples, read) in all.iter().zip(read) {
            let expected: Vec<_> = samples
                .values
                .iter()
                .map(|value| vec![value.witness.clone(), value.witness.clone()])
                .collect();
            assert_eq!(read, expected, "{} of {release:?}", samples.name);
        }
    }
}

//! python-oracledb, Oracle's own thin client, as a second reader of the same tables.

use std::path::PathBuf;
use std::process::Command;

use crate::support::server::installed;
use crate::support::tns::{PASSWORD, Server, USER};

/// What it reads from `tables`, each by `SELECT * FROM <name>`.
pub(crate) fn read(server: &Server, rows: u32, lobs: &str, tables: &[&str]) -> Vec<Vec<Vec<String>>> {
    read_as(USER, server, rows, lobs, tables)
}

/// The same as another user, with the same password.
pub(crate) fn read_as(
    user: &str,
    server: &Server,
    rows: u32,
    lobs: &str,
    tables: &[&str],
) -> Vec<Vec<Vec<String>>> {
    let output = Command::new(python())
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/witness.py"))
        .args([&server.connect_string(), user, &rows.to_string(), lobs])
        .args(tables)
        .env("ORACLE_PASSWORD", PASSWORD)
        .output()
        .expect("python starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the witness failed: {errors}");
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is a table")).collect()
}

/// A Python that has it.
pub(crate) fn python() -> PathBuf {
    installed("python-oracledb", "python")
}

//! Readers of columns that other people wrote.

use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;

use crate::support::daemon::Workdir;
use crate::support::objects;
use crate::support::server::installed;

/// A table as a reader sees it.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Seen {
    /// Names and types.
    pub(crate) columns: Vec<(String, String)>,
    /// Values as the reader spells them.
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

impl Seen {
    pub(crate) fn types(&self) -> Vec<String> {
        self.columns.iter().map(|(name, kind)| format!("{name} {kind}")).collect()
    }

    /// The column `name`, a null as `-`.
    pub(crate) fn column(&self, name: &str) -> Vec<&str> {
        let at = self.columns.iter().position(|(own, _)| own == name).expect("such a column");
        self.rows.iter().map(|row| row[at].as_deref().unwrap_or("-")).collect()
    }
}

/// What `DuckDB` reads from the objects of a folder.
pub(crate) fn duckdb(workdir: &Workdir) -> Seen {
    read("duckdb", workdir)
}

/// What pandas reads from the objects of a folder.
pub(crate) fn pandas(workdir: &Workdir) -> Seen {
    read("pandas", workdir)
}

/// What Python's own reader of JSON reads from them, numbers as they are spelled.
pub(crate) fn python(workdir: &Workdir) -> Seen {
    read("json", workdir)
}

fn read(reader: &str, workdir: &Workdir) -> Seen {
    let stored = workdir.path("stored");
    let files: Vec<PathBuf> = objects::in_folder(&stored).keys().map(|key| stored.join(key)).collect();
    assert!(!files.is_empty(), "there are objects");
    let output = Command::new(installed("duckdb", "python"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/columns.py"))
        .arg(reader)
        .args(files)
        .env("TZ", "UTC")
        .output()
        .expect("python starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{reader} failed: {errors}");
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

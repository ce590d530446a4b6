//! The command line, driven from outside: what it prints, what it changes, how it ends.

mod bad_input;
mod counting;
mod running;
mod showing;
mod speaking;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::daemon::{self, Livecosmos, Output, Workdir};
use support::process::wait_until;
use support::s3s;

/// A file of two sites, stored in a folder.
const CONFIG: &str = r#"
[source]
kind = "csv"
path = "{table}.csv"
[sink]
url = "file://./out"
[upload]
format = "ndjson"
[poll]
fallback = "all"
interval = "100ms"
[tables.X]
site_column = "SITE_ID"
time_column = "DATE_TIME"
"#;

const ROWS: &str = "\
SITE_ID,DATE_TIME,TA
ALIC1,2025-01-01T00:00:00,4.25
BUNNY,2025-01-01T00:00:00,NA
ALIC1,2025-01-01T00:30:00,0.10
";

fn workdir() -> Workdir {
    let work = daemon::workdir(CONFIG);
    work.write("X.csv", ROWS);
    work
}

/// A run of a command that has a name, with this folder's state.
fn command(work: &Workdir, words: &[&str]) -> Livecosmos {
    line(work, words).arg("--state-dir").arg(work.state_dir())
}

/// A command line of these words alone.
fn line(work: &Workdir, words: &[&str]) -> Livecosmos {
    words.iter().fold(Livecosmos::new(work.folder()), Livecosmos::arg)
}

/// What was printed, with the folder and the time of the run made the same everywhere.
fn tidy(work: &Workdir, text: &str) -> String {
    let text = text.replace(&work.folder().display().to_string(), "[DIR]");
    let lines = text.lines().map(narrow).map(|line| match line.split_once("\"last_run\":\"") {
        Some((before, after)) => {
            format!("{before}\"last_run\":\"[NOW]\"{}", after.split_once('"').map_or("", |(_, rest)| rest))
        }
        None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Two columns are parted by two spaces, however long the folder's name makes them.
fn narrow(line: &str) -> String {
    line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim_start).collect::<Vec<_>>().join("  ")
}

/// Every file below `folder` with its contents.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder that is there") {
            let path = entry.expect("an entry that can be read").path();
            if path.is_dir() {
                found.insert(format!("{}/", path.display()), Vec::new());
                folders.push(path);
            } else {
                found.insert(
                    path.display().to_string(),
                    std::fs::read(&path).expect("a file that can be read"),
                );
            }
        }
    }
    found
}

fn stderr_of(work: &Workdir, run: &Output) -> String {
    tidy(work, &run.stderr)
}

//! What the tests of the quarantine have in common.

use std::path::Path;

use super::support::daemon::{Livecosmos, Workdir};
use super::support::front::Front;
use super::support::objects::{self, StoredRow};
use super::support::server::S3Server;

pub(crate) const HEADER: &str = "SITE,TIME,N\n";

/// A table in CSV files; `poll` and `table` are more lines of these sections.
pub(crate) fn csv_config(sink: &str, poll: &str, table: &str) -> String {
    format!(
        "[source]\nkind = \"csv\"\npath = \"T.csv\"\n{sink}\n[upload]\nformat = \"ndjson\"\n[poll]\n\
         interval = \"200ms\"\nfallback = \"all\"\n{poll}\n[tables.T]\nsite_column = \"SITE\"\n\
         time_column = \"TIME\"\n{table}\n"
    )
}

pub(crate) const FOLDER: &str = "[sink]\nurl = \"file://./stored\"";

pub(crate) fn bucket(server: &S3Server, front: &Front) -> String {
    format!(
        "[sink]\nurl = \"s3://{}\"\n[sink.s3]\nendpoint = \"{}\"\npath_style = true\nallow_http = true",
        server.bucket(),
        front.endpoint()
    )
}

pub(crate) fn follow(workdir: &Workdir) -> Livecosmos {
    workdir.livecosmos().table("T")
}

/// `livecosmos quarantine VERB CONFIG T …`.
pub(crate) fn quarantine(workdir: &Workdir, verb: &str, words: &[&str]) -> Livecosmos {
    let start = Livecosmos::new(workdir.folder()).arg("quarantine").arg(verb).arg(workdir.config()).arg("T");
    words.iter().fold(start, Livecosmos::arg).arg("--state-dir").arg(workdir.state_dir())
}

/// What `list` tells a program of each row.
pub(crate) fn listed(workdir: &Workdir) -> Vec<serde_json::Value> {
    let listed = quarantine(workdir, "list", &["--output", "json"]).run().expect_code(0);
    let document: serde_json::Value = serde_json::from_str(&listed.stdout).expect("JSON");
    document["tables"][0]["rows"].as_array().expect("rows").clone()
}

/// The values of column N of all rows in the folder, sorted.
pub(crate) fn in_folder(folder: &Path) -> Vec<String> {
    if folder.exists() { numbers(&objects::rows(&objects::in_folder(folder))) } else { Vec::new() }
}

pub(crate) fn in_bucket(server: &S3Server) -> Vec<String> {
    let mut stored = objects::in_bucket(server.client(), "");
    stored.retain(|key, _| !key.starts_with(".livecosmos/"));
    numbers(&objects::rows(&stored))
}

fn numbers(rows: &[StoredRow]) -> Vec<String> {
    let mut numbers: Vec<String> = rows.iter().map(|row| row.text("N")).collect();
    numbers.sort_unstable();
    numbers
}

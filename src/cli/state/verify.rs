//! `livecosmos state verify`: the condition of the files of states. Takes no lock.

use std::path::Path;

use livecosmos_state::{Found, Inspection, Origin, TableName};
use serde::Serialize;

use super::args::StateArgs;
use super::look::{inspected, report};
use crate::cli::args::{CommonArgs, Output};
use crate::cli::print::{self, Failure};
use crate::exit::Exit;

/// Version of the JSON below.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Verified {
    schema: u32,
    tables: Vec<VerifiedTable>,
}

#[derive(Serialize)]
struct VerifiedTable {
    table: String,
    /// What a load would take: `new`, `primary`, `backup` or, where it would fail, `nothing`.
    load: &'static str,
    files: Vec<VerifiedFile>,
}

#[derive(Serialize)]
struct VerifiedFile {
    path: String,
    condition: &'static str,
    detail: String,
    generation: Option<u64>,
}

/// Shows each file's condition, and what a load would make of them.
pub(super) fn run(args: &StateArgs, common: &CommonArgs) -> Result<Exit, Failure> {
    let inspected = inspected(args, common)?;
    let tables: Vec<VerifiedTable> =
        inspected.iter().map(|(table, inspection)| verified(table, inspection)).collect();
    if common.output == Output::Json {
        print::json(&Verified { schema: SCHEMA, tables })?;
    } else {
        let rows = tables.iter().flat_map(|table| {
            table.files.iter().map(|file| {
                [table.table.clone(), file.path.clone(), file.condition.to_owned(), file.detail.clone()]
            })
        });
        print::table(["TABLE", "FILE", "CONDITION", "DETAIL"], rows)?;
    }
    Ok(report(&inspected))
}

fn verified(table: &TableName, inspection: &Inspection) -> VerifiedTable {
    let load = match &inspection.load {
        Ok(Origin::New) => "new",
        Ok(Origin::Backup { .. }) => "backup",
        Ok(_) => "primary",
        Err(_) => "nothing",
    };
    let files =
        [(&inspection.primary_path, &inspection.primary), (&inspection.backup_path, &inspection.backup)];
    VerifiedTable {
        table: table.to_string(),
        load,
        files: files.into_iter().map(|(path, found)| verified_file(path, found)).collect(),
    }
}

fn verified_file(path: &Path, found: &Found) -> VerifiedFile {
    let (condition, detail, generation) = match found {
        Found::Missing => ("missing", String::new(), None),
        Found::Whole(whole) => {
            let detail = format!("generation {}, {} sites", whole.generation, whole.state.sites.len());
            ("whole", detail, Some(whole.generation))
        }
        Found::Corrupt { why } => ("corrupt", why.clone(), None),
        Found::Newer { major } => ("newer", format!("format {major}, of a newer release"), None),
        Found::Unreadable { error } => ("unreadable", error.to_string(), None),
        _ => ("unknown", String::new(), None),
    };
    VerifiedFile { path: path.display().to_string(), condition, detail, generation }
}

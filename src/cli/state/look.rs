//! Looking at states without changing or locking anything.

use std::io::ErrorKind;
use std::path::Path;

use livecosmos_state::{Inspection, Origin, TableName, inspect};

use super::args::StateArgs;
use crate::cli::args::CommonArgs;
use crate::cli::print::{self, Failure};
use crate::cli::{follow, state_dir};
use crate::config::Config;
use crate::exit::Exit;

/// Looks at the states that `args` name.
pub(super) fn inspected(
    args: &StateArgs,
    common: &CommonArgs,
) -> Result<Vec<(TableName, Inspection)>, Failure> {
    let dir = state_dir::resolve(common.state_dir.as_deref())?;
    let tables = tables(args, &dir)?;
    if tables.is_empty() {
        print::note(format_args!("there is no state in {}", dir.display()));
    }
    Ok(tables.into_iter().map(|table| (table.clone(), inspect(&dir, &table))).collect())
}

fn tables(args: &StateArgs, dir: &Path) -> Result<Vec<TableName>, Failure> {
    match args.names.split_first() {
        None => match livecosmos_state::tables(dir) {
            Ok(tables) => Ok(tables),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => {
                let message = format!(
                    "state directory {} cannot be read ({error}); give this user access to it",
                    dir.display()
                );
                Err(Failure::new(Exit::StateUnwritable, message))
            }
        },
        Some((config, tables)) if Path::new(config).is_file() => {
            let config = Config::load(Path::new(config))?;
            let all = ["all".to_owned()];
            let selected = follow::select(&config, if tables.is_empty() { &all } else { tables })?;
            Ok(selected.into_iter().map(|table| table.table).collect())
        }
        Some(_) => args.names.iter().map(|name| table_with_state(name, dir)).collect(),
    }
}

fn table_with_state(name: &str, dir: &Path) -> Result<TableName, Failure> {
    let unknown = || {
        let message = format!(
            "'{name}' is neither a file nor a table with a state in {}; 'livecosmos state show' lists those that have one",
            dir.display()
        );
        Failure::new(Exit::Config, message)
    };
    let table = TableName::parse(name).map_err(|_| unknown())?;
    if matches!(inspect(dir, &table).load, Ok(Origin::New)) { Err(unknown()) } else { Ok(table) }
}

/// Says what is wrong with states, or would be mended, and returns the code of the worst.
pub(super) fn report(inspected: &[(TableName, Inspection)]) -> Exit {
    let mut worst = Exit::Done;
    for (table, inspection) in inspected {
        match &inspection.load {
            Ok(Origin::New) => print::note(format_args!("table {table} has no state yet")),
            Ok(Origin::Backup { .. }) => print::warn(format_args!(
                "{} cannot be used; the next run takes its backup and writes it anew",
                inspection.primary_path.display()
            )),
            Ok(_) => {}
            Err(error) => {
                let failure = Failure::new(error.into(), error);
                failure.show();
                // Corrupt before anything else: it is what needs a copy from elsewhere.
                worst = if worst == Exit::StateCorrupt { worst } else { failure.exit };
            }
        }
    }
    worst
}

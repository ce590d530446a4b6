//! `livecosmos state import`: a state from a file, either exported before or the predecessor's pickle.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use livecosmos_state::{Chain, Cursor, Site, SiteId, State, Tie};

use super::args::TableArgs;
use super::change::{Workplace, check_source};
use super::document::Document;
use super::pickle::{self, Local, Predecessor};
use crate::cli::args::CommonArgs;
use crate::cli::print::{self, Failure};
use crate::config::TableConfig;
use crate::exit::Exit;

/// The largest state, spelled out: its file is at most a quarter of that.
const BYTES_MAX: u64 = 512 << 20;

/// Reads `file`, shows what it changes, asks, and makes it the table's state.
pub(super) fn run(args: &TableArgs, file: &Path, yes: bool, common: &CommonArgs) -> Result<Exit, Failure> {
    let refused = |why: String| {
        let message = format!(
            "{} cannot be imported, and nothing was changed: {why}; name a file that 'state export' wrote, or the \
             predecessor",
            file.display()
        );
        Failure::new(Exit::Config, message)
    };
    let bytes = read(file)?;
    let workplace = Workplace::open("import", args, common)?;
    let new = if bytes.first() == Some(&pickle::FIRST_BYTE) {
        if bytes.len() as u64 > pickle::BYTES_MAX {
            return Err(refused(format!("a pickle of more than {} bytes", pickle::BYTES_MAX)));
        }
        let predecessor = pickle::read(&bytes).map_err(refused)?;
        continue_from(&predecessor, workplace.store.state(), &workplace.config).map_err(refused)?
    } else {
        let document: Document =
            serde_json::from_slice(&bytes).map_err(|error| refused(error.to_string()))?;
        let state = document.into_state().map_err(refused)?;
        check(&state, &workplace.config).map_err(refused)?;
        check_source(&state, &workplace.config)?;
        state
    };
    workplace.replace_by(new, yes)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error| {
        let message =
            format!("{} cannot be read ({error}); name a file that 'state export' wrote", path.display());
        Failure::new(Exit::Config, message)
    };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}

/// Whether the state is one of this table: of its name, with positions of the kind that its source has.
fn check(state: &State, config: &TableConfig) -> Result<(), String> {
    if state.table != config.table {
        return Err(format!("it is the state of table {}", state.table));
    }
    for (id, site) in &state.sites {
        if let Some(cursor) = cursors(site).find(|cursor| !is_of(cursor, config)) {
            return Err(format!(
                "site {id} is at {cursor}, which is no place in {}",
                config.source.describe()
            ));
        }
    }
    Ok(())
}

/// Every position that is remembered of a site.
fn cursors(site: &Site) -> impl Iterator<Item = &Cursor> {
    let fills = site.fills.values();
    let ends = fills.clone().flat_map(|fill| [&fill.after, &fill.until]);
    let chains = [&site.live, &site.late, &site.requeue].into_iter().chain(fills.map(|fill| &fill.chain));
    chains.flat_map(of_chain).chain(ends)
}

fn of_chain(chain: &Chain) -> impl Iterator<Item = &Cursor> {
    let pending =
        chain.pending.iter().flat_map(|intent| [Some(&intent.from), Some(&intent.to), intent.next.as_ref()]);
    [Some(&chain.cursor), chain.passed.as_ref()].into_iter().chain(pending).flatten()
}

fn is_of(cursor: &Cursor, config: &TableConfig) -> bool {
    match cursor {
        Cursor::Start => true,
        Cursor::Row { .. } => !config.source.is_csv(),
        Cursor::File { .. } => config.source.is_csv(),
    }
}

/// The state with what the predecessor had sent: of each of its sites, only rows behind its last time
/// are due. A site of which something is stored already stays as it is.
fn continue_from(predecessor: &Predecessor, state: &State, config: &TableConfig) -> Result<State, String> {
    let is_csv = config.source.is_csv();
    if is_csv && state.started.is_some() {
        return Err(
            "it says up to which time rows of files were sent, which can only be taken into account before \
                    the first run over them"
                .to_owned(),
        );
    }
    let mut new = state.clone();
    let mut kept = Vec::new();
    for (id, local) in &predecessor.sites {
        let id = SiteId::parse(id).map_err(|error| error.to_string())?;
        let known = new.sites.entry(id.clone()).or_default();
        if *known != Site::default() {
            kept.push(id.to_string());
            continue;
        }
        *known = site_from(local, config, is_csv).map_err(|error| format!("site {id}: {error}"))?;
    }
    if !kept.is_empty() {
        print::note(format_args!("these sites are known already and stay as they are: {}", kept.join(", ")));
    }
    Ok(new)
}

fn site_from(local: &Local, config: &TableConfig, is_csv: bool) -> Result<Site, String> {
    let time = config.shape.time.iso().read(&local.0).map_err(|error| error.to_string())?.time;
    if is_csv {
        return Ok(Site { last_data: Some(time), floor: Some(time), ..Site::default() });
    }
    // Without a tie: whatever has that time was sent, as the predecessor took it.
    let cursor = Cursor::Row { time, tie: Tie::None };
    Ok(Site {
        last_data: Some(time),
        floor: Some(time),
        live: Chain { cursor, ..Chain::new() },
        ..Site::default()
    })
}

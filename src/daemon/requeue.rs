//! Rows taken back from quarantine, as an operator asks for: looked at anew, and sent where that goes.

use std::collections::{BTreeMap, HashMap};

use livecosmos_state::SiteId;

use super::Options;
use super::command::{drain_fills, with_table};
use super::table::Table;
use crate::clock::{Clock as _, SystemClock};
use crate::config::TableConfig;
use crate::exit::Exit;
use crate::quarantine::{Entry, QuarantineError};
use crate::source::WRITE_ANEW;
use crate::uploader::{Requeued, SiteError, Waiting};

/// Rows that can be sent, by site.
type Sendable = BTreeMap<SiteId, Vec<Waiting>>;

/// What became of the rows that were to be sent after all.
#[derive(Debug, Default)]
pub struct RequeueOutcome {
    /// What was sent, over all sites.
    pub sent: Requeued,
    /// Rows that stay: today's configuration does not send them either.
    pub stay: u64,
    /// Sites whose rows could not be sent, and why.
    pub failures: BTreeMap<SiteId, SiteError>,
}

/// Opens the table and sends the rows in quarantine for which `choose` says yes, once `agree` to them.
/// Fills that are open are worked off first: what they send is then no longer missing.
///
/// Whatever ends this early, each row is in quarantine until an object holds it, and requeuing again
/// sends no row twice.
///
/// # Errors
/// The exit code and a message; also those of `agree`.
pub fn requeue(
    config: TableConfig,
    options: &Options,
    choose: impl Fn(&Entry) -> bool,
    agree: impl FnOnce(&[Entry]) -> Result<bool, (Exit, String)>,
) -> Result<RequeueOutcome, (Exit, String)> {
    with_table(config, options, async |table| {
        drain_fills(table).await?;
        let mut chosen = table.uploader().quarantined().map_err(unwritable)?;
        chosen.retain(choose);
        if !super::signals::asking(|| agree(&chosen))? {
            return Ok(RequeueOutcome::default());
        }
        requeue_rows(table, &chosen).await
    })
}

async fn requeue_rows(table: &Table, chosen: &[Entry]) -> Result<RequeueOutcome, (Exit, String)> {
    let uploader = table.uploader();
    let now = SystemClock.now();
    let (by_site, mut reasons) = look_again(table, chosen)?;
    let mut outcome = RequeueOutcome { stay: reasons.len() as u64, ..RequeueOutcome::default() };
    let edit = |entry: Entry| match reasons.remove(&entry.identity) {
        Some(reason) => Some(Entry { reason, ..entry }),
        None => Some(entry),
    };
    if outcome.stay > 0 {
        tokio::task::block_in_place(|| uploader.edit_quarantine(edit)).map_err(unwritable)?;
    }
    for (site, waiting) in by_site {
        match uploader.requeue(&site, waiting, now).await {
            Ok(Requeued { rows, objects, stored_before, left, refused }) => {
                outcome.stay += refused;
                outcome.sent.rows += rows;
                outcome.sent.objects += objects;
                outcome.sent.stored_before += stored_before;
                outcome.sent.left += left;
            }
            Err(error) => drop(outcome.failures.insert(site, error)),
        }
    }
    Ok(outcome)
}

/// The rows that today's configuration sends, by site; and why the others stay, by their identities.
fn look_again(
    table: &Table,
    chosen: &[Entry],
) -> Result<(Sendable, HashMap<String, String>), (Exit, String)> {
    const NO_VALUES: &str = "its values are not kept, since it is too long, not UTF-8 or no whole row, or was kept by \
                             an older version";
    let config = table.config();
    let recheck =
        config.source.recheck(&config.shape).map_err(|error| (Exit::from(&error), error.to_string()))?;
    let now = SystemClock.now();
    let mut by_site = Sendable::new();
    let mut reasons = HashMap::new();
    for entry in chosen {
        let looked = match &entry.cells {
            Some(cells) => recheck.row(entry.site.as_deref(), cells, now),
            None => Err(format!(
                "{} ({NO_VALUES}; {WRITE_ANEW})",
                entry.reason.split(" (its values").next().unwrap_or_default()
            )),
        };
        let identity = entry.identity.clone();
        match looked {
            Ok(row) => by_site.entry(row.site.clone()).or_default().push(Waiting { identity, row }),
            Err(reason) => drop(reasons.insert(identity, reason)),
        }
    }
    Ok((by_site, reasons))
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn unwritable(error: QuarantineError) -> (Exit, String) {
    (Exit::from(&error), error.to_string())
}

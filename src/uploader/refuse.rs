//! Payloads that the sink refuses: the batch is read again in halves until the one row is found that it
//! does not take. That row goes into quarantine with the sink's words; all others are stored, in order.
//!
//! A sink that refuses everything must not sweep a table into quarantine: after some rows in a row, each
//! refused by itself with none stored between, the site stops and says so.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use livecosmos_state::{ChainName, Cursor, FillKind, Fingerprint, SiteId, State, Time};

use super::change::{Change, Sent};
use super::{LiveUploader, SiteError, Step};
use crate::fingerprint;
use crate::quarantine::REFUSED;
use crate::rows::Batch;
use crate::source::{Cells, Reject};

/// Rows of a site that are put into quarantine before another one is stored, at most.
const REFUSED_IN_A_ROW_MAX: u32 = 8;

/// Chains whose last object was refused.
pub(super) type Refusals = HashMap<(SiteId, ChainName), Refusal>;

/// How a chain gets over what was refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The next batch has so many rows at most; none where the row was found.
    rows_max: Option<usize>,
    /// Rows put into quarantine since an object was stored.
    in_a_row: u32,
}

impl Refusal {
    /// What to do about a batch of `rows` rows that was refused: `None` to read it again in smaller
    /// parts, else how many rows were refused by themselves so far.
    fn judge(&mut self, rows: usize) -> Option<u32> {
        // A batch that was to have one row has more where they cannot be parted.
        if rows > 1 && self.rows_max != Some(1) {
            // It may have more rows than it was to have, where they cannot be parted.
            self.rows_max = Some((self.rows_max.unwrap_or(rows).min(rows) / 2).max(1));
            return None;
        }
        Some(self.in_a_row)
    }
}

/// What the name of a refused row in quarantine tells.
struct Identity<'a> {
    time: Time,
    print: Fingerprint,
    site: &'a str,
}

impl<'a> Identity<'a> {
    /// The name; `which` tells it from others that are alike.
    fn named(&self, which: &str) -> String {
        let Self { time: Time { seconds, nanos, .. }, print: Fingerprint { row, version }, site } = self;
        format!("{REFUSED}{row:016x}:{version:08x}:{seconds}:{nanos}:{site}:{which}")
    }

    /// `None` for a row that is there for another reason.
    fn parse(name: &'a str) -> Option<Self> {
        let mut parts = name.strip_prefix(REFUSED)?.split(':');
        let row = u64::from_str_radix(parts.next()?, 16).ok()?;
        let version = u32::from_str_radix(parts.next()?, 16).ok()?;
        let time = Time::new(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?).ok()?;
        Some(Self { time, print: Fingerprint { row, version }, site: parts.next()? })
    }
}

impl LiveUploader {
    /// How many rows the first batch of a pass may have.
    pub(super) fn rows_max(&self, site: &SiteId, chain: &ChainName) -> Option<usize> {
        self.refusals().get(&(site.clone(), chain.clone())).and_then(|refusal| refusal.rows_max)
    }

    /// An object of the chain was stored.
    pub(super) fn is_taken(&self, site: &SiteId, chain: &ChainName) {
        self.refusals().remove(&(site.clone(), chain.clone()));
    }

    /// The sink does not take the object of this batch, and says why.
    pub(super) async fn get_over(
        &self,
        chain: &ChainName,
        batch: &Batch,
        sent: Sent,
        words: String,
    ) -> Result<Step, SiteError> {
        // A requeued row is in quarantine already, and an object without rows has none to put there.
        if *chain == ChainName::REQUEUE || batch.rows.is_empty() {
            return Err(SiteError::NotTaken(words));
        }
        let (site, rows) = (&batch.site, batch.rows.len());
        let judged = self.refusals().entry((site.clone(), chain.clone())).or_default().judge(rows);
        let Some(in_a_row) = judged else {
            tracing::warn!(table = %self.settings.table, %site, %chain, rows, reason = %words,
                "refused; its rows are sent in smaller objects, to find the one that is not taken");
            return Ok(Step::Moved);
        };
        if in_a_row == REFUSED_IN_A_ROW_MAX {
            return Err(SiteError::NotTaken(format!(
                "the sink refused {in_a_row} rows of site {site}, one after the other, and no more are put into \
                 quarantine: {words}; see what it has against them, then requeue them"
            )));
        }
        let refused = self.rejects(chain, batch, &words);
        tokio::task::block_in_place(|| {
            let mut quarantine = self.quarantine();
            refused.iter().try_for_each(|reject| quarantine.keep(reject, self.clock.now()))?;
            quarantine.sync()
        })
        .map_err(|error| SiteError::Quarantine(error.to_string()))?;
        let (id, to) = (site.clone(), batch.to.clone());
        self.journal.commit(Change::Passed { site: id, chain: chain.clone(), to, rows: sent }).await?;
        let found = Refusal { rows_max: None, in_a_row: in_a_row + 1 };
        self.refusals().insert((site.clone(), chain.clone()), found);
        Ok(Step::Refused { rows: rows as u64 })
    }

    /// The rows of a batch that cannot be made smaller.
    fn rejects(&self, chain: &ChainName, batch: &Batch, words: &str) -> Vec<Reject> {
        let prints = fingerprint::of_rows(&batch.rows, self.settings.tie_column.as_deref());
        let place = match &batch.to {
            // The row begins before that, and a place is where a row begins.
            Cursor::File { file, offset } => Cursor::File { file: *file, offset: offset.saturating_sub(1) },
            to => to.clone(),
        };
        let place = Some(place).filter(|_| *chain == ChainName::LIVE);
        let reject = |row: usize| {
            let cells = Cells::of(&batch.rows, row);
            let (time, print) = (batch.rows.times()[row].time, prints[row]);
            Reject {
                site: Some(batch.site.to_string()),
                position: format!("time {time}, up to {}", batch.to),
                identity: Identity { time, print, site: batch.site.as_str() }.named(&self.which(
                    chain,
                    batch,
                    row,
                    (time, print),
                )),
                reason: format!("the sink refused it: {words}"),
                row: cells.values.join(","),
                cells: Some(cells),
                place: place.clone(),
            }
        };
        (0..batch.rows.len()).map(reject).collect()
    }

    /// What tells a refused row from others of its time and values: its place, on a chain that sends rows in
    /// their order; on the others, how many there are already. It is the same when it is refused again.
    fn which(
        &self,
        chain: &ChainName,
        batch: &Batch,
        row: usize,
        (time, print): (Time, Fingerprint),
    ) -> String {
        let site = &batch.site;
        if *chain == ChainName::LATE {
            let in_ledger = |state: &State| state.sites.get(site).map(|site| site.ledger.count(time, print));
            return self.journal.read(in_ledger).unwrap_or(0).to_string();
        }
        if self.kind_of(site, chain).is_some_and(FillKind::compares) {
            return self
                .refused_rows(site)
                .iter()
                .filter(|known| **known == (time, print))
                .count()
                .to_string();
        }
        format!("{}:{row}", batch.to)
    }

    /// Rows of the site that are in quarantine because the sink refused them. A fill that compares, and reads
    /// all of its part anew each time, does not look for them.
    pub(super) fn refused_rows(&self, site: &SiteId) -> Vec<(Time, Fingerprint)> {
        let quarantine = self.quarantine();
        let refused = quarantine.identities().filter_map(Identity::parse);
        refused.filter(|it| it.site == site.as_str()).map(|it| (it.time, it.print)).collect()
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_batch_is_halved_until_its_rows_cannot_be_parted() {
        let mut refusal = Refusal::default();
        let mut rows = 10_000;
        let mut halvings = 0;
        while refusal.judge(rows).is_none() {
            rows = refusal.rows_max.unwrap();
            halvings += 1;
            assert!(halvings < 20, "it never ends");
        }
        assert_eq!((rows, halvings), (1, 13));
        let mut tied = Refusal::default();
        let halvings = (0..20).take_while(|_| tied.judge(4).is_none()).count();
        assert_eq!(halvings, 2, "four rows that cannot be parted are refused together in the end");
    }
}

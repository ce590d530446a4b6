//! What a pass is for: which rows of a site it reads, and to which of its chains they go.

use livecosmos_state::{ChainName, Cursor, FilePosition, Fill, FillKind, Intent, SiteId, Time};

use super::change::{Position, raise};
use super::ledger::Sieve;
use super::{LiveUploader, SiteError};
use crate::clock::{just_before, shift};
use crate::rows::Batch;
use crate::source::{Bounds, Resume};

/// Fills that a site's live chain may have left behind at the same time.
const HOLES_MAX: usize = 16;

/// What a pass is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Errand {
    /// The rows behind each site's cursor.
    Live,
    /// The rows behind each site's watermark that are not stored.
    Late,
    /// The rows of one fill of one site.
    Fill(ChainName),
}

impl Errand {
    /// The chain to which the rows go.
    pub(super) fn chain(&self) -> ChainName {
        match self {
            Self::Live => ChainName::LIVE,
            Self::Late => ChainName::LATE,
            Self::Fill(chain) => chain.clone(),
        }
    }
}

impl LiveUploader {
    /// Where a fill goes on, once the sink was asked where its chain ends; and the sieve for its rows,
    /// if it sends only what is missing.
    pub(super) async fn resume_fill(
        &self,
        site: &SiteId,
        chain: &ChainName,
    ) -> Result<(Resume, Option<Sieve>), SiteError> {
        self.confirm(site, chain).await?;
        let known = self.journal.read(|state| {
            let site = state.sites.get(site)?;
            let fill = site.fills.get(chain).filter(|fill| !is_whole(fill))?;
            Some((Position::of(site, chain)?.resume_fill(fill, site.floor), fill.clone()))
        });
        let Some((resume, fill)) = known else {
            return Ok((Resume { paused: true, ..Resume::from_the_start() }, None));
        };
        if !fill.kind.compares() {
            return Ok((resume, None));
        }
        Ok((resume, Some(self.sieve_of_sink(site, &fill, &self.refused_rows(site)).await?)))
    }

    /// What may have been sent of a chain, where the sink cannot be asked whether it was stored.
    pub(super) fn unanswered(&self, site: &SiteId, chain: &ChainName) -> Option<Intent> {
        if self.sink.can_be_read() {
            return None;
        }
        self.journal.read(|state| {
            let site = state.sites.get(site)?;
            let chain = match chain {
                chain if *chain == ChainName::LIVE => &site.live,
                chain if *chain == ChainName::LATE => &site.late,
                chain if *chain == ChainName::REQUEUE => &site.requeue,
                chain => &site.fills.get(chain)?.chain,
            };
            chain.pending.clone()
        })
    }

    /// The end of the fill, if `batch` is the last of it.
    ///
    /// It stands in the metadata of the last object: who finds the chain later, with an old state or none,
    /// knows that nothing is missing, and that what appears there from now on comes late.
    pub(super) fn end_of_fill(&self, batch: &Batch, chain: &ChainName) -> Option<Cursor> {
        self.journal.read(|state| {
            let fill = state.sites.get(&batch.site)?.fills.get(chain)?;
            (!fill.kind.compares() && !batch.is_cut).then(|| fill.until.clone())
        })
    }

    /// Where the live chain goes on behind `batch`, if it should leave what follows to a fill: the batch
    /// is full, so there is more, and all of it is old.
    ///
    /// It never goes on behind the newest row there is: what arrives later, however old, must find it
    /// where it would stand without a jump. The jump stands in the metadata of an object of the live chain: who stores that object decides
    /// it, and the sink alone can tell of it.
    pub(super) fn jump(&self, batch: &Batch, now: Time) -> Option<Cursor> {
        let fresh = shift(now, -self.settings.catch_up_after_s?).min(just_before(batch.newest?));
        let is_backlog = batch.is_cut && batch.time_range().is_some_and(|(_, last)| last < fresh);
        let has_room = self.journal.read(|state| {
            let fills = state.sites.get(&batch.site).map(|site| site.fills.values());
            fills.is_none_or(|fills| fills.filter(|fill| fill.kind == FillKind::CatchUp).count() < HOLES_MAX)
        });
        // A border alone is no backlog: there must be a whole partition that need not wait for the fill.
        let is_worth_it = !batch.is_at_border
            || batch.time_range().zip(self.settings.key.partition()).is_none_or(|((_, last), partition)| {
                let next = shift(last, partition.span(last).end_s - last.seconds);
                partition.span(next).end_s <= fresh.seconds
            });
        let is_row = matches!(batch.to, Cursor::Row { .. });
        let tie = livecosmos_state::Tie::None;
        (is_backlog && is_worth_it && is_row && has_room).then_some(Cursor::Row { time: fresh, tie })
    }
}

/// Whether the chain of a fill says that it is whole: there is nothing left to read.
pub(super) fn is_whole(fill: &Fill) -> bool {
    !fill.kind.compares() && fill.chain.cursor == fill.until
}

impl Position {
    /// The same for a source: the live chain.
    pub(super) fn resume(self, paused: bool) -> Resume {
        let mut ahead = self.ahead;
        let mut last_data = self.last_data;
        if let Some(Cursor::File { file, offset }) = self.passed {
            raise(&mut ahead, file, offset);
            // The row that ends there is not stored: its time may be newer than any that is.
            last_data = None;
        }
        let cursor = self.passed.unwrap_or(self.cursor);
        Resume {
            cursor,
            ahead,
            floor: self.floor,
            last_data,
            paused,
            bounds: None,
            rows_max: None,
            bytes_max: None,
            cut_at: None,
        }
    }

    /// The same for a source: a fill of a site with this floor.
    ///
    /// What sends only the rows that are missing reads all of its part anew each time.
    pub(super) fn resume_fill(self, fill: &Fill, floor: Option<Time>) -> Resume {
        let (cursor, floor) = if fill.kind.compares() {
            (fill.after.clone(), None)
        } else {
            (self.passed.unwrap_or(self.cursor), floor)
        };
        let ahead = match cursor {
            Cursor::File { file, offset } => vec![FilePosition { file, offset }],
            Cursor::Start | Cursor::Row { .. } => Vec::new(),
        };
        let bounds = Some(Bounds { until: fill.until.clone(), window: fill.window });
        Resume {
            cursor,
            ahead,
            floor,
            last_data: None,
            paused: false,
            bounds,
            rows_max: None,
            bytes_max: None,
            cut_at: None,
        }
    }
}

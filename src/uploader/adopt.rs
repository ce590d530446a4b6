//! Reading a chain back from the sink: what it holds decides where a site stands (I5).

use std::collections::VecDeque;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use livecosmos_state::{ChainName, Cursor, SiteId, TableName, Time};

use super::SiteError;
use super::change::Position;
use super::retry::{self, RetryPolicy};
use crate::clock::shift;
use crate::key::KeyTemplate;
use crate::sink::{Facts, Sink, SinkError};
use crate::stop::Stop;

/// Keys read in one listing.
pub(super) const PAGE_KEYS: usize = 1000;
/// Keys read where one object is looked for: others may stand beside it.
const FIRST_KEYS: usize = 4;
/// Objects asked for their facts at the same time.
pub(super) const HEADS_AT_ONCE: usize = 16;

/// One chain of a site in the sink.
pub(super) struct Chain<'a> {
    pub(super) name: &'a ChainName,
    pub(super) sink: &'a dyn Sink,
    pub(super) key: &'a KeyTemplate,
    pub(super) table: &'a TableName,
    pub(super) site: &'a SiteId,
    pub(super) retry: &'a RetryPolicy,
    pub(super) stop: &'a Stop,
    /// The key of an object whose put has an unknown fate.
    pub(super) pending: Option<String>,
}

/// What a look into the sink found.
pub(super) struct Found {
    /// Where the chain ends.
    pub(super) position: Position,
    /// Keys of the objects behind the position that was known, as far as they are recent.
    pub(super) recent: Vec<String>,
}

/// Which objects are recent: those with rows of this many seconds before the watermark.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recent {
    pub(super) seconds: i64,
    /// The watermark, as far as it is known.
    pub(super) watermark: Option<Time>,
}

impl Chain<'_> {
    /// Follows the chain from `known` to its end in the sink. Costs one listing and one look at the
    /// last known object when there is nothing new, else one look per object more.
    ///
    /// A position without objects may be a lost state's: it is then built from all that is there.
    ///
    /// # Errors
    /// [`SiteError::Inconsistent`] when state and sink contradict each other, or the chain in the sink
    /// has a gap or an overlap: nothing is stored for the site until the operator has looked.
    pub(super) async fn catch_up(&self, known: Position, recent: Option<Recent>) -> Result<Found, SiteError> {
        if !self.key.is_listed_by_seq() {
            return self.gather(known, recent).await;
        }
        let start = match known.seq.checked_sub(1) {
            // It tells of what is behind that, and of nothing before.
            _ if !self.sink.can_be_read() => known,
            Some(last) => {
                self.check_last(&known, last).await?;
                known
            }
            None => self.oldest(known).await?,
        };
        self.follow_or_say(start, recent).await
    }

    /// Follows the chain from `start`, by its seqs.
    pub(super) async fn follow_or_say(
        &self,
        start: Position,
        recent: Option<Recent>,
    ) -> Result<Found, SiteError> {
        let followed = self.follow(start, recent).await?;
        self.found(followed)
    }

    pub(super) fn found(&self, followed: Followed) -> Result<Found, SiteError> {
        match followed {
            Followed::To(found) => Ok(found),
            Followed::Broken { key, expected } => Err(self
                .inconsistent(&format!("{key} does not continue the chain where object {expected} should"))),
        }
    }

    /// The object the state knows last must be there and end where the state says, unless the whole
    /// chain has expired.
    async fn check_last(&self, known: &Position, last: u64) -> Result<(), SiteError> {
        let stem = self.key.stem(self.site, self.table, self.name, last);
        match self.page(&stem, FIRST_KEYS).await?.objects.first() {
            Some((_, facts)) if facts.seq > last => Ok(()),
            Some((key, facts)) => self.check_end(known, key, facts),
            None => self.check_expired(last).await,
        }
    }

    pub(super) fn check_end(&self, known: &Position, key: &str, facts: &Facts) -> Result<(), SiteError> {
        if facts.seq + 1 == known.seq && *facts.successor() == known.cursor {
            return Ok(());
        }
        let (ends, known) = (facts.successor(), &known.cursor);
        Err(self.inconsistent(&format!("{key} ends at {ends}, and the state says that it ends at {known}")))
    }

    async fn check_expired(&self, last: u64) -> Result<(), SiteError> {
        let prefix = self.key.prefix(self.site, self.table, self.name);
        if let Some((key, _)) = self.page(&prefix, FIRST_KEYS).await?.objects.first() {
            return Err(self.is_missing(last, key));
        }
        self.warn_of_expiry(last);
        Ok(())
    }

    pub(super) fn is_missing(&self, last: u64, key: &str) -> SiteError {
        self.inconsistent(&format!(
            "the state says that object {last} is stored; it is not there, though older ones such as {key} are"
        ))
    }

    pub(super) fn warn_of_expiry(&self, last: u64) {
        tracing::warn!(table = %self.table, site = %self.site, seq = last, sink = self.sink.describe(),
            "no object of this site is in the sink any more; going on behind what the state says");
    }

    /// Where the first object that is still there begins.
    async fn oldest(&self, known: Position) -> Result<Position, SiteError> {
        let prefix = self.key.prefix(self.site, self.table, self.name);
        let first = self.page(&prefix, FIRST_KEYS).await?.objects.into_iter().next();
        let Some((_, facts)) = first else { return Ok(known) };
        Ok(self.beginning(known, facts))
    }

    /// Where the chain begins, of which this object is the first.
    pub(super) fn beginning(&self, known: Position, facts: Facts) -> Position {
        // Rows before the beginning were never this chain's to send: they are not late either.
        let began = match facts.from {
            Cursor::Row { time, .. } if *self.name == ChainName::LIVE => Some(time),
            _ => None,
        };
        let floor = known.floor.max(began);
        Position { seq: facts.seq, cursor: facts.from, floor, ..known }
    }

    pub(super) fn inconsistent(&self, what: &str) -> SiteError {
        SiteError::Inconsistent(format!(
            "{}: site {} of table {}: {what}; nothing more is stored for this site until state and sink fit: \
             restore the right state or the right objects, or move the state away to build it from the sink",
            self.sink.describe(),
            self.site,
            self.table,
        ))
    }

    async fn follow(&self, mut position: Position, recent: Option<Recent>) -> Result<Followed, SiteError> {
        let mut kept = Kept::new(recent);
        let mut from = self.key.stem(self.site, self.table, self.name, position.seq);
        loop {
            let page = self.page(&from, PAGE_KEYS).await?;
            for (key, facts) in page.objects {
                if !self.is_ours(&facts) || !position.follow(&facts) {
                    return Ok(Followed::Broken { key, expected: position.seq });
                }
                kept.keep(key, facts.last_data);
            }
            match page.next {
                Some(next) => from = next,
                None => return Ok(Followed::To(Found { position, recent: kept.into_keys() })),
            }
        }
    }

    /// The objects of this chain from `from` on, in the order of their keys.
    async fn page(&self, from: &str, keys_max: usize) -> Result<Page, SiteError> {
        let prefix = self.key.prefix(self.site, self.table, self.name);
        let list = || self.sink.list(&prefix, from, keys_max);
        let keys = retry::until_settled(self.retry, self.stop, list).await?;
        // Other keys may lie between; the page ends where the listing ends.
        let end = self.key.stem(self.site, self.table, self.name, u64::MAX);
        let next = keys.last().filter(|last| keys.len() == keys_max && **last <= end);
        let next = next.map(|last| format!("{last}\0"));
        let of_chain =
            keys.into_iter().filter(|key| self.key.seq_of(self.site, self.table, self.name, key).is_some());
        let heads = stream::iter(of_chain.map(|key| async move {
            let facts = self.facts(&key).await?;
            Ok::<_, SiteError>((key, facts))
        }));
        let objects = heads.buffered(HEADS_AT_ONCE).try_collect().await?;
        Ok(Page { objects, next })
    }

    pub(super) async fn facts(&self, key: &str) -> Result<Facts, SiteError> {
        let head = || self.sink.head(key);
        let gone =
            || SinkError::Retry(format!("{}: {key} vanished while it was looked at", self.sink.describe()));
        Ok(retry::until_settled(self.retry, self.stop, head).await?.ok_or_else(gone)?)
    }

    pub(super) fn is_ours(&self, facts: &Facts) -> bool {
        facts.table == self.table.without_sink() && facts.site == *self.site && facts.chain == *self.name
    }
}

/// A part of a chain.
struct Page {
    objects: Vec<(String, Facts)>,
    /// Where the next page begins, if there may be one.
    next: Option<String>,
}

pub(super) enum Followed {
    /// To the chain's end.
    To(Found),
    /// Up to an object that does not continue it.
    Broken { key: String, expected: u64 },
}

/// Keys of recent objects, in the order of their chain.
pub(super) struct Kept {
    recent: Option<Recent>,
    keys: VecDeque<(String, Time)>,
}

impl Kept {
    pub(super) fn new(recent: Option<Recent>) -> Self {
        Self { recent, keys: VecDeque::new() }
    }

    /// Notes an object; forgets those that it makes old.
    pub(super) fn keep(&mut self, key: String, last_data: Time) {
        let Some(Recent { seconds, watermark }) = &mut self.recent else { return };
        *watermark = (*watermark).max(Some(last_data));
        let first = watermark.map(|watermark| shift(watermark, -*seconds));
        self.keys.push_back((key, last_data));
        while self.keys.front().is_some_and(|(_, oldest)| Some(*oldest) < first) {
            self.keys.pop_front();
        }
    }

    pub(super) fn into_keys(self) -> Vec<String> {
        let recent = self.recent.and_then(|recent| Some(shift(recent.watermark?, -recent.seconds)));
        self.keys
            .into_iter()
            .filter(|(_, last_data)| Some(*last_data) >= recent)
            .map(|(key, _)| key)
            .collect()
    }
}

//! Reading a chain back from the sink: what it holds decides where a site stands (I5).

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use livecosmos_state::{SiteId, TableName};
use tokio::sync::Semaphore;

use super::change::Position;
use super::retry::{self, RetryPolicy};
use super::{LIVE, SiteError};
use crate::key::KeyTemplate;
use crate::sink::{Facts, Sink, SinkError};
use crate::stop::Stop;

/// Keys read in one listing.
const PAGE_KEYS: usize = 1000;
/// Keys read where one object is looked for: others may stand beside it.
const FIRST_KEYS: usize = 4;
/// Objects asked for their facts at the same time.
const HEADS_AT_ONCE: usize = 16;

/// One site's live chain in the sink.
pub(super) struct Chain<'a> {
    pub(super) sink: &'a dyn Sink,
    pub(super) key: &'a KeyTemplate,
    pub(super) table: &'a TableName,
    pub(super) site: &'a SiteId,
    pub(super) retry: &'a RetryPolicy,
    pub(super) stop: &'a Stop,
    /// Requests at the same time, over all sites.
    pub(super) in_flight: &'a Semaphore,
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
    pub(super) async fn catch_up(&self, known: Position) -> Result<Position, SiteError> {
        let start = match known.seq.checked_sub(1) {
            Some(last) => {
                self.check_last(&known, last).await?;
                known
            }
            None => self.oldest(known).await?,
        };
        match self.follow(start).await? {
            Followed::To(position) => Ok(position),
            Followed::Broken { key, expected } => Err(self
                .inconsistent(&format!("{key} does not continue the chain where object {expected} should"))),
        }
    }

    /// The object the state knows last must be there and end where the state says, unless the whole
    /// chain has expired.
    async fn check_last(&self, known: &Position, last: u64) -> Result<(), SiteError> {
        let stem = self.key.stem(self.site, self.table, LIVE, last);
        match self.page(&stem, FIRST_KEYS).await?.objects.first() {
            Some((_, facts)) if facts.seq == last && facts.to == known.cursor => Ok(()),
            Some((_, facts)) if facts.seq > last => Ok(()),
            Some((key, facts)) => Err(self.inconsistent(&format!(
                "{key} ends at {}, and the state says that it ends at {}",
                facts.to, known.cursor
            ))),
            None => self.check_expired(last).await,
        }
    }

    async fn check_expired(&self, last: u64) -> Result<(), SiteError> {
        let prefix = self.key.prefix(self.site, self.table, LIVE);
        if let Some((key, _)) = self.page(&prefix, FIRST_KEYS).await?.objects.first() {
            return Err(self.inconsistent(&format!(
                "the state says that object {last} is stored; it is not there, though older ones such as {key} are"
            )));
        }
        tracing::warn!(table = %self.table, site = %self.site, seq = last, sink = self.sink.describe(),
            "no object of this site is in the sink any more; going on behind what the state says");
        Ok(())
    }

    /// Where the first object that is still there begins.
    async fn oldest(&self, known: Position) -> Result<Position, SiteError> {
        let prefix = self.key.prefix(self.site, self.table, LIVE);
        let first = self.page(&prefix, FIRST_KEYS).await?.objects.into_iter().next();
        Ok(first.map_or(known.clone(), |(_, facts)| Position { seq: facts.seq, cursor: facts.from, ..known }))
    }

    fn inconsistent(&self, what: &str) -> SiteError {
        SiteError::Inconsistent(format!(
            "{}: site {} of table {}: {what}; nothing more is stored for this site until state and sink fit: \
             restore the right state or the right objects, or move the state away to build it from the sink",
            self.sink.describe(),
            self.site,
            self.table,
        ))
    }

    async fn follow(&self, mut position: Position) -> Result<Followed, SiteError> {
        let mut from = self.key.stem(self.site, self.table, LIVE, position.seq);
        loop {
            let page = self.page(&from, PAGE_KEYS).await?;
            for (key, facts) in page.objects {
                if !self.is_ours(&facts) || !position.follow(&facts) {
                    return Ok(Followed::Broken { key, expected: position.seq });
                }
            }
            match page.next {
                Some(next) => from = next,
                None => return Ok(Followed::To(position)),
            }
        }
    }

    /// The objects of this chain from `from` on, in the order of their keys.
    async fn page(&self, from: &str, keys_max: usize) -> Result<Page, SiteError> {
        let prefix = self.key.prefix(self.site, self.table, LIVE);
        let list = || async {
            let _permit = self.in_flight.acquire().await;
            self.sink.list(&prefix, from, keys_max).await
        };
        let keys = retry::until_settled(self.retry, self.stop, list).await?;
        // Other keys may lie between; the page ends where the listing ends.
        let next = (keys.len() == keys_max).then(|| keys.last().map(|last| format!("{last}\0"))).flatten();
        let of_chain =
            keys.into_iter().filter(|key| self.key.seq_of(self.site, self.table, LIVE, key).is_some());
        let heads = stream::iter(of_chain.map(|key| async move {
            let facts = self.facts(&key).await?;
            Ok::<_, SiteError>((key, facts))
        }));
        let objects = heads.buffered(HEADS_AT_ONCE).try_collect().await?;
        Ok(Page { objects, next })
    }

    async fn facts(&self, key: &str) -> Result<Facts, SiteError> {
        let head = || async {
            let _permit = self.in_flight.acquire().await;
            self.sink.head(key).await
        };
        let gone =
            || SinkError::Retry(format!("{}: {key} vanished while it was looked at", self.sink.describe()));
        Ok(retry::until_settled(self.retry, self.stop, head).await?.ok_or_else(gone)?)
    }

    fn is_ours(&self, facts: &Facts) -> bool {
        facts.table == *self.table && facts.site == *self.site && facts.chain == *LIVE
    }
}

/// A part of a chain.
struct Page {
    objects: Vec<(String, Facts)>,
    /// Where the next page begins, if there may be one.
    next: Option<String>,
}

enum Followed {
    /// To the chain's end.
    To(Position),
    /// Up to an object that does not continue it.
    Broken { key: String, expected: u64 },
}

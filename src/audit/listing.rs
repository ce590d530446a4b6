//! Goes through the keys of a table.

use std::collections::{BTreeSet, VecDeque};

use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use livecosmos_state::{ChainName, SiteId};

use super::Subject;
use crate::key::Marks;
use crate::sink::SinkError;
use crate::uploader::{SiteError, settle};

/// Keys read in one listing.
const PAGE_KEYS: usize = 1000;
/// Objects asked for their places at the same time.
const HEADS_AT_ONCE: usize = 16;

/// A key that concerns the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Listed {
    /// It is that of an object.
    Object { key: String, place: Place },
    /// It stands among the objects of this site and is none.
    Stranger { key: String, site: SiteId },
}

/// Where an object stands, by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) site: SiteId,
    pub(super) chain: ChainName,
    pub(super) seq: u64,
}

impl Listed {
    /// By site and chain, of which the live one comes first, and by seq.
    fn order(&self) -> (&SiteId, Option<(bool, &ChainName, u64)>, &str) {
        match self {
            Self::Object { key, place: Place { site, chain, seq } } => {
                (site, Some((*chain != ChainName::LIVE, chain, *seq)), key)
            }
            Self::Stranger { key, site } => (site, None, key),
        }
    }
}

/// What is still to be listed: prefixes, and where to begin in the first.
struct Rest {
    prefixes: VecDeque<String>,
    from: String,
}

impl Subject {
    /// Every key of the table, chain by chain in the order of their seqs, page by page as they are asked for.
    ///
    /// Where keys do not follow each other as objects do, all of them are read first, some hundred bytes of
    /// memory each; and where they do not tell an object's place, the object is asked for it.
    pub(super) fn listed(&self) -> impl Stream<Item = Result<Listed, SiteError>> + '_ {
        if self.key.is_listed_by_seq() {
            return self.listed_by_key().left_stream();
        }
        let sorted = async {
            let mut all: Vec<Listed> = self.listed_by_key().try_collect().await?;
            all.sort_by(|one, other| one.order().cmp(&other.order()));
            Ok::<_, SiteError>(stream::iter(all.into_iter().map(Ok)))
        };
        stream::once(sorted).try_flatten().right_stream()
    }

    fn listed_by_key(&self) -> impl Stream<Item = Result<Listed, SiteError>> + '_ {
        let rest = Rest { prefixes: self.prefixes().into(), from: String::new() };
        let pages = stream::try_unfold(rest, move |rest| self.page(rest));
        pages.map_ok(|page| stream::iter(page.into_iter().map(Ok))).try_flatten()
    }

    async fn page(&self, mut rest: Rest) -> Result<Option<(Vec<Listed>, Rest)>, SiteError> {
        let Some(prefix) = rest.prefixes.front() else { return Ok(None) };
        let ask = || self.sink.list(prefix, &rest.from, PAGE_KEYS);
        let keys = settle(&self.retry, &self.stop, ask).await?;
        rest.from.clear();
        match keys.last() {
            Some(last) if keys.len() == PAGE_KEYS => rest.from = format!("{last}\0"),
            _ => drop(rest.prefixes.pop_front()),
        }
        let looks = stream::iter(keys.into_iter().map(|key| self.read_key(key))).buffered(HEADS_AT_ONCE);
        let listed: Vec<Option<Listed>> = looks.try_collect().await?;
        Ok(Some((listed.into_iter().flatten().collect(), rest)))
    }

    /// What all keys begin with that may concern the table; none begins with another.
    fn prefixes(&self) -> Vec<String> {
        let all: BTreeSet<String> = match &self.only {
            Some(sites) => sites.iter().map(|site| self.key.common_prefix(&self.table, Some(site))).collect(),
            None => [self.key.common_prefix(&self.table, None)].into(),
        };
        let mut apart: Vec<String> = Vec::new();
        for prefix in all {
            if apart.last().is_none_or(|before| !prefix.starts_with(before)) {
                apart.push(prefix);
            }
        }
        apart
    }

    async fn read_key(&self, key: String) -> Result<Option<Listed>, SiteError> {
        let is_asked_for = |site: &SiteId| self.only.as_ref().is_none_or(|only| only.contains(site));
        if let Some(Marks { site, chain, seq }) = self.key.marks_of(&self.table, &key) {
            if !is_asked_for(&site) {
                return Ok(None);
            }
            let seq = match seq {
                None => self.seq_inside(&key).await?,
                seq => seq,
            };
            return Ok(Some(match seq {
                Some(seq) => Listed::Object { key, place: Place { site, chain, seq } },
                None => Listed::Stranger { key, site },
            }));
        }
        let site = self.key.site_beside(&self.table, &key).filter(is_asked_for);
        let is_anothers =
            self.neighbours.iter().any(|(table, template)| template.marks_of(table, &key).is_some());
        Ok(site.filter(|_| !is_anothers).map(|site| Listed::Stranger { key, site }))
    }

    /// The place that the object under a key without `{seq}` says it has, if it is an object.
    async fn seq_inside(&self, key: &str) -> Result<Option<u64>, SiteError> {
        match settle(&self.retry, &self.stop, || self.sink.head(key)).await {
            Ok(facts) => Ok(facts.map(|facts| facts.seq)),
            Err(SiteError::Sink(SinkError::Refused(_))) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

//! Goes through the keys of a table.

use std::collections::{BTreeSet, VecDeque};

use futures_util::stream::{self, Stream, TryStreamExt as _};
use livecosmos_state::{ChainName, SiteId};

use super::Subject;
use crate::uploader::{SiteError, settle};

/// Keys read in one listing.
const PAGE_KEYS: usize = 1000;

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

/// What is still to be listed: prefixes, and where to begin in the first.
struct Rest {
    prefixes: VecDeque<String>,
    from: String,
}

impl Subject {
    /// Every key of the table, chain by chain in the order of their seqs, page by page as they are asked for.
    pub(super) fn listed(&self) -> impl Stream<Item = Result<Listed, SiteError>> + '_ {
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
        let listed = keys.into_iter().filter_map(|key| self.read_key(key));
        Ok(Some((listed.collect(), rest)))
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

    fn read_key(&self, key: String) -> Option<Listed> {
        let is_asked_for = |site: &SiteId| self.only.as_ref().is_none_or(|only| only.contains(site));
        if let Some((site, chain, seq)) = self.key.place_of(&self.table, &key) {
            return is_asked_for(&site).then_some(Listed::Object { key, place: Place { site, chain, seq } });
        }
        let site = self.key.site_beside(&self.table, &key).filter(is_asked_for)?;
        let is_anothers =
            self.neighbours.iter().any(|(table, template)| template.place_of(table, &key).is_some());
        (!is_anothers).then_some(Listed::Stranger { key, site })
    }
}

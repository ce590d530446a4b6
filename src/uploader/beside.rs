//! Chains of a site that the state does not know of: of a repair or a backfill that is done, of which an old
//! state, or that of another daemon, has never heard.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use livecosmos_state::{ChainName, SiteId, Time};

use super::change::{Change, Noting, Sent};
use super::late::front;
use super::{LiveUploader, Lookback, SiteError, retry};
use crate::sink::Facts;

/// Objects asked for their facts at the same time.
const HEADS_AT_ONCE: usize = 16;

impl LiveUploader {
    /// Notes in the ledger what such chains hold of the window: it is stored, and not late. Once for each site
    /// after a start; costs one listing where there are none.
    pub(super) async fn look_beside(&self, site: &SiteId, lookback: Lookback) -> Result<(), SiteError> {
        if self.looked_beside().contains(site) {
            return Ok(());
        }
        let known = self.journal.read(|state| {
            let known = state.sites.get(site)?;
            let fills: BTreeSet<ChainName> = known.fills.keys().cloned().collect();
            Some((lookback.first(front(known)?), fills))
        });
        let Some((first, fills)) = known else { return Ok(()) };
        let beside = self.keys_beside(site, Some(first)).await?;
        if beside.contains_key(&ChainName::REQUEUE) {
            self.confirm(site, &ChainName::REQUEUE).await?;
        }
        let mut recent = Vec::new();
        for (chain, keys) in &beside {
            let is_known = [ChainName::LATE, ChainName::REQUEUE].contains(chain) || fills.contains(chain);
            if !is_known {
                recent.extend(self.recent_of(chain, keys, first).await?);
            }
        }
        if !recent.is_empty() {
            let rows = Sent { noting: Noting::Found, ..self.rows_of(&recent).await? };
            self.journal.defer(Change::Noted { site: site.clone(), rows });
        }
        self.looked_beside().insert(site.clone());
        Ok(())
    }

    /// The objects of a chain that may hold rows at or behind `first`.
    async fn recent_of(
        &self,
        chain: &ChainName,
        keys: &[String],
        first: Time,
    ) -> Result<Vec<String>, SiteError> {
        let is_recent = |facts: &Facts| !facts.is_resend && facts.last_data >= first;
        // What filled a hole lies in the order of its times: an old end has nothing recent before it.
        if let (true, Some(last)) = (chain.is_catch_up(), keys.last())
            && !self.facts_of(last).await?.is_some_and(|facts| is_recent(&facts))
        {
            return Ok(Vec::new());
        }
        let looks = stream::iter(keys.iter().map(|key| async move { Ok((key, self.facts_of(key).await?)) }));
        let found: Vec<(&String, Option<Facts>)> =
            looks.buffered(HEADS_AT_ONCE).try_collect::<Vec<_>>().await.map_err(|error: SiteError| error)?;
        let recent = found.into_iter().filter(|(_, facts)| facts.as_ref().is_some_and(is_recent));
        Ok(recent.map(|(key, _)| key.clone()).collect())
    }

    pub(super) async fn facts_of(&self, key: &str) -> Result<Option<Facts>, SiteError> {
        let look = || self.sink.head(key);
        retry::until_settled(&self.settings.retry, &self.stop, look).await
    }

    /// The keys of all chains of the site but the live one, in the order of each chain, or of their times where
    /// keys name those first; of rows at or behind `since`, where keys tell.
    pub(super) async fn keys_beside(
        &self,
        site: &SiteId,
        since: Option<Time>,
    ) -> Result<BTreeMap<ChainName, Vec<String>>, SiteError> {
        let mut chains: BTreeMap<ChainName, Vec<String>> = BTreeMap::new();
        let (template, table) = (&self.settings.key, &self.settings.table);
        let bound = since.and_then(|since| template.bound(table, site, since, 0));
        let mut from = Some(bound.unwrap_or_else(|| template.beside(table, site)));
        while let Some(page) = from {
            let (keys, next) = self.page_of_site(site, &page).await?;
            for (chain, key) in keys {
                chains.entry(chain).or_default().push(key);
            }
            from = next;
        }
        chains.remove(&ChainName::LIVE);
        Ok(chains)
    }
}

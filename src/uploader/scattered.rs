//! What holds the promise together where keys depend on rows: on dates, say, or on a digest.
//!
//! Create-if-absent then keeps only equal keys apart, and two batches that begin at the same place may have
//! two keys: a late row is another first row, more rows have another end. So
//!
//! - a chain is found by all keys of its site that may be of it, not by listing its seqs;
//! - the sink is asked before each put whether another writer has gone on; between asking and putting
//!   nothing keeps two writers apart (`key::Promise::OneWriter`);
//! - a key whose put may still arrive is settled before another is tried for the same place: the batch
//!   is cut as it was, and if it is another all the same, an object without rows takes the old key.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use livecosmos_state::{ChainName, Cursor, Intent, SiteId, Time};

use super::adopt::{Chain, Followed, Found, HEADS_AT_ONCE, Kept, PAGE_KEYS, Recent};
use super::change::{Change, Position, Sent};
use super::late::front;
use super::{LiveUploader, Parcel, SiteError, Step, retry};
use crate::clock::shift;
use crate::rows::{Batch, Rows, Schema};
use crate::sink::{Facts, PutOutcome, SinkError};

/// Late rows that another writer stored just now may come from a longer window than ours by this factor.
const WINDOWS: i64 = 2;

/// Keys of objects by their place in the chain: one each, or the chain contradicts itself.
type Places = BTreeMap<u64, Vec<String>>;

/// Which of a site's keys a look takes in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Look {
    /// All of them: where that is no more than what follows, or before anything of the chain is known.
    AtAll,
    /// Those of objects with rows at this time or later.
    Since(Time),
}

impl Chain<'_> {
    /// The same as [`Chain::catch_up`] where keys do not follow each other as objects do.
    ///
    /// Costs a listing of the site's keys from the time on where `known` ends, where keys begin with times
    /// and the cursor has one; else of all its keys, and without `{seq}` a look at each.
    pub(super) async fn gather(&self, known: Position, recent: Option<Recent>) -> Result<Found, SiteError> {
        let Some(last) = known.seq.checked_sub(1) else {
            let mut places = self.places(None, 0).await?;
            self.add_pending(0, &mut places).await?;
            return match places.first_key_value() {
                Some((_, keys)) => {
                    let facts = self.facts(&keys[0]).await?;
                    self.follow_places(self.beginning(known, facts), &places, recent).await
                }
                None => Ok(Found { position: known, recent: Vec::new() }),
            };
        };
        let bound = self.bound(&known);
        if bound.is_none() && !self.is_marked() {
            // Each of the site's objects would have to be looked at: only what was intended is.
            let mut places = Places::new();
            self.add_pending(known.seq, &mut places).await?;
            return self.follow_places(known, &places, recent).await;
        }
        let mut places = self.places(bound.as_deref(), last).await?;
        if bound.is_some() && !places.contains_key(&last) {
            // It lies before a jump, or is gone.
            places = self.places(None, 0).await?;
        }
        self.add_pending(known.seq, &mut places).await?;
        self.check_last_place(&known, last, &places).await?;
        self.follow_places(known, &places, recent).await
    }

    /// What of the chain is stored behind `known`, by a look that costs little: from a time on before which it has
    /// no rows, or at all keys of a site that had none. Nothing where such a look is not possible.
    pub(super) async fn glance(
        &self,
        known: Position,
        look: Look,
        recent: Option<Recent>,
    ) -> Result<Option<Found>, SiteError> {
        if self.key.is_listed_by_seq() {
            return self.follow_or_say(known, recent).await.map(Some);
        }
        let bound = match look {
            Look::AtAll => None,
            Look::Since(time) => match self.key.bound(self.table, self.site, time, known.seq) {
                Some(bound) => Some(bound),
                None => return Ok(None),
            },
        };
        let places = self.places(bound.as_deref(), known.seq).await?;
        self.follow_places(known, &places, recent).await.map(Some)
    }

    /// Whether the keys of this chain tell their objects' places.
    fn is_marked(&self) -> bool {
        self.key.has_seq() || *self.name != ChainName::LIVE
    }

    /// Where to begin listing for what follows `known` and the object before it. Only a live chain in a table
    /// goes on with later times.
    fn bound(&self, known: &Position) -> Option<String> {
        let Cursor::Row { time, .. } = known.cursor else { return None };
        let last = known.seq.saturating_sub(1);
        self.key.bound(self.table, self.site, time, last).filter(|_| *self.name == ChainName::LIVE)
    }

    /// The keys of this chain from `from` on, of objects from place `first` on.
    async fn places(&self, from: Option<&str>, first: u64) -> Result<Places, SiteError> {
        let prefix = self.key.common_prefix(self.table, Some(self.site));
        let (mut places, mut from) = (Places::new(), from.unwrap_or_default().to_owned());
        loop {
            let list = || self.sink.list(&prefix, &from, PAGE_KEYS);
            let keys = retry::until_settled(self.retry, self.stop, list).await?;
            let next = keys.last().filter(|_| keys.len() == PAGE_KEYS).map(|last| format!("{last}\0"));
            let of_chain = keys.into_iter().filter_map(|key| {
                let marks = self.key.marks_of(self.table, &key)?;
                (marks.site == *self.site && marks.chain == *self.name).then_some((key, marks.seq))
            });
            let looks = of_chain.map(|(key, seq)| async move { self.place(key, seq).await });
            let mut placed = stream::iter(looks).buffered(HEADS_AT_ONCE);
            while let Some(placed) = placed.try_next().await? {
                if let Some((key, seq)) = placed.filter(|(_, seq)| *seq >= first) {
                    places.entry(seq).or_default().push(key);
                }
            }
            match next {
                Some(next) => from = next,
                None => return Ok(places),
            }
        }
    }

    /// The place of the object under `key`, if it is one of this chain.
    async fn place(&self, key: String, seq: Option<u64>) -> Result<Option<(String, u64)>, SiteError> {
        if let Some(seq) = seq {
            return Ok(Some((key, seq)));
        }
        let facts = self.facts_of_any(&key).await?.filter(|facts| self.is_ours(facts));
        Ok(facts.map(|facts| (key, facts.seq)))
    }

    /// The facts under a key that may be anybody's: of what is not ours, and of nothing, none.
    async fn facts_of_any(&self, key: &str) -> Result<Option<Facts>, SiteError> {
        let head = || self.sink.head(key);
        match retry::until_settled(self.retry, self.stop, head).await {
            Err(SiteError::Sink(SinkError::Refused(_))) => Ok(None),
            facts => facts,
        }
    }

    /// Adds the object that was intended, wherever it was put.
    async fn add_pending(&self, first: u64, places: &mut Places) -> Result<(), SiteError> {
        let Some(key) = &self.pending else { return Ok(()) };
        let facts = self.facts_of_any(key).await?.filter(|facts| self.is_ours(facts) && facts.seq >= first);
        if let Some(facts) = facts {
            let keys = places.entry(facts.seq).or_default();
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        Ok(())
    }

    async fn check_last_place(&self, known: &Position, last: u64, places: &Places) -> Result<(), SiteError> {
        match places.get(&last) {
            Some(_) if !self.key.has_seq() => Ok(()),
            Some(keys) => {
                let key = self.only(keys)?;
                let facts = self.facts(key).await?;
                self.check_end(known, key, &facts)
            }
            None => {
                if let Some((_, keys)) = places.first_key_value().filter(|(seq, _)| **seq < last) {
                    return Err(self.is_missing(last, &keys[0]));
                }
                self.warn_of_expiry(last);
                Ok(())
            }
        }
    }

    async fn follow_places(
        &self,
        mut position: Position,
        places: &Places,
        recent: Option<Recent>,
    ) -> Result<Found, SiteError> {
        let mut kept = Kept::new(recent);
        if !self.key.has_seq() {
            return self.follow_any(position, places, recent).await;
        }
        let keys = places.range(position.seq..).map(|(_, keys)| self.only(keys).cloned());
        let keys: Vec<String> = keys.collect::<Result<_, _>>()?;
        let looks = keys.into_iter().map(|key| async move {
            let facts = self.facts(&key).await?;
            Ok::<_, SiteError>((key, facts))
        });
        let mut looked = stream::iter(looks).buffered(HEADS_AT_ONCE);
        while let Some((key, facts)) = looked.try_next().await? {
            if !self.is_ours(&facts) || !position.follow(&facts) {
                return self.found(Followed::Broken { key, expected: position.seq });
            }
            kept.keep(key, facts.last_data);
        }
        Ok(Found { position, recent: kept.into_keys() })
    }

    /// Follows the chain through places that may be taken more than once: without a seq in their keys, objects of
    /// an older state stand beside those of a newer one. All rows before the end of any one way through are
    /// stored, so that going on there loses none.
    async fn follow_any(
        &self,
        mut position: Position,
        places: &Places,
        recent: Option<Recent>,
    ) -> Result<Found, SiteError> {
        let mut kept = Kept::new(recent);
        for (_, keys) in places.range(position.seq..) {
            let mut furthest: Option<(&String, Facts)> = None;
            for key in keys {
                let facts = self.facts(key).await?;
                let continues = facts.seq == position.seq && facts.from == position.cursor;
                if continues && furthest.as_ref().is_none_or(|(_, best)| best.last_data < facts.last_data) {
                    furthest = Some((key, facts));
                }
            }
            let Some((key, facts)) = furthest else { break };
            position.advance(&facts);
            kept.keep(key.clone(), facts.last_data);
        }
        Ok(Found { position, recent: kept.into_keys() })
    }

    /// The key of a place, which two writers at the same moment may have taken twice.
    fn only<'k>(&self, keys: &'k [String]) -> Result<&'k String, SiteError> {
        match keys {
            [key] => Ok(key),
            keys => {
                Err(self
                    .inconsistent(&format!("{} are there for one place in the chain", keys.join(" and "))))
            }
        }
    }
}

impl LiveUploader {
    /// Asks whether another writer has gone on with the chain, where its keys would not tell.
    pub(super) async fn has_moved(&self, site: &SiteId, chain: &ChainName) -> Result<bool, SiteError> {
        if self.settings.key.is_decided_by_chain() {
            return Ok(false);
        }
        let known = self.position(site, chain);
        let Some(look) = self.look_for(site, chain, &known) else { return Ok(false) };
        let found = self.chain(site, chain).glance(known.clone(), look, self.recent(site)).await?;
        let Some(found) = found.filter(|found| found.position != known) else { return Ok(false) };
        tracing::info!(table = %self.settings.table, %site, %chain, seq = known.seq,
            to_seq = found.position.seq, "another writer stored this part of the chain; adopted");
        self.take_over(site, chain, found).await?;
        Ok(true)
    }

    /// Where what another writer adds to a chain now is looked for, if that costs little.
    fn look_for(&self, site: &SiteId, chain: &ChainName, known: &Position) -> Option<Look> {
        if self.settings.key.is_listed_by_seq() || (known.seq == 0 && *chain == ChainName::LIVE) {
            return Some(Look::AtAll);
        }
        let compares = self.kind_of(site, chain).is_some_and(livecosmos_state::FillKind::compares);
        match &known.cursor {
            _ if *chain == ChainName::LATE => {
                let seconds = self.settings.lookback?.seconds;
                let watermark = self.journal.read(|state| front(state.sites.get(site)?))?;
                Some(Look::Since(shift(watermark, -seconds.saturating_mul(WINDOWS))))
            }
            Cursor::Row { time, .. } if !compares && *chain != ChainName::REQUEUE => Some(Look::Since(*time)),
            _ => None,
        }
    }

    /// Rows of the batch whose put has an unknown fate: cut alike, it has the same key again.
    pub(super) fn rows_of_unsettled(&self, site: &SiteId, chain: &ChainName) -> Option<usize> {
        let pending = self.pending(site, chain).filter(|_| !self.settings.key.is_decided_by_chain())?;
        usize::try_from(pending.rows).ok().filter(|rows| *rows > 0)
    }

    /// What was intended for this place under another key, and may still arrive there.
    pub(super) fn unsettled(&self, site: &SiteId, chain: &ChainName, intent: &Intent) -> Option<Intent> {
        let pending = self.pending(site, chain).filter(|_| !self.settings.key.is_decided_by_chain())?;
        (pending.seq == intent.seq && pending.key != intent.key).then_some(pending)
    }

    pub(super) fn pending(&self, site: &SiteId, chain: &ChainName) -> Option<Intent> {
        self.journal.read(|state| super::change::chain_of(state.sites.get(site)?, chain)?.pending.clone())
    }

    /// Takes the key of what was intended before, so that it cannot arrive any more, with an object without
    /// rows; or finds that it has arrived. Either way the chain has moved.
    pub(super) async fn settle_unsettled(
        &self,
        site: &SiteId,
        chain: &ChainName,
        pending: Intent,
    ) -> Result<Step, SiteError> {
        let known = self.position(site, chain);
        let last_data = known.last_data.or(known.floor).unwrap_or(Time::MIN);
        let (from, to) = (known.cursor.clone(), known.cursor.clone());
        let time_column = self.settings.time_column.as_str().into();
        let rows = Rows::new(Arc::new(Schema::untyped([time_column].into(), 0, None)));
        let batch = Batch {
            site: site.clone(),
            rows,
            to: to.clone(),
            is_cut: true,
            is_at_border: false,
            newest: None,
        };
        let (parcel, packed) = self.pack(Parcel { chain: chain.clone(), batch, next: None }).await?;
        let digest = packed.encoded.digest;
        let intent = Intent { from, to, next: None, rows: 0, last_data, digest, ..pending };
        let change =
            Change::Intended { site: site.clone(), chain: chain.clone(), intent: Box::new(intent.clone()) };
        let generation = self.journal.commit(change).await?;
        let object = self.object(&parcel, &intent, generation, packed.encoded);
        tracing::info!(table = %self.settings.table, %site, %chain, key = intent.key,
            "rows have changed since this object was tried; its key is taken by one without rows");
        match self.put(site, chain, &intent.key, &object).await? {
            PutOutcome::Stored => {
                let (site, chain, intent) = (site.clone(), chain.clone(), Box::new(intent));
                self.journal.defer(Change::Stored { site, chain, intent, rows: Sent::default() });
            }
            PutOutcome::Exists => {
                let found = self.chain(site, chain).catch_up(known.clone(), self.recent(site)).await?;
                if found.position == known {
                    return Err(self.is_taken_by_other(site, &intent.key));
                }
                self.take_over(site, chain, found).await?;
            }
        }
        Ok(Step::Moved)
    }

    /// Whether the key of a template without `{seq}` is taken by another object, with the very same bytes.
    pub(super) async fn is_alike_elsewhere(
        &self,
        site: &SiteId,
        chain: &ChainName,
        intent: &Intent,
    ) -> Result<bool, SiteError> {
        if self.settings.key.has_seq() {
            return Ok(false);
        }
        match self.facts_of(&intent.key).await {
            Ok(None) => Ok(false),
            Ok(Some(facts)) => Ok((&facts.site, &facts.chain, facts.seq) != (site, chain, intent.seq)),
            Err(SiteError::Sink(SinkError::Refused(_))) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

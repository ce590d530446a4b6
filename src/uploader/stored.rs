//! What the sink holds of a site, on all its chains: for fills that send only what is missing.

use livecosmos_state::{ChainName, Cursor, Fill, Fingerprint, Ledger, SiteId, Time};

use super::adopt::{Found, Recent};
use super::change::{Change, Position, Sent};
use super::ledger::Sieve;
use super::{LiveUploader, Settings, SiteError, retry};
use crate::clock::just_after;
use crate::sink::{Facts, SinkError};

/// Keys read in one listing.
const PAGE_KEYS: usize = 1000;
/// Rows that a fill compares at most: some 24 bytes of memory each.
const ROWS_COMPARED_MAX: usize = 4_000_000;

impl LiveUploader {
    /// Lets through the rows of a fill that no object of the site holds, whatever its chain, and that are
    /// not among those in quarantine.
    pub(super) async fn sieve_of_sink(
        &self,
        site: &SiteId,
        fill: &Fill,
        quarantined: &[(Time, Fingerprint)],
    ) -> Result<Sieve, SiteError> {
        self.check_readable("what sends only what is missing")?;
        let mut stored = Ledger::default();
        for (time, print) in quarantined.iter().filter(|(time, _)| in_reach(*time, fill)) {
            stored.insert(*time, *print);
        }
        let mut from = Some(String::new());
        while let Some(page) = from {
            let (keys, next) = self.page_of_site(site, &page).await?;
            for (_, key) in keys {
                self.add_stored(&key, fill, &mut stored).await?;
            }
            from = next;
        }
        let sends_updates = self.settings.lookback.is_none_or(|lookback| lookback.sends_updates);
        Ok(Sieve::new(stored, self.settings.tie_column.clone(), sends_updates))
    }

    /// A site the state does not know: where it stands is for the sink to say (I4: a lost state is
    /// no first run), and only a site without any object begins at the fallback.
    pub(super) async fn admit(&self, site: &SiteId, first_look: Time) -> Result<Position, SiteError> {
        if self.found_in_sink(site).await?.seq == 0 {
            let fallback = self.settings.fallback;
            let floor = self.journal.read(|state| fallback.first_floor(state, first_look));
            self.journal.defer(Change::Admitted { site: site.clone(), position: Position::start(floor) });
            if self.looks_back() {
                // Nothing is stored: a ledger that is empty holds all of it.
                let begun = Change::Watched { site: site.clone(), from: Time::MIN, rows: Sent::default() };
                self.journal.defer(begun);
            }
        }
        self.confirmed().insert((site.clone(), ChainName::LIVE));
        // As the state has it now: with the floor that follows from a file that was lost.
        Ok(self.position(site, &ChainName::LIVE))
    }

    /// Builds the state of a site that the state does not know from what the sink holds of it, and says
    /// where its live chain ends.
    ///
    /// All is read before anything is remembered: a half of it would be taken for the whole.
    pub(super) async fn found_in_sink(&self, site: &SiteId) -> Result<Position, SiteError> {
        let start = || Position::start(None);
        let live = self.chain(site, &ChainName::LIVE).catch_up(start(), self.recent(site)).await?;
        let position = live.position.clone();
        if position.seq == 0 {
            return Ok(position);
        }
        let mut chains = Vec::new();
        let mut watched = None;
        if let (Some(lookback), Some(watermark)) = (self.settings.lookback, position.last_data) {
            let recent = Some(Recent { seconds: lookback.seconds, watermark: Some(watermark) });
            for chain in self.keys_beside(site, None).await?.into_keys() {
                let found = self.chain(site, &chain).catch_up(start(), recent).await?;
                chains.push((chain, found));
            }
            let keys =
                chains.iter().fold(live.recent, |keys, (_, found)| [keys, found.recent.clone()].concat());
            let (site, from) = (site.clone(), lookback.first(watermark));
            watched = Some(Change::Watched { site, from, rows: self.rows_of(&keys).await? });
        }
        self.journal.defer(Change::Admitted { site: site.clone(), position: live.position });
        for (chain, Found { position, .. }) in chains {
            self.confirmed().insert((site.clone(), chain.clone()));
            let rows = Sent::default();
            self.journal.defer(Change::Adopted { site: site.clone(), chain, position, rows });
        }
        if let Some(watched) = watched {
            self.journal.defer(watched);
        }
        Ok(position)
    }

    /// Objects of the site from `from` on, with their chains; and where the next page begins.
    pub(super) async fn page_of_site(
        &self,
        site: &SiteId,
        from: &str,
    ) -> Result<(Vec<(ChainName, String)>, Option<String>), SiteError> {
        let Settings { key: template, table, .. } = &self.settings;
        let prefix = template.common_prefix(table, Some(site));
        let list = || self.sink.list(&prefix, from, PAGE_KEYS);
        let keys = retry::until_settled(&self.settings.retry, &self.stop, list).await?;
        let next = keys.last().filter(|_| keys.len() == PAGE_KEYS).map(|last| format!("{last}\0"));
        let of_site = keys.into_iter().filter_map(|key| {
            let marks = template.marks_of(table, &key)?;
            (marks.site == *site).then_some((marks.chain, key))
        });
        Ok((of_site.collect(), next))
    }

    async fn add_stored(&self, key: &str, fill: &Fill, stored: &mut Ledger) -> Result<(), SiteError> {
        let facts = match self.facts_of(key).await {
            // Without a seq a key may be anybody's.
            Err(SiteError::Sink(SinkError::Refused(_))) if !self.settings.key.has_seq() => None,
            facts => facts?,
        };
        let Some(facts) = facts.filter(|facts| may_hold(facts, fill)) else { return Ok(()) };
        for (time, print) in self.prints_of(key).await? {
            if in_reach(time, fill) {
                stored.insert(time, print);
            }
        }
        if stored.len() > ROWS_COMPARED_MAX {
            return Err(SiteError::Inconsistent(format!(
                "site {}: more than {ROWS_COMPARED_MAX} rows are stored of what is to be compared; choose a shorter \
                 time, and then the next",
                facts.site
            )));
        }
        Ok(())
    }
}

/// Whether the object may hold rows that the fill is about. What was sent again says nothing of what
/// is missing.
fn may_hold(facts: &Facts, fill: &Fill) -> bool {
    let first = facts.contents.first_data.unwrap_or(Time::MIN);
    let (reach_first, reach_end) = reach(fill);
    !facts.is_resend && facts.last_data >= reach_first && first < reach_end
}

fn in_reach(time: Time, fill: &Fill) -> bool {
    let (first, end) = reach(fill);
    first <= time && time < end
}

/// The times the fill is about: the first within, and the first behind.
fn reach(fill: &Fill) -> (Time, Time) {
    let after = match fill.after {
        Cursor::Row { time, .. } => time,
        Cursor::Start | Cursor::File { .. } => Time::MIN,
    };
    let end = match fill.until {
        Cursor::Row { time, .. } => just_after(time),
        Cursor::Start | Cursor::File { .. } => Time::MAX,
    };
    (fill.window.first.map_or(after, |first| first.max(after)), fill.window.end.map_or(end, |it| it.min(end)))
}

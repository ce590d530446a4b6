//! What a table has in its sink, by site and day: from what the objects say of themselves, and where they
//! do not say it, from their rows.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt as _;
use livecosmos_state::{ChainName, Fingerprint, SiteId, Time};

use super::Subject;
use super::listing::{Listed, Place};
use crate::fingerprint;
use crate::payload::{PayloadReader, ReadError};
use crate::sink::{Day, DayCounts, Facts, SinkError};
use crate::uploader::{SiteError, settle};

/// Objects asked for their facts at the same time.
const HEADS_AT_ONCE: usize = 16;

/// Rows in the sink.
#[derive(Debug, Default)]
pub struct Tally {
    /// By site.
    pub sites: BTreeMap<SiteId, SiteTally>,
    /// Objects that do not say what they hold, with the reason.
    pub unknown: Vec<(String, String)>,
}

/// Rows of one site in the sink.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SiteTally {
    /// Rows by day, those that were sent again for an operator left out.
    pub days: BTreeMap<Day, u64>,
    /// Days with rows on chains that may repeat a row in another version.
    pub mixed: BTreeSet<Day>,
    /// The first object that is there of the live chain, and of each that fills a hole of it.
    pub firsts: BTreeMap<ChainName, First>,
}

/// Where a chain begins in the sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct First {
    /// 0 unless older objects have expired.
    pub seq: u64,
    /// Its earliest time, where it says so.
    pub first_data: Option<Time>,
}

impl SiteTally {
    /// Whether the live chain does not begin with its first object: older ones have expired, or were removed.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.firsts.get(&ChainName::LIVE).is_some_and(|first| first.seq > 0)
    }

    /// The earliest time of what is there of the live chain and of the fills of its holes. An object of the
    /// live chain may lie ahead of all that a fill sends.
    #[must_use]
    pub fn first_data(&self) -> Option<Time> {
        self.firsts.values().filter_map(|first| first.first_data).min()
    }
}

impl Subject {
    /// Counts the rows of the objects for which `is_wanted` holds, by site, chain and seq.
    ///
    /// # Errors
    /// When the sink cannot be read. Objects that cannot be understood are listed.
    pub async fn tally(
        &self,
        is_wanted: impl Fn(&SiteId, &ChainName, u64) -> bool,
        step: impl Fn(),
    ) -> Result<Tally, SiteError> {
        let wanted = self.listed().try_filter_map(|listed| {
            let found = match listed {
                Listed::Object { key, place } if is_wanted(&place.site, &place.chain, place.seq) => {
                    Some((key, place))
                }
                _ => None,
            };
            std::future::ready(Ok(found))
        });
        let counted = wanted.map_ok(|(key, place)| self.days_of(key, place)).try_buffered(HEADS_AT_ONCE);
        let mut counted = std::pin::pin!(counted);
        let mut tally = Tally::default();
        while let Some(counted) = counted.try_next().await? {
            step();
            tally.add(counted);
        }
        Ok(tally)
    }

    /// Gives `take` the rows of the objects for which `is_wanted` holds, if any of them lies on one of
    /// `days`, with the tie column `tie`.
    ///
    /// # Errors
    /// When the sink cannot be read. Objects that cannot be understood are passed over: a tally lists them.
    pub async fn look_at_rows(
        &self,
        is_wanted: impl Fn(&SiteId, &ChainName, u64) -> bool,
        days: &BTreeMap<SiteId, BTreeSet<Day>>,
        tie: Option<&str>,
        mut take: impl FnMut(&SiteId, Time, Fingerprint),
    ) -> Result<(), SiteError> {
        let wanted = self.listed().try_filter_map(|listed| {
            let found = match listed {
                Listed::Object { key, place } if is_wanted(&place.site, &place.chain, place.seq) => {
                    days.get(&place.site).map(|days| (key, place.site, days))
                }
                _ => None,
            };
            std::future::ready(Ok(found))
        });
        let read = wanted.map_ok(|(key, site, days)| async move {
            let rows = self.rows_of(&key, days, tie).await?;
            Ok((site, rows))
        });
        let mut read = std::pin::pin!(read.try_buffered(HEADS_AT_ONCE));
        while let Some((site, rows)) = read.try_next().await? {
            for (time, print) in rows {
                take(&site, time, print);
            }
        }
        Ok(())
    }

    /// The rows of an object that holds some of `days`, or does not say its days.
    async fn rows_of(
        &self,
        key: &str,
        days: &BTreeSet<Day>,
        tie: Option<&str>,
    ) -> Result<Vec<(Time, Fingerprint)>, SiteError> {
        let facts = match settle(&self.retry, &self.stop, || self.sink.head(key)).await {
            Ok(Some(facts)) if !facts.is_resend => facts,
            Ok(_) | Err(SiteError::Sink(SinkError::Refused(_))) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let is_elsewhere = |counts: &DayCounts| !counts.days().any(|(day, _)| days.contains(&day));
        if facts.contents.days.as_ref().is_some_and(is_elsewhere) {
            return Ok(Vec::new());
        }
        let stored = match settle(&self.retry, &self.stop, || self.sink.get(key)).await {
            Ok(Some((_, stored))) => stored,
            Ok(None) | Err(SiteError::Sink(SinkError::Refused(_))) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let time_column = facts.contents.time_column.as_deref().unwrap_or(&self.time_column).to_owned();
        let tie = tie.map(str::to_owned);
        let read = tokio::task::spawn_blocking(move || {
            fingerprint::of_payload(&stored, &time_column, tie.as_deref())
        });
        Ok(read.await.ok().and_then(Result::ok).unwrap_or_default())
    }

    async fn days_of(&self, key: String, place: Place) -> Result<Counted, SiteError> {
        let counted = |outcome| Counted { key: key.clone(), place: place.clone(), outcome };
        let facts = match settle(&self.retry, &self.stop, || self.sink.head(&key)).await {
            Ok(Some(facts)) => facts,
            Ok(None) => return Ok(counted(Outcome::Gone)),
            Err(SiteError::Sink(SinkError::Refused(why))) => return Ok(counted(Outcome::Unknown(why))),
            Err(error) => return Err(error),
        };
        if facts.is_resend {
            return Ok(counted(Outcome::Gone));
        }
        if let Some(days) = facts.contents.days.clone().filter(|days| days.rows() == facts.rows) {
            return Ok(counted(Outcome::Days(Box::new(facts), days)));
        }
        Ok(counted(self.count_rows(&key, facts).await?))
    }

    /// Of an object that is old, or whose rows lie on too many days to say them.
    async fn count_rows(&self, key: &str, facts: Facts) -> Result<Outcome, SiteError> {
        let stored = match settle(&self.retry, &self.stop, || self.sink.get(key)).await {
            Ok(Some((_, stored))) => stored,
            Ok(None) => return Ok(Outcome::Gone),
            Err(SiteError::Sink(SinkError::Refused(why))) => return Ok(Outcome::Unknown(why)),
            Err(error) => return Err(error),
        };
        let time_column = facts.contents.time_column.as_deref().unwrap_or(&self.time_column).to_owned();
        let read = tokio::task::spawn_blocking(move || days_in_payload(&stored, &time_column));
        Ok(match read.await {
            Ok(Ok(days)) => Outcome::Days(Box::new(facts), days),
            Ok(Err(error)) => Outcome::Unknown(error.to_string()),
            Err(error) => Outcome::Unknown(error.to_string()),
        })
    }
}

fn days_in_payload(stored: &[u8], time_column: &str) -> Result<DayCounts, ReadError> {
    let mut reader = PayloadReader::new(stored, time_column)?;
    let mut days: BTreeMap<Day, u64> = BTreeMap::new();
    while let Some(rows) = reader.next_rows()? {
        for row in rows.times() {
            *days.entry(Day::of(row.time)).or_default() += 1;
        }
    }
    Ok(DayCounts::from_days(&days))
}

struct Counted {
    key: String,
    place: Place,
    outcome: Outcome,
}

enum Outcome {
    Days(Box<Facts>, DayCounts),
    Unknown(String),
    /// It holds no rows that count.
    Gone,
}

impl Tally {
    fn add(&mut self, counted: Counted) {
        let Counted { key, place, outcome } = counted;
        let (facts, days) = match outcome {
            Outcome::Days(facts, days) => (facts, days),
            Outcome::Unknown(why) => return self.unknown.push((key, why)),
            Outcome::Gone => return,
        };
        let site = self.sites.entry(place.site).or_default();
        let is_range = place.chain == ChainName::LIVE || place.chain.is_catch_up();
        for (day, rows) in days.days() {
            *site.days.entry(day).or_default() += rows;
            if !is_range {
                site.mixed.insert(day);
            }
        }
        if is_range {
            let first = First { seq: facts.seq, first_data: facts.contents.first_data };
            site.firsts.entry(place.chain).or_insert(first);
        }
    }
}

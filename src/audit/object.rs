//! Compares one object with what it says of itself.

use std::collections::BTreeMap;

use bytes::Bytes;
use livecosmos_state::Time;

use super::Subject;
use super::listing::{Listed, Place};
use super::report::{Finding, Trouble};
use crate::payload::{PayloadReader, PayloadSum, ReadError};
use crate::sink::{Day, DayCounts, Facts, SinkError, hex};
use crate::uploader::{SiteError, settle};

/// What was found under one key.
pub(super) struct Looked {
    pub(super) place: Option<Place>,
    pub(super) key: String,
    /// What the object says of itself, where that is believed.
    pub(super) facts: Option<Facts>,
    pub(super) stored_bytes: u64,
    /// The earliest time among its rows.
    pub(super) first_data: Option<Time>,
    pub(super) findings: Vec<Finding>,
}

impl Looked {
    fn at(key: String, place: Option<Place>) -> Self {
        Self { place, key, facts: None, stored_bytes: 0, first_data: None, findings: Vec::new() }
    }

    fn find(&mut self, trouble: Trouble, site: &livecosmos_state::SiteId, what: String) {
        let chain = self.place.as_ref().map(|place| place.chain.clone());
        self.findings.push(Finding { trouble, site: site.clone(), chain, key: self.key.clone(), what });
    }
}

impl Subject {
    /// Reads what stands under a key.
    pub(super) async fn look(&self, listed: Listed) -> Result<Looked, SiteError> {
        let (key, place) = match listed {
            Listed::Object { key, place } => (key, place),
            Listed::Stranger { key, site } => {
                let mut looked = Looked::at(key, None);
                looked.find(Trouble::Foreign, &site, "it is no object of livecosmos".to_owned());
                return Ok(looked);
            }
        };
        let mut looked = Looked::at(key, Some(place.clone()));
        match settle(&self.retry, &self.stop, || self.sink.get(&looked.key)).await {
            Ok(Some((facts, stored))) => self.compare(&mut looked, &place, facts, stored).await,
            // It expired since it was listed: the next object shows whether it is missed.
            Ok(None) => {}
            Err(SiteError::Sink(SinkError::Refused(what))) => {
                let trouble = self.trouble_of_refused(&looked.key).await?;
                looked.find(trouble, &place.site, what);
            }
            Err(error) => return Err(error),
        }
        Ok(looked)
    }

    /// An object that cannot be read is damaged if it says what it is, and else somebody's.
    async fn trouble_of_refused(&self, key: &str) -> Result<Trouble, SiteError> {
        match settle(&self.retry, &self.stop, || self.sink.head(key)).await {
            Ok(_) => Ok(Trouble::Damaged),
            Err(SiteError::Sink(SinkError::Refused(_))) => Ok(Trouble::Foreign),
            Err(error) => Err(error),
        }
    }

    async fn compare(&self, looked: &mut Looked, place: &Place, facts: Facts, stored: Bytes) {
        looked.stored_bytes = stored.len() as u64;
        let says = (&facts.table, &facts.site, &facts.chain, facts.seq);
        if says != (&self.table.without_sink(), &place.site, &place.chain, place.seq) {
            let what = format!(
                "it says that it is object {} of chain {} of site {} of table {}",
                facts.seq, facts.chain, facts.site, facts.table
            );
            looked.find(Trouble::Misplaced, &place.site, what);
            return;
        }
        let time_column = facts.contents.time_column.as_deref().unwrap_or(&self.time_column).to_owned();
        let site = place.site.to_string();
        // Unpacking and hashing is work for a processor of its own.
        let read = tokio::task::spawn_blocking(move || Seen::in_payload(&stored, &time_column, &site)).await;
        let troubles = match read {
            Ok(seen) => {
                looked.first_data = seen.first;
                seen.compare(&facts)
            }
            Err(error) => vec![(Trouble::Unreadable, format!("reading it failed ({error})"))],
        };
        for (trouble, what) in troubles {
            looked.find(trouble, &place.site, what);
        }
        looked.facts = Some(facts);
    }
}

/// What a payload holds.
struct Seen {
    sum: Option<PayloadSum>,
    error: Option<ReadError>,
    rows: u64,
    first: Option<Time>,
    last: Option<Time>,
    days: BTreeMap<Day, u64>,
    /// A station that is another than its site.
    other_station: Option<String>,
}

impl Seen {
    fn in_payload(stored: &[u8], time_column: &str, site: &str) -> Self {
        let mut seen = Self {
            sum: None,
            error: None,
            rows: 0,
            first: None,
            last: None,
            days: BTreeMap::new(),
            other_station: None,
        };
        let outcome = PayloadReader::new(stored, time_column).and_then(|mut reader| {
            seen.other_station = reader.station().filter(|station| *station != site).map(str::to_owned);
            let read = seen.read_rows(&mut reader);
            // Also behind an error: whether the bytes are those that were stored tells whose error it is.
            seen.sum = Some(reader.finish()?);
            read
        });
        seen.error = outcome.err();
        seen
    }

    fn read_rows(&mut self, reader: &mut PayloadReader<'_>) -> Result<(), ReadError> {
        while let Some(rows) = reader.next_rows()? {
            let times = || rows.times().iter().map(|row| row.time);
            self.rows += rows.len() as u64;
            self.first = self.first.into_iter().chain(times()).min();
            self.last = self.last.into_iter().chain(times()).max();
            times().for_each(|time| *self.days.entry(Day::of(time)).or_default() += 1);
        }
        Ok(())
    }

    fn compare(self, facts: &Facts) -> Vec<(Trouble, String)> {
        let is_as_stored = self.sum.is_some_and(|sum| sum.digest == facts.digest);
        if let Some(error) = self.error {
            let trouble = if is_as_stored { Trouble::Unreadable } else { Trouble::Damaged };
            return vec![(trouble, error.to_string())];
        }
        if !is_as_stored {
            let found = self.sum.map(|sum| hex(&sum.digest)).unwrap_or_default();
            let what = format!("the SHA-256 of its payload is {found}, and it says {}", hex(&facts.digest));
            return vec![(Trouble::Damaged, what)];
        }
        let mut troubles = Vec::new();
        if self.rows != facts.rows {
            troubles.push((Trouble::Rows, format!("it holds {} rows, and says {}", self.rows, facts.rows)));
        }
        let shown = |time: Option<Time>| time.map_or_else(|| "none".to_owned(), |time| time.to_string());
        // The last object of a fill that found no more rows has none, and says the time before it.
        if self.last != Some(facts.last_data) && facts.rows > 0 {
            let what = format!("its newest time is {}, and it says {}", shown(self.last), facts.last_data);
            troubles.push((Trouble::Times, what));
        }
        if let Some(first) = facts.contents.first_data.filter(|first| self.first != Some(*first)) {
            let what = format!("its earliest time is {}, and it says {first}", shown(self.first));
            troubles.push((Trouble::Times, what));
        }
        let counted = DayCounts::from_days(&self.days);
        if let Some(days) = facts.contents.days.as_ref().filter(|days| **days != counted) {
            let what = format!("its rows by day are {counted}, and it says {days}");
            troubles.push((Trouble::Times, what));
        }
        if let Some(station) = self.other_station {
            troubles.push((Trouble::Misplaced, format!("its payload names station {station}")));
        }
        troubles
    }
}

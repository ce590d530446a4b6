//! Format 1, of release 0.1: read, and no longer written. One chain a site.

use serde::Deserialize;

use super::parts::{CursorV1, FilePositionV1, SourceFileV1, TimeV1, checked_time};
use super::words;
use crate::name::{SiteId, TableName};
use crate::record::{Chain, Intent, Site, State};

#[derive(Deserialize)]
pub(super) struct StateV1<'a> {
    table: &'a str,
    source: &'a str,
    started: Option<TimeV1>,
    last_run: Option<TimeV1>,
    floor: Option<TimeV1>,
    #[serde(borrow)]
    sites: Vec<SiteV1<'a>>,
    #[serde(borrow)]
    files: Vec<SourceFileV1<'a>>,
}

#[derive(Deserialize)]
struct SiteV1<'a> {
    id: &'a str,
    last_data: Option<TimeV1>,
    floor: Option<TimeV1>,
    #[serde(borrow)]
    live: ChainV1<'a>,
    ahead: Vec<FilePositionV1>,
}

#[derive(Deserialize)]
struct ChainV1<'a> {
    seq: u64,
    #[serde(borrow)]
    cursor: CursorV1<'a>,
    #[serde(borrow)]
    pending: Option<IntentV1<'a>>,
}

#[derive(Deserialize)]
struct IntentV1<'a> {
    seq: u64,
    #[serde(borrow)]
    from: CursorV1<'a>,
    #[serde(borrow)]
    to: CursorV1<'a>,
    key: &'a str,
    rows: u64,
    last_data: TimeV1,
    digest: [u8; 32],
    since: TimeV1,
}

impl StateV1<'_> {
    /// The record that it says: what a later format added is empty.
    pub(super) fn checked(self) -> Result<State, String> {
        let mut state = State::new(TableName::parse(self.table).map_err(words)?, self.source);
        state.started = checked_time(self.started)?;
        state.last_run = checked_time(self.last_run)?;
        state.floor = checked_time(self.floor)?;
        for site in self.sites {
            let id = SiteId::parse(site.id).map_err(words)?;
            if state.sites.last_key_value().is_some_and(|(last, _)| *last >= id) {
                return Err(format!("site {id} out of order"));
            }
            state.sites.insert(id, site.checked()?);
        }
        state.files = self.files.into_iter().map(SourceFileV1::plain).collect();
        Ok(state)
    }
}

impl SiteV1<'_> {
    fn checked(self) -> Result<Site, String> {
        Ok(Site {
            last_data: checked_time(self.last_data)?,
            floor: checked_time(self.floor)?,
            live: self.live.checked()?,
            ahead: self.ahead.into_iter().map(FilePositionV1::plain).collect(),
            ..Site::default()
        })
    }
}

impl ChainV1<'_> {
    fn checked(self) -> Result<Chain, String> {
        let pending = self.pending.map(IntentV1::checked).transpose()?;
        Ok(Chain { seq: self.seq, cursor: self.cursor.checked()?, passed: None, pending })
    }
}

impl IntentV1<'_> {
    fn checked(self) -> Result<Intent, String> {
        Ok(Intent {
            seq: self.seq,
            from: self.from.checked()?,
            to: self.to.checked()?,
            next: None,
            key: self.key.to_owned(),
            rows: self.rows,
            last_data: self.last_data.checked()?,
            digest: self.digest,
            since: self.since.checked()?,
        })
    }
}

//! Format 2: more than one chain a site, with the ledger that finds what came late. Written as a part of format 3.

use serde::{Deserialize, Serialize, Serializer};

use super::parts::{CursorV1, FilePositionV1, SourceFileV1, TimeV1, checked_time, time_of};
use super::words;
use crate::ledger::Ledger;
use crate::name::{ChainName, SiteId, TableName};
use crate::record::{Chain, Fill, FillKind, Intent, Site, State, Window};

#[derive(Serialize, Deserialize)]
pub(super) struct StateV2<'a> {
    table: &'a str,
    source: &'a str,
    started: Option<TimeV1>,
    last_run: Option<TimeV1>,
    floor: Option<TimeV1>,
    ledger_config: &'a str,
    #[serde(borrow)]
    sites: Vec<SiteV2<'a>>,
    #[serde(borrow)]
    files: Vec<SourceFileV1<'a>>,
}

#[derive(Serialize, Deserialize)]
struct SiteV2<'a> {
    id: &'a str,
    last_data: Option<TimeV1>,
    floor: Option<TimeV1>,
    #[serde(borrow)]
    live: ChainV2<'a>,
    ahead: Vec<FilePositionV1>,
    #[serde(borrow)]
    late: ChainV2<'a>,
    #[serde(borrow)]
    requeue: ChainV2<'a>,
    #[serde(borrow)]
    ledger: Vec<HourV2<'a>>,
    ledger_from: Option<TimeV1>,
    #[serde(borrow)]
    fills: Vec<FillV2<'a>>,
}

/// One hour of a ledger. The rows are 12 bytes each, as [`Ledger::packed`] gives them: a varint for
/// each hash would be longer, and far slower to write.
#[derive(Serialize, Deserialize)]
struct HourV2<'a> {
    hour: i64,
    #[serde(borrow, serialize_with = "as_bytes")]
    rows: &'a [u8],
}

#[derive(Serialize, Deserialize)]
struct FillV2<'a> {
    name: &'a str,
    kind: FillKindV2,
    since: TimeV1,
    #[serde(borrow)]
    after: CursorV1<'a>,
    #[serde(borrow)]
    until: CursorV1<'a>,
    first: Option<TimeV1>,
    end: Option<TimeV1>,
    #[serde(borrow)]
    chain: ChainV2<'a>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum FillKindV2 {
    CatchUp,
    Backfill,
    Repair,
    Resend,
}

#[derive(Serialize, Deserialize)]
struct ChainV2<'a> {
    seq: u64,
    #[serde(borrow)]
    cursor: CursorV1<'a>,
    #[serde(borrow)]
    passed: Option<CursorV1<'a>>,
    #[serde(borrow)]
    pending: Option<IntentV2<'a>>,
}

#[derive(Serialize, Deserialize)]
struct IntentV2<'a> {
    seq: u64,
    #[serde(borrow)]
    from: CursorV1<'a>,
    #[serde(borrow)]
    to: CursorV1<'a>,
    #[serde(borrow)]
    next: Option<CursorV1<'a>>,
    key: &'a str,
    rows: u64,
    last_data: TimeV1,
    digest: [u8; 32],
    since: TimeV1,
}

impl<'a> StateV2<'a> {
    pub(super) fn of(state: &'a State) -> Self {
        let State { table, source, started, last_run, floor, ledger_config, sites, files } = state;
        Self {
            table: table.as_str(),
            source,
            started: time_of(*started),
            last_run: time_of(*last_run),
            floor: time_of(*floor),
            ledger_config,
            sites: sites.iter().map(|(id, site)| SiteV2::of(id, site)).collect(),
            files: files.iter().map(SourceFileV1::of).collect(),
        }
    }

    pub(super) fn checked(self) -> Result<State, String> {
        let mut state = State::new(TableName::parse(self.table).map_err(words)?, self.source);
        state.started = checked_time(self.started)?;
        state.last_run = checked_time(self.last_run)?;
        state.floor = checked_time(self.floor)?;
        self.ledger_config.clone_into(&mut state.ledger_config);
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

impl<'a> SiteV2<'a> {
    fn of(id: &'a SiteId, site: &'a Site) -> Self {
        let Site { last_data, floor, live, ahead, late, requeue, ledger, ledger_from, fills, sent: _ } = site;
        Self {
            id: id.as_str(),
            last_data: time_of(*last_data),
            floor: time_of(*floor),
            live: ChainV2::of(live),
            ahead: ahead.iter().map(FilePositionV1::of).collect(),
            late: ChainV2::of(late),
            requeue: ChainV2::of(requeue),
            ledger_from: time_of(*ledger_from),
            ledger: ledger.packed().map(|(hour, rows)| HourV2 { hour, rows }).collect(),
            fills: fills.iter().map(|(name, fill)| FillV2::of(name, fill)).collect(),
        }
    }

    fn checked(self) -> Result<Site, String> {
        let mut site = Site {
            last_data: checked_time(self.last_data)?,
            floor: checked_time(self.floor)?,
            live: self.live.checked()?,
            ahead: self.ahead.into_iter().map(FilePositionV1::plain).collect(),
            late: self.late.checked()?,
            requeue: self.requeue.checked()?,
            ledger_from: checked_time(self.ledger_from)?,
            ..Site::default()
        };
        site.ledger = checked_ledger(&self.ledger)?;
        for fill in self.fills {
            let name = ChainName::parse(fill.name).map_err(words)?;
            if site.fills.last_key_value().is_some_and(|(last, _)| *last >= name) {
                return Err(format!("fill {name} out of order"));
            }
            site.fills.insert(name, fill.checked()?);
        }
        Ok(site)
    }
}

fn checked_ledger(hours: &[HourV2<'_>]) -> Result<Ledger, String> {
    let mut ledger = Ledger::default();
    for hour in hours {
        ledger.append_packed(hour.hour, hour.rows)?;
    }
    Ok(ledger)
}

impl<'a> FillV2<'a> {
    fn of(name: &'a ChainName, fill: &'a Fill) -> Self {
        let Fill { kind, since, after, until, window: Window { first, end }, chain } = fill;
        Self {
            name: name.as_str(),
            kind: FillKindV2::of(*kind),
            since: TimeV1::of(*since),
            after: CursorV1::of(after),
            until: CursorV1::of(until),
            first: time_of(*first),
            end: time_of(*end),
            chain: ChainV2::of(chain),
        }
    }

    fn checked(self) -> Result<Fill, String> {
        Ok(Fill {
            kind: self.kind.plain(),
            since: self.since.checked()?,
            after: self.after.checked()?,
            until: self.until.checked()?,
            window: Window { first: checked_time(self.first)?, end: checked_time(self.end)? },
            chain: self.chain.checked()?,
        })
    }
}

impl FillKindV2 {
    fn of(kind: FillKind) -> Self {
        match kind {
            FillKind::CatchUp => Self::CatchUp,
            FillKind::Backfill => Self::Backfill,
            FillKind::Repair => Self::Repair,
            FillKind::Resend => Self::Resend,
        }
    }

    fn plain(self) -> FillKind {
        match self {
            Self::CatchUp => FillKind::CatchUp,
            Self::Backfill => FillKind::Backfill,
            Self::Repair => FillKind::Repair,
            Self::Resend => FillKind::Resend,
        }
    }
}

impl<'a> ChainV2<'a> {
    fn of(chain: &'a Chain) -> Self {
        let Chain { seq, cursor, passed, pending } = chain;
        Self {
            seq: *seq,
            cursor: CursorV1::of(cursor),
            passed: passed.as_ref().map(CursorV1::of),
            pending: pending.as_ref().map(IntentV2::of),
        }
    }

    fn checked(self) -> Result<Chain, String> {
        Ok(Chain {
            seq: self.seq,
            cursor: self.cursor.checked()?,
            passed: self.passed.map(CursorV1::checked).transpose()?,
            pending: self.pending.map(IntentV2::checked).transpose()?,
        })
    }
}

impl<'a> IntentV2<'a> {
    fn of(intent: &'a Intent) -> Self {
        let Intent { seq, from, to, next, key, rows, last_data, digest, since } = intent;
        Self {
            seq: *seq,
            from: CursorV1::of(from),
            to: CursorV1::of(to),
            next: next.as_ref().map(CursorV1::of),
            key,
            rows: *rows,
            last_data: TimeV1::of(*last_data),
            digest: *digest,
            since: TimeV1::of(*since),
        }
    }

    fn checked(self) -> Result<Intent, String> {
        Ok(Intent {
            seq: self.seq,
            from: self.from.checked()?,
            to: self.to.checked()?,
            next: self.next.map(CursorV1::checked).transpose()?,
            key: self.key.to_owned(),
            rows: self.rows,
            last_data: self.last_data.checked()?,
            digest: self.digest,
            since: self.since.checked()?,
        })
    }
}

/// Written in one piece, where serde would write a list byte by byte.
fn as_bytes<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

//! Every way in which the state changes, as values: pure, so that tests can play histories.

use std::collections::HashMap;
use std::sync::Arc;

use livecosmos_state::{
    Chain, ChainName, Cursor, FileId, FilePosition, Fill, FillKind, Fingerprint, Intent, Ledger, Site,
    SiteId, SourceFile, State, Tally, Time, Window,
};

use crate::sink::Facts;
use crate::source::FileOrigin;

/// One change of the state. Applied to the copy in memory at once and to the durable state by the
/// next commit, in the same order.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// The first run of this table begins.
    Begun { source: String, now: Time, floor: Option<Time> },
    /// A file was seen for the first time.
    Registered { file: SourceFile, origin: FileOrigin },
    /// A site was seen for the first time, and this is where it stands.
    Admitted { site: SiteId, position: Position },
    /// A fill begins.
    Opened { site: SiteId, chain: ChainName, fill: Box<Fill> },
    /// An upload may begin (I2).
    Intended { site: SiteId, chain: ChainName, intent: Box<Intent> },
    /// The sink has acknowledged the object of this intent (I1), which holds these rows.
    Stored { site: SiteId, chain: ChainName, intent: Box<Intent>, rows: Sent },
    /// The sink holds more of a chain than the state knew (I5), these rows among it.
    Adopted { site: SiteId, chain: ChainName, position: Position, rows: Sent },
    /// The sink refused rows up to here, which are in quarantine: reading goes on behind them.
    Passed { site: SiteId, chain: ChainName, to: Cursor, rows: Sent },
    /// Every row of a fill is stored.
    Filled { site: SiteId, chain: ChainName },
    /// From now on the ledger of a site holds all stored rows of this time or later.
    Watched { site: SiteId, from: Time, rows: Sent },
    /// Rows of a site's window that are stored, and that the ledger may not hold.
    Noted { site: SiteId, rows: Sent },
    /// Rows of a site that are older than this are not looked at again.
    Forgotten { site: SiteId, before: Time },
    /// Ledgers are kept under other settings, or under none: what they held says nothing any more.
    Relisted { config: String },
    /// Everything in these files before `covered` is stored or in quarantine.
    Covered { files: Vec<SourceFile> },
    /// A pass has read all there was; the first to do so ends the first run.
    Ran { now: Time },
}

/// Rows for the ledger; none where no lookback is kept.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// Their times and fingerprints.
    pub rows: Arc<[(Time, Fingerprint)]>,
    /// How they add to what the ledger holds.
    pub noting: Noting,
}

/// How rows add to what the ledger holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noting {
    /// Nothing but their values tells them apart: rows that are alike count.
    Counted,
    /// A tie tells them apart, and this is how the source has them now: older versions are past.
    Current,
    /// They were read back from objects, and may be in the ledger: they are in it as often as they were found,
    /// at least. Which of two versions of a row is newer is not known.
    Found,
}

impl Default for Sent {
    fn default() -> Self {
        Self { rows: Arc::from([]), noting: Noting::Counted }
    }
}

/// Where a chain stands: what the objects in a sink can prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// Number of the next object.
    pub seq: u64,
    /// Where that object begins.
    pub cursor: Cursor,
    /// Reading goes on from here, if not from `cursor`: the rows between are in quarantine.
    pub passed: Option<Cursor>,
    /// How far each file is stored.
    pub ahead: Vec<FilePosition>,
    /// The newest time stored.
    pub last_data: Option<Time>,
    /// Rows at or before it are not due where a floor applies.
    pub floor: Option<Time>,
    /// What its objects left to fills, since this position was taken from the state.
    pub holes: Vec<Hole>,
    /// Rows of its objects, since then.
    pub rows: u64,
}

/// Rows that the live chain jumped over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hole {
    /// Of the object that jumped: names the fill.
    seq: u64,
    after: Cursor,
    until: Cursor,
    since: Time,
}

/// Where an object ends, and where its successor begins.
pub(crate) struct End<'a> {
    to: &'a Cursor,
    next: Option<&'a Cursor>,
    last_data: Time,
    rows: u64,
}

impl<'a> From<&'a Intent> for End<'a> {
    fn from(intent: &'a Intent) -> Self {
        let Intent { to, next, last_data, rows, .. } = intent;
        Self { to, next: next.as_ref(), last_data: *last_data, rows: *rows }
    }
}

impl<'a> From<&'a Facts> for End<'a> {
    fn from(facts: &'a Facts) -> Self {
        let Facts { to, next, last_data, rows, .. } = facts;
        Self { to, next: next.as_ref(), last_data: *last_data, rows: *rows }
    }
}

impl Position {
    /// A chain of which nothing is stored.
    pub(crate) fn start(floor: Option<Time>) -> Self {
        Self::of_chain(&Chain::new(), Vec::new(), None, floor)
    }

    /// Where the state says a chain of the site stands; `None` for a fill that it does not know.
    pub(crate) fn of(site: &Site, chain: &ChainName) -> Option<Self> {
        Some(match chain {
            chain if *chain == ChainName::LIVE => {
                Self::of_chain(&site.live, site.ahead.clone(), site.last_data, site.floor)
            }
            chain if *chain == ChainName::LATE => Self::of_chain(&site.late, Vec::new(), None, None),
            chain if *chain == ChainName::REQUEUE => Self::of_chain(&site.requeue, Vec::new(), None, None),
            chain => Self::of_chain(&site.fills.get(chain)?.chain, Vec::new(), None, None),
        })
    }

    fn of_chain(
        chain: &Chain,
        ahead: Vec<FilePosition>,
        last_data: Option<Time>,
        floor: Option<Time>,
    ) -> Self {
        let Chain { seq, cursor, passed, .. } = chain.clone();
        Self { seq, cursor, passed, ahead, last_data, floor, holes: Vec::new(), rows: 0 }
    }

    /// Moves on past an object that is stored.
    pub(crate) fn advance<'a>(&mut self, end: impl Into<End<'a>>) {
        let End { to, next, last_data, rows } = end.into();
        if let Some(until) = next {
            self.holes.push(Hole {
                seq: self.seq,
                after: to.clone(),
                until: until.clone(),
                since: last_data,
            });
        }
        self.seq += 1;
        self.rows = self.rows.saturating_add(rows);
        self.cursor = next.unwrap_or(to).clone();
        self.passed = None;
        self.last_data = self.last_data.max(Some(last_data));
        if let Cursor::File { file, offset } = self.cursor {
            raise(&mut self.ahead, file, offset);
        }
    }

    /// Moves on past the next object of the chain, as the sink describes it.
    ///
    /// Returns whether it is the next: same seq, beginning where this position ends (I3).
    pub(crate) fn follow(&mut self, facts: &Facts) -> bool {
        let is_next = facts.seq == self.seq && facts.from == self.cursor;
        if is_next {
            self.advance(facts);
        }
        is_next
    }

    /// Makes this the position of `chain`, and counts the rows that led to it.
    fn take_place(self, site: &mut Site, chain: &ChainName) {
        count(site, chain, self.rows);
        let taken = Chain { seq: self.seq, cursor: self.cursor, passed: self.passed, pending: None };
        if *chain == ChainName::LIVE {
            site.live = taken;
            (site.last_data, site.floor, site.ahead) = (self.last_data, self.floor, self.ahead);
            site.fills.extend(self.holes.into_iter().map(Hole::into_fill));
        } else if *chain == ChainName::LATE {
            site.late = taken;
        } else if *chain == ChainName::REQUEUE {
            site.requeue = taken;
        } else if let Some(fill) = site.fills.get_mut(chain) {
            fill.chain = taken;
        }
    }
}

impl Hole {
    fn into_fill(self) -> (ChainName, Fill) {
        let Self { seq, after, until, since } = self;
        let chain = Chain { cursor: after.clone(), ..Chain::new() };
        let fill = Fill { kind: FillKind::CatchUp, since, after, until, window: Window::default(), chain };
        (ChainName::catch_up(seq), fill)
    }
}

/// A chain of `site` as it stands.
pub(crate) fn chain_of<'a>(site: &'a Site, chain: &ChainName) -> Option<&'a Chain> {
    match chain {
        chain if *chain == ChainName::LIVE => Some(&site.live),
        chain if *chain == ChainName::LATE => Some(&site.late),
        chain if *chain == ChainName::REQUEUE => Some(&site.requeue),
        chain => site.fills.get(chain).map(|fill| &fill.chain),
    }
}

/// The chain of `site` that is to be changed.
fn chain_mut<'a>(site: &'a mut Site, chain: &ChainName) -> Option<&'a mut Chain> {
    match chain {
        chain if *chain == ChainName::LIVE => Some(&mut site.live),
        chain if *chain == ChainName::LATE => Some(&mut site.late),
        chain if *chain == ChainName::REQUEUE => Some(&mut site.requeue),
        chain => site.fills.get_mut(chain).map(|fill| &mut fill.chain),
    }
}

impl Change {
    /// Applies the change.
    pub(crate) fn apply(&self, state: &mut State) {
        match self {
            Self::Begun { source, now, floor } => {
                state.source.clone_from(source);
                state.started = Some(*now);
                state.floor = *floor;
            }
            Self::Registered { file, origin } => register(state, file, *origin),
            Self::Admitted { site, position } => place(state, site, &ChainName::LIVE, position.clone()),
            Self::Covered { files } => cover(state, files),
            Self::Ran { now } => state.last_run = Some(*now),
            Self::Adopted { site, chain, position, rows } => {
                place(state, site, chain, position.clone());
                note(state, site, rows);
            }
            Self::Opened { site, chain, fill } => {
                let site = state.sites.entry(site.clone()).or_default();
                site.fills.insert(chain.clone(), (**fill).clone());
            }
            Self::Filled { site, chain } => {
                state.sites.get_mut(site).and_then(|site| site.fills.remove(chain));
            }
            Self::Intended { site, chain, intent } => {
                if let Some(chain) = state.sites.get_mut(site).and_then(|site| chain_mut(site, chain)) {
                    chain.pending = Some((**intent).clone());
                }
            }
            Self::Passed { site: id, chain, to, rows } => {
                if let Some(chain) = state.sites.get_mut(id).and_then(|site| chain_mut(site, chain)) {
                    (chain.passed, chain.pending) = (Some(to.clone()), None);
                }
                // As if they were stored: they are not late.
                note(state, id, rows);
            }
            Self::Stored { site: id, chain, intent, rows } => {
                if let Some(site) = state.sites.get_mut(id)
                    && let Some(mut position) = Position::of(site, chain)
                {
                    position.advance(&**intent);
                    position.take_place(site, chain);
                }
                note(state, id, rows);
            }
            Self::Noted { site, rows } => note(state, site, rows),
            Self::Forgotten { site, before } => {
                if let Some(site) = state.sites.get_mut(site) {
                    site.ledger.forget_before(*before);
                    site.ledger_from = site.ledger_from.max(Some(*before));
                }
            }
            Self::Watched { site: id, from, rows } => {
                if let Some(site) = state.sites.get_mut(id) {
                    (site.ledger, site.ledger_from) = (Ledger::default(), Some(*from));
                }
                note(state, id, rows);
            }
            Self::Relisted { config } => {
                state.ledger_config.clone_from(config);
                for site in state.sites.values_mut() {
                    (site.ledger, site.ledger_from) = (Ledger::default(), None);
                }
            }
        }
    }
}

fn place(state: &mut State, id: &SiteId, chain: &ChainName, mut position: Position) {
    skip_what_a_lost_file_held(state, &mut position);
    position.take_place(state.sites.entry(id.clone()).or_default(), chain);
}

/// Counts rows that the sink holds.
fn count(site: &mut Site, chain: &ChainName, rows: u64) {
    let is_resend = site.fills.get(chain).is_some_and(|fill| fill.kind == FillKind::Resend);
    let Tally { rows: in_order, late, resent } = &mut site.sent;
    let counted = match chain {
        _ if is_resend => resent,
        chain if *chain == ChainName::LATE => late,
        _ => in_order,
    };
    *counted = counted.saturating_add(rows);
}

fn note(state: &mut State, site: &SiteId, rows: &Sent) {
    let Some(site) = state.sites.get_mut(site) else { return };
    let Some(from) = site.ledger_from else { return };
    let mut met: HashMap<Fingerprint, usize> = HashMap::new();
    for (time, fingerprint) in rows.rows.iter().filter(|(time, _)| *time >= from) {
        match rows.noting {
            Noting::Found => {
                let met = met.entry(*fingerprint).or_default();
                *met += 1;
                if site.ledger.count(*time, *fingerprint) >= *met {
                    continue;
                }
            }
            Noting::Current => site.ledger.forget_row(*time, fingerprint.row),
            Noting::Counted => {}
        }
        site.ledger.insert(*time, *fingerprint);
    }
}

fn register(state: &mut State, file: &SourceFile, origin: FileOrigin) {
    if origin == FileOrigin::Replaced {
        for site in state.sites.values_mut() {
            site.floor = site.floor.max(site.last_data);
        }
    }
    state.files.retain(|known| {
        known.file != file.file && (origin != FileOrigin::Replaced || known.path != file.path)
    });
    state.files.push(file.clone());
}

fn cover(state: &mut State, files: &[SourceFile]) {
    state.files = files.to_vec();
    let State { sites, files, .. } = state;
    for site in sites.values_mut() {
        site.ahead.retain(|position| {
            files.iter().any(|file| file.file == position.file && file.covered < position.offset)
        });
    }
}

/// An object found in the sink may hold rows of a file that was replaced since: what took its place
/// repeats them.
fn skip_what_a_lost_file_held(state: &State, position: &mut Position) {
    let lost = position.ahead.iter().any(|ahead| !state.files.iter().any(|file| file.file == ahead.file));
    if lost {
        position.floor = position.floor.max(position.last_data);
    }
}

pub(crate) fn raise(ahead: &mut Vec<FilePosition>, file: FileId, offset: u64) {
    match ahead.iter_mut().find(|position| position.file == file) {
        Some(position) => position.offset = position.offset.max(offset),
        None => ahead.push(FilePosition { file, offset }),
    }
}

#[cfg(test)]
mod tests;

//! Every way in which the state changes, as values: pure, so that tests can play histories.

use livecosmos_state::{Chain, Cursor, FileId, FilePosition, Intent, Site, SiteId, SourceFile, State, Time};

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
    /// An upload may begin (I2).
    Intended { site: SiteId, intent: Intent },
    /// The sink has acknowledged the object of this intent (I1).
    Stored { site: SiteId, intent: Intent },
    /// The sink holds more of a site's chain than the state knew (I5).
    Adopted { site: SiteId, position: Position },
    /// Everything in these files before `covered` is stored or in quarantine.
    Covered { files: Vec<SourceFile> },
    /// A pass has read all there was; the first to do so ends the first run.
    Ran { now: Time },
}

/// Where a site stands: what the chain of objects in a sink can prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// Number of the next object.
    pub seq: u64,
    /// Where that object begins.
    pub cursor: Cursor,
    /// How far each file is stored.
    pub ahead: Vec<FilePosition>,
    /// The newest time stored.
    pub last_data: Option<Time>,
    /// Rows at or before it are not due where a floor applies.
    pub floor: Option<Time>,
}

impl Position {
    /// A site of which nothing is stored.
    pub(crate) fn start(floor: Option<Time>) -> Self {
        Self { seq: 0, cursor: Cursor::Start, ahead: Vec::new(), last_data: None, floor }
    }

    /// Where the state says the site stands.
    pub(crate) fn of(site: &Site) -> Self {
        Self {
            seq: site.live.seq,
            cursor: site.live.cursor.clone(),
            ahead: site.ahead.clone(),
            last_data: site.last_data,
            floor: site.floor,
        }
    }

    /// Moves on past an object that is stored, ending at `to`.
    pub(crate) fn advance(&mut self, to: &Cursor, last_data: Time) {
        self.seq += 1;
        self.cursor = to.clone();
        self.last_data = self.last_data.max(Some(last_data));
        if let Cursor::File { file, offset } = to {
            raise(&mut self.ahead, *file, *offset);
        }
    }

    /// Moves on past the next object of the chain, as the sink describes it.
    ///
    /// Returns whether it is the next: same seq, beginning where this position ends (I3).
    pub(crate) fn follow(&mut self, facts: &Facts) -> bool {
        let is_next = facts.seq == self.seq && facts.from == self.cursor;
        if is_next {
            self.advance(&facts.to, facts.last_data);
        }
        is_next
    }

    fn into_site(self) -> Site {
        let live = Chain { seq: self.seq, cursor: self.cursor, passed: None, pending: None };
        Site { last_data: self.last_data, floor: self.floor, live, ahead: self.ahead, ..Site::default() }
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
            Self::Admitted { site, position } | Self::Adopted { site, position } => {
                let mut position = position.clone();
                skip_what_a_lost_file_held(state, &mut position);
                state.sites.insert(site.clone(), position.into_site());
            }
            Self::Intended { site, intent } => {
                if let Some(site) = state.sites.get_mut(site) {
                    site.live.pending = Some(intent.clone());
                }
            }
            Self::Stored { site, intent } => {
                if let Some(site) = state.sites.get_mut(site) {
                    let mut position = Position::of(site);
                    position.advance(&intent.to, intent.last_data);
                    *site = position.into_site();
                }
            }
            Self::Covered { files } => cover(state, files),
            Self::Ran { now } => state.last_run = Some(*now),
        }
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

fn raise(ahead: &mut Vec<FilePosition>, file: FileId, offset: u64) {
    match ahead.iter_mut().find(|position| position.file == file) {
        Some(position) => position.offset = position.offset.max(offset),
        None => ahead.push(FilePosition { file, offset }),
    }
}

#[cfg(test)]
mod tests {
    use livecosmos_state::TableName;

    use super::*;

    fn facts(seq: u64, from: Cursor, to: Cursor) -> Facts {
        Facts {
            table: TableName::parse("T").unwrap(),
            site: SiteId::parse("A").unwrap(),
            chain: livecosmos_state::ChainName::LIVE,
            seq,
            from,
            to,
            next: None,
            is_resend: false,
            rows: 1,
            last_data: Time::new(100, 0).unwrap(),
            digest: [0; 32],
            config: String::new(),
            instance: String::new(),
            generation: 1,
            contents: crate::sink::Contents::default(),
        }
    }

    fn place(offset: u64) -> Cursor {
        Cursor::File { file: FileId(7), offset }
    }

    #[test]
    fn only_the_object_that_begins_where_the_chain_ends_continues_it() {
        let mut position = Position::start(None);
        assert!(position.follow(&facts(0, Cursor::Start, place(10))));
        for (seq, from) in [(1, place(9)), (1, place(11)), (2, place(10)), (0, place(10)), (1, Cursor::Start)]
        {
            let before = position.clone();
            assert!(!position.follow(&facts(seq, from.clone(), place(20))), "{seq} {from}");
            assert_eq!(position, before, "what does not continue the chain moves nothing");
        }
        assert!(position.follow(&facts(1, place(10), place(20))));
        assert_eq!((position.seq, position.cursor), (2, place(20)));
    }
}

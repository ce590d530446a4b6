//! The payload of a state file of format 1: frozen. A field more is format 2.
//!
//! bincode 2 with serde and its standard configuration: integers as varints, signed ones as
//! zigzag, texts and lists with their length in front, variants and options by number. The crate is
//! unmaintained (RUSTSEC-2025-0141), so nothing but this module names it, its version is pinned, and
//! the bytes are held by `tests/golden/1.0.state`, which a second implementation reads too.
//!
//! Texts are borrowed from the payload: a length is compared with what is there before anything of
//! that size is allocated.

use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use serde::{Deserialize, Serialize};

use crate::PAYLOAD_BYTES_MAX;
use crate::cursor::{Cursor, FileId, Tie};
use crate::name::{SiteId, TableName};
use crate::record::{Chain, FilePosition, Intent, Site, SourceFile, State};
use crate::time::Time;

/// What bincode may claim while it reads. It counts a varint by its widest form: 8 bytes for 1.
const CLAIM_BYTES_MAX: usize = 8 * PAYLOAD_BYTES_MAX;
/// Why a payload that bincode wrote would not be one: none of its types can fail to be written.
const WRITABLE: &str = "plain data is written into memory";

#[derive(Serialize, Deserialize)]
struct StateV1<'a> {
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

#[derive(Serialize, Deserialize)]
struct SiteV1<'a> {
    id: &'a str,
    last_data: Option<TimeV1>,
    floor: Option<TimeV1>,
    #[serde(borrow)]
    live: ChainV1<'a>,
    ahead: Vec<FilePositionV1>,
}

#[derive(Serialize, Deserialize)]
struct ChainV1<'a> {
    seq: u64,
    #[serde(borrow)]
    cursor: CursorV1<'a>,
    #[serde(borrow)]
    pending: Option<IntentV1<'a>>,
}

#[derive(Serialize, Deserialize)]
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

#[derive(Serialize, Deserialize)]
enum CursorV1<'a> {
    Start,
    Row {
        time: TimeV1,
        #[serde(borrow)]
        tie: TieV1<'a>,
    },
    File {
        file: u64,
        offset: u64,
    },
}

#[derive(Serialize, Deserialize)]
enum TieV1<'a> {
    None,
    Integer(i64),
    Text(&'a str),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct TimeV1 {
    seconds: i64,
    nanos: u32,
}

#[derive(Serialize, Deserialize)]
struct FilePositionV1 {
    file: u64,
    offset: u64,
}

#[derive(Serialize, Deserialize)]
struct SourceFileV1<'a> {
    path: &'a str,
    file: u64,
    covered: u64,
    check: u64,
    floor_until: u64,
}

/// Appends the payload of `state` to `out`.
pub(crate) fn encode(state: &State, out: &mut Vec<u8>) {
    let wire = StateV1 {
        table: state.table.as_str(),
        source: &state.source,
        started: state.started.map(TimeV1::of),
        last_run: state.last_run.map(TimeV1::of),
        floor: state.floor.map(TimeV1::of),
        sites: state.sites.iter().map(|(id, site)| SiteV1::of(id, site)).collect(),
        files: state.files.iter().map(SourceFileV1::of).collect(),
    };
    bincode::serde::encode_into_writer(wire, Appended(out), bincode::config::standard()).expect(WRITABLE);
}

/// Memory that bincode writes to without asking for each byte whether it failed.
struct Appended<'a>(&'a mut Vec<u8>);

impl Writer for Appended<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Reads a payload, all of it.
///
/// # Errors
/// Says in a few words why `payload` is none that [`encode`] wrote.
pub(crate) fn decode(payload: &[u8]) -> Result<State, String> {
    let config = bincode::config::standard().with_limit::<CLAIM_BYTES_MAX>();
    let (wire, consumed) = bincode::serde::borrow_decode_from_slice::<StateV1<'_>, _>(payload, config)
        .map_err(|error| format!("its payload does not decode ({error})"))?;
    if consumed != payload.len() {
        return Err(format!("its payload has {} bytes too many", payload.len() - consumed));
    }
    wire.checked().map_err(|error| format!("its payload holds a wrong value ({error})"))
}

impl StateV1<'_> {
    fn checked(self) -> Result<State, String> {
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

impl<'a> SiteV1<'a> {
    fn of(id: &'a SiteId, site: &'a Site) -> Self {
        let position = |at: &FilePosition| FilePositionV1 { file: at.file.0, offset: at.offset };
        Self {
            id: id.as_str(),
            last_data: site.last_data.map(TimeV1::of),
            floor: site.floor.map(TimeV1::of),
            live: ChainV1::of(&site.live),
            ahead: site.ahead.iter().map(position).collect(),
        }
    }

    fn checked(self) -> Result<Site, String> {
        let position = |at: FilePositionV1| FilePosition { file: FileId(at.file), offset: at.offset };
        Ok(Site {
            last_data: checked_time(self.last_data)?,
            floor: checked_time(self.floor)?,
            live: self.live.checked()?,
            ahead: self.ahead.into_iter().map(position).collect(),
            ..Site::default()
        })
    }
}

impl<'a> ChainV1<'a> {
    fn of(chain: &'a Chain) -> Self {
        Self {
            seq: chain.seq,
            cursor: CursorV1::of(&chain.cursor),
            pending: chain.pending.as_ref().map(IntentV1::of),
        }
    }

    fn checked(self) -> Result<Chain, String> {
        let pending = self.pending.map(IntentV1::checked).transpose()?;
        Ok(Chain { seq: self.seq, cursor: self.cursor.checked()?, passed: None, pending })
    }
}

impl<'a> IntentV1<'a> {
    fn of(intent: &'a Intent) -> Self {
        Self {
            seq: intent.seq,
            from: CursorV1::of(&intent.from),
            to: CursorV1::of(&intent.to),
            key: &intent.key,
            rows: intent.rows,
            last_data: TimeV1::of(intent.last_data),
            digest: intent.digest,
            since: TimeV1::of(intent.since),
        }
    }

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

impl<'a> CursorV1<'a> {
    fn of(cursor: &'a Cursor) -> Self {
        match cursor {
            Cursor::Start => Self::Start,
            Cursor::Row { time, tie } => Self::Row { time: TimeV1::of(*time), tie: TieV1::of(tie) },
            Cursor::File { file, offset } => Self::File { file: file.0, offset: *offset },
        }
    }

    fn checked(self) -> Result<Cursor, String> {
        Ok(match self {
            Self::Start => Cursor::Start,
            Self::Row { time, tie } => Cursor::Row { time: time.checked()?, tie: tie.plain() },
            Self::File { file, offset } => Cursor::File { file: FileId(file), offset },
        })
    }
}

impl<'a> TieV1<'a> {
    fn of(tie: &'a Tie) -> Self {
        match tie {
            Tie::None => Self::None,
            Tie::Integer(value) => Self::Integer(*value),
            Tie::Text(text) => Self::Text(text),
        }
    }

    fn plain(self) -> Tie {
        match self {
            Self::None => Tie::None,
            Self::Integer(value) => Tie::Integer(value),
            Self::Text(text) => Tie::Text(text.to_owned()),
        }
    }
}

impl TimeV1 {
    fn of(time: Time) -> Self {
        Self { seconds: time.seconds, nanos: time.nanos }
    }

    fn checked(self) -> Result<Time, String> {
        Time::new(self.seconds, self.nanos).map_err(words)
    }
}

impl<'a> SourceFileV1<'a> {
    fn of(file: &'a SourceFile) -> Self {
        let SourceFile { path, file, covered, check, floor_until } = file;
        Self { path, file: file.0, covered: *covered, check: *check, floor_until: *floor_until }
    }

    fn plain(self) -> SourceFile {
        SourceFile {
            path: self.path.to_owned(),
            file: FileId(self.file),
            covered: self.covered,
            check: self.check,
            floor_until: self.floor_until,
        }
    }
}

fn checked_time(time: Option<TimeV1>) -> Result<Option<Time>, String> {
    time.map(TimeV1::checked).transpose()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn words(error: impl ToString) -> String {
    error.to_string()
}

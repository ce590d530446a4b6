//! One row in quarantine: what is kept of it, and its line in the file.

use aws_lc_rs::digest::{SHA256, digest};
use livecosmos_state::{Cursor, FileId, Site, State, Time};
use serde::{Deserialize, Serialize};

use crate::sink::hex;
use crate::source::{Cells, Reject};

/// Of a row, this much is kept for people to read.
pub(super) const ROW_BYTES_MAX: usize = 64 << 10;
/// A row whose values are longer than this together is kept without them: it cannot be requeued.
const CELLS_BYTES_MAX: usize = 1 << 20;
/// How the identity of a row begins that the sink refused.
pub(crate) const REFUSED: &str = "refused:";
/// Bytes of an id: six are enough to tell apart what fits into a quarantine.
const ID_BYTES: usize = 6;

/// A row that could not be sent. Its line in the file is this as one JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its site, where it is known.
    pub site: Option<String>,
    /// Where it stood in the source.
    pub position: String,
    /// The same when the same row is read again.
    pub identity: String,
    /// Why it could not be sent, and what would mend it.
    pub reason: String,
    /// When it was met first.
    pub first_seen: String,
    /// The row as read, for people; a long one is cut.
    pub row: String,
    /// Its values, from which it can be sent. Rows that were kept by an older version have none.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub cells: Option<Cells>,
    /// Where it lies in its source's order, as a cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl Entry {
    /// What is kept of a rejected row.
    pub(super) fn of(reject: &Reject, now: Time) -> Self {
        let mut end = reject.row.len().min(ROW_BYTES_MAX);
        while !reject.row.is_char_boundary(end) {
            end -= 1;
        }
        let cells = reject.cells.clone().filter(|cells| cells.bytes() <= CELLS_BYTES_MAX);
        Self {
            site: reject.site.clone(),
            position: reject.position.clone(),
            identity: reject.identity.clone(),
            reason: reject.reason.clone(),
            first_seen: now.to_string(),
            row: reject.row[..end].to_owned(),
            cells,
            place: reject.place.as_ref().map(ToString::to_string),
        }
    }

    /// A short name for command lines.
    #[must_use]
    pub fn id(&self) -> String {
        hex(&digest(&SHA256, self.identity.as_bytes()).as_ref()[..ID_BYTES])
    }

    /// Whether the live chain stands before this row, and will read it again.
    #[must_use]
    pub fn lies_ahead(&self, state: &State) -> bool {
        let site = self.site.as_deref().and_then(|wanted| {
            state.sites.iter().find(|(site, _)| site.as_str() == wanted).map(|(_, site)| site)
        });
        match self.place.as_deref().and_then(|place| place.parse().ok()) {
            Some(Cursor::File { file, offset }) => {
                let known = state.files.iter().find(|known| known.file == file);
                known.is_some_and(|known| offset >= known.covered.max(reached(site, known.file)))
            }
            Some(Cursor::Row { time, tie }) => {
                site.is_some_and(|site| match site.live.passed.as_ref().unwrap_or(&site.live.cursor) {
                    Cursor::Row { time: at, tie: tied } => (time, &tie) > (*at, tied),
                    Cursor::Start => site.floor.is_none_or(|floor| time > floor),
                    Cursor::File { .. } => false,
                })
            }
            Some(Cursor::Start) | None => false,
        }
    }

    /// Whether the row is one that the sink refused, and not one that cannot be sent at all.
    #[must_use]
    pub fn is_refused_by_sink(&self) -> bool {
        self.identity.starts_with(REFUSED)
    }

    /// As it stands in the file, without its line end.
    pub(super) fn to_line(&self) -> std::io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }

    /// `None` for a line torn by a crash, and for what is no entry.
    pub(super) fn from_line(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}

/// How far the site is done in the file.
fn reached(site: Option<&Site>, wanted: FileId) -> u64 {
    let Some(site) = site else { return 0 };
    let passed = match &site.live.passed {
        Some(Cursor::File { file, offset }) if *file == wanted => *offset,
        _ => 0,
    };
    let ahead = site.ahead.iter().filter(|ahead| ahead.file == wanted).map(|ahead| ahead.offset);
    ahead.max().unwrap_or(0).max(passed)
}

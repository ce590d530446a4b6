//! Which of the two files a load takes. Pure but for the reading: what is decided here is tested here.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::PAYLOAD_BYTES_MAX;
use crate::disk::{self, Disk, RealDisk};
use crate::error::OpenError;
use crate::frame::{self, HEADER_BYTES, Unfit, Whole};
use crate::name::TableName;
use crate::place::{self, Paths};

/// What stands under the name of a state file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Found {
    /// Nothing: no other error counts as missing.
    Missing,
    /// A state.
    Whole(Box<Whole>),
    /// Bytes that no release wrote, or a sector that cannot be read.
    Corrupt {
        /// What is wrong, in a few words.
        why: String,
    },
    /// A state of a newer format.
    Newer {
        /// Its major version.
        major: u16,
    },
    /// A file that may be a good state, and cannot be read.
    Unreadable {
        /// What the system said.
        error: Arc<io::Error>,
    },
}

/// What was wrong with the file that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// It was not there.
    Missing,
    /// It could not be used.
    Corrupt(String),
    /// It was whole and older: the mark of a crash within a commit.
    Older {
        /// Its generation.
        generation: u64,
        /// The generation of the file that was taken.
        than: u64,
    },
    /// It was whole, of the same generation, and said something else.
    Differs,
}

/// Where a loaded state came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// There was none: this is the first run.
    New,
    /// Both files agreed.
    Primary,
    /// The state file was taken, and its backup written anew from it.
    BackupRewritten {
        /// What was wrong with the backup.
        why: Damage,
    },
    /// The backup was taken, and the state file written anew from it.
    Backup {
        /// What was wrong with the state file.
        why: Damage,
    },
}

/// What [`inspect`] saw.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// The path of the state file.
    pub primary_path: PathBuf,
    /// The state file.
    pub primary: Found,
    /// The path of its backup.
    pub backup_path: PathBuf,
    /// Its backup.
    pub backup: Found,
    /// What a load would take now, and mend.
    pub load: Result<Origin, OpenError>,
}

impl Inspection {
    /// The state that a load would take now; nothing for a table that has none, or none that is whole.
    #[must_use]
    pub fn whole(&self) -> Option<&Whole> {
        let found = match self.load.as_ref().ok()? {
            Origin::New => return None,
            Origin::Primary | Origin::BackupRewritten { .. } => &self.primary,
            Origin::Backup { .. } => &self.backup,
        };
        found.whole()
    }
}

impl Found {
    /// The state, if it is whole.
    #[must_use]
    pub fn whole(&self) -> Option<&Whole> {
        if let Self::Whole(whole) = self { Some(whole) } else { None }
    }
}

/// Looks at a table's state without changing or locking anything, so also while a daemon runs; between
/// two reads it may commit, and one file is then seen a generation older than the other.
#[must_use]
pub fn inspect(dir: &Path, table: &TableName) -> Inspection {
    let paths = Paths::new(dir, table);
    let (primary, backup) = (read(&RealDisk, &paths.primary), read(&RealDisk, &paths.backup));
    let load = judge(&paths, table, &primary, &backup);
    Inspection { primary_path: paths.primary, primary, backup_path: paths.backup, backup, load }
}

/// Reads what stands under `path`.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> Found {
    // One byte more than the longest file, so that a longer one is seen to be.
    let bytes_max = (HEADER_BYTES + PAYLOAD_BYTES_MAX + 1) as u64;
    match disk.read(path, bytes_max) {
        Ok(bytes) => recognise(&bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => Found::Missing,
        Err(error) if disk::is_medium_error(&error) => {
            Found::Corrupt { why: format!("reading it failed: {error}") }
        }
        Err(error) => Found::Unreadable { error: Arc::new(error) },
    }
}

fn recognise(bytes: &[u8]) -> Found {
    match frame::decode(bytes) {
        Ok(whole) => Found::Whole(Box::new(whole)),
        Err(Unfit::Corrupt(why)) => Found::Corrupt { why },
        Err(Unfit::Newer { major }) => Found::Newer { major },
    }
}

/// Decides which file a load takes, and what is wrong with the other: the highest generation that is
/// whole, the state file where both have it.
pub(crate) fn judge(
    paths: &Paths,
    table: &TableName,
    primary: &Found,
    backup: &Found,
) -> Result<Origin, OpenError> {
    refuse_to_guess(&paths.primary, table, primary)?;
    refuse_to_guess(&paths.backup, table, backup)?;
    match (primary, backup) {
        (Found::Missing, Found::Missing) => Ok(Origin::New),
        (Found::Whole(primary), Found::Whole(backup)) => Ok(newest(primary, backup)),
        (Found::Whole(_), other) => Ok(Origin::BackupRewritten { why: damage(other) }),
        (other, Found::Whole(_)) => Ok(Origin::Backup { why: damage(other) }),
        _ => Err(OpenError::Corrupt {
            primary: paths.primary.clone(),
            primary_why: damage(primary).to_string(),
            backup: paths.backup.clone(),
            backup_why: damage(backup).to_string(),
        }),
    }
}

/// Stops at a file that may hold more than the other does, and cannot be judged.
fn refuse_to_guess(path: &Path, table: &TableName, found: &Found) -> Result<(), OpenError> {
    let path = path.to_owned();
    match found {
        Found::Newer { major } => Err(OpenError::Newer { path, major: *major }),
        Found::Unreadable { error } if disk::is_no_regular_file(error) => Err(place::no_regular_file(&path)),
        Found::Unreadable { error } => Err(OpenError::Unreadable { path, error: Arc::clone(error) }),
        Found::Whole(whole) if whole.state.table != *table => {
            let (found, asked) = (whole.state.table.to_string(), table.to_string());
            Err(OpenError::WrongTable { path, found, asked })
        }
        Found::Whole(_) | Found::Missing | Found::Corrupt { .. } => Ok(()),
    }
}

fn newest(primary: &Whole, backup: &Whole) -> Origin {
    let (ours, theirs) = (primary.generation, backup.generation);
    if theirs > ours {
        return Origin::Backup { why: Damage::Older { generation: ours, than: theirs } };
    }
    if theirs < ours {
        return Origin::BackupRewritten { why: Damage::Older { generation: theirs, than: ours } };
    }
    if primary.instance == backup.instance && primary.state == backup.state {
        return Origin::Primary;
    }
    Origin::BackupRewritten { why: Damage::Differs }
}

/// What is wrong with a file that is not whole.
fn damage(found: &Found) -> Damage {
    match found {
        Found::Missing => Damage::Missing,
        Found::Corrupt { why } => Damage::Corrupt(why.clone()),
        Found::Whole(_) => Damage::Differs,
        Found::Newer { major } => Damage::Corrupt(format!("it has format {major}")),
        Found::Unreadable { error } => Damage::Corrupt(format!("it cannot be read: {error}")),
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it is missing"),
            Self::Corrupt(why) => f.write_str(why),
            Self::Older { generation, than } => {
                write!(f, "it holds generation {generation}, older than {than}")
            }
            Self::Differs => f.write_str("it says something else in the same generation"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Chain, ChainName, Cursor, FileId, Fill, FillKind, Fingerprint, Intent, Site, SiteId, State, Time,
        Window,
    };

    /// A state of 50 sites, each with an intent, a row in its ledger and a fill.
    fn fifty_sites() -> State {
        let mut state = State::new(TableName::parse("T").unwrap(), "csv:t");
        for n in 0..50_u8 {
            let time = Time::new(1_735_689_600 + i64::from(n), 0).unwrap();
            let at = |offset| Cursor::File { file: FileId(n.into()), offset };
            let pending = Intent {
                seq: n.into(),
                from: Cursor::Start,
                to: at(70_000),
                next: None,
                key: format!("SITE{n}/LIVE_T/{n:020}.json"),
                rows: 10_000,
                last_data: time,
                digest: [n; 32],
                since: time,
            };
            let live = Chain { seq: n.into(), cursor: at(n.into()), passed: None, pending: Some(pending) };
            let mut site = Site { last_data: Some(time), live, ..Site::default() };
            site.ledger.insert(time, Fingerprint { row: u64::from(n) << 50, version: n.into() });
            site.fills.insert(ChainName::parse("fill").unwrap(), fill(time));
            state.sites.insert(SiteId::parse(&format!("SITE{n}")).unwrap(), site);
        }
        state
    }

    fn fill(since: Time) -> Fill {
        Fill {
            kind: FillKind::Repair,
            since,
            after: Cursor::Start,
            until: Cursor::File { file: FileId(9), offset: 9 },
            window: Window { first: Some(since), end: None },
            chain: Chain::new(),
        }
    }

    /// Damaged bytes beside nothing are corrupt; beside a whole file they give way to it.
    fn assert_refused_and_rescued(damaged: &[u8], whole: &Found, what: &str) {
        let table = TableName::parse("T").unwrap();
        let paths = Paths::new(Path::new(""), &table);
        let found = recognise(damaged);
        assert!(matches!(found, Found::Corrupt { .. }), "{what}: {found:?}");
        let alone = judge(&paths, &table, &found, &Found::Missing);
        assert!(matches!(alone, Err(OpenError::Corrupt { .. })), "{what}: {alone:?}");
        let primary = judge(&paths, &table, &found, whole);
        assert!(matches!(primary, Ok(Origin::Backup { .. })), "{what}: {primary:?}");
        let backup = judge(&paths, &table, whole, &found);
        assert!(matches!(backup, Ok(Origin::BackupRewritten { .. })), "{what}: {backup:?}");
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_of_a_state_file_is_refused_or_rescued() {
        let mut bytes = Vec::new();
        frame::encode(&fifty_sites(), 3, [7; 16], &mut bytes).unwrap();
        let whole = recognise(&bytes);
        assert!(matches!(whole, Found::Whole(_)));
        for length in 0..bytes.len() {
            assert_refused_and_rescued(&bytes[..length], &whole, &format!("{length} bytes"));
        }
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_refused_and_rescued(&bytes, &whole, &format!("bit {bit}"));
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

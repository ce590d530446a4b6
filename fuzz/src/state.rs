//! A state file: whatever its bytes are, it is refused, or taken and written back as what it says.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use livecosmos_state::{
    Cursor, Disk, NewFile, OpenError, Opened, Options, Origin, Site, State, Store, TableName,
};

use super::folder;

const TABLE: &str = "LEVEL1_SOILMET_30MIN";
const MAGIC: [u8; 8] = [0x89, b'L', b'C', b'S', 0x0d, 0x0a, 0x1a, 0x0a];
const HEADER_BYTES: usize = 72;
const HEADER_BYTES_MAX: usize = 4096;

type Files = Arc<Mutex<BTreeMap<PathBuf, Vec<u8>>>>;

/// Takes `input` for a state file whose magic, length and checksums are as they should be, so that
/// nothing but its reader stands between its bytes and the state.
pub fn check(input: &[u8]) {
    let file = mended(input);
    let disk = Memory::default();
    disk.files().insert(path("state"), file);
    let first = match open(&disk) {
        Ok(opened) => opened,
        Err(OpenError::Corrupt { .. } | OpenError::Newer { .. } | OpenError::WrongTable { .. }) => return,
        Err(error) => panic!("bytes alone cannot cause this: {error}"),
    };
    assert!(matches!(first.origin, Origin::BackupRewritten { .. }), "{:?}", first.origin);
    let (taken, generation) = (first.store.state().clone(), first.store.generation());
    drop(first);
    assert_spelled(&taken);

    // The backup was just written by this release, and says the same.
    let mut second = open(&disk).expect("what was taken once is taken again");
    assert_eq!(second.origin, Origin::Primary);
    assert_eq!(*second.store.state(), taken);
    assert_eq!(second.store.generation(), generation);

    // What is written is read as it was, and spelled the same from then on.
    let committed = second.store.commit(|_| {}).expect("a state that was read can be written");
    assert_eq!(committed, generation.saturating_add(1));
    drop(second);
    let written = disk.files()[&path("state")].clone();
    let mut third = open(&disk).expect("what was written is read");
    assert_eq!((third.origin, third.store.state()), (Origin::Primary, &taken));
    third.store.commit(|_| {}).expect("a state that was read can be written");
    assert_eq!(written[HEADER_BYTES..], disk.files()[&path("state")][HEADER_BYTES..]);
}

/// The bytes with the magic, the length and both checksums that belong to them.
fn mended(input: &[u8]) -> Vec<u8> {
    let mut file = input.to_vec();
    file.resize(file.len().max(HEADER_BYTES), 0);
    let payload = &file[HEADER_BYTES..];
    let (length, checksum) = (payload.len() as u64, crc_fast::crc64_nvme(payload));
    file[..8].copy_from_slice(&MAGIC);
    file[24..32].copy_from_slice(&length.to_le_bytes());
    file[56..64].copy_from_slice(&checksum.to_le_bytes());
    let stated = u32::from_le_bytes([file[12], file[13], file[14], file[15]]) as usize;
    let header_bytes = if (HEADER_BYTES..=HEADER_BYTES_MAX.min(file.len())).contains(&stated) {
        stated
    } else {
        HEADER_BYTES
    };
    let (header, rest) = file.split_at_mut(header_bytes - 8);
    rest[..8].copy_from_slice(&crc_fast::crc64_nvme(header).to_le_bytes());
    file
}

/// Every cursor of the state survives its text form, in which object metadata and exports have it.
fn assert_spelled(state: &State) {
    for (id, site) in &state.sites {
        assert_eq!(livecosmos_state::SiteId::parse(id.as_str()).as_ref(), Ok(id));
        for time in site.last_data.iter().chain(&site.floor).chain(&site.ledger_from) {
            assert_eq!(time.to_string().parse().as_ref(), Ok(time));
        }
        for cursor in cursors(site) {
            let word = cursor.to_string();
            assert!(word.bytes().all(|byte| byte.is_ascii_graphic()), "{word}");
            assert_eq!(word.parse().as_ref(), Ok(cursor));
        }
    }
}

fn cursors(site: &Site) -> Vec<&Cursor> {
    let mut all = Vec::new();
    let chains = [&site.live, &site.late, &site.requeue].into_iter();
    for chain in chains.chain(site.fills.values().map(|fill| &fill.chain)) {
        all.push(&chain.cursor);
        all.extend(&chain.passed);
        if let Some(intent) = &chain.pending {
            all.extend([&intent.from, &intent.to]);
            all.extend(&intent.next);
        }
    }
    all.extend(site.fills.values().flat_map(|fill| [&fill.after, &fill.until]));
    all
}

fn path(extension: &str) -> PathBuf {
    folder::path(&format!("{TABLE}.{extension}"))
}

fn open(disk: &Memory) -> Result<Opened, OpenError> {
    let options = Options { disk: Arc::new(disk.clone()), instance: Some([5; 16]), ..Options::default() };
    let table = TableName::parse(TABLE).expect("a table's name");
    Store::open(&options, &folder::path(""), &table)
}

/// Files in memory; only the lock lies on the disk.
#[derive(Clone, Debug, Default)]
struct Memory(Files);

impl Memory {
    fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Vec<u8>>> {
        self.0.lock().expect("no holder panics")
    }
}

struct New {
    files: Files,
    path: PathBuf,
    bytes: Vec<u8>,
}

fn missing() -> io::Error {
    ErrorKind::NotFound.into()
}

impl Disk for Memory {
    fn make_dir(&self, _: &Path) -> io::Result<()> {
        Err(ErrorKind::AlreadyExists.into())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn read(&self, path: &Path, _: u64) -> io::Result<Vec<u8>> {
        self.files().get(path).cloned().ok_or_else(missing)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        Ok(Box::new(New { files: Arc::clone(&self.0), path: path.to_owned(), bytes: Vec::new() }))
    }

    fn replace(&self, temp: &Path, target: &Path) -> io::Result<()> {
        let bytes = self.files().remove(temp).ok_or_else(missing)?;
        self.files().insert(target.to_owned(), bytes);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files().remove(path).map(drop).ok_or_else(missing)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.files().contains_key(path).then_some(()).ok_or_else(missing)
    }
}

impl NewFile for New {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(self: Box<Self>) -> io::Result<()> {
        let Self { files, path, bytes } = *self;
        files.lock().expect("no holder panics").insert(path, bytes);
        Ok(())
    }
}

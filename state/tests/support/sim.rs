//! A file system in memory with the weakest promises that POSIX leaves: what was not synced may be
//! there, torn or gone after a power cut, and of the names changed since the last sync of their
//! directory any subset may have changed.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use livecosmos_state::{Disk, NewFile};

/// All that a machine's disk holds and all that its memory knows better.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Image {
    inodes: Vec<Inode>,
    /// Names as processes see them.
    seen: BTreeMap<String, usize>,
    /// Names on the medium.
    kept: BTreeMap<String, usize>,
    /// What happened to names since their directory was synced.
    unsynced: Vec<Change>,
    dir_seen: bool,
    dir_kept: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Inode {
    seen: Arc<Vec<u8>>,
    kept: Arc<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Change {
    Link { name: String, inode: usize },
    Rename { from: String, to: String, inode: usize },
    Unlink { name: String },
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Link { name, inode } => {
                names.insert(name.clone(), *inode);
            }
            Self::Rename { from, to, inode } => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
            Self::Unlink { name } => {
                names.remove(name);
            }
        }
    }

    fn inodes_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::Link { inode, .. } | Self::Rename { inode, .. } => Some(inode),
            Self::Unlink { .. } => None,
        }
    }
}

impl Image {
    /// A disk on which the state directory is there, empty and durable.
    pub(crate) fn empty_dir() -> Self {
        Self { dir_seen: true, dir_kept: true, ..Self::default() }
    }

    /// What a process reads under `name`.
    pub(crate) fn read(&self, name: &str) -> Option<&[u8]> {
        self.seen.get(name).map(|inode| self.inodes[*inode].seen.as_slice())
    }

    /// The names a process sees.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.seen.keys().map(String::as_str).collect()
    }

    /// Puts a durable file there.
    pub(crate) fn put(&mut self, name: &str, bytes: &[u8]) {
        let bytes = Arc::new(bytes.to_vec());
        self.inodes.push(Inode { seen: Arc::clone(&bytes), kept: bytes });
        self.seen.insert(name.to_owned(), self.inodes.len() - 1);
        self.kept.insert(name.to_owned(), self.inodes.len() - 1);
    }

    /// Flips a bit of the file that `name` names, in memory and on the medium.
    pub(crate) fn rot(&mut self, name: &str) {
        for names in [&self.seen, &self.kept] {
            let Some(inode) = names.get(name) else { continue };
            let inode = &mut self.inodes[*inode];
            for bytes in [&mut inode.seen, &mut inode.kept] {
                let middle = bytes.len() / 2;
                if let Some(byte) = Arc::make_mut(bytes).get_mut(middle) {
                    *byte = 0xaa;
                }
            }
        }
    }

    /// How many changes of names are not synced.
    pub(crate) fn names_unsynced(&self) -> usize {
        self.unsynced.len()
    }

    /// Every state in which the disk may be found after a power cut now.
    pub(crate) fn after_power_cut(&self) -> Vec<Self> {
        let mut found = Vec::new();
        if !self.dir_kept {
            found.push(Self::default());
        }
        for subset in 0..1_u32 << self.unsynced.len() {
            let mut names = self.kept.clone();
            for (n, change) in self.unsynced.iter().enumerate() {
                if subset >> n & 1 == 1 {
                    change.apply(&mut names);
                }
            }
            let mut images = vec![Self { dir_seen: true, dir_kept: true, ..Self::default() }];
            for (name, inode) in names {
                let contents = self.inodes[inode].after_power_cut();
                images = images
                    .iter()
                    .flat_map(|image| contents.iter().map(|bytes| image.with(&name, bytes)))
                    .collect();
            }
            found.extend(images);
        }
        found
    }

    fn with(&self, name: &str, bytes: &[u8]) -> Self {
        let mut image = self.clone();
        image.put(name, bytes);
        image
    }

    /// The same image with its inodes in the order of their use, so that equal disks compare equal.
    pub(crate) fn canonical(&self) -> Self {
        let mut canonical = Self { inodes: Vec::new(), ..self.clone() };
        let mut moved = BTreeMap::new();
        let names = canonical.seen.values_mut().chain(canonical.kept.values_mut());
        for inode in names.chain(canonical.unsynced.iter_mut().filter_map(Change::inodes_mut)) {
            *inode = *moved.entry(*inode).or_insert_with_key(|old| {
                canonical.inodes.push(self.inodes[*old].clone());
                canonical.inodes.len() - 1
            });
        }
        canonical
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.unsynced.push(change);
    }

    fn inode(&self, name: &str) -> io::Result<usize> {
        self.seen.get(name).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl Inode {
    fn after_power_cut(&self) -> Vec<Arc<Vec<u8>>> {
        if self.seen == self.kept {
            return vec![Arc::clone(&self.kept)];
        }
        let torn = Arc::new(self.seen[..self.seen.len() / 2].to_vec());
        let mut contents = vec![Arc::clone(&self.kept), Arc::default(), torn, Arc::clone(&self.seen)];
        contents.sort();
        contents.dedup();
        contents
    }
}

/// A [`Disk`] on an [`Image`]. Remembers the image after each of its operations: every moment at
/// which the process or the machine may stop.
#[derive(Clone, Debug)]
pub(crate) struct SimDisk(Arc<Mutex<Recorded>>);

#[derive(Debug)]
struct Recorded {
    image: Image,
    history: Vec<Image>,
}

impl SimDisk {
    /// A disk that holds `image`.
    pub(crate) fn new(image: Image) -> Self {
        Self(Arc::new(Mutex::new(Recorded { image, history: Vec::new() })))
    }

    /// The image now.
    pub(crate) fn image(&self) -> Image {
        self.lock().image.clone()
    }

    /// Changes the image behind the back of the process.
    pub(crate) fn alter(&self, alter: impl FnOnce(&mut Image)) {
        alter(&mut self.lock().image);
    }

    /// The images after each operation since the last call, and the one now.
    pub(crate) fn take_history(&self) -> Vec<Image> {
        let mut recorded = self.lock();
        let now = recorded.image.clone();
        recorded.history.push(now);
        std::mem::take(&mut recorded.history)
    }

    /// Renames without syncing the directory.
    pub(crate) fn rename(&self, temp: &Path, target: &Path) -> io::Result<()> {
        self.step(|image| {
            let (from, to) = (name(temp), name(target));
            let inode = image.inode(&from)?;
            image.change(Change::Rename { from, to, inode });
            Ok(())
        })
    }

    /// Overwrites a file where it is, and does not sync it.
    pub(crate) fn overwrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.read(path, 0).is_err() {
            drop(self.create(path)?);
        }
        self.step(|image| {
            let inode = image.inode(&name(path))?;
            image.inodes[inode].seen = Arc::new(bytes.to_vec());
            Ok(())
        })
    }

    fn step<T>(&self, act: impl FnOnce(&mut Image) -> io::Result<T>) -> io::Result<T> {
        let mut recorded = self.lock();
        let done = act(&mut recorded.image)?;
        let now = recorded.image.clone();
        recorded.history.push(now);
        Ok(done)
    }

    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap()
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn is_state_file(path: &Path) -> bool {
    name(path).contains(".state")
}

impl Disk for SimDisk {
    fn make_dir(&self, _dir: &Path) -> io::Result<()> {
        if self.lock().image.dir_seen {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.step(|image| {
            image.dir_seen = true;
            Ok(())
        })
    }

    /// The state directory is the one whose last part is `state`; every other is the one above it.
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let is_state_dir = dir.ends_with("state");
        self.step(|image| {
            if is_state_dir {
                image.kept = image.seen.clone();
                image.unsynced.clear();
            } else {
                image.dir_kept = image.dir_seen;
            }
            Ok(())
        })
    }

    fn read(&self, path: &Path, _bytes_max: u64) -> io::Result<Vec<u8>> {
        let image = self.image();
        image.read(&name(path)).map(<[u8]>::to_vec).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        assert!(is_state_file(path));
        let inode = self.step(|image| {
            if !image.dir_seen {
                return Err(ErrorKind::NotFound.into());
            }
            image.inodes.push(Inode::default());
            let inode = image.inodes.len() - 1;
            image.change(Change::Link { name: name(path), inode });
            Ok(inode)
        })?;
        Ok(Box::new(SimFile { disk: self.clone(), inode }))
    }

    fn replace(&self, temp: &Path, target: &Path) -> io::Result<()> {
        self.rename(temp, target)?;
        self.sync_dir(target.parent().unwrap())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(|image| {
            image.inode(&name(path))?;
            image.change(Change::Unlink { name: name(path) });
            Ok(())
        })
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.step(|image| {
            let inode = image.inode(&name(path))?;
            image.inodes[inode].kept = image.inodes[inode].seen.clone();
            Ok(())
        })
    }
}

struct SimFile {
    disk: SimDisk,
    inode: usize,
}

impl NewFile for SimFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.disk.step(|image| {
            Arc::make_mut(&mut image.inodes[self.inode].seen).extend_from_slice(bytes);
            Ok(())
        })
    }

    fn sync(self: Box<Self>) -> io::Result<()> {
        self.disk.step(|image| {
            image.inodes[self.inode].kept = image.inodes[self.inode].seen.clone();
            Ok(())
        })
    }
}

//! Decides which file on disk is which file of the state.
//!
//! A file is known by its content: its first lines, and the bytes before the place read last. Where it
//! lies does not matter, so a rename, a copy or a compression changes nothing, and a reused name or
//! inode inherits nothing.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};

use livecosmos_state::{FileId, SourceFile};

use super::columns::name_before_rotation;
use super::fault::Fault;
use super::head::Base;
use super::records::Position;
use super::sights::{Sighting, Sights};

/// A file of the state, and the last place read in it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) record: SourceFile,
    pub(super) mark: Position,
    /// Where it lies now, if anywhere.
    pub(super) place: Option<Place>,
    /// What looked like it is another file.
    pub(super) is_disowned: bool,
}

impl Known {
    fn is_gone(&self) -> bool {
        matches!(self.place, None | Some(Place::Held { is_deleted: true, .. }))
    }
}

/// Where a known file can be read.
#[derive(Debug)]
pub(super) enum Place {
    /// At a path.
    Path(Sighting),
    /// At no path known, but this process still holds it open.
    Held {
        /// The open file.
        file: File,
        /// No path leads to it any more, so that what lies in its place has replaced it.
        is_deleted: bool,
        /// This process has read it to its end: what has replaced it need not wait.
        is_read: bool,
    },
}

/// A file that is not known.
#[derive(Debug)]
pub(super) struct New {
    pub(super) sighting: Sighting,
    pub(super) file: FileId,
    /// Index of the known file in whose place it stands, and which is nowhere else.
    pub(super) replaces: Option<usize>,
    /// Index of the known file last seen at this path.
    pub(super) succeeds: Option<usize>,
}

/// Finds for each known file the sighting that holds it. Returns the sightings that hold none.
pub(super) fn claim(known: &mut [Known], sightings: Vec<Sighting>, sights: &mut Sights) -> Vec<Sighting> {
    let mut by_base: HashMap<Base, Vec<Sighting>> = HashMap::new();
    for sighting in sightings {
        by_base.entry(sighting.base).or_default().push(sighting);
    }
    // Of a file that was rewritten in place the latest known form comes first.
    for known in known.iter_mut().rev().filter(|known| known.place.is_none() && !known.is_disowned) {
        let Some(candidates) = by_base.get_mut(&Base::of(known.record.file)) else { continue };
        let (mut holders, others): (Vec<_>, Vec<_>) = std::mem::take(candidates)
            .into_iter()
            .partition(|candidate| sights.holds(candidate, known.record.file, known.mark));
        *candidates = others;
        // All holders are one file; the longest has the rows that the others lack.
        holders.sort_by_key(|holder| (holder.is_gzip, Reverse(holder.stamp.len)));
        known.place = holders.into_iter().next().map(Place::Path);
    }
    let mut left: Vec<Sighting> = by_base.into_values().flatten().collect();
    left.sort_by(|a, b| a.path.cmp(&b.path));
    left
}

fn is_copy_of(sighting: &Sighting, known: &Known, sights: &mut Sights) -> bool {
    match &known.place {
        Some(Place::Path(whole)) => sights.is_copy(sighting, whole, known.record.file),
        Some(Place::Held { .. }) | None => false,
    }
}

/// Files beside the place of each known file that was not found, such as a rotation leaves there.
pub(super) fn siblings(known: &[Known], listed: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let mut found = BTreeSet::new();
    let mut names: HashMap<&Path, BTreeSet<&str>> = HashMap::new();
    for known in known.iter().filter(|known| known.place.is_none()) {
        let path = Path::new(&known.record.path);
        let name = path.file_name().and_then(|name| name.to_str());
        if let (Some(folder), Some(name)) = (path.parent(), name) {
            names.entry(folder).or_default().insert(name_before_rotation(name));
        }
    }
    for (folder, names) in names {
        let is_here = folder.as_os_str().is_empty();
        let Ok(entries) = if is_here { Path::new(".") } else { folder }.read_dir() else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let is_sibling =
                name.to_str().is_some_and(|name| names.iter().any(|base| name.starts_with(base)));
            if is_sibling {
                found.insert(folder.join(name));
            }
        }
    }
    found.retain(|path| !listed.contains(path));
    found.into_iter().collect()
}

/// Gives the files that `left` holds their identities; passes over copies of files that are read
/// elsewhere.
pub(super) fn identify(known: &[Known], mut left: Vec<Sighting>, sights: &mut Sights) -> Vec<New> {
    left.retain(|sighting| !known.iter().any(|known| is_copy_of(sighting, known, sights)));
    let mut new: Vec<New> = Vec::new();
    for sighting in left {
        if let Some(whole) = new.iter_mut().find(|whole| whole.sighting.base == sighting.base) {
            if sights.is_copy(&sighting, &whole.sighting, whole.file) {
                continue;
            }
            if sights.is_copy(&whole.sighting, &sighting, whole.file) {
                whole.sighting = sighting;
                continue;
            }
        }
        let is_before = |file: FileId| Base::of(file) == sighting.base;
        let last_new = new.iter().rev().map(|new| new.file).find(|file| is_before(*file));
        let last_known = known.iter().rposition(|known| is_before(known.record.file));
        let last = last_new.or(last_known.map(|index| known[index].record.file));
        let succeeds = known.iter().rposition(|known| Path::new(&known.record.path) == sighting.path);
        let disowned =
            known.iter().position(|known| known.is_disowned && Base::of(known.record.file) == sighting.base);
        let replaces = disowned.or(succeeds.or(last_known).filter(|index| known[*index].is_gone()));
        let mut file = last.map_or_else(|| sighting.base.first(), Base::after);
        while known.iter().any(|known| known.record.file == file) {
            file = Base::after(file);
        }
        new.push(New { sighting, file, replaces, succeeds });
    }
    new
}

/// Looks at `paths`; one file under several names, such as a link, is seen once.
pub(super) fn sight_all(
    paths: &BTreeSet<PathBuf>,
    mut look: impl FnMut(&Path) -> Result<Option<Sighting>, Fault>,
) -> (Vec<Sighting>, Vec<(PathBuf, Fault)>) {
    let mut sightings: Vec<Sighting> = Vec::new();
    let mut inodes = BTreeSet::new();
    let mut faults = Vec::new();
    for path in paths {
        match look(path) {
            Ok(None) => {}
            Ok(Some(sighting)) => {
                if inodes.insert((sighting.stamp.device, sighting.stamp.inode)) {
                    sightings.push(sighting);
                }
            }
            Err(fault) => faults.push((path.clone(), fault)),
        }
    }
    (sightings, faults)
}

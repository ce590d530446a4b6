//! What lies at a path: looked at again only when the file's size, time or inode says it changed.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use livecosmos_state::{FileId, SiteId};

use super::columns::{Columns, site_of_file};
use super::fault::Fault;
use super::head::{Base, Header, measure, read_head};
use super::records::{Position, Records, never};
use super::stream::is_gzip;
use crate::source::{SiteRule, TableShape};

/// What is known of a file without reading it. Not its identity: that is its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) len: u64,
    modified: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// A file with a head, seen at a path.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
    pub(super) is_gzip: bool,
    pub(super) base: Base,
    /// Where its rows begin.
    pub(super) data: Position,
    pub(super) columns: Arc<Columns>,
    /// The site of all its rows, where no column holds it.
    pub(super) site: Option<SiteId>,
}

/// All paths looked at, and what was found out about them.
#[derive(Debug, Default)]
pub(super) struct Sights {
    looks: HashMap<PathBuf, Look>,
    /// The header met last, and what came of it: files of a pattern mostly have the same.
    last: Option<(Header, Arc<Columns>)>,
    /// Bytes read in order to look.
    pub(super) bytes_read: u64,
}

#[derive(Debug)]
struct Look {
    stamp: Stamp,
    seen: Result<Option<Sighting>, Fault>,
    /// The file holds, or does not, what was read of this one before this place.
    holds: Option<(FileId, Position, bool)>,
    /// All that the file holds is the beginning of this one.
    copy_of: Option<FileId>,
    is_current: bool,
}

impl Sights {
    /// Forgets the paths that were not looked at since the last call.
    pub(super) fn begin_pass(&mut self) {
        self.looks.retain(|_, look| std::mem::take(&mut look.is_current));
        self.bytes_read = 0;
    }

    /// Looks at `path`. `None` if there is no file, or none with a complete first row.
    pub(super) fn look(
        &mut self,
        path: &Path,
        shape: &TableShape,
        delimiter: u8,
    ) -> Result<Option<Sighting>, Fault> {
        let metadata = match path.metadata() {
            Ok(metadata) if metadata.is_file() => metadata,
            Ok(_) => return Err(Fault::config("is no file; mend path under [source]")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::from(error)),
        };
        let stamp = Stamp::of(&metadata);
        if let Some(look) = self.looks.get_mut(path).filter(|look| look.stamp == stamp) {
            look.is_current = true;
            return look.seen.clone();
        }
        let seen = self.sight(path, stamp, shape, delimiter);
        let is_kept = seen.as_ref().err().is_none_or(Fault::is_lasting);
        if is_kept {
            let look = Look { stamp, seen: seen.clone(), holds: None, copy_of: None, is_current: true };
            self.looks.insert(path.to_owned(), look);
        }
        seen
    }

    fn sight(
        &mut self,
        path: &Path,
        stamp: Stamp,
        shape: &TableShape,
        delimiter: u8,
    ) -> Result<Option<Sighting>, Fault> {
        let file = File::open(path)?;
        let is_gzip = is_gzip(&file)?;
        let (head, bytes_read) = read_head(file, delimiter)?;
        self.bytes_read += bytes_read;
        let Some(head) = head else { return Ok(None) };
        let site = site_of_file(&shape.site, &head.header, path)?;
        let base = head.base(site.as_ref().filter(|_| matches!(shape.site, SiteRule::Template(_))));
        let columns = self.columns(&head.header, shape)?;
        Ok(Some(Sighting { path: path.to_owned(), stamp, is_gzip, base, data: head.data, columns, site }))
    }

    fn columns(&mut self, header: &Header, shape: &TableShape) -> Result<Arc<Columns>, Fault> {
        if let Some((_, columns)) = self.last.as_ref().filter(|(last, _)| last == header) {
            return Ok(Arc::clone(columns));
        }
        let columns = Arc::new(Columns::fit(header, shape)?);
        self.last = Some((header.clone(), Arc::clone(&columns)));
        Ok(columns)
    }

    /// Whether the file at `sighting` holds what was read of `file` before `mark`.
    pub(super) fn holds(&mut self, sighting: &Sighting, file: FileId, mark: Position) -> bool {
        if !sighting.is_gzip && sighting.stamp.len < mark.offset {
            return false;
        }
        let known = self.looks.get(&sighting.path).and_then(|look| look.holds);
        if let Some((_, _, holds)) = known.filter(|(of, at, _)| (*of, *at) == (file, mark)) {
            return holds;
        }
        // A file that cannot be read now is not told from one that holds something else; reading it
        // as the known file would fail and say why.
        let holds = self.check(&sighting.path, mark).unwrap_or(true);
        self.confirm(sighting, file, mark, holds);
        holds
    }

    /// Notes what reading the file has shown.
    pub(super) fn confirm(&mut self, sighting: &Sighting, file: FileId, mark: Position, holds: bool) {
        if let Some(look) = self.looks.get_mut(&sighting.path).filter(|look| look.stamp == sighting.stamp) {
            look.holds = Some((file, mark, holds));
        }
    }

    fn check(&mut self, path: &Path, mark: Position) -> io::Result<bool> {
        if mark == Position::START {
            return Ok(true);
        }
        let (records, bytes_read) = Records::resume(File::open(path)?, mark, b',', &never)?;
        self.bytes_read += bytes_read;
        Ok(records.is_some())
    }

    /// Whether `copy` holds nothing but the beginning of `whole`, which is known as `file`.
    pub(super) fn is_copy(&mut self, copy: &Sighting, whole: &Sighting, file: FileId) -> bool {
        if copy.base != whole.base {
            return false;
        }
        let known = self.looks.get(&copy.path).is_some_and(|look| look.copy_of == Some(file));
        if known {
            return true;
        }
        let is_copy = self.begins_alike(copy, whole).unwrap_or(false);
        if is_copy && let Some(look) = self.looks.get_mut(&copy.path) {
            look.copy_of = Some(file);
        }
        is_copy
    }

    fn begins_alike(&mut self, copy: &Sighting, whole: &Sighting) -> io::Result<bool> {
        let (copy_len, whole_len) = (self.len(copy, &never)?, self.len(whole, &never)?);
        if copy_len > whole_len {
            return Ok(false);
        }
        let (found, bytes_read) = Records::check_at(File::open(&copy.path)?, copy_len)?;
        self.bytes_read += bytes_read;
        match found {
            Some(mark) => self.check(&whole.path, mark),
            None => Ok(false),
        }
    }

    /// Bytes of the uncompressed stream.
    pub(super) fn len(&mut self, sighting: &Sighting, is_stopped: &dyn Fn() -> bool) -> io::Result<u64> {
        if !sighting.is_gzip {
            return Ok(sighting.stamp.len);
        }
        let (len, bytes_read) = measure(File::open(&sighting.path)?, is_stopped)?;
        self.bytes_read += bytes_read;
        Ok(len)
    }
}

//! Rows of CSV files, followed while they grow, are rotated, replaced and compressed.
//!
//! A place in a file is the number of bytes of its uncompressed stream before it, and a file is known
//! by its content (`assign`). A row is due if it begins at or behind the place up to which its site
//! is stored: so a row that arrives late, or from a logger whose clock fell back, is like any other.
//!
//! What is accepted: a file that comes and goes between two polls is met only if the pattern matches
//! the name it is rotated to; of a file that is rewritten in place, rows up to each site's watermark
//! are taken for repetitions as far as the old content reached; and a rewrite that changes neither
//! length nor modification time is seen when the file next changes.

mod assign;
mod columns;
mod fault;
mod follow;
mod head;
mod listing;
mod reader;
mod records;
mod sights;
mod sites;
mod split;
mod stream;
mod survey;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use livecosmos_state::{FileId, SiteId};

pub use head::{Header, Toa5};

use self::columns::Columns;
use self::fault::Fault;
use self::follow::{CHECKPOINT_BYTES, Progress};
use self::head::{Head, read_head};
use self::listing::Listing;
use self::sights::Sights;
use super::{Intake, Pass, Source, SourceError, Start, Stopped, TableShape};

/// Files that vanished are remembered up to this number, the newest of them, so that one that comes
/// back is not read twice.
pub const GONE_FILES_MAX: usize = 1000;
/// Rounds of a pass: each finds one content more that a file had before, of all that the sink knows.
const ROUNDS_MAX: usize = 16;
/// Notices are remembered up to this number, so that each is said once.
const NOTICES_KEPT_MAX: usize = 1000;

/// Which files, and how they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// A path, or a pattern with `*`, `?`, `[…]` or `**` that several files match.
    pub path: PathBuf,
    /// What stands between two fields: an ASCII character other than a quote or a line end.
    pub delimiter: u8,
}

/// Follows one file, or all that match a pattern.
#[derive(Debug)]
pub struct CsvSource {
    settings: Settings,
    shape: TableShape,
    listing: Listing,
    sights: Sights,
    pub(crate) checkpoint_bytes: u64,
    /// What this process has read, file by file.
    progress: HashMap<FileId, Progress>,
    /// Identities that files were given by their first lines, until it showed that the rows stored
    /// under them are of other content.
    disowned: HashSet<FileId>,
    /// The sites that `progress` is about.
    only: Option<BTreeSet<SiteId>>,
    /// Notices given: each is said once.
    said: HashSet<String>,
}

impl CsvSource {
    /// Prepares to follow the files that `settings` names; reads nothing yet.
    ///
    /// # Errors
    /// [`SourceError::Config`] for a pattern or a delimiter that makes no sense.
    pub fn open(settings: Settings, shape: TableShape) -> Result<Self, SourceError> {
        if !settings.delimiter.is_ascii() || matches!(settings.delimiter, b'"' | b'\r' | b'\n') {
            let message =
                "delimiter must be one ASCII character, no quote and no line end; set it to \",\" or \"\\t\"";
            return Err(SourceError::Config(message.to_owned()));
        }
        let listing = Listing::new(&settings.path)?;
        let (sights, progress, said) = (Sights::default(), HashMap::new(), HashSet::new());
        let checkpoint_bytes = CHECKPOINT_BYTES;
        let (disowned, only) = (HashSet::new(), None);
        Ok(Self { settings, shape, listing, sights, checkpoint_bytes, progress, disowned, only, said })
    }

    /// For messages: what is followed.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("csv {}", self.settings.path.display())
    }

    /// The headers of the files there are, as far as they are written; their rows are not read.
    ///
    /// # Errors
    /// The first file that cannot be read, or does not fit the table.
    pub fn headers(&self) -> Result<Vec<(PathBuf, Header)>, SourceError> {
        let mut headers = Vec::new();
        for path in self.listing.list() {
            if let Some(header) = self.header(&path).map_err(|fault| fault.into_error(&path))? {
                headers.push((path, header));
            }
        }
        Ok(headers)
    }

    fn header(&self, path: &Path) -> Result<Option<Header>, Fault> {
        let (head, _) = read_head(File::open(path)?, self.settings.delimiter)?;
        let Some(Head { header, .. }) = head else { return Ok(None) };
        Columns::fit(&header, &self.shape)?;
        Ok(Some(header))
    }

    /// Surveys the files and reads what is due. Files that got wrong identities are in `disowned`
    /// afterwards; another round gives them their own.
    fn round(&mut self, start: &Start, intake: &mut dyn Intake, pass: &mut Pass) -> Result<(), SourceError> {
        let mut survey = self.survey(start, &|| intake.stopped());
        if intake.stopped() {
            // What could not be looked at would seem to be faulty.
            return Err(Stopped.into());
        }
        survey.register(intake)?;
        self.disowned.clear();
        self.read_all(start, &mut survey, intake, pass)?;
        pass.faults = survey.check(&self.settings.path)?;
        pass.bytes_read += self.sights.bytes_read;
        pass.notices.append(&mut survey.notices);
        pass.files = survey.into_files();
        Ok(())
    }

    /// Of `notices`, those not given before.
    fn news(&mut self, notices: Vec<String>) -> Vec<String> {
        if self.said.len() > NOTICES_KEPT_MAX {
            self.said.clear();
        }
        notices.into_iter().filter(|notice| self.said.insert(notice.clone())).collect()
    }
}

impl Source for CsvSource {
    fn pass(&mut self, start: &Start, intake: &mut dyn Intake) -> Result<Pass, SourceError> {
        if self.only != start.only {
            self.only.clone_from(&start.only);
            self.progress.clear();
        }
        if start.behind {
            self.progress.values_mut().for_each(|progress| progress.is_behind = true);
        }
        let mut pass = Pass::default();
        self.round(start, intake, &mut pass)?;
        for _ in 1..ROUNDS_MAX {
            if self.disowned.is_empty() {
                break;
            }
            let again = Start { files: std::mem::take(&mut pass.files), ..start.clone() };
            self.round(&again, intake, &mut pass)?;
        }
        pass.notices = self.news(std::mem::take(&mut pass.notices));
        Ok(pass)
    }
}

//! Rows of a table in an `SQLite` database, also while another process writes to it (WAL).
//!
//! One pass is one read transaction: it sees one state of the database, however long it takes. The
//! number of statements does not depend on the number of sites:
//!
//! 1. with an index that begins with site and time, the sites are found by leaping through it, one
//!    seek a site; where each stands goes into a temporary table;
//! 2. the times behind each site's position are surveyed in the index alone: whether the order of
//!    their spellings is the order of time, and where the first row that is due lies;
//! 3. one ordered statement streams the rows that are due.
//!
//! Without such an index each pass looks at every row and sorts those that are due; the operator is
//! told which index to make. Where spellings do not sort as their times do (offsets that differ, a
//! fraction here and none there) the rows that are due are sorted by their instants too. `SQLite`
//! sorts in temporary files, not in memory.

mod catalogue;
mod cell;
mod connection;
mod due;
mod instant;
mod reading;
mod sql;
mod stream;

use std::collections::BTreeSet;
use std::path::PathBuf;

use livecosmos_state::SiteId;

use rusqlite::types::ValueRef;

use super::{Intake, Pass, SiteRule, Source, SourceError, Start, TableShape, TimeReader};
use crate::rows::{Kind, RowTime};
use connection::Link;
use instant::InstantReader;
use reading::Reading;

/// Which database, and how its numbers are times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The database file.
    pub path: PathBuf,
    /// Unit of times that are stored as numbers since 1970-01-01.
    pub time_unit: TimeUnit,
}

/// Unit of a time that is stored as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeUnit {
    /// Seconds.
    #[default]
    Seconds,
    /// Thousandths of a second.
    Milliseconds,
    /// Millionths of a second.
    Microseconds,
}

/// A table of an `SQLite` database.
#[derive(Debug)]
pub struct SqliteSource {
    settings: Settings,
    shape: TableShape,
    instants: InstantReader,
    fixed: Option<SiteId>,
    link: Option<Link>,
    said: BTreeSet<String>,
}

impl SqliteSource {
    /// Opens the database for reading and confirms the table and its columns.
    ///
    /// # Errors
    /// [`SourceError::Config`] where file, table or column do not exist or the shape does not fit;
    /// [`SourceError::Denied`] and [`SourceError::Unavailable`] as in a pass.
    pub fn open(settings: Settings, shape: TableShape) -> Result<Self, SourceError> {
        let fixed = fixed_site(&settings, &shape.site)?;
        let instants = InstantReader::new(shape.time.clone(), settings.time_unit)?;
        // Where it cannot be looked at, opening it tells why: that is no missing file.
        if matches!(settings.path.try_exists(), Ok(false)) {
            return Err(SourceError::Config(format!(
                "no database at {}; set `path` under [source] to an SQLite file",
                settings.path.display()
            )));
        }
        let link = Link::open(&settings.path, &instants)?;
        link.confirm(&shape)?;
        Ok(Self { settings, shape, instants, fixed, link: Some(link), said: BTreeSet::new() })
    }
}

impl Source for SqliteSource {
    fn pass(&mut self, start: &Start, intake: &mut dyn Intake) -> Result<Pass, SourceError> {
        let mut link = match self.link.take().filter(Link::is_current) {
            Some(link) => link,
            None => Link::open(&self.settings.path, &self.instants)?,
        };
        let reading = Reading::new(&self.shape, self.fixed.as_ref(), &self.instants, start, intake);
        let outcome = link.read(reading);
        self.link = Some(link);
        let mut pass = outcome?;
        pass.notices.retain(|notice| self.said.insert(notice.clone()));
        Ok(pass)
    }
}

/// Reads times as they were spelled when a row was kept that could not be sent.
#[derive(Debug, Clone)]
pub struct StoredTimes(InstantReader);

impl StoredTimes {
    /// Texts by `texts`, numbers in `unit`.
    ///
    /// # Errors
    /// [`SourceError::Config`] as [`SqliteSource::open`].
    pub fn new(texts: TimeReader, unit: TimeUnit) -> Result<Self, SourceError> {
        InstantReader::new(texts, unit).map(Self)
    }

    /// The instant of a value that was spelled as `text`, or why it is none.
    ///
    /// # Errors
    /// The reason with its remedy.
    pub fn read(&self, kind: Kind, text: &str) -> Result<RowTime, String> {
        let number = || text.parse().map(ValueRef::Integer).or_else(|_| text.parse().map(ValueRef::Real));
        self.0.read(match kind {
            Kind::Null => ValueRef::Null,
            Kind::Number => number().unwrap_or(ValueRef::Text(text.as_bytes())),
            Kind::Text | Kind::Bool => ValueRef::Text(text.as_bytes()),
        })
    }
}

fn fixed_site(settings: &Settings, rule: &SiteRule) -> Result<Option<SiteId>, SourceError> {
    let template = match rule {
        SiteRule::Column(_) => return Ok(None),
        SiteRule::Fixed(site) => return Ok(Some(site.clone())),
        SiteRule::Template(template) => template,
    };
    let stem = settings.path.file_stem().unwrap_or_default().to_string_lossy();
    let name = template.replace("{file_stem}", &stem);
    SiteId::parse(&name).map(Some).map_err(|error| {
        SourceError::Config(format!(
            "site = \"{template}\" does not name a site of {}: {error}; a database knows {{file_stem}} only",
            settings.path.display()
        ))
    })
}

#[cfg(test)]
mod tests;

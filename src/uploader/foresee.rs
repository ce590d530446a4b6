//! What a fill would send, found out by reading its rows and sending none.

use livecosmos_state::{ChainName, SiteId, SourceFile, State, Time};

use super::change::Position;
use super::fill::start_of_fill;
use crate::rows::Batch;
use crate::source::{FileOrigin, Intake, Reject, Resume, Source, SourceError, Stopped};

/// The rows of a fill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Foreseen {
    /// How many there are.
    pub rows: u64,
    /// The earliest time among them.
    pub first: Option<Time>,
    /// The latest time among them.
    pub last: Option<Time>,
}

/// Reads the rows that the fill `chain` of `site` in `state` still has before it. Blocks.
///
/// A fill that sends only what the sink lacks would send fewer.
///
/// # Errors
/// As [`Source::pass`].
pub fn foresee(
    source: &mut dyn Source,
    state: &State,
    site: &SiteId,
    chain: &ChainName,
    now: Time,
) -> Result<Foreseen, SourceError> {
    let Some(known) = state.sites.get(site) else { return Ok(Foreseen::default()) };
    let Some((fill, position)) = known.fills.get(chain).zip(Position::of(known, chain)) else {
        return Ok(Foreseen::default());
    };
    let resume = position.resume_fill(fill, known.floor);
    let start = start_of_fill(state.files.clone(), site, fill, now);
    let mut count = Count { site, resume, foreseen: Foreseen::default() };
    source.pass(&start, &mut count)?;
    Ok(count.foreseen)
}

struct Count<'a> {
    site: &'a SiteId,
    resume: Resume,
    foreseen: Foreseen,
}

impl Intake for Count<'_> {
    fn resume(&mut self, site: &SiteId) -> Result<Resume, Stopped> {
        let paused = site != self.site;
        Ok(Resume { paused, ..self.resume.clone() })
    }

    fn register(&mut self, _file: SourceFile, _origin: FileOrigin) -> Result<(), Stopped> {
        Ok(())
    }

    fn batch(&mut self, batch: Batch) -> Result<(), Stopped> {
        let Some((first, last)) = batch.time_range() else { return Ok(()) };
        let Foreseen { rows, first: earliest, last: latest } = &mut self.foreseen;
        *rows += batch.rows.len() as u64;
        *earliest = Some(earliest.map_or(first, |earlier| earlier.min(first)));
        *latest = (*latest).max(Some(last));
        Ok(())
    }

    fn checkpoint(&mut self, _files: &[SourceFile]) -> Result<(), Stopped> {
        Ok(())
    }

    fn reject(&mut self, _reject: Reject) -> Result<(), Stopped> {
        Ok(())
    }

    fn stopped(&self) -> bool {
        false
    }
}

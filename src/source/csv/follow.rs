//! The rest of a pass: every file is read from where it was left.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use livecosmos_state::SourceFile;

use super::CsvSource;
use super::assign::Place;
use super::columns::Columns;
use super::fault::Fault;
use super::reader::{FileFacts, ReadError, Reader, Stretch, Times};
use super::records::{Position, Records};
use super::sights::Stamp;
use super::sites::Sites;
use super::survey::{Survey, Tracked};
use crate::source::{Batcher, Intake, Pass, SourceError, Start};

/// After this many bytes of files a long pass makes durable how far it came.
const CHECKPOINT_BYTES: u64 = 256 << 20;
/// Files held open at most, so that one that is moved away or deleted can be read to its end.
const HELD_FILES_MAX: usize = 64;

/// How far this process has read a file.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) read: Position,
    /// The file as it was when it was read to its end.
    pub(super) done: Option<Stamp>,
    /// The first row that was passed over because its site was paused: nothing behind it is covered.
    pub(super) passed_over: Option<Position>,
    /// Lines before `read`, if they were counted.
    pub(super) lines: Option<u64>,
    pub(super) held: Option<File>,
    /// It is deleted, and nothing was left to read.
    pub(super) is_followed_to_its_end: bool,
    pub(super) columns: Arc<Columns>,
}

/// What lasts for a whole pass.
struct Reading<'a> {
    start: &'a Start,
    intake: &'a mut dyn Intake,
    pass: &'a mut Pass,
    batcher: Batcher,
    sites: Sites,
    times: Times,
    /// Bytes read since the last checkpoint.
    unsaved_bytes: u64,
}

/// A file about to be read.
struct Opened {
    records: Records,
    columns: Arc<Columns>,
    stamp: Stamp,
    passed_over: Option<Position>,
    lines: Option<u64>,
}

impl CsvSource {
    /// Reads what is due in all files.
    pub(super) fn read_all(
        &mut self,
        start: &Start,
        survey: &mut Survey,
        intake: &mut dyn Intake,
        pass: &mut Pass,
    ) -> Result<(), SourceError> {
        let batcher = Batcher::new(self.shape.limits);
        let (sites, times) = (Sites::default(), Times::default());
        let mut reading = Reading { start, intake, pass, batcher, sites, times, unsaved_bytes: 0 };
        for index in 0..survey.files.len() {
            match self.read_file(survey, index, &mut reading) {
                Ok(()) => {}
                Err(ReadError::Stopped(stopped)) => return Err(stopped.into()),
                Err(ReadError::File(fault)) => {
                    survey.faults.push((PathBuf::from(&survey.files[index].record.path), fault));
                }
            }
        }
        Ok(())
    }

    fn read_file(&mut self, survey: &mut Survey, index: usize, reading: &mut Reading<'_>) -> Result<(), ReadError> {
        let Some(mut opened) = self.open_file(&survey.files[index], reading).map_err(ReadError::File)? else {
            return Ok(());
        };
        reading.sites.begin_file(survey.files[index].record.file, survey.files[index].record.covered);
        loop {
            let began = opened.records.offset();
            let stretch = self.read_stretch(&mut opened, &survey.files[index].record, reading);
            // Batches never span two files, and what was read before a fault is good.
            reading.batcher.close_all(reading.intake)?;
            reading.unsaved_bytes += opened.records.offset() - began;
            self.remember(&opened, &survey.files[index], stretch.as_ref().ok().copied());
            if reading.start.only.is_none() {
                cover(&mut survey.files[index].record, &opened);
            }
            match stretch? {
                Stretch::More => reading.checkpoint(survey)?,
                Stretch::End { is_held_back } => {
                    survey.notices.extend(is_held_back.then(|| held_back(&opened, &survey.files[index])).flatten());
                    self.finish(opened, &survey.files[index], reading);
                    return Ok(());
                }
            }
        }
    }

    /// Opens a file where reading goes on; `None` if nothing was added to it.
    fn open_file(&self, tracked: &Tracked, reading: &mut Reading<'_>) -> Result<Option<Opened>, Fault> {
        let record = &tracked.record;
        let progress = self.progress.get(&record.file);
        let covered = Position { offset: record.covered, check: record.check };
        let progress_ahead = progress.filter(|progress| !reading.start.behind && progress.read.offset >= covered.offset);
        let mut from = progress_ahead.map_or(covered, |progress| progress.read);
        let is_done = |stamp: Stamp| progress_ahead.is_some_and(|progress| progress.done == Some(stamp));
        let (file, columns) = match &tracked.place {
            None => return Ok(None),
            Some(Place::Path(sighting)) if is_done(sighting.stamp) => return Ok(None),
            Some(Place::Path(sighting)) => {
                let data = sighting.head.data;
                from = if from.offset < data.offset { data } else { from };
                (File::open(&sighting.path).map_err(Fault::reading)?, Arc::clone(&sighting.columns))
            }
            Some(Place::Held(file)) => {
                let Some(progress) = progress else { return Ok(None) };
                (file.try_clone().map_err(Fault::reading)?, Arc::clone(&progress.columns))
            }
        };
        let stamp = Stamp::of(&file.metadata().map_err(Fault::reading)?);
        if is_done(stamp) {
            return Ok(None);
        }
        let (records, bytes_read) =
            Records::resume(file, from, self.settings.delimiter).map_err(Fault::reading)?;
        let Some(records) = records else {
            // It changed since it was surveyed: the next pass sees what it is now.
            reading.pass.bytes_read += bytes_read;
            return Ok(None);
        };
        let is_from_beginning = from.offset == 0 || records.stream().is_gzip();
        let lines = if is_from_beginning { Some(0) } else { progress_ahead.and_then(|progress| progress.lines) };
        let passed_over = progress_ahead.and_then(|progress| progress.passed_over);
        Ok(Some(Opened { records, columns, stamp, passed_over, lines }))
    }

    fn read_stretch(
        &self,
        opened: &mut Opened,
        record: &SourceFile,
        reading: &mut Reading<'_>,
    ) -> Result<Stretch, ReadError> {
        let facts = FileFacts {
            path: PathBuf::from(&record.path),
            file: record.file,
            floor_until: record.floor_until,
            columns: &opened.columns,
            lines_before: opened.lines,
        };
        let mut reader = Reader {
            facts,
            shape: &self.shape,
            start: reading.start,
            sites: &mut reading.sites,
            batcher: &mut reading.batcher,
            intake: reading.intake,
            pass: reading.pass,
            times: &mut reading.times,
            passed_over: opened.passed_over,
        };
        let stretch = reader.read(&mut opened.records, CHECKPOINT_BYTES);
        (opened.passed_over, opened.lines) = (reader.passed_over, reader.facts.lines_before);
        stretch
    }

    /// Notes how far the file was read, and whether to its end.
    fn remember(&mut self, opened: &Opened, tracked: &Tracked, stretch: Option<Stretch>) {
        let file = tracked.record.file;
        let progress = self.progress.entry(file).or_insert_with(|| Progress::new(Arc::clone(&opened.columns)));
        progress.read = opened.records.position();
        progress.passed_over = opened.passed_over;
        progress.done = matches!(stretch, Some(Stretch::End { .. })).then_some(opened.stamp);
        progress.lines = opened.lines.map(|lines| lines + opened.records.lines_done());
        if let Some(Place::Path(sighting)) = &tracked.place {
            self.sights.confirm(sighting, file, progress.read, true);
        }
    }

    /// Keeps a file that may still grow open.
    fn finish(&mut self, opened: Opened, tracked: &Tracked, reading: &mut Reading<'_>) {
        reading.pass.bytes_read += opened.records.stream().bytes_read();
        let held = self.progress.values().filter(|progress| progress.held.is_some()).count();
        let is_plain = !opened.records.stream().is_gzip();
        if let Some(progress) = self.progress.get_mut(&tracked.record.file)
            && is_plain
            && (progress.held.is_some() || held < HELD_FILES_MAX)
        {
            progress.held = Some(opened.records.into_file());
        }
    }
}

impl Reading<'_> {
    fn checkpoint(&mut self, survey: &Survey) -> Result<(), ReadError> {
        if self.start.only.is_some() || self.unsaved_bytes < CHECKPOINT_BYTES {
            return Ok(());
        }
        self.unsaved_bytes = 0;
        let files: Vec<SourceFile> = survey.files.iter().map(|tracked| tracked.record.clone()).collect();
        Ok(self.intake.checkpoint(&files)?)
    }
}

/// Every row before the end of the last record, or before the first that was passed over, is done.
fn cover(record: &mut SourceFile, opened: &Opened) {
    let covered = opened.passed_over.unwrap_or_else(|| opened.records.position());
    (record.covered, record.check) = (covered.offset, covered.check);
}

/// Says that the last line is unfinished, unless it is being written at this moment.
fn held_back(opened: &Opened, tracked: &Tracked) -> Option<String> {
    let now = opened.records.stream().file().metadata().ok()?;
    let is_still = Stamp::of(&now) == opened.stamp;
    is_still.then(|| {
        format!(
            "{}: the last line, at byte {}, is unfinished; it is held back until its line end comes",
            tracked.record.path,
            opened.records.offset()
        )
    })
}

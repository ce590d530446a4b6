//! The rest of a pass: every file is read from where it was left.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use livecosmos_state::{SiteId, SourceFile};

use super::CsvSource;
use super::assign::Place;
use super::columns::Columns;
use super::reader::{FileFacts, ReadError, Reader, Stretch, Times};
use super::records::{Position, Records};
use super::sights::Stamp;
use super::sites::Sites;
use super::survey::{Survey, Tracked};
use crate::source::{Batcher, Intake, Pass, SourceError, Start};

/// After this many bytes of files a long pass makes durable how far it came.
pub(super) const CHECKPOINT_BYTES: u64 = 256 << 20;
/// Files held open at most, so that one that is moved away or deleted can be read to its end.
const HELD_FILES_MAX: usize = 64;

/// How far this process has read a file.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) read: Position,
    /// Rows before `read` were given up: the file is to be read again from what is covered. This waits
    /// until it can be read.
    pub(super) is_behind: bool,
    /// The file as it was when it was read to its end.
    pub(super) done: Option<Stamp>,
    /// The first row that was passed over because its site was paused: nothing behind it is covered.
    pub(super) passed_over: Option<Position>,
    /// Lines before `read`, if they were counted.
    pub(super) lines: Option<u64>,
    pub(super) held: Option<File>,
    /// It was said that its last line is unfinished.
    pub(super) is_held_back_said: bool,
    /// It is deleted, and nothing was left to read.
    pub(super) is_followed_to_its_end: bool,
    pub(super) columns: Arc<Columns>,
    pub(super) site: Option<SiteId>,
}

impl Progress {
    fn new(columns: Arc<Columns>, site: Option<SiteId>) -> Self {
        Self {
            read: Position::START,
            is_behind: false,
            done: None,
            passed_over: None,
            lines: None,
            held: None,
            is_held_back_said: false,
            is_followed_to_its_end: false,
            columns,
            site,
        }
    }
}

/// What lasts for a whole pass.
struct Reading<'a> {
    start: &'a Start,
    intake: &'a mut dyn Intake,
    pass: &'a mut Pass,
    batcher: Batcher,
    sites: Sites,
    times: Times,
    /// Bytes read since the last checkpoint, and how many there may be.
    unsaved_bytes: u64,
    unsaved_bytes_max: u64,
}

/// A file about to be read.
struct Opened {
    records: Records,
    columns: Arc<Columns>,
    site: Option<SiteId>,
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
        let mut reading = Reading {
            start,
            intake,
            pass,
            batcher,
            sites,
            times,
            unsaved_bytes: 0,
            unsaved_bytes_max: self.checkpoint_bytes,
        };
        for index in 0..survey.files.len() {
            let rows_before = reading.pass.rows_read;
            match self.read_file(survey, index, &mut reading) {
                Ok(()) if reading.pass.rows_read > rows_before => {
                    if survey.register_successor(index, reading.intake)? {
                        // The sites are asked anew where they stand.
                        (reading.batcher, reading.sites) =
                            (Batcher::new(self.shape.limits), Sites::default());
                    }
                }
                Ok(()) => {}
                Err(ReadError::Stopped(stopped)) => return Err(stopped.into()),
                Err(ReadError::OtherContent) => {
                    self.disowned.insert(survey.files[index].record.file);
                }
                Err(ReadError::File(fault)) => {
                    survey.faults.push((PathBuf::from(&survey.files[index].record.path), fault));
                }
            }
        }
        Ok(())
    }

    fn read_file(
        &mut self,
        survey: &mut Survey,
        index: usize,
        reading: &mut Reading<'_>,
    ) -> Result<(), ReadError> {
        let Some(mut opened) = self.open_file(&survey.files[index], reading)? else {
            return Ok(());
        };
        let record = &survey.files[index].record;
        reading.sites.begin_file(record.file, record.covered, opened.records.offset());
        loop {
            let began = opened.records.offset();
            let stretch = match self.read_stretch(&mut opened, &survey.files[index].record, reading) {
                // What was given up is read again: nothing is remembered of it.
                Err(ReadError::Stopped(stopped)) => return Err(stopped.into()),
                read => read,
            };
            // Batches never span two files, and what was read before a fault is good.
            let is_at_end = matches!(stretch, Ok(Stretch::End { .. }));
            let is_cut = !is_at_end || !reading.sites.end_by(opened.records.offset());
            reading.batcher.close_all(is_cut, reading.intake)?;
            if matches!(stretch, Err(ReadError::OtherContent)) {
                reading.pass.bytes_read += opened.records.stream().bytes_read();
                return Err(ReadError::OtherContent);
            }
            reading.unsaved_bytes += opened.records.offset() - began;
            self.remember(&opened, &survey.files[index], stretch.as_ref().ok().copied());
            if reading.start.only.is_none() || reading.start.is_bounded {
                cover(&mut survey.files[index].record, &opened);
            }
            match stretch? {
                Stretch::More => reading.checkpoint(survey)?,
                Stretch::End { is_held_back } => {
                    let notice = is_held_back.then(|| self.held_back(&opened, &survey.files[index]));
                    survey.notices.extend(notice.flatten());
                    self.finish(opened, &survey.files[index], reading);
                    return Ok(());
                }
            }
        }
    }

    /// Opens a file where reading goes on; `None` if nothing was added to it.
    fn open_file(&self, tracked: &Tracked, reading: &mut Reading<'_>) -> Result<Option<Opened>, ReadError> {
        let record = &tracked.record;
        let progress = self.progress.get(&record.file);
        let covered = Position { offset: record.covered, check: record.check };
        let progress_ahead =
            progress.filter(|progress| !progress.is_behind && progress.read.offset >= covered.offset);
        let mut from = progress_ahead.map_or(covered, |progress| progress.read);
        let is_done = |stamp: Stamp| progress_ahead.is_some_and(|progress| progress.done == Some(stamp));
        let (file, columns, site) = match &tracked.place {
            None => return Ok(None),
            Some(Place::Path(sighting)) if is_done(sighting.stamp) => return Ok(None),
            Some(Place::Path(sighting)) => {
                let data = sighting.data;
                from = if from.offset < data.offset { data } else { from };
                (File::open(&sighting.path)?, Arc::clone(&sighting.columns), sighting.site.clone())
            }
            Some(Place::Held { file, .. }) => {
                let Some(progress) = progress else { return Ok(None) };
                (file.try_clone()?, Arc::clone(&progress.columns), progress.site.clone())
            }
        };
        let stamp = Stamp::of(&file.metadata()?);
        if is_done(stamp) {
            return Ok(None);
        }
        let is_stopped = || reading.intake.stopped();
        let (records, bytes_read) = Records::resume(file, from, self.settings.delimiter, &is_stopped)?;
        let Some(records) = records else {
            // It changed since it was surveyed: the next pass sees what it is now.
            reading.pass.bytes_read += bytes_read;
            return Ok(None);
        };
        let is_from_beginning = from.offset == 0 || records.stream().is_gzip();
        let lines =
            if is_from_beginning { Some(0) } else { progress_ahead.and_then(|progress| progress.lines) };
        let passed_over = progress_ahead.and_then(|progress| progress.passed_over);
        Ok(Some(Opened { records, columns, site, stamp, passed_over, lines }))
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
            site: opened.site.as_ref(),
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
            ends_here: false,
        };
        let stretch = reader.read(&mut opened.records, reading.unsaved_bytes_max);
        (opened.passed_over, opened.lines) = (reader.passed_over, reader.facts.lines_before);
        stretch
    }

    /// Notes how far the file was read, and whether to its end.
    fn remember(&mut self, opened: &Opened, tracked: &Tracked, stretch: Option<Stretch>) {
        let file = tracked.record.file;
        let progress = self
            .progress
            .entry(file)
            .or_insert_with(|| Progress::new(Arc::clone(&opened.columns), opened.site.clone()));
        progress.read = opened.records.position();
        progress.is_behind = false;
        progress.passed_over = opened.passed_over;
        progress.done = matches!(stretch, Some(Stretch::End { .. })).then_some(opened.stamp);
        progress.lines = opened.lines.map(|lines| lines + opened.records.lines_done());
        if let Some(Place::Path(sighting)) = &tracked.place {
            self.sights.confirm(sighting, file, progress.read, true);
        }
    }

    /// Says once for a file that its last line is unfinished, unless it is being written at this moment.
    fn held_back(&mut self, opened: &Opened, tracked: &Tracked) -> Option<String> {
        let now = Stamp::of(&opened.records.stream().file().metadata().ok()?);
        let progress = self.progress.get_mut(&tracked.record.file)?;
        if now != opened.stamp || std::mem::replace(&mut progress.is_held_back_said, true) {
            return None;
        }
        Some(format!(
            "{}: the last line, at byte {}, is unfinished; it is held back until its line end comes",
            tracked.record.path,
            opened.records.offset()
        ))
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
        let is_due = self.unsaved_bytes >= self.unsaved_bytes_max || self.intake.is_checkpoint_due();
        if self.start.only.is_some() || !is_due {
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use livecosmos_state::{SiteId, TableName, Time};

    use super::*;
    use crate::rows::Batch;
    use crate::source::csv::Settings;
    use crate::source::{
        FileOrigin, Limits, Reject, Resume, SiteRule, Source, Stopped, TableShape, TimeReader,
    };

    /// Counts rows, and notes at each checkpoint how many were given and what is covered.
    #[derive(Default)]
    struct Log {
        rows: usize,
        checkpoints: Vec<(usize, u64)>,
    }

    impl Intake for Log {
        fn resume(&mut self, _: &SiteId) -> Result<Resume, Stopped> {
            Ok(Resume::from_the_start())
        }

        fn register(&mut self, _: SourceFile, _: FileOrigin) -> Result<(), Stopped> {
            Ok(())
        }

        fn batch(&mut self, batch: Batch) -> Result<(), Stopped> {
            self.rows += batch.rows.len();
            Ok(())
        }

        fn checkpoint(&mut self, files: &[SourceFile]) -> Result<(), Stopped> {
            self.checkpoints.push((self.rows, files[0].covered));
            Ok(())
        }

        fn reject(&mut self, _: Reject) -> Result<(), Stopped> {
            Ok(())
        }

        fn stopped(&self) -> bool {
            false
        }
    }

    #[test]
    fn a_long_pass_says_now_and_then_how_far_all_rows_were_given() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        let (header, row) = ("TIME,V\n", "2025-01-01T00:00:00Z,1\n");
        File::create(&path).unwrap().write_all((header.to_owned() + &row.repeat(100)).as_bytes()).unwrap();
        let shape = TableShape {
            table: TableName::parse("T").unwrap(),
            site: SiteRule::Fixed(SiteId::parse("A").unwrap()),
            time_column: "TIME".to_owned(),
            tie_column: None,
            time: TimeReader::utc(),
            null_values: Vec::new(),
            text_columns: std::collections::BTreeSet::new(),
            sites: None,
            future_tolerance_s: 0,
            settle_s: 0,
            limits: Limits {
                batch_rows_max: 1000,
                batch_bytes_max: 1 << 20,
                group_bytes_max: 1 << 20,
                partition: None,
            },
        };
        let mut source = CsvSource::open(Settings { path, delimiter: b',' }, shape).unwrap();
        source.checkpoint_bytes = row.len() as u64 * 30;
        let start = Start {
            now: Time::new(1_767_225_600, 0).unwrap(),
            files: Vec::new(),
            known: std::collections::BTreeSet::new(),
            only: None,
            first_run: false,
            behind: false,
            is_bounded: false,
        };
        let mut log = Log::default();
        source.pass(&start, &mut log).unwrap();
        let at = |rows: usize| (rows, (header.len() + rows * row.len()) as u64);
        assert_eq!(log.checkpoints, [at(30), at(60), at(90)]);
        assert_eq!(log.rows, 100);
    }
}

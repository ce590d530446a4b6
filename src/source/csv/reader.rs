//! Reads the rows of one file: which are due, which cannot be sent, and what their cells are.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use livecosmos_state::{Cursor, FileId, SiteId, Time};
use memchr::memchr_iter;

use super::columns::Columns;
use super::fault::Fault;
use super::records::{Position, Records, Step};
use super::sites::Sites;
use super::split::{ROW_BYTES_MAX, ROW_LINES_MAX};
use crate::clock::shift;
use crate::rows::RowTime;
use crate::source::{Batcher, Cells, Intake, Pass, Reject, Start, Stopped, TableShape, WRITE_ANEW};

/// Rows between two questions whether to stop.
const ROWS_PER_STOP_CHECK: u64 = 4096;
/// A line number is found by counting from the beginning of the file, unless that is further away.
const LINE_COUNT_BYTES_MAX: u64 = 64 << 20;

/// What is known of a file before its rows are read.
#[derive(Debug)]
pub(super) struct FileFacts<'a> {
    pub(super) path: PathBuf,
    pub(super) file: FileId,
    /// Floors apply to rows that begin before this offset.
    pub(super) floor_until: u64,
    pub(super) columns: &'a Columns,
    /// The site of all rows, where no column holds it.
    pub(super) site: Option<&'a SiteId>,
    /// Lines before the place where reading began; `None` if they were not counted.
    pub(super) lines_before: Option<u64>,
}

/// The world of a reader.
pub(super) struct Reader<'a> {
    pub(super) facts: FileFacts<'a>,
    pub(super) shape: &'a TableShape,
    pub(super) start: &'a Start,
    pub(super) sites: &'a mut Sites,
    pub(super) batcher: &'a mut Batcher,
    pub(super) intake: &'a mut dyn Intake,
    pub(super) pass: &'a mut Pass,
    pub(super) times: &'a mut Times,
    /// Where the first row begins that was passed over because its site is paused.
    pub(super) passed_over: Option<Position>,
    /// The stretch ends here: what was rejected is to be remembered.
    pub(super) ends_here: bool,
}

/// Where a stretch of reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stretch {
    /// There is more.
    More,
    /// At the end of what is complete.
    End {
        /// An unfinished line follows.
        is_held_back: bool,
    },
}

/// Why reading a file ended early.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The file's fault.
    File(Fault),
    /// Rows of a site are said to be stored that are not in this file: it begins as the one they are
    /// from, and goes on otherwise.
    OtherContent,
    /// Asked to stop.
    Stopped(Stopped),
}

impl From<Stopped> for ReadError {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        let is_stop = matches!(error.get_ref(), Some(inner) if inner.is::<Stopped>());
        if is_stop { Self::Stopped(Stopped) } else { Self::File(Fault::from(error)) }
    }
}

impl Reader<'_> {
    /// Reads on until about `bytes_max` bytes later.
    pub(super) fn read(&mut self, records: &mut Records, bytes_max: u64) -> Result<Stretch, ReadError> {
        let until = records.offset().saturating_add(bytes_max);
        while records.offset() < until && !self.ends_here {
            match records.advance()? {
                Step::Record => self.row(records)?,
                Step::Broken => self.reject_broken(records)?,
                Step::End { is_held_back } => return self.end(records, is_held_back),
            }
            self.pass.rows_read += 1;
            if self.pass.rows_read.is_multiple_of(ROWS_PER_STOP_CHECK) && self.intake.stopped() {
                return Err(Stopped.into());
            }
        }
        Ok(Stretch::More)
    }

    fn end(&self, records: &Records, is_held_back: bool) -> Result<Stretch, ReadError> {
        let (stream, read_until) = (records.stream(), records.offset());
        // Another writer may have stored what came since the file was opened.
        let len = if stream.is_gzip() { read_until } else { stream.file().metadata()?.len() };
        let is_being_compressed = stream.is_gzip() && !stream.ends_for_good();
        if !is_being_compressed && !self.sites.may_be_stored(read_until, len) {
            return Err(ReadError::OtherContent);
        }
        Ok(Stretch::End { is_held_back })
    }

    fn row(&mut self, records: &Records) -> Result<(), ReadError> {
        let (bytes, bounds) = records.fields();
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Ok(self.reject(records, None, format!("it is not UTF-8; {WRITE_ANEW}"))?);
        };
        let columns = self.facts.columns;
        if bounds.len() != columns.width() {
            let reason = format!(
                "it has {} fields and the header has {}; check delimiter and quotes, or {WRITE_ANEW}",
                bounds.len(),
                columns.width()
            );
            return Ok(self.reject(records, None, reason)?);
        }
        let row = Row { records, text, bounds };
        match (self.facts.site, columns.schema.site) {
            (Some(site), _) => self.row_of_site(site.as_str(), &row),
            (None, Some(index)) => self.row_of_site(row.cell(index), &row),
            (None, None) => Ok(()),
        }
    }

    fn row_of_site(&mut self, site_text: &str, row: &Row<'_>) -> Result<(), ReadError> {
        let offset = row.records.record_offset();
        let Some(site) = self.sites.find(site_text, self.batcher) else {
            return self.row_of_new_site(site_text, row);
        };
        if !site.is_proven {
            let (stored_until, last_data) = (site.due_from, site.last_data);
            return self.prove(row, stored_until, last_data);
        }
        let is_due = (site.due_from..site.due_until).contains(&offset);
        let Some(slot) = site.slot.filter(|_| is_due) else { return Ok(()) };
        if site.is_paused {
            self.passed_over.get_or_insert_with(|| row.records.record_position());
            return Ok(());
        }
        let window = site.window;
        let floor = site.floor.filter(|_| offset < self.facts.floor_until);
        let time = match self.times.read(
            row.cell(self.facts.columns.schema.time),
            self.facts.columns,
            self.shape,
            self.start.now,
        ) {
            Ok(time) => time,
            Err(reason) => return Ok(self.reject(row.records, Some(site_text), reason)?),
        };
        if floor.is_some_and(|floor| time.time <= floor) || !window.holds(time.time) {
            return Ok(());
        }
        let columns = self.facts.columns;
        let cursor = Cursor::File { file: self.facts.file, offset: row.records.offset() };
        let rows = self.batcher.begin_row(slot, &columns.schema, &cursor, time.time, self.intake)?;
        columns.push(row.text, row.bounds, rows);
        self.batcher.end_row(slot, time, cursor);
        Ok(())
    }

    /// Passes over a row before `stored_until`, where a stored row of this site ends: if none does, the
    /// rows that are stored were in another file that began like this one.
    #[cold]
    fn prove(&mut self, row: &Row<'_>, stored_until: u64, last_data: Option<Time>) -> Result<(), ReadError> {
        if row.records.offset() < stored_until {
            return Ok(());
        }
        // The last line of a file may have got its line end later.
        let line = row.records.record().trim_ascii_end();
        let ends_there = row.records.record_offset() + line.len() as u64 <= stored_until;
        let time = self.shape.time.read(row.cell(self.facts.columns.schema.time).trim());
        let is_stored = time.is_ok_and(|time| last_data.is_none_or(|last| time.time <= last));
        if !ends_there || !is_stored {
            return Err(ReadError::OtherContent);
        }
        self.sites.prove();
        Ok(())
    }

    #[cold]
    fn row_of_new_site(&mut self, site_text: &str, row: &Row<'_>) -> Result<(), ReadError> {
        let trimmed = site_text.trim();
        if trimmed.is_empty() || self.facts.columns.is_null(trimmed) {
            let reason = format!("its site is empty; {WRITE_ANEW}");
            return Ok(self.reject(row.records, None, reason)?);
        }
        match SiteId::parse(trimmed) {
            Ok(site) => {
                self.sites.admit(site_text, &site, self.shape, self.start, self.batcher, self.intake)?;
                self.row_of_site(site_text, row)
            }
            Err(error) => Ok(self.reject(row.records, None, format!("{error}, or {WRITE_ANEW}"))?),
        }
    }

    #[cold]
    fn reject_broken(&mut self, records: &Records) -> Result<(), Stopped> {
        let reason = if records.record_is_cut() {
            format!("it is longer than {} MiB; {WRITE_ANEW}", ROW_BYTES_MAX >> 20)
        } else {
            format!("its quote is not closed within {ROW_LINES_MAX} lines; {WRITE_ANEW}")
        };
        self.reject_as(records, None, reason, None)
    }

    /// Gives away a whole record that cannot be sent.
    #[cold]
    fn reject(&mut self, records: &Records, site: Option<&str>, reason: String) -> Result<(), Stopped> {
        let cells = self.cells(records);
        self.reject_as(records, site, reason, cells)
    }

    /// Gives away a row that cannot be sent. When only some sites are read, a row without a site is
    /// left to those who read all.
    #[cold]
    fn reject_as(
        &mut self,
        records: &Records,
        site: Option<&str>,
        reason: String,
        cells: Option<Cells>,
    ) -> Result<(), Stopped> {
        if site.is_none() && self.start.only.is_some() {
            return Ok(());
        }
        let offset = records.record_offset();
        let line =
            self.lines_before(offset, records).map_or(String::new(), |lines| format!(", line {}", lines + 1));
        let path = self.facts.path.display();
        let row = String::from_utf8_lossy(records.record());
        self.intake.reject(Reject {
            site: site.map(|site| site.trim().to_owned()),
            position: format!("{path}{line}, byte {offset}"),
            identity: format!("{}:{offset}", self.facts.file),
            reason,
            row: row.trim_end_matches(['\r', '\n']).to_owned(),
            cells,
            place: Some(Cursor::File { file: self.facts.file, offset }),
        })?;
        self.ends_here = self.start.only.is_none() && self.intake.is_checkpoint_due();
        Ok(())
    }

    /// The fields of a record as they stand; `None` for one that is not UTF-8.
    fn cells(&self, records: &Records) -> Option<Cells> {
        let (bytes, bounds) = records.fields();
        let text = std::str::from_utf8(bytes).ok()?;
        let columns = self.facts.columns.schema.columns.iter().map(ToString::to_string);
        let values = bounds.iter().map(|(start, end)| text[*start as usize..*end as usize].to_owned());
        Some(Cells { columns: columns.collect(), values: values.collect(), kinds: None, time: None })
    }

    /// Lines before the record at `offset`; counts those before the place where reading began when
    /// they are first asked for.
    fn lines_before(&mut self, offset: u64, records: &Records) -> Option<u64> {
        let lines = records.lines_before();
        if self.facts.lines_before.is_none() && offset <= LINE_COUNT_BYTES_MAX {
            let all = self.count_lines(offset, records)?;
            self.facts.lines_before = Some(all.saturating_sub(lines));
        }
        Some(self.facts.lines_before? + lines)
    }

    fn count_lines(&mut self, offset: u64, records: &Records) -> Option<u64> {
        let mut piece = vec![0; 64 << 10];
        let (mut at, mut lines) = (0, 0);
        while at < offset {
            let read = records.stream().file().read_at(&mut piece, at).ok()? as u64;
            let len = read.min(offset - at);
            if len == 0 {
                return None;
            }
            self.pass.bytes_read += read;
            at += len;
            lines += memchr_iter(b'\n', &piece[..usize::try_from(len).ok()?]).count() as u64;
        }
        Some(lines)
    }
}

/// A row of the right width.
#[derive(Clone, Copy)]
struct Row<'r> {
    records: &'r Records,
    text: &'r str,
    bounds: &'r [(u32, u32)],
}

impl<'r> Row<'r> {
    #[inline]
    fn cell(&self, index: usize) -> &'r str {
        let (start, end) = self.bounds[index];
        &self.text[start as usize..end as usize]
    }
}

/// Reads the time column; neighbours often have the same time. The error says why a row is refused.
#[derive(Debug, Default)]
pub(super) struct Times {
    text: String,
    time: Option<RowTime>,
}

impl Times {
    #[inline]
    fn read(
        &mut self,
        text: &str,
        columns: &Columns,
        shape: &TableShape,
        now: Time,
    ) -> Result<RowTime, String> {
        match self.time {
            Some(time) if self.text == text => Ok(time),
            _ => self.read_anew(text, columns, shape, now),
        }
    }

    fn read_anew(
        &mut self,
        text: &str,
        columns: &Columns,
        shape: &TableShape,
        now: Time,
    ) -> Result<RowTime, String> {
        let trimmed = text.trim();
        if trimmed.is_empty() || columns.is_null(trimmed) {
            return Err(format!("its time, column '{}', is empty; {WRITE_ANEW}", shape.time_column));
        }
        let refused = |error| format!("its time, column '{}': {error}", shape.time_column);
        let time = shape.time.read(trimmed).map_err(refused)?;
        if time.time > shift(now, shape.future_tolerance_s) {
            return Err(format!(
                "its time {} lies in the future; set the logger's clock, or raise `future_tolerance`",
                time.time
            ));
        }
        text.clone_into(&mut self.text);
        self.time = Some(time);
        Ok(time)
    }
}

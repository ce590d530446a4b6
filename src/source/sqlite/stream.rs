//! The rows of a statement, one by one, into the batches of their sites.

use std::sync::Arc;

use livecosmos_state::{Cursor, SiteId, Tie, Time};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::catalogue::Table;
use super::cell::{self, Role};
use super::connection::Halt;
use super::due::{self, ROWS_PER_LOOK};
use super::reading::{REJECTS_OUTSIDE_MAX, Reading};
use crate::rows::Schema;
use crate::source::position::{HeldBack, is_due};
use crate::source::{Cells, Reject, Slot, SourceError, Stopped};

/// Columns of a result before those of the table: the position and the row's number.
const LEADING_COLUMNS: usize = 2;

/// What the rows of a statement are read by.
pub(super) struct Layout<'t> {
    pub(super) table: &'t Table,
    pub(super) schema: Arc<Schema>,
    pub(super) roles: Vec<Role>,
}

/// Where the next row of a site must not lie before.
struct Last {
    slot: Slot,
    cursor: (Time, Tie),
}

impl Reading<'_> {
    /// Gives the rows of a statement; `slots` are the sites' places by position, where it has any.
    pub(super) fn stream(
        &mut self,
        connection: &Connection,
        statement: &str,
        layout: &Layout<'_>,
        slots: Option<&[Slot]>,
    ) -> Result<(), Halt> {
        let mut statement = connection.prepare(statement)?;
        let mut rows = statement.query([])?;
        let mut last: Option<Last> = None;
        while let Some(row) = rows.next()? {
            self.pass.rows_read += 1;
            if self.pass.rows_read.is_multiple_of(ROWS_PER_LOOK) && self.intake.stopped() {
                return Err(Stopped.into());
            }
            let slot = match slots {
                Some(slots) => slots[usize::try_from(row.get::<_, i64>(0)?).unwrap_or(0)],
                None => match self.slot_in_row(row, layout)? {
                    Some(slot) => slot,
                    None => continue,
                },
            };
            if let (Some(_), Some(before)) = (slots, &last)
                && before.slot != slot
            {
                self.batcher.close(before.slot, self.intake)?;
            }
            if let Some(cursor) = self.take(row, layout, slot)? {
                check_order(last.as_ref(), slot, &cursor, layout.table)?;
                last = Some(Last { slot, cursor });
            }
        }
        Ok(())
    }

    /// Finds the place of a row's site; rejects a row without one. `None` where it is not wanted.
    fn slot_in_row(&mut self, row: &Row<'_>, layout: &Layout<'_>) -> Result<Option<Slot>, Halt> {
        match self.site_in_row(row, layout) {
            Ok(site) if self.wants(&site) => self.slot(&site, layout.table).map(Some),
            Ok(_) => Ok(None),
            Err(reason) => self.reject_outside(row, layout, reason).map(|()| None),
        }
    }

    pub(super) fn site_in_row(&self, row: &Row<'_>, layout: &Layout<'_>) -> Result<SiteId, String> {
        let Some(column) = layout.table.site else {
            return self.fixed.cloned().ok_or_else(|| "the table names no site; set site_column".to_owned());
        };
        let stored = row.get_ref(LEADING_COLUMNS + column).map_err(|error| error.to_string())?;
        if stored == ValueRef::Null {
            return Err("the row has no site; give it one".to_owned());
        }
        due::site_id(stored).ok_or_else(|| {
            let mut text = String::new();
            cell::spell(stored, &mut text);
            match SiteId::parse(&text) {
                Err(error) => error.to_string(),
                Ok(_) => format!("site {text} is stored as {}; store it as text", stored.data_type()),
            }
        })
    }

    /// Puts a row into its batch, unless it is not due. Gives its cursor where it was.
    fn take(&mut self, row: &Row<'_>, layout: &Layout<'_>, slot: Slot) -> Result<Option<(Time, Tie)>, Halt> {
        let stored = row.get_ref(layout.time())?;
        let read = self.instants.read(stored);
        if let (ValueRef::Null, Err(reason)) = (stored, &read) {
            return self.reject_outside(row, layout, reason.clone()).map(|()| None);
        }
        let (read, tie) = match read.and_then(|time| Ok((time, layout.tie_in(row)?))) {
            Ok(read) => read,
            Err(reason) => return self.reject(row, layout, reason).map(|()| None),
        };
        let resume = self.batcher.resume(slot);
        if resume.paused || !is_due(resume, read.time, &tie) {
            return Ok(None);
        }
        match self.patience.held_back(read.time) {
            Some(HeldBack::Future) => {
                self.pass.future_rows += 1;
                return Ok(None);
            }
            Some(HeldBack::Unsettled) => {
                self.left_something = true;
                return Ok(None);
            }
            None => {}
        }
        let cursor = Cursor::Row { time: read.time, tie: tie.clone() };
        let rows = self.batcher.begin_row(slot, &layout.schema, &cursor, read.time, self.intake)?;
        let held_bytes = rows.value_bytes();
        for (column, role) in layout.roles.iter().enumerate() {
            let stored = row.get_ref(LEADING_COLUMNS + column)?;
            if let Err(reason) =
                cell::push(rows, *role, stored, self.shape, &mut self.scratch, &mut self.infinities)
            {
                rows.abandon_row();
                return self.reject(row, layout, reason.to_owned()).map(|()| None);
            }
        }
        self.pass.bytes_read += (rows.value_bytes() - held_bytes) as u64;
        self.batcher.end_row(slot, read, cursor);
        Ok(Some((read.time, tie)))
    }

    /// Rejects a row without a time or a site: no cursor ever passes it, so that one beyond the limit
    /// is met again by a later pass.
    pub(super) fn reject_outside(
        &mut self,
        row: &Row<'_>,
        layout: &Layout<'_>,
        reason: String,
    ) -> Result<(), Halt> {
        if self.rejects_outside == REJECTS_OUTSIDE_MAX {
            self.pass.notices.push(format!(
                "more than {REJECTS_OUTSIDE_MAX} rows of table {} have no time or no site; mend those in quarantine \
                 to see the others",
                layout.table.name
            ));
        }
        self.rejects_outside = self.rejects_outside.saturating_add(1);
        if self.rejects_outside > REJECTS_OUTSIDE_MAX {
            return Ok(());
        }
        self.reject(row, layout, reason)
    }

    /// Rejects a row that the cursor may pass: it is never left out.
    fn reject(&mut self, row: &Row<'_>, layout: &Layout<'_>, reason: String) -> Result<(), Halt> {
        let mut cells = Cells { kinds: Some(String::new()), ..Cells::default() };
        let mut is_whole = true;
        for (column, name) in layout.schema.columns.iter().enumerate() {
            let stored = row.get_ref(LEADING_COLUMNS + column)?;
            is_whole &= !matches!(stored, ValueRef::Text(bytes) if std::str::from_utf8(bytes).is_err());
            cells.push(name, |text| cell::spell(stored, text));
        }
        let text = cells.values.join(",");
        let name = &layout.table.name;
        let (position, identity) = match row.get::<_, Option<i64>>(1)? {
            Some(row_id) => (format!("table {name}, rowid {row_id}"), format!("{name}:{row_id}")),
            None => (format!("table {name}"), format!("{name}:{text}")),
        };
        let site = self.site_in_row(row, layout).ok().map(|site| site.to_string());
        let cells = Some(cells).filter(|_| is_whole);
        Ok(self.intake.reject(Reject { site, position, identity, reason, row: text, cells, place: None })?)
    }
}

impl Layout<'_> {
    /// Where the time stands in a result.
    pub(super) fn time(&self) -> usize {
        LEADING_COLUMNS + self.table.time
    }

    fn tie_in(&self, row: &Row<'_>) -> Result<Tie, String> {
        let Some(column) = self.table.tie else { return Ok(Tie::None) };
        let stored = row.get_ref(LEADING_COLUMNS + column).map_err(|error| error.to_string())?;
        let name = &self.table.columns[column];
        match stored {
            ValueRef::Integer(number) => Ok(Tie::Integer(number)),
            ValueRef::Text(bytes) => std::str::from_utf8(bytes)
                .map(|text| Tie::Text(text.to_owned()))
                .map_err(|_| format!("the tie in {name} is not UTF-8; store it as UTF-8")),
            ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => {
                Err(format!("the tie in {name} is {}; store an integer or a text", stored.data_type()))
            }
        }
    }
}

/// Holds `SQLite` to the order it was asked for: an index that is damaged gives another.
fn check_order(last: Option<&Last>, slot: Slot, cursor: &(Time, Tie), table: &Table) -> Result<(), Halt> {
    if last.is_none_or(|last| last.slot != slot || last.cursor <= *cursor) {
        return Ok(());
    }
    Err(Halt::Source(SourceError::Unavailable(format!(
        "rows of table {} come out of order at {}; run REINDEX on the database",
        table.name, cursor.0
    ))))
}

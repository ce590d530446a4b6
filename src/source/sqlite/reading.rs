//! One pass over the table.

use std::collections::BTreeSet;
use std::sync::Arc;

use livecosmos_state::{Cursor, SiteId, Tie, Time};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row};

use super::catalogue::{Lookup, Table};
use super::cell::{self, Role};
use super::connection::Halt;
use super::due::{self, Due, ROWS_PER_LOOK, Survey};
use super::instant::{InstantReader, Storage};
use super::position::{is_due, lowest_time, needs_tie};
use super::sql::{self, Statements};
use crate::clock;
use crate::rows::Schema;
use crate::source::{Batcher, Intake, Pass, Reject, Slot, SourceError, Start, Stopped, TableShape};

/// Rejected rows given in one pass, of each kind; the others come when these are mended.
const REJECTS_MAX: u32 = 1_000;
/// Columns of a result before those of the table: the position and the row's number.
const LEADING_COLUMNS: usize = 2;

/// A pass that is being made.
pub(super) struct Reading<'a> {
    shape: &'a TableShape,
    fixed: Option<&'a SiteId>,
    instants: &'a InstantReader,
    start: &'a Start,
    intake: &'a mut dyn Intake,
    batcher: Batcher,
    pass: Pass,
    /// Something is left that another pass finds without any change of the database.
    left_something: bool,
    rejects: u32,
    infinities: u64,
    scratch: String,
}

/// What the rows of a statement are read by.
struct Layout<'t> {
    table: &'t Table,
    schema: Arc<Schema>,
    roles: Vec<Role>,
}

/// Where the next row of a site must not lie before.
struct Last {
    slot: Slot,
    cursor: (Time, Tie),
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        shape: &'a TableShape,
        fixed: Option<&'a SiteId>,
        instants: &'a InstantReader,
        start: &'a Start,
        intake: &'a mut dyn Intake,
    ) -> Self {
        Self {
            shape,
            fixed,
            instants,
            start,
            intake,
            batcher: Batcher::new(shape.limits),
            pass: Pass::default(),
            left_something: false,
            rejects: 0,
            infinities: 0,
            scratch: String::new(),
        }
    }

    pub(super) fn start(&self) -> &'a Start {
        self.start
    }

    /// Reads what is due in the snapshot of `connection`. Tells, too, whether something was left
    /// that another pass finds without any change of the database.
    pub(super) fn run(mut self, connection: &Connection) -> Result<(Pass, bool), Halt> {
        let table = Table::find(connection, self.shape)?;
        let layout = self.layout(&table);
        let statements = Statements::new(&table);
        if table.lookup == Lookup::Scan {
            self.scan(connection, &statements, &layout)?;
        } else {
            self.seek(connection, &statements, &layout)?;
        }
        self.batcher.close_all(self.intake)?;
        if self.infinities > 0 {
            self.pass.notices.push(format!("table {} holds infinite numbers; they are sent as null", table.name));
        }
        let left_something = self.left_something || self.pass.future_rows > 0;
        Ok((self.pass, left_something))
    }

    fn layout<'t>(&self, table: &'t Table) -> Layout<'t> {
        let columns: Box<[Box<str>]> = table.columns.iter().map(|name| name.as_str().into()).collect();
        let roles = cell::roles(&columns, table.time, table.site, &self.shape.text_columns);
        Layout { table, schema: Arc::new(Schema { columns, time: table.time, site: table.site }), roles }
    }

    fn wants(&self, site: &SiteId) -> bool {
        let is_in = |sites: &Option<BTreeSet<SiteId>>| sites.as_ref().is_none_or(|sites| sites.contains(site));
        is_in(&self.shape.sites) && is_in(&self.start.only)
    }

    /// The place of a site's batch, having asked where the site stands.
    fn slot(&mut self, site: &SiteId, table: &Table) -> Result<Slot, Halt> {
        let slot = self.batcher.slot(site, self.intake)?;
        let resume = self.batcher.resume(slot);
        self.left_something |= resume.paused;
        if table.tie.is_none() && needs_tie(resume) {
            return Err(Halt::Source(SourceError::Config(format!(
                "site {site} stands at {} between rows of one time; set tie_column again, as it was",
                resume.cursor
            ))));
        }
        Ok(slot)
    }

    // --- with an index: site by site -------------------------------------------------------------

    fn seek(&mut self, connection: &Connection, statements: &Statements<'_>, layout: &Layout<'_>) -> Result<(), Halt> {
        let mut due = self.take_stock(connection, statements, layout.table)?;
        due::publish(connection, due.iter().enumerate().map(|(at, due)| (at, &due.stored, &due.bound)))?;
        if let Some(siteless) = statements.siteless() {
            self.reject_all(connection, &siteless, layout)?;
        }
        self.reject_all(connection, &statements.timeless(), layout)?;
        let is_stopped = || self.intake.stopped();
        let survey = Survey::make(connection, statements, &due, self.instants, &is_stopped)?.ok_or(Stopped)?;
        let as_stored = survey.is_ordered();
        if as_stored {
            let has_rows = survey.narrow(&mut due);
            let with_rows = due.iter().enumerate().filter(|(at, _)| has_rows[*at]);
            due::publish(connection, with_rows.map(|(at, due)| (at, &due.stored, &due.bound)))?;
        } else {
            self.pass.notices.push(format!(
                "the times in table {} are spelled in several ways and do not sort as they follow each other; what \
                 is due is sorted in each pass",
                layout.table.name
            ));
        }
        let slots: Vec<Slot> = due.iter().map(|due| due.slot).collect();
        self.stream(connection, &statements.rows(as_stored), layout, Some(&slots))
    }

    /// Lists the sites of the table and asks where each stands.
    fn take_stock(
        &mut self,
        connection: &Connection,
        statements: &Statements<'_>,
        table: &Table,
    ) -> Result<Vec<Due>, Halt> {
        connection.execute(sql::CLEAR_REFUSED, [])?;
        let mut refuse = connection.prepare(sql::INSERT_REFUSED)?;
        refuse.execute([Value::Null])?;
        let mut seen = BTreeSet::new();
        let mut due = Vec::new();
        for listed in due::list(connection, statements)? {
            let site = self.fixed.cloned().or_else(|| due::site_id((&listed.stored).into()));
            let Some(site) = site.filter(|site| seen.insert(site.clone())) else {
                refuse.execute([&listed.stored])?;
                continue;
            };
            if !self.wants(&site) {
                continue;
            }
            let slot = self.slot(&site, table)?;
            let resume = self.batcher.resume(slot).clone();
            if !resume.paused {
                let storage = listed.storage.unwrap_or(Storage::Mixed);
                let bound = self.instants.lower_bound(storage, lowest_time(&resume));
                due.push(Due { slot, resume, stored: listed.stored, bound });
            }
        }
        Ok(due)
    }

    /// Rejects the rows of a statement that has a limit.
    fn reject_all(&mut self, connection: &Connection, statement: &str, layout: &Layout<'_>) -> Result<(), Halt> {
        let mut statement = connection.prepare(statement)?;
        let mut rows = statement.query([REJECTS_MAX])?;
        while let Some(row) = rows.next()? {
            let reason = match self.site_in_row(row, layout) {
                Err(reason) => reason,
                Ok(_) if row.get_ref(layout.time())? == ValueRef::Null => self.no_time(),
                Ok(site) => format!("site {site} is stored as text and as number; store it in one way"),
            };
            self.reject(row, layout, reason)?;
        }
        Ok(())
    }

    fn no_time(&self) -> String {
        self.instants.read(ValueRef::Null).err().unwrap_or_default()
    }

    // --- without one: every row ------------------------------------------------------------------

    fn scan(&mut self, connection: &Connection, statements: &Statements<'_>, layout: &Layout<'_>) -> Result<(), Halt> {
        let table = layout.table;
        self.pass.notices.push(format!(
            "table {} has no index by which new rows are found, so each pass reads all of it; make one: {}",
            table.name,
            table.index_advice()
        ));
        let storage = connection.query_row(&statements.storage(), [], |row| {
            let (first, last): (String, String) = (row.get(0)?, row.get(1)?);
            Ok(Storage::between(&first, &last))
        })?;
        let sites: Vec<&SiteId> = self.fixed.map_or_else(|| self.start.known.iter().collect(), |site| vec![site]);
        let mut positions = Vec::new();
        for site in sites {
            positions.push((Value::Text(site.to_string()), self.scan_bound(site, storage, table)?));
        }
        due::publish(connection, positions.iter().enumerate().map(|(at, (stored, bound))| (at, stored, bound)))?;
        self.stream(connection, &statements.all_rows(), layout, None)
    }

    /// Where rows of a known site begin to be looked at; null where none are wanted.
    fn scan_bound(&mut self, site: &SiteId, storage: Storage, table: &Table) -> Result<Value, Halt> {
        if !self.wants(site) {
            return Ok(Value::Null);
        }
        let slot = self.slot(site, table)?;
        let resume = self.batcher.resume(slot);
        let bound = || self.instants.lower_bound(storage, lowest_time(resume));
        Ok(if resume.paused { Value::Null } else { bound() })
    }

    // --- rows ------------------------------------------------------------------------------------

    /// Gives the rows of a statement; `slots` are the sites' places by position, where it has any.
    fn stream(
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
            Err(reason) => self.reject(row, layout, reason).map(|()| None),
        }
    }

    fn site_in_row(&self, row: &Row<'_>, layout: &Layout<'_>) -> Result<SiteId, String> {
        let Some(column) = layout.table.site else {
            return self.fixed.cloned().ok_or_else(|| "the table names no site; set site_column".to_owned());
        };
        let stored = row.get_ref(LEADING_COLUMNS + column).map_err(|error| error.to_string())?;
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
        let read = self.instants.read(row.get_ref(layout.time())?);
        let (time, tie) = match read.and_then(|time| Ok((time, layout.tie_in(row)?))) {
            Ok(read) => read,
            Err(reason) => return self.reject(row, layout, reason).map(|()| None),
        };
        let resume = self.batcher.resume(slot);
        if resume.paused || !is_due(resume, time.time, &tie) {
            return Ok(None);
        }
        if time.time > clock::shift(self.start.now, self.shape.future_tolerance_s) {
            self.pass.future_rows += 1;
            return Ok(None);
        }
        let cursor = Cursor::Row { time: time.time, tie: tie.clone() };
        let rows = self.batcher.begin_row(slot, &layout.schema, &cursor, self.intake)?;
        let held_bytes = rows.value_bytes();
        for (column, role) in layout.roles.iter().enumerate() {
            let stored = row.get_ref(LEADING_COLUMNS + column)?;
            if let Err(reason) = cell::push(rows, *role, stored, self.shape, &mut self.scratch, &mut self.infinities) {
                rows.abandon_row();
                return self.reject(row, layout, reason.to_owned()).map(|()| None);
            }
        }
        self.pass.bytes_read += (rows.value_bytes() - held_bytes) as u64;
        self.batcher.end_row(slot, time, cursor);
        Ok(Some((time.time, tie)))
    }

    fn reject(&mut self, row: &Row<'_>, layout: &Layout<'_>, reason: String) -> Result<(), Halt> {
        if self.rejects == REJECTS_MAX {
            self.pass.notices.push(format!(
                "more than {REJECTS_MAX} rows of table {} cannot be sent; mend those in quarantine to see the others",
                layout.table.name
            ));
        }
        self.rejects = self.rejects.saturating_add(1);
        if self.rejects > REJECTS_MAX {
            return Ok(());
        }
        let mut text = String::new();
        for column in 0..layout.roles.len() {
            text.push_str(if column > 0 { "," } else { "" });
            cell::spell(row.get_ref(LEADING_COLUMNS + column)?, &mut text);
        }
        let name = &layout.table.name;
        let (position, identity) = match row.get::<_, Option<i64>>(1)? {
            Some(row_id) => (format!("table {name}, rowid {row_id}"), format!("{name}:{row_id}")),
            None => (format!("table {name}"), format!("{name}:{text}")),
        };
        let site = self.site_in_row(row, layout).ok().map(|site| site.to_string());
        Ok(self.intake.reject(Reject { site, position, identity, reason, row: text })?)
    }
}

impl Layout<'_> {
    /// Where the time stands in a result.
    fn time(&self) -> usize {
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

/// Holds SQLite to the order it was asked for: an index that is damaged gives another.
fn check_order(last: Option<&Last>, slot: Slot, cursor: &(Time, Tie), table: &Table) -> Result<(), Halt> {
    if last.is_none_or(|last| last.slot != slot || last.cursor <= *cursor) {
        return Ok(());
    }
    Err(Halt::Source(SourceError::Unavailable(format!(
        "rows of table {} come out of order at {}; run REINDEX on the database",
        table.name, cursor.0
    ))))
}

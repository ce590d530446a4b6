//! One pass over the table.

use std::collections::BTreeSet;
use std::sync::Arc;

use livecosmos_state::SiteId;
use rusqlite::Connection;
use rusqlite::types::{Value, ValueRef};

use super::catalogue::{Lookup, Table};
use super::cell;
use super::connection::Halt;
use super::due::{self, Due, Range, Survey};
use super::instant::{InstantReader, Storage};
use super::sql::{self, Statements};
use super::stream::Layout;
use crate::source::position::{Patience, needs_tie};
use crate::source::{Batcher, Intake, Pass, Slot, SourceError, Start, Stopped, TableShape};

/// Rows without a time or a site that are rejected in one pass; the others come when these are mended.
pub(super) const REJECTS_OUTSIDE_MAX: u32 = 1_000;

/// A pass that is being made.
pub(super) struct Reading<'a> {
    pub(super) shape: &'a TableShape,
    pub(super) fixed: Option<&'a SiteId>,
    pub(super) instants: &'a InstantReader,
    pub(super) start: &'a Start,
    pub(super) intake: &'a mut dyn Intake,
    pub(super) batcher: Batcher,
    pub(super) patience: Patience,
    pub(super) pass: Pass,
    /// Something is left that another pass finds without any change of the database.
    pub(super) left_something: bool,
    /// Rows without a time or a site so far.
    pub(super) rejects_outside: u32,
    pub(super) infinities: u64,
    pub(super) scratch: String,
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
            patience: Patience::of(shape, start),
            pass: Pass::default(),
            left_something: false,
            rejects_outside: 0,
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
        let statements = Statements::new(&table, self.start.is_bounded);
        if table.lookup == Lookup::Scan {
            self.scan(connection, &statements, &layout)?;
        } else {
            self.seek(connection, &statements, &layout)?;
        }
        self.batcher.close_all(false, self.intake)?;
        if self.infinities > 0 {
            self.pass
                .notices
                .push(format!("table {} holds infinite numbers; they are sent as null", table.name));
        }
        let left_something = self.left_something || self.pass.future_rows > 0;
        Ok((self.pass, left_something))
    }

    fn layout<'t>(&self, table: &'t Table) -> Layout<'t> {
        let columns: Box<[Box<str>]> = table.columns.iter().map(|name| name.as_str().into()).collect();
        let roles = cell::roles(&columns, table.time, table.site, &self.shape.text_columns);
        let known = table.columns.iter().map(String::as_str).zip(table.types.iter().copied());
        Layout { table, schema: Arc::new(self.shape.schema(known, table.time, table.site)), roles }
    }

    pub(super) fn wants(&self, site: &SiteId) -> bool {
        let is_in =
            |sites: &Option<BTreeSet<SiteId>>| sites.as_ref().is_none_or(|sites| sites.contains(site));
        is_in(&self.shape.sites) && is_in(&self.start.only)
    }

    /// The place of a site's batch, having asked where the site stands.
    pub(super) fn slot(&mut self, site: &SiteId, table: &Table) -> Result<Slot, Halt> {
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

    fn seek(
        &mut self,
        connection: &Connection,
        statements: &Statements<'_>,
        layout: &Layout<'_>,
    ) -> Result<(), Halt> {
        let mut due = self.take_stock(connection, statements, layout.table)?;
        due::publish(connection, due.iter().enumerate().map(|(at, due)| (at, &due.stored, &due.range)))?;
        if let Some(siteless) = statements.siteless() {
            self.reject_all(connection, &siteless, layout)?;
        }
        self.reject_all(connection, &statements.timeless(), layout)?;
        let is_stopped = || self.intake.stopped();
        let survey =
            Survey::make(connection, statements, &due, self.instants, &is_stopped)?.ok_or(Stopped)?;
        let as_stored = survey.is_ordered();
        if as_stored {
            let has_rows = survey.narrow(&mut due);
            let with_rows = due.iter().enumerate().filter(|(at, _)| has_rows[*at]);
            due::publish(connection, with_rows.map(|(at, due)| (at, &due.stored, &due.range)))?;
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
                let newest = self.instants.read((&listed.last).into()).ok();
                self.batcher
                    .set_newest(slot, newest.and_then(|newest| self.patience.newest_due(newest.time)));
                let range = Range::of(&resume, storage, self.instants);
                due.push(Due { slot, resume, stored: listed.stored, range });
            }
        }
        Ok(due)
    }

    /// Rejects the rows of a statement that has a limit.
    fn reject_all(
        &mut self,
        connection: &Connection,
        statement: &str,
        layout: &Layout<'_>,
    ) -> Result<(), Halt> {
        let mut statement = connection.prepare(statement)?;
        // One more than the limit, so that it is said when there are more.
        let mut rows = statement.query([REJECTS_OUTSIDE_MAX.saturating_add(1)])?;
        while let Some(row) = rows.next()? {
            let reason = match self.site_in_row(row, layout) {
                Err(reason) => reason,
                Ok(_) if row.get_ref(layout.time())? == ValueRef::Null => self.no_time(),
                Ok(site) => format!("site {site} is stored as text and as number; store it in one way"),
            };
            self.reject_outside(row, layout, reason)?;
        }
        Ok(())
    }

    fn no_time(&self) -> String {
        self.instants.read(ValueRef::Null).err().unwrap_or_default()
    }

    fn scan(
        &mut self,
        connection: &Connection,
        statements: &Statements<'_>,
        layout: &Layout<'_>,
    ) -> Result<(), Halt> {
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
        let sites: Vec<&SiteId> =
            self.fixed.map_or_else(|| self.start.known.iter().collect(), |site| vec![site]);
        let mut positions = Vec::new();
        for site in sites {
            positions.push((Value::Text(site.to_string()), self.scan_range(site, storage, table)?));
        }
        due::publish(
            connection,
            positions.iter().enumerate().map(|(at, (stored, range))| (at, stored, range)),
        )?;
        self.stream(connection, &statements.all_rows(), layout, None)
    }

    /// Where rows of a known site begin to be looked at; null where none are wanted.
    fn scan_range(&mut self, site: &SiteId, storage: Storage, table: &Table) -> Result<Range, Halt> {
        let nowhere = Range { bound: Value::Null, upper: Value::Null };
        if !self.wants(site) {
            return Ok(nowhere);
        }
        let slot = self.slot(site, table)?;
        let resume = self.batcher.resume(slot);
        Ok(if resume.paused { nowhere } else { Range::of(resume, storage, self.instants) })
    }
}

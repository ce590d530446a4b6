//! One pass over a table in a server.

use std::collections::BTreeSet;
use std::sync::Arc;

use livecosmos_state::{Cursor, SiteId, Tie, Time};

use super::catalogue::Lookup;
use super::{Fault, Halt, Link, Listed, Listing, Moment, Record, Table};
use crate::rows::Kind;
use crate::rows::{RowTime, Schema};
use crate::source::position::{HeldBack, Patience, is_due, lowest_time, needs_tie};
use crate::source::{
    Batcher, Cells, Intake, Pass, Reject, Resume, Slot, SourceError, Start, Stopped, TableShape,
};

/// Rows without a time or a site that are rejected in one pass; the others come when these are mended.
pub(super) const REJECTS_OUTSIDE_MAX: u32 = 1_000;
/// Rows between two looks at whether the pass is to stop.
const ROWS_PER_LOOK: u64 = 1_024;

/// A site with rows that may be due.
#[derive(Debug)]
pub(in crate::source) struct Wanted {
    /// Its id, as the table has it; the configured one where the table is one site's.
    pub(in crate::source) site: String,
    /// Where it stands.
    pub(in crate::source) resume: Resume,
    slot: Slot,
}

/// A pass that is being made.
pub(super) struct Reading<'a> {
    shape: &'a TableShape,
    fixed: Option<&'a SiteId>,
    start: &'a Start,
    intake: &'a mut dyn Intake,
    batcher: Batcher,
    patience: Patience,
    pass: Pass,
    /// The last row of each wanted site that was given.
    last: Vec<Option<(Time, Tie)>>,
    /// Whose row came last.
    current: Option<usize>,
    rejects_outside: u32,
    odd_numbers: u64,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        shape: &'a TableShape,
        fixed: Option<&'a SiteId>,
        start: &'a Start,
        intake: &'a mut dyn Intake,
    ) -> Self {
        Self {
            shape,
            fixed,
            start,
            intake,
            batcher: Batcher::new(shape.limits),
            patience: Patience::of(shape, start),
            pass: Pass::default(),
            last: Vec::new(),
            current: None,
            rejects_outside: 0,
            odd_numbers: 0,
        }
    }

    /// Reads what is due of the sites that are listed. `table` is looked at again before rows are read.
    pub(super) fn run(
        mut self,
        link: &mut dyn Link,
        table: &mut Table,
        listing: Listing,
    ) -> Result<Pass, Halt> {
        self.pass.notices.extend(table.advice());
        let Stock { wanted, refused, undated, has_siteless } = self.take_stock(listing.sites, table)?;
        let has_strays = has_siteless || !refused.is_empty() || !undated.is_empty();
        if !listing.is_fresh && (has_strays || !wanted.is_empty()) {
            let now = link.table(self.shape)?;
            self.pass.notices.extend(table.change_to(&now));
            *table = now;
        }
        let schema = schema_of(table);
        if has_strays {
            let take = &mut |record: &Record| self.reject_stray(record, table);
            link.strays(table, &refused, &undated, REJECTS_OUTSIDE_MAX + 1, take)?;
        }
        if !wanted.is_empty() {
            self.last = vec![None; wanted.len()];
            link.rows(table, &wanted, &mut |record| self.take(record, table, &schema, &wanted))?;
        }
        self.batcher.close_all(false, self.intake)?;
        if self.odd_numbers > 0 {
            let name = &table.name;
            self.pass.notices.push(format!(
                "table {name} holds NaN or infinite numbers; they are sent as null: name their columns under \
                 [columns] as \"text\" to send them as texts"
            ));
        }
        Ok(self.pass)
    }

    /// Asks where the listed sites stand.
    fn take_stock(&mut self, listed: Vec<Listed>, table: &Table) -> Result<Stock, Halt> {
        let mut stock = Stock::default();
        let listed = table.sites.spelled_out(listed, &self.known_sites(table));
        for Listed { site: stored, newest, newest_tie, has_undated } in listed {
            let site = match (&stored, self.fixed) {
                (_, Some(site)) => Ok(site.clone()),
                (Some(stored), None) => SiteId::parse(stored),
                (None, None) => {
                    stock.has_siteless = true;
                    continue;
                }
            };
            let stored = stored.unwrap_or_default();
            let Ok(site) = site else {
                stock.refused.push(stored);
                continue;
            };
            if !self.wants(&site) {
                continue;
            }
            if has_undated {
                stock.undated.push(stored.clone());
            }
            let slot = self.slot(&site, table)?;
            let resume = self.batcher.resume(slot).clone();
            let newest_due = newest.and_then(|newest| self.patience.newest_due(newest));
            self.batcher.set_newest(slot, newest_due);
            if !resume.paused && may_have_rows(&resume, newest, newest_tie.as_ref()) {
                stock.wanted.push(Wanted { site: stored, resume, slot });
            }
        }
        Ok(stock)
    }

    /// The sites that the state or the configuration knows, where one may be listed for another.
    fn known_sites(&self, table: &Table) -> BTreeSet<SiteId> {
        let known = self.start.known.iter().chain(self.shape.sites.iter().flatten());
        known.filter(|_| table.sites.is_loose()).cloned().collect()
    }

    fn wants(&self, site: &SiteId) -> bool {
        let is_in =
            |sites: &Option<BTreeSet<SiteId>>| sites.as_ref().is_none_or(|sites| sites.contains(site));
        is_in(&self.shape.sites) && is_in(&self.start.only)
    }

    /// The place of a site's batch, having asked where the site stands.
    fn slot(&mut self, site: &SiteId, table: &Table) -> Result<Slot, Halt> {
        let slot = self.batcher.slot(site, self.intake)?;
        let resume = self.batcher.resume(slot);
        if table.tie.is_none() && needs_tie(resume) {
            return Err(Halt::Fault(Fault::config(format!(
                "site {site} stands at {} between rows of one time; set tie_column again, as it was",
                resume.cursor
            ))));
        }
        Ok(slot)
    }

    /// Puts a row into its site's batch, unless it is not due.
    fn take(
        &mut self,
        record: &Record,
        table: &Table,
        schema: &Arc<Schema>,
        wanted: &[Wanted],
    ) -> Result<(), Halt> {
        self.pass.rows_read += 1;
        if self.pass.rows_read.is_multiple_of(ROWS_PER_LOOK) && self.intake.stopped() {
            return Err(Stopped.into());
        }
        let Some((position, site)) = record.position.and_then(|at| Some((at, wanted.get(at)?))) else {
            if table.sites.is_loose() {
                return self.reject(record, table, equal_to_another(record, table));
            }
            return Err(Halt::Source(SourceError::Unavailable(format!(
                "table {}: the server sent a row that was not asked for; it is tried again",
                table.name
            ))));
        };
        self.close_before(position, table, wanted)?;
        let time = match &record.moment {
            Moment::At(time) => *time,
            Moment::Outside(reason) => return self.reject_outside(record, table, reason.clone()),
            Moment::Unreadable(reason) => return self.reject(record, table, reason.clone()),
        };
        let tie = match &record.tie {
            Ok(tie) => tie.clone(),
            Err(reason) => return self.reject(record, table, reason.clone()),
        };
        if !is_due(&site.resume, time.time, &tie) {
            return Ok(());
        }
        match self.patience.held_back(time.time) {
            Some(HeldBack::Future) => {
                self.pass.future_rows += 1;
                return Ok(());
            }
            Some(HeldBack::Unsettled) => return Ok(()),
            None => {}
        }
        if let Some(reason) = self.obstacle(record, table, site, &(time.time, tie.clone()), position) {
            return self.reject(record, table, reason);
        }
        self.give(record, schema, site.slot, time, &tie)?;
        self.last[position] = Some((time.time, tie));
        Ok(())
    }

    /// Where sites follow each other, the batch of the one before is complete.
    fn close_before(&mut self, position: usize, table: &Table, wanted: &[Wanted]) -> Result<(), Halt> {
        if self.current == Some(position) {
            return Ok(());
        }
        let before = self.current.replace(position).filter(|_| table.lookup == Lookup::BySite);
        Ok(before.map_or(Ok(()), |before| self.batcher.close(wanted[before].slot, self.intake))?)
    }

    /// Why a row that is due cannot be sent.
    fn obstacle(
        &self,
        record: &Record,
        table: &Table,
        site: &Wanted,
        cursor: &(Time, Tie),
        position: usize,
    ) -> Option<String> {
        let stored = table.site.map(|at| record.cell(at).1);
        if let Some(stored) = stored.filter(|stored| *stored != site.site) {
            return Some(format!(
                "its site '{stored}' counts as equal to '{}' in the database and is another; spell it in one way",
                site.site
            ));
        }
        if self.last[position].as_ref().is_some_and(|last| last > cursor) {
            return Some(format!(
                "its time {} sorts behind a later one: the declared zone's clock does not show it; mend the time, \
                 or set `timezone` and `fold`",
                record.shown_time()
            ));
        }
        record.fault().map(str::to_owned)
    }

    fn give(
        &mut self,
        record: &Record,
        schema: &Arc<Schema>,
        slot: Slot,
        time: RowTime,
        tie: &Tie,
    ) -> Result<(), Halt> {
        let cursor = Cursor::Row { time: time.time, tie: tie.clone() };
        let rows = self.batcher.begin_row(slot, schema, &cursor, time.time, self.intake)?;
        record.push_to(rows);
        self.batcher.end_row(slot, time, cursor);
        self.pass.bytes_read += record.bytes() as u64;
        self.odd_numbers += record.odd_numbers();
        Ok(())
    }

    /// Rejects a row whose site or time is none.
    fn reject_stray(&mut self, record: &Record, table: &Table) -> Result<(), Halt> {
        let reason = match (site_in(record, table, self.fixed), &record.moment) {
            (Err(reason), _) => reason,
            (Ok(_), Moment::Outside(reason) | Moment::Unreadable(reason)) => reason.clone(),
            (Ok(site), Moment::At(_))
                if table.sites.is_loose() && !self.known_sites(table).contains(&site) =>
            {
                equal_to_another(record, table)
            }
            (Ok(_), Moment::At(_)) => return Ok(()),
        };
        self.reject_outside(record, table, reason)
    }

    /// Rejects a row without a time or a site: no cursor ever passes it, so that one beyond the limit
    /// is met again by a later pass.
    fn reject_outside(&mut self, record: &Record, table: &Table, reason: String) -> Result<(), Halt> {
        if self.rejects_outside == REJECTS_OUTSIDE_MAX {
            self.pass.notices.push(format!(
                "more than {REJECTS_OUTSIDE_MAX} rows of table {} have no time or no site; mend those in quarantine \
                 to see the others",
                table.name
            ));
        }
        self.rejects_outside = self.rejects_outside.saturating_add(1);
        if self.rejects_outside > REJECTS_OUTSIDE_MAX {
            return Ok(());
        }
        self.reject(record, table, reason)
    }

    /// Rejects a row that the cursor may pass: it is never left out.
    fn reject(&mut self, record: &Record, table: &Table, reason: String) -> Result<(), Halt> {
        let time = record.shown_time();
        let mut cells = Cells { kinds: Some(String::new()), ..Cells::default() };
        for (at, column) in table.columns.iter().enumerate() {
            let (kind, text) = match at {
                _ if at == table.time && time.is_empty() => (Kind::Null, ""),
                _ if at == table.time => (Kind::Text, &*time),
                _ => record.cell(at),
            };
            cells.push(&column.name, |spelled| {
                spelled.push_str(text);
                kind
            });
        }
        let name = &table.name;
        let key: Vec<String> =
            table.key.iter().map(|at| format!("{} {}", cells.columns[*at], cells.values[*at])).collect();
        let position = std::iter::once(format!("table {name}")).chain(key).collect::<Vec<_>>().join(", ");
        let row = cells.values.join(",");
        let identity = format!("{name}:{row}");
        let site = site_in(record, table, self.fixed).ok().map(|site| site.to_string());
        let cells = Some(cells).filter(|_| record.fault().is_none());
        Ok(self.intake.reject(Reject { site, position, identity, reason, row, cells, place: None })?)
    }
}

/// What a pass has to do.
#[derive(Default)]
struct Stock {
    /// Sites with rows that may be due.
    wanted: Vec<Wanted>,
    /// Values of the site column that are no site.
    refused: Vec<String>,
    /// Sites with rows that have no time.
    undated: Vec<String>,
    /// There are rows without a site.
    has_siteless: bool,
}

fn equal_to_another(record: &Record, table: &Table) -> String {
    let stored = table.site.map_or("", |at| record.cell(at).1);
    format!("its site '{stored}' counts as equal to another in the database; spell it in one way")
}

fn schema_of(table: &Table) -> Arc<Schema> {
    let columns = table.columns.iter().map(|column| column.name.as_str().into()).collect();
    Arc::new(Schema { columns, time: table.time, site: table.site })
}

/// Whether a site whose newest time and tie these are may have rows that are due.
fn may_have_rows(resume: &Resume, newest: Option<Time>, newest_tie: Option<&Tie>) -> bool {
    newest.is_some_and(|newest| match (&resume.cursor, newest_tie) {
        (Cursor::Row { time, tie }, Some(newest_tie)) if *tie != Tie::None => {
            (newest, newest_tie) > (*time, tie)
        }
        _ => lowest_time(resume)
            .is_none_or(|lowest| newest > lowest || (newest == lowest && needs_tie(resume))),
    })
}

fn site_in(record: &Record, table: &Table, fixed: Option<&SiteId>) -> Result<SiteId, String> {
    let Some(column) = table.site else {
        return fixed.cloned().ok_or_else(|| "the table names no site; set site_column".to_owned());
    };
    match record.cell(column) {
        (Kind::Null, _) => Err("the row has no site; give it one".to_owned()),
        (_, text) => SiteId::parse(text).map_err(|error| error.to_string()),
    }
}

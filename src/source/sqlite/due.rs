//! Where the sites stand when a pass begins, in the order of their positions in the statements.

use livecosmos_state::{SiteId, Tie, Time};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params};

use super::connection::Halt;
use super::instant::{InstantReader, Storage};
use super::sql::{self, Statements};
use crate::source::position::{highest_time, is_due, lowest_time, needs_tie};
use crate::source::{Resume, Slot};

/// Rows between two looks at whether the pass is to stop.
pub(super) const ROWS_PER_LOOK: u64 = 1_024;

/// A site with rows that may be due.
#[derive(Debug)]
pub(super) struct Due {
    /// Its place among the batches.
    pub(super) slot: Slot,
    /// Where it stands.
    pub(super) resume: Resume,
    /// Its id as stored.
    pub(super) stored: Value,
    /// No row that is due sorts outside of these stored times.
    pub(super) range: Range,
}

/// The stored times among which rows that are due are found.
#[derive(Debug, Clone)]
pub(super) struct Range {
    /// None sorts before it.
    pub(super) bound: Value,
    /// None sorts behind it; null in a pass that has no upper bounds.
    pub(super) upper: Value,
}

impl Range {
    /// Where rows are found that are due behind `resume`.
    pub(super) fn of(resume: &Resume, storage: Storage, instants: &InstantReader) -> Self {
        let upper = match resume.bounds {
            Some(_) => instants.upper_bound(storage, highest_time(resume)),
            None => Value::Null,
        };
        Self { bound: instants.lower_bound(storage, lowest_time(resume)), upper }
    }
}

/// What an index knows of one site.
#[derive(Debug)]
pub(super) struct Listed {
    /// The stored id; null where the table is one site's.
    pub(super) stored: Value,
    /// Of what kind its times are; `None` where it has none.
    pub(super) storage: Option<Storage>,
    /// The last of its times, by `SQLite`'s order.
    pub(super) last: Value,
}

/// Every site of the table, by leaps through the index.
pub(super) fn list(connection: &Connection, statements: &Statements<'_>) -> Result<Vec<Listed>, Halt> {
    let mut statement = connection.prepare(&statements.sites())?;
    let listed = statement.query_map([], |row| {
        let classes: (Option<String>, Option<String>) = (row.get(1)?, row.get(2)?);
        let storage = classes.0.zip(classes.1).map(|(first, last)| Storage::between(&first, &last));
        Ok(Listed { stored: row.get(0)?, storage, last: row.get(3)? })
    })?;
    Ok(listed.collect::<Result<_, _>>()?)
}

/// A stored value as the id of a site; `None` where it cannot be one.
pub(super) fn site_id(stored: ValueRef<'_>) -> Option<SiteId> {
    match stored {
        ValueRef::Text(bytes) => SiteId::parse(std::str::from_utf8(bytes).ok()?).ok(),
        ValueRef::Integer(number) => SiteId::parse(&number.to_string()).ok(),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => None,
    }
}

/// Puts positions where the statements find them: number, stored site and range.
pub(super) fn publish<'a>(
    connection: &Connection,
    positions: impl Iterator<Item = (usize, &'a Value, &'a Range)>,
) -> Result<(), Halt> {
    connection.execute(sql::CLEAR_DUE, [])?;
    let mut insert = connection.prepare(sql::INSERT_DUE)?;
    for (position, stored, Range { bound, upper }) in positions {
        insert.execute(params![i64::try_from(position).unwrap_or(i64::MAX), stored, bound, upper])?;
    }
    Ok(())
}

/// What the survey of the times found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The first stored time that is due, of each site.
    firsts: Vec<Option<Value>>,
    /// Whether times sort as their instants do, of every site.
    is_ordered: bool,
    /// The last time looked at: its position, its instant and how it is stored.
    last: Option<(usize, Time, Value)>,
}

impl Survey {
    /// Looks at the times from each published position on; `None` when `is_stopped` said so.
    pub(super) fn make(
        connection: &Connection,
        statements: &Statements<'_>,
        due: &[Due],
        instants: &InstantReader,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<Option<Self>, Halt> {
        let mut survey = Self { firsts: vec![None; due.len()], is_ordered: true, last: None };
        let mut statement = connection.prepare(&statements.survey())?;
        let mut rows = statement.query([])?;
        let mut looked_at = 0_u64;
        while let Some(row) = rows.next()? {
            looked_at += 1;
            if looked_at.is_multiple_of(ROWS_PER_LOOK) && is_stopped() {
                return Ok(None);
            }
            let position = usize::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
            survey.look_at(position, &due[position], row.get_ref(1)?, instants);
            if !survey.is_ordered {
                break;
            }
        }
        Ok(Some(survey))
    }

    /// Whether `SQLite`'s order of the times is the order of their instants.
    pub(super) fn is_ordered(&self) -> bool {
        self.is_ordered
    }

    /// Moves the bounds to the first rows that are due; tells which sites have any.
    pub(super) fn narrow(self, due: &mut [Due]) -> Vec<bool> {
        let narrow =
            |(first, due): (Option<Value>, &mut Due)| first.map(|first| due.range.bound = first).is_some();
        self.firsts.into_iter().zip(due).map(narrow).collect()
    }

    fn look_at(&mut self, position: usize, due: &Due, stored: ValueRef<'_>, instants: &InstantReader) {
        let first = &mut self.firsts[position];
        let (Ok(read), Ok(spelling)) = (instants.read(stored), Value::try_from(stored)) else {
            // What is no time must come to light as such: the rows are read from the bound on.
            first.get_or_insert_with(|| due.range.bound.clone());
            return;
        };
        if first.is_none() && may_be_due(&due.resume, read.time) {
            *first = Some(spelling.clone());
        }
        if let Some((at, time, before)) = &self.last
            && *at == position
        {
            // Two spellings of one instant would part rows that belong together.
            let is_same = *time == read.time && *before == spelling;
            self.is_ordered = *time < read.time || is_same;
        }
        self.last = Some((position, read.time, spelling));
    }
}

/// Whether a row of `time` may be due: at the covered time itself, its tie tells.
fn may_be_due(resume: &Resume, time: Time) -> bool {
    is_due(resume, time, &Tie::None) || (needs_tie(resume) && lowest_time(resume) == Some(time))
}

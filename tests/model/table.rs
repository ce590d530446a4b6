//! A table that exists only here: rows by site, time and number, read as a database is read.

use std::sync::{Arc, Mutex};

use livecosmos::key::Partition;
use livecosmos::rows::{Kind, RowTime, Rows, Schema};
use livecosmos::source::{Batcher, Intake, Limits, Pass, Resume, Source, SourceError, Start, Stopped};
use livecosmos_state::{Cursor, SiteId, Tie, Time};

/// How far ahead of the clock a row's time may lie.
pub(crate) const FUTURE_TOLERANCE_S: i64 = 600;

/// A row as it is now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) site: usize,
    pub(crate) time_s: i64,
    pub(crate) id: i64,
    pub(crate) value: u32,
}

/// The table, shared with its readers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table(pub(crate) Arc<Mutex<Vec<Row>>>);

/// A reader of it.
pub(crate) struct Reader {
    table: Table,
    limits: Limits,
    schema: Arc<Schema>,
    /// Without ties, rows of one time are never parted.
    has_tie: bool,
}

pub(crate) fn site_id(site: usize) -> SiteId {
    SiteId::parse(["A", "B", "C"][site]).expect("a site id")
}

pub(crate) fn time(seconds: i64) -> Time {
    Time::new(seconds, 0).expect("a time of this century")
}

impl Reader {
    pub(crate) fn new(
        table: &Table,
        batch_rows_max: usize,
        partition: Option<Partition>,
        has_tie: bool,
    ) -> Self {
        let columns = ["SITE", "TIME", "ID", "VALUE"].map(Box::from).into();
        Self {
            table: table.clone(),
            limits: Limits { batch_rows_max, batch_bytes_max: 1 << 20, group_bytes_max: 1 << 20, partition },
            schema: Arc::new(Schema { columns, time: 1, site: Some(0) }),
            has_tie,
        }
    }

    fn tie(&self, row: &Row) -> Tie {
        if self.has_tie { Tie::Integer(row.id) } else { Tie::None }
    }

    fn push(&self, rows: &mut Rows, row: &Row) {
        rows.push(Kind::Text, site_id(row.site).as_str());
        rows.push(Kind::Text, "");
        if self.has_tie {
            rows.push(Kind::Number, &row.id.to_string());
        } else {
            rows.push(Kind::Null, "");
        }
        rows.push(Kind::Number, &row.value.to_string());
    }
}

impl Source for Reader {
    fn pass(&mut self, start: &Start, intake: &mut dyn Intake) -> Result<Pass, SourceError> {
        let mut rows = self.table.0.lock().expect("no reader panics").clone();
        rows.sort_by_key(|row| (row.site, row.time_s, row.id));
        let mut batcher = Batcher::new(self.limits);
        let mut pass = Pass::default();
        for row in &rows {
            let id = site_id(row.site);
            if start.only.as_ref().is_some_and(|only| !only.contains(&id)) {
                continue;
            }
            if intake.stopped() {
                return Err(Stopped.into());
            }
            let slot = batcher.slot(&id, intake)?;
            let latest = start.now.seconds + FUTURE_TOLERANCE_S;
            let of_site = rows.iter().filter(|other| other.site == row.site);
            let newest = of_site.map(|other| other.time_s).max().filter(|newest| *newest <= latest);
            batcher.set_newest(slot, newest.map(time));
            let (at, tie) = (time(row.time_s), self.tie(row));
            if !is_due(batcher.resume(slot), at, &tie) {
                continue;
            }
            if !start.is_bounded && row.time_s > latest {
                pass.future_rows += 1;
                continue;
            }
            let cursor = Cursor::Row { time: at, tie };
            let batch = batcher.begin_row(slot, &self.schema, &cursor, at, intake)?;
            self.push(batch, row);
            batcher.end_row(slot, RowTime { time: at, digits: 0 }, cursor);
        }
        batcher.close_all(false, intake)?;
        Ok(pass)
    }
}

/// What the contract says of a row's place: behind the cursor, above the floor, within the bounds.
fn is_due(resume: &Resume, at: Time, tie: &Tie) -> bool {
    let is_covered = |cursor: &Cursor| match cursor {
        Cursor::Row { time, tie: Tie::None } => at <= *time,
        Cursor::Row { time, tie: last } => (at, tie) <= (*time, last),
        Cursor::Start | Cursor::File { .. } => false,
    };
    let is_first_run = resume.cursor == Cursor::Start;
    let is_above = !is_first_run || resume.floor.is_none_or(|floor| at > floor);
    let is_within =
        resume.bounds.as_ref().is_none_or(|bounds| is_covered(&bounds.until) && bounds.window.holds(at));
    !resume.paused && !is_covered(&resume.cursor) && is_above && is_within
}

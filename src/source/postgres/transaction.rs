//! A transaction, and the rows of its statements: few at once, or many portion by portion.

use std::pin::Pin;
use std::sync::mpsc;
use std::thread;

use futures_util::TryStreamExt as _;
use tokio::runtime::Runtime;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Portal, Row, RowStream, Transaction};

use super::connect::Ended;
use super::fault;
use crate::source::Stopped;
use crate::source::server::{Admission, Fault, Halt};

/// Rows in a portion: so many are asked for that they take about this much.
const PORTION_BYTES: usize = 1 << 20;
const PORTION_ROWS_FIRST: usize = 256;
const PORTION_ROWS_MAX: usize = 10_000;
/// Of a portion that is larger than was to be expected, so much is held at once.
const HELD_BYTES_MAX: usize = 4 << 20;

/// A parameter of a statement.
pub(super) type Parameter<'p> = &'p (dyn ToSql + Sync);

/// How errors of a statement are told.
pub(super) struct Told<'l> {
    pub(super) server: &'l str,
    pub(super) table: String,
    pub(super) ended: &'l Ended,
}

impl Told<'_> {
    pub(super) fn fault(&self, error: &Error) -> Fault {
        fault::statement(self.server, &self.table, error, self.ended)
    }
}

/// A transaction.
pub(super) struct Open<'l> {
    pub(super) runtime: &'l Runtime,
    pub(super) transaction: Transaction<'l>,
    pub(super) told: Told<'l>,
    pub(super) admission: &'l Admission,
}

impl Open<'_> {
    /// All rows of a statement that has few.
    pub(super) fn query(
        &self,
        statement: &str,
        parameters: &[(Parameter<'_>, Type)],
    ) -> Result<Vec<Row>, Fault> {
        let _leave = self.admission.statement();
        let rows = self.runtime.block_on(self.transaction.query_typed(statement, parameters));
        rows.map_err(|error| self.told.fault(&error))
    }

    pub(super) fn end(self) -> Result<(), Fault> {
        let ended = self.runtime.block_on(self.transaction.commit());
        ended.map_err(|error| self.told.fault(&error))
    }

    /// Gives each row of a statement, portion by portion: the server holds the rest, and nothing of it runs
    /// while rows wait for room here.
    ///
    /// Where there are many, the next portion is received while one is given.
    pub(super) fn stream(
        &self,
        statement: &str,
        types: &[Type],
        parameters: Vec<Parameter<'_>>,
        give: &mut dyn FnMut(&Row, &Told<'_>) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        let portal = {
            let _leave = self.admission.statement();
            self.runtime.block_on(async {
                let statement = self.transaction.prepare_typed(statement, types).await?;
                self.transaction.bind_raw(&statement, parameters).await
            })
        };
        let portal = portal.map_err(|error| self.told.fault(&error))?;
        let mut portions = Portions { open: self, portal, rows_max: PORTION_ROWS_FIRST };
        let mut give_all = |held: Vec<Row>| held.iter().try_for_each(|row| give(row, &self.told));
        if !portions.next(&mut give_all)? {
            return Ok(());
        }
        thread::scope(|scope| {
            // It waits with what it holds until that is taken: two portions are in memory at most.
            let (ahead, received) = mpsc::sync_channel(0);
            let receive = move || -> Result<(), Halt> {
                let mut hand_on = |held| ahead.send(held).map_err(|_| Halt::from(Stopped));
                while portions.next(&mut hand_on)? {}
                Ok(())
            };
            let receiver = thread::Builder::new().name("rows".to_owned()).spawn_scoped(scope, receive);
            let receiver = receiver.map_err(|error| Fault::lost(format!("no thread for rows ({error})")))?;
            // On an error nothing takes what is received, which ends the other thread.
            received.into_iter().try_for_each(give_all)?;
            receiver.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// The rows of a portal that are still to come.
struct Portions<'o> {
    open: &'o Open<'o>,
    portal: Portal,
    rows_max: usize,
}

impl Portions<'_> {
    /// Receives a portion and hands it on, at once unless it is very large; whether more may follow.
    fn next(&mut self, hand_on: &mut dyn FnMut(Vec<Row>) -> Result<(), Halt>) -> Result<bool, Halt> {
        let Open { runtime, transaction, told, admission } = self.open;
        let fault = |error: Error| told.fault(&error);
        let mut leave = Some(admission.other());
        let rows = runtime.block_on(transaction.query_portal_raw(&self.portal, to_i32(self.rows_max)));
        let mut rows = Box::pin(rows.map_err(fault)?);
        let (mut count, mut bytes) = (0, 0);
        loop {
            let held = runtime.block_on(hold(rows.as_mut())).map_err(fault)?;
            leave.take();
            count += held.rows.len();
            bytes += held.bytes;
            hand_on(held.rows)?;
            if held.is_last {
                break;
            }
        }
        let is_full = count >= self.rows_max;
        self.rows_max = (PORTION_BYTES * count / bytes.max(1)).clamp(1, PORTION_ROWS_MAX);
        Ok(is_full)
    }
}

/// Rows of a portion, as many as may be held.
struct Held {
    rows: Vec<Row>,
    bytes: usize,
    /// No more of this portion follow.
    is_last: bool,
}

async fn hold(mut stream: Pin<&mut RowStream>) -> Result<Held, Error> {
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = stream.try_next().await? {
        bytes += row.raw_size_bytes();
        rows.push(row);
        if bytes >= HELD_BYTES_MAX {
            return Ok(Held { rows, bytes, is_last: false });
        }
    }
    Ok(Held { rows, bytes, is_last: true })
}

fn to_i32(rows: usize) -> i32 {
    i32::try_from(rows).unwrap_or(i32::MAX)
}

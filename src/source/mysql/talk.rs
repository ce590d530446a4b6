//! Statements over a connection: each waits for its leave, for so long at most, and is not left half read.

use std::time::Duration;

use futures_util::{Stream, TryStreamExt as _};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error, Opts, Params, Row, Value};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::connect::Connected;
use super::session::Family;
use super::{Settings, fault};
use crate::source::server::{Admission, Fault, Halt, Leave};

/// So much of the rows that the server sends is held at once; the rest waits on its way.
const HELD_BYTES_MAX: usize = 1 << 20;
const HELD_ROWS_MAX: usize = 10_000;
/// The server ends a statement that takes too long; where it says nothing for so much longer, we do.
const GRACE: Duration = Duration::from_secs(5);

/// A connection.
pub(super) struct Talk {
    /// `None` once it broke, or was left in the middle of a statement.
    conn: Option<Conn>,
    /// Drives the connection; `None` only while this is dropped.
    runtime: Option<Runtime>,
    family: Family,
    /// For another connection, which ends a statement of this one.
    opts: Opts,
    pub(super) admission: Admission,
    /// For messages, as is the table.
    pub(super) server: String,
    table: String,
    statement_timeout: Duration,
    connect_timeout: Duration,
}

/// The server does not say how long it will take to end, and a runtime may not be waited for everywhere.
impl Drop for Talk {
    fn drop(&mut self) {
        drop(self.conn.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Why the rows of a statement came to an end before their time.
enum Break {
    /// The server said so, or the connection did.
    Error(Error),
    /// It says nothing.
    Silence,
    /// Whoever takes the rows wants no more.
    Halt(Halt),
}

impl From<Error> for Break {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Talk {
    /// Connects, to read `table`.
    pub(super) fn connect(settings: &Settings, table: String) -> Result<Self, Fault> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Fault::lost(format!("no thread for a connection ({error})")))?;
        let Connected { conn, family, opts } = match settings.connect(&runtime) {
            Ok(connected) => connected,
            Err(fault) => {
                runtime.shutdown_background();
                return Err(fault);
            }
        };
        let server = settings.describe();
        Ok(Self {
            conn: Some(conn),
            runtime: Some(runtime),
            family,
            opts,
            admission: Admission::to(&server, settings.access.statements_max),
            server,
            table,
            statement_timeout: settings.access.statement_timeout,
            connect_timeout: settings.access.connect_timeout,
        })
    }

    /// Runs `work` in a transaction of its own. Where `is_streamed`, a statement may take as long as its
    /// rows are taken.
    pub(super) fn transaction<T>(
        &mut self,
        is_streamed: bool,
        work: impl FnOnce(&mut Self) -> Result<T, Halt>,
    ) -> Result<T, Halt> {
        let begin = self.family.begin((!is_streamed).then_some(self.statement_timeout));
        self.ask(async |conn| conn.query_drop(begin).await)?;
        let outcome = work(self);
        match &outcome {
            Ok(_) => self.ask(async |conn| conn.query_drop("COMMIT").await)?,
            // What the server keeps for it is let go; where that fails, it is at the next transaction.
            Err(_) => drop(self.ask(async |conn| conn.query_drop("ROLLBACK").await)),
        }
        outcome
    }

    /// All rows of a statement that has few.
    pub(super) fn query(&mut self, statement: &str, values: Vec<Value>) -> Result<Vec<Row>, Fault> {
        let leave = Admission::statement;
        self.ask_with(leave, async |conn| conn.exec(statement, Params::Positional(values)).await)
    }

    /// Does `work` with the connection that asks for no rows of the table.
    pub(super) fn ask<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Conn) -> Result<T, Error>,
    ) -> Result<T, Fault> {
        self.ask_with(Admission::other, work)
    }

    fn ask_with<T>(
        &mut self,
        leave: fn(&Admission) -> Leave,
        work: impl AsyncFnOnce(&mut Conn) -> Result<T, Error>,
    ) -> Result<T, Fault> {
        let limit = self.statement_timeout.saturating_add(GRACE);
        let (Some(runtime), Some(conn)) = (&self.runtime, &mut self.conn) else { return Err(self.closed()) };
        let outcome = {
            let _leave = leave(&self.admission);
            runtime.block_on(async { timeout(limit, work(conn)).await })
        };
        match outcome {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => {
                if error.is_fatal() {
                    self.conn = None;
                }
                Err(fault::statement(&self.server, &self.table, &error))
            }
            Err(_) => {
                let conn = self.conn.take();
                Err(self.give_up(conn))
            }
        }
    }

    /// Gives each row of a statement as it comes. The server waits with the rest while these wait for room
    /// here; of what it has sent, a portion is held.
    pub(super) fn stream(
        &mut self,
        statement: &str,
        values: Vec<Value>,
        give: &mut dyn FnMut(&Row) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        let Some(mut conn) = self.conn.take() else { return Err(self.closed().into()) };
        let streamed = self.portions(&mut conn, statement, values, give);
        // Elsewhere rows are still on their way: it is not used again.
        match streamed {
            Ok(()) => {
                self.conn = Some(conn);
                Ok(())
            }
            Err(Break::Error(error)) => {
                self.conn = (!error.is_fatal()).then_some(conn);
                Err(fault::statement(&self.server, &self.table, &error).into())
            }
            Err(Break::Silence) => Err(self.give_up(Some(conn)).into()),
            Err(Break::Halt(halt)) => Err(halt),
        }
    }

    fn portions(
        &self,
        conn: &mut Conn,
        statement: &str,
        values: Vec<Value>,
        give: &mut dyn FnMut(&Row) -> Result<(), Halt>,
    ) -> Result<(), Break> {
        let Some(runtime) = &self.runtime else { return Err(Break::Halt(self.closed().into())) };
        let limit = self.statement_timeout;
        let mut leave = Some(self.admission.statement());
        let begun = runtime.block_on(async {
            let rows = conn.exec_stream::<Row, _, _>(statement, Params::Positional(values));
            timeout(limit, rows).await
        });
        let mut rows = begun.map_err(|_| Break::Silence)??;
        loop {
            let waited = leave.take().unwrap_or_else(|| self.admission.other());
            let portion = runtime.block_on(async { timeout(limit, hold(&mut rows)).await });
            drop(waited);
            let (held, is_last) = portion.map_err(|_| Break::Silence)??;
            for row in &held {
                give(row).map_err(Break::Halt)?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Leaves a connection of which nothing is heard, and sees to it that the server works no more for it.
    fn give_up(&self, conn: Option<Conn>) -> Fault {
        if let (Some(conn), Some(runtime)) = (conn, &self.runtime) {
            let kill = format!("KILL QUERY {}", conn.id());
            let opts = self.opts.clone();
            let killed = async { Conn::new(opts).await?.query_drop(kill).await };
            // Where not even that works, the server is gone.
            drop(runtime.block_on(async { timeout(self.connect_timeout, killed).await }));
        }
        fault::stuck(&self.server, &self.table, self.statement_timeout)
    }

    fn closed(&self) -> Fault {
        Fault::lost(format!("{}: the connection is closed; it is made again", self.server))
    }
}

/// Rows, as many as may be held; and whether they are the last.
async fn hold(
    rows: &mut (impl Stream<Item = Result<Row, Error>> + Unpin),
) -> Result<(Vec<Row>, bool), Error> {
    let (mut held, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.try_next().await? {
        bytes += size(&row);
        held.push(row);
        if bytes >= HELD_BYTES_MAX || held.len() == HELD_ROWS_MAX {
            return Ok((held, false));
        }
    }
    Ok((held, true))
}

fn size(row: &Row) -> usize {
    let of = |at| match row.as_ref(at) {
        Some(Value::Bytes(bytes)) => size_of::<Value>() + bytes.len(),
        _ => size_of::<Value>(),
    };
    (0..row.len()).map(of).sum()
}

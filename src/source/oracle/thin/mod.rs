//! The pure-Rust Oracle driver behind a small blocking interface: deadlines that hold, panics that are
//! errors, values that are exact text.
//!
//! The driver has habits that this module is there for. Nothing bounds its connect, and its drop talks to
//! the server and waits: both happen on threads of their own. It panics on answers it does not expect, and
//! a panic during a call leaves its lock poisoned: the connection is then never touched again. After an
//! error that is not the database's, the rest of an answer may still be on its way: such a connection is
//! discarded, too. Times and numbers that cannot be, as tables have them after a client wrote raw bytes, it
//! passes on: each is one [`Cell::Invalid`], and the rows around it are read.

mod cell;
mod error;

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use oracledb::{OracleNumber, OracleTimestamp, Row, ToDbValue};
use secrecy::{ExposeSecret, SecretString};

use crate::panics;

pub use cell::{Cell, Column, Kind};
pub use error::ThinError;

/// Connects that are under way, those included that were given up while the peer stays silent: each holds
/// a thread and a socket.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
/// Past so many the next connect fails at once.
const UNDER_WAY_MAX: usize = 32;

/// Where to connect, as whom, and how long to wait.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Easy Connect, a TNS alias or a descriptor; without user and password.
    pub connect_string: String,
    /// The user.
    pub user: String,
    /// The user's password.
    pub password: SecretString,
    /// What the database's session views show as module.
    pub module: String,
    /// The whole connect: name look-up, all addresses, logon.
    pub connect_within: Duration,
    /// The wait for each part of an answer; then the call is cancelled.
    pub call_within: Duration,
}

/// A value that is bound.
#[derive(Debug, Clone)]
pub enum Bind {
    /// As VARCHAR2.
    Text(String),
    /// As NUMBER.
    Number(OracleNumber),
    /// As TIMESTAMP, to the nanosecond. The driver binds no DATE: write `CAST(:name AS DATE)` where the
    /// column is one, so that its index serves.
    Timestamp(OracleTimestamp),
}

/// A connection. Its queries end with it.
pub struct Connection {
    /// Taken when the connection is closed or broken.
    driver: Option<oracledb::Connection>,
    target: String,
}

/// The rows of a query. It reads ahead by as many rows as were asked for.
pub struct Cursor<'c> {
    connection: &'c mut Connection,
    /// Taken at the end of the rows or at an error.
    driver: Option<oracledb::Cursor>,
    columns: Vec<Column>,
}

impl Connection {
    /// Connects and logs on within the time the settings give.
    pub fn connect(settings: &Settings) -> Result<Self, ThinError> {
        let target = shown(&settings.connect_string);
        if UNDER_WAY.load(Ordering::SeqCst) >= UNDER_WAY_MAX {
            return Err(ThinError::broken(format!(
                "{UNDER_WAY_MAX} connections to Oracle are still waited for; the last was to be to {target}"
            )));
        }
        let (sender, receiver) = mpsc::sync_channel(0);
        let (owned, shown) = (settings.clone(), target.clone());
        UNDER_WAY.fetch_add(1, Ordering::SeqCst);
        let attempt = move || {
            let result = guarded(&shown, || connect(&owned));
            UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
            // Nobody waits any more: the connection is dropped, on this thread.
            drop(sender.send(result));
        };
        if let Err(error) = std::thread::Builder::new().name("oracle-connect".into()).spawn(attempt) {
            UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
            return Err(ThinError::broken(format!("no thread to connect to {target} on: {error}")));
        }
        match receiver.recv_timeout(settings.connect_within) {
            Ok(result) => Ok(Self { driver: Some(result?), target }),
            Err(RecvTimeoutError::Timeout) => Err(ThinError::broken(format!(
                "{target} did not let us in within {} s; is it a database, and is it up?",
                settings.connect_within.as_secs_f64()
            ))),
            Err(RecvTimeoutError::Disconnected) => {
                Err(ThinError::broken(format!("the thread that connected to {target} died")))
            }
        }
    }

    /// Executes a statement that is no query.
    pub fn execute(&mut self, sql: &str) -> Result<(), ThinError> {
        self.call(|driver| driver.execute(sql, &[]).map(drop))
    }

    /// Asks the database whether it is there.
    pub fn ping(&mut self) -> Result<(), ThinError> {
        self.call(oracledb::Connection::ping)
    }

    /// Runs a query and fetches `fetch_rows` rows at a time. Each name is bound once, however often it
    /// stands in the statement.
    pub fn query(
        &mut self,
        sql: &str,
        binds: &[(&str, Bind)],
        fetch_rows: u32,
    ) -> Result<Cursor<'_>, ThinError> {
        let binds: Vec<(&str, &dyn ToDbValue)> =
            binds.iter().map(|(name, bind)| (*name, bind.value())).collect();
        let driver = self.call(|driver| {
            // A cached statement keeps the columns of the day it was parsed; a poll is seldom enough.
            let statement = driver.statement(sql)?.exclude_from_cache();
            // No rows with the execute: a value that makes the driver panic there ends the process, for
            // its statement is dropped, and panics, while the stack unwinds.
            statement.prefetch_rows(0).fetch_array_size(fetch_rows).build()?.query_named(&binds)
        })?;
        let columns = driver.columns().iter().map(Column::new).collect();
        Ok(Cursor { connection: self, driver: Some(driver), columns })
    }

    /// Whether it can still be used.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.driver.is_some()
    }

    /// Logs off and waits for it, but not longer than `within`.
    pub fn close(mut self, within: Duration) {
        if let Some(farewell) = self.discard() {
            // Done, or not in time: there is nothing else to do about it.
            let _ = farewell.recv_timeout(within);
        }
    }

    fn call<T>(
        &mut self,
        call: impl FnOnce(&oracledb::Connection) -> Result<T, oracledb::Error>,
    ) -> Result<T, ThinError> {
        let Some(driver) = &self.driver else {
            return Err(ThinError::broken(format!("the connection to {} is closed", self.target)));
        };
        let result = guarded(&self.target, || call(driver));
        if result.as_ref().is_err_and(ThinError::is_broken) {
            self.discard();
        }
        result
    }

    /// Drops the driver's connection on a thread of its own; what it returns hears when that is done.
    fn discard(&mut self) -> Option<mpsc::Receiver<()>> {
        // Where there is no thread to be had the connection leaks: dropped here it could wait.
        let driver = ManuallyDrop::new(self.driver.take()?);
        let (sender, receiver) = mpsc::channel::<()>();
        let farewell = move || {
            // Its drop fails where a panic came before; there is nobody to tell.
            let _ = panics::catch(|| drop(ManuallyDrop::into_inner(driver)));
            drop(sender);
        };
        drop(std::thread::Builder::new().name("oracle-farewell".into()).spawn(farewell));
        Some(receiver)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.discard();
    }
}

impl Cursor<'_> {
    /// The columns of its rows.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Reads the next row into `cells`; false when there is none. After an error there is none either.
    pub fn next(&mut self, cells: &mut Vec<Cell>) -> Result<bool, ThinError> {
        cells.clear();
        let Some(driver) = &mut self.driver else { return Ok(false) };
        let columns = &self.columns;
        let next = guarded(&self.connection.target, || {
            let Some(row) = driver.next() else { return Ok(false) };
            fill(cells, row?, columns).map(|()| true)
        });
        if !matches!(next, Ok(true)) {
            self.finish(next.as_ref().is_err_and(ThinError::is_broken));
        }
        next
    }

    fn finish(&mut self, is_broken: bool) {
        let driver = self.driver.take();
        // The driver's cursor panics when it is dropped after another panic.
        let dropped = guarded(&self.connection.target, || {
            drop(driver);
            Ok(())
        });
        if is_broken || dropped.is_err() {
            self.connection.discard();
        }
    }
}

impl Drop for Cursor<'_> {
    fn drop(&mut self) {
        self.finish(false);
    }
}

impl Bind {
    fn value(&self) -> &dyn ToDbValue {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number,
            Self::Timestamp(time) => time,
        }
    }
}

fn fill(cells: &mut Vec<Cell>, mut row: Row, columns: &[Column]) -> Result<(), oracledb::Error> {
    for (at, column) in columns.iter().enumerate() {
        cells.push(cell::read(&mut row, at, column)?);
    }
    Ok(())
}

fn connect(settings: &Settings) -> Result<oracledb::Connection, oracledb::Error> {
    let config = oracledb::Config::default()
        .set_credentials(&settings.user, settings.password.expose_secret())
        .set_transport_connect_timeout(Some(settings.connect_within))
        .set_connect_string(&settings.connect_string)?;
    let driver = oracledb::connect(config)?;
    driver.set_call_timeout(Some(settings.call_within))?;
    driver.set_module(&settings.module)?;
    Ok(driver)
}

/// Runs a call of the driver; a panic in it becomes an error.
fn guarded<T>(target: &str, call: impl FnOnce() -> Result<T, oracledb::Error>) -> Result<T, ThinError> {
    match panics::catch(call) {
        Ok(result) => result.map_err(|error| error::classify(target, &error)),
        Err(text) => Err(ThinError::broken(format!(
            "the thin driver cannot deal with what {target} says ({text}); a server that requires Native \
             Network Encryption is one such: use driver = \"oci\""
        ))),
    }
}

/// A connect string as messages show it: nothing before an `@`, where a password may stand.
fn shown(connect_string: &str) -> String {
    connect_string.rsplit_once('@').map_or(connect_string, |(_, behind)| behind).to_owned()
}

//! One connection, from its first packet to its last.

use std::collections::HashMap;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::answer::{Answer, Fault, OraError, Statement};
use super::binds;
use super::crypto::random;
use super::cursor::{Cursor, Lobs, PageEnd, find};
use super::greeting::{self, Connect, FAST_LOGON_FIELD_VERSION};
use super::logon::{Challenge, LogonCall};
use super::packet::{ACCEPT, BREAK, CONNECT, DATA, Line, MARKER, REDIRECT, REFUSE, RESET};
use super::reply::{self, Dialect, Ending};
use super::request::{self, Again, Execute, LobCall, Request};
use super::wire::{Incomplete, Reader, Writer};
use super::{Account, Front, Setup};

const LOB_LENGTH: u64 = 0x0001;
const LOB_READ: u64 = 0x0002;
const FAST_LOGON: u8 = 34;

/// A connection's state.
pub struct Session {
    number: usize,
    line: Line,
    setup: Arc<Setup>,
    dialect: Dialect,
    cursors: HashMap<u16, Cursor>,
    lobs: Lobs,
}

/// What comes out of a call.
enum Outcome {
    /// An answer without an error.
    Reply(Writer),
    /// What went wrong, and what would have been said up to there.
    Fault(Fault, Writer),
}

impl Session {
    /// Serves `stream` until one side closes it.
    pub fn serve(number: usize, stream: TcpStream, setup: Arc<Setup>) -> io::Result<()> {
        let dialect = Dialect {
            field_version: setup.release.field_version(),
            ends_response: setup.release.ends_responses(),
            in_transaction: false,
        };
        let line = Line::new(stream);
        let mut session = Self { number, line, setup, dialect, cursors: HashMap::new(), lobs: Lobs::new() };
        if session.accept()? && session.log_on()? {
            session.calls()?;
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<bool> {
        let front = *self.setup.front.lock().expect("nobody panics while holding it");
        let packet = self.line.receive()?;
        if packet.kind != CONNECT || front == Front::Silent {
            return self.fall_silent().map(|()| false);
        }
        let mut connect = Connect::read(&packet.body).map_err(|_| io::ErrorKind::InvalidData)?;
        if connect.follows > 0 {
            connect.descriptor = String::from_utf8_lossy(&self.line.receive()?.body).into_owned();
        }
        self.setup.log.connected(connect.descriptor.clone());
        if let Front::Refuse(code) = front {
            self.line.send(REFUSE, &greeting::refuse(code))?;
            return Ok(false);
        }
        if let Front::Redirect(address) = front {
            let onward = greeting::redirect(address, &connect.descriptor);
            self.line.send(REDIRECT, &u16::try_from(onward.len()).expect("a short text").to_be_bytes())?;
            self.line.send_data(onward.as_bytes())?;
            return Ok(false);
        }
        let sdu = connect.sdu.min(self.setup.sdu_max);
        let requires_encryption = front == Front::RequiresEncryption;
        self.line.send(ACCEPT, &greeting::accept(self.setup.release, sdu, requires_encryption))?;
        self.line.is_accepted = true;
        self.line.sdu = sdu as usize;
        Ok(true)
    }

    /// Reads packets until `read` has a whole message.
    fn message<T>(&mut self, read: impl Fn(&mut Reader<'_>) -> Result<T, Incomplete>) -> io::Result<T> {
        let mut bytes = Vec::new();
        loop {
            let packet = self.line.receive()?;
            if packet.kind != DATA || packet.is_last {
                return Err(io::ErrorKind::InvalidData.into());
            }
            bytes.extend(packet.body);
            if let Ok(message) = read(&mut Reader::new(&bytes)) {
                return Ok(message);
            }
        }
    }

    fn log_on(&mut self) -> io::Result<bool> {
        let mut out = Writer::new();
        let (fast, field_version) = (self.dialect.ends_response, self.dialect.field_version);
        let call = if fast {
            greeting::protocol(&mut out, self.setup.release);
            greeting::data_types(&mut out);
            self.line.marks_end = true;
            self.message(read_fast_logon)?
        } else {
            self.message(greeting::skip_protocol)?;
            greeting::protocol(&mut out, self.setup.release);
            self.line.send_data(&std::mem::take(&mut out).into_bytes())?;
            self.message(greeting::skip_data_types)?;
            greeting::data_types(&mut out);
            self.line.send_data(&std::mem::take(&mut out).into_bytes())?;
            self.message(|reader| read_logon(reader, field_version))?
        };
        let account = self.setup.find(&call.user).unwrap_or_else(nobody);
        let challenge = Challenge::new(&account.password, account.verifier);
        reply::logon_parameters(&mut out, &challenge.pairs());
        self.dialect.ending(&mut out, Ending::default());
        self.line.send_data(&out.into_bytes())?;

        let answer = self.message(|reader| read_logon(reader, field_version))?;
        let greeting = challenge.check(&answer).ok_or_else(OraError::wrong_password);
        match greeting.and_then(|greeting| account.refused.map_or(Ok(greeting), Err)) {
            Ok(greeting) => {
                self.setup.log.logged_on(&answer);
                self.welcome(greeting)?;
                Ok(true)
            }
            Err(error) => {
                self.finish(Outcome::Fault(Fault::Error(error), Writer::new()), 0, 0)?;
                Ok(false)
            }
        }
    }

    fn welcome(&mut self, greeting: String) -> io::Result<()> {
        let pairs = [
            ("AUTH_VERSION_NO", self.setup.release.version_number().to_string(), 0),
            ("AUTH_SESSION_ID", self.number.to_string(), 0),
            ("AUTH_SERIAL_NUM", "1".to_owned(), 0),
            ("AUTH_MAX_OPEN_CURSORS", "300".to_owned(), 0),
            ("AUTH_MAX_IDEN_LENGTH", "128".to_owned(), 0),
            ("AUTH_SC_SERVICE_NAME", "stations".to_owned(), 0),
            ("AUTH_DBNAME", "STATIONS".to_owned(), 0),
            ("AUTH_SVR_RESPONSE", greeting, 0),
        ];
        let mut out = Writer::new();
        reply::logon_parameters(&mut out, &pairs);
        self.dialect.ending(&mut out, Ending::default());
        self.line.send_data(&out.into_bytes())
    }

    fn calls(&mut self) -> io::Result<()> {
        loop {
            let cursors = &self.cursors;
            let bind_count = |cursor| cursors.get(&cursor).map_or(0, |open: &Cursor| open.declared.len());
            let version = self.dialect.field_version;
            let mut bytes = Vec::new();
            let message = loop {
                let packet = self.line.receive()?;
                match packet.kind {
                    DATA if packet.is_last => return Ok(()),
                    DATA => bytes.extend(packet.body),
                    _ => continue, // a break that came too late
                }
                if let Ok(message) = request::read(&bytes, version, bind_count) {
                    break message;
                }
            };
            if self.setup.is_frozen.load(Ordering::SeqCst) {
                return self.fall_silent();
            }
            message.closed.iter().for_each(|closed| drop(self.cursors.remove(closed)));
            self.setup.log.rode_along(message.closed.len(), message.labels);
            let (outcome, cursor) = self.call(message.request);
            let rows = self.cursors.get(&cursor).map_or(0, Cursor::fetched);
            self.finish(outcome, cursor, rows)?;
        }
    }

    fn call(&mut self, request: Request) -> (Outcome, u16) {
        let mut out = Writer::new();
        match request {
            Request::Execute(execute) => return self.execute(execute),
            Request::Again(again) => return (self.execute_again(&again), again.cursor),
            Request::Fetch { cursor, rows } => {
                self.setup.log.fetched(rows);
                let outcome = if self.cursors.contains_key(&cursor) {
                    self.page(cursor, rows, out, false)
                } else {
                    Outcome::Fault(Fault::Error(OraError::new(1001, "invalid cursor")), out)
                };
                return (outcome, cursor);
            }
            Request::Lob(call) => self.lob(&call, &mut out),
            Request::Commit | Request::Rollback => {
                self.dialect.in_transaction = false;
                self.dialect.status(&mut out);
            }
            Request::Ping | Request::LogOff => self.dialect.status(&mut out),
            Request::Unknown(function) => {
                let error = OraError::new(3120, &format!("function {function} is not served"));
                return (Outcome::Fault(Fault::Error(error), out), 0);
            }
        }
        (Outcome::Reply(out), 0)
    }

    fn execute(&mut self, execute: Execute) -> (Outcome, u16) {
        let free =
            (1..u16::MAX).find(|number| !self.cursors.contains_key(number)).expect("cursors get closed");
        let number = if execute.cursor == 0 { free } else { execute.cursor };
        let cursor = self.cursors.entry(number).or_default();
        if let Some(sql) = execute.sql {
            cursor.sql = sql;
        }
        if let Some(defines) = execute.defines {
            cursor.defines = Some(defines);
        } else {
            cursor.declared = execute.declared;
        }
        if !execute.executes && !execute.parses {
            let outcome = self.page_if(execute.fetches, number, execute.rows, Writer::new());
            return (outcome, number);
        }
        let answer = self.ask(number, &execute.values);
        let describes = execute.parses;
        (self.answer(answer, number, describes, execute.fetches.then_some(execute.rows)), number)
    }

    fn execute_again(&mut self, again: &Again) -> Outcome {
        if !self.cursors.contains_key(&again.cursor) {
            return Outcome::Fault(Fault::Error(OraError::new(1001, "invalid cursor")), Writer::new());
        }
        let answer = self.ask(again.cursor, &again.values);
        self.answer(answer, again.cursor, false, again.fetches.then_some(again.rows))
    }

    /// Records the statement and asks the test for its answer.
    fn ask(&mut self, number: u16, values: &[Vec<u8>]) -> Answer {
        let cursor = &self.cursors[&number];
        let binds = binds::join(&cursor.sql, &cursor.declared, values);
        let statement = Statement { sql: cursor.sql.clone(), binds, session: self.number };
        if statement.sql.trim_start().to_ascii_uppercase().starts_with("SET TRANSACTION") {
            self.dialect.in_transaction = true;
        }
        self.setup.log.executed(statement.clone());
        (self.setup.handler)(&statement)
    }

    fn answer(&mut self, answer: Answer, number: u16, describes: bool, rows: Option<usize>) -> Outcome {
        let mut out = Writer::new();
        match answer {
            Answer::Rows(read) => {
                let cursor = self.cursors.get_mut(&number).expect("it was just executed");
                if describes {
                    self.dialect.describe(&mut out, &read.columns);
                }
                cursor.restart(read);
                let is_ready = cursor.is_ready();
                self.page_if(is_ready && rows.is_some(), number, rows.unwrap_or(0), out)
            }
            Answer::Done(rows) => {
                reply::execute_parameters(&mut out);
                self.dialect.ending(&mut out, Ending { error: None, cursor: number, rows });
                Outcome::Reply(out)
            }
            Answer::Fault(fault) => Outcome::Fault(fault, out),
        }
    }

    fn page_if(&mut self, has_rows: bool, number: u16, count: usize, mut out: Writer) -> Outcome {
        if has_rows {
            return self.page(number, count, out, true);
        }
        reply::execute_parameters(&mut out);
        self.dialect.ending(&mut out, Ending { error: None, cursor: number, rows: 0 });
        Outcome::Reply(out)
    }

    /// The next rows; behind those of an execute come its parameters.
    fn page(&mut self, number: u16, count: usize, mut out: Writer, executes: bool) -> Outcome {
        let cursor = self.cursors.get_mut(&number).expect("it is open");
        let end = cursor.page(&mut out, count, &mut self.lobs);
        let rows = cursor.fetched();
        let no_more = OraError::new(1403, "no data found");
        let error = match end {
            PageEnd::Fault(fault) => return Outcome::Fault(fault, out),
            PageEnd::Exhausted => Some(&no_more),
            PageEnd::Full => None,
        };
        if executes {
            reply::execute_parameters(&mut out);
        }
        self.dialect.ending(&mut out, Ending { error, cursor: number, rows });
        Outcome::Reply(out)
    }

    fn lob(&mut self, call: &LobCall, out: &mut Writer) {
        const LOB_DATA: u8 = 14;
        let lob = find(&self.lobs, &call.locator);
        let units = lob.bytes.len() / lob.unit;
        let amount = match call.operation {
            LOB_LENGTH => Some(units as u64),
            LOB_READ => {
                let from = usize::try_from(call.offset).expect("offsets are small") - 1;
                let asked = usize::try_from(call.amount.unwrap_or(0)).unwrap_or(usize::MAX);
                let to = from.saturating_add(asked).min(units);
                out.u8(LOB_DATA);
                out.bytes(&lob.bytes[from * lob.unit..to * lob.unit]);
                Some((to - from) as u64)
            }
            _ => call.amount,
        };
        reply::lob_parameters(out, &call.locator, amount);
        self.dialect.ending(out, Ending::default());
    }

    /// Sends what came out of a call.
    fn finish(&mut self, outcome: Outcome, cursor: u16, rows: u64) -> io::Result<()> {
        match outcome {
            Outcome::Reply(out) => self.line.send_data(&out.into_bytes()),
            Outcome::Fault(Fault::Error(error), out) => self.fail(&error, out, cursor, rows),
            Outcome::Fault(Fault::HangUp, out) => self.line.send_half(&out.into_bytes()),
            Outcome::Fault(Fault::Silence, _) => self.fall_silent(),
            Outcome::Fault(Fault::Stall, _) => {
                while !self.is_reset()? {}
                self.line.send_marker(RESET)?;
                let cancelled = OraError::new(1013, "user requested cancel of current operation");
                self.fail_at_once(&cancelled, Writer::new(), cursor, rows)
            }
        }
    }

    /// Says what went wrong: behind the rows that were read before it, or, where answers have no marked
    /// end, in their place, once the client has seen the markers.
    fn fail(&mut self, error: &OraError, out: Writer, cursor: u16, rows: u64) -> io::Result<()> {
        if self.dialect.ends_response {
            return self.fail_at_once(error, out, cursor, rows);
        }
        self.line.send_marker(BREAK)?;
        self.line.send_marker(RESET)?;
        while !self.is_reset()? {}
        self.fail_at_once(error, Writer::new(), cursor, rows)
    }

    fn fail_at_once(&mut self, error: &OraError, mut out: Writer, cursor: u16, rows: u64) -> io::Result<()> {
        self.dialect.ending(&mut out, Ending { error: Some(error), cursor, rows });
        self.line.send_data(&out.into_bytes())
    }

    fn is_reset(&mut self) -> io::Result<bool> {
        let packet = self.line.receive()?;
        Ok(packet.kind == MARKER && packet.body.get(2) == Some(&RESET))
    }

    /// Reads on, and says nothing until the client gives up.
    fn fall_silent(&mut self) -> io::Result<()> {
        loop {
            self.line.receive()?;
        }
    }
}

fn read_fast_logon(reader: &mut Reader<'_>) -> Result<LogonCall, Incomplete> {
    let kind = reader.u8()?;
    assert_eq!(kind, FAST_LOGON, "the client logs on in one round trip");
    reader.raw(3)?;
    greeting::skip_protocol(reader)?;
    reader.raw(6)?;
    greeting::skip_data_types(reader)?;
    read_logon(reader, FAST_LOGON_FIELD_VERSION)
}

fn read_logon(reader: &mut Reader<'_>, field_version: u8) -> Result<LogonCall, Incomplete> {
    reader.u8()?;
    request::head(reader, field_version)?;
    LogonCall::read(reader)
}

/// A user who is not known is asked like any other, for a password that nobody has.
fn nobody() -> Account {
    Account::new("", &super::crypto::to_hex(&random::<16>()))
}

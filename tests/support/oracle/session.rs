//! One connection: login, statements, fetches, and the faults among them.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use super::wire::{Reply, Request};
use super::{Answer, Fault, Rows, Shared, Statement};

/// What the listener takes for the end, in the place of a message.
pub(super) const LAST_CALL: &[u8] = b"\xFF\xFF\xFF\xFF";

const BANNER: &str = "Oracle Database 19c Enterprise Edition Release 19.0.0.0.0 - Production";
/// 19.3.0.0.0, as the client library packs it.
const VERSION: u32 = 19 << 24 | 3 << 16;

const USER_BROKE_OFF: (i32, &str) = (1013, "user requested cancel of current operation");

pub(super) fn is_last_call(stream: &TcpStream) -> bool {
    let mut head = [0; 4];
    // A client that says nothing yet must not hold up the others for long.
    drop(stream.set_read_timeout(Some(std::time::Duration::from_millis(500))));
    let is_last = stream.peek(&mut head).is_ok_and(|length| head[..length] == *LAST_CALL);
    drop(stream.set_read_timeout(None));
    is_last
}

/// Serves until the client leaves, or a fault closes the connection.
pub(super) fn serve(shared: &Arc<Shared>, stream: TcpStream) {
    let session = Session { shared: Arc::clone(shared), stream, number: 0, cursors: HashMap::new() };
    // The client sees why it ended.
    drop(session.run());
}

struct Cursor {
    rows: Rows,
    /// Its place among the statements.
    statement: usize,
}

struct Session {
    shared: Arc<Shared>,
    stream: TcpStream,
    number: u32,
    cursors: HashMap<u32, Cursor>,
}

impl Session {
    fn run(mut self) -> io::Result<()> {
        loop {
            let mut request = Request::read(&mut self.stream)?;
            match request.kind {
                b'L' => self.log_in(&mut request)?,
                b'X' => self.execute(&mut request)?,
                b'F' => self.fetch(&mut request)?,
                b'T' => self.do_plainly(&mut request)?,
                b'C' => drop(self.cursors.remove(&request.number())),
                // A break that comes when all is answered is late, and nothing.
                b'B' => {}
                _ => return Ok(()),
            }
        }
    }

    fn send(&mut self, reply: Reply) -> io::Result<()> {
        reply.send(&mut self.stream)
    }

    fn fail(&mut self, fault: &Fault) -> io::Result<()> {
        match fault {
            Fault::Error(code, message) => self.send(Reply::error(*code, message)),
            Fault::Cut => self.stream.shutdown(Shutdown::Both),
            Fault::Stall => loop {
                if Request::read(&mut self.stream)?.kind == b'B' {
                    return self.send(Reply::error(USER_BROKE_OFF.0, USER_BROKE_OFF.1));
                }
            },
            Fault::Silence => loop {
                Request::read(&mut self.stream)?;
            },
        }
    }

    fn log_in(&mut self, request: &mut Request) -> io::Result<()> {
        let (user, password, service) = (request.text(), request.text(), request.text());
        let is_external = request.number() != 0;
        let mut script = self.shared.script();
        let account = script.accounts.iter().find(|(known, _)| known.eq_ignore_ascii_case(&user));
        let fault = match (&script.login, account) {
            (Some(fault), _) => Some(fault.clone()),
            (None, _) if service != "XEPDB1" => Some(super::ora(
                12514,
                "TNS:listener does not currently know of service requested in connect descriptor",
            )),
            (None, _) if password.is_empty() && !is_external => {
                Some(super::ora(1005, "null password given; logon denied"))
            }
            (None, Some((_, known))) if *known == password => None,
            (None, _) => Some(super::ora(1017, "invalid username/password; logon denied")),
        };
        if let Some(fault) = fault {
            drop(script);
            return self.fail(&fault);
        }
        script.logins.push(user);
        self.number = u32::try_from(script.logins.len()).expect("few logins");
        let (code, warning) = script.warning.clone().unwrap_or_default();
        drop(script);
        self.send(Reply::new(b'k').text(BANNER).number(VERSION).number(code.cast_unsigned()).text(&warning))
    }

    fn execute(&mut self, request: &mut Request) -> io::Result<()> {
        let (cursor, sql, prefetch_rows) = (request.number(), request.text(), request.number());
        let mut binds: Vec<_> = (0..request.number()).map(|_| request.bind()).collect();
        binds.sort_by(|one, other| one.name.cmp(&other.name));
        let statement = Statement { session: self.number, sql, binds, prefetch_rows, fetches: Vec::new() };
        let mut script = self.shared.script();
        let at = script.statements.len();
        script.statements.push(statement.clone());
        let rules = script.rules.clone();
        drop(script);
        self.shared.changed.notify_all();
        let answer = rules.iter().rev().find_map(|rule| rule(&statement));
        match answer {
            Some(Answer::Done(changed)) => self.send(Reply::new(b'd').number(changed).number(0)),
            Some(Answer::Rows(rows)) => {
                let count = u32::try_from(rows.columns.len()).expect("few columns");
                let head = Reply::new(b'd').number(0).number(count);
                let reply = rows.columns.iter().fold(head, Reply::column);
                self.cursors.insert(cursor, Cursor { rows, statement: at });
                self.send(reply)
            }
            Some(Answer::Fails(fault)) => self.fail(&fault),
            None => self.send(Reply::error(900, "invalid SQL statement: no rule answers it")),
        }
    }

    fn fetch(&mut self, request: &mut Request) -> io::Result<()> {
        let (number, asked) = (request.number(), request.number());
        let Some(cursor) = self.cursors.get_mut(&number) else {
            return self.send(Reply::error(1002, "fetch out of sequence"));
        };
        let rows: Vec<_> = cursor.rows.values.by_ref().take(asked as usize).collect();
        let given = u32::try_from(rows.len()).expect("no more than were asked for");
        self.shared.script().statements[cursor.statement].fetches.push((asked, given));
        self.shared.changed.notify_all();
        // Rows of the array in which the fault lies are lost to the client.
        if let Some(fault) = cursor.rows.end.clone().filter(|_| given < asked) {
            return self.fail(&fault);
        }
        let is_last = given < asked;
        let mut reply = Reply::new(b'r').number(is_last.into()).number(given);
        for cell in rows.iter().flatten() {
            reply.push_cell(cell.as_deref());
        }
        self.send(reply)
    }

    fn do_plainly(&mut self, request: &mut Request) -> io::Result<()> {
        let sql = request.text();
        let (session, binds, fetches) = (self.number, Vec::new(), Vec::new());
        self.shared.script().statements.push(Statement { session, sql, binds, prefetch_rows: 0, fetches });
        self.shared.changed.notify_all();
        self.send(Reply::new(b'k'))
    }
}

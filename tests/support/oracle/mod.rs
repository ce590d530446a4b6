//! A server that plays an Oracle database for the stand-in of its client library.
//!
//! It listens on a loopback port, so it can be cut off, stopped and started as a real one. What it
//! answers comes from rules, the last added that fits first; what it was asked is kept.

mod catalogue;
mod columns;
mod session;
pub mod tables;
mod wire;

use std::io::Write as _;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use columns::{Column, columns, declarations};

/// A value as its text, or the bytes of a RAW or BLOB; `None` is null.
pub type Cell = Option<Vec<u8>>;

/// One row of cells; `"NULL"` is null.
pub fn row<const N: usize>(cells: [&str; N]) -> Vec<Cell> {
    cells.map(|cell| (cell != "NULL").then(|| cell.into())).into()
}

/// A bound value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Its name, without the colon.
    pub name: String,
    /// The type it was bound as: `DATE`, `TIMESTAMP`, `NUMBER`, `VARCHAR2`, …
    pub kind: String,
    /// Its text: all nine digits of a timestamp's second.
    pub value: Option<String>,
}

/// A statement that was executed.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Which session executed it, from 1.
    pub session: u32,
    /// Its text, as it was sent.
    pub sql: String,
    /// What was bound, by name.
    pub binds: Vec<Bind>,
    /// Rows that the client wanted with the execution itself.
    pub prefetch_rows: u32,
    /// How many rows were asked for, and how many were given, in each fetch.
    pub fetches: Vec<(u32, u32)>,
}

impl Statement {
    /// The text that was bound to `name`.
    pub fn bind(&self, name: &str) -> Option<&str> {
        let bind = self.binds.iter().find(|bind| bind.name.eq_ignore_ascii_case(name))?;
        bind.value.as_deref()
    }
}

/// What a server does instead of going on.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Answers with an error: its code and its message.
    Error(i32, String),
    /// Closes the connection.
    Cut,
    /// Says nothing, until the client breaks the call off.
    Stall,
    /// Says nothing, not even to a break.
    Silence,
}

/// An error as Oracle words it.
pub fn ora(code: i32, message: &str) -> Fault {
    Fault::Error(code, message.to_owned())
}

/// What a statement answers.
pub enum Answer {
    /// It is done; so many rows were changed.
    Done(u32),
    /// It has rows.
    Rows(Rows),
    /// It fails.
    Fails(Fault),
}

/// Rows of an answer, made while they are fetched.
pub struct Rows {
    /// Their columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub values: Box<dyn Iterator<Item = Vec<Cell>> + Send>,
    /// What happens when no row is left.
    pub end: Option<Fault>,
}

impl Answer {
    /// Answers with `rows` of the columns that `declared` declares, as in CREATE TABLE.
    pub fn rows(declared: &str, rows: impl IntoIterator<Item = Vec<Cell>, IntoIter: Send + 'static>) -> Self {
        Self::Rows(Rows { columns: columns(declared), values: Box::new(rows.into_iter()), end: None })
    }

    /// The same, but the rows are followed by a fault.
    pub fn then(self, fault: Fault) -> Self {
        match self {
            Self::Rows(rows) => Self::Rows(Rows { end: Some(fault), ..rows }),
            Self::Done(_) | Self::Fails(_) => Self::Fails(fault),
        }
    }
}

type Rule = Arc<dyn Fn(&Statement) -> Option<Answer> + Send + Sync>;

#[derive(Default)]
struct Script {
    accounts: Vec<(String, String)>,
    login: Option<Fault>,
    warning: Option<(i32, String)>,
    rules: Vec<Rule>,
    statements: Vec<Statement>,
    logins: Vec<String>,
    connections: Vec<TcpStream>,
}

#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    changed: Condvar,
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no thread of the server panics")
    }
}

/// A running server; it ends when this is dropped.
pub struct OracleServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

impl OracleServer {
    /// Starts a server with the account `scott`, password `tiger`, and `SELECT … FROM dual` for a one.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        let mut server = Self { address, shared: Arc::default(), listening: None };
        server.account("scott", "tiger");
        server.on("SELECT 1 FROM dual", |_| Answer::rows("ONE NUMBER", [row(["1"])]));
        server.on("ALTER SESSION *", |_| Answer::Done(0));
        server.on("SET TRANSACTION *", |_| Answer::Done(0));
        server.listen(listener);
        server
    }

    fn listen(&mut self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        self.listening = Some(std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                if session::is_last_call(&stream) {
                    return;
                }
                let Ok(kept) = stream.try_clone() else { return };
                shared.script().connections.push(kept);
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || session::serve(&shared, stream));
            }
        }));
    }

    /// The connect string, in Easy Connect's form.
    pub fn dsn(&self) -> String {
        format!("//{}/XEPDB1", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds an account; an empty password lets the operating system's user in.
    pub fn account(&self, user: &str, password: &str) {
        let mut script = self.shared.script();
        script.accounts.retain(|(known, _)| !known.eq_ignore_ascii_case(user));
        script.accounts.push((user.to_owned(), password.to_owned()));
    }

    /// From now on every login fails in this way; `None` ends that.
    pub fn refuse_logins(&self, fault: Option<Fault>) {
        self.shared.script().login = fault;
    }

    /// From now on every login succeeds with this warning.
    pub fn warn_at_login(&self, code: i32, message: &str) {
        self.shared.script().warning = Some((code, message.to_owned()));
    }

    /// Answers statements that look like `pattern`: `*` stands for anything, white space and case count
    /// for nothing.
    pub fn on(&self, pattern: &str, answer: impl Fn(&Statement) -> Answer + Send + Sync + 'static) {
        let pattern = plain(pattern);
        self.rule(move |statement| looks_like(&pattern, &plain(&statement.sql)).then(|| answer(statement)));
    }

    /// Answers statements for which `rule` has an answer.
    pub fn rule(&self, rule: impl Fn(&Statement) -> Option<Answer> + Send + Sync + 'static) {
        self.shared.script().rules.push(Arc::new(rule));
    }

    /// The statements so far.
    pub fn statements(&self) -> Vec<Statement> {
        self.shared.script().statements.clone()
    }

    /// The statements so far that look like `pattern`.
    pub fn statements_like(&self, pattern: &str) -> Vec<Statement> {
        let pattern = plain(pattern);
        let mut statements = self.statements();
        statements.retain(|statement| looks_like(&pattern, &plain(&statement.sql)));
        statements
    }

    /// The users that logged in so far, in order; an empty name is the operating system's user.
    pub fn logins(&self) -> Vec<String> {
        self.shared.script().logins.clone()
    }

    /// Waits until a statement like `pattern` was executed at least `count` times.
    pub fn wait_for(&self, pattern: &str, count: usize, deadline: Duration) {
        let started = Instant::now();
        while self.statements_like(pattern).len() < count {
            let left = deadline.checked_sub(started.elapsed());
            let left = left.unwrap_or_else(|| panic!("waited {deadline:?} in vain for {count} × {pattern}"));
            let script = self.shared.script();
            drop(self.shared.changed.wait_timeout(script, left.min(Duration::from_millis(20))));
        }
    }

    /// Closes all connections; new ones are taken.
    pub fn cut(&self) {
        for connection in self.shared.script().connections.drain(..) {
            drop(connection.shutdown(Shutdown::Both));
        }
    }

    /// Closes all connections and listens no more.
    pub fn stop(&mut self) {
        if let Some(listening) = self.listening.take() {
            let mut last_call = TcpStream::connect(self.address).expect("the server listens");
            last_call.write_all(session::LAST_CALL).expect("the server takes its last call");
            listening.join().expect("no thread of the server panics");
            self.cut();
        }
    }

    /// Listens again, on the same port.
    pub fn restart(&mut self) {
        self.stop();
        let listener = TcpListener::bind(self.address).expect("the port is still free");
        self.listen(listener);
    }
}

impl Drop for OracleServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// White space collapsed, upper case.
fn plain(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase()
}

fn looks_like(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    (0..=text.len()).any(|at| text.is_char_boundary(at) && looks_like(rest, &text[at..]))
}

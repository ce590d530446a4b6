//! What a server saw, for a test to look at.

use std::sync::Mutex;

use super::answer::Statement;
use super::logon::LogonCall;

/// Everything that happened so far.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// Connect descriptors, one for each connection.
    pub connects: Vec<String>,
    /// What a client said of itself at logon, by name: `AUTH_ALTER_SESSION`, `SESSION_CLIENT_CHARSET` ….
    pub logons: Vec<Vec<(String, String)>>,
    /// Statements, each time they were executed.
    pub statements: Vec<Statement>,
    /// How many rows each fetch asked for.
    pub fetches: Vec<usize>,
    /// How many cursors were closed.
    pub closed_cursors: usize,
    /// What clients called themselves and their work: module, action and their like.
    pub labels: Vec<String>,
}

/// The record of all sessions.
#[derive(Debug, Default)]
pub struct Log(Mutex<Seen>);

impl Log {
    /// What happened so far.
    pub fn seen(&self) -> Seen {
        self.0.lock().expect("no session panics while it writes").clone()
    }

    fn write(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().expect("no session panics while it writes"));
    }

    pub(super) fn connected(&self, descriptor: String) {
        self.write(|seen| seen.connects.push(descriptor));
    }

    pub(super) fn logged_on(&self, call: &LogonCall) {
        let said = call.pairs.iter();
        let said = said.map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned()));
        self.write(|seen| seen.logons.push(said.collect()));
    }

    pub(super) fn executed(&self, statement: Statement) {
        self.write(|seen| seen.statements.push(statement));
    }

    pub(super) fn fetched(&self, rows: usize) {
        self.write(|seen| seen.fetches.push(rows));
    }

    pub(super) fn rode_along(&self, closed_cursors: usize, labels: Vec<String>) {
        self.write(|seen| {
            seen.closed_cursors += closed_cursors;
            seen.labels.extend(labels);
        });
    }
}

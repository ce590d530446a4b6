//! What a test says to a statement, and what it is told of one.

use super::binds::Bind;
use super::cell::{Cell, Column};

/// A statement as a client executed it.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Its text.
    pub sql: String,
    /// Its binds in the order of the text; a name that is used twice is there twice.
    pub binds: Vec<Bind>,
    /// The session that executed it, counted from 1.
    pub session: usize,
}

impl Statement {
    /// The first bind of this name, without regard to case.
    pub fn bind(&self, name: &str) -> Option<&Bind> {
        self.binds.iter().find(|bind| bind.name.eq_ignore_ascii_case(name))
    }
}

/// An error as the database words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OraError {
    /// Its number.
    pub code: u32,
    /// Its text, with `ORA-` and the number before it.
    pub message: String,
    /// The character of the statement it is about.
    pub position: u16,
}

impl OraError {
    /// An error with its text behind the number.
    pub fn new(code: u32, text: &str) -> Self {
        Self { code, message: format!("ORA-{code:05}: {text}"), position: 0 }
    }

    /// ORA-00942.
    pub fn no_such_table() -> Self {
        Self::new(942, "table or view does not exist")
    }

    /// ORA-01017.
    pub fn wrong_password() -> Self {
        Self::new(1017, "invalid username/password; logon denied")
    }

    /// ORA-01555.
    pub fn snapshot_too_old() -> Self {
        Self::new(1555, "snapshot too old: rollback segment number 7 with name \"_SYSSMU7$\" too small")
    }
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The database says so and goes on.
    Error(OraError),
    /// The connection is cut, in the middle of a packet where one is under way.
    HangUp,
    /// The call takes for ever, and ends with ORA-01013 when the client breaks it off.
    Stall,
    /// Nothing is said any more, not even when the client breaks the call off.
    Silence,
}

/// The answer to a statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The rows of a query.
    Rows(ResultSet),
    /// It was done, and changed so many rows.
    Done(u64),
    /// It went wrong at once.
    Fault(Fault),
}

/// The rows of a query, and where its fetch goes wrong.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ResultSet {
    /// What is described.
    pub columns: Vec<Column>,
    /// The rows, each with a cell for each column.
    pub rows: Vec<Vec<Cell>>,
    /// What goes wrong in the place of which row, counted from 0.
    pub fault: Option<(usize, Fault)>,
}

impl Answer {
    /// All these rows.
    pub fn rows(columns: Vec<Column>, rows: Vec<Vec<Cell>>) -> Self {
        Self::Rows(ResultSet { columns, rows, fault: None })
    }

    /// An error.
    pub fn error(error: OraError) -> Self {
        Self::Fault(Fault::Error(error))
    }

    /// Goes wrong when `rows` of its rows are fetched.
    ///
    /// # Panics
    /// Panics where the answer has no rows.
    #[must_use]
    pub fn then(self, rows: usize, fault: Fault) -> Self {
        let Self::Rows(whole) = self else { panic!("only a query goes wrong between its rows") };
        Self::Rows(ResultSet { fault: Some((rows, fault)), ..whole })
    }
}

/// A table that a test fills; the handler of statements decides what is read from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// `SELECT *`.
    pub fn all(&self) -> Answer {
        Answer::rows(self.columns.clone(), self.rows.clone())
    }
}

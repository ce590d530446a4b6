//! A row as a server sent it, before it is known whether it is due.

use std::borrow::Cow;

use livecosmos_state::Tie;

use crate::base64;
use crate::rows::{Kind, RowTime, Rows};
use crate::source::{TableShape, is_json_number};

use super::Table;

/// A value as a dialect read it.
#[derive(Debug, Clone, Copy)]
pub(in crate::source) enum Value<'a> {
    /// None.
    Null,
    /// A text.
    Text(&'a str),
    /// A number as the server spells it; `NaN` and infinities too.
    Number(&'a str),
    /// A truth value.
    Bool(bool),
    /// Bytes, which leave as base64.
    Bytes(&'a [u8]),
    /// Something that cannot be sent, with the remedy.
    Unreadable(&'static str),
}

/// The time of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) enum Moment {
    /// A time.
    At(RowTime),
    /// None, or one that is no instant, with the reason: no cursor ever passes it.
    Outside(String),
    /// A time of the local clock that cannot be told, with the reason: a cursor may pass it.
    Unreadable(String),
}

/// How the cells of a column leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The time: its cell is left empty.
    Time,
    /// Always text: the site, and what is declared so.
    Text,
    /// As what they are.
    Plain,
}

/// A row as a server sent it. One is used for all rows of a statement.
#[derive(Debug)]
pub(in crate::source) struct Record {
    /// Which site's, as a place among those that were asked for.
    pub(in crate::source) position: Option<usize>,
    /// Its time.
    pub(in crate::source) moment: Moment,
    /// Its tie, or why it has none.
    pub(in crate::source) tie: Result<Tie, String>,
    /// The time as the server spells it, for people; empty where it is spelled as ours are.
    pub(in crate::source) time_text: String,
    roles: Box<[Role]>,
    null_values: Box<[String]>,
    text: String,
    cells: Vec<(Kind, usize)>,
    /// Why it cannot be sent.
    fault: Option<String>,
    /// Numbers that JSON cannot spell, in this row.
    odd_numbers: u64,
}

impl Record {
    /// For rows of `table`.
    pub(in crate::source) fn new(table: &Table, shape: &TableShape) -> Self {
        let role = |(at, column): (usize, &super::catalogue::Column)| match at {
            _ if at == table.time => Role::Time,
            _ if Some(at) == table.site || shape.text_columns.contains(&column.name) => Role::Text,
            _ => Role::Plain,
        };
        Self {
            position: None,
            moment: Moment::Outside(String::new()),
            tie: Ok(Tie::None),
            time_text: String::new(),
            roles: table.columns.iter().enumerate().map(role).collect(),
            null_values: shape.null_values.clone().into(),
            text: String::new(),
            cells: Vec::with_capacity(table.columns.len()),
            fault: None,
            odd_numbers: 0,
        }
    }

    /// Begins the next row.
    pub(in crate::source) fn begin(&mut self, position: Option<usize>) {
        self.position = position;
        self.text.clear();
        self.time_text.clear();
        self.cells.clear();
        self.fault = None;
        self.odd_numbers = 0;
        self.tie = Ok(Tie::None);
    }

    /// Takes the value of the next column; that of the time column is taken note of elsewhere.
    pub(in crate::source) fn push(&mut self, value: Value<'_>) {
        let role = self.roles[self.cells.len()];
        let kind = match value {
            _ if role == Role::Time => Kind::Text,
            Value::Null => Kind::Null,
            Value::Text(text) if self.null_values.iter().any(|null| null == text) => Kind::Null,
            Value::Text(text) => self.spell(Kind::Text, text),
            Value::Number(text) if role == Role::Text => self.spell(Kind::Text, text),
            Value::Number(text) if is_json_number(text.as_bytes()) => self.spell(Kind::Number, text),
            Value::Number(_) => {
                self.odd_numbers += 1;
                Kind::Null
            }
            Value::Bool(value) => self.spell(Kind::Bool, if value { "true" } else { "false" }),
            Value::Bytes(bytes) => {
                base64::push(&mut self.text, bytes);
                Kind::Text
            }
            Value::Unreadable(reason) => {
                self.fault.get_or_insert_with(|| reason.to_owned());
                Kind::Null
            }
        };
        self.cells.push((kind, self.text.len()));
    }

    fn spell(&mut self, kind: Kind, text: &str) -> Kind {
        self.text.push_str(text);
        kind
    }

    /// The time for people; empty where there is none. Most rows are never shown to any.
    pub(super) fn shown_time(&self) -> Cow<'_, str> {
        match &self.moment {
            Moment::At(time) if self.time_text.is_empty() => Cow::Owned(time.time.to_string()),
            _ => Cow::Borrowed(&self.time_text),
        }
    }

    /// Why the row cannot be sent, if so.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Bytes of its values.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Numbers of this row that are sent as null.
    pub(super) fn odd_numbers(&self) -> u64 {
        self.odd_numbers
    }

    /// The value of column `at`.
    pub(super) fn cell(&self, at: usize) -> (Kind, &str) {
        let start = at.checked_sub(1).map_or(0, |before| self.cells[before].1);
        let (kind, end) = self.cells[at];
        (kind, &self.text[start..end])
    }

    /// Gives the values to a batch.
    pub(super) fn push_to(&self, rows: &mut Rows) {
        let mut start = 0;
        for (kind, end) in &self.cells {
            rows.push(*kind, &self.text[start..*end]);
            start = *end;
        }
    }
}

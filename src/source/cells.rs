//! A row that could not be sent, kept value by value; and whether today's configuration would send it.

use std::sync::Arc;

use livecosmos_state::{Cursor, SiteId, Tie, Time};
use serde::{Deserialize, Serialize};

use super::sqlite::StoredTimes;
use super::{SiteRule, TableShape, TimeReader, is_json_number};
use crate::clock::shift;
use crate::column_type::ColumnType;
use crate::rows::{Kind, RowTime, Rows, Schema};

/// The remedy for a row that is as it should not be: a file or a stretch of a table that was read is not
/// read again, so that a row mended in its place is not sent.
pub const WRITE_ANEW: &str = "write the row anew at the end of its source, and drop this";

/// The values of a row with the names of their columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cells {
    /// Names, in the source's order.
    pub columns: Vec<String>,
    /// Values as the source wrote them.
    pub values: Vec<String>,
    /// What each value is, a letter each: `t`ext, `n`umber, `b`ool, `-` for none. Without it they are a
    /// CSV file's, and the configuration says what they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<String>,
    /// The types of the columns, where the source knows any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// The row's time, where it was read already and the time column's value is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// A row that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sendable {
    /// Whose row.
    pub site: SiteId,
    /// Its columns.
    pub schema: Schema,
    /// Its values; that of the time column is empty.
    pub values: Vec<(Kind, String)>,
    /// Its time.
    pub time: RowTime,
    /// Its place among the rows of its site in a table; of a CSV file's row this is its time alone.
    pub cursor: Cursor,
}

impl Cells {
    /// The values of a row on its way to a payload.
    #[must_use]
    pub fn of(rows: &Rows, row: usize) -> Self {
        let RowTime { time, digits } = rows.times()[row];
        Self {
            columns: rows.schema().columns.iter().map(ToString::to_string).collect(),
            values: rows.values(row).map(|value| value.text.to_owned()).collect(),
            kinds: Some(rows.values(row).map(|value| letter(value.kind)).collect()),
            types: rows.schema().types.iter().map(ToString::to_string).collect(),
            time: Some(spell_time(time, digits)),
        }
    }

    /// Adds a value as `spell` writes it, which tells what it is.
    pub fn push(&mut self, column: &str, kind: ColumnType, spell: impl FnOnce(&mut String) -> Kind) {
        self.types.push(kind.to_string());
        let mut text = String::new();
        let kind = spell(&mut text);
        self.columns.push(column.to_owned());
        self.values.push(text);
        self.kinds.get_or_insert_default().push(letter(kind));
    }

    /// Bytes of all values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.values.iter().map(String::len).sum()
    }

    /// The type of the column at `at`, as the source knew it.
    fn column_type(&self, at: usize) -> ColumnType {
        self.types.get(at).and_then(|kind| kind.parse().ok()).unwrap_or(ColumnType::Text)
    }

    fn index(&self, role: &str, name: &str) -> Result<usize, String> {
        let exact = self.columns.iter().position(|column| column == name);
        let found =
            exact.or_else(|| self.columns.iter().position(|column| column.eq_ignore_ascii_case(name)));
        found.ok_or_else(|| {
            format!("it has no column '{name}', which {role}_column names; drop it, or put the column's name right")
        })
    }
}

/// The letter of a kind in [`Cells::kinds`].
fn letter(kind: Kind) -> char {
    match kind {
        Kind::Text => 't',
        Kind::Number => 'n',
        Kind::Bool => 'b',
        Kind::Null => '-',
    }
}

/// Tells what would become of a kept row today.
#[derive(Debug)]
pub struct Recheck<'a> {
    shape: &'a TableShape,
    /// Reads times as a database stores them.
    stored: Option<StoredTimes>,
}

impl<'a> Recheck<'a> {
    /// For a table of this shape; `stored` where it is in a database.
    #[must_use]
    pub fn new(shape: &'a TableShape, stored: Option<StoredTimes>) -> Self {
        Self { shape, stored }
    }

    /// The row as it would be sent, or why it would not. `site` is the one it was kept with.
    ///
    /// # Errors
    /// The reason with its remedy, as for a row that was just read.
    pub fn row(&self, site: Option<&str>, cells: &Cells, now: Time) -> Result<Sendable, String> {
        let (columns, values) = (&cells.columns, &cells.values);
        if columns.len() != values.len() {
            return Err(format!(
                "it has {} fields and the header has {}; {WRITE_ANEW}",
                values.len(),
                columns.len()
            ));
        }
        let at_time = cells.index("time", &self.shape.time_column)?;
        let at_site = match &self.shape.site {
            SiteRule::Column(name) => Some(cells.index("site", name)?),
            SiteRule::Fixed(_) | SiteRule::Template(_) => None,
        };
        let site = self.site(site, at_site.map(|at| values[at].trim()))?;
        let kind = |at: usize| self.kind(cells, at, Some(at) == at_site);
        let time = self.time(cells, at_time, kind(at_time))?;
        if time.time > shift(now, self.shape.future_tolerance_s) {
            return Err(format!(
                "its time {} lies in the future; wait until it has come, or raise `future_tolerance`",
                time.time
            ));
        }
        let cell = |at: usize| match kind(at) {
            _ if at == at_time => (Kind::Text, String::new()),
            Kind::Null => (Kind::Null, String::new()),
            kind => (kind, values[at].clone()),
        };
        let known = columns.iter().enumerate().map(|(at, name)| (name.as_str(), cells.column_type(at)));
        let schema = self.shape.schema(known, at_time, at_site);
        let cursor = Cursor::Row { time: time.time, tie: self.tie(cells)? };
        Ok(Sendable { site, schema, values: (0..values.len()).map(cell).collect(), time, cursor })
    }

    fn site(&self, kept: Option<&str>, in_row: Option<&str>) -> Result<SiteId, String> {
        let site = match (&self.shape.site, in_row) {
            (SiteRule::Fixed(site), _) => Ok(site.clone()),
            (SiteRule::Column(_), Some(text)) if !text.is_empty() && !self.is_null(text) => {
                SiteId::parse(text).map_err(|error| format!("{error}, or drop the row"))
            }
            (SiteRule::Template(_), _) => {
                let kept = kept.ok_or_else(|| format!("its site is not known; {WRITE_ANEW}"))?;
                SiteId::parse(kept).map_err(|error| error.to_string())
            }
            (SiteRule::Column(_), _) => Err(format!("its site is empty; {WRITE_ANEW}")),
        }?;
        match &self.shape.sites {
            Some(sites) if !sites.contains(&site) => {
                Err(format!("its site {site} is not among `sites`; add it, or drop the row"))
            }
            _ => Ok(site),
        }
    }

    fn time(&self, cells: &Cells, at: usize, kind: Kind) -> Result<RowTime, String> {
        let column = &self.shape.time_column;
        let refused = |error: &dyn std::fmt::Display| format!("its time, column '{column}': {error}");
        if let Some(time) = &cells.time {
            return TimeReader::utc().read(time).map_err(|error| refused(&error));
        }
        let text = cells.values[at].as_str();
        match &self.stored {
            Some(stored) => stored.read(kind, text).map_err(|error| refused(&error)),
            None if text.trim().is_empty() || self.is_null(text.trim()) => {
                Err(format!("its time, column '{column}', is empty; {WRITE_ANEW}"))
            }
            None => self.shape.time.read(text.trim()).map_err(|error| refused(&error)),
        }
    }

    fn tie(&self, cells: &Cells) -> Result<Tie, String> {
        let Some(name) = self.shape.tie_column.as_ref().filter(|_| self.stored.is_some()) else {
            return Ok(Tie::None);
        };
        let at = cells.index("tie", name)?;
        let text = cells.values[at].clone();
        let number = text.parse().ok().filter(|_| self.kind(cells, at, false) == Kind::Number);
        Ok(number.map_or(Tie::Text(text), Tie::Integer))
    }

    fn kind(&self, cells: &Cells, at: usize, is_site: bool) -> Kind {
        let text = cells.values[at].as_str();
        let kept = cells.kinds.as_ref().and_then(|kinds| kinds.chars().nth(at));
        match kept {
            Some('n') => Kind::Number,
            Some('b') => Kind::Bool,
            Some('-') => Kind::Null,
            None if self.is_null(text) => Kind::Null,
            None if self.is_number(cells, at, is_site) => Kind::Number,
            Some(_) | None => Kind::Text,
        }
    }

    /// Whether a CSV file's cell is a number.
    fn is_number(&self, cells: &Cells, at: usize, is_site: bool) -> bool {
        let is_text = is_site || self.shape.text_columns.contains(&cells.columns[at]);
        !is_text && is_json_number(cells.values[at].as_bytes())
    }

    fn is_null(&self, text: &str) -> bool {
        self.shape.null_values.iter().any(|null| null == text)
    }
}

impl Sendable {
    /// Appends the row to `rows`, which are of its columns.
    pub fn push_to(&self, rows: &mut Rows) {
        for (kind, text) in &self.values {
            rows.push(*kind, text);
        }
        rows.end_row(self.time);
    }

    /// An empty arena for rows like this.
    #[must_use]
    pub fn rows(&self) -> Rows {
        Rows::new(Arc::new(self.schema.clone()))
    }
}

/// The instant with as many digits of a second as the source wrote.
fn spell_time(time: Time, digits: u8) -> String {
    let whole = Time::new(time.seconds, 0).unwrap_or(time).to_string();
    let nanos = format!("{:09}", time.nanos);
    match digits {
        0 => whole,
        digits => whole.replace('Z', &format!(".{}Z", &nanos[..usize::from(digits.min(9))])),
    }
}

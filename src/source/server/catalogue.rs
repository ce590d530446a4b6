//! A table as the catalogue of its server describes it. Every name that becomes SQL comes from there.

use crate::column_type::ColumnType;
use crate::source::names::{closest, listed};
use crate::source::{SiteRule, TableShape};

use super::{Equality, Fault};

/// A table, with the columns that a configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) struct Table {
    /// Its name as SQL: schema and table, quoted.
    pub(in crate::source) sql_name: String,
    /// Its name for people.
    pub(in crate::source) name: String,
    /// Its columns, in order.
    pub(in crate::source) columns: Vec<Column>,
    /// Index of the time column.
    pub(in crate::source) time: usize,
    /// What kind of time that is.
    pub(in crate::source) time_kind: TimeKind,
    /// Index of the site column, where the table is not one site's.
    pub(in crate::source) site: Option<usize>,
    /// Index of the tie column, where the shape has one.
    pub(in crate::source) tie: Option<usize>,
    /// Columns of the primary key.
    pub(in crate::source) key: Vec<usize>,
    /// How new rows are found.
    pub(in crate::source) lookup: Lookup,
    /// The statement that makes the index which it lacks.
    pub(in crate::source) index_advice: String,
    /// The name of the index by which rows are found, for a dialect that says it in its statements.
    pub(in crate::source) index: Option<String>,
    /// How the server compares its sites, where a dialect cannot tell them apart by itself.
    pub(in crate::source) sites: Equality,
    /// The server sorts ties as they are sorted here.
    pub(in crate::source) has_sorted_ties: bool,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) struct Column {
    /// Its name.
    pub(in crate::source) name: String,
    /// Its type, as the server spells it.
    pub(in crate::source) declared: String,
    /// The same without lengths, to cast a value to; empty where the dialect never does.
    pub(in crate::source) cast: String,
    /// What its values are.
    pub(in crate::source) class: Class,
    /// What a format with types takes them for.
    pub(in crate::source) kind: ColumnType,
    /// It may hold nulls.
    pub(in crate::source) is_nullable: bool,
}

/// What the values of a column are, as far as reading them goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum Class {
    /// Whole numbers of 64 bits at most.
    Integer,
    /// Other numbers.
    Number,
    /// True or false.
    Bool,
    /// Bytes.
    Bytes,
    /// Date and time.
    Time(TimeKind),
    /// A text.
    Text,
    /// What the server spells as a text, and compares by other rules: a UUID.
    Other,
}

/// What kind of time the time column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum TimeKind {
    /// An instant.
    Instant,
    /// A date and a time of the day in the declared zone.
    Local,
    /// A date.
    Date,
    /// A count since 1970.
    Count,
}

/// How new rows are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum Lookup {
    /// In an index that begins with site and time; with time, where the table is one site's.
    BySite,
    /// In an index that begins with time.
    ByTime,
    /// By looking at every row.
    Scan,
}

/// An index, by the columns it sorts by first; `None` for one that rows are not found by.
pub(in crate::source) type Leading = Vec<Option<usize>>;

/// A table as the catalogue has it, before it is known whether it fits.
pub(in crate::source) struct Found {
    /// As [`Table::sql_name`].
    pub(in crate::source) sql_name: String,
    /// As [`Table::name`].
    pub(in crate::source) name: String,
    /// As [`Table::columns`].
    pub(in crate::source) columns: Vec<Column>,
    /// As [`Table::key`].
    pub(in crate::source) key: Vec<usize>,
    /// Its indexes that hold every row.
    pub(in crate::source) indexes: Vec<Leading>,
    /// How the dialect quotes a name.
    pub(in crate::source) quoted: fn(&str) -> String,
}

impl Found {
    /// Confirms the columns that `shape` names.
    pub(in crate::source) fn fit(self, shape: &TableShape) -> Result<Table, Fault> {
        let time = self.column("time_column", &shape.time_column)?;
        let site = match &shape.site {
            SiteRule::Column(column) => Some(self.column("site_column", column)?),
            SiteRule::Fixed(_) | SiteRule::Template(_) => None,
        };
        let tie = shape.tie_column.as_ref().map(|column| self.column("tie_column", column)).transpose()?;
        let time_kind = self.time_kind(time)?;
        if let Some(tie) = tie {
            self.check_tie(tie)?;
        }
        let lookup = self.lookup(site, time);
        let index_advice = self.index_advice(site, time);
        let Self { sql_name, name, columns, key, .. } = self;
        Ok(Table {
            sql_name,
            name,
            columns,
            time,
            time_kind,
            site,
            tie,
            key,
            lookup,
            index_advice,
            index: None,
            sites: Equality::default(),
            has_sorted_ties: false,
        })
    }

    fn column(&self, key: &str, wanted: &str) -> Result<usize, Fault> {
        let names: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        let exact = names.iter().position(|name| name == wanted);
        if let Some(at) = exact.or_else(|| names.iter().position(|name| name.eq_ignore_ascii_case(wanted))) {
            return Ok(at);
        }
        let meant = closest(wanted, names.iter().map(String::as_str));
        Err(Fault::config(format!(
            "table {} has no column '{wanted}' for {key}{meant}; it has {}",
            self.name,
            listed(&names)
        )))
    }

    fn time_kind(&self, time: usize) -> Result<TimeKind, Fault> {
        let Column { name, declared, class, .. } = &self.columns[time];
        match class {
            Class::Time(kind) => Ok(*kind),
            Class::Integer => Ok(TimeKind::Count),
            _ => Err(Fault::config(format!(
                "column '{name}' of table {} is {declared}, by which times are not found in order; name a \
                 timestamp, a date or a whole number, or a view that casts it to one",
                self.name
            ))),
        }
    }

    fn check_tie(&self, tie: usize) -> Result<(), Fault> {
        let Column { name, declared, class, .. } = &self.columns[tie];
        if matches!(class, Class::Integer | Class::Text) || declared == "uuid" {
            return Ok(());
        }
        Err(Fault::config(format!(
            "column '{name}' of table {} is {declared}, which is no tie; name a whole number, a text or a UUID",
            self.name
        )))
    }

    fn lookup(&self, site: Option<usize>, time: usize) -> Lookup {
        let wanted: Vec<Option<usize>> = site.into_iter().chain([time]).map(Some).collect();
        if self.indexes.iter().any(|index| index.starts_with(&wanted)) {
            Lookup::BySite
        } else if self.indexes.iter().any(|index| index.first() == Some(&Some(time))) {
            Lookup::ByTime
        } else {
            Lookup::Scan
        }
    }

    fn index_advice(&self, site: Option<usize>, time: usize) -> String {
        let columns = site.into_iter().chain([time]).map(|at| (self.quoted)(&self.columns[at].name));
        format!("CREATE INDEX ON {} ({})", self.sql_name, columns.collect::<Vec<_>>().join(", "))
    }
}

impl Table {
    /// What an operator should do so that new rows are found by an index.
    pub(super) fn advice(&self) -> Option<String> {
        let what = match self.lookup {
            Lookup::BySite => return None,
            Lookup::ByTime => {
                "has an index by time alone, so sites that lag behind the others are looked for less often"
            }
            Lookup::Scan => "has no index by which new rows are found, so each poll reads all of it",
        };
        Some(format!("table {} {what}; make one: {}", self.name, self.index_advice))
    }

    /// How `now` differs from this in what is sent, in words.
    pub(super) fn change_to(&self, now: &Self) -> Option<String> {
        if self.columns == now.columns {
            return None;
        }
        let lacks = |of: &Self, other: &Self| {
            let names = of.columns.iter().filter(|column| !other.has(&column.name));
            names.map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let retyped = self.columns.iter().filter_map(|before| {
            let after = now.columns.iter().find(|after| after.name == before.name)?;
            let is_other = after.declared != before.declared;
            is_other.then(|| format!("{} is now {}", after.name, after.declared))
        });
        let parts = [
            (lacks(now, self), "new: "),
            (lacks(self, now), "gone: "),
            (retyped.collect::<Vec<_>>().join(", "), "of another type: "),
        ];
        let said: Vec<String> = parts
            .into_iter()
            .filter(|(names, _)| !names.is_empty())
            .map(|(names, what)| format!("{what}{names}"))
            .collect();
        let said = if said.is_empty() { "in another order".to_owned() } else { said.join("; ") };
        Some(format!(
            "the columns of table {} have changed ({said}); objects have them from now on",
            self.name
        ))
    }

    fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }
}

//! The only place that builds SQL for Oracle. Names come from the catalogue and are quoted; values are
//! bound.
//!
//! In every statement `r` is the table that is read.

use crate::source::server::Table;
use crate::source::server::catalogue::{Column, Lookup};

/// What a session is told at its start. Texts are compared by their bytes, as they are here; times with a
/// zone are shown in UTC.
pub(super) const PREPARE: [&str; 3] = [
    "ALTER SESSION SET TIME_ZONE = '+00:00'",
    "ALTER SESSION SET NLS_COMP = BINARY NLS_SORT = BINARY",
    "ALTER SESSION SET NLS_NUMERIC_CHARACTERS = '.,'",
];

/// From here to the end of the transaction, all statements see one state of the database, and none can change it.
pub(super) const BEGIN: &str = "SET TRANSACTION READ ONLY";

/// Tables and views called `:name`, whatever their case: owner and name.
pub(super) const FIND_TABLE: &str = "SELECT o.OWNER, o.OBJECT_NAME FROM ALL_OBJECTS o \
     WHERE UPPER(o.OBJECT_NAME) = UPPER(:name) AND o.OBJECT_TYPE IN ('TABLE', 'VIEW', 'MATERIALIZED VIEW') \
     ORDER BY o.OWNER, o.OBJECT_NAME";

/// What synonyms called `:name` stand for: who has them, and owner and name of the table.
pub(super) const FIND_SYNONYM: &str = "SELECT s.OWNER, s.TABLE_OWNER, s.TABLE_NAME FROM ALL_SYNONYMS s \
     WHERE UPPER(s.SYNONYM_NAME) = UPPER(:name) ORDER BY s.OWNER";

/// The tables of `:owner`, for a message.
pub(super) const LIST_TABLES: &str = "SELECT o.OBJECT_NAME FROM ALL_OBJECTS o WHERE o.OWNER = :owner \
     AND o.OBJECT_TYPE IN ('TABLE', 'VIEW') ORDER BY o.OBJECT_NAME";

/// The columns of a table: name, type, precision, scale, nulls, length in characters.
pub(super) const COLUMNS: &str = "SELECT c.COLUMN_NAME, c.DATA_TYPE, c.DATA_PRECISION, c.DATA_SCALE, c.NULLABLE, \
     c.CHAR_LENGTH FROM ALL_TAB_COLUMNS c WHERE c.OWNER = :owner AND c.TABLE_NAME = :name ORDER BY c.COLUMN_ID";

/// The sorted indexes of a table that can be used, column by column: name, uniqueness, column.
pub(super) const INDEXES: &str = "SELECT i.INDEX_NAME, i.UNIQUENESS, c.COLUMN_NAME FROM ALL_INDEXES i \
     JOIN ALL_IND_COLUMNS c ON c.INDEX_OWNER = i.OWNER AND c.INDEX_NAME = i.INDEX_NAME \
     WHERE i.TABLE_OWNER = :owner AND i.TABLE_NAME = :name AND i.INDEX_TYPE = 'NORMAL' \
     AND i.STATUS IN ('VALID', 'N/A') AND i.VISIBILITY = 'VISIBLE' ORDER BY i.INDEX_NAME, c.COLUMN_POSITION";

/// `name` as an identifier. Oracle has no way to write a quotation mark in one, and no such names.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', ""))
}

/// Statements for one table.
pub(super) struct Statements<'a> {
    table: &'a Table,
    time: String,
    site: Option<String>,
}

impl<'a> Statements<'a> {
    pub(super) fn new(table: &'a Table) -> Self {
        let column = |at: usize| format!("r.{}", quoted(&table.columns[at].name));
        Self { table, time: column(table.time), site: table.site.map(column) }
    }

    /// Each site with its newest time, and 1 where it has rows without: by leaps through the index.
    pub(super) fn leaps(&self) -> String {
        let (from, time) = (self.from(), &self.time);
        let Some(site) = &self.site else {
            return format!("SELECT NULL, MAX({time}), {} FROM {from}", self.counted());
        };
        let undated = if self.is_nullable(self.table.time) {
            format!(
                "CASE WHEN EXISTS (SELECT 1 FROM {from} WHERE {site} = f.SITE AND {time} IS NULL) THEN 1 ELSE 0 END"
            )
        } else {
            "0".to_owned()
        };
        // An index lists rows without a site where its other column is never null.
        let is_listed =
            self.table.site.is_some_and(|at| self.is_nullable(at)) && !self.is_nullable(self.table.time);
        let siteless = if is_listed {
            format!(
                " UNION ALL SELECT NULL, NULL, 1 FROM DUAL WHERE EXISTS (SELECT 1 FROM {from} WHERE {site} IS NULL)"
            )
        } else {
            String::new()
        };
        format!(
            "WITH f (SITE) AS (SELECT MIN({site}) FROM {from} UNION ALL SELECT (SELECT MIN({site}) FROM {from} \
             WHERE {site} > f.SITE) FROM f WHERE f.SITE IS NOT NULL) \
             SELECT f.SITE, (SELECT MAX({time}) FROM {from} WHERE {site} = f.SITE), {undated} FROM f \
             WHERE f.SITE IS NOT NULL{siteless}"
        )
    }

    /// The same by looking at every row: of the sites in `places`, where there are any; after `after`.
    pub(super) fn grouped(&self, places: &[String], after: Option<&str>) -> String {
        let (from, time) = (self.from(), &self.time);
        let among = self.site.as_ref().filter(|_| !places.is_empty());
        let among = among.map(|site| format!("{site} IN ({})", places.join(", ")));
        let after = after.map(|after| format!("{time} > {after}"));
        let conditions: Vec<String> = among.into_iter().chain(after).collect();
        let only = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        match &self.site {
            Some(site) => {
                format!("SELECT {site}, MAX({time}), {} FROM {from}{only} GROUP BY {site}", self.counted())
            }
            None => format!("SELECT NULL, MAX({time}), {} FROM {from}{only}", self.counted()),
        }
    }

    /// The rows of the sites in `places` from `low` on, up to `high` where that is given.
    pub(super) fn rows(&self, places: &[String], low: Option<&str>, high: Option<&str>) -> String {
        let time = &self.time;
        let of_sites = self.site.as_ref().map(|site| format!("{site} IN ({})", places.join(", ")));
        let low = low.map_or_else(|| format!("{time} IS NOT NULL"), |low| format!("{time} >= {low}"));
        let high = high.map(|high| format!("{time} <= {high}"));
        let conditions: Vec<String> = of_sites.into_iter().chain([low]).chain(high).collect();
        format!(
            "SELECT {}{} FROM {} WHERE {} ORDER BY {}",
            self.hint(),
            self.columns(),
            self.from(),
            conditions.join(" AND "),
            self.order()
        )
    }

    /// The rows without a site, of the sites in `refused`, and those without a time of the sites in `undated`.
    pub(super) fn strays(&self, refused: &[String], undated: &[String]) -> String {
        let time = &self.time;
        let mut conditions = Vec::new();
        match &self.site {
            None => conditions.push(format!("{time} IS NULL")),
            Some(site) => {
                conditions.push(format!("{site} IS NULL"));
                if !refused.is_empty() {
                    conditions.push(format!("{site} IN ({})", refused.join(", ")));
                }
                if !undated.is_empty() {
                    conditions.push(format!("({site} IN ({}) AND {time} IS NULL)", undated.join(", ")));
                }
            }
        }
        format!("SELECT {} FROM {} WHERE {}", self.columns(), self.from(), conditions.join(" OR "))
    }

    fn from(&self) -> String {
        format!("{} r", self.table.sql_name)
    }

    fn is_nullable(&self, at: usize) -> bool {
        self.table.columns[at].is_nullable
    }

    /// 1 where one of several rows has no time.
    fn counted(&self) -> String {
        format!("MAX(CASE WHEN {} IS NULL THEN 1 ELSE 0 END)", self.time)
    }

    /// Asks for an index on site and time: statistics that are old, or none, may tell another story.
    fn hint(&self) -> String {
        if self.table.lookup != Lookup::BySite {
            return String::new();
        }
        let columns = self.table.site.into_iter().chain([self.table.time]);
        let columns: Vec<String> = columns.map(|at| quoted(&self.table.columns[at].name)).collect();
        format!("/*+ INDEX(r ({})) */ ", columns.join(" "))
    }

    fn columns(&self) -> String {
        let name = |column: &Column| format!("r.{}", quoted(&column.name));
        self.table.columns.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    /// Site, time, tie, and then what makes the order of a group of equal times the same each time.
    fn order(&self) -> String {
        let name = |at: &usize| format!("r.{}", quoted(&self.table.columns[*at].name));
        let by_site = self.site.iter().filter(|_| self.table.lookup == Lookup::BySite).cloned();
        let first: Vec<usize> = std::iter::once(self.table.time).chain(self.table.tie).collect();
        let key = self.table.key.iter().filter(|at| !first.contains(at) && Some(**at) != self.table.site);
        by_site.chain(first.iter().chain(key).map(name)).collect::<Vec<_>>().join(", ")
    }
}

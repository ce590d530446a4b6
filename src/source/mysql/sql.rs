//! The only place that builds SQL for `MySQL` and `MariaDB`. Names come from the catalogue and are quoted;
//! values are bound.

use crate::source::server::Table;
use crate::source::server::catalogue::{Lookup, TimeKind};

/// The schema that is meant where the name of a table has none.
pub(super) const CURRENT_SCHEMA: &str = "SELECT DATABASE()";

/// A table by schema and name: both as the server spells them, and its engine, which a view has none of.
pub(super) const FIND_TABLE: &str = "SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE FROM information_schema.TABLES \
     WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";

/// All schemas, and all tables of one.
pub(super) const LIST_SCHEMAS: &str = "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY 1";
pub(super) const LIST_TABLES: &str =
    "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? ORDER BY 1";

/// The columns of a table: name, type for people, type, nulls, collation, and what else is said of it.
pub(super) const COLUMNS: &str = "SELECT COLUMN_NAME, COLUMN_TYPE, DATA_TYPE, IS_NULLABLE, COLLATION_NAME, EXTRA \
     FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION";

/// The indexes of a table, column by column. Which other columns this has depends on the server.
pub(super) const INDEXES: &str = "SELECT * FROM information_schema.STATISTICS \
     WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY INDEX_NAME, SEQ_IN_INDEX";

/// `name` as an identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// The statement that makes the index which `table` lacks.
pub(super) fn index_advice(table: &Table) -> String {
    let columns = table.site.into_iter().chain([table.time]).map(|at| quoted(&table.columns[at].name));
    let columns = columns.collect::<Vec<_>>().join(", ");
    format!("CREATE INDEX site_time ON {} ({columns})", table.sql_name)
}

/// Statements for one table.
pub(super) struct Statements<'a> {
    table: &'a Table,
    /// The table, read by its index.
    from: String,
    time: String,
    site: Option<String>,
}

impl<'a> Statements<'a> {
    pub(super) fn new(table: &'a Table) -> Self {
        let column = |at: usize| quoted(&table.columns[at].name);
        let index = table.index.as_ref();
        let forced = index.map_or(String::new(), |index| format!(" FORCE INDEX ({})", quoted(index)));
        Self {
            table,
            from: format!("{}{forced}", table.sql_name),
            time: column(table.time),
            site: table.site.map(column),
        }
    }

    /// Each site with its first and its last time, whether it has rows without, and the last tie of the last
    /// time where an index leads to it: among so many, if that is said; after a time, if `is_after`.
    pub(super) fn list(&self, among: Option<usize>, is_after: bool) -> String {
        let Self { from, time, .. } = self;
        let Some(site) = &self.site else {
            let after = if is_after { format!(" WHERE {time} > ?") } else { String::new() };
            let without = self.without_time("");
            return format!("SELECT NULL, MIN({time}), MAX({time}), {without}, NULL FROM {from}{after}");
        };
        let among = among.map(|among| format!("{site} IN ({})", places(among)));
        let after = is_after.then(|| format!("{time} > ?"));
        let conditions: Vec<String> = among.into_iter().chain(after).collect();
        let only = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        let grouped = format!(
            "SELECT {site} AS s, MIN({time}) AS low, MAX({time}) AS high FROM {from}{only} GROUP BY {site}"
        );
        if self.table.lookup == Lookup::BySite {
            // One leap to the next site and two seeks within it, and others for the tie and rows without a time.
            let without = self.without_time(&format!("{site} <=> g.s AND "));
            let tie = self.last_tie(site);
            return format!("SELECT g.s, g.low, g.high, {without}, {tie} FROM ({grouped}) AS g");
        }
        format!(
            "SELECT {site}, MIN({time}), MAX({time}), COALESCE(MAX({time} IS NULL), 0), NULL FROM {from}{only} GROUP BY {site}"
        )
    }

    /// The greatest tie among the rows of a site's last time.
    fn last_tie(&self, site: &str) -> String {
        let Self { from, time, .. } = self;
        let Some(tie) = self.table.tie.map(|at| quoted(&self.table.columns[at].name)) else {
            return "NULL".to_owned();
        };
        let order = self.tie_order().unwrap_or_else(|| tie.clone());
        format!(
            "(SELECT {tie} FROM {from} WHERE {site} <=> g.s AND {time} = g.high ORDER BY {order} DESC LIMIT 1)"
        )
    }

    /// By what ties are sorted: texts by their bytes, as they are here.
    fn tie_order(&self) -> Option<String> {
        let Table { columns, tie, has_sorted_ties, .. } = self.table;
        let name = quoted(&columns[(*tie)?].name);
        Some(if *has_sorted_ties { name } else { format!("CAST({name} AS BINARY)") })
    }

    /// Whether there are rows whose time is null.
    fn without_time(&self, of_site: &str) -> String {
        let Self { from, time, .. } = self;
        if self.table.columns[self.table.time].is_nullable {
            format!("EXISTS (SELECT 1 FROM {from} WHERE {of_site}{time} IS NULL)")
        } else {
            "0".to_owned()
        }
    }

    /// The rows of so many sites from a time on, and up to another where `is_bounded`. With `is_held` the server
    /// reads them all before it sends the first.
    pub(super) fn rows(&self, sites: usize, is_bounded: bool, is_held: bool) -> String {
        let Self { from, time, .. } = self;
        let held = if is_held { "SQL_BUFFER_RESULT " } else { "" };
        let of_sites =
            self.site.as_ref().map_or(String::new(), |site| format!("{site} IN ({}) AND ", places(sites)));
        let bound = if is_bounded { format!(" AND {time} <= ?") } else { String::new() };
        format!(
            "SELECT {held}{} FROM {from} WHERE {of_sites}{time} >= ?{bound} ORDER BY {}",
            self.columns(),
            self.order()
        )
    }

    /// So many rows at most without a site, of so many refused sites, or without a time and of so many others.
    pub(super) fn strays(&self, refused: usize, undated: usize) -> String {
        let Self { time, .. } = self;
        let is_date = self.table.time_kind != TimeKind::Count;
        let undated_time =
            if is_date { format!("({time} IS NULL OR {time} < ?)") } else { format!("{time} IS NULL") };
        let condition = match &self.site {
            Some(site) => {
                let of = |sites: usize| match sites {
                    0 => "FALSE".to_owned(),
                    sites => format!("{site} IN ({})", places(sites)),
                };
                format!("{site} IS NULL OR {} OR ({} AND {undated_time})", of(refused), of(undated))
            }
            None => undated_time,
        };
        // Which index serves is for the server to say.
        format!("SELECT {} FROM {} WHERE {condition} LIMIT ?", self.columns(), self.table.sql_name)
    }

    fn columns(&self) -> String {
        self.table.columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
    }

    /// Site by site where the index is, the time, the tie, and then what makes the order of a group of equal
    /// times the same each time.
    fn order(&self) -> String {
        let Table { lookup, columns, key, tie, site, time, .. } = self.table;
        let site = site.filter(|_| *lookup == Lookup::BySite);
        let first = site.into_iter().chain([*time]).map(|at| quoted(&columns[at].name));
        let is_new = |at: &&usize| Some(**at) != site && **at != *time && Some(**at) != *tie;
        let rest = key.iter().filter(is_new).map(|at| quoted(&columns[*at].name));
        // What has a tie needs no more than that.
        let rest = rest.filter(|_| tie.is_none());
        first.chain(self.tie_order()).chain(rest).collect::<Vec<_>>().join(", ")
    }
}

/// So many placeholders.
fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}

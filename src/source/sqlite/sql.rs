//! The only place that builds SQL. Names come from the catalogue and are quoted; values are bound.
//!
//! In every statement `r` is the table that is read and `d` the temporary table of positions. Every
//! column is written with its table, so that `SQLite` never takes a quoted name for a text.

use super::catalogue::{Lookup, Table};

/// Temporary tables of a connection: where the sites stand, and which values are no site.
pub(super) const TEMPORARY_TABLES: &str = "
    CREATE TEMP TABLE livecosmos_due (position INTEGER PRIMARY KEY, site, bound, upper);
    CREATE INDEX temp.livecosmos_due_site ON livecosmos_due (site);
    CREATE TEMP TABLE livecosmos_refused (site);";
/// Forgets the positions of the last pass.
pub(super) const CLEAR_DUE: &str = "DELETE FROM temp.livecosmos_due";
/// Forgets the values that were no site in the last pass.
pub(super) const CLEAR_REFUSED: &str = "DELETE FROM temp.livecosmos_refused";
/// Notes a position.
pub(super) const INSERT_DUE: &str = "INSERT INTO temp.livecosmos_due VALUES (?1, ?2, ?3, ?4)";
/// Notes a value that is no site.
pub(super) const INSERT_REFUSED: &str = "INSERT INTO temp.livecosmos_refused VALUES (?1)";
/// A function of this connection: bytes that sort as instants do.
pub(super) const SORT_KEY_FUNCTION: &str = "livecosmos_sort_key";

/// `name` as an identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Statements for one table.
pub(super) struct Statements<'a> {
    table: &'a Table,
    from: String,
    time: String,
    site: Option<String>,
    /// Every position has an upper bound.
    is_bounded: bool,
}

impl<'a> Statements<'a> {
    pub(super) fn new(table: &'a Table, is_bounded: bool) -> Self {
        let by = match &table.lookup {
            Lookup::Index(name) => format!(" INDEXED BY {}", quoted(name)),
            Lookup::RowId | Lookup::Scan => " NOT INDEXED".to_owned(),
        };
        Self {
            table,
            from: format!("main.{} AS r{by}", quoted(&table.name)),
            time: table.column(table.time),
            site: table.site.map(|site| table.column(site)),
            is_bounded,
        }
    }

    /// The sites, each found by one seek behind the one before; and for each, of what storage class
    /// its first and its last time is, and its last time.
    pub(super) fn sites(&self) -> String {
        let (from, time) = (&self.from, &self.time);
        let Some(site) = &self.site else {
            let end = |what: &str, direction| {
                format!(
                    "(SELECT {what} FROM {from} WHERE {time} IS NOT NULL ORDER BY {time} {direction} LIMIT 1)"
                )
            };
            let class = format!("typeof({time})");
            return format!(
                "SELECT NULL, {}, {}, {}",
                end(&class, "ASC"),
                end(&class, "DESC"),
                end(time, "DESC")
            );
        };
        let class = format!("typeof({time})");
        let end = |what: &str, direction| {
            format!(
                "(SELECT {what} FROM {from} WHERE {site} COLLATE BINARY = found.site AND {time} IS NOT NULL \
                 ORDER BY {time} COLLATE BINARY {direction} LIMIT 1)"
            )
        };
        format!(
            "WITH RECURSIVE found(site) AS (
               SELECT (SELECT {site} FROM {from} WHERE {site} IS NOT NULL ORDER BY {site} COLLATE BINARY LIMIT 1)
               UNION ALL
               SELECT (SELECT {site} FROM {from} WHERE {site} COLLATE BINARY > found.site
                       ORDER BY {site} COLLATE BINARY LIMIT 1) FROM found WHERE found.site IS NOT NULL)
             SELECT found.site, {}, {}, {} FROM found WHERE found.site IS NOT NULL",
            end(&class, "ASC"),
            end(&class, "DESC"),
            end(time, "DESC")
        )
    }

    /// The times from each position on, in `SQLite`'s order, from the index alone.
    pub(super) fn survey(&self) -> String {
        let Self { from, time, .. } = self;
        format!(
            "SELECT d.position, {time} FROM temp.livecosmos_due AS d CROSS JOIN {from} WHERE {} \
             ORDER BY d.position, {time} COLLATE BINARY",
            self.due_or_later()
        )
    }

    /// The rows from each position on, site by site; in `SQLite`'s order of times where `as_stored`,
    /// else in the order of their instants.
    pub(super) fn rows(&self, as_stored: bool) -> String {
        let time = if as_stored { format!("{} COLLATE BINARY", self.time) } else { self.instant() };
        format!(
            "SELECT d.position, {} FROM temp.livecosmos_due AS d CROSS JOIN {} WHERE {} ORDER BY d.position, {}",
            self.columns(),
            self.from,
            self.due_or_later(),
            self.order(&time)
        )
    }

    /// Every row of every site that is not known to lie before its position, by instant.
    pub(super) fn all_rows(&self) -> String {
        let Self { from, time, .. } = self;
        let of_site =
            self.site.as_ref().map_or("TRUE".to_owned(), |site| format!("d.site = {site} COLLATE BINARY"));
        format!(
            "SELECT d.position, {} FROM {from} LEFT JOIN temp.livecosmos_due AS d ON {of_site} \
             WHERE d.position IS NULL OR {time} IS NULL OR {time} COLLATE BINARY >= d.bound ORDER BY {}",
            self.columns(),
            self.order(&self.instant())
        )
    }

    /// The storage classes of the first and the last time of the whole table.
    pub(super) fn storage(&self) -> String {
        let Self { from, time, .. } = self;
        format!("SELECT typeof(min({time})), typeof(max({time})) FROM {from}")
    }

    /// At most `?1` rows without a time, of the sites with a position.
    pub(super) fn timeless(&self) -> String {
        let Self { from, time, .. } = self;
        let of_site =
            self.site.as_ref().map_or("TRUE".to_owned(), |site| format!("{site} COLLATE BINARY = d.site"));
        format!(
            "SELECT d.position, {} FROM temp.livecosmos_due AS d CROSS JOIN {from} \
             WHERE {of_site} AND {time} IS NULL LIMIT ?1",
            self.columns()
        )
    }

    /// At most `?1` rows whose site is none.
    pub(super) fn siteless(&self) -> Option<String> {
        let site = self.site.as_ref()?;
        Some(format!(
            "SELECT NULL, {} FROM temp.livecosmos_refused AS d CROSS JOIN {} WHERE {site} COLLATE BINARY IS d.site \
             LIMIT ?1",
            self.columns(),
            self.from
        ))
    }

    fn due_or_later(&self) -> String {
        let time = &self.time;
        // An upper bound that may be null would keep SQLite from ending its search in the index there.
        let upper =
            if self.is_bounded { format!(" AND {time} COLLATE BINARY <= d.upper") } else { String::new() };
        match &self.site {
            Some(site) => {
                format!("{site} COLLATE BINARY = d.site AND {time} COLLATE BINARY >= d.bound{upper}")
            }
            None => format!("{time} COLLATE BINARY >= d.bound{upper}"),
        }
    }

    /// First the row's number, where the table has one, then the columns.
    fn columns(&self) -> String {
        let row_id = self.table.row_id.map_or("NULL".to_owned(), |name| format!("r.{name}"));
        let columns = (0..self.table.columns.len()).map(|at| self.table.column(at));
        std::iter::once(row_id).chain(columns).collect::<Vec<_>>().join(", ")
    }

    /// `time`, the tie and then what makes the order of a group of equal times the same each time.
    fn order(&self, time: &str) -> String {
        let by_tie = self.table.tie.map(|tie| format!("{} COLLATE BINARY", self.table.column(tie)));
        let last = match self.table.row_id {
            Some(name) => vec![format!("r.{name}")],
            None => self.table.key.iter().map(|at| self.table.column(*at)).collect(),
        };
        std::iter::once(time.to_owned()).chain(by_tie).chain(last).collect::<Vec<_>>().join(", ")
    }

    fn instant(&self) -> String {
        format!("{SORT_KEY_FUNCTION}({})", self.time)
    }
}

//! The only place that builds SQL for `PostgreSQL`. Names come from the catalogue and are quoted; values
//! are bound.
//!
//! In every statement `r` is the table that is read and `d` the sites that are asked for.

use crate::source::server::Table;
use crate::source::server::catalogue::{Class, Column, Lookup, TimeKind};

/// What holds within each transaction. Nothing outlives it, so that a pooler between us and the server
/// may give the connection to others.
///
/// The planner is told to follow indexes: sorting what an index has in order costs the server memory.
pub(super) const PREPARE: &str = "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, MDY'; \
     SET LOCAL intervalstyle = 'iso_8601'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; \
     SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0; \
     SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL cursor_tuple_fraction = 0.01";

/// For rows that an index has in the order of their times: those of one time are sorted, and no more, for a
/// planner without statistics thinks that there are few.
const IN_ORDER: &str = "; SET LOCAL enable_sort = off";

/// Finds tables by name: `$1` the name, `$2` the schema or null.
pub(super) const FIND_TABLE: &str = "SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE pg_catalog.lower(c.relname) = pg_catalog.lower($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
     AND CASE WHEN $2::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid) \
     ELSE pg_catalog.lower(n.nspname) = pg_catalog.lower($2) END ORDER BY n.nspname, c.relname";

/// All names, for a message: `$1` the schema or null.
pub(super) const LIST_TABLES: &str = "SELECT c.relname FROM pg_catalog.pg_class c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') \
     AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
     AND CASE WHEN $1::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid) \
     ELSE pg_catalog.lower(n.nspname) = pg_catalog.lower($1) END ORDER BY c.relname LIMIT 200";

/// The columns of the table `$1`: number, name, type for people, type to cast to, type beneath domains, not null.
pub(super) const COLUMNS: &str = "SELECT a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), \
     pg_catalog.format_type(a.atttypid, NULL), \
     pg_catalog.format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL), a.attnotnull \
     FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
     WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// The sorted indexes of the table `$1` that hold every row: primary or not, columns, options, and
/// whether each column is sorted by its own collation.
pub(super) const INDEXES: &str = "SELECT i.indisprimary, i.indkey::int2[], i.indoption::int2[], \
     ARRAY(SELECT coalesce(k.sorted_by = 0 OR k.sorted_by = a.attcollation, false) \
           FROM unnest(i.indkey::int2[], i.indcollation::oid[]) WITH ORDINALITY AS k(attnum, sorted_by, at) \
           LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum ORDER BY k.at) \
     FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
     JOIN pg_catalog.pg_am m ON m.oid = c.relam \
     WHERE i.indrelid = $1 AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree' ORDER BY c.relname";

/// `name` as an identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Statements for one table.
pub(super) struct Statements<'a> {
    table: &'a Table,
    from: String,
    time: String,
    /// The site column, and the type to which a text becomes comparable with it.
    site: Option<(String, String)>,
}

impl<'a> Statements<'a> {
    pub(super) fn new(table: &'a Table) -> Self {
        let column = |at: usize| format!("r.{}", quoted(&table.columns[at].name));
        Self {
            table,
            from: format!("{} AS r", table.sql_name),
            time: column(table.time),
            site: table.site.map(|at| (column(at), cast_of(&table.columns[at]))),
        }
    }

    /// Each site with its last time by the index, and the last tie of that time: `$1` the only sites, if
    /// there are any such.
    ///
    /// Without them sites are found by leaps, one seek each.
    pub(super) fn last_times(&self, is_among: bool) -> String {
        let Self { from, time, .. } = self;
        let newest = self.native(time);
        let Some((site, cast)) = &self.site else {
            return format!(
                "SELECT NULL::text, last.time, {} FROM \
                 (SELECT {newest} AS time, {time} AS stored FROM {from} ORDER BY {time} DESC LIMIT 1) AS last",
                self.last_tie("")
            );
        };
        let (found, id, shown) = if is_among {
            let found = format!("SELECT site{cast} AS site FROM unnest($1::text[]) AS named(site)");
            (found, "found.site", "found.site::text")
        } else {
            let leap = format!(
                "(SELECT {site} AS site FROM {from} WHERE {site} IS NOT NULL ORDER BY {site} LIMIT 1) UNION ALL \
                 SELECT (SELECT {site} FROM {from} WHERE {site} > found.site ORDER BY {site} LIMIT 1) FROM found \
                 WHERE found.site IS NOT NULL"
            );
            (leap, "found.site", "found.site::text")
        };
        let siteless = match self.table.site {
            Some(at) if self.table.columns[at].is_nullable && !is_among => format!(
                " UNION ALL SELECT NULL, NULL, NULL WHERE EXISTS (SELECT 1 FROM {from} WHERE {site} IS NULL)"
            ),
            _ => String::new(),
        };
        format!(
            "WITH RECURSIVE found AS ({found}) SELECT {shown}, last.time, {} FROM found CROSS JOIN LATERAL \
             (SELECT {newest} AS time, {time} AS stored FROM {from} WHERE {site} = {id} ORDER BY {time} DESC LIMIT 1) \
             AS last{siteless}",
            self.last_tie(&format!("{site} = {id} AND "))
        )
    }

    /// The greatest tie among the rows of one time: only these are sorted.
    fn last_tie(&self, of_site: &str) -> String {
        let Self { from, time, .. } = self;
        match self.tie() {
            Some((tie, _)) => format!(
                "(SELECT ({tie})::text FROM {from} WHERE {of_site}{time} = last.stored ORDER BY {tie} DESC LIMIT 1)"
            ),
            None => "NULL::text".to_owned(),
        }
    }

    /// The tie column as ties are sorted, and the type to which a text becomes comparable with it.
    fn tie(&self) -> Option<(String, String)> {
        let column = &self.table.columns[self.table.tie?];
        Some((format!("r.{}{}", quoted(&column.name), collation_of(column)), cast_of(column)))
    }

    /// The last time that is one, of each site of `$1`.
    pub(super) fn last_dated(&self) -> String {
        let Self { from, time, .. } = self;
        let newest = self.native(time);
        let finite = self.finite();
        match &self.site {
            Some((site, cast)) => format!(
                "SELECT d.site, (SELECT {newest} FROM {from} WHERE {site} = d.site{cast} AND {finite} \
                 ORDER BY {time} DESC LIMIT 1) FROM unnest($1::text[]) AS d(site)"
            ),
            None => format!(
                "SELECT NULL::text, (SELECT {newest} FROM {from} WHERE {finite} ORDER BY {time} DESC LIMIT 1) \
                 WHERE $1::text[] IS NOT NULL"
            ),
        }
    }

    /// Each site with its newest time, and whether it has rows without: `$1` the only sites, or null; after
    /// `$2` where `is_after`.
    pub(super) fn newest_times(&self, is_after: bool) -> String {
        let Self { from, time, .. } = self;
        let newest = self.native(&format!("max({time}) FILTER (WHERE {})", self.finite()));
        let after = if is_after { format!(" AND {time} > $2") } else { String::new() };
        let undated = format!("count(*) FILTER (WHERE NOT coalesce({}, false)) > 0", self.finite());
        match &self.site {
            Some((site, cast)) => format!(
                "SELECT {site}::text, {newest}, {undated} FROM {from} WHERE ($1::text[] IS NULL OR {site} = ANY \
                 (SELECT named.site{cast} FROM unnest($1::text[]) AS named(site))){after} GROUP BY {site}"
            ),
            None => {
                format!("SELECT NULL::text, {newest}, {undated} FROM {from} WHERE $1::text[] IS NULL{after}")
            }
        }
    }

    /// What holds for [`Statements::rows`] beside [`PREPARE`].
    pub(super) fn settings(&self) -> &'static str {
        match self.table.lookup {
            Lookup::BySite => IN_ORDER,
            // Without sorting the rows that are found, each would be compared with each site.
            Lookup::ByTime | Lookup::Scan => "",
        }
    }

    /// The rows of each site of `$1` from `$2` to `$3`: later than `$2`, or with a tie after `$5`, or from
    /// it on where `$4` says so.
    pub(super) fn rows(&self) -> String {
        let Self { from, time, .. } = self;
        let tie = self.tie();
        let (ties, beyond) = match &tie {
            Some((tie, cast)) => (", $5::text[]", format!(" OR {tie} > d.tie{cast}")),
            None => ("", String::new()),
        };
        let tie_name = if tie.is_some() { ", tie" } else { "" };
        let asked = format!(
            "unnest($1::text[], $2, $3, $4::bool[]{ties}) WITH ORDINALITY AS d(site, low, high, is_whole{tie_name}, at)"
        );
        let of_site =
            self.site.as_ref().map_or(String::new(), |(site, cast)| format!("{site} = d.site{cast} AND "));
        let condition = format!(
            "{of_site}{time} >= d.low AND {time} <= d.high AND (d.is_whole OR {time} > d.low{beyond})"
        );
        let order = self.order(time, tie.as_ref().map(|(tie, _)| tie));
        let columns = self.columns();
        if self.table.lookup == Lookup::BySite {
            // Each site's rows come in order from its part of the index, and sites one after another.
            return format!(
                "SELECT s.* FROM {asked} CROSS JOIN LATERAL (SELECT d.at::int4, {columns} FROM {from} \
                 WHERE {condition} ORDER BY {order}) AS s"
            );
        }
        // The index on time is entered where the first of them stands: a join alone would read it whole.
        format!(
            "SELECT d.at::int4, {columns} FROM {from} JOIN {asked} ON {condition} \
             WHERE {time} >= (SELECT min(b.low) FROM unnest($2) AS b(low)) \
             AND {time} <= (SELECT max(b.high) FROM unnest($3) AS b(high)) ORDER BY {order}"
        )
    }

    /// At most `$3` rows without a site, of a site of `$1`, or without a time and of a site of `$2`.
    pub(super) fn strays(&self) -> String {
        let Self { from, .. } = self;
        let undated = format!("NOT coalesce({}, false)", self.finite());
        let condition = match &self.site {
            Some((site, cast)) => {
                let any = |array: &str| {
                    format!(
                        "{site} = ANY (SELECT named.site{cast} FROM unnest({array}::text[]) AS named(site))"
                    )
                };
                format!("{site} IS NULL OR {} OR ({} AND {undated})", any("$1"), any("$2"))
            }
            None => format!("$1::text[] IS NOT NULL AND $2::text[] IS NOT NULL AND {undated}"),
        };
        format!("SELECT 0::int4, {} FROM {from} WHERE {condition} LIMIT $3", self.columns())
    }

    /// The time column of arrays that are bound.
    pub(super) fn is_count(&self) -> bool {
        self.table.time_kind == TimeKind::Count
    }

    /// Times that are no infinity, nor null.
    fn finite(&self) -> String {
        match self.table.time_kind {
            TimeKind::Count => format!("{} IS NOT NULL", self.time),
            TimeKind::Instant | TimeKind::Local | TimeKind::Date => {
                format!("{0} > '-infinity' AND {0} < 'infinity'", self.time)
            }
        }
    }

    fn native(&self, time: &str) -> String {
        if self.is_count() { format!("({time})::int8") } else { time.to_owned() }
    }

    /// Each column as a text, but for times of the time column and bytes.
    fn columns(&self) -> String {
        let spelled = |(at, column): (usize, &Column)| {
            let name = format!("r.{}", quoted(&column.name));
            match column.class {
                _ if at == self.table.time => self.native(&name),
                Class::Bytes => name,
                _ => format!("{name}::text"),
            }
        };
        self.table.columns.iter().enumerate().map(spelled).collect::<Vec<_>>().join(", ")
    }

    /// The time, the tie, and then what makes the order of a group of equal times the same each time.
    fn order(&self, time: &str, tie: Option<&String>) -> String {
        let key = self.table.key.iter().map(|at| format!("r.{}", quoted(&self.table.columns[*at].name)));
        let is_new = |column: &String| *column != time && Some(column) != tie;
        std::iter::once(time.to_owned())
            .chain(tie.cloned())
            .chain(key.filter(is_new))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// How a text becomes comparable with the column; a length would cut it.
fn cast_of(column: &Column) -> String {
    match column.class {
        Class::Text if column.declared.starts_with("character(") || column.declared == "character" => {
            "::bpchar".to_owned()
        }
        Class::Text => String::new(),
        _ => format!("::{}", column.cast),
    }
}

/// Texts sort by their bytes, as they do here.
fn collation_of(column: &Column) -> &'static str {
    if column.class == Class::Text { " COLLATE \"C\"" } else { "" }
}

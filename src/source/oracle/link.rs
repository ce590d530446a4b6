//! A session of Oracle, and the statements of a pass over it.

use livecosmos_state::Time;

use super::driver::{Bind, Cell, Give, Session, Values};
use super::sql::{self, Statements};
use super::value::{Reader, Times, site_bind, site_text};
use super::{Settings, catalogue};
use crate::source::TableShape;
use crate::source::position::{highest_time, lowest_time};
use crate::source::server::catalogue::{Column, Lookup};
use crate::source::server::groups::grouped;
use crate::source::server::{
    Admission, Explained, Fault, Halt, Link, Listed, Record, Span, Table, Take, Wanted,
};
use crate::source::sqlite::TimeUnit;

/// Sites in one list of a statement: Oracle takes a thousand.
const SITES_MAX: usize = 1_000;
/// Numbers of sites in a statement: each number is parsed anew, so it is rounded up to one of these.
const STATEMENT_SIZES: [usize; 5] = [1, 8, 64, 256, SITES_MAX];
/// Rows in a round trip, and what they may take: the drivers set aside what each column may hold.
const FETCH_ROWS: u32 = 1_000;
const FETCH_BYTES: usize = 8 << 20;
/// What a value takes that has no length, and one that is as long as it likes.
const VALUE_BYTES: usize = 32;
const LONG_VALUE_BYTES: usize = 256 << 10;

/// A session.
pub(super) struct OracleLink {
    session: Box<dyn Session>,
    admission: Admission,
    server: String,
    user: Option<String>,
    shape: TableShape,
    unit: TimeUnit,
}

impl OracleLink {
    /// Logs in, and prepares the session.
    pub(super) fn new(
        mut session: Box<dyn Session>,
        settings: &Settings,
        shape: &TableShape,
    ) -> Result<Self, Fault> {
        for statement in sql::PREPARE {
            session.execute(statement)?;
        }
        let server = settings.describe();
        Ok(Self {
            session,
            admission: Admission::to(&server, settings.access.statements_max),
            server,
            user: settings.user.clone(),
            shape: shape.clone(),
            unit: settings.access.time_unit,
        })
    }

    /// Runs statements that see one state of the database.
    fn transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Halt>) -> Result<T, Halt> {
        self.session.execute(sql::BEGIN)?;
        let outcome = work(self);
        let ended = self.session.end();
        let done = outcome?;
        ended?;
        Ok(done)
    }

    /// Asks for sites or rows, with leave to do so.
    fn query(
        &mut self,
        statement: &str,
        binds: &[(String, Bind)],
        fetch_rows: u32,
        give: &mut Give<'_>,
    ) -> Result<(), Halt> {
        let Self { session, admission, .. } = self;
        with_leave(admission, fetch_rows, give, |give| session.query(statement, binds, fetch_rows, give))
    }

    fn places(&self, name: &str, binds: &[Bind], all: &mut Vec<(String, Bind)>) -> Vec<String> {
        let place = |(at, bind): (usize, &Bind)| {
            let name = format!("{name}{at}");
            let place = self.session.place(&name, bind);
            all.push((name, bind.clone()));
            place
        };
        binds.iter().enumerate().map(place).collect()
    }

    fn place(&self, name: &str, bind: Option<Bind>, all: &mut Vec<(String, Bind)>) -> Option<String> {
        let bind = bind?;
        let place = self.session.place(name, &bind);
        all.push((name.to_owned(), bind));
        Some(place)
    }

    fn listed(
        &mut self,
        statement: &str,
        binds: &[(String, Bind)],
        table: &Table,
        times: &Times,
    ) -> Result<Vec<Listed>, Halt> {
        let column = table.site.map(|at| &table.columns[at]);
        let mut listed = Vec::new();
        self.query(statement, binds, FETCH_ROWS, &mut |row| {
            let has_undated = matches!(row.value(2), Cell::Number("1"));
            let (site, newest) = (site_text(row.value(0), column), times.newest(row.value(1)));
            if newest.is_some() || has_undated {
                listed.push(Listed { site, newest, newest_tie: None, has_undated });
            }
            Ok(true)
        })?;
        Ok(listed)
    }

    /// The rows of `group`, places of sites in `wanted`.
    fn group(
        &mut self,
        group: &[usize],
        wanted: &[Wanted],
        reader: &Reader<'_>,
        (table, times): (&Table, &Times),
        give: &mut dyn FnMut(&dyn Values, &Reader<'_>) -> Result<bool, Halt>,
    ) -> Result<(), Halt> {
        let lowest = group.iter().map(|at| lowest_time(&wanted[*at].resume)).min().flatten();
        let highest = group.iter().map(|at| highest_time(&wanted[*at].resume));
        let highest = highest.reduce(|one, other| Some(one?.max(other?))).flatten();
        let mut binds = Vec::new();
        let sites: Vec<&str> = group.iter().map(|at| wanted[*at].site.as_str()).collect();
        let places = self.places("s", &site_binds(&sites, table), &mut binds);
        let low = self.place("low", lowest.map(|time| times.lower(time)), &mut binds);
        let high = self.place("high", highest.map(|time| times.upper(time)), &mut binds);
        let statement = Statements::new(table).rows(&places, low.as_deref(), high.as_deref());
        let rows = fetch_rows(table).min(self.session.fetch_rows_max());
        self.query(&statement, &binds, rows, &mut |row| give(row, reader))
    }
}

/// Runs `query`, whose rows come `fetch_rows` in a round trip, with leave while the server works at it, and
/// without while they are taken.
fn with_leave(
    admission: &Admission,
    fetch_rows: u32,
    give: &mut Give<'_>,
    query: impl FnOnce(&mut Give<'_>) -> Result<(), Halt>,
) -> Result<(), Halt> {
    let mut leave = Some(admission.statement());
    let mut taken = 0_u32;
    query(&mut |row| {
        leave = None;
        let goes_on = give(row)?;
        taken = (taken + 1) % fetch_rows.max(1);
        leave = (goes_on && taken == 0).then(|| admission.other());
        Ok(goes_on)
    })
}

/// Rows in a round trip for a table of such columns.
fn fetch_rows(table: &Table) -> u32 {
    let width = |column: &Column| {
        let length =
            column.declared.split_once('(').and_then(|(_, rest)| rest.trim_end_matches(')').parse().ok());
        match (column.cast.as_str(), length) {
            ("CLOB" | "NCLOB" | "BLOB" | "LONG" | "LONG RAW", _) => LONG_VALUE_BYTES,
            ("CHAR" | "VARCHAR2" | "NCHAR" | "NVARCHAR2" | "RAW", Some(length)) => length,
            _ => VALUE_BYTES,
        }
    };
    let row_bytes: usize = table.columns.iter().map(width).sum();
    u32::try_from(FETCH_BYTES / row_bytes.max(1)).unwrap_or(FETCH_ROWS).clamp(1, FETCH_ROWS)
}

/// What is bound for sites; none where the table is one site's.
fn site_binds(sites: &[&str], table: &Table) -> Vec<Bind> {
    let Some(column) = table.site.map(|at| &table.columns[at]) else { return Vec::new() };
    let size = STATEMENT_SIZES.into_iter().find(|size| *size >= sites.len()).unwrap_or(sites.len());
    let repeated = sites.last().into_iter().cycle().take(size.saturating_sub(sites.len()));
    sites.iter().chain(repeated).map(|site| site_bind(site, column)).collect()
}

fn few<T>(outcome: Result<T, Halt>) -> Result<T, Fault> {
    outcome.map_err(|halt| match halt {
        Halt::Fault(fault) => fault,
        Halt::Source(error) => Fault::failed(error.to_string()),
    })
}

impl Link for OracleLink {
    fn table(&mut self, shape: &TableShape) -> Result<Table, Fault> {
        let _leave = self.admission.other();
        catalogue::find(self.session.as_mut(), shape, &self.server, self.user.as_deref())
    }

    fn named_sites(&mut self, query: &str) -> Result<Vec<String>, Fault> {
        let mut sites = Vec::new();
        few(self.query(query, &[], FETCH_ROWS, &mut |row| {
            sites.extend(site_text(row.value(0), None));
            Ok(true)
        }))?;
        Ok(sites)
    }

    fn list(&mut self, table: &Table, among: Option<&[String]>, span: &Span) -> Result<Vec<Listed>, Fault> {
        let times = Times::new(table, &self.shape, self.unit)?;
        let statements = Statements::new(table);
        few(self.transaction(|link| {
            if table.lookup == Lookup::BySite && among.is_none() {
                return link.listed(&statements.leaps(), &[], table, &times);
            }
            let after = match span {
                Span::All => None,
                Span::After(time) => Some(times.lower(*time)),
            };
            let chunks: Vec<&[String]> =
                among.map_or(vec![&[][..]], |among| among.chunks(SITES_MAX).collect());
            let mut listed = Vec::new();
            for sites in chunks {
                let sites: Vec<&str> = sites.iter().map(String::as_str).collect();
                let mut binds = Vec::new();
                let named = if sites.is_empty() { Vec::new() } else { site_binds(&sites, table) };
                let places = link.places("s", &named, &mut binds);
                let after = link.place("after", after.clone(), &mut binds);
                let statement = statements.grouped(&places, after.as_deref());
                listed.extend(link.listed(&statement, &binds, table, &times)?);
            }
            Ok(listed)
        }))
    }

    fn rows(&mut self, table: &Table, wanted: &[Wanted], take: &mut Take<'_>) -> Result<(), Halt> {
        let times = Times::new(table, &self.shape, self.unit)?;
        let reader = Reader::new(table, &times, wanted);
        let mut record = Record::new(table, &self.shape);
        let bounds: Vec<Option<Time>> = wanted.iter().map(|wanted| lowest_time(&wanted.resume)).collect();
        // Without an index each statement looks at every row.
        let groups = match table.lookup {
            Lookup::BySite | Lookup::ByTime => grouped(&bounds, SITES_MAX),
            Lookup::Scan => grouped(&vec![bounds.iter().copied().min().flatten(); bounds.len()], SITES_MAX),
        };
        self.transaction(|link| {
            for group in &groups {
                link.group(group, wanted, &reader, (table, &times), &mut |row, reader| {
                    reader.read(row, &mut record);
                    take(&record).map(|()| true)
                })?;
            }
            Ok(())
        })
    }

    fn strays(
        &mut self,
        table: &Table,
        refused: &[String],
        undated: &[String],
        rows_max: u32,
        take: &mut Take<'_>,
    ) -> Result<(), Halt> {
        let times = Times::new(table, &self.shape, self.unit)?;
        let reader = Reader::new(table, &times, &[]);
        let mut record = Record::new(table, &self.shape);
        // Each of them has a row, and so many are as many as are taken.
        let texts = |sites: &[String]| -> Vec<Bind> {
            let sites: Vec<&str> = sites.iter().take(SITES_MAX).map(String::as_str).collect();
            if sites.is_empty() { Vec::new() } else { site_binds(&sites, table) }
        };
        let mut binds = Vec::new();
        let refused = self.places("r", &texts(refused), &mut binds);
        let undated = self.places("u", &texts(undated), &mut binds);
        let statement = Statements::new(table).strays(&refused, &undated);
        let mut taken = 0;
        self.query(&statement, &binds, rows_max.min(fetch_rows(table)), &mut |row| {
            reader.read(row, &mut record);
            take(&record)?;
            taken += 1;
            Ok(taken < rows_max)
        })
    }

    fn take_statements(&mut self) -> u64 {
        self.admission.take_statements()
    }

    fn explain(&mut self, table: &Table) -> Result<Explained, Fault> {
        // A plan can be asked for only where its table may be written to; the statements name the index.
        let columns = table.site.into_iter().chain([table.time]).map(|at| table.columns[at].name.clone());
        let name = format!("on ({})", columns.collect::<Vec<_>>().join(", "));
        Ok(Explained { indexes: [name].into(), scans: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Values for Nothing {
        fn value(&self, _: usize) -> Cell<'_> {
            Cell::Null
        }
    }

    #[test]
    fn leave_is_held_while_the_server_works_and_not_while_rows_are_taken() {
        let admission = Admission::to("leave.example.org:1521", 1);
        let mut taken = 0;
        let mut give = |_: &dyn Values| {
            assert!(!admission.is_full(), "row {taken}");
            taken += 1;
            Ok(true)
        };
        let worked = with_leave(&admission, 2, &mut give, |give| {
            for _ in 0..3 {
                assert!(admission.is_full(), "the server looks for two rows");
                give(&Nothing)?;
                give(&Nothing)?;
            }
            assert!(admission.is_full(), "the server says that there are no more");
            Ok(())
        });
        assert!(worked.is_ok() && taken == 6 && !admission.is_full());
        assert_eq!(admission.take_statements(), 1);
    }
}

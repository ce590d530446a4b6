//! The statements of a pass over a table in `MySQL` or `MariaDB`.

use livecosmos_state::Time;
use mysql_async::{Row, Value as Sent};

use super::Settings;
use super::catalogue::{self, Described, Lack};
use super::sql::Statements;
use super::talk::Talk;
use super::value::{self, Reader, site_text, site_value};
use crate::source::TableShape;
use crate::source::position::{highest_time, lowest_time};
use crate::source::server::catalogue::Lookup;
use crate::source::server::groups::grouped;
use crate::source::server::instant::Instants;
use crate::source::server::{Explained, Fault, Halt, Link, Listed, Record, Span, Table, Take, Wanted};
use crate::source::sqlite::TimeUnit;

/// Whoever looks at so many rows need not leap.
const ROWS_FEW: u64 = 10_000;
/// Sites in one statement. The protocol takes 65,535 values.
const SITES_MAX: usize = 10_000;

/// A connection, and what is read over it.
pub(super) struct MysqlLink {
    talk: Talk,
    shape: TableShape,
    unit: TimeUnit,
    /// Whoever reads the table locks those out who write.
    is_locked_by_reading: bool,
}

impl MysqlLink {
    /// Connects.
    pub(super) fn connect(settings: &Settings, shape: &TableShape) -> Result<Self, Fault> {
        let talk = Talk::connect(settings, shape.table.to_string())?;
        let unit = settings.access.time_unit;
        Ok(Self { talk, shape: shape.clone(), unit, is_locked_by_reading: false })
    }

    fn instants(&self, table: &Table) -> Instants {
        Instants::new(table.time_kind, self.shape.time.clone(), self.unit, value::time_digits(table))
    }
}

impl Link for MysqlLink {
    fn table(&mut self, shape: &TableShape) -> Result<Table, Fault> {
        let server = self.talk.server.clone();
        let found = self.talk.ask(async |conn| match catalogue::find(conn, shape, &server).await {
            Ok(described) => Ok(Ok(described)),
            Err(Lack::Fault(fault)) => Ok(Err(fault)),
            Err(Lack::Server(error)) => Err(error),
        })?;
        let Described { table, is_locked_by_reading } = found?;
        self.is_locked_by_reading = is_locked_by_reading;
        Ok(table)
    }

    fn named_sites(&mut self, query: &str) -> Result<Vec<String>, Fault> {
        let statement = format!("SELECT q.* FROM ({query}) AS q");
        let rows = few(self.talk.transaction(false, |talk| Ok(talk.query(&statement, Vec::new())?)))?;
        Ok(rows.iter().filter_map(|row| value::named_site(row.as_ref(0)?)).collect())
    }

    fn list(&mut self, table: &Table, among: Option<&[String]>, span: &Span) -> Result<Vec<Listed>, Fault> {
        let instants = self.instants(table);
        let statements = Statements::new(table);
        let after = match span {
            Span::All => None,
            Span::After(time) => Some(value::lower(&instants, Some(*time))),
        };
        let chunks: Vec<Option<&[String]>> = match among {
            Some(among) => among.chunks(SITES_MAX).map(Some).collect(),
            None => vec![None],
        };
        few(self.talk.transaction(false, |talk| {
            let mut listed = Vec::new();
            for sites in chunks {
                let statement = statements.list(sites.map(<[String]>::len), after.is_some());
                let sites = sites.into_iter().flatten().map(|site| site_value(site, table));
                let rows = talk.query(&statement, sites.chain(after.clone()).collect())?;
                listed.extend(rows.iter().map(|row| listed_site(row, table, &instants)));
            }
            Ok(listed)
        }))
    }

    fn rows(&mut self, table: &Table, wanted: &[Wanted], take: &mut Take<'_>) -> Result<(), Halt> {
        let instants = self.instants(table);
        let reader = Reader::new(table, &instants, wanted);
        let statements = Statements::new(table);
        let mut record = Record::new(table, &self.shape);
        let bounds: Vec<Option<Time>> = wanted.iter().map(|wanted| lowest_time(&wanted.resume)).collect();
        // Without an index each statement looks at every row.
        let groups = match table.lookup {
            Lookup::BySite | Lookup::ByTime => grouped(&bounds, SITES_MAX),
            Lookup::Scan => grouped(&vec![bounds.iter().copied().min().flatten(); bounds.len()], SITES_MAX),
        };
        let is_held = self.is_locked_by_reading;
        self.talk.transaction(true, |talk| {
            for group in groups {
                let sites = || group.iter().map(|at| &wanted[*at]);
                let lowest = group.iter().map(|at| bounds[*at]).min().flatten();
                let highest = sites().map(|site| highest_time(&site.resume));
                let highest = highest.reduce(|one, other| Some(one?.max(other?))).flatten();
                let upper = value::upper(&instants, highest);
                let statement = statements.rows(group.len(), upper.is_some(), is_held);
                let named = sites().filter(|_| table.site.is_some());
                let mut values: Vec<Sent> = named.map(|wanted| site_value(&wanted.site, table)).collect();
                values.push(value::lower(&instants, lowest));
                values.extend(upper);
                talk.stream(&statement, values, &mut |row| {
                    reader.read(row, &mut record);
                    take(&record)
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
        let instants = self.instants(table);
        let reader = Reader::new(table, &instants, &[]);
        let mut record = Record::new(table, &self.shape);
        // Each of them has a row, and so many are more than are taken.
        let most = |sites: &[String]| sites.len().min(SITES_MAX);
        let (refused, undated) = (&refused[..most(refused)], &undated[..most(undated)]);
        let statement = Statements::new(table).strays(refused.len(), undated.len());
        let mut values: Vec<Sent> = Vec::new();
        if table.site.is_some() {
            values.extend(refused.iter().chain(undated).map(|site| site_value(site, table)));
        }
        values.extend(value::first_day(&instants));
        values.push(Sent::UInt(rows_max.into()));
        self.talk.transaction(false, |talk| {
            talk.stream(&statement, values, &mut |row| {
                reader.read(row, &mut record);
                take(&record)
            })
        })
    }

    fn take_statements(&mut self) -> u64 {
        self.talk.admission.take_statements()
    }

    fn explain(&mut self, table: &Table) -> Result<Explained, Fault> {
        let instants = self.instants(table);
        let statements = Statements::new(table);
        let listing = (format!("EXPLAIN {}", statements.list(None, false)), Vec::new());
        let site = table.site.map(|_| site_value("", table));
        let values: Vec<Sent> = site.into_iter().chain([value::lower(&instants, None)]).collect();
        let rows = (format!("EXPLAIN {}", statements.rows(1, false, false)), values);
        few(self.talk.transaction(false, |talk| {
            let mut explained = Explained::default();
            for (statement, values) in [listing, rows] {
                talk.query(&statement, values)?.iter().for_each(|row| note_plan(row, &mut explained));
            }
            Ok(explained)
        }))
    }
}

/// What a line of a plan says of how a table is read.
fn note_plan(row: &Row, explained: &mut Explained) {
    let text = |name: &str| catalogue::get::<String>(row, name).unwrap_or_default();
    if text("table").starts_with('<') {
        return;
    }
    let rows: u64 = catalogue::get(row, "rows").unwrap_or_default();
    // Of an index that is read from its first entry to its last, all of the table may be.
    let is_whole = text("type") == "index" && !text("Extra").contains("group-by") && rows > ROWS_FEW;
    explained.scans |= text("type") == "ALL" || is_whole || text("Extra").contains("filesort");
    explained.indexes.extend(Some(text("key")).filter(|key| !key.is_empty()));
}

/// The outcome of what asks the server alone.
fn few<T>(outcome: Result<T, Halt>) -> Result<T, Fault> {
    outcome.map_err(|halt| match halt {
        Halt::Fault(fault) => fault,
        Halt::Source(error) => Fault::failed(error.to_string()),
    })
}

/// A row of a listing: site, first time, last time, whether it has rows without, and the last tie.
fn listed_site(row: &Row, table: &Table, instants: &Instants) -> Listed {
    let sent = |at: usize| row.as_ref(at).unwrap_or(&Sent::NULL);
    let tie = table.tie.map(|at| &table.columns[at]).filter(|_| instants.is_exact());
    let is_true = |sent: &Sent| matches!(sent, Sent::Int(1..) | Sent::UInt(1..));
    Listed {
        site: site_text(sent(0), table),
        newest: value::newest(sent(2), instants),
        newest_tie: tie.and_then(|column| value::tie(sent(4), column).ok()),
        has_undated: is_true(sent(3)) || value::is_zero(sent(1)),
    }
}

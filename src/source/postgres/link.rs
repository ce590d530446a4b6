//! A connection to `PostgreSQL`, and the statements of a pass over it.

use std::collections::HashMap;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, IsolationLevel, Row};

use super::connect::Ended;
use super::sql::{self, Statements};
use super::transaction::{Open, Parameter, Told};
use super::value::{self, Raw, Stored, time_types};
use super::{Settings, catalogue, fault};
use crate::source::TableShape;
use crate::source::position::{highest_time, lowest_time};
use crate::source::server::catalogue::Lookup;
use crate::source::server::instant::Instants;
use crate::source::server::{
    Admission, Explained, Fault, Halt, Link, Listed, Record, Span, Table, Take, Wanted,
};
use crate::source::sqlite::TimeUnit;
use livecosmos_state::{Cursor, Tie, Time};

/// A connection.
pub(super) struct PostgresLink {
    client: Client,
    /// Drives the connection; `None` only while this is dropped.
    runtime: Option<Runtime>,
    ended: Ended,
    admission: Admission,
    server: String,
    prepare: String,
    shape: TableShape,
    unit: TimeUnit,
}

/// The server does not say how long it will take to end, and a runtime may not be waited for everywhere.
impl Drop for PostgresLink {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl PostgresLink {
    /// Connects.
    pub(super) fn connect(settings: &Settings, shape: &TableShape) -> Result<Self, Fault> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Fault::lost(format!("no thread for a connection ({error})")))?;
        let server = settings.describe();
        let connected = settings.connect(&runtime);
        let (client, ended) = match connected {
            Ok(connected) => connected,
            Err(fault) => {
                runtime.shutdown_background();
                return Err(fault);
            }
        };
        let timeout_ms = settings.access.statement_timeout.as_millis();
        Ok(Self {
            client,
            runtime: Some(runtime),
            ended,
            admission: Admission::to(&server, settings.access.statements_max),
            server,
            prepare: format!("{}; SET LOCAL statement_timeout = {timeout_ms}", sql::PREPARE),
            shape: shape.clone(),
            unit: settings.access.time_unit,
        })
    }

    /// The parts of a transaction: who runs it, in what it runs, and how its errors are told.
    fn begin(&mut self) -> Result<Open<'_>, Fault> {
        self.begin_with("")
    }

    /// The same, with more settings.
    fn begin_with(&mut self, settings: &str) -> Result<Open<'_>, Fault> {
        let told = Told { server: &self.server, table: self.shape.table.to_string(), ended: &self.ended };
        let Some(runtime) = &self.runtime else {
            return Err(Fault::lost(format!("{}: the connection is closed; it is made again", self.server)));
        };
        let _leave = self.admission.other();
        let client = &mut self.client;
        let prepare = format!("{}{settings}", self.prepare);
        let transaction = runtime.block_on(async {
            let builder = client.build_transaction();
            let builder = builder.isolation_level(IsolationLevel::RepeatableRead).read_only(true);
            let transaction = builder.start().await?;
            transaction.batch_execute(&prepare).await?;
            Ok(transaction)
        });
        match transaction {
            Ok(transaction) => Ok(Open { runtime, transaction, told, admission: &self.admission }),
            Err(error) => Err(told.fault(&error)),
        }
    }

    fn instants(&self, table: &Table) -> Instants {
        Instants::new(table.time_kind, self.shape.time.clone(), self.unit, None)
    }
}

impl Link for PostgresLink {
    fn table(&mut self, shape: &TableShape) -> Result<Table, Fault> {
        let Some(runtime) = &self.runtime else {
            return Err(Fault::lost(format!("{}: the connection is closed; it is made again", self.server)));
        };
        let _leave = self.admission.other();
        runtime.block_on(catalogue::find(&self.client, shape, &self.server)).map_err(|lack| match lack {
            catalogue::Lack::Fault(fault) => fault,
            catalogue::Lack::Server(error) => {
                fault::statement(&self.server, &shape.table.to_string(), &error, &self.ended)
            }
        })
    }

    fn named_sites(&mut self, query: &str) -> Result<Vec<String>, Fault> {
        let open = self.begin()?;
        let rows = open.query(&format!("SELECT q.*::text FROM ({query}) AS q"), &[])?;
        let told = |error: Error| open.told.fault(&error);
        let sites = rows.iter().map(|row| row.try_get::<_, Option<String>>(0).map_err(told));
        let sites = sites.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()?;
        open.end().map(|()| sites)
    }

    fn list(&mut self, table: &Table, among: Option<&[String]>, span: &Span) -> Result<Vec<Listed>, Fault> {
        let instants = self.instants(table);
        let statements = Statements::new(table);
        let open = self.begin()?;
        let listed = if table.lookup == Lookup::BySite {
            list_by_site(&open, table, among, &instants)
        } else {
            list_by_time(&open, &statements, among, span, &instants)
        };
        let listed = listed?;
        open.end().map(|()| listed)
    }

    fn rows(&mut self, table: &Table, wanted: &[Wanted], take: &mut Take<'_>) -> Result<(), Halt> {
        let instants = self.instants(table);
        let asked = Asked::of(wanted, &instants);
        let mut record = Record::new(table, &self.shape);
        let statements = Statements::new(table);
        let open = self.begin_with(statements.settings())?;
        let (_, times) = time_types(table.time_kind);
        let mut types = vec![Type::TEXT_ARRAY, times.clone(), times, Type::BOOL_ARRAY];
        let mut parameters: Vec<Parameter<'_>> = vec![&asked.sites, &asked.low, &asked.high, &asked.is_whole];
        if table.tie.is_some() {
            types.push(Type::TEXT_ARRAY);
            parameters.push(&asked.ties);
        }
        open.stream(&statements.rows(), &types, parameters, &mut |row, told| {
            value::read(row, table, &instants, &mut record).map_err(|error| told.fault(&error))?;
            take(&record)
        })?;
        Ok(open.end()?)
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
        let mut record = Record::new(table, &self.shape);
        let open = self.begin()?;
        let types = [Type::TEXT_ARRAY, Type::TEXT_ARRAY, Type::INT8];
        let rows_max = i64::from(rows_max);
        let parameters: Vec<Parameter<'_>> = vec![&refused, &undated, &rows_max];
        open.stream(&Statements::new(table).strays(), &types, parameters, &mut |row, told| {
            value::read(row, table, &instants, &mut record).map_err(|error| told.fault(&error))?;
            take(&record)
        })?;
        Ok(open.end()?)
    }

    fn take_statements(&mut self) -> u64 {
        self.admission.take_statements()
    }

    fn explain(&mut self, table: &Table) -> Result<Explained, Fault> {
        let statement = format!("EXPLAIN (COSTS OFF) {}", Statements::new(table).last_times(false));
        let open = self.begin()?;
        let mut explained = Explained::default();
        for row in open.query(&statement, &[])? {
            let line: String = row.try_get(0).map_err(|error| open.told.fault(&error))?;
            explained.scans |= line.contains("Seq Scan on");
            let index = line.split_once(" using ").and_then(|(_, rest)| rest.split(" on ").next());
            explained.indexes.extend(index.map(str::to_owned));
        }
        open.end().map(|()| explained)
    }
}

/// Where the sites that are asked for stand, as the columns of what is bound.
struct Asked {
    sites: Vec<String>,
    low: Vec<Stored>,
    high: Vec<Stored>,
    is_whole: Vec<bool>,
    ties: Vec<Option<String>>,
}

impl Asked {
    fn of(wanted: &[Wanted], instants: &Instants) -> Self {
        let low = |wanted: &Wanted| Stored(instants.lower(lowest_time(&wanted.resume)));
        let high = |wanted: &Wanted| Stored(instants.upper(highest_time(&wanted.resume)));
        let tie = |wanted: &Wanted| match &wanted.resume.cursor {
            Cursor::Row { tie, .. } => value::tie_text(tie),
            Cursor::Start | Cursor::File { .. } => None,
        };
        // Where the clock on the wall, or the unit, does not tell the place exactly, rows at it are looked at.
        let is_exact = instants.is_exact();
        let is_whole = |wanted: &Wanted| !is_exact || lowest_time(&wanted.resume).is_none();
        Self {
            sites: wanted.iter().map(|wanted| wanted.site.clone()).collect(),
            low: wanted.iter().map(low).collect(),
            high: wanted.iter().map(high).collect(),
            is_whole: wanted.iter().map(is_whole).collect(),
            ties: wanted.iter().map(tie).collect(),
        }
    }
}

/// By one seek or two a site; where its last time is none or infinite, another looks behind that.
fn list_by_site(
    open: &Open<'_>,
    table: &Table,
    among: Option<&[String]>,
    instants: &Instants,
) -> Result<Vec<Listed>, Fault> {
    let statements = Statements::new(table);
    let parameters: Vec<(Parameter<'_>, Type)> = match &among {
        Some(among) => vec![(among, Type::TEXT_ARRAY)],
        None => Vec::new(),
    };
    let rows = open.query(&statements.last_times(among.is_some()), &parameters)?;
    let mut listed = Vec::new();
    let mut undated = Vec::new();
    for row in &rows {
        let (site, newest) = site_and_time(open, row, instants)?;
        let newest_tie = newest_tie(open, row, table)?.filter(|_| instants.is_exact());
        let has_undated = newest.is_none();
        if has_undated {
            undated.push(site.clone().unwrap_or_default());
        }
        listed.push(Listed { site, newest, newest_tie, has_undated });
    }
    if undated.is_empty() {
        return Ok(listed);
    }
    let rows = open.query(&statements.last_dated(), &[(&undated, Type::TEXT_ARRAY)])?;
    let dated =
        rows.iter().map(|row| site_and_time(open, row, instants)).collect::<Result<HashMap<_, _>, _>>()?;
    for site in listed.iter_mut().filter(|site| site.has_undated) {
        // The tie is that of a time which is none.
        site.newest_tie = None;
        site.newest = dated.get(&site.site).copied().flatten();
    }
    Ok(listed)
}

/// By looking at every row of `span`.
fn list_by_time(
    open: &Open<'_>,
    statements: &Statements<'_>,
    among: Option<&[String]>,
    span: &Span,
    instants: &Instants,
) -> Result<Vec<Listed>, Fault> {
    let after = match span {
        Span::All => None,
        Span::After(time) => Some(Stored(instants.lower(Some(*time)))),
    };
    let mut parameters: Vec<(Parameter<'_>, Type)> = vec![(&among, Type::TEXT_ARRAY)];
    if let Some(after) = &after {
        parameters.push((after, time_types(instants.kind).0));
    }
    let rows = open.query(&statements.newest_times(after.is_some()), &parameters)?;
    rows.iter()
        .map(|row| {
            let (site, newest) = site_and_time(open, row, instants)?;
            let has_undated = row.try_get(2).map_err(|error| open.told.fault(&error))?;
            Ok(Listed { site, newest, newest_tie: None, has_undated })
        })
        .collect()
}

/// The tie beside a last time; none where it cannot be one.
fn newest_tie(open: &Open<'_>, row: &Row, table: &Table) -> Result<Option<Tie>, Fault> {
    let Some(column) = table.tie.map(|at| &table.columns[at]) else { return Ok(None) };
    let raw: Option<Raw<'_>> = row.try_get(2).map_err(|error| open.told.fault(&error))?;
    Ok(value::tie(raw.map(|raw| raw.0), column).ok())
}

fn site_and_time(
    open: &Open<'_>,
    row: &Row,
    instants: &Instants,
) -> Result<(Option<String>, Option<Time>), Fault> {
    let fault = |error: Error| open.told.fault(&error);
    let site: Option<Raw<'_>> = row.try_get(0).map_err(fault)?;
    let site = site.map(|raw| String::from_utf8_lossy(raw.0).into_owned());
    let stored: Option<Raw<'_>> = row.try_get(1).map_err(fault)?;
    let newest = stored.and_then(|raw| Stored::read(raw.0));
    Ok((site, newest.and_then(|stored| instants.newest(stored))))
}

//! Tables in a database server: what the dialects have in common.
//!
//! The number of statements of a pass does not depend on the number of sites:
//!
//! 1. a listing tells each site's newest time: with an index that begins with site and time, by one or
//!    two seeks a site; with one on time, from the front on; without either, by looking at every row;
//! 2. where something is due, the catalogue is asked whether the columns are still the same;
//! 3. one ordered statement streams what is due of all sites, in bounded portions;
//! 4. rows without a time or a site are fetched only where the listing saw some.
//!
//! A dialect knows how to connect, how its statements are spelled and how its values are read: it
//! keeps the contract [`Link`]. Everything else is here.

mod access;
pub(super) mod catalogue;
mod fault;
mod gate;
pub(super) mod groups;
pub(super) mod instant;
mod listing;
mod reading;
mod record;
mod spelling;
pub(super) mod wall;

use std::collections::BTreeSet;

use livecosmos_state::SiteId;

use super::{Intake, Pass, Plan, SiteRule, Source, SourceError, Start, TableShape};
pub use access::Access;
pub(super) use catalogue::Table;
pub(super) use fault::{Fault, Halt};
pub(super) use gate::{Admission, Leave};
use listing::{Asked, Listing, Outlook};
pub(super) use listing::{Listed, Span};
use reading::Reading;
pub(super) use reading::Wanted;
pub(super) use record::{Moment, Record, Value};
pub(super) use spelling::Equality;

/// Knows a server's address, and connects to it anew whenever that is needed.
pub(super) trait Dialect: Send {
    /// Connects; credentials are read anew each time, so that a password may be rotated.
    fn connect(&self) -> Result<Box<dyn Link>, Fault>;
}

/// Takes the rows of a statement, one by one.
pub(super) type Take<'t> = dyn FnMut(&Record) -> Result<(), Halt> + 't;

/// A connection. Each call is one read-only transaction.
pub(super) trait Link: Send {
    /// What the catalogue says of the table.
    fn table(&mut self, shape: &TableShape) -> Result<Table, Fault>;

    /// The sites that a query of the operator's names.
    fn named_sites(&mut self, query: &str) -> Result<Vec<String>, Fault>;

    /// The sites with rows in `span`, among `among` where that is given.
    fn list(&mut self, table: &Table, among: Option<&[String]>, span: &Span) -> Result<Vec<Listed>, Fault>;

    /// The rows that may be due: each site's in the order of time and tie. A row's place in `wanted`
    /// is [`Record::position`].
    fn rows(&mut self, table: &Table, wanted: &[Wanted], take: &mut Take<'_>) -> Result<(), Halt>;

    /// At most `rows_max` rows that have no site, have one of `refused`, or are of one of `undated` and
    /// have no time.
    fn strays(
        &mut self,
        table: &Table,
        refused: &[String],
        undated: &[String],
        rows_max: u32,
        take: &mut Take<'_>,
    ) -> Result<(), Halt>;

    /// Statements that asked for sites or rows since this was called last.
    fn take_statements(&mut self) -> u64;

    /// How the server would find the rows of a table that has an index for it.
    fn explain(&mut self, table: &Table) -> Result<Explained, Fault>;
}

/// The plan of the statements of a poll.
#[derive(Debug, Default)]
pub(super) struct Explained {
    /// Indexes that are used.
    pub(super) indexes: BTreeSet<String>,
    /// All of a table is read.
    pub(super) scans: bool,
}

/// A table in a database server.
pub(super) struct ServerSource {
    dialect: Box<dyn Dialect>,
    shape: TableShape,
    fixed: Option<SiteId>,
    sites_query: Option<String>,
    link: Option<Box<dyn Link>>,
    table: Option<Table>,
    /// As the last pass read it: what changed is told also where the table had to be looked up anew.
    last: Option<Table>,
    outlook: Outlook,
    said: BTreeSet<String>,
}

impl ServerSource {
    /// A source that connects when its first pass begins: a daemon waits for a server that is away.
    pub(super) fn new(dialect: Box<dyn Dialect>, shape: TableShape, sites_query: Option<String>) -> Self {
        let fixed = match &shape.site {
            SiteRule::Fixed(site) => Some(site.clone()),
            SiteRule::Column(_) | SiteRule::Template(_) => None,
        };
        let outlook = Outlook::default();
        let said = BTreeSet::new();
        Self { dialect, shape, fixed, sites_query, link: None, table: None, last: None, outlook, said }
    }

    /// The listing with which a pass begins. Nothing was given yet: a connection that died since the last
    /// pass, and a table that is not as it was, are looked at once more.
    fn list(&mut self, start: &Start) -> Result<(Box<dyn Link>, Table, Listing), Fault> {
        let was_known = self.link.is_some() || self.table.is_some();
        match self.try_list(start) {
            Err(fault) if was_known && fault.may_be_stale() => {
                (self.link, self.table) = (None, None);
                self.try_list(start)
            }
            listed => listed,
        }
    }

    fn try_list(&mut self, start: &Start) -> Result<(Box<dyn Link>, Table, Listing), Fault> {
        let mut link = self.link.take().map_or_else(|| self.dialect.connect(), Ok)?;
        let (table, is_fresh) = match self.table.take() {
            Some(table) => (table, false),
            None => (link.table(&self.shape)?, true),
        };
        let among = self.among(start, link.as_mut())?;
        let listing = self.outlook.list(
            link.as_mut(),
            &table,
            among.as_deref(),
            is_fresh,
            &Asked::by(start, &self.shape),
        )?;
        Ok((link, table, listing))
    }

    /// The only sites to look for, if not all of the table.
    fn among(&self, start: &Start, link: &mut dyn Link) -> Result<Option<Vec<String>>, Fault> {
        if self.fixed.is_some() {
            return Ok(None);
        }
        // A fill is about one site, whatever the query says of it by now: shown no rows, it would count as done.
        let is_asked = !(start.is_bounded && start.only.is_some());
        let query = self.sites_query.as_deref().filter(|_| is_asked);
        let named = query.map(|query| link.named_sites(query)).transpose()?;
        let sets = [self.shape.sites.as_ref(), start.only.as_ref()];
        let mut sets = sets.into_iter().flatten();
        let Some(first) = sets.next() else { return Ok(named) };
        let both = first.iter().filter(|site| sets.clone().all(|set| set.contains(*site)));
        let is_named = |site: &&SiteId| {
            named.as_ref().is_none_or(|named| named.iter().any(|name| name == site.as_str()))
        };
        Ok(Some(both.filter(is_named).map(ToString::to_string).collect()))
    }
}

impl Source for ServerSource {
    fn pass(&mut self, start: &Start, intake: &mut dyn Intake) -> Result<Pass, SourceError> {
        let (mut link, mut table, listing) = self.list(start)?;
        let last = self.last.take().filter(|_| listing.is_fresh);
        let changed = last.and_then(|last| last.change_to(&table));
        let reading = Reading::new(&self.shape, self.fixed.as_ref(), start, intake);
        let outcome = reading.run(link.as_mut(), &mut table, listing);
        let statements = link.take_statements();
        self.last = Some(table.clone());
        if !matches!(&outcome, Err(Halt::Fault(fault)) if fault.may_be_stale()) {
            (self.link, self.table) = (Some(link), Some(table));
        }
        let mut pass = outcome.map_err(SourceError::from)?;
        pass.statements = statements;
        pass.notices.extend(changed);
        pass.notices.retain(|notice| self.said.insert(notice.clone()));
        Ok(pass)
    }

    fn explain(&mut self) -> Result<Option<Plan>, SourceError> {
        let mut link = self.dialect.connect()?;
        let table = link.table(&self.shape)?;
        if let Some(advice) = table.advice() {
            return Ok(Some(Plan::Costly(advice)));
        }
        Ok(Some(match link.explain(&table)? {
            Explained { scans: true, .. } => Plan::Costly(format!(
                "table {} has an index on site and time, and the server does not use it; run ANALYZE on the table",
                table.name
            )),
            Explained { indexes, .. } => Plan::Index(indexes.into_iter().collect::<Vec<_>>().join(", ")),
        }))
    }
}

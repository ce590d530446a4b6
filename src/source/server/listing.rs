//! Which sites have something new, and how often all of the table is looked at to find out.

use std::time::{Duration, Instant};

use livecosmos_state::{Tie, Time};

use super::catalogue::Lookup;
use super::{Fault, Link, Table};
use crate::clock;
use crate::source::{Start, TableShape};

/// With an index on time alone, a listing begins this long before the newest time seen.
const FRONT_S: i64 = 3_600;
/// A listing of all of the table is made again after so many times what the last one took: it costs the
/// server a hundredth of its time at most.
const REST_TIMES: u32 = 100;

/// The rows a listing is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum Span {
    /// All of the table.
    All,
    /// Those with a later time.
    After(Time),
}

/// What a listing knows of one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) struct Listed {
    /// Its id as a text; `None` for rows without one, and where the table is one site's.
    pub(in crate::source) site: Option<String>,
    /// The newest of its times that is one.
    pub(in crate::source) newest: Option<Time>,
    /// The greatest tie of the rows of that time, where the listing tells it.
    pub(in crate::source) newest_tie: Option<Tie>,
    /// It has rows whose time is none, or infinite.
    pub(in crate::source) has_undated: bool,
}

impl Listed {
    /// The same of a site that the server takes for equal: nothing of its own is newer.
    pub(super) fn spelled(&self, site: &str) -> Self {
        Self { site: Some(site.to_owned()), ..self.clone() }
    }
}

/// What a pass begins with.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) sites: Vec<Listed>,
    /// The catalogue was looked at just now.
    pub(super) is_fresh: bool,
}

/// What a pass asks of its listing.
#[derive(Debug)]
pub(super) struct Asked {
    /// It may be about rows that lie far behind the front: a fill that is shown none counts as done.
    pub(super) looks_back: bool,
    /// Later times lie in the future.
    pub(super) present: Time,
}

impl Asked {
    /// What a pass that starts so asks.
    pub(super) fn by(start: &Start, shape: &TableShape) -> Self {
        let present = clock::shift(start.now, shape.future_tolerance_s);
        Self { looks_back: start.is_bounded || start.behind, present }
    }
}

/// What is remembered from pass to pass so that not every one looks at all of the table.
#[derive(Debug, Default)]
pub(super) struct Outlook {
    /// The newest time seen so far.
    newest: Option<Time>,
    /// When all of it may be looked at again.
    whole_again: Option<Instant>,
}

impl Outlook {
    /// Lists the sites of the table that may have something new.
    pub(super) fn list(
        &mut self,
        link: &mut dyn Link,
        table: &Table,
        among: Option<&[String]>,
        is_fresh: bool,
        pass: &Asked,
    ) -> Result<Listing, Fault> {
        let span = self.span(table, pass);
        let begun = Instant::now();
        let sites = link.list(table, among, &span)?;
        if span == Span::All {
            let rest = begun.elapsed().checked_mul(REST_TIMES).unwrap_or(Duration::MAX);
            self.whole_again = Instant::now().checked_add(rest);
        }
        // One row from the future must not hide all that is older.
        let newest =
            sites.iter().filter_map(|site| site.newest).filter(|newest| *newest <= pass.present).max();
        self.newest = self.newest.max(newest);
        Ok(Listing { sites, is_fresh })
    }

    fn span(&self, table: &Table, pass: &Asked) -> Span {
        if pass.looks_back {
            return Span::All;
        }
        let is_resting = self.whole_again.is_some_and(|again| Instant::now() < again);
        match self.newest {
            Some(newest) if table.lookup == Lookup::ByTime && is_resting => {
                Span::After(clock::shift(newest, -FRONT_S))
            }
            _ => Span::All,
        }
    }
}

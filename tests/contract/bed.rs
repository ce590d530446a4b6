//! A place for rows, with a source that reads them.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use livecosmos::source::{Fold, Limits, SiteRule, Source, TableShape, TimeReader};
use livecosmos_state::{SiteId, TableName, Time};

/// 2026-01-01T00:00:00Z: what the clock shows.
pub(crate) const NOW_S: i64 = 1_767_225_600;
/// The time of a row whose second is 0: a day before.
pub(crate) const FIRST_S: i64 = NOW_S - 86_400;

/// A row before it is in a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) site: Option<String>,
    /// Seconds after [`FIRST_S`].
    pub(crate) second: Option<i64>,
    pub(crate) id: i64,
    pub(crate) value: String,
}

impl Row {
    pub(crate) fn new(site: &str, second: i64, id: i64) -> Self {
        Self { site: Some(site.to_owned()), second: Some(second), id, value: format!("v{id}") }
    }

    /// Its time as ISO 8601.
    pub(crate) fn time(&self) -> Option<String> {
        self.second.map(|second| time(second).to_string())
    }
}

/// The time of a row.
pub(crate) fn time(second: i64) -> Time {
    Time::new(FIRST_S + second, 0).unwrap()
}

pub(crate) fn site(id: &str) -> SiteId {
    SiteId::parse(id).unwrap()
}

/// What a pass asks of the database, and what it reads of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) statements: u64,
    pub(crate) rows: u64,
}

impl Cost {
    pub(crate) const NOTHING: Self = Self { statements: 0, rows: 0 };
    /// Who has something new.
    pub(crate) const LISTING: Self = Self { statements: 1, rows: 0 };
    /// That, and the last row of each site, where only its tie could tell it from another.
    pub(crate) const LISTING_AND_TIES: Self = Self { statements: 2, rows: 3 };
}

/// Something that holds rows with columns SITE, TIME, ID and V.
pub(crate) trait Bed {
    /// Adds rows, all at once.
    fn insert(&mut self, rows: &[Row]);

    /// A source as a new process opens it.
    fn open(&self, shape: TableShape) -> Box<dyn Source>;

    /// Whether its rows are in the order of time and tie; else in the order in which they were added.
    fn is_table(&self) -> bool {
        true
    }

    /// The most that an idle pass over three sites may cost.
    fn idle_cost(&self) -> Cost {
        Cost::NOTHING
    }

    /// The shape of its rows.
    fn shape(&self) -> TableShape {
        TableShape {
            table: TableName::parse("T").unwrap(),
            site: SiteRule::Column("SITE".to_owned()),
            time_column: "TIME".to_owned(),
            tie_column: self.is_table().then(|| "ID".to_owned()),
            time: TimeReader::new(TimeZone::UTC, Fold::Earlier, None),
            null_values: vec![String::new()],
            text_columns: BTreeSet::from(["V".to_owned(), "v".to_owned()]),
            sites: None,
            future_tolerance_s: 3_600,
            settle_s: 0,
            limits: Limits {
                batch_rows_max: 10_000,
                batch_bytes_max: 1 << 20,
                group_bytes_max: 16 << 20,
                partition: None,
            },
        }
    }
}

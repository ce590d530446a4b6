//! What an object says of its rows beside what its chain needs: enough to compare sink and source day
//! by day, and to read the object again, without the settings it was stored under.

use std::collections::BTreeMap;
use std::fmt;

use livecosmos_state::Time;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::facts::{FactsError, Reader};
use super::schema_text::SchemaText;
use crate::rows::Rows;

const FIRST_DATA: &str = "livecosmos-first-data";
const TIME_COLUMN: &str = "livecosmos-time-column";
const DAYS: &str = "livecosmos-days";
const SCHEMA: &str = "livecosmos-schema";

/// What S3 takes as user metadata, names and values together.
const METADATA_BYTES_MAX: usize = 2048;
/// What S3 writes before each name. Whether it counts is not said everywhere, so it is counted.
const NAME_PREFIX: &str = "x-amz-meta-";
/// The longest spelling of [`DayCounts`] in metadata.
const DAYS_BYTES_MAX: usize = 700;

/// RFC 3986, section 2.3: what stands for itself.
pub(super) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const SECONDS_PER_DAY: i64 = 86_400;

/// What an object says of its rows, if it was stored by a release that does, and as far as it fits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The earliest time among its rows.
    pub first_data: Option<Time>,
    /// Rows by day; left out where their spelling is too long.
    pub days: Option<DayCounts>,
    /// Name of the column that holds the time.
    pub time_column: Option<Box<str>>,
    /// Names and types of its columns; of a wide table only the first ones, as many as fit.
    pub schema: Option<SchemaText>,
}

impl Contents {
    /// What is to be said of `rows`.
    #[must_use]
    pub fn of(rows: &Rows) -> Self {
        let schema = rows.schema();
        Self {
            first_data: rows.times().iter().map(|row| row.time).min(),
            days: Some(DayCounts::of(rows.times().iter().map(|row| row.time))),
            time_column: schema.columns.get(schema.time).cloned(),
            schema: Some(SchemaText::of(schema)),
        }
    }

    /// Adds what fits.
    pub(super) fn add_to(&self, metadata: &mut BTreeMap<String, String>) {
        let days = self.days.as_ref().map(ToString::to_string).filter(|text| text.len() <= DAYS_BYTES_MAX);
        let pairs = [
            (FIRST_DATA, self.first_data.map(|time| time.to_string())),
            (
                TIME_COLUMN,
                self.time_column.as_deref().map(|name| utf8_percent_encode(name, ENCODED).to_string()),
            ),
            (DAYS, days),
        ];
        let bytes = |name: &str, value: &str| NAME_PREFIX.len() + name.len() + value.len();
        let mut used: usize = metadata.iter().map(|(name, value)| bytes(name, value)).sum();
        for (name, value) in pairs.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            used += bytes(name, &value);
            if used > METADATA_BYTES_MAX {
                return;
            }
            metadata.insert(name.to_owned(), value);
        }
        let left = METADATA_BYTES_MAX.saturating_sub(used + bytes(SCHEMA, ""));
        if let Some(schema) = self.schema.as_ref().and_then(|schema| schema.within(left)) {
            metadata.insert(SCHEMA.to_owned(), schema);
        }
    }

    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, FactsError> {
        Ok(Self {
            first_data: reader.read_if_there(FIRST_DATA, |text| text.parse().ok())?,
            days: reader.read_if_there(DAYS, DayCounts::parse)?,
            time_column: reader.read_if_there(TIME_COLUMN, read_name)?,
            schema: reader.read_if_there(SCHEMA, SchemaText::parse)?,
        })
    }
}

/// The inverse of what [`Contents::add_to`] makes of a name.
fn read_name(text: &str) -> Option<Box<str>> {
    percent_decode_str(text).decode_utf8().ok().map(Box::from)
}

/// How many rows fall on each day, UTC.
///
/// Displays as its first day and runs of rows a day, `2025-01-01:48*207,0,12`: 207 days of 48 rows, a day
/// without any, one of 12. The first and the last day have rows. Of no rows it is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayCounts {
    /// In the order of days, with rows in each, and none that continues the one before it.
    runs: Box<[Run]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: Day,
    days: i64,
    /// Rows on each of them.
    rows: u64,
}

/// A day, UTC. Displays as `2025-01-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    /// The day of `time`.
    #[must_use]
    pub fn of(time: Time) -> Self {
        Self(time.seconds.div_euclid(SECONDS_PER_DAY))
    }

    /// Its first instant; `None` outside of the years -9999 to 9999.
    #[must_use]
    pub fn start(self) -> Option<Time> {
        Time::new(self.0.checked_mul(SECONDS_PER_DAY)?, 0).ok()
    }

    /// The day after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Reads `2025-01-01`, as it is displayed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let start: Time = format!("{text}T00:00:00Z").parse().ok()?;
        Some(Self::of(start))
    }

    fn at(self, days: i64) -> Option<Self> {
        self.0.checked_add(days).map(Self).filter(|day| day.start().is_some())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.start().map(|time| time.to_string()).unwrap_or_default();
        f.pad(start.split('T').next().unwrap_or_default())
    }
}

impl DayCounts {
    /// Counts `times`.
    pub fn of(times: impl IntoIterator<Item = Time>) -> Self {
        let mut days: BTreeMap<Day, u64> = BTreeMap::new();
        for time in times {
            *days.entry(Day::of(time)).or_default() += 1;
        }
        Self::from_days(&days)
    }

    /// The same of rows that are counted already.
    #[must_use]
    pub fn from_days(days: &BTreeMap<Day, u64>) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for (day, rows) in days {
            push(&mut runs, Run { first: *day, days: 1, rows: *rows });
        }
        Self { runs: runs.into() }
    }

    /// Reads what is displayed, of no rows the empty text; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self { runs: Box::default() });
        }
        let (first, counts) = text.split_once(':')?;
        let (mut day, mut runs) = (Day::parse(first)?, Vec::new());
        for count in counts.split(',') {
            let (rows, days) = count.split_once('*').unwrap_or((count, "1"));
            let (rows, days): (u64, i64) = (rows.parse().ok()?, days.parse().ok()?);
            let last = day.at(days.checked_sub(1).filter(|rest| *rest >= 0)?)?;
            push(&mut runs, Run { first: day, days, rows });
            day = last.next();
        }
        // One count has one spelling, so that what is read is what was meant.
        Some(Self { runs: runs.into() }).filter(|counts| counts.to_string() == text)
    }

    /// Each day that has rows, with their number, in order.
    pub fn days(&self) -> impl Iterator<Item = (Day, u64)> {
        self.runs.iter().flat_map(|run| (0..run.days).map(|day| (Day(run.first.0 + day), run.rows)))
    }

    /// Rows of all days.
    #[must_use]
    pub fn rows(&self) -> u64 {
        let rows = |run: &Run| run.rows.saturating_mul(run.days.unsigned_abs());
        self.runs.iter().map(rows).fold(0, u64::saturating_add)
    }
}

impl fmt::Display for DayCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.runs.first() else { return Ok(()) };
        write!(f, "{}:", first.first)?;
        let mut end = first.first.0;
        for (position, run) in self.runs.iter().enumerate() {
            if run.first.0 > end {
                f.write_str(",")?;
                write_run(f, 0, run.first.0 - end)?;
            }
            if position > 0 {
                f.write_str(",")?;
            }
            write_run(f, run.rows, run.days)?;
            end = run.first.0 + run.days;
        }
        Ok(())
    }
}

/// Adds what follows `runs`, unless it is without rows.
fn push(runs: &mut Vec<Run>, next: Run) {
    match runs.last_mut() {
        _ if next.rows == 0 => {}
        Some(run) if run.rows == next.rows && run.first.0 + run.days == next.first.0 => run.days += next.days,
        _ => runs.push(next),
    }
}

fn write_run(f: &mut fmt::Formatter<'_>, rows: u64, days: i64) -> fmt::Result {
    if days == 1 { write!(f, "{rows}") } else { write!(f, "{rows}*{days}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rows::Schema;

    fn time(day: i64) -> Time {
        Time::new(day * SECONDS_PER_DAY + 86_399, 999_999_999).unwrap()
    }

    fn shown(days: &[i64]) -> String {
        DayCounts::of(days.iter().map(|day| time(*day))).to_string()
    }

    fn metadata_with(contents: &Contents, others_bytes: usize) -> BTreeMap<String, String> {
        let mut metadata = BTreeMap::from([("o".to_owned(), "x".repeat(others_bytes))]);
        contents.add_to(&mut metadata);
        metadata
    }

    #[test]
    fn what_does_not_fit_into_metadata_is_left_out() {
        let columns = ["A_NAME_OF_MORE_THAN_THIRTY_CHARACTERS".into(), "B".into()];
        let wide = Schema::untyped(columns.into(), 0, None);
        let every_other_day = |days: i64| DayCounts::of((0..days).map(|day| time(day * 2)));
        let contents = |days: i64| Contents {
            first_data: Some(time(0)),
            days: Some(every_other_day(days)),
            time_column: Some("T".into()),
            schema: Some(SchemaText::of(&wide)),
        };
        let few = metadata_with(&contents(100), 100);
        assert!(few.contains_key(DAYS) && few.contains_key(FIRST_DATA) && few.contains_key(TIME_COLUMN));
        let many = metadata_with(&contents(400), 100);
        assert!(!many.contains_key(DAYS) && many.contains_key(FIRST_DATA), "{many:?}");
        for others_bytes in 0..2100 {
            let metadata = metadata_with(&contents(100), others_bytes);
            let bytes = |(name, value): (&String, &String)| NAME_PREFIX.len() + name.len() + value.len();
            let used: usize = metadata.iter().map(bytes).sum();
            assert!(used <= METADATA_BYTES_MAX || metadata.len() == 1, "{used} bytes");
        }
        assert_eq!(metadata_with(&contents(100), 1990).len(), 1);
    }

    #[test]
    fn counts_are_told_in_runs() {
        assert_eq!(shown(&[0]), "1970-01-01:1");
        assert_eq!(shown(&[0, 0, 1, 1, 2, 2]), "1970-01-01:2*3");
        assert_eq!(shown(&[20_089, 20_089, 20_091, 20_095, 20_096]), "2025-01-01:2,0,1,0*3,1*2");
        assert_eq!(shown(&[-1]), "1969-12-31:1");
        assert_eq!(shown(&[-719_529]), "-0001-12-31:1");
    }

    #[test]
    fn what_is_no_count_is_refused() {
        for text in [
            ":",
            "2025-01-01",
            "2025-01-01:",
            "2025-01-01:0",
            "2025-01-01:1,0",
            "2025-01-01:0,1",
            "2025-01-01:1,1",
            "2025-01-01:1*1",
            "2025-01-01:1*0",
            "2025-01-01:1*-1",
            "2025-01-01:01",
            "2025-01-01:+1",
            "2025-1-1:1",
            "2025-01-01:1*9223372036854775807",
            "9999-12-31:1*2",
        ] {
            assert_eq!(DayCounts::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_count_that_lies_is_not_gone_through_day_by_day() {
        let counts = DayCounts::parse("-9999-01-01:18446744073709551615*7304484").unwrap();
        assert_eq!(counts.rows(), u64::MAX);
    }

    proptest! {
        #[test]
        fn what_is_told_is_read_back(days in prop::collection::vec(-1000..1000_i64, 1..60)) {
            let counts = DayCounts::of(days.iter().map(|day| time(*day)));
            prop_assert_eq!(DayCounts::parse(&counts.to_string()), Some(counts.clone()));
            prop_assert_eq!(counts.rows(), days.len() as u64);
            for (day, rows) in counts.days() {
                prop_assert_eq!(days.iter().filter(|other| Day::of(time(**other)) == day).count() as u64, rows);
            }
        }
    }
}

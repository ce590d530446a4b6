//! The `[upload]` and `[poll]` sections.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::super::raw::{RawCompression, RawFormat, RawPoll, RawTable, RawUpdates, RawUpload, SourceKind};
use super::super::units::{parse_duration, show_size};
use super::super::{Poll, Upload};
use super::{Check, Checked};
use livecosmos_state::Time;

use crate::clock;
use crate::key::KeyTemplate;
use crate::payload::Compression;
use crate::source::Limits;
use crate::uploader::{Fallback, Lookback};

const BATCH_ROWS: RangeInclusive<i64> = 1..=1_000_000;
const BATCH_ROWS_DEFAULT: usize = 10_000;
const BATCH_BYTES: RangeInclusive<u64> = 1 << 10..=1 << 30;
const BATCH_BYTES_DEFAULT: usize = 8 << 20;
const IN_FLIGHT: RangeInclusive<i64> = 1..=256;
const IN_FLIGHT_DEFAULT: usize = 16;
const MEMORY_BYTES: RangeInclusive<u64> = 1 << 20..=1 << 40;
const MEMORY_BYTES_DEFAULT: usize = 48 << 20;
/// Batches that must find room in the memory: one as rows while another is a payload.
const BATCHES_IN_MEMORY_MIN: usize = 2;
/// Part of the memory for batches that are being filled; the rest is for those on their way.
const GROUPS_PART: usize = 2;

const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(7 * 24);
const INTERVAL_DEFAULT: Duration = Duration::from_mins(1);
/// Of the interval, unless it is set: enough to spread a fleet, and not so much that whoever starts a daemon by
/// hand wonders why it does nothing.
const JITTER_PART: u32 = 10;
const JITTER_DEFAULT_MAX: Duration = Duration::from_mins(1);
const DRAIN: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(1);
const DRAIN_DEFAULT: Duration = Duration::from_secs(30);
const FUTURE_TOLERANCE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(366 * 24);
const FUTURE_TOLERANCE_DEFAULT: Duration = Duration::from_hours(1);
const QUARANTINE_BYTES: RangeInclusive<u64> = 64 << 10..=1 << 30;
const QUARANTINE_BYTES_DEFAULT: usize = 64 << 20;
const SETTLE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(7 * 24);
const LOOKBACK: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(31 * 24);
const LOOKBACK_DEFAULT: Duration = Duration::from_hours(24);
const CATCH_UP_AFTER: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(366 * 24);
const CATCH_UP_AFTER_DEFAULT: Duration = Duration::from_hours(24);
const FILL_SHARE_DEFAULT: f64 = 0.25;
/// Each has a reader of its own.
const FILLS_MAX: usize = 16;
const FALLBACK_DEFAULT: Fallback = Fallback::Before { seconds: 3 * 3_600 };

/// Reads a fallback: how long ago, a date with or without a time, or `all`.
///
/// # Errors
/// A message with its remedy after a semicolon.
pub fn parse_fallback(text: &str) -> Result<Fallback, String> {
    if text == "all" {
        return Ok(Fallback::All);
    }
    if let Ok(duration) = parse_duration(text) {
        return Ok(Fallback::Before { seconds: whole_seconds(duration) });
    }
    parse_time(text).map(Fallback::At).map_err(|_| {
        format!("'{text}' is no fallback; use a duration such as \"3h\", a date such as \"2025-01-01\" or \"2025-01-01T12:00:00Z\", or \"all\"")
    })
}

/// Reads a date, or a date with its time, in UTC where it names no offset.
///
/// # Errors
/// A message with its remedy after a semicolon.
pub fn parse_time(text: &str) -> Result<Time, String> {
    let read = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let timestamp =
        read(text).or_else(|| read(&format!("{text}T00:00:00Z"))).or_else(|| read(&format!("{text}Z")));
    timestamp.map(clock::from_timestamp).ok_or_else(|| {
        format!("'{text}' is no time; use a date such as \"2025-01-01\", or \"2025-01-01T12:00:00Z\"")
    })
}

impl Check<'_> {
    /// What the section says of objects.
    pub(super) fn upload(&self, table: &RawTable) -> Checked<Upload> {
        let raw = &table.upload;
        let key = match &raw.key {
            Some(key) => KeyTemplate::parse(key.get_ref()).map_err(|error| self.at(key, error))?,
            None => KeyTemplate::default(),
        };
        Ok(Upload {
            format: self.format(table)?,
            compression: self.compression(raw)?,
            key,
            in_flight_max: self.number(
                raw.in_flight_max.as_ref(),
                "in_flight_max",
                &IN_FLIGHT,
                IN_FLIGHT_DEFAULT,
            )?,
            memory_bytes_max: self.memory_bytes_max(raw)?,
            fills_max: self.fills_max(raw)?,
        })
    }

    fn compression(&self, raw: &RawUpload) -> Checked<Compression> {
        let Some(written) = &raw.compression else { return Ok(Compression::None) };
        let compression = match written.get_ref() {
            RawCompression::None => Compression::None,
            RawCompression::Gzip => Compression::Gzip,
            RawCompression::Zstd => Compression::Zstd,
        };
        if raw.format == RawFormat::Parquet && compression != Compression::None {
            let message = "a Parquet file compresses its columns itself, and readers expect it so; remove \
                           compression, or set it to \"none\" for this table";
            return Err(self.at(written, message));
        }
        Ok(compression)
    }

    /// How many of the puts are for fills.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a small positive number"
    )]
    fn fills_max(&self, raw: &RawUpload) -> Checked<usize> {
        let in_flight_max =
            self.number(raw.in_flight_max.as_ref(), "in_flight_max", &IN_FLIGHT, IN_FLIGHT_DEFAULT)?;
        let share = raw.fill_share.as_ref().map_or(FILL_SHARE_DEFAULT, |share| *share.get_ref());
        if let Some(written) = raw.fill_share.as_ref().filter(|_| !(share > 0.0 && share <= 1.0)) {
            return Err(self.out_of_range(written, "fill_share", share, "more than 0", 1));
        }
        Ok(((in_flight_max as f64 * share) as usize).clamp(1, FILLS_MAX))
    }

    /// Where batches are cut.
    pub(super) fn limits(&self, raw: &RawUpload, key: &KeyTemplate) -> Checked<Limits> {
        let batch_rows_max =
            self.number(raw.batch_rows_max.as_ref(), "batch_rows_max", &BATCH_ROWS, BATCH_ROWS_DEFAULT)?;
        let batch_bytes_max =
            self.size(raw.batch_bytes_max.as_ref(), "batch_bytes_max", &BATCH_BYTES, BATCH_BYTES_DEFAULT)?;
        let memory_bytes_max = self.memory_bytes_max(raw)?;
        if batch_bytes_max > memory_bytes_max / BATCHES_IN_MEMORY_MIN {
            let (batch, memory) = (show_size(batch_bytes_max as u64), show_size(memory_bytes_max as u64));
            let what = format!("batch_bytes_max of {batch} does not fit twice into memory_max of {memory}");
            let span =
                [&raw.batch_bytes_max, &raw.memory_max].into_iter().flatten().next().map(toml::Spanned::span);
            let span = span.unwrap_or_else(|| self.header.clone());
            return Err(self.document.error(&span, what, "lower the one or raise the other"));
        }
        let group_bytes_max = memory_bytes_max / GROUPS_PART;
        Ok(Limits { batch_rows_max, batch_bytes_max, group_bytes_max, partition: key.partition() })
    }

    /// When rows are looked for.
    pub(super) fn poll(&self, table: &RawTable) -> Checked<Poll> {
        let raw = &table.poll;
        let fallback = match &raw.fallback {
            Some(text) => parse_fallback(text.get_ref()).map_err(|error| self.at(text, error))?,
            None => FALLBACK_DEFAULT,
        };
        let interval = self.duration(raw.interval.as_ref(), "interval", &INTERVAL, INTERVAL_DEFAULT)?;
        let jitter = (interval / JITTER_PART).min(JITTER_DEFAULT_MAX);
        Ok(Poll {
            interval,
            jitter: self.duration(raw.jitter.as_ref(), "jitter", &(Duration::ZERO..=interval), jitter)?,
            fallback,
            drain: self.duration(raw.drain.as_ref(), "drain", &DRAIN, DRAIN_DEFAULT)?,
            lookback: self.lookback(table)?,
            quarantine_bytes_max: self.size(
                raw.quarantine_max.as_ref(),
                "quarantine_max",
                &QUARANTINE_BYTES,
                QUARANTINE_BYTES_DEFAULT,
            )? as u64,
            catch_up_after_s: self.catch_up_after_s(table)?,
        })
    }

    /// How old a row must be before it is due.
    pub(super) fn settle_s(&self, table: &RawTable) -> Checked<i64> {
        let settle = table.poll.settle.as_ref();
        self.is_for_tables(table, settle, "settle")?;
        self.duration(settle, "settle", &SETTLE, Duration::ZERO).map(whole_seconds)
    }

    fn lookback(&self, table: &RawTable) -> Checked<Option<Lookback>> {
        let RawPoll { lookback, updates, .. } = &table.poll;
        self.is_for_tables(table, lookback.as_ref(), "lookback")?;
        let seconds = whole_seconds(self.duration(
            lookback.as_ref(),
            "lookback",
            &LOOKBACK,
            if is_csv(table) { Duration::ZERO } else { LOOKBACK_DEFAULT },
        )?);
        let sends_updates = updates.as_ref().is_none_or(|updates| *updates.get_ref() == RawUpdates::Send);
        if let Some(updates) = updates.as_ref().filter(|_| seconds == 0) {
            let message = "updates is about the rows of the lookback window, and there is none; set lookback";
            return Err(self.at(updates, message));
        }
        if let Some(updates) = updates.as_ref().filter(|_| !sends_updates && table.tie_column.is_none()) {
            let message = "without a tie column a changed row cannot be told from another of its time, which \
                           would be lost; set tie_column, or updates = \"send\"";
            return Err(self.at(updates, message));
        }
        Ok((seconds > 0).then_some(Lookback { seconds, sends_updates }))
    }

    fn catch_up_after_s(&self, table: &RawTable) -> Checked<Option<i64>> {
        let after = table.poll.catch_up_after.as_ref();
        self.is_for_tables(table, after, "catch_up_after")?;
        let after = self.duration(after, "catch_up_after", &CATCH_UP_AFTER, CATCH_UP_AFTER_DEFAULT)?;
        Ok((!is_csv(table)).then_some(whole_seconds(after)))
    }

    /// A CSV file is read in the order in which its rows arrive: none comes late, and none is overtaken.
    fn is_for_tables<T>(&self, table: &RawTable, value: Option<&toml::Spanned<T>>, key: &str) -> Checked<()> {
        match value.filter(|_| is_csv(table)) {
            Some(value) => Err(self.at(
                value,
                format!(
                    "{key} is for tables of a database; remove it: the rows of a CSV file are sent in the order in \
                     which they arrive, late ones too"
                ),
            )),
            None => Ok(()),
        }
    }

    /// How far ahead of the clock a row's time may lie.
    pub(super) fn future_tolerance_s(&self, raw: &RawPoll) -> Checked<i64> {
        let tolerance = raw.future_tolerance.as_ref();
        let tolerance =
            self.duration(tolerance, "future_tolerance", &FUTURE_TOLERANCE, FUTURE_TOLERANCE_DEFAULT)?;
        Ok(whole_seconds(tolerance))
    }

    fn memory_bytes_max(&self, raw: &RawUpload) -> Checked<usize> {
        self.size(raw.memory_max.as_ref(), "memory_max", &MEMORY_BYTES, MEMORY_BYTES_DEFAULT)
    }
}

fn is_csv(table: &RawTable) -> bool {
    table.source.kind.as_ref().is_some_and(|kind| *kind.get_ref() == SourceKind::Csv)
}

/// Durations that are read are far shorter than what an `i64` of seconds holds.
fn whole_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

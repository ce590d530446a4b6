//! Reads the text of a time column: declared zone, fold policy, the source's precision.

use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::{AmbiguousOffset, TimeZone};
use livecosmos_state::Time;

use crate::rows::RowTime;

static PARSER: DateTimeParser = DateTimeParser::new();

/// Which instant a local time means that a zone shows twice (clocks set back) or never (set
/// forward).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fold {
    /// The first of the two; in a gap, the offset before it.
    #[default]
    Earlier,
    /// The second of the two; in a gap, the offset after it.
    Later,
    /// Neither: the row is rejected.
    Reject,
}

/// Turns a time column's text into an instant.
#[derive(Debug, Clone)]
pub struct TimeReader {
    zone: TimeZone,
    fold: Fold,
    format: Option<String>,
}

/// Why a text is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The text does not parse.
    #[error("'{0}' is no time; expected a date and time such as 2025-01-02T03:04:05Z, or set `time_format`")]
    Unreadable(String),
    /// The zone shows that local time twice or never, and the policy is to reject it.
    #[error("'{0}' exists twice or never in the declared zone; set `fold` to \"earlier\" or \"later\"")]
    Ambiguous(String),
}

impl TimeReader {
    /// Reads local times in `zone`. `format` is a strftime pattern; without one, ISO 8601 and its
    /// usual relatives (`T` or a space, seconds and fraction optional, offset optional) are read.
    #[must_use]
    pub fn new(zone: TimeZone, fold: Fold, format: Option<String>) -> Self {
        Self { zone, fold, format }
    }

    /// Reads local times as UTC, in ISO 8601 and its relatives.
    #[must_use]
    pub fn utc() -> Self {
        Self::new(TimeZone::UTC, Fold::Earlier, None)
    }

    /// The zone in which times without an offset are taken.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Reads one text. An offset in the text wins over the declared zone.
    ///
    /// # Errors
    /// [`TimeError`], with the text and the remedy.
    pub fn read(&self, text: &str) -> Result<RowTime, TimeError> {
        let digits = fraction_digits(text);
        let unreadable = || TimeError::Unreadable(text.chars().take(64).collect());
        if let Some(format) = &self.format {
            let parsed = jiff::fmt::strtime::parse(format, text).map_err(|_| unreadable())?;
            if let Ok(timestamp) = parsed.to_timestamp() {
                return Ok(row_time(timestamp, digits));
            }
            return self.local(parsed.to_datetime().map_err(|_| unreadable())?, text, digits);
        }
        if !has_offset(text) {
            let local = PARSER.parse_datetime(text).map_err(|_| unreadable())?;
            return self.local(local, text, digits);
        }
        let timestamp = PARSER.parse_timestamp(text).map_err(|_| unreadable())?;
        Ok(row_time(timestamp, digits))
    }

    fn local(&self, local: DateTime, text: &str, digits: u8) -> Result<RowTime, TimeError> {
        let unreadable = || TimeError::Unreadable(text.to_owned());
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        let timestamp = match (ambiguous.offset(), self.fold) {
            (AmbiguousOffset::Unambiguous { .. }, _) => ambiguous.unambiguous(),
            (_, Fold::Earlier) => ambiguous.compatible().or_else(|_| self.zone.to_ambiguous_timestamp(local).earlier()),
            (_, Fold::Later) => ambiguous.later(),
            (_, Fold::Reject) => return Err(TimeError::Ambiguous(text.to_owned())),
        };
        Ok(row_time(timestamp.map_err(|_| unreadable())?, digits))
    }
}

/// A text with `Z`, or a `+`/`-` after the time of day, says its own offset.
fn has_offset(text: &str) -> bool {
    let clock = text.find([':']).map_or("", |colon| &text[colon..]);
    clock.contains(['Z', 'z', '+', '-'])
}

/// Digits behind the seconds' point, at most 9.
fn fraction_digits(text: &str) -> u8 {
    let fraction = text.rsplit_once(['.', ',']).map_or("", |(_, fraction)| fraction);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count().min(9);
    u8::try_from(digits).unwrap_or(9)
}

fn row_time(timestamp: jiff::Timestamp, digits: u8) -> RowTime {
    RowTime { time: crate::clock::from_timestamp(timestamp), digits }
}

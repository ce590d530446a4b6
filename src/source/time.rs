//! Reads the text of a time column: declared zone, fold policy, the source's precision.

use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::{AmbiguousOffset, TimeZone};

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

    /// The same zone and policy for texts in ISO 8601 and its relatives, whatever the source writes.
    #[must_use]
    pub fn iso(&self) -> Self {
        Self { format: None, ..self.clone() }
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

    /// The instant at which the zone's clock shows `local`.
    ///
    /// # Errors
    /// [`TimeError::Ambiguous`] where it shows that twice or never, and the policy refuses it.
    pub(super) fn at(&self, local: DateTime, digits: u8) -> Result<RowTime, TimeError> {
        self.local(local, &local.to_string(), digits)
    }

    fn local(&self, local: DateTime, text: &str, digits: u8) -> Result<RowTime, TimeError> {
        let offset = match (self.zone.to_ambiguous_timestamp(local).offset(), self.fold) {
            (AmbiguousOffset::Unambiguous { offset }, _) => offset,
            (_, Fold::Reject) => return Err(TimeError::Ambiguous(text.to_owned())),
            (AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. }, Fold::Earlier) => {
                before
            }
            (AmbiguousOffset::Gap { after, .. } | AmbiguousOffset::Fold { after, .. }, Fold::Later) => after,
        };
        let timestamp = offset.to_timestamp(local).map_err(|_| TimeError::Unreadable(text.to_owned()))?;
        Ok(row_time(timestamp, digits))
    }
}

/// A text with `Z`, or a `+`/`-` after the date, says its own offset.
fn has_offset(text: &str) -> bool {
    let clock = text.find(['T', 't', ' ']).map_or("", |separator| &text[separator + 1..]);
    clock.contains(['Z', 'z', '+', '-'])
}

/// Digits behind the seconds' point, at most 9. Other points, as in `02.01.2025`, are none.
fn fraction_digits(text: &str) -> u8 {
    let bytes = text.as_bytes();
    let is_after_seconds = |point: &usize| {
        let digits = bytes[..*point].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let before = point.checked_sub(digits + 1).map(|index| bytes[index]);
        matches!((digits, before), (2, Some(b':')) | (6, Some(b'T' | b't' | b' ')))
    };
    let points = (0..bytes.len()).filter(|index| matches!(bytes[*index], b'.' | b','));
    let fraction = points.into_iter().find(is_after_seconds).map_or(&[][..], |point| &bytes[point + 1..]);
    let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count().min(9);
    u8::try_from(digits).unwrap_or(9)
}

fn row_time(timestamp: jiff::Timestamp, digits: u8) -> RowTime {
    RowTime { time: crate::clock::from_timestamp(timestamp), digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> String {
        shown(&TimeReader::utc(), text)
    }

    fn shown(reader: &TimeReader, text: &str) -> String {
        reader.read(text).map_or_else(|error| error.to_string(), |row| format!("{} {}", row.time, row.digits))
    }

    fn london(fold: Fold) -> TimeReader {
        TimeReader::new(TimeZone::get("Europe/London").expect("the zone is known"), fold, None)
    }

    #[test]
    fn iso_8601_and_its_relatives_are_read() {
        for (text, expected) in [
            ("2025-01-02T03:04:05Z", "2025-01-02T03:04:05Z 0"),
            ("2025-01-02 03:04:05", "2025-01-02T03:04:05Z 0"),
            ("2025-01-02T03:04", "2025-01-02T03:04:00Z 0"),
            ("2025-01-02", "2025-01-02T00:00:00Z 0"),
            ("2025-01-02T03:04:05+01:00", "2025-01-02T02:04:05Z 0"),
            ("2025-01-02 03:04:05-0130", "2025-01-02T04:34:05Z 0"),
            ("20250102T030405Z", "2025-01-02T03:04:05Z 0"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500Z 1"),
        ] {
            assert_eq!(utc(text), expected, "{text}");
        }
    }

    #[test]
    fn the_precision_is_the_one_the_source_wrote() {
        for (text, expected) in [
            ("2025-01-02T03:04:05.0Z", "2025-01-02T03:04:05Z 1"),
            ("2025-01-02T03:04:05.120Z", "2025-01-02T03:04:05.120Z 3"),
            ("2025-01-02T03:04:05.123456789+01:00", "2025-01-02T02:04:05.123456789Z 9"),
            ("2025-01-02T03:04:05,25", "2025-01-02T03:04:05.250Z 2"),
            ("20250102T030405.5Z", "2025-01-02T03:04:05.500Z 1"),
        ] {
            assert_eq!(utc(text), expected, "{text}");
        }
    }

    #[test]
    fn a_format_reads_what_is_no_iso_8601_and_its_points_are_no_fraction() {
        let dotted = |zone| TimeReader::new(zone, Fold::Earlier, Some("%d.%m.%Y %H:%M:%S%.f".to_owned()));
        assert_eq!(shown(&dotted(TimeZone::UTC), "02.01.2025 03:04:05"), "2025-01-02T03:04:05Z 0");
        assert_eq!(shown(&dotted(TimeZone::UTC), "02.01.2025 03:04:05.50"), "2025-01-02T03:04:05.500Z 2");
        let paris = TimeZone::get("Europe/Paris").expect("the zone is known");
        assert_eq!(shown(&dotted(paris), "02.01.2025 03:04:05"), "2025-01-02T02:04:05Z 0");
        assert!(dotted(TimeZone::UTC).read("2025-01-02T03:04:05Z").is_err());
    }

    #[test]
    fn an_offset_in_the_text_wins_over_the_zone() {
        assert_eq!(shown(&london(Fold::Earlier), "2025-07-01T12:00:00"), "2025-07-01T11:00:00Z 0");
        assert_eq!(shown(&london(Fold::Earlier), "2025-07-01T12:00:00Z"), "2025-07-01T12:00:00Z 0");
    }

    #[test]
    fn an_hour_that_comes_twice_is_the_first_the_second_or_refused() {
        let text = "2025-10-26T01:30:00";
        assert_eq!(shown(&london(Fold::Earlier), text), "2025-10-26T00:30:00Z 0");
        assert_eq!(shown(&london(Fold::Later), text), "2025-10-26T01:30:00Z 0");
        assert_eq!(
            shown(&london(Fold::Reject), text),
            "'2025-10-26T01:30:00' exists twice or never in the declared zone; set `fold` to \"earlier\" or \"later\""
        );
    }

    #[test]
    fn an_hour_that_never_comes_takes_the_offset_before_or_after_it_or_is_refused() {
        let text = "2025-03-30T01:30:00";
        assert_eq!(shown(&london(Fold::Earlier), text), "2025-03-30T01:30:00Z 0");
        assert_eq!(shown(&london(Fold::Later), text), "2025-03-30T00:30:00Z 0");
        assert!(matches!(london(Fold::Reject).read(text), Err(TimeError::Ambiguous(_))));
    }

    #[test]
    fn what_is_no_time_is_named_and_cut_short() {
        for text in ["", "yesterday", "2025-13-01T00:00:00Z", "2025-02-29", "12:00:00", "2025-01-02T25:00:00"]
        {
            let error = TimeReader::utc().read(text).expect_err(text);
            assert!(error.to_string().starts_with(&format!("'{text}' is no time; expected")), "{error}");
        }
        let long = "é".repeat(1000);
        assert!(TimeReader::utc().read(&long).expect_err("no time").to_string().chars().count() < 200);
    }
}

//! An instant with the precision of the source that wrote it, and its text form.

use std::fmt;
use std::str::FromStr;

const SECONDS_PER_DAY: i64 = 86_400;
/// -9999-01-01T00:00:00Z.
const SECONDS_MIN: i64 = -377_705_116_800;
/// 9999-12-31T23:59:59Z.
const SECONDS_MAX: i64 = 253_402_300_799;
const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// An instant, UTC, to the nanosecond, in the years -9999 to 9999.
///
/// Displays as RFC 3339 with the shortest of 0, 3, 6 or 9 fractional digits that keeps it whole;
/// years before 0 carry a minus sign, as in ISO 8601.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Time {
    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub seconds: i64,
    /// Nanoseconds after `seconds`: 0 to 999,999,999.
    pub nanos: u32,
}

/// A text or a pair of numbers that is no [`Time`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time {0} is not allowed; use years -9999 to 9999 and the form 2025-01-01T00:00:00.500Z")]
pub struct InvalidTime(String);

impl Time {
    /// The earliest instant.
    pub const MIN: Self = Self { seconds: SECONDS_MIN, nanos: 0 };
    /// The latest instant.
    pub const MAX: Self = Self { seconds: SECONDS_MAX, nanos: NANOS_PER_SECOND - 1 };

    /// Makes an instant of `seconds` since 1970-01-01 and `nanos` after them.
    pub fn new(seconds: i64, nanos: u32) -> Result<Self, InvalidTime> {
        if (SECONDS_MIN..=SECONDS_MAX).contains(&seconds) && nanos < NANOS_PER_SECOND {
            return Ok(Self { seconds, nanos });
        }
        Err(InvalidTime(format!("{seconds} s + {nanos} ns")))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.seconds.div_euclid(SECONDS_PER_DAY));
        let second_of_day = self.seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
        let sign = if year < 0 { "-" } else { "" };
        write!(f, "{sign}{:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}", year.abs())?;
        match self.nanos {
            0 => f.write_str("Z"),
            nanos if nanos % 1_000_000 == 0 => write!(f, ".{:03}Z", nanos / 1_000_000),
            nanos if nanos % 1_000 == 0 => write!(f, ".{:06}Z", nanos / 1_000),
            nanos => write!(f, ".{nanos:09}Z"),
        }
    }
}

impl FromStr for Time {
    type Err = InvalidTime;

    /// Reads exactly what `Display` writes; no other spelling of the same instant.
    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let refused = || InvalidTime(format!("{text:?}"));
        let time = read(text).ok_or_else(refused)?;
        if time.to_string() == text { Ok(time) } else { Err(refused()) }
    }
}

/// Reads the digits of `text` where they should stand; the caller compares the result with `text`.
fn read(text: &str) -> Option<Time> {
    let (sign, rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let body = rest.strip_suffix('Z')?;
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    let number = |from: usize, to: usize| whole.get(from..to)?.parse::<i64>().ok();
    let days = days_from_civil(sign * number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let seconds = days * SECONDS_PER_DAY + number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    let nanos = if fraction.is_empty() { 0 } else { format!("{fraction:0<9}").parse().ok()? };
    Time::new(seconds, nanos).ok()
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
///
/// After Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`:
/// years begin in March, so that the leap day is the last of its year.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Inverse of [`civil_from_days`]; `days_from_civil` of the same source.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(seconds: i64, nanos: u32) -> String {
        Time::new(seconds, nanos).unwrap().to_string()
    }

    #[test]
    fn a_time_is_shown_with_no_more_digits_than_it_needs() {
        assert_eq!(shown(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(shown(1_735_689_600, 500_000_000), "2025-01-01T00:00:00.500Z");
        assert_eq!(shown(1_735_689_600, 1_000), "2025-01-01T00:00:00.000001Z");
        assert_eq!(shown(1_735_689_600, 1), "2025-01-01T00:00:00.000000001Z");
        assert_eq!(shown(-1, 999_000_000), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn leap_days_and_the_ends_of_the_range_are_right() {
        assert_eq!(shown(951_782_400, 0), "2000-02-29T00:00:00Z");
        assert_eq!(shown(-2_203_891_200, 0), "1900-03-01T00:00:00Z");
        assert_eq!(shown(-62_167_219_200, 0), "0000-01-01T00:00:00Z");
        assert_eq!(shown(SECONDS_MIN, 0), "-9999-01-01T00:00:00Z");
        assert_eq!(shown(SECONDS_MAX, 999_999_999), "9999-12-31T23:59:59.999999999Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        assert!(Time::new(0, NANOS_PER_SECOND).is_err());
        assert!(Time::new(SECONDS_MAX + 1, 0).is_err() && Time::new(SECONDS_MIN - 1, 0).is_err());
        let texts = [
            "",
            "Z",
            "2025-01-01",
            "2025-01-01 00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-02-29T00:00:00Z",
            "2025-01-01T24:00:00Z",
            "2025-01-01T00:00:00.5Z",
            "2025-01-01T00:00:00+00:00",
            "-0000-01-01T00:00:00Z",
            "+025-01-01T00:00:00Z",
            "2025-01-01T00:00:00.0000000001Z",
        ];
        for text in texts {
            assert!(text.parse::<Time>().is_err(), "{text:?} was taken");
        }
    }

    proptest! {
        #[test]
        fn every_time_reads_back_as_itself(seconds in SECONDS_MIN..=SECONDS_MAX, nanos in 0..NANOS_PER_SECOND) {
            let time = Time::new(seconds, nanos).unwrap();
            prop_assert_eq!(time.to_string().parse::<Time>().unwrap(), time);
        }
    }
}

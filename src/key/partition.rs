//! Parts of time that keys name, so that who reads objects by date finds all of a date's rows in its own.

use jiff::ToSpan as _;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use livecosmos_state::Time;

use super::token::civil;

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;

/// How finely a key tells times apart, UTC. An object never reaches over a border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Partition {
    /// By year.
    Year,
    /// By month.
    Month,
    /// By day.
    Day,
    /// By hour.
    Hour,
}

/// One part of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first second.
    pub first_s: i64,
    /// The first second behind it.
    pub end_s: i64,
}

impl Partition {
    /// The part in which `time` lies.
    #[must_use]
    pub fn span(self, time: Time) -> Span {
        match self {
            Self::Hour => Span::of_length(time, HOUR_S),
            Self::Day => Span::of_length(time, DAY_S),
            Self::Month => {
                let first = civil(time).date().first_of_month().at(0, 0, 0, 0);
                Span {
                    first_s: seconds(first),
                    end_s: first.checked_add(1.month()).map_or(i64::MAX, seconds),
                }
            }
            Self::Year => {
                let first = civil(time).date().first_of_year().at(0, 0, 0, 0);
                Span { first_s: seconds(first), end_s: first.checked_add(1.year()).map_or(i64::MAX, seconds) }
            }
        }
    }
}

impl Span {
    fn of_length(time: Time, length_s: i64) -> Self {
        let first_s = time.seconds.div_euclid(length_s) * length_s;
        Self { first_s, end_s: first_s + length_s }
    }

    /// Whether `time` lies in it.
    #[must_use]
    pub fn holds(self, time: Time) -> bool {
        (self.first_s..self.end_s).contains(&time.seconds)
    }
}

fn seconds(at: DateTime) -> i64 {
    TimeZone::UTC.to_timestamp(at).map_or(i64::MAX, jiff::Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn a_time_lies_in_one_part_and_the_first_second_behind_it_does_not() {
        for (partition, first, end) in [
            (Partition::Hour, "2024-02-29T13:00:00Z", "2024-02-29T14:00:00Z"),
            (Partition::Day, "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
            (Partition::Month, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
            (Partition::Year, "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
        ] {
            let span = partition.span(time("2024-02-29T13:59:59.999Z"));
            assert_eq!(
                span,
                Span { first_s: time(first).seconds, end_s: time(end).seconds },
                "{partition:?}"
            );
            assert!(span.holds(time(first)) && !span.holds(time(end)));
        }
        assert!(Partition::Hour.span(time("1969-12-31T23:59:59Z")).holds(time("1969-12-31T23:00:00Z")));
    }
}

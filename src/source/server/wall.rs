//! What a clock on the wall shows: its order is not that of the instants where its zone changes.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use livecosmos_state::Time;

use crate::clock;

const SECONDS_PER_DAY: i64 = 86_400;

/// The earliest that the clock shows at a time after `time`, as if it were UTC.
pub(in crate::source) fn earliest_after(zone: &TimeZone, time: Time) -> Time {
    around(zone, time, [-1, 2]).min().unwrap_or(time)
}

/// The latest that the clock shows at a time up to `time`, as if it were UTC.
pub(in crate::source) fn latest_until(zone: &TimeZone, time: Time) -> Time {
    around(zone, time, [-2, 1]).max().unwrap_or(time)
}

/// What it shows at `time`, and on both sides of each change so many days around.
fn around(zone: &TimeZone, time: Time, days: [i64; 2]) -> impl Iterator<Item = Time> {
    let [from, to] = days.map(|days| timestamp(clock::shift(time, days * SECONDS_PER_DAY)));
    let changes = zone.following(from).take_while(|change| change.timestamp() <= to);
    let sides = changes.flat_map(|change| {
        let at = clock::from_timestamp(change.timestamp());
        [clock::shift(at, -1), at]
    });
    std::iter::once(time).chain(sides.collect::<Vec<_>>()).map(|time| shown(zone, time))
}

/// What it shows at `time`, as if it were UTC.
fn shown(zone: &TimeZone, time: Time) -> Time {
    let offset_s = zone.to_offset(timestamp(time)).seconds();
    clock::shift(time, i64::from(offset_s))
}

/// The same instant for the calendar, at its ends held there.
fn timestamp(time: Time) -> Timestamp {
    let end = if time.seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    clock::to_timestamp(time).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        clock::from_timestamp(text.parse().unwrap())
    }

    #[test]
    fn between_changes_a_clock_shows_the_time_and_its_offset() {
        let london = TimeZone::get("Europe/London").unwrap();
        assert_eq!(earliest_after(&london, at("2025-07-01T12:00:00Z")), at("2025-07-01T13:00:00Z"));
        assert_eq!(latest_until(&london, at("2025-01-01T12:00:00Z")), at("2025-01-01T12:00:00Z"));
    }

    #[test]
    fn before_an_hour_that_comes_twice_its_first_minute_is_still_to_come() {
        let london = TimeZone::get("Europe/London").unwrap();
        // At 00:45 the clock shows 01:45, and a quarter of an hour later 01:00 again.
        assert_eq!(earliest_after(&london, at("2025-10-26T00:45:00Z")), at("2025-10-26T01:00:00Z"));
        assert_eq!(latest_until(&london, at("2025-10-26T01:15:00Z")), at("2025-10-26T01:59:59Z"));
    }

    #[test]
    fn an_hour_that_never_comes_may_be_written_all_the_same() {
        let london = TimeZone::get("Europe/London").unwrap();
        assert!(earliest_after(&london, at("2025-03-30T01:10:00Z")) <= at("2025-03-30T01:00:00Z"));
    }
}

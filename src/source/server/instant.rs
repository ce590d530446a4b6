//! Times as whole numbers: microseconds or days since 2000-01-01, as `PostgreSQL` stores them, or a count
//! since 1970.

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use livecosmos_state::Time;

use crate::rows::RowTime;
use crate::source::TimeReader;
use crate::source::sqlite::TimeUnit;

use super::Moment;
use super::catalogue::TimeKind;
use super::wall;

/// From 1970-01-01 to 2000-01-01.
const EPOCH_S: i64 = 946_684_800;
const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// The first and the last value that is no infinity: 4714-11-24 BC and the last day of 294276.
const MICROS_FIRST: i64 = -211_813_488_000_000_000;
const MICROS_LAST: i64 = 9_223_371_331_199_999_999;
const DAYS_FIRST: i64 = -2_451_545;
const DAYS_LAST: i64 = 2_145_031_948;

/// Reads the stored numbers of one kind of time, and says which stored number a time is at least.
#[derive(Debug, Clone)]
pub(in crate::source) struct Instants {
    pub(in crate::source) kind: TimeKind,
    zone: TimeReader,
    unit: TimeUnit,
    /// Digits of the fraction that the column has; `None` for those that are no zeros at its end.
    digits: Option<u8>,
}

impl Instants {
    pub(in crate::source) fn new(
        kind: TimeKind,
        zone: TimeReader,
        unit: TimeUnit,
        digits: Option<u8>,
    ) -> Self {
        Self { kind, zone, unit, digits }
    }

    /// The time that a stored number means; `text` gets it in the server's spelling, unless that is ours.
    pub(in crate::source) fn read(&self, stored: i64, text: &mut String) -> Moment {
        use std::fmt::Write as _;
        let is_infinite = self.kind != TimeKind::Count && !(self.first()..=self.last()).contains(&stored);
        if is_infinite {
            text.push_str(if stored < 0 { "-infinity" } else { "infinity" });
            return Moment::Outside(format!(
                "its time is {text}; give it a time, or none of this row is sent"
            ));
        }
        if self.kind == TimeKind::Count {
            let _ = write!(text, "{stored}");
        }
        match self.instant(stored, text) {
            Some(Ok(time)) => Moment::At(time),
            Some(Err(reason)) => Moment::Unreadable(reason),
            None => Moment::Unreadable(format!(
                "its time, {stored} {} as stored, is none in the years -9999 to 9999; mend it",
                self.unit_name()
            )),
        }
    }

    fn instant(&self, stored: i64, text: &mut String) -> Option<Result<RowTime, String>> {
        let (seconds, nanos) = self.since_1970(stored)?;
        let time = Time::new(seconds, nanos).ok()?;
        let digits = match self.kind {
            TimeKind::Count => self.unit_digits(),
            TimeKind::Instant | TimeKind::Local | TimeKind::Date => {
                self.digits.unwrap_or_else(|| significant(nanos))
            }
        };
        if matches!(self.kind, TimeKind::Instant | TimeKind::Count) {
            return Some(Ok(RowTime { time, digits }));
        }
        // A clock on the wall shows these figures.
        text.push_str(&time.to_string());
        text.truncate(text.trim_end_matches('Z').len());
        let duration = SignedDuration::new(seconds, i32::try_from(nanos).ok()?);
        let wall = DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(duration).ok()?;
        Some(self.zone.at(wall, digits).map_err(|error| error.to_string()))
    }

    fn since_1970(&self, stored: i64) -> Option<(i64, u32)> {
        let (per_second, epoch_s) = match self.kind {
            TimeKind::Instant | TimeKind::Local => (MICROS_PER_SECOND, EPOCH_S),
            TimeKind::Date => return Some((stored.checked_mul(SECONDS_PER_DAY)?.checked_add(EPOCH_S)?, 0)),
            TimeKind::Count => (10_i64.pow(u32::from(self.unit_digits())), 0),
        };
        let nanos = stored.rem_euclid(per_second) * (1_000_000_000 / per_second);
        Some((stored.div_euclid(per_second).checked_add(epoch_s)?, u32::try_from(nanos).ok()?))
    }

    /// The newest time of a site, from what is stored; `None` for an infinity. Held at the end of the
    /// calendar where it lies behind that.
    pub(in crate::source) fn newest(&self, stored: i64) -> Option<Time> {
        match self.read(stored, &mut String::new()) {
            Moment::At(time) => Some(time.time),
            Moment::Outside(_) => None,
            Moment::Unreadable(_) if stored < 0 => Some(Time::MIN),
            Moment::Unreadable(_) => Some(Time::MAX),
        }
    }

    /// Whether the order of the stored numbers is that of the instants, and each stands for one.
    pub(in crate::source) fn is_exact(&self) -> bool {
        matches!(self.kind, TimeKind::Instant | TimeKind::Count) || *self.zone.zone() == TimeZone::UTC
    }

    /// A stored number that no time after `time` lies before; the first there is where there is no bound.
    pub(in crate::source) fn lower(&self, time: Option<Time>) -> i64 {
        time.map_or(i64::MIN, |time| match self.kind {
            TimeKind::Local | TimeKind::Date => self.stored(wall::earliest_after(self.zone.zone(), time), 0),
            TimeKind::Instant | TimeKind::Count => self.stored(time, 0),
        })
    }

    /// A stored number that no time up to `time` lies behind; the last there is where there is no bound.
    pub(in crate::source) fn upper(&self, time: Option<Time>) -> i64 {
        time.map_or(self.last(), |time| match self.kind {
            TimeKind::Local | TimeKind::Date => self.stored(wall::latest_until(self.zone.zone(), time), 1),
            TimeKind::Instant | TimeKind::Count => self.stored(time, 0),
        })
    }

    fn stored(&self, time: Time, days_more: i64) -> i64 {
        let seconds = i128::from(time.seconds);
        let (per_second, epoch_s) = match self.kind {
            TimeKind::Instant | TimeKind::Local => (i128::from(MICROS_PER_SECOND), i128::from(EPOCH_S)),
            TimeKind::Count => (10_i128.pow(u32::from(self.unit_digits())), 0),
            TimeKind::Date => {
                let days = (time.seconds - EPOCH_S).div_euclid(SECONDS_PER_DAY);
                return (days + days_more).clamp(DAYS_FIRST, DAYS_LAST);
            }
        };
        let fraction = i128::from(time.nanos) * per_second / 1_000_000_000;
        let stored = (seconds - epoch_s) * per_second + fraction;
        let stored = i64::try_from(stored).unwrap_or(if stored < 0 { i64::MIN } else { i64::MAX });
        if self.kind == TimeKind::Count { stored } else { stored.clamp(MICROS_FIRST, MICROS_LAST) }
    }

    fn first(&self) -> i64 {
        if self.kind == TimeKind::Date { DAYS_FIRST } else { MICROS_FIRST }
    }

    fn last(&self) -> i64 {
        match self.kind {
            TimeKind::Date => DAYS_LAST,
            TimeKind::Count => i64::MAX,
            TimeKind::Instant | TimeKind::Local => MICROS_LAST,
        }
    }

    fn unit_digits(&self) -> u8 {
        match self.unit {
            TimeUnit::Seconds => 0,
            TimeUnit::Milliseconds => 3,
            TimeUnit::Microseconds => 6,
        }
    }

    fn unit_name(&self) -> &'static str {
        match (self.kind, self.unit) {
            (TimeKind::Date, _) => "days since 2000",
            (TimeKind::Instant | TimeKind::Local, _) => "microseconds since 2000",
            (TimeKind::Count, TimeUnit::Seconds) => "seconds since 1970",
            (TimeKind::Count, TimeUnit::Milliseconds) => "milliseconds since 1970",
            (TimeKind::Count, TimeUnit::Microseconds) => "microseconds since 1970",
        }
    }
}

/// Digits of the fraction without zeros at its end, as `PostgreSQL` writes it.
fn significant(nanos: u32) -> u8 {
    let mut digits = 9;
    let mut rest = nanos;
    while digits > 0 && rest.is_multiple_of(10) {
        rest /= 10;
        digits -= 1;
    }
    digits
}

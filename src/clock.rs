//! Between the state's [`Time`] and the calendar library; the only reader of the wall clock.

use jiff::Timestamp;
use livecosmos_state::Time;

/// What time it is: an argument of everything that needs to know.
pub trait Clock: Send + Sync {
    /// Now, UTC.
    fn now(&self) -> Time;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the clock is read")]
    fn now(&self) -> Time {
        from_timestamp(Timestamp::now())
    }
}

/// The same instant as the state keeps it.
#[must_use]
pub fn from_timestamp(timestamp: Timestamp) -> Time {
    let (mut seconds, mut nanos) = (timestamp.as_second(), timestamp.subsec_nanosecond());
    if nanos < 0 {
        (seconds, nanos) = (seconds - 1, nanos + 1_000_000_000);
    }
    held(seconds, nanos.unsigned_abs())
}

/// The same instant for the calendar library; `None` at the very ends of its calendar.
#[must_use]
pub fn to_timestamp(time: Time) -> Option<Timestamp> {
    Timestamp::new(time.seconds, i32::try_from(time.nanos).ok()?).ok()
}

/// `time` moved by `seconds`, at the ends of the calendar held there.
#[must_use]
pub fn shift(time: Time, seconds: i64) -> Time {
    held(time.seconds.saturating_add(seconds), time.nanos)
}

/// The instant just before `time`.
#[must_use]
pub fn just_before(time: Time) -> Time {
    match time.nanos.checked_sub(1) {
        Some(nanos) => held(time.seconds, nanos),
        None => held(time.seconds.saturating_sub(1), 999_999_999),
    }
}

/// The instant just after `time`.
#[must_use]
pub fn just_after(time: Time) -> Time {
    match time.nanos {
        999_999_999 => held(time.seconds.saturating_add(1), 0),
        nanos => held(time.seconds, nanos + 1),
    }
}

fn held(seconds: i64, nanos: u32) -> Time {
    let end = if seconds < 0 { Time::MIN } else { Time::MAX };
    Time::new(seconds, nanos).unwrap_or(end)
}

//! Between the state's [`Time`] and the calendar library; the only reader of the wall clock.

use std::time::Duration;

use jiff::Timestamp;
use livecosmos_state::Time;
use rustix::time::{ClockId, clock_gettime};

/// What time it is: an argument of everything that needs to know.
pub trait Clock: Send + Sync {
    /// Now, UTC. It jumps when the clock is set.
    fn now(&self) -> Time;

    /// Time since some moment in the past. It goes on evenly, whatever becomes of the clock.
    fn uptime(&self) -> Duration;
}

/// A moment, for what is dated and for what is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What the clock says.
    pub time: Time,
    /// The [`Clock::uptime`].
    pub uptime: Duration,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn of(clock: &dyn Clock) -> Self {
        Self { time: clock.now(), uptime: clock.uptime() }
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the clock is read")]
    fn now(&self) -> Time {
        from_timestamp(Timestamp::now())
    }

    fn uptime(&self) -> Duration {
        let since = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(since.tv_sec).unwrap_or_default();
        Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(since.tv_nsec).unwrap_or_default())
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

//! How much may go a second, with a burst, and debts that are paid before the next one goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A bucket that fills by itself, and that whatever comes next may overdraw.
///
/// What is taken in any time is bounded by the burst, what the time brings, and the last amount taken;
/// where each amount goes at the pace it is given, by the burst and what the time brings alone.
#[derive(Debug, Clone)]
pub(super) struct Rate {
    per_s: f64,
    burst: f64,
    /// What may still go; below zero, what was taken before it was there.
    credit: f64,
    /// When that was so.
    at: Instant,
    /// So many have taken something.
    turns: u64,
}

/// How fast something may leave.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Not before this.
    pub begin: Instant,
    /// So much of it at once.
    at_once: f64,
    per_s: f64,
    turn: u64,
    /// Bytes of it that need not leave after all; of all its clones.
    spared: Arc<AtomicU64>,
}

impl Rate {
    /// A full bucket.
    pub(super) fn new(per_s: f64, burst: f64, now: Instant) -> Self {
        Self { per_s, burst, credit: burst, at: now, turns: 0 }
    }

    /// Takes `amount`, in turn: what is taken later begins later. `now` may lie ahead, where something
    /// else is waited for first.
    pub(super) fn take(&mut self, now: Instant, amount: f64) -> Pace {
        if now > self.at {
            let brought = self.per_s * now.duration_since(self.at).as_secs_f64();
            self.credit = (self.credit + brought).min(self.burst);
            self.at = now;
        }
        let begin = self.at + seconds((-self.credit).max(0.0) / self.per_s);
        let at_once = self.credit.max(0.0);
        self.credit -= amount;
        // Whoever takes nothing leaves no turn behind.
        self.turns += u64::from(amount > 0.0);
        Pace { begin, at_once, per_s: self.per_s, turn: self.turns, spared: Arc::default() }
    }

    /// Takes back what did not leave after all. Where another took its turn behind it, that one goes when it was
    /// told to, and nothing comes back: it would leave at the same time as the other's.
    pub(super) fn take_back(&mut self, pace: &Pace) {
        if pace.turn == self.turns {
            let spared = super::as_f64(pace.spared.swap(0, Ordering::Relaxed));
            self.credit = (self.credit + spared).min(self.burst);
        }
    }
}

impl Pace {
    /// When the first `amount` of it may have left.
    #[must_use]
    pub fn due(&self, amount: f64) -> Instant {
        self.begin + self.takes(amount)
    }

    /// How long the first `amount` of it takes at least.
    #[must_use]
    pub fn takes(&self, amount: f64) -> Duration {
        seconds((amount - self.at_once).max(0.0) / self.per_s)
    }

    /// The pace of what comes behind the first so many bytes.
    #[must_use]
    pub fn behind(&self, bytes: usize) -> Self {
        let first = super::as_f64(bytes as u64);
        Self { begin: self.due(first), at_once: (self.at_once - first).max(0.0), ..self.clone() }
    }

    /// How long from now so many bytes take at least.
    #[must_use]
    pub fn left_for(&self, bytes: usize) -> Duration {
        self.due(super::as_f64(bytes as u64)).saturating_duration_since(super::now())
    }

    /// Notes that so many of its bytes do not leave: what follows need not wait for them.
    pub fn spare(&self, bytes: usize) {
        self.spared.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How much may leave a second, once what may leave at once is gone.
    #[must_use]
    pub fn per_s(&self) -> f64 {
        self.per_s
    }
}

/// A duration that an [`Instant`] can be moved by.
fn seconds(seconds: f64) -> Duration {
    const LONGEST: Duration = Duration::from_hours(24 * 365);
    Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_fits_the_burst_goes_at_once_and_the_rest_at_the_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(100.0, 50.0, start);
        let pace = rate.take(start, 150.0);
        assert_eq!((pace.begin, pace.takes(50.0), pace.takes(150.0)), (start, ms(0), ms(1000)));
        assert_eq!(rate.take(start, 10.0).begin, start + ms(1000), "the debt is paid first");
        assert_eq!(
            rate.take(start + ms(5000), 10.0).takes(60.0),
            ms(100),
            "no more than the burst is saved up"
        );
    }

    #[test]
    fn what_did_not_leave_is_taken_back_unless_another_took_its_turn_behind_it() {
        let start = Instant::now();
        let mut rate = Rate::new(100.0, 0.0, start);
        let pace = rate.take(start, 300.0);
        pace.behind(100).spare(200);
        rate.take_back(&pace);
        rate.take_back(&pace);
        let second = rate.take(start, 100.0);
        assert_eq!(second.begin, start + ms(1000), "once");
        let third = rate.take(start, 100.0);
        second.spare(100);
        rate.take_back(&second);
        assert_eq!(rate.take(start, 1.0).begin, start + ms(3000), "the third leaves when it was told to");
        third.spare(100);
        rate.take_back(&third);
        assert_eq!(rate.take(start + ms(9000), 1.0).begin, start + ms(9000));
    }

    #[test]
    fn what_waits_for_something_else_first_takes_its_turn_behind_that() {
        let start = Instant::now();
        let mut rate = Rate::new(100.0, 0.0, start);
        assert_eq!(rate.take(start + ms(2000), 100.0).begin, start + ms(2000));
        assert_eq!(rate.take(start, 1.0).begin, start + ms(3000));
    }

    proptest! {
        /// Seeds are printed by proptest where it fails.
        #[test]
        fn no_span_of_time_sees_more_than_the_burst_and_what_the_time_brings(
            steps in prop::collection::vec((0u64..3_000, 0u32..5_000), 1..40),
            per_s in 1u32..2_000,
            burst in 0u32..4_000,
        ) {
            let (per_s, burst) = (f64::from(per_s), f64::from(burst));
            let start = Instant::now();
            let mut rate = Rate::new(per_s, burst, start);
            let mut now = start;
            // When each unit leaves: a twentieth of each amount after the other.
            let mut left = Vec::new();
            let mut last_begin = start;
            for (wait_ms, amount) in steps {
                now += ms(wait_ms);
                let amount = f64::from(amount);
                let pace = rate.take(now, amount);
                prop_assert!(pace.begin >= now && pace.begin >= last_begin, "in turn");
                last_begin = pace.begin;
                left.extend((1..=20).map(|part| (pace.due(amount * f64::from(part) / 20.0), amount / 20.0)));
            }
            left.sort_by_key(|(at, _)| *at);
            for (from, (first, _)) in left.iter().enumerate() {
                let mut sum = 0.0;
                for (at, amount) in &left[from..] {
                    sum += amount;
                    let span = at.duration_since(*first).as_secs_f64();
                    // What leaves at the first instant was taken in one twentieth.
                    prop_assert!(sum <= burst + span * per_s + 5_000.0 / 20.0 + 1.0, "{sum} in {span} s");
                }
            }
        }
    }
}

//! How many requests may be repetitions of others: what fails everywhere must not be asked twice as often.

use std::time::{Duration, Instant};

/// Of a hundred requests, so many may be repeated.
const SHARE_PER_CENT: u32 = 10;
/// And so many a minute, however few requests there are.
const PER_MIN: u32 = 10;
/// Beside those that may be under way at once: a break of the network strikes all of them, and each of them
/// may come again.
const BURST: u32 = 20;

/// One repetition: all is counted in hundredths.
const ONE: f64 = 100.0;

/// Repetitions that may still be made.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    left: f64,
    max: f64,
    at: Instant,
}

impl Budget {
    /// For a sink with so many requests under way at once.
    pub(super) fn new(in_flight_max: usize, now: Instant) -> Self {
        let max = ONE * (f64::from(BURST) + f64::from(u32::try_from(in_flight_max).unwrap_or(u32::MAX)));
        Self { left: max, max, at: now }
    }

    /// A request was made.
    pub(super) fn earn(&mut self) {
        self.left = (self.left + f64::from(SHARE_PER_CENT)).min(self.max);
    }

    /// Whether one more may be repeated.
    pub(super) fn spend(&mut self, now: Instant) -> bool {
        let minutes =
            now.saturating_duration_since(self.at).as_secs_f64() / Duration::from_mins(1).as_secs_f64();
        self.at = self.at.max(now);
        self.left = (self.left + minutes * ONE * f64::from(PER_MIN)).min(self.max);
        let has_one = self.left >= ONE;
        if has_one {
            self.left -= ONE;
        }
        has_one
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_budget_that_is_used_up_comes_back_by_the_minute_and_with_requests() {
        let start = Instant::now();
        let mut budget = Budget::new(16, start);
        assert_eq!((0..100).filter(|_| budget.spend(start)).count(), 36);
        let later = start + Duration::from_mins(1);
        assert_eq!((0..100).filter(|_| budget.spend(later)).count(), 10);
        (0..50).for_each(|_| budget.earn());
        assert_eq!((0..100).filter(|_| budget.spend(later)).count(), 5);
    }

    proptest! {
        /// Seeds are printed by proptest where it fails.
        #[test]
        fn retries_are_a_tenth_of_all_requests_and_ten_a_minute_beside_the_burst(
            steps in prop::collection::vec((0u64..5_000, 0u32..30, 0u32..30), 1..100),
        ) {
            let start = Instant::now();
            let (mut now, mut budget) = (start, Budget::new(8, start));
            let (mut requests, mut retries) = (0u32, 0u32);
            for (wait_ms, asked, failed) in steps {
                now += Duration::from_millis(wait_ms);
                (0..asked).for_each(|_| budget.earn());
                requests += asked;
                retries += (0..failed).map(|_| u32::from(budget.spend(now))).sum::<u32>();
                let minutes = now.duration_since(start).as_secs_f64() / 60.0;
                let most = 28.0 + f64::from(requests) / 10.0 + minutes * 10.0;
                prop_assert!(f64::from(retries) <= most + 1e-6, "{retries} of {requests} after {minutes} min");
            }
        }
    }
}

//! How many requests are under way at once: one more for each round that goes well, half as many when the
//! sink is overloaded.

/// A limit that finds out by itself what the sink bears.
#[derive(Debug, Clone)]
pub(super) struct Concurrency {
    max: f64,
    limit: f64,
    under_way: usize,
    /// Requests that began so far.
    begun: u64,
    /// Those of them that began before the last decrease: what they meet is what led to it.
    before_decrease: u64,
    /// The last that began as the limit was reached.
    last_at_limit: u64,
}

/// A request that is under way, by its number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun(u64);

impl Concurrency {
    /// Begins with all that may be.
    #[expect(clippy::cast_precision_loss, reason = "at most some hundred")]
    pub(super) fn new(max: usize) -> Self {
        let max = max.max(1) as f64;
        Self { max, limit: max, under_way: 0, begun: 0, before_decrease: 0, last_at_limit: 0 }
    }

    /// So many may be under way at once: at least one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between one and a maximum that was a usize"
    )]
    pub(super) fn limit(&self) -> usize {
        self.limit as usize
    }

    /// A request begins.
    pub(super) fn begin(&mut self) -> Begun {
        self.begun += 1;
        self.under_way += 1;
        if self.under_way >= self.limit() {
            self.last_at_limit = self.begun;
        }
        Begun(self.begun)
    }

    /// A request ended and says nothing of how much the sink bears.
    pub(super) fn end(&mut self) {
        self.under_way -= 1;
    }

    /// The sink did what was asked. A round of such answers raises the limit by one, if it was reached.
    pub(super) fn went_well(&mut self, begun: Begun) {
        self.end();
        if begun.0 <= self.last_at_limit {
            self.limit = (self.limit + 1.0 / self.limit).min(self.max);
        }
    }

    /// The sink is overloaded, or does not answer. True if the limit was lowered: once a round.
    pub(super) fn was_too_much(&mut self, begun: Begun) -> bool {
        self.end();
        if begun.0 <= self.before_decrease || self.limit() == 1 {
            return false;
        }
        self.limit = (self.limit / 2.0).max(1.0);
        self.before_decrease = self.begun;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A round: as many requests as may be at once, all with the same end.
    fn round(concurrency: &mut Concurrency, goes_well: bool) {
        let begun: Vec<Begun> = (0..concurrency.limit()).map(|_| concurrency.begin()).collect();
        for begun in begun {
            if goes_well {
                concurrency.went_well(begun);
            } else {
                concurrency.was_too_much(begun);
            }
        }
    }

    #[test]
    fn a_round_of_refusals_halves_the_limit_once() {
        let mut concurrency = Concurrency::new(16);
        let mut limits = Vec::new();
        for _ in 0..6 {
            round(&mut concurrency, false);
            limits.push(concurrency.limit());
        }
        assert_eq!(limits, [8, 4, 2, 1, 1, 1]);
    }

    #[test]
    fn a_round_that_goes_well_adds_about_one_up_to_the_maximum() {
        let mut concurrency = Concurrency::new(8);
        (0..4).for_each(|_| round(&mut concurrency, false));
        let mut rounds = 0;
        while concurrency.limit() < 8 {
            let before = concurrency.limit();
            round(&mut concurrency, true);
            assert!(concurrency.limit() <= before + 1, "{concurrency:?}");
            rounds += 1;
        }
        assert!((7..=12).contains(&rounds), "{rounds} rounds from one to eight");
    }

    #[test]
    fn a_limit_that_holds_nobody_up_does_not_grow() {
        let mut concurrency = Concurrency::new(8);
        round(&mut concurrency, false);
        for _ in 0..100 {
            let begun = concurrency.begin();
            concurrency.went_well(begun);
        }
        assert_eq!(concurrency.limit(), 4);
    }

    proptest! {
        /// Seeds are printed by proptest where it fails.
        #[test]
        fn the_limit_stays_between_one_and_the_maximum_and_falls_by_half_at_most_once_a_round(
            max in 1usize..64,
            ends in prop::collection::vec((any::<prop::sample::Index>(), 0u8..3), 1..400),
        ) {
            let mut concurrency = Concurrency::new(max);
            let mut under_way: Vec<Begun> = Vec::new();
            let mut begun_at_decrease = 0;
            for (which, end) in ends {
                while under_way.len() < concurrency.limit() {
                    under_way.push(concurrency.begin());
                }
                let begun = under_way.swap_remove(which.index(under_way.len()));
                let before = concurrency.limit;
                match end {
                    0 => concurrency.went_well(begun),
                    1 => concurrency.end(),
                    _ => {
                        if concurrency.was_too_much(begun) {
                            prop_assert!(begun.0 > begun_at_decrease, "twice in a round");
                            begun_at_decrease = concurrency.begun;
                        }
                    }
                }
                prop_assert!(concurrency.limit() >= 1 && concurrency.limit() <= max);
                prop_assert!(concurrency.limit >= before / 2.0 && concurrency.limit <= before + 1.0);
                prop_assert_eq!(concurrency.under_way, under_way.len());
            }
        }
    }
}

//! `SplitMix64`: a generator of pseudo-random numbers in four lines, the same on every machine.
//!
//! Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014; constants as
//! in Vigna's reference `splitmix64.c`.

/// The generator; its state is one number.
#[derive(Debug, Clone)]
pub(super) struct SplitMix64(u64);

impl SplitMix64 {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, but not with, `end`; by the high half of a product, which is even
    /// enough for samples.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(end);
        u64::try_from(product >> 64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_those_of_the_reference() {
        let mut chance = SplitMix64::new(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([chance.next(), chance.next(), chance.next()], expected);
    }

    #[test]
    fn a_bounded_number_stays_below_its_bound_and_reaches_all_below_it() {
        let mut chance = SplitMix64::new(0);
        let mut seen = [false; 7];
        for _ in 0..1_000 {
            seen[usize::try_from(chance.below(7)).unwrap()] = true;
        }
        assert_eq!(seen, [true; 7]);
    }
}

//! How many rows an object may have, where the sink takes objects of a certain size: what rows come to is learned
//! from those before. A guess that is too low costs a refusal and another look, one that is too high costs nothing
//! but smaller objects.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What is added to what was seen.
const MARGIN_PERCENT: usize = 10;
/// Before anything was seen.
const FIRST_PERCENT: usize = 120;
/// An object smaller than this part of what the sink takes says little: its head is most of it.
const TELLING_PART: usize = 16;

/// Bytes of an object for each hundred that its rows were expected to come to.
#[derive(Debug)]
pub(super) struct Fit(AtomicUsize);

impl Default for Fit {
    fn default() -> Self {
        Self(AtomicUsize::new(FIRST_PERCENT))
    }
}

impl Fit {
    /// Learns from an object of `bytes`, whose rows were expected to come to `expected_bytes`.
    pub(super) fn note(&self, bytes: usize, expected_bytes: usize, bytes_max: Option<usize>) {
        let Some(most) = bytes_max.filter(|most| bytes >= most / TELLING_PART && expected_bytes > 0) else {
            return;
        };
        let seen = bytes.saturating_mul(100 + MARGIN_PERCENT) / expected_bytes;
        // What fits may stay small; what does not must become so.
        let percent = if bytes > most { seen.max(self.0.load(Ordering::Relaxed)) } else { seen };
        self.0.store(percent.max(1), Ordering::Relaxed);
    }

    /// Rows that are expected to come to so many bytes make an object of `bytes_max`.
    pub(super) fn rows_bytes_max(&self, bytes_max: usize) -> usize {
        bytes_max.saturating_mul(100) / self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_come_to_fit_whatever_a_format_makes_of_rows() {
        for (format_percent, bytes_max) in [(15, 128 << 10), (100, 6_000), (170, 128 << 10), (900, 1 << 20)] {
            let fit = Fit::default();
            let objects = (0..12).map(|_| {
                let rows_bytes = fit.rows_bytes_max(bytes_max);
                let bytes = rows_bytes * format_percent / 100;
                fit.note(bytes, rows_bytes, Some(bytes_max));
                bytes
            });
            let last = objects.last().unwrap();
            assert!((bytes_max / 2..=bytes_max).contains(&last), "{last} of {bytes_max}");
            assert!(last <= bytes_max, "{last} of {bytes_max}");
        }
    }

    #[test]
    fn a_small_object_says_nothing_of_large_ones() {
        let fit = Fit::default();
        fit.note(900, 30, Some(128 << 10));
        assert_eq!(fit.rows_bytes_max(1200), 1000);
    }
}

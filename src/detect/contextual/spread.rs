//! How far values usually lie from what was expected of them: a running median, in constant memory.

use crate::detect::baseline::MAD_TO_SIGMA;

/// Sizes told apart for each doubling, as a power of two.
const FRACTION_BITS: u32 = 5;
/// Bits of a number below those that are looked at.
const REST: u32 = f64::MANTISSA_DIGITS - 1 - FRACTION_BITS;
/// Sizes of deviations so far, counted in buckets of three per cent, with the bucket of their median.
#[derive(Debug, Clone)]
pub(super) struct Spread {
    counts: Vec<u32>,
    /// The bucket of the median, and how many deviations lie in the buckets below it.
    median: usize,
    below: u64,
    total: u64,
}

impl Spread {
    pub(super) fn new() -> Self {
        Self {
            counts: Vec::new(),
            median: 0,
            below: 0,
            total: 0,
        }
    }

    /// Counts a deviation, finite and of either sign. Costs a step or two of the median.
    pub(super) fn push(&mut self, deviation: f64) {
        let bucket = (deviation.abs().to_bits() >> REST) as usize;
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] = self.counts[bucket].saturating_add(1);
        self.total += 1;
        self.below += u64::from(bucket < self.median);
        // The median is in the first bucket that, with those below, holds more than half.
        while 2 * self.below > self.total {
            self.median -= 1;
            self.below -= u64::from(self.counts[self.median]);
        }
        while 2 * (self.below + u64::from(self.counts[self.median])) <= self.total {
            self.below += u64::from(self.counts[self.median]);
            self.median += 1;
        }
    }

    /// The robust standard deviation of what was counted: 0 where most deviations are.
    pub(super) fn standard_deviation(&self) -> f64 {
        if self.median == 0 {
            return 0.0;
        }
        let low = f64::from_bits((self.median as u64) << REST);
        let high = f64::from_bits((self.median as u64 + 1) << REST);
        MAD_TO_SIGMA * (low / 2.0 + high / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_running_median_is_that_of_a_sort(
            deviations in prop::collection::vec(prop_oneof![Just(0.0), -1e3f64..1e3, -1e300f64..1e300, -1e-290f64..1e-290], 1..300)
        ) {
            let mut spread = Spread::new();
            let mut sorted: Vec<f64> = Vec::new();
            for deviation in deviations {
                spread.push(deviation);
                let size = deviation.abs();
                sorted.insert(sorted.partition_point(|&other| other < size), size);
                let wanted = MAD_TO_SIGMA * sorted[sorted.len() / 2];
                let found = spread.standard_deviation();
                prop_assert!((found - wanted).abs() <= wanted * 0.033, "{} {}", found, wanted);
            }
        }
    }
}

//! How novel a number is among all earlier ones: isolation against a histogram that grows with them.
//!
//! The score is that of the limit of infinitely many isolation trees ([`crate::forest::infinite`]), grown on
//! the occupied bins and the number itself: no trees, no seed, no sample, and constant memory.

use crate::forest::depth::average_depth;

/// Bins: as many as the bits that say which are occupied.
const BINS: usize = u64::BITS as usize;
/// Bins farther away than this are all as far.
const FARTHEST: f64 = 1e9;
/// Numbers that only fill the histogram before the first is scored.
pub(super) const WARM_UP: usize = 200;
/// The depth of a bin is not known yet.
const UNKNOWN: f32 = -1.0;

/// All numbers so far, counted in bins of equal width that cover their range.
#[derive(Debug, Clone)]
pub(super) struct Isolation {
    /// The first numbers, until the range is known.
    first: Vec<f64>,
    /// Lower end of the first bin, and width of each; a width of 0 until the range is known.
    low: f64,
    width: f64,
    counts: [u32; BINS],
    /// Which bins are occupied, a bit for each.
    occupied: u64,
    /// What the other bins add to the path that ends in a bin: it changes with `occupied` alone.
    path_depths: [f32; BINS],
    /// What the rows of the own bin add to it: `c(m + 1)` for m of them.
    leaf_depths: [f64; BINS],
    /// How many numbers there are, and the harmonic number of that.
    total: f64,
    harmonic: f64,
}

impl Isolation {
    pub(super) fn new() -> Self {
        Self {
            first: Vec::with_capacity(WARM_UP),
            low: 0.0,
            width: 0.0,
            counts: [0; BINS],
            occupied: 0,
            path_depths: [UNKNOWN; BINS],
            leaf_depths: [0.0; BINS],
            total: 0.0,
            harmonic: 0.0,
        }
    }

    /// The novelty of `number`, in [0, 1), among those before it; then counts it. 0 until there are
    /// [`WARM_UP`] numbers that are not all equal; NaN is neither scored nor counted.
    ///
    /// Numbers are below 1e100 in size.
    pub(super) fn push(&mut self, number: f64) -> f64 {
        if number.is_nan() {
            return 0.0;
        }
        if self.width > 0.0 {
            let novelty = self.novelty(number);
            self.count(number);
            return novelty;
        }
        if self.first.len() >= WARM_UP && self.first[0] == number {
            // One more of equal numbers, of which the first few are as good as all.
            return 0.0;
        }
        let was_ready = self.first.len() >= WARM_UP;
        self.first.push(number);
        if self.first.len() >= WARM_UP {
            self.spread_bins();
        }
        if was_ready {
            // The first that differs is cut off at once.
            (-1.0 / average_depth(WARM_UP + 1)).exp2()
        } else {
            0.0
        }
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<f64>() * self.first.capacity()
    }

    /// Makes bins of the range of the first numbers, unless they are all equal.
    fn spread_bins(&mut self) {
        let low = self.first.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.first.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let width = (high - low) / (BINS - 1) as f64;
        if width > 0.0 {
            self.width = width;
            self.low = low - width / 2.0;
            for number in std::mem::take(&mut self.first) {
                self.count(number);
            }
        }
    }

    /// The bin of a number, which may lie outside of the bins: then no farther than a great many.
    fn bin_of(&self, number: f64) -> i64 {
        ((number - self.low) / self.width)
            .floor()
            .clamp(-FARTHEST, FARTHEST) as i64
    }

    fn novelty(&mut self, number: f64) -> f64 {
        let bin = self.bin_of(number);
        let depth = match usize::try_from(bin) {
            Ok(own) if own < BINS => {
                if self.path_depths[own] == UNKNOWN {
                    self.path_depths[own] = self.path_depth(bin) as f32;
                }
                f64::from(self.path_depths[own]) + self.leaf_depths[own]
            }
            _ => self.path_depth(bin),
        };
        // c(n + 1) = 2 H(n) - 2 n / (n + 1)
        let average = 2.0 * self.harmonic - 2.0 * self.total / (self.total + 1.0);
        (-depth / average).exp2()
    }

    /// Expected cuts between `bin` and the occupied bins on both sides: for each, the gap on its near side
    /// over its distance.
    fn path_depth(&self, bin: i64) -> f64 {
        let mut depth = 0.0;
        let mut nearer = bin;
        for at in (0..bin.clamp(0, BINS as i64)).rev() {
            if self.occupied >> at & 1 == 1 {
                depth += (nearer - at) as f64 / (bin - at) as f64;
                nearer = at;
            }
        }
        nearer = bin;
        for at in (bin + 1).max(0)..BINS as i64 {
            if self.occupied >> at & 1 == 1 {
                depth += (at - nearer) as f64 / (at - bin) as f64;
                nearer = at;
            }
        }
        depth
    }

    fn count(&mut self, number: f64) {
        let mut bin = self.bin_of(number);
        while !(0..BINS as i64).contains(&bin) {
            self.widen(bin < 0);
            bin = self.bin_of(number);
        }
        let bin = bin as usize;
        self.counts[bin] = self.counts[bin].saturating_add(1);
        if self.occupied >> bin & 1 == 0 {
            self.occupied |= 1 << bin;
            self.path_depths = [UNKNOWN; BINS];
        }
        // c(m + 1) - c(m) = 2 / m - 2 / (m (m + 1)) = 2 / (m + 1)
        self.leaf_depths[bin] += 2.0 / (f64::from(self.counts[bin]) + 1.0);
        self.total += 1.0;
        self.harmonic += 1.0 / self.total;
    }

    /// Doubles the range, downwards or upwards: neighbouring bins merge in pairs.
    #[cold]
    fn widen(&mut self, downwards: bool) {
        let mut merged = [0; BINS];
        let shift = if downwards { BINS / 2 } else { 0 };
        for (bin, count) in self.counts.iter().enumerate() {
            let sum: &mut u32 = &mut merged[shift + bin / 2];
            *sum = sum.saturating_add(*count);
        }
        if downwards {
            self.low -= BINS as f64 * self.width;
        }
        self.width *= 2.0;
        self.counts = merged;
        self.path_depths = [UNKNOWN; BINS];
        self.occupied = 0;
        for (bin, &count) in merged.iter().enumerate() {
            self.occupied |= u64::from(count > 0) << bin;
            self.leaf_depths[bin] = average_depth(count as usize + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(numbers: impl IntoIterator<Item = f64>) -> Isolation {
        let mut isolation = Isolation::new();
        for number in numbers {
            isolation.push(number);
        }
        isolation
    }

    #[test]
    fn the_farther_from_all_earlier_numbers_the_more_novel() {
        let mut isolation = filled((0..1000).map(|row| f64::from(row * 7919 % 1009)));
        let novelty =
            [500.0, 1_100.0, 1_500.0, 5_000.0, 1e9].map(|number| isolation.novelty(number));
        assert!(novelty.is_sorted_by(|a, b| a < b), "{novelty:?}");
        assert!(novelty[0] < 0.7 && novelty[4] > 0.85, "{novelty:?}");
    }

    #[test]
    fn what_happened_before_is_less_novel() {
        let mut isolation = filled((0..1000).map(|row| f64::from(row * 7919 % 1009)));
        let (first, second) = (isolation.push(5_000.0), isolation.push(5_000.0));
        assert!(first > second, "{first} {second}");
    }

    #[test]
    fn the_first_number_that_differs_from_equal_ones_is_novel() {
        let mut isolation = filled(std::iter::repeat_n(7.0, 10_000));
        assert_eq!(isolation.first.len(), WARM_UP);
        assert_eq!(isolation.push(7.0), 0.0);
        assert!(isolation.push(8.0) > 0.9);
        assert!(isolation.push(7.0) < 0.55);
        assert!(isolation.push(9.0) > 0.7);
    }

    proptest! {
        #[test]
        fn the_depths_kept_are_those_of_the_counts(
            numbers in prop::collection::vec(prop_oneof![-10f64..10.0, -1e30f64..1e30], 210..400)
        ) {
            let mut isolation = filled(numbers.iter().copied());
            prop_assert!(isolation.width > 0.0);
            prop_assert_eq!(isolation.counts.iter().sum::<u32>(), numbers.len() as u32);
            for bin in 0..BINS {
                let expected = average_depth(isolation.counts[bin] as usize + 1);
                prop_assert!((isolation.leaf_depths[bin] - expected).abs() < 1e-9);
            }
            for number in numbers {
                let novelty = isolation.novelty(number);
                prop_assert!((0.0..1.0).contains(&novelty), "{}", novelty);
                let bin = isolation.bin_of(number) as usize;
                prop_assert_eq!(isolation.path_depths[bin], isolation.path_depth(bin as i64) as f32);
            }
        }
    }
}

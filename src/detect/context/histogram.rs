//! How novel a number is among all earlier ones: isolation against a histogram that grows with them.
//!
//! The score is that of the limit of infinitely many isolation trees ([`crate::forest::limit`]), grown on
//! the occupied bins and the number itself: no trees, no seed, no sample, and constant memory.

use crate::forest::depth::average_depth;

/// Bins. Half or twice as many score about the same.
const BINS: usize = 32;
/// Numbers are squeezed from so many times their usual size on.
const SQUEEZED_FROM: f64 = 48.0;
/// Numbers that only fill the histogram before the first is scored.
pub(super) const WARM_UP: usize = 200;

/// All numbers so far, counted in bins of equal width that cover their range.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    /// The first numbers, until the range is known.
    first: Vec<f64>,
    /// Numbers far beyond this count by their logarithm: after a flood a thousand times the usual size, bins
    /// must still tell usual sizes apart.
    squeezed_from: f64,
    /// Lower end of the first bin, and width of each; a width of 0 until the range is known.
    low: f64,
    width: f64,
    counts: [u64; BINS],
    /// Which bins are occupied, a bit for each.
    occupied: u32,
    /// What the rows of the own bin add to a path: `c(m + 1)` for m of them.
    leaf_depths: [f64; BINS],
    /// How many numbers there are, and the harmonic number of that.
    total: f64,
    harmonic: f64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self {
            first: Vec::new(),
            squeezed_from: 1.0,
            low: 0.0,
            width: 0.0,
            counts: [0; BINS],
            occupied: 0,
            leaf_depths: [0.0; BINS],
            total: 0.0,
            harmonic: 0.0,
        }
    }

    /// Whether numbers are scored.
    pub(super) fn is_ready(&self) -> bool {
        self.width > 0.0 || self.first.len() >= WARM_UP
    }

    /// The novelty of `number`, in [0, 1), among those before it; then counts it. 0 until there are
    /// [`WARM_UP`] numbers.
    ///
    /// Numbers are finite and below 1e307 in size.
    pub(super) fn push(&mut self, number: f64) -> f64 {
        if self.width > 0.0 {
            let number = self.squeezed(number);
            let novelty = self.novelty(number);
            self.count(number);
            return novelty;
        }
        let ready = self.is_ready();
        if ready && self.first[0] == number {
            // One more of equal numbers, of which the first few are as good as all.
            return 0.0;
        }
        self.first.push(number);
        if self.is_ready() {
            self.spread_bins();
        }
        match ready {
            // The first that differs is cut off at once.
            true => (-1.0 / average_depth(WARM_UP + 1)).exp2(),
            false => 0.0,
        }
    }

    /// Makes bins of the range of the first numbers, unless they are all equal.
    fn spread_bins(&mut self) {
        let mut sizes: Vec<f64> = self.first.iter().map(|number| number.abs()).collect();
        let (_, median, _) = sizes.select_nth_unstable_by(WARM_UP / 2, f64::total_cmp);
        let usual = match *median > 0.0 {
            true => *median,
            false => sizes.iter().map(|size| size / WARM_UP as f64).sum(),
        };
        if usual > 0.0 {
            self.squeezed_from = SQUEEZED_FROM * usual;
        }
        let squeezed: Vec<f64> = self
            .first
            .iter()
            .map(|&number| self.squeezed(number))
            .collect();
        let low = squeezed.iter().copied().fold(f64::INFINITY, f64::min);
        let high = squeezed.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let width = (high - low) / (BINS - 1) as f64;
        if width > 0.0 {
            self.width = width;
            self.low = low - width / 2.0;
            self.first = Vec::new();
            for number in squeezed {
                self.count(number);
            }
        }
    }

    fn squeezed(&self, number: f64) -> f64 {
        squeeze(number, self.squeezed_from)
    }

    /// The bin of a number, as a whole number that may lie outside of the bins.
    fn bin_of(&self, number: f64) -> f64 {
        ((number - self.low) / self.width).floor()
    }

    fn novelty(&self, number: f64) -> f64 {
        let bin = self.bin_of(number);
        let (own, below, above) = match bin {
            bin if bin < 0.0 => (None, 0, self.occupied),
            bin if bin >= BINS as f64 => (None, self.occupied, 0),
            bin => {
                let bin = bin as usize;
                let bit = 1u32 << bin;
                (
                    Some(bin),
                    self.occupied & (bit - 1),
                    self.occupied & !(bit | (bit - 1)),
                )
            }
        };
        let mut depth = own.map_or(0.0, |bin| self.leaf_depths[bin]);
        // On either side the nearest bin adds 1, each farther one the gap behind it over its distance.
        let mut rest = below;
        let mut nearer = None;
        while rest != 0 {
            let at = f64::from(u32::BITS - 1 - rest.leading_zeros());
            depth += nearer.map_or(1.0, |nearer: f64| (nearer - at) / (bin - at));
            nearer = Some(at);
            rest &= !(1 << (at as u32));
        }
        let mut rest = above;
        let mut nearer = None;
        while rest != 0 {
            let at = f64::from(rest.trailing_zeros());
            depth += nearer.map_or(1.0, |nearer: f64| (at - nearer) / (at - bin));
            nearer = Some(at);
            rest &= rest - 1;
        }
        // c(n + 1) = 2 H(n) - 2 n / (n + 1)
        let average = 2.0 * self.harmonic - 2.0 * self.total / (self.total + 1.0);
        (-depth / average).exp2()
    }

    fn count(&mut self, number: f64) {
        let mut bin = self.bin_of(number);
        while !(bin >= 0.0 && bin < BINS as f64) {
            self.widen(bin < 0.0);
            bin = self.bin_of(number);
        }
        let bin = bin as usize;
        self.counts[bin] += 1;
        self.occupied |= 1 << bin;
        let rows = self.counts[bin] as f64;
        // c(m + 1) - c(m) = 2 / m - 2 / (m (m + 1)) = 2 / (m + 1)
        self.leaf_depths[bin] += 2.0 / (rows + 1.0);
        self.total += 1.0;
        self.harmonic += 1.0 / self.total;
    }

    /// Doubles the range, downwards or upwards: neighbouring bins merge in pairs.
    #[cold]
    fn widen(&mut self, downwards: bool) {
        let mut merged = [0; BINS];
        let shift = if downwards { BINS / 2 } else { 0 };
        for (bin, count) in self.counts.iter().enumerate() {
            merged[shift + bin / 2] += count;
        }
        if downwards {
            self.low -= BINS as f64 * self.width;
        }
        self.width *= 2.0;
        self.counts = merged;
        self.occupied = 0;
        for (bin, &count) in merged.iter().enumerate() {
            self.occupied |= u32::from(count > 0) << bin;
            self.leaf_depths[bin] = average_depth(count as usize + 1);
        }
    }
}

/// `number` in units of `from`: as it is while it is smaller, by its logarithm where it is larger.
pub(super) fn squeeze(number: f64, from: f64) -> f64 {
    // The quotient of a large number and a tiny unit is beyond the largest number.
    (number / from).clamp(-1e300, 1e300).asinh()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(numbers: impl IntoIterator<Item = f64>) -> Histogram {
        let mut histogram = Histogram::new();
        for number in numbers {
            histogram.push(number);
        }
        histogram
    }

    #[test]
    fn the_farther_from_all_earlier_numbers_the_more_novel() {
        let histogram = filled((0..1000).map(|row| f64::from(row * 7919 % 1009)));
        let novelty = [500.0, 1_100.0, 1_500.0, 5_000.0, 1e9]
            .map(|number| histogram.novelty(histogram.squeezed(number)));
        assert!(novelty.is_sorted_by(|a, b| a < b), "{novelty:?}");
        assert!(novelty[0] < 0.7 && novelty[4] > 0.9, "{novelty:?}");
    }

    #[test]
    fn what_happened_before_is_less_novel() {
        let mut histogram = filled((0..1000).map(|row| f64::from(row * 7919 % 1009)));
        let (first, second) = (histogram.push(5_000.0), histogram.push(5_000.0));
        assert!(first > second, "{first} {second}");
    }

    #[test]
    fn the_first_number_that_differs_from_equal_ones_is_novel() {
        let mut histogram = filled(std::iter::repeat_n(7.0, 10_000));
        assert_eq!(histogram.first.len(), WARM_UP);
        assert_eq!(histogram.push(7.0), 0.0);
        assert!(histogram.push(8.0) > 0.9);
        assert!(histogram.push(7.0) < 0.55);
        assert!(histogram.push(9.0) > 0.8);
    }

    proptest! {
        #[test]
        fn the_depths_kept_are_those_of_the_counts(
            numbers in prop::collection::vec(prop_oneof![-10f64..10.0, -1e306f64..1e306], 210..400)
        ) {
            let histogram = filled(numbers.iter().copied());
            prop_assert!(histogram.width > 0.0);
            prop_assert_eq!(histogram.counts.iter().sum::<u64>(), numbers.len() as u64);
            for bin in 0..BINS {
                let wanted = average_depth(histogram.counts[bin] as usize + 1);
                prop_assert!((histogram.leaf_depths[bin] - wanted).abs() < 1e-9);
            }
            for number in numbers {
                let novelty = histogram.novelty(histogram.squeezed(number));
                prop_assert!((0.0..1.0).contains(&novelty), "{}", novelty);
            }
        }
    }
}

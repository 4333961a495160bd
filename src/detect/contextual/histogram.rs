//! How novel a number is among all earlier ones: isolation against a histogram that grows with them.
//!
//! The score is that of the limit of infinitely many isolation trees ([`crate::forest::infinite`]), grown on
//! the occupied bins and the number itself: no trees, no seed, no sample, and constant memory.

use crate::forest::depth::average_depth;

/// Bins. Half or twice as many score about the same.
const BINS: usize = 32;
/// Bins farther away than this are all as far.
const FARTHEST: i64 = 1 << 40;
/// One over each distance between two bins.
const ONE_OVER: [f64; BINS] = {
    let mut table = [0.0; BINS];
    let mut distance = 1;
    while distance < BINS {
        table[distance] = 1.0 / distance as f64;
        distance += 1;
    }
    table
};
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

    /// The bin of a number, which may lie outside of the bins: then no farther than a great many.
    fn bin_of(&self, number: f64) -> i64 {
        let place = (number - self.low) / self.width;
        // Rounded down: a conversion alone rounds towards 0.
        let towards_zero = place as i64;
        let bin = towards_zero - i64::from(place < towards_zero as f64);
        bin.clamp(-FARTHEST, FARTHEST)
    }

    fn novelty(&self, number: f64) -> f64 {
        let bin = self.bin_of(number);
        let (own, below, above) = match bin {
            bin if bin < 0 => (None, 0, self.occupied),
            bin if bin >= BINS as i64 => (None, self.occupied, 0),
            bin => {
                let bit = 1u32 << bin;
                let below = self.occupied & (bit - 1);
                (
                    Some(bin as usize),
                    below,
                    self.occupied & !(bit | (bit - 1)),
                )
            }
        };
        let mut depth = own.map_or(0.0, |bin| self.leaf_depths[bin]);
        // On either side the nearest bin adds 1, each farther one the gap behind it over its distance.
        let over = |distance: i64| match ONE_OVER.get(distance as usize) {
            Some(&one_over) => one_over,
            None => 1.0 / distance as f64,
        };
        let mut rest = below;
        if rest != 0 {
            let mut nearer = i64::from(u32::BITS - 1 - rest.leading_zeros());
            rest &= !(1 << nearer);
            depth += 1.0;
            while rest != 0 {
                let at = i64::from(u32::BITS - 1 - rest.leading_zeros());
                depth += (nearer - at) as f64 * over(bin - at);
                nearer = at;
                rest &= !(1 << at);
            }
        }
        let mut rest = above;
        if rest != 0 {
            let mut nearer = i64::from(rest.trailing_zeros());
            rest &= rest - 1;
            depth += 1.0;
            while rest != 0 {
                let at = i64::from(rest.trailing_zeros());
                depth += (at - nearer) as f64 * over(at - bin);
                nearer = at;
                rest &= rest - 1;
            }
        }
        // c(n + 1) = 2 H(n) - 2 n / (n + 1)
        let average = 2.0 * self.harmonic - 2.0 * self.total / (self.total + 1.0);
        (-depth / average).exp2()
    }

    fn count(&mut self, number: f64) {
        let mut bin = self.bin_of(number);
        while !(0..BINS as i64).contains(&bin) {
            self.widen(bin < 0);
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
    let size = (number / from).abs().min(1e150);
    // The inverse hyperbolic sine, which is slower where it is exact to the last bit for small numbers.
    (size + (size * size + 1.0).sqrt()).ln().copysign(number)
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

//! How rare a feature's value is: the weeks between peaks as high, from the tail of all earlier values.
//!
//! Peaks over a threshold (Davison, Smith 1990): above a running quantile, peaks that are far enough apart
//! follow a generalised Pareto distribution, fitted by its moments. The fit starts from a prior, so that
//! it says something sensible before there are peaks.

/// The threshold lies at this quantile of the values so far.
const QUANTILE: f64 = 0.98;
/// Half-life of what is remembered.
const HALF_LIFE_WEEKS: f64 = 4.0;
/// A peak teaches at most this many mean excesses: one flood does not make the next ordinary. But what is this
/// rare, and has happened so many times in the last days (their half-life), is ordinary: it teaches its height.
const MAX_LESSON: f64 = 2.0;
const RARE: f64 = 1.0;
const MAX_RARE_PEAKS: f64 = 8.0;
const RARE_DAYS: f64 = 3.0;
/// Heaviest tail: the shape parameter of the generalised Pareto distribution.
const MAX_SHAPE: f64 = 0.5;
/// No rate is told from less than this share of a week.
const MIN_WEEKS: f64 = 0.25;

/// Bins of the histogram of values, eight for each doubling, from 2^-10 to 2^10.
const BINS: usize = 160;
const BINS_PER_DOUBLING_BITS: u32 = 3;
/// Bits of an `f32` below those that tell the bin.
const REST: u32 = f32::MANTISSA_DIGITS - 1 - BINS_PER_DOUBLING_BITS;
/// What the upper bits of 2^-10 are.
const FIRST_BIN: u32 = (127 - 10) << BINS_PER_DOUBLING_BITS;
/// Weights of new values grow in place of older ones shrinking; past this they start anew.
const MAX_WEIGHT: f64 = 1e6;

/// What is assumed of a feature's tail before it has been seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prior {
    /// Peaks that the prior is worth.
    pub(super) peaks: f64,
    /// Mean excess of a peak, in thresholds. Its distribution is exponential.
    pub(super) mean_excess: f64,
    /// The threshold is not below this.
    pub(super) min_threshold: f64,
    /// Peaks are apart where so many hours between them are below the threshold.
    pub(super) quiet_hours: f64,
}

/// The tail of one feature, which is not negative.
#[derive(Debug, Clone)]
pub(super) struct Rarity {
    prior: Prior,
    week_rows: f64,
    warm_up_rows: f64,
    quiet_rows: f64,
    /// What a row is worth in comparison with the next one.
    decay: f64,
    weights: [f32; BINS],
    total: f64,
    /// The bin that the threshold lies on top of, and the weight up to that.
    quantile_bin: usize,
    below: f64,
    weight: f64,
    /// Peaks, the sum of their excesses and of their squares, and the rows in which they were seen.
    peaks: f64,
    excess: f64,
    squared_excess: f64,
    seen_rows: f64,
    /// The peak that is not over yet, and rows since it was last above the threshold.
    open: f64,
    quiet: f64,
    /// Whether it is a rare one, and how many of those there were in the last days.
    is_rare: bool,
    rare_peaks: f64,
    decay_of_rare: f64,
    rows: f64,
}

impl Rarity {
    pub(super) fn new(prior: Prior, rows_per_hour: f64, week_rows: f64, warm_up_rows: f64) -> Self {
        Self {
            prior,
            week_rows,
            warm_up_rows,
            quiet_rows: (prior.quiet_hours * rows_per_hour).max(6.0),
            decay: (-1.0 / (HALF_LIFE_WEEKS * week_rows)).exp2(),
            weights: [0.0; BINS],
            total: 0.0,
            quantile_bin: 0,
            below: 0.0,
            weight: 1.0,
            peaks: 0.0,
            excess: 0.0,
            squared_excess: 0.0,
            seen_rows: 0.0,
            open: 0.0,
            quiet: 0.0,
            is_rare: false,
            rare_peaks: 0.0,
            decay_of_rare: (-7.0 / (RARE_DAYS * week_rows)).exp2(),
            rows: 0.0,
        }
    }

    /// The logarithm to base 10 of the weeks between peaks as high as `value`, where it is above the
    /// threshold and this is more than a week; else 0. Then learns it. NaN is neither judged nor learnt.
    pub(super) fn push(&mut self, value: f64) -> f64 {
        if value.is_nan() {
            return 0.0;
        }
        self.rows += 1.0;
        let mut rarity = 0.0;
        if self.rows >= self.warm_up_rows {
            let threshold = upper_end(self.quantile_bin).max(self.prior.min_threshold);
            if value > threshold {
                rarity = self.rarity(value, threshold);
                let mean = self.mean_excess(threshold);
                let excess = value - threshold;
                self.is_rare |= rarity > RARE;
                let lesson = if self.rare_peaks > MAX_RARE_PEAKS {
                    excess
                } else {
                    excess.min(MAX_LESSON * mean)
                };
                self.open = self.open.max(lesson);
                self.quiet = 0.0;
            } else if self.open > 0.0 {
                self.quiet += 1.0;
                if self.quiet > self.quiet_rows {
                    self.peaks += 1.0;
                    self.excess += self.open;
                    self.squared_excess += self.open * self.open;
                    self.rare_peaks += f64::from(self.is_rare);
                    (self.open, self.quiet, self.is_rare) = (0.0, 0.0, false);
                }
            }
            self.rare_peaks *= self.decay_of_rare;
            self.peaks *= self.decay;
            self.excess *= self.decay;
            self.squared_excess *= self.decay;
            self.seen_rows = self.seen_rows * self.decay + 1.0;
        }
        self.count(value);
        rarity
    }

    fn mean_excess(&self, threshold: f64) -> f64 {
        let prior = self.prior.peaks * self.prior.mean_excess * threshold;
        (prior + self.excess) / (self.prior.peaks + self.peaks)
    }

    fn rarity(&self, value: f64, threshold: f64) -> f64 {
        let excess = value - threshold;
        let mean = self.mean_excess(threshold);
        let prior = self.prior.mean_excess * threshold;
        // An exponential distribution has a mean square of twice the squared mean.
        let squares = (self.prior.peaks * 2.0 * prior * prior + self.squared_excess)
            / (self.prior.peaks + self.peaks);
        let variance = (squares - mean * mean).max(1e-12 * mean * mean);
        let shape = (0.5 * (1.0 - mean * mean / variance)).clamp(0.0, MAX_SHAPE);
        let scale = mean * (1.0 - shape);
        let log_share = if shape < 1e-3 {
            -excess / scale
        } else {
            -(shape * excess / scale).ln_1p() / shape
        };
        let weeks = (self.seen_rows / self.week_rows).max(MIN_WEEKS);
        let peaks_a_week = (self.peaks + 1.0) / weeks;
        (-(log_share + peaks_a_week.ln()) / std::f64::consts::LN_10).max(0.0)
    }

    /// Counts `value`, and moves the threshold to its quantile.
    fn count(&mut self, value: f64) {
        let bin = bin_of(value);
        self.weights[bin] += self.weight as f32;
        self.total += self.weight;
        if bin <= self.quantile_bin {
            self.below += self.weight;
        }
        self.weight /= self.decay;
        if self.weight > MAX_WEIGHT {
            self.start_anew();
        }
        while self.below < QUANTILE * self.total && self.quantile_bin < BINS - 1 {
            self.quantile_bin += 1;
            self.below += f64::from(self.weights[self.quantile_bin]);
        }
        while self.quantile_bin > 0
            && self.below - f64::from(self.weights[self.quantile_bin]) >= QUANTILE * self.total
        {
            self.below -= f64::from(self.weights[self.quantile_bin]);
            self.quantile_bin -= 1;
        }
    }

    /// Divides all weights by that of the next row.
    #[cold]
    fn start_anew(&mut self) {
        for weight in &mut self.weights {
            *weight /= self.weight as f32;
        }
        self.total = self.weights.iter().map(|&weight| f64::from(weight)).sum();
        let below = self.weights[..=self.quantile_bin].iter();
        self.below = below.map(|&weight| f64::from(weight)).sum();
        self.weight = 1.0;
    }
}

/// The bin of a value: the exponent and the first bits of an `f32`.
fn bin_of(value: f64) -> usize {
    let bits = (value.max(0.0) as f32).to_bits() >> REST;
    (bits.saturating_sub(FIRST_BIN) as usize).min(BINS - 1)
}

/// The least value above those of a bin.
fn upper_end(bin: usize) -> f64 {
    f64::from(f32::from_bits((FIRST_BIN + bin as u32 + 1) << REST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::random::{Stream, unit};

    const PRIOR: Prior = Prior {
        peaks: 8.0,
        mean_excess: 0.35,
        min_threshold: 0.1,
        quiet_hours: 1.0,
    };

    #[test]
    fn bins_hold_the_values_below_their_upper_end() {
        assert_eq!(bin_of(0.0), 0);
        assert_eq!(bin_of(f64::MAX), BINS - 1);
        for bin in 0..BINS - 1 {
            let end = upper_end(bin);
            assert_eq!((bin_of(end * 0.999), bin_of(end)), (bin, bin + 1));
        }
    }

    #[test]
    fn a_higher_value_is_rarer_and_ordinary_ones_are_not_rare() {
        let mut rarity = Rarity::new(PRIOR, 12.0, 2_016.0, 200.0);
        for row in 0..4_000 {
            rarity.push(f64::from(row * 7919 % 1009) / 1009.0);
        }
        let of = |value: f64| rarity.clone().push(value);
        assert_eq!(of(0.5), 0.0);
        let rising = [1.5, 2.0, 3.0, 5.0].map(of);
        assert!(rising.is_sorted_by(|a, b| a < b), "{rising:?}");
    }

    #[test]
    fn a_value_that_is_exceeded_every_ten_weeks_is_told_as_that() {
        // Exponential values: exp(-x) of the rows exceed x, which gives the weeks between them.
        let mut random = Stream::of_seed(1);
        let mut rarity = Rarity::new(PRIOR, 12.0, 2_016.0, 200.0);
        for _ in 0..40 * 2_016 {
            rarity.push(-(1.0 - unit(random.bits())).ln());
        }
        let ten_weeks = (10.0f64 * 2_016.0).ln();
        let told = rarity.push(ten_weeks);
        // Peaks lie close to each other now and then, and the fit is of some hundreds of them.
        assert!((0.6..1.5).contains(&told), "{told}");
    }

    #[test]
    fn a_peak_that_repeats_stays_rare_for_a_while() {
        let mut rarity = Rarity::new(PRIOR, 12.0, 2_016.0, 200.0);
        let mut told = Vec::new();
        for row in 0..6 * 2_016 {
            let value = f64::from(row * 7919 % 1009) / 1009.0;
            if row > 2_016 && row % 1_500 == 0 {
                told.push(rarity.push(50.0));
            } else {
                rarity.push(value);
            }
        }
        assert!(told.iter().take(4).all(|&rarity| rarity > 1.0), "{told:?}");
    }
}

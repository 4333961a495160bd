//! Forests of infinitely many trees on one feature, in closed form.
//!
//! In: the values of one column. Out: the score of any value. Chance is summed away instead of being averaged
//! over a thousand trees: there is none left in where trees split, and hardly any in which rows they are grown on.
//!
//! # The depth of a sample's rows
//!
//! Give every place of the line a clock that rings after an exponential time, at a rate proportional to length:
//! the first ring between the outermost points of a sample is a tree's first split, the first ring in what is
//! left the second, and so on. Seen from the sample's point `S_i`, the split in the gap behind `S_j`, on its
//! left, parts `S_j` from it, unless a gap nearer to `S_i` rings before. Its chance is the gap's share of all
//! that lies between, so the expected number of splits on the path to `S_i`, over all trees that are grown
//! until every leaf holds one value, is
//!
//! `E(S_i) = Σ g_j / (S_i - S_j)` over the points on its left, with `g_j = S_(j+1) - S_j`, `+` the mirror image
//! on its right.
//!
//! Where `r` rows of the sample have the value `S_i`, no split parts them: `c(r)` is added, as at a leaf of any
//! isolation tree. A value between two points ends at the one of which the split between them leaves it on the
//! same side: its depth lies on the straight line between theirs. Beyond the outermost points it is theirs.
//!
//! # The forest
//!
//! The mean over some dozen samples, which together stand for all ([`sampling`]), is piecewise linear in the
//! value too, with a knot at each value of any sample. The score is `2^(-E / c(n))` for samples of n rows, as in
//! the paper. Trees there stop at a depth of 8 for 256 rows and estimate the rest of a path by `c` of the rows
//! left; none stops here, so scores of rows that are deep differ in the second decimal place.
//!
//! # Cost
//!
//! A sample of 256 rows has 32,640 pairs of points, each of which costs half a division: some 15 microseconds.
//! Data of 1,000 rows are fitted with 16 samples, 4,032 rows and more with 64.

mod inclusive;
mod sampling;

use rayon::prelude::*;

use self::sampling::Samples;
use super::depth::average_depth;
use super::params::ForestParams;
use super::steps::Steps;
use crate::support::error::{Error, ErrorKind, Result};
use crate::support::parallel::min_tasks;
use crate::support::radix;
use crate::support::random::{Purpose, Stream};

pub use self::inclusive::InclusiveForest;

/// Rows that stand for all where all are too many: their values are sorted.
pub const MAX_ROWS: usize = 1 << 17;
/// Rows of a sample at most: larger ones are stood for by so many of their quantiles.
const MAX_SAMPLE: usize = 1 << 12;
/// Knots that a thread takes at a time.
const KNOTS: usize = 1 << 10;

/// The rows of data of `rows` rows that [`InfiniteForest::fit`] needs, ascending: all, or [`MAX_ROWS`] of them, one
/// drawn from each of so many equal stretches.
pub fn rows_to_gather(rows: usize, params: &ForestParams) -> Vec<u64> {
    if rows <= MAX_ROWS {
        return (0..rows as u64).collect();
    }
    let mut stream = Stream::new(params.seed(), Purpose::Rows, 0);
    let start = |stretch: usize| (stretch as u128 * rows as u128 / MAX_ROWS as u128) as u64;
    (0..MAX_ROWS)
        .map(|stretch| {
            let (from, to) = (start(stretch), start(stretch + 1));
            from + stream.below(to - from)
        })
        .collect()
}

/// The isolation forest on one feature that infinitely many trees come to.
///
/// Scores are in (0, 1], higher is more anomalous, and equal bit for bit at any thread count. A NaN is treated
/// like a value below all others. If all fitted values are equal, or a sample has one row, every score is 0.5.
/// Values beyond the outermost fitted ones score as these do.
///
/// ```
/// use isoscan::forest::{ForestParams, InfiniteForest};
/// let mut values: Vec<f64> = (0..1000).map(|i| f64::from(i % 100)).collect();
/// values[500] = 1e6;
/// let forest = InfiniteForest::fit(&values, &ForestParams::default())?;
/// assert!(forest.score(1e6) > 0.5);
/// assert!(forest.score(50.0) < forest.score(1e6));
/// # Ok::<(), isoscan::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct InfiniteForest {
    /// Ascending, without -0.
    knots: Vec<f64>,
    /// The mean path length at each knot, in splits.
    depths: Vec<f64>,
    /// The number of knots below a value.
    below: Steps<u32>,
    /// `c(n)`, the mean path length of an average row.
    average: f64,
    /// What values are multiplied by, so that no difference overflows: a power of two.
    scale: f64,
}

impl InfiniteForest {
    /// Fits the forest on `values`, which are finite: all values of the data, or those of
    /// [`rows_to_gather`].
    ///
    /// The number of trees that `params` name does not matter. Where a sample is to have more rows than there
    /// are values, or than 4,096, it is one of so many.
    ///
    /// # Errors
    /// [`ErrorKind::NoUsableRow`] without a value.
    pub fn fit(values: &[f64], params: &ForestParams) -> Result<Self> {
        if values.is_empty() {
            return Err(Error::new(
                ErrorKind::NoUsableRow,
                "a forest needs at least 1 row, found 0",
            ));
        }
        let mut sorted: Vec<f64> = values.iter().map(|value| value + 0.0).collect();
        radix::sort_numbers(&mut sorted);
        let size = params.sample_size().of(values.len()).min(MAX_SAMPLE);
        let samples = Samples::new(sorted.len(), size);
        let ranks = samples.draw(params.seed());
        let scale = scale_of(&sorted);
        let fitted = |ranks: &[u32]| SampleDepths::new(&sorted, ranks, scale);
        let least = min_tasks(values.len());
        let parts = ranks.par_chunks(size).with_min_len(least);
        let curves: Vec<SampleDepths> = parts.map(fitted).collect();
        let knots = distinct_values(&sorted, &ranks);
        Ok(Self::mean_of(&curves, knots, scale, average_depth(size)))
    }

    fn mean_of(curves: &[SampleDepths], knots: Vec<f64>, scale: f64, average: f64) -> Self {
        let mut depths = vec![0.0; knots.len()];
        let scaled: Vec<f64> = knots.iter().map(|knot| knot * scale).collect();
        let add = |(knots, depths): (&[f64], &mut [f64])| {
            for curve in curves {
                curve.add_to(knots, depths);
            }
            let count = curves.len() as f64;
            depths.iter_mut().for_each(|depth| *depth /= count);
        };
        let parts = scaled.par_chunks(KNOTS).zip(depths.par_chunks_mut(KNOTS));
        parts.with_min_len(min_tasks(knots.len())).for_each(add);
        if knots.len() == 1 {
            // Without the rounding errors of a mean of equal numbers.
            depths[0] = average;
        }
        let numbers: Vec<u32> = (0..=knots.len() as u32).collect();
        Self {
            below: Steps::new(&knots, &numbers),
            knots,
            depths,
            average,
            scale,
        }
    }

    /// Mean path length of an average row: `c(n)` for samples of n rows.
    pub fn average_depth(&self) -> f64 {
        self.average
    }

    /// The mean path length of `value`, in splits.
    #[inline]
    pub fn depth(&self, value: f64) -> f64 {
        self.depth_in(self.interval_of(value), value)
    }

    /// The score of `value`.
    #[inline]
    pub fn score(&self, value: f64) -> f64 {
        self.score_of(self.depth(value))
    }

    /// Writes the score of `values[i]` to `out[i]`, on the calling thread alone.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn score_into(&self, values: &[f64], out: &mut [f64]) {
        assert_eq!(values.len(), out.len(), "one score for each value");
        // The intervals first, which are looked up side by side.
        self.below
            .each(values, out, |out, interval, _| *out = interval as f64);
        for (out, &value) in out.iter_mut().zip(values) {
            *out = self.score_of(self.depth_in(*out as usize, value));
        }
    }

    /// The score of rows with the mean path length `depth`: the smaller, the higher.
    #[inline]
    pub fn score_of(&self, depth: f64) -> f64 {
        if self.average > 0.0 {
            (-depth / self.average).exp2()
        } else {
            0.5
        }
    }

    /// Number of intervals between knots, those beyond the outermost included: at least 2.
    pub fn interval_count(&self) -> usize {
        self.knots.len() + 1
    }

    /// The interval of `value`, counted from 0 at the lowest values. Its upper knot belongs to an interval.
    #[inline]
    pub fn interval_of(&self, value: f64) -> usize {
        self.below.interval_of(value)
    }

    /// The bounds of interval `interval`: it holds the values above the first and up to the second.
    ///
    /// The first interval starts at minus infinity, the last ends at infinity.
    ///
    /// # Panics
    /// If there is no such interval.
    pub fn interval_bounds(&self, interval: usize) -> (f64, f64) {
        assert!(
            interval < self.interval_count(),
            "an interval of the forest"
        );
        let above = interval
            .checked_sub(1)
            .map_or(f64::NEG_INFINITY, |before| self.knots[before]);
        let up_to = self.knots.get(interval).copied();
        (above, up_to.unwrap_or(f64::INFINITY))
    }

    /// The least and the greatest path length of values in interval `interval`.
    ///
    /// # Panics
    /// If there is no such interval.
    pub fn interval_depths(&self, interval: usize) -> (f64, f64) {
        let (above, up_to) = self.interval_bounds(interval);
        // At its ends, as `depth` works them out: it is monotone between them.
        let low = self.depth_in(interval, above.max(self.knots[0]));
        let high = self.depth_in(interval, up_to.min(self.knots[self.knots.len() - 1]));
        (low.min(high), low.max(high))
    }

    /// Adds to `counts` how many of `values` lie in each interval, on the calling thread alone.
    ///
    /// # Panics
    /// If there is not one count for each interval.
    pub fn count_intervals(&self, values: &[f64], counts: &mut [u64]) {
        assert_eq!(
            counts.len(),
            self.interval_count(),
            "one count for each interval"
        );
        self.below.count(values, counts);
    }

    /// The widest run of intervals in which no score is above `threshold`, as a range of values without its ends.
    /// Empty (bounds the wrong way round) where there is none.
    pub fn ordinary_range(&self, threshold: f64) -> (f64, f64) {
        // A little less, since raising to a power may not keep the order in the last bit.
        let ordinary = |interval: usize| {
            self.score_of(self.interval_depths(interval).0) <= threshold * (1.0 - 1e-12)
        };
        let mut widest = 0..0;
        let mut start = 0;
        for interval in 0..=self.interval_count() {
            if interval == self.interval_count() || !ordinary(interval) {
                if interval - start > widest.len() {
                    widest = start..interval;
                }
                start = interval + 1;
            }
        }
        if widest.is_empty() {
            return (f64::INFINITY, f64::NEG_INFINITY);
        }
        let low = self.interval_bounds(widest.start).0;
        let high = self.interval_bounds(widest.end - 1).1;
        (low, high)
    }

    #[inline]
    fn depth_in(&self, interval: usize, value: f64) -> f64 {
        let last = self.knots.len() - 1;
        if interval == 0 || interval > last {
            return self.depths[interval.min(last)];
        }
        let (from, to) = (self.knots[interval - 1], self.knots[interval]);
        let (start, end) = (self.depths[interval - 1], self.depths[interval]);
        let (from, gap) = (from * self.scale, to * self.scale - from * self.scale);
        if gap == 0.0 {
            return start;
        }
        start + (end - start) * ((value * self.scale - from) / gap)
    }
}

/// A power of two that brings all of the sorted values between -1/2 and 1/2, so that no difference of two
/// overflows and products of differences stay in range.
fn scale_of(sorted: &[f64]) -> f64 {
    let largest = sorted[0].abs().max(sorted[sorted.len() - 1].abs());
    let exponent = (largest.to_bits() >> 52) as i32 - 1023;
    let power = (-exponent - 2).clamp(-1000, 1000);
    f64::from_bits(((1023 + power) as u64) << 52)
}

/// The distinct values of the rows with these ranks, ascending.
fn distinct_values(sorted: &[f64], ranks: &[u32]) -> Vec<f64> {
    let mut used = vec![false; sorted.len()];
    for &rank in ranks {
        used[rank as usize] = true;
    }
    let values = sorted.iter().zip(used);
    let mut values: Vec<f64> = values.filter(|row| row.1).map(|row| *row.0).collect();
    values.dedup();
    values
}

/// The expected path length of any value over all trees that are grown on one sample.
#[derive(Debug)]
struct SampleDepths {
    /// Distinct values of the sample, scaled, ascending.
    points: Vec<f64>,
    depths: Vec<f64>,
}

impl SampleDepths {
    /// For the sample with these ranks, ascending, among the `sorted` values.
    fn new(sorted: &[f64], ranks: &[u32], scale: f64) -> Self {
        let mut points: Vec<f64> = Vec::with_capacity(ranks.len());
        let mut equal: Vec<u32> = Vec::with_capacity(ranks.len());
        for &rank in ranks {
            let point = sorted[rank as usize] * scale;
            match equal.last_mut() {
                Some(rows) if points.last() == Some(&point) => *rows += 1,
                _ => {
                    points.push(point);
                    equal.push(1);
                }
            }
        }
        let mut depths = expected_splits(&points);
        for (depth, &rows) in depths.iter_mut().zip(&equal) {
            if rows > 1 {
                *depth += average_depth(rows as usize);
            }
        }
        Self { points, depths }
    }

    /// Adds the path length at each of `knots`, ascending and scaled, to `sums`.
    fn add_to(&self, knots: &[f64], sums: &mut [f64]) {
        let Self { points, depths } = self;
        let last = points.len() - 1;
        let up_to = |from: usize, bound: f64| {
            from + knots[from..]
                .iter()
                .take_while(|&&knot| knot <= bound)
                .count()
        };
        let mut from = knots.partition_point(|&knot| knot <= points[0]);
        sums[..from].iter_mut().for_each(|sum| *sum += depths[0]);
        // The first segment that reaches beyond the last knot that was added.
        let next = knots.get(from).copied().unwrap_or(f64::INFINITY);
        for point in points.partition_point(|&point| point < next).max(1)..=last {
            let to = up_to(from, points[point]);
            let (start, gap) = (points[point - 1], points[point] - points[point - 1]);
            let (depth, rise) = (depths[point - 1], depths[point] - depths[point - 1]);
            for (sum, knot) in sums[from..to].iter_mut().zip(&knots[from..to]) {
                *sum += depth + rise * ((knot - start) / gap);
            }
            from = to;
        }
        sums[from..].iter_mut().for_each(|sum| *sum += depths[last]);
    }
}

/// Numbers that are worked on side by side.
const LANES: usize = 4;
/// A gap from which on the product of two differences is a normal number.
const MIN_GAP: f64 = 1e-150;

/// The expected number of splits on the path to each of the ascending `points`, which differ and lie between -1/2
/// and 1/2.
fn expected_splits(points: &[f64]) -> Vec<f64> {
    let gaps: Vec<f64> = points.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let paired = gaps.iter().all(|&gap| gap >= MIN_GAP);
    let mut right = vec![0.0; points.len()];
    let mut left = vec![0.0; points.len()];
    for (i, &gap) in (1..points.len()).zip(&gaps) {
        let (before, gaps, right) = (&points[..i], &gaps[..i], &mut right[..i]);
        let whole = if paired { i - i % (2 * LANES) } else { 0 };
        let mut sums = [0.0; 2 * LANES];
        let blocks = before[..whole]
            .as_chunks::<{ 2 * LANES }>()
            .0
            .iter()
            .zip(gaps[..whole].as_chunks::<{ 2 * LANES }>().0)
            .zip(right[..whole].as_chunks_mut::<{ 2 * LANES }>().0);
        for ((before, gaps), right) in blocks {
            let mut inverse = [0.0; 2 * LANES];
            // One division for two: 1/a is b/(ab).
            for lane in 0..LANES {
                let (a, b) = (points[i] - before[lane], points[i] - before[lane + LANES]);
                let product = 1.0 / (a * b);
                inverse[lane] = product * b;
                inverse[lane + LANES] = product * a;
            }
            for lane in 0..2 * LANES {
                sums[lane] += gaps[lane] * inverse[lane];
                right[lane] += gap * inverse[lane];
            }
        }
        let mut sum: f64 = sums.iter().sum();
        for j in whole..i {
            let distance = points[i] - before[j];
            sum += gaps[j] / distance;
            right[j] += gap / distance;
        }
        left[i] = sum;
    }
    left.iter()
        .zip(right)
        .map(|(left, right)| left + right)
        .collect()
}

#[cfg(test)]
mod tests;

//! The isolation forest on one feature: all trees collapsed into one sorted table.
//!
//! In: the values of one column. Out: the score of any value, or how many values have which score.
//!
//! # How it works
//!
//! A tree on one feature asks only whether the value is at or below this or that split. Sort its splits,
//! and the value's path length is fixed by the two splits it lies between: the tree is a step
//! function of the value, with one step for each leaf. The sum of the path lengths over all trees
//! is a step function too, which changes at the splits of every tree and nowhere else. So the trees
//! are not kept. Each is grown once, from left to right; at every split it notes by how much the path
//! length changes there. All notes, sorted by their splits and added up from the left, are the forest:
//! a table of splits, and the sum of all path lengths for each interval between them.
//!
//! ```text
//! tree 1    ---- 2 ----|------ 3 ------|------ 3 ------      paths 2, 3, 3
//! tree 2    ------ 1 ------|---------- 2 ----------|-- 2     paths 1, 2, 2
//! sum       ---- 3 ----|-4-|---- 5 ----|---- 5 ----|-- 5
//! ```
//!
//! # Why the result is the same
//!
//! Walking a tree and looking up its interval compare the value with the same splits by the same
//! rule (at the split is left of it), so both find the same leaf. Path lengths are whole numbers in
//! fixed point, so it makes no difference in which order they are added, nor whether they are
//! added as lengths or as changes from leaf to leaf: the sums are equal to the last bit, and so
//! are the scores computed from them. The tests hold the table against trees walked node by node.
//!
//! # Small data
//!
//! Small data is sorted as a whole, and each tree then notes its changes by rows: a split falls
//! between two neighbours among all values, and where exactly it falls in that gap changes nothing
//! for any value of the data. The table has one split half-way in the gap instead of those of many
//! trees. For each value of the data the sum is still that of the trees, bit for bit; a value that
//! was not in the data gets the sum of the nearer of its two neighbours. With at most one split for
//! each row, the table is small, and 2,000 small files are scanned in the time of a few large ones.
//!
//! # What it costs
//!
//! More trees make a longer table, but a lookup is a few steps whatever its length (see `steps`),
//! so 1,000 trees are scored as fast as ten as long as the table fits the cache. Fitting costs some
//! microseconds for each tree of 256 rows, and does not depend on the number of rows beyond the
//! memory they lie in.
//!
//! Tried and left out: searching the table by halving, which takes five times as long; code for
//! wider vector instructions, which gained nothing, since the lookups wait for memory.

mod collapse;
#[cfg(test)]
mod walk;

use rayon::prelude::*;

use self::collapse::Sums;
use super::depth::LeafDepths;
use super::params::ForestParams;
use super::sampling::{SamplePlan, Sampler};
use super::split::Splits;
use super::steps::Steps;
use crate::support::error::{Error, ErrorKind, Result};

/// A fitted isolation forest on one feature.
///
/// Scores are in (0, 1], higher is more anomalous, and equal bit for bit at any thread count. A
/// NaN is treated like a value below all others. If all fitted values are equal, or each tree has
/// one row, every score is 0.5.
///
/// ```
/// use isoscan::forest::{ForestParams, UnivariateForest};
/// let mut values: Vec<f64> = (0..1000).map(|i| f64::from(i % 100)).collect();
/// values[500] = 1e6;
/// let forest = UnivariateForest::fit(&values, &ForestParams::default())?;
/// assert!(forest.score(1e6) > 0.7);
/// assert!(forest.score(50.0) < 0.5);
/// # Ok::<(), isoscan::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct UnivariateForest {
    steps: Steps<f64>,
}

impl UnivariateForest {
    /// Fits a forest on `values`, which are finite.
    ///
    /// Trees are grown in parallel.
    ///
    /// # Errors
    /// [`ErrorKind::NoUsableRow`] without a value.
    pub fn fit(values: &[f64], params: &ForestParams) -> Result<Self> {
        let sampler = Sampler::new(values.len(), params)?;
        let splits = Splits::new(params);
        let sums = if sampler.deals() {
            Sums::of_dealt(values.to_vec(), &sampler, &splits)
        } else {
            Sums::of_drawn(&sampler, &splits, |tree, sample, room| {
                sampler.draw(tree, &mut room.rows, &mut room.seen);
                sample.extend(room.rows.iter().map(|&row| values[row as usize]));
            })
        };
        Ok(Self::new(&sums, &sampler))
    }

    /// Fits a forest on the rows that `plan` asked for: `gathered[i]` is the value of row
    /// `plan.rows()[i]`, finite.
    ///
    /// The same forest, bit for bit, as [`fit`](Self::fit) on all rows.
    ///
    /// # Errors
    /// [`ErrorKind::ColumnMismatch`] if there are not as many values as the plan has rows;
    /// [`ErrorKind::Setting`] if the plan was drawn with other settings.
    pub fn fit_gathered(
        plan: &SamplePlan,
        gathered: &[f64],
        params: &ForestParams,
    ) -> Result<Self> {
        plan.check(params)?;
        if gathered.len() != plan.rows().len() {
            return Err(Error::new(
                ErrorKind::ColumnMismatch,
                format!(
                    "{} values were gathered for a plan of {} rows",
                    gathered.len(),
                    plan.rows().len()
                ),
            ));
        }
        let sampler = plan.sampler();
        let splits = Splits::new(params);
        let sums = if sampler.deals() {
            Sums::of_dealt(gathered.to_vec(), sampler, &splits)
        } else {
            Sums::of_drawn(sampler, &splits, |tree, sample, _| {
                sample.extend(plan.places(tree).iter().map(|&place| gathered[place]));
            })
        };
        Ok(Self::new(&sums, sampler))
    }

    fn new(sums: &Sums, sampler: &Sampler) -> Self {
        let average = LeafDepths::up_to(sampler.size).average(sampler.trees, sampler.size);
        let scores: Vec<f64> = sums
            .sums
            .par_iter()
            // Raising to a power takes as long as many additions, but handing over to a thread
            // takes longer still.
            .with_min_len(4096)
            .map(|&sum| super::score_of(sum, average))
            .collect();
        Self {
            steps: Steps::new(&sums.splits, &scores),
        }
    }

    /// The score of `value`.
    pub fn score(&self, value: f64) -> f64 {
        self.interval_score(self.interval_of(value))
    }

    /// Writes the score of `values[i]` to `out[i]`, on the calling thread alone.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn score_into(&self, values: &[f64], out: &mut [f64]) {
        assert_eq!(values.len(), out.len(), "one score for each value");
        self.steps.each(values, out, |out, _, score| *out = score);
    }

    /// Number of intervals of equal score, at least 1. Neighbours may have the same score.
    pub fn interval_count(&self) -> usize {
        self.steps.len()
    }

    /// The interval of `value`, counted from 0 at the lowest values.
    pub fn interval_of(&self, value: f64) -> usize {
        self.steps.interval_of(value)
    }

    /// Adds to `counts` how many of `values` lie in each interval, on the calling thread alone.
    ///
    /// Counts of all values and [`interval_score`](Self::interval_score) give any quantile of the
    /// scores exactly, without the scores.
    ///
    /// # Panics
    /// If there is not one count for each interval.
    pub fn count_intervals(&self, values: &[f64], counts: &mut [u64]) {
        assert_eq!(
            counts.len(),
            self.interval_count(),
            "one count for each interval"
        );
        self.steps.count(values, counts);
    }

    /// The score of all values in interval `interval`.
    ///
    /// # Panics
    /// If there is no such interval.
    pub fn interval_score(&self, interval: usize) -> f64 {
        self.steps.level(interval)
    }

    /// The bounds of interval `interval`: it holds the values above the first and up to the second.
    ///
    /// The first interval starts at minus infinity, the last ends at infinity.
    ///
    /// # Panics
    /// If there is no such interval.
    pub fn interval_bounds(&self, interval: usize) -> (f64, f64) {
        let above = interval
            .checked_sub(1)
            .map_or(f64::NEG_INFINITY, |before| self.steps.end(before));
        (above, self.steps.end(interval))
    }
}

impl UnivariateForest {
    /// The widest run of intervals whose score does not pass `threshold`, as a range of values without its
    /// ends. Empty (bounds the wrong way round) where there is none.
    pub fn ordinary_range(&self, threshold: f64) -> (f64, f64) {
        let mut widest = 0..0;
        let mut start = 0;
        for interval in 0..=self.interval_count() {
            if interval == self.interval_count() || self.interval_score(interval) > threshold {
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
}

#[cfg(test)]
mod tests {
    use super::super::params::SampleSize;
    use super::*;
    use proptest::prelude::*;

    fn params(trees: usize, size: usize, seed: u64) -> ForestParams {
        ForestParams::new(trees, SampleSize::Rows(size), seed).unwrap()
    }

    fn scores(values: &[f64], params: &ForestParams) -> Vec<f64> {
        let mut out = vec![0.0; values.len()];
        let forest = UnivariateForest::fit(values, params).unwrap();
        forest.score_into(values, &mut out);
        out
    }

    /// The end and the score of every interval.
    fn table(forest: &UnivariateForest) -> Vec<(f64, f64)> {
        (0..forest.interval_count())
            .map(|i| (forest.interval_bounds(i).1, forest.interval_score(i)))
            .collect()
    }

    /// Values without a pattern, with a few spikes, `rows` of them.
    fn noise(rows: usize) -> Vec<f64> {
        (0..rows as u64)
            .map(|i| {
                let bits = crate::support::random::scramble(i);
                let spike = if bits.is_multiple_of(500) { 1e4 } else { 1.0 };
                spike * crate::support::random::unit(bits)
            })
            .collect()
    }

    /// A forest of two trees on two rows: each tree is one split, and its leaves are one edge deep.
    #[test]
    fn two_rows_have_paths_of_one_edge_and_the_score_of_an_average_point() {
        // Path 1 = c(2), so 2^(-1/1).
        assert_eq!(scores(&[3.0, 8.0], &params(2, 256, 1)), [0.5, 0.5]);
    }

    #[test]
    fn three_rows_score_by_hand() {
        // The limit is 2 levels. The first split lies in the gap from 1 to 101 with chance 100/101:
        // then 101 has path 1, and 0 and 1 have path 2. Else 0 has path 1, the others 2.
        // c(3) = 5/3, so the scores are near 2^(-6/5), 2^(-6/5) and 2^(-3/5).
        let found = scores(&[0.0, 1.0, 101.0], &params(1010, 256, 7));
        // Trees are spread over the range, so ten in 1010 split in the small gap, give or take one.
        let mean = |short: f64| (-(2.0 - short / 1010.0) / (5.0 / 3.0)).exp2();
        assert!((found[0] - mean(10.0)).abs() < 1e-3);
        assert!((found[1] - mean(0.0)).abs() < 1e-9);
        assert!((found[2] - mean(1000.0)).abs() < 1e-3);
    }

    #[test]
    fn constant_values_and_samples_of_one_row_score_one_half() {
        for rows in [1, 2, 300, 100_000] {
            let found = scores(&vec![-7.5; rows], &params(20, 256, 1));
            assert!(found.iter().all(|&score| score == 0.5), "{rows} rows");
            let found = scores(&noise(rows), &params(20, 1, 1));
            assert!(found.iter().all(|&score| score == 0.5), "{rows} rows");
        }
    }

    #[test]
    fn no_values_are_an_error() {
        let error = UnivariateForest::fit(&[], &ForestParams::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoUsableRow);
    }

    #[test]
    fn spikes_score_highest_on_small_and_large_data() {
        for rows in [1000, 100_000] {
            let spike = |row: usize| row % 1000 == 700;
            let values: Vec<f64> = (0..rows)
                .map(|row| if spike(row) { 1e9 } else { (row % 89) as f64 })
                .collect();
            let found = scores(&values, &ForestParams::default());
            assert!((0..rows).all(|row| spike(row) || found[row] < found[700]));
        }
    }

    #[test]
    fn gathered_rows_give_the_same_forest_as_all_rows() {
        for rows in [1, 2, 300, 5000, 65_536, 65_537, 200_000] {
            let values = noise(rows);
            let params = params(50, 256, 3);
            let plan = SamplePlan::draw(rows, &params).unwrap();
            let gathered: Vec<f64> = plan
                .rows()
                .iter()
                .map(|&row| values[row as usize])
                .collect();
            let from_all = UnivariateForest::fit(&values, &params).unwrap();
            let from_gathered = UnivariateForest::fit_gathered(&plan, &gathered, &params).unwrap();
            assert_eq!(table(&from_all), table(&from_gathered), "{rows} rows");
        }
    }

    #[test]
    fn a_plan_of_other_settings_or_too_few_values_is_an_error() {
        let plan = SamplePlan::draw(10, &params(5, 4, 1)).unwrap();
        let fit = |values: &[f64], seed| {
            UnivariateForest::fit_gathered(&plan, values, &params(5, 4, seed))
                .unwrap_err()
                .kind()
        };
        assert_eq!(fit(&[0.0; 10], 2), ErrorKind::Setting);
        assert_eq!(fit(&[0.0; 9], 1), ErrorKind::ColumnMismatch);
    }

    #[test]
    fn a_forest_is_the_same_at_any_number_of_threads() {
        for rows in [3000, 100_000] {
            let values = noise(rows);
            let run = |threads| {
                rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .unwrap()
                    .install(|| {
                        table(&UnivariateForest::fit(&values, &ForestParams::default()).unwrap())
                    })
            };
            let one = run(1);
            assert_eq!(one, run(2));
            assert_eq!(one, run(8));
        }
    }

    #[test]
    fn the_order_of_few_rows_does_not_matter() {
        let mut values = noise(3000);
        let forest = UnivariateForest::fit(&values, &ForestParams::default()).unwrap();
        values.reverse();
        let reversed = UnivariateForest::fit(&values, &ForestParams::default()).unwrap();
        assert_eq!(table(&forest), table(&reversed));
    }

    #[test]
    fn doubling_and_halving_values_leaves_the_scores() {
        // Powers of two round nothing, so every split moves along exactly.
        for rows in [500, 70_000] {
            let values = noise(rows);
            let params = params(50, 256, 11);
            for factor in [0.5, 2.0, 1024.0] {
                let scaled: Vec<f64> = values.iter().map(|value| value * factor).collect();
                assert_eq!(scores(&values, &params), scores(&scaled, &params));
            }
        }
    }

    #[test]
    fn intervals_counts_and_scores_agree() {
        for rows in [1000, 100_000] {
            let values = noise(rows);
            let forest = UnivariateForest::fit(&values, &ForestParams::default()).unwrap();
            let mut out = vec![0.0; rows];
            forest.score_into(&values, &mut out);
            let mut counts = vec![0; forest.interval_count()];
            forest.count_intervals(&values, &mut counts);
            for (&value, &score) in values.iter().zip(&out) {
                let interval = forest.interval_of(value);
                let (above, up_to) = forest.interval_bounds(interval);
                assert!(above < value && value <= up_to);
                assert_eq!(forest.score(value), score);
                assert_eq!(forest.interval_score(interval), score);
                counts[interval] -= 1;
            }
            assert!(counts.iter().all(|&count| count == 0));
        }
    }

    #[test]
    fn values_that_are_no_number_or_infinite_score_like_the_nearest_end() {
        let forest = UnivariateForest::fit(&noise(1000), &ForestParams::default()).unwrap();
        let last = forest.interval_count() - 1;
        assert_eq!(forest.interval_of(f64::NAN), 0);
        assert_eq!(forest.interval_of(f64::NEG_INFINITY), 0);
        assert_eq!(forest.interval_of(f64::INFINITY), last);
    }

    proptest! {
        #[test]
        fn scores_are_above_zero_and_at_most_one(
            values in prop::collection::vec(
                any::<f64>().prop_filter("finite", |value| value.is_finite()),
                1..400,
            ),
            size in prop_oneof![
                (1_usize..500).prop_map(SampleSize::Rows),
                (0.01_f64..=1.0).prop_map(SampleSize::Share),
            ],
            seed in any::<u64>(),
        ) {
            let params = ForestParams::new(30, size, seed).unwrap();
            for score in scores(&values, &params) {
                prop_assert!(score > 0.0 && score <= 1.0, "{}", score);
            }
        }
    }
}

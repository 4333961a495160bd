//! Scores of one column by infinitely many trees: a piecewise linear depth of the value.

use std::sync::Arc;

use super::counts::Counts;
use super::{ValueScores, auto_threshold, drawn_values};
use crate::detect::baseline::Baseline;
use crate::detect::quantile::{self, Numbers};
use crate::detect::threshold::{self, Contamination};
use crate::forest::infinite::rows_to_gather;
use crate::forest::{ForestParams, InfiniteForest};
use crate::series::{Chunk, Series};
use crate::support::error::Result;

/// Fits the forest on rows drawn from `series`.
pub(super) fn fit(series: &Series, params: &ForestParams) -> Result<InfiniteForest> {
    let rows = rows_to_gather(series.rows(), params);
    InfiniteForest::fit(&series.gather(0, &rows)?, params)
}

/// The scores of a series, with the number of rows in each interval.
#[derive(Debug)]
pub(super) struct InfiniteScores {
    forest: Arc<InfiniteForest>,
    counts: Counts,
    seed: u64,
}

impl InfiniteScores {
    /// Counts the rows of `series`.
    pub(super) fn new(forest: &Arc<InfiniteForest>, series: &Series, seed: u64) -> Result<Self> {
        let count = |values: &[f64], counts: &mut [u64]| forest.count_intervals(values, counts);
        Ok(Self {
            counts: Counts::of(series, forest.interval_count(), count)?,
            forest: Arc::clone(forest),
            seed,
        })
    }

    /// Depths that rows of these ranks may have, from 0 for the smallest depth; the second rank is the greater.
    ///
    /// An interval's rows have depths between those at its ends, so the counts bracket any rank; what
    /// is left to be worked out row by row lies in a few intervals.
    fn candidates(&self, first: u64, second: u64) -> Candidates<'_> {
        let intervals = self.counts.rows().iter().enumerate();
        let intervals: Vec<Interval> = intervals
            .filter(|&(_, &rows)| rows > 0)
            .map(|(number, &rows)| {
                let (least, greatest) = self.forest.interval_depths(number);
                Interval {
                    number,
                    rows,
                    least,
                    greatest,
                }
            })
            .collect();
        // More than `rank` rows have surely no greater depth than the highest that is reached so far.
        let low = depth_reached(&intervals, first, |interval| interval.least);
        let high = depth_reached(&intervals, second, |interval| interval.greatest);
        let mut candidates = Candidates {
            forest: &self.forest,
            wanted: vec![false; self.forest.interval_count()],
            skipped: (f64::INFINITY, f64::NEG_INFINITY),
            before: 0,
            rows: 0,
        };
        for interval in intervals {
            if interval.greatest < low {
                candidates.before += interval.rows;
            } else if interval.least <= high {
                candidates.wanted[interval.number] = true;
                candidates.rows += interval.rows;
            }
        }
        candidates.skipped = candidates.widest_gap();
        candidates
    }
}

/// Rows between two knots, and their least and greatest depth.
struct Interval {
    number: usize,
    rows: u64,
    least: f64,
    greatest: f64,
}

/// The depth at which more than `rank` rows are reached, were each at the depth `of` its interval.
fn depth_reached(intervals: &[Interval], rank: u64, of: impl Fn(&Interval) -> f64) -> f64 {
    let mut reached: Vec<(f64, u64)> = intervals
        .iter()
        .map(|interval| (of(interval), interval.rows))
        .collect();
    reached.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut rows = 0;
    for &(depth, more) in &reached {
        rows += more;
        if rows > rank {
            return depth;
        }
    }
    f64::INFINITY
}

/// Rows among which those of some ranks are.
struct Candidates<'a> {
    forest: &'a InfiniteForest,
    /// For each interval, whether its rows are among them.
    wanted: Vec<bool>,
    /// No value strictly between these is.
    skipped: (f64, f64),
    /// Rows with a smaller depth than any of the ranks in question.
    before: u64,
    rows: u64,
}

impl Candidates<'_> {
    /// The longest run of intervals that are not wanted, as a range of values without its ends.
    fn widest_gap(&self) -> (f64, f64) {
        let runs = self.wanted.chunk_by(|a, b| a == b);
        let starts = runs.clone().scan(0, |start, run| {
            let this = *start;
            *start += run.len();
            Some(this)
        });
        let unwanted = starts.zip(runs).filter(|(_, run)| !run[0]);
        match unwanted.max_by_key(|(_, run)| run.len()) {
            Some((start, run)) => (
                self.forest.interval_bounds(start).0,
                self.forest.interval_bounds(start + run.len() - 1).1,
            ),
            None => (f64::INFINITY, f64::NEG_INFINITY),
        }
    }
}

impl Numbers for Candidates<'_> {
    fn each(&self, chunk: &Chunk, mut give: impl FnMut(f64)) {
        for &value in chunk.values(0) {
            if !(value > self.skipped.0 && value < self.skipped.1)
                && self.wanted[self.forest.interval_of(value)]
            {
                give(self.forest.depth(value));
            }
        }
    }
}

impl ValueScores for InfiniteScores {
    fn of(&self, value: f64) -> f64 {
        self.forest.score(value)
    }

    fn write(&self, values: &[f64], out: &mut Vec<f64>) {
        out.clear();
        out.resize(values.len(), 0.0);
        self.forest.score_into(values, out);
    }

    fn quantile_threshold(&self, series: &Series, rate: Contamination) -> Result<f64> {
        // The smallest depth is the highest score.
        threshold::quantile_of_neighbours(series.rows() as u64, rate, |first, second| {
            let candidates = self.candidates(first, second);
            let ranks = [first, second].map(|rank| rank - candidates.before);
            let depths = quantile::numbers_of_ranks(series, &candidates, ranks, candidates.rows)?;
            Ok(depths.map(|depth| self.forest.score_of(depth)))
        })
    }

    fn auto_threshold(&self, series: &Series) -> Result<f64> {
        let drawn = drawn_values(series, self.seed)?;
        let score = |value| self.of(value);
        let average = self.forest.average_depth();
        Ok(auto_threshold(&drawn, score, average, series.rows()))
    }

    fn ordinary_range(&self, threshold: f64) -> (f64, f64) {
        self.forest.ordinary_range(threshold)
    }

    fn baseline(&self, series: &Series) -> Result<Baseline> {
        self.counts
            .baseline(series, |interval| self.forest.interval_bounds(interval))
    }
}

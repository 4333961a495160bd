//! The forest of infinitely many trees on one feature, in closed form.
//!
//! An isolation tree on a line puts its first split anywhere between the outermost points, the next
//! anywhere between those that are left, and so on. Seen from a point x, only splits that part others
//! from it matter. Give every place of the line a clock that rings after an exponential time, at a rate
//! proportional to length: the first ring between the outermost points is the tree's first split, the
//! first in what is left the second, and so on for ever. Of two points at x and p the gap next to p,
//! `g` wide, rings before all the rest of what lies between them with probability `g / |x - p|`, and if
//! it does, that split parts p, and nothing nearer, from x. So the expected depth of x is
//!
//! `E(x) = Σ g_j / (x - p_j)` over the points on its left `+` the mirror image on its right
//!
//! where `g_j` is the distance from p_j to the next point towards x: 1 for the nearest on either side.
//! Where `m` other rows have the very value of x, no split parts them; as at a leaf of any isolation tree,
//! `c(m + 1)` is added. The score is `2^(-E / c(n + 1))` for n points beside x.
//!
//! The row that is judged is one of the tree's points here, where a tree of the paper judges rows that
//! it was not grown on by the leaf that they fall into, and so cannot tell a value just beyond its
//! sample from one a thousand times as far.

use crate::forest::depth::average_depth;

/// The limit of all isolation trees that are grown on one sample and the row that is judged.
///
/// ```
/// use isoscan::forest::InclusiveForest;
/// let sample: Vec<f64> = (0..256).map(f64::from).collect();
/// let forest = InclusiveForest::new(&sample);
/// assert!(forest.score(100.0) < 0.5);
/// assert!(forest.score(300.0) < forest.score(3_000.0));
/// ```
#[derive(Debug, Clone)]
pub struct InclusiveForest {
    /// Distinct values of the sample, ascending, quartered so that no difference overflows.
    points: Vec<f64>,
    /// From each point to the next; the last has none.
    gaps: Vec<f64>,
    /// `c(m + 1)` for the m rows at each point.
    leaf_depths: Vec<f64>,
    /// `c(n + 1)`, the depth of an average point.
    average: f64,
}

impl InclusiveForest {
    /// The forest on `sample`, finite and in ascending order. Costs one pass over it.
    pub fn new(sample: &[f64]) -> Self {
        let mut points = Vec::with_capacity(sample.len());
        let mut leaf_depths = Vec::with_capacity(sample.len());
        for rows in sample.chunk_by(|a, b| a / 4.0 == b / 4.0) {
            points.push(rows[0] / 4.0);
            leaf_depths.push(average_depth(rows.len() + 1));
        }
        Self {
            gaps: points.windows(2).map(|pair| pair[1] - pair[0]).collect(),
            points,
            leaf_depths,
            average: average_depth(sample.len() + 1),
        }
    }

    /// Mean path length of an average point: `c(n + 1)` for a sample of n.
    pub fn average_depth(&self) -> f64 {
        self.average
    }

    /// Mean path length of `value`, in splits. Costs a division for each point of the sample.
    pub fn depth(&self, value: f64) -> f64 {
        let x = value / 4.0;
        let left = self.points.partition_point(|&point| point < x);
        let leaf = match self.points.get(left) {
            Some(&point) if point == x => Some(left),
            _ => None,
        };
        let right = left + usize::from(leaf.is_some());
        self.left_of(x, left)
            + self.right_of(x, right)
            + leaf.map_or(0.0, |at| self.leaf_depths[at])
    }

    /// The score of `value`, in (0, 1]; 0.5 where the sample is empty.
    pub fn score(&self, value: f64) -> f64 {
        if self.average > 0.0 {
            (-self.depth(value) / self.average).exp2()
        } else {
            0.5
        }
    }

    /// The widest range of values that surely score no more than `threshold`: a quick way past most
    /// rows. Empty (bounds the wrong way round) where there is none. Costs a division for each pair of
    /// points.
    pub fn ordinary_range(&self, threshold: f64) -> (f64, f64) {
        let mut widest = (f64::INFINITY, f64::NEG_INFINITY);
        let mut start = None;
        for at in 0..self.points.len() {
            let deep_here = self.score(self.points[at] * 4.0) <= threshold;
            if !deep_here {
                start = None;
                continue;
            }
            let from = *start.get_or_insert(at);
            if self.points[at] - self.points[from] > (widest.1 - widest.0).max(0.0) {
                widest = (self.points[from], self.points[at]);
            }
            if at + 1 < self.points.len() {
                // Nowhere between two points is the depth less than with each term at its least.
                let (a, b) = (self.points[at], self.points[at + 1]);
                let least = self.left_of(b, at + 1) + self.right_of(a, at + 1);
                if (-least / self.average).exp2() > threshold {
                    start = None;
                }
            }
        }
        (widest.0 * 4.0, widest.1 * 4.0)
    }

    /// What the first `count` points, all left of `x`, add to its depth.
    fn left_of(&self, x: f64, count: usize) -> f64 {
        let Some(farther) = count.checked_sub(1) else {
            return 0.0;
        };
        let terms = self.gaps[..farther].iter().zip(&self.points);
        1.0 + terms.map(|(gap, point)| gap / (x - point)).sum::<f64>()
    }

    /// What the points from `from` on, all right of `x`, add to its depth.
    fn right_of(&self, x: f64, from: usize) -> f64 {
        if from >= self.points.len() {
            return 0.0;
        }
        let terms = self.gaps[from..].iter().zip(&self.points[from + 1..]);
        1.0 + terms.map(|(gap, point)| gap / (point - x)).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    /// The depth at which `x` is alone among `points` and itself, in one random tree.
    fn grown_depth(points: &[f64], x: f64, random: &mut Xoshiro256PlusPlus) -> f64 {
        let mut left: Vec<f64> = points.to_vec();
        left.push(x);
        let mut depth = 0.0;
        loop {
            let low = left.iter().copied().fold(f64::INFINITY, f64::min);
            let high = left.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if low == high {
                return depth + average_depth(left.len());
            }
            let split = random.random_range(low..high);
            left.retain(|&point| (point > split) == (x > split));
            depth += 1.0;
        }
    }

    #[test]
    fn the_depth_is_the_mean_over_trees_that_are_really_grown() {
        let sample = [-3.0, 0.0, 0.0, 0.5, 1.0, 1.1, 4.0, 4.0, 4.0, 90.0];
        let forest = InclusiveForest::new(&sample);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        for x in [-10.0, -3.0, 0.2, 1.05, 4.0, 30.0, 90.0, 500.0] {
            let trees = 40_000;
            let sum: f64 = (0..trees)
                .map(|_| grown_depth(&sample, x, &mut random))
                .sum();
            let (grown, closed) = (sum / f64::from(trees), forest.depth(x));
            assert!((grown - closed).abs() < 0.03, "{x}: {grown} {closed}");
        }
    }

    #[test]
    fn farther_away_is_more_anomalous_without_end() {
        let sample: Vec<f64> = (0..256).map(f64::from).collect();
        let forest = InclusiveForest::new(&sample);
        let scores = [256.0, 300.0, 1e3, 1e6, 1e300].map(|x| forest.score(x));
        assert!(scores.is_sorted_by(|a, b| a < b), "{scores:?}");
        assert!(scores[4] < (-1.0 / average_depth(257)).exp2() + 1e-12);
    }

    #[test]
    fn a_sample_of_nothing_says_nothing() {
        assert_eq!(InclusiveForest::new(&[]).score(7.0), 0.5);
    }

    #[test]
    fn the_ordinary_range_covers_the_bulk() {
        let mut sample: Vec<f64> = (0..255).map(f64::from).collect();
        sample.push(1e6);
        let (low, high) = InclusiveForest::new(&sample).ordinary_range(0.6);
        assert!(low <= 3.0 && (250.0..1e6).contains(&high), "{low} {high}");
    }

    fn any_value() -> impl Strategy<Value = f64> {
        prop_oneof![
            -100.0..100.0,
            prop::num::f64::NORMAL,
            Just(0.0),
            Just(f64::MAX),
            Just(5e-324)
        ]
    }

    proptest! {
        #[test]
        fn scores_are_scores_whatever_the_values(
            mut sample in prop::collection::vec(any_value(), 1..60),
            values in prop::collection::vec(any_value(), 1..60),
            threshold in 0.3..0.9,
        ) {
            sample.sort_by(f64::total_cmp);
            let forest = InclusiveForest::new(&sample);
            let (low, high) = forest.ordinary_range(threshold);
            for value in values {
                let score = forest.score(value);
                prop_assert!(score > 0.0 && score <= 1.0, "{} {}", value, score);
                if value > low && value < high {
                    prop_assert!(score <= threshold + 1e-12, "{} in {} to {}: {}", value, low, high, score);
                }
            }
        }
    }
}

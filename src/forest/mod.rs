//! Isolation forests: how easily a point is split off from the others.
//!
//! In: columns of finite numbers. Out: a score for each row, in (0, 1], higher is more anomalous.
//! Knows nothing of files, time or tables.
//!
//! An isolation tree splits the range of a random sample at random places, again and again, until
//! each row is alone or the tree is as deep as a balanced one would be. A point that is far from
//! the others is alone after few splits: its *path* is short. Where a leaf still holds several rows,
//! the path is continued by the average depth of a tree of so many rows, [`depth::average_depth`].
//! The score compares the mean path over all trees, `E(h)`, with that of an average point:
//!
//! `score = 2^(-E(h) / c(sample size))`
//!
//! so 0.5 is an average point, and the nearer to 1, the more anomalous.
//!
//! Source: Liu, Ting, Zhou, "Isolation MultivariateForest", ICDM 2008; `c` and the score are equations 1 and 2.
//!
//! Two forests grow the same kind of trees: [`UnivariateForest`] on a single feature, where all trees
//! collapse into one sorted table, and [`MultivariateForest`] on several. [`InclusiveForest`] is what the first comes
//! to with infinitely many trees, each of which holds the row that is judged. All give the same bits at any
//! number of threads, because path lengths are added as whole numbers and every tree's random
//! numbers depend on the settings and the tree's number alone.

pub mod depth;
pub mod infinite;
pub mod multivariate;
pub mod params;
mod sampling;
mod split;
mod steps;
pub mod univariate;

pub use infinite::{InclusiveForest, InfiniteForest};
pub use multivariate::MultivariateForest;
pub use params::{ForestParams, SampleSize};
pub use sampling::SamplePlan;
pub use univariate::UnivariateForest;

/// Levels that a tree of `sample_size` rows may have below its root: as many as a balanced tree.
fn height_limit(sample_size: usize) -> u32 {
    sample_size.next_power_of_two().trailing_zeros()
}

/// The score for paths that sum up to `paths` over all trees, where the paths of an average point
/// would sum up to `average`, both in fixed point.
///
/// A sample of one row says nothing about any other (`average` is 0): every score is 0.5.
fn score_of(paths: u64, average: u64) -> f64 {
    if average == 0 {
        0.5
    } else {
        (-(paths as f64) / average as f64).exp2()
    }
}

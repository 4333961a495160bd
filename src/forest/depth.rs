//! How deep an average search goes: the yardstick that path lengths are measured by.
//!
//! In: a number of points. Out: the average depth of the tree that would still separate them.

/// Average depth of an unsuccessful search in a binary search tree of `n` keys, in edges.
///
/// `c(n) = 2 H(n - 1) - 2 (n - 1) / n`, with `c(0) = c(1) = 0`; `H` is summed exactly, since the
/// logarithm approximation gives 0.154 instead of 1 at `n = 2` and leaves are small.
/// scikit-learn approximates from `n = 3` on, so its scores differ slightly.
/// Above [`SUMMED`] keys the harmonic number comes from its asymptotic series, whose error there
/// is below the last bit.
///
/// Source: Liu, Ting, Zhou, "Isolation MultivariateForest", ICDM 2008, equation 1.
///
/// ```
/// use isoscan::forest::depth::average_depth;
/// assert_eq!(average_depth(2), 1.0);
/// assert!((average_depth(256) - 10.24869).abs() < 1e-5);
/// ```
pub fn average_depth(n: usize) -> f64 {
    if n < 2 {
        return 0.0;
    }
    let keys = n as f64;
    2.0 * harmonic(n - 1) - 2.0 * (keys - 1.0) / keys
}

/// The largest number whose harmonic number is summed term by term.
pub const SUMMED: usize = 4096;

/// `1 + 1/2 + ... + 1/n`.
fn harmonic(n: usize) -> f64 {
    if n <= SUMMED {
        // Smallest terms first, which keeps the rounding error within a few units of the last place.
        return (1..=n).rev().map(|k| 1.0 / k as f64).sum();
    }
    const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
    let n = n as f64;
    n.ln() + EULER_GAMMA + 0.5 / n - 1.0 / (12.0 * n * n) + 1.0 / (120.0 * n.powi(4))
}

/// Fractional bits of a fixed-point path length.
const FRACTION_BITS: u32 = 32;

/// One edge in fixed point.
pub(super) const EDGE: u64 = 1 << FRACTION_BITS;

/// The most trees a forest can have without its path sums leaving 64 bits: a path is shorter than
/// 2^8 edges even for a sample of 2^64 rows.
pub(super) const MAX_TREES: usize = 1 << (64 - FRACTION_BITS - 8);

/// What a leaf adds to the path of the points that reach it, by the number of sample rows in it:
/// [`average_depth`] rounded to 32 fractional bits.
///
/// Whole numbers add up to the same sum in any order, which is what makes a forest's scores
/// independent of threads, and lets a test ask for equality between two ways of summing.
/// The rounding moves a score by less than 1e-10.
#[derive(Debug, Clone)]
pub(super) struct LeafDepths {
    by_size: Vec<u64>,
}

impl LeafDepths {
    /// The depths for leaves of up to `largest` rows.
    pub(super) fn up_to(largest: usize) -> Self {
        let mut harmonic = 0.0_f64;
        let mut carry = 0.0_f64;
        let mut by_size = Vec::with_capacity(largest + 1);
        by_size.push(0);
        for n in 1..=largest {
            let keys = n as f64;
            let depth = 2.0 * harmonic - 2.0 * (keys - 1.0) / keys;
            by_size.push((depth.max(0.0) * EDGE as f64).round() as u64);
            // Kahan's summation, since the terms come in the unfavourable order here.
            let term = 1.0 / keys - carry;
            let next = harmonic + term;
            carry = (next - harmonic) - term;
            harmonic = next;
        }
        Self { by_size }
    }

    /// The fixed-point path length of points that reach a leaf of `size` rows, `depth` edges down.
    #[inline]
    pub(super) fn path(&self, depth: u32, size: usize) -> u64 {
        u64::from(depth) * EDGE + self.by_size[size]
    }

    /// The fixed-point depth that a leaf of `size` rows stands for.
    #[inline]
    pub(super) fn of(&self, size: usize) -> u64 {
        self.by_size[size]
    }

    /// The fixed-point paths of an average point, summed over `trees` trees of `sample_size` rows.
    pub(super) fn average(&self, trees: usize, sample_size: usize) -> u64 {
        trees as u64 * self.by_size[sample_size]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_depths_equal_those_counted_by_hand() {
        assert_eq!(average_depth(0), 0.0);
        assert_eq!(average_depth(1), 0.0);
        assert_eq!(average_depth(2), 1.0);
        // 2 (1 + 1/2) - 2 * 2/3
        assert!((average_depth(3) - 5.0 / 3.0).abs() < 1e-15);
        // 2 (1 + 1/2 + 1/3) - 2 * 3/4
        assert!((average_depth(4) - 13.0 / 6.0).abs() < 1e-15);
    }

    #[test]
    fn the_series_continues_the_sum_without_a_step() {
        let summed: f64 = (1..=SUMMED + 1).rev().map(|k| 1.0 / k as f64).sum();
        assert!((harmonic(SUMMED + 1) - summed).abs() < 1e-14);
    }

    #[test]
    fn fixed_point_depths_are_within_half_a_unit() {
        let depths = LeafDepths::up_to(5000);
        for n in [0, 1, 2, 3, 10, 256, 4095, 4096, 4097, 5000] {
            let exact = average_depth(n) * EDGE as f64;
            assert!((depths.of(n) as f64 - exact).abs() <= 0.51, "{n}");
        }
    }
}

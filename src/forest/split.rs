//! Where a node splits its range of values in two.
//!
//! In: the tree, the node and the smallest and largest value of its sample rows. Out: a split that
//! leaves at least one row on either side. Points at the split go left: `value <= split`.
//!
//! Near the root the trees of a forest are *spread*: the first node of tree 1, the first node of
//! tree 2 and so on split at places that together cover the range evenly, and the same holds for
//! each other node of the first eight levels. A single tree cannot tell: each of its nodes splits
//! uniformly, and independently of its other nodes, because each node's places are shifted by a
//! random number of its own (a lattice rule with a random shift; Cranley and Patterson,
//! "Randomization of number theoretic methods for multiple integration", 1976). But the mean over
//! the trees depends less on luck, and two seeds agree better.

use super::params::ForestParams;
use crate::support::random::{self, Purpose, Stream};

/// Levels of nodes that are spread, the root being the first. All that a sample of 256 rows has.
const SPREAD_LEVELS: u32 = 8;

/// The random numbers of all nodes of all trees.
#[derive(Debug, Clone)]
pub(super) struct Splits {
    seed: u64,
    /// For each node of the spread levels, in the order of [`Node`] numbers, the distance from
    /// one tree's number to the next one's and the number of tree 0, in units of 2^-64.
    lattice: Vec<Spread>,
}

#[derive(Debug, Clone, Copy)]
struct Spread {
    step: u64,
    shift: u64,
}

/// A node's number: the root is 1, the children of node `j` are `2 j` and `2 j + 1`.
pub(super) const ROOT: u64 = 1;

impl Splits {
    pub(super) fn new(params: &ForestParams) -> Self {
        let trees = params.trees().get() as u64;
        let mut stream = Stream::new(params.seed(), Purpose::Lattice, 0);
        let lattice = (0..1 << SPREAD_LEVELS)
            .map(|_| {
                // A multiplier without a common factor visits each of the `trees` strata once.
                let multiplier = loop {
                    let candidate = stream.below(trees);
                    if shared_factor(candidate, trees) == 1 {
                        break candidate;
                    }
                };
                Spread {
                    step: ((u128::from(multiplier) << 64) / u128::from(trees)) as u64,
                    shift: stream.bits(),
                }
            })
            .collect();
        Self {
            seed: params.seed(),
            lattice,
        }
    }

    /// The random numbers of one tree.
    pub(super) fn of_tree(&self, tree: usize) -> TreeSplits<'_> {
        TreeSplits {
            lattice: &self.lattice,
            tree: tree as u64,
            key: random::key(self.seed, Purpose::Splits, tree as u64),
        }
    }
}

/// The random numbers of one tree's nodes; they do not depend on the order they are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct TreeSplits<'a> {
    lattice: &'a [Spread],
    tree: u64,
    key: u64,
}

impl TreeSplits<'_> {
    /// Where `node` splits the range from `low` to `high`: uniform, at or above `low` and below `high`.
    ///
    /// `low` and `high` are finite and `low < high`; `high - low` may be too large for a number.
    #[inline]
    pub(super) fn between(&self, low: f64, high: f64, node: u64) -> f64 {
        let bits = match self.lattice.get(node as usize) {
            Some(spread) => spread
                .shift
                .wrapping_add(spread.step.wrapping_mul(self.tree)),
            None => random::scramble(
                self.key
                    .wrapping_add(node.wrapping_mul(0xd134_2543_de82_ef95)),
            ),
        };
        place(low, high, random::unit(bits))
    }
}

/// The point a share `share` of the way from `low` to `high`, moved into `[low, high)` if rounding
/// left it outside.
#[inline]
pub(super) fn place(low: f64, high: f64, share: f64) -> f64 {
    let split = low * (1.0 - share) + high * share;
    if split < low {
        low
    } else if split < high {
        split
    } else {
        high.next_down()
    }
}

fn shared_factor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { shared_factor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::super::params::SampleSize;
    use super::*;

    #[test]
    fn a_cut_leaves_both_ends_on_their_sides() {
        let tiny = f64::from_bits(1);
        for (low, high) in [
            (0.0, 1.0),
            (-1e308, 1e308),
            (f64::MIN, f64::MAX),
            (0.0, tiny),
            (-tiny, tiny),
            (1.0, 1.0_f64.next_up()),
            (1e300, 1e300_f64.next_up()),
            (-1.0, -1.0_f64.next_down().abs().copysign(-1.0).next_up()),
        ] {
            if low >= high {
                continue;
            }
            for share in [0.0, 1e-17, 0.25, 0.5, 0.75, 1.0 - f64::EPSILON / 2.0] {
                let split = place(low, high, share);
                assert!(low <= split && split < high, "{low} {split} {high}");
            }
        }
    }

    #[test]
    fn the_trees_of_a_forest_share_the_range_of_a_node_evenly() {
        let params = ForestParams::new(100, SampleSize::default(), 5).unwrap();
        let splits = Splits::new(&params);
        for node in [1, 2, 3, 100, 255] {
            let mut strata = [0; 100];
            for tree in 0..100 {
                strata[splits.of_tree(tree).between(0.0, 100.0, node) as usize] += 1;
            }
            // The shift may push one split over a stratum's edge by rounding.
            assert!(strata.iter().filter(|&&count| count == 1).count() >= 98);
        }
    }

    #[test]
    fn the_cuts_of_one_tree_are_uniform_over_seeds_at_every_level() {
        for node in [1, 7, 255, 256, 100_000] {
            let mut tenths = [0_u32; 10];
            for seed in 0..5000 {
                let params = ForestParams::new(10, SampleSize::default(), seed).unwrap();
                tenths[Splits::new(&params).of_tree(3).between(0.0, 10.0, node) as usize] += 1;
            }
            // Standard deviation 21: five of them on either side.
            assert!(
                tenths.iter().all(|&t| t.abs_diff(500) < 106),
                "{node}: {tenths:?}"
            );
        }
    }
}

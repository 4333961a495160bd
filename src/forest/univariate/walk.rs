//! Isolation trees as the paper draws them: the truth that the fast forests are tested against.
//!
//! In: a sample, unsorted. Out: a tree of boxes that is walked from the root. Slow and plain on purpose.

use crate::forest::depth::{EDGE, LeafDepths};
use crate::forest::split::{ROOT, TreeSplits};

/// A node of an isolation tree on one feature.
pub(super) enum Node {
    Leaf {
        size: usize,
    },
    Fork {
        split: f64,
        left: Box<Node>,
        right: Box<Node>,
    },
}

impl Node {
    /// The tree for `sample`.
    ///
    /// A node is a leaf if its rows are all equal (one row is) or if it lies as deep as a balanced
    /// tree of the whole sample would be.
    pub(super) fn grow(sample: &[f64], splits: TreeSplits<'_>) -> Self {
        let limit = sample.len().next_power_of_two().trailing_zeros();
        Self::grow_below(sample, limit, ROOT, splits)
    }

    fn grow_below(sample: &[f64], levels: u32, node: u64, splits: TreeSplits<'_>) -> Self {
        let low = sample.iter().copied().fold(f64::INFINITY, f64::min);
        let high = sample.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if levels == 0 || low == high {
            return Self::Leaf { size: sample.len() };
        }
        let split = splits.between(low, high, node);
        let (left, right): (Vec<f64>, Vec<f64>) = sample.iter().partition(|&&value| value <= split);
        Self::Fork {
            split,
            left: Self::grow_below(&left, levels - 1, 2 * node, splits).into(),
            right: Self::grow_below(&right, levels - 1, 2 * node + 1, splits).into(),
        }
    }

    /// The path length of `value` in fixed point: edges walked plus what its leaf stands for.
    pub(super) fn path(&self, value: f64, leaves: &LeafDepths) -> u64 {
        match self {
            Self::Leaf { size } => leaves.of(*size),
            Self::Fork { split, left, .. } if value <= *split => EDGE + left.path(value, leaves),
            Self::Fork { right, .. } => EDGE + right.path(value, leaves),
        }
    }
}

//! Grows the trees of a forest on one feature and adds them up as they grow.
//!
//! In: the values, and which rows each tree has. Out: the sum of the path lengths over all trees,
//! as splits and the sum in each interval between them. How the table is searched is no concern here.

use rayon::prelude::*;

use crate::forest::depth::{EDGE, LeafDepths};
use crate::forest::height_limit;
use crate::forest::sampling::{Sampler, Seen, Subset};
use crate::forest::split::{ROOT, Splits, TreeSplits};
use crate::forest::steps::Steps;
use crate::support::parallel::min_tasks;
use crate::support::radix;

/// The sum of a value's path lengths over all trees, as a step function of the value.
#[derive(Debug)]
pub(super) struct Sums {
    /// Ascending, finite, without -0.
    pub(super) splits: Vec<f64>,
    /// In fixed point: `sums[i]` above `splits[i - 1]` and up to `splits[i]`, so one more than splits.
    pub(super) sums: Vec<u64>,
}

impl Sums {
    /// Grows the trees on `values`, all rows of the data, as `sampler` deals them.
    ///
    /// The sums are those of the trees at each of `values`; between two neighbours that the trees
    /// tell apart, they change half-way.
    pub(super) fn of_dealt(mut values: Vec<f64>, sampler: &Sampler, splits: &Splits) -> Self {
        for value in &mut values {
            *value = without_sign_of_zero(*value);
        }
        radix::sort_numbers(&mut values);
        let leaves = LeafDepths::up_to(sampler.size);
        let rows_up_to = rows_up_to(&values);
        let changes = (0..sampler.groups())
            .into_par_iter()
            .with_min_len(min_tasks(values.len()))
            .map(|group| {
                let mut changes = vec![0; values.len() + 1];
                let mut grower = Grower::default();
                sampler.deal(group, |tree, hand| {
                    grower.take(hand, &values);
                    grower.grow(
                        hand,
                        splits.of_tree(tree),
                        &leaves,
                        &rows_up_to,
                        &mut changes,
                    );
                });
                changes
            })
            .reduce(
                || vec![0; values.len() + 1],
                |mut sum, part| {
                    for (sum, part) in sum.iter_mut().zip(part) {
                        *sum = sum.wrapping_add(part);
                    }
                    sum
                },
            );
        let mut sum = changes[0];
        let mut collapsed = Self {
            splits: Vec::new(),
            sums: vec![sum],
        };
        for (pair, &change) in values.windows(2).zip(&changes[1..]) {
            if change != 0 {
                sum = sum.wrapping_add(change);
                collapsed.splits.push(halfway(pair[0], pair[1]));
                collapsed.sums.push(sum);
            }
        }
        collapsed
    }

    /// Grows each tree on the sample that `gather` appends to its empty vector, given the tree's
    /// number and room for the work.
    ///
    /// The sums are those of the trees at any value.
    pub(super) fn of_drawn(
        sampler: &Sampler,
        splits: &Splits,
        gather: impl Fn(usize, &mut Vec<f64>, &mut Room) + Sync,
    ) -> Self {
        let leaves = LeafDepths::up_to(sampler.size);
        let Walls { mut changes, first } = (0..sampler.trees)
            .into_par_iter()
            .fold(
                || (Walls::default(), Vec::new(), Room::default()),
                |(mut walls, mut sample, mut room), tree| {
                    sample.clear();
                    gather(tree, &mut sample, &mut room);
                    for value in &mut sample {
                        *value = without_sign_of_zero(*value);
                    }
                    sample.sort_unstable_by(f64::total_cmp);
                    walls.add_tree(&sample, splits.of_tree(tree), &leaves);
                    (walls, sample, room)
                },
            )
            .map(|(walls, ..)| walls)
            .reduce(Walls::default, Walls::joined);
        changes.par_sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut sum = first;
        let mut collapsed = Self {
            splits: Vec::with_capacity(changes.len()),
            sums: Vec::with_capacity(changes.len() + 1),
        };
        for (split, change) in changes {
            if collapsed.splits.last() != Some(&split) {
                collapsed.splits.push(split);
                collapsed.sums.push(sum);
            }
            sum = sum.wrapping_add(change);
        }
        collapsed.sums.push(sum);
        collapsed
    }
}

/// `value`, with 0 for -0: equal numbers then have equal bits.
fn without_sign_of_zero(value: f64) -> f64 {
    value + 0.0
}

/// Memory that a thread keeps from one tree to the next.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) rows: Vec<u64>,
    pub(super) seen: Seen,
}

/// How many of the sorted `values` are at or below a split, as a step function of the split.
fn rows_up_to(values: &[f64]) -> Steps<u32> {
    let mut distinct = Vec::with_capacity(values.len());
    let mut rows = Vec::with_capacity(values.len() + 1);
    for (row, &value) in values.iter().enumerate() {
        if distinct.last() != Some(&value) {
            distinct.push(value);
            rows.push(row as u32);
        }
    }
    rows.push(values.len() as u32);
    Steps::new(&distinct, &rows)
}

/// Grows trees on rows dealt from sorted values, all nodes of a level before the next level.
#[derive(Default)]
struct Grower {
    rows: Vec<u32>,
    sample: Vec<f64>,
    before: Vec<u32>,
    level: Vec<Fork>,
    below: Vec<Fork>,
}

/// A node that is to be split, since its sample varies.
#[derive(Debug, Clone, Copy, Default)]
struct Fork {
    node: u64,
    /// The smallest and the largest value of its sample.
    low: f64,
    high: f64,
    /// Its part of the sample.
    from: u32,
    to: u32,
    /// Its part of all values.
    first: u32,
    end: u32,
}

impl Grower {
    /// Makes `hand`, rows of the sorted `values`, the sample.
    fn take(&mut self, hand: &Subset, values: &[f64]) {
        hand.list(&mut self.rows);
        hand.count_words(&mut self.before);
        self.sample.clear();
        self.sample
            .extend(self.rows.iter().map(|&row| values[row as usize]));
    }

    /// Grows one tree and adds to `changes` by how much the path of the value of each row differs
    /// from that of the row before.
    ///
    /// Instead of searching its sample, a node asks how many of all values its split leaves on the
    /// left, and counts the sample's rows among them: both take the same few steps at every node.
    fn grow(
        &mut self,
        hand: &Subset,
        splits: TreeSplits<'_>,
        leaves: &LeafDepths,
        rows_up_to: &Steps<u32>,
        changes: &mut [u64],
    ) {
        let mut add = |first: u32, end: u32, length: u64| {
            let (first, end) = (first as usize, end as usize);
            changes[first] = changes[first].wrapping_add(length);
            changes[end] = changes[end].wrapping_sub(length);
        };
        let sample = &self.sample[..];
        let root = Fork {
            node: ROOT,
            low: sample[0],
            high: sample[sample.len() - 1],
            from: 0,
            to: sample.len() as u32,
            first: 0,
            end: hand.bound() as u32,
        };
        if root.low == root.high {
            return add(root.first, root.end, leaves.of(sample.len()));
        }
        // A level has at most one fork for every two rows, and one place more is written to.
        let (mut level, mut below) = (&mut self.level, &mut self.below);
        level.resize(sample.len() + 1, root);
        below.resize(sample.len() + 1, root);
        level[0] = root;
        let mut forks = 1;
        let limit = height_limit(sample.len());
        for depth in 1..=limit {
            let mut next = 0;
            for fork in &level[..forks] {
                add(fork.first, fork.end, EDGE);
                let split = splits.between(fork.low, fork.high, fork.node);
                let end = rows_up_to.level_above(split);
                let middle = hand.below(end, &self.before);
                let left = Fork {
                    node: 2 * fork.node,
                    high: sample[middle as usize - 1],
                    to: middle,
                    end,
                    ..*fork
                };
                let right = Fork {
                    node: 2 * fork.node + 1,
                    low: sample[middle as usize],
                    from: middle,
                    first: end,
                    ..*fork
                };
                for child in [left, right] {
                    // Written in any case, kept if it varies: that is cheaper than a wrong guess.
                    below[next] = child;
                    let varies = child.low < child.high;
                    next += usize::from(varies);
                    let size = child.to - child.from;
                    // A leaf of one row adds nothing; a branch on `varies` alone would be a guess.
                    if (!varies & (size > 1)) | (depth == limit) {
                        add(child.first, child.end, leaves.of(size as usize));
                    }
                }
            }
            forks = next;
            std::mem::swap(&mut level, &mut below);
        }
    }
}

/// The splits of any number of trees, with what they change.
#[derive(Default)]
struct Walls {
    /// Each split, with the path of the leaf on its right less the path of the leaf on its left.
    changes: Vec<(f64, u64)>,
    /// The sum of the paths of the leftmost leaves.
    first: u64,
}

impl Walls {
    /// Grows a tree on a sorted sample, leaf after leaf from left to right.
    fn add_tree(&mut self, sample: &[f64], splits: TreeSplits<'_>, leaves: &LeafDepths) {
        /// A right child that waits for its left sibling to be done, and the split between them.
        #[derive(Clone, Copy)]
        struct Right {
            split: f64,
            from: usize,
            to: usize,
            depth: u32,
            node: u64,
        }
        let limit = height_limit(sample.len());
        let mut waiting: Vec<Right> = Vec::with_capacity(limit as usize);
        let (mut from, mut to, mut depth, mut node) = (0, sample.len(), 0, ROOT);
        let mut path = 0;
        let mut last_split = None;
        loop {
            while depth < limit && sample[from] < sample[to - 1] {
                let split = splits.between(sample[from], sample[to - 1], node);
                let middle = from + sample[from..to].partition_point(|&value| value <= split);
                depth += 1;
                node *= 2;
                waiting.push(Right {
                    split,
                    from: middle,
                    to,
                    depth,
                    node: node + 1,
                });
                to = middle;
            }
            let before = path;
            path = leaves.path(depth, to - from);
            match last_split {
                None => self.first += path,
                Some(split) => self.changes.push((split, path.wrapping_sub(before))),
            }
            let Some(right) = waiting.pop() else {
                return;
            };
            last_split = Some(right.split);
            (from, to, depth, node) = (right.from, right.to, right.depth, right.node);
        }
    }

    fn joined(mut self, other: Self) -> Self {
        self.changes.extend_from_slice(&other.changes);
        self.first += other.first;
        self
    }
}

/// A point from `low` up to but not including `high`, in the middle if there is one.
fn halfway(low: f64, high: f64) -> f64 {
    (0.5 * low + 0.5 * high).max(low).min(high.next_down())
}

#[cfg(test)]
mod tests {
    use super::super::walk::Node;
    use super::*;
    use crate::forest::params::{ForestParams, SampleSize};
    use proptest::prelude::*;

    fn params(trees: usize, size: usize, seed: u64) -> ForestParams {
        ForestParams::new(trees, SampleSize::Rows(size), seed).unwrap()
    }

    /// The path sums at `at`, each tree grown on its own and walked from the root.
    fn walked(values: &[f64], sampler: &Sampler, splits: &Splits, at: &[f64]) -> Vec<u64> {
        let leaves = LeafDepths::up_to(sampler.size);
        let mut sorted: Vec<f64> = values.iter().map(|v| v + 0.0).collect();
        sorted.sort_by(f64::total_cmp);
        let mut sums = vec![0; at.len()];
        for group in 0..sampler.groups() {
            sampler.deal(group, |tree, hand| {
                let mut rows = Vec::new();
                hand.list(&mut rows);
                let sample: Vec<f64> = rows.iter().map(|&row| sorted[row as usize]).collect();
                let root = Node::grow(&sample, splits.of_tree(tree));
                for (sum, &value) in sums.iter_mut().zip(at) {
                    *sum += root.path(value, &leaves);
                }
            });
        }
        sums
    }

    fn looked_up(collapsed: &Sums, at: &[f64]) -> Vec<u64> {
        at.iter()
            .map(|&v| collapsed.sums[collapsed.splits.partition_point(|&split| split < v)])
            .collect()
    }

    /// Small whole numbers with many ties, ordinary numbers, and the ends of what a number can be.
    fn awkward() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => (-5_i32..5).prop_map(f64::from),
            4 => -1.0..1.0,
            1 => prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
            1 => prop::sample::select(vec![1e308, -1e308, f64::MAX, f64::MIN, 5e-324, -5e-324, 0.0, -0.0]),
        ]
    }

    proptest! {
        #[test]
        fn the_table_of_dealt_rows_equals_walking_the_trees_for_every_fitted_value(
            values in prop::collection::vec(awkward(), 1..300),
            size in 1_usize..300,
            seed in any::<u64>(),
        ) {
            let params = params(40, size, seed);
            let sampler = Sampler::new(values.len(), &params).unwrap();
            let splits = Splits::new(&params);
            let collapsed = Sums::of_dealt(values.clone(), &sampler, &splits);
            prop_assert_eq!(looked_up(&collapsed, &values), walked(&values, &sampler, &splits, &values));
        }

        #[test]
        fn the_table_of_drawn_rows_equals_walking_the_trees_everywhere(
            values in prop::collection::vec(awkward(), 1..300),
            others in prop::collection::vec(awkward(), 0..100),
            size in 1_usize..300,
            seed in any::<u64>(),
        ) {
            let params = params(40, size, seed);
            let sampler = Sampler::new(values.len(), &params).unwrap();
            let splits = Splits::new(&params);
            let leaves = LeafDepths::up_to(sampler.size);
            let at: Vec<f64> = values.iter().chain(&others).copied().collect();
            let mut sums = vec![0; at.len()];
            let draw = |tree, sample: &mut Vec<f64>, room: &mut Room| {
                sampler.draw(tree, &mut room.rows, &mut room.seen);
                sample.extend(room.rows.iter().map(|&row| values[row as usize]));
            };
            for tree in 0..sampler.trees {
                let mut sample = Vec::new();
                draw(tree, &mut sample, &mut Room::default());
                let root = Node::grow(&sample, splits.of_tree(tree));
                for (sum, &value) in sums.iter_mut().zip(&at) {
                    *sum += root.path(value, &leaves);
                }
            }
            let collapsed = Sums::of_drawn(&sampler, &splits, draw);
            prop_assert_eq!(looked_up(&collapsed, &at), sums);
        }
    }

    #[test]
    fn a_point_half_way_is_at_or_above_the_lower_and_below_the_upper() {
        let tiny = f64::from_bits(1);
        for (low, high) in [
            (f64::MIN, f64::MAX),
            (-tiny, 0.0),
            (0.0, tiny),
            (-2.0 * tiny, -tiny),
            (1.0, 1.0_f64.next_up()),
        ] {
            let split = halfway(low, high);
            assert!(low <= split && split < high, "{low} {split} {high}");
        }
    }
}

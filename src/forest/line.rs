//! The isolation forest on one feature, collapsed into one sorted table.
use rayon::prelude::*;

use super::cut::{Cuts, ROOT, TreeCuts};
use super::depth::{EDGE, LeafDepths};
use super::params::ForestParams;
use super::radix;
use super::sample::{SamplePlan, Sampler, Seen, Subset};
use super::steps::Steps;
use crate::error::{Error, ErrorKind, Result};

/// A fitted forest on one feature.
#[derive(Debug, Clone)]
pub struct LineForest {
    steps: Steps<f64>,
}

impl LineForest {
    /// Fits a forest on `values`.
    pub fn fit(values: &[f64], params: &ForestParams) -> Result<Self> {
        let sampler = Sampler::new(values.len(), params)?;
        let steps = if sampler.deals() {
            Sums::from_all(values.to_vec(), &sampler, &Cuts::new(params))
        } else {
            Sums::from_samples(&sampler, &Cuts::new(params), |tree, sample, seen, rows| {
                sampler.draw(tree, rows, seen);
                sample.extend(rows.iter().map(|&row| values[row as usize] + 0.0));
            })
        };
        Ok(Self::new(steps, &sampler))
    }

    /// Fits a forest on the rows that `plan` asked for.
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
        let cuts = Cuts::new(params);
        let steps = if sampler.deals() {
            Sums::from_all(gathered.to_vec(), sampler, &cuts)
        } else {
            Sums::from_samples(sampler, &cuts, |tree, sample, _, _| {
                sample.extend(plan.places(tree).iter().map(|&place| gathered[place] + 0.0));
            })
        };
        Ok(Self::new(steps, sampler))
    }

    fn new(sums: Sums, sampler: &Sampler) -> Self {
        let average = LeafDepths::up_to(sampler.size).average(sampler.trees, sampler.size);
        let scores: Vec<f64> = sums
            .sums
            .par_iter()
            // Raising to a power takes as long as a hundred additions: worth a thread, if many.
            .with_min_len(4096)
            .map(|&sum| super::score_of(sum, average))
            .collect();
        Self {
            steps: Steps::new(&sums.cuts, &scores),
        }
    }

    /// Score of `value`.
    pub fn score(&self, value: f64) -> f64 {
        self.steps.level(self.interval_of(value))
    }

    /// Scores of `values`.
    pub fn score_into(&self, values: &[f64], out: &mut [f64]) {
        assert_eq!(values.len(), out.len(), "one score per value");
        self.steps.each(values, out, |out, _, score| *out = score);
    }

    /// Number of intervals.
    pub fn interval_count(&self) -> usize {
        self.steps.len()
    }

    /// Interval of `value`.
    pub fn interval_of(&self, value: f64) -> usize {
        self.steps.interval_of(value)
    }

    /// Adds to `counts` the number of `values` in each interval.
    pub fn count_intervals(&self, values: &[f64], counts: &mut [u64]) {
        assert_eq!(
            counts.len(),
            self.interval_count(),
            "one count per interval"
        );
        for values in values.chunks(COUNTED) {
            let mut intervals = [0_u32; COUNTED];
            self.steps.each(
                values,
                &mut intervals[..values.len()],
                |out, interval, _| {
                    *out = interval as u32;
                },
            );
            for &interval in &intervals[..values.len()] {
                counts[interval as usize] += 1;
            }
        }
    }

    /// Score of all values in interval `interval`.
    pub fn interval_score(&self, interval: usize) -> f64 {
        self.steps.level(interval)
    }

    /// Bounds of interval `interval`: above the first, up to and including the second.
    pub fn interval_bounds(&self, interval: usize) -> (f64, f64) {
        let above = interval
            .checked_sub(1)
            .map_or(f64::NEG_INFINITY, |before| self.steps.end(before));
        (above, self.steps.end(interval))
    }
}

/// Values whose intervals are looked up before they are counted.
const COUNTED: usize = 256;

/// Sums of path lengths over all trees, as a step function of the value.
#[derive(Debug, PartialEq)]
struct Sums {
    cuts: Vec<f64>,
    sums: Vec<u64>,
}

impl Sums {
    fn from_all(mut values: Vec<f64>, sampler: &Sampler, cuts: &Cuts) -> Self {
        for value in &mut values {
            *value += 0.0;
        }
        radix::sort_numbers(&mut values);
        let leaves = LeafDepths::up_to(sampler.size);
        let rows_up_to = rows_up_to(&values);
        let changes = (0..sampler.groups())
            .into_par_iter()
            .map(|group| {
                let mut changes = vec![0; values.len() + 1];
                let mut grower = Grower::default();
                sampler.deal(group, |tree, hand| {
                    grower.take(hand, &values);
                    grower.grow(hand, cuts.of_tree(tree), &leaves, &rows_up_to, &mut changes);
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
        let mut steps = Self {
            cuts: Vec::new(),
            sums: Vec::new(),
        };
        let mut sum = 0_u64;
        for (i, change) in changes[..values.len()].iter().enumerate() {
            if i == 0 {
                sum = *change;
                steps.sums.push(sum);
            } else if *change != 0 {
                sum = sum.wrapping_add(*change);
                steps.cuts.push(halfway(values[i - 1], values[i]));
                steps.sums.push(sum);
            }
        }
        steps
    }

    fn from_samples(
        sampler: &Sampler,
        cuts: &Cuts,
        gather: impl Fn(usize, &mut Vec<f64>, &mut Seen, &mut Vec<u64>) + Sync,
    ) -> Self {
        let leaves = LeafDepths::up_to(sampler.size);
        let (mut changes, first) = (0..sampler.trees)
            .into_par_iter()
            .fold(
                || (Vec::new(), 0_u64, Vec::new(), Seen::default(), Vec::new()),
                |(mut changes, mut first, mut sample, mut seen, mut rows), tree| {
                    sample.clear();
                    gather(tree, &mut sample, &mut seen, &mut rows);
                    sample.sort_unstable_by(f64::total_cmp);
                    let mut path = 0_u64;
                    let mut at: Option<f64> = None;
                    grow(&sample, cuts.of_tree(tree), &leaves, |found| match found {
                        Found::Leaf(length) => {
                            match at {
                                None => first += length,
                                Some(cut) => changes.push((cut, length.wrapping_sub(path))),
                            }
                            path = length;
                        }
                        Found::Cut(cut) => at = Some(cut),
                    });
                    (changes, first, sample, seen, rows)
                },
            )
            .map(|(changes, first, ..)| (changes, first))
            .reduce(
                || (Vec::new(), 0),
                |(mut a, first_a), (b, first_b)| {
                    a.extend_from_slice(&b);
                    (a, first_a + first_b)
                },
            );
        changes.par_sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut steps = Self {
            cuts: Vec::with_capacity(changes.len()),
            sums: vec![first],
        };
        let mut sum = first;
        for (cut, change) in changes {
            sum = sum.wrapping_add(change);
            if steps.cuts.last() == Some(&cut) {
                if let Some(last) = steps.sums.last_mut() {
                    *last = sum;
                }
            } else {
                steps.cuts.push(cut);
                steps.sums.push(sum);
            }
        }
        steps
    }
}

/// How many of the sorted `values` are at or below a cut, as a step function of the cut.
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

/// A node that is to be cut, since its sample varies.
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
    /// Instead of searching its sample, a node asks how many of all values its cut leaves on the
    /// left, and counts the sample's rows among them: both take the same few steps at every node.
    fn grow(
        &mut self,
        hand: &Subset,
        cuts: TreeCuts<'_>,
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
        let limit = super::height_limit(sample.len());
        for depth in 1..=limit {
            let mut next = 0;
            for fork in &level[..forks] {
                add(fork.first, fork.end, EDGE);
                let cut = cuts.between(fork.low, fork.high, fork.node);
                let end = rows_up_to.level_above(cut);
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

enum Found {
    Leaf(u64),
    Cut(f64),
}

fn grow(sample: &[f64], cuts: TreeCuts<'_>, leaves: &LeafDepths, mut found: impl FnMut(Found)) {
    struct Right {
        cut: f64,
        from: usize,
        to: usize,
        depth: u32,
        node: u64,
    }
    let limit = super::height_limit(sample.len());
    let mut stack: [Right; 64] = [const {
        Right {
            cut: 0.0,
            from: 0,
            to: 0,
            depth: 0,
            node: 0,
        }
    }; 64];
    let mut height = 0;
    let (mut from, mut to, mut depth, mut node) = (0, sample.len(), 0, ROOT);
    loop {
        while depth < limit && sample[from] < sample[to - 1] {
            let cut = cuts.between(sample[from], sample[to - 1], node);
            let middle = from + sample[from..to].partition_point(|&value| value <= cut);
            depth += 1;
            node *= 2;
            stack[height] = Right {
                cut,
                from: middle,
                to,
                depth,
                node: node + 1,
            };
            height += 1;
            to = middle;
        }
        found(Found::Leaf(leaves.path(depth, to - from)));
        if height == 0 {
            return;
        }
        height -= 1;
        let right = &stack[height];
        found(Found::Cut(right.cut));
        (from, to, depth, node) = (right.from, right.to, right.depth, right.node);
    }
}

/// A point from `low` up to but not including `high`, in the middle if there is one.
fn halfway(low: f64, high: f64) -> f64 {
    (0.5 * low + 0.5 * high).max(low).min(high.next_down())
}

#[cfg(test)]
mod tests {
    use super::super::params::SampleSize;
    use super::super::walk::Node;
    use super::*;
    use proptest::prelude::*;

    fn params(trees: usize, size: usize, seed: u64) -> ForestParams {
        ForestParams::new(trees, SampleSize::Rows(size), seed).unwrap()
    }

    fn walked(values: &[f64], sampler: &Sampler, cuts: &Cuts, at: &[f64]) -> Vec<u64> {
        let leaves = LeafDepths::up_to(sampler.size);
        let mut sorted: Vec<f64> = values.iter().map(|v| v + 0.0).collect();
        sorted.sort_by(f64::total_cmp);
        let mut sums = vec![0; at.len()];
        for group in 0..sampler.groups() {
            sampler.deal(group, |tree, hand| {
                let mut rows = Vec::new();
                hand.list(&mut rows);
                let sample: Vec<f64> = rows.iter().map(|&row| sorted[row as usize]).collect();
                let root = Node::grow(&sample, cuts.of_tree(tree));
                for (sum, &value) in sums.iter_mut().zip(at) {
                    *sum += root.path(value, &leaves);
                }
            });
        }
        sums
    }

    fn looked_up(steps: &Sums, at: &[f64]) -> Vec<u64> {
        at.iter()
            .map(|&v| steps.sums[steps.cuts.partition_point(|&cut| cut < v)])
            .collect()
    }

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
            let cuts = Cuts::new(&params);
            let steps = Sums::from_all(values.clone(), &sampler, &cuts);
            prop_assert_eq!(looked_up(&steps, &values), walked(&values, &sampler, &cuts, &values));
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
            let cuts = Cuts::new(&params);
            let leaves = LeafDepths::up_to(sampler.size);
            let at: Vec<f64> = values.iter().chain(&others).copied().collect();
            let mut sums = vec![0; at.len()];
            let (mut rows, mut seen) = (Vec::new(), Seen::default());
            for tree in 0..sampler.trees {
                sampler.draw(tree, &mut rows, &mut seen);
                let sample: Vec<f64> = rows.iter().map(|&row| values[row as usize]).collect();
                let root = Node::grow(&sample, cuts.of_tree(tree));
                for (sum, &value) in sums.iter_mut().zip(&at) {
                    *sum += root.path(value, &leaves);
                }
            }
            let steps = Sums::from_samples(&sampler, &cuts, |tree, sample, seen, rows| {
                sampler.draw(tree, rows, seen);
                sample.extend(rows.iter().map(|&row| values[row as usize] + 0.0));
            });
            prop_assert_eq!(looked_up(&steps, &at), sums);
        }
    }

    #[test]
    fn gathered_rows_give_the_same_forest_as_all_rows() {
        for n in [1, 2, 300, 5000, 70_000, 100_000] {
            let values: Vec<f64> = (0..n)
                .map(|i| ((i * 7919) % 10_007) as f64 * 0.37)
                .collect();
            let params = params(50, 256, 3);
            let plan = SamplePlan::draw(n, &params).unwrap();
            let gathered: Vec<f64> = plan.rows().iter().map(|&r| values[r as usize]).collect();
            let a = LineForest::fit(&values, &params).unwrap();
            let b = LineForest::fit_gathered(&plan, &gathered, &params).unwrap();
            let table = |forest: &LineForest| -> Vec<(f64, f64)> {
                (0..forest.interval_count())
                    .map(|i| (forest.interval_bounds(i).1, forest.interval_score(i)))
                    .collect()
            };
            assert_eq!(table(&a), table(&b));
        }
    }

    #[test]
    fn no_values_are_an_error() {
        let error = LineForest::fit(&[], &ForestParams::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoUsableRow);
    }
}

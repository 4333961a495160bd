//! The isolation forest on several features: trees of flat nodes.
//!
//! In: columns of finite numbers, all of one length. Out: a score for each row.
//!
//! With several features there is no shortcut through a sorted table, so every row walks every
//! tree. What makes the walk fast is that nothing in it is hard to foresee: rows go through a tree
//! side by side, all for the same number of steps, and a row that has reached its leaf steps on
//! the spot. So the processor works on one row while it waits for another row's memory. Trees are
//! taken one after the other for a block of rows, whose values stay in the fastest cache.

use rayon::prelude::*;

use super::depth::LeafDepths;
use super::params::ForestParams;
use super::sampling::{SamplePlan, Sampler, Seen};
use super::score_of;
use super::split;
use crate::support::error::{Error, ErrorKind, Result};
use crate::support::parallel::min_tasks;
use crate::support::random::{Purpose, Stream, unit};

/// A fitted isolation forest on one or more features.
///
/// Each node splits a feature picked at random among those that vary in its rows, at a place uniform
/// between the smallest and the largest value there. For a single feature
/// [`UnivariateForest`](super::UnivariateForest) scores a hundred times faster.
///
/// ```
/// use isoscan::forest::{MultivariateForest, ForestParams};
/// let x: Vec<f64> = (0..1000).map(|i| f64::from(i % 31)).collect();
/// let mut y = x.clone();
/// y[500] = 1e6;
/// let forest = MultivariateForest::fit(&[&x, &y], &ForestParams::default())?;
/// let mut scores = vec![0.0; 1000];
/// forest.score_into(&[&x, &y], &mut scores)?;
/// assert!(scores.iter().all(|&score| score <= scores[500]));
/// # Ok::<(), isoscan::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct MultivariateForest {
    columns: usize,
    trees: Vec<Tree>,
    /// What the paths of an average point would sum up to.
    average: u64,
}

/// Rows that share one pass over the trees.
const BLOCK: usize = 512;

/// Rows that walk side by side: enough to hide the time that a step waits for its operands.
const LANES: usize = 16;

/// Nodes that most trees are padded to: more than a tree on 256 rows can have.
const NODES: usize = 512;

impl MultivariateForest {
    /// Fits a forest on `columns`, each with the same number of finite values.
    ///
    /// Equal bit for bit at any thread count; trees are grown in parallel. Constant columns are
    /// never split; if all are constant every score is 0.5.
    ///
    /// # Errors
    /// [`ErrorKind::NoUsableRow`] without a row; [`ErrorKind::ColumnMismatch`] without a column or
    /// when columns differ in length.
    pub fn fit(columns: &[&[f64]], params: &ForestParams) -> Result<Self> {
        let rows = columns.first().map_or(0, |column| column.len());
        check(columns, rows)?;
        let sampler = Sampler::new(rows, params)?;
        Self::grow(&sampler, columns, |tree, rows, seen| {
            sampler.draw(tree, rows, seen);
        })
    }

    /// Fits a forest on the rows that `plan` asked for: `columns[c][i]` is the value of column `c`
    /// in row `plan.rows()[i]`.
    ///
    /// The same forest, bit for bit, as [`fit`](Self::fit) on all rows.
    ///
    /// # Errors
    /// [`ErrorKind::ColumnMismatch`] without a column or when a column has not as many values as
    /// the plan has rows; [`ErrorKind::Setting`] if the plan was drawn with other settings.
    pub fn fit_gathered(
        plan: &SamplePlan,
        columns: &[&[f64]],
        params: &ForestParams,
    ) -> Result<Self> {
        plan.check(params)?;
        check(columns, plan.rows().len())?;
        Self::grow(plan.sampler(), columns, |tree, rows, _| {
            rows.clear();
            rows.extend(plan.places(tree).iter().map(|&place| place as u64));
        })
    }

    /// Grows the trees on the rows of `columns` that `draw` names, unless all rows are dealt.
    fn grow(
        sampler: &Sampler,
        columns: &[&[f64]],
        draw: impl Fn(usize, &mut Vec<u64>, &mut Seen) + Sync,
    ) -> Result<Self> {
        let leaves = LeafDepths::up_to(sampler.size);
        let trees = if sampler.deals() {
            (0..sampler.groups())
                .into_par_iter()
                .with_min_len(min_tasks(sampler.rows))
                .flat_map_iter(|group| {
                    let mut trees = Vec::new();
                    let mut rows = Vec::new();
                    sampler.deal(group, |tree, hand| {
                        hand.list(&mut rows);
                        let rows = rows.iter().map(|&row| row as usize);
                        trees.push(Grower::new(sampler, tree, columns, rows).grow(&leaves));
                    });
                    trees
                })
                .collect()
        } else {
            (0..sampler.trees)
                .into_par_iter()
                .map_init(
                    || (Vec::new(), Seen::default()),
                    |(rows, seen), tree| {
                        draw(tree, rows, seen);
                        let rows = rows.iter().map(|&row| row as usize);
                        Grower::new(sampler, tree, columns, rows).grow(&leaves)
                    },
                )
                .collect()
        };
        Ok(Self {
            columns: columns.len(),
            trees,
            average: leaves.average(sampler.trees, sampler.size),
        })
    }

    /// Writes the score of row `i` of `columns` to `out[i]`: in (0, 1], higher is more anomalous.
    ///
    /// Equal bit for bit at any thread count; rows are taken in blocks, in parallel, so extra
    /// memory does not grow with their number. Work is `rows x trees x depth`. A NaN goes left at
    /// every split, as if it were below all numbers.
    ///
    /// # Errors
    /// [`ErrorKind::ColumnMismatch`] when the number of columns differs from that at fitting, or a
    /// column's length from `out.len()`.
    pub fn score_into(&self, columns: &[&[f64]], out: &mut [f64]) -> Result<()> {
        if columns.len() != self.columns {
            return Err(Error::new(
                ErrorKind::ColumnMismatch,
                format!(
                    "the rows have {} columns, the forest was fitted on {}",
                    columns.len(),
                    self.columns
                ),
            ));
        }
        check(columns, out.len())?;
        let least = min_tasks(out.len());
        let blocks = out.par_chunks_mut(BLOCK).with_min_len(least).enumerate();
        blocks.for_each_init(Block::default, |block, (number, out)| {
            block.load(columns, number * BLOCK, out.len());
            for tree in &self.trees {
                block.walk(tree);
            }
            for (score, &sum) in out.iter_mut().zip(&block.sums) {
                *score = score_of(sum, self.average);
            }
        });
        Ok(())
    }
}

/// Checks that there are columns and that each has `rows` values.
fn check(columns: &[&[f64]], rows: usize) -> Result<()> {
    if columns.is_empty() {
        return Err(Error::new(
            ErrorKind::ColumnMismatch,
            "a forest needs at least 1 column, found 0",
        ));
    }
    match columns.iter().position(|column| column.len() != rows) {
        None => Ok(()),
        Some(column) => Err(Error::new(
            ErrorKind::ColumnMismatch,
            format!(
                "column {column} has {} values where {rows} were expected",
                columns[column].len()
            ),
        )),
    }
}

/// Rows on their way through the trees: `values[row * stride + column]`, and the fixed-point sum
/// of each row's paths so far.
#[derive(Debug, Default)]
struct Block {
    /// The number of columns, rounded up to a power of two.
    stride: usize,
    values: Vec<f64>,
    sums: Vec<u64>,
}

impl Block {
    /// Takes in `rows` rows from row `first` on.
    fn load(&mut self, columns: &[&[f64]], first: usize, rows: usize) {
        self.stride = columns.len().next_power_of_two();
        // Whole groups of lanes, so that walking needs no odd end; the rows added are not read out.
        let padded = rows.next_multiple_of(LANES);
        self.sums.clear();
        self.sums.resize(padded, 0);
        self.values.clear();
        self.values.resize(padded * self.stride, 0.0);
        for (c, column) in columns.iter().enumerate() {
            for (row, &value) in column[first..first + rows].iter().enumerate() {
                self.values[row * self.stride + c] = value;
            }
        }
    }

    /// Leads all rows through `tree`.
    fn walk(&mut self, tree: &Tree) {
        if let Ok(nodes) = <&[Node; NODES]>::try_from(&tree.nodes[..]) {
            match self.stride {
                1 => return self.walk_small::<1>(tree, nodes),
                2 => return self.walk_small::<2>(tree, nodes),
                4 => return self.walk_small::<4>(tree, nodes),
                8 => return self.walk_small::<8>(tree, nodes),
                16 => return self.walk_small::<16>(tree, nodes),
                32 => return self.walk_small::<32>(tree, nodes),
                _ => {}
            }
        }
        let rows = self.values.chunks_exact(self.stride);
        for (sum, row) in self.sums.iter_mut().zip(rows) {
            *sum += tree.walk(row);
        }
    }

    /// Leads all rows through a tree of usual size. That the sizes are known when compiling takes
    /// the checks out of the inner loop, and a third off its time; the remainders change nothing.
    fn walk_small<const STRIDE: usize>(&mut self, tree: &Tree, nodes: &[Node; NODES]) {
        let (rows, _) = self.values.as_chunks::<STRIDE>();
        let (rows, _) = rows.as_chunks::<LANES>();
        let (sums, _) = self.sums.as_chunks_mut::<LANES>();
        for (sums, rows) in sums.iter_mut().zip(rows) {
            let mut at = [0_u32; LANES];
            for _ in 0..tree.depth {
                for (at, row) in at.iter_mut().zip(rows) {
                    let node = &nodes[*at as usize % NODES];
                    let value = row[node.column as usize % STRIDE];
                    *at = node.left + u32::from(value > node.split);
                }
            }
            for (sum, at) in sums.iter_mut().zip(at) {
                *sum += tree.paths[at as usize];
            }
        }
    }
}

/// One tree: the nodes of level after level, both children of a node side by side.
#[derive(Debug, Clone)]
struct Tree {
    /// [`NODES`] of them if that is enough, the last ones unused.
    nodes: Vec<Node>,
    /// For each node that is a leaf, the fixed-point path length of the rows that end there.
    paths: Vec<u64>,
    /// Steps that lead every row to its leaf.
    depth: u32,
}

impl Tree {
    /// The fixed-point path length of one row.
    fn walk(&self, row: &[f64]) -> u64 {
        let mut at = 0;
        for _ in 0..self.depth {
            let node = &self.nodes[at];
            at = node.left as usize + usize::from(row[node.column as usize] > node.split);
        }
        self.paths[at]
    }
}

/// A fork, or a leaf: a fork whose left child is itself and whose split no value exceeds.
#[derive(Debug, Clone, Copy)]
struct Node {
    split: f64,
    column: u32,
    /// The child for values up to the split; the one for values above comes next.
    left: u32,
}

/// Grows one tree from its sample.
struct Grower {
    stream: Stream,
    columns: usize,
    /// The sample, row after row.
    values: Vec<f64>,
    order: Vec<u32>,
    limit: u32,
}

impl Grower {
    fn new(
        sampler: &Sampler,
        tree: usize,
        columns: &[&[f64]],
        rows: impl Iterator<Item = usize>,
    ) -> Self {
        let mut values = Vec::with_capacity(sampler.size * columns.len());
        for row in rows {
            values.extend(columns.iter().map(|column| column[row]));
        }
        Self {
            stream: sampler.stream(Purpose::Splits, tree),
            columns: columns.len(),
            values,
            order: (0..sampler.size as u32).collect(),
            limit: super::height_limit(sampler.size),
        }
    }

    /// A node is a leaf if its rows are all equal or if it lies at the height limit.
    fn grow(mut self, leaves: &LeafDepths) -> Tree {
        let mut tree = Tree {
            nodes: vec![Node::leaf(0)],
            paths: vec![0],
            depth: 0,
        };
        // The nodes of one level that may still be split: number, and range in `order`.
        let mut level = vec![(0_u32, 0, self.order.len())];
        let mut varying = Vec::with_capacity(self.columns);
        for depth in 0.. {
            let mut below = Vec::with_capacity(2 * level.len());
            for (number, from, to) in level {
                let split = if depth < self.limit {
                    self.split(from, to, &mut varying)
                } else {
                    None
                };
                let Some((column, split)) = split else {
                    tree.paths[number as usize] = leaves.path(depth, to - from);
                    continue;
                };
                let middle = from + self.part(from, to, column, split);
                let left = tree.nodes.len() as u32;
                tree.nodes[number as usize] = Node {
                    split,
                    column: column as u32,
                    left,
                };
                tree.nodes.push(Node::leaf(left));
                tree.nodes.push(Node::leaf(left + 1));
                tree.paths.extend([0, 0]);
                tree.depth = depth + 1;
                below.push((left, from, middle));
                below.push((left + 1, middle, to));
            }
            if below.is_empty() {
                break;
            }
            level = below;
        }
        tree.nodes
            .resize(tree.nodes.len().max(NODES), Node::leaf(0));
        tree
    }

    /// A column that varies in the rows `order[from..to]`, each equally likely, and a place to split
    /// it; none if they are all equal.
    fn split(&mut self, from: usize, to: usize, left: &mut Vec<usize>) -> Option<(usize, f64)> {
        if to - from < 2 {
            return None;
        }
        left.clear();
        left.extend(0..self.columns);
        // Columns are tried in random order until one varies: no need to look at all of them.
        while !left.is_empty() {
            let column = left.swap_remove(self.stream.below(left.len() as u64) as usize);
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for &row in &self.order[from..to] {
                let value = self.values[row as usize * self.columns + column];
                low = low.min(value);
                high = high.max(value);
            }
            if low < high {
                return Some((column, split::place(low, high, unit(self.stream.bits()))));
            }
        }
        None
    }

    /// Moves the rows up to `split` before the others; returns how many they are.
    fn part(&mut self, from: usize, to: usize, column: usize, split: f64) -> usize {
        let order = &mut self.order[from..to];
        let mut middle = 0;
        for i in 0..order.len() {
            let goes_left = self.values[order[i] as usize * self.columns + column] <= split;
            order.swap(i, middle);
            middle += usize::from(goes_left);
        }
        middle
    }
}

impl Node {
    fn leaf(itself: u32) -> Self {
        Self {
            split: f64::INFINITY,
            column: 0,
            left: itself,
        }
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

    fn scores(columns: &[&[f64]], params: &ForestParams) -> Vec<f64> {
        let mut out = vec![0.0; columns[0].len()];
        let forest = MultivariateForest::fit(columns, params).unwrap();
        forest.score_into(columns, &mut out).unwrap();
        out
    }

    fn waves(rows: usize) -> (Vec<f64>, Vec<f64>) {
        let x = (0..rows).map(|i| (i as f64 * 0.7).sin()).collect();
        let y = (0..rows).map(|i| (i as f64 * 1.3).cos().powi(3)).collect();
        (x, y)
    }

    /// The path of one row, until a node that leads to itself.
    fn walk(tree: &Tree, row: &[f64]) -> u64 {
        let mut at = 0;
        loop {
            let node = &tree.nodes[at];
            if node.left as usize == at {
                return tree.paths[at];
            }
            at = node.left as usize + usize::from(row[node.column as usize] > node.split);
        }
    }

    proptest! {
        #[test]
        fn scores_in_blocks_equal_walking_row_by_row(
            rows in prop::collection::vec((-3_i32..3, -1e308..1e308), 1..200),
            size in 1_usize..200,
            seed in any::<u64>(),
        ) {
            let x: Vec<f64> = rows.iter().map(|row| f64::from(row.0)).collect();
            let y: Vec<f64> = rows.iter().map(|row| row.1).collect();
            let forest = MultivariateForest::fit(&[&x, &y], &params(20, size, seed)).unwrap();
            let mut out = vec![0.0; x.len()];
            forest.score_into(&[&x, &y], &mut out).unwrap();
            for (i, &score) in out.iter().enumerate() {
                prop_assert!(score > 0.0 && score <= 1.0);
                let sum = forest.trees.iter().map(|tree| walk(tree, &[x[i], y[i]])).sum();
                prop_assert_eq!(score, score_of(sum, forest.average));
            }
        }
    }

    /// The nodes of `tree` that are forks.
    fn forks(tree: &Tree) -> Vec<Node> {
        let nodes = tree.nodes[..tree.paths.len()].iter().enumerate();
        nodes
            .filter(|(i, node)| node.left as usize != *i)
            .map(|(_, node)| *node)
            .collect()
    }

    #[test]
    fn a_tree_is_no_deeper_than_a_balanced_one_and_has_one_leaf_more_than_forks() {
        let (x, y) = waves(300);
        let forest = MultivariateForest::fit(&[&x, &y], &params(5, 256, 3)).unwrap();
        for tree in &forest.trees {
            assert!(tree.depth <= 8);
            assert_eq!(tree.paths.len(), 2 * forks(tree).len() + 1);
        }
    }

    #[test]
    fn many_columns_and_large_samples_are_walked_like_few() {
        for (columns, size) in [(1, 256), (2, 256), (5, 256), (16, 256), (40, 256), (3, 900)] {
            let data: Vec<Vec<f64>> = (0..columns)
                .map(|c| (0..1000).map(|i| f64::from(i * (c + 3)).sin()).collect())
                .collect();
            let columns: Vec<&[f64]> = data.iter().map(Vec::as_slice).collect();
            let forest = MultivariateForest::fit(&columns, &params(10, size, 3)).unwrap();
            let mut out = vec![0.0; 1000];
            forest.score_into(&columns, &mut out).unwrap();
            for (i, &score) in out.iter().enumerate() {
                let row: Vec<f64> = columns.iter().map(|column| column[i]).collect();
                let sum = forest.trees.iter().map(|tree| walk(tree, &row)).sum();
                assert_eq!(score, score_of(sum, forest.average));
            }
        }
    }

    #[test]
    fn gathered_rows_give_the_same_scores_as_all_rows() {
        for rows in [1, 300, 100_000] {
            let (x, y) = waves(rows);
            let params = params(30, 64, 1);
            let plan = SamplePlan::draw(rows, &params).unwrap();
            let part = |column: &[f64]| -> Vec<f64> {
                plan.rows()
                    .iter()
                    .map(|&row| column[row as usize])
                    .collect()
            };
            let forest =
                MultivariateForest::fit_gathered(&plan, &[&part(&x), &part(&y)], &params).unwrap();
            let mut out = vec![0.0; rows];
            forest.score_into(&[&x, &y], &mut out).unwrap();
            assert_eq!(out, scores(&[&x, &y], &params));
        }
    }

    #[test]
    fn scores_are_the_same_at_any_number_of_threads() {
        let (x, y) = waves(3000);
        let run = |threads| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap()
                .install(|| scores(&[&x, &y], &params(100, 256, 42)))
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(8));
    }

    #[test]
    fn a_row_far_out_in_one_feature_scores_highest() {
        let (x, mut y) = waves(300);
        y[77] = 40.0;
        let scores = scores(&[&x, &y], &params(100, 256, 5));
        let highest = (0..300).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        assert_eq!(highest, Some(77));
    }

    #[test]
    fn constant_columns_are_never_cut() {
        let (x, _) = waves(500);
        let flat = vec![7.0; 500];
        let forest = MultivariateForest::fit(&[&flat, &x], &params(20, 256, 5)).unwrap();
        for tree in &forest.trees {
            assert!(forks(tree).iter().all(|fork| fork.column == 1));
        }
        let scores = scores(&[&flat], &params(20, 256, 5));
        assert!(scores.iter().all(|&score| score == 0.5));
    }

    #[test]
    fn columns_that_do_not_fit_are_an_error() {
        let (x, y) = waves(10);
        let forest = MultivariateForest::fit(&[&x, &y], &params(2, 8, 5)).unwrap();
        let mut out = vec![0.0; 10];
        for columns in [&[&x[..]][..], &[&x, &y, &x], &[&x, &y[1..]]] {
            let error = forest.score_into(columns, &mut out).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ColumnMismatch);
        }
        let error = MultivariateForest::fit(&[], &ForestParams::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ColumnMismatch);
        let error = MultivariateForest::fit(&[&[]], &ForestParams::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoUsableRow);
    }
}

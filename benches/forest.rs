//! Times the forests by themselves, on data made here from fixed seeds: no file, no time stamps.
//!
//! `fit/infinite` watches what each file costs before its first score, `score/infinite` what each row costs where
//! scores are written, `score/count` what it costs where they are not; `grown` the same with `--trees 1000`;
//! `general` a forest on several features.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use isoscan::forest::infinite::rows_to_gather;
use isoscan::forest::{
    ForestParams, InfiniteForest, MultivariateForest, SamplePlan, SampleSize, UnivariateForest,
};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

fn main() {
    divan::main();
}

/// Values handed to a thread at a time: their scores stay in the second cache.
const BLOCK: usize = 1 << 16;

/// Numbers from a normal distribution, by Box and Muller's method.
fn normal(rows: usize, seed: u64) -> Vec<f64> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut unit = || ((random.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    (0..rows)
        .map(|_| (-2.0 * unit().ln()).sqrt() * (std::f64::consts::TAU * unit()).cos())
        .collect()
}

/// The shapes of value columns that stress the search in different ways.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Every part of the table is visited: the hardest on the caches.
    Normal,
    /// Six powers of ten: the hardest on a table that is evenly spaced by value.
    LogNormal,
    /// Some eighty different values.
    Integers,
    /// Nearly all values within a millionth of each other, and spikes a thousand times as high.
    Cluster,
}

impl Shape {
    fn values(self, rows: usize) -> Vec<f64> {
        let normal = normal(rows, 9);
        let shaped = normal.iter().enumerate().map(|(row, value)| match self {
            Self::Normal => *value,
            Self::LogNormal => (2.0 * value).exp() * 1e4,
            Self::Integers => (100.0 + 10.0 * value).round(),
            Self::Cluster if row % 1000 == 0 => 1e9 * value.abs(),
            Self::Cluster => 1e6 * (1.0 + 1e-6 * value),
        });
        shaped.collect()
    }
}

const SHAPES: [Shape; 4] = [
    Shape::Normal,
    Shape::LogNormal,
    Shape::Integers,
    Shape::Cluster,
];

fn params(trees: usize) -> ForestParams {
    ForestParams::new(trees, SampleSize::Rows(256), 42).expect("settings in range")
}

mod fit {
    use super::*;

    /// The limit of infinitely many trees. 1,000 and 4,032 rows (two weeks of one row in 5 minutes) are the
    /// small files of which thousands are scanned in a run, each on one thread; of 10,000,000 rows 131,072 are
    /// drawn, and the cost no longer grows.
    #[divan::bench(args = [256, 1000, 4032, 65_536, 10_000_000])]
    fn infinite(bencher: Bencher, rows: usize) {
        let values = Shape::Normal.values(rows);
        let fit = || {
            let rows = rows_to_gather(values.len(), &ForestParams::default());
            let gathered: Vec<f64> = rows.iter().map(|&row| values[row as usize]).collect();
            InfiniteForest::fit(&gathered, &ForestParams::default())
        };
        let forest = fit().expect("values");
        assert!(forest.score(40.0) > 0.6 && forest.score(0.0) < 0.5);
        bencher.bench(fit);
    }

    /// Growing 1,000 trees instead. At 65,536 rows the rows are still dealt, at 10,000,000 drawn.
    #[divan::bench(args = [1000, 4032, 65_536, 10_000_000])]
    fn grown(bencher: Bencher, rows: usize) {
        let values = Shape::Normal.values(rows);
        let forest = UnivariateForest::fit(&values, &params(1000)).expect("values");
        assert!(forest.score(40.0) > 0.6 && forest.score(0.0) < 0.5);
        bencher.bench(|| UnivariateForest::fit(black_box(&values), &params(1000)));
    }

    /// The same by way of a plan, as for data that does not fit the memory.
    #[divan::bench(args = [10_000_000])]
    fn grown_gathered(bencher: Bencher, rows: usize) {
        let values = Shape::Normal.values(rows);
        bencher.bench(|| {
            let plan = SamplePlan::draw(rows, &params(1000))?;
            let gathered: Vec<f64> = plan
                .rows()
                .iter()
                .map(|&row| values[row as usize])
                .collect();
            UnivariateForest::fit_gathered(&plan, &gathered, &params(1000))
        });
    }

    /// Growing 100 trees on 8 features: little, and independent of the number of rows.
    #[divan::bench(args = [1_000_000])]
    fn general(bencher: Bencher, rows: usize) {
        let columns: Vec<Vec<f64>> = (0..8).map(|seed| normal(rows, seed)).collect();
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        bencher.bench(|| MultivariateForest::fit(black_box(&columns), &params(100)));
    }
}

mod score {
    use super::*;

    const ROWS: usize = 10_000_000;

    /// 10 million rows, far more than the caches hold, on all threads, by the limit of infinitely many trees.
    #[divan::bench(args = SHAPES, sample_count = 20)]
    fn infinite_10000000(bencher: Bencher, shape: Shape) {
        let values = shape.values(ROWS);
        let forest =
            InfiniteForest::fit(&values[..1 << 17], &ForestParams::default()).expect("values");
        score_all(
            bencher,
            &values,
            |value| forest.score(value),
            |values, out| {
                forest.score_into(values, out);
            },
        );
    }

    /// The same with the table that 1,000 trees collapse into.
    #[divan::bench(args = SHAPES, sample_count = 20)]
    fn grown_10000000x1000(bencher: Bencher, shape: Shape) {
        grown(bencher, shape, 1000);
    }

    /// The same with the table of 100 trees, which fits the second cache: what is left is the
    /// arithmetic, and the difference is what the memory costs.
    #[divan::bench(args = [Shape::Normal], sample_count = 20)]
    fn grown_10000000x100(bencher: Bencher, shape: Shape) {
        grown(bencher, shape, 100);
    }

    fn grown(bencher: Bencher, shape: Shape, trees: usize) {
        let values = shape.values(ROWS);
        let forest = UnivariateForest::fit(&values, &params(trees)).expect("values");
        score_all(
            bencher,
            &values,
            |value| forest.score(value),
            |values, out| {
                forest.score_into(values, out);
            },
        );
    }

    fn score_all(
        bencher: Bencher,
        values: &[f64],
        score: impl Fn(f64) -> f64,
        score_into: impl Fn(&[f64], &mut [f64]) + Sync,
    ) {
        let mut out = vec![0.0; values.len()];
        score_into(&values[..1000], &mut out[..1000]);
        assert!(
            values
                .iter()
                .zip(&out[..1000])
                .all(|(&v, &s)| score(v) == s)
        );
        bencher
            .counter(ItemsCount::new(values.len()))
            .bench_local(|| {
                out.par_chunks_mut(BLOCK)
                    .zip(values.par_chunks(BLOCK))
                    .for_each(|(out, values)| score_into(values, out));
            });
    }

    /// Counting is the first pass over the data: as scoring, with a count to be raised for each
    /// row, on one thread.
    #[divan::bench(args = SHAPES, sample_count = 10)]
    fn count_infinite_1000000(bencher: Bencher, shape: Shape) {
        let values = shape.values(1_000_000);
        let forest =
            InfiniteForest::fit(&values[..1 << 17], &ForestParams::default()).expect("values");
        let mut counts = vec![0; forest.interval_count()];
        bencher
            .counter(ItemsCount::new(values.len()))
            .bench_local(|| forest.count_intervals(black_box(&values), &mut counts));
        assert_eq!(counts.iter().sum::<u64>() % 1_000_000, 0);
    }

    /// The same in the table that 1,000 trees collapse into.
    #[divan::bench(args = SHAPES, sample_count = 10)]
    fn count_grown_1000000x1000(bencher: Bencher, shape: Shape) {
        let values = shape.values(1_000_000);
        let forest = UnivariateForest::fit(&values, &params(1000)).expect("values");
        let mut counts = vec![0; forest.interval_count()];
        bencher
            .counter(ItemsCount::new(values.len()))
            .bench_local(|| forest.count_intervals(black_box(&values), &mut counts));
        assert_eq!(counts.iter().sum::<u64>() % 1_000_000, 0);
    }

    /// 8 features, 1 million rows, on all threads: 100 trees as other programs have by default,
    /// and 300 to see that the cost grows no faster than the trees.
    #[divan::bench(args = [100, 300], sample_count = 5)]
    fn general_1000000x8(bencher: Bencher, trees: usize) {
        let columns: Vec<Vec<f64>> = (0..8).map(|seed| normal(1_000_000, seed)).collect();
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let forest = MultivariateForest::fit(&columns, &params(trees)).expect("columns");
        let mut out = vec![0.0; 1_000_000];
        forest
            .score_into(&columns, &mut out)
            .expect("the same columns");
        assert!(out.iter().all(|&score| score > 0.0 && score <= 1.0));
        bencher
            .counter(ItemsCount::new(out.len()))
            .bench_local(|| forest.score_into(black_box(&columns), &mut out));
    }
}

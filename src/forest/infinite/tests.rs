use super::*;
use crate::forest::params::SampleSize;
use crate::support::random::unit;
use proptest::prelude::*;

fn params(size: usize, seed: u64) -> ForestParams {
    ForestParams::new(1, SampleSize::Rows(size), seed).unwrap()
}

fn fit(values: &[f64], size: usize) -> InfiniteForest {
    InfiniteForest::fit(values, &params(size, 42)).unwrap()
}

/// The splits on the path of `x` in a tree grown on `sample` until each leaf holds one value, plus what its leaf
/// stands for.
fn grown_depth(sample: &[f64], x: f64, stream: &mut Stream) -> f64 {
    let mut left = sample.to_vec();
    let mut depth = 0.0;
    loop {
        let low = left.iter().copied().fold(f64::INFINITY, f64::min);
        let high = left.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if low == high {
            return depth + average_depth(left.len());
        }
        let split = low + (high - low) * stream.unit();
        left.retain(|&point| (point > split) == (x > split));
        depth += 1.0;
    }
}

/// Values without a pattern, with a few spikes.
fn noise(rows: usize) -> Vec<f64> {
    let mut stream = Stream::of_seed(3);
    (0..rows)
        .map(|row| {
            let spike = if row % 500 == 77 { 1e4 } else { 1.0 };
            spike * unit(stream.bits())
        })
        .collect()
}

#[test]
fn the_depth_is_the_mean_over_trees_that_are_really_grown() {
    let sample = [-3.0, 0.0, 0.0, 0.5, 1.0, 1.1, 4.0, 4.0, 4.0, 90.0];
    let forest = fit(&sample, 256);
    let mut stream = Stream::of_seed(1);
    for x in [
        -10.0, -3.0, -1.0, 0.0, 0.2, 1.05, 4.0, 30.0, 80.0, 90.0, 500.0,
    ] {
        let trees = 40_000;
        let sum: f64 = (0..trees)
            .map(|_| grown_depth(&sample, x, &mut stream))
            .sum();
        // Path lengths have a standard deviation of about 1.5, their mean one of 0.0075: four of these.
        let (grown, closed) = (sum / f64::from(trees), forest.depth(x));
        assert!((grown - closed).abs() < 0.03, "{x}: {grown} {closed}");
    }
}

#[test]
fn three_rows_score_by_hand() {
    // The first split is in the gap from 1 to 101 with chance 100/101: then 101 has path 1, and 0 and 1 path 2.
    // Else 0 has path 1, the others 2.
    let forest = fit(&[0.0, 1.0, 101.0], 256);
    let score = |depth: f64| (-depth / (5.0 / 3.0)).exp2();
    assert!((forest.score(0.0) - score(2.0 - 1.0 / 101.0)).abs() < 1e-12);
    assert!((forest.score(1.0) - score(2.0)).abs() < 1e-12);
    assert!((forest.score(101.0) - score(2.0 - 100.0 / 101.0)).abs() < 1e-12);
    // Half-way between two points, the depth is half-way too.
    assert!((forest.depth(51.0) - (forest.depth(1.0) + forest.depth(101.0)) / 2.0).abs() < 1e-12);
}

#[test]
fn constant_values_and_samples_of_one_row_score_one_half() {
    for rows in [1, 2, 300, 5_000] {
        let flat = fit(&vec![-7.5; rows], 256);
        let single = fit(&noise(rows), 1);
        for value in [-1e300, -7.5, 0.3, 1e9] {
            assert_eq!(
                (flat.score(value), single.score(value)),
                (0.5, 0.5),
                "{rows} rows"
            );
        }
    }
}

#[test]
fn no_values_are_an_error() {
    let error = InfiniteForest::fit(&[], &ForestParams::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoUsableRow);
}

#[test]
fn data_no_larger_than_a_sample_does_not_depend_on_the_seed() {
    let values = noise(256);
    let of_seed = |seed| {
        InfiniteForest::fit(&values, &params(256, seed))
            .unwrap()
            .depths
    };
    assert_eq!(of_seed(1), of_seed(2));
}

#[test]
fn two_seeds_give_nearly_the_same_depths() {
    let values = noise(20_000);
    let [a, b] = [1, 2].map(|seed| InfiniteForest::fit(&values, &params(256, seed)).unwrap());
    for value in [0.0, 0.001, 0.5, 0.999, 40.0, 3_000.0, 1e4] {
        // Between single trees depths differ by 2, between means of 64 free samples by some 0.2.
        let (a, b) = (a.depth(value), b.depth(value));
        assert!((a - b).abs() < 0.1, "{value}: {a} {b}");
    }
}

#[test]
fn doubling_and_halving_values_leaves_the_scores() {
    // Powers of two round nothing.
    for rows in [200, 3_000] {
        let values = noise(rows);
        let forest = fit(&values, 256);
        for factor in [0.5, 2.0, 1024.0] {
            let scaled: Vec<f64> = values.iter().map(|value| value * factor).collect();
            let other = fit(&scaled, 256);
            assert!(
                values
                    .iter()
                    .all(|&v| forest.score(v) == other.score(v * factor))
            );
        }
    }
}

#[test]
fn the_order_of_the_rows_does_not_matter() {
    let mut values = noise(3_000);
    let forest = fit(&values, 256);
    values.reverse();
    assert_eq!(forest.depths, fit(&values, 256).depths);
}

#[test]
fn a_forest_is_the_same_at_any_number_of_threads() {
    for rows in [3_000, 100_000] {
        let values = noise(rows);
        let run = |threads| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap()
                .install(|| fit(&values, 256).depths)
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(8));
    }
}

#[test]
fn large_data_is_stood_for_by_rows_from_all_of_it() {
    let rows = rows_to_gather(10_000_000, &ForestParams::default());
    assert_eq!(rows.len(), MAX_ROWS);
    assert!(rows.is_sorted_by(|a, b| a < b));
    assert!(rows[0] < 77 && rows[MAX_ROWS - 1] >= 10_000_000 - 77);
    assert_eq!(rows_to_gather(3, &ForestParams::default()), [0, 1, 2]);
}

#[test]
fn counts_and_bounds_agree_with_the_depths() {
    let values = noise(5_000);
    let forest = fit(&values, 256);
    let mut counts = vec![0; forest.interval_count()];
    forest.count_intervals(&values, &mut counts);
    assert_eq!(counts.iter().sum::<u64>(), 5_000);
    let mut scores = vec![0.0; 5_000];
    forest.score_into(&values, &mut scores);
    assert!(
        values
            .iter()
            .zip(scores)
            .all(|(&value, score)| forest.score(value) == score)
    );
    let threshold = forest.score(0.01);
    let (low, high) = forest.ordinary_range(threshold);
    for &value in &values {
        let interval = forest.interval_of(value);
        let (above, up_to) = forest.interval_bounds(interval);
        let (least, greatest) = forest.interval_depths(interval);
        let depth = forest.depth(value);
        assert!(value > above && value <= up_to);
        assert!(
            least <= depth && depth <= greatest,
            "{value}: {least} {depth} {greatest}"
        );
        assert!(!(value > low && value < high) || forest.score(value) <= threshold);
    }
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
    fn scores_are_scores_whatever_the_values(
        values in prop::collection::vec(awkward(), 1..400),
        others in prop::collection::vec(awkward(), 0..50),
        size in 1_usize..300,
    ) {
        let forest = fit(&values, size);
        for &value in values.iter().chain(&others) {
            let score = forest.score(value);
            prop_assert!(score > 0.0 && score <= 1.0, "{} {}", value, score);
        }
    }

    #[test]
    fn the_sum_by_pairs_is_that_of_the_formula(
        mut points in prop::collection::vec(-0.5..0.5, 1..80),
        tiny in prop::option::of(0.0..1e-200),
    ) {
        points.extend(tiny);
        points.sort_by(f64::total_cmp);
        points.dedup();
        let found = expected_splits(&points);
        for (i, &x) in points.iter().enumerate() {
            let left = (0..i).map(|j| (points[j + 1] - points[j]) / (x - points[j]));
            let right = (i + 1..points.len()).map(|j| (points[j] - points[j - 1]) / (points[j] - x));
            let wanted: f64 = left.chain(right).sum();
            prop_assert!((found[i] - wanted).abs() < 1e-9 * (1.0 + wanted), "{} {}", found[i], wanted);
        }
    }
}

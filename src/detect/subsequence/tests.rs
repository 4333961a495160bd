use super::*;
use crate::support::random;
use proptest::prelude::*;

/// A series in memory.
struct Held(Vec<f64>);

impl Rows for Held {
    type Error = std::convert::Infallible;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn read(&self, rows: Range<usize>, out: &mut Vec<f64>) -> Result<(), Self::Error> {
        out.clear();
        out.extend_from_slice(&self.0[rows]);
        Ok(())
    }
}

/// A series on a disk that fails.
struct Broken;

impl Rows for Broken {
    type Error = &'static str;

    fn len(&self) -> usize {
        100_000
    }

    fn read(&self, rows: Range<usize>, out: &mut Vec<f64>) -> Result<(), Self::Error> {
        out.clear();
        out.extend(rows.clone().map(noise));
        if rows.contains(&70_000) {
            Err("row 70000 is gone")
        } else {
            Ok(())
        }
    }
}

fn noise(row: usize) -> f64 {
    random::unit(random::scramble(row as u64)) - 0.5
}

/// A rhythm of `period` rows with some noise.
fn rhythm(rows: usize, period: usize) -> Vec<f64> {
    let turn = std::f64::consts::TAU / period as f64;
    (0..rows)
        .map(|row| (row as f64 * turn).sin() + 0.3 * noise(row))
        .collect()
}

fn scores(values: &[f64]) -> Vec<f64> {
    let rows = Held(values.to_vec());
    let Ok(model) = ShapeModel::fit(&rows, 42);
    let mut out = Vec::new();
    let Ok(()) = model.score_block(&rows, 0..values.len(), &mut out);
    out
}

fn highest(scores: &[f64]) -> usize {
    (0..scores.len())
        .max_by(|&a, &b| scores[a].total_cmp(&scores[b]))
        .unwrap()
}

#[test]
fn an_odd_stretch_scores_highest() {
    type Odd = fn(usize, f64) -> f64;
    let planted: [(&str, Odd); 5] = [
        ("flat", |_, _| 0.0),
        ("upside down", |_, value| -value),
        ("twice as fast", |row, _| {
            (row as f64 / 50.0 * std::f64::consts::TAU).sin()
        }),
        ("shifted up", |_, value| value + 1.5),
        ("noisy", |row, value| value + 3.0 * noise(row + 999_983)),
    ];
    for rows in [3000, 40_000] {
        for (name, odd) in planted {
            let mut values = rhythm(rows, 100);
            for (row, value) in values.iter_mut().enumerate().skip(rows / 2).take(80) {
                *value = odd(row, *value);
            }
            let at = highest(&scores(&values));
            // Windows that hold the whole of it may score highest at its edge.
            assert!(at.abs_diff(rows / 2 + 40) <= 50, "{name} of {rows}: {at}");
        }
    }
}

#[test]
fn a_spike_of_one_row_scores_highest() {
    for period in [24, 100, 288] {
        let mut values = rhythm(10_000, period);
        values[6000] += 4.0;
        let at = highest(&scores(&values));
        assert!(at.abs_diff(6000) <= 2, "{period}: {at}");
    }
}

#[test]
fn ordinary_rows_score_about_one_half_in_any_series() {
    for (values, factor) in [(rhythm(20_000, 50), 1e-300), (rhythm(5000, 288), 1e300)] {
        let values: Vec<f64> = values.iter().map(|value| value * factor).collect();
        let mut found = scores(&values);
        found.sort_by(f64::total_cmp);
        let (middle, top) = (found[found.len() / 2], found[found.len() - 1]);
        assert!((middle - 0.5).abs() < 0.03, "{middle}");
        assert!(top < 0.8, "{top}");
    }
}

#[test]
fn a_series_that_repeats_exactly_is_ordinary_throughout() {
    let values: Vec<f64> = (0..20_000)
        .map(|row| 1e6 + (row % 60 * (row % 60)) as f64)
        .collect();
    for score in scores(&values) {
        // A side of the levels is a number of periods to within 4 percent only.
        assert!((score - 0.5).abs() < 0.05, "{score}");
    }
}

#[test]
fn constant_short_and_empty_series_score_the_same_everywhere() {
    for rows in [0, 1, 2, MIN_ROWS - 1, MIN_ROWS, 1000, 20_000] {
        assert_eq!(scores(&vec![-7.5; rows]), vec![0.5; rows]);
    }
    assert_eq!(scores(&rhythm(MIN_ROWS - 1, 12)), [0.5; MIN_ROWS - 1]);
}

#[test]
fn scores_do_not_depend_on_threads_or_blocks() {
    for (rows, period) in [(500, 40), (9000, 37), (30_000, 144)] {
        let held = Held(rhythm(rows, period));
        let run = |threads: usize, block: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let Ok(model) = ShapeModel::fit(&held, 7);
                let mut all: Vec<f64> = Vec::new();
                let mut out = Vec::new();
                for start in (0..rows).step_by(block) {
                    let Ok(()) =
                        model.score_block(&held, start..(start + block).min(rows), &mut out);
                    all.extend_from_slice(&out);
                }
                all
            })
        };
        let one = run(1, rows);
        for (threads, block) in [(2, rows), (3, 1000), (8, 4097), (1, 61)] {
            assert_eq!(
                one,
                run(threads, block),
                "{threads} threads, blocks of {block}"
            );
        }
    }
}

#[test]
fn a_score_depends_on_no_row_beyond_the_halo() {
    let held = Held(rhythm(30_000, 100));
    let Ok(model) = ShapeModel::fit(&held, 1);
    let mut before = Vec::new();
    let Ok(()) = model.score_block(&held, 0..30_000, &mut before);
    let mut changed = Held(held.0.clone());
    changed.0[12_345] = 50.0;
    let mut after = Vec::new();
    let Ok(()) = model.score_block(&changed, 0..30_000, &mut after);
    let differing = (0..30_000).filter(|&row| before[row] != after[row]);
    assert!(differing.clone().count() > 100);
    assert!(
        differing
            .map(|row| row.abs_diff(12_345))
            .all(|by| by <= model.halo())
    );
}

#[test]
fn the_expected_value_is_that_of_the_rhythm() {
    let mut values = rhythm(10_000, 100);
    let was = values[6025];
    values[6025] = 9.0;
    let held = Held(values);
    let Ok(model) = ShapeModel::fit(&held, 1);
    let Ok(Some(expected)) = model.expected(&held, 6025) else {
        panic!("long enough")
    };
    assert!(
        (expected.center - was).abs() < 0.3,
        "{expected:?}, was {was}"
    );
    assert!(expected.scale < 0.3, "{expected:?}");
    assert_eq!(
        ShapeModel::fit(&Held(vec![1.0; 5]), 1)
            .unwrap()
            .expected(&Held(vec![1.0; 5]), 0),
        Ok(None)
    );
}

#[test]
fn rows_that_cannot_be_read_are_an_error() {
    let Ok(model) = ShapeModel::fit(&Held((0..100_000).map(noise).collect()), 1);
    let mut out = Vec::new();
    let found = model.score_block(&Broken, 0..100_000, &mut out);
    assert_eq!(found, Err("row 70000 is gone"));
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -1.0..1.0,
        2 => Just(0.0),
        1 => prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL,
        1 => Just(1e308),
        1 => Just(-1e308),
    ]
}

proptest! {
    #[test]
    fn any_finite_series_has_scores_from_0_to_1(
        seeds in prop::collection::vec(any_value(), 1..300),
        repeats in 1usize..8,
        runs in 1usize..40,
    ) {
        // Runs of equal values, repeated as a whole: flat stretches, rhythms and both.
        let run = seeds.iter().flat_map(|&value| std::iter::repeat_n(value, runs));
        let once: Vec<f64> = run.take(2000).collect();
        let values = once.repeat(repeats);
        for score in scores(&values) {
            prop_assert!((0.0..1.0).contains(&score), "{}", score);
        }
        let rows = Held(values);
        let Ok(model) = ShapeModel::fit(&rows, 3);
        if let Ok(Some(expected)) = model.expected(&rows, rows.len() / 2) {
            prop_assert!(expected.center.is_finite() && expected.scale.is_finite());
        }
    }
}

//! Finds stretches of a series that are unlike all others: a score for every row.
//!
//! In: a series on a regular grid, by row number, read a part at a time. Out: a [`ShapeModel`], fitted
//! on samples, that scores any part. Knows nothing of time, files or thresholds.
//!
//! # How it works
//!
//! Whatever a window of the series shows, a series with a rhythm, or a habit, shows it again elsewhere.
//! So each window is compared with 1,024 reference windows from all over the series, and the distance
//! to the nearest says how unlike the others it is. A row gets the mean over the windows that cover
//! it. Six kinds of windows look at once: three rows, half a period, one and two periods long as
//! they are, and half a period and one period long with level and size taken out. Two measures add what
//! windows cannot see: the shift of the mean from two periods before a row to two periods after it,
//! and the root mean square around it.
//!
//! Each of the eight is put in standard deviations from its own mean over ordinary rows, and their mean,
//! `z`, is mapped to `0.5 + 0.5 z / (4 + |z|)`: 0.5 is ordinary, and a level means the same in every
//! series. All eight count alike; other weights gained on some series what they lost on others.
//!
//! Source: the nearest window at any distance is the matrix profile of Yeh et al., "Matrix profile I",
//! ICDM 2016; a sample of references instead of all windows makes it linear in the rows. The shift of
//! the mean as a score is that of PaAno's amplitude scores, the root mean square over whole periods in
//! effect that of Sub-PCA, both as measured in the TSB-AD benchmark.
//!
//! # Bounded memory
//!
//! What is ordinary is learnt from the first rows (period), from the references and from stretches
//! spread over the series. Nothing as long as the series is kept and no pass over it is made. A row's
//! score depends on these samples and on at most [`ShapeModel::halo`] rows on either side: not on
//! threads, nor on the blocks that the series is cut into.

mod level;
mod measure;
mod nearest;
mod part;
mod period;
mod profile;
mod rows;
mod scale;
mod window;

use std::ops::Range;

use rayon::prelude::*;

use self::level::{Level, Quantity};
use self::measure::{Kind, Measure};
use self::part::Part;
use self::period::SEARCHED;
pub use self::period::{LONGEST as LONGEST_PERIOD, Period, SHORTEST as SHORTEST_PERIOD};
use self::profile::Profile;
pub(super) use self::rows::{Shapes, judge};
use self::scale::{Scale, median};
use self::window::Window;
use super::baseline::{Baseline, MAD_TO_SIGMA};
use super::stretch::score_of_shape;
use crate::support::random::{Purpose, Stream};

/// The fewest rows that windows can be compared in.
pub const MIN_ROWS: usize = 64;

/// Windows that every other is compared with. Twice as many find a little more in rhythms that vary, and
/// take twice the time.
const REFERENCES: usize = 1024;

/// A window is at most this part of the series, so that there are others to compare it with.
const PART: usize = 8;

/// Stretches of rows that say what is ordinary, and their length. A series of no more rows than they
/// hold together is taken as a whole.
const STRETCHES: usize = 32;
const STRETCH: usize = 512;

/// Rows that one thread scores at a time.
const BLOCK: usize = 4096;

/// References that an expected value is taken from.
const WITNESSES: usize = 9;

/// Rows that tell how good such expected values are.
const ERRORS: usize = 256;

/// A series of finite values, by row number.
pub trait Rows: Sync {
    /// Why rows could not be read.
    type Error: Send;

    /// Number of rows.
    fn len(&self) -> usize;

    /// Whether there is no row.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Replaces the contents of `out` by the values of `rows`.
    ///
    /// # Errors
    /// Where they cannot be read.
    fn read(&self, rows: Range<usize>, out: &mut Vec<f64>) -> Result<(), Self::Error>;
}

/// Reference windows of a series, and what is ordinary in it.
#[derive(Debug, Clone)]
pub struct ShapeModel {
    period: Period,
    scale: Scale,
    measures: Vec<Measure>,
    /// Values of the references over one period, for what is expected: first row and scaled values.
    witnesses: Vec<(usize, Vec<f64>)>,
    /// How far ordinary values usually lie from what is expected of them, scaled.
    usual_error: f64,
    /// Rows of the longest window.
    longest: usize,
    /// Rows of the series.
    rows: usize,
}

impl ShapeModel {
    /// Learns from samples of `rows`, drawn with `seed`.
    ///
    /// A series of fewer than [`MIN_ROWS`] rows, or of equal values, is ordinary throughout: all scores
    /// are equal.
    ///
    /// Reads the first 20,000 rows, 1,024 windows of up to 800 rows, and 32 stretches of 512 rows with
    /// their halo, each in ascending order. Costs as much as scoring 16,384 rows, and never more than scoring
    /// the series.
    ///
    /// # Errors
    /// Those of [`Rows::read`].
    pub fn fit<R: Rows>(rows: &R, seed: u64) -> Result<Self, R::Error> {
        let count = rows.len();
        let stretches = stretches(count, seed);
        let scale = Scale::of(read_all(rows, &stretches)?);
        let mut head = Vec::new();
        rows.read(0..count.min(SEARCHED), &mut head)?;
        head.iter_mut()
            .for_each(|value| *value = scale.of_value(*value));
        let period = Period::of(&head);
        drop(head);

        let mut model = Self {
            period,
            scale,
            measures: Vec::new(),
            witnesses: Vec::new(),
            usual_error: 0.0,
            longest: 0,
            rows: count,
        };
        if count < MIN_ROWS {
            return Ok(model);
        }
        let windows = windows(period.rows(), count);
        model.longest = windows.iter().map(|window| window.rows).max().unwrap_or(0);
        let parts = model.read_references(rows, seed)?;
        let profiles = windows
            .iter()
            .map(|&window| Kind::Profile(Profile::new(window, count, &parts)));
        let levels = [Quantity::Shift, Quantity::Size]
            .map(|quantity| Kind::Level(Level::new(quantity, model.longest, count)));
        model.measures = profiles.chain(levels).map(Measure::new).collect();
        model.witnesses = parts;
        for (_, values) in &mut model.witnesses {
            values.truncate(windows[WHOLE].rows);
            values.shrink_to_fit();
        }
        model.calibrate(rows, &stretches)?;
        model.usual_error = model.measure_errors(rows, &stretches)?;
        Ok(model)
    }

    /// The period that windows are measured by.
    pub fn period(&self) -> Period {
        self.period
    }

    /// The most rows on either side of a row that its score depends on, beside the samples.
    pub fn halo(&self) -> usize {
        self.measures.iter().map(Measure::halo).max().unwrap_or(0)
    }

    /// Replaces the contents of `out` by the scores of `block`, in [0, 1), higher is more anomalous.
    ///
    /// `rows` are those that the model was fitted on. Any block will do; short ones cost more a row. Parts of
    /// the block are read and scored in parallel.
    ///
    /// # Errors
    /// Those of [`Rows::read`].
    ///
    /// # Panics
    /// If the block ends behind the last row.
    pub fn score_block<R: Rows>(
        &self,
        rows: &R,
        block: Range<usize>,
        out: &mut Vec<f64>,
    ) -> Result<(), R::Error> {
        assert!(block.end <= self.rows, "a block within the series");
        out.clear();
        out.resize(block.len(), 0.0);
        if self.measures.is_empty() {
            out.fill(score_of_shape(0.0));
            return Ok(());
        }
        let parts = out.par_chunks_mut(BLOCK).enumerate();
        parts.try_for_each_init(Default::default, |(values, room), (number, out)| {
            let start = block.start + number * BLOCK;
            let asked = start..start + out.len();
            let part = self.read_scaled(rows, self.reach(&asked), values)?;
            for measure in &self.measures {
                measure.add(part, &asked, room, out);
            }
            let kinds = self.measures.len() as f64;
            out.iter_mut().for_each(|z| *z = score_of_shape(*z / kinds));
            Ok(())
        })
    }

    /// What the most similar stretches of one period have in the place of row `row`: their median, and a
    /// robust standard deviation about it.
    ///
    /// `None` in a series that is too short. Reads one period of rows around `row`; compares it with every
    /// reference, so it is meant for the few rows that are shown to people.
    ///
    /// # Errors
    /// Those of [`Rows::read`].
    ///
    /// # Panics
    /// If there is no such row.
    pub fn expected<R: Rows>(&self, rows: &R, row: usize) -> Result<Option<Baseline>, R::Error> {
        assert!(row < self.rows, "a row of the series");
        let Some(mut found) = self.witnessed(rows, row)? else {
            return Ok(None);
        };
        let Some(middle) = median(&mut found) else {
            return Ok(None);
        };
        found
            .iter_mut()
            .for_each(|other| *other = (*other - middle).abs());
        // A few stretches chosen for being alike are more alike than the series is.
        let spread = median(&mut found).unwrap_or(0.0).max(self.usual_error) * MAD_TO_SIGMA;
        Ok(Some(Baseline {
            center: self.scale.value_of(middle),
            scale: self.scale.distance_of(spread),
        }))
    }

    /// What the most similar stretches of one period have in the place of `row`, scaled.
    fn witnessed<R: Rows>(&self, rows: &R, row: usize) -> Result<Option<Vec<f64>>, R::Error> {
        let Some(Kind::Profile(profile)) = self.measures.get(WHOLE).map(|measure| &measure.kind)
        else {
            return Ok(None);
        };
        let window = self.period_around(row);
        let mut values = Vec::new();
        let part = self.read_scaled(rows, window.clone(), &mut values)?;
        let near = profile.nearest(window.start, part.values(window.clone()), WITNESSES);
        let found = near.iter().filter_map(|other| {
            let of_start = |witness: &(usize, Vec<f64>)| witness.0;
            let at = self.witnesses.binary_search_by_key(other, of_start).ok()?;
            self.witnesses[at].1.get(row - window.start).copied()
        });
        Ok(Some(found.collect()))
    }

    /// The median distance of values from what is expected of them, over some rows of `stretches`.
    fn measure_errors<R: Rows>(
        &self,
        rows: &R,
        stretches: &[Range<usize>],
    ) -> Result<f64, R::Error> {
        let mut errors = Vec::with_capacity(ERRORS);
        let mut values = Vec::new();
        let all: usize = stretches.iter().map(Range::len).sum();
        for row in stretches
            .iter()
            .cloned()
            .flatten()
            .step_by((all / ERRORS).max(1))
        {
            let value = self
                .read_scaled(rows, row..row + 1, &mut values)?
                .values(row..row + 1)[0];
            if let Some(mut found) = self.witnessed(rows, row)?
                && let Some(middle) = median(&mut found)
            {
                errors.push((value - middle).abs());
            }
        }
        Ok(median(&mut errors).unwrap_or(0.0))
    }

    /// The rows of one period that `row` lies in the middle of, as far as the series has them.
    fn period_around(&self, row: usize) -> Range<usize> {
        let length = self.witnesses.first().map_or(1, |(_, values)| values.len());
        let start = row.saturating_sub(length / 2).min(self.rows - length);
        start..start + length
    }

    /// Reads `rows` of the series and scales them.
    fn read_scaled<'a, R: Rows>(
        &self,
        series: &R,
        rows: Range<usize>,
        values: &'a mut Vec<f64>,
    ) -> Result<Part<'a>, R::Error> {
        let first = rows.start;
        series.read(rows, values)?;
        values
            .iter_mut()
            .for_each(|value| *value = self.scale.of_value(*value));
        Ok(Part::new(first, values))
    }

    /// The rows that all profiles together need to judge `rows`.
    fn reach(&self, rows: &Range<usize>) -> Range<usize> {
        self.measures
            .iter()
            .map(|measure| measure.reach(rows))
            .fold(rows.clone(), |all, one| {
                all.start.min(one.start)..all.end.max(one.end)
            })
    }

    /// Draws the references: first row and scaled values of each. One begins in each of so many equal
    /// parts of the series, so that no time is left out.
    fn read_references<R: Rows>(
        &self,
        rows: &R,
        seed: u64,
    ) -> Result<Vec<(usize, Vec<f64>)>, R::Error> {
        let starts = self.rows - self.longest + 1;
        spread(
            starts,
            REFERENCES.min(starts),
            &mut Stream::new(seed, Purpose::References, 0),
        )
        .into_iter()
        .map(|start| {
            let mut values = Vec::new();
            self.read_scaled(rows, start..start + self.longest, &mut values)?;
            Ok((start, values))
        })
        .collect()
    }

    /// Learns from `stretches` what is ordinary.
    fn calibrate<R: Rows>(&mut self, rows: &R, stretches: &[Range<usize>]) -> Result<(), R::Error> {
        let measured: Vec<Vec<Vec<f64>>> = stretches
            .par_iter()
            .map_init(Default::default, |(values, room), stretch| {
                let part = self.read_scaled(rows, self.reach(stretch), values)?;
                let each = self.measures.iter().map(|measure| {
                    let mut out = vec![0.0; stretch.len()];
                    measure.add(part, stretch, room, &mut out);
                    out
                });
                Ok(each.collect())
            })
            .collect::<Result<_, R::Error>>()?;
        for (kind, measure) in self.measures.iter_mut().enumerate() {
            let all: Vec<f64> = measured
                .iter()
                .flat_map(|stretch| &stretch[kind])
                .copied()
                .collect();
            measure.calibrate(&all);
        }
        Ok(())
    }
}

/// Which of the [`windows`] is one period long and not normed.
const WHOLE: usize = 2;

/// The six kinds of windows for a period of `period` rows in a series of `rows` rows.
fn windows(period: usize, rows: usize) -> [Window; 6] {
    let most = rows / PART;
    let plain = |length: usize| Window {
        rows: length.min(most),
        normed: false,
    };
    let normed = |length: usize| Window {
        rows: length.min(most),
        normed: true,
    };
    [
        plain(3),
        plain(period / 2),
        plain(period),
        plain(2 * period),
        normed(period / 2),
        normed(period),
    ]
}

/// The rows that say what is ordinary in a series of `rows` rows.
fn stretches(rows: usize, seed: u64) -> Vec<Range<usize>> {
    if rows <= STRETCHES * STRETCH {
        let starts = (0..rows).step_by(STRETCH);
        return starts
            .map(|start| start..(start + STRETCH).min(rows))
            .collect();
    }
    spread(
        rows - STRETCH + 1,
        STRETCHES,
        &mut Stream::new(seed, Purpose::Calibration, 0),
    )
    .into_iter()
    .map(|start| start..start + STRETCH)
    .collect()
}

/// One number from each of `count` equal parts of the numbers below `end`, ascending.
fn spread(end: usize, count: usize, stream: &mut Stream) -> Vec<usize> {
    // Through 128 bits, since the product may be beyond 64.
    let bound = |part: usize| (part as u128 * end as u128 / count as u128) as usize;
    let parts = (0..count).map(|part| bound(part)..bound(part + 1));
    parts
        .map(|part| part.start + stream.below(part.len() as u64) as usize)
        .collect()
}

fn read_all<R: Rows>(rows: &R, parts: &[Range<usize>]) -> Result<Vec<f64>, R::Error> {
    let mut all = Vec::new();
    let mut values = Vec::new();
    for part in parts {
        rows.read(part.clone(), &mut values)?;
        all.extend_from_slice(&values);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
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
            match rows.contains(&70_000) {
                true => Err("row 70000 is gone"),
                false => Ok(()),
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
}

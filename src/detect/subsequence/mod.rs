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
pub use self::period::{MAX_PERIOD, MIN_PERIOD, Period};
use self::profile::Profile;
pub(super) use self::rows::{Shapes, judge};
use self::scale::{Scale, median};
use self::window::Window;
use super::baseline::{Baseline, MAD_TO_SIGMA};
use super::stretch::score_of_shape;
use crate::support::parallel::min_tasks;
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
            .with_min_len(min_tasks(self.rows))
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
mod tests;

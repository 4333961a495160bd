//! The `value` detector: a row is judged by its values alone, wherever it stands, by an isolation forest.
//!
//! On one column the score is a function of the value ([`ValueScores`]), so that no score is kept for a row.
//! On several, every row is led through the trees, and its score is kept.

mod counts;
mod grown;
mod inclusive;
mod infinite;

use std::fmt::Debug;
use std::sync::Arc;

use self::grown::{GrownModel, GrownScores};
use self::inclusive::{InclusiveModel, InclusiveScores};
use self::infinite::InfiniteScores;
use super::baseline::Baseline;
use super::row_scores::{AutoThreshold, RowScores, drawn_rows};
use super::stretch::Stretch;
use super::threshold::Contamination;
use crate::forest::depth::average_depth;
use crate::forest::{ForestParams, InfiniteForest, MultivariateForest, SamplePlan};
use crate::series::Series;
use crate::support::error::Result;

/// The scores of the rows of one column: a function of the value. `series` is always the one that was scored.
pub(super) trait ValueScores: Debug + Send + Sync {
    /// The score of a value.
    fn of(&self, value: f64) -> f64;

    /// Writes the score of each of `values` over `out`.
    fn write(&self, values: &[f64], out: &mut Vec<f64>) {
        out.clear();
        out.extend(values.iter().map(|&value| self.of(value)));
    }

    /// The (1 - rate) quantile of the scores, exact.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    fn quantile_threshold(&self, series: &Series, rate: Contamination) -> Result<f64>;

    /// The score that ordinary rows hardly ever exceed; 1 where there are too few rows to tell.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    fn auto_threshold(&self, series: &Series) -> Result<f64>;

    /// The widest range of values that are no anomalies at `threshold`, without its ends: a quick way past
    /// most rows. Empty (bounds the wrong way round) where there is none.
    fn ordinary_range(&self, threshold: f64) -> (f64, f64);

    /// The baseline of the column: its median, exact, and a scale from its quartiles, to within an interval
    /// of values or as they are among drawn rows.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    fn baseline(&self, series: &Series) -> Result<Baseline>;
}

/// A forest on one column.
#[derive(Debug)]
pub(super) enum ValueModel {
    /// So many trees.
    Grown(Arc<GrownModel>),
    /// Infinitely many.
    Infinite(Arc<InfiniteForest>),
    /// Infinitely many that hold the row that is judged: they tell distances beyond the sample, which an
    /// automatic threshold needs.
    Inclusive(Arc<InclusiveModel>),
}

impl ValueModel {
    /// Fits the forest that `params` ask for on rows drawn from `series`.
    ///
    /// # Errors
    /// Those of [`Series::read`]; [`ErrorKind::NoUsableRow`](crate::support::error::ErrorKind::NoUsableRow)
    /// without a row.
    pub(super) fn fit(series: &Series, params: &ForestParams) -> Result<Self> {
        Ok(if params.trees_wanted().is_some() {
            Self::Grown(Arc::new(GrownModel::fit(series, params)?))
        } else {
            Self::Infinite(Arc::new(infinite::fit(series, params)?))
        })
    }

    /// Fits a forest for an automatic threshold.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub(super) fn fit_for_auto_threshold(series: &Series, params: &ForestParams) -> Result<Self> {
        Ok(Self::Inclusive(Arc::new(InclusiveModel::fit(
            series, params,
        )?)))
    }

    /// The score of every row of `series`, as a function of its value. Reads the rows once to count how many
    /// lie in which interval, or some of them to know how values are spread.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub(super) fn score(&self, series: &Series, seed: u64) -> Result<Box<dyn ValueScores>> {
        Ok(match self {
            Self::Grown(model) => Box::new(GrownScores::new(model, series, seed)?),
            Self::Infinite(forest) => Box::new(InfiniteScores::new(forest, series, seed)?),
            Self::Inclusive(model) => Box::new(InclusiveScores::new(model, series, seed)?),
        })
    }
}

/// Values of rows drawn from a series, ascending.
fn drawn_values(series: &Series, seed: u64) -> Result<Vec<f64>> {
    let mut drawn = series.gather(0, drawn_rows(series.rows(), seed)?.rows())?;
    drawn.sort_unstable_by(f64::total_cmp);
    Ok(drawn)
}

/// The automatic threshold for a forest with this average depth, from the scores of some rows.
fn auto_threshold(drawn: &[f64], score: impl Fn(f64) -> f64, average: f64, rows: usize) -> f64 {
    let scores: Vec<f64> = drawn.iter().map(|&value| score(value)).collect();
    Stretch::Depth(average).extreme(&scores, rows as u64)
}

/// A forest on several columns.
#[derive(Debug)]
pub(super) struct RowModel {
    forest: MultivariateForest,
    /// Mean path length of an average row.
    average_depth: f64,
}

impl RowModel {
    /// Grows the forest on rows drawn from `series`.
    ///
    /// # Errors
    /// Those of [`Series::read`]; [`ErrorKind::NoUsableRow`](crate::support::error::ErrorKind::NoUsableRow)
    /// without a row.
    pub(super) fn fit(series: &Series, params: &ForestParams) -> Result<Self> {
        let plan = SamplePlan::draw(series.rows(), params)?;
        let gathered: Vec<Vec<f64>> = (0..series.columns().len())
            .map(|column| series.gather(column, plan.rows()))
            .collect::<Result<_>>()?;
        let gathered: Vec<&[f64]> = gathered.iter().map(Vec::as_slice).collect();
        Ok(Self {
            forest: MultivariateForest::fit_gathered(&plan, &gathered, params)?,
            average_depth: average_depth(params.sample_size().of(series.rows())),
        })
    }

    /// The score of every row of `series`, which has as many columns as the forest.
    ///
    /// # Errors
    /// Those of [`Series::read`] and of spilling rows;
    /// [`ErrorKind::ColumnMismatch`](crate::support::error::ErrorKind::ColumnMismatch) where the columns are
    /// others.
    pub(super) fn score(&self, series: &Series) -> Result<RowScores> {
        let auto = AutoThreshold::Tail(Stretch::Depth(self.average_depth));
        RowScores::in_parallel(series, auto, |_, chunk| {
            let mut scores = vec![0.0; chunk.rows()];
            self.forest
                .score_into(&chunk.value_columns(), &mut scores)?;
            Ok(scores)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::threshold::quantile_threshold;
    use crate::forest::SampleSize;
    use crate::support::random::Stream;

    fn series(values: &[f64]) -> Series {
        let times: Vec<i64> = (0..values.len() as i64).collect();
        Series::from_columns(vec!["v".into()], &times, &[values])
    }

    /// Sums of twelve evenly spread numbers: nearly normal, with mean 100 and standard deviation 10.
    fn bell(rows: usize) -> Vec<f64> {
        let mut stream = Stream::of_seed(7);
        (0..rows)
            .map(|_| (0..12).map(|_| stream.unit()).sum::<f64>() * 10.0 + 40.0)
            .collect()
    }

    fn scores(series: &Series) -> [Box<dyn ValueScores>; 3] {
        let params = ForestParams::default();
        let grown = ForestParams::new(1000, SampleSize::Rows(256), 42).unwrap();
        [
            ValueModel::fit(series, &params),
            ValueModel::fit(series, &grown),
            ValueModel::fit_for_auto_threshold(series, &params),
        ]
        .map(|model| model.unwrap().score(series, 1).unwrap())
    }

    #[test]
    fn the_scale_of_a_normal_distribution_is_its_standard_deviation() {
        let series = series(&bell(20_000));
        let found = scores(&series).map(|scores| scores.baseline(&series).unwrap());
        for baseline in [&found[..], &[Baseline::of_column(&series, 0).unwrap()]].concat() {
            assert!((baseline.scale - 10.0).abs() < 0.4, "{baseline:?}");
            assert!((baseline.center - 100.0).abs() < 0.5, "{baseline:?}");
        }
    }

    #[test]
    fn thresholds_are_the_quantiles_of_the_scores_written_out() {
        // Two modes, ties and spikes: depths that rise and fall several times.
        let mut two_modes = bell(9_000);
        for (row, value) in two_modes.iter_mut().enumerate() {
            match row % 10 {
                0..4 => *value = (*value / 3.0).round() + 500.0,
                9 if row % 300 == 299 => *value *= 100.0,
                _ => {}
            }
        }
        for values in [bell(9_000), two_modes, bell(7), bell(300)] {
            let series = series(&values);
            for scores in scores(&series) {
                let mut all = Vec::new();
                scores.write(&values, &mut all);
                let counted: Vec<(f64, u64)> = all.iter().map(|&score| (score, 1)).collect();
                for rate in [1e-4, 0.001, 0.013, 0.1, 0.5] {
                    let rate = Contamination::new(rate).unwrap();
                    let wanted = quantile_threshold(&counted, rate).unwrap();
                    let found = scores.quantile_threshold(&series, rate).unwrap();
                    assert_eq!(found, wanted, "{rate} of {} rows", values.len());
                    let (low, high) = scores.ordinary_range(wanted);
                    let quiet = |value: f64| value > low && value < high;
                    let pairs = values.iter().zip(&all);
                    assert!(
                        pairs
                            .clone()
                            .all(|(&v, &score)| !quiet(v) || score <= wanted)
                    );
                }
            }
        }
    }
}

//! The `value` detector: a row is judged by its values alone, wherever it stands, by an isolation forest.
//!
//! On one column the score is a function of the value ([`ValueScorer`]), so that no score is kept for a row.
//! On several, every row is led through the trees, and its score is kept.

mod value;

use super::row_scores::{AutoThreshold, RowScores};
use super::stretch::Stretch;
use crate::forest::depth::average_depth;
use crate::forest::{ForestParams, MultivariateForest, SamplePlan};
use crate::series::Series;
use crate::support::error::Result;

pub(super) use self::value::{ValueModel, ValueScores};

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

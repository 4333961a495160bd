//! Scores of one column by trees that are grown: a step function of the value.

use std::sync::Arc;

use super::counts::Counts;
use super::{ValueScores, auto_threshold, drawn_values};
use crate::detect::baseline::Baseline;
use crate::detect::threshold::{Contamination, quantile_threshold};
use crate::forest::depth::average_depth;
use crate::forest::{ForestParams, SamplePlan, UnivariateForest};
use crate::series::Series;
use crate::support::error::Result;

/// Trees collapsed into a step function.
#[derive(Debug)]
pub(in crate::detect) struct GrownModel {
    forest: UnivariateForest,
    /// Mean path length of an average row.
    average_depth: f64,
}

impl GrownModel {
    /// Grows the trees on rows drawn from `series`.
    pub(super) fn fit(series: &Series, params: &ForestParams) -> Result<Self> {
        let plan = SamplePlan::draw(series.rows(), params)?;
        let gathered = series.gather(0, plan.rows())?;
        Ok(Self {
            forest: UnivariateForest::fit_gathered(&plan, &gathered, params)?,
            average_depth: average_depth(params.sample_size().of(series.rows())),
        })
    }
}

/// The scores of a series, with the number of rows in each interval.
#[derive(Debug)]
pub(super) struct GrownScores {
    model: Arc<GrownModel>,
    counts: Counts,
    seed: u64,
}

impl GrownScores {
    /// Counts the rows of `series`.
    pub(super) fn new(model: &Arc<GrownModel>, series: &Series, seed: u64) -> Result<Self> {
        let forest = &model.forest;
        let count = |values: &[f64], counts: &mut [u64]| forest.count_intervals(values, counts);
        Ok(Self {
            counts: Counts::of(series, forest.interval_count(), count)?,
            model: Arc::clone(model),
            seed,
        })
    }
}

impl ValueScores for GrownScores {
    fn of(&self, value: f64) -> f64 {
        self.model.forest.score(value)
    }

    fn write(&self, values: &[f64], out: &mut Vec<f64>) {
        out.clear();
        out.resize(values.len(), 0.0);
        self.model.forest.score_into(values, out);
    }

    fn quantile_threshold(&self, _: &Series, rate: Contamination) -> Result<f64> {
        let counts = self.counts.rows().iter().enumerate();
        let counted: Vec<(f64, u64)> = counts
            .map(|(interval, &rows)| (self.model.forest.interval_score(interval), rows))
            .collect();
        Ok(quantile_threshold(&counted, rate).unwrap_or(1.0))
    }

    fn auto_threshold(&self, series: &Series) -> Result<f64> {
        let drawn = drawn_values(series, self.seed)?;
        let score = |value| self.of(value);
        let average = self.model.average_depth;
        Ok(auto_threshold(&drawn, score, average, series.rows()))
    }

    fn ordinary_range(&self, threshold: f64) -> (f64, f64) {
        self.model.forest.ordinary_range(threshold)
    }

    fn baseline(&self, series: &Series) -> Result<Baseline> {
        self.counts.baseline(series, |interval| {
            self.model.forest.interval_bounds(interval)
        })
    }
}

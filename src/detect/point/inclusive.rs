//! Scores of one column by infinitely many trees that hold the row that is judged.

use std::sync::Arc;

use super::{ValueScores, auto_threshold, drawn_values};
use crate::detect::baseline::{self, Baseline};
use crate::detect::departure::CEASED;
use crate::detect::quantile::{self, Numbers};
use crate::detect::stretch::Stretch;
use crate::detect::tail;
use crate::detect::threshold::{self, Contamination};
use crate::forest::{ForestParams, InclusiveForest};
use crate::series::{Chunk, Series};
use crate::support::error::Result;

/// Points of the forest: a score costs a division for each.
const MAX_POINTS: usize = 4_096;

/// The forest on the values, and for series that are never negative one that looks at low values more closely.
#[derive(Debug)]
pub(in crate::detect) struct InclusiveModel {
    forest: InclusiveForest,
    low: Option<LowSide>,
}

/// A forest on `asinh(value / unit)`, for values below the median. Traffic that is never far below its usual level
/// is as far from 0 as from a hundred times the level on this scale, and not on that of the values themselves.
#[derive(Debug)]
struct LowSide {
    forest: InclusiveForest,
    /// Values below this share of the usual level are about as low as 0.
    unit: f64,
    median: f64,
    /// What a stretched score counts beside one of the values themselves: the levels that ordinary rows hardly
    /// ever exceed are made equal.
    weight: f64,
}

impl InclusiveModel {
    /// Fits the forest: as many quantiles of the rows as a tree would have rows, up to [`MAX_POINTS`], stand for
    /// every sample that could be drawn. The outermost rows, as many on either side as an automatic threshold
    /// judges ([`tail::ROWS`]), are not among them: anomalies must not vouch for each other.
    pub(super) fn fit(series: &Series, params: &ForestParams) -> Result<Self> {
        let drawn = drawn_values(series, params.seed())?;
        let size = params.sample_size().of(series.rows());
        let size = size.min(drawn.len()).min(MAX_POINTS);
        let quantile = |at: usize| {
            let share = (at as f64 + 0.5) / size as f64;
            let inner = tail::ROWS.share + share * (1.0 - 2.0 * tail::ROWS.share);
            drawn[(inner * drawn.len() as f64) as usize]
        };
        let sample: Vec<f64> = (0..size).map(quantile).collect();
        let forest = InclusiveForest::new(&sample);
        let low = LowSide::fit(&forest, &sample, &drawn, series.rows());
        Ok(Self { forest, low })
    }

    fn stretch(forest: &InclusiveForest) -> Stretch {
        Stretch::Depth(forest.average_depth())
    }

    fn score(&self, value: f64) -> f64 {
        let score = self.forest.score(value);
        match &self.low {
            Some(low) if value < low.median => {
                let level = low.level_of(value) * low.weight;
                score.max(Self::stretch(&self.forest).squeezed(level))
            }
            _ => score,
        }
    }

    /// As [`ValueScores::ordinary_range`].
    fn ordinary_range(&self, threshold: f64) -> (f64, f64) {
        let range = self.forest.ordinary_range(threshold);
        let Some(low) = &self.low else {
            return range;
        };
        let level = Self::stretch(&self.forest).stretched(threshold) / low.weight;
        let scaled = low
            .forest
            .ordinary_range(Self::stretch(&low.forest).squeezed(level));
        if scaled.1 < low.scaled(low.median) {
            return (low.median.max(range.0), range.1);
        }
        // A little less, since the function back may round.
        let from = scaled.0.sinh() * low.unit;
        (range.0.max(from + from.abs() * 1e-9), range.1)
    }
}

impl LowSide {
    /// `None` where values are negative, or mostly 0.
    fn fit(values: &InclusiveForest, sample: &[f64], drawn: &[f64], rows: usize) -> Option<Self> {
        let median = drawn[drawn.len() / 2];
        if drawn[0] < 0.0 || median <= 0.0 {
            return None;
        }
        let unit = CEASED * median;
        let scaled: Vec<f64> = sample.iter().map(|value| (value / unit).asinh()).collect();
        let mut low = Self {
            forest: InclusiveForest::new(&scaled),
            unit,
            median,
            weight: 1.0,
        };
        let level = |forest: &InclusiveForest, tail, scores: Vec<f64>, rows: usize| {
            InclusiveModel::stretch(forest).level_in(tail, &scores, rows as u64)
        };
        let below = drawn.partition_point(|&value| value < median);
        let scores = drawn[..below]
            .iter()
            .map(|&value| low.forest.score(low.scaled(value)));
        let low_level = level(&low.forest, tail::LOW_ROWS, scores.collect(), rows / 2);
        let scores = drawn.iter().map(|&value| values.score(value)).collect();
        low.weight = level(values, tail::ROWS, scores, rows) / low_level;
        (low.weight.is_finite() && low.weight > 0.0).then_some(low)
    }

    fn scaled(&self, value: f64) -> f64 {
        (value / self.unit).asinh()
    }

    fn level_of(&self, value: f64) -> f64 {
        InclusiveModel::stretch(&self.forest).stretched(self.forest.score(self.scaled(value)))
    }
}

/// The scores of a series, with the values of some of its rows.
#[derive(Debug)]
pub(super) struct InclusiveScores {
    model: Arc<InclusiveModel>,
    /// Ascending.
    drawn: Vec<f64>,
}

impl InclusiveScores {
    /// Draws rows of `series`.
    pub(super) fn new(model: &Arc<InclusiveModel>, series: &Series, seed: u64) -> Result<Self> {
        Ok(Self {
            model: Arc::clone(model),
            drawn: drawn_values(series, seed)?,
        })
    }
}

impl ValueScores for InclusiveScores {
    fn of(&self, value: f64) -> f64 {
        self.model.score(value)
    }

    fn quantile_threshold(&self, series: &Series, rate: Contamination) -> Result<f64> {
        let rows = series.rows() as u64;
        threshold::quantile_of_ranks(rows, rate, |rank| {
            quantile::number_of_rank(series, self, rows - 1 - rank, rows)
        })
    }

    fn auto_threshold(&self, series: &Series) -> Result<f64> {
        // That of the values themselves: low values are weighted so that it fits them too.
        let forest = &self.model.forest;
        let score = |value| forest.score(value);
        let average = forest.average_depth();
        Ok(auto_threshold(&self.drawn, score, average, series.rows()))
    }

    fn ordinary_range(&self, threshold: f64) -> (f64, f64) {
        self.model.ordinary_range(threshold)
    }

    fn baseline(&self, series: &Series) -> Result<Baseline> {
        let rows = series.rows() as u64;
        Ok(Baseline {
            center: quantile::median(series, 0)?,
            scale: baseline::scale(rows, |rank| {
                let at = u128::from(rank) * self.drawn.len() as u128 / u128::from(rows);
                Ok(self.drawn[at as usize])
            })?,
        })
    }
}

impl Numbers for InclusiveScores {
    fn each(&self, chunk: &Chunk, mut give: impl FnMut(f64)) {
        for &value in chunk.values(0) {
            give(self.of(value));
        }
    }
}

//! Scores of one column by infinitely many trees that hold the row that is judged.

use std::sync::Arc;

use super::{ValueScores, auto_threshold, drawn_values};
use crate::detect::baseline::{self, Baseline};
use crate::detect::quantile::{self, Numbers};
use crate::detect::tail;
use crate::detect::threshold::{self, Contamination};
use crate::forest::{ForestParams, InclusiveForest};
use crate::series::{Chunk, Series};
use crate::support::error::Result;

/// Points of the forest: a score costs a division for each.
const MAX_POINTS: usize = 4_096;

/// Fits the forest: as many quantiles of the rows as a tree would have rows, up to [`MAX_POINTS`], stand for every
/// sample that could be drawn. The outermost rows, as many on either side as an automatic threshold judges
/// ([`tail::ROWS`]), are not among them: anomalies must not vouch for each other.
pub(super) fn fit(series: &Series, params: &ForestParams) -> Result<InclusiveForest> {
    let drawn = drawn_values(series, params.seed())?;
    let size = params.sample_size().of(series.rows());
    let size = size.min(drawn.len()).min(MAX_POINTS);
    let quantile = |at: usize| {
        let share = (at as f64 + 0.5) / size as f64;
        let inner = tail::ROWS.share + share * (1.0 - 2.0 * tail::ROWS.share);
        drawn[(inner * drawn.len() as f64) as usize]
    };
    let sample: Vec<f64> = (0..size).map(quantile).collect();
    Ok(InclusiveForest::new(&sample))
}

/// The scores of a series, with the values of some of its rows.
#[derive(Debug)]
pub(super) struct InclusiveScores {
    forest: Arc<InclusiveForest>,
    /// Ascending.
    drawn: Vec<f64>,
}

impl InclusiveScores {
    /// Draws rows of `series`.
    pub(super) fn new(forest: &Arc<InclusiveForest>, series: &Series, seed: u64) -> Result<Self> {
        Ok(Self {
            forest: Arc::clone(forest),
            drawn: drawn_values(series, seed)?,
        })
    }
}

impl ValueScores for InclusiveScores {
    fn of(&self, value: f64) -> f64 {
        self.forest.score(value)
    }

    fn quantile_threshold(&self, series: &Series, rate: Contamination) -> Result<f64> {
        let rows = series.rows() as u64;
        threshold::quantile_of_ranks(rows, rate, |rank| {
            quantile::number_of_rank(series, self, rows - 1 - rank, rows)
        })
    }

    fn auto_threshold(&self, series: &Series) -> Result<f64> {
        let score = |value| self.of(value);
        let average = self.forest.average_depth();
        Ok(auto_threshold(&self.drawn, score, average, series.rows()))
    }

    fn ordinary_range(&self, threshold: f64) -> (f64, f64) {
        self.forest.ordinary_range(threshold)
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

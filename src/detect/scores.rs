//! The scores of a series, and the threshold that follows from them.

use std::sync::Arc;

use super::baseline::Baseline;
use super::interval::SamplingInterval;
use super::options::ThresholdRule;
use super::point::ValueScores;
use super::row_scores::RowScores;
use super::subsequence::Shapes;
use crate::series::{Chunk, Series};
use crate::support::error::Result;

/// The score of every row of a series: in (0, 1], higher is more anomalous, and meaning the same in every
/// series.
#[derive(Debug)]
pub struct Scores<'a> {
    pub(super) series: &'a Series,
    pub(super) kind: Kind,
    pub(super) interval: SamplingInterval,
    seed: u64,
    /// Why no row can be told from another, where that is so.
    pub(super) nothing_to_tell: Option<&'static str>,
    pub(super) notes: Vec<String>,
}

/// Where a score comes from.
#[derive(Debug)]
pub(super) enum Kind {
    /// All rows are equal: 0.5.
    Equal,
    /// From the value of a single column.
    Values(Box<dyn ValueScores>),
    /// From what was kept of each row.
    Rows(RowScores),
    /// The same; what was expected is worked out for the rows that are shown.
    Shapes(RowScores, Arc<Shapes>),
}

/// The score of rows that are all equal.
const EQUAL: f64 = 0.5;

impl<'a> Scores<'a> {
    pub(super) fn new(
        series: &'a Series,
        kind: Kind,
        seed: u64,
        nothing_to_tell: Option<&'static str>,
        mut notes: Vec<String>,
    ) -> Result<Self> {
        let interval = SamplingInterval::of(series)?;
        let by_time = matches!(kind, Kind::Shapes(..))
            || matches!(&kind, Kind::Rows(rows) if rows.has_novelty());
        if by_time && interval.regular < REGULAR {
            let irregular = 100.0 * (1.0 - interval.regular);
            notes.insert(
                0,
                format!(
                    "{irregular:.0} % of the steps of time differ from the usual one: rows are taken as evenly spaced"
                ),
            );
        }
        Ok(Self {
            series,
            kind,
            interval,
            seed,
            nothing_to_tell,
            notes,
        })
    }

    /// The series that was scored.
    pub fn series(&self) -> &'a Series {
        self.series
    }

    /// Writes the score of every row of a part over `out`: that with this `number` in the series, whose rows
    /// are `chunk`.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub fn of_part(&self, number: usize, chunk: &Chunk, out: &mut Vec<f64>) -> Result<()> {
        out.clear();
        match &self.kind {
            Kind::Equal => out.resize(chunk.rows(), EQUAL),
            Kind::Values(values) => values.write(chunk.values(0), out),
            Kind::Rows(rows) | Kind::Shapes(rows, _) => {
                out.extend_from_slice(rows.part(number)?.scores());
            }
        }
        Ok(())
    }

    /// Whether [`novelty_of_part`](Self::novelty_of_part) has something to tell.
    pub fn has_novelty(&self) -> bool {
        matches!(&self.kind, Kind::Rows(rows) if rows.has_novelty())
    }

    /// The novelty of every row of a part: its score before repeated alarms were thinned out. `None` unless
    /// the context detector judged.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub fn novelty_of_part(&self, number: usize) -> Result<Option<Vec<f64>>> {
        match &self.kind {
            Kind::Rows(rows) if rows.has_novelty() => {
                Ok(rows.part(number)?.novelty().map(<[f64]>::to_vec))
            }
            _ => Ok(None),
        }
    }

    /// The score above which a row is an anomaly.
    ///
    /// With a contamination rate it is the (1 - rate) quantile of all scores, exact; automatic, what ordinary
    /// rows hardly ever exceed, or the level of a detector that has one for all series; 1, which no
    /// score exceeds, where rows are too few for that.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub fn threshold(&self, rule: ThresholdRule) -> Result<f64> {
        let threshold = match (rule, &self.kind) {
            (ThresholdRule::Score(score), _) => score,
            (_, Kind::Equal) => 1.0,
            (ThresholdRule::Contamination(rate), Kind::Values(values)) => {
                values.quantile_threshold(self.series, rate)?
            }
            (ThresholdRule::Contamination(rate), Kind::Rows(rows) | Kind::Shapes(rows, _)) => {
                rows.quantile_threshold(rate)?
            }
            (ThresholdRule::Auto, Kind::Values(values)) => values.auto_threshold(self.series)?,
            (ThresholdRule::Auto, Kind::Rows(rows) | Kind::Shapes(rows, _)) => {
                rows.auto_threshold(self.seed)?
            }
        };
        Ok(match self.nothing_to_tell {
            Some(_) => threshold.max(1.0),
            None => threshold,
        })
    }

    /// The baseline of each column over the whole series.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub(super) fn baselines(&self) -> Result<Vec<Baseline>> {
        match &self.kind {
            Kind::Values(values) => Ok(vec![values.baseline(self.series)?]),
            _ => (0..self.series.columns().len())
                .map(|column| Baseline::of_column(self.series, column))
                .collect(),
        }
    }
}

/// Where fewer of the steps are near the usual one, that is said.
const REGULAR: f64 = 0.9;

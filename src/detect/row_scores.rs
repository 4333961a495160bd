//! Scores that were computed row by row, in typed columns that may leave the memory.
//!
//! In: columns of scores, part by part as the series that was judged. Out: the same, read a part at a time.
//! Beyond the memory budget they are spilled, as the rows of a series are.

use std::borrow::Cow;
use std::sync::Arc;

use rayon::prelude::*;

use super::baseline::Baseline;
use super::quantile;
use super::stretch::Stretch;
use super::tail;
use super::threshold::{self, Contamination};
use crate::forest::{ForestParams, SamplePlan, SampleSize};
use crate::runtime::memory::Memory;
use crate::series::{Chunk, Part, Series, SeriesBuilder};
use crate::support::error::Result;

/// Scores of neighbouring rows, with what explains them. Columns are of one length.
#[derive(Debug, Default)]
pub(super) struct ScoreColumns {
    pub(super) score: Vec<f64>,
    /// What was expected of each row.
    pub(super) baseline: Option<Vec<Baseline>>,
    /// The score before repeated alarms were thinned out.
    pub(super) novelty: Option<Vec<f64>>,
    /// Number of the column of the series that contributed most.
    pub(super) column: Option<Vec<u16>>,
}

impl ScoreColumns {
    /// Scores alone.
    pub(super) fn of(score: Vec<f64>) -> Self {
        Self {
            score,
            ..Self::default()
        }
    }

    fn layout(&self) -> Layout {
        Layout {
            baseline: self.baseline.is_some(),
            novelty: self.novelty.is_some(),
            column: self.column.is_some(),
        }
    }

    fn into_chunk(self) -> Chunk {
        let mut columns = vec![self.score];
        if let Some(baseline) = self.baseline {
            columns.push(baseline.iter().map(|baseline| baseline.center).collect());
            columns.push(baseline.iter().map(|baseline| baseline.scale).collect());
        }
        columns.extend(self.novelty);
        if let Some(column) = self.column {
            columns.push(column.into_iter().map(f64::from).collect());
        }
        Chunk::untimed(columns)
    }
}

/// Which columns are kept, and with that the place of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) baseline: bool,
    pub(super) novelty: bool,
    pub(super) column: bool,
}

impl Layout {
    const SCORE: usize = 0;
    const CENTER: usize = 1;
    const SCALE: usize = 2;

    fn novelty(self) -> usize {
        1 + 2 * usize::from(self.baseline)
    }

    fn column(self) -> usize {
        self.novelty() + usize::from(self.novelty)
    }

    fn columns(self) -> usize {
        self.column() + usize::from(self.column)
    }
}

/// Takes the scores of one part after the other.
#[derive(Debug)]
pub(super) struct RowScoresBuilder {
    rows: SeriesBuilder,
    layout: Layout,
}

impl RowScoresBuilder {
    /// No row yet; those to come are kept in `memory` so far as it goes.
    pub(super) fn new(layout: Layout, memory: &Arc<Memory>) -> Self {
        let names = vec![String::new(); layout.columns()];
        Self {
            rows: SeriesBuilder::new(names, Arc::clone(memory)),
            layout,
        }
    }

    /// Adds the scores of the next part.
    ///
    /// # Errors
    /// Those of spilling rows.
    pub(super) fn push(&mut self, scores: ScoreColumns) -> Result<()> {
        debug_assert_eq!(
            scores.layout(),
            self.layout,
            "the columns that were promised"
        );
        self.rows.push(scores.into_chunk())
    }

    /// All scores. `auto` says how an automatic threshold follows from them.
    pub(super) fn finish(self, auto: AutoThreshold) -> Result<RowScores> {
        Ok(RowScores {
            rows: self.rows.finish()?,
            layout: self.layout,
            auto,
        })
    }
}

/// Where an automatic threshold comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum AutoThreshold {
    /// The detector has one level for all series.
    Level(f64),
    /// From the tail of the scores, stretched like this.
    Tail(Stretch),
}

/// The score of every row, part by part as the series that was judged.
#[derive(Debug)]
pub(super) struct RowScores {
    rows: Series,
    layout: Layout,
    auto: AutoThreshold,
}

impl RowScores {
    /// Scores of every row of `series`, computed side by side: `compute` is given the number of a part and
    /// its rows.
    pub(super) fn in_parallel(
        series: &Series,
        auto: AutoThreshold,
        compute: impl Fn(usize, &Chunk) -> Result<Vec<f64>> + Sync,
    ) -> Result<Self> {
        let mut rows = RowScoresBuilder::new(Layout::default(), series.memory());
        // A few parts at a time, so that what is beyond the memory budget can be spilled in order.
        let numbered: Vec<(usize, &Part)> = series.parts().iter().enumerate().collect();
        for parts in numbered.chunks(8 * rayon::current_num_threads()) {
            let computed = parts
                .par_iter()
                .map(|&(number, part)| compute(number, &*series.read(part)?))
                .collect::<Result<Vec<_>>>()?;
            for scores in computed {
                rows.push(ScoreColumns::of(scores))?;
            }
        }
        rows.finish(auto)
    }

    /// Whether [`ScoredRows::novelty`] is known.
    pub(super) fn has_novelty(&self) -> bool {
        self.layout.novelty
    }

    /// The scores of a part: that with this `number` in the series that was judged.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub(super) fn part(&self, number: usize) -> Result<ScoredRows<'_>> {
        Ok(ScoredRows {
            rows: self.rows.read(&self.rows.parts()[number])?,
            layout: self.layout,
        })
    }

    /// The (1 - rate) quantile of the scores.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub(super) fn quantile_threshold(&self, rate: Contamination) -> Result<f64> {
        let rows = self.rows.rows() as u64;
        threshold::quantile_of_ranks(rows, rate, |rank| {
            quantile::value_of_rank(&self.rows, Layout::SCORE, rows - 1 - rank)
        })
    }

    /// The score that ordinary rows hardly ever exceed; 1 where there are too few rows to tell.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub(super) fn auto_threshold(&self, seed: u64) -> Result<f64> {
        match self.auto {
            AutoThreshold::Level(level) => Ok(level),
            AutoThreshold::Tail(stretch) => {
                let drawn = drawn_rows(self.rows.rows(), seed)?;
                let scores = self.rows.gather(Layout::SCORE, drawn.rows())?;
                Ok(stretch.extreme(&scores, self.rows.rows() as u64))
            }
        }
    }
}

/// The rows that stand for all where all are too many.
///
/// # Errors
/// [`ErrorKind::NoUsableRow`](crate::support::error::ErrorKind::NoUsableRow) without a row.
pub(super) fn drawn_rows(rows: usize, seed: u64) -> Result<SamplePlan> {
    let sample = ForestParams::new(1, SampleSize::Rows(tail::SAMPLE), seed)?;
    SamplePlan::draw(rows, &sample)
}

/// The scores of one part.
#[derive(Debug)]
pub(super) struct ScoredRows<'a> {
    rows: Cow<'a, Chunk>,
    layout: Layout,
}

impl ScoredRows<'_> {
    /// The score of each row.
    pub(super) fn scores(&self) -> &[f64] {
        self.rows.values(Layout::SCORE)
    }

    /// What was expected of a row, where that is kept.
    pub(super) fn baseline(&self, row: usize) -> Option<Baseline> {
        self.layout.baseline.then(|| Baseline {
            center: self.rows.values(Layout::CENTER)[row],
            scale: self.rows.values(Layout::SCALE)[row],
        })
    }

    /// The score of each row before repeated alarms were thinned out, where that is kept.
    pub(super) fn novelty(&self) -> Option<&[f64]> {
        let place = self.layout.novelty();
        self.layout.novelty.then(|| self.rows.values(place))
    }

    /// Number of the column of the series that contributed most to a row; 0 where that is not kept.
    pub(super) fn column(&self, row: usize) -> u16 {
        if self.layout.column {
            self.rows.values(self.layout.column())[row] as u16
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_back_as_they_were_kept_in_any_layout() {
        let memory = Arc::new(Memory::unlimited());
        for bits in 0..8 {
            let kept = |bit: usize| bits >> bit & 1 == 1;
            let layout = Layout {
                baseline: kept(0),
                novelty: kept(1),
                column: kept(2),
            };
            let baseline = Baseline {
                center: 7.0,
                scale: 2.0,
            };
            let mut builder = RowScoresBuilder::new(layout, &memory);
            builder
                .push(ScoreColumns {
                    score: vec![0.1, 0.9],
                    baseline: kept(0).then(|| vec![baseline; 2]),
                    novelty: kept(1).then(|| vec![0.3, 0.4]),
                    column: kept(2).then(|| vec![5, 65_535]),
                })
                .unwrap();
            let scores = builder.finish(AutoThreshold::Level(0.5)).unwrap();
            let part = scores.part(0).unwrap();
            assert_eq!(part.scores(), [0.1, 0.9]);
            assert_eq!(part.baseline(1), kept(0).then_some(baseline));
            assert_eq!(part.novelty(), kept(1).then_some(&[0.3, 0.4][..]));
            assert_eq!(part.column(1), if kept(2) { 65_535 } else { 0 });
        }
    }
}

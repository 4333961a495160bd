//! Scores of one column: a function of the value.

use std::sync::Arc;

use crate::detect::baseline::{self, Baseline};
use crate::detect::quantile::{self, Numbers, Within};
use crate::detect::row_scores::drawn_rows;
use crate::detect::stretch::Stretch;
use crate::detect::tail;
use crate::detect::threshold::{self, Contamination, quantile_threshold};
use crate::forest::depth::average_depth;
use crate::forest::{ForestParams, InclusiveForest, SamplePlan, UnivariateForest};
use crate::series::{Chunk, Series};
use crate::support::error::Result;

/// A forest on one column.
#[derive(Debug, Clone)]
pub(in crate::detect) enum ValueModel {
    /// Trees that were grown, collapsed into a step function.
    Grown {
        forest: Arc<UnivariateForest>,
        /// Mean path length of an average row.
        average_depth: f64,
    },
    /// Infinitely many trees that hold the row that is judged: they tell distances beyond the sample, which
    /// an automatic threshold needs.
    Inclusive(Arc<InclusiveForest>),
}

/// Points of an inclusive forest: a score costs a division for each.
const MAX_POINTS: usize = 4_096;

impl ValueModel {
    /// Grows trees on rows drawn from `series`.
    ///
    /// # Errors
    /// Those of [`Series::read`]; [`ErrorKind::NoUsableRow`](crate::support::error::ErrorKind::NoUsableRow)
    /// without a row.
    pub(in crate::detect) fn grown(series: &Series, params: &ForestParams) -> Result<Self> {
        let plan = SamplePlan::draw(series.rows(), params)?;
        let gathered = series.gather(0, plan.rows())?;
        Ok(Self::Grown {
            forest: Arc::new(UnivariateForest::fit_gathered(&plan, &gathered, params)?),
            average_depth: average_depth(params.sample_size().of(series.rows())),
        })
    }

    /// Fits the limit of infinitely many trees: as many quantiles of the rows as a tree would have rows, up to
    /// [`MAX_POINTS`], stand for every sample that could be drawn. The outermost rows, as many on either side
    /// as an automatic threshold judges ([`tail::ROWS`]), are not among them: anomalies must not vouch for
    /// each other.
    ///
    /// # Errors
    /// As [`grown`](Self::grown).
    pub(in crate::detect) fn inclusive(series: &Series, params: &ForestParams) -> Result<Self> {
        let drawn = drawn_values(series, params.seed())?;
        let size = params.sample_size().of(series.rows());
        let size = size.min(drawn.len()).min(MAX_POINTS);
        let quantile = |at: usize| {
            let share = (at as f64 + 0.5) / size as f64;
            let inner = tail::ROWS.share + share * (1.0 - 2.0 * tail::ROWS.share);
            drawn[(inner * drawn.len() as f64) as usize]
        };
        let sample: Vec<f64> = (0..size).map(quantile).collect();
        Ok(Self::Inclusive(Arc::new(InclusiveForest::new(&sample))))
    }

    /// The score of every row of `series`, as a function of its value. Reads the rows once to count how many
    /// have which score, or some of them to know how values are spread.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub(in crate::detect) fn score(&self, series: &Series, seed: u64) -> Result<ValueScores> {
        Ok(match self {
            Self::Grown {
                forest,
                average_depth,
            } => ValueScores::Grown {
                counted: count_intervals(forest, series)?,
                forest: Arc::clone(forest),
                average_depth: *average_depth,
                seed,
            },
            Self::Inclusive(forest) => ValueScores::Inclusive {
                drawn: drawn_values(series, seed)?,
                forest: Arc::clone(forest),
            },
        })
    }
}

/// Values of rows drawn from a series, ascending.
fn drawn_values(series: &Series, seed: u64) -> Result<Vec<f64>> {
    let mut drawn = series.gather(0, drawn_rows(series.rows(), seed)?.rows())?;
    drawn.sort_unstable_by(f64::total_cmp);
    Ok(drawn)
}

/// The score of each interval of values, with the number of rows in it, in order of value.
fn count_intervals(forest: &UnivariateForest, series: &Series) -> Result<Vec<(f64, u64)>> {
    let intervals = forest.interval_count();
    let counts = series.fold(
        || vec![0u64; intervals],
        |counts, _, chunk| {
            forest.count_intervals(chunk.values(0), counts);
            Ok(())
        },
    )?;
    let counts = quantile::sum_of(counts, intervals).into_iter().enumerate();
    Ok(counts
        .map(|(interval, count)| (forest.interval_score(interval), count))
        .collect())
}

/// The scores of the rows of one column.
#[derive(Debug)]
pub(in crate::detect) enum ValueScores {
    /// From trees that were grown.
    Grown {
        forest: Arc<UnivariateForest>,
        average_depth: f64,
        /// The score of each interval of values, with the number of rows in it, in order of value.
        counted: Vec<(f64, u64)>,
        seed: u64,
    },
    /// From infinitely many trees that hold the row that is judged.
    Inclusive {
        forest: Arc<InclusiveForest>,
        /// Values of rows drawn from the series, ascending.
        drawn: Vec<f64>,
    },
}

impl ValueScores {
    /// The score of a value.
    #[inline]
    pub(in crate::detect) fn of(&self, value: f64) -> f64 {
        match self {
            Self::Grown { forest, .. } => forest.score(value),
            Self::Inclusive { forest, .. } => forest.score(value),
        }
    }

    /// Writes the score of each of `values` over `out`.
    pub(in crate::detect) fn write(&self, values: &[f64], out: &mut Vec<f64>) {
        out.clear();
        match self {
            Self::Grown { forest, .. } => {
                out.resize(values.len(), 0.0);
                forest.score_into(values, out);
            }
            Self::Inclusive { forest, .. } => {
                out.extend(values.iter().map(|&value| forest.score(value)));
            }
        }
    }

    /// The (1 - rate) quantile of the scores of `series`, the one that was scored.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub(in crate::detect) fn quantile_threshold(
        &self,
        series: &Series,
        rate: Contamination,
    ) -> Result<f64> {
        match self {
            Self::Grown { counted, .. } => Ok(quantile_threshold(counted, rate).unwrap_or(1.0)),
            Self::Inclusive { .. } => {
                let rows = series.rows() as u64;
                threshold::quantile_of_ranks(rows, rate, |rank| {
                    quantile::number_of_rank(series, self, rows - 1 - rank, rows)
                })
            }
        }
    }

    /// The score that ordinary rows hardly ever exceed; 1 where there are too few rows to tell.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub(in crate::detect) fn auto_threshold(&self, series: &Series) -> Result<f64> {
        let (scores, average): (Vec<f64>, f64) = match self {
            Self::Grown {
                seed,
                average_depth,
                ..
            } => {
                let drawn = drawn_values(series, *seed)?;
                (
                    drawn.iter().map(|&value| self.of(value)).collect(),
                    *average_depth,
                )
            }
            Self::Inclusive { forest, drawn } => (
                drawn.iter().map(|&value| self.of(value)).collect(),
                forest.average_depth(),
            ),
        };
        Ok(Stretch::Depth(average).extreme(&scores, series.rows() as u64))
    }

    /// The widest range of values that are no anomalies at `threshold`, without its ends: a quick way past
    /// most rows. Empty (bounds the wrong way round) where there is none.
    pub(in crate::detect) fn ordinary_range(&self, threshold: f64) -> (f64, f64) {
        match self {
            Self::Grown { forest, .. } => forest.ordinary_range(threshold),
            Self::Inclusive { forest, .. } => forest.ordinary_range(threshold),
        }
    }

    /// The baseline of the column: its median, exact, and a scale from its quartiles, to within an interval
    /// or as they are among drawn rows.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub(in crate::detect) fn baseline(&self, series: &Series) -> Result<Baseline> {
        let rows = series.rows() as u64;
        match self {
            Self::Grown {
                forest, counted, ..
            } => Ok(Baseline {
                // The counts tell in which interval the median lies.
                center: quantile::median_within(series, 0, |rank| {
                    let (interval, before) = interval_of_rank(counted, rank);
                    let (above, up_to) = forest.interval_bounds(interval);
                    Within {
                        above,
                        up_to,
                        before,
                        rows: counted[interval].1,
                    }
                })?,
                scale: baseline::scale(rows, |rank| {
                    let interval = interval_of_rank(counted, rank).0;
                    Ok(middle_of(forest.interval_bounds(interval)))
                })?,
            }),
            Self::Inclusive { drawn, .. } => Ok(Baseline {
                center: quantile::median(series, 0)?,
                scale: baseline::scale(rows, |rank| {
                    let at = u128::from(rank) * drawn.len() as u128 / u128::from(rows);
                    Ok(drawn[at as usize])
                })?,
            }),
        }
    }
}

impl Numbers for ValueScores {
    fn each(&self, chunk: &Chunk, mut give: impl FnMut(f64)) {
        for &value in chunk.values(0) {
            give(self.of(value));
        }
    }
}

/// The interval that holds the row of a rank, and how many rows lie below it.
fn interval_of_rank(counted: &[(f64, u64)], rank: u64) -> (usize, u64) {
    let mut before = 0;
    let mut interval = 0;
    while rank >= before + counted[interval].1 {
        before += counted[interval].1;
        interval += 1;
    }
    (interval, before)
}

/// The middle of an interval of values, or its end where it is open on the other side.
fn middle_of((low, high): (f64, f64)) -> f64 {
    if low == f64::NEG_INFINITY {
        high
    } else if high == f64::INFINITY {
        low
    } else {
        low / 2.0 + high / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums of twelve evenly spread numbers: nearly normal, with mean 100 and standard deviation 10.
    fn bell(rows: usize) -> Series {
        let mut stream = crate::support::random::Stream::of_seed(7);
        let mut unit = || crate::support::random::unit(stream.bits());
        let values: Vec<f64> = (0..rows)
            .map(|_| (0..12).map(|_| unit()).sum::<f64>() * 10.0 + 40.0)
            .collect();
        let times: Vec<i64> = (0..rows as i64).collect();
        Series::from_columns(vec!["v".into()], &times, &[&values])
    }

    fn models(series: &Series) -> [ValueModel; 2] {
        let params = ForestParams::default();
        [
            ValueModel::grown(series, &params).unwrap(),
            ValueModel::inclusive(series, &params).unwrap(),
        ]
    }

    #[test]
    fn the_scale_of_a_normal_distribution_is_its_standard_deviation() {
        let series = bell(20_000);
        let mut found: Vec<Baseline> = models(&series)
            .iter()
            .map(|model| model.score(&series, 1).unwrap().baseline(&series).unwrap())
            .collect();
        found.push(Baseline::of_column(&series, 0).unwrap());
        for baseline in found {
            assert!((baseline.scale - 10.0).abs() < 0.4, "{baseline:?}");
            assert!((baseline.center - 100.0).abs() < 0.5, "{baseline:?}");
        }
    }

    #[test]
    fn thresholds_are_those_of_the_scores_written_out() {
        let series = bell(9_000);
        for model in models(&series) {
            let scores = model.score(&series, 1).unwrap();
            let mut all = Vec::new();
            scores.write(series.read(&series.parts()[0]).unwrap().values(0), &mut all);
            for rate in [1e-4, 0.013, 0.5] {
                let rate = Contamination::new(rate).unwrap();
                let counted: Vec<(f64, u64)> = all.iter().map(|&score| (score, 1)).collect();
                let wanted = quantile_threshold(&counted, rate).unwrap();
                assert_eq!(scores.quantile_threshold(&series, rate).unwrap(), wanted);
                let (low, high) = scores.ordinary_range(wanted);
                assert!(low < 100.0 && high > 100.0, "{low} {high}");
                assert!(
                    scores.of(low.next_up()) <= wanted && scores.of(high.next_down()) <= wanted
                );
            }
        }
    }
}

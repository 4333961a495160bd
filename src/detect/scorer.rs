//! What gives a row its score: a forest, or scores that were computed row by row.

use std::sync::Arc;

use rayon::prelude::*;

use super::anomaly::Expectation;
use super::subsequence;
use super::tail;
use super::threshold::{self, Contamination, quantile_threshold};
use crate::detect::quantile::{self, Within};
use crate::forest::depth::average_depth;
use crate::forest::{
    ForestParams, InclusiveForest, MultivariateForest, SamplePlan, SampleSize, UnivariateForest,
};
use crate::series::{Chunk, Part, Series, SeriesBuilder};
use crate::support::error::Result;

/// What gives a row its score.
#[derive(Debug)]
pub(super) enum Scorer {
    Line(Line),
    Limit(Limit),
    Kept(Kept),
}

/// One column, a forest of trees.
#[derive(Debug)]
pub(super) struct Line {
    forest: UnivariateForest,
    /// The score of each interval of values, with the number of rows in it, in order of value.
    counted: Vec<(f64, u64)>,
}

/// One column, the limit of infinitely many trees.
#[derive(Debug)]
pub(super) struct Limit {
    forest: InclusiveForest,
    /// Values of rows drawn from the series, ascending.
    drawn: Vec<f64>,
}

/// Scores of every row, part by part as the series that was judged.
#[derive(Debug)]
pub(super) struct Kept {
    rows: Series,
    stretch: Stretch,
}

/// Columns of [`Kept`] rows, by name.
pub(super) const SCORE: &str = "score";
/// What was expected of the row, and how far values lie from that.
pub(super) const EXPECTED: &str = "expected";
pub(super) const SPREAD: &str = "spread";
/// Number of the column that contributed most.
pub(super) const COLUMN: &str = "column";
/// The score before alarms were thinned out.
pub(super) const NOVELTY: &str = "novelty";

/// How scores in (0, 1) are stretched into a scale without end, for their tail to be fitted on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stretch {
    /// Scores of a forest whose average depth this is: `1 / (e^(depth - 1) - 1)`. The depth of a row at a
    /// distance d from rows that fill a range of width R is `1 + ln(1 + R / d)`, so this is `d / R`.
    Depth(f64),
    /// Scores of shapes: standard deviations from ordinary.
    Shape,
}

/// Shallower than this no row is: it stands for "at once".
const LEAST_DEPTH: f64 = 1.0 + 1e-9;

impl Stretch {
    fn stretched(self, score: f64) -> f64 {
        match self {
            Self::Depth(average) => {
                let depth = (-score.log2() * average).max(LEAST_DEPTH);
                1.0 / (depth - 1.0).exp_m1()
            }
            Self::Shape => subsequence::deviations_of(score),
        }
    }

    fn squeezed(self, level: f64) -> f64 {
        match self {
            _ if level == f64::INFINITY => 1.0,
            Self::Depth(average) => (-(1.0 + (1.0 / level).ln_1p()) / average).exp2(),
            Self::Shape => subsequence::score_of(level),
        }
    }

    /// The score that ordinary rows exceed [`tail::RISK`] times in `rows` rows, from those of some.
    fn extreme(self, scores: &[f64], rows: u64) -> f64 {
        let mut sample: Vec<f64> = scores.iter().map(|&score| self.stretched(score)).collect();
        let tail = match self {
            Self::Depth(_) => tail::ROWS,
            Self::Shape => tail::WINDOWS,
        };
        self.squeezed(tail::extreme_level(&mut sample, rows, tail))
    }
}

impl Line {
    /// Fits a collapsed forest to a single column and counts the rows in each of its intervals.
    pub(super) fn fit(series: &Series, params: &ForestParams) -> Result<Self> {
        let plan = SamplePlan::draw(series.rows(), params)?;
        let gathered = series.gather(0, plan.rows())?;
        let forest = UnivariateForest::fit_gathered(&plan, &gathered, params)?;
        let intervals = forest.interval_count();
        let counts = series.fold(
            || vec![0u64; intervals],
            |counts, _, chunk| {
                forest.count_intervals(chunk.values(0), counts);
                Ok(())
            },
        )?;
        let counted = quantile::sum_of(counts, intervals)
            .into_iter()
            .enumerate()
            .map(|(interval, count)| (forest.interval_score(interval), count))
            .collect();
        Ok(Self { forest, counted })
    }

    /// The (1 - rate) quantile of the scores.
    pub(super) fn quantile_threshold(&self, rate: Contamination) -> f64 {
        quantile_threshold(&self.counted, rate).unwrap_or(1.0)
    }

    /// The interval that holds the row of a rank, and how many rows lie below it.
    fn interval_of_rank(&self, rank: u64) -> (usize, u64) {
        let mut before = 0;
        let mut interval = 0;
        while rank >= before + self.counted[interval].1 {
            before += self.counted[interval].1;
            interval += 1;
        }
        (interval, before)
    }

    /// The median. The counts tell in which interval it lies.
    fn median(&self, series: &Series) -> Result<f64> {
        quantile::median_within(series, 0, |rank| {
            let (interval, before) = self.interval_of_rank(rank);
            let (above, up_to) = self.forest.interval_bounds(interval);
            Within {
                above,
                up_to,
                before,
                rows: self.counted[interval].1,
            }
        })
    }

    /// A value near that of a rank: the middle of its interval, of which there are hundreds.
    fn value_near_rank(&self, rank: u64) -> f64 {
        match self.forest.interval_bounds(self.interval_of_rank(rank).0) {
            (low, high) if low == f64::NEG_INFINITY => high,
            (low, high) if high == f64::INFINITY => low,
            (low, high) => low / 2.0 + high / 2.0,
        }
    }

    /// The widest run of intervals whose score does not pass `threshold`.
    fn ordinary_range(&self, threshold: f64) -> (f64, f64) {
        let forest = &self.forest;
        let mut widest = (0, 0);
        let mut start = 0;
        for interval in 0..=forest.interval_count() {
            if interval == forest.interval_count() || forest.interval_score(interval) > threshold {
                if interval - start > widest.1 - widest.0 {
                    widest = (start, interval);
                }
                start = interval + 1;
            }
        }
        if widest.0 == widest.1 {
            return NOWHERE;
        }
        let low = forest.interval_bounds(widest.0).0;
        let high = forest.interval_bounds(widest.1 - 1).1;
        (low, high)
    }
}

impl Limit {
    /// Fits the limit of infinitely many trees to a single column: as many quantiles of the rows as a
    /// tree would have rows, up to [`MOST_POINTS`], stand for every sample that could be drawn. The
    /// outermost rows, as many on either side as an automatic threshold judges ([`tail::ROWS`]), are not
    /// among them: anomalies must not vouch for each other.
    pub(super) fn fit(series: &Series, params: &ForestParams) -> Result<Self> {
        let mut drawn = series.gather(0, drawn_rows(series.rows(), params)?.rows())?;
        drawn.sort_unstable_by(f64::total_cmp);
        let size = params.sample_size().of(series.rows());
        let size = size.min(drawn.len()).min(MOST_POINTS);
        let quantile = |at: usize| {
            let share = (at as f64 + 0.5) / size as f64;
            let inner = tail::ROWS.share + share * (1.0 - 2.0 * tail::ROWS.share);
            drawn[(inner * drawn.len() as f64) as usize]
        };
        let sample: Vec<f64> = (0..size).map(quantile).collect();
        Ok(Self {
            forest: InclusiveForest::new(&sample),
            drawn,
        })
    }

    /// The score that ordinary rows hardly ever exceed; 1 where there are too few rows to tell.
    pub(super) fn extreme_threshold(&self, rows: usize) -> f64 {
        let scores: Vec<f64> = self.drawn.iter().map(|&v| self.forest.score(v)).collect();
        Stretch::Depth(self.forest.average_depth()).extreme(&scores, rows as u64)
    }
}

/// Points of a limit forest: a score costs a division for each.
const MOST_POINTS: usize = 4_096;
/// An empty range.
const NOWHERE: (f64, f64) = (f64::INFINITY, f64::NEG_INFINITY);

impl Scorer {
    /// What is usual in each column: the median, and the spread from the quartiles; where these
    /// coincide, from quantiles farther out.
    pub(super) fn usual(&self, series: &Series) -> Result<Vec<Expectation>> {
        (0..series.columns().len())
            .map(|column| {
                Ok(Expectation {
                    value: self.median(series, column)?,
                    spread: self.spread(series, column)?,
                })
            })
            .collect()
    }

    fn median(&self, series: &Series, column: usize) -> Result<f64> {
        match self {
            Self::Line(line) => line.median(series),
            Self::Limit(_) | Self::Kept(_) => quantile::median(series, column),
        }
    }

    fn spread(&self, series: &Series, column: usize) -> Result<f64> {
        let last = series.rows() as u64 - 1;
        for (tail, normal_width) in TAILS {
            let rank = (last as f64 * tail) as u64;
            let value_of = |rank: u64| match self {
                Self::Line(line) => Ok(line.value_near_rank(rank)),
                Self::Limit(Limit { drawn, .. }) => {
                    let rows = drawn.len() as u128;
                    Ok(drawn[(u128::from(rank) * rows / (u128::from(last) + 1)) as usize])
                }
                Self::Kept(_) => quantile::value_of_rank(series, column, rank),
            };
            // Halved, since the difference may be beyond the largest number.
            let width = value_of(last - rank)? / 2.0 - value_of(rank)? / 2.0;
            if width > 0.0 {
                return Ok((width / normal_width).min(f64::MAX / 2.0) * 2.0);
            }
        }
        Ok(0.0)
    }

    /// Rows whose score is above `threshold`.
    pub(super) fn count_above(&self, series: &Series, threshold: f64) -> Result<u64> {
        let counts = match self {
            Self::Line(line) => {
                let above = line.counted.iter().filter(|&&(score, _)| score > threshold);
                return Ok(above.map(|&(_, count)| count).sum());
            }
            Self::Limit(Limit { forest, .. }) => {
                let (low, high) = forest.ordinary_range(threshold);
                series.fold(
                    || 0u64,
                    |count, _, chunk| {
                        let beyond = chunk.values(0).iter().filter(|&&v| !(v > low && v < high));
                        *count += beyond.filter(|&&v| forest.score(v) > threshold).count() as u64;
                        Ok(())
                    },
                )?
            }
            Self::Kept(kept) => kept.rows.fold(
                || 0u64,
                |count, _, chunk| {
                    let above = chunk.values(0).iter().filter(|&&score| score > threshold);
                    *count += above.count() as u64;
                    Ok(())
                },
            )?,
        };
        Ok(counts.into_iter().sum())
    }

    /// The widest range of values that are no anomalies at `threshold`, without its ends: a quick way past
    /// most rows. Empty (bounds the wrong way round) where there is none.
    pub(super) fn ordinary_range(&self, threshold: f64) -> (f64, f64) {
        match self {
            Self::Line(line) => line.ordinary_range(threshold),
            Self::Limit(limit) => limit.forest.ordinary_range(threshold),
            Self::Kept(_) => NOWHERE,
        }
    }

    /// The score of a value of a single column; `None` where scores are kept row by row.
    #[inline]
    pub(super) fn score_of(&self, value: f64) -> Option<f64> {
        match self {
            Self::Line(line) => Some(line.forest.score(value)),
            Self::Limit(limit) => Some(limit.forest.score(value)),
            Self::Kept(_) => None,
        }
    }

    /// Writes the score of every row of a part over `out`: that with this `number` in the series that
    /// was judged, whose rows are `chunk`.
    pub(super) fn scores_of(&self, number: usize, chunk: &Chunk, out: &mut Vec<f64>) -> Result<()> {
        out.clear();
        match self {
            Self::Line(line) => {
                out.resize(chunk.rows(), 0.0);
                line.forest.score_into(chunk.values(0), out);
            }
            Self::Limit(limit) => {
                out.extend(
                    chunk
                        .values(0)
                        .iter()
                        .map(|&value| limit.forest.score(value)),
                );
            }
            Self::Kept(kept) => {
                let part = kept.rows.read(&kept.rows.parts()[number])?;
                out.extend_from_slice(part.values(0));
            }
        }
        Ok(())
    }
}

/// Share of the rows on either side of a range, and how wide that range is for a normal distribution
/// with a standard deviation of 1.
const TAILS: [(f64, f64); 4] = [(0.25, 1.349), (0.05, 3.290), (0.01, 4.653), (0.0, 6.0)];

/// The rows that stand for all where all are too many.
fn drawn_rows(rows: usize, params: &ForestParams) -> Result<SamplePlan> {
    let sample = ForestParams::new(1, SampleSize::Rows(tail::SAMPLE), params.seed())?;
    SamplePlan::draw(rows, &sample)
}

/// Computes columns for every row, part by part: `compute` is given the number of a part and its rows.
pub(super) fn in_parallel(
    series: &Series,
    names: &[&str],
    compute: impl Fn(usize, &Chunk) -> Result<Vec<Vec<f64>>> + Sync,
) -> Result<Series> {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    let mut rows = SeriesBuilder::new(names, Arc::clone(series.memory()));
    // A few parts at a time, so that what is beyond the memory limit can be set aside in order.
    let numbered: Vec<(usize, &Part)> = series.parts().iter().enumerate().collect();
    for parts in numbered.chunks(8 * rayon::current_num_threads()) {
        let computed = parts
            .par_iter()
            .map(|&(number, part)| Ok(Chunk::untimed(compute(number, &*series.read(part)?)?)))
            .collect::<Result<Vec<_>>>()?;
        for chunk in computed {
            rows.push(chunk)?;
        }
    }
    rows.finish()
}

/// What was kept of one row.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeptRow {
    pub(super) score: f64,
    /// Where it was kept.
    pub(super) expected: Option<Expectation>,
    /// The column that contributed most, where it was kept.
    pub(super) column: Option<u16>,
}

impl Kept {
    /// Scores in a column called [`SCORE`], the first; the others as they are wanted.
    pub(super) fn new(rows: Series, stretch: Stretch) -> Self {
        Self { rows, stretch }
    }

    /// Fits a forest to several columns and scores every row.
    pub(super) fn by_forest(series: &Series, params: &ForestParams) -> Result<Self> {
        let plan = SamplePlan::draw(series.rows(), params)?;
        let gathered: Vec<Vec<f64>> = (0..series.columns().len())
            .map(|column| series.gather(column, plan.rows()))
            .collect::<Result<_>>()?;
        let gathered: Vec<&[f64]> = gathered.iter().map(Vec::as_slice).collect();
        let forest = MultivariateForest::fit_gathered(&plan, &gathered, params)?;
        let average = average_depth(params.sample_size().of(series.rows()));
        let rows = in_parallel(series, &[SCORE], |_, chunk| {
            let mut scores = vec![0.0; chunk.rows()];
            forest.score_into(&chunk.value_columns(), &mut scores)?;
            Ok(vec![scores])
        })?;
        Ok(Self::new(rows, Stretch::Depth(average)))
    }

    /// The (1 - rate) quantile of the scores.
    pub(super) fn quantile_threshold(&self, rate: Contamination) -> Result<f64> {
        let rows = self.rows.rows() as u64;
        threshold::quantile_of_ranks(rows, rate, |rank| {
            quantile::value_of_rank(&self.rows, 0, rows - 1 - rank)
        })
    }

    /// The score that ordinary rows hardly ever exceed; 1 where there are too few rows to tell.
    pub(super) fn extreme_threshold(&self, params: &ForestParams) -> Result<f64> {
        let drawn = drawn_rows(self.rows.rows(), params)?;
        let scores = self.rows.gather(0, drawn.rows())?;
        Ok(self.stretch.extreme(&scores, self.rows.rows() as u64))
    }

    /// The number of a column of the kept rows.
    fn place(&self, name: &str) -> Option<usize> {
        self.rows.columns().iter().position(|column| column == name)
    }

    /// Calls `each` with the number of every row of a part, and with what was kept of it.
    pub(super) fn each(&self, number: usize, mut each: impl FnMut(usize, KeptRow)) -> Result<()> {
        let part = self.rows.read(&self.rows.parts()[number])?;
        let values = |name| self.place(name).map(|column| part.values(column));
        let (columns, expected) = (values(COLUMN), values(EXPECTED).zip(values(SPREAD)));
        for (row, &score) in part.values(0).iter().enumerate() {
            let kept = KeptRow {
                score,
                expected: expected.map(|(value, spread)| Expectation {
                    value: value[row],
                    spread: spread[row],
                }),
                column: columns.map(|columns| columns[row] as u16),
            };
            each(row, kept);
        }
        Ok(())
    }

    pub(super) fn has_novelty(&self) -> bool {
        self.place(NOVELTY).is_some()
    }

    /// The scores of a part before alarms were thinned out, where these were kept.
    pub(super) fn novelty_of(&self, number: usize) -> Result<Option<Vec<f64>>> {
        let Some(place) = self.place(NOVELTY) else {
            return Ok(None);
        };
        let part = self.rows.read(&self.rows.parts()[number])?;
        Ok(Some(part.values(place).to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_spread_of_a_normal_distribution_is_its_standard_deviation() {
        // Sums of twelve evenly spread numbers are nearly normal, with a standard deviation of 1.
        let mut state = 7u64;
        let mut unit = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let values: Vec<f64> = (0..20_000)
            .map(|_| (0..12).map(|_| unit()).sum::<f64>() * 10.0 + 40.0)
            .collect();
        let times: Vec<i64> = (0..20_000).collect();
        let series = Series::from_columns(vec!["v".into()], &times, &[&values]);
        let params = ForestParams::default();
        for scorer in [
            Scorer::Line(Line::fit(&series, &params).unwrap()),
            Scorer::Limit(Limit::fit(&series, &params).unwrap()),
            Scorer::Kept(Kept::by_forest(&series, &params).unwrap()),
        ] {
            let usual = scorer.usual(&series).unwrap()[0];
            assert!((usual.spread - 10.0).abs() < 0.4, "{usual:?}");
            assert!((usual.value - 100.0).abs() < 0.5, "{usual:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_stretched_squeezes_back(score in 0.01f64..0.9, average in 2f64..30.0) {
            for stretch in [Stretch::Depth(average), Stretch::Shape] {
                let score = match stretch {
                    Stretch::Depth(average) => score.min((-1.001 / average).exp2()),
                    Stretch::Shape => score,
                };
                let back = stretch.squeezed(stretch.stretched(score));
                prop_assert!((back - score).abs() < 1e-9, "{} {}", score, back);
            }
        }
    }
}

//! Turns the rows of a series into findings: scores, the threshold, the rows above it.
//!
//! In: a [`Series`] and the settings. Out: [`Findings`], which score any chunk of the series and list
//! its anomalies on demand, so that nothing as long as the series need be kept. Knows nothing of files
//! or pictures.

pub mod order;
mod threshold;

use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::forest::{Forest, ForestParams, LineForest, SamplePlan};
use crate::series::{Chunk, Series, SeriesBuilder};

use self::order::Within;
pub use self::threshold::{Contamination, ThresholdRule, quantile_threshold};

/// Settings of a detection.
#[derive(Debug, Clone, Default)]
pub struct DetectOptions {
    /// The forest to grow.
    pub forest: ForestParams,
    /// Which score is high enough.
    pub threshold: ThresholdRule,
}

/// What was found in one series.
#[derive(Debug)]
pub struct Findings {
    /// Rows with a higher score are anomalies.
    pub threshold: f64,
    /// Rows that the contamination rate lets expect; `None` where the threshold was set outright.
    pub expected: Option<f64>,
    /// Rows found above the threshold.
    pub anomalies: u64,
    /// Median and spread of each value column.
    pub centres: Vec<Centre>,
    /// What the reader of the findings should know.
    pub note: Option<Note>,
    scorer: Scorer,
}

/// Where the values of a column lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Centre {
    /// The median.
    pub median: f64,
    /// Distance between the quartiles; only with several columns, 0 else.
    pub quartile_distance: f64,
}

/// Something to say about a series beside its anomalies.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// There is one row: nothing to compare it with.
    OneRow,
    /// All rows are equal: none can be told from the others.
    Constant,
}

impl Note {
    /// In words.
    pub fn text(&self) -> &'static str {
        match self {
            Self::OneRow => "one row only: nothing to compare it with, no anomalies",
            Self::Constant => "all values are equal: no anomalies",
        }
    }
}

/// On which side of the median an anomaly lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Above it, or on it.
    Above,
    /// Below it.
    Below,
}

impl Direction {
    /// `above` or `below`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
        }
    }
}

/// Anomalous rows, column by column, in time order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Anomalies {
    /// When, in microseconds UTC.
    pub timestamps_us: Vec<i64>,
    /// The value columns.
    pub values: Vec<Vec<f64>>,
    /// The scores.
    pub scores: Vec<f64>,
    /// On which side of the median; with several columns, of that in [`column`](Self::column).
    pub directions: Vec<Direction>,
    /// Number of the column that lies farthest from its median, in quartile distances.
    pub column: Vec<u16>,
}

impl Anomalies {
    /// None yet, for rows with this number of value columns.
    pub fn with_columns(columns: usize) -> Self {
        Self {
            values: vec![Vec::new(); columns],
            ..Self::default()
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.timestamps_us.len()
    }

    /// Adds the rows of `other` behind these.
    pub fn append(&mut self, other: Self) {
        self.timestamps_us.extend(other.timestamps_us);
        for (mine, theirs) in self.values.iter_mut().zip(other.values) {
            mine.extend(theirs);
        }
        self.scores.extend(other.scores);
        self.directions.extend(other.directions);
        self.column.extend(other.column);
    }
}

/// Finds the anomalies of a series.
///
/// One value column is scored by a collapsed forest, several by a general one. Scores lie in (0, 1];
/// higher is more anomalous. A constant series has none, and the note says so. The same bits at any
/// number of threads.
///
/// # Errors
/// [`ErrorKind::NoUsableRow`] where the series is empty, and those of [`Series::read`] and of setting
/// rows aside.
pub fn detect(series: &Series, options: &DetectOptions) -> Result<Findings> {
    if series.rows() == 0 {
        return Err(Error::new(ErrorKind::NoUsableRow, "there is no row"));
    }
    let note = match (series.rows(), is_constant(series)?) {
        (1, _) => Some(Note::OneRow),
        (_, true) => Some(Note::Constant),
        _ => None,
    };
    let scorer = match series.columns().len() {
        1 => Scorer::line(series, &options.forest)?,
        _ => Scorer::general(series, &options.forest)?,
    };
    let (threshold, expected) = match options.threshold {
        ThresholdRule::Score(score) => (score, None),
        ThresholdRule::Contamination(rate) => (
            scorer.quantile_threshold(rate)?,
            Some(rate.rate() * series.rows() as f64),
        ),
    };
    // One row, or rows all alike, are nothing to be told from: whatever threshold was set.
    let threshold = match note {
        Some(_) => threshold.max(1.0),
        None => threshold,
    };
    let several = series.columns().len() > 1;
    let centres = (0..series.columns().len())
        .map(|column| {
            Ok(Centre {
                median: scorer.median(series, column)?,
                quartile_distance: match several {
                    true => quartile_distance(series, column)?,
                    false => 0.0,
                },
            })
        })
        .collect::<Result<_>>()?;
    Ok(Findings {
        threshold,
        expected,
        anomalies: scorer.count_above(threshold)?,
        centres,
        note,
        scorer: scorer.with_threshold(threshold),
    })
}

fn quartile_distance(series: &Series, column: usize) -> Result<f64> {
    let last = series.rows() as u64 - 1;
    let low = order::value_of_rank(series, column, last / 4)?;
    let high = order::value_of_rank(series, column, last - last / 4)?;
    // Halved, since the whole distance may be beyond the largest number.
    Ok((high / 2.0 - low / 2.0).min(f64::MAX / 2.0) * 2.0)
}

fn is_constant(series: &Series) -> Result<bool> {
    let Some(first) = series.parts().first() else {
        return Ok(true);
    };
    let first = series.read(first)?;
    let first: Vec<f64> = first
        .value_columns()
        .iter()
        .map(|column| column[0])
        .collect();
    for part in series.parts() {
        let chunk = series.read(part)?;
        let columns = chunk.value_columns();
        let mut pairs = columns.iter().zip(&first);
        if !pairs.all(|(column, first)| column.iter().all(|value| value == first)) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Findings {
    /// Writes the score of every row of a part over `out`: that with this `number` in the series that
    /// was examined, whose rows are `chunk`.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub fn scores_of(&self, number: usize, chunk: &Chunk, out: &mut Vec<f64>) -> Result<()> {
        out.clear();
        match &self.scorer {
            Scorer::Line { forest, .. } => {
                out.resize(chunk.rows(), 0.0);
                forest.score_into(chunk.values(0), out);
            }
            Scorer::General { scores } => {
                out.extend_from_slice(scores.read(&scores.parts()[number])?.values(0));
            }
        }
        Ok(())
    }

    /// The anomalies of a part, in time order: that with this `number` in the series that was
    /// examined, whose rows are `chunk`.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub fn anomalies_of(&self, number: usize, chunk: &Chunk) -> Result<Anomalies> {
        let mut found = Anomalies::with_columns(self.centres.len());
        let mut take = |row: usize, score: f64| {
            if score > self.threshold {
                let (column, direction) = self.direction(chunk, row);
                found.timestamps_us.push(chunk.timestamp_us(row));
                for (number, values) in found.values.iter_mut().enumerate() {
                    values.push(chunk.values(number)[row]);
                }
                found.scores.push(score);
                found.directions.push(direction);
                found.column.push(column);
            }
        };
        match &self.scorer {
            Scorer::Line {
                forest, ordinary, ..
            } => {
                for (row, &value) in chunk.values(0).iter().enumerate() {
                    if !(value > ordinary.0 && value < ordinary.1) {
                        take(row, forest.score(value));
                    }
                }
            }
            Scorer::General { .. } => {
                let mut scores = Vec::new();
                self.scores_of(number, chunk, &mut scores)?;
                for (row, &score) in scores.iter().enumerate() {
                    take(row, score);
                }
            }
        }
        Ok(found)
    }

    /// The column that lies farthest from its median, in quartile distances, and on which side.
    fn direction(&self, chunk: &Chunk, row: usize) -> (u16, Direction) {
        let offset = |column: usize| {
            let centre = &self.centres[column];
            let value = chunk.values(column)[row];
            (value / 2.0 - centre.median / 2.0, centre.quartile_distance)
        };
        let distance = |column: usize| {
            let (half, spread) = offset(column);
            half.abs() / spread.max(f64::MIN_POSITIVE)
        };
        let farthest = (0..self.centres.len())
            .reduce(|best, next| {
                if distance(next) > distance(best) {
                    next
                } else {
                    best
                }
            })
            .unwrap_or(0);
        let direction = if offset(farthest).0 < 0.0 {
            Direction::Below
        } else {
            Direction::Above
        };
        (farthest as u16, direction)
    }
}

/// What gives a row its score.
#[derive(Debug)]
enum Scorer {
    Line {
        forest: Box<LineForest>,
        /// The score of each interval of values, with the number of rows in it, in order of value.
        counted: Vec<(f64, u64)>,
        /// Values strictly between these two are no anomalies: a quick way past most rows.
        ordinary: (f64, f64),
    },
    General {
        /// The score of every row, part by part as the series that was examined.
        scores: Box<Series>,
    },
}

impl Scorer {
    /// Fits a collapsed forest to a single column and counts the rows in each of its intervals.
    fn line(series: &Series, params: &ForestParams) -> Result<Self> {
        let plan = SamplePlan::draw(series.rows(), params)?;
        let gathered = series.gather(0, plan.rows())?;
        let forest = LineForest::fit_gathered(&plan, &gathered, params)?;
        let intervals = forest.interval_count();
        let counts = series.fold(
            || vec![0u64; intervals],
            |counts, _, chunk| {
                forest.count_intervals(chunk.values(0), counts);
                Ok(())
            },
        )?;
        let counted = order::sum_of(counts, intervals)
            .into_iter()
            .enumerate()
            .map(|(interval, count)| (forest.interval_score(interval), count))
            .collect();
        Ok(Self::Line {
            forest: Box::new(forest),
            counted,
            ordinary: (f64::INFINITY, f64::NEG_INFINITY),
        })
    }

    /// Fits a forest to several columns and scores every row.
    fn general(series: &Series, params: &ForestParams) -> Result<Self> {
        let plan = SamplePlan::draw(series.rows(), params)?;
        let gathered: Vec<Vec<f64>> = (0..series.columns().len())
            .map(|column| series.gather(column, plan.rows()))
            .collect::<Result<_>>()?;
        let gathered: Vec<&[f64]> = gathered.iter().map(Vec::as_slice).collect();
        let forest = Forest::fit_gathered(&plan, &gathered, params)?;
        let mut scores = SeriesBuilder::new(vec!["score".to_owned()], Arc::clone(series.memory()));
        // A few parts at a time, so that scores beyond the memory limit can be set aside in order.
        for parts in series.parts().chunks(8 * rayon::current_num_threads()) {
            let scored = parts
                .par_iter()
                .map(|part| {
                    let chunk = series.read(part)?;
                    let mut scores = vec![0.0; chunk.rows()];
                    forest.score_into(&chunk.value_columns(), &mut scores)?;
                    Ok(Chunk::untimed(scores))
                })
                .collect::<Result<Vec<_>>>()?;
            for chunk in scored {
                scores.push(chunk)?;
            }
        }
        Ok(Self::General {
            scores: Box::new(scores.finish()?),
        })
    }

    fn quantile_threshold(&self, rate: Contamination) -> Result<f64> {
        match self {
            Self::Line { counted, .. } => Ok(quantile_threshold(counted, rate).unwrap_or(1.0)),
            Self::General { scores } => {
                let rows = scores.rows() as u64;
                threshold::quantile_of_ranks(rows, rate, |rank| {
                    order::value_of_rank(scores, 0, rows - 1 - rank)
                })
            }
        }
    }

    /// The median of a column. The counts tell in which interval of a single column it lies.
    fn median(&self, series: &Series, column: usize) -> Result<f64> {
        let Self::Line {
            forest, counted, ..
        } = self
        else {
            return order::median(series, column);
        };
        order::median_within(series, column, |rank| {
            let mut before = 0;
            let mut interval = 0;
            while rank >= before + counted[interval].1 {
                before += counted[interval].1;
                interval += 1;
            }
            let (above, up_to) = forest.interval_bounds(interval);
            Within {
                above,
                up_to,
                before,
                rows: counted[interval].1,
            }
        })
    }

    fn count_above(&self, threshold: f64) -> Result<u64> {
        match self {
            Self::Line { counted, .. } => {
                let above = counted.iter().filter(|&&(score, _)| score > threshold);
                Ok(above.map(|&(_, count)| count).sum())
            }
            Self::General { scores } => {
                let counts = scores.fold(
                    || 0u64,
                    |count, _, chunk| {
                        let above = chunk.values(0).iter().filter(|&&score| score > threshold);
                        *count += above.count() as u64;
                        Ok(())
                    },
                )?;
                Ok(counts.into_iter().sum())
            }
        }
    }

    fn with_threshold(self, threshold: f64) -> Self {
        match self {
            Self::Line {
                forest, counted, ..
            } => Self::Line {
                ordinary: widest_ordinary_range(&forest, threshold),
                forest,
                counted,
            },
            general => general,
        }
    }
}

/// The widest run of intervals whose score does not pass `threshold`.
fn widest_ordinary_range(forest: &LineForest, threshold: f64) -> (f64, f64) {
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
        return (f64::INFINITY, f64::NEG_INFINITY);
    }
    let low = forest.interval_bounds(widest.0).0;
    let high = forest.interval_bounds(widest.1 - 1).1;
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Series {
        let times: Vec<i64> = (0..values.len() as i64)
            .map(|row| row * 1_000_000)
            .collect();
        Series::from_columns(vec!["value".into()], &times, &[values])
    }

    fn found(series: &Series, findings: &Findings) -> Anomalies {
        let mut all = Anomalies::with_columns(series.columns().len());
        for (number, part) in series.parts().iter().enumerate() {
            let chunk = series.read(part).unwrap();
            all.append(findings.anomalies_of(number, &chunk).unwrap());
        }
        all
    }

    #[test]
    fn a_constant_series_has_no_anomalies_and_says_so() {
        let series = series(&[5.0; 300]);
        let findings = detect(&series, &DetectOptions::default()).unwrap();
        assert_eq!(
            (findings.anomalies, findings.note),
            (0, Some(Note::Constant))
        );
    }

    #[test]
    fn one_row_has_no_anomalies_and_says_so() {
        let findings = detect(&series(&[5.0]), &DetectOptions::default()).unwrap();
        assert_eq!((findings.anomalies, findings.note), (0, Some(Note::OneRow)));
    }

    #[test]
    fn a_spike_and_a_hole_are_found_with_their_direction() {
        let mut values: Vec<f64> = (0..1000)
            .map(|row| 1000.0 + f64::from(row * 7919 % 101))
            .collect();
        values[300] = 90_000.0;
        values[700] = -50_000.0;
        let series = series(&values);
        let options = DetectOptions {
            threshold: ThresholdRule::Contamination(Contamination::new(0.002).unwrap()),
            ..DetectOptions::default()
        };
        let findings = detect(&series, &options).unwrap();
        let all = found(&series, &findings);
        assert_eq!(all.timestamps_us, [300_000_000, 700_000_000]);
        assert_eq!(all.directions, [Direction::Above, Direction::Below]);
        assert_eq!((findings.anomalies, findings.expected), (2, Some(2.0)));
    }

    #[test]
    fn the_rows_listed_are_those_whose_score_passes_the_threshold() {
        let values: Vec<f64> = (0..5000)
            .map(|row| f64::from(row * 7919 % 5003).sqrt())
            .collect();
        let series = series(&values);
        let options = DetectOptions {
            threshold: ThresholdRule::Contamination(Contamination::new(0.1).unwrap()),
            ..DetectOptions::default()
        };
        let findings = detect(&series, &options).unwrap();
        let mut wanted = 0;
        let mut scores = Vec::new();
        for (number, part) in series.parts().iter().enumerate() {
            let chunk = series.read(part).unwrap();
            findings.scores_of(number, &chunk, &mut scores).unwrap();
            wanted += scores
                .iter()
                .filter(|&&score| score > findings.threshold)
                .count();
        }
        assert_eq!(found(&series, &findings).rows(), wanted);
        assert_eq!(findings.anomalies, wanted as u64);
        assert!(wanted > 400 && wanted <= 500);
    }

    #[test]
    fn with_several_columns_the_one_that_stands_out_is_named() {
        let calm: Vec<f64> = (0..500).map(|row| f64::from(row * 31 % 17)).collect();
        let mut loud: Vec<f64> = (0..500).map(|row| f64::from(row * 17 % 31)).collect();
        loud[250] = 4000.0;
        let times: Vec<i64> = (0..500).collect();
        let series = Series::from_columns(vec!["a".into(), "b".into()], &times, &[&calm, &loud]);
        let options = DetectOptions {
            threshold: ThresholdRule::Contamination(Contamination::new(0.002).unwrap()),
            ..DetectOptions::default()
        };
        let all = found(&series, &detect(&series, &options).unwrap());
        assert_eq!((all.timestamps_us, all.column), (vec![250], vec![1]));
        assert_eq!(all.directions, [Direction::Above]);
    }
}

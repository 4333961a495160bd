//! Turns the rows of a series into findings: scores, the threshold, the rows above it, and the incidents
//! that these make up.
//!
//! In: a [`Series`] and the settings. Out: [`Findings`], which score any part of the series and list its
//! anomalies on demand, so that nothing as long as the series need be kept. Knows nothing of files or
//! pictures.

pub mod anomaly;
pub mod contextual;
mod departure;
pub mod incident;
pub mod interval;
mod quantile;
mod scorer;
pub mod subsequence;
pub mod tail;
mod threshold;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::forest::ForestParams;
use crate::series::{Chunk, Series};
use crate::support::error::{Error, ErrorKind, Result};

use self::departure::{CEASED, DEPARTED, Departures, Row};
use self::interval::Cadence;
use self::scorer::{Kept, KeptRow, Limit, Line, Scorer};
use self::subsequence::Shapes;

pub use self::anomaly::{Anomalies, Direction, Expectation};
pub use self::incident::{Incident, Kind, Severity};
pub use self::threshold::{Contamination, ThresholdRule, quantile_threshold};

/// Settings of a detection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DetectOptions {
    /// What a row is compared with.
    pub detector: Detector,
    /// The forest to grow.
    pub forest: ForestParams,
    /// Which score is high enough.
    pub threshold: ThresholdRule,
}

impl DetectOptions {
    /// The rule for the threshold in words, and the detector where it is not the default one:
    /// `context detector, Contamination: auto`.
    pub fn describe(&self) -> String {
        let detector = match self.detector {
            Detector::Value => String::new(),
            other => format!("{other} detector, "),
        };
        let rule = match self.threshold {
            ThresholdRule::Contamination(rate) => format!("Contamination: {rate}"),
            ThresholdRule::Score(score) => format!("Threshold: {score}"),
            ThresholdRule::Auto => "Contamination: auto".to_owned(),
        };
        detector + &rule
    }
}

/// What a row is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detector {
    /// The values of the whole series, wherever they stand: an isolation forest on the value.
    #[default]
    Value,
    /// The past alone: the time of day, the level and the change of what came before.
    Context,
    /// The shapes of the whole series: stretches of rows unlike all others.
    Shape,
}

impl Detector {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Context => "context",
            Self::Shape => "shape",
        }
    }
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What was found in one series.
#[derive(Debug)]
pub struct Findings {
    /// Rows with a higher score are anomalies.
    pub threshold: f64,
    /// Rows that the contamination rate lets expect; `None` without a rate.
    pub expected: Option<f64>,
    /// Rows found above the threshold.
    pub anomalies: u64,
    /// What is usual in each value column, over the whole series.
    pub usual: Vec<Expectation>,
    /// What the reader of the findings should know: fallbacks, and why there are no anomalies.
    pub notes: Vec<String>,
    cadence: Cadence,
    /// What explains a row, where shapes were judged.
    shapes: Option<Shapes>,
    span_us: i64,
    /// Values strictly between these need no look: neither anomalies nor departed.
    quiet: (f64, f64),
    scorer: Scorer,
}

/// What was found in a stretch of rows, so far.
#[derive(Debug)]
pub struct Examined {
    anomalies: Anomalies,
    departures: Departures,
}

/// Finds the anomalies of a series.
///
/// Scores lie in (0, 1]; higher is more anomalous, and what they mean does not depend on the series. A
/// constant series has no anomalies, and a note says so. Where the detector that was asked for cannot
/// judge the series, a note says which fallback was used. The same bits at any number of threads.
///
/// # Errors
/// [`ErrorKind::NoUsableRow`] where the series is empty, and those of [`Series::read`] and of setting
/// rows aside.
pub fn detect(series: &Series, options: &DetectOptions) -> Result<Findings> {
    let Some((first_us, last_us)) = series.span_us() else {
        return Err(Error::new(ErrorKind::NoUsableRow, "there is no row"));
    };
    let cadence = Cadence::of(series)?;
    let mut notes = Vec::new();
    let nothing_to_tell = match (series.rows(), is_constant(series)?) {
        (1, _) => Some("one row only: nothing to compare it with, no anomalies"),
        (_, true) => Some("all values are equal: no anomalies"),
        _ => None,
    };
    // One row, or rows all alike, are nothing to be told from, whatever compares them.
    let detector = match nothing_to_tell {
        Some(_) => Detector::Value,
        None => usable(options.detector, series, &cadence, &mut notes),
    };
    let forest = &options.forest;
    let rate = |rate: Contamination| Some(rate.rate() * series.rows() as f64);
    let mut shapes = None;
    let one_column = series.columns().len() == 1;
    let (scorer, threshold, expected) = match (detector, options.threshold) {
        (Detector::Value, ThresholdRule::Auto) if one_column => {
            let limit = Limit::fit(series, forest)?;
            let threshold = limit.extreme_threshold(series.rows());
            (Scorer::Limit(limit), threshold, None)
        }
        (Detector::Value, ThresholdRule::Contamination(share)) if one_column => {
            let line = Line::fit(series, forest)?;
            let threshold = line.quantile_threshold(share);
            (Scorer::Line(line), threshold, rate(share))
        }
        (Detector::Value, ThresholdRule::Score(score)) if one_column => {
            (Scorer::Line(Line::fit(series, forest)?), score, None)
        }
        (detector, rule) => {
            let kept = match detector {
                Detector::Value => Kept::by_forest(series, forest)?,
                Detector::Context => contextual::judge(series, &mut notes)?,
                Detector::Shape => {
                    let (kept, models) = subsequence::judge(series, forest.seed(), &mut notes)?;
                    shapes = Some(models);
                    kept
                }
            };
            let (threshold, expected) = match rule {
                ThresholdRule::Contamination(share) => {
                    (kept.quantile_threshold(share)?, rate(share))
                }
                ThresholdRule::Auto if detector == Detector::Context => {
                    (contextual::ALARM_LEVEL, None)
                }
                ThresholdRule::Auto => (kept.extreme_threshold(forest)?, None),
                ThresholdRule::Score(score) => (score, None),
            };
            (Scorer::Kept(kept), threshold, expected)
        }
    };
    let threshold = match nothing_to_tell {
        Some(_) => threshold.max(1.0),
        None => threshold,
    };
    if let Some(note) = nothing_to_tell {
        notes.push(note.to_owned());
    } else if options.threshold == ThresholdRule::Auto && threshold >= 1.0 {
        notes.push(format!(
            "{} rows are too few for an automatic threshold ({} are needed): no anomalies",
            series.rows(),
            tail::LEAST_ROWS
        ));
    }
    let usual = scorer.usual(series)?;
    Ok(Findings {
        threshold,
        expected,
        anomalies: scorer.count_above(series, threshold)?,
        quiet: quiet_range(scorer.ordinary_range(threshold), usual[0]),
        usual,
        notes,
        cadence,
        shapes,
        span_us: last_us.saturating_sub(first_us),
        scorer,
    })
}

/// The detector that can judge `series`: the one asked for, or else [`Detector::Value`].
fn usable(
    wanted: Detector,
    series: &Series,
    cadence: &Cadence,
    notes: &mut Vec<String>,
) -> Detector {
    match wanted {
        Detector::Shape if series.rows() < subsequence::LEAST_ROWS => {
            notes.push(format!(
                "{} rows are too few to tell shapes apart ({} are needed): judged by value",
                series.rows(),
                subsequence::LEAST_ROWS
            ));
            Detector::Value
        }
        Detector::Shape | Detector::Context if cadence.regular < REGULAR => {
            notes.push(format!(
                "{:.0} % of the steps of time differ from the usual one: rows are taken as evenly spaced",
                100.0 * (1.0 - cadence.regular)
            ));
            wanted
        }
        wanted => wanted,
    }
}

/// Where fewer of the steps are near the usual one, that is said.
const REGULAR: f64 = 0.9;

/// Values that are neither in question as anomalies nor departed from what is usual.
fn quiet_range(ordinary: (f64, f64), usual: Expectation) -> (f64, f64) {
    let reach = DEPARTED * usual.spread * (1.0 - 1e-9);
    let low = ordinary.0.max(usual.value - reach);
    let low = match usual.spread < usual.value {
        true => low.max(usual.value * CEASED * 1.02),
        false => low,
    };
    (low, ordinary.1.min(usual.value + reach))
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
        self.scorer.scores_of(number, chunk, out)
    }

    /// Whether [`novelty_of`](Self::novelty_of) has something to tell.
    pub fn has_novelty(&self) -> bool {
        matches!(&self.scorer, Scorer::Kept(kept) if kept.has_novelty())
    }

    /// The novelty of every row of a part: its score before repeated alarms were thinned out. `None` but
    /// with [`Detector::Context`].
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub fn novelty_of(&self, number: usize) -> Result<Option<Vec<f64>>> {
        match &self.scorer {
            Scorer::Kept(kept) => kept.novelty_of(number),
            Scorer::Line(_) | Scorer::Limit(_) => Ok(None),
        }
    }

    /// Whether time has gaps in which traffic must have ceased.
    pub fn has_gaps(&self) -> bool {
        !self.cadence.gaps.is_empty()
    }

    /// Nothing examined yet: for [`examine`](Self::examine).
    pub fn unexamined(&self) -> Examined {
        Examined {
            anomalies: Anomalies::with_columns(self.usual.len()),
            departures: Departures::new(incident::join_us(&self.cadence)),
        }
    }

    /// Adds to `examined` what is in a part of `series`, which is the one that was judged: that with this
    /// `number`, whose rows are `chunk`. The part follows those already examined.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub fn examine(
        &self,
        examined: &mut Examined,
        series: &Series,
        number: usize,
        chunk: &Chunk,
    ) -> Result<()> {
        if chunk.rows() > 0 {
            examined.departures.start_at(chunk.timestamp_us(0));
        }
        match (&self.scorer, &self.shapes) {
            (Scorer::Kept(kept), Some(shapes)) => {
                self.examine_shapes(examined, series, number, chunk, kept, shapes)
            }
            (Scorer::Kept(kept), None) => kept.each(number, |row, kept| {
                let (column, expected) = match kept.expected {
                    Some(expected) => (kept.column.unwrap_or(0), expected),
                    None => self.farthest(chunk, row),
                };
                self.look_at(examined, chunk, row, kept.score, column, expected);
            }),
            (by_value, _) => {
                for (row, &value) in chunk.values(0).iter().enumerate() {
                    if !(value > self.quiet.0 && value < self.quiet.1) {
                        let score = by_value.score_of(value).unwrap_or(0.0);
                        self.look_at(examined, chunk, row, score, 0, self.usual[0]);
                    }
                }
                Ok(())
            }
        }
    }

    /// The same where shapes were judged: anomalies alone are explained, since that takes time, and make
    /// up incidents by themselves, since windows flag neighbours together.
    fn examine_shapes(
        &self,
        examined: &mut Examined,
        series: &Series,
        number: usize,
        chunk: &Chunk,
        kept: &Kept,
        shapes: &Shapes,
    ) -> Result<()> {
        let (mut wanted, mut scores) = (Vec::new(), Vec::new());
        kept.each(number, |row, KeptRow { score, column, .. }| {
            if score > self.threshold {
                wanted.push((row, column.unwrap_or(0)));
                scores.push(score);
            }
        })?;
        let expected = shapes.expected(series, number, &wanted)?;
        for ((&(row, column), score), expected) in wanted.iter().zip(scores).zip(expected) {
            let expected = expected.unwrap_or(self.usual[usize::from(column)]);
            self.look_at(examined, chunk, row, score, column, expected);
        }
        Ok(())
    }

    #[inline]
    fn look_at(
        &self,
        examined: &mut Examined,
        chunk: &Chunk,
        row: usize,
        score: f64,
        column: u16,
        expected: Expectation,
    ) {
        let judged = Row {
            time_us: chunk.timestamp_us(row),
            value: chunk.values(usize::from(column))[row],
            column,
            expected,
            score,
            anomaly: score > self.threshold,
        };
        if !judged.counts() {
            return;
        }
        examined.departures.push(judged);
        if judged.anomaly {
            let found = &mut examined.anomalies;
            found.timestamps_us.push(judged.time_us);
            for (number, values) in found.values.iter_mut().enumerate() {
                values.push(chunk.values(number)[row]);
            }
            found.scores.push(score);
            found.columns.push(column);
            found.expected.push(expected);
        }
    }

    /// The anomalies and the incidents of the series, from its stretches in time order.
    pub fn conclude(
        &self,
        stretches: impl IntoIterator<Item = Examined>,
    ) -> (Anomalies, Vec<Incident>) {
        let mut all = self.unexamined();
        for stretch in stretches {
            all.anomalies.append(stretch.anomalies);
            all.departures.append(stretch.departures);
        }
        let setting = incident::Setting {
            cadence: &self.cadence,
            span_us: self.span_us,
            by_shape: self.shapes.is_some(),
            usual: &self.usual,
        };
        (
            all.anomalies,
            incident::incidents(all.departures.finish(), &setting),
        )
    }

    /// The anomalies and the incidents of `series`, which is the one that was judged.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub fn list(&self, series: &Series) -> Result<(Anomalies, Vec<Incident>)> {
        let stretches = series.fold(
            || self.unexamined(),
            |examined, number, chunk| self.examine(examined, series, number, chunk),
        )?;
        Ok(self.conclude(stretches))
    }

    /// The column that lies farthest from its median, in robust standard deviations, and what is usual
    /// there.
    fn farthest(&self, chunk: &Chunk, row: usize) -> (u16, Expectation) {
        let reach = |column: usize| {
            let usual = &self.usual[column];
            let half = chunk.values(column)[row] / 2.0 - usual.value / 2.0;
            half.abs() / usual.spread.max(f64::MIN_POSITIVE)
        };
        let farthest = (0..self.usual.len())
            .reduce(|best, next| {
                if reach(next) > reach(best) {
                    next
                } else {
                    best
                }
            })
            .unwrap_or(0);
        (farthest as u16, self.usual[farthest])
    }
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

    fn options(rate: f64) -> DetectOptions {
        DetectOptions {
            threshold: ThresholdRule::Contamination(Contamination::new(rate).unwrap()),
            ..DetectOptions::default()
        }
    }

    #[test]
    fn series_with_nothing_to_tell_have_no_anomalies_and_say_so() {
        for (values, wanted) in [
            (vec![5.0; 300], "all values are equal: no anomalies"),
            (
                vec![5.0],
                "one row only: nothing to compare it with, no anomalies",
            ),
        ] {
            for threshold in [ThresholdRule::default(), ThresholdRule::Auto] {
                for detector in [Detector::Value, Detector::Context, Detector::Shape] {
                    let options = DetectOptions {
                        detector,
                        threshold,
                        ..DetectOptions::default()
                    };
                    let findings = detect(&series(&values), &options).unwrap();
                    assert_eq!(
                        (findings.anomalies, &findings.notes[..]),
                        (0, &[wanted.to_owned()][..])
                    );
                }
            }
        }
    }

    #[test]
    fn a_spike_and_a_hole_are_found_with_what_explains_them() {
        let mut values: Vec<f64> = (0..1000)
            .map(|row| 1000.0 + f64::from(row * 7919 % 101))
            .collect();
        values[300] = 90_000.0;
        values[700] = -50_000.0;
        let series = series(&values);
        let findings = detect(&series, &options(0.002)).unwrap();
        let (all, incidents) = findings.list(&series).unwrap();
        assert_eq!(all.timestamps_us, [300_000_000, 700_000_000]);
        assert_eq!(
            [all.direction(0), all.direction(1)],
            [Direction::Above, Direction::Below]
        );
        assert_eq!((findings.anomalies, findings.expected), (2, Some(2.0)));
        assert!((1045.0..=1055.0).contains(&all.expected[0].value));
        let kinds: Vec<Kind> = incidents.iter().map(|incident| incident.kind).collect();
        assert_eq!(kinds, [Kind::Spike, Kind::Drop]);
    }

    #[test]
    fn the_rows_listed_are_those_whose_score_passes_the_threshold() {
        let values: Vec<f64> = (0..5000)
            .map(|row| f64::from(row * 7919 % 5003).sqrt())
            .collect();
        let series = series(&values);
        let findings = detect(&series, &options(0.1)).unwrap();
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
        assert_eq!(findings.list(&series).unwrap().0.rows(), wanted);
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
        let (all, incidents) = detect(&series, &options(0.002))
            .unwrap()
            .list(&series)
            .unwrap();
        assert_eq!(
            (&all.timestamps_us[..], &all.columns[..]),
            (&[250][..], &[1][..])
        );
        assert_eq!(
            (all.direction(0), incidents[0].column),
            (Direction::Above, 1)
        );
    }

    /// Sums of uniform numbers: nearly normal, with a mean of 1000 and a standard deviation of 50.
    fn noise(rows: usize) -> Vec<f64> {
        let mut state = 99u64;
        let mut unit = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        (0..rows)
            .map(|_| 1000.0 + 50.0 * ((0..12).map(|_| unit()).sum::<f64>() - 6.0))
            .collect()
    }

    #[test]
    fn an_automatic_threshold_flags_an_attack_and_leaves_calm_rows_alone() {
        let auto = DetectOptions {
            threshold: ThresholdRule::Auto,
            ..DetectOptions::default()
        };
        let mut values = noise(50_000);
        assert_eq!(detect(&series(&values), &auto).unwrap().anomalies, 0);
        values[30_000..30_040].fill(9_000.0);
        values[40_000] = 0.0;
        let series = series(&values);
        let (all, incidents) = detect(&series, &auto).unwrap().list(&series).unwrap();
        assert_eq!(all.rows(), 41);
        assert_eq!(incidents.len(), 2);
    }

    #[test]
    fn an_automatic_threshold_wants_enough_rows_to_see_a_tail() {
        let auto = DetectOptions {
            threshold: ThresholdRule::Auto,
            ..DetectOptions::default()
        };
        let findings = detect(&series(&noise(100)), &auto).unwrap();
        assert_eq!(findings.anomalies, 0);
        assert_eq!(
            findings.notes,
            ["100 rows are too few for an automatic threshold (229 are needed): no anomalies"]
        );
    }
}

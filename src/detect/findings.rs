//! What was found in a series: anomalies, and the incidents that they make up.
//!
//! In: [`Scores`] and the rule for the threshold. Out: [`Findings`], plain data.

use serde::{Deserialize, Serialize};

use super::anomaly::Anomalies;
use super::baseline::Baseline;
use super::departure::{CEASED, DEPARTED, Departures, Row};
use super::incident::{self, Incident};
use super::options::ThresholdRule;
use super::point::ValueScores;
use super::row_scores::RowScores;
use super::scores::{Kind, Scores};
use super::subsequence::Shapes;
use super::tail;
use crate::series::Chunk;
use crate::support::error::Result;

/// What was found in one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// Rows with a higher score are anomalies.
    pub threshold: f64,
    /// Rows that the contamination rate lets expect; `None` without a rate.
    pub expected: Option<f64>,
    /// The baseline of each value column, over the whole series.
    pub baselines: Vec<Baseline>,
    /// The rows above the threshold, in time order.
    pub anomalies: Anomalies,
    /// What they, and gaps in time, make up, in time order.
    pub incidents: Vec<Incident>,
    /// What the reader of the findings should know: fallbacks, and why there are no anomalies.
    pub notes: Vec<String>,
    /// Why no row could be judged, where that is so: too few rows, all of them equal.
    pub not_judged: Option<String>,
}

/// What was found in a stretch of rows, so far.
#[derive(Debug)]
struct Examined {
    anomalies: Anomalies,
    departures: Departures,
}

impl Scores<'_> {
    /// Chooses the threshold and lists what lies above it. Two passes over the rows or three; memory for the
    /// anomalies alone.
    ///
    /// A series of one row, or of rows that are all equal, has no anomalies, and a note says so.
    ///
    /// # Errors
    /// Those of [`Series::read`](crate::series::Series::read).
    pub fn findings(&self, rule: ThresholdRule) -> Result<Findings> {
        let threshold = self.threshold(rule)?;
        let rows = self.series.rows();
        let mut notes = self.notes.clone();
        let mut not_judged = None;
        if let Some(note) = self.nothing_to_tell {
            not_judged = Some(note.to_owned());
        } else if rule == ThresholdRule::Auto && threshold >= 1.0 {
            not_judged = Some(format!(
                "{rows} rows are too few for an automatic threshold ({} are needed): no anomalies",
                tail::MIN_ROWS
            ));
        }
        notes.extend(not_judged.clone());
        let baselines = self.baselines()?;
        let examiner = Examiner {
            scores: self,
            threshold,
            quiet: match &self.kind {
                Kind::Values(values) => quiet_range(values.ordinary_range(threshold), baselines[0]),
                _ => (f64::INFINITY, f64::NEG_INFINITY),
            },
            baselines: &baselines,
        };
        let (anomalies, incidents) = examiner.examine()?;
        Ok(Findings {
            threshold,
            expected: match rule {
                ThresholdRule::Contamination(rate) => Some(rate.rate() * rows as f64),
                ThresholdRule::Score(_) | ThresholdRule::Auto => None,
            },
            baselines,
            anomalies,
            incidents,
            notes,
            not_judged,
        })
    }
}

/// Values that are neither in question as anomalies nor departed from the baseline.
fn quiet_range(ordinary: (f64, f64), baseline: Baseline) -> (f64, f64) {
    let Baseline { center, scale } = baseline;
    let reach = DEPARTED * scale * (1.0 - 1e-9);
    let mut low = ordinary.0.max(center - reach);
    if scale < center {
        low = low.max(center * CEASED * 1.02);
    }
    (low, ordinary.1.min(center + reach))
}

/// Looks at every row of a series that may be an anomaly or depart from its baseline.
struct Examiner<'a> {
    scores: &'a Scores<'a>,
    threshold: f64,
    /// Values strictly between these need no look: neither anomalies nor departed.
    quiet: (f64, f64),
    baselines: &'a [Baseline],
}

impl Examiner<'_> {
    /// The anomalies and the incidents of the series.
    fn examine(&self) -> Result<(Anomalies, Vec<Incident>)> {
        let Scores {
            series, interval, ..
        } = self.scores;
        let fresh = || Examined {
            anomalies: Anomalies::with_columns(self.baselines.len()),
            departures: Departures::new(incident::join_us(interval)),
        };
        let stretches = series.fold(fresh, |examined, number, chunk| {
            if chunk.rows() > 0 {
                examined.departures.start_at(chunk.timestamp_us(0));
            }
            self.examine_part(examined, number, chunk)
        })?;
        let mut all = fresh();
        for stretch in stretches {
            all.anomalies.append(stretch.anomalies);
            all.departures.append(stretch.departures);
        }
        let (first_us, last_us) = series.span_us().unwrap_or_default();
        let setting = incident::Setting {
            interval,
            span_us: last_us.saturating_sub(first_us),
            by_shape: matches!(self.scores.kind, Kind::Shapes(..)),
            baselines: self.baselines,
        };
        let incidents = incident::incidents(all.departures.finish(), &setting);
        Ok((all.anomalies, incidents))
    }

    fn examine_part(&self, examined: &mut Examined, number: usize, chunk: &Chunk) -> Result<()> {
        match &self.scores.kind {
            Kind::Equal => Ok(()),
            Kind::Values(values) => {
                self.examine_values(examined, chunk, values.as_ref());
                Ok(())
            }
            Kind::Rows(rows) => self.examine_rows(examined, number, chunk, rows),
            Kind::Shapes(rows, shapes) => {
                self.examine_shapes(examined, number, chunk, rows, shapes)
            }
        }
    }

    fn examine_values(&self, examined: &mut Examined, chunk: &Chunk, scores: &dyn ValueScores) {
        for (row, &value) in chunk.values(0).iter().enumerate() {
            if !(value > self.quiet.0 && value < self.quiet.1) {
                self.look_at(examined, chunk, row, scores.of(value), 0, self.baselines[0]);
            }
        }
    }

    fn examine_rows(
        &self,
        examined: &mut Examined,
        number: usize,
        chunk: &Chunk,
        rows: &RowScores,
    ) -> Result<()> {
        let part = rows.part(number)?;
        for (row, &score) in part.scores().iter().enumerate() {
            let (column, expected) = match part.baseline(row) {
                Some(baseline) => (part.column(row), baseline),
                None => self.farthest(chunk, row),
            };
            self.look_at(examined, chunk, row, score, column, expected);
        }
        Ok(())
    }

    /// Where shapes were judged, anomalies alone are explained, since that takes time, and make up
    /// incidents by themselves, since windows flag neighbours together.
    fn examine_shapes(
        &self,
        examined: &mut Examined,
        number: usize,
        chunk: &Chunk,
        rows: &RowScores,
        shapes: &Shapes,
    ) -> Result<()> {
        let part = rows.part(number)?;
        let scores = part.scores();
        let anomalies: Vec<(usize, u16)> = (0..scores.len())
            .filter(|&row| scores[row] > self.threshold)
            .map(|row| (row, part.column(row)))
            .collect();
        let expected = shapes.expected(self.scores.series, number, &anomalies)?;
        for (&(row, column), expected) in anomalies.iter().zip(expected) {
            let expected = expected.unwrap_or(self.baselines[usize::from(column)]);
            self.look_at(examined, chunk, row, scores[row], column, expected);
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
        expected: Baseline,
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

    /// The column that lies farthest from its median, in robust standard deviations, with its baseline.
    fn farthest(&self, chunk: &Chunk, row: usize) -> (u16, Baseline) {
        let reach = |column: usize| {
            let baseline = &self.baselines[column];
            let half = chunk.values(column)[row] / 2.0 - baseline.center / 2.0;
            half.abs() / baseline.scale.max(f64::MIN_POSITIVE)
        };
        let farthest = (0..self.baselines.len())
            .reduce(|best, next| {
                if reach(next) > reach(best) {
                    next
                } else {
                    best
                }
            })
            .unwrap_or(0);
        (farthest as u16, self.baselines[farthest])
    }
}

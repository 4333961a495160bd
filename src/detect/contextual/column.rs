//! The stream of rows of one column: waits until the step of time and the usual size are known, then judges.

use super::clock::{Clock, START_ROWS, STEP_ROWS};
use super::judge::{Judge, ROWS_BEFORE};
use super::verdict::Verdict;
use crate::support::calendar::DAY_US;

/// A day of fewer rows is waited for; one of more is judged by the rows before each while it lasts.
const DAY_WAITED_FOR: i64 = 1_000;

/// The context detector of one value column: a stream of rows in time order.
///
/// ```
/// use isoscan::detect::contextual::ContextColumn;
/// let mut column = ContextColumn::new();
/// let mut judge = |row: i64, value: f64| column.push(row * 300_000_000, value).score;
/// for row in 0..2_400 {
///     judge(row, (row * 7919 % 101) as f64);
/// }
/// assert!(judge(2_400, 50.0) < 0.1);
/// assert!(judge(2_401, 9_000.0) > 0.8);
/// ```
#[derive(Debug, Clone)]
pub struct ContextColumn {
    /// The first rows, until the step and the usual size are known.
    first: Vec<(i64, f64)>,
    clock: Option<Clock>,
    judge: Option<Box<Judge>>,
    /// Judges a long first day by the rows before each.
    meanwhile: Option<Box<Judge>>,
}

impl ContextColumn {
    /// A column that has seen nothing.
    #[expect(
        clippy::new_without_default,
        reason = "an empty stream is made, not defaulted to"
    )]
    pub fn new() -> Self {
        Self {
            first: Vec::new(),
            clock: None,
            judge: None,
            meanwhile: None,
        }
    }

    /// Judges the next row, then learns from it. Rows come in time order, `timestamp_us` in microseconds
    /// UTC; equal times are allowed. A `value` that is NaN or infinite is unknown: neither judged nor learnt.
    ///
    /// Costs about 0.4 microseconds. A column keeps at most 64 KiB, whatever it has seen.
    pub fn push(&mut self, timestamp_us: i64, value: f64) -> Verdict {
        if !value.is_finite() {
            return Verdict::unjudged(value);
        }
        if let Some(judge) = &mut self.judge {
            let verdict = judge.push(timestamp_us, value);
            let Some(meanwhile) = &mut self.meanwhile else {
                return verdict;
            };
            if judge.is_ready() {
                self.meanwhile = None;
                return verdict;
            }
            return meanwhile.push(timestamp_us, value);
        }
        self.first.push((timestamp_us, value));
        let rows = self.first.len();
        if rows == STEP_ROWS {
            self.clock = Some(Clock::of(&self.first));
        }
        let Some(clock) = self.clock else {
            return Verdict::unjudged(value);
        };
        let mut verdict = Verdict::unjudged(value);
        if clock.day_rows.is_some_and(|rows| rows >= DAY_WAITED_FOR) {
            if rows == START_ROWS as usize {
                let without_days = Clock {
                    day_rows: None,
                    ..clock
                };
                let (judge, last) = Judge::start(without_days, &self.first);
                self.meanwhile = Some(Box::new(judge));
                verdict = last;
            } else if let Some(judge) = &mut self.meanwhile {
                verdict = judge.push(timestamp_us, value);
            }
        }
        if rows >= clock.start_rows() {
            let (judge, last) = Judge::start(clock, &std::mem::take(&mut self.first));
            self.judge = Some(Box::new(judge));
            if self.meanwhile.is_none() {
                verdict = last;
            }
        }
        verdict
    }

    /// Bytes of what it keeps.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let judges = [&self.judge, &self.meanwhile];
        size_of::<Self>()
            + size_of::<(i64, f64)>() * self.first.capacity()
            + judges
                .into_iter()
                .flatten()
                .map(|judge| judge.bytes())
                .sum::<usize>()
    }

    /// What the reader should know of how rows were judged; `None` where earlier days were looked back to.
    pub fn notice(&self) -> Option<String> {
        let clock = self.clock?;
        let instead = format!("rows are compared with the {ROWS_BEFORE} before them");
        match clock.day_rows {
            None if clock.step_us <= 0 => Some(format!("most timestamps coincide: {instead}")),
            None if clock.step_us > DAY_US / 2 => Some(format!(
                "a row every {} s tells no time of day: {instead}",
                clock.step_us / 1_000_000
            )),
            None => Some(format!(
                "a row every {} microseconds makes days too long to remember: {instead}",
                clock.step_us
            )),
            Some(_) if self.judge.as_ref().is_some_and(|judge| judge.is_ready()) => None,
            Some(rows) => {
                let missing = "there is no full day to compare with, and 200 rows more";
                Some(if rows < DAY_WAITED_FOR {
                    format!("{missing}: no anomalies")
                } else {
                    format!("{missing}: {instead}")
                })
            }
        }
    }
}

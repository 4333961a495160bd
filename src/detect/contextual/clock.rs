//! What the first rows of a stream tell of time: the step, and whether rows have a time of day.

use crate::support::calendar::DAY_US;

/// Rows by which the step of time is told.
pub(super) const STEP_ROWS: usize = 50;
/// The usual size of values is that of the first day; no more rows than this are waited for, and this many
/// where there are no days.
const MAX_START_ROWS: i64 = 1_440;
pub(super) const START_ROWS: i64 = 128;
/// Days of more rows are not told from their clock.
const MAX_DAY_ROWS: i64 = 90_000;

/// What the first rows tell of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Clock {
    pub(super) step_us: i64,
    /// Rows in a day, where rows have a time of day.
    pub(super) day_rows: Option<i64>,
    pub(super) rows_per_hour: f64,
}

impl Clock {
    /// Of the first [`STEP_ROWS`] rows.
    pub(super) fn of(rows: &[(i64, f64)]) -> Self {
        let mut steps: Vec<i64> = rows
            .windows(2)
            .map(|pair| pair[1].0.saturating_sub(pair[0].0))
            .collect();
        steps.sort_unstable();
        let step_us = steps[steps.len() / 2];
        if step_us <= 0 {
            return Self {
                step_us,
                day_rows: None,
                rows_per_hour: 12.0,
            };
        }
        let day_rows = DAY_US / step_us + i64::from(DAY_US % step_us >= step_us - step_us / 2);
        Self {
            step_us,
            day_rows: (2..=MAX_DAY_ROWS).contains(&day_rows).then_some(day_rows),
            rows_per_hour: 3.6e9 / step_us as f64,
        }
    }

    /// Rows that are waited for before the first is judged.
    pub(super) fn start_rows(self) -> usize {
        let rows = self
            .day_rows
            .map_or(START_ROWS, |rows| rows.min(MAX_START_ROWS));
        rows.max(STEP_ROWS as i64) as usize
    }
}

//! The context detector: is this row unlike the past, at this time of day and after what came before?
//!
//! Causal: a row is judged by the rows before it alone, so that the same verdict comes from a file and from a
//! stream, and the scores of the first rows of a file are the first scores of the file. One pass; at most
//! 64 KiB a column. A score means the same in every series: W / (1 + W), where W is the weeks between rows
//! that are as rare, so that a threshold is a rate of false alarms ([`score_of_weeks`]).
//!
//! Values are squeezed (asinh, so that noise follows level) and held against [`history`]: the median of the last
//! days of the same kind (working day, weekend) and that of the last seven days. [`judge`] asks four things:
//! - how far is the row from the better of the two medians at the level of the last half hour (floods, drops)?
//! - how far have three or eight hours been from the days of the same kind (exfiltration, new levels)?
//! - how rough has the last hour been, or how still (other patterns, heartbeats that stop)?
//! - how novel is it: distance from the nearest value of earlier days and the mean of six rows, each isolated
//!   against all before ([`isolation`])?
//!
//! The first three are measured by their own past in scales ([`usual`]), whose tails tell how rare they are
//! ([`rarity`]); a row must be novel besides to be a departure. Novelty alone ranks what is below the default
//! threshold. [`alarm`] tells one event once. Rows of an incident are left out of the history ([`exclusion`]).
//!
//! The first day is not judged, nor the 200 rows after it. Of days with a thousand rows and more the first is
//! held against the median of the 64 rows before each row, as are series that have no days. Of the
//! first weekend, and of working days after a weekend that came first, only novelty is told on the first day.
//!
//! The step of time is the median of the first 50; rows are placed by their clock, so that gaps and repeated
//! times do no harm.

mod alarm;
mod clock;
mod column;
mod exclusion;
mod history;
mod isolation;
mod judge;
mod rarity;
mod usual;
mod verdict;

use rayon::prelude::*;

use super::row_scores::{AutoThreshold, Layout, RowScores, RowScoresBuilder, ScoreColumns};
use crate::series::Series;
use crate::support::error::Result;

pub use self::column::ContextColumn;
pub use self::verdict::{Verdict, score_of_weeks};

/// Weeks between false alarms of a series at the default threshold: two months.
const WEEKS: f64 = 8.7;
/// The score above which a row is an alarm, in any series.
pub const ALARM_LEVEL: f64 = score_of_weeks(WEEKS);

/// Below so many rows nothing can be told.
pub const MIN_ROWS: usize = clock::STEP_ROWS + isolation::WARM_UP;

/// Scores every row of `series`; says in `notes` what was assumed.
///
/// Of several columns the one with the highest score counts, and of none the most novel.
pub(super) fn judge(series: &Series, notes: &mut Vec<String>) -> Result<RowScores> {
    if series.rows() < MIN_ROWS {
        notes.push(format!(
            "{} rows are too few for the context detector ({MIN_ROWS} are needed): no anomalies",
            series.rows()
        ));
    }
    let several = series.columns().len() > 1;
    let layout = Layout {
        baseline: true,
        novelty: true,
        column: several,
    };
    let mut kept = RowScoresBuilder::new(layout, series.memory());
    let mut columns: Vec<ContextColumn> = series
        .columns()
        .iter()
        .map(|_| ContextColumn::new())
        .collect();
    let mut times = Vec::new();
    for part in series.parts() {
        let chunk = series.read(part)?;
        chunk.timestamps_us(&mut times);
        let mut out = Judged::with_room(times.len(), several);
        match columns.as_mut_slice() {
            [column] => {
                for (&time, &value) in times.iter().zip(chunk.values(0)) {
                    let row = column.push(time, value);
                    out.push(&row, 0);
                }
            }
            columns => {
                // Columns know nothing of each other: they can be walked side by side.
                let judged: Vec<Vec<Verdict>> = columns
                    .par_iter_mut()
                    .enumerate()
                    .map(|(number, column)| {
                        let rows = times.iter().zip(chunk.values(number));
                        rows.map(|(&time, &value)| column.push(time, value))
                            .collect()
                    })
                    .collect();
                for row in 0..times.len() {
                    let rank = |column: usize| {
                        let verdict: &Verdict = &judged[column][row];
                        (verdict.score, verdict.novelty)
                    };
                    let highest = (1..judged.len()).fold(0, |best, next| {
                        if rank(next) > rank(best) { next } else { best }
                    });
                    out.push(&judged[highest][row], highest);
                }
            }
        }
        kept.push(out.columns)?;
    }
    if series.rows() >= MIN_ROWS {
        notes.extend(columns[0].notice());
    }
    kept.finish(AutoThreshold::Level(ALARM_LEVEL))
}

/// Columns of judged rows, as they are kept.
struct Judged {
    columns: ScoreColumns,
}

impl Judged {
    fn with_room(rows: usize, several: bool) -> Self {
        Self {
            columns: ScoreColumns {
                score: Vec::with_capacity(rows),
                baseline: Some(Vec::with_capacity(rows)),
                novelty: Some(Vec::with_capacity(rows)),
                column: several.then(|| Vec::with_capacity(rows)),
            },
        }
    }

    fn push(&mut self, row: &Verdict, column: usize) {
        let columns = &mut self.columns;
        columns.score.push(row.score);
        columns.baseline.get_or_insert_default().push(row.expected);
        columns.novelty.get_or_insert_default().push(row.novelty);
        if let Some(numbers) = &mut columns.column {
            numbers.push(column as u16);
        }
    }
}

#[cfg(test)]
mod tests;

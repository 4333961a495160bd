//! The context detector: is this row unlike the past, at this time of day and after what came before?
//!
//! Causal: a row is judged by the rows before it alone, so that the same verdict comes from a file and
//! from a stream, and the scores of the first rows of a file are the first scores of the file. Constant
//! memory, one pass.
//!
//! Each row's value is held against the same time of the last seven days ([`past`]): its *residual* is the
//! distance from the nearest value there, so that what was seen before at about this time is no news. Four
//! features follow: the size of the residual, its mean over two and over six rows, and the size of the
//! residual of the mean logarithm over 48 rows, which sees what is slow, and heartbeats that stop. Each is scored
//! against all its earlier values ([`histogram`]); the power mean of the first three, or the last where it
//! is higher, is the row's *novelty*. [`alarm`] keeps of neighbouring rows those that outdo the ones before
//! them: the *score*. One level of it, [`ALARM_LEVEL`], fits all series.
//!
//! In series that have no days, and where a day has a thousand rows and more until one has passed, the
//! median of the 128 rows before takes the place of earlier days. No row is judged before the features have
//! been seen two hundred times.
//!
//! Assumed is one row for each step of time, the step being the median of the first. Rows that are missing
//! now and then, or come twice, do no harm; a gap of more than twelve steps moves the time of day along.

mod alarm;
mod histogram;
mod past;
mod spread;

use rayon::prelude::*;

use self::histogram::{Histogram, WARM_UP, squeeze};
use self::past::{Before, Days, ROWS_BEFORE, Slot};
use self::spread::Spread;
use super::baseline::Baseline;
use super::row_scores::{AutoThreshold, Layout, RowScores, RowScoresBuilder, ScoreColumns};
use crate::series::Series;
use crate::support::calendar::DAY_US;
use crate::support::error::Result;

pub use self::alarm::AlarmFilter;

/// The score above which a row is an alarm, in any series: chosen on one half of the Numenta Anomaly
/// Benchmark (Lavin, Ahmad 2015), where its neighbourhood scores about the same.
pub const ALARM_LEVEL: f64 = 0.75;

/// Rows by which the step of time is told.
const STEP_ROWS: usize = 50;
/// A gap of more steps than this moves the time of day along.
const GAP_STEPS: i64 = 12;
/// A day of fewer rows is waited for: until it has passed nothing is judged, since its first morning would
/// be news.
const DAY_WAITED_FOR: u64 = 1_000;
/// Rows in the means of the residual, and of the value.
const SHORT: usize = 6;
const LONG: usize = 48;
/// Weight of the mean over [`LONG`] rows: how novel it must be alone to raise an alarm.
const LONG_WEIGHT: f64 = 2.0;
/// The long mean is taken over logarithms of values beyond this share of the usual value, so that half the
/// traffic missing is as much news at night as at noon.
const LOGARITHMIC_FROM: f64 = 0.2;
/// Below so many rows nothing can be told.
pub const LEAST_ROWS: usize = WARM_UP + SHORT + 1;
/// Values are divided by this, a power of two, so that no sum or difference of a few overflows.
const SCALE: f64 = 64.0;

/// What is told of a row from the rows before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ContextRow {
    /// How unlike the past it is, in [0, 1]; 0 while there is too little past.
    pub novelty: f64,
    /// What was to be expected, and how far values have been from that.
    pub expected: Baseline,
}

/// The context detector of one value column: a stream of rows in time order.
///
/// ```
/// use isoscan::detect::contextual::{ALARM_LEVEL, ContextColumn};
/// let mut column = ContextColumn::new();
/// let mut judge = |minute: i64, value: f64| column.push(minute * 60_000_000, value).novelty;
/// for minute in 0..1_000 {
///     judge(minute, (minute * 7919 % 101) as f64);
/// }
/// assert!(judge(1_000, 50.0) < ALARM_LEVEL);
/// assert!(judge(1_001, 900.0) > ALARM_LEVEL);
/// ```
#[derive(Debug, Clone)]
pub struct ContextColumn {
    clock: Clock,
    /// The first rows, until the step is known.
    first: Vec<(i64, f64)>,
    last_us: i64,
    /// Logarithms of the last values, and the size of a value from which on they are logarithms.
    recent: Recent<LONG>,
    logarithmic_from: f64,
    days: Option<Days>,
    by_day: Novelty,
    by_day_spread: Spread,
    before: Before,
    by_rows: Novelty,
    by_rows_spread: Spread,
}

/// What is known of the step of time.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Clock {
    Unknown,
    /// Microseconds; 0 where most of the first timestamps coincide.
    Step(i64),
}

impl ContextColumn {
    /// A column that has seen nothing.
    #[expect(
        clippy::new_without_default,
        reason = "an empty stream is made, not defaulted to"
    )]
    pub fn new() -> Self {
        Self {
            clock: Clock::Unknown,
            first: Vec::new(),
            last_us: 0,
            recent: Recent::new(),
            logarithmic_from: 1.0,
            days: None,
            by_day: Novelty::new(),
            by_day_spread: Spread::new(),
            before: Before::default(),
            by_rows: Novelty::new(),
            by_rows_spread: Spread::new(),
        }
    }

    /// Judges the next row, then learns from it. Rows come in time order, `timestamp_us` in microseconds
    /// UTC; equal times are allowed. `value` is finite.
    ///
    /// Costs some 300 nanoseconds, and the memory of seven days of rows, 24 bytes each, at most 24 MiB.
    pub fn push(&mut self, timestamp_us: i64, value: f64) -> ContextRow {
        let scaled = value / SCALE;
        if self.clock == Clock::Unknown {
            self.first.push((timestamp_us, scaled));
            if self.first.len() < STEP_ROWS {
                return ContextRow {
                    novelty: 0.0,
                    expected: Baseline {
                        center: value,
                        scale: 0.0,
                    },
                };
            }
            return self.start(value);
        }
        self.judge(timestamp_us, scaled, value)
    }

    /// Tells the step from the first rows, and learns from these.
    fn start(&mut self, value: f64) -> ContextRow {
        let first = std::mem::take(&mut self.first);
        let mut steps: Vec<i64> = first
            .windows(2)
            .map(|pair| pair[1].0.saturating_sub(pair[0].0))
            .collect();
        steps.sort_unstable();
        let step_us = steps[steps.len() / 2];
        self.clock = Clock::Step(step_us);
        if step_us > 0 {
            self.days = Days::of(((DAY_US + step_us / 2) / step_us) as usize);
        }
        self.last_us = first[0].0;
        let mut sizes: Vec<f64> = first.iter().map(|row| row.1.abs()).collect();
        let (_, usual, _) = sizes.select_nth_unstable_by(STEP_ROWS / 2, f64::total_cmp);
        if *usual > 0.0 {
            self.logarithmic_from = LOGARITHMIC_FROM * *usual;
        }
        let mut last = None;
        for (timestamp_us, scaled) in first {
            last = Some(self.judge(timestamp_us, scaled, scaled * SCALE));
        }
        last.unwrap_or(ContextRow {
            novelty: 0.0,
            expected: Baseline {
                center: value,
                scale: 0.0,
            },
        })
    }

    fn judge(&mut self, timestamp_us: i64, scaled: f64, value: f64) -> ContextRow {
        let mean = self.recent.push(squeeze(scaled, self.logarithmic_from));
        let seen = match (&mut self.days, self.clock) {
            (Some(days), Clock::Step(step_us)) => {
                let gap = timestamp_us.saturating_sub(self.last_us);
                let steps = gap.saturating_add(step_us / 2) / step_us;
                if steps > GAP_STEPS {
                    days.skip(steps.unsigned_abs() - 1);
                }
                days.push(Slot {
                    value: scaled,
                    mean,
                })
            }
            _ => None,
        };
        self.last_us = timestamp_us;
        let by_day_is_ready = self.by_day.is_ready();
        let waits = self.day().is_some_and(|day| day < DAY_WAITED_FOR);
        let mut row = ContextRow {
            novelty: 0.0,
            expected: Baseline {
                center: value,
                scale: 0.0,
            },
        };
        if !by_day_is_ready
            && !waits
            && let Some(median) = self.before.push(scaled)
        {
            row.novelty = self.by_rows.push(scaled - median, None);
            row.expected = expectation(median, &self.by_rows_spread);
            self.by_rows_spread.push(scaled - median);
        }
        if let Some(seen) = seen {
            let novelty = self.by_day.push(seen.residual, seen.mean_residual);
            if by_day_is_ready {
                row.novelty = novelty;
                row.expected = expectation(seen.expected, &self.by_day_spread);
            }
            self.by_day_spread.push(scaled - seen.expected);
        }
        // While there is too little past, nothing departs from it.
        if !by_day_is_ready && !self.by_rows.is_ready() {
            row.expected = Baseline {
                center: value,
                scale: 0.0,
            };
        }
        row
    }

    /// Rows in a day, where earlier days are looked back to.
    pub fn day(&self) -> Option<u64> {
        self.days.as_ref().map(|days| days.day() as u64)
    }

    /// What the reader should know of how rows were judged; `None` where earlier days were looked back to.
    pub fn notice(&self) -> Option<String> {
        let instead = format!("rows are compared with the {ROWS_BEFORE} before them");
        match (self.clock, &self.days) {
            (Clock::Step(0), _) => Some(format!("most timestamps coincide: {instead}")),
            (Clock::Step(step_us), None) if step_us > DAY_US / 2 => Some(format!(
                "a row every {} s tells no time of day: {instead}",
                step_us / 1_000_000
            )),
            (Clock::Step(step_us), None) => Some(format!(
                "a row every {step_us} microseconds makes days too long to remember: {instead}"
            )),
            (_, Some(days)) if !self.by_day.is_ready() => {
                let wanted = "there is no full day to compare with, and";
                Some(match (days.day() as u64) < DAY_WAITED_FOR {
                    true => format!("{wanted} {WARM_UP} rows more: no anomalies"),
                    false => format!("{wanted} {WARM_UP} rows more: {instead}"),
                })
            }
            _ => None,
        }
    }
}

fn expectation(scaled: f64, spread: &Spread) -> Baseline {
    Baseline {
        center: scaled * SCALE,
        scale: (spread.standard_deviation() * SCALE).min(f64::MAX),
    }
}

/// The last `N` numbers.
#[derive(Debug, Clone)]
struct Recent<const N: usize> {
    numbers: [f64; N],
    place: usize,
    count: usize,
}

impl<const N: usize> Recent<N> {
    fn new() -> Self {
        Self {
            numbers: [0.0; N],
            place: 0,
            count: 0,
        }
    }

    /// Adds a number; the mean of the last `N`, or NaN while there are fewer.
    fn push(&mut self, number: f64) -> f64 {
        self.numbers[self.place] = number;
        self.place = (self.place + 1) % N;
        self.count = (self.count + 1).min(N);
        // Summed anew: a running sum would never forget the rounding errors of a flood.
        match self.count == N {
            true => self.numbers.iter().sum::<f64>() / N as f64,
            false => f64::NAN,
        }
    }
}

/// How novel residuals are, over one, two, [`SHORT`] and [`LONG`] rows.
#[derive(Debug, Clone)]
struct Novelty {
    recent: Recent<SHORT>,
    before: f64,
    single: Histogram,
    double: Histogram,
    short: Histogram,
    long: Histogram,
}

impl Novelty {
    fn new() -> Self {
        Self {
            recent: Recent::new(),
            before: f64::NAN,
            single: Histogram::new(),
            double: Histogram::new(),
            short: Histogram::new(),
            long: Histogram::new(),
        }
    }

    fn is_ready(&self) -> bool {
        self.short.is_ready()
    }

    /// The novelty of the next row, in [0, 1].
    fn push(&mut self, residual: f64, mean_residual: Option<f64>) -> f64 {
        let novel = |histogram: &mut Histogram, number: f64| match number.is_nan() {
            true => 0.0,
            false => histogram.push(number),
        };
        let double = (residual + self.before) / 2.0;
        self.before = residual;
        let short = self.recent.push(residual);
        let single = self.single.push(residual.abs());
        let double = novel(&mut self.double, double);
        let short = novel(&mut self.short, short);
        let long = mean_residual.map_or(0.0, |residual| self.long.push(residual.abs()));
        // A power mean leans towards the highest, but one feature alone hardly raises an alarm.
        let fourth = |score: f64| score.powi(2).powi(2);
        let short_term = fourth(single) + fourth(double) + fourth(short);
        (short_term.max(LONG_WEIGHT * fourth(long)) / 3.0)
            .sqrt()
            .sqrt()
    }
}

/// Scores every row of `series`; says in `notes` what was assumed.
///
/// Of several columns the most novel counts.
pub(super) fn judge(series: &Series, notes: &mut Vec<String>) -> Result<RowScores> {
    if series.rows() < LEAST_ROWS {
        notes.push(format!(
            "{} rows are too few for the context detector ({LEAST_ROWS} are needed): no anomalies",
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
    let mut filter = AlarmFilter::new();
    let mut times = Vec::new();
    for part in series.parts() {
        let chunk = series.read(part)?;
        chunk.timestamps_us(&mut times);
        let mut out = Judged::with_room(times.len(), several);
        match columns.as_mut_slice() {
            [column] => {
                for (&time, &value) in times.iter().zip(chunk.values(0)) {
                    let row = column.push(time, value);
                    out.push(filter.push(row.novelty, column.day()), &row, 0);
                }
            }
            columns => {
                // Columns know nothing of each other: they can be walked side by side.
                let judged: Vec<Vec<ContextRow>> = columns
                    .par_iter_mut()
                    .enumerate()
                    .map(|(number, column)| {
                        let rows = times.iter().zip(chunk.values(number));
                        rows.map(|(&time, &value)| column.push(time, value))
                            .collect()
                    })
                    .collect();
                let day = columns[0].day();
                for row in 0..times.len() {
                    let novelty = |column: usize| judged[column][row].novelty;
                    let most_novel = (1..judged.len()).fold(0, |best, next| {
                        match novelty(next) > novelty(best) {
                            true => next,
                            false => best,
                        }
                    });
                    let score = filter.push(novelty(most_novel), day);
                    out.push(score, &judged[most_novel][row], most_novel);
                }
            }
        }
        kept.push(out.columns)?;
    }
    if series.rows() >= LEAST_ROWS {
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

    fn push(&mut self, score: f64, row: &ContextRow, column: usize) {
        let columns = &mut self.columns;
        columns.score.push(score);
        columns.baseline.get_or_insert_default().push(row.expected);
        columns.novelty.get_or_insert_default().push(row.novelty);
        if let Some(numbers) = &mut columns.column {
            numbers.push(column as u16);
        }
    }
}

#[cfg(test)]
mod tests;

//! What a picture needs of a value column, however long the column is: M4 aggregation.
//!
//! In: blocks of rows. Out: for each pixel column of the plot its first, last, lowest and highest
//! row. A line through these covers the same pixels as a line through every row would.
//!
//! Source: Jugel, Jerzak, Hackenbroich, Markl, "M4: A Visualization-Oriented Time Series Data Aggregation",
//! VLDB 2014.

/// Pixel columns of the plot, and so the number of buckets that a trace keeps.
pub(super) const COLUMNS: usize = 1364;

/// Time without rows, in mean steps between rows, that counts as silence. Independent events at a
/// steady rate come no further apart than about ln(rows) mean steps: 16 for ten million.
const MIN_SILENT_STEPS: u64 = 20;

/// Shortest silence worth showing, in pixel columns.
const MIN_SILENT_COLUMNS: u64 = 3;

/// One row: time in microseconds since 1970 (UTC), and value.
pub(super) type Point = (i64, f64);

/// The M4 aggregates of one value column, in constant memory (about 90 KB).
///
/// Rows may come in any order and any number of blocks; traces over the same time window can be
/// filled by several workers and merged. The result depends on the rows alone, not on their order
/// or their division into blocks. Values that are not finite are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    first_us: i64,
    last_us: i64,
    column_us: u64,
    rows: u64,
    columns: Vec<Column>,
}

impl Trace {
    /// An empty trace over the time window from `first_us` to `last_us`, both included.
    ///
    /// The window is what the x axis will show: the times of the first and the last row. Rows
    /// outside it are kept and drawn at its edge. Bounds in the wrong order are exchanged.
    pub fn new(first_us: i64, last_us: i64) -> Self {
        let (first_us, last_us) = (first_us.min(last_us), first_us.max(last_us));
        Self {
            first_us,
            last_us,
            column_us: last_us.abs_diff(first_us) / COLUMNS as u64 + 1,
            rows: 0,
            columns: vec![Column::EMPTY; COLUMNS],
        }
    }

    /// Adds rows: `timestamps_us` in microseconds since 1970 (UTC) and their `values`.
    ///
    /// Where one slice is longer, its surplus is ignored. Costs about a nanosecond a row when the
    /// rows are sorted by time, some ten when they are not.
    pub fn push(&mut self, timestamps_us: &[i64], values: &[f64]) {
        let rows = timestamps_us.len().min(values.len());
        let (mut times, mut values) = (&timestamps_us[..rows], &values[..rows]);
        // Neighbours mostly share a column: the division that finds it is needed once for them all.
        while let Some(&time_us) = times.first() {
            let index = self.index(time_us);
            let run = self.sorted_run(index, times);
            self.rows += self.columns[index].add_run(&times[..run], &values[..run]);
            (times, values) = (&times[run..], &values[run..]);
        }
    }

    /// Adds the rows of `other`, which must have been made for the same time window.
    ///
    /// Rows of another window are still kept, but only those that `other` would have drawn.
    pub fn merge(&mut self, other: Self) {
        for (index, theirs) in other.columns.iter().enumerate() {
            if theirs.is_empty() {
                continue;
            }
            if (other.first_us, other.last_us) == (self.first_us, self.last_us) {
                self.columns[index].merge(theirs);
            } else {
                for point in theirs.points() {
                    let own = self.index(point.0);
                    self.columns[own].add(point);
                }
            }
        }
        self.rows += other.rows;
    }

    /// Number of rows kept so far: those with a finite value.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The time window, both ends included.
    pub(super) fn window_us(&self) -> (i64, i64) {
        (self.first_us, self.last_us)
    }

    /// The lowest and the highest value of every pixel column that has rows.
    pub(super) fn extremes(&self) -> impl Iterator<Item = f64> + '_ {
        self.filled()
            .flat_map(|column| [column.lowest.1, column.highest.1])
    }

    /// The points to draw, in time order, cut where the source was silent.
    pub(super) fn strokes(&self) -> Vec<Vec<Point>> {
        let silence_us = self.silence_us();
        let mut strokes: Vec<Vec<Point>> = Vec::new();
        let mut previous_us = None;
        for column in self.filled() {
            let starts_anew =
                previous_us.is_none_or(|previous| column.first.0.abs_diff(previous) > silence_us);
            if starts_anew {
                strokes.push(Vec::new());
            }
            if let Some(stroke) = strokes.last_mut() {
                for point in column.points() {
                    if stroke.last() != Some(&point) {
                        stroke.push(point);
                    }
                }
            }
            previous_us = Some(column.last.0);
        }
        strokes
    }

    /// The spans without rows that are long enough to count as silence, edges of the window included.
    pub(super) fn silences(&self) -> Vec<(i64, i64)> {
        let silence_us = self.silence_us();
        let mut silences = Vec::new();
        let mut previous_us = self.first_us;
        let edge = self.last_us;
        let starts_and_ends = self.filled().map(|column| (column.first.0, column.last.0));
        for (start, end) in starts_and_ends.chain([(edge, edge)]) {
            if start > previous_us && start.abs_diff(previous_us) > silence_us {
                silences.push((previous_us, start));
            }
            previous_us = end;
        }
        silences
    }

    fn filled(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.is_empty())
    }

    fn index(&self, time_us: i64) -> usize {
        let since_start = time_us
            .clamp(self.first_us, self.last_us)
            .abs_diff(self.first_us);
        (since_start / self.column_us) as usize
    }

    /// How many of the first `times` are in ascending order and belong to the column at `index`,
    /// as the first one does.
    fn sorted_run(&self, index: usize, times: &[i64]) -> usize {
        let start_us = self
            .first_us
            .wrapping_add_unsigned(index as u64 * self.column_us);
        let mut previous_us = i64::MIN;
        let run = times.iter().take_while(|&&time_us| {
            let follows = time_us >= previous_us;
            previous_us = time_us;
            follows && (time_us.wrapping_sub(start_us) as u64) < self.column_us
        });
        // Times outside the window belong to a column without lying in it.
        run.count().max(1)
    }

    fn silence_us(&self) -> u64 {
        let first = self.filled().next().map_or(0, |column| column.first.0);
        let last = self.filled().last().map_or(0, |column| column.last.0);
        let mean_step = last.abs_diff(first) / self.rows.saturating_sub(1).max(1);
        (mean_step.saturating_mul(MIN_SILENT_STEPS))
            .max(self.column_us.saturating_mul(MIN_SILENT_COLUMNS))
    }
}

/// The rows of one pixel column that its picture depends on: the four of M4.
///
/// Ties are broken by the other half of the row, so that the result does not depend on the order
/// in which rows came.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Column {
    first: Point,
    last: Point,
    lowest: Point,
    highest: Point,
}

impl Column {
    const EMPTY: Self = Self {
        first: (i64::MAX, f64::INFINITY),
        last: (i64::MIN, f64::NEG_INFINITY),
        lowest: (i64::MAX, f64::INFINITY),
        highest: (i64::MAX, f64::NEG_INFINITY),
    };

    fn is_empty(&self) -> bool {
        self.lowest.1 == f64::INFINITY
    }

    #[inline]
    fn add(&mut self, point: Point) {
        self.widen(point, point, point, point);
    }

    /// Adds rows sorted by time; returns how many of them were finite.
    fn add_run(&mut self, times: &[i64], values: &[f64]) -> u64 {
        let Some((lowest, highest)) = extremes(values).filter(|_| values.len() >= LANES) else {
            let rows = times.iter().copied().zip(values.iter().copied());
            let finite = rows.filter(|row| row.1.is_finite());
            return finite.map(|row| self.add(row)).count() as u64;
        };
        let rows = || times.iter().copied().zip(values.iter().copied());
        let first_us = times[0];
        rows()
            .take_while(|row| row.0 == first_us)
            .for_each(|row| self.add(row));
        let last_us = times[times.len() - 1];
        rows()
            .rev()
            .take_while(|row| row.0 == last_us)
            .for_each(|row| self.add(row));
        // The search for the row comes only where it matters, which is ever more seldom.
        if lowest <= self.lowest.1 || highest >= self.highest.1 {
            rows()
                .find(|row| row.1 == lowest)
                .into_iter()
                .for_each(|row| self.add(row));
            rows()
                .find(|row| row.1 == highest)
                .into_iter()
                .for_each(|row| self.add(row));
        }
        values.len() as u64
    }

    fn merge(&mut self, other: &Self) {
        self.widen(other.first, other.last, other.lowest, other.highest);
    }

    #[inline]
    fn widen(&mut self, first: Point, last: Point, lowest: Point, highest: Point) {
        if first < self.first {
            self.first = first;
        }
        if last > self.last {
            self.last = last;
        }
        if lowest.1 < self.lowest.1 || (lowest.1 == self.lowest.1 && lowest.0 < self.lowest.0) {
            self.lowest = lowest;
        }
        if highest.1 > self.highest.1 || (highest.1 == self.highest.1 && highest.0 < self.highest.0)
        {
            self.highest = highest;
        }
    }

    /// The four rows in time order; some of them may be the same row.
    fn points(&self) -> [Point; 4] {
        if self.lowest.0 <= self.highest.0 {
            [self.first, self.lowest, self.highest, self.last]
        } else {
            [self.first, self.highest, self.lowest, self.last]
        }
    }
}

/// Values that [`extremes`] looks at in one step.
const LANES: usize = 8;

/// The lowest and the highest of `values`; nothing where one of them is not finite.
///
/// Done in lanes of their own, since the compiler may not reorder sums and comparisons of floats.
fn extremes(values: &[f64]) -> Option<(f64, f64)> {
    let mut lowest = [f64::INFINITY; LANES];
    let mut highest = [f64::NEG_INFINITY; LANES];
    // Zero as long as all values are finite: infinity times zero is not a number.
    let mut zero = [0.0; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        for lane in 0..LANES {
            lowest[lane] = if block[lane] < lowest[lane] {
                block[lane]
            } else {
                lowest[lane]
            };
            highest[lane] = if block[lane] > highest[lane] {
                block[lane]
            } else {
                highest[lane]
            };
            zero[lane] += block[lane] * 0.0;
        }
    }
    let is_finite = zero.iter().all(|&zero| zero == 0.0) && rest.iter().all(|v| v.is_finite());
    let lowest = lowest
        .iter()
        .chain(rest)
        .copied()
        .fold(f64::INFINITY, f64::min);
    let highest = highest
        .iter()
        .chain(rest)
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    is_finite.then_some((lowest, highest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trace_of(window_us: (i64, i64), rows: &[Point]) -> Trace {
        let mut trace = Trace::new(window_us.0, window_us.1);
        let (times, values): (Vec<i64>, Vec<f64>) = rows.iter().copied().unzip();
        trace.push(&times, &values);
        trace
    }

    #[test]
    fn a_few_rows_come_back_as_they_were() {
        let rows = [(0, 1.0), (500, 3.0), (1_000_000, 2.0)];
        assert_eq!(trace_of((0, 1_000_000), &rows).strokes(), [rows.to_vec()]);
    }

    #[test]
    fn of_many_rows_a_column_keeps_first_lowest_highest_and_last() {
        let rows: Vec<Point> = [4.0, 9.0, 9.0, 1.0, 1.0, 5.0]
            .into_iter()
            .enumerate()
            .map(|(at, value)| (at as i64, value))
            .collect();
        let kept = trace_of((0, 100_000_000), &rows).strokes();
        assert_eq!(kept, [vec![(0, 4.0), (1, 9.0), (3, 1.0), (5, 5.0)]]);
    }

    #[test]
    fn values_that_are_not_finite_are_left_out() {
        let rows = [
            (0, f64::NAN),
            (1, f64::INFINITY),
            (2, 7.0),
            (3, f64::NEG_INFINITY),
        ];
        let trace = trace_of((0, 3), &rows);
        assert_eq!((trace.rows(), trace.strokes()), (1, vec![vec![(2, 7.0)]]));
    }

    #[test]
    fn rows_outside_the_window_are_kept_in_its_outermost_columns() {
        let rows = [(i64::MIN, 1.0), (50, 2.0), (i64::MAX, 3.0)];
        let trace = trace_of((0, 100), &rows);
        assert_eq!(
            trace.extremes().collect::<Vec<_>>(),
            [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
        );
    }

    #[test]
    fn a_long_silence_cuts_the_line_and_is_reported() {
        const MINUTE: i64 = 60_000_000;
        let rows: Vec<Point> = (0..1000)
            .chain(3000..4000)
            .map(|minute| (minute * MINUTE, 1.0))
            .collect();
        let trace = trace_of((0, 6000 * MINUTE), &rows);
        assert_eq!(trace.strokes().len(), 2);
        assert_eq!(
            trace.silences(),
            [
                (999 * MINUTE, 3000 * MINUTE),
                (3999 * MINUTE, 6000 * MINUTE)
            ]
        );
    }

    #[test]
    fn a_missing_row_now_and_then_does_not_cut_the_line() {
        let rows: Vec<Point> = (0..2000)
            .filter(|at| at % 100 > 5)
            .map(|at| (at * 1_000_000, 1.0))
            .collect();
        let trace = trace_of((6_000_000, 1_999_000_000), &rows);
        assert_eq!((trace.strokes().len(), trace.silences()), (1, vec![]));
    }

    #[test]
    fn the_widest_window_and_an_empty_trace_hold() {
        let rows = [(i64::MIN, -1e308), (0, 5e-324), (i64::MAX, 1e308)];
        assert_eq!(trace_of((i64::MIN, i64::MAX), &rows).rows(), 3);
        assert!(Trace::new(5, 5).strokes().is_empty());
    }

    proptest! {
        #[test]
        fn order_and_division_of_the_rows_do_not_matter(
            rows in prop::collection::vec((0i64..3000, -3i32..3), 0..300),
            cut in 0usize..300,
            turn in 0usize..300,
        ) {
            let rows: Vec<Point> = rows.into_iter().map(|(t, v)| (t, f64::from(v))).collect();
            let whole = trace_of((0, 3000), &rows);
            let mut turned = rows.clone();
            if !turned.is_empty() {
                let by = turn % turned.len();
                turned.rotate_left(by);
            }
            let (left, right) = turned.split_at(cut.min(turned.len()));
            let mut merged = trace_of((0, 3000), right);
            merged.merge(trace_of((0, 3000), left));
            prop_assert_eq!(merged, whole);
        }

        #[test]
        fn one_block_gives_what_single_rows_give(
            mut rows in prop::collection::vec((0i64..2000, prop_oneof![-3i32..3, Just(i32::MAX)]), 0..300),
            is_sorted in any::<bool>(),
        ) {
            if is_sorted {
                rows.sort_unstable();
            }
            let value = |v| if v == i32::MAX { f64::NAN } else { f64::from(v) };
            let rows: Vec<Point> = rows.into_iter().map(|(t, v)| (t / 100, value(v))).collect();
            let mut singly = Trace::new(0, 20_000);
            for (time_us, value) in &rows {
                singly.push(&[*time_us], &[*value]);
            }
            prop_assert_eq!(trace_of((0, 20_000), &rows), singly);
        }

        #[test]
        fn the_lowest_and_highest_row_survive(
            rows in prop::collection::vec((any::<i64>(), -1e308f64..1e308), 1..300),
        ) {
            let first = rows.iter().map(|row| row.0).min().unwrap();
            let last = rows.iter().map(|row| row.0).max().unwrap();
            let drawn: Vec<Point> = trace_of((first, last), &rows).strokes().concat();
            for (time_us, value) in [
                rows.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap(),
                rows.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap(),
            ] {
                prop_assert!(drawn.iter().any(|point| point.1 == value && point.0 <= time_us));
            }
            prop_assert!(drawn.is_sorted_by_key(|point| point.0));
            prop_assert!(drawn.len() <= 4 * COLUMNS);
        }
    }
}

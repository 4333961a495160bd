//! Runs of rows that depart from what was expected: what incidents are made of.
//!
//! Runs are kept in a form that gives the same result however the rows are dealt to threads: counts,
//! extremes and times, no sums of fractions.

use super::baseline::Baseline;

/// Deviations from which on a row counts as departed.
pub(super) const DEPARTED: f64 = 3.0;
/// Share of the expected value at or below which traffic counts as ceased.
pub(super) const CEASED: f64 = 0.05;

/// A judged row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Row {
    pub(super) time_us: i64,
    /// The value of the column that contributed most.
    pub(super) value: f64,
    pub(super) column: u16,
    pub(super) expected: Baseline,
    pub(super) score: f64,
    pub(super) anomaly: bool,
}

impl Row {
    /// Whether the row belongs to an incident that is near: it is an anomaly or departs from what was
    /// expected.
    #[inline]
    pub(super) fn counts(&self) -> bool {
        self.anomaly || self.departed() || self.ceased()
    }

    fn departed(&self) -> bool {
        let half = (self.value / 2.0 - self.expected.center / 2.0).abs();
        half > DEPARTED / 2.0 * self.expected.scale
    }

    fn ceased(&self) -> bool {
        let Baseline { center, scale } = self.expected;
        self.value.abs() <= CEASED * center && scale < center
    }

    /// How far the row is from what was expected, to compare rows by.
    fn reach(&self) -> f64 {
        match self.expected.deviations(self.value) {
            Some(deviations) => deviations.abs(),
            None if self.value == self.expected.center => 0.0,
            None => f64::MAX,
        }
    }
}

/// Neighbouring rows that depart or are anomalies.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    pub(super) start_us: i64,
    pub(super) end_us: i64,
    pub(super) rows: u64,
    pub(super) anomalies: u64,
    /// Rows in which traffic had ceased.
    pub(super) ceased: u64,
    /// The row farthest from what was expected, the first of these.
    pub(super) peak: Row,
    pub(super) highest_score: f64,
}

impl Run {
    fn of(row: Row) -> Self {
        Self {
            start_us: row.time_us,
            end_us: row.time_us,
            rows: 1,
            anomalies: u64::from(row.anomaly),
            ceased: u64::from(row.ceased()),
            peak: row,
            highest_score: row.score,
        }
    }

    /// Adds a later run.
    fn append(&mut self, later: &Self) {
        self.end_us = later.end_us;
        self.rows += later.rows;
        self.anomalies += later.anomalies;
        self.ceased += later.ceased;
        self.highest_score = self.highest_score.max(later.highest_score);
        if later.peak.reach() > self.peak.reach() {
            self.peak = later.peak;
        }
    }
}

/// The runs of a stretch of rows, in time order.
#[derive(Debug, Clone)]
pub(super) struct Departures {
    /// Rows no farther apart than this are neighbours.
    join_us: i64,
    /// Time of the stretch's first row.
    start_us: Option<i64>,
    runs: Vec<Run>,
}

impl Departures {
    /// None yet; rows no farther apart than `join_us` will be neighbours.
    pub(super) fn new(join_us: i64) -> Self {
        Self {
            join_us,
            start_us: None,
            runs: Vec::new(),
        }
    }

    /// Says when the stretch starts. Only the first call counts.
    pub(super) fn start_at(&mut self, time_us: i64) {
        self.start_us.get_or_insert(time_us);
    }

    /// Adds a row that [counts](Row::counts); rows come in time order.
    pub(super) fn push(&mut self, row: Row) {
        self.add(Run::of(row));
    }

    fn add(&mut self, run: Run) {
        match self.runs.last_mut() {
            Some(last) if run.start_us.saturating_sub(last.end_us) <= self.join_us => {
                last.append(&run);
            }
            _ => {
                self.drop_idle();
                self.runs.push(run);
            }
        }
    }

    /// Forgets the last run where it has no anomaly and nothing can join it any more: a run within
    /// reach of the stretch's start may still have a neighbour in the stretch before.
    fn drop_idle(&mut self) {
        if let Some(last) = self.runs.last()
            && last.anomalies == 0
            && self
                .start_us
                .is_some_and(|start| last.start_us.saturating_sub(start) > self.join_us)
        {
            self.runs.pop();
        }
    }

    /// Adds the runs of the stretch behind this one.
    pub(super) fn append(&mut self, later: Self) {
        if let Some(start) = later.start_us {
            self.start_at(start);
        }
        for run in later.runs {
            self.add(run);
        }
    }

    /// The runs that have an anomaly.
    pub(super) fn finish(mut self) -> Vec<Run> {
        self.runs.retain(|run| run.anomalies > 0);
        self.runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(time_us: i64, value: f64, anomaly: bool) -> Row {
        Row {
            time_us,
            value,
            column: 0,
            expected: Baseline {
                center: 100.0,
                scale: 10.0,
            },
            score: if anomaly { 0.8 } else { 0.4 },
            anomaly,
        }
    }

    fn runs(rows: &[Row], join_us: i64) -> Vec<Run> {
        let mut departures = Departures::new(join_us);
        departures.start_at(i64::MIN);
        for row in rows.iter().filter(|row| row.counts()) {
            departures.push(*row);
        }
        departures.finish()
    }

    #[test]
    fn an_incident_reaches_as_far_as_its_rows_depart() {
        let values = [100.0, 95.0, 140.0, 190.0, 150.0, 100.0, 100.0, 100.0, 140.0];
        let rows: Vec<Row> = values
            .iter()
            .zip(0..)
            .map(|(&value, at)| row(at, value, value == 190.0))
            .collect();
        let found = runs(&rows, 2);
        assert_eq!(found.len(), 1);
        let run = &found[0];
        assert_eq!(
            (run.start_us, run.end_us, run.rows, run.anomalies),
            (2, 4, 3, 1)
        );
        assert_eq!(run.peak.value, 190.0);
    }

    #[test]
    fn traffic_has_ceased_where_next_to_nothing_is_left() {
        let found = runs(&[row(0, 3.0, true), row(1, 40.0, true)], 2);
        assert_eq!((found[0].ceased, found[0].rows), (1, 2));
    }

    proptest! {
        #[test]
        fn runs_are_the_same_however_the_rows_are_dealt(
            rows in prop::collection::vec((0i64..4, 40u8..160, prop::bool::weighted(0.1)), 1..120),
            cuts in prop::collection::vec(0usize..120, 0..6),
        ) {
            let mut time = 0;
            let rows: Vec<Row> = rows
                .into_iter()
                .map(|(step, value, anomaly)| {
                    time += step;
                    row(time, f64::from(value), anomaly)
                })
                .collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(rows.len())).collect();
            cuts.extend([0, rows.len()]);
            cuts.sort_unstable();
            let mut dealt = Departures::new(3);
            for pair in cuts.windows(2).filter(|pair| pair[0] < pair[1]) {
                let mut stretch = Departures::new(3);
                stretch.start_at(rows[pair[0]].time_us);
                for row in rows[pair[0]..pair[1]].iter().filter(|row| row.counts()) {
                    stretch.push(*row);
                }
                dealt.append(stretch);
            }
            prop_assert_eq!(dealt.finish(), runs(&rows, 3));
        }
    }
}

//! How large something usually is: forgetting means, by the half hour of the day or about a slow mean.

use crate::support::calendar::DAY_S;

/// Half hours of a day.
const BINS: usize = 48;
/// Share of what was known that is left after another row: of all rows, and of those of a half hour.
const KEPT: f64 = 0.9998;
const KEPT_OF_HALF_HOUR: f64 = 0.99;
/// Rows that the mean of all rows is worth beside those of a half hour.
const SHRINKAGE: f64 = 10.0;
/// A row counts as no larger than so many means.
const MAX_MEANS: f64 = 6.0;
/// Below so many rows there is no mean to speak of.
pub(super) const MIN_ROWS: f64 = 20.0;

/// The mean of numbers, of which older ones count less.
#[derive(Debug, Clone, Copy, Default)]
struct Forgetful {
    sum: f64,
    weight: f64,
}

impl Forgetful {
    fn push(&mut self, kept: f64, number: f64) {
        self.sum = self.sum * kept + number;
        self.weight = self.weight * kept + 1.0;
    }

    /// 0 of nothing.
    fn mean(&self) -> f64 {
        if self.weight > 0.0 {
            self.sum / self.weight
        } else {
            0.0
        }
    }
}

/// The usual size of something by the half hour of the day.
#[derive(Debug, Clone)]
pub(super) struct HalfHours {
    all: Forgetful,
    bins: [Forgetful; BINS],
}

impl HalfHours {
    pub(super) fn new() -> Self {
        Self {
            all: Forgetful::default(),
            bins: [Forgetful::default(); BINS],
        }
    }

    /// The half hour of a time in seconds.
    pub(super) fn of(second: i64) -> usize {
        (second.rem_euclid(DAY_S) * BINS as i64 / DAY_S) as usize
    }

    /// How many rows are remembered.
    pub(super) fn weight(&self) -> f64 {
        self.all.weight
    }

    /// The usual size in a half hour, drawn towards that of all; 0 while there are too few rows.
    pub(super) fn usual(&self, half_hour: usize) -> f64 {
        if self.all.weight < MIN_ROWS {
            return 0.0;
        }
        let bin = &self.bins[half_hour];
        (SHRINKAGE * self.all.mean() + bin.sum) / (SHRINKAGE + bin.weight)
    }

    /// Learns a size.
    pub(super) fn push(&mut self, half_hour: usize, size: f64) {
        let mean = self.all.mean();
        let size = if self.all.weight >= MIN_ROWS && mean > 0.0 {
            size.min(MAX_MEANS * self.usual(half_hour).max(0.3 * mean))
        } else {
            size
        };
        self.all.push(KEPT, size);
        self.bins[half_hour].push(KEPT_OF_HALF_HOUR, size);
    }
}

/// What lies less than this share of the usual distance from the slow mean apart is the same.
pub(super) const SAME: f64 = 0.02;
/// Days of the slow mean.
const SLOW_DAYS: f64 = 1.5;
/// A distance counts as no larger than so many means.
const MAX_DISTANCE: f64 = 10.0;

/// A slow mean of a series, and how far values lie from it.
#[derive(Debug, Clone)]
pub(super) struct Wander {
    rate: f64,
    mean: f64,
    distance: Forgetful,
}

impl Wander {
    pub(super) fn new(day_rows: f64) -> Self {
        Self {
            rate: 1.0 - (-1.0 / (SLOW_DAYS * day_rows)).exp(),
            mean: 0.0,
            distance: Forgetful::default(),
        }
    }

    /// Learns `value`, of the row with this number; the distance below which values count as equal.
    pub(super) fn push(&mut self, row: u64, value: f64) -> f64 {
        if row == 0 {
            self.mean = value;
        }
        let mut distance = (value - self.mean).abs();
        if self.distance.weight > 50.0 {
            distance = distance.min(MAX_DISTANCE * self.distance.mean());
        }
        self.distance.push(KEPT, distance);
        self.mean += self.rate.max(1.0 / (row + 1) as f64) * (value - self.mean);
        SAME * self.distance.mean()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_half_hour_has_a_size_of_its_own_and_outliers_hardly_count() {
        let mut sizes = HalfHours::new();
        for row in 0..20 * 288i64 {
            let half_hour = HalfHours::of(row * 300);
            sizes.push(half_hour, if half_hour < 24 { 1.0 } else { 3.0 });
        }
        assert!((sizes.usual(3) - 1.0).abs() < 0.2, "{}", sizes.usual(3));
        assert!((sizes.usual(30) - 3.0).abs() < 0.2, "{}", sizes.usual(30));
        sizes.push(3, 1e9);
        assert!(sizes.usual(3) < 1.3, "{}", sizes.usual(3));
    }

    #[test]
    fn too_few_rows_have_no_usual_size() {
        let mut sizes = HalfHours::new();
        for _ in 0..19 {
            sizes.push(0, 5.0);
        }
        assert_eq!(sizes.usual(0), 0.0);
        // The weight forgets, so that it takes one row more.
        sizes.push(0, 5.0);
        sizes.push(0, 5.0);
        assert!((sizes.usual(0) - 5.0).abs() < 1e-9);
    }

    #[test]
    fn rounding_errors_about_a_daily_rhythm_count_as_equal() {
        let mut wander = Wander::new(288.0);
        let same = (0..2_000u64)
            .map(|row| wander.push(row, (row as f64 / 45.8).sin()))
            .last();
        assert!(same > Some(0.005), "{same:?}");
    }
}

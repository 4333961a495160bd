//! Anomalous rows with what explains them.

use serde::{Deserialize, Serialize};

/// On which side of the expected value an anomaly lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Above it, or on it.
    Above,
    /// Below it.
    Below,
}

impl Direction {
    /// On which side of `expected` a value lies.
    pub fn of(value: f64, expected: f64) -> Self {
        match value < expected {
            true => Self::Below,
            false => Self::Above,
        }
    }

    /// `above` or `below`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
        }
    }
}

/// Standard deviation of a normal distribution over the median of its absolute deviations.
pub(super) const PER_MEDIAN: f64 = 1.4826;

/// What would have been expected of a value, and how widely values usually lie about it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// The expected value.
    pub value: f64,
    /// Robust standard deviation of the values about it; 0 where they do not vary.
    pub spread: f64,
}

impl Expectation {
    /// How many robust standard deviations `value` lies above what was expected; negative below. `None`
    /// without a spread to measure by.
    pub fn deviations(&self, value: f64) -> Option<f64> {
        // Halved, since the difference may be beyond the largest number.
        let half = value / 2.0 - self.value / 2.0;
        let deviations = half / self.spread * 2.0;
        deviations.is_finite().then_some(deviations)
    }

    /// `value` as a multiple of what was expected. `None` where that is 0, or of the other sign.
    pub fn ratio(&self, value: f64) -> Option<f64> {
        let ratio = value / self.value;
        (ratio.is_finite() && ratio >= 0.0).then_some(ratio)
    }
}

/// Anomalous rows, column by column, in time order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Anomalies {
    /// When, in microseconds UTC.
    pub timestamps_us: Vec<i64>,
    /// The value columns.
    pub values: Vec<Vec<f64>>,
    /// The scores.
    pub scores: Vec<f64>,
    /// Number of the column that contributed most.
    pub columns: Vec<u16>,
    /// What was expected in that column.
    pub expected: Vec<Expectation>,
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

    /// The value of a row in the column that contributed most.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn value(&self, row: usize) -> f64 {
        self.values[usize::from(self.columns[row])][row]
    }

    /// On which side of the expected value a row lies.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn direction(&self, row: usize) -> Direction {
        Direction::of(self.value(row), self.expected[row].value)
    }

    /// Adds the rows of `other` behind these.
    pub fn append(&mut self, other: Self) {
        self.timestamps_us.extend(other.timestamps_us);
        for (mine, theirs) in self.values.iter_mut().zip(other.values) {
            mine.extend(theirs);
        }
        self.scores.extend(other.scores);
        self.columns.extend(other.columns);
        self.expected.extend(other.expected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn deviations_and_ratios_are_told_where_they_mean_something() {
        let usual = Expectation {
            value: 100.0,
            spread: 10.0,
        };
        assert_eq!(
            (usual.deviations(150.0), usual.ratio(150.0)),
            (Some(5.0), Some(1.5))
        );
        assert_eq!(
            (usual.deviations(0.0), usual.ratio(0.0)),
            (Some(-10.0), Some(0.0))
        );
        assert_eq!(usual.ratio(-50.0), None);
        let flat = Expectation {
            value: 0.0,
            spread: 0.0,
        };
        assert_eq!((flat.deviations(1.0), flat.ratio(1.0)), (None, None));
    }

    proptest! {
        #[test]
        fn nothing_overflows(value in prop::num::f64::NORMAL, expected in prop::num::f64::NORMAL, spread in 0f64..1e308) {
            let expectation = Expectation { value: expected, spread };
            prop_assert!(expectation.deviations(value).is_none_or(f64::is_finite));
            prop_assert!(expectation.ratio(value).is_none_or(f64::is_finite));
        }
    }
}

//! Anomalous rows with what explains them.

use serde::{Deserialize, Serialize};

use super::baseline::Baseline;

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
        if value < expected {
            Self::Below
        } else {
            Self::Above
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
    pub expected: Vec<Baseline>,
}

impl Anomalies {
    /// None yet, for rows with this number of value columns.
    pub fn with_columns(columns: usize) -> Self {
        Self {
            values: vec![Vec::new(); columns],
            ..Self::default()
        }
    }

    /// Keeps the rows at times that `keep` says.
    pub fn retain(&mut self, keep: impl Fn(i64) -> bool) {
        let kept: Vec<bool> = self.timestamps_us.iter().map(|&us| keep(us)).collect();
        fn only<T>(items: &mut Vec<T>, kept: &[bool]) {
            let mut flags = kept.iter();
            items.retain(|_| flags.next().is_some_and(|&kept| kept));
        }
        only(&mut self.timestamps_us, &kept);
        for values in &mut self.values {
            only(values, &kept);
        }
        only(&mut self.scores, &kept);
        only(&mut self.columns, &kept);
        only(&mut self.expected, &kept);
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
        Direction::of(self.value(row), self.expected[row].center)
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

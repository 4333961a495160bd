//! A part of a series in memory, addressed by the row numbers of the whole.

use std::ops::Range;

/// Consecutive scaled values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    /// Number of the first row.
    first: usize,
    values: &'a [f64],
}

impl<'a> Part<'a> {
    /// The part that begins with row `first`.
    pub(super) fn new(first: usize, values: &'a [f64]) -> Self {
        Self { first, values }
    }

    /// The values of `rows`, which are in the part.
    pub(super) fn values(&self, rows: Range<usize>) -> &'a [f64] {
        &self.values[rows.start - self.first..rows.end - self.first]
    }
}

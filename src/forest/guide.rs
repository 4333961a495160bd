//! Finds a value's place among sorted cuts.

/// A coarse index over sorted cuts.
#[derive(Debug, Clone)]
pub(super) struct Guide {}

impl Guide {
    pub(super) fn new(_cuts: &[f64]) -> Self {
        Self {}
    }

    /// How many of `cuts` are below `value`.
    #[inline]
    pub(super) fn place(&self, cuts: &[f64], value: f64) -> usize {
        cuts.partition_point(|&cut| cut < value)
    }
}

//! How many rows lie in which interval of values.

use crate::detect::baseline::{self, Baseline};
use crate::detect::quantile::{self, Within};
use crate::series::Series;
use crate::support::error::Result;

/// Rows in each of the intervals that a forest divides values into, in order of value.
#[derive(Debug)]
pub(super) struct Counts(Vec<u64>);

impl Counts {
    /// Counts the rows of `series` in one pass. `count` adds values to counts of so many intervals.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub(super) fn of(
        series: &Series,
        intervals: usize,
        count: impl Fn(&[f64], &mut [u64]) + Sync,
    ) -> Result<Self> {
        let counts = series.fold(
            || vec![0u64; intervals],
            |counts, _, chunk| {
                count(chunk.values(0), counts);
                Ok(())
            },
        )?;
        Ok(Self(quantile::sum_of(counts, intervals)))
    }

    /// The rows of each interval.
    pub(super) fn rows(&self) -> &[u64] {
        &self.0
    }

    /// The interval that holds the row of a rank, from 0 for the lowest value, and how many rows lie below it.
    fn interval_of_rank(&self, rank: u64) -> (usize, u64) {
        let mut before = 0;
        let mut interval = 0;
        while rank >= before + self.0[interval] {
            before += self.0[interval];
            interval += 1;
        }
        (interval, before)
    }

    /// The baseline of the column that was counted: its median, exact, and a scale from its quartiles, to within
    /// an interval, of which `bounds_of` gives the bounds.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub(super) fn baseline(
        &self,
        series: &Series,
        bounds_of: impl Fn(usize) -> (f64, f64),
    ) -> Result<Baseline> {
        let rows = series.rows() as u64;
        Ok(Baseline {
            // The counts tell in which interval the median lies.
            center: quantile::median_within(series, 0, |rank| {
                let (interval, before) = self.interval_of_rank(rank);
                let (above, up_to) = bounds_of(interval);
                Within {
                    above,
                    up_to,
                    before,
                    rows: self.0[interval],
                }
            })?,
            scale: baseline::scale(rows, |rank| {
                Ok(middle_of(bounds_of(self.interval_of_rank(rank).0)))
            })?,
        })
    }
}

/// The middle of an interval of values, or its end where it is open on the other side.
fn middle_of((low, high): (f64, f64)) -> f64 {
    if low == f64::NEG_INFINITY {
        high
    } else if high == f64::INFINITY {
        low
    } else {
        low / 2.0 + high / 2.0
    }
}

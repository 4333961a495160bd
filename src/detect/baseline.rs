//! What is expected of a row, and how far rows usually lie from it.

use serde::{Deserialize, Serialize};

use super::quantile;
use crate::series::Series;
use crate::support::error::Result;

/// Standard deviation of a normal distribution over the median of its absolute deviations.
pub(super) const MAD_TO_SIGMA: f64 = 1.4826;

/// What is expected of a value, and how widely values usually lie about it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// The expected value.
    pub center: f64,
    /// Robust standard deviation of the values about it; 0 where they do not vary.
    pub scale: f64,
}

impl Baseline {
    /// How many robust standard deviations `value` lies above the expected value; negative below. `None`
    /// without a scale to measure by.
    pub fn deviations(&self, value: f64) -> Option<f64> {
        // Halved, since the difference may be beyond the largest number.
        let half = value / 2.0 - self.center / 2.0;
        let deviations = half / self.scale * 2.0;
        deviations.is_finite().then_some(deviations)
    }

    /// `value` as a multiple of the expected value. `None` where that is 0, or of the other sign.
    pub fn ratio(&self, value: f64) -> Option<f64> {
        let ratio = value / self.center;
        (ratio.is_finite() && ratio >= 0.0).then_some(ratio)
    }

    /// The baseline of a whole column: its median, and a scale from its quartiles, exact.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    ///
    /// # Panics
    /// Where there is no row.
    pub(super) fn of_column(series: &Series, column: usize) -> Result<Self> {
        let rows = series.rows() as u64;
        let value_of = |rank| quantile::value_of_rank(series, column, rank);
        Ok(Self {
            center: quantile::median(series, column)?,
            scale: scale(rows, value_of)?,
        })
    }
}

/// The robust standard deviation of `rows` values, of which `value_of` gives the one of a rank, from 0 for
/// the lowest: from the quartiles; where these coincide, from quantiles farther out.
pub(super) fn scale(rows: u64, value_of: impl Fn(u64) -> Result<f64>) -> Result<f64> {
    let last = rows - 1;
    for (tail, normal_width) in TAILS {
        let rank = (last as f64 * tail) as u64;
        // Halved, since the difference may be beyond the largest number.
        let width = value_of(last - rank)? / 2.0 - value_of(rank)? / 2.0;
        if width > 0.0 {
            return Ok((width / normal_width).min(f64::MAX / 2.0) * 2.0);
        }
    }
    Ok(0.0)
}

/// Share of the rows on either side of a range, and how wide that range is for a normal distribution
/// with a standard deviation of 1.
const TAILS: [(f64, f64); 4] = [(0.25, 1.349), (0.05, 3.290), (0.01, 4.653), (0.0, 6.0)];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn deviations_and_ratios_are_told_where_they_mean_something() {
        let usual = Baseline {
            center: 100.0,
            scale: 10.0,
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
        let flat = Baseline {
            center: 0.0,
            scale: 0.0,
        };
        assert_eq!((flat.deviations(1.0), flat.ratio(1.0)), (None, None));
    }

    proptest! {
        #[test]
        fn nothing_overflows(value in prop::num::f64::NORMAL, center in prop::num::f64::NORMAL, scale in 0f64..1e308) {
            let baseline = Baseline { center, scale };
            prop_assert!(baseline.deviations(value).is_none_or(f64::is_finite));
            prop_assert!(baseline.ratio(value).is_none_or(f64::is_finite));
        }
    }
}

//! Brings values of any size to a size that can be calculated with.

pub(super) use crate::support::statistics::upper_median as median;

/// Scaled values end here: beyond a million times the usual deviation nothing is learnt from more, and
/// squares still fit 32-bit numbers.
const LIMIT: f64 = 1e6;

/// Beyond so many usual deviations values count by their logarithm: one attack of a thousand times the
/// usual size must not make all else look alike. Values that are never so large are left as they are.
const SOFT: f64 = 5.0;

/// No deviation counts for more than this many times the median one: a few enormous values must not
/// make all others look equal.
const MAX_DEVIATIONS: f64 = 1e3;

/// What the mean absolute deviation of normal noise is multiplied by to give its standard deviation.
const NORMAL: f64 = 1.253_314_137_315_500_1;

/// The centre and the size of the values of a series.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// The median, halved.
    half_centre: f64,
    /// The usual deviation from it, halved; positive.
    half_unit: f64,
}

impl Scale {
    /// The scale of a sample of finite values. It is 1 around the only value where all are equal.
    pub(super) fn of(mut sample: Vec<f64>) -> Self {
        // Halved first: the difference of two large values may be beyond the largest number.
        sample.iter_mut().for_each(|value| *value /= 2.0);
        let half_centre = median(&mut sample).unwrap_or(0.0);
        let mut deviations: Vec<f64> = sample
            .iter()
            .map(|value| (value - half_centre).abs())
            .collect();
        let mut others: Vec<f64> = deviations.iter().copied().filter(|&by| by > 0.0).collect();
        let Some(usual) = median(&mut others) else {
            return Self {
                half_centre,
                half_unit: 0.5,
            };
        };
        let most = (usual * MAX_DEVIATIONS).min(f64::MAX);
        deviations.iter_mut().for_each(|by| *by = by.min(most));
        // Divided before they are added, so that the sum stays finite.
        let count = deviations.len() as f64;
        let mean: f64 = deviations.iter().map(|by| by / count).sum();
        let half_unit = (mean * NORMAL).clamp(f64::MIN_POSITIVE, f64::MAX);
        Self {
            half_centre,
            half_unit,
        }
    }

    /// The scaled value, of about standard deviation 1; what is beyond [`SOFT`] is squeezed, and what is beyond
    /// [`LIMIT`] is not told apart.
    #[inline]
    pub(super) fn of_value(&self, value: f64) -> f64 {
        let scaled = (value / 2.0 - self.half_centre) / self.half_unit;
        if scaled.abs() <= SOFT {
            scaled
        } else {
            let size = scaled.abs().min(LIMIT);
            (SOFT * (1.0 + (size / SOFT).ln())).copysign(scaled)
        }
    }

    /// The value that was scaled to `scaled`.
    pub(super) fn value_of(&self, scaled: f64) -> f64 {
        let half = unsqueezed(scaled) * self.half_unit + self.half_centre;
        (half * 2.0).clamp(f64::MIN, f64::MAX)
    }

    /// The distance that was scaled to `scaled`.
    pub(super) fn distance_of(&self, scaled: f64) -> f64 {
        (unsqueezed(scaled) * self.half_unit * 2.0).min(f64::MAX)
    }
}

fn unsqueezed(scaled: f64) -> f64 {
    if scaled.abs() <= SOFT {
        scaled
    } else {
        (SOFT * (scaled.abs() / SOFT - 1.0).exp()).copysign(scaled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_enormous_value_leaves_the_others_apart() {
        let mut sample: Vec<f64> = (0..1000).map(|i| f64::from(i % 10)).collect();
        sample[7] = 1e308;
        let scale = Scale::of(sample);
        assert!(scale.of_value(9.0) - scale.of_value(0.0) > 1.0);
        assert!(scale.of_value(1e308) < 100.0);
        let there_and_back = |value: f64| scale.value_of(scale.of_value(value));
        for value in [-3.0, 4.5, 9.0, 1e6] {
            assert!(
                (there_and_back(value) / value - 1.0).abs() < 1e-9,
                "{value}"
            );
        }
    }

    #[test]
    fn a_constant_is_zero() {
        assert_eq!(Scale::of(vec![3.0; 10]).of_value(3.0), 0.0);
        assert_eq!(Scale::of(Vec::new()).of_value(0.0), 0.0);
    }

    fn any_value() -> impl Strategy<Value = f64> {
        prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL
    }

    proptest! {
        #[test]
        fn scaled_values_are_moderate(
            sample in prop::collection::vec(any_value(), 1..50),
            value in any_value(),
        ) {
            let scale = Scale::of(sample.clone());
            for value in sample.into_iter().chain([value]) {
                prop_assert!(scale.of_value(value).abs() <= LIMIT);
            }
        }
    }
}

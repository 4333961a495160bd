//! Which score is high enough: the quantile rule, exact.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::support::error::{Error, ErrorKind};

/// Share of the rows expected to be anomalous: a number in (0, 0.5], as scikit-learn takes it.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Contamination(f64);

impl Contamination {
    /// Checks `rate`.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] where it is not in (0, 0.5]; NaN is not.
    pub fn new(rate: f64) -> Result<Self, Error> {
        if rate > 0.0 && rate <= 0.5 {
            Ok(Self(rate))
        } else {
            Err(Error::new(
                ErrorKind::Setting,
                format!(
                    "{rate} is outside (0, 0.5]: it is the share of rows expected to be anomalous"
                ),
            ))
        }
    }

    /// The rate.
    pub fn rate(self) -> f64 {
        self.0
    }
}

impl Default for Contamination {
    /// 0.01, as the original script has it.
    fn default() -> Self {
        Self(0.01)
    }
}

impl FromStr for Contamination {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let rate = text.trim().parse().map_err(|_| {
            Error::new(
                ErrorKind::Setting,
                format!(
                    "\"{text}\" is not a number: expected a share of rows in (0, 0.5], or auto"
                ),
            )
        })?;
        Self::new(rate)
    }
}

impl fmt::Display for Contamination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<f64> for Contamination {
    type Error = Error;

    fn try_from(rate: f64) -> Result<Self, Error> {
        Self::new(rate)
    }
}

impl From<Contamination> for f64 {
    fn from(rate: Contamination) -> Self {
        rate.0
    }
}

/// How the threshold is found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThresholdRule {
    /// From the share of rows expected to be anomalous.
    Contamination(Contamination),
    /// A score in [0, 1], set outright.
    Score(f64),
    /// From the scores themselves: what ordinary rows hardly ever exceed ([`super::tail`]), or the fixed
    /// level of a detector that has one.
    Auto,
}

/// Longest plain form of a number in a name: beyond it, the shorter of plain and scientific notation stands.
const MAX_PLAIN: usize = 12;

impl ThresholdRule {
    /// The rule as it stands in the names of outputs: the rate as the original script writes it
    /// (`0.01`), `threshold_0.6`, or `auto`. Numbers with a long plain form are in scientific notation
    /// (`5e-324`).
    pub fn label(self) -> String {
        match self {
            Self::Contamination(rate) => short(rate.0),
            Self::Score(score) => format!("threshold_{}", short(score)),
            Self::Auto => "auto".to_owned(),
        }
    }
}

fn short(number: f64) -> String {
    let (plain, scientific) = (number.to_string(), format!("{number:e}"));
    if plain.len() > MAX_PLAIN && scientific.len() < plain.len() {
        scientific
    } else {
        plain
    }
}

impl FromStr for ThresholdRule {
    type Err = Error;

    /// Reads a contamination rate, or `auto`.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text.trim() {
            "auto" => Ok(Self::Auto),
            rate => rate.parse().map(Self::Contamination),
        }
    }
}

impl Default for ThresholdRule {
    fn default() -> Self {
        Self::Contamination(Contamination::default())
    }
}

/// The score above which a share `rate` of all rows lies: their (1 - rate) quantile.
///
/// `counted` holds each score with the number of rows that have it, in any order. The quantile is
/// interpolated between neighbouring order statistics, which is what scikit-learn's `IsolationForest`
/// does (`numpy.percentile(score_samples, 100 * contamination)`, with the sign turned): a row is
/// anomalous when its score is strictly above. Rows that tie with the threshold are therefore not
/// flagged, and fewer rows than expected may be.
///
/// `None` without rows. Costs a sort of the scores given, not of the rows.
pub fn quantile_threshold(counted: &[(f64, u64)], rate: Contamination) -> Option<f64> {
    let rows: u64 = counted.iter().map(|&(_, count)| count).sum();
    let last = rows.checked_sub(1)?;
    let mut descending: Vec<(f64, u64)> = counted.iter().copied().filter(|&(_, n)| n > 0).collect();
    descending.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    quantile_of_ranks(last + 1, rate, |rank| at_rank(&descending, rank).ok_or(())).ok()
}

/// The same of `rows` scores, of which `of_rank` gives the one of a rank, from 0 for the highest.
pub(super) fn quantile_of_ranks<E>(
    rows: u64,
    rate: Contamination,
    of_rank: impl Fn(u64) -> Result<f64, E>,
) -> Result<f64, E> {
    quantile_of_neighbours(rows, rate, |first, second| {
        Ok([of_rank(first)?, of_rank(second)?])
    })
}

/// The same, of which `of_ranks` gives those of two ranks, the second equal to the first or the next.
pub(super) fn quantile_of_neighbours<E>(
    rows: u64,
    rate: Contamination,
    of_ranks: impl Fn(u64, u64) -> Result<[f64; 2], E>,
) -> Result<f64, E> {
    // Interpolated as numpy does for its ascending, negated scores, so that borderline rows agree.
    let last = rows.saturating_sub(1);
    let place = last as f64 * rate.rate();
    let rank = place.floor();
    let share = place - rank;
    let [upper, lower] = of_ranks(rank as u64, (rank as u64 + 1).min(last))?;
    let step = lower - upper;
    Ok(if share < 0.5 {
        upper + step * share
    } else {
        lower - step * (1.0 - share)
    })
}

fn at_rank(descending: &[(f64, u64)], rank: u64) -> Option<f64> {
    let mut above = 0;
    for &(score, count) in descending {
        above += count;
        if rank < above {
            return Some(score);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn threshold(scores: &[f64], rate: f64) -> f64 {
        let counted: Vec<(f64, u64)> = scores.iter().map(|&score| (score, 1)).collect();
        quantile_threshold(&counted, Contamination::new(rate).unwrap()).unwrap()
    }

    #[test]
    fn the_threshold_lies_between_the_order_statistics() {
        // numpy.percentile([-0.9, -0.8, -0.7, -0.6, -0.5], 25) is -0.8; 10 % lies 0.4 of a step in.
        assert_eq!(threshold(&[0.5, 0.6, 0.7, 0.8, 0.9], 0.25), 0.8);
        assert!((threshold(&[0.5, 0.6, 0.7, 0.8, 0.9], 0.1) - 0.86).abs() < 1e-12);
    }

    #[test]
    fn equal_scores_leave_nothing_above_the_threshold() {
        assert_eq!(threshold(&[0.5; 7], 0.3), 0.5);
    }

    #[test]
    fn a_label_is_the_plain_number_unless_that_is_long() {
        for (rate, label) in [
            (0.01, "0.01"),
            (0.000_01, "0.00001"),
            (0.5, "0.5"),
            (0.123_456_789_012_345_68, "0.12345678901234568"),
            (1e-11, "1e-11"),
            (5e-324, "5e-324"),
        ] {
            let rate = Contamination::new(rate).unwrap();
            assert_eq!(ThresholdRule::Contamination(rate).label(), label);
        }
        assert_eq!(ThresholdRule::Score(1e-20).label(), "threshold_1e-20");
        assert_eq!(ThresholdRule::Auto.label(), "auto");
    }

    #[test]
    fn rates_outside_their_range_are_refused_with_the_value() {
        for (text, wanted) in [
            ("0", "0 is outside (0, 0.5]"),
            ("0.7", "0.7 is outside (0, 0.5]"),
            ("NaN", "NaN is outside (0, 0.5]"),
            ("-1", "-1 is outside (0, 0.5]"),
            ("few", "\"few\" is not a number"),
        ] {
            let error = text.parse::<Contamination>().unwrap_err().to_string();
            assert!(error.starts_with(wanted), "{error}");
        }
        assert_eq!("0.5".parse::<Contamination>().unwrap().rate(), 0.5);
    }

    proptest! {
        #[test]
        fn counted_scores_give_the_quantile_of_the_scores_themselves(
            scores in prop::collection::vec(0u8..20, 1..200),
            rate in 0.001f64..0.5,
        ) {
            let mut ascending: Vec<f64> = scores.iter().map(|&s| -f64::from(s) / 20.0).collect();
            ascending.sort_by(f64::total_cmp);
            let place = (ascending.len() - 1) as f64 * rate;
            let (low, high) = (place.floor() as usize, place.ceil() as usize);
            let wanted = ascending[low] + (ascending[high] - ascending[low]) * (place - place.floor());
            let mut counted = vec![(0.0, 0u64); 20];
            for score in scores {
                counted[usize::from(score)] = (f64::from(score) / 20.0, counted[usize::from(score)].1 + 1);
            }
            let found = quantile_threshold(&counted, Contamination::new(rate).unwrap()).unwrap();
            prop_assert!((found + wanted).abs() < 1e-12);
        }
    }
}

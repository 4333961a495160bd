//! Where a value stands between the bottom and the top of a panel, and which values are marked there.
//!
//! In: the values to be drawn. Out: a linear or a symmetric-log scale that holds them all, its ticks
//! and their labels. Knows nothing of pixels.

use super::YScale;
use super::numbers;

/// A choice by [`YScale::Auto`] for the log scale needs nine tenths of the values within this share
/// of a linear scale's height: a band that nobody can read.
const FLATTENED: f64 = 0.08;

/// ... and the log scale must spread them over this many times as much height.
const WORTHWHILE: f64 = 3.0;

/// Empty height below the lowest and above the highest value, as a share of the range drawn.
const MARGIN: f64 = 0.05;

/// Values closer together than this share of their size are drawn as one constant.
const FINEST: f64 = 1e-12;

/// Ranges and units below this are taken for zero: divisions by them would overflow.
const SMALLEST: f64 = 1e-290;

/// Most decades of a log scale between its unit and the largest value.
const MAX_DECADES: f64 = 12.0;

/// Decades up to which each is ruled at 1, 2, 3 to 9; more would be a hatching.
const MAX_RULED: f64 = 4.5;

/// A mark on the value axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    /// 0 at the bottom of the panel, 1 at its top.
    pub position: f64,
    /// Empty for a grid line between the named ones.
    pub label: String,
}

/// The ticks of a value axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ticks {
    pub marks: Vec<Tick>,
    /// What has to be added to every label, where the labels would be too long otherwise.
    pub offset: Option<String>,
}

/// A scale over a range of values.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ValueScale {
    /// Equal distances for equal differences.
    Linear { low: f64, high: f64 },
    /// Linear up to `unit` on either side of zero, one decade for each power of ten beyond.
    /// `low` and `high` are counted in decades.
    SymmetricLog { unit: f64, low: f64, high: f64 },
}

impl ValueScale {
    /// A scale that holds all of `values` (finite; none at all is allowed).
    pub(super) fn new(values: &[f64], wish: YScale) -> Self {
        match wish {
            YScale::Linear => Self::linear(values),
            YScale::Log => Self::symmetric_log(values),
            YScale::Auto => {
                let (linear, log) = (Self::linear(values), Self::symmetric_log(values));
                let spread = linear.spread(values);
                if spread < FLATTENED && log.spread(values) > WORTHWHILE * spread.max(0.02) {
                    log
                } else {
                    linear
                }
            }
        }
    }

    pub(super) fn is_log(&self) -> bool {
        matches!(self, Self::SymmetricLog { .. })
    }

    /// Height of `value`: 0 at the bottom, 1 at the top; values outside are drawn at the edge.
    pub(super) fn position(&self, value: f64) -> f64 {
        let position = match *self {
            // Halved, since the range of ±1e308 is too large for a number.
            Self::Linear { low, high } => (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0),
            Self::SymmetricLog { unit, low, high } => (decades(value, unit) - low) / (high - low),
        };
        position.clamp(0.0, 1.0)
    }

    /// Marks at round values, about `most` of them named.
    pub(super) fn ticks(&self, most: usize) -> Ticks {
        match *self {
            Self::Linear { low, high } => self.linear_ticks(low, high, most),
            Self::SymmetricLog { unit, low, high } if high - low < 1.5 => {
                self.linear_ticks(value_at(low, unit), value_at(high, unit), most)
            }
            Self::SymmetricLog { unit, low, high } => self.log_ticks(unit, low, high, most),
        }
    }

    fn linear(values: &[f64]) -> Self {
        let (low, high) = range(values);
        let largest = low.abs().max(high.abs());
        let half_range = high / 2.0 - low / 2.0;
        let (low, high) = if largest < SMALLEST {
            (0.0, 1.0)
        } else if half_range <= largest * FINEST {
            (low.min(0.0) * 2.0, high.max(0.0) * 2.0)
        } else if low > 0.0 && low < 0.4 * high {
            (0.0, high)
        } else if high < 0.0 && high > 0.4 * low {
            (low, 0.0)
        } else {
            (low, high)
        };
        let (low, high) = (low.max(f64::MIN), high.min(f64::MAX));
        let margin = (high / 2.0 - low / 2.0) * 2.0 * MARGIN;
        Self::Linear {
            low: (low - margin).max(f64::MIN),
            high: (high + margin).min(f64::MAX),
        }
    }

    fn symmetric_log(values: &[f64]) -> Self {
        let unit = log_unit(values);
        let (low, high) = range(values);
        let (low, high) = (decades(low, unit), decades(high, unit));
        let (low, high) = if high - low < 1e-9 {
            (low - 0.5, high + 0.5)
        } else {
            (low, high)
        };
        let margin = (high - low) * MARGIN;
        Self::SymmetricLog {
            unit,
            low: low - margin,
            high: high + margin,
        }
    }

    /// Share of the height that the middle nine tenths of `values` take.
    fn spread(&self, values: &[f64]) -> f64 {
        if values.is_empty() {
            return 1.0;
        }
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| sorted[(share * (sorted.len() - 1) as f64).round() as usize];
        self.position(at(0.95)) - self.position(at(0.05))
    }

    fn linear_ticks(&self, low: f64, high: f64, most: usize) -> Ticks {
        let (values, step) = round_values(low, high, most);
        let (labels, offset) = numbers::labels(&values, step);
        let marks = values
            .iter()
            .zip(labels)
            .map(|(&value, label)| Tick {
                position: self.position(value),
                label,
            })
            .collect();
        Ticks { marks, offset }
    }

    fn log_ticks(&self, unit: f64, low: f64, high: f64, most: usize) -> Ticks {
        let every = ((high - low) / most.max(2) as f64).ceil().max(1.0) as i64;
        let named = named_multiples(high - low, most);
        let mut marks = Vec::new();
        for decade in low.floor() as i64..=high.ceil() as i64 {
            // Decade 0 is the value zero; beyond it on both sides follow the powers of ten.
            let multiples = if decade == 0 || high - low > MAX_RULED {
                1
            } else {
                9
            };
            for multiple in 1..=multiples {
                let value = f64::from(multiple) * power(decade, unit);
                let position = (decades(value, unit) - low) / (high - low);
                if !value.is_finite() || !(0.0..=1.0).contains(&position) {
                    continue;
                }
                let is_named = decade % every == 0 && named.contains(&multiple);
                marks.push(Tick {
                    position,
                    label: if is_named {
                        numbers::short(value)
                    } else {
                        String::new()
                    },
                });
            }
        }
        Ticks {
            marks,
            offset: None,
        }
    }
}

/// The multiples of a power of ten that get a label, where `decades` have to share `most` labels.
fn named_multiples(decades: f64, most: usize) -> &'static [i32] {
    let room = most as f64 / decades;
    if room > 3.0 {
        &[1, 2, 5]
    } else if room > 2.0 {
        &[1, 3]
    } else {
        &[1]
    }
}

/// Where `value` stands on an axis that counts decades: 0 at zero, ±1 at ±`unit`, ±2 at ±10 `unit`.
fn decades(value: f64, unit: f64) -> f64 {
    let size = value.abs();
    if size <= unit {
        value / unit
    } else {
        (1.0 + size.log10() - unit.log10()).copysign(value)
    }
}

/// The inverse of [`decades`].
fn value_at(decades: f64, unit: f64) -> f64 {
    let size = decades.abs();
    if size <= 1.0 {
        decades * unit
    } else {
        let value = 10f64.powf(size - 1.0 + unit.log10());
        value.min(f64::MAX).copysign(decades)
    }
}

/// The power of ten that stands at `decade`, a whole number of decades.
fn power(decade: i64, unit: f64) -> f64 {
    if decade == 0 {
        return 0.0;
    }
    let exponent = unit.log10().round() as i64 + decade.abs() - 1;
    // Parsed rather than computed: repeated multiplication gives 9.999999999999999e22.
    let size: f64 = format!("1e{exponent}").parse().unwrap_or(f64::INFINITY);
    if decade < 0 { -size } else { size }
}

/// The power of ten below which a log scale of `values` is linear.
///
/// Where all values have one sign, it lies under all but the smallest hundredth of them. Where they
/// have both, it is the size of a middling value, since otherwise noise around zero would fill the panel.
fn log_unit(values: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = values
        .iter()
        .map(|value| value.abs())
        .filter(|&size| size >= SMALLEST)
        .collect();
    sizes.sort_unstable_by(f64::total_cmp);
    let Some(&largest) = sizes.last() else {
        return 1.0;
    };
    let (low, high) = range(values);
    let place = if low < 0.0 && high > 0.0 {
        sizes.len() / 2
    } else {
        sizes.len() / 100
    };
    let exponent = sizes[place]
        .log10()
        .floor()
        .max(largest.log10().floor() - MAX_DECADES);
    power(1, 10f64.powf(exponent))
}

/// The lowest and the highest of `values`; 0 and 0 where there is none.
fn range(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if low <= high { (low, high) } else { (0.0, 0.0) }
}

/// About `most` round values between `low` and `high`, and the step from one to the next.
fn round_values(low: f64, high: f64, most: usize) -> (Vec<f64>, f64) {
    let most = most.max(2) as f64;
    let step = round_step(high / most - low / most);
    let first = (low / step).ceil();
    let values = (0..)
        .map(|at| (first + f64::from(at)) * step)
        .take_while(|&value| value <= high)
        .take(2 * most as usize)
        .map(|value| if value == 0.0 { 0.0 } else { value })
        .collect();
    (values, step)
}

/// The smallest of 1, 2, 5 times a power of ten that is not less than `step`.
fn round_step(step: f64) -> f64 {
    let exponent = step.log10().floor() as i32;
    let power: f64 = format!("1e{exponent}").parse().unwrap_or(step);
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|multiple| multiple * power)
        .find(|&round| round >= step * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(scale: &ValueScale, most: usize) -> Vec<(String, f64)> {
        scale
            .ticks(most)
            .marks
            .into_iter()
            .filter(|mark| !mark.label.is_empty())
            .map(|mark| (mark.label, (mark.position * 1000.0).round() / 1000.0))
            .collect()
    }

    fn names(values: &[f64], wish: YScale) -> String {
        let labels: Vec<String> = shown(&ValueScale::new(values, wish), 6)
            .into_iter()
            .map(|(label, _)| label)
            .collect();
        labels.join(" ")
    }

    #[test]
    fn a_linear_scale_is_marked_at_round_values() {
        let scale = ValueScale::new(&[0.0, 100.0], YScale::Linear);
        assert_eq!(
            shown(&scale, 6),
            [
                ("0".to_string(), 0.045),
                ("20".to_string(), 0.227),
                ("40".to_string(), 0.409),
                ("60".to_string(), 0.591),
                ("80".to_string(), 0.773),
                ("100".to_string(), 0.955),
            ]
        );
    }

    #[test]
    fn marks_suit_the_values() {
        for (values, wish, expected) in [
            (&[20.0, 30.0][..], YScale::Linear, "20 22 24 26 28 30"),
            (&[1.0, 30.0], YScale::Linear, "0 10 20 30"),
            (&[7.0, 7.0], YScale::Linear, "0 5 10"),
            (&[-7.0], YScale::Linear, "-10 -5 0"),
            (&[0.0], YScale::Linear, "0 0.2 0.4 0.6 0.8 1.0"),
            (&[], YScale::Linear, "0 0.2 0.4 0.6 0.8 1.0"),
            (&[-1e308, 1e308], YScale::Linear, "-1e308 0 1e308"),
            (&[0.0, 5e-324], YScale::Linear, "0 0.2 0.4 0.6 0.8 1.0"),
            (&[1e9, 1e9 + 10.0], YScale::Linear, "+0 +2 +4 +6 +8 +10"),
            (&[3e4, 2.5e8], YScale::Log, "100k 1M 10M 100M"),
            (&[-2e3, 0.5, 4e3], YScale::Log, "-1k 0 1k"),
            (&[20.0, 70.0], YScale::Log, "20 30 40 50 60 70"),
            (&[5.0], YScale::Log, "5 10 15"),
        ] {
            assert_eq!(names(values, wish), expected, "{values:?} {wish:?}");
        }
    }

    #[test]
    fn the_log_scale_is_chosen_where_spikes_flatten_the_rest() {
        let steady: Vec<f64> = (0..100).map(|at| 100.0 + 5.0 * f64::from(at)).collect();
        let spiked = [steady.as_slice(), &[1e6]].concat();
        let shifted: Vec<f64> = spiked.iter().map(|value| value + 1e9).collect();
        let constant_but_one = [vec![20.0; 100], vec![1e6]].concat();
        for (values, is_log) in [
            (&steady, false),
            (&spiked, true),
            (&shifted, false),
            (&constant_but_one, false),
            (&vec![0.0; 9], false),
            (&vec![], false),
        ] {
            assert_eq!(ValueScale::new(values, YScale::Auto).is_log(), is_log);
        }
    }

    proptest! {
        #[test]
        fn any_values_are_placed_in_their_order(
            mut values in prop::collection::vec(
                prop_oneof![any::<f64>(), -1e9f64..1e9, Just(1e308), Just(-1e308), Just(5e-324)],
                1..20,
            ),
        ) {
            values.retain(|value| value.is_finite());
            values.sort_unstable_by(f64::total_cmp);
            for wish in [YScale::Linear, YScale::Log, YScale::Auto] {
                let scale = ValueScale::new(&values, wish);
                let positions: Vec<f64> = values.iter().map(|&v| scale.position(v)).collect();
                prop_assert!(positions.iter().all(|p| (0.0..=1.0).contains(p)), "{positions:?}");
                prop_assert!(positions.is_sorted(), "{positions:?}");
                let ticks = scale.ticks(8);
                prop_assert!(ticks.marks.len() <= 200);
                prop_assert!(ticks.marks.iter().all(|mark| mark.label.chars().count() <= 9), "{ticks:?}");
            }
        }
    }
}

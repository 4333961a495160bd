//! Numbers as short text: axis labels with units, and counts.

/// Longest label that fits beside the axis, in characters.
const MAX_LABEL_CHARS: usize = 9;

/// Most digits behind the point that a label may have.
const MAX_DIGITS: usize = 3;

/// Units with the smallest size for which each is used.
const UNITS: [(f64, f64, &str); 7] = [
    (1e12, 1e12, "T"),
    (1e9, 1e9, "G"),
    (1e6, 1e6, "M"),
    (1e3, 1e3, "k"),
    (0.01, 1.0, ""),
    (1e-3, 1e-3, "m"),
    (1e-6, 1e-6, "µ"),
];

/// From here on labels are written with a power of ten.
const TOO_LARGE: f64 = 1e15;

/// Labels of `values`, multiples of `step` (1, 2 or 5 times a power of ten), and the number to be
/// added to each of them where they would not be short otherwise.
///
/// All labels have one unit (k, M, G, T, m, µ) or one power of ten.
pub(super) fn labels(values: &[f64], step: f64) -> (Vec<String>, Option<String>) {
    let largest = values.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
    if let Some(labels) = plain_labels(values, step, largest) {
        return (labels, None);
    }
    if let Some(labels) = power_labels(values, step, largest) {
        return (labels, None);
    }
    let base = values.first().copied().unwrap_or(0.0);
    let differences: Vec<f64> = (0..values.len()).map(|at| at as f64 * step).collect();
    let largest = differences.last().copied().unwrap_or(0.0);
    let labels = plain_labels(&differences, step, largest)
        .or_else(|| power_labels(&differences, step, largest))
        .unwrap_or_else(|| values.iter().map(|value| format!("{value:.1e}")).collect());
    let labels = labels.into_iter().map(|label| format!("+{label}"));
    (labels.collect(), Some(full(base)))
}

/// One number with its unit, as short as it can be: `10k`, `200M`, `0.1`, `1e15`.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".to_string();
    }
    UNITS
        .iter()
        .filter(|_| size < TOO_LARGE)
        .find(|(least, ..)| size >= least * (1.0 - 1e-9))
        .map_or_else(
            || trimmed_power(&format!("{value:.2e}")),
            |(_, unit, name)| format!("{}{name}", trimmed(&format!("{:.3}", value / unit))),
        )
}

/// Labels in the unit that makes them shortest; m and µ only where no larger one is fine enough.
fn plain_labels(values: &[f64], step: f64, largest: f64) -> Option<Vec<String>> {
    if largest >= TOO_LARGE {
        return None;
    }
    let in_unit = |unit: f64, name: &str| {
        let digits = digits_behind_point(step / unit);
        let labels = values.iter().map(|&value| match value {
            0.0 => "0".to_string(),
            _ => format!("{:.digits$}{name}", value / unit),
        });
        fitting(labels.collect()).filter(|_| digits <= MAX_DIGITS)
    };
    let usable = UNITS
        .iter()
        .filter(|(least, ..)| largest >= least * (1.0 - 1e-9));
    let (large, small): (Vec<_>, Vec<_>) = usable.partition(|(_, unit, _)| *unit >= 1.0);
    let large = large
        .iter()
        .rev()
        .filter_map(|(_, unit, name)| in_unit(*unit, name));
    large.min_by_key(|labels| longest(labels)).or_else(|| {
        small
            .iter()
            .find_map(|(_, unit, name)| in_unit(*unit, name))
    })
}

fn power_labels(values: &[f64], step: f64, largest: f64) -> Option<Vec<String>> {
    if (UNITS[UNITS.len() - 1].0..TOO_LARGE).contains(&largest) {
        return None;
    }
    let digits = digits_behind_point(step / 10f64.powf(largest.log10().floor()));
    let labels = values.iter().map(|&value| match value {
        0.0 => "0".to_string(),
        _ => trimmed_power(&format!("{value:.*e}", digits + 1)),
    });
    fitting(labels.collect()).filter(|_| digits <= MAX_DIGITS)
}

fn fitting(labels: Vec<String>) -> Option<Vec<String>> {
    (longest(&labels) <= MAX_LABEL_CHARS).then_some(labels)
}

fn longest(labels: &[String]) -> usize {
    labels
        .iter()
        .map(|label| label.chars().count())
        .max()
        .unwrap_or(0)
}

/// Digits behind the point that tell multiples of `step` apart.
fn digits_behind_point(step: f64) -> usize {
    (-(step * (1.0 + 1e-9)).log10().floor()).clamp(0.0, 30.0) as usize
}

/// All digits of `value`, for a place where there is room.
fn full(value: f64) -> String {
    if (1e-5..1e16).contains(&value.abs()) {
        format!("{value}")
    } else {
        format!("{value:e}")
    }
}

fn trimmed(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}

fn trimmed_power(number: &str) -> String {
    match number.split_once('e') {
        Some((digits, exponent)) => format!("{}e{exponent}", trimmed(digits)),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_share_a_unit_and_are_short() {
        for (first, step, expected) in [
            (0.0, 50.0, "0 50 100"),
            (0.0, 500.0, "0 500 1000"),
            (1010.0, 2.0, "1010 1012 1014"),
            (0.0, 5e7, "0 50M 100M"),
            (-5e6, 5e6, "-5M 0 5M"),
            (0.0, 1e12, "0 1T 2T"),
            (0.0, 0.1, "0 0.1 0.2"),
            (0.0, 0.005, "0 0.005 0.010"),
            (0.0, 2e-4, "0 200µ 400µ"),
            (0.0, 5e-6, "0 5µ 10µ"),
            (0.0, 5e-8, "0 5e-8 1e-7"),
            (0.0, 5e14, "0 5e14 1e15"),
            (-5e307, 5e307, "-5e307 0 5e307"),
        ] {
            let values = [first, first + step, first + 2.0 * step];
            let (labels, offset) = labels(&values, step);
            assert_eq!((labels.join(" ").as_str(), offset), (expected, None));
        }
    }

    #[test]
    fn labels_that_would_be_long_are_differences_from_the_first() {
        let (labels, offset) = labels(&[1e9, 1e9 + 5.0, 1e9 + 10.0], 5.0);
        assert_eq!(labels, ["+0", "+5", "+10"]);
        assert_eq!(offset.as_deref(), Some("1000000000"));
    }

    #[test]
    fn single_numbers_take_the_unit_that_makes_them_short() {
        for (value, expected) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (0.01, "0.01"),
            (0.001, "1m"),
            (1e-6, "1µ"),
            (1e-7, "1e-7"),
            (200.0, "200"),
            (1e3, "1k"),
            (-5e4, "-50k"),
            (1e6, "1M"),
            (1e14, "100T"),
            (1e15, "1e15"),
            (1e300, "1e300"),
        ] {
            assert_eq!(short(value), expected);
        }
    }
}

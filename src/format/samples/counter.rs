//! Counters that only grow, as SNMP and Prometheus have them, turned into what was counted in each step.

/// The steps of a counter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Counted {
    /// For each row what was counted since the row before, for a step of the usual length; NaN in the first row and where a
    /// reset or an unknown value makes it unknown.
    pub increases: Vec<f64>,
    /// Falls explained by a counter of 32 bits that began again at zero.
    pub wraps_32: usize,
    /// The same for 64 bits.
    pub wraps_64: usize,
    /// Falls that nothing explains but a restart of what counts.
    pub resets: usize,
}

/// Rows below which a column is never taken for a counter.
const MIN_ROWS: usize = 20;

/// Names of counters, by the conventions of Prometheus and SNMP.
const COUNTER_SUFFIXES: [&str; 7] = [
    "_total", "_count", "_sum", "_bucket", "Octets", "Pkts", "Packets",
];

/// Whether a column of `values` is a counter: it is named like one and falls in at most 2 % of its steps, or it is a column of whole
/// numbers that grows in at least nine of ten steps and falls in at most 1 %. NaN is skipped. Never true below 20 known values.
pub fn looks_like_counter(measure: &str, values: &[f64]) -> bool {
    let known: Vec<f64> = values
        .iter()
        .copied()
        .filter(|value| !value.is_nan())
        .collect();
    if known.len() < MIN_ROWS || known.iter().any(|value| *value < 0.0) {
        return false;
    }
    let steps = known.len() - 1;
    let falls = known.windows(2).filter(|pair| pair[1] < pair[0]).count();
    let rises = known.windows(2).filter(|pair| pair[1] > pair[0]).count();
    // A single reset in a short column is no reason against a counter.
    let falls_at_most = |share: usize| falls <= 1 || falls * 100 <= steps * share;
    if COUNTER_SUFFIXES
        .iter()
        .any(|suffix| measure.ends_with(suffix))
    {
        return falls_at_most(2) && rises > falls;
    }
    let are_whole = known.iter().all(|value| value.fract() == 0.0);
    are_whole && falls_at_most(1) && rises * 10 >= steps * 9
}

/// What a counter counted in each step, scaled to the median step where steps differ.
///
/// `timestamps_us` are ascending and as many as `values`. A fall is a wrap of 32 or 64 bits if the increase across it is at most twice
/// the largest increase elsewhere, else a reset, whose increase is unknown. NaN gives NaN, and the first value after it is compared with the
/// last known one. Of an empty column nothing, of a single row NaN.
pub fn differences(timestamps_us: &[i64], values: &[f64]) -> Counted {
    let mut counted = Counted::default();
    let mut steps_us: Vec<i64> = timestamps_us
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .filter(|step| *step > 0)
        .collect();
    steps_us.sort_unstable();
    let usual_us = steps_us.get(steps_us.len() / 2).copied().unwrap_or(1) as f64;
    let rows = || timestamps_us.iter().copied().zip(values.iter().copied());
    let rates = rows().scan(None, |last: &mut Option<(i64, f64)>, (time, value)| {
        let found = last.map_or(f64::NAN, |(before, old)| {
            let step = (time - before) as f64;
            if value < old || step <= 0.0 {
                f64::NAN
            } else {
                (value - old) / step * usual_us
            }
        });
        if !value.is_nan() {
            *last = Some((time, value));
        }
        Some(found)
    });
    let largest = rates.filter(|rate| !rate.is_nan()).fold(0.0, f64::max);
    let mut last: Option<(i64, f64)> = None;
    for (time, value) in rows() {
        let increase = match last {
            Some((before, old)) if !value.is_nan() && time > before => {
                let scale = usual_us / (time - before) as f64;
                let across = |bits: i32| (2_f64.powi(bits) - old + value) * scale;
                let is_wrap = |bits: i32| old < 2_f64.powi(bits) && across(bits) <= 2.0 * largest;
                if value >= old {
                    (value - old) * scale
                } else if is_wrap(32) {
                    counted.wraps_32 += 1;
                    across(32)
                } else if old >= 2_f64.powi(63) && is_wrap(64) {
                    counted.wraps_64 += 1;
                    across(64)
                } else {
                    counted.resets += 1;
                    f64::NAN
                }
            }
            _ => f64::NAN,
        };
        counted.increases.push(increase);
        if !value.is_nan() {
            last = Some((time, value));
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn times(rows: usize) -> Vec<i64> {
        (0..rows as i64).map(|row| row * 300_000_000).collect()
    }

    #[test]
    fn a_wrap_of_32_bits_is_what_was_counted_across_it() {
        let top = 4_294_967_296.0;
        let found = differences(&times(4), &[top - 250.0, top - 150.0, 50.0, 150.0]);
        assert!(found.increases[0].is_nan());
        assert_eq!(found.increases[1..], [100.0, 200.0, 100.0]);
        assert_eq!((found.wraps_32, found.wraps_64, found.resets), (1, 0, 0));
    }

    #[test]
    fn a_wrap_of_64_bits_is_recognised_to_the_precision_of_f64() {
        let top = 2_f64.powi(64);
        let found = differences(&times(4), &[top - 16384.0, top - 8192.0, 0.0, 8192.0]);
        assert_eq!(found.increases[1..], [8192.0, 8192.0, 8192.0]);
        assert_eq!((found.wraps_32, found.wraps_64, found.resets), (0, 1, 0));
    }

    #[test]
    fn a_restart_is_no_wrap_and_its_increase_is_unknown() {
        let found = differences(&times(5), &[3e9, 3e9 + 100.0, 3e9 + 200.0, 50.0, 150.0]);
        assert_eq!(found.resets, 1);
        assert!(found.increases[3].is_nan());
        assert_eq!(found.increases[4], 100.0);
    }

    #[test]
    fn a_missing_row_does_not_double_the_increase() {
        let found = differences(&[0, 10, 20, 40, 50], &[0.0, 5.0, 10.0, 20.0, 25.0]);
        assert_eq!(found.increases[1..], [5.0, 5.0, 5.0, 5.0]);
        let found = differences(&[0, 10, 20, 30], &[0.0, 5.0, f64::NAN, 15.0]);
        assert!(found.increases[2].is_nan());
        assert_eq!(found.increases[3], 5.0);
    }

    #[test]
    fn counters_are_known_by_name_or_by_steady_growth() {
        let growing: Vec<f64> = (0..30).map(|row| f64::from(row * 7)).collect();
        assert!(looks_like_counter("x_total", &growing));
        assert!(looks_like_counter("value", &growing));
        let noise: Vec<f64> = (0..30).map(|row| f64::from(row * 7919 % 100)).collect();
        assert!(!looks_like_counter("x_total", &noise));
        let fractions: Vec<f64> = growing.iter().map(|value| value + 0.5).collect();
        assert!(!looks_like_counter("value", &fractions));
        assert!(!looks_like_counter("x_total", &[5.0; 30]));
        assert!(!looks_like_counter("x_total", &growing[..10]));
    }

    proptest! {
        #[test]
        fn a_counter_gives_back_what_was_added(added in proptest::collection::vec(0_u32..1000, 1..50), start in 0_u32..u32::MAX) {
            // The counter has 32 bits and begins anywhere.
            let mut value = start;
            let mut values = vec![f64::from(value)];
            for more in &added {
                value = value.wrapping_add(*more);
                values.push(f64::from(value));
            }
            let found = differences(&times(values.len()), &values);
            prop_assert_eq!(found.increases.len(), values.len());
            let largest = f64::from(*added.iter().max().unwrap());
            for (increase, more) in found.increases[1..].iter().zip(&added) {
                prop_assert!(*increase == f64::from(*more) || (increase.is_nan() && found.resets > 0));
                prop_assert!(increase.is_nan() || *increase <= 2.0 * largest);
            }
        }

        #[test]
        fn any_values_have_as_many_differences(values in proptest::collection::vec(any::<f64>(), 0..30)) {
            prop_assert_eq!(differences(&times(values.len()), &values).increases.len(), values.len());
            let _ = looks_like_counter("a_total", &values);
        }
    }
}

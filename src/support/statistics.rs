//! Statistics of a few numbers in memory.

/// The median of `values`, of an even number the mean of the middle two; `None` of nothing. Reorders `values`;
/// linear time.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    let count = values.len();
    let upper = upper_median(values)?;
    if count % 2 == 1 {
        return Some(upper);
    }
    // The selection left everything below the middle in front of it.
    let lower = values[..count / 2].iter().copied().max_by(f64::total_cmp)?;
    // Halved first: the sum of two large values may be beyond the largest number.
    Some(lower / 2.0 + upper / 2.0)
}

/// The median of `values`, of an even number the upper of the middle two; `None` of nothing. Reorders `values`;
/// linear time.
pub(crate) fn upper_median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 9.0]), Some(3.0));
        assert_eq!(upper_median(&mut [4.0, 1.0, 2.0, 9.0]), Some(4.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [f64::MAX, f64::MAX]), Some(f64::MAX));
        assert_eq!(median(&mut []), None);
    }
}

//! Exact order statistics of a column (median, quartiles) without sorting or copying it.

use crate::series::Series;
use crate::support::error::Result;

/// Values that are sorted outright rather than counted once more.
const FEW: u64 = 1 << 16;
/// Bits of the key told apart in one pass.
const BITS: u32 = 16;

/// The value of rank `rank` (from 0, ascending) of `column`.
///
/// Radix selection on the bit pattern of the values: each pass over the rows counts the next
/// sixteen bits of those still in question. At most four passes, and memory for the counts alone.
///
/// # Errors
/// Those of [`Series::read`].
///
/// # Panics
/// Where there is no such rank.
pub fn value_of_rank(series: &Series, column: usize, rank: u64) -> Result<f64> {
    value_within(series, column, rank, &Within::all(series))
}

/// A range of values that is known to hold certain ranks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Within {
    /// The values are above this,
    pub(super) above: f64,
    /// and not above this.
    pub(super) up_to: f64,
    /// Rows below the range,
    pub(super) before: u64,
    /// and in it.
    pub(super) rows: u64,
}

impl Within {
    fn all(series: &Series) -> Self {
        Self {
            above: f64::NEG_INFINITY,
            up_to: f64::INFINITY,
            before: 0,
            rows: series.rows() as u64,
        }
    }

    #[inline]
    fn holds(&self, value: f64) -> bool {
        value > self.above && value <= self.up_to
    }
}

/// As [`value_of_rank`], for a rank that is known to lie in a range: the fewer rows are in it, the
/// fewer passes.
fn value_within(series: &Series, column: usize, rank: u64, within: &Within) -> Result<f64> {
    let mut rank = rank - within.before;
    let mut left = within.rows;
    assert!(
        rank < left,
        "a rank outside its range, or beyond the last row"
    );
    let mut prefix = 0u64;
    let mut known = 0u32;
    while left > FEW && known < u64::BITS {
        let counts = count_next_bits(series, column, within, prefix, known)?;
        let mut digit = 0;
        while rank >= counts[digit] {
            rank -= counts[digit];
            digit += 1;
        }
        left = counts[digit];
        prefix = (prefix << BITS) | digit as u64;
        known += BITS;
    }
    if known == u64::BITS {
        return Ok(value_of(prefix));
    }
    let keys = series.fold(Vec::new, |keys, _, chunk| {
        let values = chunk
            .values(column)
            .iter()
            .filter(|&&value| within.holds(value));
        let all = values.map(|&value| key_of(value));
        keys.extend(all.filter(|&key| starts_with(key, prefix, known)));
        Ok(())
    })?;
    let mut keys = keys.concat();
    let (_, key, _) = keys.select_nth_unstable(rank as usize);
    Ok(value_of(*key))
}

/// The median of `column`: the mean of the two middle values where their number is even.
///
/// # Errors
/// Those of [`Series::read`].
///
/// # Panics
/// Where there is no row.
pub fn median(series: &Series, column: usize) -> Result<f64> {
    median_within(series, column, |_| Within::all(series))
}

/// As [`median`], where it is known in which range a rank lies.
pub(super) fn median_within(
    series: &Series,
    column: usize,
    range_of: impl Fn(u64) -> Within,
) -> Result<f64> {
    let value_of_rank = |rank| value_within(series, column, rank, &range_of(rank));
    let rows = series.rows() as u64;
    let low = value_of_rank((rows - 1) / 2)?;
    if rows % 2 == 1 {
        return Ok(low);
    }
    // Halved first: the sum of two large values may be beyond the largest number.
    let high = value_of_rank(rows / 2)?;
    Ok(match low == high {
        true => low,
        false => low / 2.0 + high / 2.0,
    })
}

fn count_next_bits(
    series: &Series,
    column: usize,
    within: &Within,
    prefix: u64,
    known: u32,
) -> Result<Vec<u64>> {
    let shift = u64::BITS - known - BITS;
    let parts = series.fold(
        || vec![0u64; 1 << BITS],
        |counts, _, chunk| {
            for &value in chunk.values(column) {
                let key = key_of(value);
                if starts_with(key, prefix, known) && within.holds(value) {
                    counts[(key >> shift) as usize & ((1 << BITS) - 1)] += 1;
                }
            }
            Ok(())
        },
    )?;
    Ok(sum_of(parts, 1 << BITS))
}

/// The sum of counts made side by side.
pub(super) fn sum_of(parts: Vec<Vec<u64>>, length: usize) -> Vec<u64> {
    let mut parts = parts.into_iter();
    let mut sum = parts.next().unwrap_or_else(|| vec![0; length]);
    for part in parts {
        sum.iter_mut()
            .zip(part)
            .for_each(|(sum, count)| *sum += count);
    }
    sum
}

#[inline]
fn starts_with(key: u64, prefix: u64, known: u32) -> bool {
    known == 0 || key >> (u64::BITS - known) == prefix
}

/// A whole number that sorts as `value` does.
#[inline]
fn key_of(value: f64) -> u64 {
    let bits = value.to_bits();
    let turn = ((bits as i64) >> 63) as u64 | (1 << 63);
    bits ^ turn
}

fn value_of(key: u64) -> f64 {
    let turn = if key >> 63 == 1 { 1 << 63 } else { u64::MAX };
    f64::from_bits(key ^ turn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn series(values: &[f64]) -> Series {
        let times: Vec<i64> = (0..values.len() as i64).collect();
        Series::from_columns(vec!["value".into()], &times, &[values])
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(median(&series(&[4.0, 1.0, 3.0, 2.0]), 0).unwrap(), 2.5);
        assert_eq!(median(&series(&[7.0]), 0).unwrap(), 7.0);
        assert_eq!(median(&series(&[1.7e308, 1.5e308]), 0).unwrap(), 1.6e308);
    }

    #[test]
    fn a_million_equal_values_need_no_sort() {
        let mut values = vec![5.0; 200_000];
        values[0] = -3.0;
        assert_eq!(median(&series(&values), 0).unwrap(), 5.0);
        assert_eq!(value_of_rank(&series(&values), 0, 0).unwrap(), -3.0);
    }

    proptest! {
        #[test]
        fn ranks_are_those_of_the_sorted_values(
            seeds in prop::collection::vec(-1e300f64..1e300, 1..50),
            copies in 1usize..4000,
            pick in 0.0f64..1.0,
        ) {
            let values: Vec<f64> = seeds.iter().cycle().take(seeds.len() * copies.min(70_000 / seeds.len() + 1)).copied().collect();
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let rank = ((values.len() - 1) as f64 * pick) as usize;
            prop_assert_eq!(value_of_rank(&series(&values), 0, rank as u64).unwrap(), sorted[rank]);
        }
    }
}

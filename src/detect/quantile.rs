//! Exact order statistics (median, quartiles, ranks of scores) without sorting or copying the rows.

use crate::series::{Chunk, Series};
use crate::support::error::Result;

/// Numbers that are sorted outright rather than counted once more.
const FEW: u64 = 1 << 16;
/// Bits of the key told apart in one pass.
const BITS: u32 = 16;

/// Some of the numbers that the rows of a series have.
pub(super) trait Numbers: Sync {
    /// Gives every number of `chunk`, in any order.
    fn each(&self, chunk: &Chunk, give: impl FnMut(f64));
}

/// The number of rank `rank` (from 0, ascending) of `numbers`, which are `count`.
///
/// Radix selection on the bit pattern: each pass over the rows counts the next sixteen bits of the
/// numbers still in question. At most five passes, one where there are few, and memory for the counts
/// alone.
///
/// # Errors
/// Those of [`Series::read`].
///
/// # Panics
/// Where there is no such rank.
pub(super) fn number_of_rank(
    series: &Series,
    numbers: &impl Numbers,
    mut rank: u64,
    count: u64,
) -> Result<f64> {
    assert!(rank < count, "a rank beyond the last number");
    let mut left = count;
    let mut prefix = 0u64;
    let mut known = 0u32;
    while left > FEW && known < u64::BITS {
        let counts = count_next_bits(series, numbers, prefix, known)?;
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
    let mut keys = collect(series, numbers, prefix, known)?;
    let (_, key, _) = keys.select_nth_unstable(rank as usize);
    Ok(value_of(*key))
}

/// The numbers of two ranks, as [`number_of_rank`]: in one pass where there are few.
pub(super) fn numbers_of_ranks(
    series: &Series,
    numbers: &impl Numbers,
    ranks: [u64; 2],
    count: u64,
) -> Result<[f64; 2]> {
    if count > FEW {
        let [first, second] = ranks.map(|rank| number_of_rank(series, numbers, rank, count));
        return Ok([first?, second?]);
    }
    let mut keys = collect(series, numbers, 0, 0)?;
    Ok(ranks.map(|rank| value_of(*keys.select_nth_unstable(rank as usize).1)))
}

/// The keys that start with the `known` bits of `prefix`.
fn collect(series: &Series, numbers: &impl Numbers, prefix: u64, known: u32) -> Result<Vec<u64>> {
    let keys = series.fold(Vec::new, |keys, _, chunk| {
        numbers.each(chunk, |number| {
            let key = key_of(number);
            if starts_with(key, prefix, known) {
                keys.push(key);
            }
        });
        Ok(())
    })?;
    Ok(keys.concat())
}

fn count_next_bits(
    series: &Series,
    numbers: &impl Numbers,
    prefix: u64,
    known: u32,
) -> Result<Vec<u64>> {
    let shift = u64::BITS - known - BITS;
    let parts = series.fold(
        || vec![0u64; 1 << BITS],
        |counts, _, chunk| {
            numbers.each(chunk, |number| {
                let key = key_of(number);
                if starts_with(key, prefix, known) {
                    counts[(key >> shift) as usize & ((1 << BITS) - 1)] += 1;
                }
            });
            Ok(())
        },
    )?;
    Ok(sum_of(parts, 1 << BITS))
}

/// The values of a column in a range that is known to hold certain ranks: the fewer rows are in it, the
/// fewer passes.
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
}

struct ColumnValues {
    column: usize,
    within: Within,
}

impl Numbers for ColumnValues {
    fn each(&self, chunk: &Chunk, mut give: impl FnMut(f64)) {
        for &value in chunk.values(self.column) {
            if value > self.within.above && value <= self.within.up_to {
                give(value);
            }
        }
    }
}

/// The value of rank `rank` (from 0, ascending) of `column`, which lies in `within`.
fn value_within(series: &Series, column: usize, rank: u64, within: Within) -> Result<f64> {
    let values = ColumnValues { column, within };
    number_of_rank(series, &values, rank - within.before, within.rows)
}

/// The value of rank `rank` (from 0, ascending) of `column`.
///
/// # Errors
/// Those of [`Series::read`].
///
/// # Panics
/// Where there is no such rank.
pub(super) fn value_of_rank(series: &Series, column: usize, rank: u64) -> Result<f64> {
    value_within(series, column, rank, Within::all(series))
}

/// The median of `column`: the mean of the two middle values where their number is even.
///
/// # Errors
/// Those of [`Series::read`].
///
/// # Panics
/// Where there is no row.
pub(super) fn median(series: &Series, column: usize) -> Result<f64> {
    median_within(series, column, |_| Within::all(series))
}

/// As [`median`], where it is known in which range a rank lies.
pub(super) fn median_within(
    series: &Series,
    column: usize,
    range_of: impl Fn(u64) -> Within,
) -> Result<f64> {
    let value_of_rank = |rank| value_within(series, column, rank, range_of(rank));
    let rows = series.rows() as u64;
    let low = value_of_rank((rows - 1) / 2)?;
    if rows % 2 == 1 {
        return Ok(low);
    }
    // Halved first: the sum of two large values may be beyond the largest number.
    let high = value_of_rank(rows / 2)?;
    Ok(if low == high {
        low
    } else {
        low / 2.0 + high / 2.0
    })
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

//! How often a row comes: the usual step between timestamps, and the gaps that are out of the usual.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::series::{Chunk, Series};
use crate::support::error::Result;

/// The steps between neighbouring timestamps of a series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SamplingInterval {
    /// The median step in microseconds; 0 where most timestamps coincide, and with fewer than two rows.
    pub step_us: i64,
    /// Share of the steps that are within a tenth of the median.
    pub regular: f64,
    /// Gaps so long, and so seldom, that traffic must have ceased: in time order.
    pub gaps: Vec<Gap>,
}

/// A stretch of time without a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Time of the last row before it, in microseconds UTC.
    pub after_us: i64,
    /// Time of the first row behind it.
    pub before_us: i64,
}

impl Gap {
    fn length_us(&self) -> i64 {
        self.before_us.saturating_sub(self.after_us)
    }
}

/// A gap is this many steps long at least: a few lost samples are no silence.
const MIN_GAP_STEPS: i64 = 10;
/// No more than one row in this many may be followed by a gap at least half as long: nights without
/// rows, or logs that are written when something happens, are usual.
const ROWS_PER_GAP: u64 = 2_000;
/// So many such gaps are seldom in any series.
const FEW_GAPS: u64 = 3;
/// The longest gaps that are remembered.
const MAX_GAPS: usize = 1_024;

impl SamplingInterval {
    /// Measures the steps of `series` in one pass, in constant memory. The same at any number of
    /// threads.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub fn of(series: &Series) -> Result<Self> {
        let parts = series.fold(Steps::default, |steps, _, chunk| {
            steps.add(chunk);
            Ok(())
        })?;
        let mut all = Steps::default();
        for part in parts {
            all.append(part);
        }
        Ok(all.finish(series.rows() as u64))
    }
}

/// Steps counted by size, with the longest remembered.
#[derive(Default)]
struct Steps {
    first_us: Option<i64>,
    last_us: i64,
    counts: Vec<Bucket>,
    longest: BinaryHeap<Reverse<(i64, i64)>>,
}

/// Steps of nearly one size.
#[derive(Clone, Copy)]
struct Bucket {
    count: u64,
    least: i64,
    greatest: i64,
}

const EMPTY: Bucket = Bucket {
    count: 0,
    least: i64::MAX,
    greatest: i64::MIN,
};

/// Buckets for each doubling of the step.
const PER_DOUBLING: u32 = 32;

/// The bucket of a step: exact below 32 microseconds, then 32 to each doubling.
fn bucket_of(step: i64) -> usize {
    let step = step.max(0) as u64;
    let bits = u64::BITS - step.leading_zeros();
    let low = PER_DOUBLING.trailing_zeros();
    match bits.checked_sub(low + 1) {
        None | Some(0) => step as usize,
        Some(shift) => ((shift * PER_DOUBLING) as u64 + (step >> shift)) as usize,
    }
}

impl Steps {
    fn add(&mut self, chunk: &Chunk) {
        let rows = chunk.rows();
        if rows == 0 {
            return;
        }
        let first = chunk.timestamp_us(0);
        match self.first_us {
            Some(_) => self.count(self.last_us, first, 1),
            None => self.first_us = Some(first),
        }
        match chunk.even_step_us() {
            Some(step) => {
                if rows > 1 {
                    self.count(first, first + step, rows as u64 - 1);
                }
            }
            None => {
                let mut before = first;
                for row in 1..rows {
                    let time = chunk.timestamp_us(row);
                    self.count(before, time, 1);
                    before = time;
                }
            }
        }
        self.last_us = chunk.timestamp_us(rows - 1);
    }

    /// Counts `times` steps, of which the first leads from `from` to `to`.
    #[inline]
    fn count(&mut self, from: i64, to: i64, times: u64) {
        let step = to.saturating_sub(from);
        let bucket = bucket_of(step);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, EMPTY);
        }
        let counts = &mut self.counts[bucket];
        counts.count += times;
        counts.least = counts.least.min(step);
        counts.greatest = counts.greatest.max(step);
        self.remember(step, from);
    }

    #[inline]
    fn remember(&mut self, step: i64, from: i64) {
        // Of equal gaps the earliest are kept: the order in which they come must not matter.
        let entry = (step, from.saturating_neg());
        if self.longest.len() < MAX_GAPS {
            self.longest.push(Reverse(entry));
        } else if self.longest.peek().is_some_and(|least| entry > least.0) {
            self.longest.pop();
            self.longest.push(Reverse(entry));
        }
    }

    /// Adds the steps of later rows.
    fn append(&mut self, later: Self) {
        let Some(first) = later.first_us else {
            return;
        };
        match self.first_us {
            Some(_) => self.count(self.last_us, first, 1),
            None => self.first_us = Some(first),
        }
        self.last_us = later.last_us;
        if later.counts.len() > self.counts.len() {
            self.counts.resize(later.counts.len(), EMPTY);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&later.counts) {
            mine.count += theirs.count;
            mine.least = mine.least.min(theirs.least);
            mine.greatest = mine.greatest.max(theirs.greatest);
        }
        for Reverse((step, from)) in later.longest {
            self.remember(step, from.saturating_neg());
        }
    }

    fn finish(self, rows: u64) -> SamplingInterval {
        let steps: u64 = self.counts.iter().map(|bucket| bucket.count).sum();
        let mut before = 0;
        let median = self.counts.iter().find(|bucket| {
            before += bucket.count;
            bucket.count > 0 && before > steps / 2
        });
        let Some(median) = median else {
            return SamplingInterval::default();
        };
        let step_us = median.least + (median.greatest - median.least) / 2;
        let near = |bucket: &&Bucket| {
            bucket.count > 0
                && bucket.least >= step_us - step_us / 10
                && bucket.greatest <= step_us + step_us / 10
        };
        let regular: u64 = self.counts.iter().filter(near).map(|b| b.count).sum();
        let at_least = |length: i64| -> u64 {
            let counts = self.counts.iter().skip(bucket_of(length));
            counts.map(|bucket| bucket.count).sum()
        };
        let usual = FEW_GAPS.max(rows / ROWS_PER_GAP);
        let mut gaps: Vec<Gap> = self
            .longest
            .into_iter()
            .map(|Reverse((length, from))| Gap {
                after_us: from.saturating_neg(),
                before_us: from.saturating_neg().saturating_add(length),
            })
            .filter(|gap| {
                step_us > 0
                    && gap.length_us() > step_us.saturating_mul(MIN_GAP_STEPS)
                    && at_least(gap.length_us() / 2) <= usual
            })
            .collect();
        gaps.sort_unstable();
        SamplingInterval {
            step_us,
            regular: regular as f64 / steps as f64,
            gaps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: i64 = 60_000_000;

    fn interval(times: &[i64]) -> SamplingInterval {
        let values = vec![1.0; times.len()];
        SamplingInterval::of(&Series::from_columns(vec!["v".into()], times, &[&values])).unwrap()
    }

    #[test]
    fn an_even_series_has_its_step_and_no_gap() {
        let times: Vec<i64> = (0..1000).map(|row| row * 5 * MINUTE).collect();
        let wanted = SamplingInterval {
            step_us: 5 * MINUTE,
            regular: 1.0,
            gaps: vec![],
        };
        assert_eq!(interval(&times), wanted);
    }

    #[test]
    fn a_service_that_falls_silent_leaves_a_gap() {
        let times: Vec<i64> = (0..1000)
            .map(|row| (row + if row < 600 { 0 } else { 90 }) * MINUTE)
            .collect();
        let gap = Gap {
            after_us: 599 * MINUTE,
            before_us: 690 * MINUTE,
        };
        assert_eq!(interval(&times).gaps, [gap]);
    }

    #[test]
    fn nights_without_rows_are_usual() {
        let times: Vec<i64> = (0..100)
            .flat_map(|day| (0..96).map(move |row| day * 1440 * MINUTE + row * 5 * MINUTE))
            .collect();
        assert_eq!(interval(&times).gaps, []);
    }

    #[test]
    fn rows_that_come_by_chance_have_no_gaps() {
        let mut time = 0;
        let mut state = 1u64;
        let times: Vec<i64> = (0..50_000)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let unit = ((state >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
                time += (-unit.ln() * 1e6) as i64;
                time
            })
            .collect();
        assert_eq!(interval(&times).gaps, []);
    }

    #[test]
    fn timestamps_that_coincide_have_no_step() {
        assert_eq!(interval(&[7; 50]).step_us, 0);
        assert_eq!(interval(&[7]), SamplingInterval::default());
    }

    proptest! {
        #[test]
        fn the_step_is_the_median_to_a_thirty_second(
            steps in prop::collection::vec(0i64..1_000_000_000_000, 1..200)
        ) {
            let mut times = vec![0];
            for step in &steps {
                times.push(times[times.len() - 1] + step);
            }
            let mut sorted = steps.clone();
            sorted.sort_unstable();
            let wanted = sorted[steps.len() / 2] as f64;
            let found = interval(&times).step_us as f64;
            prop_assert!((found - wanted).abs() <= wanted / 32.0, "{found} {wanted}");
        }

        #[test]
        fn buckets_ascend_with_the_step(step in 0i64..i64::MAX / 2, more in 0i64..1_000_000) {
            prop_assert!(bucket_of(step) <= bucket_of(step + more));
            prop_assert!(bucket_of(i64::MAX) < 2048 + 32);
        }
    }
}

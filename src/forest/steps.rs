//! A step function of a value: splits in ascending order, and a level for each interval between
//! them: the score, say.
//!
//! In: the steps, once, then values. Out: the interval of each value and its level, in about the
//! time of two reads from memory. The answer is that of a binary search among the splits; only the
//! way there is shorter.
//!
//! The bits of a number, read as a whole number, grow with the number, and grow by a fixed amount
//! whenever it doubles. Equal steps of these *keys* suit both narrow clusters and spikes a
//! thousand times as high, so a first table splits the keys from the first split to the last into
//! equal buckets. The range from a bucket's own first split to its last is split again, now evenly
//! by value, into about as many slots as it has splits; a second table says how many splits lie before
//! each slot. What is left is to count the splits of one slot that are below the value: almost always
//! [`NEAR`] comparisons, done without a branch. Slots with more (splits crowded into one spot of
//! their bucket) are marked and searched by halving.
//!
//! A larger value never gets an earlier slot, since each step of the arithmetic keeps the order
//! even after rounding. Therefore splits in earlier slots are below the value, and splits in later
//! slots are not, and it does not matter where exactly a slot begins.

/// Buckets of the first table, a power of two. 1,024 of 32 bytes fit the fastest cache.
const BUCKETS: usize = 1 << 10;

/// Slots for each split of a bucket.
const SLOTS_PER_SPLIT: f64 = 1.5;

/// Splits that are compared with a value in any case.
const NEAR: usize = 3;

/// Values looked up side by side: their slots first, then the steps there, so that the processor
/// reads ahead for many values at a time.
const BLOCK: usize = 32;

/// Values whose intervals are looked up before they are counted: they stay in the fastest cache.
const COUNTED: usize = 256;

/// A step function with a coarse index over its splits.
#[derive(Debug, Clone)]
pub(super) struct Steps<S> {
    /// The steps in ascending order; the last interval has infinity for its split, as have [`NEAR`]
    /// more behind it.
    steps: Vec<Step<S>>,
    /// The first and the last split. Other values are looked up as if they were the nearer of these,
    /// NaN as if it were the first.
    lowest: f64,
    highest: f64,
    shift: u32,
    buckets: Box<[Bucket; BUCKETS]>,
    /// For each slot, the number of splits in earlier slots, and in the top bit whether it is crowded.
    slots: Vec<u32>,
}

/// The interval up to and including `split`, side by side with its level since both are needed together.
#[derive(Debug, Clone, Copy)]
struct Step<S> {
    split: f64,
    level: S,
}

/// The values of one bucket, from its first split to its last.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    first: f64,
    last: f64,
    /// Slots for each unit of the value.
    density: f64,
    /// The number of its first slot, plus [`WHOLE`].
    slot: f64,
}

/// 2^52: a number is rounded to a whole one by adding this, and the whole number can then be read
/// from its lowest bits. That is one instruction where a conversion takes several.
const WHOLE: f64 = (1_u64 << 52) as f64;

/// Marks a slot with more than [`NEAR`] splits.
const CROWDED: u32 = 1 << 31;

impl<S: Copy> Steps<S> {
    /// The function that is `levels[i]` above `splits[i - 1]` and up to `splits[i]`.
    ///
    /// The splits are ascending, finite and without -0; there is one level more than splits.
    pub(super) fn new(splits: &[f64], levels: &[S]) -> Self {
        assert!(
            splits.len() < CROWDED as usize / 4,
            "more splits than 8 GiB hold"
        );
        let lowest = splits.first().copied().unwrap_or(f64::INFINITY);
        let highest = splits.last().copied().unwrap_or(f64::INFINITY);
        let ends = splits.iter().copied().chain([f64::INFINITY]);
        let steps = ends
            .zip(levels)
            .map(|(split, &level)| Step { split, level });
        let behind = Step {
            split: f64::INFINITY,
            level: levels[splits.len()],
        };
        let bits = u64::BITS - distance::<true>(lowest, highest).leading_zeros();
        let mut table = Self {
            steps: steps.chain([behind; NEAR]).collect(),
            lowest,
            highest,
            shift: bits.saturating_sub(BUCKETS.trailing_zeros()),
            buckets: Box::new([Bucket::EMPTY; BUCKETS]),
            slots: Vec::with_capacity((splits.len() as f64 * (SLOTS_PER_SPLIT + 1.0)) as usize + 2),
        };
        let mut from = 0;
        while from < splits.len() {
            let number = table.bucket_of::<true>(splits[from]);
            let in_bucket = |split: &&f64| table.bucket_of::<true>(**split) == number;
            let to = from + splits[from..].iter().take_while(in_bucket).count();
            table.buckets[number] = Bucket::new(&splits[from..to], from, &mut table.slots);
            from = to;
        }
        // Buckets without a split lead to the first slot behind them.
        let mut behind = table.slots.len() as u32;
        table.slots.extend([splits.len() as u32; 2]);
        for bucket in table.buckets.iter_mut().rev() {
            if bucket.slot == 0.0 {
                *bucket = Bucket::at(behind);
            } else {
                behind = bucket.first_slot();
            }
        }
        table
    }

    /// Number of intervals.
    pub(super) fn len(&self) -> usize {
        self.steps.len() - NEAR
    }

    /// The highest value of interval `interval`: infinity for the last one.
    pub(super) fn end(&self, interval: usize) -> f64 {
        self.steps[..self.len()][interval].split
    }

    /// The level of interval `interval`.
    pub(super) fn level(&self, interval: usize) -> S {
        self.steps[..self.len()][interval].level
    }

    /// The interval of `value`: the number of splits below it, 0 for a NaN.
    pub(super) fn interval_of(&self, value: f64) -> usize {
        let slot = self.slot::<true>(value);
        self.step_in::<false>(slot, self.slots[slot as usize], value)
            .0
    }

    /// The level just above `value`, which differs from that at `value` if there is a split at it.
    ///
    /// `value` lies from the first to the last split and is not -0.
    #[inline(always)]
    pub(super) fn level_above(&self, value: f64) -> S {
        let slot = self.buckets[self.bucket_of::<true>(value)].slot(value);
        self.step_in::<true>(slot, self.slots[slot as usize], value)
            .1
    }

    /// Calls `found` with the interval and the level of each value, and with its partner in `partners`.
    #[inline(always)]
    pub(super) fn each<T>(
        &self,
        values: &[f64],
        partners: &mut [T],
        found: impl FnMut(&mut T, usize, S),
    ) {
        if self.lowest < 0.0 {
            self.each_key::<T, true>(values, partners, found);
        } else {
            self.each_key::<T, false>(values, partners, found);
        }
    }

    /// Adds to `counts` how many of `values` lie in each interval.
    pub(super) fn count(&self, values: &[f64], counts: &mut [u64]) {
        let mut intervals = [0; COUNTED];
        for values in values.chunks(COUNTED) {
            let intervals = &mut intervals[..values.len()];
            self.each(values, intervals, |place, interval, _| *place = interval);
            for &mut interval in intervals {
                counts[interval] += 1;
            }
        }
    }

    #[inline(always)]
    fn each_key<T, const SIGNED: bool>(
        &self,
        values: &[f64],
        partners: &mut [T],
        mut found: impl FnMut(&mut T, usize, S),
    ) {
        let (blocks, rest) = values.as_chunks::<BLOCK>();
        let (partner_blocks, partners) = partners.as_chunks_mut::<BLOCK>();
        for (values, partners) in blocks.iter().zip(partner_blocks) {
            let slots = values.map(|value| self.slot::<SIGNED>(value));
            let before = slots.map(|slot| self.slots[slot as usize]);
            for (((partner, &value), slot), before) in
                partners.iter_mut().zip(values).zip(slots).zip(before)
            {
                let (interval, level) = self.step_in::<false>(slot, before, value);
                found(partner, interval, level);
            }
        }
        for (partner, &value) in partners.iter_mut().zip(rest) {
            let slot = self.slot::<SIGNED>(value);
            let (interval, level) = self.step_in::<false>(slot, self.slots[slot as usize], value);
            found(partner, interval, level);
        }
    }

    /// The bucket of a value from the first to the last split. Keys need not be `SIGNED` if no split
    /// is negative.
    #[inline(always)]
    fn bucket_of<const SIGNED: bool>(&self, value: f64) -> usize {
        // The remainder changes nothing but lets the compiler see that the index is in range.
        (distance::<SIGNED>(self.lowest, value) >> self.shift) as usize % BUCKETS
    }

    /// The slot that `value` belongs to.
    #[inline(always)]
    fn slot<const SIGNED: bool>(&self, value: f64) -> u32 {
        let value = within(value, self.lowest, self.highest);
        self.buckets[self.bucket_of::<SIGNED>(value)].slot(value)
    }

    /// The interval and the level of `value`, which belongs to slot `slot` with the entry `before`. A
    /// split at the value itself counts as below it if `ABOVE`.
    #[inline(always)]
    fn step_in<const ABOVE: bool>(&self, slot: u32, before: u32, value: f64) -> (usize, S) {
        if before & CROWDED != 0 {
            return self.search::<ABOVE>(slot, value);
        }
        let from = before as usize;
        let near = &self.steps[from..from + NEAR + 1];
        let below = near[..NEAR]
            .iter()
            .map(|step| usize::from(is_below::<ABOVE>(step.split, value)))
            .sum::<usize>();
        (from + below, near[below].level)
    }

    /// The interval and the level of `value`, which belongs to the crowded slot `slot`.
    #[cold]
    #[inline(never)]
    fn search<const ABOVE: bool>(&self, slot: u32, value: f64) -> (usize, S) {
        let from = (self.slots[slot as usize] & !CROWDED) as usize;
        let to = (self.slots[slot as usize + 1] & !CROWDED) as usize;
        let place = from
            + self.steps[from..to].partition_point(|step| is_below::<ABOVE>(step.split, value));
        (place, self.steps[place].level)
    }
}

impl Bucket {
    const EMPTY: Self = Self {
        first: 0.0,
        last: 0.0,
        density: 0.0,
        slot: 0.0,
    };

    /// A bucket without splits: all its values belong to slot `slot`.
    fn at(slot: u32) -> Self {
        Self {
            slot: WHOLE + f64::from(slot),
            ..Self::EMPTY
        }
    }

    /// The bucket of `splits`, with `before` splits in the buckets before it; appends its slots.
    fn new(splits: &[f64], before: usize, slots: &mut Vec<u32>) -> Self {
        let mut bucket = Self::at(slots.len() as u32);
        let &[first, .., last] = splits else {
            slots.push(before as u32);
            return bucket;
        };
        bucket.first = first;
        let density = (splits.len() as f64 * SLOTS_PER_SPLIT) / (last - first);
        // If the width is too large or too small for this, the bucket stays one crowded slot.
        if density.is_finite() && density > 0.0 {
            bucket.last = last;
            bucket.density = density;
        } else {
            bucket.last = first;
        }
        let mut from = 0;
        for number in bucket.first_slot()..=bucket.slot(last) {
            let count = splits[from..]
                .iter()
                .take_while(|&&split| bucket.slot(split) == number)
                .count();
            let crowded = if count > NEAR { CROWDED } else { 0 };
            slots.push((before + from) as u32 | crowded);
            from += count;
        }
        bucket
    }

    fn first_slot(&self) -> u32 {
        self.slot.to_bits() as u32
    }

    /// The slot that `value` belongs to, which is of this bucket.
    #[inline(always)]
    fn slot(&self, value: f64) -> u32 {
        let value = within(value, self.first, self.last);
        ((value - self.first) * self.density + self.slot).to_bits() as u32
    }
}

/// The bits of `value` in the order of numbers.
#[inline(always)]
fn key<const SIGNED: bool>(value: f64) -> u64 {
    let bits = value.to_bits();
    if SIGNED {
        bits ^ ((bits as i64 >> 63) as u64 >> 1)
    } else {
        bits
    }
}

/// How many keys `to` is above `from`.
#[inline(always)]
fn distance<const SIGNED: bool>(from: f64, to: f64) -> u64 {
    key::<SIGNED>(to).wrapping_sub(key::<SIGNED>(from))
}

/// Whether `split` is below `value`, or just above `value`.
#[inline(always)]
fn is_below<const ABOVE: bool>(split: f64, value: f64) -> bool {
    if ABOVE { split <= value } else { split < value }
}

/// `value`, or the nearer of the bounds; `low` for a NaN.
///
/// Not `max` and `min`, which take more instructions to treat a NaN on either side alike.
#[inline(always)]
fn within(value: f64, low: f64, high: f64) -> f64 {
    let value = if value > low { value } else { low };
    if value < high { value } else { high }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn finds_what_halving_finds(mut splits: Vec<f64>, values: &[f64]) {
        splits.iter_mut().for_each(|split| *split += 0.0);
        splits.sort_by(f64::total_cmp);
        splits.dedup();
        let steps = Steps::new(&splits, &(0..=splits.len()).collect::<Vec<_>>());
        assert_eq!(steps.len(), splits.len() + 1);
        let near_splits = splits
            .iter()
            .flat_map(|split| [split.next_down(), *split, split.next_up()]);
        for value in values.iter().copied().chain(near_splits) {
            let expected = splits.partition_point(|&split| split < value);
            assert_eq!(steps.interval_of(value), expected, "{value}");
            if value.to_bits() != (-0.0_f64).to_bits()
                && splits.first().is_some_and(|&first| first <= value)
                && splits.last().is_some_and(|&last| value <= last)
            {
                let above = splits.partition_point(|&split| split <= value);
                assert_eq!(steps.level_above(value), above, "{value}");
            }
            let mut found = [(0, 0); BLOCK + 1];
            steps.each(&[value; BLOCK + 1], &mut found, |found, interval, level| {
                *found = (interval, level);
            });
            assert_eq!(found, [(expected, expected); BLOCK + 1]);
        }
    }

    proptest! {
        #[test]
        fn any_value_is_found_among_any_splits(
            wide in prop::collection::vec(any::<f64>().prop_filter("finite", |v| v.is_finite()), 0..60),
            narrow in prop::collection::vec(0_u64..400, 0..200),
            centre in any::<f64>().prop_filter("finite", |v| v.is_finite() && v.abs() < 1e300),
            values in prop::collection::vec(any::<f64>(), 0..60),
        ) {
            let crowd = narrow.iter().map(|&steps| f64::from_bits(centre.to_bits() + steps));
            finds_what_halving_finds(wide.iter().copied().chain(crowd).collect(), &values);
        }
    }

    #[test]
    fn special_values_are_found() {
        let special = [
            f64::NEG_INFINITY,
            f64::MIN,
            -1.0,
            -0.0,
            0.0,
            5e-324,
            1.0,
            f64::MAX,
            f64::INFINITY,
            f64::NAN,
            -f64::NAN,
        ];
        finds_what_halving_finds(vec![], &special);
        finds_what_halving_finds(vec![0.0], &special);
        finds_what_halving_finds(vec![f64::MIN, f64::MAX], &special);
        finds_what_halving_finds(vec![-5e-324, 0.0, 5e-324], &special);
        finds_what_halving_finds((0..5000).map(f64::from).collect(), &special);
    }

    #[test]
    fn few_slots_are_crowded_on_evenly_spread_splits() {
        let splits: Vec<f64> = (0..70_000).map(|i| f64::from(i).sqrt() - 100.0).collect();
        let steps = Steps::new(&splits, &[0.5; 70_001]);
        let crowded = steps.slots.iter().filter(|&slot| slot & CROWDED != 0);
        assert!(crowded.count() * 100 < steps.slots.len());
    }
}

//! Finds a value's place among sorted cuts, in about the time of two reads from memory.
//!
//! In: the cuts, once, then values. Out: how many cuts are below each value. The answer is that of
//! a binary search; only the way there is shorter.
//!
//! The bits of a number, read as a whole number, grow with the number, and grow by a fixed amount
//! whenever it doubles. Equal steps of these *keys* therefore suit both narrow clusters and
//! spikes a thousand times as high. A first table splits the keys from the first cut to the last
//! into equal buckets. Each bucket that holds cuts is split again, between its own first and last
//! cut, into about as many slots as it has cuts; a second table says how many cuts lie before each
//! slot. What is left is to count the cuts of one slot that are below the value: almost always
//! [`NEAR`] comparisons, done without a branch. Slots with more (cuts crowded into one spot of
//! their bucket) are marked and searched by halving.

/// Buckets of the first table, at most. 2,048 of 16 bytes stay in the fastest cache.
const BUCKETS: usize = 1 << 11;

/// Slots for each cut of a bucket: two leave most slots with one cut or none.
const SLOTS_PER_CUT: usize = 2;

/// Cuts that are compared with a value in any case.
const NEAR: usize = 2;

/// A coarse index over sorted cuts.
#[derive(Debug, Clone)]
pub(super) struct Guide {
    /// The cuts, and after them [`NEAR`] times infinity, which is below nothing.
    cuts: Vec<f64>,
    /// The first cut. Values below it, and NaN, are looked up as if they were equal to it.
    lowest: f64,
    first: i64,
    shift: u32,
    buckets: Vec<Bucket>,
    /// For each slot, the number of cuts in earlier slots, and in the top bit whether it is crowded.
    slots: Vec<u32>,
}

/// The keys of one bucket, from its first cut's to its last one's.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    start: i64,
    /// Where its slots begin.
    slot: u32,
    /// The number of its last slot, below [`MOST_SLOTS`], and in the lowest 6 bits the shift that leads
    /// from a key's distance to a slot.
    last_and_shift: u32,
}

/// The most slots of one bucket.
const MOST_SLOTS: usize = 1 << 26;

/// Marks a slot with more than [`NEAR`] cuts.
const CROWDED: u32 = 1 << 31;

/// The bits of `value` in the order of numbers.
#[inline(always)]
fn key(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

impl Guide {
    /// The index over `cuts`: ascending, finite, without -0.
    pub(super) fn new(mut cuts: Vec<f64>) -> Self {
        assert!(cuts.len() < CROWDED as usize, "more cuts than 16 GiB hold");
        let lowest = cuts.first().copied().unwrap_or(f64::INFINITY);
        let first = key(lowest);
        let last = key(cuts.last().copied().unwrap_or(f64::INFINITY));
        let wanted = cuts.len().next_power_of_two().min(BUCKETS);
        let shift = shift_for(distance(first, last), wanted);
        let mut buckets = Vec::with_capacity(wanted);
        let mut slots = Vec::with_capacity(cuts.len() * (SLOTS_PER_CUT + 1) + 2);
        let mut from = 0;
        for number in 0..=(distance(first, last) >> shift) {
            let in_bucket = |cut: f64| distance(first, key(cut)) >> shift == number;
            let to = from
                + cuts[from..]
                    .iter()
                    .take_while(|&&cut| in_bucket(cut))
                    .count();
            buckets.push(Bucket::new(&cuts[from..to], from, &mut slots));
            from = to;
        }
        slots.push(cuts.len() as u32);
        cuts.extend([f64::INFINITY; NEAR]);
        Self {
            cuts,
            lowest,
            first,
            shift,
            buckets,
            slots,
        }
    }

    /// The cuts, ascending.
    pub(super) fn cuts(&self) -> &[f64] {
        &self.cuts[..self.cuts.len() - NEAR]
    }

    /// How many cuts are below `value`; 0 for a NaN.
    #[inline(always)]
    pub(super) fn place(&self, value: f64) -> usize {
        // Not `max`, which takes more instructions to treat a NaN on either side alike.
        let value = if value > self.lowest {
            value
        } else {
            self.lowest
        };
        let key = key(value);
        let bucket = (distance(self.first, key) >> self.shift).min(self.buckets.len() as u64 - 1);
        let bucket = &self.buckets[bucket as usize];
        let slot = (distance(bucket.start, key.max(bucket.start)) >> (bucket.last_and_shift & 63))
            .min(u64::from(bucket.last_and_shift >> 6));
        let slot = bucket.slot as usize + slot as usize;
        let before = self.slots[slot];
        if before & CROWDED == 0 {
            let from = before as usize;
            let near = &self.cuts[from..from + NEAR];
            from + near
                .iter()
                .map(|&cut| usize::from(cut < value))
                .sum::<usize>()
        } else {
            self.search(value, slot)
        }
    }

    /// How many cuts are below `value`, which belongs to the crowded slot `slot`.
    #[cold]
    #[inline(never)]
    fn search(&self, value: f64, slot: usize) -> usize {
        let from = (self.slots[slot] & !CROWDED) as usize;
        let to = (self.slots[slot + 1] & !CROWDED) as usize;
        from + self.cuts[from..to].partition_point(|&cut| cut < value)
    }
}

impl Bucket {
    /// The bucket of `cuts`, with `before` cuts in the buckets before it; appends its slots.
    fn new(cuts: &[f64], before: usize, slots: &mut Vec<u32>) -> Self {
        let slot = slots.len() as u32;
        let (Some(&first), Some(&last)) = (cuts.first(), cuts.last()) else {
            slots.push(before as u32);
            return Self {
                start: i64::MAX,
                slot,
                last_and_shift: 0,
            };
        };
        let (first, last) = (key(first), key(last));
        let wanted = (cuts.len() * SLOTS_PER_CUT)
            .next_power_of_two()
            .min(MOST_SLOTS);
        let shift = shift_for(distance(first, last), wanted);
        let last = distance(first, last) >> shift;
        let mut from = 0;
        for number in 0..=last {
            let in_slot = |cut: f64| distance(first, key(cut)) >> shift == number;
            let count = cuts[from..].iter().take_while(|&&cut| in_slot(cut)).count();
            let crowded = if count > NEAR { CROWDED } else { 0 };
            slots.push((before + from) as u32 | crowded);
            from += count;
        }
        Self {
            start: first,
            slot,
            last_and_shift: (last as u32) << 6 | shift,
        }
    }
}

/// How far `to` is above `from`.
#[inline(always)]
fn distance(from: i64, to: i64) -> u64 {
    to.wrapping_sub(from) as u64
}

/// The shift that turns distances up to `largest` into numbers below `count`, a power of two.
fn shift_for(largest: u64, count: usize) -> u32 {
    (u64::BITS - largest.leading_zeros()).saturating_sub(count.trailing_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn finds_what_halving_finds(mut cuts: Vec<f64>, values: &[f64]) {
        cuts.iter_mut().for_each(|cut| *cut += 0.0);
        cuts.sort_by(f64::total_cmp);
        cuts.dedup();
        let guide = Guide::new(cuts.clone());
        assert_eq!(guide.cuts(), cuts);
        let near_cuts = cuts
            .iter()
            .flat_map(|cut| [cut.next_down(), *cut, cut.next_up()]);
        for value in values.iter().copied().chain(near_cuts) {
            let expected = cuts.partition_point(|&cut| cut < value);
            assert_eq!(guide.place(value), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_value_is_found_among_any_cuts(
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
    fn few_slots_are_crowded_on_evenly_spread_cuts() {
        let guide = Guide::new((0..70_000).map(|i| f64::from(i).sqrt() - 100.0).collect());
        let crowded = guide
            .slots
            .iter()
            .filter(|&slot| slot & CROWDED != 0)
            .count();
        assert!(crowded * 100 < guide.slots.len());
    }
}

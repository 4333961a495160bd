//! Random streams, each named by the master seed, a purpose and a number.
//!
//! A stream depends on nothing else: not on the thread that uses it nor on what was drawn before,
//! so trees can be grown in any order and come out the same.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// What a stream is for; streams of different purposes are independent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// The rows that a tree, or a group of trees, is grown on.
    Rows = 1,
    /// Where the nodes near the root split, for all trees together.
    Lattice = 2,
    /// Where the nodes further down split, tree by tree.
    Splits = 3,
    /// The windows that a series is compared with.
    References = 4,
    /// The rows that say what is ordinary.
    Calibration = 5,
    /// Which row of a stratum serves in which sample.
    Strata = 6,
}

/// A random stream: xoshiro256++, whose period no forest can exhaust.
#[derive(Debug, Clone)]
pub(crate) struct Stream(Xoshiro256PlusPlus);

impl Stream {
    /// The stream number `number` for `purpose` under the master seed.
    pub(crate) fn new(seed: u64, purpose: Purpose, number: u64) -> Self {
        Self::of_seed(key(seed, purpose, number))
    }

    /// The stream of a seed that is already specific to its purpose.
    pub(crate) fn of_seed(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// 64 random bits.
    #[inline]
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in [0, 1).
    #[inline]
    pub(crate) fn unit(&mut self) -> f64 {
        unit(self.bits())
    }

    /// A whole number below `end`, each equally likely. `end` is not 0.
    ///
    /// Source: Lemire, "Fast random integer generation in an interval", 2019.
    #[inline]
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let mut product = u128::from(self.bits()) * u128::from(end);
        if (product as u64) < end {
            let unfair = end.wrapping_neg() % end;
            while (product as u64) < unfair {
                product = u128::from(self.bits()) * u128::from(end);
            }
        }
        (product >> 64) as u64
    }
}

/// 64 bits that stand for `(seed, purpose, number)`.
pub(crate) fn key(seed: u64, purpose: Purpose, number: u64) -> u64 {
    scramble(scramble(seed ^ (purpose as u64) << 56).wrapping_add(number))
}

/// Spreads every bit of `state` over the whole word.
///
/// Source: the output function of SplitMix64; Steele, Lea, Flood, "Fast splittable pseudorandom
/// number generators", OOPSLA 2014.
#[inline]
pub(crate) fn scramble(state: u64) -> u64 {
    mix(state.wrapping_add(0x9e37_79b9_7f4a_7c15))
}

/// The finaliser of SplitMix64: every bit of the result depends on every bit of `bits`. 0 stays 0.
#[inline]
pub(crate) fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The number in [0, 1) that the upper 53 bits of `bits` stand for.
#[inline]
pub(crate) fn unit(bits: u64) -> f64 {
    // Through a signed integer, which every processor converts in one instruction.
    (bits >> 11) as i64 as f64 * (1.0 / (1_u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_purpose_and_number_and_repeat_otherwise() {
        let first = |seed, purpose, number| Stream::new(seed, purpose, number).bits();
        let one = first(42, Purpose::Rows, 7);
        assert_eq!(one, first(42, Purpose::Rows, 7));
        assert_ne!(one, first(43, Purpose::Rows, 7));
        assert_ne!(one, first(42, Purpose::Splits, 7));
        assert_ne!(one, first(42, Purpose::Rows, 8));
    }

    #[test]
    fn numbers_below_an_end_are_equally_frequent() {
        let mut stream = Stream::new(1, Purpose::Rows, 0);
        let mut counts = [0_u32; 6];
        for _ in 0..60_000 {
            counts[stream.below(6) as usize] += 1;
        }
        // Standard deviation 91: five of them on either side.
        assert!(
            counts.iter().all(|&c| c.abs_diff(10_000) < 460),
            "{counts:?}"
        );
    }

    #[test]
    fn units_stay_below_one() {
        assert_eq!(unit(0), 0.0);
        assert!(unit(u64::MAX) < 1.0);
    }
}

//! Reproducible chance: numbers that depend on a seed and a position alone, by plain arithmetic.
//!
//! Nothing here calls the platform's mathematical library, whose last bits differ between systems.
//! The ranges of `rand` are avoided for the same reason: their results may change with its version.

use crate::support::random::{self, mix, unit};

/// What a stream of chance is for; two uses never share numbers.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub(super) enum Use {
    File = 1,
    Day,
    Hour,
    Noise,
    Bursts,
    Heartbeat,
    Packets,
    Placing,
    Event,
    Hosts,
    Flows,
}

/// A seed for one use, and for the `index`-th thing within it.
pub(super) fn subseed(seed: u64, of: Use, index: u64) -> u64 {
    mix(mix(seed ^ mix(of as u64)).wrapping_add(index))
}

/// A number in [0, 1) for position `index` of the stream `seed`, in any order.
#[inline]
pub(super) fn unit_at(seed: u64, index: u64) -> f64 {
    unit(mix(
        seed.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    ))
}

/// A sequence of chance, for things that are drawn one after another.
#[derive(Debug, Clone)]
pub(super) struct Stream(random::Stream);

impl Stream {
    pub(super) fn new(seed: u64) -> Self {
        Self(random::Stream::of_seed(seed))
    }

    /// Uniform in [0, 1).
    #[inline]
    pub(super) fn unit(&mut self) -> f64 {
        unit(self.0.bits())
    }

    /// 64 bits of chance.
    #[inline]
    pub(super) fn bits(&mut self) -> u64 {
        self.0.bits()
    }

    /// Uniform in [`low`, `high`).
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `0..=last`; uneven by less than one part in 10^9 below 10^7, which nobody sees.
    pub(super) fn up_to(&mut self, last: u64) -> u64 {
        ((self.unit() * (last as f64 + 1.0)) as u64).min(last)
    }

    /// Bell-shaped, mean 0 and variance 1, at most 3.46 from 0: the sum of four uniform numbers
    /// of 16 bits, which one draw holds.
    #[inline]
    pub(super) fn bell(&mut self) -> f64 {
        const MEAN: f64 = 131_070.0;
        /// The root of 4 (2^32 - 1) / 12.
        const DEVIATION: f64 = 37_837.227_229_208_9;
        let bits = self.0.bits();
        let sum = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48);
        (sum as f64 - MEAN) * (1.0 / DEVIATION)
    }
}

/// `e^x` for `x` in [-20, 20] to about eight digits, exactly 1 for 0, the same bits on every machine.
#[inline]
pub(super) fn exp(x: f64) -> f64 {
    let power = x.clamp(-20.0, 20.0) * std::f64::consts::LOG2_E;
    let whole = (power + 0.5).floor();
    // e^r by its series, with r in [-ln 2 / 2, ln 2 / 2].
    let r = (power - whole) * std::f64::consts::LN_2;
    let series = 1.0
        + r * (1.0
            + r * (1.0 / 2.0
                + r * (1.0 / 6.0
                    + r * (1.0 / 24.0
                        + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0)))))));
    series * f64::from_bits(((whole as i64 + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_of_0_is_1() {
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn exp_agrees_with_the_library_to_eight_digits() {
        for step in -2_000..=2_000 {
            let x = f64::from(step) / 100.0;
            let ratio = exp(x) / x.exp();
            assert!((ratio - 1.0).abs() < 1e-8, "exp({x}) is off by {ratio}");
        }
    }

    #[test]
    fn the_bell_has_mean_0_and_variance_1() {
        let mut stream = Stream::new(5);
        let draws: Vec<f64> = (0..100_000).map(|_| stream.bell()).collect();
        let mean = draws.iter().sum::<f64>() / 1e5;
        let variance = draws.iter().map(|x| x * x).sum::<f64>() / 1e5;
        // Six standard errors: 1 / sqrt(n), and at most sqrt(2 / n).
        assert!(mean.abs() < 0.02, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.03, "variance {variance}");
    }

    #[test]
    fn uses_and_indexes_have_different_seeds() {
        let mut seeds: Vec<u64> = (0..100)
            .flat_map(|i| [subseed(1, Use::File, i), subseed(1, Use::Event, i)])
            .collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 200);
    }
}

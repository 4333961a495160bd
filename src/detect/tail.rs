//! A threshold without a rate to guess: extreme-value theory on the upper tail of the scores.
//!
//! Whatever the distribution of ordinary rows, what exceeds a high level follows a generalised Pareto
//! distribution (Pickands, Balkema, de Haan). Fitted to the peaks over such a level, it says how high the
//! highest ordinary row of a file may reach; what lies beyond is no ordinary row. This is the method of
//! Siffer, Fouque, Termier, Largouët, "Anomaly Detection in Streams with Extreme Value Theory" (KDD 2017),
//! with three changes. The highest peaks count as "at least so high" and no more (censored), since they
//! may be the very anomalies that are looked for. A heavy tail has to show itself against a prior for a
//! light one, as in hydrology (Martins, Stedinger 2000), or a hundred peaks would say anything. And the
//! risk is one for a whole file, so that an archive of calm files stays calm whatever their length.

/// Which part of the scores is taken for the tail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    /// Share of the rows whose peaks are fitted.
    pub(super) share: f64,
    /// Share of the peaks, the highest ones, that say no more than where they start.
    censored: f64,
    /// Standard deviation of the prior for the shape, a normal distribution about 0.
    prior: f64,
}

/// Rows that are judged one by one: an anomaly is a few of them.
pub(super) const ROWS: Tail = Tail {
    share: 0.05,
    censored: 0.3,
    prior: 0.2,
};

/// Rows that are judged by the windows that cover them: an anomaly raises the scores of many around it, and
/// what is surely ordinary lies lower.
pub(super) const WINDOWS: Tail = Tail {
    share: 0.3,
    censored: 0.8,
    prior: 0.1,
};

/// Rows on the low side that are judged one by one: a service that was silent for hours leaves many.
pub(super) const LOW_ROWS: Tail = Tail {
    share: 0.1,
    censored: 0.5,
    prior: 0.2,
};

/// Where rows tie, more of them are taken; but never more than half.
const MAX_TAIL: f64 = 0.5;
/// Fewer peaks than this, the censored ones apart, say nothing.
const MIN_PEAKS: usize = 8;
/// Peaks that are fitted; of more, every second, third and so on.
const MAX_PEAKS: usize = 1_024;
/// Ordinary rows that may be flagged in a whole file, on average.
pub const RISK: f64 = 0.01;
/// Most rows that a tail is fitted to; of more, so many are drawn.
pub const SAMPLE: usize = 1 << 16;

/// Fewest rows that a tail can be fitted to.
pub const MIN_ROWS: usize = (MIN_PEAKS as f64 / (ROWS.share * (1.0 - ROWS.censored))) as usize + 1;

/// The level that ordinary rows exceed [`RISK`] times in `rows` rows.
///
/// `sample` is drawn from these rows, in any order, NaN not among them; it comes back sorted. Infinity
/// where the sample is too small ([`MIN_ROWS`]): then nothing is known to be extreme. Where more than
/// half of the rows tie and hardly any lies above them, the level is theirs. Costs a sort of the sample.
pub(super) fn extreme_level(sample: &mut [f64], rows: u64, tail: Tail) -> f64 {
    if sample.len() < MIN_ROWS {
        return f64::INFINITY;
    }
    sample.sort_unstable_by(|a, b| b.total_cmp(a));
    let mut start = sample[(sample.len() as f64 * tail.share) as usize];
    let (peaks, censored) = loop {
        let peaks = sample.partition_point(|&score| score > start);
        let censored = (peaks as f64 * tail.censored) as usize;
        if peaks - censored >= MIN_PEAKS {
            break (peaks, censored);
        }
        let ties = sample[peaks..].partition_point(|&score| score == start);
        match sample.get(peaks + ties) {
            Some(&next) if (peaks + ties) as f64 <= sample.len() as f64 * MAX_TAIL => start = next,
            _ => return start,
        }
    };
    let end = sample[censored] - start;
    let every = (peaks - censored).div_ceil(MAX_PEAKS);
    let known: Vec<f64> = sample[censored..peaks]
        .iter()
        .step_by(every)
        .map(|&score| (score - start) / end)
        .collect();
    let fit = Pareto::fit(&known, censored as f64 / every as f64, tail.prior);
    let share = peaks as f64 / sample.len() as f64;
    start + end * fit.level(RISK / rows.max(1) as f64 / share)
}

/// A generalised Pareto distribution of peaks: `P(peak > x) = (1 + shape x / scale)^(-1 / shape)`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pareto {
    shape: f64,
    scale: f64,
}

/// Shapes that are tried: from an exponential tail to one without a mean. To believe in a lighter tail,
/// one that ends, would be rash.
const SHAPES: u32 = 11;

impl Pareto {
    /// The likeliest distribution, the prior considered, for `peaks` in [0, 1] and `beyond` more above 1.
    fn fit(peaks: &[f64], beyond: f64, prior: f64) -> Self {
        let known = peaks.len() as f64;
        let tried = (0..SHAPES).map(|step| {
            let shape = f64::from(step) / f64::from(SHAPES - 1);
            // Where the likelihood's derivative by the scale is 0; it falls with the logarithm of the scale.
            let (mut low, mut high) = (-30.0_f64, 30.0_f64);
            for _ in 0..48 {
                let middle = (low + high) / 2.0;
                let scale = middle.exp();
                let pull = |peak: f64| peak / (scale + shape * peak);
                let sum: f64 = peaks.iter().map(|&peak| pull(peak)).sum();
                if (1.0 + shape) * sum + beyond * pull(1.0) > known {
                    low = middle
                } else {
                    high = middle
                }
            }
            let scale = high.exp();
            let fit = Self { shape, scale };
            let likelihood = -known * high
                - peaks.iter().map(|&peak| fit.cost(peak)).sum::<f64>()
                - beyond * fit.exceedance_cost(1.0);
            (likelihood - (shape / prior).powi(2) / 2.0, fit)
        });
        let none = (
            f64::NEG_INFINITY,
            Self {
                shape: 0.0,
                scale: 1.0,
            },
        );
        tried
            .fold(none, |best, next| if next.0 > best.0 { next } else { best })
            .1
    }

    /// `-ln P(peak > x)`.
    fn exceedance_cost(&self, x: f64) -> f64 {
        match self.shape {
            0.0 => x / self.scale,
            shape => (shape * x / self.scale).ln_1p() / shape,
        }
    }

    /// `-ln` of the density at `x`, without the scale's part.
    fn cost(&self, x: f64) -> f64 {
        (1.0 + self.shape) * self.exceedance_cost(x)
    }

    /// The level that a share `risk` of the peaks exceeds.
    fn level(&self, risk: f64) -> f64 {
        let log = -risk.ln();
        if log <= 0.0 {
            return 0.0;
        }
        match self.shape {
            0.0 => self.scale * log,
            shape => self.scale / shape * (shape * log).exp_m1(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Evenly spread quantiles of a distribution, of which `inverse` gives that of the share above.
    fn quantiles(rows: usize, inverse: impl Fn(f64) -> f64) -> Vec<f64> {
        (0..rows)
            .map(|row| inverse((row as f64 + 0.5) / rows as f64))
            .collect()
    }

    #[test]
    fn an_exponential_tail_is_continued_as_one() {
        let mut sample = quantiles(20_000, |above| -above.ln());
        let level = extreme_level(&mut sample, 20_000, ROWS);
        let wanted = -(RISK / 20_000.0).ln();
        assert!((level / wanted - 1.0).abs() < 0.03, "{level} {wanted}");
    }

    #[test]
    fn a_heavy_tail_reaches_as_far_as_its_highest_rows() {
        let mut sample = quantiles(2_000, |above| above.powf(-0.4));
        let highest = sample[0];
        let exponential = extreme_level(&mut quantiles(2_000, |above| -above.ln()), 2_000, ROWS);
        let level = extreme_level(&mut sample, 2_000, ROWS);
        assert!(
            level > 0.9 * highest && level > 2.0 * exponential,
            "{level} {highest}"
        );
    }

    #[test]
    fn rows_that_tie_hide_neither_what_is_above_them_nor_make_it_extreme() {
        let mut counts: Vec<f64> = (0..5_000).map(|row| f64::from(row % 97 % 7 % 5)).collect();
        let level = extreme_level(&mut counts.clone(), 5_000, ROWS);
        assert!(level > 4.0 && level < 100.0, "{level}");
        counts.fill(1.0);
        counts[7] = 50.0;
        assert_eq!(extreme_level(&mut counts, 5_000, ROWS), 1.0);
    }

    #[test]
    fn a_hundredth_of_anomalies_does_not_hide_itself() {
        let mut sample = quantiles(10_000, |above| -above.ln());
        let calm = extreme_level(&mut sample.clone(), 10_000, ROWS);
        sample[..100].fill(1e6);
        let level = extreme_level(&mut sample, 10_000, ROWS);
        assert!(level < 1.5 * calm, "{level} {calm}");
    }

    #[test]
    fn scores_that_all_tie_are_their_own_level() {
        assert_eq!(extreme_level(&mut [0.5; 1000], 1000, ROWS), 0.5);
    }

    #[test]
    fn a_handful_of_rows_has_no_extreme() {
        assert_eq!(
            extreme_level(&mut [0.5; MIN_ROWS - 10], 100, ROWS),
            f64::INFINITY
        );
        assert!(extreme_level(&mut [0.5; MIN_ROWS + 20], 300, ROWS).is_finite());
    }

    proptest! {
        #[test]
        fn the_level_is_a_number_above_the_bulk(
            mut sample in prop::collection::vec(prop_oneof![0f64..1.0, 0f64..1e300, Just(0.0)], 240..600),
            rows in 1u64..1_000_000_000_000,
        ) {
            let level = extreme_level(&mut sample, rows, ROWS);
            prop_assert!(!level.is_nan());
            let start = sample[(sample.len() as f64 * ROWS.share) as usize];
            prop_assert!(level >= start, "{} {}", level, start);
        }
    }
}

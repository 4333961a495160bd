//! The score of the Numenta Anomaly Benchmark (NAB): early alarms are worth most, false ones cost.
//!
//! In: series with scores and windows of rows. Out: for each profile a number that is 100 for an
//! alarm at the first row of every window and no other, 0 for no alarm at all, and has no lower bound.
//!
//! # How it is defined
//!
//! An alarm is a row whose score is at or above the threshold. The first rows of a file, 15 % and at most
//! 750, are probation: there nothing counts. With `y` the row's place relative to the window's right
//! edge, in widths of the window, an alarm is worth `σ(y) = 2 / (1 + exp(5 y)) - 1`:
//!
//! - within a window of `w` rows that ends at row `b`, at row `i`, `y = -(b - i + 1) / w`. The
//!   best alarm of the window counts, as a share of that at the first row, `σ(y) / σ(-1)`;
//! - behind it, up to the next window, `y = (i - b) / (w - 1)` and -1 beyond three widths; before the
//!   first window -1. Each such alarm counts, times the profile's cost of a false alarm;
//! - a window without an alarm costs the profile's cost of a miss.
//!
//! Files share one threshold, the one that makes the sum over all files highest. Sums are scaled so that
//! the bounds above hold.
//!
//! Source: A. Lavin and S. Ahmad, "Evaluating Real-Time Anomaly Detection Algorithms: the Numenta Anomaly
//! Benchmark", ICMLA 2015 (arXiv:1510.03336), and `nab/sweeper.py` of numenta/NAB v1.1.
//!
//! # How all thresholds are tried at once
//!
//! Lower the threshold row by row. A row outside windows adds its cost. A row in a window adds by how much
//! it is better than the best row above it, which is nothing for most. So each row has a gain that does not
//! depend on the threshold, and the sums of these gains by falling score are the totals of all
//! thresholds: one sort for the whole corpus.

use rayon::prelude::*;
use serde::Serialize;

use super::matching::{EventRows, Labelled};

/// What a profile gives and takes. The gain of a window found at its first row is 1 in all of them.
#[derive(Debug, Clone, Copy)]
struct Profile {
    false_alarm: f64,
    miss: f64,
}

const PROFILES: PerProfile<Profile> = PerProfile {
    standard: Profile {
        false_alarm: 0.11,
        miss: 1.0,
    },
    low_fp: Profile {
        false_alarm: 0.22,
        miss: 1.0,
    },
    low_fn: Profile {
        false_alarm: 0.11,
        miss: 2.0,
    },
};

/// One of something for each of NAB's profiles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PerProfile<T> {
    /// False alarms and misses are weighed alike.
    pub standard: T,
    /// False alarms cost twice as much.
    #[serde(rename = "low_FP")]
    pub low_fp: T,
    /// Misses cost twice as much.
    #[serde(rename = "low_FN")]
    pub low_fn: T,
}

impl<T: Copy> PerProfile<T> {
    /// The same of each.
    pub fn map<U>(self, of: impl Fn(T) -> U) -> PerProfile<U> {
        PerProfile {
            standard: of(self.standard),
            low_fp: of(self.low_fp),
            low_fn: of(self.low_fn),
        }
    }

    fn with<U: Copy, V>(self, other: PerProfile<U>, of: impl Fn(T, U) -> V) -> PerProfile<V> {
        PerProfile {
            standard: of(self.standard, other.standard),
            low_fp: of(self.low_fp, other.low_fp),
            low_fn: of(self.low_fn, other.low_fn),
        }
    }
}

/// A NAB score and the threshold that it is reached at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NabScore {
    /// 100 for perfect alarms, 0 for none.
    pub score: f64,
    /// Rows at or above it are alarms; infinity (`null` in JSON) where no alarm at all is best.
    pub threshold: f64,
}

/// The NAB scores of a corpus at every threshold.
#[derive(Debug, Clone)]
pub struct NabSweep {
    /// Falling, from infinity, each once.
    thresholds: Vec<f64>,
    /// The gains of all rows at or above the threshold, over that of no alarm.
    gains: Vec<PerProfile<f64>>,
    /// The gains of perfect alarms; see [`NabSweep::of`] for windows within probation.
    perfect: PerProfile<f64>,
}

/// A row that counts, and what it adds once the threshold comes down to its score.
#[derive(Debug, Clone, Copy)]
struct Gain {
    score: f64,
    gain: PerProfile<f64>,
}

impl NabSweep {
    /// The sweep over `corpus`; `None` where it has no window, for then nothing can be gained.
    ///
    /// A window that lies within probation cannot be found but counts among those to find, so that a
    /// corpus with such a window has no perfect alarms: NAB's rule.
    ///
    /// Costs one sort of all rows, some 0.2 s for a million on one core, and up to a hundred bytes for each row.
    pub fn of(corpus: &[Labelled]) -> Option<Self> {
        Self::of_scores(corpus, |labelled| labelled.scores().to_vec())
    }

    /// The sweep with the scores that `scores_of` makes for each series: one for each row, none NaN.
    pub(super) fn of_scores(
        corpus: &[Labelled],
        scores_of: impl Fn(&Labelled) -> Vec<f64> + Sync,
    ) -> Option<Self> {
        let windows: usize = corpus.iter().map(|labelled| labelled.events().len()).sum();
        if windows == 0 {
            return None;
        }
        let of_files: Vec<(Vec<Gain>, usize)> = corpus
            .par_iter()
            .map(|labelled| gains_of(&scores_of(labelled), labelled.events()))
            .collect();
        let reachable: usize = of_files.iter().map(|(_, reachable)| reachable).sum();
        let mut rows: Vec<Gain> = of_files.into_iter().flat_map(|(gains, _)| gains).collect();
        // Stable, so that sums do not depend on threads.
        rows.par_sort_by(|a, b| b.score.total_cmp(&a.score));

        let mut thresholds = vec![f64::INFINITY];
        let mut gains = vec![PROFILES.map(|_| 0.0)];
        let mut sum = PROFILES.map(|_| 0.0);
        for tied in rows.chunk_by(|a, b| a.score == b.score) {
            for row in tied {
                sum = sum.with(row.gain, |sum, gain| sum + gain);
            }
            thresholds.push(tied[0].score);
            gains.push(sum);
        }
        Some(Self {
            thresholds,
            gains,
            perfect: PROFILES.map(|profile| windows as f64 + profile.miss * reachable as f64),
        })
    }

    /// For each profile the highest score, and the highest threshold that reaches it.
    pub fn best(&self) -> PerProfile<NabScore> {
        let best = self.gains.iter().enumerate().fold(
            PROFILES.map(|_| (0, f64::NEG_INFINITY)),
            |best, (place, gains)| {
                best.with(*gains, |best, gain| match gain > best.1 {
                    true => (place, gain),
                    false => best,
                })
            },
        );
        best.with(self.perfect, |(place, gain), perfect| NabScore {
            score: 100.0 * gain / perfect,
            threshold: self.thresholds[place],
        })
    }

    /// For each profile the score when the rows at or above `threshold` are alarms.
    pub fn at(&self, threshold: f64) -> PerProfile<f64> {
        // The first threshold is infinity, which is at or above every other; NaN flags nothing.
        let above = self.thresholds.partition_point(|&other| other >= threshold);
        let gains = self.gains[above.saturating_sub(1)];
        gains.with(self.perfect, |gain, perfect| 100.0 * gain / perfect)
    }
}

/// Rows at the head of a file of `rows` rows that do not count.
fn probation(rows: usize) -> usize {
    const LONGEST: f64 = 0.15 * 5000.0;
    (0.15 * rows as f64).floor().min(LONGEST) as usize
}

/// The scaled sigmoid: nearly 1 a window's width before the right edge, 0 at it, -1 far behind it.
fn sigmoid(place: f64) -> f64 {
    if place > 3.0 {
        -1.0
    } else {
        2.0 / (1.0 + (5.0 * place).exp()) - 1.0
    }
}

/// What an alarm at each row is worth, and the window that the row is of.
///
/// Where windows overlap, a row is of the later one.
fn worth(rows: usize, windows: &[EventRows]) -> (Vec<f64>, Vec<Option<usize>>) {
    let mut worth = vec![-1.0; rows];
    let mut owner = vec![None; rows];
    let highest = sigmoid(-1.0);
    for (window, &EventRows { first, last, .. }) in windows.iter().enumerate() {
        let next = windows.get(window + 1).map_or(rows, |next| next.first);
        let width = (last - first + 1) as f64;
        for row in first..=last {
            worth[row] = sigmoid(-((last - row + 1) as f64) / width) / highest;
            owner[row] = Some(window);
        }
        for (behind, worth) in worth[..next].iter_mut().skip(last + 1).enumerate() {
            *worth = match first == last {
                true => -1.0,
                false => sigmoid((behind + 1) as f64 / (width - 1.0)),
            };
        }
    }
    (worth, owner)
}

/// The gains of the rows of one file, and how many of its windows reach beyond probation.
fn gains_of(scores: &[f64], windows: &[EventRows]) -> (Vec<Gain>, usize) {
    let head = probation(scores.len());
    let (worth, owner) = worth(scores.len(), windows);
    let mut gains: Vec<Gain> = (head..scores.len())
        .map(|row| Gain {
            // Zero has two signs and the order below tells them apart.
            score: scores[row] + 0.0,
            gain: match owner[row] {
                Some(_) => PROFILES.map(|_| 0.0),
                None => PROFILES.map(|profile| worth[row] * profile.false_alarm),
            },
        })
        .collect();
    let mut reachable = 0;
    for (window, &EventRows { first, last, .. }) in windows.iter().enumerate() {
        let mut rows: Vec<usize> = (first.max(head)..=last)
            .filter(|&row| owner[row] == Some(window))
            .collect();
        reachable += usize::from(!rows.is_empty());
        // Stable, so that among equal scores the earliest row carries the gain.
        rows.sort_by(|&a, &b| gains[b - head].score.total_cmp(&gains[a - head].score));
        let mut best = PROFILES.map(|profile| -profile.miss);
        for row in rows {
            let better = best.map(|best| worth[row].max(best));
            gains[row - head].gain = better.with(best, |better, best| better - best);
            best = better;
        }
    }
    (gains, reachable)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{labelled, unit};
    use super::*;
    use proptest::prelude::*;

    /// Scores of `rows` rows: 1 at those given, 0 elsewhere.
    fn alarms(rows: usize, at: &[usize]) -> Vec<f64> {
        let mut scores = vec![0.0; rows];
        at.iter().for_each(|&row| scores[row] = 1.0);
        scores
    }

    fn at_one(rows: usize, windows: &[(usize, usize)], at: &[usize]) -> PerProfile<f64> {
        let corpus = [labelled(&alarms(rows, at), windows)];
        NabSweep::of(&corpus).unwrap().at(1.0)
    }

    fn close(found: PerProfile<f64>, expected: [f64; 3]) {
        for (found, expected) in [found.standard, found.low_fp, found.low_fn]
            .into_iter()
            .zip(expected)
        {
            assert!((found - expected).abs() < 1e-9, "{found} for {expected}");
        }
    }

    #[test]
    fn the_first_row_of_every_window_is_worth_100_and_no_alarm_0() {
        close(at_one(100, &[(20, 29), (60, 79)], &[20, 60]), [100.0; 3]);
        close(at_one(100, &[(20, 29), (60, 79)], &[]), [0.0; 3]);
        close(at_one(100, &[(20, 29), (60, 79)], &[60]), [50.0; 3]);
    }

    #[test]
    fn the_last_row_of_a_window_and_a_false_alarm_behind_it_by_hand() {
        let last = (2.0 / (1.0 + (-0.5f64).exp()) - 1.0) / (2.0 / (1.0 + (-5f64).exp()) - 1.0);
        close(
            at_one(100, &[(20, 29)], &[29]),
            [
                100.0 * (last + 1.0) / 2.0,
                100.0 * (last + 1.0) / 2.0,
                100.0 * (last + 2.0) / 3.0,
            ],
        );
        let behind = 2.0 / (1.0 + (10.0f64 / 3.0).exp()) - 1.0;
        close(
            at_one(100, &[(20, 29)], &[20, 35]),
            [
                100.0 * (2.0 + 0.11 * behind) / 2.0,
                100.0 * (2.0 + 0.22 * behind) / 2.0,
                100.0 * (3.0 + 0.11 * behind) / 3.0,
            ],
        );
        // Before the first window, and more than three widths behind one.
        for far in [15, 90] {
            close(
                at_one(100, &[(20, 29)], &[20, far]),
                [100.0 - 5.5, 100.0 - 11.0, 100.0 - 11.0 / 3.0],
            );
        }
    }

    #[test]
    fn probation_is_15_percent_and_at_most_750_rows() {
        assert_eq!(
            [0, 6, 7, 100, 5000, 5007, 100_000].map(probation),
            [0, 0, 1, 15, 750, 750, 750]
        );
        close(at_one(100, &[(20, 29)], &[3, 14, 20]), [100.0; 3]);
    }

    #[test]
    fn a_window_within_probation_counts_but_cannot_be_missed() {
        // Perfect would be two windows found and one miss spared.
        close(
            at_one(100, &[(3, 9), (20, 29)], &[3, 20]),
            [100.0 * 2.0 / 3.0, 100.0 * 2.0 / 3.0, 100.0 * 3.0 / 4.0],
        );
    }

    #[test]
    fn a_window_of_one_row_has_a_full_price_right_behind_it() {
        close(
            at_one(100, &[(20, 20)], &[20, 21]),
            [94.5, 89.0, 100.0 - 11.0 / 3.0],
        );
    }

    #[test]
    fn a_corpus_without_windows_has_no_score() {
        assert!(NabSweep::of(&[labelled(&[1.0, 2.0], &[])]).is_none());
        assert!(NabSweep::of(&[]).is_none());
    }

    #[test]
    fn alarms_that_only_cost_are_best_left_out() {
        let mut scores = vec![1.0; 100];
        scores[20] = 0.0;
        let best = NabSweep::of(&[labelled(&scores, &[(20, 20)])])
            .unwrap()
            .best();
        assert_eq!(
            best.standard,
            NabScore {
                score: 0.0,
                threshold: f64::INFINITY
            }
        );
    }

    #[test]
    fn zeros_of_both_signs_are_tied() {
        let mut scores = vec![-0.0; 100];
        scores[25] = 0.0;
        let sweep = NabSweep::of(&[labelled(&scores, &[(20, 29)])]).unwrap();
        assert_eq!(sweep.thresholds, [f64::INFINITY, 0.0]);
    }

    proptest! {
        #[test]
        fn a_false_alarm_more_never_raises_the_score(
            seed in any::<u64>(), start in 0usize..180, width in 1usize..40, row in 0usize..200, threshold in 0.0f64..1.0,
        ) {
            let window = (start, (start + width - 1).min(199));
            let mut scores: Vec<f64> = (0..200).map(|row| unit(seed, row)).collect();
            let before = NabSweep::of(&[labelled(&scores, &[window])]).unwrap().at(threshold);
            prop_assume!(!(window.0..=window.1).contains(&row));
            scores[row] = 1.0;
            let after = NabSweep::of(&[labelled(&scores, &[window])]).unwrap().at(threshold);
            prop_assert!(after.standard <= before.standard + 1e-9);
            prop_assert!(after.low_fp <= before.low_fp + 1e-9);
            prop_assert!(after.low_fn <= before.low_fn + 1e-9);
        }

        /// The definition, threshold by threshold, without gains and sorting.
        #[test]
        fn the_sweep_is_the_definition_at_every_threshold(
            seed in any::<u64>(), levels in 2u32..40, start in 0usize..60, width in 1usize..40, gap in 1usize..50,
        ) {
            let windows = [(start, start + width - 1), (start + width - 1 + gap, start + width + 8 + gap)];
            let scores: Vec<f64> = (0..200).map(|row| (unit(seed, row) * f64::from(levels)).floor()).collect();
            let file = labelled(&scores, &windows);
            let sweep = NabSweep::of(std::slice::from_ref(&file)).unwrap();
            let (worth, owner) = worth(200, file.events());
            let head = probation(200);
            let reachable = windows.iter().filter(|window| window.1 >= head).count() as f64;
            let mut highest = 0.0f64;
            for level in 0..=levels {
                let threshold = f64::from(level);
                let mut raw = 0.0;
                for (window, rows) in windows.iter().enumerate() {
                    let found = (head..200).filter(|&row| owner[row] == Some(window) && scores[row] >= threshold);
                    if rows.1 >= head {
                        raw += found.map(|row| worth[row]).reduce(f64::max).unwrap_or(-1.0);
                    }
                }
                raw += (head..200)
                    .filter(|&row| owner[row].is_none() && scores[row] >= threshold)
                    .map(|row| 0.11 * worth[row])
                    .sum::<f64>();
                let expected = 100.0 * (raw + reachable) / (2.0 + reachable);
                prop_assert!((sweep.at(threshold).standard - expected).abs() < 1e-9);
                highest = highest.max(expected);
            }
            prop_assert!((sweep.best().standard.score - highest).abs() < 1e-9);
        }
    }
}

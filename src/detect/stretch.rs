//! Scores in (0, 1) on a scale without end, for their tail to be fitted on, and back.

use super::tail::{self, Tail};

/// How a detector's scores are stretched.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stretch {
    /// Scores of a forest whose average depth this is: `1 / (e^(depth - 1) - 1)`. The depth of a row at a
    /// distance d from rows that fill a range of width R is `1 + ln(1 + R / d)`, so this is `d / R`.
    Depth(f64),
    /// Scores of shapes: standard deviations from ordinary.
    Shape,
}

/// No row is isolated at a smaller depth: it stands for "at once".
const MIN_DEPTH: f64 = 1.0 + 1e-9;

/// The deviation at which the score of a shape is half-way from ordinary to the highest.
const HALFWAY: f64 = 4.0;

impl Stretch {
    /// A score on the stretched scale.
    pub(super) fn stretched(self, score: f64) -> f64 {
        match self {
            Self::Depth(average) => {
                let depth = (-score.log2() * average).max(MIN_DEPTH);
                1.0 / (depth - 1.0).exp_m1()
            }
            Self::Shape => deviations_of_shape(score),
        }
    }

    /// The score at a level of the stretched scale; 1 at infinity.
    pub(super) fn squeezed(self, level: f64) -> f64 {
        match self {
            _ if level == f64::INFINITY => 1.0,
            Self::Depth(average) => (-(1.0 + (1.0 / level).ln_1p()) / average).exp2(),
            Self::Shape => score_of_shape(level),
        }
    }

    /// The score that ordinary rows exceed [`tail::RISK`] times in `rows` rows, from those of some; 1 where
    /// these are too few to tell.
    pub(super) fn extreme(self, scores: &[f64], rows: u64) -> f64 {
        self.squeezed(self.extreme_level(scores, rows))
    }

    /// The same on the stretched scale; infinity where there are too few rows to tell.
    pub(super) fn extreme_level(self, scores: &[f64], rows: u64) -> f64 {
        let tail = match self {
            Self::Depth(_) => tail::ROWS,
            Self::Shape => tail::WINDOWS,
        };
        self.level_in(tail, scores, rows)
    }

    /// The same for another part of the scores than the detector's own.
    pub(super) fn level_in(self, tail: Tail, scores: &[f64], rows: u64) -> f64 {
        let mut sample: Vec<f64> = scores.iter().map(|&score| self.stretched(score)).collect();
        tail::extreme_level(&mut sample, rows, tail)
    }
}

/// The score of a shape that lies `deviations` standard deviations from ordinary: 0.5 at 0, and never 1.
pub(super) fn score_of_shape(deviations: f64) -> f64 {
    0.5 + 0.5 * deviations / (HALFWAY + deviations.abs())
}

/// How far from ordinary a shape with this score lies, in standard deviations: the inverse of
/// [`score_of_shape`].
fn deviations_of_shape(score: f64) -> f64 {
    let side = if score < 0.5 { score } else { 1.0 - score };
    HALFWAY * (score - 0.5) / side.max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_stretched_squeezes_back(score in 0.01f64..0.9, average in 2f64..30.0) {
            for stretch in [Stretch::Depth(average), Stretch::Shape] {
                let score = match stretch {
                    Stretch::Depth(average) => score.min((-1.001 / average).exp2()),
                    Stretch::Shape => score,
                };
                let back = stretch.squeezed(stretch.stretched(score));
                prop_assert!((back - score).abs() < 1e-9, "{} {}", score, back);
            }
        }
    }
}

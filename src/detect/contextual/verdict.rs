//! What is told of a row.

use crate::detect::baseline::Baseline;

/// What is told of a row from the rows before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// How rare it is, thinned out to one alarm for each event: W / (1 + W), where W is the weeks between rows
    /// that are as rare. In [0, 1); 0 for rows that are not told, or cannot be judged yet.
    pub score: f64,
    /// The same for every row.
    pub novelty: f64,
    /// The logarithm to base 10 of W; minus infinity where the row cannot be judged.
    pub rarity: f64,
    /// What was to be expected of the row, and how far rows usually lie from that; the value itself and 0
    /// where nothing is known.
    pub expected: Baseline,
}

impl Verdict {
    pub(super) fn unjudged(value: f64) -> Self {
        Self {
            score: 0.0,
            novelty: 0.0,
            rarity: f64::NEG_INFINITY,
            expected: Baseline {
                center: value,
                scale: 0.0,
            },
        }
    }
}

/// The score of rows of which there is one in so many weeks: W / (1 + W).
pub const fn score_of_weeks(weeks: f64) -> f64 {
    1.0 / (1.0 + 1.0 / weeks)
}

//! What is to be detected, and how.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::forest::ForestParams;

pub(super) use super::threshold::ThresholdRule;

/// Settings of a detection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DetectOptions {
    /// What a row is compared with.
    pub detector: Detector,
    /// The forest to grow.
    pub forest: ForestParams,
    /// Which score is high enough.
    pub threshold: ThresholdRule,
}

impl DetectOptions {
    /// The rule for the threshold in words, and the detector where it is not the default one:
    /// `context detector, Contamination: auto`.
    pub fn describe(&self) -> String {
        let detector = match self.detector {
            Detector::Value => String::new(),
            other => format!("{other} detector, "),
        };
        let rule = match self.threshold {
            ThresholdRule::Contamination(rate) => format!("Contamination: {rate}"),
            ThresholdRule::Score(score) => format!("Threshold: {score}"),
            ThresholdRule::Auto => "Contamination: auto".to_owned(),
        };
        detector + &rule
    }
}

/// What a row is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detector {
    /// The values of the whole series, wherever they stand: an isolation forest on the value.
    #[default]
    Value,
    /// The past alone: the time of day, the level and the change of what came before.
    Context,
    /// The shapes of the whole series: stretches of rows unlike all others.
    Shape,
}

impl Detector {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Context => "context",
            Self::Shape => "shape",
        }
    }
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

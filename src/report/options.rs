//! What a scan writes, and where.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::chart::{GraphFormat, YScale};
use crate::detect::Severity;

/// What a scan writes, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputOptions {
    /// The folder below which everything is written.
    pub folder: PathBuf,
    /// Base name of a single input's outputs, in place of the input's own.
    pub base_name: Option<String>,
    /// Which inputs get a graph.
    pub graphs: Graphs,
    /// The file format of graphs.
    pub graph_format: GraphFormat,
    /// The scale of a graph's value axis.
    pub y_scale: YScale,
    /// Whether the score of every row is written, and in which file format.
    pub scores: Option<ScoresFormat>,
    /// The lowest severity of incidents that are reported.
    pub min_severity: Severity,
    /// Whether text that a spreadsheet would run as a formula is made safe.
    pub csv_safe: bool,
}

impl Default for OutputOptions {
    /// Graphs of all inputs as PNG, below `output`.
    fn default() -> Self {
        Self {
            folder: PathBuf::from("output"),
            base_name: None,
            graphs: Graphs::All,
            graph_format: GraphFormat::Png,
            y_scale: YScale::Auto,
            scores: None,
            min_severity: Severity::Low,
            csv_safe: false,
        }
    }
}

/// Which inputs get a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Graphs {
    /// All.
    #[default]
    All,
    /// Those with an anomaly.
    Anomalous,
    /// None.
    None,
}

/// The file format of a table of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScoresFormat {
    /// `<stem>_scores.csv`
    Csv,
    /// `<stem>_scores.parquet`
    Parquet,
}

//! `summary.json`: what a run was asked, what became of each input, what it comes to.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::atomic;
use crate::discover::Skipped;
use crate::error::Result;
use crate::ingest::DroppedRow;
use crate::outcome::{Outcome, Totals};

/// The summary of a run, as it is written.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Version of isoscan.
    pub version: &'static str,
    /// The arguments of the command line.
    pub arguments: Vec<String>,
    /// The master seed.
    pub seed: u64,
    /// `complete`; a run that was stopped writes `interrupted`.
    pub status: &'static str,
    /// Seconds from start to end.
    pub seconds: f64,
    /// Sums over the inputs.
    pub totals: Totals,
    /// One entry for each input, sorted by path.
    pub inputs: Vec<InputSummary>,
    /// Files written for the run as a whole.
    pub outputs: Vec<String>,
}

/// What became of one input.
#[derive(Debug, Default, Serialize)]
pub struct InputSummary {
    /// Its path, or `stdin`.
    pub path: String,
    /// `ok`, `error` or `skipped`.
    pub status: &'static str,
    /// The recognised form, in words.
    pub form: Option<String>,
    /// Usable rows.
    pub rows: u64,
    /// Rows that could not be used.
    pub dropped_rows: u64,
    /// The first three of these.
    pub first_dropped: Vec<DroppedRow>,
    /// Anomalies found.
    pub anomalies: u64,
    /// Anomalies that the contamination rate lets expect; ties at the threshold are not flagged.
    pub expected_anomalies: Option<f64>,
    /// The threshold used.
    pub threshold: Option<f64>,
    /// The highest score.
    pub highest_score: Option<f64>,
    /// Seconds spent on it.
    pub seconds: f64,
    /// Files written for it.
    pub outputs: Vec<String>,
    /// What the reader should know.
    pub note: Option<String>,
    /// Why it was not scanned.
    pub error: Option<String>,
}

impl Summary {
    /// A summary without inputs.
    pub fn new(arguments: Vec<String>, seed: u64) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            arguments,
            seed,
            status: "complete",
            seconds: 0.0,
            totals: Totals::default(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Adds what became of one source.
    pub fn add(&mut self, outcome: &Outcome) {
        self.totals.add(outcome);
        self.inputs.push(InputSummary::of(outcome));
    }

    /// Adds what discovery passed over, and sorts the inputs by path.
    pub fn finish(&mut self, skipped: &[Skipped]) {
        self.totals.skipped = skipped.len() as u64;
        self.inputs
            .extend(skipped.iter().map(InputSummary::of_skipped));
        self.inputs.sort_by(|a, b| a.path.cmp(&b.path));
    }

    /// The summary as JSON, indented, with a line end.
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists alone: nothing in it can fail to become JSON.
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }

    /// Writes `summary.json` into `folder`.
    ///
    /// # Errors
    /// [`ErrorKind::Write`](crate::error::ErrorKind::Write) with its path.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        atomic::write(&folder.join("summary.json"), |file| {
            file.write_all(self.to_json().as_bytes())
        })
    }
}

impl InputSummary {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Done(done) => Self {
                form: Some(done.form.clone()),
                rows: done.rows,
                dropped_rows: done.dropped.rows,
                first_dropped: done.dropped.first.clone(),
                anomalies: done.anomalies.rows() as u64,
                expected_anomalies: done.expected,
                threshold: Some(done.threshold),
                highest_score: done.anomalies.scores.iter().copied().reduce(f64::max),
                seconds: done.elapsed.as_secs_f64(),
                outputs: done
                    .outputs
                    .iter()
                    .map(|p| p.to_string_lossy().into_owned())
                    .collect(),
                note: done.note.clone(),
                ..Self::empty(done.source.name(), "ok")
            },
            Outcome::Failed { source, error } => {
                let path = match (source, error.path()) {
                    (Some(source), _) => source.name(),
                    (None, Some(path)) => path.to_string_lossy().into_owned(),
                    (None, None) => String::new(),
                };
                Self {
                    error: Some(error.reason()),
                    ..Self::empty(path, "error")
                }
            }
        }
    }

    fn of_skipped(skipped: &Skipped) -> Self {
        Self {
            note: Some(skipped.reason.clone()),
            ..Self::empty(skipped.path.to_string_lossy().into_owned(), "skipped")
        }
    }

    fn empty(path: String, status: &'static str) -> Self {
        Self {
            path,
            status,
            ..Self::default()
        }
    }
}

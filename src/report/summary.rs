//! `summary.json`: what a run was asked, what became of each input, what it comes to. One type writes it and
//! reads it back.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::names;
use super::outcome::{IncidentCounts, Outcome, ScannedLog, Totals};
use crate::detect::{DetectOptions, Incident, Kind, Severity};
use crate::format::DroppedRow;
use crate::input::Skipped;
use crate::storage::atomic;
use crate::support::calendar::iso_text;
use crate::support::error::Result;
use crate::support::text::path_text;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Every input was taken.
    #[default]
    Complete,
    /// It was stopped before.
    Interrupted,
}

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputStatus {
    /// It was scanned.
    Ok,
    /// It could not be.
    Error,
    /// It was not to be.
    #[default]
    Skipped,
}

/// The summary of a run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Summary {
    /// Version of isoscan.
    pub version: String,
    /// The arguments of the command line.
    pub arguments: Vec<String>,
    /// What rows were compared with: `value`, `context` or `shape`.
    pub detector: String,
    /// The contamination rate, `auto`, or the threshold that was set.
    pub rule: String,
    /// The master seed.
    pub seed: u64,
    /// How it ended.
    pub status: RunStatus,
    /// Seconds from start to end.
    pub seconds: f64,
    /// Sums over the inputs.
    pub totals: Totals,
    /// The highest severity of any incident, reported or not.
    pub highest_severity: Option<Severity>,
    /// The worst ten incidents that are reported, the worst first.
    pub worst_incidents: Vec<WorstIncident>,
    /// One entry for each input, sorted by path.
    pub inputs: Vec<InputSummary>,
    /// Files written for the run as a whole.
    pub outputs: Vec<String>,
    /// Inputs that an earlier run has scanned, and that were left as they are.
    #[serde(skip)]
    pub reused: u64,
    #[serde(skip)]
    min_severity: Option<Severity>,
    /// The worst incidents so far, each with the name of its log.
    #[serde(skip)]
    worst: Vec<(String, Incident)>,
}

/// One of the worst incidents of a run.
#[derive(Debug, Serialize, Deserialize)]
pub struct WorstIncident {
    /// Name of the log.
    pub source: String,
    /// When it started, ISO 8601 in UTC.
    pub start: String,
    /// When it ended.
    pub end: String,
    /// What happened.
    pub kind: Kind,
    /// How much it matters.
    pub severity: Severity,
    /// What speaks for it, in words.
    pub evidence: String,
}

/// Incidents that are listed one by one.
const MAX_WORST: usize = 10;

impl WorstIncident {
    fn of(source: &str, incident: &Incident) -> Self {
        Self {
            source: source.to_owned(),
            start: iso_text(incident.start_us),
            end: iso_text(incident.end_us),
            kind: incident.kind,
            severity: incident.severity,
            evidence: incident.evidence(),
        }
    }
}

/// What became of one input.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct InputSummary {
    /// Its path, or `stdin`.
    pub path: String,
    /// What became of it.
    pub status: InputStatus,
    /// The recognised format, in words.
    pub form: Option<String>,
    /// Usable rows.
    pub rows: u64,
    /// Rows that could not be used.
    pub dropped_rows: u64,
    /// The first three of these.
    pub first_dropped: Vec<DroppedRow>,
    /// Anomalies found.
    pub anomalies: u64,
    /// Its incidents that are reported.
    #[serde(flatten)]
    pub incidents: IncidentCounts,
    /// Anomalies that the contamination rate lets expect; ties at the threshold are not flagged. `None` where
    /// there is no rate, or more than one series.
    pub expected_anomalies: Option<f64>,
    /// The threshold used; `None` where there is more than one series.
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
    /// A summary without inputs. Incidents of at least `min_severity` are reported in it.
    pub fn new(arguments: Vec<String>, detect: &DetectOptions, min_severity: Severity) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            arguments,
            detector: detect.detector.name().to_owned(),
            rule: detect.threshold.label(),
            seed: detect.forest.seed(),
            status: RunStatus::Complete,
            seconds: 0.0,
            totals: Totals::default(),
            highest_severity: None,
            worst_incidents: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            reused: 0,
            min_severity: Some(min_severity),
            worst: Vec::new(),
        }
    }

    /// Adds what became of one log.
    pub fn add(&mut self, outcome: &Outcome) {
        let min_severity = self.min_severity.unwrap_or(Severity::Low);
        self.totals.add(outcome, min_severity);
        let mut input = InputSummary::of(outcome);
        if let Outcome::Scanned(log) = outcome {
            self.reused += u64::from(log.reused);
            for series in &log.series {
                let incidents = &series.findings.incidents;
                let severities = incidents.iter().map(|incident| incident.severity);
                self.highest_severity = self.highest_severity.max(severities.max());
                let mut reported: Vec<&Incident> = series.reported(min_severity).collect();
                for incident in &reported {
                    input.incidents.add(incident);
                }
                reported.sort_by(|a, b| Incident::worst_first(a, b));
                let worst = reported.into_iter().take(MAX_WORST);
                self.worst
                    .extend(worst.map(|incident| (series.key.log.clone(), incident.clone())));
                // Stable: of equals, the earlier series comes first.
                self.worst.sort_by(|a, b| Incident::worst_first(&a.1, &b.1));
                self.worst.truncate(MAX_WORST);
            }
        }
        self.inputs.push(input);
    }

    /// The exit code that says how the run went: that of [`Totals::exit_code`], or 3 where nothing failed
    /// and an incident at least as severe as `fail_on` was found.
    pub fn exit_code(&self, fail_on: Option<Severity>) -> u8 {
        match self.totals.exit_code() {
            0 if fail_on.is_some_and(|least| self.highest_severity >= Some(least)) => 3,
            code => code,
        }
    }

    /// Adds the logs that a run had not scanned when it was stopped.
    pub fn interrupt(&mut self, left: impl IntoIterator<Item = String>) {
        self.status = RunStatus::Interrupted;
        for path in left {
            self.totals.skipped += 1;
            self.inputs.push(InputSummary {
                note: Some("not scanned: the run was interrupted".to_owned()),
                ..InputSummary::empty(path, InputStatus::Skipped)
            });
        }
    }

    /// Adds what discovery skipped, and puts everything in its order.
    pub fn finish(&mut self, skipped: &[Skipped]) {
        self.totals.skipped += skipped.len() as u64;
        self.inputs
            .extend(skipped.iter().map(InputSummary::of_skipped));
        self.inputs.sort_by(|a, b| a.path.cmp(&b.path));
        let worst = self.worst.iter();
        self.worst_incidents = worst
            .map(|(source, incident)| WorstIncident::of(source, incident))
            .collect();
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
    /// [`ErrorKind::Write`](crate::support::error::ErrorKind::Write) with its path.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        atomic::write(&folder.join(names::SUMMARY), |file| {
            file.write_all(self.to_json().as_bytes())
        })
    }

    /// The summary in `folder`; `None` where there is none, or something else under its name.
    pub fn read(folder: &Path) -> Option<Self> {
        let text = fs::read(folder.join(names::SUMMARY)).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

impl InputSummary {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Scanned(log) => Self::of_scanned(log),
            Outcome::Failed { source, error } => {
                let path = match (source, error.path()) {
                    (Some(source), _) => source.name(),
                    (None, Some(path)) => path_text(path),
                    (None, None) => String::new(),
                };
                Self {
                    error: Some(error.reason()),
                    ..Self::empty(path, InputStatus::Error)
                }
            }
        }
    }

    fn of_scanned(log: &ScannedLog) -> Self {
        let one = match log.series.as_slice() {
            [one] => Some(one),
            _ => None,
        };
        let scores = log.series.iter().flat_map(|s| &s.findings.anomalies.scores);
        let notes: Vec<String> = log.notes().collect();
        Self {
            form: Some(log.form.clone()),
            rows: log.rows(),
            dropped_rows: log.dropped.rows,
            first_dropped: log.dropped.first.clone(),
            anomalies: log.anomalies(),
            expected_anomalies: one.and_then(|series| series.findings.expected),
            threshold: one.map(|series| series.findings.threshold),
            highest_score: scores.copied().reduce(f64::max),
            seconds: log.elapsed.as_secs_f64(),
            outputs: log.outputs.iter().map(|path| path_text(path)).collect(),
            note: (!notes.is_empty()).then(|| notes.join("; ")),
            ..Self::empty(log.source.name(), InputStatus::Ok)
        }
    }

    fn of_skipped(skipped: &Skipped) -> Self {
        Self {
            note: Some(skipped.reason.clone()),
            ..Self::empty(path_text(&skipped.path), InputStatus::Skipped)
        }
    }

    fn empty(path: String, status: InputStatus) -> Self {
        Self {
            path,
            status,
            ..Self::default()
        }
    }
}

//! `summary.json`: what a run was asked, what became of each input, what it comes to.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::Job;
use crate::detect::{Incident, Kind, Severity};
use crate::format::DroppedRow;
use crate::input::Skipped;
use crate::state::outcome::{IncidentCounts, Outcome, Totals};
use crate::storage::atomic;
use crate::support::calendar::iso_text;
use crate::support::error::Result;

/// The summary of a run, as it is written.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Version of isoscan.
    pub version: &'static str,
    /// The arguments of the command line.
    pub arguments: Vec<String>,
    /// What rows were compared with: `value`, `context` or `shape`.
    pub detector: &'static str,
    /// The contamination rate, `auto`, or the threshold that was set.
    pub rule: String,
    /// The master seed.
    pub seed: u64,
    /// `complete`; a run that was stopped writes `interrupted`.
    pub status: &'static str,
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
    pub kept: u64,
    #[serde(skip)]
    least: Severity,
}

/// One of the worst incidents of a run.
#[derive(Debug, Serialize)]
pub struct WorstIncident {
    /// Path of the input, or `stdin`.
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
    #[serde(skip)]
    incident: Incident,
}

/// Incidents that are listed one by one.
const WORST: usize = 10;

impl WorstIncident {
    fn of(source: String, incident: &Incident) -> Self {
        Self {
            source,
            start: iso_text(incident.start_us),
            end: iso_text(incident.end_us),
            kind: incident.kind,
            severity: incident.severity,
            evidence: incident.evidence(),
            incident: incident.clone(),
        }
    }
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
    /// Its incidents that are reported.
    #[serde(flatten)]
    pub incidents: IncidentCounts,
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
    pub fn new(arguments: Vec<String>, job: &Job) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            arguments,
            detector: job.detect().detector.name(),
            rule: job.detect().threshold.label(),
            seed: job.detect().forest.seed(),
            status: "complete",
            seconds: 0.0,
            totals: Totals::default(),
            highest_severity: None,
            worst_incidents: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            kept: 0,
            least: job.output().min_severity,
        }
    }

    /// Adds what became of one source.
    pub fn add(&mut self, outcome: &Outcome) {
        self.totals.add(outcome, self.least);
        let mut input = InputSummary::of(outcome);
        if let Outcome::Done(done) = outcome {
            self.kept += u64::from(done.kept);
            let severities = done.incidents.iter().map(|incident| incident.severity);
            self.highest_severity = self.highest_severity.max(severities.max());
            let mut reported: Vec<&Incident> = done.reported(self.least).collect();
            for incident in &reported {
                input.incidents.add(incident);
            }
            reported.sort_by(|a, b| Incident::worst_first(a, b));
            self.worst_incidents.extend(
                reported
                    .iter()
                    .take(WORST)
                    .map(|incident| WorstIncident::of(done.source.name(), incident)),
            );
            // Stable: of equals, the earlier source comes first.
            self.worst_incidents
                .sort_by(|a, b| Incident::worst_first(&a.incident, &b.incident));
            self.worst_incidents.truncate(WORST);
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

    /// Adds what a run that was stopped has not come to.
    pub fn interrupt(&mut self, left: impl IntoIterator<Item = String>) {
        self.status = "interrupted";
        for path in left {
            self.totals.skipped += 1;
            self.inputs.push(InputSummary {
                note: Some("not scanned: the run was interrupted".to_owned()),
                ..InputSummary::empty(path, "skipped")
            });
        }
    }

    /// Adds what discovery passed over, and sorts the inputs by path.
    pub fn finish(&mut self, skipped: &[Skipped]) {
        self.totals.skipped += skipped.len() as u64;
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
    /// [`ErrorKind::Write`](crate::support::error::ErrorKind::Write) with its path.
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
                note: (!done.notes.is_empty()).then(|| done.notes.join("; ")),
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

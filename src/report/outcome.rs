//! What became of each log, and what the run as a whole comes to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::detect::{Findings, Incident, Kind, Severity};
use crate::format::Dropped;
use crate::input::{Location, Source};
use crate::series::SeriesKey;
use crate::state::Stale;
use crate::support::error::Error;

/// What became of one log.
#[derive(Debug)]
pub enum Outcome {
    /// It was scanned, and its outputs are written.
    Scanned(Box<ScannedLog>),
    /// It was not.
    Failed {
        /// Where it was to be read.
        source: Option<Source>,
        /// Why not.
        error: Error,
        /// What an earlier run left of it.
        stale: Option<Stale>,
    },
}

/// A log that was scanned.
#[derive(Debug, Serialize, Deserialize)]
pub struct ScannedLog {
    /// Where it was read.
    #[serde(skip, default = "nowhere")]
    pub source: Source,
    /// Its recognised format, in words.
    pub form: String,
    /// Rows that could not be used.
    pub dropped: Dropped,
    /// Bytes of text read, unpacked.
    pub bytes: u64,
    /// What was found in each of its series, in the order of their keys. A series file has one.
    pub series: Vec<SeriesResult>,
    /// Files written.
    #[serde(skip)]
    pub outputs: Vec<PathBuf>,
    /// Time from the first byte read to the last output written.
    pub elapsed: Duration,
    /// What was read of a log of records; `None` for a series file.
    #[serde(default)]
    pub records: Option<RecordsRead>,
    /// Whether an earlier run did all this, and its outputs were left as they are.
    #[serde(skip)]
    pub reused: bool,
}

/// What was read of a log of records.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RecordsRead {
    /// Its inputs.
    pub parts: Vec<RecordPart>,
    /// Records whose times are far off, which were left out.
    pub far_off: u64,
    /// Entities of each key: how many were judged on some day, and how many never were.
    pub entities: BTreeMap<String, Entities>,
    /// What rows were compared with.
    pub detector: String,
    /// The rule for the threshold.
    pub rule: String,
    /// What the reader should know.
    pub notices: Vec<String>,
}

/// Entities of a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entities {
    /// Judged by themselves on some day.
    pub judged: u64,
    /// Never among the most active.
    pub other: u64,
}

/// One input of a log of records.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RecordPart {
    /// Its path.
    pub path: String,
    /// Records that count.
    pub records: u64,
    /// Records that the same input had reported before.
    pub repeated: u64,
    /// Lines that could not be used.
    pub dropped: Dropped,
    /// Lines of another kind.
    pub other: u64,
    /// Records that were mended.
    pub mended: u64,
    /// Bytes of text, unpacked.
    pub bytes: u64,
    /// Why it was not read.
    pub error: Option<String>,
}

impl RecordsRead {
    /// Records that count, of all inputs.
    pub fn records(&self) -> u64 {
        self.parts.iter().map(|part| part.records).sum()
    }

    /// Inputs that could not be read.
    pub fn failed(&self) -> u64 {
        self.parts
            .iter()
            .filter(|part| part.error.is_some())
            .count() as u64
    }
}

/// What was found in one series.
#[derive(Debug, Serialize, Deserialize)]
pub struct SeriesResult {
    /// Which series.
    pub key: SeriesKey,
    /// Names of its value columns.
    pub columns: Vec<String>,
    /// Its rows, all usable.
    pub rows: u64,
    /// What was found.
    pub findings: Findings,
}

/// The source of what was found, until it is known.
fn nowhere() -> Source {
    Source {
        location: Location::StandardInput,
        output_stem: PathBuf::new(),
        is_named: true,
    }
}

impl ScannedLog {
    /// Usable rows of all series.
    pub fn rows(&self) -> u64 {
        self.series.iter().map(|series| series.rows).sum()
    }

    /// Anomalies in all series.
    pub fn anomalies(&self) -> u64 {
        let anomalies = self
            .series
            .iter()
            .map(|series| series.findings.anomalies.rows());
        anomalies.sum::<usize>() as u64
    }

    /// Why no series of it could be judged, where that is so.
    pub fn not_judged(&self) -> Option<&str> {
        let mut reasons = self.series.iter().map(|s| s.findings.not_judged.as_deref());
        let first = reasons.next()??;
        reasons.all(|reason| reason.is_some()).then_some(first)
    }

    /// Notes on all series, those on entities with the entity in front.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        self.series.iter().flat_map(|series| {
            series.findings.notes.iter().map(|note| {
                if series.key.is_total() {
                    note.clone()
                } else {
                    format!("{} {}: {note}", series.key.by, series.key.entity)
                }
            })
        })
    }
}

impl SeriesResult {
    /// The incidents that are at least as severe as `min_severity`, in time order.
    pub fn reported(&self, min_severity: Severity) -> impl Iterator<Item = &Incident> {
        let incidents = self.findings.incidents.iter();
        incidents.filter(move |incident| incident.severity >= min_severity)
    }
}

/// Sums over a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Inputs scanned.
    pub ok: u64,
    /// Those of them that no detector could judge: too short, constant, without a past.
    #[serde(default)]
    pub not_judged: u64,
    /// Inputs that failed.
    pub failed: u64,
    /// Files that were found and skipped.
    pub skipped: u64,
    /// Usable rows.
    pub rows: u64,
    /// Rows that could not be used.
    pub dropped_rows: u64,
    /// Bytes of text read.
    pub bytes: u64,
    /// Anomalies found.
    pub anomalies: u64,
    /// Incidents reported.
    #[serde(flatten)]
    pub incidents: IncidentCounts,
}

/// How many incidents there are, of which severity and kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentCounts {
    /// All of them.
    #[serde(rename = "incidents")]
    pub all: u64,
    /// By severity; one that does not occur is left out.
    #[serde(rename = "incidents_by_severity")]
    pub by_severity: BTreeMap<Severity, u64>,
    /// By kind; one that does not occur is left out.
    #[serde(rename = "incidents_by_kind")]
    pub by_kind: BTreeMap<Kind, u64>,
}

impl IncidentCounts {
    /// Adds one incident.
    pub fn add(&mut self, incident: &Incident) {
        self.all += 1;
        *self.by_severity.entry(incident.severity).or_default() += 1;
        *self.by_kind.entry(incident.kind).or_default() += 1;
    }
}

impl Totals {
    /// Adds one log with its incidents that are at least as severe as `min_severity`.
    pub fn add(&mut self, outcome: &Outcome, min_severity: Severity) {
        match outcome {
            Outcome::Scanned(log) => {
                self.not_judged += u64::from(log.not_judged().is_some());
                match &log.records {
                    Some(records) => {
                        self.ok += records.parts.len() as u64 - records.failed();
                        self.failed += records.failed();
                        self.rows += records.records();
                    }
                    None => {
                        self.ok += 1;
                        self.rows += log.rows();
                    }
                }
                self.dropped_rows += log.dropped.rows;
                self.bytes += log.bytes;
                self.anomalies += log.anomalies();
                for series in &log.series {
                    for incident in series.reported(min_severity) {
                        self.incidents.add(incident);
                    }
                }
            }
            Outcome::Failed { .. } => self.failed += 1,
        }
    }

    /// The exit code that says how the run went: 0 where every input was scanned, 1 else.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.failed > 0 || self.ok == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_0_only_where_every_input_was_scanned() {
        let totals = |ok, failed| Totals {
            ok,
            failed,
            ..Totals::default()
        };
        assert_eq!(totals(3, 0).exit_code(), 0);
        assert_eq!(totals(3, 1).exit_code(), 1);
        assert_eq!(totals(0, 1).exit_code(), 1);
        assert_eq!(totals(0, 0).exit_code(), 1);
    }
}

//! `summary.json`: what a run was asked, what became of each input, what it comes to. One type writes it and
//! reads it back.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::names;
use super::outcome::{Entities, IncidentCounts, Outcome, RecordPart, ScannedLog, Totals};
use crate::detect::{DetectOptions, Incident, Kind, Severity};
use crate::format::DroppedRow;
use crate::input::Skipped;
use crate::runtime::limits;
use crate::series::SeriesKey;
use crate::storage::atomic;
use crate::support::calendar::iso_text;
use crate::support::error::Result;
use crate::support::text::path_text;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Every input was scanned.
    #[default]
    Complete,
    /// Some inputs failed, the others were scanned.
    Partial,
    /// It was stopped before all inputs were taken.
    Interrupted,
    /// No input was scanned.
    Failed,
}

/// What exit codes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExitCodes {
    /// 1 where something failed, else 3 where an incident was found, else 0.
    #[default]
    Single,
    /// The sum: 1 where something failed, 4 where an incident was found.
    Bits,
}

/// When a run ends with another exit code than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExitRules {
    /// Where an incident at least as severe was found.
    pub fail_on: Option<Severity>,
    /// Where an input of the last run is missing.
    pub fail_on_missing: bool,
    /// What exit codes tell.
    pub codes: ExitCodes,
}

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputStatus {
    /// It was scanned.
    Ok,
    /// It was read, and no detector could judge it.
    #[serde(rename = "not_judged")]
    NotJudged,
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
    /// A number that no other run has, as text.
    #[serde(default)]
    pub run_id: String,
    /// Name of the machine; empty where it does not tell.
    #[serde(default)]
    pub host: String,
    /// When the run began, ISO 8601 in UTC.
    #[serde(default)]
    pub began: String,
    /// When it ended.
    #[serde(default)]
    pub ended: String,
    /// How it ended.
    pub status: RunStatus,
    /// Seconds from start to end.
    pub seconds: f64,
    /// Whether the tables are those of an earlier run: this one had nothing to put in their place.
    #[serde(default)]
    pub stale: bool,
    /// Sums over the inputs.
    pub totals: Totals,
    /// The highest severity of any incident, reported or not.
    pub highest_severity: Option<Severity>,
    /// The worst ten incidents that are reported, the worst first.
    pub worst_incidents: Vec<WorstIncident>,
    /// One entry for each input, sorted by path.
    pub inputs: Vec<InputSummary>,
    /// Paths of inputs that the last run into this folder knew, and this one did not find.
    #[serde(default)]
    pub missing: Vec<String>,
    /// One entry for each log of records, sorted by name.
    #[serde(default)]
    pub logs: Vec<LogSummary>,
    /// Files written for the run as a whole.
    pub outputs: Vec<String>,
    /// Inputs that an earlier run has scanned, and that were left as they are.
    #[serde(skip)]
    pub reused: u64,
    /// Inputs that were not scanned when the run was stopped.
    #[serde(skip)]
    left: u64,
    #[serde(skip)]
    min_severity: Option<Severity>,
    /// The worst incidents so far, each with its series.
    #[serde(skip)]
    worst: Vec<(SeriesKey, Incident)>,
}

/// One of the worst incidents of a run.
#[derive(Debug, Serialize, Deserialize)]
pub struct WorstIncident {
    /// Name of the log.
    pub source: String,
    /// What the entity is: `total`, `src`, ...
    #[serde(default)]
    pub by: String,
    /// Whom it is about; empty for the log as a whole.
    #[serde(default)]
    pub entity: String,
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
    fn of(key: &SeriesKey, incident: &Incident) -> Self {
        Self {
            source: key.log.clone(),
            by: key.by.to_string(),
            entity: key.entity.clone(),
            start: iso_text(incident.start_us),
            end: iso_text(incident.end_us),
            kind: incident.kind,
            severity: incident.severity,
            evidence: incident.evidence(),
        }
    }
}

/// What became of one log of records.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct LogSummary {
    /// Its name, as in the column `source` of the tables.
    pub name: String,
    /// The recognised format, in words.
    pub form: String,
    /// Its inputs.
    pub parts: u64,
    /// Records that count.
    pub records: u64,
    /// Records that the same input had reported before.
    pub repeated_records: u64,
    /// Lines that could not be used.
    pub dropped_lines: u64,
    /// Lines of another kind.
    pub other_lines: u64,
    /// Records that were mended, such as an end before the start.
    pub mended_records: u64,
    /// Records whose times are far off, which were left out.
    pub far_off_records: u64,
    /// Entities of each key.
    pub entities: BTreeMap<String, Entities>,
    /// What rows were compared with.
    pub detector: String,
    /// The rule for the threshold.
    pub rule: String,
    /// Anomalies found.
    pub anomalies: u64,
    /// Its incidents that are reported.
    #[serde(flatten)]
    pub incidents: IncidentCounts,
    /// Seconds spent on it.
    pub seconds: f64,
    /// Files written for it.
    pub outputs: Vec<String>,
    /// What the reader should know.
    pub note: Option<String>,
}

/// What became of one input.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct InputSummary {
    /// Its path, or `stdin`.
    pub path: String,
    /// What became of it.
    pub status: InputStatus,
    /// Whether its outputs are those of an earlier run, since this one could not scan it.
    #[serde(default)]
    pub stale: bool,
    /// When those were made, ISO 8601 in UTC.
    #[serde(default)]
    pub as_of: Option<String>,
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
        let began_us = now_us();
        let host = limits::host_name();
        let id = format!("{host} {began_us} {}", std::process::id());
        Self {
            run_id: format!("{:016x}", xxh3_64(id.as_bytes())),
            host,
            began: iso_text(began_us),
            ended: String::new(),
            stale: false,
            missing: Vec::new(),
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
            logs: Vec::new(),
            outputs: Vec::new(),
            reused: 0,
            left: 0,
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
                    .extend(worst.map(|incident| (series.key.clone(), incident.clone())));
                // Stable: of equals, the earlier series comes first.
                self.worst.sort_by(|a, b| Incident::worst_first(&a.1, &b.1));
                self.worst.truncate(MAX_WORST);
            }
        }
        match outcome {
            Outcome::Scanned(log) if log.records.is_some() => {
                self.inputs.extend(InputSummary::of_parts(log));
                self.logs.extend(LogSummary::of(log, input.incidents));
            }
            _ => self.inputs.push(input),
        }
    }

    /// The exit code that says how the run went.
    pub fn exit_code(&self, rules: &ExitRules) -> u8 {
        let failed =
            self.totals.exit_code() != 0 || (rules.fail_on_missing && !self.missing.is_empty());
        let found = rules
            .fail_on
            .is_some_and(|least| self.highest_severity >= Some(least));
        match (rules.codes, failed, found) {
            (ExitCodes::Single, true, _) => 1,
            (ExitCodes::Single, false, true) => 3,
            (ExitCodes::Single, false, false) => 0,
            (ExitCodes::Bits, ..) => u8::from(failed) + 4 * u8::from(found),
        }
    }

    /// Inputs that were to be scanned: all but what discovery skipped.
    pub fn taken(&self) -> u64 {
        self.totals.ok + self.totals.failed + self.left
    }

    /// Adds the logs that a run had not scanned when it was stopped.
    pub fn interrupt(&mut self, left: impl IntoIterator<Item = String>) {
        self.status = RunStatus::Interrupted;
        for path in left {
            self.totals.skipped += 1;
            self.left += 1;
            self.inputs.push(InputSummary {
                note: Some("not scanned: the run was interrupted".to_owned()),
                ..InputSummary::empty(path, InputStatus::Skipped)
            });
        }
    }

    /// Adds what discovery skipped, compares with the summary of the run before, and puts everything in its order.
    pub fn finish(&mut self, skipped: &[Skipped], before: Option<&Self>) {
        self.ended = iso_text(now_us());
        if self.status != RunStatus::Interrupted {
            self.status = match (self.totals.ok, self.totals.failed) {
                (0, _) => RunStatus::Failed,
                (_, 0) => RunStatus::Complete,
                _ => RunStatus::Partial,
            };
        }
        self.totals.skipped += skipped.len() as u64;
        self.inputs
            .extend(skipped.iter().map(InputSummary::of_skipped));
        self.inputs.sort_by(|a, b| a.path.cmp(&b.path));
        let here: HashSet<&str> = self.inputs.iter().map(|i| i.path.as_str()).collect();
        let inputs = before.iter().flat_map(|before| &before.inputs);
        self.missing = inputs
            .filter(|input| input.status != InputStatus::Skipped)
            .filter(|input| !here.contains(input.path.as_str()))
            .map(|input| input.path.clone())
            .collect();
        self.logs.sort_by(|a, b| a.name.cmp(&b.name));
        let worst = self.worst.iter();
        self.worst_incidents = worst
            .map(|(key, incident)| WorstIncident::of(key, incident))
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

impl LogSummary {
    fn of(log: &ScannedLog, incidents: IncidentCounts) -> Option<Self> {
        let records = log.records.as_ref()?;
        let sum = |of: fn(&RecordPart) -> u64| records.parts.iter().map(of).sum();
        let notes: Vec<String> = records.notices.clone();
        Some(Self {
            name: log.source.name(),
            form: log.form.clone(),
            parts: records.parts.len() as u64,
            records: records.records(),
            repeated_records: sum(|part| part.repeated),
            dropped_lines: sum(|part| part.dropped.rows),
            other_lines: sum(|part| part.other),
            mended_records: sum(|part| part.mended),
            far_off_records: records.far_off,
            entities: records.entities.clone(),
            detector: records.detector.clone(),
            rule: records.rule.clone(),
            anomalies: log.anomalies(),
            incidents,
            seconds: log.elapsed.as_secs_f64(),
            outputs: log.outputs.iter().map(|path| names::shown(path)).collect(),
            note: (!notes.is_empty()).then(|| notes.join("; ")),
        })
    }
}

impl InputSummary {
    /// One entry for each input of a log of records.
    fn of_parts(log: &ScannedLog) -> impl Iterator<Item = Self> {
        let parts = log.records.iter().flat_map(|records| &records.parts);
        parts.map(|part| {
            let status = if part.error.is_some() {
                InputStatus::Error
            } else {
                InputStatus::Ok
            };
            Self {
                form: part.error.is_none().then(|| log.form.clone()),
                rows: part.records,
                dropped_rows: part.dropped.rows,
                first_dropped: part.dropped.first.clone(),
                error: part.error.clone(),
                ..Self::empty(part.path.clone(), status)
            }
        })
    }

    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Scanned(log) => Self::of_scanned(log),
            Outcome::Failed {
                source,
                error,
                stale,
            } => {
                let path = match (source, error.path()) {
                    (Some(source), _) => source.name(),
                    (None, Some(path)) => path_text(path),
                    (None, None) => String::new(),
                };
                Self {
                    error: Some(error.reason()),
                    stale: stale.is_some(),
                    as_of: stale.as_ref().map(|stale| iso_text(stale.as_of_us)),
                    outputs: stale
                        .iter()
                        .flat_map(|stale| &stale.outputs)
                        .map(|path| names::shown(path))
                        .collect(),
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
        let status = match log.not_judged() {
            Some(_) => InputStatus::NotJudged,
            None => InputStatus::Ok,
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
            outputs: log.outputs.iter().map(|path| names::shown(path)).collect(),
            note: (!notes.is_empty()).then(|| notes.join("; ")),
            ..Self::empty(log.source.name(), status)
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

/// Now, in microseconds since 1970 UTC.
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(failed: u64, highest_severity: Option<Severity>) -> Summary {
        let mut summary = Summary::new(vec![], &DetectOptions::default(), Severity::Low);
        summary.totals.ok = 3;
        summary.totals.failed = failed;
        summary.highest_severity = highest_severity;
        summary
    }

    #[test]
    fn a_failure_hides_an_incident_unless_exit_codes_are_bits() {
        let code = |failed, severity, codes| {
            summary(failed, severity).exit_code(&ExitRules {
                fail_on: Some(Severity::High),
                fail_on_missing: false,
                codes,
            })
        };
        let (high, low) = (Some(Severity::High), Some(Severity::Low));
        let codes = |codes| {
            [(0, low), (0, high), (1, low), (1, high)]
                .map(|(failed, severity)| code(failed, severity, codes))
        };
        assert_eq!(codes(ExitCodes::Single), [0, 3, 1, 1]);
        assert_eq!(codes(ExitCodes::Bits), [0, 4, 1, 5]);
    }

    #[test]
    fn an_input_that_was_there_last_time_is_missing() {
        let with = |paths: &[(&str, InputStatus)]| {
            let mut summary = summary(0, None);
            let inputs = paths
                .iter()
                .map(|(path, status)| InputSummary::empty((*path).to_owned(), *status));
            summary.inputs = inputs.collect();
            summary
        };
        let before = with(&[
            ("a", InputStatus::Ok),
            ("b", InputStatus::Error),
            ("c", InputStatus::Skipped),
        ]);
        let mut today = with(&[("a", InputStatus::Ok)]);
        today.finish(&[], Some(&before));
        assert_eq!(today.missing, ["b"]);
        let rules = ExitRules {
            fail_on_missing: true,
            ..ExitRules::default()
        };
        assert_eq!(
            (today.exit_code(&rules), today.status),
            (1, RunStatus::Complete)
        );
        assert_eq!(today.exit_code(&ExitRules::default()), 0);
    }
}

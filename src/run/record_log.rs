//! One log of records through all stages: records to series, each series judged, the worst reported.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::records::RecordLog;
use crate::config::Job;
use crate::detect::{self, Incident};
use crate::group::log::{GroupedLog, PartOutcome, group_log};
use crate::group::select::{EntitySeries, Selection, for_each_series};
use crate::input::logs::{Join, log_path};
use crate::input::{Location, Source};
use crate::report::names::Suffixes;
use crate::report::outcome::{
    Entities, Outcome, RecordPart, RecordsRead, ScannedLog, SeriesResult,
};
use crate::report::{Judged, SeriesOutputs, Staging};
use crate::runtime::memory::Memory;
use crate::runtime::panics;
use crate::series::Series;
use crate::state::{SettingsMarks, State};
use crate::support::error::Result;

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;
/// Series that are judged side by side before their results are put in order.
const BATCH: usize = 64;

/// Scans logs of records, one after the other; each on all threads.
pub(super) struct RecordScanner<'a> {
    pub(super) job: &'a Job,
    pub(super) memory: Arc<Memory>,
    pub(super) state: &'a State,
}

/// The place of a log's outputs, for the state and for error texts.
pub(super) fn source_of(log: &RecordLog) -> Source {
    let stem = match log.parts.first() {
        Some(part) => {
            // The stem has lost its extension, by which a name is told from a date.
            let mut path = part.source.output_stem.clone().into_os_string();
            path.push(".log");
            log_path(Path::new(&path), Join::Rotated).with_extension("")
        }
        None => PathBuf::from(&log.name),
    };
    Source {
        location: Location::File(PathBuf::from(&log.name)),
        output_stem: stem,
        is_named: true,
    }
}

/// A series that was judged, with what its outputs are made of.
struct JudgedSeries {
    found: Arc<SeriesResult>,
    series: Series,
}

impl RecordScanner<'_> {
    /// What became of a log; `None` where the run was stopped meanwhile.
    pub(super) fn outcome(&self, log: RecordLog) -> Option<Outcome> {
        let source = source_of(&log);
        match panics::guarded(|| self.scan(log, &source)) {
            Ok(log) => Some(Outcome::Scanned(Box::new(log))),
            Err(_) if self.memory.stop().check().is_err() => None,
            Err(error) => {
                let error = error.at(source.path());
                Some(Outcome::Failed {
                    stale: self.state.stale(source.path()),
                    source: Some(source),
                    error,
                })
            }
        }
    }

    fn scan(&self, log: RecordLog, source: &Source) -> Result<ScannedLog> {
        let start = Instant::now();
        let options = self.job.group();
        let (grouped, parts) = group_log(
            log.name,
            log.parts,
            options,
            self.job.read().max_bytes,
            self.job.workers(),
            &self.memory,
        )?;
        let judged = self.judge(&grouped, source)?;
        let parts = parts.into_iter().map(part_of).collect();
        self.finish(source, log.form, parts, judged, start)
    }

    /// Puts together what was read and found of a log, and gives its outputs their names.
    fn finish(
        &self,
        source: &Source,
        form: String,
        parts: Vec<RecordPart>,
        judged: (Vec<SeriesResult>, Staging, Selection),
        start: Instant,
    ) -> Result<ScannedLog> {
        let detect = self.job.detect_records();
        let (series, staging, selection) = judged;
        let mut records = RecordsRead {
            parts,
            far_off: selection.span.far_off,
            entities: selection
                .entities
                .iter()
                .map(|(by, &(judged, other))| (by.clone(), Entities { judged, other }))
                .collect(),
            detector: detect.detector.name().to_owned(),
            rule: detect.threshold.label(),
            notices: Vec::new(),
        };
        notices(&selection, &series, &mut records);
        let mut scanned = ScannedLog {
            source: source.clone(),
            form,
            dropped: Default::default(),
            bytes: records.parts.iter().map(|part| part.bytes).sum(),
            series,
            outputs: Vec::new(),
            elapsed: Duration::ZERO,
            records: Some(records),
            reused: false,
        };
        for part in scanned.records.iter().flat_map(|records| &records.parts) {
            scanned.dropped.rows += part.dropped.rows;
        }
        self.memory.stop().check()?;
        scanned.elapsed = start.elapsed();
        let marks = SettingsMarks {
            outputs: self.job.settings_fingerprint(),
            judgement: self.job.judgement_fingerprint(),
        };
        let Staging { staged, withheld } = staging;
        scanned.outputs = self
            .state
            .commit(source, marks, None, &scanned, staged, &withheld)?;
        Ok(scanned)
    }

    /// What became of the logs in tables of series, which were summed; `None` of a log where the run was stopped.
    pub(super) fn table_outcomes(
        &self,
        tables: &[Source],
        logs: Vec<GroupedLog>,
    ) -> Vec<(Source, Option<Outcome>)> {
        let mut parts: Vec<RecordPart> = tables
            .iter()
            .map(|table| RecordPart {
                path: table.name(),
                ..RecordPart::default()
            })
            .collect();
        let mut outcomes = Vec::new();
        for log in logs {
            let source = Source {
                location: Location::File(PathBuf::from(&log.name)),
                output_stem: PathBuf::from(safe_stem(&log.name)),
                is_named: true,
            };
            // Tables may hold parts of any of the logs: they are inputs of the first.
            let parts = std::mem::take(&mut parts);
            let outcome = match panics::guarded(|| self.scan_table_log(&log, parts, &source)) {
                Ok(scanned) => Some(Outcome::Scanned(Box::new(scanned))),
                Err(_) if self.memory.stop().check().is_err() => None,
                Err(error) => Some(Outcome::Failed {
                    stale: self.state.stale(source.path()),
                    source: Some(source.clone()),
                    error: error.at(source.path()),
                }),
            };
            outcomes.push((source, outcome));
        }
        outcomes
    }

    fn scan_table_log(
        &self,
        log: &GroupedLog,
        mut parts: Vec<RecordPart>,
        source: &Source,
    ) -> Result<ScannedLog> {
        let start = Instant::now();
        let (series, staging, selection) = self.judge(log, source)?;
        let records: u64 = log.runs().days().values().map(|day| day.records).sum();
        if let Some(part) = parts.first_mut() {
            part.records = records;
        }
        let form = "table of series".to_owned();
        self.finish(source, form, parts, (series, staging, selection), start)
    }

    /// Judges all series of a log, and makes the outputs of the whole and of the worst entities.
    fn judge(
        &self,
        log: &GroupedLog,
        source: &Source,
    ) -> Result<(Vec<SeriesResult>, Staging, Selection)> {
        let options = self.job.group();
        let mut results = Vec::new();
        let mut worst: Vec<JudgedSeries> = Vec::new();
        let mut batch = Vec::new();
        let mut judge_batch = |batch: &mut Vec<EntitySeries>| -> Result<()> {
            let judged: Result<Vec<Option<JudgedSeries>>> = batch
                .par_drain(..)
                .map(|series| self.series(series))
                .collect();
            for judged in judged?.into_iter().flatten() {
                let is_worth_files = judged.found.key.is_total()
                    || judged.found.findings.anomalies.rows() > 0
                    || !judged.found.findings.incidents.is_empty();
                results.push(Arc::clone(&judged.found));
                if is_worth_files {
                    worst.push(judged);
                }
            }
            // The whole and the worst entities, the worst first; equals in the order of their keys.
            worst.sort_by(|a, b| {
                let order = |judged: &JudgedSeries| !judged.found.key.is_total();
                order(a)
                    .cmp(&order(b))
                    .then_with(|| worse(&a.found, &b.found))
            });
            worst.truncate(options.max_graphs + 1);
            Ok(())
        };
        let selection = for_each_series(log, options, |series| {
            batch.push(series);
            if batch.len() == BATCH {
                judge_batch(&mut batch)?;
            }
            Ok(())
        })?;
        judge_batch(&mut batch)?;
        let suffixes = Suffixes::new(&self.job.detect_records().threshold);
        let note = self.job.detect_records().describe();
        let outputs = SeriesOutputs::new(self.job.output(), &suffixes, note);
        let staged: Result<Vec<Staging>> = worst
            .par_iter()
            .map(|judged| {
                let (_, scores) = detect::detect(&judged.series, self.job.detect_records())?;
                let mut staging = Staging::default();
                let judged = Judged {
                    scores: &scores,
                    found: &judged.found,
                };
                outputs.stage(&source.output_stem, &judged, &mut staging)?;
                Ok(staging)
            })
            .collect();
        let mut staging = Staging::default();
        for part in staged? {
            staging.staged.extend(part.staged);
            staging.withheld.extend(part.withheld);
        }
        drop(worst);
        let results = results.into_iter().filter_map(Arc::into_inner).collect();
        Ok((results, staging, selection))
    }

    /// Judges one series; `None` where it has no row.
    fn series(&self, entity: EntitySeries) -> Result<Option<JudgedSeries>> {
        self.memory.stop().check()?;
        if entity.timestamps_us.is_empty() {
            return Ok(None);
        }
        let values: Vec<&[f64]> = entity.values.iter().map(Vec::as_slice).collect();
        let series = Series::from_columns(entity.columns.clone(), &entity.timestamps_us, &values);
        let (mut findings, _) = detect::detect(&series, self.job.detect_records())?;
        // A missing row is one that the exporter lost, or lies in a gap of more than a week: no silence.
        findings.incidents.retain(|incident| incident.rows > 0);
        if let Some(days) = &entity.judged_days {
            findings
                .anomalies
                .retain(|us| days.contains(&us.div_euclid(DAY_US)));
            findings
                .incidents
                .retain(|incident| touches(incident, days));
        }
        // Of entities only what was found is of interest.
        if !entity.key.is_total() {
            findings.notes.clear();
        }
        let found = SeriesResult {
            key: entity.key,
            columns: entity.columns,
            rows: series.rows() as u64,
            findings,
        };
        Ok(Some(JudgedSeries {
            found: Arc::new(found),
            series,
        }))
    }
}

/// A log's name as the stem of its outputs.
fn safe_stem(name: &str) -> String {
    let name = name.strip_suffix(".log").unwrap_or(name);
    let safe = |c: char| {
        if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') {
            c
        } else {
            '_'
        }
    };
    let stem: String = name.chars().map(safe).collect();
    let stem = stem.trim_start_matches(['.', '_']);
    if stem.is_empty() {
        "log".to_owned()
    } else {
        stem.to_owned()
    }
}

/// Whether an incident lies at least in part on one of `days`.
fn touches(incident: &Incident, days: &BTreeSet<i64>) -> bool {
    let first = incident.start_us.div_euclid(DAY_US);
    let last = incident.end_us.div_euclid(DAY_US);
    days.range(first..=last).next().is_some()
}

/// The series with the worse incident first, then that with the higher score.
fn worse(a: &SeriesResult, b: &SeriesResult) -> std::cmp::Ordering {
    let worst = |found: &SeriesResult| {
        let mut incidents: Vec<&Incident> = found.findings.incidents.iter().collect();
        incidents.sort_by(|a, b| Incident::worst_first(a, b));
        incidents.first().map(|incident| (*incident).clone())
    };
    let highest = |found: &SeriesResult| {
        let scores = found.findings.anomalies.scores.iter().copied();
        scores.fold(0.0, f64::max)
    };
    match (worst(a), worst(b)) {
        (Some(a), Some(b)) => Incident::worst_first(&a, &b),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => std::cmp::Ordering::Equal,
    }
    .then_with(|| highest(b).total_cmp(&highest(a)))
    .then_with(|| a.key.cmp(&b.key))
}

fn part_of(part: PartOutcome) -> RecordPart {
    let path = part.source.name();
    match part.report {
        Ok(report) => RecordPart {
            path,
            records: report.records,
            repeated: report.repeated,
            dropped: report.dropped,
            other: report.other,
            mended: report.mended,
            bytes: report.bytes,
            error: None,
        },
        Err(error) => RecordPart {
            path,
            error: Some(error.reason()),
            ..RecordPart::default()
        },
    }
}

/// What the reader of a log's results should know.
fn notices(selection: &Selection, series: &[SeriesResult], records: &mut RecordsRead) {
    let mut told = Vec::new();
    if records.records() == 0 && records.failed() == 0 {
        told.push("there is no record".to_owned());
    } else if series.is_empty() && records.records() > 0 {
        told.push("the records cover too few buckets for any to be judged".to_owned());
    }
    if selection.span.far_off > 0 {
        let far = selection.span.far_off;
        told.push(format!(
            "{far} records lie far from all others in time and were left out"
        ));
    }
    if selection.span.is_scattered {
        told.push(
            "more than 1 in 100 records lie far from the others in time: all were kept".to_owned(),
        );
    }
    let repeated: u64 = records.parts.iter().map(|part| part.repeated).sum();
    if repeated > 0 {
        told.push(format!(
            "{repeated} flows were reported again and counted once"
        ));
    }
    records.notices = told;
}

//! One log through all stages, from its bytes to its outputs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::workers;
use crate::config::Job;
use crate::detect;
use crate::input::Source;
use crate::report::names::Suffixes;
use crate::report::outcome::{Outcome, ScannedLog, SeriesResult};
use crate::report::{Judged, SeriesOutputs, Staging};
use crate::runtime::memory::Memory;
use crate::runtime::panics;
use crate::series::{self, Series, SeriesKey};
use crate::state::{Seen, SettingsMarks, State};
use crate::storage::fingerprint::Fingerprint;
use crate::support::error::Result;

/// What all logs of a run share.
pub(super) struct LogScanner {
    job: Job,
    marks: SettingsMarks,
    outputs: SeriesOutputs,
    memory: Arc<Memory>,
    state: Arc<State>,
    /// Whether there are so many logs that each keeps a thread busy.
    many: bool,
}

/// Rows up to which a series is judged by one thread, where there are logs enough for the others.
const MAX_ROWS_ALONE: usize = 200_000;
/// Logs for each worker from which on there are enough of them.
const MANY_PER_WORKER: usize = 4;

impl LogScanner {
    /// A scanner for a run of `logs` logs.
    pub(super) fn new(job: &Job, logs: usize, memory: Arc<Memory>, state: Arc<State>) -> Self {
        let suffixes = Suffixes::new(&job.detect().threshold);
        Self {
            marks: SettingsMarks {
                outputs: job.settings_fingerprint(),
                judgement: job.judgement_fingerprint(),
            },
            outputs: SeriesOutputs::new(job.output(), &suffixes, job.detect().describe()),
            job: job.clone(),
            memory,
            state,
            many: logs >= MANY_PER_WORKER * job.workers(),
        }
    }

    /// What became of a log; `None` where the run was stopped meanwhile.
    pub(super) fn outcome(&self, source: &Source) -> Option<Outcome> {
        match panics::guarded(|| self.scan(source)) {
            Ok(log) => Some(Outcome::Scanned(Box::new(log))),
            // Whatever the error says: the log may have failed because it is abandoned.
            Err(_) if self.memory.stop().check().is_err() => None,
            Err(error) => Some(Outcome::Failed {
                source: Some(source.clone()),
                error: error.at(source.path()),
                stale: self.state.stale(source.path()),
            }),
        }
    }

    /// Reads, judges and reports one log; its outputs appear all or, on an error, not at all. Where the job says
    /// so, and an earlier run did just this, nothing is done again.
    fn scan(&self, source: &Source) -> Result<ScannedLog> {
        if self.job.resume()
            && let Some(log) = self.recall(source)
        {
            return Ok(log);
        }
        let start = Instant::now();
        let seen = Seen::of(source);
        let read = series::read(source, self.job.read(), &self.memory)?;

        // Everything is written before anything gets its final name: a log that fails leaves nothing.
        let mut staging = Staging::default();
        let key = SeriesKey::total(source.name());
        let series = &read.series;
        let judge = || self.series(source, key, series, &mut staging);
        let mut found = if self.many && series.rows() <= MAX_ROWS_ALONE {
            workers::on_this_thread(judge)?
        } else {
            judge()?
        };
        found.findings.notes.splice(0..0, read.report.notes);
        let mut log = ScannedLog {
            source: source.clone(),
            form: read.report.form,
            dropped: read.report.dropped,
            bytes: read.report.bytes,
            series: vec![found],
            outputs: Vec::new(),
            elapsed: Duration::ZERO,
            records: None,
            reused: false,
        };
        self.memory.stop().check()?;
        let input = seen.zip(self.content(source, seen, read.report.content)?);
        log.elapsed = start.elapsed();
        log.outputs = self.commit(&log, input, staging)?;
        Ok(log)
    }

    /// Judges one series of a log and writes its outputs, which wait for their names in `staging`.
    fn series(
        &self,
        source: &Source,
        key: SeriesKey,
        series: &Series,
        staging: &mut Staging,
    ) -> Result<SeriesResult> {
        let (findings, scores) = detect::detect(series, self.job.detect())?;
        let found = SeriesResult {
            key,
            columns: series.columns().to_vec(),
            rows: series.rows() as u64,
            findings,
        };
        let judged = Judged {
            scores: &scores,
            found: &found,
        };
        self.outputs.stage(&source.output_stem, &judged, staging)?;
        Ok(found)
    }

    fn recall(&self, source: &Source) -> Option<ScannedLog> {
        let stop = self.memory.stop();
        let recalled = self.state.recall::<ScannedLog>(source, self.marks, stop)?;
        Some(ScannedLog {
            source: source.clone(),
            outputs: recalled.outputs,
            reused: true,
            ..recalled.found
        })
    }

    /// What the log held: as it was read, or read once more where it was not read from end to end.
    fn content(
        &self,
        source: &Source,
        seen: Option<Seen>,
        read: Option<Fingerprint>,
    ) -> Result<Option<Fingerprint>> {
        match (seen, read) {
            (Some(_), None) => Fingerprint::of_file(source.path(), self.memory.stop()).map(Some),
            (_, read) => Ok(read),
        }
    }

    fn commit(
        &self,
        log: &ScannedLog,
        input: Option<(Seen, Fingerprint)>,
        staging: Staging,
    ) -> Result<Vec<PathBuf>> {
        let Staging { staged, withheld } = staging;
        self.state
            .commit(&log.source, self.marks, input, log, staged, &withheld)
    }
}

//! A scan from end to end: for each log, for each series of it, detect and hand to the sinks.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::log::LogScanner;
use super::progress::Progress;
use super::record_log::{self, RecordScanner};
use super::records::{self, RecordLog};
use super::workers;
use crate::config::Job;
use crate::group::log::GroupedLog;
use crate::group::select::judged_columns;
use crate::group::table::read::read_tables;
use crate::input::discover;
use crate::input::{Location, Source};
use crate::report::names::{self, Suffixes};
use crate::report::outcome::Outcome;
use crate::report::own_files::WrittenByIsoscan;
use crate::report::summary::Summary;
use crate::report::{self, OutputOptions, RunInfo};
use crate::runtime::cancel::CancelToken;
use crate::runtime::memory::Memory;
use crate::state::State;
use crate::storage::atomic;
use crate::support::error::{Error, ErrorKind, Result};

/// Scans what `job` names, and writes graphs, tables and `summary.json`; returns the summary.
///
/// A log that fails costs only itself: it is in the summary with its reason. Where `stop` is set, the
/// logs in work are abandoned, and the outputs tell of those that were finished before.
///
/// # Errors
/// Where nothing matches, another scan writes into the same folder, or the
/// run's own outputs cannot be written; [`ErrorKind::Interrupted`] where it was stopped before it began.
pub fn scan(
    job: &Job,
    arguments: Vec<String>,
    progress: &dyn Progress,
    stop: &CancelToken,
) -> Result<Summary> {
    let start = Instant::now();
    let options = job.output();
    let folder = &options.folder;
    let mut found =
        discover::discover(job.inputs(), job.search(), folder, &WrittenByIsoscan, stop)?;
    let sources = with_base_name(found.sources, options)?;
    refuse_overwriting(&sources, job)?;
    let mut sorted = records::sort(sources, job);
    let damaged = std::mem::take(&mut sorted.failed);
    sorted.series.sort();
    found.skipped.append(&mut sorted.skipped);
    let sources = Arc::new(sorted.series);
    let stop = stop.for_one_run();
    let memory = Arc::new(Memory::new(job.row_memory(), folder).stopped_by(&stop));
    atomic::prepare_folder(folder)?;
    let state = Arc::new(State::open(folder, job.prune())?);
    let paths: Vec<&Path> = sorted.tables.iter().map(Source::path).collect();
    let table_logs = match read_tables(&paths, &memory) {
        Ok(logs) => logs,
        Err(error) => {
            // Tables are summed: what is wrong with one is wrong with their sum.
            found.failed.push(error);
            Vec::new()
        }
    };
    let mut sinks = report::sinks(&RunInfo {
        folder,
        columns: &value_columns(job, &sources, &sorted.logs, &table_logs),
        has_entities: !sorted.logs.is_empty() || !table_logs.is_empty(),
        min_severity: options.min_severity,
        csv_safe: options.csv_safe,
    })?;
    let mut summary = Summary::new(arguments, job.detect(), options.min_severity);
    let mut outputs: Vec<PathBuf> = Vec::new();

    progress.started((sources.len() + sorted.logs.len() + found.failed.len()) as u64);
    let mut take = |outcome: Outcome| {
        if let Outcome::Scanned(log) = &outcome {
            for series in &log.series {
                sinks.iter_mut().try_for_each(|sink| sink.series(series))?;
            }
            if !log.reused {
                outputs.extend(log.outputs.iter().cloned());
            }
        }
        summary.add(&outcome);
        progress.source_ended(&outcome);
        Ok(())
    };
    let mut unopened = Vec::new();
    for error in found.failed {
        unopened.extend(error.path().map(Path::to_path_buf));
        take(Outcome::Failed {
            source: None,
            stale: error.path().and_then(|path| state.stale(path)),
            error,
        })?;
    }
    for (source, error) in damaged {
        take(Outcome::Failed {
            stale: state.stale(source.path()),
            source: Some(source),
            error,
        })?;
    }
    let mut left: Vec<String> = Vec::new();
    let mut known: Vec<Source> = sources.to_vec();
    let records = RecordScanner {
        job,
        memory: Arc::clone(&memory),
        state: &state,
    };
    for log in sorted.logs {
        known.push(record_log::source_of(&log));
        let parts: Vec<String> = log.parts.iter().map(|part| part.source.name()).collect();
        match records.outcome(log) {
            Some(outcome) => take(outcome)?,
            None => left.extend(parts),
        }
    }
    for (source, outcome) in records.table_outcomes(&sorted.tables, table_logs) {
        match outcome {
            Some(outcome) => take(outcome)?,
            None => left.push(source.name()),
        }
        known.push(source);
    }
    let scanner = LogScanner::new(job, sources.len(), memory, Arc::clone(&state));
    let logs = Arc::clone(&sources);
    let work = move |number: usize| scanner.outcome(&logs[number]);
    let unfinished = workers::in_order(sources.len(), job.workers(), &stop, work, take);
    progress.ended();

    left.extend(unfinished?.iter().map(|&number| sources[number].name()));
    if left.is_empty() {
        state.prune(&known, &unopened)?;
    } else {
        summary.interrupt(left.iter().cloned());
    }
    let tables = names::TABLES.map(|name| folder.join(name));
    summary.stale = summary.totals.ok == 0 || !left.is_empty();
    if summary.stale && tables.iter().all(|table| table.exists()) {
        // The tables of the last good run stay until there are others to put in their place.
        summary
            .outputs
            .extend(tables.iter().map(|path| names::shown(path)));
    } else {
        summary.stale = false;
        for sink in sinks {
            for path in sink.finish()? {
                summary.outputs.push(names::shown(&path));
                outputs.push(path);
            }
        }
    }
    summary.finish(&found.skipped, Summary::read(folder).as_ref());
    summary.seconds = start.elapsed().as_secs_f64();
    outputs.push(summary.write(folder)?);
    atomic::sync_names(folder, outputs.iter().map(PathBuf::as_path))?;
    Ok(summary)
}

/// The value columns of all series of a run: those of series files, then the measures of record logs.
fn value_columns(
    job: &Job,
    series: &[Source],
    logs: &[RecordLog],
    tables: &[GroupedLog],
) -> Vec<String> {
    let mut columns = Vec::new();
    if !series.is_empty() || (logs.is_empty() && tables.is_empty()) {
        columns.extend(job.read().value_columns.iter().cloned());
    }
    let of_logs = logs.iter().flat_map(|log| log.judged_columns(job.group()));
    let of_tables = tables
        .iter()
        .flat_map(|log| judged_columns(log, job.group()));
    for name in of_logs.chain(of_tables) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    columns
}

/// Refuses inputs that the outputs would be written over.
fn refuse_overwriting(sources: &[Source], job: &Job) -> Result<()> {
    let Ok(folder) = fs::canonicalize(&job.output().folder) else {
        // A folder that is not there yet holds no input.
        return Ok(());
    };
    let inside: Vec<(&Path, PathBuf)> = sources
        .iter()
        .filter_map(|source| match &source.location {
            Location::File(path) => {
                let place = fs::canonicalize(path).ok()?;
                let below = place.strip_prefix(&folder).ok()?.to_path_buf();
                Some((path.as_path(), below))
            }
            Location::StandardInput => None,
        })
        .collect();
    if inside.is_empty() {
        return Ok(());
    }
    let suffixes = Suffixes::new(&job.detect().threshold).all();
    let of_sources = sources.iter().flat_map(|source| {
        let stem = &source.output_stem;
        suffixes.iter().map(|suffix| names::output(stem, suffix))
    });
    let of_run = names::OF_A_RUN.iter().map(PathBuf::from);
    let written: HashSet<PathBuf> = of_sources.chain(of_run).collect();
    match inside.iter().find(|(_, below)| written.contains(below)) {
        Some((path, _)) => Err(Error::new(
            ErrorKind::Setting,
            "an output of this scan would be written over this input: choose another folder with --out-dir",
        )
        .at(path)),
        None => Ok(()),
    }
}

/// The sources, the outputs of a single one named as the user asked.
pub(super) fn with_base_name(
    mut sources: Vec<Source>,
    options: &OutputOptions,
) -> Result<Vec<Source>> {
    if let Some(name) = &options.base_name {
        match sources.as_mut_slice() {
            [one] => one.output_stem = PathBuf::from(name),
            several => {
                return Err(Error::new(
                    ErrorKind::Setting,
                    format!(
                        "--output {name} names the outputs of one input, and there are {}",
                        several.len()
                    ),
                ));
            }
        }
    }
    Ok(sources)
}

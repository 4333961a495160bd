//! The run: every source through ingest, detection and report, side by side, results in source order.
//!
//! Plain worker threads carry one source each through all stages. They may wait for polars; the
//! arithmetic in between runs on rayon's threads, which never do. One collector, on the caller's
//! thread, puts the results back into source order and writes what belongs to the run as a whole.

pub(crate) mod source;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::detect::Incident;
use crate::discover::{self, Discovered, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest;
use crate::memory::Memory;
use crate::outcome::Outcome;
use crate::plan::{OutputOptions, Plan};
use crate::progress::Progress;
use crate::report::atomic;
use crate::report::summary::Summary;
use crate::report::table::{AnomalyTable, IncidentTable};

/// Scans what `plan` names, and writes graphs, tables and `summary.json`; returns the summary.
///
/// A source that fails costs only itself: it is in the summary with its reason.
///
/// # Errors
/// Where the plan contradicts itself, nothing matches, or the run's own outputs cannot be written.
pub fn scan(plan: &Plan, arguments: Vec<String>, progress: &dyn Progress) -> Result<Summary> {
    let start = Instant::now();
    plan.check()?;
    let found = discover::discover(&plan.inputs, &plan.outputs.folder)?;
    let sources = with_base_name(found.sources, &plan.outputs)?;
    atomic::prepare_folder(&plan.outputs.folder)?;
    let OutputOptions {
        folder, csv_safe, ..
    } = &plan.outputs;
    let columns = &plan.ingest.value_columns;
    let mut anomalies = AnomalyTable::create(folder, columns, *csv_safe)?;
    let mut incidents = IncidentTable::create(folder, columns, *csv_safe)?;
    let mut summary = Summary::new(arguments, plan);
    progress.started((sources.len() + found.failed.len()) as u64);
    for error in found.failed {
        let outcome = Outcome::Failed {
            source: None,
            error,
        };
        summary.add(&outcome);
        progress.source_ended(&outcome);
    }
    let memory = Arc::new(Memory::new(plan.row_memory(), &plan.outputs.folder));
    in_source_order(&sources, plan, &memory, |outcome| {
        if let Outcome::Done(done) = &outcome {
            let (name, threshold) = (done.source.name(), done.threshold);
            anomalies.push(&name, &done.anomalies, &done.usual, threshold)?;
            let reported: Vec<&Incident> = done.reported(plan.outputs.min_severity).collect();
            incidents.push(&name, &reported, threshold)?;
        }
        summary.add(&outcome);
        progress.source_ended(&outcome);
        Ok(())
    })?;
    progress.ended();
    for path in [anomalies.finish()?, incidents.finish()?].concat() {
        summary.outputs.push(path.to_string_lossy().into_owned());
    }
    summary.finish(&found.skipped);
    summary.seconds = start.elapsed().as_secs_f64();
    summary.write(&plan.outputs.folder)?;
    Ok(summary)
}

/// One line for each source that a scan would read: its path and recognised form, or what is wrong.
/// Reads no more than the head of each.
#[derive(Debug)]
pub struct Preview {
    /// Path of each source, with its form in words.
    pub sources: Vec<(Source, Result<String>)>,
    /// What discovery met besides.
    pub found: Discovered,
}

/// Finds the sources of `plan` and recognises their forms, without scanning or writing anything.
///
/// # Errors
/// Where the plan contradicts itself or nothing matches.
pub fn preview(plan: &Plan) -> Result<Preview> {
    plan.check()?;
    let mut found = discover::discover(&plan.inputs, &plan.outputs.folder)?;
    let sources = with_base_name(std::mem::take(&mut found.sources), &plan.outputs)?;
    let sources = sources
        .into_iter()
        .map(|source| {
            let form = ingest::recognise(&source, &plan.ingest);
            (source, form)
        })
        .collect();
    Ok(Preview { sources, found })
}

fn with_base_name(mut sources: Vec<Source>, outputs: &OutputOptions) -> Result<Vec<Source>> {
    if let Some(name) = &outputs.base_name {
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

/// Scans all sources on worker threads and hands each outcome to `take`, in the order of `sources`.
fn in_source_order(
    sources: &[Source],
    plan: &Plan,
    memory: &Arc<Memory>,
    mut take: impl FnMut(Outcome) -> Result<()>,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let workers = plan.workers.clamp(1, sources.len().max(1));
    std::thread::scope(|scope| {
        // Made in here, so that an early return drops the receiver before the workers are waited for.
        let (send, receive) = crossbeam_channel::bounded(2 * workers);
        for _ in 0..workers {
            let (send, next) = (send.clone(), &next);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(source) = sources.get(number) else {
                        return;
                    };
                    // The collector is gone only where the run has failed as a whole.
                    if send.send((number, guarded(source, plan, memory))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut early = BTreeMap::new();
        let mut wanted = 0;
        for (number, outcome) in receive {
            early.insert(number, outcome);
            while let Some(outcome) = early.remove(&wanted) {
                wanted += 1;
                take(outcome)?;
            }
        }
        Ok(())
    })
}

/// Scans one source; a panic below it costs this source alone.
fn guarded(source: &Source, plan: &Plan, memory: &Arc<Memory>) -> Outcome {
    let result = catch_unwind(AssertUnwindSafe(|| source::scan(source, plan, memory)));
    let failed = |error: Error| Outcome::Failed {
        source: Some(source.clone()),
        error: error.at(source.path()),
    };
    match result {
        Ok(Ok(done)) => Outcome::Done(Box::new(done)),
        Ok(Err(error)) => failed(error),
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            failed(Error::new(
                ErrorKind::Internal,
                format!("internal error: {text}"),
            ))
        }
    }
}

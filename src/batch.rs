//! The run: every source through ingest, detection and report, side by side, results in source order.
//!
//! Plain worker threads carry one source each through all stages. They may wait for polars; the
//! arithmetic in between runs on rayon's threads, which never do. One collector, on the caller's
//! thread, puts the results back into source order and writes what belongs to the run as a whole.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::detect::{self, Anomalies, Findings};
use crate::discover::{self, Discovered, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest;
use crate::memory::Memory;
use crate::outcome::{Done, Outcome};
use crate::plan::{Graphs, OutputOptions, Plan};
use crate::progress::Progress;
use crate::report::atomic::{self, Staged};
use crate::report::graph::{self, Format as GraphFormat, GraphSpec, Panel, Trace};
use crate::report::summary::Summary;
use crate::report::table::{self, CombinedTable, ScoresFormat};
use crate::series::Series;

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
    let mut combined = CombinedTable::create(
        &plan.outputs.folder,
        &plan.ingest.value_columns,
        plan.outputs.csv_safe,
    )?;
    let mut summary = Summary::new(arguments, plan.detect.forest.seed());
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
            combined.push(
                &done.source.name(),
                &done.anomalies,
                &done.medians,
                done.threshold,
            )?;
        }
        summary.add(&outcome);
        progress.source_ended(&outcome);
        Ok(())
    })?;
    progress.ended();
    for path in combined.finish()? {
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
    let (send, receive) = crossbeam_channel::bounded(2 * workers);
    std::thread::scope(|scope| {
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
        let mut result = Ok(());
        for (number, outcome) in &receive {
            early.insert(number, outcome);
            while let Some(outcome) = early.remove(&wanted) {
                wanted += 1;
                result = take(outcome);
                if result.is_err() {
                    next.store(sources.len(), Ordering::Relaxed);
                    break;
                }
            }
            if result.is_err() {
                break;
            }
        }
        drop(receive);
        result
    })
}

/// Scans one source; a panic below it costs this source alone.
fn guarded(source: &Source, plan: &Plan, memory: &Arc<Memory>) -> Outcome {
    let result = catch_unwind(AssertUnwindSafe(|| scan_source(source, plan, memory)));
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

fn scan_source(source: &Source, plan: &Plan, memory: &Arc<Memory>) -> Result<Done> {
    let start = Instant::now();
    let ingested = ingest::read(source, &plan.ingest, memory)?;
    let series = &ingested.series;
    let findings = detect::detect(series, &plan.detect)?;
    let wants_graph = match plan.outputs.graphs {
        Graphs::All => true,
        Graphs::Anomalous => findings.anomalies > 0,
        Graphs::None => false,
    };
    let (anomalies, traces) = examine(series, &findings, wants_graph)?;

    // Everything is written before anything gets its final name: a source that fails leaves nothing.
    let mut staged: Vec<Staged> = Vec::new();
    let place = |ending: &str| {
        let mut name = source.output_stem.clone().into_os_string();
        name.push(ending);
        plan.outputs.folder.join(name)
    };
    let label = plan.rule_label();
    staged.push(atomic::stage(
        &place(&format!("_graph_anomalies_{label}.csv")),
        |file| {
            table::write_anomalies_csv(file, series.columns(), &anomalies, plan.outputs.csv_safe)
        },
    )?);
    if let Some(format) = plan.outputs.scores {
        let target = place(match format {
            ScoresFormat::Csv => "_scores.csv",
            ScoresFormat::Parquet => "_scores.parquet",
        });
        staged.push(table::stage_scores(&target, format, series, &findings)?);
    }
    if wants_graph {
        let ending = match plan.outputs.graph_format {
            GraphFormat::Png => "png",
            GraphFormat::Svg => "svg",
        };
        let target = place(&format!("_graph_{label}.{ending}"));
        staged.push(stage_graph(
            &target, source, plan, series, &anomalies, &traces,
        )?);
    }
    let outputs = staged
        .into_iter()
        .map(Staged::commit)
        .collect::<Result<_>>()?;
    Ok(Done {
        source: source.clone(),
        form: ingested.form,
        rows: series.rows() as u64,
        dropped: ingested.dropped,
        bytes: ingested.bytes,
        threshold: findings.threshold,
        expected: findings.expected,
        medians: findings
            .centres
            .iter()
            .map(|centre| centre.median)
            .collect(),
        anomalies,
        note: findings.note.map(|note| note.text().to_owned()),
        outputs,
        elapsed: start.elapsed(),
    })
}

/// Walks the series once for its anomalies and, where a graph is wanted, a trace of each column.
fn examine(series: &Series, findings: &Findings, wants_graph: bool) -> Result<(Anomalies, Vec<Trace>)> {
    let columns = series.columns().len();
    let (first_us, last_us) = series.span_us().unwrap_or_default();
    let fresh = || -> Vec<Trace> {
        let traced = if wants_graph { columns } else { 0 };
        (0..traced).map(|_| Trace::new(first_us, last_us)).collect()
    };
    let parts = series.fold(
        || (Anomalies::with_columns(columns), fresh(), Vec::new()),
        |(anomalies, traces, times), number, chunk| {
            anomalies.append(findings.anomalies_of(number, chunk)?);
            if wants_graph {
                chunk.timestamps_us(times);
            }
            for (column, trace) in traces.iter_mut().enumerate() {
                trace.push(times, chunk.values(column));
            }
            Ok(())
        },
    )?;
    let mut all = Anomalies::with_columns(columns);
    let mut whole = fresh();
    for (anomalies, traces, _) in parts {
        all.append(anomalies);
        for (whole, part) in whole.iter_mut().zip(traces) {
            whole.merge(part);
        }
    }
    Ok((all, whole))
}

fn stage_graph(
    target: &Path,
    source: &Source,
    plan: &Plan,
    series: &Series,
    anomalies: &Anomalies,
    traces: &[Trace],
) -> Result<Staged> {
    let points: Vec<Vec<(i64, f64)>> = anomalies
        .values
        .iter()
        .map(|values| {
            let times = anomalies.timestamps_us.iter().copied();
            times.zip(values.iter().copied()).collect()
        })
        .collect();
    let panels: Vec<Panel<'_>> = series
        .columns()
        .iter()
        .zip(traces)
        .zip(&points)
        .map(|((name, trace), anomalies)| Panel {
            name,
            trace,
            anomalies,
        })
        .collect();
    let picture = graph::draw(&GraphSpec {
        title: &source.name(),
        note: &plan.rule_text(),
        panels: &panels,
        bands: &[],
        format: plan.outputs.graph_format,
        y_scale: plan.outputs.y_scale,
    })?;
    atomic::stage(target, |file| std::io::Write::write_all(file, &picture))
}

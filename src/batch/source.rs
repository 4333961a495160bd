//! One source through all stages, from its bytes to its outputs.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use crate::detect::{self, Anomalies, Findings};
use crate::discover::Source;
use crate::error::Result;
use crate::ingest;
use crate::memory::Memory;
use crate::outcome::Done;
use crate::plan::{Graphs, Plan};
use crate::report::atomic::{self, Staged};
use crate::report::graph::{self, Format as GraphFormat, GraphSpec, Panel, Trace};
use crate::report::table::{self, ScoresFormat};
use crate::series::Series;

/// Reads, judges and reports one source; its outputs appear all or, on an error, not at all.
///
/// # Errors
/// Those of [`ingest::read`] and [`detect::detect`], and of writing the outputs.
pub(super) fn scan(source: &Source, plan: &Plan, memory: &Arc<Memory>) -> Result<Done> {
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
        let picture = picture(&source.name(), plan, series, &anomalies, &traces)?;
        staged.push(atomic::stage(&target, |file| file.write_all(&picture))?);
    }
    let outputs = atomic::commit_all(staged)?;
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
///
/// # Errors
/// Those of [`Series::read`].
pub(crate) fn examine(
    series: &Series,
    findings: &Findings,
    wants_graph: bool,
) -> Result<(Anomalies, Vec<Trace>)> {
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
    let mut parts = parts.into_iter();
    let (mut all, mut whole, _) = parts
        .next()
        .unwrap_or_else(|| (Anomalies::with_columns(columns), fresh(), Vec::new()));
    for (anomalies, traces, _) in parts {
        all.append(anomalies);
        for (whole, part) in whole.iter_mut().zip(traces) {
            whole.merge(part);
        }
    }
    Ok((all, whole))
}

/// The bytes of the graph of one source.
///
/// # Errors
/// Those of [`graph::draw`].
pub(crate) fn picture(
    title: &str,
    plan: &Plan,
    series: &Series,
    anomalies: &Anomalies,
    traces: &[Trace],
) -> Result<Vec<u8>> {
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
    graph::draw(&GraphSpec {
        title,
        note: &plan.rule_text(),
        panels: &panels,
        bands: &[],
        format: plan.outputs.graph_format,
        y_scale: plan.outputs.y_scale,
    })
}

//! One source through all stages, from its bytes to its outputs.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use crate::detect::{self, Anomalies, Findings, Incident, Severity};
use crate::discover::Source;
use crate::error::Result;
use crate::ingest;
use crate::memory::Memory;
use crate::outcome::Done;
use crate::plan::{Graphs, Plan};
use crate::report::atomic::{self, Staged};
use crate::report::graph::{self, Band, Format as GraphFormat, GraphSpec, Panel, Trace};
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
        Graphs::Anomalous => findings.anomalies > 0 || findings.has_gaps(),
        Graphs::None => false,
    };
    let found = examine(series, &findings, wants_graph)?;

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
            table::write_anomalies_csv(
                file,
                series.columns(),
                &found.anomalies,
                plan.outputs.csv_safe,
            )
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
        let picture = picture(&source.name(), plan, series, &found)?;
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
        usual: findings.usual,
        anomalies: found.anomalies,
        incidents: found.incidents,
        notes: findings.notes,
        outputs,
        elapsed: start.elapsed(),
    })
}

/// What a walk over a judged series gave.
pub(crate) struct Examined {
    pub(crate) anomalies: Anomalies,
    pub(crate) incidents: Vec<Incident>,
    /// What is drawn of each column; none where no graph is wanted.
    pub(crate) traces: Vec<Trace>,
}

/// Walks the series once for its anomalies and incidents and, where a graph is wanted, a trace of each
/// column.
///
/// # Errors
/// Those of [`Series::read`].
pub(crate) fn examine(series: &Series, findings: &Findings, wants_graph: bool) -> Result<Examined> {
    let (first_us, last_us) = series.span_us().unwrap_or_default();
    let traced = match wants_graph {
        true => series.columns().len(),
        false => 0,
    };
    let fresh = || -> Vec<Trace> { (0..traced).map(|_| Trace::new(first_us, last_us)).collect() };
    let stretches = series.fold(
        || (findings.unexamined(), fresh(), Vec::new()),
        |(examined, traces, times), number, chunk| {
            findings.examine(examined, series, number, chunk)?;
            if wants_graph {
                chunk.timestamps_us(times);
            }
            for (column, trace) in traces.iter_mut().enumerate() {
                trace.push(times, chunk.values(column));
            }
            Ok(())
        },
    )?;
    let mut traces = fresh();
    let stretches = stretches.into_iter().map(|(examined, part, _)| {
        for (whole, part) in traces.iter_mut().zip(part) {
            whole.merge(part);
        }
        examined
    });
    let (anomalies, incidents) = findings.conclude(stretches);
    Ok(Examined {
        anomalies,
        incidents,
        traces,
    })
}

/// Incidents that are shaded in a graph, and those of them that are named: the worst.
const SHADED: usize = 500;
const NAMED: usize = 8;

/// The worst of the incidents that are reported, as bands of a graph.
fn bands<'a>(
    incidents: &[Incident],
    least: Severity,
    labels: &'a mut Vec<String>,
) -> Vec<Band<'a>> {
    let mut worst: Vec<&Incident> = incidents.iter().filter(|i| i.severity >= least).collect();
    worst.sort_by(|a, b| Incident::worst_first(a, b));
    worst.truncate(SHADED);
    labels.extend(
        worst
            .iter()
            .enumerate()
            .map(|(place, incident)| match place < NAMED {
                true => format!("{} {}", incident.severity, incident.kind.name()),
                false => String::new(),
            }),
    );
    worst
        .iter()
        .zip(labels)
        .map(|(incident, label)| Band {
            start_us: incident.start_us,
            end_us: incident.end_us,
            label,
            alarm: f32::from(incident.severity as u8) / f32::from(Severity::Critical as u8),
        })
        .collect()
}

/// The bytes of the graph of one source.
///
/// # Errors
/// Those of [`graph::draw`].
pub(crate) fn picture(
    title: &str,
    plan: &Plan,
    series: &Series,
    found: &Examined,
) -> Result<Vec<u8>> {
    let anomalies = &found.anomalies;
    let mut labels = Vec::new();
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
        .zip(&found.traces)
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
        bands: &bands(&found.incidents, plan.outputs.min_severity, &mut labels),
        format: plan.outputs.graph_format,
        y_scale: plan.outputs.y_scale,
    })
}

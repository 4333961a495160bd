//! The graph of a series: a walk over its rows for what is drawn, and the picture.

use std::io::Write;
use std::path::Path;

use super::chart::{self, Band, GraphFormat, GraphSpec, Panel, Trace, YScale};
use super::names::Suffixes;
use super::outcome::SeriesResult;
use super::{Graphs, Judged, OutputOptions, SeriesOutput};
use crate::detect::{Incident, Severity};
use crate::series::Series;
use crate::storage::atomic::{self, Staged};
use crate::support::error::Result;

/// Incidents that are shaded: the worst.
const MAX_SHADED: usize = 500;
/// Incidents that are named: the worst of those.
const MAX_NAMED: usize = 8;

/// Draws series.
#[derive(Debug, Clone)]
pub struct Graph {
    only_anomalous: bool,
    format: GraphFormat,
    y_scale: YScale,
    min_severity: Severity,
    suffixes: Suffixes,
    note: String,
}

impl Graph {
    /// Graphs as `options` ask for them, with `note` in the legend.
    pub fn new(options: &OutputOptions, suffixes: &Suffixes, note: String) -> Self {
        Self {
            only_anomalous: options.graphs == Graphs::Anomalous,
            format: options.graph_format,
            y_scale: options.y_scale,
            min_severity: options.min_severity,
            suffixes: suffixes.clone(),
            note,
        }
    }

    /// The bytes of the graph of one series, with the traces of its columns.
    ///
    /// # Errors
    /// Those of [`chart::draw`].
    pub fn draw(&self, found: &SeriesResult, traces: &[Trace]) -> Result<Vec<u8>> {
        let anomalies = &found.findings.anomalies;
        let points: Vec<Vec<(i64, f64)>> = anomalies
            .values
            .iter()
            .map(|values| {
                let times = anomalies.timestamps_us.iter().copied();
                times.zip(values.iter().copied()).collect()
            })
            .collect();
        let panels: Vec<Panel<'_>> = found
            .columns
            .iter()
            .zip(traces)
            .zip(&points)
            .map(|((name, trace), anomalies)| Panel {
                name,
                trace,
                anomalies,
            })
            .collect();
        let mut labels = Vec::new();
        chart::draw(&GraphSpec {
            title: &title(found),
            note: &self.note,
            panels: &panels,
            bands: &bands(&found.findings.incidents, self.min_severity, &mut labels),
            format: self.format,
            y_scale: self.y_scale,
        })
    }
}

impl SeriesOutput for Graph {
    fn suffix(&self) -> String {
        self.suffixes.graph(self.format)
    }

    fn rivals(&self) -> Vec<String> {
        self.suffixes.graphs()
    }

    fn stage(&self, target: &Path, judged: &Judged<'_>) -> Result<Option<Staged>> {
        let found = judged.found;
        if self.only_anomalous && found.findings.incidents.is_empty() {
            return Ok(None);
        }
        let picture = self.draw(found, &traces(judged.scores.series())?)?;
        atomic::stage(target, |file| file.write_all(&picture)).map(Some)
    }
}

/// Walks a series for a trace of each of its columns.
///
/// # Errors
/// Those of [`Series::read`].
pub fn traces(series: &Series) -> Result<Vec<Trace>> {
    let (first_us, last_us) = series.span_us().unwrap_or_default();
    let columns = 0..series.columns().len();
    let fresh = || -> Vec<Trace> {
        let columns = columns.clone();
        columns.map(|_| Trace::new(first_us, last_us)).collect()
    };
    let stretches = series.fold(
        || (fresh(), Vec::new()),
        |(traces, times), _, chunk| {
            chunk.timestamps_us(times);
            for (column, trace) in traces.iter_mut().enumerate() {
                trace.push(times, chunk.values(column));
            }
            Ok(())
        },
    )?;
    let mut traces = fresh();
    for (stretch, _) in stretches {
        for (whole, part) in traces.iter_mut().zip(stretch) {
            whole.merge(part);
        }
    }
    Ok(traces)
}

/// `conn.log`, or `conn.log: src 10.0.0.7`.
fn title(found: &SeriesResult) -> String {
    let key = &found.key;
    if key.is_total() {
        key.log.clone()
    } else {
        format!("{}: {} {}", key.log, key.by, key.entity)
    }
}

/// The worst of the incidents that are reported, as bands of a graph.
fn bands<'a>(
    incidents: &[Incident],
    min_severity: Severity,
    labels: &'a mut Vec<String>,
) -> Vec<Band<'a>> {
    let reported = incidents.iter().filter(|i| i.severity >= min_severity);
    let mut worst: Vec<&Incident> = reported.collect();
    worst.sort_by(|a, b| Incident::worst_first(a, b));
    worst.truncate(MAX_SHADED);
    labels.extend(worst.iter().enumerate().map(|(place, incident)| {
        if place < MAX_NAMED {
            format!("{} {}", incident.severity, incident.kind.name())
        } else {
            String::new()
        }
    }));
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

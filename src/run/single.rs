//! One source through all stages, from its bytes to its outputs.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use crate::config::Job;
use crate::detect::{self, Findings, Incident, Severity};
use crate::format::Fingerprint;
use crate::input::Source;
use crate::report::Graphs;
use crate::report::chart::{self, Band, GraphFormat, GraphSpec, Panel, Trace};
use crate::report::tables::{self, ScoresFormat};
use crate::runtime::memory::Memory;
use crate::series::{self, Series};
use crate::state::outcome::Done;
use crate::state::{Made, Seen, State, with_ending};
use crate::storage::atomic;
use crate::support::error::Result;

/// Reads, judges and reports one source; its outputs appear all or, on an error, not at all. Where the job
/// says so, and an earlier run did just this, nothing is done again.
///
/// # Errors
/// Those of [`series::read`] and [`detect::detect`], and of writing the outputs.
pub(super) fn scan(
    source: &Source,
    job: &Job,
    memory: &Arc<Memory>,
    state: &State,
) -> Result<Done> {
    if job.resume()
        && let Some(done) = state.recall(source, job, memory.stop())
    {
        return Ok(done);
    }
    let start = Instant::now();
    let seen = Seen::of(source);
    let ingested = series::read(source, job.read(), memory)?;
    let series = &ingested.series;
    let (findings, scores) = detect::detect(series, job.detect())?;
    let graph = match job.output().graphs {
        Graphs::All => true,
        Graphs::Anomalous => !findings.incidents.is_empty(),
        Graphs::None => false,
    };

    // Everything is written before anything gets its final name: a source that fails leaves nothing.
    let mut made: Vec<Made> = Vec::new();
    let place = |ending: &str| {
        let folder = &job.output().folder;
        folder.join(with_ending(&source.output_stem, ending))
    };
    let ending = anomalies_ending(job);
    let csv_safe = job.output().csv_safe;
    made.push(Made {
        file: atomic::stage(&place(&ending), |file| {
            tables::write_anomalies_csv(file, series.columns(), &findings.anomalies, csv_safe)
        })?,
        ending,
    });
    if let Some(format) = job.output().scores {
        let ending = scores_ending(format).to_owned();
        made.push(Made {
            file: tables::stage_scores(&place(&ending), format, &scores, csv_safe)?,
            ending,
        });
    }
    if graph {
        let ending = graph_ending(job, job.output().graph_format);
        let picture = picture(&source.name(), job, series, &findings, &traces(series)?)?;
        made.push(Made {
            file: atomic::stage(&place(&ending), |file| file.write_all(&picture))?,
            ending,
        });
    }
    let withheld = match job.output().graphs {
        Graphs::Anomalous if !graph => graph_endings(job).to_vec(),
        _ => Vec::new(),
    };
    memory.stop().check()?;
    let content = content_of(source, seen, ingested.report.content, memory)?;
    let mut done = Done {
        source: source.clone(),
        form: ingested.report.form,
        rows: series.rows() as u64,
        dropped: ingested.report.dropped,
        bytes: ingested.report.bytes,
        threshold: findings.threshold,
        expected: findings.expected,
        usual: findings.baselines,
        anomalies: findings.anomalies,
        incidents: findings.incidents,
        notes: findings.notes,
        outputs: Vec::new(),
        elapsed: start.elapsed(),
        kept: false,
    };
    state.keep(&mut done, job, seen.zip(content), made, &withheld)?;
    Ok(done)
}

/// What the source held: as it was read, or read once more where it was not read from end to end.
fn content_of(
    source: &Source,
    seen: Option<Seen>,
    read: Option<Fingerprint>,
    memory: &Memory,
) -> Result<Option<Fingerprint>> {
    match (seen, read) {
        (Some(_), None) => Fingerprint::of_file(source.path(), memory.stop()).map(Some),
        (_, read) => Ok(read),
    }
}

/// The ends of names that outputs of a source can have with this job.
pub(super) fn endings(job: &Job) -> Vec<String> {
    let scores = [ScoresFormat::Csv, ScoresFormat::Parquet].map(|f| scores_ending(f).to_owned());
    let anomalies = [anomalies_ending(job)];
    [&anomalies[..], &scores, &graph_endings(job)].concat()
}

fn anomalies_ending(job: &Job) -> String {
    format!("_graph_anomalies_{}.csv", job.detect().threshold.label())
}

fn scores_ending(format: ScoresFormat) -> &'static str {
    match format {
        ScoresFormat::Csv => "_scores.csv",
        ScoresFormat::Parquet => "_scores.parquet",
    }
}

fn graph_endings(job: &Job) -> [String; 2] {
    [GraphFormat::Png, GraphFormat::Svg].map(|format| graph_ending(job, format))
}

fn graph_ending(job: &Job, format: GraphFormat) -> String {
    let form = match format {
        GraphFormat::Png => "png",
        GraphFormat::Svg => "svg",
    };
    format!("_graph_{}.{form}", job.detect().threshold.label())
}

/// Walks the series once for what is drawn of each column.
///
/// # Errors
/// Those of [`Series::read`].
pub(crate) fn traces(series: &Series) -> Result<Vec<Trace>> {
    let (first_us, last_us) = series.span_us().unwrap_or_default();
    let columns = series.columns().len();
    let fresh = || -> Vec<Trace> {
        (0..columns)
            .map(|_| Trace::new(first_us, last_us))
            .collect()
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
    for (parts, _) in stretches {
        for (whole, part) in traces.iter_mut().zip(parts) {
            whole.merge(part);
        }
    }
    Ok(traces)
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
/// Those of [`chart::draw`].
pub(crate) fn picture(
    title: &str,
    job: &Job,
    series: &Series,
    findings: &Findings,
    traces: &[Trace],
) -> Result<Vec<u8>> {
    let anomalies = &findings.anomalies;
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
        .zip(traces)
        .zip(&points)
        .map(|((name, trace), anomalies)| Panel {
            name,
            trace,
            anomalies,
        })
        .collect();
    chart::draw(&GraphSpec {
        title,
        note: &job.detect().describe(),
        panels: &panels,
        bands: &bands(&findings.incidents, job.output().min_severity, &mut labels),
        format: job.output().graph_format,
        y_scale: job.output().y_scale,
    })
}

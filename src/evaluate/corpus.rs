//! Brings together what is to be measured: scores that a detector left in files, or data that one is run
//! over now.
//!
//! In: paths and labels. Out: an [`Evaluation`]. The one part of this module that reads files or runs a
//! detector; the measures themselves know of neither.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::labels::{LabelledFile, read_labels};
use super::{Evaluation, Measures, Scored, Unmatched, evaluate, match_labels};
use crate::config::Job;
use crate::detect::{self, ThresholdRule};
use crate::format::ReadOptions;
use crate::input::discover;
use crate::input::{Location, Source};
use crate::report::own_files::WrittenByIsoscan;
use crate::report::summary::Summary;
use crate::runtime::cancel::CancelToken;
use crate::runtime::memory::Memory;
use crate::series::{self, Series};
use crate::support::error::{Error, ErrorKind, Result};

/// Columns that hold scores: ours, and that of the Numenta Anomaly Benchmark.
const SCORES: [&str; 2] = ["score", "anomaly_score"];

/// Measures results, or the job's detector on data, against labels.
///
/// Each input of `job` is a file or folder of results (`_scores.csv` or `.parquet` as a scan writes
/// them, or any file with a column `score` or `anomaly_score` beside `value`), or else data, which is judged as a
/// scan would. Alarms of results are known where the folder has the `summary.json` of the scan, or where the
/// job sets a score. `labels` are files of labels, or folders in which every `*.labels.json` is taken.
///
/// # Errors
/// Where labels cannot be read or do not fit their file, a file cannot be read or judged, or nothing is
/// there to be measured.
pub fn measure(job: &Job, labels: &[PathBuf], measures: &Measures) -> Result<Evaluation> {
    let labels = all_labels(labels)?;
    let mut corpus = Vec::new();
    for input in job.inputs() {
        let results = match input.is_dir() {
            true => discover::score_files(input)?,
            false => Vec::new(),
        };
        if results.is_empty() {
            let found = discover::discover(
                std::slice::from_ref(input),
                job.search(),
                &job.output().folder,
                &WrittenByIsoscan,
                &CancelToken::default(),
            )?;
            if let Some(error) = found.failed.into_iter().next() {
                return Err(error);
            }
            for source in found.sources {
                corpus.push(scored(&source, job, &HashMap::new())?);
            }
        } else {
            let thresholds = thresholds_of(input);
            for path in results {
                corpus.push(scored(&source_of(path), job, &thresholds)?);
            }
        }
    }
    let corpus = match_labels(corpus, &labels, Unmatched::PassOver)?;
    Ok(evaluate(&corpus, measures))
}

fn source_of(path: PathBuf) -> Source {
    Source {
        output_stem: PathBuf::new(),
        location: Location::File(path),
        is_named: true,
    }
}

fn all_labels(paths: &[PathBuf]) -> Result<Vec<LabelledFile>> {
    let mut all = Vec::new();
    for path in paths {
        if !path.is_dir() {
            all.extend(read_labels(path)?);
            continue;
        }
        let found = discover::label_files(path)?;
        if found.is_empty() {
            let text = "the folder holds no file called *.labels.json";
            return Err(Error::new(ErrorKind::NotFound, text).at(path));
        }
        for file in found {
            // Labels name their file without its folder: where they were found tells it.
            let folder = file
                .parent()
                .and_then(|folder| folder.strip_prefix(path).ok());
            let folder = folder.unwrap_or(Path::new("")).to_path_buf();
            for mut labelled in read_labels(&file)? {
                labelled.file = folder.join(&labelled.file).to_string_lossy().into_owned();
                all.push(labelled);
            }
        }
    }
    Ok(all)
}

/// A series with scores: those in its file, or those of the job's detector.
fn scored(source: &Source, job: &Job, thresholds: &HashMap<PathBuf, f64>) -> Result<Scored> {
    let memory = Arc::new(Memory::unlimited());
    for column in SCORES {
        let options = ReadOptions {
            timestamp_column: "timestamp".to_owned(),
            value_columns: vec!["value".to_owned(), column.to_owned()],
            zone: job.read().zone,
            ..ReadOptions::default()
        };
        match series::read(source, &options, &memory) {
            Ok(found) => {
                let mut scored = columns_of(&found.series, source)?;
                let threshold = match job.detect().threshold {
                    ThresholdRule::Score(score) => Some(score),
                    _ => thresholds.get(source.path()).copied(),
                };
                scored.name = data_name(source.path());
                scored.flagged =
                    threshold.map(|least| scored.scores.iter().map(|&s| s > least).collect());
                return Ok(scored);
            }
            Err(error) if error.kind() == ErrorKind::Column => {}
            Err(error) => return Err(error),
        }
    }
    judged(source, job, &memory)
}

/// The name of the file that results are of: `edge/a_scores.csv` are those of `edge/a.csv`.
fn data_name(path: &Path) -> String {
    let name = path.to_string_lossy();
    [".csv", ".parquet"]
        .iter()
        .find_map(|ending| name.strip_suffix(&format!("_scores{ending}")))
        .map_or_else(|| name.clone().into_owned(), |stem| format!("{stem}.csv"))
}

fn columns_of(series: &Series, source: &Source) -> Result<Scored> {
    let mut scored = Scored {
        name: source.name(),
        ..Scored::default()
    };
    let mut times = Vec::new();
    for part in series.parts() {
        let chunk = series.read(part)?;
        chunk.timestamps_us(&mut times);
        scored.timestamps_us.extend_from_slice(&times);
        scored.values.extend_from_slice(chunk.values(0));
        if series.columns().len() > 1 {
            scored.scores.extend_from_slice(chunk.values(1));
        }
    }
    Ok(scored)
}

/// Runs the job's detector over `source`.
fn judged(source: &Source, job: &Job, memory: &Arc<Memory>) -> Result<Scored> {
    let series = series::read(source, job.read(), memory)?.series;
    let (findings, judged) = detect::detect(&series, job.detect())?;
    let mut scored = columns_of(&series, source)?;
    scored.scores.clear();
    let mut scores = Vec::new();
    for (number, part) in series.parts().iter().enumerate() {
        let chunk = series.read(part)?;
        judged.of_part(number, &chunk, &mut scores)?;
        scored.scores.extend_from_slice(&scores);
    }
    let flags = scored
        .scores
        .iter()
        .map(|&score| score > findings.threshold);
    scored.flagged = Some(flags.collect());
    Ok(scored)
}

/// The threshold that each file of scores in an output folder was judged by, where its summary tells.
fn thresholds_of(folder: &Path) -> HashMap<PathBuf, f64> {
    let mut thresholds = HashMap::new();
    let summary = Summary::read(folder);
    for input in summary.iter().flat_map(|summary| &summary.inputs) {
        let Some(threshold) = input.threshold else {
            continue;
        };
        for output in input.outputs.iter().map(Path::new) {
            // The folder may have been moved, or be named from elsewhere, since it was written.
            let inside = (1..=output.components().count()).map(|depth| {
                let skipped = output.components().count() - depth;
                folder.join(output.components().skip(skipped).collect::<PathBuf>())
            });
            if let Some(path) = inside.rev().find(|path| path.is_file()) {
                thresholds.insert(path, threshold);
            }
        }
    }
    thresholds
}

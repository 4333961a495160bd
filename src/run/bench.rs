//! A benchmarking run on a user's own logs: how fast each stage is, and what memory it takes.
//!
//! In: files. Out: rows and bytes a second for each stage, medians over several runs. Each stage works
//! on what the stage before it made; nothing is written but rows beyond the memory limit.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use crate::config::Job;
use crate::detect;
use crate::format;
use crate::input::Source;
use crate::input::discover;
use crate::report::graph::{self, Graph};
use crate::report::names::Suffixes;
use crate::report::outcome::SeriesResult;
use crate::report::own_files::WrittenByIsoscan;

use crate::runtime::cancel::CancelToken;
use crate::runtime::limits;
use crate::runtime::memory::Memory;
use crate::series::{self, SeriesKey};
use crate::support::error::{Result, printable};
use crate::support::statistics::median;

/// What a benchmarking run measured.
#[derive(Debug, Serialize)]
pub struct Measurements {
    /// Version of isoscan.
    pub version: &'static str,
    /// Threads used.
    pub threads: usize,
    /// Runs of each stage; figures are medians over these.
    pub runs: usize,
    /// Usable rows in all files.
    pub rows: u64,
    /// Bytes of text in all files, unpacked.
    pub bytes: u64,
    /// The stages, in the order in which data flow.
    pub stages: Vec<Stage>,
    /// Most memory that the process ever took, in bytes; `None` where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
}

/// One stage of the pipeline.
#[derive(Debug, Serialize)]
pub struct Stage {
    /// Its name.
    pub name: &'static str,
    /// Median of the seconds that it took for all files.
    pub seconds: f64,
    /// Shortest and longest run.
    pub seconds_range: (f64, f64),
    /// Rows a second.
    pub rows_per_second: f64,
    /// Bytes of text a second.
    pub bytes_per_second: f64,
}

/// The stages that are measured: reading the bytes alone, then what a scan does.
const STAGES: [&str; 4] = ["read bytes", "ingest", "detect", "draw"];

/// Measures every stage of a scan of the job's inputs, `runs` times.
///
/// Files are taken one after the other, so that stages can be told apart; a scan of many files works
/// on several at a time and is faster than the sum.
///
/// # Errors
/// Where nothing matches, or a file cannot be scanned: a benchmark has no use for half its input.
pub fn measure(job: &Job, runs: usize) -> Result<Measurements> {
    let found = discover::discover(
        job.inputs(),
        job.search(),
        &job.output().folder,
        &WrittenByIsoscan,
        &CancelToken::new(),
    )?;
    if let Some(error) = found.failed.into_iter().next() {
        return Err(error);
    }
    let runs = runs.max(1);
    let mut seconds = vec![Vec::with_capacity(runs); STAGES.len() + 1];
    let mut size = (0, 0);
    for _ in 0..runs {
        let mut sums = [0.0; STAGES.len()];
        size = (0, 0);
        for source in &found.sources {
            let (rows, bytes) = run(source, job, &mut sums)?;
            size = (size.0 + rows, size.1 + bytes);
        }
        for (stage, sum) in sums.iter().enumerate() {
            seconds[stage].push(*sum);
        }
        // Ingest reads the bytes itself: the bare read is no part of the whole.
        seconds[STAGES.len()].push(sums[1..].iter().sum());
    }
    let names = STAGES.into_iter().chain(["all but read bytes"]);
    Ok(Measurements {
        version: env!("CARGO_PKG_VERSION"),
        threads: rayon::current_num_threads(),
        runs,
        rows: size.0,
        bytes: size.1,
        stages: names
            .zip(seconds)
            .map(|(name, seconds)| Stage::new(name, seconds, size))
            .collect(),
        peak_memory_bytes: limits::peak_memory(),
    })
}

/// Takes one source through the stages and adds the seconds of each to `sums`.
fn run(source: &Source, job: &Job, sums: &mut [f64; STAGES.len()]) -> Result<(u64, u64)> {
    let memory = Arc::new(Memory::new(job.row_memory(), std::env::temp_dir()));
    let mut clock = Instant::now();
    let mut lap = |stage: usize| {
        sums[stage] += clock.elapsed().as_secs_f64();
        clock = Instant::now();
    };
    format::read_bytes(source)?;
    lap(0);
    let ingested = series::read(source, job.read(), &memory)?;
    lap(1);
    let series = &ingested.series;
    let (findings, _) = detect::detect(series, job.detect())?;
    lap(2);
    let found = SeriesResult {
        key: SeriesKey::total(source.name()),
        columns: series.columns().to_vec(),
        rows: series.rows() as u64,
        findings,
    };
    let suffixes = Suffixes::new(&job.detect().threshold);
    let graph = Graph::new(job.output(), &suffixes, job.detect().describe());
    graph.draw(&found, &graph::traces(series)?)?;
    lap(3);
    Ok((series.rows() as u64, ingested.report.bytes))
}

impl Stage {
    fn new(name: &'static str, mut seconds: Vec<f64>, (rows, bytes): (u64, u64)) -> Self {
        let median = median(&mut seconds).unwrap_or_default().max(1e-9);
        let shortest = seconds.iter().copied().fold(f64::INFINITY, f64::min);
        let longest = seconds.iter().copied().fold(0.0, f64::max);
        Self {
            name,
            seconds: median,
            seconds_range: (shortest, longest),
            rows_per_second: rows as f64 / median,
            bytes_per_second: bytes as f64 / median,
        }
    }
}

impl Measurements {
    /// The measurements as JSON, with a line end.
    pub fn to_json(&self) -> String {
        // Numbers, strings and lists alone: nothing in it can fail to become JSON.
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }

    /// The measurements as a table for people.
    pub fn to_table(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "isoscan {}: {} rows, {:.1} MB of text, {} threads, median of {} runs\n",
            self.version,
            self.rows,
            self.bytes as f64 / 1e6,
            self.threads,
            self.runs
        );
        let _ = writeln!(
            text,
            "{:<20} {:>10} {:>21} {:>14} {:>9}",
            "stage", "seconds", "shortest to longest", "million rows/s", "MB/s"
        );
        for stage in &self.stages {
            let _ = writeln!(
                text,
                "{:<20} {:>10.4} {:>21} {:>14.2} {:>9.0}",
                printable(stage.name),
                stage.seconds,
                format!(
                    "{:.4} to {:.4}",
                    stage.seconds_range.0, stage.seconds_range.1
                ),
                stage.rows_per_second / 1e6,
                stage.bytes_per_second / 1e6
            );
        }
        if let Some(bytes) = self.peak_memory_bytes {
            let _ = writeln!(
                text,
                "\npeak memory {:.0} MiB",
                bytes as f64 / f64::from(1 << 20)
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_run_gives_the_rates() {
        let stage = Stage::new("ingest", vec![4.0, 1.0, 2.0], (10, 100));
        assert_eq!(stage.seconds, 2.0);
        assert_eq!(stage.seconds_range, (1.0, 4.0));
        assert_eq!((stage.rows_per_second, stage.bytes_per_second), (5.0, 50.0));
    }
}

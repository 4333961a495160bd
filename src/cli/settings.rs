//! From what was typed to the settings of a job.

use std::path::PathBuf;

use super::args::{DetectionArgs, Duplicates, InputArgs, OutputArgs, RecordArgs, RunningArgs};
use crate::config::RunOptions;
use crate::detect::{DetectOptions, Detector, ThresholdRule};
use crate::forest::ForestParams;
use crate::format::ReadOptions;
use crate::group::GroupOptions;
use crate::input::discover::{self, SearchOptions};
use crate::report::OutputOptions;
use crate::support::error::{Error, ErrorKind, Result};

impl InputArgs {
    /// All paths: arguments, those of `--input`, and those in the list.
    pub(super) fn all_paths(&self) -> Result<Vec<PathBuf>> {
        let mut paths = self.paths.clone();
        paths.extend(self.input.iter().cloned());
        if let Some(list) = &self.files_from {
            paths.extend(discover::read_list(list, self.null)?);
            if paths.is_empty() {
                return Err(Error::new(ErrorKind::NotFound, "the list names no file").at(list));
            }
        }
        Ok(paths)
    }

    pub(super) fn search(&self) -> SearchOptions {
        SearchOptions {
            exclude: self.exclude.clone(),
            join: self.join,
            log: self.log.clone(),
            strict: self.strict,
        }
    }

    pub(super) fn options(&self) -> Result<ReadOptions> {
        Ok(ReadOptions {
            timestamp_column: self.timestamp_column.clone(),
            value_columns: self.value_column.clone(),
            timestamp_format: self.timestamp_format.clone(),
            zone: self.timezone.parse()?,
            decimal_comma: self.decimal_comma,
            max_bytes: self.max_input_bytes,
            ..ReadOptions::default()
        })
    }
}

impl RecordArgs {
    pub(super) fn options(&self) -> Result<GroupOptions> {
        Ok(GroupOptions {
            by: self.by.clone(),
            every_us: self.every.clone(),
            measures: self.measure.clone(),
            top: self.top.get(),
            max_graphs: self.max_graphs,
            keep_duplicates: self.duplicates == Duplicates::Keep,
            sampling: self.sampling.get(),
            max_dropped: self.max_dropped,
            format: self.format.clone(),
        })
    }
}

impl DetectionArgs {
    /// The options for series files.
    pub(super) fn options(&self) -> Result<DetectOptions> {
        self.options_with(DetectOptions::default())
    }

    /// The options for the series of record logs, which are judged by their past.
    pub(super) fn record_options(&self) -> Result<DetectOptions> {
        self.options_with(DetectOptions {
            detector: Detector::Context,
            threshold: ThresholdRule::Auto,
            ..DetectOptions::default()
        })
    }

    /// What was typed, and `default` where nothing was.
    fn options_with(&self, default: DetectOptions) -> Result<DetectOptions> {
        Ok(DetectOptions {
            detector: self.detector.unwrap_or(default.detector),
            forest: match self.trees {
                Some(trees) => ForestParams::new(trees.get(), self.sample_size, self.seed)?,
                None => ForestParams::without_trees(self.sample_size, self.seed)?,
            },
            threshold: match self.threshold {
                Some(score) => ThresholdRule::Score(score),
                None => self.contamination.unwrap_or(default.threshold),
            },
        })
    }
}

impl OutputArgs {
    pub(super) fn options(&self) -> OutputOptions {
        OutputOptions {
            folder: self.out_dir.clone(),
            base_name: self.output.clone(),
            graphs: self.graphs,
            graph_format: self.graph_format,
            y_scale: self.y_scale,
            scores: self.scores,
            min_severity: self.min_severity,
            csv_safe: self.csv_safe,
        }
    }
}

impl RunningArgs {
    pub(super) fn options(&self) -> RunOptions {
        RunOptions {
            threads: self.threads,
            max_memory: self.max_memory,
            ..RunOptions::default()
        }
    }
}

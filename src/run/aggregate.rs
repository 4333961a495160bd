//! Record logs to the table of series.

use std::path::Path;
use std::sync::Arc;

use super::records::{self, RecordLog};
use crate::config::Job;
use crate::group::log::group_log;
use crate::group::table::{Columns, TableWriter};
use crate::input::discover;
use crate::report::own_files::WrittenByIsoscan;
use crate::runtime::cancel::CancelToken;
use crate::runtime::memory::Memory;
use crate::support::error::{Error, ErrorKind, Result};

/// What became of the inputs of a table.
#[derive(Debug, Default)]
pub struct Aggregated {
    /// The logs in the table, sorted by name.
    pub logs: Vec<LogSums>,
    /// Inputs that could not be read, with the reason.
    pub failed: Vec<Error>,
    /// Paths that are no record logs, with the reason.
    pub skipped: Vec<(String, String)>,
    /// What the reader of the table should know.
    pub notices: Vec<String>,
}

/// What is in the table of one log.
#[derive(Debug)]
pub struct LogSums {
    /// Its name, as in the column `log`.
    pub name: String,
    /// Inputs that were read.
    pub parts: usize,
    /// Records that count.
    pub records: u64,
    /// Records that were reported before within the same input.
    pub repeated: u64,
    /// Lines that could not be used.
    pub dropped: u64,
    /// Lines of another kind.
    pub other: u64,
}

/// Sums the record logs among the job's inputs and writes the table of series to `output`, parquet or CSV by
/// its ending. Inputs that fail are in the result with their reason; the table holds the others.
///
/// The table is a pure function of the records and the options: neither the order of inputs nor threads nor
/// memory change a byte, and tables of parts merge into the table of the whole.
///
/// # Errors
/// Where nothing matches, nothing of it holds records, the table cannot be written, or the run is stopped.
pub fn aggregate(job: &Job, output: &Path, stop: &CancelToken) -> Result<Aggregated> {
    let folder = match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let found = discover::discover(job.inputs(), job.search(), folder, &WrittenByIsoscan, stop)?;
    let mut result = Aggregated {
        failed: found.failed,
        ..Aggregated::default()
    };
    for skipped in found.skipped {
        let path = skipped.path.to_string_lossy().into_owned();
        result.skipped.push((path, skipped.reason));
    }
    let sorted = records::sort(found.sources, job);
    result.notices = sorted.notices;
    for skipped in sorted.skipped {
        let path = skipped.path.to_string_lossy().into_owned();
        result.skipped.push((path, skipped.reason));
    }
    result
        .failed
        .extend(sorted.failed.into_iter().map(|(_, error)| error));
    for source in sorted.tables {
        let text = "it is a table of series already: 'isoscan scan' sums several";
        let error = Error::new(ErrorKind::Unsupported, text);
        result.failed.push(error.at(source.path()));
    }
    for source in sorted.series {
        let text = "it holds no records: only record logs can be aggregated";
        if source.is_named {
            let error = Error::new(ErrorKind::Unsupported, text);
            result.failed.push(error.at(source.path()));
        } else {
            result.skipped.push((source.name(), text.to_owned()));
        }
    }
    if sorted.logs.is_empty() {
        return match result.failed.into_iter().next() {
            Some(error) => Err(error),
            None => Err(Error::new(ErrorKind::NotFound, "no input holds records")),
        };
    }
    let memory = Arc::new(Memory::new(job.row_memory(), folder).stopped_by(stop));
    let mut measures = Vec::new();
    for log in &sorted.logs {
        if let Some(part) = log.parts.first() {
            measures.extend(job.group().measures(part.layout.family())?);
        }
    }
    let mut table = TableWriter::create(output, Columns::of(measures))?;
    let max_bytes = job.read().max_bytes;
    for RecordLog { name, parts, .. } in sorted.logs {
        let (log, outcomes) =
            group_log(name, parts, job.group(), max_bytes, job.workers(), &memory)?;
        let mut sums = LogSums {
            name: log.name.clone(),
            parts: 0,
            records: 0,
            repeated: 0,
            dropped: 0,
            other: 0,
        };
        for part in outcomes {
            match part.report {
                Ok(report) => {
                    sums.parts += 1;
                    sums.records += report.records;
                    sums.repeated += report.repeated;
                    sums.dropped += report.dropped.rows;
                    sums.other += report.other;
                }
                Err(error) => result.failed.push(error),
            }
        }
        table.push(&log)?;
        result.logs.push(sums);
    }
    table.finish()?;
    Ok(result)
}

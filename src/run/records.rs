//! Which inputs hold records, and which of them are one log.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::Job;
use crate::format;
use crate::format::record::RecordOptions;
use crate::group::intake::Part;
use crate::group::table::read::is_table_of_series;
use crate::group::{By, GroupOptions, Measure};
use crate::input::candidates::is_table_name;
use crate::input::logs::{Join, into_logs};
use crate::input::open::{self, Opened};
use crate::input::watch::Watch;
use crate::input::{Location, Skipped, Source};
use crate::support::calendar::iso_text;
use crate::support::error::{Error, ErrorKind, Result};

/// The parts of one log of records.
pub(super) struct RecordLog {
    /// The log's name, as tables show it.
    pub(super) name: String,
    /// Its format in words.
    pub(super) form: String,
    pub(super) parts: Vec<Part>,
}

impl RecordLog {
    /// Names of the measures by which any of its series are judged.
    pub(super) fn judged_columns(&self, options: &GroupOptions) -> Vec<String> {
        let Some(part) = self.parts.first() else {
            return Vec::new();
        };
        let family = part.layout.family();
        let wanted: Vec<Measure> = if options.measures.is_empty() {
            let keys = if options.by.is_empty() {
                By::defaults(family)
            } else {
                options.by.clone()
            };
            let judged = keys.iter().flat_map(|by| Measure::judged(family, by));
            judged.copied().collect()
        } else {
            options.measures.clone()
        };
        let all = Measure::all(family).iter();
        all.filter(|measure| wanted.contains(measure))
            .map(|measure| measure.name().to_owned())
            .collect()
    }
}

/// The inputs of a run, told apart by what they hold.
#[derive(Default)]
pub(super) struct Sorted {
    /// Logs of records, sorted by name.
    pub(super) logs: Vec<RecordLog>,
    /// Tables of series that `isoscan aggregate` made.
    pub(super) tables: Vec<Source>,
    /// Tables with a time and numbers.
    pub(super) series: Vec<Source>,
    /// What cannot be read.
    pub(super) failed: Vec<(Source, Error)>,
    /// What holds something else, or nothing.
    pub(super) skipped: Vec<Skipped>,
    /// What is to be said about single inputs.
    pub(super) notices: Vec<String>,
}

/// Looks at the head of each input, and joins the parts of logs.
///
/// What was met in a folder and holds something else is skipped, but where its name says that it is a table; a damaged
/// file is a failure.
pub(super) fn sort(sources: Vec<Source>, job: &Job) -> Sorted {
    let mut sorted = Sorted::default();
    let mut recognised: HashMap<Source, format::RecordLog> = HashMap::new();
    for source in sources {
        if is_regular_file(&source) && is_table_of_series(source.path()) {
            sorted.tables.push(source);
            continue;
        }
        match look(&source, job) {
            Ok(Some(log)) => {
                if let Some(notice) = log.layout.notice() {
                    sorted.notices.push(format!("{}: {notice}", source.name()));
                }
                recognised.insert(source, log);
            }
            Ok(None) => sorted.series.push(source),
            Err(error) if is_something_else(&source, &error) && !job.search().strict => {
                sorted.skipped.push(Skipped {
                    path: source.path().to_path_buf(),
                    reason: error.reason(),
                });
            }
            Err(error) => {
                let error = error.at(source.path());
                sorted.failed.push((source, error));
            }
        }
    }
    let mut inputs: Vec<Source> = recognised.keys().cloned().collect();
    inputs.sort();
    let kind = |source: &Source| recognised.get(source).map_or("", |log| log.format);
    let join = job.search().join.unwrap_or(Join::Rotated);
    for log in into_logs(inputs, join, kind) {
        let parts: Vec<Part> = log
            .parts
            .into_iter()
            .filter_map(|source| {
                let layout = Arc::clone(&recognised.get(&source)?.layout);
                Some(Part { source, layout })
            })
            .collect();
        let form = parts.first().map(|part| part.layout.describe());
        sorted.logs.push(RecordLog {
            name: log.name,
            form: form.unwrap_or_default(),
            parts,
        });
    }
    if let (Some(name), [log]) = (&job.search().log, sorted.logs.as_mut_slice()) {
        log.name.clone_from(name);
    }
    sorted.logs.sort_by(|a, b| a.name.cmp(&b.name));
    sorted
}

/// Whether an input that cannot be scanned is to be skipped: the user did not name it, and it is recognised as something
/// else, is empty, or is in no known format under a name that does not say table.
fn is_something_else(source: &Source, error: &Error) -> bool {
    let is_table = is_table_name(source.path());
    match error.kind() {
        _ if source.is_named => false,
        ErrorKind::Unsupported | ErrorKind::Column => !is_table,
        ErrorKind::NoUsableRow => true,
        _ => false,
    }
}

/// The format of record logs that an input has, if it has one; an input of another kind must look like a table.
fn look(source: &Source, job: &Job) -> Result<Option<format::RecordLog>> {
    let records = recognise(source, job)?;
    if records.is_none() && !source.is_named && !is_table_name(source.path()) {
        format::recognise(source, job.read())?;
    }
    Ok(records)
}

/// The format of record logs that an input has, if it has one. Standard input and pipes are not looked into: what is
/// read of them is gone.
fn recognise(source: &Source, job: &Job) -> Result<Option<format::RecordLog>> {
    if !is_regular_file(source) {
        return Ok(None);
    }
    let (year, month) = last_change(source);
    let options = RecordOptions {
        zone: job.read().zone,
        year,
        last_month: Some(month),
    };
    let max_bytes = job.read().max_bytes;
    let format = job.group().format.as_deref();
    match open::open(source, &Watch::default(), max_bytes) {
        Ok(Opened::Text(text)) => format::recognise_records(text.head(), format, &options),
        Ok(Opened::Parquet(file)) => match format::text_of_parquet(file, max_bytes) {
            Ok(Some(text)) => format::recognise_records(text.head(), format, &options),
            Ok(None) | Err(_) => Ok(None),
        },
        // What cannot be opened fails again where it is read, and is told there.
        Err(_) => Ok(None),
    }
}

fn is_regular_file(source: &Source) -> bool {
    match &source.location {
        Location::File(path) => std::fs::metadata(path).is_ok_and(|about| about.is_file()),
        Location::StandardInput => false,
    }
}

/// Year and month of the last change of an input: times without a year are told by them.
fn last_change(source: &Source) -> (i32, u32) {
    let changed = match &source.location {
        Location::File(path) => std::fs::metadata(path)
            .and_then(|about| about.modified())
            .ok(),
        Location::StandardInput => None,
    };
    let changed = changed.unwrap_or_else(std::time::SystemTime::now);
    let since = changed
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let text = iso_text(since.as_micros() as i64);
    let number = |range| text.get(range).and_then(|digits: &str| digits.parse().ok());
    let year = number(0..4).map_or(1970, |year: u32| year as i32);
    (year, number(5..7).unwrap_or(1))
}

//! The table of series: `log, by, entity, timestamp, every`, then the measures, one row a bucket, sorted by the
//! first four.
//!
//! A missing row is zero, a row of nulls is unknown. Beside a distinct count stands the state that it was made of,
//! so that tables of parts can be merged into the table of the whole. Written as parquet or CSV.

mod csv;
mod parquet;
pub(crate) mod read;

use std::path::{Path, PathBuf};

use super::key::{COUNTS, Measure, Place};
use super::log::GroupedLog;
use super::options::SKETCHES;
use super::runs::Unit;
use crate::storage::atomic::Staged;
use crate::support::error::{Error, ErrorKind, Result};

/// Version of the table's form, in its metadata.
pub(crate) const VERSION: u32 = 1;

/// The columns in front of the measures.
pub(crate) const FRONT: [&str; 5] = ["log", "by", "entity", "timestamp", "every"];

/// Columns of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) measures: Vec<Measure>,
    /// Which distinct counts have a column with their state.
    pub(crate) sketches: [bool; COUNTS],
}

impl Columns {
    /// Columns for these measures, each once.
    pub(crate) fn of(measures: impl IntoIterator<Item = Measure>) -> Self {
        let mut columns = Self {
            measures: Vec::new(),
            sketches: [false; COUNTS],
        };
        for measure in measures {
            if !columns.measures.contains(&measure) {
                columns.measures.push(measure);
            }
            if let Place::Distinct(place) = measure.place() {
                columns.sketches[place] = true;
            }
        }
        columns
    }

    /// Names of the columns that hold states of distinct counts, with their places in a cell.
    pub(crate) fn sketch_names(&self) -> impl Iterator<Item = (usize, &'static str)> {
        let sketches = self.sketches;
        SKETCHES
            .into_iter()
            .enumerate()
            .filter(move |(place, _)| sketches[*place])
    }

    /// What kind each measure is, as the metadata say it: all of these count or sum, so that no row means zero.
    fn kinds(&self) -> String {
        let kind = |measure: &Measure| match measure.place() {
            Place::Distinct(_) => format!("{}=distinct", measure.name()),
            _ => format!("{}=sum", measure.name()),
        };
        self.measures.iter().map(kind).collect::<Vec<_>>().join(",")
    }
}

/// A table being written.
pub(crate) struct TableWriter(Form);

enum Form {
    Csv(Box<csv::CsvWriter>),
    Parquet(Box<parquet::ParquetWriter>),
}

impl TableWriter {
    /// Begins a table at `path`: CSV where the name ends with `.csv`, parquet where it ends with `.parquet`.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] where the name has another ending, [`ErrorKind::Write`] where it cannot be written.
    pub(crate) fn create(path: &Path, columns: Columns) -> Result<Self> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        Ok(Self(match extension {
            Some("csv") => Form::Csv(Box::new(csv::CsvWriter::create(path, columns)?)),
            Some("parquet") => {
                Form::Parquet(Box::new(parquet::ParquetWriter::create(path, columns)?))
            }
            _ => {
                let text = "the table of series is written as .parquet or .csv: choose such a name";
                return Err(Error::new(ErrorKind::Setting, text).at(path));
            }
        }))
    }

    /// Adds all cells of a log. Logs come sorted by name.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] with the path, and those of [`GroupedLog::for_each`].
    pub(crate) fn push(&mut self, log: &GroupedLog) -> Result<()> {
        log.for_each(|unit: &mut Unit| match &mut self.0 {
            Form::Csv(table) => table.push(log, unit),
            Form::Parquet(table) => table.push(log, unit),
        })
    }

    /// Writes what is left and gives the table its name.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] with the path.
    pub(crate) fn finish(self) -> Result<PathBuf> {
        let staged: Staged = match self.0 {
            Form::Csv(table) => table.finish()?,
            Form::Parquet(table) => table.finish()?,
        };
        staged.commit()
    }
}

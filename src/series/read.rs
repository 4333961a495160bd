//! An input read into a series.

use std::sync::Arc;

use super::{Chunk, Series, SeriesBuilder};
use crate::format::{self, ReadOptions, ReadReport, RowSink};
use crate::input::Source;
use crate::runtime::memory::Memory;
use crate::support::error::Result;

/// A series, and what reading it told.
#[derive(Debug)]
pub struct Ingested {
    /// The usable rows, at least one.
    pub series: Series,
    /// What was recognised and dropped.
    pub report: ReadReport,
}

/// Reads an input into a series. Rows beyond `memory` are spilled to its scratch folder.
///
/// # Errors
/// Those of [`format::read`], and [`ErrorKind::NoUsableRow`](crate::support::error::ErrorKind::NoUsableRow) with the
/// reason of the first dropped row where no row is usable.
pub fn read(source: &Source, options: &ReadOptions, memory: &Arc<Memory>) -> Result<Ingested> {
    let mut builder = SeriesBuilder::new(options.value_columns.clone(), Arc::clone(memory));
    let report = format::read(source, options, memory.stop(), &mut builder)?;
    if builder.rows() == 0 {
        return Err(format::no_usable_row(&report.dropped).at(source.path()));
    }
    format::check_dropped(&report.dropped, builder.rows() as u64, options.max_dropped)
        .map_err(|error| error.at(source.path()))?;
    let series = builder.finish().map_err(|error| error.at(source.path()))?;
    Ok(Ingested { series, report })
}

impl RowSink for SeriesBuilder {
    fn begin(&mut self, columns: &[String]) -> Result<()> {
        self.columns = columns.to_vec();
        Ok(())
    }

    fn rows(&mut self, timestamps_us: Vec<i64>, values: Vec<Vec<f64>>) -> Result<()> {
        self.push(Chunk::new(timestamps_us, values))
    }
}

//! The table of series as parquet.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use polars::prelude::*;
use polars_io::parquet::write::{BatchedWriter, KeyValueMetadata, ParquetWriter as Writer};

use super::{Columns, FRONT, VERSION};
use crate::group::log::GroupedLog;
use crate::group::runs::Unit;
use crate::storage::atomic::{Staged, Staging, unwritable};
use crate::support::error::{Error, ErrorKind, Result};

/// Rows of a row group.
const GROUP_ROWS: usize = 1 << 18;

/// Writes rows as row groups.
pub(super) struct ParquetWriter {
    writer: BatchedWriter<Shared>,
    file: Arc<Mutex<Staging>>,
    target: PathBuf,
    columns: Columns,
    rows: Rows,
}

/// Rows that wait to be written.
#[derive(Default)]
struct Rows {
    /// Log, key and entity of each stretch of rows, with its length.
    stretches: Vec<(String, String, String, usize)>,
    timestamps: Vec<i64>,
    every: Vec<i64>,
    measures: Vec<Vec<Option<i64>>>,
    sketches: Vec<(Vec<u8>, Vec<usize>)>,
}

impl ParquetWriter {
    pub(super) fn create(path: &Path, columns: Columns) -> Result<Self> {
        let file = Arc::new(Mutex::new(Staging::create(path)?));
        let metadata = KeyValueMetadata::from_static(vec![
            ("isoscan.table".to_owned(), VERSION.to_string()),
            ("isoscan.kinds".to_owned(), columns.kinds()),
        ]);
        let writer = Writer::new(Shared(Arc::clone(&file)))
            .with_compression(ParquetCompression::Zstd(None))
            .with_key_value_metadata(Some(metadata))
            .batched(&schema(&columns))
            .map_err(|cause| unwritable(path, io::Error::other(cause)))?;
        let mut table = Self {
            writer,
            file,
            target: path.to_path_buf(),
            columns,
            rows: Rows::default(),
        };
        table.rows.clear(&table.columns);
        Ok(table)
    }

    pub(super) fn push(&mut self, log: &GroupedLog, unit: &Unit) -> Result<()> {
        self.rows.push(log, unit, &self.columns);
        if self.rows.timestamps.len() >= GROUP_ROWS {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.rows.timestamps.is_empty() {
            return Ok(());
        }
        let frame = self.rows.frame(&self.columns).map_err(|cause| {
            Error::new(ErrorKind::Internal, "a table of series cannot be made").caused_by(cause)
        })?;
        self.rows.clear(&self.columns);
        self.writer
            .write_batch(&frame)
            .map_err(|cause| unwritable(&self.target, io::Error::other(cause)))
    }

    pub(super) fn finish(mut self) -> Result<Staged> {
        self.flush()?;
        self.writer
            .finish()
            .map_err(|cause| unwritable(&self.target, io::Error::other(cause)))?;
        drop(self.writer);
        match Arc::try_unwrap(self.file) {
            Ok(file) => file
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner)
                .finish(),
            Err(_) => {
                let text = "a finished table is still written to";
                Err(Error::new(ErrorKind::Internal, text).at(&self.target))
            }
        }
    }
}

fn timestamp_type() -> DataType {
    DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))
}

fn schema(columns: &Columns) -> Schema {
    let front = [
        DataType::String,
        DataType::String,
        DataType::String,
        timestamp_type(),
        DataType::Int64,
    ];
    let front = FRONT.into_iter().zip(front);
    let measures = columns.measures.iter().map(|m| (m.name(), DataType::Int64));
    let sketches = columns
        .sketch_names()
        .map(|(_, name)| (name, DataType::Binary));
    front
        .chain(measures)
        .chain(sketches)
        .map(|(name, kind)| Field::new(name.into(), kind))
        .collect()
}

impl Rows {
    fn clear(&mut self, columns: &Columns) {
        self.stretches.clear();
        self.timestamps.clear();
        self.every.clear();
        self.measures.resize_with(columns.measures.len(), Vec::new);
        self.measures.iter_mut().for_each(Vec::clear);
        let sketches = columns.sketch_names().count();
        self.sketches.resize_with(sketches, Default::default);
        for (bytes, ends) in &mut self.sketches {
            bytes.clear();
            ends.clear();
        }
    }

    fn push(&mut self, log: &GroupedLog, unit: &Unit, columns: &Columns) {
        let key = &log.keys[unit.key];
        let entity = String::from_utf8_lossy(&unit.entity).into_owned();
        self.stretches
            .push((log.name.clone(), key.by.name(), entity, unit.cells.len()));
        let every = key.every_us / 1_000_000;
        for cell in &unit.cells {
            self.timestamps
                .push(cell.bucket.saturating_mul(key.every_us));
            self.every.push(every);
            let is_unknown = cell.is_unknown();
            for (measure, values) in columns.measures.iter().zip(&mut self.measures) {
                let is_known = !is_unknown && log.measures.contains(measure);
                values.push(is_known.then(|| cell.value(*measure) as i64));
            }
            for ((place, _), (bytes, ends)) in columns.sketch_names().zip(&mut self.sketches) {
                cell.distinct[place].write(bytes);
                ends.push(bytes.len());
            }
        }
    }

    fn frame(&self, columns: &Columns) -> PolarsResult<DataFrame> {
        type Stretch = (String, String, String, usize);
        let text = |name: &str, of: fn(&Stretch) -> &str| {
            let repeated = self
                .stretches
                .iter()
                .flat_map(|stretch| std::iter::repeat_n(of(stretch), stretch.3));
            StringChunked::from_iter_values(name.into(), repeated).into_column()
        };
        let mut frame = vec![
            text("log", |stretch| &stretch.0),
            text("by", |stretch| &stretch.1),
            text("entity", |stretch| &stretch.2),
            Column::new("timestamp".into(), &self.timestamps).cast(&timestamp_type())?,
            Column::new("every".into(), &self.every),
        ];
        for (measure, values) in columns.measures.iter().zip(&self.measures) {
            let values = Int64Chunked::from_slice_options(measure.name().into(), values);
            frame.push(values.into_column());
        }
        for ((_, name), (bytes, ends)) in columns.sketch_names().zip(&self.sketches) {
            let starts = std::iter::once(0).chain(ends.iter().copied());
            let states = starts.zip(ends).map(|(start, &end)| &bytes[start..end]);
            frame.push(BinaryChunked::from_iter_values(name.into(), states).into_column());
        }
        DataFrame::new(self.timestamps.len(), frame)
    }
}

/// The file of a table: polars' writer never gives back what it was given.
struct Shared(Arc<Mutex<Staging>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .flush()
    }
}

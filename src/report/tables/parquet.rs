//! Parquet files written batch by batch.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use polars::prelude::*;
use polars_io::parquet::write::BatchedWriter;

use crate::storage::atomic::{Staged, Staging, unwritable};
use crate::support::error::{Error, ErrorKind, Result};

/// Rows that wait to be written as one row group.
pub(super) const GROUP_ROWS: usize = 1 << 17;

/// A parquet file written batch by batch.
pub(super) struct ParquetTable {
    writer: BatchedWriter<Shared>,
    file: Arc<Mutex<Staging>>,
    target: PathBuf,
    waiting: Option<DataFrame>,
}

impl ParquetTable {
    pub(super) fn new(file: Staging, schema: Schema) -> Result<Self> {
        let target = file.target().to_path_buf();
        let file = Arc::new(Mutex::new(file));
        let writer = ParquetWriter::new(Shared(file.clone()))
            .with_compression(ParquetCompression::Zstd(None))
            .batched(&schema)
            .map_err(|cause| unwritable(&target, io::Error::other(cause)))?;
        Ok(Self {
            writer,
            file,
            target,
            waiting: None,
        })
    }

    pub(super) fn push(&mut self, frame: DataFrame) -> Result<()> {
        // Many small sources make few row groups: a row group each would be slow to read.
        let height = match &mut self.waiting {
            Some(waiting) => {
                waiting.vstack_mut_owned(frame).map_err(frame_failure)?;
                waiting.height()
            }
            None => self.waiting.insert(frame).height(),
        };
        if height >= GROUP_ROWS {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<()> {
        let Some(mut rows) = self.waiting.take() else {
            return Ok(());
        };
        rows.rechunk_mut();
        self.writer
            .write_batch(&rows)
            .map_err(|cause| unwritable(&self.target, io::Error::other(cause)))
    }

    pub(super) fn finish(mut self) -> Result<Staged> {
        self.flush()?;
        let failed = |cause: PolarsError| unwritable(&self.target, io::Error::other(cause));
        self.writer.finish().map_err(failed)?;
        drop(self.writer);
        match Arc::try_unwrap(self.file) {
            Ok(file) => file
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner)
                .finish(),
            Err(_) => Err(
                Error::new(ErrorKind::Internal, "a finished table is still written to")
                    .at(&self.target),
            ),
        }
    }
}

/// The file of a parquet table: polars' writer never gives back what it was given.
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

/// The type of a column of times: microseconds, UTC.
pub(super) fn timestamp_type() -> DataType {
    DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))
}

/// A column of times.
pub(super) fn time_column(name: &str, timestamps_us: &[i64]) -> PolarsResult<Column> {
    Column::new(name.into(), timestamps_us).cast(&timestamp_type())
}

/// What polars refuses though it should not.
pub(super) fn frame_failure(cause: PolarsError) -> Error {
    Error::new(ErrorKind::Internal, "a table of results cannot be made").caused_by(cause)
}

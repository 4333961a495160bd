//! Rows of anomalies and scores as CSV and parquet.
//!
//! Numbers are written as the shortest text that reads back as the same `f64`. The combined tables are
//! written source by source, so that their size costs no memory.

use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use polars::io::parquet::write::BatchedWriter;
use polars::prelude::*;

use super::atomic::{Staged, Staging, unwritable};
use crate::calendar::TimeWriter;
use crate::detect::{Anomalies, Findings};
use crate::error::{Error, ErrorKind, Result};
use crate::series::Series;

/// Names of the value columns in outputs: a single one is `value`, whatever the input calls it.
pub fn value_names(columns: &[String]) -> Vec<String> {
    match columns {
        [_] => vec!["value".to_owned()],
        several => {
            const TAKEN: [&str; 9] = [
                "source",
                "timestamp",
                "anomaly",
                "score",
                "direction",
                "column",
                "median",
                "threshold",
                "value",
            ];
            let mut names: Vec<String> = Vec::new();
            for column in several {
                let mut name = column.clone();
                while TAKEN.contains(&name.as_str()) || names.contains(&name) {
                    name.push('_');
                }
                names.push(name);
            }
            names
        }
    }
}

/// Writes lines of comma-separated cells.
struct Line {
    bytes: Vec<u8>,
    time: TimeWriter,
    number: ryu::Buffer,
    csv_safe: bool,
}

impl Line {
    fn new(csv_safe: bool) -> Self {
        Self {
            bytes: Vec::with_capacity(128),
            time: TimeWriter::new(),
            number: ryu::Buffer::new(),
            csv_safe,
        }
    }

    fn next_cell(&mut self) {
        if !self.bytes.is_empty() {
            self.bytes.push(b',');
        }
    }

    /// A text, quoted where it must be (RFC 4180). With `csv_safe`, a text that a spreadsheet would
    /// run as a formula gets an apostrophe before it.
    fn text(&mut self, text: &str) -> &mut Self {
        self.next_cell();
        let formula = self.csv_safe && text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let safe = if formula { &format!("'{text}") } else { text };
        if safe.is_empty() || safe.contains([',', '"', '\n', '\r']) {
            self.bytes.push(b'"');
            self.bytes
                .extend_from_slice(safe.replace('"', "\"\"").as_bytes());
            self.bytes.push(b'"');
        } else {
            self.bytes.extend_from_slice(safe.as_bytes());
        }
        self
    }

    fn plain(&mut self, text: &str) -> &mut Self {
        self.next_cell();
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    fn number(&mut self, number: f64) -> &mut Self {
        self.next_cell();
        let text = self.number.format(number);
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    /// `2026-01-31 23:59:59`, as the original script wrote it; UTC.
    fn blank_time(&mut self, timestamp_us: i64) -> &mut Self {
        self.next_cell();
        self.time.write_utc(timestamp_us, &mut self.bytes);
        self
    }

    /// `2026-01-31T23:59:59Z`.
    fn iso_time(&mut self, timestamp_us: i64) -> &mut Self {
        self.next_cell();
        self.time.write_iso(timestamp_us, &mut self.bytes);
        self
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.bytes.push(b'\n');
        let written = out.write_all(&self.bytes);
        self.bytes.clear();
        written
    }
}

/// Writes one source's anomalies: `timestamp,value,anomaly` as the original script does, then
/// `score,direction`, and with several value columns the `column` that stands out.
///
/// # Errors
/// Those of `out`.
pub fn write_anomalies_csv(
    out: &mut dyn Write,
    columns: &[String],
    anomalies: &Anomalies,
    csv_safe: bool,
) -> io::Result<()> {
    let names = value_names(columns);
    let several = columns.len() > 1;
    let mut line = Line::new(csv_safe);
    line.plain("timestamp");
    for name in &names {
        line.text(name);
    }
    line.plain("anomaly").plain("score").plain("direction");
    if several {
        line.plain("column");
    }
    line.end(out)?;
    for row in 0..anomalies.rows() {
        line.blank_time(anomalies.timestamps_us[row]);
        for values in &anomalies.values {
            line.number(values[row]);
        }
        line.plain("-1")
            .number(anomalies.scores[row])
            .plain(anomalies.directions[row].name());
        if several {
            line.text(&names[usize::from(anomalies.column[row])]);
        }
        line.end(out)?;
    }
    Ok(())
}

/// The form of a table of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoresFormat {
    /// `<stem>_scores.csv`
    Csv,
    /// `<stem>_scores.parquet`
    Parquet,
}

/// Writes the score of every row of a series, chunk by chunk: `timestamp,value,score`.
///
/// # Errors
/// [`ErrorKind::Write`] with the target's path.
pub fn stage_scores(
    target: &Path,
    format: ScoresFormat,
    series: &Series,
    findings: &Findings,
) -> Result<Staged> {
    let failed = |cause: io::Error| unwritable(target, cause);
    let mut file = Staging::create(target)?;
    let names = value_names(series.columns());
    let mut scores = Vec::new();
    match format {
        ScoresFormat::Csv => {
            let mut line = Line::new(false);
            line.plain("timestamp");
            for name in &names {
                line.text(name);
            }
            line.plain("score").end(&mut file).map_err(failed)?;
            for (number, part) in series.parts().iter().enumerate() {
                let chunk = series.read(part)?;
                findings.scores_of(number, &chunk, &mut scores)?;
                for (row, &score) in scores.iter().enumerate() {
                    line.blank_time(chunk.timestamp_us(row));
                    for column in 0..names.len() {
                        line.number(chunk.values(column)[row]);
                    }
                    line.number(score).end(&mut file).map_err(failed)?;
                }
            }
            file.finish()
        }
        ScoresFormat::Parquet => {
            let mut schema = vec![Field::new("timestamp".into(), timestamp_type())];
            schema.extend(
                names
                    .iter()
                    .map(|n| Field::new(n.as_str().into(), DataType::Float64)),
            );
            schema.push(Field::new("score".into(), DataType::Float64));
            let mut table = ParquetTable::new(file, Schema::from_iter(schema))?;
            let mut times = Vec::new();
            for (number, part) in series.parts().iter().enumerate() {
                let chunk = series.read(part)?;
                findings.scores_of(number, &chunk, &mut scores)?;
                chunk.timestamps_us(&mut times);
                let mut rows = vec![timestamps(&times).map_err(frame_failure)?];
                for (number, name) in names.iter().enumerate() {
                    rows.push(Column::new(name.as_str().into(), chunk.values(number)));
                }
                rows.push(Column::new("score".into(), &scores));
                table.push(DataFrame::new(times.len(), rows).map_err(frame_failure)?)?;
            }
            table.finish()
        }
    }
}

/// The anomalies of all sources, as `anomalies.csv` and `anomalies.parquet`.
///
/// Rows are pushed source by source, in the order in which they shall stand.
pub struct CombinedTable {
    csv: Staging,
    line: Line,
    parquet: ParquetTable,
    names: Vec<String>,
}

impl CombinedTable {
    /// Opens both tables in `folder`, for rows with these value columns.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] with the path that cannot be written.
    pub fn create(folder: &Path, columns: &[String], csv_safe: bool) -> Result<Self> {
        let names = value_names(columns);
        let mut csv = Staging::create(&folder.join("anomalies.csv"))?;
        let mut line = Line::new(csv_safe);
        line.plain("source").plain("timestamp");
        let mut schema = vec![
            Field::new("source".into(), DataType::String),
            Field::new("timestamp".into(), timestamp_type()),
        ];
        for name in &names {
            line.text(name);
            schema.push(Field::new(name.as_str().into(), DataType::Float64));
        }
        line.plain("score").plain("direction");
        schema.push(Field::new("score".into(), DataType::Float64));
        schema.push(Field::new("direction".into(), DataType::String));
        if names.len() > 1 {
            line.plain("column");
            schema.push(Field::new("column".into(), DataType::String));
        }
        for name in ["median", "threshold"] {
            line.plain(name);
            schema.push(Field::new(name.into(), DataType::Float64));
        }
        line.end(&mut csv)
            .map_err(|cause| unwritable(csv.target(), cause))?;
        let parquet = Staging::create(&folder.join("anomalies.parquet"))?;
        Ok(Self {
            csv,
            line,
            parquet: ParquetTable::new(parquet, Schema::from_iter(schema))?,
            names,
        })
    }

    /// Adds the anomalies of one source. `medians` holds that of each value column.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] with the path that cannot be written.
    pub fn push(
        &mut self,
        source: &str,
        anomalies: &Anomalies,
        medians: &[f64],
        threshold: f64,
    ) -> Result<()> {
        self.push_csv(source, anomalies, medians, threshold)
            .map_err(|cause| unwritable(self.csv.target(), cause))?;
        // A row group at a time: the names repeated in each row take more memory than its numbers.
        for first in (0..anomalies.rows()).step_by(GROUP_ROWS) {
            let rows = first..anomalies.rows().min(first + GROUP_ROWS);
            let frame = self.frame(source, anomalies, rows, medians, threshold);
            self.parquet.push(frame.map_err(frame_failure)?)?;
        }
        Ok(())
    }

    fn push_csv(
        &mut self,
        source: &str,
        anomalies: &Anomalies,
        medians: &[f64],
        threshold: f64,
    ) -> io::Result<()> {
        let line = &mut self.line;
        for row in 0..anomalies.rows() {
            line.text(source).iso_time(anomalies.timestamps_us[row]);
            for values in &anomalies.values {
                line.number(values[row]);
            }
            line.number(anomalies.scores[row])
                .plain(anomalies.directions[row].name());
            let column = usize::from(anomalies.column[row]);
            if self.names.len() > 1 {
                line.text(&self.names[column]);
            }
            line.number(medians[column]).number(threshold);
            line.end(&mut self.csv)?;
        }
        Ok(())
    }

    fn frame(
        &self,
        source: &str,
        anomalies: &Anomalies,
        rows: Range<usize>,
        medians: &[f64],
        threshold: f64,
    ) -> PolarsResult<DataFrame> {
        let height = rows.len();
        let mut columns = vec![
            Column::new("source".into(), vec![source; height]),
            timestamps(&anomalies.timestamps_us[rows.clone()])?,
        ];
        for (name, values) in self.names.iter().zip(&anomalies.values) {
            columns.push(Column::new(name.as_str().into(), &values[rows.clone()]));
        }
        columns.push(Column::new("score".into(), &anomalies.scores[rows.clone()]));
        let directions = anomalies.directions[rows.clone()].iter();
        let directions: Vec<&str> = directions.map(|direction| direction.name()).collect();
        columns.push(Column::new("direction".into(), directions));
        let outstanding = &anomalies.column[rows];
        if self.names.len() > 1 {
            let names = outstanding
                .iter()
                .map(|&column| self.names[usize::from(column)].as_str());
            columns.push(Column::new("column".into(), names.collect::<Vec<_>>()));
        }
        let medians: Vec<f64> = outstanding
            .iter()
            .map(|&column| medians[usize::from(column)])
            .collect();
        columns.push(Column::new("median".into(), medians));
        columns.push(Column::new("threshold".into(), vec![threshold; height]));
        DataFrame::new(height, columns)
    }

    /// Gives both tables their final names; returns these.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] with the path that cannot be written.
    pub fn finish(self) -> Result<Vec<PathBuf>> {
        let csv = self.csv.finish()?;
        let parquet = self.parquet.finish()?;
        Ok(vec![csv.commit()?, parquet.commit()?])
    }
}

/// Rows that wait to be written as one row group.
const GROUP_ROWS: usize = 1 << 17;

/// A parquet file written batch by batch.
struct ParquetTable {
    writer: BatchedWriter<Shared>,
    file: Arc<Mutex<Staging>>,
    target: PathBuf,
    waiting: Option<DataFrame>,
}

impl ParquetTable {
    fn new(file: Staging, schema: Schema) -> Result<Self> {
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

    fn push(&mut self, frame: DataFrame) -> Result<()> {
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

    fn finish(mut self) -> Result<Staged> {
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

fn timestamp_type() -> DataType {
    DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))
}

fn timestamps(timestamps_us: &[i64]) -> PolarsResult<Column> {
    Column::new("timestamp".into(), timestamps_us).cast(&timestamp_type())
}

fn frame_failure(cause: PolarsError) -> Error {
    Error::new(ErrorKind::Internal, "a table of results cannot be made").caused_by(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Direction;

    fn anomalies() -> Anomalies {
        Anomalies {
            timestamps_us: vec![0, 1_500_000],
            values: vec![vec![251643.0, 0.1]],
            scores: vec![0.75, 0.5],
            directions: vec![Direction::Above, Direction::Below],
            column: vec![0, 0],
        }
    }

    #[test]
    fn the_anomalies_of_a_source_start_with_the_columns_of_the_original_script() {
        let mut out = Vec::new();
        write_anomalies_csv(&mut out, &["Bytes".to_owned()], &anomalies(), false).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "timestamp,value,anomaly,score,direction\n\
             1970-01-01 00:00:00,251643.0,-1,0.75,above\n\
             1970-01-01 00:00:01.500,0.1,-1,0.5,below\n"
        );
    }

    #[test]
    fn text_cells_are_quoted_and_formulas_made_safe_when_asked() {
        let mut out = Vec::new();
        Line::new(false)
            .text("a,\"b\"")
            .text("=1+1")
            .end(&mut out)
            .unwrap();
        Line::new(true)
            .text("=1+1")
            .text("x-1")
            .end(&mut out)
            .unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"a,\"\"b\"\"\",=1+1\n'=1+1,x-1\n"
        );
    }

    #[test]
    fn value_columns_keep_their_names_unless_there_is_one_or_a_name_is_taken() {
        let names = |columns: &[&str]| {
            value_names(&columns.iter().map(|&c| c.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(names(&["bytes"]), ["value"]);
        assert_eq!(
            names(&["bytes", "score", "bytes"]),
            ["bytes", "score_", "bytes_"]
        );
    }
}

//! The score of every row of a series.

use std::io;
use std::path::Path;

use polars::prelude::*;

use super::cells::Line;
use super::parquet::{ParquetTable, frame_failure, time_column, timestamp_type};
use super::value_names;
use crate::detect::Scores;
use crate::report::names::Suffixes;
use crate::report::options::ScoresFormat;
use crate::report::{Judged, OutputOptions, SeriesOutput};
use crate::storage::atomic::{Staged, Staging, unwritable};
use crate::support::error::Result;

/// The table of one series' scores.
#[derive(Debug, Clone)]
pub struct ScoresOfSeries {
    format: ScoresFormat,
    suffix: String,
    csv_safe: bool,
}

impl ScoresOfSeries {
    /// Tables in this format.
    pub fn new(format: ScoresFormat, options: &OutputOptions, suffixes: &Suffixes) -> Self {
        Self {
            format,
            suffix: suffixes.scores(format),
            csv_safe: options.csv_safe,
        }
    }
}

impl SeriesOutput for ScoresOfSeries {
    fn suffix(&self) -> String {
        self.suffix.clone()
    }

    fn stage(&self, target: &Path, judged: &Judged<'_>) -> Result<Option<Staged>> {
        stage_scores(target, self.format, judged.scores, self.csv_safe).map(Some)
    }
}

/// Writes the score of every row of a series, chunk by chunk: `timestamp,value,score`, and with the
/// context detector `novelty`.
///
/// # Errors
/// [`ErrorKind::Write`] with the target's path.
fn stage_scores(
    target: &Path,
    format: ScoresFormat,
    scores: &Scores<'_>,
    csv_safe: bool,
) -> Result<Staged> {
    let failed = |cause: io::Error| unwritable(target, cause);
    let mut file = Staging::create(target)?;
    let series = scores.series();
    let names = value_names(series.columns());
    let mut column = Vec::new();
    match format {
        ScoresFormat::Csv => {
            let mut line = Line::new(csv_safe);
            line.plain("timestamp");
            for name in &names {
                line.text(name);
            }
            line.plain("score");
            if scores.has_novelty() {
                line.plain("novelty");
            }
            line.end(&mut file).map_err(failed)?;
            for (number, part) in series.parts().iter().enumerate() {
                let chunk = series.read(part)?;
                scores.of_part(number, &chunk, &mut column)?;
                let novelty = scores.novelty_of_part(number)?;
                for (row, &score) in column.iter().enumerate() {
                    line.blank_time(chunk.timestamp_us(row));
                    for column in 0..names.len() {
                        line.number(chunk.values(column)[row]);
                    }
                    line.number(score);
                    if let Some(novelty) = &novelty {
                        line.number(novelty[row]);
                    }
                    line.end(&mut file).map_err(failed)?;
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
            if scores.has_novelty() {
                schema.push(Field::new("novelty".into(), DataType::Float64));
            }
            let mut table = ParquetTable::new(file, Schema::from_iter(schema))?;
            let mut times = Vec::new();
            for (number, part) in series.parts().iter().enumerate() {
                let chunk = series.read(part)?;
                scores.of_part(number, &chunk, &mut column)?;
                chunk.timestamps_us(&mut times);
                let mut rows = vec![time_column("timestamp", &times).map_err(frame_failure)?];
                for (number, name) in names.iter().enumerate() {
                    rows.push(Column::new(name.as_str().into(), chunk.values(number)));
                }
                rows.push(Column::new("score".into(), &column));
                if let Some(novelty) = scores.novelty_of_part(number)? {
                    rows.push(Column::new("novelty".into(), novelty));
                }
                table.push(DataFrame::new(times.len(), rows).map_err(frame_failure)?)?;
            }
            table.finish()
        }
    }
}

//! Anomalies: of one source as the original script wrote them, and of all sources together.

use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use polars::prelude::*;

use super::cells::Line;
use super::parquet::{GROUP_ROWS, ParquetTable, frame_failure, time_column, timestamp_type};
use super::value_names;
use crate::detect::{Anomalies, Baseline};
use crate::storage::atomic::{Staging, unwritable};
use crate::support::error::Result;

/// Adds what explains an anomaly: the expected value, the value as a multiple of it, and how many robust
/// standard deviations lie between them.
fn explain(line: &mut Line, anomalies: &Anomalies, row: usize) {
    let (value, expected) = (anomalies.value(row), anomalies.expected[row]);
    line.number(expected.center)
        .number_if(expected.ratio(value))
        .number_if(expected.deviations(value));
}

/// Names of the columns that [`explain`] fills.
const EXPLANATION: [&str; 3] = ["expected", "ratio", "deviation"];

/// Writes one source's anomalies: `timestamp,value,anomaly` as the original script does, then
/// `score,direction`, with several value columns the `column` that contributed most, and what was
/// expected: `expected,ratio,deviation`.
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
    for name in EXPLANATION {
        line.plain(name);
    }
    line.end(out)?;
    for row in 0..anomalies.rows() {
        line.blank_time(anomalies.timestamps_us[row]);
        for values in &anomalies.values {
            line.number(values[row]);
        }
        line.plain("-1")
            .number(anomalies.scores[row])
            .plain(anomalies.direction(row).name());
        if several {
            line.text(&names[usize::from(anomalies.columns[row])]);
        }
        explain(&mut line, anomalies, row);
        line.end(out)?;
    }
    Ok(())
}

/// The anomalies of all sources, as `anomalies.csv` and `anomalies.parquet`.
///
/// Rows are pushed source by source, in the order in which they shall stand.
pub struct AnomalyTable {
    csv: Staging,
    line: Line,
    parquet: ParquetTable,
    names: Vec<String>,
}

impl AnomalyTable {
    /// Opens both tables in `folder`, for rows with these value columns.
    ///
    /// # Errors
    /// [`ErrorKind::Write`](crate::support::error::ErrorKind::Write) with the path that cannot be written.
    pub fn create(folder: &Path, columns: &[String], csv_safe: bool) -> Result<Self> {
        let names = value_names(columns);
        let mut csv = Staging::create(&folder.join("anomalies.csv"))?;
        let mut line = Line::new(csv_safe);
        line.plain("source").plain("timestamp");
        let number = |name: &str| Field::new(name.into(), DataType::Float64);
        let text = |name: &str| Field::new(name.into(), DataType::String);
        let mut schema = vec![
            text("source"),
            Field::new("timestamp".into(), timestamp_type()),
        ];
        for name in &names {
            line.text(name);
            schema.push(number(name));
        }
        line.plain("score").plain("direction");
        schema.extend([number("score"), text("direction")]);
        if names.len() > 1 {
            line.plain("column");
            schema.push(text("column"));
        }
        for name in EXPLANATION.into_iter().chain(["median", "threshold"]) {
            line.plain(name);
            schema.push(number(name));
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

    /// Adds the anomalies of one source. `usual` holds what is usual in each value column.
    ///
    /// # Errors
    /// [`ErrorKind::Write`](crate::support::error::ErrorKind::Write) with the path that cannot be written.
    pub fn push(
        &mut self,
        source: &str,
        anomalies: &Anomalies,
        usual: &[Baseline],
        threshold: f64,
    ) -> Result<()> {
        self.push_csv(source, anomalies, usual, threshold)
            .map_err(|cause| unwritable(self.csv.target(), cause))?;
        // A row group at a time: the names repeated in each row take more memory than its numbers.
        for first in (0..anomalies.rows()).step_by(GROUP_ROWS) {
            let rows = first..anomalies.rows().min(first + GROUP_ROWS);
            let frame = self.frame(source, anomalies, rows, usual, threshold);
            self.parquet.push(frame.map_err(frame_failure)?)?;
        }
        Ok(())
    }

    fn push_csv(
        &mut self,
        source: &str,
        anomalies: &Anomalies,
        usual: &[Baseline],
        threshold: f64,
    ) -> io::Result<()> {
        let line = &mut self.line;
        for row in 0..anomalies.rows() {
            line.text(source).iso_time(anomalies.timestamps_us[row]);
            for values in &anomalies.values {
                line.number(values[row]);
            }
            line.number(anomalies.scores[row])
                .plain(anomalies.direction(row).name());
            let column = usize::from(anomalies.columns[row]);
            if self.names.len() > 1 {
                line.text(&self.names[column]);
            }
            explain(line, anomalies, row);
            line.number(usual[column].center).number(threshold);
            line.end(&mut self.csv)?;
        }
        Ok(())
    }

    fn frame(
        &self,
        source: &str,
        anomalies: &Anomalies,
        rows: Range<usize>,
        usual: &[Baseline],
        threshold: f64,
    ) -> PolarsResult<DataFrame> {
        let height = rows.len();
        let mut columns = vec![
            Column::new("source".into(), vec![source; height]),
            time_column("timestamp", &anomalies.timestamps_us[rows.clone()])?,
        ];
        for (name, values) in self.names.iter().zip(&anomalies.values) {
            columns.push(Column::new(name.as_str().into(), &values[rows.clone()]));
        }
        columns.push(Column::new("score".into(), &anomalies.scores[rows.clone()]));
        let directions = rows.clone().map(|row| anomalies.direction(row).name());
        columns.push(Column::new(
            "direction".into(),
            directions.collect::<Vec<_>>(),
        ));
        let outstanding = &anomalies.columns[rows.clone()];
        if self.names.len() > 1 {
            let names = outstanding
                .iter()
                .map(|&column| self.names[usize::from(column)].as_str());
            columns.push(Column::new("column".into(), names.collect::<Vec<_>>()));
        }
        let expected: Vec<f64> = anomalies.expected[rows.clone()]
            .iter()
            .map(|expected| expected.center)
            .collect();
        let of_value = |measure: fn(&Baseline, f64) -> Option<f64>| -> Vec<Option<f64>> {
            rows.clone()
                .map(|row| measure(&anomalies.expected[row], anomalies.value(row)))
                .collect()
        };
        let [name, ratio, deviation] = EXPLANATION;
        columns.push(Column::new(name.into(), expected));
        columns.push(Column::new(ratio.into(), of_value(Baseline::ratio)));
        columns.push(Column::new(
            deviation.into(),
            of_value(Baseline::deviations),
        ));
        let medians: Vec<f64> = outstanding
            .iter()
            .map(|&column| usual[usize::from(column)].center)
            .collect();
        columns.push(Column::new("median".into(), medians));
        columns.push(Column::new("threshold".into(), vec![threshold; height]));
        DataFrame::new(height, columns)
    }

    /// Gives both tables their final names; returns these.
    ///
    /// # Errors
    /// [`ErrorKind::Write`](crate::support::error::ErrorKind::Write) with the path that cannot be written.
    pub fn finish(self) -> Result<Vec<PathBuf>> {
        let csv = self.csv.finish()?;
        let parquet = self.parquet.finish()?;
        Ok(vec![csv.commit()?, parquet.commit()?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_anomalies_of_a_source_start_with_the_columns_of_the_original_script() {
        let anomalies = Anomalies {
            timestamps_us: vec![0, 1_500_000],
            values: vec![vec![251643.0, 0.25]],
            scores: vec![0.75, 0.5],
            columns: vec![0, 0],
            expected: vec![
                Baseline {
                    center: 0.5,
                    scale: 0.0,
                },
                Baseline {
                    center: 0.5,
                    scale: 0.25,
                },
            ],
        };
        let mut out = Vec::new();
        write_anomalies_csv(&mut out, &["Bytes".to_owned()], &anomalies, false).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "timestamp,value,anomaly,score,direction,expected,ratio,deviation\n\
             1970-01-01 00:00:00,251643.0,-1,0.75,above,0.5,503286.0,\n\
             1970-01-01 00:00:01.500,0.25,-1,0.5,below,0.5,0.5,-1.0\n"
        );
    }
}

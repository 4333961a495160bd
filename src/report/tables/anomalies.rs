//! Anomalies: of one series as the original script wrote them, and of all series together.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::cells::Line;
use super::combined::{Cell, CombinedTable};

use super::value_names;
use crate::detect::Anomalies;
use crate::report::names::{ANOMALIES, Suffixes};
use crate::report::outcome::SeriesResult;
use crate::report::{Judged, OutputOptions, RunInfo, SeriesOutput, Sink, places_of};
use crate::storage::atomic::{self, Staged};
use crate::support::error::Result;

/// What explains an anomaly: the expected value, the value as a multiple of it, and how many robust standard
/// deviations lie between them.
const EXPLANATION: [&str; 3] = ["expected", "ratio", "deviation"];

/// The cells of [`EXPLANATION`].
fn explanation(anomalies: &Anomalies, row: usize) -> [Option<f64>; 3] {
    let (value, expected) = (anomalies.value(row), anomalies.expected[row]);
    [
        Some(expected.center),
        expected.ratio(value),
        expected.deviations(value),
    ]
}

/// Writes one series' anomalies: `timestamp,value,anomaly` as the original script does, then
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
        for number in explanation(anomalies, row) {
            line.number_if(number);
        }
        line.end(out)?;
    }
    Ok(())
}

/// The table of one series' anomalies.
#[derive(Debug, Clone)]
pub struct AnomaliesOfSeries {
    suffix: String,
    csv_safe: bool,
}

impl AnomaliesOfSeries {
    /// Tables as `options` ask for them.
    pub fn new(options: &OutputOptions, suffixes: &Suffixes) -> Self {
        Self {
            suffix: suffixes.anomalies(),
            csv_safe: options.csv_safe,
        }
    }
}

impl SeriesOutput for AnomaliesOfSeries {
    fn suffix(&self) -> String {
        self.suffix.clone()
    }

    fn stage(&self, target: &Path, judged: &Judged<'_>) -> Result<Option<Staged>> {
        let SeriesResult {
            columns, findings, ..
        } = judged.found;
        atomic::stage(target, |file| {
            write_anomalies_csv(file, columns, &findings.anomalies, self.csv_safe)
        })
        .map(Some)
    }
}

/// The anomalies of all series, as `anomalies.csv` and `anomalies.parquet`.
pub struct AnomalyTable {
    table: CombinedTable,
    /// Value columns of the run, as series call them and as the table does.
    columns: Vec<String>,
    names: Vec<String>,
    has_entities: bool,
}

impl Sink for AnomalyTable {
    fn begin(run: &RunInfo<'_>) -> Result<Self> {
        let names = value_names(run.columns);
        let mut columns = vec![("source", Cell::Text)];
        if run.has_entities {
            columns.extend([("by", Cell::Text), ("entity", Cell::Text)]);
        }
        columns.push(("timestamp", Cell::Time));
        columns.extend(names.iter().map(|name| (name.as_str(), Cell::Number)));
        columns.extend([("score", Cell::Number), ("direction", Cell::Text)]);
        if names.len() > 1 {
            columns.push(("column", Cell::Text));
        }
        let numbers = EXPLANATION.into_iter().chain(["median", "threshold"]);
        columns.extend(numbers.map(|name| (name, Cell::Number)));
        Ok(Self {
            table: CombinedTable::create(run.folder, ANOMALIES, columns, run.csv_safe)?,
            columns: run.columns.to_vec(),
            names,
            has_entities: run.has_entities,
        })
    }

    fn series(&mut self, found: &SeriesResult) -> Result<()> {
        let places = places_of(&self.columns, found);
        let Self { table, names, .. } = self;
        let own_name = |column: usize| {
            let place = places.iter().position(|place| *place == Some(column));
            place.map_or("", |place| names[place].as_str())
        };
        let findings = &found.findings;
        let anomalies = &findings.anomalies;
        for row in 0..anomalies.rows() {
            table.text(&found.key.log);
            if self.has_entities {
                table.text(&found.key.by).text(&found.key.entity);
            }
            table.time(anomalies.timestamps_us[row]);
            for place in &places {
                let values = place.and_then(|place| anomalies.values.get(place));
                table.number_if(values.map(|values| values[row]));
            }
            table
                .number(anomalies.scores[row])
                .text(anomalies.direction(row).name());
            let column = usize::from(anomalies.columns[row]);
            if names.len() > 1 {
                table.text(own_name(column));
            }
            for number in explanation(anomalies, row) {
                table.number_if(number);
            }
            table
                .number(findings.baselines[column].center)
                .number(findings.threshold)
                .end_row()?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<PathBuf>> {
        self.table.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Baseline;

    #[test]
    fn the_anomalies_of_a_series_start_with_the_columns_of_the_original_script() {
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

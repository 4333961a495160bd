//! The incidents of all sources.

use std::path::{Path, PathBuf};

use polars::prelude::*;

use super::cells::Line;
use super::parquet::{GROUP_ROWS, ParquetTable, frame_failure, time_column, timestamp_type};
use super::value_names;
use crate::detect::Incident;
use crate::storage::atomic::{Staging, unwritable};
use crate::support::calendar::SECOND_US;
use crate::support::error::Result;

/// The incidents of all sources, as `incidents.csv` and `incidents.parquet`.
///
/// Rows are pushed source by source, in the order in which they shall stand.
pub struct IncidentTable {
    csv: Staging,
    line: Line,
    parquet: ParquetTable,
    names: Vec<String>,
}

/// What stands in a column.
enum Cell {
    Text,
    Time,
    Number,
    Count,
}

/// The columns, in their order.
const COLUMNS: [(&str, Cell); 20] = [
    ("source", Cell::Text),
    ("start", Cell::Time),
    ("end", Cell::Time),
    ("duration_seconds", Cell::Number),
    ("kind", Cell::Text),
    ("severity", Cell::Text),
    ("score", Cell::Number),
    ("direction", Cell::Text),
    ("rows", Cell::Count),
    ("anomalies", Cell::Count),
    ("peak_time", Cell::Time),
    ("peak_value", Cell::Number),
    ("expected", Cell::Number),
    ("expected_low", Cell::Number),
    ("expected_high", Cell::Number),
    ("ratio", Cell::Number),
    ("deviation", Cell::Number),
    ("column", Cell::Text),
    ("threshold", Cell::Number),
    ("evidence", Cell::Text),
];

impl IncidentTable {
    /// Opens both tables in `folder`, for sources with these value columns.
    ///
    /// # Errors
    /// [`ErrorKind::Write`](crate::support::error::ErrorKind::Write) with the path that cannot be written.
    pub fn create(folder: &Path, columns: &[String], csv_safe: bool) -> Result<Self> {
        let mut csv = Staging::create(&folder.join("incidents.csv"))?;
        let mut line = Line::new(csv_safe);
        let schema = COLUMNS.iter().map(|(name, cell)| {
            line.plain(name);
            let kind = match cell {
                Cell::Text => DataType::String,
                Cell::Time => timestamp_type(),
                Cell::Number => DataType::Float64,
                Cell::Count => DataType::UInt64,
            };
            Field::new((*name).into(), kind)
        });
        let schema: Schema = schema.collect();
        line.end(&mut csv)
            .map_err(|cause| unwritable(csv.target(), cause))?;
        let parquet = Staging::create(&folder.join("incidents.parquet"))?;
        Ok(Self {
            csv,
            line,
            parquet: ParquetTable::new(parquet, schema)?,
            names: value_names(columns),
        })
    }

    /// Adds the incidents of one source.
    ///
    /// # Errors
    /// [`ErrorKind::Write`](crate::support::error::ErrorKind::Write) with the path that cannot be written.
    pub fn push(&mut self, source: &str, incidents: &[&Incident], threshold: f64) -> Result<()> {
        for incident in incidents {
            self.write_csv(source, incident, threshold);
            self.line
                .end(&mut self.csv)
                .map_err(|cause| unwritable(self.csv.target(), cause))?;
        }
        for incidents in incidents.chunks(GROUP_ROWS) {
            let frame = self.frame(source, incidents, threshold);
            self.parquet.push(frame.map_err(frame_failure)?)?;
        }
        Ok(())
    }

    fn write_csv(&mut self, source: &str, incident: &Incident, threshold: f64) {
        let measured = Measured::of(incident);
        let line = &mut self.line;
        line.text(source)
            .iso_time(incident.start_us)
            .iso_time(incident.end_us)
            .number(measured.seconds)
            .plain(incident.kind.name())
            .plain(incident.severity.name())
            .number_if(incident.score)
            .plain(measured.direction)
            .plain(&incident.rows.to_string())
            .plain(&incident.anomalies.to_string())
            .iso_time(incident.peak_us)
            .number_if(incident.peak)
            .number(incident.expected.center)
            .number(measured.range.0)
            .number(measured.range.1)
            .number_if(measured.ratio)
            .number_if(measured.deviation)
            .text(&self.names[usize::from(incident.column)])
            .number(threshold)
            .text(&incident.evidence());
    }

    fn frame(
        &self,
        source: &str,
        incidents: &[&Incident],
        threshold: f64,
    ) -> PolarsResult<DataFrame> {
        let height = incidents.len();
        let measured: Vec<Measured> = incidents.iter().map(|i| Measured::of(i)).collect();
        let times = |name: &str, of: fn(&Incident) -> i64| {
            let times: Vec<i64> = incidents.iter().map(|incident| of(incident)).collect();
            time_column(name, &times)
        };
        let numbers = |name: &str, of: fn(&Incident) -> Option<f64>| {
            let numbers: Vec<Option<f64>> = incidents.iter().map(|incident| of(incident)).collect();
            Column::new(name.into(), numbers)
        };
        let of_measured = |name: &str, of: fn(&Measured) -> Option<f64>| {
            Column::new(name.into(), measured.iter().map(of).collect::<Vec<_>>())
        };
        let counts = |name: &str, of: fn(&Incident) -> u64| {
            let counts: Vec<u64> = incidents.iter().map(|incident| of(incident)).collect();
            Column::new(name.into(), counts)
        };
        let texts = |name: &str, of: &dyn Fn(&Incident) -> String| {
            let texts: Vec<String> = incidents.iter().map(|incident| of(incident)).collect();
            Column::new(name.into(), texts)
        };
        let columns = vec![
            Column::new("source".into(), vec![source; height]),
            times("start", |i| i.start_us)?,
            times("end", |i| i.end_us)?,
            of_measured("duration_seconds", |m| Some(m.seconds)),
            texts("kind", &|i| i.kind.name().to_owned()),
            texts("severity", &|i| i.severity.name().to_owned()),
            numbers("score", |i| i.score),
            texts("direction", &|i| direction_name(i).to_owned()),
            counts("rows", |i| i.rows),
            counts("anomalies", |i| i.anomalies),
            times("peak_time", |i| i.peak_us)?,
            numbers("peak_value", |i| i.peak),
            numbers("expected", |i| Some(i.expected.center)),
            of_measured("expected_low", |m| Some(m.range.0)),
            of_measured("expected_high", |m| Some(m.range.1)),
            of_measured("ratio", |m| m.ratio),
            of_measured("deviation", |m| m.deviation),
            texts("column", &|i| self.names[usize::from(i.column)].clone()),
            Column::new("threshold".into(), vec![threshold; height]),
            texts("evidence", &Incident::evidence),
        ];
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

/// What is computed of an incident for its row.
struct Measured {
    seconds: f64,
    direction: &'static str,
    range: (f64, f64),
    ratio: Option<f64>,
    deviation: Option<f64>,
}

impl Measured {
    fn of(incident: &Incident) -> Self {
        let Incident { peak, expected, .. } = incident;
        Self {
            seconds: incident.duration_us as f64 / SECOND_US as f64,
            direction: direction_name(incident),
            range: incident.expected_range(),
            ratio: peak.and_then(|peak| expected.ratio(peak)),
            deviation: peak.and_then(|peak| expected.deviations(peak)),
        }
    }
}

/// `above`, `below`, or `within` the expected range.
fn direction_name(incident: &Incident) -> &'static str {
    incident
        .direction
        .map_or("within", |direction| direction.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Baseline, Direction, Kind, Severity};

    #[test]
    fn a_row_has_a_cell_for_each_column() {
        let folder = std::env::temp_dir().join(format!("isoscan-incidents-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut table = IncidentTable::create(&folder, &["v".to_owned()], false).unwrap();
        let incident = Incident {
            kind: Kind::Silence,
            severity: Severity::High,
            start_us: 0,
            end_us: 60_000_000,
            duration_us: 60_000_000,
            direction: Some(Direction::Below),
            score: None,
            rows: 0,
            anomalies: 0,
            peak_us: 0,
            peak: None,
            expected: Baseline {
                center: 10.0,
                scale: 1.0,
            },
            column: 0,
        };
        table.push("a.csv", &[&incident], 0.5).unwrap();
        let written = table.finish().unwrap();
        let text = std::fs::read_to_string(&written[0]).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(rows[0].len(), COLUMNS.len());
        assert_eq!(
            rows[1],
            [
                "a.csv",
                "1970-01-01T00:00:00Z",
                "1970-01-01T00:01:00Z",
                "60.0",
                "silence",
                "high",
                "",
                "below",
                "0",
                "0",
                "1970-01-01T00:00:00Z",
                "",
                "10.0",
                "7.0",
                "13.0",
                "",
                "",
                "value",
                "0.5",
                "no row for 1 min"
            ]
        );
        std::fs::remove_dir_all(folder).unwrap();
    }
}

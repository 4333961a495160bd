//! The incidents of all series.

use std::path::PathBuf;

use super::combined::{Cell, CombinedTable};
use super::value_names;
use crate::detect::{Incident, Severity};
use crate::report::names::INCIDENTS;
use crate::report::outcome::SeriesResult;
use crate::report::{RunInfo, Sink, places_of};
use crate::support::calendar::SECOND_US;
use crate::support::error::Result;

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

/// The incidents of all series that are reported, as `incidents.csv` and `incidents.parquet`.
pub struct IncidentTable {
    table: CombinedTable,
    /// Value columns of the run, as series call them and as the table does.
    columns: Vec<String>,
    names: Vec<String>,
    has_entities: bool,
    min_severity: Severity,
}

impl Sink for IncidentTable {
    fn begin(run: &RunInfo<'_>) -> Result<Self> {
        let mut columns = COLUMNS.to_vec();
        if run.has_entities {
            columns.splice(1..1, [("by", Cell::Text), ("entity", Cell::Text)]);
        }
        Ok(Self {
            table: CombinedTable::create(run.folder, INCIDENTS, columns, run.csv_safe)?,
            columns: run.columns.to_vec(),
            names: value_names(run.columns),
            has_entities: run.has_entities,
            min_severity: run.min_severity,
        })
    }

    fn series(&mut self, found: &SeriesResult) -> Result<()> {
        let places = places_of(&self.columns, found);
        for incident in found.reported(self.min_severity) {
            let measured = Measured::of(incident);
            let column = usize::from(incident.column);
            let place = places.iter().position(|place| *place == Some(column));
            self.table.text(&found.key.log);
            if self.has_entities {
                self.table.text(&found.key.by).text(&found.key.entity);
            }
            self.table
                .time(incident.start_us)
                .time(incident.end_us)
                .number(measured.seconds)
                .text(incident.kind.name())
                .text(incident.severity.name())
                .number_if(incident.score)
                .text(measured.direction)
                .count(incident.rows)
                .count(incident.anomalies)
                .time(incident.peak_us)
                .number_if(incident.peak)
                .number(incident.expected.center)
                .number(measured.range.0)
                .number(measured.range.1)
                .number_if(measured.ratio)
                .number_if(measured.deviation)
                .text(place.map_or("", |place| &self.names[place]))
                .number(found.findings.threshold)
                .text(&incident.evidence())
                .end_row()?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<PathBuf>> {
        self.table.finish()
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
    use crate::detect::{Anomalies, Baseline, Direction, Findings, Kind};
    use crate::series::SeriesKey;

    #[test]
    fn what_is_reported_has_a_row_with_a_cell_for_each_column() {
        let folder = std::env::temp_dir().join(format!("isoscan-incidents-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
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
        let mut table = IncidentTable::begin(&RunInfo {
            folder: &folder,
            has_entities: false,
            columns: &["v".to_owned()],
            min_severity: Severity::High,
            csv_safe: false,
        })
        .unwrap();
        let low = Incident {
            severity: Severity::Low,
            ..incident.clone()
        };
        let found = SeriesResult {
            key: SeriesKey::total("a.csv"),
            columns: vec!["v".to_owned()],
            rows: 0,
            findings: Findings {
                threshold: 0.5,
                expected: None,
                baselines: Vec::new(),
                anomalies: Anomalies::default(),
                incidents: vec![low, incident],
                notes: Vec::new(),
                not_judged: None,
            },
        };
        table.series(&found).unwrap();
        let written = Box::new(table).finish().unwrap();
        let text = std::fs::read_to_string(&written[0]).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!((rows.len(), rows[0].len()), (2, COLUMNS.len()));
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

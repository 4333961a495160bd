//! The sample data that ships with isoscan: a few small files, each with a story.

use std::path::{Path, PathBuf};

use super::records::{sample_log, write_log};
use super::{Event, EventKind, EventPlan, Heartbeat, Sink, TrafficSpec, write_file};
use crate::support::error::Result;

/// One file of the sample data.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleFile {
    /// Its path below the sample folder.
    pub path: &'static str,
    /// What it holds.
    pub spec: TrafficSpec,
}

/// Rows of a day at five minutes.
const DAY: u64 = 288;

/// The files of the sample data, in the order of their paths.
pub fn sample() -> Vec<SampleFile> {
    let usual = TrafficSpec::default();
    vec![
        SampleFile {
            path: "edge/heartbeat.csv",
            spec: TrafficSpec {
                rows: 14 * DAY,
                seed: 4,
                base_level: 42_000.0,
                daily_rhythm: 0.5,
                weekly_rhythm: 0.4,
                noise: 0.1,
                bursts_per_day: 3.0,
                heartbeat: Some(Heartbeat {
                    period_rows: 6,
                    height: 4.5,
                }),
                events: EventPlan::Placed(vec![event(
                    EventKind::Silence,
                    row(10, 21, 35),
                    hours(31),
                    1.0,
                )]),
                ..usual.clone()
            },
        },
        SampleFile {
            path: "edge/router-01.csv",
            spec: TrafficSpec {
                rows: 21 * DAY,
                seed: 101,
                base_level: 9_400_000.0,
                events: EventPlan::Placed(vec![event(
                    EventKind::Flood,
                    row(15, 2, 10),
                    hours(2) + 3,
                    4.0,
                )]),
                ..usual.clone()
            },
        },
        SampleFile {
            path: "edge/router-02.csv",
            spec: TrafficSpec {
                rows: 21 * DAY,
                seed: 202,
                base_level: 3_100_000.0,
                noise: 0.15,
                events: EventPlan::Placed(vec![
                    event(EventKind::Drop, row(11, 13, 25), hours(1) + 7, 0.3),
                    event(EventKind::Exfiltration, row(16, 22, 40), hours(6), 0.9),
                ]),
                ..usual.clone()
            },
        },
        SampleFile {
            path: "network_traffic.csv",
            spec: TrafficSpec {
                rows: 14 * DAY,
                seed: 7,
                heartbeat: Some(Heartbeat {
                    period_rows: 12,
                    height: 3.0,
                }),
                events: EventPlan::Placed(vec![
                    event(EventKind::Spike, row(8, 14, 20), 8, 24.0),
                    event(EventKind::Silence, row(10, 3, 15), hours(17), 0.0),
                ]),
                ..usual
            },
        },
    ]
}

/// Writes the sample data below `folder`, with labels: the files of [`sample`], and [`sample_log`] below `zeek`.
/// Returns the path of each with the number of its events.
///
/// # Errors
/// Those of `sink`.
pub fn write_sample(folder: &Path, sink: &Sink<'_>) -> Result<Vec<(PathBuf, usize)>> {
    let mut written = Vec::new();
    for file in sample() {
        let path = folder.join(file.path);
        let labels = write_file(file.spec, &path, sink)?;
        written.push((path, labels.events.len()));
    }
    let path = folder.join("zeek");
    let (_, labels) = write_log(sample_log(), &path, sink)?;
    written.push((path, labels.events.len()));
    Ok(written)
}

fn event(kind: EventKind, start_row: u64, rows: u64, magnitude: f64) -> Event {
    Event {
        kind,
        start_row,
        rows,
        magnitude,
    }
}

/// The row at which `hour:minute` of day `day` stands, counted from 0.
fn row(day: u64, hour: u64, minute: u64) -> u64 {
    day * DAY + hours(hour) + minute / 5
}

fn hours(count: u64) -> u64 {
    count * DAY / 24
}

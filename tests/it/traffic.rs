//! Small made-up traffic whose anomalies are known, and the forms in which it comes.

use std::io::Write;

use chrono::DateTime;
use polars::prelude::*;

/// 2026-01-01 00:00:00 UTC, in microseconds since 1970.
pub const START_US: i64 = 1_767_225_600_000_000;
/// Five minutes.
pub const STEP_US: i64 = 300_000_000;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    pub time_us: i64,
    pub value: f64,
}

/// The row numbers of [`traffic`] that do not belong there, with their values: one in a hundred of 400.
pub const STRANGE: [(usize, f64); 4] = [(50, 90_000.0), (150, 12.5), (250, 75_000.25), (350, 0.0)];

/// 400 rows, five minutes apart, between 1000 and 1503 but for the [`STRANGE`] ones.
pub fn traffic() -> Vec<Row> {
    calm(400)
        .into_iter()
        .enumerate()
        .map(|(number, row)| {
            let strange = STRANGE.iter().find(|(at, _)| *at == number);
            Row {
                value: strange.map_or(row.value, |(_, value)| *value),
                ..row
            }
        })
        .collect()
}

/// Rows between 1000 and 1503, five minutes apart.
pub fn calm(rows: usize) -> Vec<Row> {
    (0..rows)
        .map(|number| Row {
            time_us: START_US + number as i64 * STEP_US,
            value: 1000.0 + (number * 7919 % 503) as f64 + (number % 4) as f64 * 0.25,
        })
        .collect()
}

/// A time in the fields of strftime, UTC.
pub fn time(time_us: i64, format: &str) -> String {
    let time = DateTime::from_timestamp_micros(time_us).unwrap();
    time.format(format).to_string()
}

/// `2026-01-01 00:00:00`
pub fn blank_time(time_us: i64) -> String {
    time(time_us, "%Y-%m-%d %H:%M:%S")
}

/// The rows as lines of text below `header`, each made by `line`.
pub fn lines(header: &str, rows: &[Row], line: impl Fn(&Row) -> String) -> String {
    let mut text = format!("{header}\n");
    for row in rows {
        text.push_str(&line(row));
        text.push('\n');
    }
    text
}

/// The rows as CSV: `timestamp,value`.
pub fn csv(rows: &[Row]) -> String {
    lines("timestamp,value", rows, |row| {
        format!("{},{}", blank_time(row.time_us), row.value)
    })
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut packer = zstd::Encoder::new(Vec::new(), 3).unwrap();
    packer.include_checksum(true).unwrap();
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// A parquet file of these columns, in row groups of a hundred rows.
pub fn parquet(columns: Vec<Column>) -> Vec<u8> {
    let mut frame = DataFrame::new(columns[0].len(), columns).unwrap();
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes)
        .with_row_group_size(Some(100))
        .finish(&mut frame)
        .unwrap();
    bytes
}

pub fn read_parquet(bytes: Vec<u8>) -> DataFrame {
    ParquetReader::new(std::io::Cursor::new(bytes))
        .finish()
        .unwrap()
}

/// Splits a CSV without quotes into its header and its rows of cells.
pub fn cells(text: &str) -> (Vec<&str>, Vec<Vec<&str>>) {
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    (lines.next().unwrap(), lines.collect())
}

/// The first three columns of an anomalies CSV of [`traffic`], as the original script writes them.
pub fn strange_rows() -> Vec<[String; 3]> {
    STRANGE
        .iter()
        .map(|(number, value)| {
            let time = blank_time(START_US + *number as i64 * STEP_US);
            [time, format!("{value:?}"), "-1".to_owned()]
        })
        .collect()
}

/// The first three columns of an anomalies CSV.
pub fn found_rows(text: &str) -> Vec<[String; 3]> {
    let (header, rows) = cells(text);
    assert_eq!(header[..3], ["timestamp", "value", "anomaly"]);
    rows.iter()
        .map(|row| [row[0], row[1], row[2]].map(str::to_owned))
        .collect()
}

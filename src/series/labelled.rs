//! An input of several labelled series, read into a series for each of them.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Series, SeriesBuilder, SeriesKey, chunk::Chunk};
use crate::format::samples::{
    LabelledSeries, SampleOptions, SampleSink, SampleTable, recognise_samples,
};
use crate::format::{Dropped, DroppedRow, NAMED_DROPS, ReadOptions, ReadReport};
use crate::input::Source;
use crate::input::open::{Opened, open};
use crate::input::watch::Watch;
use crate::runtime::memory::Memory;
use crate::support::error::Result;

/// The series of an input, and what reading it told.
#[derive(Debug)]
pub struct LabelledRead {
    /// In the order of their entities; `by` is `label`, or `total` where the input holds one series. None has no row.
    pub series: Vec<(SeriesKey, Series)>,
    /// What was recognised and dropped.
    pub report: ReadReport,
}

/// Reads an input that holds several labelled series: an export of sadf, Grafana, Prometheus, InfluxDB, RRDtool or MRTG. `Ok(None)` for
/// any other input. With `format` only the format of that name is tried.
///
/// The columns of a series are those measures that `options` names, or all of them where it names none of the entity's. A row
/// with an unknown value is left out, and a note counts such rows; where more than half of an entity's rows have one, since
/// its measures were taken at different times, each measure is a series of its own.
/// Values are held in memory while the input is read, 24 bytes each; rows beyond `memory` are spilled afterwards.
///
/// # Errors
/// Those of opening and unpacking, and [`ErrorKind::Format`](crate::support::error::ErrorKind::Format) where rows share their times and no label
/// tells them apart.
pub fn read_labelled(
    source: &Source,
    format: Option<&str>,
    options: &ReadOptions,
    memory: &Arc<Memory>,
) -> Result<Option<LabelledRead>> {
    read(source, format, options, memory).map_err(|error| error.at(source.path()))
}

fn read(
    source: &Source,
    format: Option<&str>,
    options: &ReadOptions,
    memory: &Arc<Memory>,
) -> Result<Option<LabelledRead>> {
    let watch = Watch::new(memory.stop());
    let Opened::Text(mut text) = open(source, &watch, options.max_bytes)? else {
        return Ok(None);
    };
    let zone = SampleOptions { zone: options.zone };
    let Some((_, mut reader)) = recognise_samples(text.head(), format, &zone)? else {
        return Ok(None);
    };
    let mut lines = NumberedLines {
        table: SampleTable::new(reader.labels_are_certain()),
        dropped: Dropped::default(),
        block: Vec::new(),
        lines_before: 0,
    };
    let mut block = Vec::new();
    loop {
        memory.stop().check()?;
        text.next_block(&mut block)?;
        if block.is_empty() {
            break;
        }
        lines.block.clone_from(&block);
        reader.read(&block, &mut lines);
        lines.lines_before += memchr::memchr_iter(b'\n', &block).count() as u64;
    }
    lines.block.clear();
    reader.finish(&mut lines);
    let NumberedLines {
        mut table, dropped, ..
    } = lines;
    let found = table.take_series()?;
    let mut notes: Vec<String> = std::mem::take(&mut table.notices).into_iter().collect();
    let mut series = Vec::new();
    let mut unknown = 0;
    for labelled in found {
        for (entity, measures) in whole_rows(&labelled, &options.value_columns) {
            let (rows, left_out) = series_of(&labelled, &measures, memory)?;
            unknown += left_out;
            if rows.rows() > 0 {
                let mut key = SeriesKey::total(source.name());
                if !entity.is_empty() {
                    key.by = Cow::Borrowed("label");
                    key.entity = entity;
                }
                series.push((key, rows));
            }
        }
    }
    if unknown > 0 {
        notes.push(format!(
            "{unknown} rows with an unknown value are not judged"
        ));
    }
    let report = ReadReport {
        dropped,
        form: reader.describe(),
        bytes: text.bytes(),
        notes,
        content: Some(watch.content()),
    };
    Ok(Some(LabelledRead { series, report }))
}

/// The entities to make of `labelled`, with the places of their columns: one, or one for each measure where its rows are seldom whole.
fn whole_rows(labelled: &LabelledSeries, wanted: &[String]) -> Vec<(String, Vec<usize>)> {
    let all = 0..labelled.measures.len();
    let is_wanted = |place: &usize| wanted.contains(&labelled.measures[*place]);
    let mut places: Vec<usize> = all.clone().filter(is_wanted).collect();
    if places.is_empty() {
        places = all.collect();
    }
    let rows = labelled.timestamps_us.len();
    let is_whole = |row: &usize| {
        places
            .iter()
            .all(|&place| !labelled.columns[place][*row].is_nan())
    };
    if places.len() < 2 || (0..rows).filter(is_whole).count() * 2 >= rows {
        return vec![(labelled.entity.clone(), places)];
    }
    let named = |place: usize| {
        let entity = format!("{} {}", labelled.entity, labelled.measures[place]);
        (entity.trim_start().to_owned(), vec![place])
    };
    places.into_iter().map(named).collect()
}

/// The rows of `labelled` whose columns at `places` are all known, and how many are not.
fn series_of(
    labelled: &LabelledSeries,
    places: &[usize],
    memory: &Arc<Memory>,
) -> Result<(Series, usize)> {
    let is_whole = |row: &usize| {
        places
            .iter()
            .all(|&place| !labelled.columns[place][*row].is_nan())
    };
    let rows: Vec<usize> = (0..labelled.timestamps_us.len()).filter(is_whole).collect();
    let names = places.iter().map(|&place| labelled.measures[place].clone());
    let mut builder = SeriesBuilder::new(names.collect(), Arc::clone(memory));
    if !rows.is_empty() {
        let times = rows
            .iter()
            .map(|&row| labelled.timestamps_us[row])
            .collect();
        let column = |&place: &usize| {
            rows.iter()
                .map(|&row| labelled.columns[place][row])
                .collect()
        };
        builder.push(Chunk::new(times, places.iter().map(column).collect()))?;
    }
    let left_out = labelled.timestamps_us.len() - rows.len();
    Ok((builder.finish()?, left_out))
}

/// A table that knows on which line of the input a dropped row stands.
struct NumberedLines {
    table: SampleTable,
    dropped: Dropped,
    block: Vec<u8>,
    lines_before: u64,
}

impl SampleSink for NumberedLines {
    fn sample(&mut self, entity: &str, measure: &str, timestamp_us: i64, value: f64) {
        self.table.sample(entity, measure, timestamp_us, value);
    }

    fn dropped(&mut self, offset: usize, reason: &dyn Fn() -> String) {
        self.dropped.rows += 1;
        if self.dropped.first.len() < NAMED_DROPS {
            let before = self.block.get(..offset).unwrap_or_default();
            let line = self.lines_before + memchr::memchr_iter(b'\n', before).count() as u64 + 1;
            self.dropped.first.push(DroppedRow {
                line,
                reason: reason(),
            });
        }
    }

    fn other(&mut self) {
        self.table.other();
    }

    fn notice(&mut self, text: String) {
        self.table.notice(text);
    }

    fn unused_column(&mut self, name: &str) {
        self.table.unused_column(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Location;

    fn read_text(text: &str, options: &ReadOptions) -> Option<LabelledRead> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export.csv");
        std::fs::write(&path, text).unwrap();
        let source = Source {
            location: Location::File(path),
            output_stem: "export".into(),
            is_named: true,
        };
        let memory = Arc::new(Memory::new(1 << 20, folder.path()));
        read_labelled(&source, None, options, &memory).unwrap()
    }

    const SADF: &str = "# hostname;interval;timestamp;IFACE;rxkB/s;txkB/s
gw;600;2026-03-01 10:00:00 UTC;lo;1;2
gw;600;2026-03-01 10:00:00 UTC;eth0;3;4
gw;600;2026-03-01 10:10:00 UTC;lo;5;nan
gw;600;2026-03-01 10:10:00 UTC;eth0
gw;600;2026-03-01 10:20:00 UTC;eth0;7;8
";

    #[test]
    fn each_entity_is_a_series_and_faults_are_told_by_line() {
        let read = read_text(SADF, &ReadOptions::default()).unwrap();
        let shown: Vec<_> = read
            .series
            .iter()
            .map(|(key, series)| {
                (
                    &*key.by,
                    key.entity.as_str(),
                    series.columns().len(),
                    series.rows(),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [("label", "gw/eth0", 2, 2), ("label", "gw/lo", 2, 1)]
        );
        assert_eq!(
            (read.report.dropped.rows, read.report.dropped.first[0].line),
            (1, 5)
        );
        assert_eq!(
            read.report.notes,
            ["1 rows with an unknown value are not judged"]
        );
    }

    #[test]
    fn the_measures_that_are_asked_for_are_the_columns() {
        let options = ReadOptions {
            value_columns: vec!["rxkB/s".to_owned()],
            ..ReadOptions::default()
        };
        let read = read_text(SADF, &options).unwrap();
        assert_eq!(read.series[1].1.columns(), ["rxkB/s"]);
        assert_eq!(read.series[1].1.rows(), 2);
    }

    #[test]
    fn measures_taken_at_different_times_are_series_of_their_own() {
        let text = "name,timestamp,value,device
rx,1772359200,10,eth0
tx,1772359201,20,eth0
rx,1772359500,11,eth0
tx,1772359501,21,eth0
";
        let read = read_text(text, &ReadOptions::default()).unwrap();
        let names: Vec<&str> = read
            .series
            .iter()
            .map(|(key, _)| key.entity.as_str())
            .collect();
        assert_eq!(names, ["device=eth0 rx", "device=eth0 tx"]);
    }

    #[test]
    fn a_plain_series_is_left_to_others() {
        let text = "timestamp,value\n2026-03-01 10:00:00,1\n";
        assert!(read_text(text, &ReadOptions::default()).is_none());
    }
}

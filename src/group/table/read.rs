//! Tables of series read back: one or many, summed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use polars::prelude::*;

use super::{FRONT, VERSION};
use crate::format::record::Family;
use crate::format::timestamp::{TimeForm, Zone};
use crate::group::cell::Cell;
use crate::group::distinct::Distinct;
use crate::group::key::{By, IN, Measure, OUT, Place};
use crate::group::log::GroupedLog;
use crate::group::options::SKETCHES;
use crate::group::sums::Key;
use crate::runtime::memory::Memory;
use crate::runtime::panics::caught;
use crate::support::error::{Error, ErrorKind, Result, quoted};

/// The first words of a table in CSV.
const CSV_MARK: &[u8] = b"# isoscan table ";
/// Name of the table's version in parquet metadata.
const VERSION_KEY: &str = "isoscan.table";
/// A larger footer is not searched: that of a table of series is small.
const MAX_FOOTER: u64 = 16 << 20;

/// Whether the file at `path` is a table of series, by its first words or its metadata.
pub(crate) fn is_table_of_series(path: &Path) -> bool {
    let Ok(mut file) = File::open(path) else {
        return false;
    };
    let mut start = [0; CSV_MARK.len()];
    if file.read_exact(&mut start).is_err() {
        return false;
    }
    if !start.starts_with(b"PAR1") {
        return start == CSV_MARK;
    }
    is_marked(&mut file).unwrap_or(false)
}

/// Whether the footer of a parquet file names the table's version. The footer is searched, not parsed: this is asked of
/// every parquet file, whoever wrote it.
fn is_marked(file: &mut File) -> std::io::Result<bool> {
    let size = file.seek(SeekFrom::End(0))?;
    let Some(tail) = size.checked_sub(8) else {
        return Ok(false);
    };
    file.seek(SeekFrom::Start(tail))?;
    let mut length = [0; 4];
    file.read_exact(&mut length)?;
    let length = u64::from(u32::from_le_bytes(length));
    if length > tail.min(MAX_FOOTER) {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(tail - length))?;
    let mut footer = vec![0; length as usize];
    file.read_exact(&mut footer)?;
    Ok(memchr::memmem::find(&footer, VERSION_KEY.as_bytes()).is_some())
}

/// The rows of a table, column by column.
struct Rows {
    measures: Vec<Measure>,
    /// Log, key and entity of each row.
    names: [StringChunked; 3],
    timestamps_us: Int64Chunked,
    every: Int64Chunked,
    values: Vec<Int64Chunked>,
    sketches: Vec<(usize, BinaryChunked)>,
}

/// What the tables say of one log.
#[derive(Default)]
struct LogShape {
    every: BTreeMap<String, i64>,
    measures: BTreeSet<usize>,
}

/// Reads the tables at `paths`, and gives each log in them, summed over the tables. A table is held in memory while it
/// is read.
///
/// # Errors
/// With the table's path: [`ErrorKind::Read`], [`ErrorKind::Format`] where it is no whole table of series, is not
/// sorted, or has other buckets than another table.
pub(crate) fn read_tables(paths: &[&Path], memory: &Arc<Memory>) -> Result<Vec<GroupedLog>> {
    let mut shapes: BTreeMap<String, LogShape> = BTreeMap::new();
    for path in paths {
        let rows = rows_of(path).map_err(|error| error.at(path))?;
        rows.survey(&mut shapes).map_err(|error| error.at(path))?;
    }
    let mut logs: BTreeMap<String, GroupedLog> = BTreeMap::new();
    for (name, shape) in shapes {
        let keys: Result<Vec<Key>> = shape
            .every
            .iter()
            .map(|(by, every)| {
                Ok(Key {
                    by: by.parse()?,
                    every_us: every.saturating_mul(1_000_000),
                })
            })
            .collect();
        let of_family = |family: Family| {
            let all = Measure::all(family).iter().enumerate();
            let found = all.filter(|(_, m)| shape.measures.contains(&order_of(**m)));
            found.map(|(_, measure)| *measure).collect::<Vec<Measure>>()
        };
        let is_web = shape.measures.contains(&order_of(Measure::Requests));
        let family = if is_web {
            Family::Requests
        } else {
            Family::Flows
        };
        let log = GroupedLog::new(name.clone(), family, keys?, of_family(family), memory);
        logs.insert(name, log);
    }
    for path in paths {
        let rows = rows_of(path).map_err(|error| error.at(path))?;
        rows.add_to(&logs).map_err(|error| error.at(path))?;
    }
    Ok(logs.into_values().collect())
}

/// Every measure, in an order of its own.
const MEASURES: [Measure; 11] = [
    Measure::Flows,
    Measure::Requests,
    Measure::Bytes,
    Measure::BytesOut,
    Measure::BytesIn,
    Measure::Packets,
    Measure::Failed,
    Measure::Status4xx,
    Measure::Status5xx,
    Measure::Peers,
    Measure::Ports,
];

fn order_of(measure: Measure) -> usize {
    MEASURES
        .iter()
        .position(|m| *m == measure)
        .unwrap_or(MEASURES.len())
}

fn wrong(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Format, text)
}

fn rows_of(path: &Path) -> Result<Rows> {
    let unreadable =
        |cause: std::io::Error| Error::new(ErrorKind::Read, "cannot be read").caused_by(cause);
    let mut file = File::open(path).map_err(unreadable)?;
    let mut start = [0; 4];
    let got = file.read(&mut start).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    if &start[..got] == b"PAR1" {
        let frame = caught(|| ParquetReader::new(Cursor::new(bytes)).finish())
            .map_err(wrong_table)?
            .map_err(|cause| wrong_table(cause.to_string()))?;
        return Rows::of_frame(&frame);
    }
    let text = std::str::from_utf8(&bytes).map_err(|cause| wrong_table(cause.to_string()))?;
    Rows::of_csv(text)
}

fn wrong_table(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    wrong("not a whole table of series").caused_by(cause)
}

impl Rows {
    fn of_frame(frame: &DataFrame) -> Result<Self> {
        let column = |name: &str, kind: &DataType| {
            let found = frame.column(name).and_then(|column| column.cast(kind));
            found.map_err(|cause| wrong_table(cause.to_string()))
        };
        let lost = |cause: PolarsError| wrong_table(cause.to_string());
        let text = |name: &str| {
            Ok(column(name, &DataType::String)?
                .str()
                .map_err(lost)?
                .clone())
        };
        let number = |name: &str| Ok(column(name, &DataType::Int64)?.i64().map_err(lost)?.clone());
        let time = DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
        let timestamps = column("timestamp", &time)?
            .cast(&DataType::Int64)
            .map_err(lost)?;
        let mut rows = Self {
            measures: Vec::new(),
            names: [text("log")?, text("by")?, text("entity")?],
            timestamps_us: timestamps.i64().map_err(lost)?.clone(),
            every: number("every")?,
            values: Vec::new(),
            sketches: Vec::new(),
        };
        for (place, name) in SKETCHES.into_iter().enumerate() {
            if frame.column(name).is_ok() {
                let states = column(name, &DataType::Binary)?;
                rows.sketches
                    .push((place, states.binary().map_err(lost)?.clone()));
            }
        }
        for measure in MEASURES {
            let has_state = match measure.place() {
                Place::Distinct(place) => rows.sketches.iter().any(|(own, _)| *own == place),
                _ => true,
            };
            if has_state && frame.column(measure.name()).is_ok() {
                rows.measures.push(measure);
                rows.values.push(number(measure.name())?);
            }
        }
        Ok(rows)
    }

    fn of_csv(text: &str) -> Result<Self> {
        let mut lines = text.lines().enumerate();
        let mark = lines.next().map_or("", |(_, line)| line);
        let version = mark.as_bytes().strip_prefix(CSV_MARK);
        let version = version.and_then(|rest| rest.split(|&byte| byte == b' ').next());
        if version != Some(VERSION.to_string().as_bytes()) {
            return Err(wrong(format!(
                "a table of series of another version: {}",
                quoted(mark.as_bytes())
            )));
        }
        let head: Vec<String> = lines.next().map_or_else(Vec::new, |(_, line)| cells(line));
        if head.get(..FRONT.len()).is_none_or(|front| front != FRONT) {
            return Err(wrong(
                "the table of series has no header with log,by,entity,timestamp,every",
            ));
        }
        let mut columns: Vec<Vec<Option<String>>> = vec![Vec::new(); head.len()];
        let mut timestamps_us = Vec::new();
        let mut time = TimeForm::recognise([b"2026-01-01T00:00:00Z".as_slice()], Zone::default())
            .ok_or_else(|| wrong("times cannot be read"))?
            .parser();
        for (number, line) in lines {
            let cells = cells(line);
            let timestamp = cells.get(3).and_then(|cell| time.parse(cell.as_bytes()));
            let (Some(timestamp), true) = (timestamp, cells.len() == head.len()) else {
                let text = "a row of a table of series that is cut or has a wrong time";
                return Err(wrong(text).on_line(number as u64 + 1));
            };
            timestamps_us.push(timestamp);
            for (place, (column, cell)) in columns.iter_mut().zip(cells).enumerate() {
                column.push((place < 3 || !cell.is_empty()).then_some(cell));
            }
        }
        let place = |name: &str| head.iter().position(|cell| cell == name);
        let text = |place: usize| {
            let cells = columns[place].iter().map(|cell| cell.as_deref());
            StringChunked::from_iter_options(PlSmallStr::EMPTY, cells)
        };
        let number = |place: usize| {
            let cells = columns[place].iter();
            let numbers = cells.map(|cell| cell.as_ref().and_then(|cell| cell.parse::<i64>().ok()));
            Int64Chunked::from_iter_options(PlSmallStr::EMPTY, numbers)
        };
        let mut rows = Self {
            measures: Vec::new(),
            names: [text(0), text(1), text(2)],
            timestamps_us: Int64Chunked::from_vec(PlSmallStr::EMPTY, timestamps_us),
            every: number(4),
            values: Vec::new(),
            sketches: Vec::new(),
        };
        for (own, name) in SKETCHES.into_iter().enumerate() {
            if let Some(place) = place(name) {
                let states = columns[place].iter().map(|cell| cell.as_deref().map(unhex));
                let states = BinaryChunked::from_iter_options(PlSmallStr::EMPTY, states);
                rows.sketches.push((own, states));
            }
        }
        for measure in MEASURES {
            let has_state = match measure.place() {
                Place::Distinct(place) => rows.sketches.iter().any(|(own, _)| *own == place),
                _ => true,
            };
            if let (true, Some(place)) = (has_state, place(measure.name())) {
                rows.measures.push(measure);
                rows.values.push(number(place));
            }
        }
        Ok(rows)
    }

    fn len(&self) -> usize {
        self.timestamps_us.len()
    }

    /// Log, key and entity of a row.
    fn name(&self, row: usize) -> Result<[&str; 3]> {
        let text = |column: usize| {
            let cell = self.names[column].get(row);
            cell.ok_or_else(|| wrong(format!("row {} has no {}", row + 1, FRONT[column])))
        };
        Ok([text(0)?, text(1)?, text(2)?])
    }

    /// Notes which keys and measures each log has.
    fn survey(&self, shapes: &mut BTreeMap<String, LogShape>) -> Result<()> {
        for row in 0..self.len() {
            let [log, by, _] = self.name(row)?;
            if !shapes.contains_key(log) {
                shapes.insert(log.to_owned(), LogShape::default());
            }
            let Some(shape) = shapes.get_mut(log) else {
                continue;
            };
            let every = self.every.get(row).filter(|every| *every > 0);
            let every = every.ok_or_else(|| wrong(format!("row {} has no every", row + 1)))?;
            match shape.every.get(by) {
                Some(known) if *known == every => {}
                Some(known) => {
                    return Err(wrong(format!(
                        "{by} of {log} has buckets of {every} s here and of {known} s before: they cannot be summed"
                    )));
                }
                None => {
                    by.parse::<By>()?;
                    shape.every.insert(by.to_owned(), every);
                }
            }
            if shape.measures.len() < self.measures.len() {
                for (measure, values) in self.measures.iter().zip(&self.values) {
                    if values.get(row).is_some() {
                        shape.measures.insert(order_of(*measure));
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds all rows to their logs, a run each.
    fn add_to(&self, logs: &BTreeMap<String, GroupedLog>) -> Result<()> {
        let mut row = 0;
        while row < self.len() {
            let log_name = self.name(row)?[0];
            let Some(log) = logs.get(log_name) else {
                return Err(wrong("the table has changed while it was read"));
            };
            let mut run = log.runs().begin();
            let mut before: Option<(usize, String)> = None;
            while row < self.len() && self.name(row)?[0] == log_name {
                let [_, by, entity] = self.name(row)?;
                let by: By = by.parse()?;
                let Some(key) = log.keys.iter().position(|key| key.by == by) else {
                    return Err(wrong("the table has changed while it was read"));
                };
                let unit = (key, entity.to_owned());
                if before.as_ref().is_some_and(|before| *before >= unit) {
                    return Err(wrong(format!(
                        "row {} is out of order: sort by log, by, entity, timestamp",
                        row + 1
                    )));
                }
                let mut cells: Vec<Cell> = Vec::new();
                while row < self.len()
                    && self.name(row)? == [log_name, log.keys[key].by.name().as_str(), &unit.1]
                {
                    let cell = self.cell(row, log.keys[key].every_us)?;
                    if let Some(cell) = cell {
                        cells.push(cell);
                    }
                    row += 1;
                }
                crate::group::cell::sort_and_join(&mut cells);
                run.push(key, unit.1.as_bytes(), cells.len(), cells.iter())?;
                before = Some(unit);
            }
            run.finish()?;
        }
        Ok(())
    }

    /// The cell in a row; `None` where everything is zero, as if the row were not there.
    fn cell(&self, row: usize, every_us: i64) -> Result<Option<Cell>> {
        let start_us = self.timestamps_us.get(row).unwrap_or(i64::MIN);
        if start_us.rem_euclid(every_us) != 0 {
            return Err(wrong(format!(
                "row {} does not start where a bucket starts",
                row + 1
            )));
        }
        let mut cell = Cell::new(start_us.div_euclid(every_us));
        let mut is_known = false;
        let mut both = None;
        for (measure, values) in self.measures.iter().zip(&self.values) {
            let Some(value) = values.get(row) else {
                continue;
            };
            is_known = true;
            let value = u64::try_from(value)
                .map_err(|_| wrong(format!("row {} holds {value}", row + 1)))?;
            match measure.place() {
                Place::Sum(place) => cell.sums[place] = value,
                Place::Both => both = Some(value),
                Place::Distinct(_) => {}
            }
        }
        // Where only the sum of both directions is known, it stands for one of them.
        let has = |measure| self.measures.contains(&measure);
        if let Some(both) = both
            && !(has(Measure::BytesOut) && has(Measure::BytesIn))
        {
            cell.sums[OUT] = both.saturating_sub(cell.sums[IN]);
        }
        for (place, states) in &self.sketches {
            let state = states.get(row).unwrap_or_default();
            cell.distinct[*place] = Distinct::read(state).ok_or_else(|| {
                wrong(format!(
                    "row {} holds a damaged {}",
                    row + 1,
                    SKETCHES[*place]
                ))
            })?;
        }
        Ok((!is_known || !cell.is_unknown()).then_some(cell))
    }
}

/// The cells of a line of CSV.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.next_if_eq(&'"').is_some() => {
                if let Some(cell) = cells.last_mut() {
                    cell.push('"');
                }
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(String::new()),
            other => {
                if let Some(cell) = cells.last_mut() {
                    cell.push(other);
                }
            }
        }
    }
    cells
}

/// The bytes of a hexadecimal text; a wrong digit gives bytes that are no state.
fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => digit(*high)
            .zip(digit(*low))
            .map(|(high, low)| (16 * high + low) as u8),
        _ => None,
    });
    pairs
        .collect::<Option<Vec<u8>>>()
        .unwrap_or_else(|| vec![0xff])
}

//! Parquet files, streamed through polars in batches.
//!
//! Timestamps may be datetimes (any unit and zone), dates, numbers or text; values any number, or
//! text that is one.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use polars::prelude::*;

use super::delimited::{DroppedRow, find_columns};
use super::time::{LocalClock, TimeForm, TimeParser, Zone};
use super::{Dropped, IngestOptions, frame, unknown_time_form};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::memory::Memory;
use crate::series::{Chunk, SeriesBuilder};

/// Rows in a batch: large enough to make polars' work per batch small.
const BATCH_ROWS: std::num::NonZeroUsize = std::num::NonZeroUsize::new(1 << 18).unwrap();

/// A parquet file whose schema has been read.
pub(crate) struct Recognised {
    source: LazyFrame,
    timestamp: PlSmallStr,
    timestamp_type: DataType,
    values: Vec<PlSmallStr>,
    columns: Vec<String>,
}

impl Recognised {
    /// In words: `parquet; timestamps: datetime[μs]`.
    pub(crate) fn describe(&self) -> String {
        format!("parquet; timestamps: {}", self.timestamp_type)
    }
}

/// Reads the schema and finds the wanted columns.
///
/// # Errors
/// [`ErrorKind::Format`] where the file is no whole parquet file, [`ErrorKind::Column`] where a wanted
/// column is missing.
pub(crate) fn recognise(path: &Path, options: &IngestOptions) -> Result<Recognised> {
    let corrupt = |cause: PolarsError| {
        Error::new(ErrorKind::Format, "not a whole parquet file").caused_by(cause.to_string())
    };
    let file = std::fs::File::open(path)
        .map_err(|cause| Error::new(ErrorKind::Read, "cannot be read").caused_by(cause))?;
    let args = ScanArgsParquet {
        glob: false,
        cache: false,
        low_memory: true,
        // An open file has no path that could name partitions; polars refuses to look for them.
        hive_options: HiveOptions::new_disabled(),
        ..ScanArgsParquet::default()
    };
    // An open file, not a path: polars takes paths for patterns, and wants them in UTF-8.
    let sources = ScanSources::Files(Arc::from([file]));
    let mut source = LazyFrame::scan_parquet_sources(sources, args).map_err(corrupt)?;
    let schema = source.collect_schema().map_err(corrupt)?;
    let names: Vec<String> = schema.iter_names().map(|name| name.to_string()).collect();
    let (timestamp, values) = find_columns(&names, options)?;
    let (timestamp, timestamp_type) = schema.get_at_index(timestamp).map_or_else(
        || (PlSmallStr::EMPTY, DataType::Null),
        |(name, kind)| (name.clone(), kind.clone()),
    );
    Ok(Recognised {
        source,
        timestamp,
        timestamp_type,
        columns: values
            .iter()
            .map(|&at| names[at].trim().to_owned())
            .collect(),
        values: values.iter().map(|&at| names[at].as_str().into()).collect(),
    })
}

/// Reads all rows.
///
/// # Errors
/// [`ErrorKind::Format`] where the file is corrupt, [`ErrorKind::NoUsableRow`] where the timestamps
/// have no form known.
pub(crate) fn read(
    form: Recognised,
    options: &IngestOptions,
    memory: &Arc<Memory>,
) -> Result<(SeriesBuilder, Dropped)> {
    let reader = Arc::new(Mutex::new(Reader {
        builder: SeriesBuilder::new(form.columns.clone(), Arc::clone(memory)),
        dropped: Dropped::default(),
        rows: 0,
        clock: Clock::new(&form.timestamp_type, options)?,
        error: None,
    }));
    let pipeline = frame::select(form.source.clone(), &form.timestamp, &form.values)
        .with_columns([form.clock_step()])
        .with_columns(value_steps(form.values.len()));
    let taker = reader.clone();
    let sink = PlanCallback::new(move |batch: DataFrame| {
        let mut reader = taker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = reader.take(&batch) {
            reader.error = Some(error);
        }
        Ok(reader.error.is_some())
    });
    let run = pipeline
        .sink_batches(sink, true, Some(BATCH_ROWS))
        .and_then(|sink| sink.collect_with_engine(Engine::Streaming));
    let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = reader.error.take() {
        return Err(error);
    }
    run.map_err(|cause| {
        Error::new(ErrorKind::Format, "the parquet data cannot be read")
            .caused_by(cause.to_string())
    })?;
    let builder = std::mem::replace(
        &mut reader.builder,
        SeriesBuilder::new(Vec::new(), Arc::clone(memory)),
    );
    Ok((builder, reader.dropped.clone()))
}

impl Recognised {
    /// Timestamps as whole numbers where the file has times, as text where it has anything else.
    fn clock_step(&self) -> Expr {
        let column = col(frame::TIMESTAMP);
        match &self.timestamp_type {
            DataType::Datetime(..) => column.to_physical().cast(DataType::Int64),
            DataType::Date => column.to_physical().cast(DataType::Int64),
            _ => column.cast(DataType::String),
        }
    }
}

fn value_steps(count: usize) -> Vec<Expr> {
    (0..count)
        .map(|number| col(frame::value_name(number)).cast(DataType::Float64))
        .collect()
}

/// How a cell of the timestamp column becomes microseconds.
enum Clock {
    /// Whole numbers, `scale` of which are a microsecond (or the reverse, where negative).
    Ticks { ticks: Ticks, zone: Option<Zone> },
    /// Text; the form is recognised from the first batch.
    Text { form: Option<TimeForm>, zone: Zone },
}

#[derive(Clone, Copy)]
enum Ticks {
    Days,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Clock {
    fn new(kind: &DataType, options: &IngestOptions) -> Result<Self> {
        let naive = Some(options.zone);
        Ok(match kind {
            DataType::Date => Self::Ticks {
                ticks: Ticks::Days,
                zone: naive,
            },
            DataType::Datetime(unit, zone) => Self::Ticks {
                ticks: match unit {
                    TimeUnit::Milliseconds => Ticks::Milliseconds,
                    TimeUnit::Microseconds => Ticks::Microseconds,
                    TimeUnit::Nanoseconds => Ticks::Nanoseconds,
                },
                zone: if zone.is_some() { None } else { naive },
            },
            _ => Self::Text {
                form: match &options.timestamp_format {
                    Some(format) => Some(TimeForm::from_format(format, options.zone)?),
                    None => None,
                },
                zone: options.zone,
            },
        })
    }
}

impl Ticks {
    fn to_us(self, ticks: i64) -> Option<i64> {
        match self {
            Self::Days => ticks.checked_mul(86_400_000_000),
            Self::Milliseconds => ticks.checked_mul(1000),
            Self::Microseconds => Some(ticks),
            Self::Nanoseconds => Some(ticks.div_euclid(1000)),
        }
    }
}

struct Reader {
    builder: SeriesBuilder,
    dropped: Dropped,
    rows: u64,
    clock: Clock,
    error: Option<Error>,
}

impl Reader {
    fn take(&mut self, batch: &DataFrame) -> Result<()> {
        let batch = &{
            let mut whole = batch.clone();
            whole.rechunk_mut();
            whole
        };
        let times = self.times(batch)?;
        let mut columns = Vec::new();
        for number in 0..batch.width() - 1 {
            let column = batch
                .column(&frame::value_name(number))
                .map_err(frame::internal)?;
            columns.push(column.f64().map_err(frame::internal)?);
        }
        let mut kept = Vec::with_capacity(times.len());
        let mut values = vec![Vec::with_capacity(times.len()); columns.len()];
        for (row, time) in times.into_iter().enumerate() {
            let bad = columns.iter().find_map(|column| {
                let cell = column.get(row);
                (!cell.is_some_and(f64::is_finite)).then_some(cell)
            });
            match (time, bad) {
                (Ok(time), None) => {
                    kept.push(time);
                    for (values, column) in values.iter_mut().zip(&columns) {
                        values.push(column.get(row).unwrap_or_default() + 0.0);
                    }
                }
                (_, Some(cell)) => self.drop_row(
                    row,
                    match cell {
                        Some(number) => format!("the value {number} is no finite number"),
                        None => "the value is empty or no number".to_owned(),
                    },
                ),
                (Err(reason), None) => self.drop_row(row, reason),
            }
        }
        self.rows += batch.height() as u64;
        self.builder.push(Chunk::new(kept, values))
    }

    fn times(&mut self, batch: &DataFrame) -> Result<Vec<std::result::Result<i64, String>>> {
        let column = batch.column(frame::TIMESTAMP).map_err(frame::internal)?;
        match &mut self.clock {
            Clock::Ticks { ticks, zone } => {
                let mut zone = zone.map(LocalClock::new);
                let cells = column.i64().map_err(frame::internal)?;
                Ok(cells
                    .iter()
                    .map(|cell| {
                        let cell = cell.ok_or("the timestamp is empty")?;
                        let local = ticks.to_us(cell).ok_or("the timestamp is out of range")?;
                        match &mut zone {
                            Some(zone) => zone.utc_us(local),
                            None => Some(local),
                        }
                        .ok_or("the timestamp does not exist in its zone")
                    })
                    .map(|time| time.map_err(str::to_owned))
                    .collect())
            }
            Clock::Text { form, zone } => {
                let cells = column.str().map_err(frame::internal)?;
                if form.is_none() {
                    let samples: Vec<&[u8]> = cells
                        .iter()
                        .flatten()
                        .take(1000)
                        .map(str::as_bytes)
                        .collect();
                    *form = TimeForm::recognise(samples, *zone);
                }
                let Some(form) = form else {
                    let first = cells.iter().flatten().next().unwrap_or_default();
                    return Err(unknown_time_form(first.as_bytes()));
                };
                let mut parser: TimeParser = form.parser();
                Ok(cells
                    .iter()
                    .map(|cell| match cell {
                        None | Some("") => Err("the timestamp is empty".to_owned()),
                        Some(cell) => parser.parse(cell.as_bytes()).ok_or_else(|| {
                            format!(
                                "the timestamp {} does not fit the column's form",
                                quoted(cell.as_bytes())
                            )
                        }),
                    })
                    .collect())
            }
        }
    }

    fn drop_row(&mut self, row: usize, reason: String) {
        self.dropped.rows += 1;
        self.dropped.name(DroppedRow {
            line: self.rows + row as u64 + 1,
            reason,
        });
    }
}

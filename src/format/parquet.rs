//! Parquet files, read row group by row group.
//!
//! Timestamps may be datetimes (any unit and zone), dates, numbers or text; values any number, or
//! text that is one. The bytes of the wanted columns are read into memory, one row group at a time, and
//! decoded in slices; nothing is mapped: a mapped file that shrinks while it is read kills the process.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};

use polars::prelude::*;
use polars_buffer::Buffer;
use polars_parquet::parquet::page::CompressedPage;
use polars_parquet::read::{
    BasicDecompressor, ColumnChunkMetadata, FileMetadata, Filter, PageReader, RowGroupMetadata,
    column_iter_to_arrays, infer_schema, read_metadata,
};
use rayon::prelude::*;

use super::DroppedRow;
use super::timestamp::{LocalClock, TimeForm, TimeParser, Zone};
use super::{Dropped, ReadOptions, RowSink, find_columns, unknown_time_form};
use crate::input::too_many_bytes;
use crate::runtime::panics::caught;
use crate::support::error::{Error, ErrorKind, Result, quoted};

/// Rows decoded at once: large enough to make the work per slice small.
const SLICE_ROWS: usize = 1 << 18;
/// A page larger than this, packed or not, is no honest one: writers make pages of about a MiB.
const LARGEST_PAGE: usize = 256 << 20;
/// A footer larger than this is refused: it would describe millions of column chunks.
const LARGEST_FOOTER: u64 = 256 << 20;
/// The bytes of one row group's wanted columns that are held at once; writers aim at 128 MiB for all columns.
const LARGEST_GROUP: u64 = 1 << 30;
/// Length of the footer and magic, at the end of the file.
const TAIL: u64 = 8;

/// The timestamp column of a slice, whatever its name in the file.
const TIMESTAMP: &str = "timestamp";

/// The `number`-th value column of a slice.
fn value_name(number: usize) -> PlSmallStr {
    format!("value_{number}").into()
}

/// A failure of polars where none should be.
fn internal(cause: PolarsError) -> Error {
    Error::new(ErrorKind::Internal, "the lazy pipeline failed").caused_by(cause)
}

/// A parquet file whose schema has been read.
pub(crate) struct Recognised {
    file: File,
    size: u64,
    metadata: FileMetadata,
    /// The timestamp column and behind it the value columns.
    fields: Vec<ArrowField>,
    timestamp_type: DataType,
    columns: Vec<String>,
    notes: Vec<String>,
}

impl Recognised {
    /// In words: `parquet; timestamps: datetime[μs]`.
    pub(crate) fn describe(&self) -> String {
        format!("parquet; timestamps: {}", self.timestamp_type)
    }

    /// What was guessed: for the user to read.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Size of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.size
    }
}

/// Reads the schema and finds the wanted columns.
///
/// # Errors
/// [`ErrorKind::Format`] where the file is no whole parquet file, [`ErrorKind::Column`] where a wanted
/// column is missing.
pub(crate) fn recognise(mut file: File, options: &ReadOptions) -> Result<Recognised> {
    let (size, metadata, schema) = read_schema(&mut file)?;
    let names: Vec<String> = schema.iter_names().map(|name| name.to_string()).collect();
    let is_numeric = |at: usize| {
        let field = schema
            .get_at_index(at)
            .map(|(_, field)| DataType::from_arrow_field(field));
        field.is_some_and(|kind| kind.is_primitive_numeric())
    };
    let wanted = find_columns(&names, options, is_numeric)?;
    let fields: Vec<ArrowField> = std::iter::once(wanted.timestamp)
        .chain(wanted.values.iter().copied())
        .filter_map(|at| schema.get_at_index(at).map(|(_, field)| field.clone()))
        .collect();
    if let Some(nested) = fields.iter().find(|field| field.dtype.is_nested()) {
        return Err(Error::new(
            ErrorKind::Column,
            format!(
                "the column {} holds lists or structures, no single values",
                quoted(nested.name.as_bytes())
            ),
        ));
    }
    let timestamp_type = fields
        .first()
        .map_or(DataType::Null, DataType::from_arrow_field);
    Ok(Recognised {
        file,
        size,
        metadata,
        fields,
        timestamp_type,
        columns: wanted.value_names(&names),
        notes: wanted.notes(&names),
    })
}

/// The size of a file, and what its footer says of its columns and row groups.
///
/// # Errors
/// [`ErrorKind::Format`] where the file is no whole parquet file.
pub(super) fn read_schema(file: &mut File) -> Result<(u64, FileMetadata, ArrowSchema)> {
    let (size, footer) = read_footer(file)?;
    let (metadata, schema) = caught(|| {
        let metadata = read_metadata(&mut Cursor::new(footer))?;
        let schema = infer_schema(&metadata)?;
        PolarsResult::Ok((metadata, schema))
    })
    .map_err(not_whole)?
    .map_err(|cause| not_whole(cause.to_string()))?;
    Ok((size, metadata, schema))
}

fn not_whole(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Format, "not a whole parquet file").caused_by(cause)
}

fn unreadable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Format, "the parquet data cannot be read").caused_by(cause)
}

/// The file's size, and the bytes of its footer with all that follows it.
fn read_footer(file: &mut File) -> Result<(u64, Vec<u8>)> {
    let size = file
        .seek(SeekFrom::End(0))
        .map_err(|cause| Error::new(ErrorKind::Read, "cannot be read").caused_by(cause))?;
    if size < TAIL + 4 {
        return Err(not_whole(format!("it has {size} bytes")));
    }
    let tail = read_at(file, size - TAIL, TAIL)?;
    let length = match tail[..] {
        [a, b, c, d, b'P', b'A', b'R', b'1'] => u64::from(u32::from_le_bytes([a, b, c, d])),
        [.., b'P', b'A', b'R', b'E'] => return Err(not_whole("its footer is encrypted")),
        _ => return Err(not_whole("it does not end with PAR1")),
    };
    if length < 4 || length + TAIL > size {
        return Err(not_whole(format!(
            "a footer of {length} bytes in a file of {size}"
        )));
    }
    if length > LARGEST_FOOTER {
        return Err(not_whole(format!(
            "its footer is longer than {} MiB",
            LARGEST_FOOTER >> 20
        )));
    }
    let footer = read_at(file, size - TAIL - length, length + TAIL)?;
    Ok((size, footer))
}

/// `length` bytes from `place`; fewer are an error, as in a file cut short meanwhile.
fn read_at(file: &mut File, place: u64, length: u64) -> Result<Vec<u8>> {
    let failed = |cause| Error::new(ErrorKind::Read, "cannot be read").caused_by(cause);
    let mut bytes = Vec::new();
    usize::try_from(length)
        .ok()
        .and_then(|length| bytes.try_reserve_exact(length).ok())
        .ok_or_else(|| {
            Error::new(
                ErrorKind::Read,
                format!("no memory for {} MiB of it", length >> 20),
            )
        })?;
    file.seek(SeekFrom::Start(place)).map_err(failed)?;
    file.take(length).read_to_end(&mut bytes).map_err(failed)?;
    if (bytes.len() as u64) < length {
        return Err(Error::new(
            ErrorKind::Read,
            "the file became shorter while it was read",
        ));
    }
    Ok(bytes)
}

/// Reads all rows and hands them to `sink`, a slice of a row group at a time. Returns the rows that could not be used.
///
/// # Errors
/// [`ErrorKind::Format`] where the file is corrupt, [`ErrorKind::NoUsableRow`] where the timestamps
/// have no form known.
pub(crate) fn read(
    form: Recognised,
    options: &ReadOptions,
    sink: &mut dyn RowSink,
) -> Result<Dropped> {
    sink.begin(&form.columns)?;
    let mut reader = Reader {
        sink,
        dropped: Dropped::default(),
        rows: 0,
        clock: Clock::new(&form.timestamp_type, options)?,
    };
    let promised: usize = form
        .metadata
        .row_groups
        .iter()
        .map(|group| group.num_rows())
        .sum();
    if promised != form.metadata.num_rows {
        return Err(unreadable(format!(
            "{} rows are promised and {promised} in its row groups",
            form.metadata.num_rows
        )));
    }
    let mut file = form.file;
    for group in &form.metadata.row_groups {
        let chunks = read_group(&mut file, form.size, group, &form.fields)?;
        let rows = group.num_rows();
        for start in (0..rows).step_by(SLICE_ROWS) {
            let end = rows.min(start + SLICE_ROWS);
            let slice = decode(&chunks, &form.fields, start, end)?;
            // Eight bytes a cell: what the rows are once they are unpacked.
            let unpacked = (reader.rows + slice.height() as u64) * 8 * form.fields.len() as u64;
            if let Some(most) = options.max_bytes.filter(|&most| unpacked > most) {
                return Err(too_many_bytes(most));
            }
            let batch = caught(|| numbers_of(slice, &form.timestamp_type, form.columns.len()))
                .map_err(unreadable)?
                .map_err(|cause| unreadable(cause.to_string()))?;
            reader.take(&batch)?;
        }
    }
    Ok(reader.dropped)
}

/// The bytes of a column in one row group.
pub(super) struct ColumnBytes<'a> {
    about: &'a ColumnChunkMetadata,
    bytes: Cursor<Buffer<u8>>,
}

impl ColumnBytes<'_> {
    fn pages(&self) -> PageReader {
        PageReader::new(self.bytes.clone(), self.about, Vec::new(), LARGEST_PAGE)
    }

    /// Looks at the headers of all pages, which is cheap: the decoder makes room for as many values as
    /// they promise, and ends the process where that is more than there is.
    fn check(&self, rows: usize) -> Result<()> {
        let sound = caught(|| {
            let mut left = rows;
            for page in self.pages() {
                match page {
                    Ok(CompressedPage::Data(page)) => left = left.checked_sub(page.num_values())?,
                    Ok(CompressedPage::Dict(_)) => {}
                    Err(_) => return None,
                }
            }
            (left == 0).then_some(())
        });
        match sound {
            Ok(Some(())) => Ok(()),
            Ok(None) => Err(unreadable(format!(
                "the pages of a column have not the {rows} values promised"
            ))),
            Err(panic) => Err(unreadable(panic)),
        }
    }
}

/// Reads the bytes of the wanted columns of a row group.
pub(super) fn read_group<'a>(
    file: &mut File,
    size: u64,
    group: &'a RowGroupMetadata,
    fields: &[ArrowField],
) -> Result<Vec<ColumnBytes<'a>>> {
    let mut chunks = Vec::new();
    let mut held = 0;
    for field in fields {
        let mut columns = group
            .columns_under_root_iter(&field.name)
            .into_iter()
            .flatten();
        let (Some(about), None) = (columns.next(), columns.next()) else {
            return Err(unreadable(format!(
                "a row group has not one column {}",
                quoted(field.name.as_bytes())
            )));
        };
        if usize::try_from(about.num_values()) != Ok(group.num_rows()) {
            return Err(unreadable(format!(
                "a row group of {} rows has a column of {} values",
                group.num_rows(),
                about.num_values()
            )));
        }
        let start = about
            .dictionary_page_offset()
            .unwrap_or(about.data_page_offset());
        let place = u64::try_from(start).ok();
        let length = u64::try_from(about.compressed_size()).ok();
        let (Some(place), Some(length)) = (place, length) else {
            return Err(unreadable("a column lies at a negative place"));
        };
        if place.checked_add(length).is_none_or(|end| end > size) {
            return Err(unreadable(format!(
                "a column at byte {place} of {length} bytes, in a file of {size}"
            )));
        }
        held += length;
        if held > LARGEST_GROUP {
            return Err(unreadable(format!(
                "the columns of a row group are larger than {} MiB",
                LARGEST_GROUP >> 20
            )));
        }
        let bytes = Cursor::new(read_at(file, place, length)?.into());
        let chunk = ColumnBytes { about, bytes };
        chunk.check(group.num_rows())?;
        chunks.push(chunk);
    }
    Ok(chunks)
}

/// The rows from `start` to `end` of a column in a row group, on this thread.
pub(super) fn decode_column(
    chunk: &ColumnBytes<'_>,
    field: &ArrowField,
    start: usize,
    end: usize,
) -> Result<Series> {
    let series = caught(|| {
        let (arrays, _) = column_iter_to_arrays(
            vec![BasicDecompressor::new(chunk.pages(), Vec::new())],
            vec![&chunk.about.descriptor().descriptor.primitive_type],
            field.clone(),
            Some(Filter::new_ranged(start, end)),
        )?;
        Series::try_from((field, arrays))
    })
    .map_err(unreadable)?
    .map_err(|cause| unreadable(cause.to_string()))?;
    if series.len() != end - start {
        return Err(unreadable(format!(
            "a row group has {} rows where {} are promised",
            start + series.len(),
            end
        )));
    }
    Ok(series)
}

/// The rows from `start` to `end` of a row group, the columns under the names of their roles' source.
fn decode(
    chunks: &[ColumnBytes<'_>],
    fields: &[ArrowField],
    start: usize,
    end: usize,
) -> Result<DataFrame> {
    let columns = chunks
        .par_iter()
        .zip(fields)
        .enumerate()
        .map(|(number, (chunk, field))| {
            let series = decode_column(chunk, field, start, end)?;
            let role = match number {
                0 => TIMESTAMP.into(),
                _ => value_name(number - 1),
            };
            Ok(series.with_name(role).into_column())
        })
        .collect::<Result<Vec<_>>>()?;
    DataFrame::new(end - start, columns).map_err(internal)
}

/// Timestamps as whole numbers where the file has times, as text where it has anything else; values as `f64`.
fn numbers_of(slice: DataFrame, times: &DataType, values: usize) -> PolarsResult<DataFrame> {
    let time = col(TIMESTAMP);
    let time = match times {
        DataType::Datetime(..) | DataType::Date => time.to_physical().cast(DataType::Int64),
        _ => time.cast(DataType::String),
    };
    let mut steps = vec![time];
    for number in 0..values {
        steps.push(col(value_name(number)).cast(DataType::Float64));
    }
    slice.lazy().select(steps).collect()
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
    fn new(kind: &DataType, options: &ReadOptions) -> Result<Self> {
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

struct Reader<'a> {
    sink: &'a mut dyn RowSink,
    dropped: Dropped,
    rows: u64,
    clock: Clock,
}

impl Reader<'_> {
    fn take(&mut self, batch: &DataFrame) -> Result<()> {
        let batch = &{
            let mut whole = batch.clone();
            whole.rechunk_mut();
            whole
        };
        let times = self.times(batch)?;
        let mut columns = Vec::new();
        for number in 0..batch.width() - 1 {
            let column = batch.column(&value_name(number)).map_err(internal)?;
            columns.push(column.f64().map_err(internal)?);
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
                        Some(number) => format!("the value {number} is not a number"),
                        None => "the value is empty or no number".to_owned(),
                    },
                ),
                (Err(reason), None) => self.drop_row(row, reason),
            }
        }
        self.rows += batch.height() as u64;
        self.sink.rows(kept, values)
    }

    fn times(&mut self, batch: &DataFrame) -> Result<Vec<std::result::Result<i64, String>>> {
        let column = batch.column(TIMESTAMP).map_err(internal)?;
        match &mut self.clock {
            Clock::Ticks { ticks, zone } => {
                let mut zone = zone.map(LocalClock::new);
                let cells = column.i64().map_err(internal)?;
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
                let cells = column.str().map_err(internal)?;
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

#[cfg(test)]
mod tests {
    use super::super::collected::CountedRows;
    use super::*;

    fn file_of(name: &str, bytes: &[u8]) -> (std::path::PathBuf, File) {
        let path = std::env::temp_dir().join(format!("isoscan-{name}-{}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        (path, file)
    }

    fn table(rows: i64) -> Vec<u8> {
        let times: Vec<i64> = (0..rows).map(|row| 1_767_225_600 + row * 60).collect();
        let values: Vec<f64> = (0..rows).map(|row| (row * 7919 % 503) as f64).collect();
        let columns = vec![
            Column::new("timestamp".into(), times),
            Column::new("value".into(), values),
        ];
        let mut frame = DataFrame::new(rows as usize, columns).unwrap();
        let mut bytes = Vec::new();
        ParquetWriter::new(&mut bytes)
            .with_row_group_size(Some(50))
            .finish(&mut frame)
            .unwrap();
        bytes
    }

    fn read_all(file: File, options: &ReadOptions) -> Result<u64> {
        let form = recognise(file, options)?;
        let mut rows = CountedRows(0);
        let dropped = read(form, options, &mut rows)?;
        Ok(rows.0 + dropped.rows)
    }

    #[test]
    fn a_file_cut_off_while_it_is_read_is_an_error() {
        let bytes = table(500);
        let (path, file) = file_of("cut", &bytes);
        let options = ReadOptions::default();
        let form = recognise(file.try_clone().unwrap(), &options).unwrap();
        file.set_len(bytes.len() as u64 / 2).unwrap();
        let error = read(form, &options, &mut CountedRows(0)).err().unwrap();
        assert_eq!(
            error.to_string(),
            "the file became shorter while it was read"
        );
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn damage_anywhere_is_an_error_or_keeps_the_number_of_rows() {
        let bytes = table(120);
        let options = ReadOptions::default();
        for place in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[place] ^= flip;
                let (_, file) = file_of("flip", &damaged);
                if let Ok(rows) = read_all(file, &options) {
                    assert_eq!(rows, 120, "byte {place}");
                }
            }
            let (_, file) = file_of("flip", &bytes[..place]);
            assert!(read_all(file, &options).is_err(), "cut at {place}");
        }
        std::fs::remove_file(file_of("flip", b"").0).unwrap();
    }

    #[test]
    fn more_unpacked_bytes_than_allowed_are_refused() {
        let (path, file) = file_of("most", &table(120));
        let options = |most| ReadOptions {
            max_bytes: Some(most),
            ..ReadOptions::default()
        };
        let again = file.try_clone().unwrap();
        assert_eq!(read_all(again, &options(120 * 16)).unwrap(), 120);
        let error = read_all(file, &options(120 * 16 - 1)).unwrap_err();
        assert!(error.to_string().contains("--max-input-bytes"), "{error}");
        std::fs::remove_file(path).unwrap();
    }
}

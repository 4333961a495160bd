//! Delimited text (CSV, TSV and kin) as a scan source of the lazy pipeline.
//!
//! The delimiter, the wanted columns and the form of the timestamps are recognised once, from the head
//! of the text; then blocks of records are read in order and parsed side by side.

mod parse;
pub(crate) mod record;

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use polars::prelude::*;

use self::parse::{Layout, Rows, parse_block};
use self::record::{Quotes, RecordEnd};
use super::timestamp::TimeForm;
use super::{Dropped, ReadOptions, frame, unknown_time_form};
use crate::input::unpack::{BLOCK_BYTES, Packing, TextReader};
use crate::runtime::memory::Memory;
use crate::series::SeriesBuilder;
use crate::support::error::{Error, ErrorKind, Result, printable};

pub use self::parse::DroppedRow;

/// Blocks in one batch of the pipeline: some 32 MiB of text, so that planning a batch costs nothing
/// beside parsing it, and its rows little memory.
const BATCH_BLOCKS: usize = 64;
/// Timestamps looked at to recognise their form.
const SAMPLED_ROWS: usize = 1000;

/// What the head of a text says about the rest.
pub(crate) struct Recognised {
    layout: Layout,
    columns: Vec<String>,
    time: TimeForm,
    packing: Packing,
}

impl Recognised {
    /// In words: `CSV (comma), gzip; timestamp as ISO 8601 …`.
    pub(crate) fn describe(&self) -> String {
        let delimiter = match self.layout.delimiter {
            b',' => "CSV (comma)",
            b';' => "CSV (semicolon)",
            b'\t' => "TSV (tab)",
            _ => "CSV (pipe)",
        };
        let packing = match self.packing {
            Packing::None => "",
            Packing::Gzip => ", gzip",
            Packing::Zstd => ", zstd",
        };
        format!("{delimiter}{packing}; timestamps: {}", self.time.describe())
    }
}

/// Recognises the form of a text from its head, and takes the header line off the front.
///
/// # Errors
/// [`ErrorKind::Column`] where a wanted column is missing, [`ErrorKind::NoUsableRow`] where there is
/// no row, or none whose timestamp has a known form.
pub(crate) fn recognise(text: &mut TextReader, options: &ReadOptions) -> Result<Recognised> {
    let Some((start, length, next)) = first_record(text.head(), text.head_is_all()) else {
        return Err(match text.head_is_all() {
            true => Error::new(
                ErrorKind::NoUsableRow,
                "the file has nothing but blank lines",
            ),
            false => Error::new(
                ErrorKind::Format,
                format!(
                    "the first line is longer than {} KiB: no text log",
                    text.head().len() >> 10
                ),
            ),
        });
    };
    let header = text.head()[start..start + length].to_vec();
    let header_line = lines_in(&text.head()[..start]) + 1;
    let (layout, columns) = read_header(&header, options).map_err(|e| e.on_line(header_line))?;
    let lines_before = lines_in(&text.head()[..next]);
    text.skip(next, lines_before);
    let time = match &options.timestamp_format {
        Some(format) => TimeForm::from_format(format, options.zone)?,
        None => recognise_time(text, &layout, options)?,
    };
    Ok(Recognised {
        layout,
        columns,
        time,
        packing: text.packing(),
    })
}

fn lines_in(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

/// Start, length and end of the first record that is not blank.
fn first_record(head: &[u8], all: bool) -> Option<(usize, usize, usize)> {
    let mut start = 0;
    while start < head.len() {
        match record::end_of(&head[start..], all) {
            RecordEnd::At { length, next, .. } => {
                if !record::trim(&head[start..start + length]).is_empty() {
                    return Some((start, length, start + next));
                }
                start += next;
            }
            RecordEnd::Unknown => return None,
        }
    }
    None
}

fn split<'a>(record: &'a [u8], delimiter: u8, quotes: Quotes, fields: &mut Vec<&'a [u8]>) {
    match quotes {
        Quotes::None => record::split_plain(record, delimiter, fields),
        Quotes::Closed | Quotes::Broken => record::split_quoted(record, delimiter, fields),
    }
}

fn read_header(header: &[u8], options: &ReadOptions) -> Result<(Layout, Vec<String>)> {
    let quotes = match memchr::memchr(b'"', header) {
        Some(_) => Quotes::Closed,
        None => Quotes::None,
    };
    let mut best: Option<(usize, Error)> = None;
    for delimiter in *b",;\t|" {
        let mut fields = Vec::new();
        split(header, delimiter, quotes, &mut fields);
        let names: Vec<String> = fields.iter().map(|field| name_of(field)).collect();
        match find_columns(&names, options) {
            Ok((timestamp, values)) => {
                let columns = values
                    .iter()
                    .map(|&at| names[at].trim().to_owned())
                    .collect();
                let layout = Layout {
                    delimiter,
                    fields: names.len(),
                    timestamp,
                    values,
                    header: fields.iter().map(|field| field.to_vec()).collect(),
                };
                return Ok((layout, columns));
            }
            // The delimiter that cuts the header into most columns makes the most telling error.
            Err(error) if best.as_ref().is_none_or(|(most, _)| names.len() > *most) => {
                best = Some((names.len(), error));
            }
            Err(_) => {}
        }
    }
    Err(best.map_or_else(
        || Error::new(ErrorKind::Column, "no columns"),
        |(_, error)| error,
    ))
}

/// A column's name. Bytes that are not UTF-8 are taken for Latin-1, in which every byte is a character:
/// a name read wrongly is at worst not found, and then shown.
fn name_of(field: &[u8]) -> String {
    match std::str::from_utf8(field) {
        Ok(name) => name.to_owned(),
        Err(_) => field.iter().copied().map(char::from).collect(),
    }
}

/// Finds the wanted columns among `names`, without regard to case and surrounding blanks.
pub(crate) fn find_columns(names: &[String], options: &ReadOptions) -> Result<(usize, Vec<usize>)> {
    let find = |wanted: &str, flag: &str| {
        names
            .iter()
            .position(|name| name.trim().to_lowercase() == wanted.trim().to_lowercase())
            .ok_or_else(|| {
                let shown: Vec<String> =
                    names.iter().take(20).map(|name| printable(name.trim())).collect();
                let more = if names.len() > 20 { ", …" } else { "" };
                let mut list = shown.join(", ");
                if list.chars().count() > 300 {
                    list = list.chars().take(300).chain("…".chars()).collect();
                }
                Error::new(
                    ErrorKind::Column,
                    format!("no column \"{wanted}\": the columns are {list}{more} (choose one with {flag})"),
                )
            })
    };
    let timestamp = find(&options.timestamp_column, "--timestamp-column")?;
    let values = options
        .value_columns
        .iter()
        .map(|wanted| find(wanted, "--value-column"))
        .collect::<Result<_>>()?;
    Ok((timestamp, values))
}

fn recognise_time(text: &TextReader, layout: &Layout, options: &ReadOptions) -> Result<TimeForm> {
    let head = text.head();
    let mut samples = Vec::new();
    let mut fields = Vec::new();
    let mut start = 0;
    while start < head.len() && samples.len() < SAMPLED_ROWS {
        let RecordEnd::At {
            length,
            next,
            quotes,
        } = record::end_of(&head[start..], text.head_is_all())
        else {
            break;
        };
        split(
            &head[start..start + length],
            layout.delimiter,
            quotes,
            &mut fields,
        );
        if let Some(cell) = fields.get(layout.timestamp)
            && !cell.is_empty()
        {
            samples.push((*cell, start));
        }
        start += next;
    }
    let cells = samples.iter().map(|(cell, _)| *cell);
    match (TimeForm::recognise(cells, options.zone), samples.first()) {
        (Some(form), _) => Ok(form),
        (None, Some((cell, start))) => {
            let line = text.lines() + lines_in(&head[..*start]) + 1;
            Err(unknown_time_form(cell).on_line(line))
        }
        (None, None) if head.is_empty() => Err(Error::new(
            ErrorKind::NoUsableRow,
            "there is a header and no row",
        )),
        (None, None) => Err(Error::new(ErrorKind::NoUsableRow, "no row has a timestamp")),
    }
}

/// Reads all rows of a text through the lazy pipeline.
///
/// # Errors
/// Those of [`TextReader::next_block`], and [`ErrorKind::Internal`] where polars fails.
pub(crate) fn read(
    text: TextReader,
    form: Recognised,
    memory: &Arc<Memory>,
) -> Result<(SeriesBuilder, Dropped, u64)> {
    let mut builder = SeriesBuilder::new(form.columns, Arc::clone(memory));
    let schema: Schema = (0..form.layout.fields)
        .map(|field| {
            let kind = if field == form.layout.timestamp {
                DataType::Int64
            } else {
                DataType::Float64
            };
            Field::new(field_name(field), kind)
        })
        .collect();
    let scan = Arc::new(TextScan {
        layout: form.layout,
        time: form.time,
        state: Mutex::new(State {
            lines: text.lines(),
            text,
            dropped: Dropped::default(),
            error: None,
        }),
    });
    let timestamp = field_name(scan.layout.timestamp);
    let values: Vec<PlSmallStr> = scan
        .layout
        .values
        .iter()
        .map(|&at| field_name(at))
        .collect();
    let source = LazyFrame::anonymous_scan(
        scan.clone(),
        ScanArgsAnonymous {
            schema: Some(Arc::new(schema)),
            name: "DELIMITED TEXT",
            ..ScanArgsAnonymous::default()
        },
    )
    .map_err(frame::internal)?;
    let pipeline = frame::select(source, &timestamp, &values);
    // Every collect reads the next batch: the scan remembers how far it has come.
    while !scan.lock().text.at_end() {
        let batch = pipeline.clone().collect();
        if let Some(error) = scan.lock().error.take() {
            return Err(error);
        }
        frame::push_rows(batch.map_err(frame::internal)?, &mut builder)?;
    }
    let state = scan.lock();
    Ok((builder, state.dropped.clone(), state.text.bytes()))
}

fn field_name(field: usize) -> PlSmallStr {
    format!("field_{field}").into()
}

/// The scan source: each call of `scan` reads and parses the next batch of blocks.
struct TextScan {
    layout: Layout,
    time: TimeForm,
    state: Mutex<State>,
}

struct State {
    text: TextReader,
    /// Lines before the next block.
    lines: u64,
    dropped: Dropped,
    /// What stopped the reading; polars' own errors have no room for it.
    error: Option<Error>,
}

impl TextScan {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_batch(&self, text: &mut TextReader) -> Result<Vec<Rows>> {
        side_by_side(text, |block| {
            parse_block(block, &self.layout, &mut self.time.parser())
        })
    }
}

/// Reads up to [`BATCH_BLOCKS`] blocks on this thread while rayon's threads `parse` those already read.
fn side_by_side(text: &mut TextReader, parse: impl Fn(&[u8]) -> Rows + Sync) -> Result<Vec<Rows>> {
    let mut first = Vec::new();
    text.next_block(&mut first)?;
    if text.at_end() || first.len() < BLOCK_BYTES / 2 {
        return Ok(vec![parse(&first)]);
    }
    let parsed: Vec<Mutex<Option<Rows>>> = (0..BATCH_BLOCKS).map(|_| Mutex::default()).collect();
    // Buffers go round: as many as the workers can have in hand, and a few read ahead.
    let buffers = 2 * rayon::current_num_threads() + 2;
    let (home, free) = crossbeam_channel::bounded(buffers);
    let mut outcome = Ok(());
    rayon::in_place_scope(|scope| {
        let mut block = first;
        for (number, slot) in parsed.iter().enumerate() {
            let full = Lent {
                bytes: std::mem::take(&mut block),
                home: home.clone(),
            };
            let parse = &parse;
            scope.spawn(move |_| {
                let rows = parse(&full.bytes);
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(rows);
            });
            if text.at_end() || number + 1 == BATCH_BLOCKS {
                break;
            }
            block = if number + 1 < buffers {
                Vec::new()
            } else {
                free.recv().unwrap_or_default()
            };
            outcome = text.next_block(&mut block);
            if outcome.is_err() || block.is_empty() {
                break;
            }
        }
    });
    outcome?;
    Ok(parsed
        .into_iter()
        .map_while(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect())
}

/// A buffer in a parser's hands. It comes home however the parser ends: the reader waits for it, and
/// would wait for ever where a panic took it away.
struct Lent {
    bytes: Vec<u8>,
    home: crossbeam_channel::Sender<Vec<u8>>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Nobody waits for the buffer once the batch is read.
        let _ = self.home.try_send(std::mem::take(&mut self.bytes));
    }
}

impl AnonymousScan for TextScan {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn allows_projection_pushdown(&self) -> bool {
        true
    }

    fn scan(&self, options: AnonymousScanArgs) -> PolarsResult<DataFrame> {
        let mut state = self.lock();
        let parts = self
            .next_batch(&mut state.text)
            .map_err(|error| state.stop(error))?;
        let mut batch: Option<DataFrame> = None;
        for rows in parts {
            state.count(&rows).map_err(|error| state.stop(error))?;
            let part = self.frame(rows, options.with_columns.as_deref())?;
            match &mut batch {
                Some(batch) => {
                    batch.vstack_mut_owned(part)?;
                }
                None => batch = Some(part),
            }
        }
        Ok(batch.unwrap_or_default())
    }
}

impl TextScan {
    fn frame(&self, rows: Rows, wanted: Option<&[PlSmallStr]>) -> PolarsResult<DataFrame> {
        let height = rows.timestamps_us.len();
        let timestamp = Column::new(field_name(self.layout.timestamp), rows.timestamps_us);
        let values = self
            .layout
            .values
            .iter()
            .zip(rows.values)
            .map(|(&field, values)| Column::new(field_name(field), values));
        let mut columns: Vec<Column> = Vec::new();
        for column in std::iter::once(timestamp).chain(values) {
            // A column named twice is one column of the text.
            if columns.iter().all(|there| there.name() != column.name())
                && wanted.is_none_or(|wanted| wanted.contains(column.name()))
            {
                columns.push(column);
            }
        }
        DataFrame::new(height, columns)
    }
}

impl State {
    /// Keeps `error` for the caller, and makes of it one of polars'.
    fn stop(&mut self, error: Error) -> PolarsError {
        let text = error.to_string();
        self.error = Some(error);
        polars_err!(ComputeError: "{}", text)
    }

    /// Counts what became of the rows of the next block.
    ///
    /// # Errors
    /// [`ErrorKind::Format`] where the block cannot be read without doubt.
    fn count(&mut self, rows: &Rows) -> Result<()> {
        if let Some(refused) = &rows.refused {
            return Err(Error::new(ErrorKind::Format, refused.reason.clone())
                .on_line(self.lines + refused.line + 1));
        }
        for drop in &rows.first_drops {
            self.dropped.name(DroppedRow {
                line: self.lines + drop.line + 1,
                reason: drop.reason.clone(),
            });
        }
        self.dropped.rows += rows.dropped;
        self.lines += rows.lines;
        Ok(())
    }
}

#[cfg(test)]
mod tests;

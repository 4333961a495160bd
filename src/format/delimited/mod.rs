//! Delimited text (CSV, TSV and kin).
//!
//! The delimiter, the wanted columns and the form of the timestamps are recognised once, from the head
//! of the text; then blocks of records are read in order and parsed side by side.

mod parse;
pub(crate) mod record;

use self::parse::{Layout, Rows, parse_block};
use self::record::{Quotes, RecordEnd};
use super::timestamp::TimeForm;
use super::{Dropped, ReadOptions, RowSink, unknown_time_form};
use crate::input::blocks::{TextReader, side_by_side};
use crate::input::unpack::Packing;
use crate::support::error::{Error, ErrorKind, Result, printable};

pub use self::parse::DroppedRow;

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
            Packing::None => String::new(),
            packing => format!(", {}", packing.name()),
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

/// Reads all rows of a text and hands them to `sink`, a batch of blocks at a time, in the order of the text. Returns
/// the rows that could not be used and the bytes of text.
///
/// # Errors
/// Those of [`TextReader::next_block`] and of `sink`; [`ErrorKind::Format`] where a block cannot be read without doubt.
pub(crate) fn read(
    mut text: TextReader,
    form: Recognised,
    sink: &mut dyn RowSink,
) -> Result<(Dropped, u64)> {
    text.cut_with(whole_records);
    sink.begin(&form.columns)?;
    let mut progress = Progress {
        lines: text.lines(),
        dropped: Dropped::default(),
    };
    while !text.at_end() {
        let blocks = side_by_side(&mut text, |block| {
            parse_block(block, &form.layout, &mut form.time.parser())
        })?;
        for rows in blocks {
            progress.count(&rows)?;
            sink.rows(rows.timestamps_us, rows.values)?;
        }
    }
    Ok((progress.dropped, text.bytes()))
}

/// The length of the whole records at the front of `block`, of which more may follow.
fn whole_records(block: &[u8]) -> Option<usize> {
    if memchr::memchr(b'"', block).is_none() {
        return memchr::memrchr(b'\n', block).map(|place| place + 1);
    }
    let mut end = 0;
    while end < block.len() {
        match record::end_of(&block[end..], false) {
            RecordEnd::At { next, .. } => end += next,
            RecordEnd::Unknown => break,
        }
    }
    (end > 0).then_some(end)
}

/// What was read so far.
struct Progress {
    /// Lines before the next block.
    lines: u64,
    dropped: Dropped,
}

impl Progress {
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

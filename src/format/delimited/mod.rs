//! Delimited text (CSV, TSV and kin).
//!
//! The delimiter, the wanted columns and the form of the timestamps are recognised once, from the head
//! of the text; then blocks of records are read in order and parsed side by side.

mod header;
mod parse;
pub(crate) mod record;

use self::header::{cells_of, lines_in, read_header};
use self::parse::{Layout, Rows, parse_block};
use self::record::RecordEnd;
use super::timestamp::TimeForm;
use super::{Dropped, ReadOptions, RowSink, unknown_time_form};
use crate::input::blocks::{TextReader, side_by_side};
use crate::input::unpack::Packing;
use crate::support::error::{Error, ErrorKind, Result};

pub use self::parse::DroppedRow;

/// What the head of a text says about the rest.
pub(crate) struct Recognised {
    layout: Layout,
    columns: Vec<String>,
    /// What was guessed: for the user to read.
    notes: Vec<String>,
    time: TimeForm,
    packing: Packing,
}

impl Recognised {
    /// What was guessed: for the user to read.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

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
    let header = read_header(text.head(), text.head_is_all(), options)?;
    let lines_before = lines_in(&text.head()[..header.end]);
    text.skip(header.end, lines_before);
    let time = match &options.timestamp_format {
        Some(format) => TimeForm::from_format(format, options.zone)?,
        None => recognise_time(text, &header.layout, options)?,
    };
    Ok(Recognised {
        layout: header.layout,
        columns: header.columns,
        notes: header.notes,
        time,
        packing: text.packing(),
    })
}

fn recognise_time(text: &TextReader, layout: &Layout, options: &ReadOptions) -> Result<TimeForm> {
    let head = text.head();
    let cells = cells_of(head, text.head_is_all(), layout.delimiter, layout.timestamp);
    match (
        TimeForm::recognise(cells.iter().copied(), options.zone),
        cells.first(),
    ) {
        (Some(form), _) => Ok(form),
        (None, Some(cell)) => {
            let before = cell.as_ptr().addr() - head.as_ptr().addr();
            let line = text.lines() + lines_in(&head[..before]) + 1;
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

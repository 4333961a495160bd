//! Opens a source, recognises its form and reads it into a [`Series`].
//!
//! In: a [`Source`] and which columns are wanted. Out: the usable rows in time order, with a count of
//! the others. One lazy polars pipeline for each source, so that an error belongs to its file.

mod binary;
#[cfg(test)]
mod collected;
pub(crate) mod delimited;
mod envelope;
mod fields;
mod frame;
mod json;
mod nfdump;
mod number;
mod parquet;
mod recognise;
pub mod record;
mod suricata;
pub mod timestamp;
mod vpc_flow;
mod zeek;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::input::Source;
use crate::input::unpack;
use crate::input::watch::Watch;
use crate::runtime::memory::Memory;
use crate::series::Series;
use crate::support::error::{Error, ErrorKind, Result, quoted};

pub use self::delimited::DroppedRow;
pub use self::recognise::{RecordLog, recognise_records};
pub use self::timestamp::Zone;
pub use crate::storage::fingerprint::Fingerprint;

/// Every format of record logs, in the order in which they are tried. A new format is a file of its own and a
/// line here.
pub static RECORD_FORMATS: &[&dyn record::RecordFormat] = &[
    &zeek::Zeek,
    &suricata::Suricata,
    &nfdump::Nfdump,
    &vpc_flow::VpcFlow,
];

/// Which columns to read, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadOptions {
    /// Name of the timestamp column, matched without regard to case and surrounding blanks.
    pub timestamp_column: String,
    /// Names of the value columns, at least one.
    pub value_columns: Vec<String>,
    /// The form of the timestamps, where it is not to be recognised.
    pub timestamp_format: Option<String>,
    /// Zone of timestamps that name none.
    pub zone: Zone,
    /// Most bytes that one input may have once it is unpacked, where there is such a limit: a guard
    /// against small files that unpack to endless ones.
    pub max_bytes: Option<u64>,
}

impl Default for ReadOptions {
    /// `timestamp` and `value`, the form recognised, UTC, no limit.
    fn default() -> Self {
        Self {
            timestamp_column: "timestamp".to_owned(),
            value_columns: vec!["value".to_owned()],
            timestamp_format: None,
            zone: Zone::default(),
            max_bytes: None,
        }
    }
}

/// Rows that could not be used.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Dropped {
    /// How many.
    pub rows: u64,
    /// The first three, with the reason.
    pub first: Vec<DroppedRow>,
}

/// How many dropped rows are named.
const NAMED_DROPS: usize = 3;

impl Dropped {
    /// Names a dropped row, where it is one of the first.
    fn name(&mut self, row: DroppedRow) {
        if self.first.len() < NAMED_DROPS {
            self.first.push(row);
        }
    }
}

/// A timestamp column whose form nobody knows, shown by its first cell.
fn unknown_time_form(cell: &[u8]) -> Error {
    Error::new(
        ErrorKind::NoUsableRow,
        format!(
            "the timestamp {} has no form known (give it with --timestamp-format)",
            quoted(cell)
        ),
    )
}

/// What reading a source gave.
#[derive(Debug)]
pub struct Ingested {
    /// The usable rows, at least one.
    pub series: Series,
    /// The others.
    pub dropped: Dropped,
    /// The form that was recognised, in words.
    pub form: String,
    /// Bytes of text read, unpacked; for parquet the size of the file.
    pub bytes: u64,
    /// What the source held; `None` for parquet, which is not read from end to end.
    pub content: Option<Fingerprint>,
}

/// Reads a source whole.
///
/// Rows without a usable time or number are dropped and counted; rows beyond `memory` are set aside in
/// its scratch folder. A text is read block by block and
/// parsed on rayon's threads; call it from a thread that is not one of these.
///
/// # Errors
/// With the source's path and, where known, the line: [`ErrorKind::Read`], [`ErrorKind::Format`],
/// [`ErrorKind::Column`], and [`ErrorKind::NoUsableRow`] where no row is left.
pub fn read(source: &Source, options: &ReadOptions, memory: &Arc<Memory>) -> Result<Ingested> {
    read_any(source, options, memory).map_err(|error| error.at(source.path()))
}

/// Reads all bytes of a source and drops them: what reading costs before anything is made of it.
/// Returns their number, unpacked; of a parquet file, that of the packed bytes.
///
/// # Errors
/// [`ErrorKind::Read`] and [`ErrorKind::Format`], as [`read`].
pub fn read_bytes(source: &Source) -> Result<u64> {
    let count = || match unpack::open(source, &Watch::default(), None)? {
        unpack::Opened::Text(mut text) => {
            let mut block = Vec::new();
            while !text.at_end() {
                text.next_block(&mut block)?;
            }
            Ok(text.bytes())
        }
        unpack::Opened::Parquet(mut file) => std::io::copy(&mut file, &mut std::io::sink())
            .map_err(|cause| Error::new(ErrorKind::Read, "cannot be read").caused_by(cause)),
    };
    count().map_err(|error: Error| error.at(source.path()))
}

/// Says in words which form a source has, from its head alone.
///
/// # Errors
/// As [`read`], so far as the head shows it.
pub fn recognise(source: &Source, options: &ReadOptions) -> Result<String> {
    let form = match unpack::open(source, &Watch::default(), options.max_bytes) {
        Ok(unpack::Opened::Text(mut text)) => {
            delimited::recognise(&mut text, options).map(|form| form.describe())
        }
        Ok(unpack::Opened::Parquet(file)) => {
            parquet::recognise(file, options).map(|form| form.describe())
        }
        Err(error) => Err(error),
    };
    form.map_err(|error| error.at(source.path()))
}

fn read_any(source: &Source, options: &ReadOptions, memory: &Arc<Memory>) -> Result<Ingested> {
    let watch = Watch::new(memory.stop());
    let (builder, dropped, form, bytes, content) =
        match unpack::open(source, &watch, options.max_bytes)? {
            unpack::Opened::Text(mut text) => {
                let recognised = delimited::recognise(&mut text, options)?;
                let form = recognised.describe();
                let (builder, dropped, bytes) = delimited::read(*text, recognised, memory)?;
                (builder, dropped, form, bytes, Some(watch.content()))
            }
            unpack::Opened::Parquet(file) => {
                let recognised = parquet::recognise(file, options)?;
                let (form, bytes) = (recognised.describe(), recognised.bytes());
                let (builder, dropped) = parquet::read(recognised, options, memory)?;
                (builder, dropped, form, bytes, None)
            }
        };
    if builder.rows() == 0 {
        return Err(no_usable_row(&dropped));
    }
    Ok(Ingested {
        series: builder.finish()?,
        dropped,
        form,
        bytes,
        content,
    })
}

fn no_usable_row(dropped: &Dropped) -> Error {
    match dropped.first.first() {
        Some(first) => Error::new(
            ErrorKind::NoUsableRow,
            format!(
                "no usable row among {}; the first is dropped because {}",
                dropped.rows, first.reason
            ),
        )
        .on_line(first.line),
        None => Error::new(ErrorKind::NoUsableRow, "there is a header and no row"),
    }
}

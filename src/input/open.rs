//! Opens an input and tells text from parquet and from what cannot be read.

use std::fs::File;

use super::blocks::TextReader;
use super::head::{read_head, unreadable};
use super::watch::Watch;
use super::{Location, Source};
use crate::support::error::{Error, ErrorKind, Result};

/// What the first bytes of a input say that it is.
pub(crate) enum Opened {
    /// Lines of text.
    Text(Box<TextReader>),
    /// A parquet file, to be read from any place in it.
    Parquet(File),
}

/// Opens `input` and tells from its content, not from its name, what it is. A text of more than
/// `max_bytes` bytes, unpacked, is an error once that many have been read.
///
/// # Errors
/// [`ErrorKind::Read`] where it cannot be opened or read, [`ErrorKind::Format`] where its content is
/// empty or no log. Errors name no path: the caller knows it.
pub(crate) fn open(input: &Source, watch: &Watch, max_bytes: Option<u64>) -> Result<Opened> {
    let mut raw = watch.open(input).map_err(unreadable)?;
    let head = read_head(&mut raw)?;
    if head.starts_with(b"PAR1") {
        return match &input.location {
            Location::File(path) if path.is_file() => {
                File::open(path).map(Opened::Parquet).map_err(unreadable)
            }
            _ => Err(Error::new(
                ErrorKind::Format,
                "parquet cannot be read from a pipe: name the file",
            )),
        };
    }
    if head.is_empty() {
        return Err(Error::new(ErrorKind::NoUsableRow, "the file is empty"));
    }
    Ok(Opened::Text(Box::new(TextReader::new(
        head, raw, max_bytes,
    )?)))
}

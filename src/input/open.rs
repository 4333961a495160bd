//! Opens an input and tells text from parquet and from what cannot be read.

use std::fs::File;
use std::io::{self, Read};

use super::blocks::TextReader;
use super::watch::Watch;
use super::{Location, Source};
use crate::support::error::{Error, ErrorKind, Result};

/// Bytes looked at to tell what a file is.
pub(super) const HEAD_BYTES: usize = 64 << 10;

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

pub(super) fn unreadable(cause: io::Error) -> Error {
    let kind = match cause.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => ErrorKind::Format,
        _ => ErrorKind::Read,
    };
    Error::new(kind, "cannot be read").caused_by(cause)
}

pub(super) fn read_head(input: &mut dyn Read) -> Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    input
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(unreadable)?;
    Ok(head)
}

/// Refuses content that is no text, by name where it is known.
pub(super) fn refuse_binary(start: &[u8]) -> Result<()> {
    let known: [(&[u8], &str); 10] = [
        (b"\xff\xfe\0\0", "UTF-32 text: convert it to UTF-8 first"),
        (b"\0\0\xfe\xff", "UTF-32 text: convert it to UTF-8 first"),
        (b"\xff\xfe", "UTF-16 text: convert it to UTF-8 first"),
        (b"\xfe\xff", "UTF-16 text: convert it to UTF-8 first"),
        (
            b"PK\x03\x04",
            "a zip archive, which is not read: unpack it first",
        ),
        (b"\x89PNG", "a picture"),
        (b"\x7fELF", "a program"),
        (b"\x1f\x8b", "packed twice: unpack it first"),
        (b"BZh", "packed twice: unpack it first"),
        (b"\xfd7zXZ", "packed twice: unpack it first"),
    ];
    for (magic, what) in known {
        if start.starts_with(magic) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("the content is {what}"),
            ));
        }
    }
    let Some(place) = memchr::memchr(0, start) else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::Unsupported,
        if is_utf16(start) {
            "the content is UTF-16 text: convert it to UTF-8 first".to_owned()
        } else {
            format!("binary content, no text log: byte {} is NUL", place + 1)
        },
    ))
}

/// Whether text starts with ASCII in units of two bytes, without the mark that says so.
fn is_utf16(start: &[u8]) -> bool {
    let units = start.get(..16).unwrap_or_default().chunks_exact(2);
    let all = |high: usize, low: usize| {
        let mut units = units.clone();
        units.len() > 0 && units.all(|unit| unit[high] == 0 && (1..128).contains(&unit[low]))
    };
    all(0, 1) || all(1, 0)
}

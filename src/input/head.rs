//! The first bytes of an input, and what is refused by them.

use std::io::{self, Read};

use super::binary;
use crate::support::error::{Error, ErrorKind, Result};

/// Bytes looked at to tell what a file is.
pub(super) const HEAD_BYTES: usize = 64 << 10;

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
    binary::refuse(start)?;
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

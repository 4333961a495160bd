//! Opens a source and hands out its text in blocks of whole records.
//!
//! In: a location. Out: bytes, unpacked where gzip or zstd packed them (their checksums verified, all
//! members and frames read), cut where a record ends. Files are read into buffers, never mapped: a
//! mapped file that shrinks while it is read kills the process.

use std::io::{self, BufReader, Cursor, Read};

use crate::discover::{Location, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::delimited::record::{self, RecordEnd};
use crate::ingest::input::Watch;

/// Bytes asked for at a time: small enough that a block is still in a core's cache when it is parsed.
pub(crate) const BLOCK_BYTES: usize = 512 << 10;
/// A line longer than this is no log line, and the file no text log.
const LONGEST_LINE: usize = 1 << 20;
/// Bytes looked at to tell what a file is.
const HEAD_BYTES: usize = 64 << 10;

/// How a source's bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    None,
    /// gzip, any number of members.
    Gzip,
    /// Zstandard, any number of frames.
    Zstd,
}

/// What the first bytes of a source say that it is.
pub(crate) enum Opened {
    /// Lines of text.
    Text(Box<TextReader>),
    /// A parquet file, to be read by its path.
    Parquet,
}

/// Opens `source` and tells from its content, not from its name, what it is.
///
/// # Errors
/// [`ErrorKind::Read`] where it cannot be opened or read, [`ErrorKind::Format`] where its content is
/// empty or no log. Errors name no path: the caller knows it.
pub(crate) fn open(source: &Source, watch: &Watch) -> Result<Opened> {
    let mut raw = watch.open(source).map_err(unreadable)?;
    let head = read_head(&mut raw)?;
    let (packing, mut unpacked): (Packing, Box<dyn Read + Send>) = match head.as_slice() {
        [] => return Err(Error::new(ErrorKind::NoUsableRow, "the file is empty")),
        [0x1f, 0x8b, ..] => {
            let packed = BufReader::with_capacity(BLOCK_BYTES, Cursor::new(head).chain(raw));
            (
                Packing::Gzip,
                Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            )
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let packed = BufReader::with_capacity(BLOCK_BYTES, Cursor::new(head).chain(raw));
            let decoder = zstd::Decoder::with_buffer(packed).map_err(unreadable)?;
            (Packing::Zstd, Box::new(decoder))
        }
        [b'P', b'A', b'R', b'1', ..] => {
            return match source.location {
                Location::File(_) => Ok(Opened::Parquet),
                Location::StandardInput => Err(Error::new(
                    ErrorKind::Format,
                    "parquet cannot be read from a pipe: name the file",
                )),
            };
        }
        _ => (Packing::None, Box::new(Cursor::new(head).chain(raw))),
    };
    let start = read_head(&mut unpacked)?;
    refuse_binary(&start)?;
    let ended = start.len() < HEAD_BYTES;
    let carry = match start.strip_prefix(b"\xef\xbb\xbf") {
        Some(behind_mark) => behind_mark.to_vec(),
        None => start,
    };
    Ok(Opened::Text(Box::new(TextReader {
        input: unpacked,
        carry,
        ended,
        packing,
        bytes: 0,
        lines: 0,
    })))
}

fn unreadable(cause: io::Error) -> Error {
    let kind = match cause.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => ErrorKind::Format,
        _ => ErrorKind::Read,
    };
    Error::new(kind, "cannot be read").caused_by(cause)
}

fn read_head(input: &mut dyn Read) -> Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    input
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(unreadable)?;
    Ok(head)
}

fn refuse_binary(start: &[u8]) -> Result<()> {
    let known: [(&[u8], &str); 8] = [
        (b"\xff\xfe", "UTF-16 text: convert it to UTF-8 first"),
        (b"\xfe\xff", "UTF-16 text: convert it to UTF-8 first"),
        (b"BZh", "bzip2, which is not read: unpack it first"),
        (b"\xfd7zXZ", "xz, which is not read: unpack it first"),
        (
            b"PK\x03\x04",
            "a zip archive, which is not read: unpack it first",
        ),
        (b"\x89PNG", "a picture"),
        (b"\x7fELF", "a program"),
        (b"\x1f\x8b", "packed twice: unpack it first"),
    ];
    for (magic, what) in known {
        if start.starts_with(magic) {
            return Err(Error::new(
                ErrorKind::Format,
                format!("the content is {what}"),
            ));
        }
    }
    match memchr::memchr(0, start) {
        Some(place) => Err(Error::new(
            ErrorKind::Format,
            format!("binary content, no text log: byte {} is NUL", place + 1),
        )),
        None => Ok(()),
    }
}

/// Reads text in blocks that end where a record ends.
pub(crate) struct TextReader {
    input: Box<dyn Read + Send>,
    /// What was read and not yet handed out.
    carry: Vec<u8>,
    packing: Packing,
    ended: bool,
    bytes: u64,
    lines: u64,
}

impl TextReader {
    pub(crate) fn packing(&self) -> Packing {
        self.packing
    }

    /// Bytes of text handed out so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the last block handed out was the last there is.
    pub(crate) fn at_end(&self) -> bool {
        self.ended && self.carry.is_empty()
    }

    /// The first bytes, without taking them.
    pub(crate) fn head(&self) -> &[u8] {
        &self.carry
    }

    /// Whether nothing follows the [`head`](Self::head).
    pub(crate) fn head_is_all(&self) -> bool {
        self.ended
    }

    /// Takes `count` bytes, `lines` lines, from the front of [`head`](Self::head): the header.
    pub(crate) fn skip(&mut self, count: usize, lines: u64) {
        self.carry.drain(..count);
        self.bytes += count as u64;
        self.lines += lines;
    }

    /// Lines taken off the front as header.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// Writes the next block of whole records over `block`; an empty block is the end.
    ///
    /// # Errors
    /// [`ErrorKind::Read`] where reading fails, [`ErrorKind::Format`] where packed bytes are corrupt
    /// or cut short, or a line is longer than a log line can be.
    pub(crate) fn next_block(&mut self, block: &mut Vec<u8>) -> Result<()> {
        block.clear();
        block.reserve(BLOCK_BYTES);
        block.append(&mut self.carry);
        let mut wanted = BLOCK_BYTES;
        loop {
            while !self.ended && block.len() < wanted {
                let missing = (wanted - block.len()) as u64;
                let got = (&mut self.input).take(missing).read_to_end(block);
                self.ended = got.map_err(unreadable)? < missing as usize;
            }
            let end = if self.ended {
                block.len()
            } else {
                whole_records(block)
            };
            if end > 0 || block.is_empty() {
                self.carry.extend_from_slice(&block[end..]);
                block.truncate(end);
                self.bytes += end as u64;
                return Ok(());
            }
            if block.len() >= LONGEST_LINE {
                return Err(Error::new(
                    ErrorKind::Format,
                    format!("a line longer than {} MiB: no text log", LONGEST_LINE >> 20),
                ));
            }
            wanted = (2 * block.len()).min(LONGEST_LINE);
        }
    }
}

/// The length of the whole records at the front of `block`, of which more may follow.
fn whole_records(block: &[u8]) -> usize {
    if memchr::memchr(b'"', block).is_none() {
        return memchr::memrchr(b'\n', block).map_or(0, |place| place + 1);
    }
    let mut end = 0;
    while end < block.len() {
        match record::end_of(&block[end..], false) {
            RecordEnd::At { next, .. } => end += next,
            RecordEnd::Unknown => break,
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks_of(text: &[u8]) -> Vec<Vec<u8>> {
        let mut reader = TextReader {
            input: Box::new(Cursor::new(text.to_vec())),
            carry: Vec::new(),
            packing: Packing::None,
            ended: false,
            bytes: 0,
            lines: 0,
        };
        let mut blocks = Vec::new();
        let mut block = Vec::new();
        loop {
            reader.next_block(&mut block).unwrap();
            if block.is_empty() {
                return blocks;
            }
            blocks.push(block.clone());
        }
    }

    #[test]
    fn blocks_end_where_lines_end_and_lose_nothing() {
        let text = b"2026-01-01 00:00:00,12345\n".repeat(60_000);
        let blocks = blocks_of(&text);
        assert!(blocks.len() > 2);
        for block in &blocks {
            assert_eq!(block.last(), Some(&b'\n'));
        }
        assert_eq!(blocks.concat(), text);
    }

    #[test]
    fn a_quoted_line_end_does_not_end_a_block() {
        let text = b"1,\"two\nlines\"\n".repeat(100_000);
        let blocks = blocks_of(&text);
        assert!(blocks.len() > 2);
        for block in &blocks {
            assert!(block.starts_with(b"1,"));
        }
        assert_eq!(blocks.concat(), text);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut reader = TextReader {
            input: Box::new(io::repeat(b'x')),
            carry: Vec::new(),
            packing: Packing::None,
            ended: false,
            bytes: 0,
            lines: 0,
        };
        let error = reader.next_block(&mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "a line longer than 1 MiB: no text log");
    }
}

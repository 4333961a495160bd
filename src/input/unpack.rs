//! Opens a source and hands out its text in blocks of whole records.
//!
//! In: a location. Out: bytes, unpacked where gzip or zstd packed them (their checksums verified, all
//! members and frames read), cut where a record ends. Files are read into buffers, never mapped: a
//! mapped file that shrinks while it is read kills the process.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::GzDecoder;

use super::too_many_bytes;
use super::watch::Watch;
use super::{Location, Source};
use crate::format::delimited::record::{self, RecordEnd};
use crate::support::error::{Error, ErrorKind, Result};

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
    /// A parquet file, to be read from any place in it.
    Parquet(File),
}

/// Opens `source` and tells from its content, not from its name, what it is. A text of more than
/// `most` bytes, unpacked, will be an error when it has been read so far.
///
/// # Errors
/// [`ErrorKind::Read`] where it cannot be opened or read, [`ErrorKind::Format`] where its content is
/// empty or no log. Errors name no path: the caller knows it.
pub(crate) fn open(source: &Source, watch: &Watch, most: Option<u64>) -> Result<Opened> {
    let mut raw = watch.open(source).map_err(unreadable)?;
    let head = read_head(&mut raw)?;
    if head.starts_with(b"PAR1") {
        return match &source.location {
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
    Ok(Opened::Text(Box::new(TextReader::new(head, raw, most)?)))
}

/// The bytes of `raw`, of which `head` has been read, as they were before they were packed.
fn unpack(
    head: Vec<u8>,
    raw: impl Read + Send + 'static,
) -> Result<(Packing, Box<dyn Read + Send>)> {
    let packing = match head.as_slice() {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        // A frame of data, or one to be skipped, as parallel packers put in front.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Packing::Zstd,
        _ => Packing::None,
    };
    let stored = Cursor::new(head).chain(raw);
    let unpacked: Box<dyn Read + Send> = match packing {
        Packing::None => Box::new(stored),
        Packing::Gzip => Box::new(GzipMembers::new(stored)),
        Packing::Zstd => {
            let stored = BufReader::with_capacity(BLOCK_BYTES, stored);
            Box::new(zstd::Decoder::with_buffer(stored).map_err(unreadable)?)
        }
    };
    Ok((packing, unpacked))
}

/// All members of a gzip file, one behind the other, each with its checksum and length verified.
///
/// Zeros behind the last member are padding, as gzip and tar take them; anything else there is an error.
struct GzipMembers<R: Read> {
    /// None only while one member gives way to the next.
    member: Option<GzDecoder<BufReader<R>>>,
}

impl<R: Read> GzipMembers<R> {
    fn new(stored: R) -> Self {
        let stored = BufReader::with_capacity(BLOCK_BYTES, stored);
        Self {
            member: Some(GzDecoder::new(stored)),
        }
    }
}

impl<R: Read> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let got = member.read(buffer)?;
            if got > 0 || buffer.is_empty() {
                return Ok(got);
            }
            if let Some(mut stored) = self.member.take().map(GzDecoder::into_inner)
                && another_member(&mut stored)?
            {
                self.member = Some(GzDecoder::new(stored));
            }
        }
        Ok(0)
    }
}

/// Whether a member follows the one that has just ended, rather than padding and the end.
fn another_member(stored: &mut impl BufRead) -> io::Result<bool> {
    let mut padded = false;
    loop {
        let next = stored.fill_buf()?;
        match next.iter().position(|&byte| byte != 0) {
            None if next.is_empty() => return Ok(false),
            None => {
                padded = true;
                let zeros = next.len();
                stored.consume(zeros);
            }
            Some(0) if !padded && next[0] == 0x1f => return Ok(true),
            Some(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "bytes behind the gzip data that are neither gzip nor zeros",
                ));
            }
        }
    }
}

/// Refuses to read more than `left` bytes.
struct Guarded<R> {
    input: R,
    left: u64,
    exceeded: bool,
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.input.read(buffer)?;
        match self.left.checked_sub(got as u64) {
            Some(left) => self.left = left,
            None => {
                self.exceeded = true;
                return Err(io::ErrorKind::FileTooLarge.into());
            }
        }
        Ok(got)
    }
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
    let known: [(&[u8], &str); 10] = [
        (b"\xff\xfe\0\0", "UTF-32 text: convert it to UTF-8 first"),
        (b"\0\0\xfe\xff", "UTF-32 text: convert it to UTF-8 first"),
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
    let Some(place) = memchr::memchr(0, start) else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::Format,
        match is_utf16(start) {
            true => "the content is UTF-16 text: convert it to UTF-8 first".to_owned(),
            false => format!("binary content, no text log: byte {} is NUL", place + 1),
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

/// Reads text in blocks that end where a record ends.
pub(crate) struct TextReader {
    input: Guarded<Box<dyn Read + Send>>,
    /// Most bytes that there may be, for the error's text.
    most: u64,
    /// What was read and not yet handed out.
    carry: Vec<u8>,
    packing: Packing,
    ended: bool,
    bytes: u64,
    lines: u64,
}

impl TextReader {
    /// A reader of `stored`, of which `head` has been read already.
    ///
    /// # Errors
    /// Those of [`open`].
    pub(crate) fn new(
        head: Vec<u8>,
        stored: impl Read + Send + 'static,
        most: Option<u64>,
    ) -> Result<Self> {
        let (packing, unpacked) = unpack(head, stored)?;
        let most = most.unwrap_or(u64::MAX);
        let mut reader = Self {
            input: Guarded {
                input: unpacked,
                left: most,
                exceeded: false,
            },
            most,
            carry: Vec::new(),
            packing,
            ended: false,
            bytes: 0,
            lines: 0,
        };
        let start = read_head(&mut reader.input).map_err(|error| reader.told(error))?;
        refuse_binary(&start)?;
        reader.ended = start.len() < HEAD_BYTES;
        reader.carry = match start.strip_prefix(b"\xef\xbb\xbf") {
            Some(behind_mark) => behind_mark.to_vec(),
            None => start,
        };
        Ok(reader)
    }

    /// `error`, or where the limit is what stopped the reading, the error that says so.
    fn told(&self, error: Error) -> Error {
        match self.input.exceeded {
            true => too_many_bytes(self.most),
            false => error,
        }
    }

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
                let got = got.map_err(|cause| self.told(unreadable(cause)))?;
                self.ended = got < missing as usize;
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
    use crate::input::watch::SteadyFile;
    use std::io::Write;

    fn reader_of(bytes: &[u8], most: Option<u64>) -> Result<TextReader> {
        TextReader::new(Vec::new(), Cursor::new(bytes.to_vec()), most)
    }

    fn blocks_of(mut reader: TextReader) -> Result<Vec<Vec<u8>>> {
        let mut blocks = Vec::new();
        let mut block = Vec::new();
        loop {
            reader.next_block(&mut block)?;
            if block.is_empty() {
                return Ok(blocks);
            }
            blocks.push(block.clone());
        }
    }

    /// All bytes that a source gives which stores `bytes`.
    fn text_of(bytes: &[u8]) -> Result<Vec<u8>> {
        let head = bytes.to_vec();
        blocks_of(TextReader::new(head, io::empty(), None)?).map(|blocks| blocks.concat())
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        let mut packer = zstd::Encoder::new(Vec::new(), 1).unwrap();
        packer.include_checksum(true).unwrap();
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    fn sample() -> Vec<u8> {
        (0..300)
            .map(|number| format!("2026-01-01 00:00:00,{}\n", number * 7919 % 503))
            .collect::<String>()
            .into_bytes()
    }

    #[test]
    fn blocks_end_where_lines_end_and_lose_nothing() {
        let text = b"2026-01-01 00:00:00,12345\n".repeat(60_000);
        let blocks = blocks_of(reader_of(&text, None).unwrap()).unwrap();
        assert!(blocks.len() > 2);
        for block in &blocks {
            assert_eq!(block.last(), Some(&b'\n'));
        }
        assert_eq!(blocks.concat(), text);
    }

    #[test]
    fn a_quoted_line_end_does_not_end_a_block() {
        let text = b"1,\"two\nlines\"\n".repeat(100_000);
        let blocks = blocks_of(reader_of(&text, None).unwrap()).unwrap();
        assert!(blocks.len() > 2);
        for block in &blocks {
            assert!(block.starts_with(b"1,"));
        }
        assert_eq!(blocks.concat(), text);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut reader = TextReader::new(Vec::new(), io::repeat(b'x'), None).unwrap();
        let error = reader.next_block(&mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "a line longer than 1 MiB: no text log");
    }

    #[test]
    fn packed_text_cut_anywhere_is_an_error_and_never_a_shorter_text() {
        let text = sample();
        for packed in [gzip(&text), zstd(&text)] {
            assert_eq!(text_of(&packed).unwrap(), text);
            // A cut within the first bytes leaves no packed text, but something else.
            for cut in 4..packed.len() {
                assert!(text_of(&packed[..cut]).is_err(), "{cut}");
            }
            let twice = [packed.clone(), packed.clone()].concat();
            assert_eq!(text_of(&twice).unwrap(), text.repeat(2));
            for cut in packed.len() + 1..twice.len() {
                assert!(text_of(&twice[..cut]).is_err(), "{cut}");
            }
        }
    }

    #[test]
    fn a_flipped_bit_never_changes_the_text_in_silence() {
        let text = sample();
        for packed in [gzip(&text), zstd(&text)] {
            for place in 0..packed.len() {
                let mut flipped = packed.clone();
                flipped[place] ^= 1 << (place % 8);
                // Some bits of a header say nothing about the text: name, time, system.
                if let Ok(read) = text_of(&flipped) {
                    assert!(read == text || place < 4, "byte {place}");
                }
            }
        }
    }

    #[test]
    fn zeros_behind_gzip_are_padding_and_other_bytes_an_error() {
        let packed = gzip(b"a line\n");
        for zeros in [1, 511, 2 << 20] {
            let padded = [packed.clone(), vec![0; zeros]].concat();
            assert_eq!(text_of(&padded).unwrap(), b"a line\n");
        }
        for garbage in [&b"x"[..], b"\0\0x", b"\x1f", b"\0\x1f\x8b"] {
            let error = text_of(&[&packed, garbage].concat()).unwrap_err();
            assert!(error.to_string().starts_with("cannot be read: "), "{error}");
        }
        assert_eq!(
            text_of(&[packed.clone(), gzip(b""), packed].concat()).unwrap(),
            b"a line\na line\n"
        );
    }

    #[test]
    fn more_bytes_than_allowed_are_refused_and_as_many_are_not() {
        let text = sample();
        let size = text.len() as u64;
        for stored in [text.clone(), gzip(&text), zstd(&text)] {
            let read =
                |most| TextReader::new(stored.clone(), io::empty(), Some(most)).and_then(blocks_of);
            assert_eq!(read(size).unwrap().concat(), text);
            assert_eq!(
                read(size - 1).unwrap_err().to_string(),
                format!(
                    "more than {} bytes once unpacked, the limit set with --max-input-bytes",
                    size - 1
                )
            );
        }
        let bomb = || Cursor::new(b"2026-01-01,5\n".repeat(1000)).chain(io::repeat(b'\n'));
        let mut reader = TextReader::new(Vec::new(), bomb(), Some(10 << 20)).unwrap();
        let mut block = Vec::new();
        while reader.next_block(&mut block).is_ok() {
            assert!(block.capacity() <= 2 * LONGEST_LINE);
        }
        assert!(reader.bytes() <= 10 << 20);
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error_and_one_that_grew_is_not() {
        let path = std::env::temp_dir().join(format!("isoscan-steady-{}", std::process::id()));
        let text = b"2026-01-01 00:00:00,12345\n".repeat(60_000);
        for (length, whole) in [(100, false), (700_000, false), (2_000_000, true)] {
            std::fs::write(&path, &text).unwrap();
            let file = SteadyFile::open(&path).unwrap();
            let mut reader = TextReader::new(Vec::new(), file, None).unwrap();
            let mut block = Vec::new();
            reader.next_block(&mut block).unwrap();
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(length)
                .unwrap();
            let rest = blocks_of(reader);
            match whole {
                true => assert!(rest.unwrap().concat().len() >= text.len() - block.len()),
                false => assert_eq!(
                    rest.unwrap_err().to_string(),
                    "cannot be read: the file became shorter while it was read"
                ),
            }
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn wide_characters_are_told_without_their_mark() {
        for text in [
            &b"t\0i\0m\0e\0s\0t\0a\0m\0p\0"[..],
            b"\0t\0i\0m\0e\0s\0t\0a\0m\0p",
        ] {
            let error = reader_of(text, None).err().unwrap();
            assert_eq!(
                error.to_string(),
                "the content is UTF-16 text: convert it to UTF-8 first"
            );
        }
        let error = reader_of(b"time\0stamp,value\n1,2\n", None).err().unwrap();
        assert!(error.to_string().ends_with("byte 5 is NUL"), "{error}");
    }
}

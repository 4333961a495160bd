//! Text in blocks that end where a record ends.
//!
//! Files are read into buffers, never mapped: a mapped file that shrinks while it is read kills the process.

use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use super::head::{HEAD_BYTES, read_head, refuse_binary, unreadable};
use super::too_many_bytes;
use super::unpack::{Packing, unpack};
use crate::support::error::{Error, ErrorKind, Result};

/// Bytes asked for at a time: small enough that a block is still in a core's cache when it is parsed.
pub(crate) const BLOCK_BYTES: usize = 512 << 10;
/// Blocks that are read before what was parsed is handed on: some 32 MiB of text.
const BATCH_BLOCKS: usize = 64;
/// A line longer than this is no log line, and the file no text log.
const MAX_LINE_BYTES: usize = 1 << 20;

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

/// Reads text in blocks that end where a record ends.
pub(crate) struct TextReader {
    input: Guarded<Box<dyn Read + Send>>,
    /// Most bytes that there may be, for the error's text.
    most: u64,
    /// What was read and not yet handed out.
    carry: Vec<u8>,
    packing: Packing,
    cut: Cut,
    ended: bool,
    bytes: u64,
    lines: u64,
}

/// How many bytes at the front of a block are whole records; `None` where no record ends in it.
type Cut = Box<dyn Fn(&[u8]) -> Option<usize> + Send + Sync>;

fn after_last_line(block: &[u8]) -> Option<usize> {
    memchr::memrchr(b'\n', block).map(|end| end + 1)
}

impl TextReader {
    /// A reader of `stored`, of which `head` has been read already.
    ///
    /// # Errors
    /// Those of [`open`].
    pub(crate) fn new(
        head: Vec<u8>,
        stored: impl Read + Send + 'static,
        max_bytes: Option<u64>,
    ) -> Result<Self> {
        let (packing, unpacked) = unpack(head, stored)?;
        let most = max_bytes.unwrap_or(u64::MAX);
        let mut reader = Self {
            input: Guarded {
                input: unpacked,
                left: most,
                exceeded: false,
            },
            most,
            carry: Vec::new(),
            packing,
            cut: Box::new(after_last_line),
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
        if self.input.exceeded {
            too_many_bytes(self.most)
        } else {
            error
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

    /// Has blocks end where `cut` says that records end, in place of the last line end. It gives the number of
    /// bytes at the front of a block that are whole records.
    pub(crate) fn cut_with(
        &mut self,
        cut: impl Fn(&[u8]) -> Option<usize> + Send + Sync + 'static,
    ) {
        self.cut = Box::new(cut);
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
                (self.cut)(block).unwrap_or(0)
            };
            if end > 0 || block.is_empty() {
                self.carry.extend_from_slice(&block[end..]);
                block.truncate(end);
                self.bytes += end as u64;
                return Ok(());
            }
            if block.len() >= MAX_LINE_BYTES {
                return Err(Error::new(
                    ErrorKind::Format,
                    format!(
                        "a line longer than {} MiB: no text log",
                        MAX_LINE_BYTES >> 20
                    ),
                ));
            }
            wanted = (2 * block.len()).min(MAX_LINE_BYTES);
        }
    }
}

/// Reads up to [`BATCH_BLOCKS`] blocks on this thread while rayon's threads `parse` those already read. Returns what
/// was parsed, in the order of the blocks. A short text is parsed on this thread.
///
/// # Errors
/// Those of [`TextReader::next_block`].
pub(crate) fn side_by_side<T: Send>(
    text: &mut TextReader,
    parse: impl Fn(&[u8]) -> T + Sync,
) -> Result<Vec<T>> {
    let mut first = Vec::new();
    text.next_block(&mut first)?;
    if text.at_end() || first.len() < BLOCK_BYTES / 2 {
        return Ok(vec![parse(&first)]);
    }
    let parsed: Vec<Mutex<Option<T>>> = (0..BATCH_BLOCKS).map(|_| Mutex::default()).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Cursor, Write};

    use crate::input::watch::SteadyFile;

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

    fn bzip2(bytes: &[u8]) -> Vec<u8> {
        let mut packer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    fn xz(bytes: &[u8]) -> Vec<u8> {
        let mut packer = liblzma::write::XzEncoder::new(Vec::new(), 1);
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    fn packed_in_every_way(text: &[u8]) -> [Vec<u8>; 4] {
        [gzip(text), zstd(text), bzip2(text), xz(text)]
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
    fn a_line_without_end_is_refused() {
        let mut reader = TextReader::new(Vec::new(), io::repeat(b'x'), None).unwrap();
        let error = reader.next_block(&mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "a line longer than 1 MiB: no text log");
    }

    #[test]
    fn packed_text_cut_anywhere_is_an_error_and_never_a_shorter_text() {
        let text = sample();
        for packed in packed_in_every_way(&text) {
            assert_eq!(text_of(&packed).unwrap(), text);
            // A cut within the first bytes leaves no packed text, but something else.
            for cut in 6..packed.len() {
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
        for packed in packed_in_every_way(&text) {
            for place in 0..packed.len() {
                let mut flipped = packed.clone();
                flipped[place] ^= 1 << (place % 8);
                // Some bits of a header say nothing about the text: name, time, system.
                if let Ok(read) = text_of(&flipped) {
                    assert!(read == text || place < 6, "byte {place}");
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
        for stored in [vec![text.clone()], packed_in_every_way(&text).to_vec()].concat() {
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
            assert!(block.capacity() <= 2 * MAX_LINE_BYTES);
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

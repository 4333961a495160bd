//! Bytes as they were before they were packed.
//!
//! gzip, bzip2, xz and Zstandard are told by their first bytes. All members, streams and frames are read, with
//! their checksums; data that end early are an error, never a shorter text.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::GzDecoder;
use liblzma::bufread::XzDecoder;

use super::head::unreadable;
use crate::support::error::Result;

/// Packed bytes read at a time.
const BUFFER_BYTES: usize = 512 << 10;

/// How the bytes of an input are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Not at all.
    None,
    /// gzip, any number of members.
    Gzip,
    /// bzip2, any number of streams.
    Bzip2,
    /// xz, any number of streams.
    Xz,
    /// Zstandard, any number of frames.
    Zstd,
}

impl Packing {
    /// Tells the packing by the first bytes.
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            // A data frame, or a skippable one, as parallel packers write in front.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// Its name, as `gzip`; empty where the bytes are not packed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }
}

/// The bytes of `raw`, of which `head` has been read already, unpacked.
///
/// # Errors
/// [`ErrorKind::Read`](crate::support::error::ErrorKind::Read) where a decoder cannot be set up. Damaged data are
/// errors of the reader that is returned.
pub(super) fn unpack(
    head: Vec<u8>,
    raw: impl Read + Send + 'static,
) -> Result<(Packing, Box<dyn Read + Send>)> {
    let packing = Packing::of(&head);
    let stored = Cursor::new(head).chain(raw);
    let unpacked: Box<dyn Read + Send> = match packing {
        Packing::None => Box::new(stored),
        Packing::Gzip => Box::new(GzipMembers::new(stored)),
        Packing::Bzip2 => Box::new(MultiBzDecoder::new(buffered(stored))),
        Packing::Xz => Box::new(XzDecoder::new_multi_decoder(buffered(stored))),
        Packing::Zstd => {
            Box::new(zstd::Decoder::with_buffer(buffered(stored)).map_err(unreadable)?)
        }
    };
    Ok((packing, unpacked))
}

fn buffered<R: Read>(stored: R) -> BufReader<R> {
    BufReader::with_capacity(BUFFER_BYTES, stored)
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
        Self {
            member: Some(GzDecoder::new(buffered(stored))),
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

//! Chunks in a scratch file: written one behind the other, read at any place and from any thread.

use std::fs::File;
use std::io::{self, Write};

use super::chunk::Chunk;
use crate::runtime::memory::Memory;
use crate::support::error::{Error, ErrorKind, Result};

/// A scratch file of chunks.
#[derive(Debug)]
pub(super) struct Spill {
    file: File,
    end: u64,
    scratch: Vec<u8>,
}

/// Where a chunk lies in a [`Spill`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    offset: u64,
    bytes: usize,
    pub(super) rows: usize,
    columns: usize,
}

impl Spill {
    pub(super) fn create(memory: &Memory) -> Result<Self> {
        Ok(Self {
            file: memory.scratch_file()?,
            end: 0,
            scratch: Vec::new(),
        })
    }

    pub(super) fn write(&mut self, chunk: &Chunk) -> Result<Place> {
        chunk.encode(&mut self.scratch);
        self.file.write_all(&self.scratch).map_err(|cause| {
            Error::new(
                ErrorKind::Write,
                "rows beyond the memory limit cannot be set aside",
            )
            .caused_by(cause)
        })?;
        let place = Place {
            offset: self.end,
            bytes: self.scratch.len(),
            rows: chunk.rows(),
            columns: chunk.columns(),
        };
        self.end += self.scratch.len() as u64;
        Ok(place)
    }

    pub(super) fn read(&self, place: Place) -> Result<Chunk> {
        let failed = |cause: io::Error| {
            Error::new(
                ErrorKind::Read,
                "rows that were set aside cannot be read back",
            )
            .caused_by(cause)
        };
        let mut bytes = vec![0; place.bytes];
        read_exact_at(&self.file, &mut bytes, place.offset).map_err(failed)?;
        Chunk::decode(&bytes, place.rows, place.columns)
            .ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        match file.seek_read(bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                bytes = &mut bytes[read..];
                offset += read as u64;
            }
        }
    }
    Ok(())
}

//! What a file held, so that it can be known again.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

use crate::runtime::cancel::CancelToken;
use crate::support::error::{Error, ErrorKind, Result};

/// What a source held: how many bytes, and their hash (XXH3, 64 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fingerprint {
    /// Bytes, packed as they are.
    pub bytes: u64,
    /// Their hash.
    pub hash: u64,
}

impl Fingerprint {
    /// Reads a file for its content alone.
    ///
    /// # Errors
    /// [`ErrorKind::Read`] where it cannot be read, and those of [`CancelToken::check`].
    pub(crate) fn of_file(path: &Path, stop: &CancelToken) -> Result<Self> {
        let failed = |cause: io::Error| {
            Error::new(ErrorKind::Read, "cannot be read")
                .at(path)
                .caused_by(cause)
        };
        let mut file = File::open(path).map_err(failed)?;
        let mut hasher = Xxh3::new();
        let mut block = vec![0; 256 << 10];
        let mut bytes = 0;
        loop {
            stop.check()?;
            match file.read(&mut block) {
                Ok(0) => break,
                Ok(read) => {
                    hasher.update(&block[..read]);
                    bytes += read as u64;
                }
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(failed(cause)),
            }
        }
        Ok(Self {
            bytes,
            hash: hasher.digest(),
        })
    }
}

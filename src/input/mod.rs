//! What can be read: where its bytes come from, how they are found, unpacked and cut into blocks.
//!
//! Knows nothing of what the bytes mean.

pub(crate) mod blocks;
pub mod discover;
pub mod logs;
pub(crate) mod open;
pub(crate) mod unpack;
pub(crate) mod watch;

use std::path::{Path, PathBuf};

use crate::support::error::{Error, ErrorKind};
use crate::support::text::path_text;

/// One input of a scan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// Where to read it.
    pub location: Location,
    /// Its outputs' place below the output folder, without an extension: `edge/router-01`.
    pub output_stem: PathBuf,
}

/// Where a source's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// Standard input, named `-` on the command line and `stdin` in outputs.
    StandardInput,
    /// A file, by the path that the user would recognise.
    File(PathBuf),
}

impl Source {
    /// The name by which reports call the source: its path as found, or `stdin`.
    pub fn name(&self) -> String {
        match &self.location {
            Location::StandardInput => "stdin".to_owned(),
            Location::File(path) => path_text(path),
        }
    }

    /// The path, for error texts; `-` for standard input.
    pub fn path(&self) -> &Path {
        match &self.location {
            Location::StandardInput => Path::new("-"),
            Location::File(path) => path,
        }
    }
}

/// Something that discovery met and passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its path.
    pub path: PathBuf,
    /// Why, in a few words.
    pub reason: String,
}

/// An input that is larger than the user allows.
pub(crate) fn too_many_bytes(most: u64) -> Error {
    Error::new(
        ErrorKind::Format,
        format!("more than {most} bytes once unpacked, the limit set with --max-input-bytes"),
    )
}

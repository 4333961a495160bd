//! What can be read: where its bytes come from, how they are found, unpacked and cut into blocks.
//!
//! Knows nothing of what the bytes mean.

pub(crate) mod binary;
pub(crate) mod blocks;
pub(crate) mod candidates;
pub(crate) mod discover;
mod head;
pub(crate) mod logs;
pub(crate) mod open;
mod places;
pub(crate) mod unpack;
mod walk;
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
    /// Whether the user named it outright, rather than a folder or a pattern that it was found by.
    pub is_named: bool,
}

/// Where a source's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// Standard input, named `-` on the command line and `stdin` in outputs.
    StandardInput,
    /// A file, by the path that the user would recognise.
    File(PathBuf),
}

impl Location {
    /// The path, for error texts; `-` for standard input.
    pub fn path(&self) -> &Path {
        match self {
            Self::StandardInput => Path::new("-"),
            Self::File(path) => path,
        }
    }
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
        self.location.path()
    }
}

/// Something that discovery met and skipped.
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

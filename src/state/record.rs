//! The record of one source: a head that says what it is about, and a body that holds what was found.
//!
//! `isoscan record 2`, the length of the head, the head, its hash, the body, its hash. A record that does
//! not fit its hashes is ignored.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Component, Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::input::discover::path_from_bytes;
use crate::storage::atomic::unwritable;
use crate::storage::fingerprint::Fingerprint;
use crate::support::error::Result;

const MAGIC: &[u8; 17] = b"isoscan record 2\n";
/// A log with ten thousand entities, each with its outputs, has a head of some megabytes.
const MAX_HEAD_BYTES: usize = 1 << 28;
const PART: &str = "part";

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    /// Of isoscan.
    pub(super) version: String,
    /// Of everything that shapes the outputs.
    pub(super) settings: u64,
    /// Of what rows were judged by, the threshold apart: that is in the names of outputs.
    pub(super) judgement: u64,
    /// The source's path.
    pub(super) source: Vec<u8>,
    /// The stem of its outputs.
    pub(super) stem: Vec<u8>,
    pub(super) input: Option<Input>,
    pub(super) outputs: Vec<Output>,
    /// Outputs that earlier runs made with other settings.
    pub(super) earlier: Vec<Earlier>,
    /// When it was scanned, in microseconds UTC.
    pub(super) scanned_us: i64,
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Input {
    pub(super) content: Fingerprint,
    /// `None` where it cannot be known again.
    pub(super) modified_ns: Option<i64>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Output {
    /// Relative to the output folder.
    pub(super) path: Vec<u8>,
    pub(super) content: Fingerprint,
}

/// What an earlier run wrote, and this one did not write again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Earlier {
    /// Relative to the output folder.
    pub(super) path: Vec<u8>,
    /// Whether the source held something else then, or was judged in another way.
    pub(super) outdated: bool,
}

impl Head {
    /// Everything that isoscan made of the source, as paths relative to the output folder.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.paths().map(|path| path_from_bytes(path.to_vec()))
    }

    fn paths(&self) -> impl Iterator<Item = &[u8]> {
        let outputs = self.outputs.iter().map(|output| output.path.as_slice());
        outputs.chain(self.earlier.iter().map(|earlier| earlier.path.as_slice()))
    }

    /// The outputs of this head that can stand beside those of `today`: neither made again nor withheld.
    pub(super) fn beside(&self, today: &Self, withheld: &[PathBuf]) -> Vec<Earlier> {
        let content = |head: &Self| head.input.map(|input| input.content);
        let outdated = content(self).is_none()
            || content(self) != content(today)
            || self.version != today.version
            || self.judgement != today.judgement;
        let outputs = self.outputs.iter().map(|output| Earlier {
            path: output.path.clone(),
            outdated,
        });
        let earlier = self.earlier.iter().map(|earlier| Earlier {
            path: earlier.path.clone(),
            outdated: outdated || earlier.outdated,
        });
        let withheld = withheld
            .iter()
            .map(|path| path.as_os_str().as_encoded_bytes());
        let gone: HashSet<&[u8]> = today.paths().chain(withheld).collect();
        let all = outputs.chain(earlier);
        all.filter(|earlier| !gone.contains(earlier.path.as_slice()))
            .collect()
    }

    /// Files of this head that are not among those of `today`.
    pub(super) fn missing_in(&self, today: &Self) -> Vec<PathBuf> {
        let there: HashSet<&[u8]> = today.paths().collect();
        let gone = self.paths().filter(|path| !there.contains(path));
        gone.map(|path| path_from_bytes(path.to_vec())).collect()
    }

    /// Whether every file that it names lies below the output folder.
    fn is_sound(&self) -> bool {
        self.files().all(|path| {
            let mut parts = path.components().peekable();
            parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
        })
    }
}

/// Where the record of a stem lies.
pub(super) fn path(folder: &Path, stem: &[u8]) -> PathBuf {
    folder.join(format!("{:016x}", xxh3_64(stem)))
}

/// Writes a record, whole or not at all. It is not synced: one that a failing machine loses costs a scan of
/// its source. Costs no memory beside what it tells of.
///
/// # Errors
/// [`ErrorKind::Write`](crate::support::error::ErrorKind::Write) with its path.
pub(super) fn write(path: &Path, head: &Head, found: &impl Serialize) -> Result<()> {
    let part = path.with_extension(PART);
    let write = || -> io::Result<()> {
        let head = rmp_serde::to_vec(head).map_err(io::Error::other)?;
        let mut file = BufWriter::with_capacity(64 << 10, File::create(&part)?);
        file.write_all(MAGIC)?;
        file.write_all(&(head.len() as u32).to_le_bytes())?;
        file.write_all(&head)?;
        file.write_all(&xxh3_64(&head).to_le_bytes())?;
        let mut body = Hashed {
            file,
            hasher: Xxh3::new(),
        };
        rmp_serde::encode::write(&mut body, found).map_err(io::Error::other)?;
        let Hashed { mut file, hasher } = body;
        file.write_all(&hasher.digest().to_le_bytes())?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?;
        fs::rename(&part, path)
    };
    write().map_err(|cause| {
        let _ = fs::remove_file(&part);
        unwritable(path, cause)
    })
}

/// Hashes what goes through it.
struct Hashed<T> {
    file: T,
    hasher: Xxh3,
}

impl<T: Write> Write for Hashed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Removes what a run that died left half-written in `folder`.
pub(super) fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|ending| ending == PART) {
            let _ = fs::remove_file(path);
        }
    }
}

/// The heads of all records in `folder`; other files are skipped.
pub(super) fn heads(folder: &Path) -> Vec<Head> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut heads = Vec::new();
    for entry in entries.flatten() {
        let found = entry.path();
        if let Some(head) = File::open(&found).ok().and_then(|file| {
            let mut file = BufReader::with_capacity(4 << 10, file);
            read_head(&mut file)
        }) && path(folder, &head.stem) == found
        {
            heads.push(head);
        }
    }
    heads
}

fn read_head(file: &mut impl Read) -> Option<Head> {
    let mut start = [0; MAGIC.len() + 4];
    file.read_exact(&mut start).ok()?;
    let (magic, length) = start.split_at(MAGIC.len());
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    if magic != MAGIC || length > MAX_HEAD_BYTES {
        return None;
    }
    let mut head = vec![0; length];
    file.read_exact(&mut head).ok()?;
    let mut hash = [0; 8];
    file.read_exact(&mut hash).ok()?;
    if u64::from_le_bytes(hash) != xxh3_64(&head) {
        return None;
    }
    rmp_serde::from_slice(&head).ok().filter(Head::is_sound)
}

/// What was found, as a record tells it.
pub(super) fn body<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let mut file = BufReader::with_capacity(64 << 10, File::open(path).ok()?);
    read_head(&mut file)?;
    let start = file.stream_position().ok()?;
    let end = file.get_ref().metadata().ok()?.len();
    let length = end.checked_sub(start + 8)?;
    // Nothing is taken for what was found before its hash is known to be right.
    let mut body = Hashed {
        file: io::sink(),
        hasher: Xxh3::new(),
    };
    let copied = io::copy(&mut (&mut file).take(length), &mut body).ok()?;
    let mut hash = [0; 8];
    file.read_exact(&mut hash).ok()?;
    if copied != length || u64::from_le_bytes(hash) != body.hasher.digest() {
        return None;
    }
    file.seek(io::SeekFrom::Start(start)).ok()?;
    rmp_serde::from_read(file.take(length)).ok()
}

//! The record of one source: a head that says what it is about, and a body that holds what was found.
//!
//! `isoscan record 1`, the length of the head, the head, its hash, the body, its hash. A record that does
//! not fit its hashes is none.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::with_ending;
use crate::input::discover::path_from_bytes;
use crate::state::outcome::Done;
use crate::storage::atomic::unwritable;
use crate::storage::fingerprint::Fingerprint;
use crate::support::error::Result;

const MAGIC: &[u8; 17] = b"isoscan record 1\n";
/// No head is longer: paths have their limits too.
const LONGEST_HEAD: usize = 1 << 20;
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
    /// Endings of outputs that earlier runs made of the same bytes.
    pub(super) earlier: Vec<String>,
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
    pub(super) ending: String,
    pub(super) content: Fingerprint,
}

impl Head {
    /// Endings of everything that isoscan made of the source.
    pub(super) fn endings(&self) -> impl Iterator<Item = &str> {
        let outputs = self.outputs.iter().map(|output| output.ending.as_str());
        outputs.chain(self.earlier.iter().map(String::as_str))
    }

    pub(super) fn makes(&self, ending: &str) -> bool {
        self.endings().any(|made| made == ending)
    }

    /// The files of [`endings`](Self::endings), relative to the output folder.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let stem = path_from_bytes(self.stem.clone());
        self.endings().map(move |ending| with_ending(&stem, ending))
    }

    /// The endings of outputs that are still true beside those of `today`: made of the same bytes, judged
    /// the same way, neither made again nor withheld.
    pub(super) fn still_true(&self, today: &Self, withheld: &[String]) -> Vec<String> {
        let content = |head: &Self| head.input.map(|input| input.content);
        let same = content(self).is_some()
            && content(self) == content(today)
            && self.version == today.version
            && self.judgement == today.judgement;
        self.endings()
            .filter(|ending| same && !today.makes(ending))
            .filter(|ending| !withheld.iter().any(|withheld| withheld == ending))
            .map(str::to_owned)
            .collect()
    }

    /// Whether every file that it names lies below the output folder and can be an output.
    fn is_sound(&self) -> bool {
        let stem = path_from_bytes(self.stem.clone());
        let mut parts = stem.components().peekable();
        parts.peek().is_some()
            && parts.all(|part| matches!(part, Component::Normal(_)))
            && self
                .endings()
                .all(|ending| ending.starts_with('_') && !ending.contains(['/', '\\', '\0']))
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
pub(super) fn write(path: &Path, head: &Head, done: &Done) -> Result<()> {
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
        rmp_serde::encode::write(&mut body, done).map_err(io::Error::other)?;
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

/// The heads of all records in `folder`; what is none is passed over.
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
    if magic != MAGIC || length > LONGEST_HEAD {
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

/// What was found, as a record tells it, but for the source and the paths of its outputs.
pub(super) fn body(path: &Path) -> Option<Done> {
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

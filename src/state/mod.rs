//! What isoscan remembers of an output folder, in a hidden folder below it: who writes there now, which
//! files are its own, and for each source what was found.
//!
//! A [`Record`](record) is written before the outputs that it tells of get their names. So whatever moment
//! a run dies at, an output is known as isoscan's own, and one that is not what the record says is made
//! again.

mod record;

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::input::discover::path_from_bytes;
use crate::input::{Location, Source};
use crate::runtime::cancel::CancelToken;
use crate::storage::atomic::{self, Staged, unwritable};
use crate::storage::fingerprint::Fingerprint;
use crate::support::error::{Error, ErrorKind, Result};

use self::record::{Head, Input, Output};

/// The folder, below the output folder.
pub(crate) const FOLDER: &str = ".isoscan";
/// Held locked while a scan writes; the system lets go of it when the scan ends, however it ends.
const LOCK: &str = "lock";
/// There from the start of a scan to its orderly end.
const RUNNING: &str = "running";
const SOURCES: &str = "sources";

/// The state of an output folder, which nobody else writes to as long as this lives.
#[derive(Debug)]
pub(crate) struct State {
    outputs: PathBuf,
    /// What was recorded before this run, by the stem of the outputs.
    heads: HashMap<Vec<u8>, Head>,
    /// Stems by the name of the source.
    stems: HashMap<Vec<u8>, Vec<u8>>,
    /// Whether outputs that no longer match a source of the run are removed.
    prune: bool,
    _lock: File,
}

/// An input, looked at before it was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    bytes: u64,
    modified_ns: Option<i64>,
}

impl Seen {
    /// Looks at the file of `source`; `None` where there is none, or one whose bytes come once.
    pub(crate) fn of(source: &Source) -> Option<Self> {
        let Location::File(path) = &source.location else {
            return None;
        };
        let about = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let modified_ns = about.modified().ok().and_then(nanoseconds);
        Some(Self {
            bytes: about.len(),
            modified_ns,
        })
    }
}

fn nanoseconds(time: SystemTime) -> Option<i64> {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).ok(),
        Err(before) => i64::try_from(before.duration().as_nanos())
            .ok()
            .map(|ns| -ns),
    }
}

/// Numbers that stand for the settings of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SettingsMarks {
    /// Differs where anything differs that shapes what is written about an input.
    pub outputs: u64,
    /// Differs where anything differs that rows are judged by, the threshold apart.
    pub judgement: u64,
}

/// An output that is written whole and waits for its name.
#[derive(Debug)]
pub struct StagedOutput {
    /// Its path, relative to the output folder.
    pub path: PathBuf,
    /// The file.
    pub file: Staged,
}

/// What an earlier run left of a source that could not be scanned now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// When it was scanned, in microseconds UTC.
    pub as_of_us: i64,
    /// The outputs, which are still there.
    pub outputs: Vec<PathBuf>,
}

/// What an earlier run did with a source, and need not be done again.
#[derive(Debug)]
pub(crate) struct Recalled<T> {
    /// What it found.
    pub found: T,
    /// What it wrote.
    pub outputs: Vec<PathBuf>,
}

impl State {
    /// Takes `folder`, which must exist, as this run's alone; clears away what a run that died left
    /// half-written, and reads what was recorded. With `prune`, outputs of earlier runs that match no source of
    /// this one are removed; without, they stay.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] where another scan writes there, or nothing can be written.
    pub(crate) fn open(folder: &Path, prune: bool) -> Result<Self> {
        let state = folder.join(FOLDER);
        let new = !state.exists();
        let sources = state.join(SOURCES);
        fs::create_dir_all(&sources).map_err(|cause| unwritable(&sources, cause))?;
        let lock = lock(folder, &state.join(LOCK))?;
        let running = state.join(RUNNING);
        if new || running.exists() {
            atomic::sweep(folder);
            record::sweep(&sources);
        }
        fs::write(&running, "").map_err(|cause| unwritable(&running, cause))?;
        let heads: HashMap<Vec<u8>, Head> = record::heads(&sources)
            .into_iter()
            .map(|head| (head.stem.clone(), head))
            .collect();
        let stems = heads.values();
        Ok(Self {
            outputs: folder.to_path_buf(),
            stems: stems.map(|h| (h.source.clone(), h.stem.clone())).collect(),
            heads,
            prune,
            _lock: lock,
        })
    }

    /// What was found in `source` by an earlier run with the same settings, if the source and all that was
    /// written of it are still the same to the byte.
    ///
    /// Size and time of change are looked at first; then the source is read for its hash.
    pub(crate) fn recall<T: DeserializeOwned>(
        &self,
        source: &Source,
        marks: SettingsMarks,
        stop: &CancelToken,
    ) -> Option<Recalled<T>> {
        let head = self.heads.get(&stem_of(source))?;
        let Location::File(path) = &source.location else {
            return None;
        };
        let (seen, input) = (Seen::of(source)?, head.input?);
        let same = head.version == env!("CARGO_PKG_VERSION")
            && head.settings == marks.outputs
            && head.source == name_of(source)
            && input.content.bytes == seen.bytes
            && input.modified_ns.is_some()
            && input.modified_ns == seen.modified_ns;
        if !same {
            return None;
        }
        let outputs: Vec<(PathBuf, Fingerprint)> = head
            .outputs
            .iter()
            .map(|output| {
                let path = path_from_bytes(output.path.clone());
                (self.outputs.join(path), output.content)
            })
            .collect();
        let there = |(path, content): &(PathBuf, Fingerprint)| {
            fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() == content.bytes)
        };
        let whole = |path: &Path, content: Fingerprint| {
            Fingerprint::of_file(path, stop).is_ok_and(|c| c == content)
        };
        let unchanged = outputs.iter().all(there)
            && whole(path, input.content)
            && outputs.iter().all(|(path, content)| whole(path, *content));
        if !unchanged {
            return None;
        }
        Some(Recalled {
            found: record::body(&self.record(&head.stem))?,
            outputs: outputs.into_iter().map(|(path, _)| path).collect(),
        })
    }

    /// Records what was found in a source and gives its outputs their names, all of them or, on an error,
    /// none; returns these. Outputs that an earlier run made with other settings stay, unless they are to be
    /// pruned and no longer match the source.
    ///
    /// `input` is the source as it was before it was read, and what it held; `withheld` are outputs that this
    /// run decided not to make.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] with the path that cannot be written.
    pub(crate) fn commit(
        &self,
        source: &Source,
        marks: SettingsMarks,
        input: Option<(Seen, Fingerprint)>,
        found: &impl Serialize,
        staged: Vec<StagedOutput>,
        withheld: &[PathBuf],
    ) -> Result<Vec<PathBuf>> {
        let mut head = Head {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings: marks.outputs,
            judgement: marks.judgement,
            source: name_of(source),
            stem: stem_of(source),
            input: input.map(|(seen, content)| Input {
                content,
                // A source that changed while it was read cannot be known again.
                modified_ns: seen
                    .modified_ns
                    .filter(|_| {
                        Seen::of(source).is_some_and(|now| now.modified_ns == seen.modified_ns)
                    })
                    .filter(|_| seen.bytes == content.bytes),
            }),
            outputs: staged
                .iter()
                .map(|output| Output {
                    path: bytes_of(&output.path),
                    content: output.file.content(),
                })
                .collect(),
            earlier: Vec::new(),
            scanned_us: nanoseconds(SystemTime::now()).unwrap_or_default() / 1000,
        };
        if let Some(before) = self.heads.get(&head.stem) {
            head.earlier = before.beside(&head, withheld);
            head.earlier
                .retain(|earlier| !(self.prune && earlier.outdated));
            for path in before.missing_in(&head) {
                remove(&self.outputs.join(path))?;
            }
        }
        let record = self.record(&head.stem);
        record::write(&record, &head, found)?;
        let files = staged.into_iter().map(|output| output.file).collect();
        atomic::commit_all(files).inspect_err(|_| {
            let _ = fs::remove_file(record);
        })
    }

    /// What the last run that could scan a source left of it, where this one could not: its outputs stay until
    /// there is something to put in their place. `source` is its path.
    pub(crate) fn stale(&self, source: &Path) -> Option<Stale> {
        let head = self.heads.get(self.stems.get(&bytes_of(source))?)?;
        let outputs = head.outputs.iter();
        let outputs = outputs.map(|output| self.outputs.join(path_from_bytes(output.path.clone())));
        Some(Stale {
            as_of_us: head.scanned_us,
            outputs: outputs.filter(|path| path.exists()).collect(),
        })
    }

    /// With the wish to prune: removes the outputs of all sources that are not among `sources` and `failed`, and
    /// of those whose outputs have other names now.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] with the path that cannot be removed.
    pub(crate) fn prune(&self, sources: &[Source], failed: &[PathBuf]) -> Result<()> {
        if !self.prune {
            return Ok(());
        }
        let failed: HashSet<Vec<u8>> = failed.iter().map(|path| bytes_of(path)).collect();
        let stems: HashSet<Vec<u8>> = sources.iter().map(stem_of).collect();
        let gone = |head: &&Head| !stems.contains(&head.stem) && !failed.contains(&head.source);
        let mut gone = self.heads.values().filter(gone);
        gone.try_for_each(|head| self.remove_all(head))
    }

    fn remove_all(&self, head: &Head) -> Result<()> {
        for file in head.files() {
            remove(&self.outputs.join(file))?;
        }
        remove(&self.record(&head.stem))
    }

    fn record(&self, stem: &[u8]) -> PathBuf {
        record::path(&self.outputs.join(FOLDER).join(SOURCES), stem)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // Where it stays, the next run looks for half-written files and finds none.
        let _ = fs::remove_file(self.outputs.join(FOLDER).join(RUNNING));
    }
}

/// The outputs that are recorded in the state of `folder`, relative to it; `None` where it has no state.
pub(crate) fn outputs(folder: &Path) -> Option<Vec<PathBuf>> {
    let state = folder.join(FOLDER);
    state.is_dir().then(|| {
        let heads = record::heads(&state.join(SOURCES));
        heads.iter().flat_map(Head::files).collect()
    })
}

fn bytes_of(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}

fn stem_of(source: &Source) -> Vec<u8> {
    bytes_of(&source.output_stem)
}

fn name_of(source: &Source) -> Vec<u8> {
    bytes_of(source.path())
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(Error::new(ErrorKind::Write, "cannot be removed")
                .at(path)
                .caused_by(cause))
        }
        _ => Ok(()),
    }
}

fn lock(folder: &Path, path: &Path) -> Result<File> {
    let failed = |cause| unwritable(path, cause);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {
            let process = std::process::id().to_string();
            file.set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| file.write_all(process.as_bytes()))
                .map_err(failed)?;
        }
        Err(TryLockError::WouldBlock) => {
            let mut process = String::new();
            let known = file.read_to_string(&mut process).is_ok() && !process.is_empty();
            let who = if known {
                format!(" (process {process})")
            } else {
                String::new()
            };
            return Err(Error::new(
                ErrorKind::Write,
                format!(
                    "another scan{who} is writing into this folder: let it end, or choose another with --out-dir"
                ),
            )
            .at(folder));
        }
        // A file system without locks: the user sees to it that one scan writes at a time.
        Err(TryLockError::Error(_)) => {}
    }
    Ok(file)
}

/// Whether a file or folder of this name is isoscan's own and no output.
pub(crate) fn is_state(name: &OsStr) -> bool {
    name == FOLDER || atomic::is_temporary(name)
}

//! Turns what the user named (files, folders, globs, lists, standard input) into a sorted list of
//! sources, and says what was passed over and why.
//!
//! Knows nothing of what is inside a file: a file found in a folder or by a glob is a candidate by its
//! name, a file named outright always is.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead};
use std::path::{Component, Path, PathBuf};

use globset::GlobBuilder;
use walkdir::{DirEntry, WalkDir};

use super::logs::{self, Join};
use super::{Location, Skipped, Source};
use crate::runtime::cancel::CancelToken;
use crate::support::error::{Error, ErrorKind, Result};

/// What discovery found.
#[derive(Debug, Default)]
pub struct Discovered {
    /// What is to be scanned: sorted by name, no file twice.
    pub sources: Vec<Source>,
    /// What was met and passed over.
    pub skipped: Vec<Skipped>,
    /// What was named and cannot be scanned: each costs only itself.
    pub failed: Vec<Error>,
}

/// Suffixes that say that a file is a table.
const TABLE_SUFFIXES: [&str; 4] = ["csv", "tsv", "parquet", "pq"];
/// Suffixes of text logs.
const LOG_SUFFIXES: [&str; 8] = [
    "log",
    "txt",
    "json",
    "jsonl",
    "ndjson",
    "binetflow",
    "labeled",
    "nfdump",
];
/// Labels of events, which lie beside the logs that they are about.
const LABELS_SUFFIX: &str = ".labels.json";
/// Suffixes that say only how a text is packed.
pub(super) const PACKED_SUFFIXES: [&str; 6] = ["gz", "zst", "zstd", "bz2", "bzip2", "xz"];

/// Knows which files isoscan wrote itself, so that no scan takes them for logs.
pub trait OwnFiles {
    /// Whether a file or folder of this name is isoscan's, and not even an output.
    fn is_internal(&self, name: &OsStr) -> bool;

    /// The files that isoscan has written into and below `folder`, as paths that start with it; `None` where it
    /// is not an output folder.
    fn below(&self, folder: &Path) -> Option<Vec<PathBuf>>;

    /// Whether a name in an output folder can only be that of an output.
    fn is_output(&self, name: &OsStr) -> bool;
}

/// Finds the sources behind `paths`: files, folders (walked to any depth, links followed, hidden
/// entries passed over), globs, and `-` for standard input.
///
/// Outputs are not taken for logs: `out_dir` is not walked where it lies in a folder that is, and where
/// logs and outputs share a folder, or an earlier scan wrote there, `own_files` knows the outputs. They are not among what was passed over either, so that the next scan finds what this one
/// did. What is found does not depend on the order of `paths`.
///
/// A path that does not exist is a failure of its own and stops nothing else.
///
/// # Errors
/// [`ErrorKind::NotFound`] where nothing at all is left to scan and nothing failed by itself, and those of
/// [`CancelToken::check`].
pub fn discover(
    paths: &[PathBuf],
    out_dir: &Path,
    own_files: &dyn OwnFiles,
    stop: &CancelToken,
) -> Result<Discovered> {
    let mut search = Search {
        own_files,
        stop: stop.clone(),
        own: HashSet::new(),
        looked_at: HashSet::new(),
        output_folders: HashSet::new(),
        out_dir: fs::canonicalize(out_dir).ok(),
        seen: HashMap::new(),
        found: Vec::new(),
        unmatched: Vec::new(),
        result: Discovered::default(),
    };
    if let Some(out_dir) = search.out_dir.clone() {
        search.learn(&out_dir);
    }
    for path in paths {
        search.take(path);
        stop.check()?;
    }
    let Search {
        mut found,
        mut result,
        unmatched,
        ..
    } = search;
    for pattern in unmatched {
        let reason = "no file matches this pattern";
        match found.is_empty() && result.failed.is_empty() {
            true => result.skipped.push(Skipped {
                path: pattern,
                reason: reason.to_owned(),
            }),
            // Beside inputs that are scanned, it is as wrong as the name of a missing file.
            false => result
                .failed
                .push(Error::new(ErrorKind::NotFound, reason).at(pattern)),
        }
    }
    found.sort();
    result.sources = name_outputs(found);
    result
        .skipped
        .sort_by(|a, b| (&a.path, &a.reason).cmp(&(&b.path, &b.reason)));
    result.skipped.dedup();
    if result.sources.is_empty() && result.failed.is_empty() {
        return Err(nothing_found(paths, &result.skipped));
    }
    Ok(result)
}

/// Reads a list of paths, one a line; blank lines are passed over. `-` reads standard input.
///
/// # Errors
/// [`ErrorKind::Read`] where the list cannot be read.
pub fn read_list(list: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |cause: io::Error| {
        Error::new(ErrorKind::Read, "the list of files cannot be read")
            .at(list)
            .caused_by(cause)
    };
    let reader: Box<dyn BufRead> = if list == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(io::BufReader::new(
            fs::File::open(list).map_err(unreadable)?,
        ))
    };
    let mut paths = Vec::new();
    for line in reader.split(b'\n') {
        let mut line = line.map_err(unreadable)?;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if !line.iter().all(u8::is_ascii_whitespace) {
            paths.push(path_from_bytes(line));
        }
    }
    Ok(paths)
}

#[cfg(unix)]
pub(crate) fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(not(unix))]
pub(crate) fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(&bytes).into_owned())
}

/// A source found: its location and the folder that its outputs are named relative to.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    location: Location,
    relative: PathBuf,
}

struct Search<'a> {
    own_files: &'a dyn OwnFiles,
    stop: CancelToken,
    out_dir: Option<PathBuf>,
    /// What isoscan has written, by true paths.
    own: HashSet<PathBuf>,
    /// Folders whose outputs are in `own`, or that have none.
    looked_at: HashSet<PathBuf>,
    /// Those of them that isoscan has written to.
    output_folders: HashSet<PathBuf>,
    /// Where in `found` a file is, by its true path.
    seen: HashMap<PathBuf, usize>,
    found: Vec<Found>,
    /// Patterns that no file matches.
    unmatched: Vec<PathBuf>,
    result: Discovered,
}

impl Search<'_> {
    fn take(&mut self, path: &Path) {
        if path == Path::new("-") {
            let stdin = Found {
                location: Location::StandardInput,
                relative: PathBuf::from("stdin"),
            };
            return self.found(PathBuf::from("-"), stdin);
        }
        // What exists is meant as it stands, even where its name has a glob's characters in it.
        match fs::metadata(path) {
            Ok(about) if about.is_dir() => self.walk(path),
            Ok(_) if self.is_own(path) => self.skip(path, "an output of an earlier scan"),
            Ok(_) => {
                let relative = path.file_name().map(PathBuf::from).unwrap_or_default();
                self.add(path, relative);
            }
            Err(cause) if is_glob(path) => match self.glob(path) {
                Ok(()) => {}
                Err(error) => self.result.failed.push(error.caused_by(cause)),
            },
            Err(cause) => {
                let kind = match cause.kind() {
                    io::ErrorKind::NotFound => ErrorKind::NotFound,
                    _ => ErrorKind::Read,
                };
                let message = "cannot be opened";
                self.result
                    .failed
                    .push(Error::new(kind, message).at(path).caused_by(cause));
            }
        }
    }

    fn walk(&mut self, root: &Path) {
        let before = (self.seen.len(), self.result.skipped.len());
        let mut others = false;
        self.learn_above(root);
        let mut entries = WalkDir::new(root)
            .follow_links(true)
            .sort_by_file_name()
            .into_iter();
        while let Some(entry) = entries.next() {
            if self.stop.requested() {
                return;
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(cause) => {
                    let path = cause.path().unwrap_or(root).to_path_buf();
                    if cause.loop_ancestor().is_some() {
                        self.skip(&path, "a symbolic link to a folder above it");
                    } else {
                        self.fail(root, cause);
                    }
                    continue;
                }
            };
            let path = entry.path();
            others |= !entry.file_type().is_dir();
            if is_hidden(&entry) {
                if !self.own_files.is_internal(entry.file_name()) {
                    self.skip(path, "hidden");
                }
                if entry.file_type().is_dir() {
                    entries.skip_current_dir();
                }
            } else if entry.file_type().is_dir() {
                if entry.depth() > 0 && self.is_out_dir(path) {
                    entries.skip_current_dir();
                } else {
                    self.learn(path);
                }
            } else {
                let relative = path.strip_prefix(root).unwrap_or(path).to_path_buf();
                self.candidate(path, entry.file_type().is_file(), relative);
            }
        }
        if (self.seen.len(), self.result.skipped.len()) == before && !others {
            self.skip(root, "an empty folder");
        }
    }

    fn glob(&mut self, pattern: &Path) -> Result<()> {
        let bad = |cause| {
            Error::new(ErrorKind::NotFound, "no such file, and not a glob either")
                .at(pattern)
                .caused_by(Box::<dyn std::error::Error + Send + Sync>::from(cause))
        };
        let text = pattern
            .to_str()
            .ok_or_else(|| bad("not valid UTF-8".to_owned()))?;
        let matcher = GlobBuilder::new(text)
            .literal_separator(true)
            .build()
            .map_err(|cause| bad(cause.to_string()))?
            .compile_matcher();
        let root: PathBuf = pattern
            .components()
            .take_while(|part| !is_glob(Path::new(part)))
            .collect();
        let start = if root.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &root
        };
        // As in a shell: hidden entries are meant only where the pattern names one.
        let wants_hidden = pattern.components().any(
            |part| matches!(part, Component::Normal(name) if name.as_encoded_bytes().starts_with(b".")),
        );
        self.learn_above(start);
        let mut matched = false;
        let mut entries = WalkDir::new(start)
            .max_depth(depth_of(pattern, &root))
            .follow_links(true)
            .sort_by_file_name()
            .into_iter();
        while let Some(entry) = entries.next() {
            self.stop.check()?;
            let entry = match entry {
                Ok(entry) => entry,
                // A link in a circle matches nothing that is not found without it, and below a folder
                // that is not there nothing matches.
                Err(cause) if cause.loop_ancestor().is_some() || cause.depth() == 0 => continue,
                Err(cause) => {
                    self.fail(start, cause);
                    matched = true;
                    continue;
                }
            };
            if entry.depth() > 0 && entry.file_type().is_dir() && self.is_out_dir(entry.path()) {
                entries.skip_current_dir();
                continue;
            }
            if !wants_hidden && is_hidden(&entry) {
                if entry.file_type().is_dir() {
                    entries.skip_current_dir();
                }
                continue;
            }
            let path = if root.as_os_str().is_empty() {
                entry.path().strip_prefix(".").unwrap_or(entry.path())
            } else {
                entry.path()
            };
            if entry.file_type().is_dir() {
                self.learn(path);
                continue;
            }
            if entry.depth() == 0 || !matcher.is_match(path) {
                continue;
            }
            matched = true;
            let relative = path.strip_prefix(&root).unwrap_or(path).to_path_buf();
            self.candidate(path, entry.file_type().is_file(), relative);
        }
        if !matched {
            self.unmatched.push(pattern.to_path_buf());
        }
        Ok(())
    }

    /// A file met in a folder or by a glob: taken when its name says that it can be a log.
    fn candidate(&mut self, path: &Path, regular: bool, relative: PathBuf) {
        if self.is_own(path) {
            // Not even passed over: it is no part of what the user asks about.
        } else if !regular {
            self.skip(path, "not a regular file");
        } else if !is_log_name(path) {
            self.skip(path, "its name is not that of a log");
        } else {
            self.add(path, relative);
        }
    }

    fn add(&mut self, path: &Path, relative: PathBuf) {
        // Two names of one file, as `a/x.csv` and `./a/x.csv`, are one source.
        let identity = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let found = Found {
            location: Location::File(tidy(path)),
            relative,
        };
        self.found(identity, found);
    }

    /// Takes a source. Of several names of one, that is kept which says most about its folder, then the
    /// first in the alphabet: which one came first does not matter.
    fn found(&mut self, identity: PathBuf, found: Found) {
        let rank = |found: &Found| std::cmp::Reverse(found.relative.components().count());
        match self.seen.entry(identity) {
            Entry::Vacant(place) => {
                place.insert(self.found.len());
                self.found.push(found);
            }
            Entry::Occupied(place) => {
                let kept = &mut self.found[*place.get()];
                if (rank(&found), &found) < (rank(kept), kept) {
                    *kept = found;
                }
            }
        }
    }

    /// Finds out what isoscan has written into a folder.
    fn learn(&mut self, folder: &Path) {
        if let Ok(folder) = fs::canonicalize(folder)
            && self.looked_at.insert(folder.clone())
            && let Some(files) = self.own_files.below(&folder)
        {
            self.own.extend(files);
            // Names alone tell nothing in a folder that isoscan has not written to.
            self.output_folders.insert(folder);
        }
    }

    /// The same for the folders above one: the outputs of a scan may lie deep below its output folder.
    fn learn_above(&mut self, folder: &Path) {
        if let Ok(folder) = fs::canonicalize(folder) {
            folder.ancestors().for_each(|above| self.learn(above));
        }
    }

    fn is_own(&self, path: &Path) -> bool {
        !self.own.is_empty()
            && fs::canonicalize(path).is_ok_and(|path| {
                let named_as_one = || {
                    let mut above = path.ancestors().skip(1);
                    path.file_name()
                        .is_some_and(|name| self.own_files.is_output(name))
                        && above.any(|folder| self.output_folders.contains(folder))
                };
                self.own.contains(&path) || named_as_one()
            })
    }

    /// Something below `root` that could not be looked at.
    fn fail(&mut self, root: &Path, cause: walkdir::Error) {
        let path = cause.path().unwrap_or(root).to_path_buf();
        self.result.failed.push(
            Error::new(ErrorKind::Read, "cannot be read")
                .at(tidy(&path))
                .caused_by(plain_cause(cause)),
        );
    }

    fn skip(&mut self, path: &Path, reason: &str) {
        self.result.skipped.push(Skipped {
            path: tidy(path),
            reason: reason.to_owned(),
        });
    }

    fn is_out_dir(&self, path: &Path) -> bool {
        self.out_dir.is_some() && fs::canonicalize(path).ok() == self.out_dir
    }
}

/// How deep below `root` a match of `pattern` can lie.
fn depth_of(pattern: &Path, root: &Path) -> usize {
    let any_depth = pattern
        .as_os_str()
        .as_encoded_bytes()
        .windows(2)
        .any(|pair| pair == b"**");
    match any_depth {
        true => usize::MAX,
        // A slash within braces counts too: at worst a folder more is looked at.
        false => pattern.components().count() - root.components().count(),
    }
}

fn plain_cause(cause: walkdir::Error) -> String {
    match cause.io_error() {
        Some(io) => io.to_string(),
        None => cause.to_string(),
    }
}

/// `./x` as `x`: the same file under the name that the user would type.
fn tidy(path: &Path) -> PathBuf {
    let tidied: PathBuf = path
        .components()
        .filter(|part| !matches!(part, Component::CurDir))
        .collect();
    if tidied.as_os_str().is_empty() {
        path.to_path_buf()
    } else {
        tidied
    }
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".")
}

fn is_glob(path: &Path) -> bool {
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .any(|byte| b"*?[{".contains(byte))
}

/// Whether a file met in a folder can be a log by its name, rotated and packed as it may be.
fn is_log_name(path: &Path) -> bool {
    let Some(name) = path.file_name() else {
        return false;
    };
    let log = logs::log_path(Path::new(name), Join::Rotated);
    if log
        .to_string_lossy()
        .to_lowercase()
        .ends_with(LABELS_SUFFIX)
    {
        return false;
    }
    let suffix = suffix_of(&log);
    if suffix.is_empty() {
        // Apache writes `access_log`, stores write names that are dates alone.
        let is_rotated = log != Path::new(name) && !is_in(&PACKED_SUFFIXES, &suffix_of(path));
        return is_rotated || log.to_string_lossy().to_lowercase().contains("log");
    }
    is_in(&TABLE_SUFFIXES, &suffix) || is_in(&LOG_SUFFIXES, &suffix)
}

/// Whether a file's name says that it is a table: what cannot be read under such a name is a failure.
pub(crate) fn is_table_name(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        let log = logs::log_path(Path::new(name), Join::Rotated);
        is_in(&TABLE_SUFFIXES, &suffix_of(&log))
    })
}

fn is_in(suffixes: &[&str], suffix: &str) -> bool {
    suffixes.contains(&suffix)
}

/// The suffix in lower case; empty where there is none.
fn suffix_of(path: &Path) -> String {
    path.extension()
        .map(|suffix| suffix.to_string_lossy().to_lowercase())
        .unwrap_or_default()
}

/// The file's name without the suffixes of its form and packing: `x.csv.gz` gives `x`.
fn stem_of(relative: &Path) -> PathBuf {
    let mut stem = relative.to_path_buf();
    for suffixes in [
        &PACKED_SUFFIXES[..],
        &[&TABLE_SUFFIXES[..], &LOG_SUFFIXES[..]].concat(),
    ] {
        if is_in(suffixes, &suffix_of(&stem)) {
            stem.set_extension("");
        }
    }
    stem
}

/// Gives every source a place of its own below the output folder.
///
/// Sources keep their folder relative to where they were found. Where two would share a place, all
/// of these keep their whole file name (`x.csv`, `x.csv.gz`); where even that is not enough, the
/// folders in which they lie are put before it, and last a number behind it.
fn name_outputs(found: Vec<Found>) -> Vec<Source> {
    let candidates = |item: &Found| -> [PathBuf; 3] {
        let inside: PathBuf = match &item.location {
            Location::StandardInput => PathBuf::new(),
            Location::File(path) => path
                .components()
                .filter(|part| matches!(part, Component::Normal(_)))
                .collect(),
        };
        [stem_of(&item.relative), item.relative.clone(), inside]
    };
    let mut stems: Vec<PathBuf> = found
        .iter()
        .map(|item| candidates(item)[0].clone())
        .collect();
    for attempt in 1..3 {
        let clashing = clashes(&stems);
        for (index, item) in found.iter().enumerate() {
            if clashing[index] {
                stems[index] = candidates(item)[attempt].clone();
            }
        }
    }
    let mut taken: HashSet<String> = HashSet::new();
    for stem in &mut stems {
        let wanted = stem.clone();
        let mut number = 2;
        while !taken.insert(folded(stem)) {
            *stem = wanted.with_file_name(format!(
                "{}-{number}",
                wanted.file_name().unwrap_or_default().to_string_lossy()
            ));
            number += 1;
        }
    }
    found
        .into_iter()
        .zip(stems)
        .map(|(item, output_stem)| Source {
            location: item.location,
            output_stem,
        })
        .collect()
}

/// Names that differ only in case are one name on some file systems.
fn folded(stem: &Path) -> String {
    stem.to_string_lossy().to_lowercase()
}

fn clashes(stems: &[PathBuf]) -> Vec<bool> {
    let mut counts = std::collections::HashMap::new();
    for stem in stems {
        *counts.entry(folded(stem)).or_insert(0usize) += 1;
    }
    stems.iter().map(|stem| counts[&folded(stem)] > 1).collect()
}

fn nothing_found(paths: &[PathBuf], skipped: &[Skipped]) -> Error {
    let named: Vec<String> = paths
        .iter()
        .take(3)
        .map(|p| p.display().to_string())
        .collect();
    let more = if paths.len() > 3 { ", …" } else { "" };
    let passed_over = match skipped {
        [] => String::new(),
        [one] => format!("; passed over {}: {}", one.path.display(), one.reason),
        [first, ..] => format!(
            "; passed over {} (the first, {}: {})",
            skipped.len(),
            first.path.display(),
            first.reason
        ),
    };
    Error::new(
        ErrorKind::NotFound,
        format!(
            "nothing to scan in {}{more}: logs are called .csv, .tsv, .txt, .log, .json (also .gz, .zst, .bz2, .xz) and .parquet{passed_over}",
            named.join(", ")
        ),
    )
}

/// The files of scores below an output folder, sorted: those that a scan calls `*_scores.csv` or
/// `*_scores.parquet`.
///
/// # Errors
/// [`ErrorKind::Read`] where a folder cannot be walked.
pub fn score_files(folder: &Path) -> Result<Vec<PathBuf>> {
    files_called(folder, &["_scores.csv", "_scores.parquet"])
}

/// The files of labels below a folder, sorted: those called `*.labels.json`.
///
/// # Errors
/// [`ErrorKind::Read`] where a folder cannot be walked.
pub fn label_files(folder: &Path) -> Result<Vec<PathBuf>> {
    files_called(folder, &[LABELS_SUFFIX])
}

fn files_called(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in WalkDir::new(folder).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|cause| {
            Error::new(ErrorKind::Read, "cannot be walked")
                .at(folder)
                .caused_by(cause)
        })?;
        let name = entry.file_name().to_string_lossy();
        if entry.file_type().is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(entry.into_path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, relative: &str) -> Found {
        Found {
            location: Location::File(path.into()),
            relative: relative.into(),
        }
    }

    fn stems(found: Vec<Found>) -> Vec<String> {
        name_outputs(found)
            .into_iter()
            .map(|s| s.output_stem.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn outputs_keep_the_relative_folder_and_lose_the_ending() {
        assert_eq!(
            stems(vec![
                file("logs/a/x.csv", "a/x.csv"),
                file("logs/b/x.csv.gz", "b/x.csv.gz")
            ]),
            ["a/x", "b/x"]
        );
    }

    #[test]
    fn sources_of_one_stem_keep_their_whole_name() {
        assert_eq!(
            stems(vec![file("x.csv", "x.csv"), file("x.csv.gz", "x.csv.gz")]),
            ["x.csv", "x.csv.gz"]
        );
    }

    #[test]
    fn files_named_outright_from_two_folders_keep_these_folders() {
        assert_eq!(
            stems(vec![file("a/x.csv", "x.csv"), file("b/x.csv", "x.csv")]),
            ["a/x.csv", "b/x.csv"]
        );
    }

    #[test]
    fn names_that_cannot_be_told_apart_get_a_number() {
        assert_eq!(
            stems(vec![
                file("../x.csv", "x.csv"),
                file("../../x.csv", "x.csv")
            ]),
            ["x.csv", "x.csv-2"]
        );
    }

    #[test]
    fn only_names_of_known_forms_are_taken_from_folders() {
        for taken in [
            "a.csv",
            "A.CSV",
            "a.b.tsv",
            "a.csv.gz",
            "a.log.zst",
            "a.csv.bz2",
            "a.parquet",
            "access.log.1",
            "access.log.2.gz",
            "edge.csv-20260315",
            "eve.json",
            "access_log",
            "2024-04-19-01-23-45-ABCDEF0123456789",
        ] {
            assert!(is_log_name(Path::new(taken)), "{taken}");
        }
        for skipped in [
            "a.gz",
            "csv",
            "README.md",
            "a.png",
            "Makefile",
            "a.tar.gz",
            "a.labels.json",
        ] {
            assert!(!is_log_name(Path::new(skipped)), "{skipped}");
        }
    }
}

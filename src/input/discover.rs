//! Turns what the user named (files, folders, globs, lists, standard input) into a sorted list of inputs, and says what
//! was skipped and why.
//!
//! Knows nothing of what is inside a file: a file found in a folder or by a glob is a candidate by its name, a file
//! named outright always is.

use std::fs;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::candidates::LABELS_SUFFIX;
use super::places::name_outputs;
use super::walk::Search;
pub(crate) use super::walk::{OwnFiles, SearchOptions};
use super::{Skipped, Source};
use crate::runtime::cancel::CancelToken;
use crate::support::error::{Error, ErrorKind, Result};

/// What discovery found.
#[derive(Debug, Default)]
pub struct Discovered {
    /// What is to be scanned: sorted by name, no file twice.
    pub sources: Vec<Source>,
    /// What was met and skipped.
    pub skipped: Vec<Skipped>,
    /// What was named and cannot be scanned: each costs only itself.
    pub failed: Vec<Error>,
}

/// Finds the sources behind `paths`: files, folders (walked to any depth, links followed, hidden
/// entries skipped), globs, and `-` for standard input.
///
/// Outputs are not taken for logs: The output folder is not walked where it lies in a folder that is, and where logs and outputs
/// share a folder, or an earlier scan wrote there, `own_files` knows the outputs. They are not listed as skipped either, so
/// that the next scan finds what this one did. What is found does not depend on the order of `paths`.
///
/// A path that does not exist is a failure of its own and stops nothing else.
///
/// # Errors
/// [`ErrorKind::NotFound`] where nothing at all is left to scan and nothing failed by itself, and those of
/// [`CancelToken::check`].
pub(crate) fn discover(
    paths: &[PathBuf],
    options: &SearchOptions,
    out_dir: &Path,
    own_files: &dyn OwnFiles,
    stop: &CancelToken,
) -> Result<Discovered> {
    let mut search = Search::new(options, out_dir, own_files, stop)?;
    for path in paths {
        search.take(path);
        stop.check()?;
    }
    let Search {
        mut found,
        mut skipped,
        mut failed,
        unmatched,
        ..
    } = search;
    for pattern in unmatched {
        let reason = "no file matches this pattern";
        if found.is_empty() && failed.is_empty() {
            skipped.push(Skipped {
                path: pattern,
                reason: reason.to_owned(),
            });
        } else {
            // Beside inputs that are scanned, it is as wrong as the name of a missing file.
            failed.push(Error::new(ErrorKind::NotFound, reason).at(pattern));
        }
    }
    found.sort();
    skipped.sort_by(|a, b| (&a.path, &a.reason).cmp(&(&b.path, &b.reason)));
    skipped.dedup();
    if found.is_empty() && failed.is_empty() {
        return Err(nothing_found(paths, &skipped));
    }
    Ok(Discovered {
        sources: name_outputs(found),
        skipped,
        failed,
    })
}

/// Reads a list of paths, one a line, or with `nul_separated` as `find -print0` writes them; blank lines are skipped. `-`
/// reads standard input.
///
/// # Errors
/// [`ErrorKind::Read`] where the list cannot be read.
#[cfg_attr(
    not(feature = "cli"),
    expect(dead_code, reason = "lists are given to the program")
)]
pub(crate) fn read_list(list: &Path, nul_separated: bool) -> Result<Vec<PathBuf>> {
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
    let separator = if nul_separated { 0 } else { b'\n' };
    for line in reader.split(separator) {
        let mut line = line.map_err(unreadable)?;
        if !nul_separated && line.last() == Some(&b'\r') {
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

fn nothing_found(paths: &[PathBuf], skipped: &[Skipped]) -> Error {
    let named: Vec<String> = paths
        .iter()
        .take(3)
        .map(|p| p.display().to_string())
        .collect();
    let more = if paths.len() > 3 { ", …" } else { "" };
    let skips = match skipped {
        [] => String::new(),
        [one] => format!("; skipped {}: {}", one.path.display(), one.reason),
        [first, ..] => format!(
            "; skipped {} (the first, {}: {})",
            skipped.len(),
            first.path.display(),
            first.reason
        ),
    };
    Error::new(
        ErrorKind::NotFound,
        format!(
            "nothing to scan in {}{more}: logs are called .csv, .tsv, .txt, .log, .json (also .gz, .zst, .bz2, .xz) and .parquet{skips}",
            named.join(", ")
        ),
    )
}

/// The files of scores below an output folder, sorted: those that a scan calls `*_scores.csv` or
/// `*_scores.parquet`.
///
/// # Errors
/// [`ErrorKind::Read`] where a folder cannot be walked.
pub(crate) fn score_files(folder: &Path) -> Result<Vec<PathBuf>> {
    files_called(folder, &["_scores.csv", "_scores.parquet"])
}

/// The files of labels below a folder, sorted: those called `*.labels.json`.
///
/// # Errors
/// [`ErrorKind::Read`] where a folder cannot be walked.
pub(crate) fn label_files(folder: &Path) -> Result<Vec<PathBuf>> {
    files_called(folder, &[LABELS_SUFFIX])
}

fn files_called(folder: &Path, suffixes: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in WalkDir::new(folder).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|cause| {
            Error::new(ErrorKind::Read, "cannot be walked")
                .at(folder)
                .caused_by(cause)
        })?;
        let name = entry.file_name().to_string_lossy();
        if entry.file_type().is_file() && suffixes.iter().any(|suffix| name.ends_with(suffix)) {
            found.push(entry.into_path());
        }
    }
    Ok(found)
}

//! Which files of a folder can be logs, by their names alone.

use std::path::{Path, PathBuf};

use super::logs::{self, Join, PACKED_SUFFIXES};

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
pub(super) const LABELS_SUFFIX: &str = ".labels.json";

/// Whether a file met in a folder can be a log by its name, rotated and packed as it may be.
pub(super) fn is_log_name(path: &Path) -> bool {
    let Some(name) = path.file_name() else {
        return false;
    };
    // Within a folder, a name that is nothing but a date leaves that of the folder.
    let part = Path::new("folder").join(name);
    let log = logs::log_path(&part, Join::Rotated);
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
        let is_rotated = log != part && !is_in(&PACKED_SUFFIXES, &suffix_of(path));
        return is_rotated || name.to_string_lossy().to_lowercase().contains("log");
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
pub(super) fn stem_of(relative: &Path) -> PathBuf {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_logs_are_taken_from_folders_and_no_others() {
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

//! Where the outputs of each input lie below the output folder.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use super::candidates::stem_of;
use super::walk::Found;
use super::{Location, Source};

/// Gives every input a place of its own below the output folder.
///
/// Inputs keep the folders below the one that all of them share, however they were named. Where two would share a place,
/// both keep their whole file name (`x.csv`, `x.csv.gz`), and where even that is not enough, one gets a number behind it.
pub(super) fn name_outputs(found: Vec<Found>) -> Vec<Source> {
    let paths: Vec<PathBuf> = found.iter().map(|item| place_of(&item.location)).collect();
    let shared = shared_folder(&found, &paths);
    let relative: Vec<&Path> = paths
        .iter()
        .map(|path| path.strip_prefix(&shared).unwrap_or(path))
        .collect();
    let mut stems: Vec<PathBuf> = relative.iter().map(|path| stem_of(path)).collect();
    for (index, is_shared) in clashes(&stems).into_iter().enumerate() {
        if is_shared {
            stems[index] = relative[index].to_path_buf();
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
            is_named: item.is_named,
        })
        .collect()
}

fn place_of(location: &Location) -> PathBuf {
    match location {
        Location::StandardInput => PathBuf::from("stdin"),
        Location::File(path) => {
            without_parents(&std::path::absolute(path).unwrap_or_else(|_| path.clone()))
        }
    }
}

/// `a/../b` as `b`: a `..` in a place would lead out of the output folder. Where a link is in the way, the place
/// differs from that of the file, which does no harm: it is a name alone.
fn without_parents(path: &Path) -> PathBuf {
    let mut place = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                place.pop();
            }
            part => place.push(part),
        }
    }
    place
}

/// The deepest folder that all files lie in.
fn shared_folder(found: &[Found], paths: &[PathBuf]) -> PathBuf {
    let files = found
        .iter()
        .zip(paths)
        .filter(|(item, _)| item.location != Location::StandardInput);
    let folders = files.map(|(_, path)| path.parent().unwrap_or(path).to_path_buf());
    folders
        .reduce(|shared, folder| {
            let parts = shared.components().zip(folder.components());
            parts
                .take_while(|(a, b)| a == b)
                .map(|(part, _)| part)
                .collect()
        })
        .unwrap_or_default()
}

/// Names that differ only in case are one name on some file systems.
fn folded(stem: &Path) -> String {
    stem.to_string_lossy().to_lowercase()
}

fn clashes(stems: &[PathBuf]) -> Vec<bool> {
    let mut counts = HashMap::new();
    for stem in stems {
        *counts.entry(folded(stem)).or_insert(0usize) += 1;
    }
    stems.iter().map(|stem| counts[&folded(stem)] > 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stems(paths: &[&str]) -> Vec<String> {
        let found = paths.iter().map(|path| Found {
            location: Location::File(path.into()),
            is_named: true,
        });
        name_outputs(found.collect())
            .into_iter()
            .map(|source| source.output_stem.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn outputs_keep_the_folders_that_inputs_do_not_share() {
        assert_eq!(stems(&["logs/a/x.csv", "logs/b/x.csv.gz"]), ["a/x", "b/x"]);
        assert_eq!(stems(&["/srv/logs/x.csv"]), ["x"]);
        assert_eq!(
            stems(&["logs/x.csv", "logs/deep/er/y.csv"]),
            ["x", "deep/er/y"]
        );
    }

    #[test]
    fn inputs_of_one_stem_keep_their_whole_name() {
        assert_eq!(stems(&["x.csv", "x.csv.gz"]), ["x.csv", "x.csv.gz"]);
    }

    #[test]
    fn places_that_differ_only_in_case_get_a_number() {
        assert_eq!(stems(&["a/X.csv", "a/x.csv"]), ["X.csv", "x.csv-2"]);
    }
}

//! Which files isoscan has written, so that no scan takes them for logs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::names;
use super::summary::Summary;
use crate::input::discover::OwnFiles;
use crate::state;

/// Knows isoscan's own files by the state of their output folder, by its summary, and by their names.
#[derive(Debug, Clone, Copy, Default)]
pub struct WrittenByIsoscan;

impl OwnFiles for WrittenByIsoscan {
    fn is_internal(&self, name: &OsStr) -> bool {
        state::is_state(name)
    }

    fn below(&self, folder: &Path) -> Option<Vec<PathBuf>> {
        let below = match state::outputs(folder) {
            Some(outputs) if !outputs.is_empty() => outputs,
            // Its records may be gone, or of another version.
            Some(_) => named_by_summary(folder).unwrap_or_default(),
            None => named_by_summary(folder)?,
        };
        let of_a_run = names::OF_A_RUN.iter().map(PathBuf::from);
        let all = below.into_iter().chain(of_a_run);
        Some(all.map(|file| folder.join(file)).collect())
    }

    fn is_output(&self, name: &OsStr) -> bool {
        names::is_output(name)
    }
}

/// The outputs that the summary in a folder names, relative to the folder.
fn named_by_summary(folder: &Path) -> Option<Vec<PathBuf>> {
    let summary = Summary::read(folder)?;
    // The folder's name then: that of `output/anomalies.csv` without its last part.
    let root = Path::new(summary.outputs.first()?).parent()?;
    let all = summary.inputs.iter().flat_map(|input| &input.outputs);
    let below = all.filter_map(|output| Path::new(output).strip_prefix(root).ok());
    Some(below.map(Path::to_path_buf).collect())
}

//! Which files isoscan has written, so that no scan takes them for logs.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{FOLDER, SOURCES, record};

/// Outputs of a run as a whole.
pub const OF_A_RUN: [&str; 5] = [
    "summary.json",
    "anomalies.csv",
    "anomalies.parquet",
    "incidents.csv",
    "incidents.parquet",
];
/// What every name of a source's anomalies has in it.
pub const OF_ANOMALIES: &str = "_graph_anomalies_";

/// The files that isoscan has written below `folder`, if it is an output folder: one with a state, or at
/// least with a summary.
pub fn files(folder: &Path) -> Option<Vec<PathBuf>> {
    let below = match folder.join(FOLDER).is_dir() {
        true => {
            let heads = record::heads(&folder.join(FOLDER).join(SOURCES));
            heads.iter().flat_map(|head| head.files()).collect()
        }
        false => named_by_summary(&folder.join("summary.json"))?,
    };
    let of_a_run = OF_A_RUN.iter().map(PathBuf::from);
    let all = below.into_iter().chain(of_a_run);
    Some(all.map(|file| folder.join(file)).collect())
}

/// Whether a name in an output folder can only be that of an output.
pub fn is_output_name(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.contains(OF_ANOMALIES) && name.ends_with(".csv")
}

/// As much of `summary.json` as tells that isoscan has written it, and what else.
#[derive(Deserialize)]
struct Summary {
    #[serde(rename = "version")]
    _version: String,
    #[serde(rename = "arguments")]
    _arguments: Vec<String>,
    #[serde(rename = "seed")]
    _seed: u64,
    inputs: Vec<Outputs>,
    outputs: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Outputs {
    outputs: Vec<PathBuf>,
}

/// The outputs that a summary names, relative to its folder.
fn named_by_summary(path: &Path) -> Option<Vec<PathBuf>> {
    let summary: Summary = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    // The folder's name then: that of `output/anomalies.csv` without its last part.
    let root = summary.outputs.first()?.parent()?;
    let all = summary.inputs.iter().flat_map(|input| &input.outputs);
    let below = all.filter_map(|output| output.strip_prefix(root).ok());
    Some(below.map(Path::to_path_buf).collect())
}

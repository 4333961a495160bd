//! Names of all outputs, relative to the output folder.
//!
//! Outputs of the run as a whole have fixed names. Outputs of a series are named by a stem, which is the log's
//! place in the output folder and for an entity `<log>/<by>/<entity>`, and a suffix that tells what they are.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::chart::GraphFormat;
use super::options::ScoresFormat;
use crate::detect::ThresholdRule;
use crate::series::SeriesKey;
use crate::support::text::path_text;

/// The summary of a run.
pub const SUMMARY: &str = "summary.json";
/// The anomalies of all logs.
pub const ANOMALIES: TableNames = TableNames {
    csv: "anomalies.csv",
    parquet: "anomalies.parquet",
};
/// The incidents of all logs.
pub const INCIDENTS: TableNames = TableNames {
    csv: "incidents.csv",
    parquet: "incidents.parquet",
};
/// The tables of all logs.
pub const TABLES: [&str; 4] = [
    ANOMALIES.csv,
    ANOMALIES.parquet,
    INCIDENTS.csv,
    INCIDENTS.parquet,
];
/// The outputs of a run as a whole.
pub const OF_A_RUN: [&str; 5] = [SUMMARY, TABLES[0], TABLES[1], TABLES[2], TABLES[3]];

/// What every table of the anomalies of one series has in its name.
const ANOMALIES_INFIX: &str = "_graph_anomalies_";

/// The two files of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableNames {
    /// As CSV.
    pub csv: &'static str,
    /// As parquet.
    pub parquet: &'static str,
}

/// Suffixes of a series' outputs. Those that depend on the threshold have its rule in their names, so that
/// outputs of several rules can stand side by side.
#[derive(Debug, Clone)]
pub struct Suffixes {
    rule: String,
}

impl Suffixes {
    /// The suffixes of outputs that are made with this rule.
    pub fn new(rule: &ThresholdRule) -> Self {
        Self { rule: rule.label() }
    }

    /// `_graph_anomalies_0.01.csv`, as the original script called it.
    pub fn anomalies(&self) -> String {
        format!("{ANOMALIES_INFIX}{}.csv", self.rule)
    }

    /// `_graph_0.01.png`
    pub fn graph(&self, format: GraphFormat) -> String {
        let extension = match format {
            GraphFormat::Png => "png",
            GraphFormat::Svg => "svg",
        };
        format!("_graph_{}.{extension}", self.rule)
    }

    /// The graph in every format.
    pub fn graphs(&self) -> Vec<String> {
        [GraphFormat::Png, GraphFormat::Svg]
            .map(|format| self.graph(format))
            .into()
    }

    /// `_scores.csv`
    pub fn scores(&self, format: ScoresFormat) -> String {
        let extension = match format {
            ScoresFormat::Csv => "csv",
            ScoresFormat::Parquet => "parquet",
        };
        format!("_scores.{extension}")
    }

    /// Every suffix that an output of a series can have.
    pub fn all(&self) -> Vec<String> {
        let scores = [ScoresFormat::Csv, ScoresFormat::Parquet].map(|format| self.scores(format));
        [vec![self.anomalies()], self.graphs(), scores.into()].concat()
    }
}

/// The stem of a series' outputs: that of its log, or a place of its own below it.
pub fn series_stem(log_stem: &Path, key: &SeriesKey) -> PathBuf {
    if key.is_total() {
        return log_stem.to_path_buf();
    }
    log_stem
        .join(file_name(&key.by))
        .join(file_name(&key.entity))
}

/// An output: `edge/router-01` and `_graph_0.01.png` make `edge/router-01_graph_0.01.png`.
///
/// Names are text: bytes that are not UTF-8 are escaped as reports show them. A name that would be too long for
/// a file system loses its end to a hash of all of it.
pub fn output(stem: &Path, suffix: &str) -> PathBuf {
    // Whatever the stem is, the output lies below the output folder.
    let names = stem.components().filter_map(|part| match part {
        Component::Normal(name) => Some(path_text(Path::new(name))),
        _ => None,
    });
    let mut parts: Vec<String> = names.collect();
    let last = parts.pop().unwrap_or_default();
    let mut path: PathBuf = parts
        .iter()
        .map(|part| shortened(part, MAX_NAME_BYTES))
        .collect();
    let room = MAX_NAME_BYTES.saturating_sub(suffix.len());
    path.push(shortened(&last, room) + suffix);
    path
}

/// The path of an output as text, under which it exists: its name is text already, only the folder may not be.
pub fn shown(path: &Path) -> String {
    path.to_str()
        .map_or_else(|| path_text(path), ToOwned::to_owned)
}

/// Longest name of a file or folder, in bytes: what Linux, macOS and Windows can all store.
const MAX_NAME_BYTES: usize = 255;

/// `name` in at most `room` bytes.
fn shortened(name: &str, room: usize) -> String {
    if name.len() <= room {
        return name.to_owned();
    }
    let hash = format!("~{:016x}", xxh3_64(name.as_bytes()));
    let mut end = room.saturating_sub(hash.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned() + &hash
}

/// Text of an attacker as a part of a path: no separators, no `..`, nothing hidden, nothing that a shell or
/// another system would take for more than a name.
///
/// Two texts never give one name: characters that are replaced are written as `%2f`, and `%` itself is replaced.
fn file_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for (place, c) in text.chars().enumerate() {
        let safe = c.is_alphanumeric()
            || matches!(c, '-' | '_' | ':' | '@' | '+' | '=' | ',' | '(' | ')')
            || (c == '.' && place > 0);
        if safe {
            name.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                name.push_str(&format!("%{byte:02x}"));
            }
        }
    }
    name
}

/// Whether a name in an output folder can only be that of an output.
pub fn is_output(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.contains(ANOMALIES_INFIX) && name.ends_with(".csv")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_have_places_below_their_log_that_lead_nowhere_else() {
        let stem = |entity: &str| {
            let key = SeriesKey {
                by: "src".into(),
                entity: entity.to_owned(),
                ..SeriesKey::total("conn.log")
            };
            let stem = series_stem(Path::new("conn.log"), &key);
            stem.to_str().unwrap().to_owned()
        };
        assert_eq!(stem("10.0.0.7"), "conn.log/src/10.0.0.7");
        assert_eq!(stem("fe80::1"), "conn.log/src/fe80::1");
        assert_eq!(stem("../../etc"), "conn.log/src/%2e.%2f..%2fetc");
        assert_eq!(stem("a\n%b"), "conn.log/src/a%0a%25b");
        assert_eq!(stem(""), "conn.log");
    }

    #[test]
    fn long_names_end_in_a_hash_of_all_of_them() {
        let long = |last: &str| "ä".repeat(120) + last;
        let [one, other] = ["1", "2"].map(|last| {
            let path = output(&Path::new("logs").join(long(last)), "_graph_0.01.png");
            path.to_str().unwrap().to_owned()
        });
        assert_ne!(one, other);
        for name in [one, other] {
            let name = name.strip_prefix("logs/").unwrap();
            assert!((250..=255).contains(&name.len()), "{name}");
            assert!(name.ends_with("_graph_0.01.png"), "{name}");
        }
        let fits = "a".repeat(255 - "_scores.csv".len());
        let path = output(Path::new(&fits), "_scores.csv");
        assert_eq!(path.to_str().unwrap(), fits + "_scores.csv");
    }

    #[test]
    fn no_stem_leads_out_of_the_output_folder() {
        for stem in ["../a/b", "/a/b", "./a/../b"] {
            let path = output(Path::new(stem), "_scores.csv");
            assert_eq!(path.to_str().unwrap(), "a/b_scores.csv");
        }
    }

    #[test]
    fn every_suffix_is_listed_and_tables_of_anomalies_are_known_by_it() {
        let suffixes = Suffixes::new(&ThresholdRule::Score(0.6));
        let all = suffixes.all();
        assert_eq!(all.len(), 5);
        for suffix in all {
            let name = output(Path::new("a"), &suffix);
            assert_eq!(
                is_output(name.as_os_str()),
                suffix == suffixes.anomalies(),
                "{suffix}"
            );
        }
    }
}

//! What a generated file holds, as JSON beside it: the truth that a detector is measured against.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{EventKind, Traffic};
use crate::support::calendar::iso_text;

/// The events of one generated file.
///
/// ```
/// use isoscan::generate::Labels;
/// let text = r#"{
///     "file": "a.csv",
///     "events": [{"start": "2026-03-02T14:00:00Z", "end": "2026-03-02T14:25:00Z", "kind": "spike"}]
/// }"#;
/// let labels: Labels = serde_json::from_str(text)?;
/// assert_eq!(labels.events[0].kind.name(), "spike");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// Name of the file, without its folder.
    pub file: String,
    /// The events in time order; none overlaps another.
    pub events: Vec<Label>,
}

/// One event of a generated file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Time of the first row that the event touches, as `YYYY-MM-DDTHH:MM:SSZ`.
    pub start: String,
    /// Time of the last row that the event touches, in the same form.
    pub end: String,
    /// What happened.
    pub kind: EventKind,
}

impl Labels {
    /// The labels of `traffic` once it stands in a file of the name `file`.
    pub fn new(file: impl Into<String>, traffic: &Traffic) -> Self {
        let events = traffic.events().map(|event| Label {
            start: iso_text(traffic.spec().time_us(event.start_row)),
            end: iso_text(traffic.spec().time_us(event.end_row() - 1)),
            kind: event.kind,
        });
        Self {
            file: file.into(),
            events: events.collect(),
        }
    }

    /// The path of the labels of the file at `path`: `a.csv` has `a.labels.json` beside it, a form
    /// that no scan takes for a log.
    pub fn path_for(path: &Path) -> PathBuf {
        path.with_extension("labels.json")
    }

    /// Writes the labels as indented JSON that ends with a line feed.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_json(&self, mut out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut out, self)?;
        out.write_all(b"\n")
    }
}

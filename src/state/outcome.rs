//! What became of each source, and what the run as a whole comes to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::detect::{Anomalies, Baseline, Incident, Kind, Severity};
use crate::format::Dropped;
use crate::input::{Location, Source};
use crate::support::error::Error;

/// What became of one source.
#[derive(Debug)]
pub enum Outcome {
    /// It was scanned, and its outputs are written.
    Done(Box<Done>),
    /// It was not, and left no output.
    Failed {
        /// Where it was to be read.
        source: Option<Source>,
        /// Why not.
        error: Error,
    },
}

/// A source that was scanned.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Done {
    /// The source.
    #[serde(skip, default = "nobody")]
    pub source: Source,
    /// Its recognised form, in words.
    pub form: String,
    /// Usable rows.
    pub rows: u64,
    /// Rows that could not be used.
    pub dropped: Dropped,
    /// Bytes of text read, unpacked.
    pub bytes: u64,
    /// The threshold used.
    pub threshold: f64,
    /// Anomalies that the contamination rate lets expect.
    pub expected: Option<f64>,
    /// What is usual in each value column.
    pub usual: Vec<Baseline>,
    /// The anomalies found.
    pub anomalies: Anomalies,
    /// The incidents that they make up, in time order.
    pub incidents: Vec<Incident>,
    /// What the reader should know.
    pub notes: Vec<String>,
    /// Files written.
    #[serde(skip)]
    pub outputs: Vec<PathBuf>,
    /// Time from the first byte read to the last output written.
    pub elapsed: Duration,
    /// Whether an earlier run did all this, and it was left as it is.
    #[serde(skip)]
    pub kept: bool,
}

/// The source of what was found, until it is known.
fn nobody() -> Source {
    Source {
        location: Location::StandardInput,
        output_stem: PathBuf::new(),
    }
}

impl Done {
    /// The incidents that are at least as severe as `least`, in time order.
    pub fn reported(&self, least: Severity) -> impl Iterator<Item = &Incident> {
        let incidents = self.incidents.iter();
        incidents.filter(move |incident| incident.severity >= least)
    }
}

/// Sums over a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Sources scanned.
    pub ok: u64,
    /// Sources that failed.
    pub failed: u64,
    /// Files met and passed over.
    pub skipped: u64,
    /// Usable rows.
    pub rows: u64,
    /// Rows that could not be used.
    pub dropped_rows: u64,
    /// Bytes of text read.
    pub bytes: u64,
    /// Anomalies found.
    pub anomalies: u64,
    /// Incidents reported.
    #[serde(flatten)]
    pub incidents: IncidentCounts,
}

/// How many incidents there are, of which severity and kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct IncidentCounts {
    /// All of them.
    #[serde(rename = "incidents")]
    pub all: u64,
    /// By severity; one that does not occur is left out.
    #[serde(rename = "incidents_by_severity")]
    pub by_severity: BTreeMap<Severity, u64>,
    /// By kind; one that does not occur is left out.
    #[serde(rename = "incidents_by_kind")]
    pub by_kind: BTreeMap<Kind, u64>,
}

impl IncidentCounts {
    /// Adds one incident.
    pub fn add(&mut self, incident: &Incident) {
        self.all += 1;
        *self.by_severity.entry(incident.severity).or_default() += 1;
        *self.by_kind.entry(incident.kind).or_default() += 1;
    }
}

impl Totals {
    /// Adds one source with its incidents that are at least as severe as `least`.
    pub fn add(&mut self, outcome: &Outcome, least: Severity) {
        match outcome {
            Outcome::Done(done) => {
                self.ok += 1;
                self.rows += done.rows;
                self.dropped_rows += done.dropped.rows;
                self.bytes += done.bytes;
                self.anomalies += done.anomalies.rows() as u64;
                for incident in done.reported(least) {
                    self.incidents.add(incident);
                }
            }
            Outcome::Failed { .. } => self.failed += 1,
        }
    }

    /// The exit code that says how the run went: 0 where every input was scanned, 1 else.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.failed > 0 || self.ok == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_0_only_where_every_input_was_scanned() {
        let totals = |ok, failed| Totals {
            ok,
            failed,
            ..Totals::default()
        };
        assert_eq!(totals(3, 0).exit_code(), 0);
        assert_eq!(totals(3, 1).exit_code(), 1);
        assert_eq!(totals(0, 1).exit_code(), 1);
        assert_eq!(totals(0, 0).exit_code(), 1);
    }
}

//! Findings -> what people and programs read: graphs, tables, the summary.
//!
//! Outputs of one series (a graph, its scores) are [`SeriesOutput`]s: they are made while the rows are still
//! there, side by side. Outputs of the whole run (the combined tables) are [`Sink`]s: they are fed log by log and
//! series by series, in order. Everything here makes bytes or rows; [`atomic`](crate::storage::atomic) alone puts
//! them on disk.

pub mod chart;
pub mod graph;
pub mod names;
pub mod options;
pub mod outcome;
pub mod own_files;
pub mod summary;
pub mod tables;
pub mod terminal;

use std::path::{Path, PathBuf};

use crate::detect::{Scores, Severity};
use crate::state::StagedOutput;
use crate::storage::atomic::Staged;
use crate::support::error::Result;

pub use options::{Graphs, OutputOptions, ScoresFormat};

pub(crate) use crate::support::text::grouped;

use self::graph::Graph;
use self::names::Suffixes;
use self::outcome::SeriesResult;
use self::tables::{AnomaliesOfSeries, AnomalyTable, IncidentTable, ScoresOfSeries};

/// What a sink knows of the run that it is about to hear of.
#[derive(Debug, Clone, Copy)]
pub struct RunInfo<'a> {
    /// The output folder.
    pub folder: &'a Path,
    /// Names of the value columns of all series.
    pub columns: &'a [String],
    /// Whether there are logs of many series, so that rows say whom they are about.
    pub has_entities: bool,
    /// The lowest severity of incidents that are reported.
    pub min_severity: Severity,
    /// Whether text that a spreadsheet would run as a formula is made safe.
    pub csv_safe: bool,
}

/// Makes outputs of a whole run.
///
/// A sink is fed from one thread. Series come in the order in which outputs list them: log by log, and within a
/// log in the order of their keys. A log that failed has no series.
pub trait Sink {
    /// Begins the outputs; nothing has its final name yet.
    ///
    /// # Errors
    /// [`ErrorKind::Write`](crate::support::error::ErrorKind::Write) with the path that cannot be written.
    fn begin(run: &RunInfo<'_>) -> Result<Self>
    where
        Self: Sized;

    /// Takes what was found in a series.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn series(&mut self, found: &SeriesResult) -> Result<()>;

    /// Gives the outputs their final names, and returns these.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn finish(self: Box<Self>) -> Result<Vec<PathBuf>>;
}

/// Where each of the run's value columns stands among those of a series. The only column of a series file stands
/// for the run's first one, whatever it is called.
pub(crate) fn places_of(run_columns: &[String], found: &SeriesResult) -> Vec<Option<usize>> {
    if run_columns.len() == found.columns.len()
        && !found.columns.iter().any(|c| run_columns.contains(c))
    {
        return (0..found.columns.len()).map(Some).collect();
    }
    let mut places: Vec<Option<usize>> = run_columns
        .iter()
        .map(|name| {
            found
                .columns
                .iter()
                .position(|c| c.eq_ignore_ascii_case(name))
        })
        .collect();
    if places.iter().all(Option::is_none) && !places.is_empty() {
        places[0] = Some(0);
    }
    places
}

/// The sinks of a scan.
///
/// # Errors
/// Those of [`Sink::begin`].
pub fn sinks(run: &RunInfo<'_>) -> Result<Vec<Box<dyn Sink>>> {
    Ok(vec![
        Box::new(AnomalyTable::begin(run)?),
        Box::new(IncidentTable::begin(run)?),
    ])
}

/// A series with what was found in it, while its rows are still there.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// The rows with their scores.
    pub scores: &'a Scores<'a>,
    /// What was found.
    pub found: &'a SeriesResult,
}

/// Makes one file for each series. Series are judged side by side, so it is called from several threads.
pub trait SeriesOutput: Send + Sync {
    /// What follows the stem of the series in the file's name.
    fn suffix(&self) -> String;

    /// Suffixes of files that an earlier run may have made, and that must not stand where this one is withheld.
    fn rivals(&self) -> Vec<String> {
        vec![self.suffix()]
    }

    /// Writes the file under a temporary name beside `target`; `None` where the series gets none.
    ///
    /// # Errors
    /// [`ErrorKind::Write`](crate::support::error::ErrorKind::Write) with the target's path, and those of reading
    /// the series.
    fn stage(&self, target: &Path, judged: &Judged<'_>) -> Result<Option<Staged>>;
}

/// The outputs that a scan makes of each series.
pub struct SeriesOutputs {
    folder: PathBuf,
    outputs: Vec<Box<dyn SeriesOutput>>,
}

/// Outputs of one log: written, and waiting for their names.
#[derive(Debug, Default)]
pub struct Staging {
    /// The files.
    pub staged: Vec<StagedOutput>,
    /// Outputs that this run decided not to make, relative to the output folder.
    pub withheld: Vec<PathBuf>,
}

impl SeriesOutputs {
    /// The outputs that `options` ask for. `suffixes` are those of the rule for the threshold; `note` is written
    /// into graphs.
    pub fn new(options: &OutputOptions, suffixes: &Suffixes, note: String) -> Self {
        let mut outputs: Vec<Box<dyn SeriesOutput>> =
            vec![Box::new(AnomaliesOfSeries::new(options, suffixes))];
        if let Some(format) = options.scores {
            outputs.push(Box::new(ScoresOfSeries::new(format, options, suffixes)));
        }
        if options.graphs != Graphs::None {
            outputs.push(Box::new(Graph::new(options, suffixes, note)));
        }
        Self {
            folder: options.folder.clone(),
            outputs,
        }
    }

    /// Writes the outputs of one series of the log whose outputs have the stem `log_stem`, and adds them to
    /// `staging`.
    ///
    /// # Errors
    /// Those of [`SeriesOutput::stage`].
    pub fn stage(&self, log_stem: &Path, judged: &Judged<'_>, staging: &mut Staging) -> Result<()> {
        let stem = names::series_stem(log_stem, &judged.found.key);
        for output in &self.outputs {
            let path = names::output(&stem, &output.suffix());
            match output.stage(&self.folder.join(&path), judged)? {
                Some(file) => staging.staged.push(StagedOutput { path, file }),
                None => {
                    let rivals = output.rivals().into_iter();
                    let rivals = rivals.map(|suffix| names::output(&stem, &suffix));
                    staging.withheld.extend(rivals);
                }
            }
        }
        Ok(())
    }
}

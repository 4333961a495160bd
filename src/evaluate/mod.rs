//! How good a detector is: its scores and alarms held against labelled events.
//!
//! In: series with scores and, where the detector decides, flags; labels. Out: an [`Evaluation`], for
//! people as [`text`] and for programs as JSON.
//!
//! ```text
//! corpus     scores from files, or from a detector run over data
//! labels     labels files to events in time
//! matching   events to rows of the scored series
//! nab        the score of the Numenta Anomaly Benchmark, one threshold for the corpus
//! curve      precision and recall of rows: area under the curve, best F1
//! volume     the same with tolerant borders: VUS-PR
//! events     the detector's own alarms: events found, delays, false alarms
//! text       the table for the terminal
//! ```
//!
//! NAB and the alarms judge what a person would be woken for. The areas judge the score of every row, whatever
//! the threshold; they are means over the files with events, as each file has a scale of its own. All
//! but thresholds depend on the order of the scores alone.
//!
//! Results are equal bit for bit at any thread count.

mod corpus;
mod curve;
mod events;
mod labels;
mod matching;
mod nab;
mod text;
mod volume;

use rayon::prelude::*;
use serde::Serialize;

pub use self::corpus::measure;
pub use self::curve::PrecisionRecall;
pub use self::events::{Alarms, Found, KindFound};
pub use self::labels::{LabelledEvent, LabelledFile, parse_labels, read_labels};
pub use self::matching::{EventRows, Labelled, Scored, Unmatched, match_labels};
pub use self::nab::{NabScore, NabSweep, PerProfile};
pub use self::text::{json, text};
pub use self::volume::{acf_period, vus_pr};

use self::events::Tally;

/// What is to be measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measures {
    /// Where the detector has not flagged rows itself, those above this score are its alarms.
    pub threshold: Option<f64>,
    /// Whether to measure VUS-PR, the one that takes long where events are many.
    pub volume: bool,
}

impl Default for Measures {
    fn default() -> Self {
        Self {
            threshold: None,
            volume: true,
        }
    }
}

/// The quality of a detector on a corpus.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// The corpus as a whole.
    pub totals: Totals,
    /// The events by kind, at the detector's alarms; empty where these are not known.
    pub kinds: Vec<KindFound>,
    /// One entry for each series, in the order given.
    pub files: Vec<FileEvaluation>,
}

/// The quality on the corpus as a whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Totals {
    /// Series evaluated.
    pub files: usize,
    /// Of these, those with events.
    pub files_with_events: usize,
    /// Their rows.
    pub rows: usize,
    /// Their events.
    pub events: usize,
    /// NAB's score at the best threshold for the corpus; none without events.
    pub nab: Option<PerProfile<NabScore>>,
    /// NAB's score of the detector's alarms; none without events or where the alarms are not known.
    pub nab_of_alarms: Option<PerProfile<f64>>,
    /// Means over the files with events; none without such files.
    pub ranking: Option<Ranking>,
    /// The detector's alarms, all rows counted alike; none where they are not known for every file.
    pub alarms: Option<Alarms>,
}

/// The quality on one series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileEvaluation {
    /// The name of the series.
    pub file: String,
    /// Its rows.
    pub rows: usize,
    /// Its events.
    pub events: usize,
    /// How well its scores rank its rows; none without events.
    pub ranking: Option<Ranking>,
    /// The detector's alarms; none where they are not known for every file.
    pub alarms: Option<Alarms>,
}

/// How well scores rank rows in events above the others, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ranking {
    /// See [`vus_pr`], the window being [`acf_period`]; none where it was not asked for.
    pub vus_pr: Option<f64>,
    /// See [`PrecisionRecall::area`].
    pub auc_pr: f64,
    /// See [`PrecisionRecall::best_f1`].
    pub best_f1: f64,
}

/// Measures a detector on a corpus.
///
/// Costs half a second for a million rows on one core, three sorts of them in the main. VUS-PR adds one sort
/// and, for each event, up to the square of its window in steps: nothing to speak of for a thousand events,
/// another 0.7 s for a hundred thousand.
///
/// ```
/// use isoscan::evaluate::{Measures, Scored, Unmatched, evaluate, match_labels, parse_labels};
/// let labels = parse_labels(
///     br#"{"file": "a.csv", "events": [{"start": "1970-01-01T00:01:00Z", "end": "1970-01-01T00:01:01Z"}]}"#,
/// )?;
/// let series = Scored {
///     name: "a.csv".into(),
///     timestamps_us: (0..100).map(|second| second * 1_000_000).collect(),
///     values: vec![0.0; 100],
///     scores: (0..100).map(|row| if row == 60 || row == 61 { 0.9 } else { 0.4 }).collect(),
///     flagged: None,
/// };
/// let corpus = match_labels(vec![series], &labels, Unmatched::Refuse)?;
/// let measures = Measures { threshold: Some(0.5), ..Measures::default() };
/// let found = evaluate(&corpus, &measures);
/// assert_eq!(found.totals.nab.map(|nab| nab.standard.score), Some(100.0));
/// assert_eq!(found.totals.alarms.map(|alarms| alarms.false_alarms), Some(0));
/// # Ok::<(), isoscan::Error>(())
/// ```
pub fn evaluate(corpus: &[Labelled], measures: &Measures) -> Evaluation {
    let rankings: Vec<Option<Ranking>> = corpus
        .par_iter()
        .map(|labelled| Ranking::of(labelled, measures.volume))
        .collect();
    let tallies: Option<Vec<Tally>> = corpus
        .par_iter()
        .map(|labelled| Some(Tally::of(labelled, &alarms_of(labelled, measures)?)))
        .collect();
    let total = tallies.as_ref().map(|tallies| {
        let mut total = Tally::default();
        tallies.iter().for_each(|tally| total.add(tally));
        total
    });
    let nab_of_alarms = total.as_ref().and_then(|_| {
        let sweep = NabSweep::of_scores(corpus, |labelled| {
            let flagged = alarms_of(labelled, measures).unwrap_or_default();
            flagged
                .iter()
                .map(|&flagged| f64::from(u8::from(flagged)))
                .collect()
        });
        sweep.map(|sweep| sweep.at(1.0))
    });
    let files = corpus
        .iter()
        .enumerate()
        .map(|(place, labelled)| FileEvaluation {
            file: labelled.name().to_owned(),
            rows: labelled.rows(),
            events: labelled.events().len(),
            ranking: rankings[place],
            alarms: tallies.as_ref().map(|tallies| tallies[place].alarms()),
        });
    let known = || rankings.iter().flatten();
    Evaluation {
        totals: Totals {
            files: corpus.len(),
            files_with_events: known().count(),
            rows: corpus.iter().map(Labelled::rows).sum(),
            events: corpus.iter().map(|labelled| labelled.events().len()).sum(),
            nab: NabSweep::of(corpus).map(|sweep| sweep.best()),
            nab_of_alarms,
            ranking: Ranking::mean(known()),
            alarms: total.as_ref().map(Tally::alarms),
        },
        kinds: total.as_ref().map(Tally::kinds).unwrap_or_default(),
        files: files.collect(),
    }
}

/// The rows that the detector raises an alarm for, where that is known.
fn alarms_of(labelled: &Labelled, measures: &Measures) -> Option<Vec<bool>> {
    match (labelled.flagged(), measures.threshold) {
        (Some(flagged), _) => Some(flagged.to_vec()),
        (None, Some(threshold)) => {
            let scores = labelled.scores().iter();
            Some(scores.map(|&score| score > threshold).collect())
        }
        (None, None) => None,
    }
}

impl Ranking {
    fn of(labelled: &Labelled, volume: bool) -> Option<Self> {
        let (scores, in_event) = (labelled.scores(), labelled.in_event());
        let curve = PrecisionRecall::of(scores, in_event)?;
        let volume = volume.then(|| vus_pr(scores, in_event, acf_period(labelled.values())));
        Some(Self {
            vus_pr: volume.flatten(),
            auc_pr: curve.area(),
            best_f1: curve.best_f1(),
        })
    }

    fn mean<'a>(rankings: impl Iterator<Item = &'a Self> + Clone) -> Option<Self> {
        let count = rankings.clone().count();
        let mean = |of: fn(&Self) -> f64| rankings.clone().map(of).sum::<f64>() / count as f64;
        (count > 0).then(|| Self {
            vus_pr: rankings
                .clone()
                .map(|ranking| ranking.vus_pr)
                .sum::<Option<f64>>()
                .map(|sum| sum / count as f64),
            auc_pr: mean(|ranking| ranking.auc_pr),
            best_f1: mean(|ranking| ranking.best_f1),
        })
    }
}

#[cfg(test)]
mod tests;

//! What a detector has learnt from a series: the dear step, made once. Scores, and thresholds, follow from it.

use std::sync::Arc;

use super::contextual;
use super::options::{DetectOptions, Detector, ThresholdRule};
use super::point::{RowModel, ValueModel};
use super::scores::{Kind, Scores};
use super::subsequence::{self, Shapes};
use crate::series::Series;
use crate::support::error::{Error, ErrorKind, Result};

/// A detector fitted on a series.
///
/// With [`Detector::Value`] it scores any series with as many columns; with [`Detector::Shape`] the series that
/// it was fitted on. [`Detector::Context`] learns while it scores, row after row, so its model knows nothing yet.
#[derive(Debug)]
pub struct Model {
    columns: usize,
    seed: u64,
    learnt: Learnt,
    notes: Vec<String>,
}

#[derive(Debug)]
enum Learnt {
    /// There was one row, or rows all alike, in whatever way they are compared.
    Nothing,
    Values(ValueModel),
    Rows(RowModel),
    Context,
    Shapes(Arc<Shapes>),
}

impl Model {
    /// Fits the detector that `options` name on `series`; the value detector where that one needs more rows,
    /// which a note then says.
    ///
    /// The rule for the threshold decides which forest is fitted on a single column: an automatic
    /// threshold needs one that tells distances beyond its sample. Any threshold can be chosen with either.
    ///
    /// # Errors
    /// [`ErrorKind::NoUsableRow`] where the series is empty, and those of [`Series::read`].
    pub fn fit(series: &Series, options: &DetectOptions) -> Result<Self> {
        let forest = &options.forest;
        let mut notes = Vec::new();
        let mut detector = options.detector;
        if detector == Detector::Shape && series.rows() < subsequence::MIN_ROWS {
            detector = Detector::Value;
        }
        let one_column = series.columns().len() == 1;
        let learnt = match detector {
            _ if nothing_to_tell(series)?.is_some() => Learnt::Nothing,
            Detector::Value if one_column && options.threshold == ThresholdRule::Auto => {
                Learnt::Values(ValueModel::fit_for_auto_threshold(series, forest)?)
            }
            Detector::Value if one_column => Learnt::Values(ValueModel::fit(series, forest)?),
            Detector::Value => Learnt::Rows(RowModel::fit(series, forest)?),
            Detector::Context => Learnt::Context,
            Detector::Shape => {
                Learnt::Shapes(Arc::new(Shapes::fit(series, forest.seed(), &mut notes)?))
            }
        };
        if detector != options.detector && !matches!(learnt, Learnt::Nothing) {
            notes.push(format!(
                "{} rows are too few to compare shapes ({} are needed): judged by value",
                series.rows(),
                subsequence::MIN_ROWS
            ));
        }
        Ok(Self {
            columns: series.columns().len(),
            seed: forest.seed(),
            learnt,
            notes,
        })
    }

    /// Scores every row of `series`.
    ///
    /// On one column with [`Detector::Value`] a score is a function of the value and nothing is kept for a row;
    /// otherwise scores are kept, beyond the memory budget in a scratch file. The same bits at any number of
    /// threads.
    ///
    /// # Errors
    /// [`ErrorKind::NoUsableRow`] where the series is empty; [`ErrorKind::ColumnMismatch`] where it has another
    /// number of columns than the one that the model was fitted on or, with [`Detector::Shape`], of rows; those
    /// of [`Series::read`] and of spilling rows.
    pub fn score<'a>(&self, series: &'a Series) -> Result<Scores<'a>> {
        if series.columns().len() != self.columns {
            return Err(Error::new(
                ErrorKind::ColumnMismatch,
                format!(
                    "the series has {} value columns, the model was fitted on {}",
                    series.columns().len(),
                    self.columns
                ),
            ));
        }
        let mut notes = self.notes.clone();
        let nothing = nothing_to_tell(series)?;
        let kind = match &self.learnt {
            _ if nothing.is_some() => Kind::Equal,
            Learnt::Nothing => Kind::Equal,
            Learnt::Values(model) => Kind::Values(model.score(series, self.seed)?),
            Learnt::Rows(model) => Kind::Rows(model.score(series)?),
            Learnt::Context => Kind::Rows(contextual::judge(series, &mut notes)?),
            Learnt::Shapes(shapes) => {
                Kind::Shapes(subsequence::judge(series, shapes)?, Arc::clone(shapes))
            }
        };
        Scores::new(series, kind, self.seed, nothing, notes)
    }
}

/// Why no row of `series` can be told from another, where that is so.
fn nothing_to_tell(series: &Series) -> Result<Option<&'static str>> {
    Ok(match series.rows() {
        0 => return Err(Error::new(ErrorKind::NoUsableRow, "there is no row")),
        1 => Some("one row only: nothing to compare it with, no anomalies"),
        _ if is_constant(series)? => Some("all values are equal: no anomalies"),
        _ => None,
    })
}

/// Whether all rows are equal. Reads no more parts than needed to see that they are not.
fn is_constant(series: &Series) -> Result<bool> {
    let mut first: Option<Vec<f64>> = None;
    for part in series.parts() {
        let chunk = series.read(part)?;
        let columns = chunk.value_columns();
        let first = first.get_or_insert_with(|| columns.iter().map(|column| column[0]).collect());
        let mut pairs = columns.iter().zip(first);
        if !pairs.all(|(column, first)| column.iter().all(|value| value == first)) {
            return Ok(false);
        }
    }
    Ok(true)
}

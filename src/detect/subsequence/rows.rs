//! Shapes of a [`Series`]: its columns as rows by number, scored part by part.

use std::ops::Range;

use super::{MIN_ROWS, Period, Rows, ShapeModel};
use crate::detect::baseline::Baseline;
use crate::detect::row_scores::{AutoThreshold, Layout, RowScores, RowScoresBuilder, ScoreColumns};
use crate::detect::stretch::Stretch;
use crate::series::Series;
use crate::support::error::{Error, ErrorKind, Result};

/// A column of a series by row number.
#[derive(Debug, Clone)]
struct ColumnRows<'a> {
    series: &'a Series,
    column: usize,
    /// Number of the first row of each part, and of all rows at the end.
    bounds: &'a [usize],
}

impl Rows for ColumnRows<'_> {
    type Error = Error;

    fn len(&self) -> usize {
        self.series.rows()
    }

    fn read(&self, rows: Range<usize>, out: &mut Vec<f64>) -> Result<()> {
        out.clear();
        if rows.is_empty() {
            return Ok(());
        }
        let mut number = self.bounds.partition_point(|&first| first <= rows.start) - 1;
        while self.bounds[number] < rows.end {
            let part = &self.series.parts()[number];
            let chunk = self.series.read(part)?;
            let first = self.bounds[number];
            let from = rows.start.max(first) - first;
            let to = rows.end.min(first + part.rows()) - first;
            out.extend_from_slice(&chunk.values(self.column)[from..to]);
            number += 1;
        }
        Ok(())
    }
}

/// A stretch of a column that is in memory.
struct NearRows<'a> {
    first: usize,
    values: &'a [f64],
    /// Rows of the whole column.
    rows: usize,
}

impl Rows for NearRows<'_> {
    type Error = Error;

    fn len(&self) -> usize {
        self.rows
    }

    fn read(&self, rows: Range<usize>, out: &mut Vec<f64>) -> Result<()> {
        out.clear();
        out.extend_from_slice(&self.values[rows.start - self.first..rows.end - self.first]);
        Ok(())
    }
}

/// The models of all columns of a series: what a row would be if the series went on as elsewhere.
#[derive(Debug)]
pub(in crate::detect) struct Shapes {
    models: Vec<ShapeModel>,
    bounds: Vec<usize>,
}

impl Shapes {
    /// Learns from samples of every column of `series`, which has at least [`MIN_ROWS`] rows; says in `notes` what was
    /// assumed.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub(in crate::detect) fn fit(
        series: &Series,
        seed: u64,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        debug_assert!(series.rows() >= MIN_ROWS, "rows enough for windows");
        let mut shapes = Self {
            models: Vec::new(),
            bounds: bounds_of(series),
        };
        for (column, name) in series.columns().iter().enumerate() {
            let model = ShapeModel::fit(&shapes.column(series, column), seed)?;
            if matches!(model.period(), Period::Fallback(_)) {
                let text = model.period().text();
                notes.push(match series.columns().len() {
                    1 => text,
                    _ => format!("column {name}: {text}"),
                });
            }
            shapes.models.push(model);
        }
        Ok(shapes)
    }

    /// What is expected of some rows of a part: that with this `number` in `series`, which is the one that
    /// was judged. `wanted` holds the rows, counted from the part's first, ascending, with the column of
    /// each.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub(in crate::detect) fn expected(
        &self,
        series: &Series,
        number: usize,
        wanted: &[(usize, u16)],
    ) -> Result<Vec<Option<Baseline>>> {
        let mut expected = vec![None; wanted.len()];
        let first = self.bounds[number];
        for (column, model) in self.models.iter().enumerate() {
            let mine = || {
                let numbered = wanted.iter().enumerate();
                numbered.filter(move |(_, row)| usize::from(row.1) == column)
            };
            let (Some((_, from)), Some((_, to))) = (mine().next(), mine().next_back()) else {
                continue;
            };
            // Read once for all of them: a spilled part is slow to read.
            let range =
                model.period_around(first + from.0).start..model.period_around(first + to.0).end;
            let mut values = Vec::new();
            self.column(series, column)
                .read(range.clone(), &mut values)?;
            let near = NearRows {
                first: range.start,
                values: &values,
                rows: series.rows(),
            };
            for (place, &(row, _)) in mine() {
                expected[place] = model.expected(&near, first + row)?;
            }
        }
        Ok(expected)
    }

    fn column<'a>(&'a self, series: &'a Series, column: usize) -> ColumnRows<'a> {
        ColumnRows {
            series,
            column,
            bounds: &self.bounds,
        }
    }
}

/// Scores every row of `series` by `shapes`, which were fitted on it.
///
/// Of several columns the most anomalous counts.
///
/// # Errors
/// [`ErrorKind::ColumnMismatch`] where the series has another number of rows; those of [`Series::read`] and
/// of spilling rows.
pub(in crate::detect) fn judge(series: &Series, shapes: &Shapes) -> Result<RowScores> {
    let bounds = &shapes.bounds;
    if bounds_of(series) != *bounds {
        return Err(Error::new(
            ErrorKind::ColumnMismatch,
            "shapes can be scored in the series alone that they were learnt from",
        ));
    }
    let several = shapes.models.len() > 1;
    let layout = Layout {
        column: several,
        ..Layout::default()
    };
    let mut kept = RowScoresBuilder::new(layout, series.memory());
    let mut scores = Vec::new();
    for part in bounds.windows(2) {
        let mut highest = vec![0.0; part[1] - part[0]];
        let mut highest_in = vec![0; if several { highest.len() } else { 0 }];
        for (column, model) in shapes.models.iter().enumerate() {
            let rows = shapes.column(series, column);
            model.score_block(&rows, part[0]..part[1], &mut scores)?;
            for (row, &score) in scores.iter().enumerate() {
                if score > highest[row] {
                    highest[row] = score;
                    if several {
                        highest_in[row] = column as u16;
                    }
                }
            }
        }
        kept.push(ScoreColumns {
            column: several.then_some(highest_in),
            ..ScoreColumns::of(highest)
        })?;
    }
    kept.finish(AutoThreshold::Tail(Stretch::Shape))
}

/// Number of the first row of each part, and of all rows at the end.
fn bounds_of(series: &Series) -> Vec<usize> {
    let mut bounds = vec![0];
    for part in series.parts() {
        bounds.push(bounds[bounds.len() - 1] + part.rows());
    }
    bounds
}

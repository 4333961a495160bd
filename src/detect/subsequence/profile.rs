//! How unlike the others each row's surroundings are, at one length.
//!
//! In: scaled values. Out: for each row the mean distance of the windows that cover it to their
//! nearest references.

use std::ops::Range;

use super::nearest::References;
use super::part::Part;
use super::window::Window;

/// Reference windows of one kind.
#[derive(Debug, Clone)]
pub(super) struct Profile {
    window: Window,
    references: References,
    /// Windows in the series.
    count: usize,
}

impl Profile {
    /// A profile of a series of `rows` rows. `references` are the first row and the values of each, at
    /// least as many as a window has.
    pub(super) fn new(window: Window, rows: usize, references: &[(usize, Vec<f64>)]) -> Self {
        let size = window.dimensions();
        let mut vectors = vec![0.0; references.len() * size];
        for (out, (_, values)) in vectors.chunks_exact_mut(size).zip(references) {
            window.write(&values[..window.rows], out);
        }
        let starts = references.iter().map(|&(start, _)| start).collect();
        Self {
            window,
            references: References::new(starts, vectors, size),
            count: window.count(rows),
        }
    }

    /// The usual length of a reference's vector: what a distance is small or large against.
    pub(super) fn size(&self) -> f64 {
        self.references.size()
    }

    /// The most rows on either side of a row that count.
    pub(super) fn halo(&self) -> usize {
        self.window.rows + self.window.stride()
    }

    /// The rows that are read to judge `rows`.
    pub(super) fn reach(&self, rows: &Range<usize>) -> Range<usize> {
        let numbers = self.numbers(rows);
        let stride = self.window.stride();
        numbers.start * stride..(numbers.end - 1) * stride + self.window.rows
    }

    /// The numbers of the windows that cover `rows`, which are not empty.
    fn numbers(&self, rows: &Range<usize>) -> Range<usize> {
        let (first, _) = self.window.covering(rows.start, self.count);
        let (_, last) = self.window.covering(rows.end - 1, self.count);
        first..last + 1
    }

    /// Writes the distance of each of `rows` to `out`. `part` holds their [`reach`](Self::reach).
    ///
    /// The same to the bit whatever other rows are measured along with a row.
    pub(super) fn measure(&self, part: Part<'_>, rows: &Range<usize>, out: &mut [f64]) {
        let numbers = self.numbers(rows);
        let (size, stride) = (self.window.dimensions(), self.window.stride());
        let mut vectors = vec![0.0; numbers.len() * size];
        for (number, vector) in numbers.clone().zip(vectors.chunks_exact_mut(size)) {
            let start = number * stride;
            self.window
                .write(part.values(start..start + self.window.rows), vector);
        }
        let mut distances = vec![0.0; numbers.len()];
        let starts = numbers.clone().map(|number| number * stride);
        self.references
            .distances(&vectors, starts, self.window.rows, &mut distances);
        for (row, out) in rows.clone().zip(out) {
            let (first, last) = self.window.covering(row, self.count);
            let covering = &distances[first - numbers.start..=last - numbers.start];
            *out = covering.iter().sum::<f64>() / covering.len() as f64;
        }
    }

    /// First rows of the `most` references that are nearest to the window at `start`, of values `values`,
    /// without overlapping it.
    pub(super) fn nearest(&self, start: usize, values: &[f64], most: usize) -> Vec<usize> {
        let mut vector = vec![0.0; self.window.dimensions()];
        self.window.write(values, &mut vector);
        self.references
            .several(&vector, start, self.window.rows, most)
    }
}

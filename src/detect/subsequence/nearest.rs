//! The distance of a window to the nearest of many reference windows.
//!
//! In: vectors. Out: distances. This is where the time goes: a multiplication for each window, reference
//! and dimension.
//!
//! The squared distance is `|x|^2 + (|r|^2 - 2 x r)`, so the search is a product of two matrices that
//! keeps the least of each row. [`TOGETHER`] windows are taken at once, dimension by dimension, so that the
//! compiler turns the inner loop into vector instructions: their sums fill half the registers of any x86-64
//! processor, and a number of a reference is multiplied with all of them. The product finds the group
//! of references that the nearest is in. Within it the differences themselves are squared, which does
//! not lose the small distances that the product rounds away.
//!
//! Tried and left out: several references and fewer windows at once, which the compiler fills with shuffles.

use std::ops::Range;

use super::window::DIMENSIONS;

/// Windows multiplied with a reference at once.
const TOGETHER: usize = 32;
/// References of a group.
const GROUP: usize = 64;

/// One dimension of so many windows.
type Column = [f32; TOGETHER];

/// Reference windows as vectors, in the order of their positions.
#[derive(Debug, Clone)]
pub(super) struct References {
    dimensions: usize,
    /// First row of each reference, ascending.
    starts: Vec<usize>,
    /// `r`, reference by reference.
    vectors: Vec<f32>,
    /// `|r|^2` of each reference.
    squares: Vec<f32>,
}

impl References {
    /// References that begin at rows `starts`, ascending; `vectors` holds `dimensions` numbers for each.
    pub(super) fn new(starts: Vec<usize>, vectors: Vec<f32>, dimensions: usize) -> Self {
        let squares = vectors.chunks_exact(dimensions);
        let squares = squares
            .map(|vector| vector.iter().map(|x| x * x).sum())
            .collect();
        Self {
            dimensions,
            starts,
            vectors,
            squares,
        }
    }

    /// Root of the mean squared length of the vectors.
    pub(super) fn size(&self) -> f64 {
        let sum: f64 = self.squares.iter().map(|&square| f64::from(square)).sum();
        (sum / self.squares.len().max(1) as f64).sqrt()
    }

    /// The references that start less than `length` rows from row `start`.
    fn overlapping(&self, start: usize, length: usize) -> Range<usize> {
        let from = self
            .starts
            .partition_point(|&other| other + length <= start);
        let to = self.starts.partition_point(|&other| other < start + length);
        from..to
    }

    /// Writes to `out` the distance of each window to the nearest reference that it does not overlap.
    ///
    /// `windows` holds the vectors of windows of `length` rows whose first rows are `starts`. Where all
    /// references overlap a window its distance is 0.
    pub(super) fn distances(
        &self,
        windows: &[f32],
        starts: impl Iterator<Item = usize>,
        length: usize,
        out: &mut [f64],
    ) {
        let size = self.dimensions;
        let groups = self.starts.len().div_ceil(GROUP);
        let mut columns = [[0.0; TOGETHER]; DIMENSIONS];
        let mut least = vec![[0.0; TOGETHER]; groups];
        let mut starts = starts;
        for (windows, out) in windows
            .chunks(TOGETHER * size)
            .zip(out.chunks_mut(TOGETHER))
        {
            for (place, window) in windows.chunks_exact(size).enumerate() {
                for (column, x) in columns.iter_mut().zip(window) {
                    column[place] = -2.0 * x;
                }
            }
            self.least_of_groups(&columns[..size], &mut least);
            for (place, (window, out)) in windows.chunks_exact(size).zip(out).enumerate() {
                let Some(start) = starts.next() else { return };
                let apart = self.overlapping(start, length);
                *out = self.nearest(window, least.iter().map(|least| least[place]), &apart);
            }
        }
    }

    /// The distance to the nearest reference outside `apart`, given the least of each group.
    fn nearest(
        &self,
        window: &[f32],
        least: impl Iterator<Item = f32>,
        apart: &Range<usize>,
    ) -> f64 {
        let touched = if apart.is_empty() {
            0..0
        } else {
            apart.start / GROUP..(apart.end - 1) / GROUP + 1
        };
        let mut best = None;
        for (group, value) in least.enumerate() {
            if !touched.contains(&group) && best.is_none_or(|(_, than)| value < than) {
                best = Some((group, value));
            }
        }
        let within = |group: usize| group * GROUP..((group + 1) * GROUP).min(self.starts.len());
        let mut square = best.map_or(f32::INFINITY, |(group, _)| {
            self.square_within(window, within(group))
        });
        if let Some(last) = touched.end.checked_sub(1) {
            let before = within(touched.start).start..apart.start;
            let after = apart.end..within(last).end;
            square = square.min(self.square_within(window, before));
            square = square.min(self.square_within(window, after));
        }
        if square.is_finite() {
            f64::from(square).sqrt()
        } else {
            0.0
        }
    }

    /// The least squared distance to the references numbered `numbers`.
    fn square_within(&self, window: &[f32], numbers: Range<usize>) -> f32 {
        let vectors = &self.vectors[numbers.start * self.dimensions..numbers.end * self.dimensions];
        let squares = vectors
            .chunks_exact(self.dimensions)
            .map(|vector| square(window, vector));
        squares.fold(f32::INFINITY, f32::min)
    }

    /// The first rows of the `count` nearest references, nearest first, that do not overlap the window
    ///  of `length` rows from row `start` on.
    pub(super) fn several(
        &self,
        window: &[f32],
        start: usize,
        length: usize,
        count: usize,
    ) -> Vec<usize> {
        let apart = self.overlapping(start, length);
        let vectors = self.vectors.chunks_exact(self.dimensions).enumerate();
        let mut all: Vec<(f32, usize)> = vectors
            .filter(|(number, _)| !apart.contains(number))
            .map(|(number, vector)| (square(window, vector), number))
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all.truncate(count);
        all.into_iter()
            .map(|(_, number)| self.starts[number])
            .collect()
    }

    /// For each group and window, the least `|r|^2 - 2 x r`; `columns` hold `-2 x`.
    fn least_of_groups(&self, columns: &[Column], least: &mut [Column]) {
        let vectors = self.vectors.chunks(GROUP * self.dimensions);
        for ((vectors, squares), least) in vectors.zip(self.squares.chunks(GROUP)).zip(least) {
            *least = [f32::INFINITY; TOGETHER];
            for (vector, &square) in vectors.chunks_exact(columns.len()).zip(squares) {
                let sums = product(columns, vector, square);
                for (least, sum) in least.iter_mut().zip(sums) {
                    *least = if sum < *least { sum } else { *least };
                }
            }
        }
    }
}

/// `start` and the sum over the dimensions, for each window.
#[inline]
fn product(columns: &[Column], vector: &[f32], start: f32) -> Column {
    let mut sums = [start; TOGETHER];
    for (column, &r) in columns.iter().zip(vector) {
        for (sum, x) in sums.iter_mut().zip(column) {
            *sum += x * r;
        }
    }
    sums
}

fn square(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_nearest_is_that_of_a_plain_search(
            dimensions in 1usize..=DIMENSIONS,
            references in 1usize..200,
            windows in 1usize..90,
            length in 1usize..300,
            seed in 0u64..1000,
        ) {
            let number = |i: usize| {
                let bits = crate::support::random::scramble(seed.wrapping_mul(1 << 32) + i as u64);
                crate::support::random::unit(bits) as f32 * 4.0 - 2.0
            };
            let starts: Vec<usize> = (0..references).map(|i| i * 3).collect();
            let vectors: Vec<f32> = (0..references * dimensions).map(number).collect();
            let found = References::new(starts.clone(), vectors.clone(), dimensions);
            let asked: Vec<f32> = (0..windows * dimensions).map(|i| number(i + 1_000_000)).collect();
            let mut out = vec![0.0; windows];
            found.distances(&asked, (0..windows).map(|i| i * 5), length, &mut out);
            for (i, window) in asked.chunks(dimensions).enumerate() {
                let apart = starts.iter().zip(vectors.chunks(dimensions))
                    .filter(|(start, _)| start.abs_diff(i * 5) >= length)
                    .map(|(_, vector)| square(window, vector))
                    .fold(f32::INFINITY, f32::min);
                let plain = if apart.is_finite() { f64::from(apart).sqrt() } else { 0.0 };
                prop_assert!((out[i] - plain).abs() < 1e-3, "{} {}", out[i], plain);
            }
        }
    }
}

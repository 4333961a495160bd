//! A window on the series as a short vector.
//!
//! In: the values of some consecutive rows. Out: at most [`DIMENSIONS`] numbers, such that two windows
//! that look alike are near each other.

/// Numbers that a window is reduced to. 8 are a little worse, 16 to 24 no better.
pub(super) const DIMENSIONS: usize = 12;

/// Smallest standard deviation that a window is divided by; that of the series is about 1. A window without
/// any shape is not blown up to one. 0.05 to 1 do as well.
const MIN_SPREAD: f64 = 0.1;

/// A kind of window: its length, and whether level and size count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Length in rows.
    pub(super) rows: usize,
    /// Whether a window is centred and divided by its standard deviation, which leaves its shape only.
    pub(super) normed: bool,
}

impl Window {
    /// Length of the vector.
    pub(super) fn dimensions(&self) -> usize {
        self.rows.min(DIMENSIONS)
    }

    /// Rows from the start of one window to that of the next.
    ///
    /// Windows that start within the same piece of a piecewise mean differ little.
    pub(super) fn stride(&self) -> usize {
        self.rows.div_ceil(DIMENSIONS)
    }

    /// Number of windows in a series of `rows` rows, which has at least one: they start at multiples
    /// of the stride.
    pub(super) fn count(&self, rows: usize) -> usize {
        (rows - self.rows) / self.stride() + 1
    }

    /// The numbers of the windows (first, last) that cover row `row`, of `count` in the series.
    ///
    /// Up to a stride of rows at the end of the series are covered by none; they count to the last.
    pub(super) fn covering(&self, row: usize, count: usize) -> (usize, usize) {
        let stride = self.stride();
        let last = (row / stride).min(count - 1);
        let first = (row + 1).saturating_sub(self.rows).div_ceil(stride);
        (first.min(last), last)
    }

    /// Writes the vector of the window on `values` to `out`.
    ///
    /// Means over [`DIMENSIONS`] pieces, times the root of a piece's length, so that distances come out
    /// as between whole windows. Sums are taken afresh for each window: equal to the bit wherever the
    /// window is met.
    ///
    /// Source: Keogh, Chakrabarti, Pazzani, Mehrotra, "Dimensionality reduction for fast similarity
    /// search in large time series databases", 2001 (piecewise aggregate approximation).
    pub(super) fn write(&self, values: &[f64], out: &mut [f32]) {
        let (rows, pieces) = (self.rows, self.dimensions());
        let (centre, spread) = if self.normed {
            centre_and_spread(values)
        } else {
            (0.0, 1.0)
        };
        let scale = (rows as f64 / pieces as f64).sqrt() / spread;
        let mut start = 0;
        for (piece, out) in out.iter_mut().enumerate() {
            let end = (piece + 1) * rows / pieces;
            let sum: f64 = values[start..end].iter().sum();
            *out = ((sum / (end - start) as f64 - centre) * scale) as f32;
            start = end;
        }
    }
}

/// Mean and standard deviation, the latter at least [`MIN_SPREAD`].
fn centre_and_spread(values: &[f64]) -> (f64, f64) {
    let rows = values.len() as f64;
    let mean = values.iter().sum::<f64>() / rows;
    let squares: f64 = values
        .iter()
        .map(|value| (value - mean) * (value - mean))
        .sum();
    (mean, (squares / rows).sqrt().max(MIN_SPREAD))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vector(window: &Window, values: &[f64]) -> Vec<f32> {
        let mut out = vec![0.0; window.dimensions()];
        window.write(values, &mut out);
        out
    }

    #[test]
    fn short_windows_are_kept_as_they_are() {
        let window = Window {
            rows: 3,
            normed: false,
        };
        assert_eq!(vector(&window, &[1.0, -2.0, 5.0]), [1.0, -2.0, 5.0]);
    }

    #[test]
    fn long_windows_become_means_that_keep_distances() {
        let window = Window {
            rows: 48,
            normed: false,
        };
        // A step of 1 over all 48 rows is a distance of sqrt(48).
        let far: f32 = vector(&window, &[1.0; 48]).iter().map(|x| x * x).sum();
        assert!((far - 48.0).abs() < 1e-4);
    }

    #[test]
    fn normed_windows_forget_level_and_size() {
        let window = Window {
            rows: 24,
            normed: true,
        };
        let one: Vec<f64> = (0..24).map(|i| f64::from(i % 7)).collect();
        let other: Vec<f64> = one.iter().map(|value| 100.0 + 8.0 * value).collect();
        for (a, b) in vector(&window, &one).iter().zip(vector(&window, &other)) {
            assert!((a - b).abs() < 1e-5);
        }
    }

    proptest! {
        #[test]
        fn covering_windows_are_those_that_hold_the_row(
            length in 1usize..100, extra in 0usize..300, pick in 0.0f64..1.0,
        ) {
            let window = Window { rows: length, normed: false };
            let rows = length + extra;
            let row = (rows as f64 * pick) as usize;
            let count = window.count(rows);
            let holds = |number: &usize| {
                let start = number * window.stride();
                start <= row && row < start + length
            };
            let all: Vec<usize> = (0..count).filter(holds).collect();
            let (first, last) = window.covering(row, count);
            if all.is_empty() { prop_assert_eq!((first, last), (count - 1, count - 1)) } else { prop_assert_eq!((first, last), (all[0], all[all.len() - 1])) }
        }
    }
}

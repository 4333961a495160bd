//! How far the level of a series is from where it usually is, and how much it moves.
//!
//! In: scaled values. Out: for each row, the shift between the mean before and the mean after it, or
//! the root mean square around it. Windows compare shapes; a long stretch that is merely higher, or wilder,
//! than the rest has neighbours of its own kind and escapes them.
//!
//! Rows are gathered into cells on a fixed grid, and each cell's sums are taken afresh: equal to the bit
//! wherever the cell is met.

use std::ops::Range;

use super::part::Part;

/// The fewest cells on either side of a row's own.
const FEWEST: usize = super::window::DIMENSIONS;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// Distance of the mean after a row from the mean before it.
    Shift,
    /// Root mean square of the deviation from the median of the series, on both sides of a row.
    Size,
}

/// A quantity, and how far around a row it is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    quantity: Quantity,
    /// Rows of a cell.
    cell: usize,
    /// Cells on either side of a row's own that are looked at.
    side: usize,
    /// Cells of the series; up to a cell of rows at its end is in none.
    count: usize,
}

/// The sum of the values of a cell, and the sum of their squares.
type Sums = (f64, f64);

impl Level {
    /// Measures over `side` rows, to within 4 percent, on either side, in a series of `rows` rows, which
    /// are at least [`PART`](super::PART) times as many.
    ///
    /// Cells are made to fit `side`: it is a number of whole periods, and of those alone the mean says
    /// nothing about the phase.
    pub(super) fn new(quantity: Quantity, side: usize, rows: usize) -> Self {
        let cell = (side / FEWEST).max(1);
        Self {
            quantity,
            cell,
            side: (side + cell / 2) / cell,
            count: rows / cell,
        }
    }

    /// The most rows on either side of a row that count. Half of it except at the ends of the series.
    pub(super) fn halo(&self) -> usize {
        2 * (self.side + 1) * self.cell
    }

    /// The rows that are read to judge `rows`.
    pub(super) fn reach(&self, rows: &Range<usize>) -> Range<usize> {
        let cells = self.cells_around(rows);
        cells.start * self.cell..cells.end * self.cell
    }

    /// The cells that count for `rows`, which are not empty.
    fn cells_around(&self, rows: &Range<usize>) -> Range<usize> {
        let (first, last) = (self.cell_of(rows.start), self.cell_of(rows.end - 1));
        first - self.side..last + self.side + 1
    }

    /// The cell that a row is judged by: its own, or the nearest with both sides complete.
    fn cell_of(&self, row: usize) -> usize {
        (row / self.cell).clamp(self.side, self.count - 1 - self.side)
    }

    /// Writes the quantity for each of `rows` to `out`. `part` holds their [`reach`](Self::reach).
    pub(super) fn measure(&self, part: Part<'_>, rows: &Range<usize>, out: &mut [f64]) {
        let around = self.cells_around(rows);
        let sums: Vec<Sums> = around.clone().map(|cell| self.sums(part, cell)).collect();
        let mut known: Option<(usize, f64)> = None;
        for (row, out) in rows.clone().zip(out) {
            let cell = self.cell_of(row);
            let value = match known {
                Some((of, value)) if of == cell => value,
                _ => self.of_cell(&sums, cell - around.start),
            };
            known = Some((cell, value));
            *out = value;
        }
    }

    fn sums(&self, part: Part<'_>, cell: usize) -> Sums {
        let values = part.values(cell * self.cell..(cell + 1) * self.cell);
        (
            values.iter().sum(),
            values.iter().map(|value| value * value).sum(),
        )
    }

    /// The quantity at cell number `at` of `sums`.
    fn of_cell(&self, sums: &[Sums], at: usize) -> f64 {
        let mean = |cells: &[Sums], sum_of: fn(&Sums) -> f64| {
            cells.iter().map(sum_of).sum::<f64>() / (cells.len() * self.cell) as f64
        };
        let (before, after) = (at - self.side..at, at + 1..at + 1 + self.side);
        match self.quantity {
            Quantity::Shift => {
                (mean(&sums[after], |sums| sums.0) - mean(&sums[before], |sums| sums.0)).abs()
            }
            Quantity::Size => mean(&sums[before.start..after.end], |sums| sums.1).sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(quantity: Quantity, side: usize, values: &[f64]) -> Vec<f64> {
        let level = Level::new(quantity, side, values.len());
        let mut out = vec![0.0; values.len()];
        let part = Part::new(0, values);
        level.measure(part, &(0..values.len()), &mut out);
        out
    }

    #[test]
    fn a_shift_is_greatest_where_the_level_changes() {
        let values: Vec<f64> = (0..1000)
            .map(|row| if row < 500 { 1.0 } else { 3.0 })
            .collect();
        let found = measured(Quantity::Shift, 48, &values);
        assert_eq!(found[500], 2.0);
        assert_eq!((found[400], found[600]), (0.0, 0.0));
        assert!(found[480] > 0.0 && found[480] < 2.0);
    }

    #[test]
    fn the_ends_are_judged_by_the_nearest_row_with_two_sides() {
        let values: Vec<f64> = (0..1000).map(|row| f64::from(row * row)).collect();
        let found = measured(Quantity::Shift, 120, &values);
        assert_eq!((found[0], found[999]), (found[120], found[870]));
        assert!(found[0] < found[140] && found[860] < found[999]);
    }

    #[test]
    fn the_size_is_the_root_mean_square() {
        let values: Vec<f64> = (0..400)
            .map(|row| if row % 2 == 0 { 3.0 } else { -3.0 })
            .collect();
        for size in measured(Quantity::Size, 24, &values) {
            assert!((size - 3.0).abs() < 1e-12);
        }
    }
}

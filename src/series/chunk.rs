//! A run of neighbouring rows.

use super::times::{Order, Times, words};

/// A run of neighbouring rows of a [`Series`](super::Series), column by column.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    times: Times,
    values: Vec<Vec<f64>>,
}

impl Chunk {
    /// A chunk from its columns.
    ///
    /// # Panics
    /// Where the columns differ in length.
    pub fn new(timestamps_us: Vec<i64>, values: Vec<Vec<f64>>) -> Self {
        for column in &values {
            assert_eq!(
                column.len(),
                timestamps_us.len(),
                "rows of a chunk's columns"
            );
        }
        Self {
            times: Times::pack(timestamps_us),
            values,
        }
    }

    /// A chunk whose rows have no time of their own.
    ///
    /// # Panics
    /// Where there is no column, or they differ in length.
    pub(crate) fn untimed(values: Vec<Vec<f64>>) -> Self {
        let rows = values[0].len();
        for column in &values {
            assert_eq!(column.len(), rows, "rows of a chunk's columns");
        }
        Self {
            times: Times::none(rows),
            values,
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.times.rows()
    }

    /// Values of one column.
    pub fn values(&self, column: usize) -> &[f64] {
        &self.values[column]
    }

    /// All columns, as slices.
    pub fn value_columns(&self) -> Vec<&[f64]> {
        self.values.iter().map(Vec::as_slice).collect()
    }

    /// The time from each row to the next in microseconds, where all rows are known to be evenly spaced.
    pub fn even_step_us(&self) -> Option<i64> {
        self.times.even_step()
    }

    /// Timestamp of one row, in microseconds UTC.
    pub fn timestamp_us(&self, row: usize) -> i64 {
        self.times.at(row)
    }

    /// Writes all timestamps, in microseconds UTC, over `out`.
    pub fn timestamps_us(&self, out: &mut Vec<i64>) {
        self.times.write(out);
    }

    /// Bytes of memory that the rows take.
    pub fn memory_bytes(&self) -> usize {
        self.times.memory_bytes() + self.values.iter().map(|c| 8 * c.capacity()).sum::<usize>()
    }

    pub(super) fn columns(&self) -> usize {
        self.values.len()
    }

    pub(super) fn order(&self) -> Order {
        self.times.order()
    }

    /// Writes the rows over `out`, for [`decode`](Self::decode) to read.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        self.times.encode(out);
        for column in &self.values {
            out.extend(column.iter().flat_map(|value| value.to_le_bytes()));
        }
    }

    /// Reads what [`encode`](Self::encode) wrote for this number of rows and columns.
    ///
    /// `None` where `bytes` are not what was written.
    pub(super) fn decode(bytes: &[u8], rows: usize, columns: usize) -> Option<Self> {
        let (times, rest) = Times::decode(bytes, rows)?;
        if rest.len() != 8 * rows * columns {
            return None;
        }
        let values = match rows {
            0 => vec![Vec::new(); columns],
            _ => rest
                .chunks_exact(8 * rows)
                .map(|column| words(column).map(f64::from_bits).collect())
                .collect(),
        };
        Some(Self { times, values })
    }
}

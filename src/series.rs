//! The rows of one source: timestamps in microseconds UTC and one or more columns of values.
//!
//! In: blocks of usable rows, as ingest reads them. Out: the same rows in time order, in chunks that
//! can be walked in parallel. Every value is finite. Timestamps are packed, since most logs tick
//! evenly: an evenly spaced chunk costs no memory for its times, most others four bytes a row.

use rayon::prelude::*;

/// The rows of one source, in time order; rows of equal time keep the order of the input.
#[derive(Debug, Clone)]
pub struct Series {
    columns: Vec<String>,
    chunks: Vec<Chunk>,
    rows: usize,
    span_us: Option<(i64, i64)>,
}

/// A run of neighbouring rows of a [`Series`], column by column.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    times: Times,
    values: Vec<Vec<f64>>,
}

/// Timestamps of one chunk, as small as their spacing allows.
#[derive(Debug, Clone, PartialEq)]
enum Times {
    /// `start + i * step`.
    Even { start: i64, step: i64, rows: usize },
    /// `start + offsets[i] * unit`.
    Offsets {
        start: i64,
        unit: i64,
        offsets: Vec<u32>,
    },
    /// No pattern that saves anything.
    Plain(Vec<i64>),
}

impl Series {
    /// A series from whole columns: `timestamps_us` in microseconds since 1970 UTC, one slice of
    /// finite values for each name in `columns`, all of the same length. Rows are put in time order.
    ///
    /// # Panics
    /// Where the lengths differ, or there are not as many slices as names.
    pub fn from_columns(columns: Vec<String>, timestamps_us: &[i64], values: &[&[f64]]) -> Self {
        assert_eq!(
            columns.len(),
            values.len(),
            "one slice for each column name"
        );
        let mut builder = SeriesBuilder::new(columns);
        builder.push(Chunk::new(
            timestamps_us.to_vec(),
            values.iter().map(|column| column.to_vec()).collect(),
        ));
        builder.finish()
    }

    /// Names of the value columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// First and last timestamp in microseconds UTC; `None` without rows.
    pub fn span_us(&self) -> Option<(i64, i64)> {
        self.span_us
    }

    /// The rows, in time order, chunk by chunk.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Bytes of memory that the rows take.
    pub fn memory_bytes(&self) -> usize {
        self.chunks.iter().map(Chunk::memory_bytes).sum()
    }

    /// The values of `column` at `rows`, which ascend.
    ///
    /// # Panics
    /// Where a row or the column does not exist, or `rows` do not ascend.
    pub fn gather(&self, column: usize, rows: &[u64]) -> Vec<f64> {
        // The wanted rows are cut at the chunk borders, so that chunks can be served in parallel.
        let mut first = 0u64;
        let mut rest = rows;
        let mut parts = Vec::with_capacity(self.chunks.len());
        for chunk in &self.chunks {
            let end = first + chunk.rows() as u64;
            let (inside, beyond) = rest.split_at(rest.partition_point(|&row| row < end));
            parts.push((chunk, first, inside));
            rest = beyond;
            first = end;
        }
        assert!(rest.is_empty(), "a row beyond the end was asked for");
        let gathered: Vec<Vec<f64>> = parts
            .into_par_iter()
            .with_min_len(16)
            .map(|(chunk, first, inside)| {
                let values = chunk.values(column);
                inside
                    .iter()
                    .map(|&row| values[(row - first) as usize])
                    .collect()
            })
            .collect();
        gathered.concat()
    }

    /// All values of `column` in one run of memory.
    pub fn column(&self, column: usize) -> Vec<f64> {
        let mut all = Vec::with_capacity(self.rows);
        for chunk in &self.chunks {
            all.extend_from_slice(chunk.values(column));
        }
        all
    }
}

/// Takes blocks of rows in the order of the input and makes a [`Series`] of them.
#[derive(Debug)]
pub struct SeriesBuilder {
    columns: Vec<String>,
    chunks: Vec<Chunk>,
    rows: usize,
    span_us: Option<(i64, i64)>,
    in_order: bool,
}

impl SeriesBuilder {
    /// A builder for rows with these value columns.
    pub fn new(columns: Vec<String>) -> Self {
        Self {
            columns,
            chunks: Vec::new(),
            rows: 0,
            span_us: None,
            in_order: true,
        }
    }

    /// Adds rows behind those already there; an empty chunk adds nothing.
    ///
    /// # Panics
    /// Where the chunk has another number of columns.
    pub fn push(&mut self, chunk: Chunk) {
        assert_eq!(chunk.values.len(), self.columns.len(), "columns of a chunk");
        if chunk.rows() == 0 {
            return;
        }
        let order = chunk.times.order();
        self.in_order &=
            order.ascending && self.span_us.is_none_or(|(_, last)| last <= order.first);
        self.span_us = Some(match self.span_us {
            Some((first, last)) => (first.min(order.least), last.max(order.greatest)),
            None => (order.least, order.greatest),
        });
        self.rows += chunk.rows();
        self.chunks.push(chunk);
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The series, its rows in time order.
    pub fn finish(self) -> Series {
        let Self {
            columns,
            chunks,
            rows,
            span_us,
            in_order,
        } = self;
        let chunks = if in_order {
            chunks
        } else {
            sorted_by_time(&chunks, rows, columns.len())
        };
        Series {
            columns,
            chunks,
            rows,
            span_us,
        }
    }
}

/// Rows in a chunk that is made by sorting.
const SORTED_CHUNK_ROWS: usize = 1 << 16;

fn sorted_by_time(chunks: &[Chunk], rows: usize, columns: usize) -> Vec<Chunk> {
    let mut keyed: Vec<(i64, u32, u32)> = Vec::with_capacity(rows);
    let mut times = Vec::new();
    for (number, chunk) in chunks.iter().enumerate() {
        chunk.timestamps_us(&mut times);
        keyed.extend(
            times
                .iter()
                .enumerate()
                .map(|(row, &time)| (time, number as u32, row as u32)),
        );
    }
    // Chunk and row are part of the key: rows of equal time keep their order.
    keyed.par_sort_unstable();
    keyed
        .par_chunks(SORTED_CHUNK_ROWS)
        .map(|part| {
            let times = part.iter().map(|&(time, _, _)| time).collect();
            let values = (0..columns)
                .map(|column| {
                    part.iter()
                        .map(|&(_, chunk, row)| chunks[chunk as usize].values[column][row as usize])
                        .collect()
                })
                .collect();
            Chunk::new(times, values)
        })
        .collect()
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

    /// Timestamp of one row, in microseconds UTC.
    pub fn timestamp_us(&self, row: usize) -> i64 {
        match &self.times {
            Times::Even { start, step, .. } => start + step * row as i64,
            Times::Offsets {
                start,
                unit,
                offsets,
            } => start + unit * i64::from(offsets[row]),
            Times::Plain(times) => times[row],
        }
    }

    /// Writes all timestamps, in microseconds UTC, over `out`.
    pub fn timestamps_us(&self, out: &mut Vec<i64>) {
        out.clear();
        match &self.times {
            Times::Even { start, step, rows } => {
                out.extend((0..*rows as i64).map(|row| start + step * row));
            }
            Times::Offsets {
                start,
                unit,
                offsets,
            } => out.extend(
                offsets
                    .iter()
                    .map(|&offset| start + unit * i64::from(offset)),
            ),
            Times::Plain(times) => out.extend_from_slice(times),
        }
    }

    /// Bytes of memory that the rows take.
    pub fn memory_bytes(&self) -> usize {
        let times = match &self.times {
            Times::Even { .. } => 0,
            Times::Offsets { offsets, .. } => 4 * offsets.capacity(),
            Times::Plain(times) => 8 * times.capacity(),
        };
        times + self.values.iter().map(|c| 8 * c.capacity()).sum::<usize>()
    }
}

/// How the timestamps of a chunk run.
struct Order {
    ascending: bool,
    first: i64,
    least: i64,
    greatest: i64,
}

impl Times {
    fn pack(times: Vec<i64>) -> Self {
        let [start, rest @ ..] = times.as_slice() else {
            return Self::Plain(times);
        };
        let start = *start;
        let step = rest.first().map_or(0, |second| second.wrapping_sub(start));
        if times
            .windows(2)
            .all(|pair| pair[1].wrapping_sub(pair[0]) == step)
        {
            return Self::Even {
                start,
                step,
                rows: times.len(),
            };
        }
        let least = times.iter().copied().min().unwrap_or(start);
        let greatest = times.iter().copied().max().unwrap_or(start);
        // Most clocks tick in seconds or milliseconds: the coarsest of these that fits is the unit.
        for unit in [1_000_000, 1_000, 1] {
            let fits = greatest
                .checked_sub(least)
                .is_some_and(|width| width / unit <= i64::from(u32::MAX));
            if fits && times.iter().all(|time| (time - least) % unit == 0) {
                let offsets = times
                    .iter()
                    .map(|time| ((time - least) / unit) as u32)
                    .collect();
                return Self::Offsets {
                    start: least,
                    unit,
                    offsets,
                };
            }
        }
        Self::Plain(times)
    }

    fn rows(&self) -> usize {
        match self {
            Self::Even { rows, .. } => *rows,
            Self::Offsets { offsets, .. } => offsets.len(),
            Self::Plain(times) => times.len(),
        }
    }

    fn order(&self) -> Order {
        fn of(times: impl Iterator<Item = i64> + Clone) -> Order {
            let first = times.clone().next().unwrap_or_default();
            Order {
                ascending: times.clone().is_sorted(),
                first,
                least: times.clone().min().unwrap_or_default(),
                greatest: times.max().unwrap_or_default(),
            }
        }
        match self {
            Self::Even { start, step, rows } => {
                let end = start + step * (*rows as i64 - 1);
                Order {
                    ascending: *step >= 0,
                    first: *start,
                    least: *start.min(&end),
                    greatest: *start.max(&end),
                }
            }
            Self::Offsets {
                start,
                unit,
                offsets,
            } => of(offsets
                .iter()
                .map(|&offset| start + unit * i64::from(offset))),
            Self::Plain(times) => of(times.iter().copied()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn times_of(series: &Series) -> Vec<i64> {
        let mut all = Vec::new();
        let mut part = Vec::new();
        for chunk in series.chunks() {
            chunk.timestamps_us(&mut part);
            all.extend_from_slice(&part);
        }
        all
    }

    #[test]
    fn rows_come_out_in_time_order_and_equal_times_keep_theirs() {
        let series = Series::from_columns(
            vec!["value".into()],
            &[30, 10, 20, 10],
            &[&[1.0, 2.0, 3.0, 4.0]],
        );
        assert_eq!(times_of(&series), [10, 10, 20, 30]);
        assert_eq!(series.column(0), [2.0, 4.0, 3.0, 1.0]);
        assert_eq!(series.span_us(), Some((10, 30)));
    }

    #[test]
    fn chunks_that_overlap_in_time_are_merged() {
        let mut builder = SeriesBuilder::new(vec!["value".into()]);
        builder.push(Chunk::new(vec![5, 6], vec![vec![5.0, 6.0]]));
        builder.push(Chunk::new(vec![1, 5], vec![vec![1.0, 5.5]]));
        let series = builder.finish();
        assert_eq!(times_of(&series), [1, 5, 5, 6]);
        assert_eq!(series.column(0), [1.0, 5.0, 5.5, 6.0]);
    }

    #[test]
    fn evenly_spaced_times_cost_no_memory() {
        let times: Vec<i64> = (0..1000).map(|row| 7 + 300_000_000 * row).collect();
        let chunk = Chunk::new(times, vec![]);
        assert_eq!(chunk.memory_bytes(), 0);
        assert_eq!(chunk.timestamp_us(999), 7 + 300_000_000 * 999);
    }

    #[test]
    fn a_series_without_rows_has_no_span() {
        let series = SeriesBuilder::new(vec!["value".into()]).finish();
        assert_eq!((series.rows(), series.span_us()), (0, None));
    }

    proptest! {
        #[test]
        fn packed_times_read_back_as_they_were(
            times in prop::collection::vec(prop_oneof![
                (-5_000i64..5_000).prop_map(|s| s * 1_000_000),
                -62_135_596_800_000_000i64..253_402_300_800_000_000,
            ], 0..60)
        ) {
            let chunk = Chunk::new(times.clone(), vec![]);
            let mut read = Vec::new();
            chunk.timestamps_us(&mut read);
            prop_assert_eq!(&read, &times);
            for (row, time) in times.iter().enumerate() {
                prop_assert_eq!(chunk.timestamp_us(row), *time);
            }
        }

        #[test]
        fn gathering_gives_the_values_at_the_rows(
            lengths in prop::collection::vec(0usize..40, 1..6),
            picks in prop::collection::btree_set(0u64..200, 0..50),
        ) {
            let mut builder = SeriesBuilder::new(vec!["value".into()]);
            let mut next = 0i64;
            for length in lengths {
                let times: Vec<i64> = (next..next + length as i64).collect();
                let values = times.iter().map(|&t| t as f64 * 2.0).collect();
                next += length as i64;
                builder.push(Chunk::new(times, vec![values]));
            }
            let series = builder.finish();
            let rows: Vec<u64> = picks.into_iter().filter(|&row| (row as i64) < next).collect();
            let wanted: Vec<f64> = rows.iter().map(|&row| row as f64 * 2.0).collect();
            prop_assert_eq!(series.gather(0, &rows), wanted);
        }
    }
}

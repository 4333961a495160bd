//! The rows of one source: timestamps in microseconds UTC and one or more columns of values.
//!
//! In: blocks of usable rows, as a format reads them. Out: the same rows in time order, in parts that can
//! be walked in parallel. Every value is finite. Rows that do not fit the run's memory are set aside in
//! a scratch file; whoever walks the parts does not notice, but for the time it takes.

mod chunk;
mod key;
mod labelled;
mod read;
mod sort;
mod spill;
mod times;

use std::borrow::Cow;
use std::sync::Arc;

use rayon::prelude::*;

use self::spill::{Place, Spill};
use crate::runtime::memory::Memory;
use crate::support::error::Result;

pub use self::chunk::Chunk;
pub use self::key::SeriesKey;
pub use self::labelled::{LabelledRead, read_labelled};
pub use self::read::{Ingested, read};

/// The rows of one source, in time order; rows of equal time keep the order of the input.
#[derive(Debug)]
pub struct Series {
    columns: Vec<String>,
    rows: usize,
    span_us: Option<(i64, i64)>,
    store: Store,
}

/// One part of a [`Series`]: a run of neighbouring rows, in memory or set aside.
#[derive(Debug)]
pub struct Part(Rows);

#[derive(Debug)]
enum Rows {
    Here(Chunk),
    Aside(Place),
}

impl Part {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match &self.0 {
            Rows::Here(chunk) => chunk.rows(),
            Rows::Aside(place) => place.rows,
        }
    }
}

impl Series {
    /// A series from whole columns: `timestamps_us` in microseconds since 1970 UTC, one slice of
    /// finite values for each name in `columns`, all of the same length. Rows are put in time order.
    /// All of it is kept in memory.
    ///
    /// # Panics
    /// Where the lengths differ, or there are not as many slices as names.
    pub fn from_columns(columns: Vec<String>, timestamps_us: &[i64], values: &[&[f64]]) -> Self {
        assert_eq!(
            columns.len(),
            values.len(),
            "one slice for each column name"
        );
        let chunk = Chunk::new(
            timestamps_us.to_vec(),
            values.iter().map(|column| column.to_vec()).collect(),
        );
        let sorted = match chunk.order().ascending {
            true => chunk,
            false => sort::sorted(&[chunk]),
        };
        let order = sorted.order();
        Self {
            columns,
            rows: sorted.rows(),
            span_us: (sorted.rows() > 0).then_some((order.least, order.greatest)),
            store: Store::of(sorted),
        }
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

    /// The parts of the series, in time order.
    pub fn parts(&self) -> &[Part] {
        &self.store.parts
    }

    /// The rows of one part of this series.
    ///
    /// # Errors
    /// [`ErrorKind::Read`](crate::support::error::ErrorKind::Read) where rows set aside cannot be read back,
    /// and [`ErrorKind::Interrupted`](crate::support::error::ErrorKind::Interrupted) where the run is to stop.
    pub fn read<'a>(&'a self, part: &'a Part) -> Result<Cow<'a, Chunk>> {
        self.store.read(part)
    }

    /// The memory that the rows are kept in.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.store.memory
    }

    /// Walks all parts on rayon's threads: a few accumulators, made by `fresh`, are each fed by `step`
    /// with the numbers and rows of neighbouring parts, and come back in time order.
    ///
    /// # Errors
    /// As [`read`](Self::read), and those of `step`.
    pub fn fold<T: Send>(
        &self,
        fresh: impl Fn() -> T + Sync,
        step: impl Fn(&mut T, usize, &Chunk) -> Result<()> + Sync,
    ) -> Result<Vec<T>> {
        let per_task = self
            .parts()
            .len()
            .div_ceil(rayon::current_num_threads())
            .max(1);
        self.parts()
            .par_chunks(per_task)
            .enumerate()
            .map(|(task, parts)| {
                let mut sum = fresh();
                for (place, part) in parts.iter().enumerate() {
                    step(&mut sum, task * per_task + place, &*self.read(part)?)?;
                }
                Ok(sum)
            })
            .collect()
    }

    /// The values of `column` at `rows`, which ascend.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Panics
    /// Where a row or the column does not exist, or `rows` do not ascend.
    pub fn gather(&self, column: usize, rows: &[u64]) -> Result<Vec<f64>> {
        // The wanted rows are cut at the borders of the parts, so that these can be served in parallel.
        let mut first = 0u64;
        let mut rest = rows;
        let mut wanted = Vec::with_capacity(self.parts().len());
        for part in self.parts() {
            let end = first + part.rows() as u64;
            let (inside, beyond) = rest.split_at(rest.partition_point(|&row| row < end));
            if !inside.is_empty() {
                wanted.push((part, first, inside));
            }
            rest = beyond;
            first = end;
        }
        assert!(rest.is_empty(), "a row beyond the end was asked for");
        let gathered: Vec<Vec<f64>> = wanted
            .into_par_iter()
            .with_min_len(16)
            .map(|(part, first, inside)| {
                let chunk = self.read(part)?;
                let values = chunk.values(column);
                Ok(inside
                    .iter()
                    .map(|&row| values[(row - first) as usize])
                    .collect())
            })
            .collect::<Result<_>>()?;
        Ok(gathered.concat())
    }
}

/// Where parts are kept, with the memory they have taken.
#[derive(Debug)]
struct Store {
    parts: Vec<Part>,
    memory: Arc<Memory>,
    reserved: u64,
    spill: Option<Spill>,
}

impl Store {
    fn new(memory: Arc<Memory>) -> Self {
        Self {
            parts: Vec::new(),
            memory,
            reserved: 0,
            spill: None,
        }
    }

    /// A store of one chunk, in memory whatever it takes.
    fn of(chunk: Chunk) -> Self {
        let mut store = Self::new(Arc::new(Memory::unlimited()));
        if chunk.rows() > 0 {
            store.parts.push(Part(Rows::Here(chunk)));
        }
        store
    }

    /// Keeps `chunk` behind what is there: in memory where it fits, set aside else.
    fn push(&mut self, chunk: Chunk) -> Result<()> {
        self.memory.stop().check()?;
        let bytes = chunk.memory_bytes() as u64;
        if self.spill.is_none() && self.memory.try_reserve(bytes) {
            self.reserved += bytes;
            self.parts.push(Part(Rows::Here(chunk)));
            return Ok(());
        }
        let spill = match &mut self.spill {
            Some(spill) => spill,
            None => self.spill.insert(Spill::create(&self.memory)?),
        };
        self.parts.push(Part(Rows::Aside(spill.write(&chunk)?)));
        Ok(())
    }

    fn read<'a>(&'a self, part: &'a Part) -> Result<Cow<'a, Chunk>> {
        self.memory.stop().check()?;
        match (&part.0, &self.spill) {
            (Rows::Here(chunk), _) => Ok(Cow::Borrowed(chunk)),
            (Rows::Aside(place), Some(spill)) => Ok(Cow::Owned(spill.read(*place)?)),
            (Rows::Aside(_), None) => unreachable!("rows are set aside in a file that exists"),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.memory.release(self.reserved);
    }
}

/// Takes blocks of rows in the order of the input and makes a [`Series`] of them.
#[derive(Debug)]
pub struct SeriesBuilder {
    columns: Vec<String>,
    rows: usize,
    span_us: Option<(i64, i64)>,
    in_order: bool,
    store: Store,
}

impl SeriesBuilder {
    /// A builder for rows with these value columns, kept in `memory` so far as it goes.
    pub fn new(columns: Vec<String>, memory: Arc<Memory>) -> Self {
        Self {
            columns,
            rows: 0,
            span_us: None,
            in_order: true,
            store: Store::new(memory),
        }
    }

    /// Adds rows behind those already there; an empty chunk adds nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Write`](crate::support::error::ErrorKind::Write) where rows beyond the memory limit cannot
    /// be set aside.
    ///
    /// # Panics
    /// Where the chunk has another number of columns.
    pub fn push(&mut self, chunk: Chunk) -> Result<()> {
        assert_eq!(chunk.columns(), self.columns.len(), "columns of a chunk");
        if chunk.rows() == 0 {
            return Ok(());
        }
        let order = chunk.order();
        self.in_order &=
            order.ascending && self.span_us.is_none_or(|(_, last)| last <= order.first);
        self.span_us = Some(match self.span_us {
            Some((first, last)) => (first.min(order.least), last.max(order.greatest)),
            None => (order.least, order.greatest),
        });
        self.rows += chunk.rows();
        self.store.push(chunk)
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The series, its rows in time order.
    ///
    /// # Errors
    /// As [`push`](Self::push), and those of reading back what was set aside.
    pub fn finish(self) -> Result<Series> {
        let store = match self.in_order {
            true => self.store,
            false => sort::sorted_by_time(self.store)?,
        };
        Ok(Series {
            columns: self.columns,
            rows: self.rows,
            span_us: self.span_us,
            store,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn builder(limit: u64) -> SeriesBuilder {
        let memory = Memory::new(limit, std::env::temp_dir());
        SeriesBuilder::new(vec!["value".into()], Arc::new(memory))
    }

    fn rows_of(series: &Series) -> (Vec<i64>, Vec<f64>) {
        let (mut times, mut values, mut part_times) = (Vec::new(), Vec::new(), Vec::new());
        for part in series.parts() {
            let chunk = series.read(part).unwrap();
            chunk.timestamps_us(&mut part_times);
            times.extend_from_slice(&part_times);
            values.extend_from_slice(chunk.values(0));
        }
        (times, values)
    }

    #[test]
    fn rows_come_out_in_time_order_and_equal_times_keep_theirs() {
        let series = Series::from_columns(
            vec!["value".into()],
            &[30, 10, 20, 10],
            &[&[1.0, 2.0, 3.0, 4.0]],
        );
        let wanted = (vec![10, 10, 20, 30], vec![2.0, 4.0, 3.0, 1.0]);
        assert_eq!(rows_of(&series), wanted);
        assert_eq!(series.span_us(), Some((10, 30)));
    }

    #[test]
    fn chunks_that_overlap_in_time_are_merged() {
        let mut builder = builder(u64::MAX);
        builder
            .push(Chunk::new(vec![5, 6], vec![vec![5.0, 6.0]]))
            .unwrap();
        builder
            .push(Chunk::new(vec![1, 5], vec![vec![1.0, 5.5]]))
            .unwrap();
        let series = builder.finish().unwrap();
        assert_eq!(
            rows_of(&series),
            (vec![1, 5, 5, 6], vec![1.0, 5.0, 5.5, 6.0])
        );
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
        let series = builder(0).finish().unwrap();
        assert_eq!((series.rows(), series.span_us()), (0, None));
    }

    #[test]
    fn memory_is_given_back_when_a_series_is_dropped() {
        let memory = Arc::new(Memory::new(1000, ""));
        let mut builder = SeriesBuilder::new(vec!["value".into()], memory.clone());
        builder
            .push(Chunk::new(vec![0; 100], vec![vec![1.0; 100]]))
            .unwrap();
        let series = builder.finish().unwrap();
        assert!(!memory.try_reserve(300));
        drop(series);
        assert!(memory.try_reserve(1000));
    }

    proptest! {
        #[test]
        fn packed_times_read_back_as_they_were(
            times in prop::collection::vec(prop_oneof![
                (-5_000i64..5_000).prop_map(|s| s * 1_000_000),
                -62_135_596_800_000_000i64..253_402_300_800_000_000,
            ], 0..60)
        ) {
            let values = vec![vec![1.5; times.len()]; 2];
            let chunk = Chunk::new(times.clone(), values);
            let mut read = Vec::new();
            chunk.timestamps_us(&mut read);
            prop_assert_eq!(&read, &times);
            for (row, time) in times.iter().enumerate() {
                prop_assert_eq!(chunk.timestamp_us(row), *time);
            }
            let mut bytes = Vec::new();
            chunk.encode(&mut bytes);
            prop_assert_eq!(Chunk::decode(&bytes, chunk.rows(), 2), Some(chunk));
        }

        #[test]
        fn rows_are_the_same_whatever_part_of_them_fits_into_memory(
            lengths in prop::collection::vec(0usize..40, 1..8),
            times in prop::collection::vec(0i64..60, 320),
            limit in 0u64..3000,
        ) {
            let fill = |mut builder: SeriesBuilder| {
                let mut start = 0;
                for &length in &lengths {
                    let times = times[start..start + length].to_vec();
                    let values = (start..start + length).map(|row| row as f64).collect();
                    builder.push(Chunk::new(times, vec![values])).unwrap();
                    start += length;
                }
                builder.finish().unwrap()
            };
            let (whole, spilled) = (fill(builder(u64::MAX)), fill(builder(limit)));
            let rows = rows_of(&whole);
            prop_assert!(rows.0.is_sorted());
            prop_assert_eq!(&rows, &rows_of(&spilled));
            let every_third: Vec<u64> = (0..rows.0.len() as u64).step_by(3).collect();
            let wanted: Vec<f64> = every_third.iter().map(|&row| rows.1[row as usize]).collect();
            prop_assert_eq!(spilled.gather(0, &every_third).unwrap(), wanted);
        }
    }
}

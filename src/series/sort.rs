//! Puts the rows of a store into time order, in memory or, where they do not fit, run by run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use super::chunk::Chunk;
use super::{Rows, Store};
use crate::support::error::Result;

/// Rows in a chunk that is made by sorting.
const CHUNK_ROWS: usize = 1 << 16;
/// Rows sorted at a time where they do not all fit into memory.
const RUN_ROWS: usize = 1 << 21;

/// All rows of `store` in time order; rows of equal time keep their order.
pub(super) fn sorted_by_time(store: Store) -> Result<Store> {
    let rows: usize = store.parts.iter().map(super::Part::rows).sum();
    // A key for each row, and the sorted rows beside the unsorted.
    let needed = (rows as u64).saturating_mul(48);
    if store.spill.is_none() && store.memory.try_reserve(needed) {
        let chunks: Vec<&Chunk> = store
            .parts
            .iter()
            .filter_map(|part| match &part.0 {
                Rows::Here(chunk) => Some(chunk),
                Rows::Aside(_) => None,
            })
            .collect();
        let sorted: Vec<Chunk> = sorted_chunks(&chunks);
        let memory = store.memory.clone();
        drop(chunks);
        drop(store);
        memory.release(needed);
        let mut result = Store::new(memory);
        for chunk in sorted {
            result.push(chunk)?;
        }
        return Ok(result);
    }
    merged(store)
}

/// The rows of `chunks` as one chunk in time order.
pub(super) fn sorted(chunks: &[Chunk]) -> Chunk {
    let chunks: Vec<&Chunk> = chunks.iter().collect();
    pick(&chunks, &sorted_keys(&chunks))
}

/// A row: its time, and then where it stands, so that rows of equal time keep their order.
type Key = (i64, u32, u32);

fn sorted_keys(chunks: &[&Chunk]) -> Vec<Key> {
    let mut keys = Vec::with_capacity(chunks.iter().map(|chunk| chunk.rows()).sum());
    let mut times = Vec::new();
    for (number, chunk) in chunks.iter().enumerate() {
        chunk.timestamps_us(&mut times);
        let rows = times.iter().enumerate();
        keys.extend(rows.map(|(row, &time)| (time, number as u32, row as u32)));
    }
    keys.par_sort_unstable();
    keys
}

fn sorted_chunks(chunks: &[&Chunk]) -> Vec<Chunk> {
    sorted_keys(chunks)
        .par_chunks(CHUNK_ROWS)
        .map(|keys| pick(chunks, keys))
        .collect()
}

fn pick(chunks: &[&Chunk], keys: &[Key]) -> Chunk {
    let columns = chunks.first().map_or(0, |chunk| chunk.columns());
    let values = (0..columns)
        .map(|column| {
            keys.iter()
                .map(|&(_, chunk, row)| chunks[chunk as usize].values(column)[row as usize])
                .collect()
        })
        .collect();
    Chunk::new(keys.iter().map(|&(time, ..)| time).collect(), values)
}

/// Sorts runs of neighbouring parts, sets them aside, and merges the runs.
fn merged(store: Store) -> Result<Store> {
    // A store that has a scratch file keeps nothing more in memory: the runs go to one of their own.
    let mut runs = Store::new(store.memory.clone());
    runs.spill = Some(super::Spill::create(&store.memory)?);
    let mut bounds = vec![0];
    let mut first = 0;
    while first < store.parts.len() {
        let mut rows = 0;
        let mut end = first;
        while end < store.parts.len() && (rows == 0 || rows < RUN_ROWS) {
            rows += store.parts[end].rows();
            end += 1;
        }
        let chunks = store.parts[first..end]
            .iter()
            .map(|part| store.read(part))
            .collect::<Result<Vec<_>>>()?;
        let chunks: Vec<&Chunk> = chunks.iter().map(|chunk| &**chunk).collect();
        for chunk in sorted_chunks(&chunks) {
            runs.push(chunk)?;
        }
        bounds.push(runs.parts.len());
        first = end;
    }
    let mut result = Store::new(store.memory.clone());
    drop(store);

    let mut readers = Vec::new();
    let mut heap = BinaryHeap::new();
    for (number, pair) in bounds.windows(2).enumerate() {
        let mut reader = RunReader {
            runs: &runs,
            next: pair[0],
            end: pair[1],
            chunk: None,
            row: 0,
        };
        if let Some(time) = reader.time()? {
            heap.push(Reverse((time, number)));
        }
        readers.push(reader);
    }
    let columns = match readers.first_mut() {
        Some(reader) => reader.columns(),
        None => 0,
    };
    let fresh = || {
        (
            Vec::with_capacity(CHUNK_ROWS),
            vec![Vec::with_capacity(CHUNK_ROWS); columns],
        )
    };
    let (mut times, mut values) = fresh();
    // Earlier runs win among equal times: the number of the run is part of the key.
    while let Some(Reverse((time, number))) = heap.pop() {
        times.push(time);
        if let Some(time) = readers[number].take(&mut values)? {
            heap.push(Reverse((time, number)));
        }
        if times.len() == CHUNK_ROWS {
            let (full_times, full_values) = (times, values);
            (times, values) = fresh();
            result.push(Chunk::new(full_times, full_values))?;
        }
    }
    if !times.is_empty() {
        result.push(Chunk::new(times, values))?;
    }
    Ok(result)
}

/// Reads one sorted run, a chunk at a time.
struct RunReader<'a> {
    runs: &'a Store,
    next: usize,
    end: usize,
    chunk: Option<Chunk>,
    row: usize,
}

impl RunReader<'_> {
    /// Time of the row that is next.
    fn time(&mut self) -> Result<Option<i64>> {
        loop {
            if let Some(chunk) = &self.chunk
                && self.row < chunk.rows()
            {
                return Ok(Some(chunk.timestamp_us(self.row)));
            }
            if self.next == self.end {
                return Ok(None);
            }
            self.chunk = Some(self.runs.read(&self.runs.parts[self.next])?.into_owned());
            self.next += 1;
            self.row = 0;
        }
    }

    fn columns(&self) -> usize {
        self.chunk.as_ref().map_or(0, Chunk::columns)
    }

    /// Adds the values of the next row to `values`; returns the time of the row behind it.
    fn take(&mut self, values: &mut [Vec<f64>]) -> Result<Option<i64>> {
        if let Some(chunk) = &self.chunk {
            for (column, values) in values.iter_mut().enumerate() {
                values.push(chunk.values(column)[self.row]);
            }
            self.row += 1;
        }
        self.time()
    }
}

//! Sorted runs of cells: how a worker's table is set aside, in memory as far as it goes and in a scratch file beyond.
//!
//! A run holds units, one an entity, sorted by key and text; a unit holds the entity's cells, sorted by time. What
//! fits into memory and what does not makes no difference to whoever reads them.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use super::cell::Cell;
use super::distinct::Distinct;
use super::key::{COUNTS, RECORDS, SUMS};
use super::span::{DAY_US, DayRecords};
use crate::runtime::memory::Memory;
use crate::support::error::{Error, ErrorKind, Result};

/// Bytes after which a segment ends, with the unit that reaches it.
const SEGMENT_BYTES: usize = 256 << 10;

/// All cells of one entity of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Unit {
    /// Number of the key.
    pub(crate) key: usize,
    /// Text of the entity.
    pub(crate) entity: Vec<u8>,
    /// Its cells, sorted by time.
    pub(crate) cells: Vec<Cell>,
}

/// The first bytes of a text as a number, of the same order.
pub(crate) fn prefix(text: &[u8]) -> u64 {
    let mut first = [0; 8];
    let length = text.len().min(8);
    first[..length].copy_from_slice(&text[..length]);
    u64::from_be_bytes(first)
}

/// The runs of one log.
pub(crate) struct Runs {
    memory: Arc<Memory>,
    scratch: Mutex<Option<Scratch>>,
    runs: Mutex<Vec<Vec<Segment>>>,
    /// Number of the key whose entities together hold every record, and the length of its buckets.
    covering: (usize, i64),
    days: Mutex<BTreeMap<i64, DayRecords>>,
}

struct Scratch {
    file: Arc<File>,
    end: u64,
}

enum Segment {
    Here(Box<[u8]>),
    Aside {
        file: Arc<File>,
        start: u64,
        bytes: usize,
    },
}

impl Runs {
    /// No runs yet. `covering` is the number of the key whose entities together hold every record, with the length
    /// of its buckets: days are counted by it.
    pub(crate) fn new(memory: Arc<Memory>, covering: (usize, i64)) -> Self {
        Self {
            memory,
            scratch: Mutex::new(None),
            runs: Mutex::new(Vec::new()),
            covering,
            days: Mutex::new(BTreeMap::new()),
        }
    }

    /// The records of each day, counted since 1970.
    pub(crate) fn days(&self) -> BTreeMap<i64, DayRecords> {
        self.days
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Begins a run; it belongs to the others once it is [finished](RunWriter::finish).
    pub(crate) fn begin(&self) -> RunWriter<'_> {
        RunWriter {
            runs: self,
            segments: Vec::new(),
            buffer: Vec::with_capacity(SEGMENT_BYTES + (SEGMENT_BYTES >> 2)),
            state: Vec::new(),
            days: BTreeMap::new(),
        }
    }

    /// Forgets all runs and gives their memory back.
    pub(crate) fn clear(&mut self) {
        let runs = self.runs.get_mut().unwrap_or_else(PoisonError::into_inner);
        for segment in runs.drain(..).flatten() {
            if let Segment::Here(bytes) = segment {
                self.memory.release(bytes.len() as u64);
            }
        }
        if let Some(scratch) = self
            .scratch
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
        {
            scratch.end = 0;
        }
        let days = self.days.get_mut().unwrap_or_else(PoisonError::into_inner);
        days.clear();
    }

    /// A segment that holds `bytes`.
    fn keep(&self, bytes: &[u8]) -> Result<Segment> {
        self.memory.stop().check()?;
        if self.memory.try_reserve(bytes.len() as u64) {
            return Ok(Segment::Here(bytes.into()));
        }
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let scratch = match &mut *scratch {
            Some(scratch) => scratch,
            empty => empty.insert(Scratch {
                file: Arc::new(self.memory.scratch_file()?),
                end: 0,
            }),
        };
        let start = scratch.end;
        scratch.end += bytes.len() as u64;
        scratch.file.write_all_at(bytes, start).map_err(|cause| {
            Error::new(
                ErrorKind::Write,
                "sums cannot be set aside in the scratch file",
            )
            .caused_by(cause)
        })?;
        Ok(Segment::Aside {
            file: Arc::clone(&scratch.file),
            start,
            bytes: bytes.len(),
        })
    }

    /// Hands all units to `take`, sorted by key and text, the cells of each entity joined from all runs.
    ///
    /// # Errors
    /// Those of `take`, and [`ErrorKind::Read`] where what was set aside cannot be read back.
    pub(crate) fn merge(&self, mut take: impl FnMut(&mut Unit) -> Result<()>) -> Result<()> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut heads = Vec::new();
        for segments in runs.iter() {
            let mut reader = RunReader::new(segments);
            if reader.advance()? {
                heads.push(reader);
            }
        }
        drop_into_heap(&mut heads);
        let mut unit = Unit::default();
        while !heads.is_empty() {
            std::mem::swap(&mut unit, &mut heads[0].unit);
            next_head(&mut heads)?;
            let mut is_joined = false;
            while let Some(head) = heads.first_mut()
                && head.unit.key == unit.key
                && head.unit.entity == unit.entity
            {
                unit.cells.append(&mut head.unit.cells);
                is_joined = true;
                next_head(&mut heads)?;
            }
            if is_joined {
                super::cell::sort_and_join(&mut unit.cells);
            }
            self.memory.stop().check()?;
            take(&mut unit)?;
        }
        Ok(())
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Moves the reader at the front of the heap on, or takes it away at its end.
fn next_head(heads: &mut Vec<RunReader<'_>>) -> Result<()> {
    if !heads[0].advance()? {
        heads.swap_remove(0);
    }
    sift_down(heads, 0);
    Ok(())
}

/// Puts readers in the order of a heap, the first unit in front.
fn drop_into_heap(heads: &mut [RunReader<'_>]) {
    for place in (0..heads.len() / 2).rev() {
        sift_down(heads, place);
    }
}

fn sift_down(heads: &mut [RunReader<'_>], mut place: usize) {
    loop {
        let mut first = place;
        for child in [2 * place + 1, 2 * place + 2] {
            if child < heads.len() && heads[child].order() < heads[first].order() {
                first = child;
            }
        }
        if first == place {
            return;
        }
        heads.swap(place, first);
        place = first;
    }
}

/// Writes one run.
pub(crate) struct RunWriter<'a> {
    runs: &'a Runs,
    segments: Vec<Segment>,
    buffer: Vec<u8>,
    state: Vec<u8>,
    days: BTreeMap<i64, DayRecords>,
}

impl RunWriter<'_> {
    /// Adds a unit. Units come in the order of key and text, the `count` cells of each in the order of time.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] where what does not fit into memory cannot be set aside.
    pub(crate) fn push<'c>(
        &mut self,
        key: usize,
        entity: &[u8],
        count: usize,
        cells: impl Iterator<Item = &'c Cell>,
    ) -> Result<()> {
        let (covering, every_us) = self.runs.covering;
        let Self {
            buffer,
            state,
            days,
            ..
        } = self;
        let mut today: Option<(i64, DayRecords)> = None;
        put_number(buffer, key as u64);
        put_number(buffer, entity.len() as u64);
        buffer.extend_from_slice(entity);
        put_number(buffer, count as u64);
        let mut before = 0i64;
        for cell in cells {
            // Zigzag: numbers near zero of either sign are short.
            let step = cell.bucket.wrapping_sub(before);
            put_number(buffer, ((step << 1) ^ (step >> 63)) as u64);
            before = cell.bucket;
            if key == covering && cell.sums[RECORDS] > 0 {
                let start_us = cell.bucket.saturating_mul(every_us);
                let day = start_us.div_euclid(DAY_US);
                let more = DayRecords {
                    records: cell.sums[RECORDS],
                    first_us: start_us,
                    last_us: start_us,
                };
                match &mut today {
                    Some((same, records)) if *same == day => records.merge(&more),
                    other => {
                        if let Some((day, records)) = other.replace((day, more)) {
                            add_day(days, day, &records);
                        }
                    }
                }
            }
            let mut present = 0u8;
            for (place, &sum) in cell.sums.iter().enumerate() {
                present |= u8::from(sum != 0) << place;
            }
            for (place, distinct) in cell.distinct.iter().enumerate() {
                present |= u8::from(!distinct.is_empty()) << (SUMS + place);
            }
            buffer.push(present);
            for &sum in cell.sums.iter().filter(|&&sum| sum != 0) {
                put_number(buffer, sum);
            }
            for distinct in cell.distinct.iter().filter(|d| !d.is_empty()) {
                state.clear();
                distinct.write(state);
                put_number(buffer, state.len() as u64);
                buffer.extend_from_slice(state);
            }
        }
        if let Some((day, records)) = today {
            add_day(days, day, &records);
        }
        if self.buffer.len() >= SEGMENT_BYTES {
            self.end_segment()?;
        }
        Ok(())
    }

    fn end_segment(&mut self) -> Result<()> {
        self.segments.push(self.runs.keep(&self.buffer)?);
        self.buffer.clear();
        Ok(())
    }

    /// Ends the run and adds it to the others.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub(crate) fn finish(mut self) -> Result<()> {
        if !self.buffer.is_empty() {
            self.end_segment()?;
        }
        let segments = std::mem::take(&mut self.segments);
        if !segments.is_empty() {
            let mut runs = self
                .runs
                .runs
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            runs.push(segments);
            let mut days = self
                .runs
                .days
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            for (&day, records) in &self.days {
                add_day(&mut days, day, records);
            }
        }
        Ok(())
    }
}

impl Drop for RunWriter<'_> {
    fn drop(&mut self) {
        for segment in &self.segments {
            if let Segment::Here(bytes) = segment {
                self.runs.memory.release(bytes.len() as u64);
            }
        }
    }
}

fn add_day(days: &mut BTreeMap<i64, DayRecords>, day: i64, records: &DayRecords) {
    days.entry(day)
        .and_modify(|known| known.merge(records))
        .or_insert(*records);
}

/// Reads one run from its front.
struct RunReader<'a> {
    segments: std::slice::Iter<'a, Segment>,
    current: std::borrow::Cow<'a, [u8]>,
    at: usize,
    unit: Unit,
    prefix: u64,
}

impl<'a> RunReader<'a> {
    fn new(segments: &'a [Segment]) -> Self {
        Self {
            segments: segments.iter(),
            current: std::borrow::Cow::Borrowed(&[]),
            at: 0,
            unit: Unit::default(),
            prefix: 0,
        }
    }

    fn order(&self) -> (usize, u64, &[u8]) {
        (self.unit.key, self.prefix, &self.unit.entity)
    }

    /// Reads the next unit over the one before; false at the end.
    fn advance(&mut self) -> Result<bool> {
        if self.at == self.current.len() {
            let Some(segment) = self.segments.next() else {
                return Ok(false);
            };
            self.at = 0;
            self.current = match segment {
                Segment::Here(bytes) => std::borrow::Cow::Borrowed(bytes),
                Segment::Aside { file, start, bytes } => {
                    let mut read = vec![0; *bytes];
                    file.read_exact_at(&mut read, *start).map_err(|cause| {
                        Error::new(
                            ErrorKind::Read,
                            "sums that were set aside cannot be read back",
                        )
                        .caused_by(cause)
                    })?;
                    std::borrow::Cow::Owned(read)
                }
            };
        }
        match self.read_unit() {
            Some(()) => Ok(true),
            None => Err(Error::new(
                ErrorKind::Read,
                "sums that were set aside have changed in the scratch file",
            )),
        }
    }

    fn read_unit(&mut self) -> Option<()> {
        let bytes: &[u8] = &self.current;
        let at = &mut self.at;
        let unit = &mut self.unit;
        unit.key = get_number(bytes, at)? as usize;
        let entity = get_bytes(bytes, at)?;
        unit.entity.clear();
        unit.entity.extend_from_slice(entity);
        self.prefix = prefix(entity);
        let count = get_number(bytes, at)?;
        unit.cells.clear();
        let mut bucket = 0i64;
        for _ in 0..count {
            let step = get_number(bytes, at)?;
            bucket = bucket.wrapping_add((step >> 1) as i64 ^ -((step & 1) as i64));
            let mut cell = Cell::new(bucket);
            let present = *bytes.get(*at)?;
            *at += 1;
            for (place, sum) in cell.sums.iter_mut().enumerate() {
                if present & (1 << place) != 0 {
                    *sum = get_number(bytes, at)?;
                }
            }
            for place in 0..COUNTS {
                if present & (1 << (SUMS + place)) != 0 {
                    cell.distinct[place] = Distinct::read(get_bytes(bytes, at)?)?;
                }
            }
            unit.cells.push(cell);
        }
        Some(())
    }
}

#[inline]
fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[inline]
fn get_number(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let (mut number, mut shift) = (0u64, 0);
    loop {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
        shift += 7;
        if shift > 63 {
            return None;
        }
    }
}

#[inline]
fn get_bytes<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let length = get_number(bytes, at)? as usize;
    let end = at.checked_add(length)?;
    let found = bytes.get(*at..end)?;
    *at = end;
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::distinct::hash_number;
    use proptest::prelude::*;

    fn cell(bucket: i64, sum: u64, peers: u32) -> Cell {
        let mut cell = Cell::new(bucket);
        cell.sums = [1, sum, 0, 3, 0];
        for peer in 0..peers {
            cell.distinct[0].insert(hash_number(peer));
        }
        cell
    }

    fn units_of(runs: &Runs) -> Vec<Unit> {
        let mut units = Vec::new();
        runs.merge(|unit| {
            units.push(unit.clone());
            Ok(())
        })
        .unwrap();
        units
    }

    fn written(limit: u64, parts: &[Vec<(usize, String, Vec<Cell>)>]) -> Vec<Unit> {
        let runs = Runs::new(Arc::new(Memory::new(limit, std::env::temp_dir())), (0, 1));
        for part in parts {
            let mut writer = runs.begin();
            for (key, entity, cells) in part {
                writer
                    .push(*key, entity.as_bytes(), cells.len(), cells.iter())
                    .unwrap();
                writer.end_segment().unwrap();
            }
            writer.finish().unwrap();
        }
        units_of(&runs)
    }

    #[test]
    fn cells_read_back_as_they_were_written() {
        let cells = vec![
            cell(-9_000_000_000, u64::MAX, 0),
            cell(i64::MAX / 2, 7, 6),
            cell(i64::MAX / 2 + 1, 0, 3000),
        ];
        let units = written(
            u64::MAX,
            &[vec![(2, "192.0.2.1".to_owned(), cells.clone())]],
        );
        assert_eq!(units.len(), 1);
        assert_eq!((units[0].key, &units[0].cells), (2, &cells));
    }

    #[test]
    fn memory_is_given_back_when_runs_are_dropped() {
        let memory = Arc::new(Memory::new(1000, ""));
        let runs = Runs::new(Arc::clone(&memory), (0, 1));
        let mut writer = runs.begin();
        writer.push(0, b"a", 1, [cell(0, 1, 2)].iter()).unwrap();
        writer.finish().unwrap();
        assert!(!memory.try_reserve(1000));
        drop(runs);
        assert!(memory.try_reserve(1000));
    }

    proptest! {
        #[test]
        fn any_split_into_runs_and_any_memory_give_the_same_units(
            rows in prop::collection::vec((0usize..3, 0u8..6, 0i64..5, 0u64..9, 0u32..9), 0..60),
            cuts in prop::collection::vec(0usize..60, 0..4),
            limit in 0u64..600,
        ) {
            let run_of = |rows: &[(usize, u8, i64, u64, u32)]| {
                let mut units: Vec<(usize, String, Vec<Cell>)> = Vec::new();
                for &(key, entity, bucket, sum, peers) in rows {
                    let entity = format!("host-number-{entity}");
                    let cell = cell(bucket, sum, peers);
                    match units.iter_mut().find(|unit| unit.0 == key && unit.1 == entity) {
                        Some(unit) => unit.2.push(cell),
                        None => units.push((key, entity, vec![cell])),
                    }
                }
                units.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
                for unit in &mut units {
                    super::super::cell::sort_and_join(&mut unit.2);
                }
                units
            };
            let whole = written(u64::MAX, &[run_of(&rows)]);
            let mut cuts: Vec<usize> = cuts.iter().map(|&cut| cut.min(rows.len())).collect();
            cuts.extend([0, rows.len()]);
            cuts.sort_unstable();
            let parts: Vec<_> = cuts.windows(2).map(|pair| run_of(&rows[pair[0]..pair[1]])).collect();
            prop_assert_eq!(written(limit, &parts), whole);
        }
    }
}

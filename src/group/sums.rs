//! A worker's own table: records in, cells by key, entity and bucket out.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::cell::Cell;
use super::key::{By, COUNTS};
use super::key::{FAILED_OR_5XX, IN, OUT, PACKETS_OR_4XX, PEERS, PORTS, RECORDS};
use super::names::{Entity, Names};
use super::runs::RunWriter;
use crate::format::record::{Family, Record};
use crate::support::error::Result;

/// A key, and the length of its buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// What the records are grouped by.
    pub by: By,
    /// Length of a bucket in microseconds.
    pub every_us: i64,
}

/// What becomes of the records of a log: its keys, sorted by name, and which distinct counts are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grouping {
    pub(crate) family: Family,
    pub(crate) keys: Vec<Key>,
    pub(crate) counts: [bool; COUNTS],
    /// How many records each stands for, where the exporter sampled.
    pub(crate) sampling: u64,
}

/// A record longer than this, 2^32 milliseconds, has a broken end: it counts as if it had no duration.
const MAX_DURATION_US: i64 = (1 << 32) * 1000;

/// What grouping needs of a record.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    start_us: i64,
    end_us: i64,
    src: Entity,
    dst: Entity,
    /// Bytes out and in, packets both ways.
    amounts: [u64; 3],
    /// Flows and failed flows; requests and whether the status is 4xx or 5xx.
    counts: [u64; 3],
    proto: Entity,
    service: Entity,
    interface: Entity,
    vhost: Entity,
    path: u32,
    dst_port: Option<u16>,
    status: u16,
}

/// The cells of the records so far.
pub(crate) struct Sums {
    grouping: Grouping,
    names: Names,
    state: RandomState,
    entities: Vec<EntityEntry>,
    entity_lookup: HashTable<u32>,
    cells: Vec<Slot>,
    cell_lookup: HashTable<u32>,
    heap_bytes: usize,
}

struct EntityEntry {
    key: u32,
    /// The cell used last: records come nearly in order.
    last_cell: u32,
    entity: Entity,
}

struct Slot {
    entity: u32,
    cell: Cell,
}

/// No cell yet.
const NO_CELL: u32 = u32::MAX;

impl Sums {
    pub(crate) fn new(grouping: Grouping) -> Self {
        Self {
            grouping,
            names: Names::new(),
            state: RandomState::default(),
            entities: Vec::new(),
            entity_lookup: HashTable::new(),
            cells: Vec::new(),
            cell_lookup: HashTable::new(),
            heap_bytes: 0,
        }
    }

    /// What of `record` is needed. Its names stay valid until [`write_run`](Self::write_run).
    #[inline]
    pub(crate) fn pending(&mut self, record: &Record<'_>) -> Pending {
        let sampling = self.grouping.sampling;
        let names = &mut self.names;
        let wanted = |by: &By| self.grouping.keys.iter().any(|key| key.by == *by);
        let mut name = |by: By, text: &[u8]| {
            if text.is_empty() || !wanted(&by) {
                Entity::UNNAMED
            } else {
                names.name(text)
            }
        };
        let (proto, service) = (
            name(By::Proto, record.proto),
            name(By::Service, record.service),
        );
        let (interface, vhost) = (
            name(By::Interface, record.interface),
            name(By::Vhost, record.vhost),
        );
        let is_broken = record.end_us.saturating_sub(record.start_us) >= MAX_DURATION_US;
        let records = record.flows.max(1).saturating_mul(sampling);
        let (amounts, counts) = match self.grouping.family {
            Family::Flows => {
                let packets = record.packets_out.saturating_add(record.packets_in);
                let failed = if record.failed { records } else { 0 };
                (
                    [record.bytes_out, record.bytes_in, packets],
                    [records, 0, failed],
                )
            }
            Family::Requests => {
                let of_class = |class: u16| {
                    if record.status / 100 == class {
                        records
                    } else {
                        0
                    }
                };
                (
                    [record.bytes_out, 0, 0],
                    [records, of_class(4), of_class(5)],
                )
            }
        };
        Pending {
            start_us: record.start_us,
            end_us: if is_broken {
                record.start_us
            } else {
                record.end_us.max(record.start_us)
            },
            src: self.names.endpoint(record.src),
            dst: self.names.endpoint(record.dst),
            amounts: amounts.map(|amount| amount.saturating_mul(sampling)),
            counts,
            proto,
            service,
            interface,
            vhost,
            path: (record.path >> 32) as u32,
            dst_port: record.dst_port,
            status: record.status,
        }
    }

    /// Adds records to the cells of every key.
    pub(crate) fn add(&mut self, records: &[Pending], counted: impl Fn(usize) -> bool) {
        for number in 0..self.grouping.keys.len() {
            let Key { by, every_us } = self.grouping.keys[number].clone();
            for (place, record) in records.iter().enumerate() {
                if counted(place) {
                    self.add_to_key(number as u32, &by, every_us, record);
                }
            }
        }
    }

    #[inline]
    fn add_to_key(&mut self, number: u32, by: &By, every_us: i64, record: &Pending) {
        let entity = match by {
            By::Total | By::Label(_) => Entity::TOTAL,
            By::Src | By::Client => record.src,
            By::Dst => record.dst,
            By::Port => record.dst_port.map_or(Entity::UNNAMED, Entity::number),
            By::Proto => record.proto,
            By::Service => record.service,
            By::Interface => record.interface,
            // Most logs have no virtual hosts: no series is about their absence.
            By::Vhost if record.vhost == Entity::UNNAMED => return,
            By::Vhost => record.vhost,
            By::Status => Entity::number(record.status),
        };
        let mut amounts = record.amounts;
        if *by == By::Dst {
            amounts.swap(0, 1);
        }
        let entity = self.entity(number, entity);
        let bucket = record.start_us.div_euclid(every_us);
        let is_within = record.end_us <= (bucket + 1).saturating_mul(every_us);
        let (peer, port) = (self.peer(by, record), record.dst_port);
        let wanted = self.grouping.counts;
        let cell = cell(
            &mut self.cells,
            &mut self.cell_lookup,
            &self.state,
            &mut self.entities,
            entity,
            bucket,
        );
        let [records, second, third] = record.counts;
        add_to(&mut cell.sums[RECORDS], records);
        add_to(&mut cell.sums[FAILED_OR_5XX], third);
        if second > 0 {
            add_to(&mut cell.sums[PACKETS_OR_4XX], second);
        }
        let before = cell.heap_bytes();
        if wanted[PEERS]
            && let Some(peer) = peer
        {
            cell.distinct[PEERS].insert(peer);
        }
        if wanted[PORTS]
            && let Some(port) = port
        {
            cell.distinct[PORTS].insert(super::distinct::hash_number(u32::from(port)));
        }
        self.heap_bytes += cell.heap_bytes() - before;
        if is_within {
            add_amounts(cell, amounts);
        } else {
            self.spread(entity, record, amounts, bucket, every_us);
        }
    }

    /// The peer that a record adds to the count of an entity of this key.
    #[inline]
    fn peer(&self, by: &By, record: &Pending) -> Option<u32> {
        let peer = match by {
            By::Src => record.dst,
            By::Client => return (record.path != 0).then_some(record.path),
            _ => record.src,
        };
        (peer != Entity::UNNAMED).then(|| self.names.hash(peer))
    }

    /// Spreads amounts over the duration in whole units: up to each border the share of the time that has passed,
    /// rounded down, so that the sum is exact.
    fn spread(
        &mut self,
        entity: u32,
        record: &Pending,
        amounts: [u64; 3],
        first: i64,
        every_us: i64,
    ) {
        let duration = record.end_us - record.start_us;
        let last = (record.end_us - 1).div_euclid(every_us);
        let mut given = [0u64; 3];
        for bucket in first..=last {
            let passed = if bucket == last {
                duration
            } else {
                (bucket + 1) * every_us - record.start_us
            };
            let mut more = [0u64; 3];
            for ((more, given), amount) in more.iter_mut().zip(&mut given).zip(amounts) {
                let until = u128::from(amount) * passed as u128 / duration as u128;
                *more = until as u64 - *given;
                *given = until as u64;
            }
            if more != [0; 3] {
                let cell = cell(
                    &mut self.cells,
                    &mut self.cell_lookup,
                    &self.state,
                    &mut self.entities,
                    entity,
                    bucket,
                );
                add_amounts(cell, more);
            }
        }
    }

    /// Notes that the exporter lost what happened from `start_us` to `end_us`, in the buckets of the whole log.
    pub(crate) fn add_unknown(&mut self, start_us: i64, end_us: i64) {
        let end_us = end_us.min(start_us.saturating_add(MAX_DURATION_US));
        let Some(number) = self.grouping.keys.iter().position(|k| k.by == By::Total) else {
            return;
        };
        let every_us = self.grouping.keys[number].every_us;
        let entity = self.entity(number as u32, Entity::TOTAL);
        let last = end_us.saturating_sub(1).max(start_us).div_euclid(every_us);
        for bucket in start_us.div_euclid(every_us)..=last {
            cell(
                &mut self.cells,
                &mut self.cell_lookup,
                &self.state,
                &mut self.entities,
                entity,
                bucket,
            );
        }
    }

    #[inline]
    fn entity(&mut self, key: u32, entity: Entity) -> u32 {
        let Self {
            entities,
            entity_lookup,
            state,
            ..
        } = self;
        let hash = state.hash_one(entity_hash(key, entity));
        let same = |&number: &u32| {
            let entry = &entities[number as usize];
            entry.entity == entity && entry.key == key
        };
        if let Some(&number) = entity_lookup.find(hash, same) {
            return number;
        }
        let number = entities.len() as u32;
        entities.push(EntityEntry {
            key,
            last_cell: NO_CELL,
            entity,
        });
        entity_lookup.insert_unique(hash, number, |&number| {
            let entry = &entities[number as usize];
            state.hash_one(entity_hash(entry.key, entry.entity))
        });
        number
    }

    /// Memory taken, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.cells.len() * std::mem::size_of::<Slot>()
            + self.entities.len() * std::mem::size_of::<EntityEntry>()
            + 5 * (self.entity_lookup.capacity() + self.cell_lookup.capacity())
            + self.heap_bytes
            + self.names.memory_bytes()
    }

    /// Writes all cells as one sorted run and forgets them, with all names.
    ///
    /// # Errors
    /// Those of [`RunWriter::push`].
    pub(crate) fn write_run(&mut self, run: &mut RunWriter<'_>) -> Result<()> {
        let mut texts = Vec::new();
        let mut order: Vec<(u32, u64, u32, std::ops::Range<usize>)> = Vec::new();
        for (number, entry) in self.entities.iter().enumerate() {
            let start = texts.len();
            self.names.write_text(entry.entity, &mut texts);
            let prefix = super::runs::prefix(&texts[start..]);
            order.push((entry.key, prefix, number as u32, start..texts.len()));
        }
        order.sort_unstable_by(|a, b| {
            (a.0, a.1, &texts[a.3.clone()]).cmp(&(b.0, b.1, &texts[b.3.clone()]))
        });
        // Cells by entity: where those of each start, then their numbers.
        let mut starts = vec![0u32; self.entities.len() + 1];
        for slot in &self.cells {
            starts[slot.entity as usize + 1] += 1;
        }
        for place in 1..starts.len() {
            starts[place] += starts[place - 1];
        }
        let mut next = starts.clone();
        let mut by_entity = vec![0u32; self.cells.len()];
        for (number, slot) in self.cells.iter().enumerate() {
            let place = &mut next[slot.entity as usize];
            by_entity[*place as usize] = number as u32;
            *place += 1;
        }
        let cells = &self.cells;
        let bucket = |&number: &u32| cells[number as usize].cell.bucket;
        let mut rest = &order[..];
        while let Some((first, _)) = rest.split_first() {
            // Different names may have the same text, where bytes are no UTF-8.
            let text = &texts[first.3.clone()];
            let same = rest
                .iter()
                .take_while(|other| other.0 == first.0 && texts[other.3.clone()] == *text)
                .count();
            let (group, behind) = rest.split_at(same);
            rest = behind;
            if let [(key, _, entity, _)] = group {
                let place = *entity as usize;
                let numbers = &mut by_entity[starts[place] as usize..starts[place + 1] as usize];
                if !numbers.is_sorted_by_key(bucket) {
                    numbers.sort_unstable_by_key(bucket);
                }
                let own = numbers.iter().map(|&number| &cells[number as usize].cell);
                run.push(*key as usize, text, own.len(), own)?;
            } else {
                let mut joined: Vec<Cell> = Vec::new();
                for (_, _, entity, _) in group {
                    let place = *entity as usize;
                    let numbers = &by_entity[starts[place] as usize..starts[place + 1] as usize];
                    joined.extend(numbers.iter().map(|&n| cells[n as usize].cell.clone()));
                }
                super::cell::sort_and_join(&mut joined);
                run.push(first.0 as usize, text, joined.len(), joined.iter())?;
            }
        }
        self.entities.clear();
        self.entity_lookup.clear();
        self.cells.clear();
        self.cell_lookup.clear();
        self.names.clear();
        self.heap_bytes = 0;
        Ok(())
    }
}

#[inline]
fn entity_hash(key: u32, entity: Entity) -> u64 {
    entity.0 ^ (u64::from(key) << 56)
}

#[inline]
fn add_to(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}

#[inline]
fn add_amounts(cell: &mut Cell, amounts: [u64; 3]) {
    add_to(&mut cell.sums[OUT], amounts[0]);
    add_to(&mut cell.sums[IN], amounts[1]);
    if amounts[2] > 0 {
        add_to(&mut cell.sums[PACKETS_OR_4XX], amounts[2]);
    }
}

/// The cell of an entity in a bucket. Takes the parts of [`Sums`] one by one, so that the others stay usable.
#[inline]
fn cell<'a>(
    cells: &'a mut Vec<Slot>,
    lookup: &mut HashTable<u32>,
    state: &RandomState,
    entities: &mut [EntityEntry],
    entity: u32,
    bucket: i64,
) -> &'a mut Cell {
    let entry = &mut entities[entity as usize];
    let last = entry.last_cell as usize;
    if let Some(slot) = cells.get(last)
        && slot.cell.bucket == bucket
    {
        return &mut cells[last].cell;
    }
    let key = |entity: u32, bucket: i64| (bucket as u64).rotate_left(32) ^ u64::from(entity);
    let hash = state.hash_one(key(entity, bucket));
    let same = |&number: &u32| {
        let slot = &cells[number as usize];
        slot.entity == entity && slot.cell.bucket == bucket
    };
    let number = match lookup.find(hash, same) {
        Some(&number) => number,
        None => {
            let number = cells.len() as u32;
            cells.push(Slot {
                entity,
                cell: Cell::new(bucket),
            });
            lookup.insert_unique(hash, number, |&number| {
                let slot = &cells[number as usize];
                state.hash_one(key(slot.entity, slot.cell.bucket))
            });
            number
        }
    };
    entry.last_cell = number;
    &mut cells[number as usize].cell
}

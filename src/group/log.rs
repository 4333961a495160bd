//! One log, grouped: its cells by key, entity and time, and what was read for them.

use std::sync::Arc;

use super::intake::{self, IntakeOptions, Part, PartReport};
use super::key::{By, Measure};
use super::options::GroupOptions;
use super::runs::{Runs, Unit};
use super::sums::Key;
use crate::format::record::Family;
use crate::input::Source;
use crate::runtime::memory::Memory;
use crate::support::error::Result;

/// Smallest and largest table of a worker: below, runs become many; above, they leave the processor's caches.
const TABLE_BYTES: (u64, u64) = (2 << 20, 48 << 20);

/// The cells of one log.
pub(crate) struct GroupedLog {
    /// The log's name.
    pub(crate) name: String,
    pub(crate) family: Family,
    /// Its keys, sorted by name.
    pub(crate) keys: Vec<Key>,
    /// Its measures, in the order of a table's columns.
    pub(crate) measures: Vec<Measure>,
    runs: Runs,
}

/// What became of an input of a log.
pub(crate) struct PartOutcome {
    pub(crate) source: Source,
    pub(crate) report: Result<PartReport>,
}

impl GroupedLog {
    /// An empty log, to which [runs](Self::runs) are added.
    pub(crate) fn new(
        name: String,
        family: Family,
        keys: Vec<Key>,
        measures: Vec<Measure>,
        memory: &Arc<Memory>,
    ) -> Self {
        // All records have an entity of every key, but for requests without a virtual host.
        let covering = keys
            .iter()
            .position(|key| key.by == By::Total)
            .or_else(|| keys.iter().position(|key| key.by != By::Vhost))
            .unwrap_or(0);
        let every_us = keys.get(covering).map_or(1, |key| key.every_us);
        Self {
            name,
            family,
            keys,
            measures,
            runs: Runs::new(Arc::clone(memory), (covering, every_us)),
        }
    }

    pub(crate) fn runs(&self) -> &Runs {
        &self.runs
    }

    /// Hands the cells of each entity to `take`, sorted by key, entity and time. May be called again.
    ///
    /// # Errors
    /// Those of `take`, and where sums that were set aside cannot be read back.
    pub(crate) fn for_each(&self, take: impl FnMut(&mut Unit) -> Result<()>) -> Result<()> {
        self.runs.merge(take)
    }
}

/// Reads the parts of a log and groups their records, on `workers` threads, within `memory`.
///
/// # Errors
/// Where the options ask for what such logs do not have, the run is to stop, or sums cannot be set aside. A part
/// that cannot be read costs that part, and its outcome says why.
pub(crate) fn group_log(
    name: String,
    parts: Vec<Part>,
    options: &GroupOptions,
    max_bytes: Option<u64>,
    workers: usize,
    memory: &Arc<Memory>,
) -> Result<(GroupedLog, Vec<PartOutcome>)> {
    let family = parts
        .first()
        .map_or(Family::Flows, |part| part.layout.family());
    let window_us = parts
        .iter()
        .map(|part| part.layout.window_us())
        .max()
        .unwrap_or(0);
    let grouping = options.grouping(family, window_us)?;
    let mut log = GroupedLog::new(
        name,
        family,
        grouping.keys.clone(),
        options.measures(family)?,
        memory,
    );
    let workers = workers.max(1) as u64;
    let share = memory.limit() / (4 * workers);
    let table_bytes = share.clamp(TABLE_BYTES.0, TABLE_BYTES.1);
    let reserved = workers * table_bytes;
    let is_reserved = memory.try_reserve(reserved);
    let intake = IntakeOptions {
        keep_duplicates: options.keep_duplicates,
        max_dropped: options.max_dropped,
        max_bytes,
        workers: workers as usize,
        table_bytes: table_bytes as usize,
    };
    let reports = intake::read_parts(&parts, &grouping, &intake, &mut log.runs);
    if is_reserved {
        memory.release(reserved);
    }
    let outcomes = parts
        .into_iter()
        .zip(reports?)
        .map(|(part, report)| PartOutcome {
            source: part.source,
            report,
        });
    let outcomes = outcomes.collect();
    Ok((log, outcomes))
}

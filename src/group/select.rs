//! Which series of a log are judged, and their rows.
//!
//! An entity is judged on a day if it is among the most active of its key in the seven days before: what comes later
//! makes no difference. On the first day of a log, and after a gap, that day itself decides.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

use super::cell::Cell;
use super::key::{By, Measure, RECORDS};
use super::log::GroupedLog;
use super::options::GroupOptions;
use super::runs::Unit;
use super::span::{DAY_US, Span};
use crate::series::SeriesKey;
use crate::support::error::Result;

/// Days over which activity counts.
const ACTIVE_DAYS: i64 = 7;

/// A series with its rows: one for each complete bucket that the log covers, but for those in which the exporter
/// lost records.
pub(crate) struct EntitySeries {
    pub(crate) key: SeriesKey,
    /// Names of the measures.
    pub(crate) columns: Vec<String>,
    /// Starts of the buckets, ascending.
    pub(crate) timestamps_us: Vec<i64>,
    /// Values of each measure.
    pub(crate) values: Vec<Vec<f64>>,
    /// Days, since 1970, on which the series is judged; `None` for all.
    pub(crate) judged_days: Option<BTreeSet<i64>>,
}

/// What was selected of a log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    pub(crate) span: Span,
    /// Entities of each key that were judged on some day, and those that never were.
    pub(crate) entities: BTreeMap<String, (u64, u64)>,
}

/// Whether someone is judged on a day: those with the most active buckets, then records, then by text.
type Rank = (u64, u64, Reverse<Vec<u8>>);

/// Hands the series of `log` that are to be judged to `take`, sorted by key and entity.
///
/// Memory grows with the days of the log and `--top`, and with the rows of one series.
///
/// # Errors
/// Those of `take`, and where sums that were set aside cannot be read back.
pub(crate) fn for_each_series(
    log: &GroupedLog,
    options: &GroupOptions,
    mut take: impl FnMut(EntitySeries) -> Result<()>,
) -> Result<Selection> {
    let days = log.runs().days();
    let span = Span::of(&days);
    let log_days: Vec<i64> = days
        .iter()
        .filter(|(_, records)| span.covers(records.first_us) || span.covers(records.last_us))
        .map(|(day, _)| *day)
        .collect();
    let (chosen, unknown) = survey(log, options, &span, &log_days)?;
    let mut selection = Selection {
        span,
        entities: BTreeMap::new(),
    };
    log.for_each(|unit| {
        let key = &log.keys[unit.key];
        let days = &chosen[unit.key];
        let judged_days = if key.by == By::Total {
            None
        } else {
            let counts = selection.entities.entry(key.by.name()).or_default();
            match days.get(&unit.entity) {
                Some(days) => {
                    counts.0 += 1;
                    Some(days.clone())
                }
                None => {
                    counts.1 += 1;
                    return Ok(());
                }
            }
        };
        let measures = judged_measures(log, options, &key.by);
        let mut series = rows(unit, &measures, key.every_us, &selection.span, &unknown);
        series.key = SeriesKey {
            log: log.name.clone(),
            by: key.by.name().into(),
            entity: String::from_utf8_lossy(&unit.entity).into_owned(),
        };
        series.judged_days = judged_days;
        take(series)
    })?;
    Ok(selection)
}

/// The measures by which series of a key are judged, as far as the log has them.
pub(crate) fn judged_measures(log: &GroupedLog, options: &GroupOptions, by: &By) -> Vec<Measure> {
    let wanted = if options.measures.is_empty() {
        Measure::judged(log.family, by)
    } else {
        &options.measures
    };
    let mut found: Vec<Measure> = wanted.to_vec();
    found.retain(|measure| log.measures.contains(measure));
    if found.is_empty() {
        found.clone_from(&log.measures);
    }
    found
}

/// Names of the measures by which any series of a log are judged, in the order of a table's columns.
pub(crate) fn judged_columns(log: &GroupedLog, options: &GroupOptions) -> Vec<String> {
    let keys = log.keys.iter();
    let judged: Vec<Measure> = keys
        .flat_map(|key| judged_measures(log, options, &key.by))
        .collect();
    let all = Measure::all(log.family).iter();
    all.filter(|measure| judged.contains(measure))
        .map(|measure| measure.name().to_owned())
        .collect()
}

/// The entities of each key that are judged, with their days, and the spans in which the exporter lost records.
type Survey = (Vec<HashMap<Vec<u8>, BTreeSet<i64>>>, Vec<(i64, i64)>);

fn survey(
    log: &GroupedLog,
    options: &GroupOptions,
    span: &Span,
    log_days: &[i64],
) -> Result<Survey> {
    let mut best: Vec<Vec<BinaryHeap<Reverse<Rank>>>> = log
        .keys
        .iter()
        .map(|_| log_days.iter().map(|_| BinaryHeap::new()).collect())
        .collect();
    let mut unknown = Vec::new();
    let mut active: Vec<(i64, u64, u64)> = Vec::new();
    log.for_each(|unit| {
        let key = &log.keys[unit.key];
        if key.by == By::Total {
            let lost = unit.cells.iter().filter(|cell| cell.is_unknown());
            unknown.extend(lost.map(|cell| {
                let start = cell.bucket.saturating_mul(key.every_us);
                (start, start.saturating_add(key.every_us))
            }));
            return Ok(());
        }
        activity(unit, key.every_us, span, &mut active);
        for (place, &day) in log_days.iter().enumerate() {
            let is_first = place == 0 || log_days[place - 1] < day - ACTIVE_DAYS;
            let counted = if is_first {
                day..=day
            } else {
                day - ACTIVE_DAYS..=day - 1
            };
            let (mut buckets, mut records) = (0, 0);
            let from = active.partition_point(|entry| entry.0 < *counted.start());
            for entry in active[from..]
                .iter()
                .take_while(|entry| entry.0 <= *counted.end())
            {
                buckets += entry.1;
                records += entry.2;
            }
            if buckets == 0 {
                continue;
            }
            let heap = &mut best[unit.key][place];
            if heap.len() >= options.top
                && let Some(Reverse(last)) = heap.peek()
                && (last.0, last.1) > (buckets, records)
            {
                continue;
            }
            heap.push(Reverse((buckets, records, Reverse(unit.entity.clone()))));
            if heap.len() > options.top {
                heap.pop();
            }
        }
        Ok(())
    })?;
    let chosen = best.into_iter().map(|heaps| {
        let mut chosen: HashMap<Vec<u8>, BTreeSet<i64>> = HashMap::new();
        for (heap, &day) in heaps.into_iter().zip(log_days) {
            for Reverse((_, _, Reverse(entity))) in heap {
                chosen.entry(entity).or_default().insert(day);
            }
        }
        chosen
    });
    Ok((chosen.collect(), unknown))
}

/// Writes the days on which an entity was active over `active`: day, buckets with a record, records.
fn activity(unit: &Unit, every_us: i64, span: &Span, active: &mut Vec<(i64, u64, u64)>) {
    active.clear();
    for cell in &unit.cells {
        let start_us = cell.bucket.saturating_mul(every_us);
        let records = cell.sums[RECORDS];
        if records == 0
            || !(span.covers(start_us) || span.covers(start_us.saturating_add(every_us - 1)))
        {
            continue;
        }
        let day = start_us.div_euclid(DAY_US);
        match active.last_mut() {
            Some(last) if last.0 == day => {
                last.1 += 1;
                last.2 += records;
            }
            _ => active.push((day, 1, records)),
        }
    }
}

/// The rows of an entity, zeros where it has no cell.
fn rows(
    unit: &Unit,
    measures: &[Measure],
    every_us: i64,
    span: &Span,
    unknown: &[(i64, i64)],
) -> EntitySeries {
    let mut series = EntitySeries {
        key: SeriesKey::total(""),
        columns: measures
            .iter()
            .map(|measure| measure.name().to_owned())
            .collect(),
        timestamps_us: Vec::new(),
        values: vec![Vec::new(); measures.len()],
        judged_days: None,
    };
    let mut cells = unit.cells.iter().peekable();
    for (first, last) in span.buckets(every_us) {
        for bucket in first..=last {
            while cells.next_if(|cell| cell.bucket < bucket).is_some() {}
            let start_us = bucket * every_us;
            let cell: Option<&Cell> = cells.next_if(|cell| cell.bucket == bucket);
            let is_lost = match cell {
                Some(cell) => cell.is_unknown(),
                None => is_unknown(unknown, start_us, start_us + every_us),
            };
            if is_lost {
                continue;
            }
            series.timestamps_us.push(start_us);
            for (values, measure) in series.values.iter_mut().zip(measures) {
                values.push(cell.map_or(0.0, |cell| cell.value(*measure) as f64));
            }
        }
    }
    series
}

/// Whether the exporter lost records between two times. `unknown` ascends.
fn is_unknown(unknown: &[(i64, i64)], start_us: i64, end_us: i64) -> bool {
    let behind = unknown.partition_point(|&(_, end)| end <= start_us);
    unknown
        .get(behind)
        .is_some_and(|&(start, _)| start < end_us)
}

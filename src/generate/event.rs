//! What can happen to traffic: kinds of events, where they are placed, what they do to a row.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::chance::{Stream, Use, exp, subseed, unit_at};
use super::rhythm::Rhythm;
use super::{TrafficSpec, setting};
use crate::support::error::{Error, Result};

/// The kind of an event, as it stands in the labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EventKind {
    /// A DDoS-like attack: many small packets on top of the ordinary traffic.
    Spike,
    /// The ordinary traffic several times over; every second one at night, below the daily peak.
    Flood,
    /// A steady, slow transfer outwards, below the daily peak where the day has one.
    Exfiltration,
    /// A partial outage: only a share of the traffic arrives.
    Drop,
    /// All traffic ceases, or the heartbeat alone does.
    Silence,
    /// The level moves up or down for a day or more.
    Shift,
    /// A regular on and off of two rows each, within the usual range of values.
    Pattern,
}

impl EventKind {
    /// Every kind, in the order of this documentation.
    pub const ALL: [Self; 7] = [
        Self::Spike,
        Self::Flood,
        Self::Exfiltration,
        Self::Drop,
        Self::Silence,
        Self::Shift,
        Self::Pattern,
    ];

    /// The name of the kind in labels and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::Flood => "flood",
            Self::Exfiltration => "exfiltration",
            Self::Drop => "drop",
            Self::Silence => "silence",
            Self::Shift => "shift",
            Self::Pattern => "pattern",
        }
    }

    /// Lowest and highest magnitude; see [`Event::magnitude`] for what it means.
    pub fn magnitudes(self) -> (f64, f64) {
        match self {
            Self::Spike => (20.0, 1_000.0),
            Self::Flood => (3.0, 10.0),
            Self::Exfiltration => (0.3, 1.0),
            Self::Drop => (0.1, 0.6),
            Self::Silence => (0.0, 1.0),
            Self::Shift => (0.4, 2.5),
            Self::Pattern => (0.35, 0.7),
        }
    }

    /// Shortest and longest duration that is drawn, in minutes.
    pub fn minutes(self) -> (f64, f64) {
        match self {
            Self::Spike => (3.0, 30.0),
            Self::Flood => (20.0, 240.0),
            Self::Exfiltration => (180.0, 720.0),
            Self::Drop => (15.0, 180.0),
            Self::Silence => (60.0, 720.0),
            Self::Shift => (1_440.0, 4_320.0),
            Self::Pattern => (120.0, 720.0),
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EventKind {
    type Err = Error;

    /// Reads a kind by its name.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::support::error::ErrorKind::Setting) where there is no such kind.
    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            setting(format!("event kind \"{name}\" is none of {known}"))
        })
    }
}

/// An event with its place in the series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// What happens.
    pub kind: EventKind,
    /// The first row that it touches, counted from 0.
    pub start_row: u64,
    /// How many rows it lasts.
    pub rows: u64,
    /// How strong it is, within [`EventKind::magnitudes`]:
    ///
    /// | kind | meaning |
    /// | --- | --- |
    /// | spike | traffic added in the highest row, in base levels |
    /// | flood | factor on the traffic at the height of the flood |
    /// | exfiltration | traffic added in each row, in mean levels of the event's span |
    /// | drop | share of the traffic that is left |
    /// | silence | share of the background that is left; heartbeats stop at any share |
    /// | shift | factor on the traffic |
    /// | pattern | share of the traffic added to, and taken from, two rows in turn |
    pub magnitude: f64,
}

impl Event {
    /// The row after the last that the event touches.
    pub fn end_row(&self) -> u64 {
        self.start_row.saturating_add(self.rows)
    }
}

/// What a row consists of, before rounding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    /// Ordinary users and machines.
    pub(super) background: f64,
    /// The heartbeat, 0 in most rows.
    pub(super) heartbeat: f64,
    /// What an event adds, in packets of `packet_bytes`, `packets_per_flow` to a flow.
    pub(super) added: f64,
    pub(super) packet_bytes: f64,
    pub(super) packets_per_flow: f64,
}

/// An event ready to act on rows.
#[derive(Debug, Clone)]
pub(super) struct Effect {
    pub(super) event: Event,
    seed: u64,
    base: f64,
    /// Mean expected level over the event's span.
    level: f64,
}

impl Effect {
    pub(super) fn new(event: Event, index: u64, spec: &TrafficSpec, rhythm: &Rhythm) -> Self {
        let (level, _) = levels(rhythm, spec, event.start_row, event.rows);
        Self {
            event,
            seed: subseed(spec.seed, Use::Event, index),
            base: spec.base_level,
            level,
        }
    }

    /// Changes the traffic of `row`, which lies within the event.
    pub(super) fn apply(&self, row: u64, parts: &mut Parts) {
        let Event {
            kind,
            start_row,
            rows,
            magnitude,
        } = self.event;
        let into = row - start_row;
        let jitter = unit_at(self.seed, into);
        // From 0 to 1 over the first `steps` rows, and back over the last.
        let ramp = |steps: u64| {
            let edge = (into + 1).min(rows - into).min(steps + 1);
            edge as f64 / (steps + 1) as f64
        };
        let ordinary = parts.background + parts.heartbeat;
        match kind {
            EventKind::Spike => {
                let top = rows * 3 / 10;
                let height = if into <= top {
                    (into + 1) as f64 / (top + 1) as f64
                } else {
                    (rows - into) as f64 / (rows - top) as f64
                };
                let ragged = if into == top {
                    1.0
                } else {
                    0.55 + 0.45 * jitter
                };
                parts.added = magnitude * self.base * height * ragged;
                parts.packet_bytes = 84.0;
                parts.packets_per_flow = 1.4;
            }
            EventKind::Flood => {
                let factor = (magnitude - 1.0) * ramp(rows / 8) * (0.85 + 0.15 * jitter);
                parts.added = ordinary * factor;
                parts.packet_bytes = 520.0;
                parts.packets_per_flow = 6.0;
            }
            EventKind::Exfiltration => {
                parts.added = magnitude * self.level * ramp(rows / 12) * (0.94 + 0.06 * jitter);
                parts.packet_bytes = 1_420.0;
                parts.packets_per_flow = 40_000.0;
            }
            EventKind::Drop => {
                let left = magnitude * (0.9 + 0.2 * jitter);
                parts.background *= left;
                parts.heartbeat *= left;
            }
            EventKind::Silence => {
                parts.background *= magnitude;
                if magnitude == 0.0 {
                    // Counters of a dead line still see a few broadcasts.
                    parts.background = self.base * 0.002 * jitter;
                }
                parts.heartbeat = 0.0;
            }
            EventKind::Shift => {
                parts.background *= magnitude;
                parts.heartbeat *= magnitude;
            }
            EventKind::Pattern => {
                let on = (into / 2).is_multiple_of(2);
                parts.background *= 1.0 + if on { magnitude } else { -magnitude };
            }
        }
    }
}

/// Places one event of each kind asked for, in seeded order, none touching another.
///
/// The first fifth of the series stays free, so that a detector has something to learn from. Long
/// events are shortened until all fit; each gets its own stretch of the series and a place drawn
/// within it, at an hour that suits it.
///
/// # Errors
/// `Setting` where not even events of one row would fit.
pub(super) fn place(
    kinds: &[EventKind],
    spec: &TrafficSpec,
    rhythm: &Rhythm,
) -> Result<Vec<Event>> {
    let head = spec.rows.div_ceil(5);
    let room = spec.rows - head;
    let count = kinds.len() as u64;
    if count == 0 {
        return Ok(Vec::new());
    }
    if room < 2 * count - 1 {
        return Err(setting(format!(
            "events: {count} do not fit into {} rows, of which the first {head} stay free; \
             at most {} do",
            spec.rows,
            room.div_ceil(2)
        )));
    }
    let mut chance = Stream::new(subseed(spec.seed, Use::Placing, 0));
    let mut order = kinds.to_vec();
    for last in (1..order.len()).rev() {
        order.swap(last, chance.up_to(last as u64) as usize);
    }

    let longest = (room / (2 * count)).max(1);
    let lengths: Vec<u64> = order
        .iter()
        .map(|kind| {
            let (low, high) = kind.minutes();
            let rows = chance.between(low, high) * 60e6 / spec.step_us as f64;
            (rows as u64).clamp(1, longest)
        })
        .collect();
    let weights: Vec<f64> = order.iter().map(|_| chance.between(0.4, 1.6)).collect();
    let all: f64 = weights.iter().sum();
    let slack = room - lengths.iter().sum::<u64>() - (count - 1);

    let mut events = Vec::with_capacity(order.len());
    let mut weight = 0.0;
    let mut given = 0;
    let mut free_from = head;
    for ((&kind, &rows), &own) in order.iter().zip(&lengths).zip(&weights) {
        weight += own;
        let until = ((slack as f64 * (weight / all)) as u64).clamp(given, slack);
        let share = until - given;
        given = until;
        events.push(settle(
            kind,
            free_from,
            share,
            rows,
            spec,
            rhythm,
            &mut chance,
        ));
        free_from += share + rows + 1;
    }
    Ok(events)
}

/// Chooses start and magnitude of an event of `rows` rows that may start at `from..=from + share`.
fn settle(
    kind: EventKind,
    from: u64,
    share: u64,
    rows: u64,
    spec: &TrafficSpec,
    rhythm: &Rhythm,
    chance: &mut Stream,
) -> Event {
    /// Enough that one of them falls into the night, if the stretch has a night.
    const TRIES: usize = 24;
    /// The logarithm of the ratio of the highest spike to the lowest.
    const LN_50: f64 = 3.912_023_005_428_146;
    let (low, high) = kind.magnitudes();
    let hidden = match kind {
        EventKind::Exfiltration => true,
        EventKind::Flood => chance.unit() < 0.5,
        _ => false,
    };
    let mut start_row = from + chance.up_to(share);
    let mut magnitude = match kind {
        // Even on a logarithmic scale: a spike of 30 is as likely as one of 300.
        EventKind::Spike => (low * exp(chance.unit() * LN_50)).min(high),
        EventKind::Silence => silence(rows, spec, chance),
        EventKind::Shift => {
            if chance.unit() < 0.5 {
                chance.between(low, 0.65)
            } else {
                chance.between(1.6, high)
            }
        }
        _ => chance.between(low, high),
    };
    if hidden {
        let mut highest = levels(rhythm, spec, start_row, rows).1;
        for _ in 1..TRIES {
            let other = from + chance.up_to(share);
            let level = levels(rhythm, spec, other, rows).1;
            if level < highest {
                (start_row, highest) = (other, level);
            }
        }
        // What the event may reach without standing out above an ordinary day.
        let ceiling = 0.85 * rhythm.daily_peak() / highest;
        let most = match kind {
            EventKind::Exfiltration => ceiling - 1.0,
            _ => ceiling,
        };
        magnitude = magnitude.min(most).max(low);
    }
    Event {
        kind,
        start_row,
        rows,
        magnitude,
    }
}

/// The share of background that a silence leaves: nothing, or everything but the heartbeat where
/// some beats fall into its span.
fn silence(rows: u64, spec: &TrafficSpec, chance: &mut Stream) -> f64 {
    let heartbeat_alone = chance.unit() < 0.5;
    let beats = spec
        .heartbeat
        .is_some_and(|heartbeat| rows / 2 > heartbeat.period_rows);
    if heartbeat_alone && beats { 1.0 } else { 0.0 }
}

/// Mean and highest expected level over `rows` rows from `start_row`, looked at in a few places.
fn levels(rhythm: &Rhythm, spec: &TrafficSpec, start_row: u64, rows: u64) -> (f64, f64) {
    const LOOKS: u64 = 16;
    let mut sum = 0.0;
    let mut highest = 0.0f64;
    for look in 0..LOOKS {
        let into = (rows as f64 * (look as f64 / (LOOKS - 1) as f64)) as u64;
        let row = start_row + into.min(rows - 1);
        let level = rhythm.level(spec.time_us(row));
        sum += level;
        highest = highest.max(level);
    }
    (sum / LOOKS as f64, highest)
}

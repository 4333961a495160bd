//! The rows of a traffic series one after another, and their form as CSV.

use std::io::{self, Write};

use super::chance::{Stream, Use, exp, subseed, unit_at};
use super::event::Parts;
use super::rhythm::Hour;
use super::{Columns, Heartbeat, Row, Traffic};
use crate::support::calendar::{DAY_US, TimeWriter};

/// Times after which the memory of noise and of a burst has faded, in microseconds.
const NOISE_MEMORY_US: f64 = 3_600e6;
const BURST_MEMORY_US: f64 = 720e6;

/// Bytes of an Ethernet payload, and of the smallest packet that carries anything.
const LARGEST_PACKET: u64 = 1_500;
const SMALLEST_PACKET: u64 = 40;

/// A row as it is written: the value in units of its last decimal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    pub(super) timestamp_us: i64,
    pub(super) scaled: u64,
    pub(super) packets: u64,
    pub(super) flows: u64,
}

/// Makes the rows in order, each from a few numbers of state.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    traffic: &'a Traffic,
    row: u64,
    time_us: i64,
    hour: Hour,
    hour_end_us: i64,

    noise: Stream,
    noise_memory: f64,
    noise_keep: f64,
    noise_gain: f64,

    bursts: Stream,
    burst: f64,
    burst_keep: f64,
    burst_row: u64,
    /// Most rows between two bursts, or none where there are no bursts.
    burst_gap: Option<u64>,

    heartbeat_seed: u64,
    beat: u64,
    beat_row: u64,

    /// The event under way or next to come, with its rows.
    event: usize,
    event_rows: std::ops::Range<u64>,

    packets: Option<Stream>,
    scale: f64,
}

impl<'a> Rows<'a> {
    pub(super) fn new(traffic: &'a Traffic) -> Self {
        let spec = traffic.spec();
        let seeded = |of| Stream::new(subseed(spec.seed, of, 0));
        let step_us = spec.step_us as f64;
        let noise_keep = 1.0 / (1.0 + step_us / NOISE_MEMORY_US);
        let hour = traffic.rhythm.hour(spec.start_us);

        let mut bursts = seeded(Use::Bursts);
        let burst_gap = (spec.bursts_per_day > 0.0).then(|| {
            let rows_a_day = DAY_US as f64 / step_us;
            ((2.0 * rows_a_day / spec.bursts_per_day) as u64).max(1)
        });
        let burst_row = burst_gap.map_or(u64::MAX, |gap| bursts.up_to(gap));

        let mut rows = Self {
            traffic,
            row: 0,
            time_us: spec.start_us,
            hour,
            hour_end_us: hour.end_us(),
            noise: seeded(Use::Noise),
            noise_memory: 0.0,
            noise_keep,
            noise_gain: (1.0 - noise_keep * noise_keep).sqrt(),
            bursts,
            burst: 0.0,
            burst_keep: 1.0 / (1.0 + step_us / BURST_MEMORY_US),
            burst_row,
            burst_gap,
            heartbeat_seed: subseed(spec.seed, Use::Heartbeat, 0),
            beat: 0,
            beat_row: u64::MAX,
            event: 0,
            event_rows: traffic.event_rows(0),
            packets: matches!(spec.columns, Columns::Counters).then(|| seeded(Use::Packets)),
            scale: [1.0, 10.0, 100.0, 1_000.0][usize::from(spec.decimals.min(3))],
        };
        if let Some(heartbeat) = spec.heartbeat {
            rows.beat_row = rows.row_of_beat(heartbeat);
        }
        rows
    }

    /// The next row; the caller counts them.
    #[inline]
    pub(super) fn step(&mut self) -> Counts {
        let spec = &self.traffic.spec;
        let timestamp_us = self.time_us;
        if timestamp_us >= self.hour_end_us {
            self.hour = self.traffic.rhythm.hour(timestamp_us);
            self.hour_end_us = self.hour.end_us();
        }
        let level = self.hour.level(timestamp_us);

        // One draw serves both the row's own noise and its memory.
        let draw = self.noise.bell();
        self.noise_memory = self.noise_keep * self.noise_memory + self.noise_gain * draw;
        let noise = exp(self.hour.deviation * (0.75 * draw + 0.65 * self.noise_memory));
        if self.row == self.burst_row {
            self.begin_burst();
        }
        let background = level * (noise + self.burst);
        self.burst *= self.burst_keep;

        let mut parts = Parts {
            background,
            heartbeat: 0.0,
            added: 0.0,
            packet_bytes: 1.0,
            packets_per_flow: 1.0,
        };
        if self.row == self.beat_row {
            parts.heartbeat = self.next_beat();
        }
        if self.row >= self.event_rows.start {
            self.traffic.effects[self.event].apply(self.row, &mut parts);
            if self.row + 1 == self.event_rows.end {
                self.event += 1;
                self.event_rows = self.traffic.event_rows(self.event);
            }
        }

        let ordinary = parts.background + parts.heartbeat;
        let bytes = ordinary + parts.added;
        let mut counts = Counts {
            timestamp_us,
            scaled: (bytes * self.scale + 0.5) as u64,
            packets: 0,
            flows: 0,
        };
        if let Some(packets) = &mut self.packets {
            count_packets(&parts, packets, &mut counts);
        }
        self.row += 1;
        self.time_us = timestamp_us.wrapping_add(spec.step_us);
        counts
    }

    /// Downloads, backups, crawlers: bursts that belong to ordinary traffic, few of them high.
    #[cold]
    fn begin_burst(&mut self) {
        self.burst += 0.16 / (self.bursts.unit() + 0.12);
        if let Some(gap) = self.burst_gap {
            self.burst_row = self.row + 1 + self.bursts.up_to(gap - 1);
        }
    }

    /// The height of the beat of this row, and the row of the next.
    #[cold]
    fn next_beat(&mut self) -> f64 {
        let Some(heartbeat) = self.traffic.spec.heartbeat else {
            return 0.0;
        };
        let chance = unit_at(self.heartbeat_seed, 2 * self.beat + 1);
        // Most beats are alike to a few percent, one in forty carries more.
        let height = if chance < 0.025 {
            1.25
        } else {
            0.98 + 0.04 * chance
        };
        self.beat += 1;
        self.beat_row = self.row_of_beat(heartbeat);
        height * heartbeat.height * self.traffic.spec.base_level
    }

    /// One beat in sixteen falls past the end of its interval, so that the next row counts it.
    fn row_of_beat(&self, heartbeat: Heartbeat) -> u64 {
        let late = unit_at(self.heartbeat_seed, 2 * self.beat) < 1.0 / 16.0;
        self.beat * heartbeat.period_rows + u64::from(late)
    }
}

/// Packets and flows that go with the bytes of a row.
fn count_packets(parts: &Parts, chance: &mut Stream, counts: &mut Counts) {
    let ordinary = (parts.background + parts.heartbeat) / chance.between(640.0, 780.0);
    let added = parts.added / parts.packet_bytes;
    let flows = ordinary / chance.between(15.0, 24.0) + added / parts.packets_per_flow;
    let fewest = counts.scaled.div_ceil(LARGEST_PACKET);
    let most = (counts.scaled / SMALLEST_PACKET).max(fewest);
    counts.packets = ((ordinary + added + 0.5) as u64).clamp(fewest, most);
    counts.flows = ((flows + 0.5) as u64).clamp(counts.packets.min(1), counts.packets);
}

/// Writes header and rows to `out` in blocks.
pub(super) fn write_csv(traffic: &Traffic, out: &mut dyn Write) -> io::Result<()> {
    /// Large enough that a write costs nothing beside making its rows.
    const BLOCK: usize = 64 * 1024;
    /// No row is longer: a time and three numbers of at most 20 digits with their marks.
    const LONGEST_ROW: usize = 128;
    let spec = traffic.spec();
    let mut block = Vec::with_capacity(BLOCK + LONGEST_ROW);
    block.extend_from_slice(spec.columns.header().as_bytes());
    let mut times = TimeWriter::new();
    let mut rows = Rows::new(traffic);
    for _ in 0..spec.rows {
        let counts = rows.step();
        times.write_utc(counts.timestamp_us, &mut block);
        block.push(b',');
        push_number(counts.scaled, spec.decimals, &mut block);
        if matches!(spec.columns, Columns::Counters) {
            block.push(b',');
            push_number(counts.packets, 0, &mut block);
            block.push(b',');
            push_number(counts.flows, 0, &mut block);
        }
        block.push(b'\n');
        if block.len() >= BLOCK {
            out.write_all(&block)?;
            block.clear();
        }
    }
    out.write_all(&block)
}

/// Appends `number / 10^decimals` with exactly `decimals` decimals, at most 19.
#[inline]
fn push_number(mut number: u64, decimals: u8, out: &mut Vec<u8>) {
    let mut text = [b'0'; 24];
    let mut start = text.len();
    if decimals > 0 {
        for _ in 0..decimals {
            start -= 1;
            text[start] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        start -= 1;
        text[start] = b'.';
    }
    while number >= 100 {
        start -= 2;
        let pair = (number % 100) as u8;
        text[start] = b'0' + pair / 10;
        text[start + 1] = b'0' + pair % 10;
        number /= 100;
    }
    if number >= 10 {
        start -= 2;
        text[start] = b'0' + (number / 10) as u8;
        text[start + 1] = b'0' + (number % 10) as u8;
    } else {
        start -= 1;
        text[start] = b'0' + number as u8;
    }
    out.extend_from_slice(&text[start..]);
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        if self.row >= self.traffic.spec.rows {
            return None;
        }
        let counts = self.step();
        Some(Row {
            timestamp_us: counts.timestamp_us,
            value: counts.scaled as f64 / self.scale,
            packets: counts.packets,
            flows: counts.flows,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.traffic.spec.rows - self.row).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_library_writes_them() {
        let mut number = 1u64;
        for _ in 0..64 {
            for near in [number - 1, number, number + 9] {
                let mut whole = Vec::new();
                push_number(near, 0, &mut whole);
                assert_eq!(whole, near.to_string().as_bytes());
                let mut hundredths = Vec::new();
                push_number(near, 2, &mut hundredths);
                let expected = format!("{}.{:02}", near / 100, near % 100);
                assert_eq!(hundredths, expected.as_bytes());
            }
            number = number.saturating_mul(2).min(u64::MAX - 9);
        }
    }
}

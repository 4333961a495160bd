//! Makes labelled record logs: what the hosts of a network do, in the formats that real exporters write.
//!
//! In: a [`LogSpec`]. Out: a file, or the parts of a rotated log under the names that each exporter gives them, and
//! [`LogLabels`] that say what happened to which host. The network is made step by step, each step from the seed
//! and its number alone: parts are written side by side, memory does not grow with the log, and the
//! records are the same on every machine.

mod access;
mod event;
mod network;
mod nfdump;
mod suricata;
mod text;
mod vpc;
mod zeek;

use std::fmt;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::event::HostEvent;
use self::network::{Flow, Network};
use super::{Labels, Sink, setting, within};
use crate::support::calendar::{DAY_US, HOUR_US, LATEST_US, MINUTE_US, days_from_civil, iso_text};
use crate::support::error::Result;
use crate::support::text::printable;

pub use self::event::HostEventKind;

/// A network is made in steps of five minutes.
const STEP_US: i64 = 5 * MINUTE_US;

/// What log to make.
///
/// The default is ten days of Zeek's connection log in one file, a million records of a hundred hosts from Monday,
/// 2026-03-02, with one event of each kind.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSpec {
    /// Who writes it.
    pub format: LogFormat,
    /// How many hosts there are, 10 to 10,000.
    pub hosts: usize,
    /// About how many records the log has in all, events apart; 1 to 10^11.
    pub records: u64,
    /// Its first moment in microseconds since 1970 UTC, a whole hour.
    pub start_us: i64,
    /// How many hours it lasts, 1 to 87,600.
    pub hours: u64,
    /// Whether and how often a new part begins.
    pub rotation: Rotation,
    /// Seed of everything that is left to chance.
    pub seed: u64,
    /// What happens, each at a host of its own, in the second half of the log.
    pub events: Vec<HostEventKind>,
}

/// Who writes a record log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Zeek's `conn.log`, tab-separated.
    #[default]
    Zeek,
    /// AWS VPC flow logs, version 2, as text.
    Vpc,
    /// `nfdump -o csv`, up to version 1.7.1.
    Nfdump,
    /// Suricata's `eve.json`: flows, and now and then statistics.
    Suricata,
    /// A web server's access log, combined format.
    Access,
}

/// Whether and how often a new part of a log begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rotation {
    /// Never: one file.
    #[default]
    Never,
    /// A gzipped part each hour.
    Hourly,
    /// A gzipped part each day.
    Daily,
}

impl Default for LogSpec {
    fn default() -> Self {
        Self {
            format: LogFormat::Zeek,
            hosts: 100,
            records: 1_000_000,
            start_us: days_from_civil(2026, 3, 2) * DAY_US,
            hours: 240,
            rotation: Rotation::Never,
            seed: 42,
            events: HostEventKind::ALL.to_vec(),
        }
    }
}

/// The record log that ships with isoscan, as hourly parts: four days of a small network.
pub fn sample_log() -> LogSpec {
    LogSpec {
        hosts: 20,
        records: 5_000,
        hours: 96,
        rotation: Rotation::Hourly,
        seed: 11,
        events: vec![
            HostEventKind::Exfiltration,
            HostEventKind::Scan,
            HostEventKind::Silence,
        ],
        ..LogSpec::default()
    }
}

impl LogSpec {
    fn steps(&self) -> u64 {
        self.hours * (HOUR_US / STEP_US) as u64
    }

    fn check(&self) -> Result<()> {
        within("hosts", self.hosts, 10, 10_000)?;
        within("records", self.records, 1, 100_000_000_000)?;
        within("hours", self.hours, 1, 87_600)?;
        let latest = LATEST_US - self.hours as i64 * HOUR_US;
        within("start_us", self.start_us, 0, latest)?;
        if self.start_us % HOUR_US != 0 {
            return Err(setting(format!(
                "start_us {} is not a whole hour",
                self.start_us
            )));
        }
        within("the number of events", self.events.len(), 0, self.hosts / 4)
    }
}

impl LogFormat {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zeek => "zeek",
            Self::Vpc => "vpc",
            Self::Nfdump => "nfdump",
            Self::Suricata => "suricata",
            Self::Access => "access",
        }
    }

    fn writer(self) -> &'static dyn Writer {
        match self {
            Self::Zeek => &zeek::Zeek,
            Self::Vpc => &vpc::Vpc,
            Self::Nfdump => &nfdump::Nfdump,
            Self::Suricata => &suricata::Suricata,
            Self::Access => &access::Access,
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How an exporter writes a log.
trait Writer: Sync {
    /// What stands at the start of a file.
    fn head(&self, _start_us: i64, _out: &mut Vec<u8>) {}

    /// A flow: one record, or one for each direction.
    fn flow(&self, flow: &Flow, out: &mut Vec<u8>);

    /// What stands at the end of a file.
    fn foot(&self, _end_us: i64, _out: &mut Vec<u8>) {}

    /// The log's name: that of its parts without date, time and packing.
    fn name(&self) -> &'static str;

    /// The name of the gzipped part that begins at `start_us`.
    fn part_name(&self, start_us: i64, rotation: Rotation) -> String;
}

/// What happened in a generated log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLabels {
    /// The log's name: that of the file, or that which the parts have in common.
    pub file: String,
    /// The events by their start.
    pub events: Vec<HostLabel>,
}

/// What happened to one host, or to the log as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostLabel {
    /// Its first moment, as `YYYY-MM-DDTHH:MM:SSZ`.
    pub start: String,
    /// Its end, in the same form.
    pub end: String,
    /// What happened.
    pub kind: HostEventKind,
    /// The key that its series belongs to: `src`, `dst`, `client`, or `total` for the log as a whole.
    pub by: String,
    /// The host's address; empty for the log as a whole.
    pub entity: String,
}

/// A checked [`LogSpec`] with its network built and its events placed: the log itself, of which no record is
/// stored.
#[derive(Debug)]
pub struct RecordLog {
    spec: LogSpec,
    network: Network,
    events: Vec<HostEvent>,
}

/// Steps that are made side by side at a time for a single file.
const BATCH: u64 = 64;

impl RecordLog {
    /// Checks `spec` and places its events.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting), naming field and value, where a field is outside the
    /// range that its documentation gives.
    pub fn new(spec: LogSpec) -> Result<Self> {
        spec.check()?;
        let network = Network::new(&spec);
        let events = event::place(&spec, &network);
        Ok(Self {
            spec,
            network,
            events,
        })
    }

    /// What happens in it; `file` is the log's name.
    pub fn labels(&self, file: impl Into<String>) -> LogLabels {
        let events = self.events.iter().map(|event| HostLabel {
            start: iso_text(event.start_us),
            end: iso_text(event.end_us),
            kind: event.kind,
            by: event.by(self.spec.format).to_owned(),
            entity: if event.is_of_all() {
                String::new()
            } else {
                let mut address = Vec::new();
                text::address(&mut address, self.network.hosts[event.host].address);
                String::from_utf8_lossy(&address).into_owned()
            },
        });
        LogLabels {
            file: file.into(),
            events: events.collect(),
        }
    }

    /// Writes the whole log as one file; steps are made on all threads of rayon's current pool.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let writer = self.spec.format.writer();
        let mut text = Vec::new();
        writer.head(self.spec.start_us, &mut text);
        out.write_all(&text)?;
        let steps = self.spec.steps();
        for first in (0..steps).step_by(BATCH as usize) {
            let batch: Vec<Vec<u8>> = (first..steps.min(first + BATCH))
                .into_par_iter()
                .map(|step| {
                    let mut text = Vec::new();
                    self.write_step(step, &mut Vec::new(), &mut text);
                    text
                })
                .collect();
            batch.iter().try_for_each(|text| out.write_all(text))?;
        }
        text.clear();
        writer.foot(self.time_us(steps), &mut text);
        out.write_all(&text)
    }

    /// Writes the part that spans `steps`, with head and foot.
    fn write_part(&self, steps: Range<u64>, out: &mut dyn Write) -> io::Result<()> {
        let writer = self.spec.format.writer();
        let (mut flows, mut text) = (Vec::new(), Vec::new());
        writer.head(self.time_us(steps.start), &mut text);
        let end = steps.end;
        for step in steps {
            self.write_step(step, &mut flows, &mut text);
            out.write_all(&text)?;
            text.clear();
        }
        writer.foot(self.time_us(end), &mut text);
        out.write_all(&text)
    }

    fn write_step(&self, step: u64, flows: &mut Vec<Flow>, text: &mut Vec<u8>) {
        self.network.step(step, flows);
        for event in &self.events {
            event.apply(&self.network, self.time_us(step), flows);
        }
        // Records are written when flows end.
        flows.sort_by_key(|flow| (flow.end_us, flow.bits));
        let writer = self.spec.format.writer();
        for flow in flows {
            writer.flow(flow, text);
        }
    }

    fn time_us(&self, step: u64) -> i64 {
        self.spec.start_us + step as i64 * STEP_US
    }

    /// The steps of each part of a rotated log.
    fn parts(&self) -> Vec<Range<u64>> {
        let period_us = match self.spec.rotation {
            Rotation::Never => i64::MAX,
            Rotation::Hourly => HOUR_US,
            Rotation::Daily => DAY_US,
        };
        let steps = self.spec.steps();
        let mut parts = Vec::new();
        let mut start = 0;
        while start < steps {
            let left_us = period_us - self.time_us(start).rem_euclid(period_us);
            let end = steps.min(start + (left_us / STEP_US) as u64);
            parts.push(start..end);
            start = end;
        }
        parts
    }
}

/// Makes a log and writes it to `path`: a file (gzipped where its name ends in `.gz`), or with a rotation the folder
/// of its parts. The labels lie beside it, as `<log>.labels.json`. Returns them with their path.
///
/// # Errors
/// Those of [`RecordLog::new`] and of `sink`; parts that were finished before an error stay.
pub fn write_log(spec: LogSpec, path: &Path, sink: &Sink<'_>) -> Result<(PathBuf, LogLabels)> {
    let log = RecordLog::new(spec)?;
    let rotation = log.spec.rotation;
    let (labels, labels_path);
    if rotation == Rotation::Never {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let packed = path.extension().is_some_and(|extension| extension == "gz");
        sink(path, &mut |out| {
            if packed {
                packed_into(out, |out| log.write(out))
            } else {
                log.write(out)
            }
        })?;
        let plain = if packed {
            path.with_extension("")
        } else {
            path.to_path_buf()
        };
        labels = log.labels(printable(&name.to_string_lossy()).trim_end_matches(".gz"));
        labels_path = Labels::path_for(&plain);
    } else {
        let writer = log.spec.format.writer();
        log.parts().into_par_iter().try_for_each(|steps| {
            let part = path.join(writer.part_name(log.time_us(steps.start), rotation));
            sink(&part, &mut |out| {
                packed_into(out, |out| log.write_part(steps.clone(), out))
            })
        })?;
        labels = log.labels(writer.name());
        labels_path = Labels::path_for(&path.join(writer.name()));
    }
    sink(&labels_path, &mut |mut out| {
        serde_json::to_writer_pretty(&mut out, &labels)?;
        out.write_all(b"\n")
    })?;
    Ok((labels_path, labels))
}

fn packed_into(
    out: &mut dyn Write,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut packed = GzEncoder::new(out, Compression::new(6));
    write(&mut packed)?;
    packed.finish().map(drop)
}

#[cfg(test)]
mod tests;

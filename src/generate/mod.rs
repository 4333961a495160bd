//! Makes labelled synthetic network traffic: for demonstrations, tests and benchmarks.
//!
//! In: a [`TrafficSpec`]. Out: rows, CSV of any size in constant memory, and [`Labels`] that say what
//! was put where. The caller supplies the writer, or a [`Sink`] that opens one.
//!
//! Ordinary traffic is a working day's rhythm with a weaker weekend, moods of single days and hours,
//! noise that is relatively stronger in quiet hours and remembers about an hour, bursts that mean
//! nothing, and a heartbeat if asked for. Events come on top, from chance of their own: a row outside
//! every event is the same as without events.
//!
//! The bytes are a function of the spec alone, on every machine: all numbers come from seeded integers by
//! addition, multiplication, division and square root, whose results IEEE 754 fixes to the last bit.
//!
//! ```
//! use isoscan::generate::{EventKind, EventPlan, Traffic, TrafficSpec};
//! let traffic = Traffic::new(TrafficSpec {
//!     rows: 2_000,
//!     events: EventPlan::Seeded(vec![EventKind::Spike]),
//!     ..TrafficSpec::default()
//! })?;
//! let spike = traffic.events().next().unwrap();
//! let values: Vec<f64> = traffic.rows().map(|row| row.value).collect();
//! let highest = values.iter().copied().fold(0.0, f64::max);
//! let at = values.iter().position(|&value| value == highest).unwrap() as u64;
//! assert!((spike.start_row..spike.end_row()).contains(&at));
//! # Ok::<(), isoscan::Error>(())
//! ```

mod chance;
mod event;
mod labels;
pub mod records;
mod rhythm;
mod rows;
mod sample;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use self::chance::{Use, subseed};
use self::event::Effect;
use self::rhythm::Rhythm;
use self::rows::Rows;
use crate::support::calendar::{DAY_US, EARLIEST_US, LATEST_US, SECOND_US, days_from_civil};
use crate::support::error::{Error, ErrorKind, Result};

pub use self::event::{Event, EventKind};
pub use self::labels::{Label, Labels};
pub use self::sample::{SampleFile, sample, write_sample};

/// What traffic to make.
///
/// The default is two weeks of an office line at five minutes, from Monday, 2026-03-02, with a spike, a
/// flood, an exfiltration, a drop and a silence.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficSpec {
    /// How many rows, 1 to 10^12.
    pub rows: u64,
    /// Time of the first row in microseconds since 1970 UTC, a whole second of the years 1 to 9999.
    pub start_us: i64,
    /// Time from row to row in microseconds, whole seconds.
    pub step_us: i64,
    /// Seed of everything that is left to chance.
    pub seed: u64,
    /// Mean value of a working day, 1 to 10^12. Take 100 or more, or whole numbers hide small events.
    pub base_level: f64,
    /// Strength of the daily rhythm: 0 none, 1 a night of a fifth of the afternoon.
    pub daily_rhythm: f64,
    /// Strength of the weekly rhythm: 0 none, 1 a weekend of about 60 % of the week.
    pub weekly_rhythm: f64,
    /// Standard deviation of the noise at the base level, as a share of the level, 0 to 1.
    pub noise: f64,
    /// Harmless bursts in a day on average, 0 to 10,000; each fades within half an hour or so.
    pub bursts_per_day: f64,
    /// A sender that reports at fixed intervals.
    pub heartbeat: Option<Heartbeat>,
    /// Columns of the CSV.
    pub columns: Columns,
    /// Decimals of the value, 0 to 3; 0 with [`Columns::Counters`].
    pub decimals: u8,
    /// What happens, and where.
    pub events: EventPlan,
}

/// A sender that reports every `period_rows` rows, now and then a row late.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heartbeat {
    /// Rows from beat to beat, 2 to 10^6.
    pub period_rows: u64,
    /// Traffic of a beat in base levels, above 0 and at most 1,000.
    pub height: f64,
}

/// The columns of a generated CSV, after `timestamp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Columns {
    /// `value`: bytes in each interval.
    #[default]
    Value,
    /// `bytes,packets,flows`: the same bytes, packets of 40 to 1,500 bytes, no more flows than
    /// packets. Attacks come in small packets and many flows, exfiltration in few of either.
    Counters,
}

/// Which events there are, and who places them.
#[derive(Debug, Clone, PartialEq)]
pub enum EventPlan {
    /// One event for each entry, placed by the seed after the first fifth of the series.
    Seeded(Vec<EventKind>),
    /// Events placed by hand: in time order, none touching the next, within the series.
    Placed(Vec<Event>),
}

/// One row of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Microseconds since 1970 UTC.
    pub timestamp_us: i64,
    /// Bytes in the interval, rounded to the decimals asked for.
    pub value: f64,
    /// Packets in the interval; 0 without [`Columns::Counters`].
    pub packets: u64,
    /// Flows in the interval; 0 without [`Columns::Counters`].
    pub flows: u64,
}

/// A checked [`TrafficSpec`] with its events placed: the series itself, of which no row is stored.
#[derive(Debug, Clone)]
pub struct Traffic {
    spec: TrafficSpec,
    rhythm: Rhythm,
    effects: Vec<Effect>,
}

/// Writes the content of one file: called once, with the file opened.
pub type Fill<'a> = dyn FnMut(&mut dyn Write) -> io::Result<()> + 'a;

/// Puts a file of the given path on disk, whole or not at all, with the content that the [`Fill`] writes.
///
/// Called from several threads at a time by [`write_files`]. The path's folder may not exist yet.
pub type Sink<'a> = dyn Fn(&Path, &mut Fill<'_>) -> Result<()> + Sync + 'a;

impl Default for TrafficSpec {
    fn default() -> Self {
        Self {
            rows: 14 * 288,
            start_us: days_from_civil(2026, 3, 2) * DAY_US,
            step_us: 300 * SECOND_US,
            seed: 42,
            base_level: 250_000.0,
            daily_rhythm: 0.9,
            weekly_rhythm: 0.8,
            noise: 0.12,
            bursts_per_day: 6.0,
            heartbeat: None,
            columns: Columns::Value,
            decimals: 0,
            events: EventPlan::Seeded(vec![
                EventKind::Spike,
                EventKind::Flood,
                EventKind::Exfiltration,
                EventKind::Drop,
                EventKind::Silence,
            ]),
        }
    }
}

impl TrafficSpec {
    /// Time of `row` in microseconds since 1970 UTC.
    pub fn time_us(&self, row: u64) -> i64 {
        self.start_us
            .saturating_add(self.step_us.saturating_mul(row as i64))
    }

    /// The spec of file `number` of many: the same in everything but the seed.
    pub fn for_file(&self, number: u64) -> Self {
        Self {
            seed: subseed(self.seed, Use::File, number),
            ..self.clone()
        }
    }

    fn check(&self) -> Result<()> {
        const MOST_ROWS: u64 = 1_000_000_000_000;
        within("rows", self.rows, 1, MOST_ROWS)?;
        within("base_level", self.base_level, 1.0, 1e12)?;
        within("daily_rhythm", self.daily_rhythm, 0.0, 1.0)?;
        within("weekly_rhythm", self.weekly_rhythm, 0.0, 1.0)?;
        within("noise", self.noise, 0.0, 1.0)?;
        within("bursts_per_day", self.bursts_per_day, 0.0, 1e4)?;
        within("decimals", self.decimals, 0, 3)?;
        if self.decimals > 0 && self.columns == Columns::Counters {
            return Err(setting(format!(
                "decimals {} do not go with counters, which are whole numbers: set decimals to 0",
                self.decimals
            )));
        }
        if let Some(heartbeat) = self.heartbeat {
            within("heartbeat.period_rows", heartbeat.period_rows, 2, 1_000_000)?;
            within("heartbeat.height", heartbeat.height, f64::MIN_POSITIVE, 1e3)?;
        }
        within("step_us", self.step_us, SECOND_US, LATEST_US)?;
        within("start_us", self.start_us, EARLIEST_US, LATEST_US)?;
        for (name, value) in [("start_us", self.start_us), ("step_us", self.step_us)] {
            if value % SECOND_US != 0 {
                return Err(setting(format!(
                    "{name} {value} is not a whole number of seconds"
                )));
            }
        }
        if self.time_us(self.rows - 1) > LATEST_US {
            return Err(setting(format!(
                "rows {} from start_us {} on at step_us {} end after the year 9999",
                self.rows, self.start_us, self.step_us
            )));
        }
        Ok(())
    }

    /// Checks events that were placed by hand.
    fn check_placed(&self, events: &[Event]) -> Result<()> {
        let mut free_from = 0;
        for (index, event) in events.iter().enumerate() {
            let field = |name: &str| format!("events[{index}].{name}");
            within(&field("rows"), event.rows, 1, self.rows)?;
            let last_start = self.rows - event.rows;
            within(&field("start_row"), event.start_row, free_from, last_start)?;
            let (low, high) = event.kind.magnitudes();
            within(&field("magnitude"), event.magnitude, low, high)?;
            if event.kind == EventKind::Silence && event.magnitude == 1.0 {
                let period_rows = self.heartbeat.map(|heartbeat| heartbeat.period_rows);
                if period_rows.is_none_or(|period_rows| event.rows <= period_rows) {
                    return Err(setting(format!(
                        "{} 1 silences the heartbeat alone, and no beat is sure to fall into {} rows",
                        field("magnitude"),
                        event.rows
                    )));
                }
            }
            free_from = event.end_row() + 1;
        }
        Ok(())
    }
}

impl Columns {
    /// The first line of the CSV, with its line feed.
    fn header(self) -> &'static str {
        match self {
            Self::Value => "timestamp,value\n",
            Self::Counters => "timestamp,bytes,packets,flows\n",
        }
    }
}

impl Traffic {
    /// Checks `spec` and places its events.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`], naming field and value, where a field is outside the range that its
    /// documentation gives, the series would end after the year 9999, or the events do not fit.
    pub fn new(spec: TrafficSpec) -> Result<Self> {
        spec.check()?;
        let rhythm = Rhythm::new(&spec);
        let events = match &spec.events {
            EventPlan::Seeded(kinds) => event::place(kinds, &spec, &rhythm)?,
            EventPlan::Placed(events) => {
                spec.check_placed(events)?;
                events.clone()
            }
        };
        let effects = events
            .into_iter()
            .zip(0..)
            .map(|(event, index)| Effect::new(event, index, &spec, &rhythm))
            .collect();
        Ok(Self {
            spec,
            rhythm,
            effects,
        })
    }

    /// The spec that the series was made from.
    pub fn spec(&self) -> &TrafficSpec {
        &self.spec
    }

    /// The events in time order.
    pub fn events(&self) -> impl ExactSizeIterator<Item = &Event> {
        self.effects.iter().map(|effect| &effect.event)
    }

    /// The rows in time order, made one by one: the same numbers as in the CSV.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        Rows::new(self)
    }

    /// Writes the series as CSV with a header, `YYYY-MM-DD HH:MM:SS` for times, in blocks of 64 KiB.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_csv(&self, out: &mut dyn Write) -> io::Result<()> {
        rows::write_csv(self, out)
    }

    /// The rows of event `index`; none where there is no such event.
    fn event_rows(&self, index: usize) -> std::ops::Range<u64> {
        self.effects
            .get(index)
            .map_or(u64::MAX..u64::MAX, |effect| {
                effect.event.start_row..effect.event.end_row()
            })
    }
}

/// Makes one series and writes it to `path`, with its labels beside it.
///
/// # Errors
/// Those of [`Traffic::new`] and of `sink`.
pub fn write_file(spec: TrafficSpec, path: &Path, sink: &Sink<'_>) -> Result<Labels> {
    let traffic = Traffic::new(spec)?;
    let name = path.file_name().unwrap_or(path.as_os_str());
    let labels = Labels::new(name.to_string_lossy(), &traffic);
    sink(path, &mut |out| traffic.write_csv(out))?;
    sink(&Labels::path_for(path), &mut |out| labels.write_json(out))?;
    Ok(labels)
}

/// Makes `files` series and writes them to `folder` as `traffic-0001.csv` and so on, each with its
/// labels beside it, on all threads of rayon's current pool.
///
/// Each file has a seed of its own, made from `spec.seed` and the file's number: the first files of a
/// thousand are the same as those of a hundred, but for the width of the number from 10,000 files on.
///
/// # Errors
/// `Setting` where `files` is outside 1 to 1,000,000, and those of [`write_file`]; files that were
/// finished before an error stay.
pub fn write_files(spec: &TrafficSpec, files: u64, folder: &Path, sink: &Sink<'_>) -> Result<()> {
    within("files", files, 1, 1_000_000)?;
    Traffic::new(spec.for_file(1))?;
    (1..=files).into_par_iter().try_for_each(|number| {
        let path = folder.join(file_name(number, files));
        write_file(spec.for_file(number), &path, sink).map(drop)
    })
}

/// The name of file `number` of `files`: as many digits as the last needs, four at least.
fn file_name(number: u64, files: u64) -> PathBuf {
    let digits = files.to_string().len().max(4);
    PathBuf::from(format!("traffic-{number:0digits$}.csv"))
}

fn setting(message: String) -> Error {
    Error::new(ErrorKind::Setting, message)
}

/// Checks that `value` lies in `low..=high`; NaN does not.
fn within<T>(name: &str, value: T, low: T, high: T) -> Result<()>
where
    T: PartialOrd + std::fmt::Display + std::fmt::Debug,
{
    if value >= low && value <= high {
        return Ok(());
    }
    Err(setting(format!(
        "{name} {value:?} is outside [{low:?}, {high:?}]"
    )))
}

#[cfg(test)]
mod tests;

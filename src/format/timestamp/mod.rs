//! Timestamp cells to microseconds since 1970 UTC.
//!
//! In: the bytes of a cell. Out: an `i64`, or nothing where the cell is no time of the column's form. The form
//! is recognised once, from sample cells, or named by the user; every cell is then read by that form alone,
//! by a parser of a few nanoseconds a cell. Which column holds the times is left to the caller.

mod civil;
pub(in crate::format) mod digits;
mod epoch;
mod format;
mod parser;
mod zone;

use std::sync::Arc;

pub use self::epoch::EpochUnit;
pub use self::parser::TimeParser;
pub(super) use self::zone::LocalClock;
pub use self::zone::Zone;

pub(in crate::format) use self::epoch::decimal_us;
use self::epoch::{Decimal, EpochReader};
use self::format::Format;
use self::parser::Reader;
use crate::support::error::{Result, printable};

/// How a column writes its times, and the zone of those that name none.
///
/// Within one form cells may differ in what they spell out: seconds, fraction and zone may be there or not.
/// The forms are
///
/// - ISO 8601: `2026-01-31`, alone or with `T`, `t` or blanks and `HH:MM[:SS[.fraction]]`, then nothing, `Z`,
///   ` UTC` or an offset (`+02:00`, `+0200`, `+02`); the fraction has up to nine digits behind a point or comma;
/// - the same with slashes, `2026/01/31 12:00:00`;
/// - access log: `31/Jan/2026:12:00:00 +0100`, also within square brackets;
/// - epoch: seconds, milliseconds, microseconds or nanoseconds since 1970 as whole or decimal numbers;
/// - a strftime format.
#[derive(Debug, Clone)]
pub struct TimeForm {
    shape: Shape,
    zone: Zone,
    /// How a sample is written, in the fields of strftime; empty for epoch numbers.
    pattern: String,
}

#[derive(Debug, Clone)]
enum Shape {
    /// The byte between year, month and day.
    Iso(u8),
    AccessLog,
    Epoch(EpochUnit),
    Format(Arc<Format>),
}

/// The forms that cells are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Iso(u8),
    AccessLog,
    Number,
    /// `YYYYMMDDHHMMSS`: as an epoch number it would be milliseconds after the year 2500.
    Compact,
}

const ISO: &str = "%Y-%m-%d %H:%M:%S";
const COMPACT: &str = "%Y%m%d%H%M%S";

impl TimeForm {
    /// The form that the most of `samples` fit; of equally many the one that was seen first.
    ///
    /// Returns `None` when no sample fits any form. Epoch numbers get the unit of their median magnitude, by
    /// [`EpochUnit::of_magnitude`], so that any column of numbers passes for times: whether a column holds
    /// times at all is for the caller to say.
    /// Fourteen digits that spell a date from 1970 to 2099 and a clock (`20260131120000`) are read as such.
    ///
    /// ```
    /// use isoscan::format::timestamp::{TimeForm, Zone};
    /// let samples: [&[u8]; 2] = [b"2026-01-31 12:00:00", b"2026-01-31 12:00:01"];
    /// let form = TimeForm::recognise(samples, Zone::UTC).unwrap();
    /// assert_eq!(form.describe(), "ISO 8601, e.g. %Y-%m-%d %H:%M:%S");
    /// assert_eq!(form.parser().parse(b"1970-01-01 00:01:00"), Some(60_000_000));
    /// ```
    pub fn recognise<'a>(samples: impl IntoIterator<Item = &'a [u8]>, zone: Zone) -> Option<Self> {
        let compact = Format::compile(COMPACT).ok()?;
        let mut seen: Vec<(Look, &[u8], usize)> = Vec::new();
        let mut sizes = Vec::new();
        for sample in samples {
            let sample = sample.trim_ascii();
            let Some(look) = look(sample, &compact, &mut sizes) else {
                continue;
            };
            match seen.iter_mut().find(|(other, ..)| *other == look) {
                Some((.., count)) => *count += 1,
                None => seen.push((look, sample, 1)),
            }
        }
        let most = seen.iter().map(|&(.., count)| count).max()?;
        let &(look, sample, _) = seen.iter().find(|&&(.., count)| count == most)?;
        let (shape, pattern) = match look {
            Look::Iso(separator) => {
                let date = format!("%Y{0}%m{0}%d", char::from(separator));
                (
                    Shape::Iso(separator),
                    date + &civil::describe_clock(sample, 10),
                )
            }
            Look::AccessLog => {
                let inner = match sample {
                    [b'[', inner @ .., b']'] => inner.trim_ascii(),
                    _ => sample,
                };
                let date = String::from("%d/%b/%Y");
                (Shape::AccessLog, date + &civil::describe_clock(inner, 11))
            }
            Look::Number => {
                sizes.sort_by(f64::total_cmp);
                let median = sizes.get(sizes.len() / 2)?;
                (
                    Shape::Epoch(EpochUnit::of_magnitude(*median)),
                    String::new(),
                )
            }
            Look::Compact => (Shape::Format(Arc::new(compact)), COMPACT.to_owned()),
        };
        Some(Self {
            shape,
            zone,
            pattern,
        })
    }

    /// The form that the user named: a strftime format, or one of the words `iso`, `epoch_s`, `epoch_ms`,
    /// `epoch_us` and `epoch_ns`.
    ///
    /// The fields are chrono's, with two readings of our own: `.%f` is a fraction of any length, as `%.f` is, and
    /// a `Z` that ends the format right behind the clock means UTC. A format without a clock gives midnights.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::support::error::ErrorKind::Setting), naming the format, when it has an unknown field,
    /// none at all, or does not say year, month and day.
    pub fn from_format(text: &str, zone: Zone) -> Result<Self> {
        let word = text.trim();
        let epoch = |unit| (Shape::Epoch(unit), zone, String::new());
        let (shape, zone, pattern) = match word {
            "iso" => (Shape::Iso(b'-'), zone, ISO.to_owned()),
            "epoch_s" => epoch(EpochUnit::Seconds),
            "epoch_ms" => epoch(EpochUnit::Milliseconds),
            "epoch_us" => epoch(EpochUnit::Microseconds),
            "epoch_ns" => epoch(EpochUnit::Nanoseconds),
            _ => {
                let format = Format::compile(word)?;
                let zone = if format.ends_in_zulu() {
                    Zone::UTC
                } else {
                    zone
                };
                let pattern = format.text().to_owned();
                (Shape::Format(Arc::new(format)), zone, pattern)
            }
        };
        Ok(Self {
            shape,
            zone,
            pattern,
        })
    }

    /// ISO 8601, in `zone` where a time names none.
    pub fn iso(zone: Zone) -> Self {
        Self {
            shape: Shape::Iso(b'-'),
            zone,
            pattern: ISO.to_owned(),
        }
    }

    /// The form of access logs, `31/Jan/2026:12:00:00 +0100`, in `zone` where a time names none.
    pub fn access_log(zone: Zone) -> Self {
        Self {
            shape: Shape::AccessLog,
            zone,
            pattern: "%d/%b/%Y:%H:%M:%S".to_owned(),
        }
    }

    /// Numbers since 1970 in `unit`.
    pub fn epoch(unit: EpochUnit) -> Self {
        Self {
            shape: Shape::Epoch(unit),
            zone: Zone::UTC,
            pattern: String::new(),
        }
    }

    /// The form in words, for people: `ISO 8601, e.g. %Y-%m-%d %H:%M:%S` or `epoch milliseconds`.
    ///
    /// A zone other than UTC is named too, where cells without one are read in it.
    pub fn describe(&self) -> String {
        let pattern = printable(&self.pattern);
        let mut text = match &self.shape {
            Shape::Iso(b'-') => format!("ISO 8601, e.g. {pattern}"),
            Shape::Iso(_) => format!("date with slashes, e.g. {pattern}"),
            Shape::AccessLog => format!("access log, e.g. {pattern}"),
            Shape::Epoch(unit) => return format!("epoch {unit}"),
            Shape::Format(_) => format!("format {pattern}"),
        };
        if self.zone != Zone::UTC {
            text.push_str(&format!(", in {} where no zone is given", self.zone));
        }
        text
    }

    /// A parser for this form's cells; each worker makes its own.
    pub fn parser(&self) -> TimeParser {
        let reader = match &self.shape {
            &Shape::Iso(separator) => Reader::Iso(separator),
            Shape::AccessLog => Reader::AccessLog,
            &Shape::Epoch(unit) => Reader::Epoch(EpochReader::new(unit)),
            Shape::Format(format) => Reader::Format(Arc::clone(format), format.iso_like()),
        };
        TimeParser::new(reader, self.zone)
    }
}

/// What `sample` looks like; the size of a number is kept in `sizes`.
fn look(sample: &[u8], compact: &Format, sizes: &mut Vec<f64>) -> Option<Look> {
    for separator in [b'-', b'/'] {
        if civil::iso(sample, separator).is_some() {
            return Some(Look::Iso(separator));
        }
    }
    if civil::access_log(sample).is_some() {
        return Some(Look::AccessLog);
    }
    if sample.len() == 14
        && matches!(sample, [b'1', b'9', b'7'..=b'9', ..] | [b'2', b'0', ..])
        && sample.iter().all(u8::is_ascii_digit)
        && compact.read(sample).is_some()
    {
        return Some(Look::Compact);
    }
    sizes.push(Decimal::read(sample)?.size());
    Some(Look::Number)
}

#[cfg(test)]
mod tests;

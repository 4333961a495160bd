//! The parser that a worker holds: short cuts for the usual cells, the full grammar for the rest.

use std::sync::Arc;

use super::civil::{self, Written};
use super::digits::{clock, word};
use super::epoch::EpochReader;
use super::format::Format;
use super::zone::{LocalClock, Zone};
use crate::calendar::{DAY_S, DAY_US, EARLIEST_US, LATEST_US, SECOND_US};

/// Reads the cells of one column, one form throughout; made by [`TimeForm::parser`](super::TimeForm::parser).
///
/// It remembers the last date and the zone's offset on it, so each worker has its own. What it
/// remembers never changes a result, only its cost.
#[derive(Debug, Clone)]
pub struct TimeParser {
    reader: Reader,
    clock: LocalClock,
    today: Day,
}

/// How one form is read.
#[derive(Debug, Clone)]
pub(super) enum Reader {
    /// The byte between year, month and day.
    Iso(u8),
    AccessLog,
    Epoch(EpochReader),
    /// With the bytes of [`Format::iso_like`].
    Format(Arc<Format>, Option<(u8, u8)>),
}

/// The date that cells were last seen to begin with.
#[derive(Debug, Clone)]
struct Day {
    /// The first eight bytes of such a cell.
    head: u64,
    /// The bytes from there to the clock.
    rest: u64,
    /// The date's midnight in UTC.
    midnight_us: i64,
    /// The date's midnight in the parser's zone, where `even` holds.
    local_midnight_us: i64,
    /// The zone has one offset throughout this date.
    even: bool,
}

impl Day {
    /// A date that no cell begins with: `rest` has more bytes than are ever compared.
    const NONE: Self = Self {
        head: 0,
        rest: u64::MAX,
        midnight_us: 0,
        local_midnight_us: 0,
        even: false,
    };
}

/// The bytes of an ISO cell from its ninth to the clock, out of its second word.
const ISO_REST: u64 = 0xff_ffff;
/// The same for the access logs' form.
const LOG_REST: u64 = 0xffff_ffff;

impl TimeParser {
    pub(super) fn new(reader: Reader, zone: Zone) -> Self {
        Self {
            reader,
            clock: LocalClock::new(zone),
            today: Day::NONE,
        }
    }

    /// The time that `cell` names, in microseconds since 1970 UTC; `None` when the cell does not fit the form.
    ///
    /// Blanks around the cell do not matter. Digits beyond microseconds are cut off, towards the past. No cell fits
    /// that names a date which does not exist, a local time that the zone's clocks jumped over, or an instant outside
    /// the years 1 to 9999. Hour 24 is taken at 24:00:00 only, as the next midnight; second 60 as the second after it.
    pub fn parse(&mut self, cell: &[u8]) -> Option<i64> {
        self.parse_fast(cell)
    }

    /// The same as [`parse`](Self::parse), inlined for the loop of a scanner.
    ///
    /// Costs a few nanoseconds where the form is ISO 8601 with the date of the cell before, or a whole epoch number;
    /// some tens where the date changes or the cell is written in an unusual way.
    #[inline(always)]
    pub fn parse_fast(&mut self, cell: &[u8]) -> Option<i64> {
        let usual = match &self.reader {
            Reader::Iso(_) => {
                if cell.len() != 19 {
                    return self.parse_tailed(cell);
                }
                self.parse_today(cell)
            }
            Reader::Epoch(reader) => reader.read_usual(cell),
            Reader::AccessLog => return self.parse_access_log(cell),
            Reader::Format(_, Some(_)) if cell.len() == 19 => self.parse_today(cell),
            Reader::Format(..) => None,
        };
        match usual {
            Some(timestamp_us) => Some(timestamp_us),
            None => self.parse_anew(cell),
        }
    }

    /// Reads the clock of a cell of 19 bytes which begins with the remembered date.
    #[inline(always)]
    fn parse_today(&self, cell: &[u8]) -> Option<i64> {
        let today = &self.today;
        if word(cell, 0) != today.head || word(cell, 8) & ISO_REST != today.rest || !today.even {
            return None;
        }
        Some(today.local_midnight_us + clock(word(cell, 11))? * SECOND_US)
    }

    /// Reads an ISO cell that may have more than seconds.
    #[inline(never)]
    fn parse_tailed(&mut self, cell: &[u8]) -> Option<i64> {
        if word(cell, 0) == self.today.head
            && word(cell, 8) & ISO_REST == self.today.rest
            && let Some(timestamp_us) = self.clock_and_tail(cell, 11)
        {
            return Some(timestamp_us);
        }
        self.parse_anew(cell)
    }

    #[inline(never)]
    fn parse_access_log(&mut self, cell: &[u8]) -> Option<i64> {
        let inner = match cell {
            [b'[', inner @ .., b']'] => inner,
            _ => cell,
        };
        if word(inner, 0) == self.today.head
            && word(inner, 8) & LOG_REST == self.today.rest
            && let Some(timestamp_us) = self.clock_and_tail(inner, 12)
        {
            return Some(timestamp_us);
        }
        self.parse_anew(cell)
    }

    /// The instant on the remembered date whose clock begins at `at`.
    #[inline(always)]
    fn clock_and_tail(&mut self, cell: &[u8], at: usize) -> Option<i64> {
        let second = clock(word(cell, at))?;
        let tail = civil::tail(cell, at + 8)?;
        let of_day_us = second * SECOND_US + tail.fraction_us;
        match tail.offset_s {
            Some(offset_s) => {
                Some(self.today.midnight_us + of_day_us - i64::from(offset_s) * SECOND_US)
            }
            None if self.today.even => Some(self.today.local_midnight_us + of_day_us),
            None => self.clock.utc_us(self.today.midnight_us + of_day_us),
        }
    }

    /// Reads a cell by the full grammar, and remembers its date.
    #[cold]
    #[inline(never)]
    fn parse_anew(&mut self, cell: &[u8]) -> Option<i64> {
        let text = cell.trim_ascii();
        let written = match &self.reader {
            Reader::Epoch(reader) => return reader.read_usual(text).or_else(|| reader.read(text)),
            &Reader::Iso(separator) => {
                let written = civil::iso(text, separator)?;
                if matches!(text.get(10), Some(b'T' | b't' | b' ')) {
                    self.remember(text, ISO_REST, civil::iso_day(text, separator));
                }
                written
            }
            Reader::AccessLog => {
                let written = civil::access_log(text)?;
                let inner = text.strip_prefix(b"[").unwrap_or(text);
                self.remember(inner, LOG_REST, civil::access_log_day(inner));
                written
            }
            Reader::Format(format, iso_like) => {
                let written = format.read(text)?;
                if let &Some((separator, joint)) = iso_like
                    && text.get(10) == Some(&joint)
                {
                    self.remember(text, ISO_REST, civil::iso_day(text, separator));
                }
                written
            }
        };
        self.instant(written)
    }

    fn instant(&mut self, written: Written) -> Option<i64> {
        let timestamp_us = match written.offset_s {
            Some(offset_s) => written
                .local_us
                .checked_sub(i64::from(offset_s) * SECOND_US)?,
            None => self.clock.utc_us(written.local_us)?,
        };
        (EARLIEST_US..=LATEST_US)
            .contains(&timestamp_us)
            .then_some(timestamp_us)
    }

    /// Remembers that cells which begin like `text` are of the day `day`.
    fn remember(&mut self, text: &[u8], rest: u64, day: Option<i64>) {
        // On the first and last days an offset can lead outside the years 1 to 9999, which only the full way checks.
        const MARGIN_US: i64 = 2 * DAY_US;
        let Some(day) = day else { return };
        let midnight_us = day * DAY_US;
        if !(EARLIEST_US + MARGIN_US..LATEST_US - MARGIN_US).contains(&midnight_us) {
            return;
        }
        let (head, rest) = (word(text, 0), word(text, 8) & rest);
        if (head, rest) == (self.today.head, self.today.rest) {
            return;
        }
        let offset_s = self.clock.offset_of_day(day * DAY_S);
        self.today = Day {
            head,
            rest,
            midnight_us,
            local_midnight_us: midnight_us - offset_s.unwrap_or(0) * SECOND_US,
            even: offset_s.is_some(),
        };
    }
}

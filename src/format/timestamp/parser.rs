//! The parser that a worker holds: short cuts for the usual cells, the full grammar for the rest.

use std::sync::Arc;

use super::civil::{self, Written};
use super::digits::{clock, word};
use super::epoch::EpochReader;
use super::format::Format;
use super::zone::{LocalClock, Zone};
use crate::support::calendar::{DAY_S, DAY_US, EARLIEST_US, LATEST_US, SECOND_US};

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

/// The forms whose cells begin with a date of fixed width, behind which the clock follows.
#[derive(Debug, Clone, Copy)]
enum Dated {
    Iso(u8),
    AccessLog,
}

/// The date that cells were last seen to begin with.
#[derive(Debug, Clone)]
struct Day {
    /// The first eight bytes of such a cell.
    head: u64,
    /// The bytes from there to the clock.
    rest: u64,
    /// The same where the zone has one offset throughout this date, else [`NO_REST`].
    even_rest: u64,
    /// The date's midnight in UTC.
    midnight_us: i64,
    /// The date's midnight in the parser's zone, where that has one offset throughout this date.
    local_midnight_us: i64,
}

impl Day {
    /// A date that no cell begins with.
    const NONE: Self = Self {
        head: 0,
        rest: NO_REST,
        even_rest: NO_REST,
        midnight_us: 0,
        local_midnight_us: 0,
    };
}

/// Equal to those bytes of no cell, since it has more of them than are ever compared.
const NO_REST: u64 = u64::MAX;
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
        // Tried for any form, since a look at the form first would cost more: no date is remembered of epoch
        // numbers, and one of an access log has a colon where this has nothing.
        if let Some(timestamp_us) = self.parse_today(cell) {
            return Some(timestamp_us);
        }
        if let Reader::Epoch(reader) = &mut self.reader
            && let Some(timestamp_us) = reader.read_usual(cell)
        {
            return Some(timestamp_us);
        }
        self.parse_other(cell)
    }

    /// Reads a cell of 19 bytes which begins with the remembered date.
    #[inline(always)]
    fn parse_today(&self, cell: &[u8]) -> Option<i64> {
        let today = &self.today;
        let cell: &[u8; 19] = cell.try_into().ok()?;
        if word(cell, 0) != today.head || word(cell, 8) & ISO_REST != today.even_rest {
            return None;
        }
        Some(today.local_midnight_us + clock(word(cell, 11))? * SECOND_US)
    }

    /// Reads a cell that is not the most usual one of its form.
    #[inline(never)]
    fn parse_other(&mut self, cell: &[u8]) -> Option<i64> {
        let usual = match &self.reader {
            &Reader::Iso(separator) => self.parse_on_date(cell, Dated::Iso(separator)),
            Reader::AccessLog => match cell {
                [b'[', inner @ .., b']'] => self.parse_on_date(inner, Dated::AccessLog),
                _ => self.parse_on_date(cell, Dated::AccessLog),
            },
            &Reader::Format(_, Some((separator, joint)))
                if cell.len() == 19 && cell.get(10) == Some(&joint) =>
            {
                self.parse_on_date(cell, Dated::Iso(separator))
            }
            Reader::Format(..) | Reader::Epoch(_) => None,
        };
        match usual {
            Some(timestamp_us) => Some(timestamp_us),
            None => self.parse_anew(cell),
        }
    }

    /// Reads a cell that begins with a whole date, then has a clock with seconds; remembers the date.
    #[inline]
    fn parse_on_date(&mut self, cell: &[u8], form: Dated) -> Option<i64> {
        let (rest, clock_at) = match form {
            Dated::Iso(_) => (ISO_REST, 11),
            Dated::AccessLog => (LOG_REST, 12),
        };
        if word(cell, 0) != self.today.head || word(cell, 8) & rest != self.today.rest {
            self.remember(cell, rest, form)?;
        }
        let second = clock(word(cell, clock_at))?;
        let tail = civil::tail(cell, clock_at + 8)?;
        let of_day_us = second * SECOND_US + tail.fraction_us;
        match tail.offset_s {
            Some(offset_s) => {
                Some(self.today.midnight_us + of_day_us - i64::from(offset_s) * SECOND_US)
            }
            None if self.today.even_rest != NO_REST => {
                Some(self.today.local_midnight_us + of_day_us)
            }
            None => self.clock.utc_us(self.today.midnight_us + of_day_us),
        }
    }

    /// Remembers the date that `cell` begins with; `None` when it begins with none that may be remembered.
    fn remember(&mut self, cell: &[u8], rest: u64, form: Dated) -> Option<()> {
        // On the first and last days an offset can lead outside the years 1 to 9999, which only the full way checks.
        const MARGIN_US: i64 = 2 * DAY_US;
        let day = match (form, cell.get(10), cell.get(11)) {
            (Dated::Iso(separator), Some(b'T' | b't' | b' '), _) => {
                civil::iso_day(cell, separator)?
            }
            (Dated::AccessLog, _, Some(b':')) => civil::access_log_day(cell)?,
            _ => return None,
        };
        let midnight_us = day * DAY_US;
        if !(EARLIEST_US + MARGIN_US..LATEST_US - MARGIN_US).contains(&midnight_us) {
            return None;
        }
        let offset_s = self.clock.offset_of_day(day * DAY_S);
        let rest = word(cell, 8) & rest;
        self.today = Day {
            head: word(cell, 0),
            rest,
            even_rest: if offset_s.is_some() { rest } else { NO_REST },
            midnight_us,
            local_midnight_us: midnight_us - offset_s.unwrap_or(0) * SECOND_US,
        };
        Some(())
    }

    /// Reads a cell by the full grammar.
    #[cold]
    #[inline(never)]
    fn parse_anew(&mut self, cell: &[u8]) -> Option<i64> {
        let text = cell.trim_ascii();
        let written = match &mut self.reader {
            Reader::Epoch(reader) => return reader.read_usual(text).or_else(|| reader.read(text)),
            &mut Reader::Iso(separator) => civil::iso(text, separator)?,
            Reader::AccessLog => civil::access_log(text)?,
            Reader::Format(format, _) => format.read(text)?,
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
}

//! Written dates and clocks: ISO 8601 and the access logs' form, read field by field.
//!
//! In: one cell without blanks around it. Out: local microseconds and the offset, if the cell names one.
//! This is the full grammar; the parser's short cuts accept only what is accepted here.

use super::digits::{clock, four, fraction_us, pairs, two, within, word};
use crate::support::calendar::{DAY_US, SECOND_US, days_from_civil, days_in_month};

/// A time as written: what the clock showed, and how far that clock was from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// Microseconds from 1970-01-01 00:00:00 of the same clock.
    pub(super) local_us: i64,
    /// Seconds east of Greenwich; absent where the cell names no zone.
    pub(super) offset_s: Option<i32>,
}

/// What follows the seconds of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) fraction_us: i64,
    pub(super) offset_s: Option<i32>,
}

/// Reads `YYYY-MM-DD` (with `separator` for `-`), alone or followed by a clock.
pub(super) fn iso(text: &[u8], separator: u8) -> Option<Written> {
    let day = iso_day(text, separator)?;
    let rest = text.get(10..)?;
    let (first, clock) = match rest.split_first() {
        Some((first, clock)) => (first, clock),
        None => {
            return Some(Written {
                local_us: day * DAY_US,
                offset_s: None,
            });
        }
    };
    let clock = match first {
        b'T' | b't' => clock,
        b' ' | b'\t' => clock.trim_ascii_start(),
        _ => return None,
    };
    on_day(day, clock)
}

/// Reads `DD/Mon/YYYY:HH:MM:SS +HHMM`, bare or within square brackets.
pub(super) fn access_log(text: &[u8]) -> Option<Written> {
    let text = match text.strip_prefix(b"[") {
        Some(inner) => inner.strip_suffix(b"]")?.trim_ascii(),
        None => text,
    };
    if text.get(11) != Some(&b':') {
        return None;
    }
    on_day(access_log_day(text)?, text.get(12..)?)
}

/// Days since 1970 of the `YYYY-MM-DD` that `text` begins with, `separator` standing for `-`.
pub(super) fn iso_day(text: &[u8], separator: u8) -> Option<i64> {
    let template = [b'0', b'0', b'0', b'0', separator, b'0', b'0', separator];
    let digits = within(word(text, 0), &template, &[9, 9, 9, 9, 0, 1, 9, 0])?;
    let pairs = pairs(digits);
    let year = (pairs & 0xff) * 100 + ((pairs >> 16) & 0xff);
    let month = (pairs >> 40) & 0xff;
    day_number(year as u32, month as u32, two(text, 8)?)
}

/// Days since 1970 of the `DD/Mon/YYYY` that `text` begins with.
pub(super) fn access_log_day(text: &[u8]) -> Option<i64> {
    if text.get(2) != Some(&b'/') || text.get(6) != Some(&b'/') {
        return None;
    }
    day_number(four(text, 7)?, month_named(text.get(3..6)?)?, two(text, 0)?)
}

/// The month, 1 to 12, whose English name begins with these three letters.
pub(super) fn month_named(letters: &[u8]) -> Option<u32> {
    const NAMES: [&[u8; 3]; 12] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov",
        b"dec",
    ];
    let place = NAMES
        .iter()
        .position(|name| name.eq_ignore_ascii_case(letters))?;
    Some(place as u32 + 1)
}

/// Days since 1970 of a date of the years 1 to 9999, if there is such a date.
pub(super) fn day_number(year: u32, month: u32, day: u32) -> Option<i64> {
    let year = i64::from(year);
    ((1..=9999).contains(&year) && (1..=days_in_month(year, month)).contains(&day))
        .then(|| days_from_civil(year, month, day))
}

/// Reads `HH:MM`, or `HH:MM:SS` and its tail, on a day.
///
/// `24:00:00` is the next midnight. Second 60, a leap second, reads as the second after it: UTC in
/// microseconds has no place of its own for it.
fn on_day(day: i64, text: &[u8]) -> Option<Written> {
    let tail = |at| tail(text, at);
    if let Some(second) = clock(word(text, 0)) {
        return Some(tail(8)?.after(day * DAY_US + second * SECOND_US));
    }
    let (hour, minute) = (two(text, 0)?, two(text, 3)?);
    if text.get(2) != Some(&b':') || hour > 24 || minute > 59 {
        return None;
    }
    let (second, tail) = match text.get(5) {
        Some(b':') => (two(text, 6)?, tail(8)?),
        Some(b'.' | b',') => return None,
        _ => (0, tail(5)?),
    };
    let end_of_day = minute == 0 && second == 0 && tail.fraction_us == 0;
    if second > 60 || (hour == 24 && !end_of_day) {
        return None;
    }
    let second = i64::from(hour * 3600 + minute * 60 + second);
    Some(tail.after(day * DAY_US + second * SECOND_US))
}

impl Tail {
    fn after(self, local_us: i64) -> Written {
        Written {
            local_us: local_us + self.fraction_us,
            offset_s: self.offset_s,
        }
    }
}

/// Reads what follows the clock from `at` on: a fraction of 1 to 9 digits, then a zone, both optional.
#[inline]
pub(super) fn tail(text: &[u8], at: usize) -> Option<Tail> {
    let (fraction_us, end) = match text.get(at) {
        Some(b'.' | b',') => {
            let start = at + 1;
            // Nothing or a lone Z behind the digits is usual; both spare a search for their end.
            let end = match text.last() {
                Some(b'Z' | b'z') => text.len() - 1,
                _ => text.len(),
            };
            match fraction_us(text, start, end) {
                Some(fraction_us) => (fraction_us, end),
                None => slow_fraction(text, start)?,
            }
        }
        _ => (0, at),
    };
    let offset_s = match text.get(end..)? {
        [] => None,
        [b'Z' | b'z'] => Some(0),
        mark => Some(zone_mark(mark.trim_ascii_start())?),
    };
    Some(Tail {
        fraction_us,
        offset_s,
    })
}

/// A fraction whose end is none of the usual ones.
#[cold]
fn slow_fraction(text: &[u8], start: usize) -> Option<(i64, usize)> {
    let digits = text.get(start..)?.iter().take_while(|b| b.is_ascii_digit());
    let end = start + digits.count();
    Some((fraction_us(text, start, end)?, end))
}

/// Seconds east of Greenwich that `Z`, `UTC`, `GMT`, `+HH:MM`, `+HHMM` or `+HH` stand for.
pub(super) fn zone_mark(mark: &[u8]) -> Option<i32> {
    let (sign, digits) = match mark {
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => {
            let is_utc = [&b"Z"[..], b"UTC", b"GMT"]
                .iter()
                .any(|name| name.eq_ignore_ascii_case(mark));
            return is_utc.then_some(0);
        }
    };
    let hour = two(digits, 0)?;
    let minute = match digits {
        [_, _] => 0,
        [_, _, b':', _, _] => two(digits, 3)?,
        [_, _, _, _] => two(digits, 2)?,
        _ => return None,
    };
    (hour < 24 && minute < 60).then(|| sign * (hour * 3600 + minute * 60) as i32)
}

/// How the part of `text` behind the date is written, in the fields of strftime.
pub(super) fn describe_clock(text: &[u8], joint: usize) -> String {
    let Some(joined) = text.get(joint) else {
        return String::new();
    };
    let clock = text.get(joint + 1..).unwrap_or_default().trim_ascii_start();
    let joint = if *joined == b'\t' {
        ' '
    } else {
        char::from(*joined)
    };
    let mut shown = format!("{joint}%H:%M");
    let mut rest = clock.get(5..).unwrap_or_default();
    if rest.first() == Some(&b':') {
        shown.push_str(":%S");
        rest = rest.get(3..).unwrap_or_default();
    }
    if matches!(rest.first(), Some(b'.' | b',')) {
        shown.push_str("%.f");
        let digits = rest
            .iter()
            .skip(1)
            .take_while(|b| b.is_ascii_digit())
            .count();
        rest = rest.get(digits + 1..).unwrap_or_default();
    }
    if rest.first() == Some(&b' ') {
        shown.push(' ');
    }
    match rest.trim_ascii_start() {
        [] => {}
        [b'+' | b'-', mark @ ..] => {
            shown.push_str(if mark.contains(&b':') { "%:z" } else { "%z" });
        }
        mark => shown.push_str(&String::from_utf8_lossy(mark)),
    }
    shown
}

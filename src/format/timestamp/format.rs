//! A form given by the user in the fields of strftime.
//!
//! Compiled once. Cells written with all their digits are read field by field here; whatever else chrono
//! makes of the format is left to chrono, so that the short cut never decides what fits.

use chrono::format::{Fixed, Item, Numeric, Parsed, StrftimeItems, parse};
use chrono::{DateTime, Timelike};

use super::civil::{Written, day_number, month_named, zone_mark};
use super::digits::{four, fraction_us, two};
use crate::support::calendar::{DAY_US, SECOND_US};
use crate::support::error::{Error, ErrorKind, Result, quoted};

/// A compiled format.
#[derive(Debug)]
pub(super) struct Format {
    text: String,
    items: Vec<Item<'static>>,
    /// The same format as fields of fixed width; empty where it has others.
    fields: Vec<Field>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Byte(u8),
    Year,
    Month,
    MonthName,
    Day,
    Hour,
    Minute,
    Second,
    Fraction,
    Offset,
}

impl Format {
    /// Compiles `text`.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] when `text` has a field that strftime does not know, or leaves the date open.
    pub(super) fn compile(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::new(
                ErrorKind::Setting,
                format!("--timestamp-format {} {why}", quoted(text.as_bytes())),
            )
        };
        if !text.contains('%') {
            return Err(wrong(
                "has no field: give strftime fields such as \"%Y-%m-%d %H:%M:%S\", or one of iso, epoch_s, epoch_ms, epoch_us, epoch_ns",
            ));
        }
        // In chrono `%f` alone counts nanoseconds, so that ".5" would be 5 ns; strptime elsewhere, and
        // everyone who writes ".%f", means a fraction.
        let items = StrftimeItems::new(&text.trim().replace(".%f", "%.f"))
            .parse_to_owned()
            .map_err(|cause| wrong("is not a strftime format").caused_by(cause))?;
        let format = Self {
            text: text.to_owned(),
            fields: fields(&items).unwrap_or_default(),
            items,
        };
        if !format.reads_itself() {
            return Err(wrong(
                "does not name a time: it needs year, month and day (and %p with %I)",
            ));
        }
        Ok(format)
    }

    /// The format as the user wrote it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The byte within the date and the one behind it, where cells look like `YYYY-MM-DD HH:MM:SS`.
    pub(super) fn iso_like(&self) -> Option<(u8, u8)> {
        use Field::{Byte, Day, Hour, Minute, Month, Second, Year};
        match self.fields[..] {
            [
                Year,
                Byte(separator),
                Month,
                Byte(other),
                Day,
                Byte(joint),
                Hour,
                Byte(b':'),
                Minute,
                Byte(b':'),
                Second,
            ] if separator == other => Some((separator, joint)),
            _ => None,
        }
    }

    /// Whether a `Z` directly behind the clock says that all times are UTC.
    pub(super) fn ends_in_zulu(&self) -> bool {
        use Fixed::{Nanosecond, Nanosecond3, Nanosecond6, Nanosecond9};
        let is_z = |item: &Item<'_>| match item {
            Item::Literal(text) => *text == "Z",
            Item::OwnedLiteral(text) => &**text == "Z",
            _ => false,
        };
        match &self.items[..] {
            [.., before, last] if is_z(last) => matches!(
                before,
                Item::Numeric(Numeric::Second | Numeric::Minute, _)
                    | Item::Fixed(Nanosecond | Nanosecond3 | Nanosecond6 | Nanosecond9)
            ),
            _ => false,
        }
    }

    /// Reads a cell without blanks around it.
    pub(super) fn read(&self, text: &[u8]) -> Option<Written> {
        self.read_fields(text).or_else(|| self.read_chrono(text))
    }

    /// Whether the short cut reads `text` as chrono does; `None` when it leaves it to chrono.
    #[cfg(test)]
    pub(super) fn reads_alike(&self, text: &[u8]) -> Option<bool> {
        let written = self.read_fields(text)?;
        Some(self.read_chrono(text) == Some(written))
    }

    /// Whether a time written in this format can be read from what was written.
    fn reads_itself(&self) -> bool {
        use std::fmt::Write;
        let Some(time) = DateTime::from_timestamp(981_173_106, 789_000_000) else {
            return false;
        };
        let mut text = String::new();
        write!(text, "{}", time.format_with_items(self.items.iter())).is_ok()
            && self.read_chrono(text.trim().as_bytes()).is_some()
    }

    fn read_fields(&self, text: &[u8]) -> Option<Written> {
        if self.fields.is_empty() {
            return None;
        }
        let (mut year, mut month, mut day) = (0, 0, 0);
        let (mut hour, mut minute, mut second) = (0, 0, 0);
        let mut fraction = 0;
        let mut offset_s = None;
        let mut at = 0;
        for field in &self.fields {
            match field {
                Field::Byte(byte) => {
                    if text.get(at) != Some(byte) {
                        return None;
                    }
                    at += 1;
                }
                Field::Year => (year, at) = (four(text, at)?, at + 4),
                Field::Month => (month, at) = (two(text, at)?, at + 2),
                Field::MonthName => (month, at) = (month_named(text.get(at..at + 3)?)?, at + 3),
                Field::Day => (day, at) = (two(text, at)?, at + 2),
                Field::Hour => (hour, at) = (two(text, at)?, at + 2),
                Field::Minute => (minute, at) = (two(text, at)?, at + 2),
                Field::Second => (second, at) = (two(text, at)?, at + 2),
                Field::Fraction => {
                    let Some(b'.') = text.get(at) else { continue };
                    let digits = text.get(at + 1..)?.iter();
                    let end = at + 1 + digits.take_while(|b| b.is_ascii_digit()).count();
                    fraction = fraction_us(text, at + 1, end)?;
                    at = end;
                }
                Field::Offset => {
                    let width = if text.get(at + 3) == Some(&b':') {
                        6
                    } else {
                        5
                    };
                    let mark = text.get(at..at + width)?;
                    if !matches!(mark, [b'+' | b'-', ..]) {
                        return None;
                    }
                    (offset_s, at) = (Some(zone_mark(mark)?), at + width);
                }
            }
        }
        if at != text.len() || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let second = i64::from(hour * 3600 + minute * 60 + second);
        Some(Written {
            local_us: day_number(year, month, day)? * DAY_US + second * SECOND_US + fraction,
            offset_s,
        })
    }

    fn read_chrono(&self, text: &[u8]) -> Option<Written> {
        let text = std::str::from_utf8(text).ok()?;
        let mut parsed = Parsed::new();
        parse(&mut parsed, text, self.items.iter()).ok()?;
        if parsed.timestamp().is_none() {
            // A date alone is its midnight, and a lone hour its first minute.
            if parsed.hour_div_12().is_none() && parsed.hour_mod_12().is_none() {
                parsed.set_hour(0).ok()?;
            }
            if parsed.minute().is_none() {
                parsed.set_minute(0).ok()?;
            }
        }
        let offset_s = match (parsed.offset(), parsed.timestamp()) {
            (None, Some(_)) => Some(0),
            (offset_s, _) => offset_s,
        };
        let local = parsed
            .to_naive_datetime_with_offset(offset_s.unwrap_or(0))
            .ok()?;
        // Within a leap second chrono counts the nanoseconds on beyond 10^9.
        let fraction_us = i64::from(local.nanosecond() / 1_000);
        let local_s = local.and_utc().timestamp();
        Some(Written {
            local_us: local_s.checked_mul(SECOND_US)?.checked_add(fraction_us)?,
            offset_s,
        })
    }
}

/// `items` as fields of fixed width that name a date, each at most once.
fn fields(items: &[Item<'static>]) -> Option<Vec<Field>> {
    let mut fields: Vec<Field> = Vec::new();
    for item in items {
        let field = match item {
            Item::Literal(text) | Item::Space(text) => {
                fields.extend(text.bytes().map(Field::Byte));
                continue;
            }
            Item::OwnedLiteral(text) | Item::OwnedSpace(text) => {
                fields.extend(text.bytes().map(Field::Byte));
                continue;
            }
            Item::Numeric(Numeric::Year, _) => Field::Year,
            Item::Numeric(Numeric::Month, _) => Field::Month,
            Item::Numeric(Numeric::Day, _) => Field::Day,
            Item::Numeric(Numeric::Hour, _) => Field::Hour,
            Item::Numeric(Numeric::Minute, _) => Field::Minute,
            Item::Numeric(Numeric::Second, _) => Field::Second,
            Item::Fixed(Fixed::ShortMonthName) => Field::MonthName,
            Item::Fixed(
                Fixed::Nanosecond | Fixed::Nanosecond3 | Fixed::Nanosecond6 | Fixed::Nanosecond9,
            ) => Field::Fraction,
            Item::Fixed(Fixed::TimezoneOffset | Fixed::TimezoneOffsetColon) => Field::Offset,
            _ => return None,
        };
        if fields.contains(&field) {
            return None;
        }
        fields.push(field);
    }
    let has = |field| fields.contains(&field);
    let one_month = has(Field::Month) != has(Field::MonthName);
    let nested = (has(Field::Hour) || !has(Field::Minute))
        && (has(Field::Minute) || !has(Field::Second))
        && (has(Field::Second) || !has(Field::Fraction));
    (has(Field::Year) && one_month && has(Field::Day) && nested).then_some(fields)
}

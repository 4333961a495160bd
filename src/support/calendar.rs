//! The calendar: days since 1970 to civil dates and back, and times as text.
//!
//! In: microseconds or days since 1970-01-01 UTC. Out: year, month and day, or ISO 8601 text.
//! Proleptic Gregorian throughout, no leap seconds, no time zones: those belong to reading.

/// Microseconds in a second.
pub(crate) const SECOND_US: i64 = 1_000_000;
/// Microseconds in a minute.
pub(crate) const MINUTE_US: i64 = 60 * SECOND_US;
/// Microseconds in an hour.
pub(crate) const HOUR_US: i64 = 60 * MINUTE_US;
/// Seconds in a day.
pub(crate) const DAY_S: i64 = 86_400;
/// Microseconds in a day.
pub(crate) const DAY_US: i64 = DAY_S * SECOND_US;
/// Bytes of the longest text of a time.
const LONGEST: usize = 32;

/// 0001-01-01 00:00:00 UTC, the earliest time that isoscan reads, in microseconds since 1970.
pub(crate) const EARLIEST_US: i64 = -719_162 * DAY_US;
/// 9999-12-31 23:59:59.999999 UTC, the latest time that isoscan reads, in microseconds since 1970.
pub(crate) const LATEST_US: i64 = 2_932_897 * DAY_US - 1;

/// A date of the proleptic Gregorian calendar; year 0 is 1 BC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CivilDate {
    /// Astronomical year.
    pub year: i64,
    /// Month, 1 to 12.
    pub month: u32,
    /// Day of the month, 1 to 31.
    pub day: u32,
}

/// Days from 1970-01-01 to the given date, negative before it.
///
/// `month` is 1 to 12 and `day` counts on from the month's first, so that a day past the month's end
/// gives a date of a later month: check with [`days_in_month`] first where that matters.
///
/// Source: Howard Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil`.
#[inline]
pub(crate) const fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    // A year that starts in March has its leap day at the end, where no other day depends on it.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month as i64 + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day as i64 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date that lies `days` after 1970-01-01 (before it when negative): the inverse of [`days_from_civil`].
///
/// Exact for every day that an `i64` of microseconds reaches.
///
/// Source: Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
#[inline]
pub(crate) const fn civil_from_days(days: i64) -> CivilDate {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    } as u32;
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    CivilDate { year, month, day }
}

/// Whether `year` has a 29 February.
#[inline]
pub(crate) const fn is_leap_year(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days in `month` (1 to 12) of `year`; 0 for any other month.
#[inline]
pub(crate) const fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap_year(year) => 29,
        2 => 28,
        _ => 0,
    }
}

/// Appends `timestamp_us` (microseconds since 1970 UTC) as `YYYY-MM-DD HH:MM:SS`.
///
/// A fraction follows only where there is one, with three digits where they suffice and six otherwise,
/// so the text reads back to the same microsecond. Years outside 0 to 9999 are written with a sign
/// and at least six digits (ISO 8601 expanded). [`TimeWriter`] does the same for many rows.
#[cfg(test)]
pub(crate) fn format_utc(timestamp_us: i64, out: &mut Vec<u8>) {
    TimeWriter::new().write_utc(timestamp_us, out);
}

/// Appends `timestamp_us` like [`format_utc`], but as `YYYY-MM-DDTHH:MM:SSZ`: ISO 8601 with its zone.
pub(crate) fn format_iso(timestamp_us: i64, out: &mut Vec<u8>) {
    TimeWriter::new().write_iso(timestamp_us, out);
}

/// `timestamp_us` as [`format_iso`] writes it.
pub(crate) fn iso_text(timestamp_us: i64) -> String {
    let mut text = Vec::with_capacity(LONGEST);
    format_iso(timestamp_us, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Writes times as text, remembering the last date: rows in time order cost a few nanoseconds each.
#[derive(Debug, Clone)]
pub(crate) struct TimeWriter {
    day: i64,
    date: [u8; 10],
    /// The date does not fit `YYYY-MM-DD`, so `date` is not to be used.
    expanded: bool,
}

impl Default for TimeWriter {
    fn default() -> Self {
        Self {
            day: 0,
            date: *b"1970-01-01",
            expanded: false,
        }
    }
}

impl TimeWriter {
    /// A writer that remembers no date yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Appends `timestamp_us` as [`format_utc`] does.
    #[inline]
    pub(crate) fn write_utc(&mut self, timestamp_us: i64, out: &mut Vec<u8>) {
        self.write(timestamp_us, b' ', false, out);
    }

    /// Appends `timestamp_us` as [`format_iso`] does.
    #[inline]
    pub(crate) fn write_iso(&mut self, timestamp_us: i64, out: &mut Vec<u8>) {
        self.write(timestamp_us, b'T', true, out);
    }

    #[inline]
    fn write(&mut self, timestamp_us: i64, separator: u8, zulu: bool, out: &mut Vec<u8>) {
        let day = timestamp_us.div_euclid(DAY_US);
        // Both parts of the day fit 32 bits, whose divisions are cheaper.
        let of_day_us = timestamp_us.rem_euclid(DAY_US);
        let second = (of_day_us / SECOND_US) as u32;
        let fraction_us = (of_day_us % SECOND_US) as u32;
        if day != self.day {
            self.remember(day);
        }
        out.reserve(LONGEST);
        if self.expanded {
            write_expanded_date(day, out);
        } else {
            out.extend_from_slice(&self.date);
        }
        out.push(separator);
        // Slices of constant length, which are stored without a call to copy memory.
        out.extend_from_slice(&clock(second));
        if fraction_us != 0 {
            let fraction = fraction(fraction_us);
            if fraction_us.is_multiple_of(1000) {
                out.extend_from_slice(&fraction[..4]);
            } else {
                out.extend_from_slice(&fraction[..7]);
            }
        }
        if zulu {
            out.push(b'Z');
        }
    }

    #[cold]
    fn remember(&mut self, day: i64) {
        let CivilDate {
            year,
            month,
            day: of_month,
        } = civil_from_days(day);
        self.day = day;
        self.expanded = !(0..=9999).contains(&year);
        if !self.expanded {
            let year = year as u32;
            self.date[0..2].copy_from_slice(&two_digits(year / 100));
            self.date[2..4].copy_from_slice(&two_digits(year % 100));
            self.date[5..7].copy_from_slice(&two_digits(month));
            self.date[8..10].copy_from_slice(&two_digits(of_month));
        }
    }
}

#[cold]
fn write_expanded_date(day: i64, out: &mut Vec<u8>) {
    let CivilDate { year, month, day } = civil_from_days(day);
    out.extend_from_slice(format!("{year:+07}-{month:02}-{day:02}").as_bytes());
}

/// `number` (below 100) as two ASCII digits.
fn two_digits(number: u32) -> [u8; 2] {
    let number = number % 100;
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

/// The second of a day as `HH:MM:SS`, all digits at once in the lanes of one word.
#[inline]
fn clock(second: u32) -> [u8; 8] {
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let lanes = u64::from(hour) | u64::from(minute) << 24 | u64::from(second) << 48;
    // 103 / 1024 is near enough to a tenth for every number below 179.
    let tens = ((lanes * 103) >> 10) & 0x000f_0000_0f00_000f;
    let ones = lanes - tens * 10;
    ((tens | ones << 8) + u64::from_le_bytes(*b"00:00:00")).to_le_bytes()
}

/// Microseconds of a second as a point and six digits, and a byte to be left off.
#[inline]
fn fraction(fraction_us: u32) -> [u8; 8] {
    let lanes = u64::from(fraction_us / 10_000)
        | u64::from(fraction_us / 100 % 100) << 16
        | u64::from(fraction_us % 100) << 32;
    let tens = ((lanes * 103) >> 10) & 0x000f_000f_000f;
    let ones = lanes - tens * 10;
    (((tens | ones << 8) << 8) + u64::from_le_bytes(*b".000000\0")).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Datelike, NaiveDate};
    use proptest::prelude::*;

    #[test]
    fn known_days_and_times_have_their_text() {
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(2000, 3, 1), 11_017);
        assert_eq!(utc(1_700_000_000_250_000), "2023-11-14 22:13:20.250");
        assert_eq!(
            iso_text(1_700_000_000_000_001),
            "2023-11-14T22:13:20.000001Z"
        );
        assert_eq!(iso_text(0), "1970-01-01T00:00:00Z");
    }

    fn utc(timestamp_us: i64) -> String {
        let mut text = Vec::new();
        format_utc(timestamp_us, &mut text);
        String::from_utf8(text).unwrap()
    }

    fn iso(timestamp_us: i64) -> String {
        let mut text = Vec::new();
        format_iso(timestamp_us, &mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn every_day_of_the_years_1_to_9999_goes_there_and_back() {
        let mut date = NaiveDate::from_ymd_opt(1, 1, 1).unwrap();
        for days in -719_162..2_932_897_i64 {
            let civil = civil_from_days(days);
            assert_eq!(
                (civil.year, civil.month, civil.day),
                (i64::from(date.year()), date.month(), date.day())
            );
            assert_eq!(days_from_civil(civil.year, civil.month, civil.day), days);
            assert!(civil.day <= days_in_month(civil.year, civil.month));
            date = date.succ_opt().unwrap();
        }
        assert_eq!(date, NaiveDate::from_ymd_opt(10_000, 1, 1).unwrap());
    }

    #[test]
    fn leap_years_follow_the_centuries() {
        assert_eq!(days_in_month(2024, 2), 29);
        assert_eq!(days_in_month(2023, 2), 28);
        assert_eq!(days_in_month(1900, 2), 28);
        assert_eq!(days_in_month(2000, 2), 29);
        assert_eq!(days_in_month(2024, 13), 0);
        assert_eq!(days_in_month(2024, 0), 0);
    }

    #[test]
    fn the_fraction_has_none_three_or_six_digits() {
        assert_eq!(utc(0), "1970-01-01 00:00:00");
        assert_eq!(utc(1), "1970-01-01 00:00:00.000001");
        assert_eq!(utc(1_000), "1970-01-01 00:00:00.001");
        assert_eq!(utc(-1), "1969-12-31 23:59:59.999999");
        assert_eq!(iso(500_000), "1970-01-01T00:00:00.500Z");
        assert_eq!(iso(-1_000_000), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn years_beyond_four_digits_are_written_with_a_sign() {
        assert_eq!(utc(EARLIEST_US), "0001-01-01 00:00:00");
        assert_eq!(utc(LATEST_US), "9999-12-31 23:59:59.999999");
        assert_eq!(iso(LATEST_US + 1), "+010000-01-01T00:00:00Z");
        assert_eq!(utc(i64::MIN), "-290308-12-21 19:59:05.224192");
        assert_eq!(utc(i64::MAX), "+294247-01-10 04:00:54.775807");
        let mut writer = TimeWriter::new();
        let mut text = Vec::new();
        for us in [i64::MAX, 0, LATEST_US + 1, EARLIEST_US] {
            writer.write_utc(us, &mut text);
            text.push(b'\n');
        }
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "+294247-01-10 04:00:54.775807\n1970-01-01 00:00:00\n+010000-01-01 00:00:00\n0001-01-01 00:00:00\n"
        );
    }

    proptest! {
        #[test]
        fn the_text_is_that_of_chrono(times in proptest::collection::vec(EARLIEST_US..=LATEST_US, 1..20), scale in prop_oneof![Just(1), Just(1_000), Just(1_000_000)]) {
            let mut writer = TimeWriter::new();
            for us in times {
                let us = (us / scale * scale).max(EARLIEST_US);
                let time = DateTime::from_timestamp_micros(us).unwrap();
                let mut text = Vec::new();
                writer.write_utc(us, &mut text);
                prop_assert_eq!(String::from_utf8(text).unwrap(), time.format("%Y-%m-%d %H:%M:%S%.f").to_string());
                prop_assert_eq!(iso(us), time.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string());
            }
        }

        #[test]
        fn no_time_makes_the_writer_panic(us in any::<i64>()) {
            prop_assert!(utc(us).len() >= 19);
        }
    }
}

//! Numbers counted from 1970: seconds, milliseconds, microseconds or nanoseconds.
//!
//! In: one cell without blanks around it. Out: microseconds since 1970, rounded towards minus infinity;
//! exact for every decimal, since no floating point is involved.

use std::fmt;

use super::digits::{combine, eight, fraction_us, two, within, word};
use crate::support::calendar::{EARLIEST_US, LATEST_US, SECOND_US};

/// What a column of epoch numbers counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EpochUnit {
    /// Seconds since 1970.
    Seconds,
    /// Thousandths of a second since 1970.
    Milliseconds,
    /// Millionths of a second since 1970.
    Microseconds,
    /// Billionths of a second since 1970.
    Nanoseconds,
}

impl EpochUnit {
    /// The unit in which a number of this size lies nearest to our days.
    ///
    /// Below 10^11 it is seconds (up to the year 5138), below 10^14 milliseconds, below 10^17 microseconds,
    /// else nanoseconds (all three from 1973 on); the sign plays no part.
    pub fn of_magnitude(number: f64) -> Self {
        match number.abs() {
            size if size < 1e11 => Self::Seconds,
            size if size < 1e14 => Self::Milliseconds,
            size if size < 1e17 => Self::Microseconds,
            _ => Self::Nanoseconds,
        }
    }

    /// The power of ten that turns this unit into microseconds.
    fn power(self) -> i32 {
        match self {
            Self::Seconds => 6,
            Self::Milliseconds => 3,
            Self::Microseconds => 0,
            Self::Nanoseconds => -3,
        }
    }
}

impl fmt::Display for EpochUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
        })
    }
}

/// Reads the numbers of one unit.
#[derive(Debug, Clone)]
pub(super) struct EpochReader {
    unit: EpochUnit,
    /// Microseconds in one unit; nanoseconds are divided instead.
    scale: u64,
    /// The largest number that is not after the year 9999.
    latest: u64,
    /// The first eight bytes of the last number, and their value.
    head: u64,
    head_value: u64,
}

impl EpochReader {
    pub(super) fn new(unit: EpochUnit) -> Self {
        let latest_us = LATEST_US as u64;
        let (scale, latest) = match unit {
            EpochUnit::Seconds => (1_000_000, latest_us / 1_000_000),
            EpochUnit::Milliseconds => (1_000, latest_us / 1_000),
            EpochUnit::Microseconds => (1, latest_us),
            EpochUnit::Nanoseconds => (1, u64::MAX),
        };
        Self {
            unit,
            scale,
            latest,
            head: u64::from_le_bytes(*b"00000000"),
            head_value: 0,
        }
    }

    /// Reads the usual shapes: a whole number from 1970 on, or seconds with a fraction; leaves all else.
    #[inline(always)]
    pub(super) fn read_usual(&mut self, text: &[u8]) -> Option<i64> {
        match self.whole(text) {
            Some(number) if number <= self.latest => Some(match self.unit {
                EpochUnit::Nanoseconds => (number / 1_000) as i64,
                _ => (number * self.scale) as i64,
            }),
            Some(_) => None,
            None => self.read_seconds_with_fraction(text),
        }
    }

    /// The value of eight to nineteen digits and nothing else.
    #[inline(always)]
    fn whole(&mut self, text: &[u8]) -> Option<u64> {
        const POWERS: [u64; 9] = [
            1,
            10,
            100,
            1_000,
            10_000,
            100_000,
            1_000_000,
            10_000_000,
            100_000_000,
        ];
        let rest = match text.len() {
            length @ 8..=16 => length - 8,
            length @ 17..=19 => length - 16,
            _ => return None,
        };
        // Of the last word only the digits that the words before it have not: the others are shifted out.
        let last = word(text, text.len() - 8) ^ u64::from_le_bytes(*b"00000000");
        let surplus = 8 * (8 - rest as u32);
        let last = last.checked_shr(surplus).unwrap_or(0) << (surplus % 64);
        let last = combine(within(last, &[0; 8], &[9; 8])?);
        // Neighbouring rows mostly share their first digits.
        let head = word(text, 0);
        if head != self.head {
            (self.head, self.head_value) = (head, eight(head)?);
        }
        let upper = if text.len() <= 16 {
            self.head_value
        } else {
            self.head_value * POWERS[8] + eight(word(text, 8))?
        };
        Some(upper * POWERS[rest] + last)
    }

    /// Reads ten digits of seconds and up to nine of a fraction, as tcpdump and Zeek write them.
    #[inline]
    fn read_seconds_with_fraction(&self, text: &[u8]) -> Option<i64> {
        if self.unit != EpochUnit::Seconds || text.get(10) != Some(&b'.') {
            return None;
        }
        let second = eight(word(text, 0))? * 100 + u64::from(two(text, 8)?);
        Some(second as i64 * SECOND_US + fraction_us(text, 11, text.len())?)
    }

    /// Reads any decimal number, with sign, fraction and exponent where it has them.
    pub(super) fn read(&self, text: &[u8]) -> Option<i64> {
        let timestamp_us = Decimal::read(text)?.floor(self.unit.power())?;
        (EARLIEST_US..=LATEST_US)
            .contains(&timestamp_us)
            .then_some(timestamp_us)
    }
}

/// Seconds as a decimal number to microseconds, rounded towards minus infinity; `None` where `text` is no number or
/// too large.
pub(in crate::format) fn decimal_us(text: &[u8]) -> Option<i64> {
    Decimal::read(text)?.floor(6)
}

/// A decimal number as written: `digits * 10^exponent`, and whether a further digit was not zero.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal {
    negative: bool,
    digits: u128,
    exponent: i32,
    more: bool,
}

impl Decimal {
    /// Reads `[+-]digits[.digits][e[+-]digits]`, with a digit before or after the point.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        /// Digits beyond this cannot change a microsecond of the years 1 to 9999 but for rounding.
        const FULL: u128 = 10_u128.pow(30);
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let mut number = Self {
            negative,
            digits: 0,
            exponent: 0,
            more: false,
        };
        let mut has_digit = false;
        let mut has_point = false;
        let mut rest = text;
        while let [byte, after @ ..] = rest {
            match byte {
                b'0'..=b'9' => {
                    has_digit = true;
                    let digit = u128::from(byte - b'0');
                    if number.digits < FULL {
                        number.digits = number.digits * 10 + digit;
                        number.exponent -= i32::from(has_point);
                    } else {
                        number.more |= digit != 0;
                        number.exponent = number.exponent.saturating_add(i32::from(!has_point));
                    }
                }
                b'.' if !has_point => has_point = true,
                _ => break,
            }
            rest = after;
        }
        if !has_digit {
            return None;
        }
        if let [b'e' | b'E', rest @ ..] = rest {
            number.exponent = number.exponent.saturating_add(exponent(rest)?);
        } else if !rest.is_empty() {
            return None;
        }
        Some(number)
    }

    /// The number times `10^power`, rounded towards minus infinity, if it fits.
    fn floor(self, power: i32) -> Option<i64> {
        let power = power.saturating_add(self.exponent);
        let (size, inexact) = if self.digits == 0 {
            (0, self.more)
        } else if power >= 0 {
            let factor = 10_u128.checked_pow(power.unsigned_abs())?;
            (self.digits.checked_mul(factor)?, self.more)
        } else {
            match 10_u128.checked_pow(power.unsigned_abs()) {
                Some(divisor) => (
                    self.digits / divisor,
                    self.more || !self.digits.is_multiple_of(divisor),
                ),
                None => (0, true),
            }
        };
        let size = i64::try_from(size).ok()?;
        Some(if self.negative {
            -size - i64::from(inexact)
        } else {
            size
        })
    }

    /// The number without its sign, for a look at its magnitude.
    pub(super) fn size(self) -> f64 {
        self.digits as f64 * 10_f64.powi(self.exponent)
    }
}

/// The exponent behind an `e`; beyond what matters it stays at its limit.
fn exponent(text: &[u8]) -> Option<i32> {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0_i32, |size, digit| {
        (size * 10 + i32::from(digit - b'0')).min(100_000)
    });
    Some(sign * size)
}

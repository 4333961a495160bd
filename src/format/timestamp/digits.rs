//! ASCII digits to numbers, eight bytes at a time where there are eight.
//!
//! A word holds eight bytes of the cell, the first in its lowest byte, so that all eight are checked and
//! combined with a handful of integer operations. Source of the combination: Johnny Lee and Daniel Lemire,
//! "Quickly parsing eight digits" (2018), here with a check that also sets a limit for every digit.

const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// The eight bytes of `text` from `at`, or eight NULs (which are no digits) where `text` ends before.
#[inline(always)]
pub(in crate::format) fn word(text: &[u8], at: usize) -> u64 {
    match text.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()) {
        Some(bytes) => u64::from_le_bytes(bytes),
        None => 0,
    }
}

/// `word` less `template`, when every byte then is at most that of `limits` (which are below 128).
#[inline(always)]
pub(in crate::format) const fn within(
    word: u64,
    template: &[u8; 8],
    limits: &[u8; 8],
) -> Option<u64> {
    let digits = word ^ u64::from_le_bytes(*template);
    let slack = 0x7f7f_7f7f_7f7f_7f7f - u64::from_le_bytes(*limits);
    // A byte above its limit carries into its own high bit; one with that bit already set fails by itself,
    // so a carry out of it into the next byte does no harm.
    if (digits.wrapping_add(slack) | digits) & HIGH_BITS == 0 {
        Some(digits)
    } else {
        None
    }
}

/// `digits` (0 to 9 each) with every byte replaced by ten times itself plus the next byte.
#[inline(always)]
pub(super) const fn pairs(digits: u64) -> u64 {
    digits * 10 + (digits >> 8)
}

/// The value of eight ASCII digits.
#[inline(always)]
pub(super) fn eight(word: u64) -> Option<u64> {
    Some(combine(within(word, b"00000000", &[9; 8])?))
}

/// The value of eight digits (0 to 9 each), the most significant in the lowest byte.
#[inline(always)]
pub(in crate::format) const fn combine(digits: u64) -> u64 {
    const MASK: u64 = 0x0000_00ff_0000_00ff;
    let pairs = pairs(digits);
    let upper = (pairs & MASK).wrapping_mul(100 + (1_000_000 << 32));
    let lower = ((pairs >> 16) & MASK).wrapping_mul(1 + (10_000 << 32));
    upper.wrapping_add(lower) >> 32
}

/// The second of the day that `HH:MM:SS` names, from 00:00:00 to 23:59:59.
#[inline(always)]
pub(super) fn clock(word: u64) -> Option<i64> {
    let digits = within(word, b"00:00:00", &[2, 9, 0, 5, 9, 0, 5, 9])?;
    let pairs = pairs(digits);
    let hour = pairs & 0xff;
    let minute = (pairs >> 24) & 0xff;
    let second = (pairs >> 48) & 0xff;
    if hour > 23 {
        return None;
    }
    Some((hour * 3600 + minute * 60 + second) as i64)
}

/// The value of the two ASCII digits from `at`.
#[inline(always)]
pub(super) fn two(text: &[u8], at: usize) -> Option<u32> {
    let tens = text.get(at)?.wrapping_sub(b'0');
    let ones = text.get(at + 1)?.wrapping_sub(b'0');
    (tens <= 9 && ones <= 9).then(|| u32::from(tens) * 10 + u32::from(ones))
}

/// The value of the four ASCII digits from `at`.
#[inline(always)]
pub(super) fn four(text: &[u8], at: usize) -> Option<u32> {
    Some(two(text, at)? * 100 + two(text, at + 2)?)
}

/// Microseconds named by the digits of a fraction, `text[start..end]`: one to nine, cut off after the sixth.
///
/// At least eight bytes must lie before `end`, as they do behind any clock.
#[inline(always)]
pub(super) fn fraction_us(text: &[u8], start: usize, end: usize) -> Option<i64> {
    let (count, end) = match end.wrapping_sub(start) {
        count @ 1..=8 => (count, end),
        9 if text.get(end - 1).is_some_and(u8::is_ascii_digit) => (8, end - 1),
        _ => return None,
    };
    // What precedes the fraction is shifted out, and zeros are shifted in behind it.
    let word = word(text, end.checked_sub(8)?);
    let digits = (word ^ u64::from_le_bytes(*b"00000000")) >> (8 * (8 - count));
    let digits = within(digits, &[0; 8], &[9; 8])?;
    Some((combine(digits) / 100) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_clock_is_read_up_to_its_last_second() {
        let read = |text: &[u8; 8]| clock(u64::from_le_bytes(*text));
        assert_eq!(read(b"00:00:00"), Some(0));
        assert_eq!(read(b"23:59:59"), Some(86_399));
        for wrong in [
            b"24:00:00",
            b"29:00:00",
            b"23:60:00",
            b"23:59:60",
            b"23-59:59",
            b"2/:59:59",
            b"2::59:59",
            b"\xb2\x33:59:59",
            b"23:59:5\xff",
            b" 1:00:00",
            b"\0\0\0\0\0\0\0\0",
        ] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn eight_digits_are_read_and_nothing_else(bytes in any::<[u8; 8]>(), number in 0..100_000_000_u64) {
            let digits: [u8; 8] = format!("{number:08}").into_bytes().try_into().unwrap();
            prop_assert_eq!(eight(u64::from_le_bytes(digits)), Some(number));
            prop_assert_eq!(eight(u64::from_le_bytes(bytes)).is_some(), bytes.iter().all(u8::is_ascii_digit));
            for at in 0..8 {
                let mut mixed = digits;
                mixed[at] = bytes[at];
                prop_assert_eq!(eight(u64::from_le_bytes(mixed)).is_some(), bytes[at].is_ascii_digit());
            }
        }

        #[test]
        fn a_fraction_is_cut_off_after_six_digits(digits in "[0-9]{1,9}") {
            let text = format!("12:34:56.{digits}");
            let expected = format!("{digits:0<6}")[..6].parse().unwrap();
            prop_assert_eq!(fraction_us(text.as_bytes(), 9, text.len()), Some(expected));
        }
    }
}

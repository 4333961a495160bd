//! Numbers, addresses and times as text, appended to a buffer: `write!` would take most of the time.

use crate::support::calendar::{DAY_US, HOUR_US, MINUTE_US, SECOND_US, civil_from_days};

/// Appends a whole number.
pub(super) fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a whole number with zeros in front, `width` digits in all.
pub(super) fn padded(out: &mut Vec<u8>, value: u64, width: usize) {
    let start = out.len();
    out.resize(start + width, b'0');
    let mut value = value;
    for digit in out[start..].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Appends an IPv4 address.
pub(super) fn address(out: &mut Vec<u8>, address: u32) {
    for (place, byte) in address.to_be_bytes().into_iter().enumerate() {
        if place > 0 {
            out.push(b'.');
        }
        number(out, u64::from(byte));
    }
}

/// Appends microseconds as seconds with six decimals.
pub(super) fn seconds(out: &mut Vec<u8>, us: i64) {
    number(out, us.div_euclid(SECOND_US).unsigned_abs());
    out.push(b'.');
    padded(out, us.rem_euclid(SECOND_US) as u64, 6);
}

/// Appends `2026-03-02`, with `between` between the numbers.
pub(super) fn date(out: &mut Vec<u8>, us: i64, between: &[u8]) {
    let date = civil_from_days(us.div_euclid(DAY_US));
    padded(out, date.year.unsigned_abs(), 4);
    out.extend_from_slice(between);
    padded(out, u64::from(date.month), 2);
    out.extend_from_slice(between);
    padded(out, u64::from(date.day), 2);
}

/// Appends `07:30:05`, with `between` between the numbers.
pub(super) fn clock(out: &mut Vec<u8>, us: i64, between: &[u8]) {
    let of_day = us.rem_euclid(DAY_US);
    padded(out, (of_day / HOUR_US) as u64, 2);
    out.extend_from_slice(between);
    padded(out, (of_day % HOUR_US / MINUTE_US) as u64, 2);
    out.extend_from_slice(between);
    padded(out, (of_day % MINUTE_US / SECOND_US) as u64, 2);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_addresses_and_times_have_their_usual_text() {
        let us = 1_772_436_605_000_042;
        assert_eq!(shown(|out| number(out, 0)), "0");
        assert_eq!(shown(|out| number(out, u64::MAX)), u64::MAX.to_string());
        assert_eq!(shown(|out| padded(out, 42, 6)), "000042");
        assert_eq!(shown(|out| address(out, 0x0A00_01FF)), "10.0.1.255");
        assert_eq!(shown(|out| seconds(out, us)), "1772436605.000042");
        assert_eq!(shown(|out| date(out, us, b"-")), "2026-03-02");
        assert_eq!(shown(|out| clock(out, us, b":")), "07:30:05");
    }
}

//! Values that are more than one word or number: sizes and times.

use std::num::NonZeroUsize;

use bytesize::ByteSize;

use crate::format::Zone;
use crate::format::timestamp::TimeForm;
use crate::group::By;

/// A number of bytes: `1048576`, `512M`, `1.5GiB`. The units are powers of 1024, with or without the `i`.
///
/// # Errors
/// The rule, where `text` is not such a number or is below 1.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim().to_ascii_lowercase();
    // To bytesize, `M` and `MB` are powers of 1000.
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[digits.len()..]
        .trim_end_matches('b')
        .trim_end_matches('i');
    let binary = match unit {
        "" => digits.trim().to_owned() + "b",
        unit => format!("{digits}{unit}ib"),
    };
    match binary.parse() {
        Ok(ByteSize(bytes)) if (1..u64::MAX).contains(&bytes) => Ok(bytes),
        _ => Err("expected a number of bytes such as 512M or 2G".to_owned()),
    }
}

/// Length of a bucket in microseconds, of one key or of all.
pub(super) type Every = (Option<By>, i64);

/// A bucket's length: `5m`, or `src=15m` for one key. Units are s, m (or min), h and d.
///
/// # Errors
/// The rule, where `text` is no such length.
pub(super) fn parse_every(text: &str) -> Result<Every, String> {
    let (by, length) = match text.rsplit_once('=') {
        Some((by, length)) => (Some(by.trim()), length.trim()),
        None => (None, text.trim()),
    };
    let by = by
        .map(|by| by.parse::<By>().map_err(|error| error.to_string()))
        .transpose()?;
    let digits = length.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match length[digits.len()..].to_ascii_lowercase().as_str() {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => 0,
    };
    let seconds = digits
        .trim()
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(unit));
    // A bucket longer than a year holds nothing to be judged.
    match seconds {
        Some(seconds @ 1..=31_622_400) => Ok((by, seconds as i64 * 1_000_000)),
        _ => Err("expected a length of time such as 30s, 5m, 1h or src=15m".to_owned()),
    }
}

/// A whole number from 1 on.
///
/// # Errors
/// The rule, where `text` is not such a number.
pub(super) fn parse_count(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .map_err(|_| "expected a whole number, at least 1".to_owned())
}

/// `yes` or `no`.
///
/// # Errors
/// The rule, where `text` is neither.
pub(super) fn parse_yes_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("expected yes or no".to_owned()),
    }
}

/// The instant that `text` names, in microseconds UTC; `None` where its format is not recognised.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    let form = TimeForm::recognise([text.as_bytes()], Zone::UTC)?;
    form.parser().parse(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_bucket_is_read_for_all_keys_or_for_one() {
        assert_eq!(parse_every("5m"), Ok((None, 300_000_000)));
        assert_eq!(parse_every("src=1h"), Ok((Some(By::Src), 3_600_000_000)));
        for text in [
            "",
            "5",
            "0s",
            "-1m",
            "1.5h",
            "5 weeks",
            "what=5m",
            "999999999d",
        ] {
            assert!(parse_every(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_with_binary_units() {
        for (text, bytes) in [
            ("512M", 512 << 20),
            ("512mb", 512 << 20),
            ("2G", 2 << 30),
            ("1.5GiB", 3 << 29),
            ("4096", 4096),
            ("4096B", 4096),
            (" 3 k ", 3 << 10),
            ("1T", 1 << 40),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "-1", "0", "12X", "1e99T", "NaN", "99999999999T"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}

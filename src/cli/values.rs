//! Values that are more than one word or number: sizes and times.

use bytesize::ByteSize;

use crate::format::Zone;
use crate::format::timestamp::TimeForm;

/// A number of bytes: `1048576`, `512M`, `1.5GiB`. The units are powers of 1024, with or without the `i`.
///
/// # Errors
/// The rule, where `text` is not such a number or is below 1.
pub fn parse_size(text: &str) -> Result<u64, String> {
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

/// The instant that `text` names, in microseconds UTC; `None` where its format is not recognised.
pub fn parse_time(text: &str) -> Option<i64> {
    let form = TimeForm::recognise([text.as_bytes()], Zone::UTC)?;
    form.parser().parse(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

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

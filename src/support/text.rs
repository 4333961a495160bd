//! Text for people: values quoted and made safe for a terminal, large numbers and durations.

use std::path::Path;

use super::calendar::{DAY_US, HOUR_US, MINUTE_US, SECOND_US};

/// `text` with control characters shown as escapes, so that a file's name or content cannot
/// break a line or steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control()
            || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A path as text. Two paths never have one text: bytes that are not UTF-8 are shown as `\xff`, and where a
/// name itself holds such an escape, its backslash is shown as `\x5c`.
pub(crate) fn path_text(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(at) = rest.find("\\x") {
            let (before, escape) = rest.split_at(at);
            let digits = escape.as_bytes().get(2..4);
            let is_escape = digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
            text.push_str(before);
            text.push_str(if is_escape { r"\x5cx" } else { r"\x" });
            rest = &escape[2..];
        }
        text.push_str(rest);
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// A value found in an input: quoted, escaped and cut to 40 characters for an error's text.
pub(crate) fn quoted(value: &[u8]) -> String {
    const MAX_SHOWN: usize = 40;
    let text = String::from_utf8_lossy(&value[..value.len().min(4 * MAX_SHOWN)]);
    let mut shown: String = text.chars().take(MAX_SHOWN).collect();
    if text.chars().count() > MAX_SHOWN || value.len() > 4 * MAX_SHOWN {
        shown.push('…');
    }
    format!("\"{}\"", printable(&shown))
}

/// `1234567` as `1,234,567`; of a whole number that is not negative.
pub(crate) fn grouped(number: impl std::fmt::Display) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in its two largest units: `1 d 2 h`, `1 min 30 s`, `500 ms`.
pub(crate) fn duration(us: i64) -> String {
    let (large, unit, small, rest) = match us {
        us if us >= DAY_US => (us / DAY_US, "d", us % DAY_US / HOUR_US, "h"),
        us if us >= HOUR_US => (us / HOUR_US, "h", us % HOUR_US / MINUTE_US, "min"),
        us if us >= MINUTE_US => (us / MINUTE_US, "min", us % MINUTE_US / SECOND_US, "s"),
        us if us >= SECOND_US => (us / SECOND_US, "s", 0, ""),
        0 => return "0 s".to_owned(),
        us => return format!("{} ms", us as f64 / 1e3),
    };
    match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_escaped() {
        assert_eq!(printable("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\n");
    }

    #[cfg(unix)]
    #[test]
    fn two_paths_never_have_one_text() {
        use std::os::unix::ffi::OsStrExt;
        let text = |name: &[u8]| path_text(Path::new(std::ffi::OsStr::from_bytes(name)));
        assert_eq!(text("logs/ä\\xyz.csv".as_bytes()), "logs/ä\\xyz.csv");
        assert_eq!(text(b"l\xf6g.csv"), r"l\xf6g.csv");
        assert_eq!(text(b"l\xf7g.csv"), r"l\xf7g.csv");
        assert_eq!(text(br"l\xf6g.csv"), r"l\x5cxf6g.csv");
        assert_eq!(text(b"\\\xff"), r"\\xff");
        assert_ne!(text(b"\\\xff"), text(br"\\xff"));
    }

    #[test]
    fn long_values_are_cut() {
        let shown = quoted(&[b'x'; 100]);
        assert_eq!(shown, format!("\"{}…\"", "x".repeat(40)));
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn durations_are_shown_in_their_two_largest_units() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (0.5, "500 ms"),
            (59.0, "59 s"),
            (60.0, "1 min"),
            (90.0, "1 min 30 s"),
            (5400.0, "1 h 30 min"),
            (93_600.0, "1 d 2 h"),
        ] {
            assert_eq!(duration((seconds * 1e6) as i64), text);
        }
    }
}

//! Cells of a line of CSV, with quotes as in RFC 4180.

use std::borrow::Cow;

/// The cells of `line` between `separator`s. A cell in quotes may hold separators, and two quotes stand for one.
pub(super) fn cells(line: &[u8], separator: u8) -> Vec<Cow<'_, [u8]>> {
    let mut found = Vec::new();
    let mut rest = line;
    loop {
        let (cell, after) = match rest.first() {
            Some(b'"') => quoted(rest),
            _ => {
                let end = memchr::memchr(separator, rest).unwrap_or(rest.len());
                (Cow::Borrowed(rest[..end].trim_ascii()), &rest[end..])
            }
        };
        found.push(cell);
        // What stands between a closing quote and the next separator is no part of the cell.
        match memchr::memchr(separator, after) {
            Some(next) => rest = &after[next + 1..],
            None => return found,
        }
    }
}

fn quoted(text: &[u8]) -> (Cow<'_, [u8]>, &[u8]) {
    let mut end = 1;
    let mut has_pair = false;
    loop {
        match memchr::memchr(b'"', text.get(end..).unwrap_or_default()) {
            Some(found) if text.get(end + found + 1) == Some(&b'"') => {
                has_pair = true;
                end += found + 2;
            }
            Some(found) => {
                end += found;
                break;
            }
            // The quote never closes: the rest is the cell.
            None => return (Cow::Borrowed(&text[1..]), b""),
        }
    }
    let inner = &text[1..end];
    let cell = if has_pair {
        let mut plain = Vec::with_capacity(inner.len());
        let mut bytes = inner.iter();
        while let Some(byte) = bytes.next() {
            plain.push(*byte);
            if *byte == b'"' {
                bytes.next();
            }
        }
        Cow::Owned(plain)
    } else {
        Cow::Borrowed(inner)
    };
    (cell, &text[end + 1..])
}

/// The separator of a head line: the one of comma, semicolon and TAB that stands most often outside of quotes; of equally many the
/// first.
pub(super) fn separator(head: &[u8]) -> u8 {
    let candidates = [b',', b';', b'\t'];
    let mut counts = [0_usize; 3];
    let mut is_quoted = false;
    for byte in head {
        if *byte == b'"' {
            is_quoted = !is_quoted;
        } else if !is_quoted && let Some(place) = candidates.iter().position(|other| other == byte)
        {
            counts[place] += 1;
        }
    }
    let most = counts.iter().max().copied().unwrap_or(0);
    let place = counts.iter().position(|count| *count == most).unwrap_or(0);
    candidates[place]
}

/// A cell as text.
pub(super) fn text(cell: &[u8]) -> String {
    String::from_utf8_lossy(cell).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(line: &str, separator: u8) -> Vec<String> {
        cells(line.as_bytes(), separator)
            .iter()
            .map(|cell| text(cell))
            .collect()
    }

    #[test]
    fn quotes_keep_separators_and_double_quotes_stand_for_one() {
        assert_eq!(
            plain(r#"a,"b,c","{n=""up""}","#, b','),
            ["a", "b,c", "{n=\"up\"}", ""]
        );
        assert_eq!(plain(r#""a"x;b"#, b';'), ["a", "b"]);
        assert_eq!(plain(r#""open,a"#, b','), ["open,a"]);
        assert_eq!(plain("", b','), [""]);
    }

    #[test]
    fn the_separator_is_the_one_that_makes_most_cells() {
        assert_eq!(separator(br#""Time";"a,b""#), b';');
        assert_eq!(separator(br#""Time","{a=""1"", b=""2;3""}""#), b',');
        assert_eq!(separator(b"Time\ta"), b'\t');
        assert_eq!(separator(b"Time"), b',');
    }

    proptest! {
        #[test]
        fn any_line_has_a_cell(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(!cells(&line, b',').is_empty());
        }
    }
}

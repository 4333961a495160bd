//! The words of a log line that is separated by blanks.
//!
//! In: one line. Out: its words, where quotes and square brackets keep blanks together. Knows no format.

use super::fields;

/// The words of a line, separated by one or more blanks. A word that begins with a quote ends at the next quote that no backslash
/// precedes, and one that begins with a square bracket ends at the closing one; both are given without these marks. Where no blank
/// follows the closing mark, it is a plain word.
#[derive(Debug, Clone)]
pub(super) struct Words<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    pub(super) fn new(line: &'a [u8]) -> Self {
        Self { line, at: 0 }
    }

    /// What has not been given yet, without the blanks in front.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.line
            .get(self.at..)
            .unwrap_or_default()
            .trim_ascii_start()
    }

    /// The next word, or an empty one at the end of the line.
    pub(super) fn word(&mut self) -> &'a [u8] {
        self.next().unwrap_or_default()
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.line;
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        self.at += line
            .get(self.at..)?
            .iter()
            .take_while(|b| is_blank(b))
            .count();
        let start = self.at;
        let end = match line.get(start)? {
            b'"' => closing_quote(line, start + 1),
            b'[' => memchr::memchr(b']', &line[start..]).map(|length| start + length),
            _ => None,
        };
        // `[2001:db8::1]:443` is an address with its port.
        let end = end.filter(|end| line.get(end + 1).is_none_or(is_blank));
        if let Some(end) = end {
            self.at = end + 1;
            return Some(&line[start + 1..end]);
        }
        let length = line[start..].iter().position(is_blank);
        self.at = length.map_or(line.len(), |length| start + length);
        Some(&line[start..self.at])
    }
}

/// Where the quote ends whose first byte lies at `from`.
fn closing_quote(line: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr::memchr2(b'"', b'\\', line.get(at..)?)?;
        if line[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// `192.0.2.1:443` and `[2001:db8::1]:443` as address and port; without a port where none stands behind the last colon.
pub(super) fn split_port(text: &[u8]) -> (&[u8], Option<u16>) {
    let Some(colon) = memchr::memrchr(b':', text) else {
        return (text, None);
    };
    match fields::port(&text[colon + 1..]) {
        Some(port) => (&text[..colon], Some(port)),
        None => (text, None),
    }
}

/// A whole number, or 0 where nothing or `-` stands for it; `None` for anything else.
pub(super) fn number_or_zero(text: &[u8]) -> Option<u64> {
    match text {
        b"" | b"-" => Some(0),
        _ => fields::number(text),
    }
}

/// The status of a request: 0 where nothing, `-` or a number beyond 999 stands for it, `None` for anything else.
pub(super) fn status(text: &[u8]) -> Option<u16> {
    number_or_zero(text).map(|number| match number {
        0..=999 => number as u16,
        _ => 0,
    })
}

/// The host that the target of a request names, without its port: `example.org` of `https://example.org:443/`. Empty where it
/// names none.
pub(super) fn target_host(target: &[u8]) -> &[u8] {
    let scheme = memchr::memmem::find(&target[..target.len().min(16)], b"://");
    let Some(scheme) = scheme.filter(|_| target.first() != Some(&b'/')) else {
        return b"";
    };
    let rest = &target[scheme + 3..];
    let end = memchr::memchr3(b'/', b'?', b'#', rest).unwrap_or(rest.len());
    split_port(&rest[..end]).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_and_brackets_keep_blanks_together() {
        let line = br#"a  [b c] "d \" e" - "" f"g"#;
        let words: Vec<&[u8]> = Words::new(line).collect();
        let expected: [&[u8]; 6] = [b"a", b"b c", br#"d \" e"#, b"-", b"", b"f\"g"];
        assert_eq!(words, expected);
    }

    #[test]
    fn a_quote_that_does_not_close_is_a_plain_word() {
        let words: Vec<&[u8]> = Words::new(b"\"a b [c").collect();
        assert_eq!(words, [&b"\"a"[..], b"b", b"[c"]);
        let words: Vec<&[u8]> = Words::new(b"[2001:db8::1]:80 b").collect();
        assert_eq!(words, [&b"[2001:db8::1]:80"[..], b"b"]);
    }

    #[test]
    fn the_port_stands_behind_the_last_colon() {
        assert_eq!(split_port(b"192.0.2.1:80"), (&b"192.0.2.1"[..], Some(80)));
        assert_eq!(
            split_port(b"[2001:db8::1]:80"),
            (&b"[2001:db8::1]"[..], Some(80))
        );
        assert_eq!(split_port(b"192.0.2.1"), (&b"192.0.2.1"[..], None));
        assert_eq!(split_port(b"-"), (&b"-"[..], None));
        assert_eq!(split_port(b"a:99999"), (&b"a:99999"[..], None));
    }

    #[test]
    fn the_host_of_a_target_has_no_port_and_no_path() {
        assert_eq!(target_host(b"https://example.org:443/a?b"), b"example.org");
        assert_eq!(target_host(b"http://example.org?b"), b"example.org");
        assert_eq!(target_host(b"/a?b=http://example.org/"), b"");
    }

    proptest! {
        #[test]
        fn words_of_any_bytes_end_and_lie_in_the_line(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            let length: usize = Words::new(&line).map(|word| word.len()).sum();
            prop_assert!(length <= line.len());
            let _ = (split_port(&line), target_host(&line), status(&line));
        }
    }
}

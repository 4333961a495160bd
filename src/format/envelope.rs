//! What another program put around each line: syslog's head, container runtimes' and shippers' JSON.
//!
//! In: lines as they were shipped. Out: the lines that the first program wrote. Formats then need not know how a log travelled.

use std::borrow::Cow;
use std::sync::Arc;

use super::record::{Family, Layout, Record, RecordSink};
use super::{fields, json};

/// A way to wrap lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Envelope {
    /// RFC 3164 and 5424, and the head with an ISO time that rsyslog writes.
    Syslog,
    /// `2026-05-04T12:00:00.000000000Z stdout F line`, as containerd and CRI-O write it.
    Cri,
    /// `2026-05-04T12:00:00.000Z line`, as CloudWatch exports it.
    Time,
    /// An object whose `log`, `message` or `textPayload` is the line: Docker's json-file, Fluentd, Google Cloud.
    Json,
    /// `2026-05-04T12:00:00+00:00<TAB>tag<TAB>{...}`, as Fluentd writes files.
    Fluentd,
}

const ENVELOPES: [Envelope; 5] = [
    Envelope::Cri,
    Envelope::Fluentd,
    Envelope::Syslog,
    Envelope::Time,
    Envelope::Json,
];

impl Envelope {
    /// The envelope that 80 % of the lines of `head` have, if there is one.
    pub(super) fn recognise(head: &[u8]) -> Option<Self> {
        let lines = fields::head_lines(head);
        ENVELOPES.into_iter().find(|envelope| {
            fields::most_fit(lines.iter().copied(), |line| envelope.peel(line).is_some())
        })
    }

    /// What it is called in the description of a layout.
    fn describe(self) -> &'static str {
        match self {
            Self::Syslog => "behind a syslog head",
            Self::Cri => "behind the head of a container runtime",
            Self::Time => "behind a time of its export",
            Self::Json => "in JSON of a log shipper",
            Self::Fluentd => "behind a head of Fluentd",
        }
    }

    /// The line without the envelope; `None` where it has none of this kind.
    fn peel(self, line: &[u8]) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Syslog => syslog(line).map(|parts| Cow::Borrowed(parts.message)),
            Self::Cri => {
                let rest = after_iso_time(line, b' ')?;
                let rest = rest
                    .strip_prefix(b"stdout ")
                    .or_else(|| rest.strip_prefix(b"stderr "))?;
                let line = rest
                    .strip_prefix(b"F ")
                    .or_else(|| rest.strip_prefix(b"P "))?;
                Some(Cow::Borrowed(line))
            }
            Self::Time => after_iso_time(line, b' ')
                .or_else(|| after_iso_time(line, b'\t'))
                .map(Cow::Borrowed),
            Self::Fluentd => {
                let rest = after_iso_time(line, b'\t')?;
                let object = &rest[memchr::memchr(b'\t', rest)? + 1..];
                object.starts_with(b"{").then_some(Cow::Borrowed(object))
            }
            Self::Json => in_json(line),
        }
    }

    /// All lines of `text` without the envelope. A line that has none stays as it is, for the format to judge.
    pub(super) fn peel_all(self, text: &[u8]) -> Peeled {
        let mut peeled = Peeled::default();
        for (offset, line) in fields::lines(text) {
            peeled.starts.push((peeled.text.len(), offset));
            let inner = self.peel(line).unwrap_or(Cow::Borrowed(line));
            let inner = inner.trim_ascii_end();
            let start = peeled.text.len();
            peeled.text.extend_from_slice(inner);
            // A line of the shipper stays one line.
            for byte in &mut peeled.text[start..] {
                if *byte == b'\n' {
                    *byte = b' ';
                }
            }
            peeled.text.push(b'\n');
        }
        peeled
    }
}

/// Lines without their envelope.
#[derive(Debug, Default)]
pub(super) struct Peeled {
    pub(super) text: Vec<u8>,
    /// Where each line starts here, and where it started before.
    starts: Vec<(usize, usize)>,
}

/// What follows an ISO 8601 time with a zone and `joint`.
fn after_iso_time(line: &[u8], joint: u8) -> Option<&[u8]> {
    let end = memchr::memchr(joint, line.get(..40.min(line.len()))?)?;
    let time = &line[..end];
    let has_zone = match time {
        [.., b'Z'] => true,
        [.., sign, _, _, b':', _, _] => matches!(sign, b'+' | b'-'),
        [.., sign, _, _, _, _] => matches!(sign, b'+' | b'-'),
        _ => false,
    };
    let is_shaped = time
        .iter()
        .zip(b"0000-00-00T00:00:00")
        .all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            _ => byte == shape,
        });
    if !has_zone || !is_shaped || time.len() < 20 {
        return None;
    }
    Some(&line[end + 1..])
}

/// The line in a JSON object.
fn in_json(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut found = None;
    json::walk(line, |key, value| {
        if matches!(key, "log" | "message" | "textPayload") && value.is_text() {
            found = Some(value.text());
        }
        true
    })
    .ok()?;
    found.filter(|text| !text.trim_ascii().is_empty())
}

/// A line of syslog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Syslog<'a> {
    /// `Mar  1 00:00:00` (RFC 3164) or ISO 8601.
    pub(super) time: &'a [u8],
    /// The program, as `kernel` or `filterlog`; empty where there is none.
    pub(super) program: &'a [u8],
    /// What the program wrote.
    pub(super) message: &'a [u8],
}

/// Takes a line of syslog apart; `None` where it has no head of syslog.
pub(super) fn syslog(line: &[u8]) -> Option<Syslog<'_>> {
    let (has_priority, rest) = match line {
        [b'<', inner @ ..] => {
            let end = memchr::memchr(b'>', inner.get(..4.min(inner.len()))?)?;
            fields::number(&inner[..end])?;
            (true, &inner[end + 1..])
        }
        _ => (false, line),
    };
    if has_priority && let Some(inner) = rest.strip_prefix(b"1 ") {
        return rfc5424(inner);
    }
    let (time, rest) = match rest {
        [
            m,
            _,
            _,
            b' ',
            _,
            _,
            b' ',
            _,
            _,
            b':',
            _,
            _,
            b':',
            _,
            _,
            b' ',
            inner @ ..,
        ] if m.is_ascii_uppercase() => (&rest[..15], inner),
        _ => {
            let inner = after_iso_time(rest, b' ')?;
            (&rest[..rest.len() - inner.len() - 1], inner)
        }
    };
    let host = memchr::memchr(b' ', rest)?;
    let rest = rest[host + 1..].trim_ascii_start();
    let (tag, message) = match memchr::memchr(b' ', rest) {
        // `nginx: ` and `nginx[12]: `, but not the first word of a message without a tag.
        Some(end) if rest[..end].ends_with(b":") && end > 1 => (&rest[..end - 1], &rest[end + 1..]),
        _ => (&b""[..], rest),
    };
    let program = memchr::memchr(b'[', tag).map_or(tag, |pid| &tag[..pid]);
    // Without a tag and without a priority an ISO time alone is no syslog.
    if tag.is_empty() && !has_priority && time.len() != 15 {
        return None;
    }
    Some(Syslog {
        time,
        program,
        message,
    })
}

/// `TIME HOST APP PROCID MSGID (-|[structured data]) MESSAGE`.
fn rfc5424(text: &[u8]) -> Option<Syslog<'_>> {
    let mut rest = text;
    let mut next = || {
        let end = memchr::memchr(b' ', rest)?;
        let word = &rest[..end];
        rest = &rest[end + 1..];
        Some(word)
    };
    let (time, _host, program, _process, _id) = (next()?, next()?, next()?, next()?, next()?);
    let mut message = match rest {
        [b'-'] => b"",
        [b'-', b' ', message @ ..] => message,
        [b'[', ..] => after_structured_data(rest)?,
        _ => return None,
    };
    message = message
        .strip_prefix("\u{feff}".as_bytes())
        .unwrap_or(message);
    Some(Syslog {
        time,
        program,
        message,
    })
}

/// What follows `[id name="value"]...`; a `]` within quotes may be escaped or not.
fn after_structured_data(text: &[u8]) -> Option<&[u8]> {
    let (mut is_quoted, mut at) = (false, 0);
    loop {
        match text.get(at)? {
            b'\\' if is_quoted => at += 1,
            b'"' => is_quoted = !is_quoted,
            b']' if !is_quoted => match text.get(at + 1) {
                Some(b'[') => {}
                Some(b' ') => return Some(&text[at + 2..]),
                _ => return None,
            },
            _ => {}
        }
        at += 1;
    }
}

/// The layout of lines within an envelope.
pub(super) struct Wrapped {
    pub(super) envelope: Envelope,
    pub(super) inner: Arc<dyn Layout>,
}

impl Layout for Wrapped {
    fn describe(&self) -> String {
        format!("{}, {}", self.inner.describe(), self.envelope.describe())
    }

    fn notice(&self) -> Option<String> {
        self.inner.notice()
    }

    fn family(&self) -> Family {
        self.inner.family()
    }

    fn window_us(&self) -> i64 {
        self.inner.window_us()
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let peeled = self.envelope.peel_all(block);
        let mut mapped = Mapped {
            starts: &peeled.starts,
            sink,
        };
        self.inner.read(&peeled.text, &mut mapped);
    }

    fn after(&self, block: &[u8]) -> Option<Arc<dyn Layout>> {
        // Only `#fields` and `#Fields` change a layout: without them the block need not be peeled twice.
        memchr::memmem::find(block, b"ields")?;
        let inner = self.inner.after(&self.envelope.peel_all(block).text)?;
        Some(Arc::new(Self {
            envelope: self.envelope,
            inner,
        }))
    }
}

/// A sink that gives lines their places in the block they came from.
struct Mapped<'a> {
    starts: &'a [(usize, usize)],
    sink: &'a mut dyn RecordSink,
}

impl RecordSink for Mapped<'_> {
    fn record(&mut self, record: &Record<'_>) {
        self.sink.record(record);
    }

    fn dropped(&mut self, offset: usize, reason: &dyn Fn() -> String) {
        let place = self.starts.partition_point(|(start, _)| *start <= offset);
        let before = place
            .checked_sub(1)
            .and_then(|place| self.starts.get(place));
        self.sink
            .dropped(before.map_or(0, |(_, offset)| *offset), reason);
    }

    fn other(&mut self) {
        self.sink.other();
    }

    fn mended(&mut self) {
        self.sink.mended();
    }

    fn unknown(&mut self, start_us: i64, end_us: i64) {
        self.sink.unknown(start_us, end_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINE: &str = r#"192.0.2.1 - - [04/May/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5"#;

    fn peeled(line: &str) -> Option<(Envelope, String)> {
        let envelope = Envelope::recognise(line.as_bytes())?;
        let text = envelope.peel_all(line.as_bytes()).text;
        Some((
            envelope,
            String::from_utf8(text).unwrap().trim_end().to_owned(),
        ))
    }

    #[test]
    fn every_envelope_is_peeled_off() {
        let escaped = LINE.replace('"', "\\\"");
        for (envelope, line) in [
            (
                Envelope::Syslog,
                format!("May  4 12:00:00 web1 nginx: {LINE}"),
            ),
            (
                Envelope::Syslog,
                format!("<134>May 14 12:00:00 web1 nginx[12]: {LINE}"),
            ),
            (Envelope::Syslog, format!("May 14 12:00:00 web1 {LINE}")),
            (
                Envelope::Syslog,
                format!("2026-05-04T12:00:00.123456+02:00 web1 nginx: {LINE}"),
            ),
            (
                Envelope::Syslog,
                format!("<134>1 2026-05-04T12:00:00Z web1 nginx 12 - - {LINE}"),
            ),
            (
                Envelope::Syslog,
                format!(
                    "<134>1 2026-05-04T12:00:00Z web1 nginx 12 ID [a@1 b=\"x]\\\"\"][c] {LINE}"
                ),
            ),
            (
                Envelope::Cri,
                format!("2026-05-04T12:00:00.123456789Z stdout F {LINE}"),
            ),
            (Envelope::Time, format!("2026-05-04T12:00:00.000Z {LINE}")),
            (
                Envelope::Json,
                format!(
                    "{{\"log\":\"{escaped}\\n\",\"stream\":\"stdout\",\"time\":\"2026-05-04T12:00:00Z\"}}"
                ),
            ),
            (
                Envelope::Json,
                format!("{{\"@timestamp\":\"2026-05-04T12:00:00Z\",\"message\":\"{escaped}\"}}"),
            ),
        ] {
            assert_eq!(peeled(&line), Some((envelope, LINE.to_owned())), "{line}");
        }
        let fluentd = "2026-05-04T12:00:00+00:00\tnginx.access\t{\"code\":\"200\"}";
        assert_eq!(
            peeled(fluentd),
            Some((Envelope::Fluentd, "{\"code\":\"200\"}".to_owned()))
        );
    }

    #[test]
    fn lines_that_were_not_shipped_have_no_envelope() {
        for line in [
            LINE,
            "",
            "2026-05-04 12:00:00 a b",
            "2026-05-04T12:00:00 no zone",
            "2026-05-04Z12:00:00Z no such time",
            "{\"a\":1}",
            "{\"message\":{}}",
            "<x>May  4 12:00:00 a b: c",
            "<134>1 2026-05-04T12:00:00Z web1 nginx 12 - [unclosed",
        ] {
            assert_eq!(peeled(line), None, "{line}");
        }
    }

    #[test]
    fn a_line_of_syslog_has_a_time_a_program_and_a_message() {
        let found = syslog(b"Mar 10 00:00:01 fw filterlog[7]: 5,,,1").unwrap();
        assert_eq!(
            (found.time, found.program, found.message),
            (&b"Mar 10 00:00:01"[..], &b"filterlog"[..], &b"5,,,1"[..])
        );
    }

    #[test]
    fn dropped_lines_keep_the_place_they_had() {
        struct Offsets(Vec<usize>);
        impl RecordSink for Offsets {
            fn record(&mut self, _: &Record<'_>) {}
            fn dropped(&mut self, offset: usize, _: &dyn Fn() -> String) {
                self.0.push(offset);
            }
            fn other(&mut self) {}
            fn mended(&mut self) {}
            fn unknown(&mut self, _: i64, _: i64) {}
        }
        let block = b"2026-05-04T12:00:00Z a\nb\n2026-05-04T12:00:00Z c\n";
        let peeled = Envelope::Time.peel_all(block);
        assert_eq!(peeled.text, b"a\nb\nc\n");
        let mut offsets = Offsets(Vec::new());
        let mut mapped = Mapped {
            starts: &peeled.starts,
            sink: &mut offsets,
        };
        for offset in [0, 2, 3, 4] {
            mapped.dropped(offset, &String::new);
        }
        assert_eq!(offsets.0, [0, 23, 23, 25]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_keep_their_number_of_lines(text in proptest::collection::vec(any::<u8>(), 0..120), front in 0_usize..5) {
            let fronts = ["", "<13>1 ", "May  4 12:00:00 h ", "2026-05-04T12:00:00Z ", "{\"log\":\"\\u000a"];
            let text = [fronts[front].as_bytes(), &text[..]].concat();
            for envelope in ENVELOPES {
                let peeled = envelope.peel_all(&text);
                prop_assert_eq!(fields::lines(&peeled.text).count(), fields::lines(&text).count());
            }
        }
    }
}

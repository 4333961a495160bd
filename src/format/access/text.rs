//! Access logs as text.

use std::sync::Arc;

use super::super::fields;
use super::super::record::{Family, Layout, Record, RecordSink};
use super::super::timestamp::Zone;
use super::{Times, first_client, status, without_port};

/// The layout of text. Each line tells by itself which of the forms it has, since logs mix them.
#[derive(Debug, Clone)]
struct Text {
    zone: Zone,
}

pub(super) fn recognise(lines: &[&[u8]], zone: Zone) -> Option<Arc<dyn Layout>> {
    let mut times = Times::new(zone);
    fields::most_fit(lines.iter().copied(), |line| {
        request(line, &mut times).is_some()
    })
    .then(|| Arc::new(Text { zone }) as Arc<dyn Layout>)
}

/// The request of a line; `None` where the line is not one of an access log. No part of the line may be shown.
#[inline]
fn request<'a>(line: &'a [u8], times: &mut Times) -> Option<Record<'a>> {
    let mut from = 0;
    loop {
        // A user may have a bracket in the name: the time is what tells.
        let open = from + memchr::memchr(b'[', line.get(from..)?)?;
        let close = open + memchr::memchr(b']', &line[open..])?;
        if let Some(time_us) = times.parse(&line[open + 1..close]) {
            let mut record = Record {
                start_us: time_us,
                end_us: time_us,
                ..Record::default()
            };
            let rest = line[close + 1..].trim_ascii_start();
            if open == 0 {
                time_first(rest, &mut record)?;
            } else {
                front(&line[..open], &mut record)?;
                amounts(rest, &mut record)?;
            }
            return Some(record);
        }
        from = open + 1;
    }
}

/// Takes the client and the virtual host from what stands before the time: `[vhost[:port] ]client ident user`.
#[inline]
fn front<'a>(front: &'a [u8], record: &mut Record<'a>) -> Option<()> {
    let front = front.trim_ascii();
    if let Some(quoted) = front.strip_prefix(b"\"") {
        let end = memchr::memchr(b'"', quoted)?;
        record.src = fields::endpoint(first_client(&quoted[..end]));
        return Some(());
    }
    let mut words = front
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty());
    let (first, second, third, fourth) = (words.next()?, words.next(), words.next(), words.next());
    // `host client - -`: the second word is an address, or is followed by the ident, which is `-` nearly everywhere.
    let vhost_first = match (second, third, fourth) {
        (Some(second), Some(third), Some(_)) if second != b"-" && !first.ends_with(b",") => {
            third == b"-" || second.ends_with(b",") || fields::is_address(first_client(second))
        }
        _ => false,
    };
    let client = if vhost_first {
        record.vhost = without_port(first);
        second?
    } else {
        first
    };
    // Nobody's log has a quote in a client: it is another program's line.
    if client.contains(&b'"') || client.contains(&b'=') {
        return None;
    }
    record.src = fields::endpoint(first_client(client));
    Some(())
}

/// Takes path, status and bytes from what follows the time: `"request" status bytes`; what follows is free.
#[inline]
fn amounts(rest: &[u8], record: &mut Record<'_>) -> Option<()> {
    let (request, rest) = quoted(rest)?;
    record.path = fields::path_hash(fields::request_target(request));
    let mut words = rest
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty());
    let code = words.next()?;
    let is_status = matches!(code, [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9'] | b"-");
    match (is_status, words.next()) {
        (true, Some(bytes)) => {
            record.status = status(code);
            record.bytes_out = bytes_sent(bytes)?;
        }
        _ => return None,
    }
    Some(())
}

/// Bytes, where `-` is none.
fn bytes_sent(text: &[u8]) -> Option<u64> {
    if text == b"-" {
        Some(0)
    } else {
        fields::number(text)
    }
}

/// The text in quotes at the front, and what follows. A quote within is escaped with a backslash.
#[inline]
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = text.strip_prefix(b"\"")?;
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', inner.get(at..)?)?;
        if inner[at] == b'"' {
            return Some((&inner[..at], &inner[at + 1..]));
        }
        at += 2;
    }
}

/// Takes what follows a time at the front of a line: Apache's `ssl_request_log`, `client protocol cipher "request" bytes`, or
/// the log of nginx-proxy-manager, `... status - METHOD scheme host "target" [Client address] [Length bytes]`.
fn time_first<'a>(rest: &'a [u8], record: &mut Record<'a>) -> Option<()> {
    let quote = memchr::memchr(b'"', rest)?;
    let words: Vec<&[u8]> = rest[..quote]
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty())
        .collect();
    let (target, behind) = quoted(&rest[quote..])?;
    if let Some(dash) = words
        .windows(2)
        .position(|pair| matches!(pair[0], [b'0'..=b'9', _, _]) && pair[1] == b"-")
    {
        let host = *words.get(dash + 4)?;
        let client = bracketed(behind, b"[Client ")?;
        record.status = status(words[dash]);
        record.vhost = without_port(host);
        record.src = fields::endpoint(first_client(client));
        record.bytes_out = bytes_sent(bracketed(behind, b"[Length ")?)?;
        record.path = fields::path_hash(target);
        return Some(());
    }
    let client = first_client(words.first()?);
    if !fields::is_address(client) && words.len() != 3 {
        return None;
    }
    record.src = fields::endpoint(client);
    record.path = fields::path_hash(fields::request_target(target));
    let mut numbers = behind
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty());
    match (numbers.next()?, numbers.next()) {
        (code @ [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9'], Some(bytes))
            if bytes_sent(bytes).is_some() =>
        {
            record.status = status(code);
            record.bytes_out = bytes_sent(bytes)?;
        }
        (bytes, _) => record.bytes_out = bytes_sent(bytes)?,
    }
    Some(())
}

/// What follows `name` up to the closing bracket.
fn bracketed<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = &text[memchr::memmem::find(text, name)? + name.len()..];
    Some(&rest[..memchr::memchr(b']', rest)?])
}

impl Layout for Text {
    fn describe(&self) -> String {
        "access log".to_owned()
    }

    fn family(&self) -> Family {
        Family::Requests
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let mut times = Times::new(self.zone);
        for (offset, line) in fields::lines(block) {
            if line.is_empty() || line.trim_ascii().is_empty() {
                continue;
            }
            match request(line, &mut times) {
                Some(record) => sink.record(&record),
                None => sink.dropped(offset, &|| {
                    "the line does not have the form of an access log".to_owned()
                }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::collected::{OPTIONS, Owned, holds_for_any_bytes, read};
    use super::super::super::record::RecordFormat;
    use super::super::Access;
    use super::*;

    const COMMON: &str =
        r#"192.0.2.1 - - [04/May/2026:12:00:00 +0200] "GET /a?user=me HTTP/1.1" 200 5120"#;
    const NOON_US: i64 = 1_777_888_800_000_000;

    fn one(line: &str) -> Owned {
        let found = read(&Access, line.as_bytes());
        assert_eq!((found.records.len(), found.dropped.len()), (1, 0), "{line}");
        found.records[0].clone()
    }

    #[test]
    fn a_request_has_its_time_client_status_and_bytes() {
        let found = one(COMMON);
        assert_eq!((found.start_us, found.end_us), (NOON_US, NOON_US));
        assert_eq!(
            (&*found.src, found.status, found.bytes_out, found.bytes_in),
            ("192.0.2.1", 200, 5120, 0)
        );
        assert_eq!(found.path, fields::path_hash(b"/a"));
        assert_eq!(
            one(&(COMMON.to_owned() + r#" "http://example.org/" "Mozilla/5.0 (X11)""#)),
            found
        );
        assert_eq!(
            one(&(COMMON.to_owned() + " 45640 \"svc@docker\" \"http://10.0.0.1:80\" 0ms")),
            found
        );
    }

    #[test]
    fn a_virtual_host_and_its_port_may_stand_in_front() {
        for (front, vhost, client) in [
            ("www.example.org ", "www.example.org", "192.0.2.1"),
            ("example.org:443 ", "example.org", "192.0.2.1"),
            ("198.51.100.1:82 ", "198.51.100.1", "192.0.2.1"),
        ] {
            let found = one(&(front.to_owned() + COMMON));
            assert_eq!((&*found.vhost, &*found.src), (vhost, client));
        }
        let found =
            one(&("test.example.org:82 ".to_owned() + &COMMON.replace("192.0.2.1", "localhost")));
        assert_eq!(
            (&*found.vhost, &*found.src),
            ("test.example.org", "\"localhost\"")
        );
    }

    #[test]
    fn the_client_is_the_first_of_a_list_whatever_it_is() {
        for (client, expected) in [
            ("10.0.0.2, 10.0.0.1, 127.0.0.1", "10.0.0.2"),
            ("10.0.0.2,10.0.0.1", "10.0.0.2"),
            ("example.org 10.0.0.2, 10.0.0.1", "10.0.0.2"),
            ("\"10.0.0.2, 10.0.0.1\"", "10.0.0.2"),
            ("10.0.0.2:4711", "10.0.0.2"),
            ("2001:db8::1", "2001:db8::1"),
            ("burger.letters.example", "\"burger.letters.example\""),
            ("unix:", "\"unix:\""),
            ("-", ""),
        ] {
            assert_eq!(
                one(&COMMON.replace("192.0.2.1", client)).src,
                expected,
                "{client}"
            );
        }
    }

    #[test]
    fn users_may_have_blanks_and_brackets_and_the_ident_may_be_missing() {
        for user in ["- john doe", "- user[1]", "- \"a b\"", "ident -", "-"] {
            assert_eq!(one(&COMMON.replace("- -", user)).src, "192.0.2.1", "{user}");
        }
    }

    #[test]
    fn the_request_may_be_anything() {
        for request in [
            r"\x16\x03\x01",
            "",
            "-",
            r#"GET /\"quoted\" HTTP/1.1"#,
            "HELP",
            r"ends with \\",
            "GET /[a]\" 404",
        ] {
            if request.contains("\" 404") {
                continue;
            }
            let found = one(&COMMON.replace("GET /a?user=me HTTP/1.1", request));
            assert_eq!((found.status, found.bytes_out), (200, 5120), "{request}");
        }
    }

    #[test]
    fn a_dash_stands_for_no_bytes_and_no_status() {
        assert_eq!(one(&COMMON.replace("5120", "-")).bytes_out, 0);
        let found = one(&COMMON.replace("200 5120", "- -"));
        assert_eq!((found.status, found.bytes_out), (0, 0));
    }

    #[test]
    fn times_may_be_iso_or_seconds_since_1970() {
        for time in [
            "2026-05-04T12:00:00+02:00",
            "1777888800.000",
            "04/May/2026:10:00:00",
        ] {
            assert_eq!(
                one(&COMMON.replace("04/May/2026:12:00:00 +0200", time)).start_us,
                NOON_US,
                "{time}"
            );
        }
    }

    #[test]
    fn the_time_may_stand_first() {
        let found = one(
            r#"[04/May/2026:12:00:00 +0200] 192.0.2.1 TLSv1.2 ECDHE-RSA "GET /a HTTP/1.1" 226"#,
        );
        assert_eq!(
            (&*found.src, found.status, found.bytes_out, found.start_us),
            ("192.0.2.1", 0, 226, NOON_US)
        );
        for status in ["404", "- 200 404", "HIT 200 404"] {
            let found = one(&format!(
                r#"[04/May/2026:12:00:00 +0200] {status} - GET https example.org "/a?b=c" [Client 192.0.2.1] [Length 192] [Gzip -] "Mozilla" "-""#
            ));
            assert_eq!(
                (&*found.src, &*found.vhost, found.status, found.bytes_out),
                ("192.0.2.1", "example.org", 404, 192)
            );
            assert_eq!(found.path, fields::path_hash(b"/a"));
        }
    }

    #[test]
    fn lines_of_noise_are_dropped_and_never_shown() {
        let text = format!("{COMMON}\n{COMMON}\n{COMMON}\n{COMMON}\nsecret noise\n\n");
        let found = read(&Access, text.as_bytes());
        assert_eq!((found.records.len(), found.dropped.len()), (4, 1));
        assert!(!found.dropped[0].1.contains("secret"));
        assert!(
            Access
                .recognise(b"noise\nnoise\n", &OPTIONS)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn other_text_is_no_access_log() {
        for text in [
            "",
            "timestamp,value\n2026-05-04,1\n",
            "[Thu Oct 13 12:24:49.880562 2022] [auth_basic:error] [pid 10] [client 192.0.2.1:50229] AH01618\n",
            "2022/01/24 16:33:06 [error] 334#334: *338 user \"x\": password mismatch\n",
            "192.0.2.1:50004 [04/May/2026:12:00:00.123] frontend backend/server 0/0/0/1/1 200 750\n",
            "79a5 bucket [04/May/2026:12:00:00 +0000] 192.0.2.1 - 3E57 REST.GET.OBJECT key \"GET /key HTTP/1.1\" 200 - 113\n",
        ] {
            assert!(
                Access
                    .recognise(text.as_bytes(), &OPTIONS)
                    .unwrap()
                    .is_none(),
                "{text}"
            );
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        let npm = r#"[04/May/2026:12:00:00 +0200] 200 - GET https example.org "/a" [Client 192.0.2.1] [Length 192]"#;
        holds_for_any_bytes(
            &Access,
            format!("{COMMON}\nexample.org:80 {COMMON} \"-\" \"x\"\n{npm}\n").as_bytes(),
        );
    }
}

//! HAProxy's HTTP and TCP logs.
//!
//! `client:port [accept time] frontend backend/server timers status bytes ...`, behind a head of syslog or none; TCP has three timers
//! and no status. A connection starts when it is accepted and lasts the last timer. Times name no zone.
//! Source: HAProxy configuration manual, sections 8.2.2, 8.2.3 and 8.2.6.

use std::sync::Arc;

use super::fields::{self, Fault};
use super::record::{Family, Layout, Record, RecordFormat, RecordOptions, RecordSink};
use super::timestamp::{TimeForm, TimeParser};
use super::words::{self, Words};
use crate::support::error::Result;

/// Logs of HAProxy.
pub(super) struct HaProxy;

impl RecordFormat for HaProxy {
    fn name(&self) -> &'static str {
        "haproxy"
    }

    fn recognise(&self, head: &[u8], options: &RecordOptions) -> Result<Option<Arc<dyn Layout>>> {
        let lines = fields::head_lines(head);
        let time = TimeForm::access_log(options.zone);
        let mut parser = time.parser();
        let (mut requests, mut connections) = (0_usize, 0_usize);
        let fits = fields::most_fit(lines.iter().copied(), |line| {
            match record(line, &mut parser) {
                Ok(Line::Request(..)) => requests += 1,
                Ok(Line::Connection(..)) => connections += 1,
                Ok(Line::Message) => {}
                Err(_) => return false,
            }
            true
        });
        if !fits || requests + connections == 0 {
            return Ok(None);
        }
        let family = if requests >= connections {
            Family::Requests
        } else {
            Family::Flows
        };
        Ok(Some(Arc::new(Proxied { time, family })))
    }
}

#[derive(Debug)]
struct Proxied {
    time: TimeForm,
    /// What most lines are; the others are read as if they were of the same kind.
    family: Family,
}

/// What a line is.
enum Line<'a> {
    /// An HTTP request and how long it took.
    Request(Record<'a>, i64),
    /// A TCP connection and how long it took.
    Connection(Record<'a>, i64),
    /// What HAProxy says of itself, and connections that failed before there was a request.
    Message,
}

/// First words of what HAProxy says of itself.
const MESSAGES: [&str; 10] = [
    "Proxy ",
    "Server ",
    "Stopping ",
    "Pausing ",
    "Connect from ",
    "backend ",
    "Health check ",
    "[NOTICE]",
    "[WARNING]",
    "[ALERT]",
];

fn record<'a>(line: &'a [u8], time: &mut TimeParser) -> Result<Line<'a>, Fault<'a>> {
    let not_haproxy = || Fault::Other("it is not a line of HAProxy".to_owned());
    let line = line.trim_ascii();
    let is_message = |text: &[u8]| {
        MESSAGES
            .iter()
            .any(|message| text.starts_with(message.as_bytes()))
    };
    // The accept time follows the client: what stands before the client is a head of syslog.
    let Some(bracket) = accept_time(line) else {
        let after_tag = memchr::memmem::find(line, b"]: ").map(|tag| &line[tag + 3..]);
        let is_own = is_message(line) || after_tag.is_some_and(is_message);
        return if is_own {
            Ok(Line::Message)
        } else {
            Err(not_haproxy())
        };
    };
    let client = line[..bracket].trim_ascii_end();
    let client = match memchr::memrchr(b' ', client) {
        Some(blank) => &client[blank + 1..],
        None => client,
    };
    let mut rest = Words::new(&line[bracket..]);
    let accepted = rest.word();
    let (frontend, server) = (rest.word(), rest.word());
    let timers = rest.word();
    let count = timers.split(|byte| *byte == b'/').count();
    let is_timer = |text: &[u8]| {
        let digits = text.strip_prefix(b"+").unwrap_or(text);
        digits == b"-1" || fields::number(digits).is_some()
    };
    let are_timers = count >= 3 && timers.split(|byte| *byte == b'/').all(is_timer);
    if !are_timers || memchr::memchr(b'/', server).is_none() {
        // `frontend/bind: SSL handshake failure` has a client and a time, and no request.
        return if frontend.ends_with(b":") {
            Ok(Line::Message)
        } else {
            Err(not_haproxy())
        };
    }
    let fault = Fault::Wrong(
        "accept time",
        accepted.into(),
        "a time such as 31/Jan/2026:12:00:00.000",
    );
    let mut record = Record {
        start_us: time.parse(accepted).ok_or(fault)?,
        ..Record::default()
    };
    let (address, port) = words::split_port(client);
    (record.src, record.src_port) = (fields::endpoint(address), port);
    let frontend = frontend.strip_suffix(b"~").unwrap_or(frontend);
    let last = timers
        .rsplit(|byte| *byte == b'/')
        .next()
        .unwrap_or_default();
    let lasted_ms = fields::number(last.strip_prefix(b"+").unwrap_or(last)).unwrap_or(0);
    let lasted_us = i64::try_from(lasted_ms).unwrap_or(0).saturating_mul(1_000);
    if count >= 5 {
        let text = rest.word();
        let fault = Fault::Wrong("status", text.into(), "a whole number");
        // -1 where no answer was sent.
        record.status = if text == b"-1" {
            0
        } else {
            words::status(text).ok_or(fault)?
        };
        record.vhost = frontend;
        record.bytes_out = bytes(rest.word())?;
        // A request is the last thing in a line, whatever is captured before it.
        let request = memchr::memmem::rfind(rest.rest(), b" \"").map(|at| &rest.rest()[at + 2..]);
        record.path = request.map_or(0, |text| {
            fields::path_hash(fields::request_target(
                text.strip_suffix(b"\"").unwrap_or(text),
            ))
        });
        return Ok(Line::Request(record, lasted_us));
    }
    record.interface = frontend;
    record.proto = b"tcp";
    record.bytes_in = bytes(rest.word())?;
    // The second letter says in which phase the session ended: C is the wait for the server to accept it.
    record.failed = server.ends_with(b"/<NOSRV>") || rest.word().get(1) == Some(&b'C');
    Ok(Line::Connection(record, lasted_us))
}

/// Where the bracket of the accept time stands: `[31/Jan/2026:12:00:00.000]`.
fn accept_time(line: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'[', line).find(|&at| {
        matches!(
            line[at..],
            [
                b'[',
                _,
                _,
                b'/',
                _,
                _,
                _,
                b'/',
                _,
                _,
                _,
                _,
                b':',
                _,
                _,
                b':',
                _,
                _,
                b':',
                _,
                _,
                ..
            ]
        )
    })
}

/// With `option logasap` a plus sign tells that more followed.
fn bytes(text: &[u8]) -> Result<u64, Fault<'_>> {
    fields::number(text.strip_prefix(b"+").unwrap_or(text)).ok_or(Fault::Wrong(
        "number of bytes",
        text.into(),
        "a whole number",
    ))
}

impl Layout for Proxied {
    fn describe(&self) -> String {
        match self.family {
            Family::Requests => "HAProxy HTTP log".to_owned(),
            Family::Flows => "HAProxy TCP log".to_owned(),
        }
    }

    fn family(&self) -> Family {
        self.family
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let mut time = self.time.parser();
        for (offset, line) in fields::lines(block) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match record(line, &mut time) {
                Ok(
                    Line::Request(mut record, lasted_us) | Line::Connection(mut record, lasted_us),
                ) => {
                    record.end_us = fields::end_us(record.start_us, lasted_us, sink);
                    let sent = record.bytes_out + record.bytes_in;
                    (record.bytes_out, record.bytes_in) = match self.family {
                        Family::Requests => (sent, 0),
                        Family::Flows => (0, sent),
                    };
                    sink.record(&record);
                }
                Ok(Line::Message) => sink.other(),
                Err(fault) => sink.dropped(offset, &|| fault.reason()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::collected;
    use super::*;

    const HTTP: &[u8] = br#"Mar  1 10:00:00 lb haproxy[7]: Proxy front started.
Mar  1 10:00:01 lb haproxy[7]: 192.0.2.1:53332 [01/Mar/2026:10:00:00.143] front~ back/web1 0/0/7/1457/1487 200 11394 - - ---- 2/1/0/0/0 0/0 {agent "x" 1} {} "GET /a?b=c HTTP/1.1"
Mar  1 10:00:02 lb haproxy[7]: 2001:db8::1:53333 [01/Mar/2026:10:00:01.000] front back/<NOSRV> -1/-1/-1/-1/+12 -1 +0 - - PR-- 2/1/0/0/0 0/0 "<BADREQ>"
Mar  1 10:00:03 lb haproxy[7]: 192.0.2.3:53334 [01/Mar/2026:10:00:02.500] front/sock: SSL handshake failure
"#;
    const TCP: &[u8] =
        b"192.0.2.1:33313 [01/Mar/2026:10:00:00.500] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0
192.0.2.2:33314 [01/Mar/2026:10:00:01.500] fnt bck/<NOSRV> -1/-1/0 0 SC 0/0/0/0/3 0/0
192.0.2.2:33315 [01/Mar/2026:10:00:02.500] fnt bck/srv1 0/-1/5000 0 sC 0/0/0/0/3 0/0
";

    #[test]
    fn a_request_begins_when_it_is_accepted_and_lasts_its_last_timer() {
        let found = collected::read(&HaProxy, HTTP);
        let [first, second] = &found.records[..] else {
            panic!("{found:?}")
        };
        assert_eq!(
            (first.start_us, first.end_us),
            (1_772_359_200_143_000, 1_772_359_201_630_000)
        );
        assert_eq!(
            (first.src.as_str(), first.src_port),
            ("192.0.2.1", Some(53332))
        );
        assert_eq!(
            (first.status, first.bytes_out, first.vhost.as_str()),
            (200, 11394, "front")
        );
        assert_eq!(first.path, fields::path_hash(b"/a"));
        assert_eq!(
            (second.src.as_str(), second.status, second.bytes_out),
            ("2001:db8::1", 0, 0)
        );
        assert_eq!(second.end_us - second.start_us, 12_000);
    }

    #[test]
    fn messages_and_failed_handshakes_are_other_lines() {
        let found = collected::read(&HaProxy, HTTP);
        assert_eq!((found.others, found.dropped.len()), (2, 0));
        let noise = [HTTP, b"Mar  1 10:00:03 lb sshd[9]: session opened\n"].concat();
        assert_eq!(collected::read(&HaProxy, &noise).dropped.len(), 1);
    }

    #[test]
    fn a_tcp_log_holds_flows_and_tells_refused_ones() {
        assert_eq!(
            collected::layout(&HaProxy, TCP).unwrap().family(),
            Family::Flows
        );
        let found = collected::read(&HaProxy, TCP);
        let failed: Vec<bool> = found.records.iter().map(|record| record.failed).collect();
        assert_eq!(failed, [false, true, true]);
        let first = &found.records[0];
        assert_eq!((first.bytes_in, first.interface.as_str()), (212, "fnt"));
        assert_eq!(first.end_us - first.start_us, 5_007_000);
    }

    #[test]
    fn times_are_read_in_the_zone_of_the_option() {
        let options = RecordOptions {
            zone: "+01:00".parse().unwrap(),
            ..collected::OPTIONS
        };
        let mut sink = collected::Collected::default();
        HaProxy
            .recognise(TCP, &options)
            .unwrap()
            .unwrap()
            .read(TCP, &mut sink);
        assert_eq!(sink.records[0].start_us, 1_772_355_600_500_000);
    }

    #[test]
    fn any_bytes_are_accounted_for() {
        for sample in [HTTP, TCP] {
            collected::holds_for_any_bytes(&HaProxy, sample);
        }
        let access = b"192.0.2.1 - - [01/Mar/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 5\n";
        assert!(collected::layout(&HaProxy, access).is_none());
    }
}

//! Access logs of AWS load balancers: application (ALB), network (NLB, TLS listeners) and classic (CLB).
//!
//! Words are separated by blanks and always stand in the same place. The time is that of the answer, so a request starts earlier by
//! the three times that the balancer measured; `-1` and `-` mean that there was none.
//! Source: AWS, "Access logs for your Application Load Balancer", "... Network Load Balancer" and "... Classic Load Balancer".

use std::sync::Arc;

use super::fields::{self, Fault};
use super::record::{Family, Layout, Record, RecordFormat, RecordOptions, RecordSink};
use super::timestamp::{TimeForm, TimeParser, Zone};
use super::words::{self, Words};
use crate::support::error::{Error, ErrorKind, Result};

/// Logs of AWS load balancers.
pub(super) struct LoadBalancer;

impl RecordFormat for LoadBalancer {
    fn name(&self) -> &'static str {
        "elb"
    }

    fn recognise(&self, head: &[u8], _: &RecordOptions) -> Result<Option<Arc<dyn Layout>>> {
        let lines = fields::head_lines(head);
        let fits =
            |kind| fields::most_fit(lines.iter().copied(), |line| Kind::of(line) == Some(kind));
        let kinds = [Kind::Application, Kind::Network, Kind::Classic];
        if let Some(kind) = kinds.into_iter().find(|&kind| fits(kind)) {
            return Ok(Some(Arc::new(Balanced { kind })));
        }
        if fits(Kind::Connections) {
            let text = "a connection log of an AWS load balancer, which holds no requests: give its access log";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        Ok(None)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Application,
    Network,
    Classic,
    /// The connection log of an ALB, which is another log.
    Connections,
}

impl Kind {
    /// What a line looks like by its first words.
    fn of(line: &[u8]) -> Option<Self> {
        let mut words = Words::new(line);
        let (first, second, third, fourth) =
            (words.word(), words.word(), words.word(), words.word());
        match first {
            b"http" | b"https" | b"h2" | b"grpcs" | b"ws" | b"wss" => (is_time(second)
                && words::split_port(fourth).1.is_some())
            .then_some(Self::Application),
            b"tls" => (second == b"2.0" && is_time(third)).then_some(Self::Network),
            _ if !is_time(first) => None,
            _ => {
                let is_client = third == b"-" || words::split_port(third).1.is_some();
                let are_times = [words.word(), words.word(), words.word()]
                    .iter()
                    .all(|text| fields::seconds_us(text).is_some());
                if is_client && are_times {
                    return Some(Self::Classic);
                }
                let are_ports = [third, fourth]
                    .iter()
                    .all(|text| fields::port(text).is_some());
                (are_ports && fields::is_address(second)).then_some(Self::Connections)
            }
        }
    }
}

/// `2026-01-31T12:00:00.000000Z`, in logs of NLBs also without fraction and `Z`.
fn is_time(text: &[u8]) -> bool {
    matches!(
        text,
        [
            b'1' | b'2',
            _,
            _,
            _,
            b'-',
            _,
            _,
            b'-',
            _,
            _,
            b'T',
            _,
            _,
            b':',
            _,
            _,
            b':',
            ..
        ]
    )
}

#[derive(Debug)]
struct Balanced {
    kind: Kind,
}

impl Balanced {
    fn record<'a>(
        &self,
        line: &'a [u8],
        time: &mut TimeParser,
    ) -> Result<(Record<'a>, i64), Fault<'a>> {
        let mut words = Words::new(line);
        let mut record = Record::default();
        match self.kind {
            Kind::Application => _ = words.word(),
            Kind::Network => _ = (words.word(), words.word()),
            Kind::Classic | Kind::Connections => {}
        }
        let text = words.word();
        let fault = Fault::Wrong("time", text.into(), "an ISO 8601 time");
        record.end_us = time.parse(text).ok_or(fault)?;
        let _balancer = words.word();
        if self.kind == Kind::Network {
            record.interface = words.word();
        }
        let (client, client_port) = words::split_port(words.word());
        let (target, target_port) = words::split_port(words.word());
        record.src = fields::endpoint(client);
        record.src_port = client_port;
        let mut lasted_us = 0_i64;
        if self.kind == Kind::Network {
            record.dst = fields::endpoint(target);
            record.dst_port = target_port;
            let text = words.word();
            let fault = Fault::Wrong("connection_time", text.into(), "a number of milliseconds");
            lasted_us = words::number_or_zero(text)
                .and_then(|ms| i64::try_from(ms).ok()?.checked_mul(1_000))
                .ok_or(fault)?;
            let _handshake = words.word();
        } else {
            for name in [
                "request_processing_time",
                "target_processing_time",
                "response_processing_time",
            ] {
                let text = words.word();
                let fault = Fault::Wrong(name, text.into(), "a number of seconds");
                // -1 where there is none.
                lasted_us = lasted_us.saturating_add(match text {
                    b"-" => 0,
                    _ => fields::seconds_us(text).ok_or(fault)?.max(0),
                });
            }
            let text = words.word();
            let fault = Fault::Wrong("elb_status_code", text.into(), "a whole number");
            record.status = words::status(text).ok_or(fault)?;
            let _target_status = words.word();
        }
        let mut bytes = |name| {
            let text = words.word();
            let number = if text.is_empty() {
                None
            } else {
                words::number_or_zero(text)
            };
            number.ok_or(Fault::Wrong(name, text.into(), "a whole number"))
        };
        let (received, sent) = (bytes("received_bytes")?, bytes("sent_bytes")?);
        if self.kind == Kind::Network {
            (record.bytes_out, record.bytes_in) = (received, sent);
            record.proto = b"tcp";
            record.service = b"tls";
        } else {
            (record.bytes_out, record.bytes_in) = (sent, received);
            let request = words.word();
            let target = fields::request_target(request);
            record.path = fields::path_hash(target);
            record.vhost = words::target_host(target);
            if self.kind == Kind::Application {
                // user agent, cipher, protocol, target group, trace; then the name that the client asked for in TLS.
                let domain = words.nth(5).unwrap_or_default();
                if !matches!(domain, b"" | b"-") {
                    record.vhost = domain;
                }
            }
        }
        Ok((record, lasted_us))
    }
}

impl Layout for Balanced {
    fn describe(&self) -> String {
        match self.kind {
            Kind::Application => "AWS application load balancer access log",
            Kind::Network => "AWS network load balancer access log",
            Kind::Classic | Kind::Connections => "AWS classic load balancer access log",
        }
        .to_owned()
    }

    fn family(&self) -> Family {
        match self.kind {
            Kind::Network => Family::Flows,
            _ => Family::Requests,
        }
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let mut time = TimeForm::iso(Zone::UTC).parser();
        for (offset, line) in fields::lines(block) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match self.record(line, &mut time) {
                Ok((mut record, lasted_us)) => {
                    record.start_us = record.end_us.saturating_sub(lasted_us);
                    sink.record(&record);
                }
                Err(fault) => sink.dropped(offset, &|| fault.reason()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::collected;
    use super::*;

    const ALB: &[u8] = br#"https 2026-03-01T10:00:00.500000Z app/web/1a2b 192.0.2.1:40000 10.0.0.1:80 0.100 0.200 0.200 200 200 34 366 "GET https://shop.example.org:443/a/b?c=d HTTP/1.1" "agent \"x\" 1.0" ECDHE TLSv1.2 arn:aws:x "Root=1-5" "www.example.org" "arn" 0 2026-03-01T10:00:00.000000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-"
http 2026-03-01T10:00:01.000000Z app/web/1a2b [2001:db8::7]:40001 - -1 -1 -1 503 - 0 170 "- http://203.0.113.9:80- -" "-" - - - "-" "-" "-" - 2026-03-01T10:00:01.000000Z "-" "-" "-" "-" "-" "-" "-"
h2 2026-03-01T10:00:02.000000Z app/web/1a2b 192.0.2.1:40002 - -1 -1 -1 - - 0 0 "- - - " "-" - - - "-" "-" "-" - 2026-03-01T10:00:01.000000Z "-" "-" "-" "-" "-" "-" "-"
"#;
    const NLB: &[u8] = b"tls 2.0 2026-03-01T10:00:05 net/front/c6e7 listener1 192.0.2.1:51341 10.0.0.2:443 5000 2 98 246 - arn - ECDHE tlsv12 - my.example.org - - - 2026-03-01T10:00:00\n";
    const CLB: &[u8] = br#"2026-03-01T10:00:00.500000Z my-lb 192.0.2.1:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 "GET http://www.example.org:80/ HTTP/1.1" "curl/7.38.0" - -
2026-03-01T10:00:01.500000Z my-lb 192.0.2.1:2818 10.0.0.1:80 0.001069 0.000028 0.000041 - - 82 305 "- - - " "-" - -
2026-03-01T10:00:02.500000Z my-lb 192.0.2.1:2819 - -1 -1 -1 504 0 0 0 "GET http://www.example.org:80/ HTTP/1.1" "-" - -
"#;

    #[test]
    fn a_request_to_an_alb_starts_before_its_answer_and_names_its_host() {
        let found = collected::read(&LoadBalancer, ALB);
        let [first, second, third] = &found.records[..] else {
            panic!("{found:?}")
        };
        assert_eq!(
            (first.start_us, first.end_us),
            (1_772_359_200_000_000, 1_772_359_200_500_000)
        );
        assert_eq!(
            (first.src.as_str(), first.src_port),
            ("192.0.2.1", Some(40000))
        );
        assert_eq!(
            (first.bytes_out, first.bytes_in, first.status),
            (366, 34, 200)
        );
        assert_eq!(first.vhost, "www.example.org");
        assert_eq!(first.path, fields::path_hash(b"/a/b"));
        assert_eq!((second.src.as_str(), second.status), ("2001:db8::7", 503));
        assert_eq!(second.start_us, second.end_us);
        assert_eq!((third.status, third.path, third.vhost.as_str()), (0, 0, ""));
    }

    #[test]
    fn a_connection_through_an_nlb_is_a_flow_with_bytes_both_ways() {
        let layout = collected::layout(&LoadBalancer, NLB).unwrap();
        assert_eq!(layout.family(), Family::Flows);
        let found = collected::read(&LoadBalancer, NLB);
        let [flow] = &found.records[..] else {
            panic!("{found:?}")
        };
        assert_eq!(
            (flow.start_us, flow.end_us),
            (1_772_359_200_000_000, 1_772_359_205_000_000)
        );
        assert_eq!((flow.dst.as_str(), flow.dst_port), ("10.0.0.2", Some(443)));
        assert_eq!((flow.bytes_out, flow.bytes_in), (98, 246));
    }

    #[test]
    fn a_classic_balancer_writes_requests_without_a_kind_in_front() {
        let found = collected::read(&LoadBalancer, CLB);
        let statuses: Vec<u16> = found.records.iter().map(|record| record.status).collect();
        assert_eq!(statuses, [200, 0, 504]);
        assert_eq!(found.records[0].vhost, "www.example.org");
        assert_eq!(
            (found.records[1].bytes_out, found.records[1].bytes_in),
            (305, 82)
        );
    }

    #[test]
    fn a_connection_log_is_refused_by_name() {
        let text = b"2026-03-01T10:00:00.500000Z 192.0.2.1 36280 443 TLSv1.2 ECDHE 4.036 - - - Success TID_1\n";
        let error = collected::refusal(&LoadBalancer, text);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("connection log"), "{error}");
    }

    #[test]
    fn a_cut_line_is_dropped_with_its_reason() {
        let text = [
            ALB,
            b"http 2026-03-01T10:00:01.000000Z app/web/1a2b 192.0.2.1:40001 - -1 -1 -1 503 - 0",
        ]
        .concat();
        let found = collected::read(&LoadBalancer, &text);
        assert_eq!(found.records.len(), 3);
        assert_eq!(
            found.dropped,
            [(
                ALB.len(),
                "the sent_bytes \"\" is not a whole number".to_owned()
            )]
        );
    }

    #[test]
    fn any_bytes_are_accounted_for() {
        for sample in [ALB, NLB, CLB] {
            collected::holds_for_any_bytes(&LoadBalancer, sample);
        }
    }
}

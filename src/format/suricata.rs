//! Suricata's eve.json: flows, or netflow where there are no flows.
//!
//! A flow has its own start and end: the line's `timestamp` is when it was logged, minutes later, and plays no part. Lines of other
//! kinds (`stats`, `dns`, `alert`) are counted as such. AWS Network Firewall nests the same event under `event`.
//! Source: Suricata User Guide, "Eve JSON Format".

use std::borrow::Cow;
use std::sync::Arc;

use super::fields::{self, Fault};
use super::json::{self, Value};
use super::record::{Family, Layout, Record, RecordFormat, RecordOptions, RecordSink};
use super::timestamp::{TimeForm, TimeParser, Zone};
use crate::support::error::Result;

/// Suricata's eve.json.
pub(super) struct Suricata;

impl RecordFormat for Suricata {
    fn name(&self) -> &'static str {
        "suricata"
    }

    fn recognise(&self, head: &[u8], options: &RecordOptions) -> Result<Option<Arc<dyn Layout>>> {
        let lines = fields::head_lines(head);
        let kinds: Vec<Cow<'_, [u8]>> = lines.iter().filter_map(|line| kind_of(line)).collect();
        if kinds.is_empty() {
            return Ok(None);
        }
        let has = |kind: Kind| kinds.iter().any(|other| **other == *kind.name().as_bytes());
        // Netflow counts only where the log has no flows, which would be the same traffic again.
        let kind = if has(Kind::Netflow) && !has(Kind::Flow) {
            Kind::Netflow
        } else {
            Kind::Flow
        };
        let is_nested = lines
            .iter()
            .any(|line| memchr::memmem::find(line, b"\"event\":").is_some());
        Ok(Some(Arc::new(Eve {
            kind,
            zone: options.zone,
            is_nested,
        })))
    }
}

/// The `event_type` of a line of eve.json, or nothing.
fn kind_of(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut kind = None;
    let _ = json::walk(line, |key, value| {
        match key {
            "event_type" if value.is_text() => kind = Some(value.text()),
            "event" => value.walk(|key, value| {
                if key == "event_type" && value.is_text() {
                    kind = Some(value.text());
                }
                kind.is_none()
            }),
            _ => {}
        }
        kind.is_none()
    });
    kind.filter(|kind| !kind.is_empty())
}

/// Which events count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Flow,
    Netflow,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Netflow => "netflow",
        }
    }
}

/// The layout: one object a line.
#[derive(Debug, Clone)]
struct Eve {
    kind: Kind,
    zone: Zone,
    /// Whether events lie under `event`, as AWS Network Firewall writes them.
    is_nested: bool,
}

/// What a line of the wanted kind says, in the order in which it says it.
#[derive(Default)]
struct Event<'a> {
    record: Record<'a>,
    id: Cow<'a, [u8]>,
    src: Cow<'a, [u8]>,
    dst: Cow<'a, [u8]>,
    proto: Cow<'a, [u8]>,
    service: Cow<'a, [u8]>,
    interface: Cow<'a, [u8]>,
    start_us: Option<i64>,
    end_us: Option<i64>,
    is_new: bool,
    is_other: bool,
    has_kind: bool,
    fault: Option<Fault<'a>>,
}

impl<'a> Event<'a> {
    /// Takes a key of the event; `false` once the line turns out to be of another kind.
    fn take(&mut self, key: &str, value: Value<'a>, kind: Kind, time: &mut TimeParser) -> bool {
        match key {
            "event_type" => {
                self.has_kind = true;
                self.is_other = *value.text() != *kind.name().as_bytes();
                return !self.is_other;
            }
            "flow_id" => self.id = value.text(),
            "src_ip" => self.src = value.text(),
            "dest_ip" => self.dst = value.text(),
            "src_port" => self.record.src_port = self.port("src_port", &value),
            "dest_port" => self.record.dst_port = self.port("dest_port", &value),
            "proto" => self.proto = value.text(),
            "app_proto" => self.service = value.text(),
            "in_iface" => self.interface = value.text(),
            "flow" | "netflow" if key == kind.name() => value.walk(|key, value| {
                self.take_amount(key, value, time);
                true
            }),
            _ => {}
        }
        true
    }

    fn take_amount(&mut self, key: &str, value: Value<'a>, time: &mut TimeParser) {
        match key {
            "bytes_toserver" | "bytes" => {
                self.record.bytes_out = self.number("bytes_toserver", &value)
            }
            "bytes_toclient" => self.record.bytes_in = self.number("bytes_toclient", &value),
            "pkts_toserver" | "pkts" => {
                self.record.packets_out = self.number("pkts_toserver", &value)
            }
            "pkts_toclient" => self.record.packets_in = self.number("pkts_toclient", &value),
            "start" => self.start_us = self.time("start", &value, time),
            "end" => self.end_us = self.time("end", &value, time),
            "state" => self.is_new = *value.text() == *b"new",
            _ => {}
        }
    }

    fn number(&mut self, name: &'static str, value: &Value<'a>) -> u64 {
        if value.is_null() {
            return 0;
        }
        value.number().unwrap_or_else(|| {
            self.fault = Some(Fault::Wrong(name, value.text(), "a whole number"));
            0
        })
    }

    fn port(&mut self, name: &'static str, value: &Value<'a>) -> Option<u16> {
        let port = fields::port(&value.text());
        if port.is_none() && !value.is_null() {
            self.fault = Some(Fault::Wrong(name, value.text(), "a port from 0 to 65535"));
        }
        port
    }

    fn time(
        &mut self,
        name: &'static str,
        value: &Value<'a>,
        time: &mut TimeParser,
    ) -> Option<i64> {
        let text = value.text();
        let time_us = time.parse_fast(&text);
        if time_us.is_none() {
            self.fault = Some(Fault::Wrong(name, text, "a time"));
        }
        time_us
    }
}

impl Eve {
    fn event<'a>(
        &self,
        line: &'a [u8],
        time: &mut TimeParser,
    ) -> Result<Option<Event<'a>>, Fault<'a>> {
        let mut event = Event::default();
        json::walk(line, |key, value| {
            if self.is_nested && key == "event" {
                value.walk(|key, value| event.take(key, value, self.kind, time));
                return !event.is_other;
            }
            event.take(key, value, self.kind, time)
        })
        .map_err(Fault::Other)?;
        if event.is_other {
            return Ok(None);
        }
        if !event.has_kind {
            return Err(Fault::Missing("event_type"));
        }
        match event.fault.take() {
            Some(fault) => Err(fault),
            None => Ok(Some(event)),
        }
    }
}

impl Layout for Eve {
    fn describe(&self) -> String {
        let nested = if self.is_nested {
            " of AWS Network Firewall"
        } else {
            ""
        };
        format!("Suricata eve.json{nested}, {} events", self.kind.name())
    }

    fn family(&self) -> Family {
        Family::Flows
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let mut time = TimeForm::iso(self.zone).parser();
        for (offset, line) in fields::lines(block) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let event = match self.event(line, &mut time) {
                Ok(Some(event)) => event,
                Ok(None) => {
                    sink.other();
                    continue;
                }
                Err(fault) => {
                    sink.dropped(offset, &|| fault.reason());
                    continue;
                }
            };
            let Some(start_us) = event.start_us else {
                sink.dropped(offset, &|| Fault::Missing("start").reason());
                continue;
            };
            let proto = fields::protocol(&event.proto);
            let mut record = event.record;
            record.start_us = start_us;
            record.end_us =
                fields::end_us(start_us, event.end_us.unwrap_or(start_us) - start_us, sink);
            record.src = fields::endpoint(&event.src);
            record.dst = fields::endpoint(&event.dst);
            record.proto = &proto;
            // Suricata writes `failed` where it found no application protocol.
            record.service = if *event.service == *b"failed" {
                b""
            } else {
                &event.service
            };
            record.interface = &event.interface;
            record.failed = self.kind == Kind::Flow && event.is_new && record.packets_in == 0;
            if !event.id.is_empty() && self.kind == Kind::Flow {
                record.identity = fields::unique(&event.id, start_us);
            }
            sink.record(&record);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::collected::{OPTIONS, holds_for_any_bytes, layout, read};
    use super::*;

    const FLOW: &str = r#"{"timestamp":"2026-05-04T12:08:34.000385+0000","flow_id":7,"in_iface":"eth1","event_type":"flow","src_ip":"192.0.2.1","src_port":50632,"dest_ip":"2001:db8::3","dest_port":53,"proto":"UDP","app_proto":"dns","flow":{"pkts_toserver":1,"pkts_toclient":2,"bytes_toserver":87,"bytes_toclient":148,"start":"2026-05-04T15:03:33.899598+0300","end":"2026-05-04T15:03:33.900653+0300","age":0,"state":"established"}}"#;
    const STATS: &str = r#"{"timestamp":"2026-05-04T12:08:35.000385+0000","event_type":"stats","stats":{"uptime":8,"decoder":{"pkts":1}}}"#;
    const NETFLOW: &str = r#"{"timestamp":"2026-05-04T12:08:34.000385+0000","flow_id":7,"event_type":"netflow","src_ip":"192.0.2.1","src_port":1,"dest_ip":"192.0.2.2","dest_port":2,"proto":"TCP","netflow":{"pkts":3,"bytes":180,"start":"2026-05-04T12:03:33.899598+0000","end":"2026-05-04T12:03:34.000000+0000","age":1}}"#;

    #[test]
    fn a_flow_has_its_own_times_and_both_directions() {
        let found = read(&Suricata, FLOW.as_bytes());
        let first = &found.records[0];
        assert_eq!(
            (first.start_us, first.end_us),
            (1_777_896_213_899_598, 1_777_896_213_900_653)
        );
        assert_eq!(
            (&*first.src, &*first.dst, first.src_port, first.dst_port),
            ("192.0.2.1", "2001:db8::3", Some(50_632), Some(53))
        );
        assert_eq!(
            (
                first.bytes_out,
                first.bytes_in,
                first.packets_out,
                first.packets_in
            ),
            (87, 148, 1, 2)
        );
        assert_eq!(
            (
                &*first.proto,
                &*first.service,
                &*first.interface,
                first.failed
            ),
            ("udp", "dns", "eth1", false)
        );
    }

    #[test]
    fn lines_of_other_kinds_are_counted_as_such() {
        let alert = FLOW.replace(r#""event_type":"flow""#, r#""event_type":"alert""#);
        let text = format!("{STATS}\n{FLOW}\n{alert}\n{STATS}\n\n{}\n", &FLOW[..60]);
        let found = read(&Suricata, text.as_bytes());
        assert_eq!(
            (found.records.len(), found.others, found.dropped.len()),
            (1, 3, 1)
        );
        let without = layout(&Suricata, STATS.as_bytes()).unwrap();
        assert_eq!(without.describe(), "Suricata eve.json, flow events");
    }

    #[test]
    fn flows_and_netflow_are_never_both_counted() {
        let found = read(&Suricata, format!("{NETFLOW}\n{FLOW}\n").as_bytes());
        assert_eq!((found.records.len(), found.others), (1, 1));
        assert_eq!(found.records[0].bytes_out, 87);
        let found = read(&Suricata, format!("{STATS}\n{NETFLOW}\n").as_bytes());
        assert_eq!((found.records.len(), found.others), (1, 1));
        assert_eq!(
            (found.records[0].bytes_out, found.records[0].packets_out),
            (180, 3)
        );
    }

    #[test]
    fn the_events_of_aws_network_firewall_are_nested() {
        let text =
            format!(r#"{{"firewall_name":"fw","event_timestamp":"1777896600","event":{NETFLOW}}}"#);
        let found = read(&Suricata, text.as_bytes());
        assert_eq!((found.records.len(), found.records[0].bytes_out), (1, 180));
        assert!(
            layout(&Suricata, text.as_bytes())
                .unwrap()
                .describe()
                .contains("AWS")
        );
    }

    #[test]
    fn a_wrong_log_time_does_not_matter_but_a_wrong_start_does() {
        let text = FLOW.replace(
            "2026-05-04T12:08:34.000385+0000",
            "1900-01-00T00:00:14.199185+0000",
        );
        assert_eq!(read(&Suricata, text.as_bytes()).records.len(), 1);
        let text = FLOW.replace(
            "2026-05-04T15:03:33.899598+0300",
            "1900-01-00T00:00:14.199185+0000",
        );
        assert_eq!(
            read(&Suricata, text.as_bytes()).dropped[0].1,
            "the start \"1900-01-00T00:00:14.199185+0000\" is not a time"
        );
    }

    #[test]
    fn an_unanswered_flow_is_failed_and_an_end_before_the_start_is_mended() {
        let text = FLOW
            .replace("established", "new")
            .replace("\"pkts_toclient\":2", "\"pkts_toclient\":0");
        assert!(read(&Suricata, text.as_bytes()).records[0].failed);
        let text = FLOW.replace("15:03:33.900653", "15:03:32.900653");
        let found = read(&Suricata, text.as_bytes());
        assert_eq!(
            (found.mended, found.records[0].end_us),
            (1, found.records[0].start_us)
        );
    }

    #[test]
    fn a_flow_id_with_the_same_start_is_the_same_flow() {
        let text = format!(
            "{FLOW}\n{FLOW}\n{}\n",
            FLOW.replace("33.899598", "33.899599")
        );
        let found = read(&Suricata, text.as_bytes()).records;
        assert_eq!(found[0].identity, found[1].identity);
        assert_ne!(found[0].identity, found[2].identity);
    }

    #[test]
    fn other_text_is_no_eve() {
        for text in [
            "",
            "{}",
            "a,b\n",
            "{\"event_type\":7",
            "{\"event\":{\"a\":1}}",
            "[]",
        ] {
            assert!(
                Suricata
                    .recognise(text.as_bytes(), &OPTIONS)
                    .unwrap()
                    .is_none(),
                "{text}"
            );
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        let nested = format!(r#"{{"event":{NETFLOW}}}"#);
        holds_for_any_bytes(&Suricata, format!("{STATS}\n{FLOW}\n").as_bytes());
        holds_for_any_bytes(&Suricata, nested.as_bytes());
    }
}

//! nfdump's JSON, an array of objects over many lines, and its ndjson, an object a line.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::fields::{self, Fault};
use super::super::json::{self, Value};
use super::super::record::{Family, Layout, RecordSink};
use super::super::timestamp::Zone;
use super::{Flow, Times, has_syn_only};

/// The layout: objects one after the other.
#[derive(Debug, Clone)]
struct Objects {
    zone: Zone,
    /// Whether objects may stretch over lines.
    is_array: bool,
}

pub(super) fn recognise(head: &[u8], zone: Zone) -> Option<Arc<dyn Layout>> {
    let is_array = head.trim_ascii_start().starts_with(b"[");
    let is_flow = |object: &[u8]| {
        let (mut is_typed, mut amounts) = (false, 0);
        let walked = json::walk(object, |key, value| {
            match key {
                "type" => is_typed = matches!(&*value.text(), b"FLOW" | b"EVENT"),
                "first" | "in_bytes" | "in_packets" | "src4_addr" | "src6_addr" => amounts += 1,
                _ => {}
            }
            true
        });
        walked.is_ok() && is_typed && amounts >= 3
    };
    let mut objects = json::objects(head).take(20);
    objects
        .any(|(_, object)| is_flow(object))
        .then(|| Arc::new(Objects { zone, is_array }) as Arc<dyn Layout>)
}

/// A flow with its texts.
#[derive(Default)]
struct Object<'a> {
    flow: Flow<'a>,
    src: Cow<'a, [u8]>,
    dst: Cow<'a, [u8]>,
    proto: Cow<'a, [u8]>,
    interface: Cow<'a, [u8]>,
    /// Who saw the flow.
    witness: Vec<u8>,
    is_other: bool,
    fault: Option<Fault<'a>>,
}

impl<'a> Object<'a> {
    fn take(&mut self, key: &str, value: Value<'a>, times: &mut Times) {
        match key {
            "type" => self.is_other = *value.text() != *b"FLOW",
            "first" => {
                let text = value.text();
                self.flow.start_us = times.parse(&text);
                if self.flow.start_us.is_none() {
                    self.fault = Some(Fault::Wrong("first", text, "a time"));
                }
            }
            "last" => self.flow.end_us = times.parse(&value.text()),
            "src4_addr" | "src6_addr" => self.src = value.text(),
            "dst4_addr" | "dst6_addr" => self.dst = value.text(),
            "src_port" => self.flow.record.src_port = fields::port(&value.text()),
            "dst_port" => self.flow.record.dst_port = fields::port(&value.text()),
            "proto" => self.proto = value.text(),
            "tcp_flags" => self.flow.has_syn_only = has_syn_only(&value.text()),
            "in_packets" => self.flow.record.packets_out = self.number("in_packets", &value),
            "in_bytes" => self.flow.record.bytes_out = self.number("in_bytes", &value),
            "out_packets" => self.flow.record.packets_in = self.number("out_packets", &value),
            "out_bytes" => self.flow.record.bytes_in = self.number("out_bytes", &value),
            "aggr_flows" => self.flow.record.flows = self.number("aggr_flows", &value).max(1),
            "input_snmp" => {
                self.interface = value.text();
                self.witness(&value);
            }
            "output_snmp" | "ip4_router" | "ip6_router" | "export_sysid" | "engine_type"
            | "engine_id" => {
                self.witness(&value);
            }
            _ => {}
        }
    }

    fn witness(&mut self, value: &Value<'a>) {
        self.witness.extend_from_slice(&value.text());
        self.witness.push(b',');
    }

    fn number(&mut self, name: &'static str, value: &Value<'a>) -> u64 {
        value.number().unwrap_or_else(|| {
            self.fault = Some(Fault::Wrong(name, value.text(), "a whole number"));
            0
        })
    }
}

fn object<'a>(text: &'a [u8], times: &mut Times) -> Result<Object<'a>, Fault<'a>> {
    let mut object = Object::default();
    json::walk(text, |key, value| {
        object.take(key, value, times);
        !object.is_other
    })
    .map_err(Fault::Other)?;
    match object.fault.take() {
        Some(fault) if !object.is_other => Err(fault),
        _ => Ok(object),
    }
}

impl Layout for Objects {
    fn describe(&self) -> String {
        let form = if self.is_array { "JSON" } else { "ndjson" };
        format!("nfdump {form}, local times read as {}", self.zone)
    }

    fn family(&self) -> Family {
        Family::Flows
    }

    fn cut(&self, block: &[u8]) -> Option<usize> {
        if self.is_array {
            json::cut(block)
        } else {
            memchr::memrchr(b'\n', block).map(|end| end + 1)
        }
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let mut times = Times::new(self.zone);
        let mut read = |offset: usize, text: &[u8]| {
            let mut found = match object(text, &mut times) {
                Ok(found) if found.is_other => {
                    sink.other();
                    return;
                }
                Ok(found) => found,
                Err(fault) => {
                    sink.dropped(offset, &|| fault.reason());
                    return;
                }
            };
            let Some(start_us) = found.flow.start_us else {
                sink.dropped(offset, &|| Fault::Missing("first").reason());
                return;
            };
            let proto = fields::protocol(&found.proto);
            let mut flow = std::mem::take(&mut found.flow);
            flow.record.src = fields::endpoint(&found.src);
            flow.record.dst = fields::endpoint(&found.dst);
            flow.record.proto = &proto;
            flow.record.interface = &found.interface;
            flow.finish(start_us, &found.witness, sink);
        };
        if self.is_array {
            json::objects(block).for_each(|(offset, text)| read(offset, text));
        } else {
            let lines = fields::lines(block).filter(|(_, line)| !line.trim_ascii().is_empty());
            lines.for_each(|(offset, line)| read(offset, line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::collected::{OPTIONS, holds_for_any_bytes, layout, read};
    use super::super::super::record::RecordFormat;
    use super::super::Nfdump;

    const FLOW: &str = "{\n\t\"type\" : \"FLOW\",\n\t\"sampled\" : 0,\n\t\"export_sysid\" : 1,\n\t\"first\" : \"2026-05-04T12:00:00.000\",\n\t\"last\" : \"2026-05-04T12:00:00.171\",\n\t\"in_packets\" : 11,\n\t\"in_bytes\" : 1483,\n\t\"proto\" : 6,\n\t\"tcp_flags\" : \"......S.\",\n\t\"src_port\" : 40000,\n\t\"dst_port\" : 443,\n\t\"src4_addr\" : \"192.0.2.1\",\n\t\"dst4_addr\" : \"198.51.100.7\",\n\t\"input_snmp\" : 3,\n\t\"label\" : \"<none>\"\n}";

    fn array() -> String {
        format!("[\n{FLOW},\n{}\n]\n", FLOW.replace("1483", "57"))
    }

    fn lines() -> String {
        let flow = FLOW.replace(['\n', '\t'], "");
        format!("{flow}\n{}\n", flow.replace("1483", "57"))
    }

    #[test]
    fn an_array_and_lines_give_the_same_flows() {
        let found = read(&Nfdump, array().as_bytes());
        assert_eq!(
            (found.records.len(), found.dropped.len(), found.others),
            (2, 0, 0)
        );
        let first = &found.records[0];
        assert_eq!(
            (first.start_us, first.end_us),
            (1_777_896_000_000_000, 1_777_896_000_171_000)
        );
        assert_eq!(
            (&*first.src, &*first.dst, first.dst_port),
            ("192.0.2.1", "198.51.100.7", Some(443))
        );
        assert_eq!(
            (&*first.proto, &*first.interface, first.failed),
            ("tcp", "3", true)
        );
        assert_eq!((first.bytes_out, found.records[1].bytes_out), (1483, 57));
        assert_eq!(read(&Nfdump, lines().as_bytes()).records, found.records);
        let compact = array().replace(['\n', '\t'], "");
        assert_eq!(read(&Nfdump, compact.as_bytes()).records, found.records);
    }

    #[test]
    fn events_are_of_another_kind_and_cut_objects_are_dropped() {
        let text = lines() + &lines().replace("FLOW", "EVENT") + &lines()[..100];
        let found = read(&Nfdump, text.as_bytes());
        assert_eq!(
            (found.records.len(), found.others, found.dropped.len()),
            (2, 2, 1)
        );
        let text = &array()[..array().len() - 40];
        let found = read(&Nfdump, text.as_bytes());
        assert_eq!((found.records.len(), found.dropped.len()), (1, 1));
    }

    #[test]
    fn the_description_says_which_zone_times_are_read_in() {
        let found = layout(&Nfdump, array().as_bytes()).unwrap();
        assert_eq!(found.describe(), "nfdump JSON, local times read as UTC");
    }

    #[test]
    fn other_objects_are_no_export_of_nfdump() {
        for text in [
            "{}",
            "[]",
            "[{\"type\":\"FLOW\"}]",
            "{\"first\":1,\"in_bytes\":2,\"in_packets\":3}",
        ] {
            assert!(
                Nfdump
                    .recognise(text.as_bytes(), &OPTIONS)
                    .unwrap()
                    .is_none(),
                "{text}"
            );
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        holds_for_any_bytes(&Nfdump, lines().as_bytes());
        holds_for_any_bytes(&Nfdump, array().as_bytes());
    }
}

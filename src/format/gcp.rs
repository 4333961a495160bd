//! VPC flow logs of Google Cloud: log entries with the flow in `jsonPayload`, or the payload alone.
//!
//! One object a line, or objects of an array over any lines, as `gcloud logging read --format json` writes them. Numbers may be text.
//! A flow between two machines of a project is reported by both, as SRC and as DEST. Source: Google Cloud, "VPC Flow Logs records".

use std::borrow::Cow;
use std::sync::Arc;

use super::cloudflare::time_us;
use super::fields::{self, Fault};
use super::json::{self, Value};
use super::record::{Family, Layout, Record, RecordFormat, RecordOptions, RecordSink};
use super::timestamp::{TimeForm, TimeParser, Zone};
use crate::support::error::Result;

/// VPC flow logs of Google Cloud.
pub(super) struct Gcp;

impl RecordFormat for Gcp {
    fn name(&self) -> &'static str {
        "gcp"
    }

    fn recognise(&self, head: &[u8], _: &RecordOptions) -> Result<Option<Arc<dyn Layout>>> {
        let first = head.trim_ascii_start().first();
        if !matches!(first, Some(b'{' | b'[')) {
            return Ok(None);
        }
        let mut iso = TimeForm::iso(Zone::UTC).parser();
        let mut is_flow = |object| matches!(entry(object, &mut iso), Ok(Entry::Flow(_)));
        let by_line = fields::most_fit(fields::head_lines(head), &mut is_flow);
        let whole = json::cut(head).map_or(head, |end| &head[..end]);
        let objects = json::objects(whole).map(|(_, object)| object).take(200);
        if by_line || fields::most_fit(objects, is_flow) {
            return Ok(Some(Arc::new(FlowLog { by_line })));
        }
        Ok(None)
    }
}

#[derive(Debug)]
struct FlowLog {
    /// Whether each line is an object.
    by_line: bool,
}

/// What an object is.
enum Entry<'a> {
    Flow(Box<Flow<'a>>),
    /// An entry of another log.
    Other,
}

/// A flow whose texts may have been built anew.
#[derive(Default)]
struct Flow<'a> {
    record: Record<'a>,
    src: Cow<'a, [u8]>,
    dst: Cow<'a, [u8]>,
    proto: Cow<'a, [u8]>,
    reporter: Cow<'a, [u8]>,
    start_us: Option<i64>,
    end_us: Option<i64>,
    has_amount: bool,
}

impl<'a> Flow<'a> {
    /// Takes a key of the payload.
    fn take(&mut self, key: &str, value: Value<'a>, iso: &mut TimeParser) -> Result<(), Fault<'a>> {
        let number = |value: &Value<'a>, name| {
            value
                .number()
                .ok_or(Fault::Wrong(name, value.text(), "a whole number"))
        };
        let mut time = |value: &Value<'a>, name| {
            let text = value.text();
            time_us(&text, iso).ok_or(Fault::Wrong(name, text, "a time"))
        };
        match key {
            "connection" => {
                value.walk(|key, value| {
                    let port = || value.number().and_then(|port| u16::try_from(port).ok());
                    match key {
                        "src_ip" => self.src = value.text(),
                        "dest_ip" => self.dst = value.text(),
                        "src_port" => self.record.src_port = port(),
                        "dest_port" => self.record.dst_port = port(),
                        "protocol" => self.proto = value.text(),
                        _ => {}
                    }
                    true
                });
            }
            "bytes_sent" => {
                self.record.bytes_out = number(&value, "bytes_sent")?;
                self.has_amount = true;
            }
            "packets_sent" => self.record.packets_out = number(&value, "packets_sent")?,
            "start_time" => self.start_us = Some(time(&value, "start_time")?),
            "end_time" => self.end_us = Some(time(&value, "end_time")?),
            "reporter" => self.reporter = value.text(),
            _ => {}
        }
        Ok(())
    }
}

fn entry<'a>(object: &'a [u8], iso: &mut TimeParser) -> Result<Entry<'a>, Fault<'a>> {
    let mut flow = Box::<Flow<'a>>::default();
    let (mut fault, mut is_entry) = (None, false);
    let walked = json::walk(object, |key, value| {
        is_entry |= matches!(key, "logName" | "insertId");
        if key == "jsonPayload" {
            value.walk(|key, value| {
                fault = fault.take().or(flow.take(key, value, iso).err());
                true
            });
        } else {
            fault = fault.take().or(flow.take(key, value, iso).err());
        }
        true
    });
    walked.map_err(Fault::Other)?;
    if flow.src.is_empty() && flow.dst.is_empty() && is_entry {
        return Ok(Entry::Other);
    }
    if let Some(fault) = fault {
        return Err(fault);
    }
    if flow.src.is_empty() || flow.dst.is_empty() {
        return Err(Fault::Missing("connection with src_ip and dest_ip"));
    }
    if !flow.has_amount {
        return Err(Fault::Missing("bytes_sent"));
    }
    flow.record.start_us = flow
        .start_us
        .or(flow.end_us)
        .ok_or(Fault::Missing("start_time"))?;
    Ok(Entry::Flow(flow))
}

impl FlowLog {
    fn read_object(offset: usize, object: &[u8], iso: &mut TimeParser, sink: &mut dyn RecordSink) {
        match entry(object, iso) {
            Ok(Entry::Flow(flow)) => {
                let mut record = Record { ..flow.record };
                let lasted_us = flow
                    .end_us
                    .unwrap_or(record.start_us)
                    .saturating_sub(record.start_us);
                record.end_us = fields::end_us(record.start_us, lasted_us, sink);
                record.src = fields::endpoint(&flow.src);
                record.dst = fields::endpoint(&flow.dst);
                let proto = fields::protocol(&flow.proto);
                record.proto = &proto;
                record.identity = fields::witnessed(&record, &flow.reporter);
                sink.record(&record);
            }
            Ok(Entry::Other) => sink.other(),
            Err(fault) => sink.dropped(offset, &|| fault.reason()),
        }
    }
}

impl Layout for FlowLog {
    fn describe(&self) -> String {
        match self.by_line {
            true => "Google Cloud VPC flow log, an object a line".to_owned(),
            false => "Google Cloud VPC flow log, JSON".to_owned(),
        }
    }

    fn family(&self) -> Family {
        Family::Flows
    }

    fn cut(&self, block: &[u8]) -> Option<usize> {
        if self.by_line {
            memchr::memrchr(b'\n', block).map(|end| end + 1)
        } else {
            json::cut(block)
        }
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let mut iso = TimeForm::iso(Zone::UTC).parser();
        if !self.by_line {
            for (offset, object) in json::objects(block) {
                Self::read_object(offset, object, &mut iso, sink);
            }
            return;
        }
        for (offset, line) in fields::lines(block) {
            if !line.trim_ascii().is_empty() {
                Self::read_object(offset, line, &mut iso, sink);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::collected;
    use super::super::record::Identity;
    use super::*;

    const LINES: &[u8] = br#"{"insertId":"a","jsonPayload":{"bytes_sent":"1776","connection":{"dest_ip":"198.51.100.1","dest_port":443,"protocol":6,"src_ip":"10.0.0.1","src_port":5601},"end_time":"2026-03-01T10:00:02.301953198Z","packets_sent":"7","reporter":"SRC","start_time":"2026-03-01T10:00:00.186193305Z"},"logName":"projects/p/logs/compute.googleapis.com%2Fvpc_flows"}
{"insertId":"b","jsonPayload":{"bytes_sent":"1776","connection":{"dest_ip":"198.51.100.1","dest_port":443,"protocol":6,"src_ip":"10.0.0.1","src_port":5601},"end_time":"2026-03-01T10:00:02.301953198Z","packets_sent":"7","reporter":"DEST","start_time":"2026-03-01T10:00:00.186193305Z"}}
{"insertId":"c","jsonPayload":{"bytes_sent":"0","connection":{"dest_ip":"2001:db8::2","protocol":58,"src_ip":"2001:db8::1"},"end_time":"2026-03-01T10:00:01Z","packets_sent":"1","reporter":"SRC","start_time":"2026-03-01T10:00:03Z"}}
{"insertId":"d","jsonPayload":{"connection":{"dest_ip":"10.0.0.3","protocol":17,"src_ip":"10.0.0.1","src_port":1,"dest_port":53},"bytes_sent":5,"packets_sent":1,"reporter":"SRC","start_time":"2026-03-01T10:00:03Z","end_time":"2026-03-01T10:00:04Z"}}
{"insertId":"e","logName":"projects/p/logs/cloudaudit","protoPayload":{}}
"#;
    const ARRAY: &[u8] = br#"[
{
  "connection": { "src_ip": "10.0.0.1", "dest_ip": "10.0.0.2", "src_port": 1, "dest_port": 80, "protocol": 6 },
  "bytes_sent": 100,
  "start_time": "2026-03-01T10:00:00Z",
  "end_time": "2026-03-01T10:00:05Z"
},
{
  "connection": { "src_ip": "10.0.0.2", "dest_ip": "10.0.0.1", "src_port": 80, "dest_port": 1, "protocol": 6 },
  "bytes_sent": 900,
  "start_time": "2026-03-01T10:00:00Z",
  "end_time": "2026-03-01T10:00:05Z"
}
]
"#;

    #[test]
    fn numbers_are_read_from_text_and_times_to_microseconds() {
        let found = collected::read(&Gcp, LINES);
        let first = &found.records[0];
        assert_eq!(
            (first.start_us, first.end_us),
            (1_772_359_200_186_193, 1_772_359_202_301_953)
        );
        assert_eq!(
            (first.bytes_out, first.packets_out, first.proto.as_str()),
            (1776, 7, "tcp")
        );
        assert_eq!((first.src_port, first.dst_port), (Some(5601), Some(443)));
        assert_eq!((found.others, found.dropped.len()), (1, 0));
    }

    #[test]
    fn both_ends_report_the_same_flow() {
        let found = collected::read(&Gcp, LINES);
        let (
            Identity::Witnessed {
                flow: by_source,
                witness: source,
            },
            Identity::Witnessed {
                flow: by_destination,
                witness: destination,
            },
        ) = (found.records[0].identity, found.records[1].identity)
        else {
            panic!("{found:?}");
        };
        assert_eq!(by_source, by_destination);
        assert_ne!(source, destination);
    }

    #[test]
    fn an_end_before_the_start_is_mended_and_bytes_may_be_zero() {
        let found = collected::read(&Gcp, LINES);
        let third = &found.records[2];
        assert_eq!(
            (third.start_us, third.bytes_out, found.mended),
            (third.end_us, 0, 1)
        );
        assert_eq!(
            (third.src.as_str(), third.proto.as_str()),
            ("2001:db8::1", "ipv6-icmp")
        );
    }

    #[test]
    fn bare_payloads_over_several_lines_are_read_too() {
        let found = collected::read(&Gcp, ARRAY);
        let amounts: Vec<u64> = found
            .records
            .iter()
            .map(|record| record.bytes_out)
            .collect();
        assert_eq!(amounts, [100, 900]);
        let one = &ARRAY[2..ARRAY.len() / 2];
        let one = &one[..json::cut(one).unwrap()];
        assert_eq!(collected::read(&Gcp, one).records.len(), 1);
    }

    #[test]
    fn any_bytes_are_accounted_for() {
        collected::holds_for_any_bytes(&Gcp, LINES);
        collected::holds_for_any_bytes(&Gcp, ARRAY);
        assert!(collected::layout(&Gcp, b"{\"value\": []}\n").is_none());
    }
}

//! Suricata's `eve.json`: one object a flow, logged some time after its end, and statistics in between.

use super::network::Flow;
use super::{Rotation, Writer, text};
use crate::support::calendar::{DAY_US, HOUR_US, SECOND_US};

pub(super) struct Suricata;

fn time(us: i64, out: &mut Vec<u8>) {
    out.push(b'"');
    text::date(out, us, b"-");
    out.push(b'T');
    text::clock(out, us, b":");
    out.push(b'.');
    text::padded(out, us.rem_euclid(SECOND_US) as u64, 6);
    out.extend_from_slice(b"+0000\"");
}

fn field(name: &str, value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    text::number(out, value);
}

impl Writer for Suricata {
    fn flow(&self, flow: &Flow, out: &mut Vec<u8>) {
        // The flow manager looks at a flow when it has timed out.
        let logged_us = flow.end_us + 30 * SECOND_US + (flow.bits >> 37) as i64;
        if flow.bits.is_multiple_of(512) {
            out.extend_from_slice(b"{\"timestamp\":");
            time(logged_us, out);
            field(
                ",\"event_type\":\"stats\",\"stats\":{\"uptime\":",
                flow.bits >> 44,
                out,
            );
            out.extend_from_slice(b"}}\n");
        }
        out.extend_from_slice(b"{\"timestamp\":");
        time(logged_us, out);
        field(",\"flow_id\":", flow.bits >> 12, out);
        out.extend_from_slice(b",\"in_iface\":\"eth0\",\"event_type\":\"flow\",\"src_ip\":\"");
        text::address(out, flow.src);
        field("\",\"src_port\":", u64::from(flow.src_port), out);
        out.extend_from_slice(b",\"dest_ip\":\"");
        text::address(out, flow.dst);
        field("\",\"dest_port\":", u64::from(flow.dst_port), out);
        let proto = if flow.service.udp { "UDP" } else { "TCP" };
        out.extend_from_slice(b",\"proto\":\"");
        out.extend_from_slice(proto.as_bytes());
        let app = match flow.service.name {
            "ssl" => "tls",
            _ if flow.failed => "failed",
            "" => "failed",
            name => name,
        };
        out.extend_from_slice(b"\",\"app_proto\":\"");
        out.extend_from_slice(app.as_bytes());
        field("\",\"flow\":{\"pkts_toserver\":", flow.packets_out, out);
        field(",\"pkts_toclient\":", flow.packets_in, out);
        field(",\"bytes_toserver\":", flow.bytes_out, out);
        field(",\"bytes_toclient\":", flow.bytes_in, out);
        out.extend_from_slice(b",\"start\":");
        time(flow.start_us, out);
        out.extend_from_slice(b",\"end\":");
        time(flow.end_us, out);
        let age_s = (flow.end_us - flow.start_us) / SECOND_US;
        field(",\"age\":", age_s.unsigned_abs(), out);
        let state: &[u8] = if flow.failed {
            b",\"state\":\"new\",\"reason\":\"timeout\",\"alerted\":false}}\n"
        } else {
            b",\"state\":\"closed\",\"reason\":\"timeout\",\"alerted\":false}}\n"
        };
        out.extend_from_slice(state);
    }

    fn name(&self) -> &'static str {
        "eve.json"
    }

    /// As logrotate's `dateext` names them, by the time of the rotation: `eve.json-20260303.gz`.
    fn part_name(&self, start_us: i64, rotation: Rotation) -> String {
        rotated("eve.json", start_us, rotation)
    }
}

/// A name with the moment of the rotation, as logrotate puts it.
pub(super) fn rotated(name: &str, start_us: i64, rotation: Rotation) -> String {
    let mut name = name.as_bytes().to_vec();
    name.push(b'-');
    if rotation == Rotation::Hourly {
        let end_us = start_us + HOUR_US;
        text::date(&mut name, end_us, b"");
        text::padded(&mut name, (end_us.rem_euclid(DAY_US) / HOUR_US) as u64, 2);
    } else {
        text::date(&mut name, start_us + DAY_US, b"");
    }
    name.extend_from_slice(b".gz");
    String::from_utf8_lossy(&name).into_owned()
}

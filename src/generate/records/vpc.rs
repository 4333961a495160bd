//! AWS VPC flow logs, version 2, as text in a bucket: a record for each direction, whole seconds.

use super::network::Flow;
use super::{Rotation, Writer, text};
use crate::support::calendar::SECOND_US;

pub(super) struct Vpc;

const HEAD: &[u8] = b"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n";

/// One direction of a flow.
fn record(flow: &Flow, back: bool, out: &mut Vec<u8>) {
    let (mut from, mut to) = ((flow.src, flow.src_port), (flow.dst, flow.dst_port));
    let (mut packets, mut bytes) = (flow.packets_out, flow.bytes_out);
    // The interface is that of the host inside.
    let inside = if flow.src >> 24 == 10 {
        flow.src
    } else {
        flow.dst
    };
    if back {
        (from, to) = (to, from);
        (packets, bytes) = (flow.packets_in, flow.bytes_in);
    }
    out.extend_from_slice(b"2 123456789012 eni-0");
    text::padded(out, u64::from(inside & 0xFF_FFFF), 8);
    for (address, _) in [from, to] {
        out.push(b' ');
        text::address(out, address);
    }
    let protocol = if flow.service.udp { 17 } else { 6 };
    let seconds = |us: i64| us.div_euclid(SECOND_US).unsigned_abs();
    for number in [
        u64::from(from.1),
        u64::from(to.1),
        protocol,
        packets,
        bytes,
        seconds(flow.start_us),
        seconds(flow.end_us) + 1,
    ] {
        out.push(b' ');
        text::number(out, number);
    }
    out.extend_from_slice(if flow.failed {
        b" REJECT OK\n"
    } else {
        b" ACCEPT OK\n"
    });
}

impl Writer for Vpc {
    fn head(&self, _start_us: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(HEAD);
    }

    fn flow(&self, flow: &Flow, out: &mut Vec<u8>) {
        record(flow, false, out);
        if flow.packets_in > 0 {
            record(flow, true, out);
        }
    }

    fn name(&self) -> &'static str {
        "AWSLogs/123456789012/vpcflowlogs/eu-central-1/123456789012_vpcflowlogs_eu-central-1_fl-0c0ffee00c0ffee00.log"
    }

    /// As the service puts them into a bucket: dated folders, a time and a random suffix in the name.
    fn part_name(&self, start_us: i64, _rotation: Rotation) -> String {
        let mut name = b"AWSLogs/123456789012/vpcflowlogs/eu-central-1/".to_vec();
        text::date(&mut name, start_us, b"/");
        name.extend_from_slice(b"/123456789012_vpcflowlogs_eu-central-1_fl-0c0ffee00c0ffee00_");
        text::date(&mut name, start_us, b"");
        name.push(b'T');
        text::clock(&mut name, start_us, b"");
        // Minutes, not seconds.
        name.truncate(name.len() - 2);
        name.extend_from_slice(b"Z_");
        let random = (start_us as u64 / SECOND_US as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        name.extend_from_slice(format!("{:08x}.log.gz", random >> 32).as_bytes());
        String::from_utf8_lossy(&name).into_owned()
    }
}

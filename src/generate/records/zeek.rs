//! Zeek's `conn.log`: tab-separated, a head of `#` lines, one record a connection when it ends.

use super::network::Flow;
use super::{Rotation, Writer, text};
use crate::support::calendar::HOUR_US;

pub(super) struct Zeek;

const HEAD: &str =
    "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n";
const FIELDS: &str = "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents
#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tbool\tbool\tcount\tstring\tcount\tcount\tcount\tcount\tset[string]
";

fn time_of_head(word: &str, us: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(word.as_bytes());
    text::date(out, us, b"-");
    out.push(b'-');
    text::clock(out, us, b"-");
    out.push(b'\n');
}

/// Zeek's identifiers are `C` and 17 letters and digits.
fn uid(bits: u64, out: &mut Vec<u8>) {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    out.push(b'C');
    // Six bits a letter; 62 and 63 stand for two letters more often than others.
    let mut bits = (u128::from(bits) << 64) | u128::from(bits.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    for _ in 0..17 {
        out.push(LETTERS[(bits & 63) as usize % LETTERS.len()]);
        bits >>= 6;
    }
}

fn is_local(address: u32) -> &'static [u8] {
    if address >> 24 == 10 { b"\tT" } else { b"\tF" }
}

impl Writer for Zeek {
    fn head(&self, start_us: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(HEAD.as_bytes());
        time_of_head("#open\t", start_us, out);
        out.extend_from_slice(FIELDS.as_bytes());
    }

    fn flow(&self, flow: &Flow, out: &mut Vec<u8>) {
        let udp = flow.service.udp;
        text::seconds(out, flow.start_us);
        out.push(b'\t');
        uid(flow.bits, out);
        for (address, port) in [(flow.src, flow.src_port), (flow.dst, flow.dst_port)] {
            out.push(b'\t');
            text::address(out, address);
            out.push(b'\t');
            text::number(out, u64::from(port));
        }
        out.extend_from_slice(if udp { b"\tudp\t" } else { b"\ttcp\t" });
        let head = if udp { 28 } else { 40 };
        if flow.failed {
            let (state, history): (&[u8], &[u8]) = match (flow.bits >> 60, udp) {
                (_, true) => (b"S0", b"D"),
                (0..4, _) => (b"REJ", b"Sr"),
                _ => (b"S0", b"S"),
            };
            out.extend_from_slice(b"-\t-\t-\t-\t");
            out.extend_from_slice(state);
            out.extend_from_slice(is_local(flow.src));
            out.extend_from_slice(is_local(flow.dst));
            out.extend_from_slice(b"\t0\t");
            out.extend_from_slice(history);
        } else {
            let name = match flow.service.name {
                "" => "-",
                name => name,
            };
            out.extend_from_slice(name.as_bytes());
            out.push(b'\t');
            text::seconds(out, flow.end_us - flow.start_us);
            for (bytes, packets) in [
                (flow.bytes_out, flow.packets_out),
                (flow.bytes_in, flow.packets_in),
            ] {
                out.push(b'\t');
                text::number(out, bytes.saturating_sub(head * packets));
            }
            out.extend_from_slice(b"\tSF");
            out.extend_from_slice(is_local(flow.src));
            out.extend_from_slice(is_local(flow.dst));
            out.extend_from_slice(if udp { b"\t0\tDd" } else { b"\t0\tShADadFf" });
        }
        for number in [
            flow.packets_out,
            flow.bytes_out,
            flow.packets_in,
            flow.bytes_in,
        ] {
            out.push(b'\t');
            text::number(out, number);
        }
        out.extend_from_slice(b"\t-\n");
    }

    fn foot(&self, end_us: i64, out: &mut Vec<u8>) {
        time_of_head("#close\t", end_us, out);
    }

    fn name(&self) -> &'static str {
        "conn.log"
    }

    /// As zeekctl archives them: `2026-03-02/conn.13:00:00-14:00:00.log.gz`.
    fn part_name(&self, start_us: i64, rotation: Rotation) -> String {
        let mut name = Vec::new();
        text::date(&mut name, start_us, b"-");
        name.extend_from_slice(b"/conn.");
        text::clock(&mut name, start_us, b":");
        name.push(b'-');
        match rotation {
            Rotation::Hourly => text::clock(&mut name, start_us + HOUR_US, b":"),
            _ => name.extend_from_slice(b"00:00:00"),
        }
        name.extend_from_slice(b".log.gz");
        String::from_utf8_lossy(&name).into_owned()
    }
}

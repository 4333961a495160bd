//! `nfdump -o csv` up to version 1.7.1: a record for each direction, a summary at the end.

use super::network::Flow;
use super::{Rotation, Writer, text};

pub(super) struct Nfdump;

const HEAD: &[u8] = b"ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out,sas,das,smk,dmk,dtos,dir,nh,nhb,svln,dvln,ismc,odmc,idmc,osmc,mpls1,mpls2,mpls3,mpls4,mpls5,mpls6,mpls7,mpls8,mpls9,mpls10,cl,sl,al,ra,eng,exid,tr\n";
/// What stands behind the bytes: fields that a plain exporter does not fill.
const REST: &[u8] = b",0,0,1,2,0,0,0,0,0,0,0.0.0.0,0.0.0.0,0,0,00:00:00:00:00:00,00:00:00:00:00:00,00:00:00:00:00:00,00:00:00:00:00:00,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,    0.000,    0.000,    0.000,10.0.0.1,0/0,1,";

fn time(us: i64, out: &mut Vec<u8>) {
    text::date(out, us, b"-");
    out.push(b' ');
    text::clock(out, us, b":");
}

fn milliseconds(us: i64, out: &mut Vec<u8>) {
    text::number(out, (us / 1_000_000).unsigned_abs());
    out.push(b'.');
    text::padded(out, (us % 1_000_000 / 1_000).unsigned_abs(), 3);
}

fn record(flow: &Flow, back: bool, out: &mut Vec<u8>) {
    let (mut from, mut to) = ((flow.src, flow.src_port), (flow.dst, flow.dst_port));
    let (mut packets, mut bytes) = (flow.packets_out, flow.bytes_out);
    if back {
        (from, to) = (to, from);
        (packets, bytes) = (flow.packets_in, flow.bytes_in);
    }
    time(flow.start_us, out);
    out.push(b',');
    time(flow.end_us, out);
    out.push(b',');
    milliseconds(flow.end_us - flow.start_us, out);
    for (address, _) in [from, to] {
        out.push(b',');
        text::address(out, address);
    }
    for (_, port) in [from, to] {
        out.push(b',');
        text::number(out, u64::from(port));
    }
    let kind: &[u8] = match (flow.service.udp, flow.failed) {
        (true, _) => b",UDP,........,0,0,",
        (false, true) => b",TCP,......S.,0,0,",
        (false, false) => b",TCP,...AP.SF,0,0,",
    };
    out.extend_from_slice(kind);
    text::number(out, packets);
    out.push(b',');
    text::number(out, bytes);
    out.extend_from_slice(REST);
    time(flow.end_us, out);
    out.push(b'.');
    text::padded(out, (flow.end_us.rem_euclid(1_000_000) / 1_000) as u64, 3);
    out.push(b'\n');
}

impl Writer for Nfdump {
    fn head(&self, _start_us: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(HEAD);
    }

    fn flow(&self, flow: &Flow, out: &mut Vec<u8>) {
        record(flow, false, out);
        if flow.packets_in > 0 {
            record(flow, true, out);
        }
    }

    fn foot(&self, _end_us: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"Summary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n0,0,0,0,0,0\n",
        );
    }

    fn name(&self) -> &'static str {
        "nfcapd.csv"
    }

    /// As the files of nfcapd that they are made from: `nfcapd.202603021300.csv.gz`.
    fn part_name(&self, start_us: i64, _rotation: Rotation) -> String {
        let mut name = b"nfcapd.".to_vec();
        text::date(&mut name, start_us, b"");
        text::clock(&mut name, start_us, b"");
        // Minutes, not seconds.
        name.truncate(name.len() - 2);
        name.extend_from_slice(b".csv.gz");
        String::from_utf8_lossy(&name).into_owned()
    }
}

//! A web server's access log in the combined format: one line a request when it is answered.

use super::network::Flow;
use super::suricata::rotated;
use super::{Rotation, Writer, text};
use crate::support::calendar::DAY_US;

pub(super) struct Access;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

fn time(us: i64, out: &mut Vec<u8>) {
    let date = crate::support::calendar::civil_from_days(us.div_euclid(DAY_US));
    text::padded(out, u64::from(date.day), 2);
    out.push(b'/');
    out.extend_from_slice(MONTHS[date.month as usize - 1].as_bytes());
    out.push(b'/');
    text::padded(out, date.year.unsigned_abs(), 4);
    out.push(b':');
    text::clock(out, us, b":");
    out.extend_from_slice(b" +0000");
}

impl Writer for Access {
    fn flow(&self, flow: &Flow, out: &mut Vec<u8>) {
        text::address(out, flow.src);
        out.extend_from_slice(b" - - [");
        time(flow.end_us, out);
        out.extend_from_slice(b"] \"GET /");
        // Ordinary requests are for some hundred pages; a scan asks for one after the other.
        let (folder, page) = match flow.service.name {
            "" => ("x", u64::from(flow.dst & 0xFFFF) ^ u64::from(flow.dst_port)),
            name => (name, flow.bits >> 52 & 127),
        };
        out.extend_from_slice(folder.as_bytes());
        out.push(b'/');
        text::number(out, page);
        let status: &[u8] = match (flow.failed, flow.bits >> 60) {
            (false, 0) => b" HTTP/1.1\" 304 ",
            (false, _) => b" HTTP/1.1\" 200 ",
            (true, 0) => b" HTTP/1.1\" 500 ",
            (true, _) => b" HTTP/1.1\" 404 ",
        };
        out.extend_from_slice(status);
        // What a client carries off is what the server sends.
        text::number(out, flow.bytes_out.max(flow.bytes_in));
        out.extend_from_slice(b" \"-\" \"Mozilla/5.0\"\n");
    }

    fn name(&self) -> &'static str {
        "access.log"
    }

    /// As logrotate's `dateext` names them, by the time of the rotation: `access.log-20260303.gz`.
    fn part_name(&self, start_us: i64, rotation: Rotation) -> String {
        rotated("access.log", start_us, rotation)
    }
}

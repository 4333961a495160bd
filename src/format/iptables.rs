//! Packets that Linux's netfilter logs (iptables, nftables, UFW, Proxmox, UniFi): `PREFIX IN=... OUT=... SRC=... DST=... LEN=... PROTO=...`.
//!
//! One packet a line, with its length on the wire. The time is that of syslog, often without a year, or `31/Jan/2026:12:00:00 +0100` in
//! logs of Proxmox. What happened to the packet is known from the prefix that the rule's author chose, if at all.
//! Source: Linux, net/netfilter/nf_log_syslog.c; Ubuntu, "UFW".

use std::borrow::Cow;
use std::sync::Arc;

use super::envelope::syslog;
use super::fields::{self, Fault};
use super::record::{Family, Layout, Record, RecordFormat, RecordOptions, RecordSink};
use super::syslog_clock::{Season, SyslogClock, half_fit};
use super::timestamp::{TimeForm, TimeParser, Zone};
use crate::support::error::{Error, ErrorKind, Result};

/// Packets logged by netfilter.
pub(super) struct Iptables;

impl RecordFormat for Iptables {
    fn name(&self) -> &'static str {
        "iptables"
    }

    fn reads_envelopes(&self) -> bool {
        true
    }

    fn recognise(&self, head: &[u8], options: &RecordOptions) -> Result<Option<Arc<dyn Layout>>> {
        let mut has_time = false;
        let fits = half_fit(head, |line, parts| {
            let is_packet = packet(line).is_ok_and(|packet| packet.is_some());
            has_time |= is_packet && (parts.is_some() || own_time(line).is_some());
            is_packet
        });
        if fits && !has_time {
            let text = "packets of iptables without a time: give the log of syslog, or that of journalctl -k -o short-iso";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let season = Season::first(head, options);
        Ok(fits.then(|| {
            Arc::new(Packets {
                season,
                zone: options.zone,
            }) as Arc<dyn Layout>
        }))
    }
}

#[derive(Debug)]
struct Packets {
    season: Season,
    zone: Zone,
}

/// A packet without its time, and with its protocol apart.
struct Packet<'a> {
    record: Record<'a>,
    proto: Cow<'a, [u8]>,
    /// UFW audits a packet before it says what it did with it: the line tells the same packet again.
    is_audit: bool,
}

/// The packet in a line; `None` where the line is of something else.
fn packet(line: &[u8]) -> Result<Option<Packet<'_>>, Fault<'_>> {
    let find = |text: &[u8]| memchr::memmem::find(line, text);
    let Some(source) = find(b" SRC=") else {
        return Ok(None);
    };
    let body = [&b" IN="[..], b" OUT="]
        .iter()
        .filter_map(|text| find(text))
        .min();
    let body = body.filter(|body| *body < source).unwrap_or(source);
    let (prefix, body) = line.split_at(body);
    let (mut src, mut dst, mut length, mut proto) = (None, None, None, None);
    let mut record = Record {
        packets_out: 1,
        ..Record::default()
    };
    for word in body.split(|byte| *byte == b' ') {
        // An ICMP error quotes the packet that it is about in brackets.
        if word.first() == Some(&b'[') {
            break;
        }
        let Some(equals) = memchr::memchr(b'=', word) else {
            continue;
        };
        let (key, value) = (&word[..equals], &word[equals + 1..]);
        match key {
            b"IN" | b"OUT" if record.interface.is_empty() => record.interface = value,
            b"SRC" => src = src.or(Some(value)),
            b"DST" => dst = dst.or(Some(value)),
            // A second LEN is that of UDP.
            b"LEN" => length = length.or(Some(value)),
            b"PROTO" => proto = proto.or(Some(value)),
            b"SPT" => record.src_port = record.src_port.or(fields::port(value)),
            b"DPT" => record.dst_port = record.dst_port.or(fields::port(value)),
            _ => {}
        }
    }
    let src = src.ok_or(Fault::Missing("SRC"))?;
    let dst = dst.ok_or(Fault::Missing("DST"))?;
    for (name, text) in [("SRC", src), ("DST", dst)] {
        if !fields::is_address(text) {
            return Err(Fault::Wrong(name, text.into(), "an address"));
        }
    }
    (record.src, record.dst) = (fields::endpoint(src), fields::endpoint(dst));
    let length = length.ok_or(Fault::Missing("LEN"))?;
    let fault = Fault::Wrong("LEN", length.into(), "a whole number");
    record.bytes_out = fields::number(length).ok_or(fault)?;
    let proto = fields::protocol(proto.ok_or(Fault::Missing("PROTO"))?);
    record.failed = says_blocked(prefix);
    let is_audit = memchr::memmem::find(prefix, b"UFW AUDIT").is_some();
    Ok(Some(Packet {
        record,
        proto,
        is_audit,
    }))
}

/// Whether a rule's prefix says that the packet was dropped.
fn says_blocked(prefix: &[u8]) -> bool {
    let prefix = prefix.to_ascii_lowercase();
    let words = ["drop", "reject", "block", "deny", "denied"];
    words
        .iter()
        .any(|word| memchr::memmem::find(&prefix, word.as_bytes()).is_some())
}

/// The time that Proxmox writes, `31/Jan/2026:12:00:00 +0100`.
fn own_time(line: &[u8]) -> Option<&[u8]> {
    let head = &line[..line.len().min(120)];
    memchr::memchr_iter(b'/', head).find_map(|slash| {
        let text = line.get(slash.checked_sub(2)?..slash + 24)?;
        let is_time = matches!(
            text,
            [
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
                b' ',
                b'+' | b'-',
                ..
            ]
        );
        is_time.then_some(text)
    })
}

fn time_us(line: &[u8], clock: &mut SyslogClock, access: &mut TimeParser) -> Option<i64> {
    match syslog(line) {
        Some(parts) => clock.parse(parts.time),
        None => access.parse(own_time(line)?),
    }
}

impl Layout for Packets {
    fn describe(&self) -> String {
        "netfilter packet log (iptables, UFW)".to_owned()
    }

    fn family(&self) -> Family {
        Family::Flows
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let mut clock = SyslogClock::new(self.season, self.zone);
        let mut access = TimeForm::access_log(self.zone).parser();
        for (offset, line) in fields::lines(block) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            // Each line moves the clock, so that the year is right behind lines of other programs too.
            let time = time_us(line, &mut clock, &mut access);
            match (packet(line), time) {
                (Ok(Some(packet)), _) if packet.is_audit => sink.other(),
                (Ok(Some(packet)), Some(time)) => {
                    let proto = packet.proto;
                    let record = Record {
                        start_us: time,
                        end_us: time,
                        proto: &proto,
                        ..packet.record
                    };
                    sink.record(&record);
                }
                (Ok(Some(_)), None) => sink.dropped(offset, &|| "it has no time".to_owned()),
                (Ok(None), Some(_)) => sink.other(),
                (Ok(None), None) => {
                    sink.dropped(offset, &|| "it has no SRC and no time".to_owned())
                }
                (Err(fault), _) => sink.dropped(offset, &|| fault.reason()),
            }
        }
    }

    fn after(&self, block: &[u8]) -> Option<Arc<dyn Layout>> {
        let season = self.season.after(block);
        (season != self.season).then(|| {
            Arc::new(Self {
                season,
                zone: self.zone,
            }) as Arc<dyn Layout>
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::collected;
    use super::*;

    const SAMPLE: &[u8] = b"Mar  1 10:00:00 host kernel: [199.5] [UFW AUDIT] IN=eth0 OUT= MAC=00:00:5e SRC=192.0.2.1 DST=198.51.100.1 LEN=44 TOS=0x00 PREC=0x00 TTL=43 ID=25313 PROTO=TCP SPT=52220 DPT=80 WINDOW=1024 SYN URGP=0
Mar  1 10:00:00 host kernel: [199.6] [UFW BLOCK] IN=eth0 OUT= MAC=00:00:5e SRC=192.0.2.1 DST=198.51.100.1 LEN=44 TOS=0x00 PREC=0x00 TTL=43 ID=25313 PROTO=TCP SPT=52220 DPT=80 WINDOW=1024 SYN URGP=0
Mar  1 10:00:01 host kernel: [200.0] IN=eth1 OUT= SRC=2001:db8::1 DST=2001:db8::2 LEN=122 TC=0 HOPLIMIT=64 PROTO=udp SPT=5 DPT=53 LEN=102
Mar  1 10:00:02 host kernel: [201.0] FW-REJECT IN= OUT=eth0 SRC=192.0.2.9 DST=192.0.2.1 LEN=84 PROTO=ICMP TYPE=3 CODE=1 [SRC=192.0.2.1 DST=192.0.2.7 LEN=60 PROTO=TCP SPT=1 DPT=2 ]
Mar  1 10:00:03 host systemd[1]: Started a thing.
";

    #[test]
    fn a_packet_counts_once_although_ufw_audits_it_before() {
        let found = collected::read(&Iptables, SAMPLE);
        assert_eq!(
            (found.records.len(), found.others, found.dropped.len()),
            (3, 2, 0)
        );
        assert!(found.records[0].failed);
        assert_eq!(found.records[0].start_us, 1_772_359_200_000_000);
    }

    #[test]
    fn the_first_length_is_the_packets_and_a_quoted_packet_is_not_read() {
        let found = collected::read(&Iptables, SAMPLE);
        let rows: Vec<_> = found
            .records
            .iter()
            .map(|r| {
                (
                    r.bytes_out,
                    r.src_port,
                    r.proto.as_str(),
                    r.interface.as_str(),
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                (44, Some(52220), "tcp", "eth0"),
                (122, Some(5), "udp", "eth1"),
                (84, None, "icmp", "eth0")
            ]
        );
        assert!(!found.records[1].failed);
        assert!(found.records[2].failed);
    }

    #[test]
    fn proxmox_writes_its_own_time_with_a_year() {
        let text = b"101 1 tap101i0-IN 01/Mar/2026:12:00:00 +0200 DROP: IN=fwbr SRC=192.0.2.1 DST=192.0.2.2 LEN=60 PROTO=TCP SPT=1 DPT=22
0 5 GROUP-x-IN 01/Mar/2026:12:00:01 +0200 IN=fwbr SRC=192.0.2.1 DST=192.0.2.2 LEN=60 PROTO=TCP SPT=1 DPT=22
";
        let found = collected::read(&Iptables, text);
        let rows: Vec<_> = found
            .records
            .iter()
            .map(|r| (r.start_us - 1_772_359_200_000_000, r.failed))
            .collect();
        assert_eq!(rows, [(0, true), (1_000_000, false)]);
    }

    #[test]
    fn the_year_is_told_once_and_steps_at_new_year() {
        let line = |day: &str| {
            format!(
                "{day} 10:00:00 h kernel: [UFW BLOCK] IN=e SRC=192.0.2.1 DST=192.0.2.2 LEN=60 PROTO=TCP\n"
            )
        };
        let text = [line("Dec 31"), line("Jan  1")].concat();
        let found = collected::read(&Iptables, text.as_bytes());
        assert_eq!(found.records[0].start_us, 1_798_711_200_000_000);
        assert_eq!(
            found.records[1].start_us - found.records[0].start_us,
            86_400_000_000
        );
    }

    #[test]
    fn packets_without_a_time_are_refused() {
        let text = b"[  203.84] [UFW BLOCK] IN=lo OUT= SRC=127.0.0.1 DST=127.0.0.53 LEN=76 PROTO=UDP SPT=1 DPT=53\n";
        assert_eq!(
            collected::refusal(&Iptables, text).kind(),
            ErrorKind::Unsupported
        );
    }

    #[test]
    fn wrong_addresses_and_lengths_drop_the_line() {
        let text = [
            SAMPLE,
            b"Mar  1 10:00:03 h kernel: IN=e SRC=x DST=192.0.2.2 LEN=60 PROTO=TCP
Mar  1 10:00:03 h kernel: IN=e SRC=192.0.2.1 DST=192.0.2.2 LEN=6o PROTO=TCP
Mar  1 10:00:03 h kernel: IN=e SRC=192.0.2.1 DST=192.0.2.2 LEN=6",
        ]
        .concat();
        let found = collected::read(&Iptables, &text);
        let reasons: Vec<&str> = found
            .dropped
            .iter()
            .map(|(_, reason)| reason.as_str())
            .collect();
        assert_eq!(
            reasons,
            [
                "the SRC \"x\" is not an address",
                "the LEN \"6o\" is not a whole number",
                "it has no PROTO"
            ]
        );
    }

    #[test]
    fn any_bytes_are_accounted_for() {
        collected::holds_for_any_bytes(&Iptables, SAMPLE);
        assert!(
            collected::layout(&Iptables, b"Mar  1 10:00:03 host systemd[1]: Started.\n").is_none()
        );
    }
}

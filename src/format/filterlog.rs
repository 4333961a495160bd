//! pf's filterlog, as pfSense and OPNsense send it through syslog (RFC 3164 and 5424).
//!
//! `rule,sub,anchor,tracker,interface,reason,action,direction,version,...`, then the fields of IPv4 or IPv6, then ports for TCP and UDP.
//! One packet a line. Source: Netgate, "Raw Filter Log Format".

use std::borrow::Cow;
use std::sync::Arc;

use super::envelope::syslog;
use super::fields::{self, Fault};
use super::record::{Family, Layout, Record, RecordFormat, RecordOptions, RecordSink};
use super::syslog_clock::{Season, SyslogClock, half_fit};
use super::timestamp::Zone;
use crate::support::error::Result;

/// pf's filterlog.
pub(super) struct Filterlog;

impl RecordFormat for Filterlog {
    fn name(&self) -> &'static str {
        "filterlog"
    }

    fn reads_envelopes(&self) -> bool {
        true
    }

    fn recognise(&self, head: &[u8], options: &RecordOptions) -> Result<Option<Arc<dyn Layout>>> {
        let fits = half_fit(head, |_, parts| {
            parts
                .is_some_and(|parts| parts.program == b"filterlog" && packet(parts.message).is_ok())
        });
        let season = Season::first(head, options);
        Ok(fits.then(|| {
            Arc::new(Filtered {
                season,
                zone: options.zone,
            }) as Arc<dyn Layout>
        }))
    }
}

#[derive(Debug)]
struct Filtered {
    season: Season,
    zone: Zone,
}

/// The packet in a message, without its time and with its protocol apart.
fn packet(message: &[u8]) -> Result<(Record<'_>, Cow<'_, [u8]>), Fault<'_>> {
    let cells: Vec<&[u8]> = message
        .trim_ascii()
        .splitn(24, |byte| *byte == b',')
        .collect();
    let cell = |place: usize| cells.get(place).copied().unwrap_or_default();
    let number = |place, name| {
        let text = cell(place);
        fields::number(text).ok_or(Fault::Wrong(name, text.into(), "a whole number"))
    };
    let mut record = Record {
        interface: cell(4),
        packets_out: 1,
        ..Record::default()
    };
    record.failed = match cell(6) {
        b"block" | b"reject" => true,
        b"pass" | b"match" | b"rdr" | b"nat" | b"binat" | b"synproxy-drop" => false,
        other => {
            return Err(Fault::Wrong(
                "action",
                other.into(),
                "block, reject, pass or match",
            ));
        }
    };
    let (proto, length) = match cell(8) {
        b"4" => (16, 17),
        b"6" => (12, 14),
        other => return Err(Fault::Wrong("IP version", other.into(), "4 or 6")),
    };
    record.bytes_out = number(length, "length")?;
    record.src = fields::endpoint(cell(length + 1));
    record.dst = fields::endpoint(cell(length + 2));
    if ![cell(length + 1), cell(length + 2)]
        .iter()
        .all(|text| fields::is_address(text))
    {
        return Err(Fault::Missing("source and destination"));
    }
    let proto = fields::protocol(cell(proto));
    if matches!(&*proto, b"tcp" | b"udp" | b"sctp") {
        record.src_port = fields::port(cell(length + 3));
        record.dst_port = fields::port(cell(length + 4));
    }
    Ok((record, proto))
}

impl Layout for Filtered {
    fn describe(&self) -> String {
        "pf filterlog".to_owned()
    }

    fn family(&self) -> Family {
        Family::Flows
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let mut clock = SyslogClock::new(self.season, self.zone);
        for (offset, line) in fields::lines(block) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let Some(parts) = syslog(line) else {
                sink.dropped(offset, &|| "it has no head of syslog".to_owned());
                continue;
            };
            let time = clock.parse(parts.time);
            if parts.program != b"filterlog" {
                sink.other();
                continue;
            }
            let fault = Fault::Wrong("time", parts.time.into(), "a time of syslog");
            let found = time
                .ok_or(fault)
                .and_then(|time| Ok((time, packet(parts.message)?)));
            match found {
                Ok((time, (mut record, proto))) => {
                    (record.start_us, record.end_us) = (time, time);
                    record.proto = &proto;
                    sink.record(&Record { ..record });
                }
                Err(fault) => sink.dropped(offset, &|| fault.reason()),
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

    const SAMPLE: &[u8] = b"Mar  1 10:00:00 fw filterlog: 53,,,1000000301,em0,match,block,in,4,0x0,,64,420,0,none,6,tcp,460,192.0.2.1,198.51.100.1,53742,22,420,PA,1:2,3,65535,,
Mar  1 10:00:01 fw filterlog[92653]: 6,,,1000102434,em1,match,pass,out,4,0x0,,64,0,0,DF,17,udp,40,198.51.100.1,192.0.2.1,53,53742,20
<134>1 2026-03-01T10:00:02.500000+00:00 fw filterlog 92653 - - 621,,,164,igb0,match,block,in,6,0x00,0x07c63,64,TCP,6,44,2001:db8::1,2001:db8::2,65382,443,0,S,1,,0,,mss
<134>1 2026-03-01T12:00:03+02:00 fw filterlog 69805 - [meta sequenceId=\"26\"] 10,,,02f4,re0,match,block,in,4,0x0,,118,28579,0,none,1,icmp,84,192.0.2.3,198.51.100.1,request,1,2
Mar  1 10:00:04 fw sshd[12]: Accepted publickey
";

    #[test]
    fn both_versions_of_ip_and_of_syslog_are_read() {
        let found = collected::read(&Filterlog, SAMPLE);
        let rows: Vec<_> = found
            .records
            .iter()
            .map(|r| {
                (
                    r.start_us - 1_772_359_200_000_000,
                    r.src.as_str(),
                    r.dst_port,
                    r.bytes_out,
                    r.proto.as_str(),
                    r.failed,
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                (0, "192.0.2.1", Some(22), 460, "tcp", true),
                (1_000_000, "198.51.100.1", Some(53742), 40, "udp", false),
                (2_500_000, "2001:db8::1", Some(443), 44, "tcp", true),
                (3_000_000, "192.0.2.3", None, 84, "icmp", true),
            ]
        );
        assert_eq!(found.records[2].interface, "igb0");
        assert_eq!((found.others, found.dropped.len()), (1, 0));
    }

    #[test]
    fn the_year_steps_at_new_year_across_blocks() {
        let line = |day: &str| {
            format!(
                "{day} 10:00:00 fw filterlog: 5,,,1,em0,match,block,in,4,0x0,,64,0,0,DF,6,tcp,40,192.0.2.1,192.0.2.2,1,2,0\n"
            )
        };
        let text = [line("Dec 31"), line("Jan  1"), line("Jan  2")].concat();
        for size in [150, 1000] {
            let layout = collected::layout(&Filterlog, text.as_bytes()).unwrap();
            let found = collected::read_in_blocks(layout, text.as_bytes(), size);
            let days: Vec<i64> = found
                .records
                .iter()
                .map(|record| (record.start_us - found.records[0].start_us) / 86_400_000_000)
                .collect();
            assert_eq!(days, [0, 1, 2]);
        }
    }

    #[test]
    fn a_cut_line_is_dropped() {
        let text = [
            SAMPLE,
            b"Mar  1 10:00:00 fw filterlog: 53,,,1000000301,em0,match,block,in,4,0x0,,64,420",
        ]
        .concat();
        let found = collected::read(&Filterlog, &text);
        assert_eq!(found.dropped[0].1, "the length \"\" is not a whole number");
    }

    #[test]
    fn any_bytes_are_accounted_for() {
        collected::holds_for_any_bytes(&Filterlog, SAMPLE);
    }
}

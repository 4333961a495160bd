//! Argus flow records as `ra` writes them with a separator: comma, TAB, semicolon or bar.
//!
//! The columns are taken from the head line, in any order. A flow lasts from `StartTime` to `StartTime + Dur`; `TotBytes` and `TotPkts`
//! count both ways, `SrcBytes` and `SrcPkts` what the source sent. Source: Argus manual, ra(1).

use std::borrow::Cow;
use std::sync::Arc;

use super::fields::{self, Fault};
use super::record::{Family, Layout, Record, RecordFormat, RecordOptions, RecordSink};
use super::timestamp::{TimeForm, TimeParser, Zone};
use crate::support::error::Result;

/// Flow records of Argus.
pub(super) struct Argus;

impl RecordFormat for Argus {
    fn name(&self) -> &'static str {
        "argus"
    }

    fn recognise(&self, head: &[u8], options: &RecordOptions) -> Result<Option<Arc<dyn Layout>>> {
        let lines = fields::head_lines(head);
        let Some(mut layout) = lines.first().and_then(|line| Columns::from_head(line)) else {
            return Ok(None);
        };
        let times = lines
            .iter()
            .skip(1)
            .filter_map(|line| layout.cell(line, Column::Start));
        if let Some(form) = TimeForm::recognise(times, options.zone) {
            layout.time = form;
        } else {
            layout.time = slashes(options.zone);
        }
        Ok(Some(Arc::new(layout)))
    }
}

/// The form that `ra` writes unless it is told otherwise: `2026/01/31 12:00:00.000000`.
fn slashes(zone: Zone) -> TimeForm {
    let sample: &[u8] = b"2026/01/31 12:00:00.000000";
    TimeForm::recognise([sample], zone).unwrap_or_else(|| TimeForm::iso(zone))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Skipped,
    Start,
    Duration,
    Proto,
    Src,
    SrcPort,
    Dst,
    DstPort,
    State,
    Packets,
    SrcPackets,
    DstPackets,
    Bytes,
    SrcBytes,
    DstBytes,
}

impl Column {
    fn named(name: &[u8]) -> Self {
        match name.to_ascii_lowercase().as_slice() {
            b"starttime" | b"stime" => Self::Start,
            b"dur" => Self::Duration,
            b"proto" => Self::Proto,
            b"srcaddr" | b"saddr" => Self::Src,
            b"sport" => Self::SrcPort,
            b"dstaddr" | b"daddr" => Self::Dst,
            b"dport" => Self::DstPort,
            b"state" => Self::State,
            b"totpkts" | b"pkts" => Self::Packets,
            b"srcpkts" | b"spkts" => Self::SrcPackets,
            b"dstpkts" | b"dpkts" => Self::DstPackets,
            b"totbytes" | b"bytes" => Self::Bytes,
            b"srcbytes" | b"sbytes" => Self::SrcBytes,
            b"dstbytes" | b"dbytes" => Self::DstBytes,
            _ => Self::Skipped,
        }
    }
}

#[derive(Debug, Clone)]
struct Columns {
    separator: u8,
    columns: Vec<Column>,
    time: TimeForm,
}

impl Columns {
    /// By the head line, where it is one of Argus.
    fn from_head(line: &[u8]) -> Option<Self> {
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let separator = line.iter().copied().find(|byte| !is_name(byte))?;
        if !matches!(separator, b',' | b'\t' | b';' | b'|') {
            return None;
        }
        let names = line.split(|byte| *byte == separator);
        let columns: Vec<Column> = names.map(|name| Column::named(name.trim_ascii())).collect();
        let needed = [Column::Start, Column::Duration, Column::Src, Column::Dst];
        let has_all = needed.iter().all(|column| columns.contains(column));
        has_all.then(|| Self {
            separator,
            columns,
            time: slashes(Zone::UTC),
        })
    }

    /// The cell of a row under `column`.
    fn cell<'a>(&self, line: &'a [u8], column: Column) -> Option<&'a [u8]> {
        let place = self.columns.iter().position(|other| *other == column)?;
        Some(
            line.split(|byte| *byte == self.separator)
                .nth(place)?
                .trim_ascii(),
        )
    }

    fn flow<'a>(
        &self,
        line: &'a [u8],
        time: &mut TimeParser,
    ) -> Result<(Flow<'a>, Record<'a>), Fault<'a>> {
        let mut flow = Flow::default();
        let mut record = Record::default();
        let mut start_us = None;
        let mut found = 0;
        for (&column, text) in self
            .columns
            .iter()
            .zip(line.split(|byte| *byte == self.separator))
        {
            found += 1;
            let text = text.trim_ascii();
            if column == Column::Skipped || text.is_empty() {
                continue;
            }
            let number = |name| {
                fields::number(text).ok_or(Fault::Wrong(name, text.into(), "a whole number"))
            };
            match column {
                Column::Skipped => {}
                Column::Start => {
                    let parsed = time.parse(text);
                    start_us =
                        Some(parsed.ok_or(Fault::Wrong("StartTime", text.into(), "a time"))?);
                }
                Column::Duration => {
                    let fault = Fault::Wrong("Dur", text.into(), "a number of seconds");
                    flow.duration_us = fields::seconds_us(text).ok_or(fault)?;
                }
                Column::Proto => flow.proto = fields::protocol(text),
                Column::Src => record.src = fields::endpoint(text),
                Column::Dst => record.dst = fields::endpoint(text),
                Column::SrcPort => record.src_port = port(text),
                Column::DstPort => record.dst_port = port(text),
                Column::State => flow.state = text,
                Column::Packets => flow.packets = Some(number("TotPkts")?),
                Column::SrcPackets => flow.packets_out = Some(number("SrcPkts")?),
                Column::DstPackets => flow.packets_in = Some(number("DstPkts")?),
                Column::Bytes => flow.bytes = Some(number("TotBytes")?),
                Column::SrcBytes => flow.bytes_out = Some(number("SrcBytes")?),
                Column::DstBytes => flow.bytes_in = Some(number("DstBytes")?),
            }
        }
        if found < self.columns.len() {
            return Err(Fault::Short(found, self.columns.len()));
        }
        record.start_us = start_us.ok_or(Fault::Missing("StartTime"))?;
        (record.bytes_out, record.bytes_in) = both(flow.bytes, flow.bytes_out, flow.bytes_in);
        (record.packets_out, record.packets_in) =
            both(flow.packets, flow.packets_out, flow.packets_in);
        record.failed = is_failed(flow.state, &flow.proto);
        Ok((flow, record))
    }
}

/// What a row says before it is a record.
#[derive(Default)]
struct Flow<'a> {
    duration_us: i64,
    proto: Cow<'a, [u8]>,
    state: &'a [u8],
    packets: Option<u64>,
    packets_out: Option<u64>,
    packets_in: Option<u64>,
    bytes: Option<u64>,
    bytes_out: Option<u64>,
    bytes_in: Option<u64>,
}

/// The amounts from and to the source, where two of total, out and in are given. A total alone counts as sent.
fn both(total: Option<u64>, out: Option<u64>, back: Option<u64>) -> (u64, u64) {
    let total_or_zero = total.unwrap_or(0);
    let out = out.unwrap_or_else(|| total_or_zero.saturating_sub(back.unwrap_or(0)));
    (
        out,
        back.unwrap_or_else(|| total_or_zero.saturating_sub(out)),
    )
}

/// Argus writes ports of ICMP, its type and code, in hexadecimal, and well-known ports by name unless `-n` is given.
fn port(text: &[u8]) -> Option<u16> {
    match text {
        [b'0', b'x', hex @ ..] => u16::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok(),
        _ => fields::port(text),
    }
}

/// Whether the destination did not answer, or refused. TCP states are the flags that each side has sent, as `S_RA`; others are words:
/// `REQ` and `INT` are flows without an answer, `URP` and its kind are answers that nothing is reachable. Converters from Zeek write its
/// words.
fn is_failed(state: &[u8], proto: &[u8]) -> bool {
    match state {
        b"INT" => matches!(proto, b"tcp" | b"udp" | b"icmp" | b"ipv6-icmp"),
        b"REQ" | b"URP" | b"URH" | b"URN" | b"URF" | b"S0" | b"REJ" => true,
        b"S_" | b"S_R" | b"S_RA" => proto == b"tcp",
        _ => false,
    }
}

impl Layout for Columns {
    fn describe(&self) -> String {
        "Argus flows".to_owned()
    }

    fn family(&self) -> Family {
        Family::Flows
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let mut time = self.time.parser();
        for (offset, line) in fields::lines(block) {
            if line.trim_ascii().is_empty() || Self::from_head(line).is_some() {
                continue;
            }
            match self.flow(line, &mut time) {
                // Argus reports on itself in rows of the protocol `man`.
                Ok((flow, _)) if *flow.proto == *b"man" => sink.other(),
                Ok((flow, mut record)) => {
                    record.end_us = fields::end_us(record.start_us, flow.duration_us, sink);
                    record.proto = &flow.proto;
                    sink.record(&record);
                }
                Err(fault) => sink.dropped(offset, &|| fault.reason()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::collected;
    use super::*;

    const SAMPLE: &[u8] = b"StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,SrcPkts,Label
2026/03/01 10:00:00.250000,1.500000,udp,192.0.2.1,5000,  <->,198.51.100.1,53,CON,0,0,5,500,200,2,
2026/03/01 10:00:01.000000,0.000000,tcp,192.0.2.2,5001,   ->,198.51.100.1,22,S_RA,0,0,2,120,60,1,x
2026/03/01 09:59:59.000000,0.000000,icmp,2001:db8::1,0x0008,   ->,2001:db8::2,0x0303,URP,0,,1,70,70,1,
";

    #[test]
    fn a_flow_has_both_directions_and_lasts_its_duration() {
        let found = collected::read(&Argus, SAMPLE);
        let [first, second, third] = &found.records[..] else {
            panic!("{found:?}")
        };
        assert_eq!(first.start_us, 1_772_359_200_250_000);
        assert_eq!(first.end_us - first.start_us, 1_500_000);
        assert_eq!(
            (first.src.as_str(), first.dst.as_str()),
            ("192.0.2.1", "198.51.100.1")
        );
        assert_eq!((first.src_port, first.dst_port), (Some(5000), Some(53)));
        assert_eq!((first.bytes_out, first.bytes_in), (200, 300));
        assert_eq!((first.packets_out, first.packets_in), (2, 3));
        assert_eq!((first.proto.as_str(), first.failed), ("udp", false));
        assert!(second.failed);
        assert_eq!(
            (third.src.as_str(), third.src_port, third.dst_port),
            ("2001:db8::1", Some(8), Some(771))
        );
        assert!(third.failed);
    }

    #[test]
    fn tabs_separate_too_and_reports_of_argus_on_itself_are_other_lines() {
        let text = b"StartTime\tDur\tProto\tSrcAddr\tSport\tDir\tDstAddr\tDport\tState\tTotPkts\tTotBytes\tSrcBytes
2026/03/01 10:00:00.000000\t0.04\tman\t0\t0\t\t0\t0\tSTA\t\t0\t0
2026/03/01 10:00:00.000000\t0.04\tllc\t00:00:5e:00:53:01\t0\t   ->\t00:00:5e:00:53:02\t0\tINT\t1\t60\t60
";
        let found = collected::read(&Argus, text);
        assert_eq!(
            (found.records.len(), found.others, found.dropped.len()),
            (1, 1, 0)
        );
        assert_eq!(found.records[0].src, "\"00:00:5e:00:53:01\"");
        assert!(!found.records[0].failed);
    }

    #[test]
    fn a_negative_duration_is_mended_and_a_wrong_number_drops_the_row() {
        let text = b"StartTime,Dur,SrcAddr,DstAddr,TotBytes
2026/03/01 10:00:00,-0.5,192.0.2.1,192.0.2.2,10
2026/03/01 10:00:00,x,192.0.2.1,192.0.2.2,10
2026/03/01 10:00:00,1,192.0.2.1
yesterday,1,192.0.2.1,192.0.2.2,10
";
        let found = collected::read(&Argus, text);
        assert_eq!((found.records.len(), found.mended), (1, 1));
        assert_eq!(
            (found.records[0].bytes_out, found.records[0].bytes_in),
            (10, 0)
        );
        let reasons: Vec<&str> = found
            .dropped
            .iter()
            .map(|(_, reason)| reason.as_str())
            .collect();
        assert_eq!(
            reasons,
            [
                "the Dur \"x\" is not a number of seconds",
                "it has 3 fields and 5 are needed",
                "the StartTime \"yesterday\" is not a time"
            ]
        );
    }

    #[test]
    fn times_without_a_zone_are_those_of_the_option_and_epoch_numbers_are_utc() {
        let zone = "+02:00".parse().unwrap();
        let options = RecordOptions {
            zone,
            ..collected::OPTIONS
        };
        let mut sink = collected::Collected::default();
        Argus
            .recognise(SAMPLE, &options)
            .unwrap()
            .unwrap()
            .read(SAMPLE, &mut sink);
        assert_eq!(sink.records[0].start_us, 1_772_352_000_250_000);
        let text = b"StartTime,Dur,SrcAddr,DstAddr\n1772359200.25,1,192.0.2.1,192.0.2.2\n";
        assert_eq!(
            collected::read(&Argus, text).records[0].start_us,
            1_772_359_200_250_000
        );
    }

    #[test]
    fn any_bytes_are_accounted_for() {
        collected::holds_for_any_bytes(&Argus, SAMPLE);
        assert!(collected::layout(&Argus, b"timestamp,value\n1,2\n").is_none());
    }
}

//! nfdump's CSV: up to 1.7.1 with and without a header, since 1.7.2, and csv-fast.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::fields::{self, Fault};
use super::super::record::{Family, Layout, RecordSink};
use super::super::timestamp::Zone;
use super::{Flow, Times, has_syn_only};
use crate::support::error::{Error, ErrorKind, Result};

/// A field of a flow. The others are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Skipped,
    First,
    Last,
    Duration,
    Src,
    Dst,
    SrcPort,
    DstPort,
    Protocol,
    Flags,
    PacketsOut,
    BytesOut,
    PacketsIn,
    BytesIn,
    Flows,
    Input,
    /// Who saw the flow: the other interface, the exporter, its engine.
    Witness,
}

impl Column {
    fn named(name: &[u8]) -> Self {
        match name.trim_ascii() {
            b"ts" | b"firstSeen" => Self::First,
            b"te" | b"lastSeen" => Self::Last,
            b"td" | b"duration" => Self::Duration,
            b"sa" | b"srcAddr" => Self::Src,
            b"da" | b"dstAddr" => Self::Dst,
            b"sp" | b"srcPort" => Self::SrcPort,
            b"dp" | b"dstPort" => Self::DstPort,
            b"pr" | b"proto" => Self::Protocol,
            b"flg" | b"flags" => Self::Flags,
            b"ipkt" | b"packets" | b"inPackets" => Self::PacketsOut,
            b"ibyt" | b"bytes" | b"inBytes" => Self::BytesOut,
            b"opkt" | b"outPackets" => Self::PacketsIn,
            b"obyt" | b"outBytes" => Self::BytesIn,
            b"fl" | b"flows" => Self::Flows,
            b"in" | b"input" | b"inIfName" => Self::Input,
            b"out" | b"output" | b"outIfName" | b"ra" | b"routerIP" | b"eng" | b"engine"
            | b"exid" | b"exporterID" => Self::Witness,
            _ => Self::Skipped,
        }
    }
}

/// The header of `-o csv` up to 1.7.1, so far as its columns are needed.
const OLD_HEADER: &[u8] = b"ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out,sas,das,smk,dmk,dtos,dir,nh,nhb,svln,dvln,ismc,odmc,idmc,osmc,mpls1,mpls2,mpls3,mpls4,mpls5,mpls6,mpls7,mpls8,mpls9,mpls10,cl,sl,al,ra,eng,exid,tr";

/// The layout of CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Csv {
    zone: Zone,
    /// Up to the last column that is needed.
    columns: Vec<Column>,
    /// Fewest fields of a row: the last of the columns that every version writes.
    min_fields: usize,
    is_local: bool,
}

pub(super) fn recognise(lines: &[&[u8]], zone: Zone) -> Result<Option<Arc<dyn Layout>>> {
    let Some(first) = lines.first() else {
        return Ok(None);
    };
    if first.starts_with(b"ts,te,td,pr,val,fl") {
        let text = "a statistic of nfdump, summed over its whole time: export the flows with 'nfdump -r FILE -o csv-fast'";
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    let (columns, rows) = match header(first) {
        Some(columns) => (columns, &lines[1..]),
        None if fields::most_fit(lines.iter().copied().filter(|line| !is_note(line)), is_row) => {
            (header(OLD_HEADER).unwrap_or_default(), lines)
        }
        None => return Ok(None),
    };
    let mut layout = Csv::new(columns, zone);
    let mut times = Times::new(zone);
    let first_time = layout
        .columns
        .iter()
        .position(|column| *column == Column::First);
    for row in rows {
        let cell = row
            .split(|byte| *byte == b',')
            .nth(first_time.unwrap_or(0))
            .unwrap_or_default();
        if times.parse(cell.trim_ascii()).is_some() {
            layout.is_local = cell.trim_ascii().get(4) == Some(&b'-');
            break;
        }
    }
    Ok(Some(Arc::new(layout)))
}

/// The columns that a header names; `None` where the line is no header of flows.
fn header(line: &[u8]) -> Option<Vec<Column>> {
    let columns: Vec<Column> = line
        .split(|byte| *byte == b',')
        .map(Column::named)
        .collect();
    let has = |column| columns.contains(&column);
    let amounts = has(Column::BytesOut) || has(Column::PacketsOut);
    (has(Column::First) && (has(Column::Src) || has(Column::Dst)) && amounts).then_some(columns)
}

/// Whether a line is a row of the old layout, as `-q` writes it without a header.
fn is_row(line: &[u8]) -> bool {
    let cells: Vec<&[u8]> = line
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .collect();
    let [first, last, duration, src, dst, ..] = cells[..] else {
        return false;
    };
    let mut times = Times::new(Zone::UTC);
    cells.len() >= 15
        && times.parse(first).is_some()
        && times.parse(last).is_some()
        && fields::seconds_us(duration).is_some()
        && fields::is_address(src)
        && fields::is_address(dst)
}

/// Whether a line belongs to what nfdump prints around the flows.
fn is_note(line: &[u8]) -> bool {
    const STARTS: [&[u8]; 9] = [
        b"Summary",
        b"flows,bytes,packets",
        b"Time window",
        b"Total ",
        b"Sys: ",
        b"Wall: ",
        b"No matched flows",
        b"Command line switch",
        b"Date first seen",
    ];
    STARTS.iter().any(|start| line.starts_with(start))
        // The numbers below the summary's head.
        || (line.iter().filter(|byte| **byte == b',').count() == 5
            && line.split(|byte| *byte == b',').all(|cell| fields::number(cell.trim_ascii()).is_some()))
}

/// Seconds with a fraction, or `[Nd ]HH:MM:SS.mmm` of versions since 1.7.2.
fn duration_us(text: &[u8]) -> Option<i64> {
    if memchr::memchr(b':', text).is_none() {
        return fields::seconds_us(text);
    }
    let (days, clock) = match memchr::memchr(b'd', text) {
        Some(end) => (fields::number(&text[..end])?, text[end + 1..].trim_ascii()),
        None => (0, text),
    };
    let mut parts = clock.split(|byte| *byte == b':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let whole = i64::try_from(days)
        .ok()?
        .checked_mul(24)?
        .checked_add_unsigned(fields::number(hours)?)?
        .checked_mul(60)?
        .checked_add_unsigned(fields::number(minutes)?)?
        .checked_mul(60_000_000)?;
    whole.checked_add(fields::seconds_us(seconds)?)
}

impl Csv {
    fn new(mut columns: Vec<Column>, zone: Zone) -> Self {
        let last = |is_wanted: fn(&Column) -> bool, columns: &[Column]| {
            columns
                .iter()
                .rposition(is_wanted)
                .map_or(0, |last| last + 1)
        };
        columns.truncate(last(|column| *column != Column::Skipped, &columns));
        let is_required = |column: &Column| {
            !matches!(
                column,
                Column::Skipped
                    | Column::Witness
                    | Column::Input
                    | Column::PacketsIn
                    | Column::BytesIn
            )
        };
        let min_fields = last(is_required, &columns);
        Self {
            zone,
            columns,
            min_fields,
            is_local: true,
        }
    }

    fn flow<'a>(
        &self,
        line: &'a [u8],
        times: &mut Times,
        witness: &mut Vec<u8>,
    ) -> Result<Flow<'a>, Fault<'a>> {
        let mut flow = Flow::default();
        let mut start = 0;
        witness.clear();
        for (place, &column) in self.columns.iter().enumerate() {
            if start > line.len() {
                if place < self.min_fields {
                    return Err(Fault::Short(place, self.min_fields));
                }
                break;
            }
            let end = fields::find(line, start, b',').unwrap_or(line.len());
            let cell = line[start..end].trim_ascii();
            start = end + 1;
            if column == Column::Skipped || cell.is_empty() {
                continue;
            }
            let number = |name| {
                fields::number(cell).ok_or(Fault::Wrong(name, cell.into(), "a whole number"))
            };
            let record = &mut flow.record;
            match column {
                Column::Skipped => {}
                Column::First => {
                    flow.start_us = Some(times.parse(cell).ok_or(Fault::Wrong(
                        "start time",
                        cell.into(),
                        "a time",
                    ))?);
                }
                // A start is enough: ends of year 0 occur.
                Column::Last => flow.end_us = times.parse(cell),
                Column::Duration => {
                    flow.duration_us = Some(duration_us(cell).ok_or(Fault::Wrong(
                        "duration",
                        cell.into(),
                        "a duration",
                    ))?);
                }
                Column::Src => record.src = fields::endpoint(cell),
                Column::Dst => record.dst = fields::endpoint(cell),
                Column::SrcPort => record.src_port = port(cell)?,
                Column::DstPort => record.dst_port = port(cell)?,
                Column::Protocol => {
                    record.proto = match fields::protocol(cell) {
                        Cow::Borrowed(b"0") => b"",
                        Cow::Borrowed(known) => known,
                        Cow::Owned(_) => cell,
                    };
                }
                Column::Flags => flow.has_syn_only = has_syn_only(cell),
                Column::PacketsOut => record.packets_out = number("packets")?,
                Column::BytesOut => record.bytes_out = number("bytes")?,
                Column::PacketsIn => record.packets_in = number("out packets")?,
                Column::BytesIn => record.bytes_in = number("out bytes")?,
                Column::Flows => record.flows = number("flows")?.max(1),
                Column::Input => {
                    record.interface = cell;
                    witness.extend_from_slice(cell);
                    witness.push(b',');
                }
                Column::Witness => {
                    witness.extend_from_slice(cell);
                    witness.push(b',');
                }
            }
        }
        Ok(flow)
    }
}

/// A port; of ICMP, whose port is `type.code`, none.
fn port(cell: &[u8]) -> Result<Option<u16>, Fault<'_>> {
    if memchr::memchr(b'.', cell).is_some() && fields::seconds_us(cell).is_some() {
        return Ok(None);
    }
    match fields::port(cell) {
        Some(port) => Ok(Some(port)),
        None => Err(Fault::Wrong("port", cell.into(), "a port from 0 to 65535")),
    }
}

impl Layout for Csv {
    fn describe(&self) -> String {
        if self.is_local {
            format!("nfdump CSV, local times read as {}", self.zone)
        } else {
            "nfdump CSV".to_owned()
        }
    }

    fn family(&self) -> Family {
        Family::Flows
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let mut layout = Cow::Borrowed(self);
        let mut times = Times::new(self.zone);
        let mut witness = Vec::new();
        for (offset, line) in fields::lines(block) {
            // Rows begin with a digit or a blank, all else is a header or a note.
            let is_plain = line
                .first()
                .is_some_and(|byte| byte.is_ascii_digit() || *byte == b' ');
            if !is_plain || is_summary_row(line) {
                if let Some(columns) = header(line) {
                    layout.to_mut().take(columns);
                    continue;
                }
                if line.trim_ascii().is_empty() || is_note(line) {
                    continue;
                }
            }
            match layout.flow(line, &mut times, &mut witness) {
                Ok(flow) => match flow.start_us {
                    Some(start_us) => flow.finish(start_us, &witness, sink),
                    None => sink.dropped(offset, &|| Fault::Missing("start time").reason()),
                },
                Err(fault) => sink.dropped(offset, &|| fault.reason()),
            }
        }
    }

    fn after(&self, block: &[u8]) -> Option<Arc<dyn Layout>> {
        // Exports that were joined: the last header holds. A header's line begins with `ts` or has `firstSeen`.
        let mut layout = Cow::Borrowed(self);
        let marks =
            [&b"firstSeen"[..], b"ts,te,"].map(|name| memchr::memmem::find_iter(block, name));
        let mut marks: Vec<usize> = marks.into_iter().flatten().collect();
        marks.sort_unstable();
        for mark in marks {
            let start = memchr::memrchr(b'\n', &block[..mark]).map_or(0, |end| end + 1);
            if let Some(columns) = fields::lines(&block[start..])
                .next()
                .and_then(|(_, line)| header(line))
            {
                layout.to_mut().take(columns);
            }
        }
        match layout {
            Cow::Owned(changed) if changed != *self => Some(Arc::new(changed)),
            _ => None,
        }
    }
}

/// Whether a line of digits may be the summary's: it is shorter than any row with two addresses and two times.
fn is_summary_row(line: &[u8]) -> bool {
    line.len() < 128 && is_note(line)
}

impl Csv {
    /// Goes on with the columns of another header.
    fn take(&mut self, columns: Vec<Column>) {
        let is_local = self.is_local;
        *self = Self {
            is_local,
            ..Self::new(columns, self.zone)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::collected::{OPTIONS, holds_for_any_bytes, layout, read, refusal};
    use super::super::super::record::{Identity, RecordFormat, RecordOptions};
    use super::super::Nfdump;
    use super::*;

    const HEADER: &str = "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out,sas,das,smk,dmk,dtos,dir,nh,nhb,svln,dvln,ismc,odmc,idmc,osmc,mpls1,mpls2,mpls3,mpls4,mpls5,mpls6,mpls7,mpls8,mpls9,mpls10,cl,sl,al,ra,eng,exid,tr\n";
    const MIDDLE: &str = ",0,0,0,0,0,0,0.0.0.0,0.0.0.0,0,0,00:00:00:00:00:00,00:00:00:00:00:00,00:00:00:00:00:00,00:00:00:00:00:00,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,0-0-0,    0.000,    0.000,    0.000,203.0.113.1,0/58,1,1970-01-01 00:00:00.000\n";
    const SUMMARY: &str =
        "Summary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n2,1540,13,58357,140,51\n";

    fn rows() -> String {
        let first = "2026-05-04 12:00:00,2026-05-04 12:00:01,0.171,192.0.2.1,198.51.100.7,40000,443,TCP,...AP.SF,0,0,11,1483,4,90,3,7";
        let second = "2026-05-04 12:00:01,2026-05-04 12:00:01,    0.000,192.0.2.2,198.51.100.7,40001,22,TCP,......S.,0,0,     2,     57,0,0,3,7";
        format!("{first}{MIDDLE}{second}{MIDDLE}")
    }

    #[test]
    fn a_flow_of_the_old_csv_has_its_times_ends_and_amounts() {
        let found = read(&Nfdump, (HEADER.to_owned() + &rows() + SUMMARY).as_bytes());
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
            (&*first.src, &*first.dst, first.src_port, first.dst_port),
            ("192.0.2.1", "198.51.100.7", Some(40_000), Some(443))
        );
        assert_eq!(
            (
                first.bytes_out,
                first.bytes_in,
                first.packets_out,
                first.packets_in
            ),
            (1483, 90, 11, 4)
        );
        assert_eq!(
            (&*first.proto, &*first.interface, first.failed),
            ("tcp", "3", false)
        );
        assert_eq!(
            (found.records[1].bytes_out, found.records[1].failed),
            (57, true)
        );
    }

    #[test]
    fn without_a_header_and_with_a_summary_the_flows_are_the_same() {
        let with = read(&Nfdump, (HEADER.to_owned() + &rows()).as_bytes());
        for text in [rows(), rows() + SUMMARY] {
            assert_eq!(read(&Nfdump, text.as_bytes()).records, with.records);
        }
    }

    #[test]
    fn local_times_are_read_in_the_zone_of_the_options() {
        let options = RecordOptions {
            zone: "Europe/Prague".parse().unwrap(),
            ..OPTIONS
        };
        let layout = Nfdump
            .recognise(rows().as_bytes(), &options)
            .unwrap()
            .unwrap();
        assert_eq!(
            layout.describe(),
            "nfdump CSV, local times read as Europe/Prague"
        );
        let mut found = super::super::super::collected::Collected::default();
        layout.read(rows().as_bytes(), &mut found);
        assert_eq!(found.records[0].start_us, 1_777_888_800_000_000);
    }

    #[test]
    fn versions_since_1_7_2_name_their_columns_and_write_durations_as_clocks() {
        let header = "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,bps,bpp,flows\n";
        let end = "TCP,192.0.2.1,40000,2001:db8::7,443,11,1483,0,0,3\n";
        for (time, duration) in [
            ("2026-05-04 12:00:00.000", "00:00:00.171"),
            ("2026-05-04 12:00:00", "0.171"),
            ("1777896000.000", "     0.171"),
            ("1777896000", "0d 00:00:00.171"),
        ] {
            let text = format!("{header}{time},{duration},{end}");
            let found = read(&Nfdump, text.as_bytes());
            assert_eq!((found.records.len(), found.dropped.len()), (1, 0), "{text}");
            let first = &found.records[0];
            assert_eq!(
                (first.start_us, first.end_us),
                (1_777_896_000_000_000, 1_777_896_000_171_000),
                "{text}"
            );
            assert_eq!(
                (&*first.dst, first.bytes_out, first.flows),
                ("2001:db8::7", 1483, 3)
            );
        }
    }

    #[test]
    fn csv_fast_has_milliseconds_since_1970() {
        let text = "cnt,af,firstSeen,lastSeen,proto,srcAddr,srcPort,dstAddr,dstPort,srcAS,dstAS,input,output,flags,srcTos,packets,bytes\n\
            1,2,1777896000000,1777896000171,6,192.0.2.1,40000,198.51.100.7,443,0,0,3,7,......S.,0,11,1483\n\
            2,2,1777896000000,1777896000000,1,192.0.2.1,0,198.51.100.7,2048,0,0,3,7,........,0,1,84\n";
        let found = read(&Nfdump, text.as_bytes());
        assert_eq!((found.records.len(), found.dropped.len()), (2, 0));
        let first = &found.records[0];
        assert_eq!(
            (first.start_us, first.end_us),
            (1_777_896_000_000_000, 1_777_896_000_171_000)
        );
        assert_eq!(
            (&*first.proto, first.bytes_out, first.failed),
            ("tcp", 1483, true)
        );
        assert_eq!(
            (&*found.records[1].proto, found.records[1].failed),
            ("icmp", false)
        );
        assert_eq!(
            layout(&Nfdump, text.as_bytes()).unwrap().describe(),
            "nfdump CSV"
        );
    }

    #[test]
    fn joined_exports_change_their_columns_at_the_second_header() {
        let fast = "firstSeen,srcAddr,dstAddr,bytes,packets\n1777896000,192.0.2.1,192.0.2.2,7,1\n";
        let text = HEADER.to_owned() + &rows() + SUMMARY + fast;
        let found = read(&Nfdump, text.as_bytes());
        assert_eq!((found.records.len(), found.dropped.len()), (3, 0));
        assert_eq!(found.records[2].bytes_out, 7);
        let first = layout(&Nfdump, HEADER.as_bytes()).unwrap();
        assert!(first.after(rows().as_bytes()).is_none());
        assert!(first.after(text.as_bytes()).is_some());
    }

    #[test]
    fn the_ends_that_an_aggregation_left_out_are_unknown() {
        let text = "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt\n\
            2026-05-04 12:00:00,2026-05-04 12:00:33,33.041,192.0.2.1,0.0.0.0,0,0,0,........,0,0,2311,98789,0,0\n\
            2026-05-04 12:00:00,2026-05-04 12:00:00,0.000,0.0.0.0,255.255.255.255,68,67,UDP,........,0,0,1,328,0,0\n";
        let found = read(&Nfdump, text.as_bytes());
        assert_eq!((&*found.records[0].dst, &*found.records[0].proto), ("", ""));
        assert_eq!(&*found.records[1].src, "0.0.0.0");
    }

    #[test]
    fn a_duration_of_2_to_the_32_milliseconds_and_an_end_before_the_start_are_mended() {
        let text = HEADER.to_owned() + &rows().replace(",0.171,", ",4294967.295,");
        let found = read(&Nfdump, text.as_bytes());
        assert_eq!(
            (found.mended, found.records[0].end_us),
            (1, found.records[0].start_us)
        );
        let text = "firstSeen,lastSeen,srcAddr,bytes\n1777896000500,1777896000000,192.0.2.1,7\n";
        assert_eq!(read(&Nfdump, text.as_bytes()).mended, 1);
    }

    #[test]
    fn the_port_of_icmp_is_no_port() {
        let text = HEADER.to_owned() + &rows().replace("40001,22,TCP", "0,8.0,ICMP");
        assert_eq!(read(&Nfdump, text.as_bytes()).records[1].dst_port, None);
    }

    #[test]
    fn the_same_flow_through_two_interfaces_has_two_witnesses() {
        let text = "ts,te,sa,da,sp,dp,pr,in,out,ipkt,ibyt\n\
            1777896000,1777896010,192.0.2.1,198.51.100.1,40000,443,6,3,7,10,1000\n\
            1777896000,1777896010,192.0.2.1,198.51.100.1,40000,443,6,9,7,10,1000\n";
        let found = read(&Nfdump, text.as_bytes()).records;
        let (
            Identity::Witnessed { flow, witness },
            Identity::Witnessed {
                flow: again,
                witness: other,
            },
        ) = (found[0].identity, found[1].identity)
        else {
            panic!("not witnessed");
        };
        assert_eq!(flow, again);
        assert_ne!(witness, other);
    }

    #[test]
    fn spoiled_rows_are_dropped_and_statistics_refused() {
        let text = HEADER.to_owned()
            + &rows()
            + "2026-05-04 12:00:00,2026-05-04\nnonsense\n2026-13-04 12:00:00,2026-05-04 12:00:01,0.171,192.0.2.1,198.51.100.7,40000,443,TCP,...AP.SF,0,0,11,1483,4,90\n";
        let found = read(&Nfdump, text.as_bytes());
        assert_eq!((found.records.len(), found.dropped.len()), (2, 3));
        assert_eq!(
            found.dropped[2].1,
            "the start time \"2026-13-04 12:00:00\" is not a time"
        );
        let statistic = "ts,te,td,pr,val,fl,flP,pkt,pktP,byt,bytP,pps,bps,bpp\n";
        assert_eq!(
            refusal(&Nfdump, statistic.as_bytes()).kind(),
            ErrorKind::Unsupported
        );
    }

    #[test]
    fn other_text_is_no_export_of_nfdump() {
        for text in [
            "",
            "timestamp,value\n2026-05-04,1\n",
            "ts,bytes\n1,2\n",
            "a\n",
            "1,2,3\n",
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
        holds_for_any_bytes(&Nfdump, (HEADER.to_owned() + &rows() + SUMMARY).as_bytes());
        holds_for_any_bytes(&Nfdump, rows().as_bytes());
        holds_for_any_bytes(
            &Nfdump,
            b"firstSeen,duration,srcAddr,bytes\n1777896000.5,00:00:01.5,192.0.2.1,7\n",
        );
    }
}

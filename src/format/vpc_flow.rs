//! AWS VPC flow logs as text: with a header in any order of columns, or the default 14 fields without one.
//!
//! Both directions of a connection are records of their own, and every interface on the way reports them again. A row without data
//! is nothing seen; a row of skipped data means that the exporter lost records in its window.
//! Source: Amazon VPC User Guide, "Flow log records".

use std::borrow::Cow;
use std::sync::Arc;

use super::fields::{self, Fault};
use super::record::{Endpoint, Family, Layout, Record, RecordFormat, RecordOptions, RecordSink};
use crate::support::error::{Error, ErrorKind, Result};

/// AWS VPC flow logs.
pub(super) struct VpcFlow;

impl RecordFormat for VpcFlow {
    fn name(&self) -> &'static str {
        "vpc"
    }

    fn recognise(&self, head: &[u8], _: &RecordOptions) -> Result<Option<Arc<dyn Layout>>> {
        let lines = fields::head_lines(head);
        let Some(first) = lines.first() else {
            return Ok(None);
        };
        let mut layout = match Columns::of_header(first) {
            Some(columns) => Text::new(columns),
            None if fields::most_fit(lines.iter().copied(), is_default_row) => {
                Text::new(Columns::of_default())
            }
            None => return Ok(None),
        };
        if !layout.columns.is_there(Column::Start) {
            let text = "a VPC flow log without the field 'start': add it to the log's format";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        layout.set_window(&lines);
        Ok(Some(Arc::new(layout)))
    }
}

/// Whether a line has the 14 fields of the default format.
fn is_default_row(line: &[u8]) -> bool {
    let cells: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [version, _, interface, .., start, end, action, status] = cells[..] else {
        return false;
    };
    cells.len() == 14
        && fields::number(version).is_some_and(|version| (1..100).contains(&version))
        && (interface.starts_with(b"eni-") || interface == b"-")
        && [start, end]
            .iter()
            .all(|time| fields::number(time).is_some() || *time == b"-")
        && matches!(action, b"ACCEPT" | b"REJECT" | b"-")
        && matches!(status, b"OK" | b"NODATA" | b"SKIPDATA")
}

/// A field of a record. The others are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Skipped,
    Interface,
    Src,
    Dst,
    SrcPort,
    DstPort,
    Protocol,
    Packets,
    Bytes,
    Start,
    End,
    Action,
    Status,
}

impl Column {
    /// By its name, with `-` or `_` between words.
    fn named(name: &[u8]) -> Self {
        let name: Vec<u8> = name
            .iter()
            .map(|byte| {
                if *byte == b'_' {
                    b'-'
                } else {
                    byte.to_ascii_lowercase()
                }
            })
            .collect();
        match &*name {
            b"interface-id" => Self::Interface,
            b"srcaddr" => Self::Src,
            b"dstaddr" => Self::Dst,
            b"srcport" => Self::SrcPort,
            b"dstport" => Self::DstPort,
            b"protocol" => Self::Protocol,
            b"packets" => Self::Packets,
            b"bytes" => Self::Bytes,
            b"start" => Self::Start,
            b"end" => Self::End,
            b"action" => Self::Action,
            b"log-status" => Self::Status,
            _ => Self::Skipped,
        }
    }
}

/// Which field lies where.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Columns {
    separator: u8,
    /// The first line's first name: a line that begins with it is a header.
    first_name: Vec<u8>,
    /// Up to the last column that is needed.
    needed: Vec<Column>,
}

const DEFAULT: &[u8] = b"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status";

impl Columns {
    /// The columns that a header names; `None` where the line is no header of a flow log.
    fn of_header(line: &[u8]) -> Option<Self> {
        let separator = *[b' ', b'\t', b',']
            .iter()
            .find(|separator| line.contains(separator))?;
        let mut columns: Vec<Column> = Vec::new();
        for name in line.split(|byte| *byte == separator) {
            columns.push(Column::named(unquoted(name)));
        }
        let has = |column| columns.contains(&column);
        let is_header = (has(Column::Src) && has(Column::Dst) || has(Column::Status))
            && (has(Column::Start) || has(Column::End) || has(Column::Bytes));
        if !is_header {
            return None;
        }
        let first_name = line.split(|byte| *byte == separator).next()?.to_vec();
        let last = columns
            .iter()
            .rposition(|column| *column != Column::Skipped)?;
        columns.truncate(last + 1);
        Some(Self {
            separator,
            first_name,
            needed: columns,
        })
    }

    fn of_default() -> Self {
        let names = DEFAULT.split(|byte| *byte == b' ');
        Self {
            separator: b' ',
            first_name: b"version".to_vec(),
            needed: names.map(Column::named).collect(),
        }
    }

    fn is_there(&self, column: Column) -> bool {
        self.needed.contains(&column)
    }

    fn is_header(&self, line: &[u8]) -> bool {
        line.starts_with(&self.first_name) && Self::of_header(line).is_some()
    }
}

/// A cell without the quotes that an export from Athena has.
fn unquoted(cell: &[u8]) -> &[u8] {
    match cell {
        [b'"', inner @ .., b'"'] => inner,
        _ => cell,
    }
}

/// The layout of text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Text {
    columns: Columns,
    window_us: i64,
}

const MINUTE_US: i64 = 60_000_000;

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Record,
    NoData,
    /// Records were lost between its times.
    Skipped,
}

impl Text {
    fn new(columns: Columns) -> Self {
        Self {
            columns,
            window_us: MINUTE_US,
        }
    }

    /// Records are made each minute or each ten minutes: the longest of the head tells which.
    fn set_window(&mut self, lines: &[&[u8]]) {
        const LONGEST_OF_A_MINUTE_US: i64 = 2 * MINUTE_US;
        let is_longer = |line: &&[u8]| {
            matches!(self.row(line), Ok((record, Status::Record))
                if record.end_us - record.start_us > LONGEST_OF_A_MINUTE_US)
        };
        if lines.iter().any(is_longer) {
            self.window_us = 10 * MINUTE_US;
        }
    }

    #[inline]
    fn row<'a>(&self, line: &'a [u8]) -> Result<(Record<'a>, Status), Fault<'a>> {
        let mut record = Record::default();
        let mut status: &[u8] = b"OK";
        let (mut start_us, mut end_us) = (None, None);
        let mut start = 0;
        let needed = &self.columns.needed;
        for (place, &column) in needed.iter().enumerate() {
            let end = match fields::find(line, start, self.columns.separator) {
                Some(end) => end,
                None if place + 1 == needed.len() && start <= line.len() => line.len(),
                None => return Err(Fault::Short(place + 1, needed.len())),
            };
            let cell = unquoted(&line[start..end]);
            start = end + 1;
            if column == Column::Skipped || cell == b"-" || cell.is_empty() {
                continue;
            }
            let number = |name| {
                fields::number(cell).ok_or(Fault::Wrong(name, cell.into(), "a whole number"))
            };
            let port = |name| {
                fields::port(cell).ok_or(Fault::Wrong(name, cell.into(), "a port from 0 to 65535"))
            };
            let time = |name| {
                fields::epoch_us(cell).ok_or(Fault::Wrong(
                    name,
                    cell.into(),
                    "a number of seconds since 1970",
                ))
            };
            match column {
                Column::Skipped => {}
                Column::Interface => record.interface = cell,
                Column::Src => record.src = fields::endpoint(cell),
                Column::Dst => record.dst = fields::endpoint(cell),
                Column::SrcPort => record.src_port = Some(port("srcport")?),
                Column::DstPort => record.dst_port = Some(port("dstport")?),
                Column::Protocol => {
                    record.proto = match fields::protocol(cell) {
                        Cow::Borrowed(known) => known,
                        Cow::Owned(_) => cell,
                    }
                }
                Column::Packets => record.packets_out = number("packets")?,
                Column::Bytes => record.bytes_out = number("bytes")?,
                Column::Start => start_us = Some(time("start")?),
                Column::End => end_us = Some(time("end")?),
                Column::Action => record.failed = cell == b"REJECT",
                Column::Status => status = cell,
            }
        }
        record.start_us = start_us.ok_or(Fault::Missing("start"))?;
        record.end_us = end_us.unwrap_or(record.start_us);
        let status = match status {
            b"OK" => Status::Record,
            b"NODATA" => Status::NoData,
            b"SKIPDATA" => Status::Skipped,
            _ => {
                return Err(Fault::Wrong(
                    "log-status",
                    status.into(),
                    "OK, NODATA or SKIPDATA",
                ));
            }
        };
        if matches!(
            (record.src, record.dst),
            (Endpoint::Name(_), _) | (_, Endpoint::Name(_))
        ) {
            return Err(Fault::Other(
                "srcaddr or dstaddr is not an address".to_owned(),
            ));
        }
        Ok((record, status))
    }
}

impl Layout for Text {
    fn describe(&self) -> String {
        "AWS VPC flow log".to_owned()
    }

    fn family(&self) -> Family {
        Family::Flows
    }

    fn window_us(&self) -> i64 {
        self.window_us
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let mut layout = Cow::Borrowed(self);
        for (offset, line) in fields::lines(block) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            if layout.columns.is_header(line) {
                layout.take_header(line);
                continue;
            }
            match layout.row(line) {
                Ok((mut record, Status::Record)) => {
                    let duration_us = record.end_us - record.start_us;
                    record.end_us = fields::end_us(record.start_us, duration_us, sink);
                    record.identity = fields::witnessed(&record, record.interface);
                    sink.record(&record);
                }
                Ok((_, Status::NoData)) => sink.other(),
                Ok((record, Status::Skipped)) => {
                    sink.other();
                    sink.unknown(record.start_us, record.end_us.max(record.start_us));
                }
                Err(fault) => sink.dropped(offset, &|| fault.reason()),
            }
        }
    }

    fn after(&self, block: &[u8]) -> Option<Arc<dyn Layout>> {
        // Logs that were joined: the last header holds.
        let mut layout = Cow::Borrowed(self);
        for mark in memchr::memmem::find_iter(block, &self.columns.first_name) {
            if mark > 0 && block.get(mark - 1) != Some(&b'\n') {
                continue;
            }
            if let Some((_, line)) = fields::lines(&block[mark..]).next()
                && layout.columns.is_header(line)
            {
                layout.take_header(line);
            }
        }
        match layout {
            Cow::Owned(changed) if changed != *self => Some(Arc::new(changed)),
            _ => None,
        }
    }
}

trait TakeHeader {
    fn take_header(&mut self, line: &[u8]);
}

impl TakeHeader for Cow<'_, Text> {
    /// Goes on with the columns of another header, where they differ.
    fn take_header(&mut self, line: &[u8]) {
        if let Some(columns) = Columns::of_header(line)
            && columns != self.columns
        {
            self.to_mut().columns = columns;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::collected::{OPTIONS, holds_for_any_bytes, layout, read, refusal};
    use super::*;
    use crate::format::record::Identity;

    const ROWS: &str = "2 123456789012 eni-0abc 192.0.2.9 198.51.100.9 50000 22 6 3 140 1777896000 1777896060 ACCEPT OK\n\
        2 123456789012 eni-0abc 2001:db8::9 2001:db8::1 50001 23 17 1 40 1777896000 1777896030 REJECT OK\n";
    const SILENT: &str = "2 123456789012 eni-0abc - - - - - - - 1777896060 1777896120 - NODATA\n\
        2 123456789012 eni-0abc - - - - - - - 1777896120 1777896180 - SKIPDATA\n";

    fn header() -> String {
        String::from_utf8(DEFAULT.to_vec()).unwrap() + "\n"
    }

    #[test]
    fn a_row_is_one_direction_of_a_flow() {
        let found = read(&VpcFlow, ROWS.as_bytes());
        assert_eq!((found.records.len(), found.dropped.len()), (2, 0));
        let first = &found.records[0];
        assert_eq!(
            (first.start_us, first.end_us),
            (1_777_896_000_000_000, 1_777_896_060_000_000)
        );
        assert_eq!(
            (&*first.src, &*first.dst, first.src_port, first.dst_port),
            ("192.0.2.9", "198.51.100.9", Some(50_000), Some(22))
        );
        assert_eq!(
            (first.bytes_out, first.bytes_in, first.packets_out),
            (140, 0, 3)
        );
        assert_eq!(
            (&*first.proto, &*first.interface, first.failed),
            ("tcp", "eni-0abc", false)
        );
        let second = &found.records[1];
        assert_eq!(
            (&*second.src, &*second.proto, second.failed),
            ("2001:db8::9", "udp", true)
        );
    }

    #[test]
    fn rows_without_data_are_zero_and_skipped_data_is_unknown() {
        let found = read(&VpcFlow, (ROWS.to_owned() + SILENT).as_bytes());
        assert_eq!(
            (found.records.len(), found.others, found.dropped.len()),
            (2, 2, 0)
        );
        assert_eq!(
            found.unknown,
            [(1_777_896_120_000_000, 1_777_896_180_000_000)]
        );
        let silent = layout(&VpcFlow, SILENT.as_bytes()).unwrap();
        assert_eq!(silent.describe(), "AWS VPC flow log");
    }

    #[test]
    fn columns_are_found_by_a_header_in_any_order() {
        let rows = "account-id action az-id bytes dstaddr dstport end interface_id log_status packets protocol srcaddr srcport start version\n\
            123456789012 REJECT euc1-az1 40 198.51.100.9 22 1777896060 eni-0abc OK 1 6 192.0.2.9 50000 1777896000 5\n";
        for text in [
            rows.to_owned(),
            rows.replace(' ', "\t"),
            rows.replace(' ', "\",\""),
        ] {
            let found = read(&VpcFlow, text.as_bytes());
            assert_eq!((found.records.len(), found.dropped.len()), (1, 0), "{text}");
            assert_eq!(
                (found.records[0].bytes_out, found.records[0].failed),
                (40, true)
            );
            assert_eq!(
                (&*found.records[0].src, found.records[0].dst_port),
                ("192.0.2.9", Some(22))
            );
        }
    }

    #[test]
    fn joined_logs_change_their_columns_at_the_second_header() {
        let other = "version start end bytes srcaddr dstaddr\n2 1777896000 1777896060 7 192.0.2.1 192.0.2.2\n";
        let text = header() + ROWS + &header() + other + other;
        let found = read(&VpcFlow, text.as_bytes());
        assert_eq!((found.records.len(), found.dropped.len()), (4, 0));
        assert_eq!(found.records[3].bytes_out, 7);
        let first = layout(&VpcFlow, header().as_bytes()).unwrap();
        assert!(first.after(ROWS.as_bytes()).is_none());
        assert!(first.after(text.as_bytes()).is_some());
    }

    #[test]
    fn the_window_is_told_by_the_longest_record() {
        assert_eq!(
            layout(&VpcFlow, ROWS.as_bytes()).unwrap().window_us(),
            60_000_000
        );
        let long = ROWS.replace("1777896060", "1777896590");
        assert_eq!(
            layout(&VpcFlow, long.as_bytes()).unwrap().window_us(),
            600_000_000
        );
    }

    #[test]
    fn the_same_flow_from_two_interfaces_has_one_identity_and_two_witnesses() {
        let text = ROWS.to_owned() + &ROWS.replace("eni-0abc", "eni-0def");
        let found = read(&VpcFlow, text.as_bytes()).records;
        let (
            Identity::Witnessed { flow, witness },
            Identity::Witnessed {
                flow: again,
                witness: other,
            },
        ) = (found[0].identity, found[2].identity)
        else {
            panic!("not witnessed");
        };
        assert_eq!(flow, again);
        assert_ne!(witness, other);
    }

    #[test]
    fn an_end_before_its_start_is_mended_and_spoiled_rows_are_dropped() {
        let text = header()
            + &ROWS.replacen("1777896060", "1777895000", 1)
            + "2 1 eni-1 192.0.2.9 198.51.100.9 50000 22 6 x 140 1777896000 1777896060 ACCEPT OK\n"
            + "2 1 eni-1 192.0.2.9 198.51.100.9\n"
            + "2 1 eni-1 192.0.2.9 198.51.100.9 99999 22 6 1 140 1777896000 1777896060 ACCEPT OK\n";
        let found = read(&VpcFlow, text.as_bytes());
        assert_eq!((found.records.len(), found.mended), (2, 1));
        assert_eq!(found.records[0].start_us, found.records[0].end_us);
        let reasons: Vec<&str> = found.dropped.iter().map(|(_, reason)| &**reason).collect();
        assert_eq!(
            reasons,
            [
                "the packets \"x\" is not a whole number",
                "it has 5 fields and 14 are needed",
                "the srcport \"99999\" is not a port from 0 to 65535",
            ]
        );
    }

    #[test]
    fn other_text_is_no_flow_log_and_one_without_times_is_refused() {
        for text in [
            "",
            "a b c\n1 2 3\n",
            "timestamp,bytes\n1,2\n",
            "start,end\n1,2\n",
        ] {
            assert!(
                VpcFlow
                    .recognise(text.as_bytes(), &OPTIONS)
                    .unwrap()
                    .is_none(),
                "{text}"
            );
        }
        assert_eq!(
            refusal(&VpcFlow, b"srcaddr dstaddr bytes\n192.0.2.1 192.0.2.2 7\n").kind(),
            ErrorKind::Unsupported
        );
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        holds_for_any_bytes(&VpcFlow, (header() + ROWS + SILENT).as_bytes());
        holds_for_any_bytes(&VpcFlow, (ROWS.to_owned() + SILENT).as_bytes());
    }
}

//! Zeek's connection log: TSV with its `#` head, and JSON.
//!
//! The columns are taken from each `#fields` line, in any order. A connection starts at `ts` and lasts `duration`; it is failed where
//! nobody answered or the responder refused (`conn_state` S0, REJ, RSTOS0, RSTRH, SH, SHR).
//! Source: Zeek manual, "conn.log" and "Zeek log formats and inspection".

use std::borrow::Cow;
use std::sync::Arc;

use super::fields::{self, Fault};
use super::json;
use super::record::{Family, Layout, Record, RecordFormat, RecordOptions, RecordSink};
use super::timestamp::{EpochUnit, TimeForm, TimeParser, Zone};
use crate::support::error::{Error, ErrorKind, Result, quoted};

/// Zeek's connection log. A port above 65535 is unknown; all other fields that are needed must be valid.
pub(super) struct Zeek;

impl RecordFormat for Zeek {
    fn name(&self) -> &'static str {
        "zeek"
    }

    fn recognise(&self, head: &[u8], _: &RecordOptions) -> Result<Option<Arc<dyn Layout>>> {
        let lines = fields::head_lines(head);
        let Some(first) = lines.first().map(|line| line.trim_ascii()) else {
            return Ok(None);
        };
        if first.starts_with(b"#separator") {
            return recognise_tsv(&lines).map(Some);
        }
        if first.starts_with(b"{") {
            return recognise_json(&lines);
        }
        if first.starts_with(b">== Total") {
            let text = "a summary of Zeek's connections for people, not the log: give conn.log";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        if fields::most_fit(lines.iter().copied(), is_headless) {
            let text =
                "a Zeek log without its head: put the lines from #separator to #types in front";
            return Err(Error::new(ErrorKind::Format, text));
        }
        Ok(None)
    }
}

/// Whether a line looks like one of a connection log whose head is missing: time, uid, address, port, address, port.
fn is_headless(line: &[u8]) -> bool {
    let mut cells = line.split(|&byte| byte == b'\t');
    let mut next = || cells.next().unwrap_or_default();
    let (time, uid, orig, orig_port, resp, resp_port) =
        (next(), next(), next(), next(), next(), next());
    let is_time = time.len() >= 12 && fields::seconds_us(time).is_some();
    let is_uid = uid.first() == Some(&b'C') && uid.iter().all(u8::is_ascii_alphanumeric);
    let ends = [orig, resp].iter().all(|text| fields::is_address(text));
    let ports = [orig_port, resp_port]
        .iter()
        .all(|text| fields::port(text).is_some());
    is_time && is_uid && ends && ports
}

/// Whether the responder did not answer, or refused.
fn is_failed(state: &[u8]) -> bool {
    matches!(
        state,
        b"S0" | b"REJ" | b"RSTOS0" | b"RSTRH" | b"SH" | b"SHR"
    )
}

fn other_log(path: &[u8]) -> Error {
    let path = String::from_utf8_lossy(path);
    let text = match &*path {
        "open_conn" => {
            "Zeek's open_conn log reports each open connection again and again: give conn.log"
                .to_owned()
        }
        _ => format!(
            "Zeek's log {} holds no connections: give conn.log",
            quoted(path.as_bytes())
        ),
    };
    Error::new(ErrorKind::Unsupported, text)
}

/// Times below this many seconds are relative to the start of a capture, not to 1970: no network is as old as 1973.
const RELATIVE_BELOW_US: i64 = 100_000_000 * 1_000_000;

const RELATIVE: &str =
    "times are relative to the start of a capture and are shown from 1970-01-01 on";

/// Amounts and times of a connection, as far as a log gives them.
#[derive(Default)]
struct Connection<'a> {
    record: Record<'a>,
    duration_us: i64,
    /// Bytes with and without headers of the lower layers; scans have payload bytes of 0 or none.
    orig_ip_bytes: Option<u64>,
    resp_ip_bytes: Option<u64>,
    orig_bytes: u64,
    resp_bytes: u64,
}

impl Connection<'_> {
    #[inline]
    fn finish(mut self, uid: &[u8], sink: &mut dyn RecordSink) {
        let record = &mut self.record;
        record.end_us = fields::end_us(record.start_us, self.duration_us, sink);
        record.bytes_out = self.orig_ip_bytes.unwrap_or(self.orig_bytes);
        record.bytes_in = self.resp_ip_bytes.unwrap_or(self.resp_bytes);
        if !uid.is_empty() {
            record.identity = fields::unique(uid, record.start_us);
        }
        sink.record(record);
    }
}

/// A field of a connection, and what the log calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Skipped,
    Time,
    Uid,
    OrigHost,
    OrigPort,
    RespHost,
    RespPort,
    Proto,
    Service,
    Duration,
    OrigBytes,
    RespBytes,
    State,
    OrigPackets,
    OrigIpBytes,
    RespPackets,
    RespIpBytes,
}

impl Column {
    /// By the name in TSV and flat JSON; exporters to stores without points in names write `id_orig_h`.
    #[inline]
    fn named(name: &[u8]) -> Self {
        match name {
            b"ts" => Self::Time,
            b"uid" => Self::Uid,
            b"id.orig_h" | b"id_orig_h" => Self::OrigHost,
            b"id.orig_p" | b"id_orig_p" => Self::OrigPort,
            b"id.resp_h" | b"id_resp_h" => Self::RespHost,
            b"id.resp_p" | b"id_resp_p" => Self::RespPort,
            b"proto" => Self::Proto,
            b"service" => Self::Service,
            b"duration" => Self::Duration,
            b"orig_bytes" => Self::OrigBytes,
            b"resp_bytes" => Self::RespBytes,
            b"conn_state" => Self::State,
            b"orig_pkts" => Self::OrigPackets,
            b"orig_ip_bytes" => Self::OrigIpBytes,
            b"resp_pkts" => Self::RespPackets,
            b"resp_ip_bytes" => Self::RespIpBytes,
            _ => Self::Skipped,
        }
    }
}

const WHOLE: &str = "a whole number";
const SECONDS: &str = "a number of seconds";

/// The layout of TSV, by the `#` lines above the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tsv {
    separator: u8,
    unset: Vec<u8>,
    /// What `#path` says: `conn`.
    path: Vec<u8>,
    /// The columns that are needed, with their places.
    columns: Vec<(Column, usize)>,
    /// Fewest fields of a row: up to the last column that is needed.
    min_fields: usize,
    is_relative: bool,
}

fn recognise_tsv(lines: &[&[u8]]) -> Result<Arc<dyn Layout>> {
    let mut layout = Tsv {
        separator: b'\t',
        unset: b"-".to_vec(),
        path: b"conn".to_vec(),
        columns: Vec::new(),
        min_fields: 0,
        is_relative: false,
    };
    let mut first_row = None;
    for line in lines {
        if is_head(line) {
            layout.read_head(line);
        } else if first_row.is_none() {
            first_row = Some(*line);
        }
        if first_row.is_some() {
            break;
        }
    }
    if layout.path != b"conn" {
        return Err(other_log(&layout.path));
    }
    if !layout
        .columns
        .iter()
        .any(|(column, _)| *column == Column::Time)
    {
        let text = "a Zeek log whose #fields line is missing or names no ts";
        return Err(Error::new(ErrorKind::Format, text));
    }
    let mut time = TimeForm::epoch(EpochUnit::Seconds).parser();
    if let Some(Ok((connection, _))) =
        first_row.map(|row| layout.connection(row, &mut time, &mut fields::Cells::default()))
    {
        layout.is_relative = connection.record.start_us < RELATIVE_BELOW_US;
    }
    Ok(Arc::new(layout))
}

/// Whether a line is one of the head. Blanks in front of `#separator` occur.
fn is_head(line: &[u8]) -> bool {
    match line.first() {
        Some(b'#') => true,
        Some(b' ' | b'\t') => line.trim_ascii_start().starts_with(b"#separator"),
        _ => false,
    }
}

impl Tsv {
    fn read_head(&mut self, line: &[u8]) {
        let line = line.trim_ascii_start();
        let is_between = |byte: &u8| matches!(byte, b'\t' | b' ') || *byte == self.separator;
        let Some(end) = line.iter().position(is_between) else {
            return;
        };
        let (word, value) = (&line[..end], &line[end + 1..]);
        match word {
            b"#separator" => self.separator = separator(value.trim_ascii()).unwrap_or(b'\t'),
            b"#unset_field" => self.unset = value.to_vec(),
            b"#path" => self.path = value.trim_ascii().to_vec(),
            b"#fields" => {
                let names = value.split(|byte| *byte == self.separator);
                let columns = names
                    .enumerate()
                    .map(|(place, name)| (Column::named(name), place));
                self.columns = columns
                    .filter(|(column, _)| *column != Column::Skipped)
                    .collect();
                self.min_fields = self.columns.last().map_or(0, |(_, last)| last + 1);
            }
            _ => {}
        }
    }

    /// The connection in a row, and its uid. `cells` is a scratch buffer.
    #[inline]
    fn connection<'a>(
        &self,
        line: &'a [u8],
        time: &mut TimeParser,
        cells: &mut fields::Cells,
    ) -> Result<(Connection<'a>, &'a [u8]), Fault<'a>> {
        let mut connection = Connection::default();
        let mut uid: &[u8] = b"";
        let mut has_time = false;
        cells.split(line, self.separator);
        if cells.count() < self.min_fields {
            return Err(Fault::Short(cells.count(), self.min_fields));
        }
        let unset_first = self.unset.first().copied();
        for &(column, place) in &self.columns {
            let (start, end) = cells.range(place);
            let text = &line[start..end];
            let number = |name| {
                fields::number_at(line, start, end).ok_or(Fault::Wrong(name, text.into(), WHOLE))
            };
            let record = &mut connection.record;
            if text.first().copied() != unset_first || text != self.unset {
                match column {
                    Column::Skipped => {}
                    Column::Time => {
                        record.start_us = time.parse_fast(text).ok_or(Fault::Wrong(
                            "ts",
                            text.into(),
                            SECONDS,
                        ))?;
                        has_time = true;
                    }
                    Column::Uid => uid = text,
                    Column::OrigHost => record.src = fields::endpoint(text),
                    Column::RespHost => record.dst = fields::endpoint(text),
                    Column::OrigPort => record.src_port = u16::try_from(number("id.orig_p")?).ok(),
                    Column::RespPort => record.dst_port = u16::try_from(number("id.resp_p")?).ok(),
                    Column::Proto => record.proto = proto(text),
                    Column::Service => record.service = text,
                    Column::Duration => {
                        connection.duration_us = fields::seconds_us(text).ok_or(Fault::Wrong(
                            "duration",
                            text.into(),
                            SECONDS,
                        ))?;
                    }
                    Column::OrigBytes => connection.orig_bytes = number("orig_bytes")?,
                    Column::RespBytes => connection.resp_bytes = number("resp_bytes")?,
                    Column::State => record.failed = is_failed(text),
                    Column::OrigPackets => record.packets_out = number("orig_pkts")?,
                    Column::OrigIpBytes => {
                        connection.orig_ip_bytes = Some(number("orig_ip_bytes")?)
                    }
                    Column::RespPackets => record.packets_in = number("resp_pkts")?,
                    Column::RespIpBytes => {
                        connection.resp_ip_bytes = Some(number("resp_ip_bytes")?)
                    }
                }
            }
        }
        if has_time {
            Ok((connection, uid))
        } else {
            Err(Fault::Missing("ts"))
        }
    }
}

/// Zeek writes protocols in lower case.
#[inline]
fn proto(text: &[u8]) -> &[u8] {
    match fields::protocol(text) {
        Cow::Borrowed(known) => known,
        Cow::Owned(_) => text,
    }
}

/// The byte that `#separator` names, as `\x09`.
fn separator(text: &[u8]) -> Option<u8> {
    match text {
        [b'\\', b'x', hex @ ..] => u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok(),
        &[byte] => Some(byte),
        _ => None,
    }
}

impl Layout for Tsv {
    fn describe(&self) -> String {
        "Zeek conn, TSV".to_owned()
    }

    fn notice(&self) -> Option<String> {
        self.is_relative.then(|| RELATIVE.to_owned())
    }

    fn family(&self) -> Family {
        Family::Flows
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let mut layout = Cow::Borrowed(self);
        let mut time = TimeForm::epoch(EpochUnit::Seconds).parser();
        let mut cells = fields::Cells::default();
        for (offset, line) in fields::lines(block) {
            if is_head(line) {
                layout.to_mut().read_head(line);
            } else if line.is_empty() || line.trim_ascii().is_empty() {
                // Blank lines are not records.
            } else if layout.path != b"conn" {
                sink.other();
            } else {
                match layout.connection(line, &mut time, &mut cells) {
                    Ok((connection, uid)) => connection.finish(uid, sink),
                    Err(fault) => sink.dropped(offset, &|| fault.reason()),
                }
            }
        }
    }

    fn after(&self, block: &[u8]) -> Option<Arc<dyn Layout>> {
        let mut layout = Cow::Borrowed(self);
        for mark in memchr::memchr_iter(b'#', block) {
            let start = memchr::memrchr(b'\n', &block[..mark]).map_or(0, |end| end + 1);
            if !block[start..mark].trim_ascii_start().is_empty() {
                continue;
            }
            let end = memchr::memchr(b'\n', &block[mark..]).map_or(block.len(), |end| mark + end);
            let line = &block[start..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if is_head(line) {
                layout.to_mut().read_head(line);
            }
        }
        match layout {
            Cow::Owned(changed) if changed != *self => Some(Arc::new(changed)),
            _ => None,
        }
    }
}

/// The layout of JSON, one object a line: flat (`id.orig_h`), with underscores, or with the addresses in an object `id`.
#[derive(Debug, Clone)]
struct JsonLines {
    is_relative: bool,
}

fn recognise_json(lines: &[&[u8]]) -> Result<Option<Arc<dyn Layout>>> {
    let mut other_path = None;
    let (mut keys, mut times) = (json::Keys::default(), Times::new());
    for line in lines {
        match read_object(line, &mut keys, &mut times) {
            Ok((object, Line::Connection)) => {
                let is_relative = object.connection.record.start_us < RELATIVE_BELOW_US;
                return Ok(Some(Arc::new(JsonLines { is_relative })));
            }
            Ok((_, Line::OtherLog(path))) => other_path = other_path.or(Some(path)),
            Ok((_, Line::Unknown)) | Err(_) => {}
        }
    }
    match other_path {
        Some(path) => Err(other_log(path)),
        None => Ok(None),
    }
}

/// What a key of an object says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Field(Column),
    /// Which of Zeek's logs the line belongs to.
    Path,
    /// The object with the addresses and ports.
    Id,
    /// Nothing but that the line is a connection: Zeek's other logs do not have it.
    Mark,
}

impl Key {
    fn named(name: &[u8]) -> Self {
        match name {
            b"_path" => Self::Path,
            b"id" => Self::Id,
            b"history" | b"missed_bytes" | b"local_orig" => Self::Mark,
            _ => Self::Field(Column::named(name)),
        }
    }
}

/// A connection as it is read from an object.
#[derive(Default)]
struct Object<'a> {
    connection: Connection<'a>,
    uid: &'a [u8],
    path: Option<&'a [u8]>,
    has_time: bool,
    has_host: bool,
    is_connection: bool,
    fault: Option<Fault<'a>>,
}

/// What a line of JSON is.
enum Line<'a> {
    Connection,
    /// A line of another of Zeek's logs, by its `_path`; without one, `other`.
    OtherLog(&'a [u8]),
    /// Not written by Zeek.
    Unknown,
}

impl<'a> Object<'a> {
    #[inline]
    fn take(
        &mut self,
        column: Column,
        value: json::Value<'a>,
        times: &mut Times,
    ) -> Result<(), Fault<'a>> {
        let text = value.plain();
        if text.is_empty() || text == b"-" {
            return Ok(());
        }
        let inner = &mut self.connection;
        let record = &mut inner.record;
        let number = |name| value.number().ok_or(Fault::Wrong(name, text.into(), WHOLE));
        match column {
            Column::Skipped => {}
            Column::Time => {
                record.start_us =
                    times
                        .parse(text)
                        .ok_or(Fault::Wrong("ts", text.into(), "a time"))?;
                self.has_time = true;
            }
            Column::Uid => self.uid = text,
            Column::OrigHost => {
                record.src = fields::endpoint(text);
                self.has_host = true;
            }
            Column::RespHost => record.dst = fields::endpoint(text),
            Column::OrigPort => record.src_port = u16::try_from(number("id.orig_p")?).ok(),
            Column::RespPort => record.dst_port = u16::try_from(number("id.resp_p")?).ok(),
            Column::Proto => record.proto = proto(text),
            Column::Service => record.service = text,
            Column::Duration => {
                inner.duration_us = fields::seconds_us(text).ok_or(Fault::Wrong(
                    "duration",
                    text.into(),
                    SECONDS,
                ))?;
            }
            Column::OrigBytes => inner.orig_bytes = number("orig_bytes")?,
            Column::RespBytes => inner.resp_bytes = number("resp_bytes")?,
            Column::State => {
                record.failed = is_failed(text);
                self.is_connection = true;
            }
            Column::OrigPackets => {
                record.packets_out = number("orig_pkts")?;
                self.is_connection = true;
            }
            Column::OrigIpBytes => inner.orig_ip_bytes = Some(number("orig_ip_bytes")?),
            Column::RespPackets => record.packets_in = number("resp_pkts")?,
            Column::RespIpBytes => inner.resp_ip_bytes = Some(number("resp_ip_bytes")?),
        }
        Ok(())
    }

    /// Takes a key of the object; the first fault is kept, since the line may belong to another log.
    #[inline]
    fn take_key(&mut self, key: Key, value: json::Value<'a>, times: &mut Times) {
        match key {
            Key::Field(Column::Skipped) => {}
            Key::Field(column) => {
                if let Err(fault) = self.take(column, value, times)
                    && self.fault.is_none()
                {
                    self.fault = Some(fault);
                }
            }
            Key::Path => self.path = Some(value.plain()),
            Key::Mark => self.is_connection = true,
            Key::Id => value.walk(|key, value| {
                let column = match key {
                    "orig_h" => Column::OrigHost,
                    "orig_p" => Column::OrigPort,
                    "resp_h" => Column::RespHost,
                    "resp_p" => Column::RespPort,
                    _ => Column::Skipped,
                };
                self.take_key(Key::Field(column), value, times);
                true
            }),
        }
    }

    /// What the line turned out to be, once all its keys are taken.
    fn kind(&mut self) -> Result<Line<'a>, Fault<'a>> {
        let looks_like_zeek = self.has_time && self.has_host && !self.uid.is_empty();
        match self.path {
            Some(path) if path != b"conn" => return Ok(Line::OtherLog(path)),
            None if looks_like_zeek && !self.is_connection => return Ok(Line::OtherLog(b"other")),
            _ => {}
        }
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        if self.path.is_none() && !(self.is_connection && self.has_host) {
            return Ok(Line::Unknown);
        }
        if self.has_time {
            Ok(Line::Connection)
        } else {
            Err(Fault::Missing("ts"))
        }
    }
}

/// Reads `ts`: seconds since 1970, or ISO 8601.
struct Times {
    epoch: TimeParser,
    iso: TimeParser,
}

impl Times {
    fn new() -> Self {
        Self {
            epoch: TimeForm::epoch(EpochUnit::Seconds).parser(),
            iso: TimeForm::iso(Zone::UTC).parser(),
        }
    }

    #[inline]
    fn parse(&mut self, text: &[u8]) -> Option<i64> {
        if text.get(10) == Some(&b'T') {
            self.iso.parse_fast(text)
        } else {
            self.epoch.parse_fast(text)
        }
    }
}

/// Reads a line of JSON.
#[inline]
fn read_object<'a>(
    line: &'a [u8],
    keys: &mut json::Keys<Key>,
    times: &mut Times,
) -> Result<(Object<'a>, Line<'a>), Fault<'a>> {
    let mut object = Object::default();
    json::walk_known(line, keys, Key::named, |key, value| {
        object.take_key(key, value, times);
        true
    })
    .map_err(Fault::Other)?;
    let kind = object.kind()?;
    Ok((object, kind))
}

impl Layout for JsonLines {
    fn describe(&self) -> String {
        "Zeek conn, JSON".to_owned()
    }

    fn notice(&self) -> Option<String> {
        self.is_relative.then(|| RELATIVE.to_owned())
    }

    fn family(&self) -> Family {
        Family::Flows
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let (mut keys, mut times) = (json::Keys::default(), Times::new());
        for (offset, line) in fields::lines(block) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match read_object(line, &mut keys, &mut times) {
                Ok((object, Line::Connection)) => object.connection.finish(object.uid, sink),
                Ok((_, Line::OtherLog(_) | Line::Unknown)) => sink.other(),
                Err(fault) => sink.dropped(offset, &|| fault.reason()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::collected::{OPTIONS, holds_for_any_bytes, layout, read, refusal};
    use super::*;
    use crate::format::record::Identity;

    const HEAD: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#open\t2026-05-04-00-00-00\n";
    const FIELDS: &str = "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents\n#types\ttime\n";
    const ROWS: &str = "1777896000.500000\tCa1\t192.0.2.1\t40000\t198.51.100.7\t443\ttcp\tssl\t2.250000\t100\t900\tSF\t-\t0\tShADad\t4\t308\t5\t1160\t(empty)\n\
        1777896001.000000\tCa2\t192.0.2.1\t40001\t198.51.100.7\t23\ttcp\t-\t-\t-\t-\tS0\t-\t0\tS\t1\t40\t0\t0\t(empty)\n";

    fn sample() -> String {
        [HEAD, FIELDS, ROWS, "#close\t2026-05-04-01-00-00\n"].concat()
    }

    #[test]
    fn a_connection_has_its_times_ends_amounts_and_state() {
        let found = read(&Zeek, sample().as_bytes());
        assert_eq!(
            (found.records.len(), found.dropped.len(), found.others),
            (2, 0, 0)
        );
        let first = &found.records[0];
        assert_eq!(
            (first.start_us, first.end_us),
            (1_777_896_000_500_000, 1_777_896_002_750_000)
        );
        assert_eq!((&*first.src, &*first.dst), ("192.0.2.1", "198.51.100.7"));
        assert_eq!((first.src_port, first.dst_port), (Some(40_000), Some(443)));
        assert_eq!((first.bytes_out, first.bytes_in), (308, 1160));
        assert_eq!((first.packets_out, first.packets_in), (4, 5));
        assert_eq!(
            (&*first.proto, &*first.service, first.failed),
            ("tcp", "ssl", false)
        );
        let scan = &found.records[1];
        assert_eq!(
            (scan.start_us, scan.end_us),
            (1_777_896_001_000_000, 1_777_896_001_000_000)
        );
        assert_eq!(
            (scan.bytes_out, scan.failed, &*scan.service),
            (40, true, "")
        );
    }

    #[test]
    fn columns_may_stand_in_any_order_and_the_time_need_not_be_first() {
        let text = format!(
            "{HEAD}#fields\t_node_name\tid.resp_h\tts\tresp_bytes\torig_bytes\tuid\n\
             w1\t198.51.100.7\t1777896000.5\t9\t5\tC1\n"
        );
        let found = read(&Zeek, text.as_bytes());
        let first = &found.records[0];
        assert_eq!(
            (first.start_us, &*first.dst, &*first.src),
            (1_777_896_000_500_000, "198.51.100.7", "")
        );
        // Without IP bytes the payload counts.
        assert_eq!((first.bytes_out, first.bytes_in), (5, 9));
    }

    #[test]
    fn a_second_head_changes_the_columns_and_the_unset_mark() {
        let text = sample()
            + "#separator \\x09\n#unset_field\tnone\n#path\tconn\n#fields\tuid\tts\torig_bytes\nC9\t1777896009.0\tnone\n";
        let found = read(&Zeek, text.as_bytes());
        assert_eq!((found.records.len(), found.dropped.len()), (3, 0));
        assert_eq!(
            (found.records[2].start_us, found.records[2].bytes_out),
            (1_777_896_009_000_000, 0)
        );
        let first = layout(&Zeek, sample().as_bytes()).unwrap();
        assert!(first.after(text.as_bytes()).is_some());
        assert!(first.after(ROWS.as_bytes()).is_none());
        assert!(first.after(sample().as_bytes()).is_none());
    }

    #[test]
    fn blanks_and_tabs_around_the_separator_line_do_not_matter() {
        for front in ["\t", " ", "\n"] {
            let text = front.to_owned() + &sample();
            assert_eq!(read(&Zeek, text.as_bytes()).records.len(), 2);
        }
        let text = sample()
            .replace("#separator ", "#separator\t")
            .replace('\n', "\r\n");
        let found = read(&Zeek, text.as_bytes());
        assert_eq!((found.records.len(), found.dropped.len()), (2, 0));
    }

    #[test]
    fn another_separator_and_further_columns_are_read() {
        let text = "#separator \\x2c\n#path,conn\n#fields,ts,uid,id.orig_h,label\n1777896000.5,C1,2001:db8::1,Benign\n";
        let found = read(&Zeek, text.as_bytes());
        assert_eq!(found.records[0].src, "2001:db8::1");
    }

    #[test]
    fn a_spoiled_row_is_dropped_with_the_reason() {
        let text =
            sample().replace("\t308\t", "\t3o8\t") + "1777896003.000000\tCa3\t192.0.2.1\t400";
        let found = read(&Zeek, text.as_bytes());
        assert_eq!(found.records.len(), 1);
        assert_eq!(
            found.dropped[0].1,
            "the orig_ip_bytes \"3o8\" is not a whole number"
        );
        assert_eq!(found.dropped[1].1, "it has 4 fields and 19 are needed");
        assert_eq!(found.dropped[0].0, HEAD.len() + FIELDS.len());
    }

    #[test]
    fn a_port_that_cannot_be_is_unknown() {
        let text = sample().replace("\t443\t", "\t93145\t");
        assert_eq!(read(&Zeek, text.as_bytes()).records[0].dst_port, None);
        let text = FLAT.replace("443", "93145");
        assert_eq!(read(&Zeek, text.as_bytes()).records[0].dst_port, None);
    }

    #[test]
    fn a_live_log_and_one_with_a_head_alone_are_recognised() {
        assert_eq!(
            read(&Zeek, [HEAD, FIELDS, ROWS].concat().as_bytes())
                .records
                .len(),
            2
        );
        let empty = layout(&Zeek, [HEAD, FIELDS].concat().as_bytes()).unwrap();
        assert_eq!(empty.describe(), "Zeek conn, TSV");
    }

    #[test]
    fn other_logs_and_logs_without_a_head_are_refused_by_name() {
        let text = refusal(
            &Zeek,
            sample().replace("\tconn\n", "\topen_conn\n").as_bytes(),
        );
        assert_eq!(text.kind(), ErrorKind::Unsupported);
        assert!(text.to_string().contains("open_conn"), "{text}");
        let text = refusal(&Zeek, sample().replace("\tconn\n", "\tdns\n").as_bytes());
        assert_eq!(
            text.to_string(),
            "Zeek's log \"dns\" holds no connections: give conn.log"
        );
        assert_eq!(refusal(&Zeek, ROWS.as_bytes()).kind(), ErrorKind::Format);
        let summary = refusal(
            &Zeek,
            b"\n>== Total === 2026-05-04-00-00-07 - 2026-05-04-00-59-41\n",
        );
        assert_eq!(summary.kind(), ErrorKind::Unsupported);
        let text = refusal(&Zeek, HEAD.as_bytes());
        assert_eq!(text.kind(), ErrorKind::Format);
        let json = br#"{"ts":1.5,"uid":"C1","id.orig_h":"192.0.2.1","id.resp_h":"192.0.2.2","query":"example.org"}"#;
        assert_eq!(refusal(&Zeek, json).kind(), ErrorKind::Unsupported);
    }

    const FLAT: &str = r#"{"ts": 1777896000.5, "uid": "Ca1", "id.orig_h": "192.0.2.1", "id.orig_p": 40000, "id.resp_h": "2001:db8::7", "id.resp_p": 443, "proto": "tcp", "service": "ssl", "duration": 2.2500004, "orig_bytes": 100, "resp_bytes": 900, "conn_state": "SF", "orig_pkts": 4, "orig_ip_bytes": 308, "resp_pkts": 5, "resp_ip_bytes": 1160, "_path": "conn"}"#;

    #[test]
    fn json_is_read_flat_with_underscores_and_nested() {
        let nested = FLAT
            .replace(r#""id.orig_h""#, r#""id": {"orig_h""#)
            .replace("id.", "")
            .replace(r#"443,"#, r#"443},"#);
        let iso = FLAT.replace("1777896000.5", "\"2026-05-04T12:00:00.500000Z\"");
        let texts = [FLAT.to_owned(), FLAT.replace("id.", "id_"), nested, iso];
        let first = read(&Zeek, texts[0].as_bytes()).records;
        assert_eq!(
            (&*first[0].src, &*first[0].dst, first[0].dst_port),
            ("192.0.2.1", "2001:db8::7", Some(443))
        );
        assert_eq!(
            (first[0].bytes_out, first[0].end_us),
            (308, 1_777_896_002_750_000)
        );
        for text in &texts {
            assert_eq!(read(&Zeek, text.as_bytes()).records, first, "{text}");
        }
    }

    #[test]
    fn lines_of_other_logs_in_json_are_counted_apart() {
        let dns = r#"{"_path":"dns","ts":1777896000.5,"uid":"C2","id.orig_h":"192.0.2.1"}"#;
        let text = format!("{dns}\n{FLAT}\n{{\"_path\":\"conn\"}}\n{}\n", &FLAT[..80]);
        let found = read(&Zeek, text.as_bytes());
        assert_eq!((found.records.len(), found.others), (1, 1));
        assert_eq!(found.dropped[0].1, "it has no ts");
        assert_eq!(found.dropped[1].1, "the line is cut or not valid JSON");
    }

    #[test]
    fn unset_fields_of_json_are_absent_or_null() {
        let text = r#"{"ts":1777896000,"uid":"C1","id.orig_h":"192.0.2.1","id.resp_h":"192.0.2.2","proto":"udp","conn_state":"S0","duration":null}"#;
        let found = read(&Zeek, text.as_bytes());
        assert_eq!(
            (found.records[0].bytes_out, found.records[0].failed),
            (0, true)
        );
    }

    #[test]
    fn times_relative_to_a_capture_are_told() {
        let text = FLAT.replace("1777896000.5", "22.335172");
        let relative = layout(&Zeek, text.as_bytes()).unwrap();
        assert!(relative.notice().unwrap().contains("relative"));
        assert_eq!(layout(&Zeek, FLAT.as_bytes()).unwrap().notice(), None);
    }

    #[test]
    fn a_uid_with_the_same_start_is_the_same_flow() {
        let text = sample() + ROWS;
        let found = read(&Zeek, text.as_bytes()).records;
        assert_eq!(found[0].identity, found[2].identity);
        assert_ne!(found[0].identity, found[1].identity);
        assert_ne!(found[0].identity, Identity::None);
    }

    #[test]
    fn other_text_is_not_zeek() {
        for text in [
            "",
            "\n",
            "a,b\n1,2\n",
            "{}",
            "{\"a\":1}",
            "# comment\n",
            "[1]",
        ] {
            assert!(
                Zeek.recognise(text.as_bytes(), &OPTIONS).unwrap().is_none(),
                "{text}"
            );
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        holds_for_any_bytes(&Zeek, sample().as_bytes());
        holds_for_any_bytes(
            &Zeek,
            format!("{FLAT}\n{}\n", FLAT.replace("Ca1", "Ca2")).as_bytes(),
        );
    }
}

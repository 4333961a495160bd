//! Record logs in parquet: VPC flow logs and Zeek's connection log.
//!
//! The columns that a record needs are written out as lines of text, which the format's own layout reads: a store's export has the
//! same fields as the log that it was made from. Times become seconds with a fraction, nulls become `-`.

use std::fs::File;
use std::io::{self, Read};

use polars::prelude::*;
use polars_parquet::read::FileMetadata;

use super::parquet::{decode_column, read_group, read_schema};
use crate::input::blocks::TextReader;
use crate::support::error::{Error, ErrorKind, Result};

/// Rows decoded at once.
const SLICE_ROWS: usize = 1 << 14;

/// The text of a record log that `file`, a parquet file, holds: a head and a line for each row; `None` where its columns are
/// not those of a known record log.
///
/// # Errors
/// [`ErrorKind::Format`] where the file is no whole parquet file. Reading the text fails with what the file's pages fail with.
pub(crate) fn text_of_parquet(
    mut file: File,
    max_bytes: Option<u64>,
) -> Result<Option<TextReader>> {
    let (size, metadata, schema) = read_schema(&mut file)?;
    let Some(kind) = Kind::of(&schema) else {
        return Ok(None);
    };
    let fields: Vec<ArrowField> = schema
        .iter_values()
        .filter(|field| kind.needs(&field.name) && !field.dtype.is_nested())
        .cloned()
        .collect();
    let head = kind.head(&fields);
    let rows = Rows {
        file,
        size,
        metadata,
        fields,
        group: 0,
        row: 0,
        text: head,
        read: 0,
    };
    TextReader::new(Vec::new(), rows, max_bytes).map(Some)
}

/// The record logs that are kept as parquet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Vpc,
    Zeek,
}

const VPC: [&str; 12] = [
    "interface_id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log_status",
];

const ZEEK: [&str; 16] = [
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "proto",
    "service",
    "duration",
    "orig_bytes",
    "resp_bytes",
    "conn_state",
    "orig_pkts",
    "orig_ip_bytes",
    "resp_pkts",
    "resp_ip_bytes",
];

/// A column's name as a format's list has it.
fn plain_name(name: &str, kind: Kind) -> String {
    match (kind, name.strip_prefix("id_")) {
        (Kind::Vpc, _) => name.to_ascii_lowercase().replace('-', "_"),
        (Kind::Zeek, Some(rest)) => format!("id.{rest}"),
        (Kind::Zeek, None) => name.to_owned(),
    }
}

impl Kind {
    fn of(schema: &ArrowSchema) -> Option<Self> {
        let has = |kind, wanted: &[&str]| {
            let names: Vec<String> = schema
                .iter_names()
                .map(|name| plain_name(name, kind))
                .collect();
            wanted
                .iter()
                .all(|wanted| names.iter().any(|name| name == wanted))
        };
        if has(Self::Vpc, &["srcaddr", "dstaddr", "start"]) {
            Some(Self::Vpc)
        } else if has(Self::Zeek, &["ts", "uid", "id.orig_h", "conn_state"]) {
            Some(Self::Zeek)
        } else {
            None
        }
    }

    fn needs(self, name: &str) -> bool {
        let name = plain_name(name, self);
        match self {
            Self::Vpc => VPC.contains(&&*name),
            Self::Zeek => ZEEK.contains(&&*name),
        }
    }

    /// The head of the text, as the format writes it.
    fn head(self, fields: &[ArrowField]) -> Vec<u8> {
        let names: Vec<String> = fields
            .iter()
            .map(|field| plain_name(&field.name, self))
            .collect();
        let names = names.join("\t");
        match self {
            Self::Vpc => format!("{names}\n"),
            Self::Zeek => {
                format!("#separator \\x09\n#unset_field\t-\n#path\tconn\n#fields\t{names}\n")
            }
        }
        .into_bytes()
    }
}

/// Writes the rows as text while they are read.
struct Rows {
    file: File,
    size: u64,
    metadata: FileMetadata,
    fields: Vec<ArrowField>,
    /// The next row group, and the next row in it.
    group: usize,
    row: usize,
    /// Lines of the last slice, and how much of them is read.
    text: Vec<u8>,
    read: usize,
}

impl Rows {
    /// Writes the lines of the next slice over `text`; leaves it empty at the end.
    fn next_slice(&mut self) -> Result<()> {
        self.text.clear();
        self.read = 0;
        while let Some(group) = self.metadata.row_groups.get(self.group) {
            let rows = group.num_rows();
            if self.row >= rows {
                (self.group, self.row) = (self.group + 1, 0);
                continue;
            }
            let end = rows.min(self.row + SLICE_ROWS);
            let chunks = read_group(&mut self.file, self.size, group, &self.fields)?;
            let mut columns = Vec::new();
            for (chunk, field) in chunks.iter().zip(&self.fields) {
                columns.push(decode_column(chunk, field, self.row, end)?);
            }
            for row in 0..end - self.row {
                for (number, column) in columns.iter().enumerate() {
                    if number > 0 {
                        self.text.push(b'\t');
                    }
                    let value = column.get(row).map_err(|cause| {
                        Error::new(ErrorKind::Format, "the parquet data cannot be read")
                            .caused_by(cause.to_string())
                    })?;
                    write_cell(&value, &mut self.text);
                }
                self.text.push(b'\n');
            }
            self.row = end;
            return Ok(());
        }
        Ok(())
    }
}

impl Read for Rows {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.text.len() {
            self.next_slice()
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        let rest = &self.text[self.read..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.read += length;
        Ok(length)
    }
}

/// Writes a value as a log does: times and durations as seconds, `-` where there is none.
fn write_cell(value: &AnyValue<'_>, text: &mut Vec<u8>) {
    let start = text.len();
    match value {
        AnyValue::String(value) => text.extend_from_slice(value.as_bytes()),
        AnyValue::StringOwned(value) => text.extend_from_slice(value.as_bytes()),
        AnyValue::Float64(value) => text.extend_from_slice(format!("{value:.6}").as_bytes()),
        AnyValue::Float32(value) => text.extend_from_slice(format!("{value:.6}").as_bytes()),
        AnyValue::Datetime(ticks, unit, _) | AnyValue::Duration(ticks, unit) => {
            let us = match unit {
                TimeUnit::Nanoseconds => ticks.div_euclid(1_000),
                TimeUnit::Microseconds => *ticks,
                TimeUnit::Milliseconds => ticks.saturating_mul(1_000),
            };
            let sign = if us < 0 { "-" } else { "" };
            let us = us.unsigned_abs();
            text.extend_from_slice(
                format!("{sign}{}.{:06}", us / 1_000_000, us % 1_000_000).as_bytes(),
            );
        }
        whole if whole.is_integer() => {
            if let Some(number) = whole.extract::<i128>() {
                text.extend_from_slice(number.to_string().as_bytes());
            }
        }
        _ => {}
    }
    // A text may hold what separates cells and lines.
    for byte in &mut text[start..] {
        if matches!(byte, b'\t' | b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    if text.len() == start {
        text.push(b'-');
    }
}

#[cfg(test)]
mod tests {
    use super::super::collected::{Collected, OPTIONS};
    use super::super::recognise_records;
    use super::*;

    fn file_of(name: &str, mut frame: DataFrame) -> File {
        let path =
            std::env::temp_dir().join(format!("isoscan-records-{name}-{}", std::process::id()));
        let mut bytes = Vec::new();
        ParquetWriter::new(&mut bytes)
            .with_row_group_size(Some(2))
            .finish(&mut frame)
            .unwrap();
        std::fs::write(&path, bytes).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        file
    }

    fn read(name: &str, columns: Vec<Column>) -> (String, Collected) {
        let height = columns[0].len();
        let file = file_of(name, DataFrame::new(height, columns).unwrap());
        let mut text = text_of_parquet(file, None).unwrap().expect("a record log");
        let log = recognise_records(text.head(), None, &OPTIONS)
            .unwrap()
            .expect("a layout");
        let mut found = Collected::default();
        let mut block = Vec::new();
        loop {
            text.next_block(&mut block).unwrap();
            if block.is_empty() {
                return (log.layout.describe(), found);
            }
            log.layout.read(&block, &mut found);
        }
    }

    #[test]
    fn a_vpc_flow_log_in_parquet_is_read_with_its_nulls() {
        let (form, found) = read(
            "vpc",
            vec![
                Column::new("version".into(), [2_i32, 2, 2]),
                Column::new("interface_id".into(), ["eni-1", "eni-1", "eni-1"]),
                Column::new("srcaddr".into(), [Some("192.0.2.1"), None, None]),
                Column::new("dstaddr".into(), [Some("198.51.100.7"), None, None]),
                Column::new("dstport".into(), [Some(443_i32), None, None]),
                Column::new("protocol".into(), [Some(6_i64), None, None]),
                Column::new("bytes".into(), [Some(1483_i64), None, None]),
                Column::new(
                    "start".into(),
                    [1_777_896_000_i64, 1_777_896_060, 1_777_896_120],
                ),
                Column::new(
                    "end".into(),
                    [1_777_896_060_i64, 1_777_896_120, 1_777_896_180],
                ),
                Column::new("action".into(), [Some("REJECT"), None, None]),
                Column::new("log_status".into(), ["OK", "NODATA", "SKIPDATA"]),
            ],
        );
        assert_eq!(form, "AWS VPC flow log");
        assert_eq!(
            (found.records.len(), found.others, found.dropped.len()),
            (1, 2, 0)
        );
        let first = &found.records[0];
        assert_eq!(
            (&*first.src, &*first.dst, first.dst_port),
            ("192.0.2.1", "198.51.100.7", Some(443))
        );
        assert_eq!(
            (first.bytes_out, first.failed, &*first.interface),
            (1483, true, "eni-1")
        );
        assert_eq!(
            found.unknown,
            [(1_777_896_120_000_000, 1_777_896_180_000_000)]
        );
    }

    #[test]
    fn a_connection_log_of_zeek_in_parquet_is_read() {
        let times = Column::new(
            "ts".into(),
            [1_777_896_000_500_000_i64, 1_777_896_001_000_000],
        );
        let times = times
            .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
            .unwrap();
        let (form, found) = read(
            "zeek",
            vec![
                Column::new("_path".into(), ["conn", "conn"]),
                times,
                Column::new("uid".into(), ["C1", "C2"]),
                Column::new("id_orig_h".into(), ["192.0.2.1", "2001:db8::1"]),
                Column::new("id_orig_p".into(), [40_000_u32, 40_001]),
                Column::new("id_resp_h".into(), ["198.51.100.7", "2001:db8::7"]),
                Column::new("duration".into(), [Some(2.25), None]),
                Column::new("conn_state".into(), ["SF", "S0"]),
                Column::new("orig_ip_bytes".into(), [Some(308_u64), None]),
            ],
        );
        assert_eq!(form, "Zeek conn, TSV");
        assert_eq!((found.records.len(), found.dropped.len()), (2, 0));
        let first = &found.records[0];
        assert_eq!(
            (first.start_us, first.end_us),
            (1_777_896_000_500_000, 1_777_896_002_750_000)
        );
        assert_eq!(
            (&*first.src, first.src_port, first.bytes_out),
            ("192.0.2.1", Some(40_000), 308)
        );
        assert_eq!(
            (&*found.records[1].src, found.records[1].failed),
            ("2001:db8::1", true)
        );
    }

    #[test]
    fn other_tables_are_no_record_log() {
        let columns = vec![
            Column::new("timestamp".into(), [1_i64]),
            Column::new("value".into(), [2.0]),
        ];
        let file = file_of("other", DataFrame::new(1, columns).unwrap());
        assert!(text_of_parquet(file, None).unwrap().is_none());
    }

    #[test]
    fn text_cannot_break_a_line_of_its_own() {
        let mut text = Vec::new();
        write_cell(&AnyValue::String("a\tb\nc"), &mut text);
        write_cell(&AnyValue::Null, &mut text);
        assert_eq!(text, b"a b c-");
    }
}

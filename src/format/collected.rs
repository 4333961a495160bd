//! For tests of record formats: a sink that keeps what it is given, and checks that hold for every format.

use std::sync::Arc;

use proptest::prelude::*;

use super::RowSink;
use super::record::{Endpoint, Identity, Layout, Record, RecordFormat, RecordOptions, RecordSink};
use super::timestamp::Zone;
use crate::support::error::{Error, Result};

/// A record with its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) start_us: i64,
    pub(super) end_us: i64,
    pub(super) src: String,
    pub(super) dst: String,
    pub(super) src_port: Option<u16>,
    pub(super) dst_port: Option<u16>,
    pub(super) bytes_out: u64,
    pub(super) bytes_in: u64,
    pub(super) packets_out: u64,
    pub(super) packets_in: u64,
    pub(super) flows: u64,
    pub(super) failed: bool,
    pub(super) status: u16,
    pub(super) proto: String,
    pub(super) service: String,
    pub(super) interface: String,
    pub(super) vhost: String,
    pub(super) path: u64,
    pub(super) identity: Identity,
}

/// An address as it is written, a name in quotes.
fn shown(endpoint: Endpoint<'_>) -> String {
    match endpoint {
        Endpoint::Unknown => String::new(),
        Endpoint::V4(address) => std::net::Ipv4Addr::from(address).to_string(),
        Endpoint::V6(address) => std::net::Ipv6Addr::from(address).to_string(),
        Endpoint::Name(name) => format!("\"{}\"", String::from_utf8_lossy(name)),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Everything that a sink is told.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) records: Vec<Owned>,
    /// Offset and reason.
    pub(super) dropped: Vec<(usize, String)>,
    pub(super) others: u64,
    pub(super) mended: u64,
    pub(super) unknown: Vec<(i64, i64)>,
}

impl Collected {
    /// Lines that were accounted for.
    pub(super) fn lines(&self) -> u64 {
        self.records.len() as u64 + self.dropped.len() as u64 + self.others
    }
}

impl RecordSink for Collected {
    fn record(&mut self, record: &Record<'_>) {
        assert!(
            record.start_us <= record.end_us,
            "ends before its start: {record:?}"
        );
        self.records.push(Owned {
            start_us: record.start_us,
            end_us: record.end_us,
            src: shown(record.src),
            dst: shown(record.dst),
            src_port: record.src_port,
            dst_port: record.dst_port,
            bytes_out: record.bytes_out,
            bytes_in: record.bytes_in,
            packets_out: record.packets_out,
            packets_in: record.packets_in,
            flows: record.flows,
            failed: record.failed,
            status: record.status,
            proto: text(record.proto),
            service: text(record.service),
            interface: text(record.interface),
            vhost: text(record.vhost),
            path: record.path,
            identity: record.identity,
        });
    }

    fn dropped(&mut self, offset: usize, reason: &dyn Fn() -> String) {
        self.dropped.push((offset, reason()));
    }

    fn other(&mut self) {
        self.others += 1;
    }

    fn mended(&mut self) {
        self.mended += 1;
    }

    fn unknown(&mut self, start_us: i64, end_us: i64) {
        self.unknown.push((start_us, end_us));
    }
}

/// UTC, a log that begins in 2026.
pub(super) const OPTIONS: RecordOptions = RecordOptions {
    zone: Zone::UTC,
    year: 2026,
    last_month: None,
};

/// The layout that `format` recognises in `head`.
pub(super) fn layout(format: &dyn RecordFormat, head: &[u8]) -> Option<Arc<dyn Layout>> {
    format.recognise(head, &OPTIONS).unwrap()
}

/// Why `format` refuses `head`.
pub(super) fn refusal(format: &dyn RecordFormat, head: &[u8]) -> Error {
    match format.recognise(head, &OPTIONS) {
        Err(error) => error,
        Ok(layout) => panic!("recognised as {:?}", layout.map(|layout| layout.describe())),
    }
}

/// What `format` reads from a whole input.
pub(super) fn read(format: &dyn RecordFormat, text: &[u8]) -> Collected {
    let layout = layout(format, text).expect("the format is not recognised");
    let mut sink = Collected::default();
    layout.read(text, &mut sink);
    sink
}

/// What `layout` reads from `text` in blocks that its own `cut` makes of pieces of `size` bytes.
pub(super) fn read_in_blocks(mut layout: Arc<dyn Layout>, text: &[u8], size: usize) -> Collected {
    let mut sink = Collected::default();
    let (mut start, mut end) = (0, 0);
    while start < text.len() {
        end = (end + size).min(text.len());
        let block = match layout.cut(&text[start..end]) {
            _ if end == text.len() => &text[start..],
            Some(length) => &text[start..start + length],
            None => continue,
        };
        let after = layout.after(block);
        layout.read(block, &mut sink);
        layout = after.unwrap_or(layout);
        start += block.len();
    }
    sink
}

/// Holds for every format: `sample`, a whole input, is read the same in blocks of any size; cut,
/// mutated and arbitrary bytes never panic; each line that is neither blank nor a head is accounted for, and no more than once.
pub(super) fn holds_for_any_bytes(format: &dyn RecordFormat, sample: &[u8]) {
    let whole = read(format, sample);
    assert!(!whole.records.is_empty(), "a sample needs a record");
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mutation = (
        any::<prop::sample::Index>(),
        prop::collection::vec(any::<u8>(), 0..4),
        0_usize..4,
    );
    let input = (
        prop::collection::vec(mutation, 0..6),
        1_usize..200,
        prop::collection::vec(any::<u8>(), 0..200),
    );
    let outcome = runner.run(&input, |(mutations, size, noise)| {
        let layout = layout(format, sample).expect("recognised before");
        let blocks = read_in_blocks(Arc::clone(&layout), sample, size);
        prop_assert_eq!(&blocks.records, &whole.records);
        prop_assert_eq!(blocks.lines(), whole.lines());
        let mut text = sample.to_vec();
        for (place, bytes, gone) in mutations {
            let at = place.index(text.len() + 1);
            let end = (at + gone).min(text.len());
            text.splice(at..end, bytes);
        }
        for text in [text, noise] {
            let _ = format.recognise(&text, &OPTIONS);
            let sink = read_in_blocks(Arc::clone(&layout), &text, size);
            // Objects of an array may share a line.
            let ends: &[u8] = if sample.starts_with(b"[") {
                b"\n{"
            } else {
                b"\n"
            };
            let lines = text.split(|byte| ends.contains(byte)).count() as u64;
            prop_assert!(sink.lines() <= lines, "{} of {lines} lines", sink.lines());
            for (offset, reason) in &sink.dropped {
                prop_assert!(*offset < text.len());
                prop_assert!(!reason.is_empty() && !reason.contains('\n'));
            }
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// Counts rows.
pub(super) struct CountedRows(pub(super) u64);

impl RowSink for CountedRows {
    fn begin(&mut self, _: &[String]) -> Result<()> {
        Ok(())
    }

    fn rows(&mut self, timestamps_us: Vec<i64>, _: Vec<Vec<f64>>) -> Result<()> {
        self.0 += timestamps_us.len() as u64;
        Ok(())
    }
}

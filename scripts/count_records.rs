//! Counts what the readers of record logs make of files: `cargo run --release --example count_records FILE...`
//!
//! Prints a line a file, with tabs: path, format, records, dropped lines, lines of other kinds; or why the file is not read. Compare with
//! `scripts/count_records.py`, which counts by its own rules.

use std::fs::File;
use std::io::{self, Read, Write};

use isoscan::format::recognise_records;
use isoscan::format::record::{Record, RecordOptions, RecordSink};
use isoscan::format::timestamp::Zone;

#[derive(Default)]
struct Counts {
    records: u64,
    dropped: u64,
    other: u64,
    first_reason: Option<String>,
}

impl RecordSink for Counts {
    fn record(&mut self, _: &Record<'_>) {
        self.records += 1;
    }

    fn dropped(&mut self, _: usize, reason: &dyn Fn() -> String) {
        self.dropped += 1;
        self.first_reason.get_or_insert_with(reason);
    }

    fn other(&mut self) {
        self.other += 1;
    }

    fn mended(&mut self) {}

    fn unknown(&mut self, _: i64, _: i64) {}
}

/// The bytes of a file, unpacked as far as they can be.
fn content(path: &str) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut packed = Vec::new();
    file.read_to_end(&mut packed)?;
    let mut text = Vec::new();
    // A cut file gives what it has: the reader is what is tested here.
    let _ = match &packed[..] {
        [0x1f, 0x8b, ..] => flate2::read::MultiGzDecoder::new(&packed[..]).read_to_end(&mut text),
        [b'B', b'Z', b'h', ..] => {
            bzip2::read::MultiBzDecoder::new(&packed[..]).read_to_end(&mut text)
        }
        _ => return Ok(packed),
    };
    Ok(text)
}

fn line_of(path: &str) -> io::Result<String> {
    const HEAD_BYTES: usize = 64 << 10;
    let text = content(path)?;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let options = RecordOptions {
        zone: Zone::UTC,
        year: 2026,
        last_month: None,
    };
    let head = &text[..text.len().min(HEAD_BYTES)];
    Ok(match recognise_records(head, None, &options) {
        Ok(Some(log)) => {
            let mut counts = Counts::default();
            log.layout.read(text, &mut counts);
            let (records, dropped, other) = (counts.records, counts.dropped, counts.other);
            let reason = counts.first_reason.unwrap_or_default();
            format!("{}\t{records}\t{dropped}\t{other}\t{reason}", log.format)
        }
        Ok(None) => "-\t0\t0\t0\t".to_owned(),
        Err(error) => format!("refused\t0\t0\t0\t{error}"),
    })
}

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for path in std::env::args().skip(1) {
        writeln!(out, "{path}\t{}", line_of(&path)?)?;
    }
    Ok(())
}

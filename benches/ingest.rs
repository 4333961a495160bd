//! Cost of reading: text to rows, by length of the file and by form.
//!
//! Watches the parser (plain lines, quoted lines) and the unpacking of gzip, each at a size that fits
//! into a core's cache and at one that does not, so that a cost for each file can be told from one for
//! each row.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use divan::counter::BytesCount;
use isoscan::benchmarks::{Location, Memory, Source};
use isoscan::format::ReadOptions;
use isoscan::generate::{Traffic, TrafficSpec};
use isoscan::series;

fn main() {
    divan::main();
}

/// Rows of the files: the fixed cost shows in the first, the cost of a row in the last.
const ROWS: [u64; 3] = [1_000, 50_000, 1_000_000];

fn text(rows: u64) -> Vec<u8> {
    let spec = TrafficSpec {
        rows,
        step_us: 1_000_000,
        ..TrafficSpec::default()
    };
    let mut text = Vec::new();
    Traffic::new(spec).unwrap().write_csv(&mut text).unwrap();
    text
}

fn quoted(text: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(text.len() * 2);
    for line in text
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let cells: Vec<&[u8]> = line.split(|&byte| byte == b',').collect();
        quoted.push(b'"');
        quoted.extend(cells.join(&b"\",\""[..]));
        quoted.extend(b"\"\n");
    }
    quoted
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text).unwrap();
    packed.finish().unwrap()
}

fn bench(bencher: divan::Bencher, name: &str, rows: u64, make: impl Fn(&[u8]) -> Vec<u8>) {
    let plain = text(rows);
    let path: PathBuf = std::env::temp_dir().join(format!(
        "isoscan-bench-{}-{name}-{rows}.csv",
        std::process::id()
    ));
    fs::write(&path, make(&plain)).unwrap();
    let source = Source {
        location: Location::File(path.clone()),
        output_stem: "bench".into(),
        is_named: true,
    };
    let options = ReadOptions::default();
    let memory = Arc::new(Memory::unlimited());
    let read = || series::read(&source, &options, &memory).unwrap();
    assert_eq!(read().series.rows() as u64, rows);
    bencher
        .counter(BytesCount::new(plain.len()))
        .bench_local(read);
    fs::remove_file(path).unwrap();
}

#[divan::bench(args = ROWS)]
fn plain(bencher: divan::Bencher, rows: u64) {
    bench(bencher, "plain", rows, <[u8]>::to_vec);
}

#[divan::bench(args = ROWS)]
fn quoted_cells(bencher: divan::Bencher, rows: u64) {
    bench(bencher, "quoted", rows, quoted);
}

#[divan::bench(args = ROWS)]
fn gzip_packed(bencher: divan::Bencher, rows: u64) {
    bench(bencher, "gzip", rows, gzip);
}

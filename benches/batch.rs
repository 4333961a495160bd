//! Cost of a whole scan: many small files, and one large.
//!
//! Watches what a file costs whatever its length (opening, growing the forest, drawing, writing), with
//! and without graphs, against what a row costs.

use std::fs;
use std::path::{Path, PathBuf};

use divan::counter::ItemsCount;
use isoscan::CancelToken;
use isoscan::benchmarks::atomic;
use isoscan::config::{Job, Settings};
use isoscan::generate::{self, TrafficSpec};
use isoscan::report::Graphs;
use isoscan::run;
use isoscan::run::progress::Silent;

fn main() {
    divan::main();
}

/// Files and the rows in each: the same number of rows in all, but for the last.
const SHAPES: [(u64, u64); 3] = [(200, 1_000), (4, 50_000), (1, 2_000_000)];

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("isoscan-bench-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn bench(bencher: divan::Bencher, (files, rows): (u64, u64), graphs: Graphs) {
    let logs = folder(&format!("{files}x{rows}-{graphs:?}"));
    let spec = TrafficSpec {
        rows,
        step_us: 1_000_000,
        ..TrafficSpec::default()
    };
    let sink = |path: &Path, fill: &mut generate::Fill<'_>| {
        atomic::write(path, |file| fill(file)).map(|_| ())
    };
    generate::write_files(&spec, files, &logs, &sink).unwrap();
    let mut settings = Settings::new([&logs]);
    settings.output.folder = logs.join("output");
    settings.output.graphs = graphs;
    let job = Job::new(settings).unwrap();
    let scan = || run::scan(&job, Vec::new(), &Silent, &CancelToken::new()).unwrap();
    let totals = scan().totals;
    assert_eq!((totals.ok, totals.rows), (files, files * rows));
    bencher
        .counter(ItemsCount::new(files * rows))
        .bench_local(scan);
    fs::remove_dir_all(logs).unwrap();
}

#[divan::bench(args = SHAPES, sample_count = 10)]
fn without_graphs(bencher: divan::Bencher, shape: (u64, u64)) {
    bench(bencher, shape, Graphs::None);
}

#[divan::bench(args = SHAPES, sample_count = 10)]
fn with_graphs(bencher: divan::Bencher, shape: (u64, u64)) {
    bench(bencher, shape, Graphs::All);
}

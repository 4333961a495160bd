//! `isoscan bench`: how fast each stage is.

use super::args::BenchArgs;
use super::console::print;
use super::use_threads;
use crate::config::{Job, Settings};
use crate::group::GroupOptions;
use crate::report::OutputOptions;
use crate::run::bench;
use crate::support::error::Result;

/// Measures, and prints the figures.
///
/// # Errors
/// Those of [`Job::new`] and [`bench::measure`].
pub fn run(args: &BenchArgs) -> Result<u8> {
    use_threads(args.running.threads);
    let job = Job::new(Settings {
        inputs: args.input.all_paths()?,
        search: args.input.search(),
        read: args.input.options()?,
        detect: args.detection.options()?,
        detect_records: args.detection.record_options()?,
        group: GroupOptions::default(),
        output: OutputOptions::default(),
        run: args.running.options(),
    })?;
    let measured = bench::measure(&job, args.runs.get())?;
    print(&if args.json {
        measured.to_json()
    } else {
        measured.to_table()
    })
}

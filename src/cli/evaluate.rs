//! `isoscan evaluate`: a detector against labels.

use super::args::EvaluateArgs;
use super::console::print;
use super::use_threads;
use crate::config::{Job, Settings};
use crate::evaluate::{self, Measures};
use crate::group::GroupOptions;
use crate::report::OutputOptions;
use crate::support::error::Result;

/// Evaluates, and prints the measures.
///
/// # Errors
/// Those of [`Job::new`] and [`evaluate::measure`].
pub fn run(args: &EvaluateArgs) -> Result<u8> {
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
    let measures = Measures {
        volume: !args.no_vus,
        ..Measures::default()
    };
    let evaluation = evaluate::measure(&job, &args.labels, &measures)?;
    print(&if args.json {
        evaluate::json(&evaluation)
    } else {
        evaluate::text(&evaluation)
    })
}

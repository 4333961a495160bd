//! `isoscan aggregate`: record logs to the table of series.

use super::args::AggregateArgs;
use super::console::{Console, say};
use super::{signals, use_threads};
use crate::config::{Job, Settings};
use crate::run::aggregate::{self, Aggregated};
use crate::runtime::cancel::CancelToken;
use crate::support::error::{ErrorKind, Result, printable};

/// Writes the table that `args` ask for.
///
/// # Errors
/// Those of [`Job::new`] and [`aggregate::aggregate`]. Errors of single inputs are printed.
pub fn run(args: &AggregateArgs) -> Result<u8> {
    let job = Job::new(Settings {
        read: args.input.options()?,
        group: args.records.options()?,
        run: args.running.options(),
        ..Settings::new(args.input.all_paths()?)
    })?;
    let console = Console::new(&args.talk);
    use_threads(args.running.threads);
    let stop = CancelToken::new();
    signals::cancel_on_signals(&stop)?;
    let result = match aggregate::aggregate(&job, &args.output, &stop) {
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            console.say(&error.to_string());
            return Ok(stop.exit_code());
        }
        result => result?,
    };
    tell(&console, &result);
    Ok(u8::from(!result.failed.is_empty()))
}

fn tell(console: &Console, result: &Aggregated) {
    for error in &result.failed {
        say(&error.to_string());
    }
    if console.is_quiet() {
        return;
    }
    for notice in &result.notices {
        console.say(notice);
    }
    if console.is_verbose() {
        for (path, reason) in &result.skipped {
            console.say(&format!("skipped {}: {reason}", printable(path)));
        }
    }
    for log in &result.logs {
        let name = printable(&log.name);
        let parts = if log.parts == 1 {
            String::new()
        } else {
            format!(" in {} parts", log.parts)
        };
        console.say(&format!(
            "{name}: {} records{parts}, {} dropped",
            log.records, log.dropped
        ));
    }
}

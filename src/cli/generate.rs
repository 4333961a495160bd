//! `isoscan generate`: labelled synthetic traffic.

use std::io::{BufWriter, Write};
use std::path::Path;

use super::args::GenerateArgs;
use super::console::{printed, say};
use super::values::parse_time;
use crate::generate::{self, Columns, EventPlan, Fill, Traffic, TrafficSpec};
use crate::storage::atomic;
use crate::support::error::{Error, ErrorKind, Result, printable};

/// Writes what `args` ask for.
///
/// # Errors
/// [`ErrorKind::Setting`] for a setting outside its range, [`ErrorKind::Write`] with the path.
pub fn run(args: &GenerateArgs) -> Result<u8> {
    let sink =
        |path: &Path, fill: &mut Fill<'_>| atomic::write(path, |file| fill(file)).map(|_| ());
    if args.sample {
        for (path, labels) in generate::write_sample(&args.path, &sink)? {
            let path = printable(&path.to_string_lossy());
            say(&format!("{path}: {} events", labels.events.len()));
        }
        return Ok(0);
    }
    let spec = spec(args)?;
    if args.path == Path::new("-") {
        let mut out = BufWriter::with_capacity(1 << 18, std::io::stdout().lock());
        let written = Traffic::new(spec)?.write_csv(&mut out);
        printed(written.and_then(|()| out.flush()))?;
    } else if let Some(files) = args.files {
        generate::write_files(&spec, files, &args.path, &sink)?;
    } else {
        generate::write_file(spec, &args.path, &sink)?;
    }
    Ok(0)
}

fn spec(args: &GenerateArgs) -> Result<TrafficSpec> {
    let refuse = |text: String| Error::new(ErrorKind::Setting, text);
    if !(1e-6..=1e9).contains(&args.step) {
        return Err(refuse(format!(
            "--step {} is outside 0.000001 to 1000000000 seconds",
            args.step
        )));
    }
    let start_us = parse_time(&args.start).ok_or_else(|| {
        let start = printable(&args.start);
        refuse(format!(
            "--start \"{start}\" is not a time such as 2026-03-02 00:00:00"
        ))
    })?;
    let default = TrafficSpec::default();
    Ok(TrafficSpec {
        rows: args.rows,
        seed: args.seed,
        step_us: (args.step * 1e6).round() as i64,
        start_us,
        columns: if args.columns {
            Columns::Counters
        } else {
            default.columns
        },
        events: if args.calm {
            EventPlan::Placed(Vec::new())
        } else if args.events.is_empty() {
            default.events
        } else {
            EventPlan::Seeded(args.events.clone())
        },
        ..default
    })
}

//! `isoscan generate`: labelled synthetic traffic, as series or as record logs.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::str::FromStr;

use super::args::GenerateArgs;
use super::console::{printed, say};
use super::values::parse_time;
use crate::generate::records::{self, LogFormat, LogSpec, RecordLog, Rotation};
use crate::generate::{self, Columns, EventPlan, Fill, Sink, Traffic, TrafficSpec};
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
        for (path, events) in generate::write_sample(&args.path, &sink)? {
            let path = printable(&path.to_string_lossy());
            say(&format!("{path}: {events} events"));
        }
    } else if let Some(format) = args.records.format {
        record_log(args, format, &sink)?;
    } else {
        series(args, &sink)?;
    }
    Ok(0)
}

fn series(args: &GenerateArgs, sink: &Sink<'_>) -> Result<()> {
    let spec = traffic_spec(args)?;
    if is_stdout(args) {
        let traffic = Traffic::new(spec)?;
        to_stdout(|out| traffic.write_csv(out))
    } else if let Some(files) = args.series.files {
        generate::write_files(&spec, files, &args.path, sink)
    } else {
        generate::write_file(spec, &args.path, sink).map(drop)
    }
}

fn record_log(args: &GenerateArgs, format: LogFormat, sink: &Sink<'_>) -> Result<()> {
    let flags = &args.records;
    let spec = LogSpec {
        format,
        hosts: flags.hosts,
        records: flags.records,
        start_us: start_us(args)?,
        hours: flags.hours,
        rotation: flags.rotate,
        seed: args.seed,
        events: if args.calm {
            Vec::new()
        } else {
            events(args)?.unwrap_or(LogSpec::default().events)
        },
    };
    if is_stdout(args) {
        if spec.rotation != Rotation::Never {
            let text = "--rotate writes many files: name their folder in place of -";
            return Err(Error::new(ErrorKind::Setting, text));
        }
        let log = RecordLog::new(spec)?;
        return to_stdout(|out| log.write(out));
    }
    records::write_log(spec, &args.path, sink).map(drop)
}

fn traffic_spec(args: &GenerateArgs) -> Result<TrafficSpec> {
    let step = args.series.step;
    if !(1e-6..=1e9).contains(&step) {
        let text = format!("--step {step} is outside 0.000001 to 1000000000 seconds");
        return Err(Error::new(ErrorKind::Setting, text));
    }
    let default = TrafficSpec::default();
    Ok(TrafficSpec {
        rows: args.series.rows,
        seed: args.seed,
        step_us: (step * 1e6).round() as i64,
        start_us: start_us(args)?,
        columns: if args.series.columns {
            Columns::Counters
        } else {
            default.columns
        },
        events: if args.calm {
            EventPlan::Placed(Vec::new())
        } else {
            events(args)?.map_or(default.events, EventPlan::Seeded)
        },
        ..default
    })
}

/// The kinds that were named; `None` where none was.
fn events<K: FromStr<Err = Error>>(args: &GenerateArgs) -> Result<Option<Vec<K>>> {
    let kinds: Vec<K> = args
        .events
        .iter()
        .map(|kind| kind.parse())
        .collect::<Result<_>>()?;
    Ok((!kinds.is_empty()).then_some(kinds))
}

fn start_us(args: &GenerateArgs) -> Result<i64> {
    parse_time(&args.start).ok_or_else(|| {
        let start = printable(&args.start);
        let text = format!("--start \"{start}\" is not a time such as 2026-03-02 00:00:00");
        Error::new(ErrorKind::Setting, text)
    })
}

fn is_stdout(args: &GenerateArgs) -> bool {
    args.path == Path::new("-")
}

fn to_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 18, io::stdout().lock());
    let written = write(&mut out);
    printed(written.and_then(|()| out.flush()))
}

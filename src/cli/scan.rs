//! `isoscan scan`: settings to a job, the run, and what is said about it.

use std::ffi::OsString;

use super::args::ScanArgs;
use super::console::{self, Console, print, say};
use super::{signals, use_threads};
use crate::config::{Job, RunOptions, Settings};
use crate::format::ReadOptions;
use crate::report::summary::{ExitRules, InputStatus, RunStatus, Summary};
use crate::report::terminal;
use crate::run;
use crate::runtime::cancel::CancelToken;
use crate::support::error::{ErrorKind, Result, printable};
use crate::support::text::path_text;

/// Scans, and says how it went; `arguments` are those of the whole command line, for the summary.
///
/// # Errors
/// Those of [`Job::new`] and [`run::scan`]. Errors of single inputs are printed where they happen.
pub fn run(args: &ScanArgs, arguments: &[OsString]) -> Result<u8> {
    let job = job(args)?;
    let console = Console::new(&args.talk);
    use_threads(args.running.threads);
    if args.scan.dry_run {
        return dry_run(&job);
    }
    let stop = CancelToken::new();
    signals::cancel_on_signals(&stop)?;
    let typed = arguments.iter().skip(1);
    let typed = typed.map(|a| path_text(a.as_ref())).collect();
    let summary = match run::scan(&job, typed, &console, &stop) {
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            console.say(&error.to_string());
            return Ok(stop.exit_code());
        }
        ended => ended?,
    };
    if args.output.json {
        print(&summary.to_json())?;
    }
    say_result(&console, &summary, &job);
    if summary.status == RunStatus::Interrupted {
        let (done, all) = (summary.totals.ok, summary.taken());
        console.say(&format!(
            "interrupted: {done} of {all} inputs were scanned; scan the others with --resume"
        ));
        return Ok(stop.exit_code());
    }
    Ok(summary.exit_code(&ExitRules {
        fail_on: args.output.fail_on,
        fail_on_missing: args.output.fail_on_missing,
        codes: args.output.exit_codes,
    }))
}

fn job(args: &ScanArgs) -> Result<Job> {
    Job::new(Settings {
        inputs: args.input.all_paths()?,
        search: args.input.search(),
        read: ReadOptions {
            max_dropped: args.records.max_dropped,
            ..args.input.options()?
        },
        detect: args.detection.options()?,
        detect_records: args.detection.record_options()?,
        group: args.records.options()?,
        output: args.output.options(),
        run: RunOptions {
            resume: args.scan.resume,
            prune: args.scan.prune,
            ..args.running.options()
        },
    })
}

fn say_result(console: &Console, summary: &Summary, job: &Job) {
    if console.is_verbose() {
        let skipped = summary
            .inputs
            .iter()
            .filter(|i| i.status == InputStatus::Skipped);
        for input in skipped {
            let (path, reason) = (printable(&input.path), input.note.as_deref());
            console.say(&format!("skipped {path}: {}", reason.unwrap_or_default()));
        }
    }
    if !console.is_quiet() {
        let table = terminal::table(summary, &job.output().folder, true);
        console::tell(table.trim_end_matches('\n'));
    }
}

/// Lists what would be scanned.
fn dry_run(job: &Job) -> Result<u8> {
    let preview = run::preview(job)?;
    let mut list = String::new();
    let mut failed = preview.found.failed;
    for (source, form) in preview.sources {
        match form {
            Ok(form) => list.push_str(&format!("{}\t{form}\n", printable(&source.name()))),
            Err(error) => failed.push(error),
        }
    }
    print(&list)?;
    for skipped in preview.found.skipped {
        let path = printable(&path_text(&skipped.path));
        say(&format!("skipped {path}: {}", skipped.reason));
    }
    for error in &failed {
        say(&error.to_string());
    }
    Ok(u8::from(!failed.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::cli::{Command, exit_code, parse};

    fn job_of(line: &str) -> Result<Job> {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        match parse(&arguments)? {
            Command::Scan(args) => job(&args),
            other => panic!("not a scan: {other:?}"),
        }
    }

    #[test]
    fn the_rate_may_be_given_in_all_forms_of_the_original_script() {
        for line in [
            "scan x -c 0.003",
            "scan x --c 0.003",
            "scan x --contamination 0.003",
        ] {
            let job = job_of(&format!("isoscan {line}")).unwrap();
            assert_eq!(job.detect().threshold.label(), "0.003");
        }
    }

    #[test]
    fn paths_come_from_arguments_and_from_input_flags() {
        let job = job_of("isoscan scan a --input b --input c").unwrap();
        assert_eq!(job.inputs(), ["a", "b", "c"].map(PathBuf::from));
    }

    #[test]
    fn refusals_are_one_line_with_rule_and_value() {
        for (line, expected) in [
            ("scan x -c 0.7", "0.7 is outside (0, 0.5]"),
            ("scan x -c 0", "0 is outside (0, 0.5]"),
            ("scan x -c -1", "-1 is outside (0, 0.5]"),
            ("scan x -c NaN", "NaN is outside (0, 0.5]"),
            ("scan x -c few", "\"few\" is not a number"),
            ("scan x --trees 0", "'0' for '--trees <N>'"),
            ("scan x --sample-size 0", "--sample-size"),
            ("scan x --timezone Mars/Base", "Mars/Base"),
            ("scan x --threshold 2", "--threshold 2 is outside [0, 1]"),
            (
                "scan x --max-memory 1M",
                "--max-memory 1048576 is too little",
            ),
            ("scan", "no input"),
            (
                "scan x --contaminaton 1",
                "unexpected argument '--contaminaton': did you mean --contamination?",
            ),
            (
                "scan x --out y",
                "unexpected argument '--out': did you mean --out-dir or --output?",
            ),
            (
                "scan x --rows 3",
                "unexpected argument '--rows': it is a flag of 'isoscan generate'",
            ),
            (
                "scan x --bogus",
                "unexpected argument '--bogus': see 'isoscan scan --help'",
            ),
        ] {
            let error = job_of(&format!("isoscan {line}")).unwrap_err();
            assert_eq!(exit_code(&error), 2, "{line}");
            let text = error.to_string();
            let one_line = !text.contains('\n');
            assert!(text.contains(expected) && one_line, "{line}: {text}");
        }
    }

    #[test]
    fn a_hidden_flag_is_never_suggested() {
        for flag in ["--cc", "--co", "--cont", "--c1"] {
            let error = job_of(&format!("isoscan scan x {flag}")).unwrap_err();
            let text = error.to_string();
            assert!(!text.contains("--c?") && !text.contains("'--c'"), "{text}");
        }
    }
}

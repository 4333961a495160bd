//! What is said: data on standard output, everything else on standard error, and no more than was asked.

use crate::traffic::{calm, csv, traffic};
use crate::workdir::{Workdir, finish};

fn two_files() -> Workdir {
    let work = Workdir::new();
    work.write("logs/strange.csv", csv(&traffic()));
    work.write("logs/calm.csv", csv(&calm(300)) + "a,b\n");
    work
}

#[test]
fn a_scan_ends_with_a_short_table_on_standard_error() {
    let work = two_files();
    let run = work.run("scan logs --graphs none").ends(0);
    assert_eq!(run.stdout, "");
    let said = run.said();
    assert_eq!(
        said[..3],
        [
            "files         2 scanned",
            "rows          700, 1 dropped",
            "anomalies     7"
        ]
    );
    assert!(
        said[3].starts_with("incidents     7 (") && said[3].ends_with(" low)"),
        "{}",
        said[3]
    );
    assert!(
        said[4].starts_with("time          ") && said[4].ends_with(" rows/s)"),
        "{}",
        said[4]
    );
    assert_eq!(said[5..8], ["outputs in    output", "", "worst incidents"]);
    assert_eq!(said.len(), 15);
    assert_eq!(
        said[8],
        "critical  spike    2026-01-01 04:10:00  logs/strange.csv  up to 90000 (71.8 times), 470 robust standard \
         deviations above the expected 1253, at 2026-01-01T04:10:00Z; 1 row over 5 min"
    );
}

#[test]
fn nothing_but_errors_is_said_when_quiet() {
    let work = two_files();
    let run = work.run("scan logs -q").ends(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    work.write("logs/bad.csv", "");
    let run = work.run("scan logs --quiet").ends(1);
    assert_eq!(
        (run.stdout.as_str(), run.stderr.as_str()),
        ("", "isoscan: logs/bad.csv: the file is empty\n")
    );
}

#[test]
fn what_was_recognised_is_told_for_each_file_under_verbose() {
    let work = two_files();
    let run = work.run("scan logs -v --graphs none").ends(0);
    let said = run.said();
    let form = "CSV (comma); timestamps: ISO 8601, e.g. %Y-%m-%d %H:%M:%S";
    assert!(said[0].starts_with(&format!(
        "isoscan: logs/calm.csv: {form}; 300 rows, 1 dropped, 3 anomalies above 0."
    )));
    assert_eq!(
        said[1],
        "isoscan: logs/calm.csv: line 302: dropped: the value \"b\" is not a number"
    );
    assert!(said[2].starts_with(&format!(
        "isoscan: logs/strange.csv: {form}; 400 rows, 0 dropped, 4 anomalies above 0."
    )));
}

#[test]
fn the_summary_is_printed_as_json_when_asked_and_nothing_else_with_it() {
    let work = two_files();
    for flags in ["--json", "--json -q", "--json -v", "--json --color always"] {
        let run = work.run(&format!("scan logs {flags}")).ends(0);
        let printed: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(printed, work.json("output/summary.json"));
        assert_eq!(run.stdout, work.text("output/summary.json"));
    }
    work.write("logs/bad.csv", "");
    let run = work.run("scan logs --json -q").ends(1);
    let printed: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(printed["totals"]["failed"], 1);
}

#[test]
fn there_is_no_bar_and_no_colour_where_standard_error_is_no_terminal() {
    let work = two_files();
    work.write("logs/bad.csv", "");
    let run = work.run("scan logs").ends(1);
    assert!(!run.stderr.contains(['\u{1b}', '\r']), "{:?}", run.stderr);
    let run = work.run("scan logs --color never").ends(1);
    assert!(!run.stderr.contains(['\u{1b}', '\r']), "{:?}", run.stderr);
}

#[test]
fn colour_can_be_forced_whatever_the_environment_says() {
    let work = two_files();
    for (variable, flags, coloured) in [
        ("", "--color always", true),
        ("1", "--color always", true),
        ("1", "--color auto", false),
        ("1", "--color never", false),
    ] {
        let mut command = work.command();
        command.env("NO_COLOR", variable);
        let run = finish(command.args(format!("scan logs {flags}").split(' ')), b"").ends(0);
        assert_eq!(
            run.stderr.contains('\u{1b}'),
            coloured,
            "NO_COLOR={variable} {flags}"
        );
    }
}

#[test]
fn control_characters_in_a_name_do_not_reach_the_terminal() {
    let work = Workdir::new();
    let name = "a\u{1b}[31m\u{202e}b.csv";
    work.write(name, "");
    let run = work.run_args(&["scan", name, "-v"]).ends(1);
    assert_eq!(
        run.said()[0],
        "isoscan: a\\u{1b}[31m\\u{202e}b.csv: the file is empty"
    );
    work.write(name, csv(&traffic()));
    let run = work.run_args(&["scan", name, "-v"]).ends(0);
    assert!(
        !run.stderr.contains(['\u{1b}', '\u{202e}']),
        "{:?}",
        run.stderr
    );
    let run = work.run_args(&["scan", name, "--dry-run"]).ends(0);
    assert!(
        !run.stdout.contains(['\u{1b}', '\u{202e}']),
        "{:?}",
        run.stdout
    );
}

#[test]
fn help_and_version_go_to_standard_output() {
    let work = Workdir::new();
    let run = work.run("--version").ends(0);
    assert_eq!(
        run.stdout,
        format!("isoscan {}\n", env!("CARGO_PKG_VERSION"))
    );
    let run = work.run("scan --help").ends(0);
    assert_eq!(run.stderr, "");
    for flag in [
        "--input",
        "--files-from",
        "--timestamp-column",
        "--value-column",
        "--timestamp-format",
        "--timezone",
        "--contamination",
        "--threshold",
        "--trees",
        "--sample-size",
        "--seed",
        "--out-dir",
        "--output",
        "--graphs",
        "--graph-format",
        "--y-scale",
        "--scores",
        "--csv-safe",
        "--json",
        "--threads",
        "--max-memory",
        "--dry-run",
        "--quiet",
        "--verbose",
        "--color",
    ] {
        assert!(run.stdout.contains(flag), "{flag}");
    }
    assert_eq!(work.files(""), Vec::<String>::new());
}

#[test]
fn help_and_version_are_answered_wherever_they_are_asked_for() {
    let work = Workdir::new();
    let version = format!("isoscan {}\n", env!("CARGO_PKG_VERSION"));
    for asked in ["--version", "-V", "version", "scan --version", "scan x -V"] {
        assert_eq!(work.run(asked).ends(0).stdout, version, "{asked}");
    }
    let help = work.run("scan --help").ends(0).stdout;
    assert_eq!(work.run("help scan").ends(0).stdout, help);
    assert_eq!(
        work.run("help").ends(0).stdout,
        work.run("--help").ends(0).stdout
    );
    let of_help = work.run("help -h").ends(0).stdout;
    assert!(of_help.contains("Usage: isoscan help"), "{of_help}");
    let unknown = work.run("help scna").ends(2).stderr;
    assert_eq!(
        unknown,
        "isoscan: no command \"scna\"; see 'isoscan help'\n"
    );
}

#[test]
fn all_commands_that_read_logs_take_the_same_flags_of_input() {
    let work = Workdir::new();
    for command in ["scan", "evaluate", "bench"] {
        let help = work.run(&format!("{command} --help")).ends(0).stdout;
        for flag in [
            "--input",
            "--files-from",
            "--timestamp-column",
            "--value-column",
            "--timestamp-format",
            "--timezone",
            "--max-input-bytes",
            "--threads",
            "--max-memory",
        ] {
            assert!(help.contains(flag), "{command}: {flag}");
        }
    }
}

#[test]
fn more_threads_than_processors_are_as_good_as_enough() {
    let work = two_files();
    work.run("scan logs -q --graphs none -o few -j 1").ends(0);
    work.run("scan logs -q --graphs none -o many -j 100000")
        .ends(0);
    let tables = |folder: &str| {
        let mut files = work.contents(folder);
        files.retain(|(name, _)| name != "summary.json");
        files
    };
    assert_eq!(tables("few"), tables("many"));
}

#[test]
fn a_notice_that_holds_for_many_files_is_one_line() {
    let work = Workdir::new();
    for number in 0..5 {
        work.write(
            &format!("logs/{number}.csv"),
            "timestamp,value\n2026-01-01,1\n",
        );
    }
    let run = work.run("scan logs --graphs none").ends(0);
    assert_eq!(
        run.said()[0],
        "isoscan: logs/0.csv: one row only: nothing to compare it with, no anomalies (and 4 more like it; see -v)"
    );
    let run = work.run("scan logs --graphs none -v").ends(0);
    let told = run
        .said()
        .into_iter()
        .filter(|line| line.contains("one row only"));
    assert_eq!(told.count(), 5);
}

#[test]
fn a_rate_with_many_digits_does_not_make_long_names() {
    let work = two_files();
    work.run("scan logs/calm.csv -q --graphs none -c 5e-324")
        .ends(0);
    assert!(work.exists("output/calm_graph_anomalies_5e-324.csv"));
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::Stdio;

    let work = Workdir::new();
    let mut command = work.command();
    let mut child = command
        .args(["generate", "-", "--rows", "200000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

//! Which files a scan takes: what the user named, in order, none twice, and what was passed over.

use crate::traffic::{csv, gzip, traffic};
use crate::workdir::Workdir;

/// The paths in a summary that have `status`, in its order.
fn inputs(work: &Workdir, out: &str, status: &str) -> Vec<String> {
    let summary = work.json(&format!("{out}/summary.json"));
    let inputs = summary["inputs"].as_array().unwrap();
    inputs
        .iter()
        .filter(|input| input["status"] == status)
        .map(|input| input["path"].as_str().unwrap().to_owned())
        .collect()
}

/// A folder of logs among other things.
fn archive() -> Workdir {
    let work = Workdir::new();
    let text = csv(&traffic());
    for name in [
        "logs/b/two.csv",
        "logs/a/one.csv",
        "logs/top.log",
        "logs/a/deep/er/three.TSV",
    ] {
        work.write(name, &text);
    }
    work.write("logs/packed.txt.gz", gzip(text.as_bytes()));
    work.write("logs/notes.md", "no log");
    work.write("logs/.git/hidden.csv", &text);
    work.write("logs/.hidden.csv", &text);
    work
}

const ARCHIVE: [&str; 5] = [
    "logs/a/deep/er/three.TSV",
    "logs/a/one.csv",
    "logs/b/two.csv",
    "logs/packed.txt.gz",
    "logs/top.log",
];

#[test]
fn a_folder_is_walked_to_any_depth_and_its_logs_come_sorted() {
    let work = archive();
    work.run("scan logs --graphs none -q").ends(0);
    assert_eq!(inputs(&work, "output", "ok"), ARCHIVE);
    assert_eq!(
        inputs(&work, "output", "skipped"),
        ["logs/.git", "logs/.hidden.csv", "logs/notes.md"]
    );
}

#[test]
fn what_is_passed_over_is_said_with_its_reason_under_verbose() {
    let work = archive();
    let run = work.run("scan logs --graphs none -v").ends(0);
    let passed: Vec<&str> = run
        .said()
        .into_iter()
        .filter(|line| line.starts_with("isoscan: skipped "))
        .collect();
    assert_eq!(
        passed,
        [
            "isoscan: skipped logs/.git: hidden",
            "isoscan: skipped logs/.hidden.csv: hidden",
            "isoscan: skipped logs/notes.md: its name is not that of a log",
        ]
    );
    let quieter = work.run("scan logs --graphs none").ends(0);
    assert!(!quieter.stderr.contains("isoscan:"), "{}", quieter.stderr);
}

#[test]
fn a_quoted_glob_is_matched_by_the_program_itself() {
    let work = archive();
    work.run_args(&["scan", "logs/*/*.csv", "--graphs", "none", "-q"])
        .ends(0);
    assert_eq!(
        inputs(&work, "output", "ok"),
        ["logs/a/one.csv", "logs/b/two.csv"]
    );
    work.run_args(&[
        "scan",
        "logs/**/*.{csv,log}",
        "--graphs",
        "none",
        "-q",
        "-o",
        "deep",
    ])
    .ends(0);
    assert_eq!(
        inputs(&work, "deep", "ok"),
        ["logs/a/one.csv", "logs/b/two.csv", "logs/top.log"]
    );
    work.run_args(&[
        "scan",
        "logs/.h*.csv",
        "--graphs",
        "none",
        "-q",
        "-o",
        "hidden",
    ])
    .ends(0);
    assert_eq!(inputs(&work, "hidden", "ok"), ["logs/.hidden.csv"]);
}

#[test]
fn a_file_whose_name_has_the_characters_of_a_glob_is_taken_as_it_stands() {
    let work = Workdir::with(&[("a[1]*.csv", &csv(&traffic())), ("a1.csv", "")]);
    work.run_args(&["scan", "a[1]*.csv", "--graphs", "none", "-q"])
        .ends(0);
    assert_eq!(inputs(&work, "output", "ok"), ["a[1]*.csv"]);
}

#[test]
fn a_file_named_several_times_is_scanned_once() {
    let work = archive();
    work.run(
        "scan logs/a/one.csv logs ./logs/a/../a/one.csv --input logs/a/one.csv --graphs none -q",
    )
    .ends(0);
    assert_eq!(inputs(&work, "output", "ok"), ARCHIVE);
}

#[cfg(unix)]
#[test]
fn a_link_to_a_file_already_taken_and_a_link_in_a_circle_are_not_followed_again() {
    let work = archive();
    std::os::unix::fs::symlink("one.csv", work.path("logs/a/same.csv")).unwrap();
    std::os::unix::fs::symlink("..", work.path("logs/b/up")).unwrap();
    work.run("scan logs --graphs none -q").ends(0);
    assert_eq!(inputs(&work, "output", "ok"), ARCHIVE);
}

#[test]
fn the_input_flag_stands_for_a_path_and_may_be_repeated() {
    let work = archive();
    work.run("scan --input logs/top.log --input logs/b --graphs none -q")
        .ends(0);
    assert_eq!(
        inputs(&work, "output", "ok"),
        ["logs/b/two.csv", "logs/top.log"]
    );
}

#[test]
fn a_list_of_files_may_come_from_a_file_or_from_standard_input() {
    let work = archive();
    let list = "logs/top.log\r\n\n   \nlogs/a/one.csv\nlogs/top.log";
    work.write("list", list);
    work.run("scan --files-from list --graphs none -q").ends(0);
    work.run_fed("scan --files-from - --graphs none -q -o fed", list)
        .ends(0);
    for out in ["output", "fed"] {
        assert_eq!(inputs(&work, out, "ok"), ["logs/a/one.csv", "logs/top.log"]);
    }
}

#[test]
fn a_list_without_a_name_and_a_list_that_is_not_there_are_errors() {
    let work = Workdir::with(&[("list", "\n\n")]);
    let run = work.run("scan --files-from list").ends(1);
    assert_eq!(run.stderr, "isoscan: list: the list names no file\n");
    let run = work.run("scan --files-from none").ends(1);
    assert_eq!(
        run.stderr,
        "isoscan: none: the list of files cannot be read: No such file or directory (os error 2)\n"
    );
    assert!(!work.exists("output"));
}

#[test]
fn standard_input_is_scanned_and_its_outputs_are_named_stdin() {
    let work = Workdir::new();
    let text = csv(&traffic());
    work.write("file.csv", &text);
    work.run("scan file.csv -q -o named").ends(0);
    for (out, bytes) in [
        ("plain", text.clone().into_bytes()),
        ("packed", gzip(text.as_bytes())),
    ] {
        work.run_fed(&format!("scan - -q -o {out}"), bytes).ends(0);
        assert_eq!(
            work.files(out),
            [
                "anomalies.csv",
                "anomalies.parquet",
                "incidents.csv",
                "incidents.parquet",
                "stdin_graph_0.01.png",
                "stdin_graph_anomalies_0.01.csv",
                "summary.json"
            ]
        );
        assert_eq!(inputs(&work, out, "ok"), ["stdin"]);
        assert_eq!(
            work.text(&format!("{out}/stdin_graph_anomalies_0.01.csv")),
            work.text("named/file_graph_anomalies_0.01.csv")
        );
    }
}

#[test]
fn nothing_to_scan_is_an_error_that_says_so_and_writes_nothing() {
    let work = Workdir::with(&[("other/notes.md", "no log")]);
    work.folder("empty");
    let known =
        "logs are called .csv, .tsv, .txt, .log, .json (also .gz, .zst, .bz2, .xz) and .parquet";
    for (path, passed) in [
        ("empty", "skipped empty: an empty folder"),
        (
            "other",
            "skipped other/notes.md: its name is not that of a log",
        ),
        (
            "other/*.csv",
            "skipped other/*.csv: no file matches this pattern",
        ),
    ] {
        let run = work.run(&format!("scan {path}")).ends(1);
        assert_eq!(
            run.stderr,
            format!("isoscan: nothing to scan in {path}: {known}; {passed}\n")
        );
        assert_eq!(run.stdout, "");
        let dry = work.run(&format!("scan {path} --dry-run")).ends(1);
        assert_eq!(dry.stderr, run.stderr);
    }
    assert!(!work.exists("output"));
}

#[test]
fn a_dry_run_lists_the_sources_with_their_form_and_writes_nothing() {
    let work = archive();
    work.write("logs/semi.csv", csv(&traffic()).replace(',', ";"));
    work.write("logs/empty.csv", "");
    let run = work.run("scan logs --dry-run").ends(1);
    let iso = "timestamps: ISO 8601, e.g. %Y-%m-%d %H:%M:%S";
    assert_eq!(
        run.stdout,
        format!(
            "logs/a/deep/er/three.TSV\tCSV (comma); {iso}\n\
             logs/a/one.csv\tCSV (comma); {iso}\n\
             logs/b/two.csv\tCSV (comma); {iso}\n\
             logs/packed.txt.gz\tCSV (comma), gzip; {iso}\n\
             logs/semi.csv\tCSV (semicolon); {iso}\n\
             logs/top.log\tCSV (comma); {iso}\n"
        )
    );
    assert_eq!(
        run.said(),
        [
            "isoscan: skipped logs/.git: hidden",
            "isoscan: skipped logs/.hidden.csv: hidden",
            "isoscan: skipped logs/notes.md: its name is not that of a log",
            "isoscan: logs/empty.csv: the file is empty",
        ]
    );
    assert!(!work.exists("output"));
    work.run("scan logs/a --dry-run").ends(0);
}

#[test]
fn outputs_below_the_scanned_folder_are_not_taken_for_logs_the_next_night() {
    let work = archive();
    for _ in 0..2 {
        work.run("scan logs -o logs/out -q").ends(0);
        assert_eq!(inputs(&work, "logs/out", "ok"), ARCHIVE);
    }
    work.run_args(&["scan", "logs/**/*.csv", "-o", "logs/out", "-q"])
        .ends(0);
    assert_eq!(
        inputs(&work, "logs/out", "ok"),
        ["logs/a/one.csv", "logs/b/two.csv"]
    );
}

#[test]
fn a_pattern_that_matches_nothing_beside_a_file_that_is_there_is_a_failure_of_its_own() {
    let work = Workdir::with(&[("in.csv", &csv(&traffic()))]);
    let run = work.run("scan in.csv logs/*.csv -q").ends(1);
    assert_eq!(
        run.stderr,
        "isoscan: logs/*.csv: no file matches this pattern\n"
    );
    assert_eq!(inputs(&work, "output", "ok"), ["in.csv"]);
    assert_eq!(inputs(&work, "output", "error"), ["logs/*.csv"]);
}

//! What a scan leaves behind when it is killed, interrupted, run twice, or cannot write: whole files under
//! final names or none, and what the next run makes of it.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::traffic::{Row, blank_time, calm, csv, lines, read_parquet, traffic};
use crate::workdir::{Run, Workdir, finish};

/// Numbers that look drawn, and are the same every time.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// A folder of small logs, some in folders of their own, each different.
fn archive(files: usize) -> Workdir {
    let work = Workdir::new();
    for file in 0..files {
        let rows: Vec<Row> = calm(60 + file % 50)
            .into_iter()
            .enumerate()
            .map(|(number, row)| Row {
                value: if number == 20 + file % 30 {
                    50_000.0 + file as f64
                } else {
                    row.value + file as f64
                },
                ..row
            })
            .collect();
        work.write(&format!("logs/{}/{file:03}.csv", file % 7), csv(&rows));
    }
    work
}

/// Everything below a folder, but of the summary what differs between any two runs.
fn results(work: &Workdir, folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut contents = work.contents(folder);
    for (name, bytes) in &mut contents {
        if name == "summary.json" {
            let mut summary: serde_json::Value = serde_json::from_slice(bytes).unwrap();
            for varying in [
                "arguments",
                "seconds",
                "run_id",
                "began",
                "ended",
                "missing",
            ] {
                summary[varying] = 0.into();
            }
            for input in summary["inputs"].as_array_mut().unwrap() {
                input["seconds"] = 0.into();
            }
            *bytes = summary.to_string().into_bytes();
        }
    }
    contents
}

#[track_caller]
fn assert_same(found: &[(String, Vec<u8>)], wanted: &[(String, Vec<u8>)]) {
    let names = |all: &[(String, Vec<u8>)]| -> Vec<String> {
        all.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(found), names(wanted));
    for ((name, found), (_, wanted)) in found.iter().zip(wanted) {
        assert!(
            found == wanted,
            "{name}: {} ... {}",
            String::from_utf8_lossy(&found[..found.len().min(2000)]),
            String::from_utf8_lossy(&wanted[..wanted.len().min(2000)])
        );
    }
}

/// Asserts that whatever has a final name is whole, and of a source just what it should be.
fn assert_whole(work: &Workdir, folder: &str, wanted: &[(String, Vec<u8>)]) {
    if !work.exists(folder) {
        return;
    }
    for (name, bytes) in work.contents(folder) {
        let file = Path::new(&name);
        if file
            .file_name()
            .unwrap()
            .as_bytes()
            .starts_with(b".isoscan-")
        {
            continue;
        }
        let place = wanted.iter().find(|(wanted, _)| *wanted == name);
        let (_, wanted) = place.unwrap_or_else(|| panic!("{name} is no output"));
        match file.extension().and_then(|ending| ending.to_str()) {
            Some("png") => {
                let mut reader = png::Decoder::new(bytes.as_slice()).read_info().unwrap();
                let mut pixels = vec![0; reader.output_buffer_size()];
                reader.next_frame(&mut pixels).unwrap();
                assert!(bytes == *wanted, "{name}");
            }
            Some("csv") => assert!(bytes.ends_with(b"\n") && bytes == *wanted, "{name}"),
            Some("parquet") => {
                let rows = |bytes: &[u8]| read_parquet(bytes.to_vec()).height();
                assert_eq!(rows(&bytes), rows(wanted), "{name}");
            }
            _ => drop(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()),
        }
    }
}

fn temporaries(work: &Workdir, folder: &str) -> Vec<String> {
    let mut files = work.files(folder);
    files.retain(|name| name.contains(".isoscan-"));
    files
}

fn spawn(work: &Workdir, arguments: &str) -> Child {
    work.command()
        .args(arguments.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Waits for the end of a run, which must come within `limit`.
#[track_caller]
fn ended(mut child: Child, limit: Duration) -> Run {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > limit {
            let _ = child.kill();
            panic!("still running after {limit:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Waits until `there` says so.
#[track_caller]
fn await_that(what: &str, there: impl Fn() -> bool) {
    let start = Instant::now();
    while !there() {
        assert!(start.elapsed() < Duration::from_secs(20), "no {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn whatever_moment_a_scan_is_killed_at_its_files_are_whole_and_the_rest_can_be_resumed() {
    let work = archive(150);
    let start = Instant::now();
    work.run("scan logs -q").ends(0);
    let took = start.elapsed().as_micros() as u64;
    let wanted = results(&work, "output");
    assert_eq!(wanted.len(), 150 * 2 + 5);
    let mut draw = Draw(7);
    for round in 0..2 {
        fs::remove_dir_all(work.path("output")).unwrap();
        for kill in 0..5 {
            let resume = if kill % 2 == round % 2 {
                ""
            } else {
                "--resume"
            };
            let mut child = spawn(&work, &format!("scan logs -q {resume}"));
            std::thread::sleep(Duration::from_micros(draw.below(took)));
            child.kill().unwrap();
            child.wait().unwrap();
            assert_whole(&work, "output", &wanted);
        }
        work.run("scan logs -q --resume").ends(0);
        assert_same(&results(&work, "output"), &wanted);
    }
    // Over outputs that are there already, too.
    for _ in 0..4 {
        let mut child = spawn(&work, "scan logs -q");
        std::thread::sleep(Duration::from_micros(draw.below(took)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_whole(&work, "output", &wanted);
    }
    work.run("scan logs -q").ends(0);
    assert_same(&results(&work, "output"), &wanted);
}

/// The sources that a resumed run left as they were, by what it says.
fn kept(run: &Run) -> Vec<String> {
    let said = run.stderr.lines();
    said.filter_map(|line| line.strip_suffix(": scanned before and unchanged"))
        .map(|line| line.trim_start_matches("isoscan: ").to_owned())
        .collect()
}

#[test]
fn a_resumed_scan_leaves_alone_what_is_done_and_does_what_has_changed() {
    let work = archive(4);
    let logs = [
        "logs/0/000.csv",
        "logs/1/001.csv",
        "logs/2/002.csv",
        "logs/3/003.csv",
    ];
    let resume = "scan logs --resume -v --scores parquet";
    assert_eq!(kept(&work.run(resume).ends(0)), Vec::<String>::new());
    let picture = work.path("output/2/002_graph_0.01.png");
    let written = fs::metadata(&picture).unwrap().modified().unwrap();
    assert_eq!(kept(&work.run(resume).ends(0)), logs);
    assert_eq!(fs::metadata(&picture).unwrap().modified().unwrap(), written);
    let all = |but: usize| {
        let mut logs = logs.to_vec();
        logs.remove(but);
        logs
    };

    // Another byte, the same size and time.
    let path = work.path(logs[0]);
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let mut text = work.bytes(logs[0]);
    let place = text.len() - 2;
    text[place] = if text[place] == b'5' { b'6' } else { b'5' };
    fs::write(&path, text).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_modified(modified).unwrap();
    assert_eq!(kept(&work.run(resume).ends(0)), all(0));

    // An output gone, one changed, one cut short.
    fs::remove_file(work.path("output/1/001_scores.parquet")).unwrap();
    assert_eq!(kept(&work.run(resume).ends(0)), all(1));
    let mut bytes = fs::read(&picture).unwrap();
    bytes[100] ^= 1;
    fs::write(&picture, &bytes).unwrap();
    assert_eq!(kept(&work.run(resume).ends(0)), all(2));
    fs::write(work.path("output/3/003_graph_anomalies_0.01.csv"), "").unwrap();
    assert_eq!(kept(&work.run(resume).ends(0)), all(3));

    // A record that is not what it was.
    let records = fs::read_dir(work.path("output/.isoscan/sources")).unwrap();
    let record = records.flatten().next().unwrap().path();
    let mut bytes = fs::read(&record).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&record, bytes).unwrap();
    assert_eq!(kept(&work.run(resume).ends(0)).len(), 3);

    // Other settings; then these are known.
    for other in [
        "--seed 7",
        "--trees 50",
        "--csv-safe",
        "-c 0.02",
        "--graph-format svg",
    ] {
        let resume = format!("{resume} {other}");
        assert_eq!(
            kept(&work.run(&resume).ends(0)),
            Vec::<String>::new(),
            "{other}"
        );
        assert_eq!(
            kept(&work.run(&format!("{resume} -j 1")).ends(0)),
            logs,
            "{other}"
        );
    }

    work.run("scan logs -q --scores parquet -o fresh").ends(0);
    work.run(resume).ends(0);
    let fresh = results(&work, "fresh");
    for (name, bytes) in results(&work, "output") {
        if let Some((_, wanted)) = fresh.iter().find(|(fresh, _)| *fresh == name)
            && name != "summary.json"
        {
            assert!(bytes == *wanted, "{name}");
        }
    }
}

#[test]
fn standard_input_is_never_resumed() {
    let work = Workdir::new();
    for _ in 0..2 {
        let run = work.run_fed("scan - --resume -v --graphs none", csv(&traffic()));
        assert_eq!(kept(&run.ends(0)), Vec::<String>::new());
    }
}

#[test]
fn outputs_stay_until_there_are_others_or_they_are_pruned() {
    let work = Workdir::with(&[
        ("logs/a.csv", &csv(&traffic())),
        ("logs/b.csv", &csv(&calm(300))),
        ("output/a_notes.csv", "mine\n"),
        ("output/b_graph.png", "mine"),
    ]);
    let outputs = || -> Vec<String> {
        let mut files = work.files("output");
        files.retain(|name| !name.starts_with(['i', 's']) && !name.starts_with("anomalies"));
        files
    };
    let mine = ["a_notes.csv", "b_graph.png"];
    work.run("scan logs -q --scores csv").ends(0);
    work.run("scan logs -q -c 0.02").ends(0);
    let both = [
        "a_graph_0.01.png",
        "a_graph_0.02.png",
        "a_graph_anomalies_0.01.csv",
        "a_graph_anomalies_0.02.csv",
        "a_notes.csv",
        "a_scores.csv",
    ];
    // The same bytes at another rate: both are true.
    work.run("scan logs -q -c 0.02 --prune").ends(0);
    assert_eq!(outputs()[..6], both);
    assert_eq!(outputs().len(), 12);

    // Other bytes: what was made of the old ones stays until it is pruned, and so does what was made of an
    // input that is gone.
    work.write("logs/b.csv", csv(&traffic()));
    fs::remove_file(work.path("logs/a.csv")).unwrap();
    work.run("scan logs -q -c 0.02").ends(0);
    assert_eq!(outputs().len(), 12);
    let summary = work.json("output/summary.json");
    assert_eq!(summary["missing"], serde_json::json!(["logs/a.csv"]));
    work.run("scan logs -q -c 0.02 --prune").ends(0);
    let now = [
        "a_notes.csv",
        "b_graph.png",
        "b_graph_0.02.png",
        "b_graph_anomalies_0.02.csv",
    ];
    assert_eq!(outputs(), now);
    work.write("other/c.csv", csv(&traffic()));
    work.run("scan other -q --graphs none --prune").ends(0);
    assert_eq!(
        outputs(),
        ["a_notes.csv", "b_graph.png", "c_graph_anomalies_0.01.csv"]
    );
    assert_eq!(mine.len(), 2);
}

#[test]
fn a_run_that_fails_leaves_the_last_good_outputs_and_says_so() {
    let work = archive(3);
    work.run("scan logs -q").ends(0);
    let good = results(&work, "output");
    let tables = |all: &[(String, Vec<u8>)]| -> Vec<(String, Vec<u8>)> {
        let files = all.iter().filter(|(name, _)| name != "summary.json");
        files.cloned().collect()
    };

    // Every input fails.
    work.run("scan logs -q --value-column wrong").ends(1);
    assert_same(&tables(&results(&work, "output")), &tables(&good));
    let summary = work.json("output/summary.json");
    assert_eq!(
        (&summary["status"], &summary["stale"]),
        (&"failed".into(), &true.into())
    );
    for input in summary["inputs"].as_array().unwrap() {
        assert_eq!(
            (&input["status"], &input["stale"]),
            (&"error".into(), &true.into())
        );
        assert!(input["as_of"].as_str().unwrap().ends_with('Z'));
        for output in input["outputs"].as_array().unwrap() {
            assert!(work.exists(output.as_str().unwrap()), "{output}");
        }
    }

    // One fails: its files stay, the tables are those of the others.
    work.write("logs/1/001.csv", "");
    work.run("scan logs -q").ends(1);
    let summary = work.json("output/summary.json");
    assert_eq!(
        (&summary["status"], &summary["stale"]),
        (&"partial".into(), &false.into())
    );
    assert!(work.exists("output/1/001_graph_0.01.png"));
    assert!(!work.text("output/anomalies.csv").contains("001.csv"));

    // It is gone.
    fs::remove_file(work.path("logs/1/001.csv")).unwrap();
    work.run("scan logs -q").ends(0);
    work.run("scan logs -q --fail-on-missing").ends(0);
    fs::remove_file(work.path("logs/2/002.csv")).unwrap();
    work.run("scan logs -q --fail-on-missing").ends(1);
    let summary = work.json("output/summary.json");
    assert_eq!(summary["missing"], serde_json::json!(["logs/2/002.csv"]));
    assert_eq!(summary["status"], "complete");
}

#[test]
fn an_interrupted_scan_leaves_the_tables_of_the_last_whole_one() {
    let work = archive(120);
    work.run("scan logs -q").ends(0);
    let before = work.bytes("output/incidents.csv");
    let picture = work.path("output/0/000_graph_0.01.png");
    fs::remove_file(&picture).unwrap();
    let child = spawn(&work, "scan logs -j 1");
    await_that("output", || picture.exists());
    signal(&child, "INT");
    ended(child, Duration::from_secs(2)).ends(130);
    let summary = work.json("output/summary.json");
    assert_eq!(
        (&summary["status"], &summary["stale"]),
        (&"interrupted".into(), &true.into())
    );
    assert_eq!(work.bytes("output/incidents.csv"), before);
}

#[test]
fn a_graph_that_today_does_not_deserve_does_not_stand() {
    let flat = lines("timestamp,value", &calm(300), |row| {
        format!("{},7", blank_time(row.time_us))
    });
    let work = Workdir::with(&[("a.csv", &csv(&traffic()))]);
    work.run("scan a.csv -q --graphs anomalous").ends(0);
    assert!(work.exists("output/a_graph_0.01.png"));
    work.write("a.csv", flat);
    work.run("scan a.csv -q --graphs all").ends(0);
    assert!(work.exists("output/a_graph_0.01.png"));
    work.run("scan a.csv -q --graphs anomalous").ends(0);
    assert!(!work.exists("output/a_graph_0.01.png"));
}

#[test]
fn outputs_whose_names_have_moved_stand_under_the_old_ones_until_pruned() {
    let work = Workdir::with(&[("logs/x.csv", &csv(&traffic()))]);
    work.run("scan logs -q --graphs none").ends(0);
    work.write("logs/x.tsv", csv(&traffic()).replace(',', "\t"));
    work.run("scan logs -q --graphs none").ends(0);
    assert!(work.exists("output/x_graph_anomalies_0.01.csv"));
    work.run("scan logs -q --graphs none --prune").ends(0);
    let mut files = work.files("output");
    files.retain(|name| name.starts_with('x'));
    assert_eq!(
        files,
        [
            "x.csv_graph_anomalies_0.01.csv",
            "x.tsv_graph_anomalies_0.01.csv"
        ]
    );
}

#[test]
fn temporaries_of_the_dead_are_removed_and_those_of_the_living_stay() {
    let work = archive(3);
    work.run("scan logs -q").ends(0);
    let (dead, alive) = (
        "output/1/.isoscan-9999999-0.part",
        "output/.isoscan-1-3.part",
    );
    work.write(dead, "half");
    work.write(alive, "half");
    let living = File::options().write(true).open(work.path(alive)).unwrap();
    living.lock().unwrap();
    // As a scan leaves it that was killed.
    work.write("output/.isoscan/running", "");
    work.run("scan logs -q").ends(0);
    assert_eq!((work.exists(dead), work.exists(alive)), (false, true));
    drop(living);
    work.write("output/.isoscan/running", "");
    work.run("scan logs -q --resume").ends(0);
    assert!(!work.exists(alive) && !work.exists("output/.isoscan/running"));
}

#[test]
fn an_interrupted_scan_keeps_what_is_finished_and_says_so() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let work = archive(120);
        let child = spawn(&work, "scan logs -j 1");
        await_that("output", || work.exists("output/0/000_graph_0.01.png"));
        signal(&child, name);
        let run = ended(child, Duration::from_secs(2)).ends(code);
        assert_eq!(temporaries(&work, "output"), Vec::<String>::new());
        let summary = work.json("output/summary.json");
        assert_eq!(summary["status"], "interrupted");
        let inputs = summary["inputs"].as_array().unwrap();
        let count = |status: &str| inputs.iter().filter(|i| i["status"] == status).count();
        let (done, left) = (count("ok"), count("skipped"));
        assert!(done > 0 && left > 0 && done + left == 120, "{done} {left}");
        let said = format!(
            "isoscan: interrupted: {done} of 120 inputs were scanned; scan the others with --resume"
        );
        assert!(run.stderr.contains(&said), "{}", run.stderr);
        let partial = read_parquet(work.bytes("output/anomalies.parquet"));
        assert_eq!(partial.height(), done);

        let run = work.run("scan logs --resume -v").ends(0);
        assert!(kept(&run).len() >= done, "{} {done}", kept(&run).len());
        let found = results(&work, "output");
        fs::remove_dir_all(work.path("output")).unwrap();
        work.run("scan logs -q").ends(0);
        assert_same(&found, &results(&work, "output"));
    }
}

#[test]
fn a_scan_that_waits_for_a_pipe_stops_when_told() {
    let work = Workdir::new();
    let mut command = work.command();
    let child = command
        .args(["scan", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    await_that("run", || work.exists("output/.isoscan/running"));
    signal(&child, "INT");
    ended(child, Duration::from_secs(2)).ends(130);
    assert_eq!(work.json("output/summary.json")["status"], "interrupted");

    // A FIFO that nobody opens for writing.
    let made = Command::new("mkfifo").arg(work.path("fifo")).status();
    assert!(made.unwrap().success());
    let child = spawn(&work, "scan fifo -o other");
    await_that("run", || work.exists("other/.isoscan/running"));
    signal(&child, "TERM");
    ended(child, Duration::from_secs(2)).ends(143);
}

#[test]
fn a_scan_of_an_input_without_end_stops_when_told() {
    let work = Workdir::new();
    let mut generate = work
        .command()
        .args(["generate", "-", "--rows", "1000000000", "--step", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let child = work
        .command()
        .args(["scan", "-", "--max-memory", "300M"])
        .stdin(generate.stdout.take().unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    await_that("run", || work.exists("output/.isoscan/running"));
    std::thread::sleep(Duration::from_millis(700));
    signal(&child, "INT");
    ended(child, Duration::from_secs(2)).ends(130);
    let _ = generate.kill();
    let _ = generate.wait();
    assert_eq!(temporaries(&work, "output"), Vec::<String>::new());
}

#[test]
fn a_scan_that_grows_a_great_forest_stops_when_told() {
    let work = Workdir::with(&[("a.csv", &csv(&calm(40_000)))]);
    let child = spawn(&work, "scan a.csv --trees 3000000 --sample-size 0.4");
    await_that("run", || work.exists("output/.isoscan/running"));
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, "INT");
    ended(child, Duration::from_secs(2)).ends(130);
    assert_eq!(work.json("output/summary.json")["status"], "interrupted");
    assert_eq!(
        work.files("output"),
        [
            "anomalies.csv",
            "anomalies.parquet",
            "incidents.csv",
            "incidents.parquet",
            "summary.json"
        ]
    );
}

#[test]
fn a_second_signal_ends_at_once() {
    let work = Workdir::with(&[("a.csv", &csv(&calm(40_000)))]);
    let child = spawn(&work, "scan a.csv --trees 3000000 --sample-size 0.4");
    await_that("run", || work.exists("output/.isoscan/running"));
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, "INT");
    std::thread::sleep(Duration::from_millis(50));
    signal(&child, "TERM");
    ended(child, Duration::from_millis(300)).ends(143);
    work.run("scan a.csv -q").ends(0);
    assert_eq!(temporaries(&work, "output"), Vec::<String>::new());
}

#[test]
fn a_second_scan_into_one_folder_is_refused_and_the_lock_of_a_dead_one_is_none() {
    let work = Workdir::with(&[("a.csv", &csv(&traffic()))]);
    let mut command = work.command();
    let mut first = command
        .args(["scan", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    await_that("run", || work.exists("output/.isoscan/running"));
    let refused = work.run("scan a.csv -q").ends(1);
    assert_eq!(
        refused.stderr,
        format!(
            "isoscan: output: another scan (process {}) is writing into this folder: let it end, or choose \
             another with --out-dir\n",
            first.id()
        )
    );
    work.run("scan a.csv -q -o elsewhere").ends(0);
    work.run("scan a.csv --dry-run").ends(0);
    first.kill().unwrap();
    first.wait().unwrap();
    work.run("scan a.csv -q").ends(0);
    assert_eq!(temporaries(&work, "output"), Vec::<String>::new());
}

/// A file system of one MiB, where the machine lets one be made.
struct Small<'a>(&'a Workdir);

impl<'a> Small<'a> {
    fn mounted(work: &'a Workdir) -> Option<Self> {
        work.folder("small");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(work.path("small"))
            .stderr(Stdio::null())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self(work))
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path("small")).status();
    }
}

#[test]
fn a_full_disk_is_an_error_that_names_the_file_and_nothing_is_left_half_written() {
    let work = archive(60);
    let Some(_small) = Small::mounted(&work) else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    work.run("scan logs -q -o whole").ends(0);
    let wanted = results(&work, "whole");
    let run = work.run("scan logs -q -o small/out").ends(1);
    assert!(
        run.stderr.contains("small/out/")
            && run.stderr.contains("cannot be written: No space left"),
        "{}",
        run.stderr
    );
    assert_eq!(temporaries(&work, "small"), Vec::<String>::new());
    // Of the run as a whole, less was to be told.
    for (name, _) in wanted.iter().filter(|(name, _)| !name.contains('/')) {
        let _ = fs::remove_file(work.path("small/out").join(name));
    }
    assert_whole(&work, "small/out", &wanted);

    // With room again, the rest is done.
    let remounted = Command::new("mount")
        .args(["-o", "remount,size=64m"])
        .arg(work.path("small"))
        .status();
    assert!(remounted.unwrap().success());
    let run = work.run("scan logs --resume -v -o small/out").ends(0);
    assert!(!kept(&run).is_empty());
    assert_whole(&work, "small/out", &wanted);
}

#[test]
fn a_file_that_may_not_grow_is_an_error_that_names_it() {
    let work = Workdir::with(&[("a.csv", &csv(&traffic()))]);
    let mut shell = Command::new("sh");
    shell
        .current_dir(work.path(""))
        .args(["-c", "ulimit -f 8; exec \"$0\" scan a.csv -q --scores csv"])
        .arg(env!("CARGO_BIN_EXE_isoscan"));
    let run = finish(&mut shell, b"").ends(1);
    assert!(
        run.stderr.starts_with("isoscan: output/a_")
            && run.stderr.contains("cannot be written: File too large"),
        "{}",
        run.stderr
    );
    let mut files = work.files("output");
    files.retain(|name| name.starts_with('a') && !name.starts_with("anomalies"));
    assert_eq!(files, Vec::<String>::new());
}

#[test]
fn an_output_folder_that_vanishes_is_an_error_that_names_it() {
    let work = Workdir::new();
    let mut command = work.command();
    let mut child = command
        .args(["scan", "-", "-q"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    await_that("run", || work.exists("output/.isoscan/running"));
    // The scan may write into it meanwhile.
    while fs::remove_dir_all(work.path("output")).is_err() {}
    let mut input = child.stdin.take().unwrap();
    input.write_all(csv(&traffic()).as_bytes()).unwrap();
    drop(input);
    let run = ended(child, Duration::from_secs(10)).ends(1);
    // The folder itself is named where it vanished while it was made.
    assert!(
        run.stderr.contains("isoscan: output") && run.stderr.contains("cannot be written"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_folder_where_a_file_must_go_costs_that_source_alone() {
    let work = archive(3);
    work.folder("output/1/001_graph_0.01.png");
    let run = work.run("scan logs -q").ends(1);
    assert!(
        run.stderr
            .starts_with("isoscan: output/1/001_graph_0.01.png: cannot be written: "),
        "{}",
        run.stderr
    );
    assert!(!work.exists("output/1/001_graph_anomalies_0.01.csv"));
    assert!(work.exists("output/2/002_graph_0.01.png"));
    assert_eq!(temporaries(&work, "output"), Vec::<String>::new());
}

#[test]
fn the_second_night_sees_what_the_first_saw_wherever_the_outputs_are() {
    for (scan, folder) in [
        ("scan logs -o logs", "logs"),
        ("scan . -o .", "."),
        ("scan logs -o .", "."),
        ("scan logs -o logs/out", "logs/out"),
        ("scan logs/*/*.csv -o logs", "logs"),
        ("scan logs/** -o logs/3", "logs/3"),
    ] {
        let work = archive(5);
        work.write("logs/logs/deep.csv", csv(&traffic()));
        let scan = format!("{scan} -q --scores csv");
        work.run(&scan).ends(0);
        let first = results(&work, folder);
        work.run(&scan).ends(0);
        assert_same(&results(&work, folder), &first);
        work.run(&format!("{scan} --resume")).ends(0);
        assert_same(&results(&work, folder), &first);
    }
}

#[test]
fn the_outputs_of_an_older_scan_are_not_taken_for_logs() {
    let work = archive(5);
    let paths = |out: &str| -> Vec<String> {
        let summary = work.json(&format!("{out}/summary.json"));
        let inputs = summary["inputs"].as_array().unwrap().iter();
        let paths = inputs.filter(|input| input["status"] == "ok");
        paths
            .map(|input| input["path"].as_str().unwrap().to_owned())
            .collect()
    };
    work.run("scan logs -o logs/old -q --scores csv").ends(0);
    let first = paths("logs/old");
    work.run("scan logs -o logs/new -q").ends(0);
    assert_eq!(paths("logs/new"), first);
    // Without its state, a summary tells.
    fs::remove_dir_all(work.path("logs/old/.isoscan")).unwrap();
    work.run("scan logs -o logs/new -q").ends(0);
    assert_eq!(paths("logs/new"), first);
    // What lies beside them is a log.
    work.write("logs/old/log.csv", csv(&traffic()));
    work.run("scan logs -o logs/new -q").ends(0);
    assert_eq!(paths("logs/new").len(), first.len() + 1);
    // And who names an output means it.
    work.run("scan logs/old/0/000_scores.csv -o elsewhere -q")
        .ends(0);
    let run = work
        .run("scan logs/new/0/000_graph_anomalies_0.01.csv -o logs/new")
        .ends(1);
    assert!(
        run.stderr.contains("an output of an earlier scan"),
        "{}",
        run.stderr
    );
}

#[test]
fn an_input_is_never_written_over() {
    for name in [
        "anomalies.csv",
        "incidents.parquet",
        "x_scores.csv",
        "x_graph_anomalies_0.01.csv",
    ] {
        let work = Workdir::with(&[("x.csv", &csv(&traffic())), (name, &csv(&traffic()))]);
        let before = work.contents(".");
        let run = work.run("scan . -o .").ends(2);
        assert_eq!(
            run.stderr,
            format!(
                "isoscan: {name}: an output of this scan would be written over this input: choose another \
                 folder with --out-dir\n"
            )
        );
        assert_eq!(work.contents("."), before);
    }
}

#[test]
fn a_crafted_record_leads_nowhere_outside_the_output_folder() {
    let work = Workdir::with(&[
        ("a.csv", &csv(&traffic())),
        ("precious_scores.csv", "mine\n"),
    ]);
    work.run("scan a.csv -q").ends(0);
    let records = fs::read_dir(work.path("output/.isoscan/sources")).unwrap();
    let record = records.flatten().next().unwrap().path();
    for bytes in [
        &b""[..],
        b"isoscan record 1\n\xff\xff\xff\xff",
        &[0; 100_000],
    ] {
        fs::write(&record, bytes).unwrap();
        work.run("scan a.csv -q --resume").ends(0);
    }
    assert_eq!(work.text("precious_scores.csv"), "mine\n");
}

#[test]
fn a_run_goes_on_where_nobody_hears_what_it_says() {
    let work = Workdir::with(&[("a.csv", &csv(&traffic())), ("b.csv", "")]);
    for closed in ["2>/dev/full", "2>&-", "2>&1 | true"] {
        let _ = fs::remove_dir_all(work.path("output"));
        let mut shell = Command::new("sh");
        let line = format!("\"$0\" scan a.csv b.csv -v {closed}");
        shell
            .current_dir(work.path(""))
            .args(["-c", &line])
            .arg(env!("CARGO_BIN_EXE_isoscan"));
        finish(&mut shell, b"");
        await_that("summary", || work.exists("output/summary.json"));
        assert_eq!(
            work.json("output/summary.json")["totals"]["ok"],
            1,
            "{closed}"
        );
    }
}

#[test]
fn the_same_bytes_come_out_whatever_surrounds_a_run() {
    let work = archive(12);
    work.write("logs/1/bad.csv", "");
    let run = |arguments: &str, variables: &[(&str, &str)]| {
        let _ = fs::remove_dir_all(work.path("output"));
        let mut command = work.command();
        command.envs(variables.iter().copied());
        finish(command.args(arguments.split_whitespace()), b"").ends(1);
        results(&work, "output")
    };
    let wanted = run("scan logs logs/2 --scores csv", &[]);
    for (arguments, variables) in [
        ("scan logs/2 logs --scores csv -j 1", &[][..]),
        (
            "scan --scores csv ./logs logs/../logs/2/009.csv -j 3 -q",
            &[],
        ),
        (
            "scan logs --max-memory 300M --scores csv",
            &[("TZ", "America/St_Johns")],
        ),
        (
            "scan logs/2/002.csv logs --scores csv",
            &[("LC_ALL", "de_DE.UTF-8"), ("LANG", "tr_TR")],
        ),
        (
            "scan logs --scores csv",
            &[("HOME", "/nowhere"), ("TERM", "dumb"), ("COLUMNS", "20")],
        ),
    ] {
        assert_same(&run(arguments, variables), &wanted);
    }
}

#[test]
fn no_name_puts_markup_into_a_picture_or_breaks_the_json() {
    let work = Workdir::new();
    let name = "a<script>alert('&\"')</script>\u{1}\u{7}]]>.csv";
    let header = "timestamp,</text><script>x</script>&,b\u{b}\u{fffe}";
    let text = lines(header, &traffic(), |row| {
        format!("{},{},{}", blank_time(row.time_us), row.value, row.value)
    });
    // A slash is none in a file's name.
    let name = name.replace('/', "\u{2215}");
    work.write(&name, text);
    let columns = ["</text><script>x</script>&", "b\u{b}\u{fffe}"];
    work.run_args(&[
        "scan",
        &name,
        "--value-column",
        columns[0],
        "--value-column",
        columns[1],
        "--graph-format",
        "svg",
        "--output",
        "out",
        "-q",
    ])
    .ends(0);
    let svg = work.text("output/out_graph_0.01.svg");
    assert!(!svg.contains("<script"), "{svg}");
    assert!(
        svg.chars().all(|c| matches!(c, '\n' | '\t' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)),
        "a character that XML does not know"
    );
    let bare = svg.split('&').skip(1).all(|rest| {
        let entity = rest.split(';').next().unwrap_or_default();
        entity.starts_with('#') || ["amp", "lt", "gt", "quot", "apos"].contains(&entity)
    });
    assert!(bare, "an ampersand that stands for itself");
    assert_eq!(
        work.json("output/summary.json")["inputs"][0]["path"],
        name.as_str()
    );
}

#[test]
fn names_that_are_not_utf_8_are_told_apart_everywhere() {
    let work = Workdir::new();
    let names = [&b"l\xf6g.csv"[..], b"l\xf7g.csv", br"l\xf6g.csv"];
    for name in names {
        let place = work.path("logs").join(std::ffi::OsStr::from_bytes(name));
        work.folder("logs");
        if fs::write(place, csv(&traffic())).is_err() {
            eprintln!("skipped: this file system wants UTF-8");
            return;
        }
    }
    for flag in ["-q", "--resume"] {
        work.run(&format!("scan logs {flag}")).ends(0);
        let summary = work.json("output/summary.json");
        let inputs = summary["inputs"].as_array().unwrap();
        let shown: Vec<&str> = inputs.iter().map(|i| i["path"].as_str().unwrap()).collect();
        assert_eq!(
            shown,
            [
                r"logs/l\x5cxf6g.csv",
                r"logs/l\xf6g.csv",
                r"logs/l\xf7g.csv"
            ]
        );
        for input in inputs {
            for output in input["outputs"].as_array().unwrap() {
                assert!(work.exists(output.as_str().unwrap()), "{output}");
            }
        }
    }
    let table = work.text("output/anomalies.csv");
    assert_eq!(table.matches(r"logs/l\xf7g.csv,").count(), 4);
}

#[test]
fn an_input_with_the_longest_name_has_outputs_and_its_name_in_the_tables() {
    let work = Workdir::new();
    for letter in ["a", "\u{e4}"] {
        let name = letter.repeat(251 / letter.len()) + ".csv";
        work.write(&format!("logs/{name}"), csv(&traffic()));
    }
    work.run("scan logs -q --scores csv").ends(0);
    let mut files = work.files("output");
    files.retain(|name| name.len() == 255 || name.len() == 254);
    assert_eq!(files.len(), 6, "{files:?}");
    let table = work.text("output/anomalies.csv");
    assert_eq!(table.matches(&("a".repeat(251) + ".csv,")).count(), 4);
    let before = results(&work, "output");
    work.run("scan logs -q --scores csv --resume").ends(0);
    assert_same(&results(&work, "output"), &before);
}

#[test]
fn formulas_are_made_safe_in_every_table() {
    let work = Workdir::new();
    let text = lines("timestamp,=cmd,+b", &traffic(), |row| {
        format!("{},{},{}", blank_time(row.time_us), row.value, row.value)
    });
    work.write("@sum.csv", text);
    work.run("scan @sum.csv --value-column =cmd --value-column +b --scores csv --csv-safe -q")
        .ends(0);
    for name in work.files("output") {
        if name.ends_with(".csv") {
            let text = work.text(&format!("output/{name}"));
            assert!(text.lines().count() > 1, "{name}");
            for cell in text.lines().flat_map(|line| line.split(',')) {
                assert!(!cell.starts_with(['=', '+', '@']), "{name}: {cell}");
            }
        }
    }
}

//! Made-up traffic: the same bytes for the same seed, labelled, and fit to be scanned.

use std::io::Read;
use std::path::Path;

use crate::workdir::Workdir;

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let work = Workdir::new();
    for (name, seed) in [("a", "7"), ("b", "7"), ("c", "8")] {
        work.run(&format!(
            "generate {name}/traffic.csv --rows 3000 --seed {seed}"
        ))
        .ends(0);
    }
    assert_eq!(work.contents("a"), work.contents("b"));
    assert_ne!(work.bytes("a/traffic.csv"), work.bytes("c/traffic.csv"));
    assert_eq!(work.files("a"), ["traffic.csv", "traffic.labels.json"]);
}

#[test]
fn rows_start_and_step_are_those_asked_for() {
    let work = Workdir::new();
    work.run_args(&[
        "generate",
        "a.csv",
        "--rows",
        "1000",
        "--step",
        "60",
        "--start",
        "2025-12-31T23:58:00Z",
    ])
    .ends(0);
    let text = work.text("a.csv");
    let times: Vec<&str> = text
        .lines()
        .map(|line| line.split(',').next().unwrap())
        .collect();
    assert_eq!(times.len(), 1001);
    assert_eq!(
        times[..4],
        [
            "timestamp",
            "2025-12-31 23:58:00",
            "2025-12-31 23:59:00",
            "2026-01-01 00:00:00"
        ]
    );
    work.run("generate b.csv --rows 500 --columns").ends(0);
    let text = work.text("b.csv");
    assert_eq!(text.lines().next(), Some("timestamp,bytes,packets,flows"));
    assert!(text.lines().all(|line| line.split(',').count() == 4));
}

#[test]
fn standard_output_gets_the_same_rows_as_a_file() {
    let work = Workdir::new();
    work.run("generate a.csv --rows 2000 --seed 3").ends(0);
    let run = work.run("generate - --rows 2000 --seed 3").ends(0);
    assert_eq!(run.stdout, work.text("a.csv"));
    assert_eq!(run.stderr, "");
    assert_eq!(work.files(""), ["a.csv", "a.labels.json"]);
}

#[test]
fn the_labels_tell_when_each_event_was_and_of_which_kind() {
    let work = Workdir::new();
    work.run("generate a.csv --rows 4032").ends(0);
    let labels = work.json("a.labels.json");
    assert_eq!(labels["file"], "a.csv");
    let events = labels["events"].as_array().unwrap();
    let mut kinds: Vec<&str> = events
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    kinds.sort();
    assert_eq!(kinds, ["drop", "exfiltration", "flood", "silence", "spike"]);

    let text = work.text("a.csv");
    let mut last = String::new();
    for event in events {
        let [start, end] = ["start", "end"].map(|key| event[key].as_str().unwrap().to_owned());
        assert!(last < start && start <= end, "{event}");
        for time in [&start, &end] {
            let row = time.replace('T', " ").replace('Z', ",");
            assert!(text.contains(&format!("\n{row}")), "{time}");
        }
        last = end;
    }
    work.run("generate calm.csv --calm").ends(0);
    assert_eq!(
        work.json("calm.labels.json")["events"],
        serde_json::json!([])
    );
}

#[test]
fn a_spike_that_was_put_in_is_found() {
    let work = Workdir::new();
    work.run("generate a.csv --rows 4032 --seed 5").ends(0);
    work.run("scan a.csv -q --graphs none -c 0.001").ends(0);
    let labels = work.json("a.labels.json");
    let events = labels["events"].as_array().unwrap();
    let spike = events
        .iter()
        .find(|event| event["kind"] == "spike")
        .unwrap();
    let found = work.text("output/anomalies.csv");
    let within = |time: &str| {
        spike["start"].as_str().unwrap() <= time && time <= spike["end"].as_str().unwrap()
    };
    assert!(
        found
            .lines()
            .skip(1)
            .any(|row| within(row.split(',').nth(1).unwrap())),
        "{found}"
    );
}

#[test]
fn many_files_have_each_their_own_traffic_and_are_scanned_without_their_labels() {
    let work = Workdir::new();
    work.run("generate many --files 3 --rows 600").ends(0);
    assert_eq!(
        work.files("many"),
        [
            "traffic-0001.csv",
            "traffic-0001.labels.json",
            "traffic-0002.csv",
            "traffic-0002.labels.json",
            "traffic-0003.csv",
            "traffic-0003.labels.json",
        ]
    );
    assert_ne!(
        work.bytes("many/traffic-0001.csv"),
        work.bytes("many/traffic-0002.csv")
    );
    work.run("generate more --files 5 --rows 600").ends(0);
    for (name, bytes) in work.contents("many") {
        assert_eq!(work.bytes(&format!("more/{name}")), bytes, "{name}");
    }
    work.run("scan many -q --graphs none").ends(0);
    let totals = &work.json("output/summary.json")["totals"];
    assert_eq!(
        (&totals["ok"], &totals["skipped"], &totals["rows"]),
        (&3.into(), &3.into(), &1800.into())
    );
}

#[test]
fn the_sample_that_ships_is_made_again_byte_for_byte_and_scanned_without_a_complaint() {
    let work = Workdir::new();
    work.run("generate --sample data").ends(0);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let made = work.files("data");
    // Packers differ between versions: of packed parts, the content counts.
    let content = |name: &str, bytes: Vec<u8>| {
        if name.ends_with(".gz") {
            let mut text = Vec::new();
            let mut packed = flate2::read::GzDecoder::new(&bytes[..]);
            packed.read_to_end(&mut text).unwrap();
            text
        } else {
            bytes
        }
    };
    let (parts, plain): (Vec<&String>, Vec<&String>) =
        made.iter().partition(|name| name.ends_with(".gz"));
    assert_eq!(parts.len(), 96);
    assert_eq!(
        plain,
        [
            "edge/heartbeat.csv",
            "edge/heartbeat.labels.json",
            "edge/router-01.csv",
            "edge/router-01.labels.json",
            "edge/router-02.csv",
            "edge/router-02.labels.json",
            "network_traffic.csv",
            "network_traffic.labels.json",
            "zeek/conn.labels.json",
        ]
    );
    for name in &made {
        let expected = content(name, std::fs::read(shipped.join(name)).unwrap());
        let found = content(name, work.bytes(&format!("data/{name}")));
        assert!(found == expected, "{name}");
    }
    let run = work.run("scan data").ends(0);
    assert_eq!(
        run.said()[..2],
        [
            "files         100 scanned, 5 skipped",
            "rows          25,716"
        ]
    );
    let graph = work.bytes("output/network_traffic_graph_0.01.png");
    assert!(graph.starts_with(b"\x89PNG"));
}

#[test]
fn what_cannot_be_made_is_refused_on_one_line() {
    let work = Workdir::with(&[("file", "")]);
    for (arguments, code, wanted) in [
        ("generate a.csv --rows 0", 2, "rows"),
        ("generate a.csv --step 0", 2, "--step 0 is outside"),
        (
            "generate a.csv --start noon",
            2,
            "--start \"noon\" is not a time",
        ),
        ("generate a.csv --sample --rows 5", 2, "cannot be used with"),
        ("generate many --files 0", 2, "files"),
        ("generate", 2, "PATH"),
        ("generate file/a.csv", 1, "file"),
    ] {
        let run = work.run(arguments).ends(code);
        assert_eq!(run.said().len(), 1, "{arguments}: {}", run.stderr);
        assert!(
            run.stderr.starts_with("isoscan: ") && run.stderr.contains(wanted),
            "{}",
            run.stderr
        );
    }
    assert_eq!(work.files(""), ["file"]);
}

//! What a scan writes: names, columns, numbers that read back, and no two inputs in one file.

use std::fs;

use chrono::NaiveDateTime;
use polars::prelude::*;

use crate::traffic::{
    START_US, STEP_US, STRANGE, calm, cells, csv, gzip, lines, parquet, read_parquet, time, traffic,
};
use crate::workdir::Workdir;

/// One row of the combined tables: source, time, then value, score, median and threshold, and direction.
type Combined = (String, i64, [f64; 4], String);

fn combined_csv(text: &str) -> Vec<Combined> {
    let (header, rows) = cells(text);
    assert_eq!(
        header,
        [
            "source",
            "timestamp",
            "value",
            "score",
            "direction",
            "expected",
            "ratio",
            "deviation",
            "median",
            "threshold"
        ]
    );
    rows.iter()
        .map(|row| {
            let number = |at: usize| row[at].parse::<f64>().unwrap();
            let time = NaiveDateTime::parse_from_str(row[1], "%Y-%m-%dT%H:%M:%S%.fZ").unwrap();
            (
                row[0].to_owned(),
                time.and_utc().timestamp_micros(),
                [number(2), number(3), number(8), number(9)],
                row[4].to_owned(),
            )
        })
        .collect()
}

fn combined_parquet(bytes: Vec<u8>) -> Vec<Combined> {
    let frame = read_parquet(bytes);
    let names: Vec<&str> = frame
        .get_column_names()
        .iter()
        .map(|name| name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "source",
            "timestamp",
            "value",
            "score",
            "direction",
            "expected",
            "ratio",
            "deviation",
            "median",
            "threshold"
        ]
    );
    let column = |name: &str| frame.column(name).unwrap();
    let utc = DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
    assert_eq!(column("timestamp").dtype(), &utc);
    let times = column("timestamp").cast(&DataType::Int64).unwrap();
    let text = |name: &str, row: usize| column(name).str().unwrap().get(row).unwrap().to_owned();
    let number = |name: &str, row: usize| column(name).f64().unwrap().get(row).unwrap();
    (0..frame.height())
        .map(|row| {
            (
                text("source", row),
                times.i64().unwrap().get(row).unwrap(),
                ["value", "score", "median", "threshold"].map(|name| number(name, row)),
                text("direction", row),
            )
        })
        .collect()
}

#[test]
fn the_names_and_columns_are_those_of_the_original_script() {
    let work = Workdir::with(&[("data/network_traffic.csv", &csv(&traffic()))]);
    work.run("scan data/network_traffic.csv -c 0.01 --scores csv -q")
        .ends(0);
    assert_eq!(
        work.files("output"),
        [
            "anomalies.csv",
            "anomalies.parquet",
            "incidents.csv",
            "incidents.parquet",
            "network_traffic_graph_0.01.png",
            "network_traffic_graph_anomalies_0.01.csv",
            "network_traffic_scores.csv",
            "summary.json",
        ]
    );
    let first_line = |name: &str| work.text(name).lines().next().unwrap().to_owned();
    assert_eq!(
        first_line("output/network_traffic_graph_anomalies_0.01.csv"),
        "timestamp,value,anomaly,score,direction,expected,ratio,deviation"
    );
    assert_eq!(
        first_line("output/network_traffic_scores.csv"),
        "timestamp,value,score"
    );
}

#[test]
fn the_combined_tables_hold_all_anomalies_by_source_and_time_and_agree() {
    let work = Workdir::new();
    for name in ["b/x", "a/y", "a.b/z", "top"] {
        work.write(&format!("logs/{name}.csv"), csv(&traffic()));
    }
    work.run("scan logs -q --graphs none").ends(0);
    let rows = combined_csv(&work.text("output/anomalies.csv"));
    assert_eq!(
        rows,
        combined_parquet(work.bytes("output/anomalies.parquet"))
    );

    let found: Vec<(String, i64, f64, String)> = rows
        .iter()
        .map(|(source, time, numbers, direction)| {
            (source.clone(), *time, numbers[0], direction.clone())
        })
        .collect();
    let mut wanted = Vec::new();
    for source in [
        "logs/a/y.csv",
        "logs/a.b/z.csv",
        "logs/b/x.csv",
        "logs/top.csv",
    ] {
        for (number, value) in STRANGE {
            let direction = if value > 1000.0 { "above" } else { "below" };
            let time = START_US + number as i64 * STEP_US;
            wanted.push((source.to_owned(), time, value, direction.to_owned()));
        }
    }
    assert_eq!(found, wanted);

    let mut values: Vec<f64> = traffic().iter().map(|row| row.value).collect();
    values.sort_by(f64::total_cmp);
    let median = (values[199] + values[200]) / 2.0;
    for (_, _, [_, score, found, threshold], _) in &rows {
        assert_eq!(*found, median);
        assert!(score > threshold);
    }
}

#[test]
fn the_tables_of_a_run_without_anomalies_have_their_columns_and_no_row() {
    let work = Workdir::with(&[("in.csv", &csv(&traffic()))]);
    work.run("scan in.csv -q --threshold 1").ends(0);
    assert_eq!(combined_csv(&work.text("output/anomalies.csv")), []);
    assert_eq!(combined_parquet(work.bytes("output/anomalies.parquet")), []);
    assert_eq!(
        work.text("output/in_graph_anomalies_threshold_1.csv"),
        "timestamp,value,anomaly,score,direction,expected,ratio,deviation\n"
    );
}

#[test]
fn numbers_read_back_as_what_they_were() {
    let odd = [
        0.1,
        1.0 / 3.0,
        1e-320,
        5e-324,
        f64::MAX,
        -f64::MAX,
        1e21,
        1e22,
        123_456_789.123_456_79,
        -2.5e-5,
        0.0,
        9_007_199_254_740_993.0,
        1e15,
        1e16,
        f64::EPSILON,
    ];
    let rows: Vec<(i64, f64)> = odd
        .iter()
        .enumerate()
        .map(|(number, value)| (START_US + number as i64, *value))
        .collect();
    let mut text = "timestamp,value\n".to_owned();
    for (at, value) in &rows {
        text.push_str(&format!(
            "{},{value:?}\n",
            time(*at, "%Y-%m-%dT%H:%M:%S%.6f")
        ));
    }
    let work = Workdir::with(&[("in.csv", &text)]);
    work.run("scan in.csv -q --graphs none --scores csv")
        .ends(0);
    work.run("scan in.csv -q --graphs none --scores parquet")
        .ends(0);
    let scores = work.text("output/in_scores.csv");
    let from_csv: Vec<(u64, u64)> = cells(&scores)
        .1
        .iter()
        .map(|row| [row[1], row[2]].map(|cell| cell.parse::<f64>().unwrap().to_bits()))
        .map(|[value, score]| (value, score))
        .collect();
    let frame = read_parquet(work.bytes("output/in_scores.parquet"));
    let column = |name: &str| -> Vec<u64> {
        let column = frame.column(name).unwrap();
        column
            .f64()
            .unwrap()
            .iter()
            .map(|cell| cell.unwrap().to_bits())
            .collect()
    };
    let from_parquet: Vec<(u64, u64)> = column("value").into_iter().zip(column("score")).collect();
    assert_eq!(from_csv, from_parquet);
    let values: Vec<u64> = from_csv.iter().map(|(value, _)| *value).collect();
    assert_eq!(values, odd.map(f64::to_bits));
}

#[test]
fn times_are_written_in_the_original_form_with_a_fraction_only_where_there_is_one() {
    let mut text = csv(&calm(100));
    text.push_str("2026-02-01T12:00:00.5+02:00,9e6\n2026-02-01T12:00:01.123456789Z,9e6\n1969-12-31 23:59:59,9e6\n");
    let work = Workdir::with(&[("in.csv", &text)]);
    work.run("scan in.csv -q --graphs none --threshold 0.7")
        .ends(0);
    let column = |name: &str, at: usize| -> Vec<String> {
        let text = work.text(name);
        let rows = cells(&text).1;
        rows.iter()
            .filter(|row| row.contains(&"9000000.0"))
            .map(|row| row[at].to_owned())
            .collect()
    };
    assert_eq!(
        column("output/in_graph_anomalies_threshold_0.7.csv", 0),
        [
            "1969-12-31 23:59:59",
            "2026-02-01 10:00:00.500",
            "2026-02-01 12:00:01.123456"
        ]
    );
    assert_eq!(
        column("output/anomalies.csv", 1),
        [
            "1969-12-31T23:59:59Z",
            "2026-02-01T10:00:00.500Z",
            "2026-02-01T12:00:01.123456Z"
        ]
    );
}

#[test]
fn scores_are_written_for_every_row_and_are_those_of_the_anomalies() {
    let work = Workdir::with(&[("in.csv", &csv(&traffic()))]);
    work.run("scan in.csv -q --graphs none --scores csv")
        .ends(0);
    work.run("scan in.csv -q --graphs none --scores parquet")
        .ends(0);
    let text = work.text("output/in_scores.csv");
    let (_, rows) = cells(&text);
    let wanted: Vec<(String, f64)> = traffic()
        .iter()
        .map(|row| (time(row.time_us, "%Y-%m-%d %H:%M:%S"), row.value))
        .collect();
    let found: Vec<(String, f64)> = rows
        .iter()
        .map(|row| (row[0].to_owned(), row[1].parse().unwrap()))
        .collect();
    assert_eq!(found, wanted);

    let anomalies = work.text("output/in_graph_anomalies_0.01.csv");
    for row in cells(&anomalies).1 {
        assert!(rows.contains(&vec![row[0], row[1], row[3]]), "{row:?}");
    }
    let frame = read_parquet(work.bytes("output/in_scores.parquet"));
    assert_eq!(frame.height(), 400);
    let times = frame
        .column("timestamp")
        .unwrap()
        .cast(&DataType::Int64)
        .unwrap();
    let times: Vec<i64> = times.i64().unwrap().iter().flatten().collect();
    assert_eq!(
        times,
        traffic().iter().map(|row| row.time_us).collect::<Vec<_>>()
    );
}

#[test]
fn a_text_that_a_spreadsheet_would_run_is_made_safe_when_asked() {
    let work = Workdir::new();
    let header = "timestamp,=bytes,@packets";
    let text = lines(header, &traffic(), |row| {
        format!(
            "{},{},{}",
            time(row.time_us, "%Y-%m-%d %H:%M:%S"),
            row.value,
            row.value
        )
    });
    work.write("=1+1.csv", text);
    let flags = "--value-column =bytes --value-column @packets --graphs none -q";
    work.run(&format!("scan =1+1.csv {flags} -o plain")).ends(0);
    work.run(&format!("scan =1+1.csv {flags} -o safe --csv-safe"))
        .ends(0);
    let source = |out: &str| {
        work.text(&format!("{out}/anomalies.csv"))
            .lines()
            .nth(1)
            .unwrap()
            .to_owned()
    };
    assert!(source("plain").starts_with("=1+1.csv,"));
    assert!(source("safe").starts_with("'=1+1.csv,"));
    for name in work
        .files("safe")
        .iter()
        .filter(|name| name.ends_with(".csv"))
    {
        for line in work.text(&format!("safe/{name}")).lines() {
            assert!(
                line.split(',')
                    .all(|cell| !cell.starts_with(['=', '+', '@'])),
                "{name}: {line}"
            );
        }
    }
}

#[test]
fn a_source_with_commas_quotes_and_a_line_end_in_its_name_is_one_cell() {
    let work = Workdir::new();
    let name = "a,\"b\"\nc.csv";
    work.write(name, csv(&traffic()));
    let run = work
        .run_args(&["scan", name, "--graphs", "none", "-v"])
        .ends(0);
    assert!(
        run.said()[0].starts_with("isoscan: a,\"b\"\\nc.csv: "),
        "{}",
        run.stderr
    );
    let text = work.text("output/anomalies.csv");
    assert_eq!(text.matches("\"a,\"\"b\"\"\nc.csv\",2026-01-").count(), 4);
    let frame = read_parquet(work.bytes("output/anomalies.parquet"));
    assert_eq!(
        frame.column("source").unwrap().str().unwrap().get(0),
        Some(name)
    );
}

#[test]
fn the_summary_tells_what_was_asked_and_what_became_of_each_input() {
    let work = Workdir::new();
    work.write("logs/good.csv", csv(&traffic()) + "bad,row\n");
    work.write("logs/bad.csv", "timestamp,value\n");
    work.write("logs/notes.md", "");
    work.run("scan logs --seed 7 --graphs none -q").ends(1);
    let mut summary = work.json("output/summary.json");
    for fact in ["run_id", "host", "began", "ended"] {
        let text = summary[fact].take();
        assert!(!text.as_str().unwrap().is_empty(), "{fact}");
        summary.as_object_mut().unwrap().remove(fact);
    }
    for seconds in ["/seconds", "/inputs/1/seconds"] {
        let seconds = summary.pointer_mut(seconds).unwrap();
        assert!(seconds.as_f64().unwrap() > 0.0);
        *seconds = 0.into();
    }
    for varying in ["/inputs/1/threshold", "/inputs/1/highest_score"] {
        let number = summary.pointer_mut(varying).unwrap();
        assert!((0.5..1.0).contains(&number.as_f64().unwrap()));
        *number = "a score".into();
    }
    let worst = summary["worst_incidents"].take();
    let first = serde_json::json!({
        "source": "logs/good.csv", "by": "total", "entity": "",
        "start": "2026-01-01T04:10:00Z", "end": "2026-01-01T04:10:00Z",
        "kind": "spike", "severity": "critical", "evidence": worst[0]["evidence"]
    });
    assert_eq!((&worst[0], worst.as_array().unwrap().len()), (&first, 4));
    summary["worst_incidents"] = "four".into();
    let by_severity = serde_json::json!({ "critical": 2, "medium": 2 });
    let by_kind = serde_json::json!({ "spike": 2, "silence": 2 });
    let empty = |path: &str, status: &str| {
        serde_json::json!({
            "path": path, "status": status, "stale": false, "as_of": null, "form": null, "rows": 0, "dropped_rows": 0, "first_dropped": [],
            "anomalies": 0, "incidents": 0, "incidents_by_severity": {}, "incidents_by_kind": {},
            "expected_anomalies": null, "threshold": null, "highest_score": null,
            "seconds": 0.0, "outputs": [], "note": null, "error": null
        })
    };
    let mut bad = empty("logs/bad.csv", "error");
    bad["error"] = "there is a header and no row".into();
    let mut notes = empty("logs/notes.md", "skipped");
    notes["note"] = "its name is not that of a log".into();
    let good = serde_json::json!({
        "path": "logs/good.csv",
        "status": "ok",
        "stale": false,
        "as_of": null,
        "form": "CSV (comma); timestamps: ISO 8601, e.g. %Y-%m-%d %H:%M:%S",
        "rows": 400,
        "dropped_rows": 1,
        "first_dropped": [{ "line": 402, "reason": "the value \"row\" is not a number" }],
        "anomalies": 4,
        "incidents": 4,
        "incidents_by_severity": by_severity,
        "incidents_by_kind": by_kind,
        "expected_anomalies": 4.0,
        "threshold": "a score",
        "highest_score": "a score",
        "seconds": 0,
        "outputs": ["output/good_graph_anomalies_0.01.csv"],
        "note": null,
        "error": null
    });
    let bytes = work.bytes("logs/good.csv").len();
    assert_eq!(
        summary,
        serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "arguments": ["scan", "logs", "--seed", "7", "--graphs", "none", "-q"],
            "detector": "value",
            "rule": "0.01",
            "seed": 7,
            "status": "partial",
            "seconds": 0,
            "stale": false,
            "missing": [],
            "totals": {
                "ok": 1, "not_judged": 0, "failed": 1, "skipped": 1, "rows": 400, "dropped_rows": 1, "bytes": bytes,
                "anomalies": 4, "incidents": 4, "incidents_by_severity": by_severity,
                "incidents_by_kind": by_kind
            },
            "highest_severity": "critical",
            "worst_incidents": "four",
            "inputs": [bad, good, notes],
            "logs": [],
            "outputs": [
                "output/anomalies.csv", "output/anomalies.parquet",
                "output/incidents.csv", "output/incidents.parquet"
            ]
        })
    );
}

#[test]
fn every_output_that_the_summary_names_is_there_and_no_other() {
    let work = Workdir::new();
    for name in ["a/x", "b/x", "x"] {
        work.write(&format!("logs/{name}.csv"), csv(&traffic()));
    }
    work.run("scan logs -q --scores parquet").ends(0);
    let summary = work.json("output/summary.json");
    let mut named: Vec<String> = vec!["summary.json".to_owned()];
    let inputs = summary["inputs"].as_array().unwrap();
    for outputs in inputs
        .iter()
        .map(|input| &input["outputs"])
        .chain([&summary["outputs"]])
    {
        for output in outputs.as_array().unwrap() {
            let path = output.as_str().unwrap();
            named.push(path.strip_prefix("output/").unwrap().to_owned());
        }
    }
    named.sort();
    assert_eq!(work.files("output"), named);
}

#[test]
fn inputs_of_one_name_never_write_one_file() {
    let work = Workdir::new();
    let text = csv(&traffic());
    for name in ["a/x.csv", "b/x.csv", "x.csv", "x.tsv"] {
        work.write(&format!("logs/{name}"), &text);
    }
    work.write("logs/x.csv.gz", gzip(text.as_bytes()));
    let times: Vec<i64> = traffic().iter().map(|row| row.time_us).collect();
    let values: Vec<f64> = traffic().iter().map(|row| row.value).collect();
    let columns = vec![
        Column::new("timestamp".into(), times),
        Column::new("value".into(), values),
    ];
    work.write("logs/x.parquet", parquet(columns));
    work.run("scan logs -q --graphs none").ends(0);
    assert_eq!(
        work.files("output"),
        [
            "a/x_graph_anomalies_0.01.csv",
            "anomalies.csv",
            "anomalies.parquet",
            "b/x_graph_anomalies_0.01.csv",
            "incidents.csv",
            "incidents.parquet",
            "summary.json",
            "x.csv.gz_graph_anomalies_0.01.csv",
            "x.csv_graph_anomalies_0.01.csv",
            "x.parquet_graph_anomalies_0.01.csv",
            "x.tsv_graph_anomalies_0.01.csv",
        ]
    );

    // Named one by one, from folders of which one lies outside.
    work.folder("inside");
    let run = crate::workdir::finish(
        work.command().current_dir(work.path("inside")).args(
            "scan ../logs/a/x.csv ../logs/b/x.csv ../logs/x.csv ../logs/x.csv.gz -q --graphs none -o ../out"
                .split(' '),
        ),
        b"",
    );
    run.ends(0);
    let files = work.files("out");
    assert_eq!(files.len(), 4 + 5, "{files:?}");
    let sources: Vec<String> = combined_csv(&work.text("out/anomalies.csv"))
        .into_iter()
        .map(|row| row.0)
        .collect();
    assert_eq!(sources.len(), 16);
    assert_eq!(work.files("inside"), Vec::<String>::new());
}

#[test]
fn nothing_is_written_outside_the_output_folder_and_no_input_is_touched() {
    let work = Workdir::new();
    work.write("logs/a/x.csv", csv(&traffic()));
    work.write("x.csv", csv(&traffic()));
    let before = work.contents("logs");
    work.folder("here");
    let run = crate::workdir::finish(
        work.command().current_dir(work.path("here")).args([
            "scan",
            "../logs/../x.csv",
            "../logs",
            "-q",
        ]),
        b"",
    );
    run.ends(0);
    assert_eq!(work.contents("logs"), before);
    let outside: Vec<String> = work
        .files("")
        .into_iter()
        .filter(|name| !name.starts_with("here/output/"))
        .collect();
    assert_eq!(outside, ["logs/a/x.csv", "x.csv"]);
}

#[test]
fn the_outputs_of_a_single_input_can_be_named() {
    let work = Workdir::with(&[("in.csv", &csv(&traffic())), ("other.csv", &csv(&calm(50)))]);
    work.run("scan --input in.csv --c 0.01 --output result -q --scores csv")
        .ends(0);
    assert_eq!(
        work.files("output"),
        [
            "anomalies.csv",
            "anomalies.parquet",
            "incidents.csv",
            "incidents.parquet",
            "result_graph_0.01.png",
            "result_graph_anomalies_0.01.csv",
            "result_scores.csv",
            "summary.json",
        ]
    );
    let run = work
        .run("scan in.csv other.csv --output result -o none")
        .ends(2);
    assert_eq!(
        run.stderr,
        "isoscan: --output result names the outputs of one input, and there are 2\n"
    );
    let run = work.run("scan in.csv --output ../result -o none").ends(2);
    assert_eq!(
        run.stderr,
        "isoscan: --output \"../result\" is not a file name: choose the folder with --out-dir\n"
    );
    assert!(!work.exists("none"));
}

#[test]
fn graphs_are_drawn_for_all_inputs_for_the_anomalous_or_for_none() {
    let work = Workdir::new();
    work.write("logs/strange.csv", csv(&traffic()));
    work.write(
        "logs/constant.csv",
        lines("timestamp,value", &calm(50), |row| {
            format!("{},7", time(row.time_us, "%Y-%m-%d %H:%M:%S"))
        }),
    );
    let drawn = |flags: &str| -> Vec<String> {
        let _ = fs::remove_dir_all(work.path("output"));
        work.run(&format!("scan logs -q {flags}")).ends(0);
        work.files("output")
            .into_iter()
            .filter(|name| !name.ends_with("csv") && name.contains("graph"))
            .collect()
    };
    assert_eq!(
        drawn(""),
        ["constant_graph_0.01.png", "strange_graph_0.01.png"]
    );
    assert_eq!(drawn("--graphs all"), drawn(""));
    assert_eq!(drawn("--graphs anomalous"), ["strange_graph_0.01.png"]);
    assert_eq!(
        drawn("--graphs anomalous --graph-format svg"),
        ["strange_graph_0.01.svg"]
    );
    assert_eq!(drawn("--graphs none"), Vec::<String>::new());
}

#[test]
fn a_second_run_replaces_the_outputs_of_the_first() {
    let work = Workdir::with(&[("in.csv", &csv(&calm(400)))]);
    work.run("scan in.csv -q").ends(0);
    let before = work.bytes("output/in_graph_0.01.png");
    work.write("in.csv", csv(&traffic()));
    work.run("scan in.csv -q").ends(0);
    work.run("scan in.csv -q -o fresh").ends(0);
    assert_ne!(work.bytes("output/in_graph_0.01.png"), before);
    for name in work
        .files("fresh")
        .iter()
        .filter(|name| *name != "summary.json")
    {
        assert_eq!(
            work.bytes(&format!("output/{name}")),
            work.bytes(&format!("fresh/{name}")),
            "{name}"
        );
    }
    assert_eq!(work.files("output"), work.files("fresh"));
}

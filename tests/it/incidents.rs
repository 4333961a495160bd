//! Detectors, the automatic threshold, and the incidents that anomalies make up.

use crate::traffic::{START_US, STEP_US, blank_time, calm, csv, lines, read_parquet, traffic};
use crate::workdir::Workdir;

/// A fortnight of generated traffic with one event of a kind, or with none.
fn generated(events: &str) -> Workdir {
    let work = Workdir::new();
    work.run(&format!("generate in.csv --rows 8064 --seed 3 {events}"))
        .ends(0);
    work
}

/// Source, start, kind and severity of every incident of a run.
fn incidents(work: &Workdir, out: &str) -> Vec<[String; 4]> {
    let text = work.text(&format!("{out}/incidents.csv"));
    let rows = text.lines().skip(1);
    rows.map(|row| {
        let cells: Vec<&str> = row.split(',').collect();
        [cells[0], cells[1], cells[4], cells[5]].map(str::to_owned)
    })
    .collect()
}

/// Whether an incident starts within the only event that was generated, or up to an hour before.
fn event_is_found(work: &Workdir, out: &str, kinds: &[&str]) -> bool {
    let event = work.json("in.labels.json")["events"][0].clone();
    let (start, end) = (
        event["start"].as_str().unwrap(),
        event["end"].as_str().unwrap(),
    );
    incidents(work, out).iter().any(|[_, at, kind, _]| {
        at.as_str() >= start && at.as_str() <= end && kinds.contains(&kind.as_str())
    })
}

#[test]
fn each_kind_of_event_is_found_by_the_detector_meant_for_it() {
    for (event, detector, kinds) in [
        ("spike", "value", &["spike"][..]),
        ("spike", "context", &["spike"]),
        ("flood", "context", &["spike", "surge"]),
        ("silence", "context", &["silence", "drop"]),
    ] {
        let work = generated(&format!("--events {event}"));
        work.run(&format!(
            "scan in.csv --detector {detector} -c auto --graphs none -q"
        ))
        .ends(0);
        assert!(
            event_is_found(&work, "output", kinds),
            "{event} by {detector}: {:?}",
            incidents(&work, "output")
        );
    }
}

#[test]
fn a_changed_rhythm_of_usual_values_is_a_pattern_to_the_shape_detector() {
    // A saw tooth of 60 rows that runs backwards for two turns: no value is unusual.
    let mut rows = calm(6_000);
    for (number, row) in rows.iter_mut().enumerate() {
        let phase = (number % 60) as f64;
        let backwards = (3_000..3_120).contains(&number);
        row.value = 1000.0 + 10.0 * if backwards { 59.0 - phase } else { phase };
    }
    let work = Workdir::with(&[("in.csv", &csv(&rows))]);
    work.run("scan in.csv --detector shape -c auto --graphs none -q")
        .ends(0);
    let found = incidents(&work, "output");
    assert!(!found.is_empty());
    let span = [2_900, 3_220].map(|row| START_US + row * STEP_US);
    let iso = |time_us: i64| blank_time(time_us).replace(' ', "T") + "Z";
    for [_, start, kind, _] in found {
        assert!(start >= iso(span[0]) && start <= iso(span[1]), "{start}");
        assert_eq!(kind, "pattern");
    }
    work.run("scan in.csv --detector value -c auto --graphs none -q -o by_value")
        .ends(0);
    assert_eq!(incidents(&work, "by_value"), [[""; 4]; 0]);
}

#[test]
fn calm_series_have_next_to_no_anomalies_at_an_automatic_threshold() {
    let work = generated("--calm");
    work.write("even.csv", csv(&calm(20_000)));
    for (detector, most) in [("value", 0), ("context", 16), ("shape", 2)] {
        work.run(&format!(
            "scan in.csv even.csv --detector {detector} -c auto --graphs none -q -o {detector}"
        ))
        .ends(0);
        let totals = &work.json(&format!("{detector}/summary.json"))["totals"];
        let found = totals["anomalies"].as_u64().unwrap();
        assert!(found <= most, "{detector}: {found}");
    }
}

#[test]
fn scores_of_the_context_detector_do_not_depend_on_what_comes_later() {
    let work = generated("--events flood,silence");
    let text = work.text("in.csv");
    let prefix: Vec<&str> = text.lines().take(5_001).collect();
    work.write("prefix.csv", prefix.join("\n") + "\n");
    work.run("scan in.csv prefix.csv --detector context -c auto --graphs none --scores csv -q")
        .ends(0);
    let (whole, part) = (
        work.text("output/in_scores.csv"),
        work.text("output/prefix_scores.csv"),
    );
    assert_eq!(whole.lines().next(), Some("timestamp,value,score,novelty"));
    assert!(whole.starts_with(&part));
}

#[test]
fn a_gap_in_time_is_a_silence_of_the_length_that_is_missing() {
    let rows: Vec<_> = calm(2_000)
        .into_iter()
        .enumerate()
        .filter(|(number, _)| !(800..872).contains(number))
        .map(|(_, row)| row)
        .collect();
    let work = Workdir::with(&[("in.csv", &csv(&rows))]);
    work.run("scan in.csv -c auto -q").ends(0);
    let text = work.text("output/incidents.csv");
    let row = text.lines().nth(1).unwrap();
    assert!(
        row.contains(",21600.0,silence,critical,,below,0,0,"),
        "{row}"
    );
    assert!(row.ends_with(",no row for 6 h"), "{row}");
}

#[test]
fn incidents_are_the_same_as_csv_and_as_parquet() {
    let work = Workdir::with(&[("in.csv", &csv(&traffic()))]);
    work.run("scan in.csv -q --graphs none").ends(0);
    let text = work.text("output/incidents.csv");
    let frame = read_parquet(work.bytes("output/incidents.parquet"));
    assert_eq!(frame.height(), text.lines().count() - 1);
    let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let names = frame.get_column_names();
    assert_eq!(
        names.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        header
    );
    let kinds = frame.column("kind").unwrap().str().unwrap();
    let told: Vec<&str> = (0..frame.height())
        .map(|row| kinds.get(row).unwrap())
        .collect();
    let listed: Vec<String> = incidents(&work, "output")
        .into_iter()
        .map(|row| row[2].clone())
        .collect();
    assert_eq!(told, listed);
}

#[test]
fn only_incidents_of_the_least_severity_are_reported() {
    let work = Workdir::with(&[("in.csv", &csv(&traffic()))]);
    let severities = |least: &str| {
        work.run(&format!(
            "scan in.csv -q --graphs none --min-severity {least}"
        ))
        .ends(0);
        let listed = incidents(&work, "output");
        let counted = &work.json("output/summary.json")["totals"]["incidents"];
        assert_eq!(counted.as_u64(), Some(listed.len() as u64));
        listed
            .into_iter()
            .map(|row| row[3].clone())
            .collect::<Vec<_>>()
    };
    let all = severities("low");
    assert_eq!(all.len(), 4);
    assert_eq!(severities("critical"), ["critical", "critical"]);
}

#[test]
fn the_exit_code_tells_of_an_incident_that_is_severe_enough() {
    let work = Workdir::with(&[
        ("in.csv", &csv(&traffic())),
        ("even.csv", &csv(&calm(2_000))),
    ]);
    work.run("scan in.csv -q --graphs none --fail-on critical")
        .ends(3);
    work.run("scan even.csv -c auto -q --graphs none --fail-on low")
        .ends(0);
    work.run("scan in.csv -q --graphs none").ends(0);
    work.write("bad.csv", "");
    work.run("scan in.csv bad.csv -q --graphs none --fail-on low")
        .ends(1);
    let refused = work.run("scan in.csv --fail-on terrible").ends(2);
    assert!(
        refused
            .stderr
            .contains("invalid value 'terrible' for '--fail-on <SEVERITY>' [possible values: low, medium, high, critical]"),
        "{}",
        refused.stderr
    );
}

#[test]
fn fallbacks_are_told_on_standard_error_and_in_the_summary() {
    let coinciding = lines("timestamp,value", &calm(600), |row| {
        format!("{},{:?}", blank_time(START_US), row.value)
    });
    let work = Workdir::with(&[("short.csv", &csv(&calm(40))), ("same.csv", &coinciding)]);
    for (detector, input, wanted) in [
        (
            "shape",
            "short.csv",
            "40 rows are too few to compare shapes (64 are needed): judged by value",
        ),
        (
            "context",
            "short.csv",
            "40 rows are too few for the context detector (250 are needed): no anomalies",
        ),
        (
            "context",
            "same.csv",
            "most timestamps coincide: rows are compared with the 64 before them",
        ),
    ] {
        let run = work
            .run(&format!("scan {input} --detector {detector} --graphs none"))
            .ends(0);
        assert!(
            run.stderr
                .contains(&format!("isoscan: {input}: {wanted}\n")),
            "{}",
            run.stderr
        );
        let note = &work.json("output/summary.json")["inputs"][0]["note"];
        assert!(note.as_str().unwrap().contains(wanted), "{note}");
    }
}

#[test]
fn every_detector_writes_the_same_bytes_at_every_thread_count_and_memory_limit() {
    let work = generated("--events spike,silence,pattern");
    work.run("generate columns.csv --rows 3000 --columns")
        .ends(0);
    for detector in ["value", "context", "shape"] {
        for (name, more) in [
            ("one", "-j 1"),
            ("three", "-j 3"),
            ("small", "-j 2 --max-memory 192M"),
        ] {
            let flags = format!("--detector {detector} -c auto -q --scores parquet {more}");
            let out = format!("{detector}/{name}");
            work.run(&format!("scan in.csv {flags} -o {out}")).ends(0);
            let columns = "--value-column bytes --value-column packets --value-column flows";
            work.run(&format!(
                "scan columns.csv {columns} {flags} -o {out}/columns"
            ))
            .ends(0);
        }
        let outputs = |name: &str| {
            let mut contents = work.contents(&format!("{detector}/{name}"));
            contents.retain(|(name, _)| !name.ends_with("summary.json"));
            contents
        };
        let one = outputs("one");
        assert!(one.len() >= 12, "{detector}: {}", one.len());
        assert!(
            one == outputs("three") && one == outputs("small"),
            "{detector}"
        );
    }
}

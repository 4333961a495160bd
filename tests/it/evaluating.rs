//! Scores and alarms held against labelled events.

use crate::workdir::Workdir;

/// Two files with labels beside them.
fn labelled() -> Workdir {
    let work = Workdir::new();
    work.run("generate data --files 2 --rows 4032 --events spike,silence")
        .ends(0);
    work
}

#[test]
fn results_of_a_scan_and_a_detector_run_now_come_to_the_same() {
    let work = labelled();
    work.run("scan data --detector context -c auto --scores csv --graphs none -q")
        .ends(0);
    let evaluated = |what: &str| -> serde_json::Value {
        let run = work
            .run(&format!("evaluate --labels data {what} --json"))
            .ends(0);
        serde_json::from_str(&run.stdout).unwrap()
    };
    let (of_results, of_data) = (
        evaluated("output"),
        evaluated("data --detector context -c auto"),
    );
    assert_eq!(of_results["totals"], of_data["totals"]);
    assert_eq!(of_results["kinds"], of_data["kinds"]);
    let kinds: Vec<&str> = of_data["kinds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["silence", "spike"]);
    assert_eq!(of_data["totals"]["events"], 4);
    let found = [0, 1].map(|kind: usize| of_data["kinds"][kind]["found"].as_u64().unwrap());
    assert!(found[0] == 2 && found[1] >= 1, "{found:?}");
}

#[test]
fn a_table_tells_people_what_was_found() {
    let work = labelled();
    let run = work
        .run("evaluate --labels data data/traffic-0001.csv --detector context -c auto")
        .ends(0);
    for wanted in [
        "VUS-PR",
        "NAB score",
        "false alarms",
        "kind of event",
        "spike",
    ] {
        assert!(run.stdout.contains(wanted), "{wanted}: {}", run.stdout);
    }
    assert_eq!(run.stderr, "");
}

#[test]
fn scores_of_others_are_read_by_the_column_of_the_benchmark() {
    let work = Workdir::with(&[
        (
            "results/a.csv",
            "timestamp,value,anomaly_score,label\n2026-01-01 00:00:00,1,0.1,0\n2026-01-01 00:05:00,2,0.9,1\n\
             2026-01-01 00:10:00,1,0.2,0\n",
        ),
        (
            "windows.json",
            r#"{"x/results/a.csv": [["2026-01-01 00:05:00.000000", "2026-01-01 00:05:00.000000"]]}"#,
        ),
    ]);
    let run = work
        .run("evaluate --labels windows.json results --threshold 0.5 --json")
        .ends(0);
    let found: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(found["totals"]["nab"]["standard"]["score"], 100.0);
    assert_eq!(found["totals"]["alarms"]["f1"], 1.0);
}

#[test]
fn labels_that_do_not_fit_are_refused_naming_the_first() {
    let work = labelled();
    work.write(
        "wrong.json",
        r#"{"traffic-0001.csv": [["2026-03-03 00:00:00", "2026-03-03 01:00:00"], ["2031-01-01 00:00:00", "2031-01-02 00:00:00"]]}"#,
    );
    let run = work
        .run("evaluate --labels wrong.json data/traffic-0001.csv")
        .ends(1);
    let said = run.said();
    assert_eq!(said.len(), 1);
    for wanted in ["traffic-0001.csv", "event 2", "2031-01-01"] {
        assert!(said[0].contains(wanted), "{wanted}: {}", said[0]);
    }
    work.write("broken.json", "{\"a.csv\": [[1, 2]]}");
    let run = work.run("evaluate --labels broken.json data").ends(1);
    assert!(
        run.stderr.starts_with("isoscan: broken.json: "),
        "{}",
        run.stderr
    );
    let run = work.run("evaluate --labels none.json data").ends(1);
    assert!(
        run.stderr.starts_with("isoscan: none.json: "),
        "{}",
        run.stderr
    );
    work.run("evaluate data").ends(2);
}

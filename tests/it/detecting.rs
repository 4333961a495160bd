//! What is flagged: the rows that do not belong there, by the quantile rule, the same at every thread count.

use crate::traffic::{
    Row, STRANGE, blank_time, calm, cells, csv, found_rows, lines, strange_rows, traffic,
};
use crate::workdir::Workdir;

/// Time, value and score of every row of a table of scores of one value column.
fn scores(work: &Workdir, name: &str) -> Vec<(String, f64, f64)> {
    let text = work.text(name);
    let (header, rows) = cells(&text);
    assert_eq!(header, ["timestamp", "value", "score"]);
    let number = |cell: &str| cell.parse::<f64>().unwrap();
    rows.iter()
        .map(|row| (row[0].to_owned(), number(row[1]), number(row[2])))
        .collect()
}

/// Everything that a run wrote, without what may differ between two runs alike.
fn comparable(work: &Workdir, out: &str) -> Vec<(String, Vec<u8>)> {
    let mut contents = work.contents(out);
    for (name, bytes) in &mut contents {
        if name == "summary.json" {
            let text = String::from_utf8(std::mem::take(bytes)).unwrap();
            let mut summary: serde_json::Value =
                serde_json::from_str(&text.replace(out, "OUT")).unwrap();
            for varying in ["seconds", "run_id", "began", "ended"] {
                summary[varying] = 0.into();
            }
            summary["arguments"] = serde_json::json!([]);
            for input in summary["inputs"].as_array_mut().unwrap() {
                input["seconds"] = 0.into();
            }
            *bytes = summary.to_string().into_bytes();
        }
    }
    contents
}

/// Files of several sizes, kinds and fates.
fn mixed_folder() -> Workdir {
    let work = Workdir::new();
    work.write("logs/strange.csv", csv(&traffic()));
    work.write("logs/long.csv", csv(&calm(60_000)));
    work.write("logs/short.csv", csv(&calm(30)));
    work.write("logs/constant.csv", csv(&calm(50).map_values(|_| 7.0)));
    work.write("logs/broken.csv", "no,log\n1,2\n");
    for number in 0..6 {
        let rows = calm(500 + 100 * number).map_values(|value| value * value % 977.0);
        work.write(&format!("logs/deep/{number}.csv"), csv(&rows));
    }
    work
}

trait MapValues {
    fn map_values(self, change: impl Fn(f64) -> f64) -> Self;
}

impl MapValues for Vec<Row> {
    fn map_values(self, change: impl Fn(f64) -> f64) -> Self {
        self.into_iter()
            .map(|row| Row {
                value: change(row.value),
                ..row
            })
            .collect()
    }
}

#[test]
fn the_rows_that_do_not_belong_there_are_flagged_and_no_others() {
    let work = Workdir::with(&[("in.csv", &csv(&traffic()))]);
    work.run("scan in.csv -q").ends(0);
    let text = work.text("output/in_graph_anomalies_0.01.csv");
    assert_eq!(found_rows(&text), strange_rows());
    let (header, rows) = cells(&text);
    assert_eq!(
        header,
        [
            "timestamp",
            "value",
            "anomaly",
            "score",
            "direction",
            "expected",
            "ratio",
            "deviation"
        ]
    );
    for (row, (_, value)) in rows.iter().zip(STRANGE) {
        let score: f64 = row[3].parse().unwrap();
        assert!(score > 0.6 && score <= 1.0, "{row:?}");
        assert_eq!(row[4], if value > 1000.0 { "above" } else { "below" });
    }
}

#[test]
fn the_same_bytes_come_out_at_every_thread_count_and_memory_limit() {
    let work = mixed_folder();
    let flags = "--scores parquet -c 0.003";
    work.run(&format!("scan logs -q -j 1 -o reference {flags}"))
        .ends(1);
    let wanted = comparable(&work, "reference");
    assert_eq!(wanted.len(), 10 * 3 + 5);
    // With so little memory every row is set aside in scratch files.
    for (number, limits) in [
        "-j 2",
        "-j 8",
        "",
        "-j 1 --max-memory 200M",
        "-j 8 --max-memory 200M",
    ]
    .iter()
    .enumerate()
    {
        let out = format!("out{number}");
        work.run(&format!("scan logs -q -o {out} {flags} {limits}"))
            .ends(1);
        let found = comparable(&work, &out);
        for ((name, wanted), (other, found)) in wanted.iter().zip(&found) {
            assert_eq!(name, other);
            assert!(wanted == found, "{name} differs with {limits}");
        }
        assert_eq!(wanted.len(), found.len());
    }
}

#[test]
fn the_same_bytes_come_out_of_several_columns_at_every_thread_count() {
    let work = Workdir::with(&[("in.csv", &three_columns(5000))]);
    let flags = "--value-column bytes --value-column packets --value-column flows --scores csv --graph-format svg";
    for (out, limits) in [
        ("one", "-j 1"),
        ("two", "-j 2"),
        ("eight", "-j 8"),
        ("tight", "-j 2 --max-memory 200M"),
    ] {
        work.run(&format!("scan in.csv -q -o {out} {flags} {limits}"))
            .ends(0);
    }
    for out in ["two", "eight", "tight"] {
        assert!(comparable(&work, "one") == comparable(&work, out), "{out}");
    }
}

#[test]
fn a_result_depends_neither_on_the_path_nor_on_the_other_files() {
    let work = mixed_folder();
    work.write("elsewhere/under/another.name.csv", csv(&traffic()));
    work.run("scan logs -q --graphs none -o all").ends(1);
    work.run("scan elsewhere/under/another.name.csv -q --graphs none -o alone")
        .ends(0);
    assert_eq!(
        work.text("all/strange_graph_anomalies_0.01.csv"),
        work.text("alone/another.name_graph_anomalies_0.01.csv")
    );
}

#[test]
fn another_seed_gives_other_scores_and_the_same_seed_the_same() {
    let work = Workdir::with(&[("in.csv", &csv(&traffic()))]);
    for (out, seed) in [
        ("default", ""),
        ("same", "--seed 42"),
        ("other", "--seed 43"),
    ] {
        work.run(&format!(
            "scan in.csv -q --graphs none --scores csv -o {out} {seed}"
        ))
        .ends(0);
        assert_eq!(
            found_rows(&work.text(&format!("{out}/in_graph_anomalies_0.01.csv"))),
            strange_rows()
        );
    }
    let scores = |out: &str| work.text(&format!("{out}/in_scores.csv"));
    assert_eq!(scores("default"), scores("same"));
    assert_ne!(scores("default"), scores("other"));
    assert_eq!(work.json("other/summary.json")["seed"], 43);
}

#[test]
fn the_threshold_is_the_quantile_that_scikit_learn_takes() {
    let work = Workdir::with(&[("in.csv", &csv(&calm(777)))]);
    for rate in [0.001, 0.01, 0.1, 0.25, 0.5] {
        work.run(&format!(
            "scan in.csv -q --graphs none --scores csv -c {rate}"
        ))
        .ends(0);
        let rows = scores(&work, "output/in_scores.csv");
        let mut negated: Vec<f64> = rows.iter().map(|row| -row.2).collect();
        negated.sort_by(f64::total_cmp);
        // numpy.percentile(-score, 100 * rate), interpolated linearly.
        let place = rate * (negated.len() - 1) as f64;
        let (low, high) = (
            negated[place as usize],
            negated[(place as usize + 1).min(776)],
        );
        let wanted = -(low + (high - low) * place.fract());
        let combined = work.text("output/anomalies.csv");
        let threshold: f64 = cells(&combined).1[0][9].parse().unwrap();
        assert!((threshold - wanted).abs() < 1e-15, "{threshold} {wanted}");

        let above: Vec<[String; 3]> = rows
            .into_iter()
            .filter(|(.., score)| *score > threshold)
            .map(|(time, value, _)| [time, format!("{value:?}"), "-1".to_owned()])
            .collect();
        assert_eq!(
            work.json("output/summary.json")["totals"]["anomalies"],
            above.len()
        );
        assert_eq!(
            found_rows(&work.text(&format!("output/in_graph_anomalies_{rate}.csv"))),
            above
        );
    }
}

#[test]
fn a_threshold_can_be_set_outright() {
    let work = Workdir::with(&[("in.csv", &csv(&traffic()))]);
    work.run("scan in.csv -q --threshold 0.55 --scores csv")
        .ends(0);
    let above: Vec<[String; 3]> = scores(&work, "output/in_scores.csv")
        .into_iter()
        .filter(|(.., score)| *score > 0.55)
        .map(|(time, value, _)| [time, format!("{value:?}"), "-1".to_owned()])
        .collect();
    assert!(above.len() > STRANGE.len());
    assert_eq!(
        found_rows(&work.text("output/in_graph_anomalies_threshold_0.55.csv")),
        above
    );
    assert!(work.exists("output/in_graph_threshold_0.55.png"));
    let input = &work.json("output/summary.json")["inputs"][0];
    assert_eq!(input["threshold"], 0.55);
    assert_eq!(input["expected_anomalies"], serde_json::Value::Null);
    work.run("scan in.csv -q --threshold 1 -o none").ends(0);
    assert_eq!(work.json("none/summary.json")["totals"]["anomalies"], 0);
}

#[test]
fn every_way_to_give_the_rate_means_the_same() {
    let work = Workdir::with(&[("in.csv", &csv(&traffic()))]);
    let ways = [
        "-c 0.005",
        "-c0.005",
        "-c=0.005",
        "--c 0.005",
        "--contamination 0.005",
        "--contamination=0.005",
        "-c 5e-3",
        "-c 0.0050",
    ];
    work.run("scan in.csv -q -o reference -c 0.005").ends(0);
    let wanted = comparable(&work, "reference");
    let names: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "anomalies.csv",
            "anomalies.parquet",
            "in_graph_0.005.png",
            "in_graph_anomalies_0.005.csv",
            "incidents.csv",
            "incidents.parquet",
            "summary.json"
        ]
    );
    for (number, way) in ways.iter().enumerate() {
        let out = format!("way{number}");
        work.run(&format!("scan in.csv -q -o {out} {way}")).ends(0);
        assert!(comparable(&work, &out) == wanted, "{way}");
    }
    // Two of 400: the highest and the next.
    assert_eq!(
        work.json("reference/summary.json")["totals"]["anomalies"],
        2
    );
}

#[test]
fn rows_that_tie_with_the_threshold_are_not_flagged_and_the_summary_tells_both_counts() {
    // 40 rows of 400 share the strangest value, so that the 5 % rate falls among them.
    let rows: Vec<Row> = calm(400)
        .iter()
        .enumerate()
        .map(|(number, row)| Row {
            value: if number % 10 == 0 { 9e6 } else { row.value },
            ..*row
        })
        .collect();
    let work = Workdir::with(&[("in.csv", &csv(&rows))]);
    for (rate, expected, found) in [("0.05", 20.0, 0), ("0.125", 50.0, 50)] {
        work.run(&format!("scan in.csv -q --graphs none -c {rate}"))
            .ends(0);
        let input = &work.json("output/summary.json")["inputs"][0];
        assert_eq!(input["expected_anomalies"].as_f64(), Some(expected));
        assert_eq!(input["anomalies"], found, "{rate}");
    }
}

#[test]
fn samples_may_be_given_as_a_count_or_as_a_share() {
    let work = Workdir::with(&[("in.csv", &csv(&traffic()))]);
    for (out, flags) in [
        ("count", "--sample-size 100"),
        ("share", "--sample-size 0.25"),
    ] {
        work.run(&format!(
            "scan in.csv -q -o {out} --graphs none --scores csv {flags}"
        ))
        .ends(0);
    }
    assert_eq!(
        work.text("count/in_scores.csv"),
        work.text("share/in_scores.csv")
    );
    // More than there are rows, a single tree.
    work.run("scan in.csv -q -o all --graphs none --sample-size 100000")
        .ends(0);
    work.run("scan in.csv -q -o few --graphs none --trees 1 --sample-size 2")
        .ends(0);
}

/// Bytes, packets and flows of calm traffic, each with one row where it alone is far off.
fn three_columns(rows: usize) -> String {
    let mut text = "Timestamp,Flows,Bytes,Packets\n".to_owned();
    for (number, row) in calm(rows).iter().enumerate() {
        let (mut bytes, mut packets, mut flows) = (row.value, 500 + number % 31, 90 + number % 17);
        match number {
            40 => bytes = 1e6,
            80 => packets = 90_000,
            120 => flows = 0,
            _ => {}
        }
        text.push_str(&format!(
            "{},{flows},{bytes},{packets}\n",
            blank_time(row.time_us)
        ));
    }
    text
}

#[test]
fn several_columns_are_judged_together_and_the_one_that_stands_out_is_named() {
    let work = Workdir::with(&[("in.csv", &three_columns(300))]);
    let columns = "--value-column bytes --value-column packets --value-column flows";
    work.run(&format!("scan in.csv -q {columns} --scores csv"))
        .ends(0);
    let text = work.text("output/in_graph_anomalies_0.01.csv");
    let (header, rows) = cells(&text);
    assert_eq!(
        header,
        [
            "timestamp",
            "Bytes",
            "Packets",
            "Flows",
            "anomaly",
            "score",
            "direction",
            "column",
            "expected",
            "ratio",
            "deviation"
        ]
    );
    let time = |number: usize| blank_time(calm(300)[number].time_us);
    let told: Vec<[&str; 4]> = rows
        .iter()
        .map(|row| [row[0], row[4], row[6], row[7]])
        .collect();
    assert_eq!(
        told,
        [
            [time(40).as_str(), "-1", "above", "Bytes"],
            [time(80).as_str(), "-1", "above", "Packets"],
            [time(120).as_str(), "-1", "below", "Flows"],
        ]
    );
    assert_eq!(rows[0][1], "1000000.0");
    assert_eq!(rows[1][2], "90000.0");
    assert_eq!(rows[2][3], "0.0");

    let scores = work.text("output/in_scores.csv");
    let (header, rows) = cells(&scores);
    assert_eq!(header, ["timestamp", "Bytes", "Packets", "Flows", "score"]);
    assert_eq!(rows.len(), 300);
}

#[test]
fn a_row_needs_a_number_in_every_column_judged() {
    let text = three_columns(300).replace(",90,", ",,");
    let missing = three_columns(300).matches(",90,").count();
    let work = Workdir::with(&[("in.csv", &text)]);
    work.run("scan in.csv -q --graphs none --value-column bytes")
        .ends(0);
    assert_eq!(
        work.json("output/summary.json")["totals"]["dropped_rows"],
        0
    );

    let flows: Vec<&str> = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(1).unwrap())
        .collect();
    let empty = flows.iter().filter(|cell| cell.is_empty()).count();
    assert!(empty > 0 && empty <= missing);
    work.run("scan in.csv -q --graphs none --value-column bytes --value-column flows")
        .ends(0);
    assert_eq!(
        work.json("output/summary.json")["totals"]["dropped_rows"],
        empty
    );
}

#[test]
fn numbers_at_the_ends_of_their_range_are_judged_like_any_other() {
    let text = lines("timestamp,value", &calm(200), |row| {
        let value = match row.time_us / 300_000_000 % 50 {
            0 => "1.7976931348623157e308".to_owned(),
            1 => "-1.7976931348623157e308".to_owned(),
            2 => "5e-324".to_owned(),
            _ => row.value.to_string(),
        };
        format!("{},{value}", blank_time(row.time_us))
    });
    let work = Workdir::with(&[("in.csv", &text)]);
    work.run("scan in.csv -q -c 0.05").ends(0);
    let rows = found_rows(&work.text("output/in_graph_anomalies_0.05.csv"));
    let values: Vec<&str> = rows.iter().map(|[_, value, _]| value.as_str()).collect();
    let huge = values
        .iter()
        .filter(|value| value.ends_with("e308"))
        .count();
    assert_eq!((huge, values.len()), (8, 8));
}

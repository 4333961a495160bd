//! The same rows in whatever form they come give the same anomalies, and rows that cannot be used are told.

use polars::prelude::*;

use crate::traffic::{
    Row, START_US, STEP_US, blank_time, calm, csv, found_rows, gzip, lines, parquet, strange_rows,
    time, traffic, zstd,
};
use crate::workdir::Workdir;

/// Asserts that every one of the files, scanned together, gives the anomalies of [`traffic`] as plain CSV,
/// without a row dropped but those of `dropped`.
#[track_caller]
fn all_give_the_same(flags: &str, files: &[(&str, Vec<u8>)], dropped: u64) {
    let work = Workdir::with(&[("plain.csv", &csv(&traffic()))]);
    work.run("scan plain.csv -o plain -q --graphs none").ends(0);
    let wanted = work.text("plain/plain_graph_anomalies_0.01.csv");
    assert_eq!(found_rows(&wanted), strange_rows());
    for (name, bytes) in files {
        work.write(&format!("logs/{name}"), bytes);
        let out = format!("out-{name}");
        let run = work.run(&format!(
            "scan logs/{name} -o {out} -q --graphs none --output it {flags}"
        ));
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{name}");
        let found = work.text(&format!("{out}/it_graph_anomalies_0.01.csv"));
        assert_eq!(found, wanted, "{name}");
        let input = &work.json(&format!("{out}/summary.json"))["inputs"][0];
        assert_eq!(
            (&input["rows"], &input["dropped_rows"]),
            (&400.into(), &dropped.into()),
            "{name}"
        );
    }
}

/// The rows with each timestamp in the form that `write` gives it.
fn with_times(write: impl Fn(i64) -> String) -> Vec<u8> {
    let line = |row: &Row| format!("{},{}", write(row.time_us), row.value);
    lines("timestamp,value", &traffic(), line).into_bytes()
}

#[test]
fn any_delimiter_is_recognised() {
    let text = csv(&traffic());
    let with = |delimiter: &str| text.replace(',', delimiter).into_bytes();
    let files = [
        ("semicolon.csv", with(";")),
        ("tab.tsv", with("\t")),
        ("pipe.txt", with("|")),
        ("blanks.csv", with(" , ")),
    ];
    all_give_the_same("", &files, 0);
}

#[test]
fn packed_text_is_unpacked_with_all_its_members() {
    let text = csv(&traffic());
    // Cut within a line: members know nothing of lines.
    let (front, back) = text.as_bytes().split_at(text.len() / 2 + 3);
    let files = [
        ("one.csv.gz", gzip(text.as_bytes())),
        ("two.csv.gz", [gzip(front), gzip(back)].concat()),
        ("one.csv.zst", zstd(text.as_bytes())),
        ("two.csv.zst", [zstd(front), zstd(back)].concat()),
        (
            "two-and-empty.log.gz",
            [gzip(front), gzip(b""), gzip(back)].concat(),
        ),
        ("gzip-under-another-name.csv", gzip(text.as_bytes())),
    ];
    all_give_the_same("", &files, 0);
}

#[test]
fn habits_of_other_programs_do_not_matter() {
    let rows = traffic();
    let text = csv(&rows);
    let quoted = lines("\"timestamp\",\"value\"", &rows, |row| {
        format!("\"{}\",\"{}\"", blank_time(row.time_us), row.value)
    });
    let commented = lines("timestamp,note,value", &rows, |row| {
        format!(
            "{},\"a, \"\"b\"\"\nand c\",{}",
            blank_time(row.time_us),
            row.value
        )
    });
    let unquoted_inch = lines("timestamp,rack,value", &rows, |row| {
        format!("{},19\" wide,{}", blank_time(row.time_us), row.value)
    });
    let shuffled = lines("host;VALUE ; port; TimeStamp", &rows, |row| {
        format!("alpha;{};443;{}", row.value, blank_time(row.time_us))
    });
    let trailing = lines("timestamp,value", &rows, |row| {
        format!("{},{},,", blank_time(row.time_us), row.value)
    });
    let exponents = lines("timestamp,value", &rows, |row| {
        format!("{},{:+e}", blank_time(row.time_us), row.value)
    });
    let files = [
        (
            "mark.csv",
            ["\u{feff}".as_bytes(), text.as_bytes()].concat(),
        ),
        ("crlf.csv", text.replace('\n', "\r\n").into_bytes()),
        (
            "mark-crlf-quoted.csv",
            format!("\u{feff}{quoted}")
                .replace('\n', "\r\n")
                .into_bytes(),
        ),
        ("quoted.csv", quoted.into_bytes()),
        ("quoted-line-ends.csv", commented.into_bytes()),
        ("quote-in-a-bare-field.csv", unquoted_inch.into_bytes()),
        (
            "blank-lines.csv",
            format!("\n\n{}\n \n", text.replace('\n', "\n\n")).into_bytes(),
        ),
        ("no-last-line-end.csv", text.trim_end().as_bytes().to_vec()),
        ("shuffled-columns.csv", shuffled.into_bytes()),
        ("trailing-delimiters.csv", trailing.into_bytes()),
        ("signs-and-exponents.csv", exponents.into_bytes()),
    ];
    all_give_the_same("", &files, 0);
}

#[test]
fn every_known_form_of_timestamp_is_recognised() {
    let iso = |format: &'static str| with_times(move |at| time(at, format));
    let east = |at: i64| at + 2 * 3_600_000_000;
    let files = [
        ("t.csv", iso("%Y-%m-%dT%H:%M:%S")),
        ("zulu.csv", iso("%Y-%m-%dT%H:%M:%SZ")),
        ("millis.csv", iso("%Y-%m-%d %H:%M:%S.000")),
        ("nanos.csv", iso("%Y-%m-%dT%H:%M:%S.000000000Z")),
        ("minutes.csv", iso("%Y-%m-%d %H:%M")),
        (
            "offset.csv",
            with_times(|at| time(east(at), "%Y-%m-%d %H:%M:%S+02:00")),
        ),
        (
            "offset-short.csv",
            with_times(|at| time(east(at), "%Y-%m-%dT%H:%M:%S+0200")),
        ),
        (
            "offset-west.csv",
            with_times(|at| time(at - 5_400_000_000, "%Y-%m-%d %H:%M:%S.0-01:30")),
        ),
        ("slashes.csv", iso("%Y/%m/%d %H:%M:%S")),
        ("access-log.csv", iso("%d/%b/%Y:%H:%M:%S +0000")),
        (
            "access-log-east.csv",
            with_times(|at| time(east(at), "[%d/%b/%Y:%H:%M:%S +0200]")),
        ),
        ("seconds.csv", with_times(|at| (at / 1_000_000).to_string())),
        (
            "decimal-seconds.csv",
            with_times(|at| format!("{}.000", at / 1_000_000)),
        ),
        ("milliseconds.csv", with_times(|at| (at / 1000).to_string())),
        ("microseconds.csv", with_times(|at| at.to_string())),
        ("nanoseconds.csv", with_times(|at| (at * 1000).to_string())),
    ];
    all_give_the_same("", &files, 0);
}

#[test]
fn a_form_of_timestamp_can_be_named() {
    let work = Workdir::new();
    work.write("in.csv", with_times(|at| time(at, "%d.%m.%Y %H:%M")));
    let run = work.run_args(&[
        "scan",
        "in.csv",
        "-q",
        "--timestamp-format",
        "%d.%m.%Y %H:%M",
    ]);
    run.ends(0);
    assert_eq!(
        found_rows(&work.text("output/in_graph_anomalies_0.01.csv")),
        strange_rows()
    );

    // Small numbers would be taken for seconds.
    let early = lines("timestamp,value", &traffic(), |row| {
        format!("{},{}", (row.time_us - START_US) / 1000, row.value)
    });
    work.write("early.csv", early);
    work.run("scan early.csv -q --timestamp-format epoch_ms")
        .ends(0);
    let found = work.text("output/early_graph_anomalies_0.01.csv");
    let times: Vec<String> = found_rows(&found)
        .into_iter()
        .map(|[time, ..]| time)
        .collect();
    assert_eq!(
        times,
        [
            "1970-01-01 04:10:00",
            "1970-01-01 12:30:00",
            "1970-01-01 20:50:00",
            "1970-01-02 05:10:00"
        ]
    );
}

#[test]
fn times_without_a_zone_are_read_in_the_one_named_and_others_in_their_own() {
    // Winter in Berlin is one hour ahead of UTC.
    let local = with_times(|at| time(at + 3_600_000_000, "%Y-%m-%d %H:%M:%S"));
    let naive: Vec<i64> = traffic()
        .iter()
        .map(|row| row.time_us + 3_600_000_000)
        .collect();
    let aware: Vec<i64> = traffic().iter().map(|row| row.time_us).collect();
    let files = [
        ("naive.csv", local),
        ("aware.csv", with_times(|at| time(at, "%Y-%m-%dT%H:%M:%SZ"))),
        ("epoch.csv", with_times(|at| (at / 1_000_000).to_string())),
        (
            "naive.parquet",
            parquet(vec![
                datetimes(&naive, TimeUnit::Microseconds, None),
                values(),
            ]),
        ),
        (
            "aware.parquet",
            parquet(vec![
                datetimes(&aware, TimeUnit::Microseconds, Some(TimeZone::UTC)),
                values(),
            ]),
        ),
    ];
    all_give_the_same("--timezone Europe/Berlin", &files, 0);
    all_give_the_same("--timezone +01:00", &files, 0);
}

fn datetimes(times_us: &[i64], unit: TimeUnit, zone: Option<TimeZone>) -> Column {
    let ticks: Vec<i64> = times_us
        .iter()
        .map(|&at| match unit {
            TimeUnit::Milliseconds => at / 1000,
            TimeUnit::Microseconds => at,
            TimeUnit::Nanoseconds => at * 1000,
        })
        .collect();
    let column = Column::new("timestamp".into(), ticks);
    column.cast(&DataType::Datetime(unit, zone)).unwrap()
}

fn values() -> Column {
    let values: Vec<f64> = traffic().iter().map(|row| row.value).collect();
    Column::new("value".into(), values)
}

#[test]
fn parquet_is_read_whatever_its_types() {
    let rows = traffic();
    let times: Vec<i64> = rows.iter().map(|row| row.time_us).collect();
    let datetimes = |unit, zone| datetimes(&times, unit, zone);
    let numbers = |scale: i64| {
        let ticks: Vec<i64> = times.iter().map(|at| at / scale).collect();
        Column::new("timestamp".into(), ticks)
    };
    let texts: Vec<String> = times
        .iter()
        .map(|&at| time(at, "%Y-%m-%dT%H:%M:%SZ"))
        .collect();
    let text_values: Vec<String> = rows.iter().map(|row| row.value.to_string()).collect();
    let hosts = Column::new("host".into(), vec!["alpha"; rows.len()]);
    let berlin = TimeZone::opt_try_new(Some("Europe/Berlin")).unwrap();
    let small: Vec<f32> = rows.iter().map(|row| row.value as f32).collect();
    let files = [
        (
            "ms.parquet",
            vec![datetimes(TimeUnit::Milliseconds, None), values()],
        ),
        (
            "us.parquet",
            vec![datetimes(TimeUnit::Microseconds, None), values()],
        ),
        (
            "ns.parquet",
            vec![datetimes(TimeUnit::Nanoseconds, None), values()],
        ),
        (
            "utc.parquet",
            vec![
                datetimes(TimeUnit::Nanoseconds, Some(TimeZone::UTC)),
                values(),
            ],
        ),
        (
            "berlin.parquet",
            vec![datetimes(TimeUnit::Milliseconds, berlin), values()],
        ),
        ("epoch-s.parquet", vec![numbers(1_000_000), values()]),
        ("epoch-ms.parquet", vec![numbers(1000), values()]),
        ("epoch-us.parquet", vec![numbers(1), values()]),
        (
            "text.parquet",
            vec![Column::new("timestamp".into(), texts), values()],
        ),
        (
            "text-values.parquet",
            vec![
                datetimes(TimeUnit::Microseconds, None),
                Column::new("value".into(), text_values),
            ],
        ),
        // Every value of the traffic is a whole number of quarters below 2^24.
        (
            "f32.parquet",
            vec![
                datetimes(TimeUnit::Microseconds, None),
                Column::new("value".into(), small),
            ],
        ),
        (
            "more-columns.parquet",
            vec![
                hosts,
                values().with_name(" VALUE".into()),
                datetimes(TimeUnit::Microseconds, None).with_name("Timestamp".into()),
            ],
        ),
    ];
    let files = files.map(|(name, columns)| (name, parquet(columns)));
    all_give_the_same("", &files, 0);
}

#[test]
fn whole_numbers_in_parquet_are_values_too() {
    let work = Workdir::new();
    let rows = calm(300);
    let whole: Vec<i64> = rows.iter().map(|row| row.value as i64).collect();
    let times: Vec<i64> = rows.iter().map(|row| row.time_us).collect();
    let text = lines("timestamp,value", &rows, |row| {
        format!("{},{}", blank_time(row.time_us), row.value as i64)
    });
    work.write("x.csv", text);
    work.run("scan x.csv -q -o text").ends(0);
    for kind in [
        DataType::Int64,
        DataType::Int32,
        DataType::UInt16,
        DataType::UInt32,
    ] {
        let values = Column::new("value".into(), &whole).cast(&kind).unwrap();
        work.write(
            "x.parquet",
            parquet(vec![
                datetimes(&times, TimeUnit::Microseconds, None),
                values,
            ]),
        );
        work.run("scan x.parquet -q -o table").ends(0);
        assert_eq!(
            work.text("table/x_graph_anomalies_0.01.csv"),
            work.text("text/x_graph_anomalies_0.01.csv"),
            "{kind}"
        );
    }
}

#[test]
fn rows_out_of_order_are_sorted_by_time() {
    let mut backwards = traffic();
    backwards.reverse();
    let shuffled: Vec<Row> = (0..400)
        .map(|number| traffic()[number * 171 % 400])
        .collect();
    let times = shuffled.iter().map(|row| row.time_us).collect::<Vec<_>>();
    let values: Vec<f64> = shuffled.iter().map(|row| row.value).collect();
    let table = vec![
        datetimes(&times, TimeUnit::Microseconds, None),
        Column::new("value".into(), values),
    ];
    let files = [
        ("backwards.csv", csv(&backwards).into_bytes()),
        ("shuffled.csv", csv(&shuffled).into_bytes()),
        ("shuffled.parquet", parquet(table)),
    ];
    all_give_the_same("", &files, 0);
}

#[test]
fn rows_of_one_time_are_all_kept_in_the_order_of_the_file() {
    let work = Workdir::new();
    let rows: Vec<Row> = traffic()
        .iter()
        .enumerate()
        .map(|(number, row)| Row {
            time_us: START_US + (number as i64 / 100) * STEP_US,
            ..*row
        })
        .collect();
    work.write("in.csv", csv(&rows));
    work.run("scan in.csv -q --scores csv").ends(0);
    let (_, scores) = cells(&work, "output/in_scores.csv");
    let wanted: Vec<(String, f64)> = rows
        .iter()
        .map(|row| (blank_time(row.time_us), row.value))
        .collect();
    assert_eq!(scores, wanted);
}

/// Header, and time and value of every row, of a table of scores.
fn cells(work: &Workdir, name: &str) -> (String, Vec<(String, f64)>) {
    let text = work.text(name);
    let mut lines = text.lines();
    let header = lines.next().unwrap().to_owned();
    let rows = lines.map(|line| {
        let mut cells = line.split(',');
        (
            cells.next().unwrap().to_owned(),
            cells.next().unwrap().parse().unwrap(),
        )
    });
    (header, rows.collect())
}

#[test]
fn rows_that_cannot_be_used_are_counted_and_the_first_three_named_with_their_line() {
    let work = Workdir::new();
    let mut text = csv(&traffic());
    // The header is line 1, the rows are lines 2 to 401, the blank line is 402.
    text.push_str(
        "\n\
         2026-01-03 00:00:00,\n\
         ,5\n\
         2026-01-03 00:00:00,NaN\n\
         2026-01-03 00:00:00,inf\n\
         2026-01-03 00:00:00,-Infinity\n\
         2026-01-03 00:00:00,1e999\n\
         2026-01-03 00:00:00,many\n\
         2026-01-03 00:00:00,12 kB\n\
         yesterday,5\n\
         2026-02-30 00:00:00,5\n\
         2026-01-03 00:00:00\n\
         2026-01-03 00:00:00,5,6\n",
    );
    work.write("in.csv", text);
    let run = work.run("scan in.csv -v").ends(0);
    let input = &work.json("output/summary.json")["inputs"][0];
    assert_eq!(input["rows"], 400);
    assert_eq!(input["dropped_rows"], 12);
    assert_eq!(
        input["first_dropped"],
        serde_json::json!([
            { "line": 403, "reason": "the value is empty" },
            { "line": 404, "reason": "the timestamp is empty" },
            { "line": 405, "reason": "the value \"NaN\" is not a number" },
        ])
    );
    assert_eq!(
        work.json("output/summary.json")["totals"]["dropped_rows"],
        12
    );
    assert!(
        run.stderr
            .contains("isoscan: in.csv: line 403: dropped: the value is empty\n")
    );
    assert_eq!(
        found_rows(&work.text("output/in_graph_anomalies_0.01.csv")),
        strange_rows()
    );
}

#[test]
fn every_reason_to_drop_a_row_is_told_with_the_value_found() {
    let good = csv(&traffic());
    for (line, reason) in [
        (
            "2026-01-03 00:00:00,inf",
            "the value \"inf\" is not a number",
        ),
        (
            "2026-01-03 00:00:00,1e999",
            "the value \"1e999\" is not a number",
        ),
        (
            "2026-01-03 00:00:00,12 kB",
            "the value \"12 kB\" is not a number",
        ),
        (
            "yesterday,5",
            "the timestamp \"yesterday\" does not fit the column's form",
        ),
        (
            "2026-02-30 00:00:00,5",
            "the timestamp \"2026-02-30 00:00:00\" does not fit the column's form",
        ),
        ("2026-01-03 00:00:00", "1 fields where 2 are needed"),
        ("2026-01-03 00:00:00,5,6", "3 fields where the header has 2"),
        (
            "2026-01-03 00:00:00,\"5",
            "a quote is not closed: \"2026-01-03 00:00:00,\"5\"",
        ),
    ] {
        let work = Workdir::with(&[("in.csv", &format!("{good}{line}\n"))]);
        work.run("scan in.csv -q --graphs none").ends(0);
        let input = &work.json("output/summary.json")["inputs"][0];
        assert_eq!(
            (&input["rows"], &input["first_dropped"]),
            (
                &400.into(),
                &serde_json::json!([{ "line": 402, "reason": reason }])
            ),
            "{line}"
        );
    }
}

#[test]
fn rows_of_parquet_that_cannot_be_used_are_counted_and_named_by_their_number() {
    let work = Workdir::new();
    let rows = traffic();
    let times: Vec<Option<i64>> = rows
        .iter()
        .enumerate()
        .map(|(number, row)| (number != 7).then_some(row.time_us))
        .collect();
    let values: Vec<Option<f64>> = rows
        .iter()
        .enumerate()
        .map(|(number, row)| match number {
            2 => None,
            201 => Some(f64::NAN),
            399 => Some(f64::INFINITY),
            _ => Some(row.value),
        })
        .collect();
    let times = Column::new("timestamp".into(), times)
        .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
        .unwrap();
    work.write(
        "in.parquet",
        parquet(vec![times, Column::new("value".into(), values)]),
    );
    work.run("scan in.parquet -q").ends(0);
    let input = &work.json("output/summary.json")["inputs"][0];
    assert_eq!(
        (&input["rows"], &input["dropped_rows"]),
        (&396.into(), &4.into())
    );
    assert_eq!(
        input["first_dropped"],
        serde_json::json!([
            { "line": 3, "reason": "the value is empty or no number" },
            { "line": 8, "reason": "the timestamp is empty" },
            { "line": 202, "reason": "the value NaN is not a number" },
        ])
    );
}

#[test]
fn minus_zero_is_zero() {
    let rows = traffic();
    let text = csv(&rows);
    let minus = text.replace(",0\n", ",-0\n");
    assert_ne!(text, minus);
    let values: Vec<f64> = rows
        .iter()
        .map(|row| if row.value == 0.0 { -0.0 } else { row.value })
        .collect();
    let times: Vec<i64> = rows.iter().map(|row| row.time_us).collect();
    let table = vec![
        datetimes(&times, TimeUnit::Microseconds, None),
        Column::new("value".into(), values),
    ];
    let files = [
        ("minus.csv", minus.into_bytes()),
        (
            "minus-point.csv",
            text.replace(",0\n", ",-0.0\n").into_bytes(),
        ),
        (
            "minus-exponent.csv",
            text.replace(",0\n", ",-0e0\n").into_bytes(),
        ),
        ("minus.parquet", parquet(table)),
    ];
    all_give_the_same("", &files, 0);
}

#[test]
fn other_columns_can_be_named() {
    let work = Workdir::new();
    let text = lines("Time,Bytes,Value", &traffic(), |row| {
        format!("{},{},1", blank_time(row.time_us), row.value)
    });
    work.write("in.csv", text);
    work.run("scan in.csv -q --timestamp-column time --value-column BYTES")
        .ends(0);
    assert_eq!(
        found_rows(&work.text("output/in_graph_anomalies_0.01.csv")),
        strange_rows()
    );
}

#[test]
fn a_text_of_many_blocks_loses_no_row_and_counts_its_lines() {
    // Some 2.5 MB: several times what is parsed at once, with line ends anywhere in a block.
    let rows = calm(90_000);
    let plain = csv(&rows);
    let line = 80_002;
    let broken: String = plain
        .lines()
        .enumerate()
        .map(|(number, text)| {
            if number + 1 == line {
                "broken,\n".to_owned()
            } else {
                format!("{text}\n")
            }
        })
        .collect();
    let quoted = lines("timestamp,value", &rows, |row| {
        format!("\"{}\",\"{}\"", blank_time(row.time_us), row.value)
    });
    let work = Workdir::new();
    work.write("plain.csv", &plain);
    work.write("quoted.csv", &quoted);
    work.write("broken.csv", &broken);
    work.write("packed.csv.gz", gzip(broken.as_bytes()));
    work.run_args(&[
        "scan", "*.csv*", "-q", "--graphs", "none", "--scores", "csv",
    ])
    .ends(0);
    let summary = work.json("output/summary.json");
    let rows_of = |input: &serde_json::Value| input["rows"].as_u64().unwrap();
    let inputs = summary["inputs"].as_array().unwrap();
    assert_eq!(
        inputs.iter().map(rows_of).collect::<Vec<_>>(),
        [89_999, 89_999, 90_000, 90_000]
    );
    for input in &inputs[..2] {
        assert_eq!(input["first_dropped"][0]["line"], line);
    }
    assert_eq!(
        work.bytes("output/plain_scores.csv"),
        work.bytes("output/quoted_scores.csv")
    );
    assert_eq!(
        work.bytes("output/broken_scores.csv"),
        work.bytes("output/packed_scores.csv")
    );
}

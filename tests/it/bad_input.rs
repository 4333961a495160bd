//! What bad input gets: one line that names it, the right exit code, and its neighbours scanned.

use crate::traffic::{Row, calm, csv, gzip, lines, parquet, traffic, zstd};
use crate::workdir::Workdir;
use polars::prelude::*;

/// Inputs that cannot be scanned: file name, content, and what is said after the name.
fn broken() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let text = csv(&traffic());
    let packed = gzip(text.as_bytes());
    let mut corrupt_gzip = packed.clone();
    let last = corrupt_gzip.len() - 6;
    corrupt_gzip[last] ^= 0xff;
    let frame = zstd(text.as_bytes());
    let mut corrupt_zstd = frame.clone();
    let last = corrupt_zstd.len() - 1;
    corrupt_zstd[last] ^= 0xff;
    let times: Vec<i64> = traffic().iter().map(|row| row.time_us).collect();
    let values: Vec<f64> = traffic().iter().map(|row| row.value).collect();
    let table = parquet(vec![
        Column::new("timestamp".into(), &times),
        Column::new("value".into(), &values),
    ]);
    let other_table = parquet(vec![
        Column::new("when".into(), &times),
        Column::new("bytes".into(), &values),
    ]);
    let utf16 = |mark: &[u8], unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
        mark.iter()
            .copied()
            .chain(text.encode_utf16().flat_map(unit))
            .collect()
    };
    vec![
        (
            "all-bad.csv",
            b"timestamp,value\n2026-01-01 00:00:00,many\n2026-01-01 00:05:00,\n".to_vec(),
            "line 2: no usable row among 2; the first is dropped because the value \"many\" is not a number",
        ),
        (
            "all-bad-times.csv",
            b"timestamp,value\nyesterday,5\ntoday,6\n".to_vec(),
            "line 2: the timestamp \"yesterday\" is not in a recognised format; try --timestamp-format '%d.%m.%Y %H:%M'",
        ),
        (
            "binary.csv",
            b"\x00\x01\x02timestamp,value\n".to_vec(),
            "binary content, no text log: byte 1 is NUL",
        ),
        (
            "binary-later.csv",
            b"timestamp,value\n2026-01-01 00:00:00,\x005\n".to_vec(),
            "binary content, no text log: byte 37 is NUL",
        ),
        (
            "blank-lines.csv",
            b"\n \n\r\n".to_vec(),
            "the file has nothing but blank lines",
        ),
        (
            "corrupt.csv.gz",
            corrupt_gzip,
            "cannot be read: corrupt gzip stream does not have a matching checksum",
        ),
        (
            "corrupt.csv.zst",
            corrupt_zstd,
            "cannot be read: Restored data doesn't match checksum",
        ),
        ("empty.csv", Vec::new(), "the file is empty"),
        (
            "header.csv",
            b"timestamp,value\n".to_vec(),
            "there is a header and no row",
        ),
        (
            "header-and-blank-lines.csv",
            b"timestamp,value\n\n\n".to_vec(),
            "no row has a timestamp",
        ),
        (
            "no-line-end.csv",
            b"timestamp,value".to_vec(),
            "there is a header and no row",
        ),
        (
            "picture.csv",
            b"\x89PNG\r\n\x1a\n".to_vec(),
            "the content is a picture",
        ),
        (
            "truncated.csv.gz",
            packed[..packed.len() / 2].to_vec(),
            "cannot be read: incomplete deflate stream",
        ),
        (
            "truncated.csv.zst",
            frame[..frame.len() / 2].to_vec(),
            "cannot be read: incomplete frame",
        ),
        (
            "truncated.parquet",
            table[..table.len() / 2].to_vec(),
            "not a whole parquet file: it does not end with PAR1",
        ),
        (
            "utf16-big.csv",
            utf16(b"\xfe\xff", u16::to_be_bytes),
            "the content is UTF-16 text: convert it to UTF-8 first",
        ),
        (
            "utf16-little.csv",
            utf16(b"\xff\xfe", u16::to_le_bytes),
            "the content is UTF-16 text: convert it to UTF-8 first",
        ),
        (
            "wrong-column.csv",
            text.replace("timestamp,value", "Time;bytes in")
                .into_bytes(),
            "line 1: no column \"value\": the columns are Time, bytes in (choose one with --value-column)",
        ),
        (
            "wrong-column.parquet",
            other_table,
            "no column \"timestamp\", no column \"value\": the columns are when, bytes (choose with --timestamp-column and --value-column)",
        ),
        (
            "wrong-value-column.csv",
            b"timestamp,bytes,packets\n2026-01-01 00:00:00,1,2\n2026-01-01 00:05:00,3,4\n".to_vec(),
            "line 1: no column \"value\": the columns are timestamp, bytes, packets (choose one with --value-column)",
        ),
        (
            "zip.csv",
            b"PK\x03\x04rest".to_vec(),
            "the content is a zip archive, which is not read: unpack it first",
        ),
    ]
}

#[test]
fn each_bad_file_alone_ends_with_one_line_that_names_it() {
    for (name, bytes, reason) in broken() {
        let work = Workdir::new();
        work.write(name, bytes);
        let run = work.run(&format!("scan {name} -q --scores csv"));
        assert_eq!(
            (run.code, run.stderr),
            (1, format!("isoscan: {name}: {reason}\n"))
        );
        assert_eq!(run.stdout, "");
        assert_eq!(
            work.files("output"),
            [
                "anomalies.csv",
                "anomalies.parquet",
                "incidents.csv",
                "incidents.parquet",
                "summary.json"
            ],
            "{name}"
        );
        let input = &work.json("output/summary.json")["inputs"][0];
        assert_eq!(
            (&input["status"], &input["error"]),
            (&"error".into(), &reason.into())
        );
    }
}

#[test]
fn bad_files_cost_themselves_alone_and_leave_no_output() {
    let work = Workdir::new();
    let text = csv(&traffic());
    work.write("logs/a.csv", &text);
    work.write("logs/zz/z.csv.gz", gzip(text.as_bytes()));
    let mut wanted = Vec::new();
    for (name, bytes, reason) in broken() {
        work.write(&format!("logs/{name}"), bytes);
        wanted.push(format!("isoscan: logs/{name}: {reason}"));
    }
    let run = work.run("scan logs nowhere.csv -q --scores csv").ends(1);
    wanted.push(
        "isoscan: nowhere.csv: cannot be opened: No such file or directory (os error 2)".to_owned(),
    );
    let mut said = run.said();
    said.sort();
    wanted.sort();
    assert_eq!(said, wanted);
    assert_eq!(
        work.files("output"),
        [
            "a_graph_0.01.png",
            "a_graph_anomalies_0.01.csv",
            "a_scores.csv",
            "anomalies.csv",
            "anomalies.parquet",
            "incidents.csv",
            "incidents.parquet",
            "summary.json",
            "zz/z_graph_0.01.png",
            "zz/z_graph_anomalies_0.01.csv",
            "zz/z_scores.csv",
        ]
    );
    let totals = &work.json("output/summary.json")["totals"];
    assert_eq!(
        (&totals["ok"], &totals["failed"]),
        (&2.into(), &wanted.len().into())
    );
    assert_eq!(
        (&totals["rows"], &totals["anomalies"]),
        (&800.into(), &8.into())
    );
}

#[test]
fn the_line_of_an_unknown_timestamp_is_told_where_blank_lines_go_before_it() {
    let work = Workdir::with(&[("in.csv", "\ntimestamp,value\n\n,5\nyesterday,5\n")]);
    let run = work.run("scan in.csv -q").ends(1);
    assert_eq!(
        run.stderr,
        "isoscan: in.csv: line 5: the timestamp \"yesterday\" is not in a recognised format; try --timestamp-format '%d.%m.%Y %H:%M'\n"
    );
}

#[test]
fn parquet_cut_within_its_data_is_told_as_such() {
    let work = Workdir::new();
    let times: Vec<i64> = traffic().iter().map(|row| row.time_us).collect();
    let values: Vec<f64> = traffic().iter().map(|row| row.value).collect();
    let mut table = parquet(vec![
        Column::new("timestamp".into(), times),
        Column::new("value".into(), values),
    ]);
    for byte in &mut table[8..200] {
        *byte = !*byte;
    }
    work.write("in.parquet", table);
    let run = work.run("scan in.parquet -q").ends(1);
    assert_eq!(run.said().len(), 1, "{}", run.stderr);
    assert!(
        run.stderr
            .starts_with("isoscan: in.parquet: the parquet data cannot be read"),
        "{}",
        run.stderr
    );
    let run = work.run_fed("scan - -q", work.bytes("in.parquet")).ends(1);
    assert_eq!(
        run.stderr,
        "isoscan: -: parquet cannot be read from a pipe: name the file\n"
    );
}

#[test]
fn empty_standard_input_is_an_error_that_names_it() {
    let work = Workdir::new();
    let run = work.run_fed("scan - -q", "").ends(1);
    assert_eq!(run.stderr, "isoscan: -: the file is empty\n");
    assert_eq!(
        work.json("output/summary.json")["inputs"][0]["path"],
        "stdin"
    );
}

#[test]
fn a_missing_file_is_an_error_that_names_it() {
    let work = Workdir::with(&[("there.csv", &csv(&traffic()))]);
    let run = work.run("scan nowhere.csv there.csv -q").ends(1);
    assert_eq!(
        run.stderr,
        "isoscan: nowhere.csv: cannot be opened: No such file or directory (os error 2)\n"
    );
    assert!(work.exists("output/there_graph_0.01.png"));
    let inputs = &work.json("output/summary.json")["inputs"];
    assert_eq!(
        (
            &inputs[0]["path"],
            &inputs[0]["status"],
            &inputs[1]["status"]
        ),
        (&"nowhere.csv".into(), &"error".into(), &"ok".into())
    );
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_opened_is_an_error_that_names_it() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let work = Workdir::new();
    work.write("logs/good.csv", csv(&traffic()));
    symlink("circle.csv", work.path("circle.csv")).unwrap();
    let run = work.run("scan circle.csv logs -q").ends(1);
    assert_eq!(run.said().len(), 1);
    assert!(
        run.stderr
            .starts_with("isoscan: circle.csv: cannot be opened: "),
        "{}",
        run.stderr
    );

    work.write("logs/locked.csv", csv(&traffic()));
    let locked = work.path("logs/locked.csv");
    std::fs::set_permissions(&locked, PermissionsExt::from_mode(0o000)).unwrap();
    if std::fs::File::open(&locked).is_ok() {
        eprintln!("not shown: this user may read every file");
        return;
    }
    let run = work.run("scan logs -q -o locked").ends(1);
    assert_eq!(
        run.stderr,
        "isoscan: logs/locked.csv: cannot be read: Permission denied (os error 13)\n"
    );
    assert!(work.exists("locked/good_graph_0.01.png"));
}

#[test]
fn one_row_and_equal_values_have_no_anomalies_and_say_so() {
    let constant = lines("timestamp,value", &calm(300), |row| {
        format!("{},5", crate::traffic::blank_time(row.time_us))
    });
    let work = Workdir::with(&[("constant.csv", &constant), ("one.csv", &csv(&calm(1)))]);
    for flags in ["", "-c 0.5", "--threshold 0"] {
        let run = work
            .run(&format!("scan constant.csv one.csv {flags}"))
            .ends(0);
        assert_eq!(
            run.said()[..4],
            [
                "isoscan: constant.csv: all values are equal: no anomalies",
                "isoscan: one.csv: one row only: nothing to compare it with, no anomalies",
                "files         2 scanned, 2 not judged",
                "rows          301",
            ]
        );
        assert_eq!(work.text("output/anomalies.csv").lines().count(), 1);
        let inputs = &work.json("output/summary.json")["inputs"];
        assert_eq!(inputs[0]["note"], "all values are equal: no anomalies");
        assert_eq!(
            inputs[1]["note"],
            "one row only: nothing to compare it with, no anomalies"
        );
    }
}

#[test]
fn few_rows_are_scanned_without_flagging_them_all() {
    let work = Workdir::new();
    for rows in 2..12 {
        work.write(&format!("logs/{rows:02}.csv"), csv(&calm(rows)));
    }
    work.run("scan logs -q").ends(0);
    for input in work.json("output/summary.json")["inputs"]
        .as_array()
        .unwrap()
    {
        assert!(input["anomalies"].as_u64().unwrap() <= 1, "{input}");
    }
}

#[test]
fn a_lone_quote_costs_its_own_line_alone() {
    let text = csv(&traffic());
    let rows: Vec<&str> = text.lines().collect();
    for quoted in [
        rows[11].replace(',', ",\""),
        format!("\"{}", rows[11]),
        rows[11].replace(',', "\",\""),
    ] {
        let work = Workdir::with(&[("in.csv", &text.replace(rows[11], &quoted))]);
        work.run("scan in.csv -q --graphs none").ends(0);
        let input = &work.json("output/summary.json")["inputs"][0];
        assert_eq!(
            (&input["rows"], &input["dropped_rows"]),
            (&399.into(), &1.into()),
            "{quoted}"
        );
        assert_eq!(input["first_dropped"][0]["line"], 12, "{quoted}");
        assert_eq!(input["anomalies"], 4);
    }
}

#[test]
fn a_line_without_end_is_refused_and_ends_the_scan_of_its_file() {
    let work = Workdir::new();
    work.write(
        "endless.csv",
        [
            b"timestamp,value\n2026-01-01 00:00:00,5\n".to_vec(),
            vec![b'x'; 3 << 20],
        ]
        .concat(),
    );
    let run = work.run("scan endless.csv -q").ends(1);
    assert_eq!(
        run.stderr,
        "isoscan: endless.csv: a line longer than 1 MiB: no text log\n"
    );
    work.write("header.csv", vec![b'x'; 3 << 20]);
    let run = work.run("scan header.csv -q").ends(1);
    assert_eq!(run.said().len(), 1);
    assert!(
        run.stderr
            .starts_with("isoscan: header.csv: the first line is longer than"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.len() < 200);
}

#[test]
fn settings_out_of_range_are_refused_before_anything_is_read_or_written() {
    let work = Workdir::with(&[("in.csv", &csv(&traffic()))]);
    for (flags, wanted) in [
        ("-c 0", "0 is outside (0, 0.5]"),
        ("-c 0.7", "0.7 is outside (0, 0.5]"),
        ("-c -0.1", "-0.1 is outside (0, 0.5]"),
        ("-c NaN", "NaN is outside (0, 0.5]"),
        ("-c inf", "inf is outside (0, 0.5]"),
        ("-c few", "\"few\" is not a number"),
        ("--trees 0", "--trees"),
        ("--trees -1", "--trees"),
        ("--trees many", "--trees"),
        ("--sample-size 0", "--sample-size"),
        ("--sample-size 1.5", "--sample-size"),
        ("--sample-size -5", "--sample-size"),
        ("--seed -1", "--seed"),
        ("--threads -1", "--threads"),
        ("--threshold 1.5", "--threshold 1.5 is outside [0, 1]"),
        ("--threshold NaN", "--threshold NaN is outside [0, 1]"),
        ("--threshold 0.5 -c 0.1", "cannot be used with"),
        ("--graphs some", "--graphs"),
        ("--graph-format gif", "--graph-format"),
        ("--scores json", "--scores"),
        ("--y-scale wide", "--y-scale"),
        ("--color maybe", "--color"),
        ("--timezone Mars/Base", "Mars/Base"),
        ("--timestamp-format %Q", "--timestamp-format \"%Q\""),
        ("--max-memory 1", "--max-memory"),
        (
            "--value-column value --value-column Value",
            "--value-column Value is given twice",
        ),
        ("--quiet --verbose", "cannot be used with"),
        ("--contaminaton 0.1", "--contaminaton"),
    ] {
        let run = work.run(&format!("scan in.csv {flags}"));
        assert_eq!(run.code, 2, "{flags}: {}", run.stderr);
        assert_eq!(run.said().len(), 1, "{flags}: {}", run.stderr);
        assert!(
            run.stderr.starts_with("isoscan: ") && run.stderr.contains(wanted),
            "{flags}: {}",
            run.stderr
        );
        assert_eq!(run.stdout, "");
    }
    for (arguments, wanted) in [
        (
            "scan",
            "isoscan: no input: name files, folders, quoted globs, or - for standard input\n",
        ),
        (
            "",
            "isoscan: no command: try 'isoscan scan PATH' or 'isoscan --help'\n",
        ),
        (
            "frobnicate",
            "isoscan: unrecognized subcommand 'frobnicate'\n",
        ),
    ] {
        assert_eq!(work.run(arguments).ends(2).stderr, wanted);
    }
    // A hint that helps stays, set apart from what is wrong.
    assert_eq!(
        work.run("scan in.csv --contaminaton 0.1").ends(2).stderr,
        "isoscan: unexpected argument '--contaminaton': did you mean --contamination?\n"
    );
    assert_eq!(work.files(""), ["in.csv"]);
}

#[test]
fn an_output_folder_that_cannot_be_written_is_an_error_that_names_it() {
    let work = Workdir::with(&[
        ("in.csv", &csv(&traffic())),
        ("taken", "a file in its place"),
    ]);
    for out in ["taken", "taken/below"] {
        let run = work.run(&format!("scan in.csv -o {out}")).ends(1);
        assert_eq!(run.said().len(), 1, "{}", run.stderr);
        assert!(
            run.stderr.starts_with(&format!("isoscan: {out}: ")),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains("cannot be written"), "{}", run.stderr);
    }
    assert_eq!(work.files(""), ["in.csv", "taken"]);
}

#[test]
fn an_output_that_cannot_be_written_costs_its_own_input_alone() {
    let work = Workdir::new();
    work.write("logs/a/x.csv", csv(&traffic()));
    work.write("logs/b.csv", csv(&traffic()));
    work.write("output/a", "a file where a folder is needed");
    let run = work.run("scan logs -q").ends(1);
    assert_eq!(run.said().len(), 1, "{}", run.stderr);
    assert!(
        run.stderr.contains("a: cannot be written"),
        "{}",
        run.stderr
    );
    assert_eq!(
        work.files("output"),
        [
            "a",
            "anomalies.csv",
            "anomalies.parquet",
            "b_graph_0.01.png",
            "b_graph_anomalies_0.01.csv",
            "incidents.csv",
            "incidents.parquet",
            "summary.json"
        ]
    );
}

#[test]
fn an_input_whose_last_output_cannot_be_written_leaves_none_of_the_others() {
    let work = Workdir::with(&[("in.csv", &csv(&traffic()))]);
    // A folder that is not empty cannot be replaced by a file.
    work.write("output/in_graph_0.01.png/full", "");
    let run = work.run("scan in.csv -q").ends(1);
    assert_eq!(run.said().len(), 1, "{}", run.stderr);
    assert!(
        run.stderr
            .contains("in_graph_0.01.png: cannot be written: "),
        "{}",
        run.stderr
    );
    assert_eq!(
        work.files("output"),
        [
            "anomalies.csv",
            "anomalies.parquet",
            "in_graph_0.01.png/full",
            "incidents.csv",
            "incidents.parquet",
            "summary.json"
        ]
    );
}

#[test]
fn the_first_bad_file_of_many_does_not_stop_a_batch() {
    let work = Workdir::new();
    for number in 0..40 {
        let name = format!("logs/{number:02}.csv");
        match number % 10 {
            0 => work.write(&name, ""),
            _ => {
                let rows: Vec<Row> = calm(100 + number);
                work.write(&name, csv(&rows));
            }
        }
    }
    let run = work.run("scan logs -q --graphs none").ends(1);
    let wanted: Vec<String> = (0..4)
        .map(|number| format!("isoscan: logs/{number}0.csv: the file is empty"))
        .collect();
    assert_eq!(run.said(), wanted);
    let totals = &work.json("output/summary.json")["totals"];
    assert_eq!((&totals["ok"], &totals["failed"]), (&36.into(), &4.into()));
}

//! Content made to hurt, inputs that change while they are read, odd names, and small machines: each
//! ends in a scan or in one line that names the input, and the inputs beside it are scanned.
#![cfg(unix)]

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::time::Duration;

use polars::prelude::*;

use crate::traffic::{calm, csv, found_rows, gzip, parquet, strange_rows, traffic, zstd};
use crate::workdir::{Run, Workdir, finish};

const TIME: &str = "2026-01-01 00:00:00";

/// The one line that a scan of `content`, under `name`, ends with.
#[track_caller]
fn refusal(name: &str, content: impl AsRef<[u8]>, flags: &str) -> String {
    let work = Workdir::new();
    work.write(name, content);
    work.write("neighbour.csv", csv(&traffic()));
    let run = work
        .run(&format!("scan {name} neighbour.csv -q {flags}"))
        .ends(1);
    assert_eq!(run.said().len(), 1, "{}", run.stderr);
    let summary = work.json("output/summary.json");
    let statuses: Vec<&str> = summary["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|input| input["status"].as_str().unwrap())
        .collect();
    assert!(statuses.contains(&"ok") && statuses.contains(&"error"));
    run.said()[0]
        .strip_prefix(&format!("isoscan: {name}: "))
        .unwrap_or_else(|| panic!("{}", run.stderr))
        .to_owned()
}

/// Usable and dropped rows of a text that is scanned, with its graph.
#[track_caller]
fn counts(content: impl AsRef<[u8]>) -> (u64, u64) {
    let work = Workdir::new();
    work.write("in.csv", content);
    work.run("scan in.csv -q --scores csv --max-dropped 1")
        .ends(0);
    let input = &work.json("output/summary.json")["inputs"][0];
    let rows = input["rows"].as_u64().unwrap();
    let scores = work.text("output/in_scores.csv");
    assert_eq!(scores.lines().count() as u64, rows + 1);
    (rows, input["dropped_rows"].as_u64().unwrap())
}

/// Runs the program in a shell, behind `before`, such as a limit.
fn limited(work: &Workdir, before: &str, arguments: &str) -> Run {
    let script = format!("{before}; exec \"$0\" {arguments}");
    let mut command = Command::new("sh");
    command
        .args(["-c", &script, env!("CARGO_BIN_EXE_isoscan")])
        .current_dir(work.path(""));
    finish(&mut command, b"")
}

fn fifo(work: &Workdir, name: &str) {
    let made = Command::new("mkfifo").arg(work.path(name)).status();
    assert!(made.unwrap().success());
}

/// Text of more than the 64 KiB that are looked at first, in lines of the clean form.
fn beyond_the_head() -> String {
    csv(&calm(4000))
}

#[test]
fn packed_text_is_recognised_by_its_content_and_read_with_all_its_parts() {
    let text = csv(&traffic());
    let (front, back) = text.as_bytes().split_at(text.len() / 3);
    let work = Workdir::new();
    work.write("plain.csv", &text);
    work.write("gzip.csv", [gzip(front), gzip(b""), gzip(back)].concat());
    work.write("zstd.csv.gz", [zstd(front), zstd(back)].concat());
    work.write("text.csv.gz", &text);
    work.write(
        "padded.csv.gz",
        [gzip(text.as_bytes()), vec![0; 10_240]].concat(),
    );
    // A frame to be skipped, as parallel packers write one in front.
    let skipped = b"\x50\x2a\x4d\x18\x04\0\0\0abcd".to_vec();
    work.write("framed.csv.zst", [skipped, zstd(text.as_bytes())].concat());
    work.run("scan plain.csv gzip.csv zstd.csv.gz text.csv.gz padded.csv.gz framed.csv.zst -q")
        .ends(0);
    for input in work.json("output/summary.json")["inputs"]
        .as_array()
        .unwrap()
    {
        assert_eq!(
            (&input["rows"], &input["dropped_rows"]),
            (&400.into(), &0.into()),
            "{input}"
        );
    }
}

#[test]
fn garbage_behind_packed_text_is_an_error() {
    let text = csv(&traffic());
    for packed in [gzip(text.as_bytes()), zstd(text.as_bytes())] {
        let said = refusal("in.csv", [&packed[..], b"garbage"].concat(), "");
        assert!(said.starts_with("cannot be read: "), "{said}");
    }
}

#[test]
fn a_bomb_is_read_in_constant_memory_and_refused_where_a_limit_is_set() {
    let rows = csv(&traffic());
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(rows.as_bytes()).unwrap();
    for _ in 0..512 {
        packer.write_all(&[b'\n'; 1 << 20]).unwrap();
    }
    let bomb = packer.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    for name in ["bomb.csv.gz", "bomb.csv"] {
        assert_eq!(
            refusal(name, &bomb, "--max-input-bytes 100K"),
            "more than 102400 bytes once unpacked, the limit set with --max-input-bytes"
        );
    }
    let work = Workdir::new();
    work.write("bomb.csv.gz", &bomb);
    let mut child = work
        .command()
        .args(["scan", "bomb.csv.gz", "-q", "--max-memory", "256M"])
        .spawn()
        .unwrap();
    let peak = peak_memory(&mut child);
    assert!(child.wait().unwrap().success());
    assert_eq!(work.json("output/summary.json")["totals"]["rows"], 400);
    assert!(peak < 256 << 20, "{peak}");

    let work = Workdir::new();
    work.write("in.csv", &rows);
    work.run(&format!("scan in.csv -q --max-input-bytes {}", rows.len()))
        .ends(0);
    work.run("scan in.csv -q --max-input-bytes many").ends(2);
}

/// The most memory that `child` was seen to take, in bytes; 0 where the system does not tell.
fn peak_memory(child: &mut std::process::Child) -> u64 {
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let high = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = high.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or_default() << 10);
        std::thread::sleep(Duration::from_millis(5));
    }
    peak
}

#[test]
fn a_line_of_a_gibibyte_is_refused_before_it_is_read() {
    let work = Workdir::new();
    for front in [csv(&traffic()), beyond_the_head()] {
        let mut child = work
            .command()
            .args(["scan", "-", "-q"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(front.as_bytes()).unwrap();
        let line = vec![b'x'; 1 << 20];
        let written = (0..1024)
            .take_while(|_| pipe.write_all(&line).is_ok())
            .count();
        drop(pipe);
        let output = child.wait_with_output().unwrap();
        assert!(written < 16, "{written}");
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            "isoscan: -: a line longer than 1 MiB: no text log\n"
        );
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn a_hole_in_a_file_is_refused_without_being_read_into_memory() {
    for (front, said) in [
        (String::new(), "binary content, no text log: byte 1 is NUL"),
        (csv(&calm(2)), "binary content, no text log: byte 70 is NUL"),
        (beyond_the_head(), "a line longer than 1 MiB: no text log"),
    ] {
        let work = Workdir::with(&[("hole.csv", &front)]);
        let file = OpenOptions::new()
            .write(true)
            .open(work.path("hole.csv"))
            .unwrap();
        file.set_len(1 << 30).unwrap();
        let run = work.run("scan hole.csv -q").ends(1);
        assert_eq!(run.stderr, format!("isoscan: hole.csv: {said}\n"));
    }
}

#[test]
fn a_million_columns_are_refused_by_name_and_many_in_one_row_cost_that_row() {
    let names: Vec<String> = (0..1_000_000).map(|number| format!("c{number}")).collect();
    let wide = format!("timestamp,value,{}\n", names.join(","));
    assert_eq!(
        refusal("wide.csv", wide, ""),
        "the first line is longer than 64 KiB: no text log"
    );
    let mut text = csv(&traffic());
    text.push_str(&format!("{TIME},5{}\n", ",1".repeat(400_000)));
    assert_eq!(counts(&text), (400, 1));
    let columns = (0..5000)
        .map(|number| format!(",c{number}"))
        .collect::<String>();
    let header = format!("timestamp,value{columns}");
    let wide = crate::traffic::lines(&header, &calm(300), |row| {
        format!(
            "{},{}{}",
            crate::traffic::blank_time(row.time_us),
            row.value,
            ",7".repeat(5000)
        )
    });
    assert_eq!(counts(&wide), (300, 0));
}

#[test]
fn nul_bytes_are_refused_wherever_they_stand() {
    let text = beyond_the_head();
    let late = text.replacen(
        &crate::traffic::blank_time(calm(3500)[3400].time_us),
        "2026\0",
        1,
    );
    assert_eq!(
        refusal("late.csv", late, ""),
        "line 3402: binary content, no text log: byte 5 of the line is NUL"
    );
    let unused = crate::traffic::lines("host,timestamp,value", &calm(4000), |row| {
        let host = if row.time_us == calm(3001)[3000].time_us {
            "a\0b"
        } else {
            "ab"
        };
        format!("{host},{},5", crate::traffic::blank_time(row.time_us))
    });
    assert_eq!(
        refusal("unused.csv", unused, ""),
        "line 3002: binary content, no text log: byte 2 of the line is NUL"
    );
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(
        refusal("no-mark.csv", wide, ""),
        "the content is UTF-16 text: convert it to UTF-8 first"
    );
}

#[test]
fn bytes_that_are_not_utf8_do_not_matter_in_columns_that_are_not_used() {
    let work = Workdir::new();
    let mut text = b"h\xf4te,timestamp,value\n".to_vec();
    for row in traffic() {
        text.extend_from_slice(b"caf\xe9 \xff\xfe,");
        let line = format!(
            "{},{}\n",
            crate::traffic::blank_time(row.time_us),
            row.value
        );
        text.extend_from_slice(line.as_bytes());
    }
    work.write("in.csv", text);
    work.run("scan in.csv -q").ends(0);
    assert_eq!(
        found_rows(&work.text("output/in_graph_anomalies_0.01.csv")),
        strange_rows()
    );
}

#[test]
fn quotes_out_of_place_swallow_no_row_in_silence() {
    let text = csv(&traffic());
    let lines: Vec<&str> = text.lines().collect();
    // Two lone quotes that would hold a hundred lines together.
    let opened = lines[100].replace(',', ",\"");
    let closed = format!("{}\"", lines[200]);
    let broken = text
        .replace(lines[100], &opened)
        .replace(lines[200], &closed);
    assert_eq!(counts(broken), (398, 2));
    for escaped in ["\"5 \\\"kB\\\" 6\"", "\"\\\"", "\"5\\\"", "\"\"\"5", "5\""] {
        let row = format!("{TIME},{escaped}");
        assert_eq!(
            counts(text.replace(lines[100], &row)),
            (399, 1),
            "{escaped}"
        );
    }
    // In a column that is not used, nobody can tell what the quotes hold together.
    let noted = crate::traffic::lines("timestamp,value,note", &traffic(), |row| {
        format!(
            "{},{},fine",
            crate::traffic::blank_time(row.time_us),
            row.value
        )
    });
    let lines: Vec<&str> = noted.lines().collect();
    let broken = noted
        .replace(lines[100], &lines[100].replace("fine", "\"fine"))
        .replace(lines[200], &lines[200].replace("fine", "fine\""));
    assert_eq!(
        refusal("in.csv", broken, ""),
        "line 101: a quoted field goes over lines that are rows by themselves: a quote is missing or out of place"
    );
    let told = noted.replace(
        lines[100],
        &lines[100].replace("fine", "\"fine,\n\"\"2\"\" and\nmore\""),
    );
    assert_eq!(counts(told), (400, 0));
}

#[test]
fn files_glued_together_lose_their_inner_headers_alone() {
    let text = csv(&traffic());
    assert_eq!(counts(text.repeat(3)), (1200, 2));
    assert_eq!(
        counts(text.replace('\n', "\r\n") + "\u{feff}" + &text),
        (800, 1)
    );
    // Behind another delimiter no row can be used, and each is counted.
    assert_eq!(
        counts(format!("{text}{}", text.replace(',', ";"))),
        (400, 401)
    );
    let seconds = |swapped: bool| {
        let header = if swapped {
            "value,timestamp"
        } else {
            "timestamp,value"
        };
        crate::traffic::lines(header, &traffic(), |row| match swapped {
            true => format!("{},{}", row.value, row.time_us / 1_000_000),
            false => format!("{},{}", row.time_us / 1_000_000, row.value),
        })
    };
    // Times and values would change places without a word.
    assert_eq!(
        refusal("glued.csv", seconds(false) + &seconds(true), ""),
        "line 402: another header, with the columns at other places: files of two forms are glued together"
    );
}

#[test]
fn numbers_of_every_kind_are_used_or_dropped_and_drawn() {
    let sound = [
        "-0",
        "5e-324",
        "2.2e-310",
        "1e308",
        "-1e308",
        "1.7976931348623157e308",
        "+5",
        ".5",
        "5.",
        "1E5",
    ];
    let bad = [
        "1e400",
        "-1e400",
        "0x10",
        "\"1,234\"",
        "1.234.5",
        "١٢٣",
        "NaN",
        "inf",
        "-Infinity",
        "1_000",
        "½",
        "--5",
        "5e",
        "1e",
        "",
    ];
    let mut text = csv(&traffic());
    for number in sound.iter().chain(&bad) {
        text.push_str(&format!("{TIME},{number}\n"));
    }
    assert_eq!(counts(&text), (400 + sound.len() as u64, bad.len() as u64));
    for values in [
        &["1e308", "-1e308"][..],
        &["5e-324", "0", "-5e-324"],
        &[
            "1.7976931348623157e308",
            "-1.7976931348623157e308",
            "0",
            "1",
        ],
    ] {
        let text = crate::traffic::lines("timestamp,value", &calm(300), |row| {
            let number = (row.time_us / 300_000_000) as usize;
            format!(
                "{},{}",
                crate::traffic::blank_time(row.time_us),
                values[number * 7 % values.len()]
            )
        });
        let work = Workdir::with(&[("in.csv", &text)]);
        for flags in [
            "--scores csv",
            "--graph-format svg -c 0.5 --scores csv",
            "--y-scale linear --threshold 0.1 --scores csv",
            "--y-scale log -c 0.5 --scores csv",
            "-c 0.5 --detector context --scores csv",
            "-c 0.5 --detector shape --scores csv",
        ] {
            work.run(&format!("scan in.csv -q {flags}")).ends(0);
            for name in work.files("output") {
                if name.ends_with(".csv") {
                    let table = work.text(&format!("output/{name}"));
                    for line in table.lines().skip(1) {
                        for cell in line.split(',') {
                            assert!(
                                !["inf", "-inf", "NaN", "nan"].contains(&cell),
                                "{values:?} {flags}: {name}: {line}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn times_at_the_edges_of_calendars_are_used_or_dropped_and_drawn() {
    let sound = [
        "0001-01-01 00:00:00",
        "1969-12-31 23:59:59",
        "2038-01-19 03:14:08",
        "2024-02-29 12:00:00",
        "2016-12-31 23:59:60",
        "2026-01-01 24:00:00",
        "9999-12-31 23:59:59",
    ];
    let bad = [
        "0000-00-00 00:00:00",
        "2026-02-29 12:00:00",
        "1900-02-29 12:00:00",
        "2026-13-01 00:00:00",
        "2026-01-32 00:00:00",
        "2026-01-01 24:00:01",
        "2026-01-01 25:00:00",
        "2026-01-01 00:60:00",
        "2026-01-01 00:00:61",
        "10000-01-01 00:00:00",
        "01/Jan/2026:00:00:00 +0000",
        "1767225600",
        "٢٠٢٦-٠١-٠١ ٠٠:٠٠:٠٠",
    ];
    let mut text = csv(&traffic());
    for time in sound.iter().chain(&bad) {
        text.push_str(&format!("{time},5\n"));
    }
    assert_eq!(counts(&text), (400 + sound.len() as u64, bad.len() as u64));
    for times in [&sound[..1], &sound[..], &[sound[0], sound[6]], &[sound[6]]] {
        let rows: String = times
            .iter()
            .map(|time| format!("{time},5\n{time},6\n"))
            .collect();
        assert_eq!(
            counts(format!("timestamp,value\n{rows}")),
            (2 * times.len() as u64, 0)
        );
    }
    for epoch in [
        "-9223372036854775808",
        "9223372036854775807",
        "99999999999999999999",
        "-1",
        "1e300",
    ] {
        let work = Workdir::with(&[(
            "in.csv",
            &format!("timestamp,value\n{epoch},5\n{epoch},6\n"),
        )]);
        let run = work.run("scan in.csv -q");
        assert!(
            run.code == 0 || run.said().len() == 1,
            "{epoch}: {}",
            run.stderr
        );
    }
}

#[test]
fn clocks_that_do_not_exist_in_a_zone_are_dropped_and_counted() {
    // In Berlin, 02:30 is left out on 29 March 2026 and comes twice on 25 October.
    let text = "timestamp,value\n2026-03-29 01:59:59,1\n2026-03-29 02:30:00,2\n2026-03-29 03:00:00,3\n\
                2026-10-25 02:30:00,4\n2026-10-25 03:00:00,5\n";
    let work = Workdir::with(&[("in.csv", text)]);
    work.run("scan in.csv -q --timezone Europe/Berlin --scores csv")
        .ends(0);
    let input = &work.json("output/summary.json")["inputs"][0];
    assert_eq!(
        input["rows"].as_u64().unwrap() + input["dropped_rows"].as_u64().unwrap(),
        5
    );
    assert_eq!(input["first_dropped"][0]["line"], 3, "{input}");
}

#[test]
fn of_mixed_forms_the_one_of_most_rows_wins_and_the_others_are_counted() {
    let text = crate::traffic::lines("timestamp,value", &traffic(), |row| {
        let format = match row.time_us / 300_000_000 % 10 {
            0 => "%d/%b/%Y:%H:%M:%S +0000",
            1 | 2 => "%s",
            _ => "%Y-%m-%dT%H:%M:%SZ",
        };
        format!(
            "{},{}",
            crate::traffic::time(row.time_us, format),
            row.value
        )
    });
    assert_eq!(counts(text), (280, 120));
}

#[test]
fn an_input_removed_or_replaced_before_its_turn_costs_itself_alone() {
    let work = Workdir::new();
    fifo(&work, "a.csv");
    for name in ["b.csv", "c.csv", "d.csv", "e.csv"] {
        work.write(name, csv(&traffic()));
    }
    let child = work
        .command()
        .args([
            "scan", "a.csv", "b.csv", "c.csv", "d.csv", "e.csv", "-q", "-j", "1", "--graphs",
            "none",
        ])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Opening waits for the reader, which by then has found its inputs and begun with the first.
    let mut pipe = OpenOptions::new()
        .write(true)
        .open(work.path("a.csv"))
        .unwrap();
    fs::remove_file(work.path("b.csv")).unwrap();
    work.write("c.csv", csv(&calm(10)));
    work.write("d.csv", "");
    fs::remove_file(work.path("e.csv")).unwrap();
    work.folder("e.csv");
    pipe.write_all(csv(&traffic()).as_bytes()).unwrap();
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "isoscan: b.csv: cannot be read: No such file or directory (os error 2)\n\
         isoscan: d.csv: the file is empty\n\
         isoscan: e.csv: cannot be read: Is a directory (os error 21)\n"
    );
    let inputs = work.json("output/summary.json")["inputs"].clone();
    assert_eq!(
        (&inputs[0]["rows"], &inputs[2]["rows"]),
        (&400.into(), &10.into())
    );
}

#[test]
fn files_cut_off_or_grown_while_they_are_read_never_end_the_process() {
    let work = Workdir::new();
    let text = csv(&calm(400_000));
    let times: Vec<i64> = calm(1_000_000).iter().map(|row| row.time_us).collect();
    let values: Vec<f64> = calm(1_000_000).iter().map(|row| row.value).collect();
    let table = parquet(vec![
        Column::new("timestamp".into(), &times),
        Column::new("value".into(), &values),
    ]);
    for round in 0..6u64 {
        for (name, content) in [("in.csv", text.as_bytes()), ("in.parquet", &table[..])] {
            for grow in [false, true] {
                work.write(name, content);
                let child = work
                    .command()
                    .args(["scan", name, "-q", "--graphs", "none"])
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                std::thread::sleep(Duration::from_millis(3 + 7 * round));
                let mut file = OpenOptions::new()
                    .append(true)
                    .open(work.path(name))
                    .unwrap();
                match grow {
                    true => file.write_all(&content[content.len() - 5000..]).unwrap(),
                    false => file.set_len(content.len() as u64 / 50).unwrap(),
                }
                let output = child.wait_with_output().unwrap();
                let said = String::from_utf8(output.stderr).unwrap();
                // Whatever was met: a whole scan, or one line.
                assert!(
                    matches!(output.status.code(), Some(0 | 1)),
                    "{name}: {said}"
                );
                assert!(
                    said.lines().count() <= 1 && !said.contains("panic"),
                    "{said}"
                );
            }
        }
    }
}

#[test]
fn what_is_no_regular_file_is_passed_over_in_folders_and_read_where_it_is_named() {
    let work = Workdir::new();
    work.write("logs/good.csv", csv(&traffic()));
    fifo(&work, "logs/pipe.csv");
    let _socket = std::os::unix::net::UnixListener::bind(work.path("logs/socket.csv")).unwrap();
    symlink("/dev/zero", work.path("logs/zero.csv")).unwrap();
    symlink(".", work.path("logs/up.csv")).unwrap();
    symlink("self.csv", work.path("logs/self.csv")).unwrap();
    work.folder("logs/folder.csv");
    work.write("logs/folder.csv/inner.csv", csv(&calm(300)));
    work.write("logs/empty.csv", "");
    let run = work.run("scan logs -v --graphs none").ends(1);
    for line in [
        "skipped logs/pipe.csv: not a regular file",
        "skipped logs/socket.csv: not a regular file",
        "skipped logs/zero.csv: not a regular file",
        "skipped logs/up.csv: a symbolic link to a folder above it",
        "logs/empty.csv: the file is empty",
        "logs/self.csv: cannot be read: ",
    ] {
        assert!(run.stderr.contains(line), "{line}: {}", run.stderr);
    }
    let totals = &work.json("output/summary.json")["totals"];
    assert_eq!((&totals["ok"], &totals["failed"]), (&2.into(), &2.into()));

    let child = work
        .command()
        .args(["scan", "logs/pipe.csv", "-q", "-o", "piped"])
        .spawn()
        .unwrap();
    let mut pipe = OpenOptions::new()
        .write(true)
        .open(work.path("logs/pipe.csv"))
        .unwrap();
    pipe.write_all(csv(&traffic()).as_bytes()).unwrap();
    drop(pipe);
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(
        found_rows(&work.text("piped/pipe_graph_anomalies_0.01.csv")),
        strange_rows()
    );
    for (name, said) in [
        (
            "logs/zero.csv",
            "binary content, no text log: byte 1 is NUL",
        ),
        (
            "logs/socket.csv",
            "cannot be read: No such device or address (os error 6)",
        ),
    ] {
        let run = work.run(&format!("scan {name} -q")).ends(1);
        assert_eq!(run.stderr, format!("isoscan: {name}: {said}\n"));
    }
}

#[test]
fn a_folder_that_may_not_be_read_is_a_failure_of_its_own() {
    let work = Workdir::new();
    work.write("logs/good.csv", csv(&traffic()));
    work.write("logs/locked/in.csv", csv(&traffic()));
    let locked = work.path("logs/locked");
    fs::set_permissions(&locked, PermissionsExt::from_mode(0o000)).unwrap();
    let open = fs::read_dir(&locked).is_ok();
    let runs = [
        work.run("scan logs -q"),
        work.run_args(&["scan", "logs/**/*.csv", "-q"]),
    ];
    // One level deep, the folder is of no concern.
    let shallow = work.run_args(&["scan", "logs/*.csv", "-q"]);
    fs::set_permissions(&locked, PermissionsExt::from_mode(0o755)).unwrap();
    if open {
        eprintln!("not shown: this user may read every folder");
        return;
    }
    for run in runs {
        assert_eq!(
            run.ends(1).stderr,
            "isoscan: logs/locked: cannot be read: Permission denied (os error 13)\n"
        );
    }
    shallow.ends(0);
}

#[test]
fn names_of_every_kind_are_scanned_and_keep_to_the_output_folder() {
    let work = Workdir::new();
    let names: [&[u8]; 14] = [
        b"with blank.csv",
        b"line\nend.csv",
        b"quote\"s'.csv",
        b"-dash.csv",
        b"--out-dir.csv",
        "größe-日本.csv".as_bytes(),
        b"not\xffutf8.csv",
        b"not\xfeutf8.csv",
        b"\x1b[31mred.csv",
        b"back\\slash.csv",
        b"[x].csv",
        b"...csv",
        b"x.csv",
        b"x.csv.gz",
    ];
    work.folder("logs");
    for name in names {
        if name.starts_with(b".") {
            continue;
        }
        let path = work.path("logs").join(OsStr::from_bytes(name));
        fs::write(path, csv(&traffic())).unwrap();
    }
    let run = work.run("scan logs -q").ends(0);
    assert_eq!(run.stderr, "");
    assert_eq!(work.json("output/summary.json")["totals"]["ok"], 13);
    let graphs = graphs_below(&work.path("output"));
    assert_eq!(graphs, 13);
    // Named outright, from inside their folder, behind the sign that ends the flags.
    let mut command = work.command();
    command
        .current_dir(work.path("logs"))
        .args(["scan", "-q", "-o", "../named", "--"]);
    for name in names.iter().filter(|name| !name.starts_with(b".")) {
        command.arg(OsStr::from_bytes(name));
    }
    finish(&mut command, b"").ends(0);
    assert_eq!(graphs_below(&work.path("named")), 13);
    // A failure is told on one line without control characters.
    let path = work
        .path("logs")
        .join(OsStr::from_bytes(b"a\n\x1b[2J\xff.csv"));
    fs::write(path, "").unwrap();
    let run = work.run("scan logs -q").ends(1);
    assert_eq!(run.said().len(), 1);
    assert!(
        run.stderr
            .contains("a\\n\\u{1b}[2J\\xff.csv: the file is empty"),
        "{}",
        run.stderr
    );
}

fn graphs_below(folder: &std::path::Path) -> usize {
    let mut graphs = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            graphs += graphs_below(&path);
        } else if path.as_os_str().as_bytes().ends_with(b".png") {
            graphs += 1;
        }
    }
    graphs
}

#[test]
fn paths_that_lead_upwards_write_below_the_output_folder_alone() {
    let work = Workdir::new();
    work.write("a/x.csv", csv(&traffic()));
    work.write("b/c/x.csv", csv(&traffic()));
    work.folder("b/here");
    let mut command = work.command();
    command.current_dir(work.path("b/here")).args([
        "scan",
        "../../a/x.csv",
        "../c/x.csv",
        "../../b/../a/x.csv",
        "../c/../c",
        "-q",
        "--graphs",
        "none",
    ]);
    finish(&mut command, b"").ends(0);
    for file in work.files("") {
        assert!(
            file.starts_with("b/here/output/") || ["a/x.csv", "b/c/x.csv"].contains(&file.as_str()),
            "{file}"
        );
    }
    assert_eq!(work.json("b/here/output/summary.json")["totals"]["ok"], 2);
}

#[test]
fn few_open_files_are_enough_for_thousands() {
    let work = Workdir::new();
    let text = csv(&calm(30));
    for number in 0..2000 {
        match number % 3 {
            0 => work.write(&format!("logs/{number:04}.csv.gz"), gzip(text.as_bytes())),
            _ => work.write(&format!("logs/{number:04}.csv"), &text),
        }
    }
    let run = limited(&work, "ulimit -n 64", "scan logs -q --graphs none").ends(0);
    assert_eq!(run.stderr, "");
    assert_eq!(work.json("output/summary.json")["totals"]["ok"], 2000);
}

#[test]
fn the_surroundings_of_a_run_change_no_byte_of_its_results() {
    let work = Workdir::new();
    work.write("logs/in.csv", csv(&traffic()));
    let mut wanted = None;
    for (number, (zone, language, home)) in [
        ("UTC", "C", Some("/")),
        ("Asia/Kathmandu", "de_DE.UTF-8", None),
        ("America/St_Johns", "tr_TR.UTF-8", Some("/nowhere")),
        ("nonsense/zone", "nonsense", None),
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("out{number}");
        let mut command = work.command();
        command
            .env_clear()
            .env("TZ", zone)
            .env("LC_ALL", language)
            .env("COLUMNS", "20")
            .args(["scan", "logs", "-o", &out, "--scores", "csv"]);
        if let Some(home) = home {
            command.env("HOME", home);
        }
        finish(&mut command, b"").ends(0);
        let mut contents = work.contents(&out);
        contents.retain(|(name, _)| name != "summary.json");
        assert_eq!(
            wanted.get_or_insert_with(|| contents.clone()),
            &contents,
            "{zone}"
        );
    }
}

#[test]
fn a_working_folder_that_cannot_be_written_does_not_matter_with_outputs_elsewhere() {
    let work = Workdir::new();
    work.write("still/in.csv", csv(&traffic()));
    let still = work.path("still");
    fs::set_permissions(&still, PermissionsExt::from_mode(0o555)).unwrap();
    let mut command = work.command();
    command
        .current_dir(&still)
        .args(["scan", "in.csv", "-q", "-o", "../out"]);
    let run = finish(&mut command, b"");
    let may_write = File::create(still.join("probe")).is_ok();
    fs::set_permissions(&still, PermissionsExt::from_mode(0o755)).unwrap();
    run.ends(0);
    if may_write {
        eprintln!("not shown: this user may write every folder");
        return;
    }
    assert_eq!(work.files("still"), ["in.csv"]);
}

#[test]
fn little_address_space_ends_in_an_error_or_in_a_scan_but_never_in_an_abort() {
    let work = Workdir::new();
    work.write("in.csv", csv(&calm(600_000)));
    // The program itself starts with about 100 MiB.
    for mib in [160, 256, 356, 500, 655] {
        let run = limited(
            &work,
            &format!("ulimit -v {}", mib << 10),
            "scan in.csv -q -j 2",
        )
        .ends(1);
        assert_eq!(
            run.stderr,
            format!(
                "isoscan: the address space is limited to {mib} MiB (ulimit -v), and a scan may take 656 MiB with 2 threads\n"
            )
        );
    }
    for mib in [656, 720, 800] {
        let run = limited(
            &work,
            &format!("ulimit -v {}", mib << 10),
            "scan in.csv -q -j 2",
        )
        .ends(0);
        assert_eq!(run.stderr, "");
    }
}

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::*;
use crate::format::RECORD_FORMATS;
use crate::format::Zone;
use crate::format::record::{Record, RecordOptions, RecordSink};

fn spec(format: LogFormat) -> LogSpec {
    LogSpec {
        format,
        hosts: 20,
        records: 30_000,
        hours: 96,
        ..LogSpec::default()
    }
}

/// Files by path, packed ones unpacked.
fn written(spec: LogSpec, path: &str) -> (BTreeMap<String, String>, LogLabels) {
    let files = Mutex::new(BTreeMap::new());
    let sink = |path: &Path, fill: &mut crate::generate::Fill<'_>| {
        let mut bytes = Vec::new();
        fill(&mut bytes).unwrap();
        let name = path.to_string_lossy().into_owned();
        let text = if name.ends_with(".gz") {
            io::read_to_string(flate2::read::GzDecoder::new(&bytes[..])).unwrap()
        } else {
            String::from_utf8(bytes).unwrap()
        };
        files.lock().unwrap().insert(name, text);
        Ok(())
    };
    let (_, labels) = write_log(spec, Path::new(path), &sink).unwrap();
    (files.into_inner().unwrap(), labels)
}

const FORMATS: [LogFormat; 5] = [
    LogFormat::Zeek,
    LogFormat::Vpc,
    LogFormat::Nfdump,
    LogFormat::Suricata,
    LogFormat::Access,
];

#[test]
fn a_log_has_about_as_many_records_as_asked_for() {
    for format in FORMATS {
        let calm = LogSpec {
            events: Vec::new(),
            ..spec(format)
        };
        let (files, labels) = written(calm, "x");
        let lines = files["x"].lines().filter(|line| !line.starts_with('#'));
        let records = lines.count() as f64;
        assert!(
            (27_000.0..33_000.0).contains(&records),
            "{format}: {records}"
        );
        assert_eq!(labels.events, []);
    }
}

#[test]
fn parts_hold_the_records_of_the_single_file() {
    for format in FORMATS {
        let (whole, labels) = written(spec(format), "x");
        for rotation in [Rotation::Hourly, Rotation::Daily] {
            let rotated = LogSpec {
                rotation,
                ..spec(format)
            };
            let (parts, parts_labels) = written(rotated, "d");
            let records = |text: &str| -> Vec<String> {
                let record =
                    |line: &&str| line.contains(|c: char| c.is_ascii_digit()) && line.len() > 20;
                let lines = text.lines().filter(record);
                let lines = lines.filter(|line| !line.starts_with(['#', 'v', 't']));
                lines.map(str::to_owned).collect()
            };
            let count = parts.len() - 1;
            assert_eq!(count, if rotation == Rotation::Daily { 4 } else { 96 });
            let mut joined: Vec<String> = Vec::new();
            for (name, text) in &parts {
                if name.ends_with(".gz") {
                    joined.extend(records(text));
                }
            }
            // Names sort by time.
            assert_eq!(joined, records(&whole["x"]), "{format}");
            assert_eq!(parts_labels.events, labels.events);
        }
    }
}

#[test]
fn the_same_spec_gives_the_same_bytes_on_any_number_of_threads() {
    let pool = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap()
    };
    let of = |threads| pool(threads).install(|| written(spec(LogFormat::Zeek), "x").0);
    assert_eq!(of(1), of(4));
}

/// Flows of a Zeek log: start, source, destination, port, originator's bytes.
fn flows(text: &str) -> Vec<(f64, String, String, u16, u64)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            assert_eq!(cells.len(), 21, "{line}");
            (
                cells[0].parse().unwrap(),
                cells[2].to_owned(),
                cells[4].to_owned(),
                cells[5].parse().unwrap(),
                cells[17].parse().unwrap(),
            )
        })
        .collect()
}

#[test]
fn each_event_is_found_in_the_records_of_its_host() {
    let log = RecordLog::new(spec(LogFormat::Zeek)).unwrap();
    let mut text = Vec::new();
    log.write(&mut text).unwrap();
    let flows = flows(&String::from_utf8(text).unwrap());
    let kinds: Vec<HostEventKind> = HostEventKind::ALL.to_vec();
    let mut seen = Vec::new();
    let labels = log.labels("x").events;
    let scan = labels
        .iter()
        .find(|label| label.kind == HostEventKind::Scan);
    let scanner = scan.unwrap().entity.clone();
    for (event, label) in log.events.iter().zip(labels) {
        seen.push(event.kind);
        let (start, end) = (event.start_us as f64 / 1e6, event.end_us as f64 / 1e6);
        let hours = (end - start) / 3600.0;
        // A scan may try the server that is flooded at another time.
        let of_host = flows.iter().filter(|flow| match label.by.as_str() {
            "dst" => flow.2 == label.entity && flow.1 != scanner,
            _ => flow.1 == label.entity,
        });
        let (during, apart): (Vec<_>, Vec<_>) =
            of_host.partition(|flow| (start..end).contains(&flow.0));
        let usual = apart.len() as f64 / (96.0 - hours);
        let rate = during.len() as f64 / hours;
        let bytes = |flows: &[&(f64, String, String, u16, u64)]| {
            flows.iter().map(|flow| flow.4).sum::<u64>() as f64
        };
        match event.kind {
            HostEventKind::Flood => assert!(rate > 20.0 * usual, "{rate} and {usual}"),
            HostEventKind::Exfiltration => {
                // Thirty nights in two hours: more than ten usual days.
                let day = bytes(&apart) / (96.0 - hours) * 24.0;
                assert!(bytes(&during) > 5.0 * day, "{} and {day}", bytes(&during));
                assert!(during.len() < 24 + 12 * usual as usize + 24);
            }
            HostEventKind::Scan => {
                let mut targets: Vec<_> = during.iter().map(|f| (&f.2, f.3)).collect();
                targets.sort_unstable();
                targets.dedup();
                assert!(targets.len() > 2_000, "{}", targets.len());
            }
            HostEventKind::Silence => {
                assert_eq!(during.len(), 0);
                assert!(usual > 5.0, "{usual}");
            }
        }
    }
    seen.sort_by_key(|kind| kinds.iter().position(|k| k == kind));
    assert_eq!(seen, kinds);
}

/// Counts what a format reads.
#[derive(Debug, Default)]
struct Count {
    records: u64,
    bytes_out: u64,
    dropped: Vec<String>,
    mended: u64,
    first_us: Option<i64>,
}

impl RecordSink for Count {
    fn record(&mut self, record: &Record<'_>) {
        self.records += 1;
        self.bytes_out += record.bytes_out;
        self.first_us = Some(
            self.first_us
                .map_or(record.end_us, |us| us.min(record.end_us)),
        );
    }

    fn dropped(&mut self, _offset: usize, reason: &dyn Fn() -> String) {
        self.dropped.push(reason());
    }

    fn other(&mut self) {}

    fn mended(&mut self) {
        self.mended += 1;
    }

    fn unknown(&mut self, _start_us: i64, _end_us: i64) {}
}

#[test]
fn each_format_is_recognised_and_read_without_a_dropped_line() {
    let options = RecordOptions {
        zone: Zone::UTC,
        year: 2026,
        last_month: None,
    };
    for format in FORMATS {
        let text = written(spec(format), "x").0.remove("x").unwrap();
        let head = &text.as_bytes()[..1 << 16];
        let (name, layout) = RECORD_FORMATS
            .iter()
            .find_map(|known| {
                let layout = known.recognise(head, &options).unwrap()?;
                Some((known.name(), layout))
            })
            .unwrap();
        assert_eq!(name, format.name());
        let mut count = Count::default();
        layout.read(text.as_bytes(), &mut count);
        assert_eq!((count.dropped, count.mended), (Vec::new(), 0), "{format}");
        let statistics = text.matches("\"stats\"").count() / 2;
        let notes = text.lines().filter(|line| match format {
            LogFormat::Zeek => line.starts_with('#'),
            LogFormat::Vpc => line.starts_with("version"),
            LogFormat::Nfdump => line.starts_with(['t', 'S', 'f']) || line.starts_with("0,"),
            LogFormat::Suricata | LogFormat::Access => false,
        });
        let records = text.lines().count() - notes.count() - statistics;
        assert_eq!(count.records, records as u64, "{format}");
        assert!(count.bytes_out > 1_000 * count.records, "{format}");
        let first_us = count.first_us.unwrap() - LogSpec::default().start_us;
        assert!(
            (0..10 * MINUTE_US).contains(&first_us),
            "{format}: {first_us}"
        );
    }
}

#[test]
fn events_change_no_record_outside_of_them() {
    let calm = LogSpec {
        events: Vec::new(),
        ..spec(LogFormat::Zeek)
    };
    let text = |spec: LogSpec| written(spec, "x").0["x"].clone();
    let (calm, eventful) = (text(calm), text(spec(LogFormat::Zeek)));
    let first_half = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.take(10_000).map(str::to_owned).collect()
    };
    assert_eq!(first_half(&calm), first_half(&eventful));
}

#[test]
fn part_names_are_those_of_each_exporter() {
    let start_us = days_from_civil(2026, 3, 2) * DAY_US + 23 * HOUR_US;
    for (format, hourly, daily) in [
        (
            LogFormat::Zeek,
            "2026-03-02/conn.23:00:00-00:00:00.log.gz",
            "2026-03-02/conn.00:00:00-00:00:00.log.gz",
        ),
        (
            LogFormat::Nfdump,
            "nfcapd.202603022300.csv.gz",
            "nfcapd.202603020000.csv.gz",
        ),
        (
            LogFormat::Suricata,
            "eve.json-2026030300.gz",
            "eve.json-20260303.gz",
        ),
        (
            LogFormat::Access,
            "access.log-2026030300.gz",
            "access.log-20260303.gz",
        ),
    ] {
        let writer = format.writer();
        assert_eq!(writer.part_name(start_us, Rotation::Hourly), hourly);
        let midnight = start_us - 23 * HOUR_US;
        assert_eq!(writer.part_name(midnight, Rotation::Daily), daily);
    }
    let vpc = LogFormat::Vpc
        .writer()
        .part_name(start_us, Rotation::Hourly);
    let folder = "AWSLogs/123456789012/vpcflowlogs/eu-central-1/2026/03/02/";
    assert!(
        vpc.starts_with(folder) && vpc.contains("_20260302T2300Z_"),
        "{vpc}"
    );
}

#[test]
fn what_cannot_be_made_is_refused_with_field_and_value() {
    for (spec, text) in [
        (
            LogSpec {
                hosts: 9,
                ..LogSpec::default()
            },
            "hosts 9 is outside [10, 10000]",
        ),
        (
            LogSpec {
                records: 0,
                ..LogSpec::default()
            },
            "records 0 is outside",
        ),
        (
            LogSpec {
                hours: 0,
                ..LogSpec::default()
            },
            "hours 0 is outside",
        ),
        (
            LogSpec {
                start_us: 1,
                ..LogSpec::default()
            },
            "start_us 1 is not a whole hour",
        ),
        (
            LogSpec {
                hosts: 10,
                ..LogSpec::default()
            },
            "the number of events 4 is outside [0, 2]",
        ),
    ] {
        let error = RecordLog::new(spec).unwrap_err().to_string();
        assert!(error.starts_with(text), "{error}");
    }
}

use std::collections::BTreeMap;
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::support::calendar::format_utc;

const FIVE_MINUTES_US: i64 = 300 * SECOND_US;

fn traffic(spec: TrafficSpec) -> Traffic {
    Traffic::new(spec).unwrap()
}

fn csv(spec: TrafficSpec) -> String {
    let mut bytes = Vec::new();
    traffic(spec).write_csv(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn quiet(rows: u64) -> TrafficSpec {
    TrafficSpec {
        rows,
        events: EventPlan::Placed(Vec::new()),
        ..TrafficSpec::default()
    }
}

/// Six weeks with a heartbeat and two events of every kind.
fn eventful(seed: u64) -> TrafficSpec {
    TrafficSpec {
        rows: 42 * 288,
        seed,
        heartbeat: Some(Heartbeat {
            period_rows: 12,
            height: 3.0,
        }),
        events: EventPlan::Seeded([EventKind::ALL, EventKind::ALL].concat()),
        ..TrafficSpec::default()
    }
}

fn without_events(spec: &TrafficSpec) -> TrafficSpec {
    TrafficSpec {
        events: EventPlan::Placed(Vec::new()),
        ..spec.clone()
    }
}

fn values(spec: &TrafficSpec) -> Vec<f64> {
    traffic(spec.clone()).rows().map(|row| row.value).collect()
}

/// Files by path, as a sink collects them.
fn collected(write: impl FnOnce(&Sink<'_>) -> Result<()>) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = Mutex::new(BTreeMap::new());
    let sink = |path: &Path, fill: &mut Fill<'_>| {
        let mut bytes = Vec::new();
        fill(&mut bytes).unwrap();
        let former = files.lock().unwrap().insert(path.to_path_buf(), bytes);
        assert_eq!(former, None, "{} is written twice", path.display());
        Ok(())
    };
    write(&sink).unwrap();
    files.into_inner().unwrap()
}

#[test]
fn the_same_spec_gives_the_same_bytes_and_another_seed_others() {
    assert_eq!(csv(eventful(1)), csv(eventful(1)));
    assert_ne!(csv(eventful(1)), csv(eventful(2)));
}

/// Pins the bytes for every machine and release: a change here changes everybody's benchmark inputs.
#[test]
fn the_bytes_are_those_of_every_other_machine() {
    let spec = TrafficSpec {
        columns: Columns::Counters,
        ..eventful(3)
    };
    let hash = csv(spec)
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
    assert_eq!(format!("{hash:016x}"), "afe34e67d33e62e7");
}

#[test]
fn the_first_rows_are_a_header_and_times_with_whole_numbers() {
    let text = csv(quiet(3));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "timestamp,value");
    assert!(lines[1].starts_with("2026-03-02 00:00:00,"));
    assert!(lines[3].starts_with("2026-03-02 00:10:00,"));
    assert!(lines[1][20..].bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(lines.len(), 4);
    assert!(text.ends_with('\n'));
}

#[test]
fn decimals_are_written_as_asked() {
    let text = csv(TrafficSpec {
        decimals: 2,
        base_level: 10.0,
        ..quiet(50)
    });
    for line in text.lines().skip(1) {
        let (_, decimals) = line.rsplit_once('.').unwrap();
        assert_eq!(decimals.len(), 2, "{line}");
    }
}

#[test]
fn rows_outside_events_are_those_of_the_series_without_events() {
    for seed in 0..20 {
        let spec = eventful(seed);
        let with = values(&spec);
        let without = values(&without_events(&spec));
        let mut outside = vec![true; with.len()];
        for event in traffic(spec).events() {
            outside[event.start_row as usize..event.end_row() as usize].fill(false);
        }
        for row in (0..with.len()).filter(|&row| outside[row]) {
            assert_eq!(with[row], without[row], "row {row} of seed {seed}");
        }
    }
}

#[test]
fn rows_inside_events_differ_from_the_series_without_events() {
    for seed in 0..20 {
        let spec = eventful(seed);
        let with = values(&spec);
        let without = values(&without_events(&spec));
        for event in traffic(spec).events() {
            let rows = event.start_row as usize..event.end_row() as usize;
            let count = rows.len();
            let changed = rows.filter(|&row| with[row] != without[row]).count();
            // A heartbeat that alone falls silent is missed in every twelfth row.
            let expected = if event.kind == EventKind::Silence && event.magnitude == 1.0 {
                count / 12 - 1
            } else {
                count
            };
            assert!(
                changed >= expected.max(1),
                "{event:?}: {changed} of {count}"
            );
        }
    }
}

#[test]
fn there_are_as_many_events_of_each_kind_as_asked_after_the_first_fifth() {
    let wanted = [
        EventKind::Spike,
        EventKind::Drop,
        EventKind::Spike,
        EventKind::Silence,
        EventKind::Spike,
    ];
    for seed in 0..50 {
        let made = traffic(TrafficSpec {
            seed,
            events: EventPlan::Seeded(wanted.to_vec()),
            ..TrafficSpec::default()
        });
        let mut kinds: Vec<EventKind> = made.events().map(|event| event.kind).collect();
        kinds.sort_unstable();
        let mut expected = wanted.to_vec();
        expected.sort_unstable();
        assert_eq!(kinds, expected);
        let first = made.events().next().unwrap();
        assert!(first.start_row * 5 >= made.spec().rows);
    }
}

#[test]
fn magnitudes_and_durations_lie_in_the_ranges_of_their_kind() {
    for seed in 0..200 {
        for event in traffic(eventful(seed)).events() {
            let (low, high) = event.kind.magnitudes();
            assert!((low..=high).contains(&event.magnitude), "{event:?}");
            let (_, longest) = event.kind.minutes();
            assert!(event.rows as f64 * 5.0 <= longest, "{event:?}");
        }
    }
}

#[test]
fn a_spike_towers_over_the_series() {
    for seed in 0..50 {
        let spec = TrafficSpec {
            seed,
            events: EventPlan::Seeded(vec![EventKind::Spike]),
            ..TrafficSpec::default()
        };
        let spike = *traffic(spec.clone()).events().next().unwrap();
        let top = values(&spec).into_iter().fold(0.0, f64::max);
        assert!(top > spike.magnitude * spec.base_level);
        assert!(
            top > 4.0
                * values(&without_events(&spec))
                    .into_iter()
                    .fold(0.0, f64::max)
        );
    }
}

#[test]
fn exfiltration_and_every_other_flood_stay_below_the_daily_peak() {
    let mut floods_below = 0;
    let mut exfil_below = 0;
    for seed in 0..200 {
        for kind in [EventKind::Flood, EventKind::Exfiltration] {
            let spec = TrafficSpec {
                seed,
                noise: 0.0,
                bursts_per_day: 0.0,
                events: EventPlan::Seeded(vec![kind]),
                ..TrafficSpec::default()
            };
            let with = values(&spec);
            let peak = values(&without_events(&spec))
                .into_iter()
                .fold(0.0, f64::max);
            let below = with.into_iter().all(|value| value <= peak);
            match kind {
                EventKind::Flood => floods_below += usize::from(below),
                _ => exfil_below += usize::from(below),
            }
        }
    }
    assert!(
        (70..130).contains(&floods_below),
        "{floods_below} of 200 floods"
    );
    assert_eq!(exfil_below, 200);
}

#[test]
fn labels_lie_within_the_series_and_name_the_rows_that_differ() {
    let spec = eventful(9);
    let made = traffic(spec.clone());
    let labels = Labels::new("a.csv", &made);
    let time = |text: &str| text.replace('T', " ").replace('Z', "");
    let lines = csv(spec.clone());
    let lines: Vec<&str> = lines.lines().skip(1).collect();
    assert_eq!(labels.events.len(), 14);
    for (label, event) in labels.events.iter().zip(made.events()) {
        assert!(lines[event.start_row as usize].starts_with(&time(&label.start)));
        assert!(lines[event.end_row() as usize - 1].starts_with(&time(&label.end)));
        assert_eq!(label.kind, event.kind);
    }
}

#[test]
fn labels_read_back_from_their_json() {
    let labels = Labels::new("a.csv", &traffic(eventful(9)));
    let mut json = Vec::new();
    labels.write_json(&mut json).unwrap();
    assert_eq!(serde_json::from_slice::<Labels>(&json).unwrap(), labels);
    assert!(json.ends_with(b"}\n"));
    assert_eq!(
        Labels::path_for(Path::new("a/b.csv")),
        Path::new("a/b.labels.json")
    );
}

#[test]
fn a_writer_that_takes_seven_bytes_at_a_time_gets_the_same_bytes() {
    struct Sips(Vec<u8>);
    impl Write for Sips {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(7);
            self.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut sips = Sips(Vec::new());
    traffic(eventful(1)).write_csv(&mut sips).unwrap();
    assert_eq!(String::from_utf8(sips.0).unwrap(), csv(eventful(1)));
}

#[test]
fn no_block_that_is_written_grows_with_the_series() {
    struct Largest(usize);
    impl Write for Largest {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.max(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut largest = Largest(0);
    traffic(quiet(100_000)).write_csv(&mut largest).unwrap();
    assert!(largest.0 < 66 * 1024, "{} bytes", largest.0);
}

#[test]
fn the_rows_are_those_of_the_csv() {
    let spec = TrafficSpec {
        columns: Columns::Counters,
        ..eventful(5)
    };
    let mut text = b"timestamp,bytes,packets,flows\n".to_vec();
    for row in traffic(spec.clone()).rows() {
        format_utc(row.timestamp_us, &mut text);
        let numbers = format!(",{},{},{}\n", row.value, row.packets, row.flows);
        text.extend_from_slice(numbers.as_bytes());
    }
    assert_eq!(csv(spec), String::from_utf8(text).unwrap());
}

#[test]
fn counters_agree_with_each_other_and_with_the_single_value() {
    let spec = TrafficSpec {
        columns: Columns::Counters,
        ..eventful(5)
    };
    let bytes: Vec<f64> = traffic(spec.clone()).rows().map(|row| row.value).collect();
    assert_eq!(bytes, values(&eventful(5)));
    for row in traffic(spec).rows() {
        let packets = row.packets as f64;
        assert!(row.value <= packets * 1_500.0, "{row:?}");
        assert!(row.value >= packets * 40.0 || row.packets <= 1, "{row:?}");
        assert!(row.flows <= row.packets, "{row:?}");
        assert_eq!(row.flows == 0, row.packets == 0, "{row:?}");
    }
}

#[test]
fn an_attack_comes_in_small_packets_and_exfiltration_in_few_flows() {
    let spec = TrafficSpec {
        columns: Columns::Counters,
        ..eventful(8)
    };
    let made = traffic(spec);
    let rows: Vec<Row> = made.rows().collect();
    let (size, packets_a_flow) = (
        |row: &Row| row.value / row.packets as f64,
        |row: &Row| row.packets as f64 / row.flows as f64,
    );
    for event in made.events() {
        let middle = &rows[(event.start_row + event.rows * 3 / 10) as usize];
        let before = &rows[event.start_row as usize - 1];
        match event.kind {
            EventKind::Spike => assert!(size(middle) < 0.3 * size(before), "{middle:?}"),
            EventKind::Exfiltration => {
                assert!(size(middle) > size(before), "{middle:?}");
                assert!(packets_a_flow(middle) > 0.9 * packets_a_flow(before));
            }
            _ => {}
        }
    }
}

#[test]
fn the_heartbeat_beats_in_every_interval() {
    let spec = TrafficSpec {
        noise: 0.0,
        daily_rhythm: 0.0,
        weekly_rhythm: 0.0,
        bursts_per_day: 0.0,
        heartbeat: Some(Heartbeat {
            period_rows: 10,
            height: 5.0,
        }),
        ..quiet(10_000)
    };
    let values = values(&spec);
    let mut late = 0;
    for interval in values.chunks(10) {
        let beats: Vec<usize> = (0..10).filter(|&row| interval[row] > 1e6).collect();
        assert!(beats == [0] || beats == [1], "{beats:?}");
        late += beats[0];
        let between = interval.iter().filter(|&&value| value == 250_000.0).count();
        assert_eq!(between, 9);
    }
    // One in sixteen of 1,000, within five standard deviations.
    assert!((25..=101).contains(&late), "{late} late beats");
}

#[test]
fn many_files_have_their_own_seeds_and_do_not_hang_on_the_threads() {
    let spec = TrafficSpec {
        rows: 300,
        ..TrafficSpec::default()
    };
    let with_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| collected(|sink| write_files(&spec, 12, Path::new("many"), sink)))
    };
    let files = with_threads(1);
    assert_eq!(files, with_threads(3));
    assert_eq!(files.len(), 24);
    let first = &files[Path::new("many/traffic-0001.csv")];
    let last = &files[Path::new("many/traffic-0012.csv")];
    assert_ne!(first, last);
    assert_eq!(first.iter().filter(|&&byte| byte == b'\n').count(), 301);
    let labels: Labels =
        serde_json::from_slice(&files[Path::new("many/traffic-0012.labels.json")]).unwrap();
    assert_eq!(labels.file, "traffic-0012.csv");
    assert_eq!(labels.events.len(), 5);
}

#[test]
fn file_numbers_have_four_digits_or_as_many_as_the_last_needs() {
    assert_eq!(file_name(7, 2_000), Path::new("traffic-0007.csv"));
    assert_eq!(file_name(7, 10_000), Path::new("traffic-00007.csv"));
}

#[test]
fn an_error_of_the_sink_reaches_the_caller() {
    let sink = |path: &Path, _: &mut Fill<'_>| {
        Err(Error::new(ErrorKind::Write, "cannot be written").at(path))
    };
    let error = write_file(quiet(10), Path::new("a.csv"), &sink).unwrap_err();
    assert_eq!(error.to_string(), "a.csv: cannot be written");
}

#[test]
fn the_sample_is_small_and_labelled() {
    let files = collected(|sink| write_sample(Path::new("data"), sink).map(drop));
    let names: Vec<&str> = files.keys().map(|path| path.to_str().unwrap()).collect();
    let (parts, names): (Vec<&str>, Vec<&str>) = names
        .into_iter()
        .partition(|name| name.ends_with(".log.gz"));
    assert_eq!(parts.len(), 96);
    let bytes_of_parts: usize = parts.iter().map(|name| files[Path::new(name)].len()).sum();
    assert!(bytes_of_parts < 300_000, "{bytes_of_parts}");
    assert_eq!(
        names,
        [
            "data/edge/heartbeat.csv",
            "data/edge/heartbeat.labels.json",
            "data/edge/router-01.csv",
            "data/edge/router-01.labels.json",
            "data/edge/router-02.csv",
            "data/edge/router-02.labels.json",
            "data/network_traffic.csv",
            "data/network_traffic.labels.json",
            "data/zeek/conn.labels.json",
        ]
    );
    assert!(files.values().all(|bytes| bytes.len() < 300_000));
    assert!(files.values().map(Vec::len).sum::<usize>() < 1_000_000);
}

#[test]
fn the_sample_s_readme_names_every_event_with_its_times() {
    let readme = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/data/README.md"));
    for file in sample() {
        assert!(readme.contains(file.path), "{}", file.path);
        for event in Labels::new(file.path, &traffic(file.spec)).events {
            let minute = |text: &str| text[..16].replace('T', " ");
            let (start, end) = (minute(&event.start), minute(&event.end));
            let cells = format!("| {} | {start} | {end} |", event.kind);
            assert!(readme.contains(&cells), "{cells}");
        }
    }
}

#[test]
fn errors_name_the_field_and_the_value() {
    let spike = |start_row, rows, magnitude| Event {
        kind: EventKind::Spike,
        start_row,
        rows,
        magnitude,
    };
    let placed = |events: Vec<Event>| TrafficSpec {
        events: EventPlan::Placed(events),
        ..quiet(100)
    };
    let silence = Event {
        kind: EventKind::Silence,
        ..spike(50, 20, 1.0)
    };
    let beat = |period_rows, height| TrafficSpec {
        heartbeat: Some(Heartbeat {
            period_rows,
            height,
        }),
        ..quiet(100)
    };
    let base = quiet(100);
    #[rustfmt::skip]
    let cases = [
        (quiet(0), "rows 0 is outside [1, 1000000000000]"),
        (TrafficSpec { base_level: f64::NAN, ..base.clone() }, "base_level NaN is outside [1.0, 1000000000000.0]"),
        (TrafficSpec { daily_rhythm: -0.1, ..base.clone() }, "daily_rhythm -0.1 is outside [0.0, 1.0]"),
        (TrafficSpec { weekly_rhythm: 1.5, ..base.clone() }, "weekly_rhythm 1.5 is outside [0.0, 1.0]"),
        (TrafficSpec { noise: f64::INFINITY, ..base.clone() }, "noise inf is outside [0.0, 1.0]"),
        (TrafficSpec { bursts_per_day: -1.0, ..base.clone() }, "bursts_per_day -1.0 is outside [0.0, 10000.0]"),
        (TrafficSpec { decimals: 4, ..base.clone() }, "decimals 4 is outside [0, 3]"),
        (TrafficSpec { decimals: 1, columns: Columns::Counters, ..base.clone() }, "decimals 1 do not go with counters, which are whole numbers: set decimals to 0"),
        (TrafficSpec { step_us: 0, ..base.clone() }, "step_us 0 is outside [1000000, 253402300799999999]"),
        (TrafficSpec { step_us: 1_500_000, ..base.clone() }, "step_us 1500000 is not a whole number of seconds"),
        (TrafficSpec { start_us: 1, ..base.clone() }, "start_us 1 is not a whole number of seconds"),
        (TrafficSpec { rows: 1_000_000_000_000, start_us: 0, ..base.clone() }, "rows 1000000000000 from start_us 0 on at step_us 300000000 end after the year 9999"),
        (beat(1, 3.0), "heartbeat.period_rows 1 is outside [2, 1000000]"),
        (beat(12, 2e3), "heartbeat.height 2000.0 is outside"),
        (placed(vec![spike(50, 0, 30.0)]), "events[0].rows 0 is outside [1, 100]"),
        (placed(vec![spike(95, 6, 30.0)]), "events[0].start_row 95 is outside [0, 94]"),
        (placed(vec![spike(50, 5, 30.0), spike(54, 5, 30.0)]), "events[1].start_row 54 is outside [56, 95]"),
        (placed(vec![spike(50, 5, 1.0)]), "events[0].magnitude 1.0 is outside [20.0, 1000.0]"),
        (placed(vec![silence]), "events[0].magnitude 1 silences the heartbeat alone, and no beat is sure to fall into 20 rows"),
        (TrafficSpec { events: EventPlan::Seeded(vec![EventKind::Spike; 41]), ..base }, "events: 41 do not fit into 100 rows, of which the first 20 stay free; at most 40 do"),
    ];
    for (spec, expected) in cases {
        let error = Traffic::new(spec).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Setting);
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    let error = "spikes".parse::<EventKind>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "event kind \"spikes\" is none of spike, flood, exfiltration, drop, silence, shift, pattern"
    );
}

#[test]
fn names_of_kinds_read_back_and_are_those_of_the_json() {
    for kind in EventKind::ALL {
        assert_eq!(kind.name().parse::<EventKind>().unwrap(), kind);
        let json = serde_json::to_string(&kind).unwrap();
        assert_eq!(json, format!("\"{kind}\""));
    }
}

fn specs() -> impl Strategy<Value = TrafficSpec> {
    let level = (
        1.0..1e6f64,
        0.0..=1.0f64,
        0.0..=1.0f64,
        0.0..=1.0f64,
        0.0..200.0f64,
    );
    let heartbeat = proptest::option::of((2..400u64, 0.01..50.0f64));
    let kinds = proptest::collection::vec(0..EventKind::ALL.len(), 0..8);
    (
        1..3_000u64,
        -1_000_000..1_000_000i64,
        prop_oneof![
            Just(1),
            Just(60),
            Just(300),
            Just(3_600),
            Just(200_000),
            1..10_000i64
        ],
        any::<u64>(),
        level,
        heartbeat,
        kinds,
        0..5u8,
    )
        .prop_map(
            |(rows, start_s, step_s, seed, level, heartbeat, kinds, form)| {
                let (base_level, daily_rhythm, weekly_rhythm, noise, bursts_per_day) = level;
                TrafficSpec {
                    rows,
                    start_us: start_s * SECOND_US,
                    step_us: step_s * SECOND_US,
                    seed,
                    base_level,
                    daily_rhythm,
                    weekly_rhythm,
                    noise,
                    bursts_per_day,
                    heartbeat: heartbeat.map(|(period_rows, height)| Heartbeat {
                        period_rows,
                        height,
                    }),
                    columns: if form == 4 {
                        Columns::Counters
                    } else {
                        Columns::Value
                    },
                    decimals: if form == 4 { 0 } else { form },
                    events: EventPlan::Seeded(
                        kinds.into_iter().map(|kind| EventKind::ALL[kind]).collect(),
                    ),
                }
            },
        )
}

proptest! {
    #[test]
    fn any_spec_gives_its_rows_at_regular_times_or_a_word_about_its_events(spec in specs()) {
        let made = match Traffic::new(spec.clone()) {
            Ok(made) => made,
            Err(error) => {
                prop_assert!(error.to_string().starts_with("events: "), "{}", error);
                return Ok(());
            }
        };
        let rows: Vec<Row> = made.rows().collect();
        prop_assert_eq!(rows.len() as u64, spec.rows);
        for (row, number) in rows.iter().zip(0..) {
            prop_assert_eq!(row.timestamp_us, spec.time_us(number));
            prop_assert!(row.value.is_finite() && row.value >= 0.0);
        }
        let text = csv(spec.clone());
        prop_assert_eq!(text.lines().count() as u64, spec.rows + 1);

        let events: Vec<Event> = made.events().copied().collect();
        let mut free_from = spec.rows.div_ceil(5);
        for event in &events {
            prop_assert!(event.start_row >= free_from && event.rows >= 1, "{:?}", event);
            prop_assert!(event.end_row() <= spec.rows, "{:?}", event);
            free_from = event.end_row() + 1;
        }
        // Events of the seed's choice can be placed by hand and give the same series.
        let by_hand = TrafficSpec { events: EventPlan::Placed(events), ..spec };
        prop_assert_eq!(csv(by_hand), text);
    }

    #[test]
    fn any_setting_at_all_ends_in_a_series_or_an_error(
        rows in any::<u64>(), start_us in any::<i64>(), step_us in any::<i64>(),
        start_row in any::<u64>(), event_rows in any::<u64>(), number in any::<f64>(),
    ) {
        let event = Event { kind: EventKind::Flood, start_row, rows: event_rows, magnitude: 4.0 };
        let specs = [
            TrafficSpec { rows, start_us, step_us, ..TrafficSpec::default() },
            TrafficSpec { start_us: start_us / SECOND_US * SECOND_US, ..TrafficSpec::default() },
            TrafficSpec { rows, step_us: SECOND_US, ..TrafficSpec::default() },
            TrafficSpec { base_level: number, noise: number, ..TrafficSpec::default() },
            TrafficSpec { events: EventPlan::Placed(vec![event]), ..TrafficSpec::default() },
        ];
        for spec in specs {
            if let Ok(made) = Traffic::new(spec) {
                prop_assert!(made.rows().take(100).all(|row| row.value.is_finite()));
            }
        }
    }
}

#[test]
fn steps_are_five_minutes_by_default() {
    let times: Vec<i64> = traffic(quiet(1_000))
        .rows()
        .map(|row| row.timestamp_us)
        .collect();
    assert!(
        times
            .windows(2)
            .all(|pair| pair[1] - pair[0] == FIVE_MINUTES_US)
    );
}

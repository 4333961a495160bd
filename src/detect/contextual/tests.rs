use super::*;
use crate::detect::Baseline;
use crate::generate::{Event, EventKind, EventPlan, Traffic, TrafficSpec};
use crate::support::random::{mix, unit};
use proptest::prelude::*;

const MINUTE: i64 = 60_000_000;

fn judged(rows: impl IntoIterator<Item = (i64, f64)>) -> Vec<Verdict> {
    let mut column = ContextColumn::new();
    rows.into_iter()
        .map(|(time, value)| column.push(time, value))
        .collect()
}

/// Numbers in [0, 1) without a pattern.
fn noise(row: i64) -> f64 {
    unit(mix(row as u64))
}

fn traffic(rows: u64, events: Vec<Event>, seed: u64) -> Vec<(i64, f64)> {
    let spec = TrafficSpec {
        rows,
        events: EventPlan::Placed(events),
        bursts_per_day: 0.0,
        seed,
        ..TrafficSpec::default()
    };
    let traffic = Traffic::new(spec).unwrap();
    traffic
        .rows()
        .map(|row| (row.timestamp_us, row.value))
        .collect()
}

fn alarms(verdicts: &[Verdict]) -> Vec<usize> {
    (0..verdicts.len())
        .filter(|&row| verdicts[row].score > ALARM_LEVEL)
        .collect()
}

#[test]
fn a_flood_at_night_below_the_daily_peak_raises_an_alarm_in_half_an_hour() {
    // Two in the morning of the ninth day: three times the night's traffic is less than noon has.
    let start_row = 8 * 288 + 24;
    let event = Event {
        kind: EventKind::Flood,
        start_row,
        rows: 24,
        magnitude: 4.0,
    };
    let rows = traffic(10 * 288, vec![event], 1);
    let peak = rows.iter().map(|row| row.1).fold(0.0, f64::max);
    let start = start_row as usize;
    assert!(rows[start..start + 24].iter().all(|row| row.1 < peak));
    let judged = judged(rows);
    let found = alarms(&judged);
    assert!(
        found.iter().any(|row| (start..=start + 6).contains(row)),
        "{found:?}"
    );
    let at = start + 12;
    assert!(
        judged[at]
            .expected
            .deviations(1.5 * judged[at].expected.center)
            .unwrap()
            > 0.0
    );
}

#[test]
fn a_heartbeat_that_stops_raises_an_alarm() {
    // A beat every hour over a little noise, five minutes apart; half a day without.
    let silent = 2_400..2_550;
    let rows = (0..3_000usize).map(|row| {
        let noise = (row * 7919 % 101) as f64 / 50.0;
        let beat = row % 12 == 0 && !silent.contains(&row);
        (
            row as i64 * 5 * MINUTE,
            5.0 + noise + if beat { 100.0 } else { 0.0 },
        )
    });
    let found = alarms(&judged(rows));
    assert!(found.iter().any(|row| silent.contains(row)), "{found:?}");
}

#[test]
fn calm_traffic_raises_next_to_no_alarm() {
    let rows = 40_320;
    let found = alarms(&judged(traffic(rows, vec![], 3)));
    // Twenty weeks: at one false alarm in two months, two and a half.
    assert!(found.len() <= 8, "{found:?}");
}

#[test]
fn rows_without_days_are_compared_with_those_before_and_a_notice_says_so() {
    let value = |row: i64| 100.0 * noise(row);
    for (step, wanted) in [
        (0, "most timestamps coincide"),
        (86_400_000_000, "a row every 86400 s tells no time of day"),
        (
            50,
            "a row every 50 microseconds makes days too long to remember",
        ),
        (60_000_000, "there is no full day to compare with"),
    ] {
        let mut column = ContextColumn::new();
        let mut score = 0.0;
        for row in 0..1_000 {
            let value = if row == 900 { 5_000.0 } else { value(row) };
            let judged = column.push(row * step, value);
            if row == 900 {
                score = judged.score;
            }
        }
        assert!(score > ALARM_LEVEL, "step {step}: {score}");
        let notice = column.notice().unwrap();
        assert!(notice.starts_with(wanted), "{notice}");
        assert!(
            notice.ends_with("rows are compared with the 64 before them"),
            "{notice}"
        );
    }
}

#[test]
fn a_gap_does_not_shift_the_time_of_day() {
    // A saw tooth of a day; five hours are missing on the eighth day.
    let rows = (0..14 * 288i64)
        .filter(|row| !(7 * 288 + 10..7 * 288 + 70).contains(row))
        .map(|row| (row * 5 * MINUTE, (row % 288) as f64));
    let judged = judged(rows);
    let after = &judged[8 * 288..];
    for (row, slot) in after.iter().zip(8 * 288 + 60i64..) {
        let expected = (slot % 288) as f64;
        assert!((row.expected.center - expected).abs() < 1e-4, "{row:?}");
    }
}

#[test]
fn the_most_novel_of_several_columns_counts() {
    let rows = 3_000i64;
    let times: Vec<i64> = (0..rows).map(|row| row * 5 * MINUTE).collect();
    let calm: Vec<f64> = (0..rows).map(noise).collect();
    let mut loud: Vec<f64> = (0..rows).map(|row| 100.0 * noise(row + 7)).collect();
    loud[2_500] = 4_000.0;
    let series = Series::from_columns(vec!["a".into(), "b".into()], &times, &[&calm, &loud]);
    let kept = judge(&series, &mut Vec::new()).unwrap();
    let part = kept.part(0).unwrap();
    let scores = part.scores();
    let highest = (0..scores.len())
        .max_by(|&a, &b| scores[a].total_cmp(&scores[b]))
        .unwrap();
    assert_eq!((highest, part.column(highest)), (2_500, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_scores_of_the_first_rows_are_the_first_scores(
        steps in prop::collection::vec(prop_oneof![8 => Just(30i64), 1 => Just(0), 1 => 0i64..20_000], 700),
        values in prop::collection::vec(prop_oneof![0f64..100.0, Just(0.0), -1e300f64..1e300], 700),
        length in 1usize..700,
    ) {
        let mut time = 0;
        let rows: Vec<(i64, f64)> = steps.iter().zip(&values).map(|(step, &value)| {
            time += step * MINUTE;
            (time, value)
        }).collect();
        let times: Vec<i64> = rows.iter().map(|row| row.0).collect();
        let scores_of = |length: usize| {
            let series = Series::from_columns(vec!["v".into()], &times[..length], &[&values[..length]]);
            let kept = judge(&series, &mut Vec::new()).unwrap();
            let part = kept.part(0).unwrap();
            let rows = part.scores().iter().enumerate();
            rows.map(|(row, &score)| (score, part.baseline(row))).collect::<Vec<_>>()
        };
        let (whole, part) = (scores_of(700), scores_of(length));
        prop_assert_eq!(&whole[..length], &part[..]);
    }

    #[test]
    fn whatever_the_values_scores_are_scores(
        values in prop::collection::vec(
            prop_oneof![prop::num::f64::ANY, Just(0.0), Just(f64::MAX), Just(f64::MIN), 0f64..1.0], 1..900),
    ) {
        let rows = values.iter().zip(0..).map(|(&value, row)| (row * 3600 * 1_000_000, value));
        for (row, value) in judged(rows).iter().zip(&values) {
            prop_assert!((0.0..1.0).contains(&row.score) && (0.0..1.0).contains(&row.novelty));
            prop_assert!(row.score == 0.0 || row.score == row.novelty);
            let Baseline { center, scale } = row.expected;
            let known = center.is_finite() && scale.is_finite() && scale >= 0.0;
            prop_assert!(known || !value.is_finite(), "{row:?}");
        }
    }
}

#[test]
fn series_that_do_not_vary_have_no_alarms_until_they_do() {
    for value in [0.0, 7.0, -1e300] {
        let mut column = ContextColumn::new();
        let time = |row: i64| row * 5 * MINUTE;
        for row in 0..3_000 {
            assert!(column.push(time(row), value).score < 0.5);
        }
        let verdict = column.push(time(3_000), value + 1e6 + value.abs());
        assert!(verdict.score > ALARM_LEVEL, "{value}: {verdict:?}");
    }
}

#[test]
fn a_pure_sine_and_white_noise_raise_no_alarm() {
    let rows = 0..14 * 288i64;
    let sine = |row: i64| 100.0 + 50.0 * (row as f64 * std::f64::consts::TAU / 288.0).sin();
    let verdicts = judged(rows.clone().map(|row| (row * 5 * MINUTE, sine(row))));
    assert_eq!(alarms(&verdicts), [0usize; 0]);
    let verdicts = judged(rows.map(|row| (row * 5 * MINUTE, noise(row))));
    assert!(alarms(&verdicts).len() <= 1, "{:?}", alarms(&verdicts));
}

#[test]
fn an_unknown_row_is_neither_judged_nor_learnt() {
    let rows = |unknown: bool| {
        (0..2_000i64).filter_map(move |row| {
            let value = 100.0 + noise(row);
            if row % 10 != 5 {
                Some((row * 5 * MINUTE, value))
            } else {
                unknown.then_some((row * 5 * MINUTE, f64::NAN))
            }
        })
    };
    let known: Vec<Verdict> = judged(rows(true))
        .into_iter()
        .enumerate()
        .filter(|(row, _)| row % 10 != 5)
        .map(|(_, verdict)| verdict)
        .collect();
    assert_eq!(known, judged(rows(false)));
}

#[test]
fn a_flood_that_repeats_is_found_each_time_and_not_missed_the_day_after() {
    let floods = [8, 10, 12];
    let rows = (0..15 * 288i64).map(|row| {
        let day = row / 288;
        let flood = floods.contains(&day) && row % 288 >= 200 && row % 288 < 206;
        let usual = 1_000.0 * (2.0 + (row as f64 / 45.84).sin()) + 200.0 * noise(row);
        (row * 5 * MINUTE, if flood { 20.0 * usual } else { usual })
    });
    let days: Vec<i64> = alarms(&judged(rows))
        .iter()
        .map(|&row| row as i64 / 288)
        .collect();
    assert!(floods.iter().all(|day| days.contains(day)), "{days:?}");
    // No echo: the days between and after are as usual.
    assert!(days.iter().all(|day| floods.contains(day)), "{days:?}");
}

#[test]
fn the_first_weekend_is_quiet() {
    // From a Monday on; weekends have half the traffic.
    let rows = (0..9 * 288i64).map(|row| {
        let weekend = (5..7).contains(&(row / 288));
        let usual = 1_000.0 * (2.0 + (row as f64 / 45.84).sin()) + 200.0 * noise(row);
        let monday = 4 * 1_440 * MINUTE;
        (
            monday + row * 5 * MINUTE,
            if weekend { usual / 2.0 } else { usual },
        )
    });
    let found = alarms(&judged(rows));
    assert!(found.len() <= 1, "{found:?}");
}

#[test]
fn a_column_keeps_no_more_than_64_kib() {
    for (step, rows) in [
        (MINUTE, 5_000),
        (5 * MINUTE, 8_000),
        (1_000_000, 3_000),
        (0, 2_000),
    ] {
        let mut column = ContextColumn::new();
        for row in 0..rows {
            column.push(row * step, noise(row));
            assert!(column.bytes() <= 64 * 1024, "{step}: {}", column.bytes());
        }
    }
}

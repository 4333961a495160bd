use super::*;
use crate::generate::{Event, EventKind, EventPlan, Traffic, TrafficSpec};
use proptest::prelude::*;

const MINUTE: i64 = 60_000_000;

fn judged(rows: impl IntoIterator<Item = (i64, f64)>) -> (Vec<ContextRow>, Vec<f64>) {
    let (mut column, mut filter) = (ContextColumn::new(), AlarmFilter::new());
    let rows: Vec<ContextRow> = rows
        .into_iter()
        .map(|(time, value)| column.push(time, value))
        .collect();
    let scores = rows
        .iter()
        .map(|row| filter.push(row.novelty, column.day()))
        .collect();
    (rows, scores)
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

fn alarms(scores: &[f64]) -> Vec<usize> {
    (0..scores.len())
        .filter(|&row| scores[row] > ALARM_LEVEL)
        .collect()
}

#[test]
fn a_flood_at_night_below_the_daily_peak_raises_an_alarm_within_minutes() {
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
    let (judged, scores) = judged(rows);
    let found = alarms(&scores);
    assert!(
        found.iter().any(|row| (start..start + 6).contains(row)),
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
    let found = alarms(&judged(rows).1);
    assert!(found.iter().any(|row| silent.contains(row)), "{found:?}");
}

#[test]
fn calm_traffic_raises_next_to_no_alarm() {
    let rows = 40_320;
    let found = alarms(&judged(traffic(rows, vec![], 3)).1);
    assert!(found.len() <= 30, "{} alarms in {rows} rows", found.len());
    let first = |days: usize| found.iter().filter(|&&row| row < days * 288).count();
    assert!(first(140) - first(70) <= 10, "{found:?}");
}

#[test]
fn rows_without_days_are_compared_with_those_before_and_a_notice_says_so() {
    let value = |row: i64| (row * 7919 % 101) as f64;
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
        let mut novelty = 0.0;
        for row in 0..1_000 {
            let value = if row == 900 { 5_000.0 } else { value(row) };
            let judged = column.push(row * step, value);
            if row == 900 {
                novelty = judged.novelty;
            }
        }
        assert!(novelty > ALARM_LEVEL, "step {step}: {novelty}");
        let notice = column.notice().unwrap();
        assert!(notice.starts_with(wanted), "{notice}");
        assert!(
            notice.ends_with("rows are compared with the 128 before them"),
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
    let (judged, _) = judged(rows);
    let after = &judged[8 * 288..];
    let expected = after
        .iter()
        .zip(8 * 288 + 60i64..)
        .map(|(row, slot)| row.expected.center - (slot % 288) as f64);
    assert!(
        expected.clone().all(|error| error == 0.0),
        "{:?}",
        expected.take(5).collect::<Vec<_>>()
    );
}

#[test]
fn the_most_novel_of_several_columns_counts() {
    let rows = 3_000i64;
    let times: Vec<i64> = (0..rows).map(|row| row * 5 * MINUTE).collect();
    let calm: Vec<f64> = (0..rows).map(|row| (row * 7919 % 101) as f64).collect();
    let mut loud: Vec<f64> = (0..rows).map(|row| (row * 104_729 % 97) as f64).collect();
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
            prop_oneof![prop::num::f64::NORMAL, Just(0.0), Just(f64::MAX), Just(f64::MIN), 0f64..1.0], 1..900),
    ) {
        let rows = values.iter().zip(0..).map(|(&value, row)| (row * 3600 * 1_000_000, value));
        let (rows, scores) = judged(rows);
        for (row, score) in rows.iter().zip(scores) {
            prop_assert!((0.0..=1.0).contains(&score) && (0.0..=1.0).contains(&row.novelty));
            prop_assert!(row.expected.center.is_finite() && row.expected.scale.is_finite() && row.expected.scale >= 0.0);
        }
    }
}

//! The whole evaluation, and what its parts share in their tests.

use proptest::prelude::*;

use super::*;
use crate::support::calendar::SECOND_US;

/// A series of one row a minute with the given scores, whose events are rows from first to last.
pub(super) fn labelled(scores: &[f64], windows: &[(usize, usize)]) -> Labelled {
    let events: Vec<_> = windows
        .iter()
        .map(|&(first, last)| (first, last, None))
        .collect();
    labelled_kinds(scores, &events)
}

/// The same with kinds.
pub(super) fn labelled_kinds(scores: &[f64], events: &[(usize, usize, Option<&str>)]) -> Labelled {
    let series = Scored {
        name: "a.csv".into(),
        timestamps_us: (0..scores.len()).map(time_us).collect(),
        values: (0..scores.len()).map(|row| (row % 24) as f64).collect(),
        scores: scores.to_vec(),
        flagged: None,
    };
    let event = |&(first, last, kind): &(usize, usize, Option<&str>)| LabelledEvent {
        start_us: time_us(first),
        end_us: time_us(last),
        kind: kind.map(str::to_owned),
    };
    let labels = LabelledFile {
        file: "a.csv".into(),
        events: events.iter().map(event).collect(),
    };
    Labelled::new(series, &labels).unwrap()
}

fn time_us(row: usize) -> i64 {
    row as i64 * 60 * SECOND_US
}

/// A number in [0, 1) without a pattern, one for each seed and row. Source of the mixing: SplitMix64.
pub(super) fn unit(seed: u64, row: usize) -> f64 {
    let mut bits = seed.wrapping_add((row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

fn noise(seed: u64, rows: usize) -> Vec<f64> {
    (0..rows).map(|row| unit(seed, row)).collect()
}

fn perfect(rows: usize, windows: &[(usize, usize)]) -> Vec<f64> {
    let mut scores = vec![0.0; rows];
    windows
        .iter()
        .for_each(|&(first, last)| scores[first..=last].fill(1.0));
    scores
}

fn at(threshold: f64) -> Measures {
    Measures {
        threshold: Some(threshold),
        ..Measures::default()
    }
}

/// All measures but thresholds.
fn without_thresholds(mut evaluation: Evaluation) -> Evaluation {
    if let Some(nab) = &mut evaluation.totals.nab {
        for profile in [&mut nab.standard, &mut nab.low_fp, &mut nab.low_fn] {
            profile.threshold = 0.0;
        }
    }
    evaluation
}

#[test]
fn rows_without_events_add_to_false_alarms_but_not_to_means() {
    let with = labelled(&perfect(100, &[(20, 29)]), &[(20, 29)]);
    let without = labelled(&perfect(100, &[(50, 50)]), &[]);
    let evaluation = evaluate(&[with, without], &at(0.5));
    let totals = evaluation.totals;
    assert_eq!((totals.files, totals.files_with_events), (2, 1));
    assert_eq!((totals.rows, totals.events), (200, 1));
    assert_eq!(totals.ranking.unwrap().auc_pr, 1.0);
    assert!((totals.nab.unwrap().standard.score - (100.0 - 5.5)).abs() < 1e-9);
    let alarms = totals.alarms.unwrap();
    assert_eq!(alarms.precision, Some(10.0 / 11.0));
    assert_eq!(alarms.false_alarms_per_10000_rows, Some(50.0));
    assert_eq!(evaluation.files[1].ranking, None);
}

#[test]
fn flags_of_the_detector_go_before_a_threshold() {
    let flags = perfect(100, &[(20, 20)]);
    let series = Scored {
        name: "a".into(),
        timestamps_us: (0..100).collect(),
        values: vec![0.0; 100],
        scores: vec![1.0; 100],
        flagged: Some(flags.iter().map(|&flag| flag == 1.0).collect()),
    };
    let labels = LabelledFile {
        file: "a".into(),
        events: vec![LabelledEvent {
            start_us: 20,
            end_us: 29,
            kind: None,
        }],
    };
    let corpus = [Labelled::new(series, &labels).unwrap()];
    for measures in [Measures::default(), at(0.5)] {
        let totals = evaluate(&corpus, &measures).totals;
        assert_eq!(totals.alarms.unwrap().flagged_rows, 1);
        assert_eq!(totals.nab_of_alarms.unwrap().standard, 100.0);
    }
}

#[test]
fn alarms_are_not_known_without_flags_or_a_threshold() {
    let evaluation = evaluate(&[labelled(&[0.0; 50], &[(9, 12)])], &Measures::default());
    assert_eq!(evaluation.totals.alarms, None);
    assert_eq!(evaluation.totals.nab_of_alarms, None);
    assert!(evaluation.kinds.is_empty());
}

#[test]
fn an_empty_corpus_has_no_measures() {
    let totals = evaluate(&[], &at(0.5)).totals;
    assert_eq!((totals.nab, totals.ranking), (None, None));
    let empty = evaluate(&[labelled(&[], &[])], &at(0.5));
    assert_eq!(empty.totals.rows, 0);
    assert!(text(&empty).starts_with("files "));
}

#[test]
fn results_are_the_same_at_any_number_of_threads() {
    let corpus: Vec<_> = (0..5)
        .map(|seed| labelled(&noise(seed, 20_000), &[(5000, 5100), (9000, 9010)]))
        .collect();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| evaluate(&corpus, &at(0.99)))
    };
    assert_eq!(run(1), run(4));
}

/// Two windows behind probation in 300 rows, apart from each other.
fn windows() -> impl Strategy<Value = Vec<(usize, usize)>> {
    (50usize..100, 1usize..50, 2usize..60, 1usize..50).prop_map(|(start, width, gap, other)| {
        let second = start + width + gap;
        vec![(start, start + width - 1), (second, second + other - 1)]
    })
}

proptest! {
    #[test]
    fn perfect_scores_have_the_highest_marks(windows in windows()) {
        let evaluation = evaluate(&[labelled(&perfect(300, &windows), &windows)], &at(0.5));
        let totals = evaluation.totals;
        let nab = totals.nab.unwrap();
        for score in [nab.standard.score, nab.low_fp.score, nab.low_fn.score] {
            prop_assert!((score - 100.0).abs() < 1e-9);
        }
        let ranking = totals.ranking.unwrap();
        prop_assert!((ranking.vus_pr.unwrap() - 1.0).abs() < 1e-9);
        prop_assert!((ranking.auc_pr - 1.0).abs() < 1e-9);
        prop_assert!((ranking.best_f1 - 2.0 / 2.00001).abs() < 1e-9);
        let alarms = totals.alarms.unwrap();
        prop_assert_eq!((alarms.precision, alarms.recall, alarms.f1), (Some(1.0), Some(1.0), Some(1.0)));
        prop_assert_eq!(alarms.events.median_time_to_detection_s, Some(0.0));
        prop_assert_eq!(alarms.false_alarms, 0);
    }

    #[test]
    fn only_thresholds_depend_on_the_scale_of_the_scores(
        windows in windows(), seed in any::<u64>(), levels in 1u32..500, threshold in 0.0f64..1.0,
    ) {
        let level = |score: f64| (score * f64::from(levels)).floor() / f64::from(levels);
        let scores: Vec<f64> = noise(seed, 300).into_iter().map(level).collect();
        let plain = evaluate(&[labelled(&scores, &windows)], &at(threshold));
        // Powers of two and whole numbers round nothing, so ties stay and no new ones come.
        for grow in [|score: f64| score * 1024.0, |score: f64| score / 4.0] {
            let grown: Vec<f64> = scores.iter().map(|&score| grow(score)).collect();
            let grown = evaluate(&[labelled(&grown, &windows)], &at(grow(threshold)));
            prop_assert_eq!(without_thresholds(plain.clone()), without_thresholds(grown));
        }
        let curved: Vec<f64> = scores.iter().map(|&score| score.exp() - 7.0).collect();
        let curved = evaluate(&[labelled(&curved, &windows)], &at(threshold.exp() - 7.0));
        prop_assert_eq!(without_thresholds(plain), without_thresholds(curved));
    }

    #[test]
    fn marks_stay_within_their_bounds(windows in windows(), seed in any::<u64>()) {
        let totals = evaluate(&[labelled(&noise(seed, 300), &windows)], &at(0.9)).totals;
        let nab = totals.nab.unwrap();
        for score in [nab.standard.score, nab.low_fp.score, nab.low_fn.score] {
            prop_assert!((0.0..=100.0).contains(&score));
        }
        let of_alarms = totals.nab_of_alarms.unwrap();
        prop_assert!(of_alarms.standard <= nab.standard.score + 1e-9);
        let ranking = totals.ranking.unwrap();
        for mark in [ranking.vus_pr.unwrap(), ranking.auc_pr, ranking.best_f1] {
            prop_assert!((0.0..=1.0).contains(&mark));
        }
    }
}

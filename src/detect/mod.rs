//! Turns the rows of a series into findings: fit, score, choose the threshold.
//!
//! In: a [`Series`] and the settings. Out: [`Findings`], plain data: the rows above the threshold and the
//! incidents that they make up. The dear steps and the cheap one are separate: [`Model::fit`] learns,
//! [`Model::score`] gives the [`Scores`] of every row, and [`Scores::findings`] chooses a threshold as often as
//! wished. [`detect`] does all three. Knows nothing of files or pictures.
//!
//! Each detector is a room: [`point`] compares a row's value with all others, [`contextual`] with the past,
//! [`subsequence`] the shape around a row with all other shapes.

mod anomaly;
mod baseline;
pub mod contextual;
mod departure;
mod findings;
pub mod incident;
pub mod interval;
mod model;
mod options;
mod point;
mod quantile;
mod row_scores;
mod scores;
mod stretch;
pub mod subsequence;
pub mod tail;
mod threshold;

use crate::series::Series;
use crate::support::error::Result;

pub use self::anomaly::{Anomalies, Direction};
pub use self::baseline::Baseline;
pub use self::findings::Findings;
pub use self::incident::{Incident, Kind, Severity};
pub use self::model::Model;
pub use self::options::{DetectOptions, Detector};
pub use self::scores::Scores;
pub use self::threshold::{Contamination, ThresholdRule, quantile_threshold};

/// Finds the anomalies of a series: fits, scores and chooses the threshold in one go.
///
/// Scores lie in (0, 1]; higher is more anomalous, and what they mean does not depend on the series. A
/// constant series has no anomalies, and a note says so. Where the detector that was asked for cannot
/// judge the series, a note says which fallback was used. The same bits at any number of threads.
///
/// # Errors
/// [`ErrorKind::NoUsableRow`](crate::support::error::ErrorKind::NoUsableRow) where the series is empty, and
/// those of [`Series::read`] and of spilling rows.
pub fn detect<'a>(series: &'a Series, options: &DetectOptions) -> Result<(Findings, Scores<'a>)> {
    let scores = Model::fit(series, options)?.score(series)?;
    let findings = scores.findings(options.threshold)?;
    Ok((findings, scores))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Series {
        let times: Vec<i64> = (0..values.len() as i64)
            .map(|row| row * 1_000_000)
            .collect();
        Series::from_columns(vec!["value".into()], &times, &[values])
    }

    fn options(rate: f64) -> DetectOptions {
        DetectOptions {
            threshold: ThresholdRule::Contamination(Contamination::new(rate).unwrap()),
            ..DetectOptions::default()
        }
    }

    fn found(series: &Series, options: &DetectOptions) -> Findings {
        detect(series, options).unwrap().0
    }

    #[test]
    fn series_with_nothing_to_tell_have_no_anomalies_and_say_so() {
        for (values, wanted) in [
            (vec![5.0; 300], "all values are equal: no anomalies"),
            (
                vec![5.0],
                "one row only: nothing to compare it with, no anomalies",
            ),
        ] {
            for threshold in [ThresholdRule::default(), ThresholdRule::Auto] {
                for detector in [Detector::Value, Detector::Context, Detector::Shape] {
                    let options = DetectOptions {
                        detector,
                        threshold,
                        ..DetectOptions::default()
                    };
                    let findings = found(&series(&values), &options);
                    assert_eq!(
                        (findings.anomalies.rows(), &findings.notes[..]),
                        (0, &[wanted.to_owned()][..])
                    );
                }
            }
        }
    }

    #[test]
    fn a_spike_and_a_hole_are_found_with_what_explains_them() {
        let mut values: Vec<f64> = (0..1000)
            .map(|row| 1000.0 + f64::from(row * 7919 % 101))
            .collect();
        values[300] = 90_000.0;
        values[700] = -50_000.0;
        let series = series(&values);
        let findings = found(&series, &options(0.002));
        let (all, incidents) = (&findings.anomalies, &findings.incidents);
        assert_eq!(all.timestamps_us, [300_000_000, 700_000_000]);
        assert_eq!(
            [all.direction(0), all.direction(1)],
            [Direction::Above, Direction::Below]
        );
        assert_eq!(
            (findings.anomalies.rows(), findings.expected),
            (2, Some(2.0))
        );
        assert!((1045.0..=1055.0).contains(&all.expected[0].center));
        let kinds: Vec<Kind> = incidents.iter().map(|incident| incident.kind).collect();
        assert_eq!(kinds, [Kind::Spike, Kind::Drop]);
    }

    #[test]
    fn the_rows_listed_are_those_whose_score_passes_the_threshold() {
        let values: Vec<f64> = (0..5000)
            .map(|row| f64::from(row * 7919 % 5003).sqrt())
            .collect();
        let series = series(&values);
        let (findings, judged) = detect(&series, &options(0.1)).unwrap();
        let mut wanted = 0;
        let mut scores = Vec::new();
        for (number, part) in series.parts().iter().enumerate() {
            let chunk = series.read(part).unwrap();
            judged.of_part(number, &chunk, &mut scores).unwrap();
            wanted += scores
                .iter()
                .filter(|&&score| score > findings.threshold)
                .count();
        }
        assert_eq!(findings.anomalies.rows(), wanted);
        assert!(wanted > 400 && wanted <= 500);
    }

    #[test]
    fn with_several_columns_the_one_that_stands_out_is_named() {
        let calm: Vec<f64> = (0..500).map(|row| f64::from(row * 31 % 17)).collect();
        let mut loud: Vec<f64> = (0..500).map(|row| f64::from(row * 17 % 31)).collect();
        loud[250] = 4000.0;
        let times: Vec<i64> = (0..500).collect();
        let series = Series::from_columns(vec!["a".into(), "b".into()], &times, &[&calm, &loud]);
        let findings = found(&series, &options(0.002));
        let (all, incidents) = (&findings.anomalies, &findings.incidents);
        assert_eq!(
            (&all.timestamps_us[..], &all.columns[..]),
            (&[250][..], &[1][..])
        );
        assert_eq!(
            (all.direction(0), incidents[0].column),
            (Direction::Above, 1)
        );
    }

    /// Sums of uniform numbers: nearly normal, with a mean of 1000 and a standard deviation of 50.
    fn noise(rows: usize) -> Vec<f64> {
        let mut state = 99u64;
        let mut unit = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        (0..rows)
            .map(|_| 1000.0 + 50.0 * ((0..12).map(|_| unit()).sum::<f64>() - 6.0))
            .collect()
    }

    #[test]
    fn an_automatic_threshold_flags_an_attack_and_leaves_calm_rows_alone() {
        let auto = DetectOptions {
            threshold: ThresholdRule::Auto,
            ..DetectOptions::default()
        };
        let mut values = noise(50_000);
        assert_eq!(found(&series(&values), &auto).anomalies.rows(), 0);
        values[30_000..30_040].fill(9_000.0);
        values[40_000] = 0.0;
        let series = series(&values);
        let findings = found(&series, &auto);
        assert_eq!(findings.anomalies.rows(), 41);
        assert_eq!(findings.incidents.len(), 2);
    }

    #[test]
    fn zeros_are_found_where_traffic_is_never_near_zero() {
        let auto = DetectOptions {
            threshold: ThresholdRule::Auto,
            ..DetectOptions::default()
        };
        // By day five times the traffic of the night, so that 0 is not far from the night on a linear scale.
        let mut values: Vec<f64> = noise(8_064)
            .iter()
            .enumerate()
            .map(|(row, noise)| noise * (3.0 + 2.0 * (row as f64 / 45.8).sin()))
            .collect();
        assert_eq!(found(&series(&values), &auto).anomalies.rows(), 0);
        values[4_000..4_026].fill(0.0);
        let findings = found(&series(&values), &auto);
        assert_eq!(findings.anomalies.rows(), 26);
        assert_eq!(findings.incidents[0].kind, Kind::Silence);
    }

    #[test]
    fn an_automatic_threshold_wants_enough_rows_to_see_a_tail() {
        let auto = DetectOptions {
            threshold: ThresholdRule::Auto,
            ..DetectOptions::default()
        };
        let findings = found(&series(&noise(100)), &auto);
        assert_eq!(findings.anomalies.rows(), 0);
        assert_eq!(
            findings.notes,
            ["100 rows are too few for an automatic threshold (229 are needed): no anomalies"]
        );
    }

    #[test]
    fn thresholds_can_be_chosen_again_and_other_series_scored_without_fitting() {
        let fitted = series(&noise(5_000));
        let model = Model::fit(&fitted, &options(0.01)).unwrap();
        let scores = model.score(&fitted).unwrap();
        for rate in [0.001, 0.01, 0.1] {
            let anew = found(&fitted, &options(rate));
            assert_eq!(scores.findings(options(rate).threshold).unwrap(), anew);
        }
        let mut values = noise(300);
        values[100] = 9_000.0;
        let other = series(&values);
        let threshold = scores.threshold(options(0.01).threshold).unwrap();
        let judged = model.score(&other).unwrap();
        let found = judged.findings(ThresholdRule::Score(threshold)).unwrap();
        // One in a hundred of the calm rows is flagged too.
        assert!(found.anomalies.timestamps_us.contains(&100_000_000));
        assert!(found.anomalies.rows() < 12);
    }

    #[test]
    fn a_model_refuses_a_series_with_other_columns() {
        let model = Model::fit(&series(&noise(50)), &options(0.01)).unwrap();
        let times: Vec<i64> = (0..3).collect();
        let values = [1.0, 2.0, 3.0];
        let two = Series::from_columns(vec!["a".into(), "b".into()], &times, &[&values, &values]);
        assert_eq!(
            model.score(&two).unwrap_err().kind(),
            crate::support::error::ErrorKind::ColumnMismatch
        );
    }
}

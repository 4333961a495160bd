//! Precision and recall of single rows over all thresholds.
//!
//! In: a score and a truth for each row. Out: the curve, the area under it, the best F1 on it.

use rayon::prelude::*;

/// Precision and recall at every threshold that changes them, by falling threshold.
///
/// Rows of equal score are flagged together.
#[derive(Debug, Clone)]
pub struct PrecisionRecall {
    points: Vec<Point>,
}

#[derive(Debug, Clone, Copy)]
struct Point {
    precision: f64,
    recall: f64,
}

impl PrecisionRecall {
    /// The curve of `scores`, none NaN, against `in_event`; `None` without a row in an event.
    ///
    /// Costs one sort of the rows.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn of(scores: &[f64], in_event: &[bool]) -> Option<Self> {
        assert_eq!(scores.len(), in_event.len(), "one truth for each score");
        let positive = in_event.iter().filter(|&&positive| positive).count();
        if positive == 0 {
            return None;
        }
        let mut rows: Vec<(f64, bool)> = scores
            .iter()
            .zip(in_event)
            // Zero has two signs and the order below tells them apart.
            .map(|(&score, &positive)| (score + 0.0, positive))
            .collect();
        rows.par_sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let (mut flagged, mut found) = (0, 0);
        let points = rows.chunk_by(|a, b| a.0 == b.0).map(|tied| {
            flagged += tied.len();
            found += tied.iter().filter(|row| row.1).count();
            Point {
                precision: found as f64 / flagged as f64,
                recall: found as f64 / positive as f64,
            }
        });
        Some(Self {
            points: points.collect(),
        })
    }

    /// The area under the curve, as the sum of precision times gain in recall (average precision).
    pub fn area(&self) -> f64 {
        let mut before = 0.0;
        let strips = self.points.iter().map(|point| {
            let gained = point.recall - before;
            before = point.recall;
            gained * point.precision
        });
        strips.sum()
    }

    /// The highest harmonic mean of precision and recall.
    ///
    /// With 1e-5 added to the divisor, as TSB-AD has it, so that perfect scores have 0.999995.
    pub fn best_f1(&self) -> f64 {
        let f1 = |point: &Point| {
            2.0 * point.precision * point.recall / (point.precision + point.recall + 1e-5)
        };
        self.points.iter().map(f1).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(scores: &[f64], in_event: &[u8]) -> PrecisionRecall {
        let in_event: Vec<bool> = in_event.iter().map(|&one| one == 1).collect();
        PrecisionRecall::of(scores, &in_event).unwrap()
    }

    #[test]
    fn area_and_f1_by_hand() {
        // By falling score: hit, miss, hit, miss. Precision 1, 1/2, 2/3, 1/2 at recall 1/2, 1/2, 1, 1.
        let curve = curve(&[4.0, 3.0, 2.0, 1.0], &[1, 0, 1, 0]);
        assert!((curve.area() - (0.5 + 0.5 * (2.0 / 3.0))).abs() < 1e-12);
        assert!((curve.best_f1() - 2.0 * (2.0 / 3.0) / (5.0 / 3.0 + 1e-5)).abs() < 1e-12);
    }

    #[test]
    fn rows_of_equal_score_are_flagged_together() {
        for in_event in [[1, 0, 0, 0], [0, 0, 0, 1]] {
            let curve = curve(&[0.0, -0.0, 0.0, -0.0], &in_event);
            assert_eq!(curve.area(), 0.25);
        }
    }

    #[test]
    fn perfect_scores_have_the_area_1() {
        let curve = curve(&[9.0, 9.0, 1.0], &[1, 1, 0]);
        assert_eq!(curve.area(), 1.0);
        assert_eq!(curve.best_f1(), 2.0 / 2.00001);
    }

    #[test]
    fn rows_without_an_event_have_no_curve() {
        assert!(PrecisionRecall::of(&[1.0], &[false]).is_none());
        assert!(PrecisionRecall::of(&[], &[]).is_none());
    }
}

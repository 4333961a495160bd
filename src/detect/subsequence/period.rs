//! How many rows a series takes to repeat itself.
//!
//! In: the first rows of a series. Out: its [`Period`], from the autocorrelation, or a stated
//! fallback where no rhythm shows.
//!
//! A rhythm shows as a peak of the autocorrelation that rises from a valley. Noise and slow drifts
//! have peaks too, but no valley before them. Every multiple of a period is a peak as well, and a
//! week is often a little higher than a day, so the shortest lag that is almost as high as the
//! highest is taken, and then the highest of its own neighbourhood.

use rayon::prelude::*;

use crate::support::parallel::min_tasks;

/// Rows that the period is looked for in.
pub(super) const SEARCHED: usize = 20_000;
/// The shortest period looked for: fewer rows hardly have a shape.
pub const MIN_PERIOD: usize = 12;
/// The longest period looked for.
pub const MAX_PERIOD: usize = 400;
/// Taken where no rhythm shows. A wide range around it does as well.
pub(super) const FALLBACK: usize = 125;
/// How far a peak of the autocorrelation must rise above the lowest value before it. Between 0.1 and
/// 0.2 the result is the same on nearly all series tried; at 0.05 noise passes for a rhythm.
const RISE: f64 = 0.1;
/// The shortest lag with this share of the highest peak is the period; 0.7 to 0.95 do as well.
const ALMOST: f64 = 0.9;

/// The number of rows after which a series repeats itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// Found as a peak of the autocorrelation.
    Found(usize),
    /// None was found; windows are as long as if it were this.
    Fallback(usize),
}

impl Period {
    /// The period in rows.
    pub fn rows(self) -> usize {
        match self {
            Self::Found(rows) | Self::Fallback(rows) => rows,
        }
    }

    /// In words.
    pub fn text(self) -> String {
        match self {
            Self::Found(rows) => format!("repeats every {rows} rows"),
            Self::Fallback(rows) => {
                format!(
                    "no rhythm of {MIN_PERIOD} to {MAX_PERIOD} rows found; windows of {rows} rows"
                )
            }
        }
    }

    /// The period of a series that begins with `values`, which are finite and of moderate size
    /// (their squares add up without overflow). Only the first [`SEARCHED`] are used.
    ///
    /// Lags up to half the series are tried. Constant or short series have none.
    /// Costs a multiplication for each row and lag: 8 million at most.
    pub fn of(values: &[f64]) -> Self {
        let values = &values[..values.len().min(SEARCHED)];
        let lags = autocorrelation(values);
        let mut lowest = f64::INFINITY;
        let mut peaks = Vec::new();
        for (before, three) in lags.windows(3).enumerate() {
            let lag = before + 1;
            let is_peak = three[1] > three[0] && three[1] > three[2];
            if lag >= MIN_PERIOD && is_peak && three[1] - lowest >= RISE {
                peaks.push(lag);
            }
            lowest = lowest.min(three[1]);
        }
        let highest = peaks.iter().map(|&lag| lags[lag]).fold(f64::MIN, f64::max);
        // The highest peak itself may lie below zero, where a share of it would be above it.
        let enough = highest - (1.0 - ALMOST) * highest.abs();
        match peaks.iter().find(|&&lag| lags[lag] >= enough) {
            Some(&lag) => Self::Found(lag),
            None => Self::Fallback(FALLBACK),
        }
    }
}

/// The autocorrelation at lags 0 to [`MAX_PERIOD`] and one more, or to half the rows; empty where all
/// values are equal.
///
/// Biased: each lag's sum is divided by the same number of rows, which favours short lags a little.
fn autocorrelation(values: &[f64]) -> Vec<f64> {
    let rows = values.len();
    let mean = values.iter().sum::<f64>() / rows.max(1) as f64;
    let centred: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let most = (MAX_PERIOD + 1).min(rows / 2);
    let sums: Vec<f64> = (0..most + 1)
        .into_par_iter()
        .with_min_len(min_tasks(rows).max(16))
        .map(|lag| dot(&centred[..rows - lag], &centred[lag..]))
        .collect();
    match sums.first() {
        Some(&all) if all > 0.0 => sums.iter().map(|sum| sum / all).collect(),
        _ => Vec::new(),
    }
}

/// The sum of products, in eight lanes so that it is fast, in an order that is always the same.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::random;

    fn noise(row: usize) -> f64 {
        random::unit(random::scramble(row as u64)) - 0.5
    }

    fn wave(row: usize, period: usize) -> f64 {
        (row as f64 / period as f64 * std::f64::consts::TAU).sin()
    }

    #[test]
    fn a_rhythm_is_found_to_the_row() {
        for period in [12, 24, 100, 144, 288, 390] {
            let values: Vec<f64> = (0..6000)
                .map(|row| wave(row, period) + 0.2 * noise(row))
                .collect();
            let found = Period::of(&values);
            assert!(matches!(found, Period::Found(_)));
            // The top of a long wave is flat, and noise decides where it is highest.
            assert!(
                found.rows().abs_diff(period) <= period / 10,
                "{period} {found:?}"
            );
        }
    }

    #[test]
    fn a_day_is_preferred_to_the_week_it_is_part_of() {
        let values: Vec<f64> = (0..6000)
            .map(|row| wave(row, 24) + 0.3 * wave(row, 168) + 0.2 * noise(row))
            .collect();
        assert_eq!(Period::of(&values), Period::Found(24));
    }

    #[test]
    fn noise_drift_and_constants_have_no_rhythm() {
        let series: [fn(usize) -> f64; 3] = [noise, |row| row as f64, |_| 7.0];
        for value in series {
            let values: Vec<f64> = (0..5000).map(value).collect();
            assert_eq!(Period::of(&values), Period::Fallback(FALLBACK));
        }
        assert_eq!(Period::of(&[]), Period::Fallback(FALLBACK));
        assert_eq!(Period::of(&[1.0, 2.0]), Period::Fallback(FALLBACK));
    }
}

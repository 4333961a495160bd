//! VUS-PR: the volume under the surface of range-based precision and recall.
//!
//! In: a score and a truth for each row, and the longest window. Out: a number from 0 to 1.
//!
//! # How it is defined
//!
//! Labels are never exact, so each event gets a buffer of `h = ⌊w / 2⌋` rows on either side. There
//! a row at distance `d` is a positive by the share `√(1 - d / w)`; where buffers meet, the shares are added,
//! up to 1. For a threshold that flags `n` rows, with `P` rows in events, let `T` be the sum of the
//! shares of the flagged rows and `S` that of those in the buffers. Then precision is `T / n`; recall is
//! `min(1, T / (P + S / 2))` times the share of the buffered events that have a flagged row. The area
//! under this curve, over 250 thresholds at evenly spaced ranks of the scores, is averaged over all `w`
//! from 0 to the window, which is the period of the series.
//!
//! Source: J. Paparrizos et al., "Volume Under the Surface: A New Accuracy Evaluation Measure for
//! Time-Series Anomaly Detection", PVLDB 15(11), 2022; details (thresholds, buffers, period) as in TSB-AD:
//! Q. Liu and J. Paparrizos, "The Elephant in the Room", NeurIPS 2024.
//!
//! # What it costs
//!
//! Defined this way, rows times windows. But a window changes nothing outside the buffers, and no share is
//! below √½: a row that two buffers reach has the share 1 whatever the distances. So after one sort of the
//! rows, each window costs the rows within its buffers, two comparisons each, and 250 steps. That is
//! nothing beside the sort where events are few; in the worst case, rows times windows of a few
//! nanoseconds. Windows run in parallel and are added up in order.

use rayon::prelude::*;

/// Thresholds that the area is taken over.
const THRESHOLDS: usize = 250;

/// The volume under the surface of `scores`, none NaN, against `in_event`, with windows up to `window` rows;
/// `None` without a row in an event.
///
/// # Panics
/// If the slices differ in length.
pub fn vus_pr(scores: &[f64], in_event: &[bool], window: usize) -> Option<f64> {
    let surface = Surface::new(scores, in_event)?;
    let areas: Vec<f64> = (0..=window)
        .into_par_iter()
        .map(|window| surface.area(window))
        .collect();
    Some(areas.iter().sum::<f64>() / (window + 1) as f64)
}

/// A stretch of rows in events.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: usize,
    last: usize,
    /// The first threshold that flags one of its rows.
    flagged_from: usize,
}

/// What all windows share. Thresholds are counted from 0, the highest.
#[derive(Debug)]
struct Surface {
    /// For each row the first threshold that flags it.
    flagged_from: Vec<u8>,
    stretches: Vec<Stretch>,
    /// Rows in events.
    positive: f64,
    /// Of these, the rows that each threshold is the first to flag.
    found: [f64; THRESHOLDS],
    /// Rows that each threshold flags.
    flagged: [f64; THRESHOLDS],
}

impl Surface {
    fn new(scores: &[f64], in_event: &[bool]) -> Option<Self> {
        assert_eq!(scores.len(), in_event.len(), "one truth for each score");
        let highest_row = scores.len().checked_sub(1)?;
        let mut falling = scores.to_vec();
        falling.par_sort_unstable_by(|a, b| b.total_cmp(a));
        let step = highest_row as f64 / (THRESHOLDS - 1) as f64;
        let thresholds: [f64; THRESHOLDS] = std::array::from_fn(|place| {
            // The last one is rounded too, and must not fall short of the lowest score.
            let rank = match place == THRESHOLDS - 1 {
                true => highest_row,
                false => (place as f64 * step) as usize,
            };
            falling[rank]
        });
        let flagged =
            thresholds.map(|threshold| falling.partition_point(|&score| score >= threshold) as f64);
        let flagged_from: Vec<u8> = scores
            .par_iter()
            .with_min_len(4096)
            .map(|&score| thresholds.partition_point(|&threshold| threshold > score) as u8)
            .collect();

        let mut stretches = Vec::new();
        let mut found = [0.0; THRESHOLDS];
        let mut first = 0;
        for run in in_event.chunk_by(|a, b| a == b) {
            let end = first + run.len();
            if run[0] {
                let mut earliest = THRESHOLDS;
                for &from in &flagged_from[first..end] {
                    found[usize::from(from)] += 1.0;
                    earliest = earliest.min(usize::from(from));
                }
                stretches.push(Stretch {
                    first,
                    last: end - 1,
                    flagged_from: earliest,
                });
            }
            first = end;
        }
        if stretches.is_empty() {
            return None;
        }
        Some(Self {
            flagged_from,
            stretches,
            positive: found.iter().sum(),
            found,
            flagged,
        })
    }

    /// The area under the curve of one window.
    fn area(&self, window: usize) -> f64 {
        let Buffered {
            shares,
            zones,
            zone_count,
        } = self.buffered(window);
        let (mut found, mut buffer, mut reached) = (0.0, 0.0, 0.0);
        let (mut area, mut before) = (0.0, 0.0);
        for threshold in 0..THRESHOLDS {
            found += self.found[threshold] + shares[threshold];
            buffer += shares[threshold];
            reached += zones[threshold];
            let positive = (self.positive + (self.positive + buffer)) / 2.0;
            let recall = (found / positive).min(1.0) * (reached / zone_count);
            area += (recall - before) * (found / self.flagged[threshold]);
            before = recall;
        }
        area
    }

    /// The shares of the rows in the buffers of `window`, and the events that become one by them.
    fn buffered(&self, window: usize) -> Buffered {
        let reach = window / 2;
        let steps: Vec<(usize, f64)> = (1..=reach)
            .map(|distance| (distance, (1.0 - distance as f64 / window as f64).sqrt()))
            .collect();
        let mut buffered = Buffered {
            shares: [0.0; THRESHOLDS],
            zones: [0.0; THRESHOLDS],
            zone_count: 0.0,
        };
        let mut earliest = THRESHOLDS;
        for place in 0..=self.stretches.len() {
            // The gap before stretch `place`; the last one is behind all stretches.
            let before = place.checked_sub(1).map(|place| self.stretches[place]);
            let after = self.stretches.get(place).copied();
            let start = before.map_or(0, |stretch| stretch.last + 1);
            let end = after.map_or(self.flagged_from.len(), |stretch| stretch.first);
            let gap = end - start;
            // How much farther off than the neighbour the stretch behind the neighbour is.
            let beyond_before = before
                .zip(place.checked_sub(2).map(|place| self.stretches[place]))
                .map_or(usize::MAX, |(near, far)| near.last - far.last);
            let beyond_after = after
                .zip(self.stretches.get(place + 1))
                .map_or(usize::MAX, |(near, far)| far.first - near.first);

            let mut from_before = 0;
            if before.is_some() {
                from_before = reach.min(gap);
                for &(distance, share) in &steps[..from_before] {
                    let from = usize::from(self.flagged_from[start + distance - 1]);
                    let twice = distance.saturating_add(beyond_before) <= reach
                        || (after.is_some() && gap + 1 - distance <= reach);
                    buffered.shares[from] += if twice { 1.0 } else { share };
                    earliest = earliest.min(from);
                }
            }
            if let (Some(_), Some(_)) = (before, after)
                && 2 * reach <= gap
            {
                buffered.close(&mut earliest);
            }
            if let Some(after) = after {
                // Rows that both neighbours reach are counted already.
                for &(distance, share) in &steps[..reach.min(gap - from_before)] {
                    let from = usize::from(self.flagged_from[end - distance]);
                    let twice = distance.saturating_add(beyond_after) <= reach;
                    buffered.shares[from] += if twice { 1.0 } else { share };
                    earliest = earliest.min(from);
                }
                earliest = earliest.min(after.flagged_from);
            }
        }
        buffered.close(&mut earliest);
        buffered
    }
}

/// The buffers of one window.
#[derive(Debug)]
struct Buffered {
    /// By the threshold that flags them first, the sum of the shares of the rows in buffers.
    shares: [f64; THRESHOLDS],
    /// By the threshold that flags one of their rows first, the events; those whose buffers overlap are one.
    zones: [f64; THRESHOLDS],
    zone_count: f64,
}

impl Buffered {
    /// Ends an event whose first flagged row is flagged from threshold `earliest` on.
    fn close(&mut self, earliest: &mut usize) {
        self.zones[std::mem::replace(earliest, THRESHOLDS)] += 1.0;
        self.zone_count += 1.0;
    }
}

/// The period of `values` in rows, for the window of [`vus_pr`]: the lag of the highest peak of the
/// autocorrelation, or 125 where there is none.
///
/// Looks at the first 20,000 rows and lags of 3 to 303, as TSB-AD's `find_length_rank` does. A peak at either
/// end of that range, or beyond it up to 400, counts as none. Costs rows times lags, some milliseconds: too
/// few lags for a Fourier transform to gain much.
pub fn acf_period(values: &[f64]) -> usize {
    const ROWS: usize = 20_000;
    const SHORTEST: usize = 3;
    const LONGEST: usize = 400;
    const NONE: usize = 125;
    let values = &values[..values.len().min(ROWS)];
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let centred: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let product = |lag: usize| -> f64 {
        let pairs = centred.iter().zip(centred.iter().skip(lag));
        pairs.map(|(a, b)| a * b).sum()
    };
    let variance = product(0);
    // Not a number where a value is none, or is infinite.
    if !(variance > 0.0 && variance.is_finite()) {
        return NONE;
    }
    let correlation: Vec<f64> = (SHORTEST..values.len().min(LONGEST + 1))
        .map(|lag| product(lag) / variance)
        .collect();
    let peaks = correlation
        .windows(3)
        .zip(1..)
        .filter(|(around, _)| around[1] > around[0] && around[1] > around[2])
        .map(|(around, place)| (around[1], place));
    match peaks.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((_, place)) if (3..=300).contains(&place) => place + SHORTEST,
        _ => NONE,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::unit;
    use super::*;
    use proptest::prelude::*;

    /// The definition row by row, as the reference implementation of TSB-AD has it.
    fn by_definition(scores: &[f64], in_event: &[bool], longest: usize) -> f64 {
        let rows = scores.len();
        let surface = Surface::new(scores, in_event).unwrap();
        let stretches = &surface.stretches;
        let mut volume = 0.0;
        for window in 0..=longest {
            let reach = window / 2;
            let mut share: Vec<f64> = in_event
                .iter()
                .map(|&one| f64::from(u8::from(one)))
                .collect();
            let weight = |distance: usize| (1.0 - distance as f64 / window as f64).sqrt();
            for stretch in stretches {
                let behind = stretch.last + 1..rows.min(stretch.last + 1 + reach);
                let before = stretch.first.saturating_sub(reach)..stretch.first;
                behind.for_each(|row| share[row] += weight(row - stretch.last));
                before.for_each(|row| share[row] += weight(stretch.first - row));
            }
            share.iter_mut().for_each(|share| *share = share.min(1.0));
            let mut zones = Vec::new();
            let mut start = stretches[0].first.saturating_sub(reach);
            for pair in stretches.windows(2) {
                if pair[0].last + reach < pair[1].first.saturating_sub(reach) {
                    zones.push(start..pair[0].last + reach + 1);
                    start = pair[1].first - reach;
                }
            }
            zones.push(start..(stretches[stretches.len() - 1].last + reach + 1).min(rows));
            let mut before = 0.0;
            for threshold in 0..THRESHOLDS {
                let is_flagged = |row: usize| usize::from(surface.flagged_from[row]) <= threshold;
                let flagged = (0..rows).filter(|&row| is_flagged(row)).count() as f64;
                let found: f64 = (0..rows)
                    .filter(|&row| is_flagged(row))
                    .map(|row| share[row])
                    .sum();
                let soft: f64 = (0..rows)
                    .filter(|&row| is_flagged(row) && !in_event[row])
                    .map(|row| share[row])
                    .sum();
                let reached = zones
                    .iter()
                    .filter(|zone| (*zone).clone().any(is_flagged))
                    .count();
                let positive = surface.positive + soft / 2.0;
                let recall = (found / positive).min(1.0) * (reached as f64 / zones.len() as f64);
                volume += (recall - before) * found / flagged;
                before = recall;
            }
        }
        volume / (longest + 1) as f64
    }

    #[test]
    fn without_buffers_the_volume_is_an_area_by_hand() {
        // Two events of one row; the second is flagged with the third row. Recall carries the share of
        // events found: 1/2 · 1/2 at precision 1, then 1 · 1 at precision 2/3.
        let volume = vus_pr(&[4.0, 3.0, 2.0, 1.0], &[true, false, true, false], 1).unwrap();
        assert!((volume - (0.25 + 0.75 * 2.0 / 3.0)).abs() < 1e-12);
    }

    #[test]
    fn a_near_miss_counts_by_its_distance_by_hand() {
        // Window 2 has a buffer of one row of the share √½; the row before the event is flagged first.
        // T = √½ of 1 row, recall √½ / (1 + √½ / 2); then the event's row, recall 1, precision (1 + √½) / 2.
        let half = 0.5f64.sqrt();
        let surface = Surface::new(&[1.0, 3.0, 2.0, 0.0], &[false, false, true, false]).unwrap();
        let recall = half / (1.0 + half / 2.0);
        let expected = recall * half + (1.0 - recall) * (1.0 + half) / 2.0;
        assert!((surface.area(2) - expected).abs() < 1e-12);
    }

    #[test]
    fn rows_without_an_event_have_no_volume() {
        assert_eq!(vus_pr(&[1.0, 2.0], &[false, false], 5), None);
        assert_eq!(vus_pr(&[], &[], 5), None);
        assert_eq!(vus_pr(&[1.0], &[true], 5), Some(1.0));
    }

    #[test]
    fn the_period_of_a_wave_is_its_length() {
        let wave = |length: f64| -> Vec<f64> {
            (0..5000)
                .map(|row| (f64::from(row) * std::f64::consts::TAU / length).sin())
                .collect()
        };
        assert_eq!(acf_period(&wave(24.0)), 24);
        assert_eq!(acf_period(&wave(288.0)), 288);
        // Its peak is beyond the range.
        assert_eq!(acf_period(&wave(350.0)), 125);
    }

    #[test]
    fn values_without_a_peak_have_the_period_125() {
        assert_eq!(acf_period(&[]), 125);
        assert_eq!(acf_period(&[7.0; 500]), 125);
        assert_eq!(acf_period(&[1.0, f64::NAN, 2.0, 3.0, 1.0, 2.0]), 125);
        assert_eq!(acf_period(&[1.0, f64::INFINITY, 2.0, 3.0, 1.0, 2.0]), 125);
    }

    proptest! {
        #[test]
        fn the_volume_is_the_definition(
            seed in any::<u64>(),
            levels in 1u32..60,
            runs in prop::collection::vec(1usize..9, 2..12),
            window in 0usize..20,
        ) {
            let in_event: Vec<bool> = runs.iter().enumerate()
                .flat_map(|(place, &length)| std::iter::repeat_n((place + runs.len()).is_multiple_of(2), length))
                .collect();
            let scores: Vec<f64> = (0..in_event.len())
                .map(|row| (unit(seed, row) * f64::from(levels)).floor())
                .collect();
            let expected = by_definition(&scores, &in_event, window);
            let volume = vus_pr(&scores, &in_event, window).unwrap();
            prop_assert!((volume - expected).abs() < 1e-9, "{} for {}", volume, expected);
        }
    }
}

//! The level of ordinary traffic at any moment: day, week, and the mood of single days and hours.

use super::TrafficSpec;
use super::chance::{Use, exp, subseed, unit_at};
use crate::support::calendar::HOUR_US;

/// Traffic of a working day by hour, about 1 on average: quiet until six, steep at eight, a dip at
/// noon and a second rise when people are at home.
const WORKING_DAY: [f64; 24] = [
    0.62, 0.46, 0.36, 0.31, 0.29, 0.33, 0.48, 0.80, 1.16, 1.38, 1.47, 1.43, 1.24, 1.32, 1.47, 1.50,
    1.42, 1.26, 1.15, 1.22, 1.34, 1.31, 1.08, 0.84,
];

/// The same for Saturday and Sunday, before the weekend's lower level: later, flatter, highest at night.
const DAY_OFF: [f64; 24] = [
    0.95, 0.76, 0.58, 0.46, 0.40, 0.38, 0.41, 0.50, 0.66, 0.86, 1.04, 1.14, 1.16, 1.13, 1.10, 1.10,
    1.14, 1.21, 1.30, 1.42, 1.50, 1.45, 1.29, 1.10,
];

/// Share of the traffic that a full weekly rhythm takes off Saturday and Sunday.
const WEEKEND_DIP: f64 = 0.42;

/// The expected level of traffic, a smooth curve through one value an hour.
#[derive(Debug, Clone)]
pub(super) struct Rhythm {
    base: f64,
    daily: f64,
    weekly: f64,
    noise: f64,
    day_seed: u64,
    hour_seed: u64,
}

/// One hour of the curve: a cubic in the time since the hour began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hour {
    start_us: i64,
    /// Standard deviation of the noise, as a share of the level.
    pub(super) deviation: f64,
    cubic: [f64; 4],
    floor: f64,
}

impl Rhythm {
    pub(super) fn new(spec: &TrafficSpec) -> Self {
        Self {
            base: spec.base_level,
            daily: spec.daily_rhythm,
            weekly: spec.weekly_rhythm,
            noise: spec.noise,
            day_seed: subseed(spec.seed, Use::Day, 0),
            hour_seed: subseed(spec.seed, Use::Hour, 0),
        }
    }

    /// The hour that holds `time_us`.
    pub(super) fn hour(&self, time_us: i64) -> Hour {
        let hour = time_us.div_euclid(HOUR_US);
        let [a, b, c, d] = [-1, 0, 1, 2].map(|next| self.knot(hour + next));
        // Catmull-Rom: through b and c, with the slopes of their neighbours.
        let cubic = [
            b,
            (c - a) / 2.0,
            a - 2.5 * b + 2.0 * c - d / 2.0,
            (d - a) / 2.0 + 1.5 * (b - c),
        ];
        Hour {
            start_us: hour * HOUR_US,
            // Many small senders even each other out: busy hours are relatively calmer.
            deviation: self.noise * (self.base / b).sqrt().sqrt(),
            cubic,
            floor: self.base * 0.02,
        }
    }

    /// The expected level at `time_us`.
    pub(super) fn level(&self, time_us: i64) -> f64 {
        self.hour(time_us).level(time_us)
    }

    /// The level that an ordinary working day reaches at its highest.
    pub(super) fn daily_peak(&self) -> f64 {
        let highest = WORKING_DAY.iter().copied().fold(0.0, f64::max);
        self.base * (1.0 + self.daily * (highest - 1.0))
    }

    fn knot(&self, hour: i64) -> f64 {
        let day = hour.div_euclid(24);
        let of_day = hour.rem_euclid(24) as usize;
        let working = WORKING_DAY[of_day];
        // 1970-01-01 was a Thursday, so day 2 was the first Saturday.
        let (shape, factor) = if (day - 2).rem_euclid(7) < 2 {
            let shape = working + self.weekly * (DAY_OFF[of_day] - working);
            (shape, 1.0 - WEEKEND_DIP * self.weekly)
        } else {
            (working, 1.0)
        };
        let of_this_day = 2.0 * unit_at(self.day_seed, day as u64) - 1.0;
        let of_this_hour = 2.0 * unit_at(self.hour_seed, hour as u64) - 1.0;
        let mood = exp(self.noise * (0.9 * of_this_day + 0.7 * of_this_hour));
        self.base * factor * (1.0 + self.daily * (shape - 1.0)) * mood
    }
}

impl Hour {
    /// The moment at which the next hour begins.
    pub(super) fn end_us(&self) -> i64 {
        self.start_us.saturating_add(HOUR_US)
    }

    /// The expected level at `time_us`, which lies within the hour.
    #[inline]
    pub(super) fn level(&self, time_us: i64) -> f64 {
        let t = (time_us - self.start_us) as f64 * (1.0 / HOUR_US as f64);
        let [a, b, c, d] = self.cubic;
        (a + t * (b + t * (c + t * d))).max(self.floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::calendar::DAY_US;

    /// Monday, 1970-01-05.
    const MONDAY: i64 = 4 * DAY_US;

    fn rhythm(base_level: f64, strength: f64, noise: f64) -> Rhythm {
        Rhythm::new(&TrafficSpec {
            base_level,
            daily_rhythm: strength,
            weekly_rhythm: strength,
            noise,
            ..TrafficSpec::default()
        })
    }

    #[test]
    fn without_rhythm_and_noise_the_level_is_the_base() {
        let flat = rhythm(500.0, 0.0, 0.0);
        for minute in 0..10_000 {
            assert_eq!(flat.level(MONDAY + minute * (HOUR_US / 60)), 500.0);
        }
    }

    #[test]
    fn the_night_is_quieter_than_the_afternoon_and_the_weekend_than_the_week() {
        let rhythm = rhythm(1_000.0, 1.0, 0.0);
        let at = |day: i64, hour: i64| rhythm.level(MONDAY + day * DAY_US + hour * HOUR_US);
        assert!(at(0, 4) < 0.25 * at(0, 15));
        assert!(at(5, 15) < 0.6 * at(0, 15));
        assert_eq!(at(0, 15), at(1, 15));
        assert_eq!(at(0, 15), rhythm.daily_peak());
    }

    #[test]
    fn the_curve_has_no_jump_at_the_hour() {
        let rhythm = rhythm(1_000.0, 1.0, 0.2);
        for hour in 0..400 {
            let before = rhythm.level(MONDAY + hour * HOUR_US - 1);
            let after = rhythm.level(MONDAY + hour * HOUR_US);
            assert!((before - after).abs() < 1e-3, "{before} and {after}");
        }
    }
}

//! Judges rows against what is usual for their time of day: how far they depart, at once and over hours, how
//! rough they are, and how novel all of that is.

use super::alarm::AlarmFilter;
use super::clock::Clock;
use super::exclusion::Exclusion;
use super::history::{History, Outlook, Pair};
use super::isolation::{Isolation, WARM_UP};
use super::rarity::{Prior, Rarity};
use super::usual::{HalfHours, MIN_ROWS, SAME, Wander};
use super::verdict::{Verdict, score_of_weeks};
use crate::detect::baseline::Baseline;
use crate::support::statistics::upper_median;

/// Values are squeezed from this share of their usual size on, so that half the traffic missing is as much
/// news at night as at noon.
const SQUEEZED_FROM: f64 = 0.2;
/// Rows before, whose median is expected where there are no days, and how many of them are enough.
pub(super) const ROWS_BEFORE: usize = 64;
const MIN_ROWS_BEFORE: usize = 8;
/// Plain values beyond so many usual sizes are all the same.
const MAX_SIZE: f64 = 1e30;
/// Residuals in scales, at most.
const MAX_RESIDUAL: f64 = 1e6;
/// The same in a mean over hours, so that one row does not fill it.
const MAX_RESIDUAL_OF_HOURS: f64 = 25.0;
/// Rows of short residuals before they are measured by their scale.
const MIN_SCALE_ROWS: f64 = 100.0;

/// Decades: several tails are watched, in both directions, and one of them is as rare as one in so many weeks
/// more often. Measured on generated traffic without events.
const SEVERAL_TAILS: f64 = 0.5;
/// Series are still for an hour more often than their tail says.
const STILL: f64 = 4.0;
/// The tails speak of what is this rare; below that novelty ranks better.
const MIN_RARITY: f64 = 0.9;
/// A row departs only where it is novel besides.
const MIN_NOVELTY: f64 = 0.55;
/// Novelty as a rarity, from how often generated and real traffic without events reaches it.
const NOVELTY_OF_TEN_WEEKS: f64 = 0.82;
const DECADES_PER_NOVELTY: f64 = 11.0;
/// Novelty alone is no rarer than this, just below the default threshold: a heavy tail sets records.
const MAX_NOVELTY_RARITY: f64 = 0.9;

/// How far a prediction has been off lately.
#[derive(Debug, Clone, Copy)]
struct Prediction {
    /// Mean residual of the last half hour: where the series lies about it now.
    level: f64,
    /// Mean residual of the last hour, in scales, and how large that has been in the last days.
    hour: f64,
    error: f64,
    rows: f64,
}

/// Judges rows against what is usual.
#[derive(Debug, Clone)]
pub(super) struct Judge {
    rows_per_hour: f64,
    rates: Rates,
    unit: f64,
    linear: bool,
    history: Option<History>,
    /// The last plain values, where there is no history.
    before: Vec<f64>,
    row: u64,
    last_second: i64,
    plain_range: Wander,
    squeezed_range: Wander,
    predictions: [Prediction; 2],
    short_scale: HalfHours,
    long_scale: HalfHours,
    /// Mean residuals from the days of the same kind over three and eight hours, and the rows in them.
    hours: [f64; 2],
    hours_rows: f64,
    /// The last two squeezed values, and the mean of changes over two rows.
    last: [f64; 2],
    roughness: f64,
    rough_scale: HalfHours,
    short_tails: [Rarity; 2],
    /// Of three hours and of eight, upwards and downwards.
    long_tails: [[Rarity; 2]; 2],
    rough_tails: [Rarity; 2],
    novelties: [Isolation; 3],
    last_residual: f64,
    recent: [f64; 6],
    exclusion: Exclusion,
    filter: AlarmFilter,
    judged_rows: usize,
    expected: Expected,
}

/// Shares by which means move with each row.
#[derive(Debug, Clone, Copy)]
struct Rates {
    /// The level of half an hour, which forgets twice as fast as a mean over an hour.
    level: f64,
    hour: f64,
    roughness: f64,
    hours: [f64; 2],
}

/// The expected value of the last row in its own units, kept since it changes with the slot alone.
#[derive(Debug, Clone, Copy)]
struct Expected {
    squeezed: f64,
    value: f64,
    /// Change of the value with the squeezed one.
    slope: f64,
}

impl Judge {
    /// A judge that has learnt `rows`, and its verdict on the last of them.
    pub(super) fn start(clock: Clock, rows: &[(i64, f64)]) -> (Self, Verdict) {
        let mut sizes: Vec<f64> = rows.iter().map(|row| row.1.abs()).collect();
        let mean = sizes.iter().map(|size| size / rows.len() as f64).sum();
        let usual = upper_median(&mut sizes).filter(|&size| size > 0.0);
        let unit = SQUEEZED_FROM * usual.unwrap_or(mean);
        let negative = rows.iter().filter(|row| row.1 < 0.0).count();
        let rows_per_hour = clock.rows_per_hour;
        let day_rows = clock.day_rows.map_or(288.0, |rows| rows as f64);
        let warm_up = day_rows.clamp(WARM_UP as f64, 1_500.0);
        let tail = |peaks, mean_excess, min_threshold, quiet_hours| {
            let prior = Prior {
                peaks,
                mean_excess,
                min_threshold,
                quiet_hours,
            };
            Rarity::new(prior, rows_per_hour, 7.0 * day_rows, warm_up)
        };
        let short = tail(8.0, 0.35, 2.0, 1.0);
        let (three, eight) = (tail(4.0, 0.2, 0.5, 9.0), tail(4.0, 0.2, 0.5, 24.0));
        let rough = tail(4.0, 0.25, 0.2, 3.0);
        let mut judge = Self {
            rows_per_hour,
            rates: Rates {
                level: rate(1.0, rows_per_hour, 6.0),
                hour: rate(1.0, rows_per_hour, 4.0),
                roughness: rate(1.0, rows_per_hour, 8.0),
                hours: [
                    rate(3.0, rows_per_hour, 8.0),
                    rate(8.0, rows_per_hour, 12.0),
                ],
            },
            unit: if unit > 0.0 { unit } else { 1.0 },
            linear: negative * 50 > rows.len(),
            history: clock.day_rows.map(History::new),
            before: Vec::new(),
            row: 0,
            last_second: i64::MIN,
            plain_range: Wander::new(24.0 * rows_per_hour),
            squeezed_range: Wander::new(24.0 * rows_per_hour),
            predictions: [Prediction {
                level: 0.0,
                hour: 0.0,
                error: 1.5,
                rows: 0.0,
            }; 2],
            short_scale: HalfHours::new(),
            long_scale: HalfHours::new(),
            hours: [0.0; 2],
            hours_rows: 0.0,
            last: [f64::NAN; 2],
            roughness: f64::NAN,
            rough_scale: HalfHours::new(),
            short_tails: [short.clone(), short],
            long_tails: [[three.clone(), three], [eight.clone(), eight]],
            rough_tails: [rough.clone(), rough],
            novelties: [Isolation::new(), Isolation::new(), Isolation::new()],
            last_residual: 0.0,
            recent: [0.0; 6],
            exclusion: Exclusion::new(24.0 * rows_per_hour),
            filter: AlarmFilter::new(rows_per_hour),
            judged_rows: 0,
            expected: Expected {
                squeezed: f64::NAN,
                value: 0.0,
                slope: 0.0,
            },
        };
        let mut verdict = Verdict::unjudged(f64::NAN);
        for &(timestamp_us, value) in rows {
            verdict = judge.push(timestamp_us, value);
        }
        (judge, verdict)
    }

    /// Whether rows are judged.
    pub(super) fn is_ready(&self) -> bool {
        self.judged_rows > WARM_UP
    }

    pub(super) fn push(&mut self, timestamp_us: i64, value: f64) -> Verdict {
        let second = timestamp_us.div_euclid(1_000_000).max(self.last_second);
        self.last_second = second;
        let half_hour = HalfHours::of(second);
        let plain = (value / self.unit).clamp(-MAX_SIZE, MAX_SIZE);
        let squeezed = self.squeeze(plain);
        let same_plain = self.plain_range.push(self.row, plain);
        let same_squeezed = self.squeezed_range.push(self.row, squeezed);
        self.row += 1;

        // Taken out while it is looked at, and put back below.
        let mut history = self.history.take();
        if let Some(history) = &mut history {
            history.go_to(second);
        }
        let nothing = Outlook::NOTHING;
        let outlook = history.as_ref().map_or(&nothing, History::outlook);
        let before = if history.is_none() {
            self.median_before(plain)
        } else {
            f64::NAN
        };
        let medians = [outlook.same_kind, outlook.any_kind];
        let first_of_its_kind = medians[0].is_none() && medians[1].is_some();
        let best = self.best_of(medians);
        let (center, level) = match best {
            Some((number, median)) => (median, self.predictions[number].level),
            None => (self.squeeze(before), 0.0),
        };
        let expected = self.expected(value, center, half_hour);
        let from_nearest = if history.is_some() {
            outlook.above_nearest(plain)
        } else {
            plain - before
        };

        let short = self.short(squeezed - center - level, same_squeezed, half_hour);
        let [three, eight] = self.long(squeezed, outlook, same_squeezed, half_hour);
        let rough = self.rough(squeezed, half_hour);
        let novelty = self.novelty(from_nearest, same_plain, plain);

        let excluded = self.exclusion.push(short > 0.0 || three > 0.0);
        if let Some(history) = &mut history {
            history.push(match best {
                Some((_, median)) if excluded => Pair {
                    plain: self.unsqueeze(median),
                    squeezed: median,
                },
                _ => Pair { plain, squeezed },
            });
        }
        self.history = history;

        self.judged_rows += usize::from(!from_nearest.is_nan());
        if !self.is_ready() {
            return Verdict {
                expected,
                ..Verdict::unjudged(value)
            };
        }
        // The first Saturday is not held against working days.
        let short = if first_of_its_kind { 0.0 } else { short };
        let rarity = combined(novelty, short, three.max(eight), rough);
        if rarity > MAX_NOVELTY_RARITY {
            self.exclusion.alarm();
        }
        let score = score_of_weeks((rarity.min(MAX_DECADES) * std::f64::consts::LN_10).exp());
        Verdict {
            score: if self.filter.push(rarity) { score } else { 0.0 },
            novelty: score,
            rarity,
            expected,
        }
    }

    /// Bytes of what it keeps.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let novelties = self.novelties.iter().map(Isolation::heap_bytes);
        size_of::<Self>()
            + size_of::<f64>() * self.before.capacity()
            + self.history.as_ref().map_or(0, History::heap_bytes)
            + novelties.sum::<usize>()
    }

    fn squeeze(&self, plain: f64) -> f64 {
        if self.linear { plain } else { plain.asinh() }
    }

    fn unsqueeze(&self, squeezed: f64) -> f64 {
        if self.linear {
            squeezed
        } else {
            squeezed.sinh()
        }
    }

    /// The median of the rows before, then learns `plain`; NaN while there are few.
    fn median_before(&mut self, plain: f64) -> f64 {
        let mut median = f64::NAN;
        if self.before.len() >= MIN_ROWS_BEFORE {
            let mut rows = [0.0; ROWS_BEFORE];
            let rows = &mut rows[..self.before.len()];
            rows.copy_from_slice(&self.before);
            median = upper_median(rows).unwrap_or(median);
        }
        if self.before.len() < ROWS_BEFORE {
            self.before.push(plain);
        } else {
            self.before[(self.row % ROWS_BEFORE as u64) as usize] = plain;
        }
        median
    }

    /// The median that has been less off in the last days, with its number.
    fn best_of(&self, medians: [Option<f64>; 2]) -> Option<(usize, f64)> {
        let known = (0..2).filter_map(|number| Some((number, medians[number]?)));
        let error = |number: usize| {
            let prediction = &self.predictions[number];
            if prediction.rows < 12.0 * self.rows_per_hour {
                f64::INFINITY
            } else {
                prediction.error
            }
        };
        // Of equals the first: days of the same kind.
        known.min_by(|a, b| error(a.0).total_cmp(&error(b.0)))
    }

    fn expected(&mut self, value: f64, center: f64, half_hour: usize) -> Baseline {
        if center.is_nan() {
            return Verdict::unjudged(value).expected;
        }
        if self.expected.squeezed != center {
            let plain = self.unsqueeze(center);
            self.expected = Expected {
                squeezed: center,
                value: (plain * self.unit).clamp(f64::MIN, f64::MAX),
                slope: if self.linear {
                    1.0
                } else {
                    (1.0 + plain * plain).sqrt()
                },
            };
        }
        let scale = if self.history.is_some() || self.long_scale.weight() > 0.0 {
            self.long_scale.usual(half_hour)
        } else {
            self.short_scale.usual(half_hour)
        };
        Baseline {
            center: self.expected.value,
            scale: (SIGMA_PER_MEAN * scale * self.expected.slope * self.unit).min(f64::MAX),
        }
    }

    /// The rarity of a row's distance from what was expected at its level.
    fn short(&mut self, residual: f64, same: f64, half_hour: usize) -> f64 {
        if residual.is_nan() {
            return 0.0;
        }
        let mut rarity = 0.0;
        if self.short_scale.weight() >= MIN_SCALE_ROWS {
            let scale = self.short_scale.usual(half_hour).max(same);
            let size = in_scales(residual, scale, MAX_RESIDUAL);
            rarity = two_sided(&mut self.short_tails, size);
        }
        self.short_scale.push(half_hour, residual.abs());
        rarity
    }

    /// The rarity of the mean residual from days of the same kind, over three and over eight hours.
    fn long(&mut self, squeezed: f64, outlook: &Outlook, same: f64, half_hour: usize) -> [f64; 2] {
        let medians = [outlook.same_kind, outlook.any_kind];
        if medians == [None, None] {
            return [0.0; 2];
        }
        let mut rarities = [0.0; 2];
        let scale = self.long_scale.usual(half_hour);
        if scale > 0.0 {
            let scale = scale.max(same);
            self.predict(squeezed, medians, scale);
            if let Some(median) = outlook.same_kind {
                // A median of few days is off by more.
                let trust = (1.2 / (1.0 + 1.0 / outlook.same_kind_days)).sqrt();
                let size = trust * in_scales(squeezed - median, scale, MAX_RESIDUAL_OF_HOURS);
                for (mean, rate) in self.hours.iter_mut().zip(self.rates.hours) {
                    *mean += rate * (size - *mean);
                }
                self.hours_rows += 1.0;
                if self.hours_rows >= 12.0 * self.rows_per_hour {
                    for (number, tails) in self.long_tails.iter_mut().enumerate() {
                        rarities[number] = two_sided(tails, self.hours[number]);
                    }
                }
            }
        }
        // Of a first weekend the scale is not that of what is to come.
        if let Some(median) = outlook.same_kind.or_else(|| {
            let first = self.long_scale.weight() < MIN_ROWS;
            outlook.any_kind.filter(|_| first)
        }) {
            self.long_scale.push(half_hour, (squeezed - median).abs());
        }
        rarities
    }

    /// Learns how far each median is off.
    fn predict(&mut self, squeezed: f64, medians: [Option<f64>; 2], scale: f64) {
        let day = 24.0 * self.rows_per_hour;
        let rates = &self.rates;
        for (prediction, median) in self.predictions.iter_mut().zip(medians) {
            let Some(median) = median else { continue };
            let residual = squeezed - median;
            let change = residual - prediction.level;
            prediction.level += rates.level * change.clamp(-3.0 * scale, 3.0 * scale);
            prediction.rows += 1.0;
            let size = in_scales(residual, scale, MAX_RESIDUAL_OF_HOURS);
            prediction.hour += rates.hour * (size - prediction.hour);
            let rate = (1.0 / (3.0 * day)).max(1.0 / prediction.rows);
            prediction.error += rate * (prediction.hour.abs() - prediction.error);
        }
    }

    /// The rarity of changes from row to row that are larger than usual over an hour, or that cease.
    fn rough(&mut self, squeezed: f64, half_hour: usize) -> f64 {
        let change = (squeezed - self.last[1]).abs();
        self.last = [squeezed, self.last[0]];
        if change.is_nan() {
            return 0.0;
        }
        if self.roughness.is_nan() {
            self.roughness = change;
        }
        let usual = self.rough_scale.usual(half_hour);
        let change = if usual > 0.0 {
            change.min(8.0 * usual)
        } else {
            change
        };
        self.roughness += self.rates.roughness * (change - self.roughness);
        self.rough_scale.push(half_hour, change);
        let usual = self.rough_scale.usual(half_hour);
        if self.rough_scale.weight() < MIN_SCALE_ROWS || usual <= 0.0 {
            return 0.0;
        }
        let ratio = (self.roughness + SAME * usual) / (usual + SAME * usual);
        let size = ratio.ln();
        let [up, down] = &mut self.rough_tails;
        let down = down.push((-size).max(0.0)) - STILL;
        up.push(size.max(0.0)).max(down)
    }

    /// How novel a row is: the distance from the nearest value of earlier days, its mean over two rows and
    /// the mean value of six, each among all before it.
    fn novelty(&mut self, from_nearest: f64, same: f64, plain: f64) -> f64 {
        let place = ((self.row - 1) % 6) as usize;
        self.recent[place] = plain;
        let rows = self.row.min(6) as usize;
        let mean = self.recent[..rows].iter().sum::<f64>() / rows as f64;
        let residual = if from_nearest.abs() <= same {
            0.0
        } else {
            from_nearest
        };
        let two = (residual + self.last_residual) / 2.0;
        self.last_residual = if residual.is_nan() { 0.0 } else { residual };
        let [one, double, level] = &mut self.novelties;
        let scores = [one.push(residual.abs()), double.push(two), level.push(mean)];
        // A power mean leans towards the highest, but one feature alone hardly raises an alarm.
        (scores.iter().map(|score| score.powi(3)).sum::<f64>() / 3.0).cbrt()
    }
}

/// Standard deviation of a normal distribution over its mean absolute deviation.
const SIGMA_PER_MEAN: f64 = 1.2533;

/// The rarity of a row, in decades of weeks: the highest of what the judges say.
fn combined(novelty: f64, short: f64, long: f64, rough: f64) -> f64 {
    let alone = 1.0 + DECADES_PER_NOVELTY * (novelty - NOVELTY_OF_TEN_WEEKS);
    let mut rarity = alone.min(MAX_NOVELTY_RARITY);
    let short = if novelty >= MIN_NOVELTY { short } else { 0.0 };
    for tail in [short, long, rough] {
        if tail > MIN_RARITY {
            rarity = rarity.max(tail - SEVERAL_TAILS);
        }
    }
    rarity
}

/// Rows rarer than this have the same score: just below 1.
const MAX_DECADES: f64 = 15.0;

/// `residual` in scales, within `most`: where nothing ever varied, any departure is the largest.
fn in_scales(residual: f64, scale: f64, most: f64) -> f64 {
    if residual == 0.0 {
        0.0
    } else {
        (residual / scale).clamp(-most, most)
    }
}

/// The rarity of a signed size among those of its sign; the tail of the other sign learns that it was not met.
fn two_sided(tails: &mut [Rarity; 2], size: f64) -> f64 {
    let [up, down] = tails;
    up.push(size.max(0.0)).max(down.push((-size).max(0.0)))
}

/// Share by which a mean over so many hours moves with each row.
fn rate(hours: f64, rows_per_hour: f64, min_rows: f64) -> f64 {
    1.0 - (-2.0 / (hours * rows_per_hour).max(min_rows)).exp()
}

//! What earlier days had at this time of day: means of slots of the clock, in bounded memory.

use crate::support::calendar::DAY_S;
use crate::support::statistics::median;

/// Days remembered.
const DAYS: i64 = 15;
/// A day has no more slots than this: five minutes each.
const MAX_SLOTS: i64 = 288;
/// Days that the medians are of: the last ones of the same kind, and the last ones of any kind.
const SAME_KIND: usize = 6;
const ANY_KIND: usize = 7;
/// Slots looked at for the nearest value: this one and its neighbours, of so many days.
const NEAREST: usize = 3 * ANY_KIND;

/// A value in the units that it came in (divided by its usual size), and squeezed for comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair {
    pub(super) plain: f64,
    pub(super) squeezed: f64,
}

/// Means of the slots of the last days.
#[derive(Debug, Clone)]
pub(super) struct History {
    slots: i64,
    plain: Vec<f32>,
    squeezed: Vec<f32>,
    /// The day and the slot that rows now fall into, and their sum so far.
    day: i64,
    slot: i64,
    sum: Pair,
    rows: f64,
    first_day: i64,
    outlook: Outlook,
}

/// What earlier days say about the present slot.
#[derive(Debug, Clone)]
pub(super) struct Outlook {
    /// Median of the last days of the same kind (working day, weekend), and how many they were.
    pub(super) same_kind: Option<f64>,
    pub(super) same_kind_days: f64,
    /// Median of the last seven days.
    pub(super) any_kind: Option<f64>,
    /// Values at about this time of the last seven days.
    nearest: [f32; NEAREST],
    nearest_count: usize,
}

impl Outlook {
    pub(super) const NOTHING: Self = Self {
        same_kind: None,
        same_kind_days: 0.0,
        any_kind: None,
        nearest: [0.0; NEAREST],
        nearest_count: 0,
    };

    /// The distance of a plain value from the nearest one at about this time of the last seven days; NaN
    /// without any.
    pub(super) fn above_nearest(&self, plain: f64) -> f64 {
        let mut nearest = f64::NAN;
        let mut distance = f64::INFINITY;
        for &earlier in &self.nearest[..self.nearest_count] {
            let residual = plain - f64::from(earlier);
            if residual.abs() < distance {
                distance = residual.abs();
                nearest = residual;
            }
        }
        nearest
    }
}

/// Whether a day since the Unix epoch, a Thursday, is a Saturday or Sunday.
fn is_weekend(day: i64) -> bool {
    (day + 3).rem_euclid(7) >= 5
}

impl History {
    /// Nothing yet, of days of so many rows.
    pub(super) fn new(day_rows: i64) -> Self {
        let slots = day_rows.clamp(1, MAX_SLOTS);
        let empty = vec![f32::NAN; (DAYS * slots) as usize];
        Self {
            slots,
            plain: empty.clone(),
            squeezed: empty,
            day: i64::MIN,
            slot: 0,
            sum: Pair {
                plain: 0.0,
                squeezed: 0.0,
            },
            rows: 0.0,
            first_day: i64::MIN,
            outlook: Outlook::NOTHING,
        }
    }

    /// Goes on to the slot of a time, in seconds; the times of rows do not fall.
    pub(super) fn go_to(&mut self, second: i64) {
        let day = second.div_euclid(DAY_S);
        let slot = second.rem_euclid(DAY_S) * self.slots / DAY_S;
        if (day, slot) != (self.day, self.slot) {
            self.close_slot();
            self.open_day(day);
            self.slot = slot;
            self.outlook = self.look_out();
        }
    }

    /// What earlier days say about the present slot.
    pub(super) fn outlook(&self) -> &Outlook {
        &self.outlook
    }

    /// Adds a row, or what stands for it, to the present slot.
    pub(super) fn push(&mut self, value: Pair) {
        self.sum.plain += value.plain;
        self.sum.squeezed += value.squeezed;
        self.rows += 1.0;
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<f32>() * (self.plain.capacity() + self.squeezed.capacity())
    }

    fn close_slot(&mut self) {
        if self.rows > 0.0 {
            let at = self.at(self.day, self.slot);
            self.plain[at] = (self.sum.plain / self.rows) as f32;
            self.squeezed[at] = (self.sum.squeezed / self.rows) as f32;
        }
        self.sum = Pair {
            plain: 0.0,
            squeezed: 0.0,
        };
        self.rows = 0.0;
    }

    /// Forgets the days whose place `day`, and the days without a row before it, take.
    fn open_day(&mut self, day: i64) {
        if self.first_day == i64::MIN {
            self.first_day = day;
            self.day = day - 1;
        }
        for opened in (self.day + 1).max(day - DAYS + 1)..=day {
            let start = self.at(opened, 0);
            let end = start + self.slots as usize;
            self.plain[start..end].fill(f32::NAN);
            self.squeezed[start..end].fill(f32::NAN);
        }
        self.day = day;
    }

    fn at(&self, day: i64, slot: i64) -> usize {
        (day.rem_euclid(DAYS) * self.slots + slot) as usize
    }

    fn look_out(&self) -> Outlook {
        let mut outlook = Outlook::NOTHING;
        let mut same = [0.0; SAME_KIND];
        let mut any = [0.0; ANY_KIND];
        let (mut same_count, mut any_count) = (0, 0);
        for back in 1..DAYS.min(self.day - self.first_day + 1) {
            let day = self.day - back;
            if back <= ANY_KIND as i64 {
                self.add_nearest(day, &mut outlook);
            }
            let value = f64::from(self.squeezed[self.at(day, self.slot)]);
            if value.is_nan() {
                continue;
            }
            if back <= ANY_KIND as i64 {
                any[any_count] = value;
                any_count += 1;
            }
            if is_weekend(day) == is_weekend(self.day) && same_count < SAME_KIND {
                same[same_count] = value;
                same_count += 1;
            }
        }
        outlook.same_kind = median(&mut same[..same_count]);
        outlook.same_kind_days = same_count as f64;
        outlook.any_kind = median(&mut any[..any_count]);
        outlook
    }

    fn add_nearest(&self, day: i64, outlook: &mut Outlook) {
        for neighbour in self.slot - 1..=self.slot + 1 {
            let day = day + neighbour.div_euclid(self.slots);
            if day >= self.day || day < self.first_day || day <= self.day - DAYS {
                continue;
            }
            let at = self.at(day, neighbour.rem_euclid(self.slots));
            if !self.plain[at].is_nan() {
                outlook.nearest[outlook.nearest_count] = self.plain[at];
                outlook.nearest_count += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    fn pair(value: f64) -> Pair {
        Pair {
            plain: value,
            squeezed: value,
        }
    }

    /// An hourly series that has `value` of the day and the hour, of so many days.
    fn filled(days: i64, value: impl Fn(i64, i64) -> f64) -> History {
        let mut history = History::new(24);
        for hour in 0..24 * days {
            history.go_to(hour * HOUR);
            history.push(pair(value(hour / 24, hour % 24)));
        }
        history
    }

    #[test]
    fn medians_are_of_the_same_hour_of_days_of_the_same_kind_and_of_any() {
        // The first day is a Thursday; the tenth, a Saturday, is told from the third and fourth.
        let mut history = filled(9, |day, hour| (100 * day + hour) as f64);
        history.go_to(9 * DAY_S + 5 * HOUR);
        let outlook = history.outlook();
        assert_eq!(outlook.same_kind, Some(255.0));
        assert_eq!(outlook.same_kind_days, 2.0);
        assert_eq!(outlook.any_kind, Some(505.0));
    }

    #[test]
    fn the_nearest_is_of_neighbouring_slots_of_earlier_days() {
        let mut history = filled(3, |day, hour| (1_000 * day + 10 * hour) as f64);
        history.go_to(3 * DAY_S);
        let outlook = history.outlook();
        // Of the hour before, of the day before: 2000 + 230 belongs to yesterday's last hour.
        assert_eq!(outlook.above_nearest(1_233.0), 3.0);
        assert_eq!(outlook.above_nearest(2_012.0), 2.0);
        assert!(filled(1, |_, _| 1.0).outlook.above_nearest(1.0).is_nan());
    }

    #[test]
    fn days_without_a_row_are_forgotten_and_old_ones_too() {
        let mut history = filled(3, |_, _| 7.0);
        history.go_to(9 * DAY_S);
        assert_eq!(history.outlook().any_kind, Some(7.0));
        history.go_to(400 * DAY_S);
        assert_eq!(history.outlook().any_kind, None);
    }
}

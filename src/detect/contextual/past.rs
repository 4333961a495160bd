//! What the past lets expect of the next row: the same time of earlier days, or the rows just before.

use std::collections::VecDeque;

/// Days that are looked back.
const DAYS: usize = 7;
/// Slots on either side of the same time of day that are looked at as well.
const BESIDE: usize = 1;
/// Most slots that are remembered; where a day has more, fewer days are looked back.
const MOST_SLOTS: usize = 1 << 20;
/// Rows before that are looked at where there are no earlier days.
pub(super) const ROWS_BEFORE: usize = 128;

/// Earlier values by the time of day.
///
/// Time is cut into slots of the usual step, one row to each; what a slot holds is a `Slot`: the value
/// there and the mean logarithm over the rows up to it.
#[derive(Debug, Clone)]
pub(super) struct Days {
    /// Slots in a day.
    day: usize,
    /// Days that fit.
    days: usize,
    /// The last slots, in a ring.
    slots: Vec<Slot>,
    /// Number of slots written so far, and the place in the ring of the next.
    next: usize,
    place: usize,
}

/// What is remembered of a slot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slot {
    pub(super) value: f64,
    /// NaN where there were too few rows.
    pub(super) mean: f64,
}

/// What earlier days say of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    /// The row's value less the nearest value at about the same time of earlier days.
    pub(super) residual: f64,
    /// The same of the mean over the rows up to it.
    pub(super) mean_residual: Option<f64>,
    /// Median of the values at the same time of earlier days.
    pub(super) expected: f64,
}

impl Days {
    /// For days of `day` slots; `None` where there are too few of them to tell a time of day, or too many
    /// to remember a single day.
    pub(super) fn of(day: usize) -> Option<Self> {
        let days = DAYS.min((MOST_SLOTS - BESIDE - 1) / day.max(1));
        (day >= 2 && days > 0).then(|| Self {
            day,
            days,
            slots: Vec::new(),
            next: 0,
            place: 0,
        })
    }

    /// Slots in a day.
    pub(super) fn day(&self) -> usize {
        self.day
    }

    fn capacity(&self) -> usize {
        self.days * self.day + BESIDE + 1
    }

    /// Leaves `count` slots out, as after a gap: they hold what the last one held.
    pub(super) fn skip(&mut self, count: u64) {
        let Some(&last) = self.last() else {
            return;
        };
        // Once all slots are alike, more of them make no difference.
        for _ in 0..count.min(self.capacity() as u64) {
            self.write(last);
        }
    }

    fn last(&self) -> Option<&Slot> {
        let place = match self.place {
            0 => self.slots.len().checked_sub(1)?,
            place => place - 1,
        };
        self.slots.get(place)
    }

    fn write(&mut self, slot: Slot) {
        match self.slots.get_mut(self.place) {
            Some(old) => *old = slot,
            None => self.slots.push(slot),
        }
        self.next += 1;
        self.place += 1;
        if self.place == self.capacity() {
            self.place = 0;
        }
    }

    /// Looks at the next row, then remembers it. `None` within the first day.
    pub(super) fn push(&mut self, row: Slot) -> Option<Seen> {
        let seen = (self.next > self.day).then(|| self.look_back(row));
        self.write(row);
        seen
    }

    fn look_back(&self, row: Slot) -> Seen {
        let capacity = self.capacity();
        let nearer = |best: f64, residual: f64| match residual.abs() < best.abs() {
            true => residual,
            false => best,
        };
        let (mut residual, mut mean_residual) = (f64::INFINITY, f64::INFINITY);
        let mut same_time = [0.0; DAYS];
        let mut known = 0;
        for day in 1..=self.days {
            let back = day * self.day;
            if back > self.next {
                break;
            }
            // The slot before the first of all is the first one: it holds nothing else.
            let first = if back == self.next { 0 } else { BESIDE };
            let mut place = self.place + capacity - back - first;
            if place >= capacity {
                place -= capacity;
            }
            for beside in 0..=first + BESIDE {
                let earlier = self.slots[place];
                residual = nearer(residual, row.value - earlier.value);
                mean_residual = nearer(mean_residual, row.mean - earlier.mean);
                if beside == first {
                    same_time[known] = earlier.value;
                }
                place += 1;
                if place == capacity {
                    place = 0;
                }
            }
            known += 1;
        }
        Seen {
            residual,
            mean_residual: mean_residual.is_finite().then_some(mean_residual),
            expected: middle(&mut same_time[..known]).unwrap_or(row.value),
        }
    }
}

/// The middle one of `values`, the upper of two.
fn middle(values: &mut [f64]) -> Option<f64> {
    // At most a handful: sorted by insertion, which is the fastest there.
    for at in 1..values.len() {
        let mut place = at;
        while place > 0 && values[place - 1] > values[place] {
            values.swap(place - 1, place);
            place -= 1;
        }
    }
    values.get(values.len() / 2).copied()
}

/// The rows just before.
#[derive(Debug, Clone, Default)]
pub(super) struct Before {
    in_order: VecDeque<f64>,
    sorted: Vec<f64>,
}

impl Before {
    /// The median of up to [`ROWS_BEFORE`] rows before this one, then remembers it. `None` for the first.
    pub(super) fn push(&mut self, value: f64) -> Option<f64> {
        let median = self.sorted.get(self.sorted.len() / 2).copied();
        if self.in_order.len() == ROWS_BEFORE
            && let Some(oldest) = self.in_order.pop_front()
        {
            let place = self.sorted.partition_point(|&other| other < oldest);
            self.sorted.remove(place);
        }
        self.in_order.push_back(value);
        let place = self.sorted.partition_point(|&other| other < value);
        self.sorted.insert(place, value);
        median
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slot(value: f64) -> Slot {
        Slot { value, mean: value }
    }

    #[test]
    fn a_row_is_held_against_the_same_time_of_earlier_days() {
        let mut days = Days::of(4).unwrap();
        for day in 0..3 {
            for value in [1.0, 10.0, 100.0, 50.0] {
                days.push(slot(value + f64::from(day)));
            }
        }
        // Earlier days have 1, 2 and 3 at this time, and 10 to 12 and 50 to 52 beside it.
        let seen = days.push(slot(5.0)).unwrap();
        assert_eq!((seen.residual, seen.expected), (2.0, 2.0));
    }

    #[test]
    fn the_first_day_has_nothing_to_be_held_against() {
        let mut days = Days::of(3).unwrap();
        let seen: Vec<bool> = (0..6)
            .map(|row| days.push(slot(f64::from(row))).is_some())
            .collect();
        assert_eq!(seen, [false, false, false, false, true, true]);
    }

    #[test]
    fn days_of_one_row_or_of_millions_cannot_be_told_apart() {
        assert!(Days::of(1).is_none());
        assert!(Days::of(MOST_SLOTS).is_none());
        assert_eq!(Days::of(86_400).unwrap().days, 7);
        assert_eq!(Days::of(400_000).unwrap().days, 2);
    }

    #[test]
    fn a_gap_of_years_costs_no_more_than_what_is_remembered() {
        let mut days = Days::of(1000).unwrap();
        days.push(slot(5.0));
        days.skip(u64::MAX);
        assert!(days.next < 2 * days.capacity());
        assert_eq!(days.push(slot(7.0)).unwrap().residual, 2.0);
    }

    proptest! {
        #[test]
        fn the_median_of_the_rows_before_is_that_of_a_sort(values in prop::collection::vec(-50i32..50, 1..400)) {
            let mut before = Before::default();
            for (row, &value) in values.iter().enumerate() {
                let mut window: Vec<i32> = values[row.saturating_sub(ROWS_BEFORE)..row].to_vec();
                window.sort_unstable();
                let wanted = window.get(window.len() / 2).map(|&value| f64::from(value));
                prop_assert_eq!(before.push(f64::from(value)), wanted);
            }
        }
    }
}

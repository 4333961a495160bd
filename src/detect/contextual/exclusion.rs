//! Which rows the baseline learns.

/// Which rows are left out of the baseline: those that depart within half a day of an alarm, so that an attack
/// is not tomorrow's normal. Once a day's worth of them has been left out the level is the new one, and rows are
/// learnt again until a quarter of a day has passed without departures.
#[derive(Debug, Clone)]
pub(super) struct Exclusion {
    day_rows: f64,
    since_alarm: f64,
    excluded: f64,
    calm: f64,
}

impl Exclusion {
    pub(super) fn new(day_rows: f64) -> Self {
        Self {
            day_rows,
            since_alarm: f64::INFINITY,
            excluded: 0.0,
            calm: 0.0,
        }
    }

    /// The row that was pushed last raised an alarm.
    pub(super) fn alarm(&mut self) {
        self.since_alarm = 0.0;
    }

    /// Whether the next row, that departs or not, is left out.
    pub(super) fn push(&mut self, departs: bool) -> bool {
        self.since_alarm += 1.0;
        if departs && self.since_alarm < self.day_rows / 2.0 {
            self.excluded += 1.0;
            self.calm = 0.0;
            return self.excluded <= self.day_rows;
        }
        self.calm += 1.0;
        if self.calm > self.day_rows / 4.0 {
            self.excluded = 0.0;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn departures_are_left_out_after_an_alarm_until_they_have_lasted_a_day() {
        let mut exclusion = Exclusion::new(100.0);
        assert!(!exclusion.push(true));
        exclusion.alarm();
        let excluded: Vec<bool> = (0..150)
            .map(|_| {
                let excluded = exclusion.push(true);
                exclusion.alarm();
                excluded
            })
            .collect();
        assert!(excluded[..100].iter().all(|&excluded| excluded));
        assert!(excluded[100..].iter().all(|&excluded| !excluded));
        assert!((0..26).all(|_| !exclusion.push(false)));
        exclusion.alarm();
        assert!(exclusion.push(true));
    }
}

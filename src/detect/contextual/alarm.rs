//! Of the rows of one event, only those that outdo all before them raise an alarm.

/// After an alarm, rows that are less rare by this (in decades) or more are not told again
const MARGIN: f64 = 0.5;
/// for so many hours since the last unusual row;
const STAND_HOURS: f64 = 1.0;
/// then the bar falls towards [`FLOOR`], to a third of the way in so many hours.
const FADE_HOURS: f64 = 6.0;
/// Rarer than this counts the same: a flood is told once, not at each of its records.
const CAP: f64 = 1.5;
/// Where the bar comes to rest; rows above it keep it standing.
const FLOOR: f64 = -1.4;
/// The bar stands no fewer rows than this.
const MIN_ROWS: f64 = 6.0;

/// Thins out the rarity of a stream to alarms: repeated alarms for one event are most of what makes people
/// switch alarms off; an event that grows worse is told again, and one that repeats is told each time.
#[derive(Debug, Clone)]
pub(super) struct AlarmFilter {
    stand_rows: f64,
    fade_rows: f64,
    /// Rarity to beat, and rows since it was last met.
    bar: Option<(f64, f64)>,
}

impl AlarmFilter {
    pub(super) fn new(rows_per_hour: f64) -> Self {
        Self {
            stand_rows: (STAND_HOURS * rows_per_hour).floor().max(MIN_ROWS),
            fade_rows: FADE_HOURS * rows_per_hour,
            bar: None,
        }
    }

    /// Whether the next row, so rare, is told.
    pub(super) fn push(&mut self, rarity: f64) -> bool {
        if rarity < FLOOR {
            if let Some((_, rows)) = &mut self.bar {
                *rows += 1.0;
            }
            return self.bar.is_none();
        }
        let rarity = rarity.min(CAP);
        let (to_beat, standing) = match &mut self.bar {
            None => (f64::NEG_INFINITY, None),
            Some((bar, rows)) => {
                *rows += 1.0;
                let faded = *rows - self.stand_rows;
                if faded <= 0.0 {
                    (*bar + MARGIN, Some(*bar))
                } else {
                    let bar = FLOOR + (*bar - FLOOR) * (-faded / self.fade_rows).exp();
                    (bar, Some(bar))
                }
            }
        };
        if rarity > to_beat {
            self.bar = Some((rarity, 0.0));
            return true;
        }
        if let Some(bar) = standing {
            self.bar = Some((bar, 0.0));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_raises_one_alarm_until_it_grows_much_rarer() {
        let mut filter = AlarmFilter::new(12.0);
        let told = [-3.0, 0.5, 0.4, 0.9, 1.2, 1.2].map(|rarity| filter.push(rarity));
        assert_eq!(told, [true, true, false, false, true, false]);
    }

    #[test]
    fn an_alarm_is_forgotten_once_rows_are_ordinary_again() {
        let mut filter = AlarmFilter::new(12.0);
        assert!(filter.push(1.0));
        let rows_until = |rarity: f64, filter: &AlarmFilter| {
            let mut filter = filter.clone();
            (0..500).position(|_| {
                filter.push(-3.0);
                filter.clone().push(rarity)
            })
        };
        // Just as rare: the thirteenth row, once the bar has stood for an hour.
        assert_eq!(rows_until(1.0, &filter), Some(11));
        assert!(rows_until(0.0, &filter) > Some(36));
    }

    #[test]
    fn an_event_that_lasts_is_not_told_again() {
        let mut filter = AlarmFilter::new(12.0);
        assert!(filter.push(1.5));
        assert!((0..5_000).all(|_| !filter.push(1.0)));
    }
}

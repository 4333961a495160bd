//! Of the rows of one event, only those that outdo all before them raise an alarm.

/// An alarm silences lower ones for this share of the rows so far,
const SHARE: f64 = 0.05;
/// but no fewer rows than this,
const LEAST_ROWS: u64 = 100;
/// and no more days than this, or rows where days are not known.
const MOST_DAYS: u64 = 3;
const MOST_ROWS: u64 = 1_000;

/// Thins out the novelty of a stream to alarms: a novelty is kept where it exceeds every one kept within
/// the last rows, else it counts 0.
///
/// Repeated alarms for one event are most of what makes people switch alarms off; an event that grows
/// worse is told again.
#[derive(Debug, Clone)]
pub struct AlarmFilter {
    row: u64,
    last_kept: Option<(u64, f64)>,
}

impl AlarmFilter {
    /// A filter that has seen nothing.
    #[expect(
        clippy::new_without_default,
        reason = "an empty filter is made, not defaulted to"
    )]
    pub fn new() -> Self {
        Self {
            row: 0,
            last_kept: None,
        }
    }

    /// The score of the next row: its novelty, or 0. `day` is the number of rows in a day, where it is
    /// known.
    pub fn push(&mut self, novelty: f64, day: Option<u64>) -> f64 {
        let most = day.map_or(MOST_ROWS, |day| MOST_DAYS.saturating_mul(day));
        let reach = ((self.row as f64 * SHARE) as u64).min(most).max(LEAST_ROWS);
        // What was kept last is higher than all that was kept within its own reach: the one to beat.
        let to_beat = match self.last_kept {
            Some((row, kept)) if self.row - row <= reach => kept,
            _ => 0.0,
        };
        let score = match novelty > to_beat {
            true => novelty,
            false => 0.0,
        };
        if score > 0.0 {
            self.last_kept = Some((self.row, score));
        }
        self.row += 1;
        score
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_raises_one_alarm_until_it_grows_worse() {
        let mut filter = AlarmFilter::new();
        let scores = [0.5, 0.8, 0.7, 0.75, 0.9, 0.9].map(|novelty| filter.push(novelty, None));
        assert_eq!(scores, [0.5, 0.8, 0.0, 0.0, 0.9, 0.0]);
    }

    #[test]
    fn an_alarm_is_forgotten_after_a_while() {
        let mut filter = AlarmFilter::new();
        filter.push(0.9, None);
        let scores: Vec<f64> = (0..150).map(|_| filter.push(0.6, None)).collect();
        assert_eq!(scores.iter().position(|&score| score > 0.0), Some(100));
    }
}

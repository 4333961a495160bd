//! What a detector's own alarms are worth: rows, events, delays, false alarms.
//!
//! In: for each row whether it is flagged, and the events. Out: counts that add up over files, and
//! the shares made of them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::matching::Labelled;
use crate::support::calendar::SECOND_US;
use crate::support::statistics::median;

/// The alarms of one file or of a whole corpus, whose rows count alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alarms {
    /// Rows flagged.
    pub flagged_rows: usize,
    /// Share of the flagged rows that lie in events; none where no row is flagged.
    pub precision: Option<f64>,
    /// Share of the rows in events that are flagged; none where there are no such rows.
    pub recall: Option<f64>,
    /// Harmonic mean of the two; none where no row is flagged nor in an event.
    pub f1: Option<f64>,
    /// The same by events.
    #[serde(flatten)]
    pub events: Found,
    /// Runs of neighbouring rows that are flagged and in no event. An alarm that outlasts its event
    /// has one behind it: else a single alarm over everything would come for nothing.
    pub false_alarms: usize,
    /// The same in 10,000 rows; none without rows.
    pub false_alarms_per_10000_rows: Option<f64>,
}

/// How many events were found, and how soon. An event is found when one of its rows is flagged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// Events there are.
    pub events: usize,
    /// Of these, the events found.
    pub found: usize,
    /// Share of the events that were found; none without events.
    pub event_recall: Option<f64>,
    /// Median, over the events found, of the seconds from the event's start to its first flagged row.
    pub median_time_to_detection_s: Option<f64>,
}

/// The events of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KindFound {
    /// The kind; none where the labels name none.
    pub kind: Option<String>,
    /// How they were found.
    #[serde(flatten)]
    pub found: Found,
}

/// Counts of alarms that add up.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    rows: usize,
    flagged: usize,
    in_events: usize,
    hits: usize,
    false_alarms: usize,
    /// For each event its delay, if it was found; by kind.
    delays_us: BTreeMap<Option<String>, Vec<Option<i64>>>,
}

impl Tally {
    /// The counts of one series whose row `i` is flagged where `flagged[i]` is true.
    pub(super) fn of(labelled: &Labelled, flagged: &[bool]) -> Self {
        let mut tally = Self {
            rows: labelled.rows(),
            ..Self::default()
        };
        let mut goes_on = false;
        for (&flagged, &in_event) in flagged.iter().zip(labelled.in_event()) {
            let is_false = flagged && !in_event;
            tally.flagged += usize::from(flagged);
            tally.in_events += usize::from(in_event);
            tally.hits += usize::from(flagged && in_event);
            tally.false_alarms += usize::from(is_false && !goes_on);
            goes_on = is_false;
        }
        for event in labelled.events() {
            let row = (event.first..=event.last).find(|&row| flagged[row]);
            let delay_us =
                row.map(|row| labelled.timestamps_us()[row].saturating_sub(event.start_us));
            let of_kind = tally.delays_us.entry(event.kind.clone()).or_default();
            of_kind.push(delay_us);
        }
        tally
    }

    /// Adds the counts of another series.
    pub(super) fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.flagged += other.flagged;
        self.in_events += other.in_events;
        self.hits += other.hits;
        self.false_alarms += other.false_alarms;
        for (kind, delays_us) in &other.delays_us {
            let of_kind = self.delays_us.entry(kind.clone()).or_default();
            of_kind.extend(delays_us);
        }
    }

    /// The counts and their shares.
    pub(super) fn alarms(&self) -> Alarms {
        let all: Vec<Option<i64>> = self.delays_us.values().flatten().copied().collect();
        Alarms {
            flagged_rows: self.flagged,
            precision: share(self.hits, self.flagged),
            recall: share(self.hits, self.in_events),
            f1: share(2 * self.hits, self.flagged + self.in_events),
            events: Found::of(&all),
            false_alarms: self.false_alarms,
            false_alarms_per_10000_rows: share(self.false_alarms, self.rows)
                .map(|share| share * 10_000.0),
        }
    }

    /// The events by kind, sorted by its name, those without one first.
    pub(super) fn kinds(&self) -> Vec<KindFound> {
        let kinds = self.delays_us.iter().map(|(kind, delays_us)| KindFound {
            kind: kind.clone(),
            found: Found::of(delays_us),
        });
        kinds.collect()
    }
}

impl Found {
    fn of(delays_us: &[Option<i64>]) -> Self {
        let delays = delays_us.iter().flatten();
        let mut found: Vec<f64> = delays.map(|&us| us as f64).collect();
        Self {
            events: delays_us.len(),
            found: found.len(),
            event_recall: share(found.len(), delays_us.len()),
            median_time_to_detection_s: median(&mut found).map(|us| us / SECOND_US as f64),
        }
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::super::tests::labelled_kinds;
    use super::*;

    /// Rows a minute apart; a flag for each character that is no point.
    fn tally(rows: &str, events: &[(usize, usize, Option<&str>)]) -> Tally {
        let flagged: Vec<bool> = rows.bytes().map(|byte| byte != b'.').collect();
        let file = labelled_kinds(&vec![0.0; rows.len()], events);
        Tally::of(&file, &flagged)
    }

    #[test]
    fn rows_events_and_delays_by_hand() {
        let events = [
            (2, 4, Some("spike")),
            (6, 9, Some("drop")),
            (11, 11, Some("spike")),
        ];
        //               0123456789ab
        let alarms = tally("x..xx..x..#.", &events).alarms();
        assert_eq!(alarms.flagged_rows, 5);
        assert_eq!(alarms.precision, Some(3.0 / 5.0));
        assert_eq!(alarms.recall, Some(3.0 / 8.0));
        assert_eq!(alarms.f1, Some(6.0 / 13.0));
        assert_eq!(alarms.events.found, 2);
        assert_eq!(alarms.events.event_recall, Some(2.0 / 3.0));
        assert_eq!(alarms.events.median_time_to_detection_s, Some(60.0));
        assert_eq!(alarms.false_alarms, 2);
        assert_eq!(
            alarms.false_alarms_per_10000_rows,
            Some(2.0 / 12.0 * 10_000.0)
        );
    }

    #[test]
    fn kinds_are_told_apart_and_sorted() {
        let events = [
            (0, 1, Some("spike")),
            (3, 4, None),
            (6, 7, Some("drop")),
            (8, 9, Some("spike")),
        ];
        let kinds = tally(".x......x.", &events).kinds();
        let found: Vec<_> = kinds
            .iter()
            .map(|one| (one.kind.as_deref(), one.found.events, one.found.found))
            .collect();
        assert_eq!(
            found,
            [(None, 1, 0), (Some("drop"), 1, 0), (Some("spike"), 2, 2)]
        );
        assert_eq!(kinds[2].found.median_time_to_detection_s, Some(30.0));
        assert_eq!(kinds[1].found.median_time_to_detection_s, None);
    }

    #[test]
    fn a_false_alarm_is_a_run_of_flagged_rows_outside_events() {
        assert_eq!(tally("xx.xxx..x.", &[]).false_alarms, 3);
        // It goes on behind the event, and begins before the other.
        assert_eq!(tally("..xxxx....", &[(2, 3, None)]).false_alarms, 1);
        assert_eq!(
            tally("xxxxxxxxxx", &[(2, 3, None), (6, 7, None)]).false_alarms,
            3
        );
    }

    #[test]
    fn shares_of_nothing_are_none() {
        let alarms = tally("....", &[]).alarms();
        assert_eq!(
            (alarms.precision, alarms.recall, alarms.f1),
            (None, None, None)
        );
        assert_eq!(alarms.events.event_recall, None);
        assert_eq!(alarms.false_alarms_per_10000_rows, Some(0.0));
        assert_eq!(tally("", &[]).alarms().false_alarms_per_10000_rows, None);
    }

    #[test]
    fn tallies_add_up() {
        let mut sum = tally("x...", &[(0, 1, Some("spike"))]);
        sum.add(&tally("..xx", &[(0, 1, Some("spike")), (3, 3, None)]));
        let alarms = sum.alarms();
        assert_eq!(alarms.precision, Some(2.0 / 3.0));
        assert_eq!((alarms.events.events, alarms.events.found), (3, 2));
        assert_eq!(alarms.false_alarms, 1);
        assert_eq!(sum.kinds()[1].found.events, 2);
    }
}

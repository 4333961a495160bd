//! Which stretches of time a log covers: its days, without times far off and without gaps of more than a week.

use std::collections::BTreeMap;

/// A day in microseconds.
pub(crate) const DAY_US: i64 = 86_400_000_000;
/// Times this far outside the middle of a log may be far off.
const FAR_US: i64 = 30 * DAY_US;
/// And so many times as far as the middle of the log is long.
const FAR_SPANS: i64 = 10;
/// No zeros are filled over so many days without any record.
const MAX_EMPTY_DAYS: i64 = 7;

/// The records of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DayRecords {
    pub(crate) records: u64,
    /// Start of the first and of the last bucket with a record.
    pub(crate) first_us: i64,
    pub(crate) last_us: i64,
}

impl DayRecords {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.records = self.records.saturating_add(other.records);
        self.first_us = self.first_us.min(other.first_us);
        self.last_us = self.last_us.max(other.last_us);
    }
}

/// What a log covers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// Stretches with a record at least each week: starts of their first and last buckets, which are incomplete.
    pub(crate) stretches: Vec<(i64, i64)>,
    /// Records whose times are far off, which are left out.
    pub(crate) far_off: u64,
    /// Whether more times are far off than may be left out.
    pub(crate) is_scattered: bool,
}

impl Span {
    /// The span of a log with these days.
    pub(crate) fn of(days: &BTreeMap<i64, DayRecords>) -> Self {
        let mut span = Self::default();
        let all: u64 = days.values().map(|day| day.records).sum();
        let (Some(low), Some(high)) = (
            quantile(days.values(), all / 100),
            quantile(days.values().rev(), all / 100),
        ) else {
            return span;
        };
        let reach = FAR_US.max(FAR_SPANS.saturating_mul(high.last_us - low.first_us));
        let is_far = |day: &DayRecords| {
            day.last_us < low.first_us.saturating_sub(reach)
                || day.first_us > high.last_us.saturating_add(reach)
        };
        let far: u64 = days
            .values()
            .filter(|day| is_far(day))
            .map(|day| day.records)
            .sum();
        span.is_scattered = far > all / 100;
        if !span.is_scattered {
            span.far_off = far;
        }
        let mut before: Option<i64> = None;
        for (&day, records) in days {
            if !span.is_scattered && is_far(records) {
                continue;
            }
            let is_near = before.is_some_and(|before| day - before <= MAX_EMPTY_DAYS);
            before = Some(day);
            match span.stretches.last_mut() {
                Some(last) if is_near => last.1 = last.1.max(records.last_us),
                _ => span.stretches.push((records.first_us, records.last_us)),
            }
        }
        span
    }

    /// The complete buckets of each stretch: numbers of the first and the last. The data reach through them.
    pub(crate) fn buckets(&self, every_us: i64) -> impl Iterator<Item = (i64, i64)> {
        self.stretches
            .iter()
            .filter_map(move |&(first_us, last_us)| {
                let first = first_us.div_euclid(every_us) + 1;
                let last = last_us.div_euclid(every_us) - 1;
                (first <= last).then_some((first, last))
            })
    }

    /// Whether a time lies in what the log covers.
    pub(crate) fn covers(&self, us: i64) -> bool {
        self.stretches
            .iter()
            .any(|&(first, last)| (first..=last).contains(&us))
    }
}

/// The first of `days` by whose end more than `skipped` records have passed.
fn quantile<'a>(
    days: impl Iterator<Item = &'a DayRecords>,
    mut skipped: u64,
) -> Option<DayRecords> {
    for day in days {
        if day.records > skipped {
            return Some(*day);
        }
        skipped -= day.records;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(days: &[(i64, u64)]) -> Span {
        let day = |&(day, records): &(i64, u64)| {
            let first_us = day * DAY_US;
            let last_us = first_us + DAY_US / 2;
            let records = DayRecords {
                records,
                first_us,
                last_us,
            };
            (day, records)
        };
        Span::of(&days.iter().map(day).collect())
    }

    #[test]
    fn few_times_far_off_are_left_out_and_many_are_not() {
        let found = span(&[(0, 1), (20_000, 500), (20_001, 500), (20_060, 1)]);
        assert_eq!((found.far_off, found.is_scattered), (2, false));
        assert_eq!(found.stretches.len(), 1);
        let found = span(&[(0, 8), (20_000, 984), (40_000, 8)]);
        assert_eq!((found.far_off, found.is_scattered), (0, true));
        assert_eq!(found.stretches.len(), 3);
    }

    #[test]
    fn a_gap_of_more_than_a_week_ends_a_stretch() {
        assert_eq!(span(&[(10, 5), (17, 5)]).stretches.len(), 1);
        assert_eq!(span(&[(10, 5), (18, 5)]).stretches.len(), 2);
        assert_eq!(span(&[]).stretches.len(), 0);
    }

    #[test]
    fn the_first_and_last_buckets_are_incomplete() {
        let found = span(&[(0, 5)]);
        let hours: Vec<(i64, i64)> = found.buckets(3_600_000_000).collect();
        assert_eq!(hours, [(1, 11)]);
        assert_eq!(found.buckets(DAY_US).count(), 0);
    }
}

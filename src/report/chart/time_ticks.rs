//! Which times are marked on the time axis, and how they are written. All of it is in UTC.
//!
//! In: a time window in microseconds since 1970 and the width it is drawn on. Out: ticks at round
//! times whose labels do not meet.

use chrono::{DateTime, Datelike, NaiveDate, Utc};

const MILLISECOND: i64 = 1_000;
const SECOND: i64 = 1_000 * MILLISECOND;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;

/// 1970-01-05, a Monday, as weeks begin on Mondays and 1970 did not.
const FIRST_MONDAY: i64 = 4 * DAY;

/// More ticks than any axis has room for: a bound against endless loops.
const MAX_TICKS: usize = 100;

/// A mark on the time axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TimeTick {
    pub time_us: i64,
    /// The fine part, named at every tick: time of day, day, month or year.
    pub label: String,
    /// The coarse part (the date, the year), named at the first tick and where it changes.
    pub below: Option<String>,
}

/// Distance between two ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Microseconds; a divisor or a multiple of a day.
    Fixed(i64),
    Weeks(i64),
    Months(i32),
    Years(i32),
}

const STEPS: [Step; 58] = {
    use Step::{Fixed, Months, Weeks, Years};
    [
        Fixed(1),
        Fixed(2),
        Fixed(5),
        Fixed(10),
        Fixed(20),
        Fixed(50),
        Fixed(100),
        Fixed(200),
        Fixed(500),
        Fixed(MILLISECOND),
        Fixed(2 * MILLISECOND),
        Fixed(5 * MILLISECOND),
        Fixed(10 * MILLISECOND),
        Fixed(20 * MILLISECOND),
        Fixed(50 * MILLISECOND),
        Fixed(100 * MILLISECOND),
        Fixed(200 * MILLISECOND),
        Fixed(500 * MILLISECOND),
        Fixed(SECOND),
        Fixed(2 * SECOND),
        Fixed(5 * SECOND),
        Fixed(10 * SECOND),
        Fixed(15 * SECOND),
        Fixed(30 * SECOND),
        Fixed(MINUTE),
        Fixed(2 * MINUTE),
        Fixed(5 * MINUTE),
        Fixed(10 * MINUTE),
        Fixed(15 * MINUTE),
        Fixed(30 * MINUTE),
        Fixed(HOUR),
        Fixed(2 * HOUR),
        Fixed(3 * HOUR),
        Fixed(6 * HOUR),
        Fixed(12 * HOUR),
        Fixed(DAY),
        Fixed(2 * DAY),
        Weeks(1),
        Weeks(2),
        Months(1),
        Months(2),
        Months(3),
        Months(6),
        Years(1),
        Years(2),
        Years(5),
        Years(10),
        Years(20),
        Years(50),
        Years(100),
        Years(200),
        Years(500),
        Years(1_000),
        Years(2_000),
        Years(5_000),
        Years(10_000),
        Years(20_000),
        Years(50_000),
    ]
};

impl Step {
    fn length_us(self) -> f64 {
        match self {
            Self::Fixed(us) => us as f64,
            Self::Weeks(weeks) => (weeks * WEEK) as f64,
            Self::Months(months) => f64::from(months) * 30.4 * DAY as f64,
            Self::Years(years) => f64::from(years) * 365.25 * DAY as f64,
        }
    }

    /// Pixels from one tick to the next that its labels need.
    fn spacing(self) -> f64 {
        match self {
            Self::Fixed(us) if us < MILLISECOND => 130.0,
            Self::Fixed(us) if us < DAY => 115.0,
            Self::Fixed(_) | Self::Weeks(_) => 95.0,
            Self::Months(_) | Self::Years(_) => 70.0,
        }
    }

    fn between(first_us: i64, last_us: i64, width: f64) -> Self {
        let pixels_per_us = width / (last_us.abs_diff(first_us).max(1)) as f64;
        STEPS
            .into_iter()
            .find(|step| step.length_us() * pixels_per_us >= step.spacing())
            .unwrap_or(STEPS[STEPS.len() - 1])
    }

    fn times_us(self, first_us: i64, last_us: i64) -> Vec<i64> {
        match self {
            Self::Fixed(us) => multiples(us, 0, first_us, last_us),
            Self::Weeks(weeks) => multiples(weeks * WEEK, FIRST_MONDAY, first_us, last_us),
            Self::Months(months) => months_between(months, first_us, last_us),
            Self::Years(years) => months_between(years.saturating_mul(12), first_us, last_us),
        }
    }

    fn label(self, time: DateTime<Utc>) -> String {
        let form = match self {
            Self::Fixed(us) if us < MILLISECOND => "%H:%M:%S%.6f",
            Self::Fixed(us) if us < SECOND => "%H:%M:%S%.3f",
            Self::Fixed(us) if us < MINUTE => "%H:%M:%S",
            Self::Fixed(us) if us < DAY => "%H:%M",
            Self::Fixed(_) | Self::Weeks(_) => "%a %b %-d",
            Self::Months(_) => "%b",
            Self::Years(_) => "%Y",
        };
        time.format(form).to_string()
    }

    fn coarse_label(self, time: DateTime<Utc>) -> Option<String> {
        match self {
            Self::Fixed(us) if us < DAY => Some(time.format("%a %b %-d %Y").to_string()),
            Self::Fixed(_) | Self::Weeks(_) | Self::Months(_) => {
                Some(time.format("%Y").to_string())
            }
            Self::Years(_) => None,
        }
    }
}

/// Ticks for the window from `first_us` to `last_us`, drawn `width` pixels wide.
///
/// They stand at multiples of 1, 2, 5 … µs and ms, 1, 2, 5, 10, 15, 30 s and min, 1, 2, 3, 6, 12 h,
/// 1 and 2 d, 1 and 2 weeks (Mondays), 1, 2, 3, 6 months, or 1, 2, 5 … years.
pub(super) fn ticks(first_us: i64, last_us: i64, width: f64) -> Vec<TimeTick> {
    let step = Step::between(first_us, last_us, width);
    let mut named = None;
    step.times_us(first_us, last_us)
        .into_iter()
        .map(|time_us| {
            let time = calendar_time(time_us);
            let coarse = step.coarse_label(time);
            let changed = coarse != named;
            named.clone_from(&coarse);
            TimeTick {
                time_us,
                label: step.label(time),
                below: coarse.filter(|_| changed),
            }
        })
        .collect()
}

/// The window in words, as finely as its length asks for: `2014-04-10 00:04 to 2014-04-24 00:09`.
pub(super) fn window(first_us: i64, last_us: i64) -> String {
    let span = last_us.abs_diff(first_us);
    let form = if span >= 2 * DAY as u64 {
        "%Y-%m-%d %H:%M"
    } else if span >= 10 * SECOND as u64 {
        "%Y-%m-%d %H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M:%S%.6f"
    };
    let (first, last) = (calendar_time(first_us), calendar_time(last_us));
    if span == 0 {
        return first.format(form).to_string();
    }
    format!("{} to {}", first.format(form), last.format(form))
}

/// The calendar's time, or the calendar's end where `time_us` lies beyond it.
fn calendar_time(time_us: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time_us).unwrap_or(if time_us < 0 {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    })
}

fn multiples(step_us: i64, origin_us: i64, first_us: i64, last_us: i64) -> Vec<i64> {
    let (step, origin) = (i128::from(step_us), i128::from(origin_us));
    let before = (i128::from(first_us) - origin - 1).div_euclid(step);
    (1..=MAX_TICKS as i128)
        .map(|at| (before + at) * step + origin)
        .filter_map(|time| i64::try_from(time).ok())
        .take_while(|&time| time <= last_us)
        .collect()
}

fn months_between(step: i32, first_us: i64, last_us: i64) -> Vec<i64> {
    let first = calendar_time(first_us);
    let before = (first.year() * 12 + first.month0() as i32).div_euclid(step);
    (0..MAX_TICKS as i32)
        .filter_map(|at| before.checked_add(at)?.checked_mul(step))
        .filter_map(start_of_month_us)
        .skip_while(|&time| time < first_us)
        .take_while(|&time| time <= last_us)
        .collect()
}

/// The first microsecond of a month, counted from January of the year 0.
fn start_of_month_us(month: i32) -> Option<i64> {
    let date = NaiveDate::from_ymd_opt(month.div_euclid(12), month.rem_euclid(12) as u32 + 1, 1)?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: i64 = 1_397_088_240_000_000; // Thu 2014-04-10 00:04:00
    const WIDTH: f64 = 1364.0;

    fn shown(first_us: i64, span_us: i64) -> String {
        let ticks = ticks(first_us, first_us + span_us, WIDTH);
        let text: Vec<String> = ticks
            .iter()
            .take(3)
            .map(|tick| match &tick.below {
                Some(below) => format!("{} [{below}]", tick.label),
                None => tick.label.clone(),
            })
            .collect();
        format!("{}: {}", ticks.len(), text.join(", "))
    }

    #[test]
    fn ticks_suit_the_span() {
        for (span_us, expected) in [
            (
                10,
                "11: 00:04:00.000000 [Thu Apr 10 2014], 00:04:00.000001, 00:04:00.000002",
            ),
            (
                20 * MILLISECOND,
                "11: 00:04:00.000 [Thu Apr 10 2014], 00:04:00.002, 00:04:00.004",
            ),
            (
                10 * SECOND,
                "11: 00:04:00 [Thu Apr 10 2014], 00:04:01, 00:04:02",
            ),
            (MINUTE, "7: 00:04:00 [Thu Apr 10 2014], 00:04:10, 00:04:20"),
            (HOUR, "6: 00:10 [Thu Apr 10 2014], 00:20, 00:30"),
            (DAY, "8: 03:00 [Thu Apr 10 2014], 06:00, 09:00"),
            (
                3 * DAY,
                "6: 12:00 [Thu Apr 10 2014], 00:00 [Fri Apr 11 2014], 12:00",
            ),
            (14 * DAY, "14: Fri Apr 11 [2014], Sat Apr 12, Sun Apr 13"),
            (90 * DAY, "13: Mon Apr 14 [2014], Mon Apr 21, Mon Apr 28"),
            (365 * DAY, "12: May [2014], Jun, Jul"),
            (3653 * DAY, "10: 2015, 2016, 2017"),
            (100 * 36525 * DAY / 100, "10: 2020, 2030, 2040"),
        ] {
            assert_eq!(shown(START, span_us), expected);
        }
    }

    #[test]
    fn the_window_is_named_as_finely_as_needed() {
        for (span_us, expected) in [
            (0, "2014-04-10 00:04:00.000000"),
            (
                1500,
                "2014-04-10 00:04:00.000000 to 2014-04-10 00:04:00.001500",
            ),
            (HOUR, "2014-04-10 00:04:00 to 2014-04-10 01:04:00"),
            (30 * DAY, "2014-04-10 00:04 to 2014-05-10 00:04"),
        ] {
            assert_eq!(window(START, START + span_us), expected);
        }
    }

    #[test]
    fn the_first_and_the_last_year_of_the_calendar_are_marked() {
        let year_1 = start_of_month_us(12).unwrap();
        let year_9999 = start_of_month_us(9999 * 12).unwrap();
        let marked = ticks(year_1, year_9999, WIDTH);
        let labels: Vec<&str> = marked.iter().map(|tick| tick.label.as_str()).collect();
        assert_eq!(labels[..3], ["1000", "2000", "3000"]);
        assert_eq!(labels.last(), Some(&"9000"));
    }

    proptest! {
        #[test]
        fn ticks_of_any_window_lie_inside_it_in_order_and_not_too_close(
            ends in prop_oneof![
                (any::<i64>(), any::<i64>()),
                (any::<i64>(), 0i64..1_000_000_000_000).prop_map(|(a, span)| (a, a.saturating_add(span))),
            ],
        ) {
            let (first, last) = (ends.0.min(ends.1), ends.0.max(ends.1));
            let ticks = ticks(first, last, WIDTH);
            prop_assert!(ticks.len() <= 20);
            prop_assert!(ticks.iter().all(|tick| (first..=last).contains(&tick.time_us)));
            prop_assert!(ticks.is_sorted_by(|a, b| a.time_us < b.time_us));
        }
    }
}

//! Times of syslog, which may have no year.
//!
//! In: the time of a head, `Mar  1 10:00:00` or ISO 8601. Out: microseconds UTC. A log begins in a known year; the year goes up by one
//! where the lines step from December to January.

use super::envelope::{Syslog, syslog};
use super::fields;
use super::record::RecordOptions;
use super::timestamp::{TimeForm, TimeParser, Zone};

/// The year and month that a log has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Season {
    year: i32,
    month: u8,
}

impl Season {
    /// At the first line of a log.
    pub(super) fn first(head: &[u8], options: &RecordOptions) -> Self {
        let month = fields::lines(head)
            .find_map(|(_, line)| month(line))
            .unwrap_or(1);
        let is_year_before = options
            .last_month
            .is_some_and(|last| u32::from(month) > last);
        Self {
            year: options.year - i32::from(is_year_before),
            month,
        }
    }

    /// The year of a line of this month. A fall of more than six months is the step to the next year; a rise of more than nine is
    /// a late line of the year before.
    fn year_of(&mut self, month: u8) -> i32 {
        if month + 6 < self.month {
            self.year += 1;
        } else if month > self.month + 9 {
            return self.year - 1;
        }
        self.month = month;
        self.year
    }

    /// Behind all lines of `block`.
    pub(super) fn after(mut self, block: &[u8]) -> Self {
        for (_, line) in fields::lines(block) {
            if let Some(month) = month(line) {
                self.year_of(month);
            }
        }
        self
    }
}

/// The month that a line begins with, `Mar  1 10:00:00`, behind a priority or not.
fn month(line: &[u8]) -> Option<u8> {
    let line = match line {
        [b'<', inner @ ..] => {
            let end = memchr::memchr(b'>', inner.get(..4.min(inner.len()))?)?;
            &inner[end + 1..]
        }
        _ => line,
    };
    let [a, b, c, b' ', _, _, b' ', _, _, b':', ..] = line else {
        return None;
    };
    month_named([*a, *b, *c])
}

fn month_named(name: [u8; 3]) -> Option<u8> {
    Some(match &name {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    })
}

/// Reads the times of one block, in order.
pub(super) struct SyslogClock {
    season: Season,
    iso: TimeParser,
}

impl SyslogClock {
    pub(super) fn new(season: Season, zone: Zone) -> Self {
        Self {
            season,
            iso: TimeForm::iso(zone).parser(),
        }
    }

    /// Microseconds UTC of the time of a head; `None` where it is no time.
    pub(super) fn parse(&mut self, text: &[u8]) -> Option<i64> {
        let &[a, b, c, b' ', tens, ones, b' ', ref clock @ ..] = text else {
            return self.iso.parse(text);
        };
        let month = month_named([a, b, c])?;
        let year = self.season.year_of(month);
        let tens = if tens == b' ' { b'0' } else { tens };
        let mut iso = *b"0000-00-00 00:00:00";
        let year = u32::try_from(year).ok().filter(|year| *year <= 9999)?;
        for (place, divisor) in [(0, 1000), (1, 100), (2, 10), (3, 1)] {
            iso[place] = b'0' + (year / divisor % 10) as u8;
        }
        (iso[5], iso[6]) = (b'0' + month / 10, b'0' + month % 10);
        (iso[8], iso[9]) = (tens, ones);
        iso[11..].copy_from_slice(clock.get(..8)?);
        self.iso.parse(&iso)
    }
}

/// Whether at least half of the lines of `head` fit, and 80 % have a head of syslog: firewalls write among other programs.
pub(super) fn half_fit(
    head: &[u8],
    mut fits: impl FnMut(&[u8], Option<Syslog<'_>>) -> bool,
) -> bool {
    let lines = fields::head_lines(head);
    let (mut heads, mut fitting) = (0_usize, 0_usize);
    for line in &lines {
        let parts = syslog(line);
        let is_fit = fits(line, parts);
        heads += usize::from(is_fit || parts.is_some());
        fitting += usize::from(is_fit);
    }
    fitting > 0 && fitting * 2 >= lines.len() && heads * 5 >= lines.len() * 4
}

#[cfg(test)]
mod tests {
    use super::super::collected::OPTIONS;
    use super::*;
    use crate::support::calendar::iso_text;

    fn times(season: Season, lines: &[&str]) -> Vec<String> {
        let mut clock = SyslogClock::new(season, Zone::UTC);
        lines
            .iter()
            .map(|line| {
                clock
                    .parse(line.as_bytes())
                    .map_or("none".to_owned(), iso_text)
            })
            .collect()
    }

    #[test]
    fn the_year_steps_from_december_to_january_and_late_lines_stay_behind() {
        let season = Season::first(b"Dec 30 10:00:00 h k: x\n", &OPTIONS);
        let lines = [
            "Dec 31 23:59:59",
            "Jan  1 00:00:01",
            "Dec 31 23:59:58",
            "Jan  2 00:00:00",
            "Feb 29 00:00:00",
            "2026-12-31T23:59:59+01:00",
        ];
        assert_eq!(
            times(season, &lines),
            [
                "2026-12-31T23:59:59Z",
                "2027-01-01T00:00:01Z",
                "2026-12-31T23:59:58Z",
                "2027-01-02T00:00:00Z",
                "none",
                "2026-12-31T22:59:59Z"
            ]
        );
    }

    #[test]
    fn a_log_that_begins_in_a_later_month_than_it_was_last_changed_began_the_year_before() {
        let options = RecordOptions {
            year: 2027,
            last_month: Some(1),
            ..OPTIONS
        };
        let season = Season::first(b"<4>Dec 30 10:00:00 h k: x\n", &options);
        assert_eq!(
            times(season, &["Dec 30 10:00:00", "Jan  3 10:00:00"]),
            ["2026-12-30T10:00:00Z", "2027-01-03T10:00:00Z"]
        );
        let same = Season::first(b"Jan  2 10:00:00 h k: x\n", &options);
        assert_eq!(times(same, &["Jan  2 10:00:00"]), ["2027-01-02T10:00:00Z"]);
    }

    #[test]
    fn a_block_leaves_the_season_that_its_lines_have_come_to() {
        let season = Season::first(b"Dec 30 10:00:00 h k: x\n", &OPTIONS);
        let after = season.after(b"Dec 31 10:00:00 h k: x\nnoise\n<4>Jan  1 10:00:00 h k: x\n");
        assert_eq!(
            after,
            Season {
                year: 2027,
                month: 1
            }
        );
        assert_eq!(times(after, &["Mar 15 12:00:00"]), ["2027-03-15T12:00:00Z"]);
    }
}

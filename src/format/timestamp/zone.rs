//! The zone of times that name none, and the way from local time to UTC.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, MappedLocalTime, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};
use serde::{Deserialize, Serialize};

use super::civil;
use crate::support::calendar::{DAY_S, SECOND_US};
use crate::support::error::{Error, ErrorKind, quoted};

/// Where the clock hung that wrote a time without a zone: UTC, a fixed offset or a place.
///
/// A place follows its daylight-saving rules: of a local time that occurs twice the earlier instant is
/// meant, and one that the clocks jumped over names no instant at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(Rule);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Rule {
    /// Seconds east of Greenwich.
    Fixed(i32),
    Place(Tz),
}

impl Zone {
    /// Coordinated universal time, the default.
    pub const UTC: Self = Self(Rule::Fixed(0));
}

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

impl FromStr for Zone {
    type Err = Error;

    /// Reads `UTC` (or `Z`), an offset (`+02:00`, `+0200`, `+02`) or a name of the IANA database
    /// (`Europe/Berlin`); the case of letters does not matter.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] when the text is none of these.
    ///
    /// ```
    /// use isoscan::format::timestamp::Zone;
    /// let zone: Zone = "Europe/Berlin".parse()?;
    /// assert_eq!(zone.to_string(), "Europe/Berlin");
    /// assert!("Europe/Atlantis".parse::<Zone>().is_err());
    /// # Ok::<(), isoscan::Error>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if let Some(seconds) = civil::zone_mark(text.as_bytes()) {
            return Ok(Self(Rule::Fixed(seconds)));
        }
        TZ_VARIANTS
            .iter()
            .find(|place| place.name().eq_ignore_ascii_case(text))
            .map(|&place| match place {
                Tz::UTC => Self::UTC,
                _ => Self(Rule::Place(place)),
            })
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Setting,
                    format!(
                        "--timezone {} is unknown: give UTC, an offset such as +02:00, or an IANA name such as Europe/Berlin",
                        quoted(text.as_bytes())
                    ),
                )
            })
    }
}

impl TryFrom<String> for Zone {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.to_string()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Rule::Fixed(0) => f.write_str("UTC"),
            Rule::Fixed(seconds) => {
                let sign = if seconds < 0 { '-' } else { '+' };
                let minutes = seconds.abs() / 60;
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            Rule::Place(place) => f.write_str(place.name()),
        }
    }
}

/// A zone with the span of local time that was last looked up: within it the offset is known.
#[derive(Debug, Clone)]
pub(in crate::format) struct LocalClock {
    zone: Zone,
    /// First local second of the span.
    from_s: i64,
    /// Local second behind the span.
    until_s: i64,
    offset_s: i64,
}

impl LocalClock {
    pub(in crate::format) fn new(zone: Zone) -> Self {
        let (from_s, until_s, offset_s) = match zone.0 {
            Rule::Fixed(seconds) => (i64::MIN, i64::MAX, i64::from(seconds)),
            Rule::Place(_) => (0, 0, 0),
        };
        Self {
            zone,
            from_s,
            until_s,
            offset_s,
        }
    }

    /// The instant, in microseconds since 1970 UTC, at which the clock shows `local_us`.
    #[inline]
    pub(in crate::format) fn utc_us(&mut self, local_us: i64) -> Option<i64> {
        let offset_s = self.offset_at(local_us.div_euclid(SECOND_US))?;
        local_us.checked_sub(offset_s * SECOND_US)
    }

    /// The offset that holds for the whole local day which begins at `midnight_s`, if there is one.
    pub(super) fn offset_of_day(&mut self, midnight_s: i64) -> Option<i64> {
        let offset_s = self.offset_at(midnight_s)?;
        (self.from_s <= midnight_s && midnight_s.checked_add(DAY_S)? <= self.until_s)
            .then_some(offset_s)
    }

    #[inline]
    fn offset_at(&mut self, local_s: i64) -> Option<i64> {
        if self.from_s <= local_s && local_s < self.until_s {
            return Some(self.offset_s);
        }
        self.look_up(local_s)
    }

    #[cold]
    fn look_up(&mut self, local_s: i64) -> Option<i64> {
        let Rule::Place(place) = self.zone.0 else {
            return Some(self.offset_s);
        };
        // No zone changes its offset to and fro within one local day, so equal offsets at both ends
        // hold between them. A day with a change is taken by the hour, and its hour of change by the second.
        for span_s in [DAY_S, 3600] {
            let from_s = local_s.div_euclid(span_s) * span_s;
            let until_s = from_s + span_s;
            if let (Some(first), Some(last)) =
                (only_offset(place, from_s), only_offset(place, until_s - 1))
                && first == last
            {
                (self.from_s, self.until_s, self.offset_s) = (from_s, until_s, first);
                return Some(first);
            }
        }
        match offsets(place, local_s)? {
            MappedLocalTime::Single(offset_s) => Some(offset_s),
            // The larger offset reaches a local time earlier.
            MappedLocalTime::Ambiguous(one, other) => Some(one.max(other)),
            MappedLocalTime::None => None,
        }
    }
}

fn only_offset(place: Tz, local_s: i64) -> Option<i64> {
    offsets(place, local_s)?.single()
}

fn offsets(place: Tz, local_s: i64) -> Option<MappedLocalTime<i64>> {
    let local = DateTime::from_timestamp(local_s, 0)?.naive_utc();
    Some(
        place
            .offset_from_local_datetime(&local)
            .map(|offset| i64::from(offset.fix().local_minus_utc())),
    )
}

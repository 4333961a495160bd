//! Incidents: neighbouring anomalies as one thing that happened, with its kind, its severity and the
//! evidence in words.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::anomaly::Direction;
use super::baseline::Baseline;
use super::departure::{DEPARTED, Run};
use super::interval::{Gap, SamplingInterval};
use crate::support::calendar::{HOUR_US, MINUTE_US, iso_text};
use crate::support::error::{Error, ErrorKind, Result};
use crate::support::text::duration;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Far above what was expected for no more than an hour, or three rows: a flood, an attack.
    Spike,
    /// Above it for longer: a bulk transfer, data being carried off.
    Surge,
    /// Below it.
    Drop,
    /// Traffic, or a heartbeat, ceased: at most a twentieth of what was expected, or no row at all.
    Silence,
    /// A new level that lasts: twenty hours at least, or a quarter of a shorter series.
    Shift,
    /// Values that are usual one by one, in an unusual order.
    Pattern,
}

impl Kind {
    /// Every kind, in the order of this documentation.
    pub const ALL: [Self; 6] = [
        Self::Spike,
        Self::Surge,
        Self::Drop,
        Self::Silence,
        Self::Shift,
        Self::Pattern,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::Surge => "surge",
            Self::Drop => "drop",
            Self::Silence => "silence",
            Self::Shift => "shift",
            Self::Pattern => "pattern",
        }
    }
}

/// How much an incident matters. It starts at 0 and is counted up, `Low` for 0 to `Critical` for 3:
///
/// | | |
/// | --- | --- |
/// | how far the peak lies from what was expected | 0 below 6 robust standard deviations, 1 below 12, 2 below 30, 3 from there on |
/// | at most | 1 where the peak is off by less than half of what was expected, 0 by less than a tenth |
/// | how long it lasts | 1 more from an hour on, 2 more from six hours on |
/// | silence | counts 1 for how far, whatever the deviations, if that is more |
/// | pattern | counts 0 for how far |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a line in a table.
    Low,
    /// Worth a look in the morning.
    Medium,
    /// Worth a look now.
    High,
    /// Worth waking somebody.
    Critical,
}

impl Severity {
    /// Every severity, the least first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Its name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Severity {
    type Err = Error;

    /// Reads a severity by its name.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] where there is no such severity.
    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL
            .into_iter()
            .find(|severity| severity.name() == name);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::new(
                ErrorKind::Setting,
                format!("severity \"{name}\" is not one of {known}"),
            )
        })
    }
}

/// Something that happened in a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// What.
    pub kind: Kind,
    /// How much it matters.
    pub severity: Severity,
    /// Time of its first row in microseconds UTC; of a gap, when the first missing row was due.
    pub start_us: i64,
    /// Time of its last row; of a gap, of the first row behind it.
    pub end_us: i64,
    /// How long it lasted, the last row's step included, in microseconds.
    pub duration_us: i64,
    /// On which side of the expected values it lies; `None` for a pattern.
    pub direction: Option<Direction>,
    /// The highest score; `None` for a gap, where there is no row to score.
    pub score: Option<f64>,
    /// Rows that depart from what was expected, anomalies among them; 0 for a gap.
    pub rows: u64,
    /// Anomalies.
    pub anomalies: u64,
    /// Time of the row farthest from what was expected.
    pub peak_us: i64,
    /// Its value; `None` for a gap.
    pub peak: Option<f64>,
    /// What was expected there.
    pub expected: Baseline,
    /// Number of the column that contributed most.
    pub column: u16,
}

/// What is the same for all incidents of a series.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) interval: &'a SamplingInterval,
    pub(super) span_us: i64,
    /// Whether the detector judges shapes, so that rows need not depart to be anomalies.
    pub(super) by_shape: bool,
    /// The baseline of each column.
    pub(super) baselines: &'a [Baseline],
}

/// How long a spike lasts at most.
const SPIKE_US: i64 = HOUR_US;
const SPIKE_STEPS: i64 = 3;
/// How long a shift lasts at least: less than a day, since its edges are seldom sharp.
const SHIFT_US: i64 = 20 * HOUR_US;
/// Or what share of a series too short to have days.
const SHIFT_SHARE: i64 = 4;
const SHIFT_ROWS: u64 = 100;

/// Rows this close together belong to one incident: five steps, five minutes at least.
pub(super) fn join_us(interval: &SamplingInterval) -> i64 {
    interval.step_us.saturating_mul(5).max(5 * MINUTE_US)
}

/// All incidents of a series in time order, from its runs and its gaps.
pub(super) fn incidents(runs: Vec<Run>, setting: &Setting<'_>) -> Vec<Incident> {
    let gaps = setting.interval.gaps.iter();
    let mut all: Vec<Incident> = gaps.map(|gap| of_gap(gap, setting)).collect();
    all.extend(runs.into_iter().map(|run| of_run(&run, setting)));
    all.sort_by_key(|incident| (incident.start_us, incident.end_us));
    all
}

fn of_gap(gap: &Gap, setting: &Setting<'_>) -> Incident {
    let start_us = gap.after_us.saturating_add(setting.interval.step_us);
    let duration_us = gap.before_us.saturating_sub(start_us);
    Incident {
        kind: Kind::Silence,
        severity: graded(1 + lasting(duration_us)),
        start_us,
        end_us: gap.before_us,
        duration_us,
        direction: Some(Direction::Below),
        score: None,
        rows: 0,
        anomalies: 0,
        peak_us: start_us,
        peak: None,
        expected: setting.baselines[0],
        column: 0,
    }
}

fn of_run(run: &Run, setting: &Setting<'_>) -> Incident {
    let step_us = setting.interval.step_us;
    let duration_us = run
        .end_us
        .saturating_sub(run.start_us)
        .saturating_add(step_us);
    let usual = setting.baselines[usize::from(run.peak.column)];
    let is_usual = usual
        .deviations(run.peak.value)
        .is_some_and(|deviations| deviations.abs() <= DEPARTED);
    let direction = Direction::of(run.peak.value, run.peak.expected.center);
    let short_series = setting.span_us < 2 * SHIFT_US
        && run.rows >= SHIFT_ROWS
        && duration_us >= setting.span_us / SHIFT_SHARE;
    let kind = match direction {
        Direction::Below if 2 * run.ceased > run.rows => Kind::Silence,
        _ if setting.by_shape && is_usual => Kind::Pattern,
        _ if duration_us >= SHIFT_US || short_series => Kind::Shift,
        Direction::Below => Kind::Drop,
        Direction::Above if duration_us <= SPIKE_US.max(SPIKE_STEPS.saturating_mul(step_us)) => {
            Kind::Spike
        }
        Direction::Above => Kind::Surge,
    };
    let far = match kind {
        Kind::Pattern => 0,
        Kind::Silence => reach(run).max(1),
        _ => reach(run),
    };
    Incident {
        kind,
        severity: graded(far + lasting(duration_us)),
        start_us: run.start_us,
        end_us: run.end_us,
        duration_us,
        direction: (kind != Kind::Pattern).then_some(direction),
        score: Some(run.highest_score),
        rows: run.rows,
        anomalies: run.anomalies,
        peak_us: run.peak.time_us,
        peak: Some(run.peak.value),
        expected: run.peak.expected,
        column: run.peak.column,
    }
}

fn graded(points: usize) -> Severity {
    Severity::ALL[points.min(Severity::ALL.len() - 1)]
}

/// What the peak's distance from what was expected counts.
fn reach(run: &Run) -> usize {
    let expected = run.peak.expected.center;
    let deviations = run.peak.expected.deviations(run.peak.value);
    let far = match deviations.map(f64::abs) {
        Some(deviations) if deviations < 6.0 => 0,
        Some(deviations) if deviations < 12.0 => 1,
        Some(deviations) if deviations < 30.0 => 2,
        _ => 3,
    };
    let change = (run.peak.value / 2.0 - expected / 2.0).abs();
    if change < expected.abs() / 20.0 {
        0
    } else if change < expected.abs() / 4.0 {
        far.min(1)
    } else {
        far
    }
}

/// What its duration counts.
fn lasting(duration_us: i64) -> usize {
    usize::from(duration_us >= HOUR_US) + usize::from(duration_us >= 6 * HOUR_US)
}

impl Incident {
    /// Orders incidents by severity, the worst first; then by how far their peak lies from what was
    /// expected, by duration and by time.
    pub fn worst_first(a: &Self, b: &Self) -> std::cmp::Ordering {
        let reach = |incident: &Self| match incident.peak {
            Some(peak) => incident.expected.deviations(peak).map_or(0.0, f64::abs),
            None => 0.0,
        };
        b.severity
            .cmp(&a.severity)
            .then_with(|| reach(b).total_cmp(&reach(a)))
            .then_with(|| b.duration_us.cmp(&a.duration_us))
            .then_with(|| a.start_us.cmp(&b.start_us))
    }

    /// The range that the peak was expected in: three robust standard deviations about the expected
    /// value.
    pub fn expected_range(&self) -> (f64, f64) {
        let Baseline { center, scale } = self.expected;
        let reach = DEPARTED * scale;
        (
            (center - reach).clamp(f64::MIN, f64::MAX),
            (center + reach).clamp(f64::MIN, f64::MAX),
        )
    }

    /// What speaks for its kind, in words, on one line.
    pub fn evidence(&self) -> String {
        let lasted = duration(self.duration_us);
        let Some(peak) = self.peak else {
            return format!("no row for {lasted}");
        };
        let rows = match self.rows {
            1 => "1 row".to_owned(),
            rows => format!("{rows} rows"),
        };
        let expected = number(self.expected.center);
        let deviations = match self.expected.deviations(peak) {
            Some(deviations) => format!("{} robust standard deviations", number(deviations.abs())),
            None => "where values did not vary".to_owned(),
        };
        let at = iso_text(self.peak_us);
        match (self.kind, self.direction) {
            (Kind::Pattern, _) => format!(
                "{rows} over {lasted} run unlike the rest of the series, though the values are usual ones"
            ),
            (Kind::Silence, _) => format!(
                "down to {} where {expected} was expected, {rows} over {lasted}",
                number(peak)
            ),
            (_, Some(Direction::Below)) => format!(
                "down to {}{}, {deviations} below the expected {expected}, at {at}; {rows} over {lasted}",
                number(peak),
                self.share(peak)
            ),
            _ => format!(
                "up to {}{}, {deviations} above the expected {expected}, at {at}; {rows} over {lasted}",
                number(peak),
                self.share(peak)
            ),
        }
    }

    fn share(&self, peak: f64) -> String {
        match self.expected.ratio(peak) {
            Some(ratio) if ratio >= 2.0 => format!(" ({} times)", number(ratio)),
            Some(ratio) => format!(" ({} %)", number(100.0 * ratio)),
            None => String::new(),
        }
    }
}

/// A number to three significant digits, or whole.
fn number(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-3..1e15).contains(&size) {
        return format!("{number:.2e}");
    }
    match size {
        s if s >= 100.0 || s == 0.0 => format!("{number:.0}"),
        s if s >= 10.0 => format!("{number:.1}"),
        s if s >= 1.0 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::departure::Row;

    const STEP: i64 = 5 * MINUTE_US;

    fn run(rows: u64, peak: f64, ceased: bool) -> Run {
        let expected = Baseline {
            center: 1000.0,
            scale: 50.0,
        };
        let row = Row {
            time_us: 0,
            value: peak,
            column: 0,
            expected,
            score: 0.8,
            anomaly: true,
        };
        Run {
            start_us: 0,
            end_us: (rows as i64 - 1) * STEP,
            rows,
            anomalies: 1,
            ceased: if ceased { rows } else { 0 },
            peak: row,
            highest_score: 0.8,
        }
    }

    fn incident(run: Run, by_shape: bool) -> Incident {
        let interval = SamplingInterval {
            step_us: STEP,
            ..SamplingInterval::default()
        };
        let setting = Setting {
            interval: &interval,
            span_us: 14 * 24 * HOUR_US,
            by_shape,
            baselines: &[run.peak.expected],
        };
        incidents(vec![run], &setting).remove(0)
    }

    #[test]
    fn kind_and_severity_follow_the_written_rules() {
        for (run, kind, severity) in [
            (run(1, 1200.0, false), Kind::Spike, Severity::Low),
            (run(3, 1450.0, false), Kind::Spike, Severity::Medium),
            (run(3, 1550.0, false), Kind::Spike, Severity::Medium),
            (run(3, 1700.0, false), Kind::Spike, Severity::High),
            (run(3, 9000.0, false), Kind::Spike, Severity::Critical),
            (run(24, 1250.0, false), Kind::Surge, Severity::Medium),
            (run(100, 1250.0, false), Kind::Surge, Severity::High),
            (run(3, 600.0, false), Kind::Drop, Severity::Medium),
            (run(3, 10.0, true), Kind::Silence, Severity::High),
            (run(300, 1500.0, false), Kind::Shift, Severity::Critical),
        ] {
            let found = incident(run, false);
            assert_eq!(
                (found.kind, found.severity),
                (kind, severity),
                "{}",
                found.evidence()
            );
        }
    }

    #[test]
    fn usual_values_in_an_unusual_order_are_a_pattern() {
        let found = incident(run(30, 1100.0, false), true);
        assert_eq!((found.kind, found.direction), (Kind::Pattern, None));
    }

    #[test]
    fn a_gap_in_time_is_a_silence() {
        let interval = SamplingInterval {
            step_us: STEP,
            regular: 1.0,
            gaps: vec![Gap {
                after_us: 0,
                before_us: 25 * STEP,
            }],
        };
        let setting = Setting {
            interval: &interval,
            span_us: 24 * HOUR_US,
            by_shape: false,
            baselines: &[Baseline {
                center: 5.0,
                scale: 1.0,
            }],
        };
        let found = incidents(vec![], &setting).remove(0);
        assert_eq!(
            (found.kind, found.severity),
            (Kind::Silence, Severity::High)
        );
        assert_eq!((found.duration_us, found.rows), (24 * STEP, 0));
        assert_eq!(found.evidence(), "no row for 2 h");
    }

    #[test]
    fn the_evidence_tells_how_far_when_and_how_long() {
        assert_eq!(
            incident(run(3, 9000.0, false), false).evidence(),
            "up to 9000 (9.00 times), 160 robust standard deviations above the expected 1000, \
             at 1970-01-01T00:00:00Z; 3 rows over 15 min"
        );
        assert_eq!(
            incident(run(3, 600.0, false), false).evidence(),
            "down to 600 (60.0 %), 8.00 robust standard deviations below the expected 1000, \
             at 1970-01-01T00:00:00Z; 3 rows over 15 min"
        );
    }
}
